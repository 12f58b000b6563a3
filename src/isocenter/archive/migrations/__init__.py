"""Migrations of the index (Alembic): from every schema that was released to the newest one.

A new index is made from `tables` at once, and marked as migrated. alembic is imported where an
older one is brought up to date, and nowhere else.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

__all__ = ["KNOWN", "configuration", "upgrade"]

KNOWN = frozenset({"", "0001"})
"""Names of all migrations; "" is before the first one."""


def configuration(connection: Connection) -> Config:
    """Return what alembic's commands need, to work on an open connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", os.path.dirname(__file__).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection) -> None:
    """Bring the schema up to date, in the transaction that is open."""
    from alembic.command import upgrade as upgrade_to

    upgrade_to(configuration(connection), "head")

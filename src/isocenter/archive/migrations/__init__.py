"""Migrations of the index (Alembic): from every schema that was released to the newest one.

A new index is made from `tables` at once, and marked as migrated. alembic is imported where an
older one is brought up to date, and nowhere else. There is no ``env.py``: the migrations run on a
connection that is open already.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from sqlalchemy import Connection

__all__ = ["KNOWN", "scripts", "upgrade"]

KNOWN = frozenset({"", "0001"})
"""Names of all migrations; "" is before the first one."""


def scripts() -> ScriptDirectory:
    """Return the migrations."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory(os.path.dirname(__file__))


def upgrade(connection: Connection) -> None:
    """Bring the schema up to date, in the transaction that is open."""
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext

    from isocenter.archive.tables import METADATA

    directory = scripts()

    def steps(revision: str, context: MigrationContext) -> object:
        del context
        return directory._upgrade_revs("head", revision)  # noqa: SLF001 - as alembic's own recipes

    with EnvironmentContext(Config(), directory, fn=steps, destination_rev="head") as environment:
        environment.configure(connection=connection, target_metadata=METADATA)
        with environment.begin_transaction():
            environment.run_migrations()

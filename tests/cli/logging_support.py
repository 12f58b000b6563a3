"""Settings of appenders and events, for the tests of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from isocenter.cli.levels import INFO
from isocenter.cli.logconfig import AppenderSettings
from isocenter.cli.logpattern import Event, PatternLayout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from isocenter.cli.logconfig import FilterSettings

__all__ = ["event", "settings"]


def settings(
    kind: str,
    *filters: FilterSettings,
    pattern: str = "%p %m%n",
    threshold: int | None = None,
    also: Mapping[str, str] | None = None,
    **properties: str,
) -> AppenderSettings:
    """Return the settings of an appender ``A``."""
    return AppenderSettings(
        name="A",
        kind=kind,
        properties={**properties, **(also or {})},
        layout=PatternLayout(pattern),
        threshold=threshold,
        filters=filters,
    )


def event(message: str, level: int = INFO, *, moment: float | None = None) -> Event:
    """Return an event of now, unless a moment is given."""
    when = time.time() if moment is None else moment
    return Event(level, "dcmtk.apps.storescp", message, when, 5)

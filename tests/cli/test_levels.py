"""Names of log levels."""

from __future__ import annotations

import logging

import pytest

from isocenter.cli import levels


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("fatal", logging.CRITICAL),
        ("ERROR", logging.ERROR),
        ("Warn", logging.WARNING),
        ("info", logging.INFO),
        ("debug", logging.DEBUG),
        ("trace", levels.TRACE),
        ("off", levels.OFF),
        ("all", levels.ALL),
        ("warning", None),
        ("", None),
        (" info", None),
    ],
)
def test_level_by_name(name: str, level: int | None) -> None:
    assert levels.level_from_name(name) == level


def test_levels_descend() -> None:
    order = [levels.OFF, levels.FATAL, levels.ERROR, levels.WARN, levels.INFO]
    order += [levels.DEBUG, levels.TRACE, levels.ALL]
    assert order == sorted(order, reverse=True)

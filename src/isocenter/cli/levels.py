"""Log levels as numbers and names.

Owns the numbers, which are those of `logging` plus TRACE, OFF and ALL, so that a
command line can be judged without importing `logging`. Must not import it.
"""

from __future__ import annotations

__all__ = ["ALL", "DEBUG", "ERROR", "FATAL", "INFO", "OFF", "TRACE", "WARN", "level_from_name"]

OFF = 60
FATAL = 50
ERROR = 40
WARN = 30
INFO = 20
DEBUG = 10
TRACE = 5
ALL = 1

# The help text names fatal to trace; "off" and "all" are the other two words
# that DCMTK's tools take here.
_NAMES = {
    "OFF": OFF,
    "FATAL": FATAL,
    "ERROR": ERROR,
    "WARN": WARN,
    "INFO": INFO,
    "DEBUG": DEBUG,
    "TRACE": TRACE,
    "ALL": ALL,
}


def level_from_name(name: str) -> int | None:
    """Return the level that `--log-level` calls `name`, in any case, or None."""
    return _NAMES.get(name.upper())

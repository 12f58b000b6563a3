"""Server names that requestors ask for (RFC 6066 3): whether an acceptor answers to them.

Owns the comparison and what the log says where a name is another, or none. Must not know sockets.

Python decodes a name before it asks anybody, and where it is no ASCII it refuses the handshake
and hands the error to `sys.unraisablehook`, which prints a traceback: that is told in a line of
the log in its place.
"""

from __future__ import annotations

import ssl
import sys

from isocenter.logs import get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable

    Hook = Callable[["sys.UnraisableHookArgs"], object]

__all__ = ["name_check"]

_LOGGER = get_logger(__name__)


def name_check(expected: str) -> Callable[[object, str | None, ssl.SSLContext], int | None]:
    """Return what refuses requestors that ask for another name, or for none: a `sni_callback`."""
    _unreadable.watch(expected)

    def check(_session: object, name: str | None, _context: ssl.SSLContext) -> int | None:
        if name is not None and name.lower() == expected.lower():
            return None
        if name is None:
            asked = "no server name"
        else:
            shown = "".join(letter if letter.isprintable() else "?" for letter in name)
            asked = f"server '{shown}'"
        _LOGGER.error("SNI failure: client requested %s, my name is '%s'.", asked, expected)
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    return check


class _UnreadableNames:
    """Tells of names that are no ASCII; one for the process, as the hook is."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._expected = ""
        self._others: Hook | None = None

    def watch(self, expected: str) -> None:
        """Tell from now on; `expected` is the name that the acceptor has."""
        self._expected = expected
        # Once: a context is made anew with each reload, and hooks must not pile up.
        if self._others is None or sys.unraisablehook is sys.__unraisablehook__:
            self._others = sys.unraisablehook
            sys.unraisablehook = self._tell

    def _tell(self, problem: sys.UnraisableHookArgs) -> None:
        if isinstance(problem.object, bytes) and problem.exc_type is UnicodeDecodeError:
            _LOGGER.error(
                "SNI failure: client requested a server name that is no ASCII, my name is '%s'.",
                self._expected,
            )
        elif self._others is not None:
            self._others(problem)


_unreadable = _UnreadableNames()

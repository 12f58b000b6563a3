"""Who a receiver's associations come from: whether names are looked up, and the line that says it.

Owns the rule that a look-up happens where somebody needs the name, and nowhere else. Must not
know how names are found (`net.resolver`) nor what becomes of commands (`cli.events`).

DCMTK's option -dhl and its debug line ``Association Received: HOST``.
"""

from __future__ import annotations

import threading

from isocenter.cli.levels import DEBUG
from isocenter.logs import get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.net.association import Association
    from isocenter.net.resolver import Resolver

__all__ = ["HostLines", "resolver_of"]

_LOGGER = get_logger(__name__)

_HOST = "#r"
_COMMANDS = ("--exec-on-reception", "--exec-on-eostudy")
_PATIENCE = 5.0
"""Seconds for which the end of an association waits for its line; a look-up takes 2 at most."""


def resolver_of(
    line: ParsedCommandLine, *, shown_at: int = DEBUG, level: int | None = None
) -> Resolver | None:
    """Return what looks up the names of peers, None where nobody asks for one or may have one.

    Who asks is a command that is told the host, and the log at the level `shown_at`; `level` is
    that of the logger which shows it, the tool's own by default.
    """
    if line.given("--disable-host-lookup"):
        return None
    commands = [line.value_or_none(option) for option in _COMMANDS if line.has(option)]
    level = line.level if level is None else level
    if level > shown_at and not any(text and _HOST in text for text in commands):
        return None
    from isocenter.net.resolver import Resolver

    return Resolver()


class HostLines:
    """Says where each association comes from, without delaying its answer.

    A name that is not known yet is waited for in a thread; then the line comes when the name does.

    Args:
        resolver: looks names up; None shows addresses.

    May be used by several threads.
    """

    __slots__ = ("_resolver", "_waiting")

    def __init__(self, resolver: Resolver | None) -> None:
        """Keep the argument; no thread starts."""
        self._resolver = resolver
        self._waiting: dict[int, threading.Thread] = {}  # by association

    def begin(self, association: Association) -> None:
        """Log where an association comes from, now or as soon as it is known."""
        address = association.peer_address.rpartition(":")[0] or association.peer_address
        resolver = self._resolver
        name = address if resolver is None else resolver.known(address)
        if resolver is not None and name is None:
            thread = threading.Thread(
                target=lambda: _say(resolver.name(address)), name="host line", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:  # no more threads
                name = address
            else:
                self._waiting[association.number] = thread
        if name is not None:
            _say(name)

    def end(self, association: Association) -> None:
        """Wait for the line of an association that is over: its process may be, too."""
        thread = self._waiting.pop(association.number, None)
        if thread is not None:
            thread.join(_PATIENCE)


def _say(host: str) -> None:
    _LOGGER.debug("Association Received: %s", host)

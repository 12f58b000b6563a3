"""What a receiving tool logs of its port, and of connections that never became an association.

Owns DCMTK's lines for them; who it was and what came, the listener says. Must not know
what is explained besides (`--explain`). dcmtk-facts 3.1, 3.2, 4.1.
"""

from __future__ import annotations

from isocenter.logs import CRITICAL, ERROR, get_logger
from isocenter.record import NamedTuple
from isocenter.sender.conditions import condition_of

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.net.failures import FailedConnection

__all__ = ["DCMQRSCP", "DCMRECV", "STORESCP", "ServerLines", "from_peer", "reporter"]

_LOGGER = get_logger(__name__)


class ServerLines(NamedTuple):
    """What a tool says about its port and its connections.

    Fields: `failed` of a connection, with ``{condition}``, or ``{text}`` for it without its code;
    `no_port` where it cannot listen, with ``{port}`` and ``{reason}``, and `level` of that.
    """

    failed: str
    no_port: str
    level: int


STORESCP = ServerLines(
    "Receiving Association failed: {condition}",
    "cannot create network: 0006:031c TCP Initialization Error: {reason} (port {port})",
    ERROR,
)
DCMRECV = ServerLines(
    "Could not receive association request: {text}",
    "cannot start SCP and listen on port {port}: TCP Initialization Error: {reason}",
    CRITICAL,
)

DCMQRSCP = ServerLines(
    "Failed to receive association: {condition}",
    "cannot initialize network: 0006:031c TCP Initialization Error: {reason} (port {port})",
    CRITICAL,
)

_TIMED_OUT = "0006:031a DUL network read timeout"
_CLOSED = "0006:0310 DUL network closed"


def reporter(
    then: Callable[[FailedConnection], None] | None = None, *, lines: ServerLines = STORESCP
) -> Callable[[FailedConnection], None]:
    """Return what logs a failed connection, as `lines` have it, and hands it on to `then`.

    A connection that was closed without a byte, or with nothing behind a handshake of TLS, is none
    to complain of: monitors look so whether a port is open.
    """

    def report(failure: FailedConnection) -> None:
        condition = _condition(failure)
        if condition is not None:
            text = condition.partition(" ")[2]
            line = lines.failed.format(condition=condition, text=text)
            _LOGGER.error("%s%s", line, from_peer(failure.peer_address))
        if then is not None:
            then(failure)

    return report


def from_peer(address: str) -> str:
    """Return what stands behind a line about a peer whose title is not known, if it has an address.

    Args:
        address: as ``host:port``, "" where it is not known.
    """
    return f" (from {address})" if address else ""


def _condition(failure: FailedConnection) -> str | None:
    """Return the condition that DCMTK's tools print, None where they print none."""
    if failure.kind == "expired":
        return _TIMED_OUT
    if failure.kind == "closed" and failure.cause is None:
        return _CLOSED if failure.received else None
    return None if failure.cause is None else condition_of(failure.cause)

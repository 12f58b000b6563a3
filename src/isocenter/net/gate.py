"""What a listener asks before it reads anything of a connection: may this one come in?

Owns the interface only. Who answers decides by addresses, and perhaps by names, which take time:
then the connection waits, unread, and is asked about again.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol
else:
    Protocol = object

__all__ = ["Gate"]


class Gate(Protocol):
    """Decides about connections. All methods are called in the listener's thread and never wait."""

    def start(self, wake: Callable[[], None]) -> None:
        """Get ready; `wake`, from any thread, makes the listener call `settled` soon."""

    def admits(self, peer: str, local: str) -> bool | None:
        """Tell whether a connection may come in; None where that is not known yet.

        Args:
            peer: where it comes from, as ``host:port``; without colon where it has no address.
            local: where it came to, likewise.
        """

    def settled(self) -> Sequence[str]:
        """Return the hosts, once each, about which `admits` said None and knows more by now."""

    def deadline(self) -> float | None:
        """Return when to call `settled` at the latest, in monotonic seconds, None for never."""

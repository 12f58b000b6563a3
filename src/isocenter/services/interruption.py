"""What arrives while an operation of many responses is performed: C-CANCEL, and what waits for it.

Owns how a performer looks out between two of its responses. Must not know what it performs.

PS3.7 9.3.2.3, 9.3.3.3, 9.3.4.3 (C-CANCEL), D.3.3.3 (other operations meanwhile).
"""

from __future__ import annotations

from isocenter.dimse.messages import CommandReceived
from isocenter.errors import AssociationReleased
from isocenter.net.association import StopRequested
from isocenter.services.providers import StopServing

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Final, Self

    from isocenter.dimse.commands import CCancelRQ, Message
    from isocenter.net.association import Association

__all__ = ["Lookout"]

_C_CANCEL_RQ: Final = 0x0FFF


class Lookout:
    """Looks out for a C-CANCEL while one operation is performed; use it in a ``with`` block.

    Requests that the peer's window allows meanwhile are kept, and follow once the block is left.

    Args:
        association: owned by this thread.
        message_id: of the request that is performed.
        told: called with each C-CANCEL and the request it is for, None where that is finished.

    Attributes:
        cancelled: True once the peer cancelled the operation.
    """

    __slots__ = ("_association", "_message_id", "_told", "_waiting", "cancelled")

    def __init__(
        self,
        association: Association,
        message_id: int,
        told: Callable[[CCancelRQ, Message | None], None],
    ) -> None:
        """Keep the arguments; nothing is read yet."""
        self._association = association
        self._message_id = message_id
        self._told = told
        self._waiting: set[int] = set()
        self.cancelled = False

    def __enter__(self) -> Self:
        """Return the lookout itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let what was kept follow."""
        self._association.resume_postponed()

    def look(self, wait: float = 0.0, *, excused: bool = True) -> bool:
        """Take in what has arrived and return `cancelled`.

        Args:
            wait: at most so many seconds to wait for something; `Association.wake` ends it too.
            excused: the peer's silence is no idleness, since it waits for the response; False
                where something of the peer is due.

        Raises:
            StopServing: the server was asked to stop.
            AssociationReleased: the peer asked for release in the middle of it; aborted.
            AssociationAborted, ConnectionLost, TimeoutExpired, PeerProtocolError: the association
                ended.
        """
        association = self._association
        if excused:
            wait = association.excuse(wait)
        while (incoming := association.arrived(wait)) is not None:
            wait = 0.0
            if isinstance(incoming, CommandReceived):
                self._take(incoming)
            elif isinstance(incoming, StopRequested):
                raise StopServing
            else:
                association.abort()
                msg = "the peer asked for release before the final response"
                raise AssociationReleased(msg)
        return self.cancelled

    def _take(self, incoming: CommandReceived) -> None:
        message: Message = incoming.message
        if message.command_field != _C_CANCEL_RQ:
            self._waiting.add(getattr(message, "message_id", 0))
            self._association.postpone(incoming)
            return
        cancel: CCancelRQ = message  # type: ignore[assignment]  # by its Command Field
        number = cancel.message_id_being_responded_to
        if number == self._message_id:
            self.cancelled = True
        elif number in self._waiting:
            self._association.postpone(incoming)  # it is for what waits, and comes behind it
            return
        self._told(cancel, self._association.session.cancelled(cancel))

"""What a transfer needs of an association.

Owns the `StoreLink` interface, so that the order of a transfer can be tested without a network;
`cli.sending` fits an association of the driver to it. Must not know files. PS3.7 9.1.1.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Protocol

    from isocenter.ul.negotiation import AcceptedContext
    from isocenter.wire import Segment
else:
    Protocol = object

__all__ = ["StoreLink", "StoreResponse"]


class StoreResponse(Protocol):
    """What of a C-STORE response decides about a file (PS3.7 9.3.1.2)."""

    @property
    def message_id_being_responded_to(self) -> int:
        """Message ID of the request."""

    @property
    def status(self) -> int:
        """DIMSE status, 0..0xFFFF."""

    @property
    def error_comment(self) -> str | None:
        """Error Comment (0000,0902), where the peer sent one."""


class StoreLink(Protocol):
    """An established association as a storage SCU sees it."""

    @property
    def contexts(self) -> Mapping[int, AcceptedContext]:
        """The accepted presentation contexts by id."""

    @property
    def max_send_pdv(self) -> int:
        """Bytes of message in each PDV sent."""

    @property
    def can_submit(self) -> bool:
        """True while the negotiated window has room for another request."""

    def was_proposed(self, sop_class_uid: str, transfer_syntax_uid: str) -> bool:
        """Tell whether the class was proposed in this transfer syntax, whatever came of it."""

    def next_message_id(self) -> int:
        """Draw the id of the next request."""

    def lay_out(
        self,
        context_id: int,
        *,
        message_id: int,
        sop_class_uid: str,
        sop_instance_uid: str,
        data: Iterable[Segment],
    ) -> None:
        """Do ahead what `submit` with the same arguments will need, if it can be done."""

    def submit(
        self,
        context_id: int,
        *,
        message_id: int,
        sop_class_uid: str,
        sop_instance_uid: str,
        data: Iterable[Segment],
    ) -> None:
        """Send one object; the data may be dropped on return.

        Raises:
            IsocenterError: the association ended; `DataSetError` where the reason is the file.
        """

    def next_response(self) -> StoreResponse:
        """Wait for the next response of those outstanding.

        Raises:
            IsocenterError: the association ended.
        """

    def request_dump(self, message_id: int) -> str:
        """Describe an outstanding request in lines, for the debug level."""

    def response_dump(self) -> str:
        """Describe the response last returned in lines, for the debug level."""

    def release(self) -> None:
        """Release in order.

        Raises:
            IsocenterError: it ended otherwise.
        """

    def abort(self) -> None:
        """Abort; harmless where the association has ended."""

"""What the sending tools share: an association of the driver, as the sender wants it.

Joins `net`, `services` and `sender`, which do not know each other. Must not know any one tool.
"""

from __future__ import annotations

from isocenter.services import storage

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Iterable

    from isocenter.dimse.commands import CStoreRSP
    from isocenter.net.association import Association
    from isocenter.services.storage import PackedStore
    from isocenter.wire import Segment

__all__ = ["AssociationLink"]


class AssociationLink:
    """A `sender.link.StoreLink` over an association of the driver.

    Args:
        association: established, as requestor.
    """

    __slots__ = (
        "_association",
        "_context_ids",
        "_packed",
        "_response",
        "contexts",
        "max_send_pdv",
        "next_message_id",
    )

    def __init__(self, association: Association) -> None:
        """Look up once what does not change."""
        self._association = association
        # By message id: a response does not say on which context it came (PS3.7 9.3.1.2).
        self._context_ids: dict[int, int] = {}
        self._response: tuple[CStoreRSP, int] | None = None
        self._packed: PackedStore | None = None
        self.contexts = association.contexts
        self.max_send_pdv = association.max_send_pdv
        self.next_message_id = association.session.next_message_id

    @property
    def can_submit(self) -> bool:
        """True while the negotiated window has room for another request."""
        return self._association.session.can_invoke

    def was_proposed(self, sop_class_uid: str, transfer_syntax_uid: str) -> bool:
        """Look it up in the request; see `StoreLink`."""
        request = self._association.request
        return request is not None and any(
            context.abstract_syntax == sop_class_uid
            and transfer_syntax_uid in context.transfer_syntaxes
            for context in request.presentation_contexts
        )

    def lay_out(
        self,
        context_id: int,
        *,
        message_id: int,
        sop_class_uid: str,
        sop_instance_uid: str,
        data: Iterable[Segment],
    ) -> None:
        """Lay out a small object's request; see `StoreLink`."""
        try:
            self._packed = storage.lay_out(
                self._association,
                context_id,
                message_id=message_id,
                sop_class_uid=sop_class_uid,
                sop_instance_uid=sop_instance_uid,
                data=data,
            )
        except (ValueError, TypeError):
            self._packed = None  # `submit` will say it

    def submit(
        self,
        context_id: int,
        *,
        message_id: int,
        sop_class_uid: str,
        sop_instance_uid: str,
        data: Iterable[Segment],
    ) -> None:
        """Send one object; see `StoreLink`."""
        self._context_ids[message_id] = context_id
        packed, self._packed = self._packed, None
        if packed is not None and packed.request.message_id == message_id:
            storage.submit_packed(self._association, packed)
            return
        storage.submit(
            self._association,
            context_id,
            message_id=message_id,
            sop_class_uid=sop_class_uid,
            sop_instance_uid=sop_instance_uid,
            data=data,
        )

    def next_response(self) -> CStoreRSP:
        """Wait for the next response; see `StoreLink`."""
        response = storage.await_store(self._association)
        context_id = self._context_ids.pop(response.message_id_being_responded_to, 0)
        self._response = response, context_id
        return response

    def request_dump(self, message_id: int) -> str:
        """Describe an outstanding request; see `StoreLink`."""
        from isocenter.cli.dumps import message_dump

        request = self._association.session.outstanding[message_id]
        return message_dump(request, direction="OUTGOING", context_id=None)

    def response_dump(self) -> str:
        """Describe the response last returned; see `StoreLink`."""
        from isocenter.cli.dumps import message_dump

        if self._response is None:
            return ""
        response, context_id = self._response
        return message_dump(response, direction="INCOMING", context_id=context_id)

    def release(self) -> None:
        """Release in order; see `StoreLink`."""
        self._association.release()

    def abort(self) -> None:
        """Abort; harmless where the association has ended."""
        self._association.abort()

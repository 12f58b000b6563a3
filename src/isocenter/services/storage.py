"""The Storage service class, both sides (PS3.4 annex B, PS3.7 9.1.1)."""

from __future__ import annotations

from isocenter.dimse.commands import CStoreRQ, CStoreRSP
from isocenter.dimse.status import (
    CANNOT_UNDERSTAND,
    PROCESSING_FAILURE,
    SOP_CLASS_NOT_SUPPORTED,
    Service,
    StatusClass,
    classify,
    short_text,
)
from isocenter.errors import (
    DataSetError,
    DimseDecodeError,
    DimseFailure,
    StorageError,
    StorageRefused,
)
from isocenter.logs import get_logger
from isocenter.record import NamedTuple
from isocenter.services.exchange import exchange, invoke, next_response
from isocenter.services.providers import AbortAssociation, StoreRequest
from isocenter.uids import VERIFICATION

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable

    from isocenter.net.association import Association
    from isocenter.services.providers import StorageProvider
    from isocenter.wire import Segment, WireSegment

__all__ = [
    "PackedStore",
    "await_store",
    "is_confirmed",
    "is_warning",
    "lay_out",
    "perform_store",
    "store",
    "store_status_text",
    "submit",
    "submit_packed",
]

_LOGGER = get_logger(__name__)


class PackedStore(NamedTuple):
    """A C-STORE request laid out ahead: the `request`, the `segments` of its message."""

    request: CStoreRQ
    segments: list[WireSegment]


def is_confirmed(status: int) -> bool:
    """Tell whether a status says that the object is kept: success, or any warning (PS3.4 B.2.3)."""
    return classify(status) in {StatusClass.SUCCESS, StatusClass.WARNING}


def is_warning(status: int) -> bool:
    """Tell whether a status is a warning: kept, but not as sent (PS3.4 B.2.3)."""
    return classify(status) is StatusClass.WARNING


def store_status_text(status: int) -> str:
    """Return the short words of DCMTK's tools for a C-STORE status."""
    return short_text(Service.STORE, status)


def _request(
    association: Association,
    sop_class_uid: str,
    sop_instance_uid: str,
    priority: int,
    *,
    move_originator: tuple[str, int] | None = None,
    message_id: int | None = None,
) -> CStoreRQ:
    title, move_id = (None, None) if move_originator is None else move_originator
    return CStoreRQ(
        message_id=association.session.next_message_id() if message_id is None else message_id,
        affected_sop_class_uid=sop_class_uid,
        affected_sop_instance_uid=sop_instance_uid,
        priority=priority,
        move_originator_application_entity_title=title,
        move_originator_message_id=move_id,
        has_data_set=True,
    )


def store(
    association: Association,
    context_id: int,
    *,
    sop_class_uid: str,
    sop_instance_uid: str,
    data: Iterable[Segment],
    priority: int = 0,
    move_originator: tuple[str, int] | None = None,
) -> CStoreRSP:
    """Send one object and return the response.

    Args:
        association: established, as requestor.
        context_id: an accepted context whose transfer syntax is that of `data`.
        sop_class_uid: of the object.
        sop_instance_uid: of the object.
        data: the encoded data set: in a tuple or list it must stay valid until this returns, of any
            other iterable the segments are asked for while they are sent.
        priority: 0 medium, 1 high, 2 low.
        move_originator: AE title and message id of the C-MOVE behind it, where there is one.

    Raises:
        AssociationAborted, ConnectionLost, TimeoutExpired, AssociationReleased, PeerProtocolError:
            no response came; whether the object arrived is unknown.
        DataSetError: a file became shorter while it was sent; aborted.
        LocalProtocolError, ValueError, TypeError: as `invoke`; nothing was sent.

    PS3.7 9.1.1.
    """
    request = _request(
        association, sop_class_uid, sop_instance_uid, priority, move_originator=move_originator
    )
    return exchange(association, context_id, request, CStoreRSP, data)


def submit(
    association: Association,
    context_id: int,
    *,
    sop_class_uid: str,
    sop_instance_uid: str,
    data: Iterable[Segment],
    priority: int = 0,
    message_id: int | None = None,
    move_originator: tuple[str, int] | None = None,
) -> int:
    """Send one object without waiting and return its message id; `await_store` brings the response.

    The data may be dropped on return. `association.session.can_invoke` says whether another may
    be outstanding (PS3.7 D.3.3.3). `message_id` is the session's next where it is None;
    `move_originator` as for `store`.

    Raises:
        As `store`; LocalProtocolError where the window is full.
    """
    request = _request(
        association,
        sop_class_uid,
        sop_instance_uid,
        priority,
        move_originator=move_originator,
        message_id=message_id,
    )
    invoke(association, context_id, request, data)
    return request.message_id


def lay_out(
    association: Association,
    context_id: int,
    *,
    sop_class_uid: str,
    sop_instance_uid: str,
    data: Iterable[Segment],
    message_id: int,
) -> PackedStore | None:
    """Lay out the request of a small object ahead, for `submit_packed`; None if it is not small.

    Raises:
        ValueError, TypeError: as `invoke`.
    """
    request = _request(
        association, sop_class_uid, sop_instance_uid, priority=0, message_id=message_id
    )
    segments = association.pack(context_id, request, data)
    return None if segments is None else PackedStore(request, segments)


def submit_packed(association: Association, packed: PackedStore) -> None:
    """Send what `lay_out` made, as `submit`.

    Raises:
        As `submit`.
    """
    invoke(association, 0, packed.request, packed=packed.segments)


def await_store(association: Association) -> CStoreRSP:
    """Return the next C-STORE response of those outstanding.

    Raises:
        As `store`.
    """
    return next_response(association, CStoreRSP)


def _perform(provider: StorageProvider, request: StoreRequest) -> int:
    """Call the provider; what is no status is its failure."""
    status: object = provider.store(request)
    if not isinstance(status, int) or not 0 <= status <= 0xFFFF:
        raise TypeError(f"store() returned {status!r}, which is no status")
    return status


def _failure_of(problem: Exception, association: Association) -> tuple[int, str]:
    """Return the status and comment for what a provider raised, and log it."""
    if isinstance(problem, StorageRefused):
        _LOGGER.error("%s", problem)  # the whole line of DCMTK's tools, which scripts look for
        return problem.status, problem.comment
    if isinstance(problem, StorageError):
        words = problem.doing, problem.path, problem.reason, association.label
        _LOGGER.error("%s: %s: %s (%s)", *words)
        return problem.status, problem.comment
    if isinstance(problem, DataSetError):
        _LOGGER.error("%s (%s)", problem, association.label)
        return CANNOT_UNDERSTAND, problem.reason
    if isinstance(problem, OSError):
        _LOGGER.error("cannot store: %s (%s)", problem, association.label)
        return StorageError.status, problem.strerror or "cannot store"
    _LOGGER.error("storage provider failed (%s)", association.label, exc_info=problem)
    return PROCESSING_FAILURE, ""


def perform_store(
    association: Association, context_id: int, command: CStoreRQ, provider: StorageProvider | None
) -> tuple[StoreRequest, int]:
    """Let `provider` store the object, read what it left, and answer.

    Returns the request and the status that was sent.

    Raises:
        AbortAssociation: the provider asked for it; nothing was answered.
        AssociationAborted, ConnectionLost, TimeoutExpired, AssociationReleased, PeerProtocolError:
            the object did not arrive whole.
    """
    context = association.contexts[context_id]
    if not command.has_data_set:
        raise DimseDecodeError(
            command.message_name,
            "CommandDataSetType",
            offset=None,
            expected="a data set",
            found="none",
        )
    request = StoreRequest(association, context, command)
    association.session.performing(command)
    refusal = ""
    if context.abstract_syntax == VERIFICATION:
        # No object was agreed on there, whatever the command says (PS3.7 9.1.1.1.9).
        provider = None
    elif not context.as_scp:
        provider = None
        refusal = "the role of SCU was not agreed on"  # PS3.7 D.3.3.4
    try:
        return request, _answer(association, request, provider, refusal)
    finally:
        for action in request.deferred:
            try:
                action()
            except Exception:
                _LOGGER.exception("deferred action failed (%s)", association.label)


def _answer(
    association: Association, request: StoreRequest, provider: StorageProvider | None, refusal: str
) -> int:
    """Let `provider` store the object, read what it left, answer, and return the status.

    `refusal` is the comment where there is no provider.
    """
    command = request.command
    comment = refusal
    offending: tuple[int, ...] = ()
    try:
        status = SOP_CLASS_NOT_SUPPORTED if provider is None else _perform(provider, request)
    except DimseFailure as failure:
        status, comment = failure.status, failure.comment
        offending = failure.offending_elements
    except AbortAssociation:
        raise
    except Exception as problem:
        if association.closed:
            raise
        status, comment = _failure_of(problem, association)
    if not request.complete:
        request.drain()
    response = CStoreRSP(
        message_id_being_responded_to=command.message_id,
        affected_sop_class_uid=command.affected_sop_class_uid,
        affected_sop_instance_uid=command.affected_sop_instance_uid,
        status=status,
        error_comment=comment or None,
        offending_element=offending,
        has_data_set=False,
    )
    association.session.performed(response)
    association.send(request.context.context_id, response)
    return status

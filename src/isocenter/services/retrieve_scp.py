"""Query/Retrieve as acceptor: C-GET and C-MOVE performed by a provider's plan.

Owns the responses: pending ones after each object and at least every 5 s, the final one with
its counts, status, comment and list of failures; and that C-CANCEL and an abort are heard while
objects are sent. C-GET sends on the association it came on, between its responses; C-MOVE on a
sub-association with a thread of its own (`subassociation`). Must not know what is retrieved.

PS3.4 C.4.2, C.4.3; PS3.7 9.1.3, 9.1.4, 9.3.3, 9.3.4.
"""

from __future__ import annotations

import time

from isocenter.dimse.commands import CStoreRSP
from isocenter.dimse.commands_query import CGetRSP, CMoveRQ, CMoveRSP
from isocenter.dimse.status import (
    CANCEL,
    DATA_SET_DOES_NOT_MATCH_SOP_CLASS,
    MOVE_DESTINATION_UNKNOWN,
    OUT_OF_RESOURCES_SUB_OPERATIONS,
    PENDING,
    SOP_CLASS_NOT_SUPPORTED,
    UNABLE_TO_PROCESS,
    StatusClass,
    classify,
    is_pending,
)
from isocenter.errors import (
    DataSetError,
    DimseFailure,
    LocalProtocolError,
    PeerProtocolError,
    TimeoutExpired,
)
from isocenter.limits import DEFAULTS
from isocenter.logs import get_logger
from isocenter.record import NamedTuple
from isocenter.services.identifiers import read_identifier
from isocenter.services.interruption import Lookout
from isocenter.services.plans import RetrieveRequest
from isocenter.services.providers import AbortAssociation
from isocenter.services.storage import submit
from isocenter.services.subassociation import (
    SubAssociation,
    cannot_be_sent,
    no_context,
    opened,
)
from isocenter.services.suboperations import OutgoingContexts, Tally, failed_list

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from isocenter.dimse.commands import CCancelRQ, Message
    from isocenter.dimse.commands_query import CGetRQ
    from isocenter.dimse.messages import CommandReceived
    from isocenter.net.association import Association
    from isocenter.services.plans import (
        MoveDestination,
        ObjectSource,
        RetrieveInstance,
        RetrievePlan,
        RetrieveProvider,
    )
    from isocenter.wire import Segment
else:
    Protocol = object

__all__ = ["PENDING_INTERVAL", "RetrieveObserver", "perform_retrieve"]

_LOGGER = get_logger(__name__)

PENDING_INTERVAL = 4.0
"""Seconds without a response after which a pending one is sent, so that there is one every 5 s."""

_GRACE = 0.5
"""Seconds that the object on its way gets to end after a C-CANCEL, before it is cut short."""

_LAST_GRACE = 2.0
"""Seconds more in which a sub-association that was aborted ends; one that is still being opened
may take longer, and ends without anybody waiting."""


class RetrieveObserver(Protocol):
    """Who is told what happens: part of `services.acceptor.Observer`."""

    def identified(
        self,
        association: Association,
        context_id: int,
        command: CGetRQ | CMoveRQ,
        identifier: bytes,
    ) -> None:
        """The identifier is here."""

    def answered(
        self,
        association: Association,
        context_id: int,
        response: CGetRSP | CMoveRSP,
        identifier: Sequence[Segment] | None,
    ) -> None:
        """A response was sent."""

    def cancel(self, association: Association, command: CCancelRQ, request: Message | None) -> None:
        """A C-CANCEL arrived."""


class _Ending(NamedTuple):
    """What the final response says besides the counts."""

    status: int
    comment: str = ""
    offending: tuple[int, ...] = ()


def perform_retrieve(
    association: Association,
    context_id: int,
    command: CGetRQ | CMoveRQ,
    provider: RetrieveProvider | None,
    observer: RetrieveObserver,
    *,
    maximum_length: int = DEFAULTS.maximum_identifier_length,
) -> None:
    """Read the identifier, send what the provider plans, and respond.

    Args:
        association: that the request came on.
        context_id: the context it came on.
        command: the request.
        provider: plans; None where nobody does for this SOP class.
        observer: told of responses and of a C-CANCEL.
        maximum_length: bytes, inclusive, of an identifier that are held.

    Raises:
        AbortAssociation: the provider asked for it.
        StopServing: the server stops.
        AssociationAborted, AssociationReleased, ConnectionLost, TimeoutExpired,
            PeerProtocolError: the association ended; nothing more is sent anywhere.
    """
    association.session.performing(command)
    identifier = read_identifier(association, command, maximum_length)
    observer.identified(association, context_id, command, identifier or b"")
    service = _Service(association, context_id, command, observer)
    try:
        plan = _plan(association, context_id, command, provider, identifier)
    except DimseFailure as failure:
        service.finish(_ending_of(failure, association), None)
        return
    if isinstance(command, CMoveRQ):
        destination = plan.destination
        if destination is None:
            _LOGGER.error("plan() names no destination (%s)", association.label)
            service.finish(
                _Ending(
                    MOVE_DESTINATION_UNKNOWN, f"unknown destination {command.move_destination}"
                ),
                None,
            )
            _end_plan(plan)
            return
        service.move(plan, destination)
    else:
        try:
            service.get(plan)
        finally:
            _end_plan(plan)


def _plan(
    association: Association,
    context_id: int,
    command: CGetRQ | CMoveRQ,
    provider: RetrieveProvider | None,
    identifier: bytes | None,
) -> RetrievePlan:
    """Ask the provider.

    Raises:
        DimseFailure: there is nothing to do but to answer with it.
        AbortAssociation: the provider asked for it.
    """
    context = association.contexts[context_id]
    if identifier is None:
        raise DimseFailure(OUT_OF_RESOURCES_SUB_OPERATIONS, "the identifier is too long")
    if not context.as_scp:
        raise DimseFailure(SOP_CLASS_NOT_SUPPORTED, "the role of SCU was not agreed on")
    if provider is None:
        raise DimseFailure(SOP_CLASS_NOT_SUPPORTED, "nobody retrieves by this SOP class")
    if not identifier:
        raise DimseFailure(DATA_SET_DOES_NOT_MATCH_SOP_CLASS, "there is no identifier")
    try:
        return provider.plan(RetrieveRequest(association, context, command, identifier))
    except (DimseFailure, AbortAssociation):
        raise
    except DataSetError as problem:
        _LOGGER.error("%s (%s)", problem, association.label)  # noqa: TRY400 - no traceback wanted
        raise DimseFailure(UNABLE_TO_PROCESS, problem.reason) from problem
    except Exception as problem:
        _LOGGER.exception("retrieve provider failed (%s)", association.label)
        raise DimseFailure(UNABLE_TO_PROCESS, "") from problem


def _ending_of(failure: DimseFailure, association: Association) -> _Ending:
    if classify(failure.status) in {StatusClass.PENDING, StatusClass.SUCCESS}:
        _LOGGER.error("plan() failed with status %04XH (%s)", failure.status, association.label)
        return _Ending(UNABLE_TO_PROCESS)
    return _Ending(failure.status, failure.comment, failure.offending_elements)


def _end_plan(plan: RetrievePlan) -> None:
    if plan.at_end is not None:
        try:
            plan.at_end()
        except Exception:
            _LOGGER.exception("the end of a plan failed")


class _Service:
    """One retrieve on the association it came on; belongs to the thread of that one."""

    def __init__(
        self,
        association: Association,
        context_id: int,
        command: CGetRQ | CMoveRQ,
        observer: RetrieveObserver,
    ) -> None:
        """Nothing is sent yet."""
        self._association = association
        self._context_id = context_id
        self._command = command
        self._observer = observer
        self._due = time.monotonic() + PENDING_INTERVAL

    # --- responses ---

    def _send(self, status: int, tally: Tally | None, ending: _Ending | None = None) -> None:
        """Send a response; `ending` is that of the final one."""
        association, command = self._association, self._command
        counts = None if tally is None else tally.counts
        comment, offending = "", ()  # type: str, tuple[int, ...]
        data: tuple[bytes, ...] | None = None
        if ending is not None:
            comment, offending = ending.comment, ending.offending
            failed = () if tally is None else tally.failed_uids
            if failed:
                syntax = association.contexts[self._context_id].transfer_syntax
                identifier, named = failed_list(failed, syntax)
                data = (identifier,)
                if named < len(failed):
                    comment = f"{named} of {len(failed)} failed ones listed; {comment}"
        # Not in responses of other kinds (PS3.4 C.4.2.1.6, C.4.3.1.4).
        tells_remaining = is_pending(status) or status == CANCEL
        kind = CMoveRSP if isinstance(command, CMoveRQ) else CGetRSP
        response: CMoveRSP | CGetRSP = kind(
            message_id_being_responded_to=command.message_id,
            affected_sop_class_uid=command.affected_sop_class_uid,
            status=status,
            error_comment=comment or None,
            offending_element=offending,
            number_of_remaining_sub_operations=counts.remaining
            if counts is not None and tells_remaining
            else None,
            number_of_completed_sub_operations=None if counts is None else counts.completed,
            number_of_failed_sub_operations=None if counts is None else counts.failed,
            number_of_warning_sub_operations=None if counts is None else counts.warning,
            has_data_set=data is not None,
        )
        association.session.performed(response)
        association.send(self._context_id, response, data)
        self._due = time.monotonic() + PENDING_INTERVAL
        self._observer.answered(association, self._context_id, response, data)

    def pend(self, tally: Tally) -> None:
        """Tell how far it is.

        Raises:
            As `Association.send`.
        """
        self._send(PENDING, tally)

    def finish(self, ending: _Ending, tally: Tally | None) -> None:
        """Send the final response.

        Raises:
            As `Association.send`.
        """
        self._send(ending.status, tally, ending)

    def _told(self, cancel: CCancelRQ, about: Message | None) -> None:
        self._observer.cancel(self._association, cancel, about)

    # --- C-MOVE ---

    def move(self, plan: RetrievePlan, destination: MoveDestination) -> None:
        """Send the objects of a plan to its destination.

        Raises:
            As `perform_retrieve`.
        """
        association, command = self._association, self._command
        tally = Tally(len(plan.instances))
        if not plan.instances:
            _end_plan(plan)
            self.finish(_Ending(tally.status()), tally)
            return
        request = association.request
        title = "" if request is None else request.calling_ae_title
        sub = SubAssociation(
            plan, destination, tally, (title, command.message_id), association.wake
        )
        try:
            sub.start()
        except RuntimeError:
            _end_plan(plan)
            self.finish(_Ending(OUT_OF_RESOURCES_SUB_OPERATIONS, "no thread is left"), None)
            return
        try:
            with Lookout(association, command.message_id, self._told) as lookout:
                cancelled = self._follow(sub, tally, lookout)
        finally:
            sub.abort()
        tally.seal()
        self.finish(_Ending(tally.status(cancelled=cancelled), tally.cause), tally)

    def _follow(self, sub: SubAssociation, tally: Tally, lookout: Lookout) -> bool:
        """Respond while objects are sent; return whether the peer cancelled it."""
        told = tally.counts
        while not sub.is_over():
            wait = max(0.01, self._due - time.monotonic())
            if lookout.look(wait):
                sub.end()
                if not sub.join(_GRACE):
                    sub.abort()
                    sub.join(_LAST_GRACE)
                return True
            counts = tally.counts
            if sub.is_over():
                break
            if counts != told or time.monotonic() >= self._due:
                told = counts
                self.pend(tally)
        return lookout.cancelled

    # --- C-GET ---

    def get(self, plan: RetrievePlan) -> None:
        """Send the objects of a plan on the association that they were asked for on.

        Raises:
            As `perform_retrieve`.
        """
        association = self._association
        tally = Tally(len(plan.instances))
        with _GetLookout(association, self._command.message_id, self._told) as lookout:
            sending = _Getting(self, plan, tally, lookout)
            try:
                sending.run()
            finally:
                sending.close()
        tally.seal()
        self.finish(_Ending(tally.status(cancelled=lookout.cancelled), tally.cause), tally)

    def await_store(self, lookout: _GetLookout, tally: Tally) -> CStoreRSP:
        """Return the response to the object that was sent, with pending responses meanwhile.

        Raises:
            TimeoutExpired: it did not come within the DIMSE timeout; aborted.
            As `perform_retrieve`.
        """
        association = self._association
        timeout = association.dimse_timeout
        if timeout is None:
            timeout = association.idle_timeout
        until = None if timeout is None else time.monotonic() + timeout
        while (response := lookout.take_response()) is None:
            now = time.monotonic()
            if until is not None and now >= until:
                association.abort()
                raise TimeoutExpired("dimse", timeout or 0.0)
            if now >= self._due:
                self.pend(tally)
            wait = self._due - time.monotonic()
            wait = max(0.01, wait if until is None else min(wait, until - now))
            lookout.look(wait, excused=False)
        return response


class _GetLookout(Lookout):
    """Looks out for the responses to this side's own requests, too."""

    __slots__ = ("_response",)

    def __init__(self, *arguments: object) -> None:
        """Begin without one."""
        super().__init__(*arguments)  # type: ignore[arg-type]  # those of `Lookout`
        self._response: CStoreRSP | None = None

    def take_response(self) -> CStoreRSP | None:
        """Return the response that has come, once; None where none has."""
        response, self._response = self._response, None
        return response

    def _take(self, incoming: CommandReceived) -> None:
        message = incoming.message
        if not isinstance(message, CStoreRSP):
            super()._take(incoming)
            return
        if message.deviations:
            self._association.tolerate(message.deviations)
        try:
            self._association.session.responded(message)
        except PeerProtocolError:
            self._association.abort()
            raise
        self._response = message


class _Getting:
    """Objects on their way over the association of a C-GET, each opened ahead."""

    def __init__(
        self, service: _Service, plan: RetrievePlan, tally: Tally, lookout: _GetLookout
    ) -> None:
        """Nothing is open yet."""
        self._service = service
        self._association = service._association  # noqa: SLF001 - a part of it
        self._plan = plan
        self._tally = tally
        self._lookout = lookout
        self._chooser = OutgoingContexts(self._association.contexts)
        self._ahead: ObjectSource | Exception | None = None

    def run(self) -> None:
        """Send until the last object or a C-CANCEL.

        Raises:
            As `perform_retrieve`; DataSetError or OSError where a file became shorter while it was
                sent: the association had to be aborted.
        """
        instances = self._plan.instances
        for place, instance in enumerate(instances):
            if self._lookout.look():
                return
            following = instances[place + 1] if place + 1 < len(instances) else None
            self._send(instance, following)
            self._service.pend(self._tally)

    def _send(self, instance: RetrieveInstance, following: RetrieveInstance | None) -> None:
        tally, association = self._tally, self._association
        uid = instance.sop_instance_uid
        source, self._ahead = self._ahead, None
        if source is None:
            source = opened(instance)
        if isinstance(source, Exception):
            tally.failed(uid, cannot_be_sent(instance, source))
            return
        try:
            context_id = self._chooser.choose(instance)
            if context_id is None:
                tally.failed(uid, no_context(instance))
                return
            try:
                submit(
                    association,
                    context_id,
                    sop_class_uid=instance.sop_class_uid,
                    sop_instance_uid=uid,
                    data=source.data(association.contexts[context_id].transfer_syntax),
                )
            except (DataSetError, OSError, ValueError, TypeError, LocalProtocolError) as problem:
                words = cannot_be_sent(instance, problem)
                if association.closed:
                    raise DataSetError(words) from problem
                tally.failed(uid, words)
                return
        finally:
            source.close()
        if following is not None:
            self._ahead = opened(following)
        response = self._service.await_store(self._lookout, tally)
        tally.answered(uid, response.status, response.error_comment or "")

    def close(self) -> None:
        """Give back what was opened ahead."""
        if self._ahead is not None and not isinstance(self._ahead, Exception):
            self._ahead.close()
        self._ahead = None

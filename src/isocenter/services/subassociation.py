"""The sub-association of a C-MOVE: a thread of its own that sends what was planned.

Owns the thread, the association it opens, that one that is lost is opened again once, and the
words for why something could not be sent. What was sent is counted in a `Tally`; whoever started
the thread is told of each step. Must not know the association that the C-MOVE came on.

PS3.4 C.4.2.2, PS3.7 9.1.1, 9.1.4.
"""

from __future__ import annotations

import threading

from isocenter.errors import (
    AssociationAborted,
    AssociationRejected,
    ConnectError,
    ConnectionLost,
    DataSetError,
    IsocenterError,
    LocalProtocolError,
    TimeoutExpired,
    TlsError,
)
from isocenter.logs import get_logger
from isocenter.services.storage import await_store, submit
from isocenter.services.suboperations import OutgoingContexts, proposals
from isocenter.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, name_of

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from isocenter.net.association import Association
    from isocenter.services.plans import (
        MoveDestination,
        ObjectSource,
        RetrieveInstance,
        RetrievePlan,
    )
    from isocenter.services.suboperations import Tally
    from isocenter.ul.request import ProposedContext

__all__ = ["SubAssociation", "cannot_be_sent", "no_context", "opened"]

_LOGGER = get_logger(__name__)


def cannot_be_sent(instance: RetrieveInstance, problem: Exception) -> str:
    """Log why an object cannot be sent; return what the peer is told, without any path."""
    if isinstance(problem, DataSetError):
        reason = problem.reason
    elif isinstance(problem, OSError):
        reason = problem.strerror or "cannot be read"
    else:
        _LOGGER.error("%s cannot be sent", instance.sop_instance_uid, exc_info=problem)
        return "an object cannot be read"
    _LOGGER.error("%s cannot be sent: %s", instance.sop_instance_uid, reason)
    return f"an object cannot be read: {reason}"


def no_context(instance: RetrieveInstance) -> str:
    """Return the words for an object that nobody agreed to take."""
    sop_class, syntax = instance.sop_class_uid, instance.transfer_syntax_uid
    _LOGGER.error(
        "%s cannot be sent: no accepted context for %s in %s",
        instance.sop_instance_uid,
        name_of(sop_class),
        name_of(syntax),
    )
    return f"not accepted: {name_of(sop_class)} in {syntax}"


class SubAssociation:
    """Sends the objects of a plan to its destination, in a thread of its own.

    Args:
        plan: what to send, and where to.
        tally: counts.
        move_originator: AE title and message id of the C-MOVE, which each request names.
        told: called after each object and at the end, in the thread; must not wait.

    The methods are for whoever started it.
    """

    def __init__(
        self,
        plan: RetrievePlan,
        destination: MoveDestination,
        tally: Tally,
        move_originator: tuple[str, int],
        told: Callable[[], None],
    ) -> None:
        """Start nothing yet."""
        self._plan = plan
        self._destination = destination
        self._tally = tally
        self._originator = move_originator
        self._told = told
        self._ending = False
        self._reopened = False
        self._lock = threading.Lock()
        self._association: Association | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"C-MOVE to {destination.ae_title}", daemon=True
        )

    def start(self) -> None:
        """Begin.

        Raises:
            RuntimeError: the system has no thread left.
        """
        self._thread.start()

    def is_over(self) -> bool:
        """True once nothing more will be sent."""
        return self._over.is_set()

    def end(self) -> None:
        """Send nothing behind the object that is on its way."""
        self._ending = True

    def abort(self) -> None:
        """Send nothing more, and not the rest of what is on its way either."""
        self._ending = True
        with self._lock:
            if self._association is not None:
                self._association.request_abort()

    def join(self, seconds: float) -> bool:
        """Wait for the end for so long at most; True where it has come."""
        return self._over.wait(seconds)

    # --- in the thread ---

    def _run(self) -> None:
        try:
            plan = self._plan
            given = plan.contexts
            rounds = proposals(plan.instances) if given is None else ((given, plan.instances),)
            for contexts, instances in rounds:
                if self._ending:
                    break
                self._serve(contexts, instances)
        except Exception:
            _LOGGER.exception("sub-operations for %s failed", self._destination.ae_title)
        finally:
            try:
                if self._plan.at_end is not None:
                    self._plan.at_end()
            except Exception:
                _LOGGER.exception("the end of a plan failed")
            self._over.set()
            self._told()

    def _serve(
        self, contexts: Sequence[ProposedContext], instances: Sequence[RetrieveInstance]
    ) -> None:
        """Send these objects on one association, and on another one where the first is lost."""
        place = 0
        while place < len(instances):
            if self._ending:
                return
            try:
                association = self._open(contexts)
            except (IsocenterError, ValueError) as problem:
                self._give_up(instances[place:], self._why_not(problem))
                return
            sending = _Sending(self, association, instances, place)
            try:
                sending.run()
                place = sending.place
                if association.closed:  # because of a file; the next objects can do nothing for it
                    continue
                association.release()
            except IsocenterError as problem:
                place = sending.place
                words = self._why_lost(problem)
                _LOGGER.error("%s (%s)", words, association.label)  # noqa: TRY400 - no traceback
                if place >= len(instances) or self._ending:
                    return
                if self._reopened:
                    self._give_up(instances[place:], words)
                    return
                self._reopened = True
            finally:
                sending.close()
                with self._lock:
                    self._association = None
                association.abort()

    def _open(self, contexts: Sequence[ProposedContext]) -> Association:
        """Associate with the destination.

        Raises:
            ConnectError, TlsError, AssociationRejected, AssociationAborted, ConnectionLost,
                TimeoutExpired, PeerProtocolError: there is no association.
            ValueError: a title or UID cannot be sent.
        """
        from isocenter.net.client import ConnectOptions, connect
        from isocenter.ul.request import build_request

        to = self._destination
        request = build_request(
            contexts,
            called_ae_title=to.ae_title,
            calling_ae_title=to.calling_ae_title,
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version_name=IMPLEMENTATION_VERSION_NAME,
            maximum_length=to.maximum_length,
        )
        options = ConnectOptions(
            host=to.host,
            port=to.port,
            family=to.family,
            connect_timeout=to.connect_timeout,
            acse_timeout=to.acse_timeout,
            dimse_timeout=to.dimse_timeout,
            # Later than the other, so that a missing response is named as such.
            socket_timeout=None if to.dimse_timeout is None else to.dimse_timeout + 5.0,
            tls=to.tls,
        )
        association = connect(options, request)
        with self._lock:
            self._association = association
        return association

    def _give_up(self, instances: Sequence[RetrieveInstance], words: str) -> None:
        """Count these as failed, all for one reason."""
        _LOGGER.error("%d objects not sent: %s", len(instances), words)
        for instance in instances:
            self._tally.failed(instance.sop_instance_uid, words)
        self._told()

    def _why_not(self, problem: Exception) -> str:
        """Return why there is no association, short enough for an Error Comment."""
        title = self._destination.ae_title
        if isinstance(problem, AssociationRejected):
            return f"{title} rejects: {problem.reason_text}"
        if isinstance(problem, ConnectError):
            return f"{title}: {problem.reason}"
        if isinstance(problem, TlsError):
            return f"{title}: TLS: {problem.reason}"
        if isinstance(problem, TimeoutExpired):
            return f"{title} does not answer the association request"
        return f"{title}: no association: {problem}"

    def _why_lost(self, problem: IsocenterError) -> str:
        """Return why an association ended before its time."""
        title = self._destination.ae_title
        if isinstance(problem, AssociationAborted):
            return f"{title} aborted the association" if problem.by_peer else "aborted"
        if isinstance(problem, TimeoutExpired):
            return f"{title} does not answer: {problem}"
        if isinstance(problem, ConnectionLost):
            return f"connection to {title} lost: {problem.reason}"
        return f"{title}: {problem}"


class _Sending:
    """Objects on their way over one association, each opened while the one before is answered."""

    def __init__(
        self,
        owner: SubAssociation,
        association: Association,
        instances: Sequence[RetrieveInstance],
        place: int,
    ) -> None:
        """Begin at `place`."""
        self._owner = owner
        self._association = association
        self._chooser = OutgoingContexts(association.contexts)
        self._instances = instances
        self._ahead: ObjectSource | Exception | None = None
        self.place = place
        """The next one to send; it stays at one that was sent and not answered."""

    def run(self) -> None:
        """Send until the last object, the end of the association, or somebody ends it.

        Raises:
            As `services.storage.submit` and `await_store`, where the association was lost.
        """
        owner = self._owner
        while self.place < len(self._instances):
            if owner._ending or self._association.closed:  # noqa: SLF001 - a part of it
                return
            self._send(self._instances[self.place])
            self.place += 1
            owner._told()  # noqa: SLF001 - as above

    def _send(self, instance: RetrieveInstance) -> None:
        tally, association = self._owner._tally, self._association  # noqa: SLF001 - as above
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
                data = source.data(association.contexts[context_id].transfer_syntax)
                submit(
                    association,
                    context_id,
                    sop_class_uid=instance.sop_class_uid,
                    sop_instance_uid=uid,
                    data=data,
                    move_originator=self._owner._originator,  # noqa: SLF001 - as above
                )
            except (DataSetError, OSError, ValueError, TypeError, LocalProtocolError) as problem:
                # Of the object; where it was being sent, the association is gone with it.
                tally.failed(uid, cannot_be_sent(instance, problem))
                return
        finally:
            source.close()
        if self.place + 1 < len(self._instances):
            self._ahead = opened(self._instances[self.place + 1])
        response = await_store(association)
        tally.answered(uid, response.status, response.error_comment or "")

    def close(self) -> None:
        """Give back what was opened ahead."""
        if self._ahead is not None and not isinstance(self._ahead, Exception):
            self._ahead.close()
        self._ahead = None


def opened(instance: RetrieveInstance) -> ObjectSource | Exception:
    """Return the object ready to be sent, or why it is not."""
    try:
        return instance.open()
    except Exception as problem:  # noqa: BLE001 - of whoever provides it; told when its turn comes
        return problem

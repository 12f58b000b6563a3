"""What dcmrecv says about each association and object: the lines of DCMTK's class DcmSCP.

Owns these lines, and what that class does on top of negotiating: an association without any use
is rejected. Must not know options, nor how objects are stored. dcmtk-facts 4.2, 4.3.
"""

from __future__ import annotations

from isocenter.aetitle import normalise
from isocenter.errors import (
    AssociationRejected,
    DimseDecodeError,
    StorageError,
    StorageRefused,
    TimeoutExpired,
)
from isocenter.logs import DEBUG, ERROR, INFO, get_logger
from isocenter.sender.conditions import condition_of, is_peer_abort
from isocenter.services.acceptor import SilentObserver
from isocenter.services.providers import AbortAssociation
from isocenter.services.storage import store_status_text
from isocenter.ul.negotiation import negotiate, rejection
from isocenter.ul.pdu import (
    AAssociateAC,
    ContextResult,
    RejectReason,
    RejectResult,
    RejectSource,
)

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.dimse.commands import CEchoRQ, CEchoRSP, CStoreRQ, Message
    from isocenter.errors import IsocenterError
    from isocenter.net.association import Association
    from isocenter.net.resolver import Resolver
    from isocenter.services.acceptor import Answer
    from isocenter.services.providers import StorageProvider, StoreRequest
    from isocenter.ul.negotiation import AcceptorPolicy
    from isocenter.ul.pdu import AAssociateRJ, AAssociateRQ

__all__ = ["LOGGER", "ScpObserver", "WordedStorage", "revised"]

LOGGER = "isocenter.net.scp"
"""Where these lines are logged."""

_LOGGER = get_logger(LOGGER)

_REASONS = {
    RejectReason.USER_APPLICATION_CONTEXT_NAME_NOT_SUPPORTED: "bad application context",
    RejectReason.USER_CALLED_AE_TITLE_NOT_RECOGNIZED: "called AE title not recognized",
    RejectReason.USER_CALLING_AE_TITLE_NOT_RECOGNIZED: "calling AE title not recognized",
}
"""DCMTK's words for reasons of the service user."""

_OUT_OF_RESOURCES = 0xA7
"""Upper byte of the statuses with which an object cannot be written (PS3.4 B.2.3)."""


def _has_use(answer: AAssociateAC) -> bool:
    """Tell whether an acceptance accepts any presentation context."""
    return any(
        context.result == ContextResult.ACCEPTANCE for context in answer.presentation_contexts
    )


def revised(request: AAssociateRQ, answer: Answer, _association: int = 0) -> Answer:
    """Return the answer that DCMTK's DcmSCP gives where ours is another one.

    An association without an accepted presentation context is rejected, 1/1/1; one with another
    application context transiently, 2/1/2.
    """
    del request
    if isinstance(answer, AAssociateAC):
        return answer if _has_use(answer) else rejection(RejectReason.USER_NO_REASON)
    if (
        answer.source == RejectSource.SERVICE_USER
        and answer.reason == RejectReason.USER_APPLICATION_CONTEXT_NAME_NOT_SUPPORTED
    ):
        return rejection(answer.reason, transient=True)
    return answer


class WordedStorage:
    """A storage whose failures are told in dcmrecv's words.

    Args:
        inner: what stores.
    """

    __slots__ = ("_inner",)

    def __init__(self, inner: StorageProvider) -> None:
        """Keep the argument."""
        self._inner = inner

    def store(self, request: StoreRequest) -> int:
        """Store, as the inner one.

        Raises:
            As the inner one.
        """
        try:
            return self._inner.store(request)
        except StorageError as problem:
            if not isinstance(problem, StorageRefused) and "doing" not in vars(problem):
                problem.doing = "cannot store received object"
            raise


class ScpObserver(SilentObserver):
    """Logs associations and operations in the lines that DCMTK's dcmrecv prints.

    Args:
        level: log level of these lines.
        dumps: show association parameters at info level, too (``--verbose-pc``).
        policy: by which requests are answered.
        resolver: of the names that the log shows; None shows addresses.
        own_title: the only title that may be called, "" where any may.
        aborts_when_full: an association ends with the first object that cannot be written.
        dimse_timeout: seconds that a command may be waited for, None for no bound of that kind.
    """

    def __init__(
        self,
        level: int,
        *,
        dumps: bool,
        policy: AcceptorPolicy,
        resolver: Resolver | None = None,
        own_title: str = "",
        aborts_when_full: bool = False,
        dimse_timeout: float | None = None,
    ) -> None:
        """Find out once what is to be logged at all."""
        self._policy = policy
        self._resolver = resolver
        self._own_title = own_title
        self._aborts_when_full = aborts_when_full
        self._dimse_timeout = dimse_timeout
        self._info = level <= INFO
        self._debug = level <= DEBUG
        self._dumps = self._debug or (dumps and self._info)
        self._dump_level = INFO if dumps else DEBUG
        self._receiving: dict[int, int] = {}  # association to context of the object on its way

    def received(self, association: Association, request: AAssociateRQ) -> None:
        """Log who calls whom, from where."""
        if not self._info:
            return
        _LOGGER.info(
            "Association Received %s: %s -> %s",
            self._host(association),
            normalise(request.calling_ae_title),
            normalise(request.called_ae_title),
        )
        if self._debug and association.tls is not None:
            from isocenter.cli.tls_details import log_tls

            log_tls(association.tls)
        if self._dumps:
            from isocenter.cli.dumps import request_dump

            text = request_dump(request, maximum_length=self._policy.maximum_length)
            _LOGGER.log(self._dump_level, "Incoming Association Request:\n%s", text)

    def _host(self, association: Association) -> str:
        """Return the name of the peer, which may take the time of a look-up, or its address."""
        peer = association.peer_address
        address = peer.rpartition(":")[0].strip("[]") or peer
        return address if self._resolver is None else self._resolver.name(address)

    def rejected(
        self, association: Association, request: AAssociateRQ, reject: AAssociateRJ
    ) -> None:
        """Log the reason in DCMTK's words."""
        by_user = reject.source == RejectSource.SERVICE_USER
        words = _REASONS.get(reject.reason) if by_user else None
        if words is None:
            reasons = AssociationRejected(reject.result, reject.source, reject.reason)
            words = reasons.reason_text
            if by_user and reject.result == RejectResult.REJECTED_PERMANENT:
                words = self._lacking_contexts(request) or words
        elif reject.reason == RejectReason.USER_CALLED_AE_TITLE_NOT_RECOGNIZED and self._own_title:
            _LOGGER.error("Called AE Title does not match configured AE Title: %s", self._own_title)
        _LOGGER.info("Refusing Association (%s)", words)

    def _lacking_contexts(self, request: AAssociateRQ) -> str:
        """Log that a request has no acceptable context and return the words; "" where it has."""
        answer = negotiate(request, self._policy)
        if isinstance(answer, AAssociateAC):
            if _has_use(answer):
                return ""
        elif request.presentation_contexts:
            return ""
        _LOGGER.info("No Acceptable Presentation Contexts")
        if self._dumps and isinstance(answer, AAssociateAC):
            from isocenter.cli.dumps import accept_dump

            text = accept_dump(request, answer, acceptor=True, pdu="RJ")
            _LOGGER.log(self._dump_level, "%s", text)
        return "no acceptable presentation contexts"

    def acknowledged(self, association: Association) -> None:
        """Log the acceptance."""
        if not self._info:
            return
        _LOGGER.info("Association Acknowledged (Max Send PDV: %d)", association.max_send_pdv)
        if self._dumps and association.request is not None and association.accept is not None:
            from isocenter.cli.dumps import accept_dump

            text = accept_dump(association.request, association.accept, acceptor=True)
            _LOGGER.log(self._dump_level, "%s", text)

    def echo(self, association: Association, context_id: int, command: CEchoRQ) -> None:
        """Log the request."""
        if self._debug:
            _LOGGER.info("Received C-ECHO Request")
            self._dump_message("INCOMING", context_id, command)
        elif self._info:
            _LOGGER.info("Received C-ECHO Request (MsgID %d)", command.message_id)

    def echoed(self, association: Association, context_id: int, response: CEchoRSP) -> None:
        """Log the response."""
        if self._debug:
            _LOGGER.info("Sending C-ECHO Response")
        elif self._info:
            _LOGGER.info("Sending C-ECHO Response (%s)", store_status_text(response.status))

    def store(self, association: Association, context_id: int, command: CStoreRQ) -> None:
        """Log the request."""
        self._receiving[association.number] = context_id
        if self._debug:
            _LOGGER.info("Received C-STORE Request")
            self._dump_message("INCOMING", context_id, command)
        elif self._info:
            _LOGGER.info("Received C-STORE Request (MsgID %d)", command.message_id)

    def stored(self, association: Association, request: StoreRequest, status: int) -> None:
        """Log the response.

        Raises:
            AbortAssociation: the object could not be written, and that is to be the end.
        """
        self._receiving.pop(association.number, None)
        if self._debug:
            from isocenter.dimse.commands import CStoreRSP

            _LOGGER.info("Sending C-STORE Response")
            command = request.command
            response = CStoreRSP(
                message_id_being_responded_to=command.message_id,
                affected_sop_class_uid=command.affected_sop_class_uid,
                affected_sop_instance_uid=command.affected_sop_instance_uid,
                status=status,
                has_data_set=False,
            )
            self._dump_message("OUTGOING", request.context.context_id, response)
        elif self._info:
            _LOGGER.info("Sending C-STORE Response (%s)", store_status_text(status))
        if self._aborts_when_full and status >> 8 == _OUT_OF_RESOURCES:
            raise AbortAssociation

    def unexpected(self, association: Association, context_id: int, command: Message) -> None:
        """Log the command that nobody serves."""
        _LOGGER.error(
            "cannot handle this kind of DIMSE command (0x%04x), we are a Storage SCP only",
            command.command_field,
        )
        if self._debug:
            self._dump_message("INCOMING", context_id, command)

    def released(self, association: Association) -> None:
        """Log the release."""
        _LOGGER.info("Received Association Release Request")

    def aborting(self, association: Association) -> None:
        """Log the abort behind an object that could not be written."""
        _LOGGER.info("Aborting Association (initiated by SCP)")

    def stopped(self, association: Association) -> None:
        """Log the abort on stop."""
        _LOGGER.info("Aborting Association (the receiver is being stopped)")

    def failed(self, association: Association, problem: IsocenterError) -> None:
        """Log how it ended: what was lost with it is an error, its end is information."""
        if self._is_of_dimse(problem):
            problem = TimeoutExpired("dimse", self._dimse_timeout or 0.0)
        condition = condition_of(problem)
        if association.accept is None:
            text = condition.partition(" ")[2]
            _LOGGER.error("Could not receive association request: %s", text)
            return
        context = self._receiving.get(association.number)
        if context is not None:
            if isinstance(problem, DimseDecodeError) and problem.field == "CommandDataSetType":
                _LOGGER.error("Received C-STORE request but no dataset announced, aborting")
            else:
                words = "Unable to receive dataset on presentation context %d: %s"
                _LOGGER.error(words, context, condition)
                _LOGGER.error(
                    "Unable to receive C-STORE dataset on presentation context %d", context
                )
        if is_peer_abort(problem):
            _LOGGER.info("Received Association Abort Request")
        elif context is None:
            # DCMTK says this at debug level alone, and then nobody knows why it ended.
            words = "DIMSE Error, detail (if available): %s"
            level = INFO if isinstance(problem, TimeoutExpired) else ERROR
            _LOGGER.log(level, words, condition)

    def _is_of_dimse(self, problem: IsocenterError) -> bool:
        """Tell whether a silent peer was let go by ``--dimse-timeout``."""
        return (
            isinstance(problem, TimeoutExpired)
            and problem.which == "socket"
            and self._dimse_timeout is not None
            and problem.seconds == self._dimse_timeout
        )

    def ended(self, association: Association) -> None:
        """Forget the association."""
        self._receiving.pop(association.number, None)

    def _dump_message(self, direction: str, context_id: int, command: Message) -> None:
        from isocenter.cli.dumps import message_dump

        _LOGGER.debug("%s", message_dump(command, direction=direction, context_id=context_id))

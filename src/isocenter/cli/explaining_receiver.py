"""``--explain`` of the receivers: gathers the facts of a failure and logs the explanation.

Joins `explain_*` (the words) with connections, associations and objects on their way in: an
observer, a storage and a receiver around the tool's own ones, which are used only where the
option is given. Must not change what happens, nor log anything but warnings (and information,
where nothing is lost): they come after the tool's own lines. Of an object they name the SOP
Instance UID and nothing else.
"""

from __future__ import annotations

from isocenter.cli import explain_connection as connection
from isocenter.cli import explain_contexts as contexts
from isocenter.cli import explain_transfer as transfer
from isocenter.cli.explain import as_text, authorities, option_words
from isocenter.errors import PeerProtocolError
from isocenter.limits import DEFAULTS
from isocenter.logs import INFO, WARNING, get_logger
from isocenter.services.acceptor import Acceptor
from isocenter.services.storage import is_confirmed
from isocenter.storage.receive import Receiver
from isocenter.ul.negotiation import negotiate
from isocenter.ul.pdu import AAssociateRJ, RejectReason, RejectSource

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from isocenter.cli.explain import Lines
    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.dimse.commands import CCancelRQ, CEchoRQ, CEchoRSP, CStoreRQ, Message
    from isocenter.errors import IsocenterError
    from isocenter.net.association import Association
    from isocenter.net.failures import FailedConnection
    from isocenter.services.acceptor import Observer, Operation, OperationResponse, Revision
    from isocenter.services.admission import Admission
    from isocenter.services.providers import StorageProvider, StoreRequest
    from isocenter.services.registry import Registry
    from isocenter.storage.options import StorageOptions
    from isocenter.storage.placing import Origin, Placing
    from isocenter.storage.receive import IgnoredObject, ReceivedObject
    from isocenter.storage.spool import Spool
    from isocenter.ul.negotiation import AcceptorPolicy
    from isocenter.ul.pdu import AAssociateRQ
    from isocenter.wire import Segment

__all__ = ["Explaining", "explain_arrivals"]

_LOGGER = get_logger(__name__)

_USER = RejectSource.SERVICE_USER


def _say(lines: Lines, level: int = WARNING) -> None:
    if lines:
        _LOGGER.log(level, "%s", as_text(lines))


def explain_arrivals(line: ParsedCommandLine) -> Callable[[FailedConnection], None]:
    """Return what a listener is to call with connections that never became an association."""
    tool = line.tool
    seconds = float(line.integer("--acse-timeout"))
    limit = DEFAULTS.maximum_association_pdu_length
    tls = bool(option_words(tool, "--enable-tls")) and line.in_force("--enable-tls")
    trusted = authorities(line)

    def explain(failed: FailedConnection) -> None:
        _say(
            connection.arrival_failed(
                failed.kind,
                failed.peer_address,
                failed.received,
                tool=tool,
                cause=failed.cause,
                limit=limit,
                seconds=seconds,
                tls=tls,
                trusted=trusted,
            )
        )

    return explain


class _State:
    """What is known of one association while it stands; one thread at a time uses it.

    Attributes:
        stored: objects stored so far.
        receiving: SOP Instance UID of the object on its way in, "" for none.
        written: where its bytes go, None where nothing was begun.
        problem: what storing the last object raised.
    """

    __slots__ = ("problem", "receiving", "stored", "written")

    def __init__(self) -> None:
        self.stored = 0
        self.receiving = ""
        self.written: ReceivedObject | IgnoredObject | None = None
        self.problem: Exception | None = None


class Explaining:
    """What a receiver with ``--explain`` puts around its parts.

    Args:
        line: the command line.
    """

    def __init__(self, line: ParsedCommandLine) -> None:
        """Nothing is going on yet."""
        self.line = line
        self._states: dict[int, _State] = {}

    def state(self, number: int) -> _State:
        """Return what is known of an association, by its number."""
        return self._states.setdefault(number, _State())

    def forget(self, number: int) -> None:
        """Drop what is known of an association that ended."""
        self._states.pop(number, None)

    def receiver(
        self, spool: Spool | None, options: StorageOptions, placing: Placing | None
    ) -> Receiver:
        """Return a receiver that remembers what it is receiving."""
        return _WatchedReceiver(self, spool, options, placing)

    def acceptor(
        self,
        policy: AcceptorPolicy,
        registry: Registry,
        observer: Observer,
        admission: Admission | None = None,
        revise: Revision | None = None,
    ) -> Acceptor:
        """Return an acceptor that explains after `observer` has said its lines.

        The storage that `registry` has for all SOP classes is watched from here on.
        """
        storage = registry.storage("*")
        if storage is not None:
            registry.add_storage(_WatchedStorage(self, storage))
        explaining = _ExplainingObserver(self, observer, policy)
        return Acceptor(policy, registry, explaining, admission, revise=revise)


class _WatchedReceiver(Receiver):
    """A receiver that remembers what it is receiving on which association."""

    def __init__(
        self,
        explaining: Explaining,
        spool: Spool | None,
        options: StorageOptions,
        placing: Placing | None,
    ) -> None:
        super().__init__(spool, options, placing)
        self._explaining = explaining

    def begin(
        self,
        *,
        origin: Origin,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
    ) -> ReceivedObject | IgnoredObject:
        """Begin an object, as `Receiver`."""
        written = super().begin(
            origin=origin,
            sop_class_uid=sop_class_uid,
            sop_instance_uid=sop_instance_uid,
            transfer_syntax_uid=transfer_syntax_uid,
        )
        self._explaining.state(origin.association).written = written
        return written


class _WatchedStorage:
    """A storage that remembers why it failed."""

    __slots__ = ("_explaining", "_inner")

    def __init__(self, explaining: Explaining, inner: StorageProvider) -> None:
        self._explaining = explaining
        self._inner = inner

    def store(self, request: StoreRequest) -> int:
        """Store, as the inner one."""
        try:
            return self._inner.store(request)
        except Exception as problem:
            self._explaining.state(request.association_number).problem = problem
            raise


class _ExplainingObserver:
    """Passes everything on to another observer, and explains failures after it."""

    def __init__(self, explaining: Explaining, inner: Observer, policy: AcceptorPolicy) -> None:
        self._explaining = explaining
        self._inner = inner
        self._policy = policy

    def received(self, association: Association, request: AAssociateRQ) -> None:
        """Pass it on."""
        self._inner.received(association, request)

    def rejected(
        self, association: Association, request: AAssociateRQ, reject: AAssociateRJ
    ) -> None:
        """Say why."""
        self._inner.rejected(association, request, reject)
        refused = self._useless(association, request, reject)
        if refused:
            _say(refused)
            return
        _say(
            connection.rejected_by_us(
                request,
                (int(reject.result), int(reject.source), int(reject.reason)),
                peer=association.peer_address,
                refusing=self._policy.refuse,
            )
        )

    def _useless(
        self, association: Association, request: AAssociateRQ, reject: AAssociateRJ
    ) -> Lines:
        """Say why no context was acceptable, where that is why a tool rejected; else ()."""
        if reject.reason != RejectReason.USER_NO_REASON or reject.source != _USER:
            return ()
        accept = negotiate(request, self._policy)
        if isinstance(accept, AAssociateRJ):
            return ()
        answers = contexts.answers(request, accept)
        if any(answer.result == 0 for answer in answers):
            return ()
        return self._refused(answers, association.peer_address)

    def _refused(self, answers: Sequence[contexts.Answer], peer: str) -> Lines:
        return contexts.refused_by_us(
            answers,
            peer=peer,
            tool=self._explaining.line.tool,
            taken=self._policy.abstract_syntaxes,
            promiscuous=self._policy.fallback is not None,
            from_profile=self._explaining.line.given("--config-file"),
        )

    def acknowledged(self, association: Association) -> None:
        """Say which contexts were refused, and why: a warning only where a SOP class is lost."""
        self._inner.acknowledged(association)
        request, accept = association.request, association.accept
        if request is None or accept is None:
            return
        answers = contexts.answers(request, accept)
        level = WARNING if contexts.loses_a_class(answers) else INFO
        if not _LOGGER.isEnabledFor(level):
            return
        _say(self._refused(answers, association.label), level)

    def echo(self, association: Association, context_id: int, command: CEchoRQ) -> None:
        """Pass it on."""
        self._inner.echo(association, context_id, command)

    def echoed(self, association: Association, context_id: int, response: CEchoRSP) -> None:
        """Pass it on."""
        self._inner.echoed(association, context_id, response)

    def store(self, association: Association, context_id: int, command: CStoreRQ) -> None:
        """Take note of what is to come."""
        state = self._explaining.state(association.number)
        state.receiving = command.affected_sop_instance_uid
        state.written = state.problem = None
        self._inner.store(association, context_id, command)

    def stored(self, association: Association, request: StoreRequest, status: int) -> None:
        """Say why an object was refused."""
        state = self._explaining.state(association.number)
        sop_instance, problem = state.receiving, state.problem
        state.receiving, state.written, state.problem = "", None, None
        if is_confirmed(status):
            state.stored += 1
            self._inner.stored(association, request, status)
            return
        self._inner.stored(association, request, status)
        _say(
            transfer.not_stored(status, problem, peer=association.label, sop_instance=sop_instance)
        )

    def operation(self, association: Association, context_id: int, command: Operation) -> None:
        """Pass it on."""
        self._inner.operation(association, context_id, command)

    def identified(
        self, association: Association, context_id: int, command: Operation, identifier: bytes
    ) -> None:
        """Pass it on."""
        self._inner.identified(association, context_id, command, identifier)

    def answered(
        self,
        association: Association,
        context_id: int,
        response: OperationResponse,
        identifier: Sequence[Segment] | None,
    ) -> None:
        """Pass it on."""
        self._inner.answered(association, context_id, response, identifier)

    def cancel(self, association: Association, command: CCancelRQ, request: Message | None) -> None:
        """Pass it on."""
        self._inner.cancel(association, command, request)

    def unexpected(self, association: Association, context_id: int, command: Message) -> None:
        """Say that this receiver only stores."""
        self._inner.unexpected(association, context_id, command)
        _say(transfer.not_served(command.command_field, peer=association.label))

    def released(self, association: Association) -> None:
        """Pass it on."""
        self._inner.released(association)

    def aborting(self, association: Association) -> None:
        """Pass it on."""
        self._inner.aborting(association)

    def stopped(self, association: Association) -> None:
        """Pass it on."""
        self._inner.stopped(association)

    def failed(self, association: Association, problem: IsocenterError) -> None:
        """Say how the association ended, and in the middle of what."""
        self._inner.failed(association, problem)
        tool = self._explaining.line.tool
        if association.request is None and isinstance(problem, PeerProtocolError):
            _say(
                connection.arrival_failed(
                    "invalid",
                    association.peer_address,
                    problem.received,
                    tool=tool,
                    cause=problem,
                )
            )
            return
        state = self._explaining.state(association.number)
        _say(
            transfer.reception_broken(
                problem,
                peer=association.label,
                tool=tool,
                stored=state.stored,
                receiving=state.receiving,
                received=None if state.written is None else state.written.length,
            )
        )

    def ended(self, association: Association) -> None:
        """Forget the association."""
        self._inner.ended(association)
        self._explaining.forget(association.number)

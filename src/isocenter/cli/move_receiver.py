"""movescu's own receiver: the port on which the objects of its C-MOVE arrive (``+P``).

Owns the listener, its thread, the lines about sub-associations, and when they have ended. Options
to files are `cli.storing`'s. Must not know the C-MOVE.
"""

from __future__ import annotations

import os
import threading
import time

from isocenter.cli.receiving import Misbehaviour, ToolReception
from isocenter.logs import DEBUG, get_logger
from isocenter.sender.conditions import condition_of, is_peer_abort
from isocenter.services.acceptor import SilentObserver
from isocenter.services.storage import is_confirmed
from isocenter.uids import modality_prefix

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping

    from isocenter.cli.hosts import HostLines
    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.dimse.commands import CEchoRQ, CStoreRQ, Message
    from isocenter.errors import IsocenterError
    from isocenter.net.association import Association
    from isocenter.net.listener import Listener
    from isocenter.net.tls import ServerTls
    from isocenter.node.files import FileStorage
    from isocenter.services.providers import StoreRequest
    from isocenter.ul.negotiation import AcceptorPolicy
    from isocenter.ul.pdu import AAssociateRJ, AAssociateRQ

__all__ = ["MoveReceiver"]

_LOGGER = get_logger(__name__)

_QUIET = 10.0
"""Seconds without a byte after which a sub-association that is still open is not waited for."""

_STOPPING = 5.0
"""Seconds that associations get to end once they were told to."""


class _Activity:
    """What the sub-associations do; told by their threads, asked by the tool's."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._open: set[int] = set()
        self._not_stored = 0
        self._moved = time.monotonic()

    def begun(self, number: int) -> None:
        """Count a sub-association."""
        with self._lock:
            self._open.add(number)
            self._moved = time.monotonic()

    def moved(self) -> None:
        """Take note that something arrived."""
        self._moved = time.monotonic()

    def failed(self) -> None:
        """Count an object that was not stored."""
        with self._lock:
            self._not_stored += 1

    def ended(self, number: int) -> None:
        """Forget a sub-association."""
        with self._lock:
            self._open.discard(number)
            self._lock.notify_all()

    def is_busy(self, seconds: float) -> bool:
        """Tell whether something arrived within so many seconds."""
        return bool(self._open) and time.monotonic() - self._moved < seconds

    def settle(self) -> None:
        """Wait until no sub-association is open, or none of them does anything."""
        with self._lock:
            while self._open and (left := self._moved + _QUIET - time.monotonic()) > 0:
                self._lock.wait(left)

    def take_not_stored(self) -> int:
        """Return how many objects were not stored since it was asked last."""
        with self._lock:
            count, self._not_stored = self._not_stored, 0
            return count


class _Reception(ToolReception):
    """Dots, and signs of life."""

    __slots__ = ("_activity",)

    def __init__(self, level: int, activity: _Activity) -> None:
        super().__init__(level, Misbehaviour())
        self._activity = activity

    def piece(self, count: int) -> None:
        """Show a dot for each fragment."""
        self._activity.moved()
        super().piece(count)


class _Observer(SilentObserver):
    """Logs sub-associations in the lines that DCMTK's movescu prints."""

    def __init__(
        self, level: int, activity: _Activity, maximum_length: int, hosts: HostLines | None
    ) -> None:
        self._activity = activity
        self._maximum_length = maximum_length
        self._hosts = hosts
        self._debug = level <= DEBUG

    def received(self, association: Association, request: AAssociateRQ) -> None:
        """Log the arrival."""
        self._activity.begun(association.number)
        if self._hosts is not None:
            self._hosts.begin(association)
        _LOGGER.info("Sub-Association Received")
        if self._debug:
            from isocenter.cli.dumps import request_dump

            if association.tls is not None:
                from isocenter.cli.tls_details import log_tls

                log_tls(association.tls)
            dump = request_dump(request, maximum_length=self._maximum_length)
            _LOGGER.debug("Parameters:\n%s", dump)

    def rejected(
        self, association: Association, request: AAssociateRQ, reject: AAssociateRJ
    ) -> None:
        """Log the reason."""
        from isocenter.errors import AssociationRejected

        del association, request
        words = AssociationRejected(reject.result, reject.source, reject.reason)
        _LOGGER.error("Sub-Association rejected: %s", words.reason_text)

    def acknowledged(self, association: Association) -> None:
        """Log the acceptance."""
        _LOGGER.info("Sub-Association Acknowledged (Max Send PDV: %d)", association.max_send_pdv)
        if not association.contexts:
            _LOGGER.info("    (but no valid presentation contexts)")
        if self._debug and association.request is not None and association.accept is not None:
            from isocenter.cli.dumps import accept_dump

            dump = accept_dump(association.request, association.accept, acceptor=True)
            _LOGGER.debug("%s", dump)

    def echo(self, association: Association, context_id: int, command: CEchoRQ) -> None:
        """Log the request."""
        self._log(context_id, command, f"Received Echo Request (MsgID {command.message_id})")

    def store(self, association: Association, context_id: int, command: CStoreRQ) -> None:
        """Log the request."""
        self._activity.moved()
        modality = modality_prefix(command.affected_sop_class_uid, "OT")
        words = f"Received Store Request (MsgID {command.message_id}, {modality})"
        self._log(context_id, command, words)

    def _log(self, context_id: int, command: Message, words: str) -> None:
        if not self._debug:
            _LOGGER.info("%s", words)
            return
        _LOGGER.info("%s", words.partition(" (")[0])
        self._dump(context_id, command)

    def stored(self, association: Association, request: StoreRequest, status: int) -> None:
        """Count what was not stored."""
        self._activity.moved()
        if not is_confirmed(status):
            self._activity.failed()

    def unexpected(self, association: Association, context_id: int, command: Message) -> None:
        """Log the command that nobody serves."""
        _LOGGER.error(
            "Expected C-ECHO or C-STORE request but received DIMSE command 0x%04x",
            command.command_field,
        )
        if self._debug:
            self._dump(context_id, command)

    def _dump(self, context_id: int, command: Message) -> None:
        from isocenter.cli.dumps import message_dump

        _LOGGER.debug("%s", message_dump(command, direction="INCOMING", context_id=context_id))

    def failed(self, association: Association, problem: IsocenterError) -> None:
        """Log how it ended; an abort by the peer goes without a word."""
        if is_peer_abort(problem) and association.accept is not None:
            _LOGGER.info("Sub-Association Aborted")
            return
        words = "DIMSE failure (aborting sub-association): %s"
        _LOGGER.error(words, condition_of(problem))

    def ended(self, association: Association) -> None:
        """Take note of the end."""
        if self._hosts is not None:
            self._hosts.end(association)
        self._activity.ended(association.number)


class MoveReceiver:
    """The receiver while it listens; made by `open_receiver`.

    Args:
        line: of movescu, with a port.
        env: the environment.

    Raises:
        ConfigurationError: TLS, a dictionary or the port cannot be used; see `listen`.
        StorageError: the directory cannot be used.
    """

    def __init__(self, line: ParsedCommandLine, env: Mapping[str, str]) -> None:
        """Open the directory; nothing listens yet."""
        self._activity = _Activity()
        self._storage = _storage(line, env, self._activity)
        self._listener: Listener | None = None
        self._thread: threading.Thread | None = None
        self._line = line

    def listen(self, tls: ServerTls | None) -> None:
        """Begin to accept sub-associations.

        Raises:
            ConfigurationError: the port cannot be listened on; the text is the system's reason.
        """
        from isocenter.net.listener import raise_descriptor_limit

        raise_descriptor_limit()
        listener = _listener(self._line, self._storage, self._activity, tls)
        listener.open()
        ready = threading.Event()
        thread = threading.Thread(
            target=lambda: listener.run(ready=ready.set), name="movescu receiver", daemon=True
        )
        thread.start()
        ready.wait()
        self._listener, self._thread = listener, thread

    def is_busy(self, seconds: float) -> bool:
        """Tell whether something arrived within so many seconds."""
        return self._activity.is_busy(seconds)

    def settle(self) -> int:
        """Wait for open sub-associations; return how many objects were not stored since.

        One that says nothing for 10 s is not waited for.
        """
        self._activity.settle()
        return self._activity.take_not_stored()

    def close(self) -> None:
        """Stop listening, let what is being received end, and give the directory back."""
        listener, thread = self._listener, self._thread
        if listener is not None and thread is not None:
            listener.stop()
            thread.join(_STOPPING)
            if thread.is_alive():
                listener.stop()
                thread.join(_STOPPING)
        self._storage.close()


def _storage(line: ParsedCommandLine, env: Mapping[str, str], activity: _Activity) -> FileStorage:
    """Return what stores.

    Raises:
        ConfigurationError, StorageError: an option cannot be used.
    """
    from isocenter.cli.storing import move_storage_options, open_spool
    from isocenter.node.files import FileStorage
    from isocenter.storage.receive import Receiver

    options = move_storage_options(line, env)
    level = line.progress_level
    return FileStorage(
        Receiver(None if options.ignore else open_spool(line), options),
        lambda: _Reception(level, activity),
    )


def _policy(line: ParsedCommandLine, maximum_length: int) -> AcceptorPolicy:
    """Accept what DCMTK's movescu accepts under the same options."""
    from isocenter import uids
    from isocenter.cli.options_movescu import PREFERENCES
    from isocenter.cli.preferences import accepted_syntaxes
    from isocenter.ul.negotiation import AcceptorPolicy

    syntaxes = accepted_syntaxes(line.block(*PREFERENCES) or "--prefer-uncompr")
    classes = (uids.VERIFICATION, *uids.DEFAULT_STORAGE_CLASSES)
    return AcceptorPolicy(
        abstract_syntaxes=dict.fromkeys(classes, syntaxes),
        implementation_class_uid=uids.IMPLEMENTATION_CLASS_UID,
        implementation_version_name=uids.IMPLEMENTATION_VERSION_NAME,
        maximum_length=maximum_length,
    )


def _quiet_listener() -> type[Listener]:
    """Return a listener that stops without a word: nobody asked this tool to stop."""
    from isocenter.net.listener import Listener

    class QuietListener(Listener):
        def _announce_stop(self) -> None:
            pass

    return QuietListener


def _listener(
    line: ParsedCommandLine, storage: FileStorage, activity: _Activity, tls: ServerTls | None
) -> Listener:
    """Return what listens, without a socket yet."""
    from isocenter.cli.arrivals import STORESCP, reporter
    from isocenter.cli.hosts import HostLines, resolver_of
    from isocenter.cli.network import LONGEST_WAIT, SOCKET_TIMEOUT, ip_family, max_pdu, seconds
    from isocenter.limits import DEFAULTS
    from isocenter.net.dispatch import ServeOptions, ThreadDispatcher
    from isocenter.net.listener import ListenOptions
    from isocenter.net.options import AssociationOptions
    from isocenter.net.transport import SocketOptions
    from isocenter.services.acceptor import Acceptor
    from isocenter.services.registry import Registry
    from isocenter.services.verification import AlwaysVerified
    from isocenter.ul.options import EngineOptions

    registry = Registry(verification=AlwaysVerified())
    registry.add_storage(storage)
    hosts = HostLines(resolver_of(line)) if line.level <= DEBUG else None
    maximum_length = max_pdu(line)
    observer = _Observer(line.level, activity, maximum_length, hosts)
    dimse_timeout = seconds(line, "--dimse-timeout")
    acse_timeout = float(min(line.integer("--acse-timeout"), LONGEST_WAIT))
    engine = EngineOptions(
        limits=DEFAULTS,
        maximum_length=maximum_length,
        artim_timeout=acse_timeout,
        acse_timeout=acse_timeout,
        idle_timeout=min(SOCKET_TIMEOUT, dimse_timeout or SOCKET_TIMEOUT),
    )
    sockets = SocketOptions.from_environment(os.environ)
    acceptor = Acceptor(_policy(line, maximum_length), registry, observer)
    options = ServeOptions(
        engine=engine,
        association=AssociationOptions(dimse_timeout=dimse_timeout),
        sockets=sockets,
    )
    return _quiet_listener()(
        ListenOptions(port=line.integer("--port"), family=ip_family(line)),
        engine,
        sockets,
        ThreadDispatcher(acceptor.serve, options),
        on_failure=reporter(lines=STORESCP),
        tls=tls,
    )

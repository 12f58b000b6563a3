"""What a Python developer calls: `connect` to a peer, `serve` to peers.

Composition only: negotiation, drivers and services do the work. Everything here is
synchronous; an association belongs to the thread that uses it, a server has its own.

    import isocenter

    with isocenter.connect("127.0.0.1", 11112) as peer:
        peer.echo()
        result = peer.store("image.dcm")

PS3.7 8, PS3.8 7.
"""

from __future__ import annotations

import os
import threading

from isocenter import aetitle, uids
from isocenter.errors import ConfigurationError, DimseFailure, NegotiationError, StorageError
from isocenter.net.client import ADDRESS_FAMILIES, ConnectOptions
from isocenter.net.client import connect as _connect
from isocenter.record import Record
from isocenter.services import storage, verification
from isocenter.ul.identity import lacks_response
from isocenter.ul.negotiation import AcceptorPolicy
from isocenter.ul.request import ProposedContext, build_request

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from pydicom.dataset import Dataset

    from isocenter.net.association import Association
    from isocenter.net.listener import Listener
    from isocenter.node.files import FileStorage
    from isocenter.sender.proposal import ContextChooser
    from isocenter.services.acceptor import Acceptor, Observer
    from isocenter.services.providers import StorageProvider, VerificationProvider
    from isocenter.storage.options import StorageOptions
    from isocenter.ul.negotiation import AcceptedContext
    from isocenter.ul.options import EngineOptions
    from isocenter.ul.pdu import UserIdentityRQ
    from isocenter.wire import Segment

__all__ = ["Peer", "Server", "StoreResult", "connect", "contexts_for", "serve"]

_UNCOMPRESSED = (
    uids.EXPLICIT_VR_LITTLE_ENDIAN,
    uids.IMPLICIT_VR_LITTLE_ENDIAN,
)
_MAXIMUM_LENGTH = 131072


class StoreResult(Record):
    """The peer's answer to one object.

    Fields:
        status: DIMSE status of the response (PS3.4 B.2.3).
        comment: Error Comment of the response, "" where there was none.
        sop_instance_uid: of the object.
    """

    status: int
    comment: str
    sop_instance_uid: str

    @property
    def confirmed(self) -> bool:
        """True where the peer has taken the object over: success, or a warning."""
        return storage.is_confirmed(self.status)


class Peer:
    """An established association as requestor; made by `connect`.

    Use it as a context manager: it is released at the end, aborted where an exception leaves
    the block. Not thread-safe: one thread at a time.

    Attributes:
        contexts: the accepted presentation contexts by id.
        user_identity_response: the peer's answer to a user identity (PS3.7 D.3.3.7.2), or None.
    """

    def __init__(self, association: Association) -> None:
        """Take the association over."""
        answer = association.accept
        self.user_identity_response = answer and answer.user_information.user_identity_response
        self._association = association
        self._user: int | None = None
        self._chooser: ContextChooser | None = None
        self.contexts: Mapping[int, AcceptedContext] = association.contexts

    def __enter__(self) -> Self:
        """Return the peer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release, or abort where the block failed."""
        if kind is None:
            self.release()
        else:
            self.abort()

    def echo(self) -> None:
        """Verify the connection with C-ECHO (PS3.7 9.1.5).

        Raises:
            NegotiationError: the peer did not accept Verification.
            DimseFailure: the peer answered with another status than success; with its comment.
            AssociationAborted, ConnectionLost, TimeoutExpired, PeerProtocolError: no answer.
        """
        self._user = threading.get_ident()
        try:
            response = verification.verify(self._association)
        finally:
            self._user = None
        if response.status:
            comment = response.error_comment or "C-ECHO failed"
            raise DimseFailure(response.status, comment, response.offending_element)

    def store(self, source: str | os.PathLike[str] | Dataset, *, priority: int = 0) -> StoreResult:
        """Send one object with C-STORE and return the peer's answer (PS3.7 9.1.1).

        A file is sent as it is where its transfer syntax was accepted, without being held in
        memory; otherwise it is converted while it is sent, if it is uncompressed or deflated. A
        pydicom data set is encoded in the transfer syntax of the accepted context. What is
        compressed needs a context with its own transfer syntax.

        Args:
            source: path of a DICOM file, or a data set.
            priority: 0 medium, 1 high, 2 low.

        Raises:
            DataSetError: the source is no usable object; nothing was sent.
            OSError: the file cannot be read.
            NegotiationError: no accepted context fits its SOP class and transfer syntax.
            ValueError: a UID of the data set has characters beyond ASCII; nothing was sent.
            AssociationAborted, AssociationReleased, ConnectionLost, TimeoutExpired,
                PeerProtocolError: no answer came; whether the object arrived is unknown.
        """
        if isinstance(source, (str, os.PathLike)):
            return self._store_file(os.fspath(source), priority)
        from isocenter.dataset.bridge import encode_dataset, identify

        sop_class_uid, sop_instance_uid, own_syntax = identify(source)
        context = self._choose(sop_class_uid, own_syntax)
        data = encode_dataset(source, context.transfer_syntax)
        return self._send(context, sop_class_uid, sop_instance_uid, (data,), priority)

    def _store_file(self, path: str, priority: int) -> StoreResult:
        from isocenter.sender.encoding import encode
        from isocenter.sender.prepare import prepare

        if self._chooser is None:
            from isocenter.sender.proposal import ContextChooser

            self._chooser = ContextChooser(self.contexts)
        prepared = prepare(path)
        try:
            sop_class, syntax = prepared.sop_class_uid, prepared.transfer_syntax_uid
            context_id = self._chooser.choose(sop_class, syntax)
            if context_id is None:
                raise _no_context(sop_class, syntax)
            context = self.contexts[context_id]
            data = encode(prepared, context.transfer_syntax).data
            return self._send(context, sop_class, prepared.sop_instance_uid, data, priority)
        finally:
            prepared.close()

    def _choose(self, sop_class_uid: str, transfer_syntax_uid: str | None) -> AcceptedContext:
        """Return an accepted context; any uncompressed one where the syntax is None.

        Raises:
            NegotiationError: there is none.
        """
        for context in self.contexts.values():
            if context.abstract_syntax == sop_class_uid and context.as_scu:
                syntax = context.transfer_syntax
                if syntax == transfer_syntax_uid or (
                    transfer_syntax_uid is None and syntax in _UNCOMPRESSED
                ):
                    return context
        raise _no_context(sop_class_uid, transfer_syntax_uid)

    def _send(
        self,
        context: AcceptedContext,
        sop_class_uid: str,
        sop_instance_uid: str,
        data: Iterable[Segment],
        priority: int,
    ) -> StoreResult:
        self._user = threading.get_ident()
        try:
            response = storage.store(
                self._association,
                context.context_id,
                sop_class_uid=sop_class_uid,
                sop_instance_uid=sop_instance_uid,
                data=data,
                priority=priority,
            )
        finally:
            self._user = None
        return StoreResult(
            status=response.status,
            comment=response.error_comment or "",
            sop_instance_uid=sop_instance_uid,
        )

    def release(self) -> None:
        """Release the association in order and close; harmless when it has ended.

        Raises:
            AssociationAborted, ConnectionLost, TimeoutExpired: it ended otherwise.
        """
        self._association.release()

    def abort(self) -> None:
        """Abort the association and close; harmless when it has ended.

        From another thread, while one is in `store` or `echo`: that call ends with
        `AssociationAborted` at once.
        """
        user = self._user
        if user is not None and user != threading.get_ident():
            self._association.request_abort()
        else:
            self._association.abort()


def _no_context(sop_class_uid: str, transfer_syntax_uid: str | None) -> NegotiationError:
    return NegotiationError(
        f"no accepted context for {uids.name_of(sop_class_uid)} in "
        f"{uids.name_of(transfer_syntax_uid or _UNCOMPRESSED[0])}",
        abstract_syntax=sop_class_uid,
        transfer_syntax=transfer_syntax_uid or "",
    )


def contexts_for(*paths: str | os.PathLike[str]) -> list[ProposedContext]:
    """Return the contexts that sending these files as they are needs, without repetition.

    Reads the beginning of each file.

    Raises:
        DataSetError: a file is no usable object.
        OSError: a file cannot be read.

    PS3.8 7.1.1.13.
    """
    from isocenter.sender.prepare import prepare

    needed: dict[tuple[str, str], None] = {}
    for path in paths:
        prepared = prepare(os.fspath(path))
        needed[prepared.sop_class_uid, prepared.transfer_syntax_uid] = None
        prepared.close()
    return [
        ProposedContext(abstract_syntax=sop_class, transfer_syntaxes=(syntax,))
        for sop_class, syntax in needed
    ]


def connect(  # noqa: PLR0913 - what a request may say, all by keyword
    host: str,
    port: int,
    *,
    called_ae_title: str = "ANY-SCP",
    calling_ae_title: str = "ISOCENTER",
    contexts: Iterable[ProposedContext] | None = None,
    connect_timeout: float | None = 10.0,
    acse_timeout: float = 30.0,
    dimse_timeout: float | None = 60.0,
    maximum_length: int = _MAXIMUM_LENGTH,
    family: str = "auto",
    user_identity: UserIdentityRQ | None = None,
) -> Peer:
    """Open an association and return it, to be used in a ``with`` block.

    Args:
        host: name or address of the peer.
        port: its TCP port.
        called_ae_title: title of the peer, at most 16 characters.
        calling_ae_title: own title, at most 16 characters.
        contexts: presentation contexts to propose besides Verification, at most 127; see
            `contexts_for`. None proposes 64 common storage classes, uncompressed.
        connect_timeout: seconds for the TCP connection, None for the system's own bound.
        acse_timeout: seconds to wait for the answer to the association and release request.
        dimse_timeout: seconds to wait for each response, None for no bound. A peer that takes no
            more bytes of an object is given 5 s more.
        maximum_length: bytes of P-DATA that this side bears in a PDU, 0 for unlimited.
        family: ``auto``, ``ipv4`` or ``ipv6``.
        user_identity: who asks, None not to say: a user name (UTF-8), with a passcode or without,
            a Kerberos ticket, SAML assertion or JSON Web Token. All of it can be read on the wire.
            Where names and passcodes request a positive response, its absence is an error.

    Raises:
        ConnectError: no connection.
        NegotiationError: the peer did not confirm the user name; it was aborted.
        AssociationRejected: the peer said no; the exception says why.
        AssociationAborted, ConnectionLost, TimeoutExpired, PeerProtocolError: no usable answer.
        ValueError: a title, a UID, the port or the family is none; too many contexts; the
            identity has no room in the request.

    PS3.8 7.1, PS3.7 D.3.3.7.
    """
    _check_port(port, lowest=1)
    aetitle.check("called", called_ae_title)
    aetitle.check("calling", calling_ae_title)
    if family not in ADDRESS_FAMILIES:
        raise ValueError(f"family {family!r}: one of {', '.join(ADDRESS_FAMILIES)}")
    if contexts is None:
        contexts = [
            ProposedContext(abstract_syntax=uid, transfer_syntaxes=_UNCOMPRESSED)
            for uid in uids.SHORT_PROPOSAL
        ]
    proposals = [
        ProposedContext(
            abstract_syntax=uids.VERIFICATION, transfer_syntaxes=(uids.IMPLICIT_VR_LITTLE_ENDIAN,)
        ),
        *contexts,
    ]
    request = build_request(
        proposals,
        called_ae_title=called_ae_title,
        calling_ae_title=calling_ae_title,
        implementation_class_uid=uids.IMPLEMENTATION_CLASS_UID,
        implementation_version_name=uids.IMPLEMENTATION_VERSION_NAME,
        maximum_length=maximum_length,
        user_identity=user_identity,
    )
    options = ConnectOptions(
        host=host,
        port=port,
        family=family,
        connect_timeout=connect_timeout,
        acse_timeout=acse_timeout,
        dimse_timeout=dimse_timeout,
        # Later than the other, so that a missing response is named as such; it bounds sending.
        socket_timeout=None if dimse_timeout is None else dimse_timeout + 5.0,
    )
    association = _connect(options, request)
    if association.accept is not None and lacks_response(request, association.accept):
        association.abort()
        raise NegotiationError("the peer did not confirm the user identity")
    return Peer(association)


class Server:
    """A running server in a thread of its own; made by `serve`.

    Use it as a context manager, or call `stop`.

    Attributes:
        port: the TCP port it listens on.
    """

    def __init__(self, listener: Listener, port: int, close: Callable[[], None]) -> None:
        """Start the thread; returns once connections are accepted. `close` is called at its end.

        Raises:
            What keeps the listener from accepting.
        """
        self._listener = listener
        self.port = port
        settled = threading.Event()
        problems: list[BaseException] = []

        def run() -> None:
            try:
                listener.run(ready=settled.set)
            except BaseException as problem:
                if settled.is_set():
                    raise
                problems.append(problem)
            finally:
                close()
                settled.set()

        self._thread = threading.Thread(
            target=run,
            name=f"isocenter server {port}",
            daemon=True,
        )
        self._thread.start()
        settled.wait()
        if problems:
            raise problems[0]

    def __enter__(self) -> Self:
        """Return the server itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    def stop(self, *, timeout: float | None = 30.0) -> bool:
        """Stop accepting, let each association finish the message it is in, end.

        Args:
            timeout: seconds to wait before what is left is aborted, None to wait for ever.

        Returns:
            True where nothing had to be aborted.
        """
        if not self._thread.is_alive():
            return True
        self._listener.stop()
        self._thread.join(timeout)
        if not self._thread.is_alive():
            return True
        self._listener.stop()
        self._thread.join(timeout)
        return False

    def wait(self) -> None:
        """Wait until the server has been stopped."""
        self._thread.join()


def serve(  # noqa: PLR0913 - keyword options with defaults, one line of documentation each
    port: int = 0,
    *,
    storage_provider: StorageProvider | None = None,
    directory: str | os.PathLike[str] | None = None,
    storage_options: StorageOptions | None = None,
    durable: bool = False,
    verification_provider: VerificationProvider | None = None,
    host: str = "127.0.0.1",
    called_ae_titles: Sequence[str] | None = None,
    calling_ae_titles: Sequence[str] | None = None,
    sop_classes: Iterable[str] | None = None,
    transfer_syntaxes: Sequence[str] | None = None,
    maximum_length: int = _MAXIMUM_LENGTH,
    idle_timeout: float | None = 60.0,
    maximum_associations: int = 256,
    observer: Observer | None = None,
) -> Server:
    """Start a server for C-ECHO and C-STORE and return it running.

    Args:
        port: TCP port, 0 for one that the system picks (see `Server.port`).
        storage_provider: an object whose `store(request)` is called for each object received, in
            the thread of its association; see `StorageProvider`.
        directory: where objects are written instead, one file each, published whole or not at
            all; exclusive with `storage_provider`. Without either, storage is not offered.
        storage_options: what becomes of objects in `directory`: names, duplicates, normal mode
            and conversion; None keeps data sets byte for byte under DCMTK's names.
        durable: answer success once file and folder are on the disk (fsync), in `directory`.
        verification_provider: answers C-ECHO; None answers with success.
        host: address to listen on; "" for all interfaces, IPv6 and IPv4.
        called_ae_titles: titles under which the server may be called, None for any.
        calling_ae_titles: titles that may call, None for any.
        sop_classes: storage SOP classes accepted; None for all that DCMTK's storescp accepts.
        transfer_syntaxes: accepted for each, in the order of preference; None for all known.
        maximum_length: bytes of P-DATA borne in a PDU, 0 for unlimited.
        idle_timeout: seconds an association may stay silent, None for no bound.
        maximum_associations: associations at once; more are rejected as a transient condition.
        observer: told what happens.

    Raises:
        ConfigurationError: the port cannot be had.
        StorageError: the directory cannot be used.
        ValueError: the port is none, both `storage_provider` and `directory` were given, or what
            belongs to `directory` without it.
        TypeError: `storage_provider` has no method `store`.

    PS3.4 annexes A and B.
    """
    if storage_provider is not None and directory is not None:
        raise ValueError("storage_provider and directory exclude each other")
    if storage_options is not None and not hasattr(storage_options, "duplicates"):
        raise TypeError("storage_options must be isocenter.StorageOptions")
    if directory is None and (storage_options is not None or durable):
        raise ValueError("storage_options and durable belong to a directory")
    if storage_provider is not None and not hasattr(storage_provider, "store"):
        raise TypeError("storage_provider must have a method store(request) that returns a status")
    _check_port(port, lowest=0)
    from isocenter.services.acceptor import Acceptor
    from isocenter.services.registry import Registry
    from isocenter.ul.codec import Limits
    from isocenter.ul.options import EngineOptions

    registry = Registry(verification=verification_provider or verification.AlwaysVerified())
    close = _nothing
    if directory is not None:
        storage_provider = files = _file_storage(directory, storage_options, durable=durable)
        close = files.close
    abstract_syntaxes: dict[str, tuple[str, ...]] = {
        uids.VERIFICATION: (uids.IMPLICIT_VR_LITTLE_ENDIAN, *_UNCOMPRESSED)
    }
    if storage_provider is not None:
        registry.add_storage(storage_provider)
        classes = uids.DEFAULT_STORAGE_CLASSES if sop_classes is None else sop_classes
        if transfer_syntaxes is None:
            transfer_syntaxes = uids.ACCEPT_ALL_TRANSFER_SYNTAXES
        abstract_syntaxes.update(dict.fromkeys(classes, tuple(transfer_syntaxes)))
    policy = AcceptorPolicy(
        abstract_syntaxes=abstract_syntaxes,
        implementation_class_uid=uids.IMPLEMENTATION_CLASS_UID,
        implementation_version_name=uids.IMPLEMENTATION_VERSION_NAME,
        maximum_length=maximum_length,
        required_called_titles=called_ae_titles,
        known_calling_titles=calling_ae_titles,
    )
    engine = EngineOptions(
        limits=Limits(), maximum_length=maximum_length, idle_timeout=idle_timeout
    )
    acceptor = Acceptor(policy, registry, observer)
    try:
        return _start(acceptor, engine, host, port, maximum_associations, close)
    except BaseException:
        close()
        raise


def _nothing() -> None:
    """Close nothing."""


def _check_port(port: int, *, lowest: int) -> None:
    if not lowest <= port <= 65535:
        raise ValueError(f"port {port} is not within {lowest}..65535")


def _file_storage(
    directory: str | os.PathLike[str], options: StorageOptions | None, *, durable: bool
) -> FileStorage:
    """Return the provider that writes each object to a file."""
    from isocenter.node.files import FileStorage
    from isocenter.storage.options import StorageOptions
    from isocenter.storage.receive import Receiver
    from isocenter.storage.spool import Spool

    folder = os.fspath(directory)
    if not os.path.isdir(folder):
        lack = "is no directory" if os.path.lexists(folder) else "does not exist"
        raise StorageError(folder, lack, message=f"directory {folder} {lack}")
    spool = Spool(folder, durable=durable)
    return FileStorage(Receiver(spool, StorageOptions() if options is None else options))


def _start(
    acceptor: Acceptor,
    engine: EngineOptions,
    host: str,
    port: int,
    maximum_associations: int,
    close: Callable[[], None],
) -> Server:
    """Listen, and serve each association in a thread of its own."""
    from isocenter.net.dispatch import ServeOptions, ThreadDispatcher
    from isocenter.net.listener import Listener, ListenOptions
    from isocenter.net.options import AssociationOptions
    from isocenter.net.transport import SocketOptions

    sockets = SocketOptions.from_environment(os.environ)
    dispatcher = ThreadDispatcher(
        acceptor.serve,
        ServeOptions(
            engine=engine,
            association=AssociationOptions(),
            sockets=sockets,
            maximum_associations=maximum_associations,
        ),
    )
    family = "auto" if not host else "ipv6" if ":" in host else "ipv4"
    listener = Listener(
        ListenOptions(port=port, host=host, family=family),
        engine,
        sockets,
        dispatcher,
    )
    try:
        bound = listener.open()
    except ConfigurationError as problem:
        raise ConfigurationError(f"cannot listen on {host or '*'}:{port}: {problem}") from problem
    return Server(listener, bound, close)

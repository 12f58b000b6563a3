"""`serve`: a server for C-ECHO, C-STORE and C-FIND in a thread of its own.

Composition only: negotiation, driver and services do the work. Must not know requestors.

PS3.4 annexes A and B, PS3.8 7.1.
"""

from __future__ import annotations

import os
import threading

from isocenter import uids
from isocenter.api.arguments import MAXIMUM_LENGTH, UNCOMPRESSED, check_port
from isocenter.errors import ConfigurationError, StorageError
from isocenter.limits import DEFAULTS
from isocenter.logs import get_logger
from isocenter.record import replace
from isocenter.services import verification
from isocenter.ul.negotiation import AcceptorPolicy

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType
    from typing import Self

    from isocenter.limits import Limits
    from isocenter.net.gate import Gate
    from isocenter.net.listener import Listener
    from isocenter.net.tls import ServerTls
    from isocenter.net.tls_options import TlsOptions
    from isocenter.node.files import FileStorage
    from isocenter.security.identity import IdentityProvider
    from isocenter.services.acceptor import Acceptor, Observer
    from isocenter.services.admission import Admission
    from isocenter.services.plans import RetrieveProvider
    from isocenter.services.providers import (
        FindProvider,
        StorageProvider,
        VerificationProvider,
    )
    from isocenter.storage.options import StorageOptions
    from isocenter.ul.options import EngineOptions

__all__ = ["Server", "file_storage", "serve"]

_LOGGER = get_logger(__name__)

_MODELS = (
    uids.PATIENT_ROOT_FIND,
    uids.STUDY_ROOT_FIND,
    uids.PATIENT_STUDY_ONLY_FIND,
    uids.MODALITY_WORKLIST_FIND,
)
"""Information models that a find provider answers unless told otherwise."""

_MAXIMUM_ASSOCIATIONS = 256
"""Unless told otherwise: a server here shares its process with whatever else it does."""


class Server:
    """A running server in a thread of its own; made by `serve`.

    Use it as a context manager, or call `stop`.

    Attributes:
        port: the TCP port it listens on.
    """

    def __init__(
        self,
        listener: Listener,
        port: int,
        close: Callable[[], None],
        secure: _Secure | None = None,
    ) -> None:
        """Start the thread; returns once connections are accepted. `close` is called at its end.

        Raises:
            What keeps the listener from accepting.
        """
        self._listener = listener
        self._secure = secure
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

    def reload_tls(self) -> None:
        """Read keys, certificates and revocation lists anew, for connections from now on.

        Associations that are there go on as they are. Without TLS nothing happens.

        Raises:
            TlsConfigurationError: one of the files cannot be used; the server goes on with what
                it had.
        """
        if self._secure is not None:
            self._secure.reload()

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
    find_provider: FindProvider | None = None,
    find_models: Iterable[str] | None = None,
    retrieve_provider: RetrieveProvider | None = None,
    host: str = "127.0.0.1",
    called_ae_titles: Sequence[str] | None = None,
    calling_ae_titles: Sequence[str] | None = None,
    networks: Sequence[str] | None = None,
    identity: IdentityProvider | Sequence[IdentityProvider] | None = None,
    require_identity: bool = True,
    tls: TlsOptions | None = None,
    sop_classes: Iterable[str] | None = None,
    transfer_syntaxes: Sequence[str] | None = None,
    maximum_length: int = MAXIMUM_LENGTH,
    idle_timeout: float | None = 60.0,
    maximum_associations: int | None = None,
    limits: Limits | None = None,
    observer: Observer | None = None,
) -> Server:
    """Start a server for C-ECHO, C-STORE and C-FIND and return it running.

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
        find_provider: an object whose `find(request)` yields the matches of each query, in the
            thread of its association; see `FindProvider`. None offers no queries.
        find_models: SOP classes of the information models it answers; None for Patient Root, Study
            Root, Patient/Study Only and Modality Worklist.
        retrieve_provider: an object whose `plan(request)` says what each C-GET or C-MOVE sends, and
            where to, on Patient Root, Study Root and Patient/Study Only; see `RetrieveProvider`.
            None offers no retrieves.
        host: address to listen on; "" for all interfaces, IPv6 and IPv4.
        called_ae_titles: titles under which the server may be called, None for any.
        calling_ae_titles: titles that may call, None for any.
        networks: addresses (``192.0.2.7``) and nets (``192.0.2.0/24``, ``2001:db8::/32``) that may
            connect, None for any; other connections are closed before anything is read of them.
        identity: vouches for the users that requests name: a `UserFile`, a `TokenVerifier`, an
            `IdentityProvider` of your own, or several of them, asked in order. A request whose
            user nobody vouches for is rejected. None looks at no identity.
        require_identity: with `identity`, a request that names no user is rejected as well.
        tls: key, certificate, trust and rules for TLS, None to speak plain DICOM. As long as it
            does not say otherwise every peer needs a certificate that is trusted.
        sop_classes: storage SOP classes accepted; None for all that DCMTK's storescp accepts.
        transfer_syntaxes: accepted for each, in the order of preference; None for all known.
        maximum_length: bytes of P-DATA borne in a PDU, 0 for unlimited.
        idle_timeout: seconds an association may stay silent, None for no bound.
        maximum_associations: associations at once; more are rejected as a transient condition. None
            for what `limits` says, or 256.
        limits: bounds on what peers may ask for; None for the defaults.
        observer: told what happens.

    Raises:
        ConfigurationError: the port cannot be had.
        TlsConfigurationError: a file of `tls` cannot be used.
        StorageError: the directory cannot be used.
        ValueError: the port is none, both `storage_provider` and `directory` were given, or what
            belongs to `directory` or `find_provider` without it; `networks` is empty, or one of
            them is none; `tls` names no certificate.
        TypeError: `storage_provider` has no method `store`, `find_provider` no `find`,
            `retrieve_provider` no `plan`, or an `identity` no `identify`.

    PS3.4 annexes A, B and C, PS3.7 D.3.3.7.
    """
    if storage_provider is not None and directory is not None:
        raise ValueError("storage_provider and directory exclude each other")
    if storage_options is not None and not hasattr(storage_options, "duplicates"):
        raise TypeError("storage_options must be isocenter.StorageOptions")
    if directory is None and (storage_options is not None or durable):
        raise ValueError("storage_options and durable belong to a directory")
    _check_methods(storage_provider, find_provider, retrieve_provider)
    if find_provider is None and find_models is not None:
        raise ValueError("find_models belongs to a find_provider")
    check_port(port, lowest=0)
    gate = None if networks is None else _gate(networks)
    secure = None if tls is None else _Secure(tls)
    admission = None if identity is None else _admission(identity, required=require_identity)
    from isocenter.services.acceptor import Acceptor
    from isocenter.services.registry import Registry
    from isocenter.ul.options import EngineOptions

    if limits is None:
        limits = replace(DEFAULTS, maximum_associations=_MAXIMUM_ASSOCIATIONS)
    if maximum_associations is not None:
        limits = replace(limits, maximum_associations=maximum_associations)

    registry = Registry(
        verification=verification_provider or verification.AlwaysVerified(), limits=limits
    )
    close = _nothing
    if directory is not None:
        storage_provider = files = file_storage(directory, storage_options, limits, durable=durable)
        close = files.close
    abstract_syntaxes: dict[str, tuple[str, ...]] = {
        uids.VERIFICATION: (uids.IMPLICIT_VR_LITTLE_ENDIAN, *UNCOMPRESSED)
    }
    if storage_provider is not None:
        registry.add_storage(storage_provider)
        classes = uids.DEFAULT_STORAGE_CLASSES if sop_classes is None else sop_classes
        if transfer_syntaxes is None:
            transfer_syntaxes = uids.ACCEPT_ALL_TRANSFER_SYNTAXES
        abstract_syntaxes.update(dict.fromkeys(classes, tuple(transfer_syntaxes)))
    if find_provider is not None:
        models = tuple(_MODELS if find_models is None else find_models)
        registry.add_query(find_provider, models)
        abstract_syntaxes.update(
            dict.fromkeys(models, (*UNCOMPRESSED, uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN))
        )
    policy = AcceptorPolicy(
        abstract_syntaxes=abstract_syntaxes,
        implementation_class_uid=uids.IMPLEMENTATION_CLASS_UID,
        implementation_version_name=uids.IMPLEMENTATION_VERSION_NAME,
        maximum_length=maximum_length,
        required_called_titles=called_ae_titles,
        known_calling_titles=calling_ae_titles,
    )
    if retrieve_provider is not None:
        from isocenter.api.retrieves import with_retrieves

        registry.add_retrieve(retrieve_provider)
        policy = with_retrieves(policy, stores=storage_provider is not None)
    engine = EngineOptions(limits=limits, maximum_length=maximum_length, idle_timeout=idle_timeout)
    acceptor = Acceptor(policy, registry, observer, admission)
    try:
        return _start(acceptor, engine, host, port, close, gate, secure)
    except BaseException:
        close()
        raise


def _check_methods(
    storage_provider: StorageProvider | None,
    find_provider: FindProvider | None,
    retrieve_provider: RetrieveProvider | None,
) -> None:
    """Refuse providers that cannot do what will be asked of them.

    Raises:
        TypeError: a method is missing.
    """
    if storage_provider is not None and not hasattr(storage_provider, "store"):
        raise TypeError("storage_provider must have a method store(request) that returns a status")
    if find_provider is not None and not hasattr(find_provider, "find"):
        raise TypeError("find_provider must have a method find(request) that yields matches")
    if retrieve_provider is not None and not hasattr(retrieve_provider, "plan"):
        raise TypeError("retrieve_provider must have a method plan(request) that returns a plan")


class _Secure:
    """What a server speaks TLS with, and where it came from."""

    def __init__(self, options: TlsOptions) -> None:
        """Read what the options name.

        Raises:
            TlsConfigurationError: something of it cannot be used.
        """
        self._options = options
        self.tls = _server_tls(options, None)

    def reload(self) -> None:
        """Read it anew, for connections from now on; what there is stays where it cannot be used.

        Raises:
            TlsConfigurationError: something of it cannot be used.
        """
        self.tls.replace(_server_tls(self._options, self.tls).context)


def _server_tls(options: TlsOptions, before: ServerTls | None) -> ServerTls:
    """Return what speaks TLS as the options say, in the place of what was `before`."""
    from isocenter.net.tls import ServerTls
    from isocenter.net.tls_context import server_context

    context = None if before is None else before.context
    return ServerTls(server_context(options, warn=_LOGGER.warning, before=context, strict=True))


def _nothing() -> None:
    """Close nothing."""


def _admission(
    identity: IdentityProvider | Sequence[IdentityProvider], *, required: bool
) -> Admission:
    """Return what rejects requests by their user.

    Raises:
        ValueError: nobody is there to vouch.
        TypeError: one of them cannot.
    """
    from collections.abc import Sequence as Several

    from isocenter.security.identity import IdentityAdmission

    providers = identity if isinstance(identity, Several) else (identity,)
    if not providers:
        raise ValueError("identity: one provider or several, or None to look at no identity")
    if not all(hasattr(provider, "identify") for provider in providers):
        raise TypeError("each identity must have a method identify(claim)")
    return IdentityAdmission(providers, required=required)


def _gate(networks: Sequence[str]) -> Gate:
    """Return what closes connections from elsewhere.

    Raises:
        ValueError: there is none, or one of them is none.
    """
    from isocenter.security.access_control import AccessControl
    from isocenter.security.access_list import single_rule

    nets = () if isinstance(networks, str) else tuple(networks)
    if not nets:  # a rule without nets would let in everybody
        raise ValueError("networks: addresses and nets, or None for any")
    try:
        return AccessControl(single_rule(networks=nets, origin="networks"))
    except ConfigurationError as problem:
        raise ValueError(str(problem)) from problem


def file_storage(
    directory: str | os.PathLike[str],
    options: StorageOptions | None,
    limits: Limits,
    *,
    durable: bool,
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
    options = StorageOptions() if options is None else options
    if options.limits is DEFAULTS:
        options = replace(options, limits=limits)
    return FileStorage(Receiver(spool, options))


def _start(
    acceptor: Acceptor,
    engine: EngineOptions,
    host: str,
    port: int,
    close: Callable[[], None],
    gate: Gate | None,
    secure: _Secure | None,
) -> Server:
    """Listen, and serve each association in a thread of its own."""
    from isocenter.net.dispatch import ServeOptions, ThreadDispatcher
    from isocenter.net.listener import Listener, ListenOptions
    from isocenter.net.options import AssociationOptions
    from isocenter.net.transport import SocketOptions

    limits = engine.limits
    sockets = SocketOptions.from_environment(os.environ)
    dispatcher = ThreadDispatcher(
        acceptor.serve,
        ServeOptions(
            engine=engine,
            association=AssociationOptions(),
            sockets=sockets,
            maximum_associations=limits.maximum_associations,
            maximum_associations_per_peer=limits.maximum_associations_per_peer,
        ),
    )
    family = "auto" if not host else "ipv6" if ":" in host else "ipv4"
    listener = Listener(
        ListenOptions(
            port=port,
            host=host,
            family=family,
            maximum_pending=limits.maximum_pending,
            maximum_pending_bytes=limits.maximum_pending_bytes,
            maximum_handshakes=limits.maximum_handshakes,
        ),
        engine,
        sockets,
        dispatcher,
        gate=gate,
        tls=None if secure is None else secure.tls,
    )
    try:
        bound = listener.open()
    except ConfigurationError as problem:
        raise ConfigurationError(f"cannot listen on {host or '*'}:{port}: {problem}") from problem
    return Server(listener, bound, close, secure)

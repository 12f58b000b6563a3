"""Associations over socket pairs and servers on the loopback address, for tests of drivers."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

from isocenter.dimse.codec import encode_command
from isocenter.dimse.commands import CEchoRQ, CStoreRQ
from isocenter.net.association import Association
from isocenter.net.dispatch import ServeOptions, ThreadDispatcher
from isocenter.net.listener import Listener, ListenOptions
from isocenter.net.options import AssociationOptions
from isocenter.net.transport import PlainTransport, SocketOptions
from isocenter.services.acceptor import Acceptor
from isocenter.services.registry import Registry
from isocenter.services.verification import AlwaysVerified
from isocenter.ul import codec
from isocenter.ul.connection import Connection
from isocenter.ul.negotiation import AcceptorPolicy, negotiate
from isocenter.ul.options import EngineOptions
from isocenter.ul.pdu import AAssociateAC
from isocenter.ul.request import ProposedContext, build_request
from tests.ul.engines import data_pdu

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from isocenter.dimse.commands import Message
    from isocenter.net.dispatch import Dispatcher
    from isocenter.services.providers import StorageProvider
    from isocenter.ul.pdu import AAssociateRQ

CT = "1.2.840.10008.5.1.4.1.1.2"
VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT = "1.2.840.10008.1.2"
WAIT = 20.0
"""Seconds after which a test gives up; nothing should come near."""

POLICY = AcceptorPolicy(
    abstract_syntaxes={CT: (IMPLICIT,), VERIFICATION: (IMPLICIT,)},
    implementation_class_uid="1.2.3",
    maximum_length=16384,
)
SOCKETS = SocketOptions()
OPTIONS = AssociationOptions(linger=0.5)


def proposal(window: int = 1, maximum_length: int = 16384) -> AAssociateRQ:
    return build_request(
        [
            ProposedContext(abstract_syntax=CT, transfer_syntaxes=(IMPLICIT,)),
            ProposedContext(abstract_syntax=VERIFICATION, transfer_syntaxes=(IMPLICIT,)),
        ],
        called_ae_title="ACCEPTOR",
        calling_ae_title="REQUESTOR",
        implementation_class_uid="1.2.3",
        maximum_length=maximum_length,
        maximum_operations=(window, window),
    )


def acceptance(request: AAssociateRQ) -> AAssociateAC:
    answer = negotiate(request, POLICY)
    assert isinstance(answer, AAssociateAC)
    return answer


def driver(
    sock: socket.socket,
    *,
    requestor: bool,
    request: AAssociateRQ | None = None,
    options: AssociationOptions = OPTIONS,
    engine: EngineOptions | None = None,
) -> Association:
    """Return a driver that has its transport and has asked for nothing but `request`."""
    connection = Connection(
        requestor=requestor, options=engine or EngineOptions(limits=codec.Limits())
    )
    now = time.monotonic()
    if request is not None:
        connection.associate(request, now)
    connection.transport_connected(now)
    return Association(PlainTransport(sock, SOCKETS), connection, options)


def read_pdu(sock: socket.socket) -> bytes:
    """Return the next PDU, b"" at the end of the stream."""
    whole = bytearray()
    length = 6
    while len(whole) < length:
        part = sock.recv(length - len(whole))
        if not part:
            return b""
        whole += part
        if len(whole) == 6:
            length += int.from_bytes(whole[2:6], "big")
    return bytes(whole)


def as_requestor(
    *,
    window: int = 1,
    options: AssociationOptions = OPTIONS,
    engine: EngineOptions | None = None,
    pair: tuple[socket.socket, socket.socket] | None = None,
) -> tuple[Association, socket.socket]:
    """Return an established requestor and the raw socket of its peer."""
    mine, peer = pair or socket.socketpair()
    peer.settimeout(WAIT)
    request = proposal(window)
    association = driver(mine, requestor=True, request=request, options=options, engine=engine)
    peer.sendall(codec.encode(acceptance(request)))
    association.await_answer(request)
    assert read_pdu(peer)[0] == 1
    return association, peer


def as_acceptor(
    *,
    window: int = 1,
    options: AssociationOptions = OPTIONS,
    engine: EngineOptions | None = None,
    pair: tuple[socket.socket, socket.socket] | None = None,
) -> tuple[Association, socket.socket]:
    """Return an established acceptor and the raw socket of its peer."""
    mine, peer = pair or socket.socketpair()
    peer.settimeout(WAIT)
    association = driver(mine, requestor=False, options=options, engine=engine)
    peer.sendall(codec.encode(proposal(window)))
    request = association.await_request()
    association.accept_request(request, acceptance(request))
    assert read_pdu(peer)[0] == 2
    return association, peer


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected TCP sockets."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        left = socket.create_connection(server.getsockname(), timeout=WAIT)
        right, _ = server.accept()
    return left, right


def store_request(message_id: int = 1, uid: str = "1.2.3", *, data: bool = True) -> CStoreRQ:
    return CStoreRQ(
        message_id=message_id,
        affected_sop_class_uid=CT,
        affected_sop_instance_uid=uid,
        priority=0,
        has_data_set=data,
    )


def echo_request(message_id: int = 1) -> CEchoRQ:
    return CEchoRQ(message_id=message_id, affected_sop_class_uid=VERIFICATION, has_data_set=False)


def message(command: Message, data: bytes | None = None, context_id: int = 1) -> bytes:
    """Return a message in two PDUs at most."""
    whole = data_pdu(encode_command(command), context_id=context_id, control=3)
    return whole if data is None else whole + data_pdu(data, context_id=context_id)


class Thread(threading.Thread):
    """A thread whose exception reappears in `finish`."""

    def __init__(self, run: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._work = run
        self._problem: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._work()
        except BaseException as problem:  # noqa: BLE001 - handed to whoever joins
            self._problem = problem

    def finish(self) -> None:
        self.join(WAIT)
        assert not self.is_alive(), "still running"
        if self._problem is not None:
            raise self._problem


def registry(provider: StorageProvider | None = None) -> Registry:
    made = Registry(verification=AlwaysVerified())
    if provider is not None:
        made.add_storage(provider)
    return made


def serve_options(
    *, engine: EngineOptions | None = None, maximum_associations: int = 100
) -> ServeOptions:
    return ServeOptions(
        engine=engine or EngineOptions(limits=codec.Limits()),
        association=OPTIONS,
        sockets=SOCKETS,
        maximum_associations=maximum_associations,
    )


@contextlib.contextmanager
def listening(
    *,
    provider: StorageProvider | None = None,
    engine: EngineOptions | None = None,
    maximum_associations: int = 100,
    options: ListenOptions | None = None,
    dispatcher: Dispatcher | None = None,
) -> Iterator[tuple[Listener, int]]:
    """Run a listener in a thread; yield it and its port; stop it twice at the end."""
    serving = serve_options(engine=engine, maximum_associations=maximum_associations)
    listener = Listener(
        options or ListenOptions(port=0, host="127.0.0.1"),
        serving.engine,
        SOCKETS,
        dispatcher or ThreadDispatcher(Acceptor(POLICY, registry(provider)).serve, serving),
    )
    port = listener.open()
    ready = threading.Event()
    thread = Thread(lambda: listener.run(ready=ready.set))
    assert ready.wait(WAIT)
    try:
        yield listener, port
    finally:
        listener.stop()
        listener.stop()
        thread.finish()

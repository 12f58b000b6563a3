"""Contexts, sessions and servers of TLS for tests of drivers, over certificates of their own."""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Self

from isocenter.errors import TlsError
from isocenter.net.client import ConnectOptions, connect
from isocenter.net.dispatch import ThreadDispatcher
from isocenter.net.listener import Listener, ListenOptions
from isocenter.net.tls import ClientTls, ServerTls, TlsSession
from isocenter.net.tls_context import client_context, server_context
from isocenter.net.tls_options import TlsOptions
from isocenter.services.acceptor import Acceptor
from isocenter.testing.certificates import Authority
from tests.net.support import POLICY, SOCKETS, WAIT, Thread, proposal, registry, serve_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from isocenter.net.association import Association
    from isocenter.net.dispatch import Dispatcher
    from isocenter.net.failures import FailedConnection
    from isocenter.net.gate import Gate
    from isocenter.services.providers import StorageProvider
    from isocenter.testing.certificates import Identity
    from isocenter.ul.options import EngineOptions

VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
"""What can be agreed on, by the name that `TlsFacts` gives it."""


@functools.cache
def authority(name: str) -> Authority:
    """Return an authority, the same for the same name."""
    return Authority(name, key="ec-p256")


@functools.cache
def identity(name: str = "archive", issuer: str = "Hospital Root") -> Identity:
    """Return a key and certificate, the same for the same names; for 127.0.0.1."""
    return authority(issuer).issue(name, addresses=["127.0.0.1"], key="ec-p256")


def _ignore(_: str) -> None:
    """Take no notice of a warning."""


def serving(
    name: str = "archive", *, version: str | None = None, trust: str | None = None
) -> ssl.SSLContext:
    """Return a server's context.

    Args:
        name: of its certificate.
        version: the only one to speak, None for all.
        trust: the authority that the peer's certificate has to be of, None to ask for none.
    """
    own = identity(name)
    context = server_context(
        TlsOptions(
            certificate=own.certificate,
            private_key=own.private_key,
            ca_files=() if trust is None else (authority(trust).path,),
            peer_certificate="ignore" if trust is None else "require",
        ),
        warn=_ignore,
    )
    return _only(context, version)


def calling(
    trust: str = "Hospital Root",
    *,
    version: str | None = None,
    own: Identity | None = None,
    verify_host: bool = False,
) -> ssl.SSLContext:
    """Return a requestor's context that trusts an authority."""
    context = client_context(
        TlsOptions(
            certificate=None if own is None else own.certificate,
            private_key=None if own is None else own.private_key,
            ca_files=(authority(trust).path,),
            verify_host=verify_host,
        ),
        warn=_ignore,
    )
    return _only(context, version)


def _only(context: ssl.SSLContext, version: str | None) -> ssl.SSLContext:
    if version is not None:
        context.minimum_version = context.maximum_version = VERSIONS[version]
    return context


def sessions(
    *, client: ssl.SSLContext | None = None, server: ssl.SSLContext | None = None
) -> tuple[TlsSession, TlsSession]:
    """Return a requestor's and an acceptor's session that know nothing of each other yet."""
    return (
        TlsSession(client or calling(), server_side=False),
        TlsSession(server or serving(), server_side=True),
    )


def pass_on(sender: TlsSession, receiver: TlsSession, *, step: int = 1 << 20) -> int:
    """Move what a session has to say to the other; return how many bytes it was."""
    data = sender.outgoing()
    for at in range(0, len(data), step):
        receiver.feed(data[at : at + step])
    return len(data)


def agree(client: TlsSession, server: TlsSession) -> None:
    """Shake hands in memory; what is said after it is passed on, too.

    Raises:
        TlsError: one side does not want to; the other has not heard why.
    """
    for _ in range(10):
        done = client.handshake()
        pass_on(client, server)
        done = server.handshake() and done
        moved = pass_on(server, client)
        if done and not moved:
            return
    raise AssertionError("no end of the handshake")


def agreed(version: str | None = None) -> tuple[TlsSession, TlsSession]:
    """Return two sessions that have agreed."""
    client, server = sessions(client=calling(version=version), server=serving(version=version))
    agree(client, server)
    return client, server


class Caller:
    """A requestor of TLS whose bytes the test moves: a session and a blocking socket."""

    def __init__(
        self,
        to: int | socket.socket,
        context: ssl.SSLContext | None = None,
        *,
        source: str = "127.0.0.1",
    ) -> None:
        """Connect to a port, or take a connected socket; nothing is said yet."""
        self.session = TlsSession(context or calling(), server_side=False)
        assert not self.session.handshake()
        self._hello = self.session.outgoing()  # made before the acceptor's clock runs
        self._hello_is_out = False
        self.sock = (
            socket.create_connection(("127.0.0.1", to), timeout=WAIT, source_address=(source, 0))
            if isinstance(to, int)
            else to
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def hello(self) -> bytes:
        """Return the ClientHello, which is for the test to send."""
        self._hello_is_out = True
        return self._hello

    def shake(self) -> None:
        """Shake hands to the end, the last bytes sent."""
        self.sock.sendall(self.finish())

    def finish(self) -> bytes:
        """Shake hands up to the last bytes, and return these."""
        if not self._hello_is_out:
            self.sock.sendall(self.hello())
        while not self.session.handshake():
            self.sock.sendall(self.session.outgoing())
            self._take_in()
        return self.session.outgoing()

    def _take_in(self) -> None:
        data = self.sock.recv(1 << 16)
        if not data:
            raise TlsError("closed")
        self.session.feed(data)

    def encrypted(self, data: bytes) -> bytes:
        """Return data as records."""
        self.session.write(data)
        return self.session.outgoing()

    def send(self, data: bytes) -> None:
        """Encrypt and send."""
        self.sock.sendall(self.encrypted(data))

    def read(self, size: int) -> bytes:
        """Read so much plaintext, less at the end of the stream."""
        whole = bytearray()
        window = memoryview(bytearray(size))
        while len(whole) < size and not self.session.ended:
            count = self.session.read_into(window[: size - len(whole)])
            whole += window[:count]
            if not count and not self.session.ended:
                try:
                    self._take_in()
                except (TlsError, ConnectionResetError):
                    break
        return bytes(whole)

    def read_pdu(self) -> bytes:
        """Read the next PDU, b"" at the end of the stream."""
        header = self.read(6)
        return header + self.read(int.from_bytes(header[2:6], "big")) if header else b""


def until_closed(sock: socket.socket) -> bytes:
    """Return what comes until the peer closes or resets the connection."""
    whole = b""
    with contextlib.suppress(ConnectionResetError):
        while part := sock.recv(1 << 16):
            whole += part
    return whole


def associate(
    port: int, context: ssl.SSLContext | None = None, *, version: str | None = None
) -> Association:
    """Associate over TLS as the tools do."""
    options = ConnectOptions(
        host="127.0.0.1",
        port=port,
        sockets=SOCKETS,
        acse_timeout=WAIT,
        tls=ClientTls(context or calling(version=version)),
    )
    return connect(options, proposal())


class Failures:
    """Keeps what a listener tells of connections that failed, for another thread to wait for."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.all: list[FailedConnection] = []

    def __call__(self, failure: FailedConnection) -> None:
        with self._changed:
            self.all.append(failure)
            self._changed.notify_all()

    def wait(self, count: int = 1) -> list[FailedConnection]:
        """Return them once there are so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.all) >= count, WAIT), self.all
            return list(self.all)


@contextlib.contextmanager
def listening(
    *,
    tls: ServerTls | None = None,
    provider: StorageProvider | None = None,
    engine: EngineOptions | None = None,
    maximum_associations: int = 100,
    options: ListenOptions | None = None,
    dispatcher: Dispatcher | None = None,
    on_failure: Callable[[FailedConnection], None] | None = None,
    gate: Gate | None = None,
) -> Iterator[tuple[Listener, int]]:
    """Run a listener that speaks TLS in a thread; yield it and its port; stop it at the end."""
    made = serve_options(engine=engine, maximum_associations=maximum_associations)
    listener = Listener(
        options or ListenOptions(port=0, host="127.0.0.1"),
        made.engine,
        SOCKETS,
        dispatcher or ThreadDispatcher(Acceptor(POLICY, registry(provider)).serve, made),
        on_failure=on_failure,
        gate=gate,
        tls=tls or ServerTls(serving()),
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

"""Peers that speak TLS with Python's own sockets, for the effects of options for TLS."""

from __future__ import annotations

import functools
import socket
import ssl
import warnings
from typing import TYPE_CHECKING

from isocenter.testing import ScriptedAcceptor
from isocenter.testing.certificates import Authority
from isocenter.testing.datasets import IMPLICIT_LITTLE, VERIFICATION
from isocenter.testing.peer import RawConnection, accept, serve_storage
from isocenter.testing.raw import Context
from tests.cli.effects.sending import HERE

if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.testing import RawMessage
    from isocenter.testing.certificates import Identity

__all__ = ["TlsCall", "TlsServer", "client", "hospital", "own", "server", "stranger", "theirs"]


@functools.cache
def hospital() -> Authority:
    """Return the authority that both sides trust."""
    return Authority("Hospital", key="ec-p256")


@functools.cache
def stranger() -> Authority:
    """Return an authority that nobody trusts."""
    return Authority("Stranger", key="ec-p256")


@functools.cache
def own() -> Identity:
    """Return key and certificate of the tool under test."""
    return hospital().issue("tool", names=["localhost"], addresses=["127.0.0.1"], key="ec-p256")


@functools.cache
def theirs(key: str = "ec-p256") -> Identity:
    """Return key and certificate of the peer, which is not on this host by its name."""
    return hospital().issue("peer", names=["pacs.example"], key=key)


def server(
    identity: Identity,
    *,
    ciphers: str = "",
    minimum: ssl.TLSVersion | None = None,
    maximum: ssl.TLSVersion | None = None,
    demand: bool = False,
) -> ssl.SSLContext:
    """Return a context of an acceptor; `demand` a certificate of the hospital."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers((ciphers or "DEFAULT") + ":@SECLEVEL=0")
    context.load_cert_chain(identity.chain, identity.private_key)
    _limit(context, minimum, maximum)
    if demand:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(hospital().path)
    return context


def client(
    identity: Identity | None = None,
    *,
    ciphers: str = "",
    minimum: ssl.TLSVersion | None = None,
    maximum: ssl.TLSVersion | None = None,
    level: int = 0,
) -> ssl.SSLContext:
    """Return a context of a requestor that trusts everybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers(f"{ciphers or 'DEFAULT'}:@SECLEVEL={level}")
    if identity is not None:
        context.load_cert_chain(identity.chain, identity.private_key)
    _limit(context, minimum, maximum)
    return context


def _limit(
    context: ssl.SSLContext, minimum: ssl.TLSVersion | None, maximum: ssl.TLSVersion | None
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of versions that are asked for
        if minimum is not None:
            context.minimum_version = minimum
        if maximum is not None:
            context.maximum_version = maximum


class TlsServer:
    """Accepts one association over TLS, answers everything, and remembers what was agreed on.

    Args:
        context: as `server` makes it.

    Attributes:
        version, cipher: of the connection, "" before there is one.
        certificate: the requestor's, in DER, None for none.
        server_name: what it asked for, None for nothing.
        problem: why there was no TLS, "" where there was.
        received: all messages.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self.version = self.cipher = self.problem = ""
        self.certificate: bytes | None = None
        self.server_name: str | None = None
        self.received: list[RawMessage] = []
        self._context = context
        context.sni_callback = self._note_name

    def _note_name(self, _: object, name: str | None, __: ssl.SSLContext) -> None:
        self.server_name = name

    def __call__(self, connection: RawConnection) -> None:
        try:
            wrapped = self._context.wrap_socket(connection.sock, server_side=True)
        except OSError as error:
            self.problem = str(error)
            return
        with RawConnection(wrapped) as talk:
            self.version = wrapped.version() or ""
            self.cipher = (wrapped.cipher() or ("",))[0]
            self.certificate = wrapped.getpeercert(binary_form=True)
            try:
                accept(talk)
                for _ in serve_storage(talk, received=self.received):
                    pass
            except OSError as error:  # the requestor does not trust it, and left
                self.problem = str(error)

    def run(self, main: Callable[[list[str], dict[str, str]], int], *arguments: str) -> int:
        """Run a tool's `main`; `HERE` among the arguments is replaced."""
        with ScriptedAcceptor(self, timeout=20) as acceptor:
            here = ["127.0.0.1", str(acceptor.port)]
            argv = [w for word in arguments for w in (here if word == HERE else [word])]
            return main(argv, {})


class TlsCall:
    """One echo over TLS.

    Args:
        port: where to call.
        context: as `client` makes it.
        server_name: to be asked for, None for none.

    Attributes:
        status: of the echo, None where there was none.
        version, cipher: of the connection, "" where there was none.
        certificate: the acceptor's, in DER.
        problem: why there was no answer, "" where there was.
    """

    def __init__(self, port: int, context: ssl.SSLContext, server_name: str | None = None) -> None:
        self.status: int | None = None
        self.version = self.cipher = self.problem = ""
        self.certificate: bytes | None = None
        try:
            with (
                socket.create_connection(("127.0.0.1", port), 20) as plain,
                context.wrap_socket(plain, server_hostname=server_name) as wrapped,
            ):
                self.version = wrapped.version() or ""
                self.cipher = (wrapped.cipher() or ("",))[0]
                self.certificate = wrapped.getpeercert(binary_form=True)
                talk = RawConnection(wrapped, timeout=20)
                talk.associate([Context(1, VERIFICATION, (IMPLICIT_LITTLE,))])
                self.status = talk.echo(1)
                talk.release()
        except OSError as error:
            self.problem = str(error) or type(error).__name__

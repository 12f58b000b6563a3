"""Two sides of TLS in memory, for the tests of contexts."""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING, NamedTuple

from isocenter.net.tls_context import client_context, server_context
from isocenter.net.tls_options import TlsOptions

if TYPE_CHECKING:
    from isocenter.testing.certificates import Authority, Identity

__all__ = ["Agreed", "Refused", "Warnings", "agree", "client_of", "options_of", "server_of"]


class Agreed(NamedTuple):
    """What two sides agreed on."""

    version: str
    suite: str
    alpn: str | None
    peer_of_client: bytes | None
    peer_of_server: bytes | None


class Refused(Exception):
    """One side refused; `side` says which, `reason` in OpenSSL's words."""

    def __init__(self, side: str, problem: ssl.SSLError) -> None:
        super().__init__(f"{side}: {problem}")
        self.side = side
        self.reason = problem.reason
        self.verify_code = getattr(problem, "verify_code", 0)


class Warnings(list[str]):
    """What a context warned of; call it."""

    def __call__(self, text: str) -> None:
        self.append(text)


def no_warning(text: str) -> None:
    raise AssertionError(f"warned: {text}")


def agree(
    client: ssl.SSLContext, server: ssl.SSLContext, *, server_name: str | None = None
) -> Agreed:
    """Shake hands in memory, exchange a byte each way, and end in order.

    Raises:
        Refused: one side did not want to.
    """
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=server_name)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    sides = {"client": ours, "server": theirs}
    left = dict(sides)
    for _ in range(10):
        for name, session in list(left.items()):
            try:
                session.do_handshake()
                del left[name]
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as problem:
                raise Refused(name, problem) from problem
    assert not left
    for (name, session), other in zip(sides.items(), (theirs, ours), strict=True):
        other.write(b"x")
        try:
            assert session.read(1) == b"x"
        except ssl.SSLError as problem:
            raise Refused(name, problem) from problem
    cipher = ours.cipher()
    assert cipher is not None
    assert theirs.cipher() == cipher
    assert theirs.selected_alpn_protocol() == ours.selected_alpn_protocol()
    agreed = Agreed(
        str(ours.version()),
        cipher[0],
        ours.selected_alpn_protocol(),
        ours.getpeercert(binary_form=True),
        theirs.getpeercert(binary_form=True),
    )
    for session in (ours, theirs, ours):
        with contextlib.suppress(ssl.SSLWantReadError):
            session.unwrap()
    return agreed


def options_of(authority: Authority, identity: Identity | None, **others: object) -> TlsOptions:
    """Options with a chain of certificates, its key, and the authority trusted."""
    given: dict[str, object] = {"ca_files": (authority.path,), "verify_host": False}
    if identity is not None:
        given |= {"certificate": identity.chain, "private_key": identity.private_key}
    return TlsOptions(**(given | others))  # type: ignore[arg-type]  # tests give what they like


def client_of(authority: Authority, identity: Identity | None, **others: object) -> ssl.SSLContext:
    return client_context(options_of(authority, identity, **others), warn=no_warning)


def server_of(authority: Authority, identity: Identity | None, **others: object) -> ssl.SSLContext:
    return server_context(options_of(authority, identity, **others), warn=no_warning)

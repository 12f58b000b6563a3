"""Certificates for the runs of TLS, and what a side of a connection is told about them.

One authority and its certificates serve every test of a process: keys of RSA are slow to make.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from isocenter.testing.certificates import Authority

if TYPE_CHECKING:
    from isocenter.testing.certificates import Identity

__all__ = ["Material", "PeerTls", "keys", "material", "trusting"]


class Material(NamedTuple):
    """What there is: an authority, one that nobody trusts, certificates of both sides.

    Fields:
        root, stranger: the authorities.
        acceptor, requestor: of either side, by the first. That of the acceptor is for localhost
            and 127.0.0.1.
    """

    root: Authority
    stranger: Authority
    acceptor: Identity
    requestor: Identity


@functools.cache
def material() -> Material:
    """Return what there is, made on the first call."""
    root, stranger = Authority("Root"), Authority("Stranger")
    acceptor = root.issue("acceptor", names=["localhost"], addresses=["127.0.0.1"])
    return Material(root, stranger, acceptor, root.issue("requestor"))


def keys(identity: Identity) -> tuple[str, ...]:
    """Return the options that give a tool its key and certificate."""
    return ("+tls", identity.private_key, identity.certificate)


def trusting(identity: Identity) -> tuple[str, ...]:
    """Return the options for a key and certificate, and for trust in the first authority."""
    return (*keys(identity), "+cf", material().root.path)


class PeerTls(NamedTuple):
    """What a partner is told: paths of its key and certificate ("" for none), and trust.

    Fields:
        authority: path of the certificate that it trusts.
        peer_certificate: ``require`` or ``ignore``.
    """

    private_key: str
    certificate: str
    authority: str
    peer_certificate: str = "require"

    @property
    def options(self) -> tuple[str, ...]:
        """The same for DCMTK's tools."""
        own = ("+tls", self.private_key, self.certificate) if self.certificate else ("+tla",)
        mode = "-rc" if self.peer_certificate == "require" else "-ic"
        return (*own, "+cf", self.authority, mode)

    @classmethod
    def of(cls, identity: Identity | None, *, peer_certificate: str = "require") -> PeerTls:
        """Return what a side with this certificate is told."""
        own = ("", "") if identity is None else (identity.private_key, identity.certificate)
        return cls(*own, material().root.path, peer_certificate)

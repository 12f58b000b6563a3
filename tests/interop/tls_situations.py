"""What goes wrong over TLS, as data: what both sides are told, who refuses, and why.

Options are written with words in braces for keys and certificates (`options`), so that nothing
is made before a test asks for it.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from tests.interop.tls_material import keys, material

__all__ = ["REFUSALS", "SETUPS", "Refusal", "Setup", "options"]


class Refusal(NamedTuple):
    """A handshake that both DCMTK's pair and any pair with ours refuse.

    Fields:
        name: what is wrong.
        acceptor, requestor: their options.
        by: which of them refuses.
        why: what ours alone says in parentheses behind the line of whoever refuses, "" where it
            is DCMTK's line.
        said: the code and words of the line of whoever refuses.
    """

    name: str
    acceptor: str
    requestor: str
    by: str
    why: str = ""
    said: str = "000b:0886 TLS error: certificate verify failed"


_GOOD_ACCEPTOR = "{acceptor} {ca}"
_GOOD_REQUESTOR = "{requestor} {ca}"
_NO_CRL = "unable to get certificate CRL"
_UNKNOWN = "unable to get local issuer certificate"
_NO_SUITE = "000b:08c1 TLS error: no shared cipher"

REFUSALS = (
    Refusal(
        "certificate of the acceptor has expired",
        "{expired} {ca}",
        _GOOD_REQUESTOR,
        "requestor",
        "certificate has expired",
    ),
    Refusal(
        "certificate of the requestor has expired",
        _GOOD_ACCEPTOR,
        "{expired} {ca}",
        "acceptor",
        "certificate has expired",
    ),
    Refusal(
        "certificate of the acceptor is not valid yet",
        "{early} {ca}",
        _GOOD_REQUESTOR,
        "requestor",
        "certificate is not yet valid",
    ),
    Refusal(
        "certificate of the requestor is not valid yet",
        _GOOD_ACCEPTOR,
        "{early} {ca}",
        "acceptor",
        "certificate is not yet valid",
    ),
    Refusal(
        "certificate of the acceptor is of another authority",
        "{stranger} {ca}",
        _GOOD_REQUESTOR,
        "requestor",
        _UNKNOWN,
    ),
    Refusal(
        "certificate of the requestor is of another authority",
        _GOOD_ACCEPTOR,
        "{stranger} {ca}",
        "acceptor",
        _UNKNOWN,
    ),
    Refusal(
        "certificate of the requestor is of another authority, none is demanded",
        _GOOD_ACCEPTOR + " -vc",
        "{stranger} {ca}",
        "acceptor",
        _UNKNOWN,
    ),
    Refusal("requestor trusts nobody", _GOOD_ACCEPTOR, "{requestor}", "requestor", "self-signed"),
    Refusal("acceptor trusts nobody", "{acceptor}", _GOOD_REQUESTOR, "acceptor", "self-signed"),
    Refusal(
        "requestor shows no certificate",
        _GOOD_ACCEPTOR,
        "+tla {ca}",
        "acceptor",
        said="000b:08c7 TLS error: peer did not return a certificate",
    ),
    Refusal(
        "certificate of the acceptor was revoked",
        "{revoked} {ca}",
        _GOOD_REQUESTOR + " {crl}",
        "requestor",
        "certificate revoked",
    ),
    Refusal(
        "certificate of the requestor was revoked",
        _GOOD_ACCEPTOR + " {crl}",
        "{revoked} {ca}",
        "acceptor",
        "certificate revoked",
    ),
    Refusal(
        "requestor has no revocation list",
        _GOOD_ACCEPTOR,
        _GOOD_REQUESTOR + " +crv",
        "requestor",
        _NO_CRL,
    ),
    Refusal(
        "acceptor has no revocation list",
        _GOOD_ACCEPTOR + " +crv",
        _GOOD_REQUESTOR,
        "acceptor",
        _NO_CRL,
    ),
    Refusal(
        "revocation list of the authority between is not there",
        _GOOD_ACCEPTOR + " {crl} +cra",
        "{below} {ca}",
        "acceptor",
        _NO_CRL,
    ),
    Refusal(
        "authority between was revoked",
        _GOOD_ACCEPTOR + " {crl} {crl-disowned} +cra",
        "{below-disowned} {ca}",
        "acceptor",
        "certificate revoked",
    ),
    Refusal(
        "revocation list is out of date",
        _GOOD_ACCEPTOR + " {old-crl}",
        _GOOD_REQUESTOR,
        "acceptor",
        "CRL has expired",
    ),
    Refusal(
        "profiles with no suite in common",
        _GOOD_ACCEPTOR + " +pa",
        _GOOD_REQUESTOR + " +pz",
        "acceptor",
        said=_NO_SUITE,
    ),
    Refusal(
        "acceptor encrypts nothing, requestor everything",
        _GOOD_ACCEPTOR + " +pn",
        _GOOD_REQUESTOR + " +pa",
        "acceptor",
        said=_NO_SUITE,
    ),
    Refusal(
        "requestor speaks no TLS",
        _GOOD_ACCEPTOR,
        "",
        "acceptor",
        said="000b:090b TLS error: wrong version number",
    ),
    Refusal(
        "acceptor speaks no TLS",
        "",
        _GOOD_REQUESTOR,
        "acceptor",
        said="0006:0321 Unrecognized PDU type: 16",
    ),
)


class Setup(NamedTuple):
    """Options that a tool cannot begin with.

    Fields:
        name: what is wrong.
        words: the options.
        said: the line of both behind ``F: ``, with words in braces for paths.
        why: what ours says in parentheses behind it.
    """

    name: str
    words: str
    said: str
    why: str = ""


_KEY = "000b:0004 Unable to load private TLS key from '{path}'"
_MATCH = "000b:0006 Private key '{key}' and certificate '{certificate}' do not match"

SETUPS = (
    Setup("key of another certificate", "{mismatch}", _MATCH),
    Setup("key is not there", "{no-key}", _KEY, "No such file or directory"),
    Setup("certificate is not there", "{no-certificate}", _MATCH, "No such file or directory"),
    Setup("key is no key", "{not-a-key}", _KEY, "no private key"),
    Setup("password is wrong", "{locked} +pw wrong", _KEY, "the password is wrong"),
    Setup("password is empty", "{locked} -pw", _KEY, "the password is wrong"),
    Setup("nobody is there to ask", "{locked}", _KEY, "there is no terminal"),
    Setup(
        "suite is unknown",
        "{acceptor} +cs TLS_RSA_WITH_ROT13",
        "0001:0007 Illegal call, perhaps wrong parameters",
        "TLS_RSA_WITH_ROT13",
    ),
)


@functools.cache
def _identities() -> dict[str, tuple[str, ...]]:
    """Return the options for each word in braces."""
    there = material()
    root = there.root
    revoked = root.issue("revoked")
    between, disowned = root.intermediate("Between"), root.intermediate("Gone")
    below, below_disowned = between.issue("below"), disowned.issue("below")
    root.revoke(revoked)
    root.revoke(disowned)
    locked = there.requestor.encrypted_key("secret")
    return {
        "acceptor": keys(there.acceptor),
        "requestor": keys(there.requestor),
        "expired": keys(root.issue("expired", expired=True)),
        "early": keys(root.issue("early", not_yet_valid=True)),
        "stranger": keys(there.stranger.issue("stranger")),
        "revoked": keys(revoked),
        "below": ("+tls", below.private_key, below.chain),
        "below-disowned": ("+tls", below_disowned.private_key, below_disowned.chain),
        "ca": ("+cf", root.path),
        "crl": ("+crl", root.crl()),
        "crl-disowned": ("+crl", disowned.crl()),
        "old-crl": ("+crl", root.crl(expired=True)),
        "mismatch": ("+tls", there.requestor.private_key, there.acceptor.certificate),
        "no-key": ("+tls", "/absent.pem", there.acceptor.certificate),
        "no-certificate": ("+tls", there.acceptor.private_key, "/absent.pem"),
        "not-a-key": ("+tls", there.acceptor.certificate, there.acceptor.certificate),
        "locked": ("+tls", locked, there.requestor.certificate),
    }


def options(text: str) -> list[str]:
    """Return a side's options, words in braces replaced."""
    words: list[str] = []
    for word in text.split():
        if word.startswith("{"):
            words.extend(_identities()[word[1:-1]])
        else:
            words.append(word)
    return words

"""Why TLS could not be agreed on, in plain words, for both sides.

Owns the words for what a TLS library, or the alert of a peer, gives as the reason, and which
option helps. Facts go in, lines come out. Must not know `ssl`, nor who asks.

RFC 8446 6.2 (alerts), RFC 5280 6 (certificates); PS3.15 annex B.
"""

from __future__ import annotations

from isocenter.cli.explain import option_words
from isocenter.cli.first_bytes import escaped, look_at

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Sequence

    from isocenter.cli.explain import Lines
    from isocenter.cli.spec import Tool
    from isocenter.errors import TlsError

__all__ = ["arrival_refused", "handshake_failed", "is_about_tls", "refused_afterwards"]

_TLS_ERROR = "TLS error: "

_UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21, 27})
_NO_CRL = frozenset({3, 11, 12, 33, 36})
_NAME = frozenset({62, 63, 64})
_WEAK = frozenset({66, 67, 68})

_WIDER_PROFILES = ("--profile-8996-mod", "--profile-bcp195", "--profile-aes", "--profile-basic")

_NOT_YET = 9
_EXPIRED = 10
_REVOKED = 23
_PURPOSE = 26


def is_about_tls(reason: str) -> bool:
    """Tell whether a connection was lost because of TLS, by the reason of a `ConnectionLost`."""
    return reason.startswith(_TLS_ERROR)


def handshake_failed(
    problem: TlsError,
    *,
    place: str,
    tool: Tool,
    host: str,
    authenticated: bool,
    trusted: Sequence[str] = (),
) -> Lines:
    """Explain, for a requestor, why TLS could not be agreed on.

    Args:
        problem: what the library or the peer gave as the reason.
        place: the peer, as ``host:port``.
        tool: whose options may help.
        host: as given on the command line.
        authenticated: True where a certificate of one's own was at hand.
        trusted: the authorities that were given (`explain.authorities`).
    """
    if problem.verify_code:
        whose = f"the certificate of the peer at {place}"
        return _distrusted(problem, whose, tool, host=host, trusted=trusted)
    look = look_at(problem.received) if problem.received else None
    if look is not None and look.kind != "tls":
        if look.kind == "dicom":
            return (
                (
                    f"the peer at {place} speaks plain DICOM on this port and was called with TLS: "
                    f"it answered {look.words}."
                ),
                (
                    "Call its port for TLS, which is another one (2762 is usual), or call this one "
                    "without --enable-tls (+tls)."
                ),
            )
        return (
            f"what answers at {place} speaks no TLS: it sent {look.words}.",
            f"It began with {escaped(problem.received, look.shown)}.",
        )
    if not problem.received and "alert" not in problem.reason:
        return (
            (
                f"the peer at {place} took the connection and ended it without an answer to TLS "
                f"({problem.reason})."
            ),
            (
                "A server for plain DICOM does so: call its port for TLS, or call this one without "
                "--enable-tls (+tls)."
            ),
            "So does a server that does not know this address; look at the peer's log.",
        )
    return _refused(problem.reason, f"the peer at {place}", tool, authenticated=authenticated)


def refused_afterwards(reason: str, *, place: str, tool: Tool, authenticated: bool) -> Lines:
    """Explain, for a requestor, why the peer ended a connection whose handshake was done.

    As TLS 1.3 has it, a peer looks at a certificate when this side takes the handshake for done.

    Args:
        reason: of the `ConnectionLost`.
        place: the peer, as ``host:port``.
        tool: whose options may help.
        authenticated: True where a certificate of one's own was at hand.
    """
    words = reason.removeprefix(_TLS_ERROR)
    return _refused(words, f"the peer at {place}", tool, authenticated=authenticated)


def arrival_refused(
    problem: TlsError, *, peer: str, tool: Tool, trusted: Sequence[str] = ()
) -> Lines:
    """Explain, for an acceptor, why TLS could not be agreed on with who connected.

    Args:
        problem: what the library or the peer gave as the reason.
        peer: ``host:port``.
        tool: whose options may help.
        trusted: the authorities that were given (`explain.authorities`).
    """
    if problem.verify_code:
        return _distrusted(problem, f"the certificate of {peer}", tool, host="", trusted=trusted)
    look = look_at(problem.received) if problem.received else None
    if look is not None and look.kind == "dicom":
        return (
            f"{peer} sent {look.words}: the peer speaks plain DICOM, and this receiver serves TLS.",
            (
                "Switch TLS on for this destination at the peer, or serve plain DICOM on a port of "
                "its own, without --enable-tls (+tls)."
            ),
        )
    if look is not None and look.kind != "tls":
        return (
            f"{peer} sent {look.words}, and this receiver serves DICOM over TLS.",
            f"It began with {escaped(problem.received, look.shown)}.",
        )
    if "did not return a certificate" in problem.reason:
        relaxed = option_words(tool, "--verify-peer-cert")
        return (
            f"{peer} has no certificate of its own, and this receiver demands one.",
            "Give the peer a key and a certificate that an authority trusted here has signed.",
            f"With {relaxed} those without a certificate are served as well.",
        )
    return _refused(problem.reason, peer, tool, authenticated=True)


# --- a certificate that is not trusted here --------------------------------------------------


def _distrusted(
    problem: TlsError, whose: str, tool: Tool, *, host: str, trusted: Sequence[str]
) -> Lines:
    """Explain what is wrong with the peer's certificate."""
    code = problem.verify_code
    _, _, rule = problem.reason.partition(": ")
    said = f" ({rule})" if rule else ""
    if code in _UNKNOWN_AUTHORITY:
        return _unknown_authority(whose, tool, said, trusted)
    if code == _EXPIRED:
        return (
            f"{whose}, or of an authority above it, has expired{said}.",
            (
                "The peer needs a new one; if it has, this machine's clock is wrong, or the peer "
                "was not restarted with it."
            ),
        )
    if code == _NOT_YET:
        return (
            f"{whose}, or of an authority above it, is not valid yet{said}.",
            "Most often the clock of this machine, or of the one that made it, is wrong.",
        )
    if code in _NAME:
        return (
            f"{whose} is of another host than {host!a}{said}.",
            (
                "Call it by a name or address that stands in the certificate (subjectAltName), or "
                "let its owner add this one."
            ),
            "Without --verify-host the name is not compared.",
        )
    if code == _REVOKED:
        return (
            f"{whose} was revoked by its authority{said}.",
            "The peer needs a new one; find out why the old one was revoked.",
        )
    if code in _NO_CRL:
        option = option_words(tool, "--add-crl-file")
        chain = option_words(tool, "--enable-crl-all")
        return (
            f"whether {whose} was revoked cannot be told{said}.",
            f"Give the authority's current revocation list with {option}.",
            f"With {chain} each authority of the chain needs one.",
        )
    if code == _PURPOSE:
        return (
            f"{whose} is not for this purpose (extended key usage){said}.",
            "It takes serverAuth to be called, and clientAuth to call; DICOM peers do both.",
        )
    if code in _WEAK:
        return (
            f"{whose}, or of an authority above it, is too weak{said}.",
            "RSA keys take 2048 bits and signatures SHA-256; the peer needs a new certificate.",
        )
    return (f"{whose} is not trusted{said}.", "Its owner, or its authority, has to say why.")


def _unknown_authority(whose: str, tool: Tool, said: str, trusted: Sequence[str]) -> Lines:
    trust = option_words(tool, "--add-cert-file")
    system = option_words(tool, "--system-ca")
    head = f"{whose} was signed by an authority that is not trusted here{said}."
    if trusted:
        return (
            head,
            (
                f"Its certificate is not in what was given, {', '.join(trusted[:4])}"
                + (" and more" if len(trusted) > 4 else "")
                + ", or that could not be read (then a warning at the start says so)."
            ),
            "Those between it and the peer's have to be there, too, where the peer sends none.",
        )
    return (
        head,
        (
            f"Nothing is trusted that is not named: give the authority's certificate with {trust}, "
            "and those between it and the peer's."
        ),
        f"For an authority that this system trusts, {system} will do.",
        "A self-signed certificate is its own authority: give that one.",
    )


# --- what the peer says, or what there is no agreement on ------------------------------------


def _refused(reason: str, who: str, tool: Tool, *, authenticated: bool) -> Lines:
    """Explain an alert of the peer, or that there is nothing both sides can do."""
    said = f" ({reason})"
    if "certificate required" in reason or (not authenticated and "handshake failure" in reason):
        return _wants_certificate(who, tool, said, authenticated=authenticated)
    if "unknown ca" in reason:
        return (
            f"{who} does not trust the authority that signed this side's certificate{said}.",
            (
                "The authority's certificate has to be made known there, or intermediate ones lack "
                "in the certificate file given with --enable-tls (+tls)."
            ),
        )
    for words, meaning in _ALERTS.items():
        if words in reason:
            return (f"{who} {meaning}{said}.", _ADVICE[words])
    if any(words in reason for words in _NO_VERSION):
        return (
            f"{who} and this side have no version of TLS in common{said}.",
            (
                "The default profile takes TLS 1.2 and 1.3. For a peer that is older there is "
                f"{option_words(tool, '--profile-bcp195')}, which is less secure."
            ),
        )
    if any(words in reason for words in _NO_SUITE):
        return (
            (
                f"{who} and this side have no cipher suite in common, or none for the kind of key "
                f"that the server has{said}."
            ),
            (
                f"Other profiles ({_other_profiles(tool)}; "
                f"{option_words(tool, '--list-profiles')} describes them) and "
                f"{option_words(tool, '--cipher')} offer more."
            ),
        )
    if "callback failed" in reason:
        return (
            f"{who} asked for another server name than --expect-sni has, or for none{said}.",
            "The line 'SNI failure' says which; the peer gives it with --request-sni.",
        )
    return (
        f"TLS with {who} failed{said}.",
        "The peer's log may say more; openssl s_client and s_server show a handshake in detail.",
    )


def _other_profiles(tool: Tool) -> str:
    """Return the options of the profiles that offer more than the default one."""
    return ", ".join(words for name in _WIDER_PROFILES if (words := option_words(tool, name)))


def _wants_certificate(who: str, tool: Tool, said: str, *, authenticated: bool) -> Lines:
    if authenticated:
        return (
            f"{who} demands a certificate and took this side's for none{said}.",
            "Its key or its authority is not of the kind that the peer asked for.",
        )
    option = option_words(tool, "--enable-tls")
    return (
        (
            f"{who} demands a certificate of this side, or does not agree to anything that was "
            f"offered{said}."
        ),
        (
            f"Give a private key and its certificate with {option} KEY CERTIFICATE; "
            "--anonymous-tls (+tla) has none to show."
        ),
    )


_ALERTS = {
    "certificate expired": "takes this side's certificate for expired",
    "certificate revoked": "says that this side's certificate was revoked",
    "bad certificate": "does not take this side's certificate",
    "unsupported certificate": "does not take certificates of this side's kind",
    "certificate unknown": "does not trust this side's certificate",
    "unrecognized name": "does not answer to the server name that was asked for, or to none",
    "application protocol": "does not agree to the protocol that was offered (ALPN)",
    "access denied": "takes the certificate and refuses the access",
}
"""Words of a reason to what they say; the first that occur count."""

_CERTIFICATE = (
    "Look at its dates and its clock, at who signed it, whether the name or address that the peer "
    "called stands in it (subjectAltName), and at the peer's log."
)

_ADVICE = {
    "certificate expired": "Renew it, or set the peer's clock; or its revocation list is out of "
    "date, which some peers call by the same name.",
    "certificate revoked": "It has to be replaced.",
    "bad certificate": _CERTIFICATE,
    "unsupported certificate": "RSA with 2048 bits and more, for serverAuth and clientAuth, suits "
    "most peers.",
    "certificate unknown": _CERTIFICATE,
    "unrecognized name": "A requestor asks for a name with --request-sni, an acceptor expects one "
    "with --expect-sni: both have to be the same.",
    "application protocol": "DICOM is called 'dicom' there: something else speaks, or stands in "
    "between.",
    "access denied": "The peer's list of whom it serves has to have this certificate.",
}

_NO_VERSION = (
    "protocol version",
    "unsupported protocol",
    "no protocols available",
    "wrong version number",
    "version too low",
    "wrong ssl version",
)
_NO_SUITE = (
    "no shared cipher",
    "no ciphers available",
    "handshake failure",
    "insufficient security",
    "no suitable",
    "no shared",
    "dh key too small",
)

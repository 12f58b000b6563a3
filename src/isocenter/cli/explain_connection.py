"""Why no association came about, in plain words: connections, first bytes, rejections.

Owns the words for both sides up to the A-ASSOCIATE-AC. Facts go in, lines come out: no
socket is touched here (`net.probe` does that). PS3.8 9.1, 9.3.4.
"""

from __future__ import annotations

import errno
import os

from isocenter.cli.explain import abort_words, option_words
from isocenter.cli.first_bytes import escaped, look_at
from isocenter.errors import (
    AssociationAborted,
    AssociationRejected,
    ConnectError,
    ConnectionLost,
    PeerProtocolError,
    TimeoutExpired,
    TlsError,
)
from isocenter.record import Record
from isocenter.ul.pdu import APPLICATION_CONTEXT_NAME

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Sequence

    from isocenter.cli.explain import Lines
    from isocenter.cli.first_bytes import Look
    from isocenter.cli.spec import Tool
    from isocenter.errors import IsocenterError
    from isocenter.net.failures import ProbeResult
    from isocenter.ul.pdu import AAssociateRQ

__all__ = [
    "Attempt",
    "arrival_failed",
    "rejected_by_us",
    "request_failed",
    "wants_probe",
]


class Attempt(Record):
    """What was tried.

    Fields:
        tool: whose options may help.
        host, port: as given on the command line.
        called, calling: AE titles of the request.
        connect_timeout: seconds, None for the system's own bound.
        identified: True where the request had a user identity.
        tls: True where the peer was called with TLS.
        authenticated: True where a certificate of one's own was at hand then.
        trusted: the authorities that were given then (`explain.authorities`).
    """

    tool: Tool
    host: str
    port: int
    called: str
    calling: str
    connect_timeout: float | None = None
    identified: bool = False
    tls: bool = False
    authenticated: bool = False
    trusted: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Where it was tried, as ``host:port``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def wants_probe(problem: IsocenterError) -> bool:
    """Tell whether a second connection could say more: the peer took the first and said nothing.

    Of a request without TLS: a probe offers TLS, and would not tell one such server from another.
    """
    if isinstance(problem, TimeoutExpired):
        return problem.which in {"acse", "socket"}
    return isinstance(problem, ConnectionLost)


def request_failed(
    problem: IsocenterError, attempt: Attempt, finding: ProbeResult | None = None
) -> Lines:
    """Explain why an association request failed; `finding` where there was a probe."""
    if isinstance(problem, ConnectError):
        return _no_connection(problem, attempt)
    if isinstance(problem, AssociationRejected):
        return _rejected(problem, attempt)
    if isinstance(problem, AssociationAborted):
        return (
            f"the peer at {attempt.place} answered the association request with an abort:",
            f"{abort_words(problem.source, problem.reason)}.",
            "A peer that refuses an address or an AE title would rather reject; its log says more.",
        )
    if isinstance(problem, TlsError):
        from isocenter.cli.explain_tls import handshake_failed

        return handshake_failed(
            problem,
            place=attempt.place,
            tool=attempt.tool,
            host=attempt.host,
            authenticated=attempt.authenticated,
            trusted=attempt.trusted,
        )
    if isinstance(problem, ConnectionLost):
        if attempt.tls:
            return _lost_over_tls(problem, attempt)
        return (
            (
                f"the peer at {attempt.place} took the connection and ended it without an "
                "answer to "
                f"the association request ({problem.reason})."
            ),
            *_found(finding, attempt),
        )
    if isinstance(problem, TimeoutExpired):
        option = option_words(attempt.tool, "--acse-timeout") if problem.which == "acse" else ""
        is_clear = finding is not None and bool(finding.received)
        return (
            (
                f"something at {attempt.place} took the connection and did not answer the "
                "association "
                f"request within {problem.seconds:g} s."
            ),
            *_found(finding, attempt),
            *((f"{option} waits longer.",) if option and not is_clear else ()),
        )
    if isinstance(problem, PeerProtocolError) and problem.received:
        return _strange_answer(problem, attempt)
    return (
        f"the answer of the peer at {attempt.place} is against the rules of DICOM: {problem}.",
        "The fault is the peer's; its manufacturer needs this line and a log with --debug.",
    )


def _lost_over_tls(problem: ConnectionLost, attempt: Attempt) -> Lines:
    """Explain a connection that ended between the handshake and the answer."""
    from isocenter.cli.explain_tls import is_about_tls, refused_afterwards

    if is_about_tls(problem.reason):
        return refused_afterwards(
            problem.reason,
            place=attempt.place,
            tool=attempt.tool,
            authenticated=attempt.authenticated,
        )
    return (
        (
            f"the peer at {attempt.place} agreed on TLS and ended the connection without an answer "
            f"to the association request ({problem.reason})."
        ),
        (
            "A peer that demands a certificate, or does not trust the one that it got, does so: "
            "with TLS 1.3 it decides after this side. Its log says more."
        ),
    )


# --- no connection ---------------------------------------------------------------------------


def _no_connection(problem: ConnectError, attempt: Attempt) -> Lines:
    place = attempt.place
    if problem.unknown_host:
        return (
            f"the name {attempt.host!a} has no address that can be used: {problem.reason}.",
            (
                "Is it spelled right, and does this machine ask the right name server? Its IP "
                "address "
                "would do."
            ),
            "The tools take IPv4 unless --ipv6 (-i6) or --ip-auto (-i0) is given.",
        )
    if problem.timed_out or problem.reason == os.strerror(errno.ETIMEDOUT):
        return _connection_timed_out(problem, attempt)
    if problem.reason == os.strerror(errno.ECONNREFUSED):
        return (
            (
                f"nothing listens at {place}: that machine answered and has no program on port "
                f"{attempt.port}."
            ),
            "Is the server started, and is the port right? (104, 11112 and 4242 are usual.)",
            (
                "A server in a container or behind a gateway needs its port published; some "
                "firewalls "
                "answer like this, too."
            ),
        )
    if problem.reason in {os.strerror(errno.EHOSTUNREACH), os.strerror(errno.ENETUNREACH)}:
        return (
            f"there is no way to {place}: {problem.reason}.",
            (
                "The machine is off, the address is of another network (VPN not connected, wrong "
                "route), or a firewall says so."
            ),
        )
    if problem.reason in {os.strerror(errno.EACCES), os.strerror(errno.EPERM)}:
        return (f"this machine's own firewall or policy forbids the connection to {place}.",)
    return (f"the system could not connect to {place}: {problem.reason}.",)


def _connection_timed_out(problem: ConnectError, attempt: Attempt) -> Lines:
    if "look-up" in problem.reason:
        return (
            f"the name server did not answer for {attempt.host!a} in time.",
            "The IP address in place of the name needs no name server.",
        )
    limit = attempt.connect_timeout
    how_long = "the time that this system allows" if limit is None else f"{limit:g} s"
    option = option_words(attempt.tool, "--timeout")
    return (
        f"{attempt.place} did not answer at all within {how_long}.",
        (
            "Most often a firewall drops the packets without a word; a wrong address or a machine "
            "that is off look the same."
        ),
        *(() if limit is None or not option else (f"{option} waits longer.",)),
    )


# --- an answer that is none ------------------------------------------------------------------


def _strange_answer(problem: PeerProtocolError, attempt: Attempt) -> Lines:
    received = problem.received
    look = look_at(received)
    if look.kind == "dicom":
        return (
            f"the peer at {attempt.place} speaks DICOM, but its answer cannot be read: {problem}.",
            "The fault is the peer's; its manufacturer needs this line and a log with --debug.",
        )
    return (
        f"what answers at {attempt.place} is no DICOM server: it sent {look.words}.",
        f"It began with {escaped(received, look.shown)}.",
        _advice(look, attempt),
    )


def _advice(look: Look, attempt: Attempt) -> str:
    if look.kind == "tls":
        enable = option_words(attempt.tool, "--enable-tls")
        return (
            f"This tool called without TLS: use {enable} with a key and certificate, or call the "
            "peer's port for plain DICOM."
        )
    if look.kind == "http":
        return (
            f"Port {attempt.port} is that of a web server (a viewer, DICOMweb, a proxy): the DICOM "
            "port is another one."
        )
    if look.kind == "hl7":
        return f"Port {attempt.port} is that of an HL7 interface: the DICOM port is another one."
    return f"Port {attempt.port} belongs to another service: the DICOM port is another one."


def _found(finding: ProbeResult | None, attempt: Attempt) -> Lines:
    """Say what the probe found, and what that means."""
    if finding is None:
        return ()
    if not finding.connected:
        return (
            "A second connection was not possible: the server ended meanwhile, or takes but one.",
        )
    offered = "TLS and HTTP" if finding.offered_tls else "HTTP"
    what = f"A second connection, which offered {offered},"
    if not finding.received:
        if finding.closed:
            return (
                f"{what} was closed without a byte as well.",
                (
                    "Some servers do so to addresses that they do not know, or behind a proxy "
                    "whose "
                    "server is down; look at the peer's log."
                ),
            )
        found = (
            "this is no TLS and no web server" if finding.offered_tls else "it may be a TLS server"
        )
        return (
            f"{what} got no answer within {finding.seconds:.3g} s: {found}.",
            (
                "A DICOM server that hangs or is busy with another association looks like this, "
                "and "
                "so does an HL7 interface."
            ),
        )
    look = look_at(finding.received)
    answer = f"{what} was answered with {look.words}: {escaped(finding.received, look.shown)}."
    if look.kind == "dicom":
        return (
            answer,
            (
                "So a DICOM server without TLS is there and would not serve this request: some "
                "do so "
                "to addresses or AE titles that they do not know; look at the peer's log."
            ),
        )
    if look.kind == "tls":
        return (answer, f"The port speaks TLS. {_advice(look, attempt)}")
    return (answer, _advice(look, attempt))


# --- rejections ------------------------------------------------------------------------------

_LATER = "It may take the next one: try again later, or with fewer associations at a time."


def _about_identity(attempt: Attempt) -> Lines:
    """Name the user identity, which some peers decide by (PS3.7 D.3.3.7), where it can be sent."""
    if attempt.identified:
        return ("It may also be that the peer does not take the user identity.",)
    option = option_words(attempt.tool, "--user")
    return (
        (f"A peer that wants to know the user is told with {option} or --jwt.",) if option else ()
    )


def _rejected(problem: AssociationRejected, attempt: Attempt) -> Lines:
    """Explain an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
    called, calling = f"{attempt.called.strip()!a}", f"{attempt.calling.strip()!a}"
    titles = f"It was called {called} (--call, -aec) by {calling} (--aetitle, -aet)."
    match problem.source, problem.reason:
        case 1, 7:
            lines: Lines = (
                f"the peer does not answer to the AE title {called}, by which it was called.",
                (
                    "Give its own AE title, exactly as configured there, with --call (-aec); "
                    "upper and "
                    "lower case differ."
                ),
            )
        case 1, 3:
            lines = (
                f"the peer does not know the AE title {calling}, by which this tool calls itself.",
                (
                    f"Register {calling} with this machine's address at the peer, or use one "
                    "that it "
                    "knows with --aetitle (-aet)."
                ),
            )
        case 1, 2:
            lines = (
                (
                    "the peer does not take the application context name of DICOM, which is the "
                    "only "
                    "one there is: its software is at fault, or it is no DICOM application."
                ),
            )
        case 1, 1:
            lines = (
                "the peer's application refused the association and gave no reason.",
                f"{titles} Address and titles are what most peers decide by; its log may say more.",
                *_about_identity(attempt),
            )
        case 2, 2:
            lines = (
                "the peer does not take version 1 of the protocol, which is the only one there is.",
            )
        case 3, 1:
            lines = ("the peer is overloaded at the moment (temporary congestion).", _LATER)
        case 3, 2:
            lines = (
                "the peer has reached a limit of its own, most often its number of associations.",
                _LATER,
            )
        case _:
            lines = (
                (
                    f"the peer rejected the association ({problem.source_text}, "
                    f"{problem.reason_text}), which says no more."
                ),
                f"{titles} The peer's log may say more.",
            )
    if problem.result == 2 and _LATER not in lines:
        lines = (*lines, "It calls this transient: the same request may succeed later.")
    return lines


# --- the acceptor's side ---------------------------------------------------------------------


def arrival_failed(
    kind: str,
    peer: str,
    received: bytes,
    *,
    tool: Tool,
    cause: Exception | None = None,
    limit: int = 0,
    seconds: float = 0.0,
    tls: bool = False,
    trusted: Sequence[str] = (),
) -> Lines:
    """Explain, for an acceptor, why a connection never became an association.

    Args:
        kind: ``closed``, ``expired``, ``invalid``, ``full``, ``crowded`` or ``tls``, see
            `net.failures.FailedConnection`.
        peer: ``host:port``.
        received: the first bytes, `SHOWN` at most.
        tool: whose options may help.
        cause: the violation where `kind` is ``invalid`` or ``tls``.
        limit: the longest association request taken, in bytes.
        seconds: how long the request was waited for.
        tls: True where this receiver serves TLS.
        trusted: the authorities that were given (`explain.authorities`).
    """
    if isinstance(cause, TlsError):
        from isocenter.cli.explain_tls import arrival_refused

        return arrival_refused(cause, peer=peer, tool=tool, trusted=trusted)
    if kind == "full":
        return (
            (
                f"{peer} was rejected: as many associations as this receiver serves at a time are "
                "open. The peer may try again later."
            ),
        )
    if kind == "crowded":
        return (f"{peer} was closed to make room: too many connections that say nothing are open.",)
    if not received:
        return _silent_arrival(kind, peer, tool, seconds)
    look = look_at(received)
    if look.kind == "dicom":
        return _bad_request(kind, peer, received, cause, limit, seconds)
    if look.kind == "tls" and tls:
        how = "closed" if kind == "closed" else f"did not end it within {seconds:g} s"
        return (
            f"{peer} began a TLS handshake and {how}.",
            "A peer that does not trust this receiver's certificate may leave without a word.",
        )
    return _other_protocol(peer, look, tool, f"It began with {escaped(received, look.shown)}.")


def _silent_arrival(kind: str, peer: str, tool: Tool, seconds: float) -> Lines:
    """Explain a connection on which nothing came."""
    if kind == "expired":
        option = option_words(tool, "--acse-timeout")
        return (
            f"{peer} connected and sent nothing for {seconds:g} s, so it was closed.",
            (
                "A DICOM peer speaks first; one that waits for a greeting speaks another "
                f"protocol. {option} is how long this receiver waits."
            ),
        )
    return (
        (
            f"{peer} connected and closed without a byte: a port scan, a health check of a load "
            "balancer, or a peer that changed its mind."
        ),
    )


def _other_protocol(peer: str, look: Look, tool: Tool, shown: str) -> Lines:
    """Explain a connection that began with something other than DICOM."""
    if look.kind == "tls":
        enable = option_words(tool, "--enable-tls")
        return (
            f"{peer} sent {look.words}: the peer wants TLS, and this receiver serves plain DICOM.",
            (
                f"Serve TLS on a port of its own with {enable}, or switch TLS off for this "
                "destination at the peer."
            ),
        )
    if look.kind == "http":
        return (
            (
                f"{peer} sent {look.words}: a browser, a DICOMweb client or a monitor called "
                "the DICOM "
                "port."
            ),
            shown,
        )
    if look.kind == "hl7":
        return (
            f"{peer} sent {look.words}: it takes this port for an HL7 interface.",
            shown,
        )
    return (f"{peer} sent no association request but {look.words}.", shown)


def _bad_request(
    kind: str, peer: str, received: bytes, cause: Exception | None, limit: int, seconds: float
) -> Lines:
    """Explain a connection that did begin with a DICOM PDU."""
    length = int.from_bytes(received[2:6], "big")
    if kind in {"closed", "expired"}:
        how = "closed" if kind == "closed" else f"fell silent for {seconds:g} s"
        return (
            f"{peer} began an association request of {length} bytes and {how} before its end.",
            "The network lost it, or the peer gave up.",
        )
    if received[0] != 1:
        return (
            (
                f"{peer} speaks DICOM but began with {look_at(received).words} where only an "
                "A-ASSOCIATE-RQ may stand."
            ),
            "It continues an association that is gone, or its software is at fault.",
        )
    if limit and length > limit:
        return (
            (
                f"{peer} sent an association request of {length} bytes, and {limit} is the most "
                "that "
                "is taken before an association stands."
            ),
            "No DICOM peer needs as much: something else speaks, or it attacks.",
        )
    return (
        f"{peer} sent an association request that cannot be read: {cause}.",
        "The fault is the peer's; its manufacturer needs this line.",
    )


def rejected_by_us(
    request: AAssociateRQ, answer: tuple[int, int, int], *, peer: str, refusing: bool
) -> Lines:
    """Explain, for an acceptor, its own rejection.

    Args:
        request: what was rejected.
        answer: result, source and reason that were sent (PS3.8 9.3.4).
        peer: ``host:port``.
        refusing: every association is rejected on demand.
    """
    called, calling = (
        f"{title.strip()!a}" for title in (request.called_ae_title, request.calling_ae_title)
    )
    head = f"the association that {calling} at {peer} asked {called} for was rejected, because"
    if answer[1:] == (2, 2):
        return (f"{head} it is not of version 1 of the protocol: the fault is the peer's.",)
    if refusing:
        return (f"{head} --refuse rejects every association.",)
    if request.application_context_name != APPLICATION_CONTEXT_NAME:
        name = f"{request.application_context_name[:64]!a}"
        return (
            (
                f"{head} its application context is {name} and not DICOM's, "
                f"{APPLICATION_CONTEXT_NAME}: the fault is the peer's."
            ),
        )
    if not request.presentation_contexts:
        return (f"{head} it proposes no presentation context: there is nothing to agree on.",)
    if answer[1:] == (1, 7):
        return (
            f"{head} {called} is not an AE title that {calling} may call here.",
            "The warning before this names the rule: correct the title at the peer, or the rule.",
        )
    if answer[1:] == (1, 3):
        return (
            f"{head} {calling} may not call here, or not from its host or with its certificate.",
            "The warning before this names the rule.",
        )
    if not request.user_information.implementation_class_uid:
        return (f"{head} it names no implementation class UID and --reject is given.",)
    words = AssociationRejected(*answer)
    return (
        f"{head} of its user identity or a limit here ({words.reason_text}).",
        "The line before this says more, where it was the identity.",
    )

"""Errors in the words of DCMTK's tools: ``mmmm:cccc text``.

The one home of these numbers and texts, which scripts around the tools search for; where
DCMTK's text says less than is known, the reason follows in parentheses. Must not decide what
is logged where. Module 0001 is data, 0006 the network, 000b TLS; `dcmnet/cond.h`,
`dcmdata/dcerror.cc` and `dcmtls/tlscond.h` of DCMTK.
"""

from __future__ import annotations

from isocenter.errors import (
    AssociationAborted,
    AssociationReleased,
    ConnectError,
    ConnectionLost,
    DataSetError,
    DimseDecodeError,
    PduDecodeError,
    PeerProtocolError,
    TimeoutExpired,
    TlsError,
)

__all__ = [
    "BAD_PRESENTATION_CONTEXT_ID",
    "NO_VALID_PRESENTATION_CONTEXT",
    "SEND_FAILED",
    "condition_of",
    "is_peer_abort",
    "reason_of",
]

BAD_PRESENTATION_CONTEXT_ID = "0006:0101 ASC Bad presentation context ID"
NO_VALID_PRESENTATION_CONTEXT = "0006:0208 DIMSE No valid Presentation Context ID"
SEND_FAILED = "0006:020e DIMSE Failed to send message"

_TLS_REASONS = 0x800
"""What DCMTK adds to OpenSSL's number of a reason."""

_TLS_INPUT_OUTPUT = 0x17
"""Where OpenSSL has no number, as for a connection that was closed."""


def reason_of(problem: OSError | DataSetError) -> str:
    """Return what is wrong with a file, without its name."""
    if isinstance(problem, DataSetError):
        place = "" if problem.offset is None else f" at offset {problem.offset}"
        return problem.reason + place
    return problem.strerror or str(problem)


def is_peer_abort(problem: Exception) -> bool:
    """Tell whether this counts as the peer's abort: one, or a lost or silent connection."""
    if isinstance(problem, TimeoutExpired):
        return problem.which in {"socket", "slow-pdu"}
    if isinstance(problem, AssociationAborted):
        return problem.by_peer
    return isinstance(problem, ConnectionLost)


def condition_of(problem: Exception) -> str:
    """Return the condition that DCMTK's tools print for this kind of problem."""
    if isinstance(problem, DataSetError):
        return f"0001:0006 {reason_of(problem)}"
    if isinstance(problem, TlsError):
        return _tls_condition(problem)
    if isinstance(problem, OSError):
        return f"0001:0012 {reason_of(problem)}"
    if isinstance(problem, PeerProtocolError):
        return _violation(problem)
    if isinstance(problem, ConnectError):
        if problem.unknown_host:
            return f"0006:0320 Attempt to connect to unknown host: {problem.host}"
        return f"0006:031c TCP Initialization Error: {problem.reason}"
    if isinstance(problem, AssociationReleased):
        return f"0006:0319 DUL Peer Requested Release ({problem})"
    if isinstance(problem, TimeoutExpired):
        if problem.which == "acse":
            return "0006:031a DUL network read timeout"
        if problem.which == "dimse":
            return "0006:0207 DIMSE No data available (timeout in non-blocking mode)"
    if isinstance(problem, (AssociationAborted, ConnectionLost, TimeoutExpired)):
        return f"0006:0317 Peer aborted Association (or never connected) ({problem})"
    return str(problem)


def _tls_condition(problem: TlsError) -> str:
    """Return the condition of a handshake that failed: OpenSSL's words, then what it was about."""
    number = _TLS_REASONS + problem.code if problem.code else _TLS_INPUT_OUTPUT
    words, _, rule = problem.reason.partition(": ")
    return f"000b:{number:04x} TLS error: {words}" + (f" ({rule})" if rule else "")


def _violation(problem: PeerProtocolError) -> str:
    """Return the condition of what the peer sent, with the place that isocenter's text names."""
    if isinstance(problem, PduDecodeError):
        if problem.abort_reason == 1:
            return f"0006:0321 Unrecognized PDU type: {problem.found.removeprefix('0x')}"
        return f"0006:0307 DUL Illegal or ill-formed PDU ({problem})"
    if isinstance(problem, DimseDecodeError):
        return f"0006:0203 DIMSE Badly formed message ({problem})"
    return f"0006:0303 DUL Finite State Machine Error: {problem}"

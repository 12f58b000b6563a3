"""Errors in DCMTK's words."""

from __future__ import annotations

import pytest

from isocenter.errors import (
    AssociationAborted,
    AssociationReleased,
    ConnectError,
    ConnectionLost,
    DataSetError,
    DimseDecodeError,
    LocalProtocolError,
    PduDecodeError,
    PeerProtocolError,
    TimeoutExpired,
    TlsError,
)
from isocenter.sender.conditions import condition_of, is_peer_abort, reason_of

PEER_ABORTED = "0006:0317 Peer aborted Association (or never connected)"
BAD_PDU = PduDecodeError("P-DATA-TF", "PDU-length", offset=2, expected="6", found="7")
BAD_TYPE = PduDecodeError(
    "PDU", "PDU-type", offset=0, expected="0x01 to 0x07", found="0x2a", abort_reason=1
)
BAD_MESSAGE = DimseDecodeError("C-STORE-RSP", "Status", offset=None, expected="it", found="nothing")


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (TimeoutExpired("acse", 30), "0006:031a DUL network read timeout"),
        (
            TimeoutExpired("dimse", 5),
            "0006:0207 DIMSE No data available (timeout in non-blocking mode)",
        ),
        (
            TlsError("certificate verify failed: certificate has expired", code=134),
            "000b:0886 TLS error: certificate verify failed (certificate has expired)",
        ),
        (TlsError("wrong version number", code=267), "000b:090b TLS error: wrong version number"),
        (TlsError("connection reset by peer"), "000b:0017 TLS error: connection reset by peer"),
        (TimeoutExpired("socket", 60), f"{PEER_ABORTED} (socket timeout after 60 s)"),
        (
            AssociationAborted(2, 6, by_peer=True),
            f"{PEER_ABORTED} (association aborted by peer (service provider, reason 6))",
        ),
        (
            ConnectionLost("Broken pipe"),
            f"{PEER_ABORTED} (connection lost: Broken pipe)",
        ),
        (AssociationReleased("asked"), "0006:0319 DUL Peer Requested Release (asked)"),
        (
            ConnectError("pacs", 104, "Connection refused"),
            "0006:031c TCP Initialization Error: Connection refused",
        ),
        (
            ConnectError("pacs", 104, "no such name", unknown_host=True),
            "0006:0320 Attempt to connect to unknown host: pacs",
        ),
        (BAD_TYPE, "0006:0321 Unrecognized PDU type: 2a"),
        (BAD_PDU, f"0006:0307 DUL Illegal or ill-formed PDU ({BAD_PDU})"),
        (BAD_MESSAGE, f"0006:0203 DIMSE Badly formed message ({BAD_MESSAGE})"),
        (PeerProtocolError("odd"), "0006:0303 DUL Finite State Machine Error: odd"),
        (DataSetError("cut short", path="a", offset=7), "0001:0006 cut short at offset 7"),
        (OSError(2, "No such file or directory"), "0001:0012 No such file or directory"),
        (LocalProtocolError("no association"), "no association"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_condition(problem: Exception, expected: str) -> None:
    assert condition_of(problem) == expected


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (AssociationAborted(0, 0, by_peer=True), True),
        (AssociationAborted(0, 0, by_peer=False), False),
        (ConnectionLost("reset"), True),
        (TimeoutExpired("socket", 60), True),
        (TimeoutExpired("slow-pdu", 60), True),
        (TimeoutExpired("dimse", 60), False),
        (PeerProtocolError("odd"), False),
    ],
)
def test_peer_abort(problem: Exception, expected: bool) -> None:
    assert is_peer_abort(problem) is expected


def test_reason_without_words_of_the_system() -> None:
    assert reason_of(OSError("strange")) == "strange"

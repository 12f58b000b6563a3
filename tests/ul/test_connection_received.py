"""What a violation keeps of the bytes that it was found in."""

from __future__ import annotations

import pytest

from isocenter.errors import PeerProtocolError
from isocenter.ul.codec import Limits
from isocenter.ul.connection import Connection
from isocenter.ul.events import AbortIndication
from isocenter.ul.options import EngineOptions


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n", b"HTTP/1.1 400 Bad Request\r\n", id="short"),
        pytest.param(bytes(range(0x80, 0xC0)), bytes(range(0x80, 0xA0)), id="32 bytes at most"),
        pytest.param(b"\x15\x03\x01\x00\x02\x02\x46", b"\x15\x03\x01\x00\x02\x02\x46", id="alert"),
    ],
)
def test_acceptor_keeps_the_first_bytes_of_what_is_no_pdu(sent: bytes, kept: bytes) -> None:
    engine = Connection(requestor=False, options=EngineOptions(limits=Limits()))
    engine.transport_connected(0.0)
    engine.feed(sent, 0.0)
    event = engine.next_event()
    assert isinstance(event, AbortIndication)
    assert isinstance(event.cause, PeerProtocolError)
    assert event.cause.received == kept


def test_violation_that_is_not_about_bytes_keeps_none() -> None:
    assert PeerProtocolError("x").received == b""

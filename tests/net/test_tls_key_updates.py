"""Records that carry no data: a peer may send some, and not without end (RFC 8446 4.6.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter.errors import TlsError
from isocenter.net.tls import TlsSession
from tests.net.tls_key_updates import KeyChanger
from tests.net.tls_support import serving

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_RECORD = 5 + 16 * 1024 + 256


@pytest.fixture
def peers(tmp_path: Path) -> tuple[KeyChanger, TlsSession]:
    """A requestor and an acceptor that have shaken hands."""
    requestor = KeyChanger(tmp_path)
    acceptor = TlsSession(serving(), server_side=True)

    def exchange(said: bytes) -> bytes:
        acceptor.feed(said)
        acceptor.handshake()
        return acceptor.outgoing()

    requestor.shake(exchange)
    assert acceptor.facts is not None
    assert acceptor.facts.cipher == "TLS_AES_256_GCM_SHA384"
    return requestor, acceptor


def test_key_that_changes_now_and_then_is_followed(peers: tuple[KeyChanger, TlsSession]) -> None:
    requestor, acceptor = peers
    window = memoryview(bytearray(100))
    for _ in range(50):
        acceptor.feed(requestor.key_updates(3000) + requestor.data(b"data"))
        assert acceptor.read_into(window) == 4
        assert window[:4].tobytes() == b"data"


def test_record_of_the_longest_kind_may_come_in_bytes(
    peers: tuple[KeyChanger, TlsSession],
) -> None:
    requestor, acceptor = peers
    window = memoryview(bytearray(1 << 15))
    for _ in range(3):
        record = requestor.data(bytes(16 * 1024))
        parts = (record[place : place + 1] for place in range(len(record)))
        assert sum(read_of(acceptor, window, part) for part in parts) == 16 * 1024


def read_of(session: TlsSession, window: memoryview, data: bytes) -> int:
    """Feed a session and read; bytes of plaintext."""
    session.feed(data)
    return session.read_into(window)


@pytest.mark.parametrize("step", [1000, 10_000, 1 << 16])
def test_peer_that_does_nothing_but_change_its_key_is_given_up(
    peers: tuple[KeyChanger, TlsSession], step: int
) -> None:
    requestor, acceptor = peers
    window = memoryview(bytearray(100))
    fed: list[int] = []

    def flood() -> None:
        while sum(fed) < 1 << 18:
            records = requestor.key_updates(step)
            fed.append(len(records))
            read_of(acceptor, window, records)

    with pytest.raises(TlsError, match="records without data"):
        flood()
    assert sum(fed) <= 2 * LONGEST_RECORD + fed[-1]

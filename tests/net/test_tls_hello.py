"""ALPN names of a ClientHello, out of the first bytes of a connection (RFC 7301, RFC 8446)."""

from __future__ import annotations

import random
import ssl
import struct

import pytest

from isocenter.net.tls_hello import MAXIMUM_HELLO, offered_protocols


def hello_of(*names: str) -> bytes:
    """What a requestor with Python's TLS sends first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if names:
        context.set_alpn_protocols(list(names))
    outgoing = ssl.MemoryBIO()
    session = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="pacs.example")
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


def records(message: bytes, size: int) -> bytes:
    """A message in records of at most so many bytes."""
    pieces = [message[start : start + size] for start in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + struct.pack(">H", len(piece)) + piece for piece in pieces)


@pytest.mark.parametrize(
    "names", [(), ("dicom",), ("http/1.1",), ("h2", "http/1.1", "dicom"), ("\xe9" * 3,)]
)
def test_names_are_read_in_the_order_of_the_requestor(names: tuple[str, ...]) -> None:
    if "\xe9" in "".join(names):
        hello = hello_of("qqq").replace(b"\x03qqq", b"\x03\xe9\xe9\xe9")
    else:
        hello = hello_of(*names)
    assert offered_protocols(hello) == names


def test_half_a_hello_says_that_more_is_needed() -> None:
    hello = hello_of("h2", "dicom")
    for size in range(len(hello)):
        assert offered_protocols(hello[:size]) is None, size
    assert offered_protocols(hello + b"\x16\x03\x01") == ("h2", "dicom")


@pytest.mark.parametrize("size", [1, 3, 50, 511])
def test_hello_in_many_records_is_read_as_one(size: int) -> None:
    whole = hello_of("h2", "dicom")
    split = records(whole[5:], size)
    assert offered_protocols(split) == ("h2", "dicom")
    assert offered_protocols(split[:-1]) is None


@pytest.mark.parametrize(
    "data",
    [
        b"\x01\x00\x00\x00\x00\xcd\x00\x01",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x80\x2e\x01\x03\x01",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\xff\xff\x01",
    ],
    ids=["DICOM", "HTTP", "SSL 2", "alert", "ServerHello", "empty record", "endless record"],
)
def test_what_is_no_hello_asks_for_nothing(data: bytes) -> None:
    assert offered_protocols(data) == ()


def test_hello_longer_than_any_library_takes_is_not_waited_for() -> None:
    header = b"\x16\x03\x01\x00\x04\x01"
    assert offered_protocols(header + MAXIMUM_HELLO.to_bytes(3)) is None
    assert offered_protocols(header + (MAXIMUM_HELLO + 1).to_bytes(3)) == ()


def test_hello_without_extensions_asks_for_nothing() -> None:
    body = b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x02\x00\x2f" + b"\x01\x00"
    message = b"\x01" + len(body).to_bytes(3) + body
    assert offered_protocols(records(message, 1000)) == ()


def test_broken_extension_asks_for_nothing() -> None:
    hello = hello_of("dicom")
    at = hello.index(b"\x05dicom")
    assert offered_protocols(hello[:at] + b"\x06" + hello[at + 1 :]) == ()
    assert offered_protocols(hello[: at - 2] + b"\x00\x05" + hello[at:]) == ()


def test_bytes_at_random_are_read_without_an_error() -> None:
    chance = random.Random(7)
    hello = hello_of("h2", "dicom")
    for _ in range(3000):
        broken = bytearray(hello)
        for _ in range(chance.randrange(1, 6)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        result = offered_protocols(bytes(broken[: chance.randrange(len(broken) + 1)]))
        assert result is None or isinstance(result, tuple)

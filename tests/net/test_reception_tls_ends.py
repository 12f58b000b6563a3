"""Connections of TLS that end before their request: what is told of them, and logged."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.arrivals import reporter
from isocenter.errors import TlsError
from isocenter.ul import codec
from tests.net.support import proposal
from tests.net.tls_support import VERSIONS, Caller, Failures, calling, listening

if TYPE_CHECKING:
    from isocenter.net.failures import FailedConnection

REQUEST = codec.encode(proposal())

versions = pytest.mark.parametrize("version", VERSIONS)


def _lines(failure: FailedConnection, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what a receiving tool logs of a failure."""
    caplog.clear()
    with caplog.at_level(logging.ERROR, "isocenter"):
        reporter()(failure)
    peer = failure.peer_address
    return [record.getMessage().replace(peer, "PEER") for record in caplog.records]


@versions
def test_a_handshake_and_no_more_is_told_and_is_no_error(
    version: str, caplog: pytest.LogCaptureFixture
) -> None:
    failures = Failures()
    with listening(on_failure=failures) as (_, port):
        with Caller(port, calling(version=version)) as caller:
            caller.shake()
        (failure,) = failures.wait()
    assert (failure.kind, failure.received, failure.cause) == ("closed", b"", None)
    assert _lines(failure, caplog) == []


@versions
def test_half_a_request_is_told_as_it_was_before_its_encryption(
    version: str, caplog: pytest.LogCaptureFixture
) -> None:
    failures = Failures()
    with listening(on_failure=failures) as (_, port):
        with Caller(port, calling(version=version)) as caller:
            caller.shake()
            caller.send(REQUEST[:100])
        (failure,) = failures.wait()
    assert (failure.kind, failure.received) == ("closed", REQUEST[:32])
    assert _lines(failure, caplog) == [
        "Receiving Association failed: 0006:0310 DUL network closed (from PEER)"
    ]


def test_half_a_handshake_is_told_in_the_words_of_dcmtk(caplog: pytest.LogCaptureFixture) -> None:
    failures = Failures()
    with listening(on_failure=failures) as (_, port):
        with Caller(port) as caller:
            hello = caller.hello()
            caller.sock.sendall(hello[:100])
        (failure,) = failures.wait()
    assert (failure.kind, failure.received) == ("closed", hello[:32])
    assert isinstance(failure.cause, TlsError)
    condition = "000b:0926 TLS error: unexpected eof while reading"
    assert _lines(failure, caplog) == [f"Receiving Association failed: {condition} (from PEER)"]

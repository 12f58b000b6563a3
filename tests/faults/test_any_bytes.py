"""After any bytes from any number of peers a well-behaved C-ECHO is answered.

Peers that do whatever comes to their mind (`tests.support.hostile`) meet a receiver in each of its
ways of serving. While their connections are open, those that they did not close, another peer
associates, echoes and releases. At the end the receiver has as many descriptors, threads and
children as at its beginning, no unfinished file, and nothing to complain of itself.
"""

from __future__ import annotations

import os
import socket
import ssl
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isocenter.testing import ScriptedAcceptor, ScriptedRequestor
from isocenter.testing.certificates import Authority
from isocenter.testing.peer import RawConnection
from tests.fuzz.fuzz_client_hello import hello_of
from tests.support.hostile import CONTEXTS, Step, changed, crowd_of, crowds, play
from tests.support.watched import Watched

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing.certificates import Identity

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

TIMES = 50 if os.environ.get("ISOCENTER_HYPOTHESIS") == "soak" else 1
"""How many times as many examples scripts/soak plays."""
DEADLINE = 20.0
"""Seconds that anything of the well-behaved peer may take; the machine may be busy."""


def examples(count: int) -> settings:
    return settings(
        max_examples=count * TIMES,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def echo(port: int) -> None:
    """Associate, echo and release, as a peer does that knows its manners."""
    with ScriptedRequestor(port, timeout=DEADLINE) as peer:
        talk(peer)


def talk(peer: RawConnection) -> None:
    peer.associate(CONTEXTS)
    assert peer.echo(1) == 0
    peer.release()


def check_receiver(watched: Watched, count: int, most: int = 5) -> None:
    """Play so many examples against a receiver, then look at what is left of them."""

    @given(crowd=crowds(most=most))
    @examples(count)
    def every_crowd(crowd: list[list[Step]]) -> None:
        check_crowd(watched.receiver.port, crowd)

    with watched.receiver:
        every_crowd()
        watched.check()


def check_crowd(port: int, crowd: list[list[Step]]) -> None:
    left = play(port, crowd)
    try:
        echo(port)
    finally:
        for sock in left:
            sock.close()


def test_receiver_answers_an_echo_whatever_others_send(tmp_path: Path) -> None:
    check_receiver(Watched(tmp_path, warm=echo), 100)


def test_receiver_with_workers_answers_an_echo_whatever_others_send(tmp_path: Path) -> None:
    check_receiver(Watched(tmp_path, "--workers", "2", warm=echo), 40)


def test_receiver_with_fork_answers_an_echo_whatever_others_send(tmp_path: Path) -> None:
    check_receiver(Watched(tmp_path, "--fork", warm=echo), 20, most=3)


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_receiver_answers_an_echo_among_two_hundred_such_peers(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    watched = Watched(tmp_path, *options, warm=echo)
    with watched.receiver:
        for seed in range(TIMES):
            check_crowd(watched.receiver.port, crowd_of(200, seed))
        watched.check()


def test_receiver_that_answers_nobody_any_more_is_noticed() -> None:
    crowd = [[Step("send", b"\0"), Step("listen")], [Step("associate"), Step("reset")]]
    with ScriptedAcceptor(lambda connection: None) as acceptor, pytest.raises(OSError):
        check_crowd(acceptor.port, crowd)


HELLOS = st.sampled_from((hello_of(("dicom",)), hello_of(("h2",)), hello_of(())))
PIECES = st.sampled_from((1 << 20, 60))
TLS_FIRST = st.one_of(
    st.just(Step("wrap")),
    st.just(Step("wrap")),
    st.just(Step("associate")),
    st.builds(Step, st.just("send"), HELLOS, PIECES),
    st.builds(Step, st.just("send"), st.builds(changed, HELLOS, st.integers(0)), PIECES),
)
"""How a peer begins on a port of TLS: with a handshake, and what it likes within it; with the hello
of one, as it should be or not; or as if there were no TLS."""


@cache
def authority() -> Authority:
    return Authority("Hospital Root", key="ec-p256")


@cache
def identity() -> Identity:
    return authority().issue("storescp", addresses=["127.0.0.1"], key="ec-p256")


@cache
def context() -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=authority().path)
    made.set_alpn_protocols(["dicom"])
    return made


def shake(sock: socket.socket) -> ssl.SSLSocket:
    """Shake hands over a connection, within its timeout."""
    return context().wrap_socket(sock, server_hostname="127.0.0.1")


def echo_over_tls(port: int) -> None:
    sock = socket.create_connection(("127.0.0.1", port), DEADLINE)
    with RawConnection(shake(sock), timeout=DEADLINE) as peer:
        talk(peer)


def check_tls(folder: Path, count: int, *more: str) -> None:
    """As `check_receiver`, on a port of TLS."""
    options = ("+tls", identity().private_key, identity().certificate, "-ic", *more)
    watched = Watched(folder, *options, warm=echo_over_tls)

    @given(crowd=crowds(first=TLS_FIRST))
    @examples(count)
    def every_crowd(crowd: list[list[Step]]) -> None:
        port = watched.receiver.port
        left = play(port, crowd, shake)
        try:
            echo_over_tls(port)
        finally:
            for sock in left:
                sock.close()

    with watched.receiver:
        every_crowd()
        watched.check()


def test_receiver_with_tls_answers_an_echo_whatever_others_send(tmp_path: Path) -> None:
    check_tls(tmp_path, 60)


def test_receiver_with_tls_and_workers_answers_an_echo_whatever_others_send(tmp_path: Path) -> None:
    check_tls(tmp_path, 20, "--workers", "2")


def test_receiver_with_tls_and_fork_answers_an_echo_whatever_others_send(tmp_path: Path) -> None:
    check_tls(tmp_path, 15, "--fork")

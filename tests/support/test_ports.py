"""Who listens, told by the kernel without a connection."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.support import ports

if TYPE_CHECKING:
    from collections.abc import Callable

WAYS: list[Callable[[int], bool]] = [
    ports.is_listening,
    lambda port: port in ports._listeners(),
    ports._is_in_table,
]


@pytest.mark.parametrize("ask", WAYS, ids=["as used", "by netlink", "by the table"])
@pytest.mark.parametrize(
    ("family", "host"),
    [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1")],
    ids=str,
)
def test_port_is_listened_on_from_listen_to_close(
    ask: Callable[[int], bool], family: socket.AddressFamily, host: str
) -> None:
    with socket.socket(family) as sock:
        try:
            sock.bind((host, 0))
        except OSError as error:
            pytest.skip(f"no {host} here: {error}")
        port = sock.getsockname()[1]
        assert not ask(port), "bound is not listening"
        sock.listen()
        assert ask(port)
        with socket.create_connection((host, port), 5):
            assert ask(port)
    assert not ask(port), "closed, though its connection may linger"

"""A gate that refuses at once: the connection is closed then, and not when its time is up."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from isocenter.services.verification import echo
from tests.net.support import WAIT
from tests.net.tls_support import associate, listening

if TYPE_CHECKING:
    from collections.abc import Callable

REFUSED = "127.0.0.2"


class Gate:
    """Refuses one address."""

    def start(self, wake: Callable[[], None]) -> None:
        """There is nothing to wait for."""

    def admits(self, peer: str, local: str) -> bool:
        del local
        return not peer.startswith(f"{REFUSED}:")

    def settled(self) -> list[str]:
        return []

    def deadline(self) -> float | None:
        return None


def test_refused_connection_is_closed_at_once_without_a_word() -> None:
    with listening(gate=Gate()) as (listener, port):
        begun = time.monotonic()
        for _ in range(3):
            with socket.create_connection(
                ("127.0.0.1", port), WAIT, source_address=(REFUSED, 0)
            ) as peer:
                assert peer.recv(1) == b""
        assert time.monotonic() - begun < WAIT / 2
        assert len(listener._reception) == 0
        association = associate(port)
        assert echo(association) == 0
        association.release()

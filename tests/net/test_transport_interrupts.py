"""A transport that is interrupted between sending and counting what was sent: nothing follows.

Ctrl-C comes between any two steps. Whether the batch went out is unknown then; sent once more, a
part of it could complete an object at the peer with bytes that are not its own.
"""

from __future__ import annotations

import socket

import pytest

from isocenter.errors import ConnectionLost
from isocenter.net.transport import PlainTransport, SocketOptions


@pytest.mark.parametrize("kept", [100, 3, 0], ids=["all", "a part", "nothing"])
def test_nothing_is_sent_behind_an_interrupt(monkeypatch: pytest.MonkeyPatch, kept: int) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        ours.setblocking(False)
        transport = PlainTransport(ours, SocketOptions())

        def interrupted(batch: list[bytes]) -> int:
            data = b"".join(batch)[:kept]
            assert ours.send(data) == len(data)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(transport, "_send_some", interrupted, raising=False)
            transport.queue([b"first ", b"second"])
            with pytest.raises(KeyboardInterrupt):
                transport.send()
        assert not transport.unsent
        transport.queue([b"abort"])
        with pytest.raises(ConnectionLost):
            transport.send()
        theirs.settimeout(20)
        received = b""
        while piece := theirs.recv(100):
            received += piece
        assert received == b"first second"[:kept]
        transport.close()

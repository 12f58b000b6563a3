"""`serve` closes connections from elsewhere than the nets that it was given."""

from __future__ import annotations

import socket
import sys

import pytest

import isocenter
from isocenter.testing import raw
from isocenter.testing.datasets import EXPLICIT_LITTLE, VERIFICATION
from isocenter.testing.peer import PeerClosed, RawConnection
from isocenter.testing.raw import Context

WAIT = 30.0
CONTEXTS = [Context(1, VERIFICATION, (EXPLICIT_LITTLE,))]


def is_served(port: int, source: str = "127.0.0.1") -> bool:
    sock = socket.create_connection(("127.0.0.1", port), WAIT, source_address=(source, 0))
    with RawConnection(sock, timeout=WAIT) as requestor:
        try:
            requestor.send(raw.associate_rq(CONTEXTS))
            kind = requestor.receive().pdu_type
        except (PeerClosed, OSError):
            return False
        requestor.release()
        return kind == raw.ASSOCIATE_AC


@pytest.mark.skipif(sys.platform != "linux", reason="needs two addresses of one's own")
def test_only_given_nets_are_served() -> None:
    with isocenter.serve(networks=["192.0.2.0/24", "127.0.0.2"]) as server:
        assert is_served(server.port, "127.0.0.2")
        assert not is_served(server.port, "127.0.0.1")


def test_net_of_loopback_addresses_and_none_at_all_serve_this_host() -> None:
    for networks in (["127.0.0.0/8"], None):
        with isocenter.serve(networks=networks) as server:
            assert is_served(server.port)


@pytest.mark.parametrize("networks", [[], "127.0.0.1", ["127.0.0.1/8"], ["scanner.example"]])
def test_what_is_no_net_is_refused(networks: list[str]) -> None:
    with pytest.raises(ValueError, match=r"net|name"):
        isocenter.serve(networks=networks)

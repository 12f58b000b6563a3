"""Which addresses count as one peer."""

from __future__ import annotations

import subprocess
import sys

import pytest

from isocenter.neighbours import place_of
from isocenter.net.dispatch import Peers


@pytest.mark.parametrize(
    ("host", "place"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("pacs", "pacs"),
        ("", ""),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:1::/64"),
        ("2001:db8:0:2::1", "2001:db8:0:2::/64"),
        ("[2001:db8::1]", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("no:address", "no:address"),
    ],
)
def test_of_ipv6_the_net_of_64_bits_counts(host: str, place: str) -> None:
    assert place_of(host) == place


def test_a_net_of_ipv6_has_the_room_of_one_peer() -> None:
    peers = Peers(2)
    peers.add("2001:db8::1:50000")
    peers.add("2001:db8::2:50000")
    assert not peers.have_room_for("2001:db8::3:50000")
    assert peers.have_room_for("2001:db8:0:1::3:50000")
    peers.remove("2001:db8::1:50000")
    assert peers.have_room_for("2001:db8::3:50000")


def test_addresses_of_ipv4_have_room_each() -> None:
    peers = Peers(1)
    peers.add("192.0.2.1:50000")
    assert not peers.have_room_for("192.0.2.1:50001")
    assert peers.have_room_for("192.0.2.2:50000")
    assert not peers.have_room_for("::ffff:192.0.2.1:50000")


def test_ipv4_loads_nothing_for_it() -> None:
    code = (
        "import sys; before = set(sys.modules); "
        "from isocenter.neighbours import place_of; place_of('192.0.2.1'); "
        "sys.exit('ipaddress' in set(sys.modules) - before)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0

"""Host access control of DCMTK's storescp and of ours, and the patterns of libwrap itself.

Where the two differ on purpose the rule is not here (docs/deviations.md): ours refuses to start
with what libwrap passes over.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from functools import partial
from typing import TYPE_CHECKING

import pytest

from isocenter.security.access_files import AccessFiles
from isocenter.security.hosts_access import decide
from isocenter.security.hosts_patterns import MISMATCHED, Peer, parse_address
from tests.faults.test_receiver_access import is_served
from tests.support.access import write_rules
from tests.support.tools import DCMTK, OURS, Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.tools import Suite

pytestmark = [pytest.mark.slow, pytest.mark.peer("dcmtk")]

SOURCES = ("127.0.0.1", "127.0.0.2", "127.1.0.1")
CASES = [
    pytest.param("", "", id="no rules"),
    pytest.param("", "ALL: ALL\n", id="closed"),
    pytest.param("storescp: 127.0.0.2\n", "ALL: ALL\n", id="mostly closed"),
    pytest.param("", "storescp: 127.0.0. EXCEPT 127.0.0.2\n", id="except"),
    pytest.param("", "storescp: 127.0.0.0/255.255.255.0\nsshd: ALL: spawn x\n", id="net"),
    pytest.param("storescp: 127.1.: deny\nALL: ALL: allow\n", "ALL: ALL\n", id="one file"),
    pytest.param("", "storescp: 127.0.0.1, \\\n 127.1.0.1\n", id="continued"),
    pytest.param("", "ALL EXCEPT storescp: ALL\n", id="others"),
]


def outcome(suite: Suite, directory: Path, option: str, allow: str, deny: str) -> dict[str, bool]:
    """Return who is served; for each of the others there has to be a line."""
    guarded = write_rules(suite, directory, allow=allow, deny=deny)
    with Receiver(guarded, directory / "out", "-dhl", option) as receiver:
        served = {source: is_served(receiver.port, source) for source in SOURCES}
        for source in SOURCES:
            if not served[source]:
                receiver.process.wait_for_line(
                    "E: Receiving Association failed: 0006:0324 TCP wrapper: "
                    f"denied connection from unknown ({source})"
                )
    return served


@pytest.mark.parametrize("option", ["--access-control", "--access-full"])
@pytest.mark.parametrize(("allow", "deny"), CASES)
def test_both_let_in_the_same_hosts(option: str, allow: str, deny: str, tmp_path: Path) -> None:
    ours = outcome(OURS, tmp_path / "ours", option, allow, deny)
    assert ours == outcome(DCMTK, tmp_path / "theirs", option, allow, deny)
    if option == "--access-full":
        assert all(ours.values())


HOSTS = [
    *("ALL", "all", "LOCAL", "KNOWN", "UNKNOWN", "PARANOID", "ALL EXCEPT LOCAL"),
    *("10.0.0.1", "10.", "10.0.", "1.", "10.0.0.0/8", "10.0.0.0/255.0.0.0", "10.0.0.1/255.0.0.255"),
    *("10.0.0.1/32", "0.0.0.0/0", "10.0.*", "10.0.0.?", "*"),
    *("[2001:db8::]/32", "[2001:db8::1]", "[2001:db8:0:0::1]", "[2001:db8::]/31"),
    *(".example.org", "EXAMPLE.org", "ct1.example.org", "ct?.example.org", "*.example.org", "ct1"),
    *("10. EXCEPT 10.0.0.1", "ALL EXCEPT 10. EXCEPT 10.0.0.1", "10.0.0.1,11.", "KNOWN EXCEPT .org"),
    *("ALL@10.", "ALL@.example.org"),
]
PEERS = [
    *(("10.0.0.1", name) for name in ("", MISMATCHED, "ct1", "ct1.example.org", "example.org")),
    *(("10.9.0.1", name) for name in ("", "ct12.example.org", "a.b.example.org", "ct1.org")),
    *(("11.0.0.1", name) for name in ("", "CT1.Example.Org".lower())),
    *(("2001:db8::1", name) for name in ("", MISMATCHED, "ct1.example.org")),
    ("2001:dba::1", "x"),
    ("192.0.2.9", "10.0.example.org"),
]
ON_PURPOSE = {"0.0.0.0/0": {("10.0.0.1", "ct1")}, "10.0.*": {("192.0.2.9", "10.0.example.org")}}
"""Patterns of which we make something else than libwrap, and of which peers: a mask of 0 bits
matches nobody there, and a pattern of numbers may match a name."""


class Libwrap:
    """The library that DCMTK's tools ask, with tables of ours."""

    def __init__(self, directory: Path) -> None:
        path = ctypes.util.find_library("wrap")
        if path is None:
            pytest.skip("libwrap is not installed")
        self._library = ctypes.CDLL(path)
        self._tables = [str(directory / f"hosts.{name}").encode() for name in ("allow", "deny")]

    def allows(self, address: str, name: str) -> bool:
        names = {"": "unknown", MISMATCHED: "paranoid"}
        where = ("hosts_allow_table", "hosts_deny_table")
        pointers = [ctypes.c_char_p.in_dll(self._library, name) for name in where]
        before = [pointer.value for pointer in pointers]
        for pointer, path in zip(pointers, self._tables, strict=True):
            pointer.value = path
        try:
            words = ("storescp", names.get(name, name), address, "unknown")
            return bool(self._library.hosts_ctl(*[word.encode() for word in words]))
        finally:
            for pointer, path_before in zip(pointers, before, strict=True):
                pointer.value = path_before


TABLES = [
    *(f"{daemons}: ALL\n" for daemons in ("storescp", "StoreSCP", "sshd", "ALL", "KNOWN")),
    *(f"{daemons}: ALL\n" for daemons in ("store*", "store?", "sshd,storescp", "sshd storescp")),
    *(f"ALL EXCEPT {daemons}: ALL\n" for daemons in ("storescp", "sshd", "ALL EXCEPT storescp")),
    "# comment \\\nstorescp: ALL\n",
    "storescp: 11. \\\n 10.\n",
    "storescp: 10.\r\n",
    " \t\nstorescp \t:\t10.\n",
    "storescp: 10.: allow\nALL: ALL\n",
    "storescp: 10. : severity info : DENY\n",
    "storescp: 10.: severity = notice\n",
    "storescp: [2001:db8::1] 10.: deny\n",
]


@pytest.mark.parametrize("table", TABLES)
def test_lines_mean_what_they_mean_to_libwrap(table: str, tmp_path: Path) -> None:
    library = Libwrap(tmp_path)
    (tmp_path / "hosts.deny").write_bytes(table.encode())
    files = AccessFiles(
        "storescp", allow=str(tmp_path / "hosts.allow"), deny=str(tmp_path / "hosts.deny")
    )
    peer = Peer(parse_address("10.0.0.1"), str)
    assert decide(files.rules(), peer).allowed is library.allows("10.0.0.1", "")


@pytest.mark.parametrize("hosts", HOSTS)
def test_patterns_mean_what_they_mean_to_libwrap(hosts: str, tmp_path: Path) -> None:
    library = Libwrap(tmp_path)
    (tmp_path / "hosts.deny").write_text(f"storescp: {hosts}\n")
    files = AccessFiles(
        "storescp", allow=str(tmp_path / "hosts.allow"), deny=str(tmp_path / "hosts.deny")
    )
    different = {
        (address, name)
        for address, name in PEERS
        if decide(files.rules(), Peer(parse_address(address), partial(str, name))).allowed
        is not library.allows(address, name)
    }
    expected = ON_PURPOSE.get(hosts)
    assert different >= expected if expected else different == set()

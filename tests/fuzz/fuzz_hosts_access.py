"""Fuzz target: tables of host access control, and what they say about peers.

The input is hosts.allow, hosts.deny and a list of hosts, with a NUL between. Reading may raise
`ConfigurationError` and nothing else, asking nothing but `NameWanted` where no name is known. Who
is let in does not change by comments, and not by when the name is found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isocenter.errors import ConfigurationError
from isocenter.security.hosts_access import decide, parse_file_list, parse_table
from isocenter.security.hosts_patterns import MISMATCHED, NameWanted, Peer, parse_address
from tests.fuzz.oracle import raises_only

if TYPE_CHECKING:
    from isocenter.security.hosts_access import Rule
    from isocenter.security.hosts_patterns import Pattern

_PEERS = (
    ("192.0.2.7", "ct.hospital.example"),
    ("10.1.2.3", "10.0.0.1.example.org"),
    ("10.0.0.1", MISMATCHED),
    ("127.0.0.1", "localhost"),
    ("2001:db8::5", ""),
    ("::ffff:192.0.2.9", "a"),
    ("", ""),
)


def seeds() -> list[bytes]:
    """Return tables with each kind of pattern and option."""
    tables = (
        "storescp: 192.0.2. , .hospital.example EXCEPT ct2.hospital.example",
        "ALL: ALL EXCEPT LOCAL : DENY",
        "storescp@192.0.2.1: [2001:db8::]/32 10.0.0.0/255.0.0.0 10.1.0.0/16",
        "storescp: 10.*.0.? ct*.example KNOWN : severity auth.notice : allow",
        "storescp: UNKNOWN PARANOID : severity err",
        "storescp, 11112 : /list \\\n , ALL@192.0.2.7 : deny",
        "other: spawn and twist what they like\n# storescp: nobody\n",
    )
    hosts = "192.0.2.7 ct.hospital.example\n10.0.0.0/8\n"
    found = [f"{table}\0ALL: ALL\0{hosts}".encode() for table in tables]
    return [*found, f"\0storescp: /list\0{hosts}".encode(), "\n".join(tables).encode()]


def test_one_input(data: bytes) -> None:
    """Read one set of tables and check what follows from it."""
    allow, _, rest = data.decode("ascii", "surrogateescape").partition("\0")
    deny, _, hosts = rest.partition("\0")
    rules = _rules(allow, deny, hosts)
    if rules is None:
        return
    commented = _rules(f"# a comment\n\n{allow}", f"\n# another one\n{deny}", f"\n{hosts}")
    if commented is None or len(commented) != len(rules):
        raise AssertionError("comments and empty lines change the rules")
    for address, name in _PEERS:
        known = _allowed(rules, address, name)
        if known is None or known != _allowed(commented, address, name):
            raise AssertionError(f"{address} {name}: {known} changes by comments")
        unknown = _allowed(rules, address, None)
        if unknown is not None and unknown != known:
            raise AssertionError(f"{address}: {unknown} without a name, {known} with {name!r}")


def _rules(allow: str, deny: str, hosts: str) -> tuple[Rule, ...] | None:
    depth = 0

    def file(path: str) -> Pattern:
        nonlocal depth
        depth += 1
        if depth > 8:
            raise ConfigurationError(f"{path}: too deeply")
        try:
            return parse_file_list(hosts, path, file)
        finally:
            depth -= 1

    with raises_only(ConfigurationError):
        return parse_table(allow, "allow", daemon="storescp", allows=True, file=file) + parse_table(
            deny, "deny", daemon="storescp", allows=False, file=file
        )
    return None


def _allowed(rules: tuple[Rule, ...], address: str, name: str | None) -> bool | None:
    """Return what the rules say; None where they want the name."""

    def name_of() -> str:
        if name is None:
            raise NameWanted
        return name

    peer = Peer(parse_address(address), name_of, parse_address("192.0.2.1"), 11112)
    try:
        return decide(rules, peer).allowed
    except NameWanted:
        return None

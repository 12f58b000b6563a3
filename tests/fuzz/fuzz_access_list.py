"""Fuzz target: accept lists, and what they say about whom.

Reading may raise `ConfigurationError` and nothing else. Comments change nobody's admission; who is
refused by address alone is refused with any titles and any name.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from isocenter.errors import ConfigurationError
from isocenter.security.access_list import Asker, parse_access_list
from tests.fuzz.oracle import raises_only

if TYPE_CHECKING:
    from isocenter.security.access_list import AccessList

_TITLES = (("CT1", "ARCHIVE"), ("", ""), ("MR 2", "*"), ("\xe9", "STORESCP"))
_PLACES = (
    ("192.0.2.7", "ct1.hospital.example"),
    ("10.1.2.3", ""),
    ("2001:db8::5", "a"),
    ("127.0.0.1", "localhost"),
    ("", ""),
)


def seeds() -> list[bytes]:
    """Return lists with each kind of condition, and some that are wrong."""
    lists = (
        "allow calling=CT1 called=ARCHIVE from=192.0.2.0/24\ndeny\n",
        "# who may\nallow calling='MR *' from=ct?.hospital.example # by name\n",
        'deny from=10.0.0.0/8 from=2001:db8::/32\nallow calling="CT*"',
        "deny calling=X\n\n  deny called=Y from=127.0.0.1\n",
        "allow from=192.0.2.1/24",
        "allow calling=",
        "permit all",
        "allow calling='x",
        "deny from=::ffff:192.0.2.7",
        "allow from=fe80::1%eth0",
    )
    return [text.encode() for text in lists]


def test_one_input(data: bytes) -> None:
    """Read one list and check what follows from it."""
    text = data.decode("latin-1")
    access: AccessList | None = None
    with raises_only(ConfigurationError):
        access = parse_access_list(text, "F")
    if access is None:
        return
    commented = parse_access_list(f"# comment\n\n{text}\n# end", "F")
    for host, name in _PLACES:
        address = ip_address(host) if host else None
        refusal = access.refuses_from(address)
        for calling, called in _TITLES:
            asker = Asker(calling, called, address, lambda name=name: name)  # type: ignore[misc]
            decision = access.decide(asker)
            if decision.allowed != commented.decide(asker).allowed:
                raise AssertionError("comments change who is let in")
            if refusal is not None and decision.allowed:
                raise AssertionError(f"{host} is refused, and let in as {calling}")
            words = access.words(decision)
            if not words.isascii() or not words.isprintable():
                raise AssertionError(f"{words!r} is no line for a log")
            if not decision.allowed:
                access.is_fault_of_called_title(asker, decision)

"""Fuzz target: which titles the owner of a certificate may use.

The input is a certificate in DER, or where it begins with a letter, a blank or ``#`` a file of
rules. Reading rules may raise `ConfigurationError` and nothing else. Of any certificate there are
names, of one that cannot be read its hash alone; and what is said of it can stand in a log.
"""

from __future__ import annotations

import functools
import hashlib

from isocenter.errors import ConfigurationError
from isocenter.security.certificate_titles import names_of, parse_certificate_titles
from isocenter.testing.certificates import Authority
from tests.fuzz.oracle import raises_only

_RULES = (
    "cn=ct1 calling=CT1\n",
    "dns=ct1.hospital.example uri=urn:x email=a@B.example calling='CT *' # the scanner\n",
    'subject="CN=ct1,O=Hospital,C=DE" calling=CT?',
    f"sha256={'0f' * 32} calling=CT1",
    f"sha256={':'.join(['0F'] * 32)} calling=CT1",
    "calling=CT1",
    "cn=ct1",
    "subject=nonsense calling=X",
    "cn='\xe4' calling=X",
)


@functools.cache
def _certificates() -> tuple[bytes, ...]:
    authority = Authority("Hospital Root", key="ec-p256")
    issued = authority.issue(
        "ct1", key="ec-p256", names=["ct1.hospital.example"], addresses=["192.0.2.7"]
    )
    found = []
    for path in (authority.path_der, issued.certificate_der):
        with open(path, "rb") as file:
            found.append(file.read())
    return tuple(found)


def seeds() -> list[bytes]:
    """Return certificates, and files of rules."""
    return [*_certificates(), *(rule.encode() for rule in _RULES), "\n".join(_RULES).encode()]


def test_one_input(data: bytes) -> None:
    """Read one certificate or file and check what follows from it."""
    if data[:1].isalpha() or data[:1] in (b" ", b"#"):
        _check_rules(data.decode("latin-1"))
        return
    names, subject = names_of(data)
    if names["sha256"] != frozenset({hashlib.sha256(data).hexdigest()}):
        raise AssertionError("a certificate with the hash of another one")
    if not subject.isascii() or not subject.isprintable():
        raise AssertionError(f"{subject!r} is no word for a log")


def _check_rules(text: str) -> None:
    with raises_only(ConfigurationError):
        rules = parse_certificate_titles(text, "F")
        if parse_certificate_titles(f"# comment\n{text}", "F")[0].calling != rules[0].calling:
            raise AssertionError("a comment changes the rules")
        for certificate in _certificates():
            names, _ = names_of(certificate)
            for rule in rules:
                rule.is_about(names)

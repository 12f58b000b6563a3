"""What is a root authority's certificate, and what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from isocenter.security.root_certificate import fault_of_root
from isocenter.testing.certificates import Authority


def fault(path: str) -> str | None:
    return fault_of_root(Path(path).read_bytes())


@pytest.mark.parametrize("key", ["ec-p256", "rsa-2048"])
def test_a_root_is_one(key: str) -> None:
    assert fault(Authority("Root", key=key).path_der) is None


def test_a_certificate_that_another_signed_is_none() -> None:
    root = Authority("Root", key="ec-p256")
    expected = "it was issued by 'CN=Root,O=isocenter tests', and not by itself"
    assert fault(root.issue("leaf", key="ec-p256").certificate_der) == expected
    assert fault(root.intermediate("Ward", key="ec-p256").path_der) == expected


def test_a_certificate_that_only_bears_its_own_name_twice_is_none() -> None:
    """Signed by another authority of the same name."""
    namesake = Authority("Root", key="ec-p256").intermediate("Root", key="ec-p256")
    assert fault(namesake.path_der) == "it is not signed with its own key"


def test_a_root_that_has_expired_is_none() -> None:
    expired = Authority("Root", key="ec-p256", expired=True)
    assert fault(expired.path_der) == "certificate has expired"


@pytest.mark.parametrize("data", [b"", b"\x30\x03\x02\x01\x01", b"garbage" * 99])
def test_what_is_no_certificate_is_none(data: bytes) -> None:
    assert fault_of_root(data) == "it cannot be read"


def test_a_damaged_root_is_none() -> None:
    data = bytearray(Path(Authority("Root", key="ec-p256").path_der).read_bytes())
    data[-1] ^= 1
    assert fault_of_root(bytes(data)) == "it is not signed with its own key"

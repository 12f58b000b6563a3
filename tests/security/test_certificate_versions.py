"""A certificate of a version that there is not has its hash for a name, as any unreadable one."""

from __future__ import annotations

import hashlib

from isocenter.security.certificate_titles import names_of
from isocenter.testing.certificates import Authority


def test_certificate_of_an_unknown_version_is_one_that_cannot_be_read() -> None:
    with open(Authority("Root", key="ec-p256").path_der, "rb") as file:
        good = file.read()
    bad = good.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x22", 1)
    assert bad != good
    names, subject = names_of(bad)
    assert names == {"sha256": frozenset({hashlib.sha256(bad).hexdigest()})}
    assert subject == "one that cannot be read"

"""Keywords are those of PS3.6, as pydicom has them."""

from __future__ import annotations

import pytest
from pydicom.uid import UID

from isocenter import uids
from isocenter.sender.keywords import keyword_of

KNOWN = [
    uid
    for uid in (*uids.SOP_CLASSES, *uids.TRANSFER_SYNTAXES)
    if UID(uid).keyword and not uid.startswith("1.2.840.113619")
]


def test_most_are_in_the_registry_of_pydicom() -> None:
    assert len(KNOWN) > 200


@pytest.mark.parametrize("uid", KNOWN)
def test_keyword_is_that_of_the_registry(uid: str) -> None:
    assert keyword_of(uid) == UID(uid).keyword


@pytest.mark.parametrize(
    ("uid", "word"),
    [
        (uids.PRIVATE_GE_IMPLICIT_VR_BIG_ENDIAN_PIXELS,) * 2,
        ("1.2.3.4.5", "1.2.3.4.5"),
    ],
)
def test_uid_that_is_not_registered_keeps_its_name(uid: str, word: str) -> None:
    assert keyword_of(uid) == uids.name_of(word)

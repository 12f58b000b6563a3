"""Application entity titles (PS3.5 6.2, PS3.8 9.3.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter import aetitle


@pytest.mark.parametrize(
    ("title", "field"),
    [
        ("STORESCP", b"STORESCP        "),
        ("", b" " * 16),
        (" LEADING", b" LEADING        "),
        ("SIXTEEN-LETTERS!", b"SIXTEEN-LETTERS!"),
        ("SEVENTEEN-LETTERS", b"SEVENTEEN-LETTER"),
        ("M\xdcNCHEN", b"M\xdcNCHEN         "),
    ],
)
def test_title_is_padded_with_spaces_and_cut_after_16(title: str, field: bytes) -> None:
    assert aetitle.encode(title) == field


def test_title_outside_latin_1_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="latin-1"):
        aetitle.encode("\u20ac")


@pytest.mark.parametrize(
    ("field", "title"),
    [
        (b"STORESCP        ", "STORESCP"),
        (b"STORESCP\0\0\0\0\0\0\0\0", "STORESCP\0\0\0\0\0\0\0\0"),
        (b"STORE \0 \0        ", "STORE \0 \0"),
        (b"  STORE         ", "  STORE"),
        (bytes(16), "\0" * 16),
        (b" " * 16, ""),
        (b"\xff\x80             ", "\xff\x80"),
    ],
)
def test_field_loses_its_trailing_spaces_and_nothing_else(field: bytes, title: str) -> None:
    assert aetitle.decode(field) == title


def test_titles_are_compared_without_padding_and_with_case() -> None:
    assert aetitle.same(" STORE ", "STORE\0\0")
    assert not aetitle.same("STORE", "store")
    assert not aetitle.same("STORE", "STO RE")
    assert aetitle.normalise("\0 A B \0") == "A B"


@given(st.binary(min_size=16, max_size=16))
def test_any_field_is_returned_as_it_came(field: bytes) -> None:
    assert aetitle.encode(aetitle.decode(field)) == field


@pytest.mark.parametrize("title", ["", "A", "STORE SCP", "SIXTEEN_LETTERS_"])
def test_title_of_ones_own_may_be_what_the_standard_allows(title: str) -> None:
    aetitle.check("called", title)


@pytest.mark.parametrize(
    ("title", "reason"),
    [
        ("SEVENTEEN_LETTERS", "1 to 16 ASCII"),
        ("A\\B", "no backslash"),
        ("\u00c4", "ASCII"),
        ("A\nB", "control characters"),
        ("A\0", "control characters"),
    ],
)
def test_title_of_ones_own_that_would_be_cut_or_misread_is_refused(title: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"calling AE title .*{reason}"):
        aetitle.check("calling", title)

"""Classes of VRs."""

from __future__ import annotations

import pytest

from isocenter.dataset import part10, vr


def test_every_vr_of_the_standard_has_one_form_of_length() -> None:
    assert len(vr.ALL_VRS) == 34
    assert not vr.SHORT_VRS & vr.LONG_VRS
    assert vr.LONG_VRS is part10.LONG_VRS
    assert vr.SHORT_VRS is part10.SHORT_VRS


def test_markers_are_no_vrs() -> None:
    assert not vr.MARKERS & vr.ALL_VRS
    assert {len(marker) for marker in vr.MARKERS} == {2}
    assert all(marker.islower() for marker in vr.MARKERS)


@pytest.mark.parametrize(
    ("size", "vrs"),
    [
        (2, "AT OW SS US"),
        (4, "FL OF OL SL UL"),
        (8, "FD OD OV SV UV"),
        (1, "AE AS CS DA DS DT IS LO LT OB PN SH SQ ST TM UC UI UN UR UT"),
    ],
)
def test_word_size(size: int, vrs: str) -> None:
    assert {name for name, words in vr.WORD_SIZES.items() if words == size} == set(
        vrs.encode().split()
    )


def test_text_is_padded_with_blanks_and_everything_else_with_nul() -> None:
    text = set(b"AE AS CS DA DS DT IS LO LT PN SH ST TM UC UR UT".split())
    assert text == vr.TEXT_VRS
    for name in vr.ALL_VRS:
        assert vr.padding_of(name) == (b" " if name in text else b"\0")


def test_character_set_applies_to_seven_vrs() -> None:
    assert set(b"SH LO ST LT PN UC UT".split()) == vr.CHARACTER_SET_VRS
    assert vr.CHARACTER_SET_VRS < vr.TEXT_VRS

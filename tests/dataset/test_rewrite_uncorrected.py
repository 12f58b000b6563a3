"""Data sets written as DCMTK's dcmrecv writes them: read without correcting anything."""

from __future__ import annotations

import pytest

from tests.dataset.streams import EXPLICIT, OPTION_SETS, profile, rewrite, stream

HOW = profile(EXPLICIT, options=OPTION_SETS["dcmrecv"])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("0800 6000 'CS' 0300 'CT '", "0800 6000 'CS' 0400 'CT  '", id="odd text"),
        pytest.param("0800 1800 'UI' 0300 '1.2'", "0800 1800 'UI' 0400 '1.2' 00", id="odd UID"),
        pytest.param(
            "4000 60a1 'UT' 0000 03000000 'abc'", "4000 60a1 'UT' 0000 04000000 'abc '", id="UT"
        ),
        pytest.param(
            "0800 4011 'SQ' 0000 08000000 feff00e0 00000000",
            "0800 4011 'SQ' 0000 ffffffff feff00e0 ffffffff feff0de0 00000000 feffdde0 00000000",
            id="explicit lengths",
        ),
    ],
)
def test_what_changes(before: str, after: str) -> None:
    assert rewrite(stream(before), HOW) == stream(after)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("0800 6000 'CS' 0600 'CT    '", id="blanks behind text"),
        pytest.param("0800 1800 'UI' 0600 '1.2   '", id="blanks behind a UID"),
        pytest.param("fcff fcff 'OB' 0000 04000000 00000000", id="trailing padding"),
        pytest.param(
            "0800 4011 'SQ' 0000 ffffffff feff00e0 ffffffff feff0de0 00000000 feffdde0 00000000",
            id="undefined lengths",
        ),
    ],
)
def test_what_stays(data: str) -> None:
    assert rewrite(stream(data), HOW) == stream(data)

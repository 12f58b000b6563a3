"""What becomes of values, lengths, group lengths, padding and stray tags; each as hex.

Data sets are in explicit VR little endian unless a case says something else. The values
expected are DCMTK's, measured; where ours are others on purpose, the case says so.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from isocenter.dataset.convert import plan_rewrite
from isocenter.dataset.profile import RewriteOptions, RewriteProfile
from isocenter.errors import DataSetError
from tests.dataset.streams import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    RLE,
    outcome,
    outcome_of_pieces,
    profile,
    rewrite,
    stream,
)


class Case(NamedTuple):
    """One data set before and after."""

    name: str
    before: str
    after: str
    options: RewriteOptions = RewriteOptions()
    syntax: str = EXPLICIT


UNDEFINED = RewriteOptions(lengths="undefined")
KEEP = RewriteOptions(lengths="keep")
CREATE = RewriteOptions(group_lengths="create")
REMOVE = RewriteOptions(group_lengths="remove")

TEXTS = [
    Case("one blank fills up to even", "0800 6000 'CS' 0400 'ABC '", "0800 6000 'CS' 0400 'ABC '"),
    Case("more are cut", "0800 6000 'CS' 0600 'ABC   '", "0800 6000 'CS' 0400 'ABC '"),
    Case("none is needed", "0800 6000 'CS' 0800 'ABCD    '", "0800 6000 'CS' 0400 'ABCD'"),
    Case("blanks alone are nothing", "0800 6000 'CS' 0400 '    '", "0800 6000 'CS' 0000"),
    Case("blanks in front stay", "1000 2000 'LO' 0600 '  ABCD'", "1000 2000 'LO' 0600 '  ABCD'"),
    Case(
        "of several values only the last is cut",
        "1000 2000 'LO' 0e00 'ABCD  \\ABCD   '",
        "1000 2000 'LO' 0c00 'ABCD  \\ABCD '",
    ),
    Case(
        "a NUL is a letter",
        "0800 6000 'CS' 0600 'ABCD' 00 ' '",
        "0800 6000 'CS' 0600 'ABCD' 00 ' '",
    ),
    Case("NULs are no padding", "0800 6000 'CS' 0600 'AB' 00*4", "0800 6000 'CS' 0600 'AB' 00*4"),
    Case(
        "odd text gets a NUL, nothing cut",
        "0800 6000 'CS' 0300 '1  '",
        "0800 6000 'CS' 0400 '1  ' 00",
    ),
    Case("a tab is no blank", "0800 6000 'CS' 0400 'ABC' 09", "0800 6000 'CS' 0400 'ABC' 09"),
    Case(
        "text with a long header",
        "4000 60a1 'UT' 0000 06000000 'ABC   '",
        "4000 60a1 'UT' 0000 04000000 'ABC '",
    ),
]

UIDS = [
    Case("a NUL fills up", "2000 0d00 'UI' 0600 '1.2.3' 00", "2000 0d00 'UI' 0600 '1.2.3' 00"),
    Case("a blank becomes a NUL", "2000 0d00 'UI' 0600 '1.2.3 '", "2000 0d00 'UI' 0600 '1.2.3' 00"),
    Case("more NULs are cut", "2000 0d00 'UI' 0800 '1.2.3' 00*3", "2000 0d00 'UI' 0600 '1.2.3' 00"),
    Case(
        "both in any mixture",
        "2000 0d00 'UI' 0800 '1.23' 20 00 20 00",
        "2000 0d00 'UI' 0400 '1.23'",
    ),
    Case("NULs alone are nothing", "2000 0d00 'UI' 0400 00*4", "2000 0d00 'UI' 0000"),
    Case(
        "blanks vanish anywhere",
        "2000 0d00 'UI' 0a00 ' 1.2 \\ 1.3'",
        "2000 0d00 'UI' 0800 '1.2\\1.3' 00",
    ),
    Case(
        "and so does white space",
        "2000 0d00 'UI' 0800 '1.2' 0d 0a 09 0c 20",
        "2000 0d00 'UI' 0400 '1.2' 00",
    ),
    Case(
        "a NUL within stays",
        "2000 0d00 'UI' 0600 'AB' 00 'CD '",
        "2000 0d00 'UI' 0600 'AB' 00 'CD' 00",
    ),
    Case("odd UID", "2000 0d00 'UI' 0500 '1.2.3'", "2000 0d00 'UI' 0600 '1.2.3' 00"),
    Case("odd UID with a NUL", "2000 0d00 'UI' 0500 '1.23' 00", "2000 0d00 'UI' 0400 '1.23'"),
]

NUMBERS = [
    Case("odd US gets a NUL", "2800 1000 'US' 0300 010203", "2800 1000 'US' 0400 01020300"),
    Case("odd OB", "4200 1100 'OB' 0000 03000000 010203", "4200 1100 'OB' 0000 04000000 01020300"),
    Case("odd UN", "0900 0110 'UN' 0000 03000000 010203", "0900 0110 'UN' 0000 04000000 01020300"),
    # DCMTK keeps it odd; the standard knows no odd lengths (PS3.5 7.1.1).
    Case("odd OW", "e07f 1000 'OW' 0000 03000000 010203", "e07f 1000 'OW' 0000 04000000 01020300"),
    Case("UL of two bytes", "1800 1660 'UL' 0200 0102", "1800 1660 'UL' 0200 0102"),
]

ITEM_CS = "feff00e0 0a000000  0800 6000 'CS' 0200 'CT'"
LENGTHS = [
    Case(
        "undefined lengths become explicit",
        """0800 4011 'SQ' 0000 ffffffff
             feff00e0 ffffffff  0800 6000 'CS' 0200 'CT'  feff0de0 00000000
           feffdde0 00000000""",
        f"0800 4011 'SQ' 0000 12000000 {ITEM_CS}",
    ),
    Case(
        "explicit lengths become undefined",
        f"0800 4011 'SQ' 0000 12000000 {ITEM_CS}",
        """0800 4011 'SQ' 0000 ffffffff
             feff00e0 ffffffff  0800 6000 'CS' 0200 'CT'  feff0de0 00000000
           feffdde0 00000000""",
        UNDEFINED,
    ),
    Case(
        "either stays where asked for",
        f"0800 4011 'SQ' 0000 ffffffff {ITEM_CS} feffdde0 00000000",
        f"0800 4011 'SQ' 0000 ffffffff {ITEM_CS} feffdde0 00000000",
        KEEP,
    ),
    Case(
        "empty sequence, undefined",
        "0800 4011 'SQ' 0000 00000000",
        "0800 4011 'SQ' 0000 ffffffff feffdde0 00000000",
        UNDEFINED,
    ),
    Case(
        "empty item, undefined",
        "0800 4011 'SQ' 0000 08000000 feff00e0 00000000",
        "0800 4011 'SQ' 0000 ffffffff feff00e0 ffffffff feff0de0 00000000 feffdde0 00000000",
        UNDEFINED,
    ),
    Case(
        "empty ones, explicit",
        "0800 4011 'SQ' 0000 ffffffff feff00e0 ffffffff feff0de0 00000000 feffdde0 00000000",
        "0800 4011 'SQ' 0000 08000000 feff00e0 00000000",
    ),
    Case(
        "a value that is cut shortens what it is in",
        "0800 4011 'SQ' 0000 16000000 feff00e0 0e000000  0800 6000 'CS' 0600 'CT    '",
        f"0800 4011 'SQ' 0000 12000000 {ITEM_CS}",
    ),
    Case(
        "the same in implicit VR",
        "0800 4011 16000000 feff00e0 0e000000  0800 6000 06000000 'CT    '",
        "0800 4011 12000000 feff00e0 0a000000  0800 6000 02000000 'CT'",
        syntax=IMPLICIT,
    ),
    Case(
        "the same in big endian",
        "0008 1140 'SQ' 0000 00000016 fffee000 0000000e  0008 0060 'CS' 0006 'CT    '",
        "0008 1140 'SQ' 0000 00000012 fffee000 0000000a  0008 0060 'CS' 0002 'CT'",
        syntax=BIG,
    ),
    Case(
        "reserved bytes are passed over",
        "e07f 1000 'OB' 3132 02000000 0102",
        "e07f 1000 'OB' 3132 02000000 0102",
    ),
]

STRAY = [
    Case(
        "elements of the delimiters' group stay",
        "feff1000 'LO' 0200 'AB'",
        "feff1000 'LO' 0200 'AB'",
    ),
    Case(
        "a sequence's end in one of explicit length is dropped",
        f"0800 4011 'SQ' 0000 1a000000 {ITEM_CS} feffdde0 00000000",
        f"0800 4011 'SQ' 0000 12000000 {ITEM_CS}",
    ),
    Case(
        "an item's end in one of explicit length is dropped",
        "0800 4011 'SQ' 0000 1a000000 feff00e0 12000000 0800 6000 'CS' 0200 'CT' feff0de0 00000000",
        f"0800 4011 'SQ' 0000 12000000 {ITEM_CS}",
    ),
    Case(
        "at the top it is dropped, and nothing behind it",  # DCMTK loses the rest
        "0800 6000 'CS' 0200 'CT' feff0de0 00000000 1000 2000 'LO' 0200 'ID'",
        "0800 6000 'CS' 0200 'CT' 1000 2000 'LO' 0200 'ID'",
    ),
    Case(
        "an item's end that is missing before the sequence's is added",
        """0800 4011 'SQ' 0000 ffffffff
             feff00e0 ffffffff  0800 6000 'CS' 0200 'CT'
           feffdde0 00000000""",
        f"0800 4011 'SQ' 0000 12000000 {ITEM_CS}",
    ),
    Case(
        "ends that are missing at the end of all",
        "0800 4011 'SQ' 0000 ffffffff feff00e0 ffffffff  0800 6000 'CS' 0200 'CT'",
        f"0800 4011 'SQ' 0000 12000000 {ITEM_CS}",
    ),
    Case(
        "zeros behind, fewer than a header",
        "0800 6000 'CS' 0200 'CT' 00*6",
        "0800 6000 'CS' 0200 'CT'",
    ),
    # DCMTK makes an element (0000,0000) of them.
    Case("more zeros behind", "0800 6000 'CS' 0200 'CT' 00*100", "0800 6000 'CS' 0200 'CT'"),
    Case(
        "zeros behind in implicit VR",
        "0800 6000 02000000 'CT' 00*20",
        "0800 6000 02000000 'CT'",
        syntax=IMPLICIT,
    ),
    Case(
        "a header cut at the end",
        "0800 6000 'CS' 0200 'CT' 1000 2000 'LO'",
        "0800 6000 'CS' 0200 'CT'",
    ),
    Case(
        "a long header cut",
        "0800 6000 'CS' 0200 'CT' e07f 1000 'OB' 0000 0000",
        "0800 6000 'CS' 0200 'CT'",
    ),
]

GROUPS = [
    Case(
        "a length that lies is corrected",
        "1000 0000 'UL' 0400 63000000 1000 2000 'LO' 0200 'ID' 2000 1300 'IS' 0200 '1 '",
        "1000 0000 'UL' 0400 0a000000 1000 2000 'LO' 0200 'ID' 2000 1300 'IS' 0200 '1 '",
    ),
    Case(
        "it counts what is written",
        "1000 0000 'UL' 0400 0e000000 1000 2000 'LO' 0600 'ID    '",
        "1000 0000 'UL' 0400 0a000000 1000 2000 'LO' 0200 'ID'",
    ),
    Case("of nothing it is 0", "1000 0000 'UL' 0400 0a000000", "1000 0000 'UL' 0400 00000000"),
    Case(
        "another VR becomes UL", "1000 0000 'OB' 0000 02000000 0102", "1000 0000 'UL' 0400 00000000"
    ),
    Case("an empty one gets a value", "1000 0000 'UL' 0000", "1000 0000 'UL' 0400 00000000"),
    # DCMTK keeps the second value.
    Case("two values become one", "1000 0000 'UL' 0800 63*8", "1000 0000 'UL' 0400 00000000"),
    Case(
        "created: before each group, in items too",
        f"0800 4011 'SQ' 0000 12000000 {ITEM_CS} 1000 2000 'LO' 0200 'ID'",
        """0800 0000 'UL' 0400 2a000000
           0800 4011 'SQ' 0000 1e000000
             feff00e0 16000000  0800 0000 'UL' 0400 0a000000  0800 6000 'CS' 0200 'CT'
           1000 0000 'UL' 0400 0a000000 1000 2000 'LO' 0200 'ID'""",
        CREATE,
    ),
    Case(
        "created: present ones are not counted twice, empty groups vanish",
        "0800 0000 'UL' 0400 00000000 1000 0000 'UL' 0400 63000000 1000 2000 'LO' 0200 'ID'",
        "1000 0000 'UL' 0400 0a000000 1000 2000 'LO' 0200 'ID'",
        CREATE,
    ),
    Case(
        "removed, in items too",
        """0800 0000 'UL' 0400 00000000
            0800 4011 'SQ' 0000 1e000000
              feff00e0 16000000 0800 0000 'UL' 0400 0a000000  0800 6000 'CS' 0200 'CT'""",
        f"0800 4011 'SQ' 0000 12000000 {ITEM_CS}",
        REMOVE,
    ),
    Case(
        "length to end is an element like others",
        "0800 0100 'UL' 0400 63000000",
        "0800 0100 'UL' 0400 63000000",
        REMOVE,
    ),
]

PADDING = [
    Case(
        "data set trailing padding goes, in items too",
        """0800 4011 'SQ' 0000 20000000
             feff00e0 18000000  0800 6000 'CS' 0200 'CT'  fcfffcff 'OB' 0000 02000000 0000
           fcfffcff 'OB' 0000 04000000 00*4""",
        f"0800 4011 'SQ' 0000 12000000 {ITEM_CS}",
    ),
    Case(
        "it stays where asked for",
        "0800 6000 'CS' 0200 'CT' fcfffcff 'OB' 0000 04000000 00*4",
        "0800 6000 'CS' 0200 'CT' fcfffcff 'OB' 0000 04000000 00*4",
        RewriteOptions(keep_trailing_padding=True),
    ),
    Case(
        "an item's content becomes a multiple",
        f"0800 4011 'SQ' 0000 12000000 {ITEM_CS}",
        """0800 4011 'SQ' 0000 26000000
             feff00e0 1e000000  0800 6000 'CS' 0200 'CT'
                                fcfffcff 'OB' 0000 08000000 00*8""",
        RewriteOptions(item_padding=30),
    ),
    Case(
        "less than a header is a multiple more",
        "0800 6000 'CS' 0200 'CT'",
        "0800 6000 'CS' 0200 'CT' fcfffcff 'OB' 0000 0a000000 00*10",
        RewriteOptions(file_padding=16),
    ),
    Case(
        "an empty item gets none",
        "0800 4011 'SQ' 0000 08000000 feff00e0 00000000",
        "0800 4011 'SQ' 0000 08000000 feff00e0 00000000",
        RewriteOptions(item_padding=30),
    ),
    Case(
        "in implicit VR its header has 8 bytes",
        "0800 6000 02000000 'CT'",
        "0800 6000 02000000 'CT' fcfffcff 0e000000 00*14",
        RewriteOptions(file_padding=32),
        IMPLICIT,
    ),
    Case(
        "a length of its group counts it",
        "0800 6000 'CS' 0200 'CT' fcff0000 'UL' 0400 00000000",
        "0800 6000 'CS' 0200 'CT' fcff0000 'UL' 0400 16000000 fcfffcff 'OB' 0000 0a000000 00*10",
        RewriteOptions(file_padding=44),
    ),
]

ENCAPSULATED = [
    Case(
        "fragments stay as they are, whatever the lengths",
        "e07f 1000 'OB' 0000 ffffffff feff00e0 00000000 feff00e0 02000000 0102 feffdde0 00000000",
        "e07f 1000 'OB' 0000 ffffffff feff00e0 00000000 feff00e0 02000000 0102 feffdde0 00000000",
        UNDEFINED,
        RLE,
    ),
    Case(
        "OW becomes OB",
        "e07f 1000 'OW' 0000 ffffffff feff00e0 00000000 feff00e0 02000000 0102 feffdde0 00000000",
        "e07f 1000 'OB' 0000 ffffffff feff00e0 00000000 feff00e0 02000000 0102 feffdde0 00000000",
        syntax=RLE,
    ),
    Case(
        "an odd fragment gets a NUL",
        "e07f 1000 'OB' 0000 ffffffff feff00e0 00000000 feff00e0 03000000 010203 feffdde0 00000000",
        "e07f 1000 'OB' 0000 ffffffff feff00e0 00000000 feff00e0 04000000 01020300 feffdde0 00*4",
        syntax=RLE,
    ),
    Case(
        "it stays in an uncompressed syntax, which DCMTK refuses to write",
        "e07f 1000 'OB' 0000 ffffffff feff00e0 00000000 feff00e0 02000000 0102 feffdde0 00000000",
        "e07f 1000 'OB' 0000 ffffffff feff00e0 00000000 feff00e0 02000000 0102 feffdde0 00000000",
    ),
]

CASES = TEXTS + UIDS + NUMBERS + LENGTHS + STRAY + GROUPS + PADDING + ENCAPSULATED


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_data_set_becomes(case: Case) -> None:
    before, after = stream(case.before), stream(case.after)
    how = profile(case.syntax, options=case.options)
    plan = plan_rewrite(before, how)
    assert rewrite(before, how).hex(" ", 2) == after.hex(" ", 2)
    assert plan.length == len(after)
    if before != after:
        assert not plan.is_identity
    bytewise = [before[place : place + 1] for place in range(len(before))]
    assert outcome_of_pieces(before, bytewise, how) == outcome(before, how)


@pytest.mark.parametrize("case", TEXTS + UIDS, ids=lambda case: case.name)
def test_values_stay_where_asked_for(case: Case) -> None:
    before = stream(case.before)
    if len(before) % 2 == 0:
        how = profile(EXPLICIT, options=RewriteOptions(normalise_values=False))
        assert plan_rewrite(before, how).is_identity


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("0800 4011 'SQ' 0000 08000000 feff00e0 00000000 2000", "header"),
        ("0800 6000 'CS' 0a00 'CT'", "cut short: 8 bytes"),
        ("e07f 1000 'OB' 0000 64000000", "cut short: 100 bytes"),  # DCMTK: an empty value
        ("0800 4011 'SQ' 0000 12000000 feff00e0 0a000000 0800", "cut short"),
        ("4000 60a1 'UT' 0000 ffffffff 'AB'", "no length"),
        ("0800 4011 'SQ' 0000 08000000 0800 6000 'CS' 0000", "between items"),
        ("0800 4011 'SQ' 0000 10000000 feff00e0 08000000 0800 6000 'CS' 0200 'CT'", "item"),
        ("feff00e0 00000000", "out of place"),
        ("feff00e0 'LO' 0000", "out of place"),  # its length looks like a VR
        ("0800 6000 0100 02000000 'CT'", "no value representation"),
        ("e07f 1000 'OB' 0000 ffffffff feff00e0 ffffffff", "fragment"),
        ("e07f 1000 'OB' 0000 ffffffff feff00e0 0a000000 0102", "cut short"),
        ("e07f 1000 'OB' 0000 ffffffff feff0de0 00000000", "out of place"),
    ],
)
def test_what_cannot_be_read_is_an_error(data: str, reason: str) -> None:
    if reason == "header":
        data = "0800 4011 'SQ' 0000 0c000000 feff00e0 04000000 08006000"
    with pytest.raises(DataSetError, match=reason):
        plan_rewrite(stream(data), profile(EXPLICIT))


def test_plan_tells_values_that_are_wanted_as_they_will_be() -> None:
    data = stream(
        """0800 1600 'UI' 0600 '1.2 .3'
           0800 1800 'UI' 0400 '1.2' 00
           0800 4011 'SQ' 0000 14000000 feff00e0 0c000000  2000 0d00 'UI' 0400 '9.9' 00
           2000 0d00 'UI' 0000"""
    )
    for target in ("", IMPLICIT, BIG):
        plan = plan_rewrite(data, profile(EXPLICIT, target))
        assert plan.values[0x00080016] == b"1.2.3\0"
        assert plan.values[0x00080018] == b"1.2\0"
        assert not plan.values.get(0x0020000D)
        assert plan.mended_uids == (0x00080016,)


def test_first_of_two_elements_with_a_tag_is_the_one_that_counts() -> None:
    data = stream("0800 1800 'UI' 0400 '1.2' 00  0800 1800 'UI' 0400 '1.3' 00")
    assert plan_rewrite(data, profile(EXPLICIT)).values == {0x00080018: b"1.2\0"}


def test_replacements_are_for_the_top_level_only() -> None:
    data = stream(
        """0800 1800 'UI' 0400 '1.2' 00
           0800 4011 'SQ' 0000 14000000 feff00e0 0c000000  0800 1800 'UI' 0400 '9.9' 00"""
    )
    options = RewriteOptions(replacements={0x00080018: b"2.25.7\0\0"[:6] + b".1"})
    after = rewrite(data, profile(EXPLICIT, options=options))
    assert after == data[:6] + b"\x08\0" + b"2.25.7.1" + data[12:]


@pytest.mark.parametrize("target", [EXPLICIT, DEFLATED])
def test_compressed_syntaxes_are_not_converted(target: str) -> None:
    with pytest.raises(ValueError, match="no conversion"):
        RewriteProfile(RLE, RewriteOptions(transfer_syntax_uid=target))
    with pytest.raises(ValueError, match="not known"):
        RewriteProfile("1.2.3", RewriteOptions())

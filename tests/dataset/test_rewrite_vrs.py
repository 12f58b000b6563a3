"""VRs in and out: implicit to explicit, UN, VRs there are not, byte order; each as hex.

The values expected are DCMTK's, measured; where ours are others on purpose, the case says so.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import pytest

from isocenter.dataset.convert import plan_rewrite
from isocenter.dataset.dictionary import load_dictionary
from isocenter.dataset.profile import RewriteOptions, RewriteProfile
from tests.dataset.streams import BIG, EXPLICIT, IMPLICIT, profile, rewrite, stream

if TYPE_CHECKING:
    from pathlib import Path


class Case(NamedTuple):
    """One data set before and after."""

    name: str
    before: str
    after: str
    source: str = IMPLICIT
    target: str = EXPLICIT
    options: RewriteOptions = RewriteOptions()


CONVERT_UN = RewriteOptions(convert_un=True)
OLD = RewriteOptions(new_vrs=False)

BY_DICTIONARY = [
    Case("text", "1000 2000 04000000 'ID  '", "1000 2000 'LO' 0200 'ID'"),
    Case("a long one", "4000 60a1 02000000 'AB'", "4000 60a1 'UT' 0000 02000000 'AB'"),
    Case("pixel data is OW", "e07f 1000 02000000 0102", "e07f 1000 'OW' 0000 02000000 0102"),
    Case("overlays", "1060 0030 02000000 0102", "1060 0030 'OW' 0000 02000000 0102"),
    Case("curves", "1050 0030 02000000 0102", "1050 0030 'OB' 0000 02000000 0102"),
    Case("variable pixel data", "007f 1000 02000000 0102", "007f 1000 'OB' 0000 02000000 0102"),
    Case("look-up tables", "2800 0630 02000000 0102", "2800 0630 'OW' 0000 02000000 0102"),
    Case("a group length", "1000 0000 04000000 63000000", "1000 0000 'UL' 0400 00000000"),
    Case("unknown, even group", "0600 1000 04000000 'AB  '", "0600 1000 'UN' 0000 04000000 'AB  '"),
    Case(
        "a sequence",
        "0800 4011 12000000 feff00e0 0a000000 0800 6000 02000000 'CT'",
        "0800 4011 'SQ' 0000 12000000 feff00e0 0a000000 0800 6000 'CS' 0200 'CT'",
    ),
    Case(
        "unknown and of undefined length: a sequence",
        "0600 1000 ffffffff feffdde0 00000000",
        "0600 1000 'SQ' 0000 00000000",
    ),
    Case(
        "into big endian",
        "1800 1660 04000000 01020304  2800 1000 02000000 0001",
        "0018 6016 'UL' 0004 04030201  0028 0010 'US' 0002 0100",
        target=BIG,
    ),
]

SIGNED = [
    Case("unsigned", "2800 0601 02000000 0100", "2800 0601 'US' 0200 0100"),
    Case(
        "signed pixels",
        "2800 0301 02000000 0100  2800 0601 02000000 0100",
        "2800 0301 'US' 0200 0100  2800 0601 'SS' 0200 0100",
    ),
    Case(
        "not for descriptors of palettes",
        "2800 0301 02000000 0100  2800 0111 06000000 01*6",
        "2800 0301 'US' 0200 0100  2800 0111 'US' 0600 01*6",
    ),
    Case(
        "of the same item only",
        """2800 0301 02000000 0100
           4000 9690 12000000 feff00e0 0a000000 4000 1192 02000000 0100""",
        """2800 0301 'US' 0200 0100
           4000 9690 'SQ' 0000 12000000 feff00e0 0a000000 4000 1192 'US' 0200 0100""",
    ),
    Case(
        "waveforms of 8 bits",
        "0054 0410 02000000 0800  0054 1010 02000000 0102",
        "0054 0410 'US' 0200 0800  0054 1010 'OB' 0000 02000000 0102",
    ),
    Case(
        "waveforms of 16 bits",
        "0054 0410 02000000 1000  0054 1010 02000000 0102",
        "0054 0410 'US' 0200 1000  0054 1010 'OW' 0000 02000000 0102",
    ),
    Case(
        "waveforms of unknown bits", "0054 1010 02000000 0102", "0054 1010 'OB' 0000 02000000 0102"
    ),
]

PRIVATE = [
    Case("a creator", "0900 1000 04000000 'ME  '", "0900 1000 'LO' 0200 'ME'"),
    Case(
        "known to the dictionary",
        "0900 1000 0c000000 'GEMS_IDEN_01'  0900 0110 06000000 'ABCD  '",
        "0900 1000 'LO' 0c00 'GEMS_IDEN_01'  0900 0110 'LO' 0400 'ABCD'",
    ),
    Case(
        "in whatever block",
        "0900 2000 0c000000 'GEMS_IDEN_01'  0900 0120 06000000 'ABCD  '",
        "0900 2000 'LO' 0c00 'GEMS_IDEN_01'  0900 0120 'LO' 0400 'ABCD'",
    ),
    Case(
        "unknown creator",
        "0900 1000 02000000 'ME'  0900 0110 06000000 'ABCD  '",
        "0900 1000 'LO' 0200 'ME'  0900 0110 'UN' 0000 06000000 'ABCD  '",
    ),
    Case(
        "a creator does not count inside of items",
        """0900 1000 0c000000 'GEMS_IDEN_01'
           0900 ff10 16000000 feff00e0 0e000000 0900 0110 06000000 'ABCD  '""",
        """0900 1000 'LO' 0c00 'GEMS_IDEN_01'
           0900 ff10 'UN' 0000 16000000 feff00e0 0e000000 0900 0110 06000000 'ABCD  '""",
    ),
]

UNKNOWN = [
    Case(
        "UN stays",
        "1000 2000 'UN' 0000 04000000 'ID  '",
        "1000 2000 'UN' 0000 04000000 'ID  '",
        EXPLICIT,
    ),
    Case(
        "UN gets the VR that is known",
        "1000 2000 'UN' 0000 04000000 'ID  '  2000 0d00 'UN' 0000 04000000 '1.2 '",
        "1000 2000 'LO' 0200 'ID'  2000 0d00 'UI' 0400 '1.2' 00",
        EXPLICIT,
        options=CONVERT_UN,
    ),
    Case(
        "and with it the byte order",
        "0028 0010 'UN' 0000 00000002 0100",
        "0028 0010 'US' 0002 0001",
        BIG,
        BIG,
        CONVERT_UN,
    ),
    Case(
        "by its creator, too",
        "0900 1000 'LO' 0c00 'GEMS_IDEN_01'  0900 0110 'UN' 0000 06000000 'ABCD  '",
        "0900 1000 'LO' 0c00 'GEMS_IDEN_01'  0900 0110 'LO' 0400 'ABCD'",
        EXPLICIT,
        options=CONVERT_UN,
    ),
    Case(
        "what is in it is in implicit VR",
        "0800 4011 'UN' 0000 12000000 feff00e0 0a000000 0800 6000 02000000 'CT'",
        "0800 4011 'SQ' 0000 12000000 feff00e0 0a000000 0800 6000 'CS' 0200 'CT'",
        EXPLICIT,
        options=CONVERT_UN,
    ),
    Case(
        "of undefined length it is a sequence in any case",
        """0008 1140 'UN' 0000 ffffffff
             feff00e0 ffffffff  2800 0301 02000000 0100  2800 0601 02000000 0100
             feff0de0 00000000
           feffdde0 00000000""",
        """0008 1140 'SQ' 0000 0000001c fffee000 00000014
             0028 0103 'US' 0002 0001  0028 0106 'SS' 0002 0001""",
        BIG,
        BIG,
    ),
    Case(
        "letters that are no VR: a long header",
        "1000 2000 'ZZ' 0000 02000000 'ID'",
        "1000 2000 'UN' 0000 02000000 'ID'",
        EXPLICIT,
    ),
    Case(
        "and others: a short one",
        "1000 2000 '??' 0200 'ID'  1000 3000 'lo' 0200 'ID'  1000 4000 0000 0200 'ID'",
        """1000 2000 'UN' 0000 02000000 'ID'  1000 3000 'UN' 0000 02000000 'ID'
           1000 4000 'UN' 0000 02000000 'ID'""",
        EXPLICIT,
    ),
    Case(
        "DCMTK's own names",
        "0800 6000 'xs' 0200 0100  0800 6100 'up' 0400 01020304  0800 6200 'ox' 0000 02000000 0102",
        "0800 6000 'US' 0200 0100  0800 6100 'UL' 0400 01020304  0800 6200 'OB' 0000 02000000 0102",
        EXPLICIT,
    ),
    Case(
        "pixel data is OW",
        "e07f 1000 'OX' 0000 02000000 0102",
        "e07f 1000 'OW' 0000 02000000 0102",
        EXPLICIT,
    ),
    Case(
        "another VR than the dictionary's stays",
        "1000 2000 'DA' 0400 'ID  '  e07f 1000 'US' 0200 0102",
        "1000 2000 'DA' 0200 'ID'  e07f 1000 'US' 0200 0102",
        EXPLICIT,
    ),
]

OLD_VRS = [
    Case(
        "new ones become OB",
        """0900 0110 'UN' 0000 02000000 0102  4000 60a1 'UT' 0000 04000000 'AB  '
           e07f 0800 'OF' 0000 04000000 01020304""",
        """0900 0110 'OB' 0000 02000000 0102  4000 60a1 'OB' 0000 02000000 'AB'
           e07f 0800 'OB' 0000 04000000 01020304""",
        EXPLICIT,
        options=OLD,
    ),
    Case(
        "in little endian, whatever it came in",
        "0028 1201 'OW' 0000 00000002 0102  7fe0 0008 'OF' 0000 00000004 01020304",
        "0028 1201 'OW' 0000 00000002 0102  7fe0 0008 'OB' 0000 00000004 04030201",
        BIG,
        BIG,
        OLD,
    ),
    Case(
        "or goes to",
        "2800 0112 'OW' 0000 02000000 0102  e07f 0800 'OF' 0000 04000000 01020304",
        "0028 1201 'OW' 0000 00000002 0201  7fe0 0008 'OB' 0000 00000004 01020304",
        EXPLICIT,
        BIG,
        OLD,
    ),
]

UNITS = {"AT": 2, "SS": 2, "US": 2, "OW": 2, "FL": 4, "SL": 4, "UL": 4, "OF": 4, "OL": 4}
UNITS |= {"FD": 8, "OD": 8, "OV": 8, "SV": 8, "UV": 8, "OB": 1, "UN": 1, "ST": 1}

CASES = BY_DICTIONARY + SIGNED + PRIVATE + UNKNOWN + OLD_VRS


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_data_set_becomes(case: Case) -> None:
    before, after = stream(case.before), stream(case.after)
    target = "" if case.source == case.target else case.target
    how = profile(case.source, target, case.options)
    assert rewrite(before, how).hex(" ", 2) == after.hex(" ", 2)
    assert plan_rewrite(memoryview(before), how).length == len(after)


def _explicit(vr: str, value: bytes, order: str) -> bytes:
    head = struct.pack(order + "HH2s", 0x0028, 0x2222, vr.encode())
    if UNITS[vr] != 1 and vr[0] != "O" and vr not in {"SV", "UV"}:
        return head + struct.pack(order + "H", len(value)) + value
    if vr == "ST":
        return head + struct.pack(order + "H", len(value)) + value
    return head + struct.pack(order + "HI", 0, len(value)) + value


@pytest.mark.parametrize(("source", "target"), [(EXPLICIT, BIG), (BIG, EXPLICIT)])
@pytest.mark.parametrize("vr", UNITS)
def test_values_change_byte_order_unit_by_unit(vr: str, source: str, target: str) -> None:
    unit = UNITS[vr]
    orders = {EXPLICIT: "<", BIG: ">"}
    # Short and long ones are treated apart: one unit, several, a rest, an odd length, many.
    for size in (unit, 2 * unit, 2 * unit + 2, 3, 7, 1000):
        value = bytes(number % 255 + 1 for number in range(size))
        before = _explicit(vr, value, orders[source])
        padded = value + b"\0" * (len(value) % 2)
        whole = len(padded) - len(padded) % unit
        turned = b"".join(padded[at : at + unit][::-1] for at in range(0, whole, unit))
        after = _explicit(vr, turned + padded[whole:], orders[target])
        assert rewrite(before, profile(source, target)) == after
        assert rewrite(before, profile(source)) == _explicit(vr, padded, orders[source])


@pytest.mark.parametrize("size", [65_534, 65_535, 65_536, 70_000])
@pytest.mark.parametrize(("target", "order"), [(EXPLICIT, "<"), (BIG, ">")])
def test_values_too_long_for_a_short_length_become_un(size: int, target: str, order: str) -> None:
    value = b"A" * size
    before = stream("1000 b021") + struct.pack("<I", size) + value
    padded = value + b"\0" * (size % 2)
    head = struct.pack(order + "HH", 0x0010, 0x21B0)
    if len(padded) > 0xFFFF:
        after = head + b"UN" + struct.pack(order + "HI", 0, len(padded)) + padded
    else:
        after = head + b"LT" + struct.pack(order + "H", len(padded)) + padded
    assert rewrite(before, profile(IMPLICIT, target)) == after


def test_text_that_fits_once_it_is_cut_keeps_its_vr() -> None:
    before = stream("1000 b021 00000100") + b"A" * 65_534 + b"  "
    after = rewrite(before, profile(IMPLICIT, EXPLICIT))
    assert after == stream("1000 b021 'LT' feff") + b"A" * 65_534


def test_words_too_long_for_a_short_length_become_un_in_little_endian() -> None:
    before = stream("2800 0601 00000100") + bytes(range(256)) * 256
    after = rewrite(before, profile(IMPLICIT, BIG))
    assert after == stream("0028 0106 'UN' 0000 00010000") + bytes(range(256)) * 256


def test_dictionary_of_the_site_decides(tmp_path: Path) -> None:
    path = tmp_path / "site.dic"
    path.write_text('(0006,0010)\tSH\tSiteName\t1\tPrivate\n(0009,"ME",01)\tDS\tDose\t1\tPrivate\n')
    before = stream("0600 1000 04000000 'AB  '  0900 1000 02000000 'ME'  0900 0110 04000000 '1.5 '")
    how = RewriteProfile(
        IMPLICIT,
        RewriteOptions(transfer_syntax_uid=EXPLICIT),
        dictionary=load_dictionary(str(path)),
    )
    assert rewrite(before, how) == stream(
        "0600 1000 'SH' 0200 'AB'  0900 1000 'LO' 0200 'ME'  0900 0110 'DS' 0400 '1.5 '"
    )
    unknown = rewrite(before, profile(IMPLICIT, EXPLICIT))
    assert unknown.startswith(stream("0600 1000 'UN' 0000 04000000 'AB  '"))

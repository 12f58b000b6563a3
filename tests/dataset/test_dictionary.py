"""VRs and keywords of attributes: built-in tables, private attributes, dictionary files."""

from __future__ import annotations

import glob
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from isocenter.dataset import dictionary
from isocenter.dataset.dictionary import (
    DEFAULT_DICTIONARY,
    STANDARD_VRS,
    Dictionary,
    keyword_of,
    load_dictionary,
    tag_of,
    vr_of,
)
from isocenter.dataset.dictionary_file import read_entries
from isocenter.dataset.vr import ALL_VRS, MARKERS
from isocenter.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]


class Write(Protocol):
    """Write a dictionary file of these lines and return its path."""

    def __call__(self, *lines: str, name: str = ...) -> str: ...


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_lines(*lines: str, name: str = "my.dic") -> str:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="latin-1")
        return str(path)

    return write_lines


# --- the generated tables -------------------------------------------------------------------


def test_committed_tables_are_what_the_generator_writes() -> None:
    pytest.importorskip("pydicom")
    path = ROOT / "tools" / "generate_dictionary.py"
    namespace: dict[str, object] = {"__file__": str(path), "__name__": "generate_dictionary"}
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    main = namespace["main"]
    assert callable(main)
    assert main(["--check"]) == 0


def test_standard_table_says_what_pydicom_says() -> None:
    table = pytest.importorskip("pydicom._dicom_dict").DicomDictionary
    names = {
        "US or SS": b"xs",
        "OB or OW": b"ox",
        "US or OW": b"lt",
        "US or SS or OW": b"lt",
        "NONE": b"na",
    }
    expected = {tag: names.get(row[0], row[0].encode()) for tag, row in table.items()}
    assert {tag: STANDARD_VRS[tag] for tag in expected} == expected
    assert set(STANDARD_VRS) - set(expected) == {0x00060001}
    keywords = {tag: row[4] for tag, row in table.items()}
    assert {tag: keyword_of(tag) for tag in keywords} == keywords
    by_keyword = {keyword: tag for tag, keyword in keywords.items() if keyword}
    assert {keyword: tag_of(keyword) for keyword in by_keyword} == by_keyword


def test_every_vr_of_the_tables_is_a_vr_or_a_marker() -> None:
    assert set(STANDARD_VRS.values()) <= ALL_VRS | MARKERS
    assert set(STANDARD_VRS.values()) >= MARKERS


def test_standard_table_holds_no_private_attribute() -> None:
    assert not [tag for tag in STANDARD_VRS if tag & 0x10000]


def test_import_of_the_dictionary_loads_neither_keywords_nor_private_attributes() -> None:
    code = (
        "import sys\n"
        "from isocenter.dataset.dictionary import DEFAULT_DICTIONARY as d\n"
        "assert d.vr_of(0x00100010) == b'PN' and d.vr_of(0x60003000) == b'ox'\n"
        "print(*sorted(m for m in sys.modules if m.startswith('isocenter.dataset.')))\n"
        "print('pydicom' in sys.modules or 're' in sys.modules)\n"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r})\n{code}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    modules, heavy = done.stdout.splitlines()
    assert "isocenter.dataset.dictionary_data" in modules.split()
    assert not {"keyword", "private", "dictionary_file"} & {
        name.removeprefix("isocenter.dataset.").removesuffix("_data") for name in modules.split()
    }
    assert heavy == "False"


# --- any tag --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "vr", "keyword"),
    [
        (0x00000002, b"UI", "AffectedSOPClassUID"),
        (0x00020010, b"UI", "TransferSyntaxUID"),
        (0x00060001, b"SQ", "CurrentFrameFunctionalGroupsSequence"),
        (0x00100010, b"PN", "PatientName"),
        (0x00280106, b"xs", "SmallestImagePixelValue"),
        (0x00281200, b"lt", "GrayLookupTableData"),
        (0x00283006, b"lt", "LUTData"),
        (0x7FE00010, b"ox", "PixelData"),
        (0xFFFEE000, b"na", "Item"),
        # Retired-blank: PS3.6 gives them no keyword any more.
        (0x00280020, b"OB", ""),
        # Group lengths, retired and not in the registry but of 0000 and 0002.
        (0x00000000, b"UL", "CommandGroupLength"),
        (0x00080000, b"UL", ""),
        (0x00090000, b"UL", ""),
        (0x60020000, b"UL", ""),
        # Unknown.
        (0x00100011, b"UN", ""),
        (0xFFFC0001, b"UN", ""),
        (0x00000001, b"UL", "CommandLengthToEnd"),
    ],
)
def test_vr_and_keyword_of_a_tag(tag: int, vr: bytes, keyword: str) -> None:
    assert vr_of(tag) == vr
    assert keyword_of(tag) == keyword


@pytest.mark.parametrize(
    ("tags", "vr", "keyword"),
    [
        ((0x60000010, 0x60020010, 0x601E0010, 0x60FE0010), b"US", "OverlayRows"),
        ((0x60003000, 0x60FE3000), b"ox", "OverlayData"),
        ((0x50003000, 0x501E3000), b"ox", "CurveData"),
        ((0x7F000010, 0x7FDE0010), b"ox", "VariablePixelData"),
        ((0x00203100, 0x00203101, 0x002031FF), b"CS", "SourceImageIDs"),
        ((0x00280410, 0x002804F0), b"US", "RowsForNthOrderCoefficients"),
        ((0x00280403, 0x00280413), b"AT", "CoefficientCodingPointers"),
        ((0x00280808, 0x00280818), b"AT", "ImageDataLocation"),
        ((0x10000010, 0x1000FFF0), b"US", "EscapeTriplet"),
        ((0x10000015, 0x10001235), b"US", "ShiftTableTriplet"),
        ((0x10100001, 0x1010FFFF), b"US", "ZonalMap"),
    ],
)
def test_repeating_attributes_are_known_in_all_their_groups(
    tags: tuple[int, ...], vr: bytes, keyword: str
) -> None:
    assert {vr_of(tag) for tag in tags if tag not in STANDARD_VRS} <= {vr}
    assert {keyword_of(tag) for tag in tags if tag not in STANDARD_VRS} <= {keyword}
    assert any(tag not in STANDARD_VRS for tag in tags)


def test_repeating_group_of_odd_number_is_private() -> None:
    assert vr_of(0x60010010) == b"LO"
    assert vr_of(0x60013000) == b"UN"
    assert keyword_of(0x60013000) == ""


def test_pattern_of_every_repeating_attribute_is_known() -> None:
    table = pytest.importorskip("pydicom._dicom_dict").RepeatersDictionary
    for mask, row in table.items():
        tag = int(mask.replace("x", "2"), 16)
        if tag in STANDARD_VRS:
            continue
        expected = {"OB or OW": b"ox"}.get(row[0], row[0].encode())
        assert (mask, vr_of(tag)) == (mask, expected)
        assert keyword_of(tag) == row[4]


@pytest.mark.parametrize(
    ("keyword", "tag"),
    [
        ("PatientName", 0x00100010),
        ("OverlayData", 0x60003000),
        ("SourceImageIDs", 0x00203100),
        ("patientname", None),
        ("", None),
        ("-", None),
        ("NoSuchAttribute", None),
    ],
)
def test_tag_of_a_keyword(keyword: str, tag: int | None) -> None:
    assert tag_of(keyword) == tag


# --- private attributes ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "vr"),
    [
        (0x00090001, b"UN"),
        (0x0009000F, b"UN"),
        (0x00090010, b"LO"),
        (0x000900FF, b"LO"),
        (0x00090100, b"UN"),
        (0x00090FFF, b"UN"),
        (0x00091000, b"UN"),
        (0x00010010, b"LO"),
        (0x60010010, b"LO"),
    ],
)
def test_private_group_without_creator(tag: int, vr: bytes) -> None:
    assert vr_of(tag) == vr
    assert vr_of(tag, b"ACME") == vr


def test_private_attribute_is_found_in_whatever_block_its_creator_reserved() -> None:
    # (0009,xx02) SH, GEMS_IDEN_01
    for block in (0x10, 0x11, 0xFF):
        tag = 0x00090002 | block << 8
        assert vr_of(tag, b"GEMS_IDEN_01") == b"SH"
        assert vr_of(tag, b"GEMS_PARM_01") == b"UN"
        assert vr_of(tag) == b"UN"


@pytest.mark.parametrize("padding", [b"", b" ", b"  ", b"\0"])
def test_padding_of_the_creator_does_not_matter(padding: bytes) -> None:
    assert vr_of(0x00091002, b"GEMS_IDEN_01" + padding) == b"SH"
    assert vr_of(0x00091002, memoryview(b"GEMS_IDEN_01" + padding)) == b"SH"


def test_creator_elements_are_lo_even_where_the_creator_is_given() -> None:
    # The key of (gggg,xx10) in any block looks like the creator's own tag.
    assert vr_of(0x00190010, b"GEMS_ACQU_01") == b"LO"


def test_private_attribute_of_one_block_only() -> None:
    # (00E1,103E) IS; (01F1,1026) FD, but (01F1,xx26) DS
    assert vr_of(0x00E1103E, b"ELSCINT1") == b"IS"
    assert vr_of(0x00E1113E, b"ELSCINT1") == b"UN"
    assert vr_of(0x01F11026, b"ELSCINT1") == b"FD"
    assert vr_of(0x01F11126, b"ELSCINT1") == b"DS"


def test_private_attribute_of_all_groups_that_start_alike() -> None:
    # (60xx,xx10) US, PAPYRUS 3.0
    assert vr_of(0x60011010, b"PAPYRUS 3.0") == b"US"
    assert vr_of(0x60FF1110, b"PAPYRUS 3.0") == b"US"
    assert vr_of(0x61011010, b"PAPYRUS 3.0") == b"UN"


def test_private_table_says_what_pydicom_says() -> None:
    private = pytest.importorskip("pydicom._private_dict").private_dictionaries
    names = {"US or SS": b"xs", "OB_OW": b"ox"}
    checked = 0
    for creator, attributes in private.items():
        for pattern, row in attributes.items():
            block = "11" if pattern[4:6] in ("xx", "00") else pattern[4:6]
            digits = pattern[:4].replace("xx", "01") + block + pattern[6:]
            if pattern.endswith("xx") or int(digits[:4], 16) % 2 == 0:
                continue  # not private data elements
            expected = names.get(row[0], row[0].encode())
            found = vr_of(int(digits, 16), creator.encode())
            assert (creator, pattern, found) == (creator, pattern, expected)
            checked += 1
    assert checked > 10_000


def test_creators_of_peers_leave_nothing_behind() -> None:
    known = Dictionary()
    for number in range(100):
        assert known.vr_of(0x00091001, b"ACME %d" % number) == b"UN"
    assert known._by_creator == {}


# --- dictionary files -----------------------------------------------------------------------


def test_without_a_file_the_built_in_dictionary_is_used() -> None:
    assert load_dictionary("") is DEFAULT_DICTIONARY
    assert load_dictionary(os.pathsep * 2) is DEFAULT_DICTIONARY
    assert load_dictionary([]) is DEFAULT_DICTIONARY


def test_file_overrides_and_adds_and_takes_nothing_away(write: Write) -> None:
    path = write(
        "# a comment",
        "",
        "  # another",
        "(0010,0010)\tLO\tMyName\t1\tMINE",
        "(0010,0011)\tUS\tMyNumber",
        "(7fe0,0010)\tpx\tMyPixels\t1-n",
        "(0004,1200)\tup\tMyOffset\t2-2n\tMINE # text",
    )
    loaded = load_dictionary(path)
    assert loaded.vrs[0x00100010] == loaded.vr_of(0x00100010) == b"LO"
    assert loaded.vr_of(0x00100011) == b"US"
    assert loaded.vr_of(0x7FE00010) == b"ox"
    assert loaded.vr_of(0x00041200) == b"UL"
    assert loaded.vr_of(0x00100020) == b"LO"
    assert loaded.vr_of(0x60003000) == b"ox"
    assert loaded.vr_of(0x00091002, b"GEMS_IDEN_01") == b"SH"
    assert loaded.keyword_of(0x00100010) == "MyName"
    assert loaded.keyword_of(0x00100020) == "PatientID"
    assert loaded.tag_of("MyName") == 0x00100010
    assert loaded.tag_of("MyNumber") == 0x00100011
    assert loaded.tag_of("PatientID") == 0x00100020
    # The built-in one is what it was.
    assert vr_of(0x00100010) == STANDARD_VRS[0x00100010] == b"PN"
    assert keyword_of(0x00100010) == "PatientName"
    assert tag_of("MyName") is None


def test_later_entries_and_later_files_win(write: Write) -> None:
    first = write("(0010,0010)\tLO\tOne", "(0010,0010)\tSH\tTwo", name="first.dic")
    second = write("(0010,0010)\tLT\tThree", name="second.dic")
    assert load_dictionary(first).vr_of(0x00100010) == b"SH"
    assert load_dictionary(os.pathsep.join((first, second))).vr_of(0x00100010) == b"LT"
    assert load_dictionary(os.pathsep.join((second, "", first))).vr_of(0x00100010) == b"SH"
    assert load_dictionary([first, second]).keyword_of(0x00100010) == "Three"


@pytest.mark.parametrize(
    ("line", "inside", "outside"),
    [
        ("(6000-60ff,7000)\tSL\tX", [0x60007000, 0x60FE7000], [0x60017000, 0x61007000]),
        ("(6000-e-60ff,7000)\tSL\tX", [0x60007000], [0x60017000]),
        ("(0010,7000-7010)\tSL\tX", [0x00107000, 0x00107010], [0x00107001, 0x00107012]),
        ("(0010,7000-u-7010)\tSL\tX", [0x00107001, 0x00107010], [0x00107011]),
        ("(0010,7000-o-7010)\tSL\tX", [0x00107001], [0x00107000, 0x00107010]),
        ("(0009-o-0011,1001)\tSL\tX", [0x00091001, 0x00111001], [0x000A1001, 0x00131001]),
        ("( 0010 , 7000 )\tSL\tX", [0x00107000], []),
        ("(10,7000)\tSL\tX", [0x00107000], []),
    ],
)
def test_ranges_of_a_file(line: str, inside: list[int], outside: list[int], write: Write) -> None:
    loaded = load_dictionary(write(line))
    assert {tag: loaded.vr_of(tag) for tag in inside} == dict.fromkeys(inside, b"SL")
    assert {tag: loaded.vr_of(tag) for tag in outside} == dict.fromkeys(outside, b"UN")


def test_single_attributes_win_over_ranges_and_narrow_ranges_over_wide_ones(
    write: Write,
) -> None:
    loaded = load_dictionary(
        write(
            "(6000-6000,7000-7010)\tSL\tNarrow",
            "(6000-60ff,7000-7010)\tSS\tWide",
            "(6000-60ff,3000)\tOB\tMyOverlay",
            "(0010-0020,0000-ffff)\tFD\tWidest",
        )
    )
    assert loaded.vr_of(0x60007002) == b"SL"
    assert loaded.vr_of(0x60027002) == b"SS"
    assert loaded.vr_of(0x60023000) == b"OB"  # a range of a file, before the built-in ones
    assert loaded.vr_of(0x00100010) == b"PN"  # built-in single attribute
    assert loaded.vr_of(0x00107000) == b"FD"
    assert loaded.keyword_of(0x60027002) == "Wide"
    assert loaded.tag_of("Wide") == 0x60007000
    assert loaded.tag_of("MyOverlay") == 0x60003000
    assert loaded.tag_of("PatientName") == 0x00100010


def test_private_attributes_of_a_file(write: Write) -> None:
    loaded = load_dictionary(
        write(
            '(0009,"ACME",10)\tUS\tAny',
            '(0009,"ACME",1011)\tSS\tOne',
            '(0009-o-0011,"ACME",20-u-2f)\tUL\tRange',
            '(0009,"GEMS_IDEN_01",02)\tLT\tOverride',
            "(000b,1001)\tFD\tNoCreator",
        )
    )
    assert loaded.vr_of(0x00091010, b"ACME") == b"US"
    assert loaded.vr_of(0x00091110, b"ACME ") == b"US"
    assert loaded.vr_of(0x00091010, b"Acme") == b"UN"
    assert loaded.vr_of(0x00091010) == b"UN"
    assert loaded.vr_of(0x00090010, b"ACME") == b"LO"
    assert loaded.vr_of(0x00091011, b"ACME") == b"SS"
    assert loaded.vr_of(0x00091111, b"ACME") == b"UN"
    assert loaded.vr_of(0x00111021, b"ACME") == b"UL"
    assert loaded.vr_of(0x0011112F, b"ACME") == b"UL"
    assert loaded.vr_of(0x00111130, b"ACME") == b"UN"
    assert loaded.vr_of(0x00091002, b"GEMS_IDEN_01") == b"LT"
    assert loaded.vr_of(0x00091001, b"GEMS_IDEN_01") == vr_of(0x00091001, b"GEMS_IDEN_01")
    assert loaded.vr_of(0x000B1001) == b"FD"
    assert loaded.vr_of(0x000B1001, b"ACME") == b"UN"
    assert 0x000B1001 not in loaded.vrs


def test_creator_outside_ascii_is_compared_byte_by_byte(write: Write) -> None:
    loaded = load_dictionary(write('(0009,"M\xfcller",10)\tUS\tAny'))
    assert loaded.vr_of(0x00091010, b"M\xfcller") == b"US"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("rubbish", "too few fields"),
        ("(0010,0010)   LO   Name", "too few fields"),
        ("(0010,0010)\tLO\tName\t1\tX\tY", "too many fields"),
        ("0010,0010\tLO\tName", "bad tag: 0010,0010"),
        ("(0010,00100)\tLO\tName", "bad tag"),
        ("(0010)\tLO\tName", "bad tag"),
        ("(0010-x-0020,0010)\tLO\tName", "bad tag"),
        ("(0010,0020-0010)\tLO\tName", "range ends before it starts"),
        ('(0009,"",10)\tLO\tName', "bad tag"),
        ('(0009,"ACME",100)\tLO\tName', "no private element number"),
        ('(0009,"ACME",80-1fff)\tLO\tName', "no private element number"),
        ("(0010,0010)\tZZ\tName", "bad VR: ZZ"),
        ("(0010,0010)\tlo\tName", "bad VR: lo"),
        ("(0010,0010)\t\tName", "bad VR"),
        ("(0010,0010)\tLO\t \t1", "no keyword"),
        ("(0010,0010)\tLO\tName\tmany", "bad VM: many"),
    ],
)
def test_malformed_line_names_file_line_and_reason(line: str, reason: str, write: Write) -> None:
    path = write("# one", "(0010,0020)\tLO\tFine", line)
    with pytest.raises(ConfigurationError) as caught:
        load_dictionary(path)
    assert str(caught.value).startswith(f"data dictionary {path}: line 3: {reason}") or (
        reason in str(caught.value) and f"{path}: line 3: bad tag" in str(caught.value)
    )


def test_missing_file_is_an_error_even_beside_a_good_one(write: Write, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.dic")
    with pytest.raises(ConfigurationError, match=r"missing\.dic: No such file or directory"):
        load_dictionary(os.pathsep.join((write("(0010,0010)\tLO\tName"), missing)))
    with pytest.raises(ConfigurationError, match="Is a directory"):
        load_dictionary(str(tmp_path))


# --- DCMTK's dictionaries -------------------------------------------------------------------

NAMELESS = {
    0x00010000: "IllegalGroupLength: DCMTK names group lengths and creators, PS3.6 does not",
    0x00010010: "IllegalPrivateCreator: as above",
    0x00090000: "PrivateGroupLength: as above",
    0x00090010: "PrivateCreator: as above",
    0x00000000: "GenericGroupLength: as above; (0000,0000) itself is CommandGroupLength",
}
"""Lowest tags of entries in dicom.dic whose keyword is not ours, and why."""

DIFFERENT_VRS: dict[int, str] = {}
"""Tags whose VR in dicom.dic (3.6.7: PS3.6-2022b) is not ours, and why. None is left."""

EDITION = "2022b"
"""Edition of the dictionary of 3.6.7. All of it is known here; a later one may know more."""


def dcmtk_dictionary(name: str) -> str:
    found = sorted(glob.glob(f"/usr/share/*dcmtk*/{name}"))
    if not found:
        pytest.skip(f"DCMTK's {name} is not installed")
    return found[-1]


def tags_of(path: str) -> Iterator[tuple[int, bytes, str]]:
    """Yield tag, VR and keyword of a file's attributes, of a range its two ends."""
    for entry in read_entries(path):
        keyword = entry.keyword.removeprefix("RETIRED_")
        yield entry.tag, entry.vr, keyword
        for group in range(entry.groups.high, entry.groups.low, -1):
            if group in entry.groups:
                yield group << 16 | entry.elements.low, entry.vr, keyword
                break


def test_vrs_and_keywords_are_those_of_dcmtk() -> None:
    path = dcmtk_dictionary("dicom.dic")
    edition = re.search(r"PS 3\.6-(\d{4}[a-z])", Path(path).read_text(encoding="latin-1"))
    newer = edition is not None and edition[1] > EDITION  # "2022b" < "2024a"
    different = {}
    nameless = {}
    count = 0
    for tag, vr, keyword in tags_of(path):
        count += 1
        ours = vr_of(tag)
        if ours == b"UN" and newer:
            continue
        if ours != vr:
            different[tag] = (vr, ours)
        elif keyword_of(tag) != keyword and tag & 0xFFFF0000 not in (0xFFFF0000, 0x00070000):
            nameless[tag] = keyword
    assert count > 4900
    assert different.keys() == DIFFERENT_VRS.keys(), different
    assert nameless.keys() <= NAMELESS.keys(), nameless


@pytest.mark.parametrize("name", ["dicom.dic", "private.dic", "acrnema.dic", "diconde.dic"])
def test_files_of_dcmtk_are_understood(name: str) -> None:
    path = dcmtk_dictionary(name)
    loaded = load_dictionary(path)
    last = {}
    for entry in read_entries(path):
        if entry.size == 1 and not entry.creator:
            last[entry.tag] = entry.vr
    assert {tag: loaded.vr_of(tag) for tag in last} == last


def test_private_files_of_dcmtk_win_over_the_built_in_table() -> None:
    path = dcmtk_dictionary("private.dic")
    loaded = load_dictionary(path)
    last = {}
    for entry in read_entries(path):
        if entry.size == 1 and entry.creator and entry.tag & 0x10000:
            block = 0 if entry.elements.low >= 0x1000 else 0x1000
            last[entry.tag | block, entry.creator] = entry.vr
    # An attribute of one block wins over one of any block.
    exact = {key for key in last if last[key] == loaded.vr_of(*key)}
    assert len(last) > 2500
    assert len(last) - len(exact) <= 5


def test_module_says_the_same_as_the_default_dictionary() -> None:
    assert dictionary.vr_of(0x00100010) == DEFAULT_DICTIONARY.vr_of(0x00100010)
    assert DEFAULT_DICTIONARY.vrs is STANDARD_VRS

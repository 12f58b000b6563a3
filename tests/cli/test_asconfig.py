"""Association profile files: what they say, and how every mistake in them is told."""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter import uids
from isocenter.cli.asconfig import (
    MAXIMUM_FILE_LENGTH,
    ProfileError,
    parse_profiles,
    read_profiles,
)
from isocenter.cli.uidnames import LOCAL_ENDIAN, OPPOSITE_ENDIAN, UidNames
from isocenter.ul.negotiation import Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from isocenter.cli.asconfig import Profile

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"

FULL = r"""# a profile with everything
[[TransferSyntaxes]]
[Plain]
TransferSyntax1 = LittleEndianExplicit
TransferSyntax2 = =LittleEndianImplicit
[Squeezed]
TransferSyntax1 = 1.2.840.10008.1.2.4.50
[[PresentationContexts]]
[Some]
PresentationContext1 = CTImageStorage\Plain
PresentationContext2 = CTImageStorage\squee zed
PresentationContext3 = 1.2.3.4\PLAIN
[[SCPSCURoleSelection]]
[Roles]
Role1 = CTImageStorage\both
Role2 = 1.2.3.4\Scp
[[ExtendedNegotiation]]
[Extended]
ExtendedNegotiation1 = =CTImageStorage\0200ffA0
[[Profiles]]
[Whole]
PresentationContexts = so me
SCPSCURoleSelection = Roles
ExtendedNegotiation = Extended
[Bare]
PresentationContexts = Some
"""


def parsed(text: str = FULL, *, requestor: bool = True) -> Mapping[str, Profile]:
    return parse_profiles(text, "p.cfg", requestor=requestor)


def changed(*changes: tuple[str, str]) -> str:
    text = FULL
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


def contexts(count: int) -> str:
    rows = (
        f"PresentationContext{number} = CTImageStorage\\Plain" for number in range(1, count + 1)
    )
    return (
        FULL.split("[Some]", maxsplit=1)[0]
        + "[Some]\n"
        + "\n".join(rows)
        + "\n[[Profiles]]"
        + ("\n[Only]\nPresentationContexts = Some\n")
    )


def test_profile_has_contexts_in_order_roles_and_extended_negotiation() -> None:
    profiles = parsed()
    assert list(profiles) == ["WHOLE", "BARE"]
    whole = profiles["WHOLE"]
    plain = (uids.EXPLICIT_VR_LITTLE_ENDIAN, uids.IMPLICIT_VR_LITTLE_ENDIAN)
    assert whole.contexts == ((CT, plain), (CT, (uids.JPEG_BASELINE_8BIT,)), ("1.2.3.4", plain))
    assert dict(whole.roles) == {CT: Role.SCU | Role.SCP, "1.2.3.4": Role.SCP}
    assert dict(whole.extended_negotiations) == {CT: b"\x02\x00\xff\xa0"}
    assert profiles["BARE"].contexts == whole.contexts
    assert not profiles["BARE"].roles
    assert not profiles["BARE"].extended_negotiations


def test_optional_super_sections_may_be_absent() -> None:
    text = re.sub(r"(?s)\[\[SCPSCU.*(?=\[\[Prof)", "", FULL)
    text = re.sub(r"(?s)\[Whole\].*(?=\[Bare)", "", text)
    assert list(parsed(text)) == ["BARE"]


def test_sections_of_one_name_are_one_list() -> None:
    more = "[plain]\nTransferSyntax1 = BigEndianExplicit\n[[PresentationContexts]]"
    profile = parsed(changed(("[[PresentationContexts]]", more)))["BARE"]
    assert profile.contexts[0].transfer_syntaxes[-1] == uids.EXPLICIT_VR_BIG_ENDIAN


BIG = "0" * 2048
CASES = [
    (
        1024,
        "TransferSyntax1 = LittleEndianExplicit",
        "TransferSyntax1 = littleendianexplicit",
        "not a valid transfer syntax UID: littleendianexplicit",
        4,
        "PLAIN",
    ),
    (
        1024,
        "TransferSyntax1 = LittleEndianExplicit",
        "TransferSyntax1 = 1.2.840.10008.1.2.1 # x",
        "not a valid transfer syntax UID: 1.2.840.10008.1.2.1 # x",
        4,
        "PLAIN",
    ),
    (
        1024,
        "TransferSyntax1 = LittleEndianExplicit",
        "TransferSyntax1 = LittleEndianExplicit ",
        "not a valid transfer syntax UID: LittleEndianExplicit ",
        4,
        "PLAIN",
    ),
    (
        1024,
        "TransferSyntax1 = LittleEndianExplicit",
        "TransferSyntax1 =",
        "not a valid transfer syntax UID: ",
        4,
        "PLAIN",
    ),
    (
        1024,
        "TransferSyntax1 = LittleEndianExplicit",
        "TransferSyntax1 = 1." + "2" * 63,
        "not a valid transfer syntax UID: 1." + "2" * 63,
        4,
        "PLAIN",
    ),
    (
        1025,
        "1.2.3.4\\PLAIN",
        "Nothing\\PLAIN",
        "not a valid abstract syntax UID: Nothing",
        12,
        "SOME",
    ),
    (
        1025,
        "1.2.3.4\\PLAIN",
        "1.2.3.4 \\PLAIN",
        "not a valid abstract syntax UID: 1.2.3.4 ",
        12,
        "SOME",
    ),
    (1026, "Role2 = 1.2.3.4", "Role2 = MR", "not a valid abstract syntax UID: MR", 16, "ROLES"),
    (
        1027,
        "Role2 = 1.2.3.4",
        "Role2 = CTImageStorage",
        "role selection defined twice for abstract syntax UID: CTImageStorage",
        16,
        "ROLES",
    ),
    (
        1028,
        "=CTImageStorage\\0200ffA0",
        "CT\\00",
        "not a valid abstract syntax UID: CT",
        19,
        "EXTENDED",
    ),
    (
        1029,
        "\\0200ffA0",
        f"\\00\nExtendedNegotiation2 = {CT}\\00",
        f"extended negotiation defined twice for abstract syntax UID: {CT}",
        20,
        "EXTENDED",
    ),
    (1030, "[Bare]", "[wHo le]", "two profiles defined for key: SOME", 25, "WHOLE"),
    (1031, "squee zed", "Missing", "transfer syntax key undefined: MISSING", 11, "SOME"),
    (1031, "squee zed", "", "transfer syntax key undefined: ", 11, "SOME"),
    (
        1033,
        "PresentationContexts = so me",
        "PresentationContexts = A.b",
        "presentation context key undefined: A.B",
        22,
        "WHOLE",
    ),
    (
        1036,
        "SCPSCURoleSelection = Roles",
        "SCPSCURoleSelection = no",
        "role selection key undefined: NO",
        23,
        "WHOLE",
    ),
    (
        1036,
        "SCPSCURoleSelection = Roles",
        "SCPSCURoleSelection =",
        "role selection key undefined: ",
        23,
        "WHOLE",
    ),
    (
        1038,
        "Role2 = 1.2.3.4",
        "Role2 = MRImageStorage",
        (
            "abstract syntax defined in role selection list 'ROLES' "
            "but not in presentation context "
            f"list 'SOME': {MR}"
        ),
        23,
        "WHOLE",
    ),
    (
        1039,
        "ExtendedNegotiation = Extended",
        "ExtendedNegotiation = no",
        "extended negotiation key undefined: NO",
        24,
        "WHOLE",
    ),
    (
        1041,
        "=CTImageStorage\\0200ffA0",
        "MRImageStorage\\00",
        (
            "abstract syntax defined in role selection list "
            "'EXTENDED' but not in presentation context "
            f"list 'SOME': {MR}"
        ),
        24,
        "WHOLE",
    ),
    (
        1052,
        "1.2.3.4\\PLAIN",
        "1.2.3.4/PLAIN",
        "syntax error: missing '\\' in entry PRESENTATIONCONTEXT3 in config file",
        12,
        "SOME",
    ),
    (
        1054,
        "1.2.3.4\\Scp",
        "1.2.3.4",
        "syntax error: missing '\\' in entry ROLE2 in config file",
        16,
        "ROLES",
    ),
    (
        1055,
        "1.2.3.4\\Scp",
        "1.2.3.4\\ SCP",
        "syntax error: unknown role key in entry ROLE2 in config file",
        16,
        "ROLES",
    ),
    (
        1055,
        "1.2.3.4\\Scp",
        "1.2.3.4\\SCP ",
        "syntax error: unknown role key in entry ROLE2 in config file",
        16,
        "ROLES",
    ),
    (
        1057,
        "=CTImageStorage\\0200ffA0",
        "CTImageStorage",
        "syntax error: missing '\\' in entry EXTENDEDNEGOTIATION1 in config file",
        19,
        "EXTENDED",
    ),
    (
        1058,
        "0200ffA0",
        BIG + "00",
        (
            "extended negotiation data too long, cannot handle > 1024 bytes in entry "
            "EXTENDEDNEGOTIATION1 in config file"
        ),
        19,
        "EXTENDED",
    ),
    *(
        (
            1059,
            "0200ffA0",
            digits,
            (
                "parse error in extended negotiation data in entry "
                "EXTENDEDNEGOTIATION1 in config file"
            ),
            19,
            "EXTENDED",
        )
        for digits in ("020", "02 00", "0x02", "02\n 00", "zz", "+1", "02 ")
    ),
    (
        1061,
        "PresentationContexts = so me",
        "Contexts = some",
        "no PRESENTATIONCONTEXTS  entry in section WHOLE in config file",
        21,
        "WHOLE",
    ),
]


@pytest.mark.parametrize(("code", "old", "new", "text", "line", "section"), CASES)
def test_mistake_is_told_in_dcmtks_words_with_file_line_and_section(
    code: int, old: str, new: str, text: str, line: int, section: str
) -> None:
    with pytest.raises(ProfileError) as caught:
        parsed(changed((old, new)))
    assert (caught.value.code, caught.value.text) == (code, text)
    assert str(caught.value) == f"{text} (p.cfg, line {line}, section [{section}])"


@pytest.mark.parametrize(
    ("code", "name"),
    [(1050, "TransferSyntaxes"), (1051, "PresentationContexts"), (1060, "Profiles")],
)
def test_missing_super_section_is_told(code: int, name: str) -> None:
    with pytest.raises(ProfileError) as caught:
        parsed(changed((f"[[{name}]]", "[[Other]]")))
    assert caught.value.code == code
    assert str(caught.value) == f"cannot find section [[{name.upper()}]] in config file (p.cfg)"


def test_proposal_takes_128_contexts_and_acceptor_any_number() -> None:
    assert len(parsed(contexts(128))["ONLY"].contexts) == 128
    assert len(parsed(contexts(129), requestor=False)["ONLY"].contexts) == 129
    with pytest.raises(ProfileError) as caught:
        parsed(contexts(129))
    assert caught.value.code == 1032
    assert caught.value.text == "presentation context list too long (> 128 entries): SOME"


def test_extended_negotiation_takes_1024_bytes() -> None:
    profile = parsed(changed(("0200ffA0", BIG)))["WHOLE"]
    assert profile.extended_negotiations[CT] == bytes(1024)


@pytest.mark.parametrize(
    ("change", "warning", "count"),
    [
        (
            ("TransferSyntax2 =", "TransferSyntax3 ="),
            (
                "ignoring TRANSFERSYNTAX3: there is no TRANSFERSYNTAX2 "
                "(p.cfg, line 5, section [PLAIN])"
            ),
            1,
        ),
        (
            ("TransferSyntax2 =", "TransferSyntax02 ="),
            (
                "ignoring TRANSFERSYNTAX02: there is no TRANSFERSYNTAX2 "
                "(p.cfg, line 5, section [PLAIN])"
            ),
            1,
        ),
        (
            ("TransferSyntax2 =", "TransferSyntax1 ="),
            "ignoring TRANSFERSYNTAX1: it was there before (p.cfg, line 5, section [PLAIN])",
            1,
        ),
        (
            ("TransferSyntax2 =", "TransferSyntax3 = x\nTransferSyntax4 ="),
            (
                "ignoring TRANSFERSYNTAX3 and 1 more: there is no TRANSFERSYNTAX2 "
                "(p.cfg, line 5, section [PLAIN])"
            ),
            1,
        ),
    ],
)
def test_list_ends_at_a_gap_with_one_line_of_warning(
    change: tuple[str, str], warning: str, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "isocenter"):
        profile = parsed(changed(change))["BARE"]
    assert len(profile.contexts[0].transfer_syntaxes) == count
    assert [record.getMessage() for record in caplog.records] == [warning]


def test_list_that_does_not_begin_with_one_is_empty_and_so_undefined() -> None:
    with pytest.raises(ProfileError) as caught:
        parsed(changed(("TransferSyntax1 = 1.2", "TransferSyntax2 = 1.2")))
    assert (caught.value.code, caught.value.text) == (
        1031,
        "transfer syntax key undefined: SQUEEZED",
    )


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        (
            ("[[ExtendedNegotiation]]", "[[RoleSelections]]\n[[ExtendedNegotiation]]"),
            "ignoring [[ROLESELECTIONS]]: it has no meaning here (p.cfg, line 17)",
        ),
        (
            ("[[ExtendedNegotiation]]", "[[TransferSyntaxes]]\n[[ExtendedNegotiation]]"),
            "ignoring [[TRANSFERSYNTAXES]]: it is there twice (p.cfg, line 17)",
        ),
        (
            ("[Bare]", "Roles = Roles\n[Bare]"),
            "ignoring ROLES: a profile has no such key (p.cfg, line 25, section [WHOLE])",
        ),
        (
            ("[Bare]", "PresentationContexts = x\n[Bare]"),
            "ignoring PRESENTATIONCONTEXTS: it was there before (p.cfg, line 25, section [WHOLE])",
        ),
        (
            ("# a profile with everything", "x = y"),
            "key X is ignored: it is in no section (p.cfg, line 1)",
        ),
    ],
)
def test_what_has_no_effect_is_warned_of(
    change: tuple[str, str], warning: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "isocenter"):
        parsed(changed(change))
    assert [record.getMessage() for record in caplog.records] == [warning]


def test_correct_file_is_read_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "isocenter"):
        parsed()
    assert not caplog.records


def test_warnings_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "isocenter"):
        parsed("x = y\n" * 50 + FULL)
    assert len(caplog.records) == 11
    assert caplog.records[-1].getMessage() == "40 more notes about p.cfg"


def test_file_that_cannot_be_opened_is_told_with_the_reason(tmp_path: Path) -> None:
    path = str(tmp_path / "none.cfg")
    for place, reason in ((path, "No such file or directory"), (str(tmp_path), "Is a directory")):
        with pytest.raises(ProfileError) as caught:
            read_profiles(place, requestor=True)
        assert caught.value.code == 1042
        assert str(caught.value) == f"unable to open configuration file: {place} ({reason})"


def test_file_length_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "long.cfg"
    text = FULL.encode()
    path.write_bytes(text + b"#" * (MAXIMUM_FILE_LENGTH - len(text)))
    assert list(read_profiles(str(path), requestor=True)) == ["WHOLE", "BARE"]
    path.write_bytes(text + b"#" * (MAXIMUM_FILE_LENGTH - len(text) + 1))
    with pytest.raises(ProfileError, match="longer than 1048576 bytes"):
        read_profiles(str(path), requestor=True)
    with pytest.raises(ProfileError, match="longer than"):
        read_profiles("/dev/zero", requestor=True)


def test_byte_order_mark_foreign_line_ends_and_other_encodings_are_read(tmp_path: Path) -> None:
    path = tmp_path / "p.cfg"
    path.write_bytes(b"\xef\xbb\xbf" + FULL.replace("\n", "\r\n").encode() + b"# M\xfcller\r\n")
    assert list(read_profiles(str(path), requestor=True)) == ["WHOLE", "BARE"]
    path.write_bytes(FULL.replace("1.2.3.4\\PLAIN", "M\xfcller\\PLAIN").encode("latin-1"))
    with pytest.raises(ProfileError, match=r"not a valid abstract syntax UID: M.ller "):
        read_profiles(str(path), requestor=True)


def test_example_of_the_documentation_is_read_without_a_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "profiles.md").read_text()
    example = "\n".join(line[4:] for line in page.splitlines() if line.startswith("    "))
    (mine,) = parsed(example.partition("  E: ")[0]).values()
    assert [context.abstract_syntax for context in mine.contexts] == [CT, CT, "1.2.3.4.5"]
    assert (list(mine.roles), list(mine.extended_negotiations)) == ([CT], [CT])
    assert not caplog.records


def test_number_of_entries_is_bounded() -> None:
    with pytest.raises(ProfileError) as caught:
        parsed("k=\n" * 20001 + FULL)
    assert str(caught.value) == "more than 20000 entries in configuration file (p.cfg)"


@given(st.data())
def test_any_file_is_read_or_refused_with_its_name(data: st.DataObject) -> None:
    text = FULL
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(start + 20, len(text))))
        piece = data.draw(st.text("[]=#\\\n\r\t 1aR\0\xe4", max_size=5))
        text = text[:start] + piece + text[end:]
    refusal = "(p.cfg)"
    try:
        profiles = parsed(text)
    except ProfileError as problem:
        refusal = str(problem)
    else:
        assert all(one.contexts for one in profiles.values())
    assert "(p.cfg" in refusal
    assert "\n" not in refusal


@pytest.mark.parametrize(
    "body",
    [
        "".join(f"TransferSyntax{n}=1\n" for n in range(1, 19000)),
        "TransferSyntax1=1\n" * 19000,
        "".join(f"[s{n}]\nTransferSyntax1=1\n" for n in range(9000)),
    ],
    ids=["one long list", "one key", "many lists"],
)
def test_long_lists_take_no_longer_than_their_length_explains(body: str) -> None:
    before = time.process_time()
    parsed(changed(("[Squeezed]", f"[Long]\n{body}[Squeezed]")))
    assert time.process_time() - before < 5.0


@pytest.mark.parametrize(
    ("word", "uid"),
    [
        ("CTImageStorage", CT),
        ("=CTImageStorage", CT),
        ("==CTImageStorage", "==CTImageStorage"),
        ("ctimagestorage", "ctimagestorage"),
        ("VerificationSOPClass", uids.VERIFICATION),
        ("JPEGLSLossless", uids.JPEG_LS_LOSSLESS),
        ("EncapsulatedUncompressedLittleEndianExplicit", "1.2.840.10008.1.2.1.98"),
        ("HighThroughputJPEG2000ImageCompression", uids.HTJ2K),
        ("MPEG4HighProfile/Level4.2For2DVideo", uids.MPEG4_HP42_2D),
        ("JPEGLossless:Non-hierarchical-1stOrderPrediction", uids.JPEG_LOSSLESS_SV1),
        ("RETIRED_StoredPrintStorage", "1.2.840.10008.5.1.1.27"),
        ("FINDInventory", "1.2.840.10008.5.1.4.1.1.201.2"),
        ("LDAP_dicomAETitle", "1.2.840.10008.15.0.3.7"),
        ("ImplantationPlanSRDocumentStorage", "1.2.840.10008.5.1.4.1.1.88.70"),
        ("LocalEndianExplicit", LOCAL_ENDIAN),
        ("=OppositeEndianExplicit", OPPOSITE_ENDIAN),
        ("1.2.3", "1.2.3"),
        ("", ""),
    ],
)
def test_words_stand_for_uids(word: str, uid: str) -> None:
    assert UidNames().uid_of(word) == uid


def test_every_name_of_a_known_uid_stands_for_it() -> None:
    names = UidNames()
    known = [*uids.SOP_CLASSES, *uids.TRANSFER_SYNTAXES, *uids.OTHER_NAMES]
    assert [uid for uid in known if names.uid_of(uids.name_of(uid)) != uid] == []
    # DCMTK 3.7.0 has 476 names; pydicom's dictionary and older releases have more.
    assert len(known) >= 476


def test_byte_orders_are_the_two_explicit_ones() -> None:
    assert {LOCAL_ENDIAN, OPPOSITE_ENDIAN} == {
        uids.EXPLICIT_VR_LITTLE_ENDIAN,
        uids.EXPLICIT_VR_BIG_ENDIAN,
    }

"""Whatever a peer sends becomes one harmless component of a path."""

from __future__ import annotations

import re
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.errors import StorageRefused
from isocenter.storage.naming import (
    MAXIMUM_COMPONENT_LENGTH,
    SAFE_CHARACTERS,
    TEMPORARY_PREFIX,
    ShortNames,
    TimeNames,
    date_folder,
    default_file_name,
    folder_stamp,
    patient_folder,
    sanitise_component,
    sanitise_value,
    study_folder,
    study_uid_of,
    unique_file_name,
)

CT = "1.2.840.10008.5.1.4.1.1.2"

HOSTILE = [
    "",
    ".",
    "..",
    "/",
    "../../etc/passwd",
    "/etc/passwd",
    "..\\..\\x",
    "a\0b",
    "a\nb",
    "$(touch x)",
    "`id`;|&<>*?!'\"",
    "-rf",
    "~root",
    "\u2025",
    "\u00e9",
    "\udcff",
    ".isocenter-1-1.part",
    "1" * 10_000,
    "/" * 10_000,
]


def is_harmless(name: str) -> bool:
    return (
        0 < len(name.encode("ascii")) <= MAXIMUM_COMPONENT_LENGTH
        and "/" not in name
        and name.isprintable()
        and name not in {".", ".."}
        and not name.startswith(TEMPORARY_PREFIX)
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_becomes_one_harmless_component(text: str) -> None:
    assert is_harmless(sanitise_component(text))
    assert is_harmless(default_file_name(CT, text).name)
    assert is_harmless(default_file_name(text, text, ".dcm").name)


@given(st.text(st.characters(), max_size=300))
def test_any_text_becomes_one_harmless_component(text: str) -> None:
    assert is_harmless(sanitise_component(text))
    assert is_harmless(default_file_name(text, text, ".dcm").name)


@given(st.text("0123456789ABCXYZabcxyz -.:@_", min_size=1, max_size=200))
def test_what_dcmtk_keeps_is_kept(text: str) -> None:
    assert default_file_name(CT, text) == (f"CT.{text}", "")


@pytest.mark.parametrize(
    ("uid", "clean"),
    [("1.2/3", "1.2_3"), ("1.2\0", "1.2_"), ("a(b)", "a_b_"), ("1.2\u00e43", "1.2_3")],
)
def test_replaced_characters_are_told_in_the_words_of_dcmtk(uid: str, clean: str) -> None:
    name, warning = default_file_name(CT, uid)
    shown = uid.replace("\0", "\\x00")
    assert name == f"CT.{clean}"
    assert warning == (
        f'Sanitized unusual characters in SOP Instance UID, converted from "{shown}" to "{clean}".'
    )


def test_warning_repeats_no_control_characters_and_no_long_text() -> None:
    warning = default_file_name(CT, "\n\x1b[2J" + "/" * 10_000).warning
    assert warning.isprintable()
    assert len(warning) < 700


def test_long_texts_that_differ_stay_different() -> None:
    longest = "1" * MAXIMUM_COMPONENT_LENGTH
    assert sanitise_component(longest) == longest
    names = {sanitise_component(longest + tail) for tail in ("1", "2", "/", "_")}
    assert len(names) == 4
    assert all(len(name) == MAXIMUM_COMPONENT_LENGTH for name in names)


def test_default_name_uses_all_the_room_there_is() -> None:
    room = MAXIMUM_COMPONENT_LENGTH - len("CT.") - len(".dcm")
    assert default_file_name(CT, "1" * room, ".dcm").name == f"CT.{'1' * room}.dcm"
    first, second = (default_file_name(CT, "1" * room + tail, ".dcm") for tail in "12")
    assert len(first.name) == len(second.name) == MAXIMUM_COMPONENT_LENGTH
    assert first.name != second.name
    assert first.warning


def test_prefix_of_an_unlisted_class_is_unknown() -> None:
    assert default_file_name("1.2.3", "1.2", ".dcm").name == "UNKNOWN.1.2.dcm"


@pytest.mark.parametrize("extension", ["/x", "\0", "x" * 101])
def test_extension_that_is_no_part_of_a_name_is_refused(extension: str) -> None:
    with pytest.raises(ValueError, match="extension"):
        default_file_name(CT, "1.2", extension)
    with pytest.raises(ValueError, match="extension"):
        unique_file_name(CT, extension)
    with pytest.raises(ValueError, match="extension"):
        TimeNames().next(CT, extension)


def test_unique_names_differ() -> None:
    names = {unique_file_name(CT, ".dcm").name for _ in range(50)}
    assert len(names) == 50
    assert all(name.startswith("CT.X.2.25.") and name.endswith(".dcm") for name in names)


def test_time_names_are_numbered_within_a_millisecond() -> None:
    names = TimeNames()
    moment = time.mktime((2026, 1, 2, 3, 4, 5, 0, 0, -1)) + 0.0625
    assert [names.next(CT, ".dcm", now=moment).name for _ in range(3)] == [
        "20260102030405062.CT.dcm",
        "20260102030405062_0000.CT.dcm",
        "20260102030405062_0001.CT.dcm",
    ]
    assert names.next(CT, now=moment + 0.125).name == "20260102030405187.CT"


@pytest.mark.parametrize("extension", ["/x", "\0", "x" * 101])
def test_extension_that_is_no_part_of_a_short_name_is_refused(extension: str) -> None:
    with pytest.raises(ValueError, match="extension"):
        ShortNames().next(CT, extension)


def test_short_names_are_those_of_dcmtk() -> None:
    names = ShortNames(now=0x5F3759DF)
    assert re.fullmatch(r"CT_5f3759df[0-9a-f]{8}\.dcm", names.next(CT, ".dcm").name)
    assert re.fullmatch(r"XX_5f3759df[0-9a-f]{8}", names.next("1.2.3").name)


def test_short_names_of_one_process_never_repeat() -> None:
    names = ShortNames()
    assert len({names.next(CT).name for _ in range(20_000)}) == 20_000


def test_short_names_of_a_forked_process_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ShortNames(now=0)
    names.next(CT)
    twin = ShortNames(now=0)
    twin._process, twin._value = names._process, names._value
    monkeypatch.setattr("isocenter.storage.naming.os.getpid", lambda: -1)
    assert names.next(CT) != twin.next(CT)


MORNING = time.mktime((2026, 1, 2, 3, 4, 5, 0, 0, -1))


def test_time_names_with_microseconds_are_those_of_dcmrecv() -> None:
    names = TimeNames(microseconds=True)
    assert [names.next(CT, ".dcm", now=MORNING + 0.0625).name for _ in range(3)] == [
        "20260102030405.062500.CT.dcm",
        "20260102030405.062501.CT.dcm",
        "20260102030405.062502.CT.dcm",
    ]
    assert names.next("1.2.3", now=MORNING + 1).name == "20260102030406.000000.UNKNOWN"


@pytest.mark.parametrize("microseconds", [False, True])
def test_time_names_stay_distinct_and_true_when_the_clock_is_set_back(microseconds: bool) -> None:
    names = TimeNames(microseconds=microseconds)
    given = [names.next(CT, now=MORNING + 0.25).name for _ in range(3)]
    for back in (3600.0, 1800.0, 2.0):
        given += [names.next(CT, now=MORNING + 0.25 - back).name for _ in range(3)]
    given += [names.next(CT, now=MORNING + 0.25).name for _ in range(3)]
    assert len(set(given)) == len(given)
    assert all(name.startswith("2026010202040") for name in given[3:6])


@given(
    st.lists(st.integers(0, 30).map(lambda count: MORNING + count / 8), max_size=60),
    st.booleans(),
)
def test_time_names_of_any_clock_are_distinct(moments: list[float], microseconds: bool) -> None:
    names = TimeNames(microseconds=microseconds)
    given = [names.next(CT, now=moment).name for moment in moments]
    assert len(set(given)) == len(given)
    assert all(map(is_harmless, given))


def test_time_names_stay_distinct_when_summer_time_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    try:
        names = TimeNames()
        before = 1_792_888_200.0  # 2026-10-25 02:30 CEST; an hour later it is 02:30 again
        first, second = names.next(CT, now=before).name, names.next(CT, now=before + 3600).name
    finally:
        monkeypatch.undo()
        time.tzset()
    assert first == "20261025023000000.CT"
    assert second == "20261025023000000_0000.CT"


def test_threads_get_distinct_time_names() -> None:
    names = TimeNames()
    given: list[str] = []

    def take() -> None:
        given.extend(names.next(CT, now=MORNING).name for _ in range(200))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(given)) == 800


# Each beside DCMTK 3.6.7's storescp -su "": what the value became, None where it was refused.
@pytest.mark.parametrize(
    ("value", "uid"),
    [
        (b"1.2.3\0", "1.2.3"),
        (b" 1.2.4 ", "1.2.4"),
        (b"1.2.5 \0", "1.2.5"),
        (b"1.2\\3.4", "1.2"),
        (b"1.2 .6", "1.2.6"),
        (b"1\t2", "12"),
        (b"1.2.\0\0", "1.2."),
        (b"\xe4x", "\u00e4x"),
        (b"", None),
        (None, None),
        (b"  ", None),
        (b"\0\0", None),
        (b"\\1.2", None),
    ],
)
def test_study_uid_is_read_as_dcmtk_reads_it(value: bytes | None, uid: str | None) -> None:
    if uid is not None:
        assert study_uid_of(value) == uid
        return
    with pytest.raises(StorageRefused) as caught:
        study_uid_of(value)
    assert caught.value.status == 0xC000
    assert str(caught.value) == ("element StudyInstanceUID (0020,000d) absent or empty in data set")


def test_study_uid_of_any_length_is_bounded_and_stays_different() -> None:
    long = [study_uid_of(b"1" * length) for length in (255, 256, 10_000)]
    assert [len(uid) for uid in long] == [255, 255, 255]
    assert len(set(long)) == 3


def test_study_folder_has_the_prefix_and_the_uid() -> None:
    assert study_folder("1.2.3", "P") == ("P_1.2.3", "")
    assert study_folder("1.2.3", "") == ("1.2.3", "")
    assert study_folder("..", "P") == ("P_..", "")
    assert study_folder("1/2", "") == (
        "1_2",
        'Sanitized unusual characters in Study Instance UID, converted from "1/2" to "1_2".',
    )


@pytest.mark.parametrize("uid", [".", ".."])
def test_study_folder_that_would_be_the_output_directory_or_above_is_refused(uid: str) -> None:
    with pytest.raises(StorageRefused, match="output directory itself or its parent") as caught:
        study_folder(uid, "")
    assert caught.value.status == 0xC000
    assert caught.value.comment == "study UID names the output directory itself or its parent"


# Each beside DCMTK 3.6.7's storescp -sp.
@pytest.mark.parametrize(
    ("name", "character_set", "folder", "warned"),
    [
        (b"A^B ", None, "A_B", ""),
        (b" A^B", None, "_A_B", ""),
        (b"A\\B", None, "A", ""),
        (b"A=B=C ", None, "A_B_C", ""),
        (b"^ ", None, "_", ""),
        (b"A-b.c'd@_:", None, "A_b_c_d___", ""),
        (b"M\xfcller^\xd6tzi ", b"ISO_IR 100", "Mueller_Oetzi", ""),
        (b"\xe4 ", b"ISO_IR 100 ", "ae", ""),
        (b"\xff\xf7", b" ISO_IR 100", "y_", ""),
        (b"\xe4", None, "ae", ""),
        (b"Muller", b"ISO_IR 192", "Muller", ""),
        (b"M\xc3\xbcller ", b"ISO_IR 192", "MA_ller", "ISO_IR 192"),
        (b"\xe4", b"\\ISO 2022 IR 100", "ae", "\\ISO 2022 IR 100"),
        (b"\xff\xf7", b"ISO_IR 100\\ISO_IR 100", "y_", "ISO_IR 100\\ISO_IR 100"),
        (b"\xe4", b"NONSENSE", "ae", "NONSENSE"),
        (
            b"A=\x1b$B;3\x1b(B",
            b"ISO 2022 IR 6\\ISO 2022 IR 87",
            "A___B_3__B",
            "",
        ),
        (b"..", None, "__", ""),
        (b"/ ", None, "_", ""),
        (b"A\nB ", None, "A_B", ""),
        (b"A\0B ", None, "A_B", ""),
        (b"A\0\0\0", None, "A___", ""),
    ],
)
def test_patient_folder_is_that_of_dcmtk(
    name: bytes, character_set: bytes | None, folder: str, warned: str
) -> None:
    warning = warned and (
        f"Patient name not in Latin-1 (charset: {warned}), ASCII dir name may be broken"
    )
    assert patient_folder(name, character_set) == (folder, warning)


def test_every_letter_of_latin_1_becomes_ascii() -> None:
    upper = bytes(range(0xC0, 0xE0))
    assert patient_folder(upper, None).name == ("AAAAAeAACEEEEIIIIDNOOOOOe_OUUUUeY_ss")
    lower = bytes(range(0xE0, 0x100))
    assert patient_folder(lower, None).name == ("aaaaaeaaceeeeiiiidnoooooe_ouuuuey_y")


@pytest.mark.parametrize("name", [None, b"", b"  ", b"\\B "])
def test_patient_without_a_name_is_anonymous(name: bytes | None) -> None:
    assert patient_folder(name, b"ISO_IR 192") == (
        "ANONYMOUS",
        "element PatientName (0010,0010) absent or empty in data set, using 'ANONYMOUS' instead",
    )


def test_patient_names_of_any_length_stay_different() -> None:
    folders = {patient_folder(b"X" * 10_000 + tail, None).name for tail in (b"", b"1", b"/")}
    assert len(folders) == 3
    assert all(len(folder) == 220 for folder in folders)
    assert len(patient_folder(b"\xe4" * 220, None).name) == 220


def test_character_set_in_a_warning_is_printable_and_short() -> None:
    warning = patient_folder(b"\xe4 ", b"\x1b[2J\n" + b"x" * 10_000).warning
    assert warning.isprintable()
    assert len(warning) < 300


@given(st.binary(max_size=400), st.binary(max_size=40), st.text("Pp_. ", max_size=20))
def test_any_values_become_harmless_folders(value: bytes, other: bytes, prefix: str) -> None:
    folder = patient_folder(value, other)
    assert is_harmless(f"{folder.name}_20260102_030405000_0000")
    assert folder.warning.isprintable()
    assert all(map(is_harmless, date_folder(value, MORNING).split("/")))
    try:
        name = study_folder(study_uid_of(value), prefix)
    except StorageRefused:
        assert value.split(b"\\")[0].strip(b" \t\n\v\f\r\0") in {b"", b".", b".."}
    else:
        assert is_harmless(name.name)
        assert name.warning.isprintable()


# Each beside DCMTK 3.6.7's dcmrecv +ssd.
@pytest.mark.parametrize(
    ("value", "folder"),
    [
        (b"20200230", "data/2020/02/30"),
        (b"00000101", "data/0000/01/01"),
        (b"99991231", "data/9999/12/31"),
        (b"2020.01.02", "data/2020/01/02"),
        (b"2020.01.02  ", "data/2020/01/02"),
        (b"20200101  ", "data/2020/01/01"),
        (b"20200101\\20210202 ", "data/2020/01/01"),
        (b"20209999", None),
        (b"20201301", None),
        (b"20200100", None),
        (b"20200132", None),
        (b" 20200101 ", None),
        (b"2020", None),
        (b"2020-01-01", None),
        (b"202001010 ", None),
        (b"2020 1 1", None),
        (b"20200101\0\0", None),
        (b"\\20200101 ", None),
        (b"../../x ", None),
        (b"", None),
        (None, None),
    ],
)
def test_date_folder_is_that_of_dcmtk(value: bytes | None, folder: str | None) -> None:
    assert date_folder(value, MORNING) == (folder or "undef/20260102")


def test_folder_stamp_is_that_of_dcmtk() -> None:
    assert folder_stamp(MORNING + 0.0625) == "20260102_030405062"


@pytest.mark.parametrize("text", HOSTILE)
def test_value_for_a_command_holds_only_safe_characters(text: str) -> None:
    clean = sanitise_value(text)
    assert len(clean) == len(text)
    assert not clean.strip(SAFE_CHARACTERS)

"""Whatever a peer sends becomes one harmless component of a path."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.storage.naming import (
    MAXIMUM_COMPONENT_LENGTH,
    TEMPORARY_PREFIX,
    TimeNames,
    default_file_name,
    sanitise_component,
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

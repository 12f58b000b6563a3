"""The grammar of keys in sections in super sections."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.cli.sections import (
    MAXIMUM_ENTRIES,
    TooManyEntries,
    mangled,
    read_sections,
)


def tree(text: str) -> dict[str, dict[str, dict[str, str]]]:
    """Return super sections, sections and values; every name may occur once."""
    supers, _ = read_sections(text)
    return {
        one.name: {
            section.name: {entry.key: entry.value for entry in section.entries}
            for section in one.sections
        }
        for one in supers
    }


def values(body: str) -> dict[str, str]:
    return tree(f"[[S]]\n[s]\n{body}")["S"]["S"]


def notes(text: str) -> list[tuple[int, str]]:
    return [(note.line, note.text) for note in read_sections(text)[1]]


def test_keys_stand_in_sections_and_these_in_super_sections() -> None:
    text = "[[A]]\n[b]\nk1 = v1\nk2 = v2\n[c]\n[[D]]\n[e]\nk=v\n"
    assert tree(text) == {"A": {"B": {"K1": "v1", "K2": "v2"}, "C": {}}, "D": {"E": {"K": "v"}}}


@pytest.mark.parametrize(
    "heading",
    ["[Def-ault_1]", "[dEf -ault_1]", "  [ def-ault_1 ]", "[def\n-ault_1]", "[d.e,f-ault_1]"],
)
def test_of_names_only_letters_digits_hyphen_and_underscore_count(heading: str) -> None:
    assert tree(f"[[S]]\n{heading}\n") == {"S": {"DEF-AULT_1": {}}}


def test_headings_need_no_lines_of_their_own_and_more_brackets_than_two_are_two() -> None:
    assert tree("[[[A]]][b]k=v\n[ [C] ] [d]") == {"A": {"B": {"K": "v"}}, "C": {"D": {}}}


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("k=v", "v"),
        ("k   =\t v", "v"),
        ("k = v  ", "v  "),
        ("k = v # no comment", "v # no comment"),
        ("k = a=b", "a=b"),
        ("k = [x]", "[x]"),
        ("k =\n  v", "v"),
        ("k =\n\n \n\tv", "v"),
        ("k = a\n  b\n\n  c", "a\nb\nc"),
        ("k = a\n# comment\n  b", "a\nb"),
        ("k = a\n\n", "a"),
        ("k = a\r\n  b\r\n", "a\nb"),
        ("k = a\r  b\r", "a\nb"),
        ("k = a\0b", "a b"),
        ("k =", ""),
        ("k =\nl = v", ""),
        (" k = v", "v"),
        ("k\n= v", "v"),
    ],
)
def test_value_reaches_to_a_line_that_begins_in_column_one(body: str, value: str) -> None:
    assert values(body)["K"] == value


def test_number_sign_begins_a_comment_in_column_one_alone() -> None:
    assert values("#k = 1\nk = 2\n#\n #l = 3\n") == {"K": "2\n#l = 3"}
    assert values("#k = 1\r\nk = 2\r\n") == {"K": "2"}


def test_line_without_equals_sign_swallows_what_follows_and_is_noted() -> None:
    text = "[[S]]\n[a]\noops\n[b]\nk = v\n[c]\nl = w\n"
    assert tree(text) == {"S": {"A": {"OOPSBK": "v"}, "C": {"L": "w"}}}
    assert notes(text) == [(3, "there is no '=': read as one key with what follows to line 5")]


def test_last_line_without_equals_sign_is_a_key_without_value_and_is_noted() -> None:
    assert values("k") == {"K": ""}
    assert notes("[[S]]\n[s]\nk\n") == [(3, "there is no '=' and no value")]


def test_what_stands_outside_is_passed_over_and_noted() -> None:
    text = "k = 1\n[a]\nl = 2\n[[S]]\nm = 3\n[b]\nn = 4\n"
    assert tree(text) == {"S": {"B": {"N": "4"}}}
    assert notes(text) == [
        (1, "key K is ignored: it is in no section"),
        (2, "section [A] is ignored: it is in no super section"),
        (3, "key L is ignored: it is in no section"),
        (5, "key M is ignored: it is in no section"),
    ]


def test_lines_are_those_of_the_file_comments_included() -> None:
    supers, _ = read_sections("# 1\n# 2\n[[S]]\n# 4\n\n[s]\r\n# 7\r\nk = a\n# 9\n  b\nl=c")
    (one,) = supers
    (section,) = one.sections
    assert (one.line, section.line) == (3, 6)
    assert [(entry.key, entry.line) for entry in section.entries] == [("K", 8), ("L", 11)]


@pytest.mark.parametrize("text", ["", "\n\n", "#", "[", "[[", "[[S", "[[S]", "=", "[[S]][", "[]"])
def test_text_that_ends_anywhere_is_read(text: str) -> None:
    supers, _ = read_sections(text)
    assert all(not one.sections or one.sections[0].name == "" for one in supers)


def test_references_lose_white_space_and_become_ascii_capitals() -> None:
    assert mangled(" my\tLi st-1\n") == "MYLIST-1"
    assert mangled("stra\u00dfe.x") == "STRA\u00dfE.X"


def test_number_of_entries_is_bounded() -> None:
    at_most = "[[S]]\n[s]\n" + "k=v\n" * (MAXIMUM_ENTRIES - 2)
    (one,) = read_sections(at_most)[0]
    assert len(one.sections[0].entries) == MAXIMUM_ENTRIES - 2
    with pytest.raises(TooManyEntries, match="20000"):
        read_sections(at_most + "k=v\n")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 500_000,
        "[[S]]" + "]" * 500_000,
        "[[S]][s]k" * 50_000,
        "k=\n " * 250_000,
        "#\n" * 250_000,
    ],
)
def test_hostile_text_takes_no_longer_than_its_length_explains(text: str) -> None:
    before = time.process_time()
    with contextlib.suppress(TooManyEntries):
        read_sections(text)
    assert time.process_time() - before < 5.0


@given(st.text(alphabet="[]=#ab \t\n\r\0", max_size=60))
def test_any_text_is_read_and_every_line_is_one_of_the_file(text: str) -> None:
    supers, found = read_sections(text)
    count = text.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
    lines = [note.line for note in found]
    for one in supers:
        lines += [one.line, *(section.line for section in one.sections)]
        lines += [entry.line for section in one.sections for entry in section.entries]
    assert all(1 <= line <= count for line in lines)

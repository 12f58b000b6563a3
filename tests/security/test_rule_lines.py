"""Files of rules: words, values in quotes, comments, and the places of mistakes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import ConfigurationError
from isocenter.security.rule_lines import lines_of, read_text, shown

if TYPE_CHECKING:
    from pathlib import Path


def _words(line: str) -> list[tuple[int, str, str]]:
    return [
        (word.column, word.key, word.value) for found in lines_of(line, "F") for word in found.words
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("   \t", []),
        ("# allow", []),
        ("allow # all", [(1, "", "allow")]),
        ("allow calling=CT#1", [(1, "", "allow"), (7, "calling", "CT#1")]),
        (" allow\tcalling=A\r", [(2, "", "allow"), (8, "calling", "A")]),
        ('calling="CT 1" x', [(1, "calling", "CT 1"), (16, "", "x")]),
        ("calling='C\"T'", [(1, "calling", 'C"T')]),
        ('calling=""', [(1, "calling", "")]),
        ("subject=CN=ct1,O=X", [(1, "subject", "CN=ct1,O=X")]),
    ],
)
def test_line_is_cut_into_words(line: str, words: list[tuple[int, str, str]]) -> None:
    assert _words(line) == words


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        ('allow calling="CT', 15, "no end"),
        ('allow calling="CT"x', 19, "blank is missing"),
        ("allow calling=", 14, 'nothing behind "="'),
        ("allow calling= x", 14, 'nothing behind "="'),
        ("allow =x", 7, 'nothing before "="'),
        ('al"low', 3, "quote"),
        ("allow calling=C'T", 16, "quote"),
    ],
)
def test_mistake_is_told_with_file_line_and_column(line: str, column: int, reason: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _words(f"# first\n{line}\n")
    assert str(caught.value).startswith(f"F, line 2, column {column}: ")
    assert reason in str(caught.value)


def test_lines_that_say_something_are_numbered_and_kept_as_they_are() -> None:
    found = list(lines_of("# c\n\n  deny  calling=A # why\n", "F"))
    assert [(line.number, line.text) for line in found] == [(3, "deny  calling=A # why")]


def test_log_line_shows_no_control_characters_and_no_more_than_a_line() -> None:
    assert shown("a\nb\xe4") == "a\\nb\\xe4"
    assert len(shown("x" * 200)) == 60


class TestReading:
    def test_each_byte_is_a_character(self, tmp_path: Path) -> None:
        (tmp_path / "rules").write_bytes(b"allow calling=\xe4\xff\n")
        assert read_text(str(tmp_path / "rules")) == "allow calling=\xe4\xff\n"

    def test_file_of_another_system_reads_the_same(self, tmp_path: Path) -> None:
        (tmp_path / "rules").write_bytes(b"\xef\xbb\xbfallow calling=A\r\n")
        (line,) = lines_of(read_text(str(tmp_path / "rules")), "F")
        assert line.text == "allow calling=A"
        assert [word.column for word in line.words] == [1, 7]

    @pytest.mark.parametrize("kind", ["missing", "directory", "pipe", "long", "null"])
    def test_what_cannot_be_read_is_told_by_name(self, tmp_path: Path, kind: str) -> None:
        path = tmp_path / "rules"
        if kind == "directory":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "long":
            path.write_bytes(b"#" * (1024 * 1024 + 1))
        name = os.devnull if kind == "null" else str(path)
        with pytest.raises(ConfigurationError) as caught:
            read_text(name)
        assert str(caught.value).startswith(f"{name}: ")

    def test_longest_file_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "rules").write_bytes(b"#" * (1024 * 1024))
        assert len(read_text(str(tmp_path / "rules"))) == 1024 * 1024

"""Log files: appended to by several processes, rolled by one, and bad disks borne with."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import subprocess
import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import pytest

from isocenter.cli import logfiles
from isocenter.cli.levels import WARN
from isocenter.cli.logappenders import open_appender
from isocenter.cli.logfiles import FileAppender, parse_size
from isocenter.errors import ConfigurationError
from tests.cli.logging_support import event, settings
from tests.support.filesystems import small_file_system

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from isocenter.cli.logappenders import Appender

KIB = 1024


class Open(Protocol):
    def __call__(self, kind: str = ..., **properties: str) -> Appender: ...


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.log"


@pytest.fixture
def opened(path: Path) -> Iterator[Open]:
    appenders: list[Appender] = []

    def make(kind: str = "FileAppender", **properties: str) -> Appender:
        appender = open_appender(
            settings(kind, pattern="%m%n", also={"File": str(path), **properties}), "storescp"
        )
        appenders.append(appender)
        return appender

    yield make
    for appender in appenders:
        appender.close()


class TestFile:
    @pytest.mark.parametrize(
        ("kind", "append", "kept"),
        [
            ("FileAppender", None, False),
            ("FileAppender", "true", True),
            ("RollingFileAppender", None, True),
            ("RollingFileAppender", "false", False),
            ("DailyRollingFileAppender", None, True),
        ],
    )
    def test_old_file_is_kept_where_append_says_so(
        self, path: Path, opened: Open, kind: str, append: str | None, kept: bool
    ) -> None:
        path.write_text("before\n")
        appender = opened(kind, **({} if append is None else {"Append": append}))
        appender.append(event("after"))
        assert path.read_text() == ("before\n" if kept else "") + "after\n"

    def test_bytes_that_are_no_character_are_written_readably(
        self, path: Path, opened: Open
    ) -> None:
        opened().append(event("gr\u00fc\u00df \ud800"))
        assert path.read_bytes() == "gr\u00fc\u00df \\ud800\n".encode()

    def test_text_is_kept_back_where_it_need_not_be_flushed(self, path: Path, opened: Open) -> None:
        appender = opened(ImmediateFlush="false", BufferSize="20")
        appender.append(event("123456789"))
        assert path.read_text() == ""
        appender.append(event("123456789"))
        assert path.read_text() == "123456789\n" * 2
        appender.append(event("x"))
        appender.flush()
        assert path.read_text().endswith("x\n")

    def test_lock_file_stands_beside_it_unless_named(self, path: Path, opened: Open) -> None:
        opened(UseLockFile="true", ImmediateFlush="false").append(event("x"))
        assert path.read_text() == "x\n"  # others could not see what is kept back
        assert path.with_name("a.log.lock").exists()

    def test_descriptor_of_a_standard_stream_is_never_taken(self, path: Path) -> None:
        program = (
            "import os, sys\n"
            "from isocenter.cli.logfiles import _open\n"
            "for number in (0, 1, 2): os.close(number)\n"
            "d = _open(sys.argv[1], os.O_TRUNC)\n"
            "os.write(d, str(d).encode())\n"
        )
        path.write_text("before")
        subprocess.run([sys.executable, "-c", program, str(path)], check=True, timeout=30)
        assert int(path.read_text()) > 2

    @pytest.mark.parametrize(
        ("properties", "message"),
        [
            ({"Append": "yes"}, "Append = yes: is neither true nor false"),
            ({"BufferSize": "1x"}, "BufferSize = 1x: is no number"),
            ({"ReopenDelay": ""}, "ReopenDelay = : is no number"),
        ],
    )
    def test_bad_setting_is_refused(
        self, opened: Open, properties: dict[str, str], message: str
    ) -> None:
        with pytest.raises(ConfigurationError, match=message):
            opened(**properties)


def fill(ballast: Path) -> None:
    """Write a file until the disk is full."""
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


class TestTrouble:
    def test_full_disk_is_told_once_and_what_is_missing_counted(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with small_file_system(tmp_path / "small", mebibytes=1) as folder:
            log, ballast = folder / "a.log", folder / "ballast"
            appender = open_appender(
                settings("FileAppender", pattern="%p %m%n", also={"File": str(log)}), "storescp"
            )
            appender.append(event("first"))
            fill(ballast)
            for _ in range(3):
                appender.append(event("x" * 5000))
            ballast.unlink()
            appender.append(event("last"))
            appender.close()
            text = log.read_text()
        assert capsys.readouterr().err == (
            f"E: cannot write log file {log}: No space left on device\n"
        )
        lines = text.splitlines()
        assert lines[0] == "INFO first"
        assert re.fullmatch("(INFO x+)?", "".join(lines[1:-2]))
        assert lines[-2:] == [
            "WARN 3 messages are missing here, this file could not be written",
            "INFO last",
        ]

    def test_line_that_was_torn_is_ended_before_the_next(
        self, path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        appender = opened()
        write = os.write
        answers = iter((4, errno.ENOSPC))

        def short(descriptor: int, data: bytes) -> int:
            answer = next(answers, None)
            if answer is None:
                return write(descriptor, data)
            if answer == errno.ENOSPC:
                raise OSError(answer, os.strerror(answer))
            return write(descriptor, data[:answer])

        monkeypatch.setattr(os, "write", short)
        appender.append(event("torn line"))
        appender.append(event("next"))
        assert path.read_text() == (
            "torn\n1 messages are missing here, this file could not be written\nnext\n"
        )

    def test_file_is_opened_again_after_the_delay(
        self, path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        appender = opened(ReopenDelay="5")
        now = time.monotonic()
        write = os.write
        failing = [True]

        def fail(descriptor: int, data: bytes) -> int:
            if failing:
                raise OSError(errno.EIO, "Input/output error")
            return write(descriptor, data)

        monkeypatch.setattr(os, "write", fail)
        monkeypatch.setattr(time, "monotonic", lambda: now)
        appender.append(event("one"))
        failing.clear()
        path.rename(path.with_name("gone.log"))
        appender.append(event("two"))
        assert not path.exists()
        now += 5
        appender.append(event("three"))
        assert path.read_text() == (
            "2 messages are missing here, this file could not be written\nthree\n"
        )

    def test_file_that_cannot_be_opened_again_yet_is_tried_later(
        self, path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        appender = opened(ReopenDelay="0")
        assert isinstance(appender, FileAppender)
        write = os.write
        monkeypatch.setattr(os, "write", lambda *_: os.close(-1))
        appender.append(event("one"))
        monkeypatch.setattr(os, "write", write)
        real = logfiles._open
        monkeypatch.setattr(logfiles, "_open", lambda *_: os.close(-1))
        appender.append(event("two"))
        monkeypatch.setattr(logfiles, "_open", real)
        appender.append(event("three"))
        assert path.read_text().splitlines()[0].startswith("2 messages are missing")


WRITER = """
import sys
from isocenter.cli.logappenders import open_appender
from tests.cli.logging_support import event, settings
kind, path, name, count = sys.argv[1:5]
also = dict(word.split("=") for word in sys.argv[5:])
appender = open_appender(settings(kind, pattern="%m%n", also={"File": path, **also}), "storescp")
for number in range(int(count)):
    appender.append(event(f"{name} {number} " + "x" * 300))
appender.close()
"""


def written_by_processes(kind: str, path: Path, count: int, **also: str) -> None:
    words = [f"{key}={value}" for key, value in also.items()]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, kind, str(path), name, str(count), *words],
            cwd=os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
            stderr=subprocess.PIPE,
        )
        for name in "abc"
    ]
    for writer in writers:
        _, err = writer.communicate(timeout=50)
        assert (writer.returncode, err) == (0, b"")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "count", "also"),
    [
        ("FileAppender", 1000, {"Append": "true"}),
        ("FileAppender", 300, {"Append": "true", "UseLockFile": "true"}),
        ("RollingFileAppender", 3000, {"MaxFileSize": "200KB", "MaxBackupIndex": "99"}),
        (
            "RollingFileAppender",
            1500,
            {"MaxFileSize": "200KB", "MaxBackupIndex": "99", "UseLockFile": "true"},
        ),
    ],
)
def test_lines_of_processes_neither_mix_nor_get_lost(
    path: Path, kind: str, count: int, also: dict[str, str]
) -> None:
    written_by_processes(kind, path, count, **also)
    files = [file for file in path.parent.iterdir() if file.suffix != ".lock"]
    lines = [line for file in files for line in file.read_text().splitlines()]
    expected = {f"{name} {number} " + "x" * 300 for name in "abc" for number in range(count)}
    assert len(lines) == len(expected)
    assert set(lines) == expected
    if kind == "RollingFileAppender":
        sizes = sorted(file.stat().st_size for file in files)
        # Nobody rolled a file that another had just begun.
        assert sizes[1] > 200 * KIB
        assert sizes[-1] < 201 * KIB


class TestRolling:
    @pytest.mark.parametrize(
        ("text", "size"),
        [
            ("1", 1),
            ("204801", 204801),
            ("500KB", 500 * KIB),
            ("5 mb", 5 * KIB * KIB),
            ("0", 0),
        ],
    )
    def test_sizes(self, text: str, size: int) -> None:
        assert parse_size(text) == size

    @pytest.mark.parametrize(
        ("text", "warned"), [("1", True), ("199KB", True), ("200KB", False), (None, False)]
    )
    def test_size_below_the_smallest_is_that_with_a_warning(
        self,
        text: str | None,
        warned: bool,
        path: Path,
        opened: Open,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        appender = opened("RollingFileAppender", **({} if text is None else {"MaxFileSize": text}))
        assert capsys.readouterr().err == (
            f"W: MaxFileSize = {text} of log file {path} is too small: "
            "it is 200KB, as in log4cplus\n"
            if warned
            else ""
        )
        appender.append(event("x" * 199 * KIB))
        assert not path.with_name("a.log.1").exists()

    @pytest.mark.parametrize("text", ["5GB", "MB", "-5", "1.5MB", "x", "9" * 14])
    def test_what_is_no_size_is_refused(self, opened: Open, text: str) -> None:
        with pytest.raises(
            ConfigurationError, match=f"MaxFileSize = {re.escape(text)}: is no size"
        ):
            opened("RollingFileAppender", MaxFileSize=text)

    def test_oldest_is_deleted(self, path: Path, opened: Open) -> None:
        appender = opened("RollingFileAppender", MaxFileSize="200KB", MaxBackupIndex="2")
        for letter in "abcd":
            appender.append(event(letter * 200 * KIB))
            assert path.read_text() == ""  # rolled behind the line that was too much
        names = sorted(file.name for file in path.parent.iterdir())
        assert names == ["a.log", "a.log.1", "a.log.2"]
        assert [path.with_name(name).read_text()[0] for name in names[1:]] == ["d", "c"]

    def test_gap_in_the_numbers_keeps_what_is_behind_it(self, path: Path, opened: Open) -> None:
        appender = opened("RollingFileAppender", MaxFileSize="200KB", MaxBackupIndex="3")
        path.with_name("a.log.3").write_text("oldest")
        path.with_name("a.log.1").write_text("newer")
        appender.append(event("x" * 200 * KIB))
        assert path.with_name("a.log.3").read_text() == "oldest"
        assert path.with_name("a.log.2").read_text() == "newer"

    def test_file_that_cannot_be_renamed_is_written_to_all_the_same(
        self,
        path: Path,
        opened: Open,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        appender = opened("RollingFileAppender", MaxFileSize="200KB")

        def fail(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "replace", fail)
        for letter in "abc":
            appender.append(event(letter * 150 * KIB))
        assert path.stat().st_size == 3 * (150 * KIB + 1)
        assert capsys.readouterr().err == (f"E: cannot rename log file {path}: Permission denied\n")
        monkeypatch.undo()
        appender.append(event("d"))
        assert path.stat().st_size > 0  # not tried again until it has grown as much once more
        appender.append(event("e" * 200 * KIB))
        assert path.stat().st_size == 0

    def test_writing_goes_on_where_no_descriptor_is_left(
        self, path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        appender = opened("RollingFileAppender", MaxFileSize="200KB")

        def fail(*_: object) -> int:
            raise OSError(errno.EMFILE, "Too many open files")

        real = logfiles._open
        monkeypatch.setattr(logfiles, "_open", fail)
        appender.append(event("x" * 200 * KIB))
        appender.append(event("meanwhile"))
        monkeypatch.setattr(logfiles, "_open", real)
        appender.append(event("later"))
        assert path.with_name("a.log.1").read_text().endswith("x\nmeanwhile\n")
        assert path.read_text() == "later\n"

    def test_file_rolls_where_it_is_after_a_change_of_directory(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(path.parent)
        also = {"File": "a.log", "MaxFileSize": "200KB"}
        appender = open_appender(settings("RollingFileAppender", also=also), "storescp")
        monkeypatch.chdir("/")
        appender.append(event("x" * 200 * KIB))
        appender.close()
        assert sorted(file.name for file in path.parent.iterdir()) == ["a.log", "a.log.1"]

    def test_file_that_was_moved_away_is_made_anew(self, path: Path, opened: Open) -> None:
        appender = opened("RollingFileAppender")
        appender.append(event("one"))
        path.rename(path.with_name("moved"))
        appender.append(event("two"))
        assert path.with_name("moved").read_text() == "one\n"
        assert path.read_text() == "two\n"

    def test_system_without_locks_rolls_all_the_same(
        self, path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "fcntl", None)
        opened("RollingFileAppender", MaxFileSize="200KB").append(event("x" * 200 * KIB))
        assert path.with_name("a.log.1").exists()


NOON = datetime(2026, 11, 18, 14, 35, 40).timestamp()  # noqa: DTZ001 - local, a Wednesday


class TestDaily:
    @pytest.mark.parametrize(
        ("schedule", "suffix", "last"),
        [
            ("MONTHLY", "2026-11", "2026-11-30 23:59:59"),
            ("weekly", "2026-45", "2026-11-21 23:59:59"),
            ("DAILY", "2026-11-18", "2026-11-18 23:59:59"),
            (None, "2026-11-18", "2026-11-18 23:59:59"),
            ("TWICE_DAILY", "2026-11-18-PM", "2026-11-18 23:59:59"),
            ("HOURLY", "2026-11-18-14", "2026-11-18 14:59:59"),
            ("MINUTELY", "2026-11-18-14-35", "2026-11-18 14:35:59"),
        ],
    )
    def test_file_is_renamed_with_the_first_message_behind_its_period(
        self,
        path: Path,
        opened: Open,
        monkeypatch: pytest.MonkeyPatch,
        schedule: str | None,
        suffix: str,
        last: str,
    ) -> None:
        monkeypatch.setattr(time, "time", lambda: NOON)
        appender = opened(
            "DailyRollingFileAppender", **({} if schedule is None else {"Schedule": schedule})
        )
        end = datetime.fromisoformat(last).timestamp()
        appender.append(event("one", moment=NOON))
        os.utime(path, (NOON, NOON))
        appender.append(event("two", moment=end + 0.9))
        assert path.read_text() == "one\ntwo\n"
        monkeypatch.setattr(time, "time", lambda: end + 1)
        appender.append(event("three", moment=end + 1))
        assert path.read_text() == "three\n"
        assert path.with_name(f"a.log.{suffix}").read_text() == "one\ntwo\n"
        appender.append(event("four", moment=end + 2))
        assert path.read_text() == "three\nfour\n"

    def test_file_of_an_earlier_run_is_renamed_by_its_last_change(
        self, path: Path, opened: Open
    ) -> None:
        path.write_text("old\n")
        os.utime(path, (NOON, NOON))
        appender = opened("DailyRollingFileAppender")
        assert path.read_text() == "old\n"
        appender.append(event("new", moment=time.time()))
        assert path.read_text() == "new\n"
        assert path.with_name("a.log.2026-11-18").read_text() == "old\n"

    def test_end_of_the_tool_is_no_end_of_a_period(self, path: Path, opened: Open) -> None:
        opened("DailyRollingFileAppender").append(event("x"))
        assert [file.name for file in path.parent.iterdir()] == ["a.log"]

    def test_name_that_is_taken_gets_a_number(self, path: Path, opened: Open) -> None:
        for text in ("one", "two", "three", "four"):
            path.write_text(text)
            os.utime(path, (NOON, NOON))
            opened("DailyRollingFileAppender", MaxBackupIndex="2").append(event("x"))
        texts = {
            file.name.removeprefix("a.log.2026-11-18"): file.read_text()
            for file in path.parent.glob("a.log.*")
        }
        assert texts == {"": "four", ".1": "three", ".2": "two"}

    def test_empty_file_is_not_renamed(
        self, path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(time, "time", lambda: NOON)
        appender = opened("DailyRollingFileAppender")
        appender.append(event("next day", moment=NOON + 86400))
        assert [file.name for file in path.parent.iterdir()] == ["a.log"]

    def test_file_that_cannot_be_renamed_is_written_to_all_the_same(
        self,
        path: Path,
        opened: Open,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        path.write_text("old\n")
        os.utime(path, (NOON, NOON))
        appender = opened("DailyRollingFileAppender")

        def fail(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "replace", fail)
        appender.append(event("one"))
        appender.append(event("two", WARN))
        assert path.read_text() == "old\none\ntwo\n"
        assert capsys.readouterr().err.count("cannot rename log file") == 1

    def test_second_writer_follows_the_one_that_renamed_the_file(
        self, path: Path, opened: Open
    ) -> None:
        path.write_text("old\n")
        os.utime(path, (NOON, NOON))
        one, two = opened("DailyRollingFileAppender"), opened("DailyRollingFileAppender")
        one.append(event("one"))
        two.append(event("two"))
        one.append(event("three"))
        assert path.read_text() == "one\ntwo\nthree\n"
        assert [file.name for file in path.parent.glob("a.log.*")] == ["a.log.2026-11-18"]

    def test_unknown_schedule_is_refused(self, opened: Open) -> None:
        with pytest.raises(ConfigurationError, match="Schedule = YEARLY: is none of MONTHLY, "):
            opened("DailyRollingFileAppender", Schedule="yearly".upper())

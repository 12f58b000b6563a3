"""File names that are no UTF-8 are shown as the bytes they are, on every way to a reader."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.levels import ERROR
from isocenter.cli.logsetup import configure, put_text, write_lines
from tests.support.ports import free_port
from tests.support.tools import DCMTK, OURS, UNDER_TEST

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.tools import Suite

NAME = b"gr\xfc\xdf\x93.dcm"

CONFIG = """\
log4cplus.rootLogger = INFO, A, C
log4cplus.appender.A = log4cplus::FileAppender
log4cplus.appender.A.File = {log}
log4cplus.appender.A.layout = log4cplus::PatternLayout
log4cplus.appender.A.layout.ConversionPattern = %P: %m%n
log4cplus.appender.C = log4cplus::ConsoleAppender
log4cplus.appender.C.layout = log4cplus::PatternLayout
log4cplus.appender.C.layout.ConversionPattern = %P: %m%n
"""


def run(suite: Suite, *options: str | bytes) -> subprocess.CompletedProcess[bytes]:
    argv = suite.argv("storescu", *(os.fsdecode(option) for option in options))
    return subprocess.run(
        [*argv, "127.0.0.1", str(free_port()), os.fsdecode(NAME)],
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(autouse=True)
def _file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        with open(NAME, "wb") as file:
            file.write(b"no DICOM")
    except OSError:
        pytest.skip("this file system takes no such names")


def test_name_is_on_stderr_as_it_is() -> None:
    err = run(UNDER_TEST, "-R").stderr
    assert NAME in err
    assert b"udc" not in err


@pytest.mark.peer("dcmtk")
def test_line_is_the_oracles() -> None:
    lines = [run(suite, "-R").stderr.splitlines()[0] for suite in (OURS, DCMTK)]
    assert lines[0].startswith(lines[1])


def test_name_is_in_a_log_file_and_on_the_console_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "log.cfg").write_text(CONFIG.format(log=tmp_path / "log"))
    done = run(OURS, "-R", "-lc", "log.cfg")
    assert NAME in done.stdout
    assert NAME in (tmp_path / "log").read_bytes()


class TestWriting:
    """Streams of all kinds."""

    @staticmethod
    def stream(encoding: str = "utf-8") -> tuple[io.TextIOWrapper, io.BytesIO]:
        raw = io.BytesIO()
        return io.TextIOWrapper(raw, encoding=encoding, errors="strict"), raw

    def test_bytes_come_in_their_place(self) -> None:
        stream, raw = self.stream()
        stream.write("1 ")
        put_text(stream, "\udcff ")
        put_text(stream, "ä 2")
        stream.flush()
        assert raw.getvalue() == b"1 \xff \xc3\xa4 2"

    def test_what_the_encoding_lacks_is_shown_as_its_code(self) -> None:
        stream, raw = self.stream("ascii")
        put_text(stream, "a\udcffb")
        put_text(stream, "ä")
        stream.flush()
        assert raw.getvalue() == b"a\xffb\\xe4"

    def test_stream_of_text_alone_gets_codes(self) -> None:
        stream = io.StringIO()
        put_text(stream, "a\udcff")
        assert stream.getvalue() == "a\\udcff"

    def test_control_characters_and_other_surrogates_stay_codes(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stream, raw = self.stream()
        monkeypatch.setattr(sys, "stderr", stream)
        configure(ERROR)
        write_lines(ERROR, "\udcff\x1b[2J\x9b")
        write_lines(ERROR, "\ud800")
        assert raw.getvalue() == b"E: \xff\\x1b[2J\\x9b\nE: \\ud800\n"

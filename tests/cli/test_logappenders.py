"""Appenders: thresholds, filters, console, system log, lock files."""

from __future__ import annotations

import io
import os
import socket
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.levels import DEBUG, ERROR, FATAL, INFO, OFF, TRACE, WARN
from isocenter.cli.logappenders import open_appender
from isocenter.cli.logconfig import FilterSettings
from isocenter.errors import ConfigurationError
from tests.cli.logging_support import event, settings

if TYPE_CHECKING:
    from pathlib import Path

LEVELS = (TRACE, DEBUG, INFO, WARN, ERROR, FATAL)


def passed(capsys: pytest.CaptureFixture[str], *filters: FilterSettings) -> str:
    appender = open_appender(settings("ConsoleAppender", *filters, pattern="%P"), "storescp")
    for level in LEVELS:
        appender.append(event("a needle here" if level == WARN else "hay", level))
    return capsys.readouterr().out


RANGE = FilterSettings(kind="LogLevelRangeFilter", lowest=INFO, highest=ERROR)
ALL_ELSE = FilterSettings(kind="DenyAllFilter")


@pytest.mark.parametrize(
    ("filters", "shown"),
    [
        ((), "TDIWEF"),
        ((RANGE,), "IWE"),
        ((FilterSettings(kind="LogLevelRangeFilter", lowest=WARN),), "WEF"),
        ((FilterSettings(kind="LogLevelRangeFilter", highest=DEBUG),), "TD"),
        ((RANGE, ALL_ELSE), ""),
        (
            (
                FilterSettings(kind="LogLevelRangeFilter", lowest=INFO, highest=ERROR, accept=True),
                ALL_ELSE,
            ),
            "IWE",
        ),
        ((FilterSettings(kind="LogLevelMatchFilter", lowest=INFO),), "TDWEF"),
        ((FilterSettings(kind="LogLevelMatchFilter", lowest=INFO, accept=True), ALL_ELSE), "I"),
        ((FilterSettings(kind="LogLevelMatchFilter"),), "TDIWEF"),
        ((FilterSettings(kind="StringMatchFilter", text="needle"),), "TDIEF"),
        ((FilterSettings(kind="StringMatchFilter", text="needle", accept=True), ALL_ELSE), "W"),
        ((FilterSettings(kind="StringMatchFilter", text=""), ALL_ELSE), ""),
        ((ALL_ELSE,), ""),
    ],
)
def test_filters(
    filters: tuple[FilterSettings, ...], shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert passed(capsys, *filters) == shown


@pytest.mark.parametrize(("threshold", "shown"), [(None, "TDIWEF"), (WARN, "WEF"), (OFF, "")])
def test_threshold(threshold: int | None, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    appender = open_appender(
        settings("ConsoleAppender", pattern="%P", threshold=threshold), "storescp"
    )
    for level in LEVELS:
        appender.append(event("x", level))
    assert capsys.readouterr().out == shown


def test_null_appender_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    appender = open_appender(settings("NullAppender"), "storescp")
    appender.append(event("x"))
    appender.close()
    assert capsys.readouterr() == ("", "")


class TestConsole:
    @pytest.mark.parametrize(
        ("properties", "to_stderr"),
        [
            ({}, False),
            ({"logToStdErr": "true"}, True),
            ({"logToStdErr": "1"}, True),
            ({"logToStdErr": "FALSE"}, False),
            ({"logToStderr": "true"}, False),  # as the file that comes with DCMTK has it
        ],
    )
    def test_stream_is_chosen_by_the_exact_spelling(
        self, properties: dict[str, str], to_stderr: bool, capsys: pytest.CaptureFixture[str]
    ) -> None:
        open_appender(settings("ConsoleAppender", also=properties), "storescp").append(event("x"))
        out, err = capsys.readouterr()
        assert (out, err) == (("", "INFO x\n") if to_stderr else ("INFO x\n", ""))

    @pytest.mark.parametrize(("immediate", "flushes"), [("true", 1), ("false", 0)])
    def test_stdout_is_flushed_where_asked_for(
        self, immediate: str, flushes: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Counting(io.StringIO):
            flushed = 0

            def flush(self) -> None:
                self.flushed += 1

        stream = Counting()
        monkeypatch.setattr(sys, "stdout", stream)
        appender = open_appender(settings("ConsoleAppender", ImmediateFlush=immediate), "storescp")
        appender.append(event("x"))
        assert (stream.getvalue(), stream.flushed) == ("INFO x\n", flushes)
        appender.close()
        assert stream.flushed == flushes + 1

    def test_lost_stream_is_no_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        appender = open_appender(settings("ConsoleAppender"), "storescp")
        monkeypatch.setattr(sys, "stdout", None)
        appender.append(event("x"))
        closed = io.StringIO()
        closed.close()
        monkeypatch.setattr(sys, "stdout", closed)
        appender.append(event("x"))
        appender.close()

    def test_character_that_the_terminal_lacks_is_escaped(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
        appender = open_appender(settings("ConsoleAppender"), "storescp")
        appender.append(event("gr\u00fc\u00df"))
        appender.flush()
        assert raw.getvalue() == b"INFO gr\\xfc\\xdf\n"


class TestSystemLog:
    def test_messages_go_to_the_log_of_this_machine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import syslog

        calls: list[tuple[object, ...]] = []
        monkeypatch.setattr(syslog, "openlog", lambda *words: calls.append(words))
        monkeypatch.setattr(syslog, "syslog", lambda *words: calls.append(words))
        one = open_appender(settings("SysLogAppender", ident="pacs", facility="LOCAL3"), "storescp")
        two = open_appender(settings("SysLogAppender"), "storescp")
        for level in LEVELS:
            one.append(event("x", level))
        two.append(event("y"))
        priorities = (7, 7, 6, 4, 3, 2)
        assert [call for call in calls[:12] if call[0] != "pacs"] == [
            (19 << 3 | severity, f"{word} x\n")
            for severity, word in zip(
                priorities, ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"), strict=True
            )
        ]
        assert calls[12:] == [("storescp", 0, 0), (1 << 3 | 6, "INFO y\n")]

    def test_messages_go_to_a_host(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as log:
            log.bind(("127.0.0.1", 0))
            log.settimeout(10)
            appender = open_appender(
                settings(
                    "SysLogAppender",
                    host="127.0.0.1",
                    port=str(log.getsockname()[1]),
                    ident="pacs",
                    facility="daemon",
                ),
                "storescp",
            )
            appender.append(event("gr\u00fc\u00df\nzwei", ERROR, moment=1_700_000_000.0625))
            received = log.recv(4096).decode("utf-8")
            appender.close()
        head, text = received.split(" - ", 1)
        priority, when, _, ident, pid, name = head.split(" ")
        assert (priority, when) == ("<27>1", "2023-11-14T22:13:20.062Z")
        assert (ident, pid, name) == ("pacs", str(os.getpid()), "dcmtk.apps.storescp")
        assert text == "ERROR gr\u00fc\u00df\nERROR zwei\n"

    def test_message_behind_one_that_met_nobody_arrives(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as log:
            log.bind(("127.0.0.1", 0))
            port = log.getsockname()[1]
        appender = open_appender(
            settings("SysLogAppender", host="127.0.0.1", port=str(port)), "storescp"
        )
        appender.append(event("to nobody"))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as log:
            log.bind(("127.0.0.1", port))
            log.settimeout(10)
            appender.append(event("to the log"))
            assert log.recv(4096).endswith(b"INFO to the log\n")
        appender.close()

    def test_thread_that_logs_is_not_held_up_by_a_look_up(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        answered = threading.Event()

        def fail(host: str, *_: object, flags: int = 0, **__: object) -> None:
            del host
            if not flags & socket.AI_NUMERICHOST:
                assert threading.current_thread() is not threading.main_thread()
                assert answered.wait(20)
            raise socket.gaierror(-2, "Name or service not known")

        appender = open_appender(settings("SysLogAppender", host="log.invalid"), "storescp")
        monkeypatch.setattr(socket, "getaddrinfo", fail)
        appender.append(event("x"))
        appender.append(event("x"))
        answered.set()
        appender.close()
        assert capsys.readouterr().err == (
            "E: cannot send log messages to log.invalid: Name or service not known\n"
            "E: log messages that were not sent to log.invalid: 2\n"
        )

    @pytest.mark.parametrize(
        ("properties", "message"),
        [
            ({"facility": "kitchen"}, "facility = kitchen: no such facility"),
            ({"host": "x", "port": "many"}, "port = many: is no number"),
            ({"host": "x", "port": "65536"}, "port = 65536: no such port"),
            ({"host": "x", "port": "0"}, "port = 0: no such port"),
        ],
    )
    def test_bad_setting_is_refused(self, properties: dict[str, str], message: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            open_appender(settings("SysLogAppender", also=properties), "storescp")
        assert str(caught.value) == f"Specified --log-config file: log4cplus.appender.A.{message}"

    def test_system_without_a_log_refuses_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "syslog", None)
        with pytest.raises(ConfigurationError, match="this system has no system log"):
            open_appender(settings("SysLogAppender"), "storescp")


class TestLockFile:
    def test_it_is_held_while_an_event_is_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import fcntl

        path = tmp_path / "the.lock"
        calls: list[int] = []
        monkeypatch.setattr(fcntl, "lockf", lambda _, how: calls.append(how))
        appender = open_appender(
            settings("NullAppender", UseLockFile="true", LockFile=str(path)), "storescp"
        )
        appender.append(event("x"))
        appender.close()
        assert path.exists()
        assert calls == [fcntl.LOCK_EX, fcntl.LOCK_UN]

    def test_file_system_without_locks_is_written_to_all_the_same(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        import fcntl

        def fail(*_: object) -> None:
            raise OSError(37, "No locks available")

        monkeypatch.setattr(fcntl, "lockf", fail)
        appender = open_appender(
            settings("ConsoleAppender", UseLockFile="true", LockFile=str(tmp_path / "lock")),
            "storescp",
        )
        appender.append(event("x"))
        assert capsys.readouterr().out == "INFO x\n"

    def test_it_is_refused_where_it_cannot_be(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wanted = settings("NullAppender", UseLockFile="true", LockFile=str(tmp_path / "no" / "x"))
        with pytest.raises(ConfigurationError, match="cannot open lock file"):
            open_appender(wanted, "storescp")
        monkeypatch.setitem(sys.modules, "fcntl", None)
        with pytest.raises(ConfigurationError, match="UseLockFile is not possible on this system"):
            open_appender(wanted, "storescp")

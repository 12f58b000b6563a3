"""The tools with `--log-config`: what reaches console and files, who decides, what is refused."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from isocenter.cli import echoscu, logsetup, options_echoscu, options_storescp, storescp, storescu
from isocenter.cli.exitcodes import ExitCode
from isocenter.cli.levels import DEBUG, INFO, WARN
from isocenter.cli.main import main as run_isocenter
from isocenter.cli.render import error_text
from isocenter.cli.start import start
from isocenter.logs import get_logger
from isocenter.testing import ScriptedAcceptor, ct_image
from isocenter.testing.peer import accept, serve_storage
from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from isocenter.testing import RawConnection

TOOL = options_echoscu.TOOL
PATTERN = "log4cplus::PatternLayout\nlog4cplus.appender.A.layout.ConversionPattern = %c %p: %m%n"
CONSOLE = f"""
log4cplus.appender.A = log4cplus::ConsoleAppender
log4cplus.appender.A.logToStdErr = true
log4cplus.appender.A.layout = {PATTERN}
"""
FILE = f"""
log4cplus.appender.A = log4cplus::FileAppender
log4cplus.appender.A.File = ${{appname}}.log
log4cplus.appender.A.layout = {PATTERN}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    logsetup.configure(WARN)  # closes what a configuration opened


def configuration(folder: Path, text: str) -> str:
    path = folder / "log.cfg"
    path.write_text(text)
    return str(path)


def logged(path: Path) -> str:
    return path.read_text() if path.exists() else ""


class TestEffect:
    """Named in tests/options.toml: each fails where the option is dropped."""

    def test_echoscu_logs_where_the_file_says(self, folder: Path) -> None:
        path = configuration(folder, f"log4cplus.rootLogger = INFO, A\n{FILE}")
        assert echoscu.main(["-lc", path, "127.0.0.1", str(free_port())], {}) == 1
        assert logged(folder / "echoscu.log").splitlines() == [
            "dcmtk.apps.echoscu INFO: Requesting Association",
            (
                "dcmtk.apps.echoscu FATAL: Association Request Failed: "
                "0006:031c TCP Initialization Error: Connection refused"
            ),
        ]

    def test_storescu_logs_where_the_file_says(self, folder: Path) -> None:
        path = configuration(folder, f"log4cplus.rootLogger = FATAL, A\n{FILE}")
        assert storescu.main(["-lc", path, "127.0.0.1", "1", "none.dcm"], {}) == 1
        assert logged(folder / "storescu.log") == (
            "dcmtk.apps.storescu FATAL: cannot access file: none.dcm\n"
        )

    def test_storescp_logs_where_the_file_says(self, folder: Path) -> None:
        path = configuration(folder, f"log4cplus.rootLogger = FATAL, A\n{FILE}")
        assert storescp.main(["-lc", path, "-od", "none", "11112"], {}) == 1
        assert logged(folder / "storescp.log") == (
            "dcmtk.apps.storescp FATAL: specified output directory does not exist (none)\n"
        )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        ("# nothing\nno sign\n", "does not contain any settings"),
        ("other = 1\n", "does not contain any valid settings"),
        ("log4cplus.appender.A = x\n", "does not set up log4cplus.rootLogger"),
    ],
)
def test_file_that_says_nothing_is_refused_in_the_words_of_dcmtk(
    folder: Path, content: str | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        configuration(folder, content)
    assert start(TOOL, ["-lc", "log.cfg", "host", "1"]) is ExitCode.FAILURE
    expected = error_text(TOOL, f"Specified --log-config file {message}")
    assert capsys.readouterr() == ("", expected)


def test_unreadable_file_is_refused_in_the_words_of_dcmtk(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configuration(folder, "log4cplus.rootLogger = INFO\n")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    assert start(TOOL, ["-lc", path, "host", "1"]) is ExitCode.FAILURE
    assert capsys.readouterr().err.endswith("error: Specified --log-config file cannot be read\n")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["-ll", "info"], "--log-config not allowed with --log-level"),
        (["-v"], "--log-config not allowed with --verbose, --debug or --quiet"),
        (["-d"], "--log-config not allowed with --verbose, --debug or --quiet"),
        (["-q"], "--log-config not allowed with --verbose, --debug or --quiet"),
        (["-ll", "nonsense"], "Invalid log level for --log-level option"),
    ],
)
def test_other_options_of_the_log_are_refused_beside_it(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start(TOOL, ["-lc", "none", *argv, "host", "1"]) is ExitCode.FAILURE
    assert capsys.readouterr().err == error_text(TOOL, message)


def test_what_is_not_offered_is_refused_by_name_before_anything_is_done(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configuration(
        folder, "log4cplus.rootLogger=INFO,A\nlog4cplus.appender.A=log4cplus::SocketAppender"
    )
    assert start(TOOL, ["-lc", path, "host", "1"]) is ExitCode.FAILURE
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: Specified --log-config file: log4cplus.appender.A = log4cplus::SocketAppender: "
        "not offered, appenders are ConsoleAppender, FileAppender, RollingFileAppender, "
        "DailyRollingFileAppender, SysLogAppender, NullAppender"
    )


def test_log_file_that_cannot_be_opened_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = FILE.replace("${appname}.log", "none/a.log")
    path = configuration(folder, f"log4cplus.rootLogger = INFO, A\n{text}")
    assert start(TOOL, ["-lc", path, "host", "1"]) is ExitCode.FAILURE
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: Specified --log-config file: log4cplus.appender.A.File = none/a.log: "
        "cannot be opened: No such file or directory"
    )


def test_mistake_in_another_option_leaves_an_old_log_as_it_was(folder: Path) -> None:
    path = configuration(folder, f"log4cplus.rootLogger = INFO, A\n{FILE}")
    (folder / "echoscu.log").write_text("before\n")
    assert start(TOOL, ["-lc", path, "-pdu", "1", "host", "1"]) is ExitCode.FAILURE
    assert (folder / "echoscu.log").read_text() == "before\n"


@pytest.mark.parametrize(("level", "shown"), [("ERROR", True), ("FATAL", False), ("OFF", False)])
def test_root_above_error_silences_mistakes_in_the_command_line(
    folder: Path, level: str, shown: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configuration(folder, f"log4cplus.rootLogger = {level}\n")
    assert start(TOOL, ["-lc", path, "-pdu", "1", "host", "1"]) is ExitCode.FAILURE
    assert bool(capsys.readouterr().err) is shown


def test_arguments_are_the_roots_message_whatever_its_level(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configuration(folder, f"log4cplus.rootLogger = OFF, A\n{CONSOLE}")
    argv = ["-lc", "log.cfg", "--arguments", "host", "1"]
    shown = (
        "root INFO: calling 'echoscu' with 5 arguments: "
        "'--log-config' 'log.cfg' '--arguments' 'host' '1' \nroot INFO: \n"
    )
    assert path
    assert not isinstance(start(TOOL, argv), ExitCode)
    assert capsys.readouterr() == ("", shown)
    # Also where a mistake follows, of which this root says nothing.
    assert start(TOOL, [*argv, "-pdu", "1"]) is ExitCode.FAILURE
    assert capsys.readouterr().err == shown.replace("with 5", "with 7").replace(
        "'1' ", "'1' '--max-pdu' '1' "
    )


@pytest.mark.parametrize(
    ("lines", "level", "progress"),
    [
        ("rootLogger = DEBUG", DEBUG, DEBUG),
        ("rootLogger = WARN\nlog4cplus.logger.dcmtk.apps = DEBUG", DEBUG, DEBUG),
        ("rootLogger = DEBUG\nlog4cplus.logger.dcmtk.apps.echoscu = WARN", WARN, WARN),
        ("rootLogger = DEBUG\nlog4cplus.logger.dcmtk.apps.echoscu.progress = INFO", DEBUG, INFO),
        ("rootLogger = DEBUG\nlog4cplus.logger.dcmtk.apps.storescu = WARN", DEBUG, DEBUG),
        ("rootLogger = WARN\nlog4cplus.logger.isocenter.cli.echoscu = INFO", INFO, WARN),
        ("rootLogger = WARN\nlog4cplus.logger.isocenter.net = DEBUG", WARN, WARN),
    ],
)
def test_level_of_the_tool_is_that_of_its_logger(
    folder: Path, lines: str, level: int, progress: int
) -> None:
    path = configuration(folder, f"log4cplus.{lines}\n")
    line = start(TOOL, ["-lc", path, "host", "1"])
    assert not isinstance(line, ExitCode)
    assert (line.level, line.progress_level) == (level, progress)


def test_verbose_pc_asks_for_info_of_the_tools_logger(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configuration(folder, "log4cplus.rootLogger = WARN\n")
    tool = options_storescp.TOOL
    assert start(tool, ["+v", "-lc", path, "11112"]) is ExitCode.FAILURE
    assert "--verbose-pc only allowed with verbose mode" in capsys.readouterr().err
    configuration(folder, "log4cplus.rootLogger = WARN\nlog4cplus.logger.dcmtk.apps = INFO\n")
    assert not isinstance(start(tool, ["+v", "-lc", path, "11112"]), ExitCode)


def test_debug_output_begins_with_the_identification(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configuration(folder, f"log4cplus.rootLogger = DEBUG, A\n{CONSOLE}")
    start(TOOL, ["-lc", path, "host", "1"])
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("dcmtk.apps.echoscu DEBUG: $isocenter: echoscu v")
    assert second == "dcmtk.apps.echoscu DEBUG: "


def test_dots_appear_where_the_progress_logger_is_at_info(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        f"log4cplus.rootLogger = DEBUG, A\n{FILE}\n"
        "log4cplus.logger.dcmtk.apps.storescu.progress = INFO\n"
    )
    path = configuration(folder, text)
    ct_image(rows=4, columns=4).write(folder / "a.dcm")

    def receive(connection: RawConnection) -> None:
        accept(connection)
        for _ in serve_storage(connection):
            pass

    with ScriptedAcceptor(receive) as peer:
        argv = ["-lc", path, "127.0.0.1", str(peer.port), "a.dcm"]
        assert storescu.main(argv, {}) == 0
    out, err = capsys.readouterr()
    assert out.startswith("XMIT: .")
    assert out.endswith(".\n")
    assert err == ""
    logged = (folder / "storescu.log").read_text()
    assert "dcmtk.apps.storescu DEBUG: Message Type                  : C-STORE RQ\n" in logged


def test_lost_console_does_not_end_the_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = configuration(folder, f"log4cplus.rootLogger = DEBUG, A\n{CONSOLE}")
    monkeypatch.setattr(sys, "stderr", None)
    assert not isinstance(start(TOOL, ["-lc", path, "--arguments", "host", "1"]), ExitCode)
    get_logger("isocenter.net").error("nobody reads this")


def test_unexpected_error_is_told_in_the_log(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("x")

    path = configuration(folder, f"log4cplus.rootLogger = WARN, A\n{FILE}")
    monkeypatch.setattr(echoscu, "_request", fail)
    assert run_isocenter(["echoscu", "-lc", path, "127.0.0.1", "1"]) == 1
    assert capsys.readouterr() == ("", "")
    assert logged(folder / "echoscu.log") == (
        "dcmtk.apps.echoscu FATAL: echoscu: unexpected error, use --debug for details: "
        "ZeroDivisionError: x\n"
    )

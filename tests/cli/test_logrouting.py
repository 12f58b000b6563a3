"""From `logging` to appenders: levels, names, additivity, processes."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

import pytest

from isocenter.cli import logsetup
from isocenter.cli.levels import DEBUG, FATAL, INFO, TRACE, WARN
from isocenter.cli.logconfig import read_log_config
from isocenter.cli.logrouting import Router
from isocenter.errors import ConfigurationError
from isocenter.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    yield
    logsetup.configure(WARN)


def configure(tmp_path: Path, *lines: str) -> None:
    """Use lines, each behind ``log4cplus.``; the appenders A, B, C print their name."""
    text: list[str] = []
    for name in "ABC":
        own = f"log4cplus.appender.{name}"
        text += [
            f"{own} = log4cplus::ConsoleAppender",
            f"{own}.layout = log4cplus::PatternLayout",
            f"{own}.layout.ConversionPattern = {name} %p %c: %m%n",
        ]
    path = tmp_path / "log.cfg"
    path.write_text("\n".join([*text, *[f"log4cplus.{line}" for line in lines]]))
    logsetup.configure_from(read_log_config(str(path), "storescp"))


def test_messages_carry_the_names_of_dcmtk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(tmp_path, "rootLogger = INFO, A")
    for name in ("isocenter.cli.receiving", "isocenter.net.listener", "isocenter.dataset.part10"):
        get_logger(name).info("x")
        get_logger(name).debug("y")
    logging.getLogger("pydicom").warning("z")
    assert capsys.readouterr().out == (
        "A INFO dcmtk.apps.storescp: x\nA INFO dcmtk.dcmnet: x\nA INFO dcmtk.dcmdata: x\n"
        "A WARN pydicom: z\n"
    )


def test_each_message_goes_to_the_appenders_of_its_logger_and_above(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(
        tmp_path,
        "rootLogger = WARN, A",
        "logger.dcmtk.dcmnet = INFO, B",
        "logger.isocenter.net.workers = INHERITED, C",
        "additivity.isocenter.net.workers = false",
        "logger.dcmtk.apps.storescp = FATAL",
    )
    get_logger("isocenter.net.client").info("client")
    get_logger("isocenter.net.workers").info("workers")
    get_logger("isocenter.storage.receive").error("storage")
    get_logger("isocenter.dataset.scan").warning("dataset")
    assert capsys.readouterr().out == (
        "B INFO dcmtk.dcmnet: client\nA INFO dcmtk.dcmnet: client\n"
        "C INFO dcmtk.dcmnet: workers\n"
        "A WARN dcmtk.dcmdata: dataset\n"
    )


def test_loggers_ask_before_they_format(tmp_path: Path) -> None:
    configure(
        tmp_path,
        "rootLogger = OFF, A",
        "logger.dcmtk.dcmnet = DEBUG",
        "logger.isocenter.net.client = FATAL",
        "logger.dcmtk.apps.storescp = TRACE",
        "logger.pydicom = DEBUG",
    )
    enabled = {
        name: [
            level for level in (TRACE, DEBUG, INFO, FATAL) if get_logger(name).isEnabledFor(level)
        ]
        for name in (
            *("isocenter.net.listener", "isocenter.net.client", "isocenter.dataset.scan"),
            *("isocenter.cli.storescp", "pydicom.values", "another"),
        )
    }
    assert enabled == {
        "isocenter.net.listener": [DEBUG, INFO, FATAL],
        "isocenter.net.client": [FATAL],
        "isocenter.dataset.scan": [],
        "isocenter.cli.storescp": [TRACE, DEBUG, INFO, FATAL],
        "pydicom.values": [DEBUG, INFO, FATAL],
        "another": [],
    }


def test_other_libraries_are_heard_from_warnings_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(tmp_path, "rootLogger = DEBUG, A")
    logging.getLogger("asyncio").debug("unseen")
    logging.getLogger("asyncio").warning("seen")
    assert capsys.readouterr().out == "A WARN asyncio: seen\n"


def test_going_back_to_a_level_leaves_nothing_of_the_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(tmp_path, "rootLogger = OFF, A", "logger.isocenter.net = FATAL")
    logsetup.configure(INFO)
    get_logger("isocenter.net").info("seen")
    logsetup.write_lines(FATAL, "forced")
    logging.getLogger("other").warning("too")
    assert capsys.readouterr() == ("", "I: seen\nF: forged\nW: too\n".replace("forged", "forced"))


def test_message_without_an_appender_is_told_of_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(tmp_path, "rootLogger = WARN")
    get_logger("isocenter.net").info("below its level")
    assert capsys.readouterr() == ("", "")
    get_logger("isocenter.net").warning("lost")
    get_logger("isocenter.cli").warning("lost")
    assert capsys.readouterr() == (
        "",
        "E: No appenders could be found for logger (dcmtk.dcmnet).\n",
    )


def test_quiet_root_does_not_even_tell_that(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(tmp_path, "rootLogger = FATAL")
    get_logger("isocenter.net").critical("lost")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("level", "shown"), [("WARN", False), ("DEBUG", True)])
def test_traceback_is_shown_where_the_logger_is_at_debug(
    tmp_path: Path, level: str, shown: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(tmp_path, "rootLogger = WARN, A", f"logger.dcmtk.dcmnet = {level}")
    get_logger("isocenter.net").error("failed", exc_info=ZeroDivisionError("x"))
    out = capsys.readouterr().out
    assert out.startswith("A ERROR dcmtk.dcmnet: failed\n")
    assert ("A ERROR dcmtk.dcmnet: ZeroDivisionError: x\n" in out) is shown


def test_text_of_a_peer_forges_no_line_in_any_layout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(
        tmp_path,
        "rootLogger = INFO, A, B, C",
        "appender.B.layout = log4cplus::SimpleLayout",
        "appender.C.layout = log4cplus::TTCCLayout",
        "appender.B = log4cplus::FileAppender",
        f"appender.B.File = {tmp_path / 'b.log'}",
    )
    get_logger("isocenter.net").info("peer says %s.", "x\nFATAL - forged\r\x1b[2J\x9b")
    said = "peer says x\\x0aFATAL - forged\\x0d\\x1b[2J\\x9b."
    one, two = capsys.readouterr().out.splitlines()
    assert one == f"A INFO dcmtk.dcmnet: {said}"
    assert two.endswith(f"] INFO dcmtk.dcmnet <> - {said}")
    assert (tmp_path / "b.log").read_text() == f"INFO - {said}\n"


@pytest.mark.filterwarnings("ignore")
def test_bad_record_does_not_end_the_tool(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(tmp_path, "rootLogger = INFO, A")
    router = next(each for each in logging.getLogger().handlers if isinstance(each, Router))
    router.emit(logging.LogRecord("isocenter.net", INFO, "x", 1, "%d", ("no number",), None))
    assert "Logging error" in capsys.readouterr().err


def test_message_behind_the_end_of_the_log_is_dropped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(tmp_path, "rootLogger = INFO, A")
    router = next(each for each in logging.getLogger().handlers if isinstance(each, Router))
    get_logger("isocenter.net").info("seen")
    router.close()
    get_logger("isocenter.net").info("dropped")
    get_logger("isocenter.ul").info("dropped")
    logsetup.write_lines(INFO, "dropped")
    assert capsys.readouterr() == ("A INFO dcmtk.dcmnet: seen\n", "")


def test_appender_that_no_logger_names_is_not_opened(tmp_path: Path) -> None:
    configure(
        tmp_path,
        "rootLogger = INFO, A",
        "appender.F = log4cplus::FileAppender",
        f"appender.F.File = {tmp_path / 'f.log'}",
    )
    assert not (tmp_path / "f.log").exists()


def test_what_was_opened_is_closed_where_the_next_cannot_be(tmp_path: Path) -> None:
    lines = [
        "rootLogger = INFO, F, G",
        "appender.F = log4cplus::FileAppender",
        f"appender.F.File = {tmp_path / 'f.log'}",
        "appender.G = log4cplus::FileAppender",
        f"appender.G.File = {tmp_path / 'none' / 'g.log'}",
    ]
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        configure(tmp_path, *lines)
    held = [
        os.readlink(f"/proc/self/fd/{each}")
        for each in os.listdir("/proc/self/fd")
        if os.path.lexists(f"/proc/self/fd/{each}")
    ]
    assert str(tmp_path / "f.log") not in held


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_what_is_kept_back_is_written_once_by_a_process_that_forks(tmp_path: Path) -> None:
    log = tmp_path / "f.log"
    configure(
        tmp_path,
        "rootLogger = INFO, F",
        "appender.F = log4cplus::FileAppender",
        f"appender.F.File = {log}",
        "appender.F.ImmediateFlush = false",
        "appender.F.layout = log4cplus::PatternLayout",
        "appender.F.layout.ConversionPattern = %m%n",
    )
    logger = get_logger("isocenter.net")
    logger.info("before")
    assert log.read_text() == ""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            logger.info("child")
            logging.shutdown()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    logger.info("parent")
    logsetup.configure(WARN)
    assert log.read_text() == "before\nchild\nparent\n"

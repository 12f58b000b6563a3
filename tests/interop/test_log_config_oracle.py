"""The same `--log-config` file given to DCMTK's tools and to ours: same lines in the same places.

Source positions, process and thread numbers and times differ by nature; so do identification,
implementation names and the dictionary files that DCMTK as packaged loads.
"""

from __future__ import annotations

import os
import re
import socket
from difflib import unified_diff
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ct_image
from tests.support.ports import free_port
from tests.support.tools import DCMTK, OURS, Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.tools import Suite

pytestmark = [pytest.mark.interop, pytest.mark.peer("dcmtk"), pytest.mark.slow]

SUITES = (DCMTK, OURS)

NORMAL = (
    (re.compile(r"\b\d{2}:\d{2}:\d{2}(\.\d{3})?( \d{3}\.\d{3})?"), "TIME"),
    (re.compile(r"\b\d{4}-\d{2}-\d{2}\b"), "DATE"),
    (re.compile(r"\$\w+: (\w+) v.* \$"), r"IDENTIFICATION \1"),
    (re.compile(r"OFFIS_DCMTK_\d+|ISOCENTER_\w+"), "VERSION"),
    (re.compile(r"calling '[^']*/(\w+)'"), r"calling '\1'"),
    (re.compile(r"1\.2\.276\.0\.7230010\.3[0-9.]*|2\.25\.[0-9]+"), "UID"),
)


def normal(text: str) -> list[str]:
    """Return the lines that the two have to agree on."""
    lines = []
    for line in text.splitlines():
        # 3.6.7 tells every conversion, also that to the same syntax (differences.py).
        if "DcmDataDictionary" in line or "Converting transfer syntax: " in line:
            continue
        if line.startswith("T: "):  # the protocol machines of the two
            continue
        for pattern, word in NORMAL:
            line = pattern.sub(word, line)  # noqa: PLW2901 - step by step
        lines.append(line)
    return lines


def outcome(suite: Suite, folder: Path, text: str, *arguments: str | Path) -> dict[str, object]:
    """Run a tool in a folder of its own; return exit code, both streams and every file."""
    own = folder / suite.name
    own.mkdir()
    (own / "log.cfg").write_text(text)
    done = suite.run(*map(str, arguments), cwd=own, env={"HOME": "/home"})
    found: dict[str, object] = {"code": done.code}
    found["stdout"], found["stderr"] = normal(done.stdout), normal(done.stderr)
    for path in sorted(own.iterdir()):
        if path.name != "log.cfg":
            found[re.sub(r"\d{4,}", "N", path.name)] = normal(path.read_text())
    return found


def differing(ours: dict[str, object], theirs: dict[str, object]) -> str:
    """Return a diff of two outcomes, "" where they are the same."""
    expected, found = (
        [
            f"{name}: {row}"
            for name, content in each.items()
            for row in (content if isinstance(content, list) else [content])
        ]
        for each in (theirs, ours)
    )
    return "\n".join(unified_diff(expected, found, "dcmtk", "ours", lineterm="", n=0))


def appender(name: str, kind: str, *lines: str, pattern: str = "") -> str:
    text = [f" = log4cplus::{kind}", *[f".{line}" for line in lines]]
    if pattern:
        text += [".layout = log4cplus::PatternLayout", f".layout.ConversionPattern = {pattern}"]
    return "".join([f"log4cplus.appender.{name}{line}\n" for line in text])


def root(text: str) -> str:
    return f"log4cplus.rootLogger = {text}\n"


CONSOLE = appender("c", "ConsoleAppender", "ImmediateFlush = true", pattern="%P: %m%n")
STDERR = appender("e", "ConsoleAppender", "logToStdErr = true", pattern="%-5p %c{2} - %m%n")
FILE = appender("f", "FileAppender", "File = ${appname}.log", pattern="%p %c %m%n")
NULL = appender("n", "NullAppender")

CONFIGURATIONS = {
    "console": root("INFO, c") + CONSOLE,
    "debug": root("DEBUG, c") + CONSOLE,
    "stderr": root("DEBUG, e") + STDERR,
    "wrong spelling": root("INFO, c") + appender("c", "ConsoleAppender", "logToStderr = true"),
    "simple layout": root("DEBUG, c") + appender("c", "ConsoleAppender"),
    "both": root("DEBUG, c, f") + CONSOLE + FILE + "log4cplus.appender.c.Threshold = warn\n",
    "off": root("OFF, c") + CONSOLE,
    "fatal": root("fatal, c") + CONSOLE,
    "all": root("ALL, c") + CONSOLE,
    "no appender": root("FATAL"),
    "null": root("DEBUG, n") + NULL,
    "app alone": root("OFF, c") + CONSOLE + "log4cplus.logger.dcmtk.apps.echoscu = DEBUG\n",
    "app file": root("ERROR, c") + CONSOLE + FILE + "log4cplus.logger.dcmtk.apps = INFO, f\n",
    "not additive": root("INFO, c")
    + CONSOLE
    + FILE
    + "log4cplus.logger.dcmtk.apps.echoscu = INHERITED, f\n"
    + "log4cplus.additivity.dcmtk.apps.echoscu = false\n",
    "misspelt inherited": root("INFO, c")
    + CONSOLE
    + FILE
    + "log4cplus.logger.dcmtk = INHERIT, f\n",
    "twice": root("INFO, c, c") + CONSOLE + "log4cplus.logger.dcmtk.apps = INHERITED, c\n",
    "pattern": root("DEBUG, c")
    + appender(
        "c",
        "ConsoleAppender",
        pattern="[%-6p|%3.2p|%P|%5.3c|%20.4c|%c{1}|%c{9}|%h|%H|%x|%X{a}|%%|"
        "%D{%H:%M:%S.%q %Q}|%D] %m%n",
    ),
    "message alone": root("INFO, c") + appender("c", "ConsoleAppender", pattern="%m|%%"),
    "whole messages": root("DEBUG, c")
    + appender("c", "ConsoleAppender", "layout.FormatEachLine = false", pattern="%P: %m%n"),
    "range": root("DEBUG, c")
    + CONSOLE
    + "log4cplus.appender.c.filters.1 = log4cplus::spi::LogLevelRangeFilter\n"
    + "log4cplus.appender.c.filters.1.LogLevelMin = INFO\n"
    + "log4cplus.appender.c.filters.1.LogLevelMax = WARN\n",
    "match": root("DEBUG, c")
    + CONSOLE
    + "log4cplus.appender.c.filters.1 = log4cplus::spi::LogLevelMatchFilter\n"
    + "log4cplus.appender.c.filters.1.LogLevelToMatch = info\n"
    + "log4cplus.appender.c.filters.1.AcceptOnMatch = true\n"
    + "log4cplus.appender.c.filters.2 = log4cplus::spi::DenyAllFilter\n",
    "match denies": root("DEBUG, c")
    + CONSOLE
    + "log4cplus.appender.c.filters.1 = log4cplus::spi::LogLevelMatchFilter\n"
    + "log4cplus.appender.c.filters.1.LogLevelToMatch = DEBUG\n",
    "string": root("INFO, c")
    + CONSOLE
    + "log4cplus.appender.c.filters.1 = log4cplus::spi::StringMatchFilter\n"
    + "log4cplus.appender.c.filters.1.StringToMatch = Association\n",
    "shadowed keys": root("INFO, c")
    + CONSOLE
    + "log4cplus.appender.c.filters.1 = log4cplus::spi::LogLevelRangeFilter\n"
    + "log4cplus.appender.c.filters.1.logLevelMin = warn\n",
    "variables": root("${LEVEL}, ${WHERE}")
    + appender("c", "ConsoleAppender", pattern="${HOME} ${NOTHING} ${x}%m${y}")
    + "LEVEL = IN${FO}\nFO = FO\nWHERE = c\nx = <${z}>\nz = zz\ny = %n\n",
    "names": root("INFO, f")
    + appender("f", "FileAppender", "File = ${appname}-${date}${time}-${hostname}${pid}.log"),
    "rolling": root("INFO, f") + appender("f", "RollingFileAppender", "File = a.log"),
    "lock": root("INFO, f")
    + appender("f", "FileAppender", "File = a.log", "UseLockFile = true", "LockFile = a.lock"),
    "spaces and comments": "# x\n\t log4cplus.rootLogger\t=  INFO ,  c  \r\n#\n\nnonsense\n"
    + CONSOLE,
    "last wins": root("OFF, c") + CONSOLE + root("INFO, c"),
    "nothing set": "# nothing\n",
    "nothing valid": "rootLogger = INFO\n",
    "no root": CONSOLE,
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_echoscu_that_reaches_nobody_logs_as_dcmtks(tmp_path: Path, name: str) -> None:
    port = str(free_port())
    arguments = ("echoscu", "-lc", "log.cfg", "--arguments", "127.0.0.1", port)
    theirs, ours = (outcome(suite, tmp_path, CONFIGURATIONS[name], *arguments) for suite in SUITES)
    assert not differing(ours, theirs)


@pytest.mark.parametrize("name", ["fatal", "off", "console"])
def test_mistake_behind_it_is_told_as_with_dcmtk(tmp_path: Path, name: str) -> None:
    text = CONFIGURATIONS[name]
    for words in ("-pdu 1", "--arguments -pdu 1"):
        folder = tmp_path / words
        folder.mkdir()
        arguments = ("echoscu", "-lc", "log.cfg", *words.split(), "h", "1")
        theirs, ours = (outcome(suite, folder, text, *arguments) for suite in SUITES)
        assert not differing(ours, theirs)


@pytest.mark.parametrize("name", ["app alone", "not additive", "app file"])
def test_echoscu_of_a_receiver_logs_as_dcmtks(tmp_path: Path, name: str) -> None:
    with Receiver(DCMTK, tmp_path / "received") as receiver:
        arguments = ("echoscu", "-lc", "log.cfg", "127.0.0.1", str(receiver.port))
        theirs, ours = (
            outcome(suite, tmp_path, CONFIGURATIONS[name], *arguments) for suite in SUITES
        )
    assert not differing(ours, theirs)


DOTS = "log4cplus.logger.dcmtk.apps.storescu.progress = INFO\n"


@pytest.mark.parametrize(
    "text",
    [
        root("INFO, f") + FILE,
        root("WARN, f") + FILE + DOTS,
        root("INFO, f") + FILE + DOTS.replace("INFO", "DEBUG"),
        root("WARN, f") + FILE + "log4cplus.logger.dcmtk.apps = INFO\n",
    ],
)
def test_storescu_logs_and_shows_dots_as_dcmtks(tmp_path: Path, text: str) -> None:
    image = tmp_path / "a.dcm"
    ct_image(rows=128, columns=128).write(image)
    with Receiver(DCMTK, tmp_path / "received") as receiver:
        arguments = ("storescu", "-lc", "log.cfg", "127.0.0.1", str(receiver.port), image)
        theirs, ours = (outcome(suite, tmp_path, text, *arguments) for suite in SUITES)
    assert not differing(ours, theirs)


def test_storescp_logs_as_dcmtks(tmp_path: Path) -> None:
    image = tmp_path / "a.dcm"
    ct_image(rows=8, columns=8).write(image)
    text = root("OFF") + FILE + "log4cplus.logger.dcmtk.apps.storescp = INFO, f\n"
    logged = []
    for suite in SUITES:
        folder = tmp_path / suite.name
        folder.mkdir()
        (folder / "log.cfg").write_text(text.replace("${appname}", f"{folder}/${{appname}}"))
        with Receiver(suite, folder / "received", "-lc", folder / "log.cfg") as receiver:
            assert DCMTK.run("storescu", "127.0.0.1", str(receiver.port), image).code == 0
            assert receiver.process.terminate().stderr == ""
        lines = normal((folder / "storescp.log").read_text().replace(str(folder), "FOLDER"))
        logged.append([line for line in lines if "stopping: " not in line])
    assert logged[0] == logged[1]


def test_remote_system_log_is_told_the_same(tmp_path: Path) -> None:
    told = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as log:
        log.bind(("127.0.0.1", 0))
        log.settimeout(10)
        text = root("FATAL, s") + appender(
            "s",
            "SysLogAppender",
            "host = 127.0.0.1",
            f"port = {log.getsockname()[1]}",
            "ident = pacs",
            "facility = Local3",
            pattern="%p %m%n",
        )
        for suite in SUITES:
            outcome(
                suite, tmp_path, text, "echoscu", "-lc", "log.cfg", "127.0.0.1", str(free_port())
            )
            words = log.recv(4096).decode().split(" ", 6)
            words[1] = re.sub(r"\d", "9", words[1])
            words[4] = "PID" if words[4].isdecimal() else words[4]
            told.append(words)
    assert told[0] == told[1]


@pytest.mark.parametrize("name", ["logger.cfg", "filelog.cfg"])
def test_file_that_comes_with_dcmtk_does_the_same(tmp_path: Path, name: str) -> None:
    path = os.path.join("/etc/dcmtk", name)
    if not os.path.exists(path):
        pytest.skip(f"{path} is not there")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    port = str(free_port())
    theirs, ours = (
        outcome(suite, tmp_path, text, "echoscu", "-lc", "log.cfg", "127.0.0.1", port)
        for suite in SUITES
    )
    assert not differing(ours, theirs)


@pytest.mark.parametrize(
    "words",
    [
        *[f"-ll {word}" for word in ("fatal", "ERROR", "Warn", "info", "debug", "trace")],
        *["-ll all", "-ll off", "-ll nonsense", "-ll trace -ll error", ""],
        *["-q -v", "-v -q", "-d -v", "-v -d -q", "-q -d", "-ll info -v"],
        *["--arguments", "--arguments -q", "--arguments -d", "--arguments -ll off"],
        *["-lc none", "-lc .", "-lc log.cfg -lc none", "-lc none -lc log.cfg"],
        *["-lc log.cfg -ll info", "-lc log.cfg -v", "-q -lc log.cfg -d", "-lc none -ll nonsense"],
        *["-lc log.cfg -to 0", "-to 0 -lc none", "-lc"],
    ],
)
def test_options_of_the_log_do_the_same(tmp_path: Path, words: str) -> None:
    text = root("INFO, e") + STDERR
    arguments = ("echoscu", "127.0.0.1", str(free_port()), *words.split())
    theirs, ours = (outcome(suite, tmp_path, text, *arguments) for suite in SUITES)
    assert not differing(ours, theirs)


def test_verbose_pc_needs_info_of_the_tools_logger_as_with_dcmtk(tmp_path: Path) -> None:
    image = tmp_path / "a.dcm"
    ct_image(rows=8, columns=8).write(image)
    arguments = ("storescu", "+v", "-R", "-lc", "log.cfg", "127.0.0.1", str(free_port()), image)
    for level in ("WARN", "INFO"):
        folder = tmp_path / level
        folder.mkdir()
        text = root("ERROR, e") + STDERR + f"log4cplus.logger.dcmtk.apps.storescu = {level}\n"
        theirs, ours = (outcome(suite, folder, text, *arguments) for suite in SUITES)
        assert not differing(ours, theirs)


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_storescp_shows_dots_as_dcmtks(tmp_path: Path, level: str) -> None:
    image = tmp_path / "a.dcm"
    ct_image(rows=128, columns=128).write(image)
    path = tmp_path / "log.cfg"
    path.write_text(
        root("DEBUG, n") + NULL + f"log4cplus.logger.dcmtk.apps.storescp.progress = {level}\n"
    )
    shown = []
    for suite in SUITES:
        with Receiver(suite, tmp_path / suite.name, "-lc", path) as receiver:
            assert DCMTK.run("storescu", "127.0.0.1", str(receiver.port), image).code == 0
            shown.append(receiver.process.terminate().stdout)
    # DCMTK's tool is ended by the signal and keeps its dots in a buffer: the receiver's log of
    # the oracle is empty then, so the number of dots is that of the PDVs.
    assert shown[1] == ("RECV: ...\n" if level == "INFO" else "")
    assert shown[0] in ("", shown[1])

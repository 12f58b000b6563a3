"""Receivers that log to files: from several processes, on full disks, without standard streams."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ScriptedRequestor, ct_image, raw
from tests.faults.conftest import CONTEXTS, ECHO_CONTEXT, STORE_CONTEXT
from tests.support.filesystems import small_file_system
from tests.support.processes import environment, wait_until
from tests.support.superserver import Handed, connection_pair
from tests.support.tools import OURS, Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing.datasets import DicomObject

pytestmark = pytest.mark.slow

MODES = ((), ("--fork",), ("--workers", "2"))


def configuration(
    folder: Path, *lines: str, kind: str = "FileAppender", level: str = "INFO"
) -> Path:
    """Write a configuration for ``log/storescp.log`` with pid, level and message in each line."""
    (folder / "log").mkdir(exist_ok=True)
    own = "log4cplus.appender.A"
    text = [
        f"log4cplus.rootLogger = {level}, A",
        f"{own} = log4cplus::{kind}",
        f"{own}.File = {folder}/log/${{appname}}.log",
        f"{own}.layout = log4cplus::PatternLayout",
        f"{own}.layout.ConversionPattern = %i %P: %m%n",
        *[f"{own}.{line}" for line in lines],
    ]
    path = folder / "log.cfg"
    path.write_text("\n".join(text))
    return path


def echo(port: int, count: int = 1) -> None:
    """Associate and ask for as many echoes."""
    with ScriptedRequestor(port) as connection:
        connection.associate(CONTEXTS)
        for _ in range(count):
            assert connection.echo(ECHO_CONTEXT) == 0
        connection.release()


def _store(connection: ScriptedRequestor, image: DicomObject) -> int:
    return connection.store(
        STORE_CONTEXT, image.sop_class_uid, image.sop_instance_uid, image.data_set
    )


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_processes_write_one_file_in_whole_lines(tmp_path: Path, mode: tuple[str, ...]) -> None:
    path = configuration(tmp_path)
    log = tmp_path / "log" / "storescp.log"
    with Receiver(OURS, tmp_path / "out", "-lc", path, *mode) as receiver:
        for _ in range(4):
            echo(receiver.port, 20)
        ended = receiver.process.terminate()
    assert (ended.code, ended.stdout, ended.stderr) == (0, "", "")
    lines = log.read_text().splitlines()
    assert all(re.fullmatch(r"\d+ [IWE]: .*", line) for line in lines)
    texts = [line.split(" ", 1)[1] for line in lines]
    assert texts.count("I: Association Release") == 4
    for number in range(1, 21):
        assert texts.count(f"I: Received Echo Request (MsgID {number})") == 4
    writers = {line.split(" ")[0] for line in lines if "Echo" in line}
    assert len(writers) == {(): 1, ("--fork",): 4}.get(mode, len(writers))


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_what_is_kept_back_is_written_at_a_stop(tmp_path: Path, mode: tuple[str, ...]) -> None:
    path = configuration(tmp_path, "ImmediateFlush = false")
    log = tmp_path / "log" / "storescp.log"
    with Receiver(OURS, tmp_path / "out", "-lc", path, *mode) as receiver:
        echo(receiver.port)
        ended = receiver.process.terminate()
    assert ended.code == 0
    texts = [line.split(" ", 1)[1] for line in log.read_text().splitlines()]
    assert texts.count("I: Received Echo Request (MsgID 1)") == 1
    assert texts.count("I: Association Release") == 1


def test_workers_roll_one_file_without_losing_a_line(tmp_path: Path) -> None:
    path = configuration(
        tmp_path,
        "MaxFileSize = 200KB",
        "MaxBackupIndex = 99",
        f"layout.ConversionPattern = %i %P: %m {'#' * 200}%n",
        kind="RollingFileAppender",
        level="DEBUG",
    )
    with Receiver(OURS, tmp_path / "out", "-lc", path, "--workers", "2") as receiver:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: echo(receiver.port, 60), range(6)))
        assert receiver.process.terminate().code == 0
    files = sorted((tmp_path / "log").iterdir())
    assert len(files) > 1
    text = "".join([file.read_text() for file in files])
    assert text.count("D: Message Type                  : C-ECHO RQ") == 360
    assert all(re.fullmatch(r"\d+ [DIWE]: [^#]* #{200}", line) for line in text.splitlines())


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_full_disk_of_the_log_does_not_end_the_receiver(
    tmp_path: Path, mode: tuple[str, ...]
) -> None:
    with small_file_system(tmp_path / "log", mebibytes=1) as folder:
        path = configuration(tmp_path)
        with Receiver(OURS, tmp_path / "out", "-lc", path, *mode) as receiver:
            ballast = folder / "ballast"
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            echo(receiver.port, 100)
            image = ct_image(rows=8, columns=8)
            with ScriptedRequestor(receiver.port) as connection:
                connection.associate(CONTEXTS)
                assert _store(connection, image) == 0
                connection.release()
            wait_until(lambda: len(receiver.names) == 1, timeout=5, what="the object")
            assert "cannot write log file" in receiver.log
            ballast.unlink()
            echo(receiver.port)
            assert receiver.process.terminate().code == 0
        assert "Received Echo Request" in (folder / "storescp.log").read_text()


def test_peer_forges_no_line(tmp_path: Path) -> None:
    path = configuration(tmp_path, "layout = log4cplus::SimpleLayout")
    with Receiver(OURS, tmp_path / "out", "-lc", path) as receiver:
        with ScriptedRequestor(receiver.port) as connection:
            name = "1.2\nFATAL - forged\r\x1b[2J"
            connection.send(raw.associate_rq(CONTEXTS, application_context=name))
            assert connection.receive().pdu_type == raw.ASSOCIATE_RJ
        assert receiver.process.terminate().code == 0
    lines = (tmp_path / "log" / "storescp.log").read_text().splitlines()
    assert all(re.match("(INFO|WARN|ERROR) - ", line) for line in lines)
    assert any("\\x0aFATAL - forged\\x0d\\x1b[2J" in line for line in lines)


@pytest.mark.parametrize("redirection", ["<&- >&- 2>&-", "</dev/null >/dev/null 2>/dev/null"])
def test_tool_without_standard_streams_logs_to_its_file(tmp_path: Path, redirection: str) -> None:
    path = configuration(tmp_path)
    argv = OURS.argv("echoscu", "-lc", path, "--arguments", "127.0.0.1", "1")
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" "$@" {redirection}', *argv],
        env=environment(),
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    text = (tmp_path / "log" / "echoscu.log").read_text()
    assert "I: calling 'echoscu' with 5 arguments: " in text
    assert "F: Association Request Failed: " in text


def test_receiver_of_a_super_server_logs_to_its_file(tmp_path: Path) -> None:
    path = configuration(tmp_path, level="DEBUG")
    (tmp_path / "out").mkdir()
    argv = OURS.argv("storescp", "--inetd", "-lc", path, "-od", tmp_path / "out")
    connection, theirs = connection_pair()
    handed = Handed(argv, theirs, everywhere=True)
    try:
        connection.send(raw.associate_rq(CONTEXTS))
        # Nothing of the log is on the wire.
        assert connection.receive().pdu_type == raw.ASSOCIATE_AC
        connection.close()
        assert handed.process.wait(20) == 0
    finally:
        handed.process.kill()
    text = (tmp_path / "log" / "storescp.log").read_text()
    assert "D: $isocenter: storescp v" in text
    assert "I: Association Acknowledged" in text


def test_interrupted_tool_writes_what_it_kept_back(tmp_path: Path) -> None:
    path = configuration(tmp_path, "ImmediateFlush = false")
    with Receiver(OURS, tmp_path / "out", "-lc", path) as receiver:
        echo(receiver.port)
        receiver.process.signal(signal.SIGINT)
        assert receiver.process.wait(timeout=10).code == 0
    assert "Echo" in (tmp_path / "log" / "storescp.log").read_text()


def test_nothing_of_it_is_loaded_without_the_option(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom isocenter.cli import echoscu\n"
        "echoscu.main(['-v', '127.0.0.1', '1'], {})\n"
        "print(*[name for name in sys.modules if name.startswith('isocenter.cli.log')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert sorted(done.stdout.split()) == ["isocenter.cli.loghandler", "isocenter.cli.logsetup"]
    assert os.listdir(tmp_path) == []

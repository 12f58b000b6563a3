"""The scripts that a newcomer runs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.peers import ROOT
from tests.support.tools import OURS, Receiver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUN = ROOT / "scripts" / "run"
SAMPLES = 5


def environment(folder: Path, port: int) -> dict[str, str]:
    return os.environ | {
        "ISOCENTER_RUN_PORT": str(port),
        "ISOCENTER_RUN_DIRECTORY": str(folder / "run"),
    }


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("", 0))
        holder.listen()
        yield holder.getsockname()[1]


@pytest.mark.slow
def test_run_once_archives_the_samples_finds_them_and_fetches_a_study(
    tmp_path: Path, free_port: int
) -> None:
    result = subprocess.run(
        [RUN, "--once"],
        cwd=tmp_path,
        env=environment(tmp_path, free_port),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    kept = [path for path in (tmp_path / "run" / "archive").rglob("*.dcm") if path.is_file()]
    assert len(kept) == SAMPLES
    assert len(list((tmp_path / "run" / "received").iterdir())) == 1
    assert str(tmp_path / "run" / "archive") in result.stdout
    assert "CompressedSamples^CT1" in result.stderr
    assert f"storescu localhost {free_port}" in result.stdout


@pytest.mark.slow
def test_run_keeps_listening_until_it_is_interrupted(tmp_path: Path, free_port: int) -> None:
    with subprocess.Popen(
        [RUN],
        env=environment(tmp_path, free_port),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as script:
        assert script.stdout is not None
        try:
            for line in script.stdout:
                if line.startswith("Serving"):
                    break
            else:
                pytest.fail("the script ended")
            socket.create_connection(("127.0.0.1", free_port), timeout=5).close()
            script.send_signal(signal.SIGINT)
            assert script.wait(20) == 0
        finally:
            if script.poll() is None:
                os.killpg(script.pid, signal.SIGKILL)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", free_port), timeout=5)


@pytest.mark.slow
def test_run_on_a_port_in_use_says_so(tmp_path: Path, busy_port: int) -> None:
    result = subprocess.run(
        [RUN, "--once"],
        env=environment(tmp_path, busy_port),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: port {busy_port} is in use: ")


@pytest.mark.slow
def test_run_gives_nothing_to_a_receiver_that_has_the_port_already(tmp_path: Path) -> None:
    """Another receiver answers every echo, and sooner than one that is just being started."""
    with Receiver(OURS, tmp_path / "other") as other:
        result = subprocess.run(
            [RUN, "--once"],
            env=environment(tmp_path, other.port),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: port {other.port} is in use: ")
    assert result.stdout == ""
    assert list((tmp_path / "other").iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("port", ["abc", "70000", "80x", "0", "-1"])
def test_run_on_a_port_that_is_none_guesses_nothing(tmp_path: Path, port: str) -> None:
    result = subprocess.run(
        [RUN, "--once"],
        env={**environment(tmp_path, 1), "ISOCENTER_RUN_PORT": port},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr == f"error: ISOCENTER_RUN_PORT is no port: {port}\n"
    assert result.stdout == ""


@pytest.mark.slow
@pytest.mark.parametrize("script", ["run", "soak"])
def test_unknown_argument_is_answered_with_the_usage(script: str) -> None:
    result = subprocess.run(
        [ROOT / "scripts" / script, "--nonsense"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert result.returncode == 1
    assert f"usage: scripts/{script}" in result.stderr

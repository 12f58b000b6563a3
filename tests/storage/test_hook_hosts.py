"""Commands are told the name of a host, looked up only where one asks for it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.storage.hooks import HookCommand, HookFacts, HookRunner
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from pathlib import Path

FACTS = HookFacts("CALLING", "CALLED", "192.0.2.7")
WAIT = 20.0


class Names:
    """A resolver that counts, and answers when it is let."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: list[str] = []
        self.answering = threading.Event()
        self.answering.set()

    def __call__(self, address: str) -> str:
        self.asked.append(address)
        self.answering.wait(WAIT)
        return self.name


def command(text: str, *, argument_vector: bool = False) -> HookCommand:
    return HookCommand(text, option="--exec-on-reception", argument_vector=argument_vector)


def told(runner: HookRunner, tmp_path: Path, *, argument_vector: bool = False) -> str:
    """Run a command that writes what it is told of the host, and return that."""
    path = tmp_path / "told"
    text = f"printf %s #r > {path}"
    if argument_vector:
        text = f"sh -c 'printf %s \"$1\" > {path}' sh #r"
    runner.run(command(text, argument_vector=argument_vector), FACTS)
    return path.read_text()


@pytest.mark.parametrize("argument_vector", [False, True])
def test_command_is_told_the_name(tmp_path: Path, *, argument_vector: bool) -> None:
    names = Names("scanner")
    with HookRunner(wait=True, host_name=names) as runner:
        assert told(runner, tmp_path, argument_vector=argument_vector) == "scanner"
    assert names.asked == ["192.0.2.7"]


def test_command_is_told_the_address_where_nobody_looks_names_up(tmp_path: Path) -> None:
    with HookRunner(wait=True) as runner:
        assert told(runner, tmp_path) == "192.0.2.7"


def test_nobody_is_asked_for_a_name_that_no_command_is_told(tmp_path: Path) -> None:
    names = Names("scanner")
    with HookRunner(wait=True, host_name=names) as runner:
        runner.run(command(f"echo #a #c ##R > {tmp_path}/out"), FACTS)
        runner.run(command("true"), FACTS)
    assert names.asked == []


@pytest.mark.parametrize(
    "name",
    ["$(touch {0})", "`touch {0}`", '"; touch {0}; "', "a\ntouch {0}\n", "$(touch${{IFS}}{0})"],
)
def test_hostile_name_runs_nothing(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    victim = tmp_path / "victim"
    names = Names(name.format(victim))
    with HookRunner(wait=True, host_name=names) as runner:
        shown = told(runner, tmp_path)
    assert not victim.exists()
    assert shown.strip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -.:@_") == ""
    assert "Sanitized unusual characters in calling presentation address" in caplog.text


def test_slow_look_up_holds_up_neither_caller_nor_other_commands(tmp_path: Path) -> None:
    names = Names("scanner")
    names.answering.clear()
    slow, other = tmp_path / "slow", tmp_path / "other"
    with HookRunner(host_name=names) as runner:
        start = time.monotonic()
        runner.run(command(f"printf %s #r > {slow}"), FACTS)
        runner.run(command(f"echo done > {other}"), FACTS)
        assert time.monotonic() - start < 1
        wait_until(
            lambda: other.exists() and other.read_text() == "done\n", timeout=WAIT, what="other"
        )
        assert not slow.exists()
        names.answering.set()
        runner.close(WAIT)
        wait_until(
            lambda: slow.exists() and slow.read_text() == "scanner", timeout=WAIT, what="slow"
        )


def test_command_whose_name_is_still_looked_up_at_the_end_begins_all_the_same(
    tmp_path: Path,
) -> None:
    names = Names("scanner")
    names.answering.clear()
    path = tmp_path / "told"
    runner = HookRunner(host_name=names)
    runner.run(command(f"printf %s #r > {path}"), FACTS)
    threading.Timer(0.2, names.answering.set).start()
    runner.close(WAIT)
    wait_until(lambda: path.exists() and path.read_text() == "scanner", timeout=WAIT, what="it")

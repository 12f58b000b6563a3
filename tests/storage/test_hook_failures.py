"""What goes wrong in the thread of a command stops neither its caller nor the next command."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from isocenter.storage.hooks import HookCommand, HookFacts, HookRunner
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

FACTS = HookFacts("CALLING", "CALLED", "192.0.2.1", "/out", "CT.1.2.3")
PLAIN = "echo ran > {}"


def failing(address: str) -> str:
    raise RuntimeError(f"no resolver for {address}")


def command(text: str) -> HookCommand:
    return HookCommand(text, option="--exec-on-reception")


def test_caller_that_waits_goes_on_where_the_host_name_cannot_be_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with HookRunner(wait=True, host_name=failing) as runner:
        caller = threading.Thread(target=runner.run, args=(command("echo #r"), FACTS), daemon=True)
        caller.start()
        caller.join(timeout=5)
        assert not caller.is_alive()
        assert runner._running == 0
    assert "cannot run the command of --exec-on-reception" in caplog.text
    assert "no resolver for 192.0.2.1" in caplog.text


def test_command_that_waits_for_its_turn_is_run_after_one_that_failed(tmp_path: Path) -> None:
    wanted = tmp_path / "ran"
    asked = threading.Event()
    go_on = threading.Event()

    def late(address: str) -> str:
        asked.set()
        go_on.wait(10)
        return failing(address)

    with HookRunner(maximum_running=1, host_name=late) as runner:
        runner.run(command("echo #r"), FACTS)
        assert asked.wait(10)
        runner.run(command(PLAIN.format(wanted)), FACTS)
        go_on.set()
        wait_until(wanted.exists, timeout=10, what="the second command")
        wait_until(lambda: not runner._running, timeout=10, what="commands to end")

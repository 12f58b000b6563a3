"""Programs that write late are waited for; those that sleep are not."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from tests.support.processes import Process, wait_until
from tests.support.settling import is_busy, settle

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks into /proc"),
]

WORK = "end = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"
SLEEP = "sys.stderr.write('done'); sys.stderr.flush(); time.sleep(60)\n"
SITUATIONS = {
    "itself": WORK + SLEEP,
    "a thread": f"threading.Thread(target=exec, args=({WORK + SLEEP!r}, globals())).start()\n"
    "time.sleep(60)\n",
    "a child": f"if os.fork() == 0: exec({WORK + SLEEP!r})\ntime.sleep(60)\n",
    "a child of a thread": "def run():\n"
    f"    if os.fork() == 0: exec({WORK + SLEEP!r})\n"
    "threading.Thread(target=run).start()\ntime.sleep(60)\n",
}


@pytest.mark.parametrize("who", SITUATIONS)
def test_line_is_waited_for_while_somebody_works_towards_it(who: str) -> None:
    code = "import os, sys, threading, time\n" + SITUATIONS[who]
    with Process([sys.executable, "-c", code]) as process:
        settle(process.pid, lambda: process.stderr, quiet=0.1)
        assert process.stderr == "done"
        assert not is_busy(process.pid)


def test_who_shows_something_new_all_the_time_is_waited_for_until_the_time_is_up() -> None:
    with Process([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        wait_until(lambda: not is_busy(process.pid), timeout=20, what="sleep")
        start = time.monotonic()
        settle(process.pid, time.monotonic, timeout=0.3)
        assert time.monotonic() - start >= 0.3


def test_process_that_has_ended_is_not_busy() -> None:
    with Process([sys.executable, "-c", ""]) as process:
        pid = process.pid
        process.wait(timeout=20)
        settle(pid, lambda: "")
        assert not is_busy(pid)

"""A descriptor wakes its owner from any thread, and never anybody else."""

from __future__ import annotations

import os
import select

import pytest

from isocenter.net.wakeup import WakeUp


def readable(wakeup: WakeUp) -> bool:
    return bool(select.select([wakeup.fileno()], [], [], 0)[0])


@pytest.fixture(params=["eventfd", "socket pair"])
def wakeup(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> WakeUp:
    if request.param == "socket pair":
        monkeypatch.delattr(os, "eventfd", raising=False)
    elif not hasattr(os, "eventfd"):
        pytest.skip("no eventfd here")
    return WakeUp()


def test_set_makes_readable_until_cleared(wakeup: WakeUp) -> None:
    assert not readable(wakeup)
    wakeup.set()
    wakeup.set()
    assert readable(wakeup)
    wakeup.clear()
    assert not readable(wakeup)
    wakeup.clear()
    wakeup.close()


def test_after_close_set_and_clear_touch_no_descriptor(wakeup: WakeUp) -> None:
    number = wakeup.fileno()
    wakeup.close()
    read, write = os.pipe()
    assert number in {read, write}
    wakeup.set()
    wakeup.clear()
    assert not select.select([read], [], [], 0)[0]
    wakeup.close()
    assert wakeup.fileno() == -1
    os.close(read)
    os.close(write)

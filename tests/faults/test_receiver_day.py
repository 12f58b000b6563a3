"""storescp lives through some minutes of a scanner's day; tests/soak has the whole one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.day import check_files, check_hooks, live_through, options_of
from tests.support.tools import OURS, Receiver

if TYPE_CHECKING:
    from pathlib import Path

MODES = {"threads": (), "durable": ("--durable",), "workers": ("--workers", "2")}


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_receiver_keeps_what_it_confirmed_among_peers_of_all_kinds(
    mode: str, tmp_path: Path
) -> None:
    out, notes = tmp_path / "out", tmp_path / "notes"
    notes.mkdir()
    with Receiver(OURS, out, *options_of(notes), *MODES[mode]) as receiver:
        day = live_through(receiver, 300, notes, timeout=60)
        assert receiver.process.terminate(timeout=30).code == 0
        assert check_files(receiver, day) > 100
        check_hooks(notes, day)
        assert "Traceback" not in receiver.log
    assert sum(day.kinds.values()) == 300

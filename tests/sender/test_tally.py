"""Counts of dcmsend's summary: which status is in which group."""

from __future__ import annotations

import pytest

from isocenter.sender.tally import Tally

GROUPS = {
    0x0000: "success",
    0xB000: "warning",
    0xB006: "warning",
    0xB007: "warning",
    0xBABE: "warning",
    0x0001: "warning",
    0x0107: "warning",
    0xA700: "refused",
    0xA7FF: "refused",
    0x0122: "refused",
    0xA900: "error",
    0xA9FF: "error",
    0xC000: "error",
    0xCFFF: "error",
    0xA800: "unknown",
    0x0110: "unknown",
    0x0124: "unknown",
    0xFF00: "unknown",
    0xFE00: "unknown",
}


@pytest.mark.parametrize("status", GROUPS, ids=hex)
def test_status_is_counted_in_its_group(status: int) -> None:
    tally = Tally()
    tally.answered(status)
    counts = {name: getattr(tally, name) for name in set(GROUPS.values())}
    assert counts == {name: int(name == GROUPS[status]) for name in counts}
    assert tally.sent == 1
    assert tally.confirmed == (GROUPS[status] in {"success", "warning"})


def test_the_summary_leaves_out_what_there_is_none_of() -> None:
    tally = Tally()
    tally.associations, tally.contexts, tally.instances = 2, 130, 5
    for status in (0, 0xB000, 0xA700, 0xC000):
        tally.answered(status)
    tally.no_context = 1
    assert tally.summary().splitlines() == [
        "Status Summary",
        "--------------",
        "Number of associations   : 2",
        "Number of pres. contexts : 130",
        "Number of SOP instances  : 5",
        "- sent to the peer       : 4",
        "  * with status SUCCESS  : 1",
        "  * with status WARNING  : 1",
        "  * with status ERROR    : 1",
        "  * with status REFUSED  : 1",
        "- NOT sent to the peer   : 1",
        "  * no acceptable pres.  : 1",
    ]

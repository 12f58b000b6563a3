"""How many fragments have ended, told from runs that end anywhere: what progress dots count."""

from __future__ import annotations

import pytest

from isocenter.ul.pdata import PDataReader

FRAGMENTS = (b"abcdefgh", b"", b"ij", b"klmnopqrstuvwxyz")


def pdu(content: bytes, *, last: bool) -> bytes:
    size = len(content)
    return (
        b"\x04\x00"
        + (size + 6).to_bytes(4, "big")
        + (size + 2).to_bytes(4, "big")
        + bytes([1, 2 if last else 0])
        + content
    )


WIRE = b"".join(pdu(part, last=index == 3) for index, part in enumerate(FRAGMENTS))
COUNTED = sum(1 for part in FRAGMENTS if part)
"""An empty fragment has no byte to be handed out."""


def counted(*ends: int) -> int:
    """Read the wire in pieces that end there; return the fragments that were seen to end."""
    reader, window, total, start = PDataReader(0), memoryview(WIRE), 0, 0
    for end in (*ends, len(WIRE)):
        while True:
            run, position = reader.peel(window, start, end)
            start = position
            if run is None:
                break
            total += len(run.fragments) - reader.inside_fragment
    assert start == len(WIRE)
    assert not reader.inside_fragment
    return total


def test_fragments_that_arrive_at_once_are_all_counted() -> None:
    assert counted() == COUNTED


@pytest.mark.parametrize("first", range(len(WIRE)))
def test_fragments_are_counted_once_wherever_two_reads_part_the_wire(first: int) -> None:
    """Behind the headers of a fragment as well: DCMTK's tools send those apart."""
    assert {counted(first, second) for second in range(first, len(WIRE))} == {COUNTED}

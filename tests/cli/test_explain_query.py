"""What --explain says of a query that failed."""

from __future__ import annotations

import pytest

from isocenter.cli.explain_query import query_refused


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0x0122, "does not answer queries of this information model"),
        (0x0124, "this AE title may not query there"),
        (0xA700, "out of resources"),
        (0xA900, "QueryRetrieveLevel is missing"),
        (0xA9FF, "QueryRetrieveLevel is missing"),
        (0xC001, "could not process the query"),
        (0xFE00, "gave the query up"),
        (0x1234, "has a reason of its own"),
    ],
)
def test_each_status_has_its_reason_and_an_advice(status: int, words: str) -> None:
    lines = query_refused(status)
    assert words in " ".join(lines)
    assert f"({status:04X}H)" in lines[0]
    assert len(lines) == 2


def test_what_the_peer_says_is_repeated_without_control_characters() -> None:
    lines = query_refused(0xA900, comment="bad\nlevel ", offending=(0x00080052, 0x00091001))
    assert lines[2:] == (
        "It comments: 'bad\\nlevel'.",
        "It names as offending: (0008,0052) QueryRetrieveLevel, (0009,1001).",
    )

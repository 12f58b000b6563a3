"""Query files take the memory that they need, not the most that they may have."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

from isocenter.cli.keys import load_query
from isocenter.testing.datasets import encode_data_set

if TYPE_CHECKING:
    from pathlib import Path


def test_short_query_file_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "query"
    path.write_bytes(encode_data_set([(0x00080052, "CS", "STUDY")]))
    tracemalloc.start()
    try:
        root = load_query(str(path))
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024 * 1024
    finally:
        tracemalloc.stop()
    assert root.text(0x00080052) == "STUDY"

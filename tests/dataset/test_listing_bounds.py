"""Lines of a data set stay short, whatever is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isocenter.dataset.listing import list_elements
from isocenter.testing.datasets import EXPLICIT_LITTLE, encode_data_set

if TYPE_CHECKING:
    from isocenter.testing.datasets import Element


def test_long_private_creator_does_not_make_each_of_its_lines_long() -> None:
    elements: list[Element] = [(0x00090010, "LO", "C" * 2000)]
    elements += [(0x00091001 + n, "US", n) for n in range(50)]
    lines: list[str] = []
    list_elements(encode_data_set(elements, EXPLICIT_LITTLE), EXPLICIT_LITTLE, lines.append)
    assert len(lines) == 51
    assert max(map(len, lines)) < 200
    assert "[CCCC" in lines[1]

"""Images whose attributes do not go together, and windows that are hardly there."""

from __future__ import annotations

import pytest

from isocenter.dataset.pixels.image import Image
from isocenter.dataset.pixels.picture import Display, render
from isocenter.errors import DataSetError


def image(rows: int, columns: int, samples: int, bits: int, model: str) -> Image:
    return Image(rows, columns, samples, 1, bits, bits, bits - 1, False, model, False, "")


@pytest.mark.parametrize(
    ("rows", "columns", "bits", "length"), [(1, 1, 8, 2), (3, 3, 8, 18), (3, 4, 1, 5)]
)
@pytest.mark.parametrize("model", ["YBR_FULL_422", "YBR_PARTIAL_422"])
def test_shared_chrominance_that_cannot_be_is_refused(
    rows: int, columns: int, bits: int, length: int, model: str
) -> None:
    with pytest.raises(DataSetError):
        render(image(rows, columns, 3, bits, model), Display(), bytes(length))


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("width", [5e-324, 1e-300, 1e-20])
def test_window_that_is_hardly_there_has_black_and_white(function: str, width: float) -> None:
    display = Display(window=(2.5, width), function=function)
    samples, channels = render(image(1, 4, 1, 8, "MONOCHROME2"), display, bytes((0, 2, 3, 255)))
    assert channels == 1
    assert samples == b"\0\0\xff\xff"


def test_palette_whose_colors_differ_in_length_ends_with_the_shortest() -> None:
    display = Display(palette=(0, b"\1\2\3", b"\4\5", b"\6\7\x08"))
    samples, channels = render(image(1, 3, 1, 8, "PALETTE COLOR"), display, bytes((0, 1, 2)))
    assert (samples, channels) == (b"\1\4\6\2\5\7\2\5\7", 3)

"""Which syntaxes can be decoded here, and what is said of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter import uids
from isocenter.dataset.profile import RewriteOptions
from isocenter.dataset.transcode import (
    DecodeLimits,
    DecoderPool,
    can_decode,
    list_decoders,
    open_decoder,
    why_not,
)
from isocenter.errors import DataSetError
from tests.support.pixels import CODECS, data_set, decoded, pattern, samples_of, transcode

if TYPE_CHECKING:
    from collections.abc import Iterator

JPEG, RLE, J2K = uids.JPEG_BASELINE_8BIT, uids.RLE_LOSSLESS, uids.JPEG_2000_LOSSLESS


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with DecoderPool() as made:
        yield made


def test_syntaxes_without_decoder_are_refused_in_one_line(pool: DecoderPool) -> None:
    for uid in (uids.MPEG2_MAIN_LEVEL, "1.2.3"):
        assert not can_decode(uid)
        assert "no decoder" in why_not(uid)
        with pytest.raises(DataSetError, match="there is no decoder for"):
            open_decoder(b"", uid, RewriteOptions(), pool=pool)
    with pytest.raises(DataSetError, match="no frames to decode"):
        open_decoder(b"", uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, RewriteOptions(), pool=pool)
    with pytest.raises(DataSetError, match="nothing is compressed"):
        open_decoder(b"", RLE, RewriteOptions(transfer_syntax_uid=J2K), pool=pool)


def test_decoders_have_the_words_and_the_order_of_dcmtk() -> None:
    names = [decoder.name for decoder in list_decoders()]
    # dcmtk-facts 6.4
    assert names[:10] == [
        "Deflated Explicit VR Little Endian",
        "JPEG Baseline",
        "JPEG Extended, Process 2+4",
        "JPEG Spectral Selection, Non-hierarchical, Process 6+8",
        "JPEG Full Progression, Non-hierarchical, Process 10+12",
        "JPEG Lossless, Non-hierarchical, Process 14",
        "JPEG Lossless, Non-hierarchical, 1st Order Prediction",
        "JPEG-LS Lossless",
        "JPEG-LS Lossy (Near-lossless)",
        "RLE Lossless",
    ]
    assert all(decoder.is_available for decoder in list_decoders())
    assert len({decoder.transfer_syntax_uid for decoder in list_decoders()}) == len(names) == 20


def test_without_the_library_what_needs_it_says_so_and_the_rest_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, package=None: None if name == "imagecodecs" else real(name, package),
    )
    there = {decoder.name for decoder in list_decoders() if decoder.is_available}
    assert there == {
        "Deflated Explicit VR Little Endian",
        "RLE Lossless",
        "Deflated Image Frame Compression",
        "Encapsulated Uncompressed Explicit VR Little Endian",
    }
    assert why_not(JPEG) == (
        'decoding JPEG Baseline needs imagecodecs: pip install "isocenter[tools]"'
    )
    array = pattern()
    with DecoderPool(DecodeLimits(processes=1)) as pool:
        made = data_set([CODECS[RLE].encode(array, 8)], array)
        assert (samples_of(decoded(pool, made, RLE))[0, ..., 0] == array).all()
        with pytest.raises(DataSetError, match="needs imagecodecs"):
            transcode(pool, made, JPEG)

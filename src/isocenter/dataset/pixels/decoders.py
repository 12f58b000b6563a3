"""Which compressed transfer syntaxes can be decoded, by what, and whether that is installed.

Owns the table of decoders and its words, which are those of DCMTK's `--list-decoders` where
DCMTK has the syntax. Must not know how anything is decoded (`codecs`).

PS3.5 annex A.4, PS3.6 table A-1.
"""

from __future__ import annotations

from isocenter import uids
from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms

__all__ = ["EXTRA", "Decoder", "decoder_of", "list_decoders", "why_not"]

EXTRA = 'pip install "isocenter[tools]"'
"""What installs every decoder."""

_LIBRARY = "imagecodecs"


class Decoder(NamedTuple):
    """One transfer syntax that can be decoded.

    Fields: `transfer_syntax_uid`; `name` in the words of DCMTK's table; `codec` what decodes a
    frame (a name of `codecs`), "" where there are no frames to decode; `library` the
    distribution it needs besides Python, "" for none; `is_lossless` what was encoded comes back
    as it was (a syntax that allows both counts as lossy); `is_available` its library is there.
    """

    transfer_syntax_uid: str
    name: str
    codec: str
    library: str
    is_lossless: bool
    is_available: bool = False


# In the order of DCMTK's list, then what it has not.
_TABLE = (
    (uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, "Deflated Explicit VR Little Endian", "", "", 1),
    (uids.JPEG_BASELINE_8BIT, "JPEG Baseline", "jpeg", _LIBRARY, 0),
    (uids.JPEG_EXTENDED_12BIT, "JPEG Extended, Process 2+4", "jpeg", _LIBRARY, 0),
    (
        uids.JPEG_SPECTRAL_SELECTION_6_8,
        "JPEG Spectral Selection, Non-hierarchical, Process 6+8",
        "jpeg",
        _LIBRARY,
        0,
    ),
    (
        uids.JPEG_FULL_PROGRESSION_10_12,
        "JPEG Full Progression, Non-hierarchical, Process 10+12",
        "jpeg",
        _LIBRARY,
        0,
    ),
    (
        uids.JPEG_LOSSLESS,
        "JPEG Lossless, Non-hierarchical, Process 14",
        "jpeg",
        _LIBRARY,
        1,
    ),
    (
        uids.JPEG_LOSSLESS_SV1,
        "JPEG Lossless, Non-hierarchical, 1st Order Prediction",
        "jpeg",
        _LIBRARY,
        1,
    ),
    (uids.JPEG_LS_LOSSLESS, "JPEG-LS Lossless", "jpeg-ls", _LIBRARY, 1),
    (uids.JPEG_LS_NEAR_LOSSLESS, "JPEG-LS Lossy (Near-lossless)", "jpeg-ls", _LIBRARY, 0),
    (uids.RLE_LOSSLESS, "RLE Lossless", "rle", "", 1),
    (
        uids.DEFLATED_IMAGE_FRAME_COMPRESSION,
        "Deflated Image Frame Compression",
        "deflate",
        "",
        1,
    ),
    (
        uids.ENCAPSULATED_UNCOMPRESSED_EXPLICIT_VR_LITTLE_ENDIAN,
        "Encapsulated Uncompressed Explicit VR Little Endian",
        "native",
        "",
        1,
    ),
    (uids.JPEG_2000_LOSSLESS, "JPEG 2000 (Lossless only)", "jpeg2000", _LIBRARY, 1),
    (uids.JPEG_2000, "JPEG 2000 (Lossless or Lossy)", "jpeg2000", _LIBRARY, 0),
    (
        uids.HTJ2K_LOSSLESS,
        "High-Throughput JPEG 2000 Image Compression (Lossless Only)",
        "htj2k",
        _LIBRARY,
        1,
    ),
    (
        uids.HTJ2K_LOSSLESS_RPCL,
        "High-Throughput JPEG 2000 with RPCL Options Image Compression (Lossless Only)",
        "htj2k",
        _LIBRARY,
        1,
    ),
    (uids.HTJ2K, "High-Throughput JPEG 2000 Image Compression", "htj2k", _LIBRARY, 0),
    (uids.JPEG_XL_LOSSLESS, "JPEG XL Lossless", "jpeg-xl", _LIBRARY, 1),
    (uids.JPEG_XL_JPEG_RECOMPRESSION, "JPEG XL JPEG Recompression", "jpeg-xl", _LIBRARY, 0),
    (uids.JPEG_XL, "JPEG XL", "jpeg-xl", _LIBRARY, 0),
)


def list_decoders() -> tuple[Decoder, ...]:
    """Return every syntax that can be decoded, also those whose library is missing.

    Libraries are looked for, not imported: one that is there and broken shows when it is used.
    """
    there = {"": True, _LIBRARY: _is_installed(_LIBRARY)}
    return tuple(
        Decoder(uid, name, codec, library, bool(lossless), there[library])
        for uid, name, codec, library, lossless in _TABLE
    )


def decoder_of(transfer_syntax_uid: str) -> Decoder | None:
    """Return what decodes a transfer syntax, None for one that nothing here decodes."""
    for uid, name, codec, library, lossless in _TABLE:
        if uid == transfer_syntax_uid:
            there = not library or _is_installed(library)
            return Decoder(uid, name, codec, library, bool(lossless), there)
    return None


def why_not(transfer_syntax_uid: str) -> str:
    """Return in one line why a transfer syntax cannot be decoded here, "" where it can."""
    decoder = decoder_of(transfer_syntax_uid)
    if decoder is None:
        return f"there is no decoder for {uids.name_of(transfer_syntax_uid)}"
    if decoder.is_available:
        return ""
    return f"decoding {decoder.name} needs {decoder.library}: {EXTRA}"


def _is_installed(library: str) -> bool:
    from importlib.util import find_spec

    try:
        return find_spec(library) is not None and find_spec("numpy") is not None
    except (ImportError, ValueError):
        return False

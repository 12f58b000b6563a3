"""Data sets for the tests of scanning and rewriting: written out as hex, or drawn at random.

Must not use the package's own data set code to build anything.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from isocenter.dataset.convert import PlanBuilder, in_order, plan_rewrite, rewritten
from isocenter.dataset.headers import CutShort, Unreadable
from isocenter.dataset.profile import RewriteOptions, RewriteProfile
from isocenter.errors import DataSetError
from isocenter.record import replace
from isocenter.wire import FileRegion
from tests.support.variants.encoder import Encoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from isocenter.dataset.plan import RewritePlan

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG = "1.2.840.10008.1.2.2"
RLE = "1.2.840.10008.1.2.5"
PLAIN_SYNTAXES = (EXPLICIT, IMPLICIT, BIG)

OPTION_SETS = {
    "as DCMTK": RewriteOptions(),
    "-e": RewriteOptions(lengths="undefined"),
    "keep": RewriteOptions(lengths="keep"),
    "+g": RewriteOptions(group_lengths="create"),
    "-g": RewriteOptions(group_lengths="remove"),
    "+p 256 64": RewriteOptions(file_padding=256, item_padding=64),
    "+uc": RewriteOptions(convert_un=True),
    "-u": RewriteOptions(new_vrs=False),
    "values as they are": RewriteOptions(normalise_values=False),
    "dcmrecv": RewriteOptions(
        lengths="undefined",
        keep_trailing_padding=True,
        normalise_values=False,
        blanks_behind_text=True,
    ),
    "-e +g +p 100 30": RewriteOptions(
        lengths="undefined", group_lengths="create", file_padding=100, item_padding=30
    ),
}
"""By the options of storescp that they are."""

_TOKEN = re.compile(r"'(?P<text>[^']*)'|(?P<hex>[0-9a-fA-F]+)|(?P<times>\*\d+)")


def stream(notation: str) -> bytes:
    """Return the bytes of hex digits and 'ASCII text'; ``*9`` repeats what is before it.

    What stands behind # on a line is a comment.
    """
    out: list[bytes] = []
    for line in notation.splitlines():
        for token in _TOKEN.finditer(line.partition("#")[0]):
            if token["text"] is not None:
                out.append(token["text"].encode("latin-1"))
            elif token["hex"]:
                out.append(bytes.fromhex(token["hex"]))
            else:
                out[-1] *= int(token["times"][1:])
    return b"".join(out)


def profile(
    syntax: str, target: str = "", options: RewriteOptions = OPTION_SETS["as DCMTK"]
) -> RewriteProfile:
    """Return how data sets of a syntax are written in a target one, "" for the same."""
    return RewriteProfile(syntax, replace(options, transfer_syntax_uid=target))


def rewrite(data: bytes, how: RewriteProfile, *, prefix_length: int = 0) -> bytes:
    """Return a data set as it is written anew."""
    plan = plan_rewrite(data, how, prefix_length=prefix_length)
    return written(plan, data)


def written(plan: RewritePlan, data: bytes) -> bytes:
    return b"".join(bytes_of(segment) for segment in rewritten(plan, data))


def bytes_of(segment: object) -> bytes:
    assert not isinstance(segment, FileRegion)
    return bytes(segment)  # type: ignore[call-overload, no-any-return] # a buffer


def outcome(data: bytes, how: RewriteProfile) -> tuple[object, ...]:
    """Return everything that rewriting a data set whole tells, errors included."""
    try:
        plan = plan_rewrite(data, how)
    except DataSetError as error:
        return _bad(how, error.reason, error.offset)
    return _told(plan, data)


def _bad(how: RewriteProfile, reason: str, offset: int | None) -> tuple[object, ...]:
    """Return what an error tells.

    Of a damaged deflate stream it depends on the pieces how much is inflated before that shows.
    """
    return ("deflated", None) if how.source_uid == DEFLATED else (reason, offset)


def outcome_of_pieces(
    data: bytes, pieces: Iterable[bytes], how: RewriteProfile
) -> tuple[object, ...]:
    """Return the same of a data set that came in pieces."""
    builder = PlanBuilder(how)
    try:
        for piece in pieces:
            builder.feed(memoryview(piece))
        plan = in_order(builder.finish(), data)
    except CutShort as cut:
        return _bad(how, f"cut short: {cut.missing} bytes of an element are missing", cut.offset)
    except Unreadable as bad:
        return _bad(how, f"cannot be read: {bad.reason}", bad.offset)
    return _told(plan, data)


def _told(plan: RewritePlan, data: bytes) -> tuple[object, ...]:
    return (
        plan.is_identity,
        plan.length,
        plan.source_length,
        sorted(plan.values.items()),
        plan.mended_uids,
        written(plan, data),
    )


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """Return the data in pieces that end at the given places."""
    ends = [*sorted(min(place, len(data)) for place in places), len(data)]
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


# Data sets at random. Values are in little endian; the encoder turns them.

_TEXTS = [
    "AE",
    "AS",
    "CS",
    "DA",
    "DS",
    "DT",
    "IS",
    "LO",
    "LT",
    "PN",
    "SH",
    "ST",
    "TM",
    "UC",
    "UR",
    "UT",
]
_SIZES = {"AT": 4, "SS": 2, "US": 2, "FL": 4, "SL": 4, "UL": 4, "FD": 8, "OB": 2, "OW": 2}
_SIZES |= {"OF": 4, "OL": 4, "OD": 8, "OV": 8, "SV": 8, "UV": 8, "UN": 2}
# A tag of each VR in the dictionary, so that implicit VR loses nothing.
TAGS = {
    "AE": 0x00080054, "AS": 0x00101010, "CS": 0x00080060, "DA": 0x00080020, "DS": 0x00101030,
    "DT": 0x0008002A, "IS": 0x00200013, "LO": 0x00100020, "LT": 0x001021B0, "PN": 0x00100010,
    "SH": 0x00080050, "ST": 0x00080081, "TM": 0x00080030, "UC": 0x00080119, "UR": 0x00081190,
    "UT": 0x0040A160, "UI": 0x0020000D, "AT": 0x00280009, "SS": 0x00189219, "US": 0x00280010,
    "FL": 0x0018605A, "SL": 0x00186020, "UL": 0x00186016, "FD": 0x00189073, "OB": 0x00420011,
    "OW": 0x00281201, "OF": 0x7FE00008, "OL": 0x00660040, "OD": 0x7FE00009, "OV": 0x7FE00001,
    "SV": 0x00720082, "UV": 0x00720083,
}  # fmt: skip
SEQUENCES = (0x00081140, 0x00081199, 0x00283010, 0x00400275, 0x52009229)
_NUMBERS = (
    "AT",
    "SS",
    "US",
    "FL",
    "SL",
    "UL",
    "FD",
    "OB",
    "OW",
    "OF",
    "OL",
    "OD",
    "OV",
    "SV",
    "UV",
)


@st.composite
def values(draw: st.DrawFn, vr: str) -> bytes:
    """Return a value in the form that a rewriter leaves alone."""
    if vr == "UI":
        text = draw(st.sampled_from(["", "1.2", "1.2.3", "1.2.840.10008.1.1"])).encode()
        return text + b"\0" * (len(text) % 2)
    if vr in _TEXTS:
        letters = "0123456789" if vr in {"IS", "DS"} else "AB12^\\. "
        text = draw(st.text(letters, max_size=9)).encode().rstrip(b" ")
        return text + b" " * (len(text) % 2)
    size = _SIZES[vr]
    return draw(st.binary(max_size=3 * size).map(lambda raw: raw[: len(raw) // size * size]))


@st.composite
def elements(draw: st.DrawFn, encoder: Encoder, depth: int, *, normal: bool) -> bytes:
    """Return the elements of a data set or an item, in ascending order."""
    found: dict[int, bytes] = {}
    for vr in draw(st.lists(st.sampled_from(sorted(TAGS)), max_size=6, unique=True)):
        found[TAGS[vr]] = encoder.element(TAGS[vr], vr, draw(values(vr)))
    if draw(st.booleans()):
        found[0x00090010] = encoder.element(0x00090010, "LO", b"ACME 1")
        found[0x00091001] = encoder.element(0x00091001, "UN", draw(values("UN")))
    tags = st.lists(st.sampled_from(SEQUENCES), max_size=2 if depth else 0, unique=True)
    for tag in draw(tags):
        items = draw(st.lists(elements(encoder, depth - 1, normal=normal), max_size=3))
        undefined = st.just(False) if normal else st.booleans()
        found[tag] = encoder.sequence(
            tag,
            *(encoder.item(item, undefined=draw(undefined)) for item in items),
            undefined=draw(undefined),
        )
    return b"".join(found[tag] for tag in sorted(found))


def data_sets(syntax: str, *, normal: bool = False) -> st.SearchStrategy[bytes]:
    """Return data sets; `normal` ones are as the rewriter itself writes them."""
    return elements(Encoder(syntax), 3, normal=normal)


def nested(depth: int, *, undefined: bool = False) -> bytes:
    """Return an explicit VR data set of so many nested sequences, in linear time."""
    heads: list[bytes] = []
    size = 0
    sequence = struct.pack("<HH2sxx", 0x0008, 0x1140, b"SQ")
    item = struct.pack("<HH", 0xFFFE, 0xE000)
    tails: list[bytes] = []
    for _ in range(depth):
        if undefined:
            heads.append(sequence + b"\xff" * 4 + item + b"\xff" * 4)
            tails.append(stream("feff0de0 00000000 feffdde0 00000000"))
        else:
            heads.append(sequence + struct.pack("<I", size + 8) + item + struct.pack("<I", size))
            size += 20
    return b"".join(reversed(heads)) + b"".join(tails)

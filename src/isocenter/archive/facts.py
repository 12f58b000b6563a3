"""What the index is told of an object: plain data, made where the object was received.

Owns how a data set becomes columns and the rest of its attributes, decoded. Must not know the
index, nor where files live.

PS3.5 6.1 (character sets), PS3.18 F.2 (DICOM JSON model).
"""

from __future__ import annotations

import os

from isocenter.archive.attributes import BY_TAG, CHARACTER_SET, COLUMNS, TABLES, TIMEZONE
from isocenter.archive.elements import read_elements
from isocenter.archive.model import fragment_of, items_text
from isocenter.archive.text import MAXIMUM_TEXT, kept, read_as, values_of
from isocenter.dataset.dictionary import STANDARD_VRS
from isocenter.dataset.headers import CutShort, Unreadable
from isocenter.dataset.part10 import guess_transfer_syntax, read_file_meta
from isocenter.dataset.scan import ENCODINGS
from isocenter.errors import DataSetError
from isocenter.limits import DEFAULTS
from isocenter.record import NamedTuple
from isocenter.uids import TRANSFER_SYNTAXES
from isocenter.wire import FileRegion

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from isocenter.archive.elements import Element
    from isocenter.limits import Limits
    from isocenter.wire import Buffer

__all__ = ["InstanceFacts", "NewInstance", "facts_of", "facts_of_elements"]

_LAST = 0x7FE00000  # pixel data and what is behind it are no attributes to answer with
_LONGEST_VALUE = 16 * 1024  # bytes of a value, or of a sequence, that is looked at
_LONGEST_FRAGMENT = 4096  # characters of one attribute in the rest
_LONGEST_REST = 64 * 1024  # characters of all of them
_PIECE = 64 * 1024

_OWN = frozenset({CHARACTER_SET, 0x00080001, 0x00080052, 0x00080054, 0x00080056})
_STUDY_UID, _SERIES_UID, _INSTANCE_UID, _CLASS_UID = (
    0x0020000D,
    0x0020000E,
    0x00080018,
    0x00080016,
)


class InstanceFacts(NamedTuple):
    """What is known of an object; "" where its data set does not say.

    Fields:
        study_instance_uid, series_instance_uid, sop_instance_uid, sop_class_uid: of its data set.
        transfer_syntax_uid: of its file.
        study, series, instance: a value for each of `attributes.COLUMNS`, in that order: values
            joined with backslashes, a sequence as JSON.
        timezone: Timezone Offset From UTC (0008,0201).
        rest: every other attribute that may be answered, in the DICOM JSON model: text of the
            attribute object by tag in 8 hexadecimal digits.
    """

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    study: tuple[str, ...]
    series: tuple[str, ...]
    instance: tuple[str, ...]
    timezone: str
    rest: Mapping[str, str]


class NewInstance(NamedTuple):
    """An object on disk for which a row is to be written.

    Fields:
        facts: what its data set says.
        path: its file, relative to the area, with ``/``.
        size: of the file, in bytes.
        data_set_offset: where its data set begins, in bytes from the start of the file.
        digest: SHA-256 of the data set's bytes, b"" where it was not made.
        received: when it came, in seconds since 1970.
        source: AE title that sent it, "" for none.
    """

    facts: InstanceFacts
    path: str
    size: int
    data_set_offset: int
    digest: bytes
    received: float
    source: str


def facts_of(source: str | int, *, limits: Limits = DEFAULTS) -> InstanceFacts:
    """Return what a file says.

    Args:
        source: its path, or an open descriptor, whose position is neither used nor moved.
        limits: of depth and of inflating.

    Raises:
        DataSetError: it cannot be read, is no DICOM file, or is cut short before its pixel data.
    """
    if isinstance(source, int):
        return _read(source, None, limits)
    try:
        fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise DataSetError(reason or str(error), path=source) from error
    try:
        return _read(fd, source, limits)
    finally:
        os.close(fd)


def _read(fd: int, path: str | None, limits: Limits) -> InstanceFacts:
    try:
        size = os.fstat(fd).st_size
        head = os.pread(fd, _PIECE, 0)
        meta = read_file_meta(fd if len(head) < size else head, path=path)
        start = meta.data_set_offset
        uid = meta.transfer_syntax_uid
        syntax = TRANSFER_SYNTAXES.get(uid)
        if syntax is None:
            guess = guess_transfer_syntax(os.pread(fd, 4096, start), remaining=size - start)
            if not guess:
                raise DataSetError("not a DICOM file" if not uid else f"unknown {uid}", path=path)
            uid, syntax = uid or guess, TRANSFER_SYNTAXES[guess]
        pieces: Iterator[Buffer] = _pieces(head, FileRegion(fd, start, size - start))
        if syntax.is_deflated:
            pieces = _inflated(pieces, limits)
        elements = read_elements(
            pieces,
            ENCODINGS[syntax.is_explicit, syntax.is_little],
            before=_LAST,
            longest=_LONGEST_VALUE,
            maximum_depth=limits.maximum_depth,
            skips_private=True,
        )
    except OSError as error:
        raise DataSetError(error.strerror or str(error), path=path) from error
    except CutShort as cut:
        raise DataSetError("cut short", path=path, offset=cut.offset) from None
    except Unreadable as bad:
        raise DataSetError(bad.reason, path=path, offset=bad.offset) from None
    return facts_of_elements(elements, transfer_syntax_uid=uid, little=syntax.is_little)


def _pieces(head: bytes, region: FileRegion) -> Iterator[Buffer]:
    """Yield the data set piece by piece; what is long in it is not read by whoever skips it."""
    first = memoryview(head)[region.offset :]
    if len(first):
        yield first
    position, end = region.offset + len(first), region.offset + region.length
    while position < end:
        piece = os.pread(region.fd, min(_PIECE, end - position), position)
        if not piece:
            return
        position += len(piece)
        yield piece


def _inflated(pieces: Iterable[Buffer], limits: Limits) -> Iterator[Buffer]:
    from isocenter.dataset.convert import Inflater, InflationLimits

    inflater = Inflater(InflationLimits.of(limits))
    for piece in pieces:
        yield from inflater.feed(piece)


def facts_of_elements(
    elements: Iterable[Element], *, transfer_syntax_uid: str, little: bool
) -> InstanceFacts:
    """Return what the elements of a data set say."""
    columns = {table: [""] * len(attributes) for table, attributes in COLUMNS.items()}
    uids = {_STUDY_UID: "", _SERIES_UID: "", _INSTANCE_UID: "", _CLASS_UID: ""}
    rest: dict[str, str] = {}
    character_sets = b""
    timezone = ""
    left = _LONGEST_REST
    for element in elements:
        tag, vr, value = element
        if tag in _OWN:
            if tag == CHARACTER_SET and isinstance(value, bytes):
                character_sets = value
            continue
        attribute = BY_TAG.get(tag)
        if attribute is not None:
            if not attribute.column:
                continue
            text = _column(element, attribute.vr, character_sets, little=little)
            columns[TABLES[attribute.level]][attribute.place] = text
            if tag in uids:
                uids[tag] = text
            continue
        if tag & 0x1FFFF < 0x10000 and tag & 0xFFFF and (tag in STANDARD_VRS or vr != b"UN"):
            fragment = fragment_of(element, character_sets, little=little)
            if len(fragment) <= min(left, _LONGEST_FRAGMENT) and fragment:
                rest[f"{tag:08X}"] = fragment
                left -= len(fragment)
            if tag == TIMEZONE and isinstance(value, bytes):
                timezone = value.decode("latin-1").strip(" \0")
    return InstanceFacts(
        uids[_STUDY_UID],
        uids[_SERIES_UID],
        uids[_INSTANCE_UID],
        uids[_CLASS_UID],
        transfer_syntax_uid,
        tuple(columns["study"]),
        tuple(columns["series"]),
        tuple(columns["instance"]),
        timezone,
        rest,
    )


def _column(element: Element, vr: bytes, character_sets: bytes, *, little: bool) -> str:
    """Return what is kept of an element in a column of a VR; "" where it does not fit."""
    value = element.value
    if vr == b"SQ":
        if not isinstance(value, list) or not value:
            return ""
        text = items_text(value, character_sets, little=little)
        return text if len(text) <= MAXIMUM_TEXT else ""
    if not isinstance(value, bytes) or not value:
        return ""
    values = values_of(value, read_as(element.vr, vr), character_sets, little=little)
    if not values:
        return ""
    if len(values) == 1:
        return kept(vr, values[0])
    return "\\".join([kept(vr, each) for each in values])[:MAXIMUM_TEXT]

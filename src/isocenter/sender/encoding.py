"""What of a file goes out: its data set as it is, or written anew.

Owns when a data set must be written anew (another transfer syntax, values to replace, an odd
length, VRs that are not wanted) and that it goes out bit for bit where it need not be. Must not
know how data sets are written (`dataset.convert`), nor contexts or messages.

A small data set is written in memory; a big one, and a deflated one, which might become big,
while it is sent. Then its length may not be known before its end.

PS3.5 7.1.1, annex A; PS3.8 annex E.
"""

from __future__ import annotations

from isocenter.errors import DataSetError
from isocenter.limits import DEFAULTS
from isocenter.record import Record
from isocenter.uids import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, TRANSFER_SYNTAXES
from isocenter.wire import FileRegion, segment_length

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from isocenter.dataset.dictionary import Dictionary
    from isocenter.dataset.profile import RewriteOptions
    from isocenter.limits import Limits
    from isocenter.sender.prepare import PreparedFile
    from isocenter.wire import Segment

__all__ = ["AS_IT_IS", "EncodedDataSet", "EncodingOptions", "conversion_options", "encode"]

_IN_MEMORY = 4 * 1024 * 1024
"""Bytes of a result, inclusive, that are put together before they are sent."""


class EncodingOptions(Record):
    """How a data set is written where it is written anew.

    Fields:
        new_vrs: keep the VRs that the standard got after 1993; otherwise they become OB, for
            which an explicit VR data set is written anew in any case.
        compression_level: of deflated results, 0 to 9; None is zlib's own, 6, and leaves alone
            what is deflated already.
        dictionary: what is known of tags; None for the built-in tables.
        limits: bounds on what a data set may ask for: nesting, inflation.
    """

    new_vrs: bool = True
    compression_level: int | None = None
    dictionary: Dictionary | None = None
    limits: Limits = DEFAULTS


AS_IT_IS = EncodingOptions()
"""What nobody asked for stays as it is."""


class EncodedDataSet:
    """A data set on its way out.

    Attributes:
        data: its segments: a tuple, or to be asked for once, while they are sent.
        length: bytes of `data`; where they are not known before, what was sent so far.
    """

    __slots__ = ("data", "length")

    def __init__(self, data: Iterable[Segment], length: int | None) -> None:
        """Take the segments; None for a length that will be counted."""
        self.data = data
        if length is None:
            self.data = self._counted(data)
        self.length = length or 0

    def _counted(self, data: Iterable[Segment]) -> Iterator[Segment]:
        for segment in data:
            self.length += segment_length(segment)
            yield segment


def encode(
    prepared: PreparedFile,
    transfer_syntax_uid: str,
    *,
    replacements: Mapping[int, bytes] | None = None,
    options: EncodingOptions = AS_IT_IS,
) -> EncodedDataSet:
    """Return a file's data set in a transfer syntax, bit for bit where nothing else is needed.

    Args:
        prepared: the file, open until the data set was sent.
        transfer_syntax_uid: the file's own, or one of those it can be converted to.
        replacements: new encoded values for elements at the top level, by tag, padded; those
            that the data set has not are left out.
        options: see there.

    Where only the blanks of UIDs are to go (PS3.5 9.1) and the data set cannot be written anew,
    it goes out as it is.

    Raises:
        DataSetError: the data set cannot be read to its end, and so not be written.
        OSError: the file cannot be read.
    """
    own = prepared.transfer_syntax_uid
    syntax = TRANSFER_SYNTAXES.get(transfer_syntax_uid)
    unwanted_vrs = not options.new_vrs and syntax is not None and syntax.is_explicit
    converts = own != transfer_syntax_uid
    is_deflated = transfer_syntax_uid == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
    deflates_anew = is_deflated and options.compression_level is not None
    if not (converts or replacements or prepared.is_odd or unwanted_vrs or deflates_anew):
        if not prepared.blank_uids:
            return EncodedDataSet(prepared.data, prepared.length)
        try:
            return _write(prepared, _altered(own, _unblanked(prepared), options), options)
        except DataSetError:
            return EncodedDataSet(prepared.data, prepared.length)
    values = {**_unblanked(prepared), **(replacements or {})}
    rewrite_options = _converted if converts else _altered
    try:
        return _write(prepared, rewrite_options(transfer_syntax_uid, values, options), options)
    except DataSetError:
        if prepared.is_odd:
            msg = f"data set of odd length, {prepared.length} bytes (PS3.5 7.1.1)"
            raise DataSetError(msg) from None
        raise


def _unblanked(prepared: PreparedFile) -> dict[int, bytes]:
    """Return the UIDs that hold blanks, without them and padded (PS3.5 9.1)."""
    uids = {0x00080016: prepared.sop_class_uid, 0x00080018: prepared.sop_instance_uid}
    values = {tag: uids[tag].encode("latin-1") for tag in prepared.blank_uids}
    return {tag: value + b"\0" * (len(value) % 2) for tag, value in values.items()}


def _altered(
    transfer_syntax_uid: str, replacements: dict[int, bytes], options: EncodingOptions
) -> RewriteOptions:
    """Return how to change what was asked for and nothing else."""
    from isocenter.dataset.profile import RewriteOptions

    return RewriteOptions(
        transfer_syntax_uid=transfer_syntax_uid,
        lengths="keep",
        keep_trailing_padding=True,
        normalise_values=False,
        new_vrs=options.new_vrs,
        compression_level=options.compression_level,
        replacements=replacements,
    )


def _converted(
    transfer_syntax_uid: str, replacements: dict[int, bytes], options: EncodingOptions
) -> RewriteOptions:
    """Return how DCMTK's storescu writes every data set."""
    from isocenter.dataset.profile import RewriteOptions

    return RewriteOptions(
        transfer_syntax_uid=transfer_syntax_uid,
        new_vrs=options.new_vrs,
        compression_level=options.compression_level,
        replacements=replacements,
    )


def conversion_options(
    prepared: PreparedFile, transfer_syntax_uid: str, options: EncodingOptions
) -> RewriteOptions:
    """Return how a file's data set is written in another transfer syntax."""
    return _converted(transfer_syntax_uid, _unblanked(prepared), options)


def _write(
    prepared: PreparedFile, rewriting: RewriteOptions, options: EncodingOptions
) -> EncodedDataSet:
    """Plan the writing and do it, or leave it to whoever sends."""
    from isocenter.dataset.convert import InflationLimits, plan_rewrite, rewritten
    from isocenter.dataset.dictionary import DEFAULT_DICTIONARY
    from isocenter.dataset.profile import RewriteProfile
    from isocenter.dataset.scan import ScanLimits

    source, own = prepared.source, prepared.transfer_syntax_uid
    try:
        dictionary = options.dictionary or DEFAULT_DICTIONARY
        profile = RewriteProfile(
            own, rewriting, ScanLimits.of(options.limits), dictionary=dictionary
        )
    except ValueError as problem:
        raise DataSetError(str(problem)) from problem
    inflation = InflationLimits.of(options.limits)
    plan = plan_rewrite(source, profile, limits=inflation)
    if plan.is_identity and not prepared.is_odd:
        return EncodedDataSet(prepared.data, prepared.length)
    if plan.length % 2:
        raise DataSetError(f"data set of odd length, {plan.length} bytes (PS3.5 7.1.1)")
    segments = rewritten(plan, source, limits=inflation)
    if not isinstance(source, FileRegion) and plan.length <= _IN_MEMORY:
        whole = b"".join(segments)  # type: ignore[arg-type]  # of bytes in memory no file regions are made
        return EncodedDataSet((whole,), len(whole))
    is_deflated = profile.target_uid == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
    return EncodedDataSet(segments, None if is_deflated else plan.length)

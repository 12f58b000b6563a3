"""How data sets are to be written, and what follows from it for every one of a kind.

Owns the options of rewriting and the tables that one choice of them, for one transfer
syntax, makes out of the VRs; a receiver makes one of each and uses it for all objects.
Must not know a data set. PS3.5 6.2, 7.1, A.1-A.5.
"""

from __future__ import annotations

from isocenter.dataset.bulk import Reencoder
from isocenter.dataset.dictionary import DEFAULT_DICTIONARY
from isocenter.dataset.plain import BINARY, KEPT_TEXT, LONG, LONG_TEXT, SEQUENCE, TEXT, UID
from isocenter.dataset.scan import DEFAULT_SCAN_LIMITS, ENCODINGS
from isocenter.dataset.vr import LONG_VRS, MARKERS, NO_VR, SHORT_VRS, TEXT_VRS, WORD_SIZES
from isocenter.limits import DEFAULTS
from isocenter.record import Record
from isocenter.uids import TRANSFER_SYNTAXES

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from isocenter.dataset.dictionary import Dictionary
    from isocenter.dataset.scan import Encoding, ScanLimits

__all__ = [
    "NEW_VRS",
    "PIXEL_REPRESENTATION",
    "WAVEFORM_BITS",
    "RewriteOptions",
    "RewriteProfile",
]

PIXEL_REPRESENTATION = 0x00280103
WAVEFORM_BITS = 0x54001004
"""Elements that VRs of later ones of the same item depend on, in implicit VR (PS3.5 A.1)."""

NEW_VRS = frozenset(b"UN UT OF OD OL OV UC UR SV UV".split())
"""VRs that the standard got after 1993; OB where they are not wanted."""


class RewriteOptions(Record):
    """How a data set is to be written."""

    transfer_syntax_uid: str = ""
    """Of the result, uncompressed or deflated; "" for the one that the data set has."""

    lengths: Literal["explicit", "undefined", "keep"] = "explicit"
    """Of sequences and items."""

    group_lengths: Literal["recalculate", "create", "remove"] = "recalculate"
    """`recalculate` where they are present; `create` in every group of every item."""

    file_padding: int = 0
    """The file's length becomes a multiple of it, by Data Set Trailing Padding; 0: no padding."""

    item_padding: int = 0
    """As `file_padding`, for the content of each item."""

    keep_trailing_padding: bool = False
    """Data Set Trailing Padding that is there stays."""

    normalise_values: bool = True
    """Text is padded with at most one blank, UIDs with at most one NUL and hold no blanks."""

    blanks_behind_text: bool = False
    """Text of odd length, which is broken, becomes even by a blank (PS3.5 6.2), as DCMTK's dcmrecv
    does it; its other tools write a NUL."""

    new_vrs: bool = True
    """False writes UN, UT, OF, OD, OL, OV, UC, UR, SV and UV as OB. There is no way back."""

    convert_un: bool = False
    """Elements of VR UN get the VR that the dictionary knows for them."""

    compression_level: int | None = None
    """Of a deflated result, 0..9; None is 6, and for what is deflated already no new one."""

    replacements: Mapping[int, bytes] = {}
    """New encoded values, padded, of elements that the data set has at its top level, by tag."""

    wanted: frozenset[int] = frozenset({0x00080016, 0x00080018, 0x0020000D})
    """Tags of top-level elements whose values the plan holds; of text VRs or UI."""

    maximum_plan_length: int = DEFAULTS.maximum_changes_length
    """Bytes, inclusive, that the list of changes may take; see `isocenter.limits`."""


class RewriteProfile:
    """Everything about a kind of rewriting that does not depend on the data set.

    Attributes:
        source_uid, target_uid: transfer syntaxes; source, target: their encodings.
        converts: the encodings differ.
        flows: what a data set becomes can be written while it comes (`isocenter.dataset.flow`).
        is_conversion: the result is another stream of bytes whatever is in the data set.
        measures: whole items that end with delimiters can be dealt with at once, because what
            becomes of them depends on nothing else (`isocenter.dataset.delimited`).
        reencodes_items: the same, where VRs go and lengths become explicit (`bulk`).
        takes_items: one of both.
        needs_dictionary: VRs depend on the dictionary.
        passes: elements may be passed over, or written in bulk, at all.
        kinds: kinds of VR of elements that may stay, in the target's encoding.
        has_habits: what becomes of an element depends on its own bytes only.
        has_likeness: the same, and nothing depends on where the file ends.

    Args:
        transfer_syntax_uid: of the data sets.
        options: how they are to be written.
        limits: of the scan.
        dictionary: what is known of tags.

    Raises:
        ValueError: a syntax is unknown, or one of two different ones is compressed.
    """

    __slots__ = (
        "_reencoders",
        "converts",
        "dictionary",
        "flows",
        "has_habits",
        "has_likeness",
        "is_conversion",
        "kinds",
        "limits",
        "measures",
        "needs_dictionary",
        "options",
        "passes",
        "reencodes_items",
        "source",
        "source_uid",
        "takes_items",
        "target",
        "target_uid",
    )

    def __init__(
        self,
        transfer_syntax_uid: str,
        options: RewriteOptions,
        limits: ScanLimits = DEFAULT_SCAN_LIMITS,
        *,
        dictionary: Dictionary = DEFAULT_DICTIONARY,
    ) -> None:
        """Work out tables and encodings."""
        self.dictionary = dictionary
        self.options = options
        self.limits = limits
        self.source_uid = transfer_syntax_uid
        self.target_uid = options.transfer_syntax_uid or transfer_syntax_uid
        try:
            source = TRANSFER_SYNTAXES[self.source_uid]
            target = TRANSFER_SYNTAXES[self.target_uid]
        except KeyError as error:
            raise ValueError(f"transfer syntax {error} is not known") from error
        if source is not target and (source.is_encapsulated or target.is_encapsulated):
            raise ValueError(f"no conversion from {self.source_uid} to {self.target_uid}")
        self.source = ENCODINGS[source.is_explicit, source.is_little]
        self.target = ENCODINGS[target.is_explicit, target.is_little]
        self.converts = self.source is not self.target
        self.is_conversion = self.source_uid != self.target_uid or (
            source.is_deflated and options.compression_level is not None
        )
        self.flows = (
            source.is_little
            and target.is_little
            and not source.is_deflated
            and not target.is_deflated
        )
        self.needs_dictionary = not self.source.explicit or options.convert_un
        self.passes = options.group_lengths != "create"
        self.has_habits = (
            self.passes
            and not self.converts
            and self.source.explicit
            and not options.convert_un
            and not options.replacements
        )
        self.has_likeness = (
            self.has_habits
            and not source.is_deflated
            and not options.file_padding
            and not options.item_padding
        )
        self.kinds = self._kinds(self.target)
        if self.target.explicit and options.normalise_values:
            # They are rare, and the loop over explicit VR is the hottest of all.
            for vr in TEXT_VRS & LONG_VRS:
                self.kinds.pop(vr, None)
        if options.lengths == "undefined" or options.item_padding:
            del self.kinds[b"SQ"]
        self.measures = self.has_habits and self.target.little and not options.item_padding
        self.reencodes_items = (
            self.passes
            and self.flows
            and self.source.explicit
            and not self.target.explicit
            and options.lengths == "explicit"
            and not (options.item_padding or options.convert_un)
        )
        self.takes_items = self.measures or self.reencodes_items
        self._reencoders: dict[tuple[Encoding, bool], Reencoder] = {}

    def reencoder(self, source: Encoding, *, is_root: bool) -> Reencoder:
        """Return what writes elements in bulk that stand in another encoding."""
        reencoder = self._reencoders.get((source, is_root))
        if reencoder is None:
            swaps = source.little is not self.target.little
            forms = {
                vr: (kind, WORD_SIZES[vr] if swaps else 1)
                for vr, kind in self._kinds(source).items()
                if vr not in MARKERS and vr != b"SQ"
            }
            special = set() if source.explicit else {PIXEL_REPRESENTATION, WAVEFORM_BITS}
            wanted = self.options.wanted if is_root else frozenset()
            reencoder = Reencoder(source, self.target, forms, self.dictionary.vrs, special, wanted)
            self._reencoders[source, is_root] = reencoder
        return reencoder

    def _kinds(self, encoding: Encoding) -> dict[bytes, int]:
        """Return what needs no attention in an encoding: VRs by kind."""
        options = self.options
        kinds = dict.fromkeys(SHORT_VRS, BINARY)
        kinds |= dict.fromkeys(LONG_VRS, LONG)
        kinds[b"SQ"] = SEQUENCE
        if options.normalise_values:
            kinds |= dict.fromkeys(TEXT_VRS & SHORT_VRS, TEXT)
            kinds |= dict.fromkeys(TEXT_VRS & LONG_VRS, LONG_TEXT)
            kinds[b"UI"] = UID
        else:
            kinds |= dict.fromkeys((TEXT_VRS & SHORT_VRS) | {b"UI"}, KEPT_TEXT)
        if not encoding.explicit:
            kinds |= dict.fromkeys(MARKERS - {NO_VR}, BINARY)
        elif options.convert_un:
            # LO: creators decide what private elements of VR UN are.
            del kinds[b"UN"], kinds[b"LO"]
        if not options.new_vrs and self.target.explicit:
            for vr in NEW_VRS:
                kinds.pop(vr, None)
        return kinds

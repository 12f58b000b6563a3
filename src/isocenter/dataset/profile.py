"""How data sets are to be written, and what follows from it for every one of a kind.

Owns the options of rewriting and the tables that one choice of them, for one transfer
syntax, makes out of the VRs; a receiver makes one of each and uses it for all objects.
Must not know a data set. PS3.5 6.2, 7.1, A.1-A.5.
"""

from __future__ import annotations

from isocenter.dataset.dictionary import DEFAULT_DICTIONARY
from isocenter.dataset.plain import BINARY, LONG, LONG_TEXT, SEQUENCE, TEXT, UID
from isocenter.dataset.scan import DEFAULT_SCAN_LIMITS, ENCODINGS
from isocenter.dataset.vr import LONG_VRS, MARKERS, NO_VR, SHORT_VRS, TEXT_VRS
from isocenter.record import Record
from isocenter.uids import TRANSFER_SYNTAXES

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from isocenter.dataset.dictionary import Dictionary
    from isocenter.dataset.scan import ScanLimits

__all__ = ["NEW_VRS", "RewriteOptions", "RewriteProfile"]

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

    maximum_plan_length: int = 32 * 1024 * 1024
    """Bytes, inclusive, that the list of changes may take: about a million changes."""


class RewriteProfile:
    """Everything about a kind of rewriting that does not depend on the data set.

    Attributes:
        source_uid, target_uid: transfer syntaxes; source, target: their encodings.
        converts: the encodings differ.
        is_conversion: the result is another stream of bytes whatever is in the data set.
        needs_dictionary: VRs depend on the dictionary.
        passes: elements may be passed over at all; kinds: by kind of VR.
        has_habits: what becomes of an element depends on its own bytes only.

    Args:
        transfer_syntax_uid: of the data sets.
        options: how they are to be written.
        limits: of the scan.
        dictionary: what is known of tags.

    Raises:
        ValueError: a syntax is unknown, or one of two different ones is compressed.
    """

    __slots__ = (
        "converts",
        "dictionary",
        "has_habits",
        "is_conversion",
        "kinds",
        "limits",
        "needs_dictionary",
        "options",
        "passes",
        "source",
        "source_uid",
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
        self.needs_dictionary = not self.source.explicit or options.convert_un
        self.passes = not self.converts and options.group_lengths != "create"
        self.has_habits = (
            self.passes
            and self.source.explicit
            and not options.convert_un
            and not options.replacements
        )
        self.kinds = self._kinds()

    def _kinds(self) -> dict[bytes, int]:
        """Return what may be passed over: the kind of each VR that needs no attention."""
        options = self.options
        kinds = dict.fromkeys(SHORT_VRS, BINARY)
        kinds |= dict.fromkeys(LONG_VRS - {b"SQ"} - TEXT_VRS, LONG)
        if options.normalise_values:
            kinds |= dict.fromkeys(TEXT_VRS & SHORT_VRS, TEXT)
            kinds[b"UI"] = UID
        if not self.source.explicit:
            long_text = LONG_TEXT if options.normalise_values else LONG
            kinds |= dict.fromkeys(TEXT_VRS & LONG_VRS, long_text)
            kinds |= dict.fromkeys(MARKERS - {NO_VR}, BINARY)
        elif options.lengths != "undefined" and not options.item_padding:
            kinds[b"SQ"] = SEQUENCE
        if options.convert_un and self.source.explicit:
            del kinds[b"UN"]
        if not options.new_vrs and self.target.explicit:
            for vr in NEW_VRS:
                kinds.pop(vr, None)
        return kinds

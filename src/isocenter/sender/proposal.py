"""What is proposed for which SOP classes, and which accepted context a file is sent on.

Owns the rules of DCMTK's storescu: the selectors of transfer syntaxes, the order and numbers
of the contexts, the choice for a file. Must not know files, nor how a request is sent.
PS3.8 7.1.1.13, 9.3.2.2; PS3.4 B.3.1.
"""

from __future__ import annotations

import sys

from isocenter import uids
from isocenter.errors import NegotiationError
from isocenter.record import NamedTuple
from isocenter.ul.negotiation import MAXIMUM_CONTEXTS
from isocenter.ul.pdu import PresentationContext

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Protocol

    from isocenter.ul.negotiation import AcceptedContext
    from isocenter.ul.pdu import RoleSelection, SopClassExtendedNegotiation
else:
    Protocol = object

__all__ = [
    "CONVERTIBLE",
    "SELECTORS",
    "ContextChooser",
    "Files",
    "PlannedAssociation",
    "propose",
    "proposing_option",
    "selector_of",
]

_LITTLE = uids.EXPLICIT_VR_LITTLE_ENDIAN
_BIG = uids.EXPLICIT_VR_BIG_ENDIAN
_IMPLICIT = uids.IMPLICIT_VR_LITTLE_ENDIAN

_LITTLE_FIRST = ((_LITTLE,), (_BIG, _IMPLICIT))
_BIG_FIRST = ((_BIG,), (_LITTLE, _IMPLICIT))
_UNCOMPRESSED = (_LITTLE, _BIG, _IMPLICIT)
_EXPLICIT = (_LITTLE, _BIG)
_DEFLATED = uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN

CONVERTIBLE = frozenset({*_UNCOMPRESSED, _DEFLATED})
"""Transfer syntaxes of which any can be written as any other."""

SELECTORS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "uncompr": _LITTLE_FIRST if sys.byteorder == "little" else _BIG_FIRST,
    "little": _LITTLE_FIRST,
    "big": _BIG_FIRST,
    "implicit": ((_IMPLICIT,), ()),
    "lossless": ((uids.JPEG_LOSSLESS_SV1,), _UNCOMPRESSED),
    "jpeg8": ((uids.JPEG_BASELINE_8BIT,), _UNCOMPRESSED),
    "jpeg12": ((uids.JPEG_EXTENDED_12BIT,), _UNCOMPRESSED),
    "j2k-lossless": ((uids.JPEG_2000_LOSSLESS,), _UNCOMPRESSED),
    "j2k-lossy": ((uids.JPEG_2000,), _UNCOMPRESSED),
    "jls-lossless": ((uids.JPEG_LS_LOSSLESS,), _UNCOMPRESSED),
    "jls-lossy": ((uids.JPEG_LS_NEAR_LOSSLESS,), _UNCOMPRESSED),
    "mpeg2": ((uids.MPEG2_MAIN_LEVEL,), ()),
    "mpeg2-high": ((uids.MPEG2_HIGH_LEVEL,), ()),
    "mpeg4": ((uids.MPEG4_HP41,), ()),
    "mpeg4-bd": ((uids.MPEG4_HP41_BD,), ()),
    "mpeg4-2-2d": ((uids.MPEG4_HP42_2D,), ()),
    "mpeg4-2-3d": ((uids.MPEG4_HP42_3D,), ()),
    "mpeg4-2-st": ((uids.MPEG4_HP42_STEREO,), ()),
    "hevc": ((uids.HEVC_MP51,), ()),
    "hevc10": ((uids.HEVC_M10P51,), ()),
    "rle": ((uids.RLE_LOSSLESS,), _UNCOMPRESSED),
    "deflated": ((uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,), _UNCOMPRESSED),
}
"""Name behind ``--propose-`` to the transfer syntaxes of a class's first and second context;
where the second has none, there is no second."""


class Files(Protocol):
    """Paths in the order to send them."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[str]: ...


class PlannedAssociation(NamedTuple):
    """What one association proposes, and the files that are for it."""

    contexts: tuple[PresentationContext, ...]
    files: Files
    role_selections: tuple[RoleSelection, ...] = ()
    extended_negotiations: tuple[SopClassExtendedNegotiation, ...] = ()


def selector_of(transfer_syntax_uid: str) -> str | None:
    """Return the selector that proposes this transfer syntax first and apart, or None."""
    first = (transfer_syntax_uid,)
    return next((name for name, lists in SELECTORS.items() if lists[0] == first), None)


def proposing_option(transfer_syntax_uid: str) -> str | None:
    """Return the long option of storescu that proposes this transfer syntax apart, or None."""
    selector = selector_of(transfer_syntax_uid)
    return None if selector is None else f"--propose-{selector}"


def propose(
    sop_classes: Iterable[str] | None = None,
    *,
    selector: str = "uncompr",
    combine: bool = False,
) -> tuple[PresentationContext, ...]:
    """Return the contexts to propose, with ids 1, 3, 5 and so on.

    Args:
        sop_classes: UIDs in the order of the proposal, without repetition; None for the 64
            that DCMTK's storescu proposes unasked.
        selector: a key of `SELECTORS`.
        combine: one context per class with both lists of transfer syntaxes.

    Raises:
        NegotiationError: more contexts than there are ids for.
    """
    first, second = SELECTORS[selector]
    if combine:
        lists: tuple[tuple[str, ...], ...] = (first + second,)
    else:
        lists = (first, second) if second else (first,)
    classes = uids.SHORT_PROPOSAL if sop_classes is None else tuple(sop_classes)
    if len(classes) * len(lists) > MAXIMUM_CONTEXTS:
        raise NegotiationError("Too many presentation contexts")
    proposed = ((uid, syntaxes) for uid in classes for syntaxes in lists)
    return tuple(
        PresentationContext(
            context_id=2 * index + 1, abstract_syntax=uid, transfer_syntaxes=syntaxes
        )
        for index, (uid, syntaxes) in enumerate(proposed)
    )


class ContextChooser:
    """Chooses among accepted contexts; one look-up for each object that is sent as it is.

    Args:
        contexts: what was accepted, by context id.
        prefer_deflated: an uncompressed object goes on a deflated context where there is one.

    PS3.4 B.4.1, PS3.8 7.1.1.13.
    """

    __slots__ = ("_exact", "_of_class", "_prefer_deflated")

    def __init__(
        self, contexts: Mapping[int, AcceptedContext], *, prefer_deflated: bool = False
    ) -> None:
        """Index the contexts in which this side is SCU; the lowest id of equal ones wins."""
        self._exact: dict[tuple[str, str], int] = {}
        self._of_class: dict[str, list[str]] = {}
        self._prefer_deflated = prefer_deflated
        for context_id in sorted(contexts):
            context = contexts[context_id]
            if not context.as_scu:
                continue
            key = (context.abstract_syntax, context.transfer_syntax)
            self._exact.setdefault(key, context_id)
            self._of_class.setdefault(key[0], []).append(key[1])

    def choose(self, sop_class_uid: str, transfer_syntax_uid: str) -> int | None:
        """Return the id of the context that takes this object, converted if need be, or None.

        The object's own transfer syntax comes first; else, where it is one of those that can be
        converted (uncompressed or deflated), what `convertible_to` says.
        """
        exact = self._exact
        if self._prefer_deflated and transfer_syntax_uid in _UNCOMPRESSED:
            deflated = exact.get((sop_class_uid, _DEFLATED))
            if deflated is not None:
                return deflated
        found = exact.get((sop_class_uid, transfer_syntax_uid))
        if found is not None or transfer_syntax_uid not in CONVERTIBLE:
            return found
        target = self.convertible_to(sop_class_uid)
        return exact[sop_class_uid, target] if target in CONVERTIBLE else None

    def convertible_to(self, sop_class_uid: str) -> str | None:
        """Return the transfer syntax that the object would have to be converted to, or None.

        The order is DCMTK's: explicit VR (that of the lowest context id, whichever byte order),
        implicit VR, then what was accepted for the class, deflated first. None: nothing was.
        """
        accepted = self._of_class.get(sop_class_uid)
        if not accepted:
            return None
        for uids_wanted in (_EXPLICIT, (_IMPLICIT,), (_DEFLATED,)):
            for uid in accepted:
                if uid in uids_wanted:
                    return uid
        return accepted[0]

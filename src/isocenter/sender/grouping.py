"""Which presentation contexts dcmsend proposes, and which files share one.

Owns the table of DCMTK's `DcmStorageSCU::addPresentationContexts` and its log lines. Must not
know files beyond their kinds, nor what a peer makes of a proposal.

Files of one SOP class share a context where all are uncompressed, or have the same transfer
syntax. A compressed file's own transfer syntax comes first in its context; the uncompressed ones
follow where it may and can be decompressed, because an acceptor chooses one of each context.

PS3.8 9.3.2.2; PS3.5 10.1 (the default transfer syntax has to be proposed for each class).
"""

from __future__ import annotations

from isocenter.logs import get_logger, one_line
from isocenter.record import Record
from isocenter.sender.syntaxes import LOSSLESS, UNCOMPRESSED, syntax_words
from isocenter.uids import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, TRANSFER_SYNTAXES, name_of
from isocenter.ul.negotiation import MAXIMUM_CONTEXTS
from isocenter.ul.pdu import PresentationContext

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.sender.inputs import Kind

__all__ = ["ContextPlan", "GroupingOptions", "can_decode_nothing"]

_LOGGER = get_logger(__name__)

_WITHOUT_DEFAULT = (
    ", so we are not proposing any uncompressed transfer syntax\n"
    "  (including the Default Transfer Syntax, which might result in a violation "
    "of the DICOM standard if it is not proposed in another presentation context)"
)
_NO_CONTEXT = ", so we cannot add a presentation context for this SOP instance"


def can_decode_nothing(transfer_syntax_uid: str) -> str:
    """Return why a transfer syntax cannot be decoded: nothing can."""
    return f"there is no decoder for {name_of(transfer_syntax_uid)}"


class GroupingOptions(Record):
    """What may be proposed.

    Fields:
        decompress: ``never``, ``lossless`` (what was compressed without loss) or ``lossy`` (both).
        illegal_proposals: a lossless compressed transfer syntax may be proposed without the
            default one; otherwise such files get no context.
        why_not: says in one line why a transfer syntax cannot be decoded here, "" where it can.
    """

    decompress: str = "lossless"
    illegal_proposals: bool = True
    why_not: Callable[[str], str] = can_decode_nothing


class ContextPlan:
    """The contexts of one association, added one by one.

    Attributes:
        contexts: those so far, with ids 1, 3, 5 and so on.
    """

    __slots__ = ("_ids", "_of_kind", "_options", "contexts")

    def __init__(self, options: GroupingOptions) -> None:
        """Start empty."""
        self._options = options
        self._ids: dict[tuple[str, str], int] = {}
        self._of_kind: dict[Kind, int] = {}
        self.contexts: list[PresentationContext] = []

    @property
    def is_full(self) -> bool:
        """True where there is no id left (PS3.8 9.3.2.2)."""
        return len(self.contexts) >= MAXIMUM_CONTEXTS

    def id_of(self, kind: Kind) -> int | None:
        """Return the id of a kind's context, 0 for one that must not have any, None if unknown."""
        return self._of_kind.get(kind)

    def place(self, kind: Kind) -> int:
        """Return the id of the context that takes a kind of file, added where there is none.

        0 where none may be proposed for it; that is said each time.
        """
        found = self._of_kind.get(kind)
        if found:
            return found
        sop_class, syntax = kind
        key = (sop_class, "" if syntax in UNCOMPRESSED else syntax)
        context_id = self._ids.get(key, 0)
        if not context_id:
            _LOGGER.debug(
                "preparing presentation context for SOP Class / Transfer Syntax: %s / %s",
                name_of(sop_class),
                syntax_words(syntax),
            )
            syntaxes = self._proposal(syntax)
            if syntaxes:
                context_id = self._ids[key] = 2 * len(self.contexts) + 1
                self.contexts.append(
                    PresentationContext(
                        context_id=context_id, abstract_syntax=sop_class, transfer_syntaxes=syntaxes
                    )
                )
                _LOGGER.debug("added new presentation context with ID %d", context_id)
        self._of_kind[kind] = context_id
        return context_id

    def _proposal(self, syntax: str) -> tuple[str, ...]:
        """Return what is proposed for files of a transfer syntax; empty for nothing."""
        if syntax in UNCOMPRESSED:
            return UNCOMPRESSED
        alone = (syntax,)
        known = TRANSFER_SYNTAXES.get(syntax)
        if known is None or not (known.is_encapsulated or known.is_deflated):
            _LOGGER.warning(
                "transfer syntax is unknown, trying to propose only this one: %s", one_line(syntax)
            )
            return alone
        if syntax in LOSSLESS:
            return self._of_lossless(syntax)
        if self._options.decompress != "lossy":
            _LOGGER.debug(
                "transfer syntax uses a lossy compression but we are not allowed to decompress it, "
                "so we are not proposing any uncompressed transfer syntax"
            )
            return alone
        if reason := self._options.why_not(syntax):
            _LOGGER.warning(
                "transfer syntax uses a lossy compression but we cannot decompress it, "
                "so we are not proposing any uncompressed transfer syntax\n  (%s)",
                reason,
            )
            return alone
        return self._with_uncompressed(syntax)

    def _of_lossless(self, syntax: str) -> tuple[str, ...]:
        options = self._options
        words = "transfer syntax uses a lossless compression but we "
        if options.decompress == "never":
            words += "are not allowed to decompress it"
            reason = ""
        elif syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN or not (
            reason := options.why_not(syntax)
        ):
            return self._with_uncompressed(syntax)
        else:
            words += "cannot decompress it"
        because = f"\n  ({reason})" if reason else ""
        if not options.illegal_proposals:
            _LOGGER.error("%s", words + _NO_CONTEXT + because)
            return ()
        _LOGGER.warning("%s", words + _WITHOUT_DEFAULT + because)
        return (syntax,)

    def _with_uncompressed(self, syntax: str) -> tuple[str, ...]:
        _LOGGER.debug(
            "also propose the three uncompressed transfer syntaxes, "
            "because we can decompress the SOP instance (if required)"
        )
        return (syntax, *UNCOMPRESSED)

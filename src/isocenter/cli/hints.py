"""What a user may try where a file found no presentation context.

Owns the words; loaded only once a file failed. Must not know how files are sent.
"""

from __future__ import annotations

from isocenter.cli.options_storescu import TOOL
from isocenter.logs import one_line
from isocenter.sender.proposal import CONVERTIBLE, proposing_option
from isocenter.uids import SOP_CLASSES, name_of

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Iterable

    from isocenter.ul.pdu import PresentationContext

__all__ = ["context_hint"]


def context_hint(
    kind: tuple[str, str], contexts: Iterable[PresentationContext], *, from_profile: bool = False
) -> str:
    """Say what would help a file that no accepted context was found for.

    Args:
        kind: SOP class and transfer syntax of the file.
        contexts: what was proposed on its association.
        from_profile: they are those of ``--config-file``, which allows no other choice.
    """
    sop_class, syntax = kind
    proposed = {
        uid
        for context in contexts
        if context.abstract_syntax == sop_class
        for uid in context.transfer_syntaxes
    }
    # A file's UIDs are any text.
    class_name = one_line(name_of(sop_class))
    in_words = f"{class_name} in {one_line(name_of(syntax))}"
    if syntax in proposed:
        words = class_name if syntax in CONVERTIBLE else in_words
        roles = ", or not in the role that the profile asks for" if from_profile else ""
        return f"hint: {words} was proposed, but the receiver does not take it{roles}"
    if from_profile:
        return f"hint: {in_words} is not in the profile: add it, or try --auto-contexts instead"
    words = f"hint: {in_words} was not proposed: try --auto-contexts"
    options = []
    if not proposed:
        if sop_class not in SOP_CLASSES:
            return words
        options.append("-R")
    if proposed or syntax not in CONVERTIBLE:
        option = _proposing(syntax)
        if option is None:
            return words
        options.append(option)
    return f"{words} (or {' '.join(options)})"


def _proposing(transfer_syntax_uid: str) -> str | None:
    """Return the short name of the option that proposes it, None where there is none."""
    long = proposing_option(transfer_syntax_uid)
    return next((option.short for option in TOOL.options() if option.long == long), None)

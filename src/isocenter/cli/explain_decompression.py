"""What decompressing could do for a file that a peer does not take as it is, in plain words.

Owns the words for dcmsend, which decompresses, and for tools that do not. Facts go in, a
sentence comes out. Must not know contexts (`explain_contexts`) nor how anything is decoded.
"""

from __future__ import annotations

from isocenter.cli.explain import option_words
from isocenter.cli.groups import DECOMPRESSION
from isocenter.dataset.pixels.decoders import decoder_of
from isocenter.sender.syntaxes import UNCOMPRESSED
from isocenter.uids import name_of

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from isocenter.cli.spec import Tool

__all__ = ["decompressing"]


def decompressing(transfer_syntax: str, tool: Tool, allowed: str | None) -> str:
    """Say what would, or would not, make a file's transfer syntax into one that a peer takes.

    Args:
        transfer_syntax: of the file, which the peer did not take.
        tool: whose options may help.
        allowed: which of `groups.DECOMPRESSION` is in force; None where the tool has none of them.
    """
    if allowed is None:
        return f"convert the file first, {tool.name} does not (de)compress pixel data."
    if transfer_syntax in UNCOMPRESSED:
        return "all uncompressed ones were offered: the peer has to be set up for the SOP class."
    decoder = decoder_of(transfer_syntax)
    name = name_of(transfer_syntax)
    if decoder is None:
        return (
            f"{tool.name} cannot make anything else of {name}: the peer has to be set up for it, "
            "or the file be converted elsewhere."
        )
    if not decoder.is_available:
        from isocenter.dataset.pixels.decoders import why_not

        return f"it would be offered uncompressed, too, but {why_not(transfer_syntax)}."
    wanted = DECOMPRESSION[1 if decoder.is_lossless else 2]
    if DECOMPRESSION.index(allowed) < DECOMPRESSION.index(wanted):
        return f"{option_words(tool, wanted)} offers it uncompressed, too" + (
            " (what is lost is lost already)." if not decoder.is_lossless else "."
        )
    return "it was offered uncompressed as well: the peer has to be set up for one or the other."

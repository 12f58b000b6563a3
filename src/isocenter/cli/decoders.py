"""What ``--list-decoders`` prints.

Owns the layout, which is DCMTK's. What can be decoded `dataset.transcode` says. Loaded only where
the list is asked for.
"""

from __future__ import annotations

from isocenter.cli.render import header
from isocenter.dataset.transcode import list_decoders
from isocenter.sender.syntaxes import UNCOMPRESSED, syntax_words
from isocenter.uids import IMPLICIT_VR_LITTLE_ENDIAN

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from isocenter.cli.spec import Tool

__all__ = ["decoders_text"]


def decoders_text(tool: Tool) -> str:
    """Return the list; what an extra has to be installed for is said behind it."""
    native = (IMPLICIT_VR_LITTLE_ENDIAN, *UNCOMPRESSED[:2])
    decoders = list_decoders()
    rows = [
        "Transfer syntaxes supported natively:",
        *(f"- {syntax_words(uid)}" for uid in native),
        "",
        "Transfer syntaxes supported by decoders:",
        *(f"- {decoder.name}" for decoder in decoders if decoder.is_available),
    ]
    missing = [decoder for decoder in decoders if not decoder.is_available]
    if missing:
        from isocenter.dataset.pixels.decoders import EXTRA

        rows += [
            "",
            f"Transfer syntaxes whose decoders are not installed ({EXTRA}):",
            *(f"- {decoder.name}" for decoder in missing),
        ]
    return "\n".join([header(tool), *rows]) + "\n"

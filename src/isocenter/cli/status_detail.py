"""The status detail of a response, as DCMTK's tools dump it at debug level.

Owns the layout of these few elements (companion-facts 1.3). Must not know when it is wanted:
importing this module is left to where the log level asks for it. PS3.7 annex C.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from isocenter.dimse.commands import CEchoRSP, CFindRSP

__all__ = ["status_detail"]

_COLUMN = 56
"""Where the length stands, counted from 0; one blank later where the value is longer."""


def status_detail(response: CEchoRSP | CFindRSP) -> str:
    """Return the lines for Offending Element and Error Comment, "" where there are none."""
    lines = []
    tags = response.offending_element
    if tags:
        value = "\\".join(f"({tag >> 16:04x},{tag & 0xFFFF:04x})" for tag in tags)
        lines.append(_line("(0000,0901) AT", value, 4 * len(tags), len(tags), "OffendingElement"))
    if response.error_comment:
        # A peer may not begin a line of the log.
        comment = response.error_comment.replace("\n", "\\x0a")
        length = len(response.error_comment) + len(response.error_comment) % 2
        lines.append(_line("(0000,0902) LO", f"[{comment}]", length, 1, "ErrorComment"))
    if not lines:
        return ""
    head = ["", "# Dicom-Data-Set", "# Used TransferSyntax: Little Endian Implicit"]
    return "\n".join([*head, *lines, ""])


def _line(tag: str, value: str, length: int, multiplicity: int, keyword: str) -> str:
    left = f"{tag} {value} ".ljust(_COLUMN)
    return f"{left}# {length:3d}, {multiplicity} {keyword}"

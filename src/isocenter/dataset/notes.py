"""What the rewriter remembers of a level of a data set while it is in it.

Owns the facts; must not know what is done with them. PS3.5 7.2, 7.5.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.dataset.scan import Level

__all__ = ["Note", "creator_of"]


class Note:
    """What the rewriter remembers of a level.

    Attributes:
        place: of its length in the edits, -1 where it is not among them.
        length_at: offset of its length in the source.
        content: offset of its value in the result.
        has_length: its length is written, not a delimiter.
        stated: its length in the source, -1 where a delimiter ends it.
        group: of the last element that was looked at, -1 for none.
        group_place, group_content, group_stated: the same of the group's length, -1 for none.
        is_signed: Pixel Representation is 1. waveform_bits: Waveform Bits Allocated.
    """

    # Defaults of the class: an object of a hundred thousand items makes as many notes.
    place = stated = length_at = -1
    content = 0
    has_length = True
    group = group_place = group_stated = -1
    group_content = 0
    is_signed = False
    waveform_bits = 8


def creator_of(level: Level, tag: int) -> bytes | None:
    """Return the private creator of an element, None where it has none (PS3.5 7.8.1)."""
    if level.creators is None or not tag >> 16 & 1:
        return None
    return level.creators.get(tag & 0xFFFF0000 | tag >> 8 & 0xFF)

"""An object of which nothing is kept.

Owns what a receiver that only counts makes of an object. Must not know files.
"""

from __future__ import annotations

from isocenter.storage.placing import StoredObject

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Sequence

    from isocenter.wire import Buffer

__all__ = ["IgnoredObject"]


class IgnoredObject:
    """An object of which nothing is kept (``--ignore``)."""

    __slots__ = ("length",)

    def __init__(self) -> None:
        """Begin with nothing received."""
        self.length = 0

    def write(self, views: Sequence[Buffer]) -> None:
        """Count the bytes."""
        self.length += sum(map(len, views))

    def finish(self) -> StoredObject:
        """Say that nothing is kept."""
        return StoredObject("", self.length)

    def discard(self) -> None:
        """Nothing is there."""

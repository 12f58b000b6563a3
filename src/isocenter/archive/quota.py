"""Quotas of a storage area: what may come in, and which studies go for it.

Owns the arithmetic. Must not know files, nor how the index is written.

The writer is the only one who changes the index, so what it has counted stays true until it
changes something itself; whatever it counted in a transaction that fails is forgotten.

DCMTK's maxStudies and maxBytesPerStudy (dcmqrscp.cfg). Two deviations: a study that would exceed
its bytes keeps what it has, and the object is refused; and the time that decides which study goes
is not rounded to seconds.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from sqlalchemy import Connection

    from isocenter.archive.area import Area
    from isocenter.archive.index import Index

__all__ = ["Quotas"]

_REMEMBERED = 4096  # studies whose sizes are known, inclusive; then all are asked for again


class Quotas:
    """Counts studies and bytes of one area, as far as it has limits.

    Args:
        area: with its limits.
        index: of the same area.
    """

    __slots__ = ("_bytes", "_index", "_maximum_bytes", "_maximum_studies", "_studies")

    def __init__(self, area: Area, index: Index) -> None:
        """Begin with nothing counted."""
        self._index = index
        self._maximum_bytes = area.maximum_bytes_per_study
        self._maximum_studies = area.maximum_studies
        self._studies: int | None = None
        # Bytes by study; None for one that is not there.
        self._bytes: dict[str, int | None] = {}

    @property
    def has_limits(self) -> bool:
        """Whether anything is limited, so that counting makes sense."""
        return bool(self._maximum_bytes or self._maximum_studies)

    def forget(self) -> None:
        """Count anew: a transaction failed, or somebody removed something."""
        self._studies = None
        self._bytes.clear()

    def _size(self, connection: Connection, study: str) -> int | None:
        if study not in self._bytes:
            if len(self._bytes) >= _REMEMBERED:
                self._bytes.clear()
            usage = self._index.study_usage(connection, [study]).get(study)
            self._bytes[study] = None if usage is None else usage[1]
        return self._bytes[study]

    def allows(self, connection: Connection, study: str, growth: int) -> bool:
        """Tell whether a study may grow by `growth` bytes, and count them where it may."""
        if not self.has_limits:
            return True
        size = self._size(connection, study)
        grown = (size or 0) + growth
        if self._maximum_bytes and growth > 0 and grown > self._maximum_bytes:
            return False
        if size is None:
            self._studies = self._count(connection) + 1
        self._bytes[study] = grown
        return True

    def _count(self, connection: Connection) -> int:
        if self._studies is None:
            self._studies = self._index.count_studies(connection)
        return self._studies

    def surplus(self, connection: Connection) -> int:
        """Return how many studies are to go for those that were counted."""
        if not self._maximum_studies:
            return 0
        return max(0, self._count(connection) - self._maximum_studies)

    def evicted(self, studies: list[str]) -> None:
        """Take note that studies went."""
        for study in studies:
            self._bytes[study] = None
        if self._studies is not None:
            self._studies -= len(studies)

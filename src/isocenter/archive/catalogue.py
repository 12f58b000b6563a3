"""The operations of an archive that others use, for one storage area.

Owns nothing of its own: the index, matching and the encoder of answers come together here. No
statement, connection or row of the database goes out.

What is written goes through the writer's process (`client`), which whoever composes an archive
hands in.
"""

from __future__ import annotations

from isocenter.archive.answers import AnswerEncoder, CharacterSetOptions
from isocenter.archive.finding import Finder
from isocenter.archive.index import Index
from isocenter.archive.matching import MatchingError, Query, parse, parse_retrieve

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isocenter.archive.finding import Answer, StoredInstance

__all__ = [
    "AnswerEncoder",
    "Catalogue",
    "CharacterSetOptions",
    "MatchingError",
    "Query",
    "parse",
    "parse_retrieve",
]


class Catalogue:
    """What an area holds, for reading.

    Args:
        url: of its index.

    Used by any number of threads; in a forked process it opens connections of its own.

    Raises:
        ArchiveError: there is no index, or it cannot be used.
    """

    __slots__ = ("_finder", "_index")

    def __init__(self, url: str) -> None:
        """Open the index."""
        self._index = Index(url, create=False)
        self._finder = Finder(self._index)

    def close(self) -> None:
        """Close the connections of this process."""
        self._index.close()

    def find(self, query: Query) -> Iterator[Answer]:
        """Yield an answer for each entity that matches; closing the iterator ends the search.

        Raises:
            ArchiveError: the index cannot be read.
        """
        return self._finder.find(query)

    def search(self, query: Query) -> Iterator[Answer | None]:
        """As `find`, with None now and then, so that a search can be ended that finds nothing.

        Raises:
            ArchiveError: the index cannot be read.
        """
        return self._finder.search(query)

    def locate(self, query: Query) -> list[StoredInstance]:
        """Return every object of the entities that match, series by series.

        Raises:
            ArchiveError: the index cannot be read.
        """
        return list(self._finder.locate(query))

    def usage(self, study_uids: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Return instances and bytes of studies, by UID.

        Raises:
            ArchiveError: the index cannot be read.
        """
        with self._index.reading() as connection:
            return self._index.study_usage(connection, study_uids)

    def count_studies(self) -> int:
        """Return how many studies there are.

        Raises:
            ArchiveError: the index cannot be read.
        """
        with self._index.reading() as connection:
            return self._index.count_studies(connection)

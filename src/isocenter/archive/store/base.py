"""What an archive asks of the place where its objects live.

Owns the interface. A path is relative to the area, with ``/`` between its parts, as the index
keeps it; nothing else of a store is kept anywhere.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Protocol

    from isocenter.storage.spoolfile import SpoolFile
else:
    Protocol = object

__all__ = ["ObjectStore"]


class ObjectStore(Protocol):
    """A place for objects; may be used by several threads, and by processes forked later."""

    def begin(self) -> SpoolFile:
        """Begin an object that has no name yet.

        Raises:
            StorageFull, StorageError: there can be none.
        """

    def folder_of(self, study_instance_uid: str) -> str:
        """Return the path of the folder in which a study's objects are."""

    def publish(self, file: SpoolFile, study_instance_uid: str, sop_instance_uid: str) -> str:
        """Give a complete object a name that nothing else has; return its path.

        Where the area is durable, object and name are on the disk afterwards.

        Raises:
            StorageFull, StorageError: it could not be kept, and is gone.
        """

    def size(self, path: str) -> int | None:
        """Return the bytes of an object's file, None where there is none that could be read."""

    def open(self, path: str) -> int:
        """Open an object for reading and return its descriptor, which is the caller's.

        Whoever has it open keeps it, even if it is removed meanwhile.

        Raises:
            FileNotFoundError: there is none.
            OSError, StorageError: it cannot be opened.
        """

    def settle(self, path: str) -> None:
        """Force an object that is there onto the disk, where the area is durable.

        Raises:
            FileNotFoundError: there is none.
            OSError, StorageError: it may not be there.
        """

    def remove(self, paths: Sequence[str]) -> list[str]:
        """Remove objects, and folders that are empty then; return the paths that are gone.

        What is not there is gone. What cannot be removed is logged.
        """

    def listing(self, folder: str) -> list[str]:
        """Return the paths of the files in a study's folder, sorted; none where it is not there.

        Raises:
            StorageError: it cannot be read.
        """

    def walk(self) -> Iterator[str]:
        """Yield the path of every file of the area, folder by folder in the order of names.

        Raises:
            StorageError: a folder cannot be read.
        """

    def quarantine(self, file: SpoolFile, sop_instance_uid: str) -> str:
        """Keep an object that cannot be indexed, apart from the others; return its path.

        Raises:
            StorageFull, StorageError: it could not be kept, and is gone.
        """

    def set_aside(self, path: str) -> str:
        """Move a file of the area to the quarantine; return its path there.

        Raises:
            StorageError: it cannot be moved, and stays.
        """

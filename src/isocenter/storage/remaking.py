"""An output directory that is made again where somebody removed it.

DCMTK's dcmrecv makes the directories of each object that are not there, the output directory with
them; its storescp does not. Must not know which tool it is.
"""

from __future__ import annotations

import os

from isocenter.errors import StorageError
from isocenter.logs import get_logger
from isocenter.storage.spool import Spool
from isocenter.storage.spoolfile import storage_error

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.storage.directories import Directory

__all__ = ["RemadeSpool"]

_LOGGER = get_logger(__name__)


class RemadeSpool(Spool):
    """A spool whose directory is made anew where there is none when an object comes.

    Args:
        As `Spool`.
    """

    __slots__ = ("_place",)

    def __init__(self, directory: str, *, durable: bool = False, minimum_free: int = 0) -> None:
        """Open the directory, which exists."""
        self._place = os.path.abspath(directory)  # whatever the working directory will be
        super().__init__(directory, durable=durable, minimum_free=minimum_free)

    def current(self) -> Directory:
        """Return the open output directory, a new one where the old is gone.

        Raises:
            StorageError: there can be none, or the spool is closed.
        """
        try:
            return super().current()
        except StorageError as problem:
            if not isinstance(problem.__cause__, FileNotFoundError):
                raise
        try:
            os.makedirs(self._place, exist_ok=True)
        except OSError as error:
            failure = storage_error(self.directory, error)
            failure.doing = "cannot create directory for received object"
            raise failure from error
        _LOGGER.warning("the output directory was gone and is made again: %s", self.directory)
        return super().current()

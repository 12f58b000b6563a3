"""A received object: File Meta Information in front, its bytes as they came, a file.

Joins `spool`, `naming` and `isocenter.dataset.part10`. Owns what a file of a received
object consists of and what it is called. Must not know of messages, nor of what is in a
data set: it is kept byte for byte.

PS3.10 7.1, PS3.4 B.2.3 (statuses of C-STORE).
"""

from __future__ import annotations

from contextlib import suppress

from isocenter.dataset.part10 import FileMetaTemplate
from isocenter.errors import ConfigurationError, StorageError
from isocenter.logs import get_logger
from isocenter.record import NamedTuple, Record
from isocenter.storage.naming import TimeNames, default_file_name, unique_file_name
from isocenter.uids import BIT_PRESERVING_VERSION_NAME, IMPLEMENTATION_CLASS_UID

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal, Self, TypeAlias

    from isocenter.storage.naming import FileName
    from isocenter.storage.spool import Spool, SpoolFile
    from isocenter.wire import Buffer

__all__ = [
    "NamingScheme",
    "ReceivedObject",
    "Receiver",
    "StorageOptions",
    "StoredObject",
]

_LOGGER = get_logger(__name__)

NamingScheme: TypeAlias = "Literal['default', 'unique', 'time']"
"""``<prefix>.<SOP Instance UID>``, ``<prefix>.X.<new UID>`` or ``<time>.<prefix>``."""


class StorageOptions(Record):
    """What becomes of received objects."""

    naming: NamingScheme = "default"
    """How files are called."""

    extension: str = ""
    """Appended to every name as it is; no dot is added."""

    write_file_meta: bool = True
    """Preamble and File Meta Information in front; False writes the data set alone."""

    ignore: bool = False
    """Take the bytes and keep nothing."""

    clean_leftovers: bool = True
    """Remove at the start what processes that were killed left in the directory."""

    implementation_class_uid: str = IMPLEMENTATION_CLASS_UID
    """Implementation Class UID (0002,0012) of the files."""

    implementation_version_name: str = BIT_PRESERVING_VERSION_NAME
    """Implementation Version Name (0002,0013) of the files."""


class StoredObject(NamedTuple):
    """What became of a received object.

    Fields: `path` its file, "" where nothing is kept; `length` bytes of the data set;
    `warning` a line for the log, "" for none.
    """

    path: str
    length: int
    warning: str


class Receiver:
    """Makes files of received objects in one directory.

    Args:
        spool: the directory; None only with `StorageOptions.ignore`.
        options: what becomes of the objects.

    May be used by several threads, and by processes forked after it was made.

    Raises:
        ConfigurationError: the extension cannot be part of a file name.
        ValueError: there is no spool and the options need one.
    """

    __slots__ = ("_spool", "_template", "_time_names", "options")

    def __init__(self, spool: Spool | None, options: StorageOptions) -> None:
        """Check the options and clean the directory."""
        if spool is None and not options.ignore:
            raise ValueError("objects that are kept need a directory")
        self.options = options
        self._time_names = TimeNames()
        # The last one used; threads replace it as a whole.
        self._template: tuple[tuple[str, str, str], FileMetaTemplate] | None = None
        try:
            self.file_name("", "")
        except ValueError as error:
            raise ConfigurationError(str(error)) from error
        self._spool = None if options.ignore else spool
        if self._spool is not None and options.clean_leftovers:
            # A directory that may not be listed can still be written to.
            with suppress(StorageError):
                if removed := self._spool.clean_leftovers():
                    _LOGGER.warning("removed unfinished files of an earlier run: %d", removed)

    def file_name(self, sop_class_uid: str, sop_instance_uid: str) -> FileName:
        """Return the name for an object under the options' scheme."""
        extension = self.options.extension
        if self.options.naming == "default":
            return default_file_name(sop_class_uid, sop_instance_uid, extension)
        if self.options.naming == "unique":
            return unique_file_name(sop_class_uid, extension)
        return self._time_names.next(sop_class_uid, extension)

    def close(self) -> None:
        """Give the directory back; may be called again."""
        if self._spool is not None:
            self._spool.close()

    def prepare(self) -> None:
        """Do ahead what the next object will need; for when there is time (see `Spool`)."""
        if self._spool is not None:
            self._spool.prepare()

    def begin(
        self,
        *,
        calling_ae_title: str,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
    ) -> ReceivedObject:
        """Begin an object with the facts of its request.

        Args:
            calling_ae_title: of the association; becomes Source Application Entity Title.
            sop_class_uid: Affected SOP Class UID of the request.
            sop_instance_uid: Affected SOP Instance UID of the request.
            transfer_syntax_uid: of the presentation context.

        Raises:
            StorageFull, StorageError: there can be no file.
        """
        if self._spool is None:
            return ReceivedObject(self, None, "", "", b"")
        head = b""
        if self.options.write_file_meta:
            try:
                template = self._template
                key = (sop_class_uid, transfer_syntax_uid, calling_ae_title)
                if template is None or template[0] != key:
                    template = self._template = (
                        key,
                        FileMetaTemplate(
                            transfer_syntax_uid=transfer_syntax_uid,
                            sop_class_uid=sop_class_uid,
                            source_application_entity_title=calling_ae_title,
                            implementation_class_uid=self.options.implementation_class_uid,
                            implementation_version_name=self.options.implementation_version_name,
                        ),
                    )
                head = template[1].encode(sop_instance_uid)
            except ValueError as error:
                raise StorageError(self._spool.directory, str(error)) from error
        return ReceivedObject(self, self._spool.begin(), sop_class_uid, sop_instance_uid, head)


class ReceivedObject:
    """One object on its way in; ends with `finish` or `discard`.

    Made by `Receiver.begin`; belongs to one thread. As a context manager it discards
    itself at the end if it was not finished.

    Attributes:
        length: bytes of the data set written so far.
        warning: a line for the log once it is finished, "" for none.
    """

    __slots__ = (
        "_file",
        "_head",
        "_receiver",
        "_sop_class_uid",
        "_sop_instance_uid",
        "length",
        "warning",
    )

    def __init__(
        self,
        receiver: Receiver,
        file: SpoolFile | None,
        sop_class_uid: str,
        sop_instance_uid: str,
        head: bytes,
    ) -> None:
        """Take over a temporary file; None keeps nothing."""
        self._receiver = receiver
        self._file = file
        self._sop_class_uid = sop_class_uid
        self._sop_instance_uid = sop_instance_uid
        self._head = head
        self.length = 0
        self.warning = ""

    def write(self, views: Sequence[Buffer]) -> None:
        """Append fragments of the data set; they are not kept beyond the call.

        Raises:
            StorageFull, StorageError: the fragments could not be written; the temporary
                file is gone.
        """
        self.length += sum(map(len, views))
        if self._file is None:
            return
        if self._head:
            # One system call for the File Meta Information and the first fragments.
            head, self._head = self._head, b""
            self._file.write([head, *views])
        else:
            self._file.write(views)

    def finish(self) -> StoredObject:
        """Publish the file under its name, overwriting what has it.

        Raises:
            StorageFull, StorageError: the file could not be published and is gone.
        """
        if self._file is None:
            return StoredObject("", self.length, "")
        if self._head:
            self.write(())
        name, self.warning = self._receiver.file_name(self._sop_class_uid, self._sop_instance_uid)
        return StoredObject(self._file.publish(name), self.length, self.warning)

    def discard(self) -> None:
        """Remove what was written; does nothing once finished or discarded."""
        if self._file is not None:
            self._file.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self.discard()

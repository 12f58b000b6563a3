"""What becomes of received objects, as options.

Owns the choice; what it means is in the modules that follow it. PS3.10 7.1, PS3.4 B.2.3.
"""

from __future__ import annotations

from isocenter.limits import DEFAULTS
from isocenter.record import NamedTuple, Record
from isocenter.uids import (
    BIT_PRESERVING_VERSION_NAME,
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
)

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from isocenter.dataset.dictionary import Dictionary
    from isocenter.dataset.profile import RewriteOptions
    from isocenter.limits import Limits
    from isocenter.storage.duplicates import DuplicatePolicy

__all__ = ["FileWords", "NamingScheme", "StorageOptions"]

NamingScheme: TypeAlias = "Literal['default', 'instance', 'unique', 'short', 'time', 'long-time']"
"""``<prefix>.<SOP Instance UID>``, ``<SOP Instance UID>``, ``<prefix>.X.<new UID>``,
``<prefix>_<16 digits>``, ``<time>.<prefix>`` in milliseconds or in microseconds."""


class FileWords(NamedTuple):
    """What the log says of files, in the words of one of DCMTK's tools; storescp's by default.

    Fields: `storing` and `exists` begin the lines of a file that is written ("" for no such line)
    and of one that was there before, `warns_first` says which of both comes first;
    `in_every_mode` is False where bit-preserving mode writes its files without a word; `of_names`
    tells of names in which characters were replaced.
    """

    storing: str = "storing DICOM file"
    exists: str = "DICOM file already exists"
    warns_first: bool = False
    in_every_mode: bool = False
    of_names: bool = True


class StorageOptions(Record):
    """What becomes of received objects."""

    rewrite: RewriteOptions | None = None
    """How data sets are written anew (normal mode); None keeps them byte for byte."""

    dictionary: Dictionary | None = None
    """What is known of tags; None for the built-in tables."""

    naming: NamingScheme = "default"
    """How files are called."""

    extension: str = ""
    """Appended to every name as it is; no dot is added."""

    duplicates: DuplicatePolicy = "overwrite"
    """What to do where another object has the name."""

    write_file_meta: bool = True
    """Preamble and File Meta Information in front; False writes the data set alone."""

    check_uids: bool = False
    """Refuse an object whose UIDs differ from those of its request: A900, or C000 where it has
    none. Only where data sets are read: in normal mode, or sorted into folders."""

    identity: Literal["request", "data set"] = "request"
    """Whose UIDs stand in the files' File Meta Information. With `data set`, where data sets are
    rewritten: those of the data set, as far as it has them, with a warning where they are not the
    request's; and an empty data set is refused, C000."""

    source_title: bool = True
    """Source Application Entity Title (0002,0016) of the files is the calling AE title; False
    leaves it out."""

    words: FileWords = FileWords()
    """What the log says of files."""

    warn_of_blanks: bool = True
    """Say which elements had UIDs with blanks, which normal mode removes."""

    ignore: bool = False
    """Take the bytes and keep nothing."""

    clean_leftovers: bool = True
    """Remove at the start what processes that were killed left in the directory."""

    implementation_class_uid: str = IMPLEMENTATION_CLASS_UID
    """Implementation Class UID (0002,0012) of the files."""

    implementation_version_name: str = ""
    """Implementation Version Name (0002,0013) of the files; "" for that of the mode."""

    limits: Limits = DEFAULTS
    """Bounds on what data sets may ask for: nesting, changes, inflation."""

    @property
    def version_name(self) -> str:
        """Implementation Version Name that goes into the files."""
        if self.implementation_version_name:
            return self.implementation_version_name
        return BIT_PRESERVING_VERSION_NAME if self.rewrite is None else IMPLEMENTATION_VERSION_NAME

"""What becomes of received objects, as options.

Owns the choice; what it means is in the modules that follow it. PS3.10 7.1, PS3.4 B.2.3.
"""

from __future__ import annotations

from isocenter.limits import DEFAULTS
from isocenter.record import Record
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

__all__ = ["NamingScheme", "StorageOptions"]

NamingScheme: TypeAlias = "Literal['default', 'unique', 'short', 'time', 'long-time']"
"""``<prefix>.<SOP Instance UID>``, ``<prefix>.X.<new UID>``, ``<prefix>_<16 digits>``,
``<time>.<prefix>`` in milliseconds or in microseconds."""


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

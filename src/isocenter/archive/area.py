"""A storage area: the folder of an archive's objects, its index and its quotas, as options.

Owns where the parts of an area are. Must not open any of them.

```
<area>/<2 hex>/<Study Instance UID>/<SOP Instance UID>[-n].dcm   the objects (`store.filesystem`)
<area>/.isocenter/index.sqlite                                  the index, with its -wal and -shm
<area>/.isocenter/lock                                          held by the one who writes
<area>/.isocenter/quarantine/                                   what cannot be indexed
```

Every path in the index is relative to the area, so an area may be moved as a whole.
"""

from __future__ import annotations

import os

from isocenter.record import Record

__all__ = ["PRIVATE", "QUARANTINE", "Area"]

PRIVATE = ".isocenter"
"""Name of the folder for what is no object."""

QUARANTINE = "quarantine"
"""Name in the private folder for objects that cannot be indexed."""


class Area(Record):
    """One storage area."""

    directory: str
    """Path of the folder, which exists."""

    url: str = ""
    """Of the index's database, as SQLAlchemy takes it; "" for SQLite in the folder itself."""

    durable: bool = True
    """A success survives a power cut. Without, it survives the death of every process."""

    maximum_studies: int = 0
    """Studies kept, inclusive; of more, those go that were longest untouched. 0 for no limit."""

    maximum_bytes_per_study: int = 0
    """Bytes of all files of one study, inclusive; what would exceed them is refused, and nothing
    is deleted. 0 for no limit."""

    minimum_free: int = 0
    """Bytes of the file system that are to stay free; 0 for no limit but the disk's."""

    @property
    def private(self) -> str:
        """Path of the folder for what is no object."""
        return os.path.join(self.directory, PRIVATE)

    @property
    def index_path(self) -> str:
        """Path of the index, where it is in the folder itself."""
        return os.path.join(self.private, "index.sqlite")

    @property
    def index_url(self) -> str:
        """URL of the index, wherever it is."""
        if self.url:
            return self.url
        from urllib.parse import quote

        return "sqlite:///" + quote(os.path.abspath(self.index_path), safe="/:")

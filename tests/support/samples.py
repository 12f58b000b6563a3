"""Real files to send: pydicom's collection, and a shared folder where there is one.

Environment:
    ISOCENTER_DATA: folder whose DICOM files are taken too; without it the folder
        `shared/data/pydicom-data` beside the work tree, where it exists.
"""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from pydicom import dcmread

from tests.peers import ROOT
from tests.support import part10

__all__ = ["Sample", "sample_files", "sendable", "unusual"]


class Sample(NamedTuple):
    """One file with the UIDs of its data set, else of its File Meta; "" where it has none."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str

    @property
    def name(self) -> str:
        """The file's name, for messages and test ids."""
        return self.path.name


def _folders() -> list[Path]:
    folders = []
    spec = find_spec("pydicom")
    if spec is not None and spec.origin is not None:
        folders.append(Path(spec.origin).parent / "data" / "test_files")
    named = os.environ.get("ISOCENTER_DATA")
    folders.append(Path(named) if named else ROOT.parent / "shared" / "data" / "pydicom-data")
    return [folder for folder in folders if folder.is_dir()]


@cache
def sample_files() -> tuple[Sample, ...]:
    """Return every file of the collections that is called .dcm, by name."""
    found = [path for folder in _folders() for path in folder.rglob("*.dcm") if path.is_file()]
    return tuple(_sample(path) for path in sorted(found, key=lambda path: (path.name, path)))


def _sample(path: Path) -> Sample:
    try:
        parts = part10.read(path)
    except ValueError:
        return Sample(path, "", "", "")
    named = Sample(path, parts.text(0x00020002), parts.text(0x00020003), parts.transfer_syntax)
    # Some of pydicom's files were anonymised in the data set alone, and that is what is sent.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = dcmread(path, specific_tags=[0x00080016, 0x00080018], force=True)
            return named._replace(
                sop_class_uid=str(found.get("SOPClassUID") or named.sop_class_uid),
                sop_instance_uid=str(found.get("SOPInstanceUID") or named.sop_instance_uid),
            )
        except (ValueError, OSError, zlib.error, KeyError, struct.error):
            return named


def sendable() -> list[Sample]:
    """Return the files whose File Meta says all that a C-STORE needs."""
    return [
        sample
        for sample in sample_files()
        if sample.sop_class_uid
        and sample.sop_instance_uid
        and sample.transfer_syntax
        # The Media Storage Directory is no object to store (PS3.4 B.5).
        and sample.sop_class_uid != "1.2.840.10008.1.3.10"
    ]


def unusual() -> list[Sample]:
    """Return the other files: no File Meta, or an incomplete one."""
    return [sample for sample in sample_files() if sample not in sendable()]

"""Fuzz target: DICOMDIRs, and the files that they refer to.

The input is a DICOMDIR in a folder with files, links that lead in and out, a link to itself and a
pipe. Reading may raise `DataSetError` and nothing else. What is referred to without a problem is a
regular file within the folder, and not the DICOMDIR.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from isocenter.errors import DataSetError
from isocenter.sender.dicomdir import NO_NAME, referenced_files
from isocenter.testing.datasets import (
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_LITTLE,
    encode_data_set,
    encode_file_meta,
)
from tests.fuzz.oracle import Limits, raises_only

if TYPE_CHECKING:
    from isocenter.testing.datasets import Element

LIMITS = Limits(memory=16 * 1024 * 1024, per_byte=4096)
"""pydicom makes an object of each element."""

_CT, _DIRECTORY = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.3.10"
_NAMES = (
    "IM1",
    "DIR\\IM2",
    "LOW\\IM3",
    "IN\\IM2",
    "LINK",
    "OUT\\etc\\passwd",
    "LOOP",
    "PIPE",
    "DIR",
    "..\\..\\etc\\passwd",
    "DICOMDIR",
    "",
    "a/b",
    "N\\O",
)


def seeds() -> list[bytes]:
    """Return DICOMDIRs with good references and with bad ones."""
    good, bad = (
        _directory([_record(name) for name in names]) for names in (_NAMES[:4], _NAMES[4:])
    )
    roots: list[Element] = [
        (0x00041130, "CS", "SET"),
        (0x00041200, "UL", 0),
        (0x00041212, "US", 0xFFFF),
    ]
    tree: list[list[Element]] = [
        [(0x00041400, "UL", 0), (0x00041420, "UL", 0), (0x00041430, "CS", "PATIENT")],
        [(0x00041400, "UL", 400), (0x00041420, "UL", 1), *_record("IM1")],
    ]
    deflated = _directory([_record("IM1")], syntax=DEFLATED_EXPLICIT_LITTLE)
    return [good, bad, _directory(tree, roots), _directory([]), deflated]


def _directory(
    records: list[list[Element]], before: list[Element] | None = None, syntax: str = EXPLICIT_LITTLE
) -> bytes:
    elements = [*(before or []), (0x00041220, "SQ", records)]
    return encode_file_meta(_DIRECTORY, "1.2.3", syntax) + encode_data_set(elements, syntax)


def _record(file_id: str) -> list[Element]:
    return [
        (0x00041430, "CS", "IMAGE"),
        (0x00041500, "CS", file_id),
        (0x00041510, "UI", _CT),
        (0x00041511, "UI", "1.2.3"),
        (0x00041512, "UI", EXPLICIT_LITTLE),
    ]


@functools.cache
def _folder() -> str:
    """Make the folder, once for the process."""
    outer = Path(tempfile.mkdtemp(dir="/dev/shm", prefix="fuzz-"))
    atexit.register(shutil.rmtree, outer, ignore_errors=True)
    folder = outer / "disc"
    for name in ("DIR/IM2", "low/im3", "IM1"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"one")
    (outer / "disc2").write_bytes(b"not of it")
    for name, target in (
        ("IN", "DIR"),
        ("LINK", "../disc2"),
        ("OUT", "/"),
        ("LOOP", "LOOP"),
        ("SELF", "DICOMDIR"),
    ):
        (folder / name).symlink_to(target)
    os.mkfifo(folder / "PIPE")
    return str(folder)


def test_one_input(data: bytes) -> None:
    """Read one DICOMDIR and check what follows from it."""
    folder = _folder()
    path = os.path.join(folder, "DICOMDIR")
    Path(path).write_bytes(data)
    real = os.path.realpath(folder)
    with raises_only(DataSetError):
        for reference in referenced_files(path):
            if reference.problem:
                if reference.problem != NO_NAME and not reference.listed.path:
                    raise AssertionError(f"{reference} has no name")
                continue
            name = os.path.realpath(reference.listed.path)
            if os.path.commonpath((real, name)) != real or os.path.samefile(name, path):
                raise AssertionError(f"{name} is referred to")
            if not stat.S_ISREG(os.stat(name).st_mode):
                raise AssertionError(f"{name} is no regular file")

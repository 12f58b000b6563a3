"""Fuzz target: files that dcmsend looks at before anything is connected.

The first byte of the input chooses what files may be and what is checked; the rest is the file. It
is listed, left out or the end of the run, never two of these, and the same where directories are
scanned as files are asked for. What is listed has a presentation context, and no word of the file
begins a line of the log.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from isocenter.sender.grouping import ContextPlan, GroupingOptions
from isocenter.sender.listing import InvalidInput, Listing, ListingOptions
from isocenter.sender.prepare import ANY_FORM, DATA_SET_ONLY, FILE_ONLY
from isocenter.testing.datasets import ct_image
from tests.fuzz import fuzz_dicomdir, fuzz_part10
from tests.fuzz.files import named
from tests.fuzz.oracle import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isocenter.sender.listing import Listed

LIMITS = Limits(memory=16 * 1024 * 1024, per_byte=4096)
"""A DICOMDIR becomes objects of pydicom."""

_CONTINUED = "\n  ("
"""Where one of our own messages goes on."""

_FORMS = (FILE_ONLY, ANY_FORM, DATA_SET_ONLY)
_DECOMPRESSION = ("never", "lossless", "lossy")


def seeds() -> list[bytes]:
    """Return files in each kind of transfer syntax, one without head, and DICOMDIRs."""
    files = fuzz_part10.seeds()
    found = [bytes((choice,)) + content for choice, content in enumerate(files)]
    found += [bytes((choice,)) + files[0][:200] for choice in (3, 4, 9)]
    image = ct_image(sop_instance_uid="1.2.3", rows=2, columns=2)
    found += [bytes((choice,)) + image.data_set for choice in (1, 2)]
    return found + [b"\x0c" + content for content in fuzz_dicomdir.seeds()[:2]]


def test_one_input(data: bytes) -> None:
    """List one file and check what follows from it."""
    if not data:
        return
    choice = data[0]
    with named(data[1:]) as path, _lines() as lines:
        told = [_told(path, choice, lazily=lazily) for lazily in (False, True)]
    if told[0] != told[1]:
        raise AssertionError(f"at once {told[0]}, bit by bit {told[1]}")
    for line in lines:
        if "\n" in line.replace(_CONTINUED, ""):
            raise AssertionError(f"{line!r} is no line of a log")


def _told(path: str, choice: int, *, lazily: bool) -> tuple[list[Listed], int, str]:
    """Return what is listed, how many are left out, and why the run ends."""
    options = ListingOptions(
        form=_FORMS[choice % 3],
        halt=not choice // 3 % 2,
        check_uids=not choice // 6 % 2,
        dicomdir=bool(choice // 12 % 2),
        lazily=lazily,
    )
    listing = Listing([path], options)
    listed: list[Listed] = []
    problem = ""
    try:
        listed += listing
    except InvalidInput as error:
        problem = str(error)
    ends = len(listed), listing.invalid, int(bool(problem))
    if sum(ends) != 1 and not options.dicomdir:
        raise AssertionError(f"{listed}, {listing.invalid} left out, {problem!r}")
    if (problem and not options.halt) or (listing.invalid and options.halt):
        raise AssertionError(f"{listing.invalid} left out, {problem!r}")
    plan = ContextPlan(GroupingOptions(decompress=_DECOMPRESSION[choice // 24 % 3]))
    for each in listed[:128]:
        place = plan.place(each.kind)
        if not 1 <= place <= 255 or place != plan.id_of(each.kind):
            raise AssertionError(f"{each.kind} has context {place}")
    return listed, listing.invalid, problem


@contextlib.contextmanager
def _lines() -> Iterator[list[str]]:
    """Collect what is logged."""
    lines: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    logger = logging.getLogger("isocenter.sender")
    collector, level = Collector(), logger.level
    logger.addHandler(collector)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False  # bytes that are no text cannot be told by one test process to another
    try:
        yield lines
    finally:
        logger.propagate = True
        logger.setLevel(level)
        logger.removeHandler(collector)

"""Fuzz target: identifiers of queries and retrieves, and the answers to them.

The first byte of the input chooses transfer syntax, information model and options; the rest is the
identifier. Reading may raise `MatchingError` and nothing else. Whatever is asked of a small index
has answers that can be read.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from isocenter.archive.answers import AnswerEncoder
from isocenter.archive.catalogue import Catalogue
from isocenter.archive.database import sqlite_url
from isocenter.archive.facts import NewInstance, facts_of
from isocenter.archive.index import Index
from isocenter.archive.matching import (
    PATIENT_ROOT,
    PATIENT_STUDY_ONLY,
    STUDY_ROOT,
    MatchingError,
    parse,
    parse_retrieve,
)
from isocenter.dataset.scan import ENCODINGS, scan
from isocenter.testing.datasets import (
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    encode_data_set,
)
from tests.fuzz import fuzz_archive_facts
from tests.fuzz.files import opened
from tests.fuzz.oracle import Limits

if TYPE_CHECKING:
    from isocenter.testing.datasets import Element

LIMITS = Limits(memory=16 * 1024 * 1024, per_byte=4096)
"""A statement of SQL is compiled for what is asked."""

_SYNTAXES = {
    EXPLICIT_LITTLE: ENCODINGS[True, True],
    IMPLICIT_LITTLE: ENCODINGS[False, True],
    EXPLICIT_BIG: ENCODINGS[True, False],
    DEFLATED_EXPLICIT_LITTLE: None,
}
_MODELS = (PATIENT_ROOT, STUDY_ROOT, PATIENT_STUDY_ONLY)


def seeds() -> list[bytes]:
    """Return identifiers of each level, with conditions of each kind."""
    patient: list[Element] = [(0x00080052, "CS", "PATIENT"), (0x00100010, "PN", "yamada*=*")]
    study: list[Element] = [
        (0x00080005, "CS", "ISO_IR 192"),
        (0x00080020, "DA", "20240101-20241231"),
        (0x00080030, "TM", "-1300"),
        (0x00080050, "SH", "A?"),
        (0x00080052, "CS", "STUDY"),
        (0x00080061, "CS", "CT\\MR"),
        (0x00081030, "LO", ""),
        (0x00081032, "SQ", [[(0x00080100, "SH", "CODE"), (0x00080104, "LO", "")]]),
        (0x00100020, "LO", "P1"),
        (0x0020000D, "UI", "1.2.3\\1.2.4"),
        (0x00201206, "IS", ""),
        (0x00201208, "IS", "1"),
    ]
    series: list[Element] = [
        (0x00080052, "CS", "SERIES"),
        (0x00080060, "CS", "C*"),
        (0x0020000D, "UI", "1.2.3"),
        (0x00200011, "IS", "1"),
        (0x00400275, "SQ", [[(0x00400007, "LO", "")]]),
    ]
    image: list[Element] = [
        (0x00080018, "UI", ""),
        (0x0008002A, "DT", "20240229-20240301"),
        (0x00080052, "CS", "IMAGE"),
        (0x0020000D, "UI", "1.2.3"),
        (0x0020000E, "UI", "1.2.3.1"),
        (0x00200013, "IS", "7"),
        (0x00280010, "US", 512),
        (0x00280106, "US", b""),
        (0x00091001, "UN", b"x"),
    ]
    found = []
    for place, elements in enumerate((patient, study, series, image)):
        for choice, syntax in enumerate(_SYNTAXES):
            model = 4 if 0 < place < 3 else 0
            flags = 16 * (place + choice)
            found.append(bytes((choice + model + flags,)) + encode_data_set(elements, syntax))
    return found


@functools.cache
def _catalogue() -> Catalogue:
    """Make an index of a few objects, once for the process."""
    folder = Path(tempfile.mkdtemp(dir="/dev/shm", prefix="fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    url = sqlite_url(str(folder / "index.sqlite"))
    index = Index(url, durable=False)
    with index.writing() as connection:
        for number, content in enumerate(fuzz_archive_facts.seeds()):
            with opened(content) as fd:
                facts = facts_of(fd)
            if facts.study_instance_uid:
                path = f"ab/{number}.dcm"
                new = NewInstance(facts, path, len(content), 300, bytes(32), 1e9, "FUZZ")
                index.write(connection, [new])
    index.close()
    return Catalogue(url)


def test_one_input(data: bytes) -> None:
    """Ask one question and check the answers."""
    if not data:
        return
    syntax = list(_SYNTAXES)[data[0] % 4]
    model = _MODELS[data[0] // 4 % 3]
    strict, combined = bool(data[0] // 16 % 2), bool(data[0] // 32 % 2)
    catalogue = _catalogue()
    try:
        query = parse(data[1:], syntax, model, strict=strict, combine_times=combined)
    except MatchingError as problem:
        _check_words(problem)
    else:
        encoder = AnswerEncoder(query, syntax, retrieve_ae_title="FUZZ")
        for answer in catalogue.find(query):
            encoding = _SYNTAXES[syntax]
            identifier = encoder.encode(answer)
            if len(identifier) % 2:
                raise AssertionError(f"an identifier of {len(identifier)} bytes")
            if encoding is not None:
                scan(identifier, encoding)
    try:
        wanted = parse_retrieve(data[1:], syntax, model, strict=strict)
    except MatchingError as problem:
        _check_words(problem)
    else:
        for stored in catalogue.locate(wanted):
            if not stored.path.startswith("ab/"):
                raise AssertionError(f"{stored} is none of the index")


def _check_words(problem: MatchingError) -> None:
    if not problem.comment or not problem.comment.isprintable():
        raise AssertionError(f"{problem.comment!r} is no comment")

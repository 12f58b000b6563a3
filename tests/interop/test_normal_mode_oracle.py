"""Every kind of data set to DCMTK's storescp and ours in normal mode, the files compared.

Each option set starts both; a scripted peer sends both the same bytes over one association.
Statuses have to agree and files to be equal to the byte, but for what names the
implementation in group 0002, except where tests/interop/normal_mode_differences.py says so.
"""

from __future__ import annotations

import re
import zlib
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import pytest

from isocenter.dataset.headers import CutShort, Unreadable
from isocenter.dataset.scan import ENCODINGS, scan
from isocenter.uids import TRANSFER_SYNTAXES
from tests.interop import normal_mode
from tests.interop.normal_mode_differences import (
    AS_IT_CAME,
    LISTED,
    NO_FILE,
    OTHERWISE,
    listed,
    needed_of,
)
from tests.support import elements, part10
from tests.support.tools import DCMTK, OURS, UNDER_TEST, Receiver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.interop.normal_mode import Object, Outcome
    from tests.interop.normal_mode_differences import Listed

pytestmark = [pytest.mark.slow, pytest.mark.interop, pytest.mark.peer("dcmtk")]

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"

OPTIONS = (
    "",
    "+te",
    "+tb",
    "+ti",
    "+td",
    "+g",
    "-g",
    "-e",
    "+p 256 64",
    "+uc",
    "-u",
    "-F",
    "+cl 1",
    "-up",
    "+te -e +g",
    "+tb +uc +g",
    "+ti +g -e",
    "+te -u +uc -g",
    "+td -F +g",
    "+p 64 34 -e +g",
    "+ti +p 130 14",
    "+tb -u +p 32 32",
    "-F -e -u",
)
"""The option sets that are compared, in the tools' own spelling."""
THOROUGH = ("", "+te", "+ti", "+tb")
"""Where the big files are sent too: the others' options act on elements, not on size."""
BROKEN = ("", "+te", "-F", "+p 256 64")
"""Where the data sets that cannot be read are sent too: each costs an association."""
MOST = 8
"""Differing elements that are told of one data set."""
SMALL, LARGE = 140_000, 3_000_000
"""Largest real file in bytes: for every option set, and for the thorough ones."""


@cache
def _offered() -> bool:
    return "--normal" in OURS.run("storescp", "--help").stdout


def _objects(options: str) -> list[Object]:
    found = normal_mode.generated()
    found += normal_mode.collection(most=LARGE if options in THOROUGH else SMALL)
    return found + (normal_mode.broken() if options in BROKEN else [])


class Written(NamedTuple):
    """A file in its parts; without File Meta under -F."""

    meta: tuple[part10.MetaElement, ...]
    preamble: bytes
    transfer_syntax: str
    data_set: bytes


def _split(file: bytes, options: list[str], received: str) -> Written:
    """Take a file apart, its data set inflated."""
    syntax = {"+te": EXPLICIT_LITTLE, "+tb": "1.2.840.10008.1.2.2", "+ti": "1.2.840.10008.1.2",
              "+td": DEFLATED}.get(next(iter(options), ""), received)  # fmt: skip
    if "-F" in options:
        return Written((), b"", syntax, file)
    # By its length: a data set may begin with elements of group 0002 too.
    end = 144 + int.from_bytes(file[140:144], "little")
    parts = part10.split(file[:end])
    return Written(parts.meta, parts.preamble, parts.transfer_syntax, file[end:])


def _meta(written: Written) -> list[part10.MetaElement]:
    """Return File Meta without what names the implementation or is made up for the file."""
    found = []
    for element in written.meta:
        made_up = element.tag in part10.IMPLEMENTATION or element.tag == 0x00020000
        # Where the data set has no instance UID the oracle writes a new one of its root.
        made_up = made_up or (element.tag == 0x00020003 and b"7230010.3.1.4" in element.value)
        found.append(element._replace(value=b"") if made_up else element)
    return found


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompress(data, -zlib.MAX_WBITS)
    except zlib.error:
        return data


_TRAILING_PADDING = 0xFFFCFFFC


def _unpadded(data: bytes, syntax: str) -> bytes:
    """Return a data set without the File's trailing padding, whose size is the meta's."""
    found = TRANSFER_SYNTAXES[syntax]
    try:
        last = scan(data, ENCODINGS[found.is_explicit, found.is_little])[-1:]
    except (CutShort, Unreadable):
        return data
    for tag, _vr, start, _value, _length, depth in last:
        if tag == _TRAILING_PADDING and depth == 0:
            return data[:start]
    return data


def _problems(each: Object, options: str, oracle: Outcome, ours: Outcome) -> list[str]:
    """Return what differs, in words."""
    if oracle.status != ours.status or (oracle.file is None) != (ours.file is None):
        return [" and ".join(str(_told(one, each, options)) for one in (oracle, ours))]
    if oracle.file is None or ours.file is None or oracle.file == ours.file:
        return []
    words = options.split()
    one = _split(oracle.file, words, each.transfer_syntax)
    other = _split(ours.file, words, each.transfer_syntax)
    found = []
    if (one.preamble, _meta(one)) != (other.preamble, _meta(other)):
        odd = set(_meta(one)) ^ set(_meta(other))
        told = [f"{element.tag:08x} {element.vr} {element.value!r}" for element in sorted(odd)]
        found.append(f"File Meta, on one side only: {', '.join(told) or 'the order or preamble'}")
    left, right = one.data_set, other.data_set
    syntax = one.transfer_syntax
    is_deflated = syntax == DEFLATED
    if left != right and is_deflated and "+p" in words:
        left, right, syntax = _inflated(left), _inflated(right), EXPLICIT_LITTLE
    if left != right and "+p" in words:
        left, right = _unpadded(left, syntax), _unpadded(right, syntax)
        if not is_deflated:
            found += _badly_padded(ours.file, options)
    if left != right:
        if syntax == DEFLATED:
            if right == left + b"\0":
                return [*found, "a NUL behind the deflate stream"]
            sizes = f"deflated to {len(left)} and {len(right)} bytes"
            left, right, syntax = _inflated(left), _inflated(right), EXPLICIT_LITTLE
            if left == right:
                return [*found, sizes]
        found += elements.differences(left, right, syntax, most=MOST)
        if not found:
            found.append(f"{left.hex()} and {right.hex()}")
    return found


def _badly_padded(file: bytes, options: str) -> list[str]:
    """Return what is wrong with the size of a padded file."""
    match = re.search(r"\+p (\d+)", options)
    size = int(match[1]) if match else 1
    return [f"{len(file)} bytes are no multiple of {size}"] if len(file) % size else []


def _told(outcome: Outcome, each: Object, options: str) -> tuple[str, str]:
    """Return what came of an object in two words, as the list of differences has it."""
    if outcome.file is None:
        return outcome.status, NO_FILE
    data = _split(outcome.file, options.split(), each.transfer_syntax).data_set
    return outcome.status, AS_IT_CAME if data == each.data_set else OTHERWISE


class Compared(NamedTuple):
    """What one option set led to: what differs without a row, by name, and the rows needed."""

    number: int
    found: dict[str, list[str]]
    needed: set[Listed]
    leftovers: list[str]


def _compared(options: str, directory: Path) -> Compared:
    words = [*options.split(), "-pm", "+xd" if re.search(r"\+t[ebid]", options) else "+xa"]
    objects = _objects(options)
    with (
        Receiver(DCMTK, directory / "oracle", *words) as one,
        Receiver(UNDER_TEST, directory / "ours", *words) as other,
        ThreadPoolExecutor(2) as both,
    ):
        oracle, ours = both.map(lambda receiver: normal_mode.send(receiver, objects), (one, other))
        leftovers = other.leftovers
    by_name = {each.name: each for each in objects if each.name in oracle}
    assert set(by_name) <= set(ours)
    found, needed = {}, set()
    for name, each in by_name.items():
        problems = _problems(each, options, oracle[name], ours[name])
        if problems and UNDER_TEST.is_ours:
            told = _told(oracle[name], each, options), _told(ours[name], each, options)
            rows = needed_of(listed(name, options), *told, problems)
            needed |= rows
            problems = [] if rows else problems
        if problems:
            found[name] = problems
    return Compared(len(by_name), found, needed, leftovers)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Compared]:
    """Return the comparison under an option set; each is made once."""
    if UNDER_TEST.is_ours and not _offered():
        pytest.skip("our storescp does not offer its normal mode yet")
    return cache(lambda options: _compared(options, tmp_path_factory.mktemp("compared")))


@pytest.mark.parametrize("options", OPTIONS)
def test_both_receivers_make_the_same_of_everything(
    options: str, compared: Callable[[str], Compared]
) -> None:
    number, found, _needed, leftovers = compared(options)
    assert number > 900
    report = "\n".join(f"{name}: {'; '.join(what)}" for name, what in found.items())
    assert not found, f"{len(found)} of {number} differ under {options!r}:\n{report}"
    assert leftovers == []


@pytest.mark.timeout(300)  # where it comes first, it makes all the comparisons
def test_every_listed_difference_is_still_there(compared: Callable[[str], Compared]) -> None:
    if not UNDER_TEST.is_ours:
        pytest.skip("the list is about our storescp")
    needed = set().union(*(compared(options).needed for options in OPTIONS))
    there = {each.name for each in normal_mode.collection(most=LARGE)}
    rows = [row for row in LISTED if not row.names.endswith(".dcm") or row.names in there]
    assert [row for row in rows if row not in needed] == []


def test_every_listed_difference_names_a_data_set_and_an_option_set() -> None:
    objects = (*normal_mode.generated(), *normal_mode.broken(), *normal_mode.collection(most=LARGE))
    idle = [
        row
        for row in LISTED
        if not any(fnmatchcase(options, row.options) for options in OPTIONS)
        or (
            not any(fnmatchcase(each.name, row.names) for each in objects)
            # A file of the collection that is not on this machine is nobody's fault.
            and not row.names.endswith(".dcm")
        )
    ]
    assert idle == []

"""Every kind of data set to DCMTK's dcmrecv and ours, the files compared byte for byte.

A scripted peer sends both the same bytes. Statuses have to agree and files to be equal to the
byte, but for what names the implementation in group 0002, except where DIFFERENCES, or for what
cannot be read the rows about storescp, say so.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.interop import normal_mode
from tests.interop.normal_mode_differences import listed, needed_of
from tests.interop.test_normal_mode_oracle import LARGE, _problems, _told
from tests.support import part10
from tests.support.tools import DCMTK, UNDER_TEST, Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.normal_mode import Object

pytestmark = [pytest.mark.slow, pytest.mark.interop, pytest.mark.peer("dcmtk")]

_NUMBERS = (
    r"^>*\([0-9a-f]{4},[0-9a-f]{4}\) (?!(AE|AS|CS|DA|DS|DT|IS|LO|LT|PN|SH|ST|TM|UC|UI|UR|UT) )"
)


class Difference(NamedTuple):
    """Names of data sets, a pattern of what differs, and why."""

    names: str
    pattern: str
    reason: str


DIFFERENCES = (
    Difference(
        "*", _NUMBERS, "values have an even length (PS3.5 7.1.1); the oracle leaves odd ones"
    ),
    Difference(
        "*",
        r"^File Meta, on one side only: 0002000[23] UI b'(1\.2\.276\.0\.7230010\.3\.1\.0\.1.*|)', ",
        "where the data set has no UID the request's is taken, and none is made up",
    ),
    *(
        Difference(names, r"^\('abort', 'no file'\) and \('0000', ", "a syntax newer than 3.6.7")
        for names in ("HTJ2K*", "liver_*deflate.dcm")
    ),
    Difference("? padding twice", r"\(fffc,fffc\)", "nothing that arrived is lost"),
)


def _profile(path: Path, objects: list[Object]) -> tuple[str, str, str]:
    """Write a profile that accepts the objects and return the options for it."""
    syntaxes = dict.fromkeys(each.transfer_syntax for each in objects)
    classes = dict.fromkeys(each.sop_class_uid for each in objects)
    lines = ["[[TransferSyntaxes]]", "[All]"]
    lines += (f"TransferSyntax{number} = {uid}" for number, uid in enumerate(syntaxes, 1))
    lines += ["[[PresentationContexts]]", "[Storage]"]
    lines += (f"PresentationContext{n} = {uid}\\All" for n, uid in enumerate(classes, 1))
    lines += ["[[Profiles]]", "[Default]", "PresentationContexts = Storage", ""]
    path.write_text("\n".join(lines))
    return "-xf", str(path), "default"


def _excused(name: str, problems: list[str]) -> bool:
    """Tell whether there is a reason for each thing that differs."""
    rows = [row for row in DIFFERENCES if fnmatchcase(name, row.names)]
    return all(any(re.search(row.pattern, text) for row in rows) for text in problems)


@pytest.mark.timeout(180)
def test_both_make_the_same_of_everything(tmp_path: Path) -> None:
    objects = [
        *normal_mode.generated(),
        *normal_mode.collection(most=LARGE),
        *normal_mode.broken(),
    ]
    options = _profile(tmp_path / "storage.cfg", objects)
    with (
        Receiver(DCMTK, tmp_path / "oracle", *options, tool="dcmrecv") as one,
        Receiver(UNDER_TEST, tmp_path / "ours", *options, tool="dcmrecv") as other,
        ThreadPoolExecutor(2) as both,
    ):
        oracle, ours = both.map(lambda receiver: normal_mode.send(receiver, objects), (one, other))
        assert other.leftovers == []
    by_name = {each.name: each for each in objects if each.name in oracle}
    assert len(by_name) > 1000
    assert set(by_name) == set(ours)
    found = {}
    for name, each in by_name.items():
        problems = _problems(each, "", oracle[name], ours[name])
        if problems and UNDER_TEST.is_ours and not _excused(name, problems):
            told = _told(oracle[name], each, ""), _told(ours[name], each, "")
            rest = [text for text in problems if not _excused(name, [text])]
            if not needed_of(listed(name, ""), *told, rest):
                found[name] = problems
        elif problems and not UNDER_TEST.is_ours:
            found[name] = problems
    report = "\n".join(f"{name}: {'; '.join(what)}" for name, what in found.items())
    assert not found, f"{len(found)} of {len(by_name)} differ:\n{report}"


@pytest.mark.parametrize("mode", ["-B", "+B"])
def test_file_meta_has_the_elements_of_the_oracle(mode: str, tmp_path: Path) -> None:
    objects = normal_mode.generated()[:1]
    options = _profile(tmp_path / "storage.cfg", objects)
    found = []
    for suite in (DCMTK, UNDER_TEST):
        with Receiver(suite, tmp_path / suite.name, *options, mode, tool="dcmrecv") as receiver:
            outcomes = normal_mode.send(receiver, objects)
        file = outcomes[objects[0].name].file
        assert file is not None
        found.append(part10.split(file))
    oracle, ours = found
    named = part10.IMPLEMENTATION | {0x00020000}
    assert [(e.tag, e.vr) for e in ours.meta] == [(e.tag, e.vr) for e in oracle.meta]
    assert [e for e in ours.meta if e.tag not in named] == [
        e for e in oracle.meta if e.tag not in named
    ]
    assert (0x00020016 in {e.tag for e in ours.meta}) == (mode == "+B")
    assert ours.data_set == oracle.data_set

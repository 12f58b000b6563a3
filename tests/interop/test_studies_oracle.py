"""Folders, names, ends of studies and commands of DCMTK's storescp and ours on the same input.

Compared: statuses, names of folders and files with the times masked, log lines, and what the
commands were told. `DIFFERENCES` has what is not the same, with its reason.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import pytest

from tests.interop.log_lines import differing_lines, normal
from tests.support.settling import settle
from tests.support.studies import StudyObject, deliver
from tests.support.tools import DCMTK, UNDER_TEST, Receiver

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.tools import Suite

pytestmark = [pytest.mark.slow, pytest.mark.peer("dcmtk")]


class Pause(NamedTuple):
    """Nothing is sent for so many seconds."""

    seconds: float


Step: TypeAlias = "Sequence[StudyObject] | Pause"
"""The objects of one association, or a pause between two."""

A, B = "1.2.3.1", "1.2.3.2"
A1, A2, A3 = (StudyObject(A, f"1.9.1.{n}") for n in (1, 2, 3))
B1, B2 = (StudyObject(B, f"1.9.2.{n}") for n in (1, 2))
NO_STUDY = StudyObject(None, "1.9.3.1")
EMPTY_STUDY = StudyObject("", "1.9.3.2")
WRONG_UID = StudyObject(A, "1.9.1.4", claimed="1.9.1.5")
INTERLEAVED: tuple[Step, ...] = ((A1, B1, A2, B2),)
TWO_STUDIES: tuple[Step, ...] = ((A1, A2, B1),)
SEVERAL: tuple[Step, ...] = ((A1,), (A2, B1), (A3,), (B2,))
CHANGED = tuple(item._replace(patient=b"Roe^Jane") for item in (A1, A2))
TWICE: tuple[Step, ...] = ((A1, A2), (B1,), CHANGED, (B2,))
PATIENTS: tuple[Step, ...] = tuple(
    (StudyObject(f"1.2.4.{number}", f"1.9.4.{number}", patient, charset),)
    for number, (patient, charset) in enumerate(
        [
            (b"M\xfcller^J\xf6rg", "ISO_IR 100"),
            (b"M\xc3\xbcller", "ISO_IR 192"),
            (b"O'Neil.Jr ^A", "ISO_IR 100"),
            (b"", "ISO_IR 100"),
            (None, "ISO_IR 100"),
            (b"Stra\xdfe", None),
            (b"^^^", "ISO_IR 100"),
        ]
    )
)

TELL = "echo '{} #p #f' #a #c #r '## #x' >> {{hooks}}"
RECEIVED, ENDED = TELL.format("object"), TELL.format("study")


class Case(NamedTuple):
    """Options, in which {hooks} is where commands write, and what is sent."""

    name: str
    options: tuple[str, ...]
    steps: tuple[Step, ...]


CASES = [
    *[
        Case(f"{option[0]} {name}", option, steps)
        for option in (("-ss", "P"), ("-ss", ""), ("-su", "P"), ("-su", ""), ("-sp",))
        for name, steps in (
            ("interleaved", INTERLEAVED),
            ("over several associations", SEVERAL),
            ("twice", TWICE),
        )
    ],
    Case("-sp patients", ("-sp",), PATIENTS),
    Case("-su no study", ("-su", "P"), ((A1, NO_STUDY, EMPTY_STUDY, A2),)),
    Case("-ss no study", ("-ss", "P"), ((NO_STUDY,),)),
    Case("-tn", ("-su", "P", "-tn"), INTERLEAVED),
    Case("-tn -fe", ("-su", "P", "-tn", "-fe", ".dcm"), TWO_STUDIES),
    Case("+uf", ("-su", "P", "+uf"), INTERLEAVED),
    Case("-fe", ("-su", "P", "-fe", ".dcm"), TWO_STUDIES),
    Case("-xcr", ("-xcr", RECEIVED), ((A1, A2),)),
    Case("-xcr -xs", ("-xcr", RECEIVED, "-xs"), ((A1, A2),)),
    Case("-xcr -su", ("-xcr", RECEIVED, "-su", "P"), TWO_STUDIES),
    Case("-xcr +B", ("-xcr", RECEIVED, "+B"), ((A1, A2),)),
    Case("-xcr --ignore", ("-xcr", RECEIVED, "--ignore"), ((A1,),)),
    Case("-xcr --fork", ("-xcr", RECEIVED, "--fork", "-ss", "P"), SEVERAL),
    Case("-xcr --fork -xs", ("-xcr", RECEIVED, "--fork", "-xs"), ((A1, A2),)),
    Case("--fork -su", ("--fork", "-su", "P"), SEVERAL),
    Case("-xcr fails", ("-xcr", "false", "-su", "P"), ((A1, A2),)),
    Case("-xcr is no program", ("-xcr", "/nonexistent/program"), ((A1,),)),
    Case("-xcs", ("-xcs", ENDED, "-su", "P"), TWO_STUDIES),
    Case("-xcs -xs interleaved", ("-xcs", ENDED, "-ss", "P", "-xs"), INTERLEAVED),
    Case("-xcs several", ("-xcs", ENDED, "-su", "P", "-xs"), SEVERAL),
    Case("-rns", ("-rns", "-su", "P"), ((A1, A2, A3, B1),)),
    Case("-rns -ss interleaved", ("-rns", "-ss", "P"), INTERLEAVED),
    Case("-rns -sp", ("-rns", "-sp"), SEVERAL),
    Case("-rns -tn -fe", ("-rns", "-ss", "P", "-tn", "-fe", ".dcm"), ((A1, A2, B1),)),
    Case("-rns +uf", ("-rns", "-ss", "P", "+uf"), ((A1, A2, B1),)),
    Case(
        "-rns -xcr -xcs -xs",
        ("-rns", "-ss", "P", "-xcr", RECEIVED, "-xcs", ENDED, "-xs"),
        ((A1, A2), (B1, A3)),
    ),
    Case("-tos", ("-tos", "1", "-ss", "P"), ((A1,), Pause(1.6), (A2,))),
    Case("-tos -rns", ("-tos", "1", "-su", "P", "-rns"), ((A1, A2), Pause(1.8))),
    Case("-tos -xcs", ("-tos", "1", "-su", "P", "-xcs", ENDED), ((A1, A2), Pause(1.8))),
    Case("-tos --fork", ("-tos", "1", "-ss", "P", "--fork"), ((A1, A2),)),
    Case("-tos 0", ("-tos", "0", "-ss", "P"), ((A1, A2),)),
]


class Outcome(NamedTuple):
    """What one receiver showed."""

    statuses: list[list[int]]
    names: list[str]
    hooks: list[str]
    lines: list[str]


def _serve(suite: Suite, case: Case, folder: Path) -> Outcome:
    hooks = folder.parent / f"{folder.name}.txt"
    hooks.touch()
    options = [option.replace("{hooks}", str(hooks)) for option in case.options]
    options.append("-dhl")  # addresses, and no look-ups
    if suite.is_ours and "-sp" in options:
        options.append("--log-patient-data")  # as the oracle does unasked (docs/privacy.md)
    statuses = []
    with Receiver(suite, folder, "-v", *options) as receiver:
        for step in case.steps:
            if isinstance(step, Pause):
                time.sleep(step.seconds)
            else:
                # In one millisecond the oracle gives two studies one folder.
                statuses.append(deliver(receiver.port, step, pause=0.01))
        settle(receiver.process.pid, lambda: (receiver.log, hooks.stat().st_size), quiet=0.25)
        names = receiver.names
        lines = [line for line in normal(receiver.log.splitlines()) if line]
    place = str(folder)
    told = hooks.read_text().replace(place, "OUT").splitlines()
    # The log comes first: it has the folders in the order in which they were made. The
    # oracle's milliseconds and seconds do not always belong together.
    masks = _Masks()
    masked = [masks(line.replace(place, "OUT")) for line in lines]
    return Outcome(
        statuses,
        sorted(masks(name) for name in names),
        sorted(masks(line) for line in told),
        masked,
    )


class _Masks:
    """Puts words in the place of times and UIDs that differ from run to run."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        text = re.sub(r"\d{8}_\d{9}", self._number, text)
        text = re.sub(r"\d{17}(_\d{4})?(?=\.)", "TIME", text)
        return re.sub(r"\.X\.[\d.]+\d", ".X.UID", text)

    def _number(self, match: re.Match[str]) -> str:
        return self._known.setdefault(match[0], f"STAMP{len(self._known) + 1}")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_receivers_sort_and_tell_alike(case: Case, tmp_path: Path) -> None:
    oracle = _serve(DCMTK, case, tmp_path / "out0")
    ours = _serve(UNDER_TEST, case, tmp_path / "out1")
    assert ours.statuses == oracle.statuses
    assert ours.names == oracle.names
    assert ours.hooks == oracle.hooks
    # Neither waits for the process that finds no program: its line comes when it comes.
    told = sorted if "/nonexistent/program" in case.options else list
    assert differing_lines(told(oracle.lines), told(ours.lines)) == ""


@pytest.mark.parametrize(
    "case",
    [
        Case("-su", ("-su", "P"), TWO_STUDIES),
        Case("-ss -rns -xcs", ("-ss", "P", "-rns", "-xcs", ENDED, "-xs"), ((A1, A2), (B1, A3))),
        Case("-xcr", ("-xcr", RECEIVED, "-xs"), ((A1, A2),)),
        Case("-tos -rns", ("-tos", "1", "-su", "P", "-rns"), ((A1, A2), Pause(1.8))),
    ],
    ids=lambda case: case.name,
)
def test_worker_processes_sort_and_tell_as_the_oracle_does_alone(
    case: Case, tmp_path: Path
) -> None:
    oracle = _serve(DCMTK, case, tmp_path / "out0")
    with_workers = case._replace(options=(*case.options, "--workers", "3"))
    ours = _serve(UNDER_TEST, with_workers, tmp_path / "out1")
    assert (ours.statuses, ours.names, ours.hooks) == (
        oracle.statuses,
        oracle.names,
        oracle.hooks,
    )
    assert differing_lines(oracle.lines, ours.lines) == ""


def test_object_that_is_not_what_its_request_says_is_neither_kept_nor_told(
    tmp_path: Path,
) -> None:
    # The oracle keeps the file of an object it refuses, and runs the command for it.
    case = Case("", ("-su", "P", "-xcr", RECEIVED, "-xs"), ((WRONG_UID,),))
    oracle = _serve(DCMTK, case, tmp_path / "out0")
    ours = _serve(UNDER_TEST, case, tmp_path / "out1")
    assert ours.statuses == oracle.statuses == [[0xA900]]
    assert (oracle.names, ours.names) == (["P_1.2.3.1/CT.1.9.1.5"], [])
    assert (len(oracle.hooks), len(ours.hooks)) == (1, 0)


def test_study_that_comes_twice_keeps_its_first_files(tmp_path: Path) -> None:
    # The oracle begins at 000001 again and overwrites them (dcmtk-facts 0.13).
    case = Case("", ("-su", "P", "-rns"), ((A1, A2), (B1,), (A3,), (B2,)))
    oracle = _serve(DCMTK, case, tmp_path / "out0")
    ours = _serve(UNDER_TEST, case, tmp_path / "out1")
    of_a = "P_1.2.3.1/CT00000"
    assert [name for name in oracle.names if name.startswith(of_a)] == [f"{of_a}1", f"{of_a}2"]
    assert [name for name in ours.names if name.startswith(of_a)] == [
        f"{of_a}1",
        f"{of_a}2",
        f"{of_a}3",
    ]


def test_what_a_shell_could_take_for_something_else_is_told_cut(tmp_path: Path) -> None:
    # 3.6.7 cuts nothing: a called title with a command in it was run (dcmtk-facts 3.11).
    hooks = tmp_path / "hooks.txt"
    with Receiver(UNDER_TEST, tmp_path / "out", "-xcr", f"echo #a #c >> {hooks}", "-xs") as ours:
        deliver(ours.port, (A1,), calling='"; touch x"', called="$(id)`id`\\")
        assert hooks.read_text() == "__ touch x_ __id__id__\n"
        assert 'calling aetitle, converted from ""; touch x"" to "__ touch x_"' in ours.log

"""Clients of DCMTK ask DCMTK's dcmqrscp and ours, with one configuration file and the same images.

Compared are statuses, the data sets of responses, and the files that come.
"""

from __future__ import annotations

import contextlib
import re
import sys
from typing import TYPE_CHECKING

import pytest
from pydicom import dcmread
from pydicom.dataelem import DataElement

from isocenter.testing import ct_image
from tests import peers
from tests.support import part10
from tests.support.archives import samples
from tests.support.ports import free_port, wait_until_listening
from tests.support.processes import Process
from tests.support.tools import DCMTK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.processes import Completed

pytestmark = [
    pytest.mark.interop,
    pytest.mark.peer("dcmtk"),
    pytest.mark.slow,
    pytest.mark.timeout(180),
]

WAIT = 60.0
CONFIGURATION = """\
NetworkTCPPort = {port}
MaxPDUSize = 16384
MaxAssociations = 16
HostTable BEGIN
mover = (MOVER, localhost, {mover})
silent = (SILENT, localhost, {silent})
HostTable END
VendorTable BEGIN
"Mover" = mover
VendorTable END
AETable BEGIN
ARCHIVE {area} RW (200, 1024mb) ANY
READONLY {area} R (200, 1024mb) ANY
CLOSED {area} RW (200, 1024mb) mover
AETable END
"""


class Archive:
    """A running archive.

    Attributes:
        port: where it listens.
        mover: the port of the destination MOVER.
    """

    def __init__(self, port: int, mover: int) -> None:
        self.port = port
        self.mover = mover

    def ask(self, tool: str, folder: Path, *words: str, called: str = "ARCHIVE") -> Completed:
        """Run a client of DCMTK in a folder of its own."""
        folder.mkdir(parents=True, exist_ok=True)
        argv = ["-aec", called, *words]
        here = argv.index("--") if "--" in argv else len(argv)
        argv[here : here + 1] = ["127.0.0.1", str(self.port)]
        return DCMTK.run(tool, *argv, timeout=WAIT, cwd=folder)


@contextlib.contextmanager
def running(program: list[str], folder: Path, files: list[Path]) -> Iterator[Archive]:
    """Run an archive that has these files."""
    area = folder / "area"
    area.mkdir(parents=True)
    for _ in range(3):
        port, mover, silent = free_port(), free_port(), free_port()
        text = CONFIGURATION.format(port=port, mover=mover, silent=silent, area=area)
        (folder / "dcmqrscp.cfg").write_text(text)
        with Process([*program, "-c", str(folder / "dcmqrscp.cfg")]) as process:
            if not wait_until_listening(port, process, timeout=30):
                continue
            archive = Archive(port, mover)
            sent = archive.ask("storescu", folder / "sent", "--", *map(str, files))
            assert sent.code == 0, sent.stderr
            yield archive
            return
    raise RuntimeError("the archive does not start")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Archive, Archive]]:
    """Run DCMTK's archive and ours, each with the same images."""
    theirs = peers.find("dcmtk", "dcmqrscp")
    assert theirs is not None
    folder = tmp_path_factory.mktemp("archives")
    with (
        running([theirs], folder / "theirs", samples()) as one,
        running(
            [sys.executable, "-m", "isocenter", "dcmqrscp"], folder / "ours", samples()
        ) as other,
    ):
        yield one, other


# --- C-FIND ---------------------------------------------------------------------------------


class Found:
    """What findscu -v -X tells: the final status, and the data sets in a fixed order."""

    def __init__(self, done: Completed, folder: Path) -> None:
        self.code = done.code
        self.final = [line for line in done.lines if "Final Find Response" in line]
        self.pending = sorted(set(re.findall(r"Received Find Response \d+ \((.*)\)", done.stderr)))
        self.matches = sorted(
            [(str(element.tag), element.VR, str(element.value)) for element in dcmread(path)]
            for path in folder.glob("*.dcm")
        )


def find(archive: Archive, folder: Path, *words: str) -> Found:
    done = archive.ask("findscu", folder, "-v", "-X", *words)
    return Found(done, folder)


STUDY = ("-S", "-k", "8,52=STUDY", "-k", "20,d", "-k", "10,10", "-k", "10,20")
PATIENT = ("-P", "-k", "8,52=PATIENT", "-k", "10,20", "-k", "10,10")
ALL = ("-k", "8,20", "-k", "8,30", "-k", "8,50", "-k", "20,10", "-k", "8,1030", "-k", "8,90")
QUERIES = {
    "studies": (*STUDY, *ALL),
    "studies in implicit VR": ("-xi", *STUDY, *ALL),
    "studies in big endian": ("-xb", *STUDY, *ALL),
    "patients": PATIENT,
    "patients with more": (*PATIENT, "-k", "10,30", "-k", "10,40"),
    "patients and studies": ("-O", "-k", "8,52=PATIENT", "-k", "10,20", "-k", "10,10"),
    "a name": (*STUDY, "-k", "10,10=CompressedSamples^CT1"),
    "names that begin so": (*STUDY, "-k", "10,10=Compressed*"),
    "names with a letter": (*STUDY, "-k", "10,10=*a*"),
    "names with one more letter": (*STUDY, "-k", "10,10=CompressedSamples^CT?"),
    "nobody": (*STUDY, "-k", "10,10=NOBODY"),
    "a patient id": (*STUDY, "-k", "10,20=1CT1"),
    "a date": (*STUDY, "-k", "8,20=20040119"),
    "dates": (*STUDY, "-k", "8,20=20000101-20041231"),
    "dates from": (*STUDY, "-k", "8,20=20040101-"),
    "dates until": (*STUDY, "-k", "8,20=-20040101"),
    "times": (*STUDY, "-k", "8,20", "-k", "8,30=000000-120000"),
    "an empty accession number": (*STUDY, "-k", "8,50="),
    "no level": ("-S", "-k", "20,d", "-k", "10,10"),
    "an unknown level": ("-S", "-k", "8,52=WORKLIST", "-k", "20,d"),
    "patients in study root": ("-S", "-k", "8,52=PATIENT", "-k", "10,20"),
}


@pytest.mark.parametrize("name", QUERIES)
def test_findscu_gets_the_same_answers(
    both: tuple[Archive, Archive], tmp_path: Path, name: str
) -> None:
    theirs, ours = (
        find(archive, tmp_path / side, *QUERIES[name])
        for archive, side in zip(both, ("theirs", "ours"), strict=True)
    )
    assert ours.final == theirs.final
    assert ours.matches == theirs.matches
    assert (ours.pending, ours.code) == (theirs.pending, theirs.code)


def test_level_that_the_model_has_not_is_refused(
    both: tuple[Archive, Archive], tmp_path: Path
) -> None:
    """DCMTK's archive answers that there is nothing."""
    words = ("-O", "-k", "8,52=SERIES", "-k", "10,20=1CT1", "-k", "20,d=1.2")
    theirs, ours = (
        find(archive, tmp_path / side, *words)
        for archive, side in zip(both, ("theirs", "ours"), strict=True)
    )
    assert theirs.final == ["I: Received Final Find Response (Success)"]
    assert ours.final != theirs.final
    assert ours.matches == theirs.matches == []


def _uids(files: list[Path]) -> list[tuple[str, str, str]]:
    found = []
    for path in files:
        image = dcmread(path, stop_before_pixels=True)
        found.append((image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPInstanceUID))
    return found


@pytest.mark.parametrize("level", ["SERIES", "IMAGE"])
def test_findscu_gets_the_same_answers_below_the_study(
    both: tuple[Archive, Archive], tmp_path: Path, level: str
) -> None:
    for number, (study, series, _) in enumerate(_uids(samples(4))):
        words = ["-S", "-k", f"8,52={level}", "-k", f"20,d={study}", "-k", "20,e", "-k", "20,11"]
        if level == "IMAGE":
            words[6] = f"20,e={series}"
            words += ["-k", "8,18", "-k", "20,13"]
        theirs, ours = (
            find(archive, tmp_path / f"{side}{number}", *words)
            for archive, side in zip(both, ("theirs", "ours"), strict=True)
        )
        assert len(theirs.matches) > 0
        assert (ours.final, ours.matches) == (theirs.final, theirs.matches)


# --- character sets -------------------------------------------------------------------------

NAMES: tuple[tuple[list[str], bytes, str], ...] = (
    (["ISO_IR 100"], "Müller^Jörg".encode("latin-1"), "Müller^Jörg"),
    (["ISO_IR 192"], "Żółć^Ж".encode(), "Żółć^Ж"),
    (
        ["", "ISO 2022 IR 87"],
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B",
        "Yamada^Tarou=山田^太郎",
    ),
    ([], b"PLAIN^NAME", "PLAIN^NAME"),
    (["ISO_IR 144"], "Ж^И".encode("iso8859-5"), "Ж^И"),
)


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Archive, Archive]]:
    """Run both archives with images of patients whose names are in several character sets."""
    folder = tmp_path_factory.mktemp("names")
    files = []
    for number, (character_sets, name, _) in enumerate(NAMES, 1):
        image = ct_image(sop_instance_uid=f"2.25.{number}1", rows=4, columns=4)
        path = image.write(folder / f"{number}.dcm")
        made = dcmread(path)
        made.pop("SpecificCharacterSet", None)
        if character_sets:
            made.SpecificCharacterSet = character_sets
        made[0x00100010] = DataElement(0x00100010, "PN", name)
        made.PatientID = str(number)
        made.StudyInstanceUID = f"2.25.{number}00"
        made.SeriesInstanceUID = f"2.25.{number}01"
        made.save_as(path)
        files.append(path)
    theirs = peers.find("dcmtk", "dcmqrscp")
    assert theirs is not None
    with (
        running([theirs], folder / "theirs", files) as one,
        running([sys.executable, "-m", "isocenter", "dcmqrscp"], folder / "ours", files) as other,
    ):
        yield one, other


ASKED = {
    "no character set": (),
    "an empty one": ("-k", "8,5"),
    "Latin-1": ("-k", "8,5=ISO_IR 100"),
    "UTF-8": ("-k", "8,5=ISO_IR 192"),
    "Cyrillic": ("-k", "8,5=ISO_IR 144"),
    "a name in UTF-8": ("-k", "8,5=ISO_IR 192", "-k", "10,10=Żó*"),
    "a name in Latin-1": ("-k", "8,5=ISO_IR 100", "-k", "10,10=M\udcfcller*"),
    "a name with one wildcard for a letter": ("-k", "8,5=ISO_IR 192", "-k", "10,10=PLAI?^NAME"),
}


@pytest.mark.parametrize("name", ASKED)
def test_names_are_answered_alike_in_each_character_set(
    named: tuple[Archive, Archive], tmp_path: Path, name: str
) -> None:
    words = ("-S", "-k", "8,52=STUDY", "-k", "10,20", *ASKED[name], "-X")
    if "10,10" not in str(words):
        words = (*words, "-k", "10,10")
    found = []
    for archive, side in zip(named, ("theirs", "ours"), strict=True):
        done = archive.ask("findscu", tmp_path / side, *words)
        assert (done.code, done.stderr) == (0, "")
        matches = [dcmread(path) for path in (tmp_path / side).iterdir()]
        found.append({str(match.PatientID): match for match in matches})
    theirs, ours = found
    assert sorted(ours) == sorted(theirs)
    wanted = {str(number): text for number, (_, _, text) in enumerate(NAMES, 1)}
    for key, match in ours.items():
        assert str(match.PatientName) == wanted[key]
        # What the character set of the request has not, theirs answers as it was stored, and ours
        # in UTF-8.
        character_set = str(match.get("SpecificCharacterSet"))
        their_own = str(theirs[key].get("SpecificCharacterSet"))
        assert character_set in {their_own, "ISO_IR 192"}
        if character_set == their_own:
            assert match.PatientName.original_string == theirs[key].PatientName.original_string


# --- C-MOVE, C-GET --------------------------------------------------------------------------


def retrieved(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("tool", ["getscu", "movescu"])
@pytest.mark.parametrize("level", ["STUDY", "SERIES", "IMAGE"])
def test_the_same_files_are_retrieved(
    both: tuple[Archive, Archive], tmp_path: Path, tool: str, level: str
) -> None:
    study, series, instance = _uids(samples(1))[0]
    words = ["-S", "-k", f"8,52={level}", "-k", f"20,d={study}"]
    words += ["-k", f"20,e={series}"] if level != "STUDY" else []
    words += ["-k", f"8,18={instance}"] if level == "IMAGE" else []
    found = []
    for archive, side in zip(both, ("theirs", "ours"), strict=True):
        more = ["-aet", "MOVER", "+P", str(archive.mover)] if tool == "movescu" else []
        done = archive.ask(tool, tmp_path / side, *more, *words)
        assert (done.code, done.stderr) == (0, "")
        found.append(retrieved(tmp_path / side))
    theirs, ours = found
    assert list(ours) == list(theirs) != []
    for name, path in theirs.items():
        # Both converted nothing: each file is what was stored.
        assert part10.read(ours[name]).data_set == part10.read(path).data_set


def test_unknown_destination_is_refused_alike(
    both: tuple[Archive, Archive], tmp_path: Path
) -> None:
    study = _uids(samples(1))[0][0]
    words = ("-aem", "UNKNOWN", "-S", "-k", "8,52=STUDY", "-k", f"20,d={study}")
    theirs, ours = (archive.ask("movescu", tmp_path, *words) for archive in both)
    assert (ours.code, ours.stderr) == (theirs.code, theirs.stderr)
    assert ours.code == 69


def test_destination_where_nobody_listens_fails_alike(
    both: tuple[Archive, Archive], tmp_path: Path
) -> None:
    study = _uids(samples(1))[0][0]
    words = ("-aem", "SILENT", "-S", "-k", "8,52=STUDY", "-k", f"20,d={study}")
    theirs, ours = (archive.ask("movescu", tmp_path, *words) for archive in both)
    assert (ours.code, ours.stderr) == (theirs.code, theirs.stderr)
    assert ours.code == 69


MOVES = {
    "nothing that is there": ("-aem", "MOVER", "-S", "-k", "8,52=STUDY", "-k", "20,d=9.9.9"),
    "no level": ("-aem", "MOVER", "-S", "-k", "20,d=1.2"),
}


@pytest.mark.parametrize("name", MOVES)
def test_moves_that_bring_nothing_end_alike(
    both: tuple[Archive, Archive], tmp_path: Path, name: str
) -> None:
    theirs, ours = (archive.ask("movescu", tmp_path, *MOVES[name]) for archive in both)
    assert (ours.code, ours.stderr) == (theirs.code, theirs.stderr)


# --- who may do what ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "called", "words"),
    [
        ("echoscu", "ARCHIVE", ()),
        ("echoscu", "NOBODY", ()),
        ("echoscu", "CLOSED", ()),
        ("findscu", "READONLY", ("-S", "-k", "8,52=STUDY", "-k", "20,d")),
        ("findscu", "CLOSED", ("-S", "-k", "8,52=STUDY", "-k", "20,d")),
        ("findscu", "ARCHIVE", ("-W", "-k", "10,10")),
    ],
)
def test_titles_and_models_are_accepted_alike(
    both: tuple[Archive, Archive], tmp_path: Path, tool: str, called: str, words: tuple[str, ...]
) -> None:
    quiet = () if tool == "echoscu" else ("-sr",)
    theirs, ours = (archive.ask(tool, tmp_path, *quiet, *words, called=called) for archive in both)
    # Theirs takes the called title for the reason whatever it was; ours says which one.
    told = [[line for line in done.lines if "Reason: " not in line] for done in (theirs, ours)]
    assert (ours.code, told[1]) == (theirs.code, told[0])


def test_nothing_is_stored_where_it_may_only_be_read(
    both: tuple[Archive, Archive], tmp_path: Path
) -> None:
    path = str(samples(1)[0])
    theirs, ours = (
        archive.ask("storescu", tmp_path, "--", path, called="READONLY") for archive in both
    )
    assert (ours.code, ours.stderr) == (theirs.code, theirs.stderr)
    assert ours.code != 0

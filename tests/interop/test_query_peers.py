"""Queries between isocenter and other implementations, in both directions.

gdcmscu is not among them: with --find that of GDCM 3.0.21 ends by an exception of its own, whomever
it asks.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from typing import TYPE_CHECKING

import pytest
from pydicom import dcmread

from isocenter.cli.keys import apply_keys
from isocenter.dataset.tree import Node
from isocenter.services.providers import FindMatch
from tests.interop.partners import NODE_MODULES, PROGRAMS, _orthanc, program
from tests.support.archives import ARCHIVE, dcmqrscp, samples
from tests.support.ports import free_port, wait_until_listening
from tests.support.processes import Process, run
from tests.support.queries import matches, querying
from tests.support.tools import OURS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from isocenter.services.providers import FindRequest
    from tests.interop.partners import Orthanc

pytestmark = [pytest.mark.interop, pytest.mark.slow, pytest.mark.timeout(120)]

WAIT = 60.0
KEYS = ("-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID", "-k", "PatientName")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Copies of samples, in a folder of their own."""
    folder = tmp_path_factory.mktemp("files")
    copies = []
    for number, path in enumerate(samples()):
        copies.append(folder / f"{number:02}.dcm")
        shutil.copy(path, copies[-1])
    return copies


def studies(files: list[Path]) -> set[str]:
    return {str(dcmread(path, stop_before_pixels=True).StudyInstanceUID) for path in files}


def found(port: int, title: str, *words: str) -> list[dict[str, dict[str, list[object]]]]:
    """Ask with our findscu; return its lines of JSON, read."""
    done = OURS.run(
        "findscu", "--json", "-aec", title, *words, "127.0.0.1", str(port), timeout=WAIT
    )
    assert (done.code, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def values(models: list[dict[str, dict[str, list[object]]]], tag: str) -> set[object]:
    return {value for model in models for value in model[tag].get("Value", [])}


# --- our findscu ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory, files: list[Path]) -> Iterator[Orthanc]:
    with _orthanc(tmp_path_factory.mktemp("orthanc") / "it") as server:
        asking = {"AET": "FINDSCU", "Host": "127.0.0.1", "Port": 1, "AllowFind": True}
        server.ask("/modalities/findscu", method="PUT", body=asking)
        for path in files:
            server.ask("/instances", method="POST", body=path.read_bytes())
        yield server


@pytest.mark.peer("orthanc")
@pytest.mark.parametrize("syntax", ["-xe", "-xi", "-xb", "-xd"])
def test_orthanc_tells_the_studies_that_it_has(
    orthanc: Orthanc, files: list[Path], syntax: str
) -> None:
    models = found(orthanc.port, "ORTHANC", "-S", syntax, *KEYS)
    assert values(models, "0020000D") == studies(files)


@pytest.mark.peer("orthanc")
def test_orthanc_finds_one_study_by_its_uid(orthanc: Orthanc, files: list[Path]) -> None:
    one = min(studies(files))
    models = found(orthanc.port, "ORTHANC", "-S", *KEYS, "-k", f"StudyInstanceUID={one}")
    assert values(models, "0020000D") == {one}


@pytest.mark.peer("dcmtk")
def test_dcmqrscp_tells_the_studies_that_it_has(tmp_path: Path, files: list[Path]) -> None:
    with dcmqrscp(tmp_path / "archive", files) as port:
        models = found(port, ARCHIVE, "-S", *KEYS)
    assert values(models, "0020000D") == studies(files)


@contextlib.contextmanager
def pynetdicom(folder: Path) -> Iterator[int]:
    port = free_port()
    argv = [program("pynetdicom", "python"), PROGRAMS / "pynetdicom_find.py", str(port), folder]
    with Process([str(word) for word in argv]) as process:
        assert wait_until_listening(port, process, timeout=30), process.stderr
        yield port


@pytest.mark.peer("pynetdicom")
def test_pynetdicom_tells_the_studies_that_it_has(files: list[Path]) -> None:
    with pynetdicom(files[0].parent) as port:
        models = found(port, "PYNETDICOM", "-S", *KEYS)
        done = OURS.run("findscu", "-S", *KEYS, "127.0.0.1", str(port), timeout=WAIT)
    assert values(models, "0020000D") == studies(files)
    assert len(models) == len(files)
    assert done.stderr.count("(Pending: WarningUnsupportedOptionalKeys)") == len(files) // 2


@pytest.mark.peer("pynetdicom")
def test_pynetdicom_stops_where_it_is_cancelled(files: list[Path]) -> None:
    words = ("-v", "-sr", "--cancel", "3", "-S", *KEYS, "-k", "PatientName=ENDLESS")
    with pynetdicom(files[0].parent) as port:
        done = OURS.run("findscu", *words, "127.0.0.1", str(port), timeout=WAIT)
    assert done.code == 0
    assert done.lines[-2:] == [
        "I: Received Final Find Response (Cancel: MatchingTerminatedDueToCancelRequest)",
        "I: Releasing Association",
    ]


# --- our acceptor ---------------------------------------------------------------------------


def answer(*keys: str) -> Node:
    root = Node()
    apply_keys(root, keys)
    return root


NAMES = ("Doe^J", "Roe^R", "Poe^E")
THREE = matches(
    *(
        answer("8,52=STUDY", f"PatientName={name}", f"20,d=1.2.{number}", f"PatientID={number}")
        for number, name in enumerate(NAMES)
    )
)


@pytest.mark.peer("pynetdicom")
@pytest.mark.parametrize("model", ["-P", "-S", "-O", "-W"])
def test_findscu_of_pynetdicom_is_answered(tmp_path: Path, model: str) -> None:
    tool = program("pynetdicom", "findscu")
    with querying(THREE) as node:
        words = [model, "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName=", "-w"]
        argv = [tool, "127.0.0.1", str(node.port), *words]
        done = run(argv, cwd=tmp_path, timeout=WAIT)
    assert done.code == 0, done.stderr
    written = [str(dcmread(path, force=True).PatientName) for path in sorted(tmp_path.iterdir())]
    assert written == [*NAMES]
    assert node.identifiers()[0].text(0x00080052) == "STUDY"


@pytest.mark.peer("dcmjs-dimse")
def test_dcmjs_dimse_is_answered() -> None:
    node_js = program("dcmjs-dimse", "node")
    with querying(THREE) as node:
        script = PROGRAMS / "dcmjs_find.cjs"
        done = run([node_js, script, NODE_MODULES, str(node.port), "ANY-SCP"], timeout=WAIT)
    assert (done.code, done.stderr) == (0, "")
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [match["StudyInstanceUID"] for match in found] == ["1.2.0", "1.2.1", "1.2.2"]
    assert "Roe^R" in json.dumps(found[1]["PatientName"])
    assert node.identifiers()[0].text(0x00100010) == "*"


@pytest.mark.peer("dcmtk")
@pytest.mark.parametrize("syntax", ["-x=", "-xb", "-xd", "-xi"])
def test_findscu_of_dcmtk_is_answered_in_each_transfer_syntax(tmp_path: Path, syntax: str) -> None:
    with querying(THREE) as node:
        words = ["-X", syntax, "-S", *KEYS, "127.0.0.1", str(node.port)]
        done = run([program("dcmtk", "findscu"), *words], cwd=tmp_path, timeout=WAIT)
    assert (done.code, done.stderr) == (0, "")
    written = [str(dcmread(path).PatientName) for path in sorted(tmp_path.iterdir())]
    assert written == [*NAMES]


def endless(request: FindRequest) -> Iterator[FindMatch | None]:
    while True:
        yield FindMatch(request.identifier)


@pytest.mark.peer("dcmtk")
def test_cancel_of_dcmtk_ends_a_query_that_would_not_end(tmp_path: Path) -> None:
    with querying(endless) as node:
        words = ["-v", "-sr", "--cancel", "2", "-S", *KEYS, "127.0.0.1", str(node.port)]
        done = run([program("dcmtk", "findscu"), *words], cwd=tmp_path, timeout=WAIT)
    assert done.code == 0
    assert "Cancel: MatchingTerminatedDueToCancelRequest" in done.stderr

"""storescp: what its options change about the folders of studies, and what happens at their end.

tests/options.toml names these tests; each runs again without its option and has to fail then.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.cli.effects.receiving import serve
from tests.support.studies import StudyObject, associated, deliver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow

FIRST, SECOND, OTHER = (
    StudyObject("1.2.1", "1.9.1"),
    StudyObject("1.2.1", "1.9.2"),
    StudyObject("1.2.2", "1.9.3"),
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Receive into `out`; commands write beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    return tmp_path


def sending(*objects: StudyObject) -> Callable[[int], None]:
    """Return a script that delivers objects over one association."""

    def send(port: int) -> None:
        assert deliver(port, objects) == [0] * len(objects)

    return send


def appears(path: Path, text: str = "", *, within: float) -> bool:
    """Tell whether a file is there, with that text, before so many seconds are over."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if path.exists() and path.read_text() == text:
            return True
        time.sleep(0.005)
    return False


def names(folder: Path) -> list[str]:
    out = folder / "out"
    return sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())


# --- folders --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        pytest.param(("--sort-conc-studies", "P"), r"P_\d{8}_\d{9}", id="--sort-conc-studies"),
        pytest.param(("--sort-on-study-uid", "P"), r"P_1\.2\.1", id="--sort-on-study-uid"),
        pytest.param(
            ("--sort-on-patientname",), r"Doe_Jane_\d{8}_\d{9}", id="--sort-on-patientname"
        ),
    ],
)
def test_studies_get_folders(options: tuple[str, ...], pattern: str, folder: Path) -> None:
    assert serve(sending(FIRST, SECOND), "-od", "out", *options) == 0
    found = {name.rpartition("/")[0] for name in names(folder)}
    assert len(found) == 1
    assert re.fullmatch(pattern, found.pop())


# --- events ---------------------------------------------------------------------------------


def test_exec_on_reception_tells_of_each_object(folder: Path) -> None:
    command = "echo '#p #f' >> told"
    assert serve(sending(FIRST), "-od", "out", "--exec-on-reception", command) == 0
    assert appears(folder / "told", "out CT.1.9.1\n", within=2)


def test_exec_on_eostudy_tells_of_each_study(folder: Path) -> None:
    command = "echo '#p' >> told"
    options = ("-su", "P", "--exec-on-eostudy", command)
    assert serve(sending(FIRST, SECOND), "-od", "out", *options) == 0
    assert appears(folder / "told", "out/P_1.2.1\n", within=2)


def test_rename_on_eostudy_numbers_the_files(folder: Path) -> None:
    assert serve(sending(FIRST, SECOND), "-od", "out", "-su", "P", "--rename-on-eostudy") == 0
    assert names(folder) == ["P_1.2.1/CT000001", "P_1.2.1/CT000002"]


def test_eostudy_timeout_ends_a_study(folder: Path) -> None:
    def send_and_wait(port: int) -> None:
        sending(FIRST)(port)
        deadline = time.monotonic() + 2.5
        while names(folder) != ["P_1.2.1/CT000001"]:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    options = ("-su", "P", "-rns", "--eostudy-timeout", "1")
    assert serve(send_and_wait, "-od", "out", *options) == 0


def test_exec_sync_waits_for_each_command(folder: Path) -> None:
    """The second object is not answered before the command of the first has ended."""
    ended = []

    def send(port: int) -> None:
        with associated(port) as requestor:
            FIRST.send(requestor)
            OTHER.send(requestor)
            ended.append((folder / "ended").exists())

    options = ("--exec-on-reception", "sleep 0.3; touch ended", "--exec-sync")
    assert serve(send, "-od", "out", *options) == 0
    assert ended == [True]


def test_exec_argv_needs_no_shell(folder: Path) -> None:
    options = ("--exec-on-reception", "touch told;#f", "--exec-argv")
    assert serve(sending(FIRST), "-od", "out", *options) == 0
    assert appears(folder / "told;CT.1.9.1", within=2)

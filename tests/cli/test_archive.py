"""isocenter archive: a folder and a few words in the place of a configuration file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter import uids
from isocenter.cli import archive
from isocenter.errors import AssociationRejected
from tests.cli.effects import receiving
from tests.cli.effects.receiving import serve, small_image, store
from tests.support.nodes import associated, find, move

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

STUDY = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": ""}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have the archive run where storescp would, from a folder that is not there yet."""

    def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
        *options, port = argv
        return archive.main([*options, "area", port], env)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(receiving, "main", main)
    monkeypatch.setattr(receiving, "ALWAYS", ("-s", "--no-durable"))
    return tmp_path


def is_rejected(port: int, called: str) -> bool:
    """Tell whether a title is refused."""
    try:
        with associated(port, uids.VERIFICATION, called=called):
            return False
    except AssociationRejected:
        return True


def test_folder_is_made_and_what_is_sent_is_found_under_any_title(folder: Path) -> None:
    found: list[tuple[int, str]] = []

    def script(port: int) -> None:
        assert store(port, small_image()) == [0]
        answer = find(port, STUDY, called="WHATEVER")
        found.append((len(answer.matches), answer.matches[0].RetrieveAETitle))

    assert serve(script) == 0
    assert found == [(1, "WHATEVER")]
    assert len(list((folder / "area").rglob("*.dcm"))) == 1


def test_title_keeps_out_who_calls_another() -> None:
    refused: list[bool] = []

    def script(port: int) -> None:
        refused.extend(is_rejected(port, called) for called in ("OURS", "ALSO", "OTHER"))

    assert serve(script, "--aetitle", "OURS", "--aetitle", "ALSO") == 0
    assert refused == [False, False, True]


def test_peer_is_a_destination() -> None:
    statuses: list[int] = []
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.3"}

    def script(port: int) -> None:
        statuses.extend(move(port, title, keys).status for title in ("THERE", "ELSEWHERE"))

    assert serve(script, "--peer", "THERE,127.0.0.1,1") == 0
    assert statuses == [0, 0xA801]


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--peer", "THERE", "--peer THERE: expected AETITLE,HOST,PORT"),
        ("--peer", "THERE,,104", "--peer THERE,,104: expected AETITLE,HOST,PORT"),
        ("--peer", "A,b,x", "--peer A,b,x: x is no TCP port; expected AETITLE,HOST,PORT"),
        ("--peer", "A,b,0", "--peer A,b,0: 0 is no TCP port; expected AETITLE,HOST,PORT"),
        ("--peer", "A,b,70000", "--peer A,b,70000: 70000 is no TCP port; expected AETITLE,HOST"),
        ("--peer", "A" * 17 + ",b,1", "peer's AE title"),
        ("--aetitle", "A" * 17, "--aetitle: own AE title"),
        ("--aetitle", "A\\B", "--aetitle: own AE title"),
    ],
)
def test_words_that_mean_nothing_are_told(
    option: str, value: str, told: str, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    assert archive.main(["area", "11112", option, value], {}) == 10
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("F: ")
    assert told in line
    assert not (folder / "area").exists()


def test_folder_that_cannot_be_made_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "file").write_text("")
    assert archive.main(["file/area", "11112"], {}) == 10
    assert capsys.readouterr().err == "F: cannot make file/area: Not a directory\n"


def test_help_says_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert archive.main(["--help"], {}) == 0
    assert "usage: isocenter archive [options] directory [port]" in capsys.readouterr().out

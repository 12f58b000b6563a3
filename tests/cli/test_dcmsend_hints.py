"""dcmsend at the default level: which files were not sent, and what a user may try."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter.cli.dcmsend import main
from isocenter.testing import ScriptedAcceptor, ct_image
from isocenter.testing.datasets import EXPLICIT_LITTLE
from isocenter.testing.peer import accept, serve_storage
from tests.support.compressed import write_compressed
from tests.support.directories import write_dicomdir

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import RawConnection

pytestmark = pytest.mark.slow

JPEG = "1.2.840.10008.1.2.4.50"


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a.dcm and b.dcm, lossy.dcm, a DICOMDIR, a data set alone, and a text."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        image = ct_image(rows=4, columns=4, sop_instance_uid=f"2.25.{ord(name)}")
        image.write(tmp_path / f"{name}.dcm")
    (tmp_path / "bare").write_bytes(ct_image(rows=4, columns=4).data_set)
    (tmp_path / "text").write_text("No DICOM file.")
    write_compressed(tmp_path / "lossy.dcm", JPEG)
    write_dicomdir(tmp_path / "DICOMDIR", ("a.dcm", "2.25.97"))
    return tmp_path


def said(
    capsys: pytest.CaptureFixture[str], *arguments: str, takes: str = EXPLICIT_LITTLE
) -> tuple[int, list[str]]:
    """Send to a peer that takes one transfer syntax; return the code and what was said."""

    def serve(connection: RawConnection) -> None:
        def choose(_: int, syntaxes: tuple[str, ...]) -> tuple[int, str]:
            return (0, takes) if takes in syntaxes else (4, "")

        accept(connection, choose=choose)
        for _ in serve_storage(connection):
            pass

    with ScriptedAcceptor(serve) as acceptor:
        code = main([*arguments[:-1], "127.0.0.1", str(acceptor.port), *arguments[-1].split()], {})
    return code, capsys.readouterr().err.splitlines()


LOSSY_HINT = (
    "JPEGBaseline was not accepted: --decompress-lossy (+dly) offers it uncompressed, too "
    "(what is lost is lost already)."
)


def test_each_file_that_finds_no_context_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = said(capsys, "-nh", "a.dcm lossy.dcm b.dcm")
    assert code == 62
    assert lines[1:3] == [
        "E: SOP instance was not sent, file: lossy.dcm",
        "E: 2 of 3 SOP instances were confirmed, 1 not sent",
    ]
    assert lines[3].endswith(LOSSY_HINT)
    assert len(lines) == 4


def test_the_first_is_the_end_and_the_rest_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = said(capsys, "a.dcm lossy.dcm b.dcm")
    assert code == 62
    assert "E: SOP instance was not sent, file: lossy.dcm" in lines
    assert lines[-2] == "E: 1 of 3 SOP instances were confirmed, 2 not sent"
    assert lines[-1].startswith("W: hint: ")


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("lossy.dcm", "E: SOP instance was not sent, file: lossy.dcm"),
        ("lossy.dcm lossy.dcm", "E: SOP instances were not sent, file: lossy.dcm and 1 more"),
    ],
)
def test_files_of_an_association_without_contexts_are_told(
    given: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines = said(capsys, given)
    assert code == 62
    assert line in lines
    assert lines[-1].endswith(LOSSY_HINT)


def test_whoever_has_it_explained_gets_no_hint(capsys: pytest.CaptureFixture[str]) -> None:
    _, lines = said(capsys, "--explain", "-nh", "a.dcm lossy.dcm")
    assert not any("hint" in line for line in lines)
    assert any("+dly" in line for line in lines)


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("a.dcm text", "nothing was sent; -nh leaves out files that are no good"),
        ("absent a.dcm", "nothing was sent; -nh leaves out files that are no good"),
        ("DICOMDIR", "that is a DICOMDIR; +rd sends the files that it refers to"),
        ("bare", "that is a data set without File Meta Information; +f takes those, too"),
    ],
)
def test_a_file_that_ends_the_run_comes_with_what_would_help(
    given: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["127.0.0.1", "1", *given.split()], {}) == 22
    assert capsys.readouterr().err.splitlines()[-1] == f"W: hint: {hint}"


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("disc", "+sd takes the files of a directory, +sd +r also those below it"),
        ("+rd disc", "give the file itself, disc/DICOMDIR"),
        ("+rd empty", "+sd takes the files of a directory, +sd +r also those below it"),
        ("+sd empty", None),
    ],
)
def test_a_folder_that_is_not_looked_into(
    files: Path, given: str, hint: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "disc").mkdir()
    (files / "DICOMDIR").rename(files / "disc" / "DICOMDIR")
    (files / "empty").mkdir()
    assert main(["127.0.0.1", "1", *given.split()], {}) == 21
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if "hint" in line] == ([f"W: hint: {hint}"] if hint else [])


def test_what_was_advised_helps(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ("-nh", "a.dcm text"),
        ("+rd", "DICOMDIR"),
        ("+f", "bare"),
        ("+dly", "lossy.dcm"),
    ):
        code, lines = said(capsys, *words)
        assert code == (62 if "text" in words[1] else 0)
        assert not any("hint" in line for line in lines)


def test_a_peer_that_takes_no_such_class_is_no_matter_of_decompression(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, lines = said(capsys, "a.dcm", takes="1.2.3")
    assert lines[-1].endswith("all uncompressed ones were offered: the peer has to be set up for "
                              "the SOP class.")  # fmt: skip

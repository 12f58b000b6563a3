"""isocenter index: what it says of an area and does with one, and its exit code."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isocenter.archive.recovery import OpenArea
from isocenter.cli import index
from tests.archive.areas import area_in, data_set, indexed, local, objects_on_disk
from tests.archive.test_takeover import write

if TYPE_CHECKING:
    from isocenter.archive.area import Area


@pytest.fixture
def area(tmp_path: Path) -> Area:
    made = area_in(tmp_path / "area")
    with local(made) as (_, sender):
        sender.send(data_set("1.1"), "1.1")
        sender.send(data_set("1.2", study="1.9"), "1.2")
    return made


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, list[str], str]:
    code = index.main(argv, {})
    said = capsys.readouterr()
    return code, said.out.splitlines(), said.err


def test_check_of_an_area_that_is_well(area: Area, capsys: pytest.CaptureFixture[str]) -> None:
    size = sum(map(len, objects_on_disk(area).values()))
    summary = f"2 files of {size} bytes compared, no problems"
    assert run(capsys, "check", area.directory) == (0, [summary], "")
    assert run(capsys, "check", "-q", area.directory) == (0, [], "")


@pytest.mark.parametrize("quick", [True, False])
def test_check_finds_a_file_that_changed(
    area: Area, capsys: pytest.CaptureFixture[str], *, quick: bool
) -> None:
    name = min(objects_on_disk(area))
    path = Path(area.directory, name)
    path.write_bytes(path.read_bytes()[:-2] + b"xx")
    code, out, _ = run(capsys, "check", *(["--quick"] if quick else []), area.directory)
    if quick:
        assert code == 0
    else:
        assert code == 1
        assert out[0] == f"changed: {name}: the data set is not the one that was stored"
        assert out[1].endswith("compared, 1 problem")


def test_rebuild(area: Area, capsys: pytest.CaptureFixture[str]) -> None:
    os.unlink(area.index_path)
    code, out, err = run(capsys, "check", area.directory)
    assert (code, out) == (1, [])
    assert err == f"isocenter index: {area.index_path}: there is no index\n"
    assert run(capsys, "rebuild", "--no-durable", area.directory) == (
        0,
        ["2 files looked at, 2 indexed"],
        "",
    )
    assert run(capsys, "check", area.directory)[0] == 0


def test_rebuild_beside_a_server_is_refused(area: Area, capsys: pytest.CaptureFixture[str]) -> None:
    with OpenArea(area):
        code, out, err = run(capsys, "rebuild", area.directory)
    assert (code, out) == (1, [])
    assert err == f"isocenter index: {area.directory}: in use by process {os.getpid()}\n"


def test_import_by_copy_into_an_area_that_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, new = tmp_path / "source", tmp_path / "new" / "area"
    write(source / "one", "1.1")
    (source / "read me").write_text("no object")
    code, out, _ = run(capsys, "import", "--no-durable", str(new), str(source))
    assert code == 0
    assert out == [
        f"passed over: {source}/read me: not a DICOM file",
        f"2 files looked at, 1 taken from {source}, 1 passed over",
    ]
    code, out, _ = run(capsys, "import", str(new), str(source))
    assert (code, out[-1]) == (
        0,
        f"2 files looked at, 0 taken from {source}, 1 known before, 1 passed over",
    )
    (source / "cut").write_bytes((source / "one").read_bytes()[:-1])
    assert run(capsys, "import", str(new), str(source))[0] == 1, "an object was not taken"


def test_import_in_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    area = area_in(tmp_path / "area")
    write(tmp_path / "area" / "CT_1.dcm", "1.1")
    assert run(capsys, "import", "--in-place", area.directory)[0] == 0
    with OpenArea(area) as opened:
        assert list(indexed(opened)) == ["CT_1.dcm"]


def test_index_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path}/elsewhere.sqlite"
    area = area_in(tmp_path / "area")
    write(tmp_path / "source" / "one", "1.1")
    source = str(tmp_path / "source")
    assert run(capsys, "import", "--index", url, area.directory, source)[0] == 0
    assert (tmp_path / "elsewhere.sqlite").exists()
    assert not os.path.exists(area.index_path)
    assert run(capsys, "check", "--index", url, area.directory)[0] == 0
    assert run(capsys, "check", area.directory)[0] == 1


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ((), "expected check, rebuild or import"),
        (("examine", "x"), "expected check, rebuild or import"),
        (("check",), "expected AREA"),
        (("check", "a", "b"), "b: one AREA at a time"),
        (("check", "--in-place", "a"), "--in-place is no option of check"),
        (("check", "--fast", "a"), "unknown option --fast"),
        (("import", "a"), "expected FOLDER, or --in-place for AREA itself"),
        (("import", "a", "b", "--index"), "--index needs a URL"),
    ],
)
def test_command_line_that_cannot_be_understood(
    capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], words: str
) -> None:
    assert run(capsys, *argv) == (
        1,
        [],
        f"isocenter index: {words}, see isocenter index --help\n",
    )


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "check", "--help")
    assert code == 0
    assert out[0].startswith("usage: isocenter index check")


def test_names_of_files_do_not_talk_to_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    area = area_in(tmp_path / "area")
    with local(area):
        pass
    (tmp_path / "area" / "a\x1b[2Jb").write_bytes(b"x")
    code, out, _ = run(capsys, "check", area.directory)
    assert (code, out[0]) == (1, "no row: a?[2Jb: the file is not indexed")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_terminal_sees_how_far_it_is_and_nothing_of_it_stays(
    area: Area, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(index, "_INTERVAL", 0.0)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert index.main(["check", area.directory], {}) == 0
    assert "\r2 files, 0.0 MiB" in terminal.getvalue()
    assert terminal.getvalue().endswith(" \r")
    assert "no problems" in capsys.readouterr().out


def test_interrupted_import_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "source" / "one", "1.1")
    new = str(tmp_path / "area")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(index._ProgressLine, "show", interrupt)
        assert run(capsys, "import", new, str(tmp_path / "source")) == (
            1,
            [],
            "isocenter index: interrupted; run it again for the rest\n",
        )
    assert run(capsys, "import", new, str(tmp_path / "source"))[0] == 0
    assert run(capsys, "check", "--", new)[0] == 0


def test_quarantine_is_counted(area: Area, capsys: pytest.CaptureFixture[str]) -> None:
    Path(area.private, "quarantine").mkdir()
    Path(area.private, "quarantine", "one.dcm").write_bytes(b"x")
    code, out, _ = run(capsys, "check", area.directory)
    assert (code, out[-1].endswith("no problems, 1 in quarantine")) == (0, True)

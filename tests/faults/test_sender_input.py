"""Files that cannot be sent: named in one line with the reason, and never exit code 0.

`-nh` goes on with the next file and, unlike DCMTK's tool, does not hide the failure.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import pytest

from isocenter.testing import ScriptedAcceptor, ct_image, raw
from isocenter.testing.datasets import IMPLICIT_LITTLE, encode_file_meta
from isocenter.testing.peer import accept, serve_storage
from isocenter.testing.reading import parse_associate
from tests.support.tools import OURS, UNDER_TEST

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from isocenter.testing import RawConnection, RawMessage
    from tests.support.processes import Completed

pytestmark = pytest.mark.slow

ours_only = pytest.mark.skipif(not UNDER_TEST.is_ours, reason="a promise of our own")


class Storage:
    """A scripted receiver that keeps what it is sent."""

    def __init__(self) -> None:
        self.received: list[RawMessage] = []
        self.after_accept: Callable[[], None] = lambda: None

    def __call__(self, connection: RawConnection) -> None:
        """Accept everything and answer Success."""
        request = connection.receive()
        assert request.pdu_type == raw.ASSOCIATE_RQ
        self.after_accept()
        connection.send(_answer(request.body))
        for _ in serve_storage(connection, received=self.received):
            pass

    @property
    def uids(self) -> list[str]:
        """The SOP Instance UIDs received, in order."""
        return [message.text(0x1000) for message in self.received]


def _answer(request: bytes) -> bytes:
    """Return an A-ASSOCIATE-AC that accepts every context with its first syntax."""
    facts = parse_associate(request)
    return raw.associate_ac(
        [(c.context_id, 0, c.transfer_syntaxes[0]) for c in facts.contexts],
        called=facts.called,
        calling=facts.calling,
    )


class BadFile(NamedTuple):
    """A file that cannot be sent, and how to make it."""

    name: str
    make: Callable[[Path], object]


GOOD = ct_image(rows=32, columns=32)
PART10 = GOOD.part10()
META = encode_file_meta(GOOD.sop_class_uid, GOOD.sop_instance_uid, GOOD.transfer_syntax)


def _unreadable(path: Path) -> None:
    """Make a path that exists and cannot be read, for root too."""
    if os.geteuid() == 0:
        path.symlink_to("/proc/self/mem")  # reading at 0 is an input/output error
    else:
        path.write_bytes(PART10)
        path.chmod(0)


BAD_FILES = [
    BadFile("empty", lambda path: path.write_bytes(b"")),
    BadFile("text", lambda path: path.write_text("This is no DICOM file.\n" * 40)),
    BadFile("a picture", lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))),
    BadFile("only a preamble", lambda path: path.write_bytes(bytes(128) + b"DICM")),
    BadFile("cut inside File Meta", lambda path: path.write_bytes(PART10[:200])),
    BadFile("only File Meta", lambda path: path.write_bytes(META)),
    BadFile("cut inside an element", lambda path: path.write_bytes(PART10[: len(META) + 30])),
    BadFile("cut inside the pixels", lambda path: path.write_bytes(PART10[:-500])),
    BadFile("unreadable", _unreadable),
    BadFile("a loop of links", lambda path: path.symlink_to(path)),
]


def _problem_lines(done: Completed, name: str) -> list[str]:
    return [line for line in done.lines if line.startswith(("E: ", "F: ", "W: ")) and name in line]


def _send(storage: Storage, *arguments: str | Path) -> Completed:
    with ScriptedAcceptor(storage) as acceptor:
        return UNDER_TEST.run(
            "storescu", "-v", *arguments[:-1], "127.0.0.1", str(acceptor.port), *_files(arguments)
        )


def _files(arguments: tuple[str | Path, ...]) -> list[Path]:
    """Return the files of the folder given last, in the order of their names."""
    folder = arguments[-1]
    assert not isinstance(folder, str)
    return sorted(folder.iterdir())


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return a folder with two good files, named so that a bad one fits between."""
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("1-good.dcm", "3-good.dcm"):
        ct_image(rows=16, columns=16).write(folder / name)
    return folder


@pytest.mark.parametrize("required", [True, False], ids=["-R", "all"])
@pytest.mark.parametrize("bad", BAD_FILES, ids=[bad.name for bad in BAD_FILES])
def test_sender_halts_at_a_file_that_cannot_be_sent(
    files: Path, bad: BadFile, required: bool
) -> None:
    bad.make(files / "2-bad.dcm")
    storage = Storage()
    done = _send(storage, *(["-R"] if required else []), files)
    assert done.code == 1
    assert len(storage.received) <= 1
    assert "Traceback" not in done.stderr
    if UNDER_TEST.is_ours:
        assert len(_problem_lines(done, "2-bad.dcm")) == 1


@pytest.mark.parametrize("required", [True, False], ids=["-R", "all"])
@pytest.mark.parametrize("bad", BAD_FILES, ids=[bad.name for bad in BAD_FILES])
def test_sender_goes_on_after_a_file_that_cannot_be_sent_where_asked_to(
    files: Path, bad: BadFile, required: bool
) -> None:
    bad.make(files / "2-bad.dcm")
    storage = Storage()
    done = _send(storage, "-nh", *(["-R"] if required else []), files)
    assert len(storage.received) == 2, done.stderr
    assert done.code == (1 if UNDER_TEST.is_ours else 0)
    assert "Traceback" not in done.stderr
    if UNDER_TEST.is_ours:
        assert len(_problem_lines(done, "2-bad.dcm")) == 1


def test_sender_names_a_missing_file_before_it_connects(files: Path) -> None:
    missing = files / "0-missing.dcm"
    with ScriptedAcceptor(Storage()) as acceptor:
        arguments = ("127.0.0.1", str(acceptor.port), files / "1-good.dcm", missing)
        done = UNDER_TEST.run("storescu", *arguments)
        assert acceptor.connections == 0
    assert done.code == 1
    assert f"F: cannot access file: {missing}" in done.lines


def test_sender_ignores_a_missing_file_where_asked_to_but_says_so_in_its_exit_code(
    files: Path,
) -> None:
    missing = files / "0-missing.dcm"
    storage = Storage()
    with ScriptedAcceptor(storage) as acceptor:
        arguments = ("127.0.0.1", str(acceptor.port), missing, files / "1-good.dcm")
        done = UNDER_TEST.run("storescu", "-nh", *arguments)
    assert f"W: cannot access file: {missing}, ignoring file" in done.lines
    assert len(storage.received) == 1
    assert done.code == (1 if UNDER_TEST.is_ours else 0)


def test_sender_ignores_a_directory_without_scan_directories(files: Path) -> None:
    (files / "2-folder").mkdir()
    storage = Storage()
    done = _send(storage, files)
    wanted = (
        f"W: ignoring directory because option --scan-directories is not set: {files / '2-folder'}"
    )
    assert wanted in done.lines
    assert len(storage.received) == 2


def test_sender_fails_where_nothing_is_left_to_send(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for options in ((), ("+sd",)):
        with ScriptedAcceptor(Storage()) as acceptor:
            arguments = (*options, "127.0.0.1", str(acceptor.port), tmp_path / "folder")
            done = UNDER_TEST.run("storescu", *arguments)
            assert acceptor.connections == 0
        assert done.code == 1
        assert "F: no input files to be sent" in done.lines


@pytest.mark.parametrize("size", [16, 1024], ids=["small", "large"])
@pytest.mark.parametrize("required", [True, False], ids=["-R", "all"])
def test_sender_survives_a_file_that_vanishes_between_check_and_send(
    files: Path, size: int, required: bool
) -> None:
    vanishing = ct_image(rows=size, columns=size)
    path = vanishing.write(files / "2-vanishing.dcm")
    storage = Storage()
    storage.after_accept = path.unlink
    done = _send(storage, "-nh", *(["-R"] if required else []), files)
    assert "Traceback" not in done.stderr
    if vanishing.sop_instance_uid in storage.uids:
        # It was read, or held open, in time: then it has to be whole.
        assert storage.received[1].data_set == vanishing.data_set
        assert done.code == 0
    else:
        assert len(storage.received) == 2
        assert done.code == (1 if UNDER_TEST.is_ours else 0)
        assert len(_problem_lines(done, "2-vanishing.dcm")) >= 1


@ours_only
def test_sender_never_completes_an_object_whose_file_shrinks_before_it_is_sent(
    files: Path,
) -> None:
    shrinking = ct_image(rows=1024, columns=1024)
    path = shrinking.write(files / "2-shrinking.dcm")
    storage = Storage()
    storage.after_accept = lambda: os.truncate(path, 500_000)
    done = _send(storage, files)
    if shrinking.sop_instance_uid in storage.uids:
        assert storage.received[1].data_set == shrinking.data_set
    else:
        assert done.code == 1
        assert len(_problem_lines(done, "2-shrinking.dcm")) >= 1


@ours_only
def test_sender_does_not_hang_on_a_fifo(files: Path) -> None:
    os.mkfifo(files / "2-fifo.dcm")
    storage = Storage()
    done = _send(storage, "-nh", files)
    assert done.code == 1
    assert len(storage.received) == 2
    assert len(_problem_lines(done, "2-fifo.dcm")) == 1


@ours_only
def test_sender_fails_where_no_context_fits_a_file(files: Path) -> None:
    """Without the matching `-x?` a compressed file has no context (dcmtk-facts 0.5)."""
    image = ct_image(transfer_syntax="1.2.840.10008.1.2.4.70")
    image.write(files / "2-jpeg.dcm")
    storage = Storage()
    done = _send(storage, "-nh", "-R", files)
    assert len(storage.received) == 2
    assert done.code == 1
    assert any("2-jpeg.dcm" in line for line in done.lines if line.startswith("E: "))


@ours_only
def test_sender_does_not_send_under_a_transfer_syntax_that_is_not_the_files(files: Path) -> None:
    """Only implicit VR is accepted: an explicit VR file is not sent, or is sent right."""
    storage = Storage()

    def only_implicit(connection: RawConnection) -> None:
        def choose(_id: int, syntaxes: tuple[str, ...]) -> tuple[int, str]:
            return (0, IMPLICIT_LITTLE) if IMPLICIT_LITTLE in syntaxes else (4, IMPLICIT_LITTLE)

        accept(connection, choose=choose)
        for _ in serve_storage(connection, received=storage.received):
            pass

    with ScriptedAcceptor(only_implicit) as acceptor:
        arguments = ("127.0.0.1", str(acceptor.port), files / "1-good.dcm")
        done = OURS.run("storescu", "-R", *arguments)
    assert (done.code == 0) == bool(storage.received)
    explicit = (files / "1-good.dcm").read_bytes()
    assert all(message.data_set not in explicit for message in storage.received)

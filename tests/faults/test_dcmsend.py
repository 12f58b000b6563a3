"""dcmsend when something goes wrong: with files, with the peer, with the report.

The rule: 0 only where every SOP instance was confirmed. Without `-nh` nothing follows the first
file that cannot be sent; with it the rest does, on another association where one broke.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.dcmsend import main
from isocenter.testing import ScriptedAcceptor, ct_image, raw
from isocenter.testing.datasets import IMPLICIT_LITTLE
from isocenter.testing.peer import accept, serve_storage
from isocenter.testing.reading import RawPdu
from tests.support.compressed import write_compressed
from tests.support.directories import write_dicomdir

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from isocenter.testing import RawConnection, RawMessage

pytestmark = pytest.mark.slow

FILES = ("0.dcm", "1.dcm", "2.dcm")
UIDS = ["2.25.100", "2.25.101", "2.25.102"]
RLE, JLS = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80"
small_image = partial(ct_image, rows=8, columns=8)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make three objects."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(FILES):
        small_image(sop_instance_uid=UIDS[number]).write(tmp_path / name)
    return tmp_path


def nothing() -> None:
    """Do nothing."""


class Archive:
    """A peer that takes what comes, after doing something on each association.

    Args:
        at_association: called before each acceptance.
        breaks: called for the message of that number (from 0, over all associations) in the
            place of an answer; then the association is over.
        wanted: the only transfer syntax that is accepted, "" for the first proposed.
    """

    def __init__(
        self,
        at_association: Callable[[], object] = nothing,
        *,
        breaks: Callable[[RawConnection], object] | None = None,
        at: tuple[int, ...] = (),
        wanted: str = "",
    ) -> None:
        self.received: list[RawMessage] = []
        self.associations = 0
        self._at_association = at_association
        self._breaks = breaks
        self._at = at
        self._wanted = wanted

    def _choose(self, _context_id: int, syntaxes: tuple[str, ...]) -> tuple[int, str]:
        if not self._wanted:
            return 0, syntaxes[0]
        return (0 if self._wanted in syntaxes else 4), self._wanted

    def __call__(self, connection: RawConnection) -> None:
        self._at_association()
        try:
            accept(connection, choose=self._choose)
            self.associations += 1
            while True:
                message = connection.receive_message()
                if isinstance(message, RawPdu):
                    if message.pdu_type == raw.RELEASE_RQ:
                        connection.send(raw.release_rp())
                    return
                number = len(self.received)
                self.received.append(message)
                if number in self._at and self._breaks is not None:
                    self._breaks(connection)
                    return
                connection.send(
                    raw.message(
                        message.context_id,
                        raw.c_store_rsp(
                            message.number(0x0110), 0, message.text(0x0002), message.text(0x1000)
                        ),
                    )
                )
        except ConnectionError:
            return

    def run(self, *arguments: str) -> int:
        with ScriptedAcceptor(self) as acceptor:
            here = ["127.0.0.1", str(acceptor.port)]
            argv = [w for word in arguments for w in (here if word == "HERE" else [word])]
            return main(argv, {})

    @property
    def uids(self) -> list[str]:
        return [message.text(0x1000) for message in self.received]


def errors(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return what was said, but for hints (tests/cli/test_dcmsend_hints.py)."""
    shown = capsys.readouterr().err.splitlines()
    return [line for line in shown if not line.startswith("W: hint: ")]


# --- files that change between the look at them and their turn --------------------------------


class TestFilesThatChange:
    def test_file_that_vanished_ends_it(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        archive = Archive((folder / "1.dcm").unlink)
        assert archive.run("HERE", *FILES) == 62
        assert archive.uids == UIDS[:1]
        assert errors(capsys) == [
            "E: cannot send SOP instance from file: 1.dcm: No such file or directory",
            "F: cannot send SOP instance: No such file or directory",
            "E: 1 of 3 SOP instances were confirmed, 2 not sent",
        ]

    def test_the_rest_goes_on_without_halting(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        archive = Archive((folder / "1.dcm").unlink)
        assert archive.run("-nh", "+crf", "report", "HERE", *FILES) == 62
        assert archive.uids == [UIDS[0], UIDS[2]]
        assert errors(capsys) == [
            "E: cannot send SOP instance from file: 1.dcm: No such file or directory",
            "E: 2 of 3 SOP instances were confirmed, 1 not sent",
        ]
        report = (folder / "report").read_text()
        assert "SOP Instance  : 2.25.101\n" in report
        unsent = (
            "Association   : 0\nPres. Context : 1\nNetwork Xfer  : \nDIMSE Status  : <not sent>"
        )
        assert unsent in report

    @pytest.mark.parametrize("cut", [0, 100, 300, -10])
    def test_file_that_was_cut_short_is_not_sent(self, folder: Path, cut: int) -> None:
        path = folder / "1.dcm"
        archive = Archive(lambda: path.write_bytes(path.read_bytes()[:cut]))
        assert archive.run("-nh", "HERE", *FILES) == 62
        assert archive.uids == [UIDS[0], UIDS[2]]

    def test_another_object_in_the_same_file_is_sent_as_what_it_is_and_told(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        image = small_image(sop_instance_uid="2.25.999")
        archive = Archive(lambda: image.write(folder / "1.dcm"))
        assert archive.run("HERE", *FILES) == 0
        assert archive.uids == [UIDS[0], "2.25.999", UIDS[2]]
        assert errors(capsys) == [
            "W: SOP Instance UID in dataset differs from the one in the transfer list"
        ]

    def test_folder_that_took_the_place_of_a_file_is_not_sent(self, folder: Path) -> None:
        def replace() -> None:
            (folder / "1.dcm").unlink()
            (folder / "1.dcm").mkdir()

        archive = Archive(replace)
        assert archive.run("-nh", "HERE", *FILES) == 62
        assert archive.uids == [UIDS[0], UIDS[2]]

    def test_data_set_without_uids_is_not_sent(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = folder / "1.dcm"
        whole = path.read_bytes()
        start = whole.index(b"\x08\x00\x18\x00UI", 300)
        end = start + 8 + int.from_bytes(whole[start + 6 : start + 8], "little")
        path.write_bytes(whole[:start] + whole[end:])
        archive = Archive()
        assert archive.run("-nh", "HERE", *FILES) == 62
        assert archive.uids == [UIDS[0], UIDS[2]]
        assert errors(capsys) == [
            "W: SOP Instance UID in dataset differs from the one in the transfer list",
            "E: Cannot send SOP instance, missing information:",
            "E:   DICOM Filename   : 1.dcm",
            "E:   SOP Class UID    : 1.2.840.10008.5.1.4.1.1.2",
            "E:   SOP Instance UID : ",
            "E:   Transfer Syntax  : Little Endian Explicit",
            "E:   Pres. Context ID : 1",
            "E: 2 of 3 SOP instances were confirmed, 1 not sent",
        ]


# --- peers that end the association -----------------------------------------------------------


def abort(connection: RawConnection) -> None:
    connection.send(raw.abort(0, 0))


def release(connection: RawConnection) -> None:
    connection.send(raw.release_rq())
    connection.receive_until_closed()


def vanish(connection: RawConnection) -> None:
    connection.vanish()


def talk_nonsense(connection: RawConnection) -> None:
    connection.send(b"\x2a\0\0\0\0\x04oops")
    connection.receive_until_closed()


BREAKS = [abort, release, vanish, talk_nonsense]


@pytest.mark.parametrize("breaks", BREAKS)
@pytest.mark.parametrize("place", range(3))
class TestBrokenAssociations:
    def test_that_is_the_end(
        self,
        breaks: Callable[[RawConnection], object],
        place: int,
        folder: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        archive = Archive(breaks=breaks, at=(place,))
        assert archive.run("+crf", "report", "HERE", *FILES) == 62
        assert archive.uids == UIDS[: place + 1]
        shown = errors(capsys)
        assert any(line.startswith("F: cannot send SOP instance: ") for line in shown)
        assert f"E: cannot send SOP instance from file: {place}.dcm" in shown
        assert sorted(os.listdir(folder)) == sorted(FILES)

    def test_the_rest_goes_on_another_one_without_halting(
        self,
        breaks: Callable[[RawConnection], object],
        place: int,
        folder: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        archive = Archive(breaks=breaks, at=(place,))
        assert archive.run("-nh", "+crf", "report", "HERE", *FILES) == 62
        assert archive.uids == UIDS
        assert archive.associations == (1 if place == 2 else 2)
        assert errors(capsys)[-1] == "E: 2 of 3 SOP instances were confirmed, 1 not sent"
        report = (folder / "report").read_text()
        assert report.count("DIMSE Status  : 0x0000 (Success)") == 2
        assert report.count("DIMSE Status  : <not sent>") == 1

    def test_with_a_single_association_the_rest_is_not_sent(
        self, breaks: Callable[[RawConnection], object], place: int
    ) -> None:
        archive = Archive(breaks=breaks, at=(place,))
        assert archive.run("-nh", "-ma", "HERE", *FILES) == 62
        assert archive.uids == UIDS[: place + 1]


def test_a_peer_that_aborts_at_every_object_is_given_up(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(6):
        small_image(sop_instance_uid=f"2.25.{number}").write(folder / f"more{number}.dcm")
    archive = Archive(breaks=abort, at=tuple(range(9)))
    names = [f"more{number}.dcm" for number in range(6)]
    assert archive.run("-nh", "HERE", *FILES, *names) == 62
    assert archive.associations == 3
    shown = errors(capsys)
    assert shown[-2:] == [
        "E: giving up after 3 associations in a row that broke without a response",
        "E: 0 of 9 SOP instances were confirmed, 9 not sent",
    ]


def test_nobody_there_for_the_next_association_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def once(connection: RawConnection) -> None:
        accept(connection)
        connection.receive_message()
        acceptor.close()
        connection.send(raw.abort(0, 0))

    import socket
    import threading

    from isocenter.testing import RawConnection as Connection

    acceptor = socket.create_server(("127.0.0.1", 0))
    port = acceptor.getsockname()[1]

    def serve() -> None:
        sock, _ = acceptor.accept()
        with Connection(sock) as connection:
            once(connection)

    server = threading.Thread(target=serve)
    server.start()
    code = main(["-nh", "127.0.0.1", str(port), *FILES], {})
    server.join(20)
    assert code == 61
    assert errors(capsys)[-2:] == [
        "F: cannot negotiate network association: TCP Initialization Error: Connection refused",
        "E: 0 of 3 SOP instances were confirmed, 3 not sent",
    ]


def test_rejection_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    def reject(connection: RawConnection) -> None:
        connection.receive()
        connection.send(raw.associate_rj(1, 1, 7))

    with ScriptedAcceptor(reject) as acceptor:
        assert main(["127.0.0.1", str(acceptor.port), "0.dcm"], {}) == 61
    (line,) = errors(capsys)
    assert line.startswith("F: cannot negotiate network association: DUL Association Rejected (")
    assert "Called AE Title Not Recognized" in line


def test_an_association_without_contexts_leaves_the_next_its_files(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """128 classes that nobody takes, then a CT."""
    names = []
    for number in range(128):
        names.append(f"private{number}.dcm")
        small_image(sop_class_uid=f"1.2.3.{number + 1}", rows=1, columns=1).write(
            folder / names[-1]
        )
    received: list[RawMessage] = []

    def serve(connection: RawConnection) -> None:
        first: list[int] = []

        def choose(context_id: int, syntaxes: tuple[str, ...]) -> tuple[int, str]:
            first.append(context_id)
            return (3 if is_private else 0), syntaxes[0]

        is_private = not served
        served.append(1)
        accept(connection, choose=choose)
        for _ in serve_storage(connection, received=received):
            pass

    served: list[int] = []
    with ScriptedAcceptor(serve) as acceptor:
        code = main(["127.0.0.1", str(acceptor.port), *names, *FILES], {})
    assert code == 62
    assert [message.text(0x1000) for message in received] == UIDS
    assert errors(capsys) == [
        "E: No Acceptable Presentation Contexts",
        "E: cannot negotiate network association: No acceptable Presentation Contexts",
        "E: SOP instances were not sent, file: private0.dcm and 127 more",
        (
            "W: trying to continue with a new association in order to send the remaining "
            "3 SOP instances"
        ),
        "E: 3 of 131 SOP instances were confirmed, 128 not sent",
    ]


# --- reports ----------------------------------------------------------------------------------


class TestReports:
    @pytest.mark.parametrize("path", ["absent/report", ".", "0.dcm/report", "nul\0"])
    def test_one_that_cannot_be_written_is_told_before_anything_is_sent(
        self, path: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        archive = Archive()
        assert archive.run("+crf", path, "HERE", *FILES) == 43
        assert archive.associations == 0
        (line,) = errors(capsys)
        assert line.startswith("E: cannot write detailed report to file '")

    def test_a_full_disk_is_told_at_the_end(self, capsys: pytest.CaptureFixture[str]) -> None:
        archive = Archive()
        assert archive.run("+crf", "/dev/full", "HERE", *FILES) == 43
        assert archive.uids == UIDS
        assert errors(capsys) == [
            "E: cannot write detailed report to file '/dev/full': No space left on device"
        ]

    def test_what_was_not_sent_is_worse_than_a_report_that_is_lost(self, folder: Path) -> None:
        archive = Archive((folder / "1.dcm").unlink)
        assert archive.run("-nh", "+crf", "/dev/full", "HERE", *FILES) == 62

    def test_an_old_report_stays_where_the_run_ends_early(self, folder: Path) -> None:
        (folder / "report").write_text("old")
        archive = Archive(breaks=abort, at=(1,))
        assert archive.run("+crf", "report", "HERE", *FILES) == 62
        assert (folder / "report").read_text() == "old"
        assert sorted(os.listdir(folder)) == sorted([*FILES, "report"])

    def test_an_old_report_is_replaced_with_its_permissions(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (folder / "report").write_text("old")
        (folder / "report").chmod(0o640)
        assert Archive().run("+crf", "report", "HERE", *FILES) == 0
        assert (folder / "report").read_text().startswith("Detailed Report")
        assert (folder / "report").stat().st_mode & 0o777 == 0o640
        assert errors(capsys) == ["W: file 'report' already exists, overwriting"]

    def test_report_goes_where_a_link_leads(self, folder: Path) -> None:
        (folder / "link").symlink_to("real")
        assert Archive().run("+crf", "link", "HERE", *FILES) == 0
        assert (folder / "link").is_symlink()
        assert (folder / "real").read_text().startswith("Detailed Report")

    def test_nothing_is_left_behind_of_an_interrupted_run(self, folder: Path) -> None:
        def interrupt() -> None:
            raise KeyboardInterrupt

        archive = Archive(wanted=IMPLICIT_LITTLE)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("isocenter.sender.instances.encode", lambda *_, **__: interrupt())
            with pytest.raises(KeyboardInterrupt):
                archive.run("+crf", "report", "HERE", *FILES)
        assert sorted(os.listdir(folder)) == sorted(FILES)


# --- DICOMDIRs --------------------------------------------------------------------------------


class TestDicomdirs:
    """One clear line for each file that a DICOMDIR must not, or cannot, lead to."""

    @pytest.fixture(autouse=True)
    def disc(self, folder: Path) -> Path:
        """A disc below a folder that has files of its own, and links that lead there."""
        disc = folder / "disc"
        disc.mkdir()
        small_image(sop_instance_uid="2.25.7").write(disc / "IMAGE")
        small_image(sop_instance_uid="2.25.8").write(disc / "lower")
        (disc / "OUT").symlink_to("../0.dcm")
        (disc / "UP").symlink_to("..")
        (disc / "LOOP").symlink_to("LOOP")
        (disc / "FOLDER").mkdir()
        return disc

    BAD = (
        ("..\\0.dcm", "the File ID leads out of the DICOMDIR's folder"),
        ("UP\\0.dcm", "it is a link that leads out of the DICOMDIR's folder"),
        ("OUT", "it is a link that leads out of the DICOMDIR's folder"),
        ("/etc/passwd", "the File ID leads out of the DICOMDIR's folder"),
        ("FOLDER\\..\\..\\0.dcm", "the File ID leads out of the DICOMDIR's folder"),
        ("ABSENT", "No such file or directory"),
        ("FOLDER", "not a regular file"),
        ("LOOP", "Too many levels of symbolic links"),
        ("IMAGE\\BELOW", "Not a directory"),
        ("DICOMDIR", "the DICOMDIR refers to itself"),
    )

    @pytest.mark.parametrize(("file_id", "reason"), BAD)
    def test_bad_record_ends_it(
        self, disc: Path, file_id: str, reason: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write_dicomdir(disc / "DICOMDIR", ("IMAGE", "2.25.7"), (file_id, "2.25.100"))
        archive = Archive()
        assert archive.run("+rd", "HERE", "disc/DICOMDIR") == 22
        assert archive.associations == 0
        first, *rest = errors(capsys)
        assert first.startswith("E: cannot add DICOM file from DICOMDIR to the transfer list: ")
        assert first.endswith(f": {reason}")
        assert rest[-1] == f"F: bad DICOM file: disc/DICOMDIR: {reason}"

    @pytest.mark.parametrize(("file_id", "reason"), BAD)
    def test_bad_record_is_left_out_without_halting(
        self, disc: Path, file_id: str, reason: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        records = ((file_id, "2.25.100"), ("IMAGE", "2.25.7"))
        write_dicomdir(disc / "DICOMDIR", *records)
        archive = Archive()
        assert archive.run("+rd", "-nh", "HERE", "disc/DICOMDIR") == 62
        assert archive.uids == ["2.25.7"]
        first, last = errors(capsys)
        assert first.endswith(f": {reason}")
        assert last == "E: 1 of 1 SOP instances were confirmed, 1 invalid file left out"

    def test_record_without_a_name_is_told(
        self, disc: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write_dicomdir(disc / "DICOMDIR", ("", "2.25.100"), ("IMAGE", "2.25.7"))
        archive = Archive()
        assert archive.run("+rd", "-nh", "HERE", "disc/DICOMDIR") == 62
        assert errors(capsys)[0] == "E: cannot add DICOM file from DICOMDIR with empty filename"

    def test_names_in_lower_case_are_found(self, disc: Path) -> None:
        write_dicomdir(disc / "DICOMDIR", ("LOWER", "2.25.8"))
        archive = Archive()
        assert archive.run("+rd", "HERE", "disc/DICOMDIR") == 0
        assert archive.uids == ["2.25.8"]

    def test_folder_of_the_dicomdir_may_itself_be_a_link(self, folder: Path, disc: Path) -> None:
        (folder / "linked").symlink_to("disc")
        write_dicomdir(disc / "DICOMDIR", ("IMAGE", "2.25.7"))
        archive = Archive()
        assert archive.run("+rd", "HERE", "linked/DICOMDIR") == 0
        assert archive.uids == ["2.25.7"]

    def test_offsets_that_lead_in_a_circle_are_not_followed(self, disc: Path) -> None:
        path = write_dicomdir(disc / "DICOMDIR", ("IMAGE", "2.25.7"))
        from pydicom import dcmread

        directory = dcmread(path)
        (record,) = directory.DirectoryRecordSequence
        for keyword in (
            "OffsetOfTheNextDirectoryRecord",
            "OffsetOfReferencedLowerLevelDirectoryEntity",
        ):
            setattr(record, keyword, 400)
        directory.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = 400
        directory.save_as(path)
        archive = Archive()
        assert archive.run("+rd", "HERE", "disc/DICOMDIR") == 0
        assert archive.uids == ["2.25.7"]

    @pytest.mark.parametrize("length", [200, 300, -4])
    def test_one_that_is_cut_short_is_an_invalid_file(
        self, disc: Path, length: int, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = write_dicomdir(disc / "DICOMDIR", ("IMAGE", "2.25.7"))
        path.write_bytes(path.read_bytes()[:length])
        code = Archive().run("+rd", "HERE", "disc/DICOMDIR")
        assert code in {22, 23}
        assert "Traceback" not in "".join(errors(capsys))


# --- compressed files -------------------------------------------------------------------------


class TestDecompression:
    def test_frames_are_decoded_for_a_peer_without_compression(self, folder: Path) -> None:
        write_compressed(folder / "rle.dcm", RLE, sop_instance_uid="2.25.7", frames=3)
        archive = Archive(wanted=IMPLICIT_LITTLE)
        assert archive.run("HERE", "rle.dcm", *FILES) == 0
        assert archive.uids == ["2.25.7", *UIDS]
        assert len(archive.received[0].data_set) > 3 * 24 * 20

    @pytest.mark.parametrize("rows", [24, 700])
    def test_what_is_decoded_while_it_is_sent_is_the_same(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, rows: int
    ) -> None:
        write_compressed(folder / "jls.dcm", JLS, frames=20, rows=rows, columns=500)
        sent = []
        for in_memory in (1 << 30, 100):
            monkeypatch.setattr("isocenter.sender.decoding._IN_MEMORY", in_memory)
            archive = Archive(wanted=IMPLICIT_LITTLE)
            assert archive.run("HERE", "jls.dcm") == 0
            sent.append(bytes(archive.received[0].data_set))
        assert sent[0] == sent[1]
        assert len(sent[0]) > 20 * rows * 500

    def test_file_with_a_bad_frame_ends_it(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write_compressed(folder / "bad.dcm", JLS, frames=3, broken_frame=1)
        archive = Archive(wanted=IMPLICIT_LITTLE)
        assert archive.run("HERE", "0.dcm", "bad.dcm", "1.dcm") == 62
        assert archive.uids == UIDS[:1]
        shown = errors(capsys)
        assert shown[0] == "E: No conversion to transfer syntax Little Endian Implicit possible!"
        assert shown[1].startswith(
            "E: cannot send SOP instance from file: bad.dcm: frame 2 of 3 cannot be decoded: "
        )
        assert shown[2].startswith("F: cannot send SOP instance: frame 2 of 3 cannot be decoded")

    def test_the_rest_goes_on_without_halting(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write_compressed(folder / "bad.dcm", JLS, frames=3, broken_frame=1)
        archive = Archive(wanted=IMPLICIT_LITTLE)
        assert archive.run("-nh", "HERE", "0.dcm", "bad.dcm", "1.dcm") == 62
        assert archive.uids == UIDS[:2]
        assert archive.associations == 1
        assert errors(capsys)[-1] == "E: 2 of 3 SOP instances were confirmed, 1 not sent"

    def test_a_long_one_with_a_bad_frame_costs_its_association_and_not_the_rest(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("isocenter.sender.decoding._IN_MEMORY", 100)
        write_compressed(folder / "bad.dcm", JLS, frames=3, broken_frame=1)
        archive = Archive(wanted=IMPLICIT_LITTLE)
        assert archive.run("-nh", "HERE", "0.dcm", "bad.dcm", "1.dcm") == 62
        assert archive.uids[-1] == UIDS[1]
        assert archive.associations == 2

    @pytest.mark.parametrize("policy", ["-dn", "+dls", "+dly"])
    def test_lossy_images_for_a_peer_without_compression(self, folder: Path, policy: str) -> None:
        jpeg = "1.2.840.10008.1.2.4.50"
        write_compressed(folder / "lossy.dcm", jpeg, sop_instance_uid="2.25.7")
        archive = Archive(wanted=IMPLICIT_LITTLE)
        code = archive.run(policy, "-nh", "HERE", "lossy.dcm", *FILES)
        is_sent = policy == "+dly"
        assert archive.uids == (["2.25.7"] if is_sent else []) + UIDS
        assert code == (0 if is_sent else 62)


# --- scanning beside sending ------------------------------------------------------------------


class TestStreaming:
    @pytest.fixture(autouse=True)
    def short_head_start(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Look at one file ahead."""
        monkeypatch.setattr("isocenter.sender.backlog.HEAD_START", 0.0)
        monkeypatch.setattr("isocenter.sender.backlog.AHEAD", 1)

    @pytest.mark.parametrize("option", ["-nh", "--stream"])
    def test_a_kind_that_comes_late_gets_an_association(self, folder: Path, option: str) -> None:
        small_image(sop_class_uid="1.2.3.4", sop_instance_uid="2.25.7").write(folder / "late.dcm")
        archive = Archive()
        assert archive.run(option, "HERE", *FILES, "late.dcm", *FILES) == 0
        assert archive.uids == [*UIDS, "2.25.7", *UIDS]
        assert archive.associations == 2  # the second proposes what the first files needed, too

    def test_report_has_the_files_in_their_order(self, folder: Path) -> None:
        small_image(sop_class_uid="1.2.3.4", sop_instance_uid="2.25.7").write(folder / "late.dcm")
        assert Archive().run("--stream", "+crf", "report", "HERE", *FILES, "late.dcm") == 0
        lines = (folder / "report").read_text().splitlines()
        names = [line.partition(": ")[2] for line in lines if line.startswith("Filename")]
        assert names == [*FILES, "late.dcm"]
        assert "Number of SOP instances  : 4" in lines

    def test_single_association_looks_at_all_files_first(self, folder: Path) -> None:
        small_image(sop_class_uid="1.2.3.4", sop_instance_uid="2.25.7").write(folder / "late.dcm")
        archive = Archive()
        assert archive.run("-nh", "-ma", "HERE", *FILES, "late.dcm") == 0
        assert archive.associations == 1

    def test_stream_contradicts_a_single_association(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert Archive().run("--stream", "-ma", "HERE", *FILES) == 1
        assert "error: --stream not allowed with --single-association" in capsys.readouterr().err

    @pytest.mark.parametrize("option", ["-nh", "--stream"])
    def test_nothing_but_bad_files(self, folder: Path, option: str) -> None:
        (folder / "bad").write_text("no image")
        assert Archive().run(option, "HERE", "bad") == (23 if option == "-nh" else 22)

    @pytest.mark.parametrize("option", ["-nh", "--stream"])
    def test_empty_folder(self, folder: Path, option: str) -> None:
        (folder / "empty").mkdir()
        assert Archive().run(option, "+sd", "HERE", "empty") == 21

"""What a transfer changes: syntaxes, values, names of files (dcmtk-facts 5.3 to 5.6)."""

from __future__ import annotations

import logging
import struct
from itertools import count
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import ConnectionLost
from isocenter.sender.encoding import EncodingOptions
from isocenter.sender.invention import Inventor
from isocenter.sender.prepare import DATA_SET_ONLY
from isocenter.sender.transfer import TransferOptions, send_files
from isocenter.testing.datasets import (
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    ct_image,
)
from tests.sender.test_transfer import CT, Link, context, lines

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.sender.outcome import Outcome
    from tests.sender.test_transfer import Lines

__all__ = ["lines"]

JPEG = "1.2.840.10008.1.2.4.70"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a.dcm to d.dcm, CT images in explicit VR little endian, and bad.dcm."""
    monkeypatch.chdir(tmp_path)
    for name in "abcd":
        ct_image(sop_instance_uid=f"2.25.{ord(name)}").write(tmp_path / f"{name}.dcm")
    (tmp_path / "bad.dcm").write_text("no DICOM\n" * 100)
    return tmp_path


def accepting(*syntaxes: str, window: int = 1) -> Link:
    """A peer that accepted CT images in these transfer syntaxes, with ids from 1."""
    link = Link(window=window)
    link.contexts = {2 * n + 1: context(2 * n + 1, CT, uid) for n, uid in enumerate(syntaxes)}
    return link


def send(link: Link, *names: str, options: TransferOptions | None = None) -> Outcome:
    return send_files(link, [f"{name}.dcm" for name in names], options or TransferOptions())


class TestConversion:
    def test_object_is_converted_to_what_the_peer_accepted(
        self, folder: Path, lines: Lines
    ) -> None:
        link = accepting(IMPLICIT_LITTLE)
        assert send(link, "a").ok
        expected = ct_image(sop_instance_uid="2.25.97", transfer_syntax=IMPLICIT_LITTLE)
        assert link.sent == [(1, "2.25.97", expected.data_set)]
        assert lines.found[:3] == [
            "I: Sending file: a.dcm",
            "I: Converting transfer syntax: Little Endian Explicit -> Little Endian Implicit",
            "I: Sending Store Request (MsgID 1, CT)",
        ]

    def test_big_object_is_converted_while_it_is_sent_each_time_anew(self, folder: Path) -> None:
        ct_image(rows=800, columns=800, sop_instance_uid="2.25.1").write(folder / "big.dcm")
        link = accepting(IMPLICIT_LITTLE)
        assert send(link, "big", options=TransferOptions(repeat=2)).ok
        expected = ct_image(
            rows=800, columns=800, sop_instance_uid="2.25.1", transfer_syntax=IMPLICIT_LITTLE
        )
        assert link.sent == 2 * [(1, "2.25.1", expected.data_set)]

    def test_nothing_is_said_where_nothing_is_converted(self, lines: Lines) -> None:
        send(Link(), "a")
        assert not any("Converting" in line for line in lines.found)

    def test_deflated_context_is_preferred_where_asked_for(self, lines: Lines) -> None:
        link = accepting(EXPLICIT_LITTLE, DEFLATED_EXPLICIT_LITTLE)
        send(link, "a")
        send(link, "a", options=TransferOptions(prefer_deflated=True))
        assert [number for number, _, _ in link.sent] == [1, 3]
        words = "Little Endian Explicit -> Deflated Explicit VR Little Endian"
        assert f"I: Converting transfer syntax: {words}" in lines.found

    def test_object_that_cannot_be_converted_is_a_bad_file(
        self, folder: Path, lines: Lines
    ) -> None:
        content = (folder / "a.dcm").read_bytes()
        (folder / "junk.dcm").write_bytes(content + b"\xff" * 20)
        outcome = send(accepting(IMPLICIT_LITTLE), "junk", "b", options=TransferOptions(halt=False))
        assert (outcome.submitted, outcome.failed) == (1, 1)
        errors = [line for line in lines.found if line.startswith("E:")]
        assert len(errors) == 1
        assert errors[0].startswith("E: Bad DICOM file: junk.dcm: cannot be read: ")

    def test_what_is_not_compressed_does_not_become_so(self, lines: Lines) -> None:
        link = accepting(JPEG)
        assert send(link, "a").failed == 1
        assert link.log == ["abort"]
        assert any("No conversion to transfer syntax JPEG" in line for line in lines.found)

    def test_dots_count_what_was_sent(self, folder: Path) -> None:
        class Dots:
            shown = 0

            def begin(self) -> None:
                pass

            def add(self, count: int = 1, /) -> None:
                self.shown += count

            def end(self) -> None:
                pass

        ct_image(rows=800, columns=800).write(folder / "big.dcm")
        for syntax in (IMPLICIT_LITTLE, DEFLATED_EXPLICIT_LITTLE):
            link, dots = accepting(syntax), Dots()
            send_files(link, ["big.dcm"], TransferOptions(), progress=dots)
            assert dots.shown == -(-len(link.sent[0][2]) // link.max_send_pdv)

    def test_new_vrs_are_kept_or_not(self, folder: Path) -> None:
        extra = [(0x00280120, "OL", b"\1\2\3\4")]
        ct_image(sop_instance_uid="2.25.1", extra=extra).write(folder / "new.dcm")
        old = ct_image(sop_instance_uid="2.25.1", extra=[(0x00280120, "OB", b"\1\2\3\4")])
        link = Link()
        send(link, "new")
        send(link, "new", options=TransferOptions(encoding=EncodingOptions(new_vrs=False)))
        assert link.sent[0][2] != link.sent[1][2] == old.data_set


class TestForms:
    def test_data_sets_alone(self, folder: Path, lines: Lines) -> None:
        (folder / "raw.dcm").write_bytes(ct_image(sop_instance_uid="2.25.1").data_set)
        link = Link()
        outcome = send(link, "raw", "a", options=TransferOptions(form=DATA_SET_ONLY))
        assert (outcome.confirmed, outcome.failed) == (1, 1)
        reason = "File meta information header found, no data set alone"
        assert f"E: Bad DICOM file: a.dcm: {reason}" in lines.found

    @pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, IMPLICIT_LITTLE, DEFLATED_EXPLICIT_LITTLE])
    def test_data_set_alone_is_sent_as_what_it_is(self, folder: Path, syntax: str) -> None:
        image = ct_image(transfer_syntax=syntax)
        (folder / "raw.dcm").write_bytes(image.data_set)
        link = accepting(syntax)
        assert send(link, "raw").ok
        assert link.sent == [(1, image.sop_instance_uid, image.data_set)]

    @pytest.mark.parametrize("correct", [True, False])
    def test_blanks_of_uids_are_left_out(
        self, folder: Path, lines: Lines, *, correct: bool
    ) -> None:
        image = ct_image(sop_instance_uid="2.25.1111")
        data = image.data_set.replace(b"2.25.1111\0", b"2.25.1111 ")
        (folder / "blank.dcm").write_bytes(data)
        link = Link()
        send(link, "blank", options=TransferOptions(repeat=2, correct_uids=correct))
        assert link.sent == 2 * [(1, "2.25.1111", image.data_set)]
        assert lines.found.count(
            "W: Element SOPInstanceUID (0008,0018) contains one or more space characters, "
            "which were removed"
        ) == (0 if correct else 1)

    def test_odd_data_set_is_padded(self, folder: Path) -> None:
        image = ct_image(sop_instance_uid="2.25.1")
        odd = struct.pack("<HH2sH", 0x7FE1, 0x0010, b"LO", 1) + b"A"
        even = struct.pack("<HH2sH", 0x7FE1, 0x0010, b"LO", 2)
        (folder / "odd.dcm").write_bytes(image.part10() + odd)
        link = Link()
        assert send(link, "odd").ok
        sent = link.sent[0][2]
        assert sent[:-1] == image.data_set + even + b"A"

    def test_odd_data_set_that_cannot_be_read_is_a_bad_file(
        self, folder: Path, lines: Lines
    ) -> None:
        (folder / "odd.dcm").write_bytes(ct_image().part10() + b"\xff" * 21)
        assert send(Link(), "odd").failed == 1
        assert any("data set of odd length" in line for line in lines.found)


class TestInvention:
    def inventor(self, **limits: int) -> Inventor:
        numbers = count(100)
        return Inventor(clock=lambda: 5.0, make_uid=lambda: f"2.25.{next(numbers)}", **limits)

    def test_every_request_gets_an_identity_of_its_own(self, lines: Lines) -> None:
        link = Link()
        options = TransferOptions(repeat=2, inventor=self.inventor())
        assert send(link, "a", "b", options=options).ok
        assert [uid for _, uid, _ in link.sent] == [f"2.25.{number}" for number in range(102, 106)]
        for _, uid, data in link.sent:
            assert uid.encode() in data
            assert b"OFFIS^TEST_PN_50" in data
            assert b"PID_50" in data
            assert b"2.25.100" in data
            assert b"Doe^Jane" not in data
        assert lines.found[1:10] == [
            "I: Inventing Identifying Information (pa0, st0, se0, im0):",
            "I:   PatientName=OFFIS^TEST_PN_50",
            "I:   PatientID=PID_50",
            "I:   StudyInstanceUID=2.25.101",
            "I:   StudyID=SID_50",
            "I:   SeriesInstanceUID=2.25.100",
            "I:   SeriesNumber=0",
            "I:   SOPInstanceUID=2.25.102",
            "I:   ImageNumber=0",
        ]
        assert "I: Inventing Identifying Information (pa0, st0, se0, im3):" in lines.found

    def test_bad_file_takes_no_number(self, lines: Lines) -> None:
        options = TransferOptions(halt=False, inventor=self.inventor())
        send(Link(), "bad", "a", options=options)
        assert [line for line in lines.found if "Inventing" in line] == [
            "I: Inventing Identifying Information (pa0, st0, se0, im0):"
        ]

    def test_elements_that_are_not_there_are_not_added(self) -> None:
        link = Link()
        send(link, "a", options=TransferOptions(inventor=self.inventor()))
        assert b"SID_50" not in link.sent[0][2]

    def test_together_with_a_conversion(self) -> None:
        link = accepting(IMPLICIT_LITTLE)
        send(link, "a", options=TransferOptions(inventor=self.inventor()))
        assert b"PID_50" in link.sent[0][2]
        assert link.sent[0][:2] == (1, "2.25.102")


RENAME = TransferOptions(rename=True)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestRenaming:
    def test_what_was_confirmed_is_done_and_what_failed_is_bad(self, folder: Path) -> None:
        link = Link(answers=[0, 0xB000, 0xA700])
        send(link, "a", "b", "c", "bad", "d", options=TransferOptions(rename=True, halt=False))
        assert names(folder) == [
            "a.dcm.done", "b.dcm.done", "bad.dcm.bad", "c.dcm.bad", "d.dcm.done",
        ]  # fmt: skip

    def test_nothing_is_renamed_unasked(self, folder: Path) -> None:
        before = names(folder)
        send(Link(), "a", "bad", options=TransferOptions(halt=False))
        assert names(folder) == before

    @pytest.mark.parametrize("failing", ["b", "bad"])
    def test_files_behind_a_failure_that_halts_keep_their_names(
        self, folder: Path, failing: str
    ) -> None:
        send(Link(answers=[0, 0xA700]), "a", failing, "c", options=RENAME)
        assert f"{failing}.dcm.bad" in names(folder)
        assert {"a.dcm.done", "c.dcm", "d.dcm"} <= set(names(folder))

    def test_file_without_context_is_bad(self, folder: Path) -> None:
        ct_image(sop_class_uid="2.25.99").write(folder / "own.dcm")
        send(Link(), "own", options=RENAME)
        assert "own.dcm.bad" in names(folder)

    def test_repeated_file_is_renamed_after_the_last_time(self, folder: Path) -> None:
        link = Link(answers=[0, 0, 0, 0xA700, 0])
        options = TransferOptions(rename=True, halt=False, repeat=2)
        assert send(link, "a", "b", "c", options=options).submitted == 6
        assert names(folder) == ["a.dcm.done", "b.dcm.bad", "bad.dcm", "c.dcm.done", "d.dcm"]

    def test_file_whose_repetition_was_halted_by_itself_is_bad(self, folder: Path) -> None:
        options = TransferOptions(rename=True, repeat=3)
        send(Link(answers=[0, 0xA700]), "a", "b", options=options)
        assert names(folder)[:2] == ["a.dcm.bad", "b.dcm"]

    def test_file_whose_repetition_was_halted_by_another_keeps_its_name(self, folder: Path) -> None:
        options = TransferOptions(rename=True, repeat=2, maximum_operations=3)
        send(Link(window=3, answers=[0xA700]), "a", "b", "c", options=options)
        # a failed; b was sent once of two times before that was known.
        assert names(folder)[:3] == ["a.dcm.bad", "b.dcm", "bad.dcm"]

    def test_names_wait_for_their_answers_within_a_window(self, folder: Path) -> None:
        link = Link(window=3, answers=[0, 0xA700, 0], latest_first=True)
        seen: list[list[str]] = []
        original = link.next_response

        def watch() -> object:
            seen.append(names(folder)[:3])
            return original()

        link.next_response = watch  # type: ignore[method-assign,assignment]  # looks only
        options = TransferOptions(rename=True, maximum_operations=3, halt=False)
        send(link, "a", "b", "c", options=options)
        assert seen[0] == ["a.dcm", "b.dcm", "bad.dcm"]
        assert names(folder) == ["a.dcm.done", "b.dcm.bad", "bad.dcm", "c.dcm.done", "d.dcm"]

    def test_files_that_no_answer_came_to_are_bad_as_with_dcmtk(self, folder: Path) -> None:
        link = Link(window=2, answers=[0, ConnectionLost("reset")])
        send(link, "a", "b", "c", "d", options=TransferOptions(rename=True, maximum_operations=2))
        assert names(folder) == ["a.dcm.done", "b.dcm.bad", "bad.dcm", "c.dcm.bad", "d.dcm"]

    def test_file_that_becomes_shorter_while_it_is_sent_is_bad(self, folder: Path) -> None:
        send(Link(submit_problem=OSError(5, "disk on fire")), "a", "b", options=RENAME)
        assert names(folder)[:2] == ["a.dcm.bad", "b.dcm"]

    def test_other_file_of_the_new_name_stays(self, folder: Path, lines: Lines) -> None:
        logging.getLogger("isocenter.sender").setLevel(logging.WARNING)
        (folder / "a.dcm.done").write_text("precious")
        assert send(Link(), "a", options=RENAME).ok
        assert (folder / "a.dcm.done").read_text() == "precious"
        assert lines.found == ["W: cannot rename file 'a.dcm' to 'a.dcm.done': File exists"]

    def test_same_file_twice_is_sent_twice(self, folder: Path) -> None:
        link = Link()
        outcome = send(link, "a", "a", options=TransferOptions(rename=True, halt=False))
        assert (outcome.confirmed, len(link.sent)) == (2, 2)
        assert "a.dcm.done" in names(folder)

"""The loop over files on one association: order, window, halting, lines, outcome (PS3.7 9.1.1)."""

from __future__ import annotations

import logging
import os
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import (
    AssociationAborted,
    AssociationReleased,
    ConnectionLost,
    DataSetError,
    DimseDecodeError,
    IsocenterError,
    TimeoutExpired,
)
from isocenter.sender import transfer
from isocenter.sender.prepare import prepare
from isocenter.sender.transfer import TransferOptions, send_files
from isocenter.testing.datasets import EXPLICIT_LITTLE, IMPLICIT_LITTLE, ct_image
from isocenter.ul.negotiation import AcceptedContext
from isocenter.wire import FileRegion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from isocenter.sender.outcome import Outcome
    from isocenter.sender.prepare import PreparedFile
    from isocenter.wire import Segment

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
PEER_ABORTED = "0006:0317 Peer aborted Association (or never connected)"


@dataclass
class Response:
    message_id_being_responded_to: int
    status: int = 0
    error_comment: str | None = None


def context(number: int, abstract: str, transfer: str) -> AcceptedContext:
    return AcceptedContext(
        context_id=number,
        abstract_syntax=abstract,
        transfer_syntax=transfer,
        as_scu=True,
        as_scp=False,
    )


@dataclass
class Link:
    """A peer that answers with the statuses it was given, then with success.

    `log` tells in which order things happened: ``+n`` sent, ``-n`` answered.
    """

    answers: list[int | IsocenterError] = field(default_factory=list)
    window: int = 1
    comment: str | None = None
    submit_problem: Exception | None = None
    release_problem: IsocenterError | None = None
    latest_first: bool = False
    max_send_pdv: int = 4000
    proposed: tuple[tuple[str, str], ...] = ()
    log: list[str] = field(default_factory=list)
    sent: list[tuple[int, str, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.outstanding: deque[int] = deque()
        self.contexts: Mapping[int, AcceptedContext] = {
            1: context(1, CT, EXPLICIT_LITTLE),
            3: context(3, CT, IMPLICIT_LITTLE),
            5: context(5, MR, EXPLICIT_LITTLE),
        }
        self._last = 0

    @property
    def can_submit(self) -> bool:
        return len(self.outstanding) < self.window

    def was_proposed(self, sop_class_uid: str, transfer_syntax_uid: str) -> bool:
        return (sop_class_uid, transfer_syntax_uid) in self.proposed

    def next_message_id(self) -> int:
        self._last += 1
        return self._last

    def lay_out(
        self,
        context_id: int,
        *,
        message_id: int,
        sop_class_uid: str,
        sop_instance_uid: str,
        data: Iterable[Segment],
    ) -> None:
        assert self.contexts[context_id].abstract_syntax == sop_class_uid

    def submit(
        self,
        context_id: int,
        *,
        message_id: int,
        sop_class_uid: str,
        sop_instance_uid: str,
        data: Iterable[Segment],
    ) -> None:
        assert self.can_submit
        assert self.contexts[context_id].abstract_syntax == sop_class_uid
        if self.submit_problem is not None:
            raise self.submit_problem
        content = b"".join(
            os.pread(segment.fd, segment.length, segment.offset)
            if isinstance(segment, FileRegion)
            else bytes(segment)
            for segment in data
        )
        self.sent.append((context_id, sop_instance_uid, content))
        self.outstanding.append(message_id)
        self.log.append(f"+{message_id}")

    def next_response(self) -> Response:
        message_id = self.outstanding.pop() if self.latest_first else self.outstanding.popleft()
        answer = self.answers.pop(0) if self.answers else 0
        if isinstance(answer, IsocenterError):
            raise answer
        self.log.append(f"-{message_id}")
        return Response(message_id, answer, self.comment)

    def request_dump(self, message_id: int) -> str:
        return f"request {message_id}"

    def response_dump(self) -> str:
        return "response"

    def release(self) -> None:
        self.log.append("release")
        if self.release_problem is not None:
            raise self.release_problem

    def abort(self) -> None:
        self.log.append("abort")


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a.dcm to d.dcm, CT images in explicit VR little endian."""
    monkeypatch.chdir(tmp_path)
    for name in "abcd":
        ct_image(sop_instance_uid=f"2.25.{ord(name)}").write(tmp_path / f"{name}.dcm")


class Lines(logging.Handler):
    """What was logged, line by line, as the tools show it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        prefix = "F: " if record.levelname == "CRITICAL" else f"{record.levelname[0]}: "
        self.found += (prefix + line for line in record.getMessage().split("\n"))


@pytest.fixture
def lines() -> Iterator[Lines]:
    logger = logging.getLogger("isocenter.sender")
    handler = Lines()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def send(
    link: Link, *names: str, options: TransferOptions | None = None, ignored: int = 0
) -> Outcome:
    files = [f"{name}.dcm" for name in names]
    return send_files(link, iter(files), options or TransferOptions(), ignored=ignored)


def facts(outcome: Outcome) -> tuple[int, int, int]:
    return outcome.submitted, outcome.confirmed, outcome.failed


NO_HALT = TransferOptions(halt=False)


class TestOrder:
    def test_one_after_the_other(self, lines: Lines) -> None:
        link = Link()
        outcome = send(link, "a", "b")
        assert outcome.ok
        assert facts(outcome) == (2, 2, 0)
        assert link.log == ["+1", "-1", "+2", "-2", "release"]
        assert lines.found == [
            "I: Sending file: a.dcm",
            "I: Sending Store Request (MsgID 1, CT)",
            "I: Received Store Response (Success)",
            "I: Sending file: b.dcm",
            "I: Sending Store Request (MsgID 2, CT)",
            "I: Received Store Response (Success)",
            "I: Releasing Association",
        ]

    def test_data_set_goes_out_unchanged_on_the_context_with_its_syntax(
        self, tmp_path: Path
    ) -> None:
        images = [
            ct_image(transfer_syntax=IMPLICIT_LITTLE),
            ct_image(rows=800, columns=800),
            ct_image(sop_class_uid=MR),
        ]
        for name, image in zip("xyz", images, strict=True):
            image.write(tmp_path / f"{name}.dcm")
        link = Link()
        assert send(link, "x", "y", "z").ok
        assert link.sent == [
            (number, image.sop_instance_uid, image.data_set)
            for number, image in zip((3, 1, 5), images, strict=True)
        ]

    def test_no_files_open_and_close_the_association(self) -> None:
        link = Link()
        outcome = send(link, ignored=1)
        assert (link.log, outcome.ok) == (["release"], False)

    def test_every_file_is_repeated_in_a_row(self, lines: Lines) -> None:
        link = Link()
        outcome = send(link, "a", "b", options=TransferOptions(repeat=2))
        assert facts(outcome) == (4, 4, 0)
        assert [uid for _, uid, _ in link.sent] == ["2.25.97", "2.25.97", "2.25.98", "2.25.98"]
        assert lines.found.count("I: Sending file: a.dcm") == 2
        assert "I: Sending Store Request (MsgID 4, CT)" in lines.found

    def test_next_file_is_prepared_while_the_response_is_outstanding(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        link = Link()

        def watch(path: str, *, form: str) -> PreparedFile:
            link.log.append(path)
            return prepare(path, form=form)

        monkeypatch.setattr(transfer, "prepare", watch)
        send(link, "a", "b", "c", options=TransferOptions(repeat=2))
        assert link.log == [
            "a.dcm", "+1", "b.dcm", "-1", "+2", "-2",
            "+3", "c.dcm", "-3", "+4", "-4", "+5", "-5", "+6", "-6", "release",
        ]  # fmt: skip

    def test_abort_at_the_end(self, lines: Lines) -> None:
        link = Link()
        assert send(link, "a", options=TransferOptions(abort=True)).ok
        assert link.log[-1] == "abort"
        assert lines.found[-1] == "I: Aborting Association"

    def test_no_descriptor_stays_open(self, tmp_path: Path) -> None:
        for name in "xyz":
            ct_image(rows=800, columns=800).write(tmp_path / f"{name}.dcm")
        before = len(os.listdir("/proc/self/fd"))
        send(Link(), "x", "y", "z", options=TransferOptions(repeat=2))
        send(Link(answers=[0xA700]), "x", "y", "z")
        send(Link(answers=[ConnectionLost("reset")]), "x", "y", "z")
        assert len(os.listdir("/proc/self/fd")) == before

    def test_debug_level_shows_dumps_instead_of_details(self, lines: Lines) -> None:
        logging.getLogger("isocenter.sender").setLevel(logging.DEBUG)
        send(Link(), "a")
        assert lines.found == [
            "I: Sending file: a.dcm",
            "I: Sending Store Request (MsgID 1, CT)",
            (
                "D:   using Presentation Context ID 1 = CTImageStorage with "
                "ExplicitVRLittleEndian transfer syntax"
            ),
            "D: request 1",
            "I: Received Store Response",
            "D: response",
            "I: Releasing Association",
        ]

    def test_progress_counts_pdvs(self) -> None:
        class Dots:
            shown = ""

            def begin(self) -> None:
                self.shown += "<"

            def add(self, count: int = 1, /) -> None:
                self.shown += "." * count

            def end(self) -> None:
                self.shown += ">"

        length = os.path.getsize("a.dcm")
        dots = Dots()
        link = Link(max_send_pdv=length // 2)
        send_files(link, ["a.dcm"], TransferOptions(repeat=2), progress=dots)
        assert dots.shown == "<..><..>"


class TestStatus:
    @pytest.mark.parametrize(
        ("status", "text"),
        [
            (0xB000, "Warning: CoercionOfDataElements"),
            (0xB006, "Warning: ElementsDiscarded"),
            (0xB123, "Unknown Status: 0xb123"),
            (0x0107, "Unknown Status: 0x107"),
        ],
    )
    def test_warning_is_a_success(self, lines: Lines, status: int, text: str) -> None:
        link = Link(answers=[status])
        outcome = send(link, "a", "b")
        assert outcome.ok
        assert (facts(outcome), outcome.warnings) == ((2, 2, 0), 1)
        assert f"I: Received Store Response ({text})" in lines.found

    @pytest.mark.parametrize("status", [0x0122, 0xA700, 0xA900, 0xC001, 0xFE00, 0xFF00, 0x0005])
    def test_failure_halts_and_releases(self, lines: Lines, status: int) -> None:
        link = Link(answers=[0, status])
        outcome = send(link, "a", "b", "c")
        assert not outcome.ok
        assert (facts(outcome), outcome.first_failure_status) == ((2, 1, 1), status)
        assert link.log == ["+1", "-1", "+2", "-2", "release"]
        assert lines.found[-1] == "I: Releasing Association"

    def test_failure_names_the_file_with_status_and_comment(self, lines: Lines) -> None:
        send(Link(answers=[0xA700], comment="disk\n full"), "a")
        assert lines.found[2:5] == [
            "I: Received Store Response (Refused: OutOfResources)",
            "E: Store Failed, file: a.dcm:",
            "E: status 0xa700 (Refused: OutOfResources): disk full",
        ]

    def test_failure_halts_repetition(self) -> None:
        link = Link(answers=[0xA700])
        send(link, "a", options=TransferOptions(repeat=3))
        assert link.log == ["+1", "-1", "release"]

    def test_without_halting_the_next_file_follows_and_the_first_failure_counts(self) -> None:
        link = Link(answers=[0, 0xA900, 0xA700])
        outcome = send(link, "a", "b", "c", "d", options=NO_HALT)
        assert (facts(outcome), outcome.first_failure_status) == ((4, 2, 2), 0xA900)
        assert link.log[-1] == "release"

    def test_abort_after_a_failure(self) -> None:
        link = Link(answers=[0xA700])
        send(link, "a", "b", options=TransferOptions(abort=True))
        assert link.log == ["+1", "-1", "abort"]


class TestFiles:
    @pytest.mark.parametrize("kind", ["missing", "text", "cut", "uid"])
    def test_bad_file_halts_and_aborts(self, lines: Lines, kind: str) -> None:
        condition, reason = make_bad(kind)
        link = Link()
        outcome = send(link, "a", "bad", "b")
        assert (facts(outcome), outcome.first_failure_status) == ((1, 1, 1), None)
        assert link.log == ["+1", "-1", "abort"]
        assert lines.found[3:] == [
            "I: Sending file: bad.dcm",
            f"E: Bad DICOM file: bad.dcm: {reason}",
            f"E: Store SCU Failed: {condition} {reason}",
            "I: Aborting Association",
        ]

    @pytest.mark.parametrize("kind", ["missing", "text", "cut", "uid"])
    def test_bad_file_takes_a_message_id_and_is_left_out_without_halting(
        self, lines: Lines, kind: str
    ) -> None:
        _, reason = make_bad(kind)
        link = Link()
        outcome = send(link, "a", "bad", "b", options=NO_HALT)
        assert facts(outcome) == (2, 2, 1)
        assert link.log == ["+1", "-1", "+3", "-3", "release"]
        assert lines.found[3:6] == [
            "I: Sending file: bad.dcm",
            f"E: Bad DICOM file: bad.dcm: {reason}",
            "I: Sending file: b.dcm",
        ]

    def test_bad_file_is_named_once_however_often_it_is_to_be_sent(self, lines: Lines) -> None:
        make_bad("text")
        outcome = send(Link(), "bad", options=TransferOptions(halt=False, repeat=3))
        assert outcome.failed == 1
        assert len([line for line in lines.found if line.startswith("E:")]) == 1

    def test_path_with_a_nul(self) -> None:
        outcome = send_files(Link(), ["a\0b"], NO_HALT)
        assert outcome.failed == 1

    def test_no_context_for_the_class(self, lines: Lines, tmp_path: Path) -> None:
        ct_image(sop_class_uid="1.2.840.10008.5.1.4.1.1.66.4").write(tmp_path / "seg.dcm")
        link = Link()
        outcome = send(link, "seg", "a")
        assert facts(outcome) == (0, 0, 1)
        assert link.log == ["abort"]
        assert lines.found == [
            "I: Sending file: seg.dcm",
            "E: No presentation context for: (SG) 1.2.840.10008.5.1.4.1.1.66.4",
            "E: Store Failed, file: seg.dcm:",
            "E: 0006:0208 DIMSE No valid Presentation Context ID",
            "E: Store SCU Failed: 0006:0208 DIMSE No valid Presentation Context ID",
            "I: Aborting Association",
        ]

    def test_no_context_for_an_unknown_class(self, lines: Lines, tmp_path: Path) -> None:
        ct_image(sop_class_uid="2.25.99").write(tmp_path / "own.dcm")
        send(Link(), "own", "a", options=NO_HALT)
        assert "E: No presentation context for: (unknown SOP class) 2.25.99" in lines.found
        assert lines.found[-1] == "I: Releasing Association"

    def test_context_with_another_transfer_syntax_only(self, lines: Lines, tmp_path: Path) -> None:
        ct_image(transfer_syntax="1.2.840.10008.1.2.4.70").write(tmp_path / "jpeg.dcm")
        link = Link()
        send(link, "jpeg")
        assert link.log == ["abort"]
        why = (
            "(the file is JPEGLossless:Non-hierarchical-1stOrderPrediction, "
            "which was not agreed on: --propose-lossless proposes it, "
            "and the receiver has to take it)"
        )
        assert lines.found == [
            "I: Sending file: jpeg.dcm",
            "E: No conversion to transfer syntax Little Endian Explicit possible!",
            "E: Store Failed, file: jpeg.dcm:",
            f"E: 0006:020e DIMSE Failed to send message {why}",
            f"E: Store SCU Failed: 0006:020e DIMSE Failed to send message {why}",
            "I: Aborting Association",
        ]

    @pytest.mark.parametrize("by_profile", [True, False])
    def test_no_option_is_named_where_the_receiver_refused_what_was_proposed(
        self, lines: Lines, tmp_path: Path, *, by_profile: bool
    ) -> None:
        jpeg = "1.2.840.10008.1.2.4.70"
        ct_image(transfer_syntax=jpeg).write(tmp_path / "jpeg.dcm")
        options = TransferOptions(proposed_by_profile=by_profile)
        send(Link(proposed=((CT, jpeg),)), "jpeg", options=options)
        (line,) = [line for line in lines.found if line.startswith("E: Store SCU Failed")]
        assert line.endswith(
            "(the file is JPEGLossless:Non-hierarchical-1stOrderPrediction, "
            "which the receiver did not accept)"
        )

    def test_no_option_is_named_where_a_profile_proposes(
        self, lines: Lines, tmp_path: Path
    ) -> None:
        ct_image(transfer_syntax="1.2.840.10008.1.2.4.70").write(tmp_path / "jpeg.dcm")
        send(Link(), "jpeg", options=TransferOptions(proposed_by_profile=True))
        (line,) = [line for line in lines.found if line.startswith("E: Store SCU Failed")]
        assert "the profile has to propose it" in line
        assert "--propose" not in line

    def test_big_file_that_changes_between_reading_and_sending(
        self, lines: Lines, tmp_path: Path
    ) -> None:
        path = ct_image(rows=800, columns=800).write(tmp_path / "big.dcm")
        link = Link()
        original = link.next_response

        def change() -> Response:
            os.truncate(path, 300_000)
            return original()

        link.next_response = change  # type: ignore[method-assign]  # the moment between the two
        outcome = send(link, "a", "big", "b", options=NO_HALT)
        assert facts(outcome) == (2, 2, 1)
        assert "E: Bad DICOM file: big.dcm: file changed while it waited to be sent" in lines.found

    def test_file_that_becomes_shorter_while_it_is_sent(self, lines: Lines) -> None:
        link = Link(submit_problem=DataSetError("file became shorter while it was sent"))
        outcome = send(link, "a", "b", options=NO_HALT)
        assert outcome.broken
        assert (facts(outcome), outcome.first_failure_status) == ((0, 0, 1), None)
        assert lines.found[2:] == [
            "E: Store Failed, file: a.dcm:",
            "E: 0001:0006 file became shorter while it was sent",
            "E: Store SCU Failed: 0001:0006 file became shorter while it was sent",
            "I: Aborting Association",
        ]

    def test_file_that_cannot_be_read_while_it_is_sent(self, lines: Lines) -> None:
        outcome = send(Link(submit_problem=OSError(5, "Input/output error")), "a", "b")
        assert outcome.broken
        assert "E: 0001:0012 Input/output error" in lines.found
        assert lines.found[-1] == "I: Aborting Association"


def make_bad(kind: str) -> tuple[str, str]:
    """Make bad.dcm and return number and reason of its condition."""
    if kind == "missing":
        return "0001:0012", "No such file or directory"
    with open("bad.dcm", "wb") as file:
        if kind == "text":
            file.write(b"no DICOM at all, but long enough to look into")
            return "0001:0006", "not a DICOM file"
        image = ct_image(sop_instance_uid="1.2.826.0.1.3680043.8.498.1")
        content = image.part10()
        if kind == "uid":
            file.write(
                content.replace(b"1.2.826.0.1.3680043.8.498.", b"\xe9.2.826.0.1.3680043.8.498.")
            )
            reason = "SOP instance UID has characters beyond ASCII: 'é.2.826.0.1.3680043.8.498.1'"
            return "0001:0006", reason
        file.write(content[:-10])
    # The pixel data is the last element: 12 bytes of header and 64 * 64 * 2 of value.
    offset = len(content) - 64 * 64 * 2 - 12
    return "0001:0006", f"cut short: 10 bytes of an element are missing at offset {offset}"


class TestAssociation:
    @pytest.mark.parametrize("halt", [True, False])
    @pytest.mark.parametrize(
        "problem",
        [
            AssociationAborted(0, 0, by_peer=True),
            ConnectionLost("closed by peer"),
            TimeoutExpired("socket", 60),
        ],
        ids=lambda problem: type(problem).__name__,
    )
    def test_peer_is_gone(self, lines: Lines, problem: IsocenterError, halt: bool) -> None:
        link = Link(answers=[0, problem])
        outcome = send(link, "a", "b", "c", options=TransferOptions(halt=halt))
        assert outcome.broken
        assert (facts(outcome), outcome.first_failure_status) == ((2, 1, 1), None)
        assert "release" not in link.log
        assert lines.found[-3:] == [
            "E: Store Failed, file: b.dcm:",
            f"E: {PEER_ABORTED} ({problem})",
            "I: Peer Aborted Association",
        ]

    def test_dimse_timeout(self, lines: Lines) -> None:
        outcome = send(Link(answers=[TimeoutExpired("dimse", 5)]), "a", "b", options=NO_HALT)
        assert outcome.broken
        condition = "0006:0207 DIMSE No data available (timeout in non-blocking mode)"
        assert lines.found[-4:] == [
            "E: Store Failed, file: a.dcm:",
            f"E: {condition}",
            f"E: Store SCU Failed: {condition}",
            "I: Aborting Association",
        ]

    def test_peer_asks_for_release(self, lines: Lines) -> None:
        outcome = send(Link(answers=[AssociationReleased("asked")]), "a")
        assert outcome.broken
        assert lines.found[-2:] == [
            "E: Protocol Error: Peer requested release (Aborting)",
            "I: Aborting Association",
        ]

    def test_peer_breaks_the_protocol(self, lines: Lines) -> None:
        problem = DimseDecodeError("C-STORE-RSP", "Status", offset=8, expected="it", found="none")
        outcome = send(Link(answers=[problem]), "a")
        assert outcome.broken
        assert lines.found[-2] == (
            f"E: Store SCU Failed: 0006:0203 DIMSE Badly formed message ({problem})"
        )

    def test_release_fails(self, lines: Lines) -> None:
        outcome = send(Link(release_problem=TimeoutExpired("acse", 30)), "a")
        assert (outcome.ok, facts(outcome)) == (False, (1, 1, 0))
        expected = "E: Association Release Failed: 0006:031a DUL network read timeout"
        assert lines.found[-1] == expected

    def test_interrupt_aborts(self) -> None:
        link = Link()

        def interrupted() -> Response:
            raise KeyboardInterrupt

        link.next_response = interrupted  # type: ignore[method-assign]  # the user presses Ctrl-C
        with pytest.raises(KeyboardInterrupt):
            send(link, "a", "b")
        assert link.log == ["+1", "abort"]


class TestWindow:
    def test_as_many_are_outstanding_as_asked_for(self, lines: Lines) -> None:
        link = Link(window=64)
        outcome = send(link, "a", "b", "c", "d", options=TransferOptions(maximum_operations=2))
        assert facts(outcome) == (4, 4, 0)
        assert link.log == ["+1", "+2", "-1", "+3", "-2", "+4", "-3", "-4", "release"]
        assert "I: Received Store Response (MsgID 4, Success)" in lines.found

    def test_as_many_are_outstanding_as_granted(self) -> None:
        link = Link(window=1)
        send(link, "a", "b", options=TransferOptions(maximum_operations=8))
        assert link.log == ["+1", "-1", "+2", "-2", "release"]

    def test_responses_in_another_order_belong_to_their_files(self, lines: Lines) -> None:
        link = Link(window=3, answers=[0, 0xA700, 0], latest_first=True)
        options = TransferOptions(maximum_operations=3, halt=False)
        outcome = send(link, "a", "b", "c", options=options)
        assert facts(outcome) == (3, 2, 1)
        assert link.log == ["+1", "+2", "+3", "-3", "-2", "-1", "release"]
        assert "E: Store Failed, file: b.dcm:" in lines.found

    def test_failure_halts_once_the_outstanding_are_answered(self) -> None:
        link = Link(window=3, answers=[0xA700])
        outcome = send(link, "a", "b", "c", "d", options=TransferOptions(maximum_operations=3))
        assert facts(outcome) == (3, 2, 1)
        assert link.log == ["+1", "+2", "+3", "-1", "-2", "-3", "release"]

    def test_bad_file_halts_once_the_outstanding_are_answered(self) -> None:
        make_bad("text")
        link = Link(window=3)
        outcome = send(link, "a", "b", "bad", "c", options=TransferOptions(maximum_operations=3))
        assert facts(outcome) == (2, 2, 1)
        assert link.log == ["+1", "+2", "-1", "-2", "abort"]

    def test_every_outstanding_file_is_named_when_the_peer_is_gone(self, lines: Lines) -> None:
        link = Link(window=3, answers=[ConnectionLost("reset")])
        outcome = send(link, "a", "b", "c", "d", options=TransferOptions(maximum_operations=3))
        assert facts(outcome) == (3, 0, 3)
        for name in "abc":
            assert f"E: Store Failed, file: {name}.dcm:" in lines.found

"""What can go wrong for a requestor: scripts of a peer, and what differs when it does.

Data of test_differential_failures.py, after the table of dcmtk-facts 5.1, 5.8 and
companion-facts 1.2 and 2.4. A case says how the log lines of ours differ from DCMTK's at info
level, line by line; nothing else may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from isocenter.testing import RawPdu, raw
from isocenter.testing.peer import PeerClosed, accept, serve_storage

if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.testing import RawConnection, RawMessage
    from isocenter.testing.peer import Script

__all__ = ["BOTH", "COMMON", "ECHO", "STORE", "Case", "serving"]

PATIENCE = 4
"""Seconds that a script waits for the tool to go away: more than any timeout given to it."""


class Case(NamedTuple):
    """A peer, what the tool is given, and how ours differs.

    Fields: `theirs` is DCMTK's exit code, None where it is undefined; `differs` holds the
    lines of a diff, ``-`` DCMTK's and ``+`` ours; `echo` the same for echoscu where it is not
    that of storescu, with `echo_codes`.
    """

    name: str
    script: Script
    options: tuple[str, ...] = ()
    files: tuple[str, ...] = ("0.dcm", "1.dcm")
    theirs: int | None = 1
    ours: int = 1
    differs: str = ""
    echo: str | None = None
    echo_codes: tuple[int, int] = (1, 1)


COMMON = (
    (
        r"(0006:0317 Peer aborted Association \(or never connected\)) \(.*\)",
        r"\1",
        "ours says behind it what ended the association",
    ),
    (r"E: Received invalid A-ASSOCIATE-RJ .*\n", "", "ours shows the number in the next lines"),
    (r"[IW]: hint: .*\n", "", "ours suggests what would help"),
    (
        r"[IW]: \d+ of \d+ objects? (was|were) confirmed.*\n",
        "",
        "ours adds up what became of several objects",
    ),
    (
        r"0006:020(d DIMSE Failed to receive message|c DIMSE Read PDV failed)\nE: (?=0006:)",
        "",
        "the oracle names each layer that an error went through",
    ),
)
"""What may differ in any case: (regular expression, what is left, reason)."""


# --- scripts --------------------------------------------------------------------------------


def _silent(connection: RawConnection) -> None:
    connection.receive()
    connection.receive_until_closed(timeout=PATIENCE)


def _rejecting(result: int, source: int, reason: int) -> Script:
    def script(connection: RawConnection) -> None:
        connection.receive()
        connection.send(raw.associate_rj(result, source, reason))
        connection.receive_until_closed(timeout=PATIENCE)

    return script


def _refusing(reason: int) -> Script:
    def script(connection: RawConnection) -> None:
        accept(connection, choose=lambda _, syntaxes: (reason, syntaxes[0]))
        connection.receive_until_closed(timeout=PATIENCE)

    return script


def _closing_at_once(connection: RawConnection) -> None:
    del connection


def _closing_after_request(connection: RawConnection) -> None:
    connection.receive()


def _aborting_the_request(connection: RawConnection) -> None:
    connection.receive()
    connection.send(raw.abort(2, 1))
    connection.receive_until_closed(timeout=PATIENCE)


def serving(*statuses: int) -> Script:
    """Return a script that answers requests with these statuses, then with success."""

    def script(connection: RawConnection) -> None:
        left = list(statuses)

        def status(_: RawMessage) -> int:
            return left.pop(0) if left else 0

        accept(connection)
        for _ in serve_storage(connection, status=status):
            pass

    return script


def _answering(answer: Callable[[RawMessage], bytes], *, wait: bool = True) -> Script:
    """Return a script that answers the first message with these bytes."""

    def script(connection: RawConnection) -> None:
        accept(connection)
        message = connection.receive_message()
        assert not isinstance(message, RawPdu)
        connection.send(answer(message))
        if wait:
            connection.receive_until_closed(timeout=PATIENCE)

    return script


def _vanishing(connection: RawConnection) -> None:
    accept(connection)
    connection.receive_message()
    connection.vanish()


def _response(request: RawMessage, *, number: int | None = None, context: int = 0) -> bytes:
    number = request.number(0x0110) if number is None else number
    if request.number(0x0100) == 0x0030:
        command = raw.c_echo_rsp(number)
    else:
        command = raw.c_store_rsp(number, 0, request.text(0x0002), request.text(0x1000))
    return raw.message(context or request.context_id, command)


def _other_response(request: RawMessage) -> bytes:
    if request.number(0x0100) == 0x0030:
        command = raw.c_store_rsp(1, 0, "1.2", "1.2")
    else:
        command = raw.c_echo_rsp(1)
    return raw.message(request.context_id, command)


def _at_release(*answers: bytes, wait: bool = True) -> Script:
    """Return a script that serves, and answers the release with something else."""

    def script(connection: RawConnection) -> None:
        accept(connection)
        while not isinstance(message := connection.receive_message(), RawPdu):
            connection.send(_response(message))
        for number, answer in enumerate(answers):
            if number:
                connection.receive(timeout=PATIENCE)
            connection.send(answer)
        if wait:
            connection.receive_until_closed(timeout=PATIENCE)

    return script


def _speaking_http(connection: RawConnection) -> None:
    connection.receive_exactly(16)
    try:
        connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        connection.receive_until_closed(timeout=PATIENCE)
    except (PeerClosed, OSError):
        return


NOTHING = b""
OK = serving()

# --- what becomes of them -------------------------------------------------------------------

REASONS = [
    (1, 1, 1),
    (1, 1, 2),
    (1, 1, 3),
    (1, 1, 7),
    (2, 1, 1),
    (1, 2, 1),
    (1, 2, 2),
    (2, 3, 1),
    (2, 3, 2),
]

BOTH = [
    Case("silent after the request", _silent, ("-ta", "1")),
    *(Case(f"rejected {reason}", _rejecting(*reason)) for reason in REASONS),
    Case(
        "rejected with an unknown reason",
        _rejecting(1, 1, 9),
        differs="-F: Reason: No Reason\n+F: Reason: Unknown Reason 9",
    ),
    Case(
        "rejected with an unknown result",
        _rejecting(3, 1, 1),
        differs="-F: Result: Rejected Permanent, Source: Service User\n"
        "+F: Result: Unknown Result 3, Source: Service User",
    ),
    Case("no abstract syntax taken", _refusing(3)),
    Case("no transfer syntax taken", _refusing(4)),
    Case("contexts refused by the user", _refusing(1)),
    Case("closed before the request", _closing_at_once),
    Case("closed after the request", _closing_after_request),
    Case("request aborted", _aborting_the_request),
    Case("HTTP", _speaking_http),
    Case(
        "aborted by the user",
        _answering(lambda _: raw.abort()),
        theirs=None,
        echo="",
        echo_codes=(0, 1),
    ),
    Case(
        "aborted by the provider",
        _answering(lambda _: raw.abort(2, 6)),
        theirs=None,
        echo_codes=(0, 1),
    ),
    Case("closed", _answering(lambda _: NOTHING, wait=False), theirs=None, echo_codes=(0, 1)),
    Case("reset", _vanishing, theirs=None, echo_codes=(0, 1)),
    Case(
        "silent, -ts", _answering(lambda _: NOTHING), ("-ts", "1"), theirs=None, echo_codes=(0, 1)
    ),
    Case("silent, -td", _answering(lambda _: NOTHING), ("-td", "1"), echo_codes=(70, 70)),
    Case(
        "release instead of a response",
        _answering(lambda _: raw.release_rq()),
        theirs=None,
        echo="-E: Echo Failed: 0006:0319 DUL Peer Requested Release",
        echo_codes=(70, 70),
    ),
    Case(
        "no PDU instead of a response",
        _answering(lambda _: b"\x47\0\0\0\0\4GET "),
        echo_codes=(70, 70),
    ),
    Case(
        "release response instead of a response",
        _answering(lambda _: raw.release_rp()),
        differs="-E: 0006:020c DIMSE Read PDV failed\n"
        "-E: Store SCU Failed: 0006:020c DIMSE Read PDV failed\n"
        "+E: Store SCU Failed: 0006:0303 DUL Finite State Machine Error: unexpected EVT13 in STA6\n"
        "-E: Association Abort Failed: 0006:0303 DUL Finite State Machine Error: "
        "No action defined, state 13 event 14",
        echo="-E: Echo Failed: 0006:020c DIMSE Read PDV failed\n"
        "-E: Echo SCU Failed: 0006:020c DIMSE Read PDV failed\n"
        "+E: Echo Failed: 0006:0303 DUL Finite State Machine Error: unexpected EVT13 in STA6\n"
        "+E: Echo SCU Failed: 0006:0303 DUL Finite State Machine Error: "
        "unexpected EVT13 in STA6\n"
        "-F: Association Abort Failed: 0006:0303 DUL Finite State Machine Error: "
        "No action defined, state 13 event 14",
        echo_codes=(1, 70),
    ),
    Case(
        "response to another message",
        _answering(lambda request: _response(request, number=77)),
        differs="-E: 0006:0211 DIMSE: Unexpected Response MsgId: 77 (expected: 1)\n"
        "-E: Store SCU Failed: 0006:0211 DIMSE: Unexpected Response MsgId: 77 (expected: 1)\n"
        "+E: 0006:0203 DIMSE Badly formed message (C-STORE-RSP: MessageIDBeingRespondedTo: "
        "expected that of an outstanding request, found 77)\n"
        "+E: Store SCU Failed: 0006:0203 DIMSE Badly formed message (C-STORE-RSP: "
        "MessageIDBeingRespondedTo: expected that of an outstanding request, found 77)",
        echo="-E: Echo Failed: 0006:0211 DIMSE: Unexpected Response MsgId: 77 (expected: 1)\n"
        "-E: Echo SCU Failed: 0006:0211 DIMSE: Unexpected Response MsgId: 77 (expected: 1)\n"
        "+E: Echo Failed: 0006:0203 DIMSE Badly formed message (C-ECHO-RSP: "
        "MessageIDBeingRespondedTo: expected that of an outstanding request, found 77)\n"
        "+E: Echo SCU Failed: 0006:0203 DIMSE Badly formed message (C-ECHO-RSP: "
        "MessageIDBeingRespondedTo: expected that of an outstanding request, found 77)",
        echo_codes=(70, 70),
    ),
    Case(
        "response of another service",
        _answering(_other_response),
        differs="-E: 0006:0211 DIMSE: Unexpected Response Command Field: 0x8030\n"
        "-E: Store SCU Failed: 0006:0211 DIMSE: Unexpected Response Command Field: 0x8030\n"
        "+E: 0006:0203 DIMSE Badly formed message (CEchoRSP: Command Field: "
        "expected CStoreRSP, found 8030H)\n"
        "+E: Store SCU Failed: 0006:0203 DIMSE Badly formed message (CEchoRSP: Command Field: "
        "expected CStoreRSP, found 8030H)",
        echo="-E: Echo Failed: 0006:0211 DIMSE: Unexpected Response Command Field: 0x8001\n"
        "-E: Echo SCU Failed: 0006:0211 DIMSE: Unexpected Response Command Field: 0x8001\n"
        "+E: Echo Failed: 0006:0203 DIMSE Badly formed message (CStoreRSP: Command Field: "
        "expected CEchoRSP, found 8001H)\n"
        "+E: Echo SCU Failed: 0006:0203 DIMSE Badly formed message (CStoreRSP: Command Field: "
        "expected CEchoRSP, found 8001H)",
        echo_codes=(70, 70),
    ),
    Case("silent at the release", _at_release(), ("-ta", "1")),
    Case("aborted at the release", _at_release(raw.abort())),
    Case("closed at the release", _at_release(wait=False)),
    Case(
        "release at the release",
        _at_release(raw.release_rq(), raw.release_rp()),
        ours=0,
        differs="-E: Association Release Failed: 0006:0319 DUL Peer Requested Release",
        echo="-F: Association Release Failed: 0006:0319 DUL Peer Requested Release",
        echo_codes=(1, 0),
    ),
]
"""What happens to either requestor."""

_TRANSFER = "JPEG Lossless, Non-hierarchical, 1st Order Prediction"
_NOT_AGREED = (
    "0006:020e DIMSE Failed to send message (the file is "
    "JPEGLossless:Non-hierarchical-1stOrderPrediction, which was not agreed on: "
    "--propose-lossless proposes it, and the receiver has to take it)"
)
_JPEG = (
    f"-I: Converting transfer syntax: {_TRANSFER} -> Little Endian Explicit\n"
    "-I: Sending Store Request (MsgID 1, CT)\n"
    "-W: DIMSE Warning: (STORESCU,ANY-SCP): sendMessage: unable to convert dataset from "
    f"'{_TRANSFER}' transfer syntax to 'Little Endian Explicit'\n"
    "+E: No conversion to transfer syntax Little Endian Explicit possible!\n"
)


def _named(name: str) -> str:
    return f"+E: Store Failed, file: {name}:\n+E: 0006:0208 DIMSE No valid Presentation Context ID"


_GOES_ON = (
    "-I: Sending file: 1.dcm\n-I: Sending Store Request (MsgID 2, CT)\n"
    "-E: Store Failed, file: 1.dcm:\n-E: {}\n-I: Releasing Association\n-E: {}\n"
)

STORE = [
    Case(
        "aborted, -nh",
        _answering(lambda _: raw.abort()),
        ("-nh",),
        differs=_GOES_ON.format(
            "0006:020e DIMSE Failed to send message",
            "Association Release Failed: 0006:0303 DUL Finite State Machine Error: "
            "No action defined, state 1 event 10",
        )
        + "+I: Peer Aborted Association",
    ),
    Case(
        "silent, -td and -nh",
        _answering(lambda _: NOTHING),
        ("-td", "1", "-nh"),
        differs=_GOES_ON.format(
            "0006:0207 DIMSE No data available (timeout in non-blocking mode)",
            "Association Release Failed: 0006:0317 Peer aborted Association (or never connected)",
        )
        + "+E: Store SCU Failed: 0006:0207 DIMSE No data available (timeout in non-blocking mode)\n"
        "+I: Aborting Association",
    ),
    Case(
        "bad file",
        OK,
        files=("0.dcm", "bad.dcm", "1.dcm"),
        differs="-E: Bad DICOM file: bad.dcm: I/O suspension or premature end of stream\n"
        "-E: Store SCU Failed: 0001:000a I/O suspension or premature end of stream\n"
        "+E: Bad DICOM file: bad.dcm: not a DICOM file\n"
        "+E: Store SCU Failed: 0001:0006 not a DICOM file",
    ),
    Case(
        "bad file, -nh",
        OK,
        ("-nh",),
        ("0.dcm", "bad.dcm", "1.dcm"),
        theirs=0,
        differs="-E: Bad DICOM file: bad.dcm: I/O suspension or premature end of stream\n"
        "+E: Bad DICOM file: bad.dcm: not a DICOM file",
    ),
    Case(
        "empty file",
        OK,
        files=("empty.dcm", "1.dcm"),
        differs="-E: Bad DICOM file: empty.dcm: End of stream\n"
        "-E: Store SCU Failed: 0001:0005 End of stream\n"
        "+E: Bad DICOM file: empty.dcm: not a DICOM file: empty file\n"
        "+E: Store SCU Failed: 0001:0006 not a DICOM file: empty file",
    ),
    Case(
        "file cut short",
        OK,
        files=("cut.dcm", "1.dcm"),
        differs="-E: Bad DICOM file: cut.dcm: Invalid stream\n"
        "-E: Store SCU Failed: 0001:0004 Invalid stream\n"
        "+E: Bad DICOM file: cut.dcm: cut short: 7 bytes of an element are missing at offset 580\n"
        "+E: Store SCU Failed: 0001:0006 cut short: 7 bytes of an element are missing at "
        "offset 580",
    ),
    Case("private class", OK, files=("private.dcm", "1.dcm"), differs=_named("private.dcm")),
    Case(
        "private class, -nh",
        OK,
        ("-nh",),
        ("private.dcm", "1.dcm"),
        theirs=0,
        differs=_named("private.dcm"),
    ),
    Case("private class, -R", OK, ("-R",), ("private.dcm", "1.dcm")),
    Case("private class, -R and -nh", OK, ("-R", "-nh"), ("private.dcm", "1.dcm"), theirs=0),
    Case("class not proposed", OK, files=("seg.dcm", "1.dcm"), differs=_named("seg.dcm")),
    Case("class proposed with -R", OK, ("-R",), ("seg.dcm", "1.dcm"), theirs=0, ours=0),
    Case(
        "compressed, syntax not proposed",
        OK,
        files=("jpeg.dcm", "1.dcm"),
        differs=_JPEG + "-E: 0006:020e DIMSE Failed to send message\n"
        "-E: Store SCU Failed: 0006:020e DIMSE Failed to send message\n"
        f"+E: {_NOT_AGREED}\n+E: Store SCU Failed: {_NOT_AGREED}",
    ),
    Case(
        "compressed, syntax not proposed, -nh",
        OK,
        ("-nh",),
        ("jpeg.dcm", "1.dcm"),
        theirs=0,
        differs=_JPEG + "-E: 0006:020e DIMSE Failed to send message\n" + f"+E: {_NOT_AGREED}",
    ),
    Case("compressed, syntax proposed", OK, ("-xs", "-R"), ("jpeg.dcm", "1.dcm"), theirs=0, ours=0),
    Case("too many contexts", OK, ("-R",), tuple(f"many/{n}.dcm" for n in range(66))),
    Case("many contexts, +C", OK, ("-R", "+C"), ("many/0.dcm", "many/65.dcm"), theirs=0, ours=0),
    *(
        Case(f"status {status:04x}", serving(status), theirs=code, ours=code)
        for status, code in (
            (0xA700, 0xA7),
            (0xA7FF, 0xA7),
            (0xA900, 0xA9),
            (0xA9AB, 0xA9),
            (0xC000, 0xC0),
            (0xCFFF, 0xCF),
            (0x0110, 1),
            (0x0122, 1),
            (0x0124, 1),
            (0x0210, 2),
            (0xFE00, 0xFE),
            (0xB123, 0),
            (0xB000, 0),
            (0x0001, 0),
            (0x0107, 0),
        )
    ),
    Case("second object refused", serving(0, 0xA700), theirs=0xA7, ours=0xA7),
    Case("two refused, -nh", serving(0xA900, 0xC000), ("-nh",), theirs=0, ours=0xA9),
    Case("file not there, -nh", OK, ("-nh",), ("nowhere.dcm",), theirs=0),
]
"""What happens to storescu alone."""

ECHO = [
    Case(
        f"status {status:04x}",
        serving(status),
        theirs=0,
        differs=f"-I: Received Echo Response (Unknown Status: 0x{status:x})\n"
        f"+E: Received Echo Response (Unknown Status: 0x{status:x})",
    )
    for status in (0x0122, 0x0110, 0xA700, 0xC001, 0xB000, 0x0001)
]
"""What happens to echoscu alone."""

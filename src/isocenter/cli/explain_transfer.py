"""Why an object was not stored, an echo failed or an association broke, in plain words.

Owns what DIMSE statuses mean for a user and the words for associations that end before
their time, on either side. Facts go in, lines come out: no file and no connection is touched
here. PS3.4 B.2.3, PS3.7 annex C; PS3.8 7.3, 7.4.
"""

from __future__ import annotations

import errno
import os

from isocenter.cli.explain import abort_words, count_words, named, size_words, timeout_lines
from isocenter.dimse import status as codes
from isocenter.errors import (
    AssociationAborted,
    AssociationReleased,
    ConnectionLost,
    DataSetError,
    DimseDecodeError,
    DuplicateObject,
    ObjectMismatch,
    PduDecodeError,
    PeerProtocolError,
    StorageError,
    StorageFull,
    StorageRefused,
    TimeoutExpired,
)
from isocenter.record import Record

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from isocenter.cli.explain import Lines
    from isocenter.cli.spec import Tool

__all__ = [
    "Progress",
    "broken",
    "echo_failed",
    "not_served",
    "not_stored",
    "reception_broken",
    "store_failed",
]

_BIG = 4 << 30
"""Bytes from which on lengths in 32 bits do not suffice, which trips many receivers."""

_MEANINGS = {
    0x0105: "it misses an attribute that is not there",
    0x0106: "it found an attribute with a value that it does not allow",
    codes.PROCESSING_FAILURE: "something went wrong inside it, which it does not name",
    codes.DUPLICATE_SOP_INSTANCE: "it has an object of this SOP Instance UID already and keeps it",
    codes.NO_SUCH_SOP_INSTANCE: "it knows no object of this SOP Instance UID",
    codes.INVALID_ARGUMENT_VALUE: "it found a value that it does not allow",
    codes.INVALID_SOP_INSTANCE: "the SOP Instance UID breaks the rules for UIDs",
    codes.NO_SUCH_SOP_CLASS: "it does not know the SOP class, although it accepted a context",
    codes.CLASS_INSTANCE_CONFLICT: "it knows the SOP Instance UID with another SOP class",
    codes.MISSING_ATTRIBUTE: "an attribute that it needs is missing",
    codes.MISSING_ATTRIBUTE_VALUE: "an attribute that it needs is empty",
    codes.SOP_CLASS_NOT_SUPPORTED: (
        "it does not store this SOP class, although it accepted a context for it"
    ),
    codes.NOT_AUTHORIZED: "this AE title is not allowed to do that there",
    codes.DUPLICATE_INVOCATION: "it takes the message ID for one that is still in use",
    codes.UNRECOGNIZED_OPERATION: "it does not know this kind of request",
    codes.MISTYPED_ARGUMENT: "it found a field of the wrong kind in the request",
    codes.RESOURCE_LIMITATION: "a limit of its own is reached",
}
_RANGES = (
    (0xFF00, 0xA700, "it is out of resources: disk, quota or memory are used up"),
    (0xFF00, 0xA900, "it finds that the data set is not what its SOP class asks for"),
    (0xF000, 0xC000, "it cannot make sense of the data set"),
)


def _meaning(status: int) -> str:
    """Return what a status says, as half a sentence about the peer."""
    if status in _MEANINGS:
        return _MEANINGS[status]
    for mask, value, words in _RANGES:
        if status & mask == value:
            return words
    return f"status {status:04X}H is its own, no standard says what it means"


def _remarks(comment: str | None, offending: tuple[int, ...]) -> Lines:
    lines: Lines = ()
    if comment:
        lines = (f"It comments: {comment.strip()!a}.",)
    if offending:
        from isocenter.dataset.dictionary import DEFAULT_DICTIONARY

        names = [
            f"({tag >> 16:04x},{tag & 0xFFFF:04x}) {DEFAULT_DICTIONARY.keyword_of(tag)}".rstrip()
            for tag in offending[:8]
        ]
        lines = (*lines, f"It names as offending: {', '.join(names)}.")
    return lines


def store_failed(
    path: str,
    status: int,
    *,
    comment: str | None = None,
    offending: tuple[int, ...] = (),
    kind: tuple[str, str] | None = None,
    size: int | None = None,
) -> Lines:
    """Explain a C-STORE response that is a failure (PS3.4 B.2.3).

    Args:
        path: of the file.
        status: DIMSE status.
        comment: Error Comment of the response.
        offending: tags of Offending Element.
        kind: SOP class and transfer syntax of the file, None where it is gone.
        size: of the file in bytes, None where it is gone.
    """
    lines = [f"the peer did not store {path}, because {_meaning(status)} ({status:04X}H)."]
    if kind is not None:
        lines.append(f"The file is {named(kind[0])} in {named(kind[1])}.")
    if status & 0xFF00 == 0xA700:
        lines.append(_room(size))
    elif status & 0xFF00 == 0xA900 or status & 0xF000 == 0xC000:
        lines.append(
            "It did arrive: the peer read it and objects to what is in it (missing or wrong "
            "attributes, an encoding that it cannot read, a UID that differs)."
        )
    elif status == codes.NOT_AUTHORIZED:
        lines.append("Register the AE title for storage at the peer, or use another (-aet).")
    return (*lines, *_remarks(comment, offending))


def _room(size: int | None) -> str:
    if size is None:
        return "Free or enlarge its storage, then send again."
    if size >= _BIG:
        return (
            f"The file has {size_words(size)}: more than 4 GiB, which many receivers cannot keep "
            "even where there is room."
        )
    return (
        f"The file has {size_words(size)}. If smaller ones are taken, the peer limits the size of "
        "an object; if none is, its disk or quota is full."
    )


def echo_failed(
    status: int, *, comment: str | None = None, offending: tuple[int, ...] = ()
) -> Lines:
    """Explain a C-ECHO response that is no success (PS3.7 9.1.5.1.4)."""
    return (
        f"the peer answered the echo with a failure, because {_meaning(status)} ({status:04X}H).",
        "Connection, AE titles and association are in order; the fault is within the peer.",
        *_remarks(comment, offending),
    )


class Progress(Record):
    """How far an association had come when it ended.

    Fields:
        noun: what is counted, ``object`` or ``echo``.
        confirmed: how many were confirmed.
        unanswered: how many were begun and not answered, the one being sent included.
        sending: True where the last one was still being sent.
        releasing: True where all was done and the end of the association was being agreed on.
        sent_as: SOP class of the one being sent or waited for, "" where unknown.
        size: of its file in bytes, None where unknown.
        longest_pdu: bytes in each PDU sent, 0 where it does not matter.
    """

    noun: str
    confirmed: int
    unanswered: int = 0
    sending: bool = False
    releasing: bool = False
    sent_as: str = ""
    size: int | None = None
    longest_pdu: int = 0


def broken(problem: Exception, progress: Progress, *, tool: Tool) -> Lines:
    """Explain, for a requestor, an association that ended before its time."""
    step = _step(progress)
    if isinstance(problem, TimeoutExpired):
        lines = timeout_lines(tool, problem)
        head = f"{step}, {lines[0]}"
        if problem.which == "dimse" and not progress.releasing:
            return (head, *lines[1:], ("The peer is alive, or the connection would have ended; it "
                    "may be slow to store, or hang."))  # fmt: skip
        return (head, *lines[1:])
    lines = _why_broken(problem, f"{step}, ")
    if progress.sending and progress.longest_pdu and _is_sudden(problem):
        lines = (
            *lines,
            (
                f"Sent were PDUs of {progress.longest_pdu} bytes, as the peer announced; where "
                "it bears "
                "less than it announced, --max-send-pdu sends shorter ones."
            ),
        )
    if progress.unanswered and not progress.releasing:
        lines = (
            *lines,
            "Whether the peer kept what it did not answer is unknown: send it again.",
        )
    return lines


def _is_sudden(problem: Exception) -> bool:
    return isinstance(problem, (AssociationAborted, ConnectionLost))


def _step(progress: Progress) -> str:
    done = _done(progress.noun, progress.confirmed, "confirmed")
    if progress.releasing:
        return f"{done}, while the association was being released"
    words = "" if not progress.sent_as else f" ({named(progress.sent_as)}"
    if words:
        words += ")" if progress.size is None else f", file of {size_words(progress.size)})"
    if progress.sending:
        return f"{done}, while {progress.noun} {progress.confirmed + 1} was being sent{words}"
    if progress.unanswered:
        waited = count_words(progress.unanswered, progress.noun)
        return f"{done}, while the answer to {waited} was awaited{words}"
    return done


def _why_broken(problem: Exception, step: str) -> Lines:
    """Say what ended an association, apart from timeouts."""
    if isinstance(problem, AssociationAborted):
        who = "the peer" if problem.by_peer else "this side"
        return (
            f"{step}{who} aborted the association: {abort_words(problem.source, problem.reason)}.",
            *(("Its log says more.",) if problem.by_peer else ()),
        )
    if isinstance(problem, ConnectionLost):
        return (
            f"{step}the connection ended without a word ({problem.reason}).",
            (
                "The peer's program or machine stopped, or something between cut the connection: a "
                "firewall that forgets idle connections, a proxy with a time limit."
            ),
        )
    if isinstance(problem, AssociationReleased):
        return (
            (
                f"{step}the peer asked for release although work was outstanding, which the "
                "standard leaves to the requestor."
            ),
            "Most often an idle timeout of the peer.",
        )
    if isinstance(problem, DimseDecodeError):
        return (f"{step}the peer's message could not be understood: {problem}.",)
    if isinstance(problem, PduDecodeError) and problem.field == "PDU-length":
        return (
            (
                f"{step}the peer sent a PDU of {problem.found}, and {problem.expected} is what may "
                "come."
            ),
            (
                "The fault is the peer's, which was told the most that this side takes; --max-pdu "
                "(-pdu) announces more."
            ),
        )
    if isinstance(problem, PeerProtocolError):
        return (f"{step}the peer broke the protocol: {problem}.",)
    if isinstance(problem, DataSetError):
        return (
            (
                f"{step}the file could not be read on ({problem.reason}), and a message once begun "
                "cannot be taken back: the association had to be aborted."
            ),
            "Was the file written to, or its disk removed?",
        )
    return (f"{step}{problem}.",)


# --- the acceptor's side ---------------------------------------------------------------------


def not_stored(status: int, problem: Exception | None, *, peer: str, sop_instance: str) -> Lines:
    """Explain, for an acceptor, why it answered a C-STORE with a failure.

    Args:
        status: what was answered.
        problem: what the storage raised, None where it was not asked.
        peer: how the association is called in the log.
        sop_instance: SOP Instance UID of the request.
    """
    head = f"object {_uid(sop_instance)} was refused with {status:04X}H ({peer})"
    if isinstance(problem, StorageFull):
        return (
            f"{head}: there is no room for it, {problem.reason}.",
            (
                "Free some of the disk or quota, or lower --min-free where that is what forbids "
                "it; "
                "the sender has to send again."
            ),
        )
    if isinstance(problem, DuplicateObject):
        return (
            f"{head}: another object of this name is kept.",
            (
                "--on-duplicate says what happens then; its contents differ, the same object "
                "again is "
                "a success."
            ),
        )
    if isinstance(problem, ObjectMismatch):
        return (
            f"{head}: {problem.reason}.",
            "The fault is the sender's: request and data set must name the same object.",
        )
    if isinstance(problem, StorageRefused):
        return (
            # The reason may name the folder, and so a patient.
            f"{head}: {problem.comment}.",
            (
                "What the data set holds, or lacks, gives it no name or folder under these "
                "options; "
                "the sender has to correct it, or sort otherwise."
            ),
        )
    if isinstance(problem, (StorageError, OSError)):
        reason = problem.reason if isinstance(problem, StorageError) else _os_reason(problem)
        return (f"{head}: it could not be written, {reason}.", _disk_advice(reason))
    if isinstance(problem, DataSetError):
        return (f"{head}: the data set cannot be read, {problem.reason}.",)
    if status == codes.SOP_CLASS_NOT_SUPPORTED:
        return (f"{head}: the request names a SOP class that this receiver does not store.",)
    return (f"{head}: {'no reason is known' if problem is None else f'{problem!s}'}.",)


def not_served(command_field: int, *, peer: str) -> Lines:
    """Explain, for an acceptor, a command that it does not serve."""
    kinds = {0x0010: "a retrieval (C-GET)", 0x0020: "a query (C-FIND)", 0x0021: "a C-MOVE"}
    kind = kinds.get(command_field, f"command {command_field:04X}H")
    return (
        f"the peer sent {kind}, and this tool only stores and answers echoes ({peer}).",
        "It takes this receiver for an archive: an archive has another port or AE title.",
    )


def _uid(uid: str) -> str:
    return uid if uid and all(c in "0123456789." for c in uid) else f"{uid[:64]!a}"


def _os_reason(problem: OSError) -> str:
    return problem.strerror or str(problem)


def _disk_advice(reason: str) -> str:
    """Return what helps against an error of the system."""
    known = {
        errno.ENOSPC: "The disk is full.",
        errno.EDQUOT: "The quota of this user is used up.",
        errno.EACCES: "This user may not write to the output directory.",
        errno.EPERM: "This user may not write to the output directory.",
        errno.EROFS: "The file system is mounted read-only.",
        errno.EIO: "The disk or its connection is failing.",
        errno.ENAMETOOLONG: "A name would be longer than the file system allows.",
        errno.EMFILE: "Too many files are open in this process.",
        errno.ENOENT: "The output directory, or a folder in it, is gone.",
        errno.EFBIG: "The file system or a limit of this user allows no file of this size.",
    }
    for number, words in known.items():
        if os.strerror(number) in reason:
            return words
    return "That is what this system says; nothing partial was left."


def reception_broken(
    problem: Exception,
    *,
    peer: str,
    tool: Tool,
    stored: int,
    receiving: str = "",
    received: int | None = None,
) -> Lines:
    """Explain, for an acceptor, an association that ended before its time.

    Args:
        problem: what ended it.
        peer: how the association is called in the log.
        tool: whose options may help.
        stored: objects stored before.
        receiving: SOP Instance UID of the object on its way in, "" for none.
        received: bytes of its data set that had arrived, None where unknown.
    """
    step = _done("object", stored, "stored")
    if receiving:
        so_far = "" if received is None else f", {size_words(received)} of which had come"
        step += f", while object {_uid(receiving)} arrived{so_far}"
    left = (
        ("Nothing is kept of that object; the sender has to send it again.",) if receiving else ()
    )
    if isinstance(problem, TimeoutExpired):
        lines = timeout_lines(tool, problem)
        more: Lines = ()
        if problem.which == "socket" and not receiving:
            more = ("The sender keeps associations open that it does not use, or it is gone.",)
        return (f"{peer}: {step}, {lines[0]}", *lines[1:], *more, *left)
    return (*_why_broken(problem, f"{peer}: {step}, "), *left)


def _done(noun: str, count: int, what: str) -> str:
    """Return how far it had come, for instance ``after 2 objects were stored``."""
    if not count:
        return f"before any {noun} was {what}"
    return f"after {count_words(count, noun)} {'was' if count == 1 else 'were'} {what}"

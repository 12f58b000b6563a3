"""Fuzz target: what a peer makes of the order of messages, fragment by fragment.

The input is a row of fragments: context, control, length, bytes. The assembler and the books of
operations may raise what a peer's violation is, and nothing else; how many fragments a message
came in changes nothing; what is remembered stays within the window.
"""

from __future__ import annotations

from isocenter.dimse.codec import CommandLimits
from isocenter.dimse.commands import CCancelRQ
from isocenter.dimse.messages import CommandReceived, MessageAssembler
from isocenter.dimse.session import MAXIMUM_OPERATIONS, Session, is_request, is_response
from isocenter.errors import DimseDecodeError, PeerProtocolError
from isocenter.ul.events import PDataIndication
from tests.dimse import samples

_LIMITS = CommandLimits(maximum_command_set_length=1024)


def _fragment(data: bytes, *, context_id: int = 1, control: int = 3) -> bytes:
    return bytes((context_id, control, len(data))) + data


def seeds() -> list[bytes]:
    """Return messages in order, and some out of order."""
    echo, store = samples.C_ECHO_RQ, samples.C_STORE_RQ_MOVED
    stored = _fragment(store[:50], control=1) + _fragment(store[50:])
    stored += _fragment(b"data", control=0) + _fragment(b"", control=2)
    return [
        b"\0" + _fragment(echo),
        b"\1" + stored + _fragment(echo),
        b"\0" + _fragment(echo) + _fragment(samples.C_STORE_RSP),
        b"\1" + _fragment(samples.N_GET_RQ) + _fragment(echo, context_id=3),
        b"\1" + _fragment(samples.C_STORE_RSP_FAILED) + _fragment(b"late", control=2),
    ]


def test_one_input(data: bytes) -> None:
    """Take one row of fragments and check what follows from it."""
    window = data[:1] not in (b"", b"\0")
    fragments = _fragments(data[1:])
    apart = _told([[each] for each in fragments], several=window)
    together = _told(_joined(fragments), several=window)
    if apart != together:
        raise AssertionError(f"apart {apart}, together {together}")


def _fragments(data: bytes) -> list[tuple[int, int, bytes]]:
    found = []
    place = 0
    while len(data) - place >= 3:
        context_id, control, length = data[place : place + 3]
        found.append((context_id, control & 3, data[place + 3 : place + 3 + length]))
        place += 3 + length
    return found


def _joined(fragments: list[tuple[int, int, bytes]]) -> list[list[tuple[int, int, bytes]]]:
    """Return runs, as a stream that came at once has them: to the last fragment of a kind."""
    runs: list[list[tuple[int, int, bytes]]] = []
    for each in fragments:
        before = runs[-1][-1] if runs else None
        if before is None or before[1] & 2 or (before[0], before[1] & 1) != (each[0], each[1] & 1):
            runs.append([])
        runs[-1].append(each)
    return runs


def _told(runs: list[list[tuple[int, int, bytes]]], *, several: bool) -> list[object]:
    """Return the messages and lengths of data sets that came, up to the first violation."""
    assembler = MessageAssembler(_LIMITS)
    session = Session(maximum_operations_performed=0 if several else 1)
    told: list[object] = []
    length = 0
    for run in runs:
        views = [memoryview(part) for _, _, part in run if part]
        size = sum(map(len, views))
        context_id, control = run[-1][0], run[-1][1]
        if not size and not control & 2:
            continue  # the engine does not tell of it
        event = PDataIndication(context_id, bool(control & 1), bool(control & 2), views, size)
        try:
            result = assembler.pdata(event)
        except DimseDecodeError:
            told.append("violation")
            return told
        if isinstance(result, CommandReceived):
            told.append(result.message)
            if not _book(session, result):
                told.append("not possible")
        elif result is not None:
            length += result.length
            if result.is_last:
                told.append(length)
                length = 0
        if len(session.in_progress) > MAXIMUM_OPERATIONS:
            raise AssertionError(f"{len(session.in_progress)} operations are in progress")
    return told


def _book(session: Session, received: CommandReceived) -> bool:
    """Enter a message; tell whether that is possible."""
    message = received.message
    try:
        if isinstance(message, CCancelRQ):
            session.cancelled(message)
        elif is_response(message):
            session.responded(message)
        elif is_request(message):
            session.performing(message)
    except (DimseDecodeError, PeerProtocolError):
        return False
    return True

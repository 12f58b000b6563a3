"""A scanner's day in miniature: associations as a receiver meets them, good and bad ones.

`python -m tests.support.scanner_day PORT CLIENT COUNT FOLDER` is one client program with
`THREADS` threads. What it sends follows from the client's number alone, and what an object holds
from its SOP Instance UID, so that whoever looks at the files knows what has to be in them.

The client writes two files into FOLDER: `CLIENT.progress`, one letter for each association it
is through with, and `CLIENT.confirmed`, a line with study and instance UID for each object that
was answered with success. It ends with 0 where the receiver always did what it has to.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import threading
from collections import deque
from pathlib import Path

from isocenter.testing import ScriptedRequestor, raw
from isocenter.testing.datasets import CT_IMAGE_STORAGE, EXPLICIT_LITTLE, encode_data_set
from isocenter.testing.raw import Context
from isocenter.testing.reading import RawMessage

__all__ = ["KINDS", "THREADS", "data_set_of", "run", "study_of"]

ROOT = "1.3.6.1.4.1.99999"
ECHO, STORE = 1, 3
CONTEXTS = (
    Context(ECHO, "1.2.840.10008.1.1", (EXPLICIT_LITTLE,)),
    Context(STORE, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE,)),
)
THREADS = 3
STUDIES_AT_A_TIME = 8
OBJECTS_OF_A_STUDY = 40
"""Roughly; a study's objects come in between those of the others, from every client."""
MOST_SILENT = 8
"""Connections that a thread leaves open without a word; then it closes the oldest."""
PATIENCE = 60.0

KINDS = {
    "s": 50,  # stores one to three objects and releases
    "e": 14,  # echoes
    "a": 10,  # breaks off in the middle of an object: abort, end of stream or reset
    "q": 5,  # connects and says nothing
    "i": 3,  # associates and says nothing
    "c": 7,  # asks for an association and goes without waiting for the answer
    "r": 6,  # asks for one that has to be rejected
    "g": 5,  # sends something that is no DICOM
}
"""Letter to share in per cent."""


def _instance(study: int, size: int, serial: int) -> str:
    return f"{ROOT}.2.{study}.{size}.{serial}"


def study_of(instance: str) -> str:
    """Return the Study Instance UID of an object."""
    return f"{ROOT}.1.{instance.split('.')[-3]}"


def data_set_of(instance: str) -> bytes:
    """Return what an object holds, by its SOP Instance UID alone."""
    size = int(instance.split(".")[-2])
    pixels = (instance.encode() * (size * size * 2 // len(instance) + 1))[: size * size * 2]
    return encode_data_set(
        [
            (0x00080005, "CS", "ISO_IR 100"),
            (0x00080016, "UI", CT_IMAGE_STORAGE),
            (0x00080018, "UI", instance),
            (0x00080060, "CS", "CT"),
            (0x00100010, "PN", "Doe^Jane"),
            (0x00100020, "LO", instance.split(".")[-3]),
            (0x0020000D, "UI", study_of(instance)),
            (0x0020000E, "UI", study_of(instance) + ".1"),
            (0x00280002, "US", 1),
            (0x00280010, "US", size),
            (0x00280011, "US", size),
            (0x00280100, "US", 16),
            (0x7FE00010, "OW", pixels),
        ]
    )


def _ends_of_pdus(data: bytes) -> list[int]:
    ends = [0]
    while ends[-1] < len(data):
        start = ends[-1]
        ends.append(start + 6 + int.from_bytes(data[start + 2 : start + 6], "big"))
    return ends[1:]


class _Thread:
    """One thread of a client: so many associations, one after the other."""

    def __init__(self, port: int, number: int, count: int, confirmed: int, progress: int) -> None:
        """Keep the arguments; `confirmed` and `progress` are descriptors to append to."""
        self._port = port
        self._number = number
        self._count = count
        self._confirmed = confirmed
        self._progress = progress
        self._random = random.Random(number)
        self._serial = number * 1_000_000
        self._last = ""
        self._silent: deque[ScriptedRequestor] = deque()
        self.problem = ""

    def run(self) -> None:
        """Do it all, or stop at the first thing that the receiver does wrong."""
        day = self._random.choices(list(KINDS), list(KINDS.values()), k=self._count)
        try:
            for done, kind in enumerate(day):
                try:
                    self._one(kind, done)
                except (AssertionError, OSError) as error:
                    self.problem = f"thread {self._number}, {done}th, {kind}: {error!r}"
                    return
                os.write(self._progress, kind.encode())
        finally:
            for connection in self._silent:
                connection.close()

    def _one(self, kind: str, done: int) -> None:
        if kind in "qi":
            self._keep_silent(associated=kind == "i")
            return
        with ScriptedRequestor(self._port, timeout=PATIENCE) as connection:
            match kind:
                case "s":
                    self._store(connection, done)
                case "e":
                    connection.associate(CONTEXTS)
                    for _ in range(self._random.randint(1, 3)):
                        assert connection.echo(ECHO) == 0
                    connection.release()
                case "a":
                    self._break_off(connection, done)
                case "c":
                    connection.send(raw.associate_rq(CONTEXTS))
                    if self._random.random() < 0.5:
                        connection.vanish()
                case "r":
                    self._be_rejected(connection)
                case _:
                    self._babble(connection)

    def _new(self, done: int) -> str:
        """Return the UID of another object, of one of the studies of this time of the day."""
        self._serial += 1
        block = done // (OBJECTS_OF_A_STUDY * STUDIES_AT_A_TIME // THREADS)
        study = block * STUDIES_AT_A_TIME + self._random.randrange(STUDIES_AT_A_TIME) + 1
        size = self._random.choice([4, 16, 16, 64, 64, 64, 256])
        return _instance(study, size, self._serial)

    def _store(self, connection: ScriptedRequestor, done: int) -> None:
        connection.associate(CONTEXTS, calling=f"SCANNER{self._number}")
        for _ in range(self._random.randint(1, 3)):
            # Now and then the same object again, as a scanner that was not sure does it.
            again = self._last and self._random.random() < 0.03
            uid = self._last if again else self._new(done)
            status = connection.store(STORE, CT_IMAGE_STORAGE, uid, data_set_of(uid))
            assert status == 0, f"{uid}: status {status:04x}"
            os.write(self._confirmed, f"{study_of(uid)} {uid}\n".encode())
            self._last = uid
        connection.release()

    def _break_off(self, connection: ScriptedRequestor, done: int) -> None:
        connection.associate(CONTEXTS)
        uid = self._new(done)
        command = raw.c_store_rq(1, CT_IMAGE_STORAGE, uid)
        message = raw.message(STORE, command, data_set_of(uid), maximum_length=512)
        match self._random.randrange(3):
            case 0:
                # Between two PDUs: the bytes of an abort within one would be taken for data.
                ends = _ends_of_pdus(message)[:-1]
                connection.send(message[: self._random.choice(ends)] + raw.abort())
            case 1:
                connection.send(message[: self._random.randrange(1, len(message))])
                connection.vanish()
            case _:
                connection.send(message[: self._random.randrange(1, len(message))])

    def _be_rejected(self, connection: ScriptedRequestor) -> None:
        if self._random.random() < 0.5:
            connection.send(raw.associate_rq(CONTEXTS, application_context="1.2.3"))
        else:
            connection.send(raw.associate_rq(CONTEXTS, protocol_version=2))
        pdu = connection.receive()
        assert pdu.pdu_type == raw.ASSOCIATE_RJ, f"not rejected but type {pdu.pdu_type}"

    def _babble(self, connection: ScriptedRequestor) -> None:
        """Send garbage, before an association or in one; whatever comes back is right."""
        garbage = self._random.randbytes(self._random.randint(1, 300))
        match self._random.randrange(3):
            case 0:
                connection.send(b"GET / HTTP/1.1\r\n\r\n")
            case 1:
                connection.send(garbage)
            case _:
                connection.associate(CONTEXTS)
                connection.send(raw.p_data(garbage))
        # Nobody waits for an answer to half a PDU; what is whole gets one.
        with contextlib.suppress(OSError):
            connection.receive(timeout=0.05)

    def _keep_silent(self, *, associated: bool) -> None:
        connection = ScriptedRequestor(self._port, timeout=PATIENCE)
        self._silent.append(connection)
        if associated:
            connection.associate(CONTEXTS)
        while len(self._silent) > MOST_SILENT:
            self._silent.popleft().close()


def answers_echo(port: int) -> bool:
    """Tell whether a receiver serves an association with a C-ECHO."""
    with ScriptedRequestor(port, timeout=PATIENCE) as connection:
        connection.associate(CONTEXTS)
        connection.send(raw.message(ECHO, raw.c_echo_rq(1)))
        answer = connection.receive_message()
        connection.release()
    return isinstance(answer, RawMessage) and answer.number(0x0900) == 0


def run(port: int, client: int, count: int, folder: Path) -> list[str]:
    """Make `count` associations in `THREADS` threads; return what the receiver did wrong."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    confirmed = os.open(folder / f"{client}.confirmed", flags)
    progress = os.open(folder / f"{client}.progress", flags)
    shares = [count // THREADS + (number < count % THREADS) for number in range(THREADS)]
    clients = [
        _Thread(port, client * THREADS + number + 1, share, confirmed, progress)
        for number, share in enumerate(shares)
    ]
    threads = [threading.Thread(target=one.run) for one in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.close(confirmed)
    os.close(progress)
    return [one.problem for one in clients if one.problem]


if __name__ == "__main__":
    problems = run(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
    sys.exit("\n".join(problems) or 0)

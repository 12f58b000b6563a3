"""Attacked tools, and the good peer that has to be served after each attack."""

from __future__ import annotations

import contextlib
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from isocenter.testing import RawMessage, ScriptedAcceptor, ScriptedRequestor, ct_image, raw
from isocenter.testing.datasets import CT_IMAGE_STORAGE, EXPLICIT_LITTLE, VERIFICATION
from isocenter.testing.peer import PeerClosed, accept, serve_storage
from isocenter.testing.raw import Context
from tests.support import part10
from tests.support.processes import wait_until
from tests.support.tools import OURS, Receiver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isocenter.testing import RawConnection, RawPdu
    from isocenter.testing.peer import Script
    from tests.support.processes import Completed

__all__ = [
    "CONTEXTS",
    "ECHO",
    "MIB",
    "STORE",
    "WAIT",
    "answer_of",
    "check_served",
    "descriptors",
    "kept",
    "obey",
    "put",
    "receiving",
    "reply",
    "resident",
    "run_against",
    "storage",
]

WAIT = 20.0
"""Seconds for what takes milliseconds: the machine is shared."""
MIB = 1024 * 1024

ECHO = 1
STORE = 3
CONTEXTS = (
    Context(ECHO, VERIFICATION, (EXPLICIT_LITTLE,)),
    Context(STORE, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE,)),
)


# --- servers ----------------------------------------------------------------------------------


@contextlib.contextmanager
def receiving(
    directory: Path, *options: str | Path, env: dict[str, str] | None = None
) -> Iterator[Receiver]:
    """Run storescp; it has to bear everything, and to end by SIGTERM with exit code 0."""
    with Receiver(OURS, directory, *options, env=env) as receiver:
        yield receiver
        assert receiver.process.running, receiver.log
        assert receiver.process.terminate(timeout=WAIT).code == 0, receiver.log
        assert "Traceback" not in receiver.log, receiver.log


def check_served(receiver: Receiver) -> None:
    """A well-behaved peer's C-ECHO and C-STORE are answered, and its object is there, whole."""
    image = good_peer(receiver.port)
    wait_until(
        lambda: any(_holds(content, image) for content in kept(receiver.directory).values()),
        timeout=WAIT,
        what="the object that was confirmed",
    )
    assert receiver.process.running, receiver.log
    assert "Traceback" not in receiver.log, receiver.log


def _holds(content: bytes, image: bytes) -> bool:
    """Tell whether a file has the image, also where `+td` deflated it."""
    if image in content:
        return True
    if content[128:132] != b"DICM":
        return False
    with contextlib.suppress(zlib.error):
        return image in zlib.decompressobj(-zlib.MAX_WBITS).decompress(
            part10.split(content).data_set
        )
    return False


def good_peer(port: int) -> bytes:
    """Echo and store as one should; return bytes that are in every encoding of the object."""
    mark = os.urandom(64)
    image = ct_image(rows=8, columns=8, extra=[(0x00420011, "OB", mark)])
    with ScriptedRequestor(port, timeout=WAIT) as peer:
        peer.associate(CONTEXTS, calling="GOOD_PEER")
        assert peer.echo(ECHO) == 0
        uids = image.sop_class_uid, image.sop_instance_uid
        assert peer.store(STORE, *uids, image.data_set) == 0
        peer.release()
    return mark


def kept(directory: Path) -> dict[str, bytes]:
    """Return the contents of the files below a directory by path, without temporary ones."""
    found = {}
    for path in directory.rglob("*"):
        if path.name.startswith(".isocenter-"):
            continue
        # The end of a study may rename it in this moment.
        with contextlib.suppress(FileNotFoundError):
            if path.is_file():
                found[str(path.relative_to(directory))] = path.read_bytes()
    return found


def put(
    port: int,
    sop_instance_uid: str,
    data_set: bytes,
    *,
    transfer_syntax: str = EXPLICIT_LITTLE,
    sop_class_uid: str = CT_IMAGE_STORAGE,
    calling: str | bytes = "ATTACKER",
    called: str | bytes = "ANY-SCP",
) -> int | None:
    """Store one object; return the status of the answer, None where there was an abort."""
    context = Context(1, CT_IMAGE_STORAGE, (transfer_syntax,))
    with ScriptedRequestor(port, timeout=WAIT) as peer:
        peer.associate([context], calling=calling, called=called)
        command = raw.c_store_rq(1, sop_class_uid, sop_instance_uid)
        peer.send(raw.message(1, command, data_set))
        answer = reply(peer)
    return answer.number(0x0900) if isinstance(answer, RawMessage) else None


def reply(peer: RawConnection) -> RawMessage | RawPdu | None:
    """Return the message or PDU that comes, None where the connection ends."""
    try:
        return peer.receive_message()
    except (PeerClosed, OSError):
        return None


def answer_of(port: int, data: bytes) -> RawPdu | None:
    """Return the PDU that answers these bytes on a new connection, None where it is closed."""
    with ScriptedRequestor(port, timeout=WAIT) as peer:
        with contextlib.suppress(OSError):  # it may be refused while it is being sent
            peer.send(data)
        try:
            return peer.receive()
        except (PeerClosed, ConnectionError):
            return None


# --- senders ----------------------------------------------------------------------------------


def obey(connection: RawConnection) -> None:
    """Accept everything, and answer every request with success."""
    accept(connection)
    for _ in serve_storage(connection):
        pass


def storage(received: list[RawMessage]) -> Script:
    """Return a script that does so and keeps what it is sent."""

    def script(connection: RawConnection) -> None:
        accept(connection)
        for _ in serve_storage(connection, received=received):
            pass

    return script


def run_against(
    script: Script, tool: str, *arguments: str | Path, options: tuple[str | Path, ...] = ()
) -> Completed:
    """Run a sender against a script, with the arguments after host and port; it ends in time."""
    with ScriptedAcceptor(script, timeout=WAIT) as acceptor:
        port = str(acceptor.port)
        done = OURS.run(tool, *options, "127.0.0.1", port, *arguments, timeout=45)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.code >= 0, f"ended by signal {-done.code}"
    return done


# --- what a process takes ---------------------------------------------------------------------


def resident(pid: int) -> int:
    """Return the resident memory of a process in bytes, shared pages included (Linux)."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def descriptors(pid: int) -> int:
    """Return how many descriptors a process has open (Linux)."""
    return len(os.listdir(f"/proc/{pid}/fd"))

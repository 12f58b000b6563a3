"""A sender that ends within an object: both receivers of either suite say so, as errors.

The lines count at the default level, where nothing else is said: who reads only those has to
learn that an object did not arrive.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ScriptedRequestor, raw
from isocenter.testing.datasets import CT_IMAGE_STORAGE
from tests.interop.receiver_talks import CONTEXTS, IMAGE
from tests.support.processes import wait_until
from tests.support.tools import DCMTK, UNDER_TEST, Receiver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.peer("dcmtk")]

COMMAND = raw.c_store_rq(1, CT_IMAGE_STORAGE, IMAGE.sop_instance_uid)
PROFILE = """\
[[TransferSyntaxes]]
[Plain]
TransferSyntax1 = LittleEndianExplicit
TransferSyntax2 = LittleEndianImplicit
[[PresentationContexts]]
[Some]
PresentationContext1 = VerificationSOPClass\\Plain
PresentationContext2 = CTImageStorage\\Plain
[[Profiles]]
[Mine]
PresentationContexts = Some
"""


def _pdus() -> list[bytes]:
    """Return the PDUs of an object: its command, and its data set in four."""
    rest = raw.message(3, COMMAND, IMAGE.data_set, maximum_length=8192)
    pdus = []
    while rest:
        length = 6 + int.from_bytes(rest[2:6], "big")
        pdus.append(rest[:length])
        rest = rest[length:]
    assert len(pdus) == 5
    return pdus


def _aborts(requestor: ScriptedRequestor) -> None:
    requestor.send(b"".join(_pdus()[:3]) + raw.abort())


def _aborts_behind_the_command(requestor: ScriptedRequestor) -> None:
    requestor.send(_pdus()[0] + raw.abort())


def _closes(requestor: ScriptedRequestor) -> None:
    requestor.send(b"".join(_pdus()[:3]))
    requestor.sock.shutdown(socket.SHUT_WR)


def _closes_within_a_pdu(requestor: ScriptedRequestor) -> None:
    requestor.send(b"".join(_pdus()[:3]) + _pdus()[3][:100])
    requestor.sock.shutdown(socket.SHUT_WR)


def _resets(requestor: ScriptedRequestor) -> None:
    requestor.send(b"".join(_pdus()[:3]))
    requestor.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    requestor.sock.close()


def _asks_for_release(requestor: ScriptedRequestor) -> None:
    requestor.send(b"".join(_pdus()[:3]) + raw.release_rq())


def _sends_a_command(requestor: ScriptedRequestor) -> None:
    requestor.send(b"".join(_pdus()[:3]) + _pdus()[0])


def _sends_junk(requestor: ScriptedRequestor) -> None:
    requestor.send(b"".join(_pdus()[:3]) + b"GET / HTTP/1.1\r\n\r\n")


WAYS: tuple[Callable[[ScriptedRequestor], None], ...] = (
    _aborts,
    _aborts_behind_the_command,
    _closes,
    _closes_within_a_pdu,
    _resets,
    _asks_for_release,
    _sends_a_command,
    _sends_junk,
)
WORDS = {
    "storescp": ("E: Store SCP Failed: 000",),
    "dcmrecv": (
        "E: Unable to receive dataset on presentation context ",
        "E: Unable to receive C-STORE dataset on presentation context 3",
    ),
}
"""What each of DCMTK's tools says first."""


def _errors(
    suite: object, tool: str, mode: str, way: Callable[[ScriptedRequestor], None], folder: Path
) -> list[str]:
    """Return what a receiver says of an object that breaks off; see that it kept nothing."""
    profile = folder.with_suffix(".cfg")
    profile.write_text(PROFILE)
    options = ["-xf", profile, "Mine"] if tool == "dcmrecv" else ["-ts", "5"]
    with Receiver(suite, folder, *options, mode, tool=tool) as receiver:  # type: ignore[arg-type]
        with ScriptedRequestor(receiver.port) as requestor:
            requestor.associate(CONTEXTS)
            way(requestor)
            wait_until(
                lambda: all(words in receiver.log for words in WORDS[tool]),
                timeout=20,
                what=f"the words of {tool}",
            )
        with ScriptedRequestor(receiver.port) as other:
            other.associate(CONTEXTS[:1])
            assert other.echo(1) == 0
            other.release()
        assert receiver.names == []
        return [line for line in receiver.log.splitlines() if line.startswith("E: ")]


@pytest.mark.parametrize("mode", ["-B", "+B"])
@pytest.mark.parametrize("tool", sorted(WORDS))
@pytest.mark.parametrize("way", WAYS, ids=[way.__name__.strip("_") for way in WAYS])
def test_an_object_that_breaks_off_is_an_error_as_with_the_oracle(
    way: Callable[[ScriptedRequestor], None], tool: str, mode: str, tmp_path: Path
) -> None:
    for suite in (DCMTK, UNDER_TEST):
        lines = _errors(suite, tool, mode, way, tmp_path / suite.name)
        assert lines[0].startswith(WORDS[tool][0])
        if suite.is_ours and tool == "storescp":
            assert lines[0].count("(from 127.0.0.1:") == 1


def test_an_association_that_ends_between_objects_is_no_error(tmp_path: Path) -> None:
    for suite in (DCMTK, UNDER_TEST):
        with Receiver(suite, tmp_path / suite.name, "-v") as receiver:
            with ScriptedRequestor(receiver.port) as requestor:
                requestor.associate(CONTEXTS)
                assert requestor.store(3, CT_IMAGE_STORAGE, "2.25.5", IMAGE.data_set) == 0
                requestor.send(raw.abort())
            receiver.process.wait_for_line("I: Association Aborted", timeout=20)
            assert [line for line in receiver.log.splitlines() if line.startswith("E: ")] == []

"""--explain of storescp: connections that are none, requests it refuses, objects it cannot keep."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ScriptedRequestor, ct_image, raw
from isocenter.testing.datasets import CT_IMAGE_STORAGE, EXPLICIT_LITTLE, VERIFICATION
from isocenter.testing.raw import Context
from tests.support.processes import wait_until
from tests.support.tools import OURS, Receiver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

CT = Context(1, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE,))
IMAGE = ct_image(sop_instance_uid="2.25.21")


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    """A receiver with --explain that all tests of the module use one after the other."""
    with Receiver(OURS, tmp_path_factory.mktemp("in"), "--explain", "-ta", "2") as running:
        yield running
        assert running.process.running, running.log
        assert "Traceback" not in running.log


def explained(receiver: Receiver, seen: int, words: str) -> str:
    """Wait for an explanation behind what was seen of the log already; return all that is new."""
    wait_until(lambda: words in receiver.log[seen:], timeout=8, what=f"{words} in {receiver.log}")
    return receiver.log[seen:]


# --- connections ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"", "connected and closed without a byte: a port scan"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "the peer wants TLS, and this receiver"),
        (b"GET /patients?id=4711 HTTP/1.1\r\n\r\n", "sent an HTTP request: a browser"),
        (b"\x0bMSH|^~\\&|LAB||||MUELLER^ANNA\r\x1c\r", "takes this port for an HL7 interface"),
        (b"SSH-2.0-scanner\r\n", "sent no association request but an SSH banner"),
        (b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00", "a remote desktop connection"),
        (b"\x01\x00\x7f\xff\xff\xff\x00\x01", "2147483647 bytes, and 1048576 is the most"),
        (raw.release_rq(), "began with a DICOM PDU (A-RELEASE-RQ)"),
        (raw.associate_rq([CT])[:60], "began an association request of"),
    ],
)
def test_connection_that_is_no_association_is_named(
    receiver: Receiver, sent: bytes, words: str
) -> None:
    seen = len(receiver.log)
    with socket.create_connection(("127.0.0.1", receiver.port), 5) as sock:
        if sent:
            sock.sendall(sent)
        here = "{}:{}".format(*sock.getsockname())
        if raw.associate_rq([CT]).startswith(sent):
            sock.shutdown(socket.SHUT_WR)
        log = explained(receiver, seen, words)
    assert f"W: Explanation: {here} " in log
    assert "4711" not in log.replace(here, "")
    assert "MUELLER" not in log


def test_peer_that_waits_for_a_greeting(receiver: Receiver) -> None:
    seen = len(receiver.log)
    with socket.create_connection(("127.0.0.1", receiver.port), 5):
        log = explained(receiver, seen, "sent nothing for 2 s")
    assert "--acse-timeout (-ta)" in log


# --- associations ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "user", "words"),
    [
        (("--refuse",), None, "because --refuse rejects every association"),
        (
            ("--reject",),
            raw.user_information(implementation_class_uid=None),
            "it names no implementation class UID and --reject is given",
        ),
    ],
)
def test_rejection_says_which_option_rejects(
    tmp_path: Path, options: tuple[str, ...], user: bytes | None, words: str
) -> None:
    with Receiver(OURS, tmp_path, "--explain", *options) as receiver:
        with ScriptedRequestor(receiver.port) as peer:
            peer.send(raw.associate_rq([CT], calling="MODALITY", user=user))
            assert peer.receive().pdu_type == raw.ASSOCIATE_RJ
        log = explained(receiver, 0, words)
    assert "'MODALITY' at 127.0.0.1:" in log


def test_request_without_contexts_is_rejected_for_that(receiver: Receiver) -> None:
    seen = len(receiver.log)
    with ScriptedRequestor(receiver.port) as peer:
        peer.send(raw.associate_rq([]))
        assert peer.receive().pdu_type == raw.ASSOCIATE_RJ
    explained(receiver, seen, "it proposes no presentation context")


def test_refused_contexts_are_told_with_the_option_that_accepts_them(receiver: Receiver) -> None:
    seen = len(receiver.log)
    with ScriptedRequestor(receiver.port) as peer:
        peer.associate(
            [
                CT,
                Context(3, CT_IMAGE_STORAGE, ("1.2.840.10008.1.2.4.90",)),
                Context(5, "1.2.840.10008.5.1.4.31", (EXPLICIT_LITTLE,)),
                Context(7, "1.2.3.4", (EXPLICIT_LITTLE,)),
            ]
        )
        peer.release()
    log = explained(receiver, seen, "as well.")
    assert "3 of 4 presentation contexts were refused" in log
    assert "this tool only stores: FINDModalityWorklist" in log
    assert "1.2.3.4" in log
    assert "--promiscuous (-pm)" in log
    assert "--accept-all (+xa) or --prefer-j2k-lossless (+xv)" in log


def test_option_named_for_a_context_accepts_it(tmp_path: Path) -> None:
    with Receiver(OURS, tmp_path, "--explain", "+xa", "-pm") as receiver:
        with ScriptedRequestor(receiver.port) as peer:
            facts = peer.associate(
                [
                    Context(1, CT_IMAGE_STORAGE, ("1.2.840.10008.1.2.4.90",)),
                    Context(3, "1.2.3.4", (EXPLICIT_LITTLE,)),
                ]
            )
            peer.release()
        assert [context.result for context in facts.contexts] == [0, 0]
        assert "Explanation" not in receiver.log


def test_query_is_told_that_this_is_no_archive(receiver: Receiver) -> None:
    seen = len(receiver.log)
    find = raw.command_set(
        (
            (0x0002, raw.ui("1.2.840.10008.5.1.4.1.2.2.1")),
            (0x0100, raw.us(0x0020)),
            (0x0110, raw.us(1)),
            (0x0700, raw.us(0)),
            (0x0800, raw.us(0)),
        )
    )
    with ScriptedRequestor(receiver.port) as peer:
        peer.associate([CT])
        peer.send(raw.message(1, find, b"\0" * 8))
        peer.receive_until_closed()
    explained(receiver, seen, "the peer sent a query (C-FIND), and this tool only stores")


# --- objects --------------------------------------------------------------------------------


def test_uid_that_differs_is_named(receiver: Receiver) -> None:
    seen = len(receiver.log)
    with ScriptedRequestor(receiver.port) as peer:
        peer.associate([CT])
        assert peer.store(1, CT_IMAGE_STORAGE, "2.25.999", IMAGE.data_set) == 0xA900
        peer.release()
    log = explained(receiver, seen, "object 2.25.999 was refused with A900H")
    assert "'2.25.21', is not the request's, '2.25.999'" in log
    assert log.index("E: SOP instance UID") < log.index("W: Explanation")
    assert "Doe" not in log


def test_reserve_that_is_used_up_is_named(tmp_path: Path) -> None:
    with Receiver(OURS, tmp_path, "--explain", "--min-free", str(1 << 30)) as receiver:
        with ScriptedRequestor(receiver.port) as peer:
            peer.associate([CT])
            assert peer.store(1, CT_IMAGE_STORAGE, "2.25.21", IMAGE.data_set) == 0xA700
            peer.release()
        log = explained(receiver, 0, "A700H")
    assert "there is no room for it" in log
    assert "are to stay so" in log
    assert "lower --min-free" in log


@pytest.mark.skipif(os.name != "posix", reason="needs permissions of directories")
def test_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    with Receiver(OURS, tmp_path / "in", "--explain", "--sort-on-study-uid", "S") as receiver:
        # A file where the study's folder is to be.
        (tmp_path / "in" / "S_2.25.1001").write_text("in the way")
        with ScriptedRequestor(receiver.port) as peer:
            peer.associate([CT])
            status = peer.store(1, CT_IMAGE_STORAGE, "2.25.21", IMAGE.data_set)
            peer.release()
        log = explained(receiver, 0, f"was refused with {status:04X}H")
    assert status in {0xA700, 0xC000}
    assert "object 2.25.21" in log


def test_duplicate_that_is_rejected_names_the_option(tmp_path: Path) -> None:
    other = ct_image(sop_instance_uid="2.25.21", seed=1)
    with Receiver(OURS, tmp_path, "--explain", "--on-duplicate", "reject") as receiver:
        with ScriptedRequestor(receiver.port) as peer:
            peer.associate([CT])
            assert peer.store(1, CT_IMAGE_STORAGE, "2.25.21", IMAGE.data_set) == 0
            assert "Explanation" not in receiver.log
            assert peer.store(1, CT_IMAGE_STORAGE, "2.25.21", other.data_set) == 0x0111
            peer.release()
        log = explained(receiver, 0, "0111H")
    assert "--on-duplicate says what happens then" in log


# --- ends -----------------------------------------------------------------------------------


def half_an_object() -> bytes:
    """Return a request and the first 4096 bytes of its data set."""
    whole = raw.message(1, raw.c_store_rq(2, CT_IMAGE_STORAGE, "2.25.21"))
    return whole + raw.p_data(raw.pdv(1, IMAGE.data_set[:4096], command=False, last=False))


def test_abort_in_the_middle_of_an_object_says_how_much_had_come(receiver: Receiver) -> None:
    seen = len(receiver.log)
    with ScriptedRequestor(receiver.port) as peer:
        peer.associate([CT])
        assert peer.store(1, CT_IMAGE_STORAGE, "2.25.21", IMAGE.data_set) == 0
        peer.send(half_an_object() + raw.abort(2, 1))
    log = explained(receiver, seen, "aborted the association")
    assert "after 1 object was stored, while object 2.25.21 arrived, 4096 bytes (4 KiB)" in log
    assert "received a PDU of a type that it does not know" in log
    assert "Nothing is kept of that object" in log


def test_pdu_longer_than_announced_is_told_with_its_length(tmp_path: Path) -> None:
    with Receiver(OURS, tmp_path, "--explain", "-pdu", "4096") as receiver:
        with ScriptedRequestor(receiver.port) as peer:
            peer.associate([CT])
            peer.send(b"\x04\x00" + (200_000).to_bytes(4, "big") + b"\0" * 100)
            peer.receive_until_closed()
        log = explained(receiver, 0, "the peer sent a PDU of 200000 bytes")
    assert "--max-pdu (-pdu) announces more" in log


def test_sender_that_falls_silent_is_told_with_the_option(tmp_path: Path) -> None:
    with (
        Receiver(OURS, tmp_path, "--explain", "-ts", "1") as receiver,
        ScriptedRequestor(receiver.port) as peer,
    ):
        peer.associate([CT])
        log = explained(receiver, 0, "--socket-timeout (-ts)")
        peer.receive_until_closed()
    assert "before any object was stored, not a byte moved on the connection for 1 s" in log
    assert "keeps associations open" in log


def test_sender_that_stops_in_an_object_is_told_with_the_option(tmp_path: Path) -> None:
    with (
        Receiver(OURS, tmp_path, "--explain", "-td", "1") as receiver,
        ScriptedRequestor(receiver.port) as peer,
    ):
        peer.associate([CT])
        peer.send(half_an_object())
        log = explained(receiver, 0, "--dimse-timeout (-td)")
        peer.receive_until_closed()
    assert "Nothing is kept of that object" in log


@pytest.mark.parametrize("option", ["--fork", "--workers=2"])
def test_processes_explain_as_well(tmp_path: Path, option: str) -> None:
    words = option.split("=")
    with Receiver(OURS, tmp_path, "--explain", *words) as receiver:
        with ScriptedRequestor(receiver.port) as peer:
            peer.associate([CT])
            peer.send(raw.abort())
        explained(receiver, 0, "before any object was stored, the peer aborted")
        with socket.create_connection(("127.0.0.1", receiver.port), 5) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            explained(receiver, 0, "sent an HTTP request")


# --- without the option ---------------------------------------------------------------------


def test_nothing_is_explained_unasked(tmp_path: Path) -> None:
    with Receiver(OURS, tmp_path) as receiver:
        for sent in (b"", b"GET / HTTP/1.1\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", receiver.port), 5) as sock:
                sock.sendall(sent)
        with ScriptedRequestor(receiver.port) as peer:
            peer.associate([CT, Context(3, "1.2.3.4", (EXPLICIT_LITTLE,))])
            assert peer.store(1, CT_IMAGE_STORAGE, "2.25.999", IMAGE.data_set) == 0xA900
            peer.send(raw.abort())
        receiver.process.wait_for_line("E: Receiving Association failed")
        done = receiver.process.terminate()
    assert "Explanation" not in done.stderr


def test_what_goes_well_is_not_explained(tmp_path: Path) -> None:
    with Receiver(OURS, tmp_path, "--explain") as receiver:
        with ScriptedRequestor(receiver.port) as peer:
            peer.associate([CT, Context(3, VERIFICATION, (EXPLICIT_LITTLE,))])
            assert peer.echo(3) == 0
            assert peer.store(1, CT_IMAGE_STORAGE, "2.25.21", IMAGE.data_set) == 0
            peer.release()
        assert receiver.process.terminate().stderr == ""
    assert receiver.names == ["CT.2.25.21"]

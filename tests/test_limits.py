"""One object says what peers may ask for: it is documented, and whoever it is given to obeys it."""

from __future__ import annotations

import contextlib
import struct
from typing import TYPE_CHECKING

import pytest

import isocenter
from isocenter.dataset.convert import InflationLimits
from isocenter.dataset.identity import IdentityLimits
from isocenter.dataset.part10 import FileMetaLimits
from isocenter.dataset.profile import RewriteOptions
from isocenter.dataset.scan import ScanLimits
from isocenter.dimse.codec import CommandLimits
from isocenter.errors import DataSetError, PeerProtocolError
from isocenter.limits import DEFAULTS, Limits
from isocenter.net.dispatch import Peers
from isocenter.net.options import ListenOptions
from isocenter.testing import ScriptedAcceptor, ScriptedRequestor, ct_image, raw
from isocenter.testing.datasets import (
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE,
    VERIFICATION,
    encode_data_set,
)
from isocenter.testing.peer import accept, serve_storage
from isocenter.testing.raw import Context
from tests.support.processes import wait_until
from tests.support.tools import OURS, Receiver
from tools import generate_limits

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import RawConnection

WAIT = 20.0
CONTEXTS = (
    Context(1, VERIFICATION, (EXPLICIT_LITTLE,)),
    Context(3, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE,)),
)
NO_ROOM = bytes((0, 2, 3, 2))
"""Result transient, source service provider (presentation), reason local limit exceeded."""


def test_page_is_what_the_generator_writes() -> None:
    assert generate_limits.main(["--check"]) == 0


def test_page_names_every_field() -> None:
    documented = [limit.name for _, limits in generate_limits.sections() for limit in limits]
    assert documented == list(Limits.__annotations__)


def test_layers_take_their_defaults_from_the_object() -> None:
    assert CommandLimits() == CommandLimits.of(DEFAULTS)
    assert ScanLimits() == ScanLimits.of(DEFAULTS)
    assert IdentityLimits() == IdentityLimits.of(DEFAULTS)
    assert InflationLimits() == InflationLimits.of(DEFAULTS)
    assert RewriteOptions().maximum_plan_length == DEFAULTS.maximum_changes_length


def test_layers_take_their_part_of_another_object() -> None:
    limits = Limits(
        maximum_command_set_length=1000,
        maximum_command_elements=7,
        maximum_depth=3,
        maximum_file_meta_length=500,
        maximum_file_meta_elements=9,
        maximum_inflation_ratio=2,
        free_inflated_length=100,
    )
    assert CommandLimits.of(limits) == CommandLimits(
        maximum_command_set_length=1000, maximum_elements=7
    )
    assert ScanLimits.of(limits).maximum_depth == 3
    identity = IdentityLimits.of(limits)
    assert identity.maximum_depth == 3
    assert identity.file_meta == FileMetaLimits(
        maximum_file_meta_length=500, maximum_file_meta_elements=9
    )
    assert InflationLimits.of(limits) == InflationLimits(maximum_ratio=2, free_length=100)


def test_servers_take_their_defaults_from_the_object() -> None:
    listening = ListenOptions(port=0)
    assert listening.maximum_pending == DEFAULTS.maximum_pending
    assert listening.maximum_pending_bytes == DEFAULTS.maximum_pending_bytes
    assert listening.maximum_handshakes == DEFAULTS.maximum_handshakes


# --- a server that was given one ---------------------------------------------------------------


def _answer(port: int, request: bytes) -> int:
    """Return the type of the PDU that answers a request."""
    with ScriptedRequestor(port, timeout=WAIT) as peer:
        peer.send(request)
        return peer.receive().pdu_type


@pytest.mark.parametrize(
    ("limits", "under", "over"),
    [
        (
            Limits(maximum_presentation_contexts=2),
            raw.associate_rq(CONTEXTS),
            raw.associate_rq((*CONTEXTS, Context(5, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE,)))),
        ),
        (
            Limits(maximum_transfer_syntaxes=2),
            raw.associate_rq([Context(1, VERIFICATION, (EXPLICIT_LITTLE,) * 2)]),
            raw.associate_rq([Context(1, VERIFICATION, (EXPLICIT_LITTLE,) * 3)]),
        ),
        (
            Limits(maximum_association_pdu_length=1000),
            raw.associate_rq(CONTEXTS, user=raw.user_information(raw.item(0xEE, bytes(500)))),
            raw.associate_rq(CONTEXTS, user=raw.user_information(raw.item(0xEE, bytes(1000)))),
        ),
        (
            Limits(maximum_user_items=4),
            raw.associate_rq(CONTEXTS, user=raw.user_information(raw.item(0xEE, b"x"))),
            raw.associate_rq(CONTEXTS, user=raw.user_information(*[raw.item(0xEE, b"x")] * 2)),
        ),
        (
            Limits(maximum_uid_length=25),
            raw.associate_rq([Context(1, VERIFICATION, ("1." + "2" * 23,))]),
            raw.associate_rq([Context(1, VERIFICATION, ("1." + "2" * 24,))]),
        ),
        (
            Limits(maximum_user_identity_length=10),
            raw.associate_rq(
                CONTEXTS,
                user=raw.user_information(raw.item(0x58, b"\1\0\0\x0a" + b"u" * 10 + b"\0\0")),
            ),
            raw.associate_rq(
                CONTEXTS,
                user=raw.user_information(raw.item(0x58, b"\1\0\0\x0b" + b"u" * 11 + b"\0\0")),
            ),
        ),
    ],
    ids=["contexts", "syntaxes", "length", "user items", "UID", "identity"],
)
def test_server_aborts_an_association_beyond_its_limits(
    limits: Limits, under: bytes, over: bytes
) -> None:
    with isocenter.serve(limits=limits) as server:
        assert _answer(server.port, under) == raw.ASSOCIATE_AC
        assert _answer(server.port, over) == raw.ABORT
        assert _answer(server.port, under) == raw.ASSOCIATE_AC


@pytest.mark.parametrize(
    "limits", [Limits(maximum_command_elements=5), Limits(maximum_command_set_length=68)]
)
def test_server_aborts_a_command_set_beyond_its_limits(limits: Limits) -> None:
    def command(count: int) -> bytes:
        extra = [(0x0900 + number, b"xy") for number in range(count)]
        elements = (
            (0x0002, raw.ui(VERIFICATION)),
            (0x0100, raw.us(0x0030)),
            (0x0110, raw.us(1)),
            (0x0800, raw.us(raw.NO_DATA_SET)),
        )
        return raw.message(1, raw.command_set((*elements, *extra)))

    with isocenter.serve(limits=limits) as server:
        for count, expected in ((0, raw.P_DATA), (3, raw.ABORT), (0, raw.P_DATA)):
            with ScriptedRequestor(server.port, timeout=WAIT) as peer:
                peer.associate(CONTEXTS)
                peer.send(command(count))
                assert peer.receive().pdu_type == expected


def _nested(depth: int) -> bytes:
    inner = b""
    for _ in range(depth):
        item = struct.pack("<HHI", 0xFFFE, 0xE000, len(inner)) + inner
        inner = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, len(item)) + item
    return inner


@pytest.mark.parametrize(("depth", "rewritten"), [(2, True), (3, False)])
def test_server_rewrites_no_deeper_than_its_limit(
    depth: int, rewritten: bool, tmp_path: Path
) -> None:
    image = ct_image(rows=4, columns=4)
    data = encode_data_set(
        [(0x00080016, "UI", CT_IMAGE_STORAGE), (0x00080018, "UI", image.sop_instance_uid)]
    ) + _nested(depth)
    options = isocenter.StorageOptions(
        rewrite=isocenter.RewriteOptions(transfer_syntax_uid="1.2.840.10008.1.2")
    )
    with (
        isocenter.serve(
            directory=tmp_path, storage_options=options, limits=Limits(maximum_depth=2)
        ) as server,
        ScriptedRequestor(server.port, timeout=WAIT) as peer,
    ):
        peer.associate(CONTEXTS)
        assert peer.store(3, CT_IMAGE_STORAGE, image.sop_instance_uid, data) == 0
        peer.release()
    (path,) = tmp_path.glob("CT.*")
    assert path.read_bytes().endswith(data) is not rewritten


def test_server_bears_no_more_bytes_before_associations_than_its_limit() -> None:
    """Who holds most of them goes, and a good peer is served."""
    half = raw.pdu(raw.ASSOCIATE_RQ, bytes(3000), length=8000)
    with (
        isocenter.serve(limits=Limits(maximum_pending_bytes=4000)) as server,
        ScriptedRequestor(server.port, timeout=WAIT) as greedy,
        ScriptedRequestor(server.port, timeout=WAIT) as other,
    ):
        greedy.send(half)
        other.send(half[:1500])
        assert _answer(server.port, raw.associate_rq(CONTEXTS)) == raw.ASSOCIATE_AC
        assert greedy.receive_until_closed(timeout=WAIT) == []


@pytest.mark.parametrize("own", [True, False], ids=["of its own", "by the limits"])
def test_server_takes_no_more_associations_than_it_was_told(own: bool) -> None:
    limits = Limits(maximum_associations=7) if own else Limits(maximum_associations=2)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(
            isocenter.serve(limits=limits, maximum_associations=2 if own else None)
        )
        for _ in range(2):
            peer = stack.enter_context(ScriptedRequestor(server.port, timeout=WAIT))
            peer.associate(CONTEXTS)
        assert _answer(server.port, raw.associate_rq(CONTEXTS)) == raw.ASSOCIATE_RJ


# --- associations of one peer ------------------------------------------------------------------


def _associated(port: int, host: str = "127.0.0.1") -> ScriptedRequestor:
    """Return an open association, as soon as there is room for one."""
    peers: list[ScriptedRequestor] = []

    def attempt() -> bool:
        peer = ScriptedRequestor(port, host=host, timeout=WAIT)
        peer.send(raw.associate_rq(CONTEXTS))
        answer = peer.receive()
        if answer.pdu_type == raw.ASSOCIATE_AC:
            peers.append(peer)
            return True
        peer.close()
        return False

    wait_until(attempt, timeout=WAIT, what="room for an association")
    return peers[0]


@pytest.mark.slow
@pytest.mark.parametrize("mode", [(), ("--fork",), ("--workers", "1")], ids=" ".join)
def test_receiver_serves_no_more_associations_of_one_peer_than_it_was_told(
    mode: tuple[str, ...], tmp_path: Path
) -> None:
    options = (*mode, "--max-per-peer", "2")
    with Receiver(OURS, tmp_path, *options) as receiver, contextlib.ExitStack() as stack:
        first = stack.enter_context(_associated(receiver.port))
        stack.enter_context(_associated(receiver.port))
        with ScriptedRequestor(receiver.port, timeout=WAIT) as peer:
            peer.send(raw.associate_rq(CONTEXTS))
            answer = peer.receive()
        assert (answer.pdu_type, answer.body) == (raw.ASSOCIATE_RJ, NO_ROOM)
        # Those that it has go on, and where one ends there is room for another.
        assert first.echo(1) == 0
        first.release()
        first.close()
        again = stack.enter_context(_associated(receiver.port))
        assert again.echo(1) == 0
        receiver.process.wait_for_line("rejected: too many associations", timeout=WAIT)
        assert receiver.process.terminate(timeout=WAIT).code == 0
        assert "Traceback" not in receiver.log


def test_receiver_with_workers_bounds_the_associations_of_one_peer_in_each(tmp_path: Path) -> None:
    options = ("--workers", "2", "--max-per-peer", "2")
    with Receiver(OURS, tmp_path, *options) as receiver, contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(_associated(receiver.port))
        with ScriptedRequestor(receiver.port, timeout=WAIT) as peer:
            peer.send(raw.associate_rq(CONTEXTS))
            assert peer.receive().body == NO_ROOM


def test_other_peers_are_served_beside_one_that_has_enough() -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(
            isocenter.serve(host="", limits=Limits(maximum_associations_per_peer=1))
        )
        stack.enter_context(_associated(server.port))
        with ScriptedRequestor(server.port, timeout=WAIT) as peer:
            peer.send(raw.associate_rq(CONTEXTS))
            assert peer.receive().body == NO_ROOM
        try:
            other = _associated(server.port, "::1")
        except OSError:
            pytest.skip("no IPv6 here")
        with other:
            assert other.echo(1) == 0


def test_peers_are_counted_by_address_and_forgotten() -> None:
    peers = Peers(2)
    for number in range(2):
        assert peers.have_room_for(f"192.0.2.1:{number}")
        peers.add(f"192.0.2.1:{number}")
    assert not peers.have_room_for("192.0.2.1:9")
    assert peers.have_room_for("192.0.2.2:9")
    assert peers.have_room_for("::1:9")
    peers.remove("192.0.2.1:0")
    assert peers.have_room_for("192.0.2.1:9")
    peers.remove("192.0.2.1:1")
    assert peers._counts == {}


def test_peers_without_a_bound_are_not_counted() -> None:
    peers = Peers(None)
    for _ in range(3):
        peers.add("192.0.2.1:1")
    assert peers.have_room_for("192.0.2.1:1")
    assert peers._counts == {}


# --- a requestor that was given one ------------------------------------------------------------


def _storage(connection: RawConnection) -> None:
    accept(connection)
    for _ in serve_storage(connection):
        pass


def test_requestor_aborts_an_answer_beyond_its_limits() -> None:
    with ScriptedAcceptor(_storage, timeout=WAIT) as acceptor:
        with (
            pytest.raises(PeerProtocolError),
            isocenter.connect("127.0.0.1", acceptor.port, limits=Limits(maximum_items=5)),
        ):
            pass
        with isocenter.connect("127.0.0.1", acceptor.port) as peer:
            peer.echo()


def test_requestor_sends_no_file_beyond_its_limits(tmp_path: Path) -> None:
    path = ct_image(rows=4, columns=4).write(tmp_path / "image")
    with ScriptedAcceptor(_storage, timeout=WAIT) as acceptor:
        limits = Limits(maximum_file_meta_elements=3)
        with isocenter.connect("127.0.0.1", acceptor.port, limits=limits) as peer:
            with pytest.raises(DataSetError):
                peer.store(path)
            peer.echo()
        with isocenter.connect("127.0.0.1", acceptor.port) as peer:
            assert peer.store(path).confirmed

"""What is unusual but has to work: odd fragments, odd titles, tiny PDUs, any cut of TCP."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ScriptedRequestor, ct_image, raw
from isocenter.testing.datasets import (
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    VERIFICATION,
)
from isocenter.testing.reading import parse_associate
from tests.faults.conftest import CONTEXTS, ECHO_CONTEXT, STORE_CONTEXT
from tests.support import part10
from tests.support.tools import UNDER_TEST

if TYPE_CHECKING:
    from isocenter.testing import DicomObject, RawConnection
    from tests.support.tools import Receiver

pytestmark = pytest.mark.slow

ours_only = pytest.mark.skipif(
    not UNDER_TEST.is_ours, reason="DCMTK's tool does not take this (dcmtk-facts 3.3, 3.5)"
)


def _received(receiver: Receiver, image: DicomObject) -> bytes:
    """Return the data set that was kept of an object, and check its name."""
    return part10.read(receiver.directory / f"CT.{image.sop_instance_uid}").data_set


def _store_command(image: DicomObject, message_id: int = 1) -> bytes:
    return raw.c_store_rq(message_id, image.sop_class_uid, image.sop_instance_uid)


def _cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """Cut data into pieces of the sizes given, again and again."""
    pieces = []
    offset = turn = 0
    while offset < len(data):
        size = sizes[turn % len(sizes)]
        pieces.append(data[offset : offset + size])
        offset += size
        turn += 1
    return pieces


def _pdvs(image: DicomObject, sizes: list[int]) -> list[bytes]:
    """Return the PDVs of a C-STORE whose fragments have the sizes given."""
    command = _cut(_store_command(image), sizes)
    data = _cut(image.data_set, sizes)
    return [
        raw.pdv(STORE_CONTEXT, part, command=is_command, last=index == len(parts) - 1)
        for is_command, parts in ((True, command), (False, data))
        for index, part in enumerate(parts)
    ]


def _confirm(connection: RawConnection) -> None:
    assert connection.expect_response(0x8001).number(0x0900) == 0


@ours_only
@pytest.mark.parametrize("sizes", [[1], [3, 5, 7], [999, 2], [16377]], ids=str)
def test_receiver_joins_fragments_of_odd_length(
    receiver: Receiver, associated: ScriptedRequestor, sizes: list[int]
) -> None:
    image = ct_image(rows=16, columns=16)
    for pdv in _pdvs(image, sizes):
        associated.send(raw.p_data(pdv))
    _confirm(associated)
    assert _received(receiver, image) == image.data_set


def test_receiver_takes_empty_fragments(receiver: Receiver, associated: ScriptedRequestor) -> None:
    image = ct_image(rows=8, columns=8)
    empty = raw.pdv(STORE_CONTEXT, b"", command=False, last=False)
    for pdv in _pdvs(image, [200]):
        associated.send(raw.p_data(pdv))
        if pdv[5] == 0:  # of the data set, and not the last
            associated.send(raw.p_data(empty))
    _confirm(associated)
    assert _received(receiver, image) == image.data_set


def test_receiver_takes_a_data_set_that_ends_with_an_empty_fragment(
    receiver: Receiver, associated: ScriptedRequestor
) -> None:
    image = ct_image(rows=8, columns=8)
    associated.send(
        raw.p_data(raw.pdv(STORE_CONTEXT, _store_command(image), command=True, last=True))
        + raw.p_data(raw.pdv(STORE_CONTEXT, image.data_set, command=False, last=False))
        + raw.p_data(raw.pdv(STORE_CONTEXT, b"", command=False, last=True))
    )
    _confirm(associated)
    assert _received(receiver, image) == image.data_set


@ours_only
@pytest.mark.parametrize("sizes", [[64], [500, 2, 4000]], ids=str)
def test_receiver_takes_many_pdvs_in_one_pdu(
    receiver: Receiver, associated: ScriptedRequestor, sizes: list[int]
) -> None:
    image = ct_image(rows=16, columns=16)
    pdvs = _pdvs(image, sizes)
    while pdvs:
        together: list[bytes] = []
        while pdvs and sum(map(len, together)) + len(pdvs[0]) <= 16384:
            together.append(pdvs.pop(0))
        associated.send(raw.p_data(*together))
    _confirm(associated)
    assert _received(receiver, image) == image.data_set


def test_receiver_understands_an_association_sent_byte_by_byte(
    receiver: Receiver, requestor: ScriptedRequestor
) -> None:
    image = ct_image(rows=4, columns=4)
    requestor.send_split(raw.associate_rq(CONTEXTS))
    assert requestor.receive().pdu_type == raw.ASSOCIATE_AC
    requestor.send_split(raw.message(STORE_CONTEXT, _store_command(image), image.data_set))
    _confirm(requestor)
    requestor.send_split(raw.release_rq())
    assert requestor.receive().pdu_type == raw.RELEASE_RP
    assert _received(receiver, image) == image.data_set


def test_receiver_understands_everything_sent_at_once(
    receiver: Receiver, associated: ScriptedRequestor
) -> None:
    """PDUs joined by TCP: an echo, a store and the release arrive as one run of bytes."""
    image = ct_image(rows=32, columns=32)
    associated.send(
        raw.message(ECHO_CONTEXT, raw.c_echo_rq(1))
        + raw.message(STORE_CONTEXT, _store_command(image, 2), image.data_set)
        + raw.release_rq()
    )
    assert associated.expect_response(0x8030).number(0x0120) == 1
    assert associated.expect_response(0x8001).number(0x0120) == 2
    assert associated.receive().pdu_type == raw.RELEASE_RP
    assert _received(receiver, image) == image.data_set


@pytest.mark.parametrize("seed", range(3))
def test_receiver_does_not_care_where_tcp_cuts(
    receiver: Receiver, associated: ScriptedRequestor, seed: int
) -> None:
    image = ct_image(rows=64, columns=64, seed=seed)
    generator = random.Random(seed)
    data = raw.message(STORE_CONTEXT, _store_command(image), image.data_set, maximum_length=1000)
    offset = 0
    while offset < len(data):
        size = generator.choice([1, 2, 5, 6, 7, 100, 1005, 1006, 1007, 5000])
        associated.send(data[offset : offset + size])
        offset += size
    _confirm(associated)
    assert _received(receiver, image) == image.data_set


@pytest.mark.parametrize(
    ("called", "calling"),
    [
        pytest.param("", "", marks=ours_only, id="blank"),
        pytest.param(bytes(16), bytes(16), marks=ours_only, id="NUL"),
        pytest.param("  BLANKS FIRST", "x", id="leading blanks"),
        pytest.param(b"NULPADDED".ljust(16, b"\0"), b"ME".ljust(16, b"\0"), id="NUL padded"),
        pytest.param("sixteen--letters", "0123456789abcdef", id="full length"),
        pytest.param("M\xfcnchen", "\xe4\xf6", id="Latin-1"),
        pytest.param("BACK\\SLASH", "TAB\tTAB", id="forbidden characters"),
    ],
)
def test_receiver_accepts_any_ae_title_and_echoes_the_fields(
    requestor: ScriptedRequestor, called: str | bytes, calling: str | bytes
) -> None:
    answer = requestor.associate(CONTEXTS, called=called, calling=calling)
    wanted = [raw.ae_title(called)[:16], raw.ae_title(calling)[:16]]
    if UNDER_TEST.is_ours:
        assert [answer.called, answer.calling] == wanted
    assert requestor.echo(ECHO_CONTEXT) == 0
    requestor.release()


@pytest.mark.parametrize("maximum", [0, 8, 10, 11, 12, 13, 14, 20, 64, 4096, 0xFFFFFFFF])
def test_receiver_answers_within_the_maximum_length_of_its_peer(
    receiver: Receiver, requestor: ScriptedRequestor, maximum: int
) -> None:
    if not UNDER_TEST.is_ours and 0 < maximum < 4096:
        pytest.skip("DCMTK's tool does not take this")
    requestor.associate(CONTEXTS, user=raw.user_information(maximum_length=maximum))
    image = ct_image(rows=4, columns=4)
    requestor.send(raw.message(STORE_CONTEXT, _store_command(image), image.data_set))
    answer = requestor.expect_response(0x8001)
    assert answer.number(0x0900) == 0
    assert answer.longest_pdu <= (maximum or 0xFFFFFFFF)
    requestor.release()


@ours_only
@pytest.mark.parametrize("maximum", range(1, 8))
def test_receiver_ends_an_association_whose_maximum_length_has_no_room_for_a_fragment(
    requestor: ScriptedRequestor, maximum: int
) -> None:
    """A PDV takes 6 bytes and one of an even length 8: nothing can be answered within these."""
    user = raw.user_information(maximum_length=maximum)
    requestor.send(raw.associate_rq(CONTEXTS, user=user))
    received = requestor.receive()
    if received.pdu_type == raw.ASSOCIATE_AC:
        requestor.send(raw.message(ECHO_CONTEXT, raw.c_echo_rq()))
        received = requestor.receive()
    assert received.pdu_type in {raw.ABORT, raw.ASSOCIATE_RJ}


def test_receiver_ignores_items_it_does_not_know(requestor: ScriptedRequestor) -> None:
    user = raw.user_information(raw.item(0x5F, b"private"))
    answer = requestor.associate(CONTEXTS, user=user)
    assert set(answer.accepted) == {ECHO_CONTEXT, STORE_CONTEXT}
    assert requestor.echo(ECHO_CONTEXT) == 0


def test_receiver_ignores_reserved_bytes(requestor: ScriptedRequestor) -> None:
    """PS3.8 9.3.2: reserved fields are not tested to their value when received."""
    request = bytearray(raw.associate_rq(CONTEXTS))
    request[1] = 0xAA
    request[8:10] = b"\xaa\xaa"
    request[42:74] = b"\xaa" * 32
    requestor.send(bytes(request))
    received = requestor.receive()
    assert received.pdu_type == raw.ASSOCIATE_AC
    assert set(parse_associate(received.body).accepted) == {ECHO_CONTEXT, STORE_CONTEXT}


def test_receiver_accepts_a_peer_without_user_information(requestor: ScriptedRequestor) -> None:
    if not UNDER_TEST.is_ours:
        pytest.skip("DCMTK's tool does not answer")
    requestor.associate(CONTEXTS, user=b"")
    assert requestor.echo(ECHO_CONTEXT) == 0


def test_receiver_accepts_128_contexts(requestor: ScriptedRequestor) -> None:
    contexts = [
        raw.Context(2 * index + 1, VERIFICATION, (IMPLICIT_LITTLE, EXPLICIT_LITTLE))
        for index in range(128)
    ]
    answer = requestor.associate(contexts)
    assert len(answer.accepted) == 128
    assert requestor.echo(255) == 0


def test_receiver_takes_several_associations_after_another_from_one_peer(
    receiver: Receiver, bystander: ScriptedRequestor
) -> None:
    for _ in range(20):
        with ScriptedRequestor(receiver.port) as connection:
            connection.associate(CONTEXTS)
            assert connection.echo(ECHO_CONTEXT) == 0
            connection.release()


@ours_only
def test_receiver_keeps_the_data_set_of_a_class_it_does_not_expect_on_the_context(
    receiver: Receiver, associated: ScriptedRequestor
) -> None:
    """The association still serves after a C-STORE for another class than negotiated."""
    image = ct_image(rows=4, columns=4)
    command = raw.c_store_rq(1, "1.2.840.10008.5.1.4.1.1.4", image.sop_instance_uid)
    associated.send(raw.message(STORE_CONTEXT, command, image.data_set))
    status = associated.expect_response(0x8001).number(0x0900)
    kept = [name for name in receiver.names if image.sop_instance_uid in name]
    assert (status == 0) == bool(kept)
    assert associated.echo(ECHO_CONTEXT) == 0

"""Messages out of P-DATA, whole and in fragments (PS3.7 6.3, PS3.8 annex E)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.dimse.codec import CommandLimits, encode_command
from isocenter.dimse.commands import CStoreRQ
from isocenter.dimse.messages import CommandReceived, DataReceived, MessageAssembler
from isocenter.errors import DimseDecodeError
from isocenter.ul.events import PDataIndication
from tests.dimse import samples
from tests.dimse.strategies import messages

if TYPE_CHECKING:
    from isocenter.dimse.commands import Message

STORE = CStoreRQ(message_id=7, affected_sop_class_uid="1.2.3", affected_sop_instance_uid="1.2.3.4")
STORE_WIRE = encode_command(STORE)


def command(*parts: bytes, last: bool = True, context: int = 1) -> PDataIndication:
    views = [memoryview(bytearray(part)) for part in parts]
    return PDataIndication(context, True, last, views, sum(map(len, parts)))


def data(*parts: bytes, last: bool = True, context: int = 1) -> PDataIndication:
    views = [memoryview(bytearray(part)) for part in parts]
    return PDataIndication(context, False, last, views, sum(map(len, parts)))


def received(event: object) -> CommandReceived:
    assert isinstance(event, CommandReceived)
    return event


def refused(assembler: MessageAssembler, event: PDataIndication) -> DimseDecodeError:
    with pytest.raises(DimseDecodeError) as caught:
        assembler.pdata(event)
    return caught.value


# --- commands ---


def test_command_in_one_fragment_is_received_at_once() -> None:
    event = received(MessageAssembler().pdata(command(samples.C_ECHO_RQ, context=5)))
    assert event.context_id == 5
    assert event.message.message_name == "C-ECHO-RQ"


def test_command_byte_by_byte_is_received_with_its_last_byte() -> None:
    assembler = MessageAssembler()
    last = len(STORE_WIRE) - 1
    for place in range(last):
        assert assembler.pdata(command(STORE_WIRE[place : place + 1], last=False)) is None
        assert not assembler.between_messages
    assert received(assembler.pdata(command(STORE_WIRE[last:]))).message == STORE


@given(messages, st.data())
def test_command_cut_at_random_is_the_same_message(
    message: Message, choices: st.DataObject
) -> None:
    wire = encode_command(message)
    cuts = sorted(choices.draw(st.lists(st.integers(0, len(wire)), max_size=5)))
    pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    assembler = MessageAssembler()
    while len(pieces) > 1:
        take = choices.draw(st.integers(1, len(pieces)))
        if take == len(pieces):
            break
        assert assembler.pdata(command(*pieces[:take], last=False)) is None
        del pieces[:take]
    assert received(assembler.pdata(command(*pieces))).message == message
    assert assembler.between_messages is not message.has_data_set


def test_command_may_end_with_an_empty_fragment() -> None:
    assembler = MessageAssembler()
    assert assembler.pdata(command(STORE_WIRE, last=False)) is None
    assert received(assembler.pdata(command(b""))).message == STORE


def test_gathered_command_does_not_keep_the_views() -> None:
    assembler = MessageAssembler()
    window = bytearray(STORE_WIRE)
    view = memoryview(window)
    half = len(window) // 2
    assembler.pdata(PDataIndication(1, True, False, [view[:half]], half))
    window[:half] = bytes(half)
    rest = command(STORE_WIRE[half:])
    assert received(assembler.pdata(rest)).message == STORE


# --- data sets ---


def test_data_set_fragments_pass_through_untouched() -> None:
    assembler = MessageAssembler()
    assembler.pdata(command(STORE_WIRE))
    first = data(b"abc", b"de", last=False)
    assert assembler.pdata(first) == DataReceived(1, first.fragments, 5, is_last=False)
    begun = assembler.between_messages
    second = assembler.pdata(data(b"f"))
    assert isinstance(second, DataReceived)
    assert second.is_last
    assert (begun, assembler.between_messages) == (False, True)
    assert received(assembler.pdata(command(STORE_WIRE, context=3))).context_id == 3


def test_empty_data_set_is_passed_on() -> None:
    assembler = MessageAssembler()
    assembler.pdata(command(STORE_WIRE))
    assert assembler.pdata(data()) == DataReceived(1, [], 0, is_last=True)
    assert assembler.between_messages


# --- what is out of order ---


def test_data_set_without_command_is_refused() -> None:
    assert refused(MessageAssembler(), data(b"x")).found == "a data set"


def test_data_set_after_a_command_that_announced_none_is_refused() -> None:
    assembler = MessageAssembler()
    assembler.pdata(command(samples.C_ECHO_RQ))
    assert refused(assembler, data(b"x")).message == "C-ECHO-RQ"


def test_data_set_within_a_command_is_refused() -> None:
    assembler = MessageAssembler()
    assembler.pdata(command(STORE_WIRE[:20], last=False))
    assert refused(assembler, data(b"x")).found == "a data set within a command set"


def test_data_set_after_its_end_is_refused() -> None:
    assembler = MessageAssembler()
    assembler.pdata(command(STORE_WIRE))
    assembler.pdata(data(b"x"))
    refused(assembler, data(b"x"))


@pytest.mark.parametrize("begun", [False, True])
def test_command_while_a_data_set_is_due_is_refused(begun: bool) -> None:
    assembler = MessageAssembler()
    assembler.pdata(command(STORE_WIRE))
    if begun:
        assembler.pdata(data(b"x", last=False))
    error = refused(assembler, command(STORE_WIRE))
    assert (error.message, error.found) == ("C-STORE-RQ", "a command")


def test_change_of_context_within_a_command_is_refused() -> None:
    assembler = MessageAssembler()
    assembler.pdata(command(STORE_WIRE[:20], last=False))
    error = refused(assembler, command(STORE_WIRE[20:], context=3))
    assert (error.field, error.expected, error.found) == ("presentation context", "1", "3")


def test_change_of_context_before_the_data_set_is_refused() -> None:
    assembler = MessageAssembler()
    assembler.pdata(command(STORE_WIRE))
    assert refused(assembler, data(b"x", context=3)).field == "presentation context"


@pytest.mark.parametrize("fragments", [(), (b"",), (b"", b"")])
def test_empty_command_is_refused(fragments: tuple[bytes, ...]) -> None:
    assert refused(MessageAssembler(), command(*fragments)).field == "command set length"


def test_unusable_command_is_refused() -> None:
    refused(MessageAssembler(), command(b"\x08\0\x18\0\0\0\0\0"))


# --- limits ---


@pytest.mark.parametrize("cut", [0, 20])
def test_command_set_length_is_limited_before_it_is_kept(cut: int) -> None:
    def feed(limit: int) -> object:
        limits = CommandLimits(maximum_command_set_length=limit)
        assembler = MessageAssembler(limits)
        if cut:
            assert assembler.pdata(command(STORE_WIRE[:cut], last=False)) is None
        return assembler.pdata(command(STORE_WIRE[cut:]))

    assert received(feed(len(STORE_WIRE))).message == STORE
    with pytest.raises(DimseDecodeError, match="command set length"):
        feed(len(STORE_WIRE) - 1)


def test_endless_command_is_refused_at_64_kib() -> None:
    assembler = MessageAssembler()
    for _ in range(64):
        assert assembler.pdata(command(bytes(1024), last=False)) is None
    assert refused(assembler, command(b"\0", last=False)).field == "command set length"

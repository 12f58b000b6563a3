"""Command sets to bytes and back (PS3.7 6.3.1, 9.3, 10.3)."""

from __future__ import annotations

import contextlib
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.dimse.codec import CommandLimits, decode_command, encode_command
from isocenter.dimse.commands import (
    CEchoRQ,
    CEchoRSP,
    CFindRQ,
    CFindRSP,
    CMoveRQ,
    CStoreRQ,
    CStoreRSP,
    Priority,
)
from isocenter.dimse.commands_n import NGetRQ
from isocenter.errors import DimseDecodeError
from tests.dimse import samples
from tests.dimse.strategies import MESSAGE_CLASSES, messages, messages_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.dimse.commands import Message

SAMPLES: dict[bytes, Message] = {
    samples.C_ECHO_RQ: CEchoRQ(message_id=7, affected_sop_class_uid="1.2.840.10008.1.1"),
    samples.C_STORE_RQ_MOVED: CStoreRQ(
        message_id=65535,
        affected_sop_class_uid="1.2.3",
        affected_sop_instance_uid="1.2.3.4",
        priority=Priority.LOW,
        move_originator_application_entity_title="MOVER",
        move_originator_message_id=9,
    ),
    samples.C_STORE_RSP: CStoreRSP(
        message_id_being_responded_to=7,
        status=0,
        affected_sop_class_uid="1.2.3",
        affected_sop_instance_uid="1.2.3.4",
    ),
    samples.C_STORE_RSP_FAILED: CStoreRSP(
        message_id_being_responded_to=7,
        status=0xA900,
        offending_element=(0x00080016, 0x00100020),
        error_comment="wrong clas",
    ),
    samples.N_GET_RQ: NGetRQ(
        message_id=1,
        requested_sop_class_uid="1.2",
        requested_sop_instance_uid="1.3",
        attribute_identifier_list=(0x00100010, 0x00100020),
    ),
}


def element(tag: int, value: bytes, *, group: int = 0) -> bytes:
    return struct.pack("<HHI", group, tag, len(value)) + value


def command_set(*elements: bytes) -> bytes:
    body = b"".join(elements)
    return element(0, struct.pack("<I", len(body))) + body


def unsigned(tag: int, value: int) -> bytes:
    return element(tag, struct.pack("<H", value))


CLASS = element(0x0002, b"1.2.3\0")
STORE = unsigned(0x0100, 0x0001)
ECHO = unsigned(0x0100, 0x0030)
ID = unsigned(0x0110, 7)
PRIORITY = unsigned(0x0700, 0)
DATA = unsigned(0x0800, 1)
NO_DATA = unsigned(0x0800, 0x0101)
INSTANCE = element(0x1000, b"1.2.3.4\0")


@pytest.mark.parametrize(("wire", "message"), SAMPLES.items())
def test_sample_is_what_the_message_encodes_to(wire: bytes, message: Message) -> None:
    assert encode_command(message) == wire


@pytest.mark.parametrize(("wire", "message"), SAMPLES.items())
@pytest.mark.parametrize("buffer", [bytes, bytearray, lambda wire: memoryview(bytearray(wire))])
def test_sample_decodes_from_any_buffer(
    wire: bytes, message: Message, buffer: Callable[[bytes], bytes]
) -> None:
    decoded = decode_command(buffer(wire))
    assert decoded == message
    assert type(decoded) is type(message)
    assert decoded.deviations == ()


# --- round trips ---


@pytest.mark.parametrize("kind", MESSAGE_CLASSES)
@given(data=st.data())
def test_every_message_survives_the_round_trip(kind: type[Message], data: st.DataObject) -> None:
    message = data.draw(messages_of(kind))
    wire = encode_command(message)
    decoded = decode_command(memoryview(wire))
    assert decoded == message
    assert decoded.deviations == ()


@given(messages)
def test_encoding_is_ordered_even_and_counted(message: Message) -> None:
    wire = encode_command(message)
    tags = []
    offset = 0
    while offset < len(wire):
        group, tag, length = struct.unpack_from("<HHI", wire, offset)
        assert group == 0
        assert length % 2 == 0
        tags.append(tag)
        offset += 8 + length
    assert tags == sorted(set(tags))
    assert tags[0] == 0
    assert struct.unpack_from("<I", wire, 8) == (len(wire) - 12,)


# --- what is tolerated ---


def test_missing_group_length_is_noted() -> None:
    message = decode_command(CLASS + ECHO + ID + NO_DATA)
    assert message == CEchoRQ(message_id=7, affected_sop_class_uid="1.2.3")
    assert message.deviations == ("no group length",)


@pytest.mark.parametrize(
    ("group_length", "note"),
    [(b"\x01\0\0\0", "group length 1, counted 44"), (b"\x2c\0", "group length 44, counted 42")],
)
def test_wrong_group_length_is_noted(group_length: bytes, note: str) -> None:
    message = decode_command(element(0, group_length) + CLASS + ECHO + ID + NO_DATA)
    assert message == CEchoRQ(message_id=7, affected_sop_class_uid="1.2.3")
    assert message.deviations == (note,)


def test_elements_out_of_order_are_noted() -> None:
    message = decode_command(command_set(NO_DATA, ID, CLASS, ECHO))
    assert message == CEchoRQ(message_id=7, affected_sop_class_uid="1.2.3")
    assert message.deviations == ("elements out of order",)


def test_group_length_at_the_end_is_noted() -> None:
    body = CLASS + ECHO + ID + NO_DATA
    message = decode_command(body + element(0, struct.pack("<I", len(body))))
    assert message == CEchoRQ(message_id=7, affected_sop_class_uid="1.2.3")
    assert message.deviations == ("elements out of order",)


def test_odd_length_is_noted() -> None:
    message = decode_command(command_set(element(0x0002, b"1.2.3"), ECHO, ID, NO_DATA))
    assert message == CEchoRQ(message_id=7, affected_sop_class_uid="1.2.3")
    assert message.deviations == ("odd length of AffectedSOPClassUID",)


@pytest.mark.parametrize("uid", [b"1.2.3\0", b"1.2.3 ", b"1.2.3\0\0\0", b"1.2.3   \0 ", b" 1.2.3"])
def test_uid_padding_is_taken_off(uid: bytes) -> None:
    store = command_set(element(0x0002, uid), STORE, ID, PRIORITY, DATA, INSTANCE)
    instance = command_set(CLASS, STORE, ID, PRIORITY, DATA, element(0x1000, uid))
    first, second = decode_command(store), decode_command(instance)
    assert isinstance(first, CStoreRQ)
    assert isinstance(second, CStoreRQ)
    assert first.affected_sop_class_uid == second.affected_sop_instance_uid == "1.2.3"


@pytest.mark.parametrize("title", [b"AE", b"AE              ", b"AE\0\0", b"  AE"])
def test_ae_title_padding_is_taken_off(title: bytes) -> None:
    move = command_set(CLASS, unsigned(0x0100, 0x0021), ID, element(0x0600, title), PRIORITY, DATA)
    message = decode_command(move)
    assert isinstance(message, CMoveRQ)
    assert message.move_destination == "AE"


@pytest.mark.parametrize("value", [b"", b"\0\0", b"  "])
def test_optional_text_without_a_value_is_absent(value: bytes) -> None:
    message = decode_command(
        command_set(CLASS, STORE, ID, PRIORITY, DATA, INSTANCE, element(0x1030, value))
    )
    assert isinstance(message, CStoreRQ)
    assert message.move_originator_application_entity_title is None


def test_optional_number_without_a_value_is_absent() -> None:
    message = decode_command(
        command_set(CLASS, STORE, ID, PRIORITY, DATA, INSTANCE, element(0x1031, b""))
    )
    assert isinstance(message, CStoreRQ)
    assert message.move_originator_message_id is None


@pytest.mark.parametrize("type_value", [0, 1, 0x0100, 0x0102, 0xFEFE, 0xFFFF])
def test_any_data_set_type_but_0101_announces_one(type_value: int) -> None:
    for kind in (STORE, ECHO):
        wire = command_set(CLASS, kind, ID, PRIORITY, unsigned(0x0800, type_value), INSTANCE)
        assert decode_command(wire).has_data_set


def test_unknown_elements_of_the_group_are_kept() -> None:
    old = element(0x0001, b"\x1e\0\0\0")  # Command Length to End, retired
    other = element(0x1008, b"\1\0")  # Action Type ID, none of C-ECHO's
    message = decode_command(command_set(old, CLASS, ECHO, ID, NO_DATA, other))
    assert message.extra == ((0x0001, b"\x1e\0\0\0"), (0x1008, b"\1\0"))
    assert encode_command(message) == command_set(old, CLASS, ECHO, ID, NO_DATA, other)


@pytest.mark.parametrize(
    ("raw", "text"),
    [(b"\xc3\xa9tat ", "\u00e9tat"), (b"\xe9tat", "\u00e9tat"), (b"full\0\0", "full")],
)
def test_error_comment_in_another_repertoire_is_read(raw: bytes, text: str) -> None:
    response = unsigned(0x0100, 0x8030), unsigned(0x0120, 7), NO_DATA, unsigned(0x0900, 0x0110)
    message = decode_command(command_set(*response, element(0x0902, raw)))
    assert isinstance(message, CEchoRSP)
    assert message.error_comment == text


def test_unknown_priority_survives() -> None:
    message = decode_command(command_set(CLASS, STORE, ID, unsigned(0x0700, 9), DATA, INSTANCE))
    assert isinstance(message, CStoreRQ)
    assert message.priority == 9


# --- what is refused ---


def refused(wire: bytes, limits: CommandLimits | None = None) -> DimseDecodeError:
    with pytest.raises(DimseDecodeError) as caught:
        decode_command(wire, limits or CommandLimits())
    return caught.value


@pytest.mark.parametrize(
    ("absent", "keyword"),
    [
        (CLASS, "AffectedSOPClassUID"),
        (STORE, "CommandField"),
        (ID, "MessageID"),
        (PRIORITY, "Priority"),
        (DATA, "CommandDataSetType"),
        (INSTANCE, "AffectedSOPInstanceUID"),
    ],
)
def test_missing_mandatory_element_is_named(absent: bytes, keyword: str) -> None:
    parts = [part for part in (CLASS, STORE, ID, PRIORITY, DATA, INSTANCE) if part != absent]
    error = refused(command_set(*parts))
    assert error.field == keyword
    assert error.found == "none"
    assert error.offset is None


def test_mandatory_element_without_a_value_is_named_with_its_place() -> None:
    error = refused(command_set(CLASS, STORE, ID, PRIORITY, DATA, element(0x1000, b"\0\0")))
    assert (error.message, error.field, error.offset) == (
        "C-STORE-RQ",
        "AffectedSOPInstanceUID",
        66,
    )


@pytest.mark.parametrize("value", [b"\1", b"\1\0\0", b"\1\0\0\0"])
def test_number_of_wrong_length_is_refused(value: bytes) -> None:
    error = refused(command_set(CLASS, ECHO, element(0x0110, value), NO_DATA))
    assert (error.field, error.offset, error.expected) == ("MessageID", 36, "2 bytes")
    assert refused(command_set(CLASS, element(0x0100, value), ID, NO_DATA)).field == "CommandField"


def test_list_of_tags_of_wrong_length_is_refused() -> None:
    response = unsigned(0x0100, 0x8030), unsigned(0x0120, 7), NO_DATA, unsigned(0x0900, 0x0110)
    error = refused(command_set(*response, element(0x0901, b"\x08\0\x16\0\x10\0")))
    assert error.field == "OffendingElement"


def test_uid_outside_ascii_is_refused() -> None:
    for wire in (
        command_set(element(0x0002, b"1.2\xff.3"), STORE, ID, PRIORITY, DATA, INSTANCE),
        command_set(element(0x0002, b"1.2\xff"), ECHO, ID, NO_DATA),
    ):
        error = refused(wire)
        assert (error.field, error.offset) == ("AffectedSOPClassUID", 12)


@pytest.mark.parametrize("number", [0x0000, 0x0002, 0x0FFE, 0x0160, 0x8FFF, 0xFFFF])
def test_unknown_command_field_is_refused(number: int) -> None:
    error = refused(command_set(CLASS, unsigned(0x0100, number), ID, NO_DATA))
    assert (error.field, error.offset, error.found) == ("CommandField", 26, f"{number:04X}H")


def test_element_of_another_group_is_refused() -> None:
    error = refused(command_set(CLASS, ECHO, ID, NO_DATA, element(0x0018, b"1.2", group=8)))
    assert (error.field, error.offset, error.found) == ("tag", 56, "(0008,0018)")


@pytest.mark.parametrize("length", [9, 0x10000, 0xFFFFFFFE, 0xFFFFFFFF])
def test_length_beyond_the_end_is_refused_with_its_place(length: int) -> None:
    last = struct.pack("<HHI", 0, 0x1000, length) + b"1.2.3.4\0"
    error = refused(command_set(CLASS, STORE, ID, PRIORITY, DATA, last))
    assert (error.field, error.offset, error.found) == ("AffectedSOPInstanceUID", 66, str(length))


@pytest.mark.parametrize("cut", range(1, len(samples.C_STORE_RQ_MOVED)))
def test_cut_command_set_is_refused(cut: int) -> None:
    # Cut between elements it may be whole but for optional ones, and then only noted.
    try:
        message = decode_command(samples.C_STORE_RQ_MOVED[:cut])
    except DimseDecodeError:
        return
    assert message.deviations


def test_second_element_of_a_kind_is_refused() -> None:
    for wire in (
        command_set(CLASS, ECHO, ID, ID, NO_DATA),
        command_set(CLASS, ECHO, ID, NO_DATA, CLASS),
        element(0, b"\0\0\0\0") + command_set(CLASS, ECHO, ID, NO_DATA),
    ):
        assert refused(wire).found == "a second"


def test_empty_command_set_is_refused() -> None:
    assert refused(b"").field == "CommandField"


# --- limits ---


def test_length_is_limited() -> None:
    size = len(samples.C_STORE_RQ_MOVED)
    decode_command(samples.C_STORE_RQ_MOVED, CommandLimits(maximum_command_set_length=size))
    error = refused(samples.C_STORE_RQ_MOVED, CommandLimits(maximum_command_set_length=size - 1))
    assert error.field == "command set length"


def test_default_length_limit_is_64_kib() -> None:
    rest = len(encode_command(CEchoRQ(message_id=1, affected_sop_class_uid="1.2", extra=())))
    room = 65536 - rest - 8
    fits = CEchoRQ(message_id=1, affected_sop_class_uid="1.2", extra=((0xFFFF, bytes(room)),))
    over = CEchoRQ(message_id=1, affected_sop_class_uid="1.2", extra=((0xFFFF, bytes(room + 2)),))
    assert len(encode_command(fits)) == 65536
    assert decode_command(encode_command(fits)) == fits
    assert refused(encode_command(over)).found == "65538"


@pytest.mark.parametrize("wire", [samples.C_STORE_RSP, samples.C_STORE_RSP_FAILED])
def test_number_of_elements_is_limited(wire: bytes) -> None:
    assert decode_command(wire, CommandLimits(maximum_elements=7)) == SAMPLES[wire]
    error = refused(wire, CommandLimits(maximum_elements=6))
    assert error.expected == "at most 6 elements"


# --- hostile bytes ---


@given(st.binary(max_size=200))
def test_random_bytes_are_decoded_or_refused(data: bytes) -> None:
    with contextlib.suppress(DimseDecodeError):
        decode_command(data)


@given(messages, st.data())
def test_mutated_bytes_are_decoded_or_refused(message: Message, data: st.DataObject) -> None:
    wire = bytearray(encode_command(message))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(wire) - 1))
        wire[place] = data.draw(st.integers(0, 255))
    size = data.draw(st.integers(0, len(wire)))
    for candidate in (bytes(wire), bytes(wire[:size])):
        offset: int | None = None
        try:
            decode_command(candidate)
        except DimseDecodeError as error:
            offset = error.offset
        assert offset is None or 0 <= offset <= len(candidate)


# --- what is sent ---


def test_error_comment_is_cut_to_64_characters() -> None:
    response = CStoreRSP(message_id_being_responded_to=1, status=0xA700, error_comment="x" * 65)
    decoded = decode_command(encode_command(response))
    assert isinstance(decoded, CStoreRSP)
    assert decoded.error_comment == "x" * 64


@pytest.mark.parametrize(
    ("comment", "sent"),
    [
        ("no\nroom\\left", "no room left"),
        ("\u00e9tat", "?tat"),
        ("\x01wrong ", "wrong"),
        ("x" * 62 + "  xx", "x" * 62),
        ("\u65e5\u672c", "??"),
        ("tab\there", "tab here"),
    ],
)
def test_error_comment_is_made_to_fit_its_repertoire(comment: str, sent: str) -> None:
    response = CStoreRSP(message_id_being_responded_to=1, status=0xA700, error_comment=comment)
    decoded = decode_command(encode_command(response))
    assert isinstance(decoded, CStoreRSP)
    assert decoded.error_comment == sent


def test_ae_title_is_cut_to_16_characters() -> None:
    move = CMoveRQ(message_id=1, affected_sop_class_uid="1.2", move_destination=" " + "A" * 17)
    decoded = decode_command(encode_command(move))
    assert isinstance(decoded, CMoveRQ)
    assert decoded.move_destination == "A" * 16


def test_empty_optional_fields_are_left_out() -> None:
    bare = CStoreRSP(message_id_being_responded_to=1, status=0)
    empty = CStoreRSP(
        message_id_being_responded_to=1,
        status=0,
        affected_sop_class_uid="",
        affected_sop_instance_uid="",
        error_comment="",
    )
    assert encode_command(bare) == encode_command(empty)


@pytest.mark.parametrize(
    "message",
    [
        CStoreRQ(message_id=65536, affected_sop_class_uid="1", affected_sop_instance_uid="2"),
        CStoreRQ(message_id=-1, affected_sop_class_uid="1", affected_sop_instance_uid="2"),
        CStoreRQ(message_id=1, affected_sop_class_uid="", affected_sop_instance_uid="2"),
        CStoreRQ(message_id=1, affected_sop_class_uid="1", affected_sop_instance_uid=""),
        CStoreRQ(message_id=1, affected_sop_class_uid="\u0661", affected_sop_instance_uid="2"),
        CStoreRSP(
            message_id_being_responded_to=1,
            status=0x10000,
            affected_sop_class_uid="1",
            affected_sop_instance_uid="2",
        ),
        CStoreRSP(message_id_being_responded_to=1, status=1, offending_element=(1 << 32,)),
        CMoveRQ(message_id=1, affected_sop_class_uid="1", move_destination="\u65e5"),
        CMoveRQ(message_id=1, affected_sop_class_uid="1", move_destination=""),
        CMoveRQ(message_id=1, affected_sop_class_uid="1", move_destination="  "),
        CFindRQ(message_id=1, affected_sop_class_uid="1", extra=((0x0110, b""),)),
        CFindRQ(message_id=1, affected_sop_class_uid="1", extra=((0x0000, b""),)),
        CFindRQ(message_id=1, affected_sop_class_uid="1", extra=((0x00080018, b""),)),
    ],
)
def test_unencodable_message_is_the_callers_error(message: Message) -> None:
    with pytest.raises(ValueError):
        encode_command(message)


def test_value_of_the_wrong_type_is_the_callers_error() -> None:
    response = CFindRSP(message_id_being_responded_to=1, status=0)
    setattr(response, "error_comment", 7)  # noqa: B010 - a checker would refuse the plain form
    with pytest.raises(TypeError, match="ErrorComment"):
        encode_command(response)

"""Association PDUs to bytes and back (PS3.8 9.3, annex D; PS3.7 D.3.3)."""

from __future__ import annotations

import dataclasses
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.errors import PduDecodeError
from isocenter.ul import codec, pdu
from tests.ul import samples, strategies

LIMITS = codec.Limits()
FIXED = b"\0\1\0\0" + b"CALLED".ljust(16) + b"CALLING".ljust(16) + bytes(32)


def item(item_type: int, value: bytes = b"", *, second: int = 0) -> bytes:
    return struct.pack(">BBH", item_type, second, len(value)) + value


def context_rq(context_id: int, *sub_items: bytes) -> bytes:
    return item(0x20, bytes((context_id, 0, 0, 0)) + b"".join(sub_items))


def context_ac(context_id: int, result: int, rest: bytes) -> bytes:
    return item(0x21, bytes((context_id, 0, result, 0)) + rest)


def request(*items: bytes, limits: codec.Limits = LIMITS) -> pdu.AAssociateRQ:
    decoded = codec.decode(1, FIXED + b"".join(items), limits)
    assert isinstance(decoded, pdu.AAssociateRQ)
    return decoded


def accept(*items: bytes, limits: codec.Limits = LIMITS) -> pdu.AAssociateAC:
    decoded = codec.decode(2, FIXED + b"".join(items), limits)
    assert isinstance(decoded, pdu.AAssociateAC)
    return decoded


def user_information(*sub_items: bytes) -> pdu.UserInformation:
    return request(item(0x50, b"".join(sub_items))).user_information


def whole(data: bytes) -> pdu.Pdu:
    return codec.decode(data[0], data[codec.PDU_HEADER_LENGTH :], LIMITS)


def reason_of(pdu_type: int, body: bytes, limits: codec.Limits = LIMITS) -> int:
    with pytest.raises(PduDecodeError) as caught:
        codec.decode(pdu_type, body, limits)
    return caught.value.abort_reason


def error_of(pdu_type: int, body: bytes | bytearray) -> PduDecodeError | None:
    """Return the one error that decoding may raise; any other passes through."""
    try:
        codec.decode(pdu_type, body, LIMITS)
    except PduDecodeError as error:
        return error
    return None


# --- wire samples ---------------------------------------------------------------------------

_DCMTK_INFORMATION = pdu.UserInformation(
    maximum_length=16384,
    implementation_class_uid="1.2.276.0.7230010.3.0.3.6.7",
    implementation_version_name="OFFIS_DCMTK_367",
)

SAMPLES: list[tuple[bytes, pdu.Pdu]] = [
    (
        samples.DCMTK_ECHO_REQUEST,
        pdu.AAssociateRQ(
            called_ae_title="ANY-SCP",
            calling_ae_title="ECHOSCU",
            presentation_contexts=(
                pdu.PresentationContext(
                    context_id=1,
                    abstract_syntax="1.2.840.10008.1.1",
                    transfer_syntaxes=("1.2.840.10008.1.2",),
                ),
            ),
            user_information=_DCMTK_INFORMATION,
        ),
    ),
    (
        samples.DCMTK_ACCEPT,
        pdu.AAssociateAC(
            called_ae_title="ANY-SCP",
            calling_ae_title="ECHOSCU",
            presentation_contexts=(
                pdu.PresentationContextResult(
                    context_id=1, result=0, transfer_syntax="1.2.840.10008.1.2"
                ),
                pdu.PresentationContextResult(
                    context_id=3, result=3, transfer_syntax="1.2.840.10008.1.2"
                ),
            ),
            user_information=_DCMTK_INFORMATION,
        ),
    ),
    (
        samples.EVERY_SUB_ITEM_REQUEST,
        pdu.AAssociateRQ(
            called_ae_title="ANY-SCP",
            calling_ae_title="ECHOSCU",
            presentation_contexts=(
                pdu.PresentationContext(
                    context_id=5, abstract_syntax="1.2", transfer_syntaxes=("1.2.3.4",)
                ),
            ),
            user_information=pdu.UserInformation(
                maximum_length=0,
                implementation_class_uid="1.2.",
                implementation_version_name="V",
                asynchronous_operations_window=pdu.AsynchronousOperationsWindow(
                    maximum_number_operations_invoked=8, maximum_number_operations_performed=2
                ),
                role_selections=(
                    pdu.RoleSelection(sop_class_uid="1.2", scu_role=False, scp_role=True),
                ),
                extended_negotiations=(
                    pdu.SopClassExtendedNegotiation(
                        sop_class_uid="1.2", service_class_application_information=b"\1\2"
                    ),
                ),
                common_extended_negotiations=(
                    pdu.SopClassCommonExtendedNegotiation(
                        sop_class_uid="1.2",
                        service_class_uid="1.4",
                        related_general_sop_class_uids=("1.2.9",),
                    ),
                ),
                user_identity=pdu.UserIdentityRQ(
                    user_identity_type=2,
                    positive_response_requested=True,
                    primary_field=b"joe",
                    secondary_field=b"x",
                ),
            ),
        ),
    ),
    (samples.REJECT_CALLED_TITLE, pdu.AAssociateRJ(result=1, source=1, reason=7)),
    (samples.RELEASE_RQ, pdu.AReleaseRQ()),
    (samples.RELEASE_RP, pdu.AReleaseRP()),
    (samples.ABORT_PROVIDER_UNEXPECTED, pdu.AAbort(source=2, reason=2)),
]


@pytest.mark.parametrize(("data", "expected"), SAMPLES)
def test_wire_sample_decodes_to_its_pdu(data: bytes, expected: pdu.Pdu) -> None:
    assert struct.unpack_from(">I", data, 2)[0] == len(data) - codec.PDU_HEADER_LENGTH
    assert whole(data) == expected


@pytest.mark.parametrize(("data", "expected"), SAMPLES)
def test_pdu_encodes_to_its_wire_sample(data: bytes, expected: pdu.Pdu) -> None:
    # DCMTK fills one reserved byte of a proposed context with 0xff; the standard sends 0.
    sent = data.replace(b"\x01\x00\xff\x00\x30", b"\x01\x00\x00\x00\x30")
    assert codec.encode(expected) == sent


@given(strategies.PDUS)
def test_every_pdu_survives_the_round_trip(value: pdu.Pdu) -> None:
    data = codec.encode(value)
    header = struct.unpack_from(">BxI", data)
    assert header[1] == len(data) - codec.PDU_HEADER_LENGTH
    assert whole(data) == value


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_decodes_and_is_not_referred_to_afterwards(
    kind: type[bytes | bytearray | memoryview],
) -> None:
    source = bytearray(samples.EVERY_SUB_ITEM_REQUEST[6:])
    decoded = codec.decode(1, kind(source), LIMITS)
    source[:] = bytes(len(source))
    assert decoded == whole(samples.EVERY_SUB_ITEM_REQUEST)
    source.clear()  # raises BufferError if a view were still alive


# --- hostile bytes --------------------------------------------------------------------------


@given(strategies.U8, st.binary(max_size=300))
def test_random_bytes_raise_nothing_but_a_decode_error(pdu_type: int, body: bytes) -> None:
    error = error_of(pdu_type, body)
    assert error is None or error.abort_reason in (1, 2, 5, 6)


@given(st.sampled_from([1, 2]), st.binary(max_size=300))
def test_random_items_raise_nothing_but_a_decode_error(pdu_type: int, items: bytes) -> None:
    error = error_of(pdu_type, FIXED + items)
    assert error is None or 6 <= error.offset <= 6 + len(FIXED) + len(items)


@given(st.one_of(strategies.REQUESTS, strategies.ACCEPTS), st.data())
def test_mutated_pdus_raise_nothing_but_a_decode_error(value: pdu.Pdu, data: st.DataObject) -> None:
    raw = bytearray(codec.encode(value))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(6, len(raw) - 1))
        raw[place] = data.draw(strategies.U8)
    cut = data.draw(st.integers(6, len(raw)))
    error = error_of(raw[0], raw[6:cut])
    assert error is None or 6 <= error.offset <= cut


@pytest.mark.parametrize("sample", [data for data, _ in SAMPLES])
def test_every_truncation_is_a_decode_error_or_ends_between_items(sample: bytes) -> None:
    for end in range(6, len(sample)):
        error = error_of(sample[0], sample[6:end])
        if error is None:
            assert end >= 6 + len(FIXED)
            assert codec.decode(sample[0], sample[6:end], LIMITS) != whole(sample)
        else:
            assert error.abort_reason == 6


def test_error_carries_pdu_field_and_offset_from_the_first_byte() -> None:
    with pytest.raises(PduDecodeError) as caught:
        request(item(0x10, b"1.2"), item(0x50, item(0x51, b"\0\0\0")))
    assert caught.value.pdu == "A-ASSOCIATE-RQ"
    assert caught.value.field == "Maximum-length-received"
    assert caught.value.offset == 6 + len(FIXED) + 4 + 3 + 4 + 4


# --- headers and fixed PDUs -----------------------------------------------------------------


@pytest.mark.parametrize("pdu_type", [0, 8, 0x2F, 255])
def test_unknown_pdu_type_is_an_unrecognized_pdu(pdu_type: int) -> None:
    assert reason_of(pdu_type, bytes(4)) == pdu.AbortReason.UNRECOGNIZED_PDU


def test_p_data_is_unexpected_here() -> None:
    assert reason_of(4, b"") == pdu.AbortReason.UNEXPECTED_PDU


@pytest.mark.parametrize("pdu_type", [3, 5, 6, 7])
@pytest.mark.parametrize("length", [0, 3, 5, 1 << 31])
def test_pdus_of_fixed_length_have_no_other(pdu_type: int, length: int) -> None:
    codec.check_header(pdu_type, 4, LIMITS)
    with pytest.raises(PduDecodeError, match="PDU length"):
        codec.check_header(pdu_type, length, LIMITS)


def test_p_data_passes_the_header_check_with_any_length() -> None:
    codec.check_header(4, 0xFFFFFFFF, LIMITS)


@pytest.mark.parametrize("pdu_type", [1, 2])
def test_association_pdu_length_is_limited(pdu_type: int) -> None:
    codec.check_header(pdu_type, LIMITS.maximum_association_pdu_length, LIMITS)
    with pytest.raises(PduDecodeError, match="at most 1048576"):
        codec.check_header(pdu_type, LIMITS.maximum_association_pdu_length + 1, LIMITS)
    limits = codec.Limits(maximum_association_pdu_length=len(FIXED))
    codec.decode(pdu_type, FIXED, limits)
    assert reason_of(pdu_type, FIXED + b"\0", limits) == 6


def test_unknown_codes_survive() -> None:
    assert codec.decode(3, b"\0\x09\x08\x63", LIMITS) == pdu.AAssociateRJ(
        result=9, source=8, reason=99
    )
    assert codec.decode(7, b"\0\0\x01\x63", LIMITS) == pdu.AAbort(source=1, reason=99)


def test_reserved_bytes_are_not_tested() -> None:
    assert codec.decode(5, b"\1\2\3\4", LIMITS) == pdu.AReleaseRQ()
    assert codec.decode(3, b"\xff\1\2\1", LIMITS) == pdu.AAssociateRJ(result=1, source=2, reason=1)
    fixed = FIXED[:2] + b"\xff\xff" + FIXED[4:36] + b"\xff" * 32
    decoded = codec.decode(1, fixed + item(0x20, b"\1\xff\xff\xff", second=9), LIMITS)
    assert isinstance(decoded, pdu.AAssociateRQ)
    assert decoded.presentation_contexts[0].context_id == 1


# --- what is tolerated ----------------------------------------------------------------------


@pytest.mark.parametrize("padding", [b"", b"\0", b" ", b"\0\0", b" \0 "])
def test_uids_may_be_padded_and_odd(padding: bytes) -> None:
    decoded = request(
        item(0x10, b"1.2.3" + padding),
        context_rq(1, item(0x30, b"1.2" + padding), item(0x40, b"1.2.4" + padding)),
        item(
            0x50,
            item(0x52, b"1.5" + padding)
            + item(0x54, struct.pack(">H", 3 + len(padding)) + b"1.6" + padding + b"\1\0"),
        ),
    )
    assert decoded.application_context_name == "1.2.3"
    (context,) = decoded.presentation_contexts
    assert (context.abstract_syntax, context.transfer_syntaxes) == ("1.2", ("1.2.4",))
    assert decoded.user_information.implementation_class_uid == "1.5"
    assert decoded.user_information.role_selections[0].sop_class_uid == "1.6"


def test_uids_with_illegal_characters_are_read_one_character_per_byte() -> None:
    assert request(item(0x10, b"1.2.\xffx")).application_context_name == "1.2.\xffx"


def test_titles_lose_their_trailing_spaces_and_may_be_blank() -> None:
    fixed = FIXED[:4] + bytes(16) + b" " * 16 + FIXED[36:]
    decoded = codec.decode(1, fixed, LIMITS)
    assert isinstance(decoded, pdu.AAssociateRQ)
    assert (decoded.called_ae_title, decoded.calling_ae_title) == ("\0" * 16, "")


def test_missing_items_leave_neutral_values() -> None:
    decoded = request()
    assert decoded.application_context_name == ""
    assert decoded.presentation_contexts == ()
    assert decoded.user_information == pdu.UserInformation()


def test_empty_items_count_as_absent() -> None:
    empty = b"".join(item(item_type) for item_type in range(0x51, 0x60))
    assert user_information(empty) == pdu.UserInformation()
    decoded = request(item(0x10), item(0x20), item(0x50), item(0x99), context_rq(1, item(0x40)))
    assert decoded.application_context_name == ""
    assert decoded.presentation_contexts == (
        pdu.PresentationContext(context_id=1, abstract_syntax="", transfer_syntaxes=()),
    )


def test_unknown_items_are_ignored_and_unknown_sub_items_kept() -> None:
    decoded = request(
        item(0x99, b"anything"),
        context_rq(1, item(0x99, b"x"), item(0x30, b"1.2"), item(0x31, b"y"), item(0x40, b"1.3")),
        item(0x50, item(0x60, b"later") + item(0x51, b"\0\0\0\1") + item(0x61, b"z")),
    )
    assert decoded.presentation_contexts[0].transfer_syntaxes == ("1.3",)
    assert decoded.user_information.maximum_length == 1
    assert decoded.user_information.unknown_items == ((0x60, b"later"), (0x61, b"z"))


@given(st.permutations([0, 1, 2, 3, 4, 5, 6, 7]), st.integers(0, 8))
def test_user_information_comes_in_any_order_and_in_several_items(
    order: list[int], cut: int
) -> None:
    sub_items = [
        item(0x51, b"\0\0\x40\0"),
        item(0x52, b"1.2"),
        item(0x53, b"\0\1\0\2"),
        item(0x54, b"\0\x031.2\1\1"),
        item(0x55, b"NAME"),
        item(0x56, b"\0\x031.2\1"),
        item(0x57, b"\0\x031.2\0\x031.4\0\0"),
        item(0x58, b"\1\0\0\1u\0\0"),
    ]
    mixed = [sub_items[index] for index in order]
    parts = (item(0x50, b"".join(mixed[:cut])), item(0x50, b"".join(mixed[cut:])))
    assert request(*parts).user_information == user_information(*sub_items)


def test_items_come_in_any_order() -> None:
    decoded = request(item(0x50, item(0x55, b"N")), context_rq(1), item(0x10, b"1.2"))
    assert decoded.user_information.implementation_version_name == "N"
    assert decoded.application_context_name == "1.2"


def test_of_repeated_single_items_the_last_counts() -> None:
    decoded = request(
        item(0x10, b"1.2"),
        item(0x10, b"1.3"),
        item(0x50, item(0x51, b"\0\0\0\1") + item(0x51, b"\0\0\0\2") + item(0x55, b"A")),
        item(0x50, item(0x55, b"B")),
    )
    assert decoded.application_context_name == "1.3"
    assert decoded.user_information.maximum_length == 2
    assert decoded.user_information.implementation_version_name == "B"


@pytest.mark.parametrize(
    ("pdu_type", "items"),
    [
        (1, context_rq(1, item(0x30, b"1.2"), item(0x30, b"1.3"))),
        (2, context_ac(1, 0, item(0x40, b"1.2") + item(0x40, b"1.3"))),
        (1, item(0x50, 2 * item(0x58, b"\1\0\0\1u\0\0"))),
        (1, 2 * item(0x50, item(0x58, b"\1\0\0\1u\0\0"))),
        (2, item(0x50, 2 * item(0x59, b"\0\1u"))),
        (1, context_ac(1, 0, item(0x40, b"1.2"))),
        (2, context_rq(1, item(0x30, b"1.2"))),
    ],
)
def test_items_that_decide_meaning_twice_or_in_the_wrong_pdu_are_unexpected(
    pdu_type: int, items: bytes
) -> None:
    reason = reason_of(pdu_type, FIXED + items)
    assert reason == pdu.AbortReason.UNEXPECTED_PDU_PARAMETER


@pytest.mark.parametrize(
    ("rest", "syntax"),
    [
        (b"", ""),
        (item(0x40), ""),
        (item(0x40, b"1.2\0"), "1.2"),
        (b"\x40\0", ""),
        (b"\x40\0\0\x09abc", ""),
        (item(0x99, b"1.2"), ""),
        (item(0x40, b"1" * 129), ""),
        (b"nonsense", ""),
    ],
)
def test_transfer_syntax_of_a_refused_context_is_not_tested(rest: bytes, syntax: str) -> None:
    (context,) = accept(context_ac(3, 4, rest)).presentation_contexts
    assert context == pdu.PresentationContextResult(context_id=3, result=4, transfer_syntax=syntax)


def test_accepted_context_may_be_without_a_transfer_syntax_here() -> None:
    answers = accept(
        context_ac(1, 0, b""), context_ac(3, 0, item(0x99, b"x"))
    ).presentation_contexts
    assert [answer.transfer_syntax for answer in answers] == ["", ""]


def test_role_and_response_bytes_other_than_one_grant_nothing() -> None:
    info = user_information(item(0x54, b"\0\x031.2\2\xff"), item(0x58, b"\1\2\0\1u\0\0"))
    assert info.role_selections == (
        pdu.RoleSelection(sop_class_uid="1.2", scu_role=False, scp_role=False),
    )
    assert info.user_identity is not None
    assert not info.user_identity.positive_response_requested


def test_common_extended_negotiation_of_a_later_version_keeps_its_known_fields() -> None:
    value = b"\0\x031.2\0\x031.4\0\x0a\0\x031.5\0\x031.6\0\x09ignored"
    assert user_information(
        item(0x57, value[:-9] + b"later", second=1)
    ).common_extended_negotiations == (
        pdu.SopClassCommonExtendedNegotiation(
            sop_class_uid="1.2",
            service_class_uid="1.4",
            related_general_sop_class_uids=("1.5", "1.6"),
            sub_item_version=1,
        ),
    )


# --- what is not ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "items",
    [
        b"\x10",  # no whole item header
        b"\x10\0\0",
        b"\x10\0\0\x04abc",  # runs past the PDU
        item(0x20, b"\1"),  # no room for the fixed part of a context
        item(0x20, b"\1\0\0\0\x30\0\0\x091.2"),  # sub-item runs past its item
        item(0x20, b"\1\0\0\0\x30\0"),
        item(0x50, b"\x51\0\0\x04\0\0"),
        item(0x50, item(0x51, b"\0\0\1")),
        item(0x50, item(0x51, b"\0\0\0\0\1")),  # longer than its fields
        item(0x50, item(0x53, b"\0\1\0")),
        item(0x50, item(0x53, b"\0\1\0\1\0")),
        item(0x50, item(0x54, b"\0\x091.2\1\1")),  # UID runs past the sub-item
        item(0x50, item(0x54, b"\0\x031.2\1")),
        item(0x50, item(0x54, b"\0\x031.2\1\1\1")),
        item(0x50, item(0x56, b"\0\x041.2")),
        item(0x50, item(0x57, b"\0\x031.2\0\x031.4\0\x09\0\x031.5")),
        item(0x50, item(0x57, b"\0\x031.2\0\x031.4\0\x04\0\x031.5")),
        item(0x50, item(0x57, b"\0\x031.2\0\x031.4")),
        item(0x50, item(0x58, b"\1\0\0\x09u\0\0")),
        item(0x50, item(0x58, b"\1\0\0\1u")),
        item(0x50, item(0x58, b"\1\0\0\1u\0\0\0")),
        item(0x50, item(0x59, b"\0\2u")),
    ],
)
def test_lengths_that_do_not_fit_are_invalid_values(items: bytes) -> None:
    reason = reason_of(1, FIXED + items)
    assert reason == pdu.AbortReason.INVALID_PDU_PARAMETER_VALUE


@pytest.mark.parametrize("size", [0, 1, 67])
def test_a_body_shorter_than_the_fixed_fields_is_invalid(size: int) -> None:
    assert reason_of(1, FIXED[:size]) == 6
    assert reason_of(2, FIXED[:size]) == 6


# --- limits, just under and just over --------------------------------------------------------


@pytest.mark.parametrize(
    ("pdu_type", "one"),
    [(1, context_rq(1)), (2, context_ac(1, 0, b"")), (2, context_ac(1, 3, b""))],
)
def test_presentation_contexts_are_limited(pdu_type: int, one: bytes) -> None:
    codec.decode(pdu_type, FIXED + 128 * one, LIMITS)
    assert reason_of(pdu_type, FIXED + 129 * one) == 6


def test_transfer_syntaxes_of_a_context_are_limited() -> None:
    syntax = item(0x40, b"1.2")
    request(context_rq(1, 256 * syntax), context_rq(3, 256 * syntax))
    assert reason_of(1, FIXED + context_rq(1, 257 * syntax)) == 6


def test_user_information_sub_items_are_limited_over_all_its_items() -> None:
    def body(first: int, second: int) -> bytes:
        return FIXED + item(0x50, first * item(0x99)) + item(0x50, second * item(0x99))

    codec.decode(1, body(1000, 24), LIMITS)
    assert reason_of(1, body(1000, 25)) == 6


def test_items_are_limited_at_all_levels_together() -> None:
    limits = dataclasses.replace(LIMITS, maximum_items=6)
    related = item(0x57, b"\0\x031.2\0\x031.4\0\x0a\0\x031.5\0\x031.6")
    items = item(0x99) + item(0x50, related) + context_rq(1)  # 1 + 2 + 2 listed + 1
    codec.decode(1, FIXED + items, limits)
    assert reason_of(1, FIXED + items + item(0x99), limits) == 6
    assert reason_of(1, FIXED + 16385 * item(0x99)) == 6
    codec.decode(1, FIXED + 16384 * item(0x99), LIMITS)


def test_uids_are_limited() -> None:
    assert len(request(item(0x10, b"1" * 128 + b" ")).application_context_name) == 128
    assert reason_of(1, FIXED + item(0x10, b"1" * 129)) == 6


@pytest.mark.parametrize(
    ("item_type", "before", "after"),
    [(0x58, b"\1\0", b"\0\0"), (0x58, b"\1\0\0\0", b""), (0x59, b"", b"")],
)
def test_user_identity_fields_are_limited(item_type: int, before: bytes, after: bytes) -> None:
    limits = dataclasses.replace(LIMITS, maximum_user_identity_length=5)

    def body(field: bytes) -> bytes:
        value = before + struct.pack(">H", len(field)) + field + after
        return FIXED + item(0x50, item(item_type, value))

    codec.decode(1, body(b"12345"), limits)
    assert reason_of(1, body(b"123456"), limits) == 6

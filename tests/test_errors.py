"""Errors carry their facts, and the message is built from them."""

from __future__ import annotations

import inspect

import pytest

from isocenter import errors


def test_every_error_is_exported_documented_and_one_of_ours() -> None:
    classes = [
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and value.__module__ == errors.__name__
    ]
    assert sorted(cls.__name__ for cls in classes) == sorted(errors.__all__)
    tree = errors.__doc__ or ""
    for cls in classes:
        assert issubclass(cls, errors.IsocenterError)
        assert cls.__doc__
        assert cls.__name__ in tree


def test_peer_violation_carries_the_abort_reason_of_its_class_or_its_own() -> None:
    assert errors.PeerProtocolError("x").abort_reason == 0
    assert errors.PeerProtocolError("x", abort_reason=2).abort_reason == 2
    decode = errors.PduDecodeError("PDU", "f", offset=0, expected="a", found="b")
    assert decode.abort_reason == 6
    assert isinstance(decode, errors.PeerProtocolError)
    own = errors.PduDecodeError("PDU", "f", offset=0, expected="a", found="b", abort_reason=5)
    assert own.abort_reason == 5
    dimse = errors.DimseDecodeError("C-STORE-RQ", "Status", offset=None, expected="a", found="b")
    assert dimse.abort_reason == 0


def test_a_class_is_not_changed_by_one_of_its_errors() -> None:
    errors.PeerProtocolError("x", abort_reason=5)
    assert errors.PeerProtocolError.abort_reason == 0


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            errors.PduDecodeError("A-ABORT", "Source", offset=8, expected="1 bytes", found="0"),
            "A-ABORT: Source at offset 8: expected 1 bytes, found 0",
        ),
        (
            errors.DimseDecodeError("C-ECHO-RQ", "MessageID", offset=4, expected="2", found="3"),
            "C-ECHO-RQ: MessageID at offset 4: expected 2, found 3",
        ),
        (
            errors.DimseDecodeError("command set", "order", offset=None, expected="a", found="b"),
            "command set: order: expected a, found b",
        ),
        (
            errors.AssociationRejected(1, 1, 7),
            (
                "association rejected: Rejected Permanent, Service User, "
                "Called AE Title Not Recognized"
            ),
        ),
        (
            errors.AssociationRejected(9, 8, 7),
            "association rejected: Unknown Result 9, Unknown Source 8, Unknown Reason 7",
        ),
        (
            errors.AssociationAborted(2, 6, by_peer=False),
            "association aborted by this side (service provider, reason 6)",
        ),
        (
            errors.AssociationAborted(0, 0, by_peer=True),
            "association aborted by peer (service user, reason 0)",
        ),
        (
            errors.ConnectError("pacs", 104, "Connection refused"),
            "cannot connect to pacs:104: Connection refused",
        ),
        (errors.ConnectionLost("closed by peer"), "connection lost: closed by peer"),
        (errors.TimeoutExpired("acse", 30.0), "acse timeout after 30 s"),
        (errors.DimseFailure(0xA700), "status 0xa700"),
        (errors.DimseFailure(0x0110, "broken"), "status 0x0110: broken"),
        (
            errors.DataSetError("truncated", path="a.dcm", offset=132),
            "a.dcm: truncated at offset 132",
        ),
        (errors.DataSetError("truncated"), "truncated"),
        (errors.StorageFull("/x", "No space left"), "cannot write /x: No space left"),
        (errors.StorageRefused("no study", path="/x"), "no study"),
    ],
)
def test_message_is_built_from_the_facts(error: errors.IsocenterError, message: str) -> None:
    assert str(error) == message


def test_facts_are_attributes() -> None:
    rejected = errors.AssociationRejected(2, 3, 1)
    assert (rejected.result, rejected.source, rejected.reason) == (2, 3, 1)
    assert rejected.result_text == "Rejected Transient"
    assert rejected.source_text == "Service Provider (Presentation Related)"
    assert rejected.reason_text == "Temporary Congestion"
    connect = errors.ConnectError("h", 1, "r", unknown_host=True, timed_out=True)
    assert (connect.host, connect.port, connect.reason) == ("h", 1, "r")
    assert connect.unknown_host
    assert connect.timed_out
    negotiation = errors.NegotiationError("none", abstract_syntax="1.2", transfer_syntax="1.3")
    assert (negotiation.abstract_syntax, negotiation.transfer_syntax) == ("1.2", "1.3")
    failure = errors.DimseFailure(0xC000, "why", (0x00100010,))
    assert (failure.status, failure.comment) == (0xC000, "why")
    assert failure.offending_elements == (0x00100010,)
    assert errors.StorageFull("/x", "full").status == 0xA700
    refused = errors.StorageRefused("no study", path="/x")
    assert (refused.status, refused.path, refused.reason) == (0xC000, "/x", "no study")

"""Fuzz target: why it did not work, in plain words, out of what peers asked and answered.

The input is as that of `fuzz_dumps`. Nothing is raised, and every line is printable ASCII: what a
peer wrote may be in it, quoted and cut.
"""

from __future__ import annotations

from isocenter.cli.explain import abort_words, as_text
from isocenter.cli.explain_connection import Attempt, request_failed
from isocenter.cli.explain_contexts import (
    answers,
    loses_a_class,
    no_context_for_file,
    none_acceptable,
    refused_by_us,
)
from isocenter.cli.explain_transfer import echo_failed, not_served, not_stored, store_failed
from isocenter.cli.options_storescp import TOOL as STORESCP
from isocenter.cli.options_storescu import TOOL as STORESCU
from isocenter.dimse.codec import decode_command
from isocenter.dimse.commands import CEchoRSP, CStoreRQ, CStoreRSP
from isocenter.errors import (
    AssociationAborted,
    AssociationRejected,
    DimseDecodeError,
    PduDecodeError,
)
from isocenter.ul import codec
from isocenter.ul.negotiation import AcceptorPolicy, negotiate
from isocenter.ul.pdu import AAbort, AAssociateAC, AAssociateRJ, AAssociateRQ
from tests.fuzz import fuzz_dumps, fuzz_pdu_codec
from tests.ul import samples

_POLICY = AcceptorPolicy(
    abstract_syntaxes={"1.2.840.10008.1.1": ("1.2.840.10008.1.2",)},
    implementation_class_uid="1.2.3",
)
_ATTEMPT = Attempt(tool=STORESCU, host="peer", port=104, called="A", calling="B")
_CT = "1.2.840.10008.5.1.4.1.1.2"
_REQUEST = codec.decode(1, samples.EVERY_SUB_ITEM_REQUEST[6:], codec.Limits())


def seeds() -> list[bytes]:
    """Return PDUs and messages of every kind."""
    return [*fuzz_dumps.seeds(), *fuzz_pdu_codec.seeds()]


def test_one_input(data: bytes) -> None:
    """Explain one PDU or message and check the words."""
    lines = _of_message(data[1:]) if data[:1] >= b"\x80" else _of_pdu(data)
    if not lines:
        return
    for line in (*lines, *as_text(lines).split("\n")):
        if not line.isascii() or not line.isprintable():
            raise AssertionError(f"{line!r} is no line for a log")


def _of_message(data: bytes) -> tuple[str, ...]:
    try:
        message = decode_command(memoryview(data))
    except DimseDecodeError:
        return ()
    if isinstance(message, CStoreRSP):
        return store_failed(
            "file",
            message.status,
            comment=message.error_comment,
            offending=message.offending_element or (),
            size=1000,
        )
    if isinstance(message, CEchoRSP):
        return echo_failed(
            message.status,
            comment=message.error_comment,
            offending=message.offending_element or (),
        )
    if isinstance(message, CStoreRQ):
        uid = message.affected_sop_instance_uid
        return not_stored(0xA900, ValueError("no"), peer="A", sop_instance=uid)
    return not_served(message.command_field, peer="A")


def _of_pdu(data: bytes) -> tuple[str, ...]:
    try:
        value = codec.decode(data[0] if data else 0, data[1:], codec.Limits())
    except PduDecodeError:
        return ()
    assert isinstance(_REQUEST, AAssociateRQ)
    if isinstance(value, AAssociateRQ):
        answer = negotiate(value, _POLICY)
        if not isinstance(answer, AAssociateAC):
            return ()
        contexts = answers(value, answer)
        loses_a_class(contexts)
        return refused_by_us(
            contexts, peer="A", tool=STORESCP, taken=_POLICY.abstract_syntaxes, promiscuous=False
        )
    if isinstance(value, AAssociateAC):
        contexts = answers(_REQUEST, value)
        return (
            *none_acceptable(contexts, peer="A", tool=STORESCU),
            *no_context_for_file("file", _CT, "1.2.840.10008.1.2", contexts, tool=STORESCU),
        )
    if isinstance(value, AAssociateRJ):
        rejected = AssociationRejected(int(value.result), int(value.source), int(value.reason))
        return request_failed(rejected, _ATTEMPT)
    if isinstance(value, AAbort):
        source, reason = int(value.source), int(value.reason)
        aborted = AssociationAborted(source, reason, by_peer=True)
        return (abort_words(source, reason), *request_failed(aborted, _ATTEMPT))
    return ()

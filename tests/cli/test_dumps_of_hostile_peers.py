"""Dumps of what a peer sent on purpose to be mistaken for lines of the log."""

from __future__ import annotations

from isocenter.cli.dumps import accept_dump, message_dump, request_dump
from isocenter.dimse.commands import CStoreRSP
from isocenter.ul.pdu import (
    AAssociateAC,
    AAssociateRQ,
    ContextResult,
    PresentationContext,
    PresentationContextResult,
    UserInformation,
)

EVIL = "1.2\nF: forged"
REQUEST = AAssociateRQ(
    called_ae_title=EVIL,
    calling_ae_title=EVIL,
    application_context_name=EVIL,
    presentation_contexts=(
        PresentationContext(context_id=1, abstract_syntax=EVIL, transfer_syntaxes=(EVIL,)),
    ),
    user_information=UserInformation(
        implementation_class_uid=EVIL, implementation_version_name=EVIL
    ),
)
ACCEPT = AAssociateAC(
    called_ae_title=EVIL,
    calling_ae_title=EVIL,
    presentation_contexts=(
        PresentationContextResult(
            context_id=1, result=ContextResult.ACCEPTANCE, transfer_syntax=EVIL
        ),
    ),
    user_information=REQUEST.user_information,
)


def assert_harmless(dump: str, count: int) -> None:
    assert dump.count("1.2\\x0aF: forged") == count
    assert not [line for line in dump.split("\n") if line.startswith("F: ")]


def test_names_in_a_request_begin_no_line() -> None:
    assert_harmless(request_dump(REQUEST, maximum_length=0), 7)


def test_names_in_an_answer_begin_no_line() -> None:
    assert_harmless(accept_dump(REQUEST, ACCEPT), 10)


def test_text_in_a_message_begins_no_line() -> None:
    response = CStoreRSP(
        message_id_being_responded_to=1,
        affected_sop_class_uid=EVIL,
        affected_sop_instance_uid=EVIL,
        status=0xA700,
        error_comment=EVIL,
    )
    assert_harmless(message_dump(response, direction="INCOMING", context_id=1), 3)

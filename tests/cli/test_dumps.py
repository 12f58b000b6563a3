"""Dumps of association parameters and messages, compared with what DCMTK 3.6.7 printed."""

from __future__ import annotations

import pytest

from isocenter import uids
from isocenter.cli.dumps import accept_dump, message_dump, request_dump
from isocenter.dimse.commands import CEchoRQ, CEchoRSP, CMoveRQ, CMoveRSP, CStoreRQ, CStoreRSP
from isocenter.dimse.commands_n import NActionRSP, NGetRQ
from isocenter.ul.pdu import (
    AAssociateAC,
    AAssociateRQ,
    PresentationContext,
    PresentationContextResult,
    RoleSelection,
    SopClassExtendedNegotiation,
    UserIdentityRQ,
    UserInformation,
)

CT = "1.2.840.10008.5.1.4.1.1.2"
PRIVATE = "1.2.3.4.5"
OURS = UserInformation(
    maximum_length=16384,
    implementation_class_uid="1.2.276.0.7230010.3.0.3.6.7",
    implementation_version_name="OFFIS_DCMTK_367",
)


def a_request(information: UserInformation = OURS) -> AAssociateRQ:
    return AAssociateRQ(
        called_ae_title="ANY-SCP",
        calling_ae_title="STORESCU",
        presentation_contexts=(
            PresentationContext(
                context_id=1,
                abstract_syntax=CT,
                transfer_syntaxes=(uids.JPEG_LOSSLESS_SV1,),
            ),
            PresentationContext(
                context_id=3,
                abstract_syntax=CT,
                transfer_syntaxes=(
                    uids.EXPLICIT_VR_LITTLE_ENDIAN,
                    uids.EXPLICIT_VR_BIG_ENDIAN,
                    uids.IMPLICIT_VR_LITTLE_ENDIAN,
                ),
            ),
        ),
        user_information=information,
    )


REQUEST = a_request()

ACCEPT = AAssociateAC(
    called_ae_title="ANY-SCP",
    calling_ae_title="STORESCU",
    presentation_contexts=(
        PresentationContextResult(
            context_id=1, result=4, transfer_syntax=uids.IMPLICIT_VR_LITTLE_ENDIAN
        ),
        PresentationContextResult(
            context_id=3, result=0, transfer_syntax=uids.EXPLICIT_VR_LITTLE_ENDIAN
        ),
    ),
    user_information=UserInformation(
        maximum_length=32768,
        implementation_class_uid="1.2.3",
        implementation_version_name="OTHER",
    ),
)

SENT_REQUEST = """\
====================== BEGIN A-ASSOCIATE-RQ =====================
Our Implementation Class UID:      1.2.276.0.7230010.3.0.3.6.7
Our Implementation Version Name:   OFFIS_DCMTK_367
Their Implementation Class UID:    \n\
Their Implementation Version Name: \n\
Application Context Name:    1.2.840.10008.3.1.1.1
Calling Application Name:    STORESCU
Called Application Name:     ANY-SCP
Responding Application Name: ANY-SCP
Our Max PDU Receive Size:    16384
Their Max PDU Receive Size:  0
Presentation Contexts:
  Context ID:        1 (Proposed)
    Abstract Syntax: =CTImageStorage
    Proposed SCP/SCU Role: Default
    Proposed Transfer Syntax(es):
      =JPEGLossless:Non-hierarchical-1stOrderPrediction
  Context ID:        3 (Proposed)
    Abstract Syntax: =CTImageStorage
    Proposed SCP/SCU Role: Default
    Proposed Transfer Syntax(es):
      =LittleEndianExplicit
      =BigEndianExplicit
      =LittleEndianImplicit
Requested Extended Negotiation: none
Accepted Extended Negotiation:  none
Requested User Identity Negotiation: none
User Identity Negotiation Response:  none
======================= END A-ASSOCIATE-RQ ======================"""

ANSWERED = """\
====================== BEGIN A-ASSOCIATE-AC =====================
Our Implementation Class UID:      1.2.276.0.7230010.3.0.3.6.7
Our Implementation Version Name:   OFFIS_DCMTK_367
Their Implementation Class UID:    1.2.3
Their Implementation Version Name: OTHER
Application Context Name:    1.2.840.10008.3.1.1.1
Calling Application Name:    STORESCU
Called Application Name:     ANY-SCP
Responding Application Name: ANY-SCP
Our Max PDU Receive Size:    16384
Their Max PDU Receive Size:  32768
Presentation Contexts:
  Context ID:        1 (Transfer Syntaxes Not Supported)
    Abstract Syntax: =CTImageStorage
    Proposed SCP/SCU Role: Default
    Accepted SCP/SCU Role: Default
  Context ID:        3 (Accepted)
    Abstract Syntax: =CTImageStorage
    Proposed SCP/SCU Role: Default
    Accepted SCP/SCU Role: Default
    Accepted Transfer Syntax: =LittleEndianExplicit
Requested Extended Negotiation: none
Accepted Extended Negotiation:  none
Requested User Identity Negotiation: none
User Identity Negotiation Response:  none
======================= END A-ASSOCIATE-AC ======================"""


def test_request_as_its_sender_shows_it() -> None:
    assert request_dump(REQUEST) == SENT_REQUEST


def test_request_as_its_receiver_shows_it() -> None:
    lines = request_dump(REQUEST, maximum_length=28672).splitlines()
    assert lines[1:5] == [
        f"Our Implementation Class UID:      {uids.IMPLEMENTATION_CLASS_UID}",
        f"Our Implementation Version Name:   {uids.IMPLEMENTATION_VERSION_NAME}",
        "Their Implementation Class UID:    1.2.276.0.7230010.3.0.3.6.7",
        "Their Implementation Version Name: OFFIS_DCMTK_367",
    ]
    assert lines[8:11] == [
        "Responding Application Name: ",
        "Our Max PDU Receive Size:    28672",
        "Their Max PDU Receive Size:  16384",
    ]
    assert lines[11:] == SENT_REQUEST.splitlines()[11:]


def test_answer_as_the_requestor_shows_it() -> None:
    assert accept_dump(REQUEST, ACCEPT) == ANSWERED


def test_answer_as_the_acceptor_shows_it() -> None:
    lines = accept_dump(REQUEST, ACCEPT, acceptor=True).splitlines()
    assert lines[1] == "Our Implementation Class UID:      1.2.3"
    assert lines[4] == "Their Implementation Version Name: OFFIS_DCMTK_367"
    assert lines[9:11] == [
        "Our Max PDU Receive Size:    32768",
        "Their Max PDU Receive Size:  16384",
    ]


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (0, "Accepted"),
        (1, "User Rejection"),
        (2, "No Reason"),
        (3, "Abstract Syntax Not Supported"),
        (4, "Transfer Syntaxes Not Supported"),
        (77, "--Invalid Result/Reason--"),
    ],
)
def test_result_of_a_context_in_words(result: int, text: str) -> None:
    accept = AAssociateAC(
        called_ae_title="A",
        calling_ae_title="B",
        presentation_contexts=(
            PresentationContextResult(context_id=9, result=result, transfer_syntax=PRIVATE),
        ),
        user_information=UserInformation(),
    )
    lines = accept_dump(REQUEST, accept).splitlines()
    assert f"  Context ID:        9 ({text})" in lines
    assert "    Abstract Syntax: " in lines
    assert (f"    Accepted Transfer Syntax: {PRIVATE}" in lines) is (result == 0)


@pytest.mark.parametrize(
    ("scu", "scp", "text"),
    [
        (False, False, "None"),
        (True, False, "SCU"),
        (False, True, "SCP"),
        (True, True, "SCP/SCU"),
    ],
)
def test_role_of_a_context_in_words(scu: bool, scp: bool, text: str) -> None:
    role = RoleSelection(sop_class_uid=CT, scu_role=scu, scp_role=scp)
    request = a_request(UserInformation(role_selections=(role,)))
    assert f"    Proposed SCP/SCU Role: {text}\n" in request_dump(request)
    assert f"    Proposed SCP/SCU Role: {text}\n" in accept_dump(request, ACCEPT)


def test_extended_negotiation_is_listed_in_hexadecimal() -> None:
    items = tuple(
        SopClassExtendedNegotiation(
            sop_class_uid=uid, service_class_application_information=b"\x01\xff"
        )
        for uid in (CT, PRIVATE)
    )
    text = request_dump(a_request(UserInformation(extended_negotiations=items)))
    assert (
        "Requested Extended Negotiation:\n"
        f"  =CTImageStorage ({CT})\n"
        "    [0x01, 0xff]\n"
        f"  =Unknown-UID ({PRIVATE})\n"
        "    [0x01, 0xff]\n"
        "Accepted Extended Negotiation:  none\n"
    ) in text


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        (1, ["Authentication mode 1: Username", "Username: [bob\\xff]"]),
        (
            2,
            [
                "Authentication mode 2: Username/Password",
                "Username: [bob\\xff]",
                "Password (not dumped) length: 6",
            ],
        ),
        (3, ["Authentication mode 3: Kerberos", "Kerberos Service Ticket (not dumped) length: 4"]),
        (4, ["Authentication mode 4: SAML", "SAML Assertion (not dumped) length: 4"]),
        (5, ["Authentication mode 5: JWT", "JSON Web Token (not dumped) length: 4"]),
        (
            9,
            [
                "Authentication mode 9: Unknown",
                "First value (not dumped), length: 4",
                "Second value (not dumped), length: 6",
            ],
        ),
    ],
)
def test_identity_is_shown_without_its_secrets(kind: int, lines: list[str]) -> None:
    identity = UserIdentityRQ(
        user_identity_type=kind,
        positive_response_requested=True,
        primary_field=b"bob\xff",
        secondary_field=b"secret",
    )
    text = request_dump(a_request(UserInformation(user_identity=identity)))
    expected = [f"  {line}" for line in [*lines, "Positive Response requested: Yes"]]
    begin = text.splitlines().index("Requested User Identity Negotiation:") + 1
    assert text.splitlines()[begin : begin + len(expected)] == expected
    assert "secret" not in text


def test_identity_response_is_only_measured() -> None:
    accept = AAssociateAC(
        called_ae_title="A",
        calling_ae_title="B",
        presentation_contexts=(),
        user_information=UserInformation(user_identity_response=b"secret"),
    )
    text = accept_dump(REQUEST, accept)
    assert "User Identity Negotiation Response:\n  Server Response (not dumped) length: 6\n" in text
    assert "secret" not in text


# DIMSE messages


def test_store_request() -> None:
    message = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid="1.2.3.4")
    assert message_dump(message, direction="INCOMING", context_id=1) == (
        "===================== INCOMING DIMSE MESSAGE ====================\n"
        "Message Type                  : C-STORE RQ\n"
        "Presentation Context ID       : 1\n"
        "Message ID                    : 1\n"
        "Affected SOP Class UID        : CTImageStorage\n"
        "Affected SOP Instance UID     : 1.2.3.4\n"
        "Data Set                      : present\n"
        "Priority                      : medium\n"
        "======================= END DIMSE MESSAGE ======================="
    )


@pytest.mark.parametrize(("priority", "text"), [(0, "medium"), (1, "high"), (2, "low"), (9, "9")])
def test_priority_and_move_originator(priority: int, text: str) -> None:
    message = CStoreRQ(
        message_id=7,
        affected_sop_class_uid=PRIVATE,
        affected_sop_instance_uid="1",
        priority=priority,
        move_originator_application_entity_title="MOVER",
        move_originator_message_id=9,
    )
    assert message_dump(message, direction="OUTGOING", context_id=3).splitlines()[4:-1] == [
        f"Affected SOP Class UID        : {PRIVATE}",
        "Affected SOP Instance UID     : 1",
        "Data Set                      : present",
        f"Priority                      : {text}",
        "Move Originator AE Title      : MOVER",
        "Move Originator ID            : 9",
    ]


def test_context_is_left_out_where_another_line_tells_it() -> None:
    message = CStoreRQ(message_id=7, affected_sop_class_uid="1.2", affected_sop_instance_uid="1")
    told = message_dump(message, direction="OUTGOING", context_id=3).splitlines()
    assert told.pop(2) == "Presentation Context ID       : 3"
    assert message_dump(message, direction="OUTGOING", context_id=None).splitlines() == told


def test_store_response_without_optional_fields() -> None:
    message = CStoreRSP(message_id_being_responded_to=1, status=0xA700)
    assert message_dump(message, direction="OUTGOING", context_id=1).splitlines() == [
        "===================== OUTGOING DIMSE MESSAGE ====================",
        "Message Type                  : C-STORE RSP",
        "Presentation Context ID       : 1",
        "Message ID Being Responded To : 1",
        "Affected SOP Class UID        : none",
        "Affected SOP Instance UID     : none",
        "Data Set                      : none",
        "DIMSE Status                  : 0xa700: Refused: Out of resources",
        "======================= END DIMSE MESSAGE =======================",
    ]


def test_reason_of_a_failure_is_shown() -> None:
    message = CStoreRSP(
        message_id_being_responded_to=1,
        status=0xA900,
        affected_sop_class_uid=CT,
        affected_sop_instance_uid="1.2",
        offending_element=(0x00080016, 0x00080018),
        error_comment="no match",
    )
    assert message_dump(message, direction="INCOMING", context_id=1).splitlines()[7:-1] == [
        "DIMSE Status                  : 0xa900: Error: Data Set does not match SOP Class",
        "Offending Element             : (0008,0016) (0008,0018)",
        "Error Comment                 : no match",
    ]


def test_echo_messages() -> None:
    request = CEchoRQ(message_id=2, affected_sop_class_uid=uids.VERIFICATION)
    assert message_dump(request, direction="INCOMING", context_id=5).splitlines()[1:-1] == [
        "Message Type                  : C-ECHO RQ",
        "Presentation Context ID       : 5",
        "Message ID                    : 2",
        "Data Set                      : none",
    ]
    response = CEchoRSP(
        message_id_being_responded_to=2, status=0, affected_sop_class_uid=uids.VERIFICATION
    )
    assert message_dump(response, direction="OUTGOING", context_id=5).splitlines()[3:-1] == [
        "Message ID Being Responded To : 2",
        "Affected SOP Class UID        : VerificationSOPClass",
        "Data Set                      : none",
        "DIMSE Status                  : 0x0000: Success",
    ]


def test_move_messages() -> None:
    request = CMoveRQ(
        message_id=1, affected_sop_class_uid=uids.STUDY_ROOT_MOVE, move_destination="THERE"
    )
    lines = message_dump(request, direction="OUTGOING", context_id=1).splitlines()
    assert lines[-2] == "Move Destination              : THERE"
    response = CMoveRSP(
        message_id_being_responded_to=1,
        status=0xFF00,
        number_of_remaining_sub_operations=5,
        number_of_completed_sub_operations=0,
    )
    assert message_dump(response, direction="INCOMING", context_id=1).splitlines()[5:-1] == [
        "Remaining Suboperations       : 5",
        "Completed Suboperations       : 0",
        "Failed Suboperations          : none",
        "Warning Suboperations         : none",
        "Data Set                      : none",
        "DIMSE Status                  : 0xff00: Pending: Sub-operations are continuing",
    ]


def test_normalized_messages() -> None:
    request = NGetRQ(
        message_id=1,
        requested_sop_class_uid=PRIVATE,
        requested_sop_instance_uid="1.2",
        attribute_identifier_list=(0x00100010,),
    )
    assert message_dump(request, direction="INCOMING", context_id=1).splitlines()[4:-1] == [
        f"Requested SOP Class UID       : {PRIVATE}",
        "Requested SOP Instance UID    : 1.2",
        "Data Set                      : none",
        "Attribute Identifier List     : (0010,0010)",
    ]
    response = NActionRSP(message_id_being_responded_to=1, status=0x0110)
    lines = message_dump(response, direction="OUTGOING", context_id=1).splitlines()
    assert lines[1] == "Message Type                  : N-ACTION RSP"
    assert lines[-2] == "DIMSE Status                  : 0x0110: Failure"

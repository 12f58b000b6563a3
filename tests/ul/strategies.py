"""Hypothesis strategies for the PDUs of the Upper Layer."""

from __future__ import annotations

from hypothesis import strategies as st

from isocenter.ul import pdu

U8 = st.integers(0, 0xFF)
U16 = st.integers(0, 0xFFFF)
UIDS = st.lists(st.integers(0, 10**6), min_size=1, max_size=8).map(
    lambda parts: ".".join(map(str, parts))
)
TITLES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF), min_size=1, max_size=16)
NAMES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=16)
UNKNOWN_ITEM_TYPES = U8.filter(lambda number: not 0x51 <= number <= 0x59)

WINDOWS = st.builds(
    pdu.AsynchronousOperationsWindow,
    maximum_number_operations_invoked=U16,
    maximum_number_operations_performed=U16,
)
ROLES = st.builds(
    pdu.RoleSelection, sop_class_uid=UIDS, scu_role=st.booleans(), scp_role=st.booleans()
)
EXTENDED = st.builds(
    pdu.SopClassExtendedNegotiation,
    sop_class_uid=UIDS,
    service_class_application_information=st.binary(max_size=20),
)
COMMON = st.builds(
    pdu.SopClassCommonExtendedNegotiation,
    sop_class_uid=UIDS,
    service_class_uid=UIDS,
    related_general_sop_class_uids=st.lists(UIDS, max_size=3).map(tuple),
    sub_item_version=U8,
)
IDENTITIES = st.builds(
    pdu.UserIdentityRQ,
    user_identity_type=U8,
    positive_response_requested=st.booleans(),
    primary_field=st.binary(max_size=40),
    secondary_field=st.binary(max_size=40),
)
USER_INFORMATION = st.builds(
    pdu.UserInformation,
    maximum_length=st.none() | st.integers(0, 0xFFFFFFFF),
    implementation_class_uid=st.just("") | UIDS,
    implementation_version_name=st.just("") | NAMES,
    asynchronous_operations_window=st.none() | WINDOWS,
    role_selections=st.lists(ROLES, max_size=3).map(tuple),
    extended_negotiations=st.lists(EXTENDED, max_size=3).map(tuple),
    common_extended_negotiations=st.lists(COMMON, max_size=3).map(tuple),
    user_identity=st.none() | IDENTITIES,
    user_identity_response=st.none() | st.binary(max_size=40),
    unknown_items=st.lists(
        st.tuples(UNKNOWN_ITEM_TYPES, st.binary(min_size=1, max_size=10)), max_size=2
    ).map(tuple),
)
REQUESTS = st.builds(
    pdu.AAssociateRQ,
    called_ae_title=TITLES,
    calling_ae_title=TITLES,
    presentation_contexts=st.lists(
        st.builds(
            pdu.PresentationContext,
            context_id=U8,
            abstract_syntax=UIDS,
            transfer_syntaxes=st.lists(UIDS, max_size=3).map(tuple),
        ),
        max_size=5,
    ).map(tuple),
    user_information=USER_INFORMATION,
    application_context_name=UIDS,
    protocol_version=U16,
)
ACCEPTS = st.builds(
    pdu.AAssociateAC,
    called_ae_title=TITLES,
    calling_ae_title=TITLES,
    presentation_contexts=st.lists(
        st.builds(pdu.PresentationContextResult, context_id=U8, result=U8, transfer_syntax=UIDS),
        max_size=5,
    ).map(tuple),
    user_information=USER_INFORMATION,
    application_context_name=UIDS,
    protocol_version=U16,
)
REJECTS = st.builds(pdu.AAssociateRJ, result=U8, source=U8, reason=U8)
ABORTS = st.builds(pdu.AAbort, source=U8, reason=U8)
PDUS: st.SearchStrategy[pdu.Pdu] = st.one_of(
    REQUESTS,
    ACCEPTS,
    REJECTS,
    ABORTS,
    st.just(pdu.AReleaseRQ()),
    st.just(pdu.AReleaseRP()),
)

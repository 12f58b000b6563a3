"""Who asks: what becomes of a request by what its user identity is, and what the log says."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.security.identity import (
    IdentifiedUser,
    IdentityAdmission,
    IdentityRefused,
    shown_name,
)
from isocenter.ul.admission import RequestFacts, UserIdentityAC
from isocenter.ul.pdu import (
    AAssociateRJ,
    AAssociateRQ,
    UserIdentityRQ,
    UserIdentityType,
    UserInformation,
)

if TYPE_CHECKING:
    from isocenter.security.identity import IdentityClaim

FACTS = RequestFacts(peer_address="192.0.2.1:50000")
PERMANENT = AAssociateRJ(result=1, source=1, reason=1)
TRANSIENT = AAssociateRJ(result=2, source=1, reason=1)


def request(
    kind: int | None = UserIdentityType.USERNAME_AND_PASSCODE,
    primary: bytes = b"joe",
    secondary: bytes = b"Geheim_7",
    *,
    calling: str = "SCU",
) -> AAssociateRQ:
    identity = None
    if kind is not None:
        identity = UserIdentityRQ(
            user_identity_type=kind,
            positive_response_requested=True,
            primary_field=primary,
            secondary_field=secondary,
        )
    return AAssociateRQ(
        called_ae_title="SCP",
        calling_ae_title=calling,
        presentation_contexts=(),
        user_information=UserInformation(user_identity=identity),
    )


class Vouching:
    """Vouches for everybody of some kinds, or refuses all of them."""

    def __init__(self, *kinds: int, refused: IdentityRefused | None = None) -> None:
        self.claims: list[IdentityClaim] = []
        self._kinds = kinds
        self._refused = refused

    def identify(self, claim: IdentityClaim) -> IdentifiedUser | None:
        self.claims.append(claim)
        if claim.kind not in self._kinds:
            return None
        if self._refused is not None:
            raise self._refused
        return IdentifiedUser(name=claim.primary_field.decode(), server_response=b"ticket")


PASSWORDS = Vouching(UserIdentityType.USERNAME_AND_PASSCODE)


def test_user_that_a_provider_vouches_for_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    admission = IdentityAdmission([PASSWORDS], required=True)
    assert admission.judge(FACTS, request()) == UserIdentityAC(server_response=b"ticket")
    (record,) = caplog.records
    assert record.levelname == "INFO"
    assert record.getMessage() == ("association of 'SCU' at 192.0.2.1 with 'SCP' is of user 'joe'")


@pytest.mark.parametrize(("transient", "expected"), [(False, PERMANENT), (True, TRANSIENT)])
def test_user_who_is_refused_is_rejected(
    caplog: pytest.LogCaptureFixture, expected: AAssociateRJ, *, transient: bool
) -> None:
    refusing = Vouching(2, refused=IdentityRefused("no such", user="joe", transient=transient))
    admission = IdentityAdmission([refusing, PASSWORDS], required=False)
    assert admission.judge(FACTS, request()) == expected
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == (
        "refused association of 'SCU' at 192.0.2.1 with 'SCP': user 'joe': no such"
    )


def test_request_without_identity_is_let_in_unless_one_is_required(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert IdentityAdmission([PASSWORDS], required=False).judge(FACTS, request(None)) is None
    assert not caplog.records
    assert IdentityAdmission([PASSWORDS], required=True).judge(FACTS, request(None)) == PERMANENT
    assert "user identity: none is given, and one is required" in caplog.text


@pytest.mark.parametrize(
    ("kind", "called"),
    [
        (1, "a user name without passcode"),
        (3, "a Kerberos ticket"),
        (4, "a SAML assertion"),
        (5, "a JSON Web Token"),
        (0, "an identity of type 0"),
        (255, "an identity of type 255"),
    ],
)
@pytest.mark.parametrize("required", [False, True])
def test_identity_that_nobody_can_verify_is_refused(
    caplog: pytest.LogCaptureFixture, kind: int, called: str, *, required: bool
) -> None:
    admission = IdentityAdmission([PASSWORDS], required=required)
    assert admission.judge(FACTS, request(kind)) == PERMANENT
    assert f"user identity: nothing here can verify {called}\n" in caplog.text


def test_providers_are_asked_in_order_until_one_knows_the_kind() -> None:
    first, second, third = Vouching(1), Vouching(2), Vouching(2)
    admission = IdentityAdmission([first, second, third], required=True)
    assert isinstance(admission.judge(FACTS, request()), UserIdentityAC)
    assert [len(each.claims) for each in (first, second, third)] == [1, 1, 0]
    (claim,) = second.claims
    assert (claim.kind, claim.primary_field, claim.secondary_field) == (2, b"joe", b"Geheim_7")
    assert (claim.calling_ae_title, claim.called_ae_title) == ("SCU", "SCP")
    assert claim.facts is FACTS
    assert "Geheim" not in repr(claim)
    assert "joe" not in repr(claim)


def test_answer_without_room_in_an_acceptance_is_the_provider_s_error() -> None:
    class Talkative:
        def identify(self, claim: IdentityClaim) -> IdentifiedUser:
            return IdentifiedUser(name="joe", server_response=bytes(65001))

    with pytest.raises(ValueError, match="65000 bytes"):
        IdentityAdmission([Talkative()], required=True).judge(FACTS, request())


@given(
    kind=st.one_of(st.none(), st.integers(0, 255)),
    primary=st.binary(max_size=100),
    calling=st.text(max_size=16),
    required=st.booleans(),
)
def test_nobody_gets_in_without_a_provider_s_word(
    kind: int | None, primary: bytes, calling: str, *, required: bool
) -> None:
    admission = IdentityAdmission([Vouching()], required=required)
    verdict = admission.judge(FACTS, request(kind, primary, calling=calling))
    assert verdict == (None if kind is None and not required else PERMANENT)


@given(st.text(max_size=200))
def test_name_of_a_peer_s_choice_stays_on_its_line(name: str) -> None:
    shown = shown_name(name)
    assert shown.isprintable()
    assert len(shown) <= 64 + 3
    if name.isprintable() and len(name) <= 64:
        assert shown == name

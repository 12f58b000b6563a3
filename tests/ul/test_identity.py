"""User identity as requestor: which answers are demanded, and what fits a request."""

from __future__ import annotations

import pytest

from isocenter.record import replace
from isocenter.ul.codec import encode
from isocenter.ul.identity import (
    MAXIMUM_USER_INFORMATION,
    lacks_response,
    user_information_length,
)
from isocenter.ul.pdu import (
    AAssociateAC,
    AAssociateRQ,
    RoleSelection,
    UserIdentityRQ,
    UserIdentityType,
    UserInformation,
)
from isocenter.ul.userinfo import encode_user_information


def request(identity: UserIdentityRQ | None) -> AAssociateRQ:
    return AAssociateRQ(
        called_ae_title="A",
        calling_ae_title="B",
        presentation_contexts=(),
        user_information=UserInformation(
            maximum_length=16384,
            implementation_class_uid="1.2.3",
            implementation_version_name="NAME",
            role_selections=(RoleSelection(sop_class_uid="1.2", scu_role=True, scp_role=True),),
            user_identity=identity,
        ),
    )


def accept(response: bytes | None) -> AAssociateAC:
    return AAssociateAC(
        called_ae_title="A",
        calling_ae_title="B",
        presentation_contexts=(),
        user_information=UserInformation(user_identity_response=response),
    )


def identity(
    kind: int, *, asked: bool = True, primary: bytes = b"a", secondary: bytes = b""
) -> UserIdentityRQ:
    return UserIdentityRQ(
        user_identity_type=kind,
        positive_response_requested=asked,
        primary_field=primary,
        secondary_field=secondary,
    )


@pytest.mark.parametrize("kind", [*UserIdentityType, 9])
@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("response", [None, b"", b"x"])
def test_names_and_passcodes_lack_a_response_that_was_asked_for(
    kind: int, response: bytes | None, *, asked: bool
) -> None:
    lacks = lacks_response(request(identity(kind, asked=asked)), accept(response))
    assert lacks == (kind in (1, 2) and asked and response is None)


def test_nothing_is_lacking_without_an_identity() -> None:
    assert not lacks_response(request(None), accept(None))


@pytest.mark.parametrize(
    "sent", [None, identity(1), identity(2, primary=b"joe", secondary=b"pass word")]
)
def test_length_is_that_of_the_encoding(sent: UserIdentityRQ | None) -> None:
    information = request(sent).user_information
    assert user_information_length(information) == len(encode_user_information(information))


def test_what_has_just_room_is_encoded_and_one_byte_more_is_not() -> None:
    information = request(identity(5, primary=b"")).user_information
    room = MAXIMUM_USER_INFORMATION - user_information_length(information)
    fits, more = (request(identity(5, primary=bytes(n))) for n in (room, room + 1))
    assert user_information_length(fits.user_information) == MAXIMUM_USER_INFORMATION
    assert encode(fits)
    assert user_information_length(more.user_information) == MAXIMUM_USER_INFORMATION + 1
    with pytest.raises(ValueError, match="65536"):
        encode(more)


def test_length_is_told_of_what_no_field_holds() -> None:
    information = request(identity(2, primary=b"")).user_information
    base = user_information_length(information)
    longer = replace(
        information, user_identity=identity(2, primary=bytes(70000), secondary=bytes(66000))
    )
    assert user_information_length(longer) == base + 136000

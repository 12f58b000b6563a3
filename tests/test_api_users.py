"""Users of a server in the Python API: who gets in by a provider, ours or one's own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

import isocenter
from isocenter import (
    AssociationRejected,
    IdentifiedUser,
    IdentityRefused,
    TokenVerifier,
    UserFile,
    UserIdentityRQ,
    UserIdentityType,
)
from tests.support.tokens import token, write_pem
from tests.support.users import write_users

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter import IdentityClaim, Server

pytestmark = pytest.mark.slow


def user(
    name: str = "joe", password: str | None = "secret", *, asked: bool = True
) -> UserIdentityRQ:
    kind = UserIdentityType.USERNAME
    if password is not None:
        kind = UserIdentityType.USERNAME_AND_PASSCODE
    return UserIdentityRQ(
        user_identity_type=kind,
        positive_response_requested=asked,
        primary_field=name.encode(),
        secondary_field=(password or "").encode(),
    )


def bearer(kind: UserIdentityType, content: bytes) -> UserIdentityRQ:
    return UserIdentityRQ(
        user_identity_type=kind, positive_response_requested=True, primary_field=content
    )


def enter(server: Server, identity: UserIdentityRQ | None) -> bytes | None:
    """Associate, echo, and return the answer to the identity."""
    with isocenter.connect("127.0.0.1", server.port, user_identity=identity) as peer:
        peer.echo()
        return peer.user_identity_response


def refused(server: Server, identity: UserIdentityRQ | None) -> tuple[int, int, int]:
    with pytest.raises(AssociationRejected) as caught:
        enter(server, identity)
    return caught.value.result, caught.value.source, caught.value.reason


@pytest.fixture
def users(tmp_path: Path) -> UserFile:
    return UserFile(write_users(tmp_path / "users", joe="secret"))


def test_user_of_a_file_gets_in_and_nobody_else(
    users: UserFile, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with isocenter.serve(identity=users) as server:
        assert enter(server, user()) == b""
        assert enter(server, user(asked=False)) is None
        assert refused(server, user("ann", "Geheim_7")) == (1, 1, 1)
        assert refused(server, user(password=None)) == (1, 1, 1)
        assert refused(server, None) == (1, 1, 1)
        assert refused(server, user(password="Geheim_7")) == (1, 1, 1)
    assert "association of 'ISOCENTER' at 127.0.0.1 with 'ANY-SCP' is of user 'joe'" in caplog.text
    assert "user 'ann': no such user" in caplog.text
    assert "user 'joe': wrong password" in caplog.text
    assert "Geheim" not in caplog.text


def test_identity_need_not_be_given_where_that_is_said(users: UserFile) -> None:
    with isocenter.serve(identity=users, require_identity=False) as server:
        assert enter(server, None) is None
        assert enter(server, user()) == b""
        assert refused(server, user("ann")) == (1, 1, 1)


def test_several_providers_share_the_kinds(users: UserFile, tmp_path: Path) -> None:
    tokens = TokenVerifier(key_file=write_pem(tmp_path / "key.pem", "rsa"))
    with isocenter.serve(identity=[users, tokens]) as server:
        assert enter(server, user()) == b""
        assert enter(server, bearer(UserIdentityType.JWT, token().encode())) == b""
        stolen = token("rsa other").encode()
        assert refused(server, bearer(UserIdentityType.JWT, stolen)) == (1, 1, 1)
        assert refused(server, bearer(UserIdentityType.KERBEROS, b"ticket")) == (1, 1, 1)
        assert refused(server, bearer(UserIdentityType.SAML, b"<saml/>")) == (1, 1, 1)


class Realm:
    """Knows Kerberos tickets."""

    def __init__(self) -> None:
        self.peers: list[str] = []

    def identify(self, claim: IdentityClaim) -> IdentifiedUser | None:
        if claim.kind != UserIdentityType.KERBEROS:
            return None
        self.peers.append(claim.facts.host)
        if claim.primary_field == b"later":
            raise IdentityRefused("the realm is away", transient=True)
        if claim.primary_field != b"ticket":
            raise IdentityRefused("no ticket of ours")
        return IdentifiedUser(name="joe@REALM", server_response=b"server ticket")


def test_provider_of_one_s_own_answers_with_its_ticket(users: UserFile) -> None:
    realm = Realm()
    with isocenter.serve(identity=(realm, users)) as server:
        ticket = UserIdentityType.KERBEROS
        assert enter(server, bearer(ticket, b"ticket")) == b"server ticket"
        assert refused(server, bearer(ticket, b"forged")) == (1, 1, 1)
        assert refused(server, bearer(ticket, b"later")) == (2, 1, 1)
        assert enter(server, user()) == b""
    assert realm.peers == ["127.0.0.1"] * 3


def test_provider_that_fails_lets_nobody_in(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def identify(self, claim: IdentityClaim) -> IdentifiedUser | None:
            raise ZeroDivisionError

    with isocenter.serve(identity=Broken()) as server:
        assert refused(server, user()) == (2, 1, 1)
    assert "ZeroDivisionError" in caplog.text


def test_nobody_s_identity_is_looked_at_without_a_provider() -> None:
    with isocenter.serve() as server:
        assert enter(server, None) is None
        assert enter(server, bearer(UserIdentityType.JWT, b"nonsense")) is None


def test_what_cannot_vouch_is_no_provider(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="identify"):
        isocenter.serve(identity=str(tmp_path))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="identity: one provider"):
        isocenter.serve(identity=[])

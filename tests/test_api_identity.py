"""User identity in the Python API."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

import isocenter
from isocenter import NegotiationError, UserIdentityRQ, UserIdentityType
from isocenter.testing import ScriptedAcceptor, raw
from isocenter.testing.peer import accept, serve_storage

if TYPE_CHECKING:
    from isocenter.testing import RawConnection

pytestmark = pytest.mark.slow


class Peer:
    """Accepts one association, answers an identity with this, and keeps what came."""

    def __init__(self, response: bytes | None) -> None:
        self.item: bytes | None = None
        self._response = response

    def __call__(self, connection: RawConnection) -> None:
        items = []
        if self._response is not None:
            items.append(raw.item(0x59, struct.pack(">H", len(self._response)) + self._response))
        facts = accept(connection, user=raw.user_information(*items))
        self.item = facts.user_item(0x58)
        for _ in serve_storage(connection):
            pass


def identity(kind: UserIdentityType) -> UserIdentityRQ:
    return UserIdentityRQ(
        user_identity_type=kind,
        positive_response_requested=True,
        primary_field="jörg".encode(),
        secondary_field=b"secret" if kind == UserIdentityType.USERNAME_AND_PASSCODE else b"",
    )


@pytest.mark.parametrize("response", [b"", b"token"])
def test_identity_is_sent_and_its_answer_can_be_read(response: bytes) -> None:
    script = Peer(response)
    with (
        ScriptedAcceptor(script) as acceptor,
        isocenter.connect(
            "127.0.0.1",
            acceptor.port,
            user_identity=identity(UserIdentityType.USERNAME_AND_PASSCODE),
        ) as peer,
    ):
        peer.echo()
        assert peer.user_identity_response == response
    assert script.item == b"\x02\x01\x00\x05j\xc3\xb6rg\x00\x06secret"


def test_missing_answer_to_a_user_name_is_an_error() -> None:
    with (
        ScriptedAcceptor(Peer(None)) as acceptor,
        pytest.raises(NegotiationError, match="did not confirm the user identity"),
    ):
        isocenter.connect(
            "127.0.0.1", acceptor.port, user_identity=identity(UserIdentityType.USERNAME)
        )


def test_missing_answer_to_a_token_can_be_seen() -> None:
    with (
        ScriptedAcceptor(Peer(None)) as acceptor,
        isocenter.connect(
            "127.0.0.1", acceptor.port, user_identity=identity(UserIdentityType.JWT)
        ) as peer,
    ):
        peer.echo()
        assert peer.user_identity_response is None


def test_without_an_identity_there_is_neither_item_nor_answer() -> None:
    script = Peer(None)
    with (
        ScriptedAcceptor(script) as acceptor,
        isocenter.connect("127.0.0.1", acceptor.port) as peer,
    ):
        peer.echo()
        assert peer.user_identity_response is None
    assert script.item is None


@pytest.mark.parametrize("length", [65500, 65530, 70000])
def test_identity_without_room_is_refused_and_nothing_sent(length: int) -> None:
    too_long = UserIdentityRQ(
        user_identity_type=UserIdentityType.SAML,
        positive_response_requested=False,
        primary_field=bytes(length),
    )
    came: list[object] = []

    def listen(connection: RawConnection) -> None:
        came.extend(connection.receive_until_closed())

    with ScriptedAcceptor(listen) as acceptor, pytest.raises(ValueError, match=r"65535|16-bit"):
        isocenter.connect("127.0.0.1", acceptor.port, user_identity=too_long)
    assert came == []


def test_secrets_are_not_shown() -> None:
    assert "secret" not in repr(identity(UserIdentityType.USERNAME_AND_PASSCODE))

"""storescu: the options for user identity, as the peer sees them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.storescu import main
from isocenter.testing import ScriptedAcceptor, ct_image, raw
from isocenter.testing.datasets import IMPLICIT_LITTLE
from isocenter.testing.peer import accept, serve_storage
from isocenter.testing.raw import item, user_information
from tests.cli.effects.sending import HERE, Peer

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import RawConnection

pytestmark = pytest.mark.slow

TOKEN = b"\x00token\xff\n"


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a.dcm, and the file `token`."""
    monkeypatch.chdir(tmp_path)
    ct_image(rows=4, columns=4, sop_instance_uid="2.25.1").write(tmp_path / "a.dcm")
    (tmp_path / "token").write_bytes(TOKEN)
    return tmp_path


def identity(kind: int, primary: bytes, secondary: bytes = b"", *, asked: bool = False) -> bytes:
    """Return the value of a user identity sub-item, written from PS3.7 D.3.3.7.1."""
    head = struct.pack(">BBH", kind, asked, len(primary))
    return head + primary + struct.pack(">H", len(secondary)) + secondary


GIVEN = {
    "--user": (["--user", "joe"], identity(1, b"joe")),
    "--password": (["--user", "joe", "--password", "pass"], identity(2, b"joe", b"pass")),
    "--empty-password": (["--user", "joe", "--empty-password"], identity(2, b"joe")),
    "--kerberos": (["--kerberos", "token"], identity(3, TOKEN)),
    "--saml": (["--saml", "token"], identity(4, TOKEN)),
    "--jwt": (["--jwt", "token"], identity(5, TOKEN)),
}


@pytest.mark.parametrize("option", GIVEN)
def test_storescu_says_who_asks(option: str) -> None:
    words, expected = GIVEN[option]
    peer = Peer()
    assert peer.run(main, *words, HERE, "a.dcm") == 0
    assert peer.facts.user_item(0x58) == expected
    assert peer.uids == ["2.25.1"]


def test_nothing_is_sent_where_a_demanded_answer_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    peer = Peer()
    assert peer.run(main, "--user", "joe", "--pos-response", HERE, "a.dcm") == 1
    assert peer.facts.user_item(0x58) == identity(1, b"joe", asked=True)
    assert peer.received == []
    assert capsys.readouterr().err.splitlines() == [
        "E: User Identity Negotiation failed: Positive response requested but none received",
        "F: 0006:0108 ASC User Identification Negotiation failed",
    ]


@pytest.mark.parametrize("response", [b"", b"ticket"])
@pytest.mark.parametrize("words", [("-usr", "joe"), ("-usr", "joe", "-pwd", "p")])
def test_files_are_sent_where_the_demanded_answer_comes(
    words: tuple[str, ...], response: bytes
) -> None:
    granted = user_information(item(0x59, struct.pack(">H", len(response)) + response))
    peer = Peer(granted=granted)
    assert peer.run(main, *words, "-rsp", HERE, "a.dcm") == 0
    assert peer.uids == ["2.25.1"]


@pytest.mark.parametrize("option", ["--kerberos", "--saml", "--jwt"])
def test_a_missing_answer_to_a_token_is_no_error(option: str) -> None:
    peer = Peer()
    assert peer.run(main, option, "token", "-rsp", HERE, "a.dcm") == 0
    item_value = peer.facts.user_item(0x58)
    assert item_value is not None
    assert item_value[1] == 1
    assert peer.uids == ["2.25.1"]


def test_a_missing_answer_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer().run(main, "--explain", "-usr", "joe", "-rsp", HERE, "a.dcm") == 1
    shown = capsys.readouterr().err
    assert "W: Explanation: the peer accepted the association and did not confirm" in shown
    assert "--pos-response (-rsp)" in shown


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("-usr", "joe", "-kt", "token"), identity(3, TOKEN)),
        (("-kt", "token", "-usr", "joe"), identity(1, b"joe")),
        (("--jwt", "token", "--saml", "token"), identity(4, TOKEN)),
        (("--jwt", "absent", "-usr", "joe", "-pwd", "p"), identity(2, b"joe", b"p")),
        (("-usr", "joe", "-usr", "ann"), identity(1, b"ann")),
        (("-usr", "joe", "-epw", "-pwd", "p"), identity(2, b"joe", b"p")),
        (("-usr", "joe", "-pwd", "p", "-epw"), identity(2, b"joe")),
        (("-pwd", "", "-usr", ""), identity(2, b"")),
        (("-usr", "jörg"), identity(1, "jörg".encode())),
        (("-usr", "j\udcf6rg"), identity(1, b"j\xf6rg")),
    ],
)
def test_the_rightmost_alternative_is_sent_as_it_was_typed(
    words: tuple[str, ...], expected: bytes
) -> None:
    peer = Peer()
    assert peer.run(main, *words, HERE, "a.dcm") == 0
    assert peer.facts.user_item(0x58) == expected


def test_there_is_no_identity_without_an_option() -> None:
    peer = Peer()
    assert peer.run(main, HERE, "a.dcm") == 0
    assert peer.facts.user_item(0x58) is None


@pytest.mark.parametrize("level", ["-d", "-lltrace"])
@pytest.mark.parametrize("answered", [False, True])
def test_no_secret_is_in_the_log(
    files: Path, capsys: pytest.CaptureFixture[str], level: str, *, answered: bool
) -> None:
    (files / "words").write_text("-usr joe -pwd Geheim_7\n")
    (files / "token").write_bytes(b"Geheim_7")
    granted = user_information(item(0x59, b"\0\x08Geheim_7"))
    levels = ["-ll", "trace"] if level == "-lltrace" else [level]
    for words in (["@words"], ["-pwd", "Geheim_7", "-usr", "joe"], ["--jwt", "token"]):
        peer = Peer(granted=granted if answered else None)
        code = peer.run(main, *levels, "--arguments", *words, "-rsp", "--explain", HERE, "a.dcm")
        shown = capsys.readouterr()
        assert "Requested User Identity Negotiation:" in shown.err
        assert "Geheim" not in shown.err + shown.out
        assert raw.ui("Geheim_7").hex() not in shown.err.replace(" ", "").lower()
        assert code == (0 if answered or "--jwt" in words else 1)
        if answered:
            assert "D:   Server Response (not dumped) length: 8" in shown.err.splitlines()


def test_arguments_hide_the_password_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--arguments", "-usr", "joe", "-pwd", "-secret", "-pwd", ""]
    assert main([*words, "-pdu", "1", "peer", "104", "a.dcm"], {}) == 1
    first, *_ = capsys.readouterr().err.splitlines()
    assert first == (
        "I: calling 'storescu' with 12 arguments: '--arguments' '--user' 'joe' '--password' '***' "
        "'--password' '--max-pdu' '1' 'peer' '104' 'a.dcm' "
    )


def test_every_association_of_a_plan_carries_the_identity(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """129 private classes need two associations under ``--auto-contexts``."""
    for number in range(129):
        ct_image(
            sop_class_uid=f"1.2.3.{number + 1}",
            transfer_syntax=IMPLICIT_LITTLE,
            rows=1,
            columns=1,
            sop_instance_uid=f"2.25.{number + 1}",
        ).write(files / f"{number:03}.dcm")
    identities: list[bytes | None] = []

    def take(connection: RawConnection) -> None:
        identities.append(accept(connection).user_item(0x58))
        for _ in serve_storage(connection):
            pass

    with ScriptedAcceptor(take) as acceptor:
        words = ["--auto-contexts", "-usr", "joe", "-pwd", "p", "127.0.0.1", str(acceptor.port)]
        assert main([*words, *(f"{number:03}.dcm" for number in range(129))], {}) == 0
    assert len(identities) > 1
    assert set(identities) == {identity(2, b"joe", b"p")}
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "A peer that wants to know the user is told with --user (-usr) or --jwt."),
        (["-usr", "joe"], "It may also be that the peer does not take the user identity."),
    ],
)
def test_explanation_of_a_refusal_without_reason_names_the_identity(
    capsys: pytest.CaptureFixture[str], words: list[str], expected: str
) -> None:
    def refuse(connection: RawConnection) -> None:
        connection.receive()
        connection.send(raw.associate_rj(1, 1, 1))

    with ScriptedAcceptor(refuse) as acceptor:
        where = ["127.0.0.1", str(acceptor.port)]
        assert main(["--explain", *words, *where, "a.dcm"], {}) == 1
    assert capsys.readouterr().err.splitlines()[-1] == f"W:   {expected}"

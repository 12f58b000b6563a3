"""storescp with users: who gets in by a password or a token, and what the others are told."""

from __future__ import annotations

import os
import signal
import socket
import struct
import time
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import RawConnection, ct_image, raw
from isocenter.testing.certificates import Authority
from isocenter.testing.reading import parse_associate
from tests.faults.conftest import CONTEXTS, ECHO_CONTEXT
from tests.support.superserver import Handed, connection_pair
from tests.support.tokens import jwk, token, write_jwks, write_pem
from tests.support.tools import OURS, UNDER_TEST, Receiver
from tests.support.users import quick_hash, write_users

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(not UNDER_TEST.is_ours, reason="these options are ours"),
    pytest.mark.slow,
]

WAIT = 30.0
SERVED = "served"
ANSWERED = "answered"
REFUSED = "1.1.1"
SECRET = "Geheim_7"
MODES = [(), ("--fork",), ("--workers", "2")]


def identity(kind: int, primary: bytes, secondary: bytes = b"", *, asked: bool = False) -> bytes:
    """Return a user identity sub-item, written from PS3.7 D.3.3.7.1."""
    head = struct.pack(">BBH", kind, asked, len(primary))
    return raw.item(0x58, head + primary + struct.pack(">H", len(secondary)) + secondary)


def joe(password: str = SECRET, *, asked: bool = False, name: str = "joe") -> bytes:
    return identity(2, name.encode(), password.encode(), asked=asked)


def bearer(content: str, *, asked: bool = False) -> bytes:
    return identity(5, content.encode(), asked=asked)


def answer(
    port: int, item: bytes | None = None, *, calling: str = "CT1", source: str = "127.0.0.1"
) -> str:
    """Return what a requestor gets: served, answered (and served), or a rejection's numbers."""
    sock = socket.create_connection(("127.0.0.1", port), WAIT, source_address=(source, 0))
    with RawConnection(sock, timeout=WAIT) as requestor:
        return ask(requestor, item, calling=calling)


def ask(requestor: RawConnection, item: bytes | None, *, calling: str = "CT1") -> str:
    user = None if item is None else raw.user_information(item)
    requestor.send(raw.associate_rq(CONTEXTS, called="ARCHIVE", calling=calling, user=user))
    pdu = requestor.receive()
    if pdu.pdu_type == raw.ASSOCIATE_RJ:
        return ".".join(str(number) for number in pdu.body[1:4])
    assert pdu.pdu_type == raw.ASSOCIATE_AC
    response = parse_associate(pdu.body).user_item(0x59)
    assert response in (None, b"\0\0")  # empty for names and passcodes (PS3.7 D.3.3.7.2)
    assert requestor.echo(ECHO_CONTEXT) == 0
    requestor.release()
    return SERVED if response is None else ANSWERED


def see(receiver: Receiver, line: str) -> None:
    """Wait until a line is in the log."""
    receiver.process.wait_for_line(line, timeout=WAIT)


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = write_users(tmp_path / "users", joe=SECRET)
    with path.open("a") as file:
        file.write(f"ann:{quick_hash(SECRET, algorithm='argon2id')}:CT2\n")
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write_pem(tmp_path / "key.pem", "rsa")


class TestOptions:
    def test_users_lets_in_who_knows_the_password(self, users: Path, tmp_path: Path) -> None:
        with Receiver(OURS, tmp_path / "out", "--users", users) as receiver:
            assert answer(receiver.port, joe(asked=True)) == ANSWERED
            assert answer(receiver.port, joe("wrong")) == REFUSED

    def test_jwt_key_lets_in_whom_a_token_names(self, key: Path, tmp_path: Path) -> None:
        with Receiver(OURS, tmp_path / "out", "--jwt-key", key) as receiver:
            assert answer(receiver.port, bearer(token("rsa other"))) == REFUSED
            assert answer(receiver.port, bearer(token(), asked=True)) == ANSWERED

    def test_jwt_keys_lets_in_whom_a_token_names(self, tmp_path: Path) -> None:
        keys = write_jwks(tmp_path / "keys", jwk("p256", "ES256"), jwk("oct", "HS256"))
        with Receiver(OURS, tmp_path / "out", "--jwt-keys", keys) as receiver:
            assert answer(receiver.port, bearer(token())) == REFUSED
            assert answer(receiver.port, bearer(token("p256", "ES256"), asked=True)) == ANSWERED
            assert answer(receiver.port, bearer(token("oct", "HS256"))) == SERVED

    def test_jwt_issuer_keeps_out_tokens_of_others(self, key: Path, tmp_path: Path) -> None:
        options = ("--jwt-key", key, "--jwt-issuer", "https://id.example")
        with Receiver(OURS, tmp_path / "out", *options) as receiver:
            assert answer(receiver.port, bearer(token())) == REFUSED
            ours = token(claims={"iss": "https://id.example"})
            assert answer(receiver.port, bearer(ours)) == SERVED

    def test_jwt_audience_keeps_out_tokens_for_others(self, key: Path, tmp_path: Path) -> None:
        options = ("--jwt-key", key, "--jwt-audience", "pacs")
        with Receiver(OURS, tmp_path / "out", *options) as receiver:
            assert answer(receiver.port, bearer(token())) == REFUSED
            assert answer(receiver.port, bearer(token(claims={"aud": "ris"}))) == REFUSED
            assert answer(receiver.port, bearer(token(claims={"aud": ["ris", "pacs"]}))) == SERVED

    def test_require_identity_keeps_out_who_gives_none(self, users: Path, tmp_path: Path) -> None:
        options = ("--users", users, "--require-identity")
        with Receiver(OURS, tmp_path / "out", *options) as receiver:
            assert answer(receiver.port) == REFUSED
            assert answer(receiver.port, joe()) == SERVED


@pytest.mark.parametrize("mode", MODES, ids=" ".join)
def test_every_form_in_every_mode(
    users: Path, key: Path, tmp_path: Path, mode: tuple[str, ...]
) -> None:
    options = ("-v", "--users", users, "--jwt-key", key)
    with Receiver(OURS, tmp_path / "out", *mode, *options) as receiver:
        port = receiver.port
        assert answer(port) == SERVED
        assert answer(port, joe()) == SERVED
        assert answer(port, joe(asked=True)) == ANSWERED
        assert answer(port, joe(name="ann"), calling="CT2") == SERVED
        assert answer(port, joe(name="ann"), calling="CT1") == REFUSED
        assert answer(port, joe("")) == REFUSED
        assert answer(port, joe(name="eve")) == REFUSED
        assert answer(port, identity(1, b"joe", asked=True)) == REFUSED
        assert answer(port, identity(3, b"ticket", asked=True)) == REFUSED
        assert answer(port, identity(4, b"<saml/>")) == REFUSED
        assert answer(port, identity(99, b"joe", b"x")) == REFUSED
        assert answer(port, bearer(token(claims={"sub": "eve"}))) == SERVED
        assert answer(port, bearer(token(claims={"exp": 1}))) == REFUSED
        see(receiver, "I: association of 'CT1' at 127.0.0.1 with 'ARCHIVE' is of user 'joe'")
        see(receiver, "I: association of 'CT2' at 127.0.0.1 with 'ARCHIVE' is of user 'ann'")
        see(receiver, "I: association of 'CT1' at 127.0.0.1 with 'ARCHIVE' is of user 'eve'")
        refused = "W: refused association of 'CT1' at 127.0.0.1 with 'ARCHIVE': "
        see(receiver, f"{refused}user 'ann': may not call from AE title CT1")
        see(receiver, f"{refused}user 'joe': wrong password")
        see(receiver, f"{refused}user 'eve': no such user")
        for kind in ("a user name without passcode", "a Kerberos ticket", "a SAML assertion"):
            see(receiver, f"{refused}user identity: nothing here can verify {kind}")
        see(receiver, f"{refused}user identity: the token has expired")
        see(receiver, "I: Association Rejected: No Reason")
        see(receiver, "I: Association Release")


@pytest.mark.parametrize("mode", MODES, ids=" ".join)
def test_users_and_keys_are_read_anew_at_sighup(
    users: Path, key: Path, tmp_path: Path, mode: tuple[str, ...]
) -> None:
    options = ("-v", "--users", users, "--jwt-key", key)
    with Receiver(OURS, tmp_path / "out", *mode, *options) as receiver:
        write_users(users, eve="x", mia="y")
        write_pem(key, "rsa other")
        assert answer(receiver.port, joe()) == SERVED
        os.kill(receiver.process.pid, signal.SIGHUP)
        see(receiver, f"I: users file read anew: {users}, 2 users")
        see(receiver, f"I: keys of tokens read anew: {key}, 1 key")
        deadline = time.monotonic() + WAIT  # a worker is told, and reads when it is told
        while answer(receiver.port, joe("x", name="eve")) != SERVED:
            assert time.monotonic() < deadline
        if not mode:
            assert answer(receiver.port, joe()) == REFUSED
            assert answer(receiver.port, bearer(token())) == REFUSED
            assert answer(receiver.port, bearer(token("rsa other"))) == SERVED


def test_file_that_became_unusable_leaves_the_users_as_they_were(
    users: Path, tmp_path: Path
) -> None:
    with Receiver(OURS, tmp_path / "out", "-v", "--users", users) as receiver:
        users.write_text(f"joe:{SECRET}\n")
        os.kill(receiver.process.pid, signal.SIGHUP)
        said = f"E: users file not read anew, kept as it was: {users}, line 1: no password hash"
        see(receiver, said)
        assert SECRET not in receiver.log
        assert answer(receiver.port, joe()) == SERVED
        assert answer(receiver.port, joe("")) == REFUSED


@pytest.mark.parametrize("mode", MODES, ids=" ".join)
def test_guesses_are_slowed_in_all_processes_together(
    users: Path, tmp_path: Path, mode: tuple[str, ...]
) -> None:
    """Three wrong passwords in a row wait for 0, 1 and 2 seconds."""
    with Receiver(OURS, tmp_path / "out", *mode, "--users", users) as receiver:
        start = time.monotonic()
        assert [answer(receiver.port, joe(f"guess {n}")) for n in range(3)] == [REFUSED] * 3
        assert time.monotonic() - start >= 3
        assert answer(receiver.port) == SERVED  # nobody else waits
        assert answer(receiver.port, joe(name="ann"), calling="CT2") == SERVED


@pytest.mark.parametrize("mode", MODES, ids=" ".join)
def test_known_user_gets_in_while_another_host_floods_the_server_with_guesses(
    tmp_path: Path, mode: tuple[str, ...]
) -> None:
    """Each password takes some time to test here, as all real ones do."""
    users = write_users(tmp_path / "users", joe=SECRET, logarithm=13)
    with Receiver(OURS, tmp_path / "out", *mode, "--users", users) as receiver:
        port, answers = receiver.port, []

        def guess(number: int) -> None:
            answers.append(answer(port, joe(name=f"user{number}")))

        guessers = [Thread(target=guess, args=(number,)) for number in range(24)]
        for guesser in guessers:
            guesser.start()
        for _ in range(3):
            assert answer(port, joe(), source="127.0.0.2") == SERVED
        for guesser in guessers:
            guesser.join(WAIT)
        assert len(answers) == 24
        assert set(answers) <= {REFUSED, "2.1.1"}


@pytest.mark.parametrize("level", ["-d", "trace"])
@pytest.mark.parametrize("mode", [(), ("--fork",)], ids=" ".join)
def test_no_secret_is_in_the_log(
    users: Path, key: Path, tmp_path: Path, level: str, mode: tuple[str, ...]
) -> None:
    words = ("-d",) if level == "-d" else ("-ll", level)
    options = ("--explain", "--arguments", "--users", users, "--jwt-key", key)
    good, bad = token(), token("rsa other")
    with Receiver(OURS, tmp_path / "out", *mode, *words, *options) as receiver:
        for item, expected in (
            (joe(asked=True), ANSWERED),
            (joe(f"{SECRET}x", asked=True), REFUSED),
            (identity(99, SECRET.encode(), SECRET.encode()), REFUSED),
            (identity(3, SECRET.encode()), REFUSED),
            (bearer(good), SERVED),
            (bearer(bad), REFUSED),
            (bearer(SECRET), REFUSED),
        ):
            assert answer(receiver.port, item) == expected
        see(receiver, "W: refused association")
        log = receiver.log
    assert "Requested User Identity Negotiation:" in log
    assert "Password (not dumped) length: 8" in log
    assert "JSON Web Token (not dumped) length:" in log
    assert "Geheim" not in log
    assert SECRET.encode().hex() not in log.replace(" ", "").lower()
    for content in (good, bad):
        assert not any(part in log for part in content.split("."))
    assert "$scrypt$" not in log


class TestWarnings:
    def test_identity_that_is_not_required_and_a_wire_that_can_be_read(
        self, users: Path, tmp_path: Path
    ) -> None:
        with Receiver(OURS, tmp_path / "out", "--users", users) as receiver:
            see(
                receiver,
                "W: whoever gives no user identity is let in, too: "
                "only --require-identity prevents that",
            )
            see(
                receiver, "W: without TLS, passwords and tokens of users can be read on the network"
            )

    def test_required_identity_is_not_warned_of(self, users: Path, tmp_path: Path) -> None:
        options = ("--users", users, "--require-identity")
        with Receiver(OURS, tmp_path / "out", *options) as receiver:
            see(receiver, "W: without TLS")
            assert "whoever gives no user" not in receiver.log

    def test_passwords_over_tls_are_not_warned_of(self, users: Path, tmp_path: Path) -> None:
        authority = Authority("Hospital", key="ec-p256")
        own = authority.issue("archive", key="ec-p256")
        keys = ("+tls", own.private_key, own.certificate, "--ignore-peer-cert")
        image = ct_image(rows=4, columns=4)
        image.write(tmp_path / "a.dcm")
        options = (*keys, "-v", "--users", users, "--require-identity")
        with Receiver(OURS, tmp_path / "out", *options) as receiver:
            words = ("+tla", "+cf", authority.path, "-usr", "joe", "-rsp")
            to = ("127.0.0.1", str(receiver.port), "a.dcm")
            sent = OURS.run("storescu", *words, "-pwd", SECRET, *to, cwd=tmp_path)
            assert (sent.code, sent.stderr) == (0, "")
            assert OURS.run("storescu", *words, "-pwd", "x", *to, cwd=tmp_path).code == 1
            see(receiver, "user 'joe': wrong password")
            assert "without TLS" not in receiver.log

    def test_file_that_all_can_read(self, users: Path, tmp_path: Path) -> None:
        users.chmod(0o644)
        with Receiver(OURS, tmp_path / "out", "--users", users) as receiver:
            see(receiver, f"W: {users} can be read by all users of this machine")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--jwt-issuer", "x"), "F: "),
        (("--jwt-audience", "x"), "F: "),
        (("--require-identity",), "F: "),
        (("--users", "{missing}"), "F: --users: {missing}: No such file or directory"),
        (("--jwt-key", "{missing}"), "F: --jwt-key: {missing}: No such file or directory"),
        (("--jwt-keys", "{missing}"), "F: --jwt-keys: {missing}: No such file or directory"),
        (("--jwt-key", "{users}"), "F: --jwt-key: {users}: no public key or certificate in PEM"),
        (("--jwt-keys", "{users}"), "F: --jwt-keys: {users}: no JSON"),
        (("--users", "{key}"), "F: --users: {key}, line 1: no colon behind the user's name"),
        (("--jwt-key", "{key}", "--jwt-issuer", ""), "F: --jwt-issuer needs a name that is not"),
        (("--jwt-key", "{key}", "--jwt-audience", ""), "F: --jwt-audience needs a name"),
    ],
)
def test_nonsense_is_refused_in_one_line(
    users: Path, key: Path, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    names = {"users": str(users), "key": str(key), "missing": str(tmp_path / "missing")}
    words = [word.format(**names) for word in options]
    done = OURS.run("storescp", *words, "-od", tmp_path, "11112")
    assert done.code != 0
    lines = [line for line in done.stderr.splitlines() if line.startswith(("F: ", "E: "))]
    if said == "F: ":  # a rule between options, in the words of the parser
        assert any(words[0] in line for line in done.stderr.splitlines())
    else:
        assert len(lines) == 1
        assert lines[0].startswith(said.format(**names))


def test_inetd_looks_at_users_as_well(users: Path, tmp_path: Path) -> None:
    options = ("--inetd", "--users", str(users), "--require-identity", "-od", str(tmp_path))
    for item, expected in ((joe(), SERVED), (joe("wrong"), REFUSED), (None, REFUSED)):
        requestor, theirs = connection_pair()
        with Handed(OURS.argv("storescp", *options), theirs, everywhere=False), requestor:
            assert ask(requestor, item) == expected

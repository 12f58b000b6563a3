"""Users of our storescp as DCMTK's storescu, pynetdicom and our storescu name them.

PS3.7 D.3.3.7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ct_image
from tests.interop.partners import PROGRAMS, program
from tests.support.processes import run
from tests.support.tokens import token, write_pem
from tests.support.tools import DCMTK, OURS, UNDER_TEST, Receiver
from tests.support.users import quick_hash

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.tools import Suite

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not UNDER_TEST.is_ours, reason="these options are ours"),
]

REJECTED = "F: Association Rejected:"
NO_REASON = "F: Reason: No Reason"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An object, users, tokens and a key."""
    folder = tmp_path_factory.mktemp("users")
    ct_image(rows=4, columns=4, sop_instance_uid="2.25.1").write(folder / "a.dcm")
    users = folder / "users"
    users.touch(mode=0o600)
    users.write_text(
        f"joe:{quick_hash('päss word')}\n"
        f"ann:{quick_hash('a', algorithm='argon2id')}:STORESCU\n"
        f"eve:{quick_hash('e')}:CT1,CT2\n"
    )
    write_pem(folder / "key.pem", "rsa")
    (folder / "token").write_text(token() + "\n")
    (folder / "old").write_text(token(claims={"exp": 1}))
    (folder / "stolen").write_text(token("rsa other"))
    (folder / "ticket").write_bytes(b"\x61\x82ticket")
    return folder


@pytest.fixture(scope="module")
def receiver(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    options = ("-v", "--users", folder / "users", "--jwt-key", folder / "key.pem")
    with Receiver(
        OURS, tmp_path_factory.mktemp("received"), *options, "--require-identity"
    ) as running:
        yield running


GOOD: list[tuple[str, ...]] = [
    ("-usr", "joe", "-pwd", "päss word"),
    ("-usr", "joe", "-pwd", "päss word", "-rsp"),
    ("-usr", "ann", "-pwd", "a", "-rsp"),
    ("-aet", "CT2", "-usr", "eve", "-pwd", "e"),
    ("--jwt", "token"),
    ("--jwt", "token", "-rsp"),
]

BAD: list[tuple[str, ...]] = [
    (),
    ("-usr", "mia", "-pwd", "päss word"),
    ("-usr", "ann", "-epw"),
    ("-usr", "ann", "-rsp"),
    ("-usr", "eve", "-pwd", "e"),
    ("-aet", "CT1", "-usr", "ann", "-pwd", "a"),
    ("--jwt", "old"),
    ("--jwt", "stolen", "-rsp"),
    ("--jwt", "ticket"),
    ("-kt", "ticket", "-rsp"),
    ("--saml", "ticket"),
]


@pytest.mark.peer("dcmtk")
@pytest.mark.parametrize("words", GOOD, ids=" ".join)
@pytest.mark.parametrize("suite", [DCMTK, OURS], ids=["dcmtk", "ours"])
def test_user_who_is_known_sends(
    receiver: Receiver, folder: Path, suite: Suite, words: tuple[str, ...]
) -> None:
    done = suite.run("storescu", *words, "127.0.0.1", str(receiver.port), "a.dcm", cwd=folder)
    assert (done.code, done.stderr) == (0, "")


@pytest.mark.peer("dcmtk")
@pytest.mark.parametrize("words", BAD, ids=" ".join)
@pytest.mark.parametrize("suite", [DCMTK, OURS], ids=["dcmtk", "ours"])
def test_whoever_else_is_rejected(
    receiver: Receiver, folder: Path, suite: Suite, words: tuple[str, ...]
) -> None:
    done = suite.run("storescu", *words, "127.0.0.1", str(receiver.port), "a.dcm", cwd=folder)
    assert done.code == 1
    lines = done.stderr.splitlines()
    assert lines[0] == REJECTED
    assert "F: Result: Rejected Permanent, Source: Service User" in lines
    assert NO_REASON in lines


PYNETDICOM: list[tuple[int, bytes, bytes, bool, str]] = [
    (2, b"joe", "päss word".encode(), True, "answered "),
    (2, b"joe", "päss word".encode(), False, "none"),
    (2, b"joe", b"x", True, "rejected 1 1 1"),
    (2, b"mia", b"x", False, "rejected 1 1 1"),
    (1, b"joe", b"", True, "rejected 1 1 1"),
    (3, b"ticket", b"", True, "rejected 1 1 1"),
    (4, b"<saml/>", b"", False, "rejected 1 1 1"),
    (5, b"a.b.c", b"", True, "rejected 1 1 1"),
]


@pytest.mark.peer("pynetdicom")
@pytest.mark.parametrize(("kind", "primary", "secondary", "asked", "expected"), PYNETDICOM)
def test_pynetdicom_names_a_user(
    receiver: Receiver, kind: int, primary: bytes, secondary: bytes, asked: bool, expected: str
) -> None:
    assert pynetdicom(receiver, kind, primary, secondary, asked=asked) == (
        expected,
        1 if expected.startswith("rejected") else 0,
    )


@pytest.mark.peer("pynetdicom")
def test_pynetdicom_shows_a_token(receiver: Receiver) -> None:
    assert pynetdicom(receiver, 5, token().encode(), b"", asked=True) == ("answered ", 0)


def pynetdicom(
    receiver: Receiver, kind: int, primary: bytes, secondary: bytes, *, asked: bool
) -> tuple[str, int]:
    python = program("pynetdicom", "python")
    words = [str(receiver.port), str(kind), primary.hex(), secondary.hex(), str(int(asked))]
    done = run([python, PROGRAMS / "pynetdicom_identity.py", *words])
    return done.stdout.rstrip("\n"), done.code

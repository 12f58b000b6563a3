"""`isocenter passwd`: users are added, changed, deleted; no password is shown; files are whole."""

from __future__ import annotations

import hashlib
import io
import os
import pty
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from isocenter.cli import passwd
from isocenter.cli.main import main
from isocenter.security import passwords
from isocenter.security.passwords import is_password
from isocenter.security.users import parse_users
from tests.support.users import quick_hash, write_users

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.security.users import User

WAIT = 30.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have hashes that take no time."""
    monkeypatch.setattr(passwords, "ALGORITHMS", {"argon2id": (8, 1, 1), "scrypt": (1, 1, 1)})


class Standard:
    """A standard input that is a pipe with something in it."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)

    @staticmethod
    def isatty() -> bool:
        return False


def run(monkeypatch: pytest.MonkeyPatch, *words: str | Path, typed: bytes = b"secret\n") -> int:
    monkeypatch.setattr(sys, "stdin", Standard(typed))
    return main(["passwd", *(str(word) for word in words)])


def users(path: Path) -> dict[str, User]:
    return parse_users(path.read_bytes(), str(path))


def test_first_user_makes_the_file_and_only_its_owner_can_read_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "users"
    assert run(monkeypatch, path, "jörg") == 0
    assert capsys.readouterr().out == f"added user jörg in {path}\n"
    user = users(path)["jörg"]
    assert user.password.algorithm == "argon2id"
    assert is_password(user.password, b"secret")
    assert user.titles == ()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["users"]


def test_lines_of_others_stay_as_they_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "users"
    others = f"# radiology\r\n ann:{quick_hash('a')}\n\njoe:{quick_hash('j')}:CT1,CT2"
    path.write_bytes(others.encode())
    assert run(monkeypatch, path, "eve") == 0
    assert path.read_bytes().startswith(f"{others}\neve:$argon2id$".encode())
    assert run(monkeypatch, path, "joe", typed=b"new\r\n") == 0
    lines = path.read_bytes().splitlines(keepends=True)
    assert lines[:3] == others.encode().splitlines(keepends=True)[:3]
    assert users(path)["joe"].titles == ("CT1", "CT2")
    assert is_password(users(path)["joe"].password, b"new")
    assert capsys.readouterr().out.splitlines()[-1] == f"changed user joe in {path}"
    assert run(monkeypatch, "--delete", path, "joe") == 0
    assert list(users(path)) == ["ann", "eve"]
    assert capsys.readouterr().out == f"deleted user joe in {path}\n"


def test_algorithm_and_titles_are_as_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "users"
    assert run(monkeypatch, "--algorithm", "scrypt", "--titles", "CT1,MR 2", path, "joe") == 0
    assert users(path)["joe"].password.algorithm == "scrypt"
    assert users(path)["joe"].titles == ("CT1", "MR 2")
    assert run(monkeypatch, path, "joe", "--titles", "") == 0
    assert users(path)["joe"].titles == ()


@pytest.mark.parametrize(
    ("words", "typed", "reason"),
    [
        ([], b"x", "expected FILE and USER, see isocenter passwd --help"),
        (["{path}"], b"x", "expected FILE and USER"),
        (["{path}", "joe", "ann"], b"x", "expected FILE and USER"),
        (["{path}", "--bogus", "joe"], b"x", "unknown option --bogus"),
        (["{path}", "joe", "--algorithm"], b"x", "--algorithm needs a value"),
        (["{path}", "joe", "--algorithm", "md5"], b"x", "algorithm md5: expected"),
        (["{path}", "joe", "--delete", "--titles", "A"], b"x", "exclude each other"),
        (["{path}", "joe"], b"", "no password"),
        (["{path}", "joe"], b"\n", "no password"),
        (["{path}", "joe"], b"\nsecret\n", "no password"),
        (["--", "{path}", "-joe", "x"], b"x", "expected FILE and USER"),
        (["{path}", "joe"], b"x" * 1025, "longer than 1024 bytes"),
        (["{path}", "joe"], b"p\xe4ss\n", "no UTF-8"),
        (["{path}", "j:oe"], b"x", "no colon"),
        (["{path}", ""], b"x", "not empty"),
        (["{path}", "j\udcffoe", "--titles", "A"], b"x", ""),
        (["{path}", "joe", "--titles", "A" * 17], b"x", "wd: --titles: AE title 'AAAAAAAAAAAAAAA"),
        (["{path}", "joe", "--titles", "A,,B"], b"x", "AE title"),
        (["{path}", "nobody", "--delete"], b"", "has no user nobody"),
        (["{path}/below/users", "joe"], b"x", "Not a directory"),
        (
            ["{missing}/users", "joe"],
            b"x",
            "{missing}: No such file or directory (make it: mkdir -p)",
        ),
    ],
)
def test_what_cannot_be_done_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    typed: bytes,
    reason: str,
) -> None:
    path = write_users(tmp_path / "users", ann="a")
    before = path.read_bytes()
    given = [word.format(path=path, missing=tmp_path / "missing") for word in words]
    code = run(monkeypatch, *given, typed=typed)
    out, err = capsys.readouterr()
    if not reason:  # a name in another encoding stands for itself
        assert (code, list(users(path))) == (0, ["ann", "j\\xffoe"])
        return
    assert (code, out) == (1, "")
    assert err.startswith("isocenter passwd: ")
    assert reason.format(missing=tmp_path / "missing") in err
    assert err.count("\n") == 1
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["users"]


def test_file_with_a_mistake_is_not_touched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "users"
    path.write_text("ann:plain\n")
    assert run(monkeypatch, path, "joe") == 1
    assert f"isocenter passwd: {path}, line 1: no password hash" in capsys.readouterr().err
    assert path.read_text() == "ann:plain\n"


@pytest.mark.parametrize(("before", "after"), [(0o600, 0o600), (0o640, 0o640), (0o666, 0o640)])
def test_group_may_go_on_reading_and_others_may_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, before: int, after: int
) -> None:
    path = write_users(tmp_path / "users", ann="a")
    path.chmod(before)
    assert run(monkeypatch, path, "joe") == 0
    assert stat.S_IMODE(path.stat().st_mode) == after


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="gives files away")
def test_file_of_another_owner_stays_that_owner_s(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = write_users(tmp_path / "users", ann="a")
    os.chown(path, 4321, 4322)
    assert run(monkeypatch, path, "joe") == 0
    assert (path.stat().st_uid, path.stat().st_gid) == (4321, 4322)


def test_file_behind_a_link_is_changed_where_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = write_users(tmp_path / "users", ann="a")
    link = tmp_path / "link"
    link.symlink_to("users")
    assert run(monkeypatch, link, "joe") == 0
    assert link.is_symlink()
    assert list(users(path)) == ["ann", "joe"]


def test_failed_writing_leaves_the_file_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_users(tmp_path / "users", ann="a")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert run(monkeypatch, path, "joe") == 1
    assert capsys.readouterr().err == f"isocenter passwd: {path}: No space left on device\n"
    assert list(users(path)) == ["ann"]
    assert os.listdir(tmp_path) == ["users"]


@pytest.mark.parametrize(
    "words", [("missing/users", "joe"), ("users", "joe", "--titles", "A" * 17)]
)
def test_nobody_types_a_password_for_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[str, ...]
) -> None:
    def typed() -> bytes:
        raise AssertionError("asked for a password")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(passwd, "_piped", typed)
    assert run(monkeypatch, *words) == 1


def test_users_added_at_the_same_time_are_all_there(tmp_path: Path) -> None:
    path = tmp_path / "users"

    def add(number: int) -> None:
        with passwd._Locked(str(tmp_path)):
            content = path.read_bytes() if path.exists() else b""
            line = f"user{number}:{quick_hash('x')}".encode()
            passwd._replace(str(path), passwd._with_line(content, None, line))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert sorted(users(path)) == [f"user{number}" for number in range(8)]


def test_algorithm_that_this_python_lacks_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr(hashlib, "scrypt")
    assert run(monkeypatch, "--algorithm", "scrypt", tmp_path / "users", "joe") == 1
    assert "has no scrypt" in capsys.readouterr().err
    assert os.listdir(tmp_path) == []


def test_endless_file_is_not_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("isocenter.security.users.LONGEST_FILE", 10)
    (tmp_path / "users").write_text("#" * 11)
    assert run(monkeypatch, tmp_path / "users", "joe") == 1
    assert "longer than 10 bytes" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help(capsys: pytest.CaptureFixture[str], word: str) -> None:
    assert main(["passwd", word]) == 0
    out, err = capsys.readouterr()
    assert not err
    assert "usage: isocenter passwd [OPTIONS] FILE USER" in out
    assert max(map(len, out.splitlines())) <= 80


IN_TERMINAL = """
import os, sys
os.setsid()
terminal = os.open(sys.argv[1], os.O_RDWR)
for number in range(3):
    os.dup2(terminal, number)
os.execv(sys.executable, [sys.executable, "-m", "isocenter", "passwd", *sys.argv[2:]])
"""


def typed_at_a_terminal(path: Path, *answers: bytes) -> tuple[int, str]:
    """Run it with a terminal; return the exit code and what the screen showed."""
    master, slave = pty.openpty()
    words = [sys.executable, "-c", IN_TERMINAL, os.ttyname(slave), "--algorithm", "scrypt"]
    with subprocess.Popen([*words, str(path), "joe"]) as process:
        shown = b""
        for number, answer in enumerate(answers, 1):
            while shown.count(b": ") < number:
                shown += os.read(master, 1000)
            os.write(master, answer + b"\n")
        os.close(slave)  # it has the terminal open itself by now
        try:
            while part := os.read(master, 1000):
                shown += part
        except OSError:  # nobody has the terminal any more
            pass
        code = process.wait(WAIT)
        os.close(master)
    return code, shown.decode()


@pytest.mark.slow
class TestTerminal:
    def test_password_is_asked_for_twice_and_not_shown(self, tmp_path: Path) -> None:
        path = tmp_path / "users"
        code, shown = typed_at_a_terminal(path, b"Geheim_7", b"Geheim_7")
        assert "New password: " in shown
        assert "Once more: " in shown
        assert f"added user joe in {path}" in shown
        assert "Geheim" not in shown
        assert code == 0
        assert is_password(users(path)["joe"].password, b"Geheim_7")

    def test_two_different_passwords_change_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "users"
        code, shown = typed_at_a_terminal(path, b"Geheim_7", b"Geheim_8")
        assert code == 1
        assert "two passwords, nothing was changed" in shown
        assert "Geheim" not in shown
        assert not path.exists()

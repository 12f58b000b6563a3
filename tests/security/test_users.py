"""The file of users: what it may say, who gets in by it, and what nobody can tell from outside."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.errors import ConfigurationError
from isocenter.security import users as users_module
from isocenter.security.identity import IdentityClaim, IdentityRefused
from isocenter.security.pace import Pace
from isocenter.security.passwords import is_password, parse_hash
from isocenter.security.users import LONGEST_FILE, UserFile, parse_users
from isocenter.ul.admission import RequestFacts
from tests.support.users import quick_hash, write_users

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.security.passwords import PasswordHash

JOE = quick_hash("secret")
ANN = quick_hash("geheim", algorithm="argon2id")


def claim(
    name: str | bytes = "joe",
    password: str | bytes = "secret",
    *,
    kind: int = 2,
    calling: str = "SCU",
    host: str = "192.0.2.1",
) -> IdentityClaim:
    return IdentityClaim(
        kind=kind,
        primary_field=name.encode() if isinstance(name, str) else name,
        secondary_field=password.encode() if isinstance(password, str) else password,
        calling_ae_title=calling,
        called_ae_title="SCP",
        facts=RequestFacts(peer_address=f"{host}:50000"),
    )


def impatient() -> Pace:
    """Return a pace by which nobody waits in real time."""
    moment = [0.0]

    def sleep(seconds: float) -> None:
        moment[0] += seconds

    return Pace(clock=lambda: moment[0], sleep=sleep)


def refusal(file: UserFile, asked: IdentityClaim) -> IdentityRefused:
    with pytest.raises(IdentityRefused) as caught:
        file.identify(asked)
    return caught.value


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "users"
    path.write_text(f"# who may send\n\njoe:{JOE}\n  ann:{ANN}:CT1, CT2 \r\njörg ß:{JOE}\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def file(path: Path) -> UserFile:
    return UserFile(path, pace=impatient())


@pytest.mark.parametrize(
    ("name", "password", "calling"),
    [("joe", "secret", "ANY"), ("ann", "geheim", "CT2"), ("jörg ß", "secret", "")],
)
def test_user_with_the_right_password_is_known(
    file: UserFile, name: str, password: str, calling: str
) -> None:
    user = file.identify(claim(name, password, calling=calling))
    assert user is not None
    assert (user.name, user.server_response) == (name, b"")


@pytest.mark.parametrize(
    ("asked", "reason", "user"),
    [
        (claim("joe", "Secret"), "wrong password", "joe"),
        (claim("joe", ""), "wrong password", "joe"),
        (claim("joe", "secret "), "wrong password", "joe"),
        (claim("Joe", "secret"), "no such user", "Joe"),
        (claim("", "secret"), "no such user", ""),
        (claim(b"j\xf6rg", "secret"), "no such user", "j\\xf6rg"),
        (claim("ann", "geheim", calling="CT3"), "may not call from AE title CT3", "ann"),
        (claim("ann", "geheim", calling="ct1"), "may not call from AE title ct1", "ann"),
        (claim("ann", "secret", calling="CT1"), "wrong password", "ann"),
    ],
)
def test_whoever_else_is_refused(
    file: UserFile, asked: IdentityClaim, reason: str, user: str
) -> None:
    refused = refusal(file, asked)
    assert (refused.reason, refused.user, refused.transient) == (reason, user, False)


@pytest.mark.parametrize("kind", [0, 1, 3, 4, 5, 99])
def test_other_kinds_are_for_other_providers(file: UserFile, kind: int) -> None:
    assert file.identify(claim(kind=kind)) is None


def test_titles_are_compared_without_their_padding(file: UserFile) -> None:
    assert file.identify(claim("ann", "geheim", calling=" CT1  ")) is not None


class Counting:
    """Counts what is computed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tested: list[PasswordHash] = []

        def test(kept: PasswordHash, password: bytes) -> bool:
            self.tested.append(kept)
            return is_password(kept, password)

        monkeypatch.setattr(users_module, "is_password", test)


def test_user_that_there_is_not_costs_as_much_as_one_that_there_is(
    file: UserFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Counting(monkeypatch)
    for number in range(60):
        refusal(file, claim(f"nobody{number}", host=f"10.0.0.{number}"))
    costs = [(kept.algorithm, kept.cost) for kept in counting.tested]
    known = {(kept.algorithm, kept.cost) for kept in (parse_hash(JOE), parse_hash(ANN))}
    assert len(costs) == 60
    assert set(costs) == known
    # Of two costs among three users, nobody's is that of two users more often.
    assert costs.count(("scrypt", parse_hash(JOE).cost)) > 20


def test_user_that_there_is_not_has_the_same_cost_each_time(
    file: UserFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Counting(monkeypatch)
    for _ in range(3):
        refusal(file, claim("nobody"))
    assert len({kept.algorithm for kept in counting.tested}) == 1


def test_wrong_title_is_told_only_after_the_password_was_tested(
    file: UserFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Counting(monkeypatch)
    refusal(file, claim("ann", "geheim", calling="CT3"))
    assert len(counting.tested) == 1


@pytest.mark.parametrize(
    "asked", [claim("joe", "x"), claim("nobody", "x"), claim("ann", "geheim", calling="CT3")]
)
def test_failures_are_slowed_alike_whatever_failed(path: Path, asked: IdentityClaim) -> None:
    waits: list[float] = []
    moment = 0.0

    def sleep(seconds: float) -> None:
        nonlocal moment
        waits.append(seconds)
        moment += seconds

    file = UserFile(path, pace=Pace(clock=lambda: moment, sleep=sleep))
    for _ in range(5):
        refusal(file, asked)
    assert waits == [1, 2, 4, 8]


def test_attempt_that_would_wait_too_long_is_refused_for_now(path: Path) -> None:
    moment = 0.0
    file = UserFile(path, pace=Pace(clock=lambda: moment, sleep=lambda _: None))
    refusal(file, claim("joe", "x"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("isocenter.security.pace.PATIENCE", 0.5)
        refused = refusal(file, claim("joe", "secret"))
    assert refused.transient
    assert refused.reason == "too many attempts, the password was not looked at"


def test_lack_of_memory_refuses_for_now(file: UserFile, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(kept: PasswordHash, password: bytes) -> bool:
        raise MemoryError

    monkeypatch.setattr(users_module, "is_password", fail)
    refused = refusal(file, claim())
    assert refused.transient
    assert "memory" in refused.reason


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("joe", "no colon behind the user's name"),
        (f":{JOE}", "a user's name is not empty"),
        (f"joe :{JOE}", "no blanks around it"),
        (f"j\tb:{JOE}", "nothing unprintable"),
        (f"{'j' * 257}:{JOE}", "longer than 256 bytes"),
        ("joe:secret", "has to begin with \\$argon2id\\$ or \\$scrypt\\$"),
        ("joe:", "has to begin with"),
        (f"joe:{JOE}:", "AE title"),
        (f"joe:{JOE}:A,,B", "AE title"),
        (f"joe:{JOE}:{'A' * 17}", "AE title"),
        (f"joe:{JOE}:A\\B", "AE title"),
        (f"ann:{ANN}", "the same user is in line 2"),
    ],
)
def test_line_that_cannot_be_used_is_named_with_its_file(
    tmp_path: Path, line: str, reason: str
) -> None:
    path = tmp_path / "users"
    path.write_text(f"# comment\nann:{ANN}\n\n{line}\n")
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match=f"^{path}, line 4: .*{reason}") as caught:
        UserFile(path)
    assert JOE[-20:] not in str(caught.value)


def test_line_that_is_no_text_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"^users, line 2: no UTF-8$"):
        parse_users(b"# \n\xff:x\n", "users")


def test_hash_that_would_take_gigabytes_is_refused_when_the_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text("joe:$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$" + "A" * 43 + "\n")
    with pytest.raises(ConfigurationError, match="line 1: testing a password would take 4096 MiB"):
        UserFile(path)


@given(st.binary(max_size=300))
def test_any_file_is_read_or_refused_with_a_line(content: bytes) -> None:
    try:
        parse_users(content, "users")
    except ConfigurationError as problem:
        said = str(problem)
    else:
        return
    assert said.startswith("users, line ")
    assert "\n" not in said


@given(st.text(alphabet=":$ #,\\=", min_size=1, max_size=3), st.integers(0, len(ANN)))
def test_no_mistake_in_a_line_makes_a_part_of_a_hash_show(mistake: str, place: int) -> None:
    line = f"ann:{ANN}:CT1"
    try:
        parse_users(f"{line[: place + 4]}{mistake}{line[place + 4 :]}".encode(), "users")
    except ConfigurationError as problem:
        said = str(problem)
    else:
        return
    secret = ANN.rpartition("$")[2]
    assert not any(secret[i : i + 8] in said for i in range(len(secret) - 7))


@pytest.fixture(scope="module")
def one_user(tmp_path_factory: pytest.TempPathFactory) -> UserFile:
    path = write_users(tmp_path_factory.mktemp("users") / "users", joe="secret")
    return UserFile(path, pace=impatient())


@given(
    st.binary(max_size=20) | st.just(b"joe"),
    st.binary(max_size=20) | st.just(b"secret"),
    st.sampled_from([1, 2, 3]),
)
def test_nobody_else_gets_in(one_user: UserFile, name: bytes, password: bytes, kind: int) -> None:
    try:
        user = one_user.identify(claim(name, password, kind=kind))
    except IdentityRefused:
        user = None
    assert (user is not None) == ((name, password, kind) == (b"joe", b"secret", 2))


class TestReading:
    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=f"^{tmp_path}/users: No such file"):
            UserFile(tmp_path / "users")

    def test_directory(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=f"^{tmp_path}: Is a directory"):
            UserFile(tmp_path)

    def test_endless_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(users_module, "LONGEST_FILE", 100)
        path = tmp_path / "users"
        path.write_text("#" * 101)
        with pytest.raises(ConfigurationError, match="longer than 100 bytes"):
            UserFile(path)
        assert LONGEST_FILE == 8 << 20

    @pytest.mark.skipif(os.name != "posix", reason="permissions")
    @pytest.mark.parametrize(
        ("mode", "said"),
        [
            (0o600, ""),
            (0o640, ""),
            (0o644, "can be read by all users of this machine"),
            (0o660, "can be changed by other users of this machine"),
            (0o666, "can be changed by other users of this machine"),
        ],
    )
    def test_file_that_others_can_read_or_change(
        self, path: Path, caplog: pytest.LogCaptureFixture, mode: int, said: str
    ) -> None:
        path.chmod(mode)
        UserFile(path)
        assert [record.getMessage() for record in caplog.records] == (
            [f"{path} {said}"] if said else []
        )

    def test_hash_that_this_python_cannot_compute(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(hashlib, "scrypt")
        with pytest.raises(ConfigurationError, match=f"^{path}: the OpenSSL of this Python"):
            UserFile(path)

    def test_file_without_users_lets_nobody_in(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = tmp_path / "users"
        path.write_text("# none yet\n")
        path.chmod(0o600)
        file = UserFile(path)
        assert f"{path} has no users: no password lets anybody in" in caplog.text
        assert refusal(file, claim()).reason == "there are no users"


def test_reloaded_file_holds_from_then_on(file: UserFile, path: Path) -> None:
    path.write_text(f"ann:{ANN}\n")
    assert file.identify(claim()) is not None
    file.reload()
    assert file.count == 1
    assert refusal(file, claim()).reason == "no such user"
    assert file.identify(claim("ann", "geheim")) is not None


def test_file_that_became_unusable_leaves_the_users_as_they_were(
    file: UserFile, path: Path
) -> None:
    path.write_text("ann:nonsense\n")
    with pytest.raises(ConfigurationError):
        file.reload()
    path.unlink()
    with pytest.raises(ConfigurationError):
        file.reload()
    assert file.count == 3
    assert file.identify(claim()) is not None

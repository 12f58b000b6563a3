"""Files that say who is let in: how they are read, and what is said about their rights."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import ConfigurationError
from isocenter.security.access_control import AccessFile
from isocenter.security.certificate_titles import CertificateTitles
from isocenter.security.rule_lines import read_text
from isocenter.security.tokens import TokenVerifier
from isocenter.security.trusted_files import read_trusted
from isocenter.security.users import UserFile
from tests.support.tokens import jwk, write_jwks, write_pem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="permissions and pipes")

READERS: list[Callable[[str], object]] = [
    UserFile,
    lambda path: TokenVerifier(key_file=path),
    lambda path: TokenVerifier(keys_file=path),
    read_text,
    lambda path: read_trusted(path, 10),
]


@pytest.mark.parametrize("read", READERS)
def test_pipe_that_nobody_writes_into_is_not_waited_for(
    read: Callable[[str], object], tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ConfigurationError, match=f"^{pipe}: not a file$"):
        read(str(pipe))


@pytest.mark.parametrize("read", READERS)
def test_folder_is_called_so(read: Callable[[str], object], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"^{tmp_path}: Is a directory$"):
        read(str(tmp_path))


def test_longest_file_is_read_and_a_longer_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    assert read_trusted(str(path), 10).content == b"0123456789"
    with pytest.raises(ConfigurationError, match=f"^{path}: longer than 9 bytes$"):
        read_trusted(str(path), 9)


@pytest.mark.parametrize(
    ("is_secret", "mode", "said"),
    [
        (True, 0o600, ""),
        (True, 0o640, ""),
        (True, 0o644, "can be read by all users of this machine"),
        (True, 0o660, "can be changed by other users of this machine"),
        (False, 0o644, ""),
        (False, 0o666, "can be changed by other users of this machine"),
    ],
)
def test_keys_of_tokens_that_others_can_read_or_change(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, is_secret: bool, mode: int, said: str
) -> None:
    path = tmp_path / "keys"
    if is_secret:
        write_jwks(path, jwk("oct", "HS256"))
        path.chmod(mode)
        TokenVerifier(keys_file=path)
    else:
        write_pem(path, "p256")
        path.chmod(mode)
        TokenVerifier(key_file=path)
    assert caplog.messages == ([f"{path} {said}"] if said else [])


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        (0o600, ""),
        (0o644, ""),
        (0o664, "can be changed by other users of this machine"),
        (0o602, "can be changed by other users of this machine"),
    ],
)
def test_rules_that_others_can_change(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, said: str
) -> None:
    rules, titles = tmp_path / "rules", tmp_path / "titles"
    rules.write_text("allow calling=CT1\n")
    titles.write_text(f"sha256={'ab' * 32} calling=CT1\n")
    for path in (rules, titles):
        path.chmod(mode)
    access = AccessFile(str(rules))
    CertificateTitles(str(titles))
    expected = [f"{path} {said}" for path in (rules, titles) if said]
    assert caplog.messages == expected
    access.reload()
    assert caplog.messages == expected + expected[:1]

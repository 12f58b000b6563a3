"""Token files and identities on the command line."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.identity import MAXIMUM_TOKEN, TokenFileError, check_length, user_identity
from isocenter.cli.options_storescu import TOOL
from isocenter.cli.parser import parse
from isocenter.cli.storescu import main
from isocenter.errors import ConfigurationError
from isocenter.testing import ct_image
from isocenter.ul.pdu import AAssociateRQ, UserInformation
from tests.support.ports import free_port
from tests.support.processes import run

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.ul.pdu import UserIdentityRQ

KINDS = [("--kerberos", 3), ("--saml", 4), ("--jwt", 5)]


def identity(*words: str) -> UserIdentityRQ:
    line = parse(TOOL, [*words, "peer", "104", "a.dcm"])
    kind = line.block("--user", "--kerberos", "--saml", "--jwt")
    assert kind is not None
    return user_identity(line, kind)


@pytest.mark.parametrize(("option", "kind"), KINDS)
def test_token_is_what_the_file_has_byte_for_byte(tmp_path: Path, option: str, kind: int) -> None:
    content = b" \r\n\0\xff\n"
    (tmp_path / "token").write_bytes(content)
    found = identity(option, str(tmp_path / "token"))
    assert (found.user_identity_type, found.primary_field) == (kind, content)
    assert (found.secondary_field, found.positive_response_requested) == (b"", False)


@pytest.mark.parametrize("length", [1, MAXIMUM_TOKEN, MAXIMUM_TOKEN + 1, 3 * MAXIMUM_TOKEN])
def test_token_is_cut_where_its_length_field_ends(tmp_path: Path, length: int) -> None:
    (tmp_path / "token").write_bytes(b"x" * length)
    found = identity("--jwt", str(tmp_path / "token"))
    assert len(found.primary_field) == min(length, MAXIMUM_TOKEN)


def test_token_comes_out_of_a_pipe_in_pieces(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def write() -> None:
        with pipe.open("wb", buffering=0) as end:
            for part in (b"one ", b"two ", b"three"):
                end.write(part)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert identity("--jwt", str(pipe)).primary_field == b"one two three"
    finally:
        writer.join()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent", "No such file or directory"),
        ("", "No such file or directory"),
        (".", "Is a directory"),
        ("empty/below", "Not a directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_file_that_cannot_be_opened_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").touch()
    with pytest.raises(TokenFileError) as caught:
        identity("--jwt", name)
    said = f"Unable to open Kerberos, SAML or JWT file: {reason} ({name})"
    assert str(caught.value) == said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_that_may_not_be_read_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "token").touch(mode=0)
    with pytest.raises(TokenFileError, match="JWT file: Permission denied"):
        identity("--jwt", str(tmp_path / "token"))


def test_empty_file_is_refused() -> None:
    with pytest.raises(TokenFileError) as caught:
        identity("--saml", os.devnull)
    assert str(caught.value) == ("Unable to read Kerberos, SAML or JWT info from file: File empty?")


@pytest.mark.parametrize(
    "words", [("-usr", "u" * 70000), ("-usr", "u" * 40000, "-pwd", "p" * 40000)]
)
def test_identity_without_room_in_the_request_is_refused(words: tuple[str, ...]) -> None:
    request = AAssociateRQ(
        called_ae_title="A",
        calling_ae_title="B",
        presentation_contexts=(),
        user_information=UserInformation(user_identity=identity(*words)),
    )
    with pytest.raises(
        ConfigurationError, match="Association Request Failed: 0006:0103 Total length"
    ):
        check_length(request)


@pytest.mark.parametrize(
    ("words", "level"),
    [(["--jwt", "absent"], "E"), (["--jwt", "long"], "F"), (["-usr", "joe", "-aec", ""], "F")],
)
def test_nothing_is_sent_and_one_line_says_why(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    level: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    ct_image(rows=4, columns=4).write(tmp_path / "a.dcm")
    (tmp_path / "long").write_bytes(b"x" * 65500)
    assert main([*words, "127.0.0.1", str(free_port()), "a.dcm"], {}) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"{level}: ")
    assert "Connection refused" not in said


LOADED = """
import sys
from isocenter.cli.main import main
main(["storescu", *sys.argv[1:]])
print(*(name for name in sys.modules if name.endswith(".identity") and ".dataset." not in name))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("words", "loaded"), [([], False), (["-usr", "joe"], True)])
def test_a_run_without_an_identity_loads_nothing_for_it(
    tmp_path: Path, words: list[str], *, loaded: bool
) -> None:
    path = ct_image(rows=4, columns=4).write(tmp_path / "a.dcm")
    tail = ["127.0.0.1", str(free_port()), str(path)]
    done = run([sys.executable, "-c", LOADED, *words, *tail])
    assert "Connection refused" in done.stderr
    assert ("isocenter.cli.identity" in done.stdout.split()) == loaded
    assert ("isocenter.ul.identity" in done.stdout.split()) == loaded

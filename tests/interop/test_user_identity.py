"""User identity of storescu: bytes, lines and exit codes are those of DCMTK's storescu.

PS3.7 D.3.3.7, dcmtk-facts 5.7. The peer is a script that is the same for both.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ScriptedAcceptor, ct_image, raw
from isocenter.testing.peer import first_syntax
from isocenter.testing.reading import parse_associate
from tests.interop.log_lines import bare
from tests.interop.test_differential_wire import Recorder
from tests.interop.wire_records import flow
from tests.support.tools import DCMTK, UNDER_TEST, Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import RawConnection
    from tests.support.processes import Completed
    from tests.support.tools import Suite

pytestmark = [pytest.mark.slow, pytest.mark.peer("dcmtk")]

TOKEN = bytes(range(256)) + b"\r\n"
LONGEST_FOR_BOTH = 65400
"""Bytes of a token that fit beside the names of either implementation."""


class Answering(Recorder):
    """A `Recorder` that answers a user identity with this server response, None for no item."""

    def __init__(self, response: bytes | None) -> None:
        super().__init__()
        self._response = response

    def _accept(self, connection: RawConnection, body: bytes) -> None:
        facts = parse_associate(body)
        results = [(c.context_id, *first_syntax(0, c.transfer_syntaxes)) for c in facts.contexts]
        items = []
        if self._response is not None:
            items.append(raw.item(0x59, struct.pack(">H", len(self._response)) + self._response))
        user = raw.user_information(*items)
        answer = raw.associate_ac(results, called=facts.called, calling=facts.calling, user=user)
        connection.send(answer)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An object, tokens of several lengths, and command files."""
    folder = tmp_path_factory.mktemp("identity")
    ct_image(rows=4, columns=4, sop_instance_uid="2.25.1").write(folder / "a.dcm")
    (folder / "token").write_bytes(TOKEN)
    (folder / "long").write_bytes(b"t" * LONGEST_FOR_BOTH)
    (folder / "longer").write_bytes(b"t" * 65530)
    (folder / "too-long").write_bytes(b"t" * 65536)
    (folder / "empty").write_bytes(b"")
    (folder / "words").write_text("-usr 'joe doe'\n-pwd \"a 'b'\" -rsp")
    (folder / "directory").mkdir()
    return folder


def _run(
    suite: Suite, folder: Path, words: tuple[str, ...], response: bytes | None = None
) -> tuple[Completed, list[str]]:
    recorder = Answering(response)
    with ScriptedAcceptor(recorder) as acceptor:
        done = suite.run("storescu", *words, "127.0.0.1", str(acceptor.port), "a.dcm", cwd=folder)
    return done, flow(recorder.pdus)


def _lines(done: Completed, kinds: str = "EF") -> list[str]:
    return [line.rstrip() for line in done.stderr.splitlines() if line[:1] in kinds]


SENT: list[tuple[str, ...]] = [
    ("-usr", "joe"),
    ("-usr", ""),
    ("-usr", "joe", "-rsp"),
    ("-usr", "joe", "-pwd", "pass word"),
    ("-usr", "joe", "-pwd", ""),
    ("-usr", "joe", "-epw"),
    ("-usr", "jörg^ß", "-pwd", "päss", "-rsp"),
    ("-epw", "-pwd", "last", "-usr", "joe"),
    ("--user", "first", "--user", "joe", "--empty-password", "--pos-response"),
    ("-kt", "token"),
    ("--kerberos", "token", "-rsp"),
    ("--saml", "token"),
    ("--saml", "token", "-rsp"),
    ("--jwt", "token"),
    ("--jwt", "token", "-rsp"),
    ("--jwt", "long"),
    ("-usr", "joe", "-kt", "token"),
    ("-kt", "token", "-usr", "joe", "--password", "p"),
    ("--jwt", "absent", "--saml", "token"),
    ("@words",),
    ("@words", "--jwt", "token", "-usr", "joe"),
]


@pytest.mark.parametrize("words", SENT, ids=" ".join)
def test_storescu_identifies_with_the_bytes_of_the_oracle(
    folder: Path, words: tuple[str, ...]
) -> None:
    (expected, sent), (found, ours) = (
        _run(suite, folder, ("-R", *words), b"ticket") for suite in (DCMTK, UNDER_TEST)
    )
    assert ours == sent
    assert any(line.startswith("    58 00 ") for line in sent)
    assert (found.code, _lines(found)) == (expected.code, _lines(expected)) == (0, [])


@pytest.mark.parametrize("beside", [(), ("+C",), ("-R", "+C"), ("-R", "-xs", "-aec", "ME")])
def test_an_identity_changes_nothing_else_of_the_request(
    folder: Path, beside: tuple[str, ...]
) -> None:
    words = (*beside, "-usr", "joe", "-pwd", "p")
    (_, expected), (_, found) = (_run(suite, folder, words) for suite in (DCMTK, UNDER_TEST))
    assert found == expected
    _, without = _run(UNDER_TEST, folder, beside)
    item = "    58 00 02 00 00 03 6a 6f 65 00 01 70"
    assert [line for line in found if line != item] == without
    assert len(found) == len(without) + 1


@pytest.mark.parametrize("response", [None, b"", b"x"])
@pytest.mark.parametrize(
    "words",
    [
        ("-usr", "joe"),
        ("-usr", "joe", "-rsp"),
        ("-usr", "joe", "-epw", "-rsp"),
        ("--saml", "token", "-rsp"),
        ("-kt", "token", "-rsp"),
        ("--jwt", "token", "-rsp"),
    ],
    ids=" ".join,
)
def test_storescu_takes_answers_and_silence_as_the_oracle_does(
    folder: Path, words: tuple[str, ...], response: bytes | None
) -> None:
    (expected, sent), (found, ours) = (
        _run(suite, folder, ("-R", *words), response) for suite in (DCMTK, UNDER_TEST)
    )
    assert (found.code, _lines(found)) == (expected.code, _lines(expected))
    if expected.code:
        assert response is None
        assert ours == [*sent, "07 00 00 00 00"]  # ours aborts, DCMTK's closes the connection
    else:
        assert ours == sent


@pytest.mark.parametrize(
    "words",
    [
        ("--jwt", "absent"),
        ("--saml", ""),
        ("-kt", "a.dcm/below"),
        ("--jwt", "empty"),
        ("-q", "--jwt", "empty"),
        ("-usr", "joe", "--saml", "absent", "-v"),
    ],
    ids=" ".join,
)
def test_storescu_fails_over_an_identity_as_the_oracle_does(
    folder: Path, words: tuple[str, ...]
) -> None:
    (expected, sent), (found, ours) = (
        _run(suite, folder, ("-R", *words)) for suite in (DCMTK, UNDER_TEST)
    )
    assert (found.code, bare(_lines(found))) == (expected.code, _lines(expected))
    assert (expected.code, sent, ours) == (1, [], [])


@pytest.mark.parametrize("name", ["longer", "too-long"])
def test_a_token_without_room_in_the_request_is_not_sent_by_either(folder: Path, name: str) -> None:
    """The number depends on the names of the implementation."""
    (expected, sent), (found, ours) = (
        _run(suite, folder, ("-v", "-R", "--jwt", name)) for suite in (DCMTK, UNDER_TEST)
    )
    assert (found.code, expected.code, sent, ours) == (1, 1, [], [])
    for done in (found, expected):
        (line,) = (line for line in _lines(done) if line.startswith("F: "))
        assert line.startswith("F: Association Request Failed: 0006:0103 Total length of user ")
        assert line.endswith(" bytes) exceeds upper limit of 65535 bytes")
        is_cut = any("is larger than 65535 bytes, bytes after" in x for x in _lines(done, "I"))
        assert is_cut == (name == "too-long")


def test_a_directory_is_no_token_for_either(folder: Path) -> None:
    said = []
    for suite in (DCMTK, UNDER_TEST):
        done, sent = _run(suite, folder, ("--jwt", "directory"))
        assert (done.code, sent) == (1, [])
        said.append(_lines(done))
    if UNDER_TEST.is_ours:
        assert said == [
            ["E: Unable to read Kerberos, SAML or JWT info from file: File empty?"],
            ["E: Unable to open Kerberos, SAML or JWT file: Is a directory (directory)"],
        ]


@pytest.mark.parametrize(
    "words",
    [
        ("-usr", "joe"),
        ("-usr", "joe", "-pwd", "pass"),
        ("--jwt", "token"),
        ("-kt", "token", "-rsp"),
    ],
    ids=" ".join,
)
def test_dumps_show_of_an_identity_what_those_of_the_oracle_show(
    folder: Path, words: tuple[str, ...]
) -> None:
    dumps = []
    for suite in (DCMTK, UNDER_TEST):
        done, _ = _run(suite, folder, ("-d", "-R", *words), b"ticket")
        lines = [line.rstrip() for line in done.stderr.splitlines()]
        begins = [n for n, line in enumerate(lines) if line.startswith("D: Requested User Id")]
        ends = [n for n, line in enumerate(lines) if "END A-ASSOCIATE" in line]
        assert (len(begins), len(ends)) == (2, 2)
        dumps.append([lines[a:b] for a, b in zip(begins, ends, strict=True)])
    expected, found = dumps
    if "-pwd" in words and UNDER_TEST.is_ours:
        shown, hidden = "D:   Password: [pass]", "D:   Password (not dumped) length: 4"
        expected = [[hidden if line == shown else line for line in dump] for dump in expected]
    assert found == expected


@pytest.mark.parametrize("receiver", [DCMTK, UNDER_TEST], ids=["oracle", "ours"])
def test_receivers_look_at_no_identity(folder: Path, tmp_path: Path, receiver: Suite) -> None:
    with Receiver(receiver, tmp_path / "received") as running:
        for suite in (DCMTK, UNDER_TEST):
            tail = ("127.0.0.1", str(running.port), "a.dcm")
            words = ("-R", "-usr", "joe", "-pwd", "p")
            assert suite.run("storescu", *words, *tail, cwd=folder).code == 0
            assert suite.run("storescu", *words, "-rsp", *tail, cwd=folder).code == 1
            assert suite.run("storescu", "--jwt", "token", "-rsp", *tail, cwd=folder).code == 0

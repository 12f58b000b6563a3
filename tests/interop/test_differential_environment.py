"""DCMDICTPATH, TCP_NODELAY and TCP_BUFFER_LENGTH with DCMTK's tools and ours (dcmtk-facts 1.7)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ScriptedAcceptor, ct_image
from isocenter.testing.datasets import (
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    encode_data_set,
    encode_file_meta,
)
from isocenter.testing.peer import accept, serve_storage
from tests.support import part10
from tests.support.tools import DCMTK, OURS, UNDER_TEST, Receiver

if TYPE_CHECKING:
    from isocenter.testing import RawConnection, RawMessage
    from isocenter.testing.datasets import Element
    from tests.support.tools import Suite

pytestmark = [pytest.mark.slow, pytest.mark.peer("dcmtk")]

DICTIONARY = (
    '(0009,"ACME 1",01)\tSH\tAcmeNumber\t1\tACME\n'
    '(0009,"ACME 1",02-o-04)\tUS\tAcmeWords\t1-n\tACME\n'
    '(0011,"ACME 1",10)\tFD\tAcmeFactor\t1\tACME\n'
)
ELEMENTS: list[Element] = [
    (0x00080016, "UI", CT_IMAGE_STORAGE),
    (0x00080018, "UI", "2.25.3"),
    (0x00090010, "LO", "ACME 1"),
    (0x00091001, "SH", "4711"),
    (0x00091002, "US", 7),
    (0x00091005, "LO", "nobody knows"),
    (0x00110010, "LO", "ACME 1"),
    (0x00111010, "FD", bytes(6) + b"\xe0\x3f"),
    (0x00130010, "LO", "OTHER"),
    (0x00131001, "SH", "4711"),
]


@pytest.fixture
def implicit(tmp_path: Path) -> Path:
    """A file in implicit VR with attributes that only their maker knows."""
    meta = encode_file_meta(CT_IMAGE_STORAGE, "2.25.3", IMPLICIT_LITTLE)
    path = tmp_path / "implicit.dcm"
    path.write_bytes(meta + encode_data_set(ELEMENTS, IMPLICIT_LITTLE))
    return path


def _dictionaries(suite: Suite, own: Path) -> dict[str, str]:
    """Return the environment that names a dictionary beside the usual one.

    For DCMTK it replaces the usual one, so that has to be named as well.
    """
    if suite.is_ours:
        return {"DCMDICTPATH": str(own)}
    usual = sorted(Path("/usr/share").glob("*dcmtk*/dicom.dic"))
    if not usual:
        pytest.skip("DCMTK's dicom.dic is not under /usr/share")
    return {"DCMDICTPATH": f"{usual[0]}:{own}"}


def test_both_tools_convert_private_attributes_by_a_dictionary(
    tmp_path: Path, implicit: Path
) -> None:
    own = tmp_path / "acme.dic"
    own.write_text(DICTIONARY)
    received: dict[str, list[bytes]] = {"sender": [], "receiver": []}
    for suite in (DCMTK, UNDER_TEST):
        env = _dictionaries(suite, own)
        messages: list[RawMessage] = []

        def script(connection: RawConnection, kept: list[RawMessage] = messages) -> None:
            accept(connection, choose=_explicit)
            for _ in serve_storage(connection, received=kept):
                pass

        with ScriptedAcceptor(script) as acceptor:
            words = ("-R", "+C", "127.0.0.1", str(acceptor.port), implicit)
            assert suite.run("storescu", *words, env=env).code == 0
        received["sender"] += [message.data_set for message in messages]
        with Receiver(suite, tmp_path / f"by {suite.name}", "+te", env=env) as receiver:
            words = ("-R", "-xi", "127.0.0.1", str(receiver.port), implicit)
            assert OURS.run("storescu", *words).code == 0
            (name,) = receiver.names
            received["receiver"].append(part10.read(receiver.directory / name).data_set)
    for theirs, ours in received.values():
        assert ours == theirs
        assert b"\x09\0\x01\x10SH" in ours
        assert b"\x11\0\x10\x10FD" in ours
        assert b"\x13\0\x01\x10UN" in ours


def _explicit(_: int, syntaxes: tuple[str, ...]) -> tuple[int, str]:
    return 0, EXPLICIT_LITTLE if EXPLICIT_LITTLE in syntaxes else syntaxes[0]


@pytest.mark.parametrize("tool", ["storescu", "storescp"])
def test_a_dictionary_that_is_not_there_is_told_by_both_and_ends_ours(
    tmp_path: Path, tool: str
) -> None:
    """The oracle goes on without any dictionary; ours does not start (docs/deviations.md)."""
    image = ct_image(rows=4, columns=4).write(tmp_path / "a.dcm")
    words = ["127.0.0.1", "1", image] if tool == "storescu" else ["-od", "absent", "50104"]
    env = {"DCMDICTPATH": "/nonexistent/dictionary"}
    theirs, ours = (suite.run(tool, *words, env=env, cwd=tmp_path) for suite in (DCMTK, UNDER_TEST))
    warning = "W: no data dictionary loaded, check environment variable: DCMDICTPATH"
    assert warning in theirs.lines
    if UNDER_TEST.is_ours and tool == "storescu":
        assert ours.code == 1
        (line,) = ours.lines
        assert line.startswith("F: data dictionary /nonexistent/dictionary: ")


def _seconds(suite: Suite, folder: Path, env: dict[str, str], count: int) -> float:
    """Return how long a tool takes to send a small object many times to a prompt peer."""
    image = ct_image(rows=4, columns=4).write(folder / "small.dcm")

    def script(connection: RawConnection) -> None:
        accept(connection)
        for _ in serve_storage(connection):
            pass

    with ScriptedAcceptor(script) as acceptor:
        words = ("-R", "--repeat", str(count), "127.0.0.1", str(acceptor.port), image)
        start = time.monotonic()
        assert suite.run("storescu", *words, env=env).code == 0
        return time.monotonic() - start


def test_nagles_algorithm_is_off_in_ours_and_as_the_environment_says_in_the_oracle(
    tmp_path: Path,
) -> None:
    """With it each object waits 40 ms for an acknowledgement; 50 of them take two seconds."""
    assert _seconds(DCMTK, tmp_path, {"TCP_NODELAY": "0"}, 50) > 1.5
    assert _seconds(DCMTK, tmp_path, {"TCP_NODELAY": "1"}, 50) < 1.5
    if UNDER_TEST.is_ours:
        assert _seconds(OURS, tmp_path, {"TCP_NODELAY": ""}, 50) < 1.5


@pytest.mark.parametrize("length", ["4096", "1048576"])
def test_a_buffer_length_of_the_environment_is_borne_by_both(tmp_path: Path, length: str) -> None:
    env = {"TCP_BUFFER_LENGTH": length}
    image = ct_image(rows=200, columns=200, sop_instance_uid="2.25.4").write(tmp_path / "a.dcm")
    for suite in (DCMTK, UNDER_TEST):
        with Receiver(suite, tmp_path / suite.name, "+B", env=env) as receiver:
            done = suite.run("storescu", "-R", "127.0.0.1", str(receiver.port), image, env=env)
            assert done.code == 0
            (name,) = receiver.names
            written = part10.read(receiver.directory / name)
            assert written.data_set == part10.read(image).data_set

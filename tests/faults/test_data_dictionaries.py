"""DCMDICTPATH: what the tools make of private attributes, and of files that are no dictionaries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ct_image
from isocenter.testing.datasets import (
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    encode_data_set,
    encode_file_meta,
)
from tests.support import part10
from tests.support.ports import free_port
from tests.support.tools import OURS, Receiver

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

DICTIONARY = '(0009,"ACME 1",01)\tSH\tAcmeNumber\t1\tACME\n'
PRIVATE = b"\x09\x00\x01\x10"


@pytest.fixture
def implicit(tmp_path: Path) -> Path:
    """A file in implicit VR with an attribute that only its maker knows."""
    data_set = encode_data_set(
        [
            (0x00080016, "UI", CT_IMAGE_STORAGE),
            (0x00080018, "UI", "1.2.3"),
            (0x00090010, "LO", "ACME 1"),
            (0x00091001, "SH", "4711"),
        ],
        IMPLICIT_LITTLE,
    )
    meta = encode_file_meta(CT_IMAGE_STORAGE, "1.2.3", IMPLICIT_LITTLE)
    path = tmp_path / "implicit.dcm"
    path.write_bytes(meta + data_set)
    return path


@pytest.mark.parametrize(("named", "vr"), [(True, b"SH"), (False, b"UN")])
def test_receiver_and_sender_convert_by_it(
    tmp_path: Path, implicit: Path, *, named: bool, vr: bytes
) -> None:
    dictionary = tmp_path / "acme.dic"
    dictionary.write_text(DICTIONARY)
    env = {"DCMDICTPATH": str(dictionary)} if named else {}
    with Receiver(OURS, tmp_path / "by receiver", "+te", env=env) as receiver:
        port = str(receiver.port)
        sent = OURS.run("storescu", "-xi", "-R", "localhost", port, implicit)
        assert sent.code == 0, sent.stderr
        (name,) = receiver.names
        written = part10.read(receiver.directory / name)
    assert written.transfer_syntax == EXPLICIT_LITTLE
    assert PRIVATE + vr in written.data_set
    with Receiver(OURS, tmp_path / "by sender", "+xe") as receiver:
        port = str(receiver.port)
        sent = OURS.run("storescu", "-xe", "-R", "localhost", port, implicit, env=env)
        assert sent.code == 0, sent.stderr
        (name,) = receiver.names
        assert PRIVATE + vr in part10.read(receiver.directory / name).data_set


@pytest.mark.parametrize("tool", ["storescp", "storescu"])
def test_file_that_is_none_ends_the_start_with_its_place(tmp_path: Path, tool: str) -> None:
    dictionary = tmp_path / "broken.dic"
    dictionary.write_text("(0009,0010\tLO\tx\n")
    image = ct_image(rows=4, columns=4).write(tmp_path / "a.dcm")
    port = str(free_port())
    arguments = [port] if tool == "storescp" else ["localhost", port, str(image)]
    ended = OURS.run(tool, *arguments, env={"DCMDICTPATH": str(dictionary)})
    assert ended.code == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"F: data dictionary {dictionary}: line 1: ")

"""UIDs and AE titles that want to be paths or commands: nothing leaves the output directory."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import RawMessage, ScriptedRequestor, ct_image, raw
from tests.faults.conftest import CONTEXTS, ECHO_CONTEXT, STORE_CONTEXT
from tests.support import part10
from tests.support.tools import UNDER_TEST, Receiver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

KEPT = re.compile(r"[A-Za-z0-9 .:@_-]+")
"""What a file name may consist of (dcmtk-facts 3.6)."""

HOSTILE = {
    "dots": "..",
    "one dot": ".",
    "parent": "../escaped",
    "many parents": "../" * 40 + "tmp/escaped",
    "absolute": "/tmp/isocenter-escaped",
    "inner slash": "1.2/../../escaped",
    "trailing slash": "1.2.3/",
    "backslashes": "..\\..\\escaped",
    "NUL": "1.2.3\0/../../escaped",
    "NUL first": "\0../escaped",
    "newline": "1.2\n3",
    "terminal escape": "1.2.\x1b[2J\x07",
    "command substitution": "$(touch escaped)`touch escaped`",
    "separator": "1;touch escaped&touch escaped|touch escaped",
    "quotes": "1'\"; touch escaped; '\"",
    "glob": "*?[a-z]~",
    "option": "-rf",
    "per cent": "%s%n%x{0}{}",
    "Latin-1": "\xe4\xf6\xfc\xff\xfe",
    "empty": "",
    "blanks": "    ",
    "300 digits": "1." + "2" * 300,
    "10 000 digits": "1." + "3" * 9_998,
    "10 000 slashes": "/" * 10_000,
    "10 000 parents": "../" * 3_333,
}


@pytest.fixture
def fenced(tmp_path: Path) -> Iterator[tuple[Receiver, Path]]:
    """A receiver whose output directory lies beside a working directory of its own."""
    options = ("+B", "-v") if UNDER_TEST.is_ours else ("+B", "-v", "--fork")
    with Receiver(UNDER_TEST, tmp_path / "root" / "inner" / "out", *options) as running:
        yield running, tmp_path / "root"


def _outside(root: Path, out: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and out not in path.parents]


def _check_fence(receiver: Receiver, root: Path) -> None:
    assert receiver.process.running
    assert _outside(root, receiver.directory) == []
    assert not os.path.lexists("/tmp/isocenter-escaped")
    assert not os.path.lexists("/tmp/escaped")
    assert not os.path.lexists("escaped")
    assert [path for path in receiver.directory.rglob("*") if path.is_dir()] == []
    for name in receiver.names:
        assert KEPT.fullmatch(name), name
        assert len(name) <= 255
    if UNDER_TEST.is_ours:
        assert "Traceback" not in receiver.log
        # What a peer sends must not steer the terminal that shows the log.
        assert not set("\x1b\x07\0") & set(receiver.log)


def test_receiver_keeps_hostile_sop_instance_uids_inside_its_directory(
    fenced: tuple[Receiver, Path],
) -> None:
    receiver, root = fenced
    with ScriptedRequestor(receiver.port) as bystander:
        bystander.associate(CONTEXTS)
        for number, (what, uid) in enumerate(HOSTILE.items()):
            before = set(receiver.names)
            image = ct_image(rows=4, columns=4, seed=number)
            with ScriptedRequestor(receiver.port) as connection:
                connection.associate(CONTEXTS)
                command = raw.c_store_rq(1, image.sop_class_uid, uid)
                connection.send(raw.message(STORE_CONTEXT, command, image.data_set))
                answer = connection.receive_message(timeout=10)
            _check_fence(receiver, root)
            if isinstance(answer, RawMessage) and answer.number(0x0900) == 0:
                # What is confirmed is there, whole, under some name.
                new = [name for name in receiver.names if name not in before] or receiver.names
                kept = [part10.read(receiver.directory / name).data_set for name in new]
                assert image.data_set in kept, what
            assert bystander.echo(ECHO_CONTEXT) == 0
        assert receiver.leftovers == []


def test_receiver_keeps_hostile_sop_class_uids_inside_its_directory(
    fenced: tuple[Receiver, Path],
) -> None:
    receiver, root = fenced
    for number, uid in enumerate(HOSTILE.values()):
        image = ct_image(rows=4, columns=4, seed=number)
        with ScriptedRequestor(receiver.port) as connection:
            connection.associate(CONTEXTS)
            command = raw.c_store_rq(1, uid, image.sop_instance_uid)
            connection.send(raw.message(STORE_CONTEXT, command, image.data_set))
            connection.receive_message(timeout=10)
        _check_fence(receiver, root)
    assert receiver.leftovers == []


def test_receiver_survives_hostile_abstract_syntaxes_and_titles(
    fenced: tuple[Receiver, Path],
) -> None:
    receiver, root = fenced
    for uid in HOSTILE.values():
        hostile = raw.Context(5, uid[:4000], (uid[:4000],))
        with ScriptedRequestor(receiver.port) as connection:
            title = uid.encode("latin-1")[:16].ljust(16)
            connection.send(raw.associate_rq((*CONTEXTS, hostile), called=title, calling=title))
            if UNDER_TEST.is_ours:
                answer = connection.receive(timeout=10)
                assert answer.pdu_type in {raw.ASSOCIATE_AC, raw.ABORT, raw.ASSOCIATE_RJ}
        _check_fence(receiver, root)


def test_receiver_writes_no_file_in_its_place_when_a_name_is_taken_by_a_link(
    fenced: tuple[Receiver, Path],
) -> None:
    """A symbolic link under the final name is replaced, not followed."""
    if not UNDER_TEST.is_ours:
        pytest.skip("DCMTK's tool opens the final name and follows it")
    receiver, root = fenced
    image = ct_image(rows=4, columns=4)
    victim = root / "victim"
    victim.write_bytes(b"keep me")
    (receiver.directory / f"CT.{image.sop_instance_uid}").symlink_to(victim)
    with ScriptedRequestor(receiver.port) as connection:
        connection.associate(CONTEXTS)
        uids = image.sop_class_uid, image.sop_instance_uid
        assert connection.store(STORE_CONTEXT, *uids, image.data_set) == 0
    assert victim.read_bytes() == b"keep me"
    kept = receiver.directory / f"CT.{image.sop_instance_uid}"
    assert not kept.is_symlink()
    assert part10.read(kept).data_set == image.data_set

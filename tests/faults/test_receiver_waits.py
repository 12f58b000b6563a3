"""Receivers that pause, peers that stall, a directory that goes: bounded and truly said."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ScriptedRequestor, ct_image, raw
from tests.faults.conftest import CONTEXTS, STORE_CONTEXT
from tests.support.tools import OURS, UNDER_TEST, Receiver

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not UNDER_TEST.is_ours, reason="about our own bounds"),
]


@pytest.mark.parametrize("options", [(), ("--fork",)], ids=str)
def test_receiver_that_pauses_ends_soon_after_the_second_signal(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    image = ct_image()
    with (
        Receiver(OURS, tmp_path / "out", "-v", "--sleep-after", "30", *options) as receiver,
        ScriptedRequestor(receiver.port) as peer,
    ):
        peer.associate(CONTEXTS)
        command = raw.c_store_rq(1, image.sop_class_uid, image.sop_instance_uid)
        peer.send(raw.message(STORE_CONTEXT, command, image.data_set))
        receiver.process.wait_for_line("I: Received Store Request")
        receiver.process.signal(signal.SIGTERM)
        receiver.process.wait_for_line("a second signal aborts")
        receiver.process.signal(signal.SIGTERM)
        receiver.process.wait(timeout=15)


def test_receiver_ends_an_object_that_stalls_for_the_dimse_timeout(tmp_path: Path) -> None:
    image = ct_image(rows=256, columns=256)
    with Receiver(OURS, tmp_path / "out", "-v", "-td", "1") as receiver:
        with ScriptedRequestor(receiver.port) as peer:
            peer.associate(CONTEXTS)
            command = raw.c_store_rq(1, image.sop_class_uid, image.sop_instance_uid)
            message = raw.message(STORE_CONTEXT, command, image.data_set)
            peer.send(message[: len(message) // 2])
            receiver.process.wait_for_line("0006:0207 DIMSE No data available")
        assert receiver.names == []


def test_receiver_says_that_its_directory_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    image = ct_image()
    with Receiver(OURS, folder) as receiver:
        folder.rmdir()
        with ScriptedRequestor(receiver.port) as peer:
            peer.associate(CONTEXTS)
            command = raw.c_store_rq(1, image.sop_class_uid, image.sop_instance_uid)
            peer.send(raw.message(STORE_CONTEXT, command, image.data_set))
            receiver.process.wait_for_line("No such file or directory")


def test_receiver_does_not_claim_to_be_refusing_when_no_context_was_proposed(
    tmp_path: Path,
) -> None:
    with (
        Receiver(OURS, tmp_path / "out", "-v") as receiver,
        ScriptedRequestor(receiver.port) as peer,
    ):
        peer.send(raw.associate_rq(()))
        receiver.process.wait_for_line("I: Association Rejected: No Reason")

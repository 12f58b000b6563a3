"""dcmrecv against what is thrown at storescp: the same tests, with the other tool.

Peers that vanish, fall silent or send anything, hostile UIDs, full disks, kills and stops, many
at a time. What the two do differently has tests of its own at the end.
"""

from __future__ import annotations

import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ScriptedRequestor, ct_image, encode_data_set
from isocenter.testing.datasets import CT_IMAGE_STORAGE
from tests.faults import test_receiver_stops as stops
from tests.faults.conftest import CONTEXTS, ECHO_CONTEXT, STORE_CONTEXT
from tests.faults.test_any_bytes import (
    test_receiver_answers_an_echo_whatever_others_send,
    test_receiver_with_workers_answers_an_echo_whatever_others_send,
)
from tests.faults.test_receiver_ends import (
    test_receiver_answers_beside_many_silent_connections,
    test_receiver_closes_a_connection_that_dribbles_its_request,
    test_receiver_closes_a_connection_that_never_asks_for_an_association,
    test_receiver_echoes_at_once_while_another_association_is_busy,
    test_receiver_forgets_a_peer_that_goes,
    test_receiver_holds_many_idle_associations,
)
from tests.faults.test_receiver_names import (
    HOSTILE,
    fenced,
    test_receiver_keeps_hostile_sop_class_uids_inside_its_directory,
    test_receiver_keeps_hostile_sop_instance_uids_inside_its_directory,
    test_receiver_survives_hostile_abstract_syntaxes_and_titles,
    test_receiver_writes_no_file_in_its_place_when_a_name_is_taken_by_a_link,
)
from tests.faults.test_receiver_stops import (
    test_receiver_asked_to_stop_lets_idle_and_silent_connections_go,
    test_receiver_frees_what_its_peers_leave_behind,
    test_receiver_is_not_reachable_after_its_end,
    test_receiver_keeps_one_whole_object_when_two_peers_send_the_same,
    test_receiver_leaves_what_a_living_one_is_receiving_alone,
    test_receiver_removes_at_its_start_what_nobody_holds_and_nothing_else,
    test_sender_ends_with_167_when_the_disk_of_the_receiver_is_full,
)
from tests.support import part10
from tests.support.filesystems import small_file_system
from tests.support.processes import wait_until
from tests.support.tools import OURS, UNDER_TEST, Receiver
from tests.support.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "fenced",
    "test_receiver_answers_an_echo_whatever_others_send",
    "test_receiver_answers_beside_many_silent_connections",
    "test_receiver_asked_to_stop_lets_idle_and_silent_connections_go",
    "test_receiver_closes_a_connection_that_dribbles_its_request",
    "test_receiver_closes_a_connection_that_never_asks_for_an_association",
    "test_receiver_echoes_at_once_while_another_association_is_busy",
    "test_receiver_forgets_a_peer_that_goes",
    "test_receiver_frees_what_its_peers_leave_behind",
    "test_receiver_holds_many_idle_associations",
    "test_receiver_is_not_reachable_after_its_end",
    "test_receiver_keeps_hostile_sop_class_uids_inside_its_directory",
    "test_receiver_keeps_hostile_sop_instance_uids_inside_its_directory",
    "test_receiver_keeps_one_whole_object_when_two_peers_send_the_same",
    "test_receiver_leaves_what_a_living_one_is_receiving_alone",
    "test_receiver_removes_at_its_start_what_nobody_holds_and_nothing_else",
    "test_receiver_survives_hostile_abstract_syntaxes_and_titles",
    "test_receiver_with_workers_answers_an_echo_whatever_others_send",
    "test_receiver_writes_no_file_in_its_place_when_a_name_is_taken_by_a_link",
    "test_sender_ends_with_167_when_the_disk_of_the_receiver_is_full",
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not UNDER_TEST.is_ours, reason="the original serves one at a time"),
]


@pytest.fixture(scope="module", autouse=True)
def dcmrecv() -> Iterator[None]:
    """Have dcmrecv run in storescp's place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Receiver, "TOOL", "dcmrecv")
        patch.setattr(Receiver, "ALWAYS", ("-xf", "storescp.cfg", "Default"))
        patch.setattr(Watched, "IDLE", "-td")
        patch.setattr(stops, "RECEIVING", "I: Received C-STORE Request")
        yield


MODES = [(), ("--workers", "2")]


@pytest.mark.parametrize("options", MODES, ids=str)
def test_killed_under_load_it_leaves_whole_files(tmp_path: Path, options: tuple[str, ...]) -> None:
    stops.test_receiver_killed_under_load_leaves_whole_files_and_cleans_up_at_the_next_start(
        tmp_path, options
    )


@pytest.mark.parametrize("options", MODES, ids=str)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_asked_to_stop_it_finishes_what_is_being_received(
    tmp_path: Path, options: tuple[str, ...], number: signal.Signals
) -> None:
    stops.test_receiver_asked_to_stop_finishes_what_is_being_received(tmp_path, options, number)


@pytest.mark.parametrize("options", MODES, ids=str)
def test_asked_twice_to_stop_it_aborts_cleanly(tmp_path: Path, options: tuple[str, ...]) -> None:
    stops.test_receiver_asked_twice_to_stop_aborts_cleanly(tmp_path, options)


# --- what it does in its own way ------------------------------------------------------------


def test_a_full_disk_is_told_and_the_next_object_taken(tmp_path: Path) -> None:
    small, large = ct_image(rows=32, columns=32), ct_image(rows=1500, columns=1500)
    with (
        small_file_system(tmp_path / "small", mebibytes=2) as folder,
        Receiver(OURS, folder, "-v") as receiver,
        ScriptedRequestor(receiver.port) as connection,
    ):
        connection.associate(CONTEXTS)
        for _ in range(2):
            uids = large.sop_class_uid, large.sop_instance_uid
            assert connection.store(STORE_CONTEXT, *uids, large.data_set) == 0xA700
            assert receiver.names == []
            assert receiver.leftovers == []
        uids = small.sop_class_uid, small.sop_instance_uid
        assert connection.store(STORE_CONTEXT, *uids, small.data_set) == 0
        assert receiver.names == [f"CT.{small.sop_instance_uid}"]
        assert connection.echo(ECHO_CONTEXT) == 0
        connection.release()
        receiver.process.wait_for_line("E: cannot store received object: ")
        assert "Traceback" not in receiver.log


def test_hostile_dates_stay_inside_the_directory(tmp_path: Path) -> None:
    place = tmp_path / "root" / "inner" / "out"
    with (
        Receiver(OURS, place, "+ssd") as receiver,
        ScriptedRequestor(receiver.port) as connection,
    ):
        connection.associate(CONTEXTS)
        for number, text in enumerate(HOSTILE.values()):
            elements = [
                (0x00080018, "UI", f"2.25.{number}"),
                (0x00080021, "LO", text.encode("latin-1")[:60].decode("latin-1")),
            ]
            data = encode_data_set(elements)
            status = connection.store(STORE_CONTEXT, CT_IMAGE_STORAGE, f"2.25.{number}", data)
            assert status == 0
        connection.release()
        assert len(receiver.names) == len(HOSTILE)
        assert all(name.startswith("undef/") for name in receiver.names)
        files = [path for path in (tmp_path / "root").rglob("*") if path.is_file()]
        assert all(place in path.parents for path in files)


def test_a_link_in_the_place_of_a_folder_is_not_followed(tmp_path: Path) -> None:
    elsewhere, place = tmp_path / "elsewhere", tmp_path / "out"
    elsewhere.mkdir()
    place.mkdir()
    (place / "undef").symlink_to(elsewhere)
    image = ct_image(rows=4, columns=4)
    with (
        Receiver(OURS, place, "+ssd") as receiver,
        ScriptedRequestor(receiver.port) as connection,
    ):
        connection.associate(CONTEXTS)
        uids = image.sop_class_uid, image.sop_instance_uid
        assert connection.store(STORE_CONTEXT, *uids, image.data_set) == 0xA700
        connection.release()
    assert list(elsewhere.rglob("*")) == []


@pytest.mark.parametrize("rows", [4, 400])
def test_a_directory_that_is_gone_is_made_again_and_told(rows: int, tmp_path: Path) -> None:
    image = ct_image(rows=rows, columns=rows)
    with (
        Receiver(OURS, tmp_path / "a" / "b", "--workers", "2") as receiver,
        ScriptedRequestor(receiver.port) as connection,
    ):
        connection.associate(CONTEXTS)
        for _ in range(3):
            shutil.rmtree(tmp_path / "a")
            uids = image.sop_class_uid, image.sop_instance_uid
            assert connection.store(STORE_CONTEXT, *uids, image.data_set) == 0
            assert receiver.names == [f"CT.{image.sop_instance_uid}"]
        receiver.process.wait_for_line(
            "W: the output directory was gone and is made again", count=3
        )
        connection.release()


def test_other_uids_in_a_long_object_are_those_of_its_file(tmp_path: Path) -> None:
    """It is on the disk, with another head, before all of it is there."""
    elements = [
        (0x00080016, "UI", CT_IMAGE_STORAGE),
        (0x00080018, "UI", "2.25.1"),
        (0x0040A160, "UT", "text " * 60_000),
    ]
    data = encode_data_set(elements)
    with (
        Receiver(OURS, tmp_path) as receiver,
        ScriptedRequestor(receiver.port) as connection,
    ):
        connection.associate(CONTEXTS)
        assert connection.store(STORE_CONTEXT, CT_IMAGE_STORAGE, "2.25.2", data) == 0
        connection.release()
        receiver.process.wait_for_line(
            "W: SOP instance UID of the data set, '2.25.1', is not the request's, '2.25.2': kept"
        )
        assert receiver.names == ["CT.2.25.2"]
        assert receiver.leftovers == []
    file = part10.read(tmp_path / "CT.2.25.2")
    assert file.text(0x00020003) == "2.25.1"
    assert file.data_set == data


def test_many_peers_are_served_beside_each_other(tmp_path: Path) -> None:
    """The original serves one at a time."""

    def send(number: int) -> list[int]:
        statuses = []
        with ScriptedRequestor(receiver.port) as connection:
            connection.associate(CONTEXTS)
            for index in range(5):
                image = ct_image(rows=64, columns=64, sop_instance_uid=f"2.25.{number}.{index}")
                uids = image.sop_class_uid, image.sop_instance_uid
                statuses.append(connection.store(STORE_CONTEXT, *uids, image.data_set))
            connection.release()
        return statuses

    with Receiver(OURS, tmp_path, "+ssd", "+fsu") as receiver, ThreadPoolExecutor(8) as pool:
        with ScriptedRequestor(receiver.port), ScriptedRequestor(receiver.port) as idle:
            idle.associate(CONTEXTS)
            assert list(pool.map(send, range(8))) == [[0] * 5] * 8
        wait_until(lambda: len(receiver.names) == 40, timeout=10, what="all objects")

"""storescp with folders, ends of studies and commands, under hostile input and bad luck."""

from __future__ import annotations

import os
import re
import shutil
import signal
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from isocenter.net import workers
from tests.support.processes import child_pids, wait_until
from tests.support.studies import StudyObject, associated, deliver
from tests.support.tools import OURS, Receiver

pytestmark = pytest.mark.slow

WAIT = 15.0
KEPT = re.compile(r"[A-Za-z0-9 .:@_-]+")
"""What the name of a folder or a file may consist of (dcmtk-facts 3.6)."""

HOSTILE = {
    "parent": "..",
    "one dot": ".",
    "path": "../../escaped",
    "absolute": "/tmp/isocenter-escaped",
    "slashes": "/" * 50,
    "10 000 characters": "1." + "3" * 9_998,
    "10 000 parents": "../" * 3_333,
    "control characters": "\x1b[2J\x07\r\n\t\x01",
    "NUL": "1.2\0/../escaped",
    "command": "$(touch escaped)`touch escaped`;touch escaped",
    "temporary": ".isocenter-1-2-3",
    "quotes": "'\"\\",
    "8 bit": "\xe4\xff\x80",
    "blanks": "   ",
    "empty": "",
    "several": "1.2\\..\\..",
}

WORKERS = pytest.mark.skipif(not workers.available(), reason="no processes to serve in")


@pytest.mark.parametrize("option", [("-su", ""), ("-su", "P"), ("-ss", "P"), ("-sp",)], ids="".join)
def test_hostile_studies_and_patients_stay_inside_the_output_directory(
    option: tuple[str, ...], tmp_path: Path
) -> None:
    root = tmp_path / "root"
    folder = root / "inner" / "out"
    refused = {"empty", "blanks"}
    if option == ("-su", ""):
        refused |= {"parent", "one dot"}
    with Receiver(OURS, folder, "-v", "-rns", *option) as receiver:
        for number, (what, value) in enumerate(HOSTILE.items()):
            item = StudyObject(value, f"1.9.{number}", value.encode("latin-1"))
            assert deliver(receiver.port, [item]) == [0xC000 if what in refused else 0], (
                what + receiver.log
            )
        assert deliver(receiver.port, [StudyObject("1.2", "1.9.99")]) == [0]
        assert receiver.process.terminate(timeout=WAIT).code == 0
        assert "Traceback" not in receiver.log
        assert not set("\x1b\x07\0") & set(receiver.log)
    outside = [path for path in root.rglob("*") if path.is_file() and folder not in path.parents]
    assert outside == []
    assert not os.path.lexists("/tmp/isocenter-escaped")
    assert not os.path.lexists("escaped")
    for path in folder.rglob("*"):
        assert KEPT.fullmatch(path.name)
        assert len(path.name) <= 255
    # All but those that were refused, and the stop ended every study.
    assert len(receiver.names) == len(HOSTILE) + 1 - len(refused)
    assert all(Path(name).name.startswith("CT0000") for name in receiver.names)


def test_stop_closes_open_studies(tmp_path: Path) -> None:
    told = tmp_path / "told"
    options = ("-su", "P", "-rns", "-xcs", f"echo #p #a >> {told}")
    with Receiver(OURS, tmp_path / "out", *options) as receiver:
        with associated(receiver.port) as requestor:
            assert StudyObject("1.2", "1.9.1").send(requestor) == 0
            assert receiver.names == ["P_1.2/CT.1.9.1"]
            assert receiver.process.terminate(timeout=WAIT).code == 0
        assert receiver.names == ["P_1.2/CT000001"]
        wait_until(told.exists, timeout=WAIT, what="the command")
        wait_until(lambda: told.read_text().endswith("\n"), timeout=WAIT, what="its words")
    assert told.read_text() == f"{tmp_path}/out/P_1.2 SCRIPTED\n"


@pytest.mark.parametrize("processes", [(), ("--workers", "2"), ("--fork",)], ids="".join)
def test_command_that_hangs_holds_neither_answers_nor_the_stop_up(
    processes: tuple[str, ...], tmp_path: Path
) -> None:
    options = ("-xcr", "sleep 1000", *processes)
    with Receiver(OURS, tmp_path / "out", *options) as receiver:
        items = [StudyObject("1.2", f"1.9.{number}") for number in range(40)]
        assert deliver(receiver.port, items) == [0] * 40
        ended = receiver.process.terminate(timeout=WAIT)
    assert ended.code == 0
    assert "Traceback" not in ended.stderr


def test_command_that_is_waited_for_and_hangs_does_not_hold_the_stop_up(tmp_path: Path) -> None:
    options = ("-xcr", "sleep 1000", "-xs")
    with Receiver(OURS, tmp_path / "out", *options) as receiver:
        with associated(receiver.port) as requestor:
            assert StudyObject("1.2", "1.9.1").send(requestor) == 0
            ended = receiver.process.terminate(timeout=WAIT)
        assert ended.code == 0
        assert "is not waited for any longer" in ended.stderr


def test_commands_that_fail_or_flood_are_nobody_elses_matter(tmp_path: Path) -> None:
    flood = "yes flooding | head -c 3000000; exit 3"
    with Receiver(OURS, tmp_path / "out", "-xcr", flood, "-xs") as receiver:
        items = [StudyObject("1.2", f"1.9.{number}") for number in range(3)]
        assert deliver(receiver.port, items) == [0] * 3
        wait_until(
            lambda: receiver.log.count("ended with exit status 3") == 3,
            timeout=WAIT,
            what="three failures told",
        )
        assert len(receiver.process.stdout) > 8_000_000
        assert receiver.process.terminate(timeout=WAIT).code == 0


@pytest.mark.parametrize("processes", [(), ("--workers", "2"), ("--fork",)], ids="".join)
def test_command_can_be_ended_as_any_program(processes: tuple[str, ...], tmp_path: Path) -> None:
    told = tmp_path / "told"
    options = ("-xcr", f"grep SigIgn /proc/self/status >> {told}", "-xs", *processes)
    with Receiver(OURS, tmp_path / "out", *options) as receiver:
        deliver(receiver.port, [StudyObject("1.2", "1.9.1")])
        wait_until(told.exists, timeout=WAIT, what="the command")
        wait_until(lambda: told.read_text().endswith("\n"), timeout=WAIT, what="its words")
    ignored = int(told.read_text().split()[1], 16)
    for number in (signal.SIGTERM, signal.SIGINT):
        assert not ignored >> (number - 1) & 1


def test_output_directory_that_disappears_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with Receiver(OURS, folder, "-su", "P") as receiver, associated(receiver.port) as requestor:
        assert StudyObject("1.2", "1.9.1").send(requestor) == 0
        shutil.rmtree(folder)
        assert StudyObject("1.2", "1.9.2").send(requestor) in {0xA700, 0xC000}
        folder.mkdir()
        assert StudyObject("1.2", "1.9.3").send(requestor) == 0
        assert receiver.names == ["P_1.2/CT.1.9.3"]


def test_study_folder_that_a_command_moves_away_is_made_again(tmp_path: Path) -> None:
    options = ("-su", "P", "-xcs", f"mv #p {tmp_path}/moved", "-xs")
    with Receiver(OURS, tmp_path / "out", *options) as receiver:
        items = [StudyObject(study, f"1.9.{n}") for n, study in enumerate(("1.2", "1.3", "1.2"))]
        assert deliver(receiver.port, items) == [0, 0, 0]
        # The command for the second study may be running.
        assert receiver.names in (["P_1.2/CT.1.9.2", "P_1.3/CT.1.9.1"], ["P_1.2/CT.1.9.2"])
    assert min(path.name for path in (tmp_path / "moved").rglob("CT*")) == "CT.1.9.0"


def test_two_servers_that_rename_in_one_directory_lose_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    options = ("-su", "P", "-rns", "-tos", "1")
    with (
        Receiver(OURS, folder, *options) as one,
        Receiver(OURS, folder, *options, "--workers", "2") as two,
    ):
        statuses: list[int] = []

        def send(receiver: Receiver, first: int) -> None:
            items = [StudyObject("1.2", f"1.9.{first + 2 * number}") for number in range(60)]
            statuses.extend(deliver(receiver.port, items))

        threads = [
            threading.Thread(target=send, args=(receiver, first))
            for first, receiver in enumerate((one, two))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [0] * 120
        for receiver in (one, two):
            assert receiver.process.terminate(timeout=WAIT).code == 0
        assert len(one.names) == 120
        assert all(name.startswith("P_1.2/CT000") for name in one.names)
        instances = {
            re.findall(rb"1\.9\.\d+", (folder / name).read_bytes())[-1] for name in one.names
        }
        assert len(instances) == 120


@WORKERS
def test_study_of_a_worker_that_is_killed_ends_all_the_same(tmp_path: Path) -> None:
    told = tmp_path / "told"
    options = (
        "-v",
        "-su",
        "P",
        "-rns",
        "-xcs",
        f"echo #p >> {told}",
        "-tos",
        "2",
        "--workers",
        "2",
    )
    with Receiver(OURS, tmp_path / "out", *options) as receiver:
        wait_until(lambda: len(child_pids(receiver.process.pid)) == 2, timeout=WAIT, what="a start")
        with associated(receiver.port) as requestor:
            # Twice, for what comes after a response is done before the next request.
            for _ in range(2):
                assert StudyObject("1.2", "1.9.1").send(requestor) == 0
            pids = child_pids(receiver.process.pid)
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            receiver.process.wait_for_line("ended unexpectedly", count=2, timeout=WAIT)
        wait_until(told.exists, timeout=WAIT, what="the end of the study")
        assert receiver.names == ["P_1.2/CT000001"]
        assert deliver(receiver.port, [StudyObject("1.2", "1.9.2")]) == [0]
        assert receiver.process.terminate(timeout=WAIT).code == 0
        assert receiver.names == ["P_1.2/CT000001", "P_1.2/CT000002"]
        assert "Traceback" not in receiver.log


@WORKERS
def test_workers_put_a_study_of_several_associations_into_one_folder(tmp_path: Path) -> None:
    options = ("-v", "-ss", "P", "--workers", "3", "-rns")
    with Receiver(OURS, tmp_path / "out", *options) as receiver, ExitStack() as stack:
        senders = [stack.enter_context(associated(receiver.port)) for _ in range(6)]
        for number, sender in enumerate(senders * 5):
            assert StudyObject("1.2", f"1.9.{number}").send(sender) == 0
        assert len({Path(name).parent for name in receiver.names}) == 1
        for sender in senders:
            sender.release()
        assert receiver.process.terminate(timeout=WAIT).code == 0
        assert sorted(Path(name).name for name in receiver.names) == [
            f"CT{number:06d}" for number in range(1, 31)
        ]
        assert receiver.log.count("created new subdirectory") == 1


@WORKERS
def test_thousands_of_names_pass_between_workers_at_the_end(tmp_path: Path) -> None:
    options = ("-su", "P", "--workers", "2", "-rns", "-tn", "-fe", "x" * 80)
    with Receiver(OURS, tmp_path / "out", *options) as receiver:
        items = [StudyObject("1.2", f"1.9.{number}") for number in range(300)]
        assert deliver(receiver.port, items) == [0] * 300
        assert receiver.process.terminate(timeout=WAIT).code == 0
        assert receiver.names == [f"P_1.2/CT{number:06d}" for number in range(1, 301)]


def test_study_of_an_object_that_takes_long_to_arrive_does_not_time_out(tmp_path: Path) -> None:
    from isocenter.testing import raw
    from isocenter.testing.datasets import CT_IMAGE_STORAGE
    from tests.support.studies import STORE_CONTEXT

    with (
        Receiver(OURS, tmp_path / "out", "-su", "P", "-rns", "-tos", "1") as receiver,
        associated(receiver.port) as requestor,
    ):
        slow = StudyObject("1.2", "1.9.2", b"x" * 400)
        command = raw.c_store_rq(2, CT_IMAGE_STORAGE, slow.instance)
        message = raw.message(STORE_CONTEXT, command, slow.data_set, maximum_length=40)
        step = -(-len(message) // 15)  # some 2.3 seconds in all
        assert StudyObject("1.2", "1.9.1").send(requestor) == 0
        for start in range(0, len(message), step):
            requestor.send(message[start : start + step])
            threading.Event().wait(0.15)
        assert requestor.expect_response(0x8001).number(0x0900) == 0
        assert receiver.names == ["P_1.2/CT.1.9.1", "P_1.2/CT.1.9.2"]
        wait_until(
            lambda: receiver.names == ["P_1.2/CT000001", "P_1.2/CT000002"],
            timeout=WAIT,
            what="the end of the study",
        )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("-xcr", "echo #p"), "output directory"),
        (("-xcs", "echo #p", "-su", "P"), "output directory"),
        (("-xcr", "echo #f", "-fe", ";x"), "file name extension"),
        (("-su", "a/b"), "cannot be part of a folder's name"),
        (("--exec-argv", "-xcr", "'x"), "No closing quotation"),
        (("--exec-argv", "-xcr", "#p/x"), "cannot hold a placeholder"),
    ],
)
def test_what_cannot_be_used_is_refused_at_the_start(
    options: tuple[str, ...], reason: str, tmp_path: Path
) -> None:
    folder = tmp_path / "$(id)"
    folder.mkdir()
    ended = OURS.run("storescp", *options, "-od", folder, "65535")
    assert ended.code == 1
    assert ended.stderr.startswith("F: ")
    assert reason in ended.stderr


def test_directory_with_odd_characters_is_taken_where_no_shell_sees_it(tmp_path: Path) -> None:
    folder = tmp_path / "$(id) ;"
    told = tmp_path / "told"
    options = ("--exec-argv", "-xcr", f"cp '#p/#f' {told}", "-xs", "-su", "P Q")
    with Receiver(OURS, folder, *options) as receiver:
        item = StudyObject("1.2", "1.9.1")
        assert deliver(receiver.port, [item]) == [0]
        wait_until(told.exists, timeout=WAIT, what="the command")
        wait_until(lambda: item.instance.encode() in told.read_bytes(), timeout=WAIT, what="a copy")
        assert receiver.names == ["P Q_1.2/CT.1.9.1"]


def test_both_of_two_objects_with_one_name_are_numbered_and_told(tmp_path: Path) -> None:
    told = tmp_path / "told"
    options = ("-su", "P", "-rns", "-xcr", f"echo '#f' >> {told}", "-xs")
    with Receiver(OURS, tmp_path / "out", *options, "--on-duplicate", "keep-both") as receiver:
        items = [StudyObject("1.2", "1.9.1", patient) for patient in (b"A", b"B")]
        assert deliver(receiver.port, items) == [0, 0]
        assert receiver.process.terminate(timeout=WAIT).code == 0
        assert receiver.names == ["P_1.2/CT000001", "P_1.2/CT000002"]
    assert told.read_text() == "CT.1.9.1\nCT.1.9.1_1\n"


class Torn(StudyObject):
    """One that ends within its first element."""

    @property
    def data_set(self) -> bytes:
        return super().data_set[:10]


def test_data_set_that_cannot_be_read_is_kept_outside_of_studies(tmp_path: Path) -> None:
    with Receiver(OURS, tmp_path / "out", "-v", "-su", "P", "-rns") as receiver:
        assert deliver(receiver.port, [Torn("1.2", "1.9.1")]) == [0]
        assert receiver.process.terminate(timeout=WAIT).code == 0
        assert "cannot be read" in receiver.log
        assert receiver.names == ["CT.1.9.1"]

"""Objects get the folders of their studies; a study that ended is dealt with once."""

from __future__ import annotations

import logging
import shutil
import threading
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import StorageRefused
from isocenter.node.desk import LocalDesk
from isocenter.node.endings import StudyFinisher
from isocenter.node.studies import Studies, StudyTimer
from isocenter.storage.folders import FolderNamer, OutputFolders
from isocenter.storage.hooks import HookCommand, HookRunner
from isocenter.storage.placing import Origin
from isocenter.storage.spool import Spool
from isocenter.storage.study import StudyEnded, StudyTracker
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from isocenter.node.desk import Ending

WAIT = 10.0
ORIGIN = Origin(7, "CALLING", "CALLED", "10.0.0.1")


def values(study: str, patient: str = "Doe^Jane") -> dict[int, bytes]:
    return {0x0020000D: study.encode(), 0x00100010: patient.encode(), 0x00080005: b""}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.fixture
def spool(out: Path) -> Iterator[Spool]:
    with Spool(str(out)) as opened:
        yield opened


class Noting:
    """A finisher that notes what it was given; fails for studies called bad."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def finish(self, study: StudyEnded) -> None:
        self.done.append(study.study_uid)
        if study.study_uid == "bad":
            raise RuntimeError("no")


def sorting(
    spool: Spool, namer: FolderNamer | None = None, *, timeout: float | None = None
) -> tuple[Studies, Noting]:
    noting = Noting()
    desk = LocalDesk(StudyTracker(timeout=timeout, keep_files=True), has_timeout=bool(timeout))
    studies = Studies(
        namer or FolderNamer("study-uid", "P"),
        OutputFolders(spool),
        desk,
        noting,  # type: ignore[arg-type]  # only `finish` is used
    )
    return studies, noting


def test_folder_is_made_and_told_where_a_study_begins(
    spool: Spool, out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "isocenter")
    studies, _ = sorting(spool)
    placement = studies.place(values("1.2"), ORIGIN)
    assert placement.folder == "P_1.2"
    assert (out / "P_1.2").is_dir()
    studies.stored(placement.ticket, "CT.1")
    studies.stored(studies.place(values("1.2"), ORIGIN).ticket, "CT.2")
    studies.association_ended(ORIGIN.association)
    studies.place(values("1.3"), ORIGIN._replace(association=8))
    studies.place(values("1.2"), ORIGIN._replace(association=9))
    assert [record.getMessage() for record in caplog.records] == [
        f"created new subdirectory for study: {out}/P_1.2",
        f"created new subdirectory for study: {out}/P_1.3",
        f"using existing subdirectory for study: {out}/P_1.2",
    ]


def test_warning_is_told_once_for_a_study_uid_and_always_for_a_patient(
    spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    studies, _ = sorting(spool)
    for _ in range(2):
        studies.place(values("1/2"), ORIGIN)
    assert caplog.text.count("Sanitized unusual characters") == 1
    studies, _ = sorting(spool, FolderNamer("patient-name"))
    for _ in range(2):
        studies.place(values("1.2", ""), ORIGIN)
    assert caplog.text.count("using 'ANONYMOUS' instead") == 2


def test_object_without_a_study_has_no_place(spool: Spool, out: Path) -> None:
    studies, _ = sorting(spool)
    with pytest.raises(StorageRefused, match="StudyInstanceUID"):
        studies.place({}, ORIGIN)
    assert list(out.iterdir()) == []


def test_study_is_not_held_open_by_an_object_whose_folder_cannot_be_made(
    spool: Spool, out: Path
) -> None:
    studies, noting = sorting(spool)
    (out / "P_1.2").touch()
    with pytest.raises(StorageRefused, match="could not create subdirectory"):
        studies.place(values("1.2"), ORIGIN)
    studies.place(values("1.3"), ORIGIN)
    studies.finish_due()
    assert noting.done == ["1.2"]


def test_study_is_dealt_with_after_the_object_that_ended_it_was_stored(spool: Spool) -> None:
    studies, noting = sorting(spool)
    studies.stored(studies.place(values("1.2"), ORIGIN).ticket, "CT.1")
    placement = studies.place(values("1.3"), ORIGIN)
    assert noting.done == []
    studies.stored(placement.ticket, "CT.2")
    studies.finish_due()
    studies.finish_due()
    assert noting.done == ["1.2"]


def test_end_that_fails_does_not_keep_others_back(
    spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    studies, noting = sorting(spool)
    for study in ("bad", "1.3", "1.4"):
        studies.stored(studies.place(values(study), ORIGIN).ticket, "CT.1")
    studies.finish_due()
    assert noting.done == ["bad", "1.3"]
    assert "the end of study in P_bad failed" in caplog.text


def test_folder_that_was_removed_is_made_again(spool: Spool, out: Path) -> None:
    studies, _ = sorting(spool)
    studies.place(values("1.2"), ORIGIN)
    (out / "P_1.2").rmdir()
    studies.restore("P_1.2")
    assert (out / "P_1.2").is_dir()


def test_studies_time_out_without_another_object(spool: Spool) -> None:
    studies, noting = sorting(spool, timeout=0.2)
    for number in range(2):
        association = ORIGIN._replace(association=number)
        studies.stored(studies.place(values(f"1.{number}"), association).ticket, "CT.1")
    wait_until(lambda: len(noting.done) == 2, timeout=WAIT, what="two ends")
    # The thread waits again, for the next one.
    studies.stored(studies.place(values("1.9"), ORIGIN).ticket, "CT.1")
    wait_until(lambda: len(noting.done) == 3, timeout=WAIT, what="a third end")
    studies.close()
    assert sorted(noting.done) == ["1.0", "1.1", "1.9"]


def test_closing_deals_with_every_open_study_once(spool: Spool) -> None:
    studies, noting = sorting(spool, timeout=60.0)
    studies.stored(studies.place(values("1.2"), ORIGIN).ticket, "CT.1")
    studies.stored(studies.place(values("1.3"), ORIGIN._replace(association=8)).ticket, "CT.2")
    studies.close()
    studies.close()
    assert sorted(noting.done) == ["1.2", "1.3"]


def test_stop_waits_for_an_end_that_another_thread_deals_with(spool: Spool) -> None:
    begun, go_on = threading.Event(), threading.Event()
    studies, noting = sorting(spool, timeout=0.1)

    def finish(study: StudyEnded) -> None:
        begun.set()
        assert go_on.wait(WAIT)
        noting.done.append(study.study_uid)

    noting.finish = finish  # type: ignore[method-assign]  # one that takes long
    studies.stored(studies.place(values("1.2"), ORIGIN).ticket, "CT.1")
    assert begun.wait(WAIT)
    closing = threading.Thread(target=studies.close)
    closing.start()
    closing.join(0.1)
    assert closing.is_alive()
    go_on.set()
    closing.join(WAIT)
    assert noting.done == ["1.2"]


def test_end_that_takes_long_does_not_keep_others_from_timing_out(spool: Spool) -> None:
    go_on = threading.Event()
    studies, noting = sorting(spool, timeout=0.1)

    def finish(study: StudyEnded) -> None:
        assert study.study_uid != "slow" or go_on.wait(WAIT)
        noting.done.append(study.study_uid)

    noting.finish = finish  # type: ignore[method-assign]  # one that takes long for a study
    studies.stored(studies.place(values("slow"), ORIGIN).ticket, "CT.1")
    wait_until(lambda: not studies._desk.left(), timeout=WAIT, what="the timeout")
    other = ORIGIN._replace(association=8)
    studies.stored(studies.place(values("quick"), other).ticket, "CT.1")
    wait_until(lambda: noting.done == ["quick"], timeout=WAIT, what="the other end")
    go_on.set()
    studies.close()
    assert noting.done == ["quick", "slow"]


def test_sign_of_an_object_on_its_way_is_for_associations_that_sent_one(spool: Spool) -> None:
    studies, noting = sorting(spool, timeout=60.0)
    studies.touch(7)
    studies.association_ended(7)
    studies.place(values("1.2"), ORIGIN)
    studies.touch(7)
    studies.close()
    assert noting.done == ["1.2"]


def test_there_is_no_thread_before_the_first_object(spool: Spool) -> None:
    before = threading.active_count()
    studies, _ = sorting(spool, timeout=60.0)
    assert threading.active_count() == before
    studies.place(values("1.2"), ORIGIN)
    studies.close()


def test_timer_closed_before_it_began_starts_no_thread() -> None:
    class Silent:
        def left(self) -> float | None:
            return None

    before = threading.active_count()
    timer = StudyTimer(Silent(), lambda: None)  # type: ignore[arg-type]  # only `left` is used
    timer.close()
    timer.nudge()
    assert threading.active_count() == before


# ------------------------------------------------------------------ what an end means

STUDY = StudyEnded("1.2", "P_1.2", ("CT.1", "CT.2"), 0, "stop", "CALLING", "CALLED", "10.0.0.1")


def _write(out: Path, *names: str) -> Path:
    folder = out / STUDY.folder
    folder.mkdir()
    for name in names:
        (folder / name).write_text(name)
    return folder


def test_files_are_numbered_before_the_command_is_told(spool: Spool, out: Path) -> None:
    folder = _write(out, "CT.1", "CT.2")
    runner = HookRunner(wait=True)
    command = HookCommand(
        "ls #p > #p/list; echo #p '#f' #a #c #r > #p/told", option="-xcs", end_of_study=True
    )
    finisher = StudyFinisher(spool, OutputFolders(spool), runner, rename=True, command=command)
    finisher.finish(STUDY)
    assert (folder / "CT000002").read_text() == "CT.2"
    assert (folder / "list").read_text() == "CT000001\nCT000002\nlist\n"
    assert (folder / "told").read_text() == f"{folder} #f CALLING CALLED 10.0.0.1\n"
    runner.close()


def test_command_runs_also_where_nothing_can_be_renamed(
    spool: Spool, out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runner = HookRunner(wait=True)
    command = HookCommand(f"touch {out}/ran", option="-xcs", end_of_study=True)
    finisher = StudyFinisher(spool, OutputFolders(spool), runner, rename=True, command=command)
    finisher.finish(STUDY)
    assert f"cannot rename the files of {out}/P_1.2: the folder is gone" in caplog.text
    assert (out / "ran").exists()
    assert not (out / "P_1.2").exists()
    (out / "P_1.2").symlink_to(out)
    finisher.finish(STUDY)
    assert "cannot rename the files of" in caplog.records[-1].getMessage()
    runner.close()


def test_files_that_keep_their_names_are_told(
    spool: Spool, out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = _write(out, "CT.1")
    finisher = StudyFinisher(spool, OutputFolders(spool), None, rename=True)
    finisher.finish(STUDY._replace(untracked=3))
    assert [record.getMessage() for record in caplog.records] == [
        f"cannot rename file '{folder}/CT.2' to '{folder}/CT000002'",
        f"3 files in {folder} keep their names: more than are remembered",
    ]


def test_new_names_are_forced_onto_the_disk_where_durable(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    with Spool(str(out), durable=True) as spool:
        _write(out, "CT.1")
        monkeypatch.setattr(Spool, "sync_folder", lambda _, folder: synced.extend(folder.names))
        StudyFinisher(spool, OutputFolders(spool), None, rename=True).finish(STUDY)
    assert synced == ["P_1.2"]


def test_output_directory_that_is_gone_ends_nobody(spool: Spool, out: Path) -> None:
    studies, noting = sorting(spool)
    studies.stored(studies.place(values("1.2"), ORIGIN).ticket, "CT.1")
    shutil.rmtree(out)
    with pytest.raises(StorageRefused):
        studies.place(values("1.3"), ORIGIN)
    out.mkdir()
    studies.place(values("1.3"), ORIGIN)
    studies.finish_due()
    assert noting.done == ["1.2"]


def test_endings_come_from_whatever_the_desk_was_told(spool: Spool) -> None:
    class Chatty(LocalDesk):
        """Hands an ending out with every answer."""

        def finished(self, ending: Ending) -> tuple[Ending, ...]:
            if ending.study.study_uid == "1.2":
                return (ending._replace(study=ending.study._replace(study_uid="late")),)
            return ()

    noting = Noting()
    desk = Chatty(StudyTracker(), has_timeout=False)
    studies = Studies(
        FolderNamer("study-uid"),
        OutputFolders(spool),
        desk,
        noting,  # type: ignore[arg-type]  # only `finish` is used
    )
    studies.stored(studies.place(values("1.2"), ORIGIN).ticket, "CT.1")
    studies.close()
    assert noting.done == ["1.2", "late"]

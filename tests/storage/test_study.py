"""Studies end when the rule says so, each once, and none while it is at work."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from isocenter.storage.study import Arrival, StudyEnded, StudyTracker

if TYPE_CHECKING:
    from collections.abc import Iterable

MOMENT = time.mktime((2026, 1, 2, 3, 4, 5, 0, 0, -1))


def arrive(
    tracker: StudyTracker,
    association: int,
    study: str,
    *,
    now: float = 0.0,
    moment: float = MOMENT,
    stamped: bool = False,
) -> Arrival:
    return tracker.arrived(
        association,
        study,
        base=f"P_{study}",
        stamped=stamped,
        now=now,
        moment=moment,
        calling_ae_title=f"CALLING{association}",
        called_ae_title="CALLED",
        peer_host="host",
    )


def store(
    tracker: StudyTracker, association: int, study: str, name: str = "", *, now: float = 0.0
) -> list[str]:
    """Bring one object in whole; return the studies that end by it."""
    arrival = arrive(tracker, association, study, now=now)
    return ended(arrival.ended) + ended(tracker.stored(arrival.ticket, name, now=now))


def ended(studies: Iterable[StudyEnded]) -> list[str]:
    return [study.study_uid for study in studies]


def test_study_ends_with_the_next_study_of_its_only_association() -> None:
    tracker = StudyTracker()
    assert [store(tracker, 1, study) for study in "AAABBA"] == [[], [], [], ["A"], [], ["B"]]


def test_interleaved_associations_do_not_end_each_other() -> None:
    tracker = StudyTracker()
    sent = [(1, "A"), (2, "B"), (1, "A"), (2, "B"), (1, "A")]
    assert [store(tracker, *object_) for object_ in sent] == [[], [], [], [], []]
    assert store(tracker, 2, "C") == ["B"]
    assert store(tracker, 1, "C") == ["A"]


def test_study_of_a_closed_association_ends_with_the_next_object_of_another() -> None:
    tracker = StudyTracker()
    store(tracker, 1, "A")
    store(tracker, 2, "B")
    assert tracker.association_ended(1, now=0) == ()
    assert store(tracker, 2, "B") == ["A"]


def test_study_goes_on_over_consecutive_associations() -> None:
    tracker = StudyTracker(keep_files=True)
    for association in (1, 2, 3):
        assert not store(tracker, association, "A", f"CT.{association}")
        tracker.association_ended(association, now=0)
    (study,) = arrive(tracker, 4, "B").ended
    assert study.files == ("CT.1", "CT.2", "CT.3")


def test_study_of_two_associations_ends_when_both_went_on() -> None:
    tracker = StudyTracker()
    store(tracker, 1, "A")
    store(tracker, 2, "A")
    assert store(tracker, 1, "B") == []
    assert store(tracker, 2, "B") == ["A"]


def test_what_ended_says_what_and_where_and_whose() -> None:
    tracker = StudyTracker(keep_files=True)
    store(tracker, 1, "A", "CT.1")
    store(tracker, 2, "A", "CT.2")
    tracker.association_ended(1, now=0)
    tracker.association_ended(2, now=0)
    assert arrive(tracker, 3, "B").ended == (
        StudyEnded(
            study_uid="A",
            folder="P_A",
            files=("CT.1", "CT.2"),
            untracked=0,
            cause="another study",
            calling_ae_title="CALLING2",
            called_ae_title="CALLED",
            peer_host="host",
        ),
    )


def test_results_survive_a_way_as_plain_data() -> None:
    tracker = StudyTracker(keep_files=True)
    store(tracker, 1, "A", "CT.1")
    arrival = arrive(tracker, 1, "B")
    ticket, folder, fresh, studies = json.loads(json.dumps(arrival))
    again = Arrival(
        ticket,
        folder,
        fresh,
        tuple(StudyEnded(*study)._replace(files=tuple(study[2])) for study in studies),
    )
    assert again == arrival


def test_folder_is_that_of_the_first_object() -> None:
    tracker = StudyTracker()
    first = arrive(tracker, 1, "A", stamped=True)
    later = arrive(tracker, 1, "A", moment=MOMENT + 5, stamped=True)
    assert (first.folder, first.fresh) == ("P_A_20260102_030405000", True)
    assert (later.folder, later.fresh) == (first.folder, False)


def test_stamp_is_the_name_where_there_is_no_base() -> None:
    arrival = StudyTracker().arrived(1, "A", base="", stamped=True, now=0, moment=MOMENT)
    assert arrival.folder == "20260102_030405000"


def test_studies_of_one_millisecond_have_folders_of_their_own() -> None:
    tracker = StudyTracker()
    stamps = []
    for study in "ABAB":
        arrival = arrive(tracker, 1, study, stamped=True)
        tracker.stored(arrival.ticket, "", now=0)
        stamps.append(arrival.folder.removeprefix(f"P_{study}"))
    assert stamps == ["_20260102_030405000" + serial for serial in ("", "_0000", "_0001", "_0002")]


def test_study_that_comes_again_is_a_new_one() -> None:
    tracker = StudyTracker(keep_files=True)
    store(tracker, 1, "A", "CT.1")
    store(tracker, 1, "B", "CT.2")
    arrival = arrive(tracker, 1, "A")
    assert arrival.fresh
    tracker.stored(arrival.ticket, "CT.3", now=0)
    (study,) = arrive(tracker, 1, "B").ended
    assert study.files == ("CT.3",)


def test_timeout_runs_for_each_study_from_its_last_object() -> None:
    tracker = StudyTracker(timeout=10)
    assert tracker.deadline() is None
    store(tracker, 1, "A", now=0)
    store(tracker, 2, "B", now=3)
    store(tracker, 1, "A", now=5)
    assert tracker.deadline() == 13
    assert tracker.expire(12.9) == ()
    (study,) = tracker.expire(13)
    assert (study.study_uid, study.cause) == ("B", "timeout")
    assert tracker.deadline() == 15
    assert ended(tracker.expire(20)) == ["A"]
    assert tracker.deadline() is None
    assert tracker.expire(1000) == ()


def test_object_after_the_timeout_begins_a_new_study() -> None:
    tracker = StudyTracker(timeout=10)
    store(tracker, 1, "A", now=0)
    assert ended(tracker.expire(10)) == ["A"]
    arrival = arrive(tracker, 1, "A", now=11)
    assert arrival.fresh
    assert arrival.ended == ()
    tracker.stored(arrival.ticket, "", now=12)
    assert tracker.deadline() == 22
    assert store(tracker, 1, "B", now=13) == ["A"]


def test_without_a_timeout_nothing_expires() -> None:
    tracker = StudyTracker()
    store(tracker, 1, "A")
    assert tracker.deadline() is None
    assert tracker.expire(1e9) == ()


def test_timeout_of_zero_makes_every_object_a_study() -> None:
    tracker = StudyTracker(timeout=0, keep_files=True)
    folders = []
    for number in range(3):
        arrival = arrive(tracker, 1, "A", stamped=True)
        assert arrival.fresh
        assert arrival.ended == ()
        folders.append(arrival.folder)
        (study,) = tracker.stored(arrival.ticket, f"CT.{number}", now=0)
        assert (study.folder, study.files) == (arrival.folder, (f"CT.{number}",))
    assert len(set(folders)) == 3
    assert tracker.deadline() is None
    assert tracker.end_all() == ()


def test_timeout_of_zero_ends_an_object_whose_association_went_away() -> None:
    tracker = StudyTracker(timeout=0)
    arrive(tracker, 1, "A")
    assert ended(tracker.association_ended(1, now=0)) == ["A"]


def test_object_on_its_way_puts_the_timeout_off() -> None:
    tracker = StudyTracker(timeout=10)
    store(tracker, 1, "A", now=0)
    tracker.touch(1, now=8)
    tracker.touch(2, now=8)
    assert tracker.expire(17) == ()
    assert ended(tracker.expire(18)) == ["A"]
    tracker.touch(1, now=19)
    assert tracker.deadline() is None


def test_study_does_not_expire_while_an_object_is_being_stored() -> None:
    tracker = StudyTracker(timeout=10)
    arrival = arrive(tracker, 1, "A", now=0)
    assert tracker.deadline() is None
    assert tracker.expire(100) == ()
    tracker.stored(arrival.ticket, "", now=100)
    assert tracker.deadline() == 110


def test_study_ends_once_its_last_object_is_stored() -> None:
    tracker = StudyTracker(keep_files=True)
    first = arrive(tracker, 1, "A")
    assert arrive(tracker, 1, "B").ended == ()
    (study,) = tracker.stored(first.ticket, "CT.1", now=0)
    assert (study.study_uid, study.files, study.cause) == ("A", ("CT.1",), "another study")


def test_another_object_keeps_a_study_that_was_about_to_end() -> None:
    tracker = StudyTracker()
    first = arrive(tracker, 1, "A")
    arrive(tracker, 1, "B")
    again = arrive(tracker, 2, "A")
    assert not again.fresh
    assert tracker.stored(first.ticket, "", now=0) == ()
    assert tracker.stored(again.ticket, "", now=0) == ()


def test_study_about_to_end_ends_when_its_association_goes_away() -> None:
    tracker = StudyTracker()
    arrive(tracker, 1, "A")
    arrive(tracker, 1, "B")
    assert ended(tracker.association_ended(1, now=0)) == ["A"]
    assert ended(tracker.end_all()) == ["B"]


def test_late_word_of_an_object_counts_for_nothing() -> None:
    tracker = StudyTracker(keep_files=True)
    arrival = arrive(tracker, 1, "A")
    tracker.association_ended(1, now=0)
    assert tracker.stored(arrival.ticket, "CT.1", now=0) == ()
    assert tracker.stored(77, "CT.1", now=0) == ()
    assert tracker.association_ended(1, now=0) == ()
    (study,) = tracker.end_all()
    assert study.files == ()


def test_stop_ends_every_study_once() -> None:
    tracker = StudyTracker(timeout=10)
    store(tracker, 1, "A")
    arrival = arrive(tracker, 2, "B")
    assert sorted((study.study_uid, study.cause) for study in tracker.end_all()) == [
        ("A", "stop"),
        ("B", "stop"),
    ]
    assert tracker.stored(arrival.ticket, "", now=0) == ()
    assert tracker.end_all() == ()
    assert tracker.expire(1000) == ()


def test_file_that_came_twice_is_named_once() -> None:
    tracker = StudyTracker(keep_files=True)
    for name in ("CT.1", "CT.2", "CT.1", ""):
        store(tracker, 1, "A", name)
    (study,) = tracker.end_all()
    assert study.files == ("CT.1", "CT.2")


def test_files_are_not_remembered_unless_asked_for() -> None:
    tracker = StudyTracker()
    store(tracker, 1, "A", "CT.1")
    (study,) = tracker.end_all()
    assert (study.files, study.untracked) == ((), 0)


@pytest.mark.parametrize(("limit", "kept"), [(9, 1), (10, 2), (14, 2), (15, 3)])
def test_names_are_remembered_up_to_a_limit(limit: int, kept: int) -> None:
    tracker = StudyTracker(keep_files=True, maximum_name_bytes=limit)
    for name in ("CT.1", "CT.2", "CT.3"):
        store(tracker, 1, "A", name)
    (study,) = tracker.end_all()
    assert study.files == ("CT.1", "CT.2", "CT.3")[:kept]
    assert study.untracked == 3 - kept


def test_room_for_names_comes_back_when_a_study_ends() -> None:
    tracker = StudyTracker(keep_files=True, maximum_name_bytes=10)
    for study in "ABCDE":
        store(tracker, 1, study, "CT.1")
        store(tracker, 1, study, "CT.2")
    (last,) = tracker.end_all()
    assert last.files == ("CT.1", "CT.2")


def test_names_take_little_memory() -> None:
    tracker = StudyTracker(keep_files=True)
    for number in range(1000):
        store(tracker, 1, "A", f"CT.1.2.826.0.1.3680043.8.498.{number:020d}")
    held = len(tracker._studies["A"].names)
    assert held <= 1000 * 52
    assert len(tracker._studies) + len(tracker._loose) + len(tracker._pending) == 1


def test_many_associations_leave_nothing_behind() -> None:
    tracker = StudyTracker()
    for number in range(500):
        store(tracker, number, str(number))
        tracker.association_ended(number, now=0)
    assert len(tracker._studies) == len(tracker._loose) == 1
    assert not tracker._associations
    assert not tracker._pending


def test_threads_share_a_tracker() -> None:
    tracker = StudyTracker(keep_files=True)
    gathered: list[StudyEnded] = []

    def send(association: int) -> None:
        for number in range(300):
            study = str((number // 10 + association) % 7)
            arrival = arrive(tracker, association, study)
            gathered.extend(arrival.ended)
            gathered.extend(tracker.stored(arrival.ticket, f"CT.{association}.{number}", now=0))
        gathered.extend(tracker.association_ended(association, now=0))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gathered.extend(tracker.end_all())
    files = [name for study in gathered for name in study.files]
    assert len(files) == len(set(files)) == 1200


class AnyTraffic(RuleBasedStateMachine):
    """Any order of events; each study's objects are in exactly one study that ended."""

    timeout: float | None = None

    def __init__(self) -> None:
        super().__init__()
        self.tracker = StudyTracker(timeout=self.timeout, keep_files=True)
        self.now = 0.0
        self.serial = 0
        self.latest: dict[int, str] = {}
        self.waiting: list[tuple[int, int, str, str]] = []  # association, ticket, study, name
        self.open: dict[str, list[str]] = {}  # study to the files stored of it
        self.touched: dict[str, float] = {}

    def check(self, studies: Iterable[StudyEnded], *, timed: bool = False) -> None:
        for study in studies:
            uid = study.study_uid
            assert list(study.files) == self.open.pop(uid)
            assert all(entry[2] != uid for entry in self.waiting)
            if timed:
                assert self.timeout is not None
                assert self.now >= self.touched[uid] + self.timeout
            else:
                assert uid not in self.latest.values()
        if not timed:
            return
        # What an open association sent last may have ended, but by the timeout only.
        gone = {study.study_uid for study in studies}
        self.latest = {key: uid for key, uid in self.latest.items() if uid not in gone}

    @rule(association=st.integers(0, 3), study=st.sampled_from("ABCD"))
    def object_arrives(self, association: int, study: str) -> None:
        arrival = arrive(self.tracker, association, study, now=self.now)
        self.latest[association] = study
        assert arrival.fresh == (study not in self.open)
        loose = {
            uid
            for uid in self.open
            if uid not in self.latest.values() and all(entry[2] != uid for entry in self.waiting)
        }
        assert set(ended(arrival.ended)) == loose
        self.check(arrival.ended)
        self.open.setdefault(study, [])
        self.touched[study] = self.now
        self.serial += 1
        self.waiting.append((association, arrival.ticket, study, f"CT.{self.serial}"))

    @precondition(lambda self: self.waiting)
    @rule(kept=st.booleans(), data=st.data())
    def object_is_stored(self, kept: bool, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(entry)
        _, ticket, study, name = entry
        if kept:
            self.open[study].append(name)
        self.touched[study] = self.now
        self.check(self.tracker.stored(ticket, name if kept else "", now=self.now))

    @rule(association=st.integers(0, 3))
    def association_goes_away(self, association: int) -> None:
        for entry in self.waiting:
            if entry[0] == association:
                self.touched[entry[2]] = self.now
        self.waiting = [entry for entry in self.waiting if entry[0] != association]
        self.latest.pop(association, None)
        self.check(self.tracker.association_ended(association, now=self.now))

    @rule(seconds=st.integers(1, 12))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds
        deadline = self.tracker.deadline()
        studies = self.tracker.expire(self.now)
        assert bool(studies) == (deadline is not None and deadline <= self.now)
        self.check(studies, timed=True)

    @invariant()
    def tracker_holds_what_is_open(self) -> None:
        assert set(self.tracker._studies) == set(self.open)

    def teardown(self) -> None:
        for association in range(4):
            self.association_goes_away(association)
        for study in self.tracker.end_all():
            assert list(study.files) == self.open.pop(study.study_uid)
        assert not self.open


class TrafficWithTimeout(AnyTraffic):
    timeout = 10.0


TestAnyTraffic = AnyTraffic.TestCase
TestAnyTraffic.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestTrafficWithTimeout = TrafficWithTimeout.TestCase
TestTrafficWithTimeout.settings = TestAnyTraffic.settings

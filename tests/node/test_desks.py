"""A desk of one process and one shared by workers: the same answers, whoever dies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import ConnectionLost, StorageError, TimeoutExpired
from isocenter.net.channel import MAXIMUM_ANSWER, MAXIMUM_QUESTION
from isocenter.node import desk as desk_module
from isocenter.node import office as office_module
from isocenter.node.desk import LocalDesk
from isocenter.node.office import OFFER_AGAIN, RemoteDesk, StudyOffice
from isocenter.storage.folders import FolderName
from isocenter.storage.placing import Origin
from isocenter.storage.study import StudyTracker

if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.node.desk import Desk, Ending


class Clock:
    """Stands in for `time` in both modules."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1_700_000_000.0 + self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(desk_module, "time", clock)
    monkeypatch.setattr(office_module, "time", clock)
    return clock


class Parent:
    """An office whose workers ask by a function call; `broken` is what asking raises."""

    def __init__(self, tracker: StudyTracker) -> None:
        self.office = StudyOffice(tracker, lambda _: None)
        self.broken: Exception | None = None
        self.words: list[str] = []
        self.lose_answers = False

    def worker(self, pid: int, *, has_timeout: bool = False) -> RemoteDesk:
        desk = RemoteDesk(has_timeout=has_timeout)

        def ask(question: bytes) -> bytes:
            if self.broken is not None:
                raise self.broken
            assert len(question) <= MAXIMUM_QUESTION
            self.words.append(json.loads(question)[0])
            answer = self.office.answer(pid, question)
            assert len(answer) <= MAXIMUM_ANSWER
            if self.lose_answers:
                raise TimeoutExpired("answer", 5.0)
            return answer

        assert desk.connect(ask) == ()
        return desk


def _local(timeout: float | None = None) -> Desk:
    return LocalDesk(StudyTracker(timeout=timeout, keep_files=True), has_timeout=bool(timeout))


def _remote(timeout: float | None = None) -> Desk:
    parent = Parent(StudyTracker(timeout=timeout, keep_files=True))
    return parent.worker(1, has_timeout=bool(timeout))


@pytest.fixture(params=[_local, _remote], ids=["local", "remote"])
def make(request: pytest.FixtureRequest, clock: Clock) -> Callable[[float | None], Desk]:
    made: Callable[[float | None], Desk] = request.param
    return made


def put(desk: Desk, association: int, study: str, *names: str) -> list[Ending]:
    """Store objects under names; return what ended."""
    endings: list[Ending] = []
    for name in names:
        origin = Origin(association, "CALLING", "CALLED", "10.0.0.1")
        place = desk.arrived(origin, study, FolderName(study))
        endings += place.ended
        endings += desk.stored(place.ticket, name)
    return endings


def test_object_gets_the_folder_of_its_study(make: Callable[[float | None], Desk]) -> None:
    desk = make(None)
    place = desk.arrived(Origin(7, "A"), "1.2", FolderName("P", stamped=True))
    assert place.fresh
    assert place.folder.startswith("P_20")
    again = desk.arrived(Origin(7, "A"), "1.2", FolderName("P", stamped=True))
    assert (again.folder, again.fresh) == (place.folder, False)
    assert again.ticket != place.ticket


def test_study_that_ended_comes_with_all_that_is_known_of_it(
    make: Callable[[float | None], Desk],
) -> None:
    desk = make(None)
    names = ["CT.1", "CT.\xe4\u4e00", "CT.\udcff"]
    assert put(desk, 7, "1.2", *names) == []
    (ending,) = put(desk, 7, "1.3", "MR.1")
    study = ending.study
    assert (study.study_uid, study.folder, study.files) == ("1.2", "1.2", tuple(names))
    assert (study.untracked, study.cause) == (0, "another study")
    assert (study.calling_ae_title, study.called_ae_title) == ("CALLING", "CALLED")
    assert study.peer_host == "10.0.0.1"
    assert desk.finished(ending) == ()


def test_names_of_thousands_of_files_pass(make: Callable[[float | None], Desk]) -> None:
    desk = make(None)
    long = "\xe4" * 50
    names = [f"CT.{long}.{number}" for number in range(2000)]
    put(desk, 7, "1.2", *names)
    (ending,) = put(desk, 7, "1.3", "MR.1")
    assert ending.study.files == tuple(names)


def test_many_studies_that_end_at_once_come_one_after_the_other(
    make: Callable[[float | None], Desk],
) -> None:
    desk = make(None)
    for number in range(30):
        put(desk, number, f"1.{number}", "CT.1")
    for number in range(30):
        desk.association_ended(number)
    endings = list(put(desk, 99, "2.1", "CT.1"))
    done = []
    while endings:
        done.append(endings.pop())
        endings += desk.finished(done[-1])
    assert sorted(ending.study.study_uid for ending in done) == sorted(
        f"1.{number}" for number in range(30)
    )


def test_study_ends_by_its_timeout_unless_an_object_is_on_its_way(
    make: Callable[[float | None], Desk], clock: Clock
) -> None:
    desk = make(10.0)
    assert desk.left() is None
    put(desk, 7, "1.2", "CT.1")
    assert desk.left() == 10.0
    clock.now += 9
    assert desk.touch(7) == ()
    clock.now += 2
    assert desk.expire() == ()
    assert desk.left() == 8.0
    clock.now += 8
    (ending,) = desk.expire()
    assert (ending.study.cause, ending.study.files) == ("timeout", ("CT.1",))
    assert desk.left() is None


def test_association_that_ended_lets_its_study_go(make: Callable[[float | None], Desk]) -> None:
    desk = make(None)
    put(desk, 7, "1.2", "CT.1")
    assert put(desk, 8, "1.3", "CT.2") == []
    assert desk.association_ended(7) == ()
    (ending,) = put(desk, 8, "1.3", "CT.3")
    assert ending.study.study_uid == "1.2"


def test_closing_ends_every_study(make: Callable[[float | None], Desk]) -> None:
    desk = make(None)
    put(desk, 7, "1.2", "CT.1")
    put(desk, 8, "1.3", "CT.2")
    assert sorted((e.study.study_uid, e.study.cause) for e in desk.close()) == [
        ("1.2", "stop"),
        ("1.3", "stop"),
    ]


# ------------------------------------------------------------------ shared by workers


@pytest.fixture
def parent(clock: Clock) -> Parent:
    return Parent(StudyTracker(keep_files=True))


def test_workers_have_one_study_together(parent: Parent) -> None:
    one, two = parent.worker(1), parent.worker(2)
    first = one.arrived(Origin(11, ""), "1.2", FolderName("P", stamped=True))
    second = two.arrived(Origin(21, ""), "1.2", FolderName("P", stamped=True))
    assert second.folder == first.folder
    assert not second.fresh


def test_associations_of_a_worker_that_died_end(parent: Parent) -> None:
    one, two = parent.worker(1), parent.worker(2)
    put(one, 11, "1.2", "CT.1")
    # One object was on its way, so its ticket is open.
    one.arrived(Origin(11, ""), "1.2", FolderName("1.2"))
    assert put(two, 21, "1.3", "CT.2") == []
    parent.office.gone(1)
    (ending,) = put(two, 21, "1.3", "CT.3")
    assert (ending.study.study_uid, ending.study.files) == ("1.2", ("CT.1",))


def test_ending_that_a_dead_worker_had_taken_goes_to_the_next(parent: Parent) -> None:
    one, two = parent.worker(1), parent.worker(2)
    put(one, 11, "1.2", "CT.1")
    (taken,) = put(one, 11, "1.3", "CT.2")
    assert two.expire() == ()
    parent.office.gone(1)
    again, *others = two.expire()
    assert again.study == taken.study
    # The study that only the dead worker contributed to is still open.
    assert others == []


def test_ending_that_was_dealt_with_is_not_offered_again(parent: Parent, clock: Clock) -> None:
    one, two = parent.worker(1), parent.worker(2)
    put(one, 11, "1.2", "CT.1")
    (ending,) = put(one, 11, "1.3", "CT.2")
    one.finished(ending)
    parent.office.gone(1)
    clock.now += OFFER_AGAIN
    assert two.expire() == ()


def test_offer_that_was_lost_is_made_again(parent: Parent, clock: Clock) -> None:
    one, two = parent.worker(1), parent.worker(2)
    put(one, 11, "1.2", "CT.1")
    one.association_ended(11)
    parent.lose_answers = True
    with pytest.raises(StorageError, match="timeout"):
        two.arrived(Origin(21, ""), "1.3", FolderName("1.3"))
    parent.lose_answers = False
    assert one.expire() == ()
    clock.now += OFFER_AGAIN
    assert [ending.study.study_uid for ending in one.expire()] == ["1.2"]


def test_what_could_not_be_told_is_told_first_next_time(parent: Parent) -> None:
    one = parent.worker(1)
    place = one.arrived(Origin(11, ""), "1.2", FolderName("1.2"))
    parent.broken = ConnectionLost("gone")
    assert one.stored(place.ticket, "CT.1") == ()
    assert one.association_ended(11) == ()
    parent.broken = None
    parent.words.clear()
    (ending,) = put(one, 12, "1.3", "CT.2")
    assert ending.study.files == ("CT.1",)
    assert parent.words.index("stored") < parent.words.index("ended")


def test_object_has_no_place_where_the_parent_does_not_answer(parent: Parent) -> None:
    one = parent.worker(1)
    parent.broken = TimeoutExpired("answer of the parent process", 5.0)
    with pytest.raises(StorageError) as caught:
        one.arrived(Origin(11, ""), "1.2", FolderName("1.2"))
    assert caught.value.status == 0xA700


def test_names_that_could_not_be_fetched_are_given_back(parent: Parent) -> None:
    one = parent.worker(1)
    put(one, 11, "1.2", *[f"CT.{'1' * 60}.{number}" for number in range(1000)])

    answer = parent.office.answer

    def failing(worker: int, question: bytes) -> bytes:
        if json.loads(question)[0] == "take" and json.loads(question)[2] > 0:
            raise ConnectionLost("gone")
        return answer(worker, question)

    parent.office.answer = failing  # type: ignore[method-assign] # a parent that fails half way
    assert put(one, 11, "1.3", "CT.2") == []
    parent.office.answer = answer  # type: ignore[method-assign] # it answers again
    endings = one.expire()
    assert [len(ending.study.files) for ending in endings] == [1000]


def test_last_worker_that_leaves_closes_the_studies(parent: Parent) -> None:
    one, two = parent.worker(1), parent.worker(2)
    put(one, 11, "1.2", "CT.1")
    put(two, 21, "1.3", "CT.2")
    one.association_ended(11)
    assert one.close() == ()
    parent.office.gone(1)
    endings = two.close()
    assert sorted(ending.study.study_uid for ending in endings) == ["1.2", "1.3"]
    assert [two.finished(ending) for ending in endings] == [(), ()]


def test_desk_that_was_never_connected_places_nothing() -> None:
    desk = RemoteDesk(has_timeout=True)
    with pytest.raises(StorageError):
        desk.arrived(Origin(1, ""), "1.2", FolderName("1.2"))


@pytest.mark.parametrize("question", [b"", b"{}", b"[]", b'["what"]', b'["stored", "x", 1]'])
def test_what_is_no_question_is_refused(parent: Parent, question: bytes) -> None:
    with pytest.raises((ValueError, TypeError)):
        parent.office.answer(1, question)

"""Quotas of an area: which study goes, what is refused, who keeps what he reads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from isocenter.archive.checking import check
from isocenter.archive.local import LocalArea
from isocenter.archive.orders import Add, AddOutcome, Mark, Remove
from isocenter.archive.recovery import OpenArea
from isocenter.errors import StorageError, StorageFull
from tests.archive.areas import area_in, data_set, indexed, local, objects_on_disk

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.archive.area import Area
    from isocenter.archive.facts import NewInstance
    from isocenter.archive.index import Index
    from tests.archive.areas import Sender


def studies(opened: OpenArea) -> set[str]:
    return {file.key[0] for file in indexed(opened).values()}


def send(sender: Sender, study: str, *instances: str, pixels: int = 2) -> None:
    for instance in instances:
        content = data_set(instance, study=study, series=f"{study}.1", pixels=bytes(pixels))
        sender.send(content, instance)


def age(opened: OpenArea, *in_order: str) -> None:
    """Have studies been touched in this order, an hour ago and later."""
    from sqlalchemy import text

    with opened.index.writing() as connection:
        for number, study in enumerate(in_order):
            connection.execute(
                text("UPDATE study SET updated = updated - :ago WHERE study_instance_uid = :uid"),
                {"ago": 3600 - number, "uid": study},
            )


def test_study_longest_untouched_goes_with_its_files(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area", maximum_studies=2)
    with local(area) as (opened, sender):
        send(sender, "1.1", "1", "2")
        send(sender, "1.2", "3")
        age(opened, "1.2", "1.1")
        send(sender, "1.3", "4")
        assert studies(opened) == {"1.1", "1.3"}
        age(opened, "1.3", "1.1")
        send(sender, "1.3", "5")
        send(sender, "1.4", "6")
        assert studies(opened) == {"1.3", "1.4"}
    assert len(objects_on_disk(area)) == 3
    assert check(area).problems == []


def test_limit_that_became_smaller_is_kept_with_the_next_study(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area")
    with local(area) as (_, sender):
        for number in range(5):
            send(sender, f"1.{number}", f"2.{number}")
    smaller = area_in(tmp_path / "area", maximum_studies=2)
    with local(smaller) as (opened, sender):
        send(sender, "1.9", "9")
        assert len(studies(opened)) == 2
        assert "1.9" in studies(opened)


def test_studies_of_one_batch_do_not_push_out_the_one_that_comes_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    area = area_in(tmp_path / "area", maximum_studies=1)
    with local(area) as (opened, sender):
        news: list[NewInstance] = []

        def collect(self: LocalArea, new: NewInstance, *, again: bool = False) -> AddOutcome:
            del self, again
            news.append(new)
            raise StorageError("x", "later")

        with monkeypatch.context() as patch:
            patch.setattr(LocalArea, "add", collect)
            for number in range(3):
                with pytest.raises(StorageError, match="later"):
                    send(sender, f"1.{number}", f"2.{number}")
        before = opened.committer.commits
        answers = opened.committer.commit([Add(new) for new in news])
        assert [answer.kind for answer in answers if isinstance(answer, AddOutcome)] == [
            "stored"
        ] * 3
        assert studies(opened) == {"1.2"}
        assert opened.committer.commits == before + 1
    assert len(objects_on_disk(area)) == 1
    assert check(area).problems == []


def test_reader_of_a_study_that_goes_keeps_what_he_has_open(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area", maximum_studies=1)
    with local(area) as (opened, sender):
        send(sender, "1.1", "1", "2")
        paths = sorted(indexed(opened))
        fd = opened.store.open(paths[0])
        send(sender, "1.2", "3")
        while opened.committer.has_work:
            opened.committer.work()
        assert os.pread(fd, 1 << 20, 0).endswith(
            data_set("1", study="1.1", series="1.1.1", pixels=bytes(2))
        )
        os.close(fd)
        with pytest.raises(FileNotFoundError):
            opened.store.open(paths[1])


def test_bytes_of_a_study_count_what_is_there_and_not_what_went(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area", maximum_bytes_per_study=3000)
    with local(area) as (opened, sender):
        send(sender, "1.1", "1", pixels=1000)
        with pytest.raises(StorageFull):
            send(sender, "1.1", "2", pixels=2000)
        send(sender, "1.1", "1", pixels=2000)  # in the place of the other
        with pytest.raises(StorageFull):
            send(sender, "1.1", "2", pixels=1000)
        opened.committer.commit([Remove(instances=(("1.1", "1.1.1", "1"),))])
        send(sender, "1.1", "2", pixels=2000)
        assert [file.key[2] for file in indexed(opened).values()] == ["2"]
    with local(area) as (_, sender), pytest.raises(StorageFull):
        send(sender, "1.1", "3", pixels=1000)
    assert check(area).problems == []


def test_same_object_again_is_never_over_quota(tmp_path: Path) -> None:
    area = area_in(tmp_path / "area", maximum_bytes_per_study=1500)
    with local(area) as (_, sender):
        send(sender, "1.1", "1", pixels=1000)
        send(sender, "1.1", "1", pixels=1000)
    assert len(objects_on_disk(area)) == 1


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return folders; a transaction that marks one of them fails."""
    from isocenter.archive.index import Index as Real

    bad: set[str] = set()
    mark = Real.mark

    def fail(index: Index, connection: object, folders: dict[str, str]) -> None:
        if bad & folders.keys():
            raise RuntimeError("cannot be marked")
        mark(index, connection, folders)  # type: ignore[arg-type] # as it came

    monkeypatch.setattr(Real, "mark", fail)
    return bad


def marks_of(area: Area) -> set[str]:
    with OpenArea(area) as opened:
        return set(opened.committer.marks)


def test_order_that_fails_fails_alone(tmp_path: Path, failing: set[str]) -> None:
    area = area_in(tmp_path / "area")
    failing.add("bad")
    with OpenArea(area) as opened:
        answers = opened.committer.commit([Mark("a", "1"), Mark("bad", "2"), Mark("b", "3")])
        assert [answers[0], answers[2]] == [0, 0]
        assert "cannot be marked" in str(answers[1])
    assert marks_of(area) == {"a", "b"}

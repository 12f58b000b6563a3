"""Elements out of order: noticed while they come, put in order by looking once more."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from isocenter.dataset import convert, order
from isocenter.dataset.convert import PlanBuilder, in_order, plan_rewrite, rewritten
from isocenter.dataset.habits import Habits
from isocenter.dataset.profile import RewriteOptions
from isocenter.dataset.scan import ENCODINGS, scan
from isocenter.errors import DataSetError
from isocenter.wire import FileRegion
from tests.dataset.streams import DEFLATED, EXPLICIT, IMPLICIT, profile, rewrite, stream, written
from tests.support.variants import variants
from tests.support.variants.encoder import EXPLICIT_LITTLE, Encoder

if TYPE_CHECKING:
    from pathlib import Path

NAME = stream("1000 1000 'PN' 0400 'A^B '")
PATIENT = stream("1000 2000 'LO' 0400 '1234'")
CODE = stream("0800 0401 'SH' 0400 'ABC '")
SCHEME = stream("0800 0201 'SH' 0400 'DCM '")


def sequence(*items: bytes) -> bytes:
    """Return a sequence of explicit length."""
    e = Encoder(EXPLICIT_LITTLE)
    return e.sequence(0x00081140, *(e.item(item) for item in items))


def test_elements_are_written_in_the_order_of_their_tags() -> None:
    assert rewrite(PATIENT + NAME, profile(EXPLICIT)) == NAME + PATIENT


def test_elements_of_each_item_are_written_in_the_order_of_their_tags() -> None:
    data = PATIENT + sequence(CODE + SCHEME, SCHEME + CODE, sequence(CODE + SCHEME) + CODE) + NAME

    result = rewrite(data, profile(EXPLICIT))

    inner = CODE + sequence(SCHEME + CODE)
    assert result == sequence(SCHEME + CODE, SCHEME + CODE, inner) + NAME + PATIENT


def test_elements_with_the_same_tag_all_stay_in_the_order_they_came_in() -> None:
    other = NAME.replace(b"A^B", b"X^Y")

    assert rewrite(PATIENT + other + NAME, profile(EXPLICIT)) == other + NAME + PATIENT


def test_data_set_whose_elements_are_in_order_is_not_looked_at_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(order, "find_order", None)

    assert plan_rewrite(sequence(SCHEME, CODE) + NAME + NAME, profile(EXPLICIT)).is_identity


def test_zeros_behind_the_last_element_do_not_move_with_it() -> None:
    assert rewrite(PATIENT + NAME + bytes(6), profile(EXPLICIT)) == NAME + PATIENT


def test_private_creator_behind_its_elements_is_known_once_it_stands_before_them() -> None:
    creator = stream("0900 1000 0c000000 'GEMS_IDEN_01'")
    element = stream("0900 0110 04000000 'AB  '")

    result = rewrite(element + creator, profile(IMPLICIT, EXPLICIT))

    assert result == stream("0900 1000 'LO' 0c00 'GEMS_IDEN_01'  0900 0110 'LO' 0200 'AB'")


def test_disorder_is_noticed_by_a_sender_whose_objects_are_known() -> None:
    habits = Habits()
    head = stream("0800 0500 'CS' 1600 'ISO_IR 100\\ISO_IR 192 '")
    long = stream("0800 7000 'LO' 1600 'Somebody who makes it '")
    plans = []
    for data in (head + long, head + long, head + long, long + head):
        builder = PlanBuilder(profile(EXPLICIT), habits=habits)
        builder.feed(data)
        plans.append(builder.finish())
    assert [plan.is_disordered for plan in plans] == [False, False, False, True]
    assert written(in_order(plans[-1], long + head), long + head) == head + long


@pytest.mark.parametrize("target", ["", EXPLICIT, IMPLICIT])
def test_shuffled_data_sets_come_out_with_every_level_in_order(target: str) -> None:
    shuffled = [each for each in variants() if "shuffled" in each.name]
    assert shuffled
    for each in shuffled:
        if each.transfer_syntax == DEFLATED:
            continue
        how = profile(each.transfer_syntax, target)
        result = rewrite(each.data_set, how)
        encoding = how.target
        last = [-1] * 70
        for tag, _vr, _start, _value, _length, depth in scan(result, ENCODINGS[
            encoding.explicit, encoding.little
        ]):  # fmt: skip
            if tag >> 16 == 0xFFFE:
                last[depth:] = [-1] * (70 - depth)
                continue
            assert tag >= last[depth], (each.name, hex(tag))
            last[depth] = tag


def test_shuffled_file_is_sorted_without_being_in_memory(tmp_path: Path) -> None:
    numbers = list(range(0x1000, 0x1000 + 300))
    random.Random(5).shuffle(numbers)
    parts = {
        number: stream("0900") + number.to_bytes(2, "little") + stream("'OB' 0000 00000300")
        + bytes([number % 256]) * 0x30000
        for number in numbers
    }  # fmt: skip
    path = tmp_path / "data"
    path.write_bytes(b"".join(parts[number] for number in numbers))
    with path.open("rb") as file:
        region = FileRegion(file.fileno(), 0, path.stat().st_size)
        plan = plan_rewrite(region, profile(EXPLICIT))
        result = []
        for segment in rewritten(plan, region):
            assert not isinstance(segment, FileRegion)
            assert len(segment) <= 512 * 1024
            result.append(bytes(segment))
    assert b"".join(result) == b"".join(parts[number] for number in sorted(numbers))


def test_file_padding_counts_the_data_set_in_order() -> None:
    how = profile(EXPLICIT, "", RewriteOptions(file_padding=64))

    plan = plan_rewrite(PATIENT + NAME, how, prefix_length=100)

    result = written(plan, PATIENT + NAME)
    assert result.startswith(NAME + PATIENT)
    assert (len(result) + 100) % 64 == 0
    assert plan.length == len(result)


def test_more_elements_than_are_kept_in_memory_stay_in_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = PATIENT + NAME
    monkeypatch.setattr(order, "MAXIMUM_ELEMENTS", 2)
    assert written(plan_rewrite(data, profile(EXPLICIT)), data) == NAME + PATIENT
    monkeypatch.setattr(order, "MAXIMUM_ELEMENTS", 1)
    plan = plan_rewrite(data, profile(EXPLICIT))
    assert plan.is_disordered
    assert written(plan, data) == data


def test_long_deflated_data_set_stays_in_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"".join(bytes(piece) for piece in convert.deflated([PATIENT + NAME], 6))
    how = profile(DEFLATED, EXPLICIT)
    assert rewrite(data, how) == NAME + PATIENT
    monkeypatch.setattr(convert, "MAXIMUM_ORDERED_INFLATED", len(PATIENT + NAME) - 1)
    assert rewrite(data, how) == PATIENT + NAME


def test_order_of_a_file_that_became_shorter_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(PATIENT + NAME)
    with path.open("r+b") as file:
        region = FileRegion(file.fileno(), 0, len(PATIENT + NAME))
        plan = plan_rewrite(region, profile(EXPLICIT))
        os.truncate(path, 4)
        with pytest.raises(DataSetError, match="became shorter"):
            list(rewritten(plan, region))

"""Counts, statuses, lists and proposals of a retrieve (PS3.4 C.4.2.1, C.4.2.2)."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, NamedTuple

import pytest

from isocenter import uids
from isocenter.services.suboperations import (
    Counts,
    OutgoingContexts,
    Tally,
    failed_list,
    proposals,
)
from isocenter.ul.negotiation import AcceptedContext

if TYPE_CHECKING:
    from isocenter.services.plans import ObjectSource

EXPLICIT, IMPLICIT = uids.EXPLICIT_VR_LITTLE_ENDIAN, uids.IMPLICIT_VR_LITTLE_ENDIAN
BIG, DEFLATED = uids.EXPLICIT_VR_BIG_ENDIAN, uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
JPEG = uids.JPEG_BASELINE_8BIT
CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"


class Instance(NamedTuple):
    """An object that is never opened."""

    sop_class_uid: str
    transfer_syntax_uid: str
    others: tuple[str, ...] = (EXPLICIT, IMPLICIT)
    sop_instance_uid: str = "1.2.3"

    def alternatives(self) -> tuple[str, ...]:
        return tuple(uid for uid in self.others if uid != self.transfer_syntax_uid)

    def open(self) -> ObjectSource:
        raise NotImplementedError


# --- counts and statuses --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "status", "counts"),
    [
        ((), 0x0000, (0, 0, 0, 0)),
        ((0, 0), 0x0000, (0, 2, 0, 0)),
        ((0, 0xB000), 0xB000, (0, 1, 0, 1)),
        ((0xB007, 0xB006), 0xB000, (0, 0, 0, 2)),
        ((0, 0xA700), 0xB000, (0, 1, 1, 0)),
        ((0xB000, 0xC000), 0xB000, (0, 0, 1, 1)),
        ((0xA700, 0x0122), 0xA702, (0, 0, 2, 0)),
    ],
)
def test_final_status_follows_from_what_became_of_each(
    answers: tuple[int, ...], status: int, counts: tuple[int, ...]
) -> None:
    tally = Tally(len(answers))
    for number, answer in enumerate(answers):
        tally.answered(str(number), answer, "")
    assert (tally.status(), tally.counts) == (status, Counts(*counts))


def test_cancelled_retrieve_is_cancelled_only_where_something_was_left() -> None:
    tally = Tally(2)
    tally.answered("1", 0, "")
    assert tally.status(cancelled=True) == 0xFE00
    tally.answered("2", 0, "")
    assert tally.status(cancelled=True) == 0


def test_first_cause_is_told_and_every_failure_is_named() -> None:
    tally = Tally(3)
    tally.answered("1.1", 0xA700, "disk full")
    tally.failed("1.2", "another cause")
    assert tally.cause == "C-STORE failed, status A700H: disk full"
    assert tally.failed_uids == ("1.1", "1.2")


def test_nothing_is_counted_behind_the_final_response() -> None:
    tally = Tally(2)
    tally.seal()
    tally.answered("1", 0, "")
    tally.failed("2", "late")
    assert tally.counts == Counts(2, 0, 0, 0)
    assert tally.cause == ""


def test_counts_that_no_response_can_say_stay_the_most_it_can() -> None:
    assert Tally(70_000).counts.remaining == 0xFFFF


# --- the list of failures -------------------------------------------------------------------

VALUE = b"1.2\\1.23"


@pytest.mark.parametrize(
    ("syntax", "expected"),
    [
        (IMPLICIT, b"\x08\x00\x58\x00\x08\x00\x00\x00" + VALUE),
        (EXPLICIT, b"\x08\x00\x58\x00UI\x08\x00" + VALUE),
        (BIG, b"\x00\x08\x00\x58UI\x00\x08" + VALUE),
    ],
)
def test_failed_list_is_encoded_as_agreed_on(syntax: str, expected: bytes) -> None:
    assert failed_list(["1.2", "1.23"], syntax) == (expected, 2)


def test_failed_list_is_deflated_where_that_was_agreed_on() -> None:
    data, named = failed_list(["1.2", "1.23"], DEFLATED)
    assert zlib.decompress(data.rstrip(b"\0") + b"\0", -15) == (
        b"\x08\x00\x58\x00UI\x08\x00" + VALUE
    )
    assert (named, len(data) % 2) == (2, 0)


def test_failed_list_is_padded_to_an_even_length() -> None:
    assert failed_list(["1.2"], EXPLICIT)[0].endswith(b"UI\x04\x001.2\0")


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
def test_failed_list_ends_with_the_last_whole_uid_that_a_value_has_room_for(syntax: str) -> None:
    longest = ["1" * 64] * 2000  # 65 bytes each with its backslash: 1008 fit in 65534
    data, named = failed_list(longest, syntax)
    assert named == 1008
    assert len(data) - 8 == 1008 * 65 - 1 + 1  # and the padding
    exact = ["1" * 63] * 1023 + ["1" * 62]  # 1023 * 64 + 62 = 65534
    assert failed_list(exact, syntax)[1] == 1024
    assert failed_list([*exact, "1"], syntax)[1] == 1024


# --- contexts -------------------------------------------------------------------------------


def proposed(*instances: Instance) -> list[list[tuple[str, tuple[str, ...]]]]:
    return [
        [(context.abstract_syntax, context.transfer_syntaxes) for context in contexts]
        for contexts, _ in proposals(instances)
    ]


def test_each_class_is_proposed_in_each_syntax_it_has_and_what_it_can_become() -> None:
    assert proposed(
        Instance(CT, EXPLICIT), Instance(MR, IMPLICIT), Instance(CT, JPEG), Instance(CT, EXPLICIT)
    ) == [
        [(CT, (EXPLICIT,)), (CT, (JPEG,)), (CT, (IMPLICIT,)), (MR, (IMPLICIT,)), (MR, (EXPLICIT,))]
    ]


def test_what_cannot_be_decoded_is_proposed_as_it_is_alone() -> None:
    assert proposed(Instance(CT, JPEG, ())) == [[(CT, (JPEG,))]]


def test_retired_syntaxes_are_not_offered_as_conversions() -> None:
    found = proposed(Instance(CT, JPEG, (EXPLICIT, IMPLICIT, DEFLATED, BIG)))
    assert found == [[(CT, (JPEG,)), (CT, (EXPLICIT, IMPLICIT))]]


def test_more_classes_than_there_are_ids_take_another_association() -> None:
    instances = [Instance(f"1.2.{number}", EXPLICIT) for number in range(65)]
    rounds = list(proposals(instances))
    assert [len(contexts) for contexts, _ in rounds] == [128, 2]
    assert [len(part) for _, part in rounds] == [64, 1]


def accepted(context_id: int, syntax: str, *, as_scu: bool = True) -> AcceptedContext:
    return AcceptedContext(
        context_id=context_id,
        abstract_syntax=CT,
        transfer_syntax=syntax,
        as_scu=as_scu,
        as_scp=not as_scu,
    )


def test_own_syntax_comes_first_then_the_best_other_one() -> None:
    contexts = {1: accepted(1, IMPLICIT), 3: accepted(3, EXPLICIT), 5: accepted(5, JPEG)}
    chooser = OutgoingContexts(contexts)
    assert chooser.choose(Instance(CT, JPEG)) == 5
    assert chooser.choose(Instance(CT, IMPLICIT)) == 1
    assert chooser.choose(Instance(CT, uids.RLE_LOSSLESS)) == 3
    assert chooser.choose(Instance(CT, uids.RLE_LOSSLESS, ())) is None
    assert chooser.choose(Instance(MR, EXPLICIT)) is None


def test_context_without_the_role_of_scu_is_not_sent_on() -> None:
    assert (
        OutgoingContexts({1: accepted(1, EXPLICIT, as_scu=False)}).choose(Instance(CT, EXPLICIT))
        is None
    )

"""Which files go on which association, with which contexts (PS3.8 9.3.2.2)."""

from __future__ import annotations

import os
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.errors import ConfigurationError
from isocenter.sender.inputs import (
    CheckedInputs,
    InputOptions,
    Kind,
    PathList,
    check_inputs,
)
from isocenter.sender.planning import plan_associations
from isocenter.sender.prepare import FILE_ONLY
from isocenter.sender.proposal import CONVERTIBLE, ContextChooser
from isocenter.testing.datasets import (
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    ct_image,
)
from isocenter.uids import TRANSFER_SYNTAXES
from isocenter.ul.negotiation import AcceptedContext

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from isocenter.sender.proposal import PlannedAssociation

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
PRIVATE = "1.2.3.4"
JPEG = "1.2.840.10008.1.2.4.70"
RLE = "1.2.840.10008.1.2.5"
NATIVE = {EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG}


def inputs_of(kinds: Iterable[Kind]) -> CheckedInputs:
    """Return one file of each kind given, called by its place."""
    files = PathList()
    found: dict[Kind, int] = {}
    kind_of_file = []
    for number, kind in enumerate(kinds):
        files.append(str(number))
        kind_of_file.append(found.setdefault(kind, len(found)))
    return CheckedInputs(files, kinds=found, kind_of_file=kind_of_file)


def plan(*kinds: Kind, prefer_deflated: bool = False) -> tuple[PlannedAssociation, ...]:
    return plan_associations(inputs_of(kinds), prefer_deflated=prefer_deflated)


def proposal(association: PlannedAssociation) -> list[tuple[str, tuple[str, ...]]]:
    ids = [context.context_id for context in association.contexts]
    assert ids == list(range(1, 2 * len(ids), 2))
    return [(c.abstract_syntax, c.transfer_syntaxes) for c in association.contexts]


def files(association: PlannedAssociation) -> list[int]:
    return [int(path) for path in association.files]


class TestProposal:
    def test_compressed_file_is_proposed_as_it_is_and_nothing_else(self) -> None:
        (only,) = plan(Kind(CT, JPEG))
        assert proposal(only) == [(CT, (JPEG,))]

    @pytest.mark.parametrize(
        ("own", "others"),
        [
            (EXPLICIT_LITTLE, (IMPLICIT_LITTLE, EXPLICIT_BIG)),
            (IMPLICIT_LITTLE, (EXPLICIT_LITTLE, EXPLICIT_BIG)),
            (EXPLICIT_BIG, (EXPLICIT_LITTLE, IMPLICIT_LITTLE)),
            (DEFLATED_EXPLICIT_LITTLE, (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG)),
        ],
    )
    def test_convertible_file_has_a_context_of_what_it_can_become(
        self, own: str, others: tuple[str, ...]
    ) -> None:
        (only,) = plan(Kind(CT, own))
        assert proposal(only) == [(CT, (own,)), (CT, others)]

    def test_unknown_transfer_syntax_is_never_converted(self) -> None:
        (only,) = plan(Kind(PRIVATE, "1.2.3.9"))
        assert proposal(only) == [(PRIVATE, ("1.2.3.9",))]

    def test_own_syntaxes_come_first_and_compressed_ones_before_them(self) -> None:
        kinds = [Kind(CT, EXPLICIT_LITTLE), Kind(MR, RLE), Kind(CT, JPEG), Kind(CT, JPEG)]
        (only,) = plan(*kinds)
        assert proposal(only) == [
            (CT, (JPEG,)),
            (MR, (RLE,)),
            (CT, (EXPLICIT_LITTLE,)),
            (CT, (IMPLICIT_LITTLE, EXPLICIT_BIG)),
        ]
        assert files(only) == [0, 1, 2, 3]

    def test_class_with_every_uncompressed_syntax_needs_no_other(self) -> None:
        (only,) = plan(*(Kind(CT, own) for own in sorted(NATIVE)))
        assert proposal(only) == [(CT, (own,)) for own in sorted(NATIVE)]

    def test_deflated_is_proposed_for_uncompressed_files_where_preferred(self) -> None:
        (only,) = plan(Kind(CT, EXPLICIT_LITTLE), Kind(MR, JPEG), prefer_deflated=True)
        assert proposal(only) == [
            (MR, (JPEG,)),
            (CT, (EXPLICIT_LITTLE,)),
            (CT, (DEFLATED_EXPLICIT_LITTLE,)),
            (CT, (IMPLICIT_LITTLE, EXPLICIT_BIG)),
        ]


class TestAssociations:
    def test_64_plain_classes_fit_on_one_association(self) -> None:
        (only,) = plan(*(Kind(f"1.2.{n}", EXPLICIT_LITTLE) for n in range(64)))
        assert len(only.contexts) == 128

    def test_one_class_more_takes_another(self) -> None:
        first, second = plan(*(Kind(f"1.2.{n}", EXPLICIT_LITTLE) for n in range(65)))
        assert len(first.contexts) == 128
        assert [uid for uid, _ in proposal(second)] == ["1.2.64", "1.2.64"]
        assert (files(first), files(second)) == (list(range(64)), [64])

    def test_128_compressed_classes_fit_on_one_association(self) -> None:
        assert len(plan(*(Kind(f"1.2.{n}", JPEG) for n in range(128)))) == 1
        assert len(plan(*(Kind(f"1.2.{n}", JPEG) for n in range(129)))) == 2

    def test_room_that_is_left_is_used(self) -> None:
        kinds = [Kind("1.2.0", JPEG), *(Kind(f"1.2.{n}", EXPLICIT_LITTLE) for n in range(1, 66))]
        first, second = plan(*kinds, Kind("1.3", JPEG))
        assert files(first) == [*range(64), 66]
        assert files(second) == [64, 65]

    def test_file_of_a_kind_that_has_its_place_goes_there(self) -> None:
        kinds = [Kind(f"1.2.{n}", EXPLICIT_LITTLE) for n in range(66)]
        first, second = plan(*kinds, kinds[0], kinds[65], kinds[3])
        assert files(first) == [*range(64), 66, 68]
        assert files(second) == [64, 65, 67]
        assert (len(first.files), len(second.files)) == (66, 3)

    def test_class_stays_together_where_there_is_room(self) -> None:
        kinds = [Kind(f"1.2.{n}", EXPLICIT_LITTLE) for n in range(65)]
        first, second = plan(*kinds, Kind("1.2.64", JPEG), Kind("1.2.0", JPEG))
        assert files(first) == list(range(64))
        assert files(second) == [64, 65, 66]
        assert ("1.2.0", (JPEG,)) in proposal(second)

    def test_files_can_be_asked_for_again(self) -> None:
        first, _ = plan(*(Kind(f"1.2.{n}", EXPLICIT_LITTLE) for n in range(65)))
        assert files(first) == files(first)


class TestKindsOfFiles:
    """What is found out about files before the plan is made."""

    @pytest.fixture(autouse=True)
    def _in_tmp_path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        for name, uid, syntax in (
            ("ct", CT, EXPLICIT_LITTLE),
            ("jpeg", CT, JPEG),
            ("mr", MR, EXPLICIT_LITTLE),
            ("private", PRIVATE, "1.2.3.9"),
            ("new", "1.2.840.10008.5.1.4.1.1.9999", EXPLICIT_LITTLE),
        ):
            ct_image(sop_class_uid=uid, transfer_syntax=syntax, rows=8, columns=8).write(Path(name))
        (tmp_path / "text").write_text("no image")

    def test_kinds_stand_in_order_of_first_appearance(self) -> None:
        options = InputOptions(kinds=True, halt=False)
        inputs = check_inputs(["ct", "jpeg", "text", "ct", "missing", "mr", "jpeg"], options)
        assert inputs.kinds == (
            Kind(CT, EXPLICIT_LITTLE),
            Kind(CT, JPEG),
            Kind(MR, EXPLICIT_LITTLE),
        )
        assert list(inputs.files) == ["ct", "jpeg", "ct", "mr", "jpeg"]
        assert list(inputs.kind_of_file) == [0, 1, 0, 2, 1]
        assert inputs.sop_classes == (CT, MR)
        assert inputs.ignored == 2

    def test_private_and_new_classes_and_private_syntaxes_will_do(self) -> None:
        inputs = check_inputs(["private", "new"], InputOptions(kinds=True))
        assert inputs.kinds == (
            Kind(PRIVATE, "1.2.3.9"),
            Kind("1.2.840.10008.5.1.4.1.1.9999", EXPLICIT_LITTLE),
        )

    def test_data_set_alone_has_the_syntax_it_looks_like(self, tmp_path: Path) -> None:
        image = ct_image(transfer_syntax=IMPLICIT_LITTLE)
        (tmp_path / "raw").write_bytes(image.data_set)
        assert check_inputs(["raw"], InputOptions(kinds=True)).kinds == (Kind(CT, IMPLICIT_LITTLE),)
        with pytest.raises(ConfigurationError, match="File meta information header missing"):
            check_inputs(["raw"], InputOptions(kinds=True, form=FILE_ONLY))

    def test_transfer_syntax_that_is_no_uid(self, tmp_path: Path) -> None:
        image = ct_image(rows=8, columns=8)
        replace(image, transfer_syntax="explicit").write(tmp_path / "odd")
        with pytest.raises(ConfigurationError, match="transfer syntax is no UID: 'explicit'"):
            check_inputs(["odd"], InputOptions(kinds=True))

    def test_file_costs_little_more_than_its_path(self) -> None:
        paths = ["./././ct", "./././mr"] * 2500
        check_inputs(paths[:2], InputOptions(kinds=True))
        tracemalloc.start()
        inputs = check_inputs(paths, InputOptions(kinds=True))
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(inputs.kind_of_file) == 5000
        # 8 bytes of path, a NUL, 8 bytes of kind with what a list has in reserve.
        assert kept < 5000 * 24 + 20_000


CLASSES = st.integers(0, 150).map(lambda n: f"1.2.840.10008.5.1.4.1.1.{n}")
SYNTAXES = st.sampled_from([*sorted(TRANSFER_SYNTAXES), "1.2.3.9"])
KINDS = st.builds(Kind, CLASSES, SYNTAXES)
# Most kinds appear several times, as in a folder, and one list in two needs several associations.
LISTS = st.lists(KINDS, min_size=1, max_size=300).flatmap(
    lambda kinds: st.lists(st.sampled_from(kinds), min_size=1, max_size=600)
)


def accepted(association: PlannedAssociation, taken: Sequence[str]) -> ContextChooser:
    """Return how a peer's answer that takes these transfer syntaxes would be used."""
    contexts = {}
    for context in association.contexts:
        syntax = next((uid for uid in context.transfer_syntaxes if uid in taken), None)
        if syntax is not None:
            contexts[context.context_id] = AcceptedContext(
                context_id=context.context_id,
                abstract_syntax=context.abstract_syntax,
                transfer_syntax=syntax,
                as_scu=True,
                as_scp=False,
            )
    return ContextChooser(contexts)


@given(LISTS, st.booleans())
def test_every_file_is_on_one_association_that_proposes_its_own_syntax(
    kinds: list[Kind], prefer_deflated: bool
) -> None:
    associations = plan(*kinds, prefer_deflated=prefer_deflated)
    sent = [files(association) for association in associations]
    assert sorted(number for numbers in sent for number in numbers) == list(range(len(kinds)))
    assert all(numbers == sorted(numbers) for numbers in sent)
    assert [len(association.files) for association in associations] == [len(n) for n in sent]
    # The order of the associations is that of their first files.
    assert [numbers[0] for numbers in sent] == sorted(numbers[0] for numbers in sent)
    for association, numbers in zip(associations, sent, strict=True):
        proposed = proposal(association)
        assert 1 <= len(proposed) <= 128
        assert len(set(proposed)) == len(proposed)
        for number in numbers:
            uid, syntax = kinds[number]
            assert (uid, (syntax,)) in proposed


@given(LISTS)
def test_what_can_be_converted_goes_to_a_peer_with_any_uncompressed_syntax(
    kinds: list[Kind],
) -> None:
    for association in plan(*kinds):
        for taken in NATIVE:
            chooser = accepted(association, [taken])
            for number in files(association):
                uid, syntax = kinds[number]
                found = chooser.choose(uid, syntax)
                assert (found is not None) == (syntax in CONVERTIBLE)


@given(LISTS)
def test_no_file_is_converted_for_a_peer_that_takes_all(kinds: list[Kind]) -> None:
    taken = [uid for _, uid in kinds]
    for association in plan(*kinds):
        contexts = {c.context_id: c for c in association.contexts}
        chooser = accepted(association, taken)
        for number in files(association):
            uid, syntax = kinds[number]
            found = chooser.choose(uid, syntax)
            assert found is not None
            assert contexts[found].transfer_syntaxes == (syntax,)


@given(LISTS)
def test_plan_is_the_same_every_time(kinds: list[Kind]) -> None:
    once, again = plan(*kinds), plan(*kinds)
    assert [proposal(a) for a in once] == [proposal(a) for a in again]
    assert [files(a) for a in once] == [files(a) for a in again]


@given(st.lists(KINDS, min_size=1, max_size=300, unique=True))
def test_no_two_associations_would_do_as_one(kinds: list[Kind]) -> None:
    sizes = [len(association.contexts) for association in plan(*kinds)]
    # A kind wants two contexts at most, more than are left on all but the last.
    assert all(size > 128 - 2 for size in sizes[:-1])


@pytest.mark.parametrize("classes", [1, 1000])
def test_plan_does_not_grow_with_the_files(classes: int) -> None:
    kinds = [Kind(f"1.2.{n}", EXPLICIT_LITTLE) for n in range(classes)]
    inputs = inputs_of(kinds[n % classes] for n in range(100_000))
    tracemalloc.start()
    associations = plan_associations(inputs)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(associations) == -(-classes // 64)
    # The contexts themselves, 2 KB a class as traced; 100 000 paths would be 6 MB and more.
    assert peak < 100_000 + 3_000 * classes


def test_scan_reads_the_head_of_a_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ct_image(rows=512, columns=400).write(tmp_path / "big")
    read: list[int] = []

    def pread(fd: int, length: int, offset: int) -> bytes:
        data = real(fd, length, offset)
        read.append(len(data))
        return data

    real = os.pread
    monkeypatch.setattr(os, "pread", pread)
    check_inputs([str(tmp_path / "big")], InputOptions(kinds=True))
    assert sum(read) <= 16 * 1024

"""Identifying information that is made up (dcmtk-facts 5.6, lines as DCMTK 3.6.7 prints them)."""

from __future__ import annotations

from itertools import count

import pytest

from isocenter.sender.invention import Inventor
from isocenter.uids import is_valid_uid


def inventor(*, clock: float = 1795262540.7, **limits: int) -> Inventor:
    numbers = count()
    return Inventor(clock=lambda: clock, make_uid=lambda: f"2.25.{next(numbers)}", **limits)


def test_first_object_in_lines() -> None:
    assert inventor().next().lines().splitlines() == [
        "Inventing Identifying Information (pa0, st0, se0, im0):",
        "  PatientName=OFFIS^TEST_PN_17952625400",
        "  PatientID=PID_17952625400",
        "  StudyInstanceUID=2.25.1",
        "  StudyID=SID_17952625400",
        "  SeriesInstanceUID=2.25.0",
        "  SeriesNumber=0",
        "  SOPInstanceUID=2.25.2",
        "  ImageNumber=0",
    ]


def test_values_are_encoded_to_even_lengths() -> None:
    assert inventor().next().replacements() == {
        0x00080018: b"2.25.2",
        0x00100010: b"OFFIS^TEST_PN_17952625400 ",
        0x00100020: b"PID_17952625400 ",
        0x0020000D: b"2.25.1",
        0x0020000E: b"2.25.0",
        0x00200010: b"SID_17952625400 ",
        0x00200011: b"0 ",
        0x00200013: b"0 ",
    }
    odd = inventor().next()._replace(sop_instance_uid="2.25.10")
    assert odd.replacements()[0x00080018] == b"2.25.10\0"


def test_counters_go_on_as_those_of_dcmtk() -> None:
    """Counters, series number and suffixes of the oracle with `+IR 2 +IS 2 +IP 2`."""
    ours = inventor(images_per_series=2, series_per_study=2, studies_per_patient=2)
    found = []
    for _ in range(18):
        each = ours.next()
        found.append((each.counters, each.series_number, each.patient_name[-1], each.study_id[-1]))
    expected = [
        ((0, 0, 0), "0", "0", "0"),
        ((0, 0, 1), "1", "0", "0"),
        ((0, 1, 0), "2", "0", "1"),
        ((0, 1, 1), "1", "0", "1"),
        ((1, 0, 0), "2", "1", "2"),
        ((1, 0, 1), "1", "1", "2"),
        ((1, 1, 0), "2", "1", "1"),
        ((1, 1, 1), "1", "1", "1"),
        ((2, 0, 0), "2", "2", "2"),
    ]
    assert found == [
        ((*counters, image), *rest) for counters, *rest in expected for image in (0, 1)
    ]


def test_uids_are_shared_by_what_belongs_together() -> None:
    ours = inventor(images_per_series=2, series_per_study=2)
    objects = [ours.next() for _ in range(8)]

    def groups(name: str) -> list[int]:
        values = [getattr(each, name) for each in objects]
        return [values.index(value) for value in values]

    assert groups("sop_instance_uid") == list(range(8))
    assert groups("series_instance_uid") == [0, 0, 2, 2, 4, 4, 6, 6]
    assert groups("study_instance_uid") == [0, 0, 0, 0, 4, 4, 4, 4]


@pytest.mark.parametrize(
    ("number", "counters"),
    [
        (99, (0, 0, 0, 99)),
        (100, (0, 0, 1, 0)),
        (4999, (0, 0, 49, 99)),
        (5000, (0, 1, 0, 0)),
        (124_999, (0, 24, 49, 99)),
        (125_000, (1, 0, 0, 0)),
    ],
)
def test_defaults(number: int, counters: tuple[int, int, int, int]) -> None:
    ours = inventor()
    for _ in range(number):
        ours.next()
    assert ours.next().counters == counters


def test_uids_are_of_our_own_root_and_valid() -> None:
    invented = Inventor().next()
    for uid in (
        invented.sop_instance_uid,
        invented.series_instance_uid,
        invented.study_instance_uid,
    ):
        assert uid.startswith("2.25.")
        assert is_valid_uid(uid)

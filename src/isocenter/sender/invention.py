"""Identifying information made up for the n-th object that is sent, for tests of a receiver.

Owns which values are replaced, what they look like and when each counter goes on. Must not
know data sets: it gives encoded values, and whoever writes the data set puts them in the
place of those that are there.

Counters, values and lines are those of DCMTK's storescu: after so many objects a new series
begins, after so many series a new study, after so many studies a new patient. As there, the
first series of every study but the first has the number that follows the last series of the
study before. UIDs are our own (`uids.new_uid`): PS3.5 B.2.
"""

from __future__ import annotations

import time

from isocenter.record import NamedTuple
from isocenter.uids import new_uid

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "IMAGES_PER_SERIES",
    "SERIES_PER_STUDY",
    "STUDIES_PER_PATIENT",
    "Invented",
    "Inventor",
]

IMAGES_PER_SERIES = 100
"""Objects after which a new series begins, as DCMTK."""

SERIES_PER_STUDY = 50
"""Series after which a new study begins, as DCMTK."""

STUDIES_PER_PATIENT = 25
"""Studies after which a new patient begins, as DCMTK."""


class Invented(NamedTuple):
    """What one object is made to be.

    Fields: `counters` of patient, study, series and object, from 0; the others are the
    attributes of the same names as text.
    """

    counters: tuple[int, int, int, int]
    patient_name: str
    patient_id: str
    study_instance_uid: str
    study_id: str
    series_instance_uid: str
    series_number: str
    sop_instance_uid: str
    instance_number: str

    def lines(self) -> str:
        """Describe it in DCMTK's nine lines."""
        patient, study, series, image = self.counters
        return (
            f"Inventing Identifying Information "
            f"(pa{patient}, st{study}, se{series}, im{image}):\n"
            f"  PatientName={self.patient_name}\n"
            f"  PatientID={self.patient_id}\n"
            f"  StudyInstanceUID={self.study_instance_uid}\n"
            f"  StudyID={self.study_id}\n"
            f"  SeriesInstanceUID={self.series_instance_uid}\n"
            f"  SeriesNumber={self.series_number}\n"
            f"  SOPInstanceUID={self.sop_instance_uid}\n"
            f"  ImageNumber={self.instance_number}"
        )

    def replacements(self) -> dict[int, bytes]:
        """Return the encoded values by tag, of even length (PS3.5 6.2, 9.1)."""
        return {
            0x00080018: _padded(self.sop_instance_uid, b"\0"),
            0x00100010: _padded(self.patient_name, b" "),
            0x00100020: _padded(self.patient_id, b" "),
            0x0020000D: _padded(self.study_instance_uid, b"\0"),
            0x0020000E: _padded(self.series_instance_uid, b"\0"),
            0x00200010: _padded(self.study_id, b" "),
            0x00200011: _padded(self.series_number, b" "),
            0x00200013: _padded(self.instance_number, b" "),
        }


def _padded(text: str, padding: bytes) -> bytes:
    value = text.encode("ascii")
    return value + padding if len(value) % 2 else value


class Inventor:
    """Makes up one object after the other.

    Args:
        images_per_series: objects after which a new series begins, 1 or more.
        series_per_study: series after which a new study begins, 1 or more.
        studies_per_patient: studies after which a new patient begins, 1 or more.
        clock: seconds since 1970.
        make_uid: returns a new UID at each call.
    """

    __slots__ = (
        "_clock",
        "_image",
        "_limits",
        "_make_uid",
        "_patient",
        "_patient_suffix",
        "_series",
        "_series_number",
        "_series_uid",
        "_study",
        "_study_suffix",
        "_study_uid",
    )

    def __init__(
        self,
        *,
        images_per_series: int = IMAGES_PER_SERIES,
        series_per_study: int = SERIES_PER_STUDY,
        studies_per_patient: int = STUDIES_PER_PATIENT,
        clock: Callable[[], float] = time.time,
        make_uid: Callable[[], str] = new_uid,
    ) -> None:
        """Begin with the first series of the first study of the first patient."""
        self._limits = images_per_series, series_per_study, studies_per_patient
        self._clock = clock
        self._make_uid = make_uid
        self._patient = self._study = self._series = self._image = 0
        self._series_number = 0
        self._series_uid = make_uid()
        self._study_uid = make_uid()
        self._patient_suffix = self._study_suffix = f"{int(clock())}0"

    def next(self) -> Invented:
        """Return the next object's information."""
        images, series, studies = self._limits
        if self._image == images:
            self._image = 0
            self._series += 1
            self._series_number = self._series
            self._series_uid = self._make_uid()
        if self._series == series:
            self._series = 0
            self._study += 1
            self._study_uid = self._make_uid()
            # The study's number is the one before a new patient begins, as DCMTK.
            self._study_suffix = f"{int(self._clock())}{self._study}"
        if self._study == studies:
            self._study = 0
            self._patient += 1
            self._patient_suffix = f"{int(self._clock())}{self._patient}"
        invented = Invented(
            counters=(self._patient, self._study, self._series, self._image),
            patient_name=f"OFFIS^TEST_PN_{self._patient_suffix}",
            patient_id=f"PID_{self._patient_suffix}",
            study_instance_uid=self._study_uid,
            study_id=f"SID_{self._study_suffix}",
            series_instance_uid=self._series_uid,
            series_number=str(self._series_number),
            sop_instance_uid=self._make_uid(),
            instance_number=str(self._image),
        )
        self._image += 1
        return invented

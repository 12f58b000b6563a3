r"""What identifiers find (PS3.4 C.2.2.2, C.4.1): a table, one case a line.

A line: model (P patient root, S study root, O patient/study only; ``!`` strict, ``+`` combined
date and time), level, keys, what is found. Studies are found as A, series as A1, instances as
A1a, patients by their ID; ``~`` before them: pending with FF01. ``!mismatch`` (A900) and
``!unable`` (C000) are errors. The sample is in `identifiers`.
"""

# ruff: noqa: E501 - a case is a line

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter.archive.attributes import LEVELS, UNIQUE_KEYS
from isocenter.archive.database import sqlite_url
from isocenter.archive.finding import Finder
from isocenter.archive.index import Index
from isocenter.archive.matching import (
    PATIENT_ROOT,
    PATIENT_STUDY_ONLY,
    STUDY_ROOT,
    MatchingError,
    parse,
)
from isocenter.testing.datasets import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from tests.archive.identifiers import CT, MR, identifier, parsed, sample
from tests.archive.rows import write

if TYPE_CHECKING:
    from collections.abc import Iterator

MANY = "\\".join(f"q{n}*" for n in range(20))
"""Patterns that match nothing, more than go into a statement."""

TABLE = rf"""
# universal
S  | STUDY  | | A B C D E F G
S  | STUDY  | PatientName= | A B C D E F G
S  | STUDY  | PatientName=* & AccessionNumber=** | A B C D E F G
P  | PATIENT | PatientID= | - - P1 P2 P3 P[1]
O  | PATIENT | | - - P1 P2 P3 P[1]
# single value, exact and case-sensitive
S  | STUDY  | AccessionNumber=ACC2 | B
S  | STUDY  | AccessionNumber=acc2 |
S  | STUDY  | AccessionNumber= ACC2  | B
S  | STUDY  | AccessionNumber=ACC1 | A D
S  | STUDY  | StudyID=S1 | A
S  | STUDY  | PatientID=P1 | A B
S  | STUDY  | PatientID=P[1] | F
S  | STUDY  | PatientSex=F | A
S  | STUDY  | StudyDescription=Head CT | A
S  | STUDY  | PatientWeight=70 | A
S  | STUDY  | PatientWeight=71 |
# any value of several: of the key, and of the attribute
S  | STUDY  | AccessionNumber=ACC2\ACC3 | B C
S  | STUDY  | AccessionNumber=ACC2\\ACC3 | B C
S  | STUDY  | AccessionNumber=\ | A B C D E F G
S  | STUDY  | AccessionNumber=NO\ACC? | A B C D
S  | STUDY  | PatientID=P1\P3 | A B D
S  | STUDY  | OtherPatientIDs=X2 | A B
S  | STUDY  | OtherPatientIDs=X1\X9 | A
S  | STUDY  | OtherPatientIDs=X?X |
S  | STUDY  | OtherPatientIDs=1* |
S  | STUDY  | OtherPatientIDs=?2 | A B
P  | PATIENT | OtherPatientIDs=X2 | P1
P  | PATIENT | OtherPatientIDs=X1\X9 | P1
# list of UID; wildcards in UIDs are characters like others
S  | STUDY  | StudyInstanceUID=1.2.1 | A
S  | STUDY  | StudyInstanceUID=1.2.1\1.2.3\9.9 | A C
S  | STUDY  | StudyInstanceUID=1.2.* |
S  | STUDY  | StudyInstanceUID=* |
S  | STUDY  | StudyInstanceUID=1.2.1\* | A
S  | IMAGE  | StudyInstanceUID=1.2.1\1.2.2 & SeriesInstanceUID= & SOPClassUID={CT} | A1a A1b
S  | IMAGE  | StudyInstanceUID= & SeriesInstanceUID= & SOPClassUID={MR} | B1a C1a
# wildcards, by character
S  | STUDY  | AccessionNumber=ACC* | A B C D
S  | STUDY  | AccessionNumber=ACC? | A B C D
S  | STUDY  | AccessionNumber=*2 | B
S  | STUDY  | AccessionNumber=?CC3 | C
S  | STUDY  | AccessionNumber=ACC1* | A D
S  | STUDY  | AccessionNumber=A**1 | A D
S  | STUDY  | AccessionNumber=ACC?? |
S  | STUDY  | AccessionNumber=a_b%c[d] | F
S  | STUDY  | AccessionNumber=a?b?c[* | F
S  | STUDY  | AccessionNumber=*[d]* | F
S  | STUDY  | AccessionNumber=?_* | F
S  | STUDY  | AccessionNumber=[a]* |
S  | STUDY  | AccessionNumber=%* |
S  | STUDY  | StudyDescription=*d* | A B
S  | STUDY  | SpecificCharacterSet=ISO_IR 192 & StudyDescription=?部 | C
S  | STUDY  | SpecificCharacterSet=ISO_IR 192 & StudyDescription=??部 |
S  | STUDY  | SpecificCharacterSet=ISO_IR 192 & StudyDescription=Fu? | D
# person names: case, component groups, ^ at the end, blanks
S  | STUDY  | PatientName=doe^jane | A B
S  | STUDY  | PatientName=DOE^JANE^^^ | A B
S  | STUDY  | PatientName=doe |
S  | STUDY  | PatientName=doe* | A B
S  | STUDY  | PatientName=d*e | A B
S  | STUDY  | PatientName=doe^j* | A B
S  | STUDY  | PatientName=doe^jane^* | A B
S  | STUDY  | PatientName=DOE^J*^*^* | A B
S  | STUDY  | PatientName=*ja* | A B
S  | STUDY  | PatientName=?oe^?an? | A B
S  | STUDY  | PatientName=doe^jane\anon | A B E
S  | STUDY  | PatientName=yamada^tarou | C
S  | STUDY  | SpecificCharacterSet=ISO_IR 192 & PatientName=山田^太郎 | C
S  | STUDY  | SpecificCharacterSet=ISO_IR 192 & PatientName=山田* | C
S  | STUDY  | SpecificCharacterSet=ISO_IR 192 & PatientName=??^太郎 | C
S  | STUDY  | SpecificCharacterSet=ISO_IR 192 & PatientName=やまだ* | C
S  | STUDY  | SpecificCharacterSet=ISO_IR 192 & PatientName==山田^太郎 | C
S  | STUDY  | SpecificCharacterSet=ISO_IR 192 & PatientName=*=山田*=* | C
S  | STUDY  | SpecificCharacterSet=ISO_IR 192 & PatientName=Yamada*=山田* | C
S  | STUDY  | SpecificCharacterSet=ISO_IR 192 & PatientName=Suzuki*=山田* |
S  | STUDY  | SpecificCharacterSet=ISO_IR 192 & PatientName=山田^太郎= |
S  | STUDY  | PatientName==* | A B C D E F G
S  | STUDY  | SpecificCharacterSet=ISO_IR 192 & PatientName=MÜLLER^ULRICH | D
S  | STUDY  | SpecificCharacterSet=ISO_IR 192 & PatientName=m?ller^* | D
S  | STUDY  | SpecificCharacterSet=ISO_IR 192 & PatientName=Müller^Ulrich | D
S  | STUDY  | PatientName=o'brien_x% | F
S  | STUDY  | PatientName=o'brien__% |
S  | STUDY  | ReferringPhysicianName=house^g* | A
S  | STUDY  | ReferringPhysicianName=house |
S  | STUDY  | NameOfPhysiciansReadingStudy=cuddy^lisa | A
S  | STUDY  | NameOfPhysiciansReadingStudy=cuddy* | A
S  | STUDY  | NameOfPhysiciansReadingStudy=wilson*lisa |
S  | SERIES | StudyInstanceUID= & PerformingPhysicianName=chase* | B1
# dates
S  | STUDY  | StudyDate=20040115 | A
S  | STUDY  | StudyDate=2004.01.15 | A
S  | STUDY  | StudyDate=20050101 | D
S  | STUDY  | StudyDate=20040115-20040229 | A B
S  | STUDY  | StudyDate=20040116- | B C D F G
S  | STUDY  | StudyDate=-20040229 | A B
S  | STUDY  | StudyDate=20040229-20040115 |
S  | STUDY  | StudyDate=- | A B C D F G
S  | STUDY  | StudyDate=2004 |
S  | STUDY  | StudyDate=2004* |
S  | STUDY  | StudyDate=20041332 |
S  | STUDY  | StudyDate=2004-2005 |
S  | STUDY  | StudyDate=20040115\20040301 | A C
S  | STUDY  | StudyDate=20040115 - 20040229 | A B
S  | STUDY  | StudyDate=19000101-20991231 & AccessionNumber=ACC1 | A D
# times, in all precisions
S  | STUDY  | StudyTime=101530 | A
S  | STUDY  | StudyTime=10 | A C D
S  | STUDY  | StudyTime=1015 | A D
S  | STUDY  | StudyTime=10:15 | A D
S  | STUDY  | StudyTime=10:15:30 | A
S  | STUDY  | StudyTime=101500 | D
S  | STUDY  | StudyTime=100000 | C
S  | STUDY  | StudyTime=235959.5 | B
S  | STUDY  | StudyTime=235959.6 |
S  | STUDY  | StudyTime=235959 | B
S  | STUDY  | StudyTime=00-23 | A B C D
S  | STUDY  | StudyTime=0000-2359 | A B C D
S  | STUDY  | StudyTime=1015-1015 | A D
S  | STUDY  | StudyTime=101501- | A B
S  | STUDY  | StudyTime=-1000 | C
S  | STUDY  | StudyTime=-101530 | A C D
S  | STUDY  | StudyTime=-101529.999999 | C D
S  | STUDY  | StudyTime=24 |
S  | STUDY  | StudyTime=10-24 |
S  | STUDY  | StudyTime=1060 |
# date and time together
S  | STUDY  | StudyDate=20040115-20040229 & StudyTime=1016-1100 |
S+ | STUDY  | StudyDate=20040115-20040229 & StudyTime=1016-1100 |
S+ | STUDY  | StudyDate=20040115-20040301 & StudyTime=1016-1000 | B C
S+ | STUDY  | StudyDate=20040115-20040229 & StudyTime=1000-2300 | A
S+ | STUDY  | StudyDate=20040115- & StudyTime=101531- | B C D F G
S+ | STUDY  | StudyDate=20040115 & StudyTime=1000-1030 | A
S+ | STUDY  | StudyDate=-20040229 & StudyTime=-2359 | A B
S+ | STUDY  | StudyDate=20040115\20040229 & StudyTime=10-11 | A
P+ | PATIENT | PatientBirthDate=19690101-19710101 & PatientBirthTime=10-11 | P1
P+ | PATIENT | PatientBirthDate=19700101 & PatientBirthTime=10-11 |
# date-times: precision, offsets
S  | IMAGE  | StudyInstanceUID= & SeriesInstanceUID= & AcquisitionDateTime=20040115 | A1a
S  | IMAGE  | StudyInstanceUID= & SeriesInstanceUID= & AcquisitionDateTime=2004 | A1a
S  | IMAGE  | StudyInstanceUID= & SeriesInstanceUID= & AcquisitionDateTime=20040115091530.5 | A1a
S  | IMAGE  | StudyInstanceUID= & SeriesInstanceUID= & AcquisitionDateTime=20040115101530.5+0100 | A1a
S  | IMAGE  | StudyInstanceUID= & SeriesInstanceUID= & AcquisitionDateTime=20040115101530.5 |
S  | IMAGE  | StudyInstanceUID= & SeriesInstanceUID= & TimezoneOffsetFromUTC=+0100 & AcquisitionDateTime=20040115101530.5 | A1a
S  | IMAGE  | StudyInstanceUID= & SeriesInstanceUID= & AcquisitionDateTime=20040115041530-0500-200401150916 | A1a
S  | IMAGE  | StudyInstanceUID= & SeriesInstanceUID= & AcquisitionDateTime=200402- |
S  | IMAGE  | StudyInstanceUID= & SeriesInstanceUID= & AcquisitionDateTime=-2003 |
S  | IMAGE  | StudyInstanceUID= & SeriesInstanceUID= & AcquisitionDateTime=2003-2005 | A1a
# numbers are numbers
S  | SERIES | StudyInstanceUID= & SeriesNumber=1 | A1 B1 C1
S  | SERIES | StudyInstanceUID= & SeriesNumber=01 | A1 B1 C1
S  | SERIES | StudyInstanceUID= & SeriesNumber=1\10 | A1 B1 C1 D1
S  | SERIES | StudyInstanceUID= & SeriesNumber=1* |
S  | IMAGE  | StudyInstanceUID=1.2.1 & SeriesInstanceUID= & InstanceNumber=2 | A1b
S  | IMAGE  | StudyInstanceUID= & SeriesInstanceUID= & InstanceNumber=x | E1a
S  | IMAGE  | StudyInstanceUID= & SeriesInstanceUID= & Rows=512 | A1a
# sequences
S  | STUDY  | ProcedureCodeSequence.CodeValue=CTH | A
S  | STUDY  | ProcedureCodeSequence.CodeValue=CT* & ProcedureCodeSequence.CodeMeaning=CT Head | A
S  | STUDY  | ProcedureCodeSequence.CodeValue=CTH & ProcedureCodeSequence.CodeMeaning=MR |
S  | STUDY  | ProcedureCodeSequence.CodeValue= | A B C D E F G
S  | SERIES | StudyInstanceUID= & RequestAttributesSequence.RequestedProcedureID=RP? | A1
S  | SERIES | StudyInstanceUID= & RequestAttributesSequence.RequestedProcedureID=RP1 & RequestAttributesSequence.ScheduledProcedureStepID=S |
S  | IMAGE  | StudyInstanceUID= & SeriesInstanceUID= & ConceptNameCodeSequence.CodeValue=R1\R2 | A2a
S  | SERIES | StudyInstanceUID= & RequestAttributesSequence.ScheduledProcedureStepStartDate=20040101-20040131 | A1
S  | SERIES | StudyInstanceUID= & RequestAttributesSequence.ScheduledProcedureStepStartDate=20050101- |
S  | SERIES | StudyInstanceUID= & RequestAttributesSequence.ScheduledProcedureStepStartTime=10 | A1
S  | SERIES | StudyInstanceUID= & RequestAttributesSequence.ScheduledProcedureStepStartTime=11 |
S  | SERIES | StudyInstanceUID= & RequestAttributesSequence.ScheduledProcedureStepStartDateTime=200401150915 | A1
S  | SERIES | StudyInstanceUID= & RequestAttributesSequence.ScheduledProcedureStepStartDateTime=2005 |
S  | SERIES | StudyInstanceUID= & RequestAttributesSequence.RequestingPhysician=COX* | A1
S  | SERIES | StudyInstanceUID= & RequestAttributesSequence.RequestingPhysician=cox |
S  | SERIES | StudyInstanceUID= & RequestAttributesSequence.ScheduledProtocolCodeSequence.CodeValue=PROT? | A1
S  | SERIES | StudyInstanceUID= & RequestAttributesSequence.ScheduledProtocolCodeSequence.CodeValue=prot1 |
S  | SERIES | StudyInstanceUID= & RequestAttributesSequence.ScheduledProtocolCodeSequence.CodeMeaning=x |
S  | SERIES | StudyInstanceUID= & RequestAttributesSequence.ScheduledProtocolCodeSequence.CodeMeaning= | A1 A2 B1 C1 D1 E1 F1 G1
# more patterns than a statement takes
S  | STUDY  | ModalitiesInStudy={MANY}\SR | A
S  | STUDY  | ModalitiesInStudy={MANY}\?R | A B C
P  | PATIENT | PatientName={MANY}\doe* | P1
S  | STUDY  | PatientName={MANY}\doe*\m*^u* | A B D
S  | STUDY  | AccessionNumber={MANY}\ACC2 | B
S  | SERIES | StudyInstanceUID= & Modality={MANY}\SR\O* | A2 E1 F1
S  | IMAGE  | StudyInstanceUID=1.2.1\1.2.2 & SeriesInstanceUID= & SOPClassUID={MR} & InstanceNumber=1 | B1a
# computed
S  | STUDY  | ModalitiesInStudy=SR | A
S  | STUDY  | ModalitiesInStudy=CT | A D
S  | STUDY  | ModalitiesInStudy=MR\SR | A B C
S  | STUDY  | ModalitiesInStudy=?R | A B C
S  | STUDY  | SOPClassesInStudy={MR} | B C
S  | STUDY  | SOPClassesInStudy={MR}\{CT} & PatientID=P1 | A B
S  | STUDY  | NumberOfStudyRelatedInstances= & PatientID=P1 | A B
S  | STUDY  | NumberOfStudyRelatedInstances=3 & PatientID=P1 | ~A B
S  | STUDY  | InstanceAvailability=ONLINE & PatientID=P1 | ~A B
P  | PATIENT | NumberOfPatientRelatedStudies= & PatientID=P1 | P1
# several keys: all of them
S  | STUDY  | PatientName=doe* & StudyDate=200402* |
S  | STUDY  | PatientName=doe* & StudyDate=20040201-20040301 | B
S  | STUDY  | PatientID=P1 & ModalitiesInStudy=MR & StudyDescription=*mr | B
# levels: unique keys above match, others do not
S  | SERIES | StudyInstanceUID=1.2.1 | A1 A2
S  | SERIES | StudyInstanceUID=1.2.1 & Modality=SR | A2
S  | SERIES | StudyInstanceUID= | A1 A2 B1 C1 D1 E1 F1 G1
S  | SERIES | StudyInstanceUID=1.2.1\1.2.2 & SeriesNumber=1 | A1 B1
S  | SERIES | StudyInstanceUID= & SeriesInstanceUID=1.2.1.2\1.2.2.1 | A2 B1
S  | SERIES | StudyInstanceUID=1.2.2 & SeriesInstanceUID=1.2.1.2\1.2.2.1 | B1
S  | SERIES | StudyInstanceUID=1.2.1 & PatientName=nobody | ~A1 A2
P  | SERIES | PatientID=P1 & StudyInstanceUID=1.2.1 | A1 A2
P  | SERIES | PatientID=P2 & StudyInstanceUID=1.2.1 |
P  | SERIES | PatientID=P* & StudyInstanceUID= | A1 A2 B1 C1 D1 F1
P  | STUDY  | PatientID=P1 & PatientName=nobody | ~A B
P  | STUDY  | PatientID=P1 & StudyDate=20040229 | B
P  | PATIENT | PatientName=doe* | P1
P  | PATIENT | PatientName=d* & StudyDate=19000101 | ~P1
P  | PATIENT | PatientBirthDate=19700101 | P1
S  | IMAGE  | StudyInstanceUID=1.2.1 & SeriesInstanceUID=1.2.1.1 | A1a A1b
S  | IMAGE  | StudyInstanceUID=1.2.2 & SeriesInstanceUID=1.2.1.1 |
S  | IMAGE  | StudyInstanceUID= & SeriesInstanceUID= & SOPInstanceUID=1.2.1.1.2\1.2.3.1.1 | A1b C1a
S  | IMAGE  | StudyInstanceUID=1.2.3 & SeriesInstanceUID= & SOPInstanceUID=1.2.1.1.2\1.2.3.1.1 | C1a
S  | IMAGE  | StudyInstanceUID= & SeriesInstanceUID= | A1a A1b A2a B1a C1a D1a E1a F1a G1a
# keys below the level are answered, and do not match
S  | STUDY  | PatientID=P1 & Modality=XX | ~A B
S  | STUDY  | PatientID=P1 & SeriesDescription= | A B
S  | STUDY  | PatientID=P1 & NumberOfSeriesRelatedInstances= | ~A B
# keys beside the table are answered, and do not match; unknown ones are left out
S  | IMAGE  | StudyInstanceUID=1.2.1 & SeriesInstanceUID= & KVP= | A1a A1b A2a
S  | IMAGE  | StudyInstanceUID=1.2.1 & SeriesInstanceUID= & KVP=120 | ~A1a A1b A2a
S  | STUDY  | PatientID=P1 & PixelData= | ~A B
# what is missing
S  | SERIES | Modality=CT | !unable
S  | IMAGE  | StudyInstanceUID=1.2.1 | !unable
P  | STUDY  | StudyInstanceUID= | !unable
P  | IMAGE  | StudyInstanceUID= & SeriesInstanceUID= | !unable
S  | PATIENT | | !unable
O  | SERIES | PatientID= & StudyInstanceUID= | !unable
S  |        | PatientID=P1 | !mismatch
S  | STUD   | | !unable
S  | NOTHING | | !unable
S  | study  | AccessionNumber=ACC2 | B
S  | STUDYX | AccessionNumber=ACC2 | B
# strict
S! | STUDY  | StudyInstanceUID= & PatientName=doe* | A B
S! | STUDY  | PatientName=doe* | !mismatch
S! | SERIES | StudyInstanceUID= & SeriesInstanceUID= | !mismatch
S! | SERIES | StudyInstanceUID=1.2.1 & SeriesInstanceUID= | A1 A2
S! | SERIES | StudyInstanceUID=1.2.1\1.2.2 & SeriesInstanceUID= | A1 A2 B1
S! | SERIES | StudyInstanceUID=1.2.1 & SeriesInstanceUID= & PatientName= | !mismatch
S! | SERIES | StudyInstanceUID=1.2.1 & SeriesInstanceUID= & PatientID= | !mismatch
S! | STUDY  | StudyInstanceUID= & Modality= | !mismatch
S! | STUDY  | StudyInstanceUID= & ModalitiesInStudy=MR & InstanceAvailability= | B C
S! | SERIES | SeriesInstanceUID= | !mismatch
S! | IMAGE  | StudyInstanceUID=1.2.1 & SeriesInstanceUID=1.2.1.1 & SOPInstanceUID= | A1a A1b
S! | IMAGE  | StudyInstanceUID=1.2.1 & SeriesInstanceUID=1.2.1.1 | !mismatch
S! | PATIENT | | !mismatch
O! | SERIES | PatientID=P1 & StudyInstanceUID=1.2.1 & SeriesInstanceUID= | !mismatch
P! | PATIENT | PatientName=doe* | P1
P! | STUDY  | PatientID=P* & StudyInstanceUID= | A B C D F
P! | STUDY  | PatientID=P1 & PatientName= & StudyInstanceUID= | !mismatch
"""

MODELS = {"P": PATIENT_ROOT, "S": STUDY_ROOT, "O": PATIENT_STUDY_ONLY}


def cases() -> list[tuple[str, str, str, str]]:
    found = []
    for line in TABLE.strip().split("\n"):
        if not line.startswith("#"):
            model, level, keys, expected = (part.strip() for part in line.split("|"))
            found.append((model, level, keys, expected))
    return found


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    made = Index(sqlite_url(str(tmp_path_factory.mktemp("archive") / "index.sqlite")))
    for new in sample().values():
        write(made, new)
    yield made
    made.close()


def labels() -> dict[str, str]:
    found = {}
    for label, new in sample().items():
        found[new.facts.study_instance_uid] = label[0]
        found[new.facts.series_instance_uid] = label[:2]
        found[new.facts.sop_instance_uid] = label
    return found


def found_by(
    index: Index, model: str, level: str, keys: str, syntax: str = EXPLICIT_LITTLE, page: int = 250
) -> str:
    """Return what a case finds, in the words of the table."""
    pairs = parsed(keys)
    if level:
        pairs.append(("QueryRetrieveLevel", level))
    number = next((n for n, name in enumerate(LEVELS) if level.upper().startswith(name)), 0)
    unique = UNIQUE_KEYS[number].keyword
    try:
        query = parse(
            identifier(pairs, syntax, "utf-8"),
            syntax,
            MODELS[model[0]],
            strict="!" in model,
            combine_times="+" in model,
        )
    except MatchingError as error:
        return f"!{error.kind}"
    # The unique key is what a match is known by: it is answered whatever was asked for.
    asked = [key.tag for key in query.keys]
    if UNIQUE_KEYS[number].tag not in asked:
        added = identifier([*pairs, (unique, "")], syntax, "utf-8")
        query = parse(added, syntax, MODELS[model[0]], combine_times="+" in model)
        asked = [key.tag for key in query.keys]
    at = asked.index(UNIQUE_KEYS[number].tag)
    answers = [answer.values[at] for answer in Finder(index, page=page).find(query)]
    names = [str(values[0]) if values else "-" for values in answers]
    known = labels()
    words = " ".join(sorted(known.get(name, name) for name in names))
    return ("~" if query.is_partial else "") + words


@pytest.mark.parametrize(("model", "level", "keys", "expected"), cases())
def test_identifier_finds_what_the_table_says(
    index: Index, model: str, level: str, keys: str, expected: str
) -> None:
    assert found_by(index, model, level, keys) == expected


@pytest.mark.slow
@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_BIG])
def test_every_encoding_of_an_identifier_finds_the_same(index: Index, syntax: str) -> None:
    for model, level, keys, expected in cases()[::3]:
        assert found_by(index, model, level, keys, syntax) == expected, keys


@pytest.mark.slow
@pytest.mark.parametrize("page", [1, 2])
def test_size_of_a_page_changes_nothing(index: Index, page: int) -> None:
    for model, level, keys, expected in cases()[page::3]:
        assert found_by(index, model, level, keys, page=page) == expected, keys

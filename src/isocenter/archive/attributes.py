"""THE table: the attributes that the archive keeps in columns, matches and answers.

Owns which attribute belongs to which level, its column, and how it can be matched. The schema
(`tables`), matching, and responses are made from it. Must not know SQL, nor how a value is encoded.

Attributes that are not in it are kept beside, compressed (`blobs`): they are returned, and cannot
be matched.

PS3.4 C.3 (attributes), C.6.1.1, C.6.2.1 (levels, unique, required and optional keys), PS3.6.
"""

from __future__ import annotations

from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ANY",
    "ATTRIBUTES",
    "BY_KEYWORD",
    "BY_TAG",
    "CHARACTER_SET",
    "COLUMNS",
    "IMAGE",
    "LEVELS",
    "PATIENT",
    "QUERY_LEVEL",
    "RETRIEVE_AE_TITLE",
    "SERIES",
    "STUDY",
    "TABLES",
    "TIMEZONE",
    "UNIQUE_KEYS",
    "Attribute",
    "column_of",
]

PATIENT, STUDY, SERIES, IMAGE = range(4)
"""Levels, from the top (PS3.4 C.6)."""

ANY = -1
"""The level of what may be asked for at each of them."""

LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE")
"""Their names in Query/Retrieve Level (0008,0052)."""

TABLES = ("study", "study", "series", "instance")
"""The table that holds a level's columns. Patients have none of their own: attributes of a patient
are kept with each study, so that two studies with one Patient ID, or with none, never answer with
each other's name."""

CHARACTER_SET, QUERY_LEVEL, TIMEZONE = 0x00080005, 0x00080052, 0x00080201
"""Elements of an identifier that are no keys (PS3.4 C.4.1.1.3.1)."""

RETRIEVE_AE_TITLE = 0x00080054


class Attribute(NamedTuple):
    """An attribute of the table.

    Fields:
        keyword, tag, vr: by PS3.6.
        level: `PATIENT`, `STUDY`, `SERIES`, `IMAGE` or `ANY`.
        kind: ``U`` unique, ``R`` required, ``O`` optional key (PS3.4 C.2.2.1).
        multiple: it may have several values.
        computed: it has no column; its value comes from other rows.
        column: name of its column in the level's table, "" where it has none.
        place: number among the columns of its table, -1 where it has none.
    """

    keyword: str
    tag: int
    vr: bytes
    level: int
    kind: str
    multiple: bool
    computed: bool
    column: str
    place: int


# Level, tag, VR, keyword, kind; "*" behind the kind: several values; "=": computed.
_TABLE = """
P 00100020 LO PatientID U
P 00100010 PN PatientName R
P 00100021 LO IssuerOfPatientID O
P 00100030 DA PatientBirthDate O
P 00100032 TM PatientBirthTime O
P 00100040 CS PatientSex O
P 00101000 LO OtherPatientIDs O*
P 00101001 PN OtherPatientNames O*
P 00102160 SH EthnicGroup O
P 00104000 LT PatientComments O
P 00201200 IS NumberOfPatientRelatedStudies O=
P 00201202 IS NumberOfPatientRelatedSeries O=
P 00201204 IS NumberOfPatientRelatedInstances O=
T 0020000D UI StudyInstanceUID U
T 00080020 DA StudyDate R
T 00080030 TM StudyTime R
T 00080050 SH AccessionNumber R
T 00200010 SH StudyID R
T 00080090 PN ReferringPhysicianName O
T 00081030 LO StudyDescription O
T 00081032 SQ ProcedureCodeSequence O
T 00081060 PN NameOfPhysiciansReadingStudy O*
T 00081080 LO AdmittingDiagnosesDescription O*
T 00101010 AS PatientAge O
T 00101020 DS PatientSize O
T 00101030 DS PatientWeight O
T 00102180 SH Occupation O
T 001021B0 LT AdditionalPatientHistory O
T 00201070 IS OtherStudyNumbers O*
T 00080061 CS ModalitiesInStudy O*=
T 00080062 UI SOPClassesInStudy O*=
T 00201206 IS NumberOfStudyRelatedSeries O=
T 00201208 IS NumberOfStudyRelatedInstances O=
S 0020000E UI SeriesInstanceUID U
S 00080060 CS Modality R
S 00200011 IS SeriesNumber R
S 00080021 DA SeriesDate O
S 00080031 TM SeriesTime O
S 0008103E LO SeriesDescription O
S 00180015 CS BodyPartExamined O
S 00181030 LO ProtocolName O
S 00200060 CS Laterality O
S 00080070 LO Manufacturer O
S 00081090 LO ManufacturerModelName O
S 00080080 LO InstitutionName O
S 00081040 LO InstitutionalDepartmentName O
S 00081010 SH StationName O
S 00081050 PN PerformingPhysicianName O*
S 00081070 PN OperatorsName O*
S 00400244 DA PerformedProcedureStepStartDate O
S 00400245 TM PerformedProcedureStepStartTime O
S 00400253 SH PerformedProcedureStepID O
S 00400254 LO PerformedProcedureStepDescription O
S 00400275 SQ RequestAttributesSequence O
S 00201209 IS NumberOfSeriesRelatedInstances O=
I 00080018 UI SOPInstanceUID U
I 00200013 IS InstanceNumber R
I 00080016 UI SOPClassUID O
I 00080022 DA AcquisitionDate O
I 00080023 DA ContentDate O
I 00080032 TM AcquisitionTime O
I 00080033 TM ContentTime O
I 0008002A DT AcquisitionDateTime O
I 00280008 IS NumberOfFrames O
I 00280010 US Rows O
I 00280011 US Columns O
I 0040A043 SQ ConceptNameCodeSequence O
I 0040A491 CS CompletionFlag O
I 0040A493 CS VerificationFlag O
A 00080054 AE RetrieveAETitle O*=
A 00080056 CS InstanceAvailability O=
"""


def column_of(keyword: str) -> str:
    """Return the name of a keyword's column: ``SOPClassUID`` becomes ``sop_class_uid``."""
    words = ""
    keyword = keyword.replace("IDs", "Ids")
    for before, letter, after in zip(" " + keyword, keyword, keyword[1:] + " ", strict=False):
        starts = letter.isupper() and (before.islower() or (before.isupper() and after.islower()))
        words += ("_" if starts else "") + letter.lower()
    return words


def _parse() -> tuple[Attribute, ...]:
    attributes = []
    counts: dict[str, int] = {}
    for line in _TABLE.split("\n")[1:-1]:
        letter, tag, vr, keyword, kind = line.split()
        level = "PTSI".find(letter)
        computed = kind.endswith("=")
        column, place = "", -1
        if not computed:
            table = TABLES[level]
            column, place = column_of(keyword), counts.get(table, 0)
            counts[table] = place + 1
        attributes.append(
            Attribute(
                keyword=keyword,
                tag=int(tag, 16),
                vr=vr.encode(),
                level=level,
                kind=kind[0],
                multiple="*" in kind,
                computed=computed,
                column=column,
                place=place,
            )
        )
    return tuple(attributes)


ATTRIBUTES: tuple[Attribute, ...] = _parse()
"""All of them, level by level."""

BY_TAG: Mapping[int, Attribute] = {attribute.tag: attribute for attribute in ATTRIBUTES}
BY_KEYWORD: Mapping[str, Attribute] = {attribute.keyword: attribute for attribute in ATTRIBUTES}

COLUMNS: Mapping[str, tuple[Attribute, ...]] = {
    table: tuple(a for a in ATTRIBUTES if a.column and TABLES[a.level] == table)
    for table in ("study", "series", "instance")
}
"""The attributes with a column, by table, in the order of `Attribute.place`."""

UNIQUE_KEYS: tuple[Attribute, ...] = tuple(a for a in ATTRIBUTES if a.kind == "U")
"""The unique key of each level, by its number."""

"""Identifiers and small objects from keywords, and the sample archive of the matching table."""

# ruff: noqa: E501 - a case is a line

from __future__ import annotations

from typing import TYPE_CHECKING

from isocenter.archive.elements import read_elements
from isocenter.archive.facts import NewInstance, facts_of_elements
from isocenter.dataset.dictionary import tag_of, vr_of
from isocenter.dataset.scan import ENCODINGS
from isocenter.testing.datasets import EXPLICIT_LITTLE, encode_data_set
from isocenter.uids import TRANSFER_SYNTAXES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isocenter.testing.datasets import Element, Value

CT, MR, SR = (
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.4",
    "1.2.840.10008.5.1.4.1.1.88.11",
)


def elements_of(pairs: Sequence[tuple[str, Value]], codec: str = "ascii") -> list[Element]:
    """Return elements by keyword, in the order of tags; ``A.B`` is B in an item of sequence A."""
    elements: dict[int, Element] = {}
    items: dict[int, list[tuple[str, Value]]] = {}
    for keyword, value in pairs:
        outer, _, inner = keyword.partition(".")
        tag = tag_of(outer)
        assert tag is not None, keyword
        if inner:
            items.setdefault(tag, []).append((inner, value))
            elements[tag] = (tag, "SQ", [elements_of(items[tag], codec)])
            continue
        vr = vr_of(tag).decode()
        vr = "OW" if vr == "ox" else vr
        encoded = value
        if isinstance(value, str):
            encoded = int(value) if vr == "US" and value else _padded(value.encode(codec), vr)
        elements[tag] = (tag, vr, encoded)
    return [elements[tag] for tag in sorted(elements)]


def _padded(value: bytes, vr: str) -> bytes:
    return value + (b"\0" if vr == "UI" else b" ") * (len(value) % 2)


def identifier(
    pairs: Sequence[tuple[str, Value]],
    transfer_syntax: str = EXPLICIT_LITTLE,
    codec: str = "ascii",
) -> bytes:
    """Return an encoded identifier."""
    return encode_data_set(elements_of(pairs, codec), transfer_syntax)


def parsed(text: str) -> list[tuple[str, Value]]:
    """Return keyword and value of ``A=1 & B=2``."""
    pairs: list[tuple[str, Value]] = []
    for part in text.split(" & "):
        if part.strip():
            keyword, _, value = part.strip().partition("=")
            pairs.append((keyword, value))
    return pairs


def stored(
    pairs: Sequence[tuple[str, Value]], codec: str = "ascii", syntax: str = EXPLICIT_LITTLE
) -> NewInstance:
    """Return an object that was received, by its data set."""
    encoded = encode_data_set(elements_of(pairs, codec), syntax)
    transfer = TRANSFER_SYNTAXES[syntax]
    elements = read_elements([encoded], ENCODINGS[transfer.is_explicit, transfer.is_little])
    facts = facts_of_elements(elements, transfer_syntax_uid=syntax, little=transfer.is_little)
    path = f"ab/{facts.study_instance_uid}/{facts.sop_instance_uid}.dcm"
    return NewInstance(facts, path, len(encoded), 0, b"", 1.0, "SENDER")


def sample() -> dict[str, NewInstance]:
    """Return the objects of the matching table by label: study, series, instance, as ``A1a``."""
    made = {}
    for line in _SAMPLE.strip().split("\n"):
        label, codec, text = (part.strip() for part in line.split("|"))
        study, series, instance = label[0], label[1], label[2]
        pairs: dict[str, Value] = dict(parsed(_STUDIES[study]))
        pairs |= dict(parsed(text))
        pairs["StudyInstanceUID"] = UIDS[study]
        pairs["SeriesInstanceUID"] = f"{UIDS[study]}.{series}"
        pairs["SOPInstanceUID"] = f"{UIDS[study]}.{series}.{ord(instance) - 96}"
        made[label] = stored(list(pairs.items()), codec or "ascii")
    return made


UIDS: Mapping[str, str] = {letter: f"1.2.{n}" for n, letter in enumerate("ABCDEFGH", 1)}

_STUDIES: Mapping[str, str] = {
    "A": "PatientID=P1 & PatientName=Doe^Jane & PatientBirthDate=19700101 & PatientSex=F"
    " & StudyDate=20040115 & StudyTime=101530 & AccessionNumber=ACC1 & StudyID=S1"
    " & StudyDescription=Head CT & OtherPatientIDs=X1\\X2 & PatientWeight=70.0"
    " & ReferringPhysicianName=House^Gregory & NameOfPhysiciansReadingStudy=Wilson^James\\Cuddy^Lisa"
    " & ProcedureCodeSequence.CodeValue=CTH & ProcedureCodeSequence.CodeMeaning=CT Head",
    "B": "PatientID=P1 & PatientName=DOE^JANE^^ & PatientBirthDate=19700101"
    " & StudyDate=20040229 & StudyTime=235959.5 & AccessionNumber=ACC2 & StudyID=s1"
    " & StudyDescription=head mr & OtherPatientIDs=X2",
    "C": "SpecificCharacterSet=ISO_IR 192 & PatientID=P2 & IssuerOfPatientID=TOKYO"
    " & PatientName=Yamada^Tarou=山田^太郎=やまだ^たろう & StudyDate=20040301 & StudyTime=10"
    " & AccessionNumber=ACC3 & StudyDescription=頭部",
    "D": "SpecificCharacterSet=ISO_IR 100 & PatientID=P3 & PatientName=Müller ^ Ulrich"
    " & StudyDate=2005.01.01 & StudyTime=10:15 & AccessionNumber=ACC1 & StudyDescription=Fuß",
    "E": "PatientName=Anon & StudyDate=2004 & StudyTime=soon & AccessionNumber=",
    "F": "PatientID=P[1] & PatientName=O'Brien_x% & AccessionNumber=a_b%c[d] & StudyDate=20060101",
    "G": "PatientName=Baker^Ann & StudyDate=20070101 & PatientID= ",
}

_SAMPLE = f"""
A1a | | Modality=CT & SeriesNumber=1 & InstanceNumber=1 & SOPClassUID={CT} & SeriesDescription=axial & Rows=512 & KVP=120 & AcquisitionDateTime=20040115101530.5+0100 & RequestAttributesSequence.RequestedProcedureID=RP1 & RequestAttributesSequence.ScheduledProcedureStepID=SPS1 & RequestAttributesSequence.ScheduledProcedureStepStartDate=20040115 & RequestAttributesSequence.ScheduledProcedureStepStartTime=10:15 & RequestAttributesSequence.ScheduledProcedureStepStartDateTime=20040115101530+0100 & RequestAttributesSequence.RequestingPhysician=Cox^Percival & RequestAttributesSequence.ScheduledProtocolCodeSequence.CodeValue=PROT1
A1b | | Modality=CT & SeriesNumber=1 & InstanceNumber=02 & SOPClassUID={CT} & SeriesDescription=axial & Rows=256 & KVP=80
A2a | | Modality=SR & SeriesNumber=2 & InstanceNumber=1 & SOPClassUID={SR} & ConceptNameCodeSequence.CodeValue=R1
B1a | | Modality=MR & SeriesNumber=1 & InstanceNumber=1 & SOPClassUID={MR} & PerformingPhysicianName=Foreman^Eric\\Chase^Robert
C1a | utf-8 | Modality=MR & SeriesNumber=1 & InstanceNumber=1 & SOPClassUID={MR}
D1a | latin-1 | Modality=CT & SeriesNumber=10 & InstanceNumber=1 & SOPClassUID={CT}
E1a | | Modality=OT & InstanceNumber=x & SOPClassUID={CT}
F1a | | Modality=OT & SOPClassUID={CT}
G1a | | Modality=US & SOPClassUID={CT}
"""

"""Lines and XML of data sets are those of dcmdump and dcm2xml."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.keys import apply_keys
from isocenter.dataset.part10 import encode_file_meta
from isocenter.dataset.presentation import dump, xml
from isocenter.dataset.tree import Node, decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.interop, pytest.mark.peer("dcmtk")]

SYNTAXES = {
    "explicit": "1.2.840.10008.1.2.1",
    "implicit": "1.2.840.10008.1.2",
    "big": "1.2.840.10008.1.2.2",
}

# An even number of bytes for the UIDs: dcmdump writes the NUL behind others, we do not.
KEYS = (
    "0008,0000",
    "RETIRED_LengthToEnd=5",
    "SpecificCharacterSet=ISO_IR 100",
    "SOPClassUID==CTImageStorage",
    "StudyDate=20240101-",
    "StudyTime=1 \\2 ",
    "RETIRED_DataSetType=1",
    "AccessionNumber=\\ A \\B ",
    "RetrieveAETitle= A \\ B ",
    "Modality= CT \\ MR ",
    "InstitutionName= a \\ b ",
    "LongCodeValue= uc ",
    "URNCodeValue=http://x ",
    "AcquisitionDateTime= 2024 \\ 2025 ",
    "OperatorsName= A ^B = C^D  \\ E^F ",
    "ReferencedStudySequence",
    "ReferencedImageSequence[0].ReferencedSOPClassUID==CTImageStorage",
    "ReferencedImageSequence[1].ReferencedSOPInstanceUID=1.23",
    "ReferencedImageSequence[1].PurposeOfReferenceCodeSequence[0].CodeValue=1",
    "RecommendedDisplayFrameRateInFloat=0.1",
    "0009,0010=CREATOR",
    "0009,1001=61\\62\\63",
    "PatientName=Doe^J",
    "PatientID= a b ",
    "PatientBirthDate= 2024 \\ 2 ",
    "RETIRED_OtherPatientIDs=a\\b\\c",
    "PatientAge= 5Y",
    "PatientComments=x",
    "EthnicGroup= x",
    "SliceThickness= 1.5 \\ 2 ",
    "SpacingBetweenSlices",
    "StudyInstanceUID=1.2.34",
    "SeriesNumber= 1 \\ 2 \\3  ",
    "ImageComments= a<b>&\"c\"'d' \\ x " + "long " * 30,
    "FrameIncrementPointer=(0018,1063)\\(0018,1065)",
    "Rows=512",
    "RedPaletteColorLookupTableData=1\\2",
    "RealWorldValueSlope=0.1",
    "SelectorOBValue=1\\2",
    "SelectorFDValue=0.3333333333333333\\123456789.123456789\\1e-7\\100000",
    "SelectorFLValue=0.333333333\\1e30\\123456.789\\16777216\\1e-7",
    "SelectorSLValue=-5\\7",
)


@pytest.fixture(params=SYNTAXES)
def syntax(request: pytest.FixtureRequest) -> str:
    return SYNTAXES[request.param]


@pytest.fixture(params=[False, True], ids=["lengths", "delimiters"])
def data(request: pytest.FixtureRequest, syntax: str) -> bytes:
    root = Node()
    apply_keys(root, KEYS)
    return encode(root, syntax, delimited=request.param)


def written(folder: Path, data: bytes, syntax: str) -> str:
    path = folder / "a.dcm"
    head = encode_file_meta(
        transfer_syntax_uid=syntax, sop_class_uid="1.2.3", sop_instance_uid="1.2.4"
    )
    path.write_bytes(head + data)
    return str(path)


def output_of(*command: str) -> bytes:
    return subprocess.run(command, capture_output=True, timeout=60, check=True).stdout


@pytest.mark.parametrize("trimmed", [False, True], ids=["as it came", "trimmed"])
def test_lines_are_those_of_dcmdump(
    tmp_path: Path,
    data: bytes,
    syntax: str,
    peer_tool: Callable[[str, str], str],
    *,
    trimmed: bool,
) -> None:
    path = written(tmp_path, data, syntax)
    correction = "+dc" if trimmed else "-dc"
    program = peer_tool("dcmtk", "dcmdump")
    theirs = output_of(program, "-q", correction, "+L", path).decode("latin-1")
    ours = dump(decode(data, syntax), syntax, trimmed=trimmed)
    assert ours.splitlines()[1:] == theirs[theirs.index("# Dicom-Data-Set") :].splitlines()


def test_xml_is_that_of_dcm2xml(
    tmp_path: Path, data: bytes, syntax: str, peer_tool: Callable[[str, str], str]
) -> None:
    path = written(tmp_path, data, syntax)
    theirs = output_of(peer_tool("dcmtk", "dcm2xml"), "-q", path)
    whole = theirs[theirs.index(b"<data-set") : theirs.index(b"</data-set>")]
    # dcm2xml corrects data as findscu does with +dc.
    ours = xml(decode(data, syntax), syntax, trimmed=True)
    assert ours.splitlines()[:-1] == whole.splitlines()

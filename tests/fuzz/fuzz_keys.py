"""Fuzz target: keys on the command line, and query files.

The first byte of the input chooses: keys, with a NUL behind each, or a query file. Keys may raise
`BadKey` or `ConfigurationError`, a file `DataSetError`, and nothing else. What they come to is
written and read as the same.
"""

from __future__ import annotations

from isocenter.cli.keys import BadKey, apply_keys, load_query, plain_keys
from isocenter.dataset.tree import Node, decode, encode
from isocenter.errors import ConfigurationError, DataSetError
from isocenter.testing.datasets import EXPLICIT_LITTLE
from tests.fuzz import fuzz_part10
from tests.fuzz.files import named
from tests.fuzz.oracle import Limits, raises_only

LIMITS = Limits(memory=64 * 1024 * 1024, per_byte=1024)
"""The number of an item makes as many, of whoever sits at the keyboard."""

_KEYS = (
    "0010,0010=DOE*",
    "PatientID=",
    "StudyDate=20240101-20241231",
    "(0008,1140)[0].ReferencedSOPInstanceUID=1.2.3",
    "ScheduledProcedureStepSequence[1].Modality=CT",
    "RequestAttributesSequence[2]",
    "0028,0010=512",
    "0028,9001=1\\2",
    "0009,0010=ACME",
    "0009,1001=00\\01",
    "7fe0,0010=@x",
    "PatientName[*].x",
    "=",
    "OtherPatientIDsSequence=1",
    "0x10,10=A",
)


def seeds() -> list[bytes]:
    """Return keys one by one and all together, and files."""
    keys = ["\0".join(_KEYS[:6]), *_KEYS]
    return [
        *(b"\0" + each.encode() for each in keys),
        *(b"\1" + each.encode() for each in keys),
        *(b"\2" + each for each in fuzz_part10.seeds()),
    ]


def test_one_input(data: bytes) -> None:
    """Read keys or a file and check what they come to."""
    if not data:
        return
    choice = data[0] % 3
    root = Node()
    words = [word.decode("utf-8", "surrogateescape") for word in data[1:].split(b"\0")]
    if choice == 0:
        with raises_only(BadKey):
            apply_keys(root, words)
    elif choice == 1:
        with raises_only(ConfigurationError):
            for element in plain_keys(words):
                root.put(element)
    else:
        with named(data[1:]) as path, raises_only(DataSetError):
            root = load_query(path)
    written = encode(root, EXPLICIT_LITTLE)
    if encode(decode(written, EXPLICIT_LITTLE), EXPLICIT_LITTLE) != written:
        raise AssertionError("written again it is something else")

"""Helpers for tests of DICOM software: raw PDUs, scripted peers, data sets.

Owns what a test needs to play the other side of an association without trusting
the code under test. Must not know `isocenter.ul` or `isocenter.dimse`: the bytes
here are laid out by hand from PS3.8 9.3 and PS3.7 6.3, so an error of the codec
cannot hide behind the same error in its test.

Modules:
    raw: PDUs, items, PDVs and command sets as bytes, right or wrong on purpose.
    reading: the same bytes taken apart again.
    peer: `ScriptedRequestor` and `ScriptedAcceptor`, peers that do what a script says.
    datasets: data sets and Part 10 files built without pydicom.
    forgetful: `ForgetfulFileSystem`, which tells what a power cut leaves of a program's files.
    certificates: authorities and certificates for TLS, right or wrong (imported on its own).
    signatures: the weak signatures that no library makes any more.
"""

from __future__ import annotations

from isocenter.testing.datasets import DicomObject, ct_image, encode_data_set, generated_uid
from isocenter.testing.forgetful import ForgetfulFileSystem
from isocenter.testing.peer import RawConnection, ScriptedAcceptor, ScriptedRequestor
from isocenter.testing.reading import AssociationFacts, RawMessage, RawPdu

__all__ = [
    "AssociationFacts",
    "DicomObject",
    "ForgetfulFileSystem",
    "RawConnection",
    "RawMessage",
    "RawPdu",
    "ScriptedAcceptor",
    "ScriptedRequestor",
    "ct_image",
    "encode_data_set",
    "generated_uid",
]

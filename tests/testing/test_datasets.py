"""The data set builder, read back by pydicom, which knows nothing of it."""

from __future__ import annotations

from io import BytesIO

import pytest
from pydicom import dcmread

from isocenter.testing import ct_image, generated_uid
from isocenter.testing.datasets import (
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
)

JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"


@pytest.mark.parametrize(
    "syntax",
    [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED_EXPLICIT_LITTLE, JPEG_LOSSLESS],
)
def test_a_built_file_means_what_was_asked_for(syntax: str) -> None:
    image = ct_image(transfer_syntax=syntax, rows=5, columns=7)
    found = dcmread(BytesIO(image.part10()))
    assert found.file_meta.TransferSyntaxUID == syntax
    assert found.file_meta.MediaStorageSOPInstanceUID == image.sop_instance_uid
    assert found.SOPInstanceUID == image.sop_instance_uid
    assert found.SOPClassUID == image.sop_class_uid
    assert (found.Rows, found.Columns) == (5, 7)
    assert found.ReferencedImageSequence[0].ReferencedSOPInstanceUID == "2.25.7"
    assert len(found.PixelData) >= 5 * 7 * 2
    assert len(image.data_set) % 2 == 0


def test_the_same_seed_builds_the_same_object() -> None:
    assert ct_image(sop_instance_uid="2.25.1", seed=3) == ct_image(
        sop_instance_uid="2.25.1", seed=3
    )
    assert ct_image(sop_instance_uid="2.25.1", seed=3) != ct_image(
        sop_instance_uid="2.25.1", seed=4
    )


def test_generated_uids_differ_and_fit() -> None:
    uids = {generated_uid() for _ in range(100)}
    assert len(uids) == 100
    assert all(len(uid) <= 64 and uid.startswith("2.25.") for uid in uids)

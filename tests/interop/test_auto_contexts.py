"""storescu --auto-contexts and receivers of other projects: one command, every file as it is."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from pydicom import dcmread
from pydicom.filereader import read_dataset

from isocenter.errors import DataSetError
from isocenter.sender.prepare import identify, prepare
from isocenter.testing import ct_image
from isocenter.testing.datasets import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from isocenter.uids import SHORT_PROPOSAL
from tests.interop.partners import RECEIVERS, wait_for
from tests.support import part10
from tests.support.proposals import SELECTORS
from tests.support.samples import sendable
from tests.support.tools import DCMTK, OURS, Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.partners import Received
    from tests.support.samples import Sample

pytestmark = pytest.mark.slow

PRIVATE = "1.2.826.0.1.3680043.9.3811.4711"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG_BASELINE, JPEG_LOSSLESS = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70"
J2K_LOSSLESS, J2K = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
RLE = "1.2.840.10008.1.2.5"
COMPRESSED = (JPEG_BASELINE, JPEG_LOSSLESS, J2K_LOSSLESS, J2K, RLE)
NATIVE = (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG)


def smallest(*syntaxes: str, archived: bool = False) -> list[Path]:
    """Return the smallest real file of each transfer syntax, and a segmentation.

    Args:
        syntaxes: which of them.
        archived: only files that name patient, study and series, which an archive asks for.
    """
    wanted: dict[str, Sample] = {}
    for sample in sorted(sendable(), key=lambda sample: sample.path.stat().st_size, reverse=True):
        if sample.transfer_syntax in syntaxes and (not archived or _has_its_place(sample.path)):
            wanted[sample.transfer_syntax] = sample
            if sample.sop_class_uid == SEGMENTATION:
                wanted[SEGMENTATION] = sample
    assert set(wanted) >= set(syntaxes)
    return [sample.path for sample in {s.sop_instance_uid: s for s in wanted.values()}.values()]


def _has_its_place(path: Path) -> bool:
    keys = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of UIDs that are none, in somebody's real files
        found = dcmread(path, specific_tags=list(keys))
        return all(found.get(key) for key in keys)


def _is_whole(path: Path) -> bool:
    try:
        prepare(str(path)).close()
    except DataSetError:
        return False
    return True


def sent(path: Path) -> tuple[str, bytes]:
    """Return transfer syntax and data set of a file, with the NUL that makes it even."""
    parts = part10.read(path)
    return parts.transfer_syntax, parts.data_set + b"\0" * (len(parts.data_set) % 2)


def transfer(name: str, paths: list[Path], folder: Path) -> dict[str, Received]:
    """Send files with one command that succeeds; return what came."""
    with RECEIVERS[name].start(folder) as partner:
        done = OURS.run("storescu", "-v", "--auto-contexts", "127.0.0.1", str(partner.port), *paths)
        assert done.code == 0, done.stderr
        received = wait_for(partner, len(paths))
    assert done.lines.count("I: Received Store Response (Success)") == len(paths)
    assert [line for line in done.lines if "Converting" in line] == []
    return received


def uid_of(path: Path) -> str:
    return identify(str(path)).sop_instance_uid


def pixels(data_set: bytes, transfer_syntax: str) -> object:
    """Return the pixel data, encapsulated or not, None where there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        implicit, little = transfer_syntax == IMPLICIT_LITTLE, transfer_syntax != EXPLICIT_BIG
        return read_dataset(BytesIO(data_set), implicit, little).get("PixelData")


@pytest.mark.peer("pynetdicom")
def test_pynetdicom_gets_every_object_in_its_own_syntax(tmp_path: Path) -> None:
    paths = smallest(*COMPRESSED, *NATIVE, DEFLATED)
    received = transfer("pynetdicom", paths, tmp_path / "partner")
    for path in paths:
        assert tuple(received[uid_of(path)]) == sent(path), path.name


@pytest.mark.peer("orthanc")
def test_orthanc_gets_every_object_in_its_own_syntax(tmp_path: Path) -> None:
    paths = smallest(*COMPRESSED, *NATIVE, archived=True)
    received = transfer("orthanc", paths, tmp_path / "partner")
    for path in paths:
        # It writes data sets anew that it does not like, but no pixels.
        arrived, (syntax, data_set) = received[uid_of(path)], sent(path)
        assert arrived.transfer_syntax == syntax
        assert pixels(arrived.data_set, syntax) == pixels(data_set, syntax), path.name


@pytest.mark.peer("dcmtk")
def test_dcmtk_gets_every_object_of_a_collection_in_its_own_syntax(tmp_path: Path) -> None:
    taken = set(SELECTORS.values())  # 3.6.7 knows no HTJ2K
    samples = [sample for sample in sendable() if sample.transfer_syntax in taken]
    paths = list({s.sop_instance_uid: s.path for s in samples if _is_whole(s.path)}.values())
    assert len(paths) > 50
    private = ct_image(sop_class_uid=PRIVATE, transfer_syntax=RLE)
    paths.append(private.write(tmp_path / "private.dcm"))
    with Receiver(DCMTK, tmp_path / "received", "-v", "+xa", "-pm", "+B") as receiver:
        here = ("127.0.0.1", receiver.port)
        words = [str(word) for word in (*here, *paths)]
        done = OURS.run("storescu", "-v", "--auto-contexts", *words, timeout=60)
        assert done.code == 0, done.stderr[-2000:]
        arrived = {}
        for name in receiver.names:
            parts = part10.read(receiver.directory / name)
            arrived[parts.text(0x00020003)] = (parts.transfer_syntax, parts.data_set)
    assert [line for line in done.lines if "Converting" in line] == []
    assert done.lines.count("I: Received Store Response (Success)") == len(paths)
    for path in paths:
        assert arrived[uid_of(path)] == sent(path), path.name


@pytest.mark.peer("dcmtk")
def test_dcmtk_counts_two_associations_for_more_classes_than_one_takes(tmp_path: Path) -> None:
    classes = [*SHORT_PROPOSAL, *(f"{PRIVATE}.{number}" for number in range(10))]
    images = [ct_image(sop_class_uid=uid, rows=8, columns=8) for uid in classes]
    paths = [image.write(tmp_path / f"{n:03}.dcm") for n, image in enumerate(images)]
    with Receiver(DCMTK, tmp_path / "received", "-v", "-pm", "+B") as receiver:
        done = OURS.run(
            "storescu", "--auto-contexts", "127.0.0.1", str(receiver.port), *paths, timeout=60
        )
        assert done.code == 0, done.stderr
        assert len(receiver.names) == len(paths)
        lines = receiver.log.splitlines()
    assert sum(line.startswith("I: Association Received") for line in lines) == 2
    assert sum(line.startswith("I: Association Release") for line in lines) == 2


@pytest.mark.peer("dcmtk")
def test_dcmtk_without_compressed_syntaxes_gets_the_rest_and_the_code_says_so(
    tmp_path: Path,
) -> None:
    images = [
        ct_image(transfer_syntax=syntax, rows=8, columns=8)
        for syntax in (EXPLICIT_LITTLE, JPEG_LOSSLESS, DEFLATED, IMPLICIT_LITTLE)
    ]
    paths = [image.write(tmp_path / f"{n}.dcm") for n, image in enumerate(images)]
    with Receiver(DCMTK, tmp_path / "received", "+B") as receiver:
        here = ("127.0.0.1", str(receiver.port))
        done = OURS.run("storescu", "-v", "-nh", "--auto-contexts", *here, *paths)
        assert len(receiver.names) == 3
    assert done.code == 1
    assert "E: No conversion to transfer syntax Little Endian Explicit possible!" in done.lines
    # Deflated is converted, which loses nothing.
    conversions = [line for line in done.lines if "Converting" in line]
    assert len(conversions) == 1
    assert conversions[0].startswith("I: Converting transfer syntax: Deflated")

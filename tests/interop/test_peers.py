"""C-ECHO and C-STORE both ways with every peer: what is sent is what arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ct_image
from isocenter.testing.datasets import (
    CT_IMAGE_STORAGE,
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    SECONDARY_CAPTURE_IMAGE_STORAGE,
)
from tests.interop.partners import RECEIVERS, SENDERS, wait_for
from tests.support import part10
from tests.support.tools import UNDER_TEST, Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import DicomObject

pytestmark = pytest.mark.slow

JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
J2K_LOSSLESS = "1.2.840.10008.1.2.4.90"
RLE = "1.2.840.10008.1.2.5"
PROPOSALS = {
    EXPLICIT_LITTLE: "-xe",
    IMPLICIT_LITTLE: "-xi",
    EXPLICIT_BIG: "-xb",
    DEFLATED_EXPLICIT_LITTLE: "-xd",
    JPEG_LOSSLESS: "-xs",
    JPEG_BASELINE: "-xy",
    J2K_LOSSLESS: "-xv",
    RLE: "-xr",
}


def _partners(table: dict[str, object]) -> list[object]:
    """Return the table's names as parameters that need the peer of the same name."""
    return [pytest.param(name, marks=pytest.mark.peer(name)) for name in table]


def _write(folder: Path, images: list[DicomObject]) -> list[Path]:
    folder.mkdir()
    return [image.write(folder / f"{number}.dcm") for number, image in enumerate(images)]


def _images(syntaxes: list[str]) -> list[DicomObject]:
    """Return one object in each syntax, of different classes and sizes, one of odd rows."""
    classes = (CT_IMAGE_STORAGE, SECONDARY_CAPTURE_IMAGE_STORAGE)
    return [
        ct_image(
            transfer_syntax=syntax,
            sop_class_uid=classes[number % 2],
            rows=33 * (number + 1),
            columns=64,
            seed=number,
        )
        for number, syntax in enumerate(syntaxes)
    ]


@pytest.mark.parametrize("name", _partners(dict(RECEIVERS)))
def test_our_echo_is_answered(name: str, tmp_path: Path) -> None:
    with RECEIVERS[name].start(tmp_path / "partner") as partner:
        done = UNDER_TEST.run("echoscu", "-v", "127.0.0.1", str(partner.port))
    assert done.code == 0, done.stderr
    assert "I: Received Echo Response (Success)" in done.lines
    assert "I: Releasing Association" in done.lines


@pytest.mark.parametrize("name", _partners(dict(RECEIVERS)))
def test_our_objects_arrive_as_they_are(name: str, tmp_path: Path) -> None:
    syntaxes = list(PROPOSALS)
    if name == "orthanc":
        # It decodes what it stores: no deflated data set, no pixels that are no pictures.
        syntaxes = [EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG]
    images = _images(syntaxes)
    files = _write(tmp_path / "files", images)
    with RECEIVERS[name].start(tmp_path / "partner") as partner:
        for image, file in zip(images, files, strict=True):
            option = PROPOSALS[image.transfer_syntax]
            arguments = ("-v", "-R", option, "127.0.0.1", str(partner.port), file)
            done = UNDER_TEST.run("storescu", *arguments)
            assert done.code == 0, done.stderr
            assert done.lines.count("I: Received Store Response (Success)") == 1
        received = wait_for(partner, len(images))
    assert set(received) == {image.sop_instance_uid for image in images}
    for image in images:
        arrived = received[image.sop_instance_uid]
        assert arrived.transfer_syntax == image.transfer_syntax
        assert arrived.data_set == image.data_set, image.transfer_syntax


@pytest.mark.parametrize("name", _partners(dict(RECEIVERS)))
def test_our_objects_arrive_in_one_association(name: str, tmp_path: Path) -> None:
    images = [ct_image(rows=50, columns=60, seed=seed) for seed in range(20)]
    files = _write(tmp_path / "files", images)
    with RECEIVERS[name].start(tmp_path / "partner") as partner:
        done = UNDER_TEST.run("storescu", "-v", "127.0.0.1", str(partner.port), *files)
        received = wait_for(partner, len(images))
    assert done.code == 0, done.stderr
    assert done.lines.count("I: Received Store Response (Success)") == 20
    for image in images:
        assert received[image.sop_instance_uid].data_set == image.data_set


@pytest.mark.parametrize("name", _partners(dict(RECEIVERS)))
@pytest.mark.parametrize("length", ["4096", "131072"])
def test_our_large_object_arrives_with_any_pdu_length(
    name: str, length: str, tmp_path: Path
) -> None:
    image = ct_image(rows=1024, columns=1024)
    (file,) = _write(tmp_path / "files", [image])
    with RECEIVERS[name].start(tmp_path / "partner") as partner:
        arguments = ("-R", "-pdu", length, "127.0.0.1", str(partner.port), file)
        done = UNDER_TEST.run("storescu", *arguments)
        received = wait_for(partner, 1)
    assert done.code == 0, done.stderr
    assert received[image.sop_instance_uid].data_set == image.data_set


@pytest.mark.parametrize("name", _partners(dict(SENDERS)))
def test_we_answer_the_echo_of_a_peer(name: str, tmp_path: Path) -> None:
    with Receiver(UNDER_TEST, tmp_path / "ours", "-v") as receiver:
        done = SENDERS[name].echo(receiver.port)
        receiver.process.wait_for_line("I: Received Echo Request")
        assert "E: " not in receiver.log
    if SENDERS[name].true_code:
        assert done.code == 0, done.stderr


@pytest.mark.parametrize("name", _partners(dict(SENDERS)))
def test_the_objects_of_a_peer_arrive_as_they_are(name: str, tmp_path: Path) -> None:
    sender = SENDERS[name]
    images = _images([EXPLICIT_LITTLE, IMPLICIT_LITTLE])
    files = _write(tmp_path / "files", images)
    with Receiver(UNDER_TEST, tmp_path / "ours", "-v", "+B", "+xa") as receiver:
        # One association for each: a sender may not propose two syntaxes of one class.
        for number, file in enumerate(files, 1):
            done = sender.store(receiver.port, [file])
            receiver.process.wait_for_line("I: Received Store Request (MsgID ", count=number)
            if sender.true_code:
                assert done.code == 0, done.stderr
        names = {f"CT.{images[0].sop_instance_uid}", f"SC.{images[1].sop_instance_uid}"}
        assert set(receiver.names) == names
        for image, prefix in zip(images, ("CT", "SC"), strict=True):
            path = receiver.directory / f"{prefix}.{image.sop_instance_uid}"
            kept = part10.read(path)
            assert part10.meta_problems(path) == []
            if sender.exact:
                assert kept.transfer_syntax == image.transfer_syntax
                assert kept.data_set == image.data_set
            else:
                pixels = image.data_set[-2000:]
                assert kept.data_set.endswith(pixels)


@pytest.mark.parametrize("name", _partners(dict(SENDERS)))
def test_a_large_object_of_a_peer_arrives(name: str, tmp_path: Path) -> None:
    sender = SENDERS[name]
    image = ct_image(rows=1500, columns=1024)
    files = _write(tmp_path / "files", [image])
    with Receiver(UNDER_TEST, tmp_path / "ours", "-v", "+B", "-pdu", "131072") as receiver:
        done = sender.store(receiver.port, files)
        if sender.true_code:
            assert done.code == 0, done.stderr
        kept = part10.read(receiver.directory / f"CT.{image.sop_instance_uid}")
    if sender.exact:
        assert kept.data_set == image.data_set
    else:
        assert kept.data_set.endswith(image.data_set[-1_000_000:])

"""What a received object becomes on disk where its data set is read and written anew."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isocenter import uids
from isocenter.dataset import convert, order
from isocenter.dataset.flow import Flow
from isocenter.dataset.likeness import Likeness
from isocenter.dataset.profile import RewriteOptions
from isocenter.errors import ObjectMismatch, StorageRefused
from isocenter.logs import WARNING
from isocenter.storage.options import StorageOptions
from isocenter.storage.placing import Origin
from isocenter.storage.receive import Receiver
from isocenter.storage.spool import Spool
from isocenter.testing import ct_image
from tests.support import part10
from tests.support.variants.encoder import EXPLICIT_LITTLE, Encoder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isocenter.storage.placing import StoredObject

CT = "1.2.840.10008.5.1.4.1.1.2"
OPTIONS = StorageOptions(rewrite=RewriteOptions(), check_uids=True)
ENCODER = Encoder(EXPLICIT_LITTLE)
CLASS = ENCODER.element(0x00080016, "UI", CT.encode() + b"\0")
INSTANCE = ENCODER.element(0x00080018, "UI", b"1.2.34")
NAME = ENCODER.element(0x00100010, "PN", b"A^B ")
PATIENT = ENCODER.element(0x00100020, "LO", b"1234")


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    (tmp_path / "out").mkdir()
    with Spool(str(tmp_path / "out")) as made:
        yield made


def store(spool: Spool, *pieces: bytes, options: StorageOptions = OPTIONS) -> StoredObject:
    received = Receiver(spool, options).begin(
        origin=Origin(1, "STORESCU"),
        sop_class_uid=CT,
        sop_instance_uid="1.2.34",
        transfer_syntax_uid=uids.EXPLICIT_VR_LITTLE_ENDIAN,
    )
    for piece in pieces:
        received.write([memoryview(piece)])
    return received.finish()


@pytest.mark.parametrize("size", [4, 300_000])
def test_elements_out_of_order_are_written_in_order(
    spool: Spool, tmp_path: Path, size: int
) -> None:
    pixels = ENCODER.element(0x7FE00010, "OB", b"1" * size)

    stored = store(spool, CLASS + INSTANCE, pixels + PATIENT, NAME)

    found = part10.read(tmp_path / "out" / stored.name).data_set
    assert found == CLASS + INSTANCE + NAME + PATIENT + pixels
    assert [note.text for note in stored.notes if note.level >= WARNING] == []


def test_elements_too_many_to_sort_are_kept_out_of_order_with_a_warning(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order, "MAXIMUM_ELEMENTS", 3)

    stored = store(spool, CLASS + INSTANCE + PATIENT + NAME)

    found = part10.read(tmp_path / "out" / stored.name).data_set
    assert found == CLASS + INSTANCE + PATIENT + NAME
    (warning,) = [note.text for note in stored.notes if note.level >= WARNING]
    assert warning.endswith(f"{stored.name}: elements kept out of order: too many to sort")


@pytest.mark.parametrize(
    "instance",
    [
        b"",
        ENCODER.element(0x00080018, "UI", b""),
        ENCODER.element(0x00080018, "UI", b"    "),
        ENCODER.element(0x00080018, "US", b"12"),
        ENCODER.element(0x00080018, "UN", b"1.2.34"),
    ],
    ids=["absent", "empty", "blank", "a number", "unknown"],
)
@pytest.mark.parametrize("syntax", ["", uids.IMPLICIT_VR_LITTLE_ENDIAN])
def test_instance_uid_that_is_no_text_is_missing(
    spool: Spool, tmp_path: Path, instance: bytes, syntax: str
) -> None:
    options = StorageOptions(rewrite=RewriteOptions(transfer_syntax_uid=syntax), check_uids=True)

    with pytest.raises(StorageRefused, match="SOP instance UID missing") as caught:
        store(spool, CLASS + instance + NAME, options=options)

    # The sender, who knows the UID, gets 64 characters.
    assert caught.value.comment == "SOP instance UID missing in the data set, empty or no UI"
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("syntax", ["", uids.IMPLICIT_VR_LITTLE_ENDIAN])
def test_instance_uid_of_another_object_is_a_mismatch(
    spool: Spool, tmp_path: Path, syntax: str
) -> None:
    options = StorageOptions(rewrite=RewriteOptions(transfer_syntax_uid=syntax), check_uids=True)

    with pytest.raises(ObjectMismatch, match="is not the request's") as caught:
        store(spool, CLASS, ENCODER.element(0x00080018, "UI", b"1.2.35"), options=options)

    assert caught.value.comment == "SOP instance UID of the data set is not the request's"
    assert list((tmp_path / "out").iterdir()) == []


def test_data_set_without_an_element_lacks_its_class(spool: Spool, tmp_path: Path) -> None:
    with pytest.raises(StorageRefused, match="SOP class UID missing"):
        store(spool)

    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("size", "target", "where"),
    [
        (16, convert.PlanBuilder, "feed_all"),
        (16, convert.PlanBuilder, "finish"),
        (16, convert, "rewritten"),
        (400, convert.PlanBuilder, "feed_all"),
        (400, convert.PlanBuilder, "finish"),
        (400, Flow, "take"),
        (400, Flow, "finish"),
    ],
)
def test_fault_of_ours_loses_no_object(
    spool: Spool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    size: int,
    target: object,
    where: str,
) -> None:
    def fail(*_arguments: object, **_keywords: object) -> None:
        raise TypeError("a mistake")

    monkeypatch.setattr(target, where, fail)
    image = ct_image(rows=size, columns=size)
    options = RewriteOptions(transfer_syntax_uid=uids.IMPLICIT_VR_LITTLE_ENDIAN)
    receiver = Receiver(spool, StorageOptions(rewrite=options))
    received = receiver.begin(
        origin=Origin(1, "STORESCU"),
        sop_class_uid=image.sop_class_uid,
        sop_instance_uid=image.sop_instance_uid,
        transfer_syntax_uid=uids.EXPLICIT_VR_LITTLE_ENDIAN,
    )
    received.write([image.data_set])
    stored = received.finish()
    parts = part10.read(Path(stored.path))
    assert parts.data_set == image.data_set
    assert parts.transfer_syntax == uids.EXPLICIT_VR_LITTLE_ENDIAN
    assert "kept as it came, cannot be read: unexpected TypeError" in stored.notes[-1].text
    assert "reading a data set failed" in caplog.text


@pytest.mark.parametrize("where", ["values_of", "observe"])
def test_fault_in_telling_what_is_familiar_loses_no_object(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    def fail(*_arguments: object) -> None:
        raise TypeError("a mistake")

    monkeypatch.setattr(Likeness, where, fail)
    stored = store(spool, CLASS + INSTANCE + NAME + PATIENT)
    assert part10.read(Path(stored.path)).data_set == CLASS + INSTANCE + NAME + PATIENT
    assert [note.text for note in stored.notes if note.level >= WARNING] == []
    assert "a data set failed" in caplog.text


@pytest.mark.parametrize("step", [1000, 100_000])
def test_long_object_that_begins_as_those_before_and_ends_otherwise_is_read_again(
    spool: Spool, step: int
) -> None:
    receiver = Receiver(spool, OPTIONS)
    pixels = ENCODER.element(0x7FE00010, "OW", bytes(90_000))
    padding = ENCODER.element(0xFFFCFFFC, "OB", bytes(10))
    whole = CLASS + INSTANCE + NAME + PATIENT + pixels

    def outcome(end: bytes, association: int) -> tuple[bytes, list[str]]:
        received = receiver.begin(
            origin=Origin(association, "STORESCU"),
            sop_class_uid=CT,
            sop_instance_uid="1.2.34",
            transfer_syntax_uid=uids.EXPLICIT_VR_LITTLE_ENDIAN,
        )
        data = memoryview(whole + end)
        for place in range(0, len(data), step):
            received.write([data[place : place + step]])
        stored = received.finish()
        notes = [note.text for note in stored.notes if "cannot be read" in note.text]
        return part10.read(Path(stored.path)).data_set, notes

    for _ in range(3):
        assert outcome(b"", 1)[0] == whole
    assert outcome(padding, 1)[0] == whole  # it goes, as always in normal mode
    for association, end in enumerate((padding, b"\1\2\3", bytes(8), NAME), start=2):
        assert outcome(end, 1) == outcome(end, association)

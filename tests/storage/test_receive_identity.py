"""Whose UIDs a file has, and what is said where request and data set differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter import uids
from isocenter.dataset.part10 import read_file_meta
from isocenter.dataset.profile import RewriteOptions
from isocenter.errors import StorageRefused
from isocenter.storage.options import FileWords, StorageOptions
from isocenter.storage.placing import Origin
from isocenter.storage.receive import Receiver
from isocenter.storage.spool import Spool
from isocenter.testing import encode_data_set

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from isocenter.dataset.part10 import FileMeta
    from isocenter.storage.placing import StoredObject

CT, SC = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.7"
LONG = 300_000
"""Bytes of an element of a data set that is on the disk before it is whole."""


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    (tmp_path / "out").mkdir()
    with Spool(str(tmp_path / "out")) as made:
        yield made


def data_of(sop_class: str | None, instance: str | None, more: int = 0) -> bytes:
    elements: list[tuple[int, str, str]] = []
    if sop_class is not None:
        elements.append((0x00080016, "UI", sop_class))
    if instance is not None:
        elements.append((0x00080018, "UI", instance))
    elements.append((0x0040A160, "UT", "x" * (more or 2)))
    return encode_data_set(elements)


def received(
    spool: Spool, data: bytes, words: FileWords | None = None
) -> tuple[StoredObject, FileMeta, bytes]:
    """Receive a data set as SOP class CT, instance 1.2.3."""
    chosen = StorageOptions(
        rewrite=RewriteOptions(),
        identity="data set",
        source_title=False,
        words=words or FileWords(),
    )
    written = Receiver(spool, chosen).begin(
        origin=Origin(1, "STORESCU"),
        sop_class_uid=CT,
        sop_instance_uid="1.2.3",
        transfer_syntax_uid=uids.EXPLICIT_VR_LITTLE_ENDIAN,
    )
    for start in range(0, len(data), 50_000):
        written.write([data[start : start + 50_000]])
    stored = written.finish()
    with open(stored.path, "rb") as file:
        content = file.read()
    meta = read_file_meta(content)
    return stored, meta, content[meta.data_set_offset :]


@pytest.mark.parametrize("more", [0, LONG])
@pytest.mark.parametrize(
    ("sop_class", "instance", "in_file", "said"),
    [
        (CT, "1.2.3", (CT, "1.2.3"), 0),
        (CT, "1.2.4", (CT, "1.2.4"), 1),
        (SC, "1.2.3", (SC, "1.2.3"), 1),
        (SC, "1.2.4", (SC, "1.2.4"), 2),
        (None, "1.2.4", (CT, "1.2.4"), 1),
        (SC, None, (SC, "1.2.3"), 1),
        (None, None, (CT, "1.2.3"), 0),
        ("", "", (CT, "1.2.3"), 0),
    ],
)
def test_file_has_the_uids_of_its_data_set_as_far_as_there_are(
    spool: Spool,
    sop_class: str | None,
    instance: str | None,
    in_file: tuple[str, str],
    said: int,
    more: int,
) -> None:
    data = data_of(sop_class, instance, more)
    stored, meta, kept = received(spool, data)
    assert (meta.media_storage_sop_class_uid, meta.media_storage_sop_instance_uid) == in_file
    assert meta.source_application_entity_title == ""
    assert kept == data
    assert stored.name == "CT.1.2.3"  # what the sender knows it by
    told = [note.text for note in stored.notes if note.text.endswith(": kept")]
    assert len(told) == said


def test_a_name_in_the_place_of_a_uid_is_not_repeated(spool: Spool) -> None:
    stored, _, _ = received(spool, data_of(CT, "Doe^Jane"))
    (text,) = (note.text for note in stored.notes if note.text.endswith(": kept"))
    assert "Doe" not in text
    assert text.startswith("SOP instance UID of the data set, which is none, is not the request's")


def test_a_uid_that_no_file_meta_can_hold_is_left_to_the_request(spool: Spool) -> None:
    data = encode_data_set([(0x00080018, "UI", "1" * 65_534)])
    _, meta, _ = received(spool, data)
    assert meta.media_storage_sop_instance_uid == "1" * 65_534


def test_an_empty_data_set_is_refused(spool: Spool) -> None:
    with pytest.raises(StorageRefused, match="its data set is empty") as caught:
        received(spool, b"")
    assert caught.value.status == 0xC000


def test_what_cannot_be_read_is_kept_under_the_request(spool: Spool) -> None:
    data = b"\x08\0\x60\0CS\xff\xff"
    stored, meta, kept = received(spool, data)
    assert kept == data
    assert meta.media_storage_sop_instance_uid == "1.2.3"
    assert any("cannot be read" in note.text for note in stored.notes)


@pytest.mark.parametrize("first", [True, False])
def test_lines_about_files_are_those_that_were_asked_for(spool: Spool, first: bool) -> None:
    words = FileWords("Stored", "there already", warns_first=first, of_names=False)
    received(spool, data_of(CT, "1.2.3"), words=words)
    stored, _, _ = received(spool, data_of(CT, "1.2.3", 10), words=words)
    assert [note.text for note in stored.notes] == [f"there already, overwriting: {stored.path}"]

"""What a received object becomes on disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from isocenter import logs, uids
from isocenter.dataset.part10 import read_file_meta
from isocenter.errors import ConfigurationError, StorageError
from isocenter.storage.options import StorageOptions
from isocenter.storage.placing import Origin, Placement, StoredObject
from isocenter.storage.receive import ReceivedObject, Receiver
from isocenter.storage.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from isocenter.storage.duplicates import DuplicatePolicy
    from isocenter.storage.receive import IgnoredObject

CT = "1.2.840.10008.5.1.4.1.1.2"
DATA = b"\x08\x00\x05\x00CS\x02\x00X "


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    (tmp_path / "out").mkdir()
    with Spool(str(tmp_path / "out")) as made:
        yield made


def begin(
    receiver: Receiver, *, sop_class_uid: str = CT, sop_instance_uid: str = "1.2.3"
) -> ReceivedObject | IgnoredObject:
    return receiver.begin(
        origin=Origin(1, "STORESCU"),
        sop_class_uid=sop_class_uid,
        sop_instance_uid=sop_instance_uid,
        transfer_syntax_uid=uids.EXPLICIT_VR_LITTLE_ENDIAN,
    )


def stored_names(spool: Spool) -> list[str]:
    return sorted(os.listdir(spool.directory))


def test_object_is_kept_byte_for_byte_behind_its_file_meta(spool: Spool) -> None:
    received = begin(Receiver(spool, StorageOptions()))
    received.write([DATA[:3], memoryview(DATA)[3:7]])
    received.write([DATA[7:]])
    stored = received.finish()
    path = f"{spool.directory}/CT.1.2.3"
    assert stored == StoredObject(path, len(DATA), "CT.1.2.3", Placement(), ())
    with open(stored.path, "rb") as file:
        content = file.read()
    meta = read_file_meta(content)
    assert content[meta.data_set_offset :] == DATA
    assert meta.media_storage_sop_class_uid == CT
    assert meta.media_storage_sop_instance_uid == "1.2.3"
    assert meta.transfer_syntax_uid == uids.EXPLICIT_VR_LITTLE_ENDIAN
    assert meta.implementation_version_name == uids.BIT_PRESERVING_VERSION_NAME
    assert meta.source_application_entity_title == "STORESCU"
    assert stored_names(spool) == ["CT.1.2.3"]


def test_object_without_a_byte_is_a_file_meta(spool: Spool) -> None:
    stored = begin(Receiver(spool, StorageOptions())).finish()
    with open(stored.path, "rb") as file:
        assert read_file_meta(file.read()).present


def test_data_set_alone(spool: Spool) -> None:
    received = begin(Receiver(spool, StorageOptions(write_file_meta=False)))
    received.write([DATA])
    with open(received.finish().path, "rb") as file:
        assert file.read() == DATA


def test_existing_file_is_overwritten(spool: Spool) -> None:
    receiver = Receiver(spool, StorageOptions(write_file_meta=False))
    for text in (b"old", b"new"):
        received = begin(receiver)
        received.write([text])
        received.finish()
    with open(f"{spool.directory}/CT.1.2.3", "rb") as file:
        assert file.read() == b"new"


@pytest.mark.parametrize(
    ("options", "start", "end"),
    [
        (StorageOptions(extension=".dcm"), "CT.1.2.3.dcm", ".dcm"),
        (StorageOptions(naming="unique", extension="x"), "CT.X.2.25.", "x"),
        (StorageOptions(naming="time"), "20", ".CT"),
    ],
)
def test_names_follow_the_options(
    spool: Spool, options: StorageOptions, start: str, end: str
) -> None:
    begin(Receiver(spool, options)).finish()
    (name,) = stored_names(spool)
    assert name.startswith(start)
    assert name.endswith(end)


def test_unlisted_class_has_the_prefix_unknown(spool: Spool) -> None:
    stored = begin(Receiver(spool, StorageOptions()), sop_class_uid="1.2.840.99").finish()
    assert stored.path.endswith("/UNKNOWN.1.2.3")


@pytest.mark.parametrize(
    "uid", ["..", "/", "../../x", "/etc/x", "a\0b", "$(x);`y`|z", "1" * 10_000, "", "\u00ff"]
)
def test_hostile_uid_stays_in_the_directory(spool: Spool, tmp_path: Path, uid: str) -> None:
    received = begin(Receiver(spool, StorageOptions()), sop_class_uid=uid, sop_instance_uid=uid)
    received.write([DATA])
    stored = received.finish()
    assert bool(stored.notes) is (uid not in {"..", ""})
    assert os.listdir(tmp_path) == ["out"]
    assert [os.path.basename(stored.path)] == stored_names(spool)


def test_uid_longer_than_an_element_is_refused(spool: Spool) -> None:
    with pytest.raises(StorageError, match="16-bit"):
        begin(Receiver(spool, StorageOptions()), sop_instance_uid="1" * 70_000)
    assert stored_names(spool) == []


def test_discarded_object_leaves_nothing(spool: Spool) -> None:
    received = begin(Receiver(spool, StorageOptions()))
    received.write([DATA])
    received.discard()
    received.discard()
    other = begin(Receiver(spool, StorageOptions()))
    assert isinstance(other, ReceivedObject)
    with other:
        other.write([DATA])
    assert stored_names(spool) == []


def test_ignored_object_is_counted_and_not_kept(spool: Spool) -> None:
    received = begin(Receiver(spool, StorageOptions(ignore=True)))
    received.write([DATA, DATA])
    assert received.finish() == StoredObject("", 2 * len(DATA), "", Placement(), ())
    received.discard()
    assert stored_names(spool) == []
    assert begin(Receiver(None, StorageOptions(ignore=True))).finish().path == ""


def test_leftovers_are_cleaned_at_the_start_unless_told_not_to(
    spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    leftover = os.path.join(spool.directory, ".isocenter-1-1.part")
    with open(leftover, "wb"):
        pass
    Receiver(spool, StorageOptions(clean_leftovers=False))
    assert os.path.exists(leftover)
    Receiver(spool, StorageOptions())
    assert not os.path.exists(leftover)
    Receiver(spool, StorageOptions())
    assert caplog.messages == ["removed unfinished files of an earlier run: 1"]


def test_options_that_cannot_work_are_refused_at_once(spool: Spool) -> None:
    with pytest.raises(ConfigurationError, match="extension"):
        Receiver(spool, StorageOptions(extension="/../x"))
    with pytest.raises(ValueError, match="directory"):
        Receiver(None, StorageOptions())


@pytest.mark.parametrize(
    ("policy", "level", "told", "is_kept"),
    [
        ("overwrite", "INFO", "", True),
        ("keep-both", "WARNING", "already exists: CT.1.2.3, the new one is", True),
        ("ignore", "WARNING", "ignoring the new one", False),
    ],
)
def test_what_became_of_another_object_of_the_name_is_told(
    spool: Spool, policy: DuplicatePolicy, level: str, told: str, *, is_kept: bool
) -> None:
    receiver = Receiver(spool, StorageOptions(duplicates=policy))
    begin(receiver).finish()
    again = begin(receiver).finish()
    assert again.is_kept
    assert again.notes == ()
    other = begin(receiver)
    other.write([DATA])
    stored = other.finish()
    assert stored.is_kept is is_kept
    assert [note.level for note in stored.notes] == ([getattr(logs, level)] if told else [])
    assert all(told in note.text for note in stored.notes)


@pytest.mark.parametrize("wrong", [{"naming": "bogus"}, {"duplicates": "x"}])
def test_choice_that_is_none_is_refused(spool: Spool, wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="is no choice"):
        Receiver(spool, StorageOptions(**wrong))  # type: ignore[arg-type]  # that is the mistake

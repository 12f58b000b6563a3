"""A received object that somebody else publishes: checked and complete, without a name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from isocenter import uids
from isocenter.dataset.part10 import read_file_meta
from isocenter.dataset.profile import RewriteOptions
from isocenter.errors import ObjectMismatch
from isocenter.storage.options import StorageOptions
from isocenter.storage.placing import Origin
from isocenter.storage.receive import ReceivedObject, Receiver
from isocenter.storage.spool import Spool
from isocenter.testing import ct_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(str(tmp_path)) as made:
        yield made


def begin(spool: Spool, options: StorageOptions, instance: str) -> ReceivedObject:
    received = Receiver(spool, options).begin(
        origin=Origin(1, "STORESCU"),
        sop_class_uid=CT,
        sop_instance_uid=instance,
        transfer_syntax_uid=uids.EXPLICIT_VR_LITTLE_ENDIAN,
    )
    assert isinstance(received, ReceivedObject)
    return received


@pytest.mark.parametrize("rewrite", [None, RewriteOptions()], ids=["as it came", "rewritten"])
@pytest.mark.parametrize("rows", [16, 512], ids=["held in memory", "on disk"])
def test_object_completed_is_whole_in_a_file_that_has_no_name(
    spool: Spool, rewrite: RewriteOptions | None, rows: int
) -> None:
    image = ct_image(rows=rows, columns=rows)
    received = begin(spool, StorageOptions(rewrite=rewrite), image.sop_instance_uid)
    received.write([image.data_set])
    complete = received.complete()
    content = os.pread(complete.file.fileno(), complete.file.length, 0)
    meta = read_file_meta(content)
    assert content[meta.data_set_offset :] == image.data_set
    assert complete.length == len(image.data_set)
    assert complete.is_read is (rewrite is not None)
    assert os.listdir(spool.directory) == []
    complete.file.publish("name")
    received.discard()
    assert os.listdir(spool.directory) == ["name"]


def test_object_that_is_another_leaves_nothing_when_it_is_completed(spool: Spool) -> None:
    image = ct_image()
    options = StorageOptions(rewrite=RewriteOptions(), check_uids=True)
    received = begin(spool, options, "1.2.3")
    received.write([image.data_set])
    with pytest.raises(ObjectMismatch):
        received.complete()
    assert os.listdir(spool.directory) == []

"""A long object is written anew while it comes: one file, and each byte of it once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isocenter import uids
from isocenter.dataset import flow
from isocenter.dataset.profile import RewriteOptions
from isocenter.logs import WARNING
from isocenter.storage.options import StorageOptions
from isocenter.storage.placing import Origin
from isocenter.storage.receive import Receiver
from isocenter.storage.spool import Spool
from isocenter.storage.spoolfile import SpoolFile
from tests.dataset.streams import EXPLICIT, IMPLICIT, outcome, profile
from tests.support import part10
from tests.support.variants.encoder import EXPLICIT_LITTLE, Encoder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isocenter.storage.placing import StoredObject
    from isocenter.wire import Buffer

CT = "1.2.840.10008.5.1.4.1.1.2"
NORMAL = RewriteOptions()
LENGTHS_UNDEFINED = RewriteOptions(lengths="undefined")
DCMRECV = RewriteOptions(
    lengths="undefined",
    keep_trailing_padding=True,
    normalise_values=False,
    blanks_behind_text=True,
)
IMPLICIT_VR = RewriteOptions(transfer_syntax_uid=uids.IMPLICIT_VR_LITTLE_ENDIAN)

ENCODER = Encoder(EXPLICIT_LITTLE)
UIDS = ENCODER.element(0x00080016, "UI", CT.encode() + b"\0") + ENCODER.element(
    0x00080018, "UI", b"1.2.34"
)
PIXELS = ENCODER.element(0x7FE00010, "OW", bytes(range(256)) * 2000)
LONG = ENCODER.element(0x00091010, "OB", bytes(range(256)) * 1000)
BLANKS = ENCODER.element(0x00100020, "LO", b"1234  ")
UNDEFINED, EXPLICIT_LENGTH = True, False


def sequence(tag: int, content: bytes, *, is_undefined: bool) -> bytes:
    """Return a sequence of one item, the lengths of both undefined or explicit."""
    head = tag.to_bytes(4, "big")
    tag_bytes = head[1::-1] + head[3:1:-1]
    if is_undefined:
        item = bytes.fromhex("feff00e0ffffffff") + content + bytes.fromhex("feff0de000000000")
        return tag_bytes + b"SQ\0\0\xff\xff\xff\xff" + item + bytes.fromhex("feffdde000000000")
    item = bytes.fromhex("feff00e0") + len(content).to_bytes(4, "little") + content
    return tag_bytes + b"SQ\0\0" + len(item).to_bytes(4, "little") + item


class Counts:
    """What was asked of the file system."""

    def __init__(self) -> None:
        self.files = 0
        self.written = 0
        self.copied = 0
        self.amended = 0


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counts:
    found = Counts()
    begin, write = Spool.begin, SpoolFile.write
    copy_from, amend = SpoolFile.copy_from, SpoolFile.amend

    def counted_begin(self: Spool) -> SpoolFile:
        found.files += 1
        return begin(self)

    def counted_write(self: SpoolFile, views: Sequence[Buffer]) -> None:
        found.written += sum(map(len, views))
        write(self, views)

    def counted_copy(self: SpoolFile, fd: int, offset: int, length: int) -> None:
        found.copied += length
        copy_from(self, fd, offset, length)

    def counted_amend(self: SpoolFile, offset: int, value: bytes) -> None:
        found.amended += len(value)
        amend(self, offset, value)

    monkeypatch.setattr(Spool, "begin", counted_begin)
    monkeypatch.setattr(SpoolFile, "write", counted_write)
    monkeypatch.setattr(SpoolFile, "copy_from", counted_copy)
    monkeypatch.setattr(SpoolFile, "amend", counted_amend)
    return found


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    (tmp_path / "out").mkdir()
    with Spool(str(tmp_path / "out")) as made:
        yield made


def store(
    spool: Spool,
    data: bytes,
    rewrite: RewriteOptions,
    *,
    step: int = 40_000,
    instance: str = "1.2.34",
    identity: str = "request",
) -> StoredObject:
    options = StorageOptions(
        rewrite=rewrite, identity="data set" if identity == "data set" else "request"
    )
    received = Receiver(spool, options).begin(
        origin=Origin(1, "STORESCU"),
        sop_class_uid=CT,
        sop_instance_uid=instance,
        transfer_syntax_uid=uids.EXPLICIT_VR_LITTLE_ENDIAN,
    )
    for place in range(0, len(data), step):
        # As from a window that is used again.
        received.write([memoryview(bytearray(data[place : place + step]))])
    return received.finish()


def expected(data: bytes, rewrite: RewriteOptions) -> bytes:
    target = rewrite.transfer_syntax_uid
    found = outcome(data, profile(EXPLICIT, target, rewrite))[-1]
    assert isinstance(found, bytes)
    return found


def warnings(stored: StoredObject) -> list[str]:
    return [note.text for note in stored.notes if note.level >= WARNING]


@pytest.mark.parametrize(
    ("data", "rewrite"),
    [
        (
            UIDS + sequence(0x00081140, BLANKS, is_undefined=EXPLICIT_LENGTH) + PIXELS,
            LENGTHS_UNDEFINED,
        ),
        (UIDS + sequence(0x00081140, BLANKS, is_undefined=EXPLICIT_LENGTH) + PIXELS, DCMRECV),
        (UIDS + sequence(0x00081140, BLANKS, is_undefined=UNDEFINED) + PIXELS, NORMAL),
        (UIDS + BLANKS + PIXELS, NORMAL),
        (UIDS + sequence(0x00081140, BLANKS, is_undefined=UNDEFINED) + PIXELS, IMPLICIT_VR),
        (UIDS + sequence(0x00081140, LONG, is_undefined=UNDEFINED) + PIXELS, NORMAL),
        (UIDS + sequence(0x00081140, LONG, is_undefined=EXPLICIT_LENGTH) + PIXELS, NORMAL),
        (UIDS + sequence(0x00081140, LONG + BLANKS, is_undefined=EXPLICIT_LENGTH), NORMAL),
        (UIDS + PIXELS, NORMAL),
    ],
    ids=[
        "explicit lengths become undefined",
        "as dcmrecv",
        "undefined lengths become explicit",
        "blanks go",
        "explicit VR becomes implicit",
        "a long value in an item of undefined length",
        "a long value in an item of explicit length",
        "a length that changes behind a long value",
        "nothing changes",
    ],
)
@pytest.mark.parametrize("step", [40_000, 1_000_000])
def test_long_object_is_written_once(
    spool: Spool, counts: Counts, data: bytes, rewrite: RewriteOptions, step: int
) -> None:
    stored = store(spool, data, rewrite, step=step)

    with open(stored.path, "rb") as file:
        size = len(file.read())
    assert part10.read(Path(stored.path)).data_set == expected(data, rewrite)
    target = rewrite.transfer_syntax_uid or EXPLICIT
    assert part10.read(Path(stored.path)).transfer_syntax == target
    assert warnings(stored) == []
    assert counts.files == 1
    assert counts.copied == 0
    assert counts.written == size  # a length that was not known yet was written twice
    assert counts.amended <= 16


def test_length_of_an_item_around_a_long_value_is_written_when_it_is_known(
    spool: Spool, counts: Counts
) -> None:
    data = UIDS + sequence(0x00081140, LONG, is_undefined=UNDEFINED) + PIXELS
    store(spool, data, NORMAL)
    assert counts.amended == 8


def test_elements_out_of_order_behind_a_long_value_need_a_second_file(
    spool: Spool, counts: Counts
) -> None:
    data = UIDS + sequence(0x00081140, BLANKS, is_undefined=UNDEFINED) + PIXELS + BLANKS

    stored = store(spool, data, NORMAL)

    assert part10.read(Path(stored.path)).data_set == expected(data, NORMAL)
    assert warnings(stored) == []
    assert counts.files > 1
    assert len(list(spool_names(spool))) == 1


def spool_names(spool: Spool) -> list[str]:
    return os.listdir(spool.directory)


@pytest.mark.parametrize(
    "end",
    [PIXELS[:-1], PIXELS + b"\x10\x00\x10\x00\1\1\2\0", PIXELS + b"\x10\x00\x10\x00PN\x40\0ab"],
    ids=["cut short in a value", "no value representation", "cut short behind a value"],
)
@pytest.mark.parametrize("rewrite", [NORMAL, DCMRECV, IMPLICIT_VR], ids=["-e", "dcmrecv", "+ti"])
@pytest.mark.parametrize("is_undefined", [True, False])
def test_what_turns_out_unreadable_at_its_end_is_kept_as_it_came(
    spool: Spool, end: bytes, rewrite: RewriteOptions, is_undefined: bool
) -> None:
    data = UIDS + sequence(0x00081140, BLANKS + LONG, is_undefined=is_undefined) + end

    stored = store(spool, data, rewrite)

    read = part10.read(Path(stored.path))
    assert read.data_set == data
    assert read.transfer_syntax == EXPLICIT
    (warning,) = warnings(stored)
    assert "kept as it came, cannot be read" in warning
    assert len(spool_names(spool)) == 1


def test_objects_like_those_before_are_written_once_and_right_to_their_end(
    spool: Spool, counts: Counts
) -> None:
    head = UIDS + sequence(0x00081140, BLANKS, is_undefined=EXPLICIT_LENGTH)
    receiver = Receiver(spool, StorageOptions(rewrite=DCMRECV))

    def received(data: bytes) -> tuple[bytes, int, bytes, list[str]]:
        counts.files = 0
        begun = receiver.begin(
            origin=Origin(1, "STORESCU"),
            sop_class_uid=CT,
            sop_instance_uid="1.2.34",
            transfer_syntax_uid=EXPLICIT,
        )
        for place in range(0, len(data), 40_000):
            begun.write([memoryview(bytearray(data[place : place + 40_000]))])
        stored = begun.finish()
        said = [text for text in warnings(stored) if "overwriting" not in text]
        return part10.read(Path(stored.path)).data_set, counts.files, data, said

    for _ in range(4):
        made, files, data, said = received(head + PIXELS)
        assert (made, files, said) == (expected(data, DCMRECV), 1, [])
    for end in (BLANKS, sequence(0x7FE10010, BLANKS, is_undefined=EXPLICIT_LENGTH)):
        made, _, data, said = received(head + PIXELS + end)
        assert (made, said) == (expected(data, DCMRECV), [])
    made, _, data, said = received(head + PIXELS[:-1])
    assert made == data
    assert len(said) == 1
    short = head + BLANKS
    for _ in range(4):
        made, files, _, said = received(short)
        assert (made, files, said) == (expected(short, DCMRECV), 1, [])


def test_more_removed_than_is_kept_means_a_second_file_and_no_other_result(
    spool: Spool, counts: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "MOST_REMOVED", 7)
    data = UIDS + sequence(0x00081140, BLANKS, is_undefined=UNDEFINED) + PIXELS

    stored = store(spool, data, NORMAL)

    assert part10.read(Path(stored.path)).data_set == expected(data, NORMAL)
    assert counts.files > 1


def test_uids_of_the_data_set_stand_in_the_file_that_was_written_anew(spool: Spool) -> None:
    data = UIDS + sequence(0x00081140, BLANKS, is_undefined=EXPLICIT_LENGTH) + PIXELS
    rewrite = RewriteOptions(
        lengths="undefined", transfer_syntax_uid=uids.IMPLICIT_VR_LITTLE_ENDIAN
    )

    stored = store(spool, data, rewrite, instance="1.2.99", identity="data set")

    read = part10.read(Path(stored.path))
    assert read.data_set == expected(data, rewrite)
    assert read.transfer_syntax == IMPLICIT
    assert read.text(0x00020003) == "1.2.34"

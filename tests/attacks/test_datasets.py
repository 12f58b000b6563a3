"""Data sets that lie: rows 10, 22, 26, 29, 30, 33, 38 and 41 of the table.

An object that cannot be read is kept byte for byte, or refused with a status: never half of it,
never an abort of ours, and the receiver goes on.
"""

from __future__ import annotations

import struct
import time
import zlib
from typing import TYPE_CHECKING

import pytest

import isocenter
from isocenter.testing import RawMessage, ScriptedRequestor, ct_image, raw
from isocenter.testing.datasets import (
    CT_IMAGE_STORAGE,
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    encode_data_set,
    encode_file_meta,
)
from isocenter.testing.raw import Context
from tests.attacks.support import (
    MIB,
    WAIT,
    check_served,
    kept,
    obey,
    receiving,
    resident,
    run_against,
    storage,
)
from tests.support import part10

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from isocenter.testing.datasets import Value
    from tests.support.tools import Receiver

pytestmark = pytest.mark.slow

MODES: dict[str, tuple[str, ...]] = {
    "normal": (),
    "+B": ("+B",),
    "+ti": ("+ti",),
    "+te": ("+te",),
    "+tb -e": ("+tb", "-e"),
    "+td": ("+td",),
    "+g -u +uc": ("+g", "-u", "+uc"),
    "-su": ("-su", "P"),
    "-sp -rns": ("-sp", "-rns"),
    "+p": ("+p", "512", "64"),
}


@pytest.fixture(scope="module", params=list(MODES.values()), ids=list(MODES))
def receiver(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Receiver]:
    """A receiver for each way to write a data set, for all tests of the module."""
    options: tuple[str, ...] = request.param
    with receiving(tmp_path_factory.mktemp("received"), "-v", "+xd", *options) as running:
        yield running


def _send(
    receiver: Receiver,
    data_set: bytes,
    *,
    uid: str = "2.25.30",
    transfer_syntax: str = EXPLICIT_LITTLE,
) -> int:
    """Store a data set, which has to be answered within a moment; return the status."""
    before = set(kept(receiver.directory))
    start = time.monotonic()
    with ScriptedRequestor(receiver.port, timeout=WAIT) as peer:
        peer.associate([Context(1, CT_IMAGE_STORAGE, (transfer_syntax,))], calling="ATTACKER")
        command = raw.c_store_rq(1, CT_IMAGE_STORAGE, uid)
        peer.send(raw.message(1, command, data_set))
        answer = peer.receive_message()
        peer.release()
    assert isinstance(answer, RawMessage), "it is answered, not aborted"
    assert time.monotonic() - start < WAIT
    status = answer.number(0x0900)
    if status:
        assert set(kept(receiver.directory)) <= before, "what was refused is not there"
    assert receiver.leftovers == []
    return status


def _head(uid: str = "2.25.30", transfer_syntax: str = EXPLICIT_LITTLE) -> bytes:
    return encode_data_set(
        [(0x00080016, "UI", CT_IMAGE_STORAGE), (0x00080018, "UI", uid)], transfer_syntax
    )


def _study(transfer_syntax: str = EXPLICIT_LITTLE) -> bytes:
    return encode_data_set([(0x0020000D, "UI", "2.25.1001")], transfer_syntax)


# --- nesting ----------------------------------------------------------------------------------

DEPTH = 30_000
_TAG = (0x0008, 0x1140)


def _nested(depth: int, kind: str) -> bytes:
    """Return a sequence in an item in a sequence, so many times, without the elements around."""
    if kind == "implicit, undefined":
        opening = struct.pack("<HHI", *_TAG, 0xFFFFFFFF) + struct.pack(
            "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
        )
    elif kind == "big endian, undefined":
        opening = struct.pack(">HH2sHI", *_TAG, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
            ">HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
        )
    elif kind == "UN, undefined":
        # What is in UN of undefined length is implicit VR (PS3.5 6.2.2).
        opening = struct.pack("<HH2sHI", 0x0009, 0x1001, b"UN", 0, 0xFFFFFFFF) + struct.pack(
            "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
        )
        inner = struct.pack("<HHI", *_TAG, 0xFFFFFFFF) + struct.pack(
            "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
        )
        return opening + inner * depth + _closing("<") * (depth + 1)
    elif kind.endswith("undefined"):
        opening = struct.pack("<HH2sHI", *_TAG, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
            "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
        )
    else:
        return _nested_with_lengths(depth, implicit=kind.startswith("implicit"))
    if kind.startswith("unclosed"):
        return opening * depth
    return opening * depth + _closing(">" if kind.startswith("big") else "<") * depth


def _closing(order: str) -> bytes:
    return struct.pack(order + "HHI", 0xFFFE, 0xE00D, 0) + struct.pack(
        order + "HHI", 0xFFFE, 0xE0DD, 0
    )


def _nested_with_lengths(depth: int, *, implicit: bool) -> bytes:
    parts = []
    length = 0
    for _ in range(depth):
        item = struct.pack("<HHI", 0xFFFE, 0xE000, length)
        length += len(item)
        if implicit:
            head = struct.pack("<HHI", *_TAG, length)
        else:
            head = struct.pack("<HH2sHI", *_TAG, b"SQ", 0, length)
        length += len(head)
        parts.append(head + item)
    return b"".join(reversed(parts))


KINDS = {
    "explicit, undefined": EXPLICIT_LITTLE,
    "explicit, lengths": EXPLICIT_LITTLE,
    "implicit, undefined": IMPLICIT_LITTLE,
    "implicit, lengths": IMPLICIT_LITTLE,
    "big endian, undefined": EXPLICIT_BIG,
    "UN, undefined": EXPLICIT_LITTLE,
    "unclosed, undefined": EXPLICIT_LITTLE,
    "deflated, undefined": DEFLATED_EXPLICIT_LITTLE,
}


def _nested_object(kind: str, depth: int, *, study_first: bool = False) -> bytes:
    syntax = KINDS[kind]
    plain = EXPLICIT_LITTLE if syntax == DEFLATED_EXPLICIT_LITTLE else syntax
    head = _head(transfer_syntax=plain)
    study = _study(plain)
    data = head + _nested(depth, kind) + (b"" if study_first else study)
    return _deflated(data) if syntax == DEFLATED_EXPLICIT_LITTLE else data


def _deflated(data: bytes) -> bytes:
    deflater = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    out = deflater.compress(data) + deflater.flush()
    return out + b"\0" * (len(out) % 2)


@pytest.mark.parametrize("kind", KINDS)
def test_dcmtk_1191_nested_sequences_by_the_ten_thousands(receiver: Receiver, kind: str) -> None:
    before = resident(receiver.process.pid)
    data = _nested_object(kind, DEPTH)
    status = _send(receiver, data, transfer_syntax=KINDS[kind])
    if status == 0:
        # Kept as it came: what is that deep is not rewritten.
        found = [each for each in kept(receiver.directory).values() if data in each]
        assert found
    else:
        assert status in {0xC000, 0xA900}
    assert resident(receiver.process.pid) < before + 16 * MIB
    check_served(receiver)


@pytest.mark.parametrize("kind", KINDS)
def test_dcmtk_1191_nested_sequences_in_a_file_to_send(kind: str, tmp_path: Path) -> None:
    syntax = KINDS[kind]
    meta = encode_file_meta(CT_IMAGE_STORAGE, "2.25.30", syntax)
    path = tmp_path / "nested.dcm"
    path.write_bytes(meta + _nested_object(kind, DEPTH))
    good = ct_image(rows=4, columns=4).write(tmp_path / "good.dcm")
    received: list[RawMessage] = []
    for options in (("-R",), ("-R", "-xi")):
        done = run_against(storage(received), "storescu", path, good, options=(*options, "-nh"))
        assert done.seconds < WAIT
        # The good one arrived, and nothing of a file that could not be read.
        assert received[-1].text(0x1000) == ct_uid(good)
        assert all(message.data_set for message in received)
        received.clear()
    assert run_against(obey, "storescu", good).code == 0


def ct_uid(path: Path) -> str:
    """Return the SOP Instance UID of a file."""
    return part10.read(path).text(0x00020003)


@pytest.mark.parametrize("kind", ["explicit, undefined", "implicit, lengths"])
def test_dcmtk_1191_nested_sequences_for_a_provider_that_reads_with_pydicom(kind: str) -> None:
    """Pydicom recurses: what it raises is answered with a status, and ends nothing."""
    seen: list[str] = []

    class Reads:
        def store(self, request: isocenter.StoreRequest) -> int:
            dataset = request.dataset()
            seen.append(str(dataset.SOPInstanceUID))
            return 0

    good = ct_image(rows=4, columns=4)
    with isocenter.serve(storage_provider=Reads()) as server:
        for _ in range(2):
            with ScriptedRequestor(server.port, timeout=WAIT) as peer:
                peer.associate([Context(1, CT_IMAGE_STORAGE, (KINDS[kind],))])
                data = _nested_object(kind, 5_000)
                status = peer.store(1, CT_IMAGE_STORAGE, "2.25.30", data)
                # pydicom reads lengths lazily: what it has read may be fine so far.
                assert kind == "implicit, lengths" or status != 0
                peer.release()
        with ScriptedRequestor(server.port, timeout=WAIT) as peer:
            peer.associate([Context(1, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE,))])
            uids = good.sop_class_uid, good.sop_instance_uid
            assert peer.store(1, *uids, good.data_set) == 0
            peer.release()
    assert seen[-1] == good.sop_instance_uid


# --- elements ---------------------------------------------------------------------------------

ODD = {
    "text of odd length": struct.pack("<HH2sH", 0x0010, 0x0010, b"PN", 5) + b"Doe^J",
    "text of odd length at the end": struct.pack("<HH2sH", 0x0020, 0x4000, b"LT", 1) + b"x",
    "UID of odd length": struct.pack("<HH2sH", 0x0020, 0x0052, b"UI", 7) + b"1.2.3.4",
    "number of odd length": struct.pack("<HH2sH", 0x0028, 0x0010, b"US", 3) + b"\1\0\1",
    "float of odd length": struct.pack("<HH2sH", 0x0018, 0x9087, b"FD", 7) + bytes(7),
    "one byte of everything": b"".join(
        struct.pack("<HH2sH", 0x0009, 0x1000 + number, vr, 1) + b"1"
        for number, vr in enumerate(
            (b"AE", b"AS", b"CS", b"DA", b"DS", b"DT", b"IS", b"LO", b"LT", b"PN", b"SH", b"ST",
             b"TM", b"UI", b"US", b"SS", b"UL", b"SL", b"FL", b"FD", b"AT")
        )
    ),
    "UT of odd length": struct.pack("<HH2sHI", 0x0009, 0x1001, b"UT", 0, 65_535) + b"t" * 65_535,
    "item of odd length": struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 17)
    + struct.pack("<HHI", 0xFFFE, 0xE000, 9)
    + struct.pack("<HH2sH", 0x0008, 0x0060, b"CS", 1)
    + b"C",
}  # fmt: skip


@pytest.mark.parametrize("what", ODD)
def test_cve_2025_14607_text_of_illegal_odd_length(receiver: Receiver, what: str) -> None:
    _send(receiver, _head() + ODD[what] + _study())
    _send(receiver, _head() + _study() + ODD[what])
    check_served(receiver)


ITEMS = {
    "item tag at the top": struct.pack("<HH2sHI", 0xFFFE, 0xE000, b"UN", 0, 4) + b"abcd",
    "item tag with a text's VR": struct.pack("<HH2sH", 0xFFFE, 0xE000, b"LO", 4) + b"abcd",
    "(fffa,fffa) as text": struct.pack("<HH2sH", 0xFFFA, 0xFFFA, b"LO", 4) + b"abcd",
    "(fffa,fffa) as UN": struct.pack("<HH2sHI", 0xFFFA, 0xFFFA, b"UN", 0, 4) + b"abcd",
    "(fffa,fffa) as US": struct.pack("<HH2sH", 0xFFFA, 0xFFFA, b"US", 2) + b"\1\0",
    "(fffa,fffa) as UN of undefined length": struct.pack(
        "<HH2sHI", 0xFFFA, 0xFFFA, b"UN", 0, 0xFFFFFFFF
    )
    + _closing("<")[8:],
    "(fffa,fffa) as OB of undefined length": struct.pack(
        "<HH2sHI", 0xFFFA, 0xFFFA, b"OB", 0, 0xFFFFFFFF
    )
    + _closing("<")[8:],
    "(fffa,fffa) as a sequence of nothing": struct.pack("<HH2sHI", 0xFFFA, 0xFFFA, b"SQ", 0, 0),
    "(fffc,fffc) as a sequence": struct.pack("<HH2sHI", 0xFFFC, 0xFFFC, b"SQ", 0, 0xFFFFFFFF)
    + _closing("<")[8:],
    "(fffc,fffc) before the end": struct.pack("<HH2sHI", 0xFFFC, 0xFFFC, b"OB", 0, 4) + b"pads",
    "delimiter without a sequence": _closing("<"),
    "sequence delimiter with a length": struct.pack("<HHI", 0xFFFE, 0xE0DD, 4) + b"abcd",
    "item in an item": struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 16)
    + struct.pack("<HHI", 0xFFFE, 0xE000, 8)
    + struct.pack("<HHI", 0xFFFE, 0xE000, 0),
    "element in place of an item": struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 10)
    + struct.pack("<HH2sH", 0x0008, 0x0060, b"CS", 2)
    + b"CT",
    "group length as a sequence": struct.pack("<HH2sHI", 0x0010, 0x0000, b"SQ", 0, 0),
    "command element": struct.pack("<HH2sH", 0x0000, 0x0100, b"US", 2) + b"\1\0",
    "File Meta element": struct.pack("<HH2sH", 0x0002, 0x0010, b"UI", 4) + b"1.2\0",
}


@pytest.mark.parametrize("what", ITEMS)
def test_dcmtk_1089_item_and_signature_tags_of_another_vr(receiver: Receiver, what: str) -> None:
    """DCMTK #1089: (fffa,fffa) is taken for a sequence without a look at its VR."""
    _send(receiver, _head() + _study() + ITEMS[what])
    _send(receiver, ITEMS[what] + _head() + _study())
    check_served(receiver)


CONFUSED = {
    "study UID as a sequence": [
        (0x0020000D, b"SQ", struct.pack("<HHI", 0xFFFE, 0xE000, 0)),
    ],
    "study UID as numbers": [(0x0020000D, b"OB", bytes(8))],
    "patient's name as a sequence": [
        (0x00100010, b"SQ", struct.pack("<HHI", 0xFFFE, 0xE000, 0)),
        (0x0020000D, b"UI", b"2.25.7"),
    ],
    "patient's name as UN": [(0x00100010, b"UN", b"Doe^Jane"), (0x0020000D, b"UI", b"2.25.7")],
    "character set as OW": [
        (0x00080005, b"OW", bytes(6)),
        (0x00100010, b"PN", b"\xff\xfe\xfd\xfc"),
        (0x0020000D, b"UI", b"2.25.7"),
    ],
    "a VR of no letters": [(0x00100010, b"\0\0", b"Doe^"), (0x0020000D, b"UI", b"2.25.7")],
    "an unknown VR": [(0x00100010, b"ZZ", b"Doe^"), (0x0020000D, b"UI", b"2.25.7")],
    "pixels as a sequence": [
        (0x0020000D, b"UI", b"2.25.7"),
        (0x7FE00010, b"SQ", struct.pack("<HHI", 0xFFFE, 0xE000, 0)),
    ],
}
_LONG = {b"SQ", b"OB", b"OW", b"UN", b"UT", b"ZZ", b"\0\0"}


@pytest.mark.parametrize("what", CONFUSED)
def test_cve_2024_28130_elements_of_another_type_than_the_dictionary_says(
    receiver: Receiver, what: str
) -> None:
    """CVE-2024-28130, a cast to the class that the tag should have; here also -su and -sp."""
    data = b"".join(
        struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
        + (struct.pack("<HI", 0, len(value)) if vr in _LONG else struct.pack("<H", len(value)))
        + value
        for tag, vr, value in CONFUSED[what]
    )
    _send(receiver, _head() + data)
    check_served(receiver)


GEOMETRY: dict[str, dict[int, tuple[str, Value]]] = {
    "CVE-2024-47796: high bit": {0x00280102: ("US", b"\xff\xff")},
    "CVE-2024-52333: bits allocated": {0x00280100: ("US", b"\x00\x00")},
    "CVE-2026-5442: rows of 32 bits": {0x00280010: ("UL", b"\xff\xff\xff\xff")},
    "CVE-2026-5444: columns of 32 bits": {0x00280011: ("UL", b"\xff\xff\xff\x7f")},
    "frames without end": {0x00280008: ("IS", b"2147483647  ")},
}


@pytest.mark.parametrize("what", GEOMETRY)
def test_cve_2024_47796_cve_2024_52333_cve_2026_5442_and_5444_geometry_that_lies(
    receiver: Receiver, what: str
) -> None:
    """No pixel is ever decoded: such an object is stored like any other one."""
    elements: dict[int, tuple[str, Value]] = {
        0x00080016: ("UI", CT_IMAGE_STORAGE),
        0x00080018: ("UI", "2.25.33"),
        0x0020000D: ("UI", "2.25.1001"),
        0x00280010: ("US", 64),
        0x00280011: ("US", 64),
        0x00280100: ("US", 16),
        0x00280101: ("US", 16),
        0x00280102: ("US", 15),
        0x7FE00010: ("OW", bytes(range(256))),
    }
    elements.update(GEOMETRY[what])
    data = encode_data_set([(tag, vr, value) for tag, (vr, value) in sorted(elements.items())])
    assert _send(receiver, data, uid="2.25.33") == 0
    check_served(receiver)


# --- bombs ------------------------------------------------------------------------------------


def _bomb(size: int) -> bytes:
    """Return a deflated data set of so many bytes of text: about a thousandth of that."""
    deflater = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    out = [deflater.compress(_head("2.25.38") + _study())]
    out.append(
        deflater.compress(struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, size & 0xFFFFFFFE))
    )
    block = bytes(MIB)
    out.extend(deflater.compress(block) for _ in range(size // MIB))
    out.append(deflater.flush())
    data = b"".join(out)
    return data + b"\0" * (len(data) % 2)


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """A quarter of a gigabyte in a quarter of a megabyte."""
    return _bomb(256 * MIB)


def test_cve_2026_5438_and_5439_deflate_bomb_received(receiver: Receiver, bomb: bytes) -> None:
    """Inflated by no more than the limit's ratio, and neither memory nor disk is filled."""
    before = resident(receiver.process.pid)
    status = _send(receiver, bomb, uid="2.25.38", transfer_syntax=DEFLATED_EXPLICIT_LITTLE)
    assert status in {0, 0xC000, 0xA900}
    assert resident(receiver.process.pid) < before + 24 * MIB
    assert sum(len(each) for each in kept(receiver.directory).values()) < 128 * MIB
    check_served(receiver)


def test_pynetdicom_1086_decompression_bomb_of_many_small_objects(receiver: Receiver) -> None:
    small = _bomb(8 * MIB)
    for _ in range(8):
        _send(receiver, small, uid="2.25.38", transfer_syntax=DEFLATED_EXPLICIT_LITTLE)
    check_served(receiver)


@pytest.mark.parametrize("options", [("-R",), ("-R", "-xi")], ids=" ".join)
def test_cve_2026_5438_deflate_bomb_in_a_file_to_send(
    options: tuple[str, ...], bomb: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "bomb.dcm"
    path.write_bytes(encode_file_meta(CT_IMAGE_STORAGE, "2.25.38", DEFLATED_EXPLICIT_LITTLE) + bomb)
    good = ct_image(rows=4, columns=4).write(tmp_path / "good.dcm")
    received: list[RawMessage] = []
    done = run_against(storage(received), "storescu", path, good, options=(*options, "-nh"))
    assert done.seconds < 40
    assert received[-1].text(0x1000) == ct_uid(good)
    assert all(len(message.data_set) < 128 * MIB for message in received)
    assert run_against(obey, "storescu", good).code == 0


# --- queries of the receiver about its own objects ---------------------------------------------


def test_cve_2021_41689_object_without_any_of_its_elements(receiver: Receiver) -> None:
    """An empty data set, and one of a single element: no text that is missing is read."""
    for data in (b"", struct.pack("<HH2sH", 0x0008, 0x0018, b"UI", 0), _head()[:-40]):
        _send(receiver, data)
    check_served(receiver)

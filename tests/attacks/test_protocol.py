"""Associations, PDUs and command sets that lie, against one storescp that has to bear them all.

Rows 10, 16, 17, 23 to 25, 27, 39 and 47 of the table. After each attack another
peer's C-ECHO and C-STORE are answered by the same process.
"""

from __future__ import annotations

import contextlib
import random
import struct
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

from isocenter.testing import RawMessage, ScriptedRequestor, ct_image, raw
from isocenter.testing.datasets import (
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE,
    VERIFICATION,
    encode_data_set,
)
from isocenter.testing.raw import Context
from tests.attacks.support import (
    CONTEXTS,
    ECHO,
    MIB,
    STORE,
    WAIT,
    answer_of,
    check_served,
    receiving,
    reply,
    resident,
)
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.tools import Receiver

pytestmark = pytest.mark.slow

FIND = "1.2.840.10008.5.1.4.1.2.1.1"
MOVE = "1.2.840.10008.5.1.4.1.2.1.2"
COMMITMENT = "1.2.840.10008.1.20.1"

FROM_USER = 0
FROM_PROVIDER = 2
INVALID_PARAMETER = 6

IMAGE = ct_image(rows=16, columns=16)
COMMAND = raw.c_store_rq(1, CT_IMAGE_STORAGE, IMAGE.sop_instance_uid)


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    """One process for the whole module: what one attack leaves behind the next one meets."""
    with receiving(tmp_path_factory.mktemp("received"), "-v") as running:
        yield running


@pytest.fixture(autouse=True)
def good_peer_is_served(receiver: Receiver) -> Iterator[None]:
    """After each attack."""
    yield
    check_served(receiver)


def _associated(receiver: Receiver) -> ScriptedRequestor:
    peer = ScriptedRequestor(receiver.port, timeout=WAIT)
    peer.associate(CONTEXTS)
    return peer


def _attack(receiver: Receiver, data: bytes) -> RawMessage | tuple[int, int] | None:
    """Send bytes within an association; return the message, or source and reason of the abort."""
    with _associated(receiver) as peer:
        with contextlib.suppress(OSError):  # the abort may come before all is sent
            peer.send(data)
        answer = reply(peer)
    if answer is None or isinstance(answer, RawMessage):
        return answer
    assert answer.pdu_type == raw.ABORT, answer
    return answer.body[2], answer.body[3]


def _command(data: bytes, context_id: int = ECHO) -> bytes:
    return raw.p_data(raw.pdv(context_id, data, command=True, last=True))


# --- lengths ----------------------------------------------------------------------------------

LENGTHS = {
    "longer than the PDU": 4000,
    "one byte longer": 19,
    "two to the 31st": 0x80000000,
    "two to the 32nd less one": 0xFFFFFFFF,
    "overflows with its header": 0xFFFFFFFC,
    "overflows with its offset": 0xFFFFFFFA,
    "no room for its own header": 1,
    "zero": 0,
}


@pytest.mark.parametrize("length", LENGTHS.values(), ids=list(LENGTHS))
@pytest.mark.parametrize("place", ["command", "data set", "second"])
def test_dcmtk_1549d8ccc_pdv_longer_than_its_pdu(
    receiver: Receiver, place: str, length: int
) -> None:
    lie = raw.pdv(STORE, bytes(16), command=place == "command", last=True, length=length)
    if place == "data set":
        data = _command(COMMAND, STORE) + raw.p_data(lie)
    elif place == "second":
        data = raw.p_data(raw.pdv(STORE, COMMAND[:8], command=True, last=False), lie)
    else:
        data = raw.p_data(lie)
    assert _attack(receiver, data) == (FROM_PROVIDER, INVALID_PARAMETER)


@pytest.mark.parametrize("length", [16 * MIB, 0x7FFFFFFF, 0xFFFFFFFF])
@pytest.mark.parametrize("pdu_type", [raw.ASSOCIATE_RQ, raw.P_DATA, raw.RELEASE_RQ, raw.ABORT])
def test_pynetdicom_1086_pdu_length_of_gigabytes_before_an_association(
    receiver: Receiver, pdu_type: int, length: int
) -> None:
    before = resident(receiver.process.pid)
    answer = answer_of(receiver.port, raw.pdu(pdu_type, bytes(1000), length=length))
    assert answer is None or answer.pdu_type == raw.ABORT
    assert resident(receiver.process.pid) < before + 8 * MIB


@pytest.mark.parametrize("length", [16 * MIB, 0x7FFFFFFF, 0xFFFFFFFF])
@pytest.mark.parametrize("pdu_type", [raw.ASSOCIATE_RQ, raw.P_DATA, raw.RELEASE_RQ, raw.ABORT])
def test_pynetdicom_1086_pdu_length_of_gigabytes_in_an_association(
    receiver: Receiver, pdu_type: int, length: int
) -> None:
    before = resident(receiver.process.pid)
    answer = _attack(receiver, raw.pdu(pdu_type, bytes(1000), length=length))
    assert isinstance(answer, tuple) or answer is None
    assert resident(receiver.process.pid) < before + 8 * MIB


def test_pynetdicom_1086_pdu_shorter_than_it_says_ends_with_its_connection(
    receiver: Receiver,
) -> None:
    with _associated(receiver) as peer:
        peer.send(raw.pdu(raw.P_DATA, bytes(10), length=16000))


@pytest.mark.parametrize(
    "element",
    [
        struct.pack("<HH2sHI", 0x0010, 0x0010, b"UN", 0, 0xFFFFFFF0),
        struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, 0xFFFFFFFE),
        struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFE),
        struct.pack("<HH2sHIHHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFE),
        struct.pack("<HH2sH", 0x0010, 0x0010, b"PN", 0xFFFE),
    ],
    ids=["UN", "pixels", "sequence", "item", "short VR"],
)
def test_cve_2026_5440_length_of_gigabytes_in_a_data_set_allocates_nothing(
    receiver: Receiver, element: bytes
) -> None:
    before = resident(receiver.process.pid)
    head = encode_data_set(
        [(0x00080016, "UI", CT_IMAGE_STORAGE), (0x00080018, "UI", IMAGE.sop_instance_uid)]
    )
    answer = _attack(receiver, raw.message(STORE, COMMAND, head + element + b"few bytes "))
    # What cannot be read is kept as it came, or refused; no answer would be a crash.
    assert isinstance(answer, RawMessage)
    assert resident(receiver.process.pid) < before + 8 * MIB


def test_pynetdicom_1086_bytes_before_an_association_have_a_budget(tmp_path: Path) -> None:
    """A MiB of a request each, and none has an end; together the budget to the byte."""
    request = raw.pdu(raw.ASSOCIATE_RQ, bytes(MIB - 6), length=MIB)
    with receiving(tmp_path / "out", "-v") as receiver, contextlib.ExitStack() as stack:
        before = resident(receiver.process.pid)
        for _ in range(64):
            peer = stack.enter_context(ScriptedRequestor(receiver.port, timeout=WAIT))
            peer.send(request)
        wait_until(
            lambda: resident(receiver.process.pid) > before + 60 * MIB,
            timeout=WAIT,
            what="all of it to be read",
        )
        # Whoever comes now finds the budget used up, and is served all the same.
        check_served(receiver)
        for _ in range(40):
            peer = stack.enter_context(ScriptedRequestor(receiver.port, timeout=WAIT))
            with contextlib.suppress(OSError):  # somebody has to go
                peer.send(request)
        check_served(receiver)
        assert resident(receiver.process.pid) < before + 100 * MIB


# --- commands ---------------------------------------------------------------------------------


class BadCommand(NamedTuple):
    """Elements of a command set, and whether the message may be answered instead of aborted."""

    elements: tuple[tuple[int, bytes], ...]
    context_id: int = STORE
    answered: bool = False


_CLASS, _FIELD, _ID, _PRIORITY, _TYPE, _INSTANCE = (
    (0x0002, raw.ui(CT_IMAGE_STORAGE)),
    (0x0100, raw.us(1)),
    (0x0110, raw.us(1)),
    (0x0700, raw.us(0)),
    (0x0800, raw.us(1)),
    (0x1000, raw.ui(IMAGE.sop_instance_uid)),
)
_STORE = (_CLASS, _FIELD, _ID, _PRIORITY, _TYPE, _INSTANCE)


def _with(*others: tuple[int, bytes]) -> tuple[tuple[int, bytes], ...]:
    """Return the elements of a C-STORE-RQ, some of them replaced or added, in ascending order."""
    return tuple(sorted((dict(_STORE) | dict(others)).items()))


def _without(element: int) -> tuple[tuple[int, bytes], ...]:
    return tuple(each for each in _STORE if each[0] != element)


BAD_COMMANDS = {
    "SOP class missing": BadCommand(_without(0x0002)),
    "command field missing": BadCommand(_without(0x0100)),
    "message id missing": BadCommand(_without(0x0110)),
    "priority missing": BadCommand(_without(0x0700), answered=True),
    "data set type missing": BadCommand(_without(0x0800)),
    "SOP instance missing": BadCommand(_without(0x1000)),
    "SOP class empty": BadCommand(_with((0x0002, b""))),
    "command field empty": BadCommand(_with((0x0100, b""))),
    "message id empty": BadCommand(_with((0x0110, b""))),
    "data set type empty": BadCommand(_with((0x0800, b""))),
    "SOP instance empty": BadCommand(_with((0x1000, b""))),
    "SOP instance of NULs": BadCommand(_with((0x1000, bytes(64)))),
    "command field of one byte": BadCommand(_with((0x0100, b"\1"))),
    "command field of three bytes": BadCommand(_with((0x0100, b"\1\0\0"))),
    "message id of three bytes": BadCommand(_with((0x0110, b"\1\0\0"))),
    "message id of four bytes": BadCommand(_with((0x0110, b"\1\0\0\0")), answered=True),
    "priority of one byte": BadCommand(_with((0x0700, b"\0"))),
    "data set type of five bytes": BadCommand(_with((0x0800, b"\1\0\0\0\0"))),
    "data set type of a hundred values": BadCommand(_with((0x0800, b"\1\0" * 100)), answered=True),
    "class of odd length": BadCommand(_with((0x0002, CT_IMAGE_STORAGE.encode())), answered=True),
    "SOP instance of 60 000 bytes": BadCommand(_with((0x1000, b"1." * 30_000)), answered=True),
    "SOP class of 60 000 bytes": BadCommand(_with((0x0002, b"1." * 30_000)), answered=True),
    "8 bit in a UID": BadCommand(_with((0x1000, b"1.2.\xff\xfe"))),
    "elements twice": BadCommand((*_STORE, *_STORE), answered=True),
    "command field twice": BadCommand((*_STORE[:2], (0x0100, raw.us(0x30)), *_STORE[2:])),
    "descending": BadCommand(tuple(reversed(_STORE)), answered=True),
    "no data set announced": BadCommand(_with((0x0800, raw.us(0x0101)))),
    "group length twice": BadCommand(((0x0000, raw.us(0) * 2), *_STORE), answered=True),
    "10 000 elements": BadCommand(
        (*_STORE, *((0x2000 + number % 4096, b"xy") for number in range(6000)))
    ),
    "move originator of 4 bytes": BadCommand(_with((0x1031, b"\1\0\0\0")), answered=True),
    "move originator of 4000 bytes": BadCommand(_with((0x1030, b"A" * 4000)), answered=True),
    "a response": BadCommand(_with((0x0100, raw.us(0x8001)), (0x0120, raw.us(1)))),
    "unknown command": BadCommand(_with((0x0100, raw.us(0x4711)))),
    "cancel with a data set": BadCommand(_with((0x0100, raw.us(0x0FFF)))),
    "nothing": BadCommand(()),
}


@pytest.mark.parametrize("what", BAD_COMMANDS)
def test_cve_2024_34508_and_34509_command_set_that_is_invalid(
    receiver: Receiver, what: str
) -> None:
    """CVE-2024-34508, CVE-2024-34509: DCMTK dereferences what is not there."""
    bad = BAD_COMMANDS[what]
    answer = _attack(
        receiver, raw.message(bad.context_id, raw.command_set(bad.elements), IMAGE.data_set)
    )
    if not bad.answered or not isinstance(answer, RawMessage):
        assert isinstance(answer, tuple), "it is aborted, not left without an answer"
        assert answer[0] in {FROM_USER, FROM_PROVIDER}


@pytest.mark.parametrize("said", [0, 1, 4, 0x7FFFFFFF, 0xFFFFFFFF])
def test_cve_2024_34508_and_34509_group_length_that_lies(receiver: Receiver, said: int) -> None:
    answer = _attack(
        receiver, raw.message(STORE, raw.command_set(_STORE, group_length=said), IMAGE.data_set)
    )
    assert answer is not None


def test_cve_2024_34508_command_sets_with_random_changes(receiver: Receiver) -> None:
    """Each is answered or aborted: silence would be a hang, a closed connection a crash."""
    generator = random.Random(34508)
    for _ in range(150):
        changed = bytearray(COMMAND)
        for _ in range(generator.randint(1, 6)):
            place = generator.randrange(len(changed))
            match generator.randrange(3):
                case 0:
                    changed[place] = generator.choice((0, 1, 0x7F, 0x80, 0xFF))
                case 1:
                    del changed[place : place + generator.randint(1, 9)]
                case _:
                    changed[place:place] = generator.randbytes(generator.randint(1, 9))
            if not changed:
                changed = bytearray(b"\0")
        # The abort, where the change made a request wait for more.
        data = raw.message(STORE, bytes(changed), IMAGE.data_set) + raw.release_rp()
        assert _attack(receiver, data) is not None, changed.hex()


@pytest.mark.parametrize("end", range(0, len(COMMAND), 7))
def test_cve_2021_41688_request_cut_at_any_byte(receiver: Receiver, end: int) -> None:
    """A double free in dcmqrdb; here: an abort, and nothing is kept."""
    answer = _attack(receiver, _command(COMMAND[:end], STORE))
    assert isinstance(answer, tuple)


@pytest.mark.parametrize(
    ("sop_class", "field"),
    [(FIND, 0x0020), (MOVE, 0x0021), (MOVE, 0x0010)],
    ids=["C-FIND", "C-MOVE", "C-GET"],
)
@pytest.mark.parametrize("fields", ["all", "no class", "no data set", "nothing"])
def test_cve_2021_41689_and_cve_2025_14841_query_without_its_elements(
    receiver: Receiver, sop_class: str, field: int, fields: str
) -> None:
    """This service is not offered, so nothing looks for what is missing: it is aborted."""
    elements = [(0x0100, raw.us(field)), (0x0110, raw.us(1))]
    if fields != "nothing":
        elements.append((0x0700, raw.us(0)))
        elements.append((0x0800, raw.us(0x0101 if fields == "no data set" else 1)))
    if fields != "no class":
        elements.insert(0, (0x0002, raw.ui(sop_class)))
    query = raw.message(ECHO, raw.command_set(elements), b"")
    assert isinstance(_attack(receiver, query), tuple)
    # Nor is the context accepted that it would need.
    with ScriptedRequestor(receiver.port, timeout=WAIT) as peer:
        facts = peer.associate([*CONTEXTS, Context(5, sop_class, (EXPLICIT_LITTLE,))])
        assert 5 not in facts.accepted
        peer.release()


@pytest.mark.parametrize("referenced", [False, True])
def test_dcm4chee_3660_n_action_without_references(receiver: Receiver, *, referenced: bool) -> None:
    elements = [
        (0x0003, raw.ui(COMMITMENT)),
        (0x0100, raw.us(0x0130)),
        (0x0110, raw.us(1)),
        (0x0800, raw.us(1)),
        (0x1001, raw.ui(COMMITMENT + ".1")),
        (0x1008, raw.us(1)),
    ]
    data_set = encode_data_set([(0x00081195, "UI", "2.25.1")]) if referenced else b""
    answer = _attack(receiver, raw.message(STORE, raw.command_set(elements), data_set))
    assert isinstance(answer, tuple)


# --- associations -----------------------------------------------------------------------------


def _user(*items: bytes) -> bytes:
    """Return an A-ASSOCIATE-RQ with further items of user information."""
    return raw.associate_rq(CONTEXTS, calling="ATTACKER", user=raw.user_information(*items))


def _contexts(count: int, syntaxes: int = 1) -> bytes:
    return raw.associate_rq(
        [
            Context(2 * number + 1 & 0xFF, VERIFICATION, (EXPLICIT_LITTLE,) * syntaxes)
            for number in range(count)
        ],
        calling="ATTACKER",
    )


LONG = "1." + "2" * 60_000
ASSOCIATIONS: dict[str, Callable[[], bytes]] = {
    "128 contexts": lambda: _contexts(128),
    "129 contexts": lambda: _contexts(129),
    "5000 contexts": lambda: _contexts(5000),
    "2000 transfer syntaxes": lambda: _contexts(1, 2000),
    "128 contexts of 200 syntaxes": lambda: _contexts(128, 200),
    "no context": lambda: _contexts(0),
    "abstract syntax of 60 000 bytes": lambda: raw.associate_rq(
        [Context(1, LONG, (EXPLICIT_LITTLE,))]
    ),
    "transfer syntax of 60 000 bytes": lambda: raw.associate_rq(
        [Context(1, VERIFICATION, (LONG,))]
    ),
    "application context of 60 000 bytes": lambda: raw.associate_rq(
        CONTEXTS, application_context=LONG
    ),
    "10 000 unknown items": lambda: _user(*[raw.item(0xEE, b"x")] * 10_000),
    "10 000 empty items": lambda: _user(*[raw.item(0x51, b"")] * 10_000),
    "20 000 role selections": lambda: raw.pdu(
        raw.ASSOCIATE_RQ,
        raw.associate_rq(CONTEXTS)[6:] + raw.item(0x50, raw.item(0x54, b"\0\0\1\1") * 8_000) * 3,
    ),
    "user identity of 64 KiB": lambda: _user(
        raw.item(0x58, struct.pack(">BBH", 1, 1, 65_000) + b"u" * 65_000 + b"\0\0")
    ),
    "user identity that overruns": lambda: _user(
        raw.item(0x58, struct.pack(">BBH", 2, 1, 65_535) + b"u" * 100)
    ),
    "user identity, second field overruns": lambda: _user(
        raw.item(0x58, struct.pack(">BBH", 2, 1, 1) + b"u" + struct.pack(">H", 65_535) + b"p")
    ),
    "thousand user identities": lambda: _user(
        *[raw.item(0x58, struct.pack(">BBH", 1, 0, 1) + b"u\0\0")] * 1000
    ),
    "version name of 60 000 bytes": lambda: raw.associate_rq(
        CONTEXTS, user=raw.user_information(implementation_version_name="V" * 60_000)
    ),
    "implementation class of 60 000 bytes": lambda: raw.associate_rq(
        CONTEXTS, user=raw.user_information(implementation_class_uid=LONG)
    ),
    "extended negotiation of 60 000 bytes": lambda: _user(
        raw.item(0x56, struct.pack(">H", 17) + VERIFICATION.encode() + bytes(60_000))
    ),
    "extended negotiation that overruns": lambda: _user(
        raw.item(0x56, struct.pack(">H", 60_000) + VERIFICATION.encode())
    ),
    "item longer than its PDU": lambda: raw.pdu(
        raw.ASSOCIATE_RQ, raw.associate_rq(CONTEXTS)[6:] + raw.item(0x20, bytes(4), length=65_535)
    ),
    "titles of control characters": lambda: raw.associate_rq(
        CONTEXTS, called=bytes(range(16)), calling=b"\x1b[2J\x07\r\n\0\xff\xfe\x80\\\\\\\\\\"
    ),
    "titles of NULs": lambda: raw.associate_rq(CONTEXTS, called=bytes(16), calling=bytes(16)),
}


@pytest.mark.parametrize("what", ASSOCIATIONS)
def test_dcmtk_1206_overlong_titles_uids_and_items_of_an_association(
    receiver: Receiver, what: str
) -> None:
    """DCMTK #1206, a heap overflow by what is longer than expected; here limits, by name."""
    before = resident(receiver.process.pid)
    start = time.monotonic()
    answer = answer_of(receiver.port, ASSOCIATIONS[what]())
    assert answer is not None
    assert answer.pdu_type in {raw.ASSOCIATE_AC, raw.ASSOCIATE_RJ, raw.ABORT}
    assert len(answer.body) < 64 * 1024
    assert resident(receiver.process.pid) < before + 16 * MIB
    assert time.monotonic() - start < WAIT
    assert not set("\x1b\x07\0") & set(receiver.log)


@pytest.mark.parametrize("length", [1000, 60_000, 4 * MIB])
def test_dcmtk_1206_overlong_keys_of_a_query(receiver: Receiver, length: int) -> None:
    elements = [
        (0x0002, raw.ui(FIND)),
        (0x0100, raw.us(0x0020)),
        (0x0110, raw.us(1)),
        (0x0700, raw.us(0)),
        (0x0800, raw.us(1)),
    ]
    key = struct.pack("<HH2sHI", 0x0010, 0x0010, b"UT", 0, length) + b"A" * length
    answer = _attack(receiver, raw.message(STORE, raw.command_set(elements), key))
    assert not isinstance(answer, RawMessage)

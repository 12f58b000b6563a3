"""Ends, floods and patience: what many peers leave behind, against one storescp.

Rows 15, 18, 20, 28, 31 and 48 of the table. After each attack another peer's C-ECHO and C-STORE
are answered by the same process.
"""

from __future__ import annotations

import contextlib
import os
import random
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ScriptedRequestor, ct_image, raw
from isocenter.testing.datasets import CT_IMAGE_STORAGE
from tests.attacks.support import (
    CONTEXTS,
    MIB,
    STORE,
    WAIT,
    check_served,
    descriptors,
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


# --- ends -------------------------------------------------------------------------------------

REQUEST = raw.associate_rq(CONTEXTS, calling="ATTACKER")
MESSAGE = raw.message(STORE, COMMAND, IMAGE.data_set)
STATES = {
    "STA2, nothing sent": (b"", 0),
    "STA2, half a request": (REQUEST[: len(REQUEST) // 2], 0),
    "STA3, answer not read": (REQUEST, 0),
    "STA6": (REQUEST, 1),
    "STA6, half a header": (REQUEST + MESSAGE[:3], 1),
    "STA6, half a command": (REQUEST + MESSAGE[:40], 1),
    "STA6, command": (REQUEST + raw.p_data(raw.pdv(STORE, COMMAND, command=True, last=True)), 1),
    "STA6, half a data set": (REQUEST + MESSAGE[:-50], 1),
    "STA6, answer not read": (REQUEST + MESSAGE, 1),
    "STA6, answered": (REQUEST + MESSAGE, 2),
    "STA8, release not read": (REQUEST + raw.release_rq(), 1),
    "STA13, release answered": (REQUEST + raw.release_rq(), 2),
    "STA13, after an abort": (REQUEST + raw.release_rp(), 2),
    "STA13, after a second request": (REQUEST + REQUEST, 2),
}
ENDS: dict[str, Callable[[ScriptedRequestor], None]] = {
    "A-ABORT": lambda peer: peer.send(raw.abort()),
    "A-ABORT of another kind": lambda peer: peer.send(raw.abort(2, 6)),
    "A-ABORT twice": lambda peer: peer.send(raw.abort() * 2),
    "reset": lambda peer: peer.vanish(),
    "close": lambda peer: peer.close(),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("state", STATES)
def test_dcmtk_1075_abort_in_every_state(receiver: Receiver, state: str, end: str) -> None:
    """A use after free in dcmqrscp; here: the descriptor and the thread of the peer go."""
    wait_until(lambda: _idle(receiver), timeout=WAIT, what="the peers before to go")
    sent, answers = STATES[state]
    with ScriptedRequestor(receiver.port, timeout=WAIT) as peer:
        peer.send(sent)
        for _ in range(answers):
            reply_pdu = peer.receive()
            assert reply_pdu.pdu_type in {raw.ASSOCIATE_AC, raw.P_DATA, raw.RELEASE_RP, raw.ABORT}
        with contextlib.suppress(OSError):  # it may have closed already
            ENDS[end](peer)
    wait_until(lambda: _idle(receiver), timeout=WAIT, what="the peer to be forgotten")
    assert receiver.leftovers == []


def _idle(receiver: Receiver) -> bool:
    """Tell whether no socket but the listening one is left."""
    folder = f"/proc/{receiver.process.pid}/fd"
    links = []
    for name in os.listdir(folder):
        with contextlib.suppress(OSError):
            links.append(os.readlink(f"{folder}/{name}"))
    return sum(link.startswith("socket:") for link in links) <= 1


# --- growth -----------------------------------------------------------------------------------


def _connect_and_abort(receiver: Receiver, number: int) -> None:
    with ScriptedRequestor(receiver.port, timeout=WAIT) as peer:
        if number % 3:
            peer.associate(CONTEXTS)
        if number % 3 == 2:
            peer.send(MESSAGE[: number % len(MESSAGE)])
        with contextlib.suppress(OSError):
            list(ENDS.values())[number % len(ENDS)](peer)


def _request_again(receiver: Receiver, number: int) -> None:
    """A-ASSOCIATE-RQ within the association, and many of them at once before it."""
    with ScriptedRequestor(receiver.port, timeout=WAIT) as peer:
        with contextlib.suppress(OSError):
            peer.send(REQUEST * (2 + number % 20))
        peer.receive_until_closed()


def _malformed(receiver: Receiver, number: int) -> None:
    generator = random.Random(number)
    if number % 2:
        changed = bytearray(REQUEST)
        for _ in range(4):
            changed[generator.randrange(6, len(changed))] = generator.randrange(256)
        with ScriptedRequestor(receiver.port, timeout=WAIT) as peer:
            peer.send(bytes(changed) + raw.abort())
            reply(peer)
    else:
        changed = bytearray(MESSAGE)
        for _ in range(4):
            changed[generator.randrange(12, len(changed))] = generator.randrange(256)
        with _associated(receiver) as peer:
            with contextlib.suppress(OSError):
                peer.send(bytes(changed) + raw.abort())
            peer.receive_until_closed()


def _objects(receiver: Receiver, number: int) -> None:
    """A good object and one that ends too early, in turn."""
    with _associated(receiver) as peer:
        if number % 2:
            image = ct_image(sop_instance_uid="2.25.41690", rows=16, columns=16, seed=number)
            uids = image.sop_class_uid, image.sop_instance_uid
            assert peer.store(STORE, *uids, image.data_set) == 0
            peer.release()
        else:
            peer.send(MESSAGE[: 100 + number % 400])


def _check_no_growth(
    receiver: Receiver, attack: Callable[[Receiver, int], None], *, count: int = 500
) -> None:
    """Attack again and again: memory and descriptors are afterwards what they were early on."""
    pid = receiver.process.pid
    for number in range(count // 3):
        attack(receiver, number)
    wait_until(lambda: _idle(receiver), timeout=WAIT, what="the connections to go")
    memory, open_before = resident(pid), descriptors(pid)
    for number in range(count):
        attack(receiver, number)
    wait_until(lambda: _idle(receiver), timeout=WAIT, what="the connections to go")
    wait_until(
        lambda: descriptors(pid) <= open_before + 2, timeout=WAIT, what="the descriptors to go"
    )
    assert resident(pid) < memory + 6 * MIB


def test_cve_2022_43272_connect_and_abort_again_and_again_takes_no_memory(
    receiver: Receiver,
) -> None:
    _check_no_growth(receiver, _connect_and_abort)


def test_cve_2026_50254_and_cve_2026_35505_repeated_connection_requests_take_no_memory(
    receiver: Receiver,
) -> None:
    _check_no_growth(receiver, _request_again)


def test_cve_2021_41687_requests_that_cannot_be_read_take_no_memory(receiver: Receiver) -> None:
    _check_no_growth(receiver, _malformed)


def test_cve_2021_41690_objects_and_broken_objects_take_no_memory(receiver: Receiver) -> None:
    _check_no_growth(receiver, _objects)


# --- patience ---------------------------------------------------------------------------------


def test_slow_loris_before_an_association(tmp_path: Path) -> None:
    """Silent and dribbling peers hold nobody up, and are closed when their time is over."""
    options = ("-ta", "3")
    with receiving(tmp_path / "out", *options) as receiver, contextlib.ExitStack() as stack:
        peers = [
            stack.enter_context(ScriptedRequestor(receiver.port, timeout=WAIT)) for _ in range(200)
        ]
        for round_ in range(4):
            for number, peer in enumerate(peers):
                with contextlib.suppress(OSError):
                    if number % 2:
                        peer.send(REQUEST[round_ : round_ + 1])
            check_served(receiver)
        # A connection and the loop: no thread is spent on any of them.
        assert _threads(receiver) < 20
        wait_until(lambda: _idle(receiver), timeout=WAIT, what="all of them to be closed")


def test_slow_loris_within_an_association(tmp_path: Path) -> None:
    """Associated and silent, or in the middle of an object: ended by the socket timeout."""
    options = ("-ts", "2")
    with receiving(tmp_path / "out", *options) as receiver, contextlib.ExitStack() as stack:
        for number in range(60):
            peer = stack.enter_context(_associated(receiver))
            peer.send(MESSAGE[: 10 * (number % 30)])
        check_served(receiver)
        wait_until(lambda: _idle(receiver), timeout=WAIT, what="all of them to be closed")
        assert receiver.leftovers == []


def _threads(receiver: Receiver) -> int:
    return len(os.listdir(f"/proc/{receiver.process.pid}/task"))

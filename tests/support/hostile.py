"""Peers that send anything at all: scripts of them, drawn at random, and how they are played.

Owns what a hostile peer can do to a connection, from the first byte on. Several play at the same
time, each step of one after a step of another. Must not know what the receiver is to do about it.
"""

from __future__ import annotations

import contextlib
import random
import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import strategies as st

from isocenter.testing import ct_image, raw
from isocenter.testing.datasets import CT_IMAGE_STORAGE, EXPLICIT_LITTLE, VERIFICATION
from isocenter.testing.raw import Context
from tests.fuzz.mutations import mutated

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Wrap: TypeAlias = Callable[[socket.socket], socket.socket]

__all__ = ["CONTEXTS", "Step", "changed", "crowd_of", "crowds", "play"]

CONTEXTS = (
    Context(1, VERIFICATION, (EXPLICIT_LITTLE,)),
    Context(3, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE,)),
)
_IMAGE = ct_image(rows=16, columns=16, sop_instance_uid="1.2.3.4")
_STORE = raw.message(
    3, raw.c_store_rq(1, _IMAGE.sop_class_uid, _IMAGE.sop_instance_uid), _IMAGE.data_set
)
_PARTS = {
    "request": raw.associate_rq(CONTEXTS),
    "acceptance": raw.associate_ac([(1, 0, EXPLICIT_LITTLE)]),
    "rejection": raw.associate_rj(1, 1, 1),
    "echo": raw.message(1, raw.c_echo_rq(1)),
    "echo response": raw.message(1, raw.c_echo_rsp(1)),
    "object": _STORE,
    "object in pieces": raw.message(
        3, raw.c_store_rq(2, _IMAGE.sop_class_uid, "1.2.3.5"), _IMAGE.data_set, maximum_length=90
    ),
    "half an object": _STORE[: len(_STORE) // 2],
    "data alone": raw.p_data(raw.pdv(3, b"data", command=False, last=False)),
    "cancel": raw.message(1, raw.c_cancel_rq(1)),
    "release": raw.release_rq(),
    "release response": raw.release_rp(),
    "abort": raw.abort(0, 0),
    "endless PDU": raw.pdu(raw.P_DATA, b"\0\0", length=0xFFFFFFFF),
    "endless request": raw.pdu(raw.ASSOCIATE_RQ, b"\0\1", length=0xFFFFFFFF),
}
_PATIENCE = 0.1
"""Seconds that a step waits for the receiver: it may well say nothing."""


class Step(NamedTuple):
    """One thing that a peer does.

    Fields:
        kind: ``send`` bytes; ``listen``, take what has come; ``half-close``, say no more;
            ``reset``; ``close``; ``associate``, send a request and wait for its answer;
            ``wrap``, begin what the connection is to speak (TLS), and wait for its end.
        data: what is sent.
        piece: bytes of it at once.
    """

    kind: str
    data: bytes = b""
    piece: int = 1 << 20


def changed(data: bytes, seed: int) -> bytes:
    """Return bytes after a few changes, the same for the same seed."""
    return mutated(random.Random(seed), data, tuple(_PARTS.values()))


_DATA = st.one_of(
    st.sampled_from(sorted(_PARTS)).map(_PARTS.__getitem__),
    st.builds(changed, st.sampled_from(sorted(_PARTS)).map(_PARTS.__getitem__), st.integers(0)),
    st.binary(max_size=300),
)
_ENDS = ("half-close", "reset", "close")


def _steps(*, first: st.SearchStrategy[Step], wraps: bool) -> st.SearchStrategy[list[Step]]:
    send = st.builds(Step, st.just("send"), _DATA, st.sampled_from((1 << 20, 1 << 20, 50, 7)))
    kinds = ["listen", "associate", *(("wrap",) if wraps else ())]
    others = st.sampled_from(kinds).map(Step)
    middle = st.lists(st.one_of(send, send, others), max_size=5)
    end = st.sampled_from(_ENDS).map(Step)
    return st.builds(
        lambda begin, body, last: [*begin, *body, *last],
        st.lists(first, max_size=1),
        middle,
        st.lists(end, max_size=1),
    )


def crowds(
    *, most: int = 5, first: st.SearchStrategy[Step] | None = None
) -> st.SearchStrategy[list[list[Step]]]:
    """Return scripts of one to `most` peers.

    Args:
        most: peers at a time.
        first: how a peer may begin, by default with an association; with a step of another kind
            it may also ``wrap``.
    """
    begin = st.just(Step("associate")) if first is None else first
    return st.lists(_steps(first=begin, wraps=first is not None), min_size=1, max_size=most)


def crowd_of(count: int, seed: int) -> list[list[Step]]:
    """Return scripts of so many peers, the same for the same seed."""
    generator = random.Random(seed)
    parts = sorted(_PARTS)

    def step(kind: str) -> Step:
        data = _PARTS[generator.choice(parts)]
        if generator.random() < 0.5:
            data = changed(data, generator.randrange(1 << 30))
        return Step(kind, data, generator.choice((1 << 20, 50))) if kind == "send" else Step(kind)

    kinds = ("associate", "send", "send", "send", "send", *_ENDS)
    return [[step(generator.choice(kinds)) for _ in range(4)] for _ in range(count)]


def play(port: int, crowd: list[list[Step]], wrap: Wrap | None = None) -> list[socket.socket]:
    """Have every peer do its steps, in turns; return what connections are left open.

    Args:
        port: of the receiver.
        crowd: a script for each peer.
        wrap: what ``wrap`` does to a connection; it may raise OSError.
    """
    peers: list[socket.socket | None] = []
    try:
        for _ in crowd:
            sock = socket.create_connection(("127.0.0.1", port), 10)
            peers.append(sock)
        for place in range(max(map(len, crowd), default=0)):
            for number, steps in enumerate(crowd):
                peer = peers[number]
                if peer is not None and place < len(steps):
                    peers[number] = _act(peer, steps[place], wrap)
    except BaseException:
        for each in peers:
            if each is not None:
                each.close()
        raise
    return [each for each in peers if each is not None]


def _act(peer: socket.socket, step: Step, wrap: Wrap | None) -> socket.socket | None:
    """Do one step; return the connection, None where it is closed.

    That the receiver went first, or says nothing, is no error.
    """
    if step.kind == "reset":
        # A wrapped connection may be in the middle of something; the socket below it is not.
        with contextlib.suppress(OSError):
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if step.kind in {"reset", "close"}:
        peer.close()
        return None
    with contextlib.suppress(OSError):
        peer.settimeout(_PATIENCE)
        if step.kind == "wrap" and wrap is not None:
            return wrap(peer)
        if step.kind == "send":
            for start in range(0, len(step.data), step.piece):
                peer.sendall(step.data[start : start + step.piece])
        elif step.kind == "associate":
            peer.sendall(_PARTS["request"])
            peer.recv(65536)
        elif step.kind == "listen":
            peer.settimeout(_PATIENCE / 5)
            peer.recv(65536)
        elif step.kind == "half-close":
            peer.shutdown(socket.SHUT_WR)
    return peer

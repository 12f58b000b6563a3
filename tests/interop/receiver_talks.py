"""Scripted peers for storescp, and what a receiver of either suite showed after them.

Owns the steps that a peer takes and the comparison of both receivers; which of them and what
has to come of it stands in test_differential_receiver_life.py and
test_differential_receiver_names.py.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from isocenter.testing import ScriptedRequestor, ct_image, encode_data_set, raw
from isocenter.testing.datasets import (
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    SECONDARY_CAPTURE_IMAGE_STORAGE,
    VERIFICATION,
)
from isocenter.testing.peer import PeerClosed
from isocenter.testing.raw import Context
from tests.interop.debug_lines import tool_lines
from tests.interop.log_lines import differing_lines, normal
from tests.support.settling import settle
from tests.support.tools import DCMTK, UNDER_TEST, Receiver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.tools import Suite

__all__ = [
    "CONTEXTS",
    "IMAGE",
    "NO_CLASS",
    "OTHERWISE",
    "PRIVATE",
    "Outcome",
    "Talk",
    "answered_with",
    "associated",
    "both",
    "broken_off",
    "diff_of",
    "echo",
    "of_study",
    "sending",
    "small",
    "store",
]

PRIVATE = "1.2.3.4.5.6"
CONTEXTS = (
    Context(1, VERIFICATION, (IMPLICIT_LITTLE,)),
    Context(3, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE,)),
    Context(5, SECONDARY_CAPTURE_IMAGE_STORAGE, (EXPLICIT_LITTLE,)),
    Context(7, PRIVATE, (EXPLICIT_LITTLE,)),
)
IMAGE = ct_image(rows=80, columns=200, sop_instance_uid="2.25.5")


NO_CLASS = b"\x08\0\x60\0CS\2\0CT" + IMAGE.data_set[IMAGE.data_set.index(b"\x10\0\x10\0PN") :]


class Talk(NamedTuple):
    """What one peer does with the receiver; returns what it saw."""

    name: str
    act: Callable[[ScriptedRequestor], object]


def associated(
    *steps: Callable[[ScriptedRequestor], object],
) -> Callable[[ScriptedRequestor], object]:
    def act(requestor: ScriptedRequestor) -> object:
        requestor.associate(CONTEXTS)
        seen = [step(requestor) for step in steps]
        requestor.release()
        return seen

    return act


def broken_off(
    *steps: Callable[[ScriptedRequestor], object],
) -> Callable[[ScriptedRequestor], object]:
    """As above; how the receiver breaks off is what is seen."""

    def act(requestor: ScriptedRequestor) -> object:
        requestor.associate(CONTEXTS)
        for step in steps:
            step(requestor)
        return [pdu.pdu_type for pdu in requestor.receive_until_closed(timeout=8)]

    return act


def echo(requestor: ScriptedRequestor) -> int:
    return requestor.echo(1)


def store(
    uid: str = IMAGE.sop_instance_uid,
    *,
    context: int = 3,
    sop_class: str = CT_IMAGE_STORAGE,
    data: bytes = IMAGE.data_set,
) -> Callable[[ScriptedRequestor], int]:
    return lambda requestor: requestor.store(context, sop_class, uid, data, maximum_length=4096)


def small(uid: str) -> Callable[[ScriptedRequestor], int]:
    return store(uid, data=ct_image(rows=4, columns=4, sop_instance_uid=uid).data_set)


def of_study(uid: str, study: str, patient: str) -> Callable[[ScriptedRequestor], int]:
    elements = [
        (0x00080005, "CS", "ISO_IR 100"),
        (0x00080016, "UI", CT_IMAGE_STORAGE),
        (0x00080018, "UI", uid),
        (0x00100010, "PN", patient),
        (0x0020000D, "UI", study),
    ]
    return store(uid, data=encode_data_set(elements))


def sending(data: bytes) -> Callable[[ScriptedRequestor], object]:
    return lambda requestor: requestor.send(data)


def answered_with(request: bytes) -> Callable[[ScriptedRequestor], object]:
    def act(requestor: ScriptedRequestor) -> object:
        requestor.send(request)
        pdu = requestor.receive()
        return pdu.pdu_type, pdu.body if pdu.pdu_type == raw.ASSOCIATE_RJ else b""

    return act


class Outcome(NamedTuple):
    """What a receiver showed."""

    lines: list[str]
    seen: dict[str, object]
    folder: Path
    names: list[str]
    stdout: str


def _live(suite: Suite, folder: Path, options: tuple[str, ...], talks: tuple[Talk, ...]) -> Outcome:
    """Start a receiver, have all talks with it, and return what it showed."""
    seen: dict[str, object] = {}
    with Receiver(suite, folder, *options) as receiver:
        for talk in talks:
            with ScriptedRequestor(receiver.port) as requestor:
                try:
                    seen[talk.name] = talk.act(requestor)
                except (PeerClosed, AssertionError) as problem:
                    seen[talk.name] = type(problem).__name__
            settle(receiver.process.pid, lambda: receiver.log)
        place = str(folder)
        lines = [line.replace(place, "OUT") for line in normal(receiver.log.splitlines())]
        return Outcome(lines, seen, folder, receiver.names, receiver.process.stdout)


def both(
    tmp_path: Path, options: tuple[str, ...], talks: tuple[Talk, ...]
) -> tuple[Outcome, Outcome]:
    """Run both side by side; their folders have names of the same length."""
    with ThreadPoolExecutor(2) as pool:
        oracle, ours = pool.map(
            lambda row: _live(
                row[1], tmp_path / f"out{row[0]}", _told_alike(row[1], options), talks
            ),
            enumerate((DCMTK, UNDER_TEST)),
        )
    return oracle, ours


def _told_alike(suite: Suite, options: tuple[str, ...]) -> tuple[str, ...]:
    """Have ours tell the names of folders, which the oracle does unasked (docs/privacy.md)."""
    asked_for = suite.is_ours and "-sp" in options
    return (*options, "--log-patient-data") if asked_for else options


OTHERWISE = (
    (r"[ID]: (Our|Their) Implementation (Class UID|Version Name): .*", "who it is"),
    (r"W: ASSOC: PDV send length \d+ is odd \(using \d+\)", "ours uses the even one and is silent"),
)
"""Lines that are left out: (regular expression, why)."""


def _comparable(side: Outcome) -> list[str]:
    lines = tool_lines(side.lines)
    return [line for line in lines if not any(re.fullmatch(p, line) for p, _ in OTHERWISE)]


def diff_of(oracle: Outcome, ours: Outcome) -> list[str]:
    lines = differing_lines(_comparable(oracle), _comparable(ours)).splitlines()
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]

"""Objects sent byte for byte to a storescp over one association, and what it made of them.

An association that the receiver aborts is followed by another one. The sender is scripted:
no sender's code stands between the bytes of an object and the receiver.
"""

from __future__ import annotations

import contextlib
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from isocenter.testing import ScriptedRequestor
from isocenter.testing.peer import PeerClosed
from isocenter.testing.raw import Context
from tests.support import part10
from tests.support.samples import sendable
from tests.support.variants import broken_variants, variants

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.support.tools import Receiver
    from tests.support.variants import Variant

__all__ = ["ABORT", "Object", "Outcome", "broken", "collection", "generated", "send"]

ABORT = "abort"
"""The status of an object in whose place an A-ABORT came."""


class Object(NamedTuple):
    """What is sent: its name in messages, the request's UIDs, and the bytes."""

    name: str
    transfer_syntax: str
    sop_class_uid: str
    sop_instance_uid: str
    data_set: bytes


class Outcome(NamedTuple):
    """What came of an object: four hexadecimal digits or `ABORT`, and its file, if any."""

    status: str
    file: bytes | None


def _objects(found: Iterable[Variant]) -> list[Object]:
    return [Object(*each) for each in found]


def generated() -> list[Object]:
    """Return the generated data sets that can be read."""
    return _objects(variants())


def broken() -> list[Object]:
    """Return the generated data sets that cannot."""
    return _objects(broken_variants())


def collection(*, most: int) -> list[Object]:
    """Return the real files' data sets of at most so many bytes, an even number each."""
    return [each for each in _real() if len(each.data_set) <= most]


@cache
def _real() -> tuple[Object, ...]:
    found = []
    for sample in sendable():
        data = part10.read(sample.path).data_set
        uids = sample.transfer_syntax, sample.sop_class_uid, sample.sop_instance_uid
        found.append(Object(sample.name, *uids, data + b"\0" * (len(data) % 2)))
    return tuple(found)


class _Line:
    """A connection to a receiver that is opened again where it was aborted."""

    def __init__(self, receiver: Receiver, objects: Sequence[Object]) -> None:
        self._receiver = receiver
        pairs = dict.fromkeys((each.sop_class_uid, each.transfer_syntax) for each in objects)
        if len(pairs) > 128:
            raise ValueError(f"{len(pairs)} contexts do not fit into one association")
        self._ids = {pair: 2 * number + 1 for number, pair in enumerate(pairs)}
        self._accepted: frozenset[int] = frozenset()
        self._requestor: ScriptedRequestor | None = None

    def _associate(self) -> ScriptedRequestor:
        if self._requestor is None:
            self._requestor = ScriptedRequestor(self._receiver.port)
            contexts = [Context(number, pair[0], (pair[1],)) for pair, number in self._ids.items()]
            facts = self._requestor.associate(contexts)
            self._accepted = frozenset(facts.accepted)
        return self._requestor

    def store(self, each: Object) -> str | None:
        """Return the status of an object, None where its context was not accepted."""
        requestor = self._associate()
        context = self._ids[each.sop_class_uid, each.transfer_syntax]
        if context not in self._accepted:
            return None
        try:
            uids = each.sop_class_uid, each.sop_instance_uid
            return f"{requestor.store(context, *uids, each.data_set):04x}"
        except (AssertionError, PeerClosed):
            requestor.close()
            self._requestor = None
            return ABORT

    def release(self) -> None:
        """End the association, where there is one."""
        if self._requestor is not None:
            with contextlib.closing(self._requestor):
                self._requestor.release()


def _rounds(objects: Sequence[Object]) -> list[list[Object]]:
    """Return the objects in order, none twice in a round: its file would be overwritten."""
    rounds: list[dict[str, Object]] = []
    for each in objects:
        free = next((one for one in rounds if each.sop_instance_uid not in one), None)
        if free is None:
            free = {}
            rounds.append(free)
        free[each.sop_instance_uid] = each
    return [list(one.values()) for one in rounds]


def send(receiver: Receiver, objects: Sequence[Object]) -> dict[str, Outcome]:
    """Send the objects and return what came of each that the receiver accepts, by name.

    The output directory is empty afterwards.
    """
    found: dict[str, Outcome] = {}
    line = _Line(receiver, objects)
    for together in _rounds(objects):
        statuses = {each.name: line.store(each) for each in together}
        # The name of a file is a prefix of its class, a point, and the instance.
        files = {name.partition(".")[2]: name for name in receiver.names}
        for each in together:
            status = statuses[each.name]
            name = files.get(each.sop_instance_uid)
            path = receiver.directory / name if name is not None else None
            if status is not None:
                found[each.name] = Outcome(status, path.read_bytes() if path else None)
            if path is not None:
                path.unlink()
    line.release()
    return found

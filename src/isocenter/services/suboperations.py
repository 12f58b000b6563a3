"""The sub-operations of a retrieve as numbers and statuses, and which contexts they need.

Owns the counts, the list of what failed, the status at the end, and the choice of a presentation
context for an object. Must not know associations, threads nor files.

PS3.4 C.4.2.1.4 to C.4.2.1.7, C.4.3.1.3, C.4.3.1.4; PS3.7 9.1.3, 9.1.4.
"""

from __future__ import annotations

import struct
import threading

from isocenter.dimse.status import (
    CANCEL,
    OUT_OF_RESOURCES_SUB_OPERATIONS,
    SUB_OPERATIONS_COMPLETE_WITH_FAILURES,
    SUCCESS,
    StatusClass,
    classify,
)
from isocenter.record import NamedTuple
from isocenter.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from isocenter.ul.negotiation import MAXIMUM_CONTEXTS
from isocenter.ul.request import ProposedContext

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from isocenter.services.plans import RetrieveInstance
    from isocenter.ul.negotiation import AcceptedContext

__all__ = ["Counts", "OutgoingContexts", "Tally", "failed_list", "proposals"]

_MOST = 0xFFFF
"""What a number of sub-operations can say (VR US)."""

_LONGEST_LIST = 0xFFFE
"""Bytes of a UI value, inclusive, in explicit VR: its length has 16 bits and is even."""

_USUAL = frozenset({EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN})
"""What objects are offered in besides what they are; big endian is retired (PS3.5 annex A)."""

_LIST_GROUP, _LIST_ELEMENT = 0x0008, 0x0058  # Failed SOP Instance UID List


class Counts(NamedTuple):
    """Sub-operations by their state, as responses say them (PS3.7 9.1.4.1.7 to 9.1.4.1.10)."""

    remaining: int
    completed: int
    failed: int
    warning: int


class Tally:
    """What became of the sub-operations so far; one thread counts, others look.

    Args:
        total: how many there are.
    """

    __slots__ = ("_completed", "_failed", "_lock", "_remaining", "_sealed", "_warning", "cause")

    def __init__(self, total: int) -> None:
        """Start with all of them remaining."""
        self._lock = threading.Lock()
        self._remaining = total
        self._completed = self._warning = 0
        self._failed: list[str] = []
        self._sealed = False
        self.cause = ""
        """Why something was not sent, in the words of the first of these failures."""

    def answered(self, sop_instance_uid: str, status: int, comment: str) -> None:
        """Count an object by the status of its C-STORE response."""
        kind = classify(status)
        if kind is StatusClass.SUCCESS:
            self._count(completed=1)
        elif kind is StatusClass.WARNING:
            self._count(warning=1)
        else:
            words = f"C-STORE failed, status {status:04X}H"
            self.failed(sop_instance_uid, f"{words}: {comment}" if comment else words)

    def failed(self, sop_instance_uid: str, cause: str) -> None:
        """Count an object that was not sent or not taken."""
        with self._lock:
            if not self._sealed:
                self._remaining -= 1
                self._failed.append(sop_instance_uid)
                self.cause = self.cause or cause

    def _count(self, *, completed: int = 0, warning: int = 0) -> None:
        with self._lock:
            if not self._sealed:
                self._remaining -= 1
                self._completed += completed
                self._warning += warning

    def seal(self) -> None:
        """Count nothing more: the final response is about to say what was counted."""
        with self._lock:
            self._sealed = True

    @property
    def failed_uids(self) -> Sequence[str]:
        """The SOP Instance UIDs of what failed, in the order of the failures."""
        with self._lock:
            return tuple(self._failed)

    @property
    def counts(self) -> Counts:
        """The numbers of this moment, as far as a response can say them."""
        with self._lock:
            return Counts(
                min(self._remaining, _MOST),
                min(self._completed, _MOST),
                min(len(self._failed), _MOST),
                min(self._warning, _MOST),
            )

    def status(self, *, cancelled: bool = False) -> int:
        """Return the status of the final response (PS3.4 C.4.2.1.5, C.4.3.1.4).

        As DCMTK's dcmqrscp: with nothing but failures the retrieve is a failure.
        """
        with self._lock:
            if cancelled and self._remaining:
                return CANCEL
            if self._failed and not (self._completed or self._warning):
                return OUT_OF_RESOURCES_SUB_OPERATIONS
            if self._failed or self._warning:
                return SUB_OPERATIONS_COMPLETE_WITH_FAILURES
            return SUCCESS


def failed_list(sop_instance_uids: Sequence[str], transfer_syntax_uid: str) -> tuple[bytes, int]:
    """Return the identifier of a final response, and how many UIDs it names.

    It has one element, Failed SOP Instance UID List. As many UIDs are named as one value of VR UI
    has room for in any transfer syntax; the number of failures tells of the others.

    PS3.4 C.4.2.1.4.2, C.4.3.1.3.2; PS3.5 6.2, 7.1.2.
    """
    # What came out of an index may be anything; the value is ASCII (PS3.5 9.1).
    named = [uid.encode("ascii", "replace") for uid in sop_instance_uids]
    length = number = 0
    for uid in named:
        longer = length + len(uid) + (number > 0)
        if longer + longer % 2 > _LONGEST_LIST:
            break
        length, number = longer, number + 1
    value = b"\\".join(named[:number])
    value += b"\0" * (len(value) % 2)
    if transfer_syntax_uid == IMPLICIT_VR_LITTLE_ENDIAN:
        return struct.pack("<HHI", _LIST_GROUP, _LIST_ELEMENT, len(value)) + value, number
    order = ">" if transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN else "<"
    head = struct.pack(order + "HH2sH", _LIST_GROUP, _LIST_ELEMENT, b"UI", len(value))
    if transfer_syntax_uid != DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        return head + value, number
    import zlib

    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = deflater.compress(head + value) + deflater.flush()
    return data + b"\0" * (len(data) % 2), number


class OutgoingContexts:
    """The accepted contexts on which this side may send objects.

    Args:
        contexts: what was accepted, by context id.

    PS3.4 B.4.1, PS3.8 7.1.1.13.
    """

    __slots__ = ("_ids",)

    def __init__(self, contexts: Mapping[int, AcceptedContext]) -> None:
        """Index those in which this side is SCU; the lowest id of equal ones wins."""
        self._ids: dict[tuple[str, str], int] = {}
        for context_id in sorted(contexts):
            context = contexts[context_id]
            if context.as_scu:
                key = context.abstract_syntax, context.transfer_syntax
                self._ids.setdefault(key, context_id)

    def choose(self, instance: RetrieveInstance) -> int | None:
        """Return the id of the context for an object, None where there is none.

        Its own transfer syntax comes first: an object is converted only where that is not agreed.
        """
        sop_class = instance.sop_class_uid
        found = self._ids.get((sop_class, instance.transfer_syntax_uid))
        if found is not None:
            return found
        for syntax in instance.alternatives():
            found = self._ids.get((sop_class, syntax))
            if found is not None:
                return found
        return None


def proposals(
    instances: Sequence[RetrieveInstance],
) -> Iterator[tuple[tuple[ProposedContext, ...], Sequence[RetrieveInstance]]]:
    """Yield what each sub-association proposes, and the objects that are for it, in their order.

    For each SOP class every transfer syntax that its objects have is proposed by itself, so that
    each can be accepted; one more context names what they can be converted to, as far as a
    destination can be expected to know that. One association is enough unless that takes more
    contexts than there are ids.

    PS3.8 7.1.1.13, 9.3.2.2.
    """
    start = 0
    needs: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for place, instance in enumerate(instances):
        sop_class, own = instance.sop_class_uid, instance.transfer_syntax_uid
        known = needs.get(sop_class)
        if known is not None and own in known[0]:
            continue
        more = {own: None}, dict.fromkeys(instance.alternatives())
        merged = dict(needs)
        merged[sop_class] = more if known is None else (known[0] | more[0], known[1] | more[1])
        if needs and len(_contexts(merged)) > MAXIMUM_CONTEXTS:
            yield _contexts(needs), instances[start:place]
            start, merged = place, {sop_class: more}
        needs = merged
    if needs:
        yield _contexts(needs), instances[start:]


def _contexts(
    needs: Mapping[str, tuple[Mapping[str, None], Mapping[str, None]]],
) -> tuple[ProposedContext, ...]:
    """Return the contexts for own and other transfer syntaxes of each class."""
    contexts = []
    for sop_class, (own, others) in needs.items():
        lists = [(syntax,) for syntax in own]
        rest = tuple(syntax for syntax in others if syntax in _USUAL and syntax not in own)
        contexts += [
            ProposedContext(abstract_syntax=sop_class, transfer_syntaxes=syntaxes)
            for syntaxes in (*lists, rest)
            if syntaxes
        ]
    return tuple(contexts)

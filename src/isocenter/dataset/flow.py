"""A data set written anew while it comes, so that it is not written twice.

Owns how far the new data set may be written by now, and how the old one is had back where the
rest of it turns out not to be readable. Joins what a `Rewriter` has decided with the pieces that
it looked at. Must not know files.

A length that is known at the end only is written as zeros; `Edits.amendments` says what belongs
there once it is known. What was removed is kept, headers mostly, so that `restored` can undo it.
"""

from __future__ import annotations

from isocenter.dataset.edits import RECORD, Edits
from isocenter.wire import FileRegion

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isocenter.dataset.likeness import Change
    from isocenter.dataset.rewrite import Rewriter
    from isocenter.wire import Buffer, Segment

__all__ = ["MOST_REMOVED", "Flow", "KnownChanges", "changed"]

MOST_REMOVED = 16 * 1024 * 1024
"""Bytes, inclusive, of what was removed that are kept; 100 000 items take 3 MB where their lengths
become explicit, 7 where their VRs go. Beyond, the data set is kept as it came until it is whole."""

_LONG_RUN = 4 * 1024  # bytes that are written from where they lie
_MANY = 4 * 1024  # bytes of changes
_SIZE = RECORD.size
_NEVER = 1 << 64  # offset of a change that there is not


def changed(data: bytes, changes: Sequence[Change]) -> bytes:
    """Return a data set with changes, which are in the order of their offsets."""
    parts: list[bytes] = []
    position = 0
    for offset, removed, inserted in changes:
        parts += (data[position:offset], inserted)
        position = offset + removed
    parts.append(data[position:])
    return b"".join(parts)


class KnownChanges:
    """In the place of a rewriter where all changes are known before it has looked at anything.

    Args:
        changes: in the order of their offsets.
    """

    __slots__ = ("edits",)

    is_disordered = False
    position = _NEVER

    def __init__(self, changes: Sequence[Change]) -> None:
        """Keep the changes."""
        self.edits = Edits()
        for change in changes:
            self.edits.replace(*change)

    def settle(self) -> None:
        """Nothing is open."""


class Flow:
    """The new data set as far as it is known.

    Args:
        rewriter: that has looked at nothing yet but at what `take` gets first; of a profile that
            `RewriteProfile.flows`. Or what stands for one.
    """

    __slots__ = ("_fed", "_gone", "_removed", "_rest", "_rewriter", "_start")

    def __init__(self, rewriter: Rewriter | KnownChanges) -> None:
        """Begin with nothing written."""
        self._rewriter = rewriter
        self._start = 0  # offset of what comes next in the source
        self._gone = 0  # offset up to which it is removed
        self._fed = 0
        self._rest: list[Buffer] = []  # looked at and undecided: a header or a short value, mostly
        self._removed = bytearray()

    @property
    def is_untouched(self) -> bool:
        """True while all that `take` returned is as it came."""
        return not self._rewriter.edits.written

    @property
    def is_possible(self) -> bool:
        """False where the data set has to be there as a whole before it is written anew."""
        return not self._rewriter.is_disordered and len(self._removed) <= MOST_REMOVED

    @property
    def unwritten(self) -> Sequence[Buffer]:
        """What `take` has got and has not given back."""
        return self._rest

    def amendments(self) -> Sequence[tuple[int, bytes]]:
        """Return lengths that are known by now of what was written, with their offsets; once."""
        return self._rewriter.edits.amendments()

    def take(self, pieces: Sequence[Buffer]) -> Sequence[Buffer]:
        """Return what can be written now that the rewriter has looked at these pieces.

        It is valid as long as they are.
        """
        rewriter = self._rewriter
        rewriter.settle()
        fed = self._fed + sum(map(len, pieces))
        limit = min(rewriter.position, fed)
        edits = rewriter.edits
        if (
            limit == fed
            and not self._rest
            and self._gone <= self._fed
            and edits.written == len(edits.script)
        ):
            # The inside of a long value, which is most of what comes.
            self._start = self._fed = fed
            return pieces
        return self._written([*self._rest, *pieces], limit, fed)

    def finish(self) -> Sequence[Buffer]:
        """Return the end of the new data set; the rewriter has finished."""
        self._rewriter.settle()
        return self._written(self._rest, _NEVER, self._fed)

    def _written(  # noqa: PLR0915 - one loop (bench/micro/rewrite.py)
        self, chunks: Sequence[Buffer], limit: int, fed: int
    ) -> list[Buffer]:
        """Return what is new before `limit`, from chunks that go to `fed`; keep what is left."""
        edits = self._rewriter.edits
        script, at, end = edits.script, edits.written, len(edits.script)
        unpack, removed = RECORD.unpack_from, self._removed
        offset, count, size = unpack(script, at) if at < end else (_NEVER, 0, 0)
        position, gone = self._start, self._gone
        out: list[Buffer] = []
        new = bytearray()
        rest: list[Buffer] = []
        stop = position
        for number, chunk in enumerate(chunks):
            if offset >= limit >= fed and gone <= position and position == stop:
                out.append(new)  # nothing changes in the others
                out += chunks[number:]
                new = bytearray()
                break
            base, stop = stop, stop + len(chunk)
            if position < gone:
                position = min(gone, stop)
                removed += chunk[: position - base]
            last = min(stop, limit)
            # Parts of bytes are had faster than those of views; it has to pay for the copy.
            data = bytes(chunk) if offset < last and end - at > _MANY else chunk
            while offset < last:
                if offset - position < _LONG_RUN:
                    new += data[position - base : offset - base]
                else:
                    out += (new, memoryview(chunk)[position - base : offset - base])
                    new = bytearray()
                at += _SIZE
                new += script[at : at + size]
                at += size
                position = offset + count
                removed += data[offset - base : position - base]
                offset, count, size = unpack(script, at) if at < end else (_NEVER, 0, 0)
            if position > stop:
                gone, position = position, stop
            if last - position < _LONG_RUN:
                new += chunk[position - base : max(last - base, 0)] if last > position else b""
            else:
                out += (new, memoryview(chunk)[position - base : last - base])
                new = bytearray()
            position = max(position, last)
            if position < stop:
                rest.append(bytes(chunk[position - base :]))
                position = stop
        while offset < limit and offset <= fed:
            new += script[at + _SIZE : at + _SIZE + size]  # behind the end
            at += _SIZE + size
            offset, count, size = unpack(script, at) if at < end else (_NEVER, 0, 0)
        out.append(new)
        edits.written = at
        self._fed, self._gone, self._rest = fed, gone, rest
        self._start = fed - sum(map(len, rest))
        return [part for part in out if part]

    def restored(self, written: FileRegion) -> Iterator[Segment]:
        """Yield the data set as it came, as far as it was written anew, from where it stands.

        Args:
            written: all that `take` returned.
        """
        edits, removed = self._rewriter.edits, bytes(self._removed)
        at = source = result = lost = 0
        while at < edits.written:
            offset, count, size = RECORD.unpack_from(edits.script, at)
            at += _SIZE + size
            if offset > source:
                yield FileRegion(written.fd, written.offset + result, offset - source)
            result += offset - source + size
            if count:
                yield removed[lost : lost + count]
            lost += count
            source = offset + count
        if written.length > result:
            yield FileRegion(written.fd, written.offset + result, written.length - result)

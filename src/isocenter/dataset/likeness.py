"""Data sets that are like the ones before them, told by one comparison.

Owns the pattern that an association's next data set is held against, up to the last value, which
is mostly the pixels. The slices of a series have the same elements; a dozen of them differ in
their values. A regular expression says what may differ, and how: the value of a familiar element,
in the lengths seen so far, and padded as it should be. What matches it needs no change, because
what it was made of needed none and the treatment of an element depends on its own bytes only. A
search of 4 microseconds takes the place of planning (bench/micro/rewrite.py).

Where sequences of explicit length are to have undefined ones (DCMTK's dcmrecv), that is the one
change that may be known: what it is follows from the headers, which are part of the pattern. It is
learnt only from data sets whose plan says just that.

What has to be the same is compared beside the pattern, which has a place of its length for it: it
is made in two thirds of the time so, which is 1 ms for each of a series' first objects.

Each repetition in the pattern has one count and the alternatives differ in their first bytes,
so it cannot be made to search for long. Must not decide what needs a change: that is `plain`'s.
"""

from __future__ import annotations

from isocenter.dataset.edits import Edits
from isocenter.dataset.headers import UNDEFINED_LENGTH
from isocenter.dataset.part10 import LONG_VRS, SHORT_VRS
from isocenter.dataset.plain import BINARY, KEPT_TEXT, LONG, TEXT, UID

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    import re
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet
    from typing import TypeAlias

    from isocenter.dataset.profile import RewriteProfile
    from isocenter.dataset.scan import Encoding

    Change: TypeAlias = tuple[int, int, bytes]
    Familiar: TypeAlias = tuple[dict[int, bytes], int, list[Change]]

__all__ = ["Likeness"]

_MOST_ELEMENTS = 500  # of one level of a data set that is learnt from
_NOTHING: frozenset[int] = frozenset()
_MOST_LITERAL = 4 * 1024  # bytes, inclusive, that have to be the same; each costs 1 us to learn
_MOST_FORMS = 16  # different lengths of a value
_LONG_VALUE = 32  # bytes from which on a value need not be the same, where it may be anything
_QUICK_LESSONS = 12  # patterns made in a row, of data sets that differ in the length of values
_LONGEST_PAUSE = 256  # objects, where learning does not help
_MANY_HITS = 64  # objects that make up for one that had to be learnt from

_TRAILING_PADDING = 0xFFFC  # the group of it; behind it come delimiters
_ITEM, _ITEM_END, _SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
_STRUCTURE = -1  # kind of sequences, and of the headers of items
_LAST = -2  # kind of a last element whose value may be anything, and need not be there to be seen
_VARIABLE = frozenset({TEXT, UID, BINARY, KEPT_TEXT, LONG, _LAST})
_FINDABLE = frozenset({TEXT, UID, KEPT_TEXT})  # kinds whose values planning notes, if wanted
_SPACE = rb"[^ \t\n\r\x0b\x0c]"  # no white space, in a UID


class _Part:
    """An element of the data sets learnt from, or the header of an item.

    Attributes:
        tag: of the element, 0 for an item.
        kind: of its VR, None for one that is only passed over as it was.
        forms: its headers so far, with their lengths.
        value: what it always was, None where it differed.
        contents: of a sequence, what is in it, for each of the forms.
        is_nested: it stands in an item, whose length says how long its elements are together:
            there is one form of it.
    """

    __slots__ = ("contents", "forms", "is_nested", "kind", "tag", "value")

    def __init__(
        self,
        tag: int,
        kind: int | None,
        header: bytes,
        value: bytes | None,
        content: list[_Part] | None = None,
        *,
        is_nested: bool = True,
    ) -> None:
        self.tag = tag
        self.kind = kind
        self.forms = [header]
        self.value = value
        self.contents = None if content is None else [content]
        self.is_nested = is_nested

    def take_in(self, other: _Part) -> bool:
        """Take another object's element of the same place in; False where they are not alike."""
        header = other.forms[0]
        if self.tag != other.tag or self.kind != other.kind:
            return False
        if header not in self.forms and (self.is_nested or len(self.forms) >= _MOST_FORMS):
            return False
        if self.contents is not None and other.contents is not None:
            if header in self.forms:
                return _are_alike(self.contents[self.forms.index(header)], other.contents[0])
            self.contents += other.contents
        else:
            if self.value is not None and header == self.forms[0] and other.value == self.value:
                return True
            if self.kind not in _VARIABLE or header[4:6] != self.forms[0][4:6]:
                return False
            self.value = None
        if header not in self.forms:
            self.forms.append(header)
        return True


class Likeness:
    """What the data sets of one association have in common; belongs to its thread.

    Of those that needed no change, in one transfer syntax.

    Attributes:
        reach: how many of its first bytes are enough to tell one, and some more; 0 where
            nothing is known.
    """

    __slots__ = (
        "_constant_numbers",
        "_constants",
        "_fixed",
        "_has_last",
        "_hits",
        "_is_simple",
        "_lessons",
        "_marks",
        "_match",
        "_numbers",
        "_parts",
        "_pause",
        "_profile",
        "_tags",
        "_waited",
        "reach",
    )

    def __init__(self) -> None:
        """Begin with nothing known."""
        self.reach = 0
        self._profile: RewriteProfile | None = None
        self._parts: list[_Part] | None = None
        self._match: re.Pattern[bytes] | None = None
        self._tags: tuple[int, ...] = ()
        self._numbers: tuple[int, ...] = ()  # of the groups of these tags
        self._constant_numbers: tuple[int, ...] = ()  # of groups that have to be `_constants`
        self._constants: tuple[bytes, ...] = ()
        # Of groups that stand where a sequence begins: what changes from there on.
        self._marks: list[tuple[int, list[Change]]] = []
        self._has_last = False  # the pattern ends with the header of the last element
        self._is_simple = True  # one group for each tag: no value came in several lengths
        self._fixed: dict[int, bytes] = {}
        self._hits = self._lessons = self._pause = self._waited = 0

    def values_of(self, head: bytes, profile: RewriteProfile) -> Familiar | None:
        """Return what is known of a data set that is like those before; else None.

        Its wanted values by tag, how long it has to be, and what changes in it if it has that
        length: offsets, bytes removed there and inserted, in their order; mostly nothing. None
        says nothing: other things may change, or it is another one than before.

        Args:
            head: the whole data set or, where its last value is long, what stands before that and
                more.
            profile: as of the data sets that were observed.
        """
        if self._match is None or profile is not self._profile:
            return None
        found = self._match.match(head)
        if found is None or self._of(found, self._constant_numbers) != self._constants:
            return None
        length = found.end()
        if self._has_last:
            length += profile.target.long(head, length - 4)[0]
        self._hits += 1
        values = self._fixed.copy()
        found_values = zip(self._tags, self._of(found, self._numbers), strict=True)
        if self._is_simple:
            values.update(found_values)
        else:
            for tag, value in found_values:
                if value is not None:
                    values[tag] = value
        if not self._marks:
            return values, length, []
        changes: list[Change] = []
        for number, of_sequence in self._marks:
            if (start := found.start(number)) >= 0:
                changes += [(start + place, count, new) for place, count, new in of_sequence]
        return values, length, changes

    @staticmethod
    def _of(found: re.Match[bytes], numbers: tuple[int, ...]) -> tuple[bytes, ...]:
        """Return what groups matched; for one number alone the module would return no tuple."""
        if len(numbers) > 1:
            return found.group(*numbers)
        return tuple(map(found.group, numbers))

    def observe(
        self, head: bytes, length: int, profile: RewriteProfile, edits: Edits | None = None
    ) -> None:
        """Learn from a data set that `values_of` did not know.

        Args:
            head: as of `values_of`.
            length: bytes of the whole data set.
            profile: the kind of rewriting.
            edits: what changes, None for nothing.
        """
        if not profile.has_likeness:
            return
        if edits is not None and profile.options.lengths != "undefined":
            return  # what else changes depends on values
        hits, self._hits = self._hits, 0
        if hits >= _MANY_HITS:
            self._lessons = self._pause = 0
        self._waited += 1
        if self._waited <= self._pause:
            return
        self._waited = 0
        parts = _take_apart(head, length, profile)
        if parts is not None and edits is not None:
            expected = Edits()
            _change_lengths(parts, 0, expected, profile.target)
            if expected.script != edits.script:
                parts = None
        known = self._parts if profile is self._profile else None
        self._lessons += 1
        if known is None or parts is None or not _are_alike(known, parts):
            if self._lessons > 1:
                self._pause = min(2 * self._pause + 1, _LONGEST_PAUSE)
            if not hits:
                self._profile, self._parts, self._match = profile, parts, None
                self.reach = 0
            return
        if self._lessons > _QUICK_LESSONS:
            self._pause = min(2 * self._pause + 1, _LONGEST_PAUSE)
        self._make_pattern(known, profile)

    def _make_pattern(self, parts: list[_Part], profile: RewriteProfile) -> None:
        """Make the pattern; what has too much that has to be the same is no longer learnt from."""
        import re

        writer = _PatternWriter(
            profile.target, changes_lengths=profile.options.lengths == "undefined"
        )
        pattern = writer.root(parts, profile.options.wanted)
        if writer.literal > _MOST_LITERAL:
            self._parts = None
            return
        self._match = re.compile(pattern, re.DOTALL)
        self.reach = _reach(parts, profile.target)
        # The module keeps what it compiles, for good: here that is data of a patient.
        re.purge()
        self._fixed, self._tags = writer.fixed, tuple(writer.tags)
        self._numbers, self._marks = tuple(writer.numbers), writer.marks
        self._constant_numbers = tuple(number for number, _ in writer.constants)
        self._constants = tuple(constant for _, constant in writer.constants)
        self._has_last = bool(parts) and parts[-1].kind == _LAST
        self._is_simple = len(set(writer.tags)) == len(writer.tags)


class _PatternWriter:
    """Writes the pattern of all that is like what was learnt.

    Attributes:
        fixed: wanted values that are always the same, by tag.
        tags: of the others, and `numbers` of their groups in the pattern.
        constants: numbers of groups, and what they have to be.
        marks: numbers of groups that stand before a sequence, and what changes from there on.
        literal: bytes that have to be the same.
    """

    def __init__(self, encoding: Encoding, *, changes_lengths: bool) -> None:
        self.fixed: dict[int, bytes] = {}
        self.tags: list[int] = []
        self.numbers: list[int] = []
        self.constants: list[tuple[int, bytes]] = []
        self.marks: list[tuple[int, list[Change]]] = []
        self.literal = 0
        self._encoding = encoding
        self._changes_lengths = changes_lengths
        self._groups = 0

    def root(self, parts: list[_Part], wanted: AbstractSet[int]) -> bytes:
        """Return the pattern of a data set, of which some values are wanted."""
        pattern: list[bytes] = []
        constant = b""
        for part in parts:
            if part.value is None:
                self._end_constant(pattern, constant)
                constant = b""
                pattern.append(self._part(part, wanted))
            else:
                if part.tag in wanted:
                    self.fixed[part.tag] = part.value
                constant += part.forms[0] + part.value
        self._end_constant(pattern, constant)
        return b"".join(pattern)

    def _end_constant(self, pattern: list[bytes], constant: bytes) -> None:
        """Append the place of what has to be the same, where there is some of it."""
        if constant:
            self.literal += len(constant)
            self._groups += 1
            self.constants.append((self._groups, constant))
            pattern.append(b"(.{%d})" % len(constant))

    def level(self, parts: list[_Part], wanted: AbstractSet[int]) -> bytes:
        """Return the pattern of elements in a row, of which some values are wanted."""
        return b"".join(self._part(part, wanted) for part in parts)

    def _part(self, part: _Part, wanted: AbstractSet[int]) -> bytes:
        is_wanted = part.tag in wanted
        if part.value is not None:
            if is_wanted:
                self.fixed[part.tag] = part.value
            return self._same(part.forms[0] + part.value)
        forms = []
        for number, header in enumerate(part.forms):
            if part.contents is not None:
                value = self.level(part.contents[number], _NOTHING)
            elif part.kind == _LAST:
                value = b""
            else:
                value = _value_pattern(part.kind, _length(header, self._encoding))
            mark = b""
            if is_wanted:
                self._groups += 1
                self.tags.append(part.tag)
                self.numbers.append(self._groups)
                value = b"(" + value + b")"
            elif part.contents is not None and self._changes_lengths and not part.is_nested:
                self._groups += 1
                edits = Edits()
                _change_sequence(part.contents[number], 0, edits, self._encoding)
                self.marks.append((self._groups, list(edits.changes())))
                mark = b"()"
            forms.append(mark + self._same(header) + value)
        return forms[0] if len(forms) == 1 else b"(?:" + b"|".join(forms) + b")"

    def _same(self, data: bytes) -> bytes:
        import re

        self.literal += len(data)
        return re.escape(data)


def _are_alike(known: list[_Part], parts: list[_Part]) -> bool:
    """Take the elements of another object in; False where not all of them have their place."""
    return len(known) == len(parts) and all(map(_Part.take_in, known, parts))


def _change_lengths(parts: list[_Part], at: int, edits: Edits, encoding: Encoding) -> int:
    """Make the lengths of sequences undefined, as the rewriter does; return where elements end."""
    end = -1  # of the item at hand
    for part in parts:
        header = part.forms[-1]
        if at == end:
            edits.replace(at, 0, encoding.pack_plain(*_ITEM_END, 0))
        if part.contents is not None:
            at = _change_sequence(part.contents[-1], at, edits, encoding)
        elif part.kind == _STRUCTURE:
            edits.replace(at + 4, 4, encoding.pack_length(UNDEFINED_LENGTH))
            at += 8
            end = at + encoding.long(header, 4)[0]
        else:
            at += len(header) + _length(header, encoding)
    if at == end:
        edits.replace(at, 0, encoding.pack_plain(*_ITEM_END, 0))
    return at


def _change_sequence(content: list[_Part], at: int, edits: Edits, encoding: Encoding) -> int:
    """Make the lengths of a sequence and in it undefined; return where it ends."""
    edits.replace(at + 8, 4, encoding.pack_length(UNDEFINED_LENGTH))
    at = _change_lengths(content, at + 12, edits, encoding)
    edits.replace(at, 0, encoding.pack_plain(*_SEQUENCE_END, 0))
    return at


def _reach(parts: list[_Part], encoding: Encoding) -> int:
    """Return how far the longest of such data sets goes, without its last value."""
    reach = 0
    for part in parts:
        longest = 0 if part.kind == _LAST else max(_length(each, encoding) for each in part.forms)
        reach += len(part.forms[0]) + longest
    return reach


def _length(header: bytes, encoding: Encoding) -> int:
    """Return the length that a header of 8 or 12 bytes in explicit VR says."""
    length: int = encoding.whole(header, 0)[3] if len(header) == 8 else encoding.long(header, 8)[0]
    return length


def _value_pattern(kind: int | None, length: int) -> bytes:
    """Return what a value of even length that needs no change looks like (as in `plain`)."""
    if not length:
        return b""
    if kind == TEXT:
        return b".{%d}(?!  ).." % (length - 2)
    if kind == UID:
        return b"%b{%d}%b%b" % (_SPACE, length - 2, _SPACE[:-1] + rb"\0]", _SPACE)
    return b".{%d}" % length


def _take_apart(head: bytes, length: int, profile: RewriteProfile) -> list[_Part] | None:
    """Return the elements of a data set; None where one cannot be known by its bytes alone.

    That is one that depends on others, and one whose value is wanted and might not be found.
    """
    parts: list[_Part] = []
    if not _take_level(head, 0, length, profile.target, profile.kinds, parts, is_root=True):
        return None
    wanted = profile.options.wanted
    if any(part.tag in wanted and part.kind not in _FINDABLE for part in parts):
        return None
    return parts


def _take_level(
    data: bytes,
    index: int,
    end: int,
    encoding: Encoding,
    kinds: Mapping[bytes, int],
    parts: list[_Part],
    *,
    is_root: bool = False,
) -> bool:
    """List the elements of one level; False as `_take_apart`."""
    previous, seen = -1, len(data)
    while index < end:
        if min(end, seen) - index < 8 or len(parts) >= _MOST_ELEMENTS:
            return False
        group, element, vr, length = encoding.whole(data, index)
        tag = group << 16 | element
        if tag <= previous or not element or group >= _TRAILING_PADDING:
            return False
        previous = tag
        start = index + 8
        if vr in LONG_VRS:
            if min(end, seen) - index < 12:
                return False
            length = encoding.long(data, index + 8)[0]
            start = index + 12
        elif vr not in SHORT_VRS:
            return False
        after = start + length
        if length == UNDEFINED_LENGTH or length & 1 or after > end:
            return False
        header = data[index:start]
        kind = kinds.get(vr)
        if is_root and after == end and kind == LONG and vr != b"SQ" and length > _LONG_VALUE:
            parts.append(_Part(tag, _LAST, header, None, is_nested=False))
            return True
        if after > seen:
            return False
        if vr == b"SQ":
            content: list[_Part] = []
            if not _take_items(data, start, after, encoding, kinds, content):
                return False
            parts.append(_Part(tag, _STRUCTURE, header, None, content, is_nested=not is_root))
        else:
            may_differ = kind in {BINARY, KEPT_TEXT, LONG} and length > _LONG_VALUE
            value = None if may_differ else data[start:after]
            parts.append(_Part(tag, kind, header, value, is_nested=not is_root))
        index = after
    return index == end


def _take_items(
    data: bytes,
    index: int,
    end: int,
    encoding: Encoding,
    kinds: Mapping[bytes, int],
    parts: list[_Part],
) -> bool:
    """List the items of a sequence; False as `_take_apart`."""
    while index < end:
        if end - index < 8 or len(parts) >= _MOST_ELEMENTS or encoding.tag(data, index) != _ITEM:
            return False
        start = index + 8
        after = start + encoding.long(data, index + 4)[0]
        if after > end:
            return False
        parts.append(_Part(0, _STRUCTURE, data[index:start], b""))
        if not _take_level(data, start, after, encoding, kinds, parts):
            return False
        index = after
    return True

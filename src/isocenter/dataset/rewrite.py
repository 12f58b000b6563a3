"""What becomes of each element when a data set is written anew.

Owns the rules of DCMTK's normal mode: VR encoding and byte order, lengths of sequences and
items, group lengths, padding, the form of values. Decides element by element while a
`Scanner` walks, and keeps what changes as `Edits`; where nothing does, the plan says so and
nobody copies anything. Must not know of files, File Meta Information or compression.

Lengths that are known only at the end of an item are written as a place that is patched.

PS3.5 6.2 (values and padding), 7.1-7.5 (elements, group length, sequences), PS3.10 7.2.
"""

from __future__ import annotations

from isocenter.dataset.delimited import UNDEFINED_ITEM, measure_items
from isocenter.dataset.edits import Edits
from isocenter.dataset.habits import pass_familiar
from isocenter.dataset.headers import UNDEFINED_LENGTH, Unreadable
from isocenter.dataset.notes import Note, creator_of
from isocenter.dataset.plain import DEEPEST, pass_explicit, pass_implicit, pass_items
from isocenter.dataset.plan import RewritePlan
from isocenter.dataset.profile import NEW_VRS, PIXEL_REPRESENTATION, WAVEFORM_BITS
from isocenter.dataset.scan import ITEM, PIXELS, ROOT, SEQUENCE, Scanner
from isocenter.dataset.values import header_of, normalised, swapped
from isocenter.dataset.vr import (
    ALL_VRS,
    FOREIGN_VRS,
    MARKERS,
    NO_VR,
    SHORT_VRS,
    TEXT_VRS,
    US_OR_OW,
    US_OR_SS,
    WORD_SIZES,
)

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.dataset.habits import Habits
    from isocenter.dataset.profile import RewriteProfile
    from isocenter.dataset.scan import Level
    from isocenter.wire import Buffer

__all__ = ["Rewriter"]

_TRAILING_PADDING = 0xFFFCFFFC
_PIXEL_DATA = 0x7FE00010
_WAVEFORM = frozenset({0x54000110, 0x54000112, 0x5400100A, 0x54001010})
# Descriptors of look-up tables hold an unsigned number first: US whatever the pixels are.
_ALWAYS_UNSIGNED = frozenset({0x00221452, 0x00281100, 0x00281101, 0x00281102, 0x00281103})

_NOTHING: frozenset[int] = frozenset()
_FIRST = 64 * 1024  # bytes of the first piece that may be compared with what came before

_LONGEST_CREATOR = 64  # bytes of LO (PS3.5 6.2); character sets with more for a letter are rare
_MOST_NAMED = 16  # elements with blanks in UIDs that a plan names

_WRITTEN = {ROOT: b"", ITEM: b"", SEQUENCE: b"SQ", PIXELS: b"OB"}
"""VR of the header of a level by its kind."""

_ITEM_END = 0xFFFEE00D
_SEQUENCE_END = 0xFFFEE0DD


class Rewriter:
    """Plans how one data set is written anew, while it comes in pieces.

    Args:
        profile: the kind of rewriting.
        prefix_length: bytes in front of the data set in its file, which file padding counts.
        habits: of the sender, None where there is nothing to learn.

    `feed` the pieces of the data set (inflated) in order, then `finish`.

    Attributes:
        edits: what changes before `position`, and of a value that goes beyond it.
        is_disordered: an element stood behind one with a higher tag.
    """

    __slots__ = (
        "_changed",
        "_creators",
        "_first",
        "_given",
        "_habits",
        "_mended",
        "_notes",
        "_options",
        "_pending",
        "_prefix",
        "_profile",
        "_scanner",
        "_target",
        "_values",
        "_vrs",
        "edits",
        "is_disordered",
    )

    def __init__(
        self, profile: RewriteProfile, *, prefix_length: int = 0, habits: Habits | None = None
    ) -> None:
        """Begin before the first element."""
        self._profile = profile
        self._vrs = profile.dictionary.vrs
        self._options = profile.options
        self.edits = Edits()
        self._values: dict[int, bytes] = {}
        self._mended: list[int] = []
        self._creators = 0  # kept so far
        self._changed = self.is_disordered = False
        self._given = b""  # VR that the element at hand says it has
        self._prefix = prefix_length
        self._scanner = Scanner(profile.source, self, profile.limits)
        root = self._scanner.level
        self._notes = [Note()]
        self._pending: list[Note] = []  # levels whose lengths stay, if nothing in them changes
        root.is_plain = self._is_plain(root)
        self._target = profile.target
        self._habits = habits if profile.has_habits else None
        self._first = b""

    def feed(self, data: Buffer) -> None:
        """Look at the next piece of the data set; it is not kept beyond the call.

        Raises:
            Unreadable: the bytes at an offset cannot be read as elements, or the list of
                changes would become too long.
        """
        if self._habits is not None and not self._first and len(data) <= _FIRST:
            self._first = data = bytes(data)
        self._scanner.feed(data)

    @property
    def position(self) -> int:
        """Offset of the next header; what stands before it need not be read."""
        return self._scanner.position

    @property
    def values(self) -> dict[int, bytes]:
        """Encoded values of the wanted elements found so far, by tag."""
        return self._values

    def settle(self) -> None:
        """Decide what is open, so that all before `position` can be written."""
        if self._pending:
            self._flush()
        self.edits.settle()

    @property
    def ahead(self) -> int:
        """How many of the next bytes stand before `position`, 0 or more."""
        return self._scanner.ahead

    def skip(self, count: int) -> None:
        """Take the next `count` bytes, all before `position`, as fed."""
        self._scanner.skip(count)

    def finish(self) -> RewritePlan:
        """Return the plan.

        Raises:
            CutShort: an element is not complete.
            Unreadable: as `feed`.
        """
        self._scanner.finish()
        is_identity = not self._changed and not self._profile.is_conversion
        if self._habits is not None and is_identity:
            self._habits.observe(
                self._first, self._target, self._profile.kinds, self._options.wanted
            )
        return RewritePlan(
            self._profile,
            self.edits,
            is_identity=is_identity,
            is_disordered=self.is_disordered,
            source_length=self._scanner.position,
            values=self._values,
            mended_uids=tuple(self._mended),
        )

    # What follows is called by the scanner.

    def pass_plain(self, level: Level, data: Buffer, index: int, end: int) -> int:
        """Pass over what stays as it is, or needs nothing but another encoding."""
        profile = self._profile
        encoding, kinds = level.encoding, profile.kinds
        is_root = level.kind == ROOT
        if encoding is not self._target:
            if level.kind == SEQUENCE and not profile.reencodes_items:
                return index
            self._flush()
            start = self._scanner.position
            reencoder, edits = profile.reencoder(encoding, is_root=is_root), self.edits
            base = start - index
            if level.kind == SEQUENCE:
                left = profile.limits.maximum_depth - len(self._notes) // 2
                index = reencoder.run_items(edits, data, index, end, base, left)
            else:
                index = reencoder.run(edits, data, index, end, base, self._values, level.order)
            self._check_room(start)
            return index
        depth = len(self._notes) // 2
        # Of the sequences that the scanner would allow, these many are left.
        depth = max(0, depth + DEEPEST - profile.limits.maximum_depth)
        vrs = None if encoding.explicit else self._vrs
        if level.kind == SEQUENCE:
            depth, begin = max(depth - 1, 0), index
            if not level.is_delimited:
                index = pass_items(data, index, end, encoding, vrs, kinds, depth)
            if profile.measures:
                index = self._measure(level, data, index, end, depth, begin)
            return index
        wanted, values, order = _NOTHING, self._values, level.order
        if is_root:
            wanted, habits = self._options.wanted, self._habits
            # At the beginning only, where the steps begin as well.
            if habits is not None and habits.steps and order[0] < 0 and isinstance(data, bytes):
                return pass_familiar(
                    data, index, end, encoding, kinds, wanted, values, habits, order, depth
                )
        if vrs is None:
            return pass_explicit(
                data, index, end, encoding, kinds, wanted, values, end, order, depth
            )
        return pass_implicit(data, index, end, encoding, vrs, kinds, wanted, values, order, depth)

    def _measure(
        self, level: Level, data: Buffer, index: int, end: int, depth: int, passed: int
    ) -> int:
        """Deal with items that end with delimiters and are whole; return where that ends.

        `passed` is the place in `data` of the scanner's position.
        """
        if data[index : index + 8] != UNDEFINED_ITEM:
            return index
        start = self._scanner.position + index - passed
        edits = None
        if self._options.lengths == "explicit":
            self._flush()
            edits = self.edits
        kinds = self._profile.kinds
        after = measure_items(data, index, end, start - index, level.encoding, kinds, edits, depth)
        if after > index and edits is not None:
            self._changed = True
            self._check_room(start)
        return after

    def vr(self, level: Level, tag: int, vr: bytes, length: int) -> bytes:
        """Return the VR of an element: as it says, or by the dictionary.

        Raises:
            Unreadable: the dictionary knows the tag for something else than an element.
        """
        self._given = vr
        if not tag & 0xFFFF:
            return b"UL"
        if vr and vr != b"UN":
            if vr in ALL_VRS:
                return vr
            return b"OW" if tag == _PIXEL_DATA else FOREIGN_VRS.get(vr, b"UN")
        if length == UNDEFINED_LENGTH and vr:
            return b"SQ"
        if vr and not self._options.convert_un:
            return vr
        known = self._vrs.get(tag) or self._profile.dictionary.vr_of(tag, creator_of(level, tag))
        if known in MARKERS:
            known = self._resolve(level, tag, known)
        return b"SQ" if length == UNDEFINED_LENGTH and known == b"UN" else known

    def _resolve(self, level: Level, tag: int, known: bytes) -> bytes:
        """Return the VR of an element whose VR depends on others (PS3.5 A.1)."""
        if known == US_OR_SS:
            is_signed = self._notes[-1].is_signed and tag not in _ALWAYS_UNSIGNED
            return b"SS" if is_signed else b"US"
        if known == US_OR_OW:
            return b"OW"
        if known == NO_VR:
            raise Unreadable(self._scanner.position, "a delimiter where an element should be")
        if tag in _WAVEFORM:
            return b"OB" if self._notes[-1].waveform_bits == 8 else b"OW"
        return b"OW" if tag == _PIXEL_DATA or tag >> 24 == 0x60 else b"OB"

    def wants_value(self, level: Level, tag: int, vr: bytes) -> bool:
        """Want text, whose padding decides, and what other elements depend on."""
        return (
            vr in TEXT_VRS
            or vr == b"UI"
            or not tag & 0xFFFF
            or tag in {PIXEL_REPRESENTATION, WAVEFORM_BITS}
            or (level.kind == ROOT and tag in self._options.wanted)
        )

    def element(
        self,
        level: Level,
        tag: int,
        vr: bytes,
        start: int,
        value: int,
        length: int,
        raw: bytes | None,
    ) -> None:
        """Write an element as it is asked for."""
        note = self._notes[-1]
        options = self._options
        if tag == _TRAILING_PADDING and not options.keep_trailing_padding:
            self._remove(start, value + length - start)
            return
        if not tag & 0xFFFF and options.group_lengths != "recalculate":
            self._remove(start, value + length - start)
            return
        self._note_order(level, tag)
        if tag >> 16 != note.group:
            self._end_group(level, note, start)
            self._begin_group(note, tag, start)
        if not tag & 0xFFFF:
            self._group_length(level, note, tag, start, value, length, raw)
            return
        if raw is not None and (not level.encoding.explicit or options.convert_un):
            self._learn(level, note, tag, raw)
        new = raw
        if level.kind == ROOT and tag in options.replacements:
            new = options.replacements[tag]
        elif raw is not None:
            new = normalised(vr, raw) if options.normalise_values else raw
            if len(new) % 2:
                new += b" " if options.blanks_behind_text and vr in TEXT_VRS else b"\0"
            if vr == b"UI" and new is not raw and b" " in raw and len(self._mended) < _MOST_NAMED:
                self._mended.append(tag)
        if (
            level.kind == ROOT
            and tag in options.wanted
            and new is not None
            and (vr == b"UI" or vr in TEXT_VRS)
        ):
            self._values.setdefault(tag, new)
        self._write(level, tag, vr, start, value, length, None if new is raw else new)

    def _note_order(self, level: Level, tag: int) -> None:
        """Notice an element that stands behind one with a higher tag (PS3.5 7.1)."""
        order = level.order
        if tag < order[0]:
            self.is_disordered = self._changed = True
        order[0] = tag

    def _write(
        self,
        level: Level,
        tag: int,
        vr: bytes,
        start: int,
        value: int,
        length: int,
        new: bytes | None,
    ) -> None:
        """Write header and value; `new` is the value where it changes."""
        target, new_vrs = self._target, self._options.new_vrs
        padding = length % 2 if new is None else 0
        size = length + padding if new is None else len(new)
        written = vr if new_vrs or vr not in NEW_VRS else b"OB"
        if written in SHORT_VRS and size > 0xFFFF and target.explicit:
            written = b"UN" if new_vrs else b"OB"  # PS3.5 6.2.2
        if (
            new is None
            and size == length
            and level.encoding is target
            and (written == self._given or not target.explicit)
        ):
            return
        # What is written as UN or OB, though it is something else, is little endian whatever
        # stands around it, and so is what came as UN (PS3.5 6.2.2).
        was_little = level.encoding.little or self._given == b"UN"
        is_little = target.little or (written != vr and target.explicit)
        unit = WORD_SIZES[vr] if was_little is not is_little else 1
        header = header_of(self._target, tag, written, size)
        if new is not None:
            self._replace(start, value + length - start, header + swapped(new, unit))
        else:
            self._replace(start, value - start, header)
            if unit > 1:
                self.edits.swap(value, length, unit, padded=padding > 0)
            elif padding:
                self._replace(value + length, 0, b"\0")
        self._changed = True
        self._check_room(start)

    def _replace(self, offset: int, removed: int, inserted: bytes) -> int:
        """Change bytes of the source; return the place of the new ones in the edits."""
        if self._pending:
            self._flush()
        return self.edits.replace(offset, removed, inserted)

    def _flush(self) -> None:
        """Write the lengths of levels in which something changes after all."""
        for note in self._pending:
            note.place = self.edits.replace(note.length_at, 4, bytes(4))
        self._pending.clear()

    def _remove(self, start: int, length: int) -> None:
        self._replace(start, length, b"")
        self._changed = True
        self._check_room(start)

    def _check_room(self, start: int) -> None:
        if len(self.edits) > self._options.maximum_plan_length:
            raise Unreadable(start, "more changes than are kept in memory")

    # Group lengths (PS3.5 7.2)

    def _begin_group(self, note: Note, tag: int, start: int) -> None:
        note.group = group = tag >> 16
        if self._options.group_lengths == "create" and tag != _TRAILING_PADDING:
            self._place_group_length(note, group, start, 0)
            self._changed = True

    def _place_group_length(self, note: Note, group: int, start: int, removed: int) -> None:
        """Write a group length whose value is not known yet."""
        header = header_of(self._target, group << 16, b"UL", 4)
        place = self._replace(start, removed, header + bytes(4))
        note.group_place = place + len(header)
        note.group_content = start + removed + self.edits.growth

    def _group_length(
        self,
        level: Level,
        note: Note,
        tag: int,
        start: int,
        value: int,
        length: int,
        raw: bytes | None,
    ) -> None:
        """Handle a group length that is there."""
        if note.group_place >= 0:
            self._remove(start, value + length - start)
            return
        encoding = level.encoding
        is_well_formed = length == 4 and self._given in {b"", b"UL"} and raw is not None
        note.group_stated = encoding.long(raw, 0)[0] if raw is not None and length == 4 else -1
        if not is_well_formed:
            self._changed = True
        self._place_group_length(note, tag >> 16, start, value + length - start)
        level.is_plain = False

    def _end_group(self, level: Level, note: Note, at: int) -> None:
        """Write the length of the group that ends before `at`."""
        if note.group_place < 0:
            return
        length = at + self.edits.growth - note.group_content
        self.edits.patch(note.group_place, self._target.pack_length(length), note.group_content - 4)
        if length != note.group_stated:
            self._changed = True
        note.group_place = note.group = -1
        level.is_plain = self._is_plain(level)

    def _is_plain(self, level: Level) -> bool:
        """Tell whether elements of a level may be passed over."""
        profile = self._profile
        return profile.passes and not (level.kind == ROOT and profile.options.replacements)

    # Sequences, items, pixel data (PS3.5 7.5, A.4)

    def opened(
        self, outer: Level, level: Level, tag: int, vr: bytes, start: int, value: int
    ) -> None:
        """Write the header of a level; its length is known when it is closed."""
        edits = self.edits
        note = Note()
        if level.kind != ITEM:
            outer_note = self._notes[-1]
            self._note_order(outer, tag)
            if tag >> 16 != outer_note.group:
                self._end_group(outer, outer_note, start)
                self._begin_group(outer_note, tag, start)
        is_delimited = level.is_delimited
        level.is_plain = self._is_plain(level) and (
            level.kind != SEQUENCE or not is_delimited or self._profile.takes_items
        )
        lengths = self._options.lengths
        if level.kind == PIXELS or (lengths == "keep" and is_delimited):
            note.has_length = False
        else:
            note.has_length = lengths != "undefined"
        if not is_delimited:
            note.stated = level.end - value
        written = _WRITTEN[level.kind]
        if outer.encoding is self._target and (
            level.kind == ITEM or self._given == written or not outer.encoding.explicit
        ):
            if note.has_length is is_delimited:
                length = 0 if note.has_length else UNDEFINED_LENGTH
                note.place = self._replace(value - 4, 4, self._target.pack_length(length))
                self._changed = True
            elif note.has_length:
                note.length_at = value - 4
                self._pending.append(note)
        else:
            header = header_of(
                self._target, tag, written, 0 if note.has_length else UNDEFINED_LENGTH
            )
            note.place = self._replace(start, value - start, header) + len(header) - 4
            self._changed = True
        note.content = value + edits.growth
        self._notes.append(note)
        self._check_room(start)

    def fragment(self, level: Level, start: int, value: int, length: int) -> None:
        """Keep a fragment of pixel data; one of odd length gets a NUL."""
        padding = length % 2
        if padding or level.encoding is not self._target:
            self._replace(start, 8, header_of(self._target, 0xFFFEE000, b"", length + padding))
            if padding:
                self._replace(value + length, 0, b"\0")
                self._changed = True
            self._check_room(start)

    def stray(self, level: Level, start: int) -> None:
        """Drop a delimiter that delimits nothing."""
        del level
        self._remove(start, 8)

    def trailing(self, start: int, length: int) -> None:
        """Drop zeros behind the last element, fewer than a header has."""
        self._remove(start, length)

    def closed(self, level: Level, at: int, delimiter: int) -> None:
        """Write the length of a level, or its delimiter."""
        edits, note, options = self.edits, self._notes.pop(), self._options
        # Padding is part of its group, where that has a length.
        is_padding_counted = note.group == 0xFFFC
        if not is_padding_counted and note.group >= 0:
            self._end_group(level, note, at)
        if level.kind == ROOT and options.file_padding:
            self._pad(at, self._prefix + at + edits.growth, options.file_padding)
        elif level.kind == ITEM and options.item_padding:
            self._pad(at, at + edits.growth - note.content, options.item_padding)
        if is_padding_counted:
            self._end_group(level, note, at)
        if level.kind == ROOT:
            return
        length = at + edits.growth - note.content
        if self._pending and self._pending[-1] is note:
            if length != note.stated:
                self._flush()
            else:
                self._pending.pop()
        if note.has_length:
            if length >= UNDEFINED_LENGTH:
                raise Unreadable(at, "longer than a length can say")
            if note.place >= 0:
                edits.patch(note.place, self._target.pack_length(length), note.content - 4)
            if length != note.stated:
                self._changed = True
            if delimiter:
                self._replace(at, delimiter, b"")
                self._changed = True
        elif not delimiter or level.encoding is not self._target:
            tag = _ITEM_END if level.kind == ITEM else _SEQUENCE_END
            self._replace(at, delimiter, header_of(self._target, tag, b"", 0))
            self._changed = True

    def _pad(self, at: int, length: int, multiple: int) -> None:
        """Insert Data Set Trailing Padding so that `length` becomes a multiple (PS3.10 7.2)."""
        padding = -length % multiple
        if not padding:
            return
        header = len(header_of(self._target, _TRAILING_PADDING, b"OB", 0))
        while padding < header:
            padding += multiple
        size = padding - header
        size += size % 2  # next to a value of odd length
        self._replace(at, 0, header_of(self._target, _TRAILING_PADDING, b"OB", size) + bytes(size))
        self._changed = True

    # Private creators and what VRs depend on (PS3.5 7.8.1, A.1)

    def _learn(self, level: Level, note: Note, tag: int, raw: bytes) -> None:
        """Keep what the VRs of later elements of the same item depend on."""
        if tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF:
            if len(raw) > _LONGEST_CREATOR:
                return  # none that a dictionary knows
            self._creators += 1
            if self._creators > self._profile.limits.maximum_creators:
                raise Unreadable(self._scanner.position, "more private creators than are kept")
            if level.creators is None:
                level.creators = {}
            level.creators[tag] = raw
        elif not level.encoding.explicit and len(raw) >= 2:
            if tag == PIXEL_REPRESENTATION:
                note.is_signed = level.encoding.tag(raw + b"\0\0", 0)[0] == 1
            elif tag == WAVEFORM_BITS:
                note.waveform_bits = level.encoding.tag(raw + b"\0\0", 0)[0]

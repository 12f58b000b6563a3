"""Answers as identifiers: an encoder for one query, fast for plain text.

Owns the order and the encoding of the elements of a response, and its character set. Must not know
where the values come from.

The index holds text decoded, so an answer can be given in any character set: in the one of the
request where it can express the text, else in the one that is configured, else in Unicode, so that
nothing is lost.

PS3.4 C.4.1.1.3 (identifier), C.4.1.1.3.2 (response), PS3.5 7.1, 6.1; DCMTK's +Cr, -Cr, -Ct, -Cd.
"""

from __future__ import annotations

import struct
import unicodedata

from isocenter.archive.attributes import CHARACTER_SET, LEVELS, QUERY_LEVEL, RETRIEVE_AE_TITLE
from isocenter.archive.characters import UNICODE, CharacterSet
from isocenter.archive.model import values_in
from isocenter.dataset.dictionary import STANDARD_VRS
from isocenter.dataset.scan import ENCODINGS
from isocenter.dataset.vr import CHARACTER_SET_VRS, LONG_VRS, TEXT_VRS
from isocenter.record import Record
from isocenter.uids import TRANSFER_SYNTAXES

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isocenter.archive.finding import Answer, Value
    from isocenter.archive.matching import Key, Query
    from isocenter.archive.model import Json

__all__ = ["AnswerEncoder", "CharacterSetOptions"]

_NUMBERS: Mapping[bytes, str] = {
    b"US": "H",
    b"SS": "h",
    b"UL": "I",
    b"SL": "i",
    b"UV": "Q",
    b"SV": "q",
    b"FL": "f",
    b"FD": "d",
}
_LONGEST_SHORT = 0xFFFE  # bytes of a value with a 16-bit length


class CharacterSetOptions(Record):
    """In which character set answers are given."""

    character_set: str = ""
    """Defined term of (0008,0005) that is configured; "" for ASCII (``+A7``)."""

    overrides: bool = False
    """It is taken for all answers (``-Cr``); otherwise where the one of the request cannot express
    the text (``+Cr``)."""

    transliterates: bool = False
    """Characters that the character set has not are replaced by similar ones (``-Ct``)."""

    discards: bool = False
    """Characters that it has not are left out (``-Cd``)."""


class AnswerEncoder:
    """Encodes the answers to one query.

    Args:
        query: what was asked.
        transfer_syntax_uid: of the presentation context.
        retrieve_ae_title: where the objects can be retrieved from, "" for nowhere.
        options: the character set.
    """

    def __init__(
        self,
        query: Query,
        transfer_syntax_uid: str,
        *,
        retrieve_ae_title: str = "",
        options: CharacterSetOptions | None = None,
    ) -> None:
        """Prepare what is the same for every answer."""
        syntax = TRANSFER_SYNTAXES[transfer_syntax_uid]
        options = options or CharacterSetOptions()
        encoding = ENCODINGS[syntax.is_explicit, syntax.is_little]
        self._explicit = syntax.is_explicit
        self._order = "<" if syntax.is_little else ">"
        self._deflated = syntax.is_deflated
        self._pack_short, self._pack_long = encoding.pack_short, encoding.pack_long
        self._pack_plain = encoding.pack_plain
        configured = CharacterSet(options.character_set)
        asked = CharacterSet(query.character_sets.decode("latin-1"))
        self._sets = [configured]
        if asked.is_known and not options.overrides:
            self._sets.insert(0, asked)
        self._options = options
        level = LEVELS[query.level].encode()
        title = retrieve_ae_title.encode("ascii", "replace")
        fixed = {QUERY_LEVEL: (b"CS", level)}
        if title:
            fixed[RETRIEVE_AE_TITLE] = (b"AE", title)
        # In the order of tags: encoded already, or the place of a key in an answer.
        parts: list[tuple[int, bytes, int]] = [
            (tag, self._element(tag, vr, value), -1) for tag, (vr, value) in fixed.items()
        ]
        parts += [(key.tag, b"", place) for place, key in enumerate(query.keys)]
        parts.sort()
        self._parts = [(part, place) for _, part, place in parts]
        self._keys = query.keys

    def encode(self, answer: Answer) -> bytes:
        """Return the identifier of a response."""
        values = answer.values
        chosen = self._chosen(values)
        encoded = [self._characters(chosen)]
        keys = self._keys
        for part, place in self._parts:
            encoded.append(part if place < 0 else self._value(keys[place], values[place], chosen))
        whole = b"".join(encoded)
        if self._deflated:
            import zlib

            deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
            whole = deflater.compress(whole) + deflater.flush()
            whole += b"\0" * (len(whole) % 2)
        return whole

    # --- character sets ---

    def _chosen(self, values: Sequence[Value]) -> CharacterSet:
        """Return the character set that an answer is given in."""
        texts = [
            text
            for key, value in zip(self._keys, values, strict=True)
            for text in _texts(key.vr, value)
            if not text.isascii()
        ]
        first = self._sets[0]
        if not texts:
            return first
        for candidate in self._sets:
            if all(candidate.can_express(text) for text in texts):
                return candidate
        if self._options.transliterates or self._options.discards:
            return self._sets[-1]
        return UNICODE

    def _characters(self, chosen: CharacterSet) -> bytes:
        if not chosen.name:
            return b""
        return self._element(CHARACTER_SET, b"CS", chosen.name.encode("ascii", "replace"))

    def _encoded(self, text: str, vr: bytes, chosen: CharacterSet) -> bytes:
        if text.isascii():
            return text.encode("ascii")
        if vr not in CHARACTER_SET_VRS:
            return text.encode("ascii", "replace")
        if chosen.can_express(text):
            return chosen.encode(text, vr)
        kept = []
        for character in text:
            if chosen.can_express(character):
                kept.append(character)
            elif self._options.transliterates:
                base = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
                kept.append(base or ("" if self._options.discards else "?"))
        return chosen.encode("".join(kept), vr)

    # --- elements ---

    def _element(self, tag: int, vr: bytes, value: bytes) -> bytes:
        length = len(value)
        if length % 2:
            value += b" " if vr in TEXT_VRS else b"\0"
            length += 1
        group, element = tag >> 16, tag & 0xFFFF
        if not self._explicit:
            return bytes(self._pack_plain(group, element, length)) + value
        if vr in LONG_VRS:
            return bytes(self._pack_long(group, element, vr, length)) + value
        if length > _LONGEST_SHORT:
            value, length = value[:_LONGEST_SHORT], _LONGEST_SHORT
        return bytes(self._pack_short(group, element, vr, length)) + value

    def _value(self, key: Key, value: Value, chosen: CharacterSet) -> bytes:
        """Return the element of a key."""
        vr = key.vr
        if vr == b"SQ":
            return self._element(key.tag, vr, self._items(value, key.keys, chosen))
        if not value:
            return self._element(key.tag, vr, b"")
        if vr in _NUMBERS or vr == b"AT":
            return self._element(key.tag, vr, self._numbers(vr, value))
        if len(value) == 1:
            text = value[0]
            encoded = self._encoded(text if isinstance(text, str) else str(text), vr, chosen)
        else:
            encoded = b"\\".join([self._encoded(str(each), vr, chosen) for each in value])
        return self._element(key.tag, vr, encoded)

    def _numbers(self, vr: bytes, values: Value) -> bytes:
        packed = []
        for value in values:
            try:
                if vr == b"AT":
                    pair = divmod(int(str(value), 16), 1 << 16)
                    packed.append(struct.pack(self._order + "HH", *pair))
                elif vr in {b"FL", b"FD"}:
                    packed.append(struct.pack(self._order + _NUMBERS[vr], float(str(value))))
                else:
                    packed.append(struct.pack(self._order + _NUMBERS[vr], int(str(value))))
            except (ValueError, struct.error, OverflowError):
                return b""  # what the object says is no such number
        return b"".join(packed)

    def _items(self, items: Value, keys: Sequence[Key], chosen: CharacterSet) -> bytes:
        """Return the items of a sequence: what was asked for of them, or all."""
        encoded = []
        for item in items:
            if not isinstance(item, dict):
                continue
            wanted = {f"{key.tag:08X}": key for key in keys}
            parts = []
            for tag in sorted(wanted or item):
                key = wanted.get(tag)
                vr = _vr_of(tag, item.get(tag), key)
                if vr is None:
                    continue
                inner = key.keys if key is not None else ()
                parts.append(
                    self._value(_key(int(tag, 16), vr, inner), values_in(item.get(tag)), chosen)
                )
            body = b"".join(parts)
            encoded.append(bytes(self._pack_plain(0xFFFE, 0xE000, len(body))) + body)
        return b"".join(encoded)


def _key(tag: int, vr: bytes, keys: tuple[Key, ...]) -> Key:
    from isocenter.archive.matching import Key as Made

    return Made(tag, vr, None, keys)


def _vr_of(tag: str, attribute: Json, key: Key | None) -> bytes | None:
    """Return the VR of an attribute of an item, None where it cannot be encoded."""
    if isinstance(attribute, dict):
        vr = str(attribute.get("vr", "")).encode()
        return vr if vr in TEXT_VRS or vr in _NUMBERS or vr in {b"UI", b"AT", b"SQ"} else None
    known = key.vr if key is not None else STANDARD_VRS.get(int(tag, 16), b"")
    return known if known in TEXT_VRS or known in _NUMBERS or known in {b"UI", b"SQ"} else None


def _texts(vr: bytes, value: Value) -> list[str]:
    """Return the texts of a value that depend on the character set."""
    if vr in CHARACTER_SET_VRS:
        return [each for each in value if isinstance(each, str)]
    if vr != b"SQ":
        return []
    texts: list[str] = []
    pending = list(value)
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            for attribute in item.values():
                for inner in values_in(attribute):
                    if isinstance(inner, dict):
                        pending.append(inner)
                    elif isinstance(inner, str):
                        texts.append(inner)
    return texts

"""Text into the character sets of DICOM.

Owns which Python codec stands for a defined term, and when text cannot be expressed. Code
extensions (ISO 2022) and decoding are `dataset.charset`'s.

PS3.3 C.12.1.1.2, PS3.5 6.1.
"""

from __future__ import annotations

from isocenter.dataset.charset import encode_extended

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["UNICODE", "CharacterSet"]

_CODECS: Mapping[str, str] = {
    "": "ascii",
    "ISO_IR 6": "ascii",
    "ISO_IR 13": "shift_jis",
    "ISO_IR 100": "latin_1",
    "ISO_IR 101": "iso8859_2",
    "ISO_IR 109": "iso8859_3",
    "ISO_IR 110": "iso8859_4",
    "ISO_IR 126": "iso8859_7",
    "ISO_IR 127": "iso8859_6",
    "ISO_IR 138": "iso8859_8",
    "ISO_IR 144": "iso8859_5",
    "ISO_IR 148": "iso8859_9",
    "ISO_IR 166": "tis_620",
    "ISO_IR 192": "utf_8",
    "ISO_IR 203": "iso8859_15",
    "GB18030": "gb18030",
    "GBK": "gbk",
}

_EXTENSIONS = frozenset(f"ISO 2022 IR {number}" for number in (58, 87, 149, 159))
"""Those that exist as extensions only."""


class CharacterSet:
    r"""A value of Specific Character Set (0008,0005).

    Args:
        name: the defined terms, joined with backslashes; "" for ASCII. What is unknown expresses
            ASCII alone.
    """

    __slots__ = ("_codec", "_known", "is_known", "name")

    def __init__(self, name: str) -> None:
        """Find the codec."""
        terms = [term.strip(" \0") for term in name.split("\\")]
        self.name = "\\".join(terms)
        # A single term of ISO 2022 is the character set that it extends.
        single = terms[0].replace("ISO 2022 IR", "ISO_IR") if len(terms) == 1 else None
        self._codec = _CODECS.get(single) if single is not None else None
        # Whether all its terms are the standard's.
        self.is_known = all(
            term in _EXTENSIONS or term.replace("ISO 2022 IR", "ISO_IR") in _CODECS
            for term in terms
        )
        self._known: dict[str, bytes | None] = {}

    def can_express(self, text: str) -> bool:
        """Tell whether it has every character of a text."""
        return text.isascii() or self._attempt(text) is not None

    def encode(self, text: str, vr: bytes) -> bytes:
        """Return a text that it can express."""
        del vr
        found = self._attempt(text)
        return text.encode("ascii", "replace") if found is None else found

    def _attempt(self, text: str) -> bytes | None:
        if self._codec is not None:
            try:
                encoded = text.encode(self._codec)
            except UnicodeEncodeError:
                return None
            # Two bytes stand for a kanji in shift_jis: not in ISO_IR 13.
            return None if self._codec == "shift_jis" and len(encoded) > len(text) else encoded
        if text not in self._known:
            if len(self._known) > 1000:
                self._known.clear()
            self._known[text] = encode_extended(text, self.name)
        return self._known[text]


UNICODE = CharacterSet("ISO_IR 192")
"""Expresses everything."""

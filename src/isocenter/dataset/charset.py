"""Text of a data set in its character sets; pydicom's tables, loaded when something is not ASCII.

PS3.5 6.1, PS3.3 C.12.1.1.2 (Specific Character Set).
"""

from __future__ import annotations

from isocenter.errors import DataSetError

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms

__all__ = ["decode_strictly", "decode_text", "encode_extended"]

_FREE = frozenset({b"LO", b"LT", b"PN", b"SH", b"ST", b"UC", b"UT"})
_DELIMITERS = frozenset(b"\r\n\t\f^=\\")


def decode_text(value: bytes, vr: bytes, character_sets: bytes) -> str:
    """Return a value as text; what cannot be decoded becomes a replacement character.

    Args:
        value: as it is encoded.
        vr: its VR; only some have other characters than ASCII.
        character_sets: value of (0008,0005) that holds for it, b"" for none.
    """
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    if vr not in _FREE or not character_sets.strip(b" \0"):
        # Without a character set, what most systems write.
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.decode("latin-1")
    import warnings

    from pydicom.charset import convert_encodings, decode_bytes

    names = character_sets.decode("latin-1").strip(" \0").split("\\")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            encodings = convert_encodings(names)
            return str(decode_bytes(value, encodings, set(_DELIMITERS)))
        except (LookupError, ValueError, TypeError):
            return value.decode("latin-1")


def encode_extended(text: str, character_sets: str) -> bytes | None:
    """Return text with code extensions (ISO 2022), None where they cannot express it.

    Args:
        text: may have component groups, components and several values: each begins in the first
            character set.
        character_sets: value of (0008,0005).

    PS3.5 6.1.2.5.3.
    """
    import warnings

    from pydicom.charset import convert_encodings
    from pydicom.valuerep import PersonName

    with warnings.catch_warnings():
        # Not "error": filters are the process's, and other threads have warnings too. What could
        # not be encoded is seen below.
        warnings.simplefilter("ignore")
        try:
            encodings = convert_encodings(character_sets.split("\\"))
            encoded = bytes(PersonName(text, encodings).encode(encodings))
        except (LookupError, UnicodeError, ValueError):
            return None
    return encoded if decode_text(encoded, b"PN", character_sets.encode()) == text else None


def decode_strictly(value: bytes, character_sets: bytes) -> str:
    """Return a value as text, for tools of one thread: how strict pydicom is holds for all.

    Args:
        value: as it is encoded.
        character_sets: value of (0008,0005) that holds for it.

    Raises:
        DataSetError: a character set is not known, or the value is not in it.
    """
    from pydicom import config
    from pydicom.charset import convert_encodings, decode_bytes

    names = character_sets.decode("latin-1").strip(" \0").split("\\")
    if names == ["ISO_IR 203"]:  # newer than pydicom's table
        return value.decode("iso8859-15")
    mode = config.settings.reading_validation_mode
    # Else pydicom goes on with another character set, or other characters.
    config.settings.reading_validation_mode = config.RAISE
    try:
        return str(decode_bytes(value, convert_encodings(names), set(_DELIMITERS)))
    except (LookupError, ValueError, TypeError) as problem:
        raise DataSetError(f"character set {names!r}: {problem}") from None
    finally:
        config.settings.reading_validation_mode = mode

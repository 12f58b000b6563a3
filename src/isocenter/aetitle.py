"""Application entity titles: parse, pad, compare.

One home for the rules of PS3.5 6.2 (VR AE: at most 16 characters, leading and
trailing spaces not significant, no backslash, no control characters) and PS3.8
9.3.2 (16 bytes on the wire, space padded).

Peers send titles that break these rules (NUL padded, bytes above 0x7E). They are
read as Latin-1, one character per byte, and keep their NULs, so nothing is lost and the
A-ASSOCIATE-AC returns the field as it came (PS3.8 9.3.3). Whoever shows or stores a title
of a peer takes its `normalise`d form.
"""

from __future__ import annotations

__all__ = ["AE_TITLE_LENGTH", "check", "decode", "encode", "normalise", "same"]

AE_TITLE_LENGTH = 16
"""Length of an AE title field in bytes (PS3.8 9.3.2)."""


def normalise(title: str) -> str:
    """Return the significant part: no leading or trailing spaces or NULs (PS3.5 6.2)."""
    return title.strip(" \0")


def same(left: str, right: str) -> bool:
    """Tell whether two titles are equal; case is significant (PS3.5 6.2)."""
    return normalise(left) == normalise(right)


def encode(title: str) -> bytes:
    """Return the 16 bytes of a title, space padded, cut after 16 as DCMTK's tools do.

    Raises:
        ValueError: a character has no Latin-1 code.

    PS3.8 9.3.2.
    """
    return title.encode("latin-1")[:AE_TITLE_LENGTH].ljust(AE_TITLE_LENGTH)


def decode(field: bytes) -> str:
    """Return the text of a 16-byte field without its trailing spaces; `encode` restores it."""
    return field.decode("latin-1").rstrip(" ")


def check(name: str, title: str) -> None:
    """Refuse a title of one's own that PS3.5 6.2 does not allow.

    For callers who can still be told: to cut it, as `encode` does, would name another entity.

    Args:
        name: what the title is, for the message ("called", "calling").
        title: the title.

    Raises:
        ValueError: it is too long, or has characters that a title cannot have.
    """
    if len(title) > AE_TITLE_LENGTH or not title.isascii() or "\\" in title:
        raise ValueError(f"{name} AE title {title!r}: 1 to 16 ASCII characters, no backslash")
    if not title.isprintable():
        raise ValueError(f"{name} AE title {title!r} has control characters")

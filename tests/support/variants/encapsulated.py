"""Encapsulated pixel data (PS3.5 A.4), as it should be and as it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.variants import lengths
from tests.support.variants.encoder import UNDEFINED, Case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.variants.encoder import Encoder

__all__ = ["broken_cases", "cases"]

_PIXELS = 0x7FE00010


def _pixels(e: Encoder, *fragments: bytes, vr: str = "OB", ended: bool = True) -> bytes:
    body = b"".join(e.item(fragment) for fragment in fragments)
    body += e.tag(0xFFFEE0DD) if ended else b""
    return e.element(_PIXELS, vr, body, length=UNDEFINED)


def cases(e: Encoder) -> Iterator[Case]:
    """Yield offset tables, fragments, icons, and elements round about."""
    plain = _pixels(e, b"", b"1234", b"AB")
    text = e.element(0x00100020, "LO", b"AB    ")
    yield Case("two fragments", plain)
    yield Case("text to be trimmed", text + plain)
    yield Case("offset table", _pixels(e, bytes(4), b"1234"))
    yield Case("no offset table", _pixels(e, b"1234"))
    yield Case("no fragment", _pixels(e, b""))
    yield Case("nothing", _pixels(e))
    yield Case("empty fragment", _pixels(e, b"", b""))
    yield Case("odd fragment", _pixels(e, b"", b"123"))
    yield Case("two odd fragments", _pixels(e, b"", b"123", b"5", b"67"))
    yield Case("called OW", _pixels(e, b"", b"1234", vr="OW"))
    yield Case("group length", e.element(0x7FE00000, "UL", b"1234") + plain)
    yield Case("padding behind", plain + e.element(0xFFFCFFFC, "OB", bytes(10)))
    yield Case("elements behind", plain + e.element(0x7FE10010, "LO", b"AB    "))
    yield Case("no pixel data", text)
    icon = e.item(e.element(_PIXELS, "OW", b"1234"))
    yield Case("icon as words", e.sequence(0x00880200, icon) + plain)
    yield Case("odd icon", e.sequence(0x00880200, e.item(e.element(_PIXELS, "OB", b"123"))) + plain)
    yield Case("encapsulated icon", e.sequence(0x00880200, e.item(plain)) + plain)
    big = _pixels(e, b"", *(bytes([n]) * (1000 * n) for n in range(40)))
    yield Case("forty fragments", big)
    for case in lengths.group_length_cases(e):
        if b"\xe0\x7f" not in case.body:
            yield case._replace(name=f"{case.name}, encapsulated", body=case.body + plain)


def broken_cases(e: Encoder) -> Iterator[Case]:
    """Yield pixel data that cannot be followed."""
    yield Case("explicit length", e.element(_PIXELS, "OB", b"1234"))
    yield Case("explicit length, words", e.element(_PIXELS, "OW", b"1234"))
    yield Case("no end", _pixels(e, b"", b"1234", ended=False))
    cut = e.item(b"") + e.tag(0xFFFEE000, 100) + b"12"
    yield Case("cut fragment", e.element(_PIXELS, "OB", cut, length=UNDEFINED))
    loose = e.item(b"") + e.item(b"1234", undefined=True) + e.tag(0xFFFEE0DD)
    yield Case("fragment of undefined length", e.element(_PIXELS, "OB", loose, length=UNDEFINED))
    yield Case("called UN", _pixels(e, b"", b"1234", vr="UN"))

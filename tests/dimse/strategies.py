"""Hypothesis strategies: every DIMSE message with values that survive a round trip."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Protocol, cast

from hypothesis import strategies as st

from isocenter.dimse import commands, commands_n, commands_query

if TYPE_CHECKING:
    from isocenter.dimse.commands import Message


class Constructor(Protocol):
    def __call__(self, **arguments: object) -> Message: ...


MESSAGE_CLASSES: tuple[type[Message], ...] = (
    *commands.MESSAGES.values(),
    *commands_query.MESSAGES.values(),
    *commands_n.MESSAGES.values(),
)

uint16 = st.integers(0, 0xFFFF)
uids = st.text("0123456789.", min_size=1, max_size=64)
_text = string.ascii_letters + string.digits + "_-+() "
titles = st.text(_text, min_size=1, max_size=16).filter(lambda t: t == t.strip())
comments = st.text(_text, min_size=1, max_size=64).filter(lambda t: t == t.strip())
tags = st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=5).map(tuple)
_BY_VR: dict[str, st.SearchStrategy[object]] = {
    "AE": titles.map(str),
    "AT": tags,
    "LO": comments.map(str),
    "UI": uids.map(str),
    "US": uint16.map(int),
}


@st.composite
def _extras(draw: st.DrawFn, kind: type[Message]) -> tuple[tuple[int, bytes], ...]:
    known = kind.field_table.by_tag
    wanted = st.integers(1, 0xFFFF).filter(lambda tag: tag not in known)
    # Even length: an odd one comes back padded.
    values = st.binary(max_size=4).map(lambda value: value * 2)
    return tuple(sorted(draw(st.dictionaries(wanted, values, max_size=3)).items()))


@st.composite
def messages_of(draw: st.DrawFn, kind: type[Message]) -> Message:
    """Draw a message of `kind`, its optional fields there or not."""
    arguments: dict[str, object] = {
        "has_data_set": draw(st.booleans()),
        "extra": draw(st.just(()) | _extras(kind)),
    }
    for entry in kind.field_table.fields:
        if entry.name in ("command_field", "has_data_set"):
            continue
        if entry.usage == "M" or draw(st.booleans()):
            arguments[entry.name] = draw(_BY_VR[entry.vr])
    return cast("Constructor", kind)(**arguments)


messages = st.sampled_from(MESSAGE_CLASSES).flatmap(messages_of)

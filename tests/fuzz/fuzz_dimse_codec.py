"""Fuzz target: command sets, whole and in fragments.

Decoding may raise `DimseDecodeError` and nothing else; a message that encodes must decode
to itself; and the assembler, fed the same bytes in fragments, must come to the same end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isocenter.dimse.codec import CommandLimits, decode_command, encode_command
from isocenter.dimse.messages import CommandReceived, MessageAssembler
from isocenter.errors import DimseDecodeError
from isocenter.ul.events import PDataIndication
from tests.dimse import samples

if TYPE_CHECKING:
    from isocenter.dimse.commands import Message

_LIMITS = CommandLimits(maximum_command_set_length=4096)
_FRAGMENT = 7


def seeds() -> list[bytes]:
    """Return command sets of several kinds."""
    return [
        samples.C_ECHO_RQ,
        samples.C_STORE_RQ_MOVED,
        samples.C_STORE_RSP,
        samples.C_STORE_RSP_FAILED,
        samples.N_GET_RQ,
    ]


def test_one_input(data: bytes) -> None:
    """Decode one input and check what follows from it."""
    message = _decode(data)
    gathered = _assemble(data)
    if gathered != message:
        raise AssertionError(f"whole {message!r}, in fragments {gathered!r}")
    if message is None:
        return
    try:
        encoded = encode_command(message)
    except ValueError:
        return  # what is tolerated is not always sendable
    again = _decode(encoded)
    if again is None or again.deviations:
        raise AssertionError(f"{message!r} became {again!r}")
    # Comments, titles and padding may be changed to fit; a second pass changes nothing.
    if encode_command(again) != encoded:
        raise AssertionError(f"{again!r} is not stable")


def _decode(data: bytes) -> Message | None:
    try:
        return decode_command(memoryview(data), _LIMITS)
    except DimseDecodeError:
        return None


def _assemble(data: bytes) -> Message | None:
    assembler = MessageAssembler(_LIMITS)
    view = memoryview(data)
    end = len(data)
    try:
        for start in range(0, max(end, 1), _FRAGMENT):
            part = view[start : start + _FRAGMENT]
            last = start + _FRAGMENT >= end
            result = assembler.pdata(PDataIndication(1, True, last, [part], len(part)))
            if isinstance(result, CommandReceived):
                return result.message
    except DimseDecodeError:
        pass
    return None

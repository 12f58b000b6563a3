"""Fuzz target: what a log at debug level shows of requests, answers and messages.

The input is an association PDU, behind its type, or with a first byte from 128 on a command set.
Of whatever can be decoded there is a dump; nothing in it begins a line that looks like another
message of the log, and no passcode is shown.
"""

from __future__ import annotations

import re

from isocenter.cli.dumps import accept_dump, message_dump, request_dump
from isocenter.cli.logsetup import harmless
from isocenter.cli.status_detail import status_detail
from isocenter.dimse.codec import decode_command
from isocenter.dimse.commands import CEchoRSP
from isocenter.errors import DimseDecodeError, PduDecodeError
from isocenter.ul import codec
from isocenter.ul.pdu import AAssociateAC, AAssociateRQ
from tests.dimse import samples as messages
from tests.fuzz.fuzz_pdu_codec import as_input
from tests.ul import samples

_REQUEST = codec.decode(1, samples.EVERY_SUB_ITEM_REQUEST[6:], codec.Limits())
_LEVEL = re.compile(r"^[FEWIDT]: ", re.MULTILINE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def seeds() -> list[bytes]:
    """Return PDUs and messages, some with lines of a log in their texts."""
    pdus = [
        as_input(each)
        for each in (
            samples.DCMTK_ECHO_REQUEST,
            samples.DCMTK_ACCEPT,
            samples.EVERY_SUB_ITEM_REQUEST,
        )
    ]
    forged = [pdu.replace(b"1.2.840.10008.1.1", b"1.2.840\nF: forged") for pdu in pdus]
    commands = (
        messages.C_ECHO_RQ,
        messages.C_STORE_RQ_MOVED,
        messages.C_STORE_RSP_FAILED,
        messages.N_GET_RQ,
    )
    return [*pdus, *forged, *(b"\x80" + each for each in commands)]


def test_one_input(data: bytes) -> None:
    """Dump one PDU or message and check the text."""
    if data[:1] >= b"\x80":
        try:
            message = decode_command(memoryview(data)[1:])
        except DimseDecodeError:
            return
        for context_id in (None, 1):
            _check(message_dump(message, direction="INCOMING", context_id=context_id))
        if isinstance(message, CEchoRSP):
            _check(status_detail(message))
        return
    try:
        value = codec.decode(data[0] if data else 0, data[1:], codec.Limits())
    except PduDecodeError:
        return
    if isinstance(value, AAssociateRQ):
        _check(request_dump(value))
        text = request_dump(value, maximum_length=16384)
        _check(text)
        identity = value.user_information.user_identity
        if identity is not None and len(identity.secondary_field) > 8:
            passcode = identity.secondary_field.decode("latin-1")
            if passcode in text and passcode not in text.replace(passcode, "", 1):
                _check_shown(passcode, data, text)
    elif isinstance(value, AAssociateAC):
        assert isinstance(_REQUEST, AAssociateRQ)
        for acceptor in (False, True):
            _check(accept_dump(_REQUEST, value, acceptor=acceptor))


def _check_shown(passcode: str, data: bytes, text: str) -> None:
    """Complain of a passcode in a dump, unless the same text stands in the request elsewhere."""
    if data.count(passcode.encode("latin-1")) == 1 and passcode not in _words(text):
        raise AssertionError(f"{passcode!r} is shown")


def _words(text: str) -> str:
    """Return the fixed words of a dump: what is before each colon."""
    return "\n".join(line.partition(":")[0] for line in text.split("\n"))


def _check(text: str) -> None:
    shown = harmless(text)
    if _CONTROL.search(shown):
        raise AssertionError(f"control characters in {shown!r}")
    if _LEVEL.search(shown):
        raise AssertionError(f"a line of a peer's own in {shown!r}")

"""storescu, echoscu and isocenter.connect between hostile files, settings and acceptors.

Rows 11, 19, 21, 24, 28, 37 and 44 of the table. A sender ends in time, says so in its exit code,
and is as good as before with the next peer.
"""

from __future__ import annotations

import contextlib
import gc
import os
import struct
from typing import TYPE_CHECKING

import pytest

import isocenter
from isocenter.errors import IsocenterError
from isocenter.testing import RawMessage, ScriptedAcceptor, ct_image, raw
from isocenter.testing.datasets import CT_IMAGE_STORAGE, EXPLICIT_LITTLE
from isocenter.testing.peer import PeerClosed, accept
from tests.attacks.support import (
    MIB,
    WAIT,
    check_served,
    obey,
    receiving,
    run_against,
    storage,
)
from tests.support.ports import free_port
from tests.support.processes import run
from tests.support.tools import OURS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from isocenter.testing import RawConnection
    from isocenter.testing.peer import Script

pytestmark = pytest.mark.slow

# With this UID none of the cuts below falls between two elements, where nobody could tell.
GOOD = ct_image(rows=16, columns=16, sop_instance_uid="2.25.3298007356985866292956419785115061")
PART10 = GOOD.part10()
META_LENGTH = len(PART10) - len(GOOD.data_set)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A file that can be sent."""
    return ct_image(rows=16, columns=16).write(tmp_path / "zz-good.dcm")


def _check_sends_on(bad: Path, good: Path, *options: str, code: int | None = None) -> str:
    """Send a bad file and a good one: the good one arrives, and exit code and log tell of the bad.

    Returns the log.
    """
    received: list[RawMessage] = []
    done = run_against(storage(received), "storescu", bad, good, options=("-nh", *options))
    assert received, done.stderr
    assert received[-1].data_set == good.read_bytes()[-len(received[-1].data_set) :]
    assert len(received) <= 2
    if code is not None:
        assert done.code == code, done.stderr
    if len(received) == 1:
        assert done.code != 0
        assert bad.name in done.stderr
    return done.stderr


# --- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [*range(0, META_LENGTH + 40, 24), -1])
def test_cve_2022_2121_file_cut_short_at_any_byte(end: int, tmp_path: Path, good: Path) -> None:
    """A null dereference in DCMTK; here: not sent, and told."""
    bad = tmp_path / "bad.dcm"
    bad.write_bytes(PART10[:end])
    _check_sends_on(bad, good, "-R", code=1)


def _meta(*elements: bytes, length: int | None = None) -> bytes:
    """Return preamble, prefix, group length and elements of group 0002 as bytes."""
    body = b"".join(elements)
    said = len(body) if length is None else length
    return bytes(128) + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, said) + body


def _element(tag: int, vr: bytes, value: bytes, *, length: int | None = None) -> bytes:
    said = len(value) if length is None else length
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    if vr in {b"OB", b"OW", b"UN", b"UT", b"SQ"}:
        return head + struct.pack("<HI", 0, said) + value
    return head + struct.pack("<H", said & 0xFFFF) + value


_UIDS = (
    _element(0x00020002, b"UI", CT_IMAGE_STORAGE.encode() + b"\0"),
    _element(0x00020003, b"UI", b"2.25.37\0"),
    _element(0x00020010, b"UI", EXPLICIT_LITTLE.encode() + b"\0"),
)

BAD_META: dict[str, bytes] = {
    "group length of 4 GiB": _meta(*_UIDS, length=0xFFFFFFFF),
    "group length of 0": _meta(*_UIDS, length=0),
    "group length into the data set": _meta(*_UIDS, length=400),
    "group length one less": _meta(*_UIDS, length=sum(map(len, _UIDS)) - 1),
    "element of 4 GiB": _meta(_element(0x00020001, b"OB", b"\0\1", length=0xFFFFFFFE), *_UIDS),
    "element that overruns": _meta(*_UIDS, _element(0x00020016, b"AE", b"", length=0xFFFE)),
    "a syntax of 60 000 bytes": _meta(*_UIDS[:2], _element(0x00020010, b"UI", b"1." * 30_000)),
    "a class of 60 000 bytes": _meta(_element(0x00020002, b"UI", b"1." * 30_000), *_UIDS[1:]),
    "a megabyte of File Meta": _meta(*_UIDS, _element(0x00020102, b"OB", bytes(MIB))),
    "thousands of elements": _meta(
        *_UIDS, *(_element(0x00020100 + n % 2, b"SH", b"ab") for n in range(5000))
    ),
    "undefined length": _meta(_element(0x00020102, b"OB", b"", length=0xFFFFFFFF), *_UIDS),
    "a sequence": _meta(*_UIDS, _element(0x00020102, b"SQ", bytes(8))),
    "no transfer syntax": _meta(*_UIDS[:2]),
    "descending": _meta(*reversed(_UIDS)),
    "twice": _meta(*_UIDS, *_UIDS),
}


@pytest.mark.parametrize("what", BAD_META)
def test_cve_2026_5437_file_meta_that_lies(what: str, tmp_path: Path, good: Path) -> None:
    """A read out of bounds in Orthanc; here: told in a line, or read as far as it goes."""
    bad = tmp_path / "bad.dcm"
    bad.write_bytes(BAD_META[what] + GOOD.data_set)
    log = _check_sends_on(bad, good, "-R")
    assert len(log) < 4000


@pytest.mark.parametrize("vr", [b"ZZ", b"\0\0", b"\xff\xff", b"SV", b"uv", b"??", b"UN", b"OV"])
@pytest.mark.parametrize("length", [8, 0xFFF0, 0xFFFFFFFE])
def test_cve_2026_3650_vr_in_file_meta_that_no_standard_knows(
    vr: bytes, length: int, tmp_path: Path, good: Path
) -> None:
    """GDCM allocates what such an element says it has."""
    bad = tmp_path / "bad.dcm"
    strange = struct.pack("<HH2sHI", 0x0002, 0x0102, vr, 0, length)
    bad.write_bytes(_meta(*_UIDS, strange, b"12345678") + GOOD.data_set)
    log = _check_sends_on(bad, good, "-R")
    assert len(log) < 4000


def test_cve_2026_3650_huge_file_meta_costs_no_memory(tmp_path: Path) -> None:
    """A file of 512 MiB that is File Meta for the most part, in 256 MiB of address space."""
    bad = tmp_path / "bad.dcm"
    with bad.open("wb") as file:
        file.write(_meta(_element(0x00020001, b"OB", b"", length=512 * MIB), length=512 * MIB + 12))
        file.truncate(512 * MIB)
    with contextlib.ExitStack() as stack:
        acceptor = stack.enter_context(ScriptedAcceptor(obey, timeout=WAIT))
        argv = OURS.argv("storescu", "-R", "127.0.0.1", str(acceptor.port), bad)
        done = run(["sh", "-c", 'ulimit -v 262144; exec "$@"', "sh", *argv], timeout=45)
    assert done.code == 1
    assert "MemoryError" not in done.stderr
    assert bad.name in done.stderr


# --- settings ---------------------------------------------------------------------------------

PROFILE = """[[TransferSyntaxes]]
[Uncompressed]
TransferSyntax1 = LittleEndianExplicit

[[PresentationContexts]]
[Storage]
PresentationContext1 = VerificationSOPClass\\Uncompressed

[[Profiles]]
[Default]
PresentationContexts = Storage
"""

BAD_PROFILES = {
    "empty": b"",
    "binary": bytes(range(256)) * 40,
    "one long line": b"[" * 500_000,
    "no end of a section": b"[[Profiles\n[Default\nPresentationContexts = \n",
    "unknown context": PROFILE.replace("= Storage", "= Nothing").encode(),
    "number without end": PROFILE.replace("Syntax1", "Syntax" + "9" * 5000).encode(),
    "context without syntax": PROFILE.replace("\\Uncompressed", "\\").encode(),
    "100 000 profiles": b"[[Profiles]]\n"
    + b"".join(b"[P%d]\nPresentationContexts = X\n" % number for number in range(100_000)),
    "NULs": PROFILE.replace("Syntax1 =", "Syntax\0 =").encode(),
}


@pytest.mark.parametrize("tool", ["storescp", "storescu"])
@pytest.mark.parametrize("what", BAD_PROFILES)
def test_cve_2022_4981_configuration_that_is_malformed(
    what: str, tool: str, tmp_path: Path, good: Path
) -> None:
    """Dcmqrscp crashes by a list of peers; these tools read profiles: a line and an exit code."""
    bad = tmp_path / "bad.cfg"
    bad.write_bytes(BAD_PROFILES[what])
    arguments: tuple[str | Path, ...] = ("-xf", bad, "Default")
    if tool == "storescp":
        done = OURS.run(tool, *arguments, "-od", tmp_path, str(free_port()), timeout=40)
    else:
        done = run_against(obey, tool, good, options=arguments)
    assert done.code != 0
    assert "Traceback" not in done.stderr
    assert 1 <= len(done.lines) <= 30
    assert len(done.stderr) < 20_000
    bad.write_text(PROFILE.replace("VerificationSOPClass", "CTImageStorage"))
    assert run_against(obey, "storescu", good, options=("-xf", bad, "Default")).code == 0


@pytest.mark.parametrize("what", BAD_PROFILES)
def test_cve_2022_4981_logger_configuration_that_is_malformed(what: str, tmp_path: Path) -> None:
    """Rubbish in place of a logger configuration changes no more than what is logged."""
    bad = tmp_path / "bad.cfg"
    bad.write_bytes(BAD_PROFILES[what])
    done = OURS.run("storescp", "-lc", bad, "-od", tmp_path / "missing", "0x", timeout=40)
    assert done.code != 0
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 20_000
    with receiving(tmp_path / "out", "-v") as receiver:
        check_served(receiver)


# --- acceptors --------------------------------------------------------------------------------


def _close(connection: RawConnection) -> None:
    with contextlib.suppress(TimeoutError):
        connection.receive_until_closed(timeout=10)


def _answer(data: Callable[[int], bytes]) -> Script:
    """Return a script that accepts, and answers the first message with bytes for its context."""

    def script(connection: RawConnection) -> None:
        accept(connection)
        message = connection.receive_message()
        context = message.context_id if isinstance(message, RawMessage) else 1
        connection.send(data(context))
        _close(connection)

    return script


def _instead_of_acceptance(data: bytes) -> Script:
    def script(connection: RawConnection) -> None:
        connection.receive()
        connection.send(data)
        _close(connection)

    return script


def _pdv(context: int, length: int) -> bytes:
    return raw.p_data(raw.pdv(context, bytes(16), command=True, last=True, length=length))


def _hostile_acceptance(user: bytes) -> bytes:
    return raw.associate_ac([(1, 0, EXPLICIT_LITTLE)], user=user)


ACCEPTORS: dict[str, Script] = {
    "nothing at all": lambda connection: connection.close(),
    "rubbish": _instead_of_acceptance(bytes(range(256)) * 8),
    "acceptance of 4 GiB": _instead_of_acceptance(
        raw.pdu(raw.ASSOCIATE_AC, bytes(1000), length=0xFFFFFFFF)
    ),
    "acceptance cut short": _instead_of_acceptance(raw.pdu(raw.ASSOCIATE_AC, bytes(30))),
    "acceptance of what was not asked for": _instead_of_acceptance(
        raw.associate_ac([(number, 0, EXPLICIT_LITTLE) for number in range(1, 255, 2)])
    ),
    "acceptance with a syntax of 60 000 bytes": _instead_of_acceptance(
        raw.associate_ac([(1, 0, "1." * 30_000)])
    ),
    "acceptance with 10 000 items": _instead_of_acceptance(
        _hostile_acceptance(raw.user_information(*[raw.item(0xEE, b"x")] * 10_000))
    ),
    "acceptance with an identity of 64 KiB": _instead_of_acceptance(
        _hostile_acceptance(
            raw.user_information(raw.item(0x59, struct.pack(">H", 65_000) + bytes(65_000)))
        )
    ),
    "maximum length of one byte": _instead_of_acceptance(
        _hostile_acceptance(raw.user_information(maximum_length=1))
    ),
    "rejection of nonsense": _instead_of_acceptance(raw.associate_rj(255, 255, 255)),
    "a request of its own": _instead_of_acceptance(raw.associate_rq([])),
    "release at once": _instead_of_acceptance(raw.release_rq()),
    "PDU of 4 GiB": _answer(lambda _context: raw.pdu(raw.P_DATA, bytes(100), length=0xFFFFFFFF)),
    "PDV longer than its PDU": _answer(lambda context: _pdv(context, 4000)),
    "PDV of 4 GiB": _answer(lambda context: _pdv(context, 0xFFFFFFFF)),
    "PDV without room": _answer(lambda context: _pdv(context, 1)),
    "command of rubbish": _answer(
        lambda context: raw.p_data(raw.pdv(context, b"\xff" * 64, command=True, last=True))
    ),
    "response to nothing": _answer(lambda context: raw.message(context, raw.c_store_rsp(99, 0))),
    "response without a status": _answer(
        lambda context: raw.message(
            context,
            raw.command_set(
                [(0x0100, raw.us(0x8001)), (0x0120, raw.us(1)), (0x0800, raw.us(0x0101))]
            ),
        )
    ),
    "command set without end": _answer(
        lambda context: raw.p_data(raw.pdv(context, bytes(16000), command=True, last=False)) * 64
    ),
    "a data set instead of a command": _answer(
        lambda context: raw.p_data(raw.pdv(context, bytes(64), command=False, last=True))
    ),
}


@pytest.mark.parametrize("what", ACCEPTORS)
@pytest.mark.parametrize("tool", ["storescu", "echoscu"])
def test_dcmtk_1549d8ccc_and_cve_2024_34508_acceptor_that_lies_to_a_tool(
    tool: str, what: str, good: Path
) -> None:
    """PDV lengths, PDU lengths and messages, against the requestor's side of the same code."""
    files = (good,) if tool == "storescu" else ()
    options = ("-ta", "3", "-td", "3")
    done = run_against(ACCEPTORS[what], tool, *files, options=options)
    assert done.code != 0
    assert done.lines
    assert len(done.stderr) < 4000
    assert run_against(obey, tool, *files).code == 0


@pytest.mark.parametrize("what", ACCEPTORS)
def test_cve_2024_34508_acceptor_that_lies_to_the_python_interface(what: str, good: Path) -> None:
    """An error of the documented kind, and the process is as good as before."""
    with (
        ScriptedAcceptor(ACCEPTORS[what], timeout=WAIT) as acceptor,
        pytest.raises(IsocenterError),
        isocenter.connect("127.0.0.1", acceptor.port, acse_timeout=3, dimse_timeout=3) as peer,
    ):
        peer.store(good)
    with (
        ScriptedAcceptor(obey, timeout=WAIT) as acceptor,
        isocenter.connect("127.0.0.1", acceptor.port) as peer,
    ):
        peer.echo()
        assert peer.store(good).confirmed


def _abort_when(*, answers: int, how: str) -> Script:
    """Return a script that breaks off after so many PDUs of the requestor were read."""

    def script(connection: RawConnection) -> None:
        with contextlib.suppress(PeerClosed, TimeoutError, OSError):
            if answers:
                accept(connection)
            for _ in range(answers - 1):
                connection.receive()
            if how == "A-ABORT":
                connection.send(raw.abort())
            elif how == "reset":
                connection.vanish()

    return script


@pytest.mark.parametrize("how", ["A-ABORT", "reset", "close"])
@pytest.mark.parametrize("answers", range(6))
def test_dcmtk_1075_acceptor_that_aborts_in_every_state(
    answers: int, how: str, tmp_path: Path
) -> None:
    big = ct_image(rows=256, columns=256).write(tmp_path / "big.dcm")
    done = run_against(_abort_when(answers=answers, how=how), "storescu", big)
    assert done.code != 0
    assert done.lines
    assert run_against(obey, "storescu", big).code == 0


def test_cve_2021_41690_python_interface_takes_no_memory_with_each_failure(good: Path) -> None:
    """Connections that fail leave no descriptor behind, and objects that were not sent neither."""

    def attack() -> None:
        for what in ("rubbish", "PDV of 4 GiB", "release at once", "command of rubbish"):
            with ScriptedAcceptor(ACCEPTORS[what], timeout=WAIT) as acceptor:
                try:
                    with isocenter.connect("127.0.0.1", acceptor.port) as peer:
                        peer.store(good)
                except IsocenterError:
                    pass

    attack()
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        attack()
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before + 1

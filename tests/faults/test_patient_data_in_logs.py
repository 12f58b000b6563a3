"""What is said of patients: nothing above the debug level, whatever is sent and however broken.

Every value that stands for a patient holds a mark; so does what lies behind lengths that lie. All
that a tool prints is looked through for the mark, as it is and as a dump would show it.
docs/privacy.md says where values appear all the same, and at which level.
"""

from __future__ import annotations

import contextlib
import struct
from typing import TYPE_CHECKING

import pytest

import isocenter
from isocenter.testing import ScriptedAcceptor, ScriptedRequestor, raw
from isocenter.testing.datasets import (
    CT_IMAGE_STORAGE,
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    encode_data_set,
    encode_file_meta,
)
from isocenter.testing.peer import PeerClosed, accept, serve_storage
from isocenter.testing.raw import Context
from tests.support.tools import OURS, Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import RawConnection
    from isocenter.testing.datasets import Element

pytestmark = pytest.mark.slow

WAIT = 20.0
MARK = "Zqx7"
UID = "1.2.826.0.1.3680043.99.1"
STUDY = "1.2.826.0.1.3680043.99.2"
BIRTH = "19470119"

PATIENT: list[Element] = [
    (0x00080005, "CS", "ISO_IR 100"),
    (0x00080016, "UI", CT_IMAGE_STORAGE),
    (0x00080018, "UI", UID),
    (0x00080020, "DA", BIRTH),
    (0x00080021, "DA", BIRTH),
    (0x00080050, "SH", "Zqx7Accession"),
    (0x00080080, "LO", "Zqx7Institution"),
    (0x00080090, "PN", "Zqx7^Referring"),
    (0x00081030, "LO", "Zqx7 study"),
    (0x00081140, "SQ", [[(0x00081150, "UI", CT_IMAGE_STORAGE), (0x00104000, "LT", "Zqx7 in")]]),
    (0x00090010, "LO", "Zqx7 CREATOR"),
    (0x00091001, "UN", b"Zqx7 private"),
    (0x00100010, "PN", "Zqx7^Name"),
    (0x00100020, "LO", "Zqx7Id"),
    (0x00100030, "DA", BIRTH),
    (0x00101040, "LO", "Zqx7 address"),
    (0x00104000, "LT", "Zqx7 comments"),
    (0x0020000D, "UI", STUDY),
    (0x0020000E, "UI", "1.2.826.0.1.3680043.99.3"),
    (0x00200010, "SH", "Zqx7StudyId"),
    (0x00204000, "LT", "Zqx7 image"),
    (0x40081111, "PN", "Zqx7^Second"),
]

GOOD = encode_data_set(PATIENT)


def _replaced(tag: int, element: bytes) -> bytes:
    """Return the data set with one element in another form, as bytes."""
    return b"".join(element if each[0] == tag else encode_data_set([each]) for each in PATIENT)


def _short(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    said = len(value) if length is None else length
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, said) + value


def _long(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    said = len(value) if length is None else length
    return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr, 0, said) + value


BROKEN = {
    "as it should be": GOOD,
    "cut within the name": GOOD[: GOOD.index(b"Zqx7^Name") + 5],
    "cut within a header": GOOD[: GOOD.index(b"Zqx7Id") - 5],
    "name of odd length": _replaced(0x00100010, _short(0x00100010, b"PN", b"Zqx7^Nam1")),
    "name that overruns": _replaced(0x00100010, _short(0x00100010, b"PN", b"Zqx7^Name!", 0xFFF0)),
    "name that is too short": _replaced(0x00100010, _short(0x00100010, b"PN", b"Zqx7^Name!", 2)),
    "name of another VR": _replaced(0x00100010, _short(0x00100010, b"UI", b"Zqx7^Name!")),
    "name as a sequence": _replaced(0x00100010, _long(0x00100010, b"SQ", b"Zqx7^Name!")),
    "name as an unknown VR": _replaced(0x00100010, _short(0x00100010, b"Z?", b"Zqx7^Name!")),
    "name in 8 bits": _replaced(0x00100010, _short(0x00100010, b"PN", b"Zqx7\xe4\xff^\xfc1")),
    "name with control characters": _replaced(
        0x00100010, _short(0x00100010, b"PN", b"Zqx7\x1b$B\0\r\n1")
    ),
    "character set of a patient": _replaced(
        0x00080005, _short(0x00080005, b"CS", b"Zqx7 SET")
    ).replace(b"Zqx7^Name ", b"Zqx7\xe4\xff^\xfc1"),
    "study UID of a patient": _replaced(0x0020000D, _short(0x0020000D, b"UI", b"Zqx7^Study")),
    "instance UID of a patient": _replaced(0x00080018, _short(0x00080018, b"UI", b"Zqx7^Inst ")),
    "class UID of a patient": _replaced(0x00080016, _short(0x00080016, b"UI", b"Zqx7^Class")),
    "UIDs with blanks": _replaced(0x0020000D, _short(0x0020000D, b"UI", STUDY.encode() + b" ")),
    "no study UID": _replaced(0x0020000D, b""),
    "item that overruns": GOOD + _long(0xFFFAFFFA, b"SQ", b"\xfe\xff\x00\xe0\xf0\xff\0\0Zqx7"),
    "text where an item should be": GOOD + _long(0xFFFAFFFA, b"SQ", b"Zqx7Zqx7Zqx7"),
    "nothing but text": b"Zqx7^Name Zqx7Id " * 10,
    "elements out of order": encode_data_set(list(reversed(PATIENT))),
}

OPTIONS: dict[str, tuple[str, ...]] = {
    "normal": (),
    "+B": ("+B",),
    "+ti": ("+ti",),
    "+te -u +uc +g": ("+te", "-u", "+uc", "+g"),
    "+td": ("+td",),
    "-ss -rns": ("-ss", "P", "-rns"),
    "-su -xcs": ("-su", "P", "-xcs", "false #p #a #c #r", "-tos", "0"),
    "-xcr -xs": ("-xcr", "exit 3; echo #p #f #a", "-xs"),
    "-xcr --exec-argv": ("-xcr", "/nonexistent/program #p #f", "--exec-argv"),
    "-tn --durable": ("-tn", "--durable", "--on-duplicate", "keep-both"),
    "--on-duplicate reject": ("--on-duplicate", "reject"),
    "--workers 2": ("--workers", "2", "-su", ""),
    "--fork": ("--fork",),
}


def _found(text: str) -> list[str]:
    """Return the lines that hold the mark, as text or as a dump of its bytes."""
    plain = MARK, BIRTH
    # What dumps make of it: without blanks between bytes, in either case.
    dumped = [MARK.encode().hex(), BIRTH.encode().hex()]
    return [
        line
        for line in text.splitlines()
        if any(each in line for each in plain)
        or any(each in line.lower().replace(" ", "").replace("\\x", "") for each in dumped)
    ]


def _put(port: int, data_set: bytes, transfer_syntax: str = EXPLICIT_LITTLE) -> None:
    """Store a data set; however it is answered."""
    with ScriptedRequestor(port, timeout=WAIT) as peer:
        peer.associate([Context(1, CT_IMAGE_STORAGE, (transfer_syntax,))])
        peer.send(raw.message(1, raw.c_store_rq(1, CT_IMAGE_STORAGE, UID), data_set))
        peer.receive_message()
        with contextlib.suppress(AssertionError, PeerClosed):
            peer.release()


def _send_everything(port: int) -> None:
    for data_set in BROKEN.values():
        _put(port, data_set)
    for syntax in (IMPLICIT_LITTLE, EXPLICIT_BIG):
        _put(port, encode_data_set(PATIENT, syntax), syntax)
        _put(port, GOOD, syntax)
    # Broken off, and messages that are wrong within the data set.
    command = raw.message(1, raw.c_store_rq(1, CT_IMAGE_STORAGE, UID))
    pdvs = [
        raw.pdv(1, GOOD[:400], command=False, last=False) + b"Zqx7",
        raw.pdv(1, GOOD[200:400], command=False, last=False, length=60_000),
        raw.pdv(5, GOOD[200:400], command=False, last=False),
        raw.pdv(1, GOOD[200:400], command=True, last=True),
        raw.pdv(1, GOOD[200:400], command=False, last=False),
    ]
    for pdv in pdvs:
        with ScriptedRequestor(port, timeout=WAIT) as peer:
            peer.associate([Context(1, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE,))])
            peer.send(command + raw.p_data(pdv))
            peer.send(raw.pdu(0x5A, b"Zqx7^Name"))
            with contextlib.suppress(PeerClosed, OSError):
                peer.receive()


@pytest.mark.parametrize(
    "level", [(), ("-v",), ("-v", "--explain")], ids=["quiet", "-v", "--explain"]
)
@pytest.mark.parametrize("options", list(OPTIONS.values()), ids=list(OPTIONS))
def test_receiver_says_nothing_of_patients(
    options: tuple[str, ...], level: tuple[str, ...], tmp_path: Path
) -> None:
    with Receiver(OURS, tmp_path / "out", *level, *options) as receiver:
        _send_everything(receiver.port)
        assert receiver.process.terminate(timeout=WAIT).code == 0
        found = _found(receiver.log + receiver.process.stdout)
    assert [line for line in found if not _tells_of_a_study_uid(line)] == []


def _tells_of_a_study_uid(line: str) -> bool:
    """Tell whether a line repeats the Study Instance UID that a folder is called after."""
    return "Zqx7^Study" in line or "Zqx7_Study" in line


@pytest.mark.parametrize("level", [(), ("-v",), ("-v", "--explain")], ids=" ".join)
def test_receiver_that_names_folders_after_patients_leaves_the_names_out(
    level: tuple[str, ...], tmp_path: Path
) -> None:
    options = ("-sp", "-rns", "-xcr", "exit 3; echo #p", "-xcs", "exit 3; echo #p", "-xs")
    with Receiver(OURS, tmp_path / "out", *level, *options) as receiver:
        _send_everything(receiver.port)
        assert receiver.process.terminate(timeout=WAIT).code == 0
        assert _found(receiver.log + receiver.process.stdout) == []
        if level:
            assert f"created new subdirectory for study: {tmp_path}/out/(patient)_" in receiver.log
    assert [path.name for path in (tmp_path / "out").iterdir() if MARK in path.name]


def test_names_of_folders_are_told_where_that_is_asked_for(tmp_path: Path) -> None:
    with Receiver(OURS, tmp_path / "out", "-v", "-sp", "--log-patient-data") as receiver:
        _put(receiver.port, GOOD)
        receiver.process.wait_for_line("storing DICOM file", timeout=WAIT)
        assert f"{tmp_path}/out/Zqx7_Name_" in receiver.log


def test_names_of_folders_are_told_at_debug_level(tmp_path: Path) -> None:
    with Receiver(OURS, tmp_path / "out", "-d", "-sp") as receiver:
        _put(receiver.port, GOOD)
        receiver.process.wait_for_line("storing DICOM file", timeout=WAIT)
        assert f"{tmp_path}/out/Zqx7_Name_" in receiver.log


def test_names_are_left_out_of_logs_that_a_configuration_sends_elsewhere(tmp_path: Path) -> None:
    log = tmp_path / "log"
    config = tmp_path / "logger.cfg"
    config.write_text(
        "log4cplus.rootLogger = INFO, file\n"
        "log4cplus.appender.file = log4cplus::FileAppender\n"
        f"log4cplus.appender.file.File = {log}\n"
        "log4cplus.appender.file.ImmediateFlush = true\n"
        "log4cplus.appender.file.layout = log4cplus::PatternLayout\n"
        "log4cplus.appender.file.layout.ConversionPattern = %m%n\n"
    )
    with Receiver(OURS, tmp_path / "out", "-lc", str(config), "-sp") as receiver:
        _put(receiver.port, GOOD)
        assert receiver.process.terminate(timeout=WAIT).code == 0
    text = log.read_text()
    assert "/out/(patient)_" in text
    assert _found(text) == []


@pytest.mark.parametrize("options", [(), ("+B",), ("+ti",), ("-su", "P")], ids=" ".join)
def test_receiver_tells_no_values_at_debug_level_either(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    """What it dumps are command sets and PDUs of associations; a data set is none of it."""
    with Receiver(OURS, tmp_path / "out", "-d", *options) as receiver:
        _send_everything(receiver.port)
        assert receiver.process.terminate(timeout=WAIT).code == 0
        found = _found(receiver.log + receiver.process.stdout)
    assert [line for line in found if not _tells_of_a_study_uid(line)] == []


# --- senders ----------------------------------------------------------------------------------


def _obey(connection: RawConnection) -> None:
    accept(connection)
    for _ in serve_storage(connection):
        pass


def _fail(connection: RawConnection) -> None:
    accept(connection)
    for _ in serve_storage(connection, status=lambda _request: 0xA700):
        pass


@pytest.mark.parametrize("level", [(), ("-v",), ("-v", "--explain")], ids=" ".join)
@pytest.mark.parametrize(
    "options", [(), ("-R",), ("-xi", "-R"), ("-u",), ("+IS", "2"), ("-f",)], ids=" ".join
)
def test_sender_says_nothing_of_patients(
    options: tuple[str, ...], level: tuple[str, ...], tmp_path: Path
) -> None:
    paths = []
    meta = encode_file_meta(CT_IMAGE_STORAGE, UID, EXPLICIT_LITTLE)
    for number, data_set in enumerate(BROKEN.values()):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes((b"" if options == ("-f",) else meta) + data_set)
        paths.append(path)
    deflated = tmp_path / "deflated.dcm"
    deflated.write_bytes(encode_file_meta(CT_IMAGE_STORAGE, UID, DEFLATED_EXPLICIT_LITTLE) + GOOD)
    for script in (_obey, _fail):
        with ScriptedAcceptor(script, timeout=WAIT) as acceptor:
            arguments = ("-nh", *level, *options, "127.0.0.1", str(acceptor.port))
            done = OURS.run("storescu", *arguments, *paths, deflated, timeout=40)
        assert str(paths[1]) in done.stderr
        found = _found(done.stderr + done.stdout)
        assert [line for line in found if not _repeats_a_uid(line)] == []


def _repeats_a_uid(line: str) -> bool:
    """Tell whether a line repeats the class or instance UID of a file, which it is sent under."""
    return "Zqx7^Class" in line or "Zqx7^Inst" in line


# --- the Python interface ---------------------------------------------------------------------


def test_python_interface_logs_nothing_of_patients(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With the provider that writes files, and with one that reads data sets with pydicom."""
    caplog.set_level("INFO")

    class Reads:
        def store(self, request: isocenter.StoreRequest) -> int:
            return 0 if request.dataset() else 0xC000

    options = isocenter.StorageOptions(rewrite=isocenter.RewriteOptions())
    with isocenter.serve(directory=tmp_path, storage_options=options) as server:
        _send_everything(server.port)
    with isocenter.serve(storage_provider=Reads()) as server:
        _send_everything(server.port)
    own = [record for record in caplog.records if record.name.startswith("isocenter")]
    assert own
    assert _found("\n".join(record.getMessage() for record in own)) == []


def test_errors_of_the_python_interface_say_nothing_of_patients(tmp_path: Path) -> None:
    contexts = [
        isocenter.ProposedContext(
            abstract_syntax=CT_IMAGE_STORAGE, transfer_syntaxes=(IMPLICIT_LITTLE,)
        )
    ]
    meta = encode_file_meta(CT_IMAGE_STORAGE, UID, EXPLICIT_LITTLE)
    problems = []
    with (
        ScriptedAcceptor(_obey, timeout=WAIT) as acceptor,
        isocenter.connect("127.0.0.1", acceptor.port, contexts=contexts) as peer,
    ):
        for number, data_set in enumerate(BROKEN.values()):
            path = tmp_path / f"{number}.dcm"
            path.write_bytes(meta + data_set)
            try:
                peer.store(path)
            except (isocenter.IsocenterError, ValueError) as problem:
                problems.append(str(problem))
    assert problems
    assert [line for line in _found("\n".join(problems)) if not _repeats_a_uid(line)] == []

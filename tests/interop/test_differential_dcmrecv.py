"""dcmrecv of DCMTK and ours beside each other: log lines, answers, names of files and folders.

Both are started with the same options and spoken to by the same scripts. Cases say line by line
what differs on purpose (docs/deviations.md): ``-`` is the oracle's, ``+`` ours.
"""

from __future__ import annotations

import re
import shutil
import socket
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

from isocenter.testing import ScriptedRequestor, ct_image, encode_data_set, raw
from isocenter.testing.datasets import (
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    VERIFICATION,
)
from isocenter.testing.raw import Context
from tests.interop.receiver_talks import (
    IMAGE,
    Talk,
    answered_with,
    associated,
    both,
    broken_off,
    diff_of,
    echo,
    sending,
    small,
    store,
)
from tests.support.ports import free_port
from tests.support.tools import DCMTK, UNDER_TEST, Receiver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.peer("dcmtk")]

PROFILE = """
[[TransferSyntaxes]]
[Uncompressed]
TransferSyntax1 = LittleEndianExplicit
TransferSyntax2 = LittleEndianImplicit
[[PresentationContexts]]
[Storage]
PresentationContext1 = VerificationSOPClass\\Uncompressed
PresentationContext2 = CTImageStorage\\Uncompressed
PresentationContext3 = SecondaryCaptureImageStorage\\Uncompressed
PresentationContext4 = 1.2.3.4.5.6\\Uncompressed
[Twice]
PresentationContext1 = CTImageStorage\\Uncompressed
PresentationContext2 = CTImageStorage\\Uncompressed
[[Profiles]]
[Default]
PresentationContexts = Storage
[Twice]
PresentationContexts = Twice
"""
ECHO = (Context(1, VERIFICATION, (IMPLICIT_LITTLE,)),)
CT = (Context(1, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE,)),)
NOBODY = (Context(1, "1.2.3.9", (EXPLICIT_LITTLE,)),)
UID = IMAGE.sop_instance_uid


@pytest.fixture(autouse=True)
def receivers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have both sides run dcmrecv."""
    monkeypatch.setattr(Receiver, "TOOL", "dcmrecv")


@pytest.fixture
def profile(tmp_path: Path) -> tuple[str, str, str]:
    """Return the options for a profile with storage."""
    path = tmp_path / "storage.cfg"
    path.write_text(PROFILE)
    return "-xf", str(path), "default"


UNABLE = "E: Unable to receive dataset on presentation context"
ABORTED = r"0006:0317 Peer aborted Association \(or never connected\)"
SILENCE = r"0006:0207 DIMSE No data available \(timeout in non-blocking mode\)"


class Case(NamedTuple):
    """Options, what is done, and patterns of the lines that the logs differ in."""

    name: str
    options: tuple[str, ...]
    talks: tuple[Talk, ...]
    differing: tuple[str, ...] = ()


def dated(uid: str, date: str | None, *, vr: str = "DA") -> Callable[[ScriptedRequestor], int]:
    """Store an object with a Series Date."""
    elements = [(0x00080016, "UI", CT_IMAGE_STORAGE), (0x00080018, "UI", uid)]
    if date is not None:
        elements.append((0x00080021, vr, date))
    return store(uid, data=encode_data_set(elements))


def _abort(requestor: ScriptedRequestor) -> None:
    requestor.associate(CT)
    requestor.send(raw.abort())


def _leave(requestor: ScriptedRequestor) -> None:
    requestor.associate(CT)
    requestor.close()


def _half(requestor: ScriptedRequestor) -> bytes:
    """Associate and return the first PDUs of an object, whole ones."""
    requestor.associate(CT)
    command = raw.c_store_rq(1, CT_IMAGE_STORAGE, "2.25.77")
    whole = raw.message(1, command, IMAGE.data_set, maximum_length=4096)
    end = 0
    while end < len(whole) // 2:
        end += 6 + int.from_bytes(whole[end + 2 : end + 6])
    return whole[:end]


def _abort_within(requestor: ScriptedRequestor) -> None:
    requestor.send(_half(requestor))
    requestor.send(raw.abort())


def _stall_within(requestor: ScriptedRequestor) -> list[int]:
    requestor.send(_half(requestor))
    return [pdu.pdu_type for pdu in requestor.receive_until_closed(timeout=8)]


def _idle(requestor: ScriptedRequestor) -> list[int]:
    requestor.associate(CT)
    return [pdu.pdu_type for pdu in requestor.receive_until_closed(timeout=8)]


def _no_pdu(requestor: ScriptedRequestor) -> None:
    requestor.send(b"GET / HTTP/1.1\r\n\r\n")
    requestor.receive_until_closed(timeout=5)


def _silent(requestor: ScriptedRequestor) -> None:
    requestor.receive_until_closed(timeout=8)


FIND = raw.message(
    3,
    raw.command_set(
        [
            (0x0002, raw.ui("1.2.840.10008.5.1.4.1.2.2.1")),
            (0x0100, raw.us(0x0020)),
            (0x0110, raw.us(1)),
            (0x0700, raw.us(0)),
            (0x0800, raw.us(0x0001)),
        ]
    ),
)
HEADLESS = raw.message(
    3,
    raw.command_set(
        [
            (0x0002, raw.ui(CT_IMAGE_STORAGE)),
            (0x0100, raw.us(0x0001)),
            (0x0110, raw.us(1)),
            (0x0700, raw.us(0)),
            (0x0800, raw.us(0x0101)),
            (0x1000, raw.ui("2.25.77")),
        ]
    ),
)
AGAIN = ct_image(rows=4, columns=4, sop_instance_uid="2.25.8")
OTHER = ct_image(rows=4, columns=4, sop_instance_uid="2.25.8", seed=1)


def _same_name(image: object) -> Callable[[ScriptedRequestor], int]:
    assert image in (AGAIN, OTHER)
    return store("2.25.8", data=(AGAIN if image is AGAIN else OTHER).data_set)


CASES = (
    Case("echo", ("-v",), (Talk("echo", associated(echo)),)),
    Case("objects", ("-v",), (Talk("store", associated(store(), small("2.25.6"), echo)),)),
    Case("objects at the default level", (), (Talk("store", associated(store(), echo)),)),
    Case("objects in quiet", ("-q",), (Talk("store", associated(store(), echo)),)),
    Case("contexts", ("-v", "+v"), (Talk("store", associated(store())),)),
    Case(
        "debug",
        ("-d",),
        (Talk("store", associated(small("2.25.6"), echo)),),
        (
            "-D: Received dataset on presentation context 3",
            "-D: checking and processing C-STORE request",
            r"-D: generated filename for received object: OUT/CT\.2\.25\.6",
            "-D: C-ECHO Response successfully sent",
            r"-D: \++",
        ),
    ),
    Case("no contexts", ("-v", "+v"), (Talk("rq", answered_with(raw.associate_rq(NOBODY))),)),
    Case("exact", ("-v", "+B"), (Talk("store", associated(store(), small("2.25.6"))),)),
    Case("nothing kept", ("-v", "--ignore"), (Talk("store", associated(store(), echo)),)),
    Case("last one wins", ("-v", "+B", "-B"), (Talk("store", associated(store())),)),
    Case(
        "another object of that name",
        ("-v",),
        (Talk("twice", associated(_same_name(AGAIN), _same_name(OTHER))),),
    ),
    Case(
        "another object of that name, exact",
        ("-v", "+B"),
        (Talk("twice", associated(_same_name(AGAIN), _same_name(OTHER))),),
        # The oracle looks before it receives.
        (
            r"\+I: Received C-STORE Request \(MsgID 2\)",
            r"-I: Received C-STORE Request \(MsgID 2\)",
        ),
    ),
    Case(
        "the same object again",
        (),
        (Talk("twice", associated(_same_name(AGAIN), _same_name(AGAIN))),),
        (r"-W: file already exists, overwriting: OUT/CT\.2\.25\.8",),
    ),
    Case("abort", ("-v",), (Talk("abort", _abort),)),
    Case("connection lost", ("-v",), (Talk("leave", _leave),)),
    Case(
        "abort within an object",
        ("-v",),
        (Talk("abort", _abort_within),),
        (rf"-{UNABLE} 0: {ABORTED}", rf"\+{UNABLE} 1: {ABORTED} \(.*\)"),
    ),
    Case(
        "abort within an object, exact",
        ("-v", "+B"),
        (Talk("abort", _abort_within),),
        (rf"-{UNABLE} 1: {ABORTED}", rf"\+{UNABLE} 1: {ABORTED} \(.*\)"),
    ),
    Case("query", ("-v",), (Talk("find", broken_off(sending(FIND))),)),
    Case(
        "store without a data set",
        ("-v",),
        (Talk("none", broken_off(sending(HEADLESS))),),
        (
            r"-W: DIMSE Warning: \(SCRIPTED,ANY-SCP\): C-Store RQ: DataSetType == NULL",
            r"\+I: Received C-STORE Request \(MsgID 1\)",
            r"\+E: Received C-STORE request but no dataset announced, aborting",
        ),
    ),
    Case("no PDU", ("-v",), (Talk("http", _no_pdu),)),
    Case(
        "silence",
        ("-v", "-ta", "1"),
        (Talk("silent", _silent),),
        (r"\+I: closing connection from 127\.0\.0\.1:\d+: no association request within 1 s",),
    ),
    Case(
        "an object that stalls",
        ("-v", "-td", "1"),
        (Talk("stall", _stall_within),),
        (rf"-{UNABLE} 0: {SILENCE}", rf"\+{UNABLE} 1: {SILENCE}"),
    ),
    Case(
        "an idle association",
        ("-v", "-td", "1"),
        (Talk("idle", _idle),),
        (rf"\+I: DIMSE Error, detail \(if available\): {SILENCE}",),
    ),
    Case(
        "application context",
        ("-v",),
        (Talk("rq", answered_with(raw.associate_rq(CT, application_context="1.2.3"))),),
    ),
    Case("no proposal", ("-v",), (Talk("rq", answered_with(raw.associate_rq(()))),)),
    Case("addresses", ("-v", "-dhl"), (Talk("echo", associated(echo)),)),
    Case(
        "an empty data set",
        ("-v",),
        (Talk("store", associated(store(data=b""), echo)),),
        (r"\+E: cannot store received object 2\.25\.5: its data set is empty",),
    ),
    Case("an empty data set, exact", ("-v", "+B"), (Talk("store", associated(store(data=b""))),)),
    Case(
        "other UIDs",
        ("-v",),
        (Talk("store", associated(store("2.25.9"))),),
        (r"\+W: SOP instance UID of the data set, '2\.25\.5', is not .*'2\.25\.9': kept",),
    ),
    Case("other UIDs, exact", ("-v", "+B"), (Talk("store", associated(store("2.25.9"))),)),
    Case("short PDUs", ("-v", "-pdu", "4096"), (Talk("store", associated(store())),)),
    Case("called title", ("-v", "-uca"), (Talk("echo", associated(echo)),)),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_dcmrecv_does_what_the_oracle_does(
    case: Case, tmp_path: Path, profile: tuple[str, ...]
) -> None:
    oracle, ours = both(tmp_path, (*profile, *case.options), case.talks)
    assert ours.seen == oracle.seen
    assert ours.names == oracle.names
    assert ours.stdout == oracle.stdout == ""
    _assert_differing(diff_of(oracle, ours), case.differing if UNDER_TEST.is_ours else ())


def _assert_differing(found: list[str], patterns: tuple[str, ...]) -> None:
    """Demand that these lines differ, in this order, and no others."""
    assert len(found) == len(patterns), "\n".join(found)
    for line, pattern in zip(found, patterns, strict=True):
        assert re.fullmatch(pattern, line), line


# --- names and folders ----------------------------------------------------------------------

_TIME = r"[0-9]{14}\.[0-9]{6}"
NAMES = {
    "+fd": "",
    "+fu +fd": "",
    "+fu": r"X\.[0-9.]+",
    "+fsu": "_[0-9a-f]{16}",
    "+fst": _TIME,
    "+fsu -fe .dcm": "_[0-9a-f]{16}",
    "+fd -fe .d/c*m": "",
    "+fst -fe dcm": _TIME,
    "+fd -fe .dcm +B": "",
    "+fu +B": r"X\.[0-9.]+",
}
"""Options of names to a pattern of what is made up in them."""


@pytest.mark.parametrize("options", NAMES)
def test_files_have_the_names_that_the_oracle_gives(
    options: str, tmp_path: Path, profile: tuple[str, ...]
) -> None:
    talk = Talk(
        "store",
        associated(
            store("2.25.5"),
            store("1.2.3/../../x/evil"),
            store("1.2 ;rm $x\\`y`*?|&<>'\"-_:@9a"),
            store("2.25.6", context=7, sop_class="1.2.3.4.5.6"),
        ),
    )
    oracle, ours = both(tmp_path, (*profile, *options.split()), (talk,))

    def shown(names: list[str]) -> list[str]:
        return sorted(re.sub(NAMES[options] or "(?!)", "MADE", name) for name in names)

    assert ours.seen == oracle.seen == {"store": [0, 0, 0, 0]}
    assert shown(ours.names) == shown(oracle.names)
    assert len(ours.names) == 4


DATES = (
    "20260101", "20200230", "20201301", "20200132", "00000000", "2020", "2020-01-01", "2020.01.01",
    "../../x", "", None, "20200101\\20210101", "20200101 ", "20200101  ", " 20200101", "2020010a",
    "20200101\0", "99999999", "20201231",
)  # fmt: skip


def test_folders_are_those_of_the_oracle(tmp_path: Path, profile: tuple[str, ...]) -> None:
    steps = [dated(f"2.25.{number}", date) for number, date in enumerate(DATES, 100)]
    steps.append(dated("2.25.90", "20200101", vr="UN"))
    day = time.strftime("%Y%m%d")
    oracle, ours = both(tmp_path, (*profile, "+ssd"), (Talk("dates", associated(*steps)),))
    if time.strftime("%Y%m%d") != day:
        pytest.skip("midnight")
    assert ours.seen == oracle.seen
    assert ours.names == oracle.names
    assert len(ours.names) == len(steps)
    assert any(name.startswith(f"undef/{day}/") for name in ours.names)
    assert "data/2026/01/01/CT.2.25.100" in ours.names


def test_a_date_of_another_vr_is_a_date_with_ours(tmp_path: Path, profile: tuple[str, ...]) -> None:
    steps = associated(dated("2.25.90", "20200101", vr="LO"))
    oracle, ours = both(tmp_path, (*profile, "+ssd"), (Talk("date", steps),))
    assert oracle.names[0].startswith("undef/")
    expected = ["data/2020/01/01/CT.2.25.90"] if UNDER_TEST.is_ours else oracle.names
    assert ours.names == expected


@pytest.mark.parametrize("options", ["-s", "-s +B", "+ssd", "+ssd -s"])
def test_directories_that_were_removed_are_made_again(
    options: str, tmp_path: Path, profile: tuple[str, ...]
) -> None:
    found = []
    for suite in (DCMTK, UNDER_TEST):
        place = tmp_path / suite.name
        with (
            Receiver(suite, place, *profile, *options.split()) as receiver,
            ScriptedRequestor(receiver.port) as requestor,
        ):
            requestor.associate((Context(3, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE,)),))
            statuses = [store("2.25.5")(requestor)]
            shutil.rmtree(place)
            statuses.append(store("2.25.6")(requestor))
            requestor.release()
            found.append((statuses, receiver.names))
    assert found[0] == found[1]
    assert found[0][0] == [0, 0]
    assert len(found[0][1]) == 1


def _put_in_the_way(tmp_path: Path, name: str) -> None:
    for number in range(2):
        (tmp_path / f"out{number}" / name).mkdir(parents=True)


def test_a_file_that_cannot_be_written_is_told_and_the_next_one_taken(
    tmp_path: Path, profile: tuple[str, ...]
) -> None:
    _put_in_the_way(tmp_path, "CT.2.25.5")
    talks = (Talk("store", associated(store("2.25.5"), small("2.25.6"))),)
    oracle, ours = both(tmp_path, (*profile, "-v"), talks)
    assert ours.seen == oracle.seen == {"store": [0xA700, 0]}
    assert ours.names == oracle.names == ["CT.2.25.6"]
    line = r"E: cannot store received object: OUT/CT\.2\.25\.5: Is a directory"
    patterns = (f"-{line}", rf"\+{line} \(association .*\)") if UNDER_TEST.is_ours else ()
    _assert_differing(diff_of(oracle, ours), patterns)


def test_in_exact_mode_it_is_the_end_of_the_association(
    tmp_path: Path, profile: tuple[str, ...]
) -> None:
    _put_in_the_way(tmp_path, "CT.2.25.5")

    def act(requestor: ScriptedRequestor) -> object:
        requestor.associate((Context(3, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE,)),))
        status = store("2.25.5")(requestor)
        return status, [pdu.pdu_type for pdu in requestor.receive_until_closed(timeout=8)]

    oracle, ours = both(tmp_path, (*profile, "-v", "+B"), (Talk("store", act),))
    assert ours.seen == oracle.seen == {"store": (0xA700, [raw.ABORT])}
    assert ours.names == oracle.names == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, profile: tuple[str, ...]) -> None:
    for number in range(2):
        (tmp_path / f"out{number}").mkdir()
        (tmp_path / f"out{number}" / "undef").touch()
    talks = (Talk("store", associated(store("2.25.5"))),)
    oracle, ours = both(tmp_path, (*profile, "+ssd"), talks)
    assert ours.seen == oracle.seen == {"store": [0xA700]}
    line = "E: cannot create directory for received object: OUT/undef/"
    assert [side.lines[0].startswith(line) for side in (oracle, ours)] == [True, True]
    assert [len(side.lines) for side in (oracle, ours)] == [1, 1]


# --- beginning ------------------------------------------------------------------------------

STARTS = (
    "-od NOWHERE PORT",
    "-od FILE PORT",
    "-v -od NOWHERE --ignore PORT",
    "-xf NOWHERE default PORT",
    "-xf PROFILES nobody PORT",
    "-xf PROFILES twice PORT",
    "-xf PROFILES '' PORT",
    "-xf '' default PORT",
    "-v -xf PROFILES nobody -od NOWHERE PORT",
    "-q -xf PROFILES nobody PORT",
    "-xf PROFILES default TAKEN",
    "-v -xf PROFILES default TAKEN",
    "TAKEN",
    "-xf PROFILES default +tls NOWHERE NOWHERE PORT",
    "-v -xf PROFILES default +tls NOWHERE NOWHERE TAKEN",
)


def _without_remarks(line: str) -> str:
    """Return a line without what ours adds in parentheses where it knows more."""
    return line.partition(" (")[0]


@pytest.mark.parametrize("words", STARTS)
def test_what_cannot_begin_ends_as_the_oracle_does(
    words: str, tmp_path: Path, profile: tuple[str, ...]
) -> None:
    (tmp_path / "file").touch()
    ended = []
    with socket.create_server(("", 0)) as taken:
        stands_for = {
            "NOWHERE": str(tmp_path / "nowhere"),
            "FILE": str(tmp_path / "file"),
            "PROFILES": profile[1],
            "''": "",
            "PORT": str(free_port()),
            "TAKEN": str(taken.getsockname()[1]),
        }
        argv = [stands_for.get(word, word) for word in words.split(" ")]
        for suite in (DCMTK, UNDER_TEST):
            done = suite.run("dcmrecv", *argv, cwd=tmp_path)
            lines = [_without_remarks(line) for line in done.lines if "W: hint: " not in line]
            ended.append((done.code, [line for line in lines if "OpenSSL error" not in line]))
    assert ended[0] == ended[1]
    assert ended[0][0] in {45, 64, 66, 71}


def test_the_command_line_is_shown_as_by_the_oracle(tmp_path: Path) -> None:
    argv = ["--arguments", "-q", "-aet", "A B", "-od", "nowhere", "+fsu", "-fe", "", "11112"]
    first = [
        re.sub("^I: calling '[^']*'", "I: calling", suite.run("dcmrecv", *argv).lines[0])
        for suite in (DCMTK, UNDER_TEST)
    ]
    assert first[0] == first[1]
    assert "'--short-unique-names'" in first[0]


def test_the_log_goes_where_the_file_says(tmp_path: Path) -> None:
    written = []
    for suite in (DCMTK, UNDER_TEST):
        log = tmp_path / f"{suite.name}.log"
        config = tmp_path / f"{suite.name}.cfg"
        config.write_text(
            "log4cplus.rootLogger = INFO, A\n"
            "log4cplus.appender.A = log4cplus::FileAppender\n"
            f"log4cplus.appender.A.File = {log}\n"
            "log4cplus.appender.A.layout = log4cplus::PatternLayout\n"
            "log4cplus.appender.A.layout.ConversionPattern = %c %p: %m%n\n"
        )
        done = suite.run("dcmrecv", "-lc", str(config), "-od", "nowhere", "11112", cwd=tmp_path)
        assert (done.code, done.lines) == (45, [])
        written.append(log.read_text())
    assert written[0] == written[1]
    assert "dcmtk.apps.dcmrecv FATAL: cannot specify output directory" in written[0]

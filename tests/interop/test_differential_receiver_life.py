"""storescp of DCMTK and ours over a whole life: every line, every file, every answer.

Both are started with the same options and spoken to by the same scripts, one association after
the other. Compared are the log (at debug level with the dumps), what was answered, the files
and the folders. Cases say line by line what differs on purpose (docs/deviations.md).
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

from isocenter.testing import ScriptedRequestor, ct_image, raw
from isocenter.testing.datasets import (
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE,
    SECONDARY_CAPTURE_IMAGE_STORAGE,
)
from isocenter.testing.peer import PeerClosed
from isocenter.testing.raw import Context
from tests import peers
from tests.interop.log_lines import bare
from tests.interop.receiver_talks import (
    CONTEXTS,
    IMAGE,
    NO_CLASS,
    PRIVATE,
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
from tests.support import part10
from tests.support.processes import run, wait_until
from tests.support.tools import DCMTK, UNDER_TEST, Receiver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


pytestmark = [pytest.mark.slow, pytest.mark.peer("dcmtk")]

END = "2.25.999"
"""The instance sent last: once it is logged the log is complete but for the release."""


def _left(requestor: ScriptedRequestor) -> None:
    requestor.associate(CONTEXTS)
    requestor.close()


def _vanished(requestor: ScriptedRequestor) -> None:
    requestor.associate(CONTEXTS)
    requestor.vanish()


def _aborted_within(requestor: ScriptedRequestor) -> None:
    requestor.associate(CONTEXTS)
    command = raw.c_store_rq(1, CT_IMAGE_STORAGE, "2.25.77")
    whole = raw.message(3, command, IMAGE.data_set, maximum_length=4096)
    requestor.send(whole[: len(whole) - 4000])
    requestor.send(raw.abort())


def _no_pdu(requestor: ScriptedRequestor) -> None:
    requestor.send(b"GET / HTTP/1.1\r\n\r\n")
    requestor.receive_until_closed(timeout=5)


FIND = raw.command_set(
    [
        (0x0002, raw.ui("1.2.840.10008.5.1.4.1.2.2.1")),
        (0x0100, raw.us(0x0020)),
        (0x0110, raw.us(1)),
        (0x0700, raw.us(0)),
        (0x0800, raw.us(0x0001)),
    ]
)
ORIGINATOR = raw.c_store_rq(
    3,
    CT_IMAGE_STORAGE,
    "2.25.6",
    priority=2,
    extra=[(0x1030, b"MOVER "), (0x1031, raw.us(77))],
)
HIGH = raw.c_store_rq(4, CT_IMAGE_STORAGE, "2.25.7", priority=1)


def _with_command(command: bytes, uid: str) -> Callable[[ScriptedRequestor], object]:
    data = ct_image(rows=4, columns=4, sop_instance_uid=uid).data_set

    def act(requestor: ScriptedRequestor) -> object:
        requestor.send(raw.message(3, command, data))
        return requestor.expect_response(0x8001).number(0x0900)

    return act


def _with_user(user: bytes) -> Callable[[ScriptedRequestor], object]:
    def act(requestor: ScriptedRequestor) -> object:
        requestor.associate(CONTEXTS, user=user, called="SOMEBODY", calling="ME")
        requestor.release()
        return None

    return act


LIFE = (
    Talk("echo", associated(echo)),
    Talk("nothing", associated()),
    Talk("store", associated(store())),
    Talk("two and an echo", associated(small("2.25.12"), small("2.25.10"), echo)),
    Talk("other class", associated(small("2.25.11"))),
    Talk("move originator, low priority", associated(_with_command(ORIGINATOR, "2.25.6"))),
    Talk("high priority", associated(_with_command(HIGH, "2.25.7"))),
    Talk("unlimited", _with_user(raw.user_information(maximum_length=0))),
    Talk("odd length", _with_user(raw.user_information(maximum_length=16381))),
    Talk("no version name", _with_user(raw.user_information(implementation_version_name=None))),
    Talk("abort", broken_off(sending(raw.abort()))),
    Talk("connection closed", _left),
    Talk("reset", _vanished),
    Talk(
        "application context",
        answered_with(raw.associate_rq(CONTEXTS, application_context="1.2.3")),
    ),
    Talk(
        "no usable context",
        answered_with(raw.associate_rq([Context(1, PRIVATE, (EXPLICIT_LITTLE,))])),
    ),
    Talk("another service", broken_off(sending(raw.message(1, FIND)))),
    Talk("end", associated(small(END))),
)


@pytest.mark.parametrize("options", [("-v",), ("-d",), ("-v", "+v"), ()], ids=" ".join)
def test_the_life_of_a_receiver_reads_as_that_of_the_oracle(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    oracle, ours = both(tmp_path, options, LIFE)
    assert ours.seen == oracle.seen
    assert diff_of(oracle, ours) == []
    assert ours.names == oracle.names
    assert set(ours.names) == {f"CT.2.25.{n}" for n in (5, 6, 7, 10, 11, 12, 999)}
    for name in ours.names:
        assert part10.compare(oracle.folder / name, ours.folder / name) == []
    if "-d" in options:
        assert sum("BEGIN A-ASSOCIATE" in line for line in ours.lines) > 20


def _slowly(requestor: ScriptedRequestor) -> None:
    """Send an object PDU by PDU, each of which arrives whole."""
    command = raw.c_store_rq(1, CT_IMAGE_STORAGE, IMAGE.sop_instance_uid)
    whole = raw.message(3, command, IMAGE.data_set, maximum_length=4096)
    while whole:
        length = 6 + int.from_bytes(whole[2:6], "big")
        requestor.send(whole[:length])
        whole = whole[length:]
        time.sleep(0.02)
    assert requestor.expect_response(0x8001).number(0x0900) == 0


@pytest.mark.parametrize(
    "options",
    [
        ("-v",),
        ("-d",),
        (),
    ],
    ids=" ".join,
)
def test_progress_is_a_dot_for_each_pdv_where_the_oracle_shows_one(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    talk = Talk("slowly", associated(_slowly, small("2.25.10")))
    oracle, ours = both(tmp_path, options, (talk,))
    assert ours.stdout == oracle.stdout
    pieces = -(-len(IMAGE.data_set) // 4090)
    shown = f"RECV: {'.' * pieces}\nRECV: .\n" if options == ("-v",) else ""
    assert ours.stdout == shown


def test_an_abort_within_an_object_leaves_no_file_with_either(tmp_path: Path) -> None:
    oracle, ours = both(tmp_path, ("-v",), (Talk("abort", _aborted_within), LIFE[0]))
    assert ours.names == oracle.names == []
    # DCMTK's are of its layers: 0006:020c DIMSE Read PDV failed, 0006:0310 DUL network closed.
    # test_differential_broken_off.py has the other ways in which an object breaks off.
    for side in (oracle, ours):
        assert any(line.startswith("E: Store SCP Failed: ") for line in side.lines)


# --- where ours is meant to differ ----------------------------------------------------------


class Odd(NamedTuple):
    """A talk on which the two differ: lines of the diff, statuses, what each side keeps."""

    talk: Talk
    differs: str
    seen: list[int]
    kept: tuple[str, str]


ODD = [
    Odd(
        Talk("same object again", associated(store(), store())),
        "-I: storing DICOM file: OUT/CT.2.25.5\n"
        "-W: DICOM file already exists, overwriting: OUT/CT.2.25.5\n"
        "+I: the same object is there already: OUT/CT.2.25.5",
        [0, 0],
        ("CT.2.25.5", "CT.2.25.5"),
    ),
    Odd(
        Talk("instance of the data set differs", associated(store("2.25.33"))),
        "-I: storing DICOM file: OUT/CT.2.25.33\n"
        "+E: SOP instance UID of the data set, '2.25.5', is not the request's, '2.25.33'",
        [0xA900],
        ("CT.2.25.33", ""),
    ),
    Odd(
        Talk(
            "class of the data set differs",
            associated(store(context=5, sop_class=SECONDARY_CAPTURE_IMAGE_STORAGE)),
        ),
        "-I: storing DICOM file: OUT/SC.2.25.5\n"
        "+E: SOP class UID of the data set, '1.2.840.10008.5.1.4.1.1.2', is not the request's, "
        "'1.2.840.10008.5.1.4.1.1.7'",
        [0xA900],
        ("SC.2.25.5", ""),
    ),
    Odd(
        Talk("no class in the data set", associated(store("2.25.34", data=NO_CLASS))),
        "-I: storing DICOM file: OUT/CT.2.25.34\n"
        "-E: bad DICOM file: OUT/CT.2.25.34\n"
        "+E: bad DICOM object 2.25.34: SOP class UID missing in the data set, empty or no UI",
        [0xC000],
        ("CT.2.25.34", ""),
    ),
]


@pytest.mark.parametrize("odd", ODD, ids=[odd.talk.name for odd in ODD])
def test_what_is_refused_is_kept_by_the_oracle_and_not_by_ours(tmp_path: Path, odd: Odd) -> None:
    oracle, ours = both(tmp_path, ("-v",), (odd.talk,))
    assert ours.seen[odd.talk.name] == oracle.seen[odd.talk.name] == odd.seen
    assert oracle.names == [odd.kept[0]]
    if not UNDER_TEST.is_ours:
        return
    assert ours.names == ([odd.kept[1]] if odd.kept[1] else [])
    assert diff_of(oracle, ours) == odd.differs.splitlines()


def test_a_blank_title_and_no_context_are_answered_by_ours_alone(tmp_path: Path) -> None:
    requests = {
        "blank title": raw.associate_rq(CONTEXTS, called=" " * 16),
        "no context": raw.associate_rq([]),
    }
    answers: dict[str, list[object]] = {name: [] for name in requests}
    for suite in (DCMTK, UNDER_TEST):
        with Receiver(suite, tmp_path / suite.name, "-v", "-ta", "1") as receiver:
            for name, request in requests.items():
                with ScriptedRequestor(receiver.port) as requestor:
                    requestor.send(request)
                    try:
                        answers[name].append(requestor.receive(timeout=1.5).pdu_type)
                    except (PeerClosed, TimeoutError) as problem:
                        answers[name].append(type(problem).__name__)
    assert [found[0] for found in answers.values()] == ["TimeoutError", "TimeoutError"]
    if UNDER_TEST.is_ours:
        assert answers["blank title"][1] == raw.ASSOCIATE_AC
        assert answers["no context"][1] == raw.ASSOCIATE_RJ


def test_bytes_that_are_no_pdu_are_reported_as_by_the_oracle(tmp_path: Path) -> None:
    oracle, ours = both(tmp_path, ("-v",), (Talk("HTTP", _no_pdu), LIFE[0]))
    line = "E: Receiving Association failed: 0006:0321 Unrecognized PDU type: 47"
    assert line in oracle.lines
    assert line in bare(ours.lines)
    assert ours.seen["echo"] == oracle.seen["echo"] == [0]


def test_a_name_that_cannot_be_written_is_answered_as_by_the_oracle(tmp_path: Path) -> None:
    """A folder has the name; a700, and the association goes on."""
    for number in range(2):
        (tmp_path / f"out{number}" / "CT.2.25.5" / "x").mkdir(parents=True)
    talks = (Talk("in the way", associated(store(), small("2.25.10"))),)
    oracle, ours = both(tmp_path, ("-v",), talks)
    assert ours.seen == oracle.seen == {"in the way": [0xA700, 0]}
    words = "E: cannot write DICOM file: OUT/CT.2.25.5: "
    for side in (oracle, ours):
        assert sum(line.startswith(words) for line in side.lines) == 1
        assert side.names == ["CT.2.25.10"]


# --- timeouts -------------------------------------------------------------------------------


def test_an_idle_association_ends_after_the_socket_timeout_as_with_the_oracle(
    tmp_path: Path,
) -> None:
    talks = (Talk("idle", broken_off(echo)), LIFE[0])
    oracle, ours = both(tmp_path, ("-v", "-ts", "1", "-td", "1"), talks)
    assert diff_of(oracle, ours) == []
    assert "I: Association Aborted" in ours.lines


def test_a_peer_that_sends_nothing_is_let_go_after_the_acse_timeout(tmp_path: Path) -> None:
    """The oracle lets nobody else in meanwhile (dcmtk-facts 0.7)."""
    for suite in (DCMTK, UNDER_TEST):
        with (
            Receiver(suite, tmp_path / suite.name, "-v", "-ta", "1") as receiver,
            ScriptedRequestor(receiver.port) as silent,
        ):
            start = time.monotonic()
            with ScriptedRequestor(receiver.port) as other:
                other.associate(CONTEXTS)
                waited = time.monotonic() - start
                other.release()
            silent.receive_until_closed(timeout=8)
            assert (waited > 0.7) != suite.is_ours
            receiver.process.wait_for_line("E: Receiving Association failed: 0006:031a DUL network")


# --- start ----------------------------------------------------------------------------------


UNMEASURED = ["env", "-u", "COVERAGE_PROCESS_CONFIG", "-u", "COVERAGE_PROCESS_START"]
"""Another user cannot write the measurements of this one's coverage."""


def test_a_port_for_the_privileged_is_refused_to_others_as_by_the_oracle(tmp_path: Path) -> None:
    prefix: list[str] = []
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("needs setpriv to give up the privileges")
        prefix = [*UNMEASURED, setpriv, "--reuid=65534", "--clear-groups"]
        tmp_path.chmod(0o777)
    theirs = peers.find("dcmtk", "storescp")
    assert theirs is not None
    programs = [[theirs], [sys.executable, "-m", "isocenter", "storescp"]]
    for program in programs:
        for port in ("1", "104", "1023"):
            done = run([*prefix, *program, "-v", port], cwd=tmp_path)
            assert done.code == 1
            assert done.lines == [f"F: cannot listen on port {port}, insufficient privileges"]


def test_a_directory_that_may_not_be_written_is_refused_as_by_the_oracle() -> None:
    prefix: list[str] = []
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("needs setpriv to give up the privileges")
        prefix = [*UNMEASURED, setpriv, "--reuid=65534", "--clear-groups"]
    theirs = peers.find("dcmtk", "storescp")
    assert theirs is not None
    for program in ([theirs], [sys.executable, "-m", "isocenter", "storescp"]):
        done = run([*prefix, *program, "-od", "/", "20104"])
        assert done.code == 1
        addition = "" if program == [theirs] else " (/)"
        assert done.lines == [f"F: specified output directory is not writeable{addition}"]


def test_an_unwritable_directory_is_borne_where_nothing_is_written(tmp_path: Path) -> None:
    """Both skip the check with --ignore (dcmtk-facts 3.1), though not that it exists."""
    for suite in (DCMTK, UNDER_TEST):
        with Receiver(suite, tmp_path / suite.name, "--ignore") as receiver:
            wait_until(lambda: receiver.process.running, timeout=1, what="it runs")
            with ScriptedRequestor(receiver.port) as requestor:
                requestor.associate(CONTEXTS)
                assert small("2.25.1")(requestor) == 0
            assert receiver.names == []

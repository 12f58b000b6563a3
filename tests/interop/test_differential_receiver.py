"""storescp of DCMTK and ours beside each other: file names, log lines, files, exit codes.

Each case starts both with the same options and has the same sender, DCMTK's storescu or a
scripted one, send the same. Allowed differences stand in differences.py.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

import pytest

from isocenter.testing import ScriptedRequestor, ct_image, raw
from isocenter.testing.datasets import CT_IMAGE_STORAGE, EXPLICIT_LITTLE, VERIFICATION
from isocenter.testing.peer import PeerClosed
from isocenter.testing.raw import Context
from tests.interop.differences import NEWER_ABSTRACT_SYNTAXES
from tests.interop.log_lines import bare, differing_lines, normal
from tests.support import part10
from tests.support.ports import free_port
from tests.support.settling import settle
from tests.support.tools import DCMTK, UNDER_TEST, Receiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.tools import Suite

pytestmark = [pytest.mark.slow, pytest.mark.peer("dcmtk")]

UNKNOWN_CLASS = "1.2.3.4.5.6"
CONTEXTS = (
    Context(1, VERIFICATION, (EXPLICIT_LITTLE,)),
    Context(3, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE,)),
    Context(5, UNKNOWN_CLASS, (EXPLICIT_LITTLE,)),
)
IMAGE = ct_image(rows=80, columns=200, sop_instance_uid="2.25.31")


class Outcome(NamedTuple):
    """What one receiver showed."""

    names: list[str]
    lines: list[str]
    stdout: str
    directory: Path


class Sides(Protocol):
    """A function: (send, options) to the outcomes of the oracle and of ours."""

    def __call__(self, send: Callable[[int], None], *options: str) -> Iterator[Outcome]:
        """Run both receivers."""


@pytest.fixture
def sides(tmp_path: Path) -> Sides:
    """Return a function: (send, options) to the outcomes of the oracle and of ours."""

    def run(send: Callable[[int], None], *options: str) -> Iterator[Outcome]:
        for number, suite in enumerate((DCMTK, UNDER_TEST)):
            # Paths in log lines are compared: both folders have a name of the same length.
            folder = tmp_path / f"out{number}"
            with Receiver(suite, folder, *options) as receiver:
                send(receiver.port)
                settle(receiver.process.pid, lambda: receiver.log)
                lines = [
                    line.replace(str(folder), "OUT") for line in normal(receiver.log.splitlines())
                ]
                names = receiver.names
                stdout = receiver.process.stdout
            yield Outcome(names, lines, stdout, folder)

    return run


def _scripted(*steps: Callable[[ScriptedRequestor], object]) -> Callable[[int], None]:
    """Return a sender that associates, takes the steps and releases."""

    def send(port: int) -> None:
        with ScriptedRequestor(port) as requestor:
            requestor.associate(CONTEXTS)
            try:
                for step in steps:
                    step(requestor)
                requestor.release()
            except (AssertionError, OSError):
                return  # the receiver broke off: its log says why

    return send


def _store(
    uid: str = IMAGE.sop_instance_uid, *, context: int = 3, sop_class: str = CT_IMAGE_STORAGE
) -> Callable[[ScriptedRequestor], int]:
    return lambda requestor: requestor.store(
        context, sop_class, uid, IMAGE.data_set, maximum_length=4096
    )


def _echo(requestor: ScriptedRequestor) -> int:
    return requestor.echo(1)


def _find(requestor: ScriptedRequestor) -> None:
    command = raw.command_set(
        [
            (0x0002, raw.ui("1.2.840.10008.5.1.4.1.2.2.1")),
            (0x0100, raw.us(0x0020)),
            (0x0110, raw.us(1)),
            (0x0700, raw.us(0)),
            (0x0800, raw.us(0x0001)),
        ]
    )
    requestor.send(raw.message(1, command))
    requestor.receive_until_closed(timeout=2)
    raise PeerClosed


class Case(NamedTuple):
    """Options and what is done; `ordered` is whether the order of the lines is compared."""

    name: str
    options: tuple[str, ...]
    send: Callable[[int], None]
    ordered: bool = True


def _abort(port: int) -> None:
    with ScriptedRequestor(port) as requestor:
        requestor.associate(CONTEXTS)
        requestor.send(raw.abort())


def _refused(port: int) -> None:
    with ScriptedRequestor(port) as requestor:
        requestor.send(raw.associate_rq(CONTEXTS))
        requestor.receive()


def _without_uid(port: int) -> None:
    with ScriptedRequestor(port) as requestor:
        user = raw.user_information(implementation_class_uid=None)
        requestor.send(raw.associate_rq(CONTEXTS, user=user))
        requestor.receive()


def _bad_application_context(port: int) -> None:
    with ScriptedRequestor(port) as requestor:
        requestor.send(raw.associate_rq(CONTEXTS, application_context="1.2.3"))
        requestor.receive()


def _no_context(port: int) -> None:
    with ScriptedRequestor(port) as requestor:
        requestor.associate([Context(1, UNKNOWN_CLASS, (EXPLICIT_LITTLE,))])
        requestor.release()


CASES = [
    Case("echo", ("-v", "+B"), _scripted(_echo)),
    Case("store", ("-v", "+B"), _scripted(_store())),
    Case("two stores", ("-v", "+B"), _scripted(_store(), _store("2.25.32"), _echo)),
    Case("same object twice", ("-v", "+B"), _scripted(_store(), _store())),
    Case("default level", ("+B",), _scripted(_store())),
    Case("quiet", ("-q", "+B"), _scripted(_store(), _find)),
    Case("default filenames", ("-v", "+B", "-uf"), _scripted(_store())),
    Case("extension", ("-v", "+B", "-fe", ".dcm"), _scripted(_store())),
    Case("extension without dot", ("-v", "+B", "-fe", "dcm"), _scripted(_store())),
    Case("ignore", ("-v", "+B", "--ignore"), _scripted(_store(), _echo)),
    Case("promiscuous", ("-v", "+B", "-pm"), _scripted(_store(context=5, sop_class="1.2.3.4.5.6"))),
    Case(
        "unusual characters", ("-v", "+B"), _scripted(_store("1.2/3*4?5:6@7_8-9a")), ordered=False
    ),
    Case("quotes", ("-v", "+B"), _scripted(_store("1.2\"x'$y;&|")), ordered=False),
    Case("abort", ("-v", "+B"), _abort),
    Case("abort after", ("-v", "+B", "--abort-after"), _scripted(_store())),
    Case("abort during", ("-v", "+B", "--abort-during"), _scripted(_store())),
    Case("sleep after", ("-v", "+B", "--sleep-after", "1"), _scripted(_store())),
    Case("refuse", ("-v", "+B", "--refuse"), _refused),
    Case("reject", ("-v", "+B", "--reject"), _without_uid),
    Case("reject, with a UID", ("-v", "+B", "--reject"), _scripted(_echo)),
    Case("application context", ("-v", "+B"), _bad_application_context),
    Case("no usable context", ("-v", "+B"), _no_context),
    Case("fork", ("-v", "+B", "--fork"), _scripted(_store())),
    Case("max pdu", ("-v", "+B", "-pdu", "4096"), _scripted(_store())),
    Case("title", ("-v", "+B", "-aet", "SOMEBODY"), _scripted(_store())),
    Case("another service", ("-v", "+B"), _scripted(_find)),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_storescp_does_what_the_oracle_does(sides: Sides, case: Case) -> None:
    oracle, ours = sides(case.send, *case.options)
    assert ours.names == oracle.names
    lines = [side.lines if case.ordered else sorted(side.lines) for side in (oracle, ours)]
    assert differing_lines(*lines) == ""
    assert ours.stdout.replace(".", "").strip() == oracle.stdout.replace(".", "").strip()
    for name in ours.names:
        assert part10.compare(oracle.directory / name, ours.directory / name) == []


def test_storescp_shows_its_progress_as_the_oracle_does(
    sides: Sides,
) -> None:
    for options in (("-v", "+B"), ("-d", "+B"), ("+B",)):
        oracle, ours = sides(_scripted(_store()), *options)
        assert ours.stdout.replace(".", "") == oracle.stdout.replace(".", "")
        if "-v" in options:
            assert re.fullmatch(r"RECV: \.+\n", ours.stdout)


def test_storescp_sleeps_after_each_object_as_the_oracle_does(tmp_path: Path) -> None:
    for suite in (DCMTK, UNDER_TEST):
        with (
            Receiver(suite, tmp_path / suite.name, "+B", "--sleep-after", "1") as receiver,
            ScriptedRequestor(receiver.port) as requestor,
        ):
            requestor.associate(CONTEXTS)
            start = time.monotonic()
            _store()(requestor)
            answered = time.monotonic() - start
            _echo(requestor)
            assert answered < 0.8
            assert 0.8 < time.monotonic() - start < 4


def test_storescp_sleeps_during_an_object_as_the_oracle_does(tmp_path: Path) -> None:
    for suite in (DCMTK, UNDER_TEST):
        with (
            Receiver(suite, tmp_path / suite.name, "+B", "--sleep-during", "1") as receiver,
            ScriptedRequestor(receiver.port) as requestor,
        ):
            requestor.associate(CONTEXTS)
            start = time.monotonic()
            small = ct_image(rows=8, columns=8)
            uids = small.sop_class_uid, small.sop_instance_uid
            assert requestor.store(3, *uids, small.data_set) == 0
            assert 0.8 < time.monotonic() - start < 8


PREFIXES = {
    "1.2.840.10008.5.1.4.1.1.1": "CR",
    "1.2.840.10008.5.1.4.1.1.1.1": "DX",
    "1.2.840.10008.5.1.4.1.1.1.2": "DXm",
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.2.1": "CTe",
    "1.2.840.10008.5.1.4.1.1.4.4": "MRl",
    "1.2.840.10008.5.1.4.1.1.6.1": "US",
    "1.2.840.10008.5.1.4.1.1.7": "SC",
    "1.2.840.10008.5.1.4.1.1.9.1.1": "TLE",
    "1.2.840.10008.5.1.4.1.1.11.1": "PSg",
    "1.2.840.10008.5.1.4.1.1.12.1": "XA",
    "1.2.840.10008.5.1.4.1.1.20": "NM",
    "1.2.840.10008.5.1.4.1.1.66.4": "SG",
    "1.2.840.10008.5.1.4.1.1.77.1.6": "VLw",
    "1.2.840.10008.5.1.4.1.1.88.67": "SRd",
    "1.2.840.10008.5.1.4.1.1.104.1": "PDF",
    "1.2.840.10008.5.1.4.1.1.128": "PI",
    "1.2.840.10008.5.1.4.1.1.481.3": "RS",
    "1.2.840.10008.5.1.4.34.7": "RTd",
    "1.2.840.10008.5.1.4.1.1.501.3": "TDR",
}


def test_storescp_names_files_with_the_prefixes_of_the_oracle(
    sides: Sides,
) -> None:
    contexts = [
        Context(2 * index + 1, uid, (EXPLICIT_LITTLE,)) for index, uid in enumerate(PREFIXES)
    ]

    def send(port: int) -> None:
        with ScriptedRequestor(port) as requestor:
            requestor.associate(contexts)
            for number, context in enumerate(contexts):
                uids = context.abstract_syntax, f"2.25.{number}"
                assert requestor.store(context.context_id, *uids, IMAGE.data_set) == 0
            requestor.release()

    oracle, ours = sides(send, "-v", "+B")
    assert ours.names == oracle.names
    assert differing_lines(oracle.lines, ours.lines) == ""
    assert set(ours.names) == {f"{p}.2.25.{n}" for n, p in enumerate(PREFIXES.values())}
    assert not set(PREFIXES) & set(NEWER_ABSTRACT_SYNTAXES)


@pytest.mark.parametrize(
    "arguments",
    [
        ("-od", "nowhere", "PORT"),
        ("-od", "file", "PORT"),
        ("-od", ".", "TAKEN"),
        ("-od", "nowhere", "--ignore", "PORT"),
        ("-od", ".", "99999"),
        ("-od", ".", "0"),
        ("-od", ".", "x"),
    ],
    ids=" ".join,
)
def test_storescp_that_cannot_start_says_so_as_the_oracle_does(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "file").write_text("")
    with Receiver(DCMTK, tmp_path / "other") as other:
        words = {"PORT": str(free_port()), "TAKEN": str(other.port)}
        runs = [
            suite.run(
                "storescp",
                *(words.get(word, word) for word in arguments),
                cwd=tmp_path,
                timeout=10,
            )
            for suite in (DCMTK, UNDER_TEST)
        ]
    assert runs[1].code == runs[0].code == 1
    assert bare(_without_version(runs[1].lines)) == bare(_without_version(runs[0].lines))


def _without_version(lines: list[str]) -> list[str]:
    """Leave out the line that names program, version and date."""
    return [line for line in lines if not line.startswith("$")]


@pytest.mark.parametrize("tool", ["storescu", "storescp", "echoscu"])
def test_tools_without_arguments_print_their_usage_and_end_with_0(tool: str) -> None:
    for suite in (DCMTK, UNDER_TEST):
        done = suite.run(tool)
        assert done.code == 0
        assert f"usage: {tool} [options]" in done.stdout


class EchoCase(NamedTuple):
    """Arguments of echoscu, and the exit code of ours where it differs."""

    name: str
    options: tuple[str, ...]
    ours: int | None = None


ECHOES = [
    EchoCase("plain", ()),
    EchoCase("verbose", ("-v",)),
    EchoCase("repeat", ("-v", "--repeat", "3")),
    EchoCase("abort", ("-v", "--abort")),
    EchoCase("contexts", ("-v", "-ppc", "3", "-pts", "2")),
    EchoCase("titles", ("-v", "-aet", "A", "-aec", "B")),
]


@pytest.mark.parametrize("case", ECHOES, ids=[case.name for case in ECHOES])
@pytest.mark.parametrize("server", [DCMTK, UNDER_TEST], ids=["oracle", "ours"])
def test_echoscu_prints_what_the_oracle_prints(
    tmp_path: Path, case: EchoCase, server: Suite
) -> None:
    with Receiver(server, tmp_path) as receiver:
        runs = [
            suite.run("echoscu", *case.options, "127.0.0.1", str(receiver.port))
            for suite in (DCMTK, UNDER_TEST)
        ]
    assert runs[1].code == runs[0].code == 0
    assert differing_lines(runs[0].lines, runs[1].lines) == ""

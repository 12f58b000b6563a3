"""Every PDU of a run: what the requestors of DCMTK and ours send, what the receivers answer.

The peer is the same script for both, and keeps each PDU as it came. Compared is each byte but
for the names of the implementation (wire_records.py): proposals, answers, command sets, data,
release and abort.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import pytest

from isocenter import uids
from isocenter.testing import ScriptedAcceptor, ScriptedRequestor, ct_image, raw
from isocenter.testing.datasets import (
    CT_IMAGE_STORAGE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    SECONDARY_CAPTURE_IMAGE_STORAGE,
    VERIFICATION,
)
from isocenter.testing.peer import PeerClosed, first_syntax
from isocenter.testing.raw import Context
from isocenter.testing.reading import parse_associate, parse_command, parse_pdvs
from tests.interop.differences import NEWER_ABSTRACT_SYNTAXES, NEWER_TRANSFER_SYNTAXES
from tests.interop.wire_records import flow
from tests.support.proposals import SELECTORS
from tests.support.tools import DCMTK, UNDER_TEST, Receiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from isocenter.testing import RawConnection, RawPdu
    from tests.support.tools import Suite

pytestmark = [pytest.mark.slow, pytest.mark.peer("dcmtk")]

MR_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.4"
HANGING_PROTOCOL = "1.2.840.10008.5.1.4.38.1"


# --- requestors -----------------------------------------------------------------------------


class Recorder:
    """A storage acceptor that keeps every PDU; `statuses` are answered in turn, then 0."""

    def __init__(self, *statuses: int, reject: bool = False) -> None:
        self.pdus: list[RawPdu] = []
        self._statuses = list(statuses)
        self._reject = reject

    def __call__(self, connection: RawConnection) -> None:
        """Serve one association."""
        command: dict[int, bytes] = {}
        while True:
            try:
                pdu = connection.receive()
            except PeerClosed:
                return
            self.pdus.append(pdu)
            if pdu.pdu_type == raw.ABORT:
                return  # who aborted waits for this side to close
            if pdu.pdu_type == raw.ASSOCIATE_RQ:
                if self._reject:
                    connection.send(raw.associate_rj(1, 1, 1))
                else:
                    self._accept(connection, pdu.body)
            elif pdu.pdu_type == raw.P_DATA:
                for pdv in parse_pdvs(pdu.body):
                    if pdv.is_command:
                        command = parse_command(pdv.fragment)
                    if pdv.is_last and pdv.is_command == (command[0x0800] == raw.us(0x0101)):
                        self._answer(connection, pdv.context_id, command)
            elif pdu.pdu_type == raw.RELEASE_RQ:
                connection.send(raw.release_rp())

    def _accept(self, connection: RawConnection, body: bytes) -> None:
        facts = parse_associate(body)
        results = [(c.context_id, *first_syntax(0, c.transfer_syntaxes)) for c in facts.contexts]
        answer = raw.associate_ac(results, called=facts.called, calling=facts.calling)
        connection.send(answer)

    def _answer(self, connection: RawConnection, context: int, command: dict[int, bytes]) -> None:
        number = int.from_bytes(command[0x0110], "little")
        status = self._statuses.pop(0) if self._statuses else 0
        if command[0x0100] == raw.us(0x0030):
            response = raw.c_echo_rsp(number, status)
        else:
            names = (command[tag].decode().rstrip("\0") for tag in (0x0002, 0x1000))
            response = raw.c_store_rsp(number, status, *names)
        connection.send(raw.message(context, response))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Objects of several classes and transfer syntaxes, and one that is longer than a PDU."""
    folder = tmp_path_factory.mktemp("wire")
    classes = (SECONDARY_CAPTURE_IMAGE_STORAGE, CT_IMAGE_STORAGE, MR_IMAGE_STORAGE)
    for number, uid in enumerate(classes):
        image = ct_image(sop_class_uid=uid, rows=4, columns=4, sop_instance_uid=f"2.25.{number}")
        image.write(folder / f"{number}.dcm")
    syntaxes = {"implicit": IMPLICIT_LITTLE, "big": EXPLICIT_BIG}
    for name, syntax in syntaxes.items():
        image = ct_image(transfer_syntax=syntax, sop_instance_uid="2.25.77", rows=4, columns=4)
        image.write(folder / f"{name}.dcm")
    ct_image(rows=300, columns=100, sop_instance_uid="2.25.88").write(folder / "long.dcm")
    return folder


class Run(NamedTuple):
    """What a tool sent, and its exit code."""

    code: int
    flow: list[str]


def _run(suite: Suite, folder: Path, recorder: Recorder, tool: str, *words: str) -> Run:
    options = [word for word in words if not word.endswith(".dcm")]
    files = [word for word in words if word.endswith(".dcm")]
    with ScriptedAcceptor(recorder) as acceptor:
        arguments = (*options, "127.0.0.1", str(acceptor.port), *files)
        done = suite.run(tool, *arguments, cwd=folder)
    return Run(done.code, flow(recorder.pdus))


COMBINATIONS: list[tuple[str, ...]] = [(), ("-R",), ("+C",), ("-R", "+C")]
CHOICES: list[tuple[str, ...]] = [(), *((f"-x{letter}",) for letter in SELECTORS)]


@pytest.mark.parametrize("combination", COMBINATIONS, ids=lambda words: " ".join(words) or "plain")
def test_storescu_proposes_the_bytes_of_the_oracle(
    folder: Path, combination: tuple[str, ...]
) -> None:
    def proposed(choice: tuple[str, ...]) -> None:
        words = ("storescu", *choice, *combination, "0.dcm", "1.dcm", "2.dcm", "1.dcm")
        expected, found = (
            _run(suite, folder, Recorder(reject=True), *words) for suite in (DCMTK, UNDER_TEST)
        )
        assert found == expected, choice
        assert expected.code == 1
        assert len(expected.flow) > 5

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(proposed, CHOICES))


ECHO_OPTIONS: list[tuple[str, ...]] = [
    (),
    ("-ppc", "2"),
    ("-ppc", "128"),
    ("-pts", "38"),
    ("-ppc", "128", "-pts", "23"),
    ("-pdu", "131072"),
    ("-aet", "A B", "-aec", "C"),
    ("--repeat", "3"),
    ("--abort",),
    ("--repeat", "2", "--abort"),
]


@pytest.mark.parametrize("options", ECHO_OPTIONS, ids=lambda words: " ".join(words) or "plain")
def test_echoscu_sends_the_bytes_of_the_oracle(folder: Path, options: tuple[str, ...]) -> None:
    expected, found = (
        _run(suite, folder, Recorder(), "echoscu", *options) for suite in (DCMTK, UNDER_TEST)
    )
    # 3.6.7 has 15 transfer syntaxes less, four of them among the first 38.
    if "-pts" in options and UNDER_TEST.is_ours:
        expected, found = (_without_newer(run) for run in (expected, found))
    assert found == expected


def _without_newer(run: Run) -> Run:
    """Return a proposal as far as both releases know it."""
    both = [
        line
        for line in run.flow
        if not any(line.endswith(f"{uid!r}") for uid in NEWER_TRANSFER_SYNTAXES)
    ]
    contexts = 0
    kept = []
    for line in both:
        if " context " in line:
            contexts = 0
        is_syntax = line.startswith("    40 ")
        contexts += is_syntax
        if not is_syntax or contexts <= 22:
            kept.append(line)
    return Run(run.code, kept)


SENT: list[tuple[tuple[str, ...], tuple[int, ...]]] = [
    (("1.dcm",), ()),
    (("0.dcm", "1.dcm", "2.dcm"), ()),
    (("-R", "long.dcm"), ()),
    (("-R", "--max-send-pdu", "4096", "long.dcm"), ()),
    (("-R", "--repeat", "2", "1.dcm"), ()),
    (("-R", "--abort", "1.dcm"), ()),
    (("-R", "implicit.dcm", "big.dcm"), ()),
    (("-R", "+C", "implicit.dcm", "big.dcm"), ()),
    (("-R", "-xi", "big.dcm", "1.dcm"), ()),
    (("-R", "-xb", "1.dcm"), ()),
    (("-R", "1.dcm", "2.dcm"), (0xA700,)),
    (("-R", "1.dcm", "2.dcm"), (0xB000, 0xC001)),
    (("-R", "-nh", "1.dcm", "2.dcm"), (0xA900, 0x0122)),
]


@pytest.mark.parametrize(
    ("words", "statuses"), SENT, ids=[" ".join((*w, *map(hex, s))) for w, s in SENT]
)
def test_storescu_sends_the_bytes_of_the_oracle(
    folder: Path, words: tuple[str, ...], statuses: tuple[int, ...]
) -> None:
    expected, found = (
        _run(suite, folder, Recorder(*statuses), "storescu", *words)
        for suite in (DCMTK, UNDER_TEST)
    )
    assert found.flow == expected.flow
    if "-nh" not in words:
        assert found.code == expected.code


# --- receivers ------------------------------------------------------------------------------

CONTEXTS = (
    Context(1, VERIFICATION, (IMPLICIT_LITTLE,)),
    Context(3, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE, IMPLICIT_LITTLE)),
    Context(5, HANGING_PROTOCOL, (EXPLICIT_LITTLE,)),
    Context(7, CT_IMAGE_STORAGE, (SELECTORS["s"],)),
    Context(9, "1.2.3.4", (IMPLICIT_LITTLE, EXPLICIT_LITTLE)),
)
IMAGE = ct_image(rows=4, columns=4, sop_instance_uid="2.25.5")


def _ask(requestor: ScriptedRequestor, request: bytes) -> Iterator[RawPdu]:
    requestor.send(request)
    yield requestor.receive()


def _association(requestor: ScriptedRequestor) -> Iterator[RawPdu]:
    """Associate, echo, store, store something else than announced, release."""
    yield from _ask(requestor, raw.associate_rq(CONTEXTS, called="ANYBODY", calling="ME"))
    yield from _ask(requestor, raw.message(1, raw.c_echo_rq(7)))
    store = raw.c_store_rq(8, CT_IMAGE_STORAGE, IMAGE.sop_instance_uid)
    yield from _ask(requestor, raw.message(3, store, IMAGE.data_set))
    store = raw.c_store_rq(9, CT_IMAGE_STORAGE, "2.25.6")
    yield from _ask(requestor, raw.message(3, store, IMAGE.data_set))
    store = raw.c_store_rq(65535, MR_IMAGE_STORAGE, IMAGE.sop_instance_uid)
    yield from _ask(requestor, raw.message(3, store, IMAGE.data_set))
    store = raw.c_store_rq(10, CT_IMAGE_STORAGE, IMAGE.sop_instance_uid)
    yield from _ask(requestor, raw.message(3, store, b"\x08\0\x60\0CS\2\0CT"))
    yield from _ask(requestor, raw.release_rq())


def _rejected(request: bytes) -> Callable[[ScriptedRequestor], Iterator[RawPdu]]:
    return lambda requestor: _ask(requestor, request)


def _answers(
    receiver: Receiver, talk: Callable[[ScriptedRequestor], Iterator[RawPdu]]
) -> list[str]:
    with ScriptedRequestor(receiver.port) as requestor:
        return flow(list(talk(requestor)))


WITHOUT_UID = raw.user_information(implementation_class_uid=None)
TALKS: dict[str, tuple[tuple[str, ...], Callable[[ScriptedRequestor], Iterator[RawPdu]]]] = {
    "association": ((), _association),
    "promiscuous": (("-pm",), _association),
    "accept all": (("+xa", "-pdu", "4096"), _association),
    "ignore": (("--ignore",), _association),
    "refuse": (("--refuse",), _rejected(raw.associate_rq(CONTEXTS))),
    "reject": (("--reject",), _rejected(raw.associate_rq(CONTEXTS, user=WITHOUT_UID))),
    "application context": (
        (),
        _rejected(raw.associate_rq(CONTEXTS, application_context="1.2.840.10008.3.1.1.9")),
    ),
    "protocol version": ((), _rejected(raw.associate_rq(CONTEXTS, protocol_version=4))),
    "protocol versions 1 and 2": ((), _rejected(raw.associate_rq(CONTEXTS, protocol_version=3))),
    "no context that is served": ((), _rejected(raw.associate_rq(CONTEXTS[2:3]))),
    "titles with leading blanks": ((), _rejected(raw.associate_rq(CONTEXTS, called="  X"))),
}


@pytest.mark.parametrize("name", TALKS)
def test_storescp_answers_with_the_bytes_of_the_oracle(tmp_path: Path, name: str) -> None:
    options, talk = TALKS[name]
    flows = []
    for suite in (DCMTK, UNDER_TEST):
        with Receiver(suite, tmp_path / suite.name, *options) as receiver:
            flows.append(_answers(receiver, talk))
    assert flows[1] == flows[0]


ANSWERED = {
    "role of SCU": (raw.role_selection(CT_IMAGE_STORAGE, scu=1, scp=0), 0x54),
    "window of one": (raw.asynchronous_operations(1, 1), 0x53),
}


@pytest.mark.parametrize("name", ANSWERED)
def test_storescp_answers_a_negotiation_that_the_oracle_leaves_open(
    tmp_path: Path, name: str
) -> None:
    """The answer is the default that holds without one (PS3.7 D.3.3.3, D.3.3.4)."""
    item, kind = ANSWERED[name]
    request = raw.associate_rq(CONTEXTS, user=raw.user_information(item))
    for suite in (DCMTK, UNDER_TEST):
        with (
            Receiver(suite, tmp_path / suite.name) as receiver,
            ScriptedRequestor(receiver.port) as requestor,
        ):
            requestor.send(request)
            answer = parse_associate(requestor.receive().body).user_item(kind)
        assert answer == (item[4:] if suite.is_ours else None)


# --- acceptance, class by class and syntax by syntax -----------------------------------------

ACCEPT_ALL_ORDER = (
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.100",
    "1.2.840.10008.1.2.4.100.1",
    "1.2.840.10008.1.2.4.101",
    "1.2.840.10008.1.2.4.101.1",
    "1.2.840.10008.1.2.4.102",
    "1.2.840.10008.1.2.4.102.1",
    "1.2.840.10008.1.2.4.103",
    "1.2.840.10008.1.2.4.103.1",
    "1.2.840.10008.1.2.4.104",
    "1.2.840.10008.1.2.4.104.1",
    "1.2.840.10008.1.2.4.105",
    "1.2.840.10008.1.2.4.105.1",
    "1.2.840.10008.1.2.4.106",
    "1.2.840.10008.1.2.4.106.1",
    "1.2.840.10008.1.2.4.107",
    "1.2.840.10008.1.2.4.108",
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.4.202",
    "1.2.840.10008.1.2.4.203",
    "1.2.840.10008.1.2.4.110",
    "1.2.840.10008.1.2.4.111",
    "1.2.840.10008.1.2.4.112",
    "1.2.840.10008.1.2.8.1",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.1.98",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2",
)
"""The list of `+xa` of the baseline (dcmtk-facts 3.4)."""

NEVER_ACCEPTED = (
    "1.2.840.10008.1.2.4.52",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.92",
    "1.2.840.10008.1.2.4.94",
    "1.2.840.10008.1.2.4.204",
    "1.2.840.10008.1.2.7.1",
    "2.25.4711",
)

KNOWN_IN_THE_BASELINE = (
    *NEWER_TRANSFER_SYNTAXES,
    "1.2.840.10008.1.2.4.204",
    "1.2.840.10008.1.2.4.205",
    "1.2.840.10008.1.20",
    "1.2.840.10008.5.1.4.1.1.201.1",
    "1.2.840.10008.5.1.4.1.1.201.1.1",
    "1.2.840.10008.5.1.4.1.1.201.2",
    "1.2.840.10008.5.1.4.1.1.201.3",
    "1.2.840.10008.5.1.4.1.1.201.4",
    "1.2.840.10008.5.1.4.1.1.201.5",
    "1.2.840.10008.5.1.4.1.1.201.6",
    "1.2.840.10008.5.1.4.38.4",
)
"""UIDs that 3.6.7 has no name for, so that its `-pm` takes them for private classes."""


def _results(receiver: Receiver, contexts: list[Context]) -> list[tuple[int, str]]:
    """Return result and, where accepted, transfer syntax of each context."""
    results = []
    for start in range(0, len(contexts), 120):
        part = [
            context._replace(context_id=2 * number + 1)
            for number, context in enumerate(contexts[start : start + 120])
        ]
        with ScriptedRequestor(receiver.port) as requestor:
            facts = requestor.associate(part)
            requestor.release()
        results += [
            (c.result, c.transfer_syntaxes[0] if c.result == 0 else "") for c in facts.contexts
        ]
    return results


def _every_uid() -> list[str]:
    """Return the UIDs of PS3.6 as pydicom has them, DCMTK's retired and draft ones, others."""
    from pydicom._uid_dict import UID_dictionary

    made_up = ("1.2.3.4.5.6.7", "2.25.1", "1.2.840.10008.5.1.4.1.1.999", "1.2.840.10008", "0.1")
    return sorted({*UID_dictionary, *uids.SOP_CLASSES, *made_up})


@pytest.mark.parametrize("options", [(), ("-pm",)], ids=["default", "-pm"])
def test_storescp_takes_the_classes_that_the_oracle_takes(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    """All of PS3.6 and more: storage, retired, draft, private, query, commitment, syntaxes."""
    every = _every_uid()
    assert len(every) > 480
    contexts = [Context(1, uid, (EXPLICIT_LITTLE, IMPLICIT_LITTLE)) for uid in every]
    results = []
    for suite in (DCMTK, UNDER_TEST):
        with Receiver(suite, tmp_path / suite.name, *options) as receiver:
            results.append(dict(zip(every, _results(receiver, contexts), strict=True)))
    different = {uid for uid in every if results[0][uid] != results[1][uid]}
    if not UNDER_TEST.is_ours:
        assert different == set()
    elif options:
        assert different <= set(KNOWN_IN_THE_BASELINE)
        assert {results[1][uid] for uid in different} == {(3, "")}
    else:
        assert different == set(NEWER_ABSTRACT_SYNTAXES)
        assert {results[1][uid] for uid in different} == {(0, EXPLICIT_LITTLE)}
    accepted = [uid for uid, (result, _) in results[1].items() if result == 0]
    if not options and UNDER_TEST.is_ours:
        assert len(accepted) == 203  # Verification and 202 storage classes


def test_storescp_prefers_with_accept_all_what_the_oracle_prefers(tmp_path: Path) -> None:
    """Each syntax against each: the earlier one of the list wins, in whichever order proposed."""
    order = ACCEPT_ALL_ORDER
    pairs = [
        (later, order[index]) for index in range(len(order)) for later in order[index + 1 :: 3]
    ]
    pairs += [(uid, uid) for uid in order]
    wanted = [order[min(order.index(left), order.index(right))] for left, right in pairs]
    contexts = [Context(1, CT_IMAGE_STORAGE, pair) for pair in pairs]
    refused = [Context(1, CT_IMAGE_STORAGE, (uid,)) for uid in NEVER_ACCEPTED]
    for suite in (DCMTK, UNDER_TEST):
        with Receiver(suite, tmp_path / suite.name, "+xa") as receiver:
            found = _results(receiver, contexts)
            assert {result for result, _ in _results(receiver, refused)} == {4}
        for pair, uid, (result, accepted) in zip(pairs, wanted, found, strict=True):
            if suite.is_ours or not {*pair} & {*NEWER_TRANSFER_SYNTAXES}:
                assert (pair, result, accepted) == (pair, 0, uid)


@pytest.mark.parametrize("letter", SELECTORS)
def test_storescp_takes_of_every_syntax_what_the_oracle_takes(tmp_path: Path, letter: str) -> None:
    """With one compressed syntax preferred no other is taken, nor its fragmentable twin."""
    syntaxes = (*ACCEPT_ALL_ORDER, *NEVER_ACCEPTED)
    contexts = [Context(1, CT_IMAGE_STORAGE, (uid,)) for uid in syntaxes]
    contexts += [Context(1, VERIFICATION, (uid,)) for uid in syntaxes]
    contexts += [Context(1, CT_IMAGE_STORAGE, (IMPLICIT_LITTLE, uid)) for uid in syntaxes]
    results = []
    for suite in (DCMTK, UNDER_TEST):
        with Receiver(suite, tmp_path / suite.name, f"+x{letter}") as receiver:
            results.append(_results(receiver, contexts))
    assert results[1] == results[0]

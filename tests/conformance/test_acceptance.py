"""What storescp accepts: the A-ASSOCIATE-AC of DCMTK's tool and ours for the same requests.

The requests are raw, so they can propose more than any tool would. The rejections of
dcmtk-facts 3.3 are checked for both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter.testing import AssociationFacts, ScriptedRequestor, raw
from isocenter.testing.datasets import (
    CT_IMAGE_STORAGE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    VERIFICATION,
)
from isocenter.testing.raw import Context
from tests.interop.differences import NEWER_ABSTRACT_SYNTAXES, NEWER_TRANSFER_SYNTAXES
from tests.support.proposals import SELECTORS
from tests.support.tools import DCMTK, UNDER_TEST, Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.tools import Suite

pytestmark = [pytest.mark.slow, pytest.mark.peer("dcmtk")]

KNOWN_SYNTAXES = (
    *dict.fromkeys(SELECTORS.values()),
    "1.2.840.10008.1.2.4.52",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.92",
    "2.25.4711",
)
PRIVATE_CLASS = "1.2.3.4.5.6.7"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"
HANGING_PROTOCOL = "1.2.840.10008.5.1.4.38.1"


def _storage_classes() -> list[str]:
    """Return UIDs under the storage root and beside it, known and not."""
    root = "1.2.840.10008.5.1.4.1.1"
    tails = [str(n) for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 20, 30, 66, 67, 128, 129, 130)]
    tails += [f"{a}.{b}" for a in (1, 2, 4, 7, 11, 12, 66, 77, 78, 88, 104, 481) for b in range(9)]
    tails += [f"88.{n}" for n in (11, 22, 33, 34, 35, 40, 50, 59, 65, 67, 68, 69, 70, 71, 76)]
    return [
        *(f"{root}.{tail}" for tail in tails),
        VERIFICATION,
        HANGING_PROTOCOL,
        STUDY_ROOT_FIND,
        STORAGE_COMMITMENT,
        PRIVATE_CLASS,
    ]


def _proposals() -> dict[str, list[Context]]:
    """Return rich proposals by name."""
    reverse = tuple(reversed(KNOWN_SYNTAXES))
    single = [
        Context(2 * index + 1, CT_IMAGE_STORAGE, (syntax,))
        for index, syntax in enumerate(KNOWN_SYNTAXES)
    ]
    pairs = [
        (IMPLICIT_LITTLE, EXPLICIT_BIG),
        (EXPLICIT_BIG, EXPLICIT_LITTLE),
        (IMPLICIT_LITTLE, EXPLICIT_LITTLE),
        (SELECTORS["s"], IMPLICIT_LITTLE),
        (SELECTORS["y"], SELECTORS["s"]),
        (SELECTORS["d"], SELECTORS["r"]),
        KNOWN_SYNTAXES,
        reverse,
    ]
    classes = _storage_classes()
    proposals = {
        "each syntax alone": single,
        "several syntaxes": [
            Context(4 * index + 1 + 2 * number, uid, syntaxes)
            for index, syntaxes in enumerate(pairs)
            for number, uid in enumerate((CT_IMAGE_STORAGE, VERIFICATION))
        ],
    }
    for start in range(0, len(classes), 120):
        proposals[f"classes {start}"] = [
            Context(2 * index + 1, uid, (EXPLICIT_LITTLE, IMPLICIT_LITTLE))
            for index, uid in enumerate(classes[start : start + 120])
        ]
    return proposals


PROPOSALS = _proposals()
PREFERENCES: list[tuple[str, ...]] = [
    (),
    *((f"+x{letter}",) for letter in SELECTORS),
    ("+xa",),
    ("-pm",),
    ("-pm", "+xa"),
    ("-pm", "+xi"),
    ("+xs", "+xb"),
]


def _answers(receiver: Receiver, proposal: list[Context]) -> dict[int, tuple[int, str]]:
    """Return result and, where accepted, transfer syntax by context id."""
    with ScriptedRequestor(receiver.port) as requestor:
        facts = requestor.associate(proposal)
        requestor.release()
    # The transfer syntax of a refused context is not significant (PS3.8 9.3.3.2).
    return {
        c.context_id: (c.result, c.transfer_syntaxes[0] if c.result == 0 else "")
        for c in facts.contexts
    }


@pytest.mark.parametrize("preference", PREFERENCES, ids=lambda words: " ".join(words) or "default")
def test_storescp_accepts_what_the_oracle_accepts(
    tmp_path: Path, preference: tuple[str, ...]
) -> None:
    with (
        Receiver(DCMTK, tmp_path / "oracle", *preference) as oracle,
        Receiver(UNDER_TEST, tmp_path / "ours", *preference) as ours,
    ):
        for name, proposal in PROPOSALS.items():
            expected, found = _answers(oracle, proposal), _answers(ours, proposal)
            different = {
                proposal_context.abstract_syntax: (
                    expected[proposal_context.context_id],
                    found[proposal_context.context_id],
                )
                for proposal_context in proposal
                if expected[proposal_context.context_id] != found[proposal_context.context_id]
                and proposal_context.abstract_syntax not in NEWER_ABSTRACT_SYNTAXES
            }
            assert different == {}, name


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="newer than the oracle")
@pytest.mark.parametrize("uid", NEWER_TRANSFER_SYNTAXES)
def test_storescp_accepts_newer_syntaxes_with_accept_all(tmp_path: Path, uid: str) -> None:
    with Receiver(UNDER_TEST, tmp_path, "+xa") as receiver:
        assert _answers(receiver, [Context(1, CT_IMAGE_STORAGE, (uid,))]) == {1: (0, uid)}


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="newer than the oracle")
def test_storescp_accepts_newer_classes(tmp_path: Path) -> None:
    with Receiver(UNDER_TEST, tmp_path) as receiver:
        for uid in NEWER_ABSTRACT_SYNTAXES:
            context = Context(1, uid, (EXPLICIT_LITTLE,))
            assert _answers(receiver, [context]) == {1: (0, EXPLICIT_LITTLE)}, uid


def _reject_or_accept(receiver: Receiver, request: bytes) -> tuple[int, ...] | AssociationFacts:
    with ScriptedRequestor(receiver.port) as requestor:
        requestor.send(request)
        pdu = requestor.receive()
        if pdu.pdu_type == raw.ASSOCIATE_RJ:
            return tuple(pdu.body[1:4])
        assert pdu.pdu_type == raw.ASSOCIATE_AC, pdu
        return raw_facts(pdu.body)


def raw_facts(body: bytes) -> AssociationFacts:
    """Return the facts of an A-ASSOCIATE-AC body."""
    from isocenter.testing.reading import parse_associate

    return parse_associate(body)


CONTEXT = [Context(1, VERIFICATION, (IMPLICIT_LITTLE,))]
WITHOUT_UID = raw.user_information(implementation_class_uid=None)
REJECTIONS = {
    "--refuse": (("--refuse",), raw.associate_rq(CONTEXT), (1, 1, 1)),
    "--reject": (("--reject",), raw.associate_rq(CONTEXT, user=WITHOUT_UID), (1, 1, 1)),
    "application context": (
        (),
        raw.associate_rq(CONTEXT, application_context="1.2.840.10008.3.1.1.2"),
        (1, 1, 2),
    ),
    "protocol version 2": ((), raw.associate_rq(CONTEXT, protocol_version=2), (1, 2, 2)),
    "protocol version 0": ((), raw.associate_rq(CONTEXT, protocol_version=0), (1, 2, 2)),
}


@pytest.mark.parametrize("suite", [DCMTK, UNDER_TEST], ids=["oracle", "ours"])
@pytest.mark.parametrize("case", REJECTIONS)
def test_storescp_rejects(tmp_path: Path, suite: Suite, case: str) -> None:
    options, request, expected = REJECTIONS[case]
    with Receiver(suite, tmp_path, *options) as receiver:
        assert _reject_or_accept(receiver, request) == expected


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(raw.associate_rq(CONTEXT, user=WITHOUT_UID), id="no implementation UID"),
        pytest.param(raw.associate_rq(CONTEXT, protocol_version=3), id="versions 1 and 2"),
        pytest.param(raw.associate_rq(CONTEXT, called="WHATEVER"), id="any called title"),
        pytest.param(
            raw.associate_rq([Context(1, PRIVATE_CLASS, (IMPLICIT_LITTLE,))]),
            id="no usable context",
        ),
    ],
)
def test_storescp_accepts_where_the_oracle_does(tmp_path: Path, request_bytes: bytes) -> None:
    for suite in (DCMTK, UNDER_TEST):
        with Receiver(suite, tmp_path / suite.name) as receiver:
            facts = _reject_or_accept(receiver, request_bytes)
            assert isinstance(facts, AssociationFacts)


@pytest.mark.parametrize("length", ["4096", "16384", "131072"])
def test_storescp_announces_its_pdu_length(tmp_path: Path, length: str) -> None:
    for suite in (DCMTK, UNDER_TEST):
        with Receiver(suite, tmp_path / suite.name, "-pdu", length) as receiver:
            facts = _reject_or_accept(receiver, raw.associate_rq(CONTEXT))
            assert isinstance(facts, AssociationFacts)
            assert facts.maximum_length == int(length)


def test_storescp_echoes_the_titles_and_negotiates_nothing_it_was_not_asked(
    tmp_path: Path,
) -> None:
    with Receiver(UNDER_TEST, tmp_path) as receiver:
        request = raw.associate_rq(CONTEXT, called="CALLED", calling="CALLING")
        facts = _reject_or_accept(receiver, request)
    assert isinstance(facts, AssociationFacts)
    assert (facts.called, facts.calling) == (b"CALLED".ljust(16), b"CALLING".ljust(16))
    assert {item for item, _ in facts.user_items} == {0x51, 0x52, 0x55}


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="DCMTK's tool grants no window")
@pytest.mark.parametrize(
    ("proposed", "granted"),
    [((1, 1), (1, 1)), ((8, 1), (8, 1)), ((64, 1), (16, 1)), ((0, 1), (16, 1))],
)
def test_storescp_grants_a_window_of_at_most_16(
    tmp_path: Path, proposed: tuple[int, int], granted: tuple[int, int]
) -> None:
    user = raw.user_information(raw.asynchronous_operations(*proposed))
    with Receiver(UNDER_TEST, tmp_path) as receiver:
        facts = _reject_or_accept(receiver, raw.associate_rq(CONTEXT, user=user))
    assert isinstance(facts, AssociationFacts)
    window = facts.user_item(0x53)
    if window is None:
        assert granted == (1, 1)
    else:
        assert int.from_bytes(window[:2], "big") == granted[0]

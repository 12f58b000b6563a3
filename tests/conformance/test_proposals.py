"""What storescu proposes: the A-ASSOCIATE-RQ of DCMTK's tool and ours, side by side.

A scripted acceptor records the request. What may differ is who sends it (implementation
UID and version) and what differs between the releases (tests/interop/differences.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ScriptedAcceptor, ct_image, raw
from isocenter.testing.datasets import (
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE,
    SECONDARY_CAPTURE_IMAGE_STORAGE,
)
from isocenter.testing.reading import parse_associate
from tests.interop.differences import NEWER_TRANSFER_SYNTAXES
from tests.support.proposals import COMPRESSED, SELECTORS, VIDEO
from tests.support.tools import DCMTK, UNDER_TEST

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import AssociationFacts, RawConnection
    from tests.support.tools import Suite

pytestmark = [pytest.mark.slow, pytest.mark.peer("dcmtk")]

MR_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.4"
BIG, IMPLICIT = SELECTORS["b"], SELECTORS["i"]
UNCOMPRESSED = (EXPLICIT_LITTLE, BIG, IMPLICIT)


def _recorded(suite: Suite, tool: str, *arguments: str | Path) -> AssociationFacts:
    """Return the request that a tool sends; it is rejected, so nothing else happens.

    Arguments that are no strings are the files.
    """
    requests: list[AssociationFacts] = []

    def script(connection: RawConnection) -> None:
        requests.append(parse_associate(connection.receive().body))
        connection.send(raw.associate_rj(1, 1, 1))
        connection.receive_until_closed()

    options = [argument for argument in arguments if isinstance(argument, str)]
    files = [argument for argument in arguments if not isinstance(argument, str)]
    with ScriptedAcceptor(script) as acceptor:
        done = suite.run(tool, *options, "127.0.0.1", str(acceptor.port), *files)
    assert done.code == 1
    (request,) = requests
    return request


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Objects of three classes, one of them twice."""
    folder = tmp_path_factory.mktemp("files")
    classes = (
        SECONDARY_CAPTURE_IMAGE_STORAGE,
        CT_IMAGE_STORAGE,
        MR_IMAGE_STORAGE,
        CT_IMAGE_STORAGE,
    )
    return [
        ct_image(sop_class_uid=uid, rows=4, columns=4).write(folder / f"{number}.dcm")
        for number, uid in enumerate(classes)
    ]


EACH: list[tuple[str, ...]] = [(f"-x{letter}",) for letter in SELECTORS]
CHOICES: list[tuple[str, ...]] = [
    (),
    *EACH,
    ("-xs", "-xi"),
    ("-xi", "-xs"),
    ("-xi", "-x="),
]


@pytest.mark.parametrize("combine", [(), ("+C",)], ids=["separate", "+C"])
@pytest.mark.parametrize("required", [(), ("-R",)], ids=["all", "-R"])
@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: " ".join(choice) or "default")
def test_storescu_proposes_what_the_oracle_proposes(
    files: list[Path], choice: tuple[str, ...], required: tuple[str, ...], combine: tuple[str, ...]
) -> None:
    arguments: list[str | Path] = [*choice, *required, *combine, *files]
    oracle = _recorded(DCMTK, "storescu", *arguments)
    ours = _recorded(UNDER_TEST, "storescu", *arguments)
    assert ours.contexts == oracle.contexts
    assert ours.application_context == oracle.application_context
    assert ours.protocol_version == oracle.protocol_version
    assert (ours.called, ours.calling) == (oracle.called, oracle.calling)


@pytest.mark.parametrize("letter", SELECTORS)
def test_storescu_proposes_what_is_documented(files: list[Path], letter: str) -> None:
    """dcmtk-facts 5.3, without the oracle: the first and the second context of each class."""
    request = _recorded(UNDER_TEST, "storescu", "-R", f"-x{letter}", *files)
    wanted = SELECTORS[letter]
    rest = tuple(syntax for syntax in UNCOMPRESSED if syntax != wanted)
    expected: list[tuple[str, ...]]
    if letter == "i" or letter in VIDEO:
        expected = [(wanted,)]
    else:
        expected = [(wanted,), (UNCOMPRESSED if letter in COMPRESSED else rest)]
    classes = [SECONDARY_CAPTURE_IMAGE_STORAGE, CT_IMAGE_STORAGE, MR_IMAGE_STORAGE]
    found = [(c.abstract_syntax, c.transfer_syntaxes) for c in request.contexts]
    assert found == [(uid, syntaxes) for uid in classes for syntaxes in expected]
    assert [c.context_id for c in request.contexts] == list(range(1, 2 * len(found), 2))


@pytest.mark.parametrize(
    "options",
    [
        ("-aet", "SENDER", "-aec", "RECEIVER"),
        ("-aet", "SEVENTEEN-LETTERS", "-aec", "A"),
        ("-pdu", "4096"),
        ("-pdu", "131072"),
        ("--max-send-pdu", "4096"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("tool", ["storescu", "echoscu"])
def test_titles_and_lengths_are_those_of_the_oracle(
    files: list[Path], tool: str, options: tuple[str, ...]
) -> None:
    paths = files[:1] if tool == "storescu" else []
    if tool == "echoscu" and "--max-send-pdu" in options:
        pytest.skip("echoscu has no such option")
    oracle = _recorded(DCMTK, tool, *options, *paths)
    ours = _recorded(UNDER_TEST, tool, *options, *paths)
    assert (ours.called, ours.calling) == (oracle.called, oracle.calling)
    assert ours.maximum_length == oracle.maximum_length
    # No role selection, no extended negotiation, and no window without being asked.
    assert {item for item, _ in ours.user_items} == {0x51, 0x52, 0x55}


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="an option of our own")
def test_storescu_proposes_the_window_it_is_asked_for(files: list[Path]) -> None:
    request = _recorded(UNDER_TEST, "storescu", "--max-ops", "8", files[0])
    assert request.user_item(0x53) == b"\x00\x08\x00\x01"
    plain = _recorded(UNDER_TEST, "storescu", "--max-ops", "1", files[0])
    assert plain.user_item(0x53) is None


@pytest.mark.parametrize("contexts", [(), ("-ppc", "1"), ("-ppc", "7"), ("-ppc", "128")], ids=str)
@pytest.mark.parametrize("syntaxes", [(), ("-pts", "1"), ("-pts", "3")], ids=str)
def test_echoscu_proposes_what_the_oracle_proposes(
    contexts: tuple[str, ...], syntaxes: tuple[str, ...]
) -> None:
    arguments = (*contexts, *syntaxes)
    oracle = _recorded(DCMTK, "echoscu", *arguments)
    ours = _recorded(UNDER_TEST, "echoscu", *arguments)
    assert ours.contexts == oracle.contexts


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="the list of the baseline is longer")
def test_echoscu_proposes_the_whole_list_in_the_order_of_the_oracle() -> None:
    """All 53 of the baseline; without those that 3.6.7 does not know, its 38 in its order."""
    oracle = _recorded(DCMTK, "echoscu", "-pts", "38").contexts[0].transfer_syntaxes
    ours = _recorded(UNDER_TEST, "echoscu", "-pts", "53").contexts[0].transfer_syntaxes
    assert len(set(ours)) == 53
    assert [uid for uid in ours if uid not in NEWER_TRANSFER_SYNTAXES] == list(oracle)

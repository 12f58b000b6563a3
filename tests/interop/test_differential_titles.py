"""AE titles, PDU lengths and long waits as DCMTK's requestors and ours put them on the wire.

Each command line is given to both tools; a scripted acceptor keeps the request and rejects it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from isocenter.testing import ScriptedAcceptor, ScriptedRequestor, ct_image, raw
from isocenter.testing.datasets import IMPLICIT_LITTLE, VERIFICATION
from isocenter.testing.peer import PeerClosed
from isocenter.testing.raw import Context
from isocenter.testing.reading import parse_associate
from tests.support.tools import DCMTK, UNDER_TEST, Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import RawConnection
    from tests.support.tools import Suite

pytestmark = [pytest.mark.slow, pytest.mark.peer("dcmtk")]

BLANK = "F: Association Request Failed: 0006:030c Illegal service parameter: {} AP Title"


class Request(NamedTuple):
    """What a tool asked for, None where it did not connect; its exit code and lines."""

    code: int
    lines: list[str]
    called: bytes | None = None
    calling: bytes | None = None
    maximum_length: int | None = None


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file to send."""
    return ct_image(rows=4, columns=4).write(tmp_path_factory.mktemp("titles") / "a.dcm")


def _request(suite: Suite, tool: str, options: tuple[str, ...], image: Path) -> Request:
    bodies: list[bytes] = []

    def script(connection: RawConnection) -> None:
        try:
            bodies.append(connection.receive().body)
        except PeerClosed:  # DCMTK connects before it looks at the titles
            return
        connection.send(raw.associate_rj(1, 1, 1))
        connection.receive_until_closed()

    files = [image] if tool == "storescu" else []
    with ScriptedAcceptor(script) as acceptor:
        done = suite.run(tool, *options, "127.0.0.1", str(acceptor.port), *files)
    if not bodies:
        return Request(done.code, done.lines)
    facts = parse_associate(bodies[0])
    return Request(done.code, done.lines, facts.called, facts.calling, facts.maximum_length)


@pytest.mark.parametrize("tool", ["echoscu", "storescu"])
@pytest.mark.parametrize(
    "options",
    [
        ("-aet", " LEADING"),
        ("-aec", "TRAILING  "),
        ("-aet", "seventeen-letters", "-aec", "more than sixteen letters"),
        ("-aet", "A\\B", "-aec", "lower case"),
        ("-aet", "Süd", "-aec", "größer-als-sechzehn"),
        ("-aec", "検査"),
        ("-pdu", "4097"),
        ("-pdu", "131071"),
        ("-to", "2147483647", "-ta", "2147483647", "-ts", "2147483647", "-td", "2147483647"),
        ("-ta", "99999999999"),
        ("-to", "99999999999", "-td", "99999999999", "-ts", "99999999999"),
    ],
    ids=" ".join,
)
def test_titles_lengths_and_waits_arrive_as_those_of_the_oracle(
    tool: str, options: tuple[str, ...], image: Path
) -> None:
    expected = _request(DCMTK, tool, options, image)
    assert expected.called is not None
    assert _request(UNDER_TEST, tool, options, image) == expected


@pytest.mark.parametrize("tool", ["echoscu", "storescu"])
@pytest.mark.parametrize(
    ("options", "which"),
    [
        (("-aet", ""), "Calling"),
        (("-aec", ""), "Called"),
        (("-aet", "", "-aec", ""), "Called"),
    ],
    ids=["-aet", "-aec", "both"],
)
def test_an_empty_title_is_refused_in_the_words_of_the_oracle(
    tool: str, options: tuple[str, ...], which: str, image: Path
) -> None:
    for suite in (DCMTK, UNDER_TEST):
        found = _request(suite, tool, options, image)
        assert found.called is None
        assert found.code == 1
        assert found.lines[-1] == BLANK.format(which)


@pytest.mark.parametrize("tool", ["echoscu", "storescu"])
def test_a_title_of_blanks_is_refused_like_an_empty_one(tool: str, image: Path) -> None:
    assert _request(DCMTK, tool, ("-aec", "  "), image).called == b" " * 16
    found = _request(UNDER_TEST, tool, ("-aec", "  "), image)
    if UNDER_TEST.is_ours:
        assert (found.called, found.code) == (None, 1)
        assert found.lines == [BLANK.format("Called")]


def test_an_odd_limit_sends_what_the_oracle_cannot(tmp_path: Path) -> None:
    long = ct_image(rows=60, columns=60, sop_instance_uid="2.25.9").write(tmp_path / "long.dcm")
    for suite in (DCMTK, UNDER_TEST):
        with Receiver(DCMTK, tmp_path / suite.name, "+B") as receiver:
            options = ("-R", "--max-send-pdu", "4097", "127.0.0.1", str(receiver.port))
            done = suite.run("storescu", *options, long)
            assert (done.code, len(receiver.names)) == ((0, 1) if suite.is_ours else (1, 0))


def test_storescp_announces_an_even_length_and_bears_waits_of_any_length(tmp_path: Path) -> None:
    waits = [f"-{letter}=99999999999".split("=") for letter in ("ts", "ta", "td")]
    options = ["-pdu", "4097", "--sleep-after", "0", *(word for wait in waits for word in wait)]
    for suite in (DCMTK, UNDER_TEST):
        with Receiver(suite, tmp_path / suite.name, *options) as receiver:
            with ScriptedRequestor(receiver.port) as requestor:
                facts = requestor.associate([Context(1, VERIFICATION, (IMPLICIT_LITTLE,))])
                assert requestor.echo(1) == 0
                requestor.release()
            assert facts.maximum_length == 4096
            warning = "W: ASSOC: PDV receive length 4097 is odd (using 4096)"
            receiver.process.wait_for_line(warning)

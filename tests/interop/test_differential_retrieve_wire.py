"""What getscu and movescu send, beside DCMTK's: proposals, titles, requests, identifiers.

Each command line is given to both tools against a peer that answers every request with success; its
records of both are compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ScriptedAcceptor
from isocenter.testing.peer import accept, serve_storage
from tests.support.tools import DCMTK, OURS

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import AssociationFacts, RawConnection, RawMessage
    from tests.support.tools import Suite

pytestmark = [pytest.mark.slow, pytest.mark.interop, pytest.mark.peer("dcmtk")]

WAIT = 60.0
ROLE_SELECTION = 0x54
KEY = ("-k", "QueryRetrieveLevel=STUDY", "-k", "0020,000D=1.2.3", "-k", "PatientName=A^B")


class Record:
    """Accepts one association and answers everything with success.

    Attributes:
        facts: of the association request.
        messages: all that came.
    """

    def __init__(self) -> None:
        self.facts: AssociationFacts | None = None
        self.messages: list[RawMessage] = []

    def __call__(self, connection: RawConnection) -> None:
        try:
            self.facts = accept(connection)
            for _ in serve_storage(connection, received=self.messages):
                pass
        except ConnectionError:
            return

    def of(self, suite: Suite, tool: str, folder: Path, *words: str) -> list[object]:
        """Run a tool and return what it sent, in a form that can be compared."""
        with ScriptedAcceptor(self, timeout=30) as acceptor:
            done = suite.run(
                tool, *words, "localhost", str(acceptor.port), *KEY, timeout=WAIT, cwd=folder
            )
        assert done.code == 0, done.stderr
        facts = self.facts
        assert facts is not None
        return [
            [
                (context.context_id, context.abstract_syntax, context.transfer_syntaxes)
                for context in facts.contexts
            ],
            sorted(value for kind, value in facts.user_items if kind == ROLE_SELECTION),
            (facts.calling, facts.called, facts.maximum_length),
            [
                (each.context_id, sorted(each.command.items()), each.data_set)
                for each in self.messages
            ],
        ]


SYNTAXES = (
    "+x=", "+xe", "+xb", "+xs", "+xy", "+xx", "+xv", "+xw", "+xt", "+xu", "+xm", "+xh", "+xn",
    "+xl", "+x2", "+x3", "+xo", "+x4", "+x5", "+xr", "+xd",
)  # fmt: skip
SHARED: dict[str, tuple[str, ...]] = {
    "nothing": (),
    **{option: (option,) for option in ("-x=", "-xe", "-xb", "-xd", "-xi", "-P", "-S", "-O")},
    "titles": ("-aet", "CALLING", "-aec", "CALLED"),
    "long titles": ("-aet", "A234567890123456789", "-aec", "B234567890123456789"),
    "length": ("-pdu", "8193"),
    "repeat": ("--repeat", "3"),
    "abort": ("--abort",),
    "waits": ("-to", "5", "-ta", "6", "-td", "7"),
}
GETS = {name: words for name, words in SHARED.items() if name != "-xi"}  # 3.6.7 proposes all
GETS |= {option: (option,) for option in SYNTAXES}
GETS |= {
    "a path": ("-k", "ReferencedStudySequence[0].ReferencedSOPClassUID=1.2"),
    "the rightmost counts": ("-k", "PatientName=X^Y"),
}
MOVES = SHARED | {
    "destination": ("-aem", "SOMEBODY"),
    "own title is the destination": ("-aet", "ME"),
    "deflated smaller": ("-xd", "+cl", "9"),
    "pending": ("-pi", "--no-port"),
    "pending read": ("-pr",),
}


@pytest.mark.parametrize("words", GETS.values(), ids=GETS)
def test_getscu_sends_what_the_original_sends(words: tuple[str, ...], tmp_path: Path) -> None:
    expected = Record().of(DCMTK, "getscu", tmp_path, *words)
    assert Record().of(OURS, "getscu", tmp_path, *words) == expected


@pytest.mark.parametrize("words", MOVES.values(), ids=MOVES)
def test_movescu_sends_what_the_original_sends(words: tuple[str, ...], tmp_path: Path) -> None:
    expected = Record().of(DCMTK, "movescu", tmp_path, *words)
    assert Record().of(OURS, "movescu", tmp_path, *words) == expected

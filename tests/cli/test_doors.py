"""What options of storescp make of gates and judges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter.cli.admission import Gates, doors_of
from isocenter.cli.options_storescp import TOOL
from isocenter.cli.parser import parse
from isocenter.errors import ConfigurationError
from isocenter.ops.reload import Reloader
from isocenter.ul.admission import RequestFacts
from isocenter.ul.request import ProposedContext, build_request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from isocenter.cli.admission import Doors
    from isocenter.net.gate import Gate

HERE = "192.0.2.1:104"


def doors(*options: str) -> tuple[Doors, Reloader]:
    reloader = Reloader()
    return doors_of(parse(TOOL, [*options, "11112"]), reloader), reloader


def is_let_in(made: Doors, calling: str) -> bool:
    assert made.admission is not None
    request = build_request(
        [ProposedContext(abstract_syntax="1.2.840.10008.1.1", transfer_syntaxes=("1.2",))],
        called_ae_title="ARCHIVE",
        calling_ae_title=calling,
        implementation_class_uid="1.2.3",
    )
    facts = RequestFacts(peer_address="192.0.2.7:4711")
    return made.admission.judge(facts, request) is None


class _Gate:
    """A gate with set answers."""

    def __init__(
        self, admitted: bool | None, hosts: Sequence[str] = (), due: float | None = None
    ) -> None:
        self._admitted, self._hosts, self._due = admitted, hosts, due
        self.asked: list[str] = []
        self.wake: Callable[[], None] | None = None

    def start(self, wake: Callable[[], None]) -> None:
        self.wake = wake

    def admits(self, peer: str, local: str) -> bool | None:
        assert local == HERE
        self.asked.append(peer)
        return self._admitted

    def settled(self) -> Sequence[str]:
        return self._hosts

    def deadline(self) -> float | None:
        return self._due


@pytest.mark.parametrize(
    ("answers", "admitted"),
    [
        ([True, True], True),
        ([True, False], False),
        ([False, True], False),
        ([None, True], None),
        ([True, None], None),
        ([None, False], False),
        ([None, None], None),
    ],
)
def test_all_gates_have_to_admit(answers: list[bool | None], *, admitted: bool | None) -> None:
    gate: Gate = Gates([_Gate(answer) for answer in answers])
    assert gate.admits("192.0.2.7:1", HERE) is admitted


def test_nobody_is_asked_behind_a_refusal() -> None:
    after = _Gate(None)
    assert Gates([_Gate(admitted=False), after]).admits("192.0.2.7:1", HERE) is False
    assert after.asked == []


def test_gates_are_woken_and_heard_together() -> None:
    first, second = _Gate(None, ["a", "b"], 7.0), _Gate(None, ["b", "c"], 5.0)
    gate = Gates([first, second, _Gate(admitted=True)])

    def wake() -> None:
        """Do nothing."""

    gate.start(wake)
    assert first.wake is second.wake is wake
    assert list(gate.settled()) == ["a", "b", "c"]
    assert gate.deadline() == 5.0
    assert Gates([_Gate(admitted=True)]).deadline() is None


def test_nothing_is_asked_without_options() -> None:
    made, reloader = doors()
    assert made.gate is None
    assert made.admission is None
    assert not reloader


def test_list_in_a_file_can_be_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "access"
    path.write_text("allow calling=CT1\n")
    made, reloader = doors("--access-list", str(path))
    assert is_let_in(made, "CT1")
    assert not is_let_in(made, "CT2")
    path.write_text("allow calling=CT2\n")
    reloader.run()
    assert is_let_in(made, "CT2")


def test_list_of_options_cannot_be_read_anew() -> None:
    made, reloader = doors("--allow-calling", "CT1", "--allow-from", "192.0.2.0/24")
    assert is_let_in(made, "CT1")
    assert not is_let_in(made, "CT2")
    assert made.gate is not None
    assert made.gate.admits("192.0.2.7:1", HERE)
    assert made.gate.admits("192.0.3.7:1", HERE) is False
    assert not reloader


def test_title_beyond_ascii_is_the_bytes_typed() -> None:
    made, _ = doors("--allow-calling", "CT\xe9")  # in UTF-8 two bytes
    assert is_let_in(made, "CT\xc3\xa9")
    assert not is_let_in(made, "CT\xe9")


def test_option_at_fault_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"^--allow-from: 10\.0\.0\.1/8 has bits"):
        doors("--allow-from", "10.0.0.1/8")

"""echoscu: what each option changes, for the peer or on the screen.

tests/options.toml names these tests; each runs again without its option and has to fail then.
Options whose default they restore are given behind the alternative that they override.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.echoscu import main
from isocenter.testing import ScriptedAcceptor, raw
from isocenter.testing.peer import accept, serve_storage
from tests.cli.effects.sending import HERE, SILENCE, Peer, needs_ipv6, unanswered_port

if TYPE_CHECKING:
    from isocenter.testing import RawConnection

pytestmark = pytest.mark.slow


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


# --- general --------------------------------------------------------------------------------


def test_help_is_shown_and_nobody_called(capsys: pytest.CaptureFixture[str]) -> None:
    peer = Peer()
    assert peer.run(main, "--help", HERE) == 0
    assert "usage: echoscu" in capsys.readouterr().out
    assert peer.request is None


def test_version_is_shown_and_nobody_called(capsys: pytest.CaptureFixture[str]) -> None:
    peer = Peer()
    assert peer.run(main, "--version", HERE) == 0
    assert capsys.readouterr().out.startswith("$isocenter: echoscu v")
    assert peer.request is None


def test_arguments_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer().run(main, "--arguments", HERE) == 0
    start = "I: calling 'echoscu' with 3 arguments: '--arguments' '127.0.0.1' "
    assert any(line.startswith(start) for line in lines(capsys))


def test_quiet_leaves_errors_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer(0x0122).run(main, "--quiet", HERE) == 1
    assert lines(capsys) == []


def test_verbose_tells_the_steps(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer().run(main, "--verbose", HERE) == 0
    shown = lines(capsys)
    assert "I: Sending Echo Request (MsgID 1)" in shown
    assert not any(line.startswith("D: ") for line in shown)


def test_debug_shows_the_association(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer().run(main, "--debug", HERE) == 0
    assert "D: Called Application Name:     ANY-SCP" in lines(capsys)


def test_log_level_decides_what_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer().run(main, "--log-level", "info", HERE) == 0
    assert "I: Sending Echo Request (MsgID 1)" in lines(capsys)


# --- network --------------------------------------------------------------------------------


@needs_ipv6
def test_ipv4_takes_ipv6_back() -> None:
    assert Peer().run(main, "--ipv6", "--ipv4", HERE) == 0


@needs_ipv6
@pytest.mark.parametrize("option", ["--ipv6", "--ip-auto"])
def test_peer_is_reached_over_ipv6(option: str) -> None:
    assert Peer(host="::1").run(main, option, HERE) == 0
    assert Peer().run(main, option, HERE) == (0 if option == "--ip-auto" else 1)


@pytest.mark.parametrize("option", ["--aetitle", "--call"])
def test_titles_are_told(option: str) -> None:
    peer = Peer()
    assert peer.run(main, option, "TITLE", HERE) == 0
    titles = {"--aetitle": peer.facts.calling, "--call": peer.facts.called}
    assert titles[option] == b"TITLE".ljust(16)


def test_propose_ts_proposes_so_many_transfer_syntaxes() -> None:
    peer = Peer()
    assert peer.run(main, "--propose-ts", "7", HERE) == 0
    assert [len(set(context.transfer_syntaxes)) for context in peer.facts.contexts] == [7]


def test_propose_pc_proposes_so_many_contexts() -> None:
    peer = Peer()
    assert peer.run(main, "--propose-pc", "5", HERE) == 0
    assert [context.context_id for context in peer.facts.contexts] == [1, 3, 5, 7, 9]


def test_timeout_ends_a_connection_that_is_not_answered() -> None:
    with unanswered_port() as port:
        started = time.monotonic()
        code = main(["--timeout", "1", "127.0.0.1", str(port)], {})
        took = time.monotonic() - started
    assert code == 1
    assert 0.9 < took < SILENCE


@pytest.mark.parametrize(("option", "code"), [("--socket-timeout", 1), ("--dimse-timeout", 70)])
def test_silence_in_the_place_of_an_answer_ends_it(option: str, code: int) -> None:
    started = time.monotonic()
    assert Peer(slow_to_answer=SILENCE).run(main, option, "1", HERE) == code
    assert time.monotonic() - started > 0.9


def test_acse_timeout_ends_the_wait_for_an_association() -> None:
    assert Peer(slow_to_accept=SILENCE).run(main, "--acse-timeout", "1", HERE) == 1


def test_max_pdu_is_announced() -> None:
    peer = Peer()
    assert peer.run(main, "--max-pdu", "8192", HERE) == 0
    assert peer.facts.maximum_length == 8192


def test_repeat_echoes_so_many_times() -> None:
    peer = Peer()
    assert peer.run(main, "--repeat", "3", HERE) == 0
    assert [message.number(0x0110) for message in peer.received] == [1, 2, 3]


def test_abort_ends_the_association() -> None:
    endings = []

    def script(connection: RawConnection) -> None:
        accept(connection)
        next(serve_storage(connection))
        endings.append(connection.receive().pdu_type)
        if endings == [raw.RELEASE_RQ]:
            connection.send(raw.release_rp())

    with ScriptedAcceptor(script) as acceptor:
        assert main(["--abort", "127.0.0.1", str(acceptor.port)], {}) == 0
    assert endings == [raw.ABORT]


def test_explain_says_what_a_status_means(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer(0x0122).run(main, "--explain", HERE) == 1
    assert any(line.startswith("W: Explanation: ") for line in lines(capsys))

"""echoscu against acceptors that refuse, fail or fall silent: exit codes and lines.

The codes are DCMTK's (companion-facts 2.4), except where that tool says 0 after a failure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ScriptedAcceptor, raw
from isocenter.testing.peer import accept
from tests.support.tools import UNDER_TEST

if TYPE_CHECKING:
    from isocenter.testing import RawConnection
    from isocenter.testing.peer import Script

pytestmark = pytest.mark.slow


def _reject(connection: RawConnection) -> None:
    connection.receive()
    connection.send(raw.associate_rj(1, 1, 7))
    connection.receive_until_closed()


def _no_context(connection: RawConnection) -> None:
    accept(connection, choose=lambda _id, syntaxes: (3, syntaxes[0]))
    connection.receive_until_closed()


def _silent(connection: RawConnection) -> None:
    connection.receive()
    connection.receive_until_closed()


def _no_response(connection: RawConnection) -> None:
    accept(connection)
    connection.receive_message()
    connection.receive_until_closed()


def _abort(connection: RawConnection) -> None:
    accept(connection)
    connection.receive_message()
    connection.send(raw.abort())


def _release(connection: RawConnection) -> None:
    accept(connection)
    connection.receive_message()
    connection.send(raw.release_rq())
    connection.receive_until_closed()


def _wrong_response(connection: RawConnection) -> None:
    accept(connection)
    connection.receive_message()
    connection.send(raw.message(1, raw.c_store_rsp(1, 0)))
    connection.receive_until_closed()


def _status(status: int) -> Script:
    def script(connection: RawConnection) -> None:
        accept(connection)
        connection.receive_message()
        connection.send(raw.message(1, raw.c_echo_rsp(1, status)))
        assert connection.receive().pdu_type == raw.RELEASE_RQ
        connection.send(raw.release_rp())

    return script


@pytest.mark.parametrize(
    ("script", "options", "code", "line"),
    [
        pytest.param(_reject, (), 1, "F: Association Rejected:", id="rejected"),
        pytest.param(_no_context, (), 1, "F: No Acceptable Presentation Contexts", id="no context"),
        pytest.param(_silent, ("-ta", "1"), 1, "F: Association Request Failed: ", id="-ta"),
        pytest.param(_no_response, ("-td", "1"), 70, "E: Echo ", id="-td"),
        pytest.param(_release, (), 70, "F: Protocol Error: Peer requested", id="release"),
        pytest.param(_wrong_response, (), 70, "E: Echo ", id="another response"),
    ],
)
def test_echoscu_ends_with_the_code_of_the_oracle(
    script: Script, options: tuple[str, ...], code: int, line: str
) -> None:
    with ScriptedAcceptor(script) as acceptor:
        arguments = ("-v", *options, "127.0.0.1", str(acceptor.port))
        done = UNDER_TEST.run("echoscu", *arguments)
    assert done.code == code
    assert any(found.startswith(line) for found in done.lines), done.lines
    assert "Traceback" not in done.stderr
    assert done.seconds < 6


@pytest.mark.parametrize(
    ("script", "options", "line"),
    [
        pytest.param(_status(0x0122), (), "Received Echo Response (Unknown Status: 0x122)"),
        pytest.param(_abort, (), "Peer Aborted Association"),
        pytest.param(_no_response, ("-ts", "1"), "Peer Aborted Association"),
    ],
    ids=["status", "abort", "-ts"],
)
def test_echoscu_that_was_not_answered_success_says_so(
    script: Script, options: tuple[str, ...], line: str
) -> None:
    """The oracle ends with 0 here and needs `-v` to say it; the line has to be there."""
    with ScriptedAcceptor(script) as acceptor:
        arguments = ("-v", *options, "127.0.0.1", str(acceptor.port))
        done = UNDER_TEST.run("echoscu", *arguments)
    assert any(found[3:] == line for found in done.lines), done.lines
    if not UNDER_TEST.is_ours:
        assert done.code == 0

"""What requestors make of responses that are not success (PS3.7 9.1.1, 9.1.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import isocenter
from isocenter.cli.echoscu import main as echoscu
from isocenter.cli.storescu import main as storescu
from isocenter.errors import DimseFailure
from isocenter.testing import RawPdu, ScriptedAcceptor, ct_image, raw
from isocenter.testing.peer import accept, serve_storage

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import RawConnection, RawMessage

pytestmark = pytest.mark.slow

COMMENT = "C-ECHO: no more licences"


def _echo_rsp(request: RawMessage, status: int, *extra: tuple[int, bytes]) -> bytes:
    command = raw.command_set(
        (
            (0x0002, raw.ui("1.2.840.10008.1.1")),
            (0x0100, raw.us(0x8030)),
            (0x0120, raw.us(request.number(0x0110))),
            (0x0800, raw.us(0x0101)),
            (0x0900, raw.us(status)),
            *extra,
        )
    )
    return raw.message(request.context_id, command)


def _refusing(connection: RawConnection) -> None:
    """Answer every echo with 0110H and a comment."""
    accept(connection)
    while not isinstance(request := connection.receive_message(), RawPdu):
        connection.send(_echo_rsp(request, 0x0110, (0x0902, COMMENT.encode())))
    connection.send(raw.release_rp())


class TestEcho:
    def test_comment_of_a_failure_is_explained(self, capfd: pytest.CaptureFixture[str]) -> None:
        with ScriptedAcceptor(_refusing) as acceptor:
            code = echoscu(["--explain", "127.0.0.1", str(acceptor.port)], {})
        lines = capfd.readouterr()
        assert code == 1
        assert f"It comments: '{COMMENT}'." in lines.out + lines.err

    def test_comment_is_not_shown_unasked(self, capfd: pytest.CaptureFixture[str]) -> None:
        with ScriptedAcceptor(_refusing) as acceptor:
            assert echoscu(["127.0.0.1", str(acceptor.port)], {}) == 1
        lines = capfd.readouterr()
        assert COMMENT not in lines.out + lines.err

    def test_comment_of_a_failure_is_in_the_exception(self) -> None:
        with ScriptedAcceptor(_refusing) as acceptor:
            peer = isocenter.connect("127.0.0.1", acceptor.port)
            with pytest.raises(DimseFailure) as caught:
                peer.echo()
            peer.release()
        assert (caught.value.status, caught.value.comment) == (0x0110, COMMENT)


class TestPendingStore:
    def test_it_is_a_failure_and_the_next_object_follows(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        for name in ("a", "b"):
            ct_image(sop_instance_uid=f"2.25.{ord(name)}").write(tmp_path / f"{name}.dcm")
        statuses = [0xFF00, 0]
        received: list[RawMessage] = []

        def script(connection: RawConnection) -> None:
            accept(connection)
            answers = serve_storage(connection, status=lambda _: statuses.pop(0), received=received)
            for _ in answers:
                pass

        with ScriptedAcceptor(script) as acceptor:
            files = [str(tmp_path / "a.dcm"), str(tmp_path / "b.dcm")]
            # Waiting for another response to the first would end after 20 s.
            arguments = ["-v", "-nh", "-td", "20", "127.0.0.1", str(acceptor.port), *files]
            code = storescu(arguments, {})
        lines = capfd.readouterr()
        shown = (lines.out + lines.err).splitlines()
        assert [message.number(0x0110) for message in received] == [1, 2]
        assert "E: status 0xff00 (Unknown Status: 0xff00)" in shown
        assert "I: Releasing Association" in shown
        assert code != 0

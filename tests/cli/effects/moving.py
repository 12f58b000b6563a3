"""movescu with a port of its own, in this process, for the effects of its options as a receiver.

`serve` has the form of `receiving.serve`, so that the tests of storescp can be run with movescu.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from isocenter.cli.movescu import main
from isocenter.testing import ScriptedAcceptor, raw
from isocenter.testing.peer import accept
from isocenter.testing.reading import RawPdu
from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.testing import RawConnection

__all__ = ["ASK", "serve"]

ASK = ("-k", "QueryRetrieveLevel=STUDY")

_C_MOVE = 0x0021


class _Archive:
    """Answers one C-MOVE with success, once a script has sent what it wants to.

    Where the tool speaks TLS the script runs before a word is said, and that was all.
    """

    def __init__(self, script: Callable[[int], None], port: int, *, is_secure: bool) -> None:
        self._script = script
        self._port = port
        self._is_secure = is_secure
        self.error: BaseException | None = None

    def __call__(self, connection: RawConnection) -> None:
        if self._is_secure:
            self._run()
            return
        with contextlib.suppress(ConnectionError):
            accept(connection)
            request = connection.receive_message()
            if isinstance(request, RawPdu):
                return
            self._run()
            response = raw.final_rsp(_C_MOVE, request.number(0x0110))
            connection.send(raw.message(request.context_id, response))
            if connection.receive().pdu_type == raw.RELEASE_RQ:
                connection.send(raw.release_rp())

    def _run(self) -> None:
        try:
            self._script(self._port)
        except BaseException as error:  # noqa: BLE001 - raised again by `serve`
            self.error = error


def serve(script: Callable[[int], None], *options: str) -> int:
    """Have movescu ask for something, and `script`, called with its port, send it.

    Returns the exit code; whatever the script raises is raised here.
    """
    port = free_port()
    secure = "--enable-tls" in options and "--disable-tls" not in options
    families = [option for option in options if option in {"--ipv4", "--ipv6"}]
    host = "::1" if families[-1:] == ["--ipv6"] else "127.0.0.1"
    archive = _Archive(script, port, is_secure=secure)
    with ScriptedAcceptor(archive, host=host, timeout=30) as acceptor:
        where = [host, str(acceptor.port), *ASK]
        code = main([*options, "--port", str(port), *where], {})
    if archive.error is not None:
        raise archive.error
    return code

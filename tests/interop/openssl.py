"""OpenSSL's own program as the peer: s_client connects, s_server is connected to.

Neither speaks DICOM. s_server is fed a rejection, so that a requestor ends at once, once its
handshake is done.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.interop.tls_material import material
from tests.support.ports import free_port, is_listening
from tests.support.processes import run, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isocenter.testing.certificates import Identity

__all__ = ["Agreed", "Server", "connect", "describe_session", "serve"]

_REJECTION = bytes.fromhex("03 00 00000004 00 01 01 07")
"""A-ASSOCIATE-RJ: permanent, called AE title not recognized."""


def _program() -> str:
    path = shutil.which("openssl")
    if path is None:
        pytest.skip("openssl is not installed")
    return path


class Agreed(NamedTuple):
    """What s_client says: version and suite, "" where there was no handshake; and all its words."""

    version: str
    suite: str
    words: str


def connect(port: int, *options: str, identity: Identity | None = None) -> Agreed:
    """Have s_client shake hands with a receiver, by the requestor's certificate, and close."""
    own = identity or material().requestor
    argv = [
        *(_program(), "s_client", "-brief", "-verify_return_error"),
        *("-connect", f"127.0.0.1:{port}", "-CAfile", material().root.path),
        *("-cert", own.certificate, "-key", own.private_key),
    ]
    done = run([*argv, *options])
    version = re.search(r"^Protocol version: (.*)$", done.stderr, re.MULTILINE)
    suite = re.search(r"^Ciphersuite: (.*)$", done.stderr, re.MULTILINE)
    assert (done.code == 0) == (version is not None and suite is not None), done.stderr
    words = done.stdout + done.stderr
    if version is None or suite is None:
        return Agreed("", "", words)
    return Agreed(version[1], suite[1], words)


def describe_session(path: Path) -> str:
    """Return what is in a session that s_client has kept (`-sess_out`)."""
    done = run([_program(), "sess_id", "-in", path, "-text", "-noout"])
    assert done.code == 0, done.stderr
    return done.stdout


class Server:
    """A running s_server that serves one connection.

    Attributes:
        port: where it listens.
    """

    def __init__(self, port: int, process: subprocess.Popen[bytes], output: Path) -> None:
        self.port = port
        self._process = process
        self._output = output

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return self._output.read_text(encoding="latin-1")

    def wait_for(self, pattern: str) -> None:
        """Wait until it has printed what a regular expression matches.

        Raises:
            TimeoutError: it did not within 20 seconds.
        """
        wait_until(
            lambda: re.search(pattern, self.text) is not None,
            timeout=20,
            what=f"{pattern} of s_server",
        )

    def agreed(self) -> str:
        """Wait for the end of the handshake and return the suite, "" where it failed.

        Whoever connected is rejected then.
        """
        self.wait_for(r"\n(CIPHER is .*|ERROR)\n")
        suite = re.search(r"\nCIPHER is (.*)\n", self.text)
        if suite is None:
            return ""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(_REJECTION)
            self._process.stdin.flush()
        return suite[1]


@contextmanager
def serve(*options: str) -> Iterator[Server]:
    """Run s_server with the acceptor's certificate; it demands one of the requestor."""
    own, port = material().acceptor, free_port()
    argv = [
        *(_program(), "s_server", "-accept", f"127.0.0.1:{port}", "-naccept", "1", "-ign_eof"),
        *("-cert", own.certificate, "-key", own.private_key, "-CAfile", material().root.path),
        *("-Verify", "2", "-verify_return_error", *options),
    ]
    with tempfile.TemporaryDirectory(prefix="isocenter-test-") as folder:
        output = Path(folder, "output")
        with output.open("wb") as written:
            process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=written, stderr=subprocess.STDOUT
            )
        try:
            wait_until(
                lambda: is_listening(port) or process.poll() is not None,
                timeout=20,
                what="s_server to listen",
            )
            yield Server(port, process, output)
        finally:
            process.kill()
            process.communicate()

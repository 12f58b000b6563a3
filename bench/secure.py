"""TLS in the benchmark: keys, the tools' options, and what waiting connections cost."""

from __future__ import annotations

import contextlib
import ssl
import statistics
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.limits import demand_open, raise_descriptor_limit
from bench.lines import Line
from bench.pairs import DCMTK, OURS, PDU_SIZES, Pair, receiver_program
from bench.processes import BenchError, free_port, peak_memory, receiver
from bench.rows import say
from bench.wire import connect, echo_over, release_over

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bench.lines import Measure
    from bench.pairs import Tools

__all__ = ["SECURE_ROWS", "Credentials", "make_credentials", "secure_pairs"]

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A key of RSA-2048 and its certificate, which both sides use and trust."""

    key: Path
    certificate: Path

    @property
    def options(self) -> tuple[str, ...]:
        """What both tools are given: each has to see the other's certificate."""
        return ("+tls", str(self.key), str(self.certificate), "+cf", str(self.certificate))

    def context(self) -> ssl.SSLContext:
        """Return what a peer of our own connects with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(self.certificate)
        context.load_cert_chain(self.certificate, self.key)
        return context


def make_credentials(folder: Path) -> Credentials:
    """Make a key and a certificate with the openssl program.

    Raises:
        BenchError: it is missing or fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = Credentials(key=folder / "key.pem", certificate=folder / "certificate.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"]
    command += ["-subj", "/CN=localhost", "-keyout", str(made.key), "-out", str(made.certificate)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise BenchError(f"openssl: {error}") from error
    return made


def secure_pairs(credentials: Credentials) -> list[Pair]:
    """Return the four pairs at each PDU length, receivers in their normal mode, over TLS."""
    return [
        Pair(
            sender=sender,
            receiver=receiver_name,
            pdu=pdu,
            normal=True,
            secure=credentials.options,
        )
        for sender in (OURS, DCMTK)
        for receiver_name in (OURS, DCMTK)
        for pdu in PDU_SIZES
    ]


def _secure_echoes(port: int, context: ssl.SSLContext, count: int) -> list[float]:
    """Return the milliseconds of C-ECHOs, each with connection, handshake and association."""
    taken = []
    for _ in range(count):
        begin = time.perf_counter()
        with context.wrap_socket(connect(port, timeout=10)) as connection:
            echo_over(connection)
            release_over(connection)
        taken.append((time.perf_counter() - begin) * 1000)
    return taken


def _client_hello() -> bytes:
    """Return the first bytes of a handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    sent = ssl.MemoryBIO()
    requestor = context.wrap_bio(ssl.MemoryBIO(), sent)
    with contextlib.suppress(ssl.SSLWantReadError):
        requestor.do_handshake()
    return sent.read()


def _beside(
    tools: Tools, folder: Path, what: str, count: int, begin: Callable[[socket.socket], None]
) -> Iterator[Line]:
    """Measure memory and C-ECHO beside connections that began so and then say nothing."""
    say(f"{what}, over TLS")
    held: list[socket.socket] = []
    credentials = make_credentials(folder / "keys")
    (folder / "in").mkdir(parents=True, exist_ok=True)
    pair = Pair(sender=OURS, receiver=OURS, secure=credentials.options)
    port = free_port()
    try:
        raise_descriptor_limit(count + 512)
        with receiver(receiver_program(tools, pair, folder / "in", port), port) as process:
            alone = _secure_echoes(port, credentials.context(), 20)
            for _ in range(count):
                held.append(connect(port, timeout=10))
                begin(held[-1])
            latencies = _secure_echoes(port, credentials.context(), 20)
            during = peak_memory(process.pid)
            demand_open(held, answered=True)
    except (BenchError, OSError) as error:
        yield Line(what=what, error=str(error) or repr(error))
        return
    finally:
        for connection in held:
            connection.close()
    yield Line(what=what, values=(during / MIB,), unit="MiB", limit=300.0)
    longest = max(latencies)
    title = f"{what}: C-ECHO beside them, longest of 20"
    yield Line(what=title, values=(longest,), unit="ms", limit=100.0)
    for name, values in (("beside them", latencies), ("alone", alone)):
        median = statistics.median(values)
        yield Line(what=f"{what}: C-ECHO {name}, median of 20", values=(median,), unit="ms")


def _silent(tools: Tools, folder: Path, *, quick: bool, rounds: int) -> Iterator[Line]:
    """Measure sockets on a TLS port that never say anything."""
    del rounds  # one says it
    count = 1000 if quick else 10_000
    yield from _beside(
        tools, folder, f"{count} silent sockets on a TLS port", count, lambda _: None
    )


def _begun(tools: Tools, folder: Path, *, quick: bool, rounds: int) -> Iterator[Line]:
    """Measure peers that begin a handshake and stop."""
    del quick, rounds  # one says it
    hello = _client_hello()

    def begin(connection: socket.socket) -> None:
        connection.sendall(hello)

    yield from _beside(tools, folder, "100 peers that begin a handshake and stop", 100, begin)


SECURE_ROWS: dict[str, tuple[Measure, bool]] = {
    "tls-silent": (_silent, True),
    "tls-begun": (_begun, True),
}
"""Key to the function that measures, and whether it needs our tools."""

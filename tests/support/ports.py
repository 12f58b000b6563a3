"""TCP ports of the loopback interface: one that is free, one that is listened on."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from tests.peers import free_port
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from tests.support.processes import Process

__all__ = ["free_port", "is_listening", "wait_until_listening"]

_LISTEN = 10
"""TCP_LISTEN, a column of /proc/net/tcp and a bit of what is asked for below."""

_SOCK_DIAG, _BY_FAMILY, _DUMP = 4, 20, 0x301
_HEADER = struct.Struct("=IHHII")
_ERROR, _DONE = 2, 3
_PORT = struct.Struct(">H")


def is_listening(port: int) -> bool:
    """Tell whether some process of this machine listens on a TCP port.

    Asks the kernel instead of connecting: a single-process receiver would take the probe for
    an association, and log it. Asks for listeners alone where that is possible: the table of
    all connections has thousands of lines after a test of many peers, and takes 50 ms to read.
    """
    try:
        return port in _listeners()
    except (AttributeError, OSError):  # another system, or its kernel has no sock_diag
        return _is_in_table(port)


def _listeners() -> set[int]:
    """Return the ports that are listened on (sock_diag(7))."""
    ports: set[int] = set()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as kernel:
        for family in (socket.AF_INET, socket.AF_INET6):
            wanted = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, 1 << _LISTEN)
            request = wanted + bytes(48)
            length = _HEADER.size + len(request)
            kernel.send(_HEADER.pack(length, _BY_FAMILY, _DUMP, 0, 0) + request)
            while _take(kernel.recv(1 << 16), ports):
                pass
    return ports


def _take(answer: bytes, ports: set[int]) -> bool:
    """Add the ports of a part of an answer; False where it is the last."""
    while answer:
        length, kind = _HEADER.unpack_from(answer)[:2]
        if kind == _ERROR:
            raise OSError("sock_diag is not to be had")
        if kind == _DONE:
            return False
        # A message: family, state, timer, retransmissions, then the socket's own port.
        ports.update(_PORT.unpack_from(answer, _HEADER.size + 4))
        answer = answer[(length + 3) & ~3 :]
    return True


def _is_in_table(port: int) -> bool:
    """Tell the same from the tables of all connections."""
    wanted = f":{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except FileNotFoundError:  # no IPv6
            continue
        for line in lines:
            columns = line.split()
            if columns[1].endswith(wanted) and int(columns[3], 16) == _LISTEN:
                return True
    return False


def wait_until_listening(port: int, process: Process, *, timeout: float = 15.0) -> bool:
    """Wait until somebody listens on the port; False where the process ended before.

    Raises:
        TimeoutError: neither happened within `timeout` seconds.
    """
    wait_until(
        lambda: is_listening(port) or not process.running,
        timeout=timeout,
        what=f"port {port} of {process.argv}",
    )
    return process.running

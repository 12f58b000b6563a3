"""TCP ports of the loopback interface: one that is free, one that is listened on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.peers import free_port
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from tests.support.processes import Process

__all__ = ["free_port", "is_listening", "wait_until_listening"]

_LISTEN = "0A"
"""TCP_LISTEN in the state column of /proc/net/tcp."""


def is_listening(port: int) -> bool:
    """Tell whether some process of this machine listens on a TCP port.

    Reads the kernel's table instead of connecting: a single-process receiver would take
    the probe for an association, and log it.
    """
    wanted = f":{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except FileNotFoundError:  # no IPv6
            continue
        for line in lines:
            columns = line.split()
            if columns[1].endswith(wanted) and columns[3] == _LISTEN:
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

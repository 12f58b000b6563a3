"""Exit codes of the tools, with DCMTK's numbers.

Owns the numbers and what they stand for. Must not know how a tool decides which
one applies, except for the one rule that a number follows from a DIMSE status.

Sources: `ofstd/ofexit.h` of DCMTK for the shared numbers; `storescu` answers a
failed C-STORE with the upper byte of its status (PS3.7 annex C).
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ExitCode", "exit_code_for_store_status"]


class ExitCode(IntEnum):
    """Process exit codes of echoscu, storescu and storescp."""

    SUCCESS = 0
    """Everything asked for was done; also after `--help` and `--version`."""

    FAILURE = 1
    """Command line, input files, connection, rejection or timeout."""

    ECHO_FAILED = 70
    """echoscu: DIMSE timeout, protocol error, or the peer asked for release."""


def exit_code_for_store_status(status: int) -> int:
    """Return what storescu exits with after a C-STORE ended with a failure status.

    Args:
        status: DIMSE status, 0..0xFFFF.

    Returns:
        The upper byte of the status: 167 for A7xx, 169 for A9xx, 192..207 for
        Cxxx, 1 for 01xx. These are plain numbers, as 16 of them have no name.
    """
    return (status >> 8) & 0xFF

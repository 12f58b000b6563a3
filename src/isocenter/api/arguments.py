"""What arguments of `connect` and `serve` have in common.

Owns defaults and checks that both use. Must not know either.
"""

from __future__ import annotations

from isocenter import uids

__all__ = ["MAXIMUM_LENGTH", "UNCOMPRESSED", "check_port"]

UNCOMPRESSED = (
    uids.EXPLICIT_VR_LITTLE_ENDIAN,
    uids.IMPLICIT_VR_LITTLE_ENDIAN,
)
"""Transfer syntaxes that a data set can be encoded in without a codec."""

MAXIMUM_LENGTH = 131072
"""Bytes of P-DATA borne in a PDU, by default (PS3.8 D.1)."""


def check_port(port: int, *, lowest: int) -> None:
    """Refuse what is no TCP port.

    Args:
        port: the number.
        lowest: 0 where the system may pick one, else 1.

    Raises:
        ValueError: it is out of range.
    """
    if not lowest <= port <= 65535:
        raise ValueError(f"port {port} is not within {lowest}..65535")

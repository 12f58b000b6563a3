"""Which `-x?` and `+x?` letter stands for which transfer syntax (dcmtk-facts 2.1)."""

from __future__ import annotations

__all__ = ["COMPRESSED", "SELECTORS", "VIDEO"]

SELECTORS = {
    "=": "1.2.840.10008.1.2.1",
    "e": "1.2.840.10008.1.2.1",
    "b": "1.2.840.10008.1.2.2",
    "i": "1.2.840.10008.1.2",
    "s": "1.2.840.10008.1.2.4.70",
    "y": "1.2.840.10008.1.2.4.50",
    "x": "1.2.840.10008.1.2.4.51",
    "v": "1.2.840.10008.1.2.4.90",
    "w": "1.2.840.10008.1.2.4.91",
    "t": "1.2.840.10008.1.2.4.80",
    "u": "1.2.840.10008.1.2.4.81",
    "m": "1.2.840.10008.1.2.4.100",
    "h": "1.2.840.10008.1.2.4.101",
    "n": "1.2.840.10008.1.2.4.102",
    "l": "1.2.840.10008.1.2.4.103",
    "2": "1.2.840.10008.1.2.4.104",
    "3": "1.2.840.10008.1.2.4.105",
    "o": "1.2.840.10008.1.2.4.106",
    "4": "1.2.840.10008.1.2.4.107",
    "5": "1.2.840.10008.1.2.4.108",
    "r": "1.2.840.10008.1.2.5",
    "d": "1.2.840.10008.1.2.1.99",
}
"""Letter to the transfer syntax it puts first; ``=`` on a little endian machine."""

VIDEO = "mhnl23o45"
"""Letters whose proposal has no second context."""

COMPRESSED = "syxvwturd" + VIDEO
"""Letters that name something else than an uncompressed syntax."""

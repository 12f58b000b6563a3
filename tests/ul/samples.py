"""Annotated wire samples of association PDUs (PS3.8 9.3)."""

from __future__ import annotations

__all__ = [
    "ABORT_PROVIDER_UNEXPECTED",
    "DCMTK_ACCEPT",
    "DCMTK_ECHO_REQUEST",
    "EVERY_SUB_ITEM_REQUEST",
    "REJECT_CALLED_TITLE",
    "RELEASE_RP",
    "RELEASE_RQ",
    "from_hex",
]


def from_hex(annotated: str) -> bytes:
    """Return the bytes of a sample; what follows ``#`` on a line is annotation."""
    return bytes.fromhex("".join(line.partition("#")[0] for line in annotated.splitlines()))


_TITLES_ECHO = """
    41 4e 59 2d 53 43 50 20 20 20 20 20 20 20 20 20  # called  "ANY-SCP         "
    45 43 48 4f 53 43 55 20 20 20 20 20 20 20 20 20  # calling "ECHOSCU         "
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  # reserved, 32 bytes
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
    10 00 00 15                                      # application context
    31 2e 32 2e 38 34 30 2e 31 30 30 30 38 2e 33 2e 31 2e 31 2e 31  # 1.2.840.10008.3.1.1.1
"""

_USER_INFORMATION_DCMTK = """
    50 00 00 3a                                      # user information
    51 00 00 04 00 00 40 00                          # maximum length 16384
    52 00 00 1b                                      # implementation class UID
    31 2e 32 2e 32 37 36 2e 30 2e 37 32 33 30 30 31 30 2e 33 2e 30 2e 33 2e 36 2e 37
    55 00 00 0f                                      # implementation version name
    4f 46 46 49 53 5f 44 43 4d 54 4b 5f 33 36 37     # OFFIS_DCMTK_367
"""

# As echoscu of DCMTK 3.6.7 sends it, reserved byte 0xff included.
DCMTK_ECHO_REQUEST = from_hex(
    "01 00 00 00 00 cd  00 01  00 00"  # A-ASSOCIATE-RQ, 205 bytes, protocol version 1
    + _TITLES_ECHO
    + """
    20 00 00 2e                                      # presentation context
    01 00 ff 00                                      # ID 1
    30 00 00 11                                      # abstract syntax, Verification
    31 2e 32 2e 38 34 30 2e 31 30 30 30 38 2e 31 2e 31
    40 00 00 11                                      # transfer syntax, Implicit VR LE
    31 2e 32 2e 38 34 30 2e 31 30 30 30 38 2e 31 2e 32
    """
    + _USER_INFORMATION_DCMTK
)

# As storescp of DCMTK 3.6.7 answers one accepted and one refused context.
DCMTK_ACCEPT = from_hex(
    "02 00 00 00 00 d5  00 01  00 00"  # A-ASSOCIATE-AC, 213 bytes, protocol version 1
    + _TITLES_ECHO
    + """
    21 00 00 19  01 00 00 00                         # ID 1, acceptance
    40 00 00 11                                      # transfer syntax, Implicit VR LE
    31 2e 32 2e 38 34 30 2e 31 30 30 30 38 2e 31 2e 32
    21 00 00 19  03 00 03 00                         # ID 3, abstract syntax not supported
    40 00 00 11                                      # not significant
    31 2e 32 2e 38 34 30 2e 31 30 30 30 38 2e 31 2e 32
    """
    + _USER_INFORMATION_DCMTK
)

EVERY_SUB_ITEM_REQUEST = from_hex(
    """
    01 00 00 00 00 d3  00 01  00 00                  # A-ASSOCIATE-RQ, 211 bytes
    """
    + _TITLES_ECHO
    + """
    20 00 00 16  05 00 00 00                         # presentation context, ID 5
    30 00 00 03 31 2e 32                             # abstract syntax 1.2
    40 00 00 07 31 2e 32 2e 33 2e 34                 # transfer syntax 1.2.3.4
    50 00 00 58                                      # user information
    51 00 00 04 00 00 00 00                          # maximum length unlimited
    52 00 00 04 31 2e 32 2e                          # implementation class UID "1.2."
    53 00 00 04 00 08 00 02                          # invoke 8, perform 2
    54 00 00 07 00 03 31 2e 32 00 01                 # roles of 1.2: not SCU, SCP
    55 00 00 01 56                                   # implementation version name V
    56 00 00 07 00 03 31 2e 32 01 02                 # extended negotiation of 1.2: 01 02
    57 00 00 13                                      # common extended negotiation, version 0
    00 03 31 2e 32                                   # SOP class 1.2
    00 03 31 2e 34                                   # service class 1.4
    00 07 00 05 31 2e 32 2e 39                       # one related general SOP class 1.2.9
    58 00 00 0a 02 01 00 03 6a 6f 65 00 01 78        # identity: joe, x, response requested
"""
)

REJECT_CALLED_TITLE = from_hex(
    "03 00 00 00 00 04  00 01 01 07"  # permanent, service user, called title not recognised
)
RELEASE_RQ = from_hex("05 00 00 00 00 04  00 00 00 00")
RELEASE_RP = from_hex("06 00 00 00 00 04  00 00 00 00")
ABORT_PROVIDER_UNEXPECTED = from_hex("07 00 00 00 00 04  00 00 02 02")

"""Command sets as they stand on the wire, annotated."""

from __future__ import annotations


def annotated(text: str) -> bytes:
    """Return the bytes of hex lines; what follows a # is the annotation."""
    return bytes.fromhex("".join(line.partition("#")[0] for line in text.splitlines()))


C_ECHO_RQ = annotated("""
    00 00 00 00  04 00 00 00  38 00 00 00  # (0000,0000) UL group length 56
    00 00 02 00  12 00 00 00               # (0000,0002) UI, 18 bytes
      31 2e 32 2e 38 34 30 2e 31 30 30 30 38 2e 31 2e 31 00  # 1.2.840.10008.1.1 and NUL
    00 00 00 01  02 00 00 00  30 00        # (0000,0100) US command field C-ECHO-RQ
    00 00 10 01  02 00 00 00  07 00        # (0000,0110) US message id 7
    00 00 00 08  02 00 00 00  01 01        # (0000,0800) US no data set
""")

C_STORE_RQ_MOVED = annotated("""
    00 00 00 00  04 00 00 00  5e 00 00 00  # (0000,0000) UL group length 94
    00 00 02 00  06 00 00 00  31 2e 32 2e 33 00  # (0000,0002) UI 1.2.3 and NUL
    00 00 00 01  02 00 00 00  01 00        # (0000,0100) US C-STORE-RQ
    00 00 10 01  02 00 00 00  ff ff        # (0000,0110) US message id 65535
    00 00 00 07  02 00 00 00  02 00        # (0000,0700) US priority low
    00 00 00 08  02 00 00 00  01 00        # (0000,0800) US data set
    00 00 00 10  08 00 00 00  31 2e 32 2e 33 2e 34 00  # (0000,1000) UI 1.2.3.4 and NUL
    00 00 30 10  06 00 00 00  4d 4f 56 45 52 20  # (0000,1030) AE "MOVER "
    00 00 31 10  02 00 00 00  09 00        # (0000,1031) US move originator's id 9
""")

C_STORE_RSP = annotated("""
    00 00 00 00  04 00 00 00  46 00 00 00  # (0000,0000) UL group length 70
    00 00 02 00  06 00 00 00  31 2e 32 2e 33 00  # (0000,0002) UI 1.2.3 and NUL
    00 00 00 01  02 00 00 00  01 80        # (0000,0100) US C-STORE-RSP
    00 00 20 01  02 00 00 00  07 00        # (0000,0120) US answers message id 7
    00 00 00 08  02 00 00 00  01 01        # (0000,0800) US no data set
    00 00 00 09  02 00 00 00  00 00        # (0000,0900) US status success
    00 00 00 10  08 00 00 00  31 2e 32 2e 33 2e 34 00  # (0000,1000) UI 1.2.3.4 and NUL
""")

C_STORE_RSP_FAILED = annotated("""
    00 00 00 00  04 00 00 00  4a 00 00 00  # (0000,0000) UL group length 74
    00 00 00 01  02 00 00 00  01 80        # (0000,0100) US C-STORE-RSP
    00 00 20 01  02 00 00 00  07 00        # (0000,0120) US answers message id 7
    00 00 00 08  02 00 00 00  01 01        # (0000,0800) US no data set
    00 00 00 09  02 00 00 00  00 a9        # (0000,0900) US status A900
    00 00 01 09  08 00 00 00  08 00 16 00  10 00 20 00  # (0000,0901) AT 0008,0016 0010,0020
    00 00 02 09  0a 00 00 00  77 72 6f 6e 67 20 63 6c 61 73  # (0000,0902) LO "wrong clas"
""")

N_GET_RQ = annotated("""
    00 00 00 00  04 00 00 00  46 00 00 00  # (0000,0000) UL group length 70
    00 00 03 00  04 00 00 00  31 2e 32 00  # (0000,0003) UI requested class 1.2 and NUL
    00 00 00 01  02 00 00 00  10 01        # (0000,0100) US N-GET-RQ
    00 00 10 01  02 00 00 00  01 00        # (0000,0110) US message id 1
    00 00 00 08  02 00 00 00  01 01        # (0000,0800) US no data set
    00 00 01 10  04 00 00 00  31 2e 33 00  # (0000,1001) UI requested instance 1.3 and NUL
    00 00 05 10  08 00 00 00  10 00 10 00  10 00 20 00  # (0000,1005) AT 0010,0010 0010,0020
""")

"""Convert the data set of a Part 10 file as the receiver does, and print the seconds.

    python bench/inside/convert_file.py SOURCE FOLDER TRANSFER_SYNTAX_UID

The steps of reception after the last fragment: plan, rewrite into a file of the spool, publish
it in FOLDER. The source's is explicit VR little endian. Neither the start of Python nor its
imports are in the time.
"""

from __future__ import annotations

import os
import struct
import sys
import time

from isocenter.dataset.convert import plan_rewrite, rewritten
from isocenter.dataset.profile import RewriteOptions, RewriteProfile
from isocenter.storage.spool import Spool
from isocenter.storage.writing import write_segments
from isocenter.uids import EXPLICIT_VR_LITTLE_ENDIAN
from isocenter.wire import FileRegion

_PREFIX = 132 + 12  # preamble, "DICM" and the group length that says how long the rest is


def main(source: str, folder: str, transfer_syntax_uid: str) -> None:
    """Convert and print."""
    options = RewriteOptions(transfer_syntax_uid=transfer_syntax_uid)
    profile = RewriteProfile(EXPLICIT_VR_LITTLE_ENDIAN, options)
    with Spool(folder) as spool:
        begin = time.perf_counter()
        fd = os.open(source, os.O_RDONLY)
        (length,) = struct.unpack("<I", os.pread(fd, 4, _PREFIX - 4))
        offset = _PREFIX + length
        region = FileRegion(fd, offset, os.fstat(fd).st_size - offset)
        file = spool.begin()
        write_segments(file, b"", rewritten(plan_rewrite(region, profile), region))
        file.publish("converted")
        os.close(fd)
        print(f"{time.perf_counter() - begin:.6f}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Print the microseconds that keeping a small object takes.

    python bench/micro/spool.py [DIRECTORY]

DIRECTORY is /dev/shm by default, a memory file system. Budget on CPython 3.11 for 12 KiB,
system calls included: 60. The last receiver is the one of normal mode, which looks at each
element and finds nothing to change.

Then 512 KiB into a new file: without room for it, with room had ahead, and having that room.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
import timeit
from typing import TYPE_CHECKING

from isocenter.dataset.part10 import encode_file_meta
from isocenter.dataset.profile import RewriteOptions
from isocenter.storage.options import StorageOptions
from isocenter.storage.placing import Origin
from isocenter.storage.receive import Receiver
from isocenter.storage.spool import Spool
from isocenter.testing.datasets import ct_image
from isocenter.uids import EXPLICIT_VR_LITTLE_ENDIAN

if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.testing.datasets import Element

_EXTRA: list[Element] = [(0x00290000 + number, "DS", "1.25") for number in range(0x10, 0x45)]
_REPEATS = 7
_NUMBER = 3_000
_FILES = 300
_CT = "1.2.840.10008.5.1.4.1.1.2"
_INSTANCE = "1.2.276.0.7230010.3.1.4.8323329.12345.1700000000.123456"


def _microseconds(function: Callable[[], object]) -> float:
    """Return the best of several runs, which is the one least disturbed."""
    return min(timeit.repeat(function, number=_NUMBER, repeat=_REPEATS)) / _NUMBER * 1e6


def _long_file(folder: str) -> None:
    """Print what writing a long file takes, with and without room for it."""
    length = 512 * 1024
    data = memoryview(bytes(range(256)) * (length // 256))
    taken: dict[str, list[float]] = {"without room": [], "room": [], "with room": []}
    for has_room in (False, True) * _FILES:
        fd = os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o666)
        begin = time.perf_counter()
        if has_room:
            os.posix_fallocate(fd, 0, length)
            taken["room"].append(time.perf_counter() - begin)
            begin = time.perf_counter()
        os.writev(fd, [data])
        taken["with room" if has_room else "without room"].append(time.perf_counter() - begin)
        os.close(fd)
    for what, seconds in taken.items():
        middle, least = statistics.median(seconds), min(seconds)
        print(f"512 KiB, {what:12} {middle * 1e6:6.1f} (least {least * 1e6:.1f})")


def main() -> None:
    """Measure and print."""
    image = ct_image(sop_instance_uid=_INSTANCE, rows=72, columns=72, extra=_EXTRA)
    data = memoryview(image.data_set)
    parent = sys.argv[1] if len(sys.argv) > 1 else "/dev/shm"
    with tempfile.TemporaryDirectory(dir=parent) as folder, Spool(folder) as spool:
        keeping = Receiver(spool, StorageOptions())
        normal = Receiver(spool, StorageOptions(rewrite=RewriteOptions()))
        origin = Origin(1, "STORESCU")
        directory_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)

        def bare() -> None:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            fd = os.open("t", flags, 0o666, dir_fd=directory_fd)
            os.writev(fd, [data])
            os.rename("t", "x", src_dir_fd=directory_fd, dst_dir_fd=directory_fd)
            os.close(fd)

        def spooled() -> None:
            file = spool.begin()
            file.write([data])
            file.publish("x")

        def received(receiver: Receiver) -> None:
            incoming = receiver.begin(
                origin=origin,
                sop_class_uid=_CT,
                sop_instance_uid=_INSTANCE,
                transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
            )
            incoming.write([data])
            incoming.finish()

        print(f"bare system calls    {_microseconds(bare):6.1f}")
        print(f"spool                {_microseconds(spooled):6.1f}")
        print(f"receiver             {_microseconds(lambda: received(keeping)):6.1f}")
        print(f"receiver, normal     {_microseconds(lambda: received(normal)):6.1f}")
        os.close(directory_fd)
        _long_file(folder)
    encode = _microseconds(
        lambda: encode_file_meta(
            transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
            sop_class_uid=_CT,
            sop_instance_uid=_INSTANCE,
            source_application_entity_title="STORESCU",
        )
    )
    print(f"File Meta alone      {encode:6.1f}")


if __name__ == "__main__":
    main()

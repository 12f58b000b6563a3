"""The process that decodes: one frame after the other, within limits that the kernel keeps.

Owns the loop of a worker and the words between it and its parent (`pool`): a header and the
frame one way, a header and the samples, or the reason why there are none, the other way. Gives
up what it could do harm with before it reads the first frame: files, core dumps, memory.

Started as ``python -c`` with the parent's search path; it ends when its parent closes the pipe.
"""

from __future__ import annotations

import os
import signal
import struct

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.wire import Buffer

__all__ = [
    "BOOTSTRAP",
    "DECODED",
    "FAILED",
    "REPLY",
    "REQUEST",
    "main",
    "read_exactly",
    "serve",
    "write_all",
]

REQUEST = struct.Struct("<IIQI")
"""Bytes of the job as text; bytes of the frame; bytes of memory on top of what it has; seconds
after which the worker ends itself, for the parent may be gone that would have killed it."""

REPLY = struct.Struct("<BQ")
"""`DECODED` or `FAILED`; bytes that follow: samples, or a reason."""

DECODED, FAILED = 0, 1

BOOTSTRAP = (
    "import sys; sys.path[:] = sys.argv[1:];"
    "from isocenter.dataset.pixels.worker import main; main()"
)

_LONGEST_REASON = 500  # characters


def main() -> None:
    """Serve the parent on the standard streams until it closes them."""
    # Ctrl-C is the parent's business: it ends this process when it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, replies = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):  # libraries print
        os.dup2(nowhere, stream)
    _restrict()
    serve(requests, replies)
    os._exit(0)


def _restrict() -> None:
    """Write no files and dump no core."""
    import resource

    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(limit, (0, 0))


def serve(requests: int, replies: int) -> None:
    """Answer requests until there are no more.

    Args:
        requests: descriptor to read them from.
        replies: descriptor to write to.
    """
    while True:
        header = read_exactly(requests, REQUEST.size)
        if len(header) < REQUEST.size:
            return
        job_length, length, memory, seconds = REQUEST.unpack(header)
        job = read_exactly(requests, job_length)
        data = read_exactly(requests, length)
        if len(job) < job_length or len(data) < length:
            return
        signal.alarm(seconds)
        status, result = _answer(bytes(job), bytes(data), memory)
        signal.alarm(0)
        del data
        write_all(replies, REPLY.pack(status, len(result)))
        write_all(replies, result)


def _answer(job: bytes, data: bytes, memory: int) -> tuple[int, Buffer]:
    import json

    from isocenter.dataset.pixels.codecs import Job, decode_frame

    try:
        _load(Job(*json.loads(job)).codec)
        _allow(memory)
        return DECODED, decode_frame(Job(*json.loads(job)), data)
    except MemoryError:
        return FAILED, f"it takes more than {memory >> 20} MiB of memory".encode()
    except ImportError as problem:
        return FAILED, f"the decoder cannot be loaded: {problem}".encode()
    except Exception as problem:  # noqa: BLE001 - whatever a library raises
        text = " ".join(str(problem).split())[:_LONGEST_REASON] or type(problem).__name__
        return FAILED, text.encode("utf-8", "replace")
    finally:
        _allow(-1)


def _load(codec: str) -> None:
    """Import what a codec needs, before memory is limited."""
    if codec in {"rle", "native", "deflate"}:
        return
    import imagecodecs
    import numpy as np  # noqa: F401 - all that is wanted is that it is there

    name = {"jpeg": "jpeg8", "jpeg-ls": "jpegls", "jpeg2000": "jpeg2k", "jpeg-xl": "jpegxl"}
    getattr(imagecodecs, name.get(codec, codec) + "_decode")


def _allow(memory: int) -> None:
    """Limit the address space to what it is and so much more; -1 takes the limit away.

    Linux alone keeps such a limit; elsewhere the deadline is all there is.
    """
    import resource
    import sys

    if sys.platform != "linux":
        return

    _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = hard
    if memory >= 0:
        wanted = _address_space() + memory
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _address_space() -> int:
    """Return the bytes of address space in use; a guess where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 1 << 30


def read_exactly(descriptor: int, length: int) -> bytearray:
    """Read so many bytes, fewer only where there are no more."""
    data = bytearray(length)
    view, have = memoryview(data), 0
    while have < length:
        count = os.readv(descriptor, [view[have:]])
        if not count:
            view.release()
            del data[have:]
            break
        have += count
    return data


def write_all(descriptor: int, data: Buffer) -> None:
    """Write all bytes.

    Raises:
        OSError: nobody reads them any more.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]

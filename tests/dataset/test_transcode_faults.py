"""Frames that crash, hang or bloat what decodes them; decoders that lie.

A process that decodes is given another decoder here, by the text it is started with. Whatever
happens in it costs that frame and nothing else.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from isocenter import uids
from isocenter.dataset.pixels.codecs import Job
from isocenter.dataset.pixels.worker import BOOTSTRAP
from isocenter.dataset.profile import RewriteOptions
from isocenter.dataset.transcode import DecodeLimits, DecoderPool, open_decoder
from isocenter.errors import DataSetError
from tests.support.pixels import CODECS, data_set, encoded, pattern, transcode
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

RLE = uids.RLE_LOSSLESS
JOB = Job(codec="native", rows=1, columns=4, samples=1, bits=8)

EVIL = """
import ctypes, os, signal, sys, time
sys.path[:] = sys.argv[1:]
from isocenter.dataset.pixels import codecs, worker
honest = codecs.decode_frame
def decode(job, data):
    what = bytes(data)
    if what == b"segv":
        ctypes.string_at(1)
    if what == b"abrt":
        os.abort()
    if what == b"exit":
        os._exit(7)
    if what == b"hang":
        while True: pass
    if what == b"stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    if what == b"mmap":
        return bytearray(1 << 31)
    if what == b"malc":
        libc = ctypes.CDLL(None)
        libc.malloc.restype = ctypes.c_void_p
        if not libc.malloc(ctypes.c_size_t(1 << 31)):
            os.abort()
    if what == b"long":
        return b"12345"
    if what == b"shrt":
        return b"123"
    if what == b"talk":
        os.write(1, b"from the depths of a library")
        os.system("echo noise; echo noise >&2")
        print("more noise", flush=True)
        return b"talk"
    if what == b"file":
        with open(os.environ["ISOCENTER_TEST_FILE"], "wb") as file:
            file.write(b"x")
    if what == b"text":
        raise ValueError("a\\nb\\x1b[31m" + "c" * 10000)
    if what == b"quit":
        raise SystemExit(3)
    return honest(job, data)
codecs.decode_frame = decode
worker.main()
"""


def evil_pool(**limits: float) -> DecoderPool:
    return DecoderPool(
        DecodeLimits(
            seconds=limits.get("seconds", 20),
            memory=int(limits.get("memory", 64 << 20)),
            processes=int(limits.get("processes", 1)),
        ),
        bootstrap=EVIL,
    )


def decode(pool: DecoderPool, data: bytes) -> bytes:
    return bytes(pool.result(pool.submit(JOB, data)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"segv", r"the decoder crashed \(SIGSEGV\)"),
        (b"abrt", r"the decoder crashed \(SIGABRT\)"),
        (b"exit", r"the decoder crashed \(exit code 7\)"),
        (b"quit", r"the decoder crashed \(exit code 3\)"),
        (b"mmap", "it takes more than 64 MiB of memory"),
        (b"malc", r"the decoder crashed \(SIGABRT\)"),
        (b"long", "answered with 5 bytes, not 4"),
        (b"shrt", "answered with 3 bytes, not 4"),
        (b"text", r"a b\?\[31mc{490}"),
        (b"12", "it has 2 bytes, not 4"),
    ],
)
def test_a_frame_that_breaks_its_decoder_fails_alone(data: bytes, reason: str) -> None:
    with evil_pool() as pool:
        assert decode(pool, b"good") == b"good"
        with pytest.raises(DataSetError, match=reason):
            decode(pool, data)
        assert decode(pool, b"good") == b"good"
        assert len(pool.processes) == 1


@pytest.mark.parametrize("data", [b"hang", b"stop"])
def test_a_decoder_that_does_not_end_is_killed_and_replaced(data: bytes) -> None:
    with evil_pool(seconds=1) as pool:
        assert decode(pool, b"good") == b"good"
        (before,) = pool.processes
        began = time.monotonic()
        with pytest.raises(DataSetError, match="the decoder took longer than 1 s"):
            decode(pool, data)
        assert 0.9 < time.monotonic() - began < 10
        with pytest.raises(ProcessLookupError):
            os.kill(before, 0)
        assert decode(pool, b"good") == b"good"


def test_what_libraries_print_is_no_answer(capfd: pytest.CaptureFixture[str]) -> None:
    with evil_pool() as pool:
        assert decode(pool, b"talk") == b"talk"
        assert decode(pool, b"good") == b"good"
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_a_decoder_writes_no_files(
    tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISOCENTER_TEST_FILE", os.fspath(tmp_path) + "/made")
    with evil_pool() as pool, pytest.raises(DataSetError, match=r"File too large|crashed"):
        decode(pool, b"file")
    made = os.fspath(tmp_path) + "/made"
    assert not os.path.exists(made) or os.path.getsize(made) == 0


def test_others_are_decoded_while_one_hangs() -> None:
    with evil_pool(seconds=300, processes=2) as pool:
        hanging = pool.submit(JOB, b"hang")
        tickets = [pool.submit(JOB, b"%4d" % number) for number in range(50)]
        assert [bytes(pool.result(ticket)) for ticket in tickets] == [
            b"%4d" % number for number in range(50)
        ]
        assert not hanging.is_done


def test_a_result_in_time_is_not_late_because_nobody_asked() -> None:
    job = Job(codec="native", rows=2000, columns=2000, samples=1, bits=8)
    # A second for each MiB is added: 0.8 s.
    with evil_pool(seconds=-3) as pool:
        ticket = pool.submit(job, bytes(4_000_000))  # more than a pipe holds
        time.sleep(1)
        assert len(pool.result(ticket)) == 4_000_000


def test_a_pool_that_is_closed_leaves_no_process() -> None:
    pool = evil_pool(processes=2)
    tickets = [pool.submit(JOB, b"hang"), pool.submit(JOB, b"hang"), pool.submit(JOB, b"good")]
    processes = pool.processes
    assert len(processes) == 2
    pool.close()
    pool.close()
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
    for ticket in tickets:
        with pytest.raises(DataSetError, match="was closed"):
            pool.result(ticket)


def test_a_frame_that_was_given_up_is_not_waited_for() -> None:
    with evil_pool() as pool:
        hanging, waiting = pool.submit(JOB, b"hang"), pool.submit(JOB, b"wait")
        last = pool.submit(JOB, b"last")
        pool.discard(waiting)
        pool.discard(hanging)
        assert bytes(pool.result(last)) == b"last"
        pool.discard(last)
        for ticket in (hanging, waiting):
            with pytest.raises(DataSetError, match="given up"):
                pool.result(ticket)


def is_gone(process: int) -> Callable[[], bool]:
    def look() -> bool:
        try:
            with open(f"/proc/{process}/stat", encoding="ascii") as stat:
                return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
        except FileNotFoundError:
            return True

    return look


PARENT = f"""
import signal, sys
from isocenter.dataset.pixels.codecs import Job
from isocenter.dataset.transcode import DecodeLimits, DecoderPool
pool = DecoderPool(DecodeLimits(seconds=float(sys.argv[1]), processes=1), bootstrap={EVIL!r})
job = Job(codec="native", rows=1, columns=4, samples=1, bits=8)
ticket = pool.submit(job, sys.argv[2].encode())
if sys.argv[2] == "good":
    pool.result(ticket)
print(pool.processes[0], flush=True)
signal.pause()
"""


@pytest.mark.parametrize(
    ("seconds", "data"),
    [
        pytest.param("20", "good", id="idle"),
        # Its own alarm comes 10 s later than its parent's deadline: 1 s after its start.
        pytest.param("-9", "hang", id="hanging"),
    ],
)
def test_processes_end_with_their_parent(seconds: str, data: str) -> None:
    argv = [sys.executable, "-c", PARENT, seconds, data]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.kill()
    wait_until(is_gone(worker), timeout=20, what="the worker to end")


def test_ctrl_c_is_for_the_parent() -> None:
    with evil_pool() as pool:
        assert decode(pool, b"good") == b"good"
        os.kill(pool.processes[0], signal.SIGINT)
        assert decode(pool, b"good") == b"good"


def test_a_process_that_was_killed_between_two_frames_is_replaced() -> None:
    with evil_pool() as pool:
        assert decode(pool, b"good") == b"good"
        os.kill(pool.processes[0], signal.SIGKILL)
        with pytest.raises(DataSetError, match="SIGKILL"):
            decode(pool, b"good")
        assert decode(pool, b"good") == b"good"


def test_no_process_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with DecoderPool() as pool, pytest.raises(DataSetError, match="can be started: No such file"):
        decode(pool, b"good")


def test_a_decoder_that_cannot_be_imported_says_so() -> None:
    bootstrap = BOOTSTRAP.replace(
        "from isocenter", "sys.modules['imagecodecs'] = None; from isocenter"
    )
    array = pattern()
    made = data_set([CODECS[uids.JPEG_LS_LOSSLESS].encode(array, 8)], array)
    with (
        DecoderPool(bootstrap=bootstrap) as pool,
        pytest.raises(
            DataSetError, match="frame 1 of 1 cannot be decoded: the decoder cannot be loaded"
        ),
    ):
        transcode(pool, made, uids.JPEG_LS_LOSSLESS)


@pytest.mark.parametrize("syntax", sorted(set(CODECS) - {RLE}))
def test_damaged_frames_are_decoded_or_named_and_never_more(syntax: str) -> None:
    bits = CODECS[syntax].bits[0]
    array = pattern(40, 30, bits=bits)
    good = CODECS[syntax].encode(array, bits)
    random = np.random.default_rng(5)
    with DecoderPool(DecodeLimits(seconds=5)) as pool:
        for _ in range(12):
            bad = bytearray(good)
            for place in random.integers(0, len(bad), 3):
                bad[place] = random.integers(0, 256)
            made = data_set([good, bytes(bad)], array, bits)
            source = encoded(made)
            options = RewriteOptions()
            opened = open_decoder(source, syntax, options, pool=pool)
            reason, result = "", b""
            try:
                result = b"".join(opened.segments())
            except DataSetError as problem:
                reason = str(problem)
            if reason:
                assert "frame 2" in reason
                continue
            assert len(result) == opened.length
            # The first frame did not suffer.
            size = array.size * (1 if bits == 8 else 2)
            alone = transcode(pool, data_set([good], array, bits), syntax)
            assert result[-2 * size : -size] == alone[-size:]


def test_an_image_whose_header_asks_for_memory_is_refused_before_it_is_decoded() -> None:
    """65 500 x 65 500 samples in a header of an image of 24 x 20."""
    array = pattern()
    frame = bytearray(CODECS[uids.JPEG_BASELINE_8BIT].encode(array, 8))
    at = frame.index(b"\xff\xc0")
    frame[at + 5 : at + 9] = b"\xff\xdc\xff\xdc"
    with DecoderPool() as pool:
        with pytest.raises(DataSetError, match="65500 x 65500 x 1, the data set 24 x 20 x 1"):
            transcode(pool, data_set([bytes(frame)], array), uids.JPEG_BASELINE_8BIT)
        assert not pool.processes
        # Both say so: the frame is within the limit of length, not within that of memory.
        made = data_set([bytes(frame)], array, Rows=65500, Columns=16000)
        frame[at + 7 : at + 9] = (16000).to_bytes(2, "big")
        made = data_set([bytes(frame)], array, Rows=65500, Columns=16000)
        limits = DecodeLimits(memory=64 << 20, memory_per_byte=0)
        with DecoderPool(limits) as small, pytest.raises(DataSetError, match="frame 1 of 1"):
            transcode(small, made, uids.JPEG_BASELINE_8BIT)


def test_the_instance_that_follows_a_bad_one_is_decoded() -> None:
    array = pattern()
    good, bad = CODECS[RLE].encode(array, 8), bytes(64)
    with DecoderPool() as pool:
        for _ in range(3):
            with pytest.raises(DataSetError, match="frame 3 of 3 cannot be decoded: it has 0 RLE"):
                transcode(pool, data_set([good, good, bad], array), RLE)
            result = transcode(pool, data_set([good], array), RLE)
            assert result.endswith(array.astype(np.uint8).tobytes())

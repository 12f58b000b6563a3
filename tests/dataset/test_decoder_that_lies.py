"""Processes that decode, and answer something else than frames or reasons."""

from __future__ import annotations

import pytest

from isocenter.dataset.pixels.codecs import Job
from isocenter.dataset.pixels.pool import DecoderPool
from isocenter.errors import DataSetError

JOB = Job(codec="native", rows=1, columns=4, samples=1, bits=8)

SILENT = """
import sys
sys.path[:] = sys.argv[1:]
from isocenter.dataset.pixels import worker
worker._answer = lambda job, data, memory: (worker.FAILED, b"")
worker.main()
"""


def test_failure_without_a_reason_is_a_failure() -> None:
    with (
        DecoderPool(bootstrap=SILENT) as pool,
        pytest.raises(DataSetError, match="without a reason"),
    ):
        pool.result(pool.submit(JOB, b"1234"))

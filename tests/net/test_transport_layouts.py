"""Messages of memory and of spans of files leave as they were laid out, whatever lies where."""

from __future__ import annotations

import os
import socket
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from isocenter.net.transport import PlainTransport
from isocenter.ul.pdata import MessageLayout
from isocenter.wire import FileRegion
from tests.net.support import SOCKETS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from isocenter.wire import Segment

COMMAND = b"a command " * 8
FRAGMENT = 16_000
DATA = bytes((i * 2654435761 >> 13) & 0xFF for i in range(300_000))


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "object"
    path.write_bytes(DATA)
    number = os.open(path, os.O_RDONLY)
    yield number
    os.close(number)


def fragments_of(stream: bytes) -> bytes:
    """Return what the P-DATA-TF PDUs of a stream carry, command and data set."""
    content = bytearray()
    while stream:
        length = int.from_bytes(stream[2:6], "big")
        assert stream[0] == 4
        assert int.from_bytes(stream[6:10], "big") == length - 4
        content += stream[12 : 6 + length]
        stream = stream[6 + length :]
    return bytes(content)


@pytest.mark.parametrize("batch", [1, 100_000, 1 << 20])
@pytest.mark.parametrize(
    "cuts",
    [
        pytest.param([], id="a file alone"),
        pytest.param([1], id="a byte of memory"),
        pytest.param([100], id="some memory"),
        pytest.param([20_000], id="more memory than a fragment"),
        pytest.param([100, 120_000, 120_007], id="memory, file, memory, file"),
        pytest.param([0, 50_000, 50_001, 200_000, 299_999], id="in turns"),
    ],
)
def test_each_byte_of_a_message_is_where_it_was_laid_out(
    fd: int, cuts: list[int], batch: int
) -> None:
    """Memory in turns with spans of a file: a rewritten object has a new head and an old rest."""
    segments: list[Segment] = []
    edges = [0, *cuts, len(DATA)]
    in_memory = len(cuts) % 2 == 1
    for start, end in pairwise(edges):
        segments.append(DATA[start:end] if in_memory else FileRegion(fd, start, end - start))
        in_memory = not in_memory
    ours, theirs = socket.socketpair()
    transport = PlainTransport(ours, SOCKETS)
    layout = MessageLayout(1, COMMAND, segments, FRAGMENT)
    stream = bytearray()
    while not layout.done:
        stream += b"".join(transport.in_memory(layout.next_batch(batch)))
    assert fragments_of(bytes(stream)) == COMMAND + DATA
    transport.close()
    theirs.close()

"""Debian's dcmqrscp as an archive for tests of query and retrieve: one area, some samples in it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests import peers
from tests.support.ports import free_port, wait_until_listening
from tests.support.processes import Process, run
from tests.support.samples import sendable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["ARCHIVE", "dcmqrscp", "samples"]

ARCHIVE = "ARCHIVE"
"""Its AE title."""

_UNCOMPRESSED = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1"}
_LARGEST = 300_000

_CONFIGURATION = """\
NetworkTCPPort = {port}
MaxPDUSize = 16384
MaxAssociations = 16
HostTable BEGIN
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
{title} {area} RW (200, 1024mb) ANY
AETable END
"""


def samples(count: int = 12) -> list[Path]:
    """Return so many small uncompressed images of the collections, each of another name."""
    found: dict[str, Path] = {}
    for sample in sendable():
        if sample.transfer_syntax in _UNCOMPRESSED and sample.path.stat().st_size < _LARGEST:
            found.setdefault(sample.sop_instance_uid, sample.path)
    return list(found.values())[:count]


@contextlib.contextmanager
def dcmqrscp(folder: Path, files: list[Path]) -> Iterator[int]:
    """Run DCMTK's archive with these files in it; yield its port."""
    program = peers.find("dcmtk", "dcmqrscp")
    storescu = peers.find("dcmtk", "storescu")
    if program is None or storescu is None:
        pytest.skip("DCMTK's dcmqrscp is not installed")
    area = folder / "area"
    area.mkdir(parents=True)
    for _ in range(3):
        port = free_port()
        configuration = folder / "dcmqrscp.cfg"
        configuration.write_text(_CONFIGURATION.format(port=port, title=ARCHIVE, area=area))
        with Process([program, "-c", str(configuration)]) as process:
            if not wait_until_listening(port, process):
                continue  # somebody took the port
            if files:
                words = ["-aec", ARCHIVE, "127.0.0.1", str(port), *map(str, files)]
                sent = run([storescu, *words], timeout=60)
                assert sent.code == 0, sent.stderr
            yield port
            return
    pytest.fail("dcmqrscp found no port")

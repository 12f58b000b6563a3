"""The archives that the benchmark compares, each started on an empty area of its own.

Ours and DCMTK's dcmqrscp read the same configuration file. Orthanc keeps its index in SQLite and
its files as they came; pynetdicom's qrscp keeps its own in SQLite.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.pairs import DCMTK, OURS, PYNETDICOM
from bench.processes import Program, free_port, receiver
from bench.rows import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.pairs import Tools

__all__ = [
    "FAST",
    "MOVER",
    "ORTHANC",
    "TITLE",
    "Archive",
    "archives",
    "client",
    "orthanc",
    "running",
    "sender",
]

FAST = f"{OURS} --no-durable"
ORTHANC = "Orthanc"
TITLE = "ARCHIVE"
"""AE title that every archive answers to."""

MOVER = "MOVER"
"""AE title of the destination of C-MOVE; it is on the port that `Archive.mover` says."""

PDU = 131_072  # bytes; the longest of all, for everybody
_STUDIES = 500  # dcmqrscp keeps no more
_CONFIGURATION = """\
NetworkTCPPort = {port}
MaxPDUSize = {pdu}
MaxAssociations = 64
HostTable BEGIN
mover = ({mover_title}, 127.0.0.1, {mover})
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
{title} {area} RW ({studies}, 1024mb) ANY
AETable END
"""
_QRSCP = """\
[DEFAULT]
    ae_title: {title}
    port: {port}
    max_pdu: {pdu}
    acse_timeout: 60
    dimse_timeout: 60
    network_timeout: 60
    bind_address: 127.0.0.1
    instance_location: {area}
    database_location: {database}
    log_identifier: False
[{mover_title}]
    address: 127.0.0.1
    port: {mover}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A running archive.

    Fields: `name` of the implementation; `port`; `pid` of its first process; `mover` port of the
    destination that it knows; `seconds` from its start until it listened.
    """

    name: str
    port: int
    pid: int
    mover: int
    seconds: float


def archives(tools: Tools, *names: str) -> list[str]:
    """Return those of the names whose programs are on this machine; all five without names."""
    found = [name for name in names or _NAMES if _is_there(tools, name)]
    for name in names or _NAMES:
        if name not in found:
            say(f"the archive of {name} is missing; it is left out")
    return found


_NAMES = (OURS, FAST, DCMTK, ORTHANC, PYNETDICOM)


def _is_there(tools: Tools, name: str) -> bool:
    if name in {OURS, FAST}:
        return tools.ours is not None
    if name == DCMTK:
        return tools.dcmtk is not None and (tools.dcmtk / "dcmqrscp").exists()
    if name == ORTHANC:
        return orthanc() is not None
    # Its qrscp needs SQLAlchemy beside it.
    probe = "import sqlalchemy, pynetdicom.apps.qrscp"
    return (
        tools.pynetdicom is not None
        and subprocess.run(
            [str(tools.pynetdicom), "-c", probe],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=60,
        ).returncode
        == 0
    )


def orthanc() -> str | None:
    """Return the path of Orthanc, None where it is missing."""
    return shutil.which("Orthanc") or shutil.which("/usr/sbin/Orthanc")


def _program(
    tools: Tools, name: str, folder: Path, ports: tuple[int, int], studies: int
) -> Program:
    """Write the configuration of an archive and return how it is started."""
    port, mover = ports
    area = folder / "area"
    area.mkdir(parents=True, exist_ok=True)
    values = {"port": port, "mover": mover, "mover_title": MOVER, "title": TITLE, "pdu": PDU}
    if name == ORTHANC:
        file = folder / "orthanc.json"
        file.write_text(json.dumps(_orthanc_configuration(folder, port, mover)))
        # Built on DCMTK's network module, so it leaves Nagle on unless told so.
        return Program(command=[orthanc() or name, str(file)], environment={"TCP_NODELAY": "1"})
    if name == PYNETDICOM:
        file = folder / "qrscp.ini"
        file.write_text(_QRSCP.format(area=area, database=folder / "qrscp.sqlite", **values))
        command = [str(tools.pynetdicom), "-m", "pynetdicom", "qrscp", "-q", "-c", str(file)]
        return Program(command=command, environment={})
    file = folder / "dcmqrscp.cfg"
    file.write_text(_CONFIGURATION.format(area=area, studies=studies, **values))
    if name == DCMTK:
        command = [str((tools.dcmtk or Path()) / "dcmqrscp"), "-q", "-c", str(file)]
        return Program(command=command, environment={"TCP_NODELAY": "1"})
    options = ["--no-durable"] if name == FAST else []
    command = [*(tools.ours or []), "dcmqrscp", "-q", *options, "-c", str(file)]
    return Program(command=command, environment={})


def _orthanc_configuration(folder: Path, port: int, mover: int) -> dict[str, object]:
    return {
        "Name": "bench",
        "StorageDirectory": str(folder / "area"),
        "IndexDirectory": str(folder / "index"),
        "StorageCompression": False,
        "HttpServerEnabled": False,
        "AuthenticationEnabled": False,
        "DicomServerEnabled": True,
        "DicomPort": port,
        "DicomAet": TITLE,
        "DicomCheckCalledAet": False,
        "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowMove": True,
        "DicomThreadsCount": 40,
        "DicomModalities": {"mover": [MOVER, "127.0.0.1", mover]},
        "MaximumPduLength": PDU,
        "Plugins": [],
    }


@contextlib.contextmanager
def running(tools: Tools, name: str, folder: Path, *, studies: int = _STUDIES) -> Iterator[Archive]:
    """Run an archive over `folder`/area for the length of the block.

    Args:
        tools: the programs.
        name: which one.
        folder: for its files; left as it is at the end.
        studies: how many the quota lets it keep; Orthanc and pynetdicom know none.

    Raises:
        BenchError: it ended early or did not listen in time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ports = free_port(), free_port()
    program = _program(tools, name, folder, ports, studies)
    begin = time.perf_counter()
    with receiver(program, ports[0]) as process:
        seconds = time.perf_counter() - begin
        yield Archive(name=name, port=ports[0], pid=process.pid, mover=ports[1], seconds=seconds)


def sender(tools: Tools, archive: Archive, folder: Path) -> Program:
    """Return our storescu, sending every file of a folder: the quickest of the senders."""
    command = [*(tools.ours or []), "storescu", "-aec", TITLE, "+sd"]
    return Program(command=[*command, "127.0.0.1", str(archive.port), str(folder)], environment={})


def client(tools: Tools, tool: str, archive: Archive, *words: str | Path) -> Program:
    """Return a client of DCMTK, getscu or movescu, at its best."""
    command: Sequence[str | Path] = [
        (tools.dcmtk or Path("/usr/bin")) / tool,
        *("-q", "-S", "-aec", TITLE, "-aet", MOVER, "-pdu", str(PDU)),
        *words,
        *("127.0.0.1", str(archive.port)),
    ]
    return Program(command=[str(word) for word in command], environment={"TCP_NODELAY": "1"})

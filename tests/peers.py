"""Where the programs of other projects are.

Our console scripts and pynetdicom's have the names of DCMTK's tools, so a look at the
PATH is not enough: a peer's program is found where `scripts/peers` puts it, and one of
DCMTK's is a compiled program.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
from pathlib import Path

__all__ = ["PEERS", "PROGRAMS", "ROOT", "find", "free_port", "main", "missing", "version"]

ROOT = Path(__file__).resolve().parents[1]

_LOCAL = ROOT / ".peers"

PEERS: dict[str, tuple[str, ...]] = {
    "dcmtk": ("echoscu", "storescu", "storescp", "dcmsend", "dcmrecv"),
    "gdcm": ("gdcmscu",),
    "orthanc": ("Orthanc",),
    "pynetdicom": ("python",),
    "dcmjs-dimse": ("node",),
    "dicom3tools": ("dciodvfy",),
}
"""Each peer and the programs that must be there for it to count."""

PROGRAMS = ("bash", "zsh", "fish", "groff", "man", "mandoc")
"""No peers, but wanted by tests as well: shells to complete in, formatters of manual pages."""


def find(peer: str, tool: str) -> str | None:
    """Return the path of a peer's program, None where it is missing.

    For pynetdicom `python` is the interpreter that has it and other names are its
    commands; for dcmjs-dimse `node` is the interpreter, to be run in `.peers/node`.

    Raises:
        KeyError: no such peer.
    """
    required = PEERS[peer]
    if peer == "pynetdicom":
        path = _LOCAL / "venv" / "bin" / tool
        installed = any((_LOCAL / "venv" / "lib").glob("python*/site-packages/pynetdicom"))
        return str(path) if installed and os.access(path, os.X_OK) else None
    if peer == "dcmjs-dimse":
        installed = (_LOCAL / "node" / "node_modules" / "dcmjs-dimse").is_dir()
        return shutil.which("node") if installed and tool in required else None
    for folder in [*os.environ.get("PATH", os.defpath).split(os.pathsep), "/usr/sbin"]:
        candidate = Path(folder) / tool
        if os.access(candidate, os.X_OK) and _is_compiled(candidate):
            return str(candidate)
    return None


def missing(peer: str) -> str | None:
    """Return why a peer cannot be used, None where it can.

    Raises:
        KeyError: no such peer.
    """
    absent = [tool for tool in PEERS[peer] if find(peer, tool) is None]
    if not absent:
        return None
    return f"{peer} is not installed: no {', '.join(absent)} (scripts/peers installs it)"


_VERSION_COMMAND: dict[str, tuple[str, list[str]]] = {
    "dcmtk": ("storescu", ["--version"]),
    "gdcm": ("gdcmscu", ["--version"]),
    "orthanc": ("Orthanc", ["--version"]),
    "pynetdicom": ("python", ["-c", "import pynetdicom; print(pynetdicom.__version__)"]),
    "dcmjs-dimse": (
        "node",
        ["-p", f"require('{_LOCAL}/node/node_modules/dcmjs-dimse/package.json').version"],
    ),
    "dicom3tools": ("dciodvfy", ["-version"]),
}


def version(peer: str) -> str:
    """Return the first line that a peer says about its version.

    Raises:
        KeyError: no such peer.
    """
    tool, arguments = _VERSION_COMMAND[peer]
    path = find(peer, tool)
    if path is None:
        return "missing"
    result = subprocess.run(
        [path, *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    lines = [line for line in (result.stdout + result.stderr).splitlines() if line.strip()]
    return lines[0].strip("$ ") if lines else "version unknown"


def free_port() -> int:
    """Return a TCP port on the loopback address that was free a moment ago.

    It is below those that the system hands out, so no connection takes it before the program that
    it is for listens: beside tests of crowds each of them may. Where files of tests run side by
    side, each process has ports of its own.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    first = 10_000 + 4_000 * int(worker.removeprefix("gw") or 0) if worker else 10_000
    count = 4_000 if worker else 20_000
    while True:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", first + secrets.randbelow(count)))
            except OSError:
                continue
            port: int = probe.getsockname()[1]
            return port


def _is_compiled(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def main() -> int:
    """Print a table of peers and programs; the exit code is 0 if every one is there."""
    absent = 0
    for peer in PEERS:
        reason = missing(peer)
        absent += reason is not None
        print(f"{peer:12} {reason or version(peer)}")  # noqa: T201 - the table of scripts/peers
    for program in PROGRAMS:
        path = shutil.which(program)
        absent += path is None
        words = path or f"{program} is not installed (scripts/peers installs it)"
        print(f"{program:12} {words}")  # noqa: T201 - as above
    return 1 if absent else 0


if __name__ == "__main__":
    sys.exit(main())

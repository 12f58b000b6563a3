"""A receiver whose port is taken names the port, and one whose directory is not there names it."""

from __future__ import annotations

import socket

from tests.support.tools import OURS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def test_receiver_whose_port_is_taken_names_it(tmp_path: Path) -> None:
    with socket.create_server(("0.0.0.0", 0)) as other:
        port = other.getsockname()[1]
        done = OURS.run("storescp", "-i4", "-od", tmp_path, str(port))
    assert done.code == 1
    assert done.stderr.startswith("E: cannot create network: 0006:031c TCP Initialization Error: ")
    assert done.stderr.endswith(f" (port {port})\n")


def test_receiver_whose_directory_is_not_there_names_it(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    done = OURS.run("storescp", "-od", absent, "11112")
    assert (done.code, done.stderr) == (
        1,
        f"F: specified output directory does not exist ({absent})\n",
    )

"""DCMTK's storescp and ours write the same file around the same data set, to the byte.

Only what names the implementation differs: its class UID, version name and, with them, the
group length.
"""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.dataset.part10 import encode_file_meta, read_file_meta
from isocenter.testing.datasets import EXPLICIT_LITTLE, IMPLICIT_LITTLE, ct_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.interop, pytest.mark.peer("dcmtk"), pytest.mark.slow]


def send(storescu: str, port: int, *arguments: str) -> None:
    """Send once the receiver listens; it says nothing when it does."""
    command = [storescu, "-to", "5", *arguments]
    deadline = time.monotonic() + 20
    while True:
        result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        if result.returncode == 0:
            return
        refused = "Connection refused" in result.stderr
        assert refused, result.stderr
        assert time.monotonic() < deadline, f"nobody listens on port {port}: {result.stderr}"


@pytest.mark.parametrize("title", ["ORACLE", "ODD", "SIXTEEN-LETTERS-"])
@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, IMPLICIT_LITTLE])
def test_file_meta_is_byte_for_byte_that_of_dcmtk(
    peer_tool: Callable[[str, str], str],
    free_port: int,
    tmp_path: Path,
    title: str,
    syntax: str,
) -> None:
    image = ct_image(transfer_syntax=syntax)
    source = image.write(tmp_path / "source.dcm")
    out = tmp_path / "out"
    out.mkdir()
    environment = {**os.environ, "TCP_NODELAY": "1"}
    receiver = subprocess.Popen(
        [peer_tool("dcmtk", "storescp"), "+B", "-od", str(out), str(free_port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        proposal = ["-xi"] if syntax == IMPLICIT_LITTLE else ["-xe"]
        send(
            peer_tool("dcmtk", "storescu"),
            free_port,
            *proposal,
            *("-aet", title, "127.0.0.1", str(free_port), str(source)),
        )
        (name,) = os.listdir(out)
        written = (out / name).read_bytes()
    finally:
        receiver.terminate()
        receiver.wait(timeout=10)

    theirs = read_file_meta(written)
    assert theirs.transfer_syntax_uid == syntax
    assert name == f"CT.{image.sop_instance_uid}"
    ours = encode_file_meta(
        transfer_syntax_uid=syntax,
        sop_class_uid=image.sop_class_uid,
        sop_instance_uid=image.sop_instance_uid,
        source_application_entity_title=title,
        implementation_class_uid=theirs.implementation_class_uid,
        implementation_version_name=theirs.implementation_version_name,
    )
    assert written[: theirs.data_set_offset] == ours
    assert written[theirs.data_set_offset :] == image.data_set

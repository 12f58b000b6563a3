"""dcmrecv without a profile: it says what would take objects, and that does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ct_image
from tests.support.tools import OURS, Receiver

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def test_what_is_advised_takes_objects(tmp_path: Path) -> None:
    image = ct_image(rows=4, columns=4).write(tmp_path / "a.dcm")
    advised: list[str] = []
    codes = []
    for turn in range(2):
        with Receiver(OURS, tmp_path / f"in{turn}", *advised, tool="dcmrecv") as receiver:
            sent = OURS.run("dcmsend", "127.0.0.1", str(receiver.port), image)
            codes.append((sent.code, len(receiver.names)))
            hints = [row for row in receiver.log.splitlines() if row.startswith("W: hint: ")]
            if turn:
                assert hints == []
            else:
                (hint,) = hints
                found = re.search(r"-xf \S+ \S+", hint)
                assert found is not None
                advised = found[0].split()
    assert codes == [(61, 0), (0, 1)]

"""storescp --explain: refused contexts are a warning only where a SOP class is lost with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ScriptedRequestor
from isocenter.testing.datasets import CT_IMAGE_STORAGE, EXPLICIT_LITTLE
from isocenter.testing.raw import Context
from tests.support.processes import wait_until
from tests.support.tools import OURS, Receiver

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

CT = Context(1, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE,))
J2K = Context(3, CT_IMAGE_STORAGE, ("1.2.840.10008.1.2.4.90",))
PRIVATE = Context(5, "1.2.3.4", (EXPLICIT_LITTLE,))


@pytest.mark.parametrize(
    ("options", "contexts", "level"),
    [
        (("-v",), [CT, J2K], "I"),
        ((), [CT, J2K], None),
        ((), [J2K], "W"),
        ((), [CT, PRIVATE], "W"),
    ],
)
def test_level_follows_what_is_lost(
    options: tuple[str, ...], contexts: list[Context], level: str | None, tmp_path: Path
) -> None:
    with Receiver(OURS, tmp_path, "--explain", *options) as receiver:
        with ScriptedRequestor(receiver.port) as peer:
            peer.associate(contexts)
            peer.release()
        with ScriptedRequestor(receiver.port) as peer:  # whatever is said follows this
            peer.associate([Context(1, "1.2.3.5", (EXPLICIT_LITTLE,))])
            peer.release()
        wait_until(lambda: "1.2.3.5" in receiver.log, timeout=20, what="the explanation")
        said = [line for line in receiver.log.splitlines() if "contexts were refused" in line]
    assert len(said) == 1 + (level is not None)
    if level is not None:
        assert said[0].startswith(f"{level}: Explanation: 1 of {len(contexts)} ")

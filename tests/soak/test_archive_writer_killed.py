"""An archive killed fifty times under eight who store: nothing confirmed is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.archive.test_server_killed import kill_again_and_again
from tests.archive.test_writer import kill_under_load

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("durable", [True, False])
def test_fifty_kills_of_the_writer_lose_nothing_confirmed(tmp_path: Path, *, durable: bool) -> None:
    kill_under_load(tmp_path, kills=50, durable=durable)


@pytest.mark.parametrize("how", ["durable", "plain"])
def test_fifty_kills_of_server_and_writer_at_once_lose_nothing_confirmed(
    tmp_path: Path, how: str
) -> None:
    kill_again_and_again(tmp_path, kills=50, how=how)

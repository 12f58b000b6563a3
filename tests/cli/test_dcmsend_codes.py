"""dcmsend: each exit code by the shortest way to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter.cli.dcmsend import main
from isocenter.cli.exitcodes import MEANINGS
from isocenter.testing import ct_image
from tests.cli.effects.sending import HERE, Peer
from tests.support.compressed import write_compressed

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

NOWHERE = "127.0.0.1 1"
WAYS = {
    0: (HERE, "a.dcm"),
    1: (NOWHERE,),
    21: ("+sd", NOWHERE, "empty"),
    22: (NOWHERE, "absent"),
    23: ("-nh", NOWHERE, "absent"),
    43: ("+crf empty/none/report", HERE, "a.dcm"),
    60: ("+tls absent absent", NOWHERE, "a.dcm"),
    61: (NOWHERE, "a.dcm"),
    62: ("-nh", HERE, "a.dcm absent"),
    65: ("-dn -nip", NOWHERE, "rle.dcm"),
}


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a.dcm, rle.dcm and an empty folder."""
    monkeypatch.chdir(tmp_path)
    ct_image(rows=4, columns=4).write(tmp_path / "a.dcm")
    write_compressed(tmp_path / "rle.dcm", "1.2.840.10008.1.2.5")
    (tmp_path / "empty").mkdir()


def test_every_documented_code_has_a_way() -> None:
    assert {int(code) for code, _ in MEANINGS["dcmsend"]} == set(WAYS)


@pytest.mark.parametrize("code", WAYS)
def test_a_run_ends_with_its_code(code: int, capsys: pytest.CaptureFixture[str]) -> None:
    words = [word for part in WAYS[code] for word in ([part] if part == HERE else part.split())]
    if HERE in words:
        assert Peer().run(main, *words) == code
    else:
        assert main(words, {}) == code
    assert bool(capsys.readouterr().err) == (code != 0)

"""storescu: what is said of a file whose own transfer syntax was proposed and not accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter.cli.storescu import main
from isocenter.testing import ct_image
from tests.support.tools import OURS, Receiver

if TYPE_CHECKING:
    from pathlib import Path

J2K = "1.2.840.10008.1.2.4.90"
REASON = "(the file is JPEG2000LosslessOnly, which the receiver did not accept)"


@pytest.mark.parametrize("options", [("-xv",), ("-xv", "-R"), ("--auto-contexts",)])
def test_refused_transfer_syntax_is_not_advised_again(
    options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, plain = ct_image(transfer_syntax=J2K), ct_image()
    paths = [
        str(image.write(tmp_path / "j2k.dcm")),
        str(plain.write(tmp_path / "plain.dcm")),
    ]
    out = tmp_path / "out"
    out.mkdir()
    with Receiver(OURS, out) as receiver:
        assert main(["-nh", *options, "127.0.0.1", str(receiver.port), *paths], {}) == 1
    err = capsys.readouterr().err
    assert f"E: 0006:020e DIMSE Failed to send message {REASON}\n" in err
    assert "--propose" not in err
    assert [path.name for path in out.iterdir()] == [f"CT.{plain.sop_instance_uid}"]


def test_explanation_of_nothing_accepted_names_the_receivers_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ct_image(transfer_syntax=J2K).write(tmp_path / "j2k.dcm")
    with Receiver(OURS, tmp_path) as receiver:
        words = ["--explain", "--auto-contexts", "127.0.0.1", str(receiver.port), str(path)]
        assert main(words, {}) == 1
    err = capsys.readouterr().err
    assert err.startswith("F: No Acceptable Presentation Contexts\n")
    assert "+xa, --accept-all" in err
    assert "see --auto-contexts" not in err

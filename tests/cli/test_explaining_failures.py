"""How often a sender explains: each kind of failure once, whatever the peer says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from isocenter.cli import explaining
from isocenter.cli.explaining import FailureExplainer
from isocenter.dimse.commands import CStoreRSP
from isocenter.testing.datasets import ct_image

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.net.association import Association

MR = "1.2.840.10008.5.1.4.1.1.4"


@pytest.fixture
def ct(tmp_path: Path) -> str:
    return str(ct_image(rows=2, columns=2).write(tmp_path / "ct.dcm"))


@pytest.fixture
def mr(tmp_path: Path) -> str:
    return str(ct_image(sop_class_uid=MR, rows=2, columns=2).write(tmp_path / "mr.dcm"))


@pytest.fixture
def explainer() -> FailureExplainer:
    # Neither is looked at where a peer refuses an object.
    return FailureExplainer(cast("ParsedCommandLine", None), cast("Association", None))


def answer(status: int, comment: str) -> CStoreRSP:
    return CStoreRSP(message_id_being_responded_to=1, status=status, error_comment=comment)


def test_comment_of_its_own_for_each_object_is_no_new_kind(
    explainer: FailureExplainer, ct: str, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(50):
        explainer.refused(ct, answer(0xA900, f"object 1.2.{number} is wrong"))
    assert caplog.text.count("Explanation:") == 1
    assert "object 1.2.0 is wrong" in caplog.text


def test_another_status_and_another_class_are(
    explainer: FailureExplainer, ct: str, mr: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        for path in (ct, mr):
            for status in (0xA700, 0xA900):
                explainer.refused(path, answer(status, ""))
    assert caplog.text.count("Explanation:") == 4


def test_there_is_an_end_of_it(
    explainer: FailureExplainer,
    ct: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(explaining, "MAXIMUM_EXPLAINED", 3)
    for status in range(0xC000, 0xC005):
        explainer.refused(ct, answer(status, ""))
    assert caplog.text.count("Explanation:") == 3
    assert len(explainer._said) == 3

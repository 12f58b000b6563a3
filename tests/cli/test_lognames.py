"""Our loggers under DCMTK's names."""

from __future__ import annotations

import pytest

from isocenter.cli.lognames import ROOT, chain_of, is_of_app


@pytest.mark.parametrize(
    ("name", "chain"),
    [
        (ROOT, []),
        ("dcmtk.dcmnet", ["dcmtk.dcmnet", "dcmtk"]),
        ("pydicom.values", ["pydicom.values", "pydicom"]),
        (
            "isocenter.net.workers",
            ["isocenter.net.workers", "isocenter.net", "isocenter", "dcmtk.dcmnet", "dcmtk"],
        ),
        ("isocenter", ["isocenter", "dcmtk.apps.storescu", "dcmtk.apps", "dcmtk"]),
    ],
)
def test_own_names_stand_below_those_of_dcmtk(name: str, chain: list[str]) -> None:
    assert chain_of(name, "storescu") == [*chain, ROOT]


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("isocenter.cli.storescu", True),
        ("isocenter.sender.transfer", True),
        ("isocenter.net.client", False),
        ("isocenter.dataset", False),
        ("isocenterish", False),
        ("dcmtk.apps.storescu", False),
    ],
)
def test_which_stand_for_the_tools_own_logger(name: str, is_one: bool) -> None:
    assert is_of_app(name, "storescu") is is_one

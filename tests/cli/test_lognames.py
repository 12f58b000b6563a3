"""Our loggers under DCMTK's names."""

from __future__ import annotations

import pytest

from isocenter.cli.lognames import ROOT, chain_of, dcmtk_name, is_of_app


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


@pytest.mark.parametrize(
    ("name", "tool", "theirs"),
    [
        ("isocenter.node.files", "storescp", "dcmtk.apps.storescp"),
        ("isocenter.node.files", "dcmrecv", "dcmtk.dcmnet"),
        ("isocenter.storage.remaking", "dcmrecv", "dcmtk.dcmnet"),
        ("isocenter.cli.dcmrecv", "dcmrecv", "dcmtk.apps.dcmrecv"),
        ("isocenter.security.access_files", "dcmrecv", "dcmtk.apps.dcmrecv"),
        ("isocenter.net.tls", "dcmrecv", "dcmtk.dcmtls"),
        ("isocenter.sender.instances", "dcmsend", "dcmtk.dcmnet"),
    ],
)
def test_what_a_tool_leaves_to_the_library_has_the_librarys_name(
    name: str, tool: str, theirs: str
) -> None:
    assert dcmtk_name(name, tool) == theirs

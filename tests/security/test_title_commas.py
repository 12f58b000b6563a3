"""A list of titles where one belongs is warned of, and stays the one title that it is."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.admission import doors_of
from isocenter.cli.options_storescp import TOOL
from isocenter.cli.parser import parse
from isocenter.ops.reload import Reloader
from isocenter.security.access_list import parse_access_list
from isocenter.security.certificate_titles import CertificateTitles

if TYPE_CHECKING:
    from pathlib import Path


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


@pytest.mark.parametrize("key", ["calling", "called"])
def test_access_list(caplog: pytest.LogCaptureFixture, key: str) -> None:
    parse_access_list(f"allow {key}=CT1 {key}=CT2\nallow {key}=CT1,CT2\n", "acl")
    expected = f"acl, line 2, column 7: 'CT1,CT2' is one title; for several, give {key}= twice"
    assert said(caplog) == [expected]


def test_titles_of_certificates(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    path = tmp_path / "titles"
    path.write_text("cn=ct calling=CT1,CT2\n")
    path.chmod(0o600)
    CertificateTitles(str(path))
    place = f"{path}, line 1, column 7"
    assert said(caplog) == [f"{place}: 'CT1,CT2' is one title; for several, give calling= twice"]


@pytest.mark.parametrize("option", ["--allow-calling", "--allow-called"])
def test_option(caplog: pytest.LogCaptureFixture, option: str) -> None:
    with caplog.at_level(logging.WARNING):
        doors_of(parse(TOOL, [option, "CT1", option, "CT1,CT2", "104"]), Reloader())
    expected = f"{option}: 'CT1,CT2' is one title; for several, give the option twice"
    assert said(caplog) == [expected]

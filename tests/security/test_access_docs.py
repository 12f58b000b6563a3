"""What docs/access.md shows as files and errors is what they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import ConfigurationError
from isocenter.security.access_list import parse_access_list
from isocenter.security.certificate_titles import parse_certificate_titles
from isocenter.security.hosts_access import parse_table
from tests.peers import ROOT

if TYPE_CHECKING:
    from typing import NoReturn

TEXT = (ROOT / "docs" / "access.md").read_text(encoding="utf-8")


def _block(first: str) -> str:
    """Return the indented block that begins with a line, without its indentation."""
    found = re.search(rf"^    {re.escape(first)}.*\n((    .*)?\n)*", TEXT, re.MULTILINE)
    assert found is not None
    return "\n".join(line[4:] for line in found[0].split("\n\n")[0].split("\n"))


def test_list_that_is_shown_is_one() -> None:
    assert len(parse_access_list(_block("# /etc/isocenter/access"), "F").rules) == 3


def test_titles_that_are_shown_are_some() -> None:
    assert len(parse_certificate_titles(_block("# /etc/isocenter/titles"), "F")) == 4


def test_error_that_is_shown_is_the_one_that_comes() -> None:
    shown = re.search(r"^      F: (.*, line 3, .*)$", TEXT, re.MULTILINE)
    assert shown is not None
    with pytest.raises(ConfigurationError) as caught:
        parse_access_list("\n\nallow calling=MR* from=192.0.2.7/26", "/etc/isocenter/access")
    assert str(caught.value) == shown[1]


@pytest.mark.parametrize(("table", "allows"), [("allow", True), ("deny", False)])
def test_rules_of_the_system_that_are_shown_are_some(table: str, allows: bool) -> None:
    found = re.search(rf"^    # /etc/hosts\.{table}\n    (.*)$", TEXT, re.MULTILINE)
    assert found is not None

    def no_file(path: str) -> NoReturn:
        pytest.fail(f"{path} was read")

    rules = parse_table(found[1], "F", daemon="storescp", allows=allows, file=no_file)
    assert [rule.allowed for rule in rules] == [allows]

"""Help of the receivers: options that say who is let in stand under a heading of their own."""

from __future__ import annotations

import pytest

from isocenter.cli import options_dcmrecv, options_storescp
from isocenter.cli.manual import MANUALS
from isocenter.cli.options_receiver import ADMITTING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from isocenter.cli.spec import Tool


@pytest.mark.parametrize(
    "tool", [options_dcmrecv.TOOL, options_storescp.TOOL], ids=lambda tool: tool.name
)
def test_whoever_looks_for_access_finds_its_options_together(tool: Tool) -> None:
    (own,) = [group for group in tool.groups if group.name == "isocenter options"]
    (access,) = [group for group in own.subgroups if group.name == "access options"]
    names = {option.long for option in access.options}
    assert names > {*ADMITTING, "--require-identity"}
    assert not names & {option.long for option in own.options}


def test_help_of_storescp_shows_how_to_let_in_only_some() -> None:
    commands = [command for _, command in MANUALS["storescp"].examples]
    assert any("--allow-calling" in command for command in commands)

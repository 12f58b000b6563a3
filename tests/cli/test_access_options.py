"""Help of the receivers: options that say who is let in stand under a heading of their own."""

from __future__ import annotations

import pytest

from isocenter.cli import dcmrecv, options_dcmrecv, options_storescp, storescp
from isocenter.cli.manual import MANUALS
from isocenter.cli.options_receiver import ADMITTING
from isocenter.testing.certificates import Authority

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

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


@pytest.mark.parametrize("tool", [dcmrecv, storescp], ids=["dcmrecv", "storescp"])
@pytest.mark.parametrize("option", ["--access-list", "--cert-ae", "--users", "--jwt-audience"])
def test_two_of_what_only_one_can_hold_are_an_error(
    tool: ModuleType, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last would count, as of other options, and the first keep out nobody."""
    path = str(tmp_path / "file")
    own = Authority("Hospital", key="ec-p256", folder=tmp_path).issue("archive", key="ec-p256")
    (tmp_path / "file").write_text("")
    besides = {
        "--cert-ae": ["+tls", str(own.private_key), str(own.certificate)],
        "--jwt-audience": ["--jwt-key", path],
    }
    words = [*besides.get(option, []), option, path, option, path, "-od", str(tmp_path), "11112"]
    assert tool.main(words, {}) == 1
    (line,) = [row for row in capsys.readouterr().err.splitlines() if row.startswith("F: ")]
    assert line == f"F: {option} was given more than once, and only one can hold"

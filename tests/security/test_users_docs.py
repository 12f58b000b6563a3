"""What docs/users.md says is so."""

from __future__ import annotations

import re

import pytest

from isocenter.cli.options_storescp import TOOL
from isocenter.security import pace, passwords, tokens
from isocenter.security.users import parse_users
from tests.peers import ROOT

TEXT = (ROOT / "docs" / "users.md").read_text(encoding="utf-8")


def test_options_exist() -> None:
    options = {option.long for option in TOOL.options()}
    named = set(re.findall(r"--(?:jwt|users|require)[a-z-]*", TEXT)) - {"--jwt"}
    assert named <= options
    assert {"--users", "--jwt-key", "--jwt-keys", "--require-identity"} <= named


def test_lines_of_the_example_are_lines_of_a_file() -> None:
    lines = re.findall(r"^    ((?:#|joe:|ct:).*)$", TEXT, re.MULTILINE)
    users = parse_users("\n".join(lines).encode(), "users")
    assert {name: user.titles for name, user in users.items()} == {"joe": (), "ct": ("CT1", "CT2")}


@pytest.mark.parametrize(
    "said",
    [
        f"more than {passwords.MAXIMUM_MEMORY >> 20} MiB",
        f"after {pace.FREE} wrong ones",
        f"more than {pace.PATIENCE:.0f} s is rejected",
        f"{pace.FORGOTTEN / 60:.0f} minutes",
        f"{pace._WAYS * pace._BUCKETS} addresses",
        f"may be off by {tokens.LEEWAY} s",
        f"{tokens.MAXIMUM_TOKEN} bytes",
    ],
)
def test_numbers_are_those_of_the_code(said: str) -> None:
    assert said.lower() in " ".join(TEXT.split()).lower()


def test_algorithms_are_all_named() -> None:
    for algorithm in (*tokens._RSA, *tokens._CURVES.values(), *tokens._HMAC, "EdDSA"):
        assert algorithm in TEXT

"""Which programs count as a peer's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import peers
from tests.support.programs import find_program

if TYPE_CHECKING:
    from pathlib import Path


def program(folder: Path, name: str, content: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(content)
    path.chmod(0o755)
    return path


def test_script_of_the_same_name_is_no_tool_of_dcmtk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "ours", "storescu", b"#!/usr/bin/env python\n")
    compiled = program(tmp_path / "theirs", "storescu", b"\x7fELF")
    monkeypatch.setenv("PATH", f"{tmp_path / 'ours'}:{tmp_path / 'theirs'}")
    assert peers.find("dcmtk", "storescu") == str(compiled)


def test_missing_peer_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    reason = peers.missing("gdcm")
    assert reason is not None
    assert "gdcmscu" in reason
    assert "scripts/peers" in reason


def test_unknown_peer_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        peers.missing("nobody")


@pytest.mark.parametrize(("required", "outcome"), [("1", "failed"), ("", "skipped")])
def test_missing_program_fails_a_test_where_it_is_required(
    required: str, outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("ISOCENTER_REQUIRE_PEERS", required)
    kind = {"failed": pytest.fail.Exception, "skipped": pytest.skip.Exception}[outcome]
    with pytest.raises(kind, match="mandoc is not installed"):
        find_program("mandoc")
    zsh = program(tmp_path, "zsh", b"#!/bin/sh\n")
    assert find_program("zsh") == str(zsh)


def test_missing_program_is_told_like_a_missing_peer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers, "PEERS", {})
    for name in peers.PROGRAMS:
        program(tmp_path, name, b"#!/bin/sh\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert peers.main() == 0
    (tmp_path / "fish").unlink()
    assert peers.main() == 1
    assert "fish         fish is not installed (scripts/peers" in capsys.readouterr().out

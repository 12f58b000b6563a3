"""The gate sees what it is there to see: a planted error of each kind fails it."""

from __future__ import annotations

import subprocess
import tomllib
from typing import TYPE_CHECKING

import grimp
import pytest

from tests.peers import ROOT
from tools.import_contracts import Direction

if TYPE_CHECKING:
    from pathlib import Path

CLEAN = '''"""A module without fault."""

from __future__ import annotations

__all__ = ["double"]


def double(value: int) -> int:
    """Return twice the value."""
    return 2 * value
'''

PLANTED = {
    "format": CLEAN.replace("2 * value", "2*value"),
    "lint": CLEAN.replace('"""Return twice the value."""\n    ', ""),
    "types": CLEAN.replace("2 * value", "str(value)"),
}


def plant(folder: Path, text: str) -> Path:
    package = folder / "planted"
    package.mkdir()
    path = package / "__init__.py"
    path.write_text(text)
    return path


def check(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts" / "check", path],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=55,
        check=False,
    )


@pytest.mark.slow
def test_file_without_fault_passes(tmp_path: Path) -> None:
    result = check(plant(tmp_path, CLEAN))
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kind", PLANTED)
def test_planted_fault_fails_its_step(tmp_path: Path, kind: str) -> None:
    result = check(plant(tmp_path, PLANTED[kind]))
    assert result.returncode == 1
    failed = [line.split()[1] for line in result.stderr.splitlines() if line.startswith("failed: ")]
    assert failed == [kind]


def direction() -> Direction:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (options,) = settings["tool"]["importlinter"]["contracts"]
    return Direction(name="planted", session_options={}, contract_options=options)


def imported(importer: str, target: str) -> bool:
    graph = grimp.ImportGraph()
    for module in (importer, target):
        graph.add_module(module)
    graph.add_import(importer=importer, imported=target)
    return direction().check(graph, verbose=False).kept


@pytest.mark.parametrize(
    ("importer", "target"),
    [
        ("isocenter.ul.codec", "isocenter.wire"),
        ("isocenter.dimse.codec", "isocenter.ul.pdu"),
        ("isocenter.net.transport", "socket"),
        ("isocenter.dataset.bridge", "pydicom"),
        ("isocenter.net.tls_identity", "cryptography"),
        ("isocenter.security.password_file", "argon2"),
        ("isocenter.security.tokens", "jwt"),
        ("isocenter.cli.storescp", "isocenter.storage.receive"),
        ("isocenter", "isocenter.api"),
    ],
)
def test_import_in_the_allowed_direction_passes(importer: str, target: str) -> None:
    assert imported(importer, target)


@pytest.mark.parametrize(
    ("importer", "target"),
    [
        ("isocenter.wire", "isocenter.ul.pdu"),
        ("isocenter.ul.codec", "isocenter.dimse.codec"),
        ("isocenter.ul.connection", "socket"),
        ("isocenter.dimse.session", "threading"),
        ("isocenter.services.storage", "isocenter.storage.receive"),
        ("isocenter.services.storage", "socket"),
        ("isocenter.archive.index", "isocenter.net.client"),
        ("isocenter.dataset.identity", "pydicom"),
        ("isocenter.net.tls_context", "cryptography"),
        ("isocenter.net.tls_context", "jwt"),
        ("isocenter.cli.storescp", "argon2"),
        ("isocenter.cli.dcmqrscp", "isocenter.archive.index"),
        ("isocenter.novelty.module", "isocenter.ul.pdu"),
    ],
)
def test_import_against_the_direction_fails(importer: str, target: str) -> None:
    assert not imported(importer, target)

"""The gate sees what it is there to see: a planted error of each kind fails it.

And it runs every test, in one of its two parts.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import grimp
import pytest

from tests.conftest import APART, MEASURED
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


# --- the two parts of scripts/test ------------------------------------------------------------

WITH_COVERAGE, WITHOUT = "not soak and not apart", "not soak and apart"

PYTHON = """#!/usr/bin/env bash
printf '%s\\n' "${*@Q}" >>calls
codes=(CODES)
exit "${codes[$(wc -l <calls) - 1]}"
"""


def run_gate(folder: Path, *, check: int = 0, first: int = 0, second: int = 0) -> tuple[int, str]:
    """Run a copy of scripts/test where Python only notes how it was called."""
    scripts, binaries = folder / "scripts", folder / ".venv" / "bin"
    scripts.mkdir()
    binaries.mkdir(parents=True)
    for name in ("test", "environment.sh"):
        shutil.copy(ROOT / "scripts" / name, scripts)
    (scripts / "check").write_text(f"#!/usr/bin/env bash\nexit {check}\n")
    (binaries / "python").write_text(PYTHON.replace("CODES", f"{first} {second}"))
    for program in (scripts / "check", binaries / "python"):
        program.chmod(0o755)
    shutil.copy(ROOT / "pyproject.toml", folder)
    sum_of = ["bash", "-c", "cksum <pyproject.toml"]
    stamp = subprocess.run(sum_of, cwd=folder, capture_output=True, text=True, check=True)
    (folder / ".venv" / "installed").write_text(f"dev {stamp.stdout}")
    done = subprocess.run(
        [scripts / "test"],
        cwd=folder,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=55,
        check=False,
    )
    calls = folder / "calls"
    return done.returncode, calls.read_text() if calls.exists() else ""


def test_gate_runs_both_parts_and_measures_coverage_in_one(tmp_path: Path) -> None:
    code, calls = run_gate(tmp_path)
    assert code == 0
    parts = [shlex.split(line) for line in calls.splitlines()]
    assert [words[words.index("-m", 2) + 1] for words in parts] == [WITH_COVERAGE, WITHOUT]
    assert ["--cov" in words for words in parts] == [True, False]
    for words in parts:
        assert words[:2] == ["-m", "pytest"]
        assert not [word for word in words if word.startswith(("--ignore", "--deselect", "tests"))]


@pytest.mark.parametrize(
    ("check", "first", "second", "runs"),
    [(1, 0, 0, 0), (0, 1, 0, 2), (0, 0, 1, 2), (0, 5, 5, 2)],
    ids=["check", "with coverage", "without", "both"],
)
def test_gate_fails_where_a_part_fails(
    tmp_path: Path, check: int, first: int, second: int, runs: int
) -> None:
    code, calls = run_gate(tmp_path, check=check, first=first, second=second)
    assert code == 1
    assert len(calls.splitlines()) == runs


def collected(expression: str, *paths: str) -> set[str]:
    """Return the ids of the tests that pytest chooses."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", expression]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", *paths],
        cwd=ROOT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=55,
        check=False,
    )
    assert done.returncode in {0, 5}, done.stdout + done.stderr
    return {line for line in done.stdout.splitlines() if "::" in line}


@pytest.mark.slow
def test_each_test_is_in_one_part() -> None:
    faults = "tests/faults/test_receiver_names.py", "tests/faults/test_dcmsend.py"
    paths = "tests/cli/effects/test_echoscu.py", *faults
    every = collected("not soak", *paths)
    apart = collected(WITHOUT, *paths)
    assert apart == {name for name in every if faults[0] in name or " without -" in name}
    assert {faults[0] in name for name in apart} == {True, False}
    measured = collected(WITH_COVERAGE, *paths)
    assert measured == every - apart != set()


@pytest.mark.parametrize("name", [*APART, *MEASURED])
def test_what_the_parts_name_is_there(name: str) -> None:
    assert (ROOT / "tests" / name).exists()


def test_exceptions_lie_in_folders_that_run_apart() -> None:
    assert {name.partition("/")[0] for name in MEASURED} <= set(APART)

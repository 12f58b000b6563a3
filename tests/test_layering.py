"""The two sans-I/O packages stay free of I/O, whoever imports them (docs/architecture.md).

`tools/import_contracts.py` checks who imports whom from the sources; here a fresh
interpreter shows what is really loaded.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "isocenter"

IO_MODULES = ("socket", "ssl", "select", "selectors", "threading", "asyncio", "pydicom")

PROBE = """
import sys
before = set(sys.modules)
import importlib
for name in sys.argv[2:]:
    importlib.import_module(name)
loaded = set(sys.modules) - before
print(*sorted(loaded & set(sys.argv[1].split(","))))
"""


def modules_of(package: str) -> list[str]:
    names = [f"isocenter.{package}"]
    for path in sorted((SOURCE / package).rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        names.append("isocenter." + ".".join(part for part in parts if part != "__init__"))
    return sorted(set(names))


@pytest.mark.slow
@pytest.mark.parametrize("package", ["ul", "dimse"])
def test_sans_io_package_loads_no_module_that_does_io(package: str) -> None:
    names = modules_of(package)
    assert len(names) > 1, f"no modules found in {package}"
    result = subprocess.run(
        [sys.executable, "-I", "-c", PROBE, ",".join(IO_MODULES), *names],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []


@pytest.mark.slow
def test_importing_the_package_loads_nothing_of_it() -> None:
    probe = (
        "import sys, isocenter; print(*sorted(m for m in sys.modules if m.startswith('isocenter')))"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-c", probe], capture_output=True, text=True, timeout=30, check=True
    )
    assert result.stdout.split() == ["isocenter"]


@pytest.mark.slow
def test_python_api_loads_pydicom_only_when_a_data_set_is_asked_for() -> None:
    names = ["isocenter.api", "isocenter.services.providers", "isocenter.cli.main"]
    result = subprocess.run(
        [sys.executable, "-I", "-c", PROBE, "pydicom,asyncio", *names],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert result.stdout.split() == []


@pytest.mark.slow
@pytest.mark.parametrize("package", ["net", "security", "testing"])
def test_importing_a_package_loads_no_library_of_keys_tokens_or_passwords(package: str) -> None:
    names = modules_of(package)
    assert len(names) > 1, f"no modules found in {package}"
    result = subprocess.run(
        [sys.executable, "-I", "-c", PROBE, "cryptography,jwt,argon2", *names],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert result.stdout.split() == []

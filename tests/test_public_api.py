"""The public surface is a list: what is on it exists, is documented, and loads when used."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

import isocenter
from isocenter import errors
from tests.peers import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PINNED = {
    "AbortAssociation",
    "EchoRequest",
    "FindMatch",
    "FindProvider",
    "FindRequest",
    "FindResult",
    "IdentifiedUser",
    "IdentityClaim",
    "IdentityProvider",
    "IdentityRefused",
    "Limits",
    "MoveDestination",
    "Observer",
    "Peer",
    "ProposedContext",
    "RequestFacts",
    "RetrieveInstance",
    "RetrievePlan",
    "RetrieveProgress",
    "RetrieveProvider",
    "RetrieveRequest",
    "RewriteOptions",
    "Server",
    "StorageOptions",
    "StorageProvider",
    "StoreRequest",
    "StoreResult",
    "TlsFacts",
    "TlsOptions",
    "TokenVerifier",
    "UserFile",
    "UserIdentityRQ",
    "UserIdentityType",
    "VerificationProvider",
    "__version__",
    "connect",
    "contexts_for",
    "contexts_for_get",
    "plan_of_files",
    "serve",
    *errors.__all__,
}
"""Adding a name is a promise; removing one is a deprecation first."""

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(isocenter.__path__, "isocenter.")
    if not module.name.endswith("__main__")
)


def test_exported_names_are_the_pinned_ones() -> None:
    assert set(isocenter.__all__) == PINNED
    assert dir(isocenter) == sorted(PINNED)


@pytest.mark.parametrize("name", sorted(PINNED - {"__version__"}))
def test_exported_name_is_documented_where_it_is_defined(name: str) -> None:
    value = getattr(isocenter, name)
    assert inspect.getdoc(value)
    assert name in importlib.import_module(value.__module__).__all__


def test_name_that_is_not_public_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        isocenter.nothing_of_that_name  # noqa: B018 - the look-up is the test


def test_version_is_that_of_the_distribution() -> None:
    assert isocenter.__version__ == metadata.version("isocenter")


@pytest.mark.parametrize("module", MODULES)
def test_module_lists_its_names_and_documents_them(module: str) -> None:
    loaded = importlib.import_module(module)
    assert loaded.__doc__, f"{module} does not say what it owns"
    if hasattr(loaded, "__path__") and not hasattr(loaded, "__all__"):
        return  # a package without names of its own
    for name in loaded.__all__:
        value = getattr(loaded, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), f"{module}.{name}"


@pytest.mark.slow
def test_type_checkers_see_the_public_names(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    lines = [f"reveal_type(isocenter.{name})" for name in sorted(PINNED)]
    program.write_text("\n".join(["import isocenter", *lines]))
    result = subprocess.run(
        [sys.executable, "-m", "mypy", "--follow-imports=silent", str(program)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=55,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    revealed = [line for line in result.stdout.splitlines() if "Revealed type" in line]
    assert len(revealed) == len(PINNED)
    assert not [line for line in revealed if line.endswith(('"object"', '"builtins.object"'))]

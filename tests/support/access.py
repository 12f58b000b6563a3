"""Receivers that take their rules for hosts from a directory in the place of /etc.

Ours are started with other paths in `access_files`. DCMTK's read the paths that libwrap was built
with, so they get a mount namespace of their own, in which other files lie there: nothing outside
of it changes. That takes root on Linux.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.support.tools import DCMTK, OURS, Suite

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Guarded", "write_rules"]

_OURS = """
import sys
from isocenter.cli.main import main
from isocenter.security import access_files
access_files.ALLOW, access_files.DENY = sys.argv[1:3]
del sys.argv[1:3]
sys.exit(main())
"""
_THEIRS = """
mount --bind "$1" /etc/hosts.allow && mount --bind "$2" /etc/hosts.deny || exit 99
shift 2
exec "$@"
"""


@dataclass(frozen=True, slots=True)
class Guarded(Suite):
    """A suite whose tools find their rules in a directory.

    Attributes:
        rules: the directory, with ``hosts.allow`` and ``hosts.deny``.
    """

    rules: Path

    def argv(self, tool: str, *arguments: str | Path) -> list[str]:
        """As `Suite`; skips where DCMTK's cannot be given rules."""
        tables = [str(self.rules / "hosts.allow"), str(self.rules / "hosts.deny")]
        words = [str(argument) for argument in arguments]
        if self.is_ours:
            return [sys.executable, "-c", _OURS, *tables, tool, *words]
        command = DCMTK.argv(tool, *words)
        _skip_without_namespaces(command[0])
        return ["unshare", "-m", "sh", "-c", _THEIRS, "rules", *tables, *command]


def write_rules(suite: Suite, directory: Path, *, allow: str = "", deny: str = "") -> Guarded:
    """Write rules into a directory and return the suite that obeys them."""
    directory.mkdir(exist_ok=True)
    (directory / "hosts.allow").write_text(allow)
    (directory / "hosts.deny").write_text(deny)
    return Guarded((OURS if suite.is_ours else DCMTK).name, directory)


def _skip_without_namespaces(storescp: str) -> None:
    text = subprocess.run([storescp, "--version"], capture_output=True, check=False).stdout
    if b"WRAP" not in text:
        pytest.skip("DCMTK was built without libwrap")
    if not all(os.path.exists(f"/etc/hosts.{table}") for table in ("allow", "deny")):
        pytest.skip("there are no files to lay others over")
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-m", "true"], check=False).returncode != 0:
        pytest.skip("no mount namespaces here")

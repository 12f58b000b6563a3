"""dcmrecv over TLS, DCMTK's and ours: who may call, and what both say of those who may not.

The cases are those of storescp (test_differential_tls.py).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.interop.test_differential_tls import (
    OPTIONS,
    WRONG,
    Case,
    _acceptor,
    _lines,
    cases,
    certified,
    hospital,
    mine,
    theirs,
)
from tests.support.tools import DCMTK, UNDER_TEST, Receiver

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.peer("dcmtk"), pytest.mark.timeout(60)]


@pytest.fixture(autouse=True)
def receivers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have both sides run dcmrecv; without a profile it answers echoes, which is all they get."""
    monkeypatch.setattr(Receiver, "TOOL", "dcmrecv")


def _both(tmp_path: Path, case: Case, caller: list[str]) -> tuple[int, int]:
    """Call both; the logs have to agree. Return the exit codes of the callers."""
    ours = _acceptor(UNDER_TEST, tmp_path / "ours", case, caller)
    original = _acceptor(DCMTK, tmp_path / "theirs", case, caller)
    assert ours[1] == original[1]
    return ours[0], original[0]


@pytest.mark.parametrize("option", [option for option in OPTIONS if option != "--null-passwd"])
def test_dcmrecv_with_an_option_fares_as_the_oracle(tmp_path: Path, option: str) -> None:
    case = cases()[option]
    partner = case.partner if "+tls" in case.partner else [*certified(theirs()), *case.partner]
    codes = _both(tmp_path, case, [*partner, "+cf", hospital().path])
    assert codes[0] == codes[1]


@pytest.mark.parametrize("policy", ["--require-peer-cert", "--verify-peer-cert", "-ic"])
def test_callers_without_a_certificate_fare_alike(tmp_path: Path, policy: str) -> None:
    case = Case([*certified(mine()), "+cf", hospital().path, policy], 0)
    codes = _both(tmp_path, case, ["+tla", "+cf", hospital().path])
    assert codes == ((1, 1) if policy == "--require-peer-cert" else (0, 0))


def test_parameters_that_cannot_be_read_are_warned_of_alike(tmp_path: Path) -> None:
    own = [*certified(mine()), "+cf", hospital().path]
    case = Case([*own, "--dhparam", "/nonexistent"], 0)
    assert _both(tmp_path, case, [*certified(theirs()), "+cf", hospital().path]) == (0, 0)


@pytest.mark.parametrize("wrong", WRONG)
def test_dcmrecv_that_cannot_begin_says_the_same(tmp_path: Path, wrong: str) -> None:
    """One of them with --null-passwd."""
    names = {
        "key": mine().private_key,
        "certificate": mine().certificate,
        "other": theirs().certificate,
        "locked": mine().encrypted_key("right"),
    }
    words = [*(word.format(**names) for word in WRONG[wrong]), "-od", ".", "11199"]
    ours, original = (suite.run("dcmrecv", *words, cwd=tmp_path) for suite in (UNDER_TEST, DCMTK))
    assert _lines(ours.stderr) == _lines(original.stderr)
    assert ours.code == original.code


def test_suites_of_the_oracle_are_listed() -> None:
    ours, original = (
        suite.run("dcmrecv", "--list-ciphers").stdout for suite in (UNDER_TEST, DCMTK)
    )
    names = re.findall(r"(?m)^  (TLS_\w+)$", original)
    assert len(names) > 30
    assert set(names) <= set(re.findall(r"(?m)^  (TLS_\w+)$", ours))

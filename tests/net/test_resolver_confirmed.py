"""Confirmed names for those who judge by them: no name is not the same as no answer."""

from __future__ import annotations

import socket

import pytest

from isocenter.net.resolver import MISMATCHED, confirmed_name_or_none


def _answer(monkeypatch: pytest.MonkeyPatch, outcome: str | Exception) -> None:
    def look_up(_: str, *, strict: bool) -> str:
        assert strict
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr("isocenter.net.resolver.confirmed_name", look_up)


def test_confirmed_name_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    _answer(monkeypatch, "ct1.example")
    assert confirmed_name_or_none("192.0.2.7") == "ct1.example"


@pytest.mark.parametrize(
    "outcome", [MISMATCHED, socket.gaierror(socket.EAI_NONAME, "Name or service not known")]
)
def test_host_known_to_have_no_name_has_none(
    monkeypatch: pytest.MonkeyPatch, outcome: str | Exception
) -> None:
    _answer(monkeypatch, outcome)
    assert confirmed_name_or_none("192.0.2.7") == ""


@pytest.mark.parametrize(
    "problem",
    [socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), OSError(24, "Too many open files")],
)
def test_nobody_can_tell_where_no_server_answers(
    monkeypatch: pytest.MonkeyPatch, problem: OSError
) -> None:
    _answer(monkeypatch, problem)
    with pytest.raises(OSError, match=str(problem.strerror)):
        confirmed_name_or_none("192.0.2.7")

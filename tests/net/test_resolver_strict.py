"""Names that are to lead back to their address, where nobody says what they lead to."""

from __future__ import annotations

import socket

import pytest

from isocenter.net.resolver import MISMATCHED, confirmed_name, confirmed_name_or_none


def lead_to(monkeypatch: pytest.MonkeyPatch, outcome: str | Exception) -> None:
    """Have ct1.example stand for an address, or for a failure to find out."""

    def getaddrinfo(name: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        assert name == "ct1.example"
        if isinstance(outcome, Exception):
            raise outcome
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (outcome, 0))]

    monkeypatch.setattr("isocenter.net.resolver.system_name", lambda _: "CT1.example.")
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_name_that_leads_back_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    lead_to(monkeypatch, "192.0.2.7")
    assert confirmed_name("192.0.2.7") == confirmed_name_or_none("192.0.2.7") == "ct1.example"


@pytest.mark.parametrize(
    "outcome", ["192.0.2.8", socket.gaierror(socket.EAI_NONAME, "Name or service not known")]
)
def test_name_that_leads_elsewhere_or_nowhere_counts_for_nothing(
    monkeypatch: pytest.MonkeyPatch, outcome: str | Exception
) -> None:
    lead_to(monkeypatch, outcome)
    assert confirmed_name("192.0.2.7") == MISMATCHED
    assert confirmed_name_or_none("192.0.2.7") == ""


@pytest.mark.parametrize(
    "problem",
    [
        socket.gaierror(socket.EAI_AGAIN, "Temporary failure"),
        socket.gaierror(socket.EAI_FAIL, "Non-recoverable failure"),
        OSError(24, "Too many open files"),
    ],
)
def test_who_denies_by_name_is_told_where_nobody_says_what_it_leads_to(
    monkeypatch: pytest.MonkeyPatch, problem: OSError
) -> None:
    """It may be the name that a rule keeps out."""
    lead_to(monkeypatch, problem)
    with pytest.raises(OSError, match=str(problem.strerror)):
        confirmed_name_or_none("192.0.2.7")
    assert confirmed_name("192.0.2.7") == MISMATCHED, "as libwrap has it: paranoid"

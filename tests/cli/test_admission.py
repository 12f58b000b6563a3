"""The gate for the rules of hosts.allow and hosts.deny: names, their time, and what is logged."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.admission import HostGate
from isocenter.errors import ConfigurationError
from isocenter.net import resolver
from isocenter.net.resolver import MISMATCHED, confirmed_name
from isocenter.security.access_files import AccessFiles
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HERE = "192.0.2.1:104"


class Rules:
    """Two tables, the gate for them, and what it logged."""

    def __init__(self, directory: Path) -> None:
        self.deny = directory / "hosts.deny"
        self.files = AccessFiles(
            "storescp", allow=str(directory / "hosts.allow"), deny=str(self.deny)
        )
        self.woken = threading.Event()

    def gate(self, deny: str, name_of: Callable[[str], str] = str) -> HostGate:
        self.deny.write_text(deny)
        gate = HostGate(self.files, look_up=name_of)
        gate.start(self.woken.set)
        return gate

    def ask(self, gate: HostGate, peer: str) -> bool | None:
        """Ask, and again once something is known."""
        admitted = gate.admits(peer, HERE)
        if admitted is None:
            assert gate.deadline() is not None
            assert self.woken.wait(5)
            assert list(gate.settled()) == [peer.rpartition(":")[0]]
            admitted = gate.admits(peer, HERE)
        return admitted


@pytest.fixture
def access(tmp_path: Path) -> Rules:
    return Rules(tmp_path)


def no_look_up(address: str) -> str:
    pytest.fail(f"{address} was looked up")


def test_addresses_need_no_look_up(access: Rules) -> None:
    gate = access.gate("storescp: 10.0.0.1 .example.org", no_look_up)
    assert gate.admits("10.0.0.1:4711", HERE) is False


@pytest.mark.parametrize(
    ("name", "admitted"),
    [("ct1.example.org", False), ("ct1.example.com", True), (MISMATCHED, True)],
)
def test_names_are_looked_up_where_a_rule_needs_one(
    access: Rules, name: str, *, admitted: bool
) -> None:
    gate = access.gate("storescp: .example.org", lambda _: name)
    assert access.ask(gate, "10.0.0.1:4711") is admitted
    assert gate.admits("10.0.0.1:4712", HERE) is admitted  # known by now


def test_host_without_a_name_is_unknown(access: Rules) -> None:
    def nobody(_: str) -> str:
        raise OSError

    gate = access.gate("storescp: .example.org UNKNOWN", nobody)
    assert access.ask(gate, "10.0.0.1:4711") is False


@pytest.mark.parametrize("rule", ["UNKNOWN", ".evil.org"])
def test_host_whose_name_takes_too_long_is_kept_out(
    access: Rules, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    """It may have the name that is refused; a slow name server must not be the way in."""
    monkeypatch.setattr("isocenter.cli.admission.TIMEOUT", 0.05)
    never = threading.Event()
    gate = access.gate(f"storescp: {rule}", lambda _: str(never.wait(10)))
    assert gate.admits("10.0.0.1:4711", HERE) is None
    assert gate.settled() == []
    due = gate.deadline()
    assert due is not None
    wait_until(lambda: time.monotonic() >= due, timeout=5, what="the deadline")
    assert list(gate.settled()) == ["10.0.0.1"]
    assert gate.admits("10.0.0.1:4711", HERE) is False
    assert gate.deadline() is None
    # It is asked about anew, not remembered as nameless.
    gate.settled()
    assert gate.admits("10.0.0.1:4712", HERE) is None
    never.set()


def test_too_many_look_ups_at_once_let_nobody_in(access: Rules) -> None:
    never = threading.Event()
    gate = access.gate("storescp: .example.org", lambda _: str(never.wait(10)))
    answers = [gate.admits(f"10.0.{n >> 8}.{n & 255}:4711", HERE) for n in range(300)]
    assert answers[0] is None
    assert answers[-1] is False
    assert True not in answers
    never.set()


def test_without_look_ups_nobody_has_a_name_and_rules_by_name_are_told(
    access: Rules, caplog: pytest.LogCaptureFixture
) -> None:
    access.deny.write_text("storescp: 11.\nstorescp: 12. EXCEPT LOCAL\nstorescp: UNKNOWN\n")
    gate = HostGate(access.files, by_name=False, look_up=no_look_up)
    words = "goes by name, but with --disable-host-lookup no host has one"
    assert caplog.messages == [f"{access.deny}, line {line} {words}" for line in (2, 3)]
    assert gate.admits("10.0.0.1:4711", HERE) is False


def test_end_of_a_connection_is_known(access: Rules) -> None:
    gate = access.gate("storescp@192.0.2.1: ALL\n11112: ALL\n", no_look_up)
    assert gate.admits("10.0.0.1:4711", HERE) is False
    assert gate.admits("10.0.0.1:4711", "192.0.2.2:104") is True
    assert gate.admits("10.0.0.1:4711", "192.0.2.2:11112") is False
    assert gate.admits("unknown", "unknown") is True


def test_bad_rules_keep_it_from_starting(access: Rules) -> None:
    with pytest.raises(ConfigurationError, match=r"hosts\.deny, line 1: option 'twist'"):
        access.gate("storescp: ALL: twist /bin/true")


class TestLog:
    def lines(self, caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
        return [(record.levelname, record.getMessage()) for record in caplog.records]

    def test_refused_connection_has_one_line_and_its_rule_another(
        self, access: Rules, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        access.ask(access.gate("\nstorescp: ALL\n", no_look_up), "10.0.0.1:4711")
        condition = "0006:0324 TCP wrapper: denied connection from unknown (10.0.0.1)"
        assert self.lines(caplog) == [
            ("ERROR", f"Receiving Association failed: {condition}"),
            ("INFO", f"as {access.deny}, line 2, says"),
        ]

    @pytest.mark.parametrize(
        ("name", "shown"), [("ct1.example.org", "ct1.example.org"), (MISMATCHED, "paranoid")]
    )
    def test_name_is_told_where_it_was_looked_up(
        self, access: Rules, caplog: pytest.LogCaptureFixture, name: str, shown: str
    ) -> None:
        gate = access.gate("storescp: KNOWN PARANOID", lambda _: name)
        access.ask(gate, "10.0.0.1:4711")
        assert f"denied connection from {shown} (10.0.0.1)" in caplog.text

    def test_severity_is_the_level(self, access: Rules, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        gate = access.gate("ALL: 10.: severity warn\nALL: 11.: severity debug: allow\n")
        gate.admits("10.0.0.1:1", HERE)
        gate.admits("11.0.0.1:1", HERE)
        found = [line for line in self.lines(caplog) if "TCP wrapper" in line[1]]
        assert [level for level, _ in found] == ["WARNING", "DEBUG"]
        assert found[1][1] == "TCP wrapper: allowed connection from unknown (11.0.0.1)"

    def test_who_is_let_in_is_not_told(
        self, access: Rules, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        assert access.gate("ALL: 11.").admits("10.0.0.1:1", HERE)
        assert caplog.records == []

    def test_rules_that_became_bad_let_nobody_in_and_are_told_once(
        self, access: Rules, caplog: pytest.LogCaptureFixture
    ) -> None:
        gate = access.gate("storescp: 11.\n")
        assert gate.admits("10.0.0.1:1", HERE)
        access.deny.write_text("storescp: 11.\nstorescp\n")
        assert gate.admits("10.0.0.1:1", HERE) is False
        assert gate.admits("10.0.0.1:2", HERE) is False
        access.deny.write_text("storescp: 11.\n")
        assert gate.admits("10.0.0.1:3", HERE)
        problem = f'{access.deny}, line 2: no ":" between daemons and hosts'
        told = [line for line in self.lines(caplog) if "denied" not in line[1]]
        assert told == [
            ("ERROR", f"nobody is let in, access rules cannot be used: {problem}"),
            ("WARNING", "access rules can be used again"),
        ]


class TestConfirmedName:
    @staticmethod
    def given(monkeypatch: pytest.MonkeyPatch, name: str, *back: str) -> None:
        monkeypatch.setattr(resolver, "system_name", lambda _: name)

        def forward(asked: str, *_: object, **__: object) -> list[tuple[object, ...]]:
            assert asked == "ct1.example.org"
            if not back:
                raise OSError
            return [(0, 0, 0, "", (address, 0)) for address in back]

        monkeypatch.setattr("socket.getaddrinfo", forward)

    @pytest.mark.parametrize(
        ("address", "back"),
        [
            ("10.0.0.1", ["10.0.0.1"]),
            ("10.0.0.1", ["10.0.0.9", "10.0.0.1"]),
            ("2001:db8::1", ["2001:DB8:0::1"]),
            ("fe80::1%eth0", ["fe80::1%eth0"]),
        ],
    )
    def test_counts_where_it_leads_back(
        self, monkeypatch: pytest.MonkeyPatch, address: str, back: list[str]
    ) -> None:
        self.given(monkeypatch, "CT1.example.org.", *back)
        assert confirmed_name(address) == "ct1.example.org"

    @pytest.mark.parametrize("back", [["10.0.0.2"], ["2001:db8::1"], []])
    def test_does_not_count_where_it_leads_elsewhere(
        self, monkeypatch: pytest.MonkeyPatch, back: list[str]
    ) -> None:
        self.given(monkeypatch, "ct1.example.org", *back)
        assert confirmed_name("10.0.0.1") == MISMATCHED

    @pytest.mark.parametrize("name", ["10.0.0.1", "a b", "x" * 300, "", "?"])
    def test_what_is_no_name_does_not_count(
        self, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        self.given(monkeypatch, name)
        assert confirmed_name("10.0.0.1") == MISMATCHED

"""Names of peers: looked up where somebody asks, and the answer to the peer waits for none."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.hosts import HostLines, resolver_of
from isocenter.cli.options_storescp import TOOL
from isocenter.cli.parser import parse
from isocenter.logs import DEBUG
from isocenter.net.resolver import Resolver
from tests.net.support import as_acceptor
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isocenter.net.association import Association

WAIT = 10.0


@pytest.fixture
def association() -> Iterator[Association]:
    made, peer = as_acceptor()
    made.peer_address = "192.0.2.7:4711"
    yield made
    made.close()
    peer.close()


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [message for message in caplog.messages if message.startswith("Association Received")]


@pytest.mark.parametrize(
    "options",
    [
        ("-d",),
        ("-ll", "trace"),
        ("-xcr", "x #r"),
        ("-xcr", "x", "-su", "P", "-xcs", "y #r"),
        ("-xcr", "x #r", "--exec-argv"),
    ],
)
def test_names_are_looked_up_where_a_command_or_the_log_shows_them(
    options: tuple[str, ...],
) -> None:
    assert resolver_of(parse(TOOL, [*options, "11112"])) is not None
    assert resolver_of(parse(TOOL, [*options, "-dhl", "11112"])) is None


@pytest.mark.parametrize("options", [(), ("-v",), ("-xcr", "x #p/#f #a #c"), ("-su", "P")])
def test_no_name_is_looked_up_where_nobody_asks(options: tuple[str, ...]) -> None:
    assert resolver_of(parse(TOOL, [*options, "11112"])) is None


def test_address_is_shown_where_names_are_not_looked_up(
    association: Association, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(DEBUG, "isocenter")
    hosts = HostLines(None)
    hosts.begin(association)
    hosts.end(association)
    assert lines(caplog) == ["Association Received: 192.0.2.7"]


def test_name_that_is_known_is_shown_at_once(
    association: Association, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(DEBUG, "isocenter")
    asked: list[str] = []

    def look_up(address: str) -> str:
        asked.append(address)
        return "scanner.example.org"

    resolver = Resolver(look_up)
    assert resolver.name("192.0.2.7") == "scanner"
    hosts = HostLines(resolver)
    for _ in range(3):
        hosts.begin(association)
    assert lines(caplog) == ["Association Received: scanner"] * 3
    assert asked == ["192.0.2.7"]


def test_slow_look_up_delays_the_line_and_nothing_else(
    association: Association, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(DEBUG, "isocenter")
    answering = threading.Event()

    def look_up(_: str) -> str:
        answering.wait(WAIT)
        return "scanner"

    hosts = HostLines(Resolver(look_up, timeout=WAIT))
    start = time.monotonic()
    hosts.begin(association)
    assert time.monotonic() - start < 1
    assert lines(caplog) == []
    answering.set()
    hosts.end(association)
    assert lines(caplog) == ["Association Received: scanner"]


def test_line_shows_the_address_where_no_name_comes_in_time(
    association: Association, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(DEBUG, "isocenter")
    answering = threading.Event()

    def look_up(_: str) -> str:
        answering.wait(WAIT)
        return "scanner"

    hosts = HostLines(Resolver(look_up, timeout=0.1))
    hosts.begin(association)
    wait_until(lambda: lines(caplog) != [], timeout=WAIT, what="the line")
    answering.set()
    hosts.end(association)
    assert lines(caplog) == ["Association Received: 192.0.2.7"]


def test_hostile_name_forges_no_line(
    association: Association, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(DEBUG, "isocenter")
    hosts = HostLines(Resolver(lambda _: "x\nF: disk full\n"))
    hosts.begin(association)
    hosts.end(association)
    assert lines(caplog) == ["Association Received: 192.0.2.7"]

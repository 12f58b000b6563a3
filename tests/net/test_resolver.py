"""Names of hosts are looked up once, in time or not at all, and only what can be one is used."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.net.resolver import Resolver, first_label, system_name
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT = 10.0


class Directory:
    """A resolver of the system that counts, and answers when it is let."""

    def __init__(self, **names: str) -> None:
        self.names = {address.replace("_", "."): name for address, name in names.items()}
        self.asked: list[str] = []
        self.answering = threading.Event()
        self.answering.set()

    def look_up(self, address: str) -> str:
        self.asked.append(address)
        self.answering.wait(WAIT)
        if address not in self.names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self.names[address]


@pytest.fixture
def directory() -> Iterator[Directory]:
    made = Directory(a_1="scanner.example.org", a_2="archive")
    yield made
    made.answering.set()  # no thread outlives the test for long


# --- what is taken for a name -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("scanner", "scanner"),
        ("scanner.example.org", "scanner"),
        ("scanner.example.org.", "scanner"),
        ("CT_3-b.example.org", "CT_3-b"),
        ("3com.example.org", "3com"),
        ("10-0-0-1.dynamic.example.org", "10-0-0-1"),
        ("a" * 63 + ".org", "a" * 63),
    ],
)
def test_first_label_of_a_name_is_used(name: str, label: str) -> None:
    assert first_label(name) == label


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        ".example.org",
        "a..org",
        "-rf.example.org",
        "rf-.example.org",
        "--option",
        "$(reboot)",
        "`reboot`.example.org",
        "a;reboot",
        "a|b.example.org",
        "a b.example.org",
        'a".example.org',
        "a'b",
        "a\nF: forged line",
        "a\\032b",
        "a\x1b[2J",
        "a\0b",
        "../../etc/passwd",
        "a/b",
        "münchen.example.org",
        "a\udcff.example.org",
        "good.example.$(reboot)",
        "10.0.0.1",
        "127.1",
        "12345",
        "::1",
        "a" * 64 + ".org",
        ".".join(["a" * 50] * 6),
    ],
)
def test_name_that_no_host_can_have_is_not_used(name: str) -> None:
    assert first_label(name) == ""
    assert Resolver(lambda _: name).name("10.9.8.7") == "10.9.8.7"


def test_system_names_loopback_or_says_that_it_has_no_name() -> None:
    try:
        name = system_name("127.0.0.1")
    except OSError:
        pytest.skip("loopback has no name here")
    assert Resolver().name("127.0.0.1") == first_label(name) != ""


def test_system_has_no_name_for_what_is_no_address() -> None:
    assert Resolver().name("unknown") == "unknown"


# --- once, and for a time ---------------------------------------------------------------------


def test_name_is_looked_up_once_while_it_is_remembered(directory: Directory) -> None:
    resolver = Resolver(directory.look_up)
    assert resolver.known("a.1") is None
    assert [resolver.name("a.1") for _ in range(3)] == ["scanner"] * 3
    assert resolver.known("a.1") == "scanner"
    assert directory.asked == ["a.1"]


def test_lack_of_a_name_is_remembered_too(directory: Directory) -> None:
    resolver = Resolver(directory.look_up)
    assert [resolver.name("a.9") for _ in range(3)] == ["a.9"] * 3
    assert directory.asked == ["a.9"]


def test_names_and_failures_are_looked_up_anew_after_their_times(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    resolver = Resolver(directory.look_up, keep=300, keep_failure=60)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    resolver.name("a.1")
    resolver.name("a.9")
    now[0] += 59
    resolver.name("a.1")
    resolver.name("a.9")
    assert directory.asked == ["a.1", "a.9"]
    now[0] += 1
    resolver.name("a.1")
    resolver.name("a.9")
    assert directory.asked == ["a.1", "a.9", "a.9"]
    now[0] += 240
    assert resolver.known("a.1") is None
    resolver.name("a.1")
    assert directory.asked[3:] == ["a.1"]


def test_no_more_outcomes_are_remembered_than_permitted(directory: Directory) -> None:
    resolver = Resolver(directory.look_up, maximum_known=3)
    for number in range(10):
        resolver.name(f"b.{number}")
    assert len(resolver._known) == 3
    assert resolver.known("b.6") is None
    assert resolver.known("b.7") == "b.7"


def test_address_asked_about_by_many_is_looked_up_once(directory: Directory) -> None:
    resolver = Resolver(directory.look_up, timeout=WAIT)
    directory.answering.clear()
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(resolver.name("a.1"))) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: directory.asked == ["a.1"], timeout=WAIT, what="the look-up")
    directory.answering.set()
    for thread in threads:
        thread.join(WAIT)
    assert found == ["scanner"] * 20
    assert directory.asked == ["a.1"]


# --- resolvers that do not answer -------------------------------------------------------------


def test_address_is_used_where_no_answer_comes_in_time(directory: Directory) -> None:
    resolver = Resolver(directory.look_up, timeout=0.1)
    directory.answering.clear()
    start = time.monotonic()
    assert resolver.name("a.1") == "a.1"
    assert 0.1 <= time.monotonic() - start < 2
    start = time.monotonic()
    assert resolver.name("a.1") == "a.1", "remembered, so nobody waits again"
    assert time.monotonic() - start < 0.1
    directory.answering.set()
    wait_until(
        lambda: resolver.known("a.1") == "scanner", timeout=WAIT, what="the late answer to count"
    )
    assert directory.asked == ["a.1"]


class Clock:
    """The module `time` with a clock that can be put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


def test_time_of_an_answer_counts_from_the_first_question(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr("isocenter.net.resolver.time", clock)
    resolver = Resolver(directory.look_up, timeout=WAIT)
    directory.answering.clear()
    first = threading.Thread(target=resolver.name, args=("a.1",))
    first.start()
    wait_until(lambda: bool(directory.asked), timeout=WAIT, what="the look-up")
    clock.ahead = WAIT
    start = time.monotonic()
    assert resolver.name("a.1") == "a.1"
    assert time.monotonic() - start < WAIT / 2
    directory.answering.set()
    first.join(WAIT)
    assert not first.is_alive()


def test_threads_are_bounded_and_what_they_do_not_get_to_keeps_its_address(
    directory: Directory,
) -> None:
    resolver = Resolver(directory.look_up, timeout=0.2, threads=2)
    directory.answering.clear()
    found: dict[str, str] = {}

    def ask(address: str) -> None:
        found[address] = resolver.name(address)

    addresses = [f"c.{number}" for number in range(12)]
    threads = [threading.Thread(target=ask, args=(address,)) for address in addresses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert found == {address: address for address in addresses}
    assert resolver._running == 2
    assert len(directory.asked) == 2
    directory.answering.set()
    wait_until(lambda: resolver._running == 0, timeout=WAIT, what="the threads to end")
    # Those that nobody waited for any more when a thread was free were not asked.
    assert len(directory.asked) == 2
    assert resolver._pending == {}


def test_address_that_no_thread_got_to_is_not_waited_for_again(directory: Directory) -> None:
    resolver = Resolver(directory.look_up, timeout=0.1, threads=1)
    directory.answering.clear()
    assert [resolver.name("a.1"), resolver.name("a.2")] == ["a.1", "a.2"]
    directory.answering.set()
    wait_until(lambda: resolver._running == 0, timeout=WAIT, what="the thread to end")
    assert resolver.name("a.2") == "a.2", "for as long as any other failure"
    assert directory.asked == ["a.1"]


def test_too_many_that_wait_get_their_address_at_once(directory: Directory) -> None:
    resolver = Resolver(directory.look_up, timeout=WAIT, threads=1, maximum_waiting=2)
    directory.answering.clear()
    threads = [threading.Thread(target=resolver.name, args=(f"d.{number}",)) for number in range(3)]
    threads[0].start()
    wait_until(lambda: len(directory.asked) == 1, timeout=WAIT, what="a busy thread")
    threads[1].start()
    threads[2].start()
    wait_until(lambda: len(resolver._waiting) == 2, timeout=WAIT, what="two that wait")
    start = time.monotonic()
    assert resolver.name("a.1") == "a.1"
    assert time.monotonic() - start < 1
    directory.answering.set()
    for thread in threads:
        thread.join(WAIT)
    assert resolver.name("a.1") == "scanner", "a lack of room is not remembered"


def test_look_up_that_fails_unexpectedly_is_logged_and_keeps_the_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(address: str) -> str:
        raise RuntimeError(address)

    resolver = Resolver(fail)
    assert resolver.name("a.1") == "a.1"
    assert "look-up of a.1 failed" in caplog.text


def test_address_is_used_where_no_thread_can_start(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        resolver = Resolver(directory.look_up)
        assert resolver.name("a.1") == "a.1"
    assert resolver.name("a.1") == "scanner"


def test_nothing_starts_before_the_first_question(directory: Directory) -> None:
    resolver = Resolver(directory.look_up)
    assert resolver.known("a.1") is None
    assert resolver._running == 0
    assert directory.asked == []

"""The files of host access control: when they are read, and what cannot be read lets nobody in."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import ConfigurationError
from isocenter.security.access_files import AccessFiles
from isocenter.security.hosts_access import decide
from isocenter.security.hosts_patterns import Peer, parse_address

if TYPE_CHECKING:
    from pathlib import Path


class Tables:
    """Two tables in a directory, and what they say about 10.0.0.1."""

    def __init__(self, directory: Path) -> None:
        self.allow = directory / "hosts.allow"
        self.deny = directory / "hosts.deny"
        self.files = AccessFiles("storescp", allow=str(self.allow), deny=str(self.deny))

    def lets_in(self) -> bool:
        peer = Peer(parse_address("10.0.0.1"), lambda: "")
        return decide(self.files.rules(), peer).allowed


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(tmp_path)


def settle(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the clock say that a file was changed long ago."""
    later = path.stat().st_ctime + 60
    monkeypatch.setattr(time, "time", lambda: later)


def test_missing_tables_let_everybody_in(tables: Tables) -> None:
    assert tables.files.rules() == ()
    assert tables.lets_in()


def test_first_table_comes_first(tables: Tables) -> None:
    tables.deny.write_text("ALL: ALL\n")
    assert not tables.lets_in()
    tables.allow.write_text("storescp: 10.\n")
    assert tables.lets_in()


def test_change_is_seen_at_once_even_of_the_same_length(tables: Tables) -> None:
    tables.deny.write_text("ALL: 10.0.0.1\n")
    for _ in range(20):
        assert not tables.lets_in()
        tables.deny.write_text("ALL: 10.0.0.2\n")
        assert tables.lets_in()
        tables.deny.write_text("ALL: 10.0.0.1\n")


def test_change_is_seen_long_after(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    tables.deny.write_text("ALL: 10.0.0.1\n")
    settle(tables.deny, monkeypatch)
    assert not tables.lets_in()
    tables.deny.write_text("ALL: 10.0.0.22\n")
    assert tables.lets_in()
    tables.deny.unlink()
    assert tables.lets_in()
    tables.deny.write_text("ALL: ALL\n")
    assert not tables.lets_in()


def test_unchanged_tables_are_not_read_again(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables.deny.write_text("ALL: ALL\n")
    settle(tables.deny, monkeypatch)
    assert tables.files.rules() is tables.files.rules()


def test_lists_in_files_are_watched_as_well(
    tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, inner = tmp_path / "list", tmp_path / "inner"
    listed.write_text(f"10.0.0.7\n{inner}")
    inner.write_text("10.0.0.1")
    tables.deny.write_text(f"storescp: 10.0.0.9 {listed}\n")
    settle(tables.deny, monkeypatch)
    assert not tables.lets_in()
    inner.write_text("10.0.0.13")
    assert tables.lets_in()
    inner.unlink()
    with pytest.raises(ConfigurationError, match=f"line 2: {inner}: No such file"):
        tables.files.rules()
    inner.write_text("10.0.0.1")
    assert not tables.lets_in()


def test_table_that_became_bad_says_so_each_time_until_it_is_mended(tables: Tables) -> None:
    tables.allow.write_text("ALL: ALL\n")
    assert tables.lets_in()
    tables.allow.write_text("ALL: ALL\nstorescp: ALL: spawn /bin/true\n")
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=f"^{tables.allow}, line 2: option 'spawn'"):
            tables.files.rules()
    tables.allow.write_text("ALL: ALL\n")
    assert tables.lets_in()


class TestUnreadable:
    def refuses(self, tables: Tables, match: str) -> None:
        with pytest.raises(ConfigurationError, match=match):
            tables.files.rules()

    def test_directory(self, tables: Tables) -> None:
        tables.deny.mkdir()
        descriptors = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
        for _ in range(3):
            self.refuses(tables, "hosts.deny: neither a file nor the null device")
        if descriptors:
            assert len(os.listdir("/proc/self/fd")) == descriptors

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_without_permission(self, tables: Tables) -> None:
        tables.deny.write_text("ALL: ALL")
        tables.deny.chmod(0)
        self.refuses(tables, "hosts.deny: Permission denied")

    def test_pipe(self, tables: Tables) -> None:
        os.mkfifo(tables.deny)
        self.refuses(tables, "hosts.deny: neither a file nor the null device")

    def test_null_device_is_an_empty_table(self, tables: Tables) -> None:
        tables.deny.symlink_to(os.devnull)
        assert tables.lets_in()

    def test_link_that_leads_nowhere(self, tables: Tables) -> None:
        tables.deny.symlink_to("away")
        self.refuses(tables, "hosts.deny: No such file")

    def test_too_long(self, tables: Tables) -> None:
        tables.deny.write_bytes(b"#" * (1024 * 1024 + 1))
        self.refuses(tables, "longer than 1048576 bytes")

    def test_as_long_as_may_be(self, tables: Tables) -> None:
        tables.deny.write_bytes(b"#" * (1024 * 1024))
        assert tables.lets_in()

    def test_list_that_is_missing(self, tables: Tables, tmp_path: Path) -> None:
        tables.deny.write_text(f"\nstorescp: {tmp_path}/list\n")
        self.refuses(tables, f"hosts.deny, line 2: {tmp_path}/list: No such file")

    def test_list_that_names_itself(self, tables: Tables, tmp_path: Path) -> None:
        listed = tmp_path / "list"
        listed.write_text(f"{listed}\n" * 3)
        tables.deny.write_text(f"storescp: {listed}\n")
        self.refuses(tables, "name each other")

    @pytest.mark.parametrize(("depth", "may_be"), [(8, True), (9, False)])
    def test_lists_in_lists(
        self, tables: Tables, tmp_path: Path, depth: int, *, may_be: bool
    ) -> None:
        for number in range(depth):
            (tmp_path / str(number)).write_text(
                f"{tmp_path / str(number + 1)}" if number + 1 < depth else "10.0.0.1"
            )
        tables.deny.write_text(f"storescp: {tmp_path / '0'}\n")
        if may_be:
            assert not tables.lets_in()
        else:
            self.refuses(tables, "name each other")


def test_table_that_may_be_there_but_cannot_be_reached_lets_nobody_in(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    deny = tmp_path / "file" / "hosts.deny"
    files = AccessFiles("storescp", allow=str(tmp_path / "hosts.allow"), deny=str(deny))
    with pytest.raises(ConfigurationError, match="Not a directory"):
        files.rules()

"""What dcmqrscp's configuration file says about user and group, and how many processes serve."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from isocenter.cli import qr_node
from isocenter.cli.options_dcmqrscp import TOOL
from isocenter.cli.parser import parse
from isocenter.errors import ConfigurationError
from isocenter.node.config import NodeConfig

if TYPE_CHECKING:
    from collections.abc import Callable

pwd = pytest.importorskip("pwd")
grp = pytest.importorskip("grp")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, object]]:
    """Have this process stay who it is, and note who it was to become."""
    noted: list[tuple[str, object]] = []

    def noting(name: str) -> Callable[[object], None]:
        return lambda value: noted.append((name, value))

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    for name in ("setgroups", "setgid", "setuid"):
        monkeypatch.setattr(os, name, noting(name))
    return noted


def test_nobody_is_named_nothing_is_done(calls: list[tuple[str, object]]) -> None:
    qr_node.become_of(NodeConfig())()
    assert calls == []


def test_group_goes_before_the_user_who_may_not_change_it(
    calls: list[tuple[str, object]],
) -> None:
    user, group = pwd.getpwall()[0], grp.getgrall()[0]
    qr_node.become_of(NodeConfig(user_name=user.pw_name, group_name=group.gr_name))()
    assert calls == [("setgroups", []), ("setgid", group.gr_gid), ("setuid", user.pw_uid)]


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (NodeConfig(user_name="no such user"), "bad user name no such user"),
        (NodeConfig(group_name="no such group"), "bad group name no such group"),
    ],
    ids=["user", "group"],
)
def test_unknown_name_is_told_before_anything_begins(config: NodeConfig, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        qr_node.become_of(config)
    assert str(caught.value) == told


def test_user_that_one_may_not_become_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "setuid", refuse)
    name = pwd.getpwall()[0].pw_name
    with pytest.raises(ConfigurationError) as caught:
        qr_node.become_of(NodeConfig(user_name=name))()
    words = f"cannot become user {name}, group (as it is): Operation not permitted"
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("options", "processors", "maximum", "expected"),
    [
        ([], 2, 16, 2),
        ([], 64, 16, 4),
        ([], 8, 3, 3),
        ([], 8, 0, 1),
        (["--single-process"], 8, 16, 1),
        (["--single-process", "--fork"], 2, 16, 2),
    ],
)
def test_as_many_processes_serve_as_help(
    options: list[str],
    processors: int,
    maximum: int,
    expected: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)), raising=False)
    config = NodeConfig(maximum_associations=maximum)
    assert qr_node.workers_of(parse(TOOL, options), config) == expected


def test_length_of_pdus_is_the_files_unless_told_and_even() -> None:
    config = NodeConfig(maximum_length=20001)
    assert qr_node.maximum_length_of(parse(TOOL, []), config) == 20000
    assert qr_node.maximum_length_of(parse(TOOL, ["--max-pdu", "4097"]), config) == 4096

"""A pytest plugin: an option that is parsed and ignored cannot pass.

Owns the second run of each test that a map names: once more for each of its options, with
that option dropped (see `sitecustomize`), and then the test has to fail by an assertion.
Must not know the options (tests/options.toml has them) nor what a test does.

The second runs are called ``test_name without --option[case]`` and marked ``dropped``:
``-m dropped`` runs nothing else, ``-m 'not dropped'`` leaves them out.
"""

from __future__ import annotations

import os
import tempfile
import tomllib
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support.dropping import sitecustomize

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

__all__ = ["LIMIT", "Dropping", "read_map"]

LIMIT = 20.0
"""Seconds that a test may take without its option; reaching them is no way to fail."""


class Dropped(NamedTuple):
    """The option that a run does without."""

    tool: str
    option: str


_DROPPED = pytest.StashKey[Dropped]()
_SEEN = pytest.StashKey[str]()


def read_map(path: Path) -> dict[str, dict[str, str]]:
    """Return tool to option to the id of the test that shows the option's effect."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        tool: {str(key): str(test) for key, test in rows.items()} for tool, rows in tables.items()
    }


class Dropping:
    """The plugin.

    Args:
        path: the map, TOML: a table for each tool, long name to test id.
    """

    def __init__(self, path: Path) -> None:
        self._wanted: dict[str, list[Dropped]] = {}
        for tool, rows in read_map(path).items():
            for option, test in rows.items():
                self._wanted.setdefault(test, []).append(Dropped(tool, option))

    def pytest_configure(self, config: pytest.Config) -> None:
        """Declare the mark."""
        config.addinivalue_line("markers", "dropped: a test run again with an option dropped")

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the second runs behind the tests that they repeat."""
        repeated: list[pytest.Item] = []
        for item in items:
            repeated.append(item)
            repeated += [_again(item, dropped) for dropped in self._wanted.get(item.nodeid, ())]
        items[:] = repeated

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Drop the option from the set-up to the tear-down."""
        dropped = item.stash.get(_DROPPED, None)
        if dropped is None:
            return (yield)
        with tempfile.NamedTemporaryFile(prefix="isocenter-dropped-") as seen:
            item.stash[_SEEN] = seen.name
            with _without(dropped, seen.name):
                return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        """Demand that the body of the test fails, and by an assertion."""
        dropped = pyfuncitem.stash.get(_DROPPED, None)
        if dropped is None:
            return (yield)
        words = f"without {dropped.option} of {dropped.tool} the test"
        try:
            yield
        except AssertionError:
            if os.path.getsize(pyfuncitem.stash[_SEEN]) == 0:
                pytest.fail(f"{words} fails, but it never gave that option")
            return True
        except pytest.skip.Exception as skipped:
            # Before a tool was started the machine is the reason, and the first run skips as well.
            if os.path.getsize(pyfuncitem.stash[_SEEN]) == 0:
                raise
            pytest.fail(f"{words} does not fail but skips: {skipped}")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is reported
            pytest.fail(f"{words} fails for another reason than its assertions: {error!r}")
        if os.path.getsize(pyfuncitem.stash[_SEEN]) == 0:
            pytest.fail(f"{words} passes: it never gave that option")
        pytest.fail(f"{words} passes: it shows no effect of the option, or there is none")


def _again(item: pytest.Item, dropped: Dropped) -> pytest.Function:
    """Return the item once more, to be run without an option."""
    if not isinstance(item, pytest.Function):
        raise pytest.UsageError(f"{item.nodeid} is no test function")
    if item.get_closest_marker("peer") is not None:
        raise pytest.UsageError(f"{item.nodeid} needs a peer, and might be skipped for it")
    name = f"{item.originalname} without {dropped.option}"
    again: pytest.Function = pytest.Function.from_parent(
        item.parent,
        name=name + item.name.removeprefix(item.originalname),
        callspec=getattr(item, "callspec", None),
        callobj=item.obj,
        fixtureinfo=item._fixtureinfo,
        originalname=name,  # the id is made from it
    )
    again.stash[_DROPPED] = dropped
    again.add_marker(pytest.mark.dropped)
    again.add_marker(pytest.mark.timeout(LIMIT), append=False)
    # What a test that fails half-way leaves open is not what this run is about.
    again.add_marker(pytest.mark.filterwarnings("ignore"))
    return again


@contextmanager
def _without(dropped: Dropped, seen: str) -> Iterator[None]:
    """Drop an option, here and in programs started meanwhile."""
    additions = sitecustomize.environment(dropped.tool, dropped.option, seen)
    before = {name: os.environ.get(name) for name in additions}
    restore = sitecustomize.drop(dropped.tool, dropped.option, seen)
    os.environ.update(additions)
    try:
        yield
    finally:
        restore()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

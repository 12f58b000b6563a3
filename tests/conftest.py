"""What every test gets: Hypothesis profiles, peers that must or may be there, dropped options.

And which part of the gate (scripts/test) it belongs to, see `APART`.

Environment:
    ISOCENTER_REQUIRE_PEERS: 1 turns a test skipped for a missing peer, shell or formatter of
        manual pages into a failure.
    ISOCENTER_HYPOTHESIS: profile, one of quick, default, ci, soak.
"""

from __future__ import annotations

import logging
import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests import peers
from tests.support.dropping.plugin import Dropping
from tests.support.programs import demand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

APART = (
    "attacks",
    "conformance",
    "faults",
    "fuzz",
    "interop",
    "dataset/test_convert.py",
    "dataset/test_rewrite_properties.py",
    "test_bench.py",
    "test_gate.py",
    "test_options_map.py",
    "test_public_api.py",
    "test_scripts.py",
)
"""What the gate runs apart, without coverage: folders and files under tests. Their tests start
programs, each of which would pay for coverage as long as it runs, or try many examples of what
other tests have covered. Tests run again with an option dropped belong to them, too.
"""

MEASURED = (
    "faults/test_data_dictionaries.py",
    "faults/test_dcmsend.py",
    "faults/test_echo_peer.py",
    "faults/test_exit_codes_storescu.py",
    "faults/test_explain_acceptor.py",
    "faults/test_explain_refused_contexts.py",
    "faults/test_explain_requestor.py",
    "faults/test_receiver_access.py",
    "faults/test_receiver_ends.py",
    "faults/test_receiver_inetd.py",
    "faults/test_receiver_pdus.py",
    "faults/test_receiver_tolerance.py",
    "faults/test_receiver_users.py",
)
"""Files of these folders that run with coverage nevertheless: nothing else covers what they do."""

# No deadline: the machine is shared, and a slow example is not a wrong one.
for _name, _examples in {"quick": 10, "default": 50, "ci": 200, "soak": 20_000}.items():
    settings.register_profile(
        _name,
        deadline=None,
        max_examples=_examples,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(
    os.environ.get("ISOCENTER_HYPOTHESIS") or ("ci" if os.environ.get("CI") else "default")
)


def pytest_configure(config: pytest.Config) -> None:
    """Run each test of options.toml once more, without the option whose effect it shows.

    What `nohup` and a shell's ``&`` ignore is heard again: the tools under test are children, and
    inherit it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    config.addinivalue_line("markers", "apart: in the part of the gate without coverage (APART)")
    dropping = Dropping(peers.ROOT / "tests" / "options.toml")
    config.pluginmanager.register(dropping, "isocenter-dropping")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies under tests/interop, and what the gate runs apart."""
    for item in items:
        parts = item.path.relative_to(peers.ROOT).parts[1:]
        if parts[0] == "interop":
            item.add_marker(pytest.mark.interop)
        if _is_apart(parts) or item.get_closest_marker("dropped"):
            item.add_marker(pytest.mark.apart)


def _is_apart(parts: tuple[str, ...]) -> bool:
    """Tell whether a file runs without coverage; `parts` is its path under tests."""
    name = "/".join(parts)
    return name not in MEASURED and (name in APART or parts[0] in APART)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip or fail a test whose peer is missing."""
    for marker in item.iter_markers("peer"):
        for name in marker.args:
            demand(peers.missing(str(name)))


@pytest.fixture(autouse=True)
def untouched_logging() -> Iterator[None]:
    """Leave logging as it was: tests run tools, which set it up, in their own process."""
    root, package = logging.getLogger(), logging.getLogger("isocenter")
    before = list(root.handlers), package.level
    yield
    root.handlers[:], level = before
    package.setLevel(level)


@pytest.fixture
def peer_tool() -> Callable[[str, str], str]:
    """Return a function: (peer, tool) to the path of that peer's program.

    It skips, or fails where peers are required, if the program is not there:
    ``peer_tool("dcmtk", "storescu")``.
    """

    def find(peer: str, tool: str) -> str:
        path = peers.find(peer, tool)
        if path is None:
            demand(f"{peer}'s {tool} is not installed (scripts/peers installs it)")
            raise AssertionError
        return path

    return find


@pytest.fixture
def free_port() -> int:
    """Return a TCP port on the loopback address that was free a moment ago.

    For programs that cannot be told to choose one themselves.
    """
    return peers.free_port()

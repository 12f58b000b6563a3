"""dcmqrscp: what it shares with storescp, by storescp's own tests: negotiation and TLS.

Each test runs here with the archive. tests/options.toml names them once more; each runs again
without its option and has to fail then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter.cli import dcmqrscp
from isocenter.cli.exitcodes import ExitCode
from tests.cli.effects import receiving, test_tls_acceptor
from tests.cli.effects.test_storescp import (
    test_acse_timeout_ends_a_connection_without_a_request,
    test_implicit_accepts_nothing_else,
    test_max_pdu_is_announced,
    test_of_all_that_is_proposed_the_preferred_is_accepted,
    test_refuse_rejects_everybody,
    test_reject_asks_for_an_implementation,
    test_where_it_is_reached,
)
from tests.cli.effects.test_tls_acceptor import *  # noqa: F403 - each of its tests

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "test_acse_timeout_ends_a_connection_without_a_request",
    "test_implicit_accepts_nothing_else",
    "test_max_pdu_is_announced",
    "test_of_all_that_is_proposed_the_preferred_is_accepted",
    "test_refuse_rejects_everybody",
    "test_reject_asks_for_an_implementation",
    "test_where_it_is_reached",
]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]

CONFIG = """\
NetworkTCPPort = 104
MaxPDUSize = 16384
MaxAssociations = 16
HostTable BEGIN
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
ANY-SCP {area} RW (200, 1024mb) ANY
AETable END
"""


@pytest.fixture(autouse=True)  # type: ignore[no-redef]  # in the place of storescp's
def folder(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Have dcmqrscp run in storescp's place, in an empty folder; nobody is at the terminal."""
    monkeypatch.chdir(tmp_path)
    place = tmp_path_factory.mktemp("archive")
    (place / "area").mkdir()
    # A program of its own finds the file where it stands.
    file = (tmp_path if "on_the_terminal" in request.node.name else place) / "dcmqrscp.cfg"
    file.write_text(CONFIG.format(area=place / "area"))
    always = ("-c", str(file), "-s", "--no-durable", "-dhl")
    monkeypatch.setattr(receiving, "main", dcmqrscp.main)
    monkeypatch.setattr(receiving, "ALWAYS", always)
    monkeypatch.setattr(test_tls_acceptor, "main", dcmqrscp.main)
    monkeypatch.setattr(test_tls_acceptor, "TOOL", "dcmqrscp")
    monkeypatch.setattr(test_tls_acceptor, "CANNOT_BEGIN", ExitCode.INVALID_CONFIG)
    monkeypatch.setattr("isocenter.cli.tls._has_terminal", lambda: False)
    return tmp_path

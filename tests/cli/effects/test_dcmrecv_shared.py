"""dcmrecv: what it shares with storescp, by storescp's own tests.

Each test runs here with the other tool: TLS, who is let in, how objects are kept, many at a time.
tests/options.toml names them once more; each runs again without its option and has to fail then.
"""

from __future__ import annotations

import pytest

from isocenter.cli import dcmrecv
from isocenter.cli.exitcodes import ExitCode
from tests.cli.effects import receiving, test_tls_acceptor
from tests.cli.effects.test_storescp import (
    folder,
    test_max_pdu_is_announced,
    test_where_it_is_reached,
    test_workers_serve_side_by_side,
)
from tests.cli.effects.test_storescp_files import (
    test_durable_outlasts_a_power_cut_behind_the_answer,
    test_min_free_refuses_before_the_disk_is_full,
    test_on_duplicate_keeps_what_is_there,
)
from tests.cli.effects.test_tls_acceptor import *  # noqa: F403 - each of its tests
from tests.faults.test_receiver_accept_lists import TestOptions as TestAcceptLists
from tests.faults.test_receiver_certificate_titles import (
    hospital,
    test_cert_ae_ties_titles_to_certificates,
)
from tests.faults.test_receiver_users import TestOptions as TestUsers
from tests.faults.test_receiver_users import key, users
from tests.support.tools import Receiver
from tests.test_limits import (
    test_receiver_with_workers_bounds_the_associations_of_one_peer_in_each,
)

__all__ = [
    "TestAcceptLists",
    "TestUsers",
    "folder",
    "hospital",
    "key",
    "test_cert_ae_ties_titles_to_certificates",
    "test_durable_outlasts_a_power_cut_behind_the_answer",
    "test_max_pdu_is_announced",
    "test_min_free_refuses_before_the_disk_is_full",
    "test_on_duplicate_keeps_what_is_there",
    "test_receiver_with_workers_bounds_the_associations_of_one_peer_in_each",
    "test_where_it_is_reached",
    "test_workers_serve_side_by_side",
    "users",
]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]

_ALWAYS = ("-xf", "storescp.cfg", "Default")
_EXACT = ("durable", "on_duplicate")
"""Words in the names of tests that compare files with what was sent."""


@pytest.fixture(autouse=True)
def tool(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have dcmrecv run in storescp's place; nobody is at the terminal."""
    exact = any(word in request.node.name for word in _EXACT)
    monkeypatch.setattr(receiving, "main", dcmrecv.main)
    monkeypatch.setattr(receiving, "ALWAYS", (*_ALWAYS, "+B") if exact else _ALWAYS)
    monkeypatch.setattr(Receiver, "TOOL", "dcmrecv")
    monkeypatch.setattr(Receiver, "ALWAYS", _ALWAYS)
    monkeypatch.setattr(test_tls_acceptor, "main", dcmrecv.main)
    monkeypatch.setattr(test_tls_acceptor, "TOOL", "dcmrecv")
    monkeypatch.setattr(test_tls_acceptor, "CANNOT_BEGIN", ExitCode.NO_TRANSPORT_LAYER)
    monkeypatch.setattr("isocenter.cli.tls._has_terminal", lambda: False)

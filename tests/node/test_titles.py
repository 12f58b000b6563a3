"""Who may associate with which title of an archive node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter.node.config import Entity, NodeConfig, Peer
from isocenter.node.titles import TitleAdmission, host_addresses
from isocenter.uids import VERIFICATION
from isocenter.ul.admission import RequestFacts
from isocenter.ul.negotiation import rejection
from isocenter.ul.pdu import RejectReason
from isocenter.ul.request import ProposedContext, build_request

if TYPE_CHECKING:
    from isocenter.ul.pdu import AAssociateRQ

NAMES = {
    "near.example": ("192.0.2.1", "2001:db8::1"),
    "far.example": ("192.0.2.9",),
}
CONFIG = NodeConfig(
    entities=(
        Entity(
            ae_title="STORE",
            storage_area="/a",
            peers=(
                Peer("NEAR", "Near.Example", 104),
                Peer("FAR", "far.example", 104),
                Peer("FIXED", "192.0.2.7", 104),
                Peer("GONE", "gone.example", 104),
            ),
        ),
        Entity(ae_title="OPEN", storage_area="/b"),
    ),
)
UNKNOWN_CALLED = rejection(RejectReason.USER_CALLED_AE_TITLE_NOT_RECOGNIZED)
UNKNOWN_CALLING = rejection(RejectReason.USER_CALLING_AE_TITLE_NOT_RECOGNIZED)


def look_up(name: str) -> tuple[str, ...]:
    """Return addresses as a name server would."""
    if name not in NAMES:
        raise OSError("no such name")
    return NAMES[name]


def request(calling: str, called: str) -> AAssociateRQ:
    """Return a request of one title with another."""
    return build_request(
        [ProposedContext(abstract_syntax=VERIFICATION, transfer_syntaxes=("1.2.840.10008.1.2",))],
        called_ae_title=called,
        calling_ae_title=calling,
        implementation_class_uid="1.2.3",
    )


@pytest.mark.parametrize(
    ("calling", "called", "address", "expected"),
    [
        ("NEAR", "STORE", "192.0.2.1:5", None),
        ("NEAR", "STORE", "2001:db8::1:5", None),
        ("NEAR", "STORE", "::ffff:192.0.2.1:5", None),
        (" NEAR ", "STORE ", "192.0.2.1:5", None),
        ("FIXED", "STORE", "192.0.2.7:5", None),
        ("WHOEVER", "OPEN", "198.51.100.1:5", None),
        ("NEAR", "STORE", "192.0.2.9:5", UNKNOWN_CALLING),
        ("FAR", "STORE", "192.0.2.1:5", UNKNOWN_CALLING),
        ("near", "STORE", "192.0.2.1:5", UNKNOWN_CALLING),
        ("OTHER", "STORE", "192.0.2.1:5", UNKNOWN_CALLING),
        ("GONE", "STORE", "192.0.2.1:5", UNKNOWN_CALLING),
        ("NEAR", "STORE", "unknown", UNKNOWN_CALLING),
        ("NEAR", "store", "192.0.2.1:5", UNKNOWN_CALLED),
        ("NEAR", "OTHER", "192.0.2.1:5", UNKNOWN_CALLED),
    ],
)
def test_title_and_host_are_compared(
    calling: str, called: str, address: str, expected: object
) -> None:
    admission = TitleAdmission(CONFIG, host_addresses(look_up))
    verdict = admission.judge(RequestFacts(peer_address=address), request(calling, called))
    assert verdict == expected


def test_names_match_nothing_where_none_is_looked_up() -> None:
    admission = TitleAdmission(CONFIG, None)
    near = RequestFacts(peer_address="192.0.2.1:5")
    fixed = RequestFacts(peer_address="192.0.2.7:5")
    assert admission.judge(near, request("NEAR", "STORE")) == UNKNOWN_CALLING
    assert admission.judge(fixed, request("FIXED", "STORE")) is None


def test_title_of_nobody_is_refused_where_the_table_is_empty() -> None:
    admission = TitleAdmission(NodeConfig(), None)
    facts = RequestFacts(peer_address="192.0.2.1:5")
    assert admission.judge(facts, request("A", "B")) == UNKNOWN_CALLED


def test_refusal_is_told_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    admission = TitleAdmission(CONFIG, host_addresses(look_up))
    admission.judge(RequestFacts(peer_address="192.0.2.1:5"), request("X\nY", "STORE"))
    (line,) = caplog.messages
    assert line == (
        r"refused association of 'X\nY' at 192.0.2.1 with 'STORE': title and host are not among "
        "its peers"
    )

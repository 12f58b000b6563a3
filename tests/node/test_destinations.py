"""Where an archive node moves objects to, and for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from isocenter.dimse.status import MOVE_DESTINATION_UNKNOWN
from isocenter.errors import DimseFailure
from isocenter.node.config import Entity, NodeConfig, Peer
from isocenter.node.destinations import (
    ANYWHERE,
    SAME_HOST,
    SAME_TITLE,
    SAME_VENDOR,
    Destinations,
)
from isocenter.record import NamedTuple
from isocenter.services.plans import MoveDestination

if TYPE_CHECKING:
    from isocenter.services.plans import RetrieveRequest
    from isocenter.ul.admission import RequestFacts

CONFIG = NodeConfig(
    entities=(
        Entity(
            ae_title="STORE",
            storage_area="/a",
            peers=(Peer("A", "host-a", 104), Peer("B", "host-b", 104), Peer("DEAF", "host-a", 0)),
        ),
    ),
    hosts={"c": (Peer("C", "host-c", 104),)},
    vendors={
        "First": (Peer("A", "host-a", 104),),
        "Second": (Peer("B", "b", 1), Peer("C", "c", 1)),
    },
)


class Asked(NamedTuple):
    """What of a request a decision needs."""

    destination: str | None
    calling_ae_title: str = "A"
    called_ae_title: str = "STORE"
    peer_address: str = "host-a:5"


def made(peer: Peer, own: str) -> MoveDestination:
    """Return a destination for a peer."""
    return MoveDestination(
        host=peer.host, port=peer.port, ae_title=peer.ae_title, calling_ae_title=own
    )


def comes_from(facts: RequestFacts, host: str) -> bool:
    """Compare hosts without looking anything up."""
    return facts.host == host


def decided(restriction: str, asked: Asked) -> str:
    """Return the host of the destination, or why there is none."""
    destinations = Destinations(CONFIG, restriction, made, comes_from)
    try:
        found = destinations.of(cast("RetrieveRequest", asked))
    except DimseFailure as failure:
        return failure.comment if failure.status == MOVE_DESTINATION_UNKNOWN else str(failure)
    return "" if found is None else found.host


@pytest.mark.parametrize(
    ("restriction", "asked", "expected"),
    [
        (ANYWHERE, Asked("B"), "host-b"),
        (ANYWHERE, Asked("C"), "host-c"),
        (ANYWHERE, Asked("X"), "unknown destination X"),
        (ANYWHERE, Asked("a"), "unknown destination a"),
        (ANYWHERE, Asked("DEAF"), "no port is known of DEAF"),
        (ANYWHERE, Asked(None), ""),
        (SAME_TITLE, Asked("A"), "host-a"),
        (SAME_TITLE, Asked("B"), "B: moves go to the title that asks only"),
        (SAME_HOST, Asked("A", "B"), "host-a"),
        (SAME_HOST, Asked("B"), "B: moves go to the host that asks only"),
        (SAME_VENDOR, Asked("A"), "host-a"),
        (SAME_VENDOR, Asked("B", "C"), "host-b"),
        (SAME_VENDOR, Asked("B"), "B: moves go to peers of the vendor that asks only"),
        (SAME_VENDOR, Asked("DEAF", "DEAF"), "no port is known of DEAF"),
    ],
)
def test_destination_is_known_and_allowed(restriction: str, asked: Asked, expected: str) -> None:
    assert decided(restriction, asked) == expected


def test_own_title_on_the_sub_association_is_the_one_that_was_called() -> None:
    destinations = Destinations(CONFIG, ANYWHERE, made, comes_from)
    found = destinations.of(cast("RetrieveRequest", Asked("B")))
    assert found is not None
    assert found.calling_ae_title == "STORE"

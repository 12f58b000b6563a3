"""Questions asked of an archive node's configuration."""

from __future__ import annotations

from isocenter.node.config import Entity, NodeConfig, Peer

NEAR = Peer("NEAR", "near.example", 104)
FAR = Peer("FAR", "10.0.0.9", 11112)
CONFIG = NodeConfig(
    entities=(
        Entity(ae_title="STORE", storage_area="/a", peers=(NEAR,)),
        Entity(ae_title="STORE", storage_area="/b", peers=(FAR,)),
        Entity(ae_title="OPEN", storage_area="/c"),
    ),
    hosts={"other": (Peer("OTHER", "other.example", 1), Peer("NEAR", "elsewhere", 2))},
    vendors={"Acme": (NEAR, FAR)},
)


def test_first_entry_of_a_title_gives_its_properties() -> None:
    entity = CONFIG.entity("STORE")
    assert entity is not None
    assert entity.storage_area == "/a"
    assert CONFIG.entity("store") is None


def test_any_entry_of_a_title_admits_its_peers() -> None:
    assert CONFIG.admits("STORE", "NEAR", "near.example".__eq__)
    assert CONFIG.admits("STORE", "FAR", "10.0.0.9".__eq__)


def test_title_and_host_have_both_to_be_those_of_a_peer() -> None:
    assert not CONFIG.admits("STORE", "NEAR", "10.0.0.9".__eq__)
    assert not CONFIG.admits("STORE", "near", "near.example".__eq__)
    assert not CONFIG.admits("STORE", "NEAR", lambda host: False)
    assert not CONFIG.admits("UNKNOWN", "NEAR", lambda host: True)


def test_entry_for_everybody_admits_everybody() -> None:
    assert CONFIG.admits("OPEN", "WHOEVER", lambda host: False)


def test_title_that_no_entity_has_stands_for_the_fallback() -> None:
    config = NodeConfig(
        entities=(Entity(ae_title="STORE", storage_area="/a", peers=(NEAR,)),),
        fallback=Entity(ae_title="", storage_area="/b"),
    )
    assert config.entity("ANY") == config.fallback
    assert config.admits("ANY", "WHOEVER", lambda host: False)
    assert not config.admits("STORE", "WHOEVER", lambda host: True)


def test_destinations_are_peers_of_entities_then_hosts() -> None:
    assert CONFIG.destination("NEAR") == NEAR
    assert CONFIG.destination("OTHER") == Peer("OTHER", "other.example", 1)
    assert CONFIG.destination("other") is None


def test_vendors_of_a_title() -> None:
    assert CONFIG.vendors_of("FAR") == ("Acme",)
    assert CONFIG.vendors_of("OTHER") == ()

"""What an archive node is told: its entities, who may reach them, where objects may go.

Plain data and the questions asked of it. Owns no syntax: `isocenter.cli.qrconfig` reads
dcmqrscp's file into these records. Must not know the network, nor the archive.

DCMTK's dcmqrcnf.txt; PS3.4 C.4.2 (destinations of C-MOVE).
"""

from __future__ import annotations

from isocenter.record import NamedTuple, Record

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "DEFAULT_MAXIMUM_ASSOCIATIONS",
    "DEFAULT_MAXIMUM_LENGTH",
    "DEFAULT_PORT",
    "CharsetRules",
    "Entity",
    "NodeConfig",
    "Peer",
    "Quota",
]

DEFAULT_PORT = 104
"""TCP port of DICOM (PS3.8 9.1.1)."""

DEFAULT_MAXIMUM_LENGTH = 16384
"""Bytes of P-DATA that a node takes in a PDU where nobody says otherwise."""

DEFAULT_MAXIMUM_ASSOCIATIONS = 16
"""Associations that a node serves at a time where nobody says otherwise."""


class Peer(NamedTuple):
    """An application entity elsewhere.

    Fields:
        ae_title: its title, case significant.
        host: name or address.
        port: TCP port it listens on; 0 where it does not listen.
    """

    ae_title: str
    host: str
    port: int


class Quota(NamedTuple):
    """What a storage area may hold.

    Fields:
        maximum_studies: studies; the one longest untouched goes when another comes.
        maximum_study_bytes: bytes of all objects of one study.
    """

    maximum_studies: int
    maximum_study_bytes: int


class CharsetRules(Record):
    """How the text of query responses is encoded (PS3.3 C.12.1.1.2).

    Fields:
        name: Specific Character Set to convert to, backslashes between several; "" for ASCII.
        override: convert every response to it; otherwise to that of the request, and to it
            only where that fails.
        transliterate: replace characters that the target lacks by similar ones.
        discard: leave such characters out.
    """

    name: str = ""
    override: bool = False
    transliterate: bool = False
    discard: bool = False


class Entity(Record):
    """One title of the node, with the storage area behind it.

    Fields:
        ae_title: the title that peers call, case significant.
        storage_area: path of the folder with its objects.
        readable: queries and retrievals are served.
        writable: objects are taken.
        quota: what the area may hold, None for no bound.
        peers: who may associate, None for everybody.
    """

    ae_title: str
    storage_area: str
    readable: bool = True
    writable: bool = True
    quota: Quota | None = None
    peers: tuple[Peer, ...] | None = None

    def admits(self, calling_ae_title: str, is_host: Callable[[str], bool]) -> bool:
        """Tell whether a peer may associate.

        Args:
            calling_ae_title: its title, without padding.
            is_host: tells whether it comes from a host of that name or address.
        """
        if self.peers is None:
            return True
        return any(peer.ae_title == calling_ae_title and is_host(peer.host) for peer in self.peers)


class NodeConfig(Record):
    """Everything that an archive node is told.

    Fields:
        port: TCP port to listen on.
        maximum_length: bytes of P-DATA that it takes in a PDU.
        maximum_associations: served at a time; 0 refuses every one.
        charset: how responses are encoded.
        user_name, group_name: whom to become once the port is open, "" to stay.
        entities: titles in the order of the file; one title may stand there more than once.
        hosts: symbolic names and the peers they stand for.
        vendors: names of vendors and the peers that are theirs.
        fallback: what every title stands for that no entity has; None for nothing.
    """

    port: int = DEFAULT_PORT
    maximum_length: int = DEFAULT_MAXIMUM_LENGTH
    maximum_associations: int = DEFAULT_MAXIMUM_ASSOCIATIONS
    charset: CharsetRules | None = None
    user_name: str = ""
    group_name: str = ""
    entities: tuple[Entity, ...] = ()
    hosts: Mapping[str, tuple[Peer, ...]] = {}
    vendors: Mapping[str, tuple[Peer, ...]] = {}
    fallback: Entity | None = None

    def entity(self, called_ae_title: str) -> Entity | None:
        """Return what a title stands for: the first entry of that title, None where unknown."""
        for entity in self.entities:
            if entity.ae_title == called_ae_title:
                return entity
        return self.fallback

    def admits(
        self, called_ae_title: str, calling_ae_title: str, is_host: Callable[[str], bool]
    ) -> bool:
        """Tell whether a peer may associate with a title: any entry of the title will do."""
        entries = [entity for entity in self.entities if entity.ae_title == called_ae_title]
        if not entries and self.fallback is not None:
            entries = [self.fallback]
        return any(entity.admits(calling_ae_title, is_host) for entity in entries)

    def destination(self, ae_title: str) -> Peer | None:
        """Return the peer to move objects to: of the entities' peers, then of the hosts' (A801)."""
        for entity in self.entities:
            for peer in entity.peers or ():
                if peer.ae_title == ae_title:
                    return peer
        for peers in self.hosts.values():
            for peer in peers:
                if peer.ae_title == ae_title:
                    return peer
        return None

    def vendors_of(self, ae_title: str) -> tuple[str, ...]:
        """Return the names of the vendors that a title belongs to."""
        return tuple(
            name
            for name, peers in self.vendors.items()
            if any(peer.ae_title == ae_title for peer in peers)
        )

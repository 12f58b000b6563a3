"""A node that answers queries by a script: what C-FIND is tested against.

Owns the node and what it was asked. What it answers is the test's.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from isocenter import uids
from isocenter.api.acceptor import Server
from isocenter.dataset.tree import decode, encode
from isocenter.limits import DEFAULTS
from isocenter.net.dispatch import ServeOptions, ThreadDispatcher
from isocenter.net.listener import Listener, ListenOptions
from isocenter.net.options import AssociationOptions
from isocenter.net.transport import SocketOptions
from isocenter.services.acceptor import Acceptor
from isocenter.services.providers import FindMatch
from isocenter.services.registry import Registry
from isocenter.services.verification import AlwaysVerified
from isocenter.ul.negotiation import AcceptorPolicy
from isocenter.ul.options import EngineOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from isocenter.dataset.tree import Node
    from isocenter.services.providers import FindRequest

    Answers: TypeAlias = Callable[[FindRequest], Iterator[FindMatch | None]]

__all__ = ["MODELS", "QueryNode", "matches", "querying"]

MODELS = (
    uids.MODALITY_WORKLIST_FIND,
    uids.PATIENT_ROOT_FIND,
    uids.STUDY_ROOT_FIND,
    uids.PATIENT_STUDY_ONLY_FIND,
)

UNCOMPRESSED = (
    uids.EXPLICIT_VR_LITTLE_ENDIAN,
    uids.EXPLICIT_VR_BIG_ENDIAN,
    uids.IMPLICIT_VR_LITTLE_ENDIAN,
    uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
)


def matches(*answers: Node, partial: bool = False, delimited: bool = False) -> Answers:
    """Return a script that answers every query with these data sets."""

    def answer(request: FindRequest) -> Iterator[FindMatch | None]:
        for node in answers:
            data = encode(node, request.transfer_syntax_uid, delimited=delimited)
            yield FindMatch(data + b"\0" * (len(data) % 2), partial)

    return answer


class QueryNode:
    """Answers as its script says.

    Attributes:
        port: that it listens on.
        answers: the script; may be put in another's place between queries.
        requests: what was asked.
    """

    def __init__(self, answers: Answers) -> None:
        self.port = 0
        self.answers = answers
        self.requests: list[FindRequest] = []

    def find(self, request: FindRequest) -> Iterator[FindMatch | None]:
        self.requests.append(request)
        yield from self.answers(request)

    def identifiers(self) -> list[Node]:
        """Return what was asked, read."""
        return [decode(asked.identifier, asked.transfer_syntax_uid) for asked in self.requests]


@contextlib.contextmanager
def querying(
    answers: Answers | None = None,
    *,
    models: tuple[str, ...] = MODELS,
    syntaxes: tuple[str, ...] = UNCOMPRESSED,
) -> Iterator[QueryNode]:
    """Run a node on a port that the system picks."""
    node = QueryNode(answers or matches())
    made = Registry(verification=AlwaysVerified())
    made.add_query(node, models)
    policy = AcceptorPolicy(
        abstract_syntaxes=dict.fromkeys((uids.VERIFICATION, *models), syntaxes),
        implementation_class_uid=uids.IMPLEMENTATION_CLASS_UID,
        implementation_version_name=uids.IMPLEMENTATION_VERSION_NAME,
        maximum_length=16384,
    )
    engine = EngineOptions(limits=DEFAULTS, maximum_length=16384, idle_timeout=60.0)
    sockets = SocketOptions()
    serving = ServeOptions(
        engine=engine,
        association=AssociationOptions(dimse_timeout=30.0),
        sockets=sockets,
        maximum_associations=20,
    )
    dispatcher = ThreadDispatcher(Acceptor(policy, made).serve, serving)
    listener = Listener(ListenOptions(port=0, host="127.0.0.1"), engine, sockets, dispatcher)
    server = Server(listener, listener.open(), lambda: None)
    node.port = server.port
    try:
        yield node
    finally:
        server.stop(timeout=5.0)

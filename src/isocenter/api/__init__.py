"""What a Python developer calls: `connect` to a peer, `serve` to peers.

Composition only: negotiation, drivers and services do the work. Everything here is
synchronous; an association belongs to the thread that uses it, a server has its own.

    import isocenter

    with isocenter.connect("127.0.0.1", 11112) as peer:
        peer.echo()
        result = peer.store("image.dcm")
        for match in peer.find({"QueryRetrieveLevel": "STUDY", "PatientName": "DOE*"}):
            print(match.dataset())
        for progress in peer.move({"QueryRetrieveLevel": "STUDY", ...}, "WORKSTATION"):
            print(progress.remaining)

PS3.7 8, PS3.8 7.
"""

from __future__ import annotations

from isocenter.api.acceptor import Server, serve
from isocenter.api.queries import FindResult
from isocenter.api.requestor import Peer, StoreResult, connect, contexts_for
from isocenter.api.retrieves import RetrieveProgress, contexts_for_get, plan_of_files

__all__ = [
    "FindResult",
    "Peer",
    "RetrieveProgress",
    "Server",
    "StoreResult",
    "connect",
    "contexts_for",
    "contexts_for_get",
    "plan_of_files",
    "serve",
]

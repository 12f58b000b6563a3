"""A node whose retrieves are planned by a script: what C-GET and C-MOVE are tested against.

Owns the node, its plan and the lists of what it told its observer. What is in the plan, and where
a destination is, is the test's.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from isocenter import uids
from isocenter.api.acceptor import Server
from isocenter.errors import DimseFailure
from isocenter.limits import DEFAULTS
from isocenter.net.dispatch import ServeOptions, ThreadDispatcher
from isocenter.net.listener import Listener, ListenOptions
from isocenter.net.options import AssociationOptions
from isocenter.net.transport import SocketOptions
from isocenter.node.retrieval import FileSender
from isocenter.services.acceptor import Acceptor, SilentObserver
from isocenter.services.plans import MoveDestination, RetrievePlan
from isocenter.services.registry import Registry
from isocenter.services.verification import AlwaysVerified
from isocenter.ul.negotiation import AcceptorPolicy, Role
from isocenter.ul.options import EngineOptions
from tests.support import part10

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from isocenter.dimse.commands import Message
    from isocenter.net.association import Association
    from isocenter.services.plans import RetrieveInstance, RetrieveRequest
    from isocenter.wire import Segment

__all__ = ["Node", "RetrieveNode", "retrieving"]

_RETRIEVE = (
    uids.PATIENT_ROOT_GET,
    uids.STUDY_ROOT_GET,
    uids.PATIENT_STUDY_ONLY_GET,
    uids.PATIENT_ROOT_MOVE,
    uids.STUDY_ROOT_MOVE,
    uids.PATIENT_STUDY_ONLY_MOVE,
    uids.PATIENT_ROOT_FIND,
    uids.STUDY_ROOT_FIND,
    uids.PATIENT_STUDY_ONLY_FIND,
)


class Watcher(SilentObserver):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.responses: list[Message] = []
        self.identifiers: list[bytes] = []
        self.cancels = 0
        self.problems: list[str] = []
        self.answering = threading.Event()

    def answered(
        self,
        association: Association,
        context_id: int,
        response: Message,
        identifier: Sequence[Segment] | None,
    ) -> None:
        del association, context_id
        self.responses.append(response)
        self.identifiers.append(b"".join(bytes(part) for part in identifier or ()))
        self.answering.set()

    def cancel(self, association: Association, command: Message, request: Message | None) -> None:
        del association, command, request
        self.cancels += 1

    def failed(self, association: Association, problem: Exception) -> None:
        del association
        self.problems.append(str(problem))


class RetrieveNode:
    """Plans what a test put into it.

    Attributes:
        instances: what each retrieve sends; files where none are given.
        destinations: where each title is.
        failure: raised instead, where there is one.
        requests: those that were planned.
        ended: plans that were given back.
    """

    def __init__(self, files: Sequence[Path], destinations: dict[str, int]) -> None:
        self.files = list(files)
        self.destinations = destinations
        self.instances: list[RetrieveInstance] | None = None
        self.failure: Exception | None = None
        self.requests: list[RetrieveRequest] = []
        self.dimse_timeout: float | None = 20.0
        self.ended = threading.Semaphore(0)

    def plan(self, request: RetrieveRequest) -> RetrievePlan:
        self.requests.append(request)
        if self.failure is not None:
            raise self.failure
        destination = None
        if request.destination is not None:
            port = self.destinations.get(request.destination)
            if port is None:
                raise DimseFailure(0xA801, f"unknown destination {request.destination}")
            destination = MoveDestination(
                host="127.0.0.1",
                port=port,
                ae_title=request.destination,
                calling_ae_title=request.called_ae_title,
                dimse_timeout=self.dimse_timeout,
            )
        sender = FileSender()

        def end() -> None:
            sender.close()
            self.ended.release()

        instances = self.instances
        if instances is None:
            instances = []
            for path in self.files:
                parts = part10.read(path)
                instances.append(
                    sender.instance(
                        str(path),
                        parts.text(0x00020002),
                        parts.text(0x00020003),
                        parts.transfer_syntax,
                    )
                )
        return RetrievePlan(instances=instances, destination=destination, at_end=end)


class Node:
    """A running one.

    Attributes:
        port: that it listens on.
        script: what it plans.
        watcher: what its observer was told.
        server: to be stopped.
    """

    def __init__(self, port: int, script: RetrieveNode, watcher: Watcher, server: Server) -> None:
        self.port = port
        self.script = script
        self.watcher = watcher
        self.server = server


@contextlib.contextmanager
def retrieving(
    files: Sequence[Path] = (),
    destinations: dict[str, int] | None = None,
    *,
    roles: bool = True,
    idle_timeout: float | None = 30.0,
    dimse_timeout: float | None = 20.0,
) -> Iterator[Node]:
    """Run a node; `roles`: a requestor may be SCP of storage classes."""
    script = RetrieveNode(files, {} if destinations is None else destinations)
    watcher = Watcher()
    made = Registry(verification=AlwaysVerified())
    made.add_retrieve(script)
    syntaxes = uids.ACCEPT_ALL_TRANSFER_SYNTAXES
    classes = (uids.VERIFICATION, *_RETRIEVE, *uids.DEFAULT_STORAGE_CLASSES)
    policy = AcceptorPolicy(
        abstract_syntaxes=dict.fromkeys(classes, syntaxes),
        implementation_class_uid=uids.IMPLEMENTATION_CLASS_UID,
        accept_roles=(lambda _: Role.SCU | Role.SCP) if roles else None,
    )
    engine = EngineOptions(limits=DEFAULTS, maximum_length=65536, idle_timeout=idle_timeout)
    sockets = SocketOptions()
    serving = ServeOptions(
        engine=engine,
        association=AssociationOptions(dimse_timeout=dimse_timeout),
        sockets=sockets,
        maximum_associations=20,
    )
    dispatcher = ThreadDispatcher(Acceptor(policy, made, watcher).serve, serving)
    listener = Listener(ListenOptions(port=0, host="127.0.0.1"), engine, sockets, dispatcher)
    server = Server(listener, listener.open(), lambda: None)
    try:
        yield Node(server.port, script, watcher, server)
    finally:
        server.stop(timeout=5.0)

"""What is asked of an archive node in tests: queries and retrieves over associations of our own.

Owns the requests and their encoding. Which node answers is the test's.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

from pydicom.dataset import Dataset

from isocenter import uids
from isocenter.dataset.bridge import decode_dataset, encode_dataset
from isocenter.net.client import ConnectOptions, connect
from isocenter.services import query, retrieve
from isocenter.ul.negotiation import Role
from isocenter.ul.request import ProposedContext, build_request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from isocenter.net.association import Association
    from isocenter.net.tls import ClientTls
    from isocenter.services.providers import StoreRequest

__all__ = ["CT", "Fetched", "Found", "associated", "context_of", "fetch", "find", "move"]

CT = "1.2.840.10008.5.1.4.1.1.2"
_PATIENCE = 30.0


class Found(NamedTuple):
    """What a query brought: the `status` at the end with its `comment`, the `matches`."""

    status: int
    comment: str
    matches: list[Dataset]


class Fetched(NamedTuple):
    """What a C-GET brought: the `status` at the end, the `objects` with their syntaxes."""

    status: int
    objects: list[tuple[str, Dataset]]


@contextlib.contextmanager
def associated(
    port: int,
    *classes: str,
    called: str = "STORE",
    calling: str = "TESTER",
    syntaxes: tuple[str, ...] = (uids.EXPLICIT_VR_LITTLE_ENDIAN, uids.IMPLICIT_VR_LITTLE_ENDIAN),
    receives: tuple[str, ...] = (),
    implementation: str = "1.2.3",
    tls: ClientTls | None = None,
) -> Iterator[Association]:
    """Associate with a node; `receives` are classes of which this side takes objects."""
    request = build_request(
        [ProposedContext(abstract_syntax=uid, transfer_syntaxes=syntaxes) for uid in classes]
        + [
            ProposedContext(abstract_syntax=uid, transfer_syntaxes=syntaxes, role=Role.SCP)
            for uid in receives
        ],
        called_ae_title=called,
        calling_ae_title=calling,
        implementation_class_uid=implementation,
    )
    options = ConnectOptions(
        host="127.0.0.1", port=port, acse_timeout=_PATIENCE, dimse_timeout=_PATIENCE, tls=tls
    )
    association = connect(options, request)
    try:
        yield association
        if not association.closed:
            association.release()
    finally:
        association.abort()


def context_of(association: Association, uid: str) -> int:
    """Return the id of the accepted context of a class."""
    return next(
        number for number, context in association.contexts.items() if context.abstract_syntax == uid
    )


def _identifier(association: Association, context_id: int, keys: Mapping[str, object]) -> bytes:
    identifier = Dataset()
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    return encode_dataset(identifier, association.contexts[context_id].transfer_syntax)


def find(
    port: int, keys: Mapping[str, object], *, model: str = uids.STUDY_ROOT_FIND, **how: str
) -> Found:
    """Query a node; `how` are titles, as for `associated`."""
    with associated(port, model, **how) as association:  # type: ignore[arg-type]
        context_id = context_of(association, model)
        syntax = association.contexts[context_id].transfer_syntax
        responses = list(
            query.find(association, context_id, _identifier(association, context_id, keys))
        )
        matches = [decode_dataset(each.identifier, syntax) for each in responses if each.identifier]
        return Found(responses[-1].status, responses[-1].comment, matches)


def move(
    port: int,
    destination: str,
    keys: Mapping[str, object],
    *,
    model: str = uids.STUDY_ROOT_MOVE,
    tls: ClientTls | None = None,
    **how: str,
) -> retrieve.RetrieveResponse:
    """Have a node move objects; return the final response."""
    with associated(port, model, tls=tls, **how) as association:  # type: ignore[arg-type]
        context_id = context_of(association, model)
        identifier = _identifier(association, context_id, keys)
        return list(retrieve.move(association, context_id, identifier, destination))[-1]


class _Keeper:
    """Takes objects and remembers them."""

    def __init__(self) -> None:
        self.objects: list[tuple[str, Dataset]] = []

    def store(self, request: StoreRequest) -> int:
        """Keep the object."""
        self.objects.append((request.transfer_syntax_uid, request.dataset()))
        return 0


def fetch(
    port: int,
    keys: Mapping[str, object],
    *,
    model: str = uids.STUDY_ROOT_GET,
    called: str = "STORE",
    syntaxes: tuple[str, ...] = (uids.EXPLICIT_VR_LITTLE_ENDIAN, uids.IMPLICIT_VR_LITTLE_ENDIAN),
) -> Fetched:
    """Get CT images from a node."""
    keeper = _Keeper()
    with associated(port, model, called=called, receives=(CT,), syntaxes=syntaxes) as association:
        context_id = context_of(association, model)
        identifier = _identifier(association, context_id, keys)
        responses = list(retrieve.get(association, context_id, identifier, keeper))
        return Fetched(responses[-1].status, keeper.objects)

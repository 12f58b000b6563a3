"""Queries and retrieves answered from archives: what joins C-FIND, C-MOVE and C-GET with areas.

Joins the services, which know no archive, with the catalogue of the area behind the title that
was called. Owns which status an error of an identifier or of an index becomes. Must not know the
network, options of a tool, nor how matching is done.

    A900  the identifier does not match the SOP class
    C000  it cannot be understood, or the index cannot be read
    A801  the destination of a C-MOVE is not known, or not allowed
    0124  the area behind the title may not be read

PS3.4 C.4.1.1.4, C.4.2.1.5, C.4.3.1.4.
"""

from __future__ import annotations

import os

from isocenter import uids
from isocenter.archive.catalogue import (
    AnswerEncoder,
    CharacterSetOptions,
    MatchingError,
    parse,
    parse_retrieve,
)
from isocenter.archive.matching import MISMATCH, PATIENT_ROOT, PATIENT_STUDY_ONLY, STUDY_ROOT
from isocenter.dimse.status import (
    DATA_SET_DOES_NOT_MATCH_SOP_CLASS,
    NOT_AUTHORIZED,
    UNABLE_TO_PROCESS,
)
from isocenter.errors import ArchiveError, DimseFailure
from isocenter.logs import get_logger
from isocenter.node.config import CharsetRules
from isocenter.node.retrieval import FileSender
from isocenter.record import NamedTuple
from isocenter.services.plans import RetrievePlan
from isocenter.services.providers import FindMatch

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from isocenter.archive.catalogue import Catalogue, Query
    from isocenter.node.destinations import Destinations
    from isocenter.sender.encoding import EncodingOptions
    from isocenter.services.plans import RetrieveRequest
    from isocenter.services.providers import FindRequest
    from isocenter.ul.request import ProposedContext

__all__ = ["ArchiveQueries", "ArchiveRetrieves", "NodeAreas", "Proposal", "ReadableArea"]

_LOGGER = get_logger(__name__)

_AT_ONCE = 50
"""Matches that go out together, at most: the first should not wait for many."""

_MODELS: Mapping[str, str] = {
    uids.PATIENT_ROOT_FIND: PATIENT_ROOT,
    uids.PATIENT_ROOT_MOVE: PATIENT_ROOT,
    uids.PATIENT_ROOT_GET: PATIENT_ROOT,
    uids.STUDY_ROOT_FIND: STUDY_ROOT,
    uids.STUDY_ROOT_MOVE: STUDY_ROOT,
    uids.STUDY_ROOT_GET: STUDY_ROOT,
    uids.PATIENT_STUDY_ONLY_FIND: PATIENT_STUDY_ONLY,
    uids.PATIENT_STUDY_ONLY_MOVE: PATIENT_STUDY_ONLY,
    uids.PATIENT_STUDY_ONLY_GET: PATIENT_STUDY_ONLY,
}


class Proposal(NamedTuple):
    """What is proposed to the destination of a C-MOVE.

    Fields:
        contexts: the SOP classes of the objects to the contexts that are proposed.
        targets: transfer syntaxes that objects may be converted to, the best first.
    """

    contexts: Callable[[Sequence[str]], Sequence[ProposedContext]]
    targets: tuple[str, ...]


class ReadableArea:
    """A storage area that is read: its folder, and its catalogue, opened with the first question.

    Args:
        directory: path of the folder.
        make: opens the catalogue; raises ArchiveError where there is none to be read.
    """

    __slots__ = ("_catalogue", "_make", "directory")

    def __init__(self, directory: str, make: Callable[[], Catalogue]) -> None:
        """Open nothing."""
        self.directory = directory
        self._make = make
        self._catalogue: Catalogue | None = None

    def catalogue(self) -> Catalogue:
        """Return the catalogue.

        Raises:
            ArchiveError: it cannot be opened.
        """
        if self._catalogue is None:
            self._catalogue = self._make()
        return self._catalogue

    def close(self) -> None:
        """Close the catalogue's connections."""
        if self._catalogue is not None:
            self._catalogue.close()
            self._catalogue = None


class NodeAreas:
    """The areas behind the titles of a node.

    Args:
        areas: called AE title to the area that may be read under it.
    """

    __slots__ = ("_areas",)

    def __init__(self, areas: Mapping[str, ReadableArea]) -> None:
        """Keep the areas."""
        self._areas = areas

    def of(self, title: str) -> ReadableArea:
        """Return the area of a title.

        Raises:
            DimseFailure: nothing may be read under it (0124).
        """
        area = self._areas.get(title)
        if area is None:
            raise DimseFailure(NOT_AUTHORIZED, f"nothing may be read under the title {title}")
        return area


class ArchiveQueries:
    """Answers C-FIND from the area behind the called title; for any thread.

    Args:
        areas: of the node.
        strict: refuse identifiers that break a rule of PS3.4 C.4.1 (``-XF``).
        characters: in which character set answers are given, None for that of the request or
            ASCII.
    """

    __slots__ = ("_areas", "_characters", "_strict")

    def __init__(
        self, areas: NodeAreas, *, strict: bool, characters: CharsetRules | None = None
    ) -> None:
        """Keep the arguments."""
        self._areas = areas
        self._strict = strict
        rules = characters or CharsetRules()
        self._characters = CharacterSetOptions(
            character_set=rules.name,
            overrides=rules.override,
            transliterates=rules.transliterate,
            discards=rules.discard,
        )

    def find(self, request: FindRequest) -> Iterator[list[FindMatch] | None]:
        """As `services.providers.FindProvider`: some matches at a time, as the index has them.

        Raises:
            DimseFailure: the identifier cannot be answered, or the index not be read.
        """
        title = request.called_ae_title
        area = self._areas.of(title)
        query = _understood(
            lambda: parse(
                request.identifier,
                request.transfer_syntax_uid,
                _MODELS[request.sop_class_uid],
                strict=self._strict,
            )
        )
        encoder = AnswerEncoder(
            query,
            request.transfer_syntax_uid,
            retrieve_ae_title=title,
            options=self._characters,
        )
        ready: list[FindMatch] = []
        try:
            for answer in area.catalogue().search(query):
                if answer is not None:
                    ready.append(FindMatch(encoder.encode(answer), query.is_partial))
                if answer is None or len(ready) >= _AT_ONCE:
                    yield ready or None  # a page without a match: time to look whether to go on
                    ready = []
        except ArchiveError as problem:
            raise _unreadable(problem) from problem


class ArchiveRetrieves:
    """Plans C-MOVE and C-GET from the area behind the called title; for any thread.

    Args:
        areas: of the node.
        destinations: where a C-MOVE may go.
        strict: refuse identifiers with other keys than unique ones (``-XM``).
        proposal: what is proposed to destinations; None for what the objects need.
        encoding: how objects are converted.
    """

    __slots__ = ("_areas", "_destinations", "_encoding", "_proposal", "_strict")

    def __init__(
        self,
        areas: NodeAreas,
        destinations: Destinations,
        *,
        strict: bool,
        proposal: Proposal | None = None,
        encoding: EncodingOptions | None = None,
    ) -> None:
        """Keep the arguments."""
        self._proposal = proposal
        self._encoding = encoding
        self._areas = areas
        self._destinations = destinations
        self._strict = strict

    def plan(self, request: RetrieveRequest) -> RetrievePlan:
        """As `services.plans.RetrieveProvider`.

        Raises:
            DimseFailure: nothing can be sent, because of the identifier, the destination or the
                index.
        """
        area = self._areas.of(request.called_ae_title)
        destination = self._destinations.of(request)
        query = _understood(
            lambda: parse_retrieve(
                request.identifier,
                request.transfer_syntax_uid,
                _MODELS[request.sop_class_uid],
                strict=self._strict,
            )
        )
        try:
            found = area.catalogue().locate(query)
        except ArchiveError as problem:
            raise _unreadable(problem) from problem
        proposal = None if destination is None else self._proposal
        if proposal is None:
            sender, contexts = FileSender(self._encoding), None
        else:
            sender = FileSender(self._encoding, targets=proposal.targets)
            contexts = proposal.contexts(tuple(dict.fromkeys(i.sop_class_uid for i in found)))
        return RetrievePlan(
            instances=tuple(
                sender.instance(
                    os.path.join(area.directory, instance.path),
                    instance.sop_class_uid,
                    instance.sop_instance_uid,
                    instance.transfer_syntax_uid,
                )
                for instance in found
            ),
            destination=destination,
            contexts=contexts,
            at_end=sender.close,
        )


def _understood(read: Callable[[], Query]) -> Query:
    """Return what an identifier asks for.

    Raises:
        DimseFailure: it cannot be answered.
    """
    try:
        return read()
    except MatchingError as problem:
        status = (
            DATA_SET_DOES_NOT_MATCH_SOP_CLASS if problem.kind == MISMATCH else UNABLE_TO_PROCESS
        )
        raise DimseFailure(status, problem.comment, problem.tags) from problem


def _unreadable(problem: ArchiveError) -> DimseFailure:
    """Return what the peer is told: no paths of this machine."""
    _LOGGER.error("%s", problem)
    return DimseFailure(UNABLE_TO_PROCESS, "the index cannot be read")

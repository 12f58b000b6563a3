"""``--explain`` of findscu: what a failure status of a query means, and why a query broke off.

Owns these words. What associations and connections fail of has its words elsewhere
(`explaining`).

PS3.4 C.4.1.1.4 (statuses of C-FIND).
"""

from __future__ import annotations

from isocenter.cli.explain import as_text
from isocenter.dimse import status as codes
from isocenter.logs import WARNING, get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from isocenter.cli.explain import Lines
    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.errors import IsocenterError
    from isocenter.net.association import Association
    from isocenter.services.query import FindResponse

__all__ = [
    "explain_broken_query",
    "explain_no_model",
    "explain_refused_query",
    "query_refused",
]

_LOGGER = get_logger(__name__)

_OUT_OF_RESOURCES = (
    "it is out of resources, or would find more than it returns",
    "Narrow the query: a date range, a level above, fewer wildcards.",
)
_DOES_NOT_MATCH = (
    "the keys are not what this information model asks for",
    (
        "Mostly QueryRetrieveLevel is missing (-k QueryRetrieveLevel=STUDY), or a unique key of a "
        "level above; -P, -S, -O and -W choose the model, and the worklist is the default."
    ),
)
_UNABLE = (
    "it could not process the query",
    "Its log says more; mostly a key has a value that it cannot work with.",
)
_MODELS = "-P, -S, -O and -W choose the information model; that of worklists (-W) is the default."
_NOT_SUPPORTED = (
    "it does not answer queries of this information model, although it accepted the context",
    _MODELS,
)
_CANCELLED = ("it gave the query up, although nobody asked for that", "Its log says more.")


def _reason(status: int) -> tuple[str, str]:
    if status == codes.SOP_CLASS_NOT_SUPPORTED:
        return _NOT_SUPPORTED
    if status == codes.CANCEL:
        return _CANCELLED
    if status == codes.NOT_AUTHORIZED:
        return (
            "this AE title may not query there",
            "-aet says who asks, and the peer has a list of whom it answers.",
        )
    if status & 0xFF00 == codes.OUT_OF_RESOURCES:
        return _OUT_OF_RESOURCES
    if status & 0xFF00 == codes.DATA_SET_DOES_NOT_MATCH_SOP_CLASS:
        return _DOES_NOT_MATCH
    if status & 0xF000 == codes.UNABLE_TO_PROCESS:
        return _UNABLE
    return ("it has a reason of its own", "Its log says more.")


def query_refused(status: int, *, comment: str = "", offending: tuple[int, ...] = ()) -> Lines:
    """Explain the final status of a query that did not end well."""
    because, advice = _reason(status)
    lines: Lines = (
        f"the peer ended the query with a failure, because {because} ({status:04X}H).",
        advice,
    )
    if comment:
        lines = (*lines, f"It comments: {comment.strip()!a}.")
    if offending:
        from isocenter.dataset.dictionary import DEFAULT_DICTIONARY

        names = [
            f"({tag >> 16:04x},{tag & 0xFFFF:04x}) {DEFAULT_DICTIONARY.keyword_of(tag)}".rstrip()
            for tag in offending[:8]
        ]
        lines = (*lines, f"It names as offending: {', '.join(names)}.")
    return lines


def explain_refused_query(response: FindResponse) -> None:
    """Say what the final status of a query means."""
    if _LOGGER.isEnabledFor(WARNING):
        lines = query_refused(
            response.status, comment=response.comment, offending=response.offending
        )
        _LOGGER.warning("%s", as_text(lines))


def explain_no_model(line: ParsedCommandLine, association: Association) -> None:
    """Say why nothing can be asked on an association."""
    if _LOGGER.isEnabledFor(WARNING):
        from isocenter.cli.explaining import explain_no_context

        explain_no_context(line, association)
        _LOGGER.warning("  %s", _MODELS)


def explain_broken_query(
    line: ParsedCommandLine, problem: IsocenterError, responses: int, *, releasing: bool = False
) -> None:
    """Say why an association ended in the middle of a query."""
    if _LOGGER.isEnabledFor(WARNING):
        from isocenter.cli.explain_transfer import Progress, broken

        progress = Progress(noun="response", confirmed=responses, releasing=releasing)
        _LOGGER.warning("%s", as_text(broken(problem, progress, tool=line.tool)))

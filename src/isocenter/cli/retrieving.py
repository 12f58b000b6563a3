"""What getscu and movescu share: their keys, their request, and how an association ends.

Owns which transfer syntaxes an option stands for, when query files and keys are read (before
anybody is called), and DCMTK's lines about the end. Must not know either tool.
"""

from __future__ import annotations

import os

from isocenter.logs import DEBUG

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.dataset.tree import Node
    from isocenter.errors import IsocenterError
    from isocenter.logs import Logger
    from isocenter.net.association import Association
    from isocenter.services.retrieve import RetrieveResponse
    from isocenter.ul.pdu import PresentationContext

__all__ = [
    "contexts_of",
    "dump_with",
    "encoded",
    "log_encoded",
    "log_end",
    "log_identifier",
    "missing_query",
    "option_values",
    "proposed_syntaxes",
    "status_words",
]


def missing_query(line: ParsedCommandLine) -> str | None:
    """Return what is wrong with the query files in the words of a command line error, or None."""
    files = line.parameters_from("dcmfile-in")
    for path in files:
        if not _is_readable(path):
            return f"cannot access file: {path}"
    if not files and not line.given("--key"):
        return "either query file or override keys (or both) must be specified"
    return None


def _is_readable(path: str) -> bool:
    try:
        return os.access(path, os.R_OK)
    except ValueError:  # a NUL in it
        return False


def option_values(line: ParsedCommandLine, name: str) -> list[str]:
    """Return the values of every occurrence of an option, from left to right."""
    return [values[0] for long, values in line.given_options if long == name]


def proposed_syntaxes(line: ParsedCommandLine, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the transfer syntaxes that a block of ``--propose-...`` options stands for."""
    from isocenter.cli.preferences import accepted_syntaxes

    chosen = (line.block(*names) or "--propose-uncompr").replace("--propose-", "--prefer-")
    return accepted_syntaxes("--implicit" if chosen == "--prefer-implicit" else chosen)


def contexts_of(*proposed: tuple[str, tuple[str, ...]]) -> tuple[PresentationContext, ...]:
    """Return contexts with ids 1, 3, 5 and so on for SOP classes with their transfer syntaxes."""
    from isocenter.ul.pdu import PresentationContext

    return tuple(
        PresentationContext(
            context_id=2 * index + 1, abstract_syntax=uid, transfer_syntaxes=syntaxes
        )
        for index, (uid, syntaxes) in enumerate(proposed)
    )


def encoded(identifier: Node, transfer_syntax_uid: str, compression_level: int = 6) -> bytes:
    """Return an identifier in a transfer syntax, of even length as the wire needs it."""
    from isocenter.dataset.tree import encode

    data = encode(identifier, transfer_syntax_uid, compression_level=compression_level)
    return data + b"\0" * (len(data) % 2)


def status_words(words: str, response: RetrieveResponse) -> str:
    """Return the words for a status, and behind them what the peer says about it."""
    comment = " ".join(response.comment.split())
    return f"{words} ({comment})" if comment else words


def log_end(
    logger: Logger, problem: IsocenterError, operation: str, association: Association
) -> None:
    """Log in DCMTK's lines how a session failed, and abort; `operation` is ``Move`` or ``Get``."""
    from isocenter.errors import AssociationReleased
    from isocenter.sender.conditions import condition_of, is_peer_abort

    if isinstance(problem, AssociationReleased):
        logger.error("Protocol Error: Peer requested release (Aborting)")
    elif is_peer_abort(problem):
        logger.info("Peer Aborted Association")
        association.abort()
        return
    else:
        logger.error("%s SCU Failed: %s", operation, condition_of(problem))
    logger.info("Aborting Association")
    association.abort()


def log_identifier(logger: Logger, heading: str, identifier: Node, *, level: int = DEBUG) -> None:
    """Show an identifier at a level."""
    if logger.isEnabledFor(level):
        from isocenter.dataset.presentation import dump
        from isocenter.uids import EXPLICIT_VR_LITTLE_ENDIAN

        logger.log(level, "%s\n%s", heading, dump(identifier, EXPLICIT_VR_LITTLE_ENDIAN))


def dump_with(message_dump: str, identifier: Node) -> str:
    """Return the dump of a message with that of its identifier before its last line."""
    from isocenter.dataset.presentation import dump
    from isocenter.uids import EXPLICIT_VR_LITTLE_ENDIAN

    head, _, last = message_dump.rpartition("\n")
    lines = dump(identifier, EXPLICIT_VR_LITTLE_ENDIAN).strip("\n")
    return f"{head}\n{'-' * 65}\n{lines}\n{last}"


def log_encoded(logger: Logger, heading: str, identifier: bytes, transfer_syntax_uid: str) -> None:
    """Show an identifier that came from a peer at debug level, as far as it can be read."""
    if not logger.isEnabledFor(DEBUG):
        return
    from isocenter.dataset.tree import decode
    from isocenter.errors import DataSetError

    try:
        log_identifier(logger, heading, decode(identifier, transfer_syntax_uid))
    except DataSetError as problem:
        logger.debug("%s\n(cannot be read: %s)", heading, problem.reason)

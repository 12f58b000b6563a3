"""``--explain`` of the requestors: gathers the facts of a failure and logs the explanation.

Joins `explain_*` (the words) with errors, associations and files, and asks the port again
where only a second connection can tell (`net.probe`). Loaded only where the option is given and
something failed, or files are about to be sent. Must not change what happens, nor log anything
but warnings: they come after DCMTK's own lines, which stay as they are.
"""

from __future__ import annotations

import os

from isocenter.cli import explain_connection as connection
from isocenter.cli import explain_contexts as contexts
from isocenter.cli import explain_transfer as transfer
from isocenter.cli.explain import as_text, authorities
from isocenter.cli.sending import decompression
from isocenter.logs import WARNING, get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Sequence

    from isocenter.cli.explain import Lines
    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.dimse.commands import CEchoRSP
    from isocenter.errors import IsocenterError
    from isocenter.net.association import Association
    from isocenter.net.client import ConnectOptions
    from isocenter.sender.link import StoreResponse
    from isocenter.ul.pdu import AAssociateRQ

__all__ = [
    "MAXIMUM_EXPLAINED",
    "FailureExplainer",
    "explain_broken_echo",
    "explain_echo",
    "explain_no_context",
    "explain_request",
    "explain_too_many",
]

_LOGGER = get_logger(__name__)

MAXIMUM_EXPLAINED = 100
"""Kinds of failures explained on one association, inclusive: a log is read by people."""


def _say(lines: Lines) -> None:
    _LOGGER.warning("%s", as_text(lines))


def explain_request(
    line: ParsedCommandLine,
    options: ConnectOptions,
    request: AAssociateRQ,
    problem: IsocenterError,
) -> None:
    """Say why there is no association; may open one more connection for that, for 2 s at most."""
    if not _LOGGER.isEnabledFor(WARNING):
        return
    attempt = connection.Attempt(
        tool=line.tool,
        host=options.host,
        port=options.port,
        called=request.called_ae_title,
        calling=request.calling_ae_title,
        connect_timeout=options.connect_timeout,
        identified=request.user_information.user_identity is not None,
        tls=options.tls is not None,
        authenticated=options.tls is not None and line.in_force("--enable-tls"),
        trusted=authorities(line),
    )
    finding = None
    if not attempt.tls and connection.wants_probe(problem):
        from isocenter.net.probe import probe

        finding = probe(options)
    _say(connection.request_failed(problem, attempt, finding))


def explain_no_context(
    line: ParsedCommandLine,
    association: Association,
    *,
    from_profile: bool = False,
    from_files: bool = False,
) -> None:
    """Say why nothing can be sent on an association."""
    request, accept = association.request, association.accept
    if request is not None and accept is not None:
        found = contexts.answers(request, accept)
        _say(
            contexts.none_acceptable(
                found,
                peer=request.called_ae_title,
                tool=line.tool,
                from_profile=from_profile,
                from_files=from_files,
                allowed=decompression(line),
            )
        )


def _from_profile(line: ParsedCommandLine) -> bool:
    return line.has("--config-file") and line.given("--config-file")


def explain_too_many(line: ParsedCommandLine) -> None:
    """Say what a proposal of more than 128 contexts could do."""
    _say(contexts.too_many(tool=line.tool, from_profile=line.given("--config-file")))


def explain_echo(response: CEchoRSP) -> None:
    """Say what a failure status of a C-ECHO means, and what the peer says about it."""
    _say(
        transfer.echo_failed(
            response.status, comment=response.error_comment, offending=response.offending_element
        )
    )


def explain_broken_echo(
    line: ParsedCommandLine, problem: IsocenterError, confirmed: int, *, releasing: bool = False
) -> None:
    """Say why an association ended in the middle of echoes."""
    progress = transfer.Progress(
        noun="echo", confirmed=confirmed, unanswered=0 if releasing else 1, releasing=releasing
    )
    _say(transfer.broken(problem, progress, tool=line.tool))


class FailureExplainer:
    """A `sender.failures.Failures` that logs an explanation of each new kind of failure.

    What was said of one file is not repeated for the next of the same SOP class and transfer
    syntax, or SOP class and status. Nothing that a peer makes up, as an Error Comment, counts:
    each object's could have its own. After `MAXIMUM_EXPLAINED` kinds no further one is explained.

    Args:
        line: the command line.
        association: established; its facts are looked at when something fails.
    """

    __slots__ = ("_association", "_line", "_said")

    def __init__(self, line: ParsedCommandLine, association: Association) -> None:
        """Keep the arguments; nothing is looked at yet."""
        self._line = line
        self._association = association
        self._said: set[tuple[object, ...]] = set()

    def _is_new(self, *kind: object) -> bool:
        """Tell whether nothing was said yet of this kind of failure, and take note that it is."""
        if kind in self._said or len(self._said) >= MAXIMUM_EXPLAINED:
            return False
        self._said.add(kind)
        return True

    def no_context(self, path: str, sop_class_uid: str, transfer_syntax_uid: str) -> None:
        """Explain why no accepted context takes a file."""
        request, accept = self._association.request, self._association.accept
        if request is None or accept is None:
            return
        if self._is_new("context", sop_class_uid, transfer_syntax_uid):
            found = contexts.answers(request, accept)
            _say(
                contexts.no_context_for_file(
                    path,
                    sop_class_uid,
                    transfer_syntax_uid,
                    found,
                    tool=self._line.tool,
                    from_profile=_from_profile(self._line),
                    allowed=decompression(self._line),
                )
            )

    def refused(self, path: str, response: StoreResponse) -> None:
        """Explain a response that is a failure."""
        if len(self._said) >= MAXIMUM_EXPLAINED:
            return  # for the file need not be read
        kind = _kind_of(path)
        if not self._is_new("status", response.status, "" if kind is None else kind[0]):
            return
        offending = getattr(response, "offending_element", ())
        _say(
            transfer.store_failed(
                path,
                response.status,
                comment=response.error_comment,
                offending=tuple(offending),
                kind=kind,
                size=_size_of(path),
            )
        )

    def broken(
        self, problem: Exception, paths: Sequence[str], confirmed: int, *, sending: bool
    ) -> None:
        """Explain why the association ended in the middle."""
        path = (paths[-1] if sending else paths[0]) if paths else ""
        kind = _kind_of(path) if path else None
        progress = transfer.Progress(
            noun="object",
            confirmed=confirmed,
            unanswered=len(paths),
            sending=sending,
            sent_as=kind[0] if kind is not None else "",
            size=_size_of(path) if path else None,
            longest_pdu=self._association.max_send_pdv + 6,
        )
        _say(transfer.broken(problem, progress, tool=self._line.tool))

    def not_released(self, problem: IsocenterError, confirmed: int) -> None:
        """Explain why the release failed."""
        progress = transfer.Progress(noun="object", confirmed=confirmed, releasing=True)
        _say(transfer.broken(problem, progress, tool=self._line.tool))


def _where(path: str) -> str:
    """Return where a file is now: it may have got its ``.bad`` already (--rename)."""
    from isocenter.sender.renaming import BAD

    return path if os.path.lexists(path) else path + BAD


def _size_of(path: str) -> int | None:
    try:
        return os.stat(_where(path)).st_size
    except (OSError, ValueError):
        return None


def _kind_of(path: str) -> tuple[str, str] | None:
    """Return SOP class and transfer syntax of a file, read again now that it has failed."""
    from isocenter.errors import DataSetError
    from isocenter.sender.prepare import identify

    try:
        identity = identify(_where(path))
    except (OSError, ValueError, DataSetError):
        return None
    return identity.sop_class_uid, identity.transfer_syntax_uid

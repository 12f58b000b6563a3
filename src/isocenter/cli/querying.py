"""What findscu does on its association: questions, responses, and the lines about both.

Owns the numbers of responses and what is reported of them. The lines are those of DCMTK's class
DcmFindSCU, and in its logger. Must not know how the association came about.
"""

from __future__ import annotations

from isocenter.cli.exitcodes import ExitCode
from isocenter.dataset.dictionary import DEFAULT_DICTIONARY
from isocenter.dimse.status import Service, short_text
from isocenter.errors import DataSetError, IsocenterError
from isocenter.logs import DEBUG, INFO, get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from isocenter.cli.keys import BadKey
    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.cli.responses import Extraction, JsonLines
    from isocenter.dataset.dictionary import Dictionary
    from isocenter.dataset.tree import Node
    from isocenter.net.association import Association
    from isocenter.services.query import Finding, FindResponse
    from isocenter.ul.negotiation import AcceptedContext

__all__ = ["Querier", "log_bad_key", "reporting_of"]

_LOGGER = get_logger("isocenter.net.query")
_RESPONSES = get_logger("isocenter.net.responses")

ALWAYS, NEVER, BY_LEVEL = "always", "never", "by level"
"""When responses are reported: whatever the level is, not at all, as `_RESPONSES` says."""

_FILE_HEAD: Final = """
# Dicom-File-Format

# Dicom-Meta-Information-Header
# Used TransferSyntax: Little Endian Explicit
"""
"""What stands before the keys of a query that was not answered to its end."""

_CANCELLED: Final = 0xFE00
_LOUD = ("--quiet", "--verbose", "--debug", "--log-level")


def reporting_of(line: ParsedCommandLine) -> str:
    """Return when responses are reported in the log."""
    from isocenter.cli.options_findscu import EXTRACTS

    chosen = line.block("--show-responses", "--hide-responses")
    if chosen is not None:
        return ALWAYS if chosen == "--show-responses" else NEVER
    if line.given("--log-config"):
        return BY_LEVEL
    if line.block(*EXTRACTS) is not None or line.given("--json"):
        return NEVER
    return BY_LEVEL if any(line.given(name) for name in _LOUD) else ALWAYS


def log_bad_key(problem: BadKey) -> None:
    """Say that a key cannot be used."""
    _LOGGER.error("Bad override key/path: %s", problem.key)
    _LOGGER.error("Find SCU Failed: %s", problem.condition)


class Querier:
    """Asks the questions of one run.

    Args:
        line: the command line of findscu.
        association: established.
        dictionary: what is known of tags, None for the built-in one alone.
        extraction: where responses are written, None for nowhere.
        lines: prints responses, None for not at all.
    """

    def __init__(
        self,
        line: ParsedCommandLine,
        association: Association,
        dictionary: Dictionary | None,
        extraction: Extraction | None,
        lines: JsonLines | None,
    ) -> None:
        """Begin with response number 1."""
        self._line = line
        self._association = association
        self._dictionary = dictionary
        self._extraction = extraction
        self._lines = lines
        self._context: AcceptedContext = next(iter(association.contexts.values()))
        self._reporting = reporting_of(line)
        self._limit = line.integer_or_none("--limit-output")
        self._cancel_at = line.integer_or_none("--cancel")
        self._trimmed = line.in_force("--enable-correction")
        self._number = 0
        self._is_cancelled = False
        self._code = ExitCode.SUCCESS

    def run(self, files: Sequence[str], keys: Sequence[str]) -> ExitCode:
        """Ask with each file, or with the keys alone; end the association; return the exit code."""
        if self._extraction is not None and not self._extraction.begin():
            self._note(ExitCode.FAILURE)
        try:
            if self._ask_all(files, keys):
                self._finish()
        except IsocenterError as problem:
            from isocenter.cli.retrieving import log_end

            log_end(_LOGGER, problem, "Find", self._association)
            self._explain(problem)
            self._note(ExitCode.NO_ASSOCIATION)
        finally:
            if self._extraction is not None and not self._extraction.end():
                self._note(ExitCode.FAILURE)
        return self._code

    def _note(self, code: ExitCode) -> None:
        """Remember what the tool exits with: the first thing that went wrong."""
        if self._code == ExitCode.SUCCESS:
            self._code = code

    def _ask_all(self, files: Sequence[str], keys: Sequence[str]) -> bool:
        """Ask every question; False where one could not be asked and the association is aborted.

        Raises:
            IsocenterError: the association ended.
        """
        for path in files or ("",):
            identifier = self._identifier(path, keys)
            if identifier is None:
                _LOGGER.info("Aborting Association")
                self._association.abort()
                self._note(ExitCode.FAILURE)
                return False
            for _ in range(self._line.integer_or_none("--repeat") or 1):
                self._ask(identifier, path)
        return True

    def _identifier(self, path: str, keys: Sequence[str]) -> Node | None:
        """Return what is asked; None where a file or a key cannot be used, which was said."""
        from isocenter.cli.keys import BadKey, apply_keys, load_query
        from isocenter.dataset.tree import Node
        from isocenter.sender.conditions import condition_of, reason_of

        try:
            identifier = load_query(path, self._dictionary) if path else Node()
        except (OSError, DataSetError) as problem:
            _LOGGER.error("Bad DICOM file: %s: %s", path, reason_of(problem))  # noqa: TRY400 - one line
            _LOGGER.error("Find SCU Failed: %s", condition_of(problem))  # noqa: TRY400 - one line
            return None
        try:
            apply_keys(identifier, keys, self._dictionary)
        except BadKey as bad:
            log_bad_key(bad)
            return None
        return identifier

    def _dump(self, node: Node, transfer_syntax_uid: str | None = None) -> str:
        from isocenter.dataset.presentation import dump
        from isocenter.uids import EXPLICIT_VR_LITTLE_ENDIAN

        return dump(
            node,
            transfer_syntax_uid or EXPLICIT_VR_LITTLE_ENDIAN,
            self._dictionary or DEFAULT_DICTIONARY,
            trimmed=self._trimmed and transfer_syntax_uid is not None,
        )

    # ------------------------------------------------------------------ one question

    def _ask(self, identifier: Node, path: str) -> None:
        """Ask one question and take its responses.

        Raises:
            IsocenterError: the association ended.
        """
        from isocenter.services.query import find

        try:
            finding = find(self._association, self._context.context_id, self._encoded(identifier))
            self._log_request(finding, identifier)
            identifier.pad()
            self._take(finding)
        except IsocenterError as problem:
            self._report_failure(problem, identifier, path)
            raise

    def _report_failure(self, problem: IsocenterError, identifier: Node, path: str) -> None:
        """Say which question was not answered to its end, and why."""
        from isocenter.sender.conditions import condition_of

        if path:
            _LOGGER.error("Find Failed, file: %s:", path)
        else:
            _LOGGER.error("Find Failed, query keys:")
            _LOGGER.error("%s", _FILE_HEAD + self._dump(identifier))
        _LOGGER.error("%s", condition_of(problem))

    def _encoded(self, identifier: Node) -> bytes:
        from isocenter.dataset.tree import encode

        if not len(identifier):
            self._refuse_empty()
        line = self._line
        new_vrs = line.block("--enable-new-vr", "--disable-new-vr") != "--disable-new-vr"
        data = encode(
            identifier,
            self._context.transfer_syntax,
            compression_level=line.integer("--compression-level"),
            new_vrs=new_vrs,
        )
        return data + b"\0" * (len(data) % 2)

    def _refuse_empty(self) -> None:
        from isocenter.cli.network import ae_title
        from isocenter.errors import LocalProtocolError
        from isocenter.sender.conditions import SEND_FAILED

        titles = ae_title(self._line, "--aetitle"), ae_title(self._line, "--call")
        _LOGGER.warning("DIMSE Warning: (%s,%s): sendMessage: dataset is empty", *titles)
        raise LocalProtocolError(SEND_FAILED)

    def _log_request(self, finding: Finding, identifier: Node) -> None:
        if _LOGGER.isEnabledFor(DEBUG):
            from isocenter.cli.dumps import message_dump

            _LOGGER.info("Sending Find Request")
            context_id = self._context.context_id
            text = message_dump(finding.request, direction="OUTGOING", context_id=context_id)
            _LOGGER.debug("%s", text)
        else:
            _LOGGER.info("Sending Find Request (MsgID %d)", finding.message_id)
        if _LOGGER.isEnabledFor(INFO):
            _LOGGER.info("Request Identifiers:\n%s", self._dump(identifier))

    def _take(self, finding: Finding) -> None:
        """Take the responses to one question.

        Raises:
            IsocenterError: the association ended.
        """
        while True:
            try:
                response = next(finding, None)
            except DataSetError as problem:
                self._number += 1
                _LOGGER.error("Find Response: %d: %s", self._number, problem)  # noqa: TRY400 - one line
                self._note(ExitCode.FAILURE)
                self._cancel(finding)
                continue
            if response is None:
                return
            self._number += 1
            if response.is_pending:
                self._take_match(response)
                self._cancel(finding)
            else:
                self._take_final(response)

    def _cancel(self, finding: Finding) -> None:
        if self._cancel_at != self._number:
            return
        self._is_cancelled = True
        context_id = self._context.context_id
        words = "Sending Cancel Request (MsgID %d, PresID %d)"
        _LOGGER.info(words, finding.message_id, context_id)
        finding.cancel()

    # ------------------------------------------------------------------ responses

    def _take_match(self, response: FindResponse) -> None:
        from isocenter.dataset.tree import Node, decode

        if response.identifier is None:
            titles = self._line.value("--aetitle"), self._line.value("--call")
            words = "DIMSE Warning: (%s,%s): findUser: Status Pending, but DataSetType==NULL"
            _LOGGER.warning(words, *titles)
            node = Node()
        else:
            try:
                syntax = self._context.transfer_syntax
                node = decode(
                    response.identifier, syntax, dictionary=self._dictionary or DEFAULT_DICTIONARY
                )
            except DataSetError as problem:
                _LOGGER.error("Find Response: %d: %s", self._number, problem)  # noqa: TRY400 - one line
                self._note(ExitCode.FAILURE)
                return
        self._report(response, node)
        self._write(node)
        if self._lines is not None:
            self._lines.write(node)

    def _report(self, response: FindResponse, node: Node) -> None:
        words = short_text(Service.FIND, response.status)
        syntax = self._context.transfer_syntax
        is_shown = self._reporting == ALWAYS or (
            self._reporting == BY_LEVEL and _RESPONSES.isEnabledFor(INFO)
        )
        if _LOGGER.isEnabledFor(DEBUG):
            from isocenter.cli.dumps import message_dump

            _LOGGER.info("Received Find Response %d", self._number)
            text = message_dump(response.message, direction="INCOMING", context_id=None)
            _LOGGER.debug("%s", text)
            if is_shown:
                _LOGGER.debug("Response Identifiers:\n%s", self._dump(node, syntax))
        elif is_shown:
            self._say("---------------------------")
            self._say(f"Find Response: {self._number} ({words})")
            self._say(self._dump(node, syntax))
        else:
            _LOGGER.info("Received Find Response %d (%s)", self._number, words)

    def _say(self, text: str) -> None:
        """Report a line of a response, whatever the level is where that is asked for."""
        if self._reporting == BY_LEVEL or _RESPONSES.isEnabledFor(INFO):
            _RESPONSES.info("%s", text)
            return
        from isocenter.cli.levels import INFO as INFO_LEVEL
        from isocenter.cli.logsetup import write_lines

        write_lines(INFO_LEVEL, text)

    def _write(self, node: Node) -> None:
        extraction, limit = self._extraction, self._limit
        if extraction is None:
            return
        words = (
            "Maximum number of responses already written to file ... not writing this %s to file"
        )
        if limit is not None and self._number > limit:
            if self._number == limit + 1:
                _LOGGER.info(words, "and all following responses")
            else:
                _LOGGER.debug(words, "response")
        elif not extraction.write(self._number, node, self._context.transfer_syntax):
            self._note(ExitCode.FAILURE)

    def _take_final(self, response: FindResponse) -> None:
        """Report how a question ended; a failure is an error (docs/deviations.md)."""
        status = response.status
        is_asked_for = status == _CANCELLED and self._is_cancelled
        is_good = status == 0 or is_asked_for
        words = short_text(Service.FIND, status)
        if not is_good:
            self._note(ExitCode.QUERY_FAILED)
            _LOGGER.error("Received Final Find Response (%s)", words)
            if response.comment:
                _LOGGER.error("Error Comment: %s", response.comment)
            if _LOGGER.isEnabledFor(DEBUG):
                self._dump_message(response)
            self._explain_status(response)
        elif _LOGGER.isEnabledFor(DEBUG):
            _LOGGER.info("Received Final Find Response")
            self._dump_message(response)
        else:
            _LOGGER.info("Received Final Find Response (%s)", words)

    def _dump_message(self, response: FindResponse) -> None:
        from isocenter.cli.dumps import message_dump
        from isocenter.cli.status_detail import status_detail

        text = message_dump(response.message, direction="INCOMING", context_id=None)
        _LOGGER.debug("%s", text)
        detail = status_detail(response.message)
        if detail:
            _LOGGER.debug("Status Detail:\n%s", detail)

    # ------------------------------------------------------------------ the end

    def _finish(self) -> None:
        """End the association as asked for."""
        from isocenter.sender.conditions import condition_of

        if self._line.given("--abort"):
            _LOGGER.info("Aborting Association")
            self._association.abort()
            return
        _LOGGER.info("Releasing Association")
        try:
            self._association.release()
        except IsocenterError as problem:
            _LOGGER.error("Association Release Failed: %s", condition_of(problem))  # noqa: TRY400 - one line
            self._note(ExitCode.NO_ASSOCIATION)

    def _explain_status(self, response: FindResponse) -> None:
        if self._line.given("--explain"):
            from isocenter.cli.explain_query import explain_refused_query

            explain_refused_query(response)

    def _explain(self, problem: IsocenterError) -> None:
        if self._line.given("--explain"):
            from isocenter.cli.explain_query import explain_broken_query

            explain_broken_query(self._line, problem, self._number)

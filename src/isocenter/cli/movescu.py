"""movescu: have a peer send objects with C-MOVE, to somebody else or to this tool itself.

Options to requests, outcomes to DCMTK's lines and exit codes; nothing else.
"""

from __future__ import annotations

import os

from isocenter.cli.exitcodes import ExitCode
from isocenter.cli.options_movescu import TOOL
from isocenter.cli.start import refuse, start
from isocenter.logs import CRITICAL, DEBUG, get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isocenter.cli.move_receiver import MoveReceiver
    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.dataset.tree import Element, Node
    from isocenter.net.association import Association
    from isocenter.net.client import ConnectOptions
    from isocenter.net.tls import ServerTls
    from isocenter.services.retrieve import RetrieveResponse
    from isocenter.ul.pdu import AAssociateRQ, UserIdentityRQ

__all__ = ["main"]

_LOGGER = get_logger(__name__)

_PRIVILEGED_PORTS = 1024

_LONGEST_SILENCE = 600.0
"""Seconds to wait for the next response without ``--dimse-timeout``: a peer may fetch what it is
asked for from a slow place and need not say so meanwhile. DCMTK's movescu waits for ever."""


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run movescu with the arguments behind the tool's name; return the exit code."""
    line = start(TOOL, argv)
    if isinstance(line, ExitCode):
        return line
    from isocenter.cli.retrieving import missing_query
    from isocenter.errors import ConfigurationError

    try:
        keys = _keys(line, env)
    except ConfigurationError as problem:
        return refuse(line, str(problem))
    if (wrong := missing_query(line)) is not None:
        return refuse(line, wrong)
    try:
        identifiers = _identifiers(line, env, keys)
    except ConfigurationError as problem:
        _LOGGER.critical("%s", problem)
        return ExitCode.FAILURE
    if identifiers is None:
        return ExitCode.FAILURE
    receives = line.in_force("--port")
    if receives and (code := _wrong_with_receiving(line)) is not None:
        return code
    receiver: MoveReceiver | None = None
    try:
        if receives:
            receiver = _receiver(line, env)
            if receiver is None:
                return ExitCode.FAILURE
        return _run(line, receiver, identifiers)
    finally:
        if receiver is not None:
            receiver.close()


def _keys(line: ParsedCommandLine, env: Mapping[str, str]) -> list[Element]:
    """Return the elements of ``-k``.

    Raises:
        ConfigurationError: one of them cannot be used, in DCMTK's words.
    """
    from isocenter.cli.dictionary import dictionary_of
    from isocenter.cli.keys import plain_keys
    from isocenter.cli.retrieving import option_values

    return plain_keys(option_values(line, "--key"), dictionary_of(env))


def _identifiers(
    line: ParsedCommandLine, env: Mapping[str, str], keys: Sequence[Element]
) -> list[Node] | None:
    """Return what is to be asked for: of each query file, or of the keys alone.

    None where a file cannot be used, which was said: nothing is asked for then.

    Raises:
        ConfigurationError: a data dictionary of DCMDICTPATH cannot be read.
    """
    from isocenter.cli.dictionary import dictionary_of
    from isocenter.cli.keys import load_query
    from isocenter.dataset.tree import Node
    from isocenter.errors import DataSetError
    from isocenter.sender.conditions import reason_of

    dictionary = dictionary_of(env)
    found = []
    for path in line.parameters_from("dcmfile-in") or ("",):
        try:
            identifier = load_query(path, dictionary) if path else Node()
        except (OSError, DataSetError) as problem:
            _LOGGER.error("bad DICOM file: %s: %s", path, reason_of(problem))  # noqa: TRY400 - one line
            return None
        for element in keys:
            identifier.put(element)
        found.append(identifier)
    return found


def _wrong_with_receiving(line: ParsedCommandLine) -> ExitCode | None:
    """Say why nothing can be received, and return the exit code; None where it can."""
    directory = line.value("--output-directory") or "."
    if not os.path.isdir(directory):
        _LOGGER.critical("specified output directory does not exist")
        return ExitCode.INVALID_OUTPUT_DIRECTORY
    if not os.access(directory, os.W_OK | os.X_OK):
        _LOGGER.critical("specified output directory is not writeable")
        return ExitCode.CANNOT_WRITE_OUTPUT
    port = line.integer("--port")
    if port < _PRIVILEGED_PORTS and hasattr(os, "geteuid") and os.geteuid() != 0:
        _LOGGER.critical("cannot listen on port %d, insufficient privileges", port)
        return ExitCode.INSUFFICIENT_PRIVILEGES
    return None


def _receiver(line: ParsedCommandLine, env: Mapping[str, str]) -> MoveReceiver | None:
    """Return the receiver, which does not listen yet, or say why there is none."""
    from isocenter.cli.move_receiver import MoveReceiver
    from isocenter.errors import ConfigurationError, StorageError

    try:
        return MoveReceiver(line, env)
    except (ConfigurationError, StorageError) as problem:
        _LOGGER.critical("%s", problem)
        return None


def _server_tls(line: ParsedCommandLine) -> ServerTls | None:
    """Return how sub-associations speak TLS; None for plain DICOM.

    Raises:
        ConfigurationError: keys, certificates or cipher suites cannot be used.
    """
    from isocenter.cli.network import wants_tls

    if not wants_tls(line):
        return None
    from isocenter.cli.tls import ServerSide

    return ServerSide(line).tls


def _run(
    line: ParsedCommandLine, receiver: MoveReceiver | None, identifiers: Sequence[Node]
) -> ExitCode:
    """Listen, associate, and send the requests."""
    from isocenter.cli.network import check_titles, connect_options
    from isocenter.cli.sending import check_identity, identity_of, severity
    from isocenter.errors import ConfigurationError
    from isocenter.record import replace

    try:
        tls = None if receiver is None else _server_tls(line)
        peer = connect_options(line)
    except ConfigurationError as problem:
        _LOGGER.critical("%s", problem)
        return ExitCode.CANNOT_CREATE_TLS_LAYER
    if receiver is not None:
        try:
            receiver.listen(tls)
        except ConfigurationError as problem:
            words = "cannot create network: 0006:031c TCP Initialization Error: %s (port %d)"
            _LOGGER.critical(words, problem, line.integer("--port"))
            return ExitCode.CANNOT_INITIALIZE_NETWORK
    try:
        check_titles(line)
        identity = identity_of(line)
        request = _request(line, identity)
        check_identity(request)
    except ConfigurationError as problem:
        _LOGGER.log(severity(line, problem), "%s", problem)
        return ExitCode.CANNOT_NEGOTIATE_ASSOCIATION
    peer = replace(peer, socket_timeout=None, dimse_timeout=peer.dimse_timeout or _LONGEST_SILENCE)
    association = _associate(line, peer, request)
    if isinstance(association, ExitCode):
        return association
    return _Session(line, association, receiver).run(identifiers)


def _request(line: ParsedCommandLine, identity: UserIdentityRQ | None) -> AAssociateRQ:
    """Build the proposal: the model's FIND class, as DCMTK has it, and its MOVE class."""
    from isocenter import uids
    from isocenter.cli.network import max_pdu
    from isocenter.cli.options_query import MODELS, PROPOSALS
    from isocenter.cli.retrieving import contexts_of, proposed_syntaxes
    from isocenter.cli.sending import association_request

    finds = {"--study": uids.STUDY_ROOT_FIND, "--psonly": uids.PATIENT_STUDY_ONLY_FIND}
    find = finds.get(line.block(*MODELS) or "", uids.PATIENT_ROOT_FIND)
    syntaxes = proposed_syntaxes(line, PROPOSALS)
    max_pdu(line, _LOGGER)  # says where the length is odd
    return association_request(
        line, contexts_of((find, syntaxes), (_move_class(line), syntaxes)), identity
    )


def _move_class(line: ParsedCommandLine) -> str:
    from isocenter import uids
    from isocenter.cli.options_query import MODELS

    classes = {"--study": uids.STUDY_ROOT_MOVE, "--psonly": uids.PATIENT_STUDY_ONLY_MOVE}
    return classes.get(line.block(*MODELS) or "", uids.PATIENT_ROOT_MOVE)


def _associate(
    line: ParsedCommandLine, peer: ConnectOptions, request: AAssociateRQ
) -> Association | ExitCode:
    """Open the association, or say why there is none."""
    from isocenter.cli.network import log_request_failure
    from isocenter.errors import AssociationRejected, IsocenterError
    from isocenter.net.client import connect
    from isocenter.sender.conditions import condition_of

    if _LOGGER.isEnabledFor(DEBUG):
        from isocenter.cli.dumps import request_dump

        _LOGGER.debug("Request Parameters:\n%s", request_dump(request))
    _LOGGER.info("Requesting Association")
    try:
        association = connect(peer, request)
    except IsocenterError as problem:
        if isinstance(problem, AssociationRejected):
            log_request_failure(_LOGGER, CRITICAL, problem)
        else:
            _LOGGER.critical("Association Request Failed:")
            _LOGGER.critical("%s", condition_of(problem))
        if line.given("--explain"):
            from isocenter.cli.explaining import explain_request

            explain_request(line, peer, request, problem)
        return ExitCode.CANNOT_NEGOTIATE_ASSOCIATION
    if _LOGGER.isEnabledFor(DEBUG):
        _log_acceptance(request, association)
    if not association.contexts:
        _LOGGER.critical("No Acceptable Presentation Contexts")
        association.abort()
        if line.given("--explain"):
            from isocenter.cli.explaining import explain_no_context

            explain_no_context(line, association)
        return ExitCode.NO_PRESENTATION_CONTEXT
    if request.user_information.user_identity is not None and association.accept is not None:
        from isocenter.cli.identity import is_answered

        if not is_answered(request, association.accept, explain=line.given("--explain")):
            association.abort()
            return ExitCode.CANNOT_NEGOTIATE_ASSOCIATION
    _LOGGER.info("Association Accepted (Max Send PDV: %d)", association.max_send_pdv)
    return association


def _log_acceptance(request: AAssociateRQ, association: Association) -> None:
    """Show what was agreed on."""
    from isocenter.cli.dumps import accept_dump

    if association.tls is not None:
        from isocenter.cli.tls_details import log_tls

        log_tls(association.tls)
    if association.accept is not None:
        dump = accept_dump(request, association.accept)
        _LOGGER.debug("Association Parameters Negotiated:\n%s", dump)


class _Session:
    """The requests on one association, and what they come to."""

    def __init__(
        self, line: ParsedCommandLine, association: Association, receiver: MoveReceiver | None
    ) -> None:
        """Send nothing yet."""
        self._line = line
        self._association = association
        self._receiver = receiver
        self._code = ExitCode.SUCCESS
        self._cancel_after = line.integer_or_none("--cancel")

    def run(self, identifiers: Sequence[Node]) -> ExitCode:
        """Send each request, end the association, and return the exit code."""
        from isocenter.cli.retrieving import log_end
        from isocenter.errors import IsocenterError
        from isocenter.sender.conditions import NO_VALID_PRESENTATION_CONTEXT, condition_of

        association = self._association
        context_id = self._context()
        if context_id is None:
            _LOGGER.error("Move SCU Failed: %s", NO_VALID_PRESENTATION_CONTEXT)
            _LOGGER.info("Aborting Association")
            association.abort()
            return ExitCode.NO_PRESENTATION_CONTEXT
        try:
            for identifier in identifiers:
                for _ in range(self._line.integer_or_none("--repeat") or 1):
                    self._move(context_id, identifier)
        except IsocenterError as problem:
            _LOGGER.error("Move Request Failed: %s", condition_of(problem))  # noqa: TRY400 - one line
            log_end(_LOGGER, problem, "Move", association)
            return ExitCode.RETRIEVE_FAILED
        if self._line.given("--abort"):
            _LOGGER.info("Aborting Association")
            association.abort()
            return self._code
        _LOGGER.info("Releasing Association")
        try:
            association.release()
        except IsocenterError as problem:
            _LOGGER.critical("Association Release Failed:")
            _LOGGER.critical("%s", condition_of(problem))
            return self._code or ExitCode.CANNOT_CLOSE_ASSOCIATION
        return self._code

    def _context(self) -> int | None:
        """Return the id of the accepted context of the MOVE class."""
        wanted = _move_class(self._line)
        for context_id, context in self._association.contexts.items():
            if context.abstract_syntax == wanted:
                return context_id
        return None

    def _destination(self) -> str:
        """Return the title to send to, DCMTK's way the own one where none is given."""
        from isocenter.cli.network import ae_title

        return ae_title(self._line, "--move" if self._line.given("--move") else "--aetitle")

    def _move(self, context_id: int, identifier: Node) -> None:
        """Send one request and follow its responses."""
        from isocenter.cli.retrieving import encoded
        from isocenter.services import retrieve

        association, line = self._association, self._line
        number = association.session.next_message_id()
        destination = self._destination()
        self._log_request(context_id, number, destination, identifier)
        cancelled = False
        responses = retrieve.move(
            association,
            context_id,
            encoded(
                identifier,
                association.contexts[context_id].transfer_syntax,
                line.integer("--compression-level"),
            ),
            destination,
            message_id=number,
            ignores_pending_data=line.block("--pending-ignore", "--pending-read")
            != "--pending-read",
            is_busy=None if self._receiver is None else self._receiver.is_busy,
        )
        for count, response in enumerate(responses, 1):
            if response.is_final:
                self._judge(response, cancelled=cancelled)
                break
            self._log_pending(count, response)
            if count == self._cancel_after:
                words = "Sending Cancel Request (MsgID %d, PresID %d)"
                _LOGGER.info(words, number, context_id)
                retrieve.cancel(association, context_id, number)
                cancelled = True

    def _log_request(
        self, context_id: int, number: int, destination: str, identifier: Node
    ) -> None:
        from isocenter.cli.retrieving import log_identifier
        from isocenter.logs import INFO

        if _LOGGER.isEnabledFor(DEBUG):
            from isocenter.cli.dumps import message_dump
            from isocenter.dimse.commands_query import CMoveRQ

            _LOGGER.info("Sending Move Request")
            request = CMoveRQ(
                message_id=number,
                affected_sop_class_uid=_move_class(self._line),
                move_destination=destination,
            )
            dump = message_dump(request, direction="OUTGOING", context_id=context_id)
            _LOGGER.debug("%s", dump)
        else:
            _LOGGER.info("Sending Move Request (MsgID %d)", number)
        log_identifier(_LOGGER, "Request Identifiers:", identifier, level=INFO)

    def _log_pending(self, count: int, response: RetrieveResponse) -> None:
        from isocenter.dimse.status import Service, short_text

        if response.message.has_data_set:
            reads = self._line.block("--pending-ignore", "--pending-read") == "--pending-read"
            _LOGGER.warning(
                "DIMSE Warning: (%s,%s): moveUser: Status Pending, but DataSetType!=NULL",
                *self._titles(),
            )
            words = "Reading but ignoring response identifier set"
            if not reads:
                words = "Assuming NO response identifiers are present"
            _LOGGER.warning("DIMSE Warning: (%s,%s): %s", *self._titles(), words)
        if _LOGGER.isEnabledFor(DEBUG):
            _LOGGER.info("Received Move Response %d", count)
            self._dump(response)
        else:
            words = short_text(Service.MOVE, response.status)
            _LOGGER.info("Received Move Response %d (%s)", count, words)

    def _titles(self) -> tuple[str, str]:
        from isocenter.cli.network import ae_title

        return ae_title(self._line, "--aetitle"), ae_title(self._line, "--call")

    def _dump(self, response: RetrieveResponse) -> None:
        from isocenter.cli.dumps import message_dump

        _LOGGER.debug("%s", message_dump(response.message, direction="INCOMING", context_id=None))

    def _judge(self, response: RetrieveResponse, *, cancelled: bool) -> None:
        """Take the final status into the exit code, and say what it is."""
        from isocenter.cli.retrieving import log_encoded, status_words
        from isocenter.dimse.status import CANCEL, Service, StatusClass, classify, short_text

        # Objects may still be on their way: what became of them belongs to this request.
        not_stored = 0 if self._receiver is None else self._receiver.settle()
        status = response.status
        words = status_words(short_text(Service.MOVE, status), response)
        kind = classify(status)
        if kind is StatusClass.WARNING:
            if self._code == ExitCode.SUCCESS:
                self._code = ExitCode.RETRIEVE_WARNING
            _LOGGER.warning("Move response with warning status (%s)", words)
        elif kind is not StatusClass.SUCCESS and not (status == CANCEL and cancelled):
            self._code = ExitCode.RETRIEVE_FAILED
            _LOGGER.warning("Move response with error status (%s)", words)
        if not_stored:
            _LOGGER.error("objects received and not stored: %d", not_stored)
            self._code = ExitCode.RETRIEVE_FAILED
        if _LOGGER.isEnabledFor(DEBUG):
            _LOGGER.info("Received Final Move Response")
            self._dump(response)
            if response.identifier:
                syntax = self._association.contexts[response.context_id].transfer_syntax
                log_encoded(_LOGGER, "Response Identifiers:", response.identifier, syntax)
        else:
            words = short_text(Service.MOVE, status)
            _LOGGER.info("Received Final Move Response (%s)", words)

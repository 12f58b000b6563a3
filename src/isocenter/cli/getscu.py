"""getscu: retrieve objects with C-GET and write them to files.

Options to requests, outcomes to DCMTK's lines and exit codes; nothing else. The lines are those
of DCMTK's class DcmSCU.
"""

from __future__ import annotations

import os

from isocenter.cli.exitcodes import ExitCode
from isocenter.cli.options_getscu import PREFERENCES, TOOL
from isocenter.cli.start import refuse, start
from isocenter.logs import DEBUG, get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.dataset.tree import Node
    from isocenter.dimse.commands import CStoreRQ, Message
    from isocenter.errors import IsocenterError
    from isocenter.net.association import Association
    from isocenter.net.client import ConnectOptions
    from isocenter.node.files import FileStorage
    from isocenter.services.providers import StoreRequest
    from isocenter.services.retrieve import RetrieveResponse
    from isocenter.storage.placing import StoredObject
    from isocenter.ul.pdu import AAssociateRQ, UserIdentityRQ

__all__ = ["main"]

_LOGGER = get_logger(__name__)
_SCU = get_logger("isocenter.net.scu")


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run getscu with the arguments behind the tool's name; return the exit code."""
    line = start(TOOL, argv)
    if isinstance(line, ExitCode):
        return line
    from isocenter.cli.network import check_titles, connect_options
    from isocenter.cli.retrieving import missing_query
    from isocenter.cli.sending import check_identity, identity_of, severity
    from isocenter.errors import ConfigurationError, StorageError

    if (wrong := missing_query(line)) is not None:
        return refuse(line, wrong)
    if not line.given("--ignore") and (wrong := _wrong_with(line)) is not None:
        _LOGGER.critical("specified output directory %s", wrong)
        return ExitCode.FAILURE
    try:
        identifiers = _identifiers(line, env)
        if identifiers is None:
            return ExitCode.FAILURE
        peer = connect_options(line)
        check_titles(line)
        identity = identity_of(line)
        request = _request(line, identity)
        check_identity(request)
        storage = _storage(line, env)
    except StorageError as problem:
        _LOGGER.critical("specified output directory cannot be used: %s", problem.reason)
        return ExitCode.FAILURE
    except ConfigurationError as problem:
        _LOGGER.log(severity(line, problem), "%s", problem)
        return ExitCode.FAILURE
    try:
        association = _associate(line, peer, request)
        if association is None:
            return ExitCode.FAILURE
        return _Session(line, association, storage).run(identifiers)
    finally:
        storage.close()


def _wrong_with(line: ParsedCommandLine) -> str | None:
    """Return in DCMTK's words why nothing can be written to the directory, None where it can."""
    directory = line.value("--output-directory") or "."
    if not os.path.isdir(directory):
        return "does not exist"
    return None if os.access(directory, os.W_OK | os.X_OK) else "is not writeable"


def _identifiers(line: ParsedCommandLine, env: Mapping[str, str]) -> list[Node] | None:
    """Return what is to be asked for: of each query file, or of the keys alone.

    None where a file or a key cannot be used, which was said: nothing is asked for then.

    Raises:
        ConfigurationError: a data dictionary of DCMDICTPATH cannot be read.
    """
    from isocenter.cli.dictionary import dictionary_of
    from isocenter.cli.keys import BadKey, apply_keys, load_query
    from isocenter.cli.retrieving import option_values
    from isocenter.dataset.tree import Node
    from isocenter.errors import DataSetError
    from isocenter.sender.conditions import condition_of

    dictionary = dictionary_of(env)
    keys = option_values(line, "--key")
    found = []
    for path in line.parameters_from("dcmfile-in") or ("",):
        try:
            identifier = load_query(path, dictionary) if path else Node()
            apply_keys(identifier, keys, dictionary)
        except BadKey as problem:
            _LOGGER.error("Bad override key/path: %s: %s", problem.key, problem.text)  # noqa: TRY400 - one line
            return None
        except (OSError, DataSetError) as problem:
            _LOGGER.critical("%s (%s)", condition_of(problem), path)
            return None
        found.append(identifier)
    return found


def _request(line: ParsedCommandLine, identity: UserIdentityRQ | None) -> AAssociateRQ:
    """Build the proposal: the GET class, and the storage classes with the role of SCP."""
    from isocenter import uids
    from isocenter.cli.network import max_pdu
    from isocenter.cli.options_query import PROPOSALS
    from isocenter.cli.preferences import accepted_syntaxes
    from isocenter.cli.retrieving import contexts_of, proposed_syntaxes
    from isocenter.cli.sending import association_request
    from isocenter.ul.pdu import RoleSelection

    max_pdu(line, _LOGGER)  # says where the length is odd
    objects = accepted_syntaxes(line.block(*PREFERENCES) or "--prefer-uncompr")
    return association_request(
        line,
        contexts_of(
            (_get_class(line), proposed_syntaxes(line, PROPOSALS)),
            *((uid, objects) for uid in uids.LONG_PROPOSAL),
        ),
        identity,
        role_selections=tuple(
            RoleSelection(sop_class_uid=uid, scu_role=False, scp_role=True)
            for uid in uids.LONG_PROPOSAL
        ),
    )


def _get_class(line: ParsedCommandLine) -> str:
    from isocenter import uids
    from isocenter.cli.options_query import MODELS

    classes = {"--study": uids.STUDY_ROOT_GET, "--psonly": uids.PATIENT_STUDY_ONLY_GET}
    return classes.get(line.block(*MODELS) or "", uids.PATIENT_ROOT_GET)


def _storage(line: ParsedCommandLine, env: Mapping[str, str]) -> FileStorage:
    """Return what stores.

    Raises:
        ConfigurationError, StorageError: an option cannot be used.
    """
    from isocenter.cli.storing import open_spool, retrieve_storage_options
    from isocenter.node.files import FileStorage
    from isocenter.storage.receive import Receiver

    options = retrieve_storage_options(line, env)
    receiver = Receiver(None if options.ignore else open_spool(line), options)
    tells = not options.ignore and _SCU.isEnabledFor(DEBUG)
    return FileStorage(receiver, command=_Teller() if tells else None)


class _Teller:
    """Tells of each file at debug level; takes the place of `node.files.ObjectCommand`."""

    def run(self, request: StoreRequest, stored: StoredObject) -> None:
        """Log DCMTK's lines."""
        _SCU.debug("Stored instance to disk:")
        _SCU.debug("  Filename: %s", stored.path)
        _SCU.debug("  SOP Class UID: %s", request.sop_class_uid)
        _SCU.debug("  SOP Instance UID: %s", request.sop_instance_uid)


def _associate(
    line: ParsedCommandLine, peer: ConnectOptions, request: AAssociateRQ
) -> Association | None:
    """Open the association, or say why there is none."""
    from isocenter.cli.sending import log_acceptance, log_request
    from isocenter.errors import IsocenterError
    from isocenter.net.client import connect

    log_request(line, _SCU, request)
    _SCU.info("Requesting Association")
    try:
        association = connect(peer, request)
    except IsocenterError as problem:
        _LOGGER.critical("Could not negotiate association: %s", _why_not(problem))
        if line.given("--explain"):
            from isocenter.cli.explaining import explain_request

            explain_request(line, peer, request, problem)
        return None
    log_acceptance(line, _SCU, request, association)
    if not association.contexts:
        _SCU.error("No Acceptable Presentation Contexts")
        _LOGGER.critical("Could not negotiate association: No acceptable Presentation Contexts")
    elif _get_context(line, association) is None:
        _SCU.info("Association Accepted (Max Send PDV: %d)", association.max_send_pdv)
        _LOGGER.critical("No adequate Presentation Contexts for sending C-GET")
    elif _is_confirmed(line, request, association):
        _SCU.info("Association Accepted (Max Send PDV: %d)", association.max_send_pdv)
        return association
    association.abort()
    if line.given("--explain"):
        from isocenter.cli.explaining import explain_no_context

        explain_no_context(line, association)
    return None


def _is_confirmed(line: ParsedCommandLine, request: AAssociateRQ, association: Association) -> bool:
    """Tell whether the identity was answered as it has to be."""
    if request.user_information.user_identity is None or association.accept is None:
        return True
    from isocenter.cli.identity import is_answered

    return is_answered(request, association.accept, explain=line.given("--explain"))


def _get_context(line: ParsedCommandLine, association: Association) -> int | None:
    """Return the id of the accepted context of the GET class."""
    wanted = _get_class(line)
    for context_id, context in association.contexts.items():
        if context.abstract_syntax == wanted:
            return context_id
    return None


def _why_not(problem: IsocenterError) -> str:
    """Return DCMTK's text without its number, and the reason where that says nothing."""
    from isocenter.errors import AssociationRejected
    from isocenter.sender.conditions import condition_of

    if isinstance(problem, AssociationRejected):
        return f"DUL Association Rejected ({problem.reason_text})"
    number, _, text = condition_of(problem).partition(" ")
    return text if ":" in number else f"{number} {text}"


class _Session:
    """The requests on one association, and what they come to."""

    def __init__(
        self, line: ParsedCommandLine, association: Association, storage: FileStorage
    ) -> None:
        """Send nothing yet."""
        self._line = line
        self._association = association
        self._storage = storage
        self._context_id = _get_context(line, association) or 0
        self._code = ExitCode.SUCCESS
        self._not_stored = 0

    def run(self, identifiers: Sequence[Node]) -> ExitCode:
        """Send each request, end the association, and return the exit code."""
        from isocenter.errors import IsocenterError
        from isocenter.sender.conditions import condition_of
        from isocenter.services.retrieve import UnexpectedCommand

        last: RetrieveResponse | None = None
        try:
            for _ in range(self._line.integer_or_none("--repeat") or 1):
                for identifier in identifiers:
                    last = self._get(identifier)
                self._report(last)
        except UnexpectedCommand as problem:
            _SCU.error(
                "Expected C-GET response or C-STORE request but received DIMSE command 0x%04x",
                problem.received_command,
            )
            return ExitCode.FAILURE
        except IsocenterError as problem:
            _SCU.error("Failed receiving DIMSE command: %s", condition_of(problem))
            self._association.abort()
            return ExitCode.FAILURE
        if self._line.given("--abort"):
            _SCU.info("Aborting Association")
            self._association.abort()
            return self._code
        _SCU.info("Releasing Association")
        try:
            self._association.release()
        except IsocenterError as problem:
            # Everything was answered before; nothing depends on this any more.
            _SCU.error("Association Release Failed: %s", condition_of(problem))
        return self._code

    def _get(self, identifier: Node) -> RetrieveResponse | None:
        """Send one request and take what comes; return the final response."""
        from isocenter.cli.retrieving import dump_with, encoded
        from isocenter.services import retrieve

        association = self._association
        syntax = association.contexts[self._context_id].transfer_syntax
        number = association.session.next_message_id()
        if _SCU.isEnabledFor(DEBUG):
            from isocenter.cli.dumps import message_dump
            from isocenter.dimse.commands_query import CGetRQ

            _SCU.info("Sending C-GET Request")
            request = CGetRQ(message_id=number, affected_sop_class_uid=_get_class(self._line))
            dump = message_dump(request, direction="OUTGOING", context_id=self._context_id)
            _SCU.debug("%s", dump_with(dump, identifier))
        else:
            _SCU.info("Sending C-GET Request (MsgID %d)", number)
        response = None
        self._not_stored = 0
        for response in retrieve.get(
            association,
            self._context_id,
            encoded(identifier, syntax),
            self._storage,
            message_id=number,
            observer=self,
        ):
            self._log(response)
        if response is not None:
            self._judge(response)
        return response

    def _judge(self, response: RetrieveResponse) -> None:
        """Take the final status into the exit code, unlike DCMTK (docs/deviations.md)."""
        from isocenter.cli.retrieving import status_words
        from isocenter.dimse.status import Service, StatusClass, classify, short_text

        status = response.status
        words = status_words(short_text(Service.GET, status), response)
        kind = classify(status)
        if kind is StatusClass.WARNING:
            _SCU.warning("DIMSE status is: %s", words)
            if self._code == ExitCode.SUCCESS:
                self._code = ExitCode.RETRIEVE_WARNING
        elif kind is not StatusClass.SUCCESS:
            _SCU.error("DIMSE status is: %s", words)
            self._code = ExitCode.RETRIEVE_FAILED
        else:
            _SCU.debug("DIMSE status is: %s", words)
        if self._not_stored:
            _LOGGER.error("objects received and not stored: %d", self._not_stored)
            self._code = ExitCode.RETRIEVE_FAILED

    def _log(self, response: RetrieveResponse) -> None:
        from isocenter.dimse.status import PENDING, Service, short_text

        if _SCU.isEnabledFor(DEBUG):
            _SCU.info("Received C-GET Response")
            self._dump(response.message, response.context_id, "INCOMING")
            _SCU.debug("Handling C-GET Response")
            if response.status == PENDING:
                _SCU.debug("DIMSE status is: Pending")
            if response.identifier:
                from isocenter.cli.retrieving import log_encoded

                syntax = self._association.contexts[response.context_id].transfer_syntax
                log_encoded(_SCU, "Response Identifiers:", response.identifier, syntax)
        else:
            words = short_text(Service.GET, response.status)
            _SCU.info("Received C-GET Response (%s)", words)

    def _report(self, response: RetrieveResponse | None) -> None:
        """Log the counts of the last response; what the peer does not say is 0."""
        if response is None:
            return
        _LOGGER.info("Final status report from last C-GET message:")
        for words, count in (
            ("Remaining Suboperations :", response.remaining),
            ("Completed Suboperations :", response.completed),
            ("Failed Suboperations    :", response.failed),
            ("Warning Suboperations   :", response.warning),
        ):
            _SCU.info("  Number of %s %d", words, count or 0)

    # --- as `services.retrieve.GetObserver` ---

    def store(self, association: Association, context_id: int, command: CStoreRQ) -> None:
        """Log the request."""
        del association
        if _SCU.isEnabledFor(DEBUG):
            _SCU.info("Received C-STORE Request")
            self._dump(command, context_id, "INCOMING")
        else:
            _SCU.info("Received C-STORE Request (MsgID %d)", command.message_id)

    def stored(self, association: Association, request: StoreRequest, status: int) -> None:
        """Log the response."""
        from isocenter.services.storage import is_confirmed, store_status_text

        del association
        if not is_confirmed(status):
            self._not_stored += 1
        if _SCU.isEnabledFor(DEBUG):
            from isocenter.dimse.commands import CStoreRSP

            _SCU.info("Sending C-STORE Response")
            command = request.command
            response = CStoreRSP(
                message_id_being_responded_to=command.message_id,
                affected_sop_class_uid=command.affected_sop_class_uid,
                affected_sop_instance_uid=command.affected_sop_instance_uid,
                status=status,
                has_data_set=False,
            )
            self._dump(response, request.context.context_id, "OUTGOING")
        else:
            _SCU.info("Sending C-STORE Response (%s)", store_status_text(status))

    def _dump(self, message: Message, context_id: int, direction: str) -> None:
        from isocenter.cli.dumps import message_dump

        _SCU.debug("%s", message_dump(message, direction=direction, context_id=context_id))

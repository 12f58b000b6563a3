"""findscu: query with C-FIND.

Options to requests, outcomes to DCMTK's lines and exit codes; nothing else.
"""

from __future__ import annotations

import os

from isocenter.cli.exitcodes import ExitCode
from isocenter.cli.options_findscu import EXTRACTS, MODELS, TOOL
from isocenter.cli.start import refuse, start
from isocenter.logs import get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.dataset.dictionary import Dictionary
    from isocenter.net.association import Association
    from isocenter.net.client import ConnectOptions
    from isocenter.ul.pdu import AAssociateRQ, UserIdentityRQ

__all__ = ["main"]

_LOGGER = get_logger(__name__)
_SCU = get_logger("isocenter.net.query")


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run findscu with the arguments behind the tool's name; return the exit code."""
    line = start(TOOL, argv)
    if isinstance(line, ExitCode):
        return line
    from isocenter.cli.dictionary import dictionary_of
    from isocenter.cli.network import check_titles, connect_options
    from isocenter.cli.retrieving import missing_query
    from isocenter.cli.sending import check_identity, identity_of, severity
    from isocenter.errors import ConfigurationError

    if (wrong := missing_query(line)) is not None:
        return refuse(line, wrong)
    if line.block(*EXTRACTS) is not None and (wrong := _wrong_with_directory(line)) is not None:
        _LOGGER.critical("specified output directory %s", wrong)
        return ExitCode.FAILURE
    keys = line.values("--key")
    try:
        dictionary = dictionary_of(env)
        if not _are_keys_good(keys, dictionary):
            return ExitCode.FAILURE
        options = connect_options(line)
        check_titles(line)
        identity = identity_of(line)
        request = _request(line, identity)
        check_identity(request)
    except ConfigurationError as problem:
        _LOGGER.log(severity(line, problem), "%s", problem)
        return ExitCode.FAILURE
    association = _associate(line, options, request)
    if association is None:
        return ExitCode.NO_ASSOCIATION
    from isocenter.cli.querying import Querier
    from isocenter.cli.responses import JsonLines, extraction_of

    extraction = extraction_of(line, dictionary)
    lines = JsonLines() if line.given("--json") else None
    try:
        querier = Querier(line, association, dictionary, extraction, lines)
        return querier.run(line.parameters_from("dcmfile-in"), keys)
    finally:
        association.close()


def _wrong_with_directory(line: ParsedCommandLine) -> str | None:
    """Return in DCMTK's words why nothing can be written to the directory, None where it can."""
    directory = line.value("--output-directory") or "."
    if not os.path.isdir(directory):
        return "does not exist"
    return None if os.access(directory, os.W_OK) else "is not writeable"


def _are_keys_good(keys: Sequence[str], dictionary: Dictionary | None) -> bool:
    """Say which key cannot be used before anybody is called; DCMTK's findscu says it afterwards."""
    from isocenter.cli.keys import BadKey, apply_keys
    from isocenter.dataset.tree import Node

    try:
        apply_keys(Node(), keys, dictionary)
    except BadKey as problem:
        from isocenter.cli.querying import log_bad_key

        log_bad_key(problem)
        return False
    return True


def _request(line: ParsedCommandLine, identity: UserIdentityRQ | None) -> AAssociateRQ:
    """Build the proposal: the information model, in the transfer syntaxes that were chosen."""
    from isocenter.cli.network import max_pdu
    from isocenter.cli.options_query import PROPOSALS
    from isocenter.cli.retrieving import contexts_of, proposed_syntaxes
    from isocenter.cli.sending import association_request

    max_pdu(line, _SCU)  # says where the length is odd
    model = _model(line), proposed_syntaxes(line, PROPOSALS)
    return association_request(line, contexts_of(model), identity)


def _model(line: ParsedCommandLine) -> str:
    from isocenter import uids

    classes = {
        "--patient": uids.PATIENT_ROOT_FIND,
        "--study": uids.STUDY_ROOT_FIND,
        "--psonly": uids.PATIENT_STUDY_ONLY_FIND,
    }
    return classes.get(line.block(*MODELS) or "", uids.MODALITY_WORKLIST_FIND)


def _associate(
    line: ParsedCommandLine, options: ConnectOptions, request: AAssociateRQ
) -> Association | None:
    """Open the association, or say why there is none."""
    from isocenter.cli.network import log_request_failure
    from isocenter.cli.sending import log_acceptance, log_request
    from isocenter.errors import IsocenterError
    from isocenter.logs import ERROR
    from isocenter.net.client import connect

    log_request(line, _SCU, request)
    _SCU.info("Requesting Association")
    try:
        association = connect(options, request)
    except IsocenterError as problem:
        log_request_failure(_SCU, ERROR, problem)
        if line.given("--explain"):
            from isocenter.cli.explaining import explain_request

            explain_request(line, options, request, problem)
        return None
    log_acceptance(line, _SCU, request, association)
    if not association.contexts:
        _SCU.error("No Acceptable Presentation Contexts")
        association.abort()
        if line.given("--explain"):
            from isocenter.cli.explain_query import explain_no_model

            explain_no_model(line, association)
        return None
    if _identity_is_refused(line, request, association):
        association.abort()
        return None
    _SCU.info("Association Accepted (Max Send PDV: %d)", association.max_send_pdv)
    return association


def _identity_is_refused(
    line: ParsedCommandLine, request: AAssociateRQ, association: Association
) -> bool:
    """Tell whether the peer was to confirm who asks and did not, which is said."""
    if request.user_information.user_identity is None or association.accept is None:
        return False
    from isocenter.cli.identity import is_answered

    return not is_answered(request, association.accept, explain=line.given("--explain"))

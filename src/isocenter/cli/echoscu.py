"""echoscu: verify a connection with C-ECHO.

Options to requests, outcomes to DCMTK's lines and exit codes; nothing else.
"""

from __future__ import annotations

from isocenter.cli.exitcodes import ExitCode
from isocenter.cli.options_echoscu import TOOL
from isocenter.cli.start import start
from isocenter.logs import CRITICAL, DEBUG, get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.dimse.commands import CEchoRSP
    from isocenter.errors import IsocenterError
    from isocenter.net.association import Association
    from isocenter.ul.pdu import AAssociateRQ

__all__ = ["main"]

_LOGGER = get_logger(__name__)


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run echoscu with the arguments behind the tool's name; return the exit code."""
    del env
    line = start(TOOL, argv)
    if isinstance(line, ExitCode):
        return line
    from isocenter.cli.network import check_titles, connect_options, log_request_failure
    from isocenter.errors import ConfigurationError, IsocenterError
    from isocenter.net.client import connect

    try:
        if line.stands_alone:
            from isocenter.cli.certificates import check_offline

            return check_offline(line)
        options = connect_options(line)
        check_titles(line)
    except ConfigurationError as problem:
        _LOGGER.critical("%s", problem)
        return ExitCode.FAILURE
    request = _request(line)
    if _LOGGER.isEnabledFor(DEBUG):
        from isocenter.cli.dumps import request_dump

        _LOGGER.debug("Request Parameters:\n%s", request_dump(request))
    _LOGGER.info("Requesting Association")
    try:
        association = connect(options, request)
    except IsocenterError as problem:
        log_request_failure(_LOGGER, CRITICAL, problem)
        if line.given("--explain"):
            from isocenter.cli.explaining import explain_request

            explain_request(line, options, request, problem)
        return ExitCode.FAILURE
    if association.tls is not None and _LOGGER.isEnabledFor(DEBUG):
        from isocenter.cli.tls_details import log_tls

        log_tls(association.tls)
    if _LOGGER.isEnabledFor(DEBUG) and association.accept is not None:
        from isocenter.cli.dumps import accept_dump

        _LOGGER.debug(
            "Association Parameters Negotiated:\n%s", accept_dump(request, association.accept)
        )
    if not association.contexts:
        _LOGGER.critical("No Acceptable Presentation Contexts")
        association.abort()
        if line.given("--explain"):
            from isocenter.cli.explaining import explain_no_context

            explain_no_context(line, association)
        return ExitCode.FAILURE
    _LOGGER.info("Association Accepted (Max Send PDV: %d)", association.max_send_pdv)
    return _echo(line, association)


def _request(line: ParsedCommandLine) -> AAssociateRQ:
    """Build the proposal: Verification `-ppc` times with the first `-pts` transfer syntaxes."""
    from isocenter import uids
    from isocenter.cli.network import ae_title, max_pdu
    from isocenter.ul.request import ProposedContext, build_request

    syntaxes = uids.ECHO_TRANSFER_SYNTAXES[: line.integer_or_none("--propose-ts") or 1]
    context = ProposedContext(abstract_syntax=uids.VERIFICATION, transfer_syntaxes=syntaxes)
    return build_request(
        [context] * (line.integer_or_none("--propose-pc") or 1),
        called_ae_title=ae_title(line, "--call"),
        calling_ae_title=ae_title(line, "--aetitle"),
        implementation_class_uid=uids.IMPLEMENTATION_CLASS_UID,
        implementation_version_name=uids.IMPLEMENTATION_VERSION_NAME,
        maximum_length=max_pdu(line, _LOGGER),
    )


def _show_detail(response: CEchoRSP) -> None:
    """Log what a response says beside its status, which C-ECHO has no use for."""
    from isocenter.cli.status_detail import status_detail

    detail = status_detail(response)
    if detail:
        _LOGGER.debug("Status Detail (should never be any):\n%s", detail)


def _echo(line: ParsedCommandLine, association: Association) -> ExitCode:
    """Send the echoes and end the association.

    A status other than success and a peer that goes away are failures here; DCMTK's echoscu
    exits with 0 for both (docs/deviations.md).
    """
    from isocenter.dimse.status import Service, short_text
    from isocenter.errors import AssociationReleased, IsocenterError
    from isocenter.sender.conditions import condition_of, is_peer_abort
    from isocenter.services.verification import verify

    refused = False
    confirmed = 0
    try:
        for number in range(1, (line.integer_or_none("--repeat") or 1) + 1):
            _LOGGER.info("Sending Echo Request (MsgID %d)", number)
            response = verify(association)
            words = short_text(Service.ECHO, response.status)
            if response.status:
                refused = True
                _LOGGER.error("Received Echo Response (%s)", words)
            else:
                confirmed += 1
                _LOGGER.info("Received Echo Response (%s)", words)
            if _LOGGER.isEnabledFor(DEBUG):
                _show_detail(response)
            if response.status:
                _explain_status(line, response)
    except AssociationReleased as problem:
        _LOGGER.critical("Protocol Error: Peer requested release (Aborting)")
        _LOGGER.info("Aborting Association")
        _explain_end(line, problem, confirmed)
        return ExitCode.ECHO_FAILED
    except IsocenterError as problem:
        _LOGGER.error("Echo Failed: %s", condition_of(problem))  # noqa: TRY400 - one line says it all
        if is_peer_abort(problem):
            _LOGGER.info("Peer Aborted Association")
            _explain_end(line, problem, confirmed)
            return ExitCode.FAILURE
        _LOGGER.error("Echo SCU Failed: %s", condition_of(problem))  # noqa: TRY400 - as above
        _LOGGER.info("Aborting Association")
        association.abort()
        _explain_end(line, problem, confirmed)
        return ExitCode.ECHO_FAILED
    code = ExitCode.FAILURE if refused else ExitCode.SUCCESS
    if line.given("--abort"):
        _LOGGER.info("Aborting Association")
        association.abort()
        return code
    _LOGGER.info("Releasing Association")
    try:
        association.release()
    except IsocenterError as problem:
        _LOGGER.critical("Association Release Failed: %s", condition_of(problem))
        _explain_end(line, problem, confirmed, releasing=True)
        return ExitCode.FAILURE
    return code


def _explain_status(line: ParsedCommandLine, response: CEchoRSP) -> None:
    """Say what a failure status means, where that is asked for."""
    if line.given("--explain"):
        from isocenter.cli.explaining import explain_echo

        explain_echo(response)


def _explain_end(
    line: ParsedCommandLine, problem: IsocenterError, confirmed: int, *, releasing: bool = False
) -> None:
    """Say why the association ended, where that is asked for."""
    if line.given("--explain"):
        from isocenter.cli.explaining import explain_broken_echo

        explain_broken_echo(line, problem, confirmed, releasing=releasing)

"""storescu: send files with C-STORE.

Options to requests, outcomes to DCMTK's lines and exit codes; nothing else.
"""

from __future__ import annotations

from isocenter.cli.dictionary import dictionary_of
from isocenter.cli.exitcodes import ExitCode, exit_code_for_store_status
from isocenter.cli.options_storescu import INVENTION, PROPOSALS, READ_MODES, TOOL
from isocenter.cli.start import start
from isocenter.logs import CRITICAL, DEBUG, INFO, get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.dataset.dictionary import Dictionary
    from isocenter.net.association import Association
    from isocenter.sender.inputs import CheckedInputs
    from isocenter.sender.invention import Inventor
    from isocenter.sender.outcome import Outcome
    from isocenter.ul.pdu import AAssociateRQ

__all__ = ["main"]

_LOGGER = get_logger(__name__)


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run storescu with the arguments behind the tool's name; return the exit code."""
    line = start(TOOL, argv)
    if isinstance(line, ExitCode):
        return line
    from isocenter.errors import ConfigurationError, NegotiationError
    from isocenter.sender.conditions import BAD_PRESENTATION_CONTEXT_ID

    try:
        inputs = _inputs(line)
        request = _request(line, inputs)
        dictionary = dictionary_of(env)
    except ConfigurationError as problem:
        _LOGGER.critical("%s", problem)
        return ExitCode.FAILURE
    except NegotiationError as problem:
        _LOGGER.error("%s", problem)  # noqa: TRY400 - one line says it all
        _LOGGER.critical("%s", BAD_PRESENTATION_CONTEXT_ID)
        return ExitCode.FAILURE
    association = _connect(line, request)
    if association is None:
        return ExitCode.FAILURE
    return _exit_code(_send(line, inputs, association, dictionary))


def _inputs(line: ParsedCommandLine) -> CheckedInputs:
    """Find the files and check what can be checked before a connection is made."""
    from isocenter.sender.inputs import InputOptions, check_inputs

    options = InputOptions(
        scan_directories=line.given("--scan-directories"),
        scan_pattern=line.value_or_none("--scan-pattern"),
        recurse=line.block("--no-recurse", "--recurse") == "--recurse",
        halt=not line.given("--no-halt"),
        required=line.given("--required"),
        form=_form(line),
    )
    return check_inputs(line.parameters_from("dcmfile-in"), options)


def _form(line: ParsedCommandLine) -> str:
    """Return what a file may be."""
    from isocenter.sender.prepare import ANY_FORM, DATA_SET_ONLY, FILE_ONLY

    forms = {"--read-file-only": FILE_ONLY, "--read-dataset": DATA_SET_ONLY}
    return forms.get(line.block(*READ_MODES) or "", ANY_FORM)


def _request(line: ParsedCommandLine, inputs: CheckedInputs) -> AAssociateRQ:
    """Build the proposal."""
    from isocenter import uids
    from isocenter.cli.network import ae_title
    from isocenter.sender.proposal import propose
    from isocenter.ul.pdu import AAssociateRQ, AsynchronousOperationsWindow, UserInformation

    selector = (line.block(*PROPOSALS) or "--propose-uncompr").removeprefix("--propose-")
    contexts = propose(
        inputs.sop_classes if line.given("--required") else None,
        selector=selector.removeprefix("--"),
        combine=line.given("--combine"),
    )
    operations = line.integer("--max-ops")
    window = AsynchronousOperationsWindow(
        maximum_number_operations_invoked=operations, maximum_number_operations_performed=1
    )
    return AAssociateRQ(
        called_ae_title=ae_title(line, "--call"),
        calling_ae_title=ae_title(line, "--aetitle"),
        presentation_contexts=contexts,
        user_information=UserInformation(
            maximum_length=line.integer("--max-pdu"),
            implementation_class_uid=uids.IMPLEMENTATION_CLASS_UID,
            implementation_version_name=uids.IMPLEMENTATION_VERSION_NAME,
            # Without it one operation at a time is the rule (PS3.7 D.3.3.3.1).
            asynchronous_operations_window=window if operations > 1 else None,
        ),
    )


def _connect(line: ParsedCommandLine, request: AAssociateRQ) -> Association | None:
    """Open the association, or say why there is none."""
    from isocenter.cli.network import connect_options, log_request_failure
    from isocenter.errors import IsocenterError
    from isocenter.net.client import connect

    dump_level = INFO if line.given("--verbose-pc") else DEBUG
    if _LOGGER.isEnabledFor(dump_level):
        from isocenter.cli.dumps import request_dump

        _LOGGER.log(dump_level, "Request Parameters:\n%s", request_dump(request))
    _LOGGER.info("Requesting Association")
    try:
        association = connect(connect_options(line), request)
    except IsocenterError as problem:
        log_request_failure(_LOGGER, CRITICAL, problem)
        return None
    if _LOGGER.isEnabledFor(dump_level) and association.accept is not None:
        from isocenter.cli.dumps import accept_dump

        dump = accept_dump(request, association.accept)
        _LOGGER.log(dump_level, "Association Parameters Negotiated:\n%s", dump)
    if not association.contexts:
        _LOGGER.critical("No Acceptable Presentation Contexts")
        association.abort()
        return None
    _LOGGER.info("Association Accepted (Max Send PDV: %d)", association.max_send_pdv)
    return association


def _send(
    line: ParsedCommandLine,
    inputs: CheckedInputs,
    association: Association,
    dictionary: Dictionary | None,
) -> Outcome:
    """Send the files and end the association."""
    from isocenter.cli.logsetup import ProgressDots
    from isocenter.cli.sending import AssociationLink
    from isocenter.sender.encoding import EncodingOptions
    from isocenter.sender.transfer import TransferOptions, send_files

    selector = line.block(*PROPOSALS)
    options = TransferOptions(
        halt=not line.given("--no-halt"),
        repeat=line.integer_or_none("--repeat") or 1,
        maximum_operations=line.integer("--max-ops"),
        abort=line.given("--abort"),
        rename=line.block("--no-rename", "--rename") == "--rename",
        form=_form(line),
        inventor=_inventor(line),
        correct_uids=line.given("--uid-padding"),
        encoding=EncodingOptions(
            new_vrs=line.block("--enable-new-vr", "--disable-new-vr") != "--disable-new-vr",
            compression_level=line.integer_or_none("--compression-level"),
            dictionary=dictionary,
        ),
        prefer_deflated=selector == "--propose-deflated",
    )
    dots = ProgressDots("XMIT", line.level)
    return send_files(
        AssociationLink(association),
        inputs.files,
        options,
        ignored=inputs.ignored,
        progress=dots if dots.enabled else None,
    )


def _inventor(line: ParsedCommandLine) -> Inventor | None:
    """Return what makes up the objects' identities; any of the four options asks for it."""
    if not any(line.given(name) for name in INVENTION):
        return None
    from isocenter.sender.invention import Inventor

    return Inventor(
        images_per_series=line.integer("--invent-series"),
        series_per_study=line.integer("--invent-study"),
        studies_per_patient=line.integer("--invent-patient"),
    )


def _exit_code(outcome: Outcome) -> int:
    """Return 0 only where every object was confirmed, unlike DCMTK (docs/deviations.md)."""
    if outcome.ok:
        return ExitCode.SUCCESS
    status = outcome.first_failure_status
    code = ExitCode.FAILURE if status is None else exit_code_for_store_status(status)
    return code or ExitCode.FAILURE

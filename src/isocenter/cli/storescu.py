"""storescu: send files with C-STORE.

Options to requests, outcomes to DCMTK's lines and exit codes; nothing else.
"""

from __future__ import annotations

from isocenter.cli.dictionary import dictionary_of
from isocenter.cli.exitcodes import ExitCode, exit_code_for_store_status
from isocenter.cli.options_storescu import INVENTION, PROPOSALS, TOOL
from isocenter.cli.start import start
from isocenter.logs import CRITICAL, get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.cli.profiles import ProfileSource
    from isocenter.dataset.dictionary import Dictionary
    from isocenter.net.association import Association
    from isocenter.net.client import ConnectOptions
    from isocenter.sender.inputs import CheckedInputs
    from isocenter.sender.invention import Inventor
    from isocenter.sender.outcome import Outcome
    from isocenter.sender.proposal import Files, PlannedAssociation
    from isocenter.sender.transfer import Progress, TransferOptions
    from isocenter.ul.pdu import AAssociateRQ, UserIdentityRQ

__all__ = ["main"]

_LOGGER = get_logger(__name__)

_BESIDE_AUTO_CONTEXTS = {None, "--propose-uncompr", "--propose-deflated"}
"""What of `PROPOSALS` may stand beside it: the default changes nothing, deflated is preferred."""


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run storescu with the arguments behind the tool's name; return the exit code."""
    line = start(TOOL, argv)
    if isinstance(line, ExitCode):
        return line
    from isocenter.cli.network import check_titles, connect_options, max_pdu
    from isocenter.cli.sending import check_identity, identity_of, severity
    from isocenter.errors import ConfigurationError, NegotiationError
    from isocenter.sender.conditions import BAD_PRESENTATION_CONTEXT_ID

    try:
        profiles = _profiles(line)
    except ConfigurationError as problem:
        _LOGGER.error("reading config file: %s", problem)  # noqa: TRY400 - one line says it all
        return ExitCode.FAILURE
    try:
        inputs = _inputs(line)
        max_pdu(line, _LOGGER)
        peer = connect_options(line)
        identity = identity_of(line)
        check_titles(line)
        plan = _plan(line, inputs, profiles)
        if identity is not None:
            for planned in plan:
                check_identity(_request(line, planned, identity))
        options = _transfer_options(line, dictionary_of(env))
    except ConfigurationError as problem:
        _LOGGER.log(severity(line, problem), "%s", problem)
        return ExitCode.FAILURE
    except NegotiationError as problem:
        _LOGGER.error("%s", problem)  # noqa: TRY400 - one line says it all
        _LOGGER.critical("%s", BAD_PRESENTATION_CONTEXT_ID)
        if line.given("--explain"):
            from isocenter.cli.explaining import explain_too_many

            explain_too_many(line)
        return ExitCode.FAILURE
    return _exit_code(_run(line, peer, plan, options, identity, ignored=inputs.ignored))


def _profiles(line: ParsedCommandLine) -> ProfileSource | None:
    """Read the file of ``--config-file``, None without.

    Raises:
        ConfigurationError: it cannot be read, or is wrong.
    """
    if not line.given("--config-file"):
        return None
    from isocenter.cli.profiles import load_profiles

    return load_profiles(line.value("--config-file"), requestor=True)


def _inputs(line: ParsedCommandLine) -> CheckedInputs:
    """Find the files and check what can be checked before a connection is made.

    Raises:
        ConfigurationError: a file is no good, or options contradict each other.
    """
    from isocenter.cli.sending import file_form
    from isocenter.sender.inputs import InputOptions, check_inputs

    _demand_one_proposal(line)
    options = InputOptions(
        scan_directories=line.given("--scan-directories"),
        scan_pattern=line.value_or_none("--scan-pattern"),
        recurse=line.block("--no-recurse", "--recurse") == "--recurse",
        halt=not line.given("--no-halt"),
        required=line.given("--required"),
        kinds=line.given("--auto-contexts"),
        form=file_form(line),
    )
    return check_inputs(line.parameters_from("dcmfile-in"), options)


def _demand_one_proposal(line: ParsedCommandLine) -> None:
    """Refuse `-x?` beside ``--auto-contexts``, except those that do not contradict it.

    Raises:
        ConfigurationError: there is one.
    """
    selector = line.block(*PROPOSALS)
    if line.given("--auto-contexts") and selector not in _BESIDE_AUTO_CONTEXTS:
        from isocenter.errors import ConfigurationError

        raise ConfigurationError(f"--auto-contexts not allowed with {selector}")


def _plan(
    line: ParsedCommandLine, inputs: CheckedInputs, profiles: ProfileSource | None
) -> Sequence[PlannedAssociation]:
    """Say which files go on which association, and what it proposes; there is at least one.

    Raises:
        ConfigurationError: there is no such profile, or it cannot be proposed.
        NegotiationError: more contexts than one association takes.
    """
    if profiles is not None:
        from isocenter.cli.profiles import plan_of_profile

        return (plan_of_profile(line, profiles, inputs.files),)
    if line.given("--auto-contexts"):
        from isocenter.sender.planning import plan_associations

        return plan_associations(inputs, prefer_deflated=_prefers_deflated(line))
    from isocenter.sender.proposal import PlannedAssociation, propose

    selector = (line.block(*PROPOSALS) or "--propose-uncompr").removeprefix("--propose-")
    contexts = propose(
        inputs.sop_classes if line.given("--required") else None,
        selector=selector,
        combine=line.given("--combine"),
    )
    return (PlannedAssociation(contexts, inputs.files),)


def _run(
    line: ParsedCommandLine,
    peer: ConnectOptions,
    plan: Sequence[PlannedAssociation],
    options: TransferOptions,
    identity: UserIdentityRQ | None,
    *,
    ignored: int,
) -> Outcome:
    """Have one association after the other; without `-nh` the first failure is the end."""
    from isocenter.cli.logsetup import ProgressDots
    from isocenter.sender.outcome import Outcome

    dots = ProgressDots("XMIT", line.progress_level)
    progress = dots if dots.enabled else None
    outcome = Outcome(ignored=ignored)
    hint: str | None = None
    for number, planned in enumerate(plan, 1):
        if len(plan) > 1:
            words = "starting association #%d of %d (%d files)"
            _LOGGER.info(words, number, len(plan), len(planned.files))
        request = _request(line, planned, identity)
        result = _serve(line, peer, request, planned.files, options, progress)
        lacking = result.without_context
        # `--explain` has said more of each such file.
        if lacking is not None and hint is None and not line.given("--explain"):
            from isocenter.cli.hints import context_hint

            hint = context_hint(lacking, planned.contexts, from_profile=line.given("--config-file"))
        outcome.add(result)
        if options.halt and not outcome.ok:
            break
    total = options.repeat * sum(len(planned.files) for planned in plan)
    if counts := outcome.counts(total, ignored):
        say = _LOGGER.info if outcome.ok else _LOGGER.warning
        say("%s", counts)
    if hint is not None:
        _LOGGER.warning("%s", hint)
    return outcome


def _prefers_deflated(line: ParsedCommandLine) -> bool:
    return line.block(*PROPOSALS) == "--propose-deflated"


def _serve(
    line: ParsedCommandLine,
    peer: ConnectOptions,
    request: AAssociateRQ,
    files: Files,
    options: TransferOptions,
    progress: Progress | None,
) -> Outcome:
    """Open one association, send its files and end it."""
    from isocenter.sender.outcome import Outcome

    association = _connect(line, peer, request)
    if association is None:
        outcome = Outcome()
        outcome.broken = True
        return outcome
    from isocenter.cli.sending import AssociationLink
    from isocenter.sender.transfer import send_files

    failures = None
    if line.given("--explain"):
        from isocenter.cli.explaining import FailureExplainer

        failures = FailureExplainer(line, association)
    link = AssociationLink(association)
    return send_files(link, files, options, progress=progress, failures=failures)


def _request(
    line: ParsedCommandLine, planned: PlannedAssociation, identity: UserIdentityRQ | None
) -> AAssociateRQ:
    """Build the proposal of one association."""
    from isocenter.cli.sending import association_request

    return association_request(
        line,
        planned.contexts,
        identity,
        operations=line.integer("--max-ops"),
        role_selections=planned.role_selections,
        extended_negotiations=planned.extended_negotiations,
    )


def _connect(
    line: ParsedCommandLine, peer: ConnectOptions, request: AAssociateRQ
) -> Association | None:
    """Open the association, or say why there is none."""
    from isocenter.cli.network import log_request_failure
    from isocenter.cli.sending import log_acceptance, log_request
    from isocenter.errors import IsocenterError
    from isocenter.net.client import connect

    log_request(line, _LOGGER, request)
    _LOGGER.info("Requesting Association")
    try:
        association = connect(peer, request)
    except IsocenterError as problem:
        log_request_failure(_LOGGER, CRITICAL, problem)
        if line.given("--explain"):
            from isocenter.cli.explaining import explain_request

            explain_request(line, peer, request, problem)
        return None
    log_acceptance(line, _LOGGER, request, association)
    if not association.contexts:
        _LOGGER.critical("No Acceptable Presentation Contexts")
        association.abort()
        if line.given("--explain"):
            from isocenter.cli.explaining import explain_no_context

            explain_no_context(
                line,
                association,
                from_profile=line.given("--config-file"),
                from_files=line.given("--auto-contexts"),
            )
        return None
    if request.user_information.user_identity is not None and association.accept is not None:
        from isocenter.cli.identity import is_answered

        if not is_answered(request, association.accept, explain=line.given("--explain")):
            association.abort()
            return None
    _LOGGER.info("Association Accepted (Max Send PDV: %d)", association.max_send_pdv)
    return association


def _transfer_options(line: ParsedCommandLine, dictionary: Dictionary | None) -> TransferOptions:
    """Return how files are sent, the same on every association."""
    from isocenter.cli.sending import file_form
    from isocenter.sender.encoding import EncodingOptions
    from isocenter.sender.transfer import TransferOptions

    return TransferOptions(
        halt=not line.given("--no-halt"),
        repeat=line.integer_or_none("--repeat") or 1,
        maximum_operations=line.integer("--max-ops"),
        abort=line.given("--abort"),
        rename=line.block("--no-rename", "--rename") == "--rename",
        form=file_form(line),
        inventor=_inventor(line),
        correct_uids=line.given("--uid-padding"),
        encoding=EncodingOptions(
            new_vrs=line.block("--enable-new-vr", "--disable-new-vr") != "--disable-new-vr",
            compression_level=line.integer("--compression-level")
            if line.given("--compression-level")
            else None,
            dictionary=dictionary,
        ),
        prefer_deflated=_prefers_deflated(line),
        proposed_by_profile=line.given("--config-file"),
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

"""dcmsend: send files with C-STORE, in as many associations and forms as that takes.

Options to requests, outcomes to DCMTK's lines and exit codes; nothing else.
"""

from __future__ import annotations

from isocenter.cli.exitcodes import ExitCode
from isocenter.cli.options_dcmsend import TOOL
from isocenter.cli.start import start
from isocenter.logs import get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isocenter.cli.calls import Calls
    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.dataset.dictionary import Dictionary
    from isocenter.net.client import ConnectOptions
    from isocenter.sender.backlog import Backlog
    from isocenter.sender.decoding import Decoders
    from isocenter.sender.delivery import DeliveryOptions
    from isocenter.sender.listing import InvalidInput, Listing
    from isocenter.sender.report import Report
    from isocenter.sender.tally import Tally
    from isocenter.ul.pdu import UserIdentityRQ

__all__ = ["main"]

_LOGGER = get_logger(__name__)


class _Stopped(Exception):
    """The run is over before anything was sent, and why was said."""

    def __init__(self, code: ExitCode) -> None:
        super().__init__(code)
        self.code = code


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run dcmsend with the arguments behind the tool's name; return the exit code."""
    line = start(TOOL, argv)
    if isinstance(line, ExitCode):
        return line
    try:
        listing = _listing(line)
        backlog = _backlog(line, listing)
        dictionary, identity = _environment(line, env)
        peer = _peer(line)
        report = _report(line)
    except _Stopped as stopped:
        return stopped.code
    from isocenter.cli.calls import Calls
    from isocenter.sender.decoding import Decoders

    decoders = Decoders()
    try:
        options = _options(line, dictionary, decoders, wants_sizes=report is not None)
        return _deliver(Calls(line, peer, identity), listing, backlog, options, report)
    finally:
        decoders.close()
        if report is not None:
            report.discard()


def _listing(line: ParsedCommandLine) -> Listing:
    """Find the files.

    Raises:
        _Stopped: there is none.
    """
    from isocenter.cli.sending import file_form
    from isocenter.sender.listing import InvalidInput, Listing, ListingOptions

    options = ListingOptions(
        scan_directories=line.given("--scan-directories"),
        scan_pattern=line.value_or_none("--scan-pattern"),
        recurse=line.block("--no-recurse", "--recurse") == "--recurse",
        dicomdir=line.given("--read-from-dicomdir"),
        halt=not line.given("--no-halt"),
        check_uids=not line.given("--no-uid-checks"),
        form=file_form(line),
        lazily=_streams(line),
    )
    try:
        listing = Listing(line.parameters_from("dcmfile-in"), options)
    except InvalidInput as problem:
        _refuse_input(line, problem)
        raise _Stopped(ExitCode.INVALID_INPUT_FILE) from problem
    if listing.is_empty:
        _LOGGER.critical("no input files to be processed")
        from isocenter.cli.hints_dcmsend import empty_hint

        paths, scans = line.parameters_from("dcmfile-in"), options.scan_directories
        if hint := empty_hint(paths, dicomdir=options.dicomdir, scans=scans):
            _LOGGER.warning("%s", hint)
        raise _Stopped(ExitCode.NO_INPUT_FILES)
    return listing


def _streams(line: ParsedCommandLine) -> bool:
    """Tell whether files are looked at beside sending.

    Not with a single association: it has to propose what the last file needs.
    """
    return line.given("--stream") or (line.given("--no-halt") and _has_several(line))


def _has_several(line: ParsedCommandLine) -> bool:
    choice = line.block("--multi-associations", "--single-association")
    return choice != "--single-association"


def _backlog(line: ParsedCommandLine, listing: Listing) -> Backlog:
    """Look at the files, or at the first of them.

    Raises:
        _Stopped: none is any good, or one is not and that is the end.
    """
    from isocenter.sender.backlog import Backlog
    from isocenter.sender.listing import InvalidInput

    _LOGGER.info("checking input files ...")
    try:
        backlog = Backlog(listing, beside=_streams(line))
        if backlog.first() is None and backlog.problem is not None:
            raise backlog.problem
    except InvalidInput as problem:
        _refuse_input(line, problem)
        raise _Stopped(ExitCode.INVALID_INPUT_FILE) from problem
    if backlog.first() is None:
        _LOGGER.critical("no valid input files to be processed")
        raise _Stopped(ExitCode.NO_VALID_INPUT_FILES)
    if backlog.is_complete:
        words = "in total, there are %d SOP instances to be sent, %d invalid files are ignored"
        _LOGGER.debug(words, backlog.count, listing.invalid)
    return backlog


def _refuse_input(line: ParsedCommandLine, problem: InvalidInput) -> None:
    """Say that a file is no good, which is the end, and what would help."""
    _LOGGER.critical("%s", problem)
    from isocenter.cli.hints_dcmsend import input_hint
    from isocenter.cli.sending import file_form
    from isocenter.sender.prepare import FILE_ONLY

    dicomdir, meta_needed = line.given("--read-from-dicomdir"), file_form(line) == FILE_ONLY
    _LOGGER.warning("%s", input_hint(problem.path, dicomdir=dicomdir, meta_needed=meta_needed))


def _environment(
    line: ParsedCommandLine, env: Mapping[str, str]
) -> tuple[Dictionary | None, UserIdentityRQ | None]:
    """Return the data dictionary and who asks.

    Raises:
        _Stopped: a file of either is no good, or the identity is too long.
    """
    from isocenter.cli.dictionary import dictionary_of
    from isocenter.cli.sending import association_request, check_identity, identity_of, severity
    from isocenter.errors import ConfigurationError

    try:
        dictionary = dictionary_of(env)
        identity = identity_of(line)
        if identity is not None:
            check_identity(association_request(line, (), identity))
    except ConfigurationError as problem:
        _LOGGER.log(severity(line, problem), "%s", problem)
        raise _Stopped(ExitCode.FAILURE) from problem
    return dictionary, identity


def _peer(line: ParsedCommandLine) -> ConnectOptions:
    """Return how to reach the peer.

    Raises:
        _Stopped: what TLS was to use cannot be used, or a title is blank.
    """
    from isocenter.cli.network import check_titles, connect_options, max_pdu
    from isocenter.errors import ConfigurationError

    max_pdu(line, _LOGGER)
    try:
        check_titles(line)
    except ConfigurationError as problem:
        _LOGGER.critical("cannot negotiate network association: %s", problem)
        raise _Stopped(ExitCode.CANNOT_NEGOTIATE_ASSOCIATION) from problem
    try:
        return connect_options(line)
    except ConfigurationError as problem:
        _LOGGER.critical("%s", problem)
        raise _Stopped(ExitCode.CANNOT_INITIALIZE_NETWORK) from problem


def _report(line: ParsedCommandLine) -> Report | None:
    """Begin the report, None where none is wanted.

    Raises:
        _Stopped: it cannot be written.
    """
    path = line.value_or_none("--create-report-file")
    if not path:
        return None
    from isocenter.cli.termination import interrupt_on_termination
    from isocenter.sender.report import Report

    interrupt_on_termination()  # the report grows under a name that must not stay
    try:
        report = Report(path)
    except (OSError, ValueError) as problem:  # ValueError: a NUL within
        _refuse_report(path, problem)
        raise _Stopped(ExitCode.CANNOT_WRITE_REPORT_FILE) from problem
    titles = line.value("--aetitle"), line.value("--call")
    report.begin(line.parameter("peer"), line.parameter_integer("port"), *titles)
    return report


def _refuse_report(path: str, problem: OSError | ValueError) -> None:
    reason = (problem.strerror if isinstance(problem, OSError) else None) or problem
    _LOGGER.error("cannot write detailed report to file '%s': %s", path, reason)


def _options(
    line: ParsedCommandLine,
    dictionary: Dictionary | None,
    decoders: Decoders,
    *,
    wants_sizes: bool,
) -> DeliveryOptions:
    """Return how the run goes on."""
    from isocenter.cli.sending import decompression, file_form
    from isocenter.sender.delivery import DeliveryOptions
    from isocenter.sender.encoding import EncodingOptions
    from isocenter.sender.grouping import GroupingOptions
    from isocenter.sender.instances import InstanceOptions

    decompress = (decompression(line) or "").rpartition("-")[2]
    return DeliveryOptions(
        several=_has_several(line),
        grouping=GroupingOptions(
            decompress=decompress,
            illegal_proposals=not line.given("--no-illegal-proposal"),
            why_not=_why_not,
        ),
        instances=InstanceOptions(
            halt=not line.given("--no-halt"),
            form=file_form(line),
            encoding=EncodingOptions(
                compression_level=line.integer("--compression-level")
                if line.given("--compression-level")
                else None,
                dictionary=dictionary,
            ),
            names_conversions=decompress != "never",
            sizes=wants_sizes,
            decoders=None if decompress == "never" else decoders,
        ),
    )


def _why_not(transfer_syntax_uid: str) -> str:
    """Say why a transfer syntax cannot be decoded here, "" where it can."""
    from isocenter.dataset.pixels.decoders import why_not

    return why_not(transfer_syntax_uid)


def _deliver(
    calls: Calls,
    listing: Listing,
    backlog: Backlog,
    options: DeliveryOptions,
    report: Report | None,
) -> int:
    """Send everything, say what became of it, and return the exit code."""
    from isocenter.sender.delivery import DONE, Delivery
    from isocenter.sender.tally import Tally

    tally = Tally()
    failures = calls.failures if calls.explains else None
    ending = Delivery(backlog, calls, options, tally, report, failures).run()
    if ending != DONE:
        _say_what_is_left(calls, tally, listing.invalid)
        return _CODES[ending]
    code = ExitCode.SUCCESS
    if report is not None:
        try:
            report.finish(tally)
        except OSError as problem:
            _refuse_report(report.path, problem)
            code = ExitCode.CANNOT_WRITE_REPORT_FILE
    _LOGGER.info("\n%s", tally.summary())
    if tally.confirmed == tally.instances and not listing.invalid:
        return code
    _say_what_is_left(calls, tally, listing.invalid)
    # What is said of a report is less than that something was not sent.
    return ExitCode.CANNOT_SEND_REQUEST


_CODES = {
    "cannot negotiate": ExitCode.CANNOT_NEGOTIATE_ASSOCIATION,
    "cannot send": ExitCode.CANNOT_SEND_REQUEST,
    "cannot add context": ExitCode.CANNOT_ADD_PRESENTATION_CONTEXT,
    "invalid input": ExitCode.INVALID_INPUT_FILE,
}
"""How a run ends early (`sender.delivery`) to the exit code."""


def _say_what_is_left(calls: Calls, tally: Tally, invalid: int) -> None:
    """Say how many were not confirmed, and what would help where nothing took them."""
    if tally.associations:
        _LOGGER.error("%s", _shortfall(tally, invalid))
    if tally.lacking is not None and not calls.explains:
        from isocenter.cli.hints_dcmsend import context_hint

        _LOGGER.warning("%s", context_hint(tally.lacking, calls.decompression))


def _shortfall(tally: Tally, invalid: int) -> str:
    """Say in one line what was not confirmed."""
    parts = [f"{tally.confirmed} of {tally.instances} SOP instances were confirmed"]
    if refused := tally.sent - tally.confirmed:
        parts.append(f"{refused} refused")
    if unsent := tally.instances - tally.sent:
        parts.append(f"{unsent} not sent")
    if invalid:
        parts.append(f"{invalid} invalid file{'s' if invalid > 1 else ''} left out")
    return ", ".join(parts)

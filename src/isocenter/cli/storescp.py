"""storescp: receive objects and write them to files.

Options to policy and provider, events to DCMTK's lines; nothing else.
"""

from __future__ import annotations

import os

from isocenter.cli.exitcodes import ExitCode
from isocenter.cli.options_storescp import PREFERENCES, SORTING, TOOL
from isocenter.cli.start import start
from isocenter.logs import DEBUG, INFO, get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isocenter.cli.events import Events
    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.cli.receiving import Misbehaviour
    from isocenter.net.inherited import InheritedConnection
    from isocenter.services.acceptor import Acceptor
    from isocenter.services.admission import Admission
    from isocenter.ul.negotiation import AcceptorPolicy

__all__ = ["main"]

_LOGGER = get_logger(__name__)
_PRIVILEGED_PORTS = 1024


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run storescp with the arguments behind the tool's name; return the exit code.

    Ends with 0 when stopped by a signal after finishing what was being received, and with
    ``--inetd`` after the one association.
    """
    _mind_super_server(argv)
    line = start(TOOL, argv)
    if isinstance(line, ExitCode):
        return line
    if (
        line.block(*SORTING) == "--sort-on-patientname"
        and line.level > DEBUG
        and not line.given("--log-patient-data")
    ):
        from isocenter.cli.discretion import hide_patients

        hide_patients()
    from isocenter.cli.network import run_server
    from isocenter.cli.serving import doors, server_tls
    from isocenter.errors import ConfigurationError, StorageError
    from isocenter.ops.reload import Reloader

    connection = None
    if line.given("--inetd"):
        inherited = _inherited(line)
        if isinstance(inherited, ExitCode):
            return inherited
        connection = inherited
    elif (
        (port := line.parameter_integer("port")) < _PRIVILEGED_PORTS
        and hasattr(os, "geteuid")
        and os.geteuid() != 0
    ):
        _LOGGER.critical("cannot listen on port %d, insufficient privileges", port)
        return ExitCode.FAILURE
    directory = line.value("--output-directory") or "."
    if not os.path.isdir(directory):
        _LOGGER.critical("specified output directory does not exist (%s)", directory)
        return ExitCode.FAILURE
    if not line.given("--ignore") and not os.access(directory, os.W_OK | os.X_OK):
        _LOGGER.critical("specified output directory is not writeable (%s)", directory)
        return ExitCode.FAILURE
    try:
        reloader = Reloader()
        gate, admission = doors(line, reloader)
        tls = server_tls(line, reloader)
        acceptor, events = _acceptor(line, env, admission)
        if connection is not None:
            from isocenter.net.inherited import silence_output

            silence_output()
        served = run_server(
            line, acceptor, _LOGGER, events, connection, gate, tls, reloader=reloader
        )
    except (ConfigurationError, StorageError) as problem:
        _LOGGER.critical("%s", problem)
        return ExitCode.FAILURE
    return ExitCode.SUCCESS if served else ExitCode.FAILURE


def _mind_super_server(argv: Sequence[str]) -> None:
    """Keep what is said about the command line from a peer that descriptors 1 and 2 may be."""
    words = argv
    if any(word.startswith("@") for word in argv):
        from isocenter.cli.parser import CommandLineError, expand_command_files

        try:
            words = expand_command_files(argv)
        except CommandLineError:
            words = ("--inetd",)  # nobody can tell
    if "--inetd" in words or "-id" in words:
        from isocenter.net.inherited import shield_connection

        shield_connection()


def _inherited(line: ParsedCommandLine) -> InheritedConnection | ExitCode:
    """Return the connection that a super-server handed over, or the code to exit with."""
    from isocenter.errors import ConfigurationError
    from isocenter.net.inherited import available, take_connection

    if not available():
        _LOGGER.critical("--inetd is not possible on this system")
        return ExitCode.FAILURE
    try:
        connection = take_connection()
    except ConfigurationError as problem:
        _LOGGER.critical("cannot serve with --inetd: %s", problem)
        return ExitCode.INHERITED_DESCRIPTOR
    if line.parameters:
        _LOGGER.warning("Parameter port not required in inetd mode")
    return connection


def _acceptor(
    line: ParsedCommandLine, env: Mapping[str, str], admission: Admission | None
) -> tuple[Acceptor, Events | None]:
    """Build what serves each association, and what there is to do beside.

    Raises:
        ConfigurationError, StorageError: an option cannot be used.
    """
    from isocenter.cli.events import events_of
    from isocenter.cli.hosts import resolver_of
    from isocenter.cli.network import ae_title, max_pdu
    from isocenter.cli.receiving import ReceiverObserver, ToolReception
    from isocenter.cli.storing import open_spool, storage_options
    from isocenter.node.files import FileStorage
    from isocenter.services.acceptor import Acceptor
    from isocenter.services.registry import Registry
    from isocenter.services.verification import AlwaysVerified
    from isocenter.storage.receive import Receiver

    options = storage_options(line, env)
    maximum_length = max_pdu(line, _LOGGER)
    policy = _policy(line, maximum_length)  # before anything is opened: it may be refused
    spool = None if options.ignore else open_spool(line)
    resolver = resolver_of(line)
    events = events_of(line, spool, resolver)
    studies = None if events is None else events.studies
    misbehaviour = _misbehaviour(line)
    registry = Registry(verification=AlwaysVerified())
    explaining = None
    if line.given("--explain"):
        from isocenter.cli.explaining_receiver import Explaining

        explaining = Explaining(line)
    make_receiver = Receiver if explaining is None else explaining.receiver
    plain = line.progress_level != INFO and not misbehaviour.asked_for
    registry.add_storage(
        FileStorage(
            make_receiver(spool, options, studies),
            None if plain else lambda: ToolReception(line.progress_level, misbehaviour),
            studies=studies,
            command=None if events is None else events.command,
        )
    )
    observer = ReceiverObserver(
        line.level,
        dumps=line.given("--verbose-pc"),
        misbehaviour=misbehaviour,
        maximum_length=maximum_length,
        refusing=line.given("--refuse"),
        own_title=ae_title(line, "--aetitle") if line.given("--aetitle") else "",
        at_end=None if studies is None else studies.association_ended,
        resolver=resolver,
        forks=line.block("--single-process", "--fork") == "--fork",
    )
    if explaining is not None:
        return explaining.acceptor(policy, registry, observer, admission), events
    return Acceptor(policy, registry, observer, admission), events


def _misbehaviour(line: ParsedCommandLine) -> Misbehaviour:
    """Return what the receiver is to do wrong on purpose."""
    from isocenter.cli.network import seconds
    from isocenter.cli.receiving import Misbehaviour

    return Misbehaviour(
        sleep_after=seconds(line, "--sleep-after") or 0.0,
        sleep_during=seconds(line, "--sleep-during") or 0.0,
        abort_after=line.given("--abort-after"),
        abort_during=line.given("--abort-during"),
    )


def _policy(line: ParsedCommandLine, maximum_length: int) -> AcceptorPolicy:
    """Accept what DCMTK's storescp accepts under the same options.

    Raises:
        ConfigurationError: the profile of ``--config-file`` cannot be used.
    """
    from isocenter import uids
    from isocenter.cli.preferences import accepted_syntaxes
    from isocenter.ul.negotiation import AcceptorPolicy

    syntaxes = accepted_syntaxes(line.block(*PREFERENCES) or "--prefer-uncompr")
    classes = (uids.VERIFICATION, *uids.DEFAULT_STORAGE_CLASSES)
    promiscuous = line.given("--promiscuous")
    policy = AcceptorPolicy(
        abstract_syntaxes=dict.fromkeys(classes, syntaxes),
        implementation_class_uid=uids.IMPLEMENTATION_CLASS_UID,
        implementation_version_name=uids.IMPLEMENTATION_VERSION_NAME,
        fallback=(lambda uid: None if uids.is_known_uid(uid) else syntaxes)
        if promiscuous
        else None,
        maximum_length=maximum_length,
        refuse=line.given("--refuse"),
        reject_without_implementation_uid=line.given("--reject"),
    )
    if not line.given("--config-file"):
        return policy
    from isocenter.cli.profiles import policy_of_profile

    return policy_of_profile(line, policy)

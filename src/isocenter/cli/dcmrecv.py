"""dcmrecv: receive objects and write them to files, with few options.

Options to policy and provider, events to the lines of DCMTK's dcmrecv; nothing else.
"""

from __future__ import annotations

import os

from isocenter.cli.exitcodes import ExitCode
from isocenter.cli.options_dcmrecv import TOOL
from isocenter.cli.start import start
from isocenter.logs import INFO, get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.services.acceptor import Acceptor
    from isocenter.services.admission import Admission
    from isocenter.ul.negotiation import AcceptorPolicy

__all__ = ["main"]

_LOGGER = get_logger(__name__)
_PRIVILEGED_PORTS = 1024


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run dcmrecv with the arguments behind the tool's name; return the exit code.

    Ends with 0 when stopped by a signal after finishing what was being received.
    """
    line = start(TOOL, argv)
    if isinstance(line, ExitCode):
        return line
    from isocenter.errors import ConfigurationError, StorageError
    from isocenter.ops.reload import Reloader

    _LOGGER.info("configuring service class provider ...")
    policy = _policy(line)
    if policy is None:
        return ExitCode.INVALID_ASSOCIATION_CONFIG
    directory = line.value("--output-directory") or "."
    if (wrong := _wrong_with(directory)) is not None:
        _LOGGER.critical("cannot specify output directory: %s", wrong)
        return ExitCode.INVALID_OUTPUT_DIRECTORY
    from isocenter.cli.serving import doors

    try:
        reloader = Reloader()
        gate, admission = doors(line, reloader)
        acceptor = _acceptor(line, env, policy, admission)
    except StorageError as problem:
        _LOGGER.critical("cannot specify output directory: %s", problem.reason)
        return ExitCode.INVALID_OUTPUT_DIRECTORY
    except ConfigurationError as problem:
        _LOGGER.critical("%s", problem)
        return ExitCode.FAILURE
    _LOGGER.info("starting service class provider and listening ...")
    from isocenter.cli.serving import server_tls

    try:
        tls = server_tls(line, reloader)
    except ConfigurationError as problem:
        _LOGGER.critical("%s", problem)
        return ExitCode.NO_TRANSPORT_LAYER
    port = line.parameter_integer("port")
    if port < _PRIVILEGED_PORTS and hasattr(os, "geteuid") and os.geteuid() != 0:
        _LOGGER.error("No privileges to open this network port (%d)", port)
        reason = "Insufficient port privileges"
        _LOGGER.critical("cannot start SCP and listen on port %d: %s", port, reason)
        return ExitCode.CANNOT_LISTEN
    if not line.given("--config-file"):
        _LOGGER.warning("hint: -xf storescp.cfg Default takes objects, too; it needs no file")
    from isocenter.cli.arrivals import DCMRECV
    from isocenter.cli.network import run_server

    try:
        served = run_server(
            line, acceptor, _LOGGER, gate=gate, tls=tls, reloader=reloader, lines=DCMRECV
        )
    except ConfigurationError as problem:
        _LOGGER.critical("cannot start SCP and listen on port %d: %s", port, problem)
        return ExitCode.CANNOT_LISTEN
    return ExitCode.SUCCESS if served else ExitCode.CANNOT_LISTEN


def _wrong_with(directory: str) -> str | None:
    """Return in DCMTK's words why nothing can be written to a directory, None where it can."""
    if not os.path.isdir(directory):
        return "Directory does not exist"
    return None if os.access(directory, os.W_OK | os.X_OK) else "Directory is not writable"


def _policy(line: ParsedCommandLine) -> AcceptorPolicy | None:
    """Return what is accepted: the profile, or Verification alone; None where it cannot be used."""
    from isocenter import uids
    from isocenter.cli.network import ae_title, max_pdu
    from isocenter.ul.negotiation import AcceptorPolicy

    titles = None
    if line.in_force("--aetitle"):
        titles = (ae_title(line, "--aetitle"),)
    policy = AcceptorPolicy(
        abstract_syntaxes={uids.VERIFICATION: (uids.IMPLICIT_VR_LITTLE_ENDIAN,)},
        implementation_class_uid=uids.IMPLEMENTATION_CLASS_UID,
        implementation_version_name=uids.IMPLEMENTATION_VERSION_NAME,
        maximum_length=max_pdu(line, _LOGGER),
        required_called_titles=titles,
    )
    if not line.given("--config-file"):
        _LOGGER.warning(
            "no configuration file specified, SCP will only support the Verification SOP Class"
        )
        return policy
    from isocenter.cli.asconfig import ProfileError
    from isocenter.cli.profiles import apply_to_policy, scp_profile

    try:
        profile = scp_profile(line.value("--config-file"), line.value("--config-file", 1))
    except ProfileError as problem:
        _LOGGER.critical("cannot load association configuration: %s", problem.text)
        return None
    return apply_to_policy(profile, policy)


def _acceptor(
    line: ParsedCommandLine,
    env: Mapping[str, str],
    policy: AcceptorPolicy,
    admission: Admission | None,
) -> Acceptor:
    """Build what serves each association.

    Raises:
        ConfigurationError, StorageError: an option cannot be used.
    """
    from isocenter.cli.hosts import resolver_of
    from isocenter.cli.network import ae_title, seconds
    from isocenter.cli.scp_lines import LOGGER, ScpObserver, WordedStorage, revised
    from isocenter.cli.storing import open_remade_spool, simple_storage_options
    from isocenter.node.files import FileStorage
    from isocenter.services.acceptor import Acceptor
    from isocenter.services.registry import Registry
    from isocenter.services.verification import AlwaysVerified
    from isocenter.storage.receive import Receiver

    options = simple_storage_options(line, env)
    spool = None if options.ignore else open_remade_spool(line)
    placing = None
    if spool is not None and line.in_force("--series-date-subdir"):
        from isocenter.storage.folders import DateFolders

        placing = DateFolders(spool)
    explaining = None
    if line.given("--explain"):
        from isocenter.cli.explaining_receiver import Explaining

        explaining = Explaining(line)
    make_receiver = Receiver if explaining is None else explaining.receiver
    registry = Registry(verification=AlwaysVerified())
    registry.add_storage(WordedStorage(FileStorage(make_receiver(spool, options, placing))))
    level = line.level_of(LOGGER)
    observer = ScpObserver(
        level,
        dumps=line.given("--verbose-pc"),
        policy=policy,
        resolver=resolver_of(line, shown_at=INFO, level=level),
        own_title=ae_title(line, "--aetitle") if line.in_force("--aetitle") else "",
        aborts_when_full=line.in_force("--bit-preserving"),
        dimse_timeout=seconds(line, "--dimse-timeout"),
    )
    if explaining is not None:
        return explaining.acceptor(policy, registry, observer, admission, revised)
    return Acceptor(policy, registry, observer, admission, revise=revised)

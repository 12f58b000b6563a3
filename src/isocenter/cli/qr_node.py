"""The parts of an archive node that options choose: policy, providers, destinations, processes.

Owns what dcmqrscp's options and configuration file mean. Must not know in which order a node is
started, nor what its log says.
"""

from __future__ import annotations

import os
import signal

from isocenter.cli.options_dcmqrscp import CHARSETS, DESTINATIONS, PREFERENCES, PROPOSALS
from isocenter.errors import ConfigurationError
from isocenter.logs import INFO, get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.cli.profiles import ProfileSource
    from isocenter.net.tls import ClientTls
    from isocenter.node.archive import ArchiveNode
    from isocenter.node.config import CharsetRules, NodeConfig, Peer
    from isocenter.node.destinations import Destinations
    from isocenter.node.qrscp import Proposal
    from isocenter.node.titles import TitleAdmission
    from isocenter.sender.encoding import EncodingOptions
    from isocenter.services.acceptor import Acceptor
    from isocenter.services.admission import Admission
    from isocenter.services.plans import MoveDestination
    from isocenter.services.registry import Registry
    from isocenter.ul.negotiation import AcceptorPolicy

__all__ = ["acceptor_of", "become_of", "maximum_length_of", "workers_of"]

_LOGGER = get_logger(__name__)

_MOST_WORKERS = 4  # processes that serve where nobody says otherwise; more need a reason

_CONNECT_TIMEOUT = 30.0  # seconds, where nobody says otherwise: who asked waits for it
_DIMSE_TIMEOUT = 60.0

_CHARACTER_SETS = {
    "--convert-to-ascii": "",
    "--convert-to-utf8": "ISO_IR 192",
    "--convert-to-latin1": "ISO_IR 100",
}


def maximum_length_of(line: ParsedCommandLine, config: NodeConfig) -> int:
    """Return the maximum PDU length in bytes, made even as DCMTK does it."""
    if line.given("--max-pdu"):
        from isocenter.cli.network import max_pdu

        return max_pdu(line, _LOGGER)
    return config.maximum_length - config.maximum_length % 2


def workers_of(line: ParsedCommandLine, config: NodeConfig) -> int:
    """Return how many processes serve associations where ``--workers`` does not say."""
    from isocenter.net.workers import available

    if line.block("--single-process", "--fork") == "--single-process" or not available():
        return 1
    if hasattr(os, "sched_getaffinity"):
        processors = len(os.sched_getaffinity(0))
    else:
        processors = os.cpu_count() or 1
    return max(1, min(processors, _MOST_WORKERS, config.maximum_associations))


def become_of(config: NodeConfig) -> Callable[[], None]:
    """Return what becomes the user and group of a configuration.

    Raises:
        ConfigurationError: there is no such user or group.
    """
    user_name, group_name = config.user_name, config.group_name
    if not (user_name or group_name):
        return lambda: None
    try:
        import grp
        import pwd
    except ImportError:
        raise ConfigurationError("UserName and GroupName mean nothing on this system") from None
    try:
        group = grp.getgrnam(group_name).gr_gid if group_name else -1
    except KeyError:
        raise ConfigurationError(f"bad group name {group_name}") from None
    try:
        user = pwd.getpwnam(user_name) if user_name else None
    except KeyError:
        raise ConfigurationError(f"bad user name {user_name}") from None

    def become() -> None:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
            if group >= 0:
                os.setgid(group)
            if user is not None:
                os.setuid(user.pw_uid)
        except OSError as problem:
            words = f"user {user_name or '(as it is)'}, group {group_name or '(as it is)'}"
            raise ConfigurationError(f"cannot become {words}: {problem.strerror}") from problem

    return become


def acceptor_of(
    line: ParsedCommandLine,
    config: NodeConfig,
    node: ArchiveNode,
    admission: Admission | None,
    maximum_length: int,
) -> Acceptor:
    """Build what serves each association.

    Raises:
        ConfigurationError: an option cannot be used.
    """
    from isocenter import uids
    from isocenter.cli.hosts import resolver_of
    from isocenter.cli.qr_lines import NodeObserver
    from isocenter.node.negotiation import NodeNegotiation, StorageTurns
    from isocenter.node.titles import TitleAdmission, host_addresses
    from isocenter.services.acceptor import Acceptor
    from isocenter.services.admission import Admissions

    titles = TitleAdmission(
        config, None if line.given("--disable-host-lookup") else host_addresses()
    )
    turns = StorageTurns(node.turn) if line.given("--no-parallel-store") else None
    negotiation = NodeNegotiation(
        config,
        frozenset(uids.DEFAULT_STORAGE_CLASSES).__contains__,
        require_find=line.given("--require-find"),
        turns=turns,
        shut_down=_end_of(os.getpid()) if line.given("--allow-shutdown") else None,
    )
    observer = NodeObserver(
        line.level,
        detailed=line.given("--very-verbose"),
        maximum_length=maximum_length,
        refusing=line.given("--refuse"),
        resolver=resolver_of(line, shown_at=INFO),
        at_end=None if turns is None else turns.leave,
    )
    return Acceptor(
        _policy(line, maximum_length),
        _registry(line, config, node, titles),
        observer,
        titles if admission is None else Admissions((titles, admission)),
        revise=negotiation.revise,
    )


def _registry(
    line: ParsedCommandLine, config: NodeConfig, node: ArchiveNode, titles: TitleAdmission
) -> Registry:
    """Return who serves which SOP class.

    Raises:
        ConfigurationError: an option cannot be used.
    """
    from isocenter import uids
    from isocenter.node.archive_storage import ArchiveStorage
    from isocenter.node.negotiation import MODELS
    from isocenter.node.qrscp import ArchiveQueries, ArchiveRetrieves
    from isocenter.services.registry import Registry
    from isocenter.services.verification import AlwaysVerified

    registry = Registry(verification=AlwaysVerified())
    registry.add_storage(
        ArchiveStorage(node.writable, ignore=line.given("--ignore")), uids.DEFAULT_STORAGE_CLASSES
    )
    queries = ArchiveQueries(
        node.readable,
        strict=_block(line, "--check-find"),
        characters=_characters(line, config),
    )
    registry.add_query(queries, (model.find for model in MODELS))
    retrieves = ArchiveRetrieves(
        node.readable,
        _destinations(line, config, titles),
        strict=_block(line, "--check-move"),
        proposal=_proposal(line),
        encoding=_encoding(line),
    )
    registry.add_retrieve(retrieves, (uid for model in MODELS for uid in (model.move, model.get)))
    return registry


def _end_of(server: int) -> Callable[[], None]:
    """Return what has a server end as SIGTERM does, from any of its processes.

    Args:
        server: id of its parent process.
    """
    return lambda: os.kill(server, signal.SIGTERM)


def _block(line: ParsedCommandLine, option: str) -> bool:
    """Tell whether a check is on: the rightmost of it and its opposite counts."""
    return line.block(option, option.replace("--", "--no-", 1)) == option


def _policy(line: ParsedCommandLine, maximum_length: int) -> AcceptorPolicy:
    """Accept what DCMTK's dcmqrscp accepts under the same options.

    Raises:
        ConfigurationError: the profile of ``--assoc-config-file`` cannot be used.
    """
    from isocenter import uids
    from isocenter.cli.preferences import accepted_syntaxes
    from isocenter.node.negotiation import MODELS, SHUTDOWN
    from isocenter.record import replace
    from isocenter.ul.negotiation import AcceptorPolicy, Role

    syntaxes = accepted_syntaxes(line.block(*PREFERENCES) or "--prefer-uncompr")
    gets = not line.given("--disable-get")
    left_out = ("--no-patient-root", "--no-study-root", "--no-patient-study")
    models = [
        uid
        for model, option in zip(MODELS, left_out, strict=True)
        if not line.given(option)
        for uid in (model.find, model.move, *((model.get,) if gets else ()))
    ]
    storage = dict.fromkeys(uids.DEFAULT_STORAGE_CLASSES, syntaxes)
    shutdown = (SHUTDOWN,) if line.given("--allow-shutdown") else ()
    others = dict.fromkeys((uids.VERIFICATION, *models, *shutdown), syntaxes)
    policy = AcceptorPolicy(
        abstract_syntaxes={**storage, **others},
        implementation_class_uid=uids.IMPLEMENTATION_CLASS_UID,
        implementation_version_name=uids.IMPLEMENTATION_VERSION_NAME,
        maximum_length=maximum_length,
        accept_roles=(lambda uid: Role.SCU | Role.SCP if uid in storage else None)
        if gets
        else None,
        refuse=line.given("--refuse"),
        reject_without_implementation_uid=line.given("--reject"),
    )
    if not line.given("--assoc-config-file"):
        return policy
    from isocenter.cli.profiles import acceptor_profile, apply_to_policy

    profile = acceptor_profile(_profiles(line), line.value("--assoc-config-file", 1))
    applied = apply_to_policy(profile, policy)
    # A profile says what is stored; queries are served as without it.
    return replace(applied, abstract_syntaxes={**others, **applied.abstract_syntaxes})


def _profiles(line: ParsedCommandLine) -> ProfileSource:
    """Read the file of ``--assoc-config-file``.

    Raises:
        ConfigurationError: it cannot be used.
    """
    from isocenter.cli.asconfig import ProfileError
    from isocenter.cli.profiles import load_profiles

    try:
        return load_profiles(line.value("--assoc-config-file"), requestor=False)
    except ProfileError as problem:
        raise ConfigurationError(f"cannot read association config file: {problem}") from problem


def _characters(line: ParsedCommandLine, config: NodeConfig) -> CharsetRules:
    """Return in which character set answers are given: by the file, then by the command line."""
    from isocenter.node.config import CharsetRules

    rules = config.charset or CharsetRules()
    name = rules.name
    converts = line.block(*CHARSETS)
    if converts == "--convert-to-charset":
        name = line.value("--convert-to-charset")
    elif converts is not None:
        name = _CHARACTER_SETS[converts]
    chosen = line.block("--use-request-charset", "--override-charset")
    return CharsetRules(
        name=name,
        override=rules.override if chosen is None else chosen == "--override-charset",
        transliterate=line.given("--transliterate") or rules.transliterate,
        discard=line.given("--discard-illegal") or rules.discard,
    )


def _destinations(
    line: ParsedCommandLine, config: NodeConfig, titles: TitleAdmission
) -> Destinations:
    """Return where objects may be moved to.

    Raises:
        ConfigurationError: what TLS was to use cannot be used.
    """
    from isocenter.cli.network import LONGEST_WAIT, ip_family, seconds
    from isocenter.node.destinations import (
        ANYWHERE,
        SAME_HOST,
        SAME_TITLE,
        SAME_VENDOR,
        Destinations,
    )
    from isocenter.services.plans import MoveDestination

    restrictions = dict(
        zip(DESTINATIONS, (ANYWHERE, SAME_TITLE, SAME_HOST, SAME_VENDOR), strict=True)
    )
    tls = _outgoing_tls(line)
    acse_timeout = float(min(line.integer("--acse-timeout"), LONGEST_WAIT))

    def make(peer: Peer, own_title: str) -> MoveDestination:
        return MoveDestination(
            host=peer.host,
            port=peer.port,
            ae_title=peer.ae_title,
            calling_ae_title=own_title,
            tls=tls,
            family=ip_family(line),
            connect_timeout=seconds(line, "--timeout") or _CONNECT_TIMEOUT,
            acse_timeout=acse_timeout,
            dimse_timeout=seconds(line, "--dimse-timeout") or _DIMSE_TIMEOUT,
        )

    return Destinations(
        config,
        restrictions[line.block(*DESTINATIONS) or "--move-unrestricted"],
        make,
        titles.comes_from,
    )


def _outgoing_tls(line: ParsedCommandLine) -> ClientTls | None:
    """Return how TLS is spoken to destinations: where it is spoken to peers that come.

    Raises:
        ConfigurationError: it cannot be used.
    """
    from isocenter.cli.network import wants_tls

    if not wants_tls(line):
        return None
    from isocenter.cli.tls import client_tls

    return client_tls(line)


def _encoding(line: ParsedCommandLine) -> EncodingOptions:
    """Return how objects are written that a destination does not take as they are."""
    from isocenter.sender.encoding import EncodingOptions

    return EncodingOptions(
        new_vrs=line.in_force("--enable-new-vr"),
        compression_level=line.integer("--compression-level")
        if line.given("--compression-level")
        else None,
    )


def _proposal(line: ParsedCommandLine) -> Proposal | None:
    """Return what is proposed to destinations; None for what the objects need.

    Raises:
        ConfigurationError: the profile of ``--assoc-config-file`` cannot be used.
    """
    from isocenter.node.qrscp import Proposal
    from isocenter.sender.proposal import CONVERTIBLE, SELECTORS
    from isocenter.ul.negotiation import DEFAULT_ROLE
    from isocenter.ul.request import ProposedContext

    if line.given("--assoc-config-file"):
        from isocenter.cli.asconfig import ProfileError
        from isocenter.cli.profiles import requestor_profile

        try:
            profile = requestor_profile(_profiles(line), line.value("--assoc-config-file", 2))
        except ProfileError as problem:
            raise ConfigurationError(problem.condition) from problem
        fixed = tuple(
            ProposedContext(
                abstract_syntax=context.abstract_syntax,
                transfer_syntaxes=context.transfer_syntaxes,
                role=profile.roles.get(context.abstract_syntax, DEFAULT_ROLE),
            )
            for context in profile.contexts
        )
        proposed = dict.fromkeys(uid for context in fixed for uid in context.transfer_syntaxes)
        return Proposal(lambda _: fixed, tuple(uid for uid in proposed if uid in CONVERTIBLE))
    selector = line.block(*PROPOSALS)
    if selector is None:
        return None
    first, second = SELECTORS[selector.removeprefix("--propose-")]

    def contexts(classes: Sequence[str]) -> tuple[ProposedContext, ...]:
        return tuple(
            ProposedContext(abstract_syntax=uid, transfer_syntaxes=syntaxes)
            for uid in classes
            for syntaxes in (first, second)
            if syntaxes
        )

    return Proposal(contexts, tuple(uid for uid in (*first, *second) if uid in CONVERTIBLE))

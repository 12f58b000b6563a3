"""Association profiles on the command line: ``--config-file file profile``.

Owns where profiles come from (a file, or the built-in ones), how one is chosen, and what it
makes of a request and of an acceptor's policy. Must not know any one tool.

PS3.7 D.3.3.4 (roles), D.3.3.5 (extended negotiation); PS3.8 9.3.2.2.
"""

from __future__ import annotations

import os
from collections import Counter

from isocenter import uids
from isocenter.cli.asconfig import ProfileError, read_profiles, too_many_contexts
from isocenter.cli.builtin_profiles import NAMES, builtin_profiles
from isocenter.cli.sections import mangled
from isocenter.errors import ConfigurationError
from isocenter.logs import get_logger
from isocenter.record import Record, replace
from isocenter.ul.negotiation import MAXIMUM_CONTEXTS, role_selection
from isocenter.ul.pdu import PresentationContext, SopClassExtendedNegotiation

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping

    from isocenter.cli.asconfig import Profile
    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.sender.proposal import Files, PlannedAssociation
    from isocenter.ul.negotiation import AcceptorPolicy, Role

__all__ = [
    "ProfileSource",
    "acceptor_profile",
    "apply_to_policy",
    "load_profiles",
    "plan_of_profile",
    "plan_profile",
    "policy_of_profile",
    "requestor_profile",
    "scp_profile",
]

_LOGGER = get_logger(__name__)

_MAXIMUM_ANSWERS = 60000
"""Bytes of extended negotiation in one acceptance: all sub-items share an item of 65535, in
which roles and the rest need room as well (PS3.8 9.3.3.3)."""

_ROOM = 1024
"""Bytes of a request's user information that are not for roles and extended negotiation."""

_ITEM_OVERHEAD = 6  # bytes: sub-item header and length of the UID (PS3.7 D.3.3.5.1)


class ProfileSource(Record):
    """Profiles with where they come from.

    Attributes:
        path: the file, or the name of the built-in ones.
        profiles: by name in capitals.
    """

    path: str
    profiles: Mapping[str, Profile]


def load_profiles(path: str, *, requestor: bool) -> ProfileSource:
    """Read a file, or take the built-in profiles where a bare name is no existing file.

    Args:
        path: as given.
        requestor: as in `read_profiles`.

    Raises:
        ProfileError: the file cannot be read, or is wrong.
    """
    try:
        return ProfileSource(path=path, profiles=read_profiles(path, requestor=requestor))
    except ProfileError as problem:
        if not isinstance(problem.__cause__, FileNotFoundError):
            raise
        built_in = None if os.path.dirname(path) else builtin_profiles(path)
        if built_in is None:
            known = ", ".join(NAMES)
            where = f"{problem.where}; built-in are {known}"
            raise ProfileError(problem.code, problem.text, where) from problem
    _LOGGER.info("no file %s here, using the built-in profiles of that name", path)
    return ProfileSource(path=path, profiles=built_in)


def requestor_profile(source: ProfileSource, name: str) -> Profile:
    """Return the profile that is to be proposed.

    Args:
        source: where to look.
        name: as given; case and white space do not count.

    Raises:
        ProfileError: there is none of that name, or it has more contexts than there are ids.
    """
    key = mangled(name)
    profile = source.profiles.get(key)
    if profile is None:
        raise ProfileError(1062, f"profile key undefined: {key}", _choice(source))
    if len(profile.contexts) > MAXIMUM_CONTEXTS:
        raise too_many_contexts(profile.contexts_name, source.path)
    return profile


def acceptor_profile(source: ProfileSource, name: str) -> Profile:
    """Return the profile by which an acceptor decides.

    Args:
        source: where to look.
        name: as given; case and white space do not count.

    Raises:
        ProfileError: there is none of that name, an abstract syntax is there twice, or its
            extended negotiation does not fit into an acceptance.
    """
    key = mangled(name)
    profile = source.profiles.get(key)
    if profile is None:
        raise ProfileError(0, f"unknown configuration profile name: {key}", _choice(source))
    uses = Counter(context.abstract_syntax for context in profile.contexts)
    twice = [uids.name_of(uid) for uid, count in uses.items() if count > 1]
    if twice:
        text = f"profile '{key}' is not valid for SCP use, duplicate abstract syntaxes found"
        more = f" and {len(twice) - 1} more" if len(twice) > 1 else ""
        where = f"{source.path}, section [{profile.contexts_name}]: {twice[0]}{more}"
        raise ProfileError(0, text, where)
    length = sum(
        _ITEM_OVERHEAD + len(uid) + len(data) for uid, data in profile.extended_negotiations.items()
    )
    if length > _MAXIMUM_ANSWERS:
        text = f"extended negotiation of profile '{key}' too long (> {_MAXIMUM_ANSWERS} bytes)"
        raise ProfileError(0, text, source.path)
    return profile


def _choice(source: ProfileSource) -> str:
    names = ", ".join(source.profiles) or "no profile"
    return f"{source.path} has {names}"


def plan_profile(profile: Profile, files: Files) -> PlannedAssociation:
    """Return the association that proposes what a profile says, for all the files.

    A role is proposed for each class that the profile gives one, the default role too, once for
    each class.

    Raises:
        ProfileError: it does not fit into a request.
    """
    from isocenter.sender.proposal import PlannedAssociation

    contexts = tuple(
        PresentationContext(
            context_id=2 * index + 1,
            abstract_syntax=context.abstract_syntax,
            transfer_syntaxes=context.transfer_syntaxes,
        )
        for index, context in enumerate(profile.contexts)
    )
    classes = dict.fromkeys(context.abstract_syntax for context in contexts)
    planned = PlannedAssociation(
        contexts,
        files,
        role_selections=tuple(
            role_selection(uid, profile.roles[uid]) for uid in classes if uid in profile.roles
        ),
        extended_negotiations=tuple(
            SopClassExtendedNegotiation(
                sop_class_uid=uid, service_class_application_information=data
            )
            for uid, data in profile.extended_negotiations.items()
        ),
    )
    _check_lengths(profile, planned)
    return planned


def _check_lengths(profile: Profile, planned: PlannedAssociation) -> None:
    """Demand that contexts and user information fit into their items.

    Raises:
        ProfileError: they do not.
    """
    from isocenter.ul.codec import encode
    from isocenter.ul.pdu import AAssociateRQ, UserInformation

    request = AAssociateRQ(
        called_ae_title="ANY",
        calling_ae_title="ANY",
        presentation_contexts=planned.contexts,
        user_information=UserInformation(
            role_selections=planned.role_selections,
            extended_negotiations=planned.extended_negotiations,
            # Room for what else a request says about itself, tokens of users apart.
            unknown_items=((0xFF, bytes(_ROOM)),),
        ),
    )
    try:
        encode(request)
    except ValueError as problem:
        text = f"profile '{profile.name}' does not fit into an association request"
        raise ProfileError(0, text, str(problem)) from problem


def plan_of_profile(
    line: ParsedCommandLine, source: ProfileSource, files: Files
) -> PlannedAssociation:
    """Return the association that proposes what the profile of ``--config-file`` says.

    Raises:
        ConfigurationError: the profile cannot be used, in the words of storescu.
    """
    try:
        profile = requestor_profile(source, line.value("--config-file", 1))
        return plan_profile(profile, files)
    except ProfileError as problem:
        raise ConfigurationError(problem.condition) from problem


def policy_of_profile(line: ParsedCommandLine, policy: AcceptorPolicy) -> AcceptorPolicy:
    """Return the policy with what the profile of ``--config-file`` says.

    Raises:
        ConfigurationError: the file or the profile cannot be used, in the words of storescp.
    """
    try:
        source = load_profiles(line.value("--config-file"), requestor=False)
    except ProfileError as problem:
        raise ConfigurationError(f"cannot read config file: {problem}") from problem
    return apply_to_policy(acceptor_profile(source, line.value("--config-file", 1)), policy)


def scp_profile(path: str, name: str) -> Profile:
    """Return the profile by which an acceptor decides; logs why there is none as DCMTK's DcmSCP.

    Args:
        path: of the file, as given.
        name: of the profile, as given.

    Raises:
        ProfileError: the file or the profile cannot be used.
    """
    if not path:
        raise ProfileError(0, "Invalid filename", "no file is named")
    _LOGGER.debug("Loading association configuration file: %s", path)
    try:
        source = load_profiles(path, requestor=False)
    except ProfileError as problem:
        words = "Unable to parse association configuration file: %s: %s"
        _LOGGER.error(words, path, problem)  # noqa: TRY400 - one line says it all
        raise
    if not name:
        raise ProfileError(0, "Illegal parameter", "no profile is named")
    try:
        return acceptor_profile(source, name)
    except ProfileError as problem:
        if mangled(name) in source.profiles:
            text = 'The association profile named "%s" is not a valid SCP association profile (%s)'
        else:
            text = (
                'No association profile named "%s" in association configuration, did you forget '
                "to add presentation contexts? (%s)"
            )
        _LOGGER.error(text, name, problem)  # noqa: TRY400 - one line says it all
        words = "Invalid or non-existing SCP Association Profile"
        raise ProfileError(0, words, problem.where) from problem


def apply_to_policy(profile: Profile, policy: AcceptorPolicy) -> AcceptorPolicy:
    """Return the policy with abstract syntaxes, roles and extended negotiation of a profile.

    Of a class without role in the profile the default holds and a proposed role goes without
    answer. Extended negotiation is stated for each class accepted, whether or not the requestor
    proposed any.
    """
    roles = profile.roles

    def accept_roles(uid: str) -> Role | None:
        return roles.get(uid)

    return replace(
        policy,
        abstract_syntaxes={
            context.abstract_syntax: context.transfer_syntaxes for context in profile.contexts
        },
        fallback=None,
        accept_roles=accept_roles,
        extended_answers=profile.extended_negotiations,
    )

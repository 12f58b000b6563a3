"""Users of a receiver: from options to the judge of identities, and what is said about it.

Owns which providers the options stand for, and warnings about what they do not keep out. Loaded
only where one of these options was given. Must not know how users are verified (`security`).

PS3.7 D.3.3.7.
"""

from __future__ import annotations

from isocenter.cli.network import wants_tls
from isocenter.errors import ConfigurationError
from isocenter.logs import get_logger
from isocenter.security.identity import IdentityAdmission

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.ops.reload import Reloader
    from isocenter.security.identity import IdentityProvider

__all__ = ["identity_of"]

_LOGGER = get_logger(__name__)

_KEY_FILES = ("--jwt-key", "--jwt-keys")


def identity_of(line: ParsedCommandLine, reloader: Reloader) -> IdentityAdmission | None:
    """Return who judges requests by their user, None where nobody does.

    Args:
        line: of a receiver.
        reloader: gets the files, to read them anew.

    Raises:
        ConfigurationError: an option or a file cannot be used; the message names it.
    """
    providers: list[IdentityProvider] = []
    if line.given("--users"):
        providers.append(_users(line, reloader))
    if line.given("--jwt-key") or line.given("--jwt-keys"):
        providers.append(_tokens(line, reloader))
    if not providers:
        return None
    required = line.given("--require-identity")
    if not required:
        _LOGGER.warning(
            "whoever gives no user identity is let in, too: only --require-identity prevents that"
        )
    if not wants_tls(line):
        _LOGGER.warning("without TLS, passwords and tokens of users can be read on the network")
    return IdentityAdmission(providers, required=required)


def _users(line: ParsedCommandLine, reloader: Reloader) -> IdentityProvider:
    """Return who verifies passwords.

    Raises:
        ConfigurationError: the file cannot be used.
    """
    from isocenter.security.users import UserFile

    path = line.value("--users")
    try:
        users = UserFile(path)
    except ConfigurationError as problem:
        raise ConfigurationError(f"--users: {problem}") from problem

    def reload() -> str:
        users.reload()
        return f"{path}, {_counted(users.count, 'user')}"

    reloader.add("users file", reload)
    return users


def _tokens(line: ParsedCommandLine, reloader: Reloader) -> IdentityProvider:
    """Return who verifies tokens.

    Raises:
        ConfigurationError: a file or a name cannot be used.
    """
    from isocenter.security.tokens import TokenVerifier

    for option in ("--jwt-issuer", "--jwt-audience"):
        if line.given(option) and not line.value(option):
            raise ConfigurationError(f"{option} needs a name that is not empty")
    files = {option: line.value(option) for option in _KEY_FILES if line.given(option)}
    try:
        tokens = TokenVerifier(
            key_file=files.get("--jwt-key"),
            keys_file=files.get("--jwt-keys"),
            issuer=line.value("--jwt-issuer") if line.given("--jwt-issuer") else "",
            audience=line.value("--jwt-audience") if line.given("--jwt-audience") else "",
        )
    except ConfigurationError as problem:
        raise ConfigurationError(f"{', '.join(files)}: {problem}") from problem

    def reload() -> str:
        tokens.reload()
        return f"{', '.join(files.values())}, {_counted(tokens.count, 'key')}"

    reloader.add("keys of tokens", reload)
    return tokens


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"

"""User identity on the command line: from options to the item of a request, and what is said.

Owns the reading of token files and DCMTK's lines about identities. Loaded only where one was
given. Must not know what a tool sends; the rules of the negotiation are `isocenter.ul.identity`.
No message holds a password, nor anything of a token.

PS3.7 D.3.3.7.
"""

from __future__ import annotations

import os

from isocenter.errors import ConfigurationError
from isocenter.logs import CRITICAL, ERROR, WARNING, get_logger
from isocenter.ul.identity import (
    MAXIMUM_USER_INFORMATION,
    lacks_response,
    user_information_length,
)
from isocenter.ul.pdu import UserIdentityRQ, UserIdentityType

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.ul.pdu import AAssociateAC, AAssociateRQ

__all__ = ["MAXIMUM_TOKEN", "TokenFileError", "check_length", "is_answered", "user_identity"]

_LOGGER = get_logger(__name__)

MAXIMUM_TOKEN = 65535
"""Bytes read of a token file, inclusive: what the length of the field can say."""

_TOKENS = {
    "--kerberos": UserIdentityType.KERBEROS,
    "--saml": UserIdentityType.SAML,
    "--jwt": UserIdentityType.JWT,
}


class TokenFileError(ConfigurationError):
    """The file of a Kerberos ticket, SAML assertion or JWT cannot be used."""


def user_identity(line: ParsedCommandLine, kind: str) -> UserIdentityRQ:
    """Return the identity that a command line gives.

    Args:
        line: of a tool with these options.
        kind: which of ``--user``, ``--kerberos``, ``--saml`` and ``--jwt`` is in force.

    Raises:
        TokenFileError: the file of a token cannot be read, or is empty.
    """
    identity_type = _TOKENS.get(kind)
    secondary = b""
    if identity_type is None:
        identity_type = UserIdentityType.USERNAME
        # The bytes typed, as with DCMTK; PS3.7 D.3.3.7.1 wants UTF-8, which terminals send.
        primary = os.fsencode(line.value("--user"))
        given = line.block("--password", "--empty-password")
        if given is not None:
            identity_type = UserIdentityType.USERNAME_AND_PASSCODE
            secondary = b"" if given == "--empty-password" else os.fsencode(line.value(given))
    else:
        primary = _read_token(line.value(kind))
    return UserIdentityRQ(
        user_identity_type=identity_type,
        positive_response_requested=line.given("--pos-response"),
        primary_field=primary,
        secondary_field=secondary,
    )


def _read_token(path: str) -> bytes:
    """Return what is in a token file, or comes out of a pipe, as it is.

    Raises:
        TokenFileError: it cannot be read, or nothing is in it.
    """
    token = b""
    try:
        with open(path, "rb", buffering=0) as file:
            while len(token) <= MAXIMUM_TOKEN:
                part = file.read(MAXIMUM_TOKEN + 1 - len(token))
                if not part:
                    break
                token += part
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else None
        raise TokenFileError(
            f"Unable to open Kerberos, SAML or JWT file: {reason or problem} ({path})"
        ) from problem
    if not token:
        raise TokenFileError("Unable to read Kerberos, SAML or JWT info from file: File empty?")
    if len(token) > MAXIMUM_TOKEN:
        _LOGGER.info(
            "Kerberos, SAML or JWT file is larger than %d bytes, "
            "bytes after that position are ignored",
            MAXIMUM_TOKEN,
        )
    return token[:MAXIMUM_TOKEN]


def check_length(request: AAssociateRQ) -> None:
    """Refuse an identity that does not fit beside the other user items, before a connection.

    Raises:
        ConfigurationError: it does not, in DCMTK's words.
    """
    length = user_information_length(request.user_information)
    if length > MAXIMUM_USER_INFORMATION:
        raise ConfigurationError(
            f"Association Request Failed: 0006:0103 Total length of user items ({length} bytes) "
            f"exceeds upper limit of {MAXIMUM_USER_INFORMATION} bytes"
        )


def is_answered(request: AAssociateRQ, accept: AAssociateAC, *, explain: bool) -> bool:
    """Tell whether the identity was answered as it has to be; say so where it was not."""
    if not lacks_response(request, accept):
        return True
    _LOGGER.log(
        ERROR,
        "User Identity Negotiation failed: Positive response requested but none received",
    )
    _LOGGER.log(CRITICAL, "0006:0108 ASC User Identification Negotiation failed")
    if explain:
        from isocenter.cli.explain import as_text

        words = (
            "the peer accepted the association and did not confirm the user identity.",
            "It probably looks at no identity, and would serve anybody that gets this far.",
            "Without --pos-response (-rsp) the files are sent, confirmed or not.",
        )
        _LOGGER.log(WARNING, "%s", as_text(words))
    return False

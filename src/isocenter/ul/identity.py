"""User identity negotiation as requestor: what an answer has to have, what fits a request.

Owns these two rules. Must not know where an identity comes from (`cli.identity`, `api`), nor how
one is judged (`negotiation`).

PS3.7 D.3.3.7.
"""

from __future__ import annotations

from isocenter.record import replace
from isocenter.ul.pdu import UserIdentityType
from isocenter.ul.userinfo import encode_user_information

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.ul.pdu import AAssociateAC, AAssociateRQ, UserInformation

__all__ = ["MAXIMUM_USER_INFORMATION", "lacks_response", "user_information_length"]

MAXIMUM_USER_INFORMATION = 65535
"""Bytes of the user information item, inclusive: its length is a 16-bit field (PS3.8 9.3.2.3)."""

_HEADERS = 10
"""Bytes of a user identity sub-item besides its two fields (PS3.7 D.3.3.7.1)."""

_CONFIRMED = (UserIdentityType.USERNAME, UserIdentityType.USERNAME_AND_PASSCODE)


def lacks_response(request: AAssociateRQ, accept: AAssociateAC) -> bool:
    """Tell whether a positive response that was asked for has not come.

    An acceptor that does not support the negotiation accepts without one, and then nobody has
    looked at the identity. Of tickets, assertions and tokens a missing item counts as no error:
    it is how DCMTK's tools have it, whose acceptors answer them with nothing.

    PS3.7 D.3.3.7.
    """
    identity = request.user_information.user_identity
    return (
        identity is not None
        and identity.positive_response_requested
        and identity.user_identity_type in _CONFIRMED
        and accept.user_information.user_identity_response is None
    )


def user_information_length(information: UserInformation) -> int:
    """Return the bytes of the sub-items, also where they are more than fit.

    PS3.8 9.3.2.3; PS3.7 D.3.3.7.1.
    """
    identity = information.user_identity
    if identity is None:
        return len(encode_user_information(information))
    rest = replace(information, user_identity=None)
    fields = len(identity.primary_field) + len(identity.secondary_field)
    return len(encode_user_information(rest)) + _HEADERS + fields

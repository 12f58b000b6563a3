"""The association request: what a requestor wants, built as a PDU.

Owns what a request needs besides the caller's wishes: context IDs, united roles, whether an
operations window is proposed. Must not know how it is answered (`isocenter.ul.negotiation`).

PS3.8 7.1.1, 9.3.2; PS3.7 D.3.3.
"""

from __future__ import annotations

from isocenter import aetitle
from isocenter.record import Record
from isocenter.ul.items import uid_bytes
from isocenter.ul.negotiation import (
    DEFAULT_MAXIMUM_LENGTH,
    DEFAULT_ROLE,
    MAXIMUM_CONTEXTS,
    Role,
    role_selection,
)
from isocenter.ul.pdu import (
    AAssociateRQ,
    AsynchronousOperationsWindow,
    PresentationContext,
    UserInformation,
)
from isocenter.ul.userinfo import encode_user_information

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Sequence

    from isocenter.ul.pdu import (
        SopClassCommonExtendedNegotiation,
        SopClassExtendedNegotiation,
        UserIdentityRQ,
    )

__all__ = ["ProposedContext", "build_request"]


class ProposedContext(Record):
    """A context that a requestor wants; the ID is given by `build_request`.

    Attributes:
        abstract_syntax: UID.
        transfer_syntaxes: UIDs in the order of the proposal, at least one.
        role: roles proposed for the SOP class. A role selection is sent only where it is not
            the default, because some peers fail over items they do not expect.
    """

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    role: Role = DEFAULT_ROLE


def build_request(
    contexts: Sequence[ProposedContext],
    *,
    called_ae_title: str,
    calling_ae_title: str,
    implementation_class_uid: str,
    implementation_version_name: str = "",
    maximum_length: int = DEFAULT_MAXIMUM_LENGTH,
    maximum_operations: tuple[int, int] = (1, 1),
    extended_negotiations: tuple[SopClassExtendedNegotiation, ...] = (),
    common_extended_negotiations: tuple[SopClassCommonExtendedNegotiation, ...] = (),
    user_identity: UserIdentityRQ | None = None,
) -> AAssociateRQ:
    """Build the request that proposes `contexts`, with IDs 1, 3, 5 and so on in their order.

    Args:
        contexts: 1 to 128 contexts. Those of one abstract syntax share their roles, because
            role selection is by SOP class: the roles asked for are united.
        called_ae_title: title of the peer, not blank.
        calling_ae_title: own title, not blank.
        implementation_class_uid: our own.
        implementation_version_name: our own, at most 16 characters, "" for none.
        maximum_length: maximum length received in bytes, 0 for unlimited.
        maximum_operations: operations outstanding that this side wants to invoke and is ready
            to perform, each 0 for unlimited; no window is proposed for the default (1, 1).
        extended_negotiations: as is.
        common_extended_negotiations: as is.
        user_identity: as is.

    Raises:
        ValueError: no context or more than 128, a context without transfer syntax or role, a
            blank title, or what has no place in its field, such as a UID that is none.

    PS3.8 7.1.1, 9.3.2; PS3.7 D.3.3.
    """
    if not 1 <= len(contexts) <= MAXIMUM_CONTEXTS:
        raise ValueError(f"{len(contexts)} presentation contexts, 1 to {MAXIMUM_CONTEXTS} fit")
    for name, title in (("called", called_ae_title), ("calling", calling_ae_title)):
        if not aetitle.normalise(title):
            raise ValueError(f"{name} AE title is blank")
    roles = _proposed_roles(contexts)
    user_information = UserInformation(
        maximum_length=maximum_length,
        implementation_class_uid=implementation_class_uid,
        implementation_version_name=implementation_version_name,
        asynchronous_operations_window=_proposed_window(*maximum_operations),
        role_selections=tuple(
            role_selection(uid, role) for uid, role in roles.items() if role != DEFAULT_ROLE
        ),
        extended_negotiations=extended_negotiations,
        common_extended_negotiations=common_extended_negotiations,
        user_identity=user_identity,
    )
    encode_user_information(user_information)  # says now, before anybody connects, what is wrong
    return AAssociateRQ(
        called_ae_title=called_ae_title,
        calling_ae_title=calling_ae_title,
        presentation_contexts=tuple(
            PresentationContext(
                context_id=2 * index + 1,
                abstract_syntax=context.abstract_syntax,
                transfer_syntaxes=context.transfer_syntaxes,
            )
            for index, context in enumerate(contexts)
        ),
        user_information=user_information,
    )


def _proposed_roles(contexts: Sequence[ProposedContext]) -> dict[str, Role]:
    """Return the roles to propose for each SOP class.

    Raises:
        ValueError: a context without transfer syntax or role, or with a UID that is none.
    """
    roles: dict[str, Role] = {}
    for context in contexts:
        uid = context.abstract_syntax
        for name in (uid, *context.transfer_syntaxes):
            uid_bytes(name)
        if not context.transfer_syntaxes:
            raise ValueError(f"no transfer syntax proposed for {uid}")
        if not context.role:
            raise ValueError(f"no role proposed for {uid}")
        roles[uid] = roles.get(uid, Role.NONE) | context.role
    return roles


def _proposed_window(invoked: int, performed: int) -> AsynchronousOperationsWindow | None:
    """Return the window to propose, None for the default, which goes without saying."""
    if (invoked, performed) == (1, 1):
        return None
    return AsynchronousOperationsWindow(
        maximum_number_operations_invoked=invoked,
        maximum_number_operations_performed=performed,
    )

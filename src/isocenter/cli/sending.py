"""What the sending tools share: their requests, and an association as the sender wants it.

Owns how options of a requestor become an A-ASSOCIATE-RQ and the dumps of request and acceptance.
Joins `net`, `services` and `sender`, which do not know each other. Must not know any one tool.
"""

from __future__ import annotations

from isocenter.cli.groups import IDENTITIES
from isocenter.logs import CRITICAL, DEBUG, ERROR, INFO
from isocenter.services import storage

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Iterable

    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.dimse.commands import CStoreRSP
    from isocenter.errors import ConfigurationError
    from isocenter.logs import Logger
    from isocenter.net.association import Association
    from isocenter.services.storage import PackedStore
    from isocenter.ul.pdu import (
        AAssociateRQ,
        PresentationContext,
        RoleSelection,
        SopClassExtendedNegotiation,
        UserIdentityRQ,
    )
    from isocenter.wire import Segment

__all__ = [
    "AssociationLink",
    "association_request",
    "check_identity",
    "decompression",
    "file_form",
    "identity_of",
    "log_acceptance",
    "log_request",
    "severity",
]


class AssociationLink:
    """A `sender.link.StoreLink` over an association of the driver.

    Args:
        association: established, as requestor.
        shows_contexts: dumps of requests say on which presentation context they go.
    """

    __slots__ = (
        "_association",
        "_context_ids",
        "_packed",
        "_response",
        "_shows_contexts",
        "contexts",
        "max_send_pdv",
        "next_message_id",
    )

    def __init__(self, association: Association, *, shows_contexts: bool = False) -> None:
        """Look up once what does not change."""
        self._association = association
        self._shows_contexts = shows_contexts
        # By message id: a response does not say on which context it came (PS3.7 9.3.1.2).
        self._context_ids: dict[int, int] = {}
        self._response: tuple[CStoreRSP, int] | None = None
        self._packed: PackedStore | None = None
        self.contexts = association.contexts
        self.max_send_pdv = association.max_send_pdv
        self.next_message_id = association.session.next_message_id

    @property
    def can_submit(self) -> bool:
        """True while the negotiated window has room for another request."""
        return self._association.session.can_invoke

    def was_proposed(self, sop_class_uid: str, transfer_syntax_uid: str) -> bool:
        """Look it up in the request; see `StoreLink`."""
        request = self._association.request
        return request is not None and any(
            context.abstract_syntax == sop_class_uid
            and transfer_syntax_uid in context.transfer_syntaxes
            for context in request.presentation_contexts
        )

    def lay_out(
        self,
        context_id: int,
        *,
        message_id: int,
        sop_class_uid: str,
        sop_instance_uid: str,
        data: Iterable[Segment],
    ) -> None:
        """Lay out a small object's request; see `StoreLink`."""
        try:
            self._packed = storage.lay_out(
                self._association,
                context_id,
                message_id=message_id,
                sop_class_uid=sop_class_uid,
                sop_instance_uid=sop_instance_uid,
                data=data,
            )
        except (ValueError, TypeError):
            self._packed = None  # `submit` will say it

    def submit(
        self,
        context_id: int,
        *,
        message_id: int,
        sop_class_uid: str,
        sop_instance_uid: str,
        data: Iterable[Segment],
    ) -> None:
        """Send one object; see `StoreLink`."""
        self._context_ids[message_id] = context_id
        packed, self._packed = self._packed, None
        if packed is not None and packed.request.message_id == message_id:
            storage.submit_packed(self._association, packed)
            return
        storage.submit(
            self._association,
            context_id,
            message_id=message_id,
            sop_class_uid=sop_class_uid,
            sop_instance_uid=sop_instance_uid,
            data=data,
        )

    def next_response(self) -> CStoreRSP:
        """Wait for the next response; see `StoreLink`."""
        response = storage.await_store(self._association)
        context_id = self._context_ids.pop(response.message_id_being_responded_to, 0)
        self._response = response, context_id
        return response

    def request_dump(self, message_id: int) -> str:
        """Describe an outstanding request; see `StoreLink`."""
        from isocenter.cli.dumps import message_dump

        request = self._association.session.outstanding[message_id]
        context_id = self._context_ids.get(message_id) if self._shows_contexts else None
        return message_dump(request, direction="OUTGOING", context_id=context_id)

    def response_dump(self) -> str:
        """Describe the response last returned; see `StoreLink`."""
        from isocenter.cli.dumps import message_dump

        if self._response is None:
            return ""
        response, context_id = self._response
        return message_dump(response, direction="INCOMING", context_id=context_id)

    def release(self) -> None:
        """Release in order; see `StoreLink`."""
        self._association.release()

    def abort(self) -> None:
        """Abort; harmless where the association has ended."""
        self._association.abort()


def file_form(line: ParsedCommandLine) -> str:
    """Return what a file may be, as `sender.prepare` calls it."""
    from isocenter.cli.groups import READ_MODES
    from isocenter.sender.prepare import ANY_FORM, DATA_SET_ONLY, FILE_ONLY

    forms = dict(zip(READ_MODES, (ANY_FORM, FILE_ONLY, DATA_SET_ONLY), strict=True))
    return next(forms[mode] for mode in READ_MODES if line.in_force(mode))


def decompression(line: ParsedCommandLine) -> str | None:
    """Return which of `groups.DECOMPRESSION` is in force, None where the tool has none of them."""
    from isocenter.cli.groups import DECOMPRESSION

    if not line.has(DECOMPRESSION[0]):
        return None
    return next(option for option in DECOMPRESSION if line.in_force(option))


def identity_of(line: ParsedCommandLine) -> UserIdentityRQ | None:
    """Return the user identity that every association carries, None without.

    Raises:
        TokenFileError: the file of a token is no good.
    """
    kind = line.block(*IDENTITIES)
    if kind is None:
        return None
    from isocenter.cli.identity import user_identity

    return user_identity(line, kind)


def check_identity(request: AAssociateRQ) -> None:
    """Refuse an identity that does not fit into a request, before it is sent.

    Raises:
        ConfigurationError: it does not.
    """
    if request.user_information.user_identity is not None:
        from isocenter.cli.identity import check_length

        check_length(request)


def severity(line: ParsedCommandLine, problem: ConfigurationError) -> int:
    """Return the level of DCMTK's line: an error where a token file is no good, else fatal."""
    if line.block(*IDENTITIES) is None:
        return CRITICAL
    from isocenter.cli.identity import TokenFileError

    return ERROR if isinstance(problem, TokenFileError) else CRITICAL


def association_request(
    line: ParsedCommandLine,
    contexts: tuple[PresentationContext, ...],
    identity: UserIdentityRQ | None,
    *,
    operations: int = 1,
    role_selections: tuple[RoleSelection, ...] = (),
    extended_negotiations: tuple[SopClassExtendedNegotiation, ...] = (),
) -> AAssociateRQ:
    """Build the proposal of one association.

    Args:
        line: of a tool with both titles and ``--max-pdu``.
        contexts: what is proposed.
        identity: who asks, None for nobody.
        operations: requests that this side would have outstanding.
        role_selections: of a profile.
        extended_negotiations: of a profile.
    """
    from isocenter import uids
    from isocenter.cli.network import ae_title, max_pdu
    from isocenter.ul.pdu import AAssociateRQ, AsynchronousOperationsWindow, UserInformation

    window = AsynchronousOperationsWindow(
        maximum_number_operations_invoked=operations, maximum_number_operations_performed=1
    )
    return AAssociateRQ(
        called_ae_title=ae_title(line, "--call"),
        calling_ae_title=ae_title(line, "--aetitle"),
        presentation_contexts=contexts,
        user_information=UserInformation(
            maximum_length=max_pdu(line),
            implementation_class_uid=uids.IMPLEMENTATION_CLASS_UID,
            implementation_version_name=uids.IMPLEMENTATION_VERSION_NAME,
            # Without it one operation at a time is the rule (PS3.7 D.3.3.3.1).
            asynchronous_operations_window=window if operations > 1 else None,
            role_selections=role_selections,
            extended_negotiations=extended_negotiations,
            user_identity=identity,
        ),
    )


def log_request(line: ParsedCommandLine, logger: Logger, request: AAssociateRQ) -> None:
    """Show what is about to be asked for, where that is wanted."""
    level = _level_of_dumps(line)
    if logger.isEnabledFor(level):
        from isocenter.cli.dumps import request_dump

        logger.log(level, "Request Parameters:\n%s", request_dump(request))


def log_acceptance(
    line: ParsedCommandLine, logger: Logger, request: AAssociateRQ, association: Association
) -> None:
    """Show what was agreed on, where that is wanted."""
    if association.tls is not None and logger.isEnabledFor(DEBUG):
        from isocenter.cli.tls_details import log_tls

        log_tls(association.tls)
    level = _level_of_dumps(line)
    if logger.isEnabledFor(level) and association.accept is not None:
        from isocenter.cli.dumps import accept_dump

        dump = accept_dump(request, association.accept)
        logger.log(level, "Association Parameters Negotiated:\n%s", dump)


def _level_of_dumps(line: ParsedCommandLine) -> int:
    return INFO if line.has("--verbose-pc") and line.given("--verbose-pc") else DEBUG

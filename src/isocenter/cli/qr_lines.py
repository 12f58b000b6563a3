"""What dcmqrscp's log says of associations and operations, in the lines of DCMTK's dcmqrscp.

Owns the lines and their levels. Must not know what is stored, found or sent.

``-v`` shows steps and the messages that ask for something; ``-vv`` also association parameters,
identifiers, which may say who patients are, and every response; ``-d`` all of that as debug lines.
"""

from __future__ import annotations

from isocenter.aetitle import normalise
from isocenter.cli.arrivals import from_peer
from isocenter.dimse.commands import CStoreRSP
from isocenter.dimse.status import Service, StatusClass, classify, is_pending, short_text
from isocenter.errors import AssociationAborted, ConnectionLost, DataSetError, TimeoutExpired
from isocenter.logs import DEBUG, INFO, get_logger
from isocenter.sender.conditions import condition_of
from isocenter.services.acceptor import SilentObserver
from isocenter.ul.pdu import APPLICATION_CONTEXT_NAME, RejectReason

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from isocenter.dimse.commands import CEchoRQ, CStoreRQ, Message
    from isocenter.dimse.commands_query import CCancelRQ
    from isocenter.errors import IsocenterError
    from isocenter.net.association import Association
    from isocenter.net.resolver import Resolver
    from isocenter.services.acceptor import Operation, OperationResponse
    from isocenter.services.providers import StoreRequest
    from isocenter.ul.pdu import AAssociateRJ, AAssociateRQ
    from isocenter.wire import Segment

__all__ = ["NodeObserver"]

_LOGGER = get_logger(__name__)

_SERVICES = {"C-FIND": Service.FIND, "C-GET": Service.GET, "C-MOVE": Service.MOVE}
_WORDS = {"C-FIND": "Find", "C-GET": "Get", "C-MOVE": "Move"}


class NodeObserver(SilentObserver):
    """Logs what happens on associations.

    Args:
        level: log level of the tool.
        detailed: show parameters, identifiers and responses at info level (``-vv``).
        maximum_length: own maximum PDU length in bytes.
        refusing: every association is rejected on demand.
        resolver: of the names of peers; None shows addresses.
        at_end: called with the number of each association that ended, once or twice.
    """

    def __init__(
        self,
        level: int,
        *,
        detailed: bool,
        maximum_length: int,
        refusing: bool = False,
        resolver: Resolver | None = None,
        at_end: Callable[[int], None] | None = None,
    ) -> None:
        """Find out once what is to be logged at all."""
        self._info = level <= INFO
        self._detail_level = INFO if detailed else DEBUG
        self._details = level <= self._detail_level
        self._maximum_length = maximum_length
        self._refusing = refusing
        self._resolver = resolver
        self._at_end = at_end
        self._receiving: set[int] = set()  # associations with an object on its way
        self._answers: dict[int, int] = {}  # responses so far, by association

    # --- associations ---

    def received(self, association: Association, request: AAssociateRQ) -> None:
        """Log the arrival."""
        if self._info:
            _LOGGER.info(
                "Association Received (%s:%s -> %s)",
                self._host(association),
                normalise(request.calling_ae_title),
                normalise(request.called_ae_title),
            )
        if self._details:
            from isocenter.cli.dumps import request_dump

            text = request_dump(request, maximum_length=self._maximum_length)
            _LOGGER.log(self._detail_level, "Parameters:\n%s", text)

    def _host(self, association: Association) -> str:
        address = association.peer_address.rpartition(":")[0] or association.peer_address
        return address if self._resolver is None else self._resolver.name(address)

    def rejected(
        self, association: Association, request: AAssociateRQ, reject: AAssociateRJ
    ) -> None:
        """Log the reason in DCMTK's words."""
        del association
        reason = "NoReason"
        if self._refusing:
            _LOGGER.info("Refusing Association (forced via command line)")
        elif request.application_context_name != APPLICATION_CONTEXT_NAME:
            _LOGGER.info("Bad AppContextName: %s", request.application_context_name)
            reason = "BadAppContext"
        elif reject.reason in {
            RejectReason.USER_CALLED_AE_TITLE_NOT_RECOGNIZED,
            RejectReason.USER_CALLING_AE_TITLE_NOT_RECOGNIZED,
        }:
            reason = "BadAEService"
        elif not request.user_information.implementation_class_uid:
            _LOGGER.info("No implementation Class UID provided")
        _LOGGER.info("Refusing Association (%s)", reason)

    def acknowledged(self, association: Association) -> None:
        """Log the acceptance."""
        if not self._info:
            return
        _LOGGER.info("Association Acknowledged (Max Send PDV: %d)", association.max_send_pdv)
        if not association.contexts:
            _LOGGER.info("    (but no valid presentation contexts)")
        if self._details and association.request is not None and association.accept is not None:
            from isocenter.cli.dumps import accept_dump

            text = accept_dump(association.request, association.accept, acceptor=True)
            _LOGGER.log(self._detail_level, "%s", text)

    def released(self, association: Association) -> None:
        """Log the release; what follows it may begin before the peer is answered."""
        _LOGGER.info("Association Release")
        if self._at_end is not None:
            self._at_end(association.number)

    def stopped(self, association: Association) -> None:
        """Log the abort on stop."""
        _LOGGER.info("Association Aborted (the server is being stopped)")

    def failed(self, association: Association, problem: IsocenterError) -> None:
        """Log how it ended: what broke off with it is an error, its end may be information."""
        condition = condition_of(problem)
        peer = from_peer(association.peer_address)
        if association.accept is None:
            _LOGGER.error("Failed to receive association: %s%s", condition, peer)
            return
        if association.number in self._receiving:
            _LOGGER.error("Store SCP Failed: %s%s", condition, peer)
        if isinstance(problem, (AssociationAborted, ConnectionLost)) or (
            isinstance(problem, TimeoutExpired) and problem.which == "socket"
        ):
            _LOGGER.info("Association Aborted")
        else:
            _LOGGER.error("DIMSE Failure (aborting association): %s", condition)

    def ended(self, association: Association) -> None:
        """Forget the association, and tell whoever follows them."""
        self._receiving.discard(association.number)
        self._answers.pop(association.number, None)
        if self._at_end is not None:
            self._at_end(association.number)

    # --- operations ---

    def echo(self, association: Association, context_id: int, command: CEchoRQ) -> None:
        """Log the request."""
        _LOGGER.info("Received Echo SCP RQ: MsgID %d", command.message_id)

    def store(self, association: Association, context_id: int, command: CStoreRQ) -> None:
        """Log the request."""
        self._receiving.add(association.number)
        self._show(INFO, "Received Store SCP:", command, "INCOMING")

    def stored(self, association: Association, request: StoreRequest, status: int) -> None:
        """Log the response, as a warning where the object is not kept as it came."""
        self._receiving.discard(association.number)
        failed = classify(status) is not StatusClass.SUCCESS
        if not failed and not self._info:
            return
        command = request.command
        response = CStoreRSP(
            message_id_being_responded_to=command.message_id,
            affected_sop_class_uid=command.affected_sop_class_uid,
            affected_sop_instance_uid=command.affected_sop_instance_uid,
            status=status,
        )
        from isocenter.cli.dumps import message_dump

        text = message_dump(response, direction="OUTGOING", context_id=None)
        if failed:
            _LOGGER.warning("NOTICE: StoreSCP:\n%s", text)
        else:
            _LOGGER.info("Sending:\n%s", text)

    def operation(self, association: Association, context_id: int, command: Operation) -> None:
        """Log the request."""
        self._answers[association.number] = 0
        self._show(INFO, f"Received {_word(command)} SCP:", command, "INCOMING")

    def identified(
        self, association: Association, context_id: int, command: Operation, identifier: bytes
    ) -> None:
        """Log the identifier, where details are wanted: it may name a patient."""
        if self._details:
            label = f"{_word(command)} SCP Request Identifiers:"
            self._show_data(association, context_id, label, identifier)

    def answered(
        self,
        association: Association,
        context_id: int,
        response: OperationResponse,
        identifier: Sequence[Segment] | None,
    ) -> None:
        """Log the response; why something failed is told at any level."""
        number = self._answers.get(association.number, 0) + 1
        self._answers[association.number] = number
        service = response.message_name.rpartition("-")[0]
        status = short_text(_SERVICES[service], response.status)
        if not is_pending(response.status) and response.error_comment:
            _LOGGER.warning("%s SCP: %s: %s", _WORDS[service], status, response.error_comment)
        if self._info:
            _LOGGER.info("%s SCP Response %d [status: %s]", _WORDS[service], number, status)
        if self._details:
            self._show(self._detail_level, "Sending:", response, "OUTGOING")
            if identifier is not None:
                data = b"".join(
                    bytes(part) for part in identifier if isinstance(part, (bytes, memoryview))
                )
                label = f"{_WORDS[service]} SCP Response Identifiers:"
                self._show_data(association, context_id, label, data)

    def cancel(self, association: Association, command: CCancelRQ, request: Message | None) -> None:
        """Log the request to stop."""
        if request is None:
            _LOGGER.info("dispatch: late C-CANCEL-RQ, ignoring")
        else:
            service = request.message_name.rpartition("-")[0]
            _LOGGER.info("%s SCP: Received C-Cancel RQ", _WORDS.get(service, service))

    def unexpected(self, association: Association, context_id: int, command: Message) -> None:
        """Log the command that nobody serves."""
        _LOGGER.error("Cannot handle command: 0x%x", command.command_field)

    # --- details ---

    def _show(self, level: int, label: str, message: Message, direction: str) -> None:
        if level == INFO and not self._info:
            return
        from isocenter.cli.dumps import message_dump

        text = message_dump(message, direction=direction, context_id=None)
        _LOGGER.log(level, "%s\n%s", label, text)

    def _show_data(
        self, association: Association, context_id: int, label: str, data: bytes
    ) -> None:
        from isocenter.dataset.presentation import dump
        from isocenter.dataset.tree import decode

        syntax = association.contexts[context_id].transfer_syntax
        try:
            text = dump(decode(data, syntax), syntax)
        except DataSetError as problem:
            text = str(problem)
        _LOGGER.log(self._detail_level, "%s\n%s", label, text)


def _word(command: Operation) -> str:
    return _WORDS[command.message_name.rpartition("-")[0]]

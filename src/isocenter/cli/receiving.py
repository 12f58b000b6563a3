"""What the receiving tools say and do about each association and object.

Owns DCMTK's log lines of a receiver, the progress dots, and the switches that make a
receiver misbehave on purpose (pauses and aborts), for testing senders.
"""

from __future__ import annotations

import os
import time

from isocenter.aetitle import normalise, same
from isocenter.cli.arrivals import from_peer
from isocenter.cli.logsetup import ProgressDots
from isocenter.errors import (
    AssociationAborted,
    AssociationRejected,
    ConnectionLost,
    TimeoutExpired,
)
from isocenter.logs import DEBUG, INFO, get_logger
from isocenter.sender.conditions import condition_of
from isocenter.services.acceptor import SilentObserver
from isocenter.services.providers import AbortAssociation
from isocenter.services.storage import store_status_text
from isocenter.uids import modality_prefix
from isocenter.ul.pdu import APPLICATION_CONTEXT_NAME

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.cli.hosts import HostLines
    from isocenter.dimse.commands import CEchoRQ, CStoreRQ, Message
    from isocenter.errors import IsocenterError
    from isocenter.net.association import Association
    from isocenter.net.resolver import Resolver
    from isocenter.services.providers import StoreRequest
    from isocenter.ul.pdu import AAssociateRJ, AAssociateRQ

__all__ = ["Misbehaviour", "ReceiverObserver", "ToolReception"]

_LOGGER = get_logger(__name__)


class Misbehaviour:
    """Pauses and aborts asked for on the command line, to see how a sender bears them.

    Attributes:
        sleep_after: seconds to wait after each response.
        sleep_during: seconds to wait for each piece of a data set.
        abort_after: abort instead of answering.
        abort_during: abort at the first piece of a data set.
    """

    __slots__ = ("abort_after", "abort_during", "sleep_after", "sleep_during")

    def __init__(
        self,
        *,
        sleep_after: float = 0.0,
        sleep_during: float = 0.0,
        abort_after: bool = False,
        abort_during: bool = False,
    ) -> None:
        """Keep what was asked for."""
        self.sleep_after = sleep_after
        self.sleep_during = sleep_during
        self.abort_after = abort_after
        self.abort_during = abort_during

    @property
    def asked_for(self) -> bool:
        """True where anything is to happen while an object arrives."""
        return bool(self.sleep_during or self.abort_during or self.abort_after)

    def during(self) -> None:
        """Act at a piece of a data set.

        Raises:
            AbortAssociation: an abort was asked for.
        """
        if self.sleep_during:
            time.sleep(self.sleep_during)
        if self.abort_during:
            raise AbortAssociation

    def after(self) -> None:
        """Act once a data set is complete.

        Raises:
            AbortAssociation: an abort was asked for.
        """
        if self.abort_after:
            raise AbortAssociation


class ToolReception:
    """Progress dots and misbehaviour of one object."""

    __slots__ = ("_dots", "_misbehaviour")

    def __init__(self, level: int, misbehaviour: Misbehaviour) -> None:
        """Begin the line of dots, where there is one."""
        self._dots = ProgressDots("RECV", level)
        self._misbehaviour = misbehaviour
        if self._dots.enabled:
            self._dots.begin()

    def piece(self, count: int) -> None:
        """Show a dot for each fragment; act as asked for."""
        if self._dots.enabled:
            self._dots.add(count)
        self._misbehaviour.during()

    def complete(self) -> None:
        """End the line of dots; act as asked for."""
        if self._dots.enabled:
            self._dots.end()
        self._misbehaviour.after()


class ReceiverObserver(SilentObserver):
    """Logs associations and operations in the lines that DCMTK's storescp prints.

    Args:
        level: log level of the tool.
        dumps: show association parameters at info level, too (``--verbose-pc``).
        misbehaviour: for the pause after each object.
        maximum_length: own maximum PDU length in bytes, 0 for unlimited.
        refusing: every association is rejected on demand.
        own_title: the log tells of each peer that calls another title than this; "" of none.
        at_end: called with the number of each association that ended.
        resolver: of the names that the log shows at debug level; None shows addresses.
        forks: each association has a child process of its own (``--fork``), which is named.
    """

    def __init__(
        self,
        level: int,
        *,
        dumps: bool,
        misbehaviour: Misbehaviour,
        maximum_length: int,
        refusing: bool = False,
        own_title: str = "",
        at_end: Callable[[int], None] | None = None,
        resolver: Resolver | None = None,
        forks: bool = False,
    ) -> None:
        """Find out once what is to be logged at all."""
        self._hosts: HostLines | None = None
        if level <= DEBUG:
            from isocenter.cli.hosts import HostLines

            self._hosts = HostLines(resolver)
        self._at_end = at_end
        self._maximum_length = maximum_length
        self._refusing = refusing
        self._own_title = own_title
        self._forks = forks
        self._info = level <= INFO
        self._debug = level <= DEBUG
        self._dumps = self._debug or (dumps and self._info)
        self._dump_level = INFO if dumps and not self._debug else DEBUG
        self._sleep_after = misbehaviour.sleep_after
        self._receiving: set[int] = set()  # associations with an object on its way

    def received(self, association: Association, request: AAssociateRQ) -> None:
        """Log the arrival."""
        if self._hosts is not None:
            self._hosts.begin(association)
        if self._info:
            if self._forks:
                _LOGGER.info("Association Received in child process (pid: %d)", os.getpid())
            else:
                _LOGGER.info("Association Received")
            if self._own_title and not same(self._own_title, request.called_ae_title):
                called = normalise(request.called_ae_title)
                _LOGGER.info("Called AE Title is %s and not %s", called, self._own_title)
        if self._debug and association.tls is not None:
            from isocenter.cli.tls_details import log_tls

            log_tls(association.tls)
        if self._dumps:
            from isocenter.cli.dumps import request_dump

            text = request_dump(request, maximum_length=self._maximum_length)
            _LOGGER.log(self._dump_level, "Parameters:\n%s", text)

    def rejected(
        self, association: Association, request: AAssociateRQ, reject: AAssociateRJ
    ) -> None:
        """Log the reason in DCMTK's words."""
        del association
        if self._refusing:
            _LOGGER.info("Refusing Association (forced via command line)")
        elif request.application_context_name != APPLICATION_CONTEXT_NAME:
            _LOGGER.info(
                "Association Rejected: Bad Application Context Name: %s",
                request.application_context_name,
            )
        elif not request.user_information.implementation_class_uid:
            _LOGGER.info("Association Rejected: No Implementation Class UID provided")
        else:
            words = AssociationRejected(reject.result, reject.source, reject.reason)
            _LOGGER.info("Association Rejected: %s", words.reason_text)

    def acknowledged(self, association: Association) -> None:
        """Log the acceptance."""
        if not self._info:
            return
        _LOGGER.info("Association Acknowledged (Max Send PDV: %d)", association.max_send_pdv)
        if not association.contexts:
            _LOGGER.info("    (but no valid presentation contexts)")
        if self._dumps and association.request is not None and association.accept is not None:
            from isocenter.cli.dumps import accept_dump

            _LOGGER.log(
                self._dump_level,
                "%s",
                accept_dump(association.request, association.accept, acceptor=True),
            )

    def echo(self, association: Association, context_id: int, command: CEchoRQ) -> None:
        """Log the request."""
        if self._debug:
            _LOGGER.info("Received Echo Request")
            self._dump_message("INCOMING", context_id, command)
        elif self._info:
            _LOGGER.info("Received Echo Request (MsgID %d)", command.message_id)

    def store(self, association: Association, context_id: int, command: CStoreRQ) -> None:
        """Log the request."""
        self._receiving.add(association.number)
        if self._debug:
            _LOGGER.info("Received Store Request")
            self._dump_message("INCOMING", context_id, command)
        elif self._info:
            modality = modality_prefix(command.affected_sop_class_uid, "OT")
            _LOGGER.info("Received Store Request (MsgID %d, %s)", command.message_id, modality)

    def stored(self, association: Association, request: StoreRequest, status: int) -> None:
        """Pause where that was asked for."""
        self._receiving.discard(association.number)
        if self._debug:
            _LOGGER.debug("answered with %s", store_status_text(status))
        if self._sleep_after:
            time.sleep(self._sleep_after)

    def unexpected(self, association: Association, context_id: int, command: Message) -> None:
        """Log the command that nobody serves."""
        _LOGGER.error(
            "Expected C-ECHO or C-STORE request but received DIMSE command 0x%04x",
            command.command_field,
        )
        if self._debug:
            self._dump_message("INCOMING", context_id, command)

    def released(self, association: Association) -> None:
        """Log the release."""
        if self._info:
            _LOGGER.info("Association Release")

    def aborting(self, association: Association) -> None:
        """Log the abort on demand."""
        _LOGGER.info("ABORT initiated (due to command line options)")

    def stopped(self, association: Association) -> None:
        """Log the abort on stop."""
        _LOGGER.info("Association Aborted (the receiver is being stopped)")

    def failed(self, association: Association, problem: IsocenterError) -> None:
        """Log how it ended: what broke off with it is an error, its end may be information."""
        condition = condition_of(problem)
        peer = from_peer(association.peer_address)
        if association.accept is None:
            _LOGGER.error("Receiving Association failed: %s%s", condition, peer)
            return
        if association.number in self._receiving:
            _LOGGER.error("Store SCP Failed: %s%s", condition, peer)
        if isinstance(problem, (AssociationAborted, ConnectionLost)) or (
            isinstance(problem, TimeoutExpired) and problem.which == "socket"
        ):
            _LOGGER.info("Association Aborted")
        else:
            _LOGGER.error("DIMSE failure (aborting association): %s", condition)

    def ended(self, association: Association) -> None:
        """Forget the association, and tell whoever follows them."""
        self._receiving.discard(association.number)
        if self._hosts is not None:
            self._hosts.end(association)
        if self._at_end is not None:
            self._at_end(association.number)

    def _dump_message(self, direction: str, context_id: int, command: Message) -> None:
        from isocenter.cli.dumps import message_dump

        _LOGGER.debug("%s", message_dump(command, direction=direction, context_id=context_id))

"""All files of a run over as many associations as they take, one after the other.

Owns the order of DCMTK's dcmsend: contexts for the files from the front of the list until an
association is full, the association, its files, the next one; what ends the run early; the
lines of the tool about it. Must not know how an association is opened: it is given `connect`.

Where files are looked at beside sending, an association proposes what the files ahead need and
what others needed before; a file that needs something else begins the next association.

After an association that broke, without halting, the rest goes on another one; after three in a
row over which no response came, the peer is given up.

PS3.8 9.3.2.2 (128 contexts); PS3.4 B.2.
"""

from __future__ import annotations

from isocenter.errors import AssociationReleased, DataSetError, IsocenterError
from isocenter.logs import CRITICAL, DEBUG, ERROR, get_logger
from isocenter.record import Record
from isocenter.sender.conditions import is_peer_abort
from isocenter.sender.grouping import ContextPlan
from isocenter.sender.instances import Broken, Sending, Unsent, words_of
from isocenter.sender.report import NO_CONTEXT, Row

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from isocenter.sender.backlog import Backlog
    from isocenter.sender.failures import Failures
    from isocenter.sender.grouping import GroupingOptions
    from isocenter.sender.instances import InstanceOptions
    from isocenter.sender.link import StoreLink
    from isocenter.sender.report import Report
    from isocenter.sender.tally import Tally
    from isocenter.ul.pdu import PresentationContext

    Connect: TypeAlias = "Callable[[tuple[PresentationContext, ...]], StoreLink]"

__all__ = [
    "CANNOT_ADD_CONTEXT",
    "CANNOT_NEGOTIATE",
    "CANNOT_SEND",
    "DONE",
    "INVALID_INPUT",
    "Delivery",
    "DeliveryOptions",
    "NoAcceptableContexts",
    "NotNegotiated",
]

_LOGGER = get_logger(__name__)
"""For what DCMTK's network library says (`cli.lognames`)."""

_TOOL = get_logger("isocenter.sender")
"""For what the tool itself says."""

DONE, CANNOT_NEGOTIATE, CANNOT_SEND, CANNOT_ADD_CONTEXT, INVALID_INPUT = (
    "done",
    "cannot negotiate",
    "cannot send",
    "cannot add context",
    "invalid input",
)
"""How a run ends. `DONE`: the list was gone through, whatever became of the files."""

_BROKEN_IN_A_ROW = 3


class NotNegotiated(Exception):
    """There is no association; why has been said."""


class NoAcceptableContexts(Exception):
    """The peer accepted none of the contexts; the association has been ended."""


class DeliveryOptions(Record):
    """How a run goes on.

    Fields:
        several: as many associations as it takes; otherwise one, and what did not go on it is
            not sent.
        grouping: what may be proposed.
        instances: how files are sent.
    """

    several: bool = True
    grouping: GroupingOptions
    instances: InstanceOptions


class Delivery:
    """One run.

    Args:
        backlog: the files.
        connect: opens an association that proposes some contexts; raises `NotNegotiated` or
            `NoAcceptableContexts`.
        options: see there.
        tally: where to count.
        report: where to write what became of each file, None for nowhere.
        failures: makes who is told of what fails on the association opened last, None for nobody.
    """

    def __init__(
        self,
        backlog: Backlog,
        connect: Connect,
        options: DeliveryOptions,
        tally: Tally,
        report: Report | None = None,
        failures: Callable[[], Failures] | None = None,
    ) -> None:
        """Begin with nothing."""
        self._make_failures = failures
        self._failures: Failures | None = None
        self._confirmed = 0  # on associations before this one
        self._backlog = backlog
        self._connect = connect
        self._options = options
        self._tally = tally
        self._report = report
        self._broken = 0

    def run(self) -> str:
        """Send all files; return how it ended. What went wrong has been said."""
        ending = self._run()
        if ending == DONE:
            self._leave_rest()
            if self._backlog.problem is not None:
                _TOOL.critical("%s", self._backlog.problem)
                ending = INVALID_INPUT
        self._tally.instances = self._backlog.count
        return ending

    def _run(self) -> str:
        options = self._options
        words = "allowed (option --multi-associations used)"
        if options.several:
            _TOOL.debug("multiple associations %s", words)
        else:
            _TOOL.debug("only a single associations allowed (option --single-association used)")
        while (made := self._plan()) is not None:
            plan, count = made
            if count < 0:
                _TOOL.error(
                    "cannot add presentation contexts: Unsupported compression or encryption"
                )
                return CANNOT_ADD_CONTEXT
            if not plan.contexts:
                self._drop(plan, None)
                continue
            ending = self._associate(plan, count or None)
            if ending is not None:
                return ending
            if self._broken >= _BROKEN_IN_A_ROW and self._backlog.first() is not None:
                words = "giving up after %d associations in a row that broke without a response"
                _TOOL.error(words, self._broken)
                return DONE
            if not options.several:
                return DONE
        return DONE

    def _plan(self) -> tuple[ContextPlan, int] | None:
        """Plan the next association; None where no file is left.

        Returns:
            Its contexts; and how many files are for it, 0 for as many as it has contexts for, -1
            where no context may be proposed for a file, and the run is to end.
        """
        backlog, options = self._backlog, self._options
        if backlog.first() is None:
            return None
        plan = ContextPlan(options.grouping)
        for count, kind in enumerate(backlog.kinds()):
            if plan.is_full:
                self._tally.contexts += len(plan.contexts)
                return plan, count
            if not plan.place(kind) and options.instances.halt:
                return plan, -1
        if not backlog.is_complete:
            for kind in backlog.known_kinds:
                if plan.is_full:
                    break
                if plan.id_of(kind) is None:
                    plan.place(kind)
        self._tally.contexts += len(plan.contexts)
        return plan, 0

    def _associate(self, plan: ContextPlan, count: int | None) -> str | None:
        """Have one association; return how the run ends, None where it goes on."""
        tally, options = self._tally, self._options
        number = tally.associations + 1
        if options.several:
            if _TOOL.isEnabledFor(DEBUG):
                _TOOL.debug("%s\nstarting association #%d", "-" * 65, number)
            else:
                _TOOL.info("starting association #%d", number)
        _TOOL.info("initializing network ...")
        _LOGGER.debug("Configured a total of %d presentation contexts for SCU", len(plan.contexts))
        _TOOL.info("negotiating network association ...")
        try:
            link = self._connect(tuple(plan.contexts))
        except NotNegotiated:
            return CANNOT_NEGOTIATE
        except NoAcceptableContexts:
            tally.associations = number
            return self._after_refusal(plan, count)
        tally.associations = number
        _TOOL.info("sending SOP instances ...")
        self._confirmed = tally.confirmed
        if self._make_failures is not None:
            self._failures = self._make_failures()
        backlog, failures = self._backlog, self._failures
        sending = Sending(
            link, number, plan, count, backlog, tally, self._report, options.instances, failures
        )
        try:
            sending.run()
        except Unsent as problem:
            _TOOL.critical("cannot send SOP instance: %s", problem)
            self._abort(link)
            return CANNOT_SEND
        except Broken as broken:
            return self._after_break(link, broken)
        except BaseException:  # an interrupt, or a mistake of ours: the peer must not wait for us
            link.abort()
            raise
        self._broken = 0
        self._release(link)
        return None

    def _release(self, link: StoreLink) -> None:
        _LOGGER.info("Releasing Association")
        try:
            link.release()
        except IsocenterError as problem:
            # Every file was answered before: nothing is lost with it.
            _LOGGER.error("Association Release Failed: %s", words_of(problem))  # noqa: TRY400 - one line says it all
            if self._failures is not None:
                self._failures.not_released(problem, self._tally.confirmed - self._confirmed)

    def _abort(self, link: StoreLink) -> None:
        _LOGGER.info("Aborting Association")
        link.abort()

    def _after_refusal(self, plan: ContextPlan, count: int | None) -> str | None:
        """Go on after an association with no context: its files cannot be sent."""
        backlog = self._backlog
        self._drop(plan, count)
        if not self._options.several:
            _TOOL.error("cannot add presentation contexts: No acceptable Presentation Contexts")
            return CANNOT_ADD_CONTEXT
        if backlog.first() is not None:
            rest = f"{len(backlog)} " if backlog.is_complete else ""
            _TOOL.warning(
                "trying to continue with a new association in order to send the remaining "
                "%sSOP instances",
                rest,
            )
        return None

    def _drop(self, plan: ContextPlan, count: int | None) -> None:
        """Note that the files of a plan, which come first, have no context."""
        backlog = self._backlog
        first, dropped = "", 0
        while count != 0 and (listed := backlog.first()) is not None:
            context_id = plan.id_of(listed.kind)
            if context_id is None:
                break
            backlog.take()
            backlog.look_ahead()
            self._tally.without_context(listed.kind)
            first, dropped = first or listed.path, dropped + 1
            if self._report is not None:
                self._report.add(Row(listed, context_id=context_id, status=NO_CONTEXT))
            count = None if count is None else count - 1
        if dropped == 1:
            _LOGGER.error("SOP instance was not sent, file: %s", first)
        elif dropped:
            _LOGGER.error("SOP instances were not sent, file: %s and %d more", first, dropped - 1)

    def _after_break(self, link: StoreLink, broken: Broken) -> str | None:
        """End an association that broke; without halting the rest has its chance on another."""
        problem = broken.__cause__
        halts = self._options.instances.halt
        words = words_of(problem) if isinstance(problem, Exception) else ""
        _TOOL.log(CRITICAL if halts else ERROR, "cannot send SOP instance: %s", words)
        if isinstance(problem, AssociationReleased):
            _LOGGER.error("Protocol Error: Peer requested release (Aborting)")
            self._abort(link)
        elif isinstance(problem, Exception) and is_peer_abort(problem):
            _LOGGER.info("Peer Aborted Association")
            link.abort()
        else:
            self._abort(link)
        if self._failures is not None and isinstance(problem, Exception):
            confirmed = self._tally.confirmed - self._confirmed
            self._failures.broken(problem, [broken.path], confirmed, sending=broken.sending)
        if halts:
            return CANNOT_SEND
        is_ours = isinstance(problem, OSError | DataSetError)  # a file that changed, or its frames
        self._broken = 0 if broken.answered or is_ours else self._broken + 1
        return None

    def _leave_rest(self) -> None:
        """Note the files that there was no association for."""
        backlog = self._backlog
        while (listed := backlog.first()) is not None:
            backlog.take()
            backlog.look_ahead()
            if self._report is not None:
                self._report.add(Row(listed))

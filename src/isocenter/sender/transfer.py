"""Sending files over one association: in which order, how many at a time, and what then.

Owns the loop of DCMTK's storescu and its log lines: message ids, repetition, halting, the
asynchronous window, the end of the association. Must not know how files are found (`inputs`)
or read (`prepare`), nor what a PDU is.

While a response is outstanding the next file is opened, read and judged: on a loopback that
is about a third of the time that an object of 12 KiB takes.

PS3.7 9.1.1, D.3.3.3; PS3.4 B.2.
"""

from __future__ import annotations

from isocenter.errors import AssociationReleased, DataSetError, IsocenterError
from isocenter.logs import DEBUG, INFO, get_logger
from isocenter.record import Record
from isocenter.sender.conditions import (
    NO_VALID_PRESENTATION_CONTEXT,
    SEND_FAILED,
    condition_of,
    is_peer_abort,
    reason_of,
)
from isocenter.sender.outcome import Outcome
from isocenter.sender.prepare import prepare
from isocenter.sender.proposal import ContextChooser, selector_of
from isocenter.services.storage import is_warning, store_status_text
from isocenter.uids import modality_prefix, name_of

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Protocol

    from isocenter.sender.link import StoreLink, StoreResponse
    from isocenter.sender.prepare import PreparedFile
else:
    Protocol = object

__all__ = ["Progress", "TransferOptions", "send_files"]

_LOGGER = get_logger(__name__)

_UNANSWERED = "no response before the association ended"


class TransferOptions(Record):
    """How a transfer goes on and ends.

    Fields:
        halt: the first failure ends it; otherwise the next file follows.
        repeat: how often each file is sent, in a row; 1 or more.
        maximum_operations: requests outstanding at a time, 1 or more, as far as the peer granted.
        abort: end with A-ABORT instead of A-RELEASE.
        file_only: a file without File Meta Information is unusable (PS3.10 7.1).
    """

    halt: bool = True
    repeat: int = 1
    maximum_operations: int = 1
    abort: bool = False
    file_only: bool = False


class Progress(Protocol):
    """Shown while objects are sent: one dot for each PDV of a data set."""

    def begin(self) -> None:
        """An object is about to be sent."""

    def add(self, count: int = 1, /) -> None:
        """So many PDVs were sent."""

    def end(self) -> None:
        """The object was sent, or could not be."""


def send_files(
    link: StoreLink,
    files: Iterable[str],
    options: TransferOptions,
    *,
    ignored: int = 0,
    progress: Progress | None = None,
) -> Outcome:
    """Send every file and end the association.

    Args:
        link: the association.
        files: paths in the order to send them; taken one by one, so that a generator will do.
        options: see there.
        ignored: paths left out before, which the outcome counts as failures.
        progress: None for none.

    Problems with files, with the peer and with the connection are logged and counted, not raised.
    """
    transfer = _Transfer(link, options, Outcome(ignored=ignored), progress)
    try:
        transfer.run(iter(files))
    except BaseException:  # an interrupt, or a mistake of ours: the peer must not wait for us
        link.abort()
        raise
    return transfer.outcome


def _why_not_as_it_is(transfer_syntax_uid: str) -> str:
    """Say which transfer syntax the peer would have to accept, and how to propose just that."""
    words = f"the file is {name_of(transfer_syntax_uid)}, which the peer did not choose"
    selector = selector_of(transfer_syntax_uid)
    return words if selector is None else f"{words}: try --propose-{selector}"


class _Unusable:
    """A file that cannot be sent, kept until its turn to be reported comes."""

    __slots__ = ("path", "problem")

    def __init__(self, path: str, problem: OSError | DataSetError) -> None:
        self.path = path
        self.problem = problem

    def close(self) -> None:
        """Nothing is open."""


class _Transfer:
    """The state of one run."""

    def __init__(
        self,
        link: StoreLink,
        options: TransferOptions,
        outcome: Outcome,
        progress: Progress | None,
    ) -> None:
        self.outcome = outcome
        self._link = link
        self._options = options
        self._progress = progress
        self._window = options.maximum_operations
        self._chooser = ContextChooser(link.contexts)
        self._outstanding: dict[int, str] = {}
        self._upcoming: PreparedFile | _Unusable | None = None
        self._halted = False
        # Asked for once: at the default level a file costs no call into logging.
        self._info = _LOGGER.isEnabledFor(INFO)
        self._debug = _LOGGER.isEnabledFor(DEBUG)

    def run(self, files: Iterator[str]) -> None:
        """Send, and end the association as what happened asks for."""
        condition: str | None = None
        try:
            condition = self._send(files)
            while self._outstanding:
                self._collect()
        except IsocenterError as problem:
            self._broken(problem)
            return
        finally:
            if self._upcoming is not None:
                self._upcoming.close()
        if condition is not None:
            _LOGGER.error("Store SCU Failed: %s", condition)
        if condition is not None or self._options.abort:
            _LOGGER.info("Aborting Association")
            self._link.abort()
            return
        _LOGGER.info("Releasing Association")
        try:
            self._link.release()
        except IsocenterError as problem:
            _LOGGER.critical("Association Release Failed: %s", condition_of(problem))
            self.outcome.broken = True

    def _send(self, files: Iterator[str]) -> str | None:
        """Send file after file; return the condition to abort with, None for an orderly end."""
        self._upcoming = self._prepare_next(files)
        while (current := self._upcoming) is not None:
            self._upcoming = None
            try:
                condition = self._send_one(current, files)
            finally:
                current.close()
            if self._halted or (condition is not None and self._options.halt):
                return condition
            if self._upcoming is None:
                self._upcoming = self._prepare_next(files)
        return None

    def _send_one(self, current: PreparedFile | _Unusable, files: Iterator[str]) -> str | None:
        """Send one file as often as asked for; return the condition if it cannot be sent."""
        link, outstanding = self._link, self._outstanding
        is_first = True
        for _ in range(self._options.repeat):
            while len(outstanding) >= self._window or not link.can_submit:
                self._collect()
            if self._halted:
                return None
            message_id = link.next_message_id()
            if self._info:
                _LOGGER.info("Sending file: %s", current.path)
            if isinstance(current, _Unusable):
                return self._report_unusable(current.path, current.problem)
            context_id = self._chooser.choose(current.sop_class_uid, current.transfer_syntax_uid)
            if context_id is None:
                return self._report_no_context(current)
            try:
                current.check_unchanged()
            except (OSError, DataSetError) as problem:
                return self._report_unusable(current.path, problem)
            self._submit(context_id, message_id, current)
            if is_first:
                is_first = False
                self._upcoming = self._prepare_next(files)
        return None

    def _submit(self, context_id: int, message_id: int, current: PreparedFile) -> None:
        """Send one request; it is outstanding from here on, whatever happens."""
        if self._info:
            if self._debug:
                _LOGGER.info("Sending Store Request")
            else:
                modality = modality_prefix(current.sop_class_uid, "OT")
                _LOGGER.info("Sending Store Request (MsgID %d, %s)", message_id, modality)
        self._outstanding[message_id] = current.path
        progress = self._progress
        if progress is not None:
            progress.begin()
        try:
            self._link.submit(
                context_id,
                message_id=message_id,
                sop_class_uid=current.sop_class_uid,
                sop_instance_uid=current.sop_instance_uid,
                data=current.data,
            )
            self.outcome.submitted += 1
            if self._debug:
                _LOGGER.debug("%s", self._link.request_dump(message_id))
            if progress is not None:
                progress.add(-(-current.length // self._link.max_send_pdv))
        except (DataSetError, OSError) as problem:
            # The file ended before the length that was promised, or cannot be read any more:
            # the message cannot be completed.
            del self._outstanding[message_id]
            self._report_failed(current.path, condition_of(problem))
            if isinstance(problem, OSError):
                raise DataSetError(reason_of(problem)) from problem
            raise
        finally:
            if progress is not None:
                progress.end()

    def _prepare_next(self, files: Iterator[str]) -> PreparedFile | _Unusable | None:
        """Open, read and judge the next file; what is wrong with it is said when its turn comes."""
        path = next(files, None)
        if path is None:
            return None
        try:
            return prepare(path, file_only=self._options.file_only)
        except (OSError, DataSetError) as problem:
            return _Unusable(path, problem)
        except ValueError as problem:  # a NUL in the path
            return _Unusable(path, DataSetError(str(problem)))

    def _collect(self) -> None:
        """Wait for one response and count it; a failure halts where the options say so."""
        response = self._link.next_response()
        path = self._outstanding.pop(response.message_id_being_responded_to, None)
        if path is None:
            # After a "pending", which C-STORE does not have and which counts as a failure.
            return
        status = response.status
        outcome = self.outcome
        if self._info:
            self._log_response(response)
        if status == 0:
            outcome.confirmed += 1
        elif is_warning(status):
            outcome.confirmed += 1
            outcome.warnings += 1
        else:
            comment = " ".join((response.error_comment or "").split())
            words = f"status 0x{status:04x} ({store_status_text(status)})"
            self._report_failed(path, f"{words}: {comment}" if comment else words, status)
            self._halted = self._options.halt

    def _log_response(self, response: StoreResponse) -> None:
        if self._debug:
            _LOGGER.info("Received Store Response")
            _LOGGER.debug("%s", self._link.response_dump())
            return
        text = store_status_text(response.status)
        if self._window == 1:
            _LOGGER.info("Received Store Response (%s)", text)
        else:
            # Several are outstanding: which one this is would not be clear without its id.
            message_id = response.message_id_being_responded_to
            _LOGGER.info("Received Store Response (MsgID %d, %s)", message_id, text)

    def _report_unusable(self, path: str, problem: OSError | DataSetError) -> str:
        _LOGGER.error("Bad DICOM file: %s: %s", path, reason_of(problem))
        self.outcome.failure()
        return condition_of(problem)

    def _report_no_context(self, current: PreparedFile) -> str:
        """Say why there is no context: none for the class, or none with this transfer syntax."""
        sop_class = current.sop_class_uid
        other = self._chooser.convertible_to(sop_class)
        if other is None:
            condition = NO_VALID_PRESENTATION_CONTEXT
            prefix = modality_prefix(sop_class, "") or "unknown SOP class"
            _LOGGER.error("No presentation context for: (%s) %s", prefix, sop_class)
        else:
            condition = f"{SEND_FAILED} ({_why_not_as_it_is(current.transfer_syntax_uid)})"
            _LOGGER.error("No conversion to transfer syntax %s possible!", name_of(other))
        self._report_failed(current.path, condition)
        return condition

    def _report_failed(self, path: str, condition: str, status: int | None = None) -> None:
        _LOGGER.error("Store Failed, file: %s:\n%s", path, condition)
        self.outcome.failure(status)

    def _broken(self, problem: IsocenterError) -> None:
        """Report an association that ended in the middle; the driver has closed it."""
        outcome = self.outcome
        outcome.broken = True
        is_file = isinstance(problem, DataSetError)
        condition = condition_of(problem)
        for path in self._outstanding.values():
            self._report_failed(path, _UNANSWERED if is_file else condition)
        self._outstanding.clear()
        if isinstance(problem, AssociationReleased):
            _LOGGER.error("Protocol Error: Peer requested release (Aborting)")
        elif is_peer_abort(problem):
            _LOGGER.info("Peer Aborted Association")
            self._link.abort()
            return
        else:
            _LOGGER.error("Store SCU Failed: %s", condition)
        _LOGGER.info("Aborting Association")
        self._link.abort()

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
from isocenter.sender.encoding import AS_IT_IS, EncodedDataSet, encode
from isocenter.sender.outcome import Outcome
from isocenter.sender.prepare import ANY_FORM, PreparedFile, prepare
from isocenter.sender.proposal import ContextChooser, proposing_option
from isocenter.sender.renaming import mark_file
from isocenter.services.storage import is_confirmed, store_status_text
from isocenter.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    abridged,
    modality_prefix,
    name_of,
)

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Protocol

    from isocenter.sender.encoding import EncodingOptions
    from isocenter.sender.failures import Failures
    from isocenter.sender.invention import Invented, Inventor
    from isocenter.sender.link import StoreLink, StoreResponse
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
        form: what a file may be, see `prepare`; another one is unusable.
        rename: append ``.done`` to the names of files that were confirmed, ``.bad`` to those
            that failed. A file that nothing was said of keeps its name.
        inventor: makes up who each object is about, None for what the files say.
        correct_uids: say nothing where blanks are left out of a UID (PS3.5 9.1).
        encoding: how data sets are written where they are not sent as they are.
        prefer_deflated: an uncompressed data set goes on a deflated context where there is one.
        proposed_by_profile: a profile said what to propose, and no option adds to it.
    """

    halt: bool = True
    repeat: int = 1
    maximum_operations: int = 1
    abort: bool = False
    form: str = ANY_FORM
    rename: bool = False
    inventor: Inventor | None = None
    correct_uids: bool = False
    encoding: EncodingOptions = AS_IT_IS
    prefer_deflated: bool = False
    proposed_by_profile: bool = False


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
    failures: Failures | None = None,
) -> Outcome:
    """Send every file and end the association.

    Args:
        link: the association.
        files: paths in the order to send them; taken one by one, so that a generator will do.
        options: see there.
        ignored: paths left out before, which the outcome counts as failures.
        progress: None for none.
        failures: told of each failure, None for nobody.

    Problems with files, with the peer and with the connection are logged and counted, not raised.
    """
    transfer = _Transfer(link, options, Outcome(ignored=ignored), progress, failures)
    try:
        transfer.run(iter(files))
    except BaseException:  # an interrupt, or a mistake of ours: the peer must not wait for us
        link.abort()
        raise
    return transfer.outcome


def _why_not_as_it_is(transfer_syntax_uid: str, *, proposed: bool, by_profile: bool) -> str:
    """Say which transfer syntax the peer would have to accept, and how to propose just that."""
    file = f"the file is {name_of(transfer_syntax_uid)}"
    if proposed:
        return f"{file}, which the receiver did not accept"
    words = f"{file}, which was not agreed on"
    if by_profile:
        return f"{words}: the profile has to propose it, and the receiver to take it"
    option = proposing_option(transfer_syntax_uid)
    if option is None:
        return f"{words}: storescu has no option that proposes it"
    return f"{words}: {option} proposes it, and the receiver has to take it"


_SYNTAX_WORDS = {
    IMPLICIT_VR_LITTLE_ENDIAN: "Little Endian Implicit",
    EXPLICIT_VR_LITTLE_ENDIAN: "Little Endian Explicit",
    EXPLICIT_VR_BIG_ENDIAN: "Big Endian Explicit",
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN: "Deflated Explicit VR Little Endian",
}
"""The names of DCMTK's conversion line, which are not those of its dumps."""


def _syntax_words(transfer_syntax_uid: str) -> str:
    return _SYNTAX_WORDS.get(transfer_syntax_uid) or name_of(transfer_syntax_uid)


def _warn_of_blanks(current: PreparedFile) -> None:
    """Say which UIDs are sent without the blanks they have."""
    for tag in current.blank_uids:
        name = "SOPClassUID (0008,0016)" if tag == 0x00080016 else "SOPInstanceUID (0008,0018)"
        _LOGGER.warning(
            "Element %s contains one or more space characters, which were removed", name
        )


class _Unusable:
    """A file that cannot be sent, kept until its turn to be reported comes."""

    __slots__ = ("path", "problem")

    def __init__(self, path: str, problem: OSError | DataSetError) -> None:
        self.path = path
        self.problem = problem

    def close(self) -> None:
        """Nothing is open."""


class _Fate:
    """What became of one file so far, which may be sent several times.

    Attributes:
        path: as given.
        unanswered: requests that no response came to yet.
        failed: it is to be called bad.
        is_over: nothing more of it will be sent.
        is_whole: it was sent as often as asked for.
    """

    __slots__ = ("failed", "is_over", "is_whole", "path", "unanswered")

    def __init__(self, path: str) -> None:
        self.path = path
        self.unanswered = 0
        self.failed = self.is_over = self.is_whole = False

    def mark(self) -> None:
        """Rename the file once all is known; one that was not sent as often as asked keeps it."""
        if self.is_over and not self.unanswered and (self.failed or self.is_whole):
            mark_file(self.path, confirmed=not self.failed)


class _Transfer:
    """The state of one run."""

    def __init__(
        self,
        link: StoreLink,
        options: TransferOptions,
        outcome: Outcome,
        progress: Progress | None,
        failures: Failures | None,
    ) -> None:
        self.outcome = outcome
        self._failures = failures
        self._sending = False
        self._link = link
        self._options = options
        self._progress = progress
        self._window = options.maximum_operations
        self._chooser = ContextChooser(link.contexts, prefer_deflated=options.prefer_deflated)
        self._outstanding: dict[int, _Fate] = {}
        self._upcoming: PreparedFile | _Unusable | None = None
        self._laid_out: tuple[int, int] | None = None  # context and message id of the upcoming one
        self._halted = False
        # Asked for once: at the default level a file costs no call into logging.
        self._info = _LOGGER.isEnabledFor(INFO)
        self._debug = _LOGGER.isEnabledFor(DEBUG)
        # Files go out one after the other, with nothing to say, and as they are.
        self._is_plain = (
            not self._info
            and options.repeat == 1
            and options.inventor is None
            and options.encoding.new_vrs
            and options.encoding.compression_level is None
        )

    def run(self, files: Iterator[str]) -> None:
        """Send, and end the association as what happened asks for."""
        condition: str | None = None
        try:
            condition = self._send(files)
            while self._outstanding:
                self._collect()
        except IsocenterError as problem:
            paths = [fate.path for fate in self._outstanding.values()]
            self._broken(problem)
            if self._failures is not None:
                self._failures.broken(problem, paths, self.outcome.confirmed, sending=self._sending)
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
            _LOGGER.error("Association Release Failed: %s", condition_of(problem))  # noqa: TRY400 - one line says it all
            self.outcome.broken = True
            if self._failures is not None:
                self._failures.not_released(problem, self.outcome.confirmed)

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
        fate = _Fate(current.path)
        condition = self._repeat(current, fate, files)
        fate.is_over = True
        if condition is not None:
            fate.failed = True
        if self._options.rename:
            fate.mark()
        return condition

    def _repeat(
        self, current: PreparedFile | _Unusable, fate: _Fate, files: Iterator[str]
    ) -> str | None:
        link, outstanding = self._link, self._outstanding
        is_first = True
        for _ in range(self._options.repeat):
            while len(outstanding) >= self._window or not link.can_submit:
                self._collect()
            if self._halted:
                return None
            laid_out, self._laid_out = self._laid_out, None
            if laid_out is not None and type(current) is PreparedFile:
                data_set = EncodedDataSet(current.data, current.length)
                self._submit(*laid_out, current, fate, data_set, None)
                self._upcoming = self._prepare_next(files)
                continue
            message_id = link.next_message_id()
            if self._info:
                _LOGGER.info("Sending file: %s", current.path)
            if isinstance(current, _Unusable):
                return self._report_unusable(current.path, current.problem)
            if is_first and current.blank_uids and not self._options.correct_uids:
                _warn_of_blanks(current)
            invented = self._invent()
            context_id = self._chooser.choose(current.sop_class_uid, current.transfer_syntax_uid)
            if context_id is None:
                return self._report_no_context(current)
            try:
                data_set = self._encode(current, context_id, invented)
                current.check_unchanged()
            except (OSError, DataSetError) as problem:
                return self._report_unusable(current.path, problem)
            self._submit(context_id, message_id, current, fate, data_set, invented)
            if is_first:
                is_first = False
                self._upcoming = self._prepare_next(files)
        fate.is_whole = True
        return None

    def _invent(self) -> Invented | None:
        """Make up the next object's identity, where the options say so."""
        inventor = self._options.inventor
        if inventor is None:
            return None
        invented = inventor.next()
        _LOGGER.info("%s", invented.lines())
        return invented

    def _encode(
        self, current: PreparedFile, context_id: int, invented: Invented | None
    ) -> EncodedDataSet:
        """Return the data set in the transfer syntax of the context."""
        own, target = current.transfer_syntax_uid, self._link.contexts[context_id].transfer_syntax
        if own != target and self._info:
            names = _syntax_words(own), _syntax_words(target)
            _LOGGER.info("Converting transfer syntax: %s -> %s", *names)
        replacements = None if invented is None else invented.replacements()
        return encode(current, target, replacements=replacements, options=self._options.encoding)

    def _submit(
        self,
        context_id: int,
        message_id: int,
        current: PreparedFile,
        fate: _Fate,
        data_set: EncodedDataSet,
        invented: Invented | None,
    ) -> None:
        """Send one request; it is outstanding from here on, whatever happens."""
        if self._info:
            modality = modality_prefix(current.sop_class_uid, "OT")
            _LOGGER.info("Sending Store Request (MsgID %d, %s)", message_id, modality)
            if self._debug:
                self._log_context(context_id, current.sop_class_uid)
        self._outstanding[message_id] = fate
        fate.unanswered += 1
        progress = self._progress
        if progress is not None:
            progress.begin()
        try:
            self._link.submit(
                context_id,
                message_id=message_id,
                sop_class_uid=current.sop_class_uid,
                sop_instance_uid=(
                    current.sop_instance_uid if invented is None else invented.sop_instance_uid
                ),
                data=data_set.data,
            )
            self.outcome.submitted += 1
            if self._debug:
                _LOGGER.debug("%s", self._link.request_dump(message_id))
            if progress is not None:
                progress.add(-(-data_set.length // self._link.max_send_pdv))
        except (DataSetError, OSError) as problem:
            # The file ended before the length that was promised, or cannot be read any more:
            # the message cannot be completed.
            del self._outstanding[message_id]
            self._report_failed(current.path, condition_of(problem))
            fate.is_over = True
            self._settle(fate, failed=True)
            if isinstance(problem, OSError):
                raise DataSetError(reason_of(problem)) from problem
            raise
        except IsocenterError:
            self._sending = True
            raise
        finally:
            if progress is not None:
                progress.end()

    def _log_context(self, context_id: int, sop_class_uid: str) -> None:
        """Say which context a request goes on: the dump of what is sent does not."""
        from isocenter.sender.keywords import keyword_of

        syntax = self._link.contexts[context_id].transfer_syntax
        _LOGGER.debug(
            "  using Presentation Context ID %d = %s with %s transfer syntax",
            context_id,
            keyword_of(sop_class_uid),
            keyword_of(syntax),
        )

    def _settle(self, fate: _Fate, *, failed: bool) -> None:
        """Take note of the end of one request."""
        fate.unanswered -= 1
        if failed:
            fate.failed = True
        if self._options.rename:
            fate.mark()

    def _lay_out(self, upcoming: PreparedFile) -> None:
        """Do ahead, while a response is outstanding, all that sending a plain file needs."""
        link = self._link
        if upcoming.blank_uids or upcoming.is_odd or upcoming.is_open:
            return
        context_id = self._chooser.choose(upcoming.sop_class_uid, upcoming.transfer_syntax_uid)
        if context_id is None:
            return
        if link.contexts[context_id].transfer_syntax != upcoming.transfer_syntax_uid:
            return
        message_id = link.next_message_id()
        self._laid_out = context_id, message_id
        link.lay_out(
            context_id,
            message_id=message_id,
            sop_class_uid=upcoming.sop_class_uid,
            sop_instance_uid=upcoming.sop_instance_uid,
            data=upcoming.data,
        )

    def _prepare_next(self, files: Iterator[str]) -> PreparedFile | _Unusable | None:
        """Open, read and judge the next file; what is wrong with it is said when its turn comes."""
        path = next(files, None)
        if path is None:
            return None
        try:
            upcoming = prepare(path, form=self._options.form)
        except (OSError, DataSetError) as problem:
            return _Unusable(path, problem)
        except ValueError as problem:  # a NUL in the path
            return _Unusable(path, DataSetError(str(problem)))
        if self._is_plain:
            self._lay_out(upcoming)
        return upcoming

    def _collect(self) -> None:
        """Wait for one response and count it; a failure halts where the options say so."""
        response = self._link.next_response()
        fate = self._outstanding.pop(response.message_id_being_responded_to)
        status = response.status
        outcome = self.outcome
        # Asked first for what nearly every response says.
        confirmed = status == 0 or is_confirmed(status)
        self._settle(fate, failed=not confirmed)
        if self._info:
            self._log_response(response)
        if confirmed:
            outcome.confirmed += 1
            outcome.warnings += status != 0
        else:
            comment = " ".join((response.error_comment or "").split())
            words = f"status 0x{status:04x} ({store_status_text(status)})"
            self._report_failed(fate.path, f"{words}: {comment}" if comment else words, status)
            if self._failures is not None:
                self._failures.refused(fate.path, response)
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
        if self.outcome.without_context is None:
            self.outcome.without_context = sop_class, current.transfer_syntax_uid
        other = self._chooser.convertible_to(sop_class)
        if other is None:
            condition = NO_VALID_PRESENTATION_CONTEXT
            prefix = modality_prefix(sop_class, "") or "unknown SOP class"
            _LOGGER.error("No presentation context for: (%s) %s", prefix, abridged(sop_class))
        else:
            own = current.transfer_syntax_uid
            why = _why_not_as_it_is(
                own,
                proposed=self._link.was_proposed(sop_class, own),
                by_profile=self._options.proposed_by_profile,
            )
            condition = f"{SEND_FAILED} ({why})"
            _LOGGER.error("No conversion to transfer syntax %s possible!", _syntax_words(other))
        self._report_failed(current.path, condition)
        if self._failures is not None:
            self._failures.no_context(current.path, sop_class, current.transfer_syntax_uid)
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
        for fate in self._outstanding.values():
            self._report_failed(fate.path, _UNANSWERED if is_file else condition)
            fate.is_over = True
            self._settle(fate, failed=True)
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

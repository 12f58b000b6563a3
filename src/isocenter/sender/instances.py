"""Sending listed files over one association, one after the other, as DCMTK's dcmsend does.

Owns the lines of DCMTK's `DcmSCU` and `DcmStorageSCU` about each file, its choice of a context
and what becomes of the file. Must not know how files are found (`listing`), nor when there is
another association (`delivery`).

While a response is outstanding the next file is opened, read and judged, and its request laid
out where it goes out as it is.

PS3.7 9.1.1; PS3.4 B.2.
"""

from __future__ import annotations

from isocenter.errors import DataSetError, IsocenterError, TlsError
from isocenter.logs import DEBUG, INFO, get_logger, one_line
from isocenter.record import Record
from isocenter.sender.conditions import condition_of, reason_of
from isocenter.sender.encoding import AS_IT_IS, EncodedDataSet, encode
from isocenter.sender.prepare import FILE_ONLY, prepare
from isocenter.sender.proposal import CONVERTIBLE
from isocenter.sender.report import NO_CONTEXT, Row
from isocenter.sender.syntaxes import syntax_words
from isocenter.services.storage import is_confirmed, store_status_text
from isocenter.uids import modality_prefix, name_of

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.sender.backlog import Backlog
    from isocenter.sender.decoding import Decoders, Decoding
    from isocenter.sender.encoding import EncodingOptions
    from isocenter.sender.failures import Failures
    from isocenter.sender.grouping import ContextPlan
    from isocenter.sender.link import StoreLink
    from isocenter.sender.listing import Listed
    from isocenter.sender.prepare import PreparedFile
    from isocenter.sender.report import Report
    from isocenter.sender.tally import Tally

__all__ = ["Broken", "InstanceOptions", "Sending", "Unsent", "words_of"]

_LOGGER = get_logger(__name__)

_SOP_CLASS, _SOP_INSTANCE = 0x00080016, 0x00080018

_LENGTH_OF_CONDITION_NUMBER = len("0006:0317 ")


class InstanceOptions(Record):
    """How files are sent.

    Fields:
        halt: the first file that cannot be sent ends it; otherwise the next one follows.
        form: what a file may be, see `prepare`.
        encoding: how data sets are written where they are not sent as they are.
        names_conversions: say that a data set is converted.
        sizes: find out how long data sets are, for a report.
        decoders: decode what is compressed and was accepted uncompressed, None for nothing.
    """

    halt: bool = True
    form: str = FILE_ONLY
    encoding: EncodingOptions = AS_IT_IS
    names_conversions: bool = True
    sizes: bool = False
    decoders: Decoders | None = None


class Unsent(Exception):
    """A file could not be sent and the run is to end; says why, in DCMTK's words without number."""


class Broken(Exception):
    """The association ended, or has to; `__cause__` says how.

    Attributes:
        answered: responses that came before.
        path: of the file whose request was under way.
        sending: that was still being sent.
    """

    def __init__(self, answered: int, path: str, *, sending: bool) -> None:
        """Keep the facts."""
        super().__init__(answered)
        self.answered = answered
        self.path = path
        self.sending = sending


class _Job:
    """A file whose turn comes next: what is to become of it, and what was found."""

    __slots__ = ("context_id", "decoding", "listed", "prepared", "problem")

    def __init__(self, listed: Listed, context_id: int) -> None:
        self.listed = listed
        self.context_id = context_id
        self.prepared: PreparedFile | None = None
        self.decoding: Decoding | OSError | DataSetError | None = None
        self.problem: OSError | DataSetError | None = None

    def prepare(self, form: str) -> None:
        try:
            self.prepared = prepare(self.listed.path, form=form)
        except (OSError, DataSetError) as problem:
            self.problem = problem
        except ValueError as problem:  # a NUL in the path
            self.problem = DataSetError(str(problem))

    def close(self) -> None:
        if self.decoding is not None and not isinstance(self.decoding, Exception):
            self.decoding.close()
        if self.prepared is not None:
            self.prepared.close()


class Sending:
    """The files of one association.

    Args:
        link: the association.
        number: of the association, from 1.
        plan: its contexts.
        count: how many of the waiting files are for it; None for as many as the plan has
            contexts for.
        backlog: the files that wait.
        tally: where to count.
        report: where to write, None for nowhere.
        options: see there.
        failures: told of each file that was not taken, None for nobody.
    """

    def __init__(
        self,
        link: StoreLink,
        number: int,
        plan: ContextPlan,
        count: int | None,
        backlog: Backlog,
        tally: Tally,
        report: Report | None,
        options: InstanceOptions,
        failures: Failures | None = None,
    ) -> None:
        """Begin with nothing."""
        self._failures = failures
        self._link = link
        self._number = number
        self._plan = plan
        self._left = count
        self._backlog = backlog
        self._tally = tally
        self._report = report
        self._options = options
        self._answered = 0
        self._upcoming: _Job | None = None
        self._laid_out: int | None = None  # message id of the upcoming one
        # Asked for once: at the default level a file costs no call into logging.
        self._info = _LOGGER.isEnabledFor(INFO)
        # Files go out with nothing to say or to measure, and as they are.
        self._is_plain = not (
            self._info or options.sizes or options.encoding.compression_level is not None
        )
        self._debug = _LOGGER.isEnabledFor(DEBUG)

    def run(self) -> None:
        """Send what belongs to the association, which stays open.

        Raises:
            Unsent: a file could not be sent, and `InstanceOptions.halt`.
            Broken: the association ended, or has to be aborted.
        """
        try:
            self._upcoming = self._next()
            while (job := self._upcoming) is not None:
                self._upcoming = None
                try:
                    self._send(job)
                finally:
                    job.close()
                if self._upcoming is None:
                    self._upcoming = self._next()
        finally:
            if self._upcoming is not None:
                # It was taken, and nothing will become of it here.
                self._upcoming.close()
                self._backlog.put_back(self._upcoming.listed)
                self._upcoming = None

    def _next(self) -> _Job | None:
        """Take the next file of this association and read it; what is wrong waits for its turn."""
        if self._left == 0:
            return None
        backlog = self._backlog
        backlog.look_ahead()
        listed = backlog.first()
        if listed is None:
            return None
        context_id = self._plan.id_of(listed.kind)
        if context_id is None:
            return None
        backlog.take()
        if self._left is not None:
            self._left -= 1
        job = _Job(listed, context_id)
        if context_id:
            job.prepare(self._options.form)
            self._decode(job)
            if self._is_plain:
                self._lay_out(job)
        return job

    def _decode(self, job: _Job) -> None:
        """Have what is to be decoded decoded ahead, in other processes."""
        decoders, prepared = self._options.decoders, job.prepared
        accepted = self._link.contexts.get(job.context_id)
        if decoders is None or prepared is None or accepted is None:
            return
        own, target = prepared.transfer_syntax_uid, accepted.transfer_syntax
        if own == target or own in CONVERTIBLE or target not in CONVERTIBLE:
            return
        try:
            job.decoding = decoders.begin(prepared, target, self._options.encoding)
        except (OSError, DataSetError) as problem:
            job.decoding = problem

    def _lay_out(self, job: _Job) -> None:
        """Do ahead, while a response is outstanding, all that sending a plain file needs."""
        prepared, link = job.prepared, self._link
        if prepared is None or prepared.is_open or prepared.is_odd:
            return
        if prepared.blank_uids or prepared.missing_uids:
            return
        accepted = link.contexts.get(job.context_id)
        if accepted is None or not accepted.as_scu:
            return
        if accepted.transfer_syntax != prepared.transfer_syntax_uid:
            return
        if not self._is_as_listed(job.listed, prepared):
            return
        self._laid_out = link.next_message_id()
        link.lay_out(
            job.context_id,
            message_id=self._laid_out,
            sop_class_uid=prepared.sop_class_uid,
            sop_instance_uid=prepared.sop_instance_uid,
            data=prepared.data,
        )

    @staticmethod
    def _is_as_listed(listed: Listed, prepared: PreparedFile) -> bool:
        return (
            listed.sop_instance_uid == prepared.sop_instance_uid
            and listed.kind.sop_class_uid == prepared.sop_class_uid
        )

    def _send(self, job: _Job) -> None:
        """Send one file, or say why not."""
        if not job.context_id:
            # That no context may be proposed for it was said when that was found.
            self._not_sent(job)
            self._add(Row(job.listed, status=NO_CONTEXT))
            return
        path = job.listed.path
        laid_out, self._laid_out = self._laid_out, None
        prepared = job.prepared
        if laid_out is not None and prepared is not None:
            data_set = EncodedDataSet(prepared.data, prepared.length)
            self._exchange(job, prepared, laid_out, data_set, 0)
            return
        _LOGGER.debug("sending SOP instance from file: %s", path)
        if prepared is None:
            self._not_from_file(job, job.problem or DataSetError("not read"))
            return
        self._compare(job.listed, prepared)
        size = self._size(prepared)
        message_id = self._link.next_message_id()
        if prepared.missing_uids:
            self._not_identified(job, prepared, size)
            return
        accepted = self._link.contexts.get(job.context_id)
        if accepted is None or not accepted.as_scu:
            self._not_accepted(job, prepared, size)
            return
        if accepted.abstract_syntax != prepared.sop_class_uid:
            _LOGGER.warning(
                "Inappropriate presentation context with ID %d: "
                "abstract syntax does not match SOP class UID",
                job.context_id,
            )
        target = accepted.transfer_syntax
        if target != prepared.transfer_syntax_uid and self._options.names_conversions:
            words = syntax_words(prepared.transfer_syntax_uid), syntax_words(target)
            _LOGGER.info("Converting transfer syntax: %s -> %s", *words)
        try:
            data_set = self._encode(job, prepared, target)
            prepared.check_unchanged()
        except (OSError, DataSetError) as problem:
            self._not_encoded(job, prepared, target, size, problem)
            return
        self._exchange(job, prepared, message_id, data_set, size)

    def _encode(self, job: _Job, prepared: PreparedFile, target: str) -> EncodedDataSet:
        """Return the data set as it is to be sent.

        Raises:
            OSError, DataSetError: it cannot be.
        """
        if isinstance(job.decoding, Exception):
            raise job.decoding
        if job.decoding is not None:
            return job.decoding.finish()
        return encode(prepared, target, options=self._options.encoding)

    def _exchange(
        self,
        job: _Job,
        prepared: PreparedFile,
        message_id: int,
        data_set: EncodedDataSet,
        size: int,
    ) -> None:
        """Send one request and wait for its response, reading the next file meanwhile.

        Raises:
            Broken: the association ended.
        """
        link = self._link
        if self._info:
            if self._debug:
                _LOGGER.info("Sending C-STORE Request")
            else:
                modality = modality_prefix(prepared.sop_class_uid, "OT")
                _LOGGER.info("Sending C-STORE Request (MsgID %d, %s)", message_id, modality)
        sent = False
        try:
            link.submit(
                job.context_id,
                message_id=message_id,
                sop_class_uid=prepared.sop_class_uid,
                sop_instance_uid=prepared.sop_instance_uid,
                data=data_set.data,
            )
            sent = True
            if self._debug:
                _LOGGER.debug("%s", link.request_dump(message_id))
            self._upcoming = self._next()
            response = link.next_response()
        except (OSError, IsocenterError) as problem:
            doing = "receiving DIMSE response" if sent else "sending C-STORE request"
            _LOGGER.error("Failed %s: %s", doing, condition_of(problem))  # noqa: TRY400 - one line says it all
            _LOGGER.error("cannot send SOP instance from file: %s", job.listed.path)  # noqa: TRY400 - as above
            network = link.contexts[job.context_id].transfer_syntax
            self._add(self._row(job, size, network))
            raise Broken(self._answered, job.listed.path, sending=not sent) from problem
        self._answered += 1
        status = response.status
        self._tally.answered(status)
        if self._info:
            self._log_response(status)
        if status and not is_confirmed(status):
            comment = " ".join((response.error_comment or "").split())
            words = f"0x{status:04x} ({store_status_text(status)})"
            _LOGGER.error(
                "SOP instance was refused, file: %s: %s",
                job.listed.path,
                f"{words}: {comment}" if comment else words,
            )
            if self._failures is not None:
                self._failures.refused(job.listed.path, response)
        if self._report is not None:
            network = link.contexts[job.context_id].transfer_syntax
            self._add(self._row(job, size, network, status))

    def _log_response(self, status: int) -> None:
        if self._debug:
            _LOGGER.info("Received C-STORE Response")
            _LOGGER.debug("%s", self._link.response_dump())
        else:
            _LOGGER.info("Received C-STORE Response (%s)", store_status_text(status))

    def _row(self, job: _Job, size: int, network: str, status: int | None = None) -> Row:
        return Row(job.listed, size, self._number, job.context_id, network, status)

    def _add(self, row: Row) -> None:
        if self._report is not None:
            self._report.add(row)

    def _compare(self, listed: Listed, prepared: PreparedFile) -> None:
        """Say where the data set says something else than the list."""
        _LOGGER.debug(
            "checking whether SOP Class UID and SOP Instance UID in dataset "
            "are consistent with transfer list"
        )
        for name, tag, own, wanted in (
            ("Class", _SOP_CLASS, prepared.sop_class_uid, listed.kind.sop_class_uid),
            ("Instance", _SOP_INSTANCE, prepared.sop_instance_uid, listed.sop_instance_uid),
        ):
            found = "" if tag in prepared.missing_uids else own
            if found != wanted:
                _LOGGER.warning(
                    "SOP %s UID in dataset differs from the one in the transfer list", name
                )
                _LOGGER.debug("- SOP %s UID in DICOM dataset: %s", name, one_line(found))
                _LOGGER.debug("- SOP %s UID in transfer list: %s", name, one_line(wanted))

    def _size(self, prepared: PreparedFile) -> int:
        """Return the length that DCMTK reports: of the data set written with explicit lengths."""
        if not self._options.sizes:
            return 0
        from isocenter.sender.sizes import written_length

        return written_length(prepared)

    # What keeps a file from being sent. Each says so, adds it to the report, and ends the run
    # where the options say so.

    def _not_from_file(self, job: _Job, problem: OSError | DataSetError) -> None:
        reason = reason_of(problem)
        _LOGGER.error("cannot send SOP instance from file: %s: %s", job.listed.path, reason)
        self._add(Row(job.listed, context_id=job.context_id))
        self._halt(reason)

    def _not_identified(self, job: _Job, prepared: PreparedFile, size: int) -> None:
        missing = prepared.missing_uids
        own = prepared.transfer_syntax_uid
        sop_class = "" if _SOP_CLASS in missing else prepared.sop_class_uid
        sop_instance = "" if _SOP_INSTANCE in missing else prepared.sop_instance_uid
        _LOGGER.error("Cannot send SOP instance, missing information:")
        _LOGGER.error("  DICOM Filename   : %s", job.listed.path)
        _LOGGER.error("  SOP Class UID    : %s", sop_class)
        _LOGGER.error("  SOP Instance UID : %s", sop_instance)
        _LOGGER.error("  Transfer Syntax  : %s", syntax_words(own))
        _LOGGER.error("  Pres. Context ID : %d", job.context_id)
        self._add(self._row(job, size, own))
        self._halt("Invalid SOP Class UID" if not sop_class else "Invalid SOP Instance UID")

    def _not_accepted(self, job: _Job, prepared: PreparedFile, size: int) -> None:
        own = prepared.transfer_syntax_uid
        _LOGGER.error(
            "No presentation context found for sending C-STORE with "
            "SOP Class / Transfer Syntax: %s / %s",
            one_line(name_of(prepared.sop_class_uid)),
            syntax_words(own),
        )
        if self._failures is not None:
            self._failures.no_context(job.listed.path, prepared.sop_class_uid, own)
        self._not_sent(job)
        self._add(self._row(job, size, own, NO_CONTEXT))
        self._halt("DIMSE No valid Presentation Context ID")

    def _not_sent(self, job: _Job) -> None:
        """Count a file that there is no context for, and say which it is, as DCMTK does not."""
        self._tally.without_context(job.listed.kind)
        _LOGGER.error("SOP instance was not sent, file: %s", job.listed.path)

    def _not_encoded(
        self,
        job: _Job,
        prepared: PreparedFile,
        target: str,
        size: int,
        problem: OSError | DataSetError,
    ) -> None:
        own = prepared.transfer_syntax_uid
        reason = reason_of(problem)
        if own != target:
            _LOGGER.error("No conversion to transfer syntax %s possible!", syntax_words(target))
        _LOGGER.error("cannot send SOP instance from file: %s: %s", job.listed.path, reason)
        self._add(self._row(job, size, own))
        self._halt(reason)

    def _halt(self, reason: str) -> None:
        if self._options.halt:
            raise Unsent(reason)


def words_of(problem: Exception) -> str:
    """Return a condition as DCMTK's dcmsend prints it: without its number.

    Those of TLS, which that has not, keep theirs.
    """
    text = condition_of(problem)
    if isinstance(problem, TlsError):
        return text
    is_numbered = text[4:5] == ":" and text[9:10] == " "
    return text[_LENGTH_OF_CONDITION_NUMBER:] if is_numbered else text

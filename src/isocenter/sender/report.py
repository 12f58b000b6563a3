"""The report of ``--create-report-file``: what became of each SOP instance.

Owns its layout, which is DCMTK's field by field, and when it appears: whole, under its name, once
the run is over. Until then it grows beside that name, so that memory does not grow with the number
of files, and whether it can be written is known before anything is sent.

`DcmStorageSCU::createReportFile` of DCMTK.
"""

from __future__ import annotations

import os
import stat

from isocenter.logs import get_logger, one_line
from isocenter.record import NamedTuple
from isocenter.sender.syntaxes import syntax_words
from isocenter.services.storage import store_status_text
from isocenter.uids import name_of

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.sender.listing import Listed
    from isocenter.sender.tally import Tally

__all__ = ["NO_CONTEXT", "Report", "Row"]

_LOGGER = get_logger(__name__)

NO_CONTEXT = -1
"""Stands for a status: no acceptable presentation context."""

_TRIES = 100


class Row(NamedTuple):
    """What became of one SOP instance.

    Fields: `listed` the file; `size` of its data set in bytes; `association` number from 1, 0
    where it never was looked at for one; `context_id`, 0 for none; `network_syntax` UID, "" for
    none; `status` of the response, `NO_CONTEXT`, or None where it was not sent.
    """

    listed: Listed
    size: int = 0
    association: int = 0
    context_id: int = 0
    network_syntax: str = ""
    status: int | None = None


class Report:
    """A report that is being written.

    Args:
        path: where it will stand.

    Raises:
        OSError: it cannot stand there.
    """

    __slots__ = ("_count", "_fd", "_parts", "_path", "_real", "_temporary", "problem")

    def __init__(self, path: str) -> None:
        """See that it can be written."""
        self._path = self._real = path
        self._count = 0
        self._parts: list[str] = []
        self._temporary = ""
        self.problem: OSError | None = None
        """What went wrong while it was written."""
        self._fd = self._open()

    def _open(self) -> int:
        """Open what the report grows in: a file beside it, or itself where it is no regular file.

        Raises:
            OSError: neither can be done.
        """
        real = os.path.realpath(self._path)
        try:
            facts = os.stat(real)
        except FileNotFoundError:
            mode = None
        else:
            if not stat.S_ISREG(facts.st_mode):
                # A terminal or a pipe; a directory cannot be opened so.
                return os.open(real, os.O_WRONLY | os.O_CLOEXEC)
            if not os.access(real, os.W_OK):
                os.close(os.open(real, os.O_WRONLY | os.O_CLOEXEC))  # says why
            mode = stat.S_IMODE(facts.st_mode)
        folder, name = os.path.split(real)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        for number in range(_TRIES):
            temporary = os.path.join(folder, f".{name[:200]}.{os.getpid()}.{number}")
            try:
                fd = os.open(temporary, flags, 0o666)
            except FileExistsError:
                continue
            if mode is not None:
                os.chmod(temporary, mode)
            self._real, self._temporary = real, temporary
            return fd
        raise FileExistsError(f"{_TRIES} names are taken")

    @property
    def path(self) -> str:
        """Where it will stand, as given."""
        return self._path

    def begin(self, peer: str, port: int, calling: str, called: str) -> None:
        """Write the head."""
        now = _now()
        self._put(
            "Detailed Report on the Transfer of Instances\n"
            "============================================\n\n"
            f"Communication Peer : {peer}:{port}\n"
            f"AE Titles used     : {calling} -> {called}\n"
            f"Current Date/Time  : {now}\n\n\n"
        )

    def add(self, row: Row) -> None:
        """Write what became of one SOP instance."""
        self._count += 1
        listed = row.listed
        sop_class, syntax = listed.kind
        class_name = name_of(sop_class)
        if class_name == sop_class:
            class_name = "unknown"
        network = row.network_syntax
        words = f"{network} = {syntax_words(network)}" if network else ""
        if row.status is None:
            status = "<not sent>"
        elif row.status == NO_CONTEXT:
            status = "<no acceptable presentation context>"
        else:
            status = f"0x{row.status:04x} ({store_status_text(row.status)})"
        self._put(
            f"Number        : {self._count}\n"
            f"Filename      : {one_line(listed.path)}\n"
            f"SOP Instance  : {one_line(listed.sop_instance_uid)}\n"
            f"SOP Class     : {sop_class} = {class_name}\n"
            f"Original Xfer : {syntax} = {syntax_words(syntax)}\n"
            f"Dataset Size  : {row.size} bytes\n"
            f"Association   : {row.association}\n"
            f"Pres. Context : {row.context_id}\n"
            f"Network Xfer  : {words}\n"
            f"DIMSE Status  : {status}\n\n"
        )

    def _put(self, text: str) -> None:
        self._parts.append(text)
        if len(self._parts) >= 64:
            self._flush()

    def _flush(self) -> None:
        """Write what waits; the first failure is kept for the end."""
        data = "".join(self._parts).encode("utf-8", "surrogateescape")
        self._parts.clear()
        try:
            while data and self.problem is None:
                data = data[os.write(self._fd, data) :]
        except OSError as problem:
            self.problem = problem

    def finish(self, tally: Tally) -> None:
        """Write the summary, and put the report where it was asked for.

        Raises:
            OSError: that failed, or what was written before.
        """
        _LOGGER.info("creating detailed report on the transfer ...")
        _LOGGER.debug("creating report file '%s'", self._path)
        self._put(f"\n{tally.summary()}")
        self._flush()
        try:
            if self.problem is not None:
                raise self.problem
            if not self._temporary:
                return
            os.fsync(self._fd)
            if os.path.lexists(self._real):
                _LOGGER.warning("file '%s' already exists, overwriting", self._path)
            os.replace(self._temporary, self._real)
            self._temporary = ""
        finally:
            self.discard()

    def discard(self) -> None:
        """Leave nothing behind of a report that was not finished; harmless after that."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._temporary:
            temporary, self._temporary = self._temporary, ""
            try:
                os.unlink(temporary)
            except OSError:
                return


def _now() -> str:
    """Return the time in the form of DCMTK's reports."""
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S")

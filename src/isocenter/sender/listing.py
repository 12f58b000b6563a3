"""Which SOP instances dcmsend sends: the paths of the command line, looked at one by one.

Owns the order of files, the checks of their UIDs and DCMTK's lines about those that are no good.
Must not know what is proposed for a file (`grouping`) nor how it is sent (`instances`).

A file is looked at as far as its File Meta Information goes, where that says enough. Either all
names are collected before the first file is looked at, or directories are scanned as files are
asked for.

PS3.10 7.1; `DcmStorageSCU::addDicomFile` and `checkSOPInstance` of DCMTK.
"""

from __future__ import annotations

import os
import stat

from isocenter.errors import ConfigurationError, DataSetError
from isocenter.logs import get_logger, one_line
from isocenter.record import NamedTuple, Record
from isocenter.sender.conditions import reason_of
from isocenter.sender.inputs import Kind, PathList, scan_directory
from isocenter.sender.prepare import ANY_FORM, DATA_SET_ONLY, FILE_ONLY, identify, read_meta
from isocenter.uids import (
    MEDIA_STORAGE_DIRECTORY,
    SOP_CLASSES,
    TRANSFER_SYNTAXES,
    is_known_uid,
    name_of,
)
from isocenter.ul.items import is_uid

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["InvalidInput", "Listed", "Listing", "ListingOptions", "check_uids"]

_LOGGER = get_logger(__name__)
"""For what DCMTK's network library says (`cli.lognames`)."""

_TOOL = get_logger("isocenter.sender")
"""For what the tool itself says."""

_STORAGE_PREFIX = "1.2.840.10008.5.1.4.1.1"
_STANDARD_PREFIX = "1.2.840.10008"


class Listed(NamedTuple):
    """A file to be sent, as it was when it was looked at."""

    path: str
    sop_instance_uid: str
    kind: Kind


class ListingOptions(Record):
    """How the paths given become SOP instances.

    Fields:
        scan_directories: take the files of directories; otherwise a directory is left out.
        scan_pattern: shell wildcards for the names of scanned files, None or "" for all.
        recurse: go into directories below a scanned one.
        dicomdir: a DICOMDIR stands for the files that it refers to.
        halt: the first invalid file ends the run; otherwise it is left out and counted.
        check_uids: refuse UIDs that are malformed, and SOP classes and transfer syntaxes that are
            known not to be some, or not known.
        form: what a file may be, see `prepare`.
        lazily: scan directories only as files are asked for.
    """

    scan_directories: bool = False
    scan_pattern: str | None = None
    recurse: bool = False
    dicomdir: bool = False
    halt: bool = True
    check_uids: bool = True
    form: str = FILE_ONLY
    lazily: bool = False


class InvalidInput(ConfigurationError):
    """A file that cannot be sent ends the run; the message is the line to print.

    Attributes:
        path: which file, or folder.
    """

    def __init__(self, line: str, path: str) -> None:
        """Keep both."""
        super().__init__(line)
        self.path = path


class Listing:
    """The SOP instances behind some paths, to be iterated once.

    Iterating raises `InvalidInput` where `ListingOptions.halt` and a file is no good.

    Attributes:
        invalid: files and folders left out because they are no good, so far.
    """

    __slots__ = ("_names", "_options", "invalid")

    def __init__(self, paths: Sequence[str], options: ListingOptions) -> None:
        """Find the names of files, or the first of them.

        Raises:
            InvalidInput: a directory cannot be listed.
        """
        self._options = options
        self.invalid = 0
        if options.scan_directories:
            _TOOL.info("determining input files ...")
        found = self._found(paths)
        if options.lazily:
            first = next(found, None)
            self._names: Iterable[str] | None = None if first is None else _chained(first, found)
        else:
            names = PathList()
            for name in found:
                names.append(name)
            self._names = names or None

    @property
    def is_empty(self) -> bool:
        """True where there is no file at all."""
        return self._names is None

    def _found(self, paths: Sequence[str]) -> Iterator[str]:
        """Yield each path, or what the directory contains."""
        options = self._options
        for path in paths:
            try:
                is_directory = stat.S_ISDIR(os.stat(path).st_mode)
            except (OSError, ValueError):  # ValueError: a NUL within
                is_directory = False
            if not is_directory:
                yield path
            elif options.scan_directories:
                yield from scan_directory(
                    path,
                    options.scan_pattern,
                    recurse=options.recurse,
                    on_error=self._unreadable,
                )
            else:
                _TOOL.warning(
                    "ignoring directory because option --scan-directories is not set: %s", path
                )

    def _unreadable(self, path: str, problem: OSError) -> None:
        """Deal with a directory that cannot be listed: DCMTK is silent, and its files are lost."""
        line = f"cannot access directory: {path}: {problem.strerror}"
        if self._options.halt:
            raise InvalidInput(line, path) from problem
        _TOOL.warning("%s, ignoring directory", line)
        self.invalid += 1

    def __iter__(self) -> Iterator[Listed]:
        for path in self._names or ():
            what = "file"
            try:
                listed = self._look_at(path)
                if listed.kind.sop_class_uid == MEDIA_STORAGE_DIRECTORY and self._options.dicomdir:
                    what = "files from DICOMDIR"
                    yield from self._referenced(path)
                    continue
                self._check(listed)
            except (OSError, ValueError, DataSetError) as problem:
                self._refuse(path, problem, what)
                continue
            _LOGGER.debug(
                "successfully added SOP instance %s to the transfer list", listed.sop_instance_uid
            )
            yield listed

    def _look_at(self, path: str) -> Listed:
        """Read the UIDs of a file.

        Raises:
            OSError, DataSetError, ValueError: it cannot be read as far as that.
        """
        form = self._options.form
        if not path:
            raise DataSetError("Invalid filename")
        _LOGGER.debug("adding DICOM file '%s'", path)
        if form != DATA_SET_ONLY:
            meta = read_meta(path)
            listed = Listed(
                path,
                meta.media_storage_sop_instance_uid,
                Kind(meta.media_storage_sop_class_uid, meta.transfer_syntax_uid),
            )
            if form == FILE_ONLY and not meta.present:
                raise DataSetError("File meta information header missing")
            if form == FILE_ONLY or all((*listed.kind, listed.sop_instance_uid)):
                return listed
        else:
            listed = Listed(path, "", Kind("", ""))
        identity = identify(path, form=ANY_FORM if form != DATA_SET_ONLY else form)
        return Listed(
            path,
            listed.sop_instance_uid or identity.sop_instance_uid,
            Kind(
                listed.kind.sop_class_uid or identity.sop_class_uid,
                listed.kind.transfer_syntax_uid or identity.transfer_syntax_uid,
            ),
        )

    def _check(self, listed: Listed) -> None:
        check_uids(*listed.kind, listed.sop_instance_uid, values=self._options.check_uids)

    def _referenced(self, path: str) -> Iterator[Listed]:
        """Yield what a DICOMDIR refers to.

        Raises:
            DataSetError: it cannot be read, or a file is no good and `halt`.
            OSError: it cannot be read.
        """
        from isocenter.sender.dicomdir import NO_NAME, referenced_files

        options = self._options
        _LOGGER.debug("processing a DICOMDIR file (Media Storage Directory Storage SOP Class)")
        _LOGGER.debug("adding DICOM files referenced from '%s'", path)
        for reference in referenced_files(path):
            reason, name = reference.problem, reference.listed.path
            if reason != NO_NAME:
                try:
                    self._check(reference.listed)
                except DataSetError as problem:
                    reason, name = problem.reason, reference.file_id
            if not reason:
                yield reference.listed
                continue
            if reason == NO_NAME:
                _LOGGER.error("cannot add DICOM file from DICOMDIR with empty filename")
            else:
                _LOGGER.error(
                    "cannot add DICOM file from DICOMDIR to the transfer list: %s: %s",
                    one_line(name),
                    reason,
                )
            if options.halt:
                raise DataSetError(reason)
            self.invalid += 1

    def _refuse(self, path: str, problem: OSError | ValueError | DataSetError, what: str) -> None:
        """Deal with a file that is no good."""
        reason = reason_of(problem) if isinstance(problem, OSError | DataSetError) else str(problem)
        if path:
            _LOGGER.error("cannot add DICOM %s to the transfer list: %s: %s", what, path, reason)
        else:
            _LOGGER.error("cannot add DICOM file with empty filename")
        line = f"bad DICOM file: {path or '<empty string>'}: {reason}"
        if self._options.halt:
            raise InvalidInput(line, path) from problem
        self.invalid += 1
        _TOOL.warning("%s, ignoring file", line)


def _chained(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def check_uids(
    sop_class_uid: str, transfer_syntax_uid: str, sop_instance_uid: str, *, values: bool = True
) -> None:
    """Refuse UIDs that cannot be those of a SOP instance to be stored, in DCMTK's words.

    Args:
        sop_class_uid: of the instance.
        transfer_syntax_uid: of the instance.
        sop_instance_uid: of the instance.
        values: also those that are malformed or known to be something else, and transfer
            syntaxes that are not known. What no proposal can carry is refused in any case.

    Raises:
        DataSetError: with DCMTK's reason.

    PS3.5 9.1, PS3.8 9.3.2.2.
    """
    if not is_uid(sop_class_uid):
        raise _refusal("Invalid SOP Class UID", sop_class_uid)
    if values:
        if not _is_well_formed(sop_class_uid):
            raise _refusal("Invalid SOP Class UID", sop_class_uid)
        if (
            sop_class_uid not in SOP_CLASSES
            and not sop_class_uid.startswith(_STORAGE_PREFIX)
            and sop_class_uid.startswith(_STANDARD_PREFIX)
        ):
            known = is_known_uid(sop_class_uid)
            words = "Invalid SOP Class UID" if known else "Unknown Storage SOP Class"
            raise _refusal(words, sop_class_uid)
    if not sop_instance_uid or (values and not _is_well_formed(sop_instance_uid)):
        raise _refusal("Invalid SOP Instance UID", sop_instance_uid)
    if not is_uid(transfer_syntax_uid):
        raise _refusal("Invalid Transfer Syntax UID", transfer_syntax_uid)
    if values:
        if not _is_well_formed(transfer_syntax_uid):
            raise _refusal("Invalid Transfer Syntax UID", transfer_syntax_uid)
        if transfer_syntax_uid not in TRANSFER_SYNTAXES:
            raise _refusal("Unknown Transfer Syntax", transfer_syntax_uid)


def _refusal(words: str, uid: str) -> DataSetError:
    """Return the error with DCMTK's words; which UID it is goes to the debug level, as there."""
    _LOGGER.debug("%s: %s", words, one_line(name_of(uid)) if uid else "empty or missing")
    return DataSetError(words)


def _is_well_formed(uid: str) -> bool:
    """Tell whether DCMTK takes it for one UID: components without leading zeros (PS3.5 9.1)."""
    return is_uid(uid) and all(part and (part[0] != "0" or part == "0") for part in uid.split("."))

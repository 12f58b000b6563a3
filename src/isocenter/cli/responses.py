"""Where the data sets of responses go: DICOM files, XML files, one XML file, lines of JSON.

Owns names, forms and the words of failures. Must not know what was asked, nor how responses are
reported in the log (`cli.querying`).

A file of one response appears under its name when it is whole. The one XML file is written as
responses come.
"""

from __future__ import annotations

import contextlib
import os
import sys

from isocenter.dataset.dictionary import DEFAULT_DICTIONARY
from isocenter.errors import DataSetError
from isocenter.logs import get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from typing import BinaryIO, Final, Protocol

    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.dataset.dictionary import Dictionary
    from isocenter.dataset.tree import Node
else:
    Protocol = object

__all__ = ["Extraction", "JsonLines", "dicom_file", "extraction_of"]

_LOGGER = get_logger("isocenter.net.query")

_CHARACTER_SET: Final = 0x00080005
_SOP_CLASS: Final = 0x00080016
_SOP_INSTANCE: Final = 0x00080018
PRIVATE_SOP_CLASS = "1.2.276.0.7230010.3.1.0.1"
"""What DCMTK says of a data set without SOP class (UID_PrivateGenericFileSOPClass)."""

_ENCODINGS = {
    "ISO_IR 6": ("UTF-8", "utf-8"),
    "ISO_IR 192": ("UTF-8", "utf-8"),
    "ISO_IR 100": ("ISO-8859-1", "iso8859-1"),
    "ISO_IR 101": ("ISO-8859-2", "iso8859-2"),
    "ISO_IR 109": ("ISO-8859-3", "iso8859-3"),
    "ISO_IR 110": ("ISO-8859-4", "iso8859-4"),
    "ISO_IR 144": ("ISO-8859-5", "iso8859-5"),
    "ISO_IR 127": ("ISO-8859-6", "iso8859-6"),
    "ISO_IR 126": ("ISO-8859-7", "iso8859-7"),
    "ISO_IR 138": ("ISO-8859-8", "iso8859-8"),
    "ISO_IR 148": ("ISO-8859-9", "iso8859-9"),
    "ISO_IR 203": ("ISO-8859-15", "iso8859-15"),
}
"""What an XML document says of its encoding, and Python's name of it, by character set."""


class Extraction(Protocol):
    """Takes the responses of a run."""

    def begin(self) -> bool:
        """Get ready, once the association is accepted; False where something went wrong."""

    def write(self, number: int, node: Node, transfer_syntax_uid: str) -> bool:
        """Take a response; False where it could not be written, which was said."""

    def end(self) -> bool:
        """Finish; False where something went wrong, which was said."""


def extraction_of(line: ParsedCommandLine, dictionary: Dictionary | None) -> Extraction | None:
    """Return what takes the responses that findscu is to write, None where it writes none."""
    from isocenter.cli.options_findscu import EXTRACTS

    known = dictionary or DEFAULT_DICTIONARY
    # As DCMTK names files: without a folder that is the current one, or a slash too many.
    folder = line.value("--output-directory").rstrip("/") or line.value("--output-directory")[:1]
    folder = "" if folder == "." else folder
    chosen = line.block(*EXTRACTS)
    trimmed = line.in_force("--enable-correction")
    if chosen == "--extract":
        return _DicomFiles(folder)
    if chosen == "--extract-xml":
        return _XmlFiles(folder, known, trimmed=trimmed)
    if chosen == "--extract-xml-single":
        path = os.path.join(folder, line.value("--extract-xml-single"))
        return _OneXmlFile(path, known, trimmed=trimmed)
    return None


def _complain(path: str, problem: OSError | DataSetError | ValueError) -> bool:
    """Say that a file could not be written, in DCMTK's words; return False."""
    reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else problem
    _LOGGER.error("Writing file: %s: %s", path, reason)
    return False


def _publish(path: str, data: bytes) -> None:
    """Write a file that appears under its name when it is whole, in the place of another one.

    Raises:
        OSError: it cannot be written.
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.part")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


class _DicomFiles:
    """A DICOM file for each response."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def begin(self) -> bool:
        return True

    def write(self, number: int, node: Node, transfer_syntax_uid: str) -> bool:
        path = os.path.join(self._folder, f"rsp{number:04d}.dcm")
        _LOGGER.info("Writing response dataset to file: %s", path)
        try:
            _publish(path, dicom_file(node, transfer_syntax_uid))
        except (OSError, ValueError) as problem:
            return _complain(path, problem)
        return True

    def end(self) -> bool:
        return True


def dicom_file(node: Node, transfer_syntax_uid: str) -> bytes:
    """Return a data set as a DICOM file, as DCMTK writes it: sequences with delimiters.

    Raises:
        ValueError: a UID has characters beyond Latin-1 or is too long.
    """
    from isocenter.dataset.part10 import encode_file_meta
    from isocenter.dataset.tree import encode
    from isocenter.uids import new_uid

    head = encode_file_meta(
        transfer_syntax_uid=transfer_syntax_uid,
        sop_class_uid=node.text(_SOP_CLASS) or PRIVATE_SOP_CLASS,
        sop_instance_uid=node.text(_SOP_INSTANCE) or new_uid(),
    )
    return head + encode(node, transfer_syntax_uid, delimited=True)


class _XmlFiles:
    """An XML file for each response, in the encoding that its character set stands for."""

    def __init__(self, folder: str, dictionary: Dictionary, *, trimmed: bool) -> None:
        self._folder = folder
        self._dictionary = dictionary
        self._trimmed = trimmed

    def begin(self) -> bool:
        return True

    def write(self, number: int, node: Node, transfer_syntax_uid: str) -> bool:
        path = os.path.join(self._folder, f"rsp{number:04d}.xml")
        _LOGGER.info("Writing response dataset to file: %s", path)
        try:
            _publish(path, self._document(node, transfer_syntax_uid))
        except OSError as problem:
            return _complain(path, problem)
        return True

    def _document(self, node: Node, transfer_syntax_uid: str) -> bytes:
        from isocenter.dataset.presentation import xml

        read, write, declared = "latin-1", "ascii", ""
        character_set = node.text(_CHARACTER_SET)
        if character_set in _ENCODINGS:
            declared, read = _ENCODINGS[character_set]
            write = read
        elif character_set:
            _LOGGER.warning(
                "SpecificCharacterSet (0008,0005) value '%s' not supported%s",
                character_set,
                "" if _is_ascii(node) else " ... quoting non-ASCII characters",
            )
        elif _is_utf8(node):
            read = write = "utf-8"
        head = f'<?xml version="1.0"{declared and f" encoding={chr(34)}{declared}{chr(34)}"}?>\n'
        return head.encode() + xml(
            node,
            transfer_syntax_uid,
            read=read,
            write=write,
            trimmed=self._trimmed,
            dictionary=self._dictionary,
        )

    def end(self) -> bool:
        return True


def _values(node: Node) -> list[bytes]:
    """Return the values of all elements of a data set."""
    found = []
    for element in node:
        found.append(element.value)
        for item in element.items or ():
            found += _values(item)
    return found


def _is_ascii(node: Node) -> bool:
    return all(value.isascii() for value in _values(node))


def _is_utf8(node: Node) -> bool:
    try:
        for value in _values(node):
            value.decode()
    except UnicodeDecodeError:
        return False
    return True


class _OneXmlFile:
    """One XML file for all responses, in UTF-8."""

    def __init__(self, path: str, dictionary: Dictionary, *, trimmed: bool) -> None:
        self._path = path
        self._dictionary = dictionary
        self._trimmed = trimmed
        self._file: BinaryIO | None = None

    def begin(self) -> bool:
        _LOGGER.info("Writing all response datasets to file: %s", self._path)
        head = b'<?xml version="1.0" encoding="UTF-8"?>\n<responses type="C-FIND">\n'
        try:
            self._file = open(self._path, "wb")  # noqa: SIM115 - closed by `end`
            return self._put(head)
        except OSError as problem:
            return _complain(self._path, problem)

    def _put(self, data: bytes) -> bool:
        if self._file is None:
            return False
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as problem:
            self._abandon()
            return _complain(self._path, problem)
        return True

    def _abandon(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    def write(self, number: int, node: Node, transfer_syntax_uid: str) -> bool:
        del number
        if self._file is None:
            return False
        from isocenter.dataset.presentation import xml
        from isocenter.dataset.unicode import in_utf8

        _LOGGER.debug("Writing response dataset to XML file")
        character_set = node.text(_CHARACTER_SET)
        if character_set not in {"", "ISO_IR 192"}:
            _LOGGER.debug(
                "Converting all element values that are affected by SpecificCharacterSet "
                "(0008,0005) to UTF-8"
            )
        read = "utf-8"
        try:
            node = in_utf8(node, trimmed=self._trimmed)
        except DataSetError as problem:
            _LOGGER.error("Writing XML file: %s", problem)  # noqa: TRY400 - one line says it all
            return False
        if not character_set and not _is_utf8(node):
            read = "latin-1"
        return self._put(
            xml(
                node,
                transfer_syntax_uid,
                read=read,
                trimmed=self._trimmed,
                dictionary=self._dictionary,
            )
        )

    def end(self) -> bool:
        good = self._put(b"</responses>\n")
        self._abandon()
        return good


class JsonLines:
    """A line of JSON on stdout for each response."""

    def write(self, node: Node) -> None:
        """Write one.

        Raises:
            OSError: stdout does not take it.
        """
        import json

        from isocenter.dataset.json_model import json_model
        from isocenter.dataset.unicode import in_utf8

        # What is not in its character set is shown as far as it can be.
        with contextlib.suppress(DataSetError):
            node = in_utf8(node)
        stream = sys.stdout
        if stream is not None:
            stream.write(json.dumps(json_model(node), separators=(",", ":")) + "\n")
            stream.flush()

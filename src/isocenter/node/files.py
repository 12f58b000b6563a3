"""The storage provider that makes a file of each object.

Joins the Storage service (`services`) with the receiver (`storage`), the studies that its
objects belong to (`studies`) and the command that runs for each. What a tool does beside it,
dots or pauses, comes in through `Reception`.
"""

from __future__ import annotations

import time

from isocenter.logs import get_logger
from isocenter.storage.placing import Origin

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from isocenter.node.studies import Studies
    from isocenter.services.providers import StoreRequest
    from isocenter.storage.hooks import HookCommand, HookRunner
    from isocenter.storage.placing import StoredObject
    from isocenter.storage.receive import IgnoredObject, ReceivedObject, Receiver
else:
    Protocol = object

__all__ = ["Afterwards", "FileStorage", "ObjectCommand", "Reception"]

_LOGGER = get_logger(__name__)

_TOUCH_INTERVAL = 0.5
"""Seconds between two signs that an object is on its way, for the timeouts of studies: half of
the shortest one there can be."""


class Reception(Protocol):
    """Told about one object as it arrives; may raise `AbortAssociation`."""

    def piece(self, count: int) -> None:
        """`count` fragments were written to their end."""

    def complete(self) -> None:
        """The data set is complete; its file is not published yet."""


class Afterwards(Protocol):
    """What follows each object that was stored, once it was answered."""

    def run(self, request: StoreRequest, stored: StoredObject) -> None:
        """Run for an object; one that is not kept (--ignore) has neither path nor name."""


class ObjectCommand:
    """The command that runs for each object, once it was answered (DCMTK's option -xcr).

    Args:
        command: with its placeholders.
        runner: runs it.
    """

    __slots__ = ("_command", "_runner")

    def __init__(self, command: HookCommand, runner: HookRunner) -> None:
        """Keep the arguments."""
        self._command = command
        self._runner = runner

    def run(self, request: StoreRequest, stored: StoredObject) -> None:
        """Run it for an object; one that is not kept (--ignore) has neither path nor name."""
        from isocenter.storage.hooks import HookFacts

        directory, _, name = stored.path.rpartition("/")
        self._runner.run(
            self._command,
            HookFacts(
                request.calling_ae_title,
                request.called_ae_title,
                request.peer_host,
                directory=(directory or "/") if name else None,
                file_name=name or None,
            ),
        )


class FileStorage:
    """Writes each object to a file, published under its final name whole or not at all.

    Args:
        receiver: names and writes the files; shared by all threads.
        reception: makes what is told about each object; None for nothing.
        studies: what the receiver places objects by, None where it does not.
        command: runs for each object that was stored, None for no command.
    """

    __slots__ = ("_command", "_origin", "_receiver", "_reception", "_studies")

    def __init__(
        self,
        receiver: Receiver,
        reception: Callable[[], Reception] | None = None,
        *,
        studies: Studies | None = None,
        command: Afterwards | None = None,
    ) -> None:
        """Keep the arguments."""
        self._receiver = receiver
        self._reception = reception
        self._studies = studies
        self._command = command
        # Of the association that was busy last; threads replace it as a whole.
        self._origin = Origin(-1, "", "", "")

    def close(self) -> None:
        """Give the directory back; nothing can be stored afterwards."""
        self._receiver.close()

    def store(self, request: StoreRequest) -> int:
        """Write the object and return success (0000).

        Raises:
            StorageError: it could not be written; nothing is left of it.
            As `StoreRequest.fragments` and `Reception`; nothing is left of it either.
        """
        studies, command = self._studies, self._command
        try:
            stored = self._take(request)
        except BaseException:
            if studies is not None:
                request.defer(studies.finish_due)
            raise
        if command is not None and stored.is_kept:
            # It may move or remove the file, or wait for nobody else to have it open.
            request.defer(self._receiver.let_go)
            request.defer(lambda: command.run(request, stored))
        if studies is not None:
            # It may be a question to another process, for which the peer need not wait. A worker
            # that is killed in between leaves a file that keeps its name at the end of the study.
            name = stored.path.rpartition("/")[2]
            request.defer(lambda: studies.conclude(stored.placement.ticket, name))
        request.defer(self._receiver.prepare)
        for level, text in stored.notes:  # few objects have any
            if _LOGGER.isEnabledFor(level):
                _LOGGER.log(level, "%s", text)
        return 0

    def _take(self, request: StoreRequest) -> StoredObject:
        """Receive the object and make its file.

        Raises:
            As `store`.
        """
        reception = None if self._reception is None else self._reception()
        origin = self._origin
        if origin.association != request.association_number:
            origin = self._origin = Origin(
                request.association_number,
                request.calling_ae_title,
                request.called_ae_title,
                request.peer_host,
            )
        written = self._receiver.begin(
            origin=origin,
            sop_class_uid=request.sop_class_uid,
            sop_instance_uid=request.sop_instance_uid,
            transfer_syntax_uid=request.transfer_syntax_uid,
        )
        try:
            if self._studies is not None and self._studies.has_timeout:
                self._write_slowly(request, written, reception, self._studies)
            else:
                for fragments in request.fragments():
                    written.write(fragments)
                    if reception is not None:
                        reception.piece(len(fragments) - request.inside_fragment)
            if reception is not None:
                reception.complete()
            return written.finish()
        except BaseException:
            written.discard()
            raise

    def _write_slowly(
        self,
        request: StoreRequest,
        written: ReceivedObject | IgnoredObject,
        reception: Reception | None,
        studies: Studies,
    ) -> None:
        """Write the fragments, and say now and then that an object is on its way."""
        touched = time.monotonic()
        for fragments in request.fragments():
            written.write(fragments)
            if reception is not None:
                reception.piece(len(fragments) - request.inside_fragment)
            now = time.monotonic()
            if now - touched >= _TOUCH_INTERVAL:
                touched = now
                studies.touch(request.association_number)

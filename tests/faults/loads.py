"""A load of small and middle-sized objects on a receiver, and what must be true after it."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from isocenter.dataset.convert import plan_rewrite, rewritten
from isocenter.dataset.profile import RewriteOptions, RewriteProfile
from isocenter.testing import ScriptedRequestor, ct_image
from isocenter.testing.datasets import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from isocenter.wire import FileRegion
from tests.faults.conftest import CONTEXTS, STORE_CONTEXT
from tests.support import part10

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from isocenter.testing import DicomObject
    from tests.support.tools import Receiver

__all__ = ["Load", "check_kept", "in_implicit_vr"]


class Load:
    """Threads that store different objects one after another and note what was confirmed.

    Attributes:
        sent: every object ever begun, by SOP Instance UID.
        confirmed: the SOP Instance UIDs answered with Success.
    """

    def __init__(self, *, threads: int) -> None:
        self._threads = threads
        self._stopping = False
        self.sent: dict[str, DicomObject] = {}
        self.confirmed: set[str] = set()
        self._confirmed_now = 0

    @contextlib.contextmanager
    def against(self, receiver: Receiver) -> Iterator[None]:
        """Store while the body runs; a receiver that goes ends the threads."""
        self._stopping = False
        self._confirmed_now = 0
        threads = [
            threading.Thread(target=self._store, args=(receiver.port, number))
            for number in range(self._threads)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopping = True
            for thread in threads:
                thread.join(15)

    def wait_for(self, count: int, *, timeout: float = 20.0) -> None:
        """Wait until so many objects were confirmed since the threads began."""
        deadline = time.monotonic() + timeout
        while self._confirmed_now < count:
            assert time.monotonic() < deadline, f"only {self._confirmed_now} objects confirmed"
            time.sleep(0.001)

    def _store(self, port: int, number: int) -> None:
        """Store until told to stop or the receiver is gone."""
        size = (32, 128, 700)[number % 3]
        # A receiver that stops aborts before the next object: that ends the thread too.
        ended = contextlib.suppress(OSError, AssertionError)
        with ended, ScriptedRequestor(port) as connection:
            connection.associate(CONTEXTS)
            while not self._stopping:
                image = ct_image(rows=size, columns=size, seed=len(self.sent))
                self.sent[image.sop_instance_uid] = image
                uids = image.sop_class_uid, image.sop_instance_uid
                if connection.store(STORE_CONTEXT, *uids, image.data_set) == 0:
                    self.confirmed.add(image.sop_instance_uid)
                    self._confirmed_now += 1


def in_implicit_vr(data_set: bytes) -> bytes:
    """Return what ``+ti`` makes of a data set in explicit VR little endian."""
    options = RewriteOptions(transfer_syntax_uid=IMPLICIT_LITTLE)
    plan = plan_rewrite(data_set, RewriteProfile(EXPLICIT_LITTLE, options))
    pieces = rewritten(plan, data_set)
    return b"".join(piece for piece in pieces if not isinstance(piece, FileRegion))


def check_kept(
    receiver: Receiver, load: Load, expected: Callable[[bytes], bytes] = lambda sent: sent
) -> None:
    """Check that every final file is whole and every confirmed object is there.

    `expected` makes of a data set as it was sent what its file should hold.
    """
    kept = set()
    for name in receiver.names:
        uid = name.removeprefix("CT.")
        parts = part10.read(receiver.directory / name)
        assert uid in load.sent, f"a file nobody sent: {name}"
        assert parts.text(0x00020003) == uid
        assert parts.data_set == expected(load.sent[uid].data_set), f"{name} is not what was sent"
        kept.add(uid)
    assert load.confirmed <= kept, f"confirmed but missing: {sorted(load.confirmed - kept)}"

"""Objects of studies, sent one by one over associations, for tests of sorting and of ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from isocenter.testing import ScriptedRequestor
from isocenter.testing.datasets import CT_IMAGE_STORAGE, EXPLICIT_LITTLE, encode_data_set
from isocenter.testing.raw import Context

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isocenter.testing.datasets import Element

__all__ = ["CONTEXTS", "STORE_CONTEXT", "StudyObject", "associated", "deliver"]

STORE_CONTEXT = 1
CONTEXTS = (Context(STORE_CONTEXT, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE,)),)


class StudyObject(NamedTuple):
    """A small CT image, by what sorting looks at; None leaves an element out.

    Fields: `study` and `instance` UIDs; `patient` encoded; `character_set`; `claimed` instance
    UID of the request, "" for that of the data set.
    """

    study: str | None
    instance: str
    patient: bytes | None = b"Doe^Jane"
    character_set: str | None = "ISO_IR 100"
    claimed: str = ""

    @property
    def data_set(self) -> bytes:
        """The encoded data set."""
        elements: list[Element] = []
        if self.character_set is not None:
            elements.append((0x00080005, "CS", self.character_set))
        elements += [
            (0x00080016, "UI", CT_IMAGE_STORAGE),
            (0x00080018, "UI", self.instance),
        ]
        if self.patient is not None:
            padded = self.patient + b" " * (len(self.patient) % 2)
            elements.append((0x00100010, "PN", padded))
        if self.study is not None:
            elements.append((0x0020000D, "UI", self.study))
        elements.append((0x0020000E, "UI", "2.25.1002"))
        return encode_data_set(elements)

    def send(self, requestor: ScriptedRequestor) -> int:
        """Send it and return the status of the answer."""
        uid = self.claimed or self.instance
        return requestor.store(STORE_CONTEXT, CT_IMAGE_STORAGE, uid, self.data_set)


def associated(
    port: int, *, calling: str | bytes = "SCRIPTED", called: str | bytes = "ANY-SCP"
) -> ScriptedRequestor:
    """Return an open association; close it, or use it as a context manager."""
    requestor = ScriptedRequestor(port)
    requestor.associate(CONTEXTS, calling=calling, called=called)
    return requestor


def deliver(
    port: int,
    objects: Sequence[StudyObject],
    *,
    pause: float = 0.0,
    calling: str | bytes = "SCRIPTED",
    called: str | bytes = "ANY-SCP",
) -> list[int]:
    """Send objects over one association, release it, and return the statuses.

    `pause` is what lies between two, in seconds: folders and files are called after times.
    """
    statuses = []
    with associated(port, calling=calling, called=called) as requestor:
        for item in objects:
            time.sleep(pause)
            statuses.append(item.send(requestor))
        requestor.release()
    return statuses

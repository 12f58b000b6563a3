"""What the writer's process, its parent and those who ask it say to each other.

Owns these words and the times that both sides go by. Must not know sides.
"""

from __future__ import annotations

from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.archive.area import Area
    from isocenter.archive.orders import Order

__all__ = [
    "GRACE",
    "PATIENCE",
    "Alive",
    "Failed",
    "Line",
    "Ready",
    "Request",
    "WriterOptions",
]

PATIENCE = 30.0
"""Seconds that somebody waits for an answer, new connections included. A commit takes some
milliseconds, a new writer half a second."""

GRACE = 3 * PATIENCE
"""Seconds after which a file without a row in a folder that nobody holds is nobody's: whoever
published it has had his answer or has given up."""


class Request(NamedTuple):
    """An `order` for the index of an `area`, which is named by its folder."""

    area: str
    order: Order


class WriterOptions(NamedTuple):
    """What a writer is told first.

    Fields: `areas` that it writes; `grace` seconds until it looks at marked folders that nobody
    holds, 0 at the first start, when nobody else can be there.
    """

    areas: tuple[Area, ...]
    grace: float = 0.0


class Alive(NamedTuple):
    """A sign of life."""


class Ready(NamedTuple):
    """Every area is open."""


class Failed(NamedTuple):
    """An area cannot be opened, and why; the process ends."""

    path: str
    reason: str


class Line(NamedTuple):
    """A line for the log: `level` and `name` of the logger as in `logging`, and the text."""

    level: int
    name: str
    text: str

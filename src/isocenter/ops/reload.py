"""Configuration that is read anew while a server runs.

Owns the list of what can be read anew, and that a part which cannot be used any more keeps the
state it had. Must not know what the parts are, nor when it is time: a tool that gets SIGHUP says.
"""

from __future__ import annotations

import os

from isocenter.errors import IsocenterError
from isocenter.logs import get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Reloader"]

_LOGGER = get_logger(__name__)


class Reloader:
    """Parts of a server's configuration, by name, and how each is read anew.

    A server that serves in other processes calls `run` in the one that accepts connections and
    `run_in_worker` in the others; children that are forked later have what the parent has.
    """

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        """Begin with nothing."""
        self._parts: list[tuple[str, Callable[[], str]]] = []

    def __bool__(self) -> bool:
        """Tell whether there is anything to read anew."""
        return bool(self._parts)

    def add(self, name: str, reload: Callable[[], str]) -> None:
        """Add a part.

        Args:
            name: what log lines call it ("access list").
            reload: reads it anew and takes it into use as a whole; returns a few words about what
                is in force now. It raises `IsocenterError` or OSError to keep what was. Called in
                one thread at a time, while others use the part.
        """
        self._parts.append((name, reload))

    def run(self) -> None:
        """Read each part anew, and log what came of it."""
        self._run("")

    def run_in_worker(self) -> None:
        """As `run`; only what failed is logged, with the number of the process."""
        self._run(f"process {os.getpid()}: ")

    def _run(self, where: str) -> None:
        for name, reload in self._parts:
            try:
                found = reload()
            except (IsocenterError, OSError) as problem:
                _LOGGER.error("%s%s not read anew, kept as it was: %s", where, name, problem)  # noqa: TRY400 - one line says it all
            except Exception:
                _LOGGER.exception("%s%s not read anew, kept as it was", where, name)
            else:
                if not where:
                    _LOGGER.info("%s read anew: %s", name, found)

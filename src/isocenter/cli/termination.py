"""Ending in order when the system, or somebody, asks a tool to end.

Owns the signals that end a tool which has to clean up: SIGTERM, and SIGHUP where that is not
ignored (`nohup`). They reach the code as Ctrl-C does, as a `KeyboardInterrupt`, so that what
stands under ``finally`` happens; then the process ends by the signal, which `cli.main` sees to.
Servers have their own way (`cli.network.run_server`): they finish first.
"""

from __future__ import annotations

import signal

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from types import FrameType

__all__ = ["Terminated", "interrupt_on_termination"]

_SIGNALS = ("SIGTERM", "SIGHUP")


class Terminated(KeyboardInterrupt):
    """A signal asked the process to end.

    Attributes:
        signal_number: which.
    """

    def __init__(self, signal_number: int) -> None:
        """Keep the number."""
        super().__init__(signal_number)
        self.signal_number = signal_number


def interrupt_on_termination() -> None:
    """Have signals that end the process raise `Terminated` in the main thread, the first time.

    Nothing happens outside the main thread, where Python has no say about signals.
    """
    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is None or signal.getsignal(number) != signal.SIG_DFL:
            continue
        try:
            signal.signal(number, _raise)
        except ValueError:
            return


def _raise(number: int, frame: FrameType | None) -> None:
    """Raise once; whoever asks again does not want to wait."""
    del frame
    signal.signal(number, signal.SIG_DFL)
    raise Terminated(number)

"""Echo on one established association until told to stop, and print how long each took.

    python bench/inside/prober.py PORT

Prints "ready" when the association stands, and at the end of its standard input one line for
each C-ECHO: when it was due, in seconds of the monotonic clock that all processes share, and
the milliseconds until its answer. One is due every 5 ms whether or not the one before it was
answered, so that a stall counts as often as it lasts.
"""

from __future__ import annotations

import select
import sys
import time

import isocenter

_PAUSE = 0.005  # seconds
_MOST = 100_000  # C-ECHOs, eight minutes: the prober ends even if nobody tells it to


def main(port: int) -> None:
    """Echo and print."""
    taken: list[tuple[float, float]] = []
    with isocenter.connect("127.0.0.1", port, contexts=()) as peer:
        peer.echo()
        print("ready", flush=True)
        due = time.monotonic()
        while len(taken) < _MOST:
            due += _PAUSE
            left = max(due - time.monotonic(), 0)
            if select.select([sys.stdin], [], [], left)[0]:
                break
            peer.echo()
            taken.append((due, (time.monotonic() - due) * 1000))
    sys.stdout.writelines(f"{begin:.6f} {latency:.3f}\n" for begin, latency in taken)


if __name__ == "__main__":
    main(int(sys.argv[1]))

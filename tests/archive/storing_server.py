"""A server without a network, to be killed: eight threads store, and say what was confirmed.

python -m tests.archive.storing_server AREA RUN durable|plain
"""

from __future__ import annotations

import os
import sys
import threading

from isocenter.archive.area import Area
from isocenter.archive.keeper import WriterKeeper
from tests.archive.areas import Sender, data_set

THREADS = 8


def main(directory: str, run: str, how: str) -> None:
    """Store until killed."""
    area = Area(directory=directory, durable=how == "durable")
    keeper = WriterKeeper([area])
    keeper.start()
    keeper.watch()
    sender = Sender(area, keeper.client().area(directory))

    def store(thread: int) -> None:
        for number in range(1_000_000):
            uid = f"1.{run}.{thread}.{number}"
            # Each third object takes the place of one before, and each study has twelve.
            instance = f"1.{run}.{thread}.{number - number % 3}"
            study = f"2.{thread}.{number // 12}"
            sender.send(data_set(instance, study=study, text=uid), instance)
            # One call, so that lines of threads do not mix.
            os.write(1, f"stored {study} {instance} {uid}\n".encode("ascii"))

    for thread in range(THREADS):
        threading.Thread(target=store, args=(thread,), daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])

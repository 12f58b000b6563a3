"""Take the few inputs out of many that reach all that the many reach.

    python -m tests.fuzz.keep FOLDER [NAME...]

FOLDER holds a folder of inputs for each target, as a campaign leaves it. What is kept already is
looked at first, so that a corpus only changes where something new is reached. Files called
``found-...``, which failed once, stay.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fuzz.oracle import CORPUS, NAMES, corpus_of, load

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType
    from typing import TypeAlias

    from tests.fuzz.oracle import Target

    Step: TypeAlias = tuple[str, int, int]

__all__ = ["fewest", "main", "reached"]

LONGEST = 1024
"""Bytes of an input that is kept, inclusive."""
MOST = 60
"""Inputs of a target that are kept."""


def reached(target: Target, data: bytes) -> set[Step]:
    """Return the steps from line to line of the package that an input takes."""
    steps: set[Step] = set()
    before: dict[int, int] = {}

    def trace(frame: FrameType, event: str, _: object) -> object:
        code = frame.f_code
        if "/isocenter/" not in code.co_filename or "/testing/" in code.co_filename:
            return None
        key = id(frame)
        line = frame.f_lineno
        steps.add((code.co_filename, 0 if event == "call" else before.get(key, 0), line))
        before[key] = line
        return trace

    sys.settrace(trace)  # type: ignore[arg-type] # returns itself, or None
    try:
        target.run(data)
    finally:
        sys.settrace(None)
    return steps


def fewest(target: Target, inputs: Iterable[bytes]) -> list[bytes]:
    """Return inputs that reach what none before them does, after the seeds."""
    known: set[Step] = set()
    for seed in target.seeds():
        known |= reached(target, seed)
    kept = []
    for data in inputs:
        steps = reached(target, data)
        if not steps <= known:
            known |= steps
            kept.append(data)
    return kept


def main(arguments: list[str]) -> int:
    """Renew the kept corpora from a folder."""
    source = Path(arguments[0])
    logging.getLogger().addHandler(logging.NullHandler())  # warnings are no news here
    for name in arguments[1:] or NAMES:
        folder = source / name
        new = [path.read_bytes() for path in folder.iterdir()] if folder.is_dir() else []
        usable = sorted({data for data in new if len(data) <= LONGEST}, key=len)
        kept = fewest(load(name), [*corpus_of(name), *usable])[:MOST]
        home = CORPUS / name
        home.mkdir(parents=True, exist_ok=True)
        wanted = {hashlib.sha256(data).hexdigest()[:16]: data for data in kept}
        for path in home.iterdir():
            if path.name not in wanted and not path.name.startswith("found-"):
                path.unlink()
        for digest, data in wanted.items():
            (home / digest).write_bytes(data)
        sys.stdout.write(f"{name}: {len(kept)} inputs, {sum(map(len, kept))} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

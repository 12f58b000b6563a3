"""Archives beside each other: storing, finding, retrieving, all at once, and a large index.

Each archive works on an area of its own in the same folder, in turn, round after round, with the
same objects from the same sender. Ours is there with and without `--no-durable`; what is asked of
its speed is asked without the wait for the disk.
"""

from __future__ import annotations

import os
import shutil
import statistics
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from bench.archive_servers import (
    FAST,
    MOVER,
    ORTHANC,
    archives,
    client,
    running,
    sender,
)
from bench.archive_wire import Querier
from bench.data import make_studies
from bench.lines import Line
from bench.pairs import DCMTK, OURS, PYNETDICOM, ROOT, Pair, interpreter, receiver_program
from bench.processes import BenchError, Program, proportional_memory, receiver, run, run_all
from bench.rows import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bench.archive_servers import Archive
    from bench.data import DataSet
    from bench.lines import Measure
    from bench.pairs import Tools

__all__ = ["ARCHIVE_ROWS", "Trials"]

MIB = 1 << 20
_SIDE = 8  # pixels of a small object: 3 KiB, most of it header
_ROUNDS = 3  # where dcmqrscp takes a minute for one
_TIMEOUT = 900.0
_DESTINATION = Pair(sender=DCMTK, receiver=DCMTK, pdu=131_072)  # of C-MOVE

_Uids = list[tuple[str, str]]
"""Study and Series Instance UID of each study."""
_Times = dict[str, dict[str, list[float]]]
"""What was measured, then implementation, to one value for each round."""


class Trials:
    """Runs a piece of work with each archive in turn, and keeps the values and what went wrong.

    Args:
        tools: the programs.
        names: of the archives.
        folder: for areas, each removed after its trial.
    """

    def __init__(self, tools: Tools, names: Sequence[str], folder: Path) -> None:
        self.tools = tools
        self.names = names
        self.folder = folder
        self.values: _Times = {}
        self.errors: dict[str, str] = {}

    def run(self, rounds: int, work: Callable[[str, Path], Mapping[str, float]]) -> None:
        """Do the work `rounds` times, each time beginning with another archive.

        One that failed once is left out from then on.
        """
        for number in range(1, rounds + 1):
            first = (number - 1) % len(self.names) if self.names else 0
            for name in [*self.names[first:], *self.names[:first]]:
                if name in self.errors or (name == PYNETDICOM and number > 1):
                    continue  # minutes for a round of pynetdicom's; one tells enough
                say(f"{self.folder.name}: {name}, round {number}")
                area = self.folder / "trial"
                try:
                    for what, value in work(name, area).items():
                        self.values.setdefault(what, {}).setdefault(name, []).append(value)
                except (BenchError, OSError) as error:
                    self.errors[name] = str(error) or repr(error)
                    say(f"{self.folder.name}: {name}: {self.errors[name]}")
                finally:
                    shutil.rmtree(area, ignore_errors=True)

    def failures(self) -> Iterator[Line]:
        """Yield what went wrong."""
        for name, error in self.errors.items():
            yield Line(what=f"{self.folder.name}: {name}", error=error)

    def rates(
        self, what: str, title: str, unit: str, *, least: float | None = None
    ) -> Iterator[Line]:
        """Yield rates, and how many times those of the others ours are, round by round."""
        found = self.values.get(what, {})
        values = {name: found[name] for name in self.names if name in found}
        for name, rates in values.items():
            yield Line(what=f"{title}: {name}", values=rates, unit=unit)
        for own in (FAST, OURS):
            for other in (DCMTK, ORTHANC, PYNETDICOM):
                pairs = zip(values.get(own, ()), values.get(other, ()), strict=False)
                ratios = [ours / theirs for ours, theirs in pairs]
                asked = least if (own, other) == (FAST, DCMTK) else None
                if ratios and own not in self.errors and other not in self.errors:
                    what = f"{title}: {own} beside {other}"
                    yield Line(what=what, values=ratios, unit="times", least=asked)


def _send(tools: Tools, archive: Archive, folder: Path) -> float:
    """Send a folder; return the seconds.

    Raises:
        BenchError: the sender failed.
    """
    return run(sender(tools, archive, folder), timeout=_TIMEOUT).seconds


def _crowded(tools: Tools, archive: Archive, data: Sequence[DataSet]) -> tuple[float, int]:
    """Send data sets at once; return the seconds and how many senders failed."""
    programs = [sender(tools, archive, one.folder) for one in data]
    done = run_all(programs, timeout=_TIMEOUT, check=False)
    return max(one.seconds for one in done), sum(one.code != 0 for one in done)


def _image_keys(study: str, series: str) -> list[tuple[int, str]]:
    """Return the keys of a query for all instances of a series."""
    return [
        (0x00080016, ""),
        (0x00080018, ""),
        (0x00080052, "IMAGE"),
        (0x0020000D, study),
        (0x0020000E, series),
        (0x00200013, ""),
    ]


def _study_keys(patient: str) -> list[tuple[int, str]]:
    """Return the keys of a query for the studies of a patient."""
    return [
        (0x00080020, ""),
        (0x00080050, ""),
        (0x00080052, "STUDY"),
        (0x00100010, ""),
        (0x00100020, patient),
        (0x0020000D, ""),
    ]


def _stored(archive: Archive, uids: _Uids) -> int:
    """Return how many instances of the studies a query finds."""
    querier = Querier(archive.port, timeout=_TIMEOUT)
    try:
        return sum(querier.find(_image_keys(*one)) for one in uids)
    finally:
        querier.close()


def _demand(archive: Archive, uids: _Uids, count: int) -> None:
    """Check that everything is found.

    Raises:
        BenchError: it is not.
    """
    found = _stored(archive, uids)
    if found != count:
        raise BenchError(f"a query finds {found} of {count} objects")


def _store(tools: Tools, folder: Path, *, quick: bool, rounds: int) -> Iterator[Line]:
    """Store small objects into an empty area, then a study more, and ask for its instances."""
    studies, more = (1, 100) if quick else (40, 500)
    first, uids = make_studies(folder / "a", studies=studies, objects=100, side=_SIDE, seed=51)
    then, others = make_studies(folder / "b", studies=1, objects=more, side=_SIDE, seed=52)
    trials = Trials(tools, archives(tools), folder)

    def work(name: str, area: Path) -> dict[str, float]:
        with running(tools, name, area) as archive:
            seconds = _send(tools, archive, first.folder)
            later = _send(tools, archive, then.folder)
            _demand(archive, uids + others, first.count + then.count)
            rate = _responses(archive, others[0], more)
        return {"first": first.count / seconds, "next": then.count / later, "find": rate}

    trials.run(min(rounds, _ROUNDS), work)
    title = f"{first.count} small objects into an empty area"
    yield from trials.rates("first", title, "objects/s", least=8.0)
    title = f"the next {then.count}"
    yield from trials.rates("next", title, "objects/s", least=20.0)
    title = f"IMAGE-level query of {more} matches among {first.count + then.count}"
    yield from trials.rates("find", title, "responses/s", least=3.0)
    yield from trials.failures()


def _senders(tools: Tools, folder: Path, *, quick: bool, rounds: int) -> Iterator[Line]:
    """Store from four senders at once and count what is there."""
    data, uids = _several(folder, 4, 20 if quick else 500, seed=60)
    count = sum(one.count for one in data)
    trials = Trials(tools, archives(tools, OURS, FAST, DCMTK, ORTHANC), folder)

    def work(name: str, area: Path) -> dict[str, float]:
        with running(tools, name, area) as archive:
            seconds, failed = _crowded(tools, archive, data)
            stored = _stored(archive, uids)
        return {"rate": stored / seconds, "missing": count - stored, "failed": failed}

    trials.run(min(rounds, _ROUNDS), work)
    title = f"4 senders of {data[0].count} small objects at once"
    yield from trials.rates("rate", title, "objects/s")
    for what, words in (("missing", "objects missing afterwards"), ("failed", "failed senders")):
        for name, counts in trials.values.get(what, {}).items():
            limit = 0.0 if name in {OURS, FAST} else None
            line = f"{title}, {words} at worst: {name}"
            yield Line(what=line, values=[max(counts)], limit=limit)
    yield from trials.failures()


def _several(folder: Path, count: int, objects: int, *, seed: int) -> tuple[list[DataSet], _Uids]:
    """Make a folder of one study for each sender."""
    data, uids = [], []
    for number in range(count):
        one, names = make_studies(
            folder / f"data-{number}", studies=1, objects=objects, side=_SIDE, seed=seed + number
        )
        data.append(one)
        uids += names
    return data, uids


def _responses(archive: Archive, uids: tuple[str, str], count: int) -> float:
    """Ask for the instances of a series, some times; return the responses per second.

    Raises:
        BenchError: there were not `count`.
    """
    querier = Querier(archive.port)
    times = []
    for _ in range(8):  # the first warms up
        begin = time.perf_counter()
        found = querier.find(_image_keys(*uids))
        times.append(time.perf_counter() - begin)
        if found != count:
            raise BenchError(f"{found} of {count} matches")
    querier.close()
    return count / statistics.median(times[1:])


def _find(tools: Tools, folder: Path, *, quick: bool, rounds: int) -> Iterator[Line]:
    """Ask for the instances of one series among two."""
    count = 100 if quick else 500
    data, uids = make_studies(folder / "data", studies=2, objects=count, side=_SIDE, seed=53)
    trials = Trials(tools, archives(tools), folder)

    def work(name: str, area: Path) -> dict[str, float]:
        with running(tools, name, area) as archive:
            _send(tools, archive, data.folder)
            return {"rate": _responses(archive, uids[0], count)}

    trials.run(rounds, work)
    title = f"IMAGE-level query of {count} matches among {data.count}"
    yield from trials.rates("rate", title, "responses/s", least=3.0)
    yield from trials.failures()


def _retrieve(tools: Tools, folder: Path, *, quick: bool, rounds: int) -> Iterator[Line]:
    """Get and move one study of CT, with DCMTK's getscu, movescu and storescp."""
    if tools.dcmtk is None:
        say("retrieve: DCMTK's getscu and movescu are missing; the row is left out")
        return
    count = 50 if quick else 500
    data, uids = make_studies(folder / "data", studies=1, objects=count, side=512, seed=54)
    trials = Trials(tools, archives(tools), folder)

    study = ("-k", "0008,0052=STUDY", "-k", f"0020,000d={uids[0][0]}")

    def fetched(program: Program, out: Path) -> float:
        seconds = run(program, timeout=_TIMEOUT).seconds
        sizes = [entry.stat().st_size for entry in os.scandir(out)]
        shutil.rmtree(out)
        if len(sizes) != count or abs(sum(sizes) - data.size) > count * 1024:
            raise BenchError(f"{len(sizes)} of {count} files came, {sum(sizes)} bytes")
        return count / seconds

    def work(name: str, area: Path) -> dict[str, float]:
        got, moved = area / "got", area / "moved"
        with running(tools, name, area) as archive:
            _send(tools, archive, data.folder)
            got.mkdir()
            get = fetched(client(tools, "getscu", archive, "+B", "-od", got, *study), got)
            moved.mkdir()
            # A destination of its own: movescu's looks for associations once in a second.
            destination = receiver_program(tools, _DESTINATION, moved, archive.mover)
            with receiver(destination, archive.mover):
                move = fetched(client(tools, "movescu", archive, "-aem", MOVER, *study), moved)
        return {"get": get, "move": move}

    trials.run(rounds, work)
    yield from trials.rates("get", f"C-GET of {count} CT", "objects/s", least=1.5)
    yield from trials.rates("move", f"C-MOVE of {count} CT", "objects/s", least=1.5)
    yield from trials.failures()


class _Crowd:
    """People who ask for a patient's studies now and then, each over an association of their own.

    Args:
        archive: whom they ask.
        patients: one for each of them.
    """

    _PAUSE = 0.25  # seconds between two queries of one of them

    def __init__(self, archive: Archive, patients: Sequence[str]) -> None:
        self.times: list[float] = []
        self.failures: list[str] = []
        self._end = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(archive.port, patient)) for patient in patients
        ]

    def _ask(self, port: int, patient: str) -> None:
        try:
            querier = Querier(port)
            try:
                while not self._end.wait(self._PAUSE):
                    begin = time.perf_counter()
                    found = querier.find(_study_keys(patient))
                    self.times.append(time.perf_counter() - begin)
                    if found != 1:
                        self.failures.append(f"{found} studies of one patient")
            finally:
                querier.close()
        except (BenchError, OSError) as error:
            self.failures.append(str(error) or repr(error))

    def __enter__(self) -> Self:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ask no more."""
        self._end.set()
        for thread in self._threads:
            thread.join()


class _Watch:
    """Looks at the memory of processes until it ends."""

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, args=(pid,))

    def _look(self, pid: int) -> None:
        while not self._end.wait(0.3):
            self.peak = max(self.peak, proportional_memory(pid))

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._end.set()
        self._thread.join()


def _everybody(tools: Tools, folder: Path, *, quick: bool, rounds: int) -> Iterator[Line]:
    """Store from sixteen senders while sixteen people ask."""
    del rounds  # one says it, and dcmqrscp takes minutes
    known, _ = make_studies(folder / "known", studies=16, objects=5, side=_SIDE, seed=70)
    data, uids = _several(folder, 16, 10 if quick else 250, seed=71)
    count = sum(one.count for one in data)
    patients = [f"B070-{number:05}" for number in range(1, 17)]
    trials = Trials(tools, archives(tools, OURS, FAST, DCMTK, ORTHANC), folder)

    def work(name: str, area: Path) -> dict[str, float]:
        with running(tools, name, area) as archive:
            _send(tools, archive, known.folder)
            with _Crowd(archive, patients[:1]) as one:
                time.sleep(3 if quick else 10)
            alone = _median_ms(one)
            with _Watch(archive.pid) as watch, _Crowd(archive, patients) as crowd:
                seconds, failed = _crowded(tools, archive, data)
            beside = _median_ms(crowd)
            stored = _stored(archive, uids)
        for failure in sorted(set(crowd.failures)):
            say(f"{folder.name}: {name}: {failure}")
        return {
            "rate": stored / seconds,
            "failures": float(len(one.failures) + len(crowd.failures) + failed),
            "missing": float(count - stored),
            "alone": alone,
            "beside": beside,
            "slower": beside / alone,
            "memory": watch.peak / MIB,
        }

    trials.run(1, work)
    title = f"16 senders of {data[0].count} and 16 who ask"
    yield from trials.rates("rate", title, "objects/s")
    for what, words, unit, limit in (
        ("failures", "senders and queries that failed", "", 0.0),
        ("missing", "objects missing afterwards", "", 0.0),
        ("alone", "one query, median, alone", "ms", None),
        ("beside", "one query, median, beside all", "ms", None),
        ("slower", "a query beside all, to one alone", "times", 5.0),
        ("memory", "memory, processes together", "MiB", 250.0),
    ):
        for name, values in trials.values.get(what, {}).items():
            asked = limit if name in {OURS, FAST} else None
            yield Line(what=f"{title}, {words}: {name}", values=values, unit=unit, limit=asked)
    yield from trials.failures()


def _median_ms(crowd: _Crowd) -> float:
    if not crowd.times:
        raise BenchError(f"no query was answered: {', '.join(crowd.failures[:1])}")
    return statistics.median(crowd.times) * 1000


# --- an index of synthetic rows ------------------------------------------------------------

_FILL = """
import os, sys
sys.path.insert(0, sys.argv[1])
from bench.index import fill
from isocenter.archive.database import sqlite_url
from isocenter.archive.index import Index
index = Index(sqlite_url(sys.argv[2]), durable=False)
fill(index, int(sys.argv[3]))
index.close()
"""
_KEPT = "ISOCENTER_BENCH_INDEX"


def _filled(tools: Tools, folder: Path, studies: int) -> Path:
    """Return an index of so many studies of 20 instances each.

    A folder that bench/index.py wrote saves the minutes of making it: name it in the environment
    as ISOCENTER_BENCH_INDEX.

    Raises:
        BenchError: it could not be made.
    """
    kept = Path(os.environ.get(_KEPT, "/nonexistent")) / f"{studies}.sqlite"
    if kept.exists():
        return kept
    path = folder / f"{studies}.sqlite"
    if not path.exists():
        say(f"making an index of {studies} studies")
        command = [*interpreter(tools.ours or []), "-c", _FILL, str(ROOT), str(path), str(studies)]
        run(Program(command=command, environment={}), timeout=_TIMEOUT)
    return path


def _with_index(area: Path, index: Path) -> None:
    """Put an index into an area that is to be."""
    private = area / "area" / ".isocenter"
    private.mkdir(parents=True)
    shutil.copyfile(index, private / "index.sqlite")


def _start(tools: Tools, folder: Path, *, quick: bool, rounds: int) -> Iterator[Line]:
    """Start on a large index; the first answer is that of a query by patient."""
    folder.mkdir(parents=True)
    for studies in (50, 500) if quick else (1000, 100_000):
        trials = Trials(tools, archives(tools, OURS), folder)

        def work(studies: int, name: str, area: Path) -> dict[str, float]:
            _with_index(area, _filled(tools, folder, studies))
            begin = time.perf_counter()
            with running(tools, name, area, studies=10 * studies) as archive:
                querier = Querier(archive.port)
                found = querier.find(_study_keys(f"P{studies // 2:08d}"))
                seconds = time.perf_counter() - begin
                querier.close()
            if found != 1:
                raise BenchError(f"{found} studies of one patient")
            return {"until it listens": archive.seconds, "until its first answer": seconds}

        trials.run(rounds, partial(work, studies))
        title = f"start on {studies * 20} instances"
        for what in ("until it listens", "until its first answer"):
            for values in trials.values.get(what, {}).values():
                yield Line(what=f"{title}, {what}", values=values, unit="s", limit=1.0)
        yield from trials.failures()


def _grown(tools: Tools, folder: Path, *, quick: bool, rounds: int) -> Iterator[Line]:
    """Store into an area of 1000 images and into one of 200 000."""
    studies, more = (50, 500) if quick else (50, 10_000)
    data, uids = make_studies(
        folder / "data", studies=1, objects=100 if quick else 500, side=_SIDE, seed=55
    )
    trials = Trials(tools, archives(tools, OURS, FAST), folder)

    def work(name: str, area: Path) -> dict[str, float]:
        rates = {}
        for count in (studies, more):
            _with_index(area / str(count), _filled(tools, folder, count))
            with running(tools, name, area / str(count), studies=10 * count) as archive:
                rates[str(count)] = data.count / _send(tools, archive, data.folder)
                _demand(archive, uids, data.count)
        return rates | {"ratio": rates[str(more)] / rates[str(studies)]}

    trials.run(rounds, work)
    title = f"{data.count} small objects into an area of"
    for count in (studies, more):
        yield from trials.rates(str(count), f"{title} {count * 20}", "objects/s")
    for name, ratios in trials.values.get("ratio", {}).items():
        what = f"{title} {more * 20}, to one of {studies * 20}: {name}"
        least = 0.9 if name == FAST else None
        yield Line(what=what, values=ratios, unit="times", least=least)
    yield from trials.failures()


ARCHIVE_ROWS: dict[str, tuple[Measure, bool]] = {
    "archive-store": (_store, True),
    "archive-senders": (_senders, True),
    "archive-find": (_find, True),
    "archive-retrieve": (_retrieve, True),
    "archive-crowd": (_everybody, True),
    "archive-start": (_start, True),
    "archive-grown": (_grown, True),
}
"""Key to the function that measures, and whether it needs our tools."""

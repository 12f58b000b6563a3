"""The index of an archive at two sizes: what a query costs, and whether it grows.

    .venv/bin/python bench/index.py FOLDER [--studies N] [--rounds N]

Makes an index of 1000 studies and one of N (100 000) in FOLDER, unless they are there, with 20
instances each by direct inserts, and prints for each kind of query the median time of its first
answer and of all answers at both sizes, times of opening, and bytes for each instance. The rows
are synthetic; the queries are those of one person who looks for one study.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from typing import TYPE_CHECKING

from sqlalchemy import insert

from isocenter.archive.attributes import COLUMNS
from isocenter.archive.blobs import pack_series
from isocenter.archive.catalogue import AnswerEncoder, Catalogue, parse
from isocenter.archive.database import sqlite_url
from isocenter.archive.index import Index
from isocenter.archive.keys import compared_columns
from isocenter.archive.matching import PATIENT_ROOT, STUDY_ROOT
from isocenter.archive.tables import INSTANCE, SERIES, STUDY
from isocenter.dataset.dictionary import tag_of, vr_of
from isocenter.testing.datasets import EXPLICIT_LITTLE, encode_data_set

if TYPE_CHECKING:
    from collections.abc import Iterator

_SERIES, _INSTANCES = 4, 5  # of a study, of a series
_SMALL = 1000
_AT_ONCE = 500  # studies in one transaction

_SURNAMES = [
    "adams",
    "baker",
    "clark",
    "davis",
    "evans",
    "frank",
    "ghosh",
    "hills",
    "irwin",
    "jones",
    "kumar",
    "lopez",
    "moore",
]
_REST = {
    "00080008": '{"vr":"CS","Value":["ORIGINAL","PRIMARY","AXIAL"]}',
    "00180050": '{"vr":"DS","Value":["1.25"]}',
    "00180060": '{"vr":"DS","Value":["120"]}',
    "00200052": '{"vr":"UI","Value":["1.2.826.0.1.3680043.8.498.99887766554433221100"]}',
    "00280030": '{"vr":"DS","Value":["0.48828125","0.48828125"]}',
}


def _uid(number: int, *parts: int) -> str:
    # Spread like real ones, which do not come in order.
    spread = number * 2654435761 % (1 << 32)
    return ".".join(["1.2.826.0.1.3680043.8.498", f"{spread:010d}{number}", *map(str, parts)])


def fill(index: Index, studies: int) -> None:
    """Write synthetic rows; the one in the middle is the study that is looked for."""
    blob, _ = pack_series(_REST)
    with index.database.writer.connect() as connection:
        for start in range(1, studies + 1, _AT_ONCE):
            rows: tuple[list[dict[str, object]], ...] = ([], [], [])
            for number in range(start, min(start + _AT_ONCE, studies + 1)):
                _add(rows, number, blob, is_wanted=number == studies // 2)
            with connection.begin():
                for table, some in zip((STUDY, SERIES, INSTANCE), rows, strict=True):
                    connection.execute(insert(table), some)


def _add(
    rows: tuple[list[dict[str, object]], ...], number: int, blob: bytes, *, is_wanted: bool
) -> None:
    study = _uid(number)
    day = f"{2010 + number % 10}{number // 10 % 12 + 1:02d}{number // 120 % 28 + 1:02d}"
    surname = _SURNAMES[number % len(_SURNAMES)]
    if is_wanted:
        day, surname = "20300115", "wanxyzzyted"
    values = {
        "PatientID": f"P{number:08d}",
        "PatientName": f"{surname}{number:06d}^given{number % 100:02d}",
        "PatientBirthDate": f"19{number % 100:02d}0101",
        "PatientSex": "FM"[number % 2],
        "StudyInstanceUID": study,
        "StudyDate": day,
        "StudyTime": f"{number % 24:02d}{number % 60:02d}00",
        "AccessionNumber": f"A{number:09d}",
        "StudyID": str(number % 1000),
        "StudyDescription": f"Study of {surname}",
    }
    rows[0].append({"id": number, **_row("study", values), "updated": float(number)})
    for place in range(_SERIES):
        series = number * _SERIES + place
        values = {
            "SeriesInstanceUID": _uid(number, place),
            "Modality": ("CT", "MR")[number % 2],
            "SeriesNumber": str(place),
            "SeriesDate": day,
            "SeriesDescription": f"series {place}",
        }
        row = {"id": series, "study_id": number, **_row("series", values), "rest": blob}
        rows[1].append(row)
        for at in range(_INSTANCES):
            uid = _uid(number, place, at)
            values = {
                "SOPInstanceUID": uid,
                "InstanceNumber": str(at),
                "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
                "ContentDate": day,
                "Rows": "512",
                "Columns": "512",
            }
            rows[2].append(
                {
                    "series_id": series,
                    **_row("instance", values),
                    "transfer_syntax_uid": EXPLICIT_LITTLE,
                    "path": f"{number % 256:02x}/{study}/{uid}.dcm",
                    "size": 526_000,
                    "data_set_offset": 344,
                    "digest": uid.encode()[-32:],
                    "received": float(number),
                    "source": "MODALITY",
                    "rest": b'\0{"00201041":{"vr":"DS","Value":["%d"]}}' % at,
                }
            )


def _row(table: str, values: dict[str, str]) -> dict[str, str]:
    return compared_columns(table, [values.get(each.keyword, "") for each in COLUMNS[table]])


# --- queries -------------------------------------------------------------------------------

_STUDY_KEYS = ["PatientName", "PatientID", "StudyInstanceUID", "StudyDate", "AccessionNumber"]


def queries(studies: int) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """Yield name, model, level and keys of what is measured; each finds the wanted study."""
    number = studies // 2
    study = _uid(number)
    yield "UID", STUDY_ROOT, "STUDY", {"StudyInstanceUID": study}
    yield "patient ID", STUDY_ROOT, "STUDY", {"PatientID": f"P{number:08d}"}
    yield "patient ID, patients", PATIENT_ROOT, "PATIENT", {"PatientID": f"P{number:08d}"}
    yield "accession number", STUDY_ROOT, "STUDY", {"AccessionNumber": f"A{number:09d}"}
    yield "name prefix", STUDY_ROOT, "STUDY", {"PatientName": "WANXY*"}
    yield "name prefix, patients", PATIENT_ROOT, "PATIENT", {"PatientName": "WANXY*"}
    yield "date range", STUDY_ROOT, "STUDY", {"StudyDate": "20300101-20301231"}
    yield "*X* in a name", STUDY_ROOT, "STUDY", {"PatientName": "*XYZZY*"}
    yield (
        "images of a series",
        STUDY_ROOT,
        "IMAGE",
        {
            "StudyInstanceUID": study,
            "SeriesInstanceUID": _uid(number, 1),
            "SOPInstanceUID": "",
        },
    )
    yield (
        "one image by UID",
        STUDY_ROOT,
        "IMAGE",
        {
            "StudyInstanceUID": "",
            "SeriesInstanceUID": "",
            "SOPInstanceUID": _uid(number, 1, 1),
        },
    )
    yield (
        "UID, counts and modalities",
        STUDY_ROOT,
        "STUDY",
        {
            "StudyInstanceUID": study,
            "ModalitiesInStudy": "",
            "NumberOfStudyRelatedInstances": "",
            "NumberOfStudyRelatedSeries": "",
        },
    )


def ask(catalogue: Catalogue, model: str, level: str, keys: dict[str, str]) -> int:
    """Parse an identifier, find and encode everything; return how many answers there were."""
    wanted = {**dict.fromkeys(_STUDY_KEYS, ""), "QueryRetrieveLevel": level, **keys}
    if level == "PATIENT":
        wanted = {"PatientName": "", "PatientID": "", "QueryRetrieveLevel": level, **keys}
    elements = []
    for keyword, value in wanted.items():
        tag = tag_of(keyword)
        if tag is not None:
            elements.append((tag, vr_of(tag).decode(), value))
    identifier = encode_data_set(sorted(elements), EXPLICIT_LITTLE)
    query = parse(identifier, EXPLICIT_LITTLE, model)
    encoder = AnswerEncoder(query, EXPLICIT_LITTLE, retrieve_ae_title="BENCH")
    return sum(1 for answer in catalogue.find(query) if encoder.encode(answer))


def measure(path: str, studies: int, rounds: int) -> dict[str, float]:
    """Return the median of each query's times, in milliseconds."""
    catalogue = Catalogue(sqlite_url(path))
    medians = {}
    for name, model, level, keys in queries(studies):
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            count = ask(catalogue, model, level, keys)
            times.append((time.perf_counter() - start) * 1000)
            if not 1 <= count <= _INSTANCES:
                raise RuntimeError(f"{name}: {count} answers")
        medians[name] = statistics.median(times)
    catalogue.close()
    return medians


def opening(path: str, rounds: int) -> float:
    """Return the median time of opening an index for writing, in milliseconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        Index(sqlite_url(path)).close()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--studies", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    os.makedirs(arguments.folder, exist_ok=True)
    sizes = (_SMALL, arguments.studies)
    paths = []
    for studies in sizes:
        path = os.path.join(arguments.folder, f"{studies}.sqlite")
        paths.append(path)
        if os.path.exists(path):
            continue
        index = Index(sqlite_url(path + ".part"), durable=False)
        start = time.perf_counter()
        fill(index, studies)
        index.close()
        os.rename(path + ".part", path)
        print(f"{studies} studies written in {time.perf_counter() - start:.0f} s", flush=True)
    for studies, path in zip(sizes, paths, strict=True):
        count = studies * _SERIES * _INSTANCES
        size = os.path.getsize(path)
        print(
            f"{studies} studies, {count} instances: {size / count:.0f} bytes an instance, "
            f"opened in {opening(path, arguments.rounds):.1f} ms"
        )
    small, large = (
        measure(path, studies, arguments.rounds) for studies, path in zip(sizes, paths, strict=True)
    )
    print(f"{'median, ms':28} {sizes[0]:>10} {sizes[1]:>10}   ratio")
    for name, value in small.items():
        print(f"{name:28} {value:10.2f} {large[name]:10.2f} {large[name] / value:7.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What `isocenter index` does: an area is checked, its index made anew, a folder taken over.

Joins the command line, which knows no archive, with the archive. Owns the sentences that say what
was found and done.
"""

from __future__ import annotations

from isocenter.archive.area import Area
from isocenter.archive.checking import check
from isocenter.archive.takeover import import_folder, rebuild
from isocenter.dataset.identity import NOT_DICOM
from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from isocenter.archive.checking import Step
    from isocenter.archive.takeover import Takeover

__all__ = ["Report", "check_area", "import_folders", "rebuild_area"]


class Report(NamedTuple):
    """What came out.

    Fields: `lines` one for each thing that is wrong, or was passed over; `summary` one more;
    `is_good` there is nothing that somebody should see to.
    """

    lines: list[str]
    summary: str
    is_good: bool


def _steps(progress: Callable[[int, int], None] | None) -> Callable[[Step], None] | None:
    if progress is None:
        return None
    tell = progress
    return lambda step: tell(step.files, step.bytes)


def _area(directory: str, url: str, *, durable: bool = True) -> Area:
    return Area(directory=directory, url=url, durable=durable)


def check_area(
    directory: str,
    *,
    url: str = "",
    contents: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Compare an area with its index; a server may be running.

    Args:
        directory: of the area.
        url: of its index, "" for the one in the area.
        contents: compare digests, not only lengths.
        progress: told files and bytes so far.

    Raises:
        ArchiveError, StorageError: it cannot be looked at.
    """
    found = check(_area(directory, url), contents=contents, progress=_steps(progress))
    lines = [
        ": ".join(filter(None, (problem.kind, problem.path, problem.text)))
        for problem in found.problems
    ]
    count = len(lines)
    wrong = "no problems" if not count else "1 problem" if count == 1 else f"{count} problems"
    summary = f"{_files(found.files)} of {found.bytes} bytes compared, {wrong}"
    if found.quarantine:
        summary += f", {found.quarantine} in quarantine"
    return Report(lines, summary, not count)


def rebuild_area(
    directory: str,
    *,
    durable: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Make the index of an area anew from its files; no server may be running.

    The arguments are those of `check_area`.

    Raises:
        ArchiveError, StorageError: it cannot be done; the old index is still there.
    """
    done = rebuild(_area(directory, "", durable=durable), progress=_steps(progress))
    return _report(done, "indexed")


def import_folders(
    directory: str,
    folders: Sequence[str],
    *,
    url: str = "",
    in_place: bool = False,
    durable: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Take folders of DICOM files into an area; no server may be running.

    Args:
        directory: of the area.
        folders: where the files are.
        url: of the index, "" for the one in the area.
        in_place: the files stay where they are, in the area's folder; else they are copied.
        durable: what was taken survives a power cut.
        progress: told files and bytes so far.

    Raises:
        ArchiveError, StorageError: it cannot be done; what was taken before stays.
    """
    area = _area(directory, url, durable=durable)
    reports = [
        _report(
            import_folder(area, folder, in_place=in_place, progress=_steps(progress)),
            "taken from " + folder,
        )
        for folder in folders
    ]
    lines = [line for report in reports for line in report.lines]
    summary = "\n".join(report.summary for report in reports)
    return Report(lines, summary, all(report.is_good for report in reports))


def _report(done: Takeover, what: str) -> Report:
    lines = [f"passed over: {passed.path}: {passed.reason}" for passed in done.passed]
    summary = f"{_files(done.files)} looked at, {done.added} {what}"
    if done.known:
        summary += f", {done.known} known before"
    if done.passed:
        summary += f", {len(done.passed)} passed over"
    # What is no DICOM file is nobody's loss.
    is_good = all(passed.reason.startswith(NOT_DICOM) for passed in done.passed)
    return Report(lines, summary, is_good)


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"

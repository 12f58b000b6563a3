"""What became of a run: counts, and the first thing that went wrong.

Owns the rule what counts as a failure. Must not know exit codes: the tool derives its own
from `Outcome.failed` and `Outcome.first_failure_status`. Nothing here grows with the number
of files.
"""

from __future__ import annotations

__all__ = ["Outcome"]


class Outcome:
    """The record of a run over an association, or over several.

    Attributes:
        submitted: C-STORE requests sent; a file repeated n times counts n times.
        confirmed: of these, answered with success or a warning.
        warnings: of the confirmed, answered with a warning.
        failed: files that could not be sent, requests refused or left without an answer, and
            paths left out before the run. 0 only where every object was confirmed.
        first_failure_status: DIMSE status of the first failure where it was a response, else
            None.
        without_context: SOP class and transfer syntax of the first file that no accepted context
            was found for, None where each had one.
        broken: True where the association did not end as intended; files may be left that
            nothing was said of.
    """

    __slots__ = (
        "broken",
        "confirmed",
        "failed",
        "first_failure_status",
        "submitted",
        "warnings",
        "without_context",
    )

    def __init__(self, *, ignored: int = 0) -> None:
        """Start with the paths that were left out already."""
        self.submitted = 0
        self.confirmed = 0
        self.warnings = 0
        self.failed = ignored
        self.first_failure_status: int | None = None
        self.without_context: tuple[str, str] | None = None
        self.broken = False

    @property
    def ok(self) -> bool:
        """True where nothing is left unconfirmed."""
        return not self.failed and not self.broken

    def failure(self, status: int | None = None) -> None:
        """Count a failure; `status` is the response's, None where there was none."""
        if not self.failed:
            self.first_failure_status = status
        self.failed += 1

    def counts(self, total: int, ignored: int) -> str:
        """Return in words what became of several objects, "" where there is nothing to add up.

        Args:
            total: how many requests all files together call for.
            ignored: paths left out before.
        """
        failed = self.failed - ignored
        unsent = total - self.confirmed - failed
        if total + ignored <= 1 or not self.submitted + failed:
            return ""
        objects = "object was" if total == 1 else "objects were"
        parts = [f"{self.confirmed} of {total} {objects} confirmed"]
        parts += [f"{failed} failed"] if failed else []
        parts += [f"{unsent} not sent"] if unsent > 0 else []
        if ignored:
            parts.append(f"{ignored} path{'s were' if ignored > 1 else ' was'} left out")
        return ", ".join(parts)

    def add(self, other: Outcome) -> None:
        """Count what became of a later association as well; the first failure stays the first."""
        if self.ok:
            self.first_failure_status = other.first_failure_status
        self.submitted += other.submitted
        self.confirmed += other.confirmed
        self.warnings += other.warnings
        self.failed += other.failed
        self.without_context = self.without_context or other.without_context
        self.broken = self.broken or other.broken

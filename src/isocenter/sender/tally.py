"""What became of SOP instances, counted, and DCMTK's summary of it.

Owns the counts, the groups of DIMSE statuses that DCMTK tells apart, and the lines of the
summary. Must not know how anything is sent. `DcmStorageSCU::getStatusSummary` of DCMTK.
"""

from __future__ import annotations

from isocenter.services.storage import is_confirmed

__all__ = ["Tally"]

_OUT_OF_RESOURCES = 0xA7
_CLASS_NOT_SUPPORTED = 0x0122
_DATA_SET_DOES_NOT_MATCH = 0xA9
_CANNOT_UNDERSTAND = 0xC


class Tally:
    """Counts of a run.

    Attributes:
        associations: requested so far, accepted or with no context accepted.
        contexts: proposed on all of them.
        instances: to be sent.
        sent: answered, whatever the answer.
        success, warning, error, refused, unknown: of these, by status.
        no_context: not sent because no context for them was proposed or accepted.
        confirmed: answered with success or a warning (PS3.4 B.2.3).
        lacking: SOP class and transfer syntax of the first of `no_context`, None where there is
            none.
    """

    __slots__ = (
        "associations",
        "confirmed",
        "contexts",
        "error",
        "instances",
        "lacking",
        "no_context",
        "refused",
        "sent",
        "success",
        "unknown",
        "warning",
    )

    def __init__(self) -> None:
        """Start with nothing."""
        self.associations = self.contexts = self.instances = self.sent = 0
        self.success = self.warning = self.error = self.refused = self.unknown = 0
        self.no_context = self.confirmed = 0
        self.lacking: tuple[str, str] | None = None

    def without_context(self, kind: tuple[str, str]) -> None:
        """Count an instance that there is no presentation context for."""
        self.no_context += 1
        self.lacking = self.lacking or kind

    def answered(self, status: int) -> None:
        """Count an answer."""
        self.sent += 1
        if status == 0:
            self.success += 1
            self.confirmed += 1
            return
        self.confirmed += is_confirmed(status)
        if status >> 8 == _OUT_OF_RESOURCES or status == _CLASS_NOT_SUPPORTED:
            self.refused += 1
        elif status >> 8 == _DATA_SET_DOES_NOT_MATCH or status >> 12 == _CANNOT_UNDERSTAND:
            self.error += 1
        elif is_confirmed(status):
            self.warning += 1
        else:
            self.unknown += 1

    def summary(self) -> str:
        """Return the lines of the summary."""
        rows = [
            ("Number of associations   : ", self.associations),
            ("Number of pres. contexts : ", self.contexts),
            ("Number of SOP instances  : ", self.instances),
        ]
        rows += [
            (words, count)
            for words, count in (
                ("- sent to the peer       : ", self.sent),
                ("  * with status SUCCESS  : ", self.success),
                ("  * with status WARNING  : ", self.warning),
                ("  * with status ERROR    : ", self.error),
                ("  * with status REFUSED  : ", self.refused),
                ("  * with unknown status  : ", self.unknown),
                ("- NOT sent to the peer   : ", self.instances - self.sent),
                ("  * no acceptable pres.  : ", self.no_context),
            )
            if count > 0
        ]
        lines = ["Status Summary", "--------------"]
        lines += [f"{words}{count}" for words, count in rows]
        return "\n".join(lines)

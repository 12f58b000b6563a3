"""What a transfer tells of its failures, for whoever wants to explain them.

Owns the interface only. It is called after the lines of the transfer itself, once for each
failure and never for a success. Must not know words.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from isocenter.errors import IsocenterError
    from isocenter.sender.link import StoreResponse
else:
    Protocol = object

__all__ = ["Failures"]


class Failures(Protocol):
    """Told of each failure of a transfer; `path` is the file's, as given."""

    def no_context(self, path: str, sop_class_uid: str, transfer_syntax_uid: str) -> None:
        """No accepted context takes the file."""

    def refused(self, path: str, response: StoreResponse) -> None:
        """The peer answered with a failure."""

    def broken(
        self, problem: Exception, paths: Sequence[str], confirmed: int, *, sending: bool
    ) -> None:
        """The association ended in the middle.

        Args:
            problem: how.
            paths: files whose requests were begun and not answered, in order.
            confirmed: objects of this association that were confirmed before.
            sending: the last of them was still being sent.
        """

    def not_released(self, problem: IsocenterError, confirmed: int) -> None:
        """All was answered, but the release failed."""

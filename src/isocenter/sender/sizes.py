"""How long a data set is in the eyes of DCMTK: written with explicit lengths, not deflated.

Loaded only for reports. Must not know what becomes of the data set.
"""

from __future__ import annotations

from isocenter.errors import DataSetError
from isocenter.uids import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.sender.prepare import PreparedFile

__all__ = ["written_length"]


def written_length(prepared: PreparedFile) -> int:
    """Return the length in bytes; that in the file where the data set cannot be read to its end."""
    from isocenter.dataset.convert import plan_rewrite
    from isocenter.dataset.profile import RewriteOptions, RewriteProfile

    own = prepared.transfer_syntax_uid
    target = EXPLICIT_VR_LITTLE_ENDIAN if own == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN else own
    options = RewriteOptions(transfer_syntax_uid=target, keep_trailing_padding=True)
    try:
        return plan_rewrite(prepared.source, RewriteProfile(own, options)).length
    except (DataSetError, ValueError, OSError):
        return prepared.length

"""Which transfer syntaxes an acceptor takes under ``--prefer-...``, in its own order.

One home for the rule of the receiving tools; the selectors themselves are the sender's.
"""

from __future__ import annotations

from isocenter import uids
from isocenter.sender.proposal import SELECTORS

__all__ = ["accepted_syntaxes"]

_UNCOMPRESSED = (
    uids.EXPLICIT_VR_LITTLE_ENDIAN,
    uids.EXPLICIT_VR_BIG_ENDIAN,
    uids.IMPLICIT_VR_LITTLE_ENDIAN,
)


def accepted_syntaxes(option: str) -> tuple[str, ...]:
    """Return the transfer syntaxes accepted under an option of the preference block.

    Args:
        option: ``--prefer-...``, ``--implicit`` or ``--accept-all``.

    A single compressed syntax is followed by the uncompressed ones; ``--implicit`` stands alone.
    """
    if option == "--accept-all":
        return uids.ACCEPT_ALL_TRANSFER_SYNTAXES
    if option == "--implicit":
        return (uids.IMPLICIT_VR_LITTLE_ENDIAN,)
    first, second = SELECTORS[option.removeprefix("--prefer-")]
    return first + (second or _UNCOMPRESSED)

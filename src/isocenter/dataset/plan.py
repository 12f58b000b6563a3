"""What a data set becomes: the outcome of planning, before anything is written.

Owns the facts of a plan. Must not know how it was made (`rewrite`) or is carried out
(`convert`).
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.dataset.edits import Edits
    from isocenter.dataset.order import Order
    from isocenter.dataset.profile import RewriteProfile

__all__ = ["RewritePlan"]


class RewritePlan:
    """What a data set becomes.

    Attributes:
        profile: the kind of rewriting.
        edits: the changes; meaningless where the plan is the identity.
        is_identity: True where the result is what there is already, bit for bit (and, for a
            deflated one, nobody asked for another compression).
        is_disordered: elements do not stand in the order of their tags, and the plan leaves
            them where they are (see `isocenter.dataset.order`).
        order: the source's bytes in another order, whose changes the edits are; None for the
            one that they have.
        source_length: bytes of the data set, inflated.
        length: bytes of the result before compression.
        values: encoded values of the wanted elements that the data set has, by tag.
        mended_uids: tags of elements, the first 16, whose UIDs had blanks that were removed.
    """

    __slots__ = (
        "edits",
        "is_disordered",
        "is_identity",
        "length",
        "mended_uids",
        "order",
        "profile",
        "source_length",
        "values",
    )

    def __init__(
        self,
        profile: RewriteProfile,
        edits: Edits,
        *,
        is_identity: bool,
        source_length: int,
        values: dict[int, bytes],
        mended_uids: tuple[int, ...] = (),
        is_disordered: bool = False,
    ) -> None:
        """Keep the facts."""
        self.is_disordered = is_disordered
        self.order: Order | None = None
        self.mended_uids = mended_uids
        self.profile = profile
        self.edits = edits
        self.is_identity = is_identity
        self.source_length = source_length
        self.length = source_length if is_identity else source_length + edits.growth
        self.values = values

"""Which files go on which association, proposed with which presentation contexts.

Owns the plan behind ``--auto-contexts``: contexts follow from what the files are, and there are
as many associations as their contexts need. Must not know files beyond their kinds, nor what a
peer makes of a proposal (`proposal.ContextChooser` does). Pure: the same kinds in the same order
give the same plan.

Of each SOP class an association proposes

1. each transfer syntax that one of its files has, in a context of its own, because an acceptor
   chooses one of each context and a compressed object can go in its own syntax alone;
2. where deflated is preferred and the class has uncompressed files, deflated in a context of its
   own;
3. where it has files that can be converted (uncompressed or deflated), the other uncompressed
   transfer syntaxes in one context, so that a peer without the file's own can take it.

Kinds are placed in order of first appearance: with others of their class where there is room,
else on the first association with room. So one association takes 128 contexts (PS3.8 9.3.2.2),
which is 64 classes of plain files.
"""

from __future__ import annotations

from isocenter import uids
from isocenter.sender.proposal import CONVERTIBLE, PlannedAssociation
from isocenter.ul.negotiation import MAXIMUM_CONTEXTS
from isocenter.ul.pdu import PresentationContext

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isocenter.sender.inputs import CheckedInputs, Kind

__all__ = ["plan_associations"]

# Big endian is last, because the standard has retired it (PS3.5 A.3).
_UNCOMPRESSED = (
    uids.EXPLICIT_VR_LITTLE_ENDIAN,
    uids.IMPLICIT_VR_LITTLE_ENDIAN,
    uids.EXPLICIT_VR_BIG_ENDIAN,
)
_DEFLATED = uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN


def plan_associations(
    inputs: CheckedInputs, *, prefer_deflated: bool = False
) -> tuple[PlannedAssociation, ...]:
    """Spread files over associations that propose what they need.

    Args:
        inputs: checked with `InputOptions.kinds`; kept, not copied.
        prefer_deflated: propose deflated for uncompressed files too.

    Returns:
        Associations in the order of their first files. Each file is on one of them, and files of
        the same association keep their order. Memory grows with the kinds, not with the files.
    """
    planner = _Planner(prefer_deflated=prefer_deflated)
    for number, kind in enumerate(inputs.kinds):
        planner.place(number, kind)
    return planner.result(inputs)


class _Association:
    """One association that is being planned.

    Attributes:
        classes: the transfer syntaxes of files by SOP class, in order of first appearance.
        kinds: numbers of the kinds it takes.
        room: contexts that are left.
    """

    __slots__ = ("classes", "kinds", "room")

    def __init__(self) -> None:
        self.classes: dict[str, list[str]] = {}
        self.kinds: set[int] = set()
        self.room = MAXIMUM_CONTEXTS


class _Planner:
    """Places kind after kind."""

    def __init__(self, *, prefer_deflated: bool) -> None:
        self._prefer_deflated = prefer_deflated
        self._associations: list[_Association] = []
        self._of_class: dict[str, list[_Association]] = {}
        # Contexts wanted to the first association that may have room for them; room never grows.
        self._first: dict[int, int] = {}

    def place(self, number: int, kind: Kind) -> None:
        """Find an association for a kind that was not placed before."""
        uid, syntax = kind
        homes = self._of_class.setdefault(uid, [])
        for home in homes:
            own = home.classes[uid]
            wanted = self._contexts_of([*own, syntax]) - self._contexts_of(own)
            if wanted <= home.room:
                break
        else:
            wanted = self._contexts_of([syntax])
            home = self._with_room(wanted)
            homes.append(home)
        home.classes.setdefault(uid, []).append(syntax)
        home.kinds.add(number)
        home.room -= wanted

    def _with_room(self, wanted: int) -> _Association:
        associations = self._associations
        index = self._first.get(wanted, 0)
        while index < len(associations) and associations[index].room < wanted:
            index += 1
        self._first[wanted] = index
        if index == len(associations):
            associations.append(_Association())
        return associations[index]

    def _contexts_of(self, own: Sequence[str]) -> int:
        """Count the contexts of a class whose files have these transfer syntaxes."""
        return len(own) + len(self._others(own))

    def _others(self, own: Sequence[str]) -> list[tuple[str, ...]]:
        """Return what is proposed beside the files' own transfer syntaxes."""
        lists: list[tuple[str, ...]] = []
        if (
            self._prefer_deflated
            and _DEFLATED not in own
            and any(uid in _UNCOMPRESSED for uid in own)
        ):
            lists.append((_DEFLATED,))
        others = tuple(uid for uid in _UNCOMPRESSED if uid not in own)
        if others and not CONVERTIBLE.isdisjoint(own):
            lists.append(others)
        return lists

    def result(self, inputs: CheckedInputs) -> tuple[PlannedAssociation, ...]:
        """Return the plan of what was placed."""
        if len(self._associations) == 1:
            return (PlannedAssociation(self._proposal(self._associations[0]), inputs.files),)
        counts = [0] * len(inputs.kinds)
        for number in inputs.kind_of_file:
            counts[number] += 1
        return tuple(
            PlannedAssociation(
                self._proposal(association),
                _FilesOfKinds(inputs, association.kinds, sum(counts[n] for n in association.kinds)),
            )
            for association in self._associations
        )

    def _proposal(self, association: _Association) -> tuple[PresentationContext, ...]:
        """Return its contexts: compressed files' own, other files' own, what else helps."""
        compressed: list[tuple[str, tuple[str, ...]]] = []
        plain: list[tuple[str, tuple[str, ...]]] = []
        others: list[tuple[str, tuple[str, ...]]] = []
        for uid, own in association.classes.items():
            for syntax in own:
                (plain if syntax in CONVERTIBLE else compressed).append((uid, (syntax,)))
            others += ((uid, syntaxes) for syntaxes in self._others(own))
        return tuple(
            PresentationContext(
                context_id=2 * index + 1, abstract_syntax=uid, transfer_syntaxes=syntaxes
            )
            for index, (uid, syntaxes) in enumerate(compressed + plain + others)
        )


class _FilesOfKinds:
    """The files of some kinds, picked out of all of them whenever they are asked for."""

    __slots__ = ("_count", "_inputs", "_kinds")

    def __init__(self, inputs: CheckedInputs, kinds: set[int], count: int) -> None:
        self._inputs = inputs
        self._kinds = kinds
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        kinds, left = self._kinds, self._count
        for path, kind in zip(self._inputs.files, self._inputs.kind_of_file, strict=True):
            if kind in kinds:
                yield path
                left -= 1
                if not left:
                    return

"""How the data sets that a receiver gets are read, and what is known of each sender's.

Owns the profiles of rewriting by transfer syntax and the habits by association. Must not know
files, nor what becomes of an object. What reads is loaded when first needed: bit-preserving mode
does without.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.dataset.convert import PlanBuilder
    from isocenter.dataset.habits import Habits
    from isocenter.dataset.profile import RewriteProfile
    from isocenter.storage.options import StorageOptions
    from isocenter.storage.placing import Placing

__all__ = ["Reading"]

_MOST_HABITS = 64  # associations remembered, each with 64 KiB at most; then all are forgotten


class Reading:
    """Makes what reads data sets; shared by all threads of a receiver.

    Args:
        options: what becomes of the objects.
        placing: what wants to know values of theirs, None for nobody.
    """

    __slots__ = ("_habits", "_make_builder", "_options", "_placing", "_profiles")

    def __init__(self, options: StorageOptions, placing: Placing | None) -> None:
        """Begin with nothing known."""
        self._options = options
        self._placing = placing
        # By transfer syntax; None where data sets of it cannot be read.
        self._profiles: dict[str, RewriteProfile | None] = {}
        self._habits: dict[int, Habits] = {}  # by association
        self._make_builder: type[PlanBuilder] | None = None

    def profile(self, transfer_syntax_uid: str) -> RewriteProfile | None:
        """Return how data sets of a transfer syntax are written anew, None for as they come."""
        try:
            return self._profiles[transfer_syntax_uid]
        except KeyError:
            pass
        profile = None
        if not self._options.ignore and (
            self._options.rewrite is not None or self._placing is not None
        ):
            profile = self._make_profile(transfer_syntax_uid)
        self._profiles[transfer_syntax_uid] = profile
        return profile

    def habits(self, association: int) -> Habits:
        """Return what is known of the objects that an association brought before."""
        habits = self._habits.get(association)
        if habits is None:
            from isocenter.dataset.habits import Habits

            if len(self._habits) >= _MOST_HABITS:
                self._habits = {}  # threads that use one of them keep it
            habits = self._habits[association] = Habits()
        return habits

    def plan_builder(
        self, profile: RewriteProfile, prefix_length: int, association: int
    ) -> PlanBuilder:
        """Return what plans an object of an association, with what is known of the ones before."""
        if self._make_builder is None:
            from isocenter.dataset.convert import PlanBuilder

            self._make_builder = PlanBuilder
        return self._make_builder(
            profile, prefix_length=prefix_length, habits=self.habits(association)
        )

    def _make_profile(self, transfer_syntax_uid: str) -> RewriteProfile | None:
        from isocenter.dataset.dictionary import DEFAULT_DICTIONARY
        from isocenter.dataset.profile import RewriteOptions, RewriteProfile
        from isocenter.record import replace

        options = self._options.rewrite or RewriteOptions()
        if self._placing is not None:
            options = replace(options, wanted=options.wanted | self._placing.wanted)
        dictionary = self._options.dictionary or DEFAULT_DICTIONARY
        try:
            return RewriteProfile(transfer_syntax_uid, options, dictionary=dictionary)
        except ValueError:
            pass
        try:  # compressed: no conversion, but everything else
            return RewriteProfile(
                transfer_syntax_uid,
                replace(options, transfer_syntax_uid=""),
                dictionary=dictionary,
            )
        except ValueError:  # a transfer syntax that is not known
            return None

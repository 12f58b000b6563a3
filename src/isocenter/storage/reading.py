"""How the data sets that a receiver gets are read, and what is known of each sender's.

Owns the profiles of rewriting by transfer syntax, the habits by association, and the reading of
one data set: what is like those before it is known by a comparison, the rest is planned, and what
cannot be read is left as it came. Must not know how files are written, nor what becomes of an
object. What plans is loaded where data sets are written anew, before the first of them comes;
bit-preserving mode does without.
"""

from __future__ import annotations

from isocenter.dataset.headers import CutShort, Unreadable
from isocenter.limits import DEFAULTS
from isocenter.logs import get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Sequence

    from isocenter.dataset.convert import InflationLimits, PlanBuilder
    from isocenter.dataset.flow import Flow
    from isocenter.dataset.habits import Habits
    from isocenter.dataset.likeness import Familiar
    from isocenter.dataset.plan import RewritePlan
    from isocenter.dataset.profile import RewriteProfile
    from isocenter.storage.options import StorageOptions
    from isocenter.storage.placing import Placing
    from isocenter.wire import Buffer, FileRegion

__all__ = ["MOST_HELD", "DataSetReading", "Reading"]

_LOGGER = get_logger(__name__)

MOST_HELD = 64 * 1024
"""Bytes of a data set, inclusive, held in memory until it is whole: a second file would cost
a small object more than the copy. Of a longer one as many are compared with those before."""

_MOST_HABITS = 64  # associations remembered, each with 64 KiB at most; then all are forgotten


class Reading:
    """Makes what reads data sets; shared by all threads of a receiver.

    Args:
        options: what becomes of the objects.
        placing: what wants to know values of theirs, None for nobody.
    """

    __slots__ = ("_habits", "_inflation", "_make_builder", "_options", "_placing", "_profiles")

    def __init__(self, options: StorageOptions, placing: Placing | None) -> None:
        """Begin with nothing known."""
        self._options = options
        self._placing = placing
        # By transfer syntax; None where data sets of it cannot be read.
        self._profiles: dict[str, RewriteProfile | None] = {}
        self._habits: dict[int, Habits] = {}  # by association
        self._make_builder: type[PlanBuilder] | None = None
        self._inflation: InflationLimits | None = None
        if self.rewrites and not options.ignore:
            self._load()

    def _load(self) -> None:
        """Load ahead what plans and tells what is familiar: the first sender would wait for it."""
        import re  # noqa: F401 - loaded for `likeness`

        from isocenter.dataset import flow, habits  # noqa: F401 - loaded for later
        from isocenter.dataset.convert import PlanBuilder

        self._make_builder = PlanBuilder

    @property
    def rewrites(self) -> bool:
        """Whether data sets are written anew, and not just looked at."""
        return self._options.rewrite is not None

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
            profile,
            prefix_length=prefix_length,
            habits=self.habits(association),
            limits=self.inflation,
        )

    @property
    def inflation(self) -> InflationLimits:
        """How much a deflated data set may grow."""
        if self._inflation is None:
            from isocenter.dataset.convert import InflationLimits

            self._inflation = InflationLimits.of(self._options.limits)
        return self._inflation

    def _make_profile(self, transfer_syntax_uid: str) -> RewriteProfile | None:
        from isocenter.dataset.dictionary import DEFAULT_DICTIONARY
        from isocenter.dataset.profile import RewriteOptions, RewriteProfile
        from isocenter.dataset.scan import ScanLimits
        from isocenter.record import replace

        limits = self._options.limits
        options = self._options.rewrite or RewriteOptions()
        if limits is not DEFAULTS:
            options = replace(options, maximum_plan_length=limits.maximum_changes_length)
        if self._placing is not None:
            options = replace(options, wanted=options.wanted | self._placing.wanted)
        dictionary = self._options.dictionary or DEFAULT_DICTIONARY
        scan = ScanLimits.of(limits)
        try:
            return RewriteProfile(transfer_syntax_uid, options, scan, dictionary=dictionary)
        except ValueError:
            pass
        try:  # compressed: no conversion, but everything else
            return RewriteProfile(
                transfer_syntax_uid,
                replace(options, transfer_syntax_uid=""),
                scan,
                dictionary=dictionary,
            )
        except ValueError:  # a transfer syntax that is not known
            return None


class DataSetReading:
    """Reads one data set, held whole or while its fragments are written to a file.

    A short one goes to `read_whole`; for a longer one `begin`, `look` at each fragment, `finish`.
    Both answer with the plan, the wanted values by tag, and whether it could be read. There is no
    plan for a data set of which all is known because it is like the ones before, nor for one that
    is kept as it came because it cannot be read.

    Args:
        reading: what is shared by all.
        profile: the kind of rewriting.
        prefix_length: bytes in front of the data set in the new file.
        association: that brought it.

    Attributes:
        flow: what it becomes, while it comes; None where it stays, or is written anew at its end.
        problem: why it cannot be read, "" where it can, so far.
        renewed: what a data set that was held whole becomes, where that is known without a plan.
    """

    __slots__ = (
        "_association",
        "_builder",
        "_familiar",
        "_first",
        "_profile",
        "_reading",
        "flow",
        "prefix_length",
        "problem",
        "renewed",
    )

    def __init__(
        self, reading: Reading, profile: RewriteProfile, prefix_length: int, association: int
    ) -> None:
        """Begin with nothing seen."""
        self._reading = reading
        self._profile = profile
        self._association = association
        self._builder: PlanBuilder | None = None
        self._first = b""  # what it begins with, to learn from
        # Where it begins as those before: its wanted values, the length it must have then, and
        # what changes in it.
        self._familiar: Familiar | None = None
        self.flow: Flow | None = None
        self.renewed: bytes | None = None
        self.prefix_length = prefix_length
        self.problem = ""

    @property
    def target_uid(self) -> str:
        """Transfer syntax of what it becomes."""
        return self._profile.target_uid

    def read_whole(self, data: bytes) -> tuple[RewritePlan | None, dict[int, bytes], bool]:
        """Read a data set that is there as a whole; returns as the class says."""
        self._first = data
        self._compare()
        if self._familiar is not None and self._familiar[1] == len(data):
            if changes := self._familiar[2]:
                from isocenter.dataset.flow import changed

                self.renewed = changed(data, changes)
            return None, self._familiar[0], True
        builder = self._plan()
        if data:
            self._feed(builder, (data,), len(data))
        return self._end(builder, len(data))

    def begin(self, pieces: Sequence[Buffer]) -> None:
        """See how a long data set begins; `look` gets the same pieces afterwards."""
        if self._profile.has_likeness:
            self._first = _beginning(pieces, self._reading.habits(self._association).likeness.reach)
            self._compare()
            if self._familiar is None:
                self._first = _beginning(pieces, MOST_HELD)
        if self._familiar is None:
            builder = self._plan()
            if self._profile.flows and self._reading.rewrites:
                from isocenter.dataset.flow import Flow

                self.flow = Flow(builder.rewriter)
        elif changes := self._familiar[2]:
            from isocenter.dataset.flow import Flow, KnownChanges

            self.flow = Flow(KnownChanges(changes))

    def is_expected(self, length: int) -> bool:
        """Tell whether it is as long as those that it began like, if it did."""
        return self._familiar is None or self._familiar[1] == length

    def look(self, pieces: Sequence[Buffer], length: int) -> None:
        """Look at the next pieces, of `length` bytes together; they are not kept."""
        if self._builder is not None and not self.problem:
            self._feed(self._builder, pieces, length)

    def taken(self, flow: Flow, pieces: Sequence[Buffer]) -> Sequence[Buffer] | None:
        """Return what of the new data set can be written now; None where the old one is needed."""
        if self.problem or not flow.is_possible:
            return None
        try:
            return flow.take(pieces)
        except Exception as problem:  # noqa: BLE001 - no fault of ours may lose the object
            self.give_up(problem)
            return None

    def last_of(self, flow: Flow, plan: RewritePlan | None) -> Sequence[Buffer] | None:
        """Return the end of the new data set; None where it has to be written as a whole.

        Args:
            flow: what it becomes.
            plan: as `finish` returned it.
        """
        if self.problem or (plan is not None and plan.is_disordered):
            return None
        try:
            return flow.finish()
        except Exception as problem:  # noqa: BLE001 - no fault of ours may lose the object
            self.give_up(problem)
            return None

    def finish(
        self, length: int, region: FileRegion
    ) -> tuple[RewritePlan | None, dict[int, bytes], bool]:
        """End the reading of a long data set; returns as the class says.

        Args:
            length: bytes of it.
            region: where they are, by now.

        Raises:
            OSError: the file cannot be read.
        """
        if self._familiar is not None and self._familiar[1] == length:
            return None, self._familiar[0], True
        builder = self._builder
        if builder is None:
            # It began as others did and went on otherwise.
            builder = self._plan()
            try:
                builder.walk(region)
            except OSError:
                raise
            except Exception as problem:  # noqa: BLE001 - no fault of ours may lose the object
                self.give_up(problem)
        return self._end(builder, length)

    def give_up(self, problem: Exception) -> None:
        """Note why the data set is kept as it came: bytes that arrived whole are never lost.

        Not to a fault of ours either.
        """
        if isinstance(problem, Unreadable):
            self.problem = f"{problem.reason} at offset {problem.offset}"
        elif isinstance(problem, CutShort):
            self.problem = f"{problem.missing} bytes are missing at offset {problem.offset}"
        else:
            _LOGGER.error("reading a data set failed", exc_info=problem)
            self.problem = f"unexpected {type(problem).__name__}"

    def _compare(self) -> None:
        """Compare how it begins with those before."""
        try:
            likeness = self._reading.habits(self._association).likeness
            self._familiar = likeness.values_of(self._first, self._profile)
        except Exception:  # no fault of ours may lose the object
            _LOGGER.exception("comparing a data set failed")

    def _plan(self) -> PlanBuilder:
        self._builder = self._reading.plan_builder(
            self._profile, self.prefix_length, self._association
        )
        return self._builder

    def _feed(self, builder: PlanBuilder, pieces: Sequence[Buffer], length: int) -> None:
        try:
            builder.feed_all(pieces, length)
        except Exception as problem:  # noqa: BLE001 - no fault of ours may lose the object
            self.give_up(problem)

    def _end(
        self, builder: PlanBuilder, length: int
    ) -> tuple[RewritePlan | None, dict[int, bytes], bool]:
        """Return the plan, where there is one, and learn from a data set that stays as it is."""
        if self.problem:
            return None, builder.values, False
        try:
            plan = builder.finish()
        except Exception as problem:  # noqa: BLE001 - no fault of ours may lose the object
            self.give_up(problem)
            return None, builder.values, False
        if self._first and not plan.is_disordered:
            try:
                likeness = self._reading.habits(self._association).likeness
                edits = None if plan.is_identity else plan.edits
                likeness.observe(self._first, length, self._profile, edits)
            except Exception:  # no fault of ours may lose the object
                _LOGGER.exception("learning from a data set failed")
        return plan, builder.values, True


def _beginning(pieces: Sequence[Buffer], length: int) -> bytes:
    """Return what so many bytes of a data set are at most, without a copy where it can be."""
    if len(pieces[0]) >= length or len(pieces) == 1:
        return bytes(pieces[0][:length])
    head: list[Buffer] = []
    for piece in pieces:
        head.append(piece[:length])
        length -= len(head[-1])
        if length <= 0:
            break
    return b"".join(head)

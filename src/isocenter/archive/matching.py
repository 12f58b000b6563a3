"""What a C-FIND, C-MOVE or C-GET identifier asks for: a typed query.

Owns the rules of levels and keys: the three information models, unique keys above the level, keys
that are not supported, and strict checks. Must not know SQL, nor DIMSE's numbers: an error says
which of two kinds it is.

PS3.4 C.2.2.1 (keys), C.4.1 (C-FIND), C.4.2.2 (retrieve), C.6 (models).
"""

from __future__ import annotations

from isocenter.archive.attributes import (
    ANY,
    BY_TAG,
    CHARACTER_SET,
    IMAGE,
    LEVELS,
    PATIENT,
    QUERY_LEVEL,
    RETRIEVE_AE_TITLE,
    SERIES,
    STUDY,
    TIMEZONE,
    UNIQUE_KEYS,
)
from isocenter.archive.conditions import (
    HIGHEST,
    LOWEST,
    Context,
    Ranges,
    Texts,
    condition_of,
)
from isocenter.archive.elements import read_elements
from isocenter.archive.text import utc_offset
from isocenter.dataset.dictionary import STANDARD_VRS
from isocenter.dataset.headers import CutShort, Unreadable
from isocenter.dataset.scan import ENCODINGS
from isocenter.dataset.vr import US_OR_SS
from isocenter.errors import IsocenterError
from isocenter.limits import DEFAULTS
from isocenter.record import NamedTuple
from isocenter.uids import TRANSFER_SYNTAXES

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterator

    from isocenter.archive.attributes import Attribute
    from isocenter.archive.conditions import Condition
    from isocenter.archive.elements import Element
    from isocenter.limits import Limits

__all__ = [
    "MISMATCH",
    "PATIENT_ROOT",
    "PATIENT_STUDY_ONLY",
    "STUDY_ROOT",
    "UNABLE",
    "Combined",
    "Key",
    "MatchingError",
    "Query",
    "Where",
    "parse",
    "parse_retrieve",
]

PATIENT_ROOT, STUDY_ROOT, PATIENT_STUDY_ONLY = "PATIENT ROOT", "STUDY ROOT", "PATIENT/STUDY ONLY"
"""Information models (PS3.4 C.6)."""

_MODEL_LEVELS = {
    PATIENT_ROOT: (PATIENT, STUDY, SERIES, IMAGE),
    STUDY_ROOT: (STUDY, SERIES, IMAGE),
    PATIENT_STUDY_ONLY: (PATIENT, STUDY),
}

MISMATCH, UNABLE = "mismatch", "unable"
"""Kinds of error: the identifier does not match the SOP class (A900), unable to process (C000)."""

_VIEW = 0x00080053  # Query/Retrieve View: there is one (PS3.4 C.3.4)

_RETURNED_VRS = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SQ SS ST SV TM UC UI UL UR US UT UV".split()
)


class MatchingError(IsocenterError):
    """An identifier that cannot be answered.

    Attributes:
        kind: `MISMATCH` or `UNABLE`.
        comment: what is wrong with it; no values.
        tags: the elements at fault.
    """

    def __init__(self, kind: str, comment: str, tags: tuple[int, ...] = ()) -> None:
        """Keep what the response will carry."""
        super().__init__(comment)
        self.kind = kind
        self.comment = comment
        self.tags = tags


class Key(NamedTuple):
    """An attribute to be answered.

    Fields:
        tag, vr: by the dictionary.
        attribute: of the table; None for one that is kept beside it.
        keys: for a sequence what is to be answered of its items; () for all of it.
    """

    tag: int
    vr: bytes
    attribute: Attribute | None
    keys: tuple[Key, ...]


class Where(NamedTuple):
    """A condition on an attribute of the table."""

    attribute: Attribute
    condition: Condition


class Combined(NamedTuple):
    """Date and time together are within a range (combined date-time matching).

    Fields:
        date, time: the attributes.
        first, last: bounds, each of date and time.
    """

    date: Attribute
    time: Attribute
    first: tuple[str, str]
    last: tuple[str, str]


class Query(NamedTuple):
    """What an identifier asks for.

    Fields:
        level: `attributes.PATIENT` to `IMAGE`.
        keys: what is to be answered, in the order of tags.
        wheres: conditions, all of which must hold.
        combined: likewise.
        is_partial: keys are not supported, or not for matching (PS3.4 C.2.2.1.3).
        character_sets: value of (0008,0005) of the identifier.
    """

    level: int
    keys: tuple[Key, ...]
    wheres: tuple[Where, ...]
    combined: tuple[Combined, ...]
    is_partial: bool
    character_sets: bytes

    def texts_of(self, attribute: Attribute) -> Texts | None:
        """Return the condition on a text attribute, None where there is none."""
        for where in self.wheres:
            if where.attribute is attribute and isinstance(where.condition, Texts):
                return where.condition
        return None


class _Identifier(NamedTuple):
    """An identifier that was read: its keys by tag, its level, and how it is encoded."""

    elements: dict[int, Element]
    level: int
    context: Context


def parse(
    identifier: bytes,
    transfer_syntax_uid: str,
    model: str,
    *,
    strict: bool = False,
    combine_times: bool = False,
    limits: Limits = DEFAULTS,
) -> Query:
    """Return what a C-FIND identifier asks for.

    Args:
        identifier: as it was received.
        transfer_syntax_uid: how it is encoded.
        model: `PATIENT_ROOT`, `STUDY_ROOT` or `PATIENT_STUDY_ONLY`.
        strict: refuse what PS3.4 does not allow (dcmqrscp's ``-XF``).
        combine_times: date and time keys make one range (PS3.4 C.4.1.2.2.2), which has to be
            negotiated.
        limits: of depth.

    Raises:
        MatchingError: it cannot be answered.
    """
    found = _read(identifier, transfer_syntax_uid, model, strict=strict, limits=limits)
    _check_unique(found, model, strict=strict)
    keys, wheres = [], []
    is_partial = False
    for tag, element in sorted(found.elements.items()):
        attribute = BY_TAG.get(tag)
        if attribute is None:
            key = _beside(element)
            is_partial |= key is None or not _is_universal(element)
            if key is not None:
                keys.append(key)
            continue
        level = _level_in(attribute, model)
        matches = level == found.level or _is_unique_above(attribute, found.level, model)
        if strict and not matches and level != ANY:
            words = f"{attribute.keyword} is no key of {LEVELS[found.level]} level"
            raise MatchingError(MISMATCH, words, (tag,))
        if attribute.computed and level > found.level:
            is_partial = True
            continue
        if tag != RETRIEVE_AE_TITLE:
            keys.append(_key(element, attribute.vr, attribute))
        if matches:
            condition = _condition(element, attribute, found.context)
            if condition is not None and _can_match(attribute):
                wheres.append(Where(attribute, condition))
            is_partial |= condition is not None and not _can_match(attribute)
        else:
            is_partial |= not _is_universal(element)
    wheres, combined = _combine(wheres) if combine_times else (wheres, ())
    sets = found.context.character_sets
    return Query(found.level, tuple(keys), tuple(wheres), combined, is_partial, sets)


def parse_retrieve(
    identifier: bytes,
    transfer_syntax_uid: str,
    model: str,
    *,
    strict: bool = False,
    limits: Limits = DEFAULTS,
) -> Query:
    """Return what a C-MOVE or C-GET identifier asks for.

    Keys of the level that are not unique narrow what is retrieved, as in dcmqrscp; `strict`
    (``-XM``) refuses them.

    Raises:
        MatchingError: it cannot be answered; also where no unique key says which entities are
            meant: that would be everything.
    """
    found = _read(identifier, transfer_syntax_uid, model, strict=strict, limits=limits)
    _check_unique(found, model, strict=strict)
    wheres = []
    is_bound = False
    for tag, element in sorted(found.elements.items()):
        attribute = BY_TAG.get(tag)
        is_unique = attribute is not None and (
            attribute is UNIQUE_KEYS[found.level] or _is_unique_above(attribute, found.level, model)
        )
        if strict and not is_unique:
            raise MatchingError(MISMATCH, "a key that is not unique in a retrieve", (tag,))
        if attribute is None or attribute.computed:
            continue
        if is_unique or _level_in(attribute, model) == found.level:
            condition = _condition(element, attribute, found.context)
            if condition is not None:
                wheres.append(Where(attribute, condition))
                is_bound |= is_unique
    own = UNIQUE_KEYS[found.level]
    if not is_bound or (strict and not any(where.attribute is own for where in wheres)):
        raise MatchingError(MISMATCH, f"{own.keyword} is empty", (own.tag,))
    return Query(found.level, (), tuple(wheres), (), False, found.context.character_sets)


def _read(
    identifier: bytes, transfer_syntax_uid: str, model: str, *, strict: bool, limits: Limits
) -> _Identifier:
    """Read an identifier and its level.

    Raises:
        MatchingError: it cannot be read, or its level is none of the model.
    """
    syntax = TRANSFER_SYNTAXES[transfer_syntax_uid]
    try:
        pieces = _inflated(identifier, limits) if syntax.is_deflated else [identifier]
        elements = read_elements(
            pieces,
            ENCODINGS[syntax.is_explicit, syntax.is_little],
            longest=max(len(identifier), 1 << 17),
            maximum_depth=limits.maximum_depth,
        )
    except (CutShort, Unreadable) as bad:
        reason = bad.reason if isinstance(bad, Unreadable) else "it is cut short"
        raise MatchingError(UNABLE, f"the identifier cannot be read: {reason}") from None
    by_tag = {element.tag: element for element in elements if element.tag & 0xFFFF}
    sets = _ascii(by_tag.pop(CHARACTER_SET, None))
    zone = utc_offset(_ascii(by_tag.pop(TIMEZONE, None)).decode("latin-1"))
    context = Context(sets, syntax.is_little, zone or 0)
    by_tag.pop(_VIEW, None)
    word = _ascii(by_tag.pop(QUERY_LEVEL, None)).decode("latin-1").upper()
    if not word:
        raise MatchingError(MISMATCH, "no Query/Retrieve Level", (QUERY_LEVEL,))
    # By the beginning and without regard to case, as dcmqrscp.
    level = next((n for n, name in enumerate(LEVELS) if word.startswith(name)), None)
    if level is None:
        raise MatchingError(UNABLE, "unknown Query/Retrieve Level", (QUERY_LEVEL,))
    if level not in _MODEL_LEVELS[model]:
        kind = MISMATCH if strict else UNABLE
        raise MatchingError(kind, f"no {LEVELS[level]} level in {model} model", (QUERY_LEVEL,))
    return _Identifier(by_tag, level, context)


def _inflated(identifier: bytes, limits: Limits) -> Iterator[bytes]:
    from isocenter.dataset.convert import Inflater, InflationLimits

    yield from Inflater(InflationLimits.of(limits)).feed(identifier)


def _ascii(element: Element | None) -> bytes:
    if element is None or not isinstance(element.value, bytes):
        return b""
    return element.value.strip(b" \0")


def _level_in(attribute: Attribute, model: str) -> int:
    """Return the level of an attribute: in the study root, patients' belong to studies."""
    if attribute.level == PATIENT and model == STUDY_ROOT:
        return STUDY
    return attribute.level


def _is_unique_above(attribute: Attribute, level: int, model: str) -> bool:
    return (
        attribute.kind == "U"
        and attribute.level < level
        and attribute.level in _MODEL_LEVELS[model]
    )


def _check_unique(found: _Identifier, model: str, *, strict: bool) -> None:
    """Check the unique keys of the level and above.

    Raises:
        MatchingError: one above is missing; or, where it is strict, empty, or that of the level
            is missing below the patients.
    """
    for level in _MODEL_LEVELS[model]:
        unique = UNIQUE_KEYS[level]
        if level >= found.level:
            break
        element = found.elements.get(unique.tag)
        if element is None or (strict and _is_universal(element)):
            words = "missing" if element is None else "empty"
            raise MatchingError(
                MISMATCH if strict else UNABLE, f"{unique.keyword} is {words}", (unique.tag,)
            )
    own = UNIQUE_KEYS[found.level]
    if strict and found.level != PATIENT and own.tag not in found.elements:
        raise MatchingError(MISMATCH, f"{own.keyword} is missing", (own.tag,))


def _is_universal(element: Element) -> bool:
    """Tell whether a key has no value; of a sequence, whether none in it has one."""
    pending = [element]
    while pending:
        value = pending.pop().value
        if isinstance(value, list):
            pending += [inner for item in value for inner in item]
        elif value is None or value.strip(b" \0"):
            return False
    return True


def _can_match(attribute: Attribute) -> bool:
    """Tell whether an attribute can be matched: of the computed ones, two can."""
    return not attribute.computed or attribute.keyword in {"ModalitiesInStudy", "SOPClassesInStudy"}


def _condition(element: Element, attribute: Attribute, context: Context) -> Condition | None:
    """Return what a key asks for.

    Raises:
        MatchingError: it cannot be understood.
    """
    try:
        return condition_of(element, attribute.vr, context)
    except ValueError as error:
        raise MatchingError(UNABLE, f"{attribute.keyword}: {error}", (attribute.tag,)) from None


def _beside(element: Element) -> Key | None:
    """Return the key for an attribute that is not in the table, None where it is not kept."""
    vr = STANDARD_VRS.get(element.tag, b"")
    if vr == US_OR_SS:
        vr = b"US"
    if vr not in _RETURNED_VRS or not 0x00080000 < element.tag < 0x7FE00000:
        return None
    return _key(element, vr, None)


def _key(element: Element, vr: bytes, attribute: Attribute | None) -> Key:
    keys: dict[int, Key] = {}
    if vr == b"SQ" and isinstance(element.value, list):
        for item in element.value:
            for inner in item:
                known = STANDARD_VRS.get(inner.tag, inner.vr)
                if inner.tag & 0xFFFF and inner.tag != CHARACTER_SET:
                    keys[inner.tag] = _key(inner, inner.vr if known.islower() else known, None)
    return Key(element.tag, vr, attribute, tuple(keys[tag] for tag in sorted(keys)))


_TIME_OF = {
    "StudyDate": "StudyTime",
    "SeriesDate": "SeriesTime",
    "AcquisitionDate": "AcquisitionTime",
    "ContentDate": "ContentTime",
    "PatientBirthDate": "PatientBirthTime",
    "PerformedProcedureStepStartDate": "PerformedProcedureStepStartTime",
}


def _combine(wheres: list[Where]) -> tuple[list[Where], tuple[Combined, ...]]:
    """Make one range of a date and a time that have one each; the date's stays to find rows by."""
    by_keyword = {where.attribute.keyword: where for where in wheres}
    combined, gone = [], set()
    for date_keyword, time_keyword in _TIME_OF.items():
        date, time = by_keyword.get(date_keyword), by_keyword.get(time_keyword)
        if date is None or time is None:
            continue
        dates, times = date.condition, time.condition
        if not isinstance(dates, Ranges) or not isinstance(times, Ranges):
            continue
        if len(dates.bounds) != 1 or len(times.bounds) != 1:
            continue
        (first_date, last_date), (first_time, last_time) = dates.bounds[0], times.bounds[0]
        combined.append(
            Combined(
                date.attribute,
                time.attribute,
                (first_date, first_time if first_date != LOWEST else LOWEST),
                (last_date, last_time if last_date != HIGHEST else HIGHEST),
            )
        )
        gone.add(time_keyword)
    return [w for w in wheres if w.attribute.keyword not in gone], tuple(combined)

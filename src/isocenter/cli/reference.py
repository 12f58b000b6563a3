"""What man pages and reference pages say about an option, in words.

Owns the sentences that follow from an option's facts. Must not know how a page is laid out.
Used by the generators of these pages alone.
"""

from __future__ import annotations

from isocenter.cli.render import families
from isocenter.cli.spec import VERBOSE_MODE
from isocenter.record import Record

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Iterator

    from isocenter.cli.spec import Group, Option, Parameter, Tool, Value

__all__ = [
    "OptionFacts",
    "facts_of",
    "missing_is_allowed",
    "parameter_text",
    "sections",
    "sentence",
]

_MARK = "(default)"


class OptionFacts(Record):
    """An option in words.

    Attributes:
        names: short, if there is one, and long.
        values: what the values are called.
        text: what the option does, one sentence.
        allowed: what the value may be, or "".
        default: what holds without the option, or "".
        is_default: True where the option itself is what holds without any.
        conditions: sentences on what the option needs and excludes.
    """

    names: tuple[str, ...]
    values: tuple[str, ...]
    text: str
    allowed: str
    default: str
    is_default: bool
    conditions: tuple[str, ...]


def sections(tool: Tool) -> Iterator[tuple[str, Group]]:
    """Yield each group that has options of its own, and the heading for it."""
    for group in tool.groups:
        if group.options:
            yield group.name, group
        for subgroup in group.subgroups:
            yield f"{group.name}: {subgroup.name}", subgroup


def facts_of(option: Option) -> OptionFacts:
    """Return an option in words."""
    text = " ".join(option.help_text.split())
    conditions = []
    if option.exclusive:
        conditions.append("Everything else on the command line is left aside.")
    if option.requires:
        conditions.append(f"Only with {_listed(option.requires)}.")
    if option.conflicts:
        conditions.append(f"Not with {_listed(option.conflicts)}.")
    return OptionFacts(
        names=tuple(name for name in (option.short, option.long) if name),
        values=tuple(value.name for value in option.values),
        text=sentence(text.removesuffix(_MARK)),
        allowed=_allowed(option.values[-1]) if option.values else "",
        default=option.default or "",
        is_default=option.is_default,
        conditions=tuple(conditions),
    )


def missing_is_allowed(tool: Tool, parameter: Parameter) -> str:
    """Return with which options a parameter may be left out, "" where it may not or always may."""
    for name, reasons in tool.required_unless:
        if name == parameter.name and reasons:
            return _listed(reasons)
    return ""


def parameter_text(tool: Tool, parameter: Parameter) -> str:
    """Return what a parameter is, and how many there may be of which kind."""
    text = sentence(parameter.help_text)
    if parameter.minimum is not None and parameter.maximum is not None:
        text += f" A number, {parameter.minimum} to {parameter.maximum}."
    if parameter.multiple:
        text += " There may be several."
    reasons = missing_is_allowed(tool, parameter)
    if reasons:
        text += f" Not needed with {reasons}."
    return text


def sentence(text: str) -> str:
    """Return a text with a capital in front and a full stop behind it."""
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def _allowed(value: Value) -> str:
    if value.choices:
        return ", ".join(value.choices)
    if value.minimum is not None and value.maximum is not None:
        return f"{value.minimum} to {value.maximum}"
    return "" if value.minimum is None else f"from {value.minimum}"


def _listed(names: tuple[str, ...]) -> str:
    words = ["--verbose or --debug" if name == VERBOSE_MODE else name for name in families(names)]
    return " or ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else words[0]

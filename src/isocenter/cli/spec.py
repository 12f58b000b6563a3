"""What a tool's command line consists of: data only.

Owns the classes that describe tools, parameters, groups and options. Must not
know how a command line is read (`parser`) or shown (`render`).

These are plain slotted classes and not dataclasses: every start of a tool builds
its table, and importing `dataclasses` alone more than doubles the CPU time of a
Python start. Nothing changes them after construction.

The grammar that the fields follow is DCMTK's (`ofstd/ofcmdln.h`).
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "LOGGING",
    "PARAMETERS",
    "VERBOSE_MODE",
    "Group",
    "Option",
    "Parameter",
    "Tool",
    "Value",
    "choice",
    "integer",
    "string",
]

PARAMETERS = "(parameters)"
"""Marks in `Tool.evaluation` where numeric parameters are checked."""

LOGGING = "(logging)"
"""Marks in `Tool.evaluation` where the log level takes effect."""

VERBOSE_MODE = "verbose mode"
"""Stands in `Option.requires` for a log level of info or below."""


class Value:
    """One value of an option.

    Attributes:
        name: what the help text calls it, for instance ``seconds``.
        kind: ``string`` or ``integer``.
        minimum, maximum: inclusive range of an integer, None where unbounded.
        signed: True where a leading minus sign is read as such (and the number
            may be hexadecimal or octal, as C's ``%li``); False where it is refused.
        shown: the help text's words for the range, where they are not the numbers.
        choices: the strings that are allowed, empty for any.
        secret: True where no log may show what was given.
    """

    __slots__ = ("choices", "kind", "maximum", "minimum", "name", "secret", "shown", "signed")

    def __init__(
        self,
        name: str,
        kind: str,
        *,
        minimum: int | None = None,
        maximum: int | None = None,
        signed: bool = False,
        shown: str = "",
        choices: tuple[str, ...] = (),
        secret: bool = False,
    ) -> None:
        """Keep the facts."""
        self.name = name
        self.kind = kind
        self.choices = choices
        self.secret = secret
        self.minimum = minimum
        self.maximum = maximum
        self.signed = signed
        self.shown = shown


def string(name: str, shown: str = "string", *, secret: bool = False) -> tuple[Value, ...]:
    """Return the values of an option that takes one string."""
    return (Value(name, "string", shown=shown, secret=secret),)


def choice(name: str, *choices: str) -> tuple[Value, ...]:
    """Return the values of an option that takes one of some words."""
    return (Value(name, "string", shown=", ".join(choices), choices=choices),)


def integer(
    name: str, minimum: int, maximum: int | None = None, *, signed: bool = False
) -> tuple[Value, ...]:
    """Return the values of an option that takes one integer, the range inclusive."""
    return (Value(name, "integer", minimum=minimum, maximum=maximum, signed=signed),)


class Option:
    """One option.

    Attributes:
        long: name with sign, for instance ``--aetitle``; messages use this one.
        short: name with sign, or "".
        help_text: what it does, lines separated by a newline.
        values: what follows it on the command line.
        default: the value that holds without the option, in words where it is no
            number (``unlimited``), or None.
        is_default: True for the member of a block that holds when none is given.
        exclusive: True where nothing else on the command line counts.
        stands_alone: True where parameters are not needed with it; all else counts.
        conflicts: long names that may not be in force together with this one.
        requires: long names of which one must be in force, empty for none.
    """

    __slots__ = (
        "conflicts",
        "default",
        "exclusive",
        "help_text",
        "is_default",
        "long",
        "requires",
        "short",
        "stands_alone",
        "values",
    )

    def __init__(
        self,
        long: str,
        short: str,
        help_text: str,
        values: tuple[Value, ...] = (),
        *,
        default: str | None = None,
        is_default: bool = False,
        exclusive: bool = False,
        stands_alone: bool = False,
        conflicts: tuple[str, ...] = (),
        requires: tuple[str, ...] = (),
    ) -> None:
        """Keep the facts."""
        self.long = long
        self.short = short
        self.help_text = help_text
        self.values = values
        self.default = default
        self.is_default = is_default
        self.exclusive = exclusive
        self.stands_alone = stands_alone
        self.conflicts = conflicts
        self.requires = requires


class Group:
    """A group of options as the help text shows it.

    Attributes:
        name: the heading without colon.
        options: those directly below the heading.
        subgroups: groups below it, one level deep.
        note: restriction shown behind the heading, or "".
        implied: requirements of its options that the help text does not repeat for each.
    """

    __slots__ = ("implied", "name", "note", "options", "subgroups")

    def __init__(
        self,
        name: str,
        options: tuple[Option, ...] = (),
        subgroups: tuple[Group, ...] = (),
        *,
        note: str = "",
        implied: tuple[str, ...] = (),
    ) -> None:
        """Keep the facts."""
        self.name = name
        self.options = options
        self.subgroups = subgroups
        self.note = note
        self.implied = implied


class Parameter:
    """A positional parameter.

    Attributes:
        name: as in the usage line.
        help_text: what it is.
        optional: True where it may be left out.
        multiple: True for the last one where more of the kind may follow.
        minimum, maximum: inclusive range of an unsigned integer, None for a string.
    """

    __slots__ = ("help_text", "maximum", "minimum", "multiple", "name", "optional")

    def __init__(
        self,
        name: str,
        help_text: str,
        *,
        optional: bool = False,
        multiple: bool = False,
        minimum: int | None = None,
        maximum: int | None = None,
    ) -> None:
        """Keep the facts."""
        self.name = name
        self.help_text = help_text
        self.optional = optional
        self.multiple = multiple
        self.minimum = minimum
        self.maximum = maximum


class Tool:
    """A command-line tool.

    Attributes:
        name: the program's name.
        command: what is typed to start it, usually its name.
        description: one line.
        parameters: in order.
        groups: in the order of the help text.
        evaluation: in which order the options are checked once the line is read.
            A long name stands for itself, a tuple of long names for a block of
            alternatives of which the rightmost on the command line wins;
            `PARAMETERS` and `LOGGING` mark these two steps. The order decides
            which of several mistakes is reported.
        required_unless: names of optional parameters that are nevertheless
            required unless one of the options is given.
    """

    __slots__ = (
        "command",
        "description",
        "evaluation",
        "groups",
        "name",
        "parameters",
        "required_unless",
    )

    def __init__(
        self,
        name: str,
        description: str,
        *,
        parameters: tuple[Parameter, ...],
        groups: tuple[Group, ...],
        evaluation: tuple[str | tuple[str, ...], ...],
        required_unless: tuple[tuple[str, tuple[str, ...]], ...] = (),
        command: str = "",
    ) -> None:
        """Keep the facts."""
        self.name = name
        self.command = command or name
        self.description = description
        self.parameters = parameters
        self.groups = groups
        self.evaluation = evaluation
        self.required_unless = required_unless

    def options(self) -> Iterator[Option]:
        """Yield every option in the order of the help text."""
        for group in self.groups:
            yield from group.options
            for subgroup in group.subgroups:
                yield from subgroup.options

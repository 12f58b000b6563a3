"""DCMTK's command-line grammar.

Owns how arguments become options, values and parameters, what is checked in which
order, and the wording of each complaint. Must not know any tool (that is `spec` data)
nor print anything (`start` does).

In short: an argument of two or more characters that begins with a sign and whose
second character is no digit is an option, wherever it stands; values are taken
verbatim; nothing is abbreviated, joined or bundled; of a block of alternatives the
rightmost wins; ``@file`` inserts the arguments of a command file.

Source: `ofstd/ofcmdln.h` and `ofstd/ofconapp.h` of DCMTK, and runs of its tools.
"""

from __future__ import annotations

import os

from isocenter.cli.levels import DEBUG, FATAL, INFO, WARN, level_from_name
from isocenter.cli.levels import ERROR as ERROR_LEVEL
from isocenter.cli.spec import LOGGING, PARAMETERS, VERBOSE_MODE
from isocenter.errors import ConfigurationError

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Sequence

    from isocenter.cli.logconfig import LogConfig
    from isocenter.cli.spec import Option, Parameter, Tool, Value

__all__ = ["CommandLineError", "ParsedCommandLine", "expand_command_files", "parse"]

_MASK = "***"
"""What `--arguments` shows of a secret: a command file keeps it from others, a log would not."""

_EXCLUSIVE_FIRST = (
    "--help",
    "--version",
    "--list-ciphers",
    "--list-profiles",
    "--list-decoders",
)
"""Which of several exclusive options is heeded, wherever they stand."""

_LONG_MIN = -(2**63)
_LONG_MAX = 2**63 - 1
_UNSIGNED_MODULUS = 2**64

_C_WHITESPACE = " \t\n\v\f\r"
_FILE_WHITESPACE = " \t\n\r"

# More digits than any accepted number has; int() refuses strings of thousands.
_MOST_DIGITS = 40


class CommandLineError(ConfigurationError):
    """The command line cannot be used.

    Attributes:
        message: the text behind ``error:``.
        quiet: True where the command line asked for silence before the check failed.
        arguments_text: what `--arguments` shows where that had its turn, else None.
        log_config: where to show it, None for stderr.
    """

    def __init__(
        self,
        message: str,
        *,
        quiet: bool = False,
        arguments_text: str | None = None,
        log_config: LogConfig | None = None,
    ) -> None:
        """Keep the facts."""
        super().__init__(message)
        self.message = message
        self.quiet = quiet
        self.arguments_text = arguments_text
        self.log_config = log_config


class ParsedCommandLine:
    """A command line that was read.

    Attributes:
        tool: what it was read against.
        program: what the program calls itself in `arguments_text`.
        arguments: all of them after expansion, options in their long form, secrets as `***`.
        parameters: the positional ones, in order.
        exclusive: the exclusive option that takes effect (``--help`` also for a
            command line without arguments), or None. If there is one, nothing
            else was checked.
        given_options: long name and values of each option, from left to right.
        level: log level, see `levels`; with `--log-config` that of the tool's own logger.
        log_config: what the file of `--log-config` says, None without one.
        logging_done: True once the level was found out.
    """

    __slots__ = (
        "_blocks",
        "_options",
        "arguments",
        "exclusive",
        "given_options",
        "level",
        "log_config",
        "logging_done",
        "parameters",
        "program",
        "tool",
    )

    def __init__(self, tool: Tool, program: str) -> None:
        """Start empty; `parse` fills it."""
        self.tool = tool
        self.program = program
        self.arguments: list[str] = []
        self.parameters: list[str] = []
        self.exclusive: str | None = None
        self.level = WARN
        self.log_config: LogConfig | None = None
        self.logging_done = False
        self.given_options: list[tuple[str, tuple[str, ...]]] = []
        self._options: dict[str, Option] = {option.long: option for option in tool.options()}
        self._blocks: dict[str, tuple[str, ...]] = {}
        for step in tool.evaluation:
            if isinstance(step, tuple):
                for name in step:
                    self._blocks[name] = step

    @property
    def quiet(self) -> bool:
        """True where not even error texts are to be shown."""
        level = self.level if self.log_config is None else self.log_config.root_level
        return level > ERROR_LEVEL

    @property
    def progress_level(self) -> int:
        """The level of the progress logger: there are dots where it is exactly info."""
        return self.level if self.log_config is None else self.log_config.progress_level

    def level_of(self, logger: str) -> int:
        """Return the log level of one of our loggers by its name."""
        return self.level if self.log_config is None else self.log_config.level_of(logger)

    @property
    def arguments_text(self) -> str | None:
        """The message that `--arguments` asks for, None without that option.

        It ends with a newline, so that it is logged as two lines. Empty arguments
        count but are not listed, as DCMTK has it.
        """
        if not self.given("--arguments"):
            return None
        listed = "".join(f"'{argument}' " for argument in self.arguments if argument)
        return f"calling '{self.program}' with {len(self.arguments)} arguments: {listed}\n"

    @property
    def stands_alone(self) -> bool:
        """True where an option is given that takes the place of the parameters."""
        return any(self._options[long].stands_alone for long, _ in self.given_options)

    def has(self, name: str) -> bool:
        """Return whether the tool has such an option, for what several tools share."""
        return name in self._options

    def given(self, name: str) -> bool:
        """Return whether the option stands on the command line."""
        self.option(name)
        return any(long == name for long, _ in self.given_options)

    def block(self, *names: str) -> str | None:
        """Return the rightmost of these alternatives on the command line, or None."""
        for name in names:
            self.option(name)
        for long, _ in reversed(self.given_options):
            if long in names:
                return long
        return None

    def in_force(self, name: str) -> bool:
        """Return whether the option holds: given and not overridden, or the default."""
        option = self.option(name)
        block = self._blocks.get(name)
        if block is None:
            return option.is_default or self.given(name)
        winner = self.block(*block)
        return option.is_default if winner is None else winner == name

    def value_or_none(self, name: str, index: int = 0) -> str | None:
        """Return a value of the rightmost occurrence, None where the option is not given.

        Args:
            name: long name.
            index: which value, for options that take several.
        """
        self.option(name)
        for long, values in reversed(self.given_options):
            if long == name:
                return values[index]
        return None

    def value(self, name: str, index: int = 0) -> str:
        """Return a value of the rightmost occurrence, else the option's default.

        Raises:
            LookupError: not given, and no default either.
        """
        found = self.value_or_none(name, index)
        if found is None:
            found = self.option(name).default
        if found is None:
            raise LookupError(f"{name} was not given and has no default")
        return found

    def values(self, name: str) -> list[str]:
        """Return the value of each occurrence of an option that takes one, from left to right."""
        self.option(name)
        return [values[0] for long, values in self.given_options if long == name]

    def integer_or_none(self, name: str, index: int = 0) -> int | None:
        """Return a number, None where the option is not given and its default is no number.

        The number is within the option's range. ``unlimited`` is no number.
        """
        option = self.option(name)
        text = self.value_or_none(name, index)
        if text is None:
            text = option.default
        if text is None:
            return None
        return _integer(text, signed=option.values[index].signed)

    def integer(self, name: str, index: int = 0) -> int:
        """Return a number as `integer_or_none` does.

        Raises:
            LookupError: not given, and the default is no number.
        """
        number = self.integer_or_none(name, index)
        if number is None:
            raise LookupError(f"{name} was not given and its default is no number")
        return number

    def parameter(self, name: str) -> str:
        """Return the first parameter of that name.

        Raises:
            LookupError: it was left out.
        """
        names = [parameter.name for parameter in self.tool.parameters]
        position = names.index(name)
        if position >= len(self.parameters):
            raise LookupError(f"parameter {name} was not given")
        return self.parameters[position]

    def parameter_integer(self, name: str) -> int:
        """Return a numeric parameter, which is within its range.

        Raises:
            LookupError: it was left out.
        """
        number = _integer(self.parameter(name), signed=False)
        if number is None:
            raise LookupError(f"parameter {name} is no number")
        return number

    def parameters_from(self, name: str) -> tuple[str, ...]:
        """Return the parameter of that name and all that follow."""
        names = [parameter.name for parameter in self.tool.parameters]
        return tuple(self.parameters[names.index(name) :])

    def option(self, name: str) -> Option:
        """Return what the tool says about an option.

        Raises:
            KeyError: the tool has no such option, a programming error.
        """
        return self._options[name]


def parse(tool: Tool, argv: Sequence[str], *, program: str | None = None) -> ParsedCommandLine:
    """Read a command line.

    Args:
        tool: what it may contain.
        argv: the arguments without the program's name.
        program: the program's name in `--arguments`; the tool's name by default.

    Returns:
        The command line, checked; or, where `exclusive` says so, one of which nothing
        but that option counts.

    Raises:
        CommandLineError: it is wrong, or a command file cannot be read.
    """
    line = ParsedCommandLine(tool, tool.name if program is None else program)
    _split(line, expand_command_files(argv))
    if not line.arguments:
        line.exclusive = "--help"
        return line
    exclusive = {option.long for option in tool.options() if option.exclusive}
    found = [name for name, _ in line.given_options if name in exclusive]
    if found:
        first = [name for name in _EXCLUSIVE_FIRST if name in found]
        line.exclusive = first[0] if first else found[-1]
        return line
    if not line.stands_alone:
        _count_parameters(line)
    _Evaluation(line).run()
    return line


def expand_command_files(argv: Sequence[str]) -> list[str]:
    """Replace each ``@file`` by the arguments that the file contains.

    A lone ``@`` stays; so does ``@file`` inside a command file. A directory contains
    no arguments.

    Raises:
        CommandLineError: a command file cannot be read.
    """
    expanded: list[str] = []
    for argument in argv:
        if len(argument) > 1 and argument[0] == "@":
            expanded += _split_command_file(_read_command_file(argument[1:]))
        else:
            expanded.append(argument)
    return expanded


def _read_command_file(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return os.fsdecode(file.read())
    except IsADirectoryError:
        return ""  # what a C++ file stream finds in one
    except (OSError, ValueError) as problem:
        raise CommandLineError(f"Cannot open command file '{path}'") from problem


def _split_command_file(text: str) -> list[str]:
    """Split at white space; a closing quote always ends an argument, even an empty one."""
    arguments: list[str] = []
    current = ""
    quote = ""
    for character in text:
        if quote:
            if character == quote:
                arguments.append(current)
                current = quote = ""
            else:
                current += character
        elif character in "\"'":
            quote = character
        elif character not in _FILE_WHITESPACE:
            current += character
        elif current:
            arguments.append(current)
            current = ""
    if current:
        arguments.append(current)
    return arguments


def _is_option(argument: str) -> bool:
    return len(argument) >= 2 and argument[0] in "+-" and argument[1] not in "0123456789"


def _split(line: ParsedCommandLine, arguments: Sequence[str]) -> None:
    """Tell options, values and parameters apart.

    Raises:
        CommandLineError: unknown option, or values missing at the end.
    """
    by_name: dict[str, Option] = {}
    for option in line.tool.options():
        by_name[option.long] = option
        if option.short:
            by_name[option.short] = option
    position = 0
    while position < len(arguments):
        argument = arguments[position]
        position += 1
        if not _is_option(argument):
            line.arguments.append(argument)
            line.parameters.append(argument)
            continue
        known = by_name.get(argument)
        if known is None:
            raise CommandLineError(f"Unknown option {argument}")
        values = tuple(arguments[position : position + len(known.values)])
        if len(values) < len(known.values):
            raise CommandLineError(f"Missing value for option {known.long}")
        position += len(values)
        line.arguments.append(known.long)
        line.arguments += (
            _MASK if kind.secret and value else value
            for kind, value in zip(known.values, values, strict=True)
        )
        line.given_options.append((known.long, values))


def _count_parameters(line: ParsedCommandLine) -> None:
    parameters = line.tool.parameters
    mandatory = [parameter for parameter in parameters if not parameter.optional]
    count = len(line.parameters)
    if count < len(mandatory):
        raise CommandLineError(f"Missing parameter {parameters[count].name}")
    if count > len(parameters) and not any(parameter.multiple for parameter in parameters):
        raise CommandLineError("Too many parameters")


class _Evaluation:
    """One walk through `Tool.evaluation`; the first mistake ends it."""

    __slots__ = ("line",)

    def __init__(self, line: ParsedCommandLine) -> None:
        self.line = line

    def run(self) -> None:
        for step in self.line.tool.evaluation:
            if isinstance(step, tuple):
                self.check_block(step)
            elif step == PARAMETERS:
                self.check_parameters()
            elif step == LOGGING:
                self.set_level()
            elif self.line.given(step):
                self.check_option(step)

    def fail(self, message: str) -> CommandLineError:
        line = self.line
        if not line.logging_done:
            return CommandLineError(message)
        return CommandLineError(
            message,
            quiet=line.quiet,
            arguments_text=line.arguments_text,
            log_config=line.log_config,
        )

    def check_block(self, names: tuple[str, ...]) -> None:
        """Check the alternatives that DCMTK looks at.

        It asks for them one by one, each time only to the right of the last one found,
        so that also an overridden one is checked where its turn came earlier.
        """
        rightmost = -1
        given = [long for long, _ in self.line.given_options]
        for name in names:
            for position in range(len(given) - 1, rightmost, -1):
                if given[position] == name:
                    rightmost = position
                    self.check_option(name)
                    break

    def check_option(self, name: str) -> None:
        """Check conflicts, then requirements, then values, as every DCMTK tool does."""
        option = self.line.option(name)
        for other in option.conflicts:
            if self.line.in_force(other):
                raise self.fail(f"{name} not allowed with {other}")
        for required in (self.inherited(option), option.requires):
            if required and not any(self.holds(other) for other in required):
                raise self.fail(f"{name} only allowed with {_join_or(required)}")
        for index, value in enumerate(option.values):
            if value.kind == "integer":
                text = self.line.value_or_none(name, index)
                self.check_integer(name, value, "" if text is None else text)
            elif value.choices and self.line.value_or_none(name, index) not in value.choices:
                text = self.line.value_or_none(name, index)
                known = _join_or(value.choices)
                raise self.fail(f"Invalid value for option {name} ({text}): it is {known}")

    def inherited(self, option: Option) -> tuple[str, ...]:
        """Return what the one option that another requires requires itself."""
        if len(option.requires) != 1 or option.requires[0] == VERBOSE_MODE:
            return ()
        return self.line.option(option.requires[0]).requires

    def holds(self, condition: str) -> bool:
        if condition == VERBOSE_MODE:
            return self.line.level <= INFO
        return self.line.in_force(condition)

    def check_integer(self, name: str, value: Value, text: str) -> None:
        number = _integer(text, signed=value.signed)
        if number is None or (not value.signed and text.lstrip(" ").startswith("-")):
            problem = text
        elif value.minimum is not None and number < value.minimum:
            problem = f"underflow: {text}"
        elif value.maximum is not None and number > value.maximum:
            problem = f"overflow: {text}"
        else:
            return
        shown = f" ({problem})" if text else ""
        raise self.fail(f"Invalid value for option {name}{shown}")

    def check_parameters(self) -> None:
        line = self.line
        given = len(line.parameters)
        unused: list[str] = []
        for name, reasons in line.tool.required_unless:
            names = [parameter.name for parameter in line.tool.parameters]
            if any(line.given(other) for other in reasons):
                unused.append(name)
            elif names.index(name) >= given:
                raise self.fail(f"Missing parameter {name}")
        if line.stands_alone:
            return
        for parameter, text in zip(line.tool.parameters, line.parameters, strict=False):
            if parameter.minimum is not None and parameter.name not in unused:
                self.check_parameter(parameter, text)

    def check_parameter(self, parameter: Parameter, text: str) -> None:
        number = _integer(text, signed=False)
        if number is None:
            problem = ""
        elif parameter.minimum is not None and number < parameter.minimum:
            problem = " (underflow)"
        elif parameter.maximum is not None and number > parameter.maximum:
            problem = " (overflow)"
        else:
            return
        raise self.fail(f"Invalid parameter value {text}{problem}")

    def set_level(self) -> None:
        line = self.line
        levels = {"--debug": DEBUG, "--verbose": INFO, "--quiet": FATAL}
        if line.has("--very-verbose"):
            levels["--very-verbose"] = INFO
        chosen = line.block(*levels)
        text = line.value_or_none("--log-level")
        if text is not None:
            if chosen is not None:
                raise self.fail("--log-level not allowed with --verbose, --debug or --quiet")
            level = level_from_name(text)
            if level is None:
                raise self.fail("Invalid log level for --log-level option")
            line.level = level
        elif chosen is not None:
            line.level = levels[chosen]
        if "--log-config" in dict(line.given_options):
            self.read_log_config(chosen, text)
        line.logging_done = True

    def read_log_config(self, chosen: str | None, level: str | None) -> None:
        line = self.line
        if level is not None:
            raise self.fail("--log-config not allowed with --log-level")
        if chosen is not None:
            raise self.fail("--log-config not allowed with --verbose, --debug or --quiet")
        from isocenter.cli.logconfig import read_log_config

        try:
            line.log_config = read_log_config(line.value("--log-config"), line.tool.name)
        except ConfigurationError as problem:
            raise self.fail(str(problem)) from problem
        line.level = line.log_config.tool_level


def _join_or(names: tuple[str, ...]) -> str:
    return " or ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else names[0]


def _integer(text: str, *, signed: bool) -> int | None:
    """Read the number that `text` begins with, as C's ``%li`` and ``%lu`` do.

    Signed numbers may be hexadecimal or octal; too large ones end at the limits of 64
    bits; unsigned ones wrap where they are negative. None where there is no number.
    """
    rest = text.lstrip(_C_WHITESPACE)
    negative = rest.startswith("-")
    if rest[:1] in ("+", "-"):
        rest = rest[1:]
    digits, base = "0123456789", 10
    if signed and rest[:2] in ("0x", "0X"):
        # "0x" alone counts as the zero that it begins with.
        rest, digits, base = "0" + rest[2:], "0123456789abcdefABCDEF", 16
    elif signed and rest.startswith("0"):
        digits, base = "01234567", 8
    length = len(rest) - len(rest.lstrip(digits))
    if length == 0:
        return None
    number = int(rest[:length].lstrip("0")[:_MOST_DIGITS] or "0", base)
    if signed:
        return max(-number, _LONG_MIN) if negative else min(number, _LONG_MAX)
    if number >= _UNSIGNED_MODULUS:
        return _UNSIGNED_MODULUS - 1
    return -number % _UNSIGNED_MODULUS if negative else number

"""The grammar, against a small tool made up for the purpose and the three real tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.cli import options_storescp, options_storescu
from isocenter.cli.levels import DEBUG, ERROR, FATAL, INFO, OFF, WARN
from isocenter.cli.parser import CommandLineError, expand_command_files, parse
from isocenter.cli.spec import (
    LOGGING,
    PARAMETERS,
    Group,
    Option,
    Parameter,
    Tool,
    Value,
    integer,
    string,
)
from isocenter.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

TOOL = Tool(
    "sometool",
    "a tool",
    parameters=(
        Parameter("peer", "a peer"),
        Parameter("port", "a port", minimum=1, maximum=65535),
        Parameter("file", "a file", optional=True, multiple=True),
    ),
    groups=(
        Group(
            "general options",
            (
                Option("--help", "-h", "help", exclusive=True),
                Option("--version", "", "version", exclusive=True),
                Option("--arguments", "", "arguments"),
                Option("--quiet", "-q", "quiet"),
                Option("--verbose", "-v", "verbose"),
                Option("--debug", "-d", "debug"),
                Option("--log-level", "-ll", "level", string("level")),
            ),
        ),
        Group(
            "other options",
            (Option("--title", "-t", "title", string("title"), default="ME"),),
            (
                Group(
                    "numbers",
                    (
                        Option("--wait", "-w", "w", integer("s", -1, signed=True), default="60"),
                        Option("--size", "-s", "s", integer("n", 10, 20), default="unlimited"),
                        Option(
                            "--pair",
                            "-p",
                            "p",
                            (
                                Value("a", "integer", minimum=0),
                                Value("b", "integer", minimum=0),
                            ),
                        ),
                    ),
                ),
                Group(
                    "alternatives",
                    (
                        Option("--red", "-r", "red", is_default=True),
                        Option("--green", "-g", "green", integer("shade", 1)),
                        Option("--blue", "-b", "blue", requires=("--title",)),
                    ),
                ),
                Group(
                    "rules",
                    (
                        Option("--alone", "-a", "alone", conflicts=("--green", "--title")),
                        Option("--dull", "", "dull", requires=("--red", "--size")),
                        Option("--three", "", "three", requires=("--size", "--pair", "--wait")),
                    ),
                ),
            ),
        ),
    ),
    evaluation=(
        PARAMETERS,
        LOGGING,
        "--wait",
        "--size",
        "--pair",
        ("--red", "--green", "--blue"),
        "--alone",
        "--dull",
        "--three",
    ),
)

REST = ("host", "104")


def complaint(*argv: str) -> str:
    with pytest.raises(CommandLineError) as caught:
        parse(TOOL, argv)
    return caught.value.message


# Options, values and parameters


def test_options_and_parameters_may_be_mixed() -> None:
    line = parse(TOOL, ["a", "-v", "104", "--title", "X", "b", "-w", "5", "c"])
    assert line.parameters == ["a", "104", "b", "c"]
    assert line.parameters_from("file") == ("b", "c")
    assert (line.value("--title"), line.integer("--wait")) == ("X", 5)


@pytest.mark.parametrize("argument", ["-", "+", "-5", "+104x", "", "a-b", "@"])
def test_argument_that_is_no_option_is_a_parameter(argument: str) -> None:
    assert parse(TOOL, ["host", "104", argument]).parameters == ["host", "104", argument]


@pytest.mark.parametrize("argument", ["--", "-x", "+x", "--titl", "--title=X", "-tX", "-vd", "-ö"])
def test_unknown_option_is_named_as_typed(argument: str) -> None:
    assert complaint(argument, *REST) == f"Unknown option {argument}"


@pytest.mark.parametrize("value", ["-v", "--bogus", "", "@", "-", "ä b"])
def test_value_is_taken_verbatim(value: str) -> None:
    assert parse(TOOL, [*REST, "-t", value]).value("--title") == value


def test_missing_value_is_reported_with_the_long_name() -> None:
    assert complaint(*REST, "-t") == "Missing value for option --title"
    assert complaint(*REST, "-p", "1") == "Missing value for option --pair"


def test_rightmost_value_wins() -> None:
    line = parse(TOOL, [*REST, "-t", "A", "-t", "B"])
    assert line.value("--title") == "B"


def test_arguments_are_kept_in_their_long_form() -> None:
    line = parse(TOOL, ["host", "-t", "-v", "104", "-q"])
    assert line.arguments == ["host", "--title", "-v", "104", "--quiet"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ((), None),
        (("-v",), "Missing parameter peer"),
        (("host",), "Missing parameter port"),
        (("host", "1", "a", "b"), None),
        (("host", "port"), "Invalid parameter value port"),
        (("host", "0"), "Invalid parameter value 0 (underflow)"),
        (("host", "65536"), "Invalid parameter value 65536 (overflow)"),
        (("host", "-1"), "Invalid parameter value -1 (overflow)"),
        (("host", ""), "Invalid parameter value "),
    ],
)
def test_parameters_are_counted_and_checked(argv: tuple[str, ...], message: str | None) -> None:
    if message is None:
        parse(TOOL, argv)
    else:
        assert complaint(*argv) == message


def test_parameter_that_an_option_could_replace_is_still_missing() -> None:
    with pytest.raises(CommandLineError, match=r"^Missing parameter port$"):
        parse(options_storescp.TOOL, ["-v"])


@pytest.mark.parametrize("port", ["99999", "0", "none"])
def test_parameter_that_an_option_makes_unneeded_may_be_anything(port: str) -> None:
    assert parse(options_storescp.TOOL, ["--inetd", port]).parameters == [port]
    with pytest.raises(CommandLineError, match=r"^Invalid parameter value"):
        parse(options_storescp.TOOL, [port])


def test_too_many_parameters() -> None:
    with pytest.raises(CommandLineError, match=r"^Too many parameters$"):
        parse(options_storescp.TOOL, ["1", "2"])


# Exclusive options


@pytest.mark.parametrize(
    ("argv", "exclusive"),
    [
        ((), "--help"),
        (("-h",), "--help"),
        (("--version",), "--version"),
        (("--version", "-h"), "--help"),
        (("-h", "--version"), "--help"),
        (("host", "0", "--version", "-s", "1"), "--version"),
        (REST, None),
    ],
)
def test_exclusive_option_makes_the_rest_unimportant(
    argv: tuple[str, ...], exclusive: str | None
) -> None:
    assert parse(TOOL, argv).exclusive == exclusive


def test_exclusive_option_does_not_excuse_an_unknown_one() -> None:
    assert complaint("--help", "--bogus") == "Unknown option --bogus"


# Numbers


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5", 5),
        ("16384xyz", 16384),
        (" \t+7", 7),
        ("-1", -1),
        ("0x10", 16),
        ("0X1fg", 31),
        ("0x", 0),
        ("010", 8),
        ("08", 0),
        ("99999999999999999999", 2**63 - 1),
        ("9" * 5000, 2**63 - 1),
    ],
)
def test_signed_number_is_read_by_prefix(text: str, number: int) -> None:
    assert parse(TOOL, [*REST, "-w", text]).integer("--wait") == number


@pytest.mark.parametrize(
    ("option", "text", "shown"),
    [
        ("-w", "x", "--wait (x)"),
        ("-w", "", "--wait"),
        ("-w", "+", "--wait (+)"),
        ("-w", "-2", "--wait (underflow: -2)"),
        ("-w", "-99999999999999999999", "--wait (underflow: -99999999999999999999)"),
        ("-s", "9", "--size (underflow: 9)"),
        ("-s", "21", "--size (overflow: 21)"),
        ("-s", "0x10", "--size (underflow: 0x10)"),
        ("-s", "-15", "--size (-15)"),
        ("-s", "  -15", "--size (  -15)"),
        ("-s", "\t-15", "--size (overflow: \t-15)"),
        ("-s", "99999999999999999999999", "--size (overflow: 99999999999999999999999)"),
    ],
)
def test_bad_number_is_reported(option: str, text: str, shown: str) -> None:
    assert complaint(*REST, option, text) == f"Invalid value for option {shown}"


def test_only_the_rightmost_number_is_checked() -> None:
    assert parse(TOOL, [*REST, "-s", "1", "-s", "15"]).integer("--size") == 15


def test_each_of_several_values_is_checked() -> None:
    assert complaint(*REST, "-p", "1", "x") == "Invalid value for option --pair (x)"
    line = parse(TOOL, [*REST, "-p", "1", "2"])
    assert (line.integer("--pair", 0), line.integer("--pair", 1)) == (1, 2)


def test_defaults_stand_in_for_options_not_given() -> None:
    line = parse(TOOL, REST)
    assert line.value("--title") == "ME"
    assert line.integer("--wait") == 60
    assert line.integer_or_none("--size") is None
    assert line.value_or_none("--title") is None
    assert not line.given("--title")
    with pytest.raises(LookupError):
        line.integer("--size")
    with pytest.raises(LookupError):
        line.value("--pair")


def test_parameters_by_name() -> None:
    line = parse(TOOL, ["host", "12x"])
    assert line.parameter("peer") == "host"
    assert line.parameter_integer("port") == 12
    with pytest.raises(LookupError):
        line.parameter("file")


def test_asking_for_an_option_that_the_tool_has_not_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        parse(TOOL, REST).given("--colour")


# Blocks, conflicts, requirements


@pytest.mark.parametrize(
    ("argv", "winner"),
    [
        ((), None),
        (("-r",), "--red"),
        (("-r", "-g", "1"), "--green"),
        (("-g", "1", "-r"), "--red"),
        (("-g", "1", "-r", "-g", "2"), "--green"),
    ],
)
def test_rightmost_alternative_wins(argv: tuple[str, ...], winner: str | None) -> None:
    line = parse(TOOL, [*REST, *argv])
    assert line.block("--red", "--green", "--blue") == winner
    for name in ("--red", "--green", "--blue"):
        assert line.in_force(name) == (name == (winner or "--red"))


def test_overridden_alternative_is_checked_where_its_turn_came_earlier() -> None:
    assert complaint(*REST, "-g", "0", "-b", "-t", "X") == (
        "Invalid value for option --green (underflow: 0)"
    )
    parse(TOOL, [*REST, "-g", "0", "-r"])  # --red is asked for first, --green is left of it
    assert complaint(*REST, "-g", "1", "-b") == "--blue only allowed with --title"


def test_conflict_counts_what_is_in_force() -> None:
    assert complaint(*REST, "-a", "-g", "1") == "--alone not allowed with --green"
    assert complaint(*REST, "-a", "-t", "X") == "--alone not allowed with --title"
    parse(TOOL, [*REST, "-a", "-g", "1", "-r"])


def test_requirement_counts_what_is_in_force() -> None:
    parse(TOOL, [*REST, "--dull"])  # --red holds by default
    parse(TOOL, [*REST, "--dull", "-g", "1", "-s", "15"])
    assert complaint(*REST, "--dull", "-g", "1") == "--dull only allowed with --red or --size"
    assert complaint(*REST, "--three") == "--three only allowed with --size, --pair or --wait"


def test_mistakes_are_reported_in_the_order_of_evaluation() -> None:
    assert complaint("host", "0", "-s", "1", "-w", "-9") == "Invalid parameter value 0 (underflow)"
    assert complaint(*REST, "-s", "1", "-w", "-9", "-ll", "x") == (
        "Invalid log level for --log-level option"
    )
    assert complaint(*REST, "-s", "1", "-w", "-9") == (
        "Invalid value for option --wait (underflow: -9)"
    )


# Log level


@pytest.mark.parametrize(
    ("argv", "level"),
    [
        ((), WARN),
        (("-v",), INFO),
        (("-d",), DEBUG),
        (("-q",), FATAL),
        (("-v", "-d", "-q"), FATAL),
        (("-q", "-d", "-v"), INFO),
        (("-q", "-v", "-d"), DEBUG),
        (("-ll", "Error"), ERROR),
        (("-ll", "off"), OFF),
        (("-ll", "x", "-ll", "debug"), DEBUG),
    ],
)
def test_log_level(argv: tuple[str, ...], level: int) -> None:
    assert parse(TOOL, [*REST, *argv]).level == level


def test_log_level_excludes_the_short_ways_of_saying_it() -> None:
    expected = "--log-level not allowed with --verbose, --debug or --quiet"
    for other in ("-q", "-v", "-d"):
        assert complaint(*REST, "-ll", "nonsense", other) == expected


@pytest.mark.parametrize("level", ["", "loud", "warning"])
def test_unknown_log_level(level: str) -> None:
    assert complaint(*REST, "-ll", level) == "Invalid log level for --log-level option"


@pytest.mark.parametrize(
    ("argv", "quiet"),
    [
        (("-q", "--bogus"), False),
        (("-q",), False),
        (("-q", "host", "0"), False),
        ((*REST, "-s", "1"), False),
        ((*REST, "-q", "-s", "1"), True),
        ((*REST, "-s", "1", "-ll", "fatal"), True),
        ((*REST, "-s", "1", "-ll", "off"), True),
        ((*REST, "-s", "1", "-ll", "error"), False),
    ],
)
def test_quiet_silences_only_what_is_checked_after_it(argv: tuple[str, ...], quiet: bool) -> None:
    with pytest.raises(CommandLineError) as caught:
        parse(TOOL, argv)
    assert caught.value.quiet is quiet


@pytest.mark.parametrize("level", ["-v", "-d"])
def test_dumps_of_contexts_need_verbose_mode(level: str) -> None:
    files = ["127.0.0.1", "1", "file"]
    parse(options_storescu.TOOL, [*files, "+v", level])
    with pytest.raises(CommandLineError, match=r"^--verbose-pc only allowed with verbose mode$"):
        parse(options_storescu.TOOL, [*files, "+v"])


# --arguments


def test_arguments_text_counts_all_and_lists_those_that_are_not_empty() -> None:
    line = parse(TOOL, ["host", "-t", "", "104", "--arguments"], program="/bin/x")
    assert line.arguments_text == (
        "calling '/bin/x' with 5 arguments: 'host' '--title' '104' '--arguments' \n"
    )
    assert parse(TOOL, REST).arguments_text is None


def test_arguments_text_is_known_once_the_log_level_is() -> None:
    with pytest.raises(CommandLineError) as caught:
        parse(TOOL, [*REST, "--arguments", "-q", "-s", "1"])
    assert caught.value.arguments_text is not None
    with pytest.raises(CommandLineError) as caught:
        parse(TOOL, ["host", "0", "--arguments"])
    assert caught.value.arguments_text is None


# Command files


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", []),
        (" \t\r\n ", []),
        ("a b\tc\r\nd", ["a", "b", "c", "d"]),
        ("'a b' \"c 'd'\"", ["a b", "c 'd'"]),
        ('x"y z"w', ["xy z", "w"]),
        ("''", [""]),
        ("a'' b", ["a", "b"]),
        ("'a b", ["a b"]),
        ("'", []),
        ("a\\ b #c", ["a\\", "b", "#c"]),
        ("@other -t", ["@other", "-t"]),
        ("a\x0bb", ["a\x0bb"]),
    ],
)
def test_command_file_is_split_at_blanks_and_quotes(
    tmp_path: Path, text: str, arguments: list[str]
) -> None:
    file = tmp_path / "arguments"
    file.write_text(text)
    assert expand_command_files(["first", f"@{file}", "last"]) == ["first", *arguments, "last"]


def test_command_file_may_hold_any_bytes(tmp_path: Path) -> None:
    file = tmp_path / "arguments"
    file.write_bytes(b"X\xe9")
    assert expand_command_files([f"@{file}"]) == ["X\udce9"]


@pytest.mark.parametrize("name", ["missing", "a\x00b"])
def test_unreadable_command_file_is_reported_before_anything_else(
    tmp_path: Path, name: str
) -> None:
    path = f"{tmp_path}/{name}"
    assert complaint("--bogus", "-h", f"@{path}") == f"Cannot open command file '{path}'"


def test_directory_as_command_file_holds_no_arguments(tmp_path: Path) -> None:
    assert expand_command_files(["a", f"@{tmp_path}", "@"]) == ["a", "@"]


def test_value_may_come_from_a_command_file(tmp_path: Path) -> None:
    file = tmp_path / "arguments"
    file.write_text("'THE TITLE' 104")
    line = parse(TOOL, ["host", "-t", f"@{file}"])
    assert (line.value("--title"), line.parameters) == ("THE TITLE", ["host", "104"])


# In general


def test_error_is_one_that_callers_of_the_package_know() -> None:
    assert issubclass(CommandLineError, ConfigurationError)


WORDS = st.sampled_from(
    ["-v", "-q", "-h", "-t", "-w", "-s", "-p", "-r", "-g", "-b", "-a", "--dull", "-ll", "@", "-"]
) | st.text(st.characters(exclude_characters="@"), max_size=4)


@given(st.lists(WORDS, max_size=8))
def test_any_command_line_is_read_or_complained_about(argv: list[str]) -> None:
    try:
        line = parse(TOOL, argv)
    except CommandLineError:
        return
    assert len(line.arguments) == len(argv)
    assert line.exclusive is not None or len(line.parameters) >= 2

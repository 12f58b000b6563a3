"""The texts that a tool prints about itself."""

from __future__ import annotations

import re

import pytest

from isocenter import __version__
from isocenter.cli import (
    main,
    options_dcmqrscp,
    options_dcmrecv,
    options_dcmsend,
    options_echoscu,
    options_findscu,
    options_getscu,
    options_movescu,
    options_storescp,
    options_storescu,
    render,
)
from isocenter.cli.manual import MANUALS
from isocenter.cli.render import Style
from isocenter.cli.spec import Group, Option, Parameter, Tool, Value, integer, string

TOOLS = (
    options_dcmqrscp.TOOL,
    options_dcmrecv.TOOL,
    options_dcmsend.TOOL,
    options_echoscu.TOOL,
    options_findscu.TOOL,
    options_getscu.TOOL,
    options_movescu.TOOL,
    options_storescp.TOOL,
    options_storescu.TOOL,
)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_usage_shows_every_name_as_a_word(tool: Tool) -> None:
    shown = {word.strip("[](),;:\"'`") for word in render.usage(tool).split()}
    for option in tool.options():
        assert option.long in shown
        assert not option.short or option.short in shown


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_usage_fits_a_terminal(tool: Tool) -> None:
    assert max(map(len, render.usage(tool).splitlines())) <= 80


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_usage_names_the_default_of_every_block(tool: Tool) -> None:
    for option in tool.options():
        if option.is_default:
            assert "(default)" in option.help_text


def test_usage_is_laid_out_in_columns() -> None:
    tool = Tool(
        "tool",
        "a tool",
        parameters=(
            Parameter("peer", "a peer"),
            Parameter("file", "a file", optional=True, multiple=True),
        ),
        groups=(
            Group("general options", (Option("--help", "-h", "help"),)),
            Group(
                "network options",
                (),
                (
                    Group(
                        "numbers",
                        (
                            Option("--a", "-a", "one\ntwo", integer("n", 1, 9), default="5"),
                            Option("--b", "", "b", string("text"), default="x"),
                            Option("--longer-name", "-c", "c", (Value("n", "integer", minimum=0),)),
                            Option("--d", "+d", "d", default="off", requires=("--a", "--b")),
                            Option("--e", "-e", "e", conflicts=("--a",)),
                        ),
                    ),
                    Group(
                        "words",
                        (Option("--f", "-f", "f", conflicts=("--a",)),),
                        note="not with --a",
                    ),
                ),
            ),
        ),
        evaluation=(),
    )
    assert render.usage(tool) == (
        f"$isocenter: tool v{__version__} {render.RELEASE_DATE} $\n"
        "\n"
        "tool: a tool\n"
        "usage: tool [options] peer [file...]\n"
        "\n"
        "parameters:\n"
        "  peer                   a peer\n"
        "  file                   a file\n"
        "\n"
        "general options:\n"
        "  -h      --help         help\n"
        "network options:\n"
        "  numbers:\n"
        "    -a    --a            n: integer (1..9)\n"
        "                         one\n"
        "                         two\n"
        "                         (default: 5)\n"
        "          --b            text: string (default: x)\n"
        "                         b\n"
        "    -c    --longer-name  n: integer (from 0)\n"
        "                         c\n"
        "    +d    --d            d\n"
        "                         (default: off)\n"
        "                         (only with --a or --b)\n"
        "    -e    --e            e\n"
        "                         (not with --a)\n"
        "  words (not with --a):\n"
        "    -f    --f            f\n"
        "\n"
    )


WORDS = Tool(
    "tool",
    "a tool",
    parameters=(Parameter("peer", "a peer"),),
    groups=(
        Group(
            "things (many)",
            (
                Option(
                    "--a-long-option",
                    "-a",
                    "one two three four five six seven eight nine ten\neleven twelve thirteen",
                    integer("n", 1, 9),
                    default="5",
                ),
                Option("--b", "", "b"),
            ),
        ),
    ),
    evaluation=(),
)


def body(text: str) -> str:
    return text.partition("things (many)")[2].partition(":")[2]


def test_usage_on_a_wide_terminal_uses_its_width() -> None:
    assert body(render.usage(WORDS, Style(width=120))) == (
        "\n"
        "  -a      --a-long-option  n: integer (1..9)\n"
        "                           one two three four five six seven eight nine ten eleven twelve"
        " thirteen (default: 5)\n"
        "          --b              b\n"
        "\n"
    )


def test_usage_on_a_usual_terminal_breaks_at_blanks() -> None:
    assert body(render.usage(WORDS, Style(width=80))) == (
        "\n"
        "  -a      --a-long-option  n: integer (1..9)\n"
        "                           one two three four five six seven eight nine ten\n"
        "                           eleven twelve thirteen (default: 5)\n"
        "          --b              b\n"
        "\n"
    )


def test_usage_on_a_narrow_terminal_says_below_the_names_what_they_do() -> None:
    assert body(render.usage(WORDS, Style(width=60))) == (
        "\n"
        "  -a      --a-long-option\n"
        "              n: integer (1..9)\n"
        "              one two three four five six seven eight nine\n"
        "              ten eleven twelve thirteen (default: 5)\n"
        "          --b\n"
        "              b\n"
        "\n"
    )


def _header(tool: Tool) -> list[str]:
    return render.header(tool).splitlines()


@pytest.mark.parametrize("width", [40, 48, 60, 66, 72, 80, 100, 120, 200])
@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_usage_fits_every_terminal_and_says_the_same_on_each(tool: Tool, width: int) -> None:
    text = render.usage(tool, Style(width=width))
    # Scripts may look for the header, and copy an example.
    whole = [*(command for _, command in MANUALS[tool.name].examples), *_header(tool)]
    lines = [line for line in text.splitlines() if line.strip() not in whole]
    assert max(map(len, lines)) <= width
    assert text.split() == render.usage(tool).split()


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_emphasis_changes_nothing_but_the_escape_sequences(tool: Tool) -> None:
    shown = render.usage(tool, Style(width=80, emphasis=True))
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown) == render.usage(tool, Style(width=80))
    assert "\x1b" not in render.usage(tool, Style(width=80))
    for group in tool.groups:
        assert f"\x1b[1;4m{group.name}" in shown
    for option in tool.options():
        assert f"\x1b[1m{option.long}\x1b[0m" in shown
        assert not option.short or f"\x1b[1m{option.short}\x1b[0m" in shown
    # None reaches over a line's end or over blanks, which a pager would underline.
    for line in shown.splitlines():
        assert line.count("\x1b[1") == line.count("\x1b[0m")


@pytest.mark.parametrize("width", [40, 60])
def test_overview_on_a_terminal_is_wrapped_and_emphasised(width: int) -> None:
    tools = {"sometool": "does what takes quite a number of words to be said about it, as here"}
    shown = render.overview(tools, {"other": "that"}, Style(width=width, emphasis=True))
    assert re.search(r"\x1b\[1;4mtools:\x1b\[0m\n  \x1b\[1msometool\x1b\[0m\s+does what", shown)
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in shown.splitlines()) <= width
    plain = render.overview(main.TOOLS, main.COMMANDS)
    assert "\x1b" not in plain


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_usage_ends_with_examples(tool: Tool) -> None:
    _, _, examples = render.usage(tool).partition("\nexamples:\n")
    manual = MANUALS[tool.name]
    assert 3 <= len(manual.examples) <= 6
    assert examples == "".join(f"  {line}\n      {text}\n" for text, line in manual.examples) + "\n"


def test_error_text_has_header_and_one_line() -> None:
    text = render.error_text(options_storescu.TOOL, "Missing parameter port")
    assert re.fullmatch(
        r"\$isocenter: storescu v[0-9.]+ [0-9]{4}-[0-9]{2}-[0-9]{2} \$\n"
        r"\n"
        r"storescu: DICOM storage \(C-STORE\) SCU\n"
        r"error: Missing parameter port\n",
        text,
    )


def test_error_text_of_an_unknown_option_ends_with_what_was_probably_meant() -> None:
    text = render.error_text(options_storescu.TOOL, "Unknown option --aetitel")
    assert text.endswith("\nerror: Unknown option --aetitel\nhint: did you mean --aetitle?\n")
    text = render.error_text(options_storescu.TOOL, "Unknown option --bogus")
    assert text.endswith("\nerror: Unknown option --bogus\n")


def test_version_text_names_host_and_libraries() -> None:
    lines = render.version_text(options_echoscu.TOOL).splitlines()
    assert lines[0] == render.identifier("echoscu")
    assert [line.split(":")[0] for line in lines[2:9]] == [
        "echoscu",
        "",
        "Host type",
        "Character encoding",
        "Build options",
        "",
        "External libraries used",
    ]
    assert re.fullmatch(r"- ZLIB, Version \S+", lines[9])
    assert re.fullmatch(r"- OpenSSL \S+ .*", lines[10])


def test_many_options_of_a_family_are_named_together() -> None:
    few = ("--a-one", "--a-two", "--b-one", "--a-three", "--a-four", "--c")
    assert render.families(few) == list(few)
    assert render.families((*few, "--a-five")) == ["--a-...", "--b-one", "--c"]
    assert render.families(()) == []

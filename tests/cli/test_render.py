"""The texts that a tool prints about itself."""

from __future__ import annotations

import re

import pytest

from isocenter import __version__
from isocenter.cli import options_echoscu, options_storescp, options_storescu, render
from isocenter.cli.spec import Group, Option, Parameter, Tool, Value, integer, string

TOOLS = (options_echoscu.TOOL, options_storescp.TOOL, options_storescu.TOOL)


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


def test_error_text_has_header_and_one_line() -> None:
    text = render.error_text(options_storescu.TOOL, "Unknown option --x")
    assert re.fullmatch(
        r"\$isocenter: storescu v[0-9.]+ [0-9]{4}-[0-9]{2}-[0-9]{2} \$\n"
        r"\n"
        r"storescu: DICOM storage \(C-STORE\) SCU\n"
        r"error: Unknown option --x\n",
        text,
    )


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
    assert all(re.fullmatch(r"- \w+, Version \S+", line) for line in lines[9:])

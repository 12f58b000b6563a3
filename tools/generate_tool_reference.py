"""Write docs/tools.md: the usage text of every tool, as `--help` prints it.

    python tools/generate_tool_reference.py           write
    python tools/generate_tool_reference.py --check   exit code 1 if the committed file differs

The header line with version and date is left out, so that a release does not change the page.
"""

from __future__ import annotations

import os
import sys

from isocenter.cli import options_echoscu, options_storescp, options_storescu, render

__all__ = ["generate", "main"]

_TARGET = os.path.join(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs", "tools.md"
)

_HEAD = """\
# Options of the tools

Written by `tools/generate_tool_reference.py` from what the tools print with `--help`; do not edit.
`docs/deviations.md` says where a tool behaves differently from DCMTK's of the same name, and which
of DCMTK's options are not offered.
"""


def generate() -> str:
    """Return the page."""
    parts = [_HEAD]
    for tool in (options_echoscu.TOOL, options_storescu.TOOL, options_storescp.TOOL):
        _, _, text = render.usage(tool).partition("usage: ")
        parts.append(
            f"\n## {tool.name}\n\n{tool.description}.\n\n```text\nusage: {text.rstrip()}\n```\n"
        )
    return "".join(parts)


def main(arguments: list[str]) -> int:
    """Write the page, or compare it with what stands there; return the exit code."""
    page = generate()
    if arguments == ["--check"]:
        try:
            with open(_TARGET, encoding="utf-8") as file:
                same = file.read() == page
        except OSError:
            same = False
        if not same:
            print("docs/tools.md is not what tools/generate_tool_reference.py writes")
        return 0 if same else 1
    if arguments:
        print("usage: generate_tool_reference.py [--check]")
        return 1
    with open(_TARGET, "w", encoding="utf-8") as file:
        file.write(page)
    print("wrote docs/tools.md")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

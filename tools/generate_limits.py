"""Writes docs/limits.md: the bounds of `isocenter.limits.Limits`, from the texts that stand there.

tools/generate_limits.py            write it
tools/generate_limits.py --check    say whether it is what would be written
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import NamedTuple

from isocenter.limits import DEFAULTS

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "isocenter" / "limits.py"
PAGE = ROOT / "docs" / "limits.md"

HEAD = """\
# Limits

What a peer, or a file, may make this side bear. All of them are fields of one object,
`isocenter.Limits`, with defaults for which the reason is given; all are inclusive.

```python
limits = isocenter.Limits(maximum_associations=64, maximum_associations_per_peer=16)
server = isocenter.serve(11112, directory="received", limits=limits)
peer = isocenter.connect("pacs", 104, limits=isocenter.Limits(maximum_items=2000))
```

The tools use the defaults; storescp has an option for one, `--max-per-peer`. (DCMTK's
`--max-associations`, with `--fork`, lets further connections wait instead of rejecting them.)
Bounds in time are `-ta`, `-ts` and `-td`; those, and bounds that nobody chooses, are listed under
"Limits" in `docs/architecture.md`.

This page is written by `tools/generate_limits.py`.
"""


class Limit(NamedTuple):
    """One bound."""

    name: str
    default: str
    text: str


def sections() -> list[tuple[str, list[Limit]]]:
    """Return the headings of the object's source and the bounds below each."""
    source = SOURCE.read_text(encoding="utf-8")
    headings = {
        source[: match.start()].count("\n") + 1: match[1]
        for match in re.finditer(r"(?m)^    # --- (.*) ---$", source)
    }
    (record,) = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    found: list[tuple[str, list[Limit]]] = []
    for field, text in zip(record.body, record.body[1:], strict=False):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if not (isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)):
            raise SystemExit(f"{field.target.id} has no text")
        heading = headings[max(line for line in headings if line < field.lineno)]
        if not found or found[-1][0] != heading:
            found.append((heading, []))
        name = field.target.id
        words = " ".join(str(text.value.value).split()).replace("``", "`")
        found[-1][1].append(Limit(name, _shown(name, getattr(DEFAULTS, name)), words))
    return found


def _shown(name: str, value: int | None) -> str:
    if value is None:
        return "none"
    if name.endswith(("_length", "_bytes")):
        for unit, size in (("MiB", 1 << 20), ("KiB", 1 << 10)):
            if value % size == 0:
                return f"{value // size} {unit}"
    return f"{value}"


def page() -> str:
    """Return the page."""
    parts = [HEAD]
    for heading, limits in sections():
        parts.append(
            f"\n## {heading[0].upper()}{heading[1:]}\n\n| Field | Default | |\n|---|--:|---|\n"
        )
        parts.extend(f"| `{name}` | {default} | {text} |\n" for name, default, text in limits)
    return "".join(parts)


def main(arguments: list[str]) -> int:
    """Write the page, or compare it; 1 where it is stale."""
    text = page()
    if arguments == ["--check"]:
        if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
            return 0
        print(f"{PAGE.relative_to(ROOT)} is stale: run tools/generate_limits.py")
        return 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

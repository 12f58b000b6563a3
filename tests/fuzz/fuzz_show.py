"""Fuzz target: `isocenter show` on files of any kind.

The first byte of the input chooses whether values are shown whole; the rest is the file. The tool
ends with 0 and no complaint, or with 1 and one line of it, and whatever it prints is lines of
printable text.
"""

from __future__ import annotations

import contextlib
import io
import re

from isocenter.cli import show
from isocenter.testing.datasets import EXPLICIT_LITTLE, encode_file_meta
from tests.fuzz import fuzz_element_lines, fuzz_part10
from tests.fuzz.files import named
from tests.fuzz.oracle import Limits

LIMITS = Limits(per_byte=1024)
"""What is printed is kept here."""

_ATHERIS = re.compile(r"INFO: Instrumenting .*\n")
"""What Atheris says of modules that are imported when first needed."""


def seeds() -> list[bytes]:
    """Return files in each kind of transfer syntax, and without head or prefix."""
    files = fuzz_part10.seeds()
    head = encode_file_meta("1.2.840.10008.5.1.4.1.1.2", "1.2.3\x1b[31m", EXPLICIT_LITTLE)
    files += [files[0][128:], files[0][132:], files[1].replace(b"1.2.840", b"9.9.999")]
    files += [head + each[1:] for each in fuzz_element_lines.seeds()[-3:]]
    return [bytes((place % 2,)) + content for place, content in enumerate(files)]


def test_one_input(data: bytes) -> None:
    """Show one file and check what is printed."""
    if not data:
        return
    out, complaints = io.StringIO(), io.StringIO()
    options = ["--full"] if data[0] % 2 else []
    with (
        named(data[1:]) as path,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(complaints),
    ):
        code = show.main([*options, path], {})
    said = _ATHERIS.sub("", complaints.getvalue())
    if (code, said.count("\n")) not in {(0, 0), (1, 1)}:
        raise AssertionError(f"ended with {code} and {said!r}")
    for line in (out.getvalue() + said).split("\n"):
        if not line.isprintable():
            raise AssertionError(f"{line!r} is not printable")

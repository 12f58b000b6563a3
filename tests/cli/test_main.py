"""`isocenter TOOL ...` and the console scripts."""

from __future__ import annotations

import os
import subprocess
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from isocenter.cli import logsetup, main
from isocenter.cli.levels import DEBUG, WARN
from isocenter.cli.render import identifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Entry = Callable[[Sequence[str], Mapping[str, str]], int]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Entry], None]:
    """Return a function that puts a stand-in in the place of a tool."""

    def put(tool: str, entry: Entry) -> None:
        module = ModuleType(f"isocenter.cli.{tool}")
        monkeypatch.setattr(module, "main", entry, raising=False)
        monkeypatch.setitem(sys.modules, module.__name__, module)

    return put


@pytest.fixture
def log_level() -> Iterator[Callable[[int], None]]:
    yield logsetup.configure
    logsetup.configure(WARN)


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"]])
def test_no_tool_lists_the_tools(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(argv) == 0
    out, err = capsys.readouterr()
    assert not err
    for tool, purpose in main.TOOLS.items():
        assert f"  {tool}  " in out
        assert purpose in out
    assert max(map(len, out.splitlines())) <= 80


def test_version_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--version"]) == 0
    assert capsys.readouterr().out == identifier("isocenter") + "\n"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("storesuc", "hint: did you mean storescu?\n"),
        ("STORESCP", "hint: did you mean storescp?\n"),
        ("complete", "hint: did you mean completion?\n"),
        ("--bogus", ""),
        ("", ""),
    ],
)
def test_unknown_tool_is_told_on_stderr_with_what_was_meant(
    name: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main([name, "--help"]) == 1
    out, err = capsys.readouterr()
    assert not out
    known = ", ".join((*main.TOOLS, *main.COMMANDS))
    assert err == f"isocenter: unknown tool '{name}', known are {known}\n{hint}"


@pytest.mark.parametrize("tool", sorted(main.TOOLS))
def test_tool_gets_its_arguments_and_the_environment(
    tool: str, install: Callable[[str, Entry], None]
) -> None:
    seen: list[tuple[list[str], Mapping[str, str]]] = []

    def entry(argv: Sequence[str], env: Mapping[str, str]) -> int:
        seen.append((list(argv), env))
        return 42

    install(tool, entry)
    assert main.main([tool, "-v", "host"]) == 42
    assert seen == [(["-v", "host"], os.environ)]


@pytest.mark.parametrize(
    ("tool", "script"),
    [
        ("dcmqrscp", main.dcmqrscp),
        ("dcmrecv", main.dcmrecv),
        ("dcmsend", main.dcmsend),
        ("echoscu", main.echoscu),
        ("findscu", main.findscu),
        ("getscu", main.getscu),
        ("movescu", main.movescu),
        ("storescp", main.storescp),
        ("storescu", main.storescu),
    ],
)
def test_console_script_runs_its_tool(
    tool: str,
    script: Callable[[], int],
    install: Callable[[str, Entry], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", [f"/usr/bin/{tool}", "-q", "x"])
    install(tool, lambda argv, env: len(argv) + 5 if env is os.environ else 0)
    assert script() == 7


def failing(argv: Sequence[str], env: Mapping[str, str]) -> int:
    raise ZeroDivisionError(*argv)


def test_unexpected_error_is_one_line(
    install: Callable[[str, Entry], None],
    log_level: Callable[[int], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    log_level(WARN)
    install("echoscu", failing)
    assert main.main(["echoscu", "why\nF: forged"]) == 1
    assert capsys.readouterr().err == (
        "F: echoscu: unexpected error, use --debug for details: "
        "ZeroDivisionError: why\\x0aF: forged\n"
    )


def test_unexpected_error_is_a_traceback_at_debug_level(
    install: Callable[[str, Entry], None], log_level: Callable[[int], None]
) -> None:
    log_level(DEBUG)
    install("echoscu", failing)
    with pytest.raises(ZeroDivisionError):
        main.main(["echoscu"])


def run(code: str, *, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
        check=False,
    )


STAND_IN = """
import sys
from types import ModuleType
from isocenter.cli.main import main
module = ModuleType("isocenter.cli.echoscu")
def entry(argv, env):
    {body}
module.main = entry
sys.modules[module.__name__] = module
sys.exit(main(["echoscu"]))
"""


@pytest.mark.slow
def test_reader_that_has_gone_is_not_complained_about() -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        code = "import sys; from isocenter.cli.main import main; sys.exit(main([]))"
        result = run(code, stdout=write)
    finally:
        os.close(write)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.slow
def test_interrupted_tool_ends_by_the_signal_without_traceback() -> None:
    result = run(STAND_IN.format(body="raise KeyboardInterrupt"))
    assert (result.returncode, result.stderr) == (-2, "")


@pytest.mark.slow
def test_package_can_be_run_as_a_module() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "isocenter", "--version"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (result.returncode, result.stdout) == (0, identifier("isocenter") + "\n")


HEAVY = ("argparse", "asyncio", "dataclasses", "inspect", "logging", "pydicom", "ssl", "typing")

# What coverage measurement loads before the first line does not count.
PROBE = f"""
import sys
before = set(sys.modules)
from isocenter.cli import (
    options_archive, options_dcmqrscp, options_dcmrecv, options_dcmsend, options_echoscu,
    options_findscu, options_getscu,
    options_movescu, options_storescp, options_storescu,
)
from isocenter.cli.start import start
for tool in (
    options_archive.TOOL, options_dcmqrscp.TOOL,
    options_dcmrecv.TOOL, options_dcmsend.TOOL, options_echoscu.TOOL, options_findscu.TOOL,
    options_getscu.TOOL, options_movescu.TOOL, options_storescp.TOOL, options_storescu.TOOL,
):
    assert start(tool, ["--help"]) == start(tool, ["--version"]) == 0
print(*sorted((set(sys.modules) - before) & {set(HEAVY)!r}), file=sys.stderr)
"""


@pytest.mark.slow
def test_help_and_version_import_nothing_heavy() -> None:
    result = subprocess.run(
        [sys.executable, "-I", "-c", PROBE], capture_output=True, text=True, timeout=30, check=True
    )
    assert result.stderr.split() == []

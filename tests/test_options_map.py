"""options.toml names a test for every option, and an option that is ignored cannot pass.

The second runs themselves, each without its option, stand beside the tests that are named
(tests/support/dropping).
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.main import TOOLS
from tests.peers import ROOT
from tests.support.dropping.plugin import read_map

if TYPE_CHECKING:
    from pathlib import Path

MAP = ROOT / "tests" / "options.toml"


def test_every_tool_has_a_table() -> None:
    assert sorted(read_map(MAP)) == sorted(TOOLS)


@pytest.mark.parametrize("tool", TOOLS)
def test_every_option_has_a_test_and_every_test_an_option(tool: str) -> None:
    options = [
        option.long for option in import_module(f"isocenter.cli.options_{tool}").TOOL.options()
    ]
    assert sorted(read_map(MAP)[tool]) == sorted(options)


def pytest_lines(*arguments: str | Path, cwd: Path = ROOT) -> list[str]:
    """Return what pytest prints, run on its own."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
    done = subprocess.run(
        [*command, *arguments],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "COLUMNS": "300"},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=50,
        check=False,
    )
    return (done.stdout + done.stderr).splitlines()


@pytest.mark.slow
def test_every_test_named_is_found_and_runs_without_its_option() -> None:
    """A test that was renamed leaves no option unshown."""
    wanted = set()
    for rows in read_map(MAP).values():
        for option, test in rows.items():
            name, bracket, case = test.partition("[")
            wanted.add(f"{name} without {option}{bracket}{case}")
    files = sorted({test.partition("::")[0] for test in wanted})
    found = pytest_lines("--collect-only", "-m", "dropped", *files)
    assert sorted(wanted) == sorted(line for line in found if "::" in line)


PLANTED_TESTS = '''
import sys
import time

import pytest

from isocenter.cli.groups import general_group
from isocenter.cli.parser import parse
from isocenter.cli.spec import LOGGING, Group, Option, Parameter, Tool, string
from tests.support.processes import run

NAMES = ["honoured", "ignored", "absent", "crashing", "slow", "elsewhere", "sometimes", "skipping"]
OPTIONS = tuple(Option(f"--{name}", "", "") for name in NAMES)
VALUED = Option("--valued", "", "", string("word"), default="default")
TOOL = Tool(
    "planted",
    "a tool for this test",
    parameters=(Parameter("word", ""),),
    groups=(general_group(verbose_pc=False), Group("options", (*OPTIONS, VALUED))),
    evaluation=(LOGGING,),
)


def test_honoured():
    assert parse(TOOL, ["--honoured", "word"]).given("--honoured")


def test_valued():
    assert parse(TOOL, ["--valued", "other", "word"]).value("--valued") == "other"


def test_ignored():
    line = parse(TOOL, ["--ignored", "word"])
    assert line.parameters == ["word"]


def test_absent():
    assert parse(TOOL, ["word"]).parameters == ["word"]


def test_crashing():
    assert [] == [] and {True: 1}[parse(TOOL, ["--crashing", "word"]).given("--crashing")]


def test_slow():
    while not parse(TOOL, ["--slow", "word"]).given("--slow"):
        time.sleep(0.01)


def test_elsewhere():
    """The parser is that of another process."""
    script = "from planted import *; print(parse(TOOL, ['--elsewhere', 'w']).given('--elsewhere'))"
    assert run([sys.executable, "-c", script]).stdout == "True\\n"


def test_skipping():
    if not parse(TOOL, ["--skipping", "word"]).given("--skipping"):
        pytest.skip("no peer")


@pytest.fixture
def broken():
    line = parse(TOOL, ["--sometimes", "word"])
    assert line.given("--sometimes")


def test_sometimes(broken):
    pass
'''

PLANTED_CONFTEST = """
from pathlib import Path

from tests.support.dropping import plugin

plugin.LIMIT = 4.0


def pytest_configure(config):
    config.pluginmanager.register(plugin.Dropping(Path(__file__).parent / "options.toml"))
"""

VERDICTS = {
    "honoured": "PASSED",
    "valued": "PASSED",
    "elsewhere": "PASSED",
    "ignored": "FAILED: passes: it shows no effect of the option, or there is none",
    "absent": "FAILED: passes: it never gave that option",
    "crashing": "FAILED: fails for another reason than its assertions: KeyError(False)",
    "skipping": "FAILED: does not fail but skips: no peer",
    "slow": "FAILED: Timeout (>4.0s)",
    "sometimes": "ERROR: AssertionError",
}
"""Name of an option to what becomes of its test without it."""


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Run the planted tests, twice each."""
    folder = tmp_path_factory.mktemp("planted")
    (folder / "planted.py").write_text(PLANTED_TESTS)
    (folder / "test_planted.py").write_text("from planted import *\n")
    (folder / "conftest.py").write_text(PLANTED_CONFTEST)
    rows = [f'"--{name}" = "test_planted.py::test_{name}"\n' for name in VERDICTS]
    (folder / "options.toml").write_text("[planted]\n" + "".join(rows))
    return pytest_lines("-rA", "--rootdir", folder, "-c", "/dev/null", cwd=folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", VERDICTS)
def test_option_passes_only_where_its_test_misses_it(name: str, verdicts: list[str]) -> None:
    again = f"test_planted.py::test_{name} without --{name}"
    about = [line for line in verdicts if again in line]
    expected = VERDICTS[name]
    assert [line.partition(" ")[0] for line in about] == [expected.partition(": ")[0]]
    assert expected.partition(": ")[2] in about[0]

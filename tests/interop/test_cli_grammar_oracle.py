"""The same command line given to DCMTK's tool and to ours: same complaint, same exit code.

Nothing is sent: what is accepted ends at a missing file, a missing directory or a port of
the loopback address where nobody listens.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest

from isocenter.cli import options_echoscu, options_storescp, options_storescu
from isocenter.cli.exitcodes import ExitCode
from isocenter.cli.start import start

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.interop, pytest.mark.peer("dcmtk")]

TOOLS = {
    "echoscu": options_echoscu.TOOL,
    "storescp": options_storescp.TOOL,
    "storescu": options_storescu.TOOL,
}

STORESCU = "127.0.0.1 1 /nonexistent/file"
STORESCP = "-od /nonexistent/directory 65535"
ECHOSCU = "127.0.0.1 1"

# One row per command line, split at blanks; '' stands for an empty argument, _ for a blank
# inside one, \t for a tab. The files that @ names are made by the fixture below.
SAME = f"""
storescu
storescu --help
storescu -h --version
storescu --version -h
storescu --version
storescu --version 127.0.0.1
storescu --version --bogus
storescu --help --bogus
storescu --help -aet
storescu -q -h
storescu --bogus
storescu -bogus
storescu +bogus {STORESCU}
storescu -q --bogus
storescu --
storescu -- {STORESCU}
storescu -
storescu +
storescu - - -
storescu -5
storescu 127.0.0.1 +104 /nonexistent/file
storescu ''
storescu '' ''
storescu '' 1 ''
storescu 127.0.0.1
storescu 127.0.0.1 1
storescu -q
storescu -v 127.0.0.1
storescu {STORESCU}
storescu {STORESCU} -v
storescu -v {STORESCU} another -aet ME
storescu -aet
storescu {STORESCU} -aet
storescu -q -aet
storescu -aet -v {STORESCU}
storescu -aet --bogus {STORESCU}
storescu -aet '' {STORESCU}
storescu -aet=ME {STORESCU}
storescu --aetitle=ME {STORESCU}
storescu --aet ME {STORESCU}
storescu -aetME {STORESCU}
storescu -vd {STORESCU}
storescu --max {STORESCU}
storescu 127.0.0.1 0 x
storescu 127.0.0.1 65535 /nonexistent/file
storescu 127.0.0.1 65536 x
storescu 127.0.0.1 99999999999999999999 x
storescu 127.0.0.1 -1 x
storescu 127.0.0.1 _-1 x
storescu 127.0.0.1 _12 /nonexistent/file
storescu 127.0.0.1 port x
storescu 127.0.0.1 12port /nonexistent/file
storescu 127.0.0.1 0x50 x
storescu 127.0.0.1 '' x
storescu -q 127.0.0.1 port x
storescu --arguments 127.0.0.1 port x
storescu -pdu 4095 {STORESCU}
storescu -pdu 4096 {STORESCU}
storescu -pdu 131072 {STORESCU}
storescu -pdu 131073 {STORESCU}
storescu -pdu 16384xyz {STORESCU}
storescu -pdu xyz {STORESCU}
storescu -pdu '' {STORESCU}
storescu -pdu -5 {STORESCU}
storescu -pdu _-16384 {STORESCU}
storescu -pdu \\t-5 {STORESCU}
storescu -pdu 0x4000 {STORESCU}
storescu -pdu 99999999999999999999999999 {STORESCU}
storescu -pdu 1 -pdu 16384 {STORESCU}
storescu -pdu 16384 -pdu 1 {STORESCU}
storescu --max-send-pdu 1 {STORESCU}
storescu --max-send-pdu 4096 {STORESCU}
storescu -q -pdu 1 {STORESCU}
storescu -pdu 1 {STORESCU} -q
storescu -ll fatal -pdu 1 {STORESCU}
storescu -ll off -pdu 1 {STORESCU}
storescu -ll error -pdu 1 {STORESCU}
storescu -q -v -pdu 1 {STORESCU}
storescu -v -d -q -pdu 1 {STORESCU}
storescu -to 0 {STORESCU}
storescu -to -5 {STORESCU}
storescu -to 0x1 {STORESCU}
storescu -to 08 {STORESCU}
storescu -to + {STORESCU}
storescu -to _+5 {STORESCU}
storescu -ts -1 {STORESCU}
storescu -ts -2 {STORESCU}
storescu -ts -0x2 {STORESCU}
storescu -ts 0x {STORESCU}
storescu -ta 0 {STORESCU}
storescu -td 0 {STORESCU}
storescu -td 99999999999999999999999999 {STORESCU}
storescu --repeat 0 {STORESCU}
storescu --repeat -1 {STORESCU}
storescu -to 0 -ta 0 -pdu 1 {STORESCU}
storescu -pdu 1 -td 0 {STORESCU}
storescu +v {STORESCU}
storescu +v -v {STORESCU}
storescu +v -q {STORESCU}
storescu +v -ll info {STORESCU}
storescu +v -ll warn {STORESCU}
storescu -ll INFO {STORESCU}
storescu -ll foo {STORESCU}
storescu -ll '' {STORESCU}
storescu -ll foo -v {STORESCU}
storescu -ll info -q {STORESCU}
storescu -ll foo -ll info {STORESCU}
storescu -ll foo -pdu 1 {STORESCU}
storescu +sp *.dcm {STORESCU}
storescu +sp *.dcm +sd {STORESCU}
storescu +r {STORESCU}
storescu +r -r {STORESCU}
storescu -r +r {STORESCU}
storescu +r +sd {STORESCU}
storescu +r -r +r {STORESCU}
storescu +f +fo {STORESCU}
storescu -xe -xb -x= {STORESCU}
storescu -x= -xs -R +C -nh --abort {STORESCU}
storescu @
storescu @/nonexistent/arguments
storescu -aet @/nonexistent/arguments
storescu --bogus @/nonexistent/arguments
storescu --help @/nonexistent/arguments
storescu -q @/nonexistent/arguments
storescu @empty
storescu @.
storescu @good
storescu @quoted
storescu @nested
storescu @unterminated
storescu -v @good -pdu 1
storescu -pdu @number {STORESCU}
echoscu
echoscu --help
echoscu -d
echoscu 127.0.0.1
echoscu 127.0.0.1 1 extra
echoscu 127.0.0.1 0
echoscu +v {ECHOSCU}
echoscu -ppc 0 {ECHOSCU}
echoscu -ppc 129 {ECHOSCU}
echoscu -ppc 128 {ECHOSCU}
echoscu -pts 0 {ECHOSCU}
echoscu -pts 38 {ECHOSCU}
echoscu -pts 54 {ECHOSCU}
echoscu --repeat 0 -ppc 0 {ECHOSCU}
echoscu -ppc 0 --repeat 0 {ECHOSCU}
echoscu -td 0 -pdu 1 {ECHOSCU}
echoscu {ECHOSCU}
storescp
storescp -v
storescp -q
storescp --help
storescp --version 1
storescp 1 2
storescp 0
storescp 65536
storescp {STORESCP}
storescp {STORESCP} --fork
storescp {STORESCP} --fork --single-process
storescp {STORESCP} +v
storescp {STORESCP} +v -d
storescp {STORESCP} -aet
storescp {STORESCP} +xa +xs +x=
storescp {STORESCP} --sleep-after -5
storescp {STORESCP} --sleep-after 0
storescp {STORESCP} --sleep-during x
storescp {STORESCP} -ta 0
storescp {STORESCP} -ts -2 -pdu 1
storescp {STORESCP} -pdu 1 -ts -2
storescp {STORESCP} -td 0 -q
storescp {STORESCP} -fe '' -uf +B
storescp {STORESCP} --refuse --reject --ignore --abort-after --abort-during -pm
storescp {STORESCP} -ss
storescp {STORESCP} -ss P
storescp {STORESCP} -ss P -su Q -sp
storescp {STORESCP} -sp -su '' -ss ''
storescp {STORESCP} +B -ss P
storescp {STORESCP} -su P +B
storescp {STORESCP} -sp -su P +B
storescp {STORESCP} +B -sp -xcs x --fork
storescp {STORESCP} -tn +uf
storescp {STORESCP} +uf -uf -tn
storescp {STORESCP} -tn +uf -ss P +B
storescp {STORESCP} -tn +uf -xcs x
storescp {STORESCP} -xcr
storescp {STORESCP} -xcr ''
storescp {STORESCP} -xcr x --fork -xs
storescp {STORESCP} -xcs x
storescp {STORESCP} -xcs x -sp
storescp {STORESCP} -xcs x --fork
storescp {STORESCP} -xcs x --fork -sp
storescp {STORESCP} -rns
storescp {STORESCP} -rns -su P
storescp {STORESCP} -rns --fork -xcs x -ss P
storescp {STORESCP} -rns --fork --single-process -ss P
storescp {STORESCP} -tos 5
storescp {STORESCP} -tos 5 -rns
storescp {STORESCP} -tos 5 -ss P
storescp {STORESCP} -tos 0 -sp --fork
storescp {STORESCP} -tos -1 -ss P
storescp {STORESCP} -tos x -ss P
storescp {STORESCP} -xs
"""


class Difference(NamedTuple):
    """A command line on which the two are meant to differ."""

    line: str
    ours: str
    theirs: str
    reason: str


DIFFERENT = [
    Difference(
        f"storescp {STORESCP} --fork --max-associations 0",
        "error: Invalid value for option --max-associations (underflow: 0)",
        "error: Unknown option --max-associations",
        "since 3.7.0",
    ),
    Difference(
        f"storescp {STORESCP} --max-associations 3",
        "error: --max-associations only allowed with --fork",
        "error: Unknown option --max-associations",
        "since 3.7.0",
    ),
    Difference(
        f"storescp {STORESCP} -i4 -i6 -i0",
        "accepted",
        "error: Unknown option -i4",
        "since 3.7.0",
    ),
    Difference(f"storescu -i6 {STORESCU}", "accepted", "error: Unknown option -i6", "since 3.6.9"),
    Difference(f"echoscu -i0 {ECHOSCU}", "accepted", "error: Unknown option -i0", "since 3.6.9"),
    Difference(
        f"echoscu -pts 53 {ECHOSCU}",
        "accepted",
        "error: Invalid value for option --propose-ts (overflow: 53)",
        "3.6.7 knows 38 transfer syntaxes, 3.7.0 knows 53",
    ),
    Difference(
        f"storescu --max-ops 65 {STORESCU}",
        "error: Invalid value for option --max-ops (overflow: 65)",
        "error: Unknown option --max-ops",
        "an option of our own",
    ),
    Difference(
        f"storescp {STORESCP} --workers 2 --fork",
        "error: --workers not allowed with --fork",
        "error: Unknown option --workers",
        "an option of our own",
    ),
]

COMMAND_FILES = {
    "empty": " \n\t\r\n",
    "good": f"-v\n  -aet\tME\r\n{STORESCU}",
    "quoted": '-aet \'A B\' -aec x"y z"127.0.0.1 "1" /nonexistent/\'a file\' ""',
    "nested": "@good 127.0.0.1 1",
    "unterminated": "127.0.0.1 1 'x -bogus",
    "number": "1x",
}


def words(line: str) -> list[str]:
    return [
        "" if word == "''" else word.replace("_", " ").replace("\\t", "\t")
        for word in line.split(" ")
    ]


def outcome(code: int, out: str, err: str) -> str:
    """Name what became of a command line, in one line of text."""
    if "\nusage: " in out:
        return f"usage, exit {code}"
    if "\nExternal libraries used:" in out:
        return f"version, exit {code}"
    for line in err.splitlines():
        if line.startswith("error: "):
            assert code == 1
            return line
    if not err and not out:
        return f"silence, exit {code}"
    return "accepted"


@pytest.fixture
def arguments_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in COMMAND_FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_theirs(program: str, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=20, check=False
    )


def run_ours(tool: str, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    result = start(TOOLS[tool], arguments)
    out, err = capsys.readouterr()
    return outcome(result, out, err) if isinstance(result, ExitCode) else "accepted"


@pytest.mark.usefixtures("arguments_folder")
@pytest.mark.parametrize("line", SAME.strip().split("\n"))
def test_command_line_fares_as_with_dcmtk(
    line: str, peer_tool: Callable[[str, str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    tool, *arguments = words(line)
    run = run_theirs(peer_tool("dcmtk", tool), arguments)
    theirs = outcome(run.returncode, run.stdout, run.stderr)
    assert run_ours(tool, arguments, capsys) == theirs


@pytest.mark.parametrize("row", DIFFERENT, ids=lambda row: row.line)
def test_documented_difference_is_still_one(
    row: Difference, peer_tool: Callable[[str, str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    tool, *arguments = words(row.line)
    run = run_theirs(peer_tool("dcmtk", tool), arguments)
    if "v3.6.7 " in run_theirs(peer_tool("dcmtk", tool), ["--version"]).stdout:
        assert outcome(run.returncode, run.stdout, run.stderr) == row.theirs, row.reason
    assert run_ours(tool, arguments, capsys) == row.ours, row.reason


@pytest.mark.usefixtures("arguments_folder")
@pytest.mark.parametrize(
    "line",
    [
        f"storescu --arguments -aet '' -nh {STORESCU}",
        f"storescu -q --arguments {STORESCU}",
        "storescu --arguments @quoted",
        f"storescu --arguments -pdu 1 {STORESCU}",
        f"storescu --arguments -q -pdu 1 {STORESCU}",
    ],
)
def test_expanded_command_line_is_shown_as_by_dcmtk(
    line: str, peer_tool: Callable[[str, str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    tool, *arguments = words(line)
    program = peer_tool("dcmtk", tool)
    theirs = run_theirs(program, arguments).stderr.splitlines()[:2]
    start(TOOLS[tool], arguments, program=program)
    assert capsys.readouterr().err.splitlines()[:2] == theirs

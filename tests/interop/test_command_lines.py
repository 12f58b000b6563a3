"""The table of command lines, good and bad: exit code and error text, for ours and the oracle.

`tests/data/command_lines.txt` has most of it; what follows a rule for many options (conversion
against compressed transfer, profiles against preferences) is made here from the option letters.
What differs on purpose, or between the releases, stands in OTHERWISE with the reason.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from isocenter.cli import (
    options_dcmrecv,
    options_dcmsend,
    options_echoscu,
    options_findscu,
    options_getscu,
    options_movescu,
    options_storescp,
    options_storescu,
)
from isocenter.cli.exitcodes import ExitCode
from isocenter.cli.start import start
from isocenter.testing import ct_image
from tests import peers
from tests.support.ports import free_port
from tests.support.processes import run

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow, pytest.mark.interop]

DATA = Path(__file__).resolve().parents[1] / "data" / "command_lines.txt"
TOOLS = {tool.name: tool for tool in (options_echoscu.TOOL, options_storescp.TOOL)}
TOOLS |= {tool.name: tool for tool in (options_storescu.TOOL, options_dcmrecv.TOOL)}
TOOLS |= {tool.name: tool for tool in (options_dcmsend.TOOL, options_findscu.TOOL)}
TOOLS |= {tool.name: tool for tool in (options_getscu.TOOL, options_movescu.TOOL)}
REFUSED = "F: Association Request Failed: 0006:031c TCP Initialization Error: Connection refused"
NOT_NEGOTIATED = (
    "F: cannot negotiate network association: TCP Initialization Error: Connection refused"
)
NO_PEER = "F: Association Request Failed:"
NO_DIRECTORY = "F: specified output directory does not exist"
NO_PLACE = "F: cannot specify output directory: Directory does not exist"


class Row(NamedTuple):
    """A command line and what becomes of it: exit code and text; what the oracle says, if else."""

    line: str
    code: int
    text: str
    theirs: str | None = None
    reason: str = ""


class Fate(NamedTuple):
    """What became of a command line."""

    code: int
    text: str


def _read() -> Iterator[Row]:
    """Yield the rows of the file."""
    code, text = 0, ""
    for line in DATA.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        if line.startswith("    "):
            yield Row(line.strip(), code, text)
        else:
            number, _, text = line.partition(" ")
            code = int(number)


COMPRESSED = {
    "s": "lossless",
    "y": "jpeg8",
    "x": "jpeg12",
    "v": "j2k-lossless",
    "w": "j2k-lossy",
    "t": "jls-lossless",
    "u": "jls-lossy",
    "m": "mpeg2",
    "h": "mpeg2-high",
    "n": "mpeg4",
    "l": "mpeg4-bd",
    "2": "mpeg4-2-2d",
    "3": "mpeg4-2-3d",
    "o": "mpeg4-2-st",
    "4": "hevc",
    "5": "hevc10",
    "r": "rle",
}
PLAIN = {"e": "little", "b": "big", "i": "implicit", "d": "deflated"}
WRITTEN = {"e": "little", "b": "big", "i": "implicit", "d": "deflated"}


def _conversions() -> Iterator[Row]:
    """Yield what a receiver says to a conversion with each preference (dcmtk-facts 2.4)."""
    for place, code, accepted in (("storescp SP", 1, NO_DIRECTORY), ("movescu FQ", 61, NO_PEER)):
        for letter, written in WRITTEN.items():
            option = f"--write-xfer-{written}"
            for preference, name in COMPRESSED.items():
                text = f"error: {option} not allowed with --prefer-{name}"
                yield Row(f"{place} +x{preference} +t{letter}", 1, text)
            for preference in (*PLAIN, "="):
                yield Row(f"{place} +x{preference} +t{letter}", code, accepted)
            text = f"error: {option} not allowed with --accept-all"
            yield Row(f"{place} +xa +t{letter}", 1, text)
            text = f"error: {option} not allowed with --bit-preserving"
            yield Row(f"{place} +B +t{letter}", 1, text)


def _profiles() -> Iterator[Row]:
    """Yield what is said to a profile beside a choice of transfer syntaxes."""
    for letter, name in (COMPRESSED | PLAIN).items():
        text = "error: --config-file not allowed with --"
        line = f"storescu -xf PROFILES Default -x{letter} SU"
        yield Row(line, 1, f"{text}propose-{name}")
        line = f"storescp -xf PROFILES Default +x{letter} SP"
        yield Row(line, 1, f"{text}implicit" if letter == "i" else f"{text}prefer-{name}")


UNKNOWN = "error: Unknown option "
OTHERWISE = [
    Row(f"{tool} {option} {place}", 1, text, re.escape(UNKNOWN + option), "since 3.6.9 and 3.7.0")
    for tool, place, text in (
        ("storescu", "SU", REFUSED),
        ("echoscu", "EC", REFUSED),
        ("storescp", "SP", NO_DIRECTORY),
    )
    for option in ("-i4", "-i0")
]
OTHERWISE += [
    Row(
        "storescp SP --max-associations 2",
        1,
        "error: --max-associations only allowed with --fork",
        UNKNOWN + "--max-associations",
        "since 3.7.0",
    ),
    Row(
        "storescp SP --fork --max-associations 0",
        1,
        "error: Invalid value for option --max-associations (underflow: 0)",
        UNKNOWN + "--max-associations",
        "since 3.7.0",
    ),
    Row(
        "storescp SP --fork --max-associations 2",
        1,
        NO_DIRECTORY,
        UNKNOWN + "--max-associations",
        "since 3.7.0",
    ),
    Row(
        "storescp SP --max-associations 2 --fork --single-process",
        1,
        "error: --max-associations only allowed with --fork",
        UNKNOWN + "--max-associations",
        "since 3.7.0",
    ),
    Row(
        "echoscu -pts 53 EC",
        1,
        REFUSED,
        r"error: Invalid value for option --propose-ts \(overflow: 53\)",
        "3.6.7 knows 38 transfer syntaxes",
    ),
    Row(
        "storescu -R 127.0.0.1 PORT good",
        1,
        "F: missing SOP class (or instance) in file: good: not a DICOM file",
        "E: DcmElement: Unknown Tag & Data .*",
        "the oracle's parser speaks first; ours gives the reason in the same line",
    ),
    Row(
        "storescu +fo -R 127.0.0.1 PORT good",
        1,
        "F: missing SOP class (or instance) in file: good: not a DICOM file",
        r"F: missing SOP class \(or instance\) in file: good",
        "as above",
    ),
    Row(
        "storescu -R -nh 127.0.0.1 PORT good",
        1,
        "W: missing SOP class (or instance) in file: good: not a DICOM file, ignoring file",
        "E: DcmElement: Unknown Tag & Data .*",
        "as above",
    ),
]
NO_FILE = (
    "E: Unable to parse association configuration file: /nonexistent/file: "
    "unable to open configuration file: /nonexistent/file"
)
NO_PROFILE = (
    'E: No association profile named "nobody" in association configuration, did you forget to add '
    "presentation contexts?"
)
OTHERWISE += [
    Row(line, 66, f"{text} ({remark})", re.escape(text), "it says what there is")
    for line, text, remark in (
        (
            "dcmrecv -xf NOWHERE x PORT",
            NO_FILE,
            "No such file or directory; built-in are dcmqrprf.cfg, storescp.cfg, storescu.cfg",
        ),
        (
            "dcmrecv -xf PROFILES nobody PORT",
            NO_PROFILE,
            "unknown configuration profile name: NOBODY (profiles.cfg has DEFAULT)",
        ),
    )
]
_IDENTITY = "error: --{} only allowed with --user"
OWN = [
    *(
        Row(f"findscu {option} FQ", 2, REFUSED.replace("F: ", "E: "))
        for option in ("-i4", "-i0", "--json")
    ),
    Row("dcmsend -i4 SU", 61, NOT_NEGOTIATED),
    Row("dcmsend -i0 SU", 61, NOT_NEGOTIATED),
    Row("dcmsend --stream SU", 61, NOT_NEGOTIATED),
    Row("dcmsend --stream -ma +ma SU", 61, NOT_NEGOTIATED),
    Row("dcmsend --stream -ma SU", 1, "error: --stream not allowed with --single-association"),
    Row("dcmsend -usr joe -pwd p SU", 61, NOT_NEGOTIATED),
    Row("dcmsend -pwd p SU", 1, _IDENTITY.format("password")),
    Row("dcmsend -epw SU", 1, _IDENTITY.format("empty-password")),
    Row(
        "dcmsend -rsp SU",
        1,
        "error: --pos-response only allowed with --user, --kerberos, --saml or --jwt",
    ),
    Row("dcmsend +pw x SU", 1, "error: --use-passwd only allowed with --enable-tls"),
    Row(
        "dcmsend +cf x SU",
        1,
        "error: --add-cert-file only allowed with --enable-tls or --anonymous-tls",
    ),
    Row(
        "dcmsend +tls NOWHERE NOWHERE SU",
        60,
        "F: 000b:0004 Unable to load private TLS key from '/nonexistent/file' "
        "(No such file or directory)",
    ),
    Row("dcmrecv -i4 DR", 45, NO_PLACE),
    Row("dcmrecv -i0 DR", 45, NO_PLACE),
    Row("dcmrecv DR --workers 0", 1, "error: Invalid value for option --workers (underflow: 0)"),
    Row("dcmrecv DR --durable --ignore", 1, "error: --durable not allowed with --ignore"),
    Row("dcmrecv DR --on-duplicate", 1, "error: Missing value for option --on-duplicate"),
    Row("storescu --max-ops 0 SU", 1, "error: Invalid value for option --max-ops (underflow: 0)"),
    Row("storescu --max-ops 65 SU", 1, "error: Invalid value for option --max-ops (overflow: 65)"),
    Row("storescu --max-ops 64 SU", 1, REFUSED),
    Row("storescp SP --workers 0", 1, "error: Invalid value for option --workers (underflow: 0)"),
    Row("storescp SP --workers 2 --fork", 1, "error: --workers not allowed with --fork"),
    Row("storescp SP --workers 2 --fork --single-process", 1, NO_DIRECTORY),
    Row("storescp SP --min-free -1", 1, "error: Invalid value for option --min-free (-1)"),
    Row("storescp SP --on-duplicate", 1, "error: Missing value for option --on-duplicate"),
]
"""Options that DCMTK's tools do not have."""

_ANSWER = "error: --pos-response only allowed with --user, --kerberos, --saml or --jwt"
OTHERWISE += [
    Row(line, 1, _ANSWER, _ANSWER.replace(", --saml or --jwt", " or --saml"), "3.6.7 has no --jwt")
    for line in ("storescu -rsp SU", "storescu SU --pos-response")
]
OTHERWISE += [
    Row(
        "storescu -usr joe -pwd p -epw SU",
        1,
        REFUSED,
        "error: --empty-password only allowed with --user",
        "of alternatives the rightmost wins",
    ),
    Row(
        "storescu --jwt . SU",
        1,
        "E: Unable to open Kerberos, SAML or JWT file: Is a directory",
        "E: Unable to read Kerberos, SAML or JWT info from file: File empty[?]",
        "it says what is wrong",
    ),
]

_DEFLATED = "error: --compression-level only allowed with --propose-deflated or --config-file"
OTHERWISE += [
    Row(line, 1, _DEFLATED)
    for line in ("storescu +cl 6 SU", "storescu +cl 99 SU", "storescu -xd -xe +cl 9 SU")
]


def _tls() -> Iterator[Row]:
    """Yield what options for TLS need that 3.6.7 has not, or says otherwise."""
    either = "--enable-tls or --anonymous-tls"
    for tool, place, stack, name in (
        ("storescu", "SU", either, "--request-sni"),
        ("echoscu", "EC", either, "--request-sni"),
        ("findscu", "FQ", either, "--request-sni"),
        ("getscu", "FQ", either, "--request-sni"),
        ("movescu", "FQ", "--enable-tls", "--request-sni"),
        ("movescu", "FQ", "--enable-tls", "--expect-sni"),
        ("storescp", "SP", "--enable-tls", "--expect-sni"),
        ("dcmrecv", "DR", "--enable-tls", "--expect-sni"),
    ):
        newer = {"+pg": "--profile-8996", "+pm": "--profile-8996-mod", "+pb": "--profile-basic"}
        for short, long in newer.items():
            text = f"error: {long} only allowed with {stack}"
            yield Row(f"{tool} {short} {place}", 1, text, re.escape(UNKNOWN + short), "since 3.6.8")
        if stack is either:
            text = "error: --use-passwd only allowed with --enable-tls"
            theirs = "E: OpenSSL error .*"
            yield Row(f"{tool} +tls A B +tla +pw x {place}", 1, text, theirs, "since 3.7.0")
        text = f"only allowed with {stack}"
        yield Row(
            f"{tool} +pa {place}",
            1,
            f"error: --profile-aes {text}",
            f"error: --profile-basic {text}",
            "it names another option",
        )
        for words, said in (
            (f"--no-sni {place}", f"--no-sni {text}"),
            (f"{name} x {place}", f"{name} {text}"),
            (f"+tls A B --no-sni {name} x {place}", f"--no-sni not allowed with {name}"),
        ):
            theirs = re.escape(UNKNOWN) + "--[a-z]+-?sni"
            yield Row(f"{tool} {words}", 1, f"error: {said}", theirs, "since 3.6.8")


def _of_its_release(row: Row) -> Row:
    """Return a row with what 3.6.7 says, whose getscu and movescu speak no TLS."""
    is_tls = re.search(r"--(enable-tls|seed|cipher|no-sni)", row.text) is not None
    if row.line.split(" ")[0] not in {"getscu", "movescu"} or not is_tls:
        return row
    return row._replace(theirs=re.escape(UNKNOWN) + "[-+].*", reason="since 3.6.8")


ROWS = [*_read(), *_conversions(), *_profiles(), *OTHERWISE, *_tls()]
TABLE = [_of_its_release(row) for row in ROWS]

FILES = {
    "good": "-v -nh 127.0.0.1 PORT a.dcm",
    "quoted": '-aet \'A B\' -aec x"y z"127.0.0.1 "PORT" /nonexistent/\'a file\' ""',
    "bad": "-v 127.0.0.1 0 a.dcm",
    "empty": " \n",
    "number": "1x",
    "nested": "@good",
    "peer": "127.0.0.1 PORT",
    "receiver": "-v -od absent PORT",
    "profiles.cfg": "[[TransferSyntaxes]]\n[Uncompressed]\nTransferSyntax1 = LittleEndianImplicit\n"
    "[[PresentationContexts]]\n[Some]\nPresentationContext1 = CTImageStorage\\Uncompressed\n"
    "[[Profiles]]\n[Default]\nPresentationContexts = Some\n",
}
WORDS = {
    "SU": ["127.0.0.1", "PORT", "a.dcm"],
    "EC": ["127.0.0.1", "PORT"],
    "FQ": ["127.0.0.1", "PORT", "-k", "8,52=STUDY"],
    "SP": ["-od", "absent", "PORT"],
    "DR": ["-xf", "profiles.cfg", "default", "-od", "absent", "PORT"],
    "FILE": ["a.dcm"],
    "NOWHERE": ["/nonexistent/file"],
    "ABSENT": ["absent"],
    "PROFILES": ["profiles.cfg"],
    "''": [""],
}


class Place:
    """A folder with the files that the table names, and a port where nobody listens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = str(free_port())
        ct_image(sop_instance_uid="2.25.1", rows=4, columns=4).write(folder / "a.dcm")
        for name, text in FILES.items():
            (folder / name).write_text(text.replace("PORT", self.port))

    def arguments(self, words: list[str]) -> list[str]:
        """Return the arguments that words of the table stand for."""
        spelled = [argument for word in words for argument in WORDS.get(word, [word])]
        return [argument.replace("PORT", self.port).replace("_", " ") for argument in spelled]

    def fate(self, program: list[str], words: list[str]) -> Fate:
        """Run a command line to its end."""
        done = run([*program, *self.arguments(words)], cwd=self.folder, timeout=30)
        return self._fate(done.code, done.stdout, done.stderr)

    def fate_at_start(self, tool: str, words: list[str]) -> Fate:
        """Give our tool a command line that ends there, in this process."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            result = start(TOOLS[tool], self.arguments(words))
        assert isinstance(result, ExitCode), "accepted"
        return self._fate(result, out.getvalue(), err.getvalue())

    def _fate(self, code: int, out: str, err: str) -> Fate:
        if "\nusage: " in out:
            return Fate(code, "usage")
        if "\nExternal libraries used:" in out:
            return Fate(code, "version")
        lines = err.splitlines()
        said = [line for line in lines if re.match("(error|[FEW]): ", line)]
        text = said[0] if said else "|".join(lines)
        # DCMTK's lines name neither the directory nor the file.
        text = re.sub(r"(: specified output directory .*|JWT file: .*) \(.*\)$", r"\1", text)
        return Fate(code, text.replace(self.port, "PORT").rstrip())


def _program(suite: str, tool: str) -> list[str]:
    if suite == "ours":
        return [sys.executable, "-m", "isocenter", tool]
    path = peers.find("dcmtk", tool)
    assert path is not None
    return [path]


def _fates(place: Place, suite: str, rows: list[Row]) -> dict[str, Fate]:
    """Run all rows, two at a time."""

    def fate(row: Row) -> tuple[str, Fate]:
        tool, *words = row.line.split(" ")
        return row.line, place.fate(_program(suite, tool), words)

    with ThreadPoolExecutor(2) as pool:
        return dict(pool.map(fate, rows))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A folder with the files of the table."""
    return Place(tmp_path_factory.mktemp("command_lines"))


@pytest.mark.parametrize("tool", list(TOOLS))
@pytest.mark.timeout(120)
def test_our_tool_answers_each_command_line_as_the_table_says(
    place: Place, tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are no errors run to their end; of the others every fifth in a process."""
    rows = [row for row in (*TABLE, *OWN) if row.line.split(" ")[0] == tool]
    assert len(rows) > 40
    errors = [row for row in rows if row.text.startswith("error: ") and not _is_late(row.text)]
    found = _fates(place, "ours", [row for row in rows if row not in errors] + errors[::5])
    monkeypatch.chdir(place.folder)
    for row in errors:
        fate = place.fate_at_start(tool, row.line.split(" ")[1:])
        assert found.setdefault(row.line, fate) == fate
    wrong = {
        row.line: (found[row.line], row.text)
        for row in rows
        if found[row.line] != (row.code, row.text)
    }
    assert wrong == {}


@pytest.mark.peer("dcmtk")
@pytest.mark.parametrize("tool", list(TOOLS))
@pytest.mark.timeout(120)
def test_the_oracle_answers_each_command_line_as_the_table_says(place: Place, tool: str) -> None:
    rows = [row for row in TABLE if row.line.split(" ")[0] == tool]
    found = _fates(place, "dcmtk", rows)
    wrong = {
        row.line: (found[row.line], row.theirs or row.text)
        for row in rows
        if found[row.line].code != row.code or not _agrees(row, found[row.line].text)
    }
    assert wrong == {}


def _is_late(text: str) -> bool:
    """Tell whether an error is one of a command line that was read without one."""
    late = ("cannot access file", "either query file", "bad key", "unknown tag", "cannot put tag")
    return text.startswith(tuple(f"error: {words}" for words in late))


def _agrees(row: Row, text: str) -> bool:
    return text == row.text if row.theirs is None else re.fullmatch(row.theirs, text) is not None


def test_the_table_has_every_option_that_takes_a_value_without_it() -> None:
    missing = [line for line in TABLE if line.text.startswith("error: Missing value for option ")]
    assert len({(row.line.split(" ")[0], row.text) for row in missing}) > 20
    assert len(TABLE) > 450


@pytest.mark.parametrize("tool", list(TOOLS))
def test_every_option_with_a_value_complains_where_it_is_missing(place: Place, tool: str) -> None:
    options = [option for option in TOOLS[tool].options() if option.values]
    rows = [
        Row(
            f"{tool} 1 {option.short or option.long}",
            1,
            f"error: Missing value for option {option.long}",
        )
        for option in options
    ]
    for row in rows:
        assert place.fate_at_start(tool, row.line.split(" ")[1:]) == (1, row.text)

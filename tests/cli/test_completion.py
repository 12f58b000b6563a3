"""`isocenter completion`: its scripts in real shells, and what is offered of each tool."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from isocenter.cli import completion
from isocenter.cli.completion import COMMAND, DIRECTORY, FILE, NOTHING, PROFILE, WORDS
from isocenter.cli.levels import level_from_name
from isocenter.cli.main import COMMANDS, TOOLS, main
from isocenter.cli.manual import SHELLS
from isocenter.cli.spec import Group, Option, Tool, Value, choice, integer, string
from tests.support.programs import find_program
from tests.support.shells import Bash, Fish, Zsh, ZshAutoload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.shells import Shell

PROGRAMS: dict[str, type[Bash | Fish | Zsh]] = {"bash": Bash, "fish": Fish, "zsh": Zsh}

CONFIGURATION = """\
# associations
[[TransferSyntaxes]]
[NoProfile]
TransferSyntax1 = LittleEndianImplicit

[[ Profiles ]]
[First]
PresentationContexts = A
# [Third]
[Second]
PresentationContexts = B
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the working directory of the shells, with something in it."""
    path = tmp_path_factory.mktemp("work")
    (path / "images").mkdir()
    (path / "image.dcm").touch()
    (path / "two words.dcm").touch()
    (path / "arguments").touch()
    (path / "profiles.cfg").write_text(CONFIGURATION)
    return path


@pytest.fixture(scope="module", params=sorted(PROGRAMS))
def shell(
    request: pytest.FixtureRequest, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shell]:
    """Return each shell with its script loaded."""
    script = tmp_path_factory.mktemp(request.param) / "script"
    script.write_text(completion.script(request.param))
    (script.parent / "home.cfg").write_text("[[Profiles]]\n[Home]\n")  # its folder is HOME
    with PROGRAMS[request.param](script, folder) as running:
        yield running


def names(tool: str, beginning: str) -> list[str]:
    (found,) = [each for each in completion.tools() if each.name == tool]
    every = [name for option in found.options() for name in (option.long, option.short)]
    return sorted(name for name in every if name.startswith(beginning))


@pytest.mark.slow
@pytest.mark.parametrize("tool", sorted(TOOLS))
@pytest.mark.parametrize("beginning", ["-", "+", "+x", "-x", "--", "--a"])
@pytest.mark.parametrize("prefix", ["", "isocenter ", "/usr/bin/"])
def test_options_are_offered(shell: Shell, tool: str, beginning: str, prefix: str) -> None:
    expected = names(tool, beginning)
    if expected:
        offered = shell.candidates(f"{prefix}{tool} {beginning}")
        if isinstance(shell, PROGRAMS["fish"]):
            # To fish a small letter may stand for a capital one.
            offered = [name for name in offered if name.startswith(beginning)]
        assert offered == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("isocenter ", sorted((*TOOLS, *COMMANDS))),
        ("isocenter stores", ["storescp", "storescu"]),
        ("isocenter --v", ["--version"]),
        ("isocenter completion ", sorted(SHELLS)),
        ("isocenter index ", ["check", "import", "rebuild"]),
        ("isocenter index import im", ["images"]),
        ("isocenter index check --qui", ["--quick", "--quiet"]),
        ("isocenter passwd im", ["image.dcm", "images"]),
        ("isocenter passwd --de", ["--delete"]),
        ("isocenter passwd --algorithm ", ["argon2id", "scrypt"]),
        ("isocenter show --f", ["--frames", "--full"]),
        ("isocenter show --png im", ["images"]),
        ("isocenter show image.dcm im", ["image.dcm", "images"]),
        ("storescu -ll ", sorted(completion.LEVELS)),
        ("isocenter echoscu --log-level d", ["debug"]),
        ("storescp --on-duplicate ", ["ignore", "keep-both", "overwrite", "reject"]),
        ("storescp --on-duplicate ke", ["keep-both"]),
        ("storescp --on-duplicate ignore --on", ["--on-duplicate"]),
        ("storescu -aet X --comb", ["--combine"]),
        # Values are taken verbatim, so that what follows is the peer and an option.
        ("storescu -aet -aec --comb", ["--combine"]),
        ("storescu localhost 104 --comb", ["--combine"]),
        ("storescu localhost 104 im", ["image.dcm", "images"]),
        ("storescu localhost 104 image.dcm im", ["image.dcm", "images"]),
        ("storescu localhost 104 tw", ["two words.dcm"]),
        ("storescu -x= localhost 104 image.", ["image.dcm"]),
        ("storescu -to 5 +sd ::1 104 image.", ["image.dcm"]),
        ("storescu -aet A:B localhost 104 image.", ["image.dcm"]),
        ("storescp -od im", ["images"]),
        ("isocenter storescp -od im", ["images"]),
        ("storescu @ar", ["@arguments"]),
        ("storescu localhost @ar", ["@arguments"]),
    ],
)
def test_values_and_parameters_are_offered(shell: Shell, line: str, expected: list[str]) -> None:
    assert shell.candidates(line) == expected


@pytest.mark.slow
def test_commands_are_offered(shell: Shell) -> None:
    assert "env" in shell.candidates("storescp -xcr en")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("storescu --comb", "storescu --combine "),
        ("storescp +x=", "storescp +x= "),
        ("storescp --on-duplicate ke", "storescp --on-duplicate keep-both "),
        ("storescp -od im", "storescp -od images/"),
        ("storescu @ar", "storescu @arguments "),
        ("storescu localhost 104 tw", "storescu localhost 104 two\\ words.dcm "),
    ],
)
def test_completion_key_finishes_the_word(shell: Shell, line: str, after: str) -> None:
    # zsh shows the quoting that "=" needs elsewhere.
    assert shell.completed(line).replace("\\=", "=") == after


@pytest.mark.slow
@pytest.mark.parametrize("line", ["storescu im", "storescu localhost im", "storescu -aet im"])
def test_files_are_not_offered_where_none_belongs(shell: Shell, line: str) -> None:
    found = [word for word in shell.candidates(line) if word != "im"]  # what was typed stays
    assert found == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("storescp -xf profiles.c", ["profiles.cfg"]),
        ("storescp -xf profiles.cfg ", ["First", "Second"]),
        ("storescp -xf profiles.cfg S", ["Second"]),
        ("storescp -xf ~/home.cfg ", ["Home"]),
        # Built in, where there is no such file.
        ("storescp -xf storescp.cfg ", ["ALLDICOM", "DEFAULT"]),
        ("isocenter storescu --config-file storescu.cfg D", ["DEFAULT"]),
    ],
)
def test_profiles_are_offered(shell: Shell, line: str, expected: list[str]) -> None:
    assert shell.candidates(line) == expected


@pytest.mark.slow
def test_script_in_a_folder_of_zsh_is_loaded_when_it_is_needed(
    folder: Path, tmp_path: Path
) -> None:
    script = tmp_path / "script"
    script.write_text(completion.script("zsh"))
    with ZshAutoload(script, folder) as zsh:
        for _ in range(2):  # the first time it is loaded as well
            assert zsh.completed("isocenter storescu --comb") == "isocenter storescu --combine "
        assert zsh.completed("echoscu --aet") == "echoscu --aetitle "


def test_fish_shows_what_an_option_does(folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(completion.script("fish"))
    shown = Fish(script, folder).described("storescu --comb")
    does = "put the transfer syntaxes of a SOP class into one presentation context"
    assert shown == {"--combine": does}


@pytest.mark.slow
@pytest.mark.parametrize("name", SHELLS)
def test_script_is_well_formed(name: str, tmp_path: Path) -> None:
    program = find_program(name)
    script = tmp_path / "script"
    script.write_text(completion.script(name))
    done = subprocess.run(
        [program, "-n", str(script)], capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("tool", completion.tools(), ids=lambda tool: tool.name)
def test_every_option_is_offered_with_a_kind_for_each_value(tool: Tool) -> None:
    found = completion.completion_of(tool)
    for option, offered in zip(tool.options(), found.options, strict=True):
        assert offered.names[-1] == option.long
        assert len(offered.kinds) == len(option.values)
        assert offered.description
        assert "\n" not in offered.description
        for kind in offered.kinds:
            assert kind in (NOTHING, FILE, DIRECTORY, COMMAND, PROFILE) or (
                # They stand in all three shells' scripts unquoted.
                kind.startswith(WORDS) and kind.replace("-", "").replace(",", "").isascii()
            )


def options(tool: str) -> dict[str, tuple[str, ...]]:
    (found,) = [each for each in completion.tools() if each.name == tool]
    return {each.names[-1]: each.kinds for each in completion.completion_of(found).options}


def test_kinds_follow_from_what_the_help_text_calls_the_values() -> None:
    assert options("storescp")["--output-directory"] == (DIRECTORY,)
    assert options("storescp")["--exec-on-reception"] == (COMMAND,)
    assert options("storescp")["--filename-extension"] == (NOTHING,)
    assert options("storescp")["--on-duplicate"] == ("words:overwrite,keep-both,ignore,reject",)
    assert options("storescu")["--log-level"] == ("words:" + ",".join(completion.LEVELS),)
    assert options("storescu")["--max-pdu"] == (NOTHING,)


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        ((*string("filename"), *string("profile")), (FILE, PROFILE)),
        ((*string("private key file"), *string("certificate file")), (FILE, FILE)),
        (choice("policy", "a", "b"), ("words:a,b",)),
        (integer("file number", 1), (NOTHING,)),
        ((Value("profile file", "string"),), (FILE,)),
        ((), ()),
    ],
)
def test_kinds_of_options_to_come(values: tuple[Value, ...], kinds: tuple[str, ...]) -> None:
    option = Option("--thing", "", "a thing", values)
    tool = Tool("tool", "", parameters=(), groups=(Group("things", (option,)),), evaluation=())
    assert completion.completion_of(tool).options[0].kinds == kinds


def test_levels_are_what_the_parser_takes() -> None:
    for level in completion.LEVELS:
        assert level_from_name(level) is not None


def test_usage_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    for argument in ("--help", "-h"):
        assert main(["completion", argument]) == 0
        out, err = capsys.readouterr()
        assert not err
        for shell in SHELLS:
            assert f"isocenter completion {shell}" in out
        assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("arguments", [[], ["csh"], ["bash", "zsh"], ["--bogus"]])
def test_other_shells_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", *arguments]) == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", "isocenter completion: expected one of bash, zsh, fish\n")


@pytest.mark.slow
@pytest.mark.parametrize("name", SHELLS)
def test_command_prints_the_script(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "isocenter", "completion", name],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == completion.script(name)

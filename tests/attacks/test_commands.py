"""What a peer names is never run: rows 6 and 7 of the table.

CVE-2026-5663: shell metacharacters in a UID or in the name that the domain name system has for
a host reach the command of ``--exec-on-reception``; DCMTK #1109: those in an AE title do.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ct_image
from tests.attacks.support import WAIT, check_served, put, receiving
from tests.faults.test_receiver_lookups import Service
from tests.support.ports import free_port
from tests.support.processes import wait_until
from tests.support.studies import StudyObject, deliver
from tests.support.tools import OURS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

CANARY = "canary"
"""The file that comes to be where anything of a peer is run. Short: titles have 16 characters."""

SHELL = (
    "$(>canary)",
    "`>canary`",
    ";>canary;",
    "&>canary&",
    "|>canary|",
    "\n>canary\n",
    "';>canary;'",
    '";>canary;"',
    '\\";>canary;\\"',
    ">canary",
    ">>canary#",
    "<(>canary)",
    "{,>canary}",
    "$IFS>canary",
    "#p#f;>canary",
    "*?[!]~",
    "-rf",
    "--help",
    "canary=1;$0",
)

RECORD = """
{
    printf '%s\\037' "$@"
    printf 'end\\n'
} >>"$TOLD"
"""
"""A command that notes its arguments, each in a field of its own."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder where nothing may come to be that nobody named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOLD", str(tmp_path / "told"))
    (tmp_path / "record").write_text(RECORD)
    return tmp_path


def _commands(option: str, placeholders: str, *, argv: bool) -> tuple[str, ...]:
    """Return options that run the record with placeholders, in a shell or without one.

    In a shell they stand bare: the worst that an operator can write.
    """
    return (option, f"sh record {placeholders}", *(("--exec-argv",) if argv else ()))


def _told(folder: Path, count: int) -> list[list[str]]:
    """Return the fields of each command that ran, once there are so many."""
    told = folder / "told"
    wait_until(
        lambda: told.exists() and told.read_text().count("end\n") >= count,
        timeout=WAIT,
        what=f"{count} commands",
    )
    return [record.split("\037")[:-1] for record in told.read_text().split("end\n")[:-1]]


def _check_nothing_ran(folder: Path, *known: str) -> None:
    found = {path.name for path in folder.iterdir()}
    assert found <= {"record", "told", "out", *known}


@pytest.mark.parametrize("argv", [False, True], ids=["shell", "--exec-argv"])
@pytest.mark.parametrize("event", ["-xcr", "-xcs"])
def test_cve_2026_5663_shell_metacharacters_in_uids(event: str, argv: bool, folder: Path) -> None:
    """In the UIDs of the object, of its class and of its study, for `#p` and `#f`."""
    placeholders = "#p #f" if event == "-xcr" else "#p"
    options = (*_commands(event, placeholders, argv=argv), "-su", "", "-tos", "0")
    with receiving(folder / "out", *options) as receiver:
        confirmed = 0
        for number, text in enumerate(SHELL):
            item = StudyObject(f"{text}{number}", f"1.{number}.{text}")
            # A line break at the end of a UID is none of it any more once the data set is read,
            # and before a backslash there is an empty study UID.
            (status,) = deliver(receiver.port, [item])
            assert status in {0, 0xA900, 0xC000}
            confirmed += status == 0
        assert confirmed >= len(SHELL) - 2
        for fields in _told(folder, confirmed):
            assert len(fields) >= (2 if event == "-xcr" else 1)
            if argv:
                assert len(fields) == len(placeholders.split())
            assert not any(set("$`;&|<>'\"\\*?(){}!#") & set(field) for field in fields)
        check_served(receiver)
    _check_nothing_ran(folder)


@pytest.mark.parametrize("argv", [False, True], ids=["shell", "--exec-argv"])
@pytest.mark.parametrize("name", [text for text in SHELL if "\n" not in text])
def test_cve_2026_5663_shell_metacharacters_in_the_name_of_a_host(
    name: str, argv: bool, folder: Path
) -> None:
    """`#r` is what the domain name system says of the peer, and the peer may own that."""
    service = Service(folder / "service")
    options = _commands("-xcr", "#r #r", argv=argv)
    image = ct_image(rows=4, columns=4)
    with receiving(folder / "out", *options, env=service.environment(name)) as receiver:
        assert put(receiver.port, image.sop_instance_uid, image.data_set) == 0
        ((first, second),) = _told(folder, 1)
        assert first == second
        assert not set("$`;&|<>'\"\\*?(){}!#") & set(first)
        assert not first.startswith("-")
        check_served(receiver)
    _check_nothing_ran(folder, "service")
    assert service.asked


@pytest.mark.parametrize("argv", [False, True], ids=["shell", "--exec-argv"])
@pytest.mark.parametrize("event", ["-xcr", "-xcs"])
def test_dcmtk_1109_shell_metacharacters_in_ae_titles(event: str, argv: bool, folder: Path) -> None:
    options = (*_commands(event, "#a #c", argv=argv), "-ss", "P", "-tos", "0", "-dhl")
    with receiving(folder / "out", *options) as receiver:
        for number, text in enumerate(SHELL):
            title = text.encode("ascii")[:16].ljust(16)
            item = StudyObject(f"1.{number}", f"1.{number}.1")
            assert deliver(receiver.port, [item], calling=title, called=title) == [0]
        for fields in _told(folder, len(SHELL)):
            # Quoted, or an argument of its own: two in any case.
            assert len(fields) == 2
            assert argv or not set("$`;&|<>'\"\\*?(){}!#\n") & set("".join(fields))
        check_served(receiver)
    _check_nothing_ran(folder)


def test_cve_2026_5663_operator_who_names_a_folder_that_a_shell_would_read(folder: Path) -> None:
    """What the operator brings in by `#p` is refused at the start, not run for each object."""
    hostile = folder / "out;>canary"
    hostile.mkdir()
    port = str(free_port())
    done = OURS.run("storescp", "-xcr", "sh record #p", "-od", hostile, port)
    assert done.code not in {0, None}
    assert len(done.lines) >= 1
    hostile.rmdir()
    _check_nothing_ran(folder)
    quoted = shlex.join(["sh", "record", "#f"])
    with receiving(folder / "out", "-xcr", quoted) as receiver:
        image = ct_image(rows=4, columns=4)
        assert put(receiver.port, image.sop_instance_uid, image.data_set) == 0
        check_served(receiver)

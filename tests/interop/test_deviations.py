"""docs/deviations.md is in order, and what DCMTK does wrong is tested on our side.

dcmtk-facts marks where the original is wrong: exit codes that hide a loss, servers that are
blocked, files kept after a refusal, data lost by renaming, injection, files written in place.
Each has a row in the page and a test here.
"""

from __future__ import annotations

import ast
import json
import re
from typing import TYPE_CHECKING, NamedTuple

import pytest

from isocenter.cli import options_echoscu, options_storescp, options_storescu
from tests.peers import ROOT

if TYPE_CHECKING:
    from isocenter.cli.spec import Tool

PAGE = (ROOT / "docs" / "deviations.md").read_text(encoding="utf-8")
TOOLS = (options_echoscu.TOOL, options_storescp.TOOL, options_storescu.TOOL)
HEAD = "| Case | DCMTK | isocenter | Why |"


class Wrong(NamedTuple):
    """What the original does wrong, the beginning of its row, the test of ours."""

    what: str
    row: str
    test: str


_FAILURES = "interop/test_differential_failures.py::test_storescu_fails_as_the_oracle_does"
_ECHO = "interop/test_differential_failures.py::test_echoscu_fails_as_the_oracle_does"
_LIFE = "interop/test_differential_receiver_life.py::"
_KEPT = _LIFE + "test_what_is_refused_is_kept_by_the_oracle_and_not_by_ours"
WRONG = (
    Wrong("exit code 0 after a refusal", "`storescu -nh`, an object was refused", _FAILURES),
    Wrong("exit code 0, a file not sent", "`storescu -nh`, a file could not be sent", _FAILURES),
    Wrong("garbage exit code", "`storescu`, the peer aborts or falls silent", _FAILURES),
    Wrong("echo: exit code 0", "`echoscu`, answered with a failure status", _ECHO),
    Wrong("echo: exit code 0 after an abort", "`echoscu`, the peer aborts", _ECHO),
    Wrong("a dead association under -nh", "the association ends under `-nh`", _FAILURES),
    Wrong("a late answer is taken for another", "`-td` passes under `-nh`", _FAILURES),
    Wrong("a collision is a failure", "both sides ask for release at once", _FAILURES),
    Wrong(
        "silent peers block the server",
        "a peer that connects and says nothing",
        _LIFE + "test_a_peer_that_sends_nothing_is_let_go_after_the_acse_timeout",
    ),
    Wrong(
        "one association at a time",
        "several associations",
        "faults/test_receiver_ends.py::"
        "test_receiver_echoes_at_once_while_another_association_is_busy",
    ),
    Wrong("files kept after a refusal", "SOP class or instance in the data set missing", _KEPT),
    Wrong(
        "files written in place",
        "unfinished files",
        _LIFE + "test_an_abort_within_an_object_leaves_no_file_with_either",
    ),
    Wrong("the same name is overwritten", "the same object again", _KEPT),
    Wrong(
        "a response that does not exist",
        'a C-STORE response with "pending"',
        "interop/test_differential_failures.py::test_a_pending_status_is_a_failure_for_both",
    ),
    Wrong(
        "numbering overwrites",
        "`-rns`, the study comes in parts",
        "interop/test_studies_oracle.py::test_study_that_comes_twice_keeps_its_first_files",
    ),
    Wrong(
        "renaming overwrites",
        "`+rn`: `X.done`",
        "sender/test_renaming.py::test_other_file_is_never_replaced",
    ),
    Wrong(
        "injection by titles",
        "`#a`, `#c`, `#r`",
        "interop/test_studies_oracle.py::"
        "test_what_a_shell_could_take_for_something_else_is_told_cut",
    ),
    Wrong(
        "folders outside",
        '`-su ""` and the study',
        "storage/test_folders.py::test_name_that_could_lead_elsewhere_is_no_folder",
    ),
    Wrong(
        "links of folders are followed",
        "a folder's name that is a symbolic link",
        "storage/test_folders.py::test_what_is_no_folder_is_refused_and_not_followed",
    ),
    Wrong(
        "links of files are followed",
        "a link of the final name",
        "storage/test_spool.py::test_existing_symbolic_link_is_replaced_not_followed",
    ),
    Wrong(
        "no answer to a blank title",
        "blank called AE title",
        _LIFE + "test_a_blank_title_and_no_context_are_answered_by_ours_alone",
    ),
    Wrong(
        "no answer to a request without context",
        "no presentation context in the request",
        _LIFE + "test_a_blank_title_and_no_context_are_answered_by_ours_alone",
    ),
    Wrong(
        "bytes lost to a parser",
        "a data set that cannot be read, with a sorting option",
        "faults/test_receiver_studies.py::"
        "test_data_set_that_cannot_be_read_is_kept_outside_of_studies",
    ),
    Wrong(
        "odd fragments",
        "fragments of odd length",
        "faults/test_receiver_tolerance.py::test_receiver_joins_fragments_of_odd_length",
    ),
    Wrong(
        "-td does nothing for a stalled object",
        "`-td N`",
        "faults/test_receiver_waits.py::"
        "test_receiver_ends_an_object_that_stalls_for_the_dimse_timeout",
    ),
    Wrong(
        "requestors that dribble",
        "`--inetd`, half a request",
        "faults/test_receiver_ends.py::test_receiver_closes_a_connection_that_dribbles_its_request",
    ),
    Wrong(
        "errors go to the peer",
        "`--inetd`, a command line that cannot be used",
        "interop/test_differential_inetd.py::"
        "test_command_line_that_is_wrong_reaches_the_peer_of_the_oracle_alone",
    ),
    Wrong(
        "Nagle's algorithm",
        "Nagle's algorithm",
        "interop/test_differential_environment.py::"
        "test_nagles_algorithm_is_off_in_ours_and_as_the_environment_says_in_the_oracle",
    ),
    Wrong(
        "every object fails",
        "`--max-send-pdu` with an odd number",
        "interop/test_differential_titles.py::test_an_odd_limit_sends_what_the_oracle_cannot",
    ),
    Wrong(
        "no dictionary",
        "`DCMDICTPATH`",
        "interop/test_differential_environment.py::"
        "test_a_dictionary_that_is_not_there_is_told_by_both_and_ends_ours",
    ),
)


def _tables() -> list[tuple[str, list[str]]]:
    """Return heading and rows of each table of the page."""
    tables: list[tuple[str, list[str]]] = []
    for section in PAGE.split("\n## ")[1:]:
        lines = section.splitlines()
        rows = [line for line in lines if line.startswith("|")]
        if rows:
            tables.append((lines[0], rows))
    return tables


def _cells(row: str) -> list[str]:
    """Return the cells of a row; bars within code do not divide."""
    without = re.sub(r"`[^`]*`", lambda match: match[0].replace("|", "\0"), row)
    return [cell.strip() for cell in without.strip("|").split("|")]


def test_every_table_says_case_original_ours_and_why() -> None:
    for heading, rows in _tables():
        if heading == "Not offered yet":
            continue
        assert rows[0] == HEAD, heading
        assert [row for row in rows if len(_cells(row)) != 4] == [], heading
        assert [row for row in rows[2:] if not _cells(row)[0] or not _cells(row)[2]] == [], heading


def test_no_case_stands_there_twice() -> None:
    cases = [
        (heading, _cells(row)[0])
        for heading, rows in _tables()
        for row in rows[2:]
        if _cells(row)[0]
    ]
    assert sorted(set(cases)) == sorted(cases)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.what)
def test_what_the_original_does_wrong_has_a_row_and_a_test(wrong: Wrong) -> None:
    assert any(f"| {wrong.row}" in row for _, rows in _tables() for row in rows)
    name, _, test = wrong.test.partition("::")
    path = ROOT / "tests" / name
    tree = ast.parse(path.read_text())
    assert any(isinstance(n, ast.FunctionDef) and n.name == test for n in ast.walk(tree))


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_no_option_of_the_original_is_missing(tool: Tool) -> None:
    table = json.loads((ROOT / "tests" / "data" / "options" / f"{tool.name}.json").read_text())
    assert {row["long"] for row in table["options"]} <= {option.long for option in tool.options()}


def test_options_of_our_own_are_offered() -> None:
    offered = {option.long for tool in TOOLS for option in tool.options()}
    own = set(re.findall(r"`(--[a-z-]+)", PAGE.split("\n## Exit codes")[0]))
    assert {"--max-ops", "--workers", "--auto-contexts"} <= own & offered

"""storescp of DCMTK and ours: names of files and folders, and the options for testing senders."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import raw
from tests.interop.debug_lines import tool_lines
from tests.interop.log_lines import differing_lines
from tests.interop.receiver_talks import (
    CONTEXTS,
    NO_CLASS,
    PRIVATE,
    Talk,
    answered_with,
    associated,
    both,
    diff_of,
    of_study,
    small,
    store,
)
from tests.support.tools import UNDER_TEST

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import ScriptedRequestor

pytestmark = [pytest.mark.slow, pytest.mark.peer("dcmtk")]

NAMED = (
    Talk("plain", associated(small("2.25.1"), small("2.25.2"))),
    Talk("unusual", associated(store("1.2/3*4", data=NO_CLASS))),
    Talk("private", associated(store("2.25.3", context=7, sop_class=PRIVATE, data=NO_CLASS))),
)
GENERATED = re.compile(r"(?<=\.X\.)[\d.]+\d|\d{17}(_\d{4})?|(?<=_)\d{8}_\d{9}")


@pytest.mark.parametrize(
    "options",
    [
        ("-uf",),
        ("+uf",),
        ("-tn",),
        ("+uf", "-fe", ".dcm"),
        ("-tn", "-fe", ".dcm"),
        ("-uf", "-fe", "dcm"),
        ("-uf", "-fe", ".x.y"),
        ("-F",),
        ("-F", "+B"),
        ("+B", "-pm"),
        ("+B", "+uf", "-pm"),
        ("+B", "-tn", "-pm"),
        ("--ignore",),
        ("--ignore", "-fe", ".dcm", "-pm"),
        ("--fork",),
        ("--fork", "+uf"),
    ],
    ids=" ".join,
)
def test_files_have_the_names_that_the_oracle_gives(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    exact = "+B" in options or "--ignore" in options
    talks = NAMED if "-pm" in options else NAMED[:2] if exact else NAMED[:1]
    oracle, ours = both(tmp_path, ("-v", *options), talks)
    assert ours.seen == oracle.seen
    shown = [[GENERATED.sub("GENERATED", name) for name in side.names] for side in (oracle, ours)]
    assert shown[1] == shown[0]
    assert ("--ignore" in options) == (ours.names == [])
    lines = [
        sorted(GENERATED.sub("GENERATED", line) for line in tool_lines(side.lines))
        for side in (oracle, ours)
    ]
    assert differing_lines(*lines) == ""


def _pause(_: ScriptedRequestor) -> int:
    """Let a moment go by: DCMTK gives two studies of one millisecond one folder."""
    time.sleep(0.01)
    return 0


STUDIES = (
    of_study("2.25.1", "2.25.100", "M\xfcller^Anna Lena"),
    of_study("2.25.2", "2.25.100", "M\xfcller^Anna Lena"),
    _pause,
    of_study("2.25.3", "2.25.200", "O'Neil^X."),
    of_study("2.25.4", "2.25.200", ""),
)


@pytest.mark.parametrize(
    "options",
    [("-ss", "S"), ("-ss", ""), ("-su", "U"), ("-su", ""), ("-sp",), ("-su", "U", "+uf")],
    ids=" ".join,
)
def test_folders_have_the_names_that_the_oracle_gives(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    oracle, ours = both(tmp_path, ("-v", *options), (Talk("studies", associated(*STUDIES)),))
    assert ours.seen == oracle.seen == {"studies": [0, 0, 0, 0, 0]}
    time_of = re.compile(r"\d{8}_\d{9}")
    shown = [
        sorted(time_of.sub("TIME", GENERATED.sub("GENERATED", name)) for name in side.names)
        for side in (oracle, ours)
    ]
    assert shown[1] == shown[0]
    # The oracle names folders by the millisecond, and may meet its own of a moment before.
    found = re.compile("(using existing|created new) subdirectory")
    lines = [
        [
            found.sub("subdirectory", time_of.sub("TIME", GENERATED.sub("GENERATED", line)))
            for line in side.lines
        ]
        for side in (oracle, ours)
    ]
    assert differing_lines(*lines) == ""


@pytest.mark.parametrize(
    "options",
    [("--abort-after",), ("--abort-during",), ("--refuse",), ("--reject",), ("-pm",), ("+xa",)],
    ids=" ".join,
)
@pytest.mark.parametrize("level", ["-v", "-d"])
def test_a_receiver_with_an_option_for_testing_behaves_as_the_oracle(
    tmp_path: Path, options: tuple[str, ...], level: str
) -> None:
    without = raw.associate_rq(CONTEXTS, user=raw.user_information(implementation_class_uid=None))
    talks = (
        Talk("without a UID", answered_with(without)),
        Talk("request", answered_with(raw.associate_rq(CONTEXTS))),
        Talk("store", associated(small("2.25.1"), small("2.25.2"))),
    )
    oracle, ours = both(tmp_path, (level, *options), talks)
    assert ours.seen == oracle.seen
    assert ours.names == oracle.names
    diff = diff_of(oracle, ours)
    if options == ("--abort-during",) and UNDER_TEST.is_ours:
        # DCMTK aborts at every callback, also after it has aborted.
        assert set(diff) == {"-I: ABORT initiated (due to command line options)"}
        assert diff[0][1:] in ours.lines
    else:
        assert diff == []

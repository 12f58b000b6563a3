"""dcmrecv with ``--log-config``: each line goes to the logger that the original's goes to.

Rules for loggers are written for what DCMTK's tools do, so a line has to have the name there
that it has with them: nearly all that dcmrecv says, it says as ``dcmtk.dcmnet``.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ScriptedRequestor
from tests.interop.receiver_talks import CONTEXTS, echo, small, store
from tests.interop.test_differential_broken_off import PROFILE
from tests.support.tools import DCMTK, UNDER_TEST, Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.tools import Suite

pytestmark = [pytest.mark.slow, pytest.mark.peer("dcmtk")]

ERRORS = """\
log4cplus.appender.A = log4cplus::ConsoleAppender
log4cplus.appender.A.logToStdErr = true
log4cplus.appender.A.ImmediateFlush = true
log4cplus.appender.A.layout = log4cplus::PatternLayout
log4cplus.appender.A.layout.ConversionPattern = %c|%p|%m%n
"""
MODES = [(), ("+B",), ("--ignore",), ("+ssd", "-fe", ".dcm")]
_LAST = "Received Association Release Request"


def _said(suite: Suite, folder: Path, levels: str, *options: str) -> dict[str, set[str]]:
    """Receive, be spoken to in other words, and return the loggers of each line."""
    (folder / "log.cfg").write_text(f"{levels}\n{ERRORS}")
    (folder / "contexts.cfg").write_text(PROFILE)
    words: list[str | Path] = ["-xf", folder / "contexts.cfg", "Mine", "-lc", folder / "log.cfg"]
    with Receiver(suite, folder / "out", *words, *options, tool="dcmrecv") as receiver:
        with ScriptedRequestor(receiver.port) as junk:
            junk.send(b"GET / HTTP/1.1\r\n\r\n")
            junk.receive_until_closed(timeout=20)
        with ScriptedRequestor(receiver.port) as sender:
            sender.associate(CONTEXTS)
            assert echo(sender) == 0
            assert [store()(sender), small("2.25.5")(sender)] == [0, 0]
            sender.release()
        if "dcmnet = INFO" in levels or "rootLogger = DEBUG" in levels:
            receiver.process.wait_for_line(_LAST, timeout=20)
        else:
            time.sleep(0.5)  # for what must not come
        log = receiver.log
    found: dict[str, set[str]] = {}
    for line in log.splitlines():
        if line.count("|") < 2:
            continue
        name, level, text = line.split("|", 2)
        text = re.sub(r"\d{4,}", "N", text.replace(str(folder), "").split(" (")[0])
        found.setdefault(f"{level} {text}", set()).add(name)
    return found


@pytest.mark.parametrize("options", MODES, ids=lambda options: " ".join(options) or "normal")
def test_lines_have_the_loggers_of_the_oracle(tmp_path: Path, options: tuple[str, ...]) -> None:
    found = []
    for suite in (DCMTK, UNDER_TEST):
        folder = tmp_path / suite.name
        folder.mkdir()
        found.append(_said(suite, folder, "log4cplus.rootLogger = DEBUG, A", *options))
    theirs, ours = found
    # Both print rules of "=" and blank lines, in messages of either logger.
    both = {line for line in theirs.keys() & ours.keys() if re.search("[a-z]", line)}
    assert {line: theirs[line] for line in both} == {line: ours[line] for line in both}
    told = " ".join(both)
    wanted = ["configuring service class provider", "Could not receive association request"]
    if "--ignore" not in options:
        wanted += ["Stored received object to file", "file already exists, overwriting"]
    for words in wanted:
        assert words in told


@pytest.mark.parametrize(
    ("levels", "shown"),
    [
        ("log4cplus.rootLogger = WARN, A\nlog4cplus.logger.dcmtk.dcmnet = INFO", True),
        ("log4cplus.rootLogger = INFO, A\nlog4cplus.logger.dcmtk.dcmnet = WARN", False),
        ("log4cplus.rootLogger = WARN, A\nlog4cplus.logger.dcmtk.apps = INFO", False),
    ],
    ids=["network alone", "all but the network", "tool alone"],
)
def test_the_level_of_the_network_library_decides_about_objects(
    tmp_path: Path, levels: str, *, shown: bool
) -> None:
    for suite in (DCMTK, UNDER_TEST):
        folder = tmp_path / suite.name
        folder.mkdir()
        said = _said(suite, folder, levels)
        assert ("INFO Received C-STORE Request" in said) is shown
        assert any("Stored received object" in line for line in said) is shown
        assert any("Association Received" in line for line in said) is shown
        assert ("INFO configuring service class provider ..." in said) is not shown

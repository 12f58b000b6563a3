"""What records say: who may begin a new line of the log."""

from __future__ import annotations

import logging

import pytest

from isocenter.cli.levels import INFO
from isocenter.cli.loghandler import message_of
from isocenter.cli.logsetup import configure


def record(text: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("isocenter.x", INFO, "x.py", 1, text, arguments, None)


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("plain", (), "plain"),
        ("100% of\nit", (), "100% of\nit"),
        ("from %s to %s", ("A", "B"), "from A to B"),
        ("from %s", ("A\nI: forged",), "from A\\x0aI: forged"),
        (
            "from '%s', %d%% of %5.1f\n%s",
            ("A\n", 3, 2.0, "x\ny"),
            "from 'A\\x0a', 3% of   2.0\nx\ny",
        ),
        ("Parameters:\n%s", ("one\ntwo",), "Parameters:\none\ntwo"),
        ("%s", ("one\ntwo",), "one\ntwo"),
        ("%s: %s", ("a\nb", ValueError("c\nd")), "a\\x0ab: c\\x0ad"),
        ("%s", (ValueError("/in/a\nF: forged"),), "/in/a\\x0aF: forged"),
        ("%s, ignoring file", ("/in/a\nF: forged",), "/in/a\\x0aF: forged, ignoring file"),
        ("name %-4s|", ("x\ny",), "name x\\x0ay|"),
    ],
)
def test_text_put_into_a_line_does_not_break_it(
    text: str, arguments: tuple[object, ...], message: str
) -> None:
    assert message_of(record(text, *arguments), traceback=False) == message


def test_named_arguments_are_left_alone() -> None:
    assert message_of(record("%(a)s", {"a": "x\ny"}), traceback=False) == "x\ny"


def test_peers_text_forges_no_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    configure(INFO)
    logging.getLogger("isocenter.net").info("peer says %s", "x\nF: forged\r\x1b[2J")
    assert capsys.readouterr().err == "I: peer says x\\x0aF: forged\\x0d\\x1b[2J\n"

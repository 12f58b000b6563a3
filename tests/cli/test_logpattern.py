"""Layouts: what they make of events."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest

from isocenter.cli.levels import ALL, DEBUG, ERROR, FATAL, INFO, OFF, TRACE, WARN
from isocenter.cli.logpattern import (
    Event,
    PatternLayout,
    SimpleLayout,
    TTCCLayout,
    format_time,
    host_name,
    level_word,
)
from isocenter.errors import ConfigurationError

MOMENT = 1_700_000_000.0625
EVENT = Event(
    INFO, "dcmtk.apps.storescu", "hello", MOMENT, 1234, 77, "/src/cli/tool.py", 12, "send"
)
UNKNOWN_PLACE = Event(WARN, "root", "hello", MOMENT, 7)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("%m", "hello"),
        ("%m%n", "hello\n"),
        ("%P: %m", "I: hello"),
        ("%p|%c|%t", "INFO|dcmtk.apps.storescu|77"),
        (
            "%c{1} %c{2} %c{3} %c{9} %c{0} %c{x} %c{}",
            "storescu apps.storescu" + 5 * " dcmtk.apps.storescu",
        ),
        ("%r", "1234"),
        ("%b %F %L %l %M", "tool.py /src/cli/tool.py 12 /src/cli/tool.py:12 send"),
        ("[%x%X%X{key}]", "[]"),
        pytest.param("%i", str(os.getpid()), id="process"),
        ("%h", socket.gethostname()),
        ("%d{%Y-%m-%d %H:%M:%S.%q}", "2023-11-14 22:13:20.062"),
        ("%d", "2023-11-14 22:13:20"),
        ("%d{%Q %s %%}", "062.500 1700000000 %"),
        ("%-7p|%7p|%07p", "INFO   |   INFO|   INFO"),
        ("%.2p %3.3c", "FO scu"),
        ("%-10.3m|", "llo|"),
        ("%2m", "hello"),
        ("%%%m%%", "%hello%"),
        ("100%", "100%"),
        ("", "hello"),
        ("only text", "only text"),
    ],
)
def test_each_letter_of_a_pattern(pattern: str, text: str) -> None:
    assert PatternLayout(pattern).format(EVENT) == text


def test_cut_text_keeps_its_end_and_is_not_filled_up() -> None:
    assert PatternLayout("%30.8c|").format(EVENT) == "storescu|"


def test_local_time_is_that_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "XYZ-3")
    time.tzset()
    try:
        assert PatternLayout("%D{%H:%M} %d{%H:%M} %D").format(EVENT) == (
            "01:13 22:13 2023-11-15 01:13:20"
        )
    finally:
        monkeypatch.undo()
        time.tzset()


def test_thread_of_the_system_is_shown() -> None:
    assert PatternLayout("%T").format(EVENT) == str(threading.get_native_id())


def test_place_that_is_not_known_leaves_nothing() -> None:
    assert PatternLayout("%b|%F|%L|%l|%M").format(UNKNOWN_PLACE) == "|||:|"


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("%m %z", "'%z' in the pattern is no conversion"),
        ("%", None),
        ("%5", "'%5' in the pattern is no conversion"),
        ("%-", "'%-' in the pattern is no conversion"),
        ("%5-m", "'%5-' in the pattern is no conversion"),
        ("%.m", "'%.m' in the pattern has no number behind the point"),
        ("%D{%H", "'%D{' in the pattern has no closing brace"),
    ],
)
def test_what_is_no_conversion_is_refused(pattern: str, message: str | None) -> None:
    if message is None:
        assert PatternLayout(pattern).format(EVENT) == pattern
        return
    with pytest.raises(ConfigurationError) as caught:
        PatternLayout(pattern)
    assert str(caught.value) == message


MULTIPLE = Event(DEBUG, "root", "one\n\ntwo\n", MOMENT, 7)


@pytest.mark.parametrize(
    ("each_line", "text"), [(True, "D: one\nD: \nD: two\nD: \n"), (False, "D: one\n\ntwo\n\n")]
)
def test_pattern_is_applied_to_each_line_unless_told_otherwise(each_line: bool, text: str) -> None:
    assert PatternLayout("%P: %m%n", each_line=each_line).format(MULTIPLE) == text


def test_simple_layout() -> None:
    assert SimpleLayout().format(EVENT) == "INFO - hello\n"


@pytest.mark.parametrize(("date_format", "when"), [("", "1234"), ("%H:%M:%S", "22:13:20")])
def test_ttcc_layout(date_format: str, when: str) -> None:
    assert TTCCLayout(date_format, utc=True).format(EVENT) == (
        f"{when} [77] INFO dcmtk.apps.storescu <> - hello\n"
    )


def test_words_of_levels() -> None:
    levels = (OFF, FATAL, ERROR, WARN, INFO, DEBUG, TRACE, ALL, 35, 11)
    assert [level_word(level) for level in levels] == [
        *("OFF", "FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE", "TRACE", "WARN", "DEBUG")
    ]


def test_sign_alone_at_the_end_of_a_date_is_left_out() -> None:
    assert format_time("%H%", MOMENT, utc=True) == "22"


def test_host_name_stays_short_where_nobody_knows_its_domain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert host_name(qualified=True) == host_name(qualified=False) == socket.gethostname()

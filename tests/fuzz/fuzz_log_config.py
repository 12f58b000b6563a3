"""Fuzz target: configurations of logs, with their patterns, and events under them.

Reading may raise `ConfigurationError` and nothing else; under what was read, every event becomes
text. An input that begins with ``%`` is a pattern alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import patch

from isocenter.cli.levels import DEBUG, ERROR, FATAL, INFO, WARN
from isocenter.cli.logappenders import _passes
from isocenter.cli.logconfig import parse_properties, read_log_config
from isocenter.cli.logpattern import Event, PatternLayout
from isocenter.errors import ConfigurationError
from tests.fuzz.files import named
from tests.fuzz.oracle import raises_only

if TYPE_CHECKING:
    from isocenter.cli.logconfig import LogConfig

_LOGGERS = ("root", "dcmtk.apps.storescp", "isocenter.net.listener", "a.b.c")
_EVENTS = [
    Event(level, logger, message, 1_700_000_000.123456, 4711, 1, "/a/b.py", line, "run")
    for level in (DEBUG, INFO, WARN, ERROR, FATAL)
    for logger in _LOGGERS[:2]
    for message, line in (("one line", 7), ("two\nlines", -1), ("", 0))
]


def seeds() -> list[bytes]:
    """Return configurations with each class, and patterns with each conversion."""
    head = "log4cplus.rootLogger = DEBUG, A\nlog4cplus.appender.A = log4cplus::"
    layout = "\nlog4cplus.appender.A.layout = log4cplus::"
    file = (
        "\nlog4cplus.appender.A.File = ${appname}-${pid}.log"
        "\nlog4cplus.appender.A.layout.ConversionPattern = %D{%q} %-5.3p: %m%n"
    )
    logger = "\nlog4cplus.logger.dcmtk.apps = INHERIT, A\nlog4cplus.additivity.dcmtk.apps = false"
    filters = "".join(
        f"\nlog4cplus.appender.A.filters.{number} = log4cplus::spi::{kind}"
        f"\nlog4cplus.appender.A.filters.{number}.{key} = {value}"
        for number, (kind, key, value) in enumerate(
            (
                ("LogLevelRangeFilter", "LogLevelMin", "INFO"),
                ("LogLevelMatchFilter", "LogLevelToMatch", "WARN"),
                ("StringMatchFilter", "StringToMatch", "line"),
                ("DenyAllFilter", "AcceptOnMatch", "true"),
            ),
            1,
        )
    )
    configurations = (
        f"{head}ConsoleAppender{layout}TTCCLayout\nlog4cplus.appender.A.Threshold = WARN{filters}",
        f"{head}RollingFileAppender{layout}PatternLayout{file}",
        f"{head}SysLogAppender{layout}SimpleLayout{logger}",
        f"{head}NullAppender\na = ${{b}}${{b}}\nb = ${{c}}${{c}}\nc = ${{d}}${{d}}\nd = dd",
    )
    patterns = (
        "%D{%Y-%m-%d %H:%M:%S.%q} %d{%Q %s} %r",
        "%b %c %c{2} %F %h %H %i %l %L %m %M %n %p %P %t %T %x %X{key} %%",
        "%-20.30c|%5p|%.2m|%--7L%",
        "%Z",
        "%5.c",
    )
    return [text.encode() for text in (*configurations, *patterns)]


def test_one_input(data: bytes) -> None:
    """Read one configuration, or pattern, and check what follows from it."""
    # No name is looked up, whatever the pattern asks for.
    with patch("isocenter.net.resolver.canonical_name", lambda name: f"{name}.example"):
        if data[:1] == b"%":
            pattern = data.decode("utf-8", "surrogateescape")
            with raises_only(ConfigurationError):
                layout = PatternLayout(pattern)
                for event in _EVENTS[:6]:
                    layout.format(event)
            return
        parse_properties(data.decode("utf-8", "surrogateescape"))
        config = None
        with named(data) as path, raises_only(ConfigurationError):
            config = read_log_config(path, "storescp")
        if config is not None:
            _check(config)


def _check(config: LogConfig) -> None:
    for logger in (*_LOGGERS, *list(config.loggers)[:5]):
        config.level_of(logger)
        for name in config.appenders_of(logger):
            if name not in config.appenders:
                raise AssertionError(f"{logger} writes to {name}, which is none")
    for appender in list(config.appenders.values())[:8]:
        for event in _EVENTS[:: 1 + len(config.appenders)]:
            if _passes(appender.filters, event):
                appender.layout.format(event)

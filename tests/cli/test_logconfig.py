"""Log configurations: grammar, variables, loggers, appenders, and what is refused."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

import pytest

from isocenter.cli.levels import DEBUG, ERROR, FATAL, INFO, OFF, TRACE, WARN
from isocenter.cli.logconfig import parse_properties, read_log_config
from isocenter.cli.logpattern import PatternLayout, SimpleLayout, TTCCLayout
from isocenter.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.cli.logconfig import LogConfig


class Read(Protocol):
    def __call__(self, *lines: str) -> LogConfig: ...


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read lines, each behind ``log4cplus.`` but those with a leading ``!``."""

    def from_lines(*lines: str) -> LogConfig:
        path = tmp_path / "log.cfg"
        text = "".join(
            line[1:] + "\n" if line[:1] == "!" else f"log4cplus.{line}\n" for line in lines
        )
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        return read_log_config(str(path), "storescp")

    return from_lines


A_FILE = ("appender.A = log4cplus::FileAppender", "appender.A.File = a.log")


@pytest.mark.parametrize(
    ("text", "properties"),
    [
        ("a=b", {"a": "b"}),
        ("  a b \t=  c = d \r\n", {"a b": "c = d"}),
        ("# a=b\n  #a=b\nno sign\n\n=c", {"": "c"}),
        ("a=1\na=2\nA=3", {"a": "2", "A": "3"}),
        ("a = b # no comment", {"a": "b # no comment"}),
        ("a = b \\\nc = d", {"a": "b \\", "c": "d"}),
        ("a =", {"a": ""}),
    ],
)
def test_grammar_of_properties(text: str, properties: dict[str, str]) -> None:
    assert parse_properties(text) == properties


class TestVariables:
    def file_of(self, config: LogConfig) -> str:
        return config.appenders["A"].properties["File"]

    def test_settings_of_the_file_stand_before_the_environment(
        self, read: Read, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BOTH", "environment")
        monkeypatch.setenv("ONLY", "environment")
        config = read(
            "rootLogger = INFO",
            *A_FILE,
            "appender.A.File = ${BOTH}-${ONLY}-${NONE}-${EMPTY}-${log4cplus.rootLogger}",
            "!BOTH = file",
            "!EMPTY =",
        )
        assert self.file_of(config) == "file-environment-${NONE}-${EMPTY}-INFO"

    def test_predefined_ones(self, read: Read) -> None:
        config = read(
            "rootLogger = INFO",
            *A_FILE,
            "appender.A.File = ${appname}|${pid}|${hostname}|${date}|${time}",
            "!appname = not this",
        )
        name, pid, host, date, time = self.file_of(config).split("|")
        assert (name, pid, host) == ("storescp", str(os.getpid()), os.uname().nodename)
        assert date.isdecimal()
        assert time.isdecimal()
        assert (len(date), len(time)) == (8, 6)

    def test_variables_in_variables_and_in_keys(self, read: Read) -> None:
        config = read(
            "rootLogger = INFO, B",
            "appender.${NAME} = log4cplus::${CLASS}",
            "!NAME = B",
            "!CLASS = ${WHICH}Appender",
            "!WHICH = Null",
            "!NOT = ${",
            "!NOT = x",
        )
        assert config.appenders["B"].kind == "NullAppender"

    @pytest.mark.parametrize("value", ["${X}", "a${X}", "${Y}"])
    def test_ones_that_contain_each_other_are_refused(self, read: Read, value: str) -> None:
        with pytest.raises(ConfigurationError, match="have no end"):
            read("rootLogger = INFO", "!Y = ${X}", f"!X = {value}")

    def test_open_brace_is_refused(self, read: Read) -> None:
        with pytest.raises(ConfigurationError, match="has no closing brace"):
            read("rootLogger = INFO", "!X = x${Y")


class TestLoggers:
    @pytest.mark.parametrize(
        ("word", "level"),
        [
            *[("OFF", OFF), ("FATAL", FATAL), ("ERROR", ERROR), ("WARN", WARN)],
            *[("INFO", INFO), ("DEBUG", DEBUG), ("TRACE", TRACE), ("info", INFO), ("All", 1)],
        ],
    )
    def test_every_level(self, read: Read, word: str, level: int) -> None:
        assert read(f"rootLogger = {word}").root_level == level

    def test_level_comes_from_the_nearest_that_has_one(self, read: Read) -> None:
        config = read(
            "rootLogger = ERROR",
            "logger.dcmtk = WARN",
            "logger.dcmtk.dcmnet = INFO",
            "logger.dcmtk.apps = INHERITED",
            "logger.isocenter.net.listener = DEBUG",
            "logger.pydicom = TRACE",
        )
        assert [
            config.level_of(name)
            for name in (
                "root",
                "other.library",
                "dcmtk.dcmdata",
                "dcmtk.apps.storescp",
                "isocenter.net.workers",
                "isocenter.net.listener",
                "isocenter.cli.storescp",
                "isocenter.ul.fsm",
                "pydicom.filereader",
            )
        ] == [ERROR, ERROR, WARN, WARN, INFO, DEBUG, WARN, INFO, TRACE]

    @pytest.mark.parametrize(
        ("name", "theirs"),
        [
            ("isocenter.net.listener", "dcmtk.dcmnet"),
            ("isocenter.net.tls", "dcmtk.dcmtls"),
            ("isocenter.ul", "dcmtk.dcmnet"),
            ("isocenter.dimse.session", "dcmtk.dcmnet"),
            ("isocenter.dataset.part10", "dcmtk.dcmdata"),
            ("isocenter.storage.receive", "dcmtk.apps.storescp"),
            ("isocenter.cli.storescp", "dcmtk.apps.storescp"),
            ("isocenter", "dcmtk.apps.storescp"),
        ],
    )
    def test_names_of_dcmtk_reach_our_loggers(self, read: Read, name: str, theirs: str) -> None:
        config = read("rootLogger = WARN", f"logger.{theirs} = DEBUG")
        assert config.level_of(name) == DEBUG

    def test_appenders_add_up_to_the_root(self, read: Read) -> None:
        config = read(
            "rootLogger = INFO, R,R , B",
            "logger.dcmtk.apps = INHERITED, A, B",
            "logger.isocenter.cli = INHERIT, C",
            *[f"appender.{name} = log4cplus::NullAppender" for name in "RABC"],
        )
        assert config.appenders_of("isocenter.cli.storescp") == ("C", "A", "B", "R", "B")
        assert config.appenders_of("isocenter.net") == ("R", "B")
        assert config.appenders_of("root") == ("R", "B")
        assert config.level_of("isocenter.cli.storescp") == INFO

    def test_logger_that_is_not_additive_keeps_messages_to_itself(self, read: Read) -> None:
        config = read(
            "rootLogger = INFO, R",
            "logger.dcmtk.dcmnet = DEBUG, A",
            "additivity.dcmtk.dcmnet = false",
            "additivity.dcmtk.dcmdata = 0",
            "additivity.dcmtk.apps = TRUE",
            *[f"appender.{name} = log4cplus::NullAppender" for name in "RA"],
        )
        assert config.appenders_of("dcmtk.dcmnet") == ("A",)
        assert config.appenders_of("dcmtk.dcmdata") == ()
        assert config.appenders_of("dcmtk.apps") == ("R",)


class TestAppenders:
    def test_appender_has_its_properties_layout_threshold_and_filters(self, read: Read) -> None:
        config = read(
            "rootLogger = INFO, A",
            *A_FILE,
            "appender.A.Threshold = warn",
            "appender.A.layout = log4cplus::PatternLayout",
            "appender.A.layout.ConversionPattern = %m",
            "appender.A.filters.1 = log4cplus::spi::LogLevelRangeFilter",
            "appender.A.filters.1.LogLevelMin = WARN",
            "appender.A.filters.1.LogLevelMax = error",
            "appender.A.filters.1.AcceptOnMatch = True",
            "appender.A.filters.2 = log4cplus::spi::LogLevelMatchFilter",
            "appender.A.filters.2.LogLevelToMatch = INFO",
            "appender.A.filters.3 = log4cplus::spi::StringMatchFilter",
            "appender.A.filters.3.StringToMatch = a b",
            "appender.A.filters.4 = log4cplus::spi::DenyAllFilter",
            "appender.A.filters.6 = log4cplus::spi::DenyAllFilter",
        )
        appender = config.appenders["A"]
        assert (appender.kind, appender.threshold) == ("FileAppender", WARN)
        assert isinstance(appender.layout, PatternLayout)
        assert [
            (each.kind, each.lowest, each.highest, each.text, each.accept)
            for each in appender.filters
        ] == [
            ("LogLevelRangeFilter", WARN, ERROR, "", True),
            ("LogLevelMatchFilter", INFO, INFO, "", False),
            ("StringMatchFilter", None, None, "a b", False),
            ("DenyAllFilter", None, None, "", False),
        ]

    @pytest.mark.parametrize(
        ("lines", "kind"),
        [
            ((), SimpleLayout),
            (("layout = log4cplus::SimpleLayout",), SimpleLayout),
            (("layout = log4cplus::TTCCLayout",), TTCCLayout),
            (("layout = log4cplus::PatternLayout", "layout.Pattern = %m"), PatternLayout),
        ],
    )
    def test_layouts(self, read: Read, lines: tuple[str, ...], kind: type) -> None:
        config = read("rootLogger = INFO", *A_FILE, *[f"appender.A.{line}" for line in lines])
        assert isinstance(config.appenders["A"].layout, kind)

    def test_path_in_another_encoding_stays_as_it_is(self, read: Read) -> None:
        config = read("rootLogger = INFO", *A_FILE, "appender.A.File = gr\udcfc\udcdf.log")
        assert os.fsencode(config.appenders["A"].properties["File"]) == b"gr\xfc\xdf.log"


NULL = "appender.A = log4cplus::NullAppender"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("rootLogger =",), "log4cplus.rootLogger = : does not begin with a level"),
        (("rootLogger = NOISY",), "rootLogger = NOISY: does not begin with a level"),
        (("rootLogger = INHERITED",), "rootLogger = INHERITED: does not begin with a level"),
        (("rootLogger = INFO, B", NULL), "rootLogger = INFO, B: the appender B is not set up"),
        (("rootLogger = INFO", "logger.x = NOISY"), "logger.x = NOISY: does not begin"),
        (("rootLogger = INFO", "logger.root = INFO"), "the root is log4cplus.rootLogger"),
        (("rootLogger = INFO", "additivity.x = no"), "additivity.x = no: is neither true nor"),
        *[
            (
                ("rootLogger = INFO", f"appender.A = log4cplus::{kind}"),
                f"log4cplus::{kind}: not offered",
            )
            for kind in (
                *("SocketAppender", "Log4jUdpAppender", "AsyncAppender", "NTEventLogAppender"),
                *("Win32DebugAppender", "Win32ConsoleAppender", "MadeUpAppender"),
            )
        ],
        (("rootLogger = INFO", "appender.A = FileAppender"), "FileAppender: not offered"),
        (
            ("rootLogger = INFO", "appender.A = log4cplus::FileAppender"),
            "appender.A.File is missing",
        ),
        (
            ("rootLogger = INFO", NULL, "appender.A.Threshold = loud"),
            "Threshold = loud: no such level",
        ),
        (
            ("rootLogger = INFO", NULL, "appender.A.layout = log4cplus::XmlLayout"),
            "XmlLayout: not offered",
        ),
        (
            ("rootLogger = INFO", NULL, "appender.A.layout = log4cplus::PatternLayout"),
            "log4cplus.appender.A.layout.ConversionPattern is missing",
        ),
        (
            (
                "rootLogger = INFO",
                NULL,
                "appender.A.layout = log4cplus::PatternLayout",
                "appender.A.layout.ConversionPattern = %y",
            ),
            "ConversionPattern = %y: '%y' in the pattern is no conversion",
        ),
        (
            ("rootLogger = INFO", NULL, "appender.A.filters.1 = log4cplus::spi::NDCMatchFilter"),
            "filters.1 = log4cplus::spi::NDCMatchFilter: not offered, filters are",
        ),
        (
            (
                "rootLogger = INFO",
                NULL,
                "appender.A.filters.1 = log4cplus::spi::StringMatchFilter",
                "appender.A.filters.1.AcceptOnMatch = yes",
            ),
            "AcceptOnMatch = yes: is neither true nor false",
        ),
        (
            (
                "rootLogger = INFO",
                NULL,
                "appender.A.filters.1 = log4cplus::spi::LogLevelMatchFilter",
                "appender.A.filters.1.LogLevelToMatch = loud",
            ),
            "LogLevelToMatch = loud: no such level",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_done_is_refused_by_name(
    read: Read, lines: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(*lines)
    assert str(caught.value).startswith("Specified --log-config file: log4cplus.")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_file_of_a_megabyte_is_read_and_a_longer_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.cfg"
    text = "log4cplus.rootLogger = INFO\n"
    path.write_text(text + "#" * (1024 * 1024 - len(text)))
    assert read_log_config(str(path), "echoscu").root_level == INFO
    with path.open("a") as file:
        file.write("#")
    with pytest.raises(ConfigurationError, match="is larger than 1048576 bytes"):
        read_log_config(str(path), "echoscu")


SAMPLES = ("consolog.cfg", "filelog.cfg", "logger.cfg")


@pytest.mark.parametrize("name", SAMPLES)
def test_files_that_come_with_dcmtk_are_taken(name: str) -> None:
    for folder in ("/etc/dcmtk", "/usr/share/dcmtk", "/usr/share/libdcmtk17"):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            assert read_log_config(path, "storescp").root_level == DEBUG
            return
    pytest.skip(f"{name} of DCMTK is not installed")

"""The file that `--log-config` names: log4cplus properties, read and checked.

Owns the grammar of the file, what of log4cplus is offered, and the wording of each complaint.
Must not open what the file names (`logappenders`), nor know `logging`.

What DCMTK's tools say of a file that they cannot use is said in their words. What they print
and then ignore, as an unknown class, is refused here: a log that is not written is noticed when
it is needed.

Source: `oflog/libsrc/oflog.cc`, `config.cc`, `property.cc`, `appender.cc` and `filter.cc` of
DCMTK, and runs of its tools.
"""

from __future__ import annotations

import os

from isocenter.cli.levels import OFF, level_from_name
from isocenter.cli.lognames import ROOT, app_name, chain_of, is_of_app
from isocenter.cli.logpattern import PatternLayout, SimpleLayout, TTCCLayout, host_name
from isocenter.errors import ConfigurationError
from isocenter.record import Record

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping

    from isocenter.cli.logpattern import Layout

__all__ = [
    "AppenderSettings",
    "FilterSettings",
    "LogConfig",
    "LoggerSettings",
    "parse_properties",
    "read_log_config",
]

_FILE = "Specified --log-config file"
_PREFIX = "log4cplus."
_LARGEST_FILE = 1024 * 1024
"""Bytes; a configuration has a few hundred."""

_MOST_SUBSTITUTIONS = 1000
_LONGEST_VALUE = 65536
_MOST_WORK = 16 * 1024 * 1024
"""Bounds for variables that contain each other: replacements in one text, its length, and the
lengths after each replacement in the file, together. With log4cplus such a file hangs the tool."""

_MOST_DIGITS = 18  # of 64 bits
_WHITE_SPACE = " \t\n\v\f\r"

APPENDERS = (
    "log4cplus::ConsoleAppender",
    "log4cplus::FileAppender",
    "log4cplus::RollingFileAppender",
    "log4cplus::DailyRollingFileAppender",
    "log4cplus::SysLogAppender",
    "log4cplus::NullAppender",
)
"""The classes of appenders that are offered; `logappenders` makes them."""

_LAYOUTS = ("log4cplus::PatternLayout", "log4cplus::SimpleLayout", "log4cplus::TTCCLayout")
_FILTERS = (
    "log4cplus::spi::LogLevelRangeFilter",
    "log4cplus::spi::LogLevelMatchFilter",
    "log4cplus::spi::StringMatchFilter",
    "log4cplus::spi::DenyAllFilter",
)


class FilterSettings(Record):
    """One filter of an appender.

    Attributes:
        kind: class without its name space, for instance ``StringMatchFilter``.
        lowest, highest: levels, inclusive, None where unbounded; of a level match both are it.
        text: what a string match looks for.
        accept: what a match means: accepted, or what the class does otherwise.
    """

    kind: str
    lowest: int | None = None
    highest: int | None = None
    text: str = ""
    accept: bool = False


class AppenderSettings(Record):
    """One appender.

    Attributes:
        name: as the loggers call it.
        kind: class without its name space, for instance ``FileAppender``.
        properties: everything else about it, by key.
        layout: makes text of events.
        threshold: lowest level it takes, None for all.
        filters: asked in this order.
    """

    name: str
    kind: str
    properties: Mapping[str, str]
    layout: Layout
    threshold: int | None
    filters: tuple[FilterSettings, ...]

    def boolean(self, key: str, *, default: bool) -> bool:
        """Return what a property says.

        Raises:
            ConfigurationError: it is neither true nor false.
        """
        return _boolean(f"appender.{self.name}", self.properties, key, default=default)

    def integer(self, key: str, *, default: int) -> int:
        """Return what a property says.

        Raises:
            ConfigurationError: it is no number.
        """
        text = self.properties.get(key)
        if text is None:
            return default
        value = _parse_integer(text)
        if value is None:
            raise self.refusal(key, "is no number")
        return value

    def refusal(self, key: str, reason: str) -> ConfigurationError:
        """Return the error that says what is wrong with a property."""
        return _refusal(f"appender.{self.name}.{key}", self.properties.get(key, ""), reason)


class LoggerSettings(Record):
    """One logger.

    Attributes:
        level: lowest level it takes, None for that of the one above.
        appenders: names of its appenders.
        additive: its messages go to the appenders of the ones above, too.
    """

    level: int | None = None
    appenders: tuple[str, ...] = ()
    additive: bool = True


class LogConfig(Record):
    """What a file says.

    Attributes:
        tool: whose log it is.
        loggers: by name, the root's among them.
        appenders: by name.
    """

    tool: str
    loggers: Mapping[str, LoggerSettings]
    appenders: Mapping[str, AppenderSettings]

    def level_of(self, name: str) -> int:
        """Return the lowest level that a logger takes."""
        for ancestor in chain_of(name, self.tool):
            settings = self.loggers.get(ancestor)
            if settings is not None and settings.level is not None:
                return settings.level
        return OFF

    def appenders_of(self, name: str) -> tuple[str, ...]:
        """Return the appenders of a logger and of those above it; one twice if named twice."""
        found: list[str] = []
        for ancestor in chain_of(name, self.tool):
            settings = self.loggers.get(ancestor)
            if settings is not None:
                found += settings.appenders
                if not settings.additive:
                    break
        return tuple(found)

    @property
    def root_level(self) -> int:
        """The level of the root; above error the tool does not print mistakes either."""
        return self.level_of(ROOT)

    @property
    def tool_level(self) -> int:
        """The lowest level that anything takes which stands for the tool's own logger."""
        own = [name for name in self.loggers if is_of_app(name, self.tool)]
        return min(self.level_of(name) for name in (app_name(self.tool), *own))

    @property
    def progress_level(self) -> int:
        """The level of the tool's progress logger: dots appear where it is exactly info."""
        return self.level_of(app_name(self.tool) + ".progress")


def read_log_config(path: str, tool: str) -> LogConfig:
    """Read a file and check everything in it.

    Args:
        path: of the file.
        tool: name of the tool, which is also what ``${appname}`` stands for.

    Raises:
        ConfigurationError: it cannot be read, or not all of it can be done.
    """
    properties = parse_properties(_read(path))
    if not properties:
        raise ConfigurationError(f"{_FILE} does not contain any settings")
    if not any(key.startswith(_PREFIX) for key in properties):
        raise ConfigurationError(f"{_FILE} does not contain any valid settings")
    if _PREFIX + "rootLogger" not in properties:
        raise ConfigurationError(f"{_FILE} does not set up log4cplus.rootLogger")
    properties.update(_variables(tool))
    properties = _substitute_all(properties)
    ours = _subset(properties, _PREFIX)
    appenders = {
        name: _appender(name, kind, _subset(ours, f"appender.{name}."))
        for name, kind in _subset(ours, "appender.").items()
        if "." not in name
    }
    loggers = {ROOT: _logger("rootLogger", ours.get("rootLogger", ""), appenders)}
    for name, text in _subset(ours, "logger.").items():
        if name == ROOT:
            raise _refusal(f"logger.{name}", text, "the root is log4cplus.rootLogger")
        loggers[name] = _logger(f"logger.{name}", text, appenders)
    for name, text in _subset(ours, "additivity.").items():
        additive = _boolean("additivity", {name: text}, name, default=True)
        known = loggers.get(name, LoggerSettings())
        loggers[name] = LoggerSettings(
            level=known.level, appenders=known.appenders, additive=additive
        )
    return LogConfig(tool=tool, loggers=loggers, appenders=appenders)


def _read(path: str) -> str:
    if not path or not os.path.exists(path) or os.path.isdir(path):
        raise ConfigurationError(f"{_FILE} does not exist")
    try:
        with open(path, "rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except OSError as problem:
        raise ConfigurationError(f"{_FILE} cannot be read") from problem
    if len(content) > _LARGEST_FILE:
        raise ConfigurationError(f"{_FILE} is larger than {_LARGEST_FILE} bytes")
    return content.decode("utf-8", "surrogateescape")  # a name in it may be in any encoding


def parse_properties(text: str) -> dict[str, str]:
    """Return keys and values; a later line wins, one without ``=`` says nothing."""
    properties: dict[str, str] = {}
    for line in text.split("\n"):
        stripped = line.lstrip(_WHITE_SPACE)
        if stripped.startswith("#"):
            continue
        key, sign, value = stripped.partition("=")
        if sign:
            properties[key.rstrip(_WHITE_SPACE)] = value.strip(_WHITE_SPACE)
    return properties


def _variables(tool: str) -> dict[str, str]:
    """Return what DCMTK's tools add to the file."""
    import time

    now = time.localtime()
    return {
        "appname": tool,
        "hostname": host_name(qualified=False),
        "pid": str(os.getpid()),
        "date": time.strftime("%Y%m%d", now),
        "time": time.strftime("%H%M%S", now),
    }


def _substitute_all(properties: Mapping[str, str]) -> dict[str, str]:
    """Replace variables in keys and values: settings of the file, else the environment."""
    done: dict[str, str] = {}
    room = _MOST_WORK
    for key, value in properties.items():
        name, room = _substitute(key, properties, room)
        done[name], room = _substitute(value, properties, room)
    return done


def _substitute(text: str, properties: Mapping[str, str], room: int) -> tuple[str, int]:
    """Replace ``${NAME}``, also in what it stands for; an unknown or empty one stays.

    Args:
        text: a key or a value.
        properties: the variables.
        room: what is left of `_MOST_WORK`; the second value returned is what is left after it.

    Raises:
        ConfigurationError: a brace is not closed, or variables contain each other.
    """
    at = 0
    result = text
    for _ in range(_MOST_SUBSTITUTIONS):
        start = result.find("${", at)
        if start < 0:
            return result, room
        end = result.find("}", start)
        if end < 0:
            raise ConfigurationError(f'{_FILE}: "{text}" has no closing brace')
        name = result[start + 2 : end]
        value = properties.get(name) or os.environ.get(name)
        if value:
            result = result[:start] + value + result[end + 1 :]
        else:
            at = end + 1
        room -= len(result)
        if len(result) > _LONGEST_VALUE or room < 0:
            break
    raise ConfigurationError(f'{_FILE}: the variables in "{text}" have no end')


def _subset(properties: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {
        key[len(prefix) :]: value for key, value in properties.items() if key.startswith(prefix)
    }


def _refusal(key: str, value: str, reason: str) -> ConfigurationError:
    return ConfigurationError(f"{_FILE}: {_PREFIX}{key} = {value}: {reason}")


def _logger(key: str, text: str, appenders: Mapping[str, AppenderSettings]) -> LoggerSettings:
    """Read ``LEVEL, appender, appender``.

    Raises:
        ConfigurationError: an unknown level or appender.
    """
    words = [word for word in "".join(text.split()).split(",") if word]
    level = level_from_name(words[0]) if words else None
    # DCMTK's sample file says INHERIT, which works there because any unknown word does.
    inherited = bool(words) and key != "rootLogger" and words[0] in ("INHERITED", "INHERIT")
    if level is None and not inherited:
        raise _refusal(key, text, "does not begin with a level")
    for word in words[1:]:
        if word not in appenders:
            raise _refusal(key, text, f"the appender {word} is not set up")
    return LoggerSettings(level=level, appenders=tuple(dict.fromkeys(words[1:])))


def _appender(name: str, kind: str, properties: Mapping[str, str]) -> AppenderSettings:
    """Read everything about an appender.

    Raises:
        ConfigurationError: it, its layout or a filter is not offered.
    """
    key = f"appender.{name}"
    short = _class(key, kind, APPENDERS, "appenders")
    if short.endswith("FileAppender") and not properties.get("File"):
        raise _refusal(key, kind, f"{_PREFIX}{key}.File is missing")
    return AppenderSettings(
        name=name,
        kind=short,
        properties=properties,
        layout=_layout(f"{key}.layout", properties),
        threshold=_level(key, properties, "Threshold"),
        filters=_filters(f"{key}.filters", _subset(properties, "filters.")),
    )


def _class(key: str, kind: str, known: tuple[str, ...], what: str) -> str:
    """Return a class without its name space.

    Raises:
        ConfigurationError: it is not offered.
    """
    if kind not in known:
        offered = ", ".join(name.rpartition("::")[2] for name in known)
        raise _refusal(key, kind, f"not offered, {what} are {offered}")
    return kind.rpartition("::")[2]


def _level(key: str, properties: Mapping[str, str], name: str) -> int | None:
    """Return a level, None where the key is missing.

    Raises:
        ConfigurationError: no such level.
    """
    text = properties.get(name)
    if text is None:
        return None
    level = level_from_name(text)
    if level is None:
        raise _refusal(f"{key}.{name}", text, "no such level")
    return level


def _layout(key: str, properties: Mapping[str, str]) -> Layout:
    kind = properties.get("layout")
    if kind is None:
        return SimpleLayout()
    settings = _subset(properties, "layout.")
    short = _class(key, kind, _LAYOUTS, "layouts")
    if short == "SimpleLayout":
        return SimpleLayout()
    if short == "TTCCLayout":
        return TTCCLayout(
            settings.get("DateFormat", ""), utc=_boolean(key, settings, "Use_gmtime", default=False)
        )
    pattern = settings.get("ConversionPattern", settings.get("Pattern"))
    if pattern is None:
        raise _refusal(key, kind, f"{_PREFIX}{key}.ConversionPattern is missing")
    each_line = _boolean(key, settings, "FormatEachLine", default=True)
    try:
        return PatternLayout(pattern, each_line=each_line)
    except ConfigurationError as problem:
        raise _refusal(f"{key}.ConversionPattern", pattern, str(problem)) from problem


def _filters(key: str, properties: Mapping[str, str]) -> tuple[FilterSettings, ...]:
    """Read the filters 1, 2 and so on; the first number that is missing ends them."""
    found: list[FilterSettings] = []
    number = 1
    while (kind := properties.get(str(number))) is not None:
        own = f"{key}.{number}"
        short = _class(own, kind, _FILTERS, "filters")
        settings = _subset(properties, f"{number}.")
        lowest = highest = None
        if short == "LogLevelRangeFilter":
            lowest = _level(own, settings, "LogLevelMin")
            highest = _level(own, settings, "LogLevelMax")
        elif short == "LogLevelMatchFilter":
            lowest = highest = _level(own, settings, "LogLevelToMatch")
        found.append(
            FilterSettings(
                kind=short,
                lowest=lowest,
                highest=highest,
                text=settings.get("StringToMatch", ""),
                accept=_boolean(own, settings, "AcceptOnMatch", default=False),
            )
        )
        number += 1
    return tuple(found)


def _boolean(key: str, properties: Mapping[str, str], name: str, *, default: bool) -> bool:
    """Return what a property says.

    Raises:
        ConfigurationError: it is neither true nor false.
    """
    text = properties.get(name)
    if text is None:
        return default
    word = text.lower()
    if word in ("true", "false"):
        return word == "true"
    number = _parse_integer(word)
    if number is None:
        raise _refusal(f"{key}.{name}", text, "is neither true nor false")
    return bool(number)


def _parse_integer(text: str) -> int | None:
    unsigned = text[1:] if text[:1] in ("+", "-") else text
    if not (unsigned.isascii() and unsigned.isdecimal()) or len(unsigned) > _MOST_DIGITS:
        return None
    return int(text)

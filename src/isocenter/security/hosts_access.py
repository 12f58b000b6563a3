"""Host access control: rules of hosts.allow and hosts.deny, and what they say about a peer.

Owns the lines of these files and the order in which they count. Must not know where the files
are, nor what becomes of a peer. hosts_access(5); of hosts_options(5) allow, deny and severity.

A line that concerns this daemon and cannot be obeyed to the letter is an error, for who wrote it
believes that it is. Lines for other daemons may say what they like.
"""

from __future__ import annotations

from functools import partial

from isocenter.errors import ConfigurationError
from isocenter.record import NamedTuple
from isocenter.security.hosts_patterns import (
    Pattern,
    PatternList,
    Peer,
    address_pattern,
    fits,
    host_pattern,
    parse_list,
    shown,
    words_of,
)

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isocenter.security.hosts_patterns import FileReader

__all__ = ["Decision", "Rule", "decide", "parse_file_list", "parse_table"]

_SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
_SEVERITIES_BY_OLD_NAME = {"panic": "emerg", "error": "err", "warn": "warning"}


_SHOWN = 60
"""Letters of a word that an error shows."""


class Rule(NamedTuple):
    """A line that concerns this daemon.

    Fields:
        path: the file's.
        line: its number in there, of the first one where it is continued.
        daemons: which ends of a connection it is about, None for all.
        peers: whom it is about.
        allowed: what becomes of them.
        severity: the level of syslog at which that is told, "" for the usual one.
    """

    path: str
    line: int
    daemons: PatternList | None
    peers: PatternList
    allowed: bool
    severity: str = ""


class Decision(NamedTuple):
    """What the rules say: `allowed`, and the `rule` that says so, None where none matches."""

    allowed: bool
    rule: Rule | None = None


def decide(rules: Sequence[Rule], peer: Peer) -> Decision:
    """Return what the first rule says that is about a peer; it is allowed where none is.

    Raises:
        NameWanted: that depends on the peer's name, which is not known yet.
    """
    for rule in rules:
        about_us = rule.daemons is None or rule.daemons.matches(peer)
        if about_us and rule.peers.matches(peer):
            return Decision(rule.allowed, rule)
    return Decision(allowed=True)


def parse_table(
    text: str, path: str, *, daemon: str, allows: bool, file: FileReader
) -> tuple[Rule, ...]:
    """Return the rules of one table that concern a daemon.

    Args:
        text: of the table.
        path: what errors call it.
        daemon: its name.
        allows: what a rule does that does not say.
        file: returns the pattern for the list in a file.

    Raises:
        ConfigurationError: a rule that concerns the daemon cannot be obeyed, or nobody can tell
            whether it does; the message names file and line.
    """
    rules = []
    for number, line in _lines(text):
        try:
            rule = _parse_rule(line, daemon=daemon, allows=allows, file=file)
        except ConfigurationError as problem:
            raise ConfigurationError(f"{path}, line {number}: {problem}") from problem
        if rule is not None:
            rules.append(rule._replace(path=path, line=number))
    return tuple(rules)


def parse_file_list(text: str, path: str, file: FileReader) -> Pattern:
    """Return the pattern for a list in a file: one of the hosts in there.

    Raises:
        ConfigurationError: something in it is no host pattern; the message names file and line.
    """
    patterns = []
    for number, line in enumerate(text.split("\n"), 1):
        for word in line.split():
            try:
                if word.upper() == "EXCEPT" or (word[0] != "/" and "@" in word):
                    raise ConfigurationError(f"{shown(word)} has no place in a list of hosts")  # noqa: TRY301 - its place follows
                patterns.append(host_pattern(word, file))
            except ConfigurationError as problem:
                raise ConfigurationError(f"{path}, line {number}: {problem}") from problem
    if not patterns:
        return Pattern(lambda _: False)
    listed = PatternList([patterns])
    return Pattern(listed.matches, needs_name=listed.needs_name)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the number and text of each line that says something, continued ones as one."""
    start = 0
    pieces: list[str] = []
    for number, piece in enumerate(text.split("\n"), 1):
        start = start or number
        if piece.endswith("\\"):
            pieces.append(piece[:-1])
            continue
        line = "".join([*pieces, piece])
        if line.strip(" \t\r") and not line.startswith("#"):
            yield start, line
        start = 0
        pieces.clear()
    line = "".join(pieces)
    if line.strip(" \t\r") and not line.startswith("#"):
        yield start, line


def _parse_rule(line: str, *, daemon: str, allows: bool, file: FileReader) -> Rule | None:
    """Return the rule of a line, None where it is not about the daemon.

    Raises:
        ConfigurationError: it cannot be obeyed.
    """
    head, rest = _cut(line)
    if rest is None:
        raise ConfigurationError('no ":" between daemons and hosts')
    words = words_of(head)
    if words and words[0].startswith("#"):
        raise ConfigurationError("a comment begins with the first character of its line")
    daemons: PatternList | None = None
    concerned = _concerned(words, daemon)
    if concerned is False:
        return None
    if concerned is None:
        daemons = parse_list(words, partial(_daemon_pattern, daemon=daemon), kind="daemon")
    hosts, options = _cut(rest)
    peers = parse_list(words_of(hosts), lambda word: host_pattern(word, file), kind="host")
    allowed, severity = _options(options, allows=allows)
    return Rule("", 0, daemons, peers, allowed, severity)


def _cut(text: str) -> tuple[str, str | None]:
    """Cut at the first colon that is not in brackets; the second is None where there is none."""
    bracketed = False
    for index, letter in enumerate(text):
        if letter == ":" and not bracketed:
            return text[:index], text[index + 1 :]
        if letter in "[]":
            bracketed = letter == "["
    return text, None


def _concerned(words: Sequence[str], daemon: str) -> bool | None:
    """Tell whether a daemon list means a daemon, None where that depends on the connection.

    Raises:
        ConfigurationError: the list has no sense.
    """
    parts: list[list[bool | None]] = [[]]
    for word in words:
        if word.upper() == "EXCEPT":
            parts.append([])
        else:
            parts[-1].append(_names_daemon(word, daemon))
    if not all(parts):
        raise ConfigurationError("nothing before or behind EXCEPT, or no daemon at all")
    for index, part in enumerate(parts):
        if True in part:
            continue
        return None if None in part else index % 2 == 1
    return len(parts) % 2 == 1


def _names_daemon(word: str, daemon: str) -> bool | None:
    """Tell whether a word means a daemon, None where that depends on the connection."""
    name, at, _ = word.partition("@")
    if _is_number(name):
        return None
    lower = name.lower()
    if lower not in {"all", "known"} and not fits(lower, daemon.lower()):
        return False
    return None if at else True


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _daemon_pattern(word: str, *, daemon: str) -> Pattern:
    """Return what a word of a daemon list means: a daemon, a port, either with ``@address``.

    Raises:
        ConfigurationError: the end is not given by address.
    """
    name, at, host = word.partition("@")
    if _names_daemon(name, daemon) is False:
        return Pattern(lambda _: False)
    local = address_pattern(host) if at else None
    if _is_number(name):
        port = int(name[:6])  # no port has more than 5 digits
        return Pattern(lambda peer: peer.port == port and _is_at(peer, local))
    return Pattern(lambda peer: _is_at(peer, local))


def _is_at(peer: Peer, local: Pattern | None) -> bool:
    """Tell whether the peer connected to an address."""
    if local is None:
        return True
    return local.matches(Peer(peer.local, lambda: ""))


def _options(text: str | None, *, allows: bool) -> tuple[bool, str]:
    """Return what the options of a rule make of it: whether it allows, and its severity.

    Raises:
        ConfigurationError: one of them would not be obeyed.
    """
    allowed, severity = allows, ""
    decided = ""
    while text is not None:
        option, text = _next_option(text)
        keyword, value = _keyword(option)
        if decided:
            raise ConfigurationError(f"{decided} is not the last option")
        if keyword in {"allow", "deny"}:
            if value:
                raise ConfigurationError(f"{keyword} takes no value")
            allowed, decided = keyword == "allow", keyword
        elif keyword == "severity":
            severity = _SEVERITIES_BY_OLD_NAME.get(value.lower(), value.lower())
            if severity not in _SEVERITIES:
                raise ConfigurationError(
                    f"severity {value[:_SHOWN]!r} is none of {', '.join(_SEVERITIES)}; "
                    "the log has no facilities"
                )
        else:
            raise ConfigurationError(
                f"option {keyword[:_SHOWN]!r} is not possible here, only allow, deny and severity"
                if keyword
                else "an option is empty"
            )
    return allowed, severity


def _next_option(text: str) -> tuple[str, str | None]:
    """Cut at the first colon without a backslash before it."""
    at = text.find(":")
    while at > 0 and text[at - 1] == "\\":
        at = text.find(":", at + 1)
    return (text, None) if at < 0 else (text[:at], text[at + 1 :])


def _keyword(option: str) -> tuple[str, str]:
    """Return keyword, in lower case, and value of an option; "=" may stand between them."""
    option = option.strip(" \t\r")
    for index, letter in enumerate(option):
        if letter in " \t=":
            return option[:index].lower(), option[index:].lstrip(" \t").removeprefix("=").strip()
    return option.lower(), ""

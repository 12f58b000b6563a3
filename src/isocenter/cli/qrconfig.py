r"""dcmqrscp's configuration file, read into `isocenter.node.config`.

Owns the lexical rules, the keywords and tables, and what is said about each mistake. Must not
know what a node does with what it is told.

    NetworkTCPPort = 104            first word: the keyword; blanks, "=" and "," separate values
    HostTable BEGIN
    acme1 = (ACME1, acmehost1, 5678)
    acme  = acme1, (ACME2, acmehost2, 5678)
    HostTable END
    VendorTable BEGIN
    "Acme Company" = acme
    VendorTable END
    AETable BEGIN
    STORE  /var/store  RW  (200, 1024mb)  acme
    AETable END

Any of ``"``, ``'``, ``(`` and ``)`` opens a quoted value and any of them closes it; there is no
escape. A line that begins with ``#`` is a comment; elsewhere ``#`` is data. All mistakes of a
file are told, not only the first, each with its line and what was expected.

Source: DCMTK's dcmqrcnf.txt, runs of its dcmqrscp.
"""

from __future__ import annotations

from isocenter.errors import ConfigurationError
from isocenter.node.config import (
    DEFAULT_MAXIMUM_ASSOCIATIONS,
    DEFAULT_MAXIMUM_LENGTH,
    DEFAULT_PORT,
    CharsetRules,
    Entity,
    NodeConfig,
    Peer,
    Quota,
)

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "MAXIMUM_FILE_LENGTH",
    "MAXIMUM_LENGTHS",
    "NodeConfigError",
    "parse_config",
    "read_config",
]

MAXIMUM_FILE_LENGTH = 16 << 20
"""Bytes of a configuration file; a hundred thousand peers fit."""

MAXIMUM_LENGTHS = range(4096, 131072 + 1)
"""What MaxPDUSize may be, as DCMTK has it."""

_MAXIMUM_PORT = 65535
_MAXIMUM_AE_TITLE = 16
_MOST_MISTAKES = 50  # told of one file; more help nobody

_GAPS = frozenset(" \t\n\r\v\f=,")
_BLANKS = frozenset(" \t\n\r\v\f")
_QUOTES = frozenset("\"'()")

_IGNORED = frozenset(
    {
        "ApplicationTitle",
        "ApplicationContext",
        "ImplementationClass",
        "ImplementationVersion",
        "NetworkType",
        "Display",
        "DisplayPort",
    }
)
"""Keywords of older releases; DCMTK passes over them, too."""

_ACCESS = {"R": (True, False), "RW": (True, True), "WR": (True, True), "W": (False, True)}
"""Access word to (readable, writable). DCMTK lets everybody read where it says W."""

_FACTORS = {"b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}

_CHARSET_WORDS = frozenset({"fallback", "override", "abort", "discard", "transliterate"})


class NodeConfigError(ConfigurationError):
    """A configuration file cannot be used.

    Attributes:
        mistakes: a line for each, with file, line number and what was expected.
    """

    def __init__(self, path: str, mistakes: tuple[str, ...]) -> None:
        """Keep the mistakes."""
        super().__init__(f"bad config file: {path}")
        self.mistakes = mistakes


class _Mistake(Exception):
    """What is wrong with a line; the line number is added by whoever reads it."""


def read_config(path: str, *, warn: Callable[[str], None]) -> NodeConfig:
    """Read a configuration file.

    Args:
        path: of the file.
        warn: told of what is not as it should be, but can be lived with.

    Raises:
        NodeConfigError: it has mistakes.
        ConfigurationError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(MAXIMUM_FILE_LENGTH + 1)
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else None
        raise ConfigurationError(f"cannot access {path}: {reason or problem}") from problem
    if len(content) > MAXIMUM_FILE_LENGTH:
        raise ConfigurationError(f"cannot access {path}: longer than {MAXIMUM_FILE_LENGTH} bytes")
    return parse_config(content.decode("utf-8", "surrogateescape"), path, warn=warn)


def parse_config(text: str, path: str, *, warn: Callable[[str], None]) -> NodeConfig:
    """Return what the text of a configuration file says.

    Args:
        text: of the file; bytes that are no UTF-8 as surrogates.
        path: what messages call it; relative storage areas stay relative.
        warn: as for `read_config`.

    Raises:
        NodeConfigError: it has mistakes.
    """
    reader = _Reader(path, warn)
    for number, line in enumerate(text.split("\n"), 1):
        reader.line(number, line)
    return reader.finish()


class _Reader:
    """Reads a file line by line."""

    def __init__(self, path: str, warn: Callable[[str], None]) -> None:
        """Start before the first line."""
        self._path = path
        self._warn = warn
        self._mistakes: list[str] = []
        self._number = 0
        self._table = ""
        self._rows = {"HostTable": self._host, "VendorTable": self._vendor, "AETable": self._entity}
        self._keywords: dict[str, Callable[[str], None]] = {
            "NetworkTCPPort": self._port_keyword,
            "MaxPDUSize": self._length_keyword,
            "MaxAssociations": self._associations_keyword,
            "SpecificCharacterSet": self._charset_keyword,
            "UserName": self._user_keyword,
            "GroupName": self._group_keyword,
        }
        self._port = DEFAULT_PORT
        self._length = DEFAULT_MAXIMUM_LENGTH
        self._associations = DEFAULT_MAXIMUM_ASSOCIATIONS
        self._charset: CharsetRules | None = None
        self._user = ""
        self._group = ""
        self._entities: list[Entity] = []
        self._hosts: dict[str, tuple[Peer, ...]] = {}
        self._vendors: dict[str, tuple[Peer, ...]] = {}

    def line(self, number: int, line: str) -> None:
        """Read one line."""
        self._number = number
        if line.startswith("#") or not line.strip():
            return
        word, rest = _first_word(line)
        try:
            self._read(word, rest, line)
        except _Mistake as mistake:
            self._wrong(str(mistake))

    def _read(self, word: str, rest: str, line: str) -> None:
        """Take a line in.

        Raises:
            _Mistake: it is wrong.
        """
        if self._table:
            self._table_line(word, rest, line)
        elif word in self._rows:
            self._begin(word, rest)
        elif word in self._keywords:
            self._keywords[word](rest)
        elif word not in _IGNORED:
            known = ", ".join((*self._keywords, *self._rows))
            raise _Mistake(f'unknown keyword "{word}"; expected one of {known}')

    def finish(self) -> NodeConfig:
        """Return the whole.

        Raises:
            NodeConfigError: there were mistakes.
        """
        if self._table:
            self._wrong(f'no "{self._table} END" behind "{self._table} BEGIN"')
        if self._mistakes:
            kept = self._mistakes[:_MOST_MISTAKES]
            if more := len(self._mistakes) - len(kept):
                kept.append(f"{self._path}: {more} more mistakes")
            raise NodeConfigError(self._path, tuple(kept))
        return NodeConfig(
            port=self._port,
            maximum_length=self._length,
            maximum_associations=self._associations,
            charset=self._charset,
            user_name=self._user,
            group_name=self._group,
            entities=tuple(self._entities),
            hosts=self._hosts,
            vendors=self._vendors,
        )

    def _wrong(self, what: str) -> None:
        self._mistakes.append(f"{self._path}, line {self._number}: {what}")

    def _odd(self, what: str) -> None:
        self._warn(f"{self._path}, line {self._number}: {what}")

    # --- keywords ---

    def _port_keyword(self, rest: str) -> None:
        number = _integer("NetworkTCPPort", rest, range(_MAXIMUM_PORT + 1))
        self._port = number or DEFAULT_PORT

    def _length_keyword(self, rest: str) -> None:
        self._length = _integer("MaxPDUSize", rest, MAXIMUM_LENGTHS)

    def _associations_keyword(self, rest: str) -> None:
        self._associations = _integer("MaxAssociations", rest, range(1 << 31))

    def _user_keyword(self, rest: str) -> None:
        self._user = _only("UserName", rest, "a user")

    def _group_keyword(self, rest: str) -> None:
        self._group = _only("GroupName", rest, "a group")

    def _charset_keyword(self, rest: str) -> None:
        words = _values(rest)
        names = [word for word in words if word not in _CHARSET_WORDS]
        if len(names) > 1:
            raise _Mistake(
                f'"{names[1]}" behind SpecificCharacterSet {names[0]}; expected one character set '
                "and any of fallback, override, abort, discard, transliterate"
            )
        self._charset = CharsetRules(
            name=names[0] if names else "",
            # As in DCMTK, where it is asked for both.
            override="override" in words,
            transliterate="transliterate" in words,
            discard="discard" in words,
        )

    # --- tables ---

    def _begin(self, table: str, rest: str) -> None:
        status = _first_word(rest)[0]
        if status == "END":
            raise _Mistake(f'no "{table} BEGIN" before END')
        if status != "BEGIN":
            raise _Mistake(f'unknown {table} status "{status}"; expected BEGIN')
        self._table = table

    def _table_line(self, word: str, rest: str, line: str) -> None:
        if word == self._table:
            status = _first_word(rest)[0]
            if status != "END":
                raise _Mistake(f'illegal {word} status "{status}"; expected END')
            self._table = ""
            return
        if word in self._rows and _first_word(rest)[0] in {"BEGIN", "END"}:
            raise _Mistake(f'"{word}" inside of {self._table}; expected "{self._table} END"')
        values = _values(line)
        if not values:
            raise _Mistake(f'a row of {self._table} without a value; expected "{self._table} END"')
        self._rows[self._table](values)

    def _host(self, values: list[str]) -> None:
        name = values[0]
        # Of names that are defined twice the first counts, as in DCMTK.
        self._hosts.setdefault(name, self._peers(values[1:], f'symbolic name "{name}"'))

    def _vendor(self, values: list[str]) -> None:
        name = values[0]
        self._vendors.setdefault(name, self._peers(values[1:], f'vendor "{name}"'))

    def _entity(self, values: list[str]) -> None:
        if len(values) < len(Entity.__annotations__) - 1:
            raise _Mistake(
                "a row of AETable is AETitle StorageArea Access (maxStudies, maxBytesPerStudy) "
                f"Peers; found {len(values)} of the 5 values"
            )
        title, area, access, quota = values[:4]
        if not 0 < len(title) <= _MAXIMUM_AE_TITLE or not title.isascii() or "\\" in title:
            raise _Mistake(f'"{title}" is no AE title: 1 to 16 ASCII characters, no backslash')
        if not area or "\0" in area:
            raise _Mistake(f"storage area of {title}: expected the path of a folder")
        if access not in _ACCESS:
            self._odd(f'access "{access}" of {title} is none of R, RW, WR, W: taken for R')
        readable, writable = _ACCESS.get(access, (True, False))
        peers = values[4:]
        self._entities.append(
            Entity(
                ae_title=title,
                storage_area=area,
                readable=readable,
                writable=writable,
                quota=_quota(quota, title),
                peers=None if peers[0] == "ANY" else self._peers(peers, title),
            )
        )

    def _peers(self, values: list[str], whose: str) -> tuple[Peer, ...]:
        """Return the peers of a list.

        Raises:
            _Mistake: one is none; there is none.
        """
        peers: list[Peer] = []
        for value in values:
            if "," in value:
                peers.append(self._peer(value))
            elif value in self._hosts:
                peers.extend(self._hosts[value])
            else:
                raise _Mistake(
                    f'symbolic name "{value}" not defined; expected (AETitle, Host, Port) or '
                    "a name that the HostTable above defines"
                )
        if not peers:
            raise _Mistake(f"no peers for {whose} defined; expected (AETitle, Host, Port), ...")
        return tuple(peers)

    def _peer(self, text: str) -> Peer:
        words = _values(text)
        form = "expected (AETitle, Host, Port)"
        if len(words) not in {2, 3}:
            raise _Mistake(f"peer ({text}) has {len(words)} values; {form}")
        title, host = words[:2]
        if len(title) > _MAXIMUM_AE_TITLE:
            raise _Mistake(f'"{title}" is longer than 16 characters; {form}')
        port = words[2] if len(words) > len((title, host)) else "0"
        if not (port.isascii() and port.isdigit()) or int(port[:9]) > _MAXIMUM_PORT:
            raise _Mistake(f'"{port}" of peer {title} is no TCP port; {form}')
        if not int(port):
            self._odd(f"peer {title} has no port: nothing can be moved to it")
        return Peer(title, host, int(port))


def _first_word(text: str) -> tuple[str, str]:
    """Return what stands before the first blank, and what stands behind it and further gaps."""
    text = text.strip("".join(_BLANKS))
    for place, character in enumerate(text):
        if character in _BLANKS:
            return text[:place], text[place:].lstrip("".join(_GAPS))
    return text, ""


def _values(text: str) -> list[str]:
    """Cut a line into values.

    Raises:
        _Mistake: a quoted one does not end.
    """
    values: list[str] = []
    place, end = 0, len(text)
    while True:
        while place < end and text[place] in _GAPS:
            place += 1
        if place == end:
            return values
        if text[place] in _QUOTES:
            start = place = place + 1
            while place < end and text[place] not in _QUOTES:
                place += 1
            if place == end:
                raise _Mistake(f"nothing closes {text[start - 1]} before {text[start:].strip()}")
            values.append(text[start:place])
            place += 1
        else:
            start = place
            while place < end and text[place] not in _GAPS:
                place += 1
            values.append(text[start:place])


def _only(keyword: str, rest: str, what: str) -> str:
    """Return the one value of a keyword."""
    values = _values(rest)
    if len(values) != 1:
        raise _Mistake(f"{keyword} with {len(values)} values; expected {what}")
    return values[0]


def _integer(keyword: str, rest: str, allowed: range) -> int:
    """Return the number of a keyword."""
    text = _only(keyword, rest, "a number")
    bounds = f"{allowed.start}..{allowed.stop - 1}"
    if not (text.isascii() and text.isdigit()) or int(text[:19]) not in allowed:
        raise _Mistake(f'invalid {keyword} "{text}"; expected {bounds}')
    return int(text)


def _quota(text: str, title: str) -> Quota:
    """Return a quota: "(maxStudies, maxBytesPerStudy)"."""
    form = "expected (maxStudies, maxBytesPerStudy), such as (200, 1024mb)"
    words = _values(text)
    if len(words) != len(Quota._fields):
        raise _Mistake(f'quota "{text}" of {title}; {form}')
    studies, size = words
    digits = size.rstrip("".join(set("bBkKmMgG")))
    factor = _FACTORS.get(size[len(digits) :].lower())
    numbers = (studies, digits)
    if factor is None or not all(word.isascii() and word.isdigit() for word in numbers):
        raise _Mistake(f'quota "{text}" of {title}; {form} with b, kb, mb or gb')
    quota = Quota(int(studies[:18]), int(digits[:18]) * factor)
    if not all(quota):
        raise _Mistake(f'quota "{text}" of {title} allows nothing; {form}')
    return quota

"""Patterns of host access control: what a word of a rule means, and whether a peer is meant.

Owns names, addresses, nets, wildcards, lists in files, and EXCEPT. Must not know rules, tables,
nor how names are found. hosts_access(5), "PATTERNS", "WILDCARDS", "OPERATORS".

A word that would match nobody, or could not be obeyed, is an error and no pattern: somebody
wrote it to keep others out. A pattern of numbers is for addresses alone, for whoever owns a
domain may have a host called 10.0.0.1.example.org.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from isocenter.errors import ConfigurationError

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    Address: TypeAlias = IPv4Address | IPv6Address
    Match: TypeAlias = "Callable[[Peer], bool]"
    FileReader: TypeAlias = Callable[[str], "Pattern"]

__all__ = [
    "MISMATCHED",
    "NameWanted",
    "Pattern",
    "PatternList",
    "Peer",
    "address_pattern",
    "fits",
    "host_pattern",
    "parse_address",
    "parse_list",
    "shown",
    "words_of",
]

MISMATCHED = "?"
"""In the place of the name of an address whose name does not lead back to it."""

_HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_NUMBERS = re.compile(r"[0-9./]+")
_PREFIX = re.compile(r"([0-9]{1,3}\.){1,3}")
_ALLOWED_WITH_WILDCARDS = re.compile(r"[a-z0-9_.*?-]+")
_MOST_EXCEPTIONS = 64
_SHOWN = 60
"""Letters of a word that an error shows."""


class NameWanted(Exception):
    """A pattern needs a peer's name, and that is not known yet."""


class Peer:
    """What rules are compared with.

    Args:
        address: the peer's, without zone, IPv4-mapped as IPv4; None where it has none.
        name: returns its name in lower case, "" where it has none, `MISMATCHED` where the one it
            has does not lead back to the address; raises `NameWanted` where it is not known yet.
        local: the address that it connected to, None where there is none.
        port: the port that it connected to.
    """

    __slots__ = ("address", "local", "name", "port")

    def __init__(
        self,
        address: Address | None,
        name: Callable[[], str],
        local: Address | None = None,
        port: int = 0,
    ) -> None:
        """Keep the arguments."""
        self.address = address
        self.name = name
        self.local = local
        self.port = port


class Pattern:
    """One word of a list: `matches` a peer, and whether it needs the peer's name for that."""

    __slots__ = ("matches", "needs_name")

    def __init__(self, matches: Match, *, needs_name: bool = False) -> None:
        """Keep the arguments."""
        self.matches = matches
        self.needs_name = needs_name


class PatternList:
    """``a b EXCEPT c EXCEPT d``: a or b, unless c, unless that is d.

    Args:
        parts: the patterns between the operators.

    Attributes:
        needs_name: one of them goes by name.
    """

    __slots__ = ("_parts", "needs_name")

    def __init__(self, parts: Sequence[Sequence[Pattern]]) -> None:
        """Put the patterns that need no name first: the order within a part means nothing."""
        self._parts = [sorted(part, key=lambda pattern: pattern.needs_name) for part in parts]
        self.needs_name = any(pattern.needs_name for part in parts for pattern in part)

    def matches(self, peer: Peer) -> bool:
        """Tell whether the peer is meant.

        Raises:
            NameWanted: that depends on a name that is not known yet.
        """
        for index, part in enumerate(self._parts):
            if not any(pattern.matches(peer) for pattern in part):
                return index % 2 == 1
        return len(self._parts) % 2 == 1


def parse_address(text: str) -> Address | None:
    """Return an address without its zone, an IPv4-mapped one as IPv4; None where it is none."""
    text = text.partition("%")[0]
    try:
        if ":" not in text:
            return IPv4Address(text)
        address = IPv6Address(text)
    except ValueError:
        return None
    return address.ipv4_mapped or address


def words_of(text: str) -> list[str]:
    """Return the words of a list; they are separated by blanks or commas."""
    return [word for word in re.split(r"[, \t\r\n]+", text) if word]


def parse_list(
    words: Sequence[str], pattern: Callable[[str], Pattern], *, kind: str
) -> PatternList:
    """Return what a list means.

    Args:
        words: of the list.
        pattern: what a word means; raises ConfigurationError.
        kind: what the list is called where it is wrong.

    Raises:
        ConfigurationError: it is empty, EXCEPT has nothing on one of its sides, or a word is wrong.
    """
    parts: list[list[Pattern]] = [[]]
    for word in words:
        if word.upper() != "EXCEPT":
            parts[-1].append(pattern(word))
        elif len(parts) > _MOST_EXCEPTIONS:
            raise ConfigurationError(f"more than {_MOST_EXCEPTIONS} EXCEPT")
        else:
            parts.append([])
    if not all(parts):
        raise ConfigurationError(
            f"nothing before or behind EXCEPT in the {kind} list"
            if len(parts) > 1
            else f"the {kind} list is empty"
        )
    return PatternList(parts)


def host_pattern(word: str, file: FileReader) -> Pattern:
    """Return what a word of a client list means.

    Args:
        word: as written.
        file: returns the pattern for the list in a file.

    Raises:
        ConfigurationError: it means nothing, or cannot be obeyed here.
    """
    if word.startswith("/"):
        return file(word)
    if word.startswith("@"):
        raise ConfigurationError(f"netgroups ({shown(word)}) are not possible here")
    user, at, host = word.rpartition("@")
    if at:
        if user.upper() != "ALL":
            raise ConfigurationError(
                f"{shown(word)} needs a look-up of the user (RFC 931), which is not made: "
                "only ALL is possible before @"
            )
        return host_pattern(host, file)
    return _by_name(word) or address_pattern(word)


def _by_name(word: str) -> Pattern | None:
    """Return what a word that concerns names means, None for one that may be about addresses."""
    lower = word.lower()
    wildcard = _WILDCARDS.get(word.upper())
    if wildcard is not None:
        return wildcard
    if re.fullmatch(r"[0-9.*?/]*", word) or word.startswith("["):
        return None
    if "*" in word or "?" in word:
        return _wildcard_name(lower)
    if lower.startswith(".") and _HOST_NAME.fullmatch(lower[1:]):
        return Pattern(lambda peer: _known(peer.name()).endswith(lower), needs_name=True)
    if _HOST_NAME.fullmatch(lower) and not lower.rpartition(".")[2].isdigit():
        return Pattern(lambda peer: _known(peer.name()) == lower, needs_name=True)
    raise ConfigurationError(f"{shown(word)} is no host, address, net or pattern")


def address_pattern(word: str) -> Pattern:
    """Return what a word means that is ALL or about addresses.

    Raises:
        ConfigurationError: it is something else.
    """
    if word.upper() == "ALL":
        return _ALL
    if word.startswith("["):
        return _ipv6(word)
    if "*" in word or "?" in word:
        if not re.fullmatch(r"[0-9.*?]+", word) or word[0] == "." or word[-1] == ".":
            raise ConfigurationError(f"{shown(word)} is no pattern of addresses")
        return Pattern(lambda peer: peer.address is not None and fits(word, str(peer.address)))
    if _PREFIX.fullmatch(word) and all(
        int(part) <= 255 and str(int(part)) == part for part in word[:-1].split(".")
    ):
        return Pattern(
            lambda peer: (
                isinstance(peer.address, IPv4Address) and str(peer.address).startswith(word)
            )
        )
    net, slash, mask = word.partition("/")
    address = _ipv4_number(net)
    if _NUMBERS.fullmatch(word) and address is not None:
        bits = _mask(mask) if slash else 0xFFFFFFFF
        if bits is None:
            raise ConfigurationError(f"{word} has no usable mask")
        if address & ~bits:
            raise ConfigurationError(f"{word} matches nobody: its net has bits outside its mask")
        return Pattern(lambda peer: _in_net(peer.address, address, bits))
    raise ConfigurationError(f"{shown(word)} is no address or net")


def _in_net(address: Address | None, net: int, bits: int) -> bool:
    return isinstance(address, IPv4Address) and int(address) & bits == net


def _ipv4_number(text: str) -> int | None:
    try:
        return int(IPv4Address(text))
    except ValueError:
        return None


def _mask(text: str) -> int | None:
    """Return the bits of a mask or of its length, None where it is neither."""
    if text.isdigit() and len(text) <= 2 and int(text) <= 32:
        return 0xFFFFFFFF << (32 - int(text)) & 0xFFFFFFFF
    return _ipv4_number(text)


def _ipv6(word: str) -> Pattern:
    """Return the pattern of ``[address]`` and ``[net]/length``."""
    found = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](?:/([0-9]{1,3}))?", word)
    if found is None:
        raise ConfigurationError(f"{shown(word)} is no IPv6 address or net")
    try:
        net = IPv6Network(f"{found[1]}/{found[2] or 128}")
    except ValueError as problem:
        raise ConfigurationError(f"{word} is no IPv6 net: {problem}") from problem
    mapped = net.network_address.ipv4_mapped
    if mapped is not None and net.prefixlen >= 96:
        bits = 0xFFFFFFFF << (128 - net.prefixlen) & 0xFFFFFFFF
        number = int(mapped)
        return Pattern(lambda peer: _in_net(peer.address, number, bits))
    return Pattern(lambda peer: isinstance(peer.address, IPv6Address) and peer.address in net)


def _wildcard_name(word: str) -> Pattern:
    if not _ALLOWED_WITH_WILDCARDS.fullmatch(word) or word[0] == "." or word[-1] == ".":
        raise ConfigurationError(f"{shown(word)} is no pattern of names")
    return Pattern(
        lambda peer: (
            (peer.address is not None and fits(word, str(peer.address)))
            or fits(word, _known(peer.name()))
        ),
        needs_name=True,
    )


def fits(pattern: str, text: str) -> bool:
    """Compare a text with a pattern of ``*`` and ``?``, in time that their lengths bound.

    Only the latest ``*`` is ever tried anew: an earlier one has no better place to offer.
    """
    at = place = 0
    star: int | None = None
    anew = 0
    while place < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, anew = at, place
            at += 1
        elif at < len(pattern) and pattern[at] in {"?", text[place]}:
            at += 1
            place += 1
        elif star is None:
            return False
        else:
            anew += 1
            at, place = star + 1, anew
    return not pattern[at:].strip("*")


def _known(name: str) -> str:
    """Return a name, "" in the place of one that does not count."""
    return "" if name == MISMATCHED else name


def shown(word: str) -> str:
    """Return a word of a file as a line of a log may show it."""
    word = word[:_SHOWN]
    return word if word.isascii() and word.isprintable() else ascii(word)


_ALL = Pattern(lambda _: True)
_WILDCARDS = {
    "ALL": _ALL,
    "LOCAL": Pattern(
        lambda peer: bool(_known(peer.name())) and "." not in peer.name(), needs_name=True
    ),
    "KNOWN": Pattern(
        lambda peer: peer.address is not None and bool(_known(peer.name())), needs_name=True
    ),
    "UNKNOWN": Pattern(lambda peer: peer.address is None or not peer.name(), needs_name=True),
    "PARANOID": Pattern(lambda peer: peer.name() == MISMATCHED, needs_name=True),
}

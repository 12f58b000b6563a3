"""Accept lists: rules about who may associate, by titles and by where a requestor comes from.

Owns the rules, their order and what they say. Must not know where they are kept, when they are
read anew, nor what becomes of a connection (`access_control`).

A rule is ``allow`` or ``deny`` and conditions: ``calling=`` and ``called=`` with an AE title in
which ``*`` and ``?`` stand for any letters and any letter, ``from=`` with an address, a net or a
host's name. A condition may be given several times, then one of them is enough; of different
conditions all are needed. The first rule that fits decides. Where none fits, a list with an
``allow`` in it denies, and one without allows.

A host's name counts only where it leads back to the address, and where no earlier part of the
rule is wrong. A rule that would fit nobody is an error: somebody wrote it for somebody.

PS3.8 9.3.4; titles: PS3.5 6.2, upper and lower case are different.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_network

from isocenter.errors import ConfigurationError
from isocenter.record import NamedTuple, Record
from isocenter.security.hosts_patterns import fits
from isocenter.security.rule_lines import fail, lines_of, shown
from isocenter.security.title_patterns import is_title_among, title_pattern, warn_of_comma

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from ipaddress import IPv4Address, IPv4Network, IPv6Network
    from typing import TypeAlias

    from isocenter.security.rule_lines import RuleLine, Word

    Network: TypeAlias = IPv4Network | IPv6Network
    Address: TypeAlias = IPv4Address | IPv6Address

__all__ = ["AccessList", "AccessRule", "Asker", "Decision", "parse_access_list", "single_rule"]

_NAME = re.compile(r"[a-z0-9_*?-]+(\.[a-z0-9_*?-]+)*", re.ASCII)
_NUMBERS = re.compile(r"[0-9.*?/]+|.*:.*")
_KEYS = ("calling", "called", "from")
_WORDS = {"all", "any", "none", "local", "known", "unknown", "paranoid"}
"""What other languages of rules have where we have names of hosts."""


class Asker(NamedTuple):
    """Whom rules are compared with.

    Fields:
        calling: AE title.
        called: AE title.
        address: where it comes from, None where that is no address.
        name: returns the name of the host in lower case, "" where it has none that counts;
            asked only where a rule depends on it.
    """

    calling: str
    called: str
    address: Address | None
    name: Callable[[], str]


class Decision(NamedTuple):
    """What rules say: `allowed`, and the `rule` that says so, None where none fits."""

    allowed: bool
    rule: AccessRule | None = None


class AccessRule(Record):
    """One rule.

    Fields:
        allows: what becomes of those it fits.
        text: as it is written, for the log.
        line: its number in its file, 0 where it stands in none.
        calling: patterns of calling titles, empty for any.
        called: patterns of called titles, empty for any.
        networks: where they may come from; addresses are nets of one.
        names: patterns of host names in lower case. With neither networks nor names: anywhere.
    """

    allows: bool
    text: str
    line: int = 0
    calling: tuple[str, ...] = ()
    called: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()
    names: tuple[str, ...] = ()

    def fits(self, asker: Asker, *, any_called: bool = False) -> bool:
        """Tell whether the rule is about a requestor; `any_called`: under one called title."""
        return (
            (not self.calling or is_title_among(asker.calling, self.calling))
            and (any_called or not self.called or is_title_among(asker.called, self.called))
            and (self.is_anywhere or self._covers(asker.address) or self._calls(asker))
        )

    @property
    def is_anywhere(self) -> bool:
        """True where the rule does not say from where."""
        return not self.networks and not self.names

    def fits_from(self, address: Address | None) -> bool | None:
        """Tell whether the rule is about all, some (None) or none of those from an address."""
        if not self.is_anywhere and not self._covers(address):
            return None if self.names and address is not None else False
        return None if self.calling or self.called else True

    def _covers(self, address: Address | None) -> bool:
        return address is not None and any(
            net.version == address.version and address in net for net in self.networks
        )

    def _calls(self, asker: Asker) -> bool:
        if not self.names or asker.address is None:
            return False
        name = asker.name()
        return bool(name) and any(fits(pattern, name) for pattern in self.names)


class AccessList(Record):
    """Rules in their order, and what log lines call them.

    Fields:
        rules: the rules.
        origin: the file, or the options that they come from.
    """

    rules: tuple[AccessRule, ...]
    origin: str

    @property
    def _default(self) -> bool:
        return not any(rule.allows for rule in self.rules)

    def decide(self, asker: Asker) -> Decision:
        """Return what the first rule says that is about a requestor."""
        for rule in self.rules:
            if rule.fits(asker):
                return Decision(rule.allows, rule)
        return Decision(self._default)

    def refuses_from(self, address: Address | None) -> Decision | None:
        """Return the refusal that anybody from an address meets, None where somebody may not.

        Rules by name are not asked about, they may fit or not: no name is looked up.
        """
        for rule in self.rules:
            about = rule.fits_from(address)
            if rule.allows and about is not False:
                return None
            if about:
                return Decision(allowed=False, rule=rule)
        return None if self._default else Decision(allowed=False)

    def is_fault_of_called_title(self, asker: Asker, decision: Decision) -> bool:
        """Tell whether who was refused would be let in under another called title."""
        rule = decision.rule
        if rule is not None:
            return bool(rule.called) and not rule.calling
        return any(rule.allows and rule.fits(asker, any_called=True) for rule in self.rules)

    def words(self, decision: Decision) -> str:
        """Return which rule decided, for a log line."""
        rule = decision.rule
        if rule is None:
            in_file = any(rule.line for rule in self.rules)
            return f"no rule of {self.origin} allows it" if in_file else f"not among {self.origin}"
        return f"{self.origin}, line {rule.line}: {rule.text}"


def parse_access_list(text: str, path: str) -> AccessList:
    """Return the rules in a file.

    Raises:
        ConfigurationError: a line is no rule, or there is no rule at all; the message names file,
            line and column.
    """
    rules = tuple(_rule(line, path) for line in lines_of(text, path))
    if not rules:
        raise ConfigurationError(f"{path}: there is no rule in it")
    return AccessList(rules=rules, origin=path)


def single_rule(
    *,
    calling: Iterable[str] = (),
    called: Iterable[str] = (),
    networks: Iterable[str] = (),
    origin: str,
) -> AccessList:
    """Return a list that allows what fits each of the conditions that are not empty.

    Args:
        calling: patterns of calling titles.
        called: patterns of called titles.
        networks: addresses, nets and host names.
        origin: what log lines call the list.

    Raises:
        ConfigurationError: one of them is none.
    """
    places = [_place(value) for value in networks]
    rule = AccessRule(
        allows=True,
        text="",
        calling=tuple(title_pattern(value) for value in calling),
        called=tuple(title_pattern(value) for value in called),
        networks=tuple(place for place in places if not isinstance(place, str)),
        names=tuple(place for place in places if isinstance(place, str)),
    )
    return AccessList(rules=(rule,), origin=origin)


def _rule(line: RuleLine, path: str) -> AccessRule:
    """Return the rule of a line.

    Raises:
        ConfigurationError: it is none.
    """
    first = line.words[0]
    if first.key or first.value not in {"allow", "deny"}:
        fail(path, line.number, first.column, 'a rule begins with "allow" or "deny"')
    calling: list[str] = []
    called: list[str] = []
    networks: list[Network] = []
    names: list[str] = []
    for word in line.words[1:]:
        try:
            if word.key in {"calling", "called"}:
                pattern = title_pattern(word.value)
                where = f"{path}, line {line.number}, column {word.column}"
                warn_of_comma(pattern, where=where, key=f"{word.key}=")
                (calling if word.key == "calling" else called).append(pattern)
                continue
            place = _place(_checked(word))
            if isinstance(place, str):
                names.append(place)
            else:
                networks.append(place)
        except ConfigurationError as problem:
            fail(path, line.number, word.column, str(problem))
    return AccessRule(
        allows=first.value == "allow",
        text=line.text,
        line=line.number,
        calling=tuple(calling),
        called=tuple(called),
        networks=tuple(networks),
        names=tuple(names),
    )


def _checked(word: Word) -> str:
    """Return the value of a ``from=``.

    Raises:
        ConfigurationError: it is something else.
    """
    if word.key != "from":
        raise ConfigurationError(
            f"{shown(word.key or word.value)!r} is no condition: "
            f"{', '.join(f'{key}=' for key in _KEYS)}"
        )
    return word.value


def _place(value: str) -> Network | str:
    """Return a net, or a pattern of host names.

    Raises:
        ConfigurationError: it is neither.
    """
    if "%" in value:
        raise ConfigurationError(f"{shown(value)!r}: an address has no zone here")
    try:
        net = ip_network(value)
    except ValueError:
        return _host(value)
    first = net.network_address
    if isinstance(first, IPv6Address) and first.ipv4_mapped is not None:
        raise ConfigurationError(f"{shown(value)}: write it as the IPv4 address or net it means")
    return net


def _host(value: str) -> str:
    """Return a pattern of host names.

    Raises:
        ConfigurationError: no host can be called so.
    """
    try:
        net = ip_network(value, strict=False)
    except ValueError:
        pass
    else:
        raise ConfigurationError(
            f"{shown(value)} has bits beyond its mask: the net is {net}, the host "
            f"{value.partition('/')[0]}"
        )
    pattern = value.lower().removesuffix(".")
    if pattern in _WORDS:
        raise ConfigurationError(
            f"{shown(value)!r} is no host's name here: for hosts anywhere, leave from= out"
        )
    last = pattern.rpartition(".")[2].strip("*?")  # no domain is called by a number
    if _NUMBERS.fullmatch(pattern) or last.isdecimal() or not _NAME.fullmatch(pattern):
        raise ConfigurationError(f"{shown(value)!r} is no address, net (192.0.2.0/24) or host name")
    return pattern

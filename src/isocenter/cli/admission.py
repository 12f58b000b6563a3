"""Who may use a receiver: its options to a gate of its listener and to judges of requests.

Owns what is built from which option, and for +ac when a name is looked up, for how long that may
take, and DCMTK's line about a refused connection. Must not know what is in the rules
(`security`), nor how names are found.

DCMTK's option +ac: as there, a connection is refused by closing it, unanswered and unread. The
others are our own.
"""

from __future__ import annotations

import os
import time
from collections import deque

from isocenter.errors import ConfigurationError
from isocenter.logs import CRITICAL, DEBUG, ERROR, INFO, WARNING, get_logger
from isocenter.net.resolver import (
    MISMATCHED,
    TIMEOUT,
    Resolver,
    confirmed_name,
    confirmed_name_or_none,
)
from isocenter.record import NamedTuple
from isocenter.security import access_files
from isocenter.security.hosts_access import Decision, decide
from isocenter.security.hosts_patterns import NameWanted, Peer, parse_address

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.net.gate import Gate
    from isocenter.ops.reload import Reloader
    from isocenter.security.access_control import AccessControl
    from isocenter.security.hosts_access import Rule
    from isocenter.services.admission import Admission

__all__ = ["Doors", "Gates", "HostGate", "doors_of", "gate_of"]

_LOGGER = get_logger(__name__)

_LEVELS = {
    "emerg": CRITICAL,
    "alert": CRITICAL,
    "crit": CRITICAL,
    "err": ERROR,
    "warning": WARNING,
    "notice": INFO,
    "info": INFO,
    "debug": DEBUG,
}
_ALLOWING = ("--allow-calling", "--allow-called", "--allow-from")
"""Options that together are one rule."""
_ONLY_ONE = (
    "--access-list",
    "--cert-ae",
    "--users",
    "--jwt-key",
    "--jwt-keys",
    "--jwt-issuer",
    "--jwt-audience",
)
"""Options that decide who comes in, and of which two would contradict each other: as with other
options the last would count, and nobody would know that the first keeps out nobody."""
_SHOWN_NAMES = {"": "unknown", MISMATCHED: "paranoid"}
"""What the log says in the place of a name, in the words of libwrap."""


class Doors(NamedTuple):
    """What keeps out whom options keep out; each is None where it has nothing to ask.

    Fields: `gate` of the listener, before anything is read; `admission`, the judges of requests.
    """

    gate: Gate | None
    admission: Admission | None


def doors_of(line: ParsedCommandLine, reloader: Reloader) -> Doors:
    """Return who decides about connections and requests.

    Args:
        line: of a receiver.
        reloader: gets what can be read anew.

    Raises:
        ConfigurationError: an option or a file cannot be used; the message names it.
    """
    for option in _ONLY_ONE:
        if line.has(option) and len(line.values(option)) > 1:
            raise ConfigurationError(f"{option} was given more than once, and only one can hold")
    gates: list[Gate] = []
    judges: list[Admission] = []
    access = _access_of(line, reloader)
    if access is not None:
        gates.append(access)
        judges.append(access)
    if line.given("--cert-ae"):
        from isocenter.security.certificate_titles import CertificateTitles

        try:
            titles = CertificateTitles(line.value("--cert-ae"))
        except ConfigurationError as problem:
            raise ConfigurationError(f"--cert-ae: {problem}") from problem
        reloader.add("titles of certificates", titles.reload)
        judges.append(titles)
    if line.has("--access-control") and (
        line.block("--access-full", "--access-control") == "--access-control"
    ):
        gates.append(gate_of(line))
    identity = _identity_of(line, reloader)
    if identity is not None:
        judges.append(identity)
    admission = None
    if judges:
        from isocenter.services.admission import Admissions

        admission = Admissions(judges)
    return Doors(Gates(gates) if gates else None, admission)


def _identity_of(line: ParsedCommandLine, reloader: Reloader) -> Admission | None:
    """Return who judges requests by their user, None where no option asks for that.

    Raises:
        ConfigurationError: an option or a file cannot be used.
    """
    if not any(line.given(option) for option in ("--users", "--jwt-key", "--jwt-keys")):
        return None
    from isocenter.cli.users import identity_of

    return identity_of(line, reloader)


def _access_of(line: ParsedCommandLine, reloader: Reloader) -> AccessControl | None:
    """Return the accept list of the options, None where there is none.

    Raises:
        ConfigurationError: it cannot be used.
    """
    given = [option for option in _ALLOWING if line.given(option)]
    if not given and not line.given("--access-list"):
        return None
    from isocenter.security.access_control import AccessControl, AccessFile
    from isocenter.security.access_list import single_rule
    from isocenter.security.title_patterns import warn_of_comma

    look_up = None if line.given("--disable-host-lookup") else confirmed_name_or_none
    if not given:
        try:
            file = AccessFile(line.value("--access-list"), look_up)
        except ConfigurationError as problem:
            raise ConfigurationError(f"--access-list: {problem}") from problem
        reloader.add("access list", file.reload)
        return file
    origin = ", ".join(given)
    for option in ("--allow-calling", "--allow-called"):
        for value in line.values(option):
            warn_of_comma(value, where=option, key="the option")
    try:
        access = single_rule(
            calling=[_bytes_typed(value) for value in line.values("--allow-calling")],
            called=[_bytes_typed(value) for value in line.values("--allow-called")],
            networks=line.values("--allow-from"),
            origin=origin,
        )
    except ConfigurationError as problem:
        raise ConfigurationError(f"{origin}: {problem}") from problem
    return AccessControl(access, look_up)


def _bytes_typed(value: str) -> str:
    """Return a title as peers' titles are read: a character for each byte."""
    return os.fsencode(value).decode("latin-1")


class Gates:
    """Several gates as one: all of them have to let a connection in (`net.gate.Gate`)."""

    __slots__ = ("_gates",)

    def __init__(self, gates: Sequence[Gate]) -> None:
        """Keep the gates; the first one that refuses is not followed by others."""
        self._gates = tuple(gates)

    def start(self, wake: Callable[[], None]) -> None:
        """As `Gate`."""
        for gate in self._gates:
            gate.start(wake)

    def admits(self, peer: str, local: str) -> bool | None:
        """As `Gate`."""
        waiting = False
        for gate in self._gates:
            admitted = gate.admits(peer, local)
            if admitted is False:
                return False
            waiting = waiting or admitted is None
        return None if waiting else True

    def settled(self) -> Sequence[str]:
        """As `Gate`."""
        return list(dict.fromkeys(host for gate in self._gates for host in gate.settled()))

    def deadline(self) -> float | None:
        """As `Gate`."""
        due = [moment for gate in self._gates if (moment := gate.deadline()) is not None]
        return min(due, default=None)


def gate_of(line: ParsedCommandLine) -> HostGate:
    """Return the gate for the rules of this system.

    Raises:
        ConfigurationError: rules cannot be obeyed; the message names file and line.
    """
    files = access_files.AccessFiles(
        line.tool.name, allow=access_files.ALLOW, deny=access_files.DENY
    )
    return HostGate(files, by_name=not line.given("--disable-host-lookup"))


def _warn_of_names(rules: Sequence[Rule]) -> None:
    """Say which rules go by name where no host has one."""
    for rule in rules:
        if rule.peers.needs_name:
            _LOGGER.warning(
                "%s, line %d goes by name, but with --disable-host-lookup no host has one",
                rule.path,
                rule.line,
            )


class HostGate:
    """Lets in whom the rules let in (`net.gate.Gate`).

    Args:
        files: the rules.
        by_name: names may be looked up; else no host has one.
        look_up: address to confirmed name, as `net.resolver.confirmed_name`.

    Raises:
        ConfigurationError: rules cannot be obeyed; the message names file and line.
    """

    __slots__ = ("_asked", "_files", "_late", "_outcomes", "_problem", "_resolver", "_wake")

    def __init__(
        self,
        files: access_files.AccessFiles,
        *,
        by_name: bool = True,
        look_up: Callable[[str], str] = confirmed_name,
    ) -> None:
        """Read the rules."""
        rules = files.rules()
        if not by_name:
            _warn_of_names(rules)
        self._files = files
        self._problem = ""
        self._asked: dict[str, float] = {}  # host to when its name has to be known
        self._late: frozenset[str] = frozenset()  # hosts whose names were not known in time
        self._outcomes: deque[str] = deque()
        self._wake: Callable[[], None] | None = None
        self._resolver = Resolver(look_up, edit=str, on_outcome=self._outcome) if by_name else None

    def start(self, wake: Callable[[], None]) -> None:
        """As `Gate`."""
        self._wake = wake

    def admits(self, peer: str, local: str) -> bool | None:
        """As `Gate`; logs what becomes of the connection."""
        host = peer.rpartition(":")[0]
        local_host, _, port = local.rpartition(":")
        asker = Peer(
            parse_address(host),
            lambda: self._name(host),
            parse_address(local_host),
            int(port) if port.isdigit() else 0,
        )
        try:
            decision = decide(self._files.rules(), asker)
        except NameWanted:
            if host in self._late:
                # It may have a name that a rule refuses: others may have kept us from asking.
                _LOGGER.info("the name of %s was not known in time: refused for now", host)
                decision = Decision(allowed=False)
                self._tell(decision, host)
                return False
            if self._look_up(host):
                return None
            _LOGGER.info("too many look-ups of names at once: nobody can tell who %s is", host)
            decision = Decision(allowed=False)
        except ConfigurationError as problem:
            self._complain(str(problem))
            decision = Decision(allowed=False)
        else:
            self._complain("")
        self._tell(decision, host)
        return decision.allowed

    def settled(self) -> Sequence[str]:
        """As `Gate`."""
        hosts = []
        while self._outcomes:
            host = self._outcomes.popleft()
            # What was not looked up in time is not known, either: it is late in a moment.
            if host in self._asked and self._is_known(host):
                del self._asked[host]
                hosts.append(host)
        now = time.monotonic()
        late = [host for host, until in self._asked.items() if until <= now]
        for host in late:
            del self._asked[host]
        self._late = frozenset(late)
        return hosts + late

    def deadline(self) -> float | None:
        """As `Gate`: the first that was asked about is due first."""
        return next(iter(self._asked.values()), None)

    def _name(self, host: str) -> str:
        """Return the name of a host, "" where it has none.

        Raises:
            NameWanted: it is not known yet.
        """
        if self._resolver is None or not host:
            return ""
        name = self._resolver.known(host)
        if name is None:
            raise NameWanted
        return "" if name == host else name

    def _look_up(self, host: str) -> bool:
        """Have a name looked up; False where too many wait."""
        if self._resolver is None or not self._resolver.begin(host):
            return False
        now = time.monotonic()
        if self._asked.get(host, now) <= now:
            self._asked.pop(host, None)  # its place is behind the others
            self._asked[host] = now + TIMEOUT
        if self._is_known(host):
            self._outcome(host)  # it came before anybody waited for it
        return True

    def _is_known(self, host: str) -> bool:
        return self._resolver is not None and self._resolver.known(host) is not None

    def _outcome(self, host: str) -> None:
        """Take note, in any thread, that a look-up is over."""
        self._outcomes.append(host)
        if self._wake is not None:
            self._wake()

    def _complain(self, problem: str) -> None:
        """Say once that the rules cannot be used any more, and that they can again."""
        if problem == self._problem:
            return
        self._problem = problem
        if problem:
            _LOGGER.error("nobody is let in, access rules cannot be used: %s", problem)
        else:
            _LOGGER.warning("access rules can be used again")

    def _tell(self, decision: Decision, host: str) -> None:
        """Log a refusal, and what rules with a severity say."""
        rule = decision.rule
        level = ERROR
        if rule is not None and rule.severity:
            level = _LEVELS[rule.severity]
        elif decision.allowed:
            return
        known = None if self._resolver is None else self._resolver.known(host)
        name = "" if known in {None, host} else str(known)
        who = f"{_SHOWN_NAMES.get(name, name)} ({host or 'unknown address'})"
        if decision.allowed:
            _LOGGER.log(level, "TCP wrapper: allowed connection from %s", who)
        else:
            _LOGGER.log(
                level,
                "Receiving Association failed: 0006:0324 TCP wrapper: denied connection from %s",
                who,
            )
        if rule is not None:
            _LOGGER.info("as %s, line %d, says", rule.path, rule.line)

"""Names of hosts: above all by their addresses, looked up so that nobody is held up for long.

Owns the pool of threads that ask the system's resolver, the time that an answer may take, and
what is taken for a name. Must not know who wants one, nor when.

The system's call cannot be interrupted and may take a minute where no server answers, so it runs
in a thread of its own, and who asked waits for `TIMEOUT` at most: then the address stands for the
name. Outcomes are remembered, those without a name for a shorter time.

A name comes from outside, from whoever runs the reverse zone of the address. Only one that a host
may have (RFC 1123 2.1; the underscore as well) is used, and of it the first label, as DCMTK's
storescp shows it. Nothing confirms it: such a name may open no door. `confirmed_name` is for those
who decide by names.

DCMTK's option -dhl switches look-ups off.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import OrderedDict, deque

from isocenter.logs import get_logger
from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "MISMATCHED",
    "TIMEOUT",
    "Resolver",
    "addresses_of",
    "canonical_name",
    "confirmed_name",
    "confirmed_name_or_none",
    "first_label",
    "system_name",
]

_LOGGER = get_logger(__name__)

TIMEOUT = 2.0
"""Seconds that a look-up may take before the address is used."""

MISMATCHED = "?"
"""In the place of the name of an address whose name does not lead back to it."""

_NAMELESS = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
_MAXIMUM_NAME = 253
_MAXIMUM_LABEL = 63
_INNER = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"


def system_name(address: str) -> str:
    """Return the name of an address as the system has it, from its files or the DNS.

    Raises:
        OSError: there is none, or no server says.
    """
    return socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0]


def canonical_name(name: str) -> str:
    """Return a host's name with its domain as the system has it, "" where it does not say.

    Waits for as long as the system's resolver does.

    Raises:
        OSError: the name is unknown, or no server says.
        UnicodeError: no host can have that name.
    """
    found = socket.getaddrinfo(name, None, flags=socket.AI_CANONNAME)
    return found[0][3] if found else ""


def addresses_of(name: str) -> tuple[str, ...]:
    """Return the addresses of a host by its name, without zones, each once.

    Waits for as long as the system's resolver does.

    Raises:
        OSError: the name is unknown, or no server says.
        UnicodeError: no host can have that name.
    """
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))


def confirmed_name(address: str, *, strict: bool = False) -> str:
    """Return the whole name of an address, in lower case, that leads back to the address.

    `MISMATCHED` where it has a name that does not, or that no host can have: whoever runs the
    reverse zone of an address may say there what they like, but not in the zone of that name.

    Args:
        address: of the host.
        strict: where no server says what the name leads to, that is an error, too.

    Raises:
        OSError: there is no name, or no server says.
    """
    from ipaddress import ip_address

    name = system_name(address).lower().removesuffix(".")
    if not first_label(name):
        return MISMATCHED
    wanted = ip_address(address.partition("%")[0]).packed
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except UnicodeError:
        return MISMATCHED
    except OSError as problem:
        if strict and problem.errno not in _NAMELESS:
            raise
        return MISMATCHED
    back = {ip_address(str(entry[4][0]).partition("%")[0]).packed for entry in found}
    return name if wanted in back else MISMATCHED


def confirmed_name_or_none(address: str) -> str:
    """Return the confirmed name of an address, "" where it has none that counts.

    Raises:
        OSError: nobody can tell: no server says. `confirmed_name` raises it also where the
            address is known to have no name.
    """
    try:
        name = confirmed_name(address, strict=True)
    except socket.gaierror as problem:
        if problem.errno in _NAMELESS:
            return ""
        raise
    return "" if name == MISMATCHED else name


def first_label(name: str) -> str:
    """Return the first label of a host name, "" where no host can have that name.

    RFC 1123 2.1; underscores are in use in the field. A name of numbers is none, for it could
    pass for an address.
    """
    labels = name.removesuffix(".").split(".")
    if len(name) > _MAXIMUM_NAME or labels[-1].isdigit():
        return ""
    for label in labels:
        if (
            not label
            or len(label) > _MAXIMUM_LABEL
            or label.strip(_INNER)
            or "-" in {label[0], label[-1]}
        ):
            return ""
    return labels[0]


class _Known(NamedTuple):
    """An outcome: the name, or the address in its place, and until when it holds."""

    name: str
    until: float


class _LookUp:
    """A look-up on its way."""

    __slots__ = ("address", "asked_at", "over")

    def __init__(self, address: str, asked_at: float) -> None:
        self.address = address
        self.asked_at = asked_at
        self.over = False


class Resolver:
    """Looks up the names of addresses; may be used by any number of threads.

    Args:
        look_up: address to name; raises OSError or UnicodeError where there is none.
        timeout: seconds from the question until the address is used.
        threads: look-ups at a time, inclusive. A thread that the system does not answer is
            occupied beyond the timeout, so several.
        maximum_waiting: addresses asked about that no thread took yet, inclusive; beyond, the
            address is used at once.
        maximum_known: outcomes remembered, inclusive; beyond, the oldest goes.
        keep: seconds that a name is remembered.
        keep_failure: seconds that the lack of one is remembered.
        edit: what becomes of a name; "" where it is none.
        on_outcome: told each address whose look-up is over, from any thread and while a lock is
            held: it must not wait, nor call back. None for nobody.

    Nothing starts before the first question, so a server may fork until then.
    """

    __slots__ = (
        "_changed",
        "_edit",
        "_keep",
        "_keep_failure",
        "_known",
        "_look_up",
        "_maximum_known",
        "_maximum_waiting",
        "_on_outcome",
        "_pending",
        "_running",
        "_threads",
        "_timeout",
        "_waiting",
    )

    def __init__(
        self,
        look_up: Callable[[str], str] = system_name,
        *,
        timeout: float = TIMEOUT,
        threads: int = 4,
        maximum_waiting: int = 256,
        maximum_known: int = 1024,
        keep: float = 300.0,
        keep_failure: float = 60.0,
        edit: Callable[[str], str] = first_label,
        on_outcome: Callable[[str], None] | None = None,
    ) -> None:
        """Keep the arguments; no thread starts."""
        self._look_up = look_up
        self._timeout = timeout
        self._threads = threads
        self._maximum_waiting = maximum_waiting
        self._maximum_known = maximum_known
        self._keep = keep
        self._keep_failure = keep_failure
        self._edit = edit
        self._on_outcome = on_outcome
        self._changed = threading.Condition()
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._pending: dict[str, _LookUp] = {}
        self._waiting: deque[_LookUp] = deque()
        self._running = 0

    def known(self, address: str) -> str | None:
        """Return the name of an address, or the address where it has none; None if not known yet.

        Never waits.
        """
        with self._changed:
            return self._remembered(address)

    def name(self, address: str) -> str:
        """Return the name of an address, or the address where it has none.

        Waits for `timeout` seconds at most.
        """
        with self._changed:
            known = self._remembered(address)
            if known is not None:
                return known
            look_up = self._pending.get(address)
            if look_up is None:
                look_up = self._ask(address)
                if look_up is None:
                    return address
            left = look_up.asked_at + self._timeout - time.monotonic()
            # Another one may have timed out and been asked anew meanwhile: this one alone counts.
            self._changed.wait_for(lambda: look_up.over, timeout=max(0.0, left))
            known = self._remembered(address)
            return self._give_up(address) if known is None else known

    def begin(self, address: str) -> bool:
        """Have an address looked up, where it is neither known nor being looked up.

        Never waits; `on_outcome` tells when it is known. False where too many wait.
        """
        with self._changed:
            return (
                self._remembered(address) is not None
                or address in self._pending
                or self._ask(address) is not None
            )

    def give_up(self, address: str) -> None:
        """Have the address stand for the name where that is not known `timeout` after `begin`."""
        with self._changed:
            if self._remembered(address) is None:
                self._give_up(address)

    def _give_up(self, address: str) -> str:
        """Remember that no name came in time, and return the address; the lock is held."""
        # So that the next who asks does not wait as long again; a late answer corrects it.
        _LOGGER.info("no name for %s within %g s", address, self._timeout)
        self._remember(address, address, self._keep_failure)
        return address

    def _remembered(self, address: str) -> str | None:
        known = self._known.get(address)
        if known is None or known.until <= time.monotonic():
            return None
        return known.name

    def _remember(self, address: str, name: str, seconds: float) -> None:
        self._known.pop(address, None)  # its place is behind the others
        while len(self._known) >= self._maximum_known:
            self._known.popitem(last=False)
        self._known[address] = _Known(name, time.monotonic() + seconds)

    def _ask(self, address: str) -> _LookUp | None:
        """Have a thread look an address up; None where too many wait, or no thread can start."""
        if len(self._waiting) >= self._maximum_waiting:
            return None
        look_up = _LookUp(address, time.monotonic())
        if self._running < self._threads:
            try:
                threading.Thread(target=self._work, name="host names", daemon=True).start()
            except RuntimeError:  # no more threads: one that runs may get to it
                if not self._running:
                    return None
            else:
                self._running += 1
        self._pending[address] = look_up
        self._waiting.append(look_up)
        return look_up

    def _work(self) -> None:
        """Look up one address after the other while there are any."""
        while True:
            with self._changed:
                if not self._waiting:
                    self._running -= 1
                    return
                look_up = self._waiting.popleft()
                if look_up.asked_at + self._timeout <= time.monotonic():
                    self._over(look_up)  # nobody waits for it any more
                    continue
            try:
                name = self._edit(self._look_up(look_up.address))
            except (OSError, UnicodeError):
                name = ""
            except Exception:
                _LOGGER.exception("look-up of %s failed", look_up.address)
                name = ""
            with self._changed:
                seconds = self._keep if name else self._keep_failure
                self._remember(look_up.address, name or look_up.address, seconds)
                self._over(look_up)

    def _over(self, look_up: _LookUp) -> None:
        """Take note that a look-up ended; the lock is held."""
        look_up.over = True
        del self._pending[look_up.address]
        self._changed.notify_all()
        if self._on_outcome is not None:
            self._on_outcome(look_up.address)

"""Accept lists at work: connections that are closed, requests that are rejected, and the log.

Owns when a list is asked, what a refused peer is told, and which line says why. Must not know
sockets, nor who calls: it is a gate of a listener (`net.gate`) and a judge of requests
(`services.admission`).

From an address from which nobody may associate a connection is closed, unanswered and unread. Who
is refused by title or by the name of the host gets the rejection that PS3.8 9.3.4 has for titles.
"""

from __future__ import annotations

from isocenter.aetitle import normalise
from isocenter.errors import ConfigurationError
from isocenter.logs import get_logger
from isocenter.security.access_list import Asker, parse_access_list
from isocenter.security.hosts_patterns import parse_address
from isocenter.security.rule_lines import read_text
from isocenter.ul.negotiation import rejection
from isocenter.ul.pdu import RejectReason

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from isocenter.security.access_list import AccessList
    from isocenter.ul.admission import RequestFacts
    from isocenter.ul.pdu import AAssociateRJ, AAssociateRQ

__all__ = ["AccessControl", "AccessFile"]

_LOGGER = get_logger(__name__)


class _Name:
    """The name of a host, looked up at most once, and only where somebody asks.

    Attributes:
        problem: why nobody can tell whether the host has a name, "" where that is known.
    """

    __slots__ = ("_found", "_host", "_look_up", "problem")

    def __init__(self, host: str, look_up: Callable[[str], str] | None) -> None:
        self._host = host
        self._look_up = look_up
        self._found: str | None = None
        self.problem = ""

    def __call__(self) -> str:
        """Return the name, "" where there is none."""
        if self._found is None:
            self._found = ""
            try:
                if self._look_up is not None:
                    self._found = self._look_up(self._host)
            except (OSError, UnicodeError) as problem:
                self.problem = f"a rule goes by name, and the host's is not known ({problem})"
        return self._found


class AccessControl:
    """Lets in whom a list lets in; for any thread.

    Args:
        access: the list.
        look_up: address to the confirmed name of its host in lower case, "" where it has none;
            waits, and raises OSError where nobody can tell. None where no name is looked up.

    Raises:
        ConfigurationError: a rule goes by name, and no name is looked up.
    """

    __slots__ = ("_access", "_look_up")

    def __init__(self, access: AccessList, look_up: Callable[[str], str] | None = None) -> None:
        """Keep the arguments."""
        self._look_up = look_up
        self._access = access
        self._use(access)

    def _use(self, access: AccessList) -> None:
        """Ask another list from now on.

        Raises:
            ConfigurationError: as the class; the list stays as it is.
        """
        for rule in access.rules if self._look_up is None else ():
            if rule.names:
                place = f"{access.origin}, line {rule.line}" if rule.line else access.origin
                raise ConfigurationError(
                    f"{place}: {rule.names[0]} is a host's name, and none is looked up here"
                )
        self._access = access

    # ------------------------------------------------------------------ gate

    def start(self, wake: Callable[[], None]) -> None:
        """As `net.gate.Gate`; there is nothing to wait for."""

    def admits(self, peer: str, local: str) -> bool:
        """As `net.gate.Gate`; logs whom it refuses."""
        del local
        host = peer.rpartition(":")[0]
        access = self._access
        refusal = access.refuses_from(parse_address(host))
        if refusal is None:
            return True
        _LOGGER.warning(
            "refused connection from %s: %s", host or "unknown address", access.words(refusal)
        )
        return False

    def settled(self) -> Sequence[str]:
        """As `net.gate.Gate`."""
        return ()

    def deadline(self) -> None:
        """As `net.gate.Gate`."""

    # ------------------------------------------------------------------ admission

    def judge(self, facts: RequestFacts, request: AAssociateRQ) -> AAssociateRJ | None:
        """As `services.admission.Admission`."""
        access = self._access
        name = _Name(facts.host, self._look_up)
        asker = Asker(
            normalise(request.calling_ae_title),
            normalise(request.called_ae_title),
            parse_address(facts.host),
            name,
        )
        decision = access.decide(asker)
        if decision.allowed and not name.problem:
            return None
        _LOGGER.warning(
            "refused association of %a at %s with %a: %s",
            asker.calling,
            facts.host or "unknown address",
            asker.called,
            name.problem or access.words(decision),
        )
        if name.problem:  # it may have the name that a rule refuses
            return rejection(RejectReason.USER_NO_REASON, transient=True)
        if access.is_fault_of_called_title(asker, decision):
            return rejection(RejectReason.USER_CALLED_AE_TITLE_NOT_RECOGNIZED)
        return rejection(RejectReason.USER_CALLING_AE_TITLE_NOT_RECOGNIZED)


class AccessFile(AccessControl):
    """Lets in whom the list in a file lets in.

    Args:
        path: of the file.
        look_up: as `AccessControl`.

    Raises:
        ConfigurationError: as `AccessControl`, or the file cannot be used; the message names it
            and the line.
    """

    __slots__ = ("_path",)

    def __init__(self, path: str, look_up: Callable[[str], str] | None = None) -> None:
        """Read the file."""
        self._path = path
        super().__init__(parse_access_list(read_text(path), path), look_up)

    def reload(self) -> str:
        """Read the file again, and say what is in force now.

        Raises:
            ConfigurationError: it cannot be used; the list stays as it is.
        """
        access = parse_access_list(read_text(self._path), self._path)
        self._use(access)
        count = len(access.rules)
        return f"{self._path}, {count} {'rule' if count == 1 else 'rules'}"

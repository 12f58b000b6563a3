"""The associations of a run of dcmsend: opened one after the other, and what is said of each.

Owns DCMTK's lines about asking for an association, those that are refused or of no use among
them, and who explains its failures. Must not know which files there are.
"""

from __future__ import annotations

from isocenter.logs import get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.cli.sending import AssociationLink
    from isocenter.errors import IsocenterError
    from isocenter.net.association import Association
    from isocenter.net.client import ConnectOptions
    from isocenter.sender.failures import Failures
    from isocenter.ul.pdu import AAssociateRQ, PresentationContext, UserIdentityRQ

__all__ = ["Calls"]

_LOGGER = get_logger("isocenter.cli.dcmsend")
_NETWORK = get_logger("isocenter.net.client")
"""For what DCMTK's network library says."""


class Calls:
    """Opens the associations of a run.

    Args:
        line: of dcmsend.
        peer: how to reach it.
        identity: who asks, None for nobody.

    Attributes:
        explains: failures are explained (``--explain``).
        decompression: which of `groups.DECOMPRESSION` is in force.
    """

    def __init__(
        self, line: ParsedCommandLine, peer: ConnectOptions, identity: UserIdentityRQ | None
    ) -> None:
        """Keep the arguments."""
        from isocenter.cli.sending import decompression

        self._line = line
        self._peer = peer
        self._identity = identity
        self.explains = line.given("--explain")
        self.decompression = decompression(line)
        self._association: Association | None = None

    def failures(self) -> Failures:
        """Return who explains what fails on the association opened last."""
        from isocenter.cli.explaining import FailureExplainer

        if self._association is None:
            raise RuntimeError("no association was opened")
        return FailureExplainer(self._line, self._association)

    def __call__(self, contexts: tuple[PresentationContext, ...]) -> AssociationLink:
        """Open an association, or say why there is none.

        Raises:
            NotNegotiated, NoAcceptableContexts: see `sender.delivery`.
        """
        from isocenter.cli.sending import (
            AssociationLink,
            association_request,
            log_acceptance,
            log_request,
        )
        from isocenter.errors import IsocenterError
        from isocenter.net.client import connect
        from isocenter.sender.delivery import NoAcceptableContexts, NotNegotiated

        line = self._line
        request = association_request(line, contexts, self._identity)
        log_request(line, _NETWORK, request)
        _NETWORK.info("Requesting Association")
        try:
            association = connect(self._peer, request)
        except IsocenterError as problem:
            self._say_why_none(request, problem)
            raise NotNegotiated from problem
        self._association = association
        log_acceptance(line, _NETWORK, request, association)
        if not association.contexts:
            self._leave(association)
            raise NoAcceptableContexts
        if self._identity is not None and association.accept is not None:
            from isocenter.cli.identity import is_answered

            if not is_answered(request, association.accept, explain=self.explains):
                association.abort()
                raise NotNegotiated
        _NETWORK.info("Association Accepted (Max Send PDV: %d)", association.max_send_pdv)
        return AssociationLink(association, shows_contexts=True)

    def _say_why_none(self, request: AAssociateRQ, problem: IsocenterError) -> None:
        """Say why there is no association."""
        from isocenter.cli.network import log_request_failure
        from isocenter.errors import AssociationRejected
        from isocenter.logs import DEBUG
        from isocenter.sender.instances import words_of

        log_request_failure(_NETWORK, DEBUG, problem)
        words = words_of(problem)
        if isinstance(problem, AssociationRejected):
            words = (
                f"DUL Association Rejected (Result: {problem.result_text}, "
                f"Source: {problem.source_text}, Reason: {problem.reason_text})"
            )
        _LOGGER.critical("cannot negotiate network association: %s", words)
        if self.explains:
            from isocenter.cli.explaining import explain_request

            explain_request(self._line, self._peer, request, problem)

    def _leave(self, association: Association) -> None:
        """End an association that has no use, and say why it has none."""
        from isocenter.errors import IsocenterError
        from isocenter.sender.instances import words_of

        _NETWORK.error("No Acceptable Presentation Contexts")
        _LOGGER.error("cannot negotiate network association: No acceptable Presentation Contexts")
        _NETWORK.info("Releasing Association")
        try:
            association.release()
        except IsocenterError as problem:
            _NETWORK.debug("Association Release Failed: %s", words_of(problem))
        if self.explains:
            from isocenter.cli.explaining import explain_no_context

            explain_no_context(self._line, association, from_files=True)

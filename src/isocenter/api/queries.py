"""`Peer.find`: keys to an identifier, responses to results.

Owns what a Python developer gives and gets. Must not know connections; the association is an
argument.

PS3.4 C.4.1, PS3.7 9.1.2.
"""

from __future__ import annotations

from isocenter import uids
from isocenter.errors import DimseFailure, NegotiationError
from isocenter.record import Record
from isocenter.services.query import find

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from pydicom.dataset import Dataset

    from isocenter.limits import Limits
    from isocenter.net.association import Association
    from isocenter.services.query import Finding, FindResponse
    from isocenter.ul.negotiation import AcceptedContext

__all__ = ["FindResult", "identifier_of", "query_context", "results"]


class FindResult(Record):
    """One match of a query.

    Fields:
        identifier: the match as it came, an encoded data set.
        transfer_syntax_uid: how it is encoded.
        is_partial: True where the peer does not support all keys of the query (FF01).
    """

    identifier: bytes
    transfer_syntax_uid: str
    is_partial: bool

    def dataset(self) -> Dataset:
        """Return it as a pydicom `Dataset`.

        Raises:
            DataSetError: pydicom cannot read it.
        """
        from isocenter.dataset.bridge import decode_dataset

        return decode_dataset(self.identifier, self.transfer_syntax_uid)


def query_context(association: Association, model: str) -> AcceptedContext:
    """Return the accepted context of an information model.

    Raises:
        NegotiationError: there is none.
    """
    for context in association.contexts.values():
        if context.abstract_syntax == model and context.as_scu:
            return context
    raise NegotiationError(f"no accepted context for {uids.name_of(model)}", abstract_syntax=model)


def identifier_of(keys: Dataset | Mapping[str, object], transfer_syntax_uid: str) -> bytes:
    """Return the encoded identifier that keys stand for.

    Args:
        keys: a data set; or keywords with their values, "" or None for universal matching.
        transfer_syntax_uid: to encode it in.

    Raises:
        ValueError: a keyword is none, or a value cannot be encoded.
    """
    from pydicom.dataset import Dataset

    from isocenter.dataset.bridge import encode_dataset

    if not isinstance(keys, Dataset):
        from isocenter.dataset.dictionary import tag_of

        given = Dataset()
        for keyword, value in keys.items():
            if tag_of(keyword) is None:
                raise ValueError(f"{keyword!r} is no keyword of an attribute")
            setattr(given, keyword, value)
        if "SpecificCharacterSet" not in given and not _is_ascii(keys):
            given.SpecificCharacterSet = "ISO_IR 192"
        keys = given
    return encode_dataset(keys, transfer_syntax_uid)


def _is_ascii(keys: Mapping[str, object]) -> bool:
    return all(str(value).isascii() for value in keys.values())


def results(
    association: Association,
    context: AcceptedContext,
    identifier: bytes,
    *,
    priority: int,
    limits: Limits,
    step: Callable[[Finding], FindResponse],
) -> Generator[FindResult]:
    """Yield the matches as they come; closed before its end, the query is cancelled.

    Args:
        association: established.
        context: of the information model.
        identifier: the encoded keys.
        priority: 0 medium, 1 high, 2 low.
        limits: of the length of a match.
        step: takes the next response.

    Raises:
        DimseFailure: the peer ended the query with another status than success.
        DataSetError: a match is longer than the limits allow.
        AssociationAborted, AssociationReleased, ConnectionLost, TimeoutExpired,
            PeerProtocolError: the association ended.
    """
    finding = find(
        association,
        context.context_id,
        identifier,
        priority=priority,
        maximum_length=limits.maximum_match_length,
    )
    try:
        while (response := step(finding)).is_pending:
            yield FindResult(
                identifier=response.identifier or b"",
                transfer_syntax_uid=context.transfer_syntax,
                is_partial=response.status & 1 == 1,
            )
        if response.status:
            comment = response.comment or "C-FIND failed"
            raise DimseFailure(response.status, comment, response.offending)
    finally:
        finding.close()

"""Fuzz target: association PDUs, and what an acceptor makes of them.

The first byte of the input is the PDU type, the rest the body. Decoding may raise
`PduDecodeError` and nothing else; a request that decodes must get an answer that can be
encoded and read back, and a PDU that encodes must decode to itself.
"""

from __future__ import annotations

from isocenter.errors import PduDecodeError
from isocenter.ul import codec
from isocenter.ul.negotiation import (
    AcceptorPolicy,
    Role,
    accept_deviations,
    accepted_contexts,
    negotiate,
    operations_window,
)
from isocenter.ul.pdu import AAssociateAC, AAssociateRQ
from tests.ul import samples

_LIMITS = codec.Limits()
_POLICY = AcceptorPolicy(
    abstract_syntaxes={"1.2.840.10008.1.1": ("1.2.840.10008.1.2",)},
    implementation_class_uid="1.2.3",
    fallback=lambda uid: ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1"),
    accept_related_general=True,
    accept_roles=lambda uid: Role.SCU | Role.SCP,
    extended_negotiation=lambda item: item.service_class_application_information[:16],
)


def seeds() -> list[bytes]:
    """Return PDUs of several kinds."""
    wholes = (
        samples.DCMTK_ECHO_REQUEST,
        samples.DCMTK_ACCEPT,
        samples.EVERY_SUB_ITEM_REQUEST,
        samples.REJECT_CALLED_TITLE,
        samples.RELEASE_RQ,
        samples.RELEASE_RP,
        samples.ABORT_PROVIDER_UNEXPECTED,
    )
    return [as_input(whole) for whole in wholes]


def as_input(whole: bytes) -> bytes:
    """Return a PDU as the target takes it: its type, and its body."""
    return whole[:1] + whole[codec.PDU_HEADER_LENGTH :]


def test_one_input(data: bytes) -> None:
    """Decode one input and check what follows from it."""
    try:
        value = codec.decode(data[0] if data else 0, data[1:], _LIMITS)
    except PduDecodeError:
        return
    try:
        encoded = codec.encode(value)
    except ValueError:
        pass  # what is tolerated is not always sendable: an illegal UID, a missing item
    else:
        again = codec.decode(encoded[0], encoded[codec.PDU_HEADER_LENGTH :], _LIMITS)
        # Nothing but the reserved fields and the padding may differ; those are not kept.
        if again != value:
            raise AssertionError(f"{value!r} became {again!r}")
    if isinstance(value, AAssociateRQ):
        _check_answer(value)


def _check_answer(request: AAssociateRQ) -> None:
    answer = negotiate(request, _POLICY)
    encoded = codec.encode(answer)
    if codec.decode(encoded[0], encoded[codec.PDU_HEADER_LENGTH :], _LIMITS) != answer:
        raise AssertionError(f"{answer!r} does not survive")
    if isinstance(answer, AAssociateAC):
        if accept_deviations(request, answer):
            raise AssertionError("our own acceptance deviates")
        for requestor in (True, False):
            accepted_contexts(request, answer, requestor=requestor)
            operations_window(request, answer, requestor=requestor)

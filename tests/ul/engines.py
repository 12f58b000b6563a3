"""Engines brought into each state of PS3.8 9.2, and the PDUs to try on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isocenter.testing.pair import Side
from isocenter.ul import codec, pdu
from isocenter.ul.fsm import Evt, State

if TYPE_CHECKING:
    from isocenter.ul.options import EngineOptions

__all__ = ["ACCEPT", "IN_STATE", "PDUS", "REJECT", "REQUEST", "abort", "data_pdu", "reach"]

_VERIFICATION = "1.2.840.10008.1.1"
_IMPLICIT = "1.2.840.10008.1.2"
_INFORMATION = pdu.UserInformation(maximum_length=16384, implementation_class_uid="1.2.3")

REQUEST = pdu.AAssociateRQ(
    called_ae_title="ACCEPTOR",
    calling_ae_title="REQUESTOR",
    presentation_contexts=(
        pdu.PresentationContext(
            context_id=1, abstract_syntax=_VERIFICATION, transfer_syntaxes=(_IMPLICIT,)
        ),
    ),
    user_information=_INFORMATION,
)
ACCEPT = pdu.AAssociateAC(
    called_ae_title="ACCEPTOR",
    calling_ae_title="REQUESTOR",
    presentation_contexts=(
        pdu.PresentationContextResult(
            context_id=1, result=pdu.ContextResult.ACCEPTANCE, transfer_syntax=_IMPLICIT
        ),
    ),
    user_information=_INFORMATION,
)
REJECT = pdu.AAssociateRJ(
    result=pdu.RejectResult.REJECTED_PERMANENT,
    source=pdu.RejectSource.SERVICE_USER,
    reason=pdu.RejectReason.USER_NO_REASON,
)
RELEASE_RQ = codec.encode(pdu.AReleaseRQ())
RELEASE_RP = codec.encode(pdu.AReleaseRP())


def abort(source: int, reason: int = 0) -> bytes:
    """Return an A-ABORT."""
    return codec.encode(pdu.AAbort(source=source, reason=reason))


def data_pdu(data: bytes, *, context_id: int = 1, control: int = 2) -> bytes:
    """Return a P-DATA-TF with one PDV."""
    body = (len(data) + 2).to_bytes(4, "big") + bytes((context_id, control)) + data
    return b"\4\0" + len(body).to_bytes(4, "big") + body


PDUS: dict[Evt, bytes] = {
    Evt.EVT3: codec.encode(ACCEPT),
    Evt.EVT4: codec.encode(REJECT),
    Evt.EVT6: codec.encode(REQUEST),
    Evt.EVT10: data_pdu(b"data"),
    Evt.EVT12: RELEASE_RQ,
    Evt.EVT13: RELEASE_RP,
    Evt.EVT16: abort(2, 6),
    Evt.EVT19: b"\x48\0\0\0\0\4abcd",
}
"""A PDU for each event that one causes; EVT19 is an unrecognized type."""

IN_STATE = [
    (False, State.STA2),
    (False, State.STA3),
    (True, State.STA5),
    (True, State.STA6),
    (False, State.STA6),
    (True, State.STA7),
    (False, State.STA7),
    (True, State.STA8),
    (False, State.STA8),
    (True, State.STA9),
    (False, State.STA10),
    (True, State.STA11),
    (False, State.STA12),
    (True, State.STA13),
    (False, State.STA13),
]
"""(requestor, state) for each state in which an engine can receive."""


def reach(
    state: State, *, requestor: bool, now: float = 0.0, options: EngineOptions | None = None
) -> Side:
    """Return a side in `state`, its events and output so far dropped."""
    side = Side(requestor=requestor, options=options)
    _walk(side, state, requestor=requestor, now=now)
    side.take_output()
    side.collect()
    side.events.clear()
    side.sent.clear()
    assert side.engine.state is state
    return side


def _walk(side: Side, state: State, *, requestor: bool, now: float) -> None:
    engine = side.engine
    if state is State.STA1:
        return
    if requestor:
        engine.associate(REQUEST, now)
        if state is State.STA4:
            return
        engine.transport_connected(now)
        if state is State.STA5:
            return
        side.give(PDUS[Evt.EVT3], now)
    else:
        engine.transport_connected(now)
        if state is State.STA2:
            return
        side.give(PDUS[Evt.EVT6], now)
        if state is State.STA3:
            return
        engine.accept(ACCEPT, now)
    if state is State.STA13:
        engine.abort(now)
    elif state is State.STA8:
        side.give(RELEASE_RQ, now)
    elif state is not State.STA6:
        engine.release(now)
        if state in {State.STA9, State.STA10, State.STA11, State.STA12}:
            side.give(RELEASE_RQ, now)
        if state is State.STA11:
            engine.confirm_release(now)
        if state is State.STA12:
            side.give(RELEASE_RP, now)

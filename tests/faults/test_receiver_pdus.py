"""PDUs that break PS3.8: the receiver aborts as the standard says and serves the others.

Before the association a wrong PDU is answered with the service user's A-ABORT (PS3.8
Table 9-10, EVT19 in STA2: AA-1), in it with the service provider's (STA6: AA-8).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import pytest

from isocenter.testing import RawMessage, ct_image, raw
from isocenter.testing.datasets import CT_IMAGE_STORAGE, EXPLICIT_LITTLE, VERIFICATION
from isocenter.testing.peer import PeerClosed
from tests.faults.conftest import CONTEXTS, ECHO_CONTEXT, STORE_CONTEXT
from tests.support.processes import wait_until
from tests.support.tools import UNDER_TEST

if TYPE_CHECKING:
    from isocenter.testing import ScriptedRequestor
    from tests.support.tools import Receiver

pytestmark = pytest.mark.slow

USER = 0
PROVIDER = 2
UNRECOGNIZED_PDU = 1
UNEXPECTED_PDU = 2
UNEXPECTED_PARAMETER = 5
INVALID_PARAMETER = 6

MIB = 1024 * 1024


class Fault(NamedTuple):
    """Bytes to send and the reasons an A-ABORT for them may give."""

    name: str
    data: bytes
    reasons: tuple[int, ...]
    has_offset: bool = True


def _context_item(length: int | None = None, inner: int | None = None) -> bytes:
    """Return a presentation context item with one length that lies."""
    body = struct.pack(">Bxxx", 1) + raw.item(0x30, VERIFICATION.encode(), length=inner)
    return raw.item(0x20, body + raw.item(0x40, EXPLICIT_LITTLE.encode()), length=length)


def _request(*items: bytes, user: bytes | None = None) -> bytes:
    """Return an A-ASSOCIATE-RQ of hand-made items."""
    head = struct.pack(">Hxx", 1) + raw.ae_title("ANY-SCP") + raw.ae_title("FAULTY") + bytes(32)
    user = raw.user_information() if user is None else user
    return raw.pdu(raw.ASSOCIATE_RQ, head + b"".join(items) + user)


APPLICATION_CONTEXT = raw.item(0x10, raw.APPLICATION_CONTEXT.encode())

BEFORE_ASSOCIATION = [
    Fault("an HTTP request", b"GET / HTTP/1.1\r\nHost: pacs\r\n\r\n", (0,), False),
    Fault("a TLS client hello", bytes.fromhex("16030100c8010000c403"), (0,), False),
    Fault("zeros", bytes(64), (0,), False),
    Fault("PDU type ff", raw.pdu(0xFF, bytes(16)), (0,), False),
    Fault("P-DATA-TF", raw.message(1, raw.c_echo_rq()), (0,), False),
    Fault("A-RELEASE-RQ", raw.release_rq(), (0,), False),
    Fault("A-ASSOCIATE-AC", raw.associate_ac([(1, 0, EXPLICIT_LITTLE)]), (0,), False),
    Fault("A-ASSOCIATE-RJ", raw.associate_rj(1, 1, 1), (0,), False),
    Fault("a request of 4 GiB", raw.pdu(raw.ASSOCIATE_RQ, bytes(100), length=0xFFFFFFFF), (0,)),
    Fault("a request over 1 MiB", raw.pdu(raw.ASSOCIATE_RQ, b"", length=MIB + 1), (0,)),
    Fault("an empty request", raw.pdu(raw.ASSOCIATE_RQ, b""), (0,)),
    Fault("a request that ends in a title", raw.pdu(raw.ASSOCIATE_RQ, bytes(30)), (0,)),
    Fault("a context item that overruns", _request(APPLICATION_CONTEXT, _context_item(600)), (0,)),
    Fault(
        "a sub-item that overruns its item",
        _request(APPLICATION_CONTEXT, _context_item(inner=100)),
        (0,),
    ),
    Fault(
        "a context item of two bytes",
        _request(APPLICATION_CONTEXT, raw.item(0x20, b"\x01\0")),
        (0,),
    ),
    Fault(
        "user information that overruns",
        _request(APPLICATION_CONTEXT, _context_item(), user=raw.item(0x50, bytes(4), length=900)),
        (0,),
    ),
    Fault(
        "a maximum length of two bytes",
        _request(
            APPLICATION_CONTEXT, _context_item(), user=raw.item(0x50, raw.item(0x51, b"\0\1"))
        ),
        (0,),
    ),
]

STORE = ct_image(rows=8, columns=8)
STORE_COMMAND = raw.c_store_rq(1, CT_IMAGE_STORAGE, STORE.sop_instance_uid)


def _command_pdv(data: bytes, context_id: int = ECHO_CONTEXT) -> bytes:
    return raw.p_data(raw.pdv(context_id, data, command=True, last=True))


IN_ASSOCIATION = [
    Fault("PDU type 47", b"GET / HTTP/1.1\r\n\r\n", (UNRECOGNIZED_PDU,), False),
    Fault("a second A-ASSOCIATE-RQ", raw.associate_rq(CONTEXTS), (UNEXPECTED_PDU,), False),
    Fault("A-ASSOCIATE-AC", raw.associate_ac([]), (UNEXPECTED_PDU,), False),
    Fault("A-ASSOCIATE-RJ", raw.associate_rj(1, 1, 1), (UNEXPECTED_PDU,), False),
    Fault("A-RELEASE-RP", raw.release_rp(), (UNEXPECTED_PDU,), False),
    Fault(
        "P-DATA-TF far over the length announced",
        raw.pdu(raw.P_DATA, bytes(6), length=64 * MIB),
        (INVALID_PARAMETER,),
    ),
    Fault(
        "P-DATA-TF of 4 GiB",
        raw.pdu(raw.P_DATA, bytes(6), length=0xFFFFFFFF),
        (INVALID_PARAMETER,),
    ),
    Fault(
        "a PDV longer than its PDU",
        raw.p_data(raw.pdv(ECHO_CONTEXT, bytes(16), command=True, last=True, length=4000)),
        (INVALID_PARAMETER,),
    ),
    Fault(
        "a PDV of 4 GiB",
        raw.p_data(raw.pdv(ECHO_CONTEXT, bytes(16), command=True, last=True, length=0xFFFFFFFF)),
        (INVALID_PARAMETER,),
    ),
    Fault(
        "a second PDV longer than what is left",
        raw.p_data(
            raw.pdv(ECHO_CONTEXT, b"", command=True, last=False),
            raw.pdv(ECHO_CONTEXT, bytes(4), command=True, last=True, length=64),
        ),
        (INVALID_PARAMETER,),
    ),
    Fault(
        "a PDV without room for its header",
        raw.pdu(raw.P_DATA, struct.pack(">I", 1) + b"\1"),
        (INVALID_PARAMETER,),
    ),
    Fault("a PDV length cut short", raw.pdu(raw.P_DATA, bytes(3)), (INVALID_PARAMETER,)),
    Fault(
        "a context never negotiated",
        _command_pdv(raw.c_echo_rq(), context_id=99),
        (UNEXPECTED_PARAMETER, INVALID_PARAMETER),
        False,
    ),
    Fault(
        "an even context id",
        _command_pdv(raw.c_echo_rq(), context_id=2),
        (UNEXPECTED_PARAMETER, INVALID_PARAMETER),
        False,
    ),
]

# DIMSE is the user of the Upper Layer: what it finds it aborts as service user, and then the
# reason is not significant (PS3.8 9.3.8).
BROKEN_MESSAGES = [
    Fault("a command that is no command", _command_pdv(b"\xff" * 64), (0,)),
    Fault("an empty command", _command_pdv(b""), (0,), False),
    Fault(
        "a command whose element overruns",
        _command_pdv(raw.c_echo_rq()[:-2] + struct.pack("<HHI", 0, 0x900, 9999)),
        (0,),
    ),
    Fault("a command cut inside an element", _command_pdv(raw.c_echo_rq()[:-1]), (0,)),
    Fault(
        "an element of another group",
        _command_pdv(raw.c_echo_rq() + struct.pack("<HHI", 8, 0x16, 2) + b"1\0"),
        (0,),
    ),
    Fault(
        "a command without a command field",
        _command_pdv(raw.command_set([(0x0110, raw.us(1)), (0x0800, raw.us(0x0101))])),
        (0,),
        False,
    ),
    Fault(
        "an unknown command field",
        _command_pdv(
            raw.command_set(
                [(0x0100, raw.us(0x4711)), (0x0110, raw.us(1)), (0x0800, raw.us(0x0101))]
            )
        ),
        (0,),
        False,
    ),
    Fault(
        "C-STORE-RQ without a SOP instance",
        _command_pdv(
            raw.command_set(
                [
                    (0x0002, raw.ui(CT_IMAGE_STORAGE)),
                    (0x0100, raw.us(1)),
                    (0x0110, raw.us(1)),
                    (0x0700, raw.us(0)),
                    (0x0800, raw.us(1)),
                ]
            ),
            STORE_CONTEXT,
        ),
        (0,),
        False,
    ),
    Fault(
        "C-ECHO-RQ with a message id of one byte",
        _command_pdv(
            raw.command_set(
                [(0x0002, raw.ui(VERIFICATION)), (0x0100, raw.us(0x30)), (0x0110, b"\1")]
            )
        ),
        (0,),
    ),
    Fault(
        "a response nobody asked for",
        _command_pdv(raw.c_store_rsp(7, 0), STORE_CONTEXT),
        (0,),
        False,
    ),
    Fault(
        "C-FIND-RQ",
        _command_pdv(
            raw.command_set(
                [
                    (0x0002, raw.ui("1.2.840.10008.5.1.4.1.2.1.1")),
                    (0x0100, raw.us(0x0020)),
                    (0x0110, raw.us(1)),
                    (0x0700, raw.us(0)),
                    (0x0800, raw.us(1)),
                ]
            )
        ),
        (0,),
        False,
    ),
    Fault(
        "a data set without a command",
        raw.p_data(raw.pdv(STORE_CONTEXT, STORE.data_set, command=False, last=True)),
        (0,),
        False,
    ),
    Fault(
        "a command in the middle of a data set",
        raw.p_data(raw.pdv(STORE_CONTEXT, STORE_COMMAND, command=True, last=True))
        + raw.p_data(raw.pdv(STORE_CONTEXT, STORE.data_set[:64], command=False, last=False))
        + raw.p_data(raw.pdv(STORE_CONTEXT, STORE_COMMAND, command=True, last=True)),
        (0,),
        False,
    ),
    Fault(
        "a data set on another context than its command",
        raw.p_data(raw.pdv(STORE_CONTEXT, STORE_COMMAND, command=True, last=True))
        + raw.p_data(raw.pdv(ECHO_CONTEXT, STORE.data_set, command=False, last=True)),
        (0,),
        False,
    ),
    Fault(
        "a command set without end",
        b"".join(
            raw.p_data(raw.pdv(ECHO_CONTEXT, bytes(16000), command=True, last=False))
            for _ in range(64)
        ),
        (0,),
        False,
    ),
]


def _ids(faults: list[Fault]) -> list[str]:
    return [fault.name for fault in faults]


def _reaction(connection: ScriptedRequestor, fault: Fault) -> tuple[int, int] | None:
    """Send the fault; return (source, reason) of the A-ABORT, None where it just closes.

    Who aborts waits for the other side to close (PS3.8 AA-1, AA-8: STA13), so nothing is
    awaited after the A-ABORT.
    """
    connection.send(fault.data)
    try:
        received = connection.receive(timeout=5 if UNDER_TEST.is_ours else 1)
    except PeerClosed:
        return None
    except TimeoutError:
        if UNDER_TEST.is_ours:
            raise
        return None  # DCMTK's tool answers a request it cannot read with nothing at all
    assert received.pdu_type == raw.ABORT, received
    return received.body[2], received.body[3]


def _problem_lines(log: str) -> list[str]:
    return [line for line in log.splitlines() if line.startswith(("E: ", "F: ", "W: "))]


def _expect(receiver: Receiver, connection: ScriptedRequestor, fault: Fault, source: int) -> None:
    """Check the abort, the line in the log, and that nothing was kept."""
    before = len(_problem_lines(receiver.log))
    reaction = _reaction(connection, fault)
    connection.close()
    assert receiver.names == []
    if not UNDER_TEST.is_ours:
        return  # DCMTK's tool ends some of these without A-ABORT or without a line
    wait_until(
        lambda: len(_problem_lines(receiver.log)) > before, timeout=5, what="a line in the log"
    )
    assert reaction is not None, "closed without A-ABORT"
    assert reaction[0] == source
    assert reaction[1] in fault.reasons
    told = _problem_lines(receiver.log)[before:]
    # Where an object broke off with it, there is a line of its own for that.
    lines = [line for line in told if "Store SCP Failed" not in line]
    assert len(lines) == 1
    assert len(told) <= len((*lines, "of the object"))
    assert "Traceback" not in receiver.log
    if fault.has_offset:
        assert "offset" in lines[0]


@pytest.mark.parametrize("fault", BEFORE_ASSOCIATION, ids=_ids(BEFORE_ASSOCIATION))
def test_receiver_aborts_as_user_when_no_association_request_comes(
    receiver: Receiver, requestor: ScriptedRequestor, fault: Fault
) -> None:
    _expect(receiver, requestor, fault, USER)


@pytest.mark.parametrize("fault", IN_ASSOCIATION, ids=_ids(IN_ASSOCIATION))
def test_receiver_aborts_as_provider_when_a_pdu_is_wrong_in_an_association(
    receiver: Receiver, associated: ScriptedRequestor, fault: Fault
) -> None:
    _expect(receiver, associated, fault, PROVIDER)


@pytest.mark.parametrize("fault", BROKEN_MESSAGES, ids=_ids(BROKEN_MESSAGES))
def test_receiver_aborts_when_a_message_is_broken_or_for_another_service(
    receiver: Receiver, associated: ScriptedRequestor, fault: Fault
) -> None:
    if not UNDER_TEST.is_ours and fault.name in {
        "a command set without end",
        "C-STORE-RQ without a SOP instance",
        "a response nobody asked for",
        "an element of another group",
        "a data set without a command",
        "an empty command",
        "C-ECHO-RQ with a message id of one byte",
    }:
        pytest.skip("DCMTK's tool takes this or waits for more")
    _expect(receiver, associated, fault, USER)


def test_receiver_closes_without_answer_when_the_peer_aborts_before_associating(
    requestor: ScriptedRequestor,
) -> None:
    requestor.send(raw.abort())
    assert requestor.receive_until_closed(timeout=5) == []


def test_receiver_closes_without_answer_when_the_peer_aborts(
    associated: ScriptedRequestor,
) -> None:
    associated.send(raw.abort())
    assert associated.receive_until_closed(timeout=5) == []


def test_receiver_refuses_a_sop_class_on_the_wrong_context_but_goes_on(
    receiver: Receiver, associated: ScriptedRequestor
) -> None:
    """C-STORE on the context of Verification is no break of PS3.8: any refusal will do."""
    associated.send(raw.message(ECHO_CONTEXT, STORE_COMMAND, STORE.data_set))
    answer = associated.receive_message(timeout=5)
    if isinstance(answer, RawMessage):
        assert answer.number(0x0900) != 0 or not UNDER_TEST.is_ours
    else:
        assert answer.pdu_type == raw.ABORT
    if UNDER_TEST.is_ours:
        assert receiver.names == []
    for name in receiver.names:
        (receiver.directory / name).unlink()

"""The scripted peers with each other, and their bytes with the package's own codec."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ScriptedAcceptor, ScriptedRequestor, raw
from isocenter.testing.peer import PeerClosed, accept, serve_storage
from isocenter.testing.reading import parse_associate, parse_command, parse_pdvs
from isocenter.ul import codec
from isocenter.ul.pdu import AAssociateRQ

if TYPE_CHECKING:
    from isocenter.testing import RawConnection, RawMessage

CONTEXTS = (
    raw.Context(1, "1.2.840.10008.1.1", ("1.2.840.10008.1.2",)),
    raw.Context(3, "1.2.840.10008.5.1.4.1.1.2", ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")),
)


def _serve(connection: RawConnection) -> None:
    accept(connection)
    for _ in serve_storage(connection):
        pass


def test_a_requestor_and_an_acceptor_understand_each_other() -> None:
    with ScriptedAcceptor(_serve) as acceptor, ScriptedRequestor(acceptor.port) as requestor:
        answer = requestor.associate(CONTEXTS)
        assert answer.accepted == {1: "1.2.840.10008.1.2", 3: "1.2.840.10008.1.2.1"}
        assert requestor.echo(1) == 0
        assert requestor.store(3, "1.2.840.10008.5.1.4.1.1.2", "1.2.3", bytes(70_000)) == 0
        requestor.release()
    assert acceptor.connections == 1


def test_an_acceptor_raises_what_its_script_raised() -> None:
    def script(connection: RawConnection) -> None:
        connection.receive()
        pytest.fail("as expected")

    def play() -> None:
        with ScriptedAcceptor(script) as acceptor, ScriptedRequestor(acceptor.port) as requestor:
            requestor.send(raw.release_rq())
            with pytest.raises(PeerClosed):
                requestor.receive()

    with pytest.raises(pytest.fail.Exception, match="as expected"):
        play()


def test_a_wait_ends_at_its_deadline() -> None:
    def script(connection: RawConnection) -> None:
        connection.receive_until_closed()

    with (
        ScriptedAcceptor(script) as acceptor,
        ScriptedRequestor(acceptor.port) as requestor,
        pytest.raises(TimeoutError),
    ):
        requestor.receive(timeout=0.02)


def test_a_message_is_cut_and_joined_again() -> None:
    received: list[RawMessage] = []

    def script(connection: RawConnection) -> None:
        accept(connection)
        for _ in serve_storage(connection, received=received):
            pass

    with ScriptedAcceptor(script) as acceptor, ScriptedRequestor(acceptor.port) as requestor:
        requestor.associate(CONTEXTS)
        assert requestor.store(3, "1.2", "1.2.3", b"abcdefgh" * 50, maximum_length=20) == 0
    assert received[0].data_set == b"abcdefgh" * 50
    assert received[0].longest_pdu == 20
    assert received[0].text(0x1000) == "1.2.3"


def test_the_hand_made_request_is_what_the_codec_reads() -> None:
    request = raw.associate_rq(CONTEXTS, called="CALLED", calling="CALLING")
    decoded = codec.decode(request[0], request[6:], codec.Limits())
    assert isinstance(decoded, AAssociateRQ)
    assert codec.encode(decoded) == request
    facts = parse_associate(request[6:])
    assert [(c.context_id, c.abstract_syntax, c.transfer_syntaxes) for c in facts.contexts] == [
        tuple(context) for context in CONTEXTS
    ]
    assert facts.maximum_length == 16384


def test_readers_refuse_what_overruns() -> None:
    with pytest.raises(ValueError, match="overruns"):
        parse_pdvs(raw.pdv(1, b"1234", command=True, last=True, length=99))
    with pytest.raises(ValueError, match="overruns"):
        parse_associate(raw.associate_rq(CONTEXTS)[6:-1])
    with pytest.raises(ValueError, match="not a command"):
        parse_command(raw.c_echo_rq()[:-1])

"""storescp --cert-ae: who may use which calling title with which certificate, over TLS."""

from __future__ import annotations

import hashlib
import signal
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import raw
from isocenter.testing.certificates import Authority
from isocenter.testing.peer import PeerClosed, RawConnection
from tests.faults.conftest import CONTEXTS, ECHO_CONTEXT
from tests.support.processes import wait_until
from tests.support.tools import OURS, UNDER_TEST, Receiver

if TYPE_CHECKING:
    from isocenter.testing.certificates import Identity

pytestmark = pytest.mark.skipif(not UNDER_TEST.is_ours, reason="this option is ours")

WAIT = 30.0
CLOSED = "closed"
SERVED = "served"
MODES = [(), ("--fork",), ("--workers", "2")]


class Hospital:
    """An authority, the receiver's key, and two scanners."""

    def __init__(self) -> None:
        self.authority = Authority("Hospital", key="ec-p256")
        self.archive = self.authority.issue("archive", key="ec-p256")
        self.ct = self.authority.issue("ct1", names=["ct1.example"], key="ec-p256")
        self.mr = self.authority.issue("mr1", names=["mr1.example"], key="ec-p256")

    def tls(self, *more: str) -> tuple[str, ...]:
        """Return the options of a receiver."""
        keys = (self.archive.private_key, self.archive.certificate)
        return ("+tls", *keys, "+cf", self.authority.path, *more)


@pytest.fixture(scope="module")
def hospital() -> Hospital:
    return Hospital()


def answer(receiver: Receiver, identity: Identity | None, calling: str) -> str:
    """Return what a requestor gets: served, a rejection's numbers, or a connection closed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if identity is not None:
        context.load_cert_chain(identity.certificate, identity.private_key)
    try:
        with (
            socket.create_connection(("127.0.0.1", receiver.port), WAIT) as plain,
            context.wrap_socket(plain) as wrapped,
        ):
            requestor = RawConnection(wrapped, timeout=WAIT)
            requestor.send(raw.associate_rq(CONTEXTS, called="ARCHIVE", calling=calling))
            pdu = requestor.receive()
            if pdu.pdu_type == raw.ASSOCIATE_RJ:
                return ".".join(str(number) for number in pdu.body[1:4])
            assert pdu.pdu_type == raw.ASSOCIATE_AC
            assert requestor.echo(ECHO_CONTEXT) == 0
            requestor.release()
            return SERVED
    except (PeerClosed, OSError):
        return CLOSED


def titles(directory: Path, text: str) -> str:
    path = directory / "titles"
    path.write_text(text)
    return str(path)


def test_cert_ae_ties_titles_to_certificates(hospital: Hospital, tmp_path: Path) -> None:
    path = titles(tmp_path, "cn=ct1 calling=CT1 calling=QA*\ndns=mr1.example calling=MR1\n")
    options = hospital.tls("--cert-ae", path)
    with Receiver(OURS, tmp_path / "out", *options) as receiver:
        assert answer(receiver, hospital.ct, "CT1") == SERVED
        assert answer(receiver, hospital.ct, "QA7") == SERVED
        assert answer(receiver, hospital.mr, "MR1") == SERVED
        assert answer(receiver, hospital.mr, "CT1") == "1.1.3"
        assert answer(receiver, hospital.archive, "CT1") == "1.1.3"
        assert answer(receiver, None, "CT1") == CLOSED
        digest = hashlib.sha256(Path(hospital.mr.certificate_der).read_bytes()).hexdigest()
        receiver.process.wait_for_line(
            f"W: refused association of 'CT1' at 127.0.0.1 with 'ARCHIVE': {path}, line 2: other "
            f"titles for its certificate (CN=mr1,O=isocenter tests, sha256={digest})"
        )
        receiver.process.wait_for_line(f"no line of {path} is about its certificate (CN=archive,")


@pytest.mark.parametrize("mode", MODES)
def test_whoever_serves_refuses_likewise_and_reads_anew(
    hospital: Hospital, mode: tuple[str, ...], tmp_path: Path
) -> None:
    path = titles(tmp_path, "cn=ct1 calling=CT1\n")
    options = hospital.tls("--cert-ae", path, "-v", *mode)
    with Receiver(OURS, tmp_path / "out", *options) as receiver:
        assert answer(receiver, hospital.ct, "CT1") == SERVED
        assert answer(receiver, hospital.ct, "CT2") == "1.1.3"
        titles(tmp_path, "cn=ct1 calling=\n")
        receiver.process.signal(signal.SIGHUP)
        receiver.process.wait_for_line(
            f"E: titles of certificates not read anew, kept as it was: {path}, line 1, column 15:"
        )
        assert answer(receiver, hospital.ct, "CT1") == SERVED
        titles(tmp_path, "cn=ct1 calling=CT2\n")
        receiver.process.signal(signal.SIGHUP)
        receiver.process.wait_for_line(f"I: titles of certificates read anew: {path}, 1 line")
        wait_until(
            lambda: all(answer(receiver, hospital.ct, "CT2") == SERVED for _ in range(4)),
            timeout=WAIT,
            what="all processes to have read anew",
        )
        assert answer(receiver, hospital.ct, "CT1") == "1.1.3"


def test_peer_that_need_not_show_a_certificate_may_use_no_title_without(
    hospital: Hospital, tmp_path: Path
) -> None:
    options = hospital.tls("-vc", "--cert-ae", titles(tmp_path, "cn=ct1 calling=*\n"))
    with Receiver(OURS, tmp_path / "out", *options) as receiver:
        assert answer(receiver, hospital.ct, "CT1") == SERVED
        assert answer(receiver, None, "CT1") == "1.1.3"
        receiver.process.wait_for_line("with 'ARCHIVE': it has shown no certificate")


def test_accept_list_and_titles_have_both_to_let_a_peer_in(
    hospital: Hospital, tmp_path: Path
) -> None:
    path = titles(tmp_path, "cn=ct1 calling=*\n")
    options = hospital.tls("--cert-ae", path, "--allow-calling", "CT*")
    with Receiver(OURS, tmp_path / "out", *options) as receiver:
        assert answer(receiver, hospital.ct, "CT1") == SERVED
        assert answer(receiver, hospital.ct, "MR1") == "1.1.3"
        assert answer(receiver, hospital.mr, "CT1") == "1.1.3"


class TestCommandLine:
    def test_certificates_that_nobody_verifies_have_no_titles(
        self, hospital: Hospital, tmp_path: Path
    ) -> None:
        path = titles(tmp_path, "cn=ct1 calling=*\n")
        ended = OURS.run("storescp", *hospital.tls("-ic", "--cert-ae", path), "11112")
        assert ended.code == 1
        assert "--cert-ae not allowed with --ignore-peer-cert" in ended.stderr

    def test_titles_of_certificates_need_tls(self, tmp_path: Path) -> None:
        ended = OURS.run("storescp", "--cert-ae", titles(tmp_path, "cn=a calling=A"), "11112")
        assert ended.code == 1
        assert "--cert-ae only allowed with --enable-tls" in ended.stderr

    def test_receiver_does_not_start_with_lines_that_it_would_not_obey(
        self, hospital: Hospital, tmp_path: Path
    ) -> None:
        path = titles(tmp_path, "cn=ct1 calling=CT1\nct1 calling=CT1\n")
        ended = OURS.run("storescp", *hospital.tls("--cert-ae", path), "-od", tmp_path, "11112")
        assert ended.code == 1
        assert ended.stderr.startswith(
            f"F: --cert-ae: {path}, line 2, column 1: 'ct1' is none of cn="
        )
        assert len(ended.stderr.splitlines()) == 1

"""Our receiver over TLS as a server: many senders of DCMTK's at once, senders that die, SIGHUP.

In one process, with --fork and with --workers. The second needs the lists and certificates of the
process that accepts, the last those of each worker.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ct_image, raw
from isocenter.testing.certificates import Authority
from isocenter.testing.datasets import IMPLICIT_LITTLE, VERIFICATION
from tests.interop.openssl import connect
from tests.interop.relay import Relay
from tests.interop.tls_material import keys, material, trusting
from tests.support import part10
from tests.support.processes import Process, wait_until
from tests.support.tools import DCMTK, OURS, UNDER_TEST, Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import DicomObject
    from isocenter.testing.certificates import Identity

pytestmark = [
    pytest.mark.slow,
    pytest.mark.peer("dcmtk"),
    pytest.mark.skipif(not UNDER_TEST.is_ours, reason="about our receiver"),
]

MODES = {"one process": (), "fork": ("--fork",), "workers": ("--workers", "2")}
by_mode = pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
SENDERS = 4
EACH = 6
FAILED = "E: Receiving Association failed: "


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory) -> list[list[tuple[DicomObject, Path]]]:
    """Objects for each sender, small ones and one of a megabyte."""
    folder = tmp_path_factory.mktemp("batches")
    return [
        [
            (image, image.write(folder / f"{sender}-{number}.dcm"))
            for number in range(EACH)
            for image in [
                ct_image(
                    rows=1024 if number == 2 else 16,
                    columns=512,
                    sop_instance_uid=f"2.25.{sender}.{number}",
                    seed=number,
                )
            ]
        ]
        for sender in range(1, SENDERS + 1)
    ]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An object that is much longer than where a relay holds it."""
    image = ct_image(rows=1024, columns=1024, sop_instance_uid="2.25.77")
    return image.write(tmp_path_factory.mktemp("large") / "large.dcm")


HELD = 600_000
"""Bytes of `large` that come through: its handshake, its request and some of the object."""


@by_mode
def test_several_senders_at_once_lose_nothing(
    mode: tuple[str, ...], tmp_path: Path, batches: list[list[tuple[DicomObject, Path]]]
) -> None:
    """And one among them who is not to be trusted leaves nothing."""
    stranger = material().stranger.issue("stranger")
    intruder = ct_image(rows=4, columns=4).write(tmp_path / "intruder.dcm")
    options = ("-v", "+B", *mode, *trusting(material().acceptor))
    with Receiver(OURS, tmp_path / "received", *options) as receiver:
        address = ("127.0.0.1", str(receiver.port))

        def send(batch: list[tuple[DicomObject, Path]]) -> int:
            words = trusting(material().requestor)
            return DCMTK.run("storescu", *words, *address, *(path for _, path in batch)).code

        with ThreadPoolExecutor(SENDERS + 1) as pool:
            sent = [pool.submit(send, batch) for batch in batches]
            refused = pool.submit(
                DCMTK.run, "storescu", *trusting(stranger), *address, str(intruder)
            )
            assert [run.result() for run in sent] == [0] * SENDERS
            assert refused.result().code == 1
        receiver.process.wait_for_line(FAILED + "000b:0886")
        images = [image for batch in batches for image, _ in batch]
        assert receiver.names == sorted(f"CT.{image.sop_instance_uid}" for image in images)
        for image in images:
            kept = part10.read(receiver.directory / f"CT.{image.sop_instance_uid}")
            assert kept.data_set == image.data_set
        assert receiver.leftovers == []
        assert receiver.process.terminate(timeout=20).code == 0


@by_mode
def test_a_sender_that_dies_within_an_object_leaves_nothing(
    mode: tuple[str, ...], tmp_path: Path, large: Path
) -> None:
    options = ("-v", "+B", *mode, *trusting(material().acceptor))
    with (
        Receiver(OURS, tmp_path / "received", *options) as receiver,
        Relay(receiver.port, hold_after=HELD) as relay,
    ):
        words = trusting(material().requestor)
        argv = DCMTK.argv("storescu", *words, "127.0.0.1", str(relay.port), large)
        with Process(argv) as sender:
            relay.wait_until_held()
            receiver.process.wait_for_line("I: Received Store Request", timeout=20)
            sender.kill()
        relay.cut()
        receiver.process.wait_for_line("I: Association Aborted", timeout=20)
        wait_until(lambda: receiver.leftovers == [], timeout=20, what="nothing left over")
        assert receiver.names == []
        done = DCMTK.run("echoscu", *words, "127.0.0.1", str(receiver.port))
        assert done.code == 0, done.stderr


def test_a_connection_that_breaks_within_an_object_fails_the_sender(
    tmp_path: Path, large: Path
) -> None:
    """Ours sends to DCMTK's receiver, which keeps nothing of it either."""
    small = ct_image(rows=4, columns=4, sop_instance_uid="2.25.78").write(tmp_path / "small.dcm")
    options = ("-v", "+B", *trusting(material().acceptor))
    with (
        Receiver(DCMTK, tmp_path / "received", *options) as receiver,
        Relay(receiver.port, hold_after=HELD) as relay,
    ):
        words = ("-v", *trusting(material().requestor), "127.0.0.1", str(relay.port))
        with Process(OURS.argv("storescu", *words, small, large, small)) as sender:
            relay.wait_until_held()
            receiver.process.wait_for_line("I: Received Store Request", count=2, timeout=20)
            relay.cut()
            done = sender.wait(timeout=30)
        assert done.code == 1, done.stderr
        assert done.stderr.count("I: Received Store Response (Success)") == 1
        assert done.lines[-1] == "W: 1 of 3 objects were confirmed, 1 failed, 1 not sent"
        receiver.process.wait_for_line("E: Store SCP Failed: ", timeout=20)
        # It removes its file behind that line.
        kept = ["CT.2.25.78"]
        wait_until(lambda: receiver.names == kept, timeout=20, what="the whole one alone")


class _Files:
    """Key, certificate and revocation list of a receiver, at paths that stay."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.key, self.certificate = folder / "key.pem", folder / "certificate.pem"
        self.revoked = folder / "revoked.pem"

    def put(self, identity: Identity) -> None:
        """Put new ones in place of what is there."""
        shutil.copy(identity.private_key, self.key)
        shutil.copy(identity.certificate, self.certificate)

    @property
    def options(self) -> tuple[str, ...]:
        """The options that name them."""
        own = ("+tls", str(self.key), str(self.certificate))
        return (*own, "+cf", material().root.path)


def _name(port: int) -> str:
    """Return the common name of the certificate that a receiver shows."""
    words = connect(port).words
    return words.partition("CN = ")[2].partition("\n")[0]


def _all_are(port: int, name: str) -> bool:
    """Tell whether eight connections, so that each worker has some, see this name."""
    return all(_name(port) == name for _ in range(8))


def _hang_up(receiver: Receiver, line: str, count: int = 1) -> None:
    receiver.process.signal(signal.SIGHUP)
    receiver.process.wait_for_line(line, timeout=20, count=count)


@by_mode
def test_a_renewed_certificate_is_shown_from_the_next_connection_on(
    mode: tuple[str, ...], tmp_path: Path, large: Path
) -> None:
    """An association that goes on meanwhile ends well."""
    files = _Files(tmp_path / "keys")
    files.put(material().root.issue("old"))
    options = ("-v", "+B", *mode, *files.options)
    with (
        Receiver(OURS, tmp_path / "received", *options) as receiver,
        Relay(receiver.port, hold_after=HELD) as relay,
        ThreadPoolExecutor(1) as pool,
    ):
        words = trusting(material().requestor)
        address = ("127.0.0.1", str(relay.port))
        sent = pool.submit(DCMTK.run, "storescu", *words, *address, str(large))
        relay.wait_until_held()
        assert _name(receiver.port) == "old"
        files.put(material().root.issue("new"))
        assert _name(receiver.port) == "old"
        _hang_up(receiver, "I: TLS read anew: ")
        wait_until(lambda: _all_are(receiver.port, "new"), timeout=20, what="the new certificate")
        assert _all_are(receiver.port, "new")
        relay.go_on()
        done = sent.result()
        assert done.code == 0, done.stderr
        data_set = part10.read(receiver.directory / "CT.2.25.77").data_set
        assert data_set == part10.read(large).data_set
        assert "E: " not in receiver.log


@by_mode
def test_a_revocation_list_read_anew_keeps_the_revoked_out(
    mode: tuple[str, ...], tmp_path: Path
) -> None:
    root = material().root
    lost = root.issue("lost")
    files = _Files(tmp_path / "keys")
    files.put(material().acceptor)
    shutil.copy(root.crl(), files.revoked)
    options = ("-v", *mode, *files.options, "+crl", str(files.revoked))
    with Receiver(OURS, tmp_path / "received", *options) as receiver:
        address = ("127.0.0.1", str(receiver.port))

        def codes() -> set[int]:
            """Of the one who is revoked later, of as many tries as reach each worker."""
            words = (*keys(lost), "+cf", root.path)
            return {DCMTK.run("echoscu", *words, *address).code for _ in range(6)}

        assert codes() == {0}
        root.revoke(lost)
        shutil.copy(root.crl(), files.revoked)
        _hang_up(receiver, "I: TLS read anew: ")
        wait_until(lambda: codes() == {1}, timeout=20, what="the revoked to be kept out")
        assert codes() == {1}
        receiver.process.wait_for_line(
            FAILED + "000b:0886 TLS error: certificate verify failed (certificate revoked)"
        )
        assert DCMTK.run("echoscu", *trusting(material().requestor), *address).code == 0


def test_a_session_of_before_is_judged_by_what_holds_now(tmp_path: Path) -> None:
    """With TLS 1.2 a session may be taken up without a certificate: it counts as the first time."""
    root, own = material().root, Authority("Short", key="ec-p256")
    files = _Files(tmp_path / "keys")
    files.put(material().acceptor)
    shutil.copy(own.crl(), files.revoked)
    lost = own.issue("lost", key="ec-p256")
    titles = tmp_path / "titles"
    titles.write_text("cn=lost calling=SCRIPTED\n")
    options = ("-v", *files.options, "+cf", own.path, "+crl", str(files.revoked))
    with Receiver(OURS, tmp_path / "received", *options, "--cert-ae", titles) as receiver:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(root.path)
        context.load_cert_chain(lost.certificate, lost.private_key)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        first, session = _associate(context, receiver.port)
        assert first[0] == raw.ASSOCIATE_AC
        again, session = _associate(context, receiver.port, session)
        assert again[0] == raw.ASSOCIATE_AC
        other, _ = _associate(context, receiver.port, session, calling="OTHER")
        assert other[0] == raw.ASSOCIATE_RJ
        own.revoke(lost)
        shutil.copy(own.crl(), files.revoked)
        _hang_up(receiver, "I: TLS read anew: ")
        with pytest.raises((ssl.SSLError, OSError)):
            _associate(context, receiver.port, session)
        receiver.process.wait_for_line("(certificate revoked)")


def _associate(
    context: ssl.SSLContext,
    port: int,
    session: ssl.SSLSession | None = None,
    calling: str = "SCRIPTED",
) -> tuple[bytes, ssl.SSLSession]:
    """Ask for an association and release it: the answer, and the session."""
    with (
        socket.create_connection(("127.0.0.1", port), 20) as plain,
        context.wrap_socket(plain, session=session) as sock,
    ):
        proposed = raw.Context(1, VERIFICATION, (IMPLICIT_LITTLE,))
        sock.sendall(raw.associate_rq([proposed], calling=calling))
        answer = sock.recv(10_000)
        if answer[:1] == bytes([raw.ASSOCIATE_AC]):
            sock.sendall(raw.release_rq())
            assert sock.recv(100) == raw.release_rp()
        kept = sock.session
        assert kept is not None
        with contextlib.suppress(OSError):
            sock.unwrap().close()
        return answer, kept


@by_mode
def test_new_files_that_cannot_be_used_leave_the_old_in_force(
    mode: tuple[str, ...], tmp_path: Path
) -> None:
    files = _Files(tmp_path / "keys")
    old, new = material().root.issue("old"), material().root.issue("new")
    files.put(old)
    with Receiver(OURS, tmp_path / "received", "-v", *mode, *files.options) as receiver:
        kept = "E: TLS not read anew, kept as it was: 000b:000"
        files.certificate.write_text("half of a certif")
        _hang_up(receiver, kept)
        shutil.copy(new.certificate, files.certificate)  # the key is the old one still
        _hang_up(receiver, kept, count=2)
        files.certificate.unlink()
        _hang_up(receiver, kept, count=3)
        assert _all_are(receiver.port, "old")
        files.put(new)
        _hang_up(receiver, "I: TLS read anew: ")
        wait_until(lambda: _all_are(receiver.port, "new"), timeout=20, what="the new certificate")
        assert receiver.log.count(kept) == 3

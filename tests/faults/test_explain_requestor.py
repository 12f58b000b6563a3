"""--explain of storescu and echoscu against peers that are none, refuse, fail or fall silent."""

from __future__ import annotations

import contextlib
import http.server
import shutil
import ssl
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ScriptedAcceptor, ct_image, raw
from isocenter.testing.datasets import EXPLICIT_LITTLE
from isocenter.testing.peer import PeerClosed, accept, serve_storage
from isocenter.testing.reading import RawMessage
from tests.support.ports import free_port
from tests.support.tools import DCMTK, OURS, Receiver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from isocenter.testing import RawConnection
    from isocenter.testing.peer import Script
    from tests.support.processes import Completed

pytestmark = pytest.mark.slow

JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uncompressed file."""
    return ct_image(sop_instance_uid="2.25.11").write(tmp_path_factory.mktemp("files") / "a.dcm")


@pytest.fixture(scope="module")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in JPEG 2000."""
    made = ct_image(sop_instance_uid="2.25.12", transfer_syntax=JPEG_2000_LOSSLESS)
    return made.write(tmp_path_factory.mktemp("files") / "j.dcm")


def explanation(done: Completed) -> str:
    """Return the explanation, which has to follow everything that is no warning."""
    lines = done.lines
    begin = next((i for i, line in enumerate(lines) if line.startswith("W: Explanation: ")), None)
    assert begin is not None, done.stderr
    assert "Traceback" not in done.stderr
    return "\n".join(lines[begin:])


def both(tool: str, script: Script, *arguments: str | Path) -> tuple[Completed, int]:
    """Run a tool with and without --explain: the same lines, and none but warnings on top.

    Returns the run with it, and how many connections that made.
    """
    options = [argument for argument in arguments if isinstance(argument, str)]
    files = [argument for argument in arguments if not isinstance(argument, str)]
    runs, connections = [], 0
    for more in ([], ["--explain"]):
        with ScriptedAcceptor(script) as acceptor:
            port = str(acceptor.port)
            runs.append(OURS.run(tool, *more, *options, "127.0.0.1", port, *files))
            connections = acceptor.connections
        assert connections == 1 or more, "the port is asked again only with --explain"
    plain, done = runs
    assert "Explanation" not in plain.stderr
    assert done.code == plain.code
    # The hint that a run without it ends with says part of what is explained.
    kept = [line for line in done.lines if not line.startswith(("W: Explanation", "W:   "))]
    assert kept == [line for line in plain.lines if not line.startswith("W: hint: ")]
    return done, connections


def answering(answer: bytes) -> Script:
    """Return a peer that answers whatever it gets."""

    def script(connection: RawConnection) -> None:
        connection.sock.recv(4096)
        connection.send(answer)
        while connection.sock.recv(4096):
            pass

    return script


def silent(connection: RawConnection) -> None:
    while connection.sock.recv(4096):
        pass


# --- what is no DICOM peer --------------------------------------------------------------------


@pytest.mark.parametrize("tool", ["echoscu", "storescu"])
def test_port_that_nobody_listens_on(tool: str, image: Path) -> None:
    port = str(free_port())
    files = [image] if tool == "storescu" else []
    done = OURS.run(tool, "--explain", "127.0.0.1", port, *files)
    assert f"nothing listens at 127.0.0.1:{port}" in explanation(done)
    assert done.lines[0].startswith("F: Association Request Failed: 0006:031c")
    assert done.code == 1


def test_host_that_is_not_known() -> None:
    done = OURS.run("echoscu", "--explain", "no such host", "104")
    assert "the name 'no such host' has no address" in explanation(done)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n", "an HTTP response"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "a TLS alert (protocol version)"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "an SSH banner"),
        (b"220 ftp.example ready\r\n", "SMTP, FTP"),
        (b"\x0bMSH|^~\\&|LAB|||ACK\r\x1c\r", "an HL7 message (MLLP)"),
        (b"\x01\x02\x03\x04\x05\x06\x07\x08\x09", "speaks DICOM, but its answer"),
    ],
)
def test_peer_that_answers_in_another_protocol_is_named_without_a_probe(
    answer: bytes, words: str
) -> None:
    done, connections = both("echoscu", answering(answer))
    assert words in explanation(done)
    assert connections == 1


def test_peer_that_is_silent_is_asked_once_more_and_not_for_long() -> None:
    done, connections = both("echoscu", silent, "-ta", "1")
    assert connections == 2
    text = explanation(done)
    assert "did not answer the association request within 1 s" in text
    assert "this is no TLS and no web server" in text
    assert "--acse-timeout (-ta) waits longer" in text
    assert done.seconds < 8


def test_peer_that_closes_without_a_word_is_asked_once_more(image: Path) -> None:
    def close(connection: RawConnection) -> None:
        connection.sock.recv(4096)

    done, connections = both("storescu", close, image)
    assert connections == 2
    assert "ended it without an answer" in explanation(done)
    assert "was closed without a byte as well" in explanation(done)


def test_dicom_peer_that_closes_on_strangers_is_told_from_a_proxy() -> None:
    def close(connection: RawConnection) -> None:
        if connection.receive_exactly(1) != b"\x01":
            connection.send(raw.abort(2, 1))

    done, _ = both("echoscu", close)
    assert "So a DICOM server without TLS is there" in explanation(done)


def test_web_server_that_waits_for_the_end_of_a_line() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        port = str(server.server_address[1])
        done = OURS.run("echoscu", "--explain", "-ta", "1", "127.0.0.1", port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
    assert f"Port {port} is that of a web server" in explanation(done)


def test_tls_server_is_found_out(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = (
        f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=x -keyout {key} -out {certificate}"
    )
    subprocess.run([openssl, *command.split()], check=True, capture_output=True, timeout=30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def serve(connection: RawConnection) -> None:
        try:
            with context.wrap_socket(connection.sock.dup(), server_side=True) as secured:
                secured.recv(1)
        except OSError:  # ssl.SSLError is one: what a TLS server does with plain DICOM
            return

    done, _ = both("echoscu", serve, "-ta", "2")
    text = explanation(done)
    assert "TLS" in text
    assert "call the peer's port for plain DICOM" in text


# --- refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("triple", "words"),
    [
        ((1, 1, 7), "does not answer to the AE title 'ARCHIVE'"),
        ((1, 1, 3), "does not know the AE title 'MODALITY'"),
        ((1, 1, 1), "gave no reason"),
        ((2, 3, 2), "limit of its own"),
    ],
)
def test_rejection_says_what_to_do(triple: tuple[int, int, int], words: str, image: Path) -> None:
    def reject(connection: RawConnection) -> None:
        connection.receive()
        connection.send(raw.associate_rj(*triple))
        connection.receive_until_closed()

    done, connections = both("storescu", reject, "-aec", "ARCHIVE", "-aet", "MODALITY", image)
    assert words in explanation(done)
    assert connections == 1


@pytest.mark.peer("dcmtk")
def test_receiver_of_dcmtk_that_refuses(tmp_path: Path, image: Path) -> None:
    with Receiver(DCMTK, tmp_path / "in", "--refuse") as receiver:
        done = OURS.run("storescu", "--explain", "127.0.0.1", str(receiver.port), image)
    assert "the peer's application refused the association and gave no reason" in explanation(done)


@pytest.mark.parametrize(
    ("tool", "result", "words"),
    [
        ("echoscu", 3, "A peer that refuses Verification"),
        ("storescu", 4, "in other transfer syntaxes"),
    ],
)
def test_association_without_contexts(tool: str, result: int, words: str, image: Path) -> None:
    def refuse(connection: RawConnection) -> None:
        accept(connection, choose=lambda _id, syntaxes: (result, syntaxes[0]))
        connection.receive_until_closed()

    done, _ = both(tool, refuse, *([image] if tool == "storescu" else []))
    assert words in explanation(done)


def test_file_that_has_no_context_is_told_by_name(image: Path, compressed: Path) -> None:
    def take(connection: RawConnection) -> None:
        accept(connection)
        for _ in serve_storage(connection):
            pass

    done, _ = both("storescu", take, "-nh", compressed, image, compressed)
    text = explanation(done)
    assert f"{compressed} is CTImageStorage (1.2.840.10008.5.1.4.1.1.2) in JPEG2000" in text
    assert "--propose-j2k-lossless (-xv)" in text
    assert done.stderr.count("Explanation") == 1, "the second file fails for the same reason"
    assert done.stderr.count("Store Failed") == 2


# --- failures of transfers --------------------------------------------------------------------


def storing(act: Callable[[RawConnection, int], None]) -> Script:
    """Return a peer that accepts, receives an object, and then acts."""

    def script(connection: RawConnection) -> None:
        accept(connection)
        message = connection.receive_message()
        assert isinstance(message, RawMessage)
        act(connection, message.number(0x0110))
        with contextlib.suppress(PeerClosed):
            if connection.receive().pdu_type == raw.RELEASE_RQ:
                connection.send(raw.release_rp())

    return script


def test_status_and_what_the_peer_comments(image: Path) -> None:
    def refuse(connection: RawConnection, message_id: int) -> None:
        elements = (
            (0x0100, raw.us(0x8001)),
            (0x0120, raw.us(message_id)),
            (0x0800, raw.us(raw.NO_DATA_SET)),
            (0x0900, raw.us(0xA700)),
            (0x0901, b"\x08\x00\x18\x00"),
            (0x0902, b"disk full "),
        )
        connection.send(raw.message(1, raw.command_set(elements)))

    done, _ = both("storescu", storing(refuse), image)
    text = explanation(done)
    assert f"did not store {image}, because it is out of resources" in text
    assert "It comments: 'disk full'." in text
    assert "(0008,0018) SOPInstanceUID" in text
    assert f"{image.stat().st_size} bytes" in text


def test_abort_says_who_why_and_where(image: Path) -> None:
    done, _ = both("storescu", storing(lambda c, _: c.send(raw.abort(2, 6))), image)
    text = explanation(done)
    assert "before any object was confirmed, while the answer to 1 object was awaited" in text
    assert "its network layer (service provider) did: it found an invalid value" in text


def test_timeout_says_which_option(image: Path) -> None:
    done, connections = both("storescu", storing(lambda _c, _m: None), "-td", "1", image)
    assert "no DIMSE message where one was due for 1 s; --dimse-timeout (-td)" in explanation(done)
    assert connections == 1, "an association that stood is not asked about again"


def test_connection_that_ends_while_an_object_is_sent(tmp_path: Path) -> None:
    big = ct_image(rows=2048, columns=2048).write(tmp_path / "big.dcm")

    def vanish(connection: RawConnection) -> None:
        accept(connection)
        connection.receive_exactly(100_000)
        connection.vanish()

    done, _ = both("storescu", vanish, big)
    text = explanation(done)
    assert "while object 1 was being sent (CTImageStorage" in text
    assert f"file of {big.stat().st_size} bytes (8 MiB)" in text
    assert "--max-send-pdu" in text


def test_release_that_fails(image: Path) -> None:
    def store_then_close(connection: RawConnection) -> None:
        accept(connection)
        for _ in serve_storage(connection):
            break
        # Read, or the connection would be reset, or not, as it happens.
        connection.receive()

    done, _ = both("storescu", store_then_close, image)
    assert "after 1 object was confirmed, while the association was being released" in explanation(
        done
    )


def test_echo_that_fails() -> None:
    def refuse(connection: RawConnection) -> None:
        accept(connection)
        connection.receive_message()
        connection.send(raw.message(1, raw.c_echo_rsp(1, 0x0124)))
        connection.receive()
        connection.send(raw.release_rp())

    done, _ = both("echoscu", refuse)
    assert "this AE title is not allowed to do that there (0124H)" in explanation(done)


def test_echo_that_is_aborted() -> None:
    def end(connection: RawConnection) -> None:
        accept(connection)
        connection.receive_message()
        connection.send(raw.abort())

    done, _ = both("echoscu", end)
    assert "before any echo was confirmed, while the answer to 1 echo was awaited" in explanation(
        done
    )


def test_nothing_is_explained_where_nothing_failed(image: Path) -> None:
    def take(connection: RawConnection) -> None:
        accept(connection, choose=lambda _id, _syntaxes: (0, EXPLICIT_LITTLE))
        for _ in serve_storage(connection):
            pass

    with ScriptedAcceptor(take) as acceptor:
        done = OURS.run("storescu", "--explain", "127.0.0.1", str(acceptor.port), image)
    assert (done.code, done.stderr) == (0, "")


def test_quiet_tool_neither_explains_nor_probes() -> None:
    with ScriptedAcceptor(silent) as acceptor:
        done = OURS.run("echoscu", "--explain", "-q", "-ta", "1", "127.0.0.1", str(acceptor.port))
        assert acceptor.connections == 1
    assert "Explanation" not in done.stderr

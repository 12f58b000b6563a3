"""storescp --inetd: one connection as descriptor 0, one association, and nothing on it but PDUs."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import RawConnection, ScriptedRequestor, ct_image, raw
from tests.faults.conftest import CONTEXTS, ECHO_CONTEXT, STORE_CONTEXT
from tests.support import part10
from tests.support.ports import free_port, is_listening
from tests.support.processes import Process, child_pids, wait_until
from tests.support.superserver import Handed, SuperServer, connection_pair
from tests.support.tools import UNDER_TEST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAIT = 20.0


def argv(directory: Path, *options: str) -> list[str]:
    return UNDER_TEST.argv("storescp", "--inetd", "+B", "-od", directory, *options)


def release(requestor: RawConnection) -> None:
    """End the association and see the end of the stream, and not one byte of a log line."""
    requestor.release()
    requestor.sock.shutdown(socket.SHUT_WR)
    assert requestor.receive_until_closed() == []


def everything(requestor: RawConnection) -> bytes:
    """Return all that the peer gets until the end of the stream."""
    requestor.sock.settimeout(WAIT)
    return b"".join(iter(lambda: requestor.sock.recv(4096), b""))


@pytest.fixture(params=[True, False], ids=["like-inetd", "like-systemd"])
def everywhere(request: pytest.FixtureRequest) -> bool:
    """Whether descriptors 1 and 2 are the connection as well."""
    return bool(request.param)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


# --- what it is for ---------------------------------------------------------------------------


def test_one_association_is_served_and_the_process_ends(
    tmp_path: Path, *, everywhere: bool
) -> None:
    image = ct_image(rows=64, columns=64)
    requestor, theirs = connection_pair()
    with requestor, Handed(argv(tmp_path), theirs, everywhere=everywhere) as handed:
        requestor.associate(CONTEXTS)
        assert requestor.echo(ECHO_CONTEXT) == 0
        uids = image.sop_class_uid, image.sop_instance_uid
        assert requestor.store(STORE_CONTEXT, *uids, image.data_set) == 0
        release(requestor)
        assert handed.wait() == (0, "")
    assert names(tmp_path) == [f"CT.{image.sop_instance_uid}"]
    assert part10.read(tmp_path / names(tmp_path)[0]).data_set == image.data_set


def test_descriptors_of_the_super_server_are_pointed_at_the_null_device(
    tmp_path: Path, *, everywhere: bool
) -> None:
    requestor, theirs = connection_pair()
    with requestor, Handed(argv(tmp_path, "-d"), theirs, everywhere=everywhere) as handed:
        requestor.associate(CONTEXTS)
        shown = [os.readlink(f"/proc/{handed.process.pid}/fd/{number}") for number in range(3)]
        assert shown == ["/dev/null"] * 3
        release(requestor)
        assert handed.wait()[0] == 0


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="DCMTK's tool sends its own complaint")
@pytest.mark.parametrize("wrong", [("--no-such-option",), ("-pdu", "1"), ("-pdu",), ("-h",)])
def test_command_line_is_complained_about_to_nobody_but_a_log(
    wrong: tuple[str, ...], tmp_path: Path, *, everywhere: bool
) -> None:
    requestor, theirs = connection_pair()
    with requestor, Handed(argv(tmp_path, *wrong), theirs, everywhere=everywhere) as handed:
        code, err = handed.wait()
        assert code == (0 if wrong == ("-h",) else 1)
        assert everything(requestor) == b""
        if not everywhere and code:
            assert err.startswith("$dcmtk: storescp") or "error: " in err


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="DCMTK's tool sends its own complaint")
def test_command_line_in_a_file_is_minded_too(tmp_path: Path) -> None:
    words = tmp_path / "words"
    words.write_text("--inetd --no-such-option")
    for argument in (f"@{words}", f"@{tmp_path}/missing"):
        requestor, theirs = connection_pair()
        wanted = UNDER_TEST.argv("storescp", argument)
        with requestor, Handed(wanted, theirs, everywhere=True) as handed:
            assert handed.wait()[0] == 1
            assert everything(requestor) == b""


def test_port_is_not_needed_and_ignored(tmp_path: Path) -> None:
    port = free_port()
    requestor, theirs = connection_pair()
    with requestor, Handed(argv(tmp_path, str(port)), theirs, everywhere=True) as handed:
        requestor.associate(CONTEXTS)
        assert not is_listening(port)
        release(requestor)
        assert handed.wait()[0] == 0


def test_log_goes_where_a_log_configuration_says(tmp_path: Path, *, everywhere: bool) -> None:
    log, configuration, out = tmp_path / "log", tmp_path / "logger.cfg", tmp_path / "out"
    out.mkdir()
    configuration.write_text(
        "log4cplus.rootLogger = INFO, console, file\n"
        "log4cplus.appender.console = log4cplus::ConsoleAppender\n"
        "log4cplus.appender.file = log4cplus::FileAppender\n"
        f"log4cplus.appender.file.File = {log}\n"
        "log4cplus.appender.file.layout = log4cplus::PatternLayout\n"
        "log4cplus.appender.file.layout.ConversionPattern = %P: %m%n\n"
    )
    requestor, theirs = connection_pair()
    wanted = argv(out, "-lc", str(configuration), "11112")
    with requestor, Handed(wanted, theirs, everywhere=everywhere) as handed:
        requestor.associate(CONTEXTS)
        release(requestor)
        assert handed.wait()[0] == 0
    lines = log.read_text().splitlines()
    assert "W: Parameter port not required in inetd mode" in lines or not UNDER_TEST.is_ours
    assert lines.index("I: Association Received") < lines.index("I: Association Release")


def test_connection_over_ipv6_is_served(tmp_path: Path) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 loopback here")
    with listener:
        requestor = RawConnection(socket.create_connection(listener.getsockname()[:2], WAIT))
        theirs, _ = listener.accept()
    with requestor, Handed(argv(tmp_path), theirs, everywhere=True) as handed:
        requestor.associate(CONTEXTS)
        assert requestor.echo(ECHO_CONTEXT) == 0
        release(requestor)
        assert handed.wait()[0] == 0


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="our own option")
@pytest.mark.parametrize("durable", [(), ("--durable",)])
def test_command_of_the_last_object_runs_although_the_process_ends(
    durable: tuple[str, ...], tmp_path: Path
) -> None:
    image = ct_image(rows=8, columns=8)
    out, told = tmp_path / "out", tmp_path / "told"
    out.mkdir()
    requestor, theirs = connection_pair()
    command = f"readlink /proc/self/fd/0 > {told}.0; cat > {told}.1; echo #f #r > {told}"
    wanted = argv(out, *durable, "-dhl", "-xcr", command)
    with requestor, Handed(wanted, theirs, everywhere=True) as handed:
        requestor.associate(CONTEXTS)
        uids = image.sop_class_uid, image.sop_instance_uid
        assert requestor.store(STORE_CONTEXT, *uids, image.data_set) == 0
        release(requestor)
        assert handed.wait()[0] == 0
        # It outlives the receiver, but not this test's session of processes.
        wait_until(lambda: told.exists() and told.read_text() != "", timeout=WAIT, what="it")
    assert told.read_text() == f"CT.{image.sop_instance_uid} 127.0.0.1\n"
    assert (tmp_path / "told.0").read_text() == "/dev/null\n"


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="DCMTK's tool ends with 99")
def test_descriptors_1_and_2_may_be_closed(tmp_path: Path) -> None:
    image = ct_image(rows=8, columns=8)
    out, told = tmp_path / "out", tmp_path / "told"
    out.mkdir()
    requestor, theirs = connection_pair()
    command = f"echo to nobody && readlink /proc/self/fd/2 > {told}"
    wanted = ["/bin/sh", "-c", 'exec "$0" "$@" >&- 2>&-', *argv(out, "-d", "-xcr", command)]
    with requestor, Handed(wanted, theirs, everywhere=True) as handed:
        requestor.associate(CONTEXTS)
        shown = [os.readlink(f"/proc/{handed.process.pid}/fd/{number}") for number in range(3)]
        assert shown == ["/dev/null"] * 3
        uids = image.sop_class_uid, image.sop_instance_uid
        assert requestor.store(STORE_CONTEXT, *uids, image.data_set) == 0
        release(requestor)
        assert handed.wait()[0] == 0
        wait_until(lambda: told.exists() and told.read_text() != "", timeout=WAIT, what="it")
    assert told.read_text() == "/dev/null\n"


def test_sorting_works_for_what_comes_in_one_association(tmp_path: Path) -> None:
    image = ct_image(rows=8, columns=8)
    requestor, theirs = connection_pair()
    wanted = UNDER_TEST.argv("storescp", "-id", "-od", tmp_path, "-su", "P")
    with requestor, Handed(wanted, theirs, everywhere=True) as handed:
        requestor.associate(CONTEXTS)
        uids = image.sop_class_uid, image.sop_instance_uid
        assert requestor.store(STORE_CONTEXT, *uids, image.data_set) == 0
        release(requestor)
        assert handed.wait()[0] == 0
    (folder,) = tmp_path.iterdir()
    assert folder.name.startswith("P_")
    assert names(folder) == [f"CT.{image.sop_instance_uid}"]


# --- peers that misbehave ---------------------------------------------------------------------


def test_silent_peer_is_closed_after_the_acse_timeout(tmp_path: Path, *, everywhere: bool) -> None:
    requestor, theirs = connection_pair()
    start = time.monotonic()
    with requestor, Handed(argv(tmp_path, "-ta", "1"), theirs, everywhere=everywhere) as handed:
        assert requestor.receive_until_closed(timeout=10) == []
        assert 0.9 < time.monotonic() - start < 8
        assert handed.wait()[0] == 0


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="DCMTK's tool waits for the rest")
def test_half_a_request_does_not_put_the_deadline_off(tmp_path: Path) -> None:
    requestor, theirs = connection_pair()
    start = time.monotonic()
    with requestor, Handed(argv(tmp_path, "-ta", "1"), theirs, everywhere=True) as handed:
        requestor.send(raw.associate_rq(CONTEXTS)[:40])
        requestor.receive_until_closed(timeout=10)
        assert time.monotonic() - start < 8
        assert handed.wait()[0] == 0


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(100), b"\x01\x00\xff\xff\xff\xff\x00"]
)
def test_garbage_ends_the_process_without_a_log_line_to_the_peer(
    garbage: bytes, tmp_path: Path
) -> None:
    requestor, theirs = connection_pair()
    with requestor, Handed(argv(tmp_path, "-v", "-ta", "2"), theirs, everywhere=True) as handed:
        requestor.send(garbage)
        answer = b""
        with contextlib.suppress(OSError):
            while piece := requestor.sock.recv(4096):
                answer += piece
        # Nothing, or an A-ABORT and no more.
        assert answer in {b"", answer[:10]}
        assert answer == b"" or answer[:6] == bytes([raw.ABORT, 0, 0, 0, 0, 4])
        requestor.close()
        assert handed.wait()[0] == 0
    assert names(tmp_path) == []


def test_peer_that_is_gone_before_it_said_anything(tmp_path: Path) -> None:
    requestor, theirs = connection_pair()
    requestor.close()
    with Handed(argv(tmp_path), theirs, everywhere=True) as handed:
        assert handed.wait()[0] == 0


def test_peer_that_breaks_off_in_an_object_leaves_nothing(tmp_path: Path) -> None:
    image = ct_image(rows=256, columns=256)
    command = raw.c_store_rq(1, image.sop_class_uid, image.sop_instance_uid)
    message = raw.message(STORE_CONTEXT, command, image.data_set)
    requestor, theirs = connection_pair()
    with requestor, Handed(argv(tmp_path), theirs, everywhere=True) as handed:
        requestor.associate(CONTEXTS)
        requestor.send(message[: len(message) // 2])
        requestor.vanish()
        assert handed.wait()[0] == 0
    if UNDER_TEST.is_ours:
        assert names(tmp_path) == []


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="DCMTK's tool knows no orderly stop")
def test_signal_stops_it_in_good_order(tmp_path: Path) -> None:
    requestor, theirs = connection_pair()
    with requestor, Handed(argv(tmp_path), theirs, everywhere=True) as handed:
        requestor.associate(CONTEXTS)
        assert requestor.echo(ECHO_CONTEXT) == 0
        handed.process.send_signal(signal.SIGTERM)
        assert [pdu.pdu_type for pdu in requestor.receive_until_closed()] == [raw.ABORT]
        requestor.close()
        assert handed.wait()[0] == 0


# --- descriptors that are no connection -------------------------------------------------------


def complaint(handed: Handed) -> str:
    code, err = handed.wait()
    assert code == 99
    return err


def ours_says(err: str, *words: str) -> None:
    """Check that standard error is one line with these words; DCMTK's tool says nothing."""
    if UNDER_TEST.is_ours:
        assert err.startswith("F: cannot serve with --inetd: descriptor 0 is ") or all(
            word in err for word in words
        )
        assert err.count("\n") == 1
        assert all(word in err for word in words)


def test_closed_descriptor_is_exit_code_99(tmp_path: Path) -> None:
    with Handed(argv(tmp_path), None, everywhere=False) as handed:
        ours_says(complaint(handed), "not open")


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="DCMTK's tool fails later, with exit code 0")
def test_descriptor_that_is_no_socket_is_exit_code_99(tmp_path: Path) -> None:
    read, write = os.pipe()
    with Handed(argv(tmp_path), read, everywhere=False) as handed:
        ours_says(complaint(handed), "not a socket")
    os.close(write)
    with Handed(argv(tmp_path), os.open(os.devnull, os.O_RDWR), everywhere=False) as handed:
        ours_says(complaint(handed), "not a socket")


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="DCMTK's tool fails later, with exit code 0")
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_socket_that_is_not_connected_is_exit_code_99(
    kind: socket.SocketKind, tmp_path: Path
) -> None:
    with Handed(argv(tmp_path), socket.socket(type=kind), everywhere=False) as handed:
        ours_says(complaint(handed), "not connected" if kind == socket.SOCK_STREAM else "stream")
    with Handed(argv(tmp_path), socket.socket(type=kind), everywhere=True) as handed:
        assert handed.wait() == (99, "")


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="DCMTK's tool fails later, with exit code 0")
def test_listening_socket_is_exit_code_99_and_the_line_says_what_to_configure(
    tmp_path: Path,
) -> None:
    with Handed(argv(tmp_path), socket.create_server(("127.0.0.1", 0)), everywhere=False) as handed:
        ours_says(complaint(handed), "nowait", "Accept=yes")


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="DCMTK's tool fails later, with exit code 0")
def test_connection_that_was_reset_is_exit_code_99(tmp_path: Path) -> None:
    requestor, theirs = connection_pair()
    requestor.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    requestor.close()
    with Handed(argv(tmp_path), theirs, everywhere=False) as handed:
        ours_says(complaint(handed), "not connected")


# --- combinations -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--fork",), "--inetd not allowed with --fork"),
        (("--max-associations", "2"), "--max-associations only allowed with --fork"),
        (("-su", "P", "-xcs", "true"), "--exec-on-eostudy not allowed with --inetd"),
        (("-su", "P", "-rns"), "--rename-on-eostudy not allowed with --inetd"),
        (("--workers", "2"), "--workers not allowed with --inetd"),
    ],
)
def test_combinations_that_make_no_sense_are_refused(
    options: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    if not UNDER_TEST.is_ours:
        if "--workers" in options or "--max-associations" in options:
            pytest.skip("an option that it does not have")
        options = (*options, "-v")
    wanted = UNDER_TEST.argv("storescp", "--inetd", "-od", tmp_path, *options)
    done = subprocess.run(
        wanted, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False
    )
    if UNDER_TEST.is_ours or done.stderr:
        assert done.stderr.endswith(f"error: {message}\n")
    assert done.returncode == 1


# --- super-servers ----------------------------------------------------------------------------


@pytest.mark.slow
def test_super_server_gives_each_connection_a_process(tmp_path: Path) -> None:
    images = [ct_image(rows=32, columns=32, seed=number) for number in range(6)]

    def send(port: int, number: int) -> None:
        with ScriptedRequestor(port, timeout=30) as requestor:
            requestor.associate(CONTEXTS)
            image = images[number]
            uids = image.sop_class_uid, image.sop_instance_uid
            assert requestor.store(STORE_CONTEXT, *uids, image.data_set) == 0
            requestor.release()

    with SuperServer(argv(tmp_path)) as server:
        silent = ScriptedRequestor(server.port)
        threads = [
            threading.Thread(target=send, args=(server.port, number))
            for number in range(len(images))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        silent.close()
        wait_until(lambda: len(server.codes) == len(images) + 1, timeout=30, what="their ends")
    assert server.codes == [0] * (len(images) + 1)
    assert names(tmp_path) == sorted(f"CT.{image.sop_instance_uid}" for image in images)


@pytest.fixture
def activated(tmp_path: Path) -> Iterator[int]:
    """The port of a systemd socket whose connections are handed to storescp (Accept=yes)."""
    program = shutil.which("systemd-socket-activate")
    if program is None:
        pytest.skip("systemd-socket-activate is not installed")
    port = free_port()
    wanted = [program, "--accept", "--inetd", "-l", f"127.0.0.1:{port}"]
    wanted += ["-E", "PATH", "-E", "PYTHONPATH", "-E", "HOME", *argv(tmp_path, "-v")]
    with Process(wanted, cwd=tmp_path) as server:
        wait_until(lambda: is_listening(port), timeout=WAIT, what="systemd-socket-activate")
        yield port
        wait_until(lambda: not child_pids(server.pid), timeout=WAIT, what="the receivers to end")


@pytest.mark.slow
def test_systemd_hands_connections_over(activated: int, tmp_path: Path) -> None:
    image = ct_image(rows=16, columns=16)
    for _ in range(2):
        with ScriptedRequestor(activated, timeout=30) as requestor:
            requestor.associate(CONTEXTS)
            uids = image.sop_class_uid, image.sop_instance_uid
            assert requestor.store(STORE_CONTEXT, *uids, image.data_set) == 0
            release(requestor)
    assert names(tmp_path) == [f"CT.{image.sop_instance_uid}"]

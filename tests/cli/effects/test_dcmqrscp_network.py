"""dcmqrscp: what the options about peers, destinations and keeping change.

tests/options.toml names these tests; each runs again without its option and has to fail then.
Options whose default they restore are given behind the alternative that they override.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isocenter import uids
from isocenter.cli import dcmqrscp
from isocenter.net.tls import ClientTls
from isocenter.security import access_files
from isocenter.testing import ForgetfulFileSystem, ScriptedAcceptor, ScriptedRequestor, ct_image
from isocenter.testing.forgetful import LOSSES
from isocenter.testing.peer import RawConnection
from isocenter.testing.raw import Context
from tests.cli.effects import receiving
from tests.cli.effects.receiving import serve, small_image, store
from tests.cli.effects.sending import SILENCE, Peer, unanswered_port
from tests.cli.effects.test_tls_acceptor import identity as own_tls
from tests.cli.effects.test_tls_acceptor import trust
from tests.cli.effects.tls_peers import TlsServer, client, own, server, theirs
from tests.faults.test_receiver_users import ANSWERED, REFUSED, SERVED, answer, ask, bearer, joe
from tests.support.nodes import CT, associated, move
from tests.support.tokens import jwk, token, write_jwks, write_pem
from tests.support.users import write_users

if TYPE_CHECKING:
    from collections.abc import Callable

    from isocenter.testing import AssociationFacts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

CONFIG = """\
NetworkTCPPort = 104
MaxPDUSize = 16384
MaxAssociations = 16
HostTable BEGIN
there = (THERE, 127.0.0.1, {destination})
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
ANY-SCP area RW (200, 1024mb) ANY
ARCHIVE area RW (200, 1024mb) ANY
STORE area RW (200, 1024mb) ANY
AETable END
"""
STUDY = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "2.25.1001"}
ALWAYS = ("-s", "--no-durable", "-dhl")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a configuration file and an area; have dcmqrscp run where storescp would."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(receiving, "main", dcmqrscp.main)
    monkeypatch.setattr(receiving, "ALWAYS", ALWAYS)
    (tmp_path / "area").mkdir()
    configure(tmp_path, 1)
    return tmp_path


def configure(folder: Path, destination: int) -> None:
    """Say in the configuration file where THERE is."""
    (folder / "dcmqrscp.cfg").write_text(CONFIG.format(destination=destination))


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def stored(folder: Path) -> list[Path]:
    """Return the files of objects in the area."""
    area = folder / "area"
    return [path for path in area.rglob("*.dcm") if ".isocenter" not in path.parts]


def moved(
    folder: Path, peer: Callable[[RawConnection], None], *options: str, objects: int = 1
) -> tuple[int, float]:
    """Store an image, have it moved to a peer; return the status and how long the move took."""
    results: list[tuple[int, float]] = []
    images = [small_image(number + 1) for number in range(objects)]
    with ScriptedAcceptor(peer, timeout=30) as acceptor:
        configure(folder, acceptor.port)

        def script(port: int) -> None:
            assert set(store(port, *images)) == {0}
            begun = time.monotonic()
            status = move(port, "THERE", STUDY).status
            results.append((status, time.monotonic() - begun))

        assert serve(script, *options) == 0
    return results[0]


# --- destinations ---------------------------------------------------------------------------

FIRST = {
    "uncompr": uids.EXPLICIT_VR_LITTLE_ENDIAN,
    "little": uids.EXPLICIT_VR_LITTLE_ENDIAN,
    "big": uids.EXPLICIT_VR_BIG_ENDIAN,
    "implicit": uids.IMPLICIT_VR_LITTLE_ENDIAN,
    "lossless": "1.2.840.10008.1.2.4.70",
    "jpeg8": "1.2.840.10008.1.2.4.50",
    "jpeg12": "1.2.840.10008.1.2.4.51",
    "j2k-lossless": "1.2.840.10008.1.2.4.90",
    "j2k-lossy": "1.2.840.10008.1.2.4.91",
    "jls-lossless": "1.2.840.10008.1.2.4.80",
    "jls-lossy": "1.2.840.10008.1.2.4.81",
    "mpeg2": "1.2.840.10008.1.2.4.100",
    "mpeg2-high": "1.2.840.10008.1.2.4.101",
    "mpeg4": "1.2.840.10008.1.2.4.102",
    "mpeg4-bd": "1.2.840.10008.1.2.4.103",
    "mpeg4-2-2d": "1.2.840.10008.1.2.4.104",
    "mpeg4-2-3d": "1.2.840.10008.1.2.4.105",
    "mpeg4-2-st": "1.2.840.10008.1.2.4.106",
    "hevc": "1.2.840.10008.1.2.4.107",
    "hevc10": "1.2.840.10008.1.2.4.108",
    "rle": "1.2.840.10008.1.2.5",
    "deflated": "1.2.840.10008.1.2.1.99",
}


def proposal(folder: Path, *options: str) -> AssociationFacts:
    """Return what a destination is proposed."""
    peer = Peer()
    moved(folder, peer, *options)
    return peer.facts


@pytest.mark.parametrize("option", [f"--propose-{name}" for name in FIRST])
def test_destination_is_proposed_what_was_chosen_last(option: str, folder: Path) -> None:
    other = "--propose-implicit" if option != "--propose-implicit" else "--propose-big"
    facts = proposal(folder, other, option)
    firsts = {context.transfer_syntaxes[0] for context in facts.contexts}
    assert FIRST[option.removeprefix("--propose-")] in firsts
    assert firsts != {FIRST[other.removeprefix("--propose-")]}


def test_timeout_ends_a_connection_that_is_not_answered(folder: Path) -> None:
    results: list[tuple[int, float]] = []
    assert serve(assert_stored) == 0
    with unanswered_port() as destination:
        configure(folder, destination)

        def script(port: int) -> None:
            begun = time.monotonic()
            results.append((move(port, "THERE", STUDY).status, time.monotonic() - begun))

        assert serve(script, "--timeout", "1") == 0
    ((status, seconds),) = results
    assert status == 0xA702
    assert seconds < SILENCE


def test_dimse_timeout_ends_the_wait_for_a_destination(folder: Path) -> None:
    status, seconds = moved(folder, Peer(slow_to_answer=8.0), "--dimse-timeout", "1")
    assert status == 0xA702
    assert seconds < 8.0


# --- who may come, and what is kept ---------------------------------------------------------


def test_access_control_heeds_the_files_of_the_system(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "hosts.allow").write_text("")
    (folder / "hosts.deny").write_text("dcmqrscp: ALL\n")
    monkeypatch.setattr(access_files, "ALLOW", str(folder / "hosts.allow"))
    monkeypatch.setattr(access_files, "DENY", str(folder / "hosts.deny"))
    assert reached("--access-control") == ["closed"]


def test_access_full_undoes_access_control(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "hosts.deny").write_text("ALL: ALL\n")
    monkeypatch.setattr(access_files, "ALLOW", str(folder / "hosts.deny.not"))
    monkeypatch.setattr(access_files, "DENY", str(folder / "hosts.deny"))
    assert reached("--access-control", "--access-full") == ["served"]


def reached(*options: str) -> list[str]:
    """Return what becomes of a call."""
    found: list[str] = []

    def call(port: int) -> None:
        try:
            with associated(port, uids.VERIFICATION):
                found.append("served")
        except Exception:  # noqa: BLE001 - whatever it is, it is no service
            found.append("closed")

    assert serve(call, *options) == 0
    return found


def test_ignore_keeps_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "ALWAYS", ("-s", "-dhl"))
    assert serve(assert_stored, "--ignore") == 0
    assert stored(folder) == []


def assert_stored(port: int) -> None:
    assert store(port, small_image()) == [0]


def test_uid_padding_corrects_blanks_without_a_warning(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = ct_image(sop_instance_uid="2.25.1111", rows=4, columns=4)
    blank = sent.data_set.replace(b"2.25.1111\0", b"2.25.1111 ")

    def send(port: int) -> None:
        with ScriptedRequestor(port) as requestor:
            requestor.associate([Context(1, CT, (uids.EXPLICIT_VR_LITTLE_ENDIAN,))])
            assert requestor.store(1, CT, "2.25.1111 ", blank) == 0
            requestor.release()

    assert serve(send, "--uid-padding") == 0
    assert not [line for line in lines(capsys) if line.startswith("W:")]
    (path,) = stored(folder)
    assert b"2.25.1111\0" in path.read_bytes()


def test_min_free_refuses_before_the_disk_is_full(folder: Path) -> None:
    statuses: list[int] = []
    serve(lambda port: statuses.extend(store(port, small_image())), "--min-free", str(1 << 40))
    assert statuses == [0xA700]
    assert stored(folder) == []


def test_disable_host_lookup_shows_addresses(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getnameinfo", lambda *_: ("host.example", "0"))
    monkeypatch.setattr(receiving, "ALWAYS", ALWAYS[:2])
    assert serve(assert_stored, "-v", "--disable-host-lookup") == 0
    assert "I: Association Received (127.0.0.1:SCRIPTED -> ANY-SCP)" in lines(capsys)


# --- access options -------------------------------------------------------------------------


def answers(*calls: Callable[[int], str], options: tuple[str, ...]) -> list[str]:
    """Return what each call gets."""
    found: list[str] = []
    assert serve(lambda port: found.extend(call(port) for call in calls), *options) == 0
    return found


def test_allow_calling_keeps_out_other_titles() -> None:
    found = answers(
        answer, lambda port: answer(port, calling="MR"), options=("--allow-calling", "CT*")
    )
    assert found == [SERVED, "1.1.3"]


def test_allow_called_keeps_out_who_calls_another_title() -> None:
    assert answers(answer, options=("--allow-called", "STORE")) == ["1.1.7"]


def test_allow_from_closes_connections_from_elsewhere() -> None:
    assert reached("--allow-from", "192.0.2.0/24") == ["closed"]


def test_access_list_lets_in_whom_its_rules_let_in(folder: Path) -> None:
    (folder / "rules").write_text("allow calling=MR\n")
    found = answers(
        answer,
        lambda port: answer(port, calling="MR"),
        options=("--access-list", str(folder / "rules")),
    )
    assert found == ["1.1.3", SERVED]


def test_cert_ae_ties_titles_to_certificates(folder: Path) -> None:
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(Path(theirs().certificate).read_text()))
    (folder / "titles").write_text(f"sha256={digest.hexdigest()} calling=CT1\n")
    words = (*own_tls(), *trust(), "--cert-ae", str(folder / "titles"))

    def call(port: int, calling: str) -> str:
        plain = socket.create_connection(("127.0.0.1", port), 20)
        with client(theirs()).wrap_socket(plain) as wrapped, RawConnection(wrapped) as talk:
            return ask(talk, None, calling=calling)

    found = answers(lambda port: call(port, "CT1"), lambda port: call(port, "MR1"), options=words)
    assert found == [SERVED, "1.1.3"]


@pytest.fixture
def users(folder: Path) -> str:
    return str(write_users(folder / "users", joe="Geheim_7"))


@pytest.fixture
def key(folder: Path) -> str:
    return str(write_pem(folder / "key", "rsa"))


def test_users_lets_in_who_knows_the_password(users: str) -> None:
    found = answers(
        lambda port: answer(port, joe(asked=True)),
        lambda port: answer(port, joe("wrong")),
        options=("--users", users),
    )
    assert found == [ANSWERED, REFUSED]


def test_jwt_key_lets_in_whom_a_token_names(key: str) -> None:
    found = answers(
        lambda port: answer(port, bearer(token("rsa other"))),
        lambda port: answer(port, bearer(token(), asked=True)),
        options=("--jwt-key", key),
    )
    assert found == [REFUSED, ANSWERED]


def test_jwt_keys_lets_in_whom_a_token_names(folder: Path) -> None:
    keys = write_jwks(folder / "keys", jwk("p256", "ES256"))
    found = answers(
        lambda port: answer(port, bearer(token())),
        lambda port: answer(port, bearer(token("p256", "ES256"))),
        options=("--jwt-keys", str(keys)),
    )
    assert found == [REFUSED, SERVED]


def test_jwt_issuer_keeps_out_tokens_of_others(key: str) -> None:
    found = answers(
        lambda port: answer(port, bearer(token())),
        lambda port: answer(port, bearer(token(claims={"iss": "https://id.example"}))),
        options=("--jwt-key", key, "--jwt-issuer", "https://id.example"),
    )
    assert found == [REFUSED, SERVED]


def test_jwt_audience_keeps_out_tokens_for_others(key: str) -> None:
    found = answers(
        lambda port: answer(port, bearer(token(claims={"aud": "ris"}))),
        lambda port: answer(port, bearer(token(claims={"aud": "pacs"}))),
        options=("--jwt-key", key, "--jwt-audience", "pacs"),
    )
    assert found == [REFUSED, SERVED]


def test_require_identity_keeps_out_who_gives_none(users: str) -> None:
    found = answers(
        answer,
        lambda port: answer(port, joe()),
        options=("--users", users, "--require-identity"),
    )
    assert found == [REFUSED, SERVED]


# --- the archive beside what it shares ------------------------------------------------------


def moved_over_tls(folder: Path, peer: TlsServer, *options: str) -> int:
    """Have a stored image moved over TLS both ways; return the status."""
    found: list[int] = []
    with ScriptedAcceptor(peer, timeout=30) as acceptor:
        configure(folder, acceptor.port)
        tls = ClientTls(client(theirs()))
        ended = serve(
            lambda port: found.append(move(port, "THERE", STUDY, tls=tls).status),
            *own_tls(),
            *trust(),
            *options,
        )
    assert ended == 0
    return found[0]


def test_verify_host_refuses_a_destination_of_another_name(folder: Path) -> None:
    assert serve(assert_stored) == 0
    assert moved_over_tls(folder, TlsServer(server(own())), "--verify-host") == 0
    assert moved_over_tls(folder, TlsServer(server(theirs())), "--verify-host") == 0xA702


def test_request_sni_asks_destinations_for_the_name(folder: Path) -> None:
    assert serve(assert_stored) == 0
    peer = TlsServer(server(own()))
    assert moved_over_tls(folder, peer, "--request-sni", "any.example") == 0
    assert peer.server_name == "any.example"


def test_no_durable_leaves_the_disk_to_the_system(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "ALWAYS", ("-s", "-dhl"))
    sent = small_image()
    with ForgetfulFileSystem(folder / "area") as disk:

        def send(port: int) -> None:
            assert store(port, sent) == [0]
            disk.note("answered")

        assert serve(send, "--no-durable") == 0
    moment = next(cut for cut in disk.cuts() if disk.notes(cut))
    kept = [
        any(content.endswith(sent.data_set) for content in disk.survivors(moment, loss).values())
        for loss in LOSSES
    ]
    assert not all(kept)

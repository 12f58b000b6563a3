"""Programs of other projects as partners: each a receiver, a sender, or both.

A receiver tells which data sets it got, byte for byte where its project lets one see the
bytes. A sender says whether it sends a file's bytes unchanged; the others decode and
encode, so only what they mean can be compared.
"""

from __future__ import annotations

import json
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple, Protocol

from isocenter.testing.datasets import IMPLICIT_LITTLE
from tests import peers
from tests.peers import ROOT
from tests.support import part10
from tests.support.ports import free_port, wait_until_listening
from tests.support.processes import Completed, Process, run, wait_until
from tests.support.tools import DCMTK, Receiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from tests.interop.tls_material import PeerTls

__all__ = [
    "RECEIVERS",
    "SENDERS",
    "Orthanc",
    "PartnerReceiver",
    "PartnerSender",
    "Received",
    "ReceivingPartner",
    "Send",
    "Start",
    "program",
]

PROGRAMS = ROOT / "tests" / "interop" / "programs"
NODE_MODULES = ROOT / ".peers" / "node"


class Received(NamedTuple):
    """An object as a partner has it: transfer syntax and data set, "" where it does not say."""

    transfer_syntax: str
    data_set: bytes


class PartnerReceiver(Protocol):
    """A running receiver of another project."""

    port: int

    def received(self) -> dict[str, Received]:
        """Return what it has got, by SOP Instance UID."""


class Start(Protocol):
    """How a partner that receives is started, to be left as a context."""

    def __call__(
        self, folder: Path, tls: PeerTls | None = None
    ) -> AbstractContextManager[PartnerReceiver]:
        """Start it with a folder of its own; plain without `tls`."""


class Send(Protocol):
    """How a partner echoes and sends; no files for an echo alone."""

    def __call__(self, port: int, files: list[Path], tls: PeerTls | None = None) -> Completed:
        """Run it to its end; plain without `tls`."""


class ReceivingPartner(NamedTuple):
    """A partner that receives: how to start it, and whether it shows the bytes it got."""

    peer: str
    start: Start
    exact: bool = True


class PartnerSender(NamedTuple):
    """A partner that sends.

    Fields: `echo` and `store` take the port and, for store, files; `exact` is whether the
    bytes of a data set arrive as they are in the file; `true_code` whether its exit code
    says how it went; `secure` is what it does over TLS (an echo, then the files), None where it
    has none.
    """

    peer: str
    echo: Callable[[int], Completed]
    store: Callable[[int, list[Path]], Completed]
    exact: bool = True
    true_code: bool = True
    secure: Send | None = None


def program(peer: str, tool: str) -> str:
    """Return the path of a partner's program, which its test was skipped without.

    Raises:
        AssertionError: the test does not say that it needs that peer.
    """
    path = peers.find(peer, tool)
    assert path is not None, f"mark the test with peer({peer!r})"
    return path


class _Folder:
    """A program that writes each data set it gets into ``<uid>.<transfer syntax>.raw``."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self._folder = folder

    def received(self) -> dict[str, Received]:
        """Return what the files say; the transfer syntax is the part from 1.2.840 on."""
        found = {}
        for path in self._folder.glob("*.raw"):
            uid, _, syntax = path.name.removesuffix(".raw").partition(".1.2.840.10008.")
            found[uid] = Received(f"1.2.840.10008.{syntax}", path.read_bytes())
        return found


@contextmanager
def _serving(
    argv: list[str | Path], port: int, folder: Path, env: Mapping[str, str]
) -> Iterator[_Folder]:
    folder.mkdir(parents=True)
    with Process([str(word) for word in argv], env=env) as process:
        if not wait_until_listening(port, process, timeout=30):
            raise RuntimeError(f"{argv[0]} does not start: {process.stderr}")
        yield _Folder(port, folder)


def _environment(tls: PeerTls | None) -> dict[str, str]:
    """Return what says to a program of tests/interop/programs that it speaks TLS."""
    return {} if tls is None else {"ISOCENTER_PEER_TLS": json.dumps(tls._asdict())}


def _pynetdicom(folder: Path, tls: PeerTls | None = None) -> AbstractContextManager[_Folder]:
    port = free_port()
    python = program("pynetdicom", "python")
    argv: list[str | Path] = [python, PROGRAMS / "pynetdicom_scp.py", str(port), folder]
    return _serving(argv, port, folder, _environment(tls))


def _dcmjs(folder: Path, tls: PeerTls | None = None) -> AbstractContextManager[_Folder]:
    port = free_port()
    node = program("dcmjs-dimse", "node")
    script = PROGRAMS / "dcmjs_scp.cjs"
    argv: list[str | Path] = [node, script, NODE_MODULES, str(port), folder]
    return _serving(argv, port, folder, _environment(tls))


class _Storescp:
    """DCMTK's storescp in bit preserving mode."""

    def __init__(self, receiver: Receiver) -> None:
        self.port = receiver.port
        self._receiver = receiver

    def received(self) -> dict[str, Received]:
        """Return what its files hold."""
        found = {}
        for name in self._receiver.names:
            parts = part10.read(self._receiver.directory / name)
            found[parts.text(0x00020003)] = Received(parts.transfer_syntax, parts.data_set)
        return found


@contextmanager
def _dcmtk(folder: Path, tls: PeerTls | None = None) -> Iterator[_Storescp]:
    options = () if tls is None else tls.options
    with Receiver(DCMTK, folder, "+B", "+xa", *options) as receiver:
        yield _Storescp(receiver)


class Orthanc:
    """A running Orthanc with its REST interface on loopback.

    Args:
        port: its DICOM port.
        http: its HTTP port.
    """

    def __init__(self, port: int, http: int) -> None:
        self.port = port
        self._http = http

    def ask(self, path: str, *, method: str = "GET", body: object = None) -> bytes:
        """Return the answer of the REST interface.

        Raises:
            urllib.error.HTTPError: it answers with a failure.
        """
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self._http}{path}"
        request = urllib.request.Request(url, data=data, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            content: bytes = answer.read()
        return content

    def received(self) -> dict[str, Received]:
        """Return the files it has stored, taken apart."""
        found = {}
        for name in json.loads(self.ask("/instances")):
            parts = part10.split(self.ask(f"/instances/{name}/file"))
            found[parts.text(0x00020003)] = Received(parts.transfer_syntax, parts.data_set)
        return found


@contextmanager
def _orthanc(folder: Path, tls: PeerTls | None = None) -> Iterator[Orthanc]:
    folder.mkdir(parents=True)
    port, http = free_port(), free_port()
    configuration: dict[str, object] = {
        "Name": "interop",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "HttpPort": http,
        "HttpServerEnabled": True,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomServerEnabled": True,
        "DicomPort": port,
        "DicomAet": "ORTHANC",
        "DicomCheckCalledAet": False,
        "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True,
        "UnknownSopClassAccepted": True,
        "DicomScuTimeout": 10,
        "Plugins": [],
    }
    if tls is not None:
        configuration |= {
            "DicomTlsEnabled": True,
            "DicomTlsPrivateKey": tls.private_key,
            "DicomTlsCertificate": tls.certificate,
            "DicomTlsTrustedCertificates": tls.authority,
            "DicomTlsRemoteCertificateRequired": tls.peer_certificate == "require",
        }
    file = folder / "orthanc.json"
    file.write_text(json.dumps(configuration))
    with Process([program("orthanc", "Orthanc"), file]) as process:
        running = wait_until_listening(port, process, timeout=30)
        if not running or not wait_until_listening(http, process, timeout=30):
            raise RuntimeError(f"Orthanc does not start: {process.stderr[-2000:]}")
        yield Orthanc(port, http)


def _storescu_echo(port: int) -> Completed:
    return DCMTK.run("echoscu", "127.0.0.1", str(port))


def _storescu(port: int, files: list[Path], tls: PeerTls | None = None) -> Completed:
    # It converts what it can, so it is told to propose nothing else for an implicit VR file.
    implicit = part10.read(files[0]).transfer_syntax == IMPLICIT_LITTLE
    options = ("-R", "-xi" if implicit else "-xe", *(tls.options if tls else ()))
    return DCMTK.run("storescu", *options, "127.0.0.1", str(port), *files)


def _echo_and_storescu(port: int, files: list[Path], tls: PeerTls | None = None) -> Completed:
    options = tls.options if tls else ()
    done = DCMTK.run("echoscu", *options, "127.0.0.1", str(port))
    return _storescu(port, files, tls) if files and done.code == 0 else done


def _pynetdicom_scu(port: int, files: list[Path], tls: PeerTls | None = None) -> Completed:
    python = program("pynetdicom", "python")
    return run([python, PROGRAMS / "pynetdicom_scu.py", str(port), *files], env=_environment(tls))


def _dcmjs_scu(port: int, files: list[Path], tls: PeerTls | None = None) -> Completed:
    node = program("dcmjs-dimse", "node")
    argv: list[str | Path] = [
        node,
        PROGRAMS / "dcmjs_scu.cjs",
        NODE_MODULES,
        str(port),
        *files,
    ]
    return run(argv, env=_environment(tls))


def _gdcm_echo(port: int) -> Completed:
    return run([program("gdcm", "gdcmscu"), "--echo", "127.0.0.1", str(port)])


def _gdcm_store(port: int, files: list[Path]) -> Completed:
    words = [word for file in files for word in ("-i", str(file))]
    return run([program("gdcm", "gdcmscu"), "--store", "127.0.0.1", str(port), *words])


def _through_orthanc(port: int, files: list[Path], tls: PeerTls | None = None) -> Completed:
    """Put files into an Orthanc and have it echo and send them on; its failure raises."""
    start = time.monotonic()
    receiver = {"AET": "RECEIVER", "Host": "127.0.0.1", "Port": port, "UseDicomTls": bool(tls)}
    with TemporaryDirectory() as name, _orthanc(Path(name, "orthanc"), tls) as orthanc:
        orthanc.ask("/modalities/receiver", method="PUT", body=receiver)
        orthanc.ask("/modalities/receiver/echo", method="POST", body={})
        names = [
            json.loads(orthanc.ask("/instances", method="POST", body=file.read_bytes()))["ID"]
            for file in files
        ]
        if names:
            orthanc.ask("/modalities/receiver/store", method="POST", body=names)
    return Completed(0, "", "", time.monotonic() - start)


def _orthanc_echo(port: int) -> Completed:
    return _through_orthanc(port, [])


RECEIVERS = {
    "dcmtk": ReceivingPartner("dcmtk", _dcmtk),
    "pynetdicom": ReceivingPartner("pynetdicom", _pynetdicom),
    "dcmjs-dimse": ReceivingPartner("dcmjs-dimse", _dcmjs),
    "orthanc": ReceivingPartner("orthanc", _orthanc),
}

SENDERS = {
    "dcmtk": PartnerSender("dcmtk", _storescu_echo, _storescu, secure=_echo_and_storescu),
    "pynetdicom": PartnerSender(
        "pynetdicom",
        lambda port: _pynetdicom_scu(port, []),
        _pynetdicom_scu,
        secure=_pynetdicom_scu,
    ),
    # It converts to implicit VR where the receiver offers it.
    "dcmjs-dimse": PartnerSender(
        "dcmjs-dimse",
        lambda port: _dcmjs_scu(port, []),
        _dcmjs_scu,
        exact=False,
        secure=_dcmjs_scu,
    ),
    # gdcmscu 3.0.21 throws at its end, whatever the peer: DCMTK's receiver sees it too.
    "gdcm": PartnerSender("gdcm", _gdcm_echo, _gdcm_store, true_code=False),
    "orthanc": PartnerSender("orthanc", _orthanc_echo, _through_orthanc, secure=_through_orthanc),
}


def wait_for(receiver: PartnerReceiver, count: int) -> dict[str, Received]:
    """Return what a partner has got once it is so many objects.

    Raises:
        TimeoutError: it was fewer for 10 seconds.
    """
    wait_until(lambda: len(receiver.received()) >= count, timeout=10, what=f"{count} objects")
    return receiver.received()

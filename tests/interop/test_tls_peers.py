"""TLS with pynetdicom, dcmjs-dimse and Orthanc both ways, with and without their certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ct_image
from tests.interop.partners import RECEIVERS, SENDERS, wait_for
from tests.interop.tls_material import PeerTls, material, trusting
from tests.support import part10
from tests.support.tools import UNDER_TEST, Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import DicomObject

pytestmark = pytest.mark.slow

NAMES = ("pynetdicom", "dcmjs-dimse", "orthanc")
PEERS = [pytest.param(name, marks=pytest.mark.peer(name)) for name in NAMES]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[DicomObject, Path]]:
    """Objects, the second one larger than several records and PDUs."""
    folder = tmp_path_factory.mktemp("images")
    made = [ct_image(rows=rows, columns=64, seed=rows) for rows in (8, 1500, 33)]
    return [(image, image.write(folder / f"{image.sop_instance_uid}.dcm")) for image in made]


@pytest.mark.parametrize("name", PEERS)
def test_our_echo_and_objects_reach_a_peer_that_demands_a_certificate(
    name: str, tmp_path: Path, images: list[tuple[DicomObject, Path]]
) -> None:
    """Those who have none, or one of an authority that it does not trust, do not get through."""
    files = [path for _, path in images]
    stranger = material().stranger.issue("stranger", key="ec-p256")
    with RECEIVERS[name].start(tmp_path / "partner", PeerTls.of(material().acceptor)) as partner:
        address = ("127.0.0.1", str(partner.port))
        for words in (("+tla", "+cf", material().root.path), trusting(stranger)):
            refused = UNDER_TEST.run("storescu", "-v", *words, *address, *files)
            assert refused.code == 1, refused.stderr
            assert refused.lines[-1].startswith("F: Association Request Failed: ")
        plain = UNDER_TEST.run("echoscu", *address)
        assert plain.code == 1
        known = (*trusting(material().requestor), *_verifying())
        echoed = UNDER_TEST.run("echoscu", *known, *address)
        sent = UNDER_TEST.run("storescu", *known, *address, *files)
        assert (echoed.code, sent.code) == (0, 0), echoed.stderr + sent.stderr
        received = wait_for(partner, len(images))
    assert set(received) == {image.sop_instance_uid for image, _ in images}
    for image, _ in images:
        assert received[image.sop_instance_uid].data_set == image.data_set


def _verifying() -> tuple[str, ...]:
    """Return the option that compares the host, which DCMTK does not have."""
    return ("--verify-host",) if UNDER_TEST.is_ours else ()


@pytest.mark.parametrize("name", PEERS)
def test_our_anonymous_echo_reaches_a_peer_that_demands_none(name: str, tmp_path: Path) -> None:
    side = PeerTls.of(material().acceptor, peer_certificate="ignore")
    with RECEIVERS[name].start(tmp_path / "partner", side) as partner:
        words = ("+tla", "+cf", material().root.path)
        done = UNDER_TEST.run("echoscu", *words, "127.0.0.1", str(partner.port))
    assert done.code == 0, done.stderr


@pytest.mark.parametrize("name", PEERS)
def test_the_objects_of_a_peer_that_is_known_arrive(
    name: str, tmp_path: Path, images: list[tuple[DicomObject, Path]]
) -> None:
    secure = SENDERS[name].secure
    assert secure is not None
    files = [path for _, path in images]
    options = ("-v", "+B", *trusting(material().acceptor))
    with Receiver(UNDER_TEST, tmp_path / "ours", *options) as receiver:
        done = secure(receiver.port, files, PeerTls.of(material().requestor))
        assert done.code == 0, done.stderr
        assert "E: " not in receiver.log
        assert set(receiver.names) == {f"CT.{image.sop_instance_uid}" for image, _ in images}
        for image, _ in images:
            kept = part10.read(receiver.directory / f"CT.{image.sop_instance_uid}").data_set
            if SENDERS[name].exact:
                assert kept == image.data_set
            else:
                assert kept.endswith(image.data_set[-1000:])


@pytest.mark.parametrize("name", [param for param in PEERS if "orthanc" not in param.values])
def test_a_peer_without_a_certificate_gets_in_where_none_is_demanded(
    name: str, tmp_path: Path, images: list[tuple[DicomObject, Path]]
) -> None:
    """Not Orthanc, which does not begin without one."""
    secure = SENDERS[name].secure
    assert secure is not None
    files = [path for _, path in images[:1]]
    for mode, let_in in (("-rc", False), ("-vc", True)):
        options = ("-v", mode, *trusting(material().acceptor))
        with Receiver(UNDER_TEST, tmp_path / f"ours{mode}", *options) as receiver:
            done = secure(receiver.port, files, PeerTls.of(None))
            assert (done.code == 0) == let_in, done.stderr
            if not let_in:
                receiver.process.wait_for_line("E: Receiving Association failed: 000b:08c7")
            assert len(receiver.names) == (1 if let_in else 0)


@pytest.mark.parametrize("name", [param for param in PEERS if "orthanc" not in param.values])
def test_a_peer_sees_that_our_certificate_is_not_to_be_trusted(name: str, tmp_path: Path) -> None:
    """Not Orthanc, whose program ends in an error of its REST interface."""
    secure = SENDERS[name].secure
    assert secure is not None
    unknown = material().stranger.issue("acceptor", names=["localhost"], addresses=["127.0.0.1"])
    with Receiver(UNDER_TEST, tmp_path / "ours", "-v", *trusting(unknown)) as receiver:
        done = secure(receiver.port, [], PeerTls.of(material().requestor))
        assert done.code != 0
        # By an alert, or by closing the connection once it has seen the certificate.
        receiver.process.wait_for_line("E: Receiving Association failed: ")
        assert "I: Association Received" not in receiver.log

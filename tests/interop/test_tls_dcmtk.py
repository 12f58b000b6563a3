"""TLS with DCMTK's tools both ways: profiles, what they agree on, who has to show a certificate.

What DCMTK dumps at debug level is the witness of version and suite: it says what its OpenSSL
has, whatever ours believes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from isocenter.testing import ct_image
from isocenter.testing.certificates import Authority
from tests.interop.tls_material import keys, material, trusting
from tests.support import part10
from tests.support.ports import free_port, wait_until_listening
from tests.support.processes import Process
from tests.support.tools import DCMTK, UNDER_TEST, Receiver

if TYPE_CHECKING:
    from isocenter.testing import DicomObject
    from tests.support.processes import Completed
    from tests.support.tools import Suite

pytestmark = [pytest.mark.slow, pytest.mark.peer("dcmtk")]

TLS13 = ("TLSv1.3", "TLS_AES_256_GCM_SHA384")
GCM = ("TLSv1.2", "ECDHE-RSA-AES256-GCM-SHA384")
FINITE = ("TLSv1.2", "DHE-RSA-AES256-GCM-SHA384")
CBC = ("TLSv1.2", "AES128-SHA")


class Pair(NamedTuple):
    """Options for the profiles of both, and the version and suite that they agree on.

    The acceptor chooses. 3.6.7 has another opinion than 3.7.0, and than ours, of the strongest
    suite with elliptic curves and the one without: `as_367` is its choice where it differs.
    """

    ours: str
    theirs: str
    agreed: tuple[str, str]
    as_367: tuple[str, str] | None = None


PAIRS = (
    Pair("+pg", "+py", TLS13),
    Pair("+pg", "+pz", GCM),
    Pair("+pm", "+py", TLS13),
    Pair("+pm", "+pz", GCM),
    Pair("+py", "+py", TLS13),
    Pair("+px", "+px", TLS13),
    Pair("+px", "+pa", CBC),
    Pair("+pz", "+px", GCM, FINITE),
    Pair("+pa", "+px", CBC),
    Pair("+pn", "+pn", ("TLSv1.2", "NULL-SHA")),
)
CONFIGURATION = Path("/etc/dcmtk/storescp.cfg")
"""Where the distribution puts it."""
DIRECTIONS = ("to them", "from them")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[DicomObject, Path]]:
    """Objects, the second one larger than several records and PDUs."""
    folder = tmp_path_factory.mktemp("images")
    made = [ct_image(rows=rows, columns=64, seed=rows) for rows in (8, 1500, 33)]
    return [(image, image.write(folder / f"{image.sop_instance_uid}.dcm")) for image in made]


def _sides(direction: str) -> tuple[Suite, Suite]:
    """Return acceptor and requestor."""
    return (DCMTK, UNDER_TEST) if direction == "to them" else (UNDER_TEST, DCMTK)


def _paths(images: list[tuple[DicomObject, Path]]) -> list[Path]:
    return [path for _, path in images]


def _agreed(dumps: str) -> set[tuple[str, str]]:
    """Return the versions and suites that DCMTK's dumps tell of."""
    pattern = r"D:   Protocol +: (\S+)\nD:   Ciphersuite +: ([^,\s]+), "
    return set(re.findall(pattern, dumps))


def _arrived(receiver: Receiver, images: list[tuple[DicomObject, Path]]) -> None:
    kept = {name: part10.read(receiver.directory / name) for name in receiver.names}
    assert set(kept) == {f"CT.{image.sop_instance_uid}" for image, _ in images}
    for image, _ in images:
        assert kept[f"CT.{image.sop_instance_uid}"].data_set == image.data_set
    assert receiver.leftovers == []


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.ours} {pair.theirs}")
def test_objects_arrive_and_the_profile_decides_version_and_suite(
    pair: Pair, direction: str, tmp_path: Path, images: list[tuple[DicomObject, Path]]
) -> None:
    if not UNDER_TEST.is_ours and pair.ours in {"+pg", "+pm"}:
        pytest.skip("3.6.7 does not know it")
    acceptor, requestor = _sides(direction)
    accepting, requesting = pair.ours, pair.theirs
    if direction == "to them":
        accepting, requesting = requesting, accepting
    side = (*trusting(material().acceptor), accepting)
    with Receiver(acceptor, tmp_path / "received", "-d", "+B", *side) as receiver:
        options = ("-d", *trusting(material().requestor), requesting)
        address = ("127.0.0.1", str(receiver.port))
        echoed = requestor.run("echoscu", *options, *address)
        sent = requestor.run("storescu", *options, *address, *_paths(images))
        assert (echoed.code, sent.code) == (0, 0), echoed.stderr + sent.stderr
        told = echoed.stderr + sent.stderr, receiver.log
        agreed = pair.as_367 or pair.agreed if acceptor == DCMTK else pair.agreed
        # Ours say the same of it as DCMTK's.
        assert [_agreed(log) for log in told] == [{agreed}] * 2
        _arrived(receiver, images)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_keys_of_elliptic_curves_serve_as_well(
    direction: str, tmp_path: Path, images: list[tuple[DicomObject, Path]]
) -> None:
    """Authority, acceptor and requestor: then the suites with ECDSA are agreed on."""
    root = Authority("Curves", key="ec-p256")
    acceptor, requestor = _sides(direction)
    words = [
        (*keys(root.issue(name, key="ec-p256")), "+cf", root.path, "+pz") for name in ("a", "r")
    ]
    with Receiver(acceptor, tmp_path / "received", "-d", "+B", *words[0]) as receiver:
        address = ("127.0.0.1", str(receiver.port))
        sent = requestor.run("storescu", "-d", *words[1], *address, *_paths(images))
        assert sent.code == 0, sent.stderr
        theirs = sent.stderr if requestor == DCMTK else receiver.log
        assert _agreed(theirs) == {("TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384")}
        _arrived(receiver, images)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize(
    ("name", "suite"),
    [
        ("TLS_RSA_WITH_AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
        ("TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA", "DHE-RSA-CAMELLIA256-SHA"),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"),
    ],
)
def test_a_suite_is_added_by_its_name(
    name: str, suite: str, direction: str, tmp_path: Path
) -> None:
    """Beside a profile that has but AES128-SHA, which is weaker than each of them."""
    acceptor, requestor = _sides(direction)
    options = ("-d", "+pa", "+cs", name)
    with Receiver(
        acceptor, tmp_path / "received", *trusting(material().acceptor), *options
    ) as receiver:
        address = ("127.0.0.1", str(receiver.port))
        done = requestor.run("echoscu", *trusting(material().requestor), *options, *address)
        assert done.code == 0, done.stderr
        theirs = done.stderr if requestor == DCMTK else receiver.log
        assert _agreed(theirs) == {("TLSv1.2", suite)}


@pytest.mark.parametrize("profile", ["+py", "+pz", "+pa"])
@pytest.mark.skipif(not CONFIGURATION.exists(), reason=f"{CONFIGURATION} is not there")
def test_our_objects_reach_the_other_receiver_of_dcmtk(
    profile: str, tmp_path: Path, images: list[tuple[DicomObject, Path]]
) -> None:
    folder, port = tmp_path / "received", free_port()
    folder.mkdir()
    # Without a configuration it takes nothing but echoes.
    configured = ("-xf", str(CONFIGURATION), "Default")
    options = ("+B", *configured, *trusting(material().acceptor), profile, "-od", str(folder))
    with Process(DCMTK.argv("dcmrecv", *options, str(port))) as process:
        assert wait_until_listening(port, process), process.stderr
        words = (*trusting(material().requestor), profile, "127.0.0.1", str(port))
        sent = UNDER_TEST.run("storescu", *words, *_paths(images))
        assert sent.code == 0, sent.stderr
        anonymous = ("+tla", "+cf", material().root.path, profile, "127.0.0.1", str(port))
        assert UNDER_TEST.run("echoscu", *anonymous).code == 1
    kept = {part10.read(path).data_set for path in folder.iterdir()}
    assert kept == {image.data_set for image, _ in images}


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_certificate_is_shown_with_those_between_it_and_the_root(
    direction: str, tmp_path: Path
) -> None:
    """And the lists of both authorities are heeded."""
    root = material().root
    between = root.intermediate("Between")
    acceptor, requestor = _sides(direction)
    lists = ("+cf", root.path, "+crl", root.crl(), "+crl", between.crl(), "+cra")
    words = [
        ("+tls", own.private_key, own.chain, *lists)
        for own in (between.issue("acceptor"), between.issue("requestor"))
    ]
    with Receiver(acceptor, tmp_path / "received", *words[0]) as receiver:
        done = requestor.run("echoscu", *words[1], "127.0.0.1", str(receiver.port))
        assert done.code == 0, done.stderr + receiver.log


def _who() -> dict[str, tuple[str, ...]]:
    """Return the ways to come as a requestor that trusts the acceptor."""
    stranger = material().stranger.issue("stranger", key="ec-p256")
    return {
        "known": trusting(material().requestor),
        "unknown": trusting(stranger),
        "anonymous": ("+tla", "+cf", material().root.path),
    }


LET_IN = {
    "-rc": {"known"},
    "-vc": {"known", "anonymous"},
    "-ic": {"known", "unknown", "anonymous"},
}
"""Who gets in with each way of an acceptor to ask for certificates."""


def _came_in(log: str) -> int:
    return log.count("I: Association Received")


@pytest.mark.parametrize("direction", [*DIRECTIONS, "ours alone"])
@pytest.mark.parametrize("mode", LET_IN)
def test_the_acceptor_decides_who_has_to_show_a_certificate(
    mode: str, direction: str, tmp_path: Path, images: list[tuple[DicomObject, Path]]
) -> None:
    acceptor, requestor = _sides(direction)
    if direction == "ours alone":
        acceptor = requestor = UNDER_TEST
    options = (*trusting(material().acceptor), mode, "-v", "+B")
    with Receiver(acceptor, tmp_path / "received", *options) as receiver:
        codes = {}
        for who, words in _who().items():
            address = ("127.0.0.1", str(receiver.port))
            codes[who] = requestor.run("storescu", "-v", *words, *address, *_paths(images)).code
        assert codes == {who: 0 if who in LET_IN[mode] else 1 for who in codes}
        if mode == "-rc":
            refused = "E: Receiving Association failed: "
            receiver.process.wait_for_line(refused, count=2)
        assert _came_in(receiver.log) == len(LET_IN[mode])
        assert len(receiver.names) == len(images)
        assert receiver.leftovers == []


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_requestor_decides_whether_it_looks_at_the_certificate(
    direction: str, tmp_path: Path
) -> None:
    acceptor, requestor = _sides(direction)
    unknown = material().stranger.issue("stranger", names=["localhost"], key="ec-p256")
    with Receiver(acceptor, tmp_path / "received", *trusting(unknown), "-v", "+pz") as receiver:
        done: dict[str, Completed] = {}
        for mode in ("-rc", "-ic"):
            words = (*trusting(material().requestor), mode, "-v", "+pz")
            done[mode] = requestor.run("echoscu", *words, "127.0.0.1", str(receiver.port))
        receiver.process.wait_for_line("E: Receiving Association failed: 000b:")
    assert [run.code for run in done.values()] == [1, 0]
    last = done["-rc"].lines[-1]
    assert last.startswith(
        "F: Association Request Failed: 000b:0886 TLS error: certificate verify failed"
    )


@pytest.mark.parametrize("tool", ["storescu", "echoscu", "storescp"])
@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="this build of DCMTK does not know the option")
def test_the_profile_with_3des_is_refused_in_one_line(
    tool: str, tmp_path: Path, images: list[tuple[DicomObject, Path]]
) -> None:
    """As by a DCMTK that was built with such an OpenSSL, which does not have the option."""
    address = ["127.0.0.1", "1"]
    tails: dict[str, list[str | Path]] = {
        "storescp": ["-od", tmp_path, "11112"],
        "storescu": [*address, *_paths(images)],
        "echoscu": [*address],
    }
    done = UNDER_TEST.run(tool, *trusting(material().acceptor), "+pb", *tails[tool])
    assert done.code == 1
    (line,) = done.lines
    assert re.match(r"F: .*3DES", line), line

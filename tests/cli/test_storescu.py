"""storescu in this process: what each option changes, on the wire, in lines and exit code."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.storescu import main
from isocenter.testing import ScriptedAcceptor, ct_image
from isocenter.testing.datasets import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from isocenter.testing.peer import accept, serve_storage

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import AssociationFacts, RawConnection, RawMessage

pytestmark = pytest.mark.slow

CT = "1.2.840.10008.5.1.4.1.1.2"
BIG = "1.2.840.10008.1.2.2"
JPEG = "1.2.840.10008.1.2.4.70"


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a.dcm, b.dcm and sub/c.dcm."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    for name in ("a.dcm", "b.dcm", "sub/c.dcm"):
        ct_image(sop_instance_uid=f"2.25.{ord(name[-5])}").write(tmp_path / name)


class Peer:
    """A storage SCP that answers the given statuses, then success, and remembers everything."""

    def __init__(self, *statuses: int) -> None:
        self.request: AssociationFacts | None = None
        self.received: list[RawMessage] = []
        self._statuses = list(statuses)

    def __call__(self, connection: RawConnection) -> None:
        self.request = accept(connection)
        for _ in serve_storage(connection, status=self._status, received=self.received):
            pass

    def _status(self, _request: RawMessage) -> int:
        return self._statuses.pop(0) if self._statuses else 0

    def run(self, *arguments: str) -> int:
        """Run storescu; ``HERE`` stands for peer and port."""
        with ScriptedAcceptor(self) as acceptor:
            here = ["127.0.0.1", str(acceptor.port)]
            argv = [w for word in arguments for w in (here if word == "HERE" else [word])]
            return main(argv, {})

    @property
    def uids(self) -> list[str]:
        return [message.text(0x1000) for message in self.received]

    @property
    def facts(self) -> AssociationFacts:
        assert self.request is not None
        return self.request


def test_files_are_sent(capsys: pytest.CaptureFixture[str]) -> None:
    peer = Peer()
    assert peer.run("HERE", "b.dcm", "a.dcm") == 0
    assert peer.uids == ["2.25.98", "2.25.97"]
    assert [message.number(0x0110) for message in peer.received] == [1, 2]
    assert capsys.readouterr() == ("", "")


def test_verbose_lines_and_dots(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer().run("-v", "--max-send-pdu", "4096", "HERE", "a.dcm") == 0
    out, err = capsys.readouterr()
    assert out == "XMIT: ...\n"
    assert err.splitlines() == [
        "I: checking input files ...",
        "I: Requesting Association",
        "I: Association Accepted (Max Send PDV: 4084)",
        "I: Sending file: a.dcm",
        "I: Sending Store Request (MsgID 1, CT)",
        "I: Received Store Response (Success)",
        "I: Releasing Association",
    ]


def test_debug_dumps_and_no_dots(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer().run("-d", "-R", "HERE", "a.dcm") == 0
    out, err = capsys.readouterr()
    assert out == ""
    for line in (
        "D: Request Parameters:",
        "D: Association Parameters Negotiated:",
        "D: Message Type                  : C-STORE RQ",
        "D: Message Type                  : C-STORE RSP",
        "D: Presentation Context ID       : 1",
        "I: Received Store Response",
    ):
        assert line in err.splitlines()


def test_verbose_pc_dumps_the_association_at_info(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer().run("-v", "+v", "-R", "HERE", "a.dcm") == 0
    assert "I: Request Parameters:" in capsys.readouterr().err.splitlines()


def test_titles_and_maximum_length() -> None:
    peer = Peer()
    arguments = ("-aet", "ME", "-aec", "A" * 20, "-pdu", "32768")
    assert peer.run(*arguments, "HERE", "a.dcm") == 0
    assert peer.facts.calling.rstrip() == b"ME"
    assert peer.facts.called == b"A" * 16
    assert (0x51, struct.pack(">I", 32768)) in peer.facts.user_items


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("-R",), [(EXPLICIT_LITTLE,), (BIG, IMPLICIT_LITTLE)]),
        (("-R", "-xi", "-xs"), [(JPEG,), (EXPLICIT_LITTLE, BIG, IMPLICIT_LITTLE)]),
        (("-R", "+C"), [(EXPLICIT_LITTLE, BIG, IMPLICIT_LITTLE)]),
    ],
)
def test_proposal(options: tuple[str, ...], expected: list[tuple[str, ...]]) -> None:
    peer = Peer()
    assert peer.run(*options, "HERE", "a.dcm") == 0
    found = [(c.context_id, c.abstract_syntax, c.transfer_syntaxes) for c in peer.facts.contexts]
    assert found == [(2 * n + 1, CT, syntaxes) for n, syntaxes in enumerate(expected)]


def test_default_proposal_takes_every_context_id() -> None:
    peer = Peer()
    assert peer.run("HERE", "a.dcm") == 0
    assert [c.context_id for c in peer.facts.contexts] == list(range(1, 256, 2))


def test_too_many_classes_for_the_context_ids(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from isocenter.uids import SOP_CLASSES

    for number, uid in enumerate(list(SOP_CLASSES)[:65]):
        ct_image(sop_class_uid=uid, rows=2, columns=2).write(tmp_path / "sub" / f"{number}.dcm")
    (tmp_path / "sub" / "c.dcm").unlink()
    assert main(["-R", "+sd", "127.0.0.1", "1", "sub"], {}) == 1
    assert capsys.readouterr().err.splitlines() == [
        "E: Too many presentation contexts",
        "F: 0006:0101 ASC Bad presentation context ID",
    ]
    assert Peer().run("-R", "+C", "+sd", "HERE", "sub") == 0


def test_window_is_proposed_and_its_absence_is_one_at_a_time() -> None:
    peer = Peer()
    assert peer.run("--max-ops", "5", "HERE", "a.dcm") == 0
    assert (0x53, struct.pack(">HH", 5, 1)) in peer.facts.user_items
    assert peer.run("HERE", "a.dcm") == 0
    assert 0x53 not in [kind for kind, _ in peer.facts.user_items]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("+sd", "HERE", "sub"), ["99"]),
        (("+sd", "+sp", "*.dcm", "HERE", "sub", "a.dcm"), ["99", "97"]),
        (("+sd", "+r", "+sp", "c*", "HERE", "."), ["99"]),
        (("--repeat", "2", "HERE", "a.dcm", "b.dcm"), ["97", "97", "98", "98"]),
        (("+sd", "+r", "-r", "+sp", "a*", "HERE", "."), ["97"]),
    ],
)
def test_which_files(options: tuple[str, ...], expected: list[str]) -> None:
    peer = Peer()
    assert peer.run(*options) == 0
    assert peer.uids == [f"2.25.{number}" for number in expected]


def test_abort(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer().run("-v", "--abort", "HERE", "a.dcm") == 0
    assert capsys.readouterr().err.splitlines()[-1] == "I: Aborting Association"


def test_file_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "raw").write_bytes(ct_image().data_set)
    assert Peer().run("HERE", "raw") == 0
    assert Peer().run("+fo", "HERE", "raw") == 1
    expected = "E: Bad DICOM file: raw: File meta information header missing"
    assert expected in capsys.readouterr().err.splitlines()


def test_data_set_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = ct_image()
    (tmp_path / "raw").write_bytes(image.data_set)
    peer = Peer()
    assert peer.run("-f", "HERE", "raw") == 0
    assert peer.received[0].data_set == image.data_set
    assert Peer().run("-f", "HERE", "a.dcm") == 1
    assert Peer().run("-R", "-f", "HERE", "a.dcm") == 1
    reason = "a.dcm: File meta information header found, no data set alone"
    lines = capsys.readouterr().err.splitlines()
    assert f"E: Bad DICOM file: {reason}" in lines
    assert f"F: missing SOP class (or instance) in file: {reason}" in lines


@pytest.mark.parametrize("options", [("-xi",), ("-xd",), ("-xi", "-R")])
def test_conversion(options: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    peer = Peer()
    assert peer.run("-v", *options, "HERE", "a.dcm") == 0
    data = peer.received[0].data_set
    name = "Little Endian Implicit"
    if "-xd" in options:
        data = zlib.decompress(data, -zlib.MAX_WBITS)
        name = "Deflated Explicit VR Little Endian"
    syntax = EXPLICIT_LITTLE if "-xd" in options else IMPLICIT_LITTLE
    assert data == ct_image(sop_instance_uid="2.25.97", transfer_syntax=syntax).data_set
    line = f"I: Converting transfer syntax: Little Endian Explicit -> {name}"
    assert line in capsys.readouterr().err.splitlines()


def test_compression_level(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = []
    for level in ("0", "9"):
        peer = Peer()
        assert peer.run("-xd", "+cl", level, "HERE", "a.dcm") == 0
        sizes.append(len(peer.received[0].data_set))
    assert sizes[0] > len(ct_image(sop_instance_uid="2.25.97").data_set) > sizes[1]
    assert Peer().run("+cl", "9", "HERE", "a.dcm") == 1
    message = "error: --compression-level only allowed with --propose-deflated"
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("option", "vr"), [("+u", "OL"), ("-u", "OB")])
def test_new_vrs(tmp_path: Path, option: str, vr: str) -> None:
    image = ct_image(extra=[(0x00280120, "OL", b"\1\2\3\4")])
    image.write(tmp_path / "new.dcm")
    expected = ct_image(
        sop_instance_uid=image.sop_instance_uid, extra=[(0x00280120, vr, b"\1\2\3\4")]
    )
    peer = Peer()
    assert peer.run(option, "HERE", "new.dcm") == 0
    assert peer.received[0].data_set == expected.data_set


@pytest.mark.parametrize("options", [(), ("-up",)])
def test_blanks_of_uids(
    tmp_path: Path, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    image = ct_image(sop_instance_uid="2.25.1111")
    image = replace(image, data_set=image.data_set.replace(b"2.25.1111\0", b"2.25.1111 "))
    image.write(tmp_path / "blank.dcm")
    peer = Peer()
    assert peer.run(*options, "HERE", "blank.dcm") == 0
    assert b"2.25.1111\0" in peer.received[0].data_set
    assert ("space characters" in capsys.readouterr().err) == (not options)


@pytest.mark.parametrize(
    ("options", "counters"),
    [
        (("+II",), "(pa0, st0, se0, im5)"),
        (("+IR", "2"), "(pa0, st0, se2, im1)"),
        (("+IR", "2", "+IS", "1"), "(pa0, st2, se0, im1)"),
        (("+IR", "1", "+IS", "2", "+IP", "1"), "(pa2, st0, se1, im0)"),
    ],
)
def test_invention(
    options: tuple[str, ...], counters: str, capsys: pytest.CaptureFixture[str]
) -> None:
    peer = Peer()
    assert peer.run("-v", "--repeat", "3", *options, "HERE", "a.dcm", "b.dcm") == 0
    assert len(set(peer.uids)) == 6
    assert all(uid.startswith("2.25.") and len(uid) > 20 for uid in peer.uids)
    for message in peer.received:
        assert message.text(0x1000).encode() in message.data_set
        assert b"OFFIS^TEST_PN_" in message.data_set
    lines = [line for line in capsys.readouterr().err.splitlines() if "Inventing" in line]
    assert lines[-1] == f"I: Inventing Identifying Information {counters}:"


def test_renaming(tmp_path: Path) -> None:
    assert Peer(0, 0xA700).run("+rn", "-nh", "HERE", "a.dcm", "b.dcm") == 0xA7
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.dcm.done", "b.dcm.bad", "sub"]
    assert Peer().run("+rn", "-rn", "HERE", "a.dcm.done") == 0
    assert (tmp_path / "a.dcm.done").exists()


@pytest.mark.parametrize(
    ("options", "statuses", "sent", "code"),
    [
        ((), (0xB000, 0xB007), 2, 0),
        ((), (0xA700,), 1, 0xA7),
        ((), (0x0122,), 1, 1),
        ((), (0x0005,), 1, 1),
        (("-nh",), (0xC001, 0xA700), 2, 0xC0),
        (("-nh",), (0, 0xA900), 2, 0xA9),
    ],
)
def test_exit_code(
    options: tuple[str, ...], statuses: tuple[int, ...], sent: int, code: int
) -> None:
    peer = Peer(*statuses)
    assert peer.run(*options, "HERE", "a.dcm", "b.dcm") == code
    assert len(peer.received) == sent


def test_missing_file(capsys: pytest.CaptureFixture[str]) -> None:
    peer = Peer()
    assert peer.run("HERE", "a.dcm", "missing") == 1
    assert peer.request is None
    assert peer.run("-nh", "HERE", "a.dcm", "missing") == 1
    assert len(peer.received) == 1
    assert capsys.readouterr().err.splitlines() == [
        "F: cannot access file: missing",
        "W: cannot access file: missing, ignoring file",
        "W: 1 of 1 object was confirmed, 1 path was left out",
    ]


@pytest.mark.parametrize(("options", "said"), [((), False), (("-v",), True)])
def test_counts_of_a_run_without_failures_are_for_those_who_ask(
    options: tuple[str, ...], said: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Peer().run(*options, "--repeat", "2", "HERE", "a.dcm") == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1:] == (["I: 2 of 2 objects were confirmed"] if said else [])


def test_nobody_listens(capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedAcceptor(lambda _: None) as acceptor:
        port = acceptor.port
    assert main(["127.0.0.1", str(port), "a.dcm"], {}) == 1
    assert capsys.readouterr().err == (
        "F: Association Request Failed: 0006:031c TCP Initialization Error: Connection refused\n"
    )


def test_nothing_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(connection: RawConnection) -> None:
        accept(connection, choose=lambda _, syntaxes: (3, syntaxes[0]))
        connection.receive_until_closed()

    with ScriptedAcceptor(refuse) as acceptor:
        assert main(["127.0.0.1", str(acceptor.port), "a.dcm"], {}) == 1
    assert capsys.readouterr().err == "F: No Acceptable Presentation Contexts\n"


def test_help_needs_no_network(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"], {}) == 0
    assert "usage: storescu" in capsys.readouterr().out

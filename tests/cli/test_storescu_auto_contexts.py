"""storescu --auto-contexts: what is proposed, on how many associations, and what then."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.hints import context_hint
from isocenter.cli.storescu import main
from isocenter.sender.proposal import propose
from isocenter.testing import RawMessage, ScriptedAcceptor, ct_image, raw
from isocenter.testing.datasets import (
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
)
from isocenter.testing.peer import accept, serve_storage
from isocenter.uids import name_of
from tests.support.processes import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from isocenter.testing import AssociationFacts, DicomObject, RawConnection

pytestmark = pytest.mark.slow

CT = "1.2.840.10008.5.1.4.1.1.2"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
PRIVATE = "1.2.826.0.1.3680043.9.3811.4711"
JPEG = "1.2.840.10008.1.2.4.70"
J2K = "1.2.840.10008.1.2.4.90"
RLE = "1.2.840.10008.1.2.5"
HTJ2K = "1.2.840.10008.1.2.4.201"

MIXED = (
    (CT, JPEG),
    (CT, EXPLICIT_LITTLE),
    (PRIVATE, EXPLICIT_LITTLE),
    (SEGMENTATION, DEFLATED_EXPLICIT_LITTLE),
    (CT, J2K),
    (CT, IMPLICIT_LITTLE),
    (CT, RLE),
    (CT, HTJ2K),
    (PRIVATE, EXPLICIT_BIG),
)


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(folder: Path, kinds: Iterable[tuple[str, str]]) -> list[DicomObject]:
    """Write one small object of each class and transfer syntax, as 000.dcm and so on."""
    images = []
    for number, (sop_class, syntax) in enumerate(kinds):
        image = ct_image(
            sop_class_uid=sop_class,
            transfer_syntax=syntax,
            rows=8,
            columns=8,
            seed=number,
            sop_instance_uid=f"2.25.{1000 + number}",
        )
        image.write(folder / f"{number:03}.dcm")
        images.append(image)
    return images


def names(count: int) -> list[str]:
    return [f"{number:03}.dcm" for number in range(count)]


class Peer:
    """A storage SCP for several associations, that remembers what came on each.

    Args:
        taken: transfer syntaxes it takes, in its order; None for the first proposed of each.
        ends: what becomes of the first associations: ``reject``, ``refuse``, ``abort`` (after the
            first object arrived) or ``serve``.
        status: what each object is answered.
    """

    def __init__(
        self,
        taken: tuple[str, ...] | None = None,
        *,
        ends: Iterable[str] = (),
        status: Callable[[RawMessage], int] = lambda _: 0,
    ) -> None:
        self.facts: list[AssociationFacts] = []
        self.received: list[list[RawMessage]] = []
        self.pdus: list[int] = []
        self._taken = taken
        self._ends = list(ends)
        self._status = status
        self._lock = threading.Lock()

    def _choose(self, _context_id: int, proposed: tuple[str, ...]) -> tuple[int, str]:
        if self._taken is None:
            return 0, proposed[0]
        found = next((uid for uid in self._taken if uid in proposed), None)
        return (4, IMPLICIT_LITTLE) if found is None else (0, found)

    def __call__(self, connection: RawConnection) -> None:
        with self._lock:
            end = self._ends.pop(0) if self._ends else "serve"
        if end == "reject":
            connection.receive()
            connection.send(raw.associate_rj(1, 1, 1))
            connection.receive_until_closed()
            return
        if end == "refuse":
            self.facts.append(accept(connection, choose=lambda *_: (4, IMPLICIT_LITTLE)))
            connection.receive_until_closed()
            return
        self.facts.append(accept(connection, choose=self._choose))
        received: list[RawMessage] = []
        self.received.append(received)
        if end == "abort":
            message = connection.receive_message()
            assert isinstance(message, RawMessage)
            received.append(message)
            connection.send(raw.abort(2, 0))
            return
        for _ in serve_storage(connection, status=self._status, received=received):
            pass

    def run(self, *arguments: str) -> int:
        """Run storescu with ``--auto-contexts``; ``HERE`` stands for peer and port."""
        with ScriptedAcceptor(self) as acceptor:
            here = ["127.0.0.1", str(acceptor.port)]
            words = [w for word in arguments for w in (here if word == "HERE" else [word])]
            code = main(["--auto-contexts", *words], {})
        self.connections = acceptor.connections
        return code

    @property
    def uids(self) -> list[list[str]]:
        """The instances that came, by association."""
        return [[message.text(0x1000) for message in messages] for messages in self.received]

    def proposal(self, number: int = 0) -> list[tuple[str, tuple[str, ...]]]:
        contexts = self.facts[number].contexts
        return [(context.abstract_syntax, context.transfer_syntaxes) for context in contexts]

    def syntax_of(self, message: RawMessage, number: int = 0) -> str:
        """Return the transfer syntax of the context that an object came on."""
        contexts = {context.context_id: context for context in self.facts[number].contexts}
        return self._choose(0, contexts[message.context_id].transfer_syntaxes)[1]


def uids(images: Iterable[DicomObject]) -> list[str]:
    return [image.sop_instance_uid for image in images]


class TestOneAssociation:
    def test_mixed_files_arrive_bit_for_bit_in_their_own_syntax(self, tmp_path: Path) -> None:
        images = write(tmp_path, MIXED)
        peer = Peer()
        assert peer.run("HERE", *names(len(MIXED))) == 0
        assert peer.uids == [uids(images)]
        for message, image in zip(peer.received[0], images, strict=True):
            assert peer.syntax_of(message) == image.transfer_syntax
            assert message.data_set == image.data_set + b"\0" * (len(image.data_set) % 2)

    def test_compressed_syntaxes_are_proposed_first_each_by_itself(self, tmp_path: Path) -> None:
        write(tmp_path, [(CT, EXPLICIT_LITTLE), (PRIVATE, JPEG), (CT, JPEG)])
        peer = Peer()
        assert peer.run("HERE", *names(3)) == 0
        assert peer.proposal() == [
            (CT, (JPEG,)),
            (PRIVATE, (JPEG,)),
            (CT, (EXPLICIT_LITTLE,)),
            (CT, (IMPLICIT_LITTLE, EXPLICIT_BIG)),
        ]

    def test_folders_are_scanned(self, tmp_path: Path) -> None:
        (tmp_path / "sub").mkdir()
        write(tmp_path / "sub", MIXED)
        peer = Peer()
        assert peer.run("+sd", "+r", "+sp", "00[0-3]*", "HERE", ".") == 0
        assert sorted(peer.uids[0]) == [f"2.25.{number}" for number in range(1000, 1004)]

    def test_uncompressed_files_are_converted_for_a_peer_that_takes_another(
        self, tmp_path: Path
    ) -> None:
        kinds = [(CT, EXPLICIT_LITTLE), (PRIVATE, EXPLICIT_LITTLE), (CT, DEFLATED_EXPLICIT_LITTLE)]
        write(tmp_path, kinds)
        peer = Peer((IMPLICIT_LITTLE,))
        assert peer.run("HERE", *names(3)) == 0
        for number, message in enumerate(peer.received[0]):
            sop_class = kinds[number][0]
            same = ct_image(
                sop_class_uid=sop_class,
                transfer_syntax=IMPLICIT_LITTLE,
                rows=8,
                columns=8,
                seed=number,
                sop_instance_uid=f"2.25.{1000 + number}",
            )
            assert message.data_set == same.data_set

    def test_compressed_file_is_not_converted_but_fails(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        images = write(tmp_path, [(CT, EXPLICIT_LITTLE), (CT, JPEG), (PRIVATE, JPEG), (CT, RLE)])
        peer = Peer((EXPLICIT_LITTLE, IMPLICIT_LITTLE, RLE))
        assert peer.run("-nh", "HERE", *names(4)) == 1
        assert peer.uids == [uids([images[0], images[3]])]
        jpeg = "JPEGLossless:Non-hierarchical-1stOrderPrediction"
        reason = f"the file is {jpeg}, which the receiver did not accept"
        assert capsys.readouterr().err.splitlines() == [
            "E: No conversion to transfer syntax Little Endian Explicit possible!",
            "E: Store Failed, file: 001.dcm:",
            f"E: 0006:020e DIMSE Failed to send message ({reason})",
            f"E: No presentation context for: (unknown SOP class) {PRIVATE}",
            "E: Store Failed, file: 002.dcm:",
            "E: 0006:0208 DIMSE No valid Presentation Context ID",
            "W: 2 of 4 objects were confirmed, 2 failed",
            f"W: hint: CTImageStorage in {jpeg} was proposed, but the receiver does not take it",
        ]

    def test_deflated_is_preferred_where_asked_for(self, tmp_path: Path) -> None:
        write(tmp_path, [(CT, EXPLICIT_LITTLE), (CT, JPEG)])
        peer = Peer()
        assert peer.run("-xs", "-xd", "+cl", "9", "HERE", *names(2)) == 0
        assert [peer.syntax_of(message) for message in peer.received[0]] == [
            DEFLATED_EXPLICIT_LITTLE,
            JPEG,
        ]

    def test_repeat_abort_rename_and_window_work_as_ever(self, tmp_path: Path) -> None:
        images = write(tmp_path, MIXED[:3])
        peer = Peer()
        assert peer.run("--repeat", "2", "--abort", "+rn", "--max-ops", "4", "HERE", *names(3)) == 0
        assert peer.uids == [[uid for uid in uids(images) for _ in range(2)]]
        assert sorted(os.listdir()) == [f"{name}.done" for name in names(3)]
        assert 0x53 in [item for item, _ in peer.facts[0].user_items]

    def test_blanks_in_a_uid_are_taken_out_in_silence(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        image = ct_image(sop_class_uid=CT + " ", sop_instance_uid="2.25.1 ", rows=8, columns=8)
        image.write(tmp_path / "a.dcm")
        peer = Peer()
        assert peer.run("-up", "HERE", "a.dcm") == 0
        assert capsys.readouterr().err == ""
        assert peer.proposal()[0] == (CT, (EXPLICIT_LITTLE,))


def text_file(folder: Path) -> str:
    (folder / "notes.txt").write_text("no image")
    return "missing SOP class (or instance) in file: notes.txt: not a DICOM file"


def directory_file(folder: Path) -> str:
    ct_image(sop_class_uid="1.2.840.10008.1.3.10").write(folder / "notes.txt")
    return "unknown storage SOP class in file: notes.txt: 1.2.840.10008.1.3.10"


def bad_class(folder: Path) -> str:
    ct_image(sop_class_uid="CT Image").write(folder / "notes.txt")
    return "missing SOP class (or instance) in file: notes.txt: SOP class is no UID: 'CT Image'"


def missing(_folder: Path) -> str:
    return "cannot access file: notes.txt"


@pytest.mark.parametrize("make", [text_file, directory_file, bad_class, missing])
class TestUnusableFile:
    def test_ends_the_run_before_a_connection(
        self, make: Callable[[Path], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write(tmp_path, MIXED[:1])
        words = make(tmp_path)
        peer = Peer()
        assert peer.run("HERE", "000.dcm", "notes.txt") == 1
        assert peer.connections == 0
        assert capsys.readouterr().err == f"F: {words}\n"

    def test_is_left_out_and_counted_without_halting(
        self, make: Callable[[Path], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        images = write(tmp_path, MIXED[:2])
        words = make(tmp_path)
        peer = Peer()
        assert peer.run("-nh", "HERE", "000.dcm", "notes.txt", "001.dcm") == 1
        assert peer.uids == [uids(images)]
        assert capsys.readouterr().err == (
            f"W: {words}, ignoring file\nW: 2 of 2 objects were confirmed, 1 path was left out\n"
        )


class TestConflicts:
    @pytest.mark.parametrize(
        ("options", "name"),
        [
            (("-R",), "--required"),
            (("+C",), "--combine"),
            (("-xf", "file", "profile"), "--config-file"),
        ],
    )
    def test_another_way_to_choose_contexts_is_refused(
        self, options: tuple[str, ...], name: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["--auto-contexts", *options, "127.0.0.1", "1", "a.dcm"], {}) == 1
        assert f"error: --auto-contexts not allowed with {name}\n" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("option", "name"),
        [
            ("-xs", "--propose-lossless"),
            ("-xi", "--propose-implicit"),
            ("-xe", "--propose-little"),
            ("-x5", "--propose-hevc10"),
        ],
    )
    def test_choice_of_transfer_syntaxes_is_refused(
        self, option: str, name: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["--auto-contexts", option, "127.0.0.1", "1", "a.dcm"], {}) == 1
        assert capsys.readouterr().err == f"F: --auto-contexts not allowed with {name}\n"

    def test_default_choice_changes_nothing(self, tmp_path: Path) -> None:
        write(tmp_path, MIXED)
        peer = Peer()
        assert peer.run("-xs", "-x=", "HERE", *names(len(MIXED))) == 0


CLASSES = [f"1.2.826.0.1.3680043.9.3811.{number}" for number in range(70)]
FIRST, SECOND = range(64), range(64, 70)


def write_many(folder: Path) -> list[str]:
    """Write files that need 140 contexts; return their instance UIDs."""
    return uids(write(folder, [(sop_class, EXPLICIT_LITTLE) for sop_class in CLASSES]))


class TestSeveralAssociations:
    def test_each_file_is_sent_once_on_the_association_that_proposes_it(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        expected = write_many(tmp_path)
        peer = Peer()
        # The last class first: it takes one of the 64 places of the first association.
        assert peer.run("-v", "HERE", "069.dcm", *names(69)) == 0
        assert peer.connections == 2
        assert peer.uids == [[expected[69], *expected[:63]], expected[63:69]]
        assert [len(facts.contexts) for facts in peer.facts] == [128, 12]
        lines = capsys.readouterr().err.splitlines()
        assert lines[:2] == [
            "I: checking input files ...",
            "I: starting association #1 of 2 (64 files)",
        ]
        assert "I: starting association #2 of 2 (6 files)" in lines
        assert lines.count("I: Releasing Association") == 2

    def test_identities_go_on_from_one_association_to_the_next(self, tmp_path: Path) -> None:
        write_many(tmp_path)
        peer = Peer()
        assert peer.run("+II", "--abort", "+rn", "HERE", *names(70)) == 0
        found = [uid for numbers in peer.uids for uid in numbers]
        assert len(set(found)) == 70
        assert [len(numbers) for numbers in peer.uids] == [64, 6]
        # Instance numbers count from 0 within the series, which goes on.
        last = peer.received[1][-1].data_set
        assert last is not None
        assert b"IS\x02\x0069" in last
        assert sorted(os.listdir()) == [f"{name}.done" for name in names(70)]

    @pytest.mark.parametrize(
        ("end", "line", "on_first"),
        [
            ("reject", "F: Association Rejected:", 0),
            ("refuse", "F: No Acceptable Presentation Contexts", 0),
            ("abort", "E: Store Failed, file: 000.dcm:", 1),
        ],
    )
    @pytest.mark.parametrize("halts", [True, False])
    def test_association_that_fails_is_the_end_unless_told_to_go_on(
        self,
        end: str,
        line: str,
        on_first: int,
        *,
        halts: bool,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        expected = write_many(tmp_path)
        peer = Peer(ends=[end])
        assert peer.run(*(() if halts else ("-nh",)), "HERE", *names(70)) == 1
        assert peer.connections == (1 if halts else 2)
        first = expected[:on_first]
        found = [numbers for numbers in peer.uids if numbers]
        assert found == [numbers for numbers in (first, [] if halts else expected[64:]) if numbers]
        assert line in capsys.readouterr().err.splitlines()

    @pytest.mark.parametrize(
        ("refused", "ends", "code"),
        [
            ({"2.25.1003": 0xA700}, [], 0xA7),
            ({"2.25.1003": 0xA700, "2.25.1066": 0xC001}, [], 0xA7),
            ({"2.25.1066": 0xC001}, [], 0xC0),
            ({"2.25.1066": 0xC001}, ["reject"], 1),
            ({"2.25.1066": 0xC001}, ["abort"], 1),
            ({"2.25.1003": 0xA900}, ["serve", "reject"], 0xA9),
            ({"2.25.1003": 0xB000}, [], 0),
            ({}, ["serve", "refuse"], 1),
        ],
    )
    def test_exit_code_is_that_of_the_first_failure(
        self, refused: dict[str, int], ends: list[str], code: int, tmp_path: Path
    ) -> None:
        write_many(tmp_path)
        peer = Peer(ends=ends, status=lambda message: refused.get(message.text(0x1000), 0))
        assert peer.run("-nh", "HERE", *names(70)) == code
        assert peer.connections == 2

    def test_refused_object_ends_the_run_before_the_next_association(self, tmp_path: Path) -> None:
        expected = write_many(tmp_path)
        peer = Peer(status=lambda message: 0xA700 * (message.text(0x1000) == expected[2]))
        assert peer.run("HERE", *names(70)) == 0xA7
        assert (peer.connections, peer.uids) == (1, [expected[:3]])


NOT_PROPOSED = "was not proposed: try --auto-contexts"


class TestHints:
    """Files that find no context, as a user without ``--auto-contexts`` sees it."""

    @pytest.mark.parametrize(
        ("kind", "options", "help_words"),
        [
            ((CT, J2K), (), NOT_PROPOSED + " (or -xv)"),
            ((CT, HTJ2K), (), NOT_PROPOSED),
            ((SEGMENTATION, EXPLICIT_LITTLE), (), NOT_PROPOSED + " (or -R)"),
            ((SEGMENTATION, RLE), (), NOT_PROPOSED + " (or -R -xr)"),
            ((PRIVATE, RLE), (), NOT_PROPOSED),
            ((CT, EXPLICIT_LITTLE), ("-xm",), NOT_PROPOSED + " (or -x=)"),
            ((CT, J2K), ("-xv",), "was proposed, but the receiver does not take it"),
        ],
    )
    def test_first_file_without_context_says_once_what_would_help(
        self,
        kind: tuple[str, str],
        options: tuple[str, ...],
        help_words: str,
        *,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        write(tmp_path, [kind, kind])
        taken = (EXPLICIT_LITTLE, IMPLICIT_LITTLE, "1.2.840.10008.1.2.4.100")
        with ScriptedAcceptor(Peer(taken)) as acceptor:
            words = [*options, "-nh", "127.0.0.1", str(acceptor.port), *names(2)]
            assert main(words, {}) == 1
        lines = capsys.readouterr().err.splitlines()
        sop_class, syntax = (name_of(uid) for uid in kind)
        assert lines[-1] == f"W: hint: {sop_class} in {syntax} {help_words}"
        assert [line for line in lines if "hint" in line] == lines[-1:]
        assert [line for line in lines if line.startswith("E: No ")] == [lines[0]] * 2

    def test_class_that_is_refused_in_every_syntax(self) -> None:
        assert context_hint((CT, EXPLICIT_LITTLE), propose([CT])) == (
            "hint: CTImageStorage was proposed, but the receiver does not take it"
        )

    def test_role_of_a_profile_may_be_why_nothing_is_taken(self) -> None:
        assert context_hint((CT, EXPLICIT_LITTLE), propose([CT]), from_profile=True) == (
            "hint: CTImageStorage was proposed, but the receiver does not take it, "
            "or not in the role that the profile asks for"
        )

    def test_profile_that_lacks_the_file_is_named(self) -> None:
        assert context_hint((CT, J2K), propose([CT]), from_profile=True) == (
            "hint: CTImageStorage in JPEG2000LosslessOnly is not in the profile: "
            "add it, or try --auto-contexts instead"
        )

    def test_explanation_takes_its_place(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write(tmp_path, [(CT, J2K)])
        with ScriptedAcceptor(Peer()) as acceptor:
            assert main(["--explain", "127.0.0.1", str(acceptor.port), "000.dcm"], {}) == 1
        err = capsys.readouterr().err
        assert "hint" not in err
        assert "--auto-contexts" in err

    def test_nothing_is_hinted_at_where_all_went_well(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write(tmp_path, [(CT, EXPLICIT_LITTLE)])
        assert Peer().run("HERE", "000.dcm") == 0
        assert capsys.readouterr().err == ""


def test_sender_without_the_option_does_not_load_its_modules(tmp_path: Path) -> None:
    write(tmp_path, [(CT, EXPLICIT_LITTLE)])
    program = (
        "import sys; from isocenter.cli.main import main; code = main(sys.argv[1:]); "
        "print(code, [m for m in sys.modules if m.endswith(('sender.planning', 'cli.hints'))])"
    )
    with ScriptedAcceptor(Peer()) as acceptor:
        words = ["storescu", "127.0.0.1", str(acceptor.port), "000.dcm"]
        done = run([sys.executable, "-I", "-c", program, *words], timeout=30)
    assert done.stdout == "0 []\n"

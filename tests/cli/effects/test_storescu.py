"""storescu: what each option changes, for the peer, on the screen or in the folder.

tests/options.toml names these tests; each runs again without its option and has to fail then.
Options whose default they restore are given behind the alternative that they override.
"""

from __future__ import annotations

import struct
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.storescu import main
from isocenter.testing import ScriptedAcceptor, ct_image, raw
from isocenter.testing.datasets import (
    CT_IMAGE_STORAGE,
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
)
from isocenter.testing.peer import accept, serve_storage
from tests.cli.effects.sending import HERE, SILENCE, Peer, needs_ipv6, unanswered_port
from tests.support.proposals import SELECTORS

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import RawConnection

pytestmark = pytest.mark.slow

UNCOMPRESSED = (EXPLICIT_LITTLE, EXPLICIT_BIG, IMPLICIT_LITTLE)
small_image = partial(ct_image, rows=4, columns=4)


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a.dcm, b.dcm, sub/c.dcm, all CT, and `bare`, a data set alone."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    for name in ("a.dcm", "b.dcm", "sub/c.dcm"):
        small_image(sop_instance_uid=f"2.25.{ord(name[-5])}").write(tmp_path / name)
    (tmp_path / "bare").write_bytes(small_image(sop_instance_uid="2.25.5").data_set)
    return tmp_path


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


# --- general --------------------------------------------------------------------------------


def test_help_is_shown_and_nothing_sent(capsys: pytest.CaptureFixture[str]) -> None:
    peer = Peer()
    assert peer.run(main, "--help", HERE, "a.dcm") == 0
    assert "usage: storescu" in capsys.readouterr().out
    assert peer.request is None


def test_version_is_shown_and_nothing_sent(capsys: pytest.CaptureFixture[str]) -> None:
    peer = Peer()
    assert peer.run(main, "--version", HERE, "a.dcm") == 0
    assert capsys.readouterr().out.startswith("$isocenter: storescu v")
    assert peer.request is None


def test_arguments_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer().run(main, "--arguments", "-R", HERE, "a.dcm") == 0
    shown = lines(capsys)
    assert any(
        line.startswith("I: calling 'storescu' with 5 arguments: '--arguments' '--required' ")
        for line in shown
    )


def test_quiet_leaves_errors_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer(0xA700).run(main, "--quiet", HERE, "a.dcm") == 0xA7
    assert lines(capsys) == []


def test_verbose_tells_the_steps(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer().run(main, "--verbose", HERE, "a.dcm") == 0
    shown = lines(capsys)
    assert "I: Requesting Association" in shown
    assert not any(line.startswith("D: ") for line in shown)


def test_debug_shows_messages(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer().run(main, "--debug", HERE, "a.dcm") == 0
    assert "D: Message Type                  : C-STORE RQ" in lines(capsys)


def test_log_level_decides_what_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer().run(main, "--log-level", "info", HERE, "a.dcm") == 0
    assert "I: Requesting Association" in lines(capsys)


def test_verbose_pc_lists_the_contexts(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer().run(main, "-v", "--verbose-pc", HERE, "a.dcm") == 0
    assert "I:     Abstract Syntax: =CTImageStorage" in lines(capsys)


# --- input ----------------------------------------------------------------------------------


def test_read_file_takes_either_form() -> None:
    peer = Peer()
    assert peer.run(main, "--read-dataset", "--read-file", HERE, "a.dcm", "bare") == 0
    assert peer.uids == ["2.25.97", "2.25.5"]


def test_read_file_only_refuses_a_data_set_alone() -> None:
    peer = Peer()
    assert peer.run(main, "--read-file-only", HERE, "a.dcm", "bare") == 1
    assert peer.uids == ["2.25.97"]


def test_read_dataset_refuses_a_file_with_file_meta() -> None:
    peer = Peer()
    assert peer.run(main, "--read-dataset", HERE, "bare", "a.dcm") == 1
    assert peer.uids == ["2.25.5"]


def test_scan_directories_sends_what_is_in_them() -> None:
    peer = Peer()
    code = peer.run(main, "--scan-directories", HERE, "sub")
    assert peer.uids == ["2.25.99"]
    assert code == 0


def test_scan_pattern_sends_what_it_matches() -> None:
    peer = Peer()
    assert peer.run(main, "+sd", "--scan-pattern", "b.*", HERE, ".") == 0
    assert peer.uids == ["2.25.98"]


def test_no_recurse_takes_recurse_back() -> None:
    peer = Peer()
    assert peer.run(main, "+sd", "--recurse", "--no-recurse", "+sp", "*.dcm", HERE, ".") == 0
    assert sorted(peer.uids) == ["2.25.97", "2.25.98"]


def test_recurse_goes_into_subdirectories() -> None:
    peer = Peer()
    assert peer.run(main, "+sd", "--recurse", "+sp", "*.dcm", HERE, ".") == 0
    assert sorted(peer.uids) == ["2.25.97", "2.25.98", "2.25.99"]


def test_no_rename_takes_rename_back(files: Path) -> None:
    assert Peer().run(main, "--rename", "--no-rename", HERE, "a.dcm") == 0
    assert (files / "a.dcm").exists()


def test_rename_tells_by_the_names_what_was_sent(files: Path) -> None:
    assert Peer(0, 0xA700).run(main, "--rename", HERE, "a.dcm", "b.dcm") == 0xA7
    names = sorted(path.name for path in files.glob("?.dcm*"))
    assert names == ["a.dcm.done", "b.dcm.bad"]


# --- network --------------------------------------------------------------------------------


@needs_ipv6
def test_ipv4_takes_ipv6_back() -> None:
    assert Peer().run(main, "--ipv6", "--ipv4", HERE, "a.dcm") == 0


@needs_ipv6
@pytest.mark.parametrize("option", ["--ipv6", "--ip-auto"])
def test_peer_is_reached_over_ipv6(option: str) -> None:
    assert Peer(host="::1").run(main, option, HERE, "a.dcm") == 0
    assert Peer().run(main, option, HERE, "a.dcm") == (0 if option == "--ip-auto" else 1)


@pytest.mark.parametrize("option", ["--aetitle", "--call"])
def test_titles_are_told(option: str) -> None:
    peer = Peer()
    assert peer.run(main, option, "TITLE", HERE, "a.dcm") == 0
    titles = {"--aetitle": peer.facts.calling, "--call": peer.facts.called}
    assert titles[option] == b"TITLE".ljust(16)


PROPOSALS = {
    "uncompr": "=", "little": "e", "big": "b", "implicit": "i", "lossless": "s", "jpeg8": "y",
    "jpeg12": "x", "j2k-lossless": "v", "j2k-lossy": "w", "jls-lossless": "t", "jls-lossy": "u",
    "mpeg2": "m", "mpeg2-high": "h", "mpeg4": "n", "mpeg4-bd": "l", "mpeg4-2-2d": "2",
    "mpeg4-2-3d": "3", "mpeg4-2-st": "o", "hevc": "4", "hevc10": "5", "rle": "r", "deflated": "d",
}  # fmt: skip
"""Name behind ``--propose-`` to the letter of the short option."""


@pytest.mark.parametrize("option", [f"--propose-{name}" for name in PROPOSALS])
def test_proposal_begins_with_what_was_chosen_last(option: str) -> None:
    # Little endian holds without any option, and implicit must not be what overrides itself.
    overridden = "--propose-rle" if option == "--propose-implicit" else "--propose-implicit"
    peer = Peer()
    peer.run(main, "-R", "--combine", overridden, option, HERE, "a.dcm")
    wanted = SELECTORS[PROPOSALS[option.removeprefix("--propose-")]]
    (context,) = peer.facts.contexts
    assert context.transfer_syntaxes[0] == wanted


def test_required_proposes_what_the_files_need_alone() -> None:
    peer = Peer()
    assert peer.run(main, "--required", HERE, "a.dcm") == 0
    assert {context.abstract_syntax for context in peer.facts.contexts} == {CT_IMAGE_STORAGE}


def test_combine_puts_the_syntaxes_of_a_class_into_one_context() -> None:
    peer = Peer()
    assert peer.run(main, "-R", "--combine", HERE, "a.dcm") == 0
    assert [context.transfer_syntaxes for context in peer.facts.contexts] == [UNCOMPRESSED]


@pytest.mark.parametrize(
    ("options", "vr"),
    [
        pytest.param(("--disable-new-vr", "--enable-new-vr"), b"UT", id="--enable-new-vr"),
        pytest.param(("--disable-new-vr",), b"OB", id="--disable-new-vr"),
    ],
)
def test_vrs_newer_than_1993(options: tuple[str, ...], vr: bytes, files: Path) -> None:
    small_image(extra=[(0x00400310, "UT", b"text")]).write(files / "new.dcm")
    peer = Peer()
    assert peer.run(main, *options, HERE, "new.dcm") == 0
    assert b"\x40\x00\x10\x03" + vr in peer.received[0].data_set


def test_compression_level_0_makes_nothing_smaller() -> None:
    plain = len(small_image(sop_instance_uid="2.25.97").data_set)
    peer = Peer()
    assert peer.run(main, "-xd", "--compression-level", "0", HERE, "a.dcm") == 0
    accepted = peer.facts.contexts[(peer.received[0].context_id - 1) // 2]
    assert accepted.transfer_syntaxes == (DEFLATED_EXPLICIT_LITTLE,)
    assert len(peer.received[0].data_set) > plain


def test_timeout_ends_a_connection_that_is_not_answered() -> None:
    with unanswered_port() as port:
        started = time.monotonic()
        code = main(["--timeout", "1", "127.0.0.1", str(port), "a.dcm"], {})
        took = time.monotonic() - started
    assert code == 1
    assert 0.9 < took < SILENCE


@pytest.mark.parametrize("option", ["--socket-timeout", "--dimse-timeout"])
def test_silence_in_the_place_of_an_answer_ends_it(option: str) -> None:
    peer = Peer(slow_to_answer=SILENCE)
    started = time.monotonic()
    code = peer.run(main, option, "1", HERE, "a.dcm")
    assert code == 1
    assert time.monotonic() - started > 0.9


def test_acse_timeout_ends_the_wait_for_an_association() -> None:
    assert Peer(slow_to_accept=SILENCE).run(main, "--acse-timeout", "1", HERE, "a.dcm") == 1


def test_max_pdu_is_announced() -> None:
    peer = Peer()
    assert peer.run(main, "--max-pdu", "8192", HERE, "a.dcm") == 0
    assert peer.facts.maximum_length == 8192


def test_max_send_pdu_bounds_what_is_sent(files: Path) -> None:
    ct_image(rows=100, columns=100).write(files / "large.dcm")
    peer = Peer()
    assert peer.run(main, "--max-send-pdu", "4096", HERE, "large.dcm") == 0
    assert peer.facts.maximum_length == 16384
    assert 4000 < peer.received[0].longest_pdu <= 4096


def test_repeat_sends_every_file_so_many_times() -> None:
    peer = Peer()
    assert peer.run(main, "--repeat", "2", HERE, "a.dcm", "b.dcm") == 0
    assert peer.uids == ["2.25.97", "2.25.97", "2.25.98", "2.25.98"]


def test_abort_ends_the_association() -> None:
    endings = []

    def script(connection: RawConnection) -> None:
        accept(connection)
        next(serve_storage(connection))
        endings.append(connection.receive().pdu_type)
        if endings == [raw.RELEASE_RQ]:
            connection.send(raw.release_rp())

    with ScriptedAcceptor(script) as acceptor:
        assert main(["--abort", "127.0.0.1", str(acceptor.port), "a.dcm"], {}) == 0
    assert endings == [raw.ABORT]


def test_no_halt_goes_on_after_a_failure() -> None:
    peer = Peer(0xC001)
    assert peer.run(main, "--no-halt", HERE, "a.dcm", "b.dcm") == 0xC0
    assert peer.uids == ["2.25.97", "2.25.98"]


def test_uid_padding_corrects_blanks_without_a_warning(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = small_image(sop_instance_uid="2.25.1111")
    image = replace(image, data_set=image.data_set.replace(b"2.25.1111\0", b"2.25.1111 "))
    image.write(files / "blank.dcm")
    peer = Peer()
    assert peer.run(main, "--uid-padding", HERE, "blank.dcm") == 0
    assert b"2.25.1111\0" in peer.received[0].data_set
    assert lines(capsys) == []


def elements(data: bytes, tag: int) -> bytes:
    """Return the value of a short element of an explicit VR little endian data set."""
    start = data.index(struct.pack("<HH", tag >> 16, tag & 0xFFFF))
    return data[start + 8 : start + 8 + int.from_bytes(data[start + 6 : start + 8], "little")]


def test_invented_instances_have_identities_of_their_own() -> None:
    peer = Peer()
    assert peer.run(main, "--invent-instance", "--repeat", "2", HERE, "a.dcm") == 0
    assert "2.25.97" not in peer.uids
    assert len(set(peer.uids)) == 2


@pytest.mark.parametrize(
    ("options", "tag"),
    [
        pytest.param(("--invent-series", "1"), 0x0020000E, id="--invent-series"),
        pytest.param(
            ("--invent-series", "1", "--invent-study", "1"), 0x0020000D, id="--invent-study"
        ),
        pytest.param(
            ("--invent-series", "1", "--invent-study", "1", "--invent-patient", "1"),
            0x00100020,
            id="--invent-patient",
        ),
    ],
)
def test_invented_objects_begin_anew_after_so_many(options: tuple[str, ...], tag: int) -> None:
    peer = Peer()
    assert peer.run(main, *options, "--repeat", "2", HERE, "a.dcm") == 0
    assert len({elements(message.data_set, tag) for message in peer.received}) == 2


def test_explain_says_what_a_status_means(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer(0xA700).run(main, "--explain", HERE, "a.dcm") == 0xA7
    start = "W: Explanation: the peer did not store a.dcm, because it is out of resources"
    assert any(line.startswith(start) for line in lines(capsys))


def test_max_ops_proposes_a_window_and_fills_it() -> None:
    """Both requests are there before the first answer."""
    outstanding = []

    def script(connection: RawConnection) -> None:
        accept(connection, user=raw.user_information(raw.asynchronous_operations(8, 1)))
        first = connection.receive_message()
        try:
            second = connection.receive_message(timeout=1)
        except TimeoutError:
            return
        for message in (first, second):
            assert not isinstance(message, tuple)
            outstanding.append(message.text(0x1000))
            answer = raw.c_store_rsp(
                message.number(0x0110), 0, message.text(0x0002), message.text(0x1000)
            )
            connection.send(raw.message(message.context_id, answer))
        connection.receive()
        connection.send(raw.release_rp())

    with ScriptedAcceptor(script) as acceptor:
        here = ["127.0.0.1", str(acceptor.port)]
        main(["--max-ops", "8", *here, "a.dcm", "b.dcm"], {})
    assert outstanding == ["2.25.97", "2.25.98"]

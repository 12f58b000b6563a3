"""dcmsend: what each option changes, for the peer, on the screen or in the folder.

tests/options.toml names these tests; each runs again without its option and has to fail then.
Options whose default they restore are given behind the alternative that they override.
"""

from __future__ import annotations

import struct
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.dcmsend import main
from isocenter.testing import ct_image
from isocenter.testing.datasets import (
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
)
from isocenter.testing.raw import item, user_information
from tests.cli.effects.sending import HERE, SILENCE, Peer, needs_ipv6, unanswered_port
from tests.support.compressed import write_compressed
from tests.support.directories import write_dicomdir

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

UNCOMPRESSED = (EXPLICIT_LITTLE, EXPLICIT_BIG, IMPLICIT_LITTLE)
RLE, JPEG = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50"
TOKEN = b"\x00token\xff\n"
small_image = partial(ct_image, rows=4, columns=4)


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a.dcm, b.dcm, sub/c.dcm, all CT, `bare`, a data set alone, and `none`, no DICOM."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    for name in ("a.dcm", "b.dcm", "sub/c.dcm"):
        small_image(sop_instance_uid=f"2.25.{ord(name[-5])}").write(tmp_path / name)
    (tmp_path / "bare").write_bytes(small_image(sop_instance_uid="2.25.5").data_set)
    (tmp_path / "none").write_text("This is no DICOM file.")
    (tmp_path / "token").write_bytes(TOKEN)
    return tmp_path


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


# --- general --------------------------------------------------------------------------------


def test_help_is_shown_and_nothing_sent(capsys: pytest.CaptureFixture[str]) -> None:
    peer = Peer()
    assert peer.run(main, "--help", HERE, "a.dcm") == 0
    assert "usage: dcmsend" in capsys.readouterr().out
    assert peer.request is None


def test_version_is_shown_and_nothing_sent(capsys: pytest.CaptureFixture[str]) -> None:
    peer = Peer()
    assert peer.run(main, "--version", HERE, "a.dcm") == 0
    assert capsys.readouterr().out.startswith("$isocenter: dcmsend v")
    assert peer.request is None


def test_list_decoders_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    peer = Peer()
    assert peer.run(main, "--list-decoders", HERE, "a.dcm") == 0
    shown = capsys.readouterr().out
    assert "- Little Endian Implicit\n- Little Endian Explicit\n- Big Endian Explicit\n\n" in shown
    assert "Transfer syntaxes supported by decoders:\n- Deflated Explicit VR Little End" in shown
    assert peer.request is None


def test_arguments_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer().run(main, "--arguments", "-nh", HERE, "a.dcm") == 0
    shown = lines(capsys)
    assert any(
        line.startswith("I: calling 'dcmsend' with 5 arguments: '--arguments' '--no-halt' ")
        for line in shown
    )


def test_quiet_leaves_errors_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer(0xA700).run(main, "--quiet", HERE, "a.dcm") == 62
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


def test_log_config_says_where_to_log(files: Path) -> None:
    (files / "log.cfg").write_text(
        "log4cplus.rootLogger = FATAL, A\n"
        "log4cplus.appender.A = log4cplus::FileAppender\n"
        "log4cplus.appender.A.File = it.log\n"
        "log4cplus.appender.A.layout = log4cplus::PatternLayout\n"
        "log4cplus.appender.A.layout.ConversionPattern = %c %p: %m%n\n"
    )
    assert main(["--log-config", "log.cfg", "127.0.0.1", "1", "absent"], {}) == 22
    assert (files / "it.log").exists()
    assert (files / "it.log").read_text() == (
        "dcmtk.apps.dcmsend FATAL: bad DICOM file: absent: No such file or directory\n"
    )


def test_verbose_pc_lists_the_contexts(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer().run(main, "-v", "--verbose-pc", HERE, "a.dcm") == 0
    assert "I:     Abstract Syntax: =CTImageStorage" in lines(capsys)


# --- input ----------------------------------------------------------------------------------


def test_read_file_takes_either_form() -> None:
    peer = Peer()
    assert peer.run(main, "--read-file", HERE, "a.dcm", "bare") == 0
    assert peer.uids == ["2.25.97", "2.25.5"]


def test_read_file_only_takes_read_dataset_back() -> None:
    peer = Peer()
    assert peer.run(main, "--read-dataset", "--read-file-only", HERE, "a.dcm") == 0
    assert peer.uids == ["2.25.97"]


def test_read_dataset_takes_a_data_set_alone() -> None:
    peer = Peer()
    assert peer.run(main, "--read-dataset", HERE, "bare") == 0
    assert peer.uids == ["2.25.5"]


def test_read_from_dicomdir_sends_what_it_refers_to(files: Path) -> None:
    write_dicomdir(files / "DICOMDIR", ("b.dcm", "2.25.98"), ("sub\\c.dcm", "2.25.99"))
    peer = Peer()
    assert peer.run(main, "--read-from-dicomdir", HERE, "DICOMDIR", "a.dcm") == 0
    assert peer.uids == ["2.25.98", "2.25.99", "2.25.97"]


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


# --- processing -----------------------------------------------------------------------------


PROPOSED = {
    "--decompress-never": [(RLE,), (JPEG,)],
    "--decompress-lossless": [(RLE, *UNCOMPRESSED), (JPEG,)],
    "--decompress-lossy": [(RLE, *UNCOMPRESSED), (JPEG, *UNCOMPRESSED)],
}


@pytest.mark.parametrize("option", PROPOSED)
def test_what_may_be_decompressed_is_proposed_uncompressed(option: str, files: Path) -> None:
    write_compressed(files / "rle.dcm", RLE)
    write_compressed(files / "jpeg.dcm", JPEG)
    # The default holds without any option.
    overridden = ["--decompress-never"] if option == "--decompress-lossless" else []
    peer = Peer()
    assert peer.run(main, *overridden, option, HERE, "rle.dcm", "jpeg.dcm") == 0
    assert [context.transfer_syntaxes for context in peer.facts.contexts] == PROPOSED[option]


def test_compression_level_0_makes_nothing_smaller(files: Path) -> None:
    image = small_image(sop_instance_uid="2.25.9", transfer_syntax=DEFLATED_EXPLICIT_LITTLE)
    image.write(files / "deflated.dcm")
    peer = Peer()
    assert peer.run(main, "--compression-level", "0", HERE, "deflated.dcm") == 0
    plain = len(small_image(sop_instance_uid="2.25.9").data_set)
    assert len(peer.received[0].data_set) > plain


def test_no_halt_leaves_out_what_is_no_good() -> None:
    peer = Peer()
    assert peer.run(main, "--no-halt", HERE, "none", "b.dcm") == 62
    assert peer.uids == ["2.25.98"]


def test_no_illegal_proposal_leaves_the_file_unsent(files: Path) -> None:
    write_compressed(files / "rle.dcm", RLE)
    assert main(["-dn", "--no-illegal-proposal", "127.0.0.1", "1", "rle.dcm"], {}) == 65


def test_no_uid_checks_sends_what_is_no_storage_class(files: Path) -> None:
    small_image(sop_class_uid="1.2.840.10008.1.1").write(files / "echo.dcm")
    peer = Peer()
    assert peer.run(main, "--no-uid-checks", HERE, "echo.dcm") == 0
    assert len(peer.received) == 1


# --- network --------------------------------------------------------------------------------


@needs_ipv6
def test_ipv4_takes_ipv6_back() -> None:
    assert Peer().run(main, "--ipv6", "--ipv4", HERE, "a.dcm") == 0


@needs_ipv6
@pytest.mark.parametrize("option", ["--ipv6", "--ip-auto"])
def test_peer_is_reached_over_ipv6(option: str) -> None:
    assert Peer(host="::1").run(main, option, HERE, "a.dcm") == 0
    assert Peer().run(main, option, HERE, "a.dcm") == (0 if option == "--ip-auto" else 61)


@pytest.mark.parametrize("option", ["--aetitle", "--call"])
def test_titles_are_told(option: str) -> None:
    peer = Peer()
    assert peer.run(main, option, "TITLE", HERE, "a.dcm") == 0
    titles = {"--aetitle": peer.facts.calling, "--call": peer.facts.called}
    assert titles[option] == b"TITLE".ljust(16)


def many_classes(files: Path) -> list[str]:
    names = []
    for number in range(129):
        names.append(f"{number:03}.dcm")
        uid = f"2.25.{number + 1}"
        image = ct_image(
            sop_class_uid=f"1.2.3.{number + 1}", rows=1, columns=1, sop_instance_uid=uid
        )
        image.write(files / names[-1])
    return names


def test_multi_associations_takes_single_association_back(files: Path) -> None:
    peer = Peer()
    names = many_classes(files)
    code = peer.run(main, "--single-association", "--multi-associations", HERE, *names)
    assert (code, len(peer.received)) == (0, 129)


def test_single_association_does_not_send_the_rest(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    peer = Peer()
    code = peer.run(main, "--single-association", HERE, *many_classes(files))
    assert (code, len(peer.received)) == (62, 128)
    assert lines(capsys) == ["E: 128 of 129 SOP instances were confirmed, 1 not sent"]


def identity(kind: int, primary: bytes, secondary: bytes = b"", *, asked: bool = False) -> bytes:
    """Return the value of a user identity sub-item, written from PS3.7 D.3.3.7.1."""
    head = struct.pack(">BBH", kind, asked, len(primary))
    return head + primary + struct.pack(">H", len(secondary)) + secondary


GIVEN = {
    "--user": (["--user", "joe"], identity(1, b"joe")),
    "--password": (["--user", "joe", "--password", "pass"], identity(2, b"joe", b"pass")),
    "--empty-password": (["--user", "joe", "--empty-password"], identity(2, b"joe")),
    "--kerberos": (["--kerberos", "token"], identity(3, TOKEN)),
    "--saml": (["--saml", "token"], identity(4, TOKEN)),
    "--jwt": (["--jwt", "token"], identity(5, TOKEN)),
}


@pytest.mark.parametrize("option", GIVEN)
def test_the_peer_is_told_who_asks(option: str) -> None:
    words, expected = GIVEN[option]
    peer = Peer()
    assert peer.run(main, *words, HERE, "a.dcm") == 0
    assert peer.facts.user_item(0x58) == expected
    assert peer.uids == ["2.25.97"]


def test_nothing_is_sent_where_a_demanded_answer_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    peer = Peer()
    assert peer.run(main, "--user", "joe", "--pos-response", HERE, "a.dcm") == 61
    assert peer.facts.user_item(0x58) == identity(1, b"joe", asked=True)
    assert peer.received == []
    assert lines(capsys) == [
        "E: User Identity Negotiation failed: Positive response requested but none received",
        "F: 0006:0108 ASC User Identification Negotiation failed",
    ]


def test_files_are_sent_where_the_demanded_answer_comes() -> None:
    granted = user_information(item(0x59, struct.pack(">H", 0)))
    peer = Peer(granted=granted)
    assert peer.run(main, "-usr", "joe", "-rsp", HERE, "a.dcm") == 0
    assert peer.uids == ["2.25.97"]


def test_a_token_that_cannot_be_read_ends_it_before_the_connection(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--jwt", "absent", "127.0.0.1", "1", "a.dcm"], {}) == 1
    assert lines(capsys) == [
        "E: Unable to open Kerberos, SAML or JWT file: No such file or directory (absent)"
    ]


def test_timeout_ends_a_connection_that_is_not_answered() -> None:
    with unanswered_port() as port:
        started = time.monotonic()
        code = main(["--timeout", "1", "127.0.0.1", str(port), "a.dcm"], {})
        took = time.monotonic() - started
    assert code == 61
    assert 0.9 < took < SILENCE


def test_acse_timeout_ends_the_wait_for_an_association() -> None:
    assert Peer(slow_to_accept=SILENCE).run(main, "--acse-timeout", "1", HERE, "a.dcm") == 61


def test_dimse_timeout_ends_the_wait_for_an_answer(capsys: pytest.CaptureFixture[str]) -> None:
    code = Peer(slow_to_answer=SILENCE).run(main, "--dimse-timeout", "1", HERE, "a.dcm")
    assert code == 62
    assert "F: cannot send SOP instance: DIMSE No data available (timeout in " in "".join(
        lines(capsys)
    )


def test_max_pdu_is_announced() -> None:
    peer = Peer()
    assert peer.run(main, "--max-pdu", "8192", HERE, "a.dcm") == 0
    assert peer.facts.maximum_length == 8192


def test_max_send_pdu_bounds_what_is_sent(files: Path) -> None:
    ct_image(rows=100, columns=100).write(files / "large.dcm")
    peer = Peer()
    assert peer.run(main, "--max-send-pdu", "4096", HERE, "large.dcm") == 0
    assert 4000 < peer.received[0].longest_pdu <= 4096


# --- output, and what is ours ---------------------------------------------------------------


def test_create_report_file_writes_what_became_of_each(files: Path) -> None:
    assert Peer(0, 0xA700).run(main, "--create-report-file", "report", HERE, "a.dcm", "b.dcm") == 62
    assert (files / "report").exists()
    report = (files / "report").read_text()
    assert "Filename      : a.dcm\nSOP Instance  : 2.25.97\n" in report
    assert "DIMSE Status  : 0xa700 (Refused: OutOfResources)\n" in report
    assert report.endswith("  * with status SUCCESS  : 1\n  * with status REFUSED  : 1")


def test_stream_sends_what_comes_before_a_bad_file() -> None:
    """Without it all files are looked at first."""
    peer = Peer()
    assert peer.run(main, "--stream", HERE, "a.dcm", "none", "b.dcm") == 22
    assert peer.uids == ["2.25.97"]


def test_explain_says_what_a_status_means(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer(0xA700).run(main, "--explain", HERE, "a.dcm") == 62
    start = "W: Explanation: the peer did not store a.dcm, because it is out of resources"
    assert any(line.startswith(start) for line in lines(capsys))

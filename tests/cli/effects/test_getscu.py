"""getscu: what each option changes, for the peer, on the screen or in the folder.

tests/options.toml names these tests; each runs again without its option and has to fail then.
Options whose default they restore are given behind the alternative that they override.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from isocenter import uids
from isocenter.cli.getscu import main
from isocenter.testing import ForgetfulFileSystem, ct_image
from isocenter.testing.datasets import (
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
)
from isocenter.testing.forgetful import LOSSES
from tests.cli.effects.sending import HERE, SILENCE, Peer, needs_ipv6, unanswered_port
from tests.cli.effects.test_user_identity import GIVEN, TOKEN, identity
from tests.support import part10
from tests.support.retrieves import retrieving

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

ASK = ("-k", "QueryRetrieveLevel=STUDY")
KEYS = b"\x08\x00\x52\x00CS\x06\x00STUDY "
CT = "1.2.840.10008.5.1.4.1.1.2"
small_image = partial(ct_image, rows=4, columns=4)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make `in/a.dcm`, `query.dcm` and `token`; getscu writes into `out`, where it stands."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    small_image(sop_instance_uid="2.25.97").write(tmp_path / "in" / "a.dcm")
    (tmp_path / "token").write_bytes(TOKEN)
    return tmp_path


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def fetch(folder: Path, *options: str) -> tuple[int, list[str]]:
    """Fetch what is in `in` from a node; return the exit code and the names of files."""
    with retrieving(sorted((folder / "in").iterdir())) as node:
        code = main([*options, "127.0.0.1", str(node.port), *ASK], {})
    return code, sorted(path.name for path in (folder / "out").iterdir())


# --- general --------------------------------------------------------------------------------


def test_help_is_shown_and_nothing_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    peer = Peer()
    assert peer.run(main, "--help", HERE, *ASK) == 0
    assert "usage: getscu" in capsys.readouterr().out
    assert peer.request is None


def test_version_is_shown_and_nothing_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    peer = Peer()
    assert peer.run(main, "--version", HERE, *ASK) == 0
    assert capsys.readouterr().out.startswith("$isocenter: getscu v")
    assert peer.request is None


def test_arguments_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer().run(main, "--arguments", HERE, *ASK) == 0
    shown = lines(capsys)
    assert any(
        line.startswith("I: calling 'getscu' with 5 arguments: '--arguments' ") for line in shown
    )


def test_quiet_leaves_errors_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer(0xA702).run(main, "--quiet", HERE, *ASK) == 69
    assert lines(capsys) == []


def test_verbose_tells_the_steps(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer().run(main, "--verbose", HERE, *ASK) == 0
    shown = lines(capsys)
    assert "I: Sending C-GET Request (MsgID 1)" in shown
    assert "I: Received C-GET Response (Success)" in shown
    assert not any(line.startswith("D: ") for line in shown)


def test_debug_shows_messages_and_identifiers(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch(folder, "--debug")[0] == 0
    shown = lines(capsys)
    assert "D: Message Type                  : C-GET RQ" in shown
    assert any(line.startswith("D: (0008,0052) CS [STUDY]") for line in shown)
    assert "D:   Filename: ./CT.2.25.97" in shown


def test_log_level_decides_what_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer().run(main, "--log-level", "info", HERE, *ASK) == 0
    assert "I: Requesting Association" in lines(capsys)


def test_log_config_says_where_to_log(folder: Path) -> None:
    (folder / "log.cfg").write_text(
        "log4cplus.rootLogger = FATAL, A\n"
        "log4cplus.appender.A = log4cplus::FileAppender\n"
        f"log4cplus.appender.A.File = {folder}/it.log\n"
        "log4cplus.appender.A.layout = log4cplus::PatternLayout\n"
        "log4cplus.appender.A.layout.ConversionPattern = %c %p: %m%n\n"
    )
    arguments = ["--log-config", str(folder / "log.cfg"), "-od", "absent", "127.0.0.1", "1", *ASK]
    assert main(arguments, {}) == 1
    assert (folder / "it.log").exists()
    assert (folder / "it.log").read_text() == (
        "dcmtk.apps.getscu FATAL: specified output directory does not exist\n"
    )


def test_verbose_pc_lists_the_contexts(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer().run(main, "-v", "--verbose-pc", HERE, *ASK) == 0
    assert "I:     Abstract Syntax: =CTImageStorage" in lines(capsys)


# --- what is asked for ----------------------------------------------------------------------


def test_key_asks_for_it() -> None:
    peer = Peer()
    assert peer.run(main, HERE, "--key", "QueryRetrieveLevel=STUDY") == 0
    assert [message.data_set for message in peer.received] == [KEYS]


MODELS = {
    "--patient": uids.PATIENT_ROOT_GET,
    "--study": uids.STUDY_ROOT_GET,
    "--psonly": uids.PATIENT_STUDY_ONLY_GET,
}


@pytest.mark.parametrize("option", MODELS)
def test_model_is_the_one_chosen_last(option: str) -> None:
    peer = Peer()
    other = "--study" if option != "--study" else "--patient"
    assert peer.run(main, other, option, HERE, *ASK) == 0
    assert peer.facts.contexts[0].abstract_syntax == MODELS[option]
    assert peer.received[0].text(0x0002) == MODELS[option]


def test_repeat_asks_again() -> None:
    peer = Peer()
    assert peer.run(main, "--repeat", "3", HERE, *ASK) == 0
    assert [message.number(0x0110) for message in peer.received] == [1, 2, 3]


def test_abort_ends_without_a_release(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer().run(main, "-v", "--abort", HERE, *ASK) == 0
    shown = lines(capsys)
    assert "I: Aborting Association" in shown
    assert "I: Releasing Association" not in shown


# --- network --------------------------------------------------------------------------------


@needs_ipv6
def test_ipv4_takes_ipv6_back() -> None:
    assert Peer().run(main, "--ipv6", "--ipv4", HERE, *ASK) == 0


@needs_ipv6
@pytest.mark.parametrize("option", ["--ipv6", "--ip-auto"])
def test_peer_is_reached_over_ipv6(option: str) -> None:
    assert Peer(host="::1").run(main, option, HERE, *ASK) == 0
    assert Peer().run(main, option, HERE, *ASK) == (0 if option == "--ip-auto" else 1)


@pytest.mark.parametrize("option", ["--aetitle", "--call"])
def test_titles_are_told(option: str) -> None:
    peer = Peer()
    assert peer.run(main, option, "TITLE", HERE, *ASK) == 0
    titles = {"--aetitle": peer.facts.calling, "--call": peer.facts.called}
    assert titles[option] == b"TITLE".ljust(16)


UNCOMPRESSED = (EXPLICIT_LITTLE, EXPLICIT_BIG, IMPLICIT_LITTLE)
PROPOSALS = {
    "--propose-uncompr": UNCOMPRESSED,
    "--propose-little": UNCOMPRESSED,
    "--propose-big": (EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE),
    "--propose-deflated": (DEFLATED_EXPLICIT_LITTLE, *UNCOMPRESSED),
    "--propose-implicit": (IMPLICIT_LITTLE,),
}


@pytest.mark.parametrize("option", PROPOSALS)
def test_identifier_is_proposed_in_what_was_chosen_last(option: str) -> None:
    peer = Peer()
    other = "--propose-implicit" if option != "--propose-implicit" else "--propose-big"
    assert peer.run(main, other, option, HERE, *ASK) == 0
    first, *objects = peer.facts.contexts
    assert first.transfer_syntaxes == PROPOSALS[option]
    assert {context.transfer_syntaxes for context in objects} == {UNCOMPRESSED}


PREFERRED = {
    "--prefer-lossless": "1.2.840.10008.1.2.4.70",
    "--prefer-jpeg8": "1.2.840.10008.1.2.4.50",
    "--prefer-jpeg12": "1.2.840.10008.1.2.4.51",
    "--prefer-j2k-lossless": "1.2.840.10008.1.2.4.90",
    "--prefer-j2k-lossy": "1.2.840.10008.1.2.4.91",
    "--prefer-jls-lossless": "1.2.840.10008.1.2.4.80",
    "--prefer-jls-lossy": "1.2.840.10008.1.2.4.81",
    "--prefer-mpeg2": "1.2.840.10008.1.2.4.100",
    "--prefer-mpeg2-high": "1.2.840.10008.1.2.4.101",
    "--prefer-mpeg4": "1.2.840.10008.1.2.4.102",
    "--prefer-mpeg4-bd": "1.2.840.10008.1.2.4.103",
    "--prefer-mpeg4-2-2d": "1.2.840.10008.1.2.4.104",
    "--prefer-mpeg4-2-3d": "1.2.840.10008.1.2.4.105",
    "--prefer-mpeg4-2-st": "1.2.840.10008.1.2.4.106",
    "--prefer-hevc": "1.2.840.10008.1.2.4.107",
    "--prefer-hevc10": "1.2.840.10008.1.2.4.108",
    "--prefer-rle": "1.2.840.10008.1.2.5",
    "--prefer-deflated": DEFLATED_EXPLICIT_LITTLE,
}
PREFERENCES = {
    "--prefer-uncompr": UNCOMPRESSED,
    "--prefer-little": UNCOMPRESSED,
    "--prefer-big": (EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE),
    "--implicit": (IMPLICIT_LITTLE,),
    **{option: (uid, *UNCOMPRESSED) for option, uid in PREFERRED.items()},
}


@pytest.mark.parametrize("option", PREFERENCES)
def test_objects_are_proposed_in_what_was_chosen_last(option: str) -> None:
    peer = Peer()
    other = "--implicit" if option != "--implicit" else "--prefer-big"
    assert peer.run(main, other, option, HERE, *ASK) == 0
    first, *objects = peer.facts.contexts
    assert first.transfer_syntaxes == UNCOMPRESSED
    assert [context.abstract_syntax for context in objects] == list(uids.LONG_PROPOSAL)
    assert {context.transfer_syntaxes for context in objects} == {PREFERENCES[option]}


def test_timeout_ends_a_connection_that_is_not_answered() -> None:
    with unanswered_port() as port:
        begun = time.monotonic()
        assert main(["--timeout", "1", "127.0.0.1", str(port), *ASK], {}) == 1
        assert time.monotonic() - begun < SILENCE


def test_acse_timeout_ends_the_wait_for_an_association() -> None:
    begun = time.monotonic()
    assert Peer(slow_to_accept=SILENCE).run(main, "--acse-timeout", "1", HERE, *ASK) == 1
    assert time.monotonic() - begun < SILENCE


def test_dimse_timeout_ends_the_wait_for_an_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer(slow_to_answer=SILENCE).run(main, "--dimse-timeout", "1", HERE, *ASK) == 1
    condition = "0006:0207 DIMSE No data available (timeout in non-blocking mode)"
    assert lines(capsys) == [f"E: Failed receiving DIMSE command: {condition}"]


def test_max_pdu_is_announced() -> None:
    peer = Peer()
    assert peer.run(main, "--max-pdu", "8192", HERE, *ASK) == 0
    assert peer.facts.maximum_length == 8192


# --- files ----------------------------------------------------------------------------------


def test_output_directory_is_where_files_go(folder: Path) -> None:
    (folder / "there").mkdir()
    code, names = fetch(folder, "--output-directory", str(folder / "there"))
    assert (code, names) == (0, [])
    assert [path.name for path in (folder / "there").iterdir()] == ["CT.2.25.97"]


def test_normal_takes_bit_preserving_back(folder: Path) -> None:
    assert fetch(folder, "--bit-preserving", "--normal") == (0, ["CT.2.25.97"])


def test_bit_preserving_keeps_every_byte_and_names_the_instance(folder: Path) -> None:
    assert fetch(folder, "--bit-preserving", "-aet", "OWN") == (0, ["2.25.97"])
    written = part10.read(folder / "out" / "2.25.97")
    assert written.data_set == part10.read(folder / "in" / "a.dcm").data_set
    assert written.text(0x00020016) == "OWN"


def test_ignore_keeps_nothing(folder: Path) -> None:
    assert fetch(folder, "--ignore") == (0, [])


def test_durable_outlasts_a_power_cut_behind_the_end(folder: Path) -> None:
    with ForgetfulFileSystem(folder / "out") as disk:
        assert fetch(folder, "--durable", "+B")[0] == 0
        disk.note("done")
    moment = next(cut for cut in disk.cuts() if disk.notes(cut))
    data = part10.read(folder / "in" / "a.dcm").data_set
    for loss in LOSSES:
        assert disk.survivors(moment, loss).get("2.25.97", b"").endswith(data), loss


def test_on_duplicate_keeps_what_is_there(folder: Path) -> None:
    (folder / "out" / "CT.2.25.97").write_bytes(b"something else")
    code, names = fetch(folder, "--on-duplicate", "keep-both")
    assert (code, len(names)) == (0, 2)
    assert (folder / "out" / "CT.2.25.97").read_bytes() == b"something else"


def test_min_free_refuses_before_the_disk_is_full(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch(folder, "--min-free", str(1 << 40)) == (69, [])
    assert "E: objects received and not stored: 1" in lines(capsys)


# --- who asks -------------------------------------------------------------------------------


@pytest.mark.parametrize("option", GIVEN)
def test_the_peer_is_told_who_asks(option: str, folder: Path) -> None:
    words, expected = GIVEN[option]
    peer = Peer()
    given = [str(folder / "token") if word == "token" else word for word in words]
    assert peer.run(main, *given, HERE, *ASK) == 0
    assert peer.facts.user_item(0x58) == expected


def test_nothing_is_asked_for_where_a_demanded_answer_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    peer = Peer()
    assert peer.run(main, "--user", "joe", "--pos-response", HERE, *ASK) == 1
    assert peer.facts.user_item(0x58) == identity(1, b"joe", asked=True)
    assert peer.received == []
    assert "F: 0006:0108 ASC User Identification Negotiation failed" in lines(capsys)


def test_explain_says_why_there_is_no_association(capsys: pytest.CaptureFixture[str]) -> None:
    import socket

    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = str(reserved.getsockname()[1])
        assert main(["--explain", "127.0.0.1", port, *ASK], {}) == 1
    shown = lines(capsys)
    assert shown[0].startswith("F: Could not negotiate association: TCP Initialization Error")
    assert any("Explanation:" in line for line in shown)

"""findscu: what each option changes, for the peer, on the screen or in the folder.

tests/options.toml names these tests; each runs again without its option and has to fail then.
Options whose default they restore are given behind the alternative that they override.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from isocenter import uids
from isocenter.cli.findscu import main
from isocenter.cli.keys import apply_keys
from isocenter.dataset.tree import Node
from tests.cli.effects.sending import HERE, SILENCE, Peer, needs_ipv6, unanswered_port
from tests.cli.effects.test_user_identity import GIVEN, TOKEN, identity
from tests.support.queries import matches, querying

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.queries import QueryNode

pytestmark = pytest.mark.slow

ASK = ("-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder beside the file `token`."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "token").write_bytes(TOKEN)
    return tmp_path


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def answer(*keys: str) -> Node:
    root = Node()
    apply_keys(root, keys)
    return root


TWO = matches(
    answer("PatientName=Doe^J", "PatientID=1"), answer("PatientName=Roe^R", "PatientID=2")
)


def ask(*options: str, keys: tuple[str, ...] = ASK) -> tuple[int, QueryNode]:
    """Ask a node that has two matches; return the exit code and the node."""
    with querying(TWO) as node:
        code = main([*options, "127.0.0.1", str(node.port), *keys], {})
    return code, node


# --- general --------------------------------------------------------------------------------


def test_help_is_shown_and_nothing_asked(capsys: pytest.CaptureFixture[str]) -> None:
    peer = Peer()
    assert peer.run(main, "--help", HERE, *ASK) == 0
    assert "usage: findscu" in capsys.readouterr().out
    assert peer.request is None


def test_version_is_shown_and_nothing_asked(capsys: pytest.CaptureFixture[str]) -> None:
    peer = Peer()
    assert peer.run(main, "--version", HERE, *ASK) == 0
    assert capsys.readouterr().out.startswith("$isocenter: findscu v")
    assert peer.request is None


def test_arguments_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("--arguments")[0] == 0
    assert any(
        line.startswith("I: calling 'findscu' with 7 arguments: '--arguments' ")
        for line in lines(capsys)
    )


def test_quiet_leaves_errors_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer(0xA700).run(main, "--quiet", HERE, *ASK) == 69
    assert lines(capsys) == []


def test_verbose_tells_the_steps(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("--verbose")[0] == 0
    shown = lines(capsys)
    assert "I: Sending Find Request (MsgID 1)" in shown
    assert "I: Find Response: 2 (Pending)" in shown
    assert "I: Received Final Find Response (Success)" in shown
    assert not any(line.startswith("D: ") for line in shown)


def test_debug_shows_messages_and_identifiers(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("--debug")[0] == 0
    shown = lines(capsys)
    assert "D: Message Type                  : C-FIND RQ" in shown
    assert "D: Response Identifiers:" in shown
    assert any(line.startswith("D: (0010,0010) PN [Doe^J ]") for line in shown)


def test_log_level_decides_what_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("--log-level", "info")[0] == 0
    assert "I: Requesting Association" in lines(capsys)


def test_log_config_says_where_to_log(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "log.cfg").write_text(
        "log4cplus.rootLogger = FATAL, A\n"
        "log4cplus.appender.A = log4cplus::FileAppender\n"
        f"log4cplus.appender.A.File = {folder}/it.log\n"
        "log4cplus.logger.dcmtk.dcmnet.responses = INFO\n"
    )
    assert ask("--log-config", f"{folder}/log.cfg")[0] == 0
    assert lines(capsys) == []
    logged = (folder / "it.log").read_text()
    assert "Find Response: 1 (Pending)" in logged
    assert "Requesting Association" not in logged


# --- the question ---------------------------------------------------------------------------


def test_key_is_asked_for() -> None:
    code, node = ask("--key", "PatientID=4711")
    assert code == 0
    assert node.identifiers()[0].text(0x00100020) == "4711"


@pytest.mark.parametrize(
    ("options", "model"),
    [
        pytest.param(("--patient",), uids.PATIENT_ROOT_FIND, id="--patient"),
        pytest.param(("--study",), uids.STUDY_ROOT_FIND, id="--study"),
        pytest.param(("--psonly",), uids.PATIENT_STUDY_ONLY_FIND, id="--psonly"),
        pytest.param(("--study", "--worklist"), uids.MODALITY_WORKLIST_FIND, id="--worklist"),
    ],
)
def test_model_is_the_one_that_was_chosen(options: tuple[str, ...], model: str) -> None:
    code, node = ask(*options)
    assert code == 0
    assert [asked.sop_class_uid for asked in node.requests] == [model]


EXPLICIT, BIG = uids.EXPLICIT_VR_LITTLE_ENDIAN, uids.EXPLICIT_VR_BIG_ENDIAN
IMPLICIT, DEFLATED = uids.IMPLICIT_VR_LITTLE_ENDIAN, uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN


@pytest.mark.parametrize(
    ("options", "syntaxes"),
    [
        pytest.param(("-xb", "--propose-uncompr"), [EXPLICIT, BIG, IMPLICIT], id="uncompr"),
        pytest.param(("-xb", "--propose-little"), [EXPLICIT, BIG, IMPLICIT], id="little"),
        pytest.param(("--propose-big",), [BIG, EXPLICIT, IMPLICIT], id="big"),
        pytest.param(("--propose-deflated",), [DEFLATED, EXPLICIT, BIG, IMPLICIT], id="deflated"),
        pytest.param(("--propose-implicit",), [IMPLICIT], id="implicit"),
    ],
)
def test_proposed_are_the_transfer_syntaxes_that_were_chosen(
    options: tuple[str, ...], syntaxes: list[str]
) -> None:
    peer = Peer()
    assert peer.run(main, *options, HERE, *ASK) == 0
    assert [list(context.transfer_syntaxes) for context in peer.facts.contexts] == [syntaxes]


def test_compression_level_0_makes_nothing_smaller() -> None:
    long = ("-k", "PatientComments=" + "x" * 5000)
    lengths = []
    for level in ((), ("--compression-level", "0")):
        with querying(syntaxes=(DEFLATED,)) as node:
            words = ["--propose-deflated", *level, "127.0.0.1", str(node.port), *long]
            assert main(words, {}) == 0
        lengths.append(len(node.requests[0].identifier))
    assert lengths[0] < 5000 < lengths[1]


UNKNOWN = ("-k", "0009,1001=61\\62")


def test_disable_new_vr_writes_ob() -> None:
    code, node = ask("--disable-new-vr", keys=UNKNOWN)
    assert code == 0
    assert node.requests[0].identifier == b"\x09\0\x01\x10OB\0\0\x02\0\0\0ab"


def test_enable_new_vr_takes_disable_new_vr_back() -> None:
    code, node = ask("--disable-new-vr", "--enable-new-vr", keys=UNKNOWN)
    assert code == 0
    assert node.requests[0].identifier == b"\x09\0\x01\x10UN\0\0\x02\0\0\0ab"


def test_repeat_asks_so_many_times() -> None:
    code, node = ask("--repeat", "3")
    assert code == 0
    assert [asked.command.message_id for asked in node.requests] == [1, 2, 3]


def test_cancel_cancels_after_so_many_responses(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("--cancel", "1", "-v")[0] == 0
    assert "I: Sending Cancel Request (MsgID 1, PresID 1)" in lines(capsys)


# --- the association ------------------------------------------------------------------------


@needs_ipv6
def test_ipv4_takes_ipv6_back() -> None:
    assert Peer().run(main, "--ipv6", "--ipv4", HERE, *ASK) == 0


@needs_ipv6
@pytest.mark.parametrize("option", ["--ipv6", "--ip-auto"])
def test_peer_is_reached_over_ipv6(option: str) -> None:
    assert Peer(host="::1").run(main, option, HERE, *ASK) == 0
    assert Peer().run(main, option, HERE, *ASK) == (0 if option == "--ip-auto" else 2)


@pytest.mark.parametrize("option", ["--aetitle", "--call"])
def test_titles_are_told(option: str) -> None:
    peer = Peer()
    assert peer.run(main, option, "TITLE", HERE, *ASK) == 0
    titles = {"--aetitle": peer.facts.calling, "--call": peer.facts.called}
    assert titles[option] == b"TITLE".ljust(16)


def test_timeout_ends_a_connection_that_is_not_answered() -> None:
    with unanswered_port() as port:
        started = time.monotonic()
        code = main(["--timeout", "1", "127.0.0.1", str(port), *ASK], {})
        took = time.monotonic() - started
    assert code == 2
    assert 0.9 < took < SILENCE


@pytest.mark.parametrize("option", ["--socket-timeout", "--dimse-timeout"])
def test_silence_in_the_place_of_an_answer_ends_it(option: str) -> None:
    started = time.monotonic()
    assert Peer(slow_to_answer=SILENCE).run(main, option, "1", HERE, *ASK) == 2
    assert time.monotonic() - started > 0.9


def test_acse_timeout_ends_the_wait_for_an_association() -> None:
    assert Peer(slow_to_accept=SILENCE).run(main, "--acse-timeout", "1", HERE, *ASK) == 2


def test_max_pdu_is_announced() -> None:
    peer = Peer()
    assert peer.run(main, "--max-pdu", "8192", HERE, *ASK) == 0
    assert peer.facts.maximum_length == 8192


def test_abort_ends_the_association(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("--abort", "-v")[0] == 0
    shown = lines(capsys)
    assert "I: Aborting Association" in shown
    assert "I: Releasing Association" not in shown


# --- the responses --------------------------------------------------------------------------


def test_show_responses_shows_them_although_it_is_to_be_quiet(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ask("--quiet", "--show-responses")[0] == 0
    assert "I: Find Response: 1 (Pending)" in lines(capsys)


def test_hide_responses_shows_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("--hide-responses")[0] == 0
    assert lines(capsys) == []


def test_enable_correction_shows_no_padding(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("--enable-correction")[0] == 0
    assert any(line.startswith("I: (0010,0010) PN [Doe^J]  ") for line in lines(capsys))


def test_disable_correction_takes_it_back(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("--enable-correction", "--disable-correction")[0] == 0
    assert any(line.startswith("I: (0010,0010) PN [Doe^J ] ") for line in lines(capsys))


def test_extract_writes_dicom_files(folder: Path) -> None:
    from isocenter.cli.keys import load_query

    assert ask("--extract")[0] == 0
    names = sorted(path.name for path in (folder / "here").iterdir())
    assert names == ["rsp0001.dcm", "rsp0002.dcm"]
    assert load_query("rsp0002.dcm").text(0x00100010) == "Roe^R"


def test_extract_xml_writes_xml_files(folder: Path) -> None:
    assert ask("--extract-xml")[0] == 0
    names = sorted(path.name for path in (folder / "here").iterdir())
    assert names == ["rsp0001.xml", "rsp0002.xml"]
    assert ">Roe^R</element>" in (folder / "here" / "rsp0002.xml").read_text()


def test_extract_xml_single_writes_one_xml_file(folder: Path) -> None:
    assert ask("--extract-xml-single", "all.xml")[0] == 0
    assert [path.name for path in (folder / "here").iterdir()] == ["all.xml"]
    text = (folder / "here" / "all.xml").read_text()
    assert text.count("<data-set ") == 2
    assert text.endswith("</responses>\n")


def test_output_directory_is_where_files_go(folder: Path) -> None:
    (folder / "there").mkdir()
    assert ask("-X", "--output-directory", str(folder / "there"))[0] == 0
    assert sorted(path.name for path in (folder / "there").iterdir()) == [
        "rsp0001.dcm",
        "rsp0002.dcm",
    ]


def test_limit_output_writes_no_more(folder: Path) -> None:
    assert ask("-X", "--limit-output", "1")[0] == 0
    assert [path.name for path in (folder / "here").iterdir()] == ["rsp0001.dcm"]


def test_json_prints_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("--json")[0] == 0
    printed = capsys.readouterr()
    assert [json.loads(line) for line in printed.out.splitlines()] == [
        {
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": name}]},
            "00100020": {"vr": "LO", "Value": [number]},
        }
        for name, number in (("Doe^J", "1"), ("Roe^R", "2"))
    ]
    assert printed.err == ""


# --- isocenter ------------------------------------------------------------------------------


@pytest.mark.parametrize("option", GIVEN)
def test_the_peer_is_told_who_asks(option: str, folder: Path) -> None:
    words, expected = GIVEN[option]
    peer = Peer()
    words = [str(folder / "token") if word == "token" else word for word in words]
    assert peer.run(main, *words, HERE, *ASK) == 0
    assert peer.facts.user_item(0x58) == expected


def test_nothing_is_asked_where_a_demanded_answer_is_missing() -> None:
    peer = Peer()
    assert peer.run(main, "--user", "joe", "--pos-response", HERE, *ASK) == 2
    assert peer.facts.user_item(0x58) == identity(1, b"joe", asked=True)
    assert peer.received == []


def test_explain_says_what_a_status_means(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer(0xA900).run(main, "--explain", HERE, *ASK) == 69
    assert any(line.startswith("W: Explanation: ") for line in lines(capsys))

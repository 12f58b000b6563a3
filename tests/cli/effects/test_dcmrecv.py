"""dcmrecv: what the options that it does not share with storescp change.

tests/options.toml names these tests; each runs again without its option and has to fail then.
Options whose default they restore are given behind the alternative that they override. What both
tools have is in test_dcmrecv_shared.py.
"""

from __future__ import annotations

import re
import socket
import time
from typing import TYPE_CHECKING

import pytest

from isocenter.cli import dcmrecv
from isocenter.cli.dcmrecv import main
from isocenter.testing import ScriptedRequestor, ct_image, raw
from isocenter.testing.datasets import CT_IMAGE_STORAGE, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from isocenter.testing.raw import Context
from tests.cli.effects import receiving
from tests.cli.effects.receiving import serve, small_image, store
from tests.support import part10

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import RawConnection

pytestmark = pytest.mark.slow

VERIFICATION = "1.2.840.10008.1.1"
ECHO = [Context(1, VERIFICATION, (IMPLICIT_LITTLE,))]
CT = [Context(1, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE,))]
STORAGE = ("-xf", "storescp.cfg", "Default")
WAIT = 2.5
"""Seconds within which a timeout of one second has to be over."""
MISSING = ("-od", "missing", "11112")
NO_DIRECTORY = "F: cannot specify output directory: Directory does not exist"
SENT = "CT.2.25.1"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Receive into a folder of the test, with dcmrecv."""
    monkeypatch.setattr(receiving, "main", dcmrecv.main)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def echo(port: int) -> None:
    with ScriptedRequestor(port) as requestor:
        requestor.associate(ECHO)
        requestor.echo(1)
        requestor.release()


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def ended_within(connection: RawConnection, seconds: float) -> bool:
    """Tell whether the tool ends the association or the connection in that time."""
    try:
        connection.receive_until_closed(timeout=seconds)
    except TimeoutError:
        return False
    return True


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def stored(folder: Path, *options: str) -> list[str]:
    """Receive one image of the class CT and return what files there are."""
    statuses: list[int] = []
    code = serve(lambda p: statuses.extend(store(p, small_image())), *STORAGE, *options)
    assert (code, statuses) == (0, [0])
    return names(folder)


def rejected(port: int, contexts: list[Context], called: str = "ANY-SCP") -> tuple[int, ...]:
    """Return result, source and reason of a rejection, () where it is accepted."""
    with ScriptedRequestor(port) as requestor:
        requestor.send(raw.associate_rq(contexts, called=called))
        pdu = requestor.receive()
    return tuple(pdu.body[1:4]) if pdu.pdu_type == raw.ASSOCIATE_RJ else ()


# --- general --------------------------------------------------------------------------------


def test_help_is_shown_and_nothing_begun(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help", *MISSING], {}) == 0
    out, err = capsys.readouterr()
    assert "usage: dcmrecv" in out
    assert err == ""


def test_version_is_shown_and_nothing_begun(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version", *MISSING], {}) == 0
    out, err = capsys.readouterr()
    assert out.startswith("$isocenter: dcmrecv v")
    assert err == ""


def test_arguments_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--arguments", *MISSING], {}) == 45
    start = "I: calling 'dcmrecv' with 4 arguments: '--arguments' '--output-directory' 'missing' "
    assert any(line.startswith(start) for line in lines(capsys))


def test_quiet_leaves_warnings_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quiet", *MISSING], {}) == 45
    assert lines(capsys) == [NO_DIRECTORY]


def test_verbose_tells_the_steps(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(echo, "--verbose") == 0
    shown = lines(capsys)
    assert "I: Received C-ECHO Request (MsgID 1)" in shown
    assert not any(line.startswith("D: ") for line in shown)


def test_debug_shows_messages(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(echo, "--debug") == 0
    assert "D: Message Type                  : C-ECHO RQ" in lines(capsys)


def test_log_level_decides_what_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(echo, "--log-level", "info") == 0
    assert "I: Received C-ECHO Request (MsgID 1)" in lines(capsys)


def test_log_config_says_where_the_log_goes(folder: Path) -> None:
    (folder / "log.cfg").write_text(
        "log4cplus.rootLogger = FATAL, A\n"
        "log4cplus.appender.A = log4cplus::FileAppender\n"
        "log4cplus.appender.A.File = recv.log\n"
        "log4cplus.appender.A.layout = log4cplus::PatternLayout\n"
        "log4cplus.appender.A.layout.ConversionPattern = %c %p: %m%n\n"
    )
    assert main(["--log-config", "log.cfg", *MISSING], {}) == 45
    log = folder / "recv.log"
    assert log.exists()
    assert log.read_text() == f"dcmtk.apps.dcmrecv FATAL: {NO_DIRECTORY.removeprefix('F: ')}\n"


def test_verbose_pc_lists_the_contexts(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(echo, "-v", "--verbose-pc") == 0
    assert "I:     Abstract Syntax: =VerificationSOPClass" in lines(capsys)


# --- network --------------------------------------------------------------------------------


def test_config_file_says_what_is_accepted(folder: Path) -> None:
    answers: list[tuple[int, ...]] = []
    assert serve(lambda p: answers.append(rejected(p, CT)), "--config-file", *STORAGE[1:]) == 0
    assert answers == [()]


def test_nothing_but_echoes_is_accepted_without_a_profile(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answers: list[tuple[int, ...]] = []
    assert serve(lambda p: answers.extend([rejected(p, CT), rejected(p, ECHO)]), "-v") == 0
    assert answers == [(1, 1, 1), ()]
    shown = lines(capsys)
    assert "I: No Acceptable Presentation Contexts" in shown
    assert "I: Refusing Association (no acceptable presentation contexts)" in shown


def test_explain_says_why_nothing_was_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    answers: list[tuple[int, ...]] = []
    assert serve(lambda p: answers.append(rejected(p, CT)), "--explain") == 0
    assert answers == [(1, 1, 1)]
    text = "\n".join(lines(capsys))
    assert "W: Explanation: 1 of 1 presentation contexts were refused" in text
    assert "the built-in profile storescp.cfg Default takes storage" in text


def test_aetitle_rejects_who_calls_another(capsys: pytest.CaptureFixture[str]) -> None:
    answers: list[tuple[int, ...]] = []

    def call(port: int) -> None:
        answers.extend(rejected(port, ECHO, called) for called in ("OURS", "OTHER", "ours"))

    assert serve(call, "-v", "--aetitle", "OURS") == 0
    assert answers == [(), (1, 1, 7), (1, 1, 7)]
    shown = lines(capsys)
    assert shown.count("E: Called AE Title does not match configured AE Title: OURS") == 2
    assert shown.count("I: Refusing Association (called AE title not recognized)") == 2


def test_use_called_aetitle_takes_a_title_back() -> None:
    answers: list[tuple[int, ...]] = []
    options = ("--aetitle", "OURS", "--use-called-aetitle")
    assert serve(lambda p: answers.append(rejected(p, ECHO, "OTHER")), *options) == 0
    assert answers == [()]


def test_acse_timeout_ends_a_connection_without_a_request() -> None:
    def silent(port: int) -> None:
        with ScriptedRequestor(port) as requestor:
            assert ended_within(requestor, WAIT)

    assert serve(silent, "--acse-timeout", "1") == 0


def test_dimse_timeout_ends_an_object_that_stalls_and_an_idle_association(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = ct_image()
    command = raw.c_store_rq(1, image.sop_class_uid, image.sop_instance_uid)
    message = raw.message(1, command, image.data_set, maximum_length=4096)

    def stall(port: int) -> None:
        for sent in (message[: len(message) // 2], b""):
            with ScriptedRequestor(port) as requestor:
                requestor.associate(CT)
                requestor.send(sent)
                assert ended_within(requestor, WAIT)

    assert serve(stall, *STORAGE, "-v", "--dimse-timeout", "1") == 0
    assert names(folder) == []
    condition = "0006:0207 DIMSE No data available (timeout in non-blocking mode)"
    shown = lines(capsys)
    assert f"E: Unable to receive dataset on presentation context 1: {condition}" in shown
    assert f"I: DIMSE Error, detail (if available): {condition}" in shown


@pytest.mark.parametrize("level", ["-v", "-d"])
def test_disable_host_lookup_shows_addresses(
    level: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isocenter.net.resolver.system_name", lambda _: "ct1.example.org")
    assert serve(echo, level, "--disable-host-lookup") == 0
    assert "I: Association Received 127.0.0.1: SCRIPTED -> ANY-SCP" in lines(capsys)


# --- files ----------------------------------------------------------------------------------


def test_output_directory_is_where_files_go(folder: Path) -> None:
    (folder / "in").mkdir()
    assert stored(folder, "--output-directory", "in") == [f"in/{SENT}"]


def test_no_subdir_takes_subdirectories_back(folder: Path) -> None:
    assert stored(folder, "--series-date-subdir", "--no-subdir") == [SENT]


def test_series_date_subdir_sorts_by_date(folder: Path) -> None:
    today = time.strftime("%Y%m%d")
    assert stored(folder, "--series-date-subdir") in (
        [f"undef/{today}/{SENT}"],
        [f"undef/{time.strftime('%Y%m%d')}/{SENT}"],
    )


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        pytest.param(
            ("--unique-filenames", "--default-filenames"), r"CT\.2\.25\.1", id="--default-filenames"
        ),
        pytest.param(("--unique-filenames",), r"CT\.X\.[0-9.]+", id="--unique-filenames"),
        pytest.param(("--short-unique-names",), r"CT_[0-9a-f]{16}", id="--short-unique-names"),
        pytest.param(
            ("--system-time-names",), r"[0-9]{14}\.[0-9]{6}\.CT", id="--system-time-names"
        ),
        pytest.param(
            ("--filename-extension", ".d/c*m"), r"CT\.2\.25\.1\.d_c_m", id="--filename-extension"
        ),
    ],
)
def test_names_of_files(options: tuple[str, ...], pattern: str, folder: Path) -> None:
    (name,) = stored(folder, *options)
    assert re.fullmatch(pattern, name)


def _meta(folder: Path) -> tuple[set[int], bytes]:
    """Return the tags of File Meta and the data set of the one file there is."""
    file = part10.read(folder / SENT)
    return {element.tag for element in file.meta}, file.data_set


def test_normal_takes_bit_preserving_back(folder: Path) -> None:
    stored(folder, "--bit-preserving", "--normal")
    assert 0x00020016 not in _meta(folder)[0]


def test_bit_preserving_keeps_every_byte_and_the_calling_title(folder: Path) -> None:
    stored(folder, "--bit-preserving")
    tags, data_set = _meta(folder)
    assert 0x00020016 in tags
    assert data_set == small_image().data_set


def test_ignore_keeps_nothing(folder: Path) -> None:
    assert stored(folder, "--ignore") == []


@pytest.mark.parametrize(
    "options", [("--durable",), ("--on-duplicate", "reject"), ("--min-free", "1")], ids=" ".join
)
def test_ignore_is_refused_beside_what_is_about_keeping(
    options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--ignore", *options, *MISSING], {}) == 1
    assert f"error: {options[0]} not allowed with --ignore" in lines(capsys)


# --- exit codes -----------------------------------------------------------------------------


def test_a_port_that_is_taken_ends_it_with_64(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        assert main([*STORAGE, str(port)], {}) == 64
    reason = "TCP Initialization Error: Address already in use"
    assert lines(capsys) == [f"F: cannot start SCP and listen on port {port}: {reason}"]


def test_a_directory_that_cannot_be_written_to_ends_it_with_45(folder: Path) -> None:
    (folder / "file").touch()
    assert main([*STORAGE, "-od", "file", "11112"], {}) == 45


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("none.cfg", "X"), "unable to open configuration file: none.cfg"),
        (("storescp.cfg", "X"), "Invalid or non-existing SCP Association Profile"),
        (("storescp.cfg", ""), "Illegal parameter"),
        (("", "X"), "Invalid filename"),
    ],
)
def test_a_profile_that_cannot_be_used_ends_it_with_66(
    words: tuple[str, str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-xf", *words, *MISSING], {}) == 66
    assert lines(capsys)[-1] == f"F: cannot load association configuration: {text}"


def test_a_key_that_cannot_be_read_ends_it_with_71(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*STORAGE, "+tls", "no.key", "no.pem", "11112"], {}) == 71
    assert lines(capsys)[-1].startswith("F: 000b:")


def test_a_rule_file_that_cannot_be_read_ends_it_with_1() -> None:
    assert main([*STORAGE, "--access-list", "none", "11112"], {}) == 1


def test_the_port_belongs_to_root_below_1024(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main([*STORAGE, "104"], {}) == 64
    assert lines(capsys) == [
        "E: No privileges to open this network port (104)",
        "F: cannot start SCP and listen on port 104: Insufficient port privileges",
    ]

"""dcmqrscp: what the options change that it does not share with other receivers.

tests/options.toml names these tests; each runs again without its option and has to fail then.
Options whose default they restore are given behind the alternative that they override.
"""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isocenter import uids
from isocenter.cli import dcmqrscp
from isocenter.cli.dcmqrscp import main
from isocenter.errors import AssociationRejected
from isocenter.testing import ScriptedRequestor
from isocenter.testing.raw import Context
from tests.cli.effects import receiving
from tests.cli.effects.receiving import serve, small_image
from tests.support.nodes import CT, associated, fetch, find, move

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

CONFIG = """\
NetworkTCPPort = {port}
MaxPDUSize = 16384
MaxAssociations = 16
HostTable BEGIN
near = (TESTER, 127.0.0.1, {destination})
far = (FAR, 127.0.0.2, {destination})
HostTable END
VendorTable BEGIN
"Near" = near
"Far" = far
VendorTable END
AETable BEGIN
STORE area RW (200, 1024mb) ANY
READ area R (200, 1024mb) ANY
AETable END
"""
PROFILES = """\
[[TransferSyntaxes]]
[Plain]
TransferSyntax1 = LittleEndianExplicit
TransferSyntax2 = LittleEndianImplicit
[[PresentationContexts]]
[Images]
PresentationContext1 = MRImageStorage\\Plain
[[Profiles]]
[In]
PresentationContexts = Images
[Out]
PresentationContexts = Images
"""
MR = "1.2.840.10008.5.1.4.1.1.4"
STUDY = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": ""}
SHUTDOWN = "1.2.276.0.7230010.3.4.1915765545.18030.917282194.0"
MODELS = {
    "--no-patient-root": uids.PATIENT_ROOT_FIND,
    "--no-study-root": uids.STUDY_ROOT_FIND,
    "--no-patient-study": uids.PATIENT_STUDY_ONLY_FIND,
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a configuration file and an area; have dcmqrscp run where storescp would."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(receiving, "main", dcmqrscp.main)
    monkeypatch.setattr(receiving, "ALWAYS", ("-s", "--no-durable", "-dhl"))
    (tmp_path / "area").mkdir()
    configure(tmp_path)
    return tmp_path


def configure(folder: Path, text: str = CONFIG, *, destination: int = 1) -> None:
    """Write the configuration file."""
    (folder / "dcmqrscp.cfg").write_text(text.format(port=104, destination=destination))


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def asked(script: Callable[[int], object], *options: str) -> list[object]:
    """Have the node take one image and return what the script has of it."""
    answers: list[object] = []

    def both(port: int) -> None:
        send(port)
        answers.append(script(port))

    assert serve(both, *options) == 0
    return answers


def send(port: int, called: str = "STORE") -> list[int]:
    """Store one image and return the status."""
    image = small_image()
    with ScriptedRequestor(port) as requestor:
        contexts = [Context(1, image.sop_class_uid, (image.transfer_syntax,))]
        requestor.associate(contexts, called=called)
        status = requestor.store(1, image.sop_class_uid, image.sop_instance_uid, image.data_set)
        requestor.release()
    return [status]


def results(port: int, *classes: str, **how: object) -> list[str]:
    """Return which of some classes are accepted."""
    with associated(port, *classes, **how) as association:  # type: ignore[arg-type]
        accepted = {context.abstract_syntax for context in association.contexts.values()}
    return [uid for uid in classes if uid in accepted]


def is_rejected(port: int, uid: str) -> bool:
    """Tell whether an association for a class is rejected."""
    try:
        with associated(port, uid):
            return False
    except AssociationRejected:
        return True


# --- general --------------------------------------------------------------------------------


def test_help_is_shown_and_nothing_begun(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help", "-c", "none"], {}) == 0
    out, err = capsys.readouterr()
    assert "usage: dcmqrscp" in out
    assert err == ""


def test_version_is_shown_and_nothing_begun(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version", "-c", "none"], {}) == 0
    assert capsys.readouterr().out.startswith("$isocenter: dcmqrscp v")


def test_arguments_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--arguments", "-c", "none"], {}) == 10
    assert any(line.startswith("I: calling 'dcmqrscp' with") for line in lines(capsys))


def test_quiet_leaves_errors_out(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    configure(folder, "foo")
    assert main(["--quiet"], {}) == 10
    assert lines(capsys) == ["F: bad config file: dcmqrscp.cfg"]


def test_verbose_tells_the_steps(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(send_quietly, "--verbose") == 0
    assert "I: Association Received (127.0.0.1:SCRIPTED -> STORE)" in lines(capsys)


def test_very_verbose_tells_what_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    asked(lambda port: find(port, STUDY), "--very-verbose")
    told = lines(capsys)
    assert "I: Find SCP Request Identifiers:" in told
    assert "I: Parameters:" in told


def test_verbose_tells_no_identifiers(capsys: pytest.CaptureFixture[str]) -> None:
    asked(lambda port: find(port, {**STUDY, "PatientName": "SECRET"}), "--verbose")
    assert not any("SECRET" in line for line in lines(capsys))


def test_debug_shows_messages(capsys: pytest.CaptureFixture[str]) -> None:
    asked(lambda port: find(port, STUDY), "--debug")
    assert "D: Find SCP Request Identifiers:" in lines(capsys)


def test_log_level_decides_what_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(send_quietly, "--log-level", "info") == 0
    assert "I: Received Store SCP:" in lines(capsys)


def test_log_config_says_where_to_log(folder: Path) -> None:
    (folder / "log.cfg").write_text(
        "log4cplus.rootLogger = INFO, file\n"
        "log4cplus.appender.file = log4cplus::FileAppender\n"
        "log4cplus.appender.file.File = out.log\n"
        "log4cplus.appender.file.layout = log4cplus::PatternLayout\n"
        "log4cplus.appender.file.layout.ConversionPattern = %m%n\n"
    )
    assert serve(send_quietly, "--log-config", "log.cfg") == 0
    assert (folder / "out.log").exists()
    assert "Received Store SCP:" in (folder / "out.log").read_text()


def test_config_is_the_file_that_is_read(folder: Path) -> None:
    other = CONFIG.replace("STORE area", "OTHER area")
    (folder / "other.cfg").write_text(other.format(port=104, destination=1))
    statuses: list[int] = []
    assert serve(lambda p: statuses.extend(send(p, "OTHER")), "--config", "other.cfg") == 0
    assert statuses == [0]


def send_quietly(port: int) -> None:
    assert send(port) == [0]


# --- database -------------------------------------------------------------------------------


def test_require_find_rejects_retrieves_without_find() -> None:
    def script(port: int) -> object:
        lonely = results(port, uids.STUDY_ROOT_MOVE, uids.STUDY_ROOT_GET)
        return lonely, results(port, uids.STUDY_ROOT_FIND, uids.STUDY_ROOT_MOVE)

    assert asked(script, "--require-find") == [([], [uids.STUDY_ROOT_FIND, uids.STUDY_ROOT_MOVE])]


def test_no_parallel_store_lets_one_store_at_a_time() -> None:
    def script(port: int) -> object:
        with associated(port, CT):
            return results(port, CT, uids.VERIFICATION)

    assert asked(script, "--no-parallel-store") == [[uids.VERIFICATION]]


def test_disable_get_serves_no_get() -> None:
    both = (uids.STUDY_ROOT_FIND, uids.STUDY_ROOT_GET)
    assert asked(lambda port: results(port, *both), "--disable-get") == [[uids.STUDY_ROOT_FIND]]


def test_allow_shutdown_ends_the_server(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()
    answers: list[bool] = []

    def script(port: int) -> None:
        answers.append(is_rejected(port, SHUTDOWN))
        if answers == [True]:
            assert ended.wait(20)  # by nobody but the server itself

    def until_it_ends(argv: Sequence[str], env: Mapping[str, str]) -> int:
        code = main(argv, env)
        ended.set()
        return code

    monkeypatch.setattr(receiving, "main", until_it_ends)
    assert serve(script, "--allow-shutdown", "-v") == 0
    assert answers == [True]
    told = [line for line in lines(capsys) if "Shutting down server" in line]
    assert told == ['I: Shutting down server ... (negotiated private "shut down" SOP class)']


@pytest.mark.parametrize(
    ("options", "status"),
    [(("--check-find",), 0xA900), (("--check-find", "--no-check-find"), 0)],
    ids=["--check-find", "--no-check-find"],
)
def test_check_find_refuses_keys_of_another_level(options: tuple[str, ...], status: int) -> None:
    keys = {**STUDY, "Modality": ""}

    def script(port: int) -> object:
        return find(port, keys).status

    assert asked(script, *options) == [status]


@pytest.mark.parametrize(
    ("options", "status"),
    [(("--check-move",), 0xA900), (("--check-move", "--no-check-move"), 0)],
    ids=["--check-move", "--no-check-move"],
)
def test_check_move_refuses_keys_that_are_not_unique(options: tuple[str, ...], status: int) -> None:
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.3", "PatientName": "X"}
    assert asked(lambda port: fetch(port, keys).status, *options) == [status]


@pytest.mark.parametrize(
    ("options", "calling", "destination", "allowed"),
    [
        (("--move-aetitle",), "TESTER", "FAR", False),
        (("--move-aetitle", "--move-unrestricted"), "TESTER", "FAR", True),
        (("--move-host",), "TESTER", "FAR", False),
        (("--move-vendor",), "TESTER", "FAR", False),
    ],
    ids=["--move-aetitle", "--move-unrestricted", "--move-host", "--move-vendor"],
)
def test_destinations_are_restricted(
    options: tuple[str, ...],
    calling: str,
    destination: str,
    allowed: bool,
) -> None:
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.3"}

    def script(port: int) -> object:
        return move(port, destination, keys, calling=calling).status

    assert asked(script, *options) == [0 if allowed else 0xA801]


@pytest.mark.parametrize("option", MODELS, ids=str)
def test_models_are_left_out(option: str) -> None:
    every = tuple(MODELS.values())
    assert asked(lambda port: results(port, *every), option) == [
        [uid for uid in every if uid != MODELS[option]]
    ]


# --- processes ------------------------------------------------------------------------------


def children() -> int:
    """Return how many processes this one has started and not ended."""
    return sum(len(path.read_text().split()) for path in Path("/proc/self/task").glob("*/children"))


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="no /proc")
class TestProcesses:
    def test_single_process_is_one_process(self) -> None:
        before = children()
        assert asked(lambda _: children() - before, "--fork", "--single-process") == [0]

    def test_fork_gives_each_association_a_child(self) -> None:
        before = children()

        def script(port: int) -> int:
            with associated(port, uids.VERIFICATION), associated(port, uids.VERIFICATION):
                return children() - before

        # The one that writes the index, and one for each association.
        assert asked(script, "--fork")[0] in {3, 4}  # the sender's may be about to end

    def test_workers_serve_side_by_side(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(receiving, "ALWAYS", ("--no-durable", "-dhl"))
        before = children()
        assert asked(lambda _: children() - before, "--workers", "6") == [7]


def test_max_per_peer_refuses_more_of_one_address() -> None:
    answers: list[bool] = []

    def script(port: int) -> None:
        with associated(port, uids.VERIFICATION):
            answers.append(is_rejected(port, uids.VERIFICATION))

    assert serve(script, "--max-per-peer", "1") == 0
    assert answers == [True]


def test_assoc_config_file_says_what_is_accepted(folder: Path) -> None:
    (folder / "profiles.cfg").write_text(PROFILES)
    options = ("--assoc-config-file", "profiles.cfg", "In", "Out")
    accepted: list[list[str]] = []

    def script(port: int) -> None:
        accepted.append(results(port, CT, MR, uids.STUDY_ROOT_FIND))

    assert serve(script, *options) == 0
    assert accepted == [[MR, uids.STUDY_ROOT_FIND]]


def test_explain_says_who_called(capsys: pytest.CaptureFixture[str]) -> None:
    def script(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), 10) as web:
            web.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            web.settimeout(10)
            while web.recv(4096):
                pass

    assert serve(script, "--explain") == 0
    assert any("HTTP" in line for line in lines(capsys))

"""Commands get what they are promised, and no command stops or outgrows the server."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.errors import ConfigurationError
from isocenter.storage import hooks
from isocenter.storage.hooks import HookCommand, HookFacts, HookRunner
from isocenter.storage.naming import SAFE_CHARACTERS
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FACTS = HookFacts("CALLING", "CALLED", "host.example", "/out/P_1.2", "CT.1.2.3")
NO_FACTS = HookFacts("", "", "")


def shell(text: str, *, end_of_study: bool = False) -> HookCommand:
    return HookCommand(text, option="--exec-on-reception", end_of_study=end_of_study)


def vector(text: str) -> HookCommand:
    return HookCommand(text, option="--exec-on-reception", argument_vector=True)


def expanded(command: HookCommand, facts: HookFacts = FACTS) -> str:
    sh, flag, text = command.expand(facts).arguments
    assert (sh, flag) == ("/bin/sh", "-c")
    return text


@pytest.fixture
def runner() -> Iterator[HookRunner]:
    with HookRunner() as made:
        yield made


def until(path: Path, text: str = "") -> None:
    """Wait until a command wrote a file that ends with a text."""
    wait_until(
        lambda: path.exists() and path.read_text().endswith(text), timeout=20, what=str(path)
    )


def idle(runner: HookRunner) -> None:
    wait_until(lambda: not runner._running, timeout=20, what="commands to end")


def let_go(fifo: Path, runner: HookRunner) -> None:
    """End the commands that read from a FIFO."""

    def ended() -> bool:
        with suppress(OSError):  # nobody reads at this moment
            os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        return not runner._running

    wait_until(ended, timeout=20, what="commands to end")


# --- what is put in ---------------------------------------------------------------------------


def test_titles_and_host_come_in_quotes_and_names_without() -> None:
    assert expanded(shell("x #p/#f #a #c #r")) == (
        'x /out/P_1.2/CT.1.2.3 "CALLING" "CALLED" "host.example"'
    )


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("", ""),
        ("#", "#"),
        ("# #x ##", "# #x ##"),
        ("##f", "#CT.1.2.3"),
        ("#f#f", "CT.1.2.3CT.1.2.3"),
        ("#F", "#F"),
        ("$#", "$#"),
        ("pre#fpost", "preCT.1.2.3post"),
    ],
)
def test_nothing_else_is_replaced(text: str, result: str) -> None:
    assert expanded(shell(text)) == result


def test_file_name_means_nothing_at_the_end_of_a_study() -> None:
    command = shell("#p #f #a", end_of_study=True)
    assert expanded(command) == '/out/P_1.2 #f "CALLING"'
    assert not command.uses("#f")


def test_names_stay_unreplaced_where_nothing_is_kept() -> None:
    assert expanded(shell("#p/#f #a"), FACTS._replace(directory=None, file_name=None)) == (
        '#p/#f "CALLING"'
    )


def test_what_was_put_in_is_not_looked_at_again() -> None:
    facts = FACTS._replace(directory="#f", calling_ae_title="#c")
    command = vector("x #p #a")
    assert command.expand(facts).arguments == ("x", "#f", "#c")


@pytest.mark.parametrize(
    ("field", "placeholder", "words"),
    [
        ("calling_ae_title", "#a", "calling aetitle"),
        ("called_ae_title", "#c", "called aetitle"),
        ("peer_host", "#r", "calling presentation address"),
    ],
)
def test_values_are_cut_to_the_safe_set_and_it_is_said(
    field: str, placeholder: str, words: str
) -> None:
    facts = FACTS._replace(**{field: 'A";$(x)`\n#f\\'})
    command = shell(f"x {placeholder}")
    assert expanded(command, facts) == 'x "A____x____f_"'
    (warning,) = command.expand(facts).warnings
    assert warning == (
        f'Sanitized unusual characters in {words}, converted from "A";$(x)`\\x0a#f\\" '
        'to "A____x____f_".'
    )


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_no_value_leaves_its_quotes(calling: str, name: str, host: str) -> None:
    facts = HookFacts(calling, name, host, f"/out/{name}", name)
    text = expanded(shell("x #a #c #r -- #p #f"), facts)
    assert not text.strip(SAFE_CHARACTERS + '/"')
    assert shlex.split(text)[1:4] == [
        "".join(c if c in SAFE_CHARACTERS else "_" for c in value)
        for value in (calling, name, host)
    ]


def test_argument_vector_takes_values_as_they_are() -> None:
    facts = HookFacts('A "$(x)', "B;C", "h\0st", "/o ut", "CT '1")
    command = vector("run 'a b' --file=#p/#f #a #c #r '' ##")
    assert command.expand(facts) == (
        ("run", "a b", "--file=/o ut/CT '1", 'A "$(x)', "B;C", "h_st", "", "##"),
        (),
    )


@pytest.mark.parametrize("text", ["", "  ", "run 'x", "''", "#p/run x", "#a"])
def test_argument_vector_without_a_fixed_program_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--exec-on-reception"):
        vector(text)


@pytest.mark.parametrize("bad", "'\";$`&|*?~#()\n\\é")
def test_output_directory_outside_the_safe_set_is_refused(bad: str) -> None:
    directory = f"/data/o{bad}ut"
    with pytest.raises(ConfigurationError) as caught:
        shell("x #p").check_names(directory=directory)
    assert f"output directory {directory!r} holds the character {bad!r}" in str(caught.value)
    shell("x #f").check_names(directory=directory)
    vector("x #p").check_names(directory=directory)


def test_prefix_and_extension_outside_the_safe_set_are_refused() -> None:
    shell("x #p #f").check_names(directory="/d-a_t/a.b: @1", prefix="P", extension=".dcm")
    with pytest.raises(ConfigurationError, match="prefix"):
        shell("x #p").check_names(directory=".", prefix="a;b")
    with pytest.raises(ConfigurationError, match="extension"):
        shell("x #f").check_names(directory=".", extension=".$x")
    shell("x #a").check_names(directory=".", prefix="a;b", extension=".$x")


# --- running ----------------------------------------------------------------------------------


def test_command_runs_in_a_shell_with_its_facts(runner: HookRunner, tmp_path: Path) -> None:
    facts = FACTS._replace(directory=str(tmp_path), file_name="CT.1")
    runner.run(shell("(printf '%s|' #p #f #a #c #r; echo end) > #p/#f"), facts)
    until(tmp_path / "CT.1", "end\n")
    assert (tmp_path / "CT.1").read_text() == (f"{tmp_path}|CT.1|CALLING|CALLED|host.example|end\n")


def test_hostile_values_run_nothing(runner: HookRunner, tmp_path: Path) -> None:
    evil = f'";touch {tmp_path}/evil;$(touch {tmp_path}/evil)`touch {tmp_path}/evil`\n'
    facts = HookFacts(evil, evil, evil, str(tmp_path), evil)
    runner.run(shell("echo #a #c #r #f #f; echo done > #p/done"), facts)
    until(tmp_path / "done", "done\n")
    idle(runner)
    assert os.listdir(tmp_path) == ["done"]


def test_argument_vector_runs_without_a_shell(runner: HookRunner, tmp_path: Path) -> None:
    facts = FACTS._replace(directory=str(tmp_path), calling_ae_title="$(x) *;")
    program = f"{sys.executable} -c 'import sys; open(sys.argv[1], \"w\").write(sys.argv[2])'"
    runner.run(vector(f"{program} #p/out #a"), facts)
    until(tmp_path / "out", "$(x) *;")


def test_command_gets_the_null_device_and_no_other_descriptor(
    runner: HookRunner, tmp_path: Path
) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(reading, True)
    os.set_inheritable(writing, True)
    out = tmp_path / "out"
    try:
        runner.run(
            shell(f"readlink /proc/$$/fd/0 > {out}; ls /proc/$$/fd >> {out}; echo end >> {out}"),
            NO_FACTS,
        )
        until(out, "end\n")
    finally:
        os.close(reading)
        os.close(writing)
    null, *descriptors, _ = out.read_text().split()
    assert null == os.devnull
    assert {int(number) for number in descriptors} <= {0, 1, 2, 10}  # 10: dash keeps a copy


def test_server_does_not_wait_for_a_command(runner: HookRunner, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    runner.run(shell(f"cat {fifo} > {tmp_path}/out"), NO_FACTS)
    runner.run(shell(f"echo other > {tmp_path}/other"), NO_FACTS)
    until(tmp_path / "other", "other\n")
    assert runner._running >= 1
    fifo.write_text("go\n")
    until(tmp_path / "out", "go\n")
    idle(runner)


def test_failing_command_is_told_and_ignored(
    runner: HookRunner, caplog: pytest.LogCaptureFixture
) -> None:
    runner.run(shell("exit 3"), FACTS)
    runner.run(shell("kill -9 $$"), FACTS)
    runner.run(shell("true"), FACTS)
    idle(runner)
    assert sorted(caplog.messages) == [
        "command of --exec-on-reception ended with exit status 3",
        "command of --exec-on-reception was ended by signal 9",
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_sanitised_value_is_logged(runner: HookRunner, caplog: pytest.LogCaptureFixture) -> None:
    runner.run(shell("true"), FACTS._replace(peer_host="a;b"))
    idle(runner)
    (message,) = caplog.messages
    assert message == (
        "Sanitized unusual characters in calling presentation address, "
        'converted from "a;b" to "a_b".'
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("/nothing/there #a", "cannot execute '/nothing/there': No such file or directory"),
        ("/etc/passwd", "cannot execute '/etc/passwd': Permission denied"),
    ],
)
def test_program_that_does_not_start_is_an_error_in_the_log(
    runner: HookRunner, caplog: pytest.LogCaptureFixture, text: str, message: str
) -> None:
    runner.run(vector(text), FACTS)
    idle(runner)
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.ERROR, message)
    ]


def test_value_that_no_argument_can_hold_is_an_error_in_the_log(
    runner: HookRunner, caplog: pytest.LogCaptureFixture
) -> None:
    runner.run(vector("true #a"), FACTS._replace(calling_ae_title="\ud800"))
    idle(runner)
    assert caplog.messages[0].startswith("cannot execute 'true': ")


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (FileNotFoundError(2, "No such file or directory"), "cannot execute /bin/sh: No such"),
        (BlockingIOError(11, "Try again"), "cannot execute command 'x #a' (Try again)"),
    ],
)
def test_shell_that_does_not_start_is_told_in_the_words_of_dcmtk(
    runner: HookRunner,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    problem: OSError,
    message: str,
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise problem

    monkeypatch.setattr(subprocess, "Popen", fail)
    runner.run(shell("x #a"), FACTS)
    idle(runner)
    assert caplog.messages[0].startswith(message)


def test_commands_beyond_the_limit_wait_for_their_turn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="isocenter")
    out = tmp_path / "out"
    out.touch()
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with HookRunner(maximum_running=1) as runner:
        runner.run(shell(f"cat {fifo} >> {out}"), NO_FACTS)
        for number in range(3):
            runner.run(shell(f"echo {number} >> {out}"), NO_FACTS)
        assert (runner._running, len(runner._waiting)) == (1, 3)
        assert out.read_text() == ""
        fifo.write_text("first\n")
        until(out, "2\n")
        idle(runner)
    assert out.read_text() == "first\n0\n1\n2\n"
    assert caplog.messages == ["1 commands are running, further ones wait"]


def test_commands_that_hang_pile_up_to_a_limit_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    runner = HookRunner(maximum_running=2, maximum_waiting=3)
    before = threading.active_count()
    for _ in range(10):
        runner.run(shell(f"cat {fifo} > /dev/null"), NO_FACTS)
    assert threading.active_count() <= before + 2
    assert (runner._running, len(runner._waiting), runner._dropped) == (2, 3, 5)
    assert caplog.messages == [
        "commands of --exec-on-reception are not run: 2 are running and 3 wait already"
    ]
    runner.close(grace=0)
    assert caplog.messages[1:] == [
        "commands that were not run: 5",
        "commands not run at the end: 3",
    ]
    let_go(fifo, runner)


def test_commands_that_were_dropped_are_counted_when_there_is_room_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with HookRunner(maximum_running=1, maximum_waiting=1) as runner:
        runner.run(shell(f"cat {fifo} > /dev/null"), NO_FACTS)
        for _ in range(4):
            runner.run(shell("true"), NO_FACTS)
        let_go(fifo, runner)
    assert caplog.messages[-1] == "commands that were not run: 3"


def test_command_that_floods_stops_only_itself(tmp_path: Path) -> None:
    # A server whose standard output is a pipe that nobody reads.
    script = (
        "import sys; from isocenter.storage.hooks import *\n"
        "r = HookRunner()\n"
        "f = HookFacts('', '', '')\n"
        "r.run(HookCommand('yes', option='-xcr'), f)\n"
        f"r.run(HookCommand('echo x > {tmp_path}/other', option='-xcr'), f)\n"
        "r.close(5)\n"
        "print('alive', file=sys.stderr)\n"
    )
    reading, writing = os.pipe()
    try:
        with open(tmp_path / "error", "wb") as error:
            subprocess.run(
                [sys.executable, "-c", script],
                stdout=writing,
                stderr=error,
                timeout=30,
                check=True,
            )
        assert (tmp_path / "error").read_text() == "alive\n"
        until(tmp_path / "other", "x\n")
    finally:
        os.close(writing)
        os.close(reading)  # ends the flood: nobody can read it any more


def test_ended_commands_are_collected(runner: HookRunner) -> None:
    made: list[int] = []
    real = subprocess.Popen

    class Watched(real):  # type: ignore[misc,valid-type] # a class at run time
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)
            made.append(self.pid)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", Watched)
        for _ in range(20):
            runner.run(shell("true"), NO_FACTS)
        idle(runner)
    assert len(made) == 20
    for pid in made:
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def test_no_thread_stays_when_nothing_runs(runner: HookRunner) -> None:
    for _ in range(5):
        runner.run(shell("true"), NO_FACTS)
    idle(runner)
    wait_until(
        lambda: not [thread for thread in threading.enumerate() if thread.name == "hook"],
        timeout=20,
        what="threads to end",
    )


def test_synchronous_command_is_waited_for(tmp_path: Path) -> None:
    with HookRunner(wait=True) as runner:
        runner.run(shell(f"echo x > {tmp_path}/a; sleep 0.05; echo y >> {tmp_path}/a"), NO_FACTS)
        assert (tmp_path / "a").read_text() == "x\ny\n"
        runner.run(vector("/nothing/there"), NO_FACTS)


def test_who_waits_for_a_hanging_command_goes_on_at_the_end(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    runner = HookRunner(wait=True, maximum_running=1)
    threads = [
        threading.Thread(target=runner.run, args=(shell(f"cat {fifo} > /dev/null"), NO_FACTS))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: runner._running == 2, timeout=20, what="both commands")
    runner.close()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    let_go(fifo, runner)


def test_command_taken_just_before_the_end_still_runs(tmp_path: Path) -> None:
    script = (
        "from isocenter.storage.hooks import *\n"
        "r = HookRunner(maximum_running=1)\n"
        "for n in range(4):\n"
        f"    c = HookCommand(f'echo {{n}} >> {tmp_path}/out', option='-xcr')\n"
        "    r.run(c, HookFacts('', '', ''))\n"
        "r.close(10)\n"
    )
    subprocess.run([sys.executable, "-c", script], timeout=30, check=True)
    until(tmp_path / "out", "3\n")
    assert (tmp_path / "out").read_text() == "0\n1\n2\n3\n"


def test_nothing_runs_after_closing(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    runner = HookRunner()
    runner.close()
    runner.close()
    runner.run(shell(f"touch {tmp_path}/x"), NO_FACTS)
    assert caplog.messages == ["command of --exec-on-reception not run: the server stops"]
    assert not os.listdir(tmp_path)


def test_forked_process_begins_with_nothing_running(tmp_path: Path) -> None:
    script = (
        "import os, time; from isocenter.storage.hooks import *\n"
        "r = HookRunner(maximum_running=1)\n"
        "f = HookFacts('', '', '')\n"
        # The lock is held by nobody who exists in the child.
        "r._changed.acquire(); r._running = 1\n"
        "pid = os.fork()\n"
        "if not pid:\n"
        f"    r.run(HookCommand('echo x > {tmp_path}/out', option='-xcr'), f)\n"
        "    r.close(10)\n"
        "    os._exit(0)\n"
        "assert os.waitpid(pid, 0)[1] == 0\n"
    )
    subprocess.run([sys.executable, "-c", script], timeout=30, check=True)
    until(tmp_path / "out", "x\n")


def test_no_thread_to_be_had_is_an_error_in_the_log(
    runner: HookRunner, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    runner.run(shell("true"), NO_FACTS)
    assert caplog.messages == [
        "cannot execute the command of --exec-on-reception: can't start new thread"
    ]
    assert (runner._running, runner._unstarted) == (0, 0)


def test_signals_reach_a_command_as_usual(runner: HookRunner, tmp_path: Path) -> None:
    # Python ignores SIGPIPE; a command that inherited that would not end with its reader.
    runner.run(shell(f"yes | head -n 1 > {tmp_path}/out; echo end >> {tmp_path}/out"), NO_FACTS)
    until(tmp_path / "out", "end\n")
    ignored = (
        f"grep SigIgn /proc/self/status | cut -f 2 > {tmp_path}/mask; echo end >> {tmp_path}/mask"
    )
    runner.run(shell(ignored), NO_FACTS)
    until(tmp_path / "mask", "end\n")
    mask = int((tmp_path / "mask").read_text().split()[0], 16)
    assert not mask & (1 << (signal.SIGPIPE - 1))


@pytest.mark.parametrize(("running", "waiting"), [(0, 1), (1, -1)])
def test_runner_without_a_place_is_refused(running: int, waiting: int) -> None:
    with pytest.raises(ValueError, match="place"):
        HookRunner(maximum_running=running, maximum_waiting=waiting)


def test_limits_are_the_documented_ones() -> None:
    runner = HookRunner()
    assert (runner._maximum_running, runner._maximum_waiting) == (
        hooks.MAXIMUM_RUNNING,
        hooks.MAXIMUM_WAITING,
    )


def test_importing_hooks_does_not_load_subprocess() -> None:
    code = "import sys, isocenter.storage.hooks; print('subprocess' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        check=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout == b"False\n"


def test_nobody_waits_longer_than_the_grace_once_the_server_hurries(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    end = tmp_path / "end"
    runner = HookRunner(wait=True)
    command = shell(f"while [ ! -e {end} ]; do sleep 0.01; done")
    waiting = threading.Thread(target=runner.run, args=(command, FACTS))
    waiting.start()
    runner.hurry(0.05)
    waiting.join(10)
    assert not waiting.is_alive()
    assert "--exec-on-reception is not waited for any longer" in caplog.text
    runner.run(command, FACTS)  # returns at once, and the command runs all the same
    end.touch()
    runner.close()
    wait_until(
        lambda: not [thread for thread in threading.enumerate() if thread.name == "hook"],
        timeout=20,
        what="the commands to end",
    )


def test_threads_of_a_forked_child_begin_together(tmp_path: Path) -> None:
    runner = HookRunner(maximum_running=2)
    runner._process = -1  # as in a child that has not run a command yet
    barrier = threading.Barrier(8)

    def run(number: int) -> None:
        barrier.wait()
        runner.run(shell(f"touch {tmp_path}/{number}"), FACTS)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: len(os.listdir(tmp_path)) == 8, timeout=20, what="eight commands")
    wait_until(lambda: not runner._running, timeout=20, what="their ends")
    assert runner._unstarted == 0
    runner.close()


def test_runner_told_to_hurry_before_its_first_command_in_a_child_hurries() -> None:
    runner = HookRunner(wait=True)
    runner._process = -1  # as in a child that has not run a command yet
    runner.hurry(0.0)
    wait_until(lambda: runner._hurried, timeout=20, what="the end of the grace")
    runner.close()

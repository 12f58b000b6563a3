"""Commands that run when an object was received or a study ended.

Owns what a command becomes with its placeholders, and the processes. Must not know when a
command is due, nor log what is in a data set.

A shell command is text that a shell parses, so what a peer sent is cut to
`naming.SAFE_CHARACTERS` before it is put in: nothing of it can end a word but a blank, which
DCMTK keeps. Who writes ``"#p/#f"`` in quotes is safe from that too. An argument vector is parsed
before anything is put in; what a peer sent stays inside its argument, as it is.

Commands are not waited for unless asked for. As many as `MAXIMUM_RUNNING` run at a time, each
with a thread that collects it; as many as `MAXIMUM_WAITING` wait for their turn; what comes
beyond is not run, and the log says so. A command reads from the null device and writes where
the server writes; it gets no other descriptor of the server. What it does with its output
stops nobody but itself.

DCMTK's options -xcr, -xcs and -xs.
"""

from __future__ import annotations

import os
import threading
from collections import deque

from isocenter.errors import ConfigurationError
from isocenter.logs import ERROR, get_logger
from isocenter.record import NamedTuple
from isocenter.storage.naming import SAFE_CHARACTERS, sanitise_value

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import Popen
    from typing import Self

__all__ = [
    "MAXIMUM_RUNNING",
    "MAXIMUM_WAITING",
    "ExpandedCommand",
    "HookCommand",
    "HookFacts",
    "HookRunner",
]

_LOGGER = get_logger(__name__)

MAXIMUM_RUNNING = 32
"""Commands that run at a time, inclusive; a command that hangs takes one place for good."""

MAXIMUM_WAITING = 10_000
"""Commands that wait for one that runs to end, inclusive; some 10 MB where all places are taken
for good."""

_PATH = "#p"
_FILE = "#f"
_CALLING = "#a"
_CALLED = "#c"
_HOST = "#r"

# What the warning about a value that was cut calls it; DCMTK's words.
_WORDS = {
    _CALLING: "calling aetitle",
    _CALLED: "called aetitle",
    _HOST: "calling presentation address",
}


class HookFacts(NamedTuple):
    """What a command may be told.

    Fields:
        calling_ae_title, called_ae_title: of the association, without padding.
        peer_host: name or address of the requestor.
        directory: of the object or study, None where nothing is kept (--ignore).
        file_name: of the object, without its path; None where there is none.
    """

    calling_ae_title: str
    called_ae_title: str
    peer_host: str
    directory: str | None = None
    file_name: str | None = None


class ExpandedCommand(NamedTuple):
    """A command ready to run: its `arguments`, and `warnings` for the log in DCMTK's words."""

    arguments: tuple[str, ...]
    warnings: tuple[str, ...]


class HookCommand:
    """A command with placeholders.

    Args:
        text: as the operator typed it.
        option: its name on the command line, for messages.
        argument_vector: the text is cut into arguments here and now, as a shell would, and no
            shell runs; False gives it to ``/bin/sh -c``.
        end_of_study: the command is told of a study, so ``#f`` means nothing.

    Placeholders: ``#p`` directory, ``#f`` file name, ``#a`` calling and ``#c`` called AE title,
    ``#r`` the requestor's host. For a shell the last three come in double quotes. Nothing else
    is replaced, and what was put in is not looked at again.

    Raises:
        ConfigurationError: an argument vector is empty, has quotes that do not end, or a
            placeholder in its program.
    """

    __slots__ = ("_pieces", "argument_vector", "option", "text")

    def __init__(
        self, text: str, *, option: str, argument_vector: bool = False, end_of_study: bool = False
    ) -> None:
        """Take the text apart."""
        self.text = text
        """As given."""
        self.option = option
        """As given."""
        self.argument_vector = argument_vector
        """As given."""
        known = {_PATH, _CALLING, _CALLED, _HOST} | (set() if end_of_study else {_FILE})
        arguments = self._split() if argument_vector else [text]
        # Of each argument: text, placeholder, text, placeholder and so on.
        self._pieces = [_pieces(argument, known) for argument in arguments]
        if argument_vector and len(self._pieces[0]) > 1:
            raise ConfigurationError(
                f"{option}: the program of an argument vector cannot hold a placeholder: "
                f"{arguments[0]}"
            )

    def _split(self) -> list[str]:
        import shlex

        try:
            arguments = shlex.split(self.text)
        except ValueError as error:
            raise ConfigurationError(f"{self.option}: {error}: {self.text}") from error
        if not arguments or not arguments[0]:
            raise ConfigurationError(f"{self.option}: there is no program to run")
        return arguments

    def uses(self, placeholder: str) -> bool:
        """Tell whether a placeholder, for instance ``#p``, is replaced in the command."""
        return any(placeholder in pieces[1::2] for pieces in self._pieces)

    def check_names(self, *, directory: str, prefix: str = "", extension: str = "") -> None:
        """Refuse names of the operator that a shell could take for something else.

        Args:
            directory: the output directory.
            prefix: of the folders of studies.
            extension: of file names.

        Raises:
            ConfigurationError: a name that a placeholder brings in holds a character outside
                `naming.SAFE_CHARACTERS` (and ``/``, in the directory).
        """
        if self.argument_vector:
            return
        for placeholder, what, name in (
            (_PATH, "output directory", directory.replace("/", "")),
            (_PATH, "prefix", prefix),
            (_FILE, "file name extension", extension),
        ):
            bad = name.strip(SAFE_CHARACTERS)
            if bad and self.uses(placeholder):
                shown = directory if what == "output directory" else name
                raise ConfigurationError(
                    f"{what} {shown!r} holds the character {bad[0]!r}, which {placeholder} would "
                    f"bring into the command of {self.option}; use another one or --exec-argv"
                )

    def expand(self, facts: HookFacts) -> ExpandedCommand:
        """Return the command with the placeholders replaced."""
        warnings: list[str] = []
        arguments = []
        values = self._values(facts, warnings)
        for pieces in self._pieces:
            text = pieces[:]
            text[1::2] = [values.get(placeholder, placeholder) for placeholder in pieces[1::2]]
            arguments.append("".join(text))
        if not self.argument_vector:
            arguments = ["/bin/sh", "-c", *arguments]
        return ExpandedCommand(tuple(arguments), tuple(warnings))

    def _values(self, facts: HookFacts, warnings: list[str]) -> dict[str, str]:
        calling, called, host, directory, file_name = facts
        titles = {_CALLING: calling, _CALLED: called, _HOST: host}
        paths = {_PATH: directory, _FILE: file_name}
        kept = {key: value for key, value in paths.items() if value is not None}
        if self.argument_vector:
            # An argument ends at a NUL, so none can hold one.
            return {key: value.replace("\0", "_") for key, value in (titles | kept).items()}
        # Names were sanitised when they were made; this is what makes it certain.
        values = {
            key: "/".join(map(sanitise_value, value.split("/"))) for key, value in kept.items()
        }
        for key, value in titles.items():
            clean = sanitise_value(value)
            values[key] = f'"{clean}"'
            # DCMTK looks at all three, whether the command uses them or not.
            if clean != value:
                warnings.append(
                    f"Sanitized unusual characters in {_WORDS[key]}, "
                    f'converted from "{_printable(value)}" to "{clean}".'
                )
        return values


def _pieces(text: str, known: set[str]) -> list[str]:
    """Return text and placeholders in turn, beginning and ending with text."""
    pieces = [""]
    while (place := text.find("#")) >= 0:
        found = text[place : place + 2]
        if found in known:
            pieces[-1] += text[:place]
            pieces += [found, ""]
            text = text[place + 2 :]
        else:
            pieces[-1] += text[: place + 1]
            text = text[place + 1 :]
    pieces[-1] += text
    return pieces


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text[:256])


class _Job:
    """A command on its way."""

    __slots__ = ("command", "done", "facts")

    def __init__(self, command: HookCommand, facts: HookFacts) -> None:
        """Keep the arguments."""
        self.command = command
        self.facts = facts
        self.done = threading.Event()


class HookRunner:
    """Runs commands, by default without waiting for them.

    Args:
        wait: `run` returns when the command has ended, however long that takes, or after
            `hurry` or `close`. Then every caller runs its own, without a limit.
        maximum_running: commands that run at a time, inclusive; at least 1.
        maximum_waiting: commands that wait for their turn, inclusive.
        host_name: address to name, for commands that are told the requestor's host; it may take
            its time, for it is called in the command's own thread. None keeps the address.

    May be used by several threads, and by processes forked after it was made: a child begins
    with nothing running. It starts threads, so a process that forks later should not use one.
    """

    __slots__ = (
        "_changed",
        "_closed",
        "_dropped",
        "_guard",
        "_host_name",
        "_hurried",
        "_jobs",
        "_maximum_running",
        "_maximum_waiting",
        "_process",
        "_running",
        "_unstarted",
        "_waiting",
        "wait",
    )

    def __init__(
        self,
        *,
        wait: bool = False,
        maximum_running: int = MAXIMUM_RUNNING,
        maximum_waiting: int = MAXIMUM_WAITING,
        host_name: Callable[[str], str] | None = None,
    ) -> None:
        """Begin with nothing running."""
        if maximum_running < 1 or maximum_waiting < 0:
            raise ValueError("a runner needs at least one place, and no fewer than none to wait")
        self.wait = wait
        """As given."""
        self._maximum_running = maximum_running
        self._maximum_waiting = maximum_waiting
        self._host_name = host_name
        self._guard = threading.Lock()
        self._begin()

    def _settle_in(self) -> None:
        """Begin anew in a forked child: the threads stayed with the parent, perhaps its lock."""
        if self._process != os.getpid():
            with self._guard:
                if self._process != os.getpid():
                    self._begin()

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[_Job] = deque()
        self._jobs: set[_Job] = set()  # that somebody waits for
        self._running = 0  # commands that have a place, and a thread each
        self._unstarted = 0  # commands taken, that have no process yet
        self._dropped = 0
        self._closed = False
        self._hurried = False  # nobody waits any more
        self._process = os.getpid()

    def run(self, command: HookCommand, facts: HookFacts) -> None:
        """Run a command; what goes wrong with it is logged, and nobody else's matter."""
        self._settle_in()
        job = _Job(command, facts)
        if not self._take(job):
            return
        try:
            threading.Thread(target=self._work, args=(job,), name="hook", daemon=True).start()
        except RuntimeError as error:  # no more threads, or the interpreter is about to end
            _fail("cannot execute the command of %s: %s", command.option, error)
            with self._changed:
                self._running -= 1
                self._started()
            self._finished(job)
        if self.wait and not self._hurried:
            job.done.wait()

    def hurry(self, grace: float) -> None:
        """Have nobody wait for a command longer than `grace` seconds from now: the server stops.

        Commands that run go on, and further ones are still taken.
        """
        self._settle_in()
        if self.wait:
            timer = threading.Timer(grace, self._let_go)
            timer.daemon = True
            timer.start()

    def _let_go(self) -> None:
        with self._changed:
            self._hurried = True
            jobs = list(self._jobs)
        for job in jobs:
            _LOGGER.warning("command of %s is not waited for any longer", job.command.option)
            job.done.set()

    def _take(self, job: _Job) -> bool:
        """Find a place for a command; return whether it has one and needs a thread."""
        with self._changed:
            if self._closed:
                _LOGGER.warning("command of %s not run: the server stops", job.command.option)
                return False
            if self.wait:
                self._jobs.add(job)
            elif self._running >= self._maximum_running:
                self._put_off(job)
                return False
            self._running += 1
            self._unstarted += 1
            return True

    def _put_off(self, job: _Job) -> None:
        if len(self._waiting) < self._maximum_waiting:
            if not self._waiting:
                _LOGGER.info("%d commands are running, further ones wait", self._running)
            self._waiting.append(job)
            self._unstarted += 1
            return
        if not self._dropped:
            _LOGGER.error(
                "commands of %s are not run: %d are running and %d wait already",
                job.command.option,
                self._running,
                len(self._waiting),
            )
        self._dropped += 1

    def _tell_dropped(self) -> None:
        """Log how many commands found no place to wait since it was last said."""
        if self._dropped:
            _LOGGER.error("commands that were not run: %d", self._dropped)
            self._dropped = 0

    def _work(self, job: _Job) -> None:
        """Run one command after the other while there are any."""
        current: _Job | None = job
        while current is not None:
            try:
                self._perform(current)
            except BaseException as error:  # noqa: BLE001 - whoever waits must be told all the same
                _fail("cannot run the command of %s: %r", current.command.option, error)
            finally:
                self._finished(current)
                current = self._following()

    def _following(self) -> _Job | None:
        """Return the command that comes next in a thread; None gives its place back."""
        with self._changed:
            if self.wait or not self._waiting:
                self._running -= 1
                return None
            job = self._waiting.popleft()
            self._tell_dropped()
            return job

    def _finished(self, job: _Job) -> None:
        with self._changed:
            self._jobs.discard(job)
        job.done.set()

    def _started(self) -> None:
        """Count one command less without a process; the lock is held."""
        self._unstarted -= 1
        self._changed.notify_all()

    def _perform(self, job: _Job) -> None:
        try:
            process = _start(job.command, self._arguments(job))
        finally:
            with self._changed:
                self._started()
        if process is None:
            return
        status = process.wait()
        if status > 0:
            _LOGGER.warning("command of %s ended with exit status %d", job.command.option, status)
        elif status < 0:
            _LOGGER.warning("command of %s was ended by signal %d", job.command.option, -status)

    def _arguments(self, job: _Job) -> tuple[str, ...]:
        """Return what to run; what had to be changed of a peer's values is logged."""
        facts = job.facts
        if self._host_name is not None and job.command.uses(_HOST):
            facts = facts._replace(peer_host=self._host_name(facts.peer_host))
        arguments, warnings = job.command.expand(facts)
        for warning in warnings:
            _LOGGER.warning("%s", warning)
        return arguments

    def close(self, grace: float = 0.0) -> None:
        """Take no more commands, and wait for none that runs; may be called again.

        Args:
            grace: seconds in which those that wait for their turn may still begin; then they
                are dropped, and the log says how many. What has a place begins in any case.

        Commands that run go on; who waits for one in `run` returns.
        """
        self._settle_in()
        with self._changed:
            self._closed = True
            self._tell_dropped()
            self._changed.wait_for(lambda: not self._unstarted, timeout=grace)
            if self._waiting:
                _LOGGER.warning("commands not run at the end: %d", len(self._waiting))
                self._unstarted -= len(self._waiting)
                self._waiting.clear()
            # A process takes some milliseconds to begin; a second is for a busy machine.
            self._changed.wait_for(lambda: not self._unstarted, timeout=1.0)
            jobs = list(self._jobs)
        for job in jobs:
            job.done.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


def _fail(message: str, *arguments: object) -> None:
    """Log what went wrong; a trace would say nothing more."""
    _LOGGER.log(ERROR, message, *arguments)


def _start(command: HookCommand, arguments: tuple[str, ...]) -> Popen[bytes] | None:
    """Make a process of a command; log and return None where that fails."""
    # 10 ms, so only where commands run at all.
    import subprocess

    try:
        # Without preexec_fn and the like, so that the child is made by vfork(2): no copy of
        # the page tables, and no code of ours runs in it beside threads that hold locks.
        return subprocess.Popen(  # noqa: S603 - running the operator's command is the purpose
            arguments,
            stdin=subprocess.DEVNULL,
            close_fds=True,
        )
    except (OSError, ValueError) as error:  # ValueError: no argument can hold such a character
        reason = error.strerror if isinstance(error, OSError) else str(error)
        if command.argument_vector:
            _fail("cannot execute '%s': %s", arguments[0], reason)
        elif isinstance(error, FileNotFoundError | PermissionError):
            _fail("cannot execute /bin/sh: %s", reason)
        else:
            _fail("cannot execute command '%s' (%s)", command.text, reason)
        return None

"""Real shells on terminals of their own, asked what they complete.

bash and zsh are interactive: keys are typed, and a key bound by the test writes the line
that came of it to a file. fish tells without a terminal (`complete -C`).
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import shlex
import struct
import subprocess
import termios
import time
from typing import TYPE_CHECKING, Protocol, Self

from tests.support.processes import run
from tests.support.programs import find_program

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

__all__ = ["Bash", "Fish", "Shell", "Zsh", "ZshAutoload"]

_DEADLINE = 20.0


class Shell(Protocol):
    """A shell that has loaded the script."""

    def candidates(self, line: str) -> list[str]:
        """Return the words that may stand in the place of the last word of `line`, sorted.

        Folders without the slash, which not every shell adds to them.
        """

    def completed(self, line: str) -> str:
        """Return what the line becomes when the completion key is pressed once."""


class _Terminal:
    """An interactive shell; `START` are its first commands, `$OUT` the file it writes lines to."""

    ARGUMENTS: tuple[str, ...] = ()
    START = ""
    ALL = b""
    ONE = b"\t"

    def __init__(self, script: Path, folder: Path) -> None:
        path = find_program(self.ARGUMENTS[0])
        self.out = script.parent / "lines"
        setup = script.parent / "setup"
        setup.write_text(self.START.replace("SCRIPT", shlex.quote(str(script))))
        self.out.touch()
        environment = {
            "HOME": str(script.parent),
            "PATH": os.environ["PATH"],
            "TERM": "xterm",
            "OUT": str(self.out),
        }
        self.terminal, theirs = pty.openpty()
        # So wide that no line is folded.
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 2000, 0, 0))
        self.process = subprocess.Popen(
            [path, *self.ARGUMENTS[1:]],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        os.close(theirs)
        self.seen = b""
        os.write(self.terminal, f". {shlex.quote(str(setup))}\r".encode())
        self._next_line()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)

    def candidates(self, line: str) -> list[str]:
        head, _, _ = line.rpartition(" ")
        os.write(self.terminal, line.encode() + self.ALL + b"\x0f")
        words = shlex.split(self._next_line())[len(shlex.split(head)) :]
        return sorted(word.rstrip("/") for word in words)

    def completed(self, line: str) -> str:
        os.write(self.terminal, line.encode() + self.ONE + b"\x0f")
        return self._next_line()

    def _next_line(self) -> str:
        """Wait for the next line in the file; what the shell shows is read and kept for errors."""
        deadline = time.monotonic() + _DEADLINE
        while not self.out.read_bytes().endswith(b"\n"):
            if time.monotonic() > deadline:
                shown = self.seen.decode(errors="replace")
                raise TimeoutError(f"the shell did not answer, it shows: {shown}")
            if select.select([self.terminal], [], [], 0.01)[0]:
                self.seen += os.read(self.terminal, 65536)
        line = self.out.read_text()
        self.out.write_bytes(b"")
        return line.rstrip("\n")


class Bash(_Terminal):
    """bash without anybody's settings."""

    ARGUMENTS = ("bash", "--norc", "--noprofile", "-i")
    START = """\
PS1='$ ' HISTFILE=
bind 'set bell-style none'
bind 'set completion-query-items 0'
bind 'set page-completions off'
bind 'set colored-stats off'
bind '"\\e*": insert-completions'
_written() { printf '%s\\n' "$READLINE_LINE" >"$OUT"; READLINE_LINE=; }
bind -x '"\\C-o": _written'
. SCRIPT
echo ready >"$OUT"
"""
    ALL = b"\x1b*"


class Zsh(_Terminal):
    """zsh without anybody's settings."""

    ARGUMENTS = ("zsh", "-f", "-i")
    START = """\
PS1='$ '
unsetopt beep zle_bracketed_paste
autoload -Uz compinit && compinit -D -u
zstyle ':completion:all-matches::::' completer _all_matches _complete
zstyle ':completion:all-matches:*' old-matches false
zstyle ':completion:all-matches:*' insert true
zle -C all-matches complete-word _generic
bindkey '^Xa' all-matches
_written() { print -r -- "$BUFFER" >$OUT; BUFFER=; }
zle -N _written
bindkey '^O' _written
. SCRIPT
echo ready >$OUT
"""
    ALL = b"\x18a"


class ZshAutoload(Zsh):
    """zsh that finds the script as `_isocenter` in its `fpath`, and loads it when it is needed."""

    START = Zsh.START.replace("autoload -Uz", "fpath=(${OUT:h} $fpath)\nautoload -Uz").replace(
        ". SCRIPT", "cp SCRIPT ${OUT:h}/_isocenter; rehash; compinit -D -u"
    )


class Fish:
    """fish without anybody's settings, started anew for each question."""

    def __init__(self, script: Path, folder: Path) -> None:
        self.path = find_program("fish")
        self.script = script
        self.folder = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return

    def described(self, line: str) -> dict[str, str]:
        """Return the candidates and what fish says about each."""
        command = f"source {shlex.quote(str(self.script))}; complete -C {shlex.quote(line)}"
        done = run(
            [self.path, "--no-config", "--command", command],
            cwd=self.folder,
            env={"HOME": str(self.script.parent)},
            timeout=_DEADLINE,
        )
        assert (done.code, done.stderr) == (0, "")
        rows = [row.partition("\t") for row in done.stdout.splitlines()]
        return {name: text for name, _, text in rows}

    def candidates(self, line: str) -> list[str]:
        return sorted(word.rstrip("/") for word in self.described(line))

    def completed(self, line: str) -> str:
        head, _, _ = line.rpartition(" ")
        (only,) = (word.replace(" ", "\\ ") for word in self.described(line))
        return f"{head} {only}" if only.endswith("/") else f"{head} {only} "

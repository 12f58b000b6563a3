"""Options of sorting and events to studies and the commands that run for them.

Owns what these options mean together, and what a server with them does when it stops. Must
not know which tool it is, nor how objects are received.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.net.channel import Shared
    from isocenter.net.resolver import Resolver
    from isocenter.node.desk import Desk
    from isocenter.node.endings import StudyFinisher
    from isocenter.node.files import ObjectCommand
    from isocenter.node.studies import Studies
    from isocenter.storage.folders import FolderNamer
    from isocenter.storage.hooks import HookCommand, HookRunner
    from isocenter.storage.spool import Spool

__all__ = ["GRACE", "Events", "events_of"]

GRACE = 5.0
"""Seconds that commands get at a stop: those that wait for their turn to begin, those that are
waited for (--exec-sync) to end."""

_ON_RECEPTION = "--exec-on-reception"
_ON_STUDY = "--exec-on-eostudy"
_SORTING = ("--sort-conc-studies", "--sort-on-study-uid", "--sort-on-patientname")


class Events:
    """Studies and commands of one server; implements `cli.network.Duties`.

    Attributes:
        studies: chooses folders, None without a sorting option.
        command: runs for each object, None without one.
        shared: what worker processes share, None where nothing has to be.
    """

    __slots__ = ("_runner", "command", "shared", "studies")

    def __init__(
        self,
        runner: HookRunner | None,
        studies: Studies | None,
        command: ObjectCommand | None,
        shared: Shared | None,
    ) -> None:
        """Keep the arguments."""
        self._runner = runner
        self.studies = studies
        self.command = command
        self.shared = shared

    def at_stop(self) -> None:
        """Let nobody wait for a command for ever."""
        if self._runner is not None:
            self._runner.hurry(GRACE)

    def at_end(self) -> None:
        """Close every open study; its files are renamed, and what it has to run begins."""
        if self.studies is not None:
            self.studies.close()
        if self._runner is not None:
            self._runner.close(GRACE)


def events_of(
    line: ParsedCommandLine, spool: Spool | None, resolver: Resolver | None = None
) -> Events | None:
    """Return what the options ask for, None where they ask for nothing.

    Args:
        line: of a tool with the options of sorting and events.
        spool: of the output directory; None where nothing is kept, so there are no studies.
        resolver: of the names that commands are told; None tells them addresses.

    Raises:
        ConfigurationError: a command, or a name that it would be told, cannot be used.
    """
    sorting = line.block(*_SORTING)
    reception = _command(line, _ON_RECEPTION)
    ending = _command(line, _ON_STUDY)
    if sorting is None and reception is None:
        return None
    runner = None
    if reception is not None or ending is not None:
        from isocenter.storage.hooks import HookRunner

        runner = HookRunner(
            wait=line.given("--exec-sync"),
            host_name=None if resolver is None else resolver.name,
        )
    command = None
    if reception is not None and runner is not None:
        from isocenter.node.files import ObjectCommand

        command = ObjectCommand(reception, runner)
    if sorting is None or spool is None:
        return Events(runner, None, command, None)
    studies, shared = _studies(line, spool, _namer(line, sorting), ending, runner)
    return Events(runner, studies, command, shared)


def _command(line: ParsedCommandLine, option: str) -> HookCommand | None:
    """Return the command of an option, None where there is none.

    Raises:
        ConfigurationError: as `events_of`.
    """
    if not line.given(option):
        return None
    from isocenter.storage.hooks import HookCommand

    command = HookCommand(
        line.value(option),
        option=option,
        argument_vector=line.given("--exec-argv"),
        end_of_study=option == _ON_STUDY,
    )
    if not line.given("--ignore"):
        sorting = line.block(*_SORTING)
        prefixed = sorting is not None and sorting != "--sort-on-patientname"
        command.check_names(
            directory=line.value("--output-directory") or ".",
            prefix=line.value(sorting) if prefixed and sorting is not None else "",
            extension=line.value_or_none("--filename-extension") or "",
        )
    return command


def _namer(line: ParsedCommandLine, sorting: str) -> FolderNamer:
    """Return what names folders.

    Raises:
        ConfigurationError: the prefix cannot be part of a name.
    """
    from isocenter.storage.folders import FolderNamer

    if sorting == "--sort-on-patientname":
        return FolderNamer("patient-name")
    by_uid = sorting == "--sort-on-study-uid"
    return FolderNamer("study-uid" if by_uid else "study-time", line.value(sorting))


def _studies(
    line: ParsedCommandLine,
    spool: Spool,
    namer: FolderNamer,
    command: HookCommand | None,
    runner: HookRunner | None,
) -> tuple[Studies, Shared | None]:
    from isocenter.node.studies import Studies
    from isocenter.storage.folders import OutputFolders
    from isocenter.storage.study import StudyTracker

    folders = OutputFolders(spool)
    rename = line.given("--rename-on-eostudy")
    timeout = line.integer("--eostudy-timeout") if line.given("--eostudy-timeout") else None
    finisher: StudyFinisher | None = None
    if rename or command is not None:
        from isocenter.node.endings import StudyFinisher

        finisher = StudyFinisher(
            spool,
            folders,
            runner,
            rename=rename,
            time_names=line.given("--timenames"),
            command=command,
        )
    tracker = StudyTracker(timeout=timeout, keep_files=rename)
    if line.integer("--workers") > 1:
        from isocenter.node.office import RemoteDesk, StudyOffice

        remote = RemoteDesk(has_timeout=bool(timeout))
        studies = Studies(namer, folders, remote, finisher)
        return studies, StudyOffice(tracker, lambda ask: studies.connect(remote, ask))
    from isocenter.node.desk import LocalDesk

    desk: Desk = LocalDesk(tracker, has_timeout=bool(timeout))
    return Studies(namer, folders, desk, finisher), None

"""What is done with a study that ended: its files get numbers, then a command runs.

Owns the order of the two and their log lines. Must not know when a study ends.

DCMTK's options -rns and -xcs.
"""

from __future__ import annotations

from isocenter.errors import StorageError
from isocenter.logs import get_logger
from isocenter.storage.hooks import HookFacts

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.storage.folders import OutputFolders
    from isocenter.storage.hooks import HookCommand, HookRunner
    from isocenter.storage.spool import Spool
    from isocenter.storage.study import StudyEnded

__all__ = ["StudyFinisher"]

_LOGGER = get_logger(__name__)


class StudyFinisher:
    """Renames the files of studies that ended and runs a command for each.

    Args:
        spool: of the output directory.
        folders: of the same.
        runner: runs the command; None only where there is none.
        rename: number the files.
        time_names: file names begin with a time.
        command: told of each study, None for no command.

    May be used by several threads.
    """

    __slots__ = ("_command", "_folders", "_rename", "_runner", "_spool", "_time_names")

    def __init__(
        self,
        spool: Spool,
        folders: OutputFolders,
        runner: HookRunner | None,
        *,
        rename: bool = False,
        time_names: bool = False,
        command: HookCommand | None = None,
    ) -> None:
        """Keep the arguments."""
        self._spool = spool
        self._folders = folders
        self._runner = runner
        self._rename = rename
        self._time_names = time_names
        self._command = command

    def finish(self, study: StudyEnded) -> None:
        """Deal with a study; what goes wrong is logged."""
        path = self._folders.path(study.folder)
        if self._rename:
            try:
                self._number(study, path)
            except FileNotFoundError:
                _LOGGER.warning("cannot rename the files of %s: the folder is gone", path)
            except StorageError as problem:
                _LOGGER.warning("cannot rename the files of %s: %s", path, problem.reason)
        if self._command is not None and self._runner is not None:
            self._runner.run(
                self._command,
                HookFacts(
                    study.calling_ae_title, study.called_ae_title, study.peer_host, directory=path
                ),
            )

    def _number(self, study: StudyEnded, path: str) -> None:
        """Number the files.

        Raises:
            FileNotFoundError: the folder is gone.
            StorageError: it cannot be opened, listed or, where durable, forced onto the disk.
        """
        # 3 ms, so only where it is used.
        from isocenter.storage.renaming import number_files

        folder = self._spool.folder(*study.folder.split("/"))
        if study.files:
            directory = self._spool.find(folder)
            renamed = number_files(directory, path, study.files, time_names=self._time_names)
            for warning in renamed.warnings:
                _LOGGER.warning("%s", warning)
            self._spool.sync_folder(folder)
        if study.untracked:
            _LOGGER.warning(
                "%d files in %s keep their names: more than are remembered", study.untracked, path
            )

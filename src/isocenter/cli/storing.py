"""Output options of receiving tools to options of storage and rewriting.

Owns what `options_output` and the options of our own about files mean. Must not know which
tool it is; a tool says which groups it offers by what its command line has.
"""

from __future__ import annotations

from isocenter.cli.dictionary import dictionary_of

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.dataset.profile import RewriteOptions
    from isocenter.storage.options import NamingScheme, StorageOptions
    from isocenter.storage.spool import Spool

__all__ = [
    "archive_storage_options",
    "move_storage_options",
    "open_remade_spool",
    "open_spool",
    "retrieve_storage_options",
    "simple_storage_options",
    "storage_options",
]

_MEBIBYTE = 1024 * 1024

_WRITE_SYNTAXES = {
    "--write-xfer-little": "1.2.840.10008.1.2.1",
    "--write-xfer-big": "1.2.840.10008.1.2.2",
    "--write-xfer-implicit": "1.2.840.10008.1.2",
    "--write-xfer-deflated": "1.2.840.10008.1.2.1.99",
}

_POLICIES: dict[str, Literal["overwrite", "keep-both", "ignore", "reject"]] = {
    "overwrite": "overwrite",
    "keep-both": "keep-both",
    "ignore": "ignore",
    "reject": "reject",
}


def storage_options(line: ParsedCommandLine, env: Mapping[str, str]) -> StorageOptions:
    """Return what becomes of received objects.

    Raises:
        ConfigurationError: a data dictionary of DCMDICTPATH cannot be read.
    """
    from isocenter.storage.options import StorageOptions

    rewrite = None if line.in_force("--bit-preserving") else _rewrite_options(line)
    dictionary = None if rewrite is None else dictionary_of(env)
    return StorageOptions(
        rewrite=rewrite,
        dictionary=dictionary,
        naming="time" if line.given("--timenames") else _naming(line),
        extension=line.value_or_none("--filename-extension") or "",
        duplicates=_POLICIES[line.value("--on-duplicate")],
        write_file_meta=line.in_force("--write-file"),
        check_uids=rewrite is not None,
        ignore=line.given("--ignore"),
        warn_of_blanks=not line.given("--uid-padding"),
    )


def simple_storage_options(line: ParsedCommandLine, env: Mapping[str, str]) -> StorageOptions:
    """Return what becomes of received objects in a tool of DCMTK's simple kind, dcmrecv.

    Raises:
        ConfigurationError: a data dictionary of DCMDICTPATH cannot be read.
    """
    from isocenter.storage.naming import sanitise_value
    from isocenter.storage.options import FileWords, StorageOptions

    exact = line.in_force("--bit-preserving")
    ignore = line.in_force("--ignore")
    rewrite = None
    if not exact:
        rewrite = _uncorrected()
    return StorageOptions(
        rewrite=rewrite,
        dictionary=None if exact or ignore else dictionary_of(env),
        naming=_naming(line),
        extension=sanitise_value(line.value_or_none("--filename-extension") or ""),
        duplicates=_POLICIES[line.value("--on-duplicate")],
        identity="request" if exact else "data set",
        source_title=exact,
        words=FileWords(
            storing="Stored received object to file",
            exists="file already exists",
            warns_first=True,
            in_every_mode=True,
            of_names=False,
        ),
        warn_of_blanks=False,
        ignore=ignore,
    )


def retrieve_storage_options(line: ParsedCommandLine, env: Mapping[str, str]) -> StorageOptions:
    """Return what becomes of the objects that getscu receives.

    Raises:
        ConfigurationError: a data dictionary of DCMDICTPATH cannot be read.
    """
    from isocenter.storage.options import FileWords, StorageOptions

    exact, ignore = line.in_force("--bit-preserving"), line.given("--ignore")
    return StorageOptions(
        rewrite=None if exact else _uncorrected(),
        dictionary=None if exact or ignore else dictionary_of(env),
        naming="instance" if exact else "default",
        duplicates=_POLICIES[line.value("--on-duplicate")],
        identity="request" if exact else "data set",
        source_title=exact,
        words=FileWords(storing="", of_names=False),
        warn_of_blanks=False,
        ignore=ignore,
    )


def move_storage_options(line: ParsedCommandLine, env: Mapping[str, str]) -> StorageOptions:
    """Return what becomes of the objects that movescu receives on its own port.

    Raises:
        ConfigurationError: a data dictionary of DCMDICTPATH cannot be read.
    """
    from isocenter.storage.options import FileWords, StorageOptions

    exact, ignore = line.in_force("--bit-preserving"), line.given("--ignore")
    return StorageOptions(
        rewrite=None if exact else _rewrite_options(line),
        dictionary=None if exact or ignore else dictionary_of(env),
        duplicates=_POLICIES[line.value("--on-duplicate")],
        write_file_meta=line.in_force("--write-file"),
        check_uids=not exact,
        source_title=exact,
        words=FileWords(storing="", of_names=False),
        warn_of_blanks=not line.given("--uid-padding"),
        ignore=ignore,
    )


def archive_storage_options(line: ParsedCommandLine, env: Mapping[str, str]) -> StorageOptions:
    """Return what becomes of the objects that dcmqrscp takes into its areas.

    Raises:
        ConfigurationError: a data dictionary of DCMDICTPATH cannot be read.
    """
    from isocenter.storage.options import FileWords, StorageOptions

    exact, ignore = line.in_force("--bit-preserving"), line.given("--ignore")
    return StorageOptions(
        rewrite=None if exact else _rewrite_options(line),
        dictionary=None if exact or ignore else dictionary_of(env),
        write_file_meta=line.in_force("--write-file"),
        source_title=True,
        words=FileWords(storing="", of_names=False),
        warn_of_blanks=not line.given("--uid-padding"),
        ignore=ignore,
    )


def _uncorrected() -> RewriteOptions:
    """Return how DCMTK writes a data set that it read without correcting anything in it."""
    from isocenter.dataset.profile import RewriteOptions

    return RewriteOptions(
        lengths="undefined",
        keep_trailing_padding=True,
        normalise_values=False,
        blanks_behind_text=True,
    )


def _naming(line: ParsedCommandLine) -> NamingScheme:
    """Return how files are called, by the options of the tool that choose among UIDs and time."""
    schemes: dict[str, NamingScheme] = {
        "--unique-filenames": "unique",
        "--short-unique-names": "short",
        "--system-time-names": "long-time",
    }
    for option, scheme in schemes.items():
        if line.has(option) and line.in_force(option):
            return scheme
    return "default"


def _rewrite_options(line: ParsedCommandLine) -> RewriteOptions:
    from isocenter.cli.options_output import WRITE_SYNTAXES
    from isocenter.dataset.profile import RewriteOptions

    group_lengths: Literal["recalculate", "create", "remove"] = "recalculate"
    if line.in_force("--group-length-create"):
        group_lengths = "create"
    elif line.in_force("--group-length-remove"):
        group_lengths = "remove"
    padding = line.in_force("--padding-create")
    return RewriteOptions(
        transfer_syntax_uid=_WRITE_SYNTAXES.get(line.block(*WRITE_SYNTAXES) or "", ""),
        lengths="explicit" if line.in_force("--length-explicit") else "undefined",
        group_lengths=group_lengths,
        file_padding=line.integer("--padding-create", 0) if padding else 0,
        item_padding=line.integer("--padding-create", 1) if padding else 0,
        new_vrs=line.in_force("--enable-new-vr"),
        convert_un=line.has("--convert-un") and line.in_force("--convert-un"),
        compression_level=line.integer("--compression-level")
        if line.given("--compression-level")
        else None,
    )


def open_spool(line: ParsedCommandLine) -> Spool:
    """Open the output directory.

    Raises:
        StorageError: it cannot be opened.
    """
    from isocenter.storage.spool import Spool

    return _open(line, Spool)


def open_remade_spool(line: ParsedCommandLine) -> Spool:
    """Open the output directory, which is made again where somebody removes it.

    Raises:
        StorageError: it cannot be opened.
    """
    from isocenter.storage.remaking import RemadeSpool

    # As DCMTK normalises it, for its paths in the log.
    directory = line.value("--output-directory")
    return _open(line, RemadeSpool, directory.rstrip("/") or directory)


def _open(line: ParsedCommandLine, spool: type[Spool], directory: str = "") -> Spool:
    return spool(
        directory or line.value("--output-directory") or ".",
        durable=line.given("--durable"),
        minimum_free=line.integer("--min-free") * _MEBIBYTE,
    )

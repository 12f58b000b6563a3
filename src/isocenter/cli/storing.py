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

__all__ = ["open_spool", "storage_options"]

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
    naming: NamingScheme = "default"
    if line.given("--timenames"):
        naming = "time"
    elif line.in_force("--unique-filenames"):
        naming = "unique"
    return StorageOptions(
        rewrite=rewrite,
        dictionary=dictionary,
        naming=naming,
        extension=line.value_or_none("--filename-extension") or "",
        duplicates=_POLICIES[line.value("--on-duplicate")],
        write_file_meta=line.in_force("--write-file"),
        check_uids=rewrite is not None,
        ignore=line.given("--ignore"),
        warn_of_blanks=not line.given("--uid-padding"),
    )


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
        convert_un=line.in_force("--convert-un"),
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

    return Spool(
        line.value("--output-directory") or ".",
        durable=line.given("--durable"),
        minimum_free=line.integer("--min-free") * _MEBIBYTE,
    )

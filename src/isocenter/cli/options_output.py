"""How receiving tools write objects: the output options they share, as data.

DCMTK's storescp, dcmrecv and dcmqrscp have the same groups; the tools pick theirs.
"""

from __future__ import annotations

from isocenter.cli.spec import Group, Option, Value, string

__all__ = [
    "COMPRESSED_PREFERENCES",
    "FORMAT_EVALUATION",
    "WRITE_SYNTAXES",
    "compression_group",
    "directory_group",
    "file_format_group",
    "group_length_group",
    "length_group",
    "mode_group",
    "new_vr_group",
    "padding_group",
    "unknown_vr_group",
    "write_syntax_group",
]

_EXACT = ("--bit-preserving",)

COMPRESSED_PREFERENCES = (
    "--accept-all",
    "--bit-preserving",
    "--prefer-lossless",
    "--prefer-jpeg8",
    "--prefer-jpeg12",
    "--prefer-j2k-lossless",
    "--prefer-j2k-lossy",
    "--prefer-jls-lossless",
    "--prefer-jls-lossy",
    "--prefer-mpeg2",
    "--prefer-mpeg2-high",
    "--prefer-mpeg4",
    "--prefer-mpeg4-bd",
    "--prefer-mpeg4-2-2d",
    "--prefer-mpeg4-2-3d",
    "--prefer-mpeg4-2-st",
    "--prefer-hevc",
    "--prefer-hevc10",
    "--prefer-rle",
)
"""What excludes writing in another transfer syntax, in DCMTK's order of checking."""


def directory_group() -> Group:
    """Return the group of ``--output-directory``."""
    option = Option(
        "--output-directory",
        "-od",
        "where received objects are written;\nthe directory must exist",
        string("directory"),
        default=".",
    )
    return Group("general", (option,))


def mode_group() -> Group:
    """Return the choice between normal and bit-preserving mode."""
    return Group(
        "bit preserving mode",
        (
            Option(
                "--normal",
                "-B",
                "write data sets in a normal form and convert\nas asked for (default)",
                is_default=True,
            ),
            Option("--bit-preserving", "+B", "write each data set as it came, byte for byte"),
        ),
    )


def file_format_group() -> Group:
    """Return the choice between files with and without File Meta Information."""
    return Group(
        "output file format",
        (
            Option("--write-file", "+F", "with file meta information (default)", is_default=True),
            Option("--write-dataset", "-F", "data set alone"),
        ),
    )


WRITE_SYNTAXES = (
    "--write-xfer-same",
    "--write-xfer-little",
    "--write-xfer-big",
    "--write-xfer-implicit",
    "--write-xfer-deflated",
)
"""The block of alternatives that choose the transfer syntax of files."""


def write_syntax_group(conflicts: tuple[str, ...]) -> Group:
    """Return the choice of the transfer syntax of files; `conflicts` exclude a conversion."""
    rows = (
        ("--write-xfer-little", "+te", "explicit VR little endian"),
        ("--write-xfer-big", "+tb", "explicit VR big endian"),
        ("--write-xfer-implicit", "+ti", "implicit VR little endian"),
        ("--write-xfer-deflated", "+td", "deflated explicit VR little endian"),
    )
    same = Option("--write-xfer-same", "+t=", "that of the data set (default)", is_default=True)
    return Group(
        "output transfer syntax",
        (same, *(Option(*row, conflicts=conflicts) for row in rows)),
        note="not with --bit-preserving or compressed transmission",
    )


def new_vr_group() -> Group:
    """Return the choice about VRs that came after 1993."""
    return Group(
        "post-1993 value representations",
        (
            Option(
                "--enable-new-vr",
                "+u",
                "keep new VRs such as UN and UT (default)",
                is_default=True,
                conflicts=_EXACT,
            ),
            Option(
                "--disable-new-vr",
                "-u",
                "write new VRs as OB; there is no way back",
                conflicts=_EXACT,
            ),
        ),
        note="not with --bit-preserving",
    )


def group_length_group() -> Group:
    """Return the choice about group length elements."""
    return Group(
        "group length encoding",
        (
            Option(
                "--group-length-recalc",
                "+g=",
                "recalculate those that are there (default)",
                is_default=True,
                conflicts=_EXACT,
            ),
            Option("--group-length-create", "+g", "write one for each group", conflicts=_EXACT),
            Option("--group-length-remove", "-g", "write none", conflicts=_EXACT),
        ),
        note="not with --bit-preserving",
    )


def length_group() -> Group:
    """Return the choice about lengths of sequences and items."""
    return Group(
        "length encoding in sequences and items",
        (
            Option(
                "--length-explicit",
                "+e",
                "explicit lengths (default)",
                is_default=True,
                conflicts=_EXACT,
            ),
            Option("--length-undefined", "-e", "undefined lengths", conflicts=_EXACT),
        ),
        note="not with --bit-preserving",
    )


def padding_group() -> Group:
    """Return the choice about Data Set Trailing Padding."""
    multiples = (
        Value("file-pad", "integer", minimum=0),
        Value("item-pad", "integer", minimum=0),
    )
    return Group(
        "data set trailing padding",
        (
            Option("--padding-off", "-p", "no padding (default)", is_default=True),
            Option(
                "--padding-create",
                "+p",
                "make the length of files a multiple of the\n"
                "first number of bytes, that of items one of\n"
                "the second",
                multiples,
                conflicts=("--write-dataset", *_EXACT),
            ),
        ),
        note="not with --write-dataset or --bit-preserving",
    )


def unknown_vr_group() -> Group:
    """Return the choice about elements of VR UN."""
    return Group(
        "handling of defined length UN elements",
        (
            Option("--retain-un", "-uc", "keep them as UN (default)", is_default=True),
            Option("--convert-un", "+uc", "give them the VR of the data dictionary"),
        ),
    )


def compression_group(requires: tuple[str, ...], note: str) -> Group:
    """Return the level of deflating; one of `requires` must hold, as `note` says."""
    return Group(
        "deflate compression level",
        (
            Option(
                "--compression-level",
                "+cl",
                "0: none, 1: fastest, 9: smallest",
                (Value("level", "integer", minimum=0, maximum=9),),
                default="6",
                requires=requires,
            ),
        ),
        note=note,
    )


FORMAT_EVALUATION: tuple[str | tuple[str, ...], ...] = (
    ("--normal", "--bit-preserving"),
    ("--write-file", "--write-dataset"),
    WRITE_SYNTAXES,
    ("--enable-new-vr", "--disable-new-vr"),
    ("--group-length-recalc", "--group-length-create", "--group-length-remove"),
    ("--length-explicit", "--length-undefined"),
    ("--padding-off", "--padding-create"),
    ("--retain-un", "--convert-un"),
    "--compression-level",
)
"""The order in which storescp checks these options."""

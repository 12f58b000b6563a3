"""The command line of dcmsend, as data."""

from __future__ import annotations

from isocenter.cli import groups
from isocenter.cli import options_tls as tls
from isocenter.cli.spec import LOGGING, PARAMETERS, Group, Option, Parameter, Tool, integer, string

__all__ = ["TOOL"]

_GENERAL = groups.general_group(verbose_pc=True)

_INPUT = Group(
    "input options",
    subgroups=(
        groups.file_format_group("--read-file-only"),
        Group(
            "input files",
            (
                Option(
                    "--read-from-dicomdir",
                    "+rd",
                    "in the place of a DICOMDIR take the files that\nit refers to",
                ),
                *groups.scanning(),
            ),
        ),
    ),
)

_PROCESSING = Group(
    "processing options",
    subgroups=(
        Group(
            "transfer syntax conversion",
            (
                Option("--decompress-never", "-dn", "send what is compressed as it is, or not"),
                Option(
                    "--decompress-lossless",
                    "+dls",
                    "decompress where need be what was compressed\nwithout loss (default)",
                    is_default=True,
                ),
                Option(
                    "--decompress-lossy", "+dly", "decompress also what was compressed with loss"
                ),
            ),
        ),
        Group(
            "deflate compression level",
            (
                Option(
                    "--compression-level",
                    "+cl",
                    "0=uncompressed, 1=fastest, 9=best compression",
                    integer("level", 0, 9),
                    default="6",
                ),
            ),
        ),
        Group(
            "other processing options",
            (
                Option(
                    "--no-halt",
                    "-nh",
                    "leave out invalid files, and go on where one\ncannot be sent (default: halt)",
                ),
                Option(
                    "--no-illegal-proposal",
                    "-nip",
                    "propose no lossless compression without the\ndefault transfer syntax",
                ),
                Option("--no-uid-checks", "-nuc", "do not look at what the UIDs of files are"),
            ),
        ),
    ),
)

_NETWORK = Group(
    "network options",
    subgroups=(
        groups.ip_protocol_group(auto="whichever the name service offers"),
        groups.requestor_titles_group("DCMSEND"),
        Group(
            "association handling",
            (
                Option(
                    "--multi-associations",
                    "+ma",
                    "use as many associations as the files need,\none after the other (default)",
                    is_default=True,
                ),
                Option(
                    "--single-association",
                    "-ma",
                    "use one, and do not send what it has no\npresentation context for",
                ),
            ),
        ),
        groups.identity_group(),
        Group(
            "other network options",
            (
                groups.connection_timeout(signed=False),
                groups.acse_timeout(signed=False),
                groups.dimse_timeout(signed=False),
                groups.max_pdu(),
                groups.max_send_pdu(),
            ),
        ),
    ),
)

_OUTPUT = Group(
    "output options",
    subgroups=(
        Group(
            "general",
            (
                Option(
                    "--create-report-file",
                    "+crf",
                    "write to this file what became of each\nSOP instance",
                    string("filename"),
                ),
            ),
        ),
    ),
)

_OWN = Group(
    "isocenter options",
    (
        Option(
            "--stream",
            "",
            "begin to send before all files were looked at\n(so does --no-halt)",
            conflicts=("--single-association",),
        ),
        *tls.OWN_REQUESTOR,
        groups.explain(),
    ),
)

TOOL = Tool(
    "dcmsend",
    "Simple DICOM storage SCU (sender)",
    parameters=(
        Parameter("peer", "host name or address of the peer"),
        Parameter("port", "TCP port of the peer", minimum=1, maximum=65535),
        Parameter("dcmfile-in", "DICOM file or directory to be sent", multiple=True),
    ),
    groups=(
        Group(
            _GENERAL.name,
            (
                *_GENERAL.options[:2],
                Option(
                    "--list-decoders",
                    "",
                    "list what can be decompressed and exit",
                    exclusive=True,
                ),
                *_GENERAL.options[2:],
            ),
        ),
        _INPUT,
        _PROCESSING,
        _NETWORK,
        tls.REQUESTOR_GROUP,
        _OUTPUT,
        _OWN,
    ),
    evaluation=(
        LOGGING,
        "--verbose-pc",
        groups.READ_MODES,
        "--scan-pattern",
        ("--no-recurse", "--recurse"),
        groups.DECOMPRESSION,
        "--compression-level",
        ("--ipv4", "--ipv6", "--ip-auto"),
        ("--multi-associations", "--single-association"),
        "--timeout",
        "--acse-timeout",
        "--dimse-timeout",
        "--max-pdu",
        "--max-send-pdu",
        *groups.IDENTITY_EVALUATION,
        *tls.REQUESTOR_EVALUATION,
        "--stream",
        *tls.OWN_REQUESTOR_EVALUATION,
        "--explain",
        PARAMETERS,
    ),
)
"""Everything the parser and the help text need to know."""

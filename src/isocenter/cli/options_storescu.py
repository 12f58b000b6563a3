"""The command line of storescu, as data."""

from __future__ import annotations

from isocenter.cli import groups
from isocenter.cli import options_syntaxes as syntaxes
from isocenter.cli import options_tls as tls
from isocenter.cli.spec import LOGGING, PARAMETERS, Group, Option, Parameter, Tool, integer

__all__ = ["INVENTION", "MAXIMUM_OPERATIONS", "PROPOSALS", "TOOL"]

MAXIMUM_OPERATIONS = 64
"""Most operations that may be outstanding, as the engine caps them anyway."""

PROPOSALS = tuple(option.long for option in syntaxes.PROPOSAL_OPTIONS)
"""The block of alternatives that choose what is proposed."""

_INPUT = Group(
    "input options",
    subgroups=(
        groups.file_format_group("--read-file"),
        Group(
            "input files",
            (
                *groups.scanning(),
                Option(
                    "--no-rename",
                    "-rn",
                    "leave the names of files as they are (default)",
                    is_default=True,
                ),
                Option("--rename", "+rn", "append .done or .bad to the names of files sent"),
            ),
        ),
    ),
)

_INVENTION = (
    Option("--invent-instance", "+II", "make up identity and SOP instance UID of\nevery object"),
    Option(
        "--invent-series",
        "+IR",
        "the same, with a new series after that many\nobjects",
        integer("number", 1),
        default="100",
    ),
    Option(
        "--invent-study",
        "+IS",
        "the same, with a new study after that many\nseries",
        integer("number", 1),
        default="50",
    ),
    Option(
        "--invent-patient",
        "+IP",
        "the same, with a new patient after that many\nstudies",
        integer("number", 1),
        default="25",
    ),
)

INVENTION = tuple(option.long for option in _INVENTION)
"""Options of which any makes up who the objects are about."""

_NETWORK = Group(
    "network options",
    subgroups=(
        groups.ip_protocol_group(auto="whichever the name service offers"),
        groups.requestor_titles_group("STORESCU"),
        groups.profile_group((*PROPOSALS[1:], "--required", "--combine")),
        Group(
            "proposed transmission transfer syntaxes",
            (
                *syntaxes.PROPOSAL_OPTIONS,
                Option(
                    "--required",
                    "-R",
                    "propose only what the input files need",
                    default="propose all supported",
                ),
                Option(
                    "--combine",
                    "+C",
                    "put the transfer syntaxes of a SOP class into\none presentation context",
                    default="separate pres. context for each TS",
                ),
            ),
        ),
        Group(
            "post-1993 value representations",
            (
                Option(
                    "--enable-new-vr",
                    "+u",
                    "keep VRs that are newer than 1993 (UN, UT and\nothers) (default)",
                    is_default=True,
                ),
                Option("--disable-new-vr", "-u", "send them as OB"),
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
                    requires=("--propose-deflated", "--config-file"),
                ),
            ),
        ),
        groups.identity_group(),
        Group(
            "other network options",
            (
                groups.connection_timeout(),
                groups.socket_timeout(),
                groups.acse_timeout(),
                groups.dimse_timeout(),
                groups.max_pdu(),
                groups.max_send_pdu(),
                Option("--repeat", "", "send every file that many times", integer("number", 1)),
                Option("--abort", "", "end with an abort instead of a release"),
                Option(
                    "--no-halt",
                    "-nh",
                    "go on with the next file after a failure",
                    default="do halt",
                ),
                Option(
                    "--uid-padding",
                    "-up",
                    "do not warn where blanks are left out of\na SOP class or instance UID",
                ),
                *_INVENTION,
            ),
        ),
    ),
)

_OWN = Group(
    "isocenter options",
    (
        Option(
            "--auto-contexts",
            "",
            "read the files first and propose what they\nneed, each in its own transfer syntax,\n"
            "on as many associations as that takes",
            # Nor with most of `PROPOSALS`, which would be a long list here: `storescu` says so.
            conflicts=("--required", "--combine", "--config-file"),
        ),
        Option(
            "--max-ops",
            "",
            "propose to have that many C-STORE requests\noutstanding (1: wait for each response)",
            integer("number", 1, MAXIMUM_OPERATIONS),
            default="1",
        ),
        *tls.OWN_REQUESTOR,
        groups.explain(),
    ),
)

TOOL = Tool(
    "storescu",
    "DICOM storage (C-STORE) SCU",
    parameters=(
        Parameter("peer", "host name or address of the peer"),
        Parameter("port", "TCP port of the peer", minimum=1, maximum=65535),
        Parameter("dcmfile-in", "DICOM file or directory to be sent", multiple=True),
    ),
    groups=(
        groups.general_group(verbose_pc=True),
        _INPUT,
        _NETWORK,
        tls.REQUESTOR_GROUP,
        _OWN,
    ),
    evaluation=(
        PARAMETERS,
        LOGGING,
        "--verbose-pc",
        groups.READ_MODES,
        "--scan-directories",
        "--scan-pattern",
        ("--no-recurse", "--recurse"),
        ("--no-rename", "--rename"),
        PROPOSALS,
        "--config-file",
        ("--enable-new-vr", "--disable-new-vr"),
        "--compression-level",
        "--timeout",
        *groups.TIMEOUT_OPTIONS,
        "--max-pdu",
        "--max-send-pdu",
        "--repeat",
        "--uid-padding",
        *INVENTION,
        *groups.IDENTITY_EVALUATION,
        *tls.REQUESTOR_EVALUATION,
        ("--ipv4", "--ipv6", "--ip-auto"),
        "--auto-contexts",
        "--max-ops",
        *tls.OWN_REQUESTOR_EVALUATION,
        "--explain",
    ),
)
"""Everything the parser and the help text need to know."""

"""Option groups that several tools share.

Owns their wording, names and ranges. Must not know any one tool; what differs
between tools is an argument.
"""

from __future__ import annotations

from isocenter.cli.spec import VERBOSE_MODE, Group, Option, Value, integer, string

__all__ = [
    "DECOMPRESSION",
    "IDENTITIES",
    "IDENTITY_EVALUATION",
    "MAXIMUM_PDU_LENGTH",
    "MINIMUM_PDU_LENGTH",
    "READ_MODES",
    "TIMEOUT_OPTIONS",
    "acse_timeout",
    "aetitle",
    "connection_timeout",
    "dimse_timeout",
    "explain",
    "file_format_group",
    "general_group",
    "identity_group",
    "ip_protocol_group",
    "max_pdu",
    "max_send_pdu",
    "profile_group",
    "requestor_titles_group",
    "scanning",
    "socket_timeout",
]

MINIMUM_PDU_LENGTH = 4096
MAXIMUM_PDU_LENGTH = 131072

TIMEOUT_OPTIONS = ("--socket-timeout", "--acse-timeout", "--dimse-timeout")
"""The order in which the tools check them."""


IDENTITIES = ("--user", "--kerberos", "--saml", "--jwt")
"""The block of alternatives that say who asks."""

IDENTITY_EVALUATION: tuple[str | tuple[str, ...], ...] = (
    IDENTITIES,
    ("--password", "--empty-password"),
    "--pos-response",
)
"""In which order they are checked."""


DECOMPRESSION = ("--decompress-never", "--decompress-lossless", "--decompress-lossy")
"""The block of alternatives that say what may be decompressed, from nothing to everything."""

READ_MODES = ("--read-file", "--read-file-only", "--read-dataset")
"""The block of alternatives that say what a file may be."""

_VERY_VERBOSE = Option("--very-verbose", "-vv", "report the messages as well")


def general_group(
    *, verbose_pc: bool, very_verbose: bool = False, more: tuple[Option, ...] = ()
) -> Group:
    """Return the general options.

    Args:
        verbose_pc: the tool has `--verbose-pc`.
        very_verbose: it has `--very-verbose`.
        more: options of its own behind them.
    """
    level = (Value("level", "string", shown="string constant"),)
    options: tuple[Option, ...] = (
        Option("--help", "-h", "show this text and exit", exclusive=True),
        Option("--version", "", "show version information and exit", exclusive=True),
        Option("--arguments", "", "show the command line as expanded"),
        Option("--quiet", "-q", "say nothing but fatal errors"),
        Option("--verbose", "-v", "report the steps that are taken"),
        *((_VERY_VERBOSE,) if very_verbose else ()),
        Option("--debug", "-d", "report in all detail, for debugging"),
        Option(
            "--log-level",
            "-ll",
            "report from this level on: fatal, error, warn,\ninfo, debug or trace",
            level,
        ),
        Option(
            "--log-config",
            "-lc",
            "report what this file says, and where it says\n(not with -ll, -v, -d or -q)",
            string("filename"),
        ),
    )
    if verbose_pc:
        options += (
            Option(
                "--verbose-pc",
                "+v",
                "list presentation contexts also in verbose mode",
                requires=(VERBOSE_MODE,),
            ),
        )
    return Group("general options", (*options, *more))


def ip_protocol_group(*, auto: str) -> Group:
    """Return the choice of IP version; `auto` says what the automatic one does."""
    return Group(
        "IP protocol version",
        (
            Option("--ipv4", "-i4", "IPv4 alone (default)", is_default=True),
            Option("--ipv6", "-i6", "IPv6 alone"),
            Option("--ip-auto", "-i0", auto),
        ),
    )


def aetitle(default: str, help_text: str) -> Option:
    """Return `--aetitle`."""
    return Option("--aetitle", "-aet", help_text, string("aetitle"), default=default)


def requestor_titles_group(own: str) -> Group:
    """Return the options for both titles of a requestor; `own` is the default of its own."""
    return Group(
        "application entity titles",
        (
            aetitle(own, "own AE title, the calling one"),
            Option(
                "--call",
                "-aec",
                "AE title by which the peer is called",
                string("aetitle"),
                default="ANY-SCP",
            ),
        ),
    )


def profile_group(conflicts: tuple[str, ...]) -> Group:
    """Return `--config-file`; a profile leaves no room for the options in `conflicts`."""
    return Group(
        "association negotiation profile from configuration file",
        (
            Option(
                "--config-file",
                "-xf",
                "negotiate as this profile of that file says\n"
                "(dcmqrprf.cfg, storescp.cfg and storescu.cfg\nare built in where no file is)",
                (
                    Value("filename", "string", shown="string"),
                    Value("profile", "string", shown="string"),
                ),
                conflicts=conflicts,
            ),
        ),
    )


def identity_group() -> Group:
    """Return the options that say who asks (PS3.7 D.3.3.7), under the names of DCMTK's storescu."""
    return Group(
        "user identity negotiation",
        (
            Option("--user", "-usr", "identify as this user", string("user name")),
            Option(
                "--password",
                "-pwd",
                "identify with this password as well",
                string("password", secret=True),
                requires=("--user",),
            ),
            Option(
                "--empty-password",
                "-epw",
                "identify with an empty password as well",
                requires=("--user",),
            ),
            Option(
                "--kerberos",
                "-kt",
                "identify by the Kerberos ticket in this file",
                string("filename"),
            ),
            Option("--saml", "", "identify by the SAML assertion in this file", string("filename")),
            Option("--jwt", "", "identify by the JSON Web Token in this file", string("filename")),
            Option(
                "--pos-response",
                "-rsp",
                "demand that the peer confirms the identity",
                requires=("--user", "--kerberos", "--saml", "--jwt"),
            ),
        ),
    )


def connection_timeout(*, signed: bool = True) -> Option:
    """Return `--timeout`; `signed` as in `Value`."""
    return Option(
        "--timeout",
        "-to",
        "give up connecting after this time",
        integer("seconds", 1, signed=signed),
        default="unlimited",
    )


def socket_timeout() -> Option:
    """Return `--socket-timeout`; 0 and -1 stand for none."""
    return Option(
        "--socket-timeout",
        "-ts",
        "end the association when nothing moves on its\nconnection for this time (0: never)",
        integer("seconds", -1, signed=True),
        default="60",
    )


def acse_timeout(*, signed: bool = True) -> Option:
    """Return `--acse-timeout`; some tools take no sign in front of the number."""
    return Option(
        "--acse-timeout",
        "-ta",
        "wait this long for association messages",
        integer("seconds", 1, signed=signed),
        default="30",
    )


def dimse_timeout(*, signed: bool = True) -> Option:
    """Return `--dimse-timeout`; some tools take no sign in front of the number."""
    return Option(
        "--dimse-timeout",
        "-td",
        "wait this long for each DIMSE message",
        integer("seconds", 1, signed=signed),
        default="unlimited",
    )


def file_format_group(default: str) -> Group:
    """Return `READ_MODES` of a tool that sends files; `default` is what holds without them."""

    def mode(long: str, short: str, help_text: str) -> Option:
        if long != default:
            return Option(long, short, help_text)
        return Option(long, short, f"{help_text}\n(default)", is_default=True)

    return Group(
        "input file format",
        (
            mode("--read-file", "+f", "files with or without File Meta Information"),
            mode("--read-file-only", "+fo", "only files with File Meta Information"),
            mode("--read-dataset", "-f", "only data sets without File Meta Information"),
        ),
    )


def scanning() -> tuple[Option, ...]:
    """Return the options that say which files of directories are sent."""
    return (
        Option("--scan-directories", "+sd", "take the files of directories (dcmfile-in)"),
        Option(
            "--scan-pattern",
            "+sp",
            "of these, only files whose name matches\n(wildcards * ? [])",
            string("pattern"),
            requires=("--scan-directories",),
        ),
        Option(
            "--no-recurse",
            "-r",
            "leave out what is in subdirectories (default)",
            is_default=True,
        ),
        Option(
            "--recurse",
            "+r",
            "go into subdirectories as well",
            requires=("--scan-directories",),
        ),
    )


def explain() -> Option:
    """Return `--explain`, which is ours."""
    return Option(
        "--explain",
        "",
        "say in plain words why an association, a\ncontext or a transfer failed",
    )


def max_pdu(default: str = "16384") -> Option:
    """Return `--max-pdu`; `default` is what holds without it."""
    return Option(
        "--max-pdu",
        "-pdu",
        "announce this length of PDU as the largest\nto be received",
        integer("number of bytes", MINIMUM_PDU_LENGTH, MAXIMUM_PDU_LENGTH),
        default=default,
    )


def max_send_pdu() -> Option:
    """Return `--max-send-pdu`."""
    return Option(
        "--max-send-pdu",
        "",
        "send no PDU longer than this, whatever\nthe peer accepts",
        integer("number of bytes", MINIMUM_PDU_LENGTH, MAXIMUM_PDU_LENGTH),
    )

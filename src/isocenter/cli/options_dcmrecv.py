"""The command line of dcmrecv, as data."""

from __future__ import annotations

from isocenter.cli import groups
from isocenter.cli import options_output as output
from isocenter.cli import options_receiver as receiver
from isocenter.cli import options_tls as tls
from isocenter.cli.spec import LOGGING, PARAMETERS, Group, Option, Parameter, Tool, string

__all__ = ["FILE_NAMES", "STORAGE_MODES", "TOOL"]

_NETWORK = Group(
    "network options",
    subgroups=(
        groups.ip_protocol_group(auto="IPv6 and IPv4 on one socket"),
        groups.profile_group(()),
        Group(
            "application entity title",
            (
                Option(
                    "--use-called-aetitle",
                    "-uca",
                    "answer by whatever AE title is called (default)",
                    is_default=True,
                ),
                Option(
                    "--aetitle",
                    "-aet",
                    "own AE title; a peer that calls another one\nis rejected",
                    string("aetitle"),
                ),
            ),
        ),
        Group(
            "other network options",
            (
                groups.acse_timeout(signed=False),
                groups.dimse_timeout(signed=False),
                groups.max_pdu(),
                Option(
                    "--disable-host-lookup",
                    "-dhl",
                    "show addresses, look up no names",
                ),
            ),
        ),
    ),
)

STORAGE_MODES = ("--normal", "--bit-preserving", "--ignore")
"""The block of alternatives for what becomes of an object."""

FILE_NAMES = (
    "--default-filenames",
    "--unique-filenames",
    "--short-unique-names",
    "--system-time-names",
)
"""The block of alternatives for how files are called."""

_FOLDERS = ("--no-subdir", "--series-date-subdir")

_OUTPUT = Group(
    "output options",
    subgroups=(
        output.directory_group(),
        Group(
            "subdirectory generation",
            (
                Option(
                    "--no-subdir",
                    "-s",
                    "all files into the output directory (default)",
                    is_default=True,
                ),
                Option(
                    "--series-date-subdir",
                    "+ssd",
                    "into data/YEAR/MONTH/DAY by the Series Date,\n"
                    "into undef/YEARMONTHDAY of today without one",
                ),
            ),
        ),
        Group(
            "filename generation",
            (
                Option(
                    "--default-filenames",
                    "+fd",
                    "name files after the SOP Instance UID (default)",
                    is_default=True,
                ),
                Option(
                    "--unique-filenames",
                    "+fu",
                    "name each file after a UID of its own",
                ),
                Option(
                    "--short-unique-names",
                    "+fsu",
                    "name each file by 16 hexadecimal digits of\nits own",
                ),
                Option(
                    "--system-time-names",
                    "+fst",
                    "name files after the time of their creation",
                ),
                Option(
                    "--filename-extension",
                    "-fe",
                    "end every file name with this (it needs its\nown dot)",
                    string("extension"),
                    default="none",
                ),
            ),
        ),
        Group(
            "storage mode",
            (
                Option(
                    "--normal",
                    "-B",
                    "write data sets with file meta information that\nfits them, "
                    "lengths as received (default)",
                    is_default=True,
                ),
                Option(
                    "--bit-preserving",
                    "+B",
                    "write each data set as it came, byte for byte",
                    conflicts=("--series-date-subdir",),
                ),
                Option("--ignore", "", "receive objects and forget them"),
            ),
        ),
    ),
)

TOOL = Tool(
    "dcmrecv",
    "Simple DICOM storage SCP (receiver)",
    parameters=(Parameter("port", "TCP port to listen on", minimum=1, maximum=65535),),
    groups=(
        groups.general_group(verbose_pc=True),
        _NETWORK,
        tls.ACCEPTOR_GROUP,
        _OUTPUT,
        Group(
            "isocenter options",
            (
                *receiver.serving(),
                *receiver.KEEPING,
                *tls.OWN_ACCEPTOR,
                groups.explain(),
            ),
            subgroups=(receiver.ACCESS,),
        ),
    ),
    evaluation=(
        LOGGING,
        "--verbose-pc",
        ("--ipv4", "--ipv6", "--ip-auto"),
        "--config-file",
        ("--aetitle", "--use-called-aetitle"),
        "--acse-timeout",
        "--dimse-timeout",
        "--max-pdu",
        _FOLDERS,
        FILE_NAMES,
        STORAGE_MODES,
        PARAMETERS,
        *tls.ACCEPTOR_EVALUATION,
        *receiver.KEEPING_EVALUATION,
        *receiver.ADMISSION_EVALUATION,
        *receiver.SERVING_EVALUATION,
        *tls.OWN_ACCEPTOR_EVALUATION,
        "--explain",
    ),
)
"""Everything the parser and the help text need to know."""

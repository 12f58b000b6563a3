"""The command line of storescp, as data."""

from __future__ import annotations

from isocenter.cli import groups
from isocenter.cli import options_output as output
from isocenter.cli import options_receiver as receiver
from isocenter.cli import options_syntaxes as syntaxes
from isocenter.cli import options_tls as tls
from isocenter.cli.spec import (
    LOGGING,
    PARAMETERS,
    Group,
    Option,
    Parameter,
    Tool,
    integer,
    string,
)

__all__ = ["PREFERENCES", "SORTING", "TOOL"]

PREFERENCES = tuple(option.long for option in syntaxes.PREFERENCE_OPTIONS)
"""The block of alternatives that choose which proposed transfer syntax wins."""

_PROCESSES = Group(
    "multi-process options",
    (
        Option("--single-process", "", "serve from this process alone (default)", is_default=True),
        Option("--fork", "", "give each association a child process"),
        Option(
            "--max-associations",
            "",
            "serve at most that many at a time",
            integer("max", 1),
            default="unlimited",
            requires=("--fork",),
        ),
    ),
)

_NETWORK = Group(
    "network options",
    subgroups=(
        groups.ip_protocol_group(auto="IPv6 and IPv4 on one socket"),
        groups.profile_group((*PREFERENCES[1:], "--promiscuous")),
        Group("preferred network transfer syntaxes", syntaxes.PREFERENCE_OPTIONS),
        receiver.HOST_ACCESS,
        Group(
            "other network options",
            (
                Option(
                    "--inetd",
                    "-id",
                    "serve the one connection that a super-server\nhands over as standard input; "
                    "its log goes\nonly where -lc sends it",
                    conflicts=("--fork",),
                ),
                groups.socket_timeout(),
                groups.acse_timeout(),
                groups.dimse_timeout(),
                groups.aetitle(
                    "STORESCP",
                    "own AE title; others are served as well, and\n-v tells of them",
                ),
                groups.max_pdu(),
                Option(
                    "--disable-host-lookup",
                    "-dhl",
                    "show and pass on addresses, look up no names",
                ),
                Option("--refuse", "", "reject every association"),
                Option("--reject", "", "reject a peer that names no implementation\nclass UID"),
                Option("--ignore", "", "receive objects and forget them"),
                Option(
                    "--sleep-after",
                    "",
                    "pause that long after each object",
                    integer("seconds", 0),
                    default="0",
                ),
                Option(
                    "--sleep-during",
                    "",
                    "pause that long while an object arrives",
                    integer("seconds", 0),
                    default="0",
                ),
                Option(
                    "--abort-after",
                    "",
                    "abort when the first object is complete,\ninstead of answering",
                ),
                Option("--abort-during", "", "abort while the first object arrives"),
                Option("--promiscuous", "-pm", "accept also SOP classes that are not known"),
                Option("--uid-padding", "-up", "correct blanks in UIDs without a warning"),
            ),
        ),
    ),
)

_OUTPUT = Group(
    "output options",
    subgroups=(
        output.directory_group(),
        output.mode_group(),
        output.file_format_group(),
        output.write_syntax_group(output.COMPRESSED_PREFERENCES),
        output.new_vr_group(),
        output.group_length_group(),
        output.length_group(),
        output.padding_group(),
        output.unknown_vr_group(),
        output.compression_group(
            ("--write-xfer-deflated", "--write-xfer-same"),
            "not with --write-xfer-little/big/implicit",
        ),
        Group(
            "sorting into subdirectories",
            (
                Option(
                    "--sort-conc-studies",
                    "-ss",
                    "a folder for each study, called after this\nand the time",
                    string("prefix"),
                    conflicts=("--bit-preserving",),
                ),
                Option(
                    "--sort-on-study-uid",
                    "-su",
                    "a folder for each study, called after this\nand the Study Instance UID",
                    string("prefix"),
                    conflicts=("--bit-preserving",),
                ),
                Option(
                    "--sort-on-patientname",
                    "-sp",
                    "a folder for each study, called after the\npatient and the time",
                    conflicts=("--bit-preserving",),
                ),
            ),
            note="not with --bit-preserving",
        ),
        Group(
            "filename generation",
            (
                Option(
                    "--default-filenames",
                    "-uf",
                    "name files after the SOP Instance UID (default)",
                    is_default=True,
                ),
                Option(
                    "--unique-filenames",
                    "+uf",
                    "name each file after a UID of its own",
                ),
                Option(
                    "--timenames",
                    "-tn",
                    "name files after the time of their creation",
                    conflicts=("--unique-filenames",),
                ),
                Option(
                    "--filename-extension",
                    "-fe",
                    "end every file name with this (it needs its\nown dot)",
                    string("extension"),
                ),
            ),
        ),
    ),
)

SORTING = ("--sort-conc-studies", "--sort-on-study-uid", "--sort-on-patientname")
"""The block of alternatives that sort objects into folders."""

_EVENTS = Group(
    "event options",
    (
        Option(
            "--exec-on-reception",
            "-xcr",
            "run this command after each object; #p is its\n"
            "folder, #f its file, #a the calling and #c the\n"
            "called AE title, #r the host of the sender",
            string("command"),
        ),
        Option(
            "--exec-on-eostudy",
            "-xcs",
            "run this command after each study, with #p,\n#a, #c and #r",
            string("command"),
            conflicts=("--fork", "--inetd"),
            requires=SORTING,
        ),
        Option(
            "--rename-on-eostudy",
            "-rns",
            "number the files of each study at its end, no\nother file is ever overwritten",
            conflicts=("--fork", "--inetd"),
            requires=SORTING,
        ),
        Option(
            "--eostudy-timeout",
            "-tos",
            "a study also ends when no object of it came\nfor so long; 0: each object is one",
            integer("timeout", 0, signed=True),
            requires=(*SORTING, "--exec-on-eostudy", "--rename-on-eostudy"),
        ),
        Option("--exec-sync", "-xs", "wait for each command to end"),
    ),
)

_OWN = Group(
    "isocenter options",
    (
        *receiver.serving(not_forked=("--fork", "--inetd"), by_itself=("--inetd",)),
        Option(
            "--log-patient-data",
            "",
            "call folders in the log by their names; else\n"
            "those of patients stay out above debug level",
            requires=("--sort-on-patientname",),
        ),
        *receiver.KEEPING,
        Option(
            "--exec-argv",
            "",
            "run the commands of events without a shell:\n"
            "cut into arguments at blanks outside quotes\n"
            "before anything is filled in",
            requires=("--exec-on-reception", "--exec-on-eostudy"),
        ),
        *tls.OWN_ACCEPTOR,
        groups.explain(),
    ),
    subgroups=(receiver.ACCESS,),
)

TOOL = Tool(
    "storescp",
    "DICOM storage (C-STORE) SCP",
    parameters=(
        Parameter("port", "TCP port to listen on", optional=True, minimum=1, maximum=65535),
    ),
    groups=(
        groups.general_group(verbose_pc=True),
        _PROCESSES,
        _NETWORK,
        tls.ACCEPTOR_GROUP,
        _OUTPUT,
        _EVENTS,
        _OWN,
    ),
    evaluation=(
        "--inetd",
        ("--single-process", "--fork"),
        "--max-associations",
        PARAMETERS,
        LOGGING,
        "--verbose-pc",
        PREFERENCES,
        *groups.TIMEOUT_OPTIONS,
        "--max-pdu",
        "--sleep-after",
        "--sleep-during",
        ("--ipv4", "--ipv6", "--ip-auto"),
        "--config-file",
        ("--access-full", "--access-control"),
        *output.FORMAT_EVALUATION,
        SORTING,
        ("--default-filenames", "--unique-filenames"),
        "--timenames",
        "--exec-on-reception",
        "--exec-on-eostudy",
        "--rename-on-eostudy",
        "--eostudy-timeout",
        "--exec-sync",
        *tls.ACCEPTOR_EVALUATION,
        *receiver.KEEPING_EVALUATION,
        "--exec-argv",
        *receiver.ADMISSION_EVALUATION,
        *receiver.SERVING_EVALUATION,
        "--log-patient-data",
        *tls.OWN_ACCEPTOR_EVALUATION,
        "--explain",
    ),
    required_unless=(("port", ("--inetd",)),),
)
"""Everything the parser and the help text need to know."""

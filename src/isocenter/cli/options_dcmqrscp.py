"""The command line of dcmqrscp, as data."""

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
    Value,
    integer,
    string,
)

__all__ = ["CHARSETS", "DESTINATIONS", "PREFERENCES", "PROPOSALS", "TOOL", "node_tool"]

_PREFERENCES = tuple(
    option for option in syntaxes.PREFERENCE_OPTIONS if option.long != "--accept-all"
)

PREFERENCES = tuple(option.long for option in _PREFERENCES)
"""The block of alternatives that choose which proposed transfer syntax wins."""

PROPOSALS = tuple(option.long for option in syntaxes.PROPOSAL_OPTIONS)
"""The block of alternatives that choose what is proposed to destinations."""

DESTINATIONS = ("--move-unrestricted", "--move-aetitle", "--move-host", "--move-vendor")
"""The block of alternatives that say where objects may be moved to."""

CHARSETS = (
    "--convert-to-ascii",
    "--convert-to-utf8",
    "--convert-to-latin1",
    "--convert-to-charset",
)
"""The block of alternatives for the character set that responses are converted to."""

_PROCESSES = Group(
    "multi-process options",
    (
        Option("--single-process", "-s", "serve from this process alone"),
        Option("--fork", "", "give each association a child process (default)", is_default=True),
    ),
)

_DATABASE = Group(
    "database options",
    subgroups=(
        Group(
            "association negotiation",
            (
                Option(
                    "--require-find",
                    "",
                    "reject MOVE and GET contexts where no FIND\ncontext of the model is proposed",
                ),
                Option(
                    "--no-parallel-store",
                    "",
                    "reject storage contexts while some association\nhas them for the same title",
                ),
                Option("--disable-get", "", "do not serve C-GET"),
                Option(
                    "--allow-shutdown",
                    "",
                    "end when a peer proposes DCMTK's private SOP\nclass for that",
                ),
            ),
        ),
        Group(
            "checking identifier validity",
            (
                Option("--check-find", "-XF", "refuse C-FIND identifiers that break a rule"),
                Option("--no-check-find", "", "serve them as far as they go (default)"),
                Option("--check-move", "-XM", "refuse C-MOVE and C-GET identifiers that do"),
                Option("--no-check-move", "", "serve them as far as they go (default)"),
            ),
        ),
        Group(
            "restriction of move targets",
            (
                Option(
                    "--move-unrestricted",
                    "",
                    "move objects to every destination that is known\n(default)",
                    is_default=True,
                ),
                Option("--move-aetitle", "-ZA", "only to the AE title that asks for it"),
                Option("--move-host", "-ZH", "only to the host that asks for it"),
                Option("--move-vendor", "-ZV", "only to peers of the vendor that asks for it"),
            ),
        ),
        Group(
            "restriction of query/retrieve models",
            (
                Option("--no-patient-root", "-QP", "do not serve the Patient Root models"),
                Option("--no-study-root", "-QS", "do not serve the Study Root models"),
                Option("--no-patient-study", "-QO", "do not serve the Patient/Study Only models"),
            ),
        ),
    ),
)

_NETWORK = Group(
    "network options",
    subgroups=(
        groups.ip_protocol_group(auto="IPv6 and IPv4 on one socket"),
        Group(
            "association negotiation profiles from configuration file",
            (
                Option(
                    "--assoc-config-file",
                    "-xf",
                    "negotiate incoming and outgoing associations\nas these profiles of that file "
                    "say",
                    (
                        Value("filename", "string", shown="string"),
                        Value("in-prof", "string", shown="string"),
                        Value("out-prof", "string", shown="string"),
                    ),
                    conflicts=(*PREFERENCES[1:], *PROPOSALS[1:]),
                ),
            ),
        ),
        Group("preferred network transfer syntaxes", _PREFERENCES),
        Group("proposed transmission transfer syntaxes", syntaxes.PROPOSAL_OPTIONS),
        receiver.HOST_ACCESS,
        Group(
            "other network options",
            (
                groups.connection_timeout(),
                groups.acse_timeout(),
                groups.dimse_timeout(),
                groups.max_pdu("use value from configuration file"),
                Option(
                    "--disable-host-lookup",
                    "-dhl",
                    "show and compare addresses, look up no names",
                ),
                Option("--refuse", "", "reject every association"),
                Option("--reject", "", "reject a peer that names no implementation\nclass UID"),
                Option("--ignore", "", "receive objects and forget them"),
                Option("--uid-padding", "-up", "correct blanks in UIDs without a warning"),
            ),
        ),
    ),
)

_PROCESSING = Group(
    "processing options",
    subgroups=(
        Group(
            "specific character set",
            (
                Option(
                    "--use-request-charset",
                    "+Cr",
                    "answer in the character set of the request,\nelse in that of "
                    "--convert-to-xxx (default)",
                ),
                Option("--override-charset", "-Cr", "answer in that of --convert-to-xxx always"),
                Option("--convert-to-ascii", "+A7", "answer in 7-bit ASCII (default)"),
                Option("--convert-to-utf8", "+U8", "answer in UTF-8"),
                Option("--convert-to-latin1", "+L1", "answer in ISO 8859-1"),
                Option(
                    "--convert-to-charset",
                    "+C",
                    "answer in this Specific Character Set",
                    string("charset"),
                ),
                Option("--transliterate", "-Ct", "replace characters that it lacks by like ones"),
                Option("--discard-illegal", "-Cd", "leave characters out that it lacks"),
            ),
        ),
    ),
)

_OUTPUT = Group(
    "output options",
    subgroups=(
        output.mode_group(),
        output.file_format_group(),
        output.write_syntax_group(
            tuple(name for name in output.COMPRESSED_PREFERENCES if name != "--accept-all")
        ),
        output.new_vr_group(),
        output.group_length_group(),
        output.length_group(),
        output.padding_group(),
        output.compression_group(
            ("--write-xfer-deflated", "--write-xfer-same"),
            "not with --write-xfer-little/big/implicit",
        ),
    ),
)

_OWN = (
    *receiver.serving(not_forked=("--single-process",)),
    Option(
        "--no-durable",
        "",
        "answer success before object and index are\nforced onto the disk, for test nodes",
        conflicts=("--ignore",),
    ),
    Option(
        "--min-free",
        "",
        "refuse objects (A700) while less would be free\non the disk",
        integer("mebibytes", 0),
        default="0",
        conflicts=("--ignore",),
    ),
    *tls.OWN_BOTH,
    groups.explain(),
)


def node_tool(
    name: str,
    description: str,
    *,
    parameters: tuple[Parameter, ...],
    general: tuple[Option, ...] = (),
    own: tuple[Option, ...] = (),
    command: str = "",
) -> Tool:
    """Return the command line of a tool that runs an archive node.

    Args:
        name: of the tool.
        description: one line.
        parameters: in order.
        general: its general options, besides those of all tools.
        own: its isocenter options, besides those of all nodes.
        command: what is typed to start it, "" for its name.
    """
    return Tool(
        name,
        description,
        command=command,
        parameters=parameters,
        groups=(
            groups.general_group(verbose_pc=False, very_verbose=True, more=general),
            _PROCESSES,
            _DATABASE,
            _NETWORK,
            _PROCESSING,
            tls.BOTH_GROUP,
            _OUTPUT,
            Group("isocenter options", (*own, *_OWN), subgroups=(receiver.ACCESS,)),
        ),
        evaluation=(
            PARAMETERS,
            LOGGING,
            *(option.long for option in general),
            ("--single-process", "--fork"),
            ("--check-find", "--no-check-find"),
            ("--check-move", "--no-check-move"),
            DESTINATIONS,
            PREFERENCES,
            PROPOSALS,
            ("--access-full", "--access-control"),
            "--timeout",
            "--acse-timeout",
            "--dimse-timeout",
            "--max-pdu",
            ("--ipv4", "--ipv6", "--ip-auto"),
            "--assoc-config-file",
            *output.FORMAT_EVALUATION[:-2],
            "--compression-level",
            ("--use-request-charset", "--override-charset"),
            CHARSETS,
            *tls.BOTH_EVALUATION,
            *(option.long for option in own),
            *receiver.ADMISSION_EVALUATION,
            *receiver.SERVING_EVALUATION,
            "--no-durable",
            "--min-free",
            *tls.OWN_REQUESTOR_EVALUATION,
            "--explain",
        ),
    )


TOOL = node_tool(
    "dcmqrscp",
    "DICOM image archive",
    parameters=(
        Parameter(
            "port",
            "TCP port to listen on (default: in the file)",
            optional=True,
            minimum=1,
            maximum=65535,
        ),
    ),
    general=(
        Option(
            "--config",
            "-c",
            "titles, storage areas and peers are as this\nfile says",
            string("filename"),
            default="dcmqrscp.cfg",
        ),
    ),
)
"""Everything the parser and the help text need to know."""

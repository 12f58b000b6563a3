"""The command line of movescu, as data."""

from __future__ import annotations

from isocenter.cli import groups
from isocenter.cli import options_output as output
from isocenter.cli import options_query as query
from isocenter.cli import options_receiver as receiver
from isocenter.cli import options_tls as tls
from isocenter.cli.spec import LOGGING, PARAMETERS, Group, Option, Tool, integer, string

__all__ = ["PREFERENCES", "TOOL"]

PREFERENCES = query.PREFERENCES
"""The block of alternatives that choose how objects are received."""

_TITLES = groups.requestor_titles_group("MOVESCU")

_NETWORK = Group(
    "network options",
    subgroups=(
        groups.ip_protocol_group(auto="whichever the name service offers; with -P\nboth"),
        query.keys_group(paths=False),
        query.models_group("query information model"),
        Group(
            _TITLES.name,
            (
                *_TITLES.options,
                Option(
                    "--move",
                    "-aem",
                    "AE title that the objects are sent to; without\nthis option the own one",
                    string("aetitle"),
                    default="MOVESCU",
                ),
            ),
        ),
        query.preferences_group("preferred network transfer syntaxes", accept_all=True),
        query.proposals_group("proposed transmission transfer syntaxes"),
        Group(
            "port for incoming network associations",
            (
                Option(
                    "--no-port",
                    "",
                    "receive nothing: somebody else does (default)",
                    is_default=True,
                ),
                Option("--port", "+P", "receive on this port", integer("number", 1, 65535)),
            ),
        ),
        Group(
            "handling of illegal datasets following 'pending' move responses",
            (
                Option(
                    "--pending-ignore",
                    "-pi",
                    "believe that there is none, whatever a response\nsays (default)",
                    is_default=True,
                ),
                Option("--pending-read", "-pr", "read it and forget it"),
            ),
        ),
        Group(
            "other network options",
            (
                groups.connection_timeout(),
                groups.acse_timeout(),
                groups.dimse_timeout(),
                groups.max_pdu(),
                Option(
                    "--disable-host-lookup",
                    "-dhl",
                    "show addresses, look up no names",
                ),
                Option(
                    "--repeat",
                    "",
                    "send each request that many times",
                    integer("number", 1),
                ),
                query.abort(),
                Option("--ignore", "", "receive objects and forget them"),
                Option(
                    "--cancel",
                    "",
                    "cancel each request behind so many responses",
                    integer("number", 0, signed=True),
                    default="never",
                ),
                Option("--uid-padding", "-up", "correct blanks in UIDs without a warning"),
            ),
        ),
    ),
)

_DIRECTORY = output.directory_group().options[0]

_OUTPUT = Group(
    "output options",
    subgroups=(
        Group(
            "general",
            (
                Option(
                    _DIRECTORY.long,
                    _DIRECTORY.short,
                    _DIRECTORY.help_text,
                    _DIRECTORY.values,
                    default=_DIRECTORY.default,
                    requires=("--port",),
                ),
            ),
        ),
        output.mode_group(),
        output.file_format_group(),
        output.write_syntax_group(output.COMPRESSED_PREFERENCES),
        output.new_vr_group(),
        output.group_length_group(),
        output.length_group(),
        output.padding_group(),
        output.compression_group(
            ("--propose-deflated", "--write-xfer-deflated", "--write-xfer-same"),
            "only with -xd or --write-xfer-deflated/same",
        ),
    ),
)

TOOL = Tool(
    "movescu",
    "DICOM retrieve (C-MOVE) SCU",
    parameters=query.PARAMETERS_OF_QUERIES,
    groups=(
        groups.general_group(verbose_pc=False),
        _NETWORK,
        tls.BOTH_GROUP,
        _OUTPUT,
        Group(
            "isocenter options",
            (*receiver.KEEPING, *tls.OWN_BOTH, groups.explain()),
            subgroups=(query.OWN_IDENTITY,),
        ),
    ),
    evaluation=(
        PARAMETERS,
        LOGGING,
        query.MODELS,
        PREFERENCES,
        query.PROPOSALS,
        ("--ipv4", "--ipv6", "--ip-auto"),
        "--timeout",
        "--acse-timeout",
        "--dimse-timeout",
        ("--port", "--no-port"),
        ("--pending-ignore", "--pending-read"),
        "--max-pdu",
        "--repeat",
        "--cancel",
        *tls.BOTH_EVALUATION,
        "--output-directory",
        ("--normal", "--bit-preserving"),
        ("--write-file", "--write-dataset"),
        output.WRITE_SYNTAXES,
        ("--enable-new-vr", "--disable-new-vr"),
        ("--group-length-recalc", "--group-length-create", "--group-length-remove"),
        ("--length-explicit", "--length-undefined"),
        ("--padding-off", "--padding-create"),
        "--compression-level",
        *receiver.KEEPING_EVALUATION,
        *groups.IDENTITY_EVALUATION,
        *tls.OWN_REQUESTOR_EVALUATION,
        "--explain",
    ),
)
"""Everything the parser and the help text need to know."""

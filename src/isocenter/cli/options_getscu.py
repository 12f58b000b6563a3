"""The command line of getscu, as data."""

from __future__ import annotations

from isocenter.cli import groups
from isocenter.cli import options_output as output
from isocenter.cli import options_query as query
from isocenter.cli import options_receiver as receiver
from isocenter.cli import options_tls as tls
from isocenter.cli.spec import LOGGING, PARAMETERS, Group, Option, Tool, integer

__all__ = ["PREFERENCES", "STORAGE_MODES", "TOOL"]

PREFERENCES = query.PREFERENCES[:-1]
"""The block of alternatives that choose how objects are received."""

STORAGE_MODES = ("--bit-preserving", "--normal")
"""The block of alternatives for how objects are written, in DCMTK's order."""

_NETWORK = Group(
    "network options",
    subgroups=(
        query.keys_group(paths=True),
        query.models_group("retrieve information model"),
        groups.ip_protocol_group(auto="whichever the name service offers"),
        groups.requestor_titles_group("GETSCU"),
        query.preferences_group("preferred storage transfer syntaxes", accept_all=False),
        query.proposals_group("proposed retrieve transfer syntaxes"),
        Group(
            "other network options",
            (
                groups.connection_timeout(),
                groups.acse_timeout(),
                groups.dimse_timeout(),
                groups.max_pdu(),
                Option(
                    "--repeat",
                    "",
                    "retrieve that many times in one association",
                    integer("number", 1),
                ),
                query.abort(),
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
                    conflicts=("--ignore",),
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
                    conflicts=("--ignore",),
                ),
                Option(
                    "--bit-preserving",
                    "+B",
                    "write each data set as it came, byte for byte,\ninto a file called after "
                    "the SOP instance alone",
                    conflicts=("--ignore",),
                ),
                Option("--ignore", "", "receive objects and forget them"),
            ),
        ),
    ),
)

TOOL = Tool(
    "getscu",
    "DICOM retrieve (C-GET) SCU",
    parameters=query.PARAMETERS_OF_QUERIES,
    groups=(
        groups.general_group(verbose_pc=True),
        _NETWORK,
        tls.REQUESTOR_GROUP,
        _OUTPUT,
        Group(
            "isocenter options",
            (*receiver.KEEPING, *tls.OWN_REQUESTOR, groups.explain()),
            subgroups=(query.OWN_IDENTITY,),
        ),
    ),
    evaluation=(
        LOGGING,
        "--verbose-pc",
        query.MODELS,
        PREFERENCES,
        query.PROPOSALS,
        "--timeout",
        "--acse-timeout",
        "--dimse-timeout",
        "--max-pdu",
        "--repeat",
        ("--ipv4", "--ipv6", "--ip-auto"),
        *tls.REQUESTOR_EVALUATION,
        "--output-directory",
        STORAGE_MODES,
        PARAMETERS,
        *receiver.KEEPING_EVALUATION,
        *groups.IDENTITY_EVALUATION,
        *tls.OWN_REQUESTOR_EVALUATION,
        "--explain",
    ),
)
"""Everything the parser and the help text need to know."""

"""The command line of findscu, as data."""

from __future__ import annotations

from isocenter.cli import groups
from isocenter.cli import options_query as query
from isocenter.cli import options_tls as tls
from isocenter.cli.spec import LOGGING, PARAMETERS, Group, Option, Tool, integer, string

__all__ = ["EXTRACTS", "MODELS", "TOOL"]

_EXTRACTS = (
    Option("--extract", "-X", "write each response to a DICOM file\n(rsp0001.dcm and so on)"),
    Option("--extract-xml", "-Xx", "write each response to an XML file\n(rsp0001.xml and so on)"),
    Option(
        "--extract-xml-single",
        "-Xs",
        "write all responses to this one XML file",
        string("filename"),
    ),
)

EXTRACTS = tuple(option.long for option in _EXTRACTS)
"""The block of alternatives that say what is written."""

_MODELS = (
    Option("--worklist", "-W", "Modality Worklist (default)"),
    Option("--patient", "-P", "Patient Root"),
    Option("--study", "-S", "Study Root"),
    Option("--psonly", "-O", "Patient/Study Only"),
)

MODELS = tuple(option.long for option in _MODELS)
"""The block of alternatives that choose the information model."""

_NETWORK = Group(
    "network options",
    subgroups=(
        query.keys_group(paths=True),
        Group("query information model", _MODELS),
        groups.ip_protocol_group(auto="whichever the name service offers"),
        groups.requestor_titles_group("FINDSCU"),
        Group(
            "post-1993 value representations",
            (
                Option("--enable-new-vr", "+u", "write them (default)", is_default=True),
                Option("--disable-new-vr", "-u", "write UN, UT and later ones as OB"),
            ),
        ),
        query.proposals_group("proposed transmission transfer syntaxes"),
        Group(
            "deflate compression level",
            (
                Option(
                    "--compression-level",
                    "+cl",
                    "0=uncompressed, 1=fastest, 9=best compression",
                    integer("level", 0, 9),
                    default="6",
                    requires=("--propose-deflated",),
                ),
            ),
            note="only with --propose-deflated",
        ),
        Group(
            "other network options",
            (
                groups.connection_timeout(),
                groups.socket_timeout(),
                groups.acse_timeout(),
                groups.dimse_timeout(),
                groups.max_pdu(),
                Option(
                    "--repeat",
                    "",
                    "ask each question that many times",
                    integer("number", 1),
                ),
                query.abort(),
                Option(
                    "--cancel",
                    "",
                    "cancel after that many responses",
                    integer("number", 0, signed=True),
                    default="never",
                ),
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
                    "--output-directory",
                    "-od",
                    "write files to this directory, which exists",
                    string("directory"),
                    default=".",
                ),
            ),
        ),
        Group(
            "automatic data correction",
            (
                Option("--enable-correction", "+dc", "show values without their padding"),
                Option(
                    "--disable-correction",
                    "-dc",
                    "show values as they came (default)",
                    is_default=True,
                ),
            ),
        ),
        Group(
            "C-FIND responses",
            (
                Option("--show-responses", "+sr", "report responses in any case"),
                Option("--hide-responses", "-sr", "report no responses"),
                *_EXTRACTS,
                Option(
                    "--limit-output",
                    "-Xlo",
                    "write that many responses to files at most",
                    integer("number", 1),
                    default="unlimited",
                    requires=EXTRACTS,
                ),
            ),
        ),
    ),
)

_OWN = Group(
    "isocenter options",
    (
        Option(
            "--json",
            "",
            "print each response on a line of stdout, in the\nDICOM JSON model, and not in the log",
        ),
        *tls.OWN_REQUESTOR,
        groups.explain(),
    ),
    subgroups=(query.OWN_IDENTITY,),
)

TOOL = Tool(
    "findscu",
    "DICOM query (C-FIND) SCU",
    parameters=query.PARAMETERS_OF_QUERIES,
    groups=(
        groups.general_group(verbose_pc=False),
        _NETWORK,
        tls.REQUESTOR_GROUP,
        _OUTPUT,
        _OWN,
    ),
    evaluation=(
        PARAMETERS,
        LOGGING,
        "--key",
        MODELS,
        ("--ipv4", "--ipv6", "--ip-auto"),
        query.PROPOSALS,
        "--compression-level",
        ("--enable-new-vr", "--disable-new-vr"),
        "--timeout",
        *groups.TIMEOUT_OPTIONS,
        "--max-pdu",
        "--repeat",
        "--cancel",
        ("--enable-correction", "--disable-correction"),
        ("--show-responses", "--hide-responses"),
        EXTRACTS,
        "--limit-output",
        *groups.IDENTITY_EVALUATION,
        *tls.REQUESTOR_EVALUATION,
        *tls.OWN_REQUESTOR_EVALUATION,
        "--explain",
        "--json",
    ),
)
"""Everything the parser and the help text need to know."""

"""The command line of echoscu, as data."""

from __future__ import annotations

from isocenter.cli import groups
from isocenter.cli import options_tls as tls
from isocenter.cli.spec import LOGGING, PARAMETERS, Group, Option, Parameter, Tool, integer

__all__ = ["MAXIMUM_TRANSFER_SYNTAXES", "TOOL"]

MAXIMUM_TRANSFER_SYNTAXES = 53
"""How many transfer syntaxes the fixed list of echoscu has."""

TOOL = Tool(
    "echoscu",
    "DICOM verification (C-ECHO) SCU",
    parameters=(
        Parameter("peer", "host name or address of the peer"),
        Parameter("port", "TCP port of the peer", minimum=1, maximum=65535),
    ),
    groups=(
        groups.general_group(verbose_pc=False),
        Group(
            "network options",
            subgroups=(
                groups.ip_protocol_group(auto="whichever the name service offers"),
                groups.requestor_titles_group("ECHOSCU"),
                Group(
                    "association negotiation debugging",
                    (
                        Option(
                            "--propose-ts",
                            "-pts",
                            "propose that many transfer syntaxes",
                            integer("number", 1, MAXIMUM_TRANSFER_SYNTAXES),
                        ),
                        Option(
                            "--propose-pc",
                            "-ppc",
                            "propose that many presentation contexts",
                            integer("number", 1, 128),
                        ),
                    ),
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
                            "echo that many times in one association",
                            integer("number", 1),
                        ),
                        Option("--abort", "", "end with an abort instead of a release"),
                    ),
                ),
            ),
        ),
        tls.requestor_group_with(tls.verify_certificates()),
        Group("isocenter options", (*tls.OWN_REQUESTOR, groups.explain())),
    ),
    evaluation=(
        PARAMETERS,
        LOGGING,
        "--timeout",
        *groups.TIMEOUT_OPTIONS,
        "--max-pdu",
        "--repeat",
        "--propose-ts",
        "--propose-pc",
        *tls.REQUESTOR_EVALUATION,
        ("--ipv4", "--ipv6", "--ip-auto"),
        *tls.OFFLINE_EVALUATION,
        *tls.OWN_REQUESTOR_EVALUATION,
        "--explain",
    ),
)
"""Everything the parser and the help text need to know."""

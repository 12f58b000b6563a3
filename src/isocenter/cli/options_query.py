"""Options that the query and retrieve requestors share, as data: findscu, movescu, getscu.

Owns their names and wording. Must not know any one tool, nor what keys mean (`cli.keys`).
"""

from __future__ import annotations

from isocenter.cli import groups
from isocenter.cli.options_syntaxes import PREFERENCE_OPTIONS, PROPOSAL_OPTIONS
from isocenter.cli.spec import Group, Option, Parameter, string

__all__ = [
    "MODELS",
    "OWN_IDENTITY",
    "PARAMETERS_OF_QUERIES",
    "PREFERENCES",
    "PROPOSALS",
    "abort",
    "keys_group",
    "models_group",
    "preferences_group",
    "proposals_group",
]

PARAMETERS_OF_QUERIES = (
    Parameter("peer", "host name or address of the peer"),
    Parameter("port", "TCP port of the peer", minimum=1, maximum=65535),
    Parameter("dcmfile-in", "file with keys (query file)", optional=True, multiple=True),
)
"""What stands behind the options."""

_MODELS = (
    Option("--patient", "-P", "Patient Root (default)", is_default=True),
    Option("--study", "-S", "Study Root"),
    Option("--psonly", "-O", "Patient/Study Only"),
)

MODELS = tuple(option.long for option in _MODELS)
"""The block of alternatives that choose the information model."""

_PROPOSED = (
    "--propose-uncompr",
    "--propose-little",
    "--propose-big",
    "--propose-deflated",
    "--propose-implicit",
)

_PROPOSAL_OPTIONS = tuple(
    option for name in _PROPOSED for option in PROPOSAL_OPTIONS if option.long == name
)

PROPOSALS = (*_PROPOSED[:3], "--propose-implicit", "--propose-deflated")
"""The block of alternatives that choose how identifiers are encoded, in DCMTK's order."""

PREFERENCES = tuple(option.long for option in PREFERENCE_OPTIONS)
"""The block of alternatives that choose how objects are received, with ``--accept-all``."""


def keys_group(*, paths: bool) -> Group:
    """Return ``--key``; `paths` where it may lead into sequences."""
    help_text = "ask with this key: gggg,eeee=value or\nkeyword=value"
    if paths:
        help_text += ", of an item\nSequence[0].keyword=value"
    return Group("override matching keys", (Option("--key", "-k", help_text, string("key")),))


def models_group(name: str) -> Group:
    """Return the choice among the three information models under a heading."""
    return Group(name, _MODELS)


def proposals_group(name: str) -> Group:
    """Return the choice of transfer syntaxes for identifiers under a heading."""
    return Group(name, _PROPOSAL_OPTIONS)


def preferences_group(name: str, *, accept_all: bool) -> Group:
    """Return the choice of transfer syntaxes for objects under a heading."""
    return Group(name, PREFERENCE_OPTIONS if accept_all else PREFERENCE_OPTIONS[:-1])


def abort() -> Option:
    """Return ``--abort``."""
    return Option("--abort", "", "end with an abort instead of a release")


OWN_IDENTITY = Group(
    "user identity negotiation",
    tuple(
        Option(option.long, "", option.help_text, option.values, requires=option.requires)
        for option in groups.identity_group().options
    ),
)
"""Who asks (PS3.7 D.3.3.7), which DCMTK's tools of this kind cannot say: long names only."""

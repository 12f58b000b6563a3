"""Which of DCMTK's loggers a logger of this package stands for.

Owns the table and the order in which a message looks for its level and appenders. Must not
know levels nor appenders.

Below DCMTK's name stand our own ones, so that ``log4cplus.logger.dcmtk.dcmnet`` is heeded by
all of `isocenter.net`, and ``log4cplus.logger.isocenter.net.listener`` by one module of it.
"""

from __future__ import annotations

__all__ = ["ROOT", "app_name", "chain_of", "dcmtk_name", "is_of_app", "packages"]

ROOT = "root"
"""What the root of all loggers is called, which no other logger may be."""

_PACKAGES = {
    "isocenter.dataset": "dcmtk.dcmdata",
    "isocenter.dimse": "dcmtk.dcmnet",
    "isocenter.net": "dcmtk.dcmnet",
    "isocenter.net.responses": "dcmtk.dcmnet.responses",
    "isocenter.net.tls": "dcmtk.dcmtls",
    "isocenter.net.tls_names": "dcmtk.dcmtls",
    "isocenter.sender.delivery": "dcmtk.dcmnet",
    "isocenter.sender.grouping": "dcmtk.dcmnet",
    "isocenter.sender.instances": "dcmtk.dcmnet",
    "isocenter.sender.listing": "dcmtk.dcmnet",
    "isocenter.sender.report": "dcmtk.dcmnet",
    "isocenter.ul": "dcmtk.dcmnet",
}
"""Packages and modules whose messages DCMTK logs in a module's logger.

All else is what DCMTK does in the tools themselves: ``dcmtk.apps.TOOL``.
"""

_PACKAGES_OF_TOOLS = {
    "dcmrecv": {
        "isocenter.cli.arrivals": "dcmtk.dcmnet",
        "isocenter.cli.profiles": "dcmtk.dcmnet",
        "isocenter.node": "dcmtk.dcmnet",
        "isocenter.services": "dcmtk.dcmnet",
        "isocenter.storage": "dcmtk.dcmnet",
    }
}
"""Likewise, of tools that leave more to DCMTK's library than the others do (`DcmStorageSCP`)."""


def packages(tool: str) -> dict[str, str]:
    """Return our packages and modules that DCMTK's libraries have a logger for, with its name."""
    return _PACKAGES | _PACKAGES_OF_TOOLS.get(tool, {})


def app_name(tool: str) -> str:
    """Return the name of a tool's logger."""
    return f"dcmtk.apps.{tool}"


def _ancestry(name: str) -> list[str]:
    """Return a name and what it lies below, the nearest first."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(len(parts), 0, -1)]


def dcmtk_name(name: str, tool: str) -> str:
    """Return DCMTK's name for a logger; loggers of other packages keep theirs."""
    own = _ancestry(name)
    if own[-1] != "isocenter":
        return name
    known = packages(tool)
    for candidate in own:
        if candidate in known:
            return known[candidate]
    return app_name(tool)


def is_of_app(name: str, tool: str) -> bool:
    """Tell whether a logger of ours stands for that of the tool."""
    return name.partition(".")[0] == "isocenter" and dcmtk_name(name, tool) == app_name(tool)


def chain_of(name: str, tool: str) -> list[str]:
    """Return the names under which a logger's settings are looked for, `ROOT` the last."""
    if name == ROOT:
        return [ROOT]
    theirs = dcmtk_name(name, tool)
    own = [] if theirs == name else _ancestry(name)
    return [*own, *_ancestry(theirs), ROOT]

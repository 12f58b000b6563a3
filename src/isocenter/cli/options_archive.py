"""The command line of ``isocenter archive``, as data: that of dcmqrscp without its file."""

from __future__ import annotations

from isocenter.cli.options_dcmqrscp import node_tool
from isocenter.cli.spec import Option, Parameter, string

__all__ = ["DEFAULT_PORT", "TOOL"]

DEFAULT_PORT = 11112
"""The registered port of DICOM that needs no privileges (PS3.8 9.1.1)."""

TOOL = node_tool(
    "archive",
    "an archive in a folder, without a configuration file",
    command="isocenter archive",
    parameters=(
        Parameter("directory", "folder of the archive, made where it is not there"),
        Parameter(
            "port",
            f"TCP port to listen on (default: {DEFAULT_PORT})",
            optional=True,
            minimum=1,
            maximum=65535,
        ),
    ),
    own=(
        Option(
            "--aetitle",
            "",
            "serve whoever calls this AE title and no other\n(several times; default: any title)",
            string("aetitle"),
        ),
        Option(
            "--peer",
            "",
            "objects may be moved to this one, given as\nAETITLE,HOST,PORT (several times)",
            string("peer"),
        ),
    ),
)
"""Everything the parser and the help text need to know."""

"""``isocenter archive FOLDER``: an archive node for people who have no configuration file.

Owns what takes the place of the file: a folder, titles and peers on the command line. Must not
know how a node is run (`cli.dcmqrscp`).
"""

from __future__ import annotations

import os

from isocenter import aetitle
from isocenter.cli.exitcodes import ExitCode
from isocenter.cli.options_archive import DEFAULT_PORT, TOOL
from isocenter.cli.start import start
from isocenter.errors import ConfigurationError
from isocenter.logs import get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.node.config import NodeConfig, Peer

__all__ = ["main"]

_LOGGER = get_logger(__name__)

_MAXIMUM_PORT = 65535
_MAXIMUM_LENGTH = 131072  # bytes of P-DATA in a PDU
_MAXIMUM_ASSOCIATIONS = 256
_PEER = "expected AETITLE,HOST,PORT"


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run `isocenter archive` with the arguments behind that; return the exit code.

    Ends with 0 when stopped by a signal after finishing what was being received.
    """
    line = start(TOOL, argv, program="isocenter archive")
    if isinstance(line, ExitCode):
        return line
    from isocenter.cli.dcmqrscp import serve

    folder = line.parameter("directory")
    ports = line.parameters_from("port")
    port = line.parameter_integer("port") if ports else DEFAULT_PORT
    try:
        config = _config(line, folder)
        os.makedirs(folder, exist_ok=True)
    except ConfigurationError as problem:
        _LOGGER.critical("%s", problem)
        return ExitCode.INVALID_CONFIG
    except OSError as problem:
        _LOGGER.critical("cannot make %s: %s", folder, problem.strerror)
        return ExitCode.INVALID_CONFIG
    return serve(line, env, config, port)


def _config(line: ParsedCommandLine, folder: str) -> NodeConfig:
    """Return what the command line says of the node.

    Raises:
        ConfigurationError: a title or peer is none.
    """
    from isocenter.node.config import Entity, NodeConfig

    titles = line.values("--aetitle")
    for title in titles:
        try:
            aetitle.check("own", title)
        except ValueError as problem:
            raise ConfigurationError(f"--aetitle: {problem}") from problem
    return NodeConfig(
        maximum_length=_MAXIMUM_LENGTH,
        maximum_associations=_MAXIMUM_ASSOCIATIONS,
        entities=tuple(Entity(ae_title=title, storage_area=folder) for title in titles),
        hosts={"peers": tuple(_peer(text) for text in line.values("--peer"))},
        fallback=None if titles else Entity(ae_title="", storage_area=folder),
    )


def _peer(text: str) -> Peer:
    """Return the peer of ``--peer``.

    Raises:
        ConfigurationError: it is none.
    """
    from isocenter.node.config import Peer

    words = [word.strip() for word in text.split(",")]
    if len(words) != len(Peer._fields) or not all(words):
        raise ConfigurationError(f"--peer {text}: {_PEER}")
    title, host, port = words
    try:
        aetitle.check("peer's", title)
    except ValueError as problem:
        raise ConfigurationError(f"--peer {text}: {problem}") from problem
    if not (port.isascii() and port.isdigit()) or not 0 < int(port[:9]) <= _MAXIMUM_PORT:
        raise ConfigurationError(f"--peer {text}: {port} is no TCP port; {_PEER}")
    return Peer(title, host, int(port))

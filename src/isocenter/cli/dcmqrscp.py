"""dcmqrscp: an archive that stores, answers queries and sends what is asked for.

Options and configuration file to a node, events to DCMTK's lines; nothing else.
"""

from __future__ import annotations

import os

from isocenter.cli.exitcodes import ExitCode
from isocenter.cli.options_dcmqrscp import TOOL
from isocenter.cli.start import start
from isocenter.errors import ConfigurationError
from isocenter.logs import get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.net.dispatch import Dispatcher
    from isocenter.node.archive import ArchiveNode
    from isocenter.node.config import NodeConfig

__all__ = ["main", "serve"]

_LOGGER = get_logger(__name__)

_PRIVILEGED_PORTS = 1024
_MEBIBYTE = 1024 * 1024


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run dcmqrscp with the arguments behind the tool's name; return the exit code.

    Ends with 0 when stopped by a signal after finishing what was being received.
    """
    line = start(TOOL, argv)
    if isinstance(line, ExitCode):
        return line
    from isocenter.cli.qrconfig import NodeConfigError, read_config

    path = line.value("--config")
    try:
        config = read_config(path, warn=_LOGGER.warning)
    except NodeConfigError as problem:
        for mistake in problem.mistakes:
            _LOGGER.error("CONFIG Error: %s", mistake)  # noqa: TRY400 - one line says it all
        _LOGGER.critical("%s", problem)
        return ExitCode.INVALID_CONFIG
    except ConfigurationError as problem:
        _LOGGER.critical("%s", problem)
        return ExitCode.INVALID_CONFIG
    port = line.parameter_integer("port") if line.parameters else config.port
    if port < _PRIVILEGED_PORTS and hasattr(os, "geteuid") and os.geteuid() != 0:
        _LOGGER.critical("cannot listen on port %d, insufficient privileges", port)
        return ExitCode.INVALID_CONFIG
    return serve(line, env, config, port)


def serve(
    line: ParsedCommandLine, env: Mapping[str, str], config: NodeConfig, port: int
) -> ExitCode:
    """Serve a configuration until stopped; return the exit code."""
    from isocenter.cli.qr_node import become_of
    from isocenter.cli.storing import archive_storage_options
    from isocenter.errors import ArchiveError, StorageError
    from isocenter.node.archive import ArchiveNode

    node = None
    try:
        become = become_of(config)
        node = ArchiveNode(
            config,
            archive_storage_options(line, env),
            durable=not line.given("--no-durable"),
            minimum_free=line.integer("--min-free") * _MEBIBYTE,
            alone=line.block("--single-process", "--fork") == "--single-process",
        )
        served = _serve(line, config, port, node, become)
    except (ConfigurationError, ArchiveError, StorageError) as problem:
        _LOGGER.critical("%s", problem)
        return ExitCode.INVALID_CONFIG
    finally:
        if node is not None:
            node.close()
    return ExitCode.SUCCESS if served else ExitCode.INVALID_CONFIG


def _serve(
    line: ParsedCommandLine,
    config: NodeConfig,
    port: int,
    node: ArchiveNode,
    become: Callable[[], None],
) -> bool:
    """Serve a node until stopped; False where the port cannot be had.

    Args:
        line: of the tool.
        config: what the node was told.
        port: TCP port to listen on.
        node: its areas, not open yet.
        become: takes the user's rights that the node is to have, once the port is open.

    Raises:
        ConfigurationError, ArchiveError, StorageError: serving cannot begin.
    """
    from isocenter.cli.arrivals import DCMQRSCP
    from isocenter.cli.network import Setting, run_server
    from isocenter.cli.qr_node import acceptor_of, maximum_length_of, workers_of
    from isocenter.cli.serving import doors, server_tls
    from isocenter.node.keeping import KeptDispatcher
    from isocenter.ops.reload import Reloader

    def prepare() -> None:
        become()
        node.open()
        node.look()

    def wrap(inner: Dispatcher) -> Dispatcher:
        return KeptDispatcher(inner, node.keeper, prepare)

    maximum_length = maximum_length_of(line, config)
    reloader = Reloader()
    gate, admission = doors(line, reloader)
    tls = server_tls(line, reloader)
    return run_server(
        line,
        acceptor_of(line, config, node, admission, maximum_length),
        _LOGGER,
        gate=gate,
        tls=tls,
        reloader=reloader,
        lines=DCMQRSCP,
        setting=Setting(
            port=port,
            maximum_length=maximum_length,
            maximum_associations=config.maximum_associations,
            workers=workers_of(line, config),
            wrap=wrap,
        ),
    )

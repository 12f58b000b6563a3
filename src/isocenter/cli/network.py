"""What command lines say about the network, turned into options of the driver.

One home for the rules that several tools share: timeouts of 0 and -1, AE titles cut to 16
bytes, PDU lengths made even, the words for a failed association. Must not know any one tool.
"""

from __future__ import annotations

from isocenter.aetitle import AE_TITLE_LENGTH
from isocenter.errors import AssociationRejected, ConfigurationError
from isocenter.limits import DEFAULTS
from isocenter.record import Record

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from isocenter.cli.arrivals import ServerLines
    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.errors import IsocenterError
    from isocenter.logs import Logger
    from isocenter.net.channel import Shared
    from isocenter.net.client import ConnectOptions
    from isocenter.net.dispatch import Dispatcher, ServeOptions
    from isocenter.net.failures import FailedConnection
    from isocenter.net.gate import Gate
    from isocenter.net.inherited import InheritedConnection
    from isocenter.net.listener import GivenListener, Listener
    from isocenter.net.tls import ClientTls, ServerTls
    from isocenter.ops.reload import Reloader
    from isocenter.services.acceptor import Acceptor
else:
    Protocol = object

__all__ = [
    "LONGEST_WAIT",
    "SOCKET_TIMEOUT",
    "Duties",
    "Setting",
    "ae_title",
    "check_titles",
    "connect_options",
    "ip_family",
    "log_request_failure",
    "max_pdu",
    "patience",
    "run_server",
    "seconds",
    "socket_timeout",
    "wants_tls",
]

LONGEST_WAIT = 2_000_000
"""Seconds (23 days) that stand for more: poll(2) counts milliseconds in an int."""

SOCKET_TIMEOUT = 60.0
"""Seconds without a byte after which DCMTK's tools end an association."""

_FAMILIES = {"--ipv4": "ipv4", "--ipv6": "ipv6", "--ip-auto": "auto"}


class Setting(Record):
    """What of a server its command line alone does not say.

    Fields:
        port: TCP port to listen on.
        maximum_length: of a P-DATA-TF that it takes, in bytes (PS3.8 D.1); 0 is unlimited.
        maximum_associations: served at a time, None for the default limit.
        workers: processes that serve where nobody says otherwise.
        wrap: makes what serves out of the dispatcher, None to have it serve itself.
    """

    port: int
    maximum_length: int
    maximum_associations: int | None = None
    workers: int = 1
    wrap: Callable[[Dispatcher], Dispatcher] | None = None


class Duties(Protocol):
    """What a server has to do beside its associations."""

    @property
    def shared(self) -> Shared | None:
        """What worker processes share by way of their parent, None for nothing."""

    def at_stop(self) -> None:
        """Called in each process that serves, when associations are told to finish."""

    def at_end(self) -> None:
        """Called in each process that served, once none of its associations is left."""


def ip_family(line: ParsedCommandLine) -> str:
    """Return what the driver calls the chosen IP version; IPv4 is DCMTK's default."""
    return _FAMILIES[line.block(*_FAMILIES) or "--ipv4"]


def ae_title(line: ParsedCommandLine, option: str) -> str:
    """Return an AE title as DCMTK's tools take it: the bytes typed, cut to 16."""
    import os

    return os.fsencode(line.value(option))[:AE_TITLE_LENGTH].decode("latin-1")


def check_titles(line: ParsedCommandLine) -> None:
    """Refuse a blank AE title, which no request may carry (PS3.5 6.2), in DCMTK's words.

    Raises:
        ConfigurationError: `--call` or `--aetitle` is blank.
    """
    for option, which in (("--call", "Called"), ("--aetitle", "Calling")):
        if not ae_title(line, option).strip(" \0"):
            message = f"0006:030c Illegal service parameter: {which} AP Title"
            raise ConfigurationError(f"Association Request Failed: {message}")


def max_pdu(line: ParsedCommandLine, logger: Logger | None = None) -> int:
    """Return ``--max-pdu`` in bytes, made even as DCMTK does it; its warning goes to `logger`."""
    length = line.integer("--max-pdu")
    if length % 2 and logger is not None:
        logger.warning("ASSOC: PDV receive length %d is odd (using %d)", length, length - 1)
    return length - length % 2


def seconds(line: ParsedCommandLine, option: str) -> float | None:
    """Return an option's number of seconds, None where it has none."""
    value = line.integer_or_none(option)
    return None if value is None else float(min(value, LONGEST_WAIT))


def socket_timeout(line: ParsedCommandLine) -> float | None:
    """Return ``--socket-timeout`` in seconds, DCMTK's where a tool cannot change it.

    0 and -1 mean no bound.
    """
    if not line.has("--socket-timeout"):
        return SOCKET_TIMEOUT
    value = seconds(line, "--socket-timeout")
    return value if value is not None and value > 0 else None


def patience() -> float:
    """Return how long a tool looks out for a prompt peer; 0 where there is one processor."""
    import os

    from isocenter.net.options import PATIENCE

    if hasattr(os, "sched_getaffinity"):
        processors = len(os.sched_getaffinity(0))
    else:
        processors = os.cpu_count() or 1
    return PATIENCE if processors > 1 else 0.0


def connect_options(line: ParsedCommandLine) -> ConnectOptions:
    """Return the driver's options of a requestor: peer, port, all timeouts and TLS.

    With TLS its files are read, and a password may be asked for: call it once.

    Raises:
        ConfigurationError: what TLS was to use cannot be used.
    """
    from isocenter.net.client import ConnectOptions

    has_send_limit = any(option.long == "--max-send-pdu" for option in line.tool.options())
    return ConnectOptions(
        host=line.parameter("peer"),
        port=line.parameter_integer("port"),
        family=ip_family(line),
        connect_timeout=seconds(line, "--timeout"),
        acse_timeout=float(min(line.integer("--acse-timeout"), LONGEST_WAIT)),
        dimse_timeout=seconds(line, "--dimse-timeout"),
        socket_timeout=socket_timeout(line),
        patience=patience(),
        max_send_pdu=line.integer_or_none("--max-send-pdu") if has_send_limit else None,
        tls=_client_tls(line),
    )


def wants_tls(line: ParsedCommandLine) -> bool:
    """Tell whether a command line asks for TLS; nothing is loaded for that."""
    return not line.in_force("--disable-tls")


def _client_tls(line: ParsedCommandLine) -> ClientTls | None:
    """Return how to speak TLS, None to speak plain DICOM.

    Raises:
        ConfigurationError: keys, certificates or cipher suites cannot be used.
    """
    if not wants_tls(line):
        return None
    from isocenter.cli.tls import client_tls

    return client_tls(line)


def log_request_failure(logger: Logger, level: int, problem: IsocenterError) -> None:
    """Log why no association came about, in the lines DCMTK's requestors print."""
    if isinstance(problem, AssociationRejected):
        logger.log(level, "Association Rejected:")
        logger.log(level, "Result: %s, Source: %s", problem.result_text, problem.source_text)
        logger.log(level, "Reason: %s", problem.reason_text)
    else:
        from isocenter.sender.conditions import condition_of

        logger.log(level, "Association Request Failed: %s", condition_of(problem))


def run_server(
    line: ParsedCommandLine,
    acceptor: Acceptor,
    logger: Logger,
    duties: Duties | None = None,
    connection: InheritedConnection | None = None,
    gate: Gate | None = None,
    tls: ServerTls | None = None,
    reloader: Reloader | None = None,
    lines: ServerLines | None = None,
    setting: Setting | None = None,
) -> bool:
    """Serve until stopped by SIGTERM or SIGINT; False where the port cannot be had.

    A first signal finishes what is being received, a second one aborts. `duties` are seen to in
    each process that serves associations. With a `connection` that one alone is served. `gate`
    decides who may come in, None lets in everybody. `tls` says how TLS is spoken, None speaks plain
    DICOM. What is in `reloader` is read anew in each process that serves at SIGHUP, where the
    system has that; without anything in it SIGHUP keeps its meaning. `lines` are DCMTK's words of
    the tool, storescp's by default. `setting` stands for what a tool takes from elsewhere.

    Raises:
        ConfigurationError: an option is not possible on this system, or serving cannot begin.
        ArchiveError, OSError: what `Setting.wrap` added cannot start.
    """
    from isocenter.cli.arrivals import STORESCP
    from isocenter.net.dispatch import ThreadDispatcher
    from isocenter.net.listener import raise_descriptor_limit

    lines = lines or STORESCP
    if setting is None:
        port = 0 if connection is not None else line.parameter_integer("port")
        setting = Setting(port=port, maximum_length=max_pdu(line))
    options = _serve_options(line, setting)
    if connection is not None:
        reloader = None  # a super-server starts another one for the next connection
    report = _failure_reporter(line, lines)
    inner = _dispatcher(line, acceptor, logger, options, duties, tls, reloader, report, setting)
    dispatcher = inner if setting.wrap is None else setting.wrap(inner)
    raise_descriptor_limit()
    on_reload = reloader.run if reloader else None
    listener = _listener(line, options, dispatcher, gate, tls, on_reload, report, port=setting.port)
    # Before anybody can see that the server is there.
    _heed_signals(listener, reloads=bool(reloader))
    try:
        if connection is not None:
            listener.adopt(connection)
        else:
            listener.open()
    except ConfigurationError as problem:
        words = lines.no_port.format(port=setting.port, reason=problem)
        logger.log(lines.level, "%s", words)
        return False
    listener.run()
    if duties is not None and isinstance(inner, ThreadDispatcher):
        duties.at_end()
    return True


def _heed_signals(listener: Listener, *, reloads: bool) -> None:
    """Have signals stop a server, and SIGHUP have it read its files anew where it has any."""
    import signal

    if reloads and hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda *_: listener.request_reload())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: listener.stop())


def _serve_options(line: ParsedCommandLine, setting: Setting) -> ServeOptions:
    """Return what a server's associations may take, in time and bytes."""
    import os

    from isocenter.net.dispatch import ServeOptions
    from isocenter.net.options import AssociationOptions
    from isocenter.net.transport import SocketOptions
    from isocenter.ul.options import EngineOptions

    acse_timeout = float(min(line.integer("--acse-timeout"), LONGEST_WAIT))
    return ServeOptions(
        engine=EngineOptions(
            limits=DEFAULTS,
            maximum_length=setting.maximum_length,
            artim_timeout=acse_timeout,
            acse_timeout=acse_timeout,
            idle_timeout=_idle_timeout(line),
        ),
        association=AssociationOptions(
            dimse_timeout=seconds(line, "--dimse-timeout"), patience=patience()
        ),
        sockets=SocketOptions.from_environment(os.environ),
        maximum_associations=DEFAULTS.maximum_associations
        if setting.maximum_associations is None
        else setting.maximum_associations,
        maximum_associations_per_peer=line.integer_or_none("--max-per-peer"),
    )


def _idle_timeout(line: ParsedCommandLine) -> float | None:
    """Return for how many seconds nothing may come, None for ever.

    Of DCMTK's receivers those without ``--socket-timeout`` wait no longer for a command than for
    what belongs to it.
    """
    idle = socket_timeout(line)
    dimse = None if line.has("--socket-timeout") else seconds(line, "--dimse-timeout")
    return idle if dimse is None or idle is None else min(idle, dimse)


def _listener(
    line: ParsedCommandLine,
    options: ServeOptions,
    dispatcher: Dispatcher,
    gate: Gate | None,
    tls: ServerTls | None,
    on_reload: Callable[[], None] | None,
    report: Callable[[FailedConnection], None],
    *,
    port: int,
) -> Listener:
    """Return a listener that has no socket yet."""
    from isocenter.net.listener import Listener, ListenOptions

    return Listener(
        ListenOptions(port=port, family=ip_family(line)),
        options.engine,
        options.sockets,
        dispatcher,
        on_failure=report,
        gate=gate,
        tls=tls,
        on_reload=on_reload,
    )


def _failure_reporter(
    line: ParsedCommandLine, lines: ServerLines
) -> Callable[[FailedConnection], None]:
    """Return what logs, and where asked for explains, connections that never associated."""
    from isocenter.cli.arrivals import reporter

    if not (line.has("--explain") and line.given("--explain")):
        return reporter(lines=lines)
    from isocenter.cli.explaining_receiver import explain_arrivals

    return reporter(explain_arrivals(line), lines=lines)


def _dispatcher(
    line: ParsedCommandLine,
    acceptor: Acceptor,
    logger: Logger,
    options: ServeOptions,
    duties: Duties | None,
    tls: ServerTls | None,
    reloader: Reloader | None,
    report: Callable[[FailedConnection], None],
    setting: Setting,
) -> Dispatcher:
    """Return what gives each association its thread or process.

    Raises:
        ConfigurationError: the system has no such processes.
    """
    from isocenter.net.dispatch import ThreadDispatcher

    at_stop = at_end = shared = None
    if duties is not None:
        at_stop, at_end, shared = duties.at_stop, duties.at_end, duties.shared
    forks = line.has("--fork") and line.block("--single-process", "--fork") == "--fork"
    workers = line.integer("--workers") if line.given("--workers") else setting.workers
    if forks or workers > 1:
        from isocenter.net.workers import available

        if not available():
            option = "--fork" if forks else "--workers"
            raise ConfigurationError(f"{option} is not possible on this system")
    if forks:
        from isocenter.net.workers import ForkDispatcher

        return ForkDispatcher(
            acceptor.serve,
            options,
            maximum_children=line.integer_or_none("--max-associations")
            if line.has("--max-associations")
            else None,
            at_maximum=lambda: logger.info(
                "Maximum number of associations reached, waiting for child process to terminate"
            ),
            at_stop=at_stop,
            at_end=at_end,
        )
    if workers > 1:
        from isocenter.net.workers import WorkerDispatcher

        return WorkerDispatcher(
            acceptor.serve,
            options,
            workers=workers,
            shared=shared,
            at_stop=at_stop,
            at_end=at_end,
            at_reload=reloader.run_in_worker if reloader else None,
            make_listener=None if tls is None else _make_given_listener(options, tls, report),
        )
    return ThreadDispatcher(acceptor.serve, options, at_stop=at_stop)


def _make_given_listener(
    options: ServeOptions, tls: ServerTls, report: Callable[[FailedConnection], None]
) -> Callable[[Dispatcher, Callable[[], None]], GivenListener]:
    """Return what makes the listener of a worker that shakes hands."""

    def make(dispatcher: Dispatcher, on_end: Callable[[], None]) -> GivenListener:
        from isocenter.net.listener import GivenListener, ListenOptions

        return GivenListener(
            ListenOptions(port=0),
            options.engine,
            options.sockets,
            dispatcher,
            on_end=on_end,
            on_failure=report,
            tls=tls,
        )

    return make

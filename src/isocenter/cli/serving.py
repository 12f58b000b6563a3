"""The steps from a receiver's command line to its serving that several tools take.

Owns who builds the doors and TLS of a receiver, and when neither is loaded. Must not know any one
tool, nor what the options mean (`cli.admission`, `cli.tls`).
"""

from __future__ import annotations

from isocenter.cli.options_receiver import ADMITTING

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from isocenter.cli.parser import ParsedCommandLine
    from isocenter.net.gate import Gate
    from isocenter.net.tls import ServerTls
    from isocenter.ops.reload import Reloader
    from isocenter.services.admission import Admission

__all__ = ["doors", "server_tls"]


def doors(line: ParsedCommandLine, reloader: Reloader) -> tuple[Gate | None, Admission | None]:
    """Return who decides about connections and requests, None where everybody may come in.

    Raises:
        ConfigurationError: what they decide by cannot be used.
    """
    access = line.has("--access-control") and (
        line.block("--access-full", "--access-control") == "--access-control"
    )
    if not access and not any(line.given(option) for option in ADMITTING):
        return None, None
    from isocenter.cli.admission import doors_of

    return doors_of(line, reloader)


def server_tls(line: ParsedCommandLine, reloader: Reloader) -> ServerTls | None:
    """Return how TLS is spoken, None to speak plain DICOM; its files are read anew at SIGHUP.

    Raises:
        ConfigurationError: keys, certificates or cipher suites cannot be used.
    """
    from isocenter.cli.network import wants_tls

    if not wants_tls(line):
        return None
    from isocenter.cli.tls import ServerSide

    side = ServerSide(line)
    reloader.add("TLS", side.reload)
    return side.tls

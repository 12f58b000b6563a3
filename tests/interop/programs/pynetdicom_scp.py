"""A receiver made of pynetdicom: keeps each data set as it came, byte for byte.

Arguments: port, output folder. Run by the interpreter that has pynetdicom, which is why
the package is looked up at run time and not imported where a type checker would miss it.
Speaks TLS where ISOCENTER_PEER_TLS says so (peer_tls.py).
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from io import BytesIO

pynetdicom = import_module("pynetdicom")
peer_tls = import_module("peer_tls")


class Context(Protocol):
    """The part of pynetdicom's presentation context used here."""

    transfer_syntax: str


class Request(Protocol):
    """The part of pynetdicom's C-STORE primitive used here."""

    AffectedSOPInstanceUID: str
    DataSet: BytesIO


class StoreEvent(Protocol):
    """The part of pynetdicom's event used here."""

    request: Request
    context: Context


def main() -> None:
    """Serve until killed."""
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    entity = pynetdicom.AE(ae_title="PYNETDICOM")
    syntaxes = pynetdicom.ALL_TRANSFER_SYNTAXES
    for context in pynetdicom.AllStoragePresentationContexts:
        entity.add_supported_context(context.abstract_syntax, syntaxes)
    entity.add_supported_context("1.2.840.10008.1.1", syntaxes)

    def on_store(event: StoreEvent) -> int:
        name = f"{event.request.AffectedSOPInstanceUID}.{event.context.transfer_syntax}.raw"
        (folder / name).write_bytes(event.request.DataSet.getvalue())
        return 0x0000

    handlers = [(pynetdicom.evt.EVT_C_STORE, on_store)]
    entity.start_server(
        ("127.0.0.1", port),
        block=True,
        evt_handlers=handlers,
        ssl_context=peer_tls.context(server=True),
    )


main()

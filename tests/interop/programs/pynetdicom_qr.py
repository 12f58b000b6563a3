"""An archive made of pynetdicom: C-GET and C-MOVE of every file in a folder.

Arguments: port, folder, port of the destination of each C-MOVE. Run by the interpreter that has
pynetdicom (see pynetdicom_scp.py).
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

pynetdicom = import_module("pynetdicom")
pydicom = import_module("pydicom")


def main() -> None:
    """Serve until killed."""
    port, folder, destination = int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    files = sorted(folder.iterdir())
    entity = pynetdicom.AE(ae_title="PYNETDICOM")
    syntaxes = pynetdicom.DEFAULT_TRANSFER_SYNTAXES
    for context in pynetdicom.AllStoragePresentationContexts:
        entity.add_supported_context(
            context.abstract_syntax, syntaxes, scu_role=True, scp_role=True
        )
    for number in ("1", "2", "3"):
        for kind in ("2", "3"):
            entity.add_supported_context(f"1.2.840.10008.5.1.4.1.2.{number}.{kind}", syntaxes)

    def objects() -> Iterator[tuple[int, object]]:
        for path in files:
            yield 0xFF00, pydicom.dcmread(path)

    def on_get(_event: object) -> Iterator[object]:
        yield len(files)
        yield from objects()

    def on_move(_event: object) -> Iterator[object]:
        yield "127.0.0.1", destination
        yield len(files)
        yield from objects()

    events = pynetdicom.evt
    handlers = [(events.EVT_C_GET, on_get), (events.EVT_C_MOVE, on_move)]
    # What the sub-associations of a C-MOVE propose.
    entity.requested_contexts = pynetdicom.StoragePresentationContexts[:128]
    entity.start_server(("127.0.0.1", port), block=True, evt_handlers=handlers)


main()

"""An archive made of pynetdicom: C-FIND of every file in a folder, whatever is asked.

Arguments: port, folder. Run by the interpreter that has pynetdicom (see pynetdicom_scp.py). It
stops where it is cancelled, and every second match says that not all keys are supported.
"""

from __future__ import annotations

import sys
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

pynetdicom = import_module("pynetdicom")
pydicom = import_module("pydicom")


class FindEvent(Protocol):
    """The part of pynetdicom's event used here."""

    identifier: object
    is_cancelled: bool


def main() -> None:
    """Serve until killed."""
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    files = sorted(folder.iterdir())
    entity = pynetdicom.AE(ae_title="PYNETDICOM")
    for number in ("1", "2", "3"):
        entity.add_supported_context(f"1.2.840.10008.5.1.4.1.2.{number}.1")

    def on_find(event: FindEvent) -> Iterator[tuple[int, object]]:
        asked = event.identifier
        endless = str(getattr(asked, "PatientName", "")) == "ENDLESS"
        number = 0
        while True:
            for path in files:
                if event.is_cancelled:
                    yield 0xFE00, None
                    return
                found = pydicom.dcmread(path, stop_before_pixels=True)
                match = pydicom.Dataset()
                for element in asked:  # type: ignore[attr-defined]  # a pydicom data set
                    match.add_new(element.tag, element.VR, found.get(element.keyword, ""))
                number += 1
                yield 0xFF01 if number % 2 == 0 else 0xFF00, match
            if not endless:
                return
            time.sleep(0.01)

    handlers = [(pynetdicom.evt.EVT_C_FIND, on_find)]
    entity.start_server(("127.0.0.1", port), block=True, evt_handlers=handlers)


main()

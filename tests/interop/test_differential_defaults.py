"""The default of a group given behind its alternatives: as if nothing had been given, for both."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ScriptedAcceptor, ct_image
from isocenter.testing.peer import accept, serve_storage
from tests.support import part10
from tests.support.tools import DCMTK, OURS, UNDER_TEST, Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import RawConnection, RawMessage
    from isocenter.testing.datasets import Element

pytestmark = [pytest.mark.slow, pytest.mark.peer("dcmtk")]

RECEIVING = (
    "--fork --single-process +xs +x= +B -B -F +F +te +t= -u +u +g +g= -e +e +p 8 8 -p +uc -uc "
    "+uf -uf"
)
SENDING = "+fo +f +sd +r -r +rn -rn -xs -x= -u +u"
EXTRA: list[Element] = [
    (0x00400001, "UC", "abcd"),
    (0x00400275, "SQ", [[(0x00080100, "SH", "A ")]]),
    (0x00400280, "UN", b"text"),
]


def test_defaults_that_are_given_last_are_in_force_for_both_receivers(tmp_path: Path) -> None:
    image = ct_image(rows=4, columns=4, sop_instance_uid="2.25.5", extra=EXTRA)
    path = image.write(tmp_path / "a.dcm")
    files = {}
    for which, suite in enumerate((DCMTK, UNDER_TEST)):
        for name, options in (("plain", []), ("given", RECEIVING.split())):
            with Receiver(suite, tmp_path / f"{which} {name}", *options) as receiver:
                done = OURS.run("storescu", "-R", "127.0.0.1", str(receiver.port), path)
                assert done.code == 0
                assert receiver.names == ["CT.2.25.5"]
                files[which, name] = receiver.directory / "CT.2.25.5"
    first = files[0, "plain"]
    for file in files.values():
        assert part10.compare(first, file) == []


def test_defaults_that_are_given_last_are_in_force_for_both_senders(tmp_path: Path) -> None:
    received: list[list[tuple[str, bytes]]] = []
    for which, suite in enumerate((DCMTK, UNDER_TEST)):
        for number, options in enumerate(([], SENDING.split())):
            folder = tmp_path / f"{which} {number}"
            (folder / "deep" / "deeper").mkdir(parents=True)
            image = ct_image(rows=4, columns=4, sop_instance_uid="2.25.5", extra=EXTRA)
            image.write(folder / "deep" / "a.dcm")
            shutil.copy(folder / "deep" / "a.dcm", folder / "deep" / "deeper" / "b.dcm")
            messages: list[RawMessage] = []

            def script(connection: RawConnection, kept: list[RawMessage] = messages) -> None:
                accept(connection)
                for _ in serve_storage(connection, received=kept):
                    pass

            words = ["-R", *options, "127.0.0.1"]
            place = "deep" if options else "deep/a.dcm"
            with ScriptedAcceptor(script) as acceptor:
                done = suite.run("storescu", *words, str(acceptor.port), place, cwd=folder)
            assert done.code == 0
            received.append([(message.text(0x1000), message.data_set) for message in messages])
            names = {str(path.relative_to(folder)) for path in folder.rglob("*.*")}
            assert names == {"deep/a.dcm", "deep/deeper/b.dcm"}
    assert len(received[0]) == 1
    assert all(one == received[0] for one in received)

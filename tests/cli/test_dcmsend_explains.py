"""dcmsend with ``--explain``: behind DCMTK's lines stands, in plain words, why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter.cli.dcmsend import main
from isocenter.testing import ScriptedAcceptor, ct_image, raw
from isocenter.testing.datasets import EXPLICIT_LITTLE
from isocenter.testing.peer import accept, serve_storage
from tests.cli.effects.sending import HERE, Peer
from tests.support.compressed import write_compressed
from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from isocenter.testing import RawConnection

pytestmark = pytest.mark.slow

JPEG = "1.2.840.10008.1.2.4.50"


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a.dcm and b.dcm, CT, and jpeg.dcm."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        image = ct_image(rows=4, columns=4, sop_instance_uid=f"2.25.{ord(name)}")
        image.write(tmp_path / f"{name}.dcm")
    write_compressed(tmp_path / "jpeg.dcm", JPEG)
    return tmp_path


def run(script: Callable[[RawConnection], None], *arguments: str) -> int:
    with ScriptedAcceptor(script) as acceptor:
        return main(["--explain", "127.0.0.1", str(acceptor.port), *arguments], {})


def explained(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the explanation, which is the last that is said but for the count."""
    text = capsys.readouterr().err
    assert text.count("W: Explanation: ") == 1, text
    return text[text.index("W: Explanation: ") :]


def takes_uncompressed_alone(connection: RawConnection) -> None:
    """Accept every context that has it in Explicit VR Little Endian, and store."""

    def choose(_: int, syntaxes: tuple[str, ...]) -> tuple[int, str]:
        return (0, EXPLICIT_LITTLE) if EXPLICIT_LITTLE in syntaxes else (4, "")

    accept(connection, choose=choose)
    for _ in serve_storage(connection):
        pass


def stores_one(connection: RawConnection) -> None:
    """Accept an association and store the first object."""
    accept(connection)
    next(serve_storage(connection))


def test_a_port_without_anybody(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--explain", "127.0.0.1", str(free_port()), "a.dcm"], {}) == 61
    assert "nothing listens" in explained(capsys)


def test_a_status_is_explained_once_for_a_class(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer(0xA700, 0xA700).run(main, "--explain", HERE, "a.dcm", "b.dcm") == 62
    assert "the peer did not store a.dcm, because it is out of resources" in explained(capsys)


def test_nothing_is_explained_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    assert Peer(0xA700).run(main, HERE, "a.dcm") == 62
    assert "Explanation" not in capsys.readouterr().err


def test_a_lossy_image_that_is_wanted_uncompressed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(takes_uncompressed_alone, "-nh", "jpeg.dcm", "a.dcm") == 62
    text = explained(capsys)
    assert "jpeg.dcm is " in text
    assert "--decompress-lossy (+dly) offers it uncompressed, too" in text


def test_a_lossy_image_alone_that_is_wanted_uncompressed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuses(connection: RawConnection) -> None:
        accept(connection, choose=lambda *_: (4, ""))
        connection.receive()
        connection.send(raw.release_rp())

    assert run(refuses, "jpeg.dcm") == 62
    text = explained(capsys)
    assert "accepted the association, but not the one presentation context proposed" in text
    assert "JPEGBaseline was offered alone: --decompress-lossy (+dly) offers it" in text


def test_an_abort_in_the_middle(capsys: pytest.CaptureFixture[str]) -> None:
    def aborts(connection: RawConnection) -> None:
        stores_one(connection)
        connection.receive_message()
        connection.send(raw.abort())

    assert run(aborts, "a.dcm", "b.dcm") == 62
    text = explained(capsys)
    assert "after 1 object was confirmed, while the answer to 1 object was awaited" in text
    assert "the peer aborted the association" in text


def test_a_release_without_answer(capsys: pytest.CaptureFixture[str]) -> None:
    def leaves(connection: RawConnection) -> None:
        stores_one(connection)
        connection.receive()

    assert run(leaves, "a.dcm") == 0
    assert "while the association was being released" in explained(capsys)

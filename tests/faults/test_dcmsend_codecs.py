"""dcmsend where a codec crashes, hangs or lies: that file is not sent, and the rest goes on.

The processes that decode are given another codec by the text that they are started with, as in
tests/dataset/test_transcode_faults.py; here it is the tool that has to bear it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from isocenter.cli.dcmsend import main
from isocenter.dataset import transcode
from isocenter.dataset.transcode import DecodeLimits, DecoderPool
from isocenter.testing import ScriptedAcceptor
from isocenter.testing.datasets import IMPLICIT_LITTLE
from isocenter.testing.peer import accept, serve_storage
from tests.support.compressed import write_compressed

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import RawConnection, RawMessage

pytestmark = pytest.mark.slow

RLE, JLS = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80"

EVIL = """
import ctypes, os, sys
sys.path[:] = sys.argv[1:]
from isocenter.dataset.pixels import codecs, worker
honest = codecs.decode_frame
def decode(job, data):
    if job.codec == "jpeg-ls":
        {deed}
    return honest(job, data)
codecs.decode_frame = decode
worker.main()
"""

DEEDS = {
    "crashes": ("ctypes.string_at(1)", "the decoder crashed (SIGSEGV)"),
    "ends": ("os._exit(7)", "the decoder crashed (exit code 7)"),
    "hangs": ("while True: pass", "the decoder took longer than 2 s"),
    "bloats": ("return bytearray(1 << 31)", "it takes more than "),
    "lies": ("return b'short'", "answered with 5 bytes, not 480"),
}


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make two files that are decoded well, and one between them that is not."""
    monkeypatch.chdir(tmp_path)
    for number, (name, syntax) in enumerate((("0", RLE), ("bad", JLS), ("2", RLE))):
        path = tmp_path / f"{name}.dcm"
        write_compressed(path, syntax, sop_instance_uid=f"2.25.{number}", frames=3)
    return tmp_path


def run(*arguments: str) -> tuple[int, list[str], int]:
    """Send to a peer that takes implicit VR alone; return code, instances and associations."""
    received: list[RawMessage] = []
    associations = []

    def serve(connection: RawConnection) -> None:
        def choose(_: int, syntaxes: tuple[str, ...]) -> tuple[int, str]:
            return (0 if IMPLICIT_LITTLE in syntaxes else 4, IMPLICIT_LITTLE)

        try:
            associations.append(accept(connection, choose=choose))
            for _ in serve_storage(connection, received=received):
                pass
        except ConnectionError:
            return

    with ScriptedAcceptor(serve) as acceptor:
        code = main([*arguments[:-3], "127.0.0.1", str(acceptor.port), *arguments[-3:]], {})
    return code, [message.text(0x1000) for message in received], len(associations)


@pytest.mark.parametrize("halts", [True, False], ids=["halt", "no halt"])
@pytest.mark.parametrize("deed", DEEDS)
def test_a_codec_that_misbehaves_costs_its_file(
    deed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, halts: bool
) -> None:
    code, reason = DEEDS[deed]
    limits = DecodeLimits(seconds=2, memory=256 << 20, processes=1)
    evil = partial(DecoderPool, limits, bootstrap=EVIL.format(deed=code))
    monkeypatch.setattr(transcode, "DecoderPool", evil)
    options = [] if halts else ["-nh"]
    ended, sent, associations = run(*options, "+crf", "report", "0.dcm", "bad.dcm", "2.dcm")
    assert (ended, associations) == (62, 1)
    assert sent == (["2.25.0"] if halts else ["2.25.0", "2.25.2"])
    shown = capsys.readouterr().err
    start = "E: cannot send SOP instance from file: bad.dcm: frame 1 of 3 cannot be decoded: "
    assert any(line.startswith(start) and reason in line for line in shown.splitlines()), shown
    if not halts:
        assert "E: 2 of 3 SOP instances were confirmed, 1 not sent" in shown

"""The rows of dcmsend and dcmrecv run these two, and time nothing that arrived wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.data import DataSet
from bench.pairs import DCMTK, OURS, Tools, receiver_program, sender_program
from bench.processes import BenchError
from bench.simple import pixels_check, simple_pairs, write_profiles
from isocenter.cli.profiles import scp_profile

TOOLS = Tools(ours=["iso"], dcmtk=Path("/usr/bin"), pynetdicom=None)


def test_pairs_are_dcmsend_to_dcmrecv_with_its_profile(tmp_path: Path) -> None:
    pairs = simple_pairs(write_profiles(tmp_path), normal=False, implicit=True)
    assert {(pair.sender, pair.receiver) for pair in pairs} == {
        (sender, receiver) for sender in (OURS, DCMTK) for receiver in (OURS, DCMTK)
    }
    for pair in pairs:
        receiver = receiver_program(TOOLS, pair, tmp_path, 104).command
        sender = sender_program(TOOLS, pair, tmp_path, 104).command
        ours = (["iso", "dcmrecv"], ["iso", "dcmsend"])
        theirs = (["/usr/bin/dcmrecv"], ["/usr/bin/dcmsend"])
        commands = ours[0] if pair.receiver == OURS else theirs[0]
        assert list(receiver[: len(commands)]) == commands
        commands = ours[1] if pair.sender == OURS else theirs[1]
        assert list(sender[: len(commands)]) == commands
        assert "+B" in receiver
        assert receiver[receiver.index("-xf") + 2] == "Implicit"


@pytest.mark.parametrize(("name", "syntaxes"), [("Any", 3), ("Implicit", 1)])
def test_profiles_take_ct_in_the_syntaxes_that_they_are_named_for(
    tmp_path: Path, name: str, syntaxes: int
) -> None:
    profile = scp_profile(str(write_profiles(tmp_path)), name)
    by_class = {one.abstract_syntax: one.transfer_syntaxes for one in profile.contexts}
    assert len(by_class["1.2.840.10008.5.1.4.1.1.2"]) == syntaxes
    assert "1.2.840.10008.1.2" in by_class["1.2.840.10008.5.1.4.1.1.2"]


def test_objects_with_other_pixels_are_not_timed(tmp_path: Path) -> None:
    pixels = bytes(range(256)) * 2048
    (tmp_path / "slice.dcm").write_bytes(b"head" + pixels)
    data = DataSet(folder=tmp_path / "jpeg-ls", count=2, size=0)
    target = tmp_path / "in"
    target.mkdir()
    (target / "a").write_bytes(b"other" + pixels)
    with pytest.raises(BenchError, match="1 of 2 files arrived"):
        pixels_check(data, target)
    (target / "b").write_bytes(pixels[:-1] + b"\0")
    with pytest.raises(BenchError, match="b has other pixels"):
        pixels_check(data, target)
    (target / "b").write_bytes(pixels)
    pixels_check(data, target)

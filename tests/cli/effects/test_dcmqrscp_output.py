"""dcmqrscp: what its options change about the files that it keeps, and the text that it answers.

tests/options.toml names these tests; each runs again without its option and has to fail then.
Options whose default they restore are given behind the alternative that they override.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from isocenter.cli import dcmqrscp
from isocenter.testing import ScriptedRequestor, ct_image
from isocenter.testing.raw import Context
from tests.cli.effects import receiving
from tests.cli.effects.receiving import serve, small_image
from tests.cli.effects.test_dcmqrscp import configure
from tests.cli.effects.test_storescp_files import (
    GROUP_LENGTH,
    NESTED,
    NEW_VR,
    PADDING,
    PROCEDURE,
    SYNTAXES,
    UNDEFINED_SEQUENCE,
    UNUSUAL,
    element,
    image,
    image_with_sequence,
)
from tests.support import part10
from tests.support.nodes import find

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import DicomObject

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a configuration file and an area; have dcmqrscp run where storescp would."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(receiving, "main", dcmqrscp.main)
    monkeypatch.setattr(receiving, "ALWAYS", ("-s", "--no-durable", "-dhl"))
    (tmp_path / "area").mkdir()
    configure(tmp_path)
    return tmp_path


def send(port: int, *objects: DicomObject) -> None:
    """Store objects, each of which is taken."""
    first = objects[0]
    with ScriptedRequestor(port) as requestor:
        contexts = [Context(1, first.sop_class_uid, (first.transfer_syntax,))]
        requestor.associate(contexts, called="STORE")
        for each in objects:
            status = requestor.store(1, each.sop_class_uid, each.sop_instance_uid, each.data_set)
            assert status == 0
        requestor.release()


def kept(folder: Path) -> Path:
    """Return the one file of the area."""
    (path,) = (
        path
        for path in (folder / "area").rglob("*")
        if path.is_file() and ".isocenter" not in path.parts
    )
    return path


def received(folder: Path, sent: DicomObject, *options: str) -> bytes:
    """Return the file that an object becomes."""
    assert serve(lambda port: send(port, sent), *options) == 0
    return kept(folder).read_bytes()


# --- output ---------------------------------------------------------------------------------


def test_normal_takes_bit_preserving_back(folder: Path) -> None:
    data = received(folder, UNUSUAL, "--bit-preserving", "--normal")
    assert UNDEFINED_SEQUENCE not in data
    assert NESTED in data


def test_bit_preserving_keeps_the_data_set_as_it_came(folder: Path) -> None:
    assert received(folder, UNUSUAL, "--bit-preserving").endswith(UNUSUAL.data_set)


def test_write_file_takes_write_dataset_back(folder: Path) -> None:
    assert received(folder, image(), "--write-dataset", "--write-file")[128:132] == b"DICM"


def test_write_dataset_leaves_file_meta_out(folder: Path) -> None:
    sent = image()
    assert received(folder, sent, "--write-dataset") == sent.data_set


@pytest.mark.parametrize("option", SYNTAXES)
def test_files_are_in_the_syntax_asked_for(option: str, folder: Path) -> None:
    little = option == "--write-xfer-little"
    sent = small_image(transfer_syntax="1.2.840.10008.1.2" if little else "1.2.840.10008.1.2.1")
    received(folder, sent, option)
    assert part10.read(kept(folder)).transfer_syntax == SYNTAXES[option]


def test_write_xfer_same_takes_a_conversion_back(folder: Path) -> None:
    sent = image()
    data = received(folder, sent, "--write-xfer-implicit", "--write-xfer-same")
    assert data.endswith(sent.data_set)


def test_enable_new_vr_takes_disable_back(folder: Path) -> None:
    data = received(folder, image(NEW_VR), "--disable-new-vr", "--enable-new-vr")
    assert element(0x00400310, b"UT") in data


def test_disable_new_vr_writes_bytes(folder: Path) -> None:
    data = received(folder, image(NEW_VR), "--disable-new-vr")
    assert element(0x00400310, b"OB") in data


@pytest.mark.parametrize(
    ("options", "group_40", "group_28"),
    [
        pytest.param(
            ("--group-length-remove", "--group-length-recalc"), 16, None, id="--group-length-recalc"
        ),
        pytest.param(("--group-length-create",), 16, 90, id="--group-length-create"),
        pytest.param(("--group-length-remove",), None, None, id="--group-length-remove"),
    ],
)
def test_group_lengths(
    options: tuple[str, ...], group_40: int | None, group_28: int | None, folder: Path
) -> None:
    data = received(folder, image(GROUP_LENGTH, PROCEDURE), *options)
    for tag, length in ((0x00400000, group_40), (0x00280000, group_28)):
        if length is None:
            assert element(tag, b"UL") not in data
        else:
            assert element(tag, b"UL\4\0") + struct.pack("<I", length) in data


def test_length_explicit_takes_undefined_back(folder: Path) -> None:
    data = received(folder, UNUSUAL, "--length-undefined", "--length-explicit")
    assert element(0x00081140, b"SQ\0\0") + struct.pack("<I", 8 + len(NESTED)) in data


def test_length_undefined_delimits_sequences(folder: Path) -> None:
    assert UNDEFINED_SEQUENCE in received(folder, image_with_sequence(), "--length-undefined")


def test_padding_off_takes_padding_back(folder: Path) -> None:
    data = received(folder, image(), "--padding-create", "2048", "0", "--padding-off")
    assert PADDING not in data


def test_padding_create_fills_files_up(folder: Path) -> None:
    data = received(folder, image(), "--padding-create", "2048", "0")
    assert PADDING in data
    assert len(data) % 2048 == 0


def test_compression_level_0_makes_nothing_smaller(folder: Path) -> None:
    sent = image()
    received(folder, sent, "--write-xfer-deflated", "--compression-level", "0")
    assert len(part10.read(kept(folder)).data_set) > len(sent.data_set)


# --- processing: character sets -------------------------------------------------------------

NAMED = ct_image(
    sop_instance_uid="2.25.1",
    rows=4,
    columns=4,
    extra=[(0x00080005, "CS", "ISO_IR 192"), (0x00100010, "PN", "Müller^Ж".encode())],
)
"""An image whose patient has a letter that Latin-1 has, and one that it has not."""

KEYS = {"QueryRetrieveLevel": "STUDY", "PatientName": "", "StudyInstanceUID": ""}


def answered(*options: str, asked_in: str = "") -> tuple[str, bytes]:
    """Return the character set and the name of what is answered, as it is encoded."""
    found: list[tuple[str, bytes]] = []
    keys = dict(KEYS)
    if asked_in:
        keys["SpecificCharacterSet"] = asked_in

    def script(port: int) -> None:
        send(port, NAMED)
        (match,) = find(port, keys).matches
        name = match.PatientName
        found.append((str(match.get("SpecificCharacterSet", "")), bytes(name.original_string)))

    assert serve(script, *options) == 0
    return found[0]


def test_name_that_does_not_fit_is_answered_in_utf8_whatever_is_asked_for() -> None:
    assert answered("-Cr", "+L1") == ("ISO_IR 192", "Müller^Ж".encode())


@pytest.mark.parametrize(
    ("options", "character_set", "name"),
    [
        pytest.param(
            ("--convert-to-utf8", "--discard-illegal"),
            "ISO_IR 192",
            "Müller^Ж".encode(),
            id="utf8",
        ),
        pytest.param(
            ("--convert-to-latin1", "--discard-illegal"),
            "ISO_IR 100",
            "Müller^".encode("latin-1"),
            id="latin1",
        ),
        pytest.param(
            ("--convert-to-charset", "ISO_IR 144", "--discard-illegal"),
            "ISO_IR 144",
            "Mller^Ж".encode("iso8859-5"),
            id="charset",
        ),
    ],
)
def test_name_is_answered_in_the_character_set_asked_for(
    options: tuple[str, ...], character_set: str, name: bytes
) -> None:
    assert answered("-Cr", *options) == (character_set, name)


def test_convert_to_ascii_takes_utf8_back() -> None:
    character_set, name = answered("-Cr", "-Cd", "--convert-to-utf8", "--convert-to-ascii")
    assert character_set in {"", "ISO_IR 6"}
    assert name == b"Mller^"


def test_transliterate_takes_letters_that_are_like_them() -> None:
    assert answered("-Cr", "+A7", "--transliterate")[1].startswith(b"Mu")


def test_discard_illegal_leaves_out_what_is_not_there() -> None:
    assert answered("-Cr", "+A7", "--discard-illegal")[1] == b"Mller^"


def test_use_request_charset_answers_in_that_of_the_request() -> None:
    words = ("--convert-to-latin1", "-Cd", "--override-charset", "--use-request-charset")
    assert answered(*words, asked_in="ISO_IR 192") == ("ISO_IR 192", "Müller^Ж".encode())


def test_override_charset_answers_in_the_own_one() -> None:
    words = ("--convert-to-latin1", "--discard-illegal", "--override-charset")
    assert answered(*words, asked_in="ISO_IR 192")[0] == "ISO_IR 100"

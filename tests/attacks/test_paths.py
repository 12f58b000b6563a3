"""What a peer names never becomes a path: rows 1 to 5, 7 to 9 and 11 to 14 of the table.

CVE-2022-2119 and its relatives: a UID, a title or a value of the data set that is made part of
a file name takes the file out of its directory.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

import pytest

import isocenter
from isocenter.testing import ct_image, raw
from isocenter.testing.datasets import (
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE,
    encode_data_set,
    encode_file_meta,
)
from tests.attacks.support import (
    WAIT,
    check_served,
    kept,
    obey,
    put,
    receiving,
    run_against,
    storage,
)
from tests.support.processes import wait_until
from tests.support.studies import StudyObject, deliver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from isocenter.testing import RawConnection, RawMessage
    from tests.support.tools import Receiver

pytestmark = pytest.mark.slow

KEPT = re.compile(r"[A-Za-z0-9 .:@_-]+")
"""What a component of a path may consist of (dcmtk-facts 3.6)."""

OUTSIDE = "/tmp/isocenter-attack"
UIDS = {
    "dots": "..",
    "dot": ".",
    "parent": "../attack",
    "parents": "../" * 40 + "tmp/isocenter-attack",
    "absolute": OUTSIDE,
    "slash inside": "1.2/../../attack",
    "slash behind": "1.2.3/",
    "backslashes": "..\\..\\attack",
    "NUL inside": "1.2\0/../../attack",
    "NUL in front": "\0../attack",
    "overlong": "1." + "2" * 5000,
    "overlong parents": "../" * 2000,
    "percent": "%2e%2e%2fattack",
    "8 bit": "\xc0\xae\xc0\xae\xc0\xafattack",
    "temporary": ".isocenter-1-2.part",
    "empty": "",
}

SCHEMES: dict[str, tuple[str, ...]] = {
    "default": (),
    "bit-preserving": ("+B",),
    "data set alone": ("-F",),
    "converted": ("+ti",),
    "deflated": ("+td",),
    "unique names": ("+uf",),
    "time names": ("-tn",),
    "extension": ("-fe", ".dcm"),
    "-ss": ("-ss", "P"),
    "-su": ("-su", "P"),
    "-su without prefix": ("-su", ""),
    "-sp": ("-sp",),
    "-su --rename-on-eostudy": ("-su", "P", "--rename-on-eostudy"),
    "-sp --rename-on-eostudy": ("-sp", "--rename-on-eostudy"),
    "-ss -tn --workers": ("-ss", "P", "-tn", "--workers", "2"),
    "--fork": ("--fork",),
    "--durable": ("--durable", "--on-duplicate", "keep-both"),
}
"""Every way by which storescp finds the name of a file or a folder."""


class Fence:
    """A receiver whose output directory lies two folders deep in one that has to stay empty."""

    def __init__(self, root: Path, receiver: Receiver) -> None:
        self.root = root
        self.receiver = receiver

    def check(self) -> None:
        """Nothing is outside the output directory, and every name in it is harmless."""
        self.check_names()
        # Nor does it steer the terminal that shows the log.
        assert not set("\x1b\x07\0") & set(self.receiver.log)

    def check_names(self) -> None:
        """Only the files."""
        out = self.receiver.directory
        outside = [
            path for path in self.root.rglob("*") if path.is_file() and out not in path.parents
        ]
        assert outside == []
        for stray in (OUTSIDE, "/tmp/attack", "attack", "../attack"):
            assert not os.path.lexists(stray)
        for path in out.rglob("*"):
            assert KEPT.fullmatch(path.name), path
            assert path.name not in {".", ".."}
            assert len(os.fsencode(path.name)) <= 255
            assert not path.is_symlink()


@pytest.fixture(params=list(SCHEMES.values()), ids=list(SCHEMES))
def fence(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fence]:
    """A fenced receiver for each scheme."""
    root = tmp_path / "root"
    with receiving(root / "inner" / "out", "-v", *request.param) as receiver:
        yield Fence(root, receiver)
    # And the end of the last study has taken nothing out of it.
    Fence(root, receiver).check_names()


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Fence]:
    """A fenced receiver in bit-preserving mode."""
    root = tmp_path / "root"
    with receiving(root / "inner" / "out", "-v", "+B") as receiver:
        yield Fence(root, receiver)


def _everywhere(value: str) -> bytes:
    """Return a data set that says the same hostile thing wherever a name could come from."""
    padded = value + "\0" * (len(value) % 2)
    text = value.encode("latin-1") + b" " * (len(value) % 2)
    return encode_data_set(
        [
            (0x00080005, "CS", text[:64]),
            (0x00080016, "UI", CT_IMAGE_STORAGE),
            (0x00080018, "UI", padded),
            (0x00080020, "DA", text),
            (0x00080021, "DA", text),
            (0x00080050, "SH", text),
            (0x00080060, "CS", text),
            (0x00100010, "PN", text),
            (0x00100020, "LO", text),
            (0x0020000D, "UI", padded),
            (0x0020000E, "UI", padded),
            (0x00200013, "IS", text),
        ]
    )


def test_cve_2022_2119_path_traversal_in_sop_instance_uid(fence: Fence) -> None:
    """By every naming scheme: one file more in the directory for each that was confirmed."""
    for uid in UIDS.values():
        before = len(kept(fence.receiver.directory))
        status = put(fence.receiver.port, uid, _everywhere(uid))
        # A study that ends may be renaming its files in this moment.
        wait_until(
            lambda: len(kept(fence.receiver.directory)) == before + (status == 0),  # noqa: B023
            timeout=WAIT,
            what="one file more",
        )
        fence.check()
    check_served(fence.receiver)
    fence.check()


def test_cve_2022_2120_peer_that_sends_a_sender_objects_writes_no_file(tmp_path: Path) -> None:
    """An acceptor answers C-STORE with a C-STORE of its own: a C-GET client would keep it."""
    evil = ct_image(sop_instance_uid="2.25.1", rows=4, columns=4)
    answers: list[RawMessage | int | None] = []

    def store_back(connection: RawConnection) -> None:
        from isocenter.testing.peer import accept

        accept(connection)
        connection.receive_message()
        command = raw.c_store_rq(1, evil.sop_class_uid, "../../attack")
        connection.send(raw.message(1, command, evil.data_set))
        received = connection.receive_until_closed()
        answers.extend(pdu.pdu_type for pdu in received)

    folder = tmp_path / "inner"
    folder.mkdir()
    own = ct_image(rows=4, columns=4).write(folder / "own.dcm")
    done = run_against(store_back, "storescu", own, options=("-R",))
    assert done.code != 0
    assert answers == [raw.ABORT]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [own]
    assert run_against(obey, "storescu", own).code == 0


@pytest.mark.parametrize("mode", [("+B",), (), ("+ti",), ("-F",)], ids=["+B", "-B", "+ti", "-F"])
def test_cve_2026_50003_path_traversal_in_bit_preserving_and_every_other_mode(
    mode: tuple[str, ...], tmp_path: Path
) -> None:
    """Names are made in one place: the same hostile UIDs give the same names in every mode."""
    root = tmp_path / "root"
    expected = {"CT...", "CT..", "CT..._attack", "CT..._.._attack", "CT._tmp_isocenter-attack"}
    with receiving(root / "inner" / "out", *mode) as receiver:
        fence = Fence(root, receiver)
        for uid in ("..", ".", "../attack", "../../attack", OUTSIDE):
            assert put(receiver.port, uid, _everywhere(uid)) == 0
        assert set(kept(receiver.directory)) == expected
        fence.check()
        check_served(receiver)


@pytest.mark.parametrize("study", ["..", "."])
def test_dcmtk_4527dff56_study_instance_uid_of_dots_without_a_prefix(
    study: str, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    with receiving(root / "inner" / "out", "-su", "") as receiver:
        assert deliver(receiver.port, [StudyObject(study, "1.9.1")]) == [0xC000]
        assert kept(receiver.directory) == {}
        Fence(root, receiver).check()
        check_served(receiver)


def test_cve_2026_52868_called_title_selects_no_directory(fence: Fence) -> None:
    """Neither title is part of any path, by any scheme."""
    titles = (
        b"../attack       ",
        b"/tmp/attack     ",
        b"..              ",
        b"..\\attack\0\0\0\0\0\0\0",
    )
    for number, title in enumerate(titles):
        image = ct_image(sop_instance_uid=f"2.25.{number}", rows=4, columns=4)
        uids = image.sop_instance_uid, image.data_set
        assert put(fence.receiver.port, *uids, calling=title, called=title) == 0
    assert len(kept(fence.receiver.directory)) == len(titles)
    assert not [name for name in kept(fence.receiver.directory) if "attack" in name]
    fence.check()
    check_served(fence.receiver)


@pytest.mark.parametrize("what", UIDS)
def test_pynetdicom_823_path_traversal_through_the_python_interface(
    what: str, tmp_path: Path
) -> None:
    """`isocenter.serve(directory=)` in place of the storescp application of pynetdicom."""
    folder = tmp_path / "inner" / "out"
    folder.mkdir(parents=True)
    good = ct_image(rows=4, columns=4)
    with isocenter.serve(directory=folder) as server:
        put(server.port, UIDS[what], _everywhere(UIDS[what]))
        assert put(server.port, good.sop_instance_uid, good.data_set) == 0
        with isocenter.connect("127.0.0.1", server.port) as peer:
            peer.echo()
    assert [p for p in tmp_path.rglob("*") if p.is_file() and folder not in p.parents] == []
    assert all(KEPT.fullmatch(path.name) for path in folder.rglob("*"))
    assert f"CT.{good.sop_instance_uid}" in kept(folder)


@pytest.mark.parametrize("uid", [OUTSIDE, "../attack", "../../attack"])
def test_pynetdicom_1092_and_1093_success_is_never_said_of_a_file_outside(
    uid: str, plain: Fence
) -> None:
    data_set = _everywhere(uid)
    assert put(plain.receiver.port, uid, data_set) == 0
    (content,) = kept(plain.receiver.directory).values()
    assert content.endswith(data_set)
    plain.check()
    check_served(plain.receiver)


def test_pynetdicom_1086_traversal_by_the_request_while_the_data_set_is_harmless(
    plain: Fence,
) -> None:
    """The name comes of the request's UID: one that the data set contradicts is no way around."""
    image = ct_image(rows=4, columns=4)
    for uid in UIDS.values():
        put(plain.receiver.port, uid, image.data_set)
        plain.check()
    check_served(plain.receiver)


def test_cve_2026_32711_dicomdir_that_references_files_elsewhere(tmp_path: Path) -> None:
    """A directory is no list of files to send: nothing that it references is looked at."""
    medium = tmp_path / "medium"
    medium.mkdir()
    secret = ct_image(sop_instance_uid="2.25.666", rows=4, columns=4)
    secret.write(tmp_path / "SECRET")
    wanted = ct_image(sop_instance_uid="2.25.1", rows=4, columns=4)
    wanted.write(medium / "IMAGE")
    directory = "1.2.840.10008.1.3.10"
    record = [
        (0x00041430, "CS", "IMAGE"),
        (0x00041500, "CS", "..\\SECRET"),
        (0x00041510, "UI", CT_IMAGE_STORAGE),
        (0x00041511, "UI", "2.25.666"),
    ]
    data_set = encode_data_set([(0x00041220, "SQ", [record])])
    meta = encode_file_meta(directory, "2.25.2", EXPLICIT_LITTLE)
    (medium / "DICOMDIR").write_bytes(meta + data_set)
    received: list[RawMessage] = []
    done = run_against(storage(received), "storescu", medium, options=("+sd", "+r", "-nh"))
    assert [message.text(0x1000) for message in received if message.text(0x1000) != "2.25.2"] == [
        "2.25.1"
    ]
    assert "SECRET" not in done.stderr
    assert run_against(obey, "storescu", medium / "IMAGE").code == 0


def test_io_dicom_55_patient_id_and_every_other_value_as_a_directory(tmp_path: Path) -> None:
    root = tmp_path / "root"
    values = ["../../..", OUTSIDE, "..", "../" * 300, ".\0.", "a/b/c"]
    for option in (("-sp",), ("-ss", "P"), ("-su", "P")):
        with receiving(root / "inner" / option[0], *option) as receiver:
            for number, value in enumerate(values):
                patient = value.encode()
                item = StudyObject(value, f"1.9.{number}", patient, character_set=value[:64])
                assert deliver(receiver.port, [item]) == [0]
            fence = Fence(root / "inner", receiver)
            fence.check()
            assert len(kept(receiver.directory)) == len(values)
            # One folder each, none in another.
            assert all(name.count("/") == 1 for name in kept(receiver.directory))
            check_served(receiver)
        shutil.rmtree(receiver.directory)


def test_dicomhawk_114_absolute_path_in_a_uid(plain: Fence, tmp_path: Path) -> None:
    """A path that is joined to another one and begins with a slash would take its place."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"as it was")
    assert put(plain.receiver.port, str(victim), _everywhere(str(victim))) == 0
    assert victim.read_bytes() == b"as it was"
    assert not (tmp_path / "CT.victim").exists()
    plain.check()
    check_served(plain.receiver)


def test_dicom_rs_storescp_uid_joined_to_the_directory(plain: Fence) -> None:
    """Also not by the SOP class, nor by a folder that a UID would have made."""
    image = ct_image(rows=4, columns=4)
    for uid in UIDS.values():
        put(plain.receiver.port, image.sop_instance_uid, image.data_set, sop_class_uid=uid)
        plain.check()
    put(plain.receiver.port, "1.2/3.4", _everywhere("1.2/3.4"))
    assert [path for path in plain.receiver.directory.rglob("*") if path.is_dir()] == []
    check_served(plain.receiver)

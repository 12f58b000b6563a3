"""The same object twice, another under its name, and both at the same time."""

from __future__ import annotations

import os
import threading
import tracemalloc
from functools import partial
from typing import TYPE_CHECKING

import pytest

from isocenter import uids
from isocenter.dataset.part10 import encode_file_meta
from isocenter.errors import DuplicateObject, StorageError
from isocenter.storage import duplicates
from isocenter.storage.duplicates import DUPLICATE_POLICIES, publish
from isocenter.storage.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from isocenter.storage.duplicates import DuplicatePolicy, Published

CT = "1.2.840.10008.5.1.4.1.1.2"
DATA = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100\x08\x00\x60\x00CS\x02\x00CT"
OTHER = DATA[:-2] + b"MR"


@pytest.fixture(params=[True, False], ids=["anonymous", "named"])
def spool(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Spool]:
    (tmp_path / "out").mkdir()
    with Spool(str(tmp_path / "out"), anonymous=bool(request.param)) as made:
        yield made


def meta(
    sender: str = "A",
    *,
    transfer_syntax: str = uids.EXPLICIT_VR_LITTLE_ENDIAN,
    version: str = "V1",
) -> bytes:
    return encode_file_meta(
        transfer_syntax_uid=transfer_syntax,
        sop_class_uid=CT,
        sop_instance_uid="1.2.3",
        source_application_entity_title=sender,
        implementation_version_name=version,
    )


def put(
    spool: Spool,
    content: bytes,
    policy: DuplicatePolicy = "overwrite",
    name: str = "a.dcm",
    extension: str = ".dcm",
) -> Published:
    file = spool.begin()
    file.write([content])
    return publish(file, name, policy, extension=extension)


def kept(spool: Spool) -> dict[str, bytes]:
    """Return name and content of everything there is."""
    found = {}
    for name in os.listdir(spool.directory):
        with open(f"{spool.directory}/{name}", "rb") as file:
            found[name] = file.read()
    return found


@pytest.mark.parametrize("policy", DUPLICATE_POLICIES)
def test_new_object_is_published_under_any_policy(spool: Spool, policy: DuplicatePolicy) -> None:
    assert put(spool, meta() + DATA, policy) == (f"{spool.directory}/a.dcm", "new")
    assert kept(spool) == {"a.dcm": meta() + DATA}


@pytest.mark.parametrize("policy", DUPLICATE_POLICIES)
def test_same_data_set_from_another_sender_is_a_quiet_success(
    spool: Spool, policy: DuplicatePolicy
) -> None:
    first = meta() + DATA
    put(spool, first)
    before = os.stat(f"{spool.directory}/a.dcm")
    again = put(spool, meta("ANOTHER SENDER", version="V2 OF IT") + DATA, policy)
    assert again == (f"{spool.directory}/a.dcm", "identical")
    assert kept(spool) == {"a.dcm": first}
    after = os.stat(f"{spool.directory}/a.dcm")
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize(
    "other",
    [
        meta() + OTHER,
        meta() + DATA[:-1],
        meta() + DATA + b"\0",
        meta(transfer_syntax=uids.IMPLICIT_VR_LITTLE_ENDIAN) + DATA,
        DATA,
        b"",
        meta()[:200],
    ],
    ids=["content", "shorter", "longer", "syntax", "no File Meta", "empty", "cut short"],
)
@pytest.mark.parametrize(
    ("policy", "outcome", "names"),
    [
        ("overwrite", "overwritten", {"a.dcm": "new"}),
        ("keep-both", "kept-both", {"a.dcm": "old", "a_1.dcm": "new"}),
        ("ignore", "ignored", {"a.dcm": "old"}),
        ("reject", None, {"a.dcm": "old"}),
    ],
)
def test_different_object_is_treated_by_the_policy(
    spool: Spool, policy: DuplicatePolicy, outcome: str | None, names: dict[str, str], other: bytes
) -> None:
    old, new = other, meta() + DATA
    put(spool, old)
    if outcome is None:
        with pytest.raises(DuplicateObject) as caught:
            put(spool, new, policy)
        assert caught.value.status == 0x0111
        assert caught.value.path == f"{spool.directory}/a.dcm"
    else:
        published = put(spool, new, policy)
        assert published.outcome == outcome
        assert published.path == f"{spool.directory}/{max(names)}"
    contents = {"old": old, "new": new}
    assert kept(spool) == {name: contents[which] for name, which in names.items()}


def test_files_without_file_meta_are_compared_whole(spool: Spool) -> None:
    put(spool, DATA)
    assert put(spool, DATA, "reject").outcome == "identical"
    with pytest.raises(DuplicateObject):
        put(spool, OTHER, "reject")


def test_versions_are_counted_and_each_is_kept_once(spool: Spool) -> None:
    contents = [meta() + DATA[:-2] + letters for letters in (b"CT", b"MR", b"US", b"XA")]
    names = ["a.dcm", "a_1.dcm", "a_2.dcm", "a_3.dcm"]
    for content in contents:
        put(spool, content, "keep-both")
    for content, name in zip(contents, names, strict=True):
        again = put(spool, content, "keep-both")
        assert again == (f"{spool.directory}/{name}", "identical")
    assert kept(spool) == dict(zip(names, contents, strict=True))


@pytest.mark.parametrize(
    ("name", "extension", "second"),
    [
        ("CT.1.2.3", "", "CT.1.2.3_1"),
        ("CT.1.2.3", ".dcm", "CT.1.2.3_1"),
        ("CT.1.2.3.dcm", ".dcm", "CT.1.2.3_1.dcm"),
        ("x" * 255, "", "x" * 253 + "_1"),
        ("x" * 251 + ".dcm", ".dcm", "x" * 249 + "_1.dcm"),
    ],
)
def test_second_name_keeps_the_extension_and_is_short_enough(
    spool: Spool, name: str, extension: str, second: str
) -> None:
    put(spool, DATA, "keep-both", name, extension)
    put(spool, OTHER, "keep-both", name, extension)
    assert sorted(kept(spool)) == sorted([name, second])


def test_versions_have_a_limit(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "MAXIMUM_VERSIONS", 3)
    for number in range(3):
        put(spool, b"%d" % number, "keep-both")
    with pytest.raises(StorageError, match="3 objects"):
        put(spool, b"too many", "keep-both")
    assert sorted(kept(spool)) == ["a.dcm", "a_1.dcm", "a_2.dcm"]


def make_link(path: Path) -> None:
    (path.parent.parent / "outside").write_bytes(meta() + DATA)
    path.symlink_to(path.parent.parent / "outside")


def make_device(path: Path) -> None:
    try:
        os.mknod(path, 0o20644, os.makedev(1, 3))  # /dev/null
    except PermissionError:
        pytest.skip("making a device needs rights")


@pytest.mark.parametrize(
    "make",
    [make_link, os.mkfifo, make_device, lambda path: path.mkdir()],
    ids=["symlink", "fifo", "device", "directory"],
)
@pytest.mark.parametrize("policy", DUPLICATE_POLICIES)
def test_what_is_no_file_is_neither_followed_nor_read_nor_taken_for_the_object(
    spool: Spool, tmp_path: Path, policy: DuplicatePolicy, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "out" / "a.dcm"
    make(path)
    before = path.lstat()
    if policy == "keep-both":
        assert put(spool, meta() + DATA, policy).outcome == "kept-both"
        assert (tmp_path / "out" / "a_1.dcm").read_bytes() == meta() + DATA
    elif policy == "overwrite" and not path.is_dir():
        assert put(spool, meta() + DATA, policy).outcome == "overwritten"
        assert path.read_bytes() == meta() + DATA
        assert not path.is_symlink()
        assert [one.name for one in path.parent.iterdir()] == ["a.dcm"]
        return
    else:
        with pytest.raises(StorageError):
            put(spool, meta() + DATA, policy)
    assert os.path.samestat(path.lstat(), before)


def test_file_that_may_not_be_read_counts_as_another(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(spool, DATA)

    def forbidden(self: Spool, name: str, folder: object = None) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Spool, "open_existing", forbidden)
    assert put(spool, DATA, "ignore").outcome == "ignored"
    with pytest.raises(DuplicateObject):
        put(spool, DATA, "reject")
    assert put(spool, DATA, "overwrite").outcome == "overwritten"


@pytest.mark.parametrize("change", ["content", "removed", "replaced"])
def test_file_that_changes_while_it_is_compared_loses_nothing(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    put(spool, DATA)
    path = f"{spool.directory}/a.dcm"
    real = duplicates._have_same_data_set
    calls = []

    def meanwhile(one: int, other: int) -> bool:
        same = real(one, other)
        calls.append(same)
        if change == "content":
            with open(path, "r+b") as file:
                file.write(b"changed")
            os.utime(path, ns=(1, len(calls)))
        elif change == "removed":
            os.unlink(path)
        else:
            os.rename(path, f"{path}.moved")
            with open(path, "wb") as file:
                file.write(b"replaced")
        return same

    monkeypatch.setattr(duplicates, "_have_same_data_set", meanwhile)
    published = put(spool, DATA, "keep-both")
    assert calls[0]
    assert published.outcome == ("new" if change == "removed" else "kept-both")
    with open(published.path, "rb") as file:
        assert file.read() == DATA


def test_name_that_comes_and_goes_ends(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(*unused: object, **named: object) -> str:
        raise FileExistsError

    monkeypatch.setattr("isocenter.storage.spoolfile.SpoolFile.publish", taken)
    with pytest.raises(StorageError, match="comes and goes"):
        put(spool, DATA)
    assert kept(spool) == {}


def test_into_a_folder_and_one_that_is_missing(spool: Spool) -> None:
    folder = spool.folder("study")
    file = spool.begin()
    file.write([DATA])
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            publish(file, "a", "overwrite", folder)
    os.mkdir(f"{spool.directory}/study")
    published = publish(file, "a", "overwrite", folder)
    assert published == (f"{spool.directory}/study/a", "new")
    second = spool.begin()
    second.write([OTHER])
    assert publish(second, "a", "keep-both", folder).path == f"{spool.directory}/study/a_1"
    third = spool.begin()
    third.write([DATA])
    assert publish(third, "a", "reject", folder).outcome == "identical"
    assert sorted(os.listdir(f"{spool.directory}/study")) == ["a", "a_1"]


def race(spool: Spool, contents: list[bytes], policy: DuplicatePolicy) -> list[Published]:
    """Publish all under one name at the same moment."""
    outcomes: list[Published] = []
    start = threading.Barrier(len(contents))

    def one(content: bytes) -> None:
        file = spool.begin()
        file.write([content])
        start.wait(10)
        outcomes.append(publish(file, "a", policy))

    threads = [threading.Thread(target=partial(one, content)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.slow
def test_racing_writers_lose_no_object(spool: Spool) -> None:
    for _ in range(20):
        contents = [b"object %d" % number for number in range(6)]
        outcomes = race(spool, contents, "keep-both")
        assert sorted(one.outcome for one in outcomes) == ["kept-both"] * 5 + ["new"]
        assert sorted(kept(spool)) == ["a", "a_1", "a_2", "a_3", "a_4", "a_5"]
        assert sorted(kept(spool).values()) == contents
        for one in outcomes:
            os.unlink(one.path)


@pytest.mark.slow
@pytest.mark.parametrize("policy", DUPLICATE_POLICIES)
def test_racing_writers_of_the_same_object_leave_one(spool: Spool, policy: DuplicatePolicy) -> None:
    for _ in range(10):
        outcomes = race(spool, [DATA] * 6, policy)
        assert sorted(one.outcome for one in outcomes) == ["identical"] * 5 + ["new"]
        assert kept(spool) == {"a": DATA}
        os.unlink(f"{spool.directory}/a")


@pytest.mark.slow
def test_long_files_are_compared_in_little_memory(spool: Spool) -> None:
    content = os.urandom(8 * 1024 * 1024)
    put(spool, meta() + content)
    file = spool.begin()
    file.write([meta("OTHER") + content])
    tracemalloc.start()
    try:
        assert publish(file, "a.dcm", "reject").outcome == "identical"
        assert tracemalloc.get_traced_memory()[1] < 1024 * 1024
    finally:
        tracemalloc.stop()
    with pytest.raises(DuplicateObject):
        put(spool, meta() + content[:-1] + bytes([content[-1] ^ 1]), "reject")

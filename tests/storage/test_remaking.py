"""An output directory that is removed while a receiver runs."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import StorageError
from isocenter.storage.folders import DateFolders
from isocenter.storage.placing import Origin
from isocenter.storage.remaking import RemadeSpool
from isocenter.storage.spool import Spool

if TYPE_CHECKING:
    from pathlib import Path

ORIGIN = Origin(1, "STORESCU")


@pytest.mark.parametrize("durable", [False, True])
def test_it_is_made_again_with_what_it_is_in(tmp_path: Path, durable: bool) -> None:
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    with RemadeSpool(str(place), durable=durable) as spool:
        for number in range(3):
            file = spool.begin()
            file.write([b"x"])
            file.publish(str(number))
            assert os.listdir(place) == [str(number)]
            shutil.rmtree(tmp_path / "a")


def test_a_relative_one_is_made_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    with RemadeSpool("out") as spool:
        shutil.rmtree(tmp_path / "out")
        monkeypatch.chdir("/")
        file = spool.begin()
        file.publish("name")
    assert os.listdir(tmp_path / "out") == ["name"]


def test_one_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    with RemadeSpool(str(place)) as spool:
        shutil.rmtree(tmp_path / "a")
        (tmp_path / "a").touch()
        with pytest.raises(StorageError) as caught:
            spool.begin()
    assert caught.value.status == 0xA700


def test_an_ordinary_one_stays_away(tmp_path: Path) -> None:
    place = tmp_path / "out"
    place.mkdir()
    with Spool(str(place)) as spool:
        shutil.rmtree(place)
        with pytest.raises(StorageError):
            spool.begin()
    assert not place.exists()


def test_folders_of_dates_are_made_once_and_again_when_they_are_gone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with RemadeSpool(str(tmp_path / "out")) as spool:
        folders = DateFolders(spool)
        (tag,) = folders.wanted
        for _ in range(2):
            placement = folders.place({tag: b"20260102"}, ORIGIN)
            assert placement.folder == "data/2026/01/02"
            assert (tmp_path / "out" / "data" / "2026" / "01" / "02").is_dir()
            shutil.rmtree(tmp_path / "out")


def test_a_file_in_the_place_of_a_folder_is_out_of_resources(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with Spool(str(tmp_path)) as spool:
        folders = DateFolders(spool)
        (tag,) = folders.wanted
        with pytest.raises(StorageError) as caught:
            folders.place({tag: b"20260102"}, ORIGIN)
    assert caught.value.status == 0xA700
    assert caught.value.doing == "cannot create directory for received object"

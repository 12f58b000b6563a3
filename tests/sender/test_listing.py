"""Which files dcmsend lists, and which UIDs it refuses (dcmtk-facts 6.2)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import DataSetError
from isocenter.sender.listing import InvalidInput, Listing, ListingOptions, check_uids
from isocenter.sender.prepare import ANY_FORM, DATA_SET_ONLY
from isocenter.testing import ct_image

if TYPE_CHECKING:
    from pathlib import Path

CT, LITTLE, INSTANCE = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1", "2.25.1"
small_image = partial(ct_image, rows=4, columns=4)

GOOD = [
    (CT, LITTLE, INSTANCE),
    ("1.2.840.10008.5.1.4.1.1.999", LITTLE, INSTANCE),
    ("1.2.3.4", LITTLE, INSTANCE),
    ("2.25.4711", "1.2.840.10008.1.2.4.50", "1"),
]
BAD = [
    ("", LITTLE, INSTANCE, "Invalid SOP Class UID"),
    ("1.2.840.10008.1.1", LITTLE, INSTANCE, "Invalid SOP Class UID"),
    ("1.2.840.10008.1.2.1", LITTLE, INSTANCE, "Invalid SOP Class UID"),
    ("1.2.840.10008.77", LITTLE, INSTANCE, "Unknown Storage SOP Class"),
    ("1.2.03", LITTLE, INSTANCE, "Invalid SOP Class UID"),
    ("1..3", LITTLE, INSTANCE, "Invalid SOP Class UID"),
    ("1.2\\1.3", LITTLE, INSTANCE, "Invalid SOP Class UID"),
    ("1." + "2" * 63, LITTLE, INSTANCE, "Invalid SOP Class UID"),
    ("one", LITTLE, INSTANCE, "Invalid SOP Class UID"),
    (CT, LITTLE, "", "Invalid SOP Instance UID"),
    (CT, LITTLE, "2.25.x", "Invalid SOP Instance UID"),
    (CT, LITTLE, "2.25.1\\2.25.2", "Invalid SOP Instance UID"),
    (CT, "", INSTANCE, "Invalid Transfer Syntax UID"),
    (CT, "1.2.x", INSTANCE, "Invalid Transfer Syntax UID"),
    (CT, "1.2.840.10008.1.2.99", INSTANCE, "Unknown Transfer Syntax"),
    (CT, "1.2.3.4", INSTANCE, "Unknown Transfer Syntax"),
]
NEVER = {("", LITTLE), ("one", LITTLE), ("1.2\\1.3", LITTLE), ("1." + "2" * 63, LITTLE)}


@pytest.mark.parametrize(("sop_class", "syntax", "instance"), GOOD)
def test_uids_that_will_do(sop_class: str, syntax: str, instance: str) -> None:
    check_uids(sop_class, syntax, instance)


@pytest.mark.parametrize(("sop_class", "syntax", "instance", "reason"), BAD)
def test_uids_that_will_not(sop_class: str, syntax: str, instance: str, reason: str) -> None:
    with pytest.raises(DataSetError) as caught:
        check_uids(sop_class, syntax, instance)
    assert caught.value.reason == reason


@pytest.mark.parametrize(("sop_class", "syntax", "instance", "reason"), BAD)
def test_without_the_check_what_can_be_proposed_is(
    sop_class: str, syntax: str, instance: str, reason: str
) -> None:
    refused = (sop_class, syntax) in NEVER or not instance or syntax in {"", "1.2.x"}
    if refused:
        with pytest.raises(DataSetError, match=reason):
            check_uids(sop_class, syntax, instance, values=False)
    else:
        check_uids(sop_class, syntax, instance, values=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """a.dcm, sub/b.dcm, `bare`, a data set alone, and `text`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    small_image(sop_instance_uid="2.25.1").write(tmp_path / "a.dcm")
    small_image(sop_instance_uid="2.25.2").write(tmp_path / "sub" / "b.dcm")
    (tmp_path / "bare").write_bytes(small_image(sop_instance_uid="2.25.3").data_set)
    (tmp_path / "text").write_text("no image")
    return tmp_path


def paths(*given: str, **options: object) -> list[str]:
    listing = Listing(given, ListingOptions(**options))  # type: ignore[arg-type]  # its fields
    return [listed.path for listed in listing]


@pytest.mark.usefixtures("folder")
class TestFiles:
    @pytest.mark.parametrize("lazily", [False, True])
    def test_folders_are_scanned_in_their_place(self, *, lazily: bool) -> None:
        found = paths("a.dcm", "sub", "a.dcm", scan_directories=True, lazily=lazily)
        assert found == ["a.dcm", "sub/b.dcm", "a.dcm"]

    def test_folders_are_left_out_without_the_option(self) -> None:
        assert paths("sub", "a.dcm") == ["a.dcm"]
        assert Listing(["sub"], ListingOptions()).is_empty

    def test_what_a_file_may_be(self) -> None:
        assert paths("bare", "a.dcm", form=ANY_FORM) == ["bare", "a.dcm"]
        assert paths("bare", form=DATA_SET_ONLY) == ["bare"]
        for given, form in (("bare", "file"), ("a.dcm", DATA_SET_ONLY), ("text", ANY_FORM)):
            with pytest.raises(InvalidInput, match=f"bad DICOM file: {given}: "):
                paths(given, form=form)

    def test_invalid_files_are_counted_without_halting(self) -> None:
        listing = Listing(["text", "a.dcm", "absent", ""], ListingOptions(halt=False))
        assert [listed.path for listed in listing] == ["a.dcm"]
        assert listing.invalid == 3

    @pytest.mark.parametrize("path", ["absent", "text", "", "nul\0"])
    def test_an_invalid_file_ends_it(self, path: str) -> None:
        with pytest.raises(InvalidInput, match="bad DICOM file"):
            paths("a.dcm", path)


def test_a_pipe_is_no_file(folder: Path) -> None:
    import os

    os.mkfifo(folder / "pipe")
    with pytest.raises(InvalidInput, match="not a regular file"):
        paths("pipe")


def test_file_meta_longer_than_the_first_read_is_read(folder: Path) -> None:
    from pydicom import dcmread
    from pydicom.uid import UID

    dataset = dcmread(folder / "a.dcm")
    dataset.file_meta.PrivateInformationCreatorUID = UID("1.2.3")
    dataset.file_meta.PrivateInformation = bytes(20_000)
    dataset.save_as(folder / "long.dcm")
    assert paths("long.dcm") == ["long.dcm"]

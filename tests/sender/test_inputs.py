"""Which files are sent, and what is said of those that are not."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import ConfigurationError
from isocenter.sender.inputs import InputOptions, PathList, check_inputs, scan_directory
from isocenter.sender.prepare import FILE_ONLY
from isocenter.testing.datasets import ct_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from isocenter.sender.inputs import CheckedInputs

MR = "1.2.840.10008.5.1.4.1.1.4"


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """Give what was logged, as the tools show it."""
    caplog.set_level(logging.INFO, "isocenter")
    found: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(f"{record.levelname[0]}: {record.getMessage()}")

    handler = Collector()
    logger = logging.getLogger("isocenter.sender")
    logger.addHandler(handler)
    yield found
    logger.removeHandler(handler)


def files_of(inputs: CheckedInputs) -> list[str]:
    return list(inputs.files)


def touch(*names: str) -> None:
    for name in names:
        directory = os.path.dirname(name)
        if directory:
            os.makedirs(directory, exist_ok=True)
        with open(name, "wb"):
            pass


class TestPathList:
    @pytest.mark.parametrize("count", [0, 1, 1023, 1024, 1025, 2048])
    def test_gives_back_what_it_got_as_often_as_asked(self, count: int) -> None:
        paths = [f"ä/{number}" for number in range(count)]
        kept = PathList()
        for path in paths:
            kept.append(path)
        assert len(kept) == count
        assert list(kept) == paths
        assert list(kept) == paths

    def test_takes_little_more_than_the_length_of_the_paths(self) -> None:
        import tracemalloc

        tracemalloc.start()
        try:
            kept = PathList()
            for number in range(20_000):
                kept.append(f"/some/directory/of/a/study/{number:08d}.dcm")
            used, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert used < 20_000 * 39 * 1.3


class TestCommandLine:
    def test_files_keep_their_order(self, lines: list[str]) -> None:
        touch("b", "a", "c")
        assert files_of(check_inputs(["b", "c", "a", "b"], InputOptions())) == ["b", "c", "a", "b"]
        assert lines == ["I: checking input files ..."]

    def test_missing_file_ends_the_run(self) -> None:
        touch("a")
        with pytest.raises(ConfigurationError, match=r"^cannot access file: missing$"):
            check_inputs(["a", "missing", "gone"], InputOptions())

    def test_missing_file_is_left_out_and_counted_without_halting(self, lines: list[str]) -> None:
        touch("a", "b")
        inputs = check_inputs(["a", "missing", "b"], InputOptions(halt=False))
        assert (files_of(inputs), inputs.ignored) == (["a", "b"], 1)
        assert lines == [
            "I: checking input files ...",
            "W: cannot access file: missing, ignoring file",
        ]

    def test_nothing_left_without_halting_is_no_error_yet(self) -> None:
        inputs = check_inputs(["missing"], InputOptions(halt=False))
        assert (files_of(inputs), inputs.ignored) == ([], 1)

    def test_path_with_a_nul_is_missing(self) -> None:
        with pytest.raises(ConfigurationError, match="cannot access file"):
            check_inputs(["a\0b"], InputOptions())

    def test_directory_is_left_out_with_a_warning(self, lines: list[str]) -> None:
        touch("a", "dir/b")
        inputs = check_inputs(["dir", "a"], InputOptions())
        assert (files_of(inputs), inputs.ignored) == (["a"], 0)
        assert lines == [
            "W: ignoring directory because option --scan-directories is not set: dir",
            "I: checking input files ...",
        ]

    def test_directory_alone_leaves_nothing_to_send(self) -> None:
        os.mkdir("dir")
        with pytest.raises(ConfigurationError, match=r"^no input files to be sent$"):
            check_inputs(["dir"], InputOptions())


class TestScan:
    def test_files_and_directories_mix(self, lines: list[str]) -> None:
        touch("a", "dir/b", "z")
        inputs = check_inputs(["z", "dir", "a"], InputOptions(scan_directories=True))
        assert files_of(inputs) == ["z", "dir/b", "a"]
        assert lines == ["I: determining input files ...", "I: checking input files ..."]

    def test_entries_come_in_the_order_of_the_system(self) -> None:
        touch(*(f"dir/{name}" for name in "qwertzuiop"))
        assert list(scan_directory("dir")) == [f"dir/{name}" for name in os.listdir("dir")]

    def test_subdirectories_only_where_asked_for(self) -> None:
        touch("dir/a", "dir/sub/b", "dir/sub/deeper/c")
        assert list(scan_directory("dir")) == ["dir/a"]
        assert sorted(scan_directory("dir", recurse=True)) == [
            "dir/a",
            "dir/sub/b",
            "dir/sub/deeper/c",
        ]

    def test_subdirectory_is_entered_where_it_is_met(self) -> None:
        touch(*(f"dir/{name}" for name in "abc"), *(f"dir/sub/{name}" for name in "xyz"))
        expected: list[str] = []
        for name in os.listdir("dir"):
            path = f"dir/{name}"
            inner = [f"{path}/{entry}" for entry in os.listdir(path)] if name == "sub" else [path]
            expected += inner
        assert list(scan_directory("dir", recurse=True)) == expected

    @pytest.mark.parametrize(
        ("directory", "expected"),
        [("dir", "dir/a"), ("dir/", "dir/a"), ("dir//", "dir/a"), ("./dir", "./dir/a")],
    )
    def test_paths_are_joined_with_one_slash(self, directory: str, expected: str) -> None:
        touch("dir/a")
        assert list(scan_directory(directory)) == [expected]

    @pytest.mark.parametrize("directory", [".", "./"])
    def test_current_directory_gives_no_prefix(self, directory: str) -> None:
        touch("a", "sub/b")
        assert sorted(scan_directory(directory, recurse=True)) == ["a", "sub/b"]

    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("*.dcm", [".hidden.dcm", "a.dcm", "b.dcm"]),
            ("?.dcm", ["a.dcm", "b.dcm"]),
            ("[!a].dcm", ["b.dcm"]),
            ("[^a].dcm", ["b.dcm"]),
            ("A.dcm", []),
            (r"\*", ["*"]),
            ("", ["*", ".hidden.dcm", "a.dcm", "b.dcm", "c.txt"]),
        ],
    )
    def test_pattern_is_that_of_the_shell(self, pattern: str, expected: list[str]) -> None:
        touch(*(f"dir/{name}" for name in ("a.dcm", "b.dcm", "c.txt", ".hidden.dcm", "*")))
        os.mkdir("dir/d.dcm")
        assert sorted(scan_directory("dir", pattern)) == [f"dir/{name}" for name in expected]

    def test_pattern_does_not_apply_to_files_given_by_name(self) -> None:
        touch("a.txt", "dir/b.txt", "dir/c.dcm")
        options = InputOptions(scan_directories=True, scan_pattern="*.dcm")
        assert files_of(check_inputs(["a.txt", "dir"], options)) == ["a.txt", "dir/c.dcm"]

    def test_nothing_that_matches_is_nothing_to_send(self) -> None:
        touch("dir/a")
        options = InputOptions(scan_directories=True, scan_pattern="*.dcm")
        with pytest.raises(ConfigurationError, match=r"^no input files to be sent$"):
            check_inputs(["dir"], options)

    def test_links_are_followed_but_not_in_circles(self) -> None:
        touch("dir/sub/a", "other/b")
        os.symlink("..", "dir/sub/up")
        os.symlink(os.path.abspath("other"), "dir/other")
        assert sorted(scan_directory("dir", recurse=True)) == ["dir/other/b", "dir/sub/a"]

    def test_broken_link_ends_the_run(self) -> None:
        os.mkdir("dir")
        os.symlink("nowhere", "dir/broken")
        with pytest.raises(ConfigurationError, match=r"^cannot access file: dir/broken$"):
            check_inputs(["dir"], InputOptions(scan_directories=True))

    def test_broken_link_is_left_out_without_halting(self) -> None:
        touch("dir/a")
        os.symlink("nowhere", "dir/broken")
        inputs = check_inputs(["dir"], InputOptions(scan_directories=True, halt=False))
        assert (files_of(inputs), inputs.ignored) == (["dir/a"], 1)

    def test_tree_deeper_than_directories_are_kept_open(self) -> None:
        depth = 200
        touch("d/" * depth + "bottom")
        touch(*("d/" * level + "after" for level in range(1, depth)))
        found = list(scan_directory("d", recurse=True))
        assert len(found) == depth
        assert "d/" * depth + "bottom" in found

    def test_unreadable_directory(self, monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
        touch("dir/a", "dir/sub/b")
        scandir = os.scandir

        def refuse(path: str) -> Iterator[os.DirEntry[str]]:
            if path == "dir/sub":
                raise PermissionError(13, "Permission denied")
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refuse)
        options = InputOptions(scan_directories=True, recurse=True, halt=False)
        inputs = check_inputs(["dir"], options)
        assert (files_of(inputs), inputs.ignored) == (["dir/a"], 1)
        assert "W: cannot access directory: dir/sub: Permission denied, ignoring directory" in lines
        with pytest.raises(ConfigurationError, match=r"directory: dir/sub: Permission denied$"):
            check_inputs(["dir"], InputOptions(scan_directories=True, recurse=True))
        with pytest.raises(PermissionError):
            list(scan_directory("dir", recurse=True))


class TestRequired:
    def test_classes_in_order_of_first_appearance(self, tmp_path: Path) -> None:
        ct_image(sop_class_uid=MR).write(tmp_path / "mr1")
        ct_image().write(tmp_path / "ct")
        ct_image(sop_class_uid=MR).write(tmp_path / "mr2")
        inputs = check_inputs(["mr1", "ct", "mr2"], InputOptions(required=True))
        assert inputs.sop_classes == (MR, "1.2.840.10008.5.1.4.1.1.2")
        assert files_of(inputs) == ["mr1", "ct", "mr2"]

    def test_file_without_identity(self, tmp_path: Path, lines: list[str]) -> None:
        ct_image().write(tmp_path / "ct")
        (tmp_path / "text").write_text("no DICOM at all, but long enough to look into")
        with pytest.raises(
            ConfigurationError,
            match=r"^missing SOP class \(or instance\) in file: text: not a DICOM file$",
        ):
            check_inputs(["ct", "text"], InputOptions(required=True))
        inputs = check_inputs(["text", "ct"], InputOptions(required=True, halt=False))
        assert (files_of(inputs), inputs.ignored) == (["ct"], 1)
        expected = "missing SOP class (or instance) in file: text: not a DICOM file"
        assert lines[-1] == f"W: {expected}, ignoring file"

    def test_class_that_is_no_storage_class(self, tmp_path: Path, lines: list[str]) -> None:
        ct_image().write(tmp_path / "ct")
        ct_image(sop_class_uid="2.25.99").write(tmp_path / "private")
        with pytest.raises(
            ConfigurationError, match=r"^unknown storage SOP class in file: private: 2\.25\.99$"
        ):
            check_inputs(["private"], InputOptions(required=True))
        inputs = check_inputs(["private", "ct"], InputOptions(required=True, halt=False))
        assert (files_of(inputs), inputs.ignored) == (["ct"], 1)
        expected = "W: unknown storage SOP class in file: private: 2.25.99, ignoring file"
        assert lines[-1] == expected

    def test_nothing_left_is_nothing_to_propose(self) -> None:
        with pytest.raises(ConfigurationError, match=r"^no input files to be sent$"):
            check_inputs(["missing"], InputOptions(required=True, halt=False))

    def test_raw_data_set_where_only_files_are_wanted(self, tmp_path: Path) -> None:
        (tmp_path / "raw").write_bytes(ct_image().data_set)
        assert check_inputs(["raw"], InputOptions(required=True)).sop_classes
        with pytest.raises(ConfigurationError, match="missing SOP class"):
            check_inputs(["raw"], InputOptions(required=True, form=FILE_ONLY))

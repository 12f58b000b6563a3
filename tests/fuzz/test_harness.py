"""The fuzzing itself: what fails is found and kept, what is well is told."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.fuzz import campaign, keep, run
from tests.fuzz import oracle as oracles
from tests.fuzz.mutations import LONGEST, mutations
from tests.fuzz.oracle import Finding, Limits, Oracle, Target, load, raises_only
from tests.peers import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def target_of(body: Callable[[bytes], None], **limits: float) -> Target:
    return Target("example", body, lambda: [b"seed"], Limits()._replace(**limits))  # type: ignore[arg-type]


def test_input_that_takes_too_long_is_found() -> None:
    def slow(data: bytes) -> None:
        sum(range(2_000_000))

    with pytest.raises(Finding, match="for 3 bytes, at most"):
        Oracle(target_of(slow, seconds=0.001))(b"abc")


def test_input_that_takes_too_much_memory_is_found() -> None:
    kept: list[bytes] = []

    def greedy(data: bytes) -> None:
        kept[:] = [bytes(100_000)]

    oracle = Oracle(target_of(greedy, memory=50_000), sampled=2)
    oracle(b"the first is not measured")
    with pytest.raises(Finding, match="bytes of memory for 3"):
        oracle(b"abc")


def test_process_that_grows_has_its_input_measured_out_of_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    peaks = iter([0, 0, 100_000_000])
    monkeypatch.setattr(oracles, "_peak", lambda: next(peaks))
    kept: list[bytes] = []

    def greedy(data: bytes) -> None:
        kept[:] = [bytes(len(data) * 10_000_000)]

    oracle = Oracle(target_of(greedy), sampled=1000)
    oracle(b"")
    with pytest.raises(Finding, match="bytes of memory"):
        oracle(b"abc")


def test_other_errors_go_through_and_documented_ones_have_to_say_something() -> None:
    with raises_only(ValueError):
        raise ValueError("what is wrong")
    with pytest.raises(KeyError), raises_only(ValueError):
        raise KeyError("other")
    with pytest.raises(AssertionError, match="says nothing"), raises_only(ValueError):
        raise ValueError


def test_mutations_are_the_same_for_the_same_seed() -> None:
    corpus = [b"first", b"second input", b""]
    made = list(mutations(corpus, 200, seed="name"))
    assert made == list(mutations(corpus, 200, seed="name"))
    assert made != list(mutations(corpus, 200, seed="other"))
    assert len(set(made)) > 100
    assert max(map(len, mutations([bytes(LONGEST)], 50, seed=1))) <= LONGEST


def test_few_inputs_reach_what_many_do() -> None:
    target = load("first_bytes")
    many = [b"GET / ", b"GET /x", b"\x80\x2e\x01\x03\x01", b"MSH|", b"MSH|^"]
    kept = keep.fewest(target._replace(seeds=list), many)
    assert b"GET / " in kept
    assert b"GET /x" not in kept
    assert b"MSH|^" not in kept


def test_run_of_a_target_says_what_it_came_to(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "tests.fuzz.run", "first_bytes", "--seconds", "1"]
    argv += ["--findings", str(tmp_path), "--no-atheris"]
    subprocess.run(argv, cwd=ROOT, check=True, timeout=50, stdin=subprocess.DEVNULL)
    report = json.loads((tmp_path / "first_bytes.json").read_text())
    assert report["runs"] > 20
    assert report["slowest"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["first_bytes.json"]


def test_input_that_fails_is_kept_with_its_error(tmp_path: Path) -> None:
    def bad(data: bytes) -> None:
        raise LookupError("not documented")

    kept = run.Campaign(Oracle(target_of(bad)), tmp_path)
    with pytest.raises(LookupError):
        kept.run(b"input")
    (path,) = [each for each in tmp_path.iterdir() if not each.suffix]
    assert path.read_bytes() == b"input"
    assert "LookupError: not documented" in path.with_suffix(".txt").read_text()


def test_seeds_run_before_the_first_input_and_one_that_fails_is_kept(tmp_path: Path) -> None:
    seen: list[bytes] = []
    well = target_of(seen.append)
    run.Campaign(Oracle(well), tmp_path).begin()
    assert seen == [b"seed"]

    def bad(data: bytes) -> None:
        raise LookupError("not documented")

    with pytest.raises(LookupError):
        run.Campaign(Oracle(target_of(bad)), tmp_path).begin()
    assert [path.read_bytes() for path in tmp_path.iterdir() if not path.suffix] == [b"seed"]


def test_table_names_what_was_found() -> None:
    well = campaign.Result("scan", 0, 1000, 9.6, 321, 65536, 0.012, 77, ())
    bad = campaign.Result("pdata", 77, 10, 0.5, 0, 0, 0.001, 5, ("pdata-1234",))
    assert well.is_well
    assert not bad.is_well
    assert not well._replace(runs=0).is_well
    text = campaign.table([well, bad])
    assert "| scan | 1000 | 10 | 321 | 64 KiB | 12 ms for 77 bytes |" in text
    assert "| **pdata: 1 found** | 10 |" in text
    assert "| together | 1010 | 10 |" in text


def test_table_goes_between_the_marks_of_a_document() -> None:
    document = "before\n<!-- fuzzing: begin -->\nold\n<!-- fuzzing: end -->\nafter\n"
    new = campaign.with_table(document, "| new |")
    assert "old" not in new
    assert campaign.with_table(new, "| new |") == new
    assert new.startswith("before\n")
    assert new.endswith("\nafter\n")
    with pytest.raises(ValueError, match="no <!-- fuzzing"):
        campaign.with_table("none", "")

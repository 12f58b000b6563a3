"""Every target takes its seeds, its kept corpus, and mutations of both, within its limits."""

from __future__ import annotations

import re

import pytest

from tests.fuzz.mutations import mutations
from tests.fuzz.oracle import NAMES, Oracle, corpus_of, load
from tests.peers import ROOT

MUTATIONS = 150
"""For each target: a second or two on a busy machine. scripts/soak runs millions."""
KEPT = 1024 * 1024
"""Bytes of all corpora together, at most."""


@pytest.mark.parametrize("name", NAMES)
def test_target_keeps_its_limits_on_seeds_and_kept_corpus(name: str) -> None:
    oracle = Oracle(load(name), sampled=2)
    for data in [*oracle.target.seeds(), *corpus_of(name)]:
        oracle(data)
    assert oracle.runs > 0


@pytest.mark.parametrize("name", NAMES)
def test_target_keeps_its_limits_on_mutations(name: str) -> None:
    oracle = Oracle(load(name), sampled=10)
    known = [*oracle.target.seeds(), *corpus_of(name)]
    for data in mutations(known, MUTATIONS, seed=name):
        oracle(data)
    assert oracle.runs == MUTATIONS


def test_kept_corpora_are_small() -> None:
    kept = [data for name in NAMES for data in corpus_of(name)]
    assert sum(map(len, kept)) < KEPT
    assert all(corpus_of(name) for name in NAMES)


def test_every_target_is_in_the_docs_and_no_other() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    section = text.partition("\n### Fuzzing\n")[2].partition("\n### ")[0]
    described = re.findall(r"^\| `(\w+)` \| ", section, re.MULTILINE)
    assert sorted(described) == list(NAMES)

"""Association profiles given to dcmrecv: DCMTK's tool and ours accept and complain alike.

The files are those of `test_profiles`, where storescp and storescu have theirs. What differs is
what dcmrecv makes of them: an association without any accepted context is rejected, and a
profile that cannot be used ends it with 66.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ScriptedRequestor, raw
from tests.cli.test_asconfig import CASES, changed
from tests.interop.test_profiles import (
    FILE,
    OURS_ALONE,
    PROPOSALS,
    ROLES,
    WITHOUT_COMMON_ROLE,
    negotiated,
)
from tests.support.tools import DCMTK, UNDER_TEST, Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing.raw import Context
    from tests.interop.test_profiles import Proposal

pytestmark = [pytest.mark.slow, pytest.mark.peer("dcmtk")]

UNUSABLE = 66


@pytest.fixture(scope="module")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("profiles") / "profiles.cfg"
    path.write_text(FILE)
    return path


def answered(receiver: Receiver, contexts: list[Context], *user: bytes) -> Proposal | None:
    """Return what a receiver accepts; None where it rejects the association."""
    with ScriptedRequestor(receiver.port) as requestor, contextlib.suppress(AssertionError):
        facts = requestor.associate(contexts, user=raw.user_information(*user))
        requestor.release()
        return negotiated(facts)
    return None


def _plain(answer: Proposal | None) -> Proposal | None:
    """Return an answer in which a role is refused in one way, by the user or the provider."""
    if answer is None:
        return None
    return answer._replace(
        contexts=[
            (number, 1 if result == 2 else result, uid, syntaxes)
            for number, result, uid, syntaxes in answer.contexts
        ]
    )


@pytest.mark.parametrize("name", ["Once", "Roles", "Extended", "Echo", "Gap", "only deflated"])
def test_dcmrecv_accepts_what_the_oracle_accepts(tmp_path: Path, profiles: Path, name: str) -> None:
    words = ("-xf", profiles, name)
    rejected = 0
    with (
        Receiver(DCMTK, tmp_path / "oracle", *words, tool="dcmrecv") as oracle,
        Receiver(UNDER_TEST, tmp_path / "ours", *words, tool="dcmrecv") as ours,
    ):
        for key, contexts in PROPOSALS.items():
            for kind, roles in ROLES.items():
                sent = [
                    one
                    for one in contexts
                    if name != "Roles" or (kind, one.abstract_syntax) not in WITHOUT_COMMON_ROLE
                ]
                expected = _plain(answered(oracle, sent, *roles))
                assert _plain(answered(ours, sent, *roles)) == expected, (key, kind)
                rejected += expected is None
    # Of the proposals at least one has nothing for a profile of a single class.
    assert (rejected > 0) == (name in {"Echo", "only deflated"})


@pytest.mark.parametrize(
    ("old", "new"),
    [(case[1], case[2]) for case in CASES if case[3] not in OURS_ALONE],
    ids=[f"{case[0]} {number}" for number, case in enumerate(CASES) if case[3] not in OURS_ALONE],
)
def test_a_bad_file_is_told_as_the_oracle_tells_it(tmp_path: Path, old: str, new: str) -> None:
    """Unknown symbols, sections, keys and syntaxes that are missing, entries given twice."""
    path = tmp_path / "bad.cfg"
    path.write_text(changed((old, new)))
    expected = DCMTK.run("dcmrecv", "-xf", path, "Bare", "11112")
    found = UNDER_TEST.run("dcmrecv", "-xf", path, "Bare", "11112")
    assert found.code == expected.code == UNUSABLE
    assert expected.lines[-1].startswith("F: cannot load association configuration: ")
    assert _texts(found.lines) == _texts(expected.lines)


@pytest.mark.parametrize("name", ["Nothing", "once!", "", "Several"])
def test_a_profile_that_cannot_be_used_is_told_as_by_the_oracle(profiles: Path, name: str) -> None:
    """There is none of the name, or it has a class twice, which an acceptor cannot tell apart."""
    expected = DCMTK.run("dcmrecv", "-xf", profiles, name, "11112")
    found = UNDER_TEST.run("dcmrecv", "-xf", profiles, name, "11112")
    assert found.code == expected.code == UNUSABLE
    assert _texts(found.lines)[-1] == _texts(expected.lines)[-1]


def _texts(lines: list[str]) -> list[str]:
    """Return lines without the place that ours adds in parentheses, and its warnings."""
    kept = [line for line in lines if not line.startswith("W: ignoring ")]
    return [line.rpartition(" (")[0] if line.endswith(")") else line for line in kept]

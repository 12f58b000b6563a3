"""storescu and storescp: what ``--config-file`` changes for a peer.

tests/options.toml names these tests; each runs again without its option and has to fail then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter.cli import storescp, storescu
from isocenter.testing import ScriptedRequestor, ct_image
from isocenter.testing.datasets import CT_IMAGE_STORAGE, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from isocenter.testing.raw import Context
from tests.cli.effects.receiving import serve
from tests.cli.effects.sending import HERE, Peer

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import AssociationFacts

pytestmark = pytest.mark.slow

PRIVATE = "1.2.3.4.5.6.7"

PROFILE = r"""
[[TransferSyntaxes]]
[Implicit]
TransferSyntax1 = LittleEndianImplicit
[[PresentationContexts]]
[Mine]
PresentationContext1 = 1.2.3.4.5.6.7\Implicit
[[Profiles]]
[Mine]
PresentationContexts = Mine
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a profile, and a file that the profile is for."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.cfg").write_text(PROFILE)
    ct_image(rows=4, columns=4, sop_class_uid=PRIVATE).write(tmp_path / "a.dcm")
    return tmp_path


def answer(contexts: list[Context], *options: str) -> dict[int, str]:
    """Return the transfer syntax of each context that storescp accepts."""
    answers: list[AssociationFacts] = []

    def script(port: int) -> None:
        with ScriptedRequestor(port) as requestor:
            answers.append(requestor.associate(contexts))
            requestor.release()

    assert serve(script, *options) == 0
    (facts,) = answers
    return facts.accepted


def test_storescu_proposes_the_profile_and_sends_by_it() -> None:
    peer = Peer()
    peer.run(storescu.main, "--config-file", "my.cfg", "mine", HERE, "a.dcm")
    proposed = [(one.abstract_syntax, one.transfer_syntaxes) for one in peer.facts.contexts]
    assert proposed == [(PRIVATE, (IMPLICIT_LITTLE,))]
    assert [message.text(0x0002) for message in peer.received] == [PRIVATE]


def test_storescu_proposes_a_built_in_profile() -> None:
    peer = Peer()
    peer.run(storescu.main, "-xf", "storescu.cfg", "Default", HERE, "a.dcm")
    assert len(peer.facts.contexts) == 128
    assert peer.facts.contexts[0].transfer_syntaxes == ("1.2.840.10008.1.2.4.50",)


def test_storescp_accepts_what_the_profile_says_and_nothing_else() -> None:
    contexts = [
        Context(1, PRIVATE, (EXPLICIT_LITTLE, IMPLICIT_LITTLE)),
        Context(3, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE, IMPLICIT_LITTLE)),
    ]
    accepted = answer(contexts, "--config-file", "my.cfg", "mine")
    assert accepted == {1: IMPLICIT_LITTLE}


def test_storescp_accepts_a_built_in_profile() -> None:
    jpeg_2000 = "1.2.840.10008.1.2.4.90"
    contexts = [Context(1, CT_IMAGE_STORAGE, (IMPLICIT_LITTLE, jpeg_2000))]
    assert answer(contexts, "-xf", "storescp.cfg", "AllDICOM") == {1: jpeg_2000}


@pytest.mark.parametrize("main", [storescp.main, storescu.main], ids=["storescp", "storescu"])
def test_profile_that_cannot_be_used_ends_the_tool_before_it_begins(
    main: object, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    assert callable(main)
    parameters = ["11112"] if main is storescp.main else ["127.0.0.1", "1", "a.dcm"]
    assert main(["-xf", "my.cfg", "yours", *parameters], {}) == 1
    assert "undefined: YOURS (my.cfg has MINE)" in capsys.readouterr().err.replace(
        "unknown configuration profile name", "profile key undefined"
    )
    (folder / "my.cfg").write_text("nothing")
    assert main(["-xf", "my.cfg", "mine", *parameters], {}) == 1
    wanted = "config file: cannot find section [[TRANSFERSYNTAXES]] in config file (my.cfg)"
    assert wanted in capsys.readouterr().err

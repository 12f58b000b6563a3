"""What decompressing could do for a file that a peer does not take, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter import uids
from isocenter.cli import options_dcmsend, options_storescu
from isocenter.cli.explain import as_text
from isocenter.cli.explain_contexts import Answer, no_context_for_file, none_acceptable
from isocenter.cli.explain_decompression import decompressing
from isocenter.cli.groups import DECOMPRESSION
from isocenter.cli.parser import parse
from isocenter.cli.sending import decompression
from isocenter.dataset.pixels import decoders

if TYPE_CHECKING:
    from isocenter.cli.spec import Tool

SEND, STORE = options_dcmsend.TOOL, options_storescu.TOOL
CT = "1.2.840.10008.5.1.4.1.1.2"
RLE, JPEG, MPEG2 = uids.RLE_LOSSLESS, uids.JPEG_BASELINE_8BIT, "1.2.840.10008.1.2.4.100"
LITTLE, IMPLICIT = uids.EXPLICIT_VR_LITTLE_ENDIAN, uids.IMPLICIT_VR_LITTLE_ENDIAN
UNCOMPRESSED = (LITTLE, uids.EXPLICIT_VR_BIG_ENDIAN, IMPLICIT)
NEVER, LOSSLESS, LOSSY = DECOMPRESSION


@pytest.mark.parametrize(
    ("tool", "words", "expected"),
    [
        (SEND, (), LOSSLESS),
        (SEND, ("-dn",), NEVER),
        (SEND, ("-dn", "+dly"), LOSSY),
        (STORE, (), None),
    ],
)
def test_what_may_be_decompressed_is_what_the_command_line_says(
    tool: Tool, words: tuple[str, ...], expected: str | None
) -> None:
    assert decompression(parse(tool, [*words, "localhost", "104", "image.dcm"])) == expected


@pytest.mark.parametrize(
    ("syntax", "allowed", "words"),
    [
        (RLE, NEVER, "--decompress-lossless (+dls) offers it uncompressed, too."),
        (RLE, LOSSLESS, "it was offered uncompressed as well: the peer has to be set up"),
        (RLE, LOSSY, "it was offered uncompressed as well: the peer has to be set up"),
        (JPEG, NEVER, "--decompress-lossy (+dly) offers it uncompressed, too (what is lost"),
        (JPEG, LOSSLESS, "--decompress-lossy (+dly) offers it uncompressed, too (what is lost"),
        (JPEG, LOSSY, "it was offered uncompressed as well: the peer has to be set up"),
        (
            MPEG2,
            LOSSY,
            "dcmsend cannot make anything else of MPEG2MainProfile@MainLevel: the peer ",
        ),
        (LITTLE, LOSSLESS, "all uncompressed ones were offered: the peer has to be set up for the"),
        (JPEG, None, "convert the file first, storescu does not (de)compress pixel data."),
    ],
)
def test_what_would_help_is_named(syntax: str, allowed: str | None, words: str) -> None:
    tool = STORE if allowed is None else SEND
    assert decompressing(syntax, tool, allowed).startswith(words)


def test_a_codec_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "_is_installed", lambda _: False)
    text = decompressing(JPEG, SEND, LOSSY)
    assert text.startswith("it would be offered uncompressed, too, but decoding JPEG Baseline ")
    assert "needs imagecodecs: pip install" in text
    assert decompressing(RLE, SEND, LOSSLESS).startswith("it was offered")  # needs no library


@pytest.mark.parametrize(
    ("contexts", "allowed", "words"),
    [
        (
            [Answer(CT, (JPEG,), 4, "")],
            LOSSLESS,
            "JPEGBaseline was offered alone: --decompress-lossy (+dly) offers it uncompressed",
        ),
        (
            [Answer(CT, (RLE, *UNCOMPRESSED), 4, "")],
            LOSSLESS,
            "The files' own and the uncompressed ones were offered: the peer has to be set up",
        ),
        ([Answer(CT, (RLE,), 3, "")], NEVER, "It may serve another purpose"),
    ],
)
def test_association_without_contexts_is_told_what_was_offered(
    contexts: list[Answer], allowed: str, words: str
) -> None:
    lines = none_acceptable(contexts, peer="A", tool=SEND, from_files=True, allowed=allowed)
    assert lines[-1].startswith(words)
    assert "does not (de)compress" not in as_text(lines)


@pytest.mark.parametrize(
    ("contexts", "words"),
    [
        ([Answer(CT, (JPEG,), 4, "")], "It was offered alone: --decompress-lossy (+dly) offers"),
        (
            [Answer(CT, (JPEG,), 4, ""), Answer(CT, UNCOMPRESSED, 0, IMPLICIT)],
            "refused it. It would take LittleEndianImplicit: --decompress-lossy (+dly) offers",
        ),
        ([Answer(CT, UNCOMPRESSED, 4, "")], "was not proposed, and the file is not converted"),
    ],
)
def test_file_without_context_is_told_of_the_option(contexts: list[Answer], words: str) -> None:
    text = as_text(no_context_for_file("a", CT, JPEG, contexts, tool=SEND, allowed=LOSSLESS))
    assert words in text
    assert "does not (de)compress" not in text

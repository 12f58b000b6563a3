"""Which contexts dcmsend proposes for which kinds of files (dcmtk-facts 6.3)."""

from __future__ import annotations

import logging

import pytest

from isocenter import uids
from isocenter.dataset.pixels.decoders import list_decoders
from isocenter.sender.grouping import ContextPlan, GroupingOptions
from isocenter.sender.inputs import Kind
from isocenter.sender.syntaxes import LOSSLESS, UNCOMPRESSED, syntax_words

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
LITTLE, BIG, IMPLICIT = UNCOMPRESSED
RLE, JPEG, J2K = uids.RLE_LOSSLESS, uids.JPEG_BASELINE_8BIT, uids.JPEG_2000_LOSSLESS
DEFLATED = uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
UNKNOWN = "1.2.3.4"
NATIVE = uids.ENCAPSULATED_UNCOMPRESSED_EXPLICIT_VR_LITTLE_ENDIAN


def decodes_all_but_2000(uid: str) -> str:
    return "needs a library" if uid == J2K else ""


def options(decompress: str = "lossless", *, illegal_proposals: bool = True) -> GroupingOptions:
    return GroupingOptions(
        decompress=decompress,
        illegal_proposals=illegal_proposals,
        why_not=decodes_all_but_2000,
    )


def proposed(syntax: str, given: GroupingOptions) -> tuple[str, ...]:
    plan = ContextPlan(given)
    plan.place(Kind(CT, syntax))
    return plan.contexts[0].transfer_syntaxes if plan.contexts else ()


def own(syntax: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(("never", "lossless", "lossy"), (syntax,))


TABLE: dict[str, dict[str, tuple[str, ...]]] = {
    LITTLE: dict.fromkeys(("never", "lossless", "lossy"), UNCOMPRESSED),
    BIG: dict.fromkeys(("never", "lossless", "lossy"), UNCOMPRESSED),
    IMPLICIT: dict.fromkeys(("never", "lossless", "lossy"), UNCOMPRESSED),
    **{
        syntax: own(syntax) | dict.fromkeys(("lossless", "lossy"), (syntax, *UNCOMPRESSED))
        for syntax in (DEFLATED, RLE, uids.JPEG_LOSSLESS, uids.JPEG_LS_LOSSLESS, NATIVE)
    },
    J2K: own(J2K),
    JPEG: own(JPEG) | {"lossy": (JPEG, *UNCOMPRESSED)},
    UNKNOWN: own(UNKNOWN),
}


@pytest.mark.parametrize("syntax", TABLE)
@pytest.mark.parametrize("decompress", ["never", "lossless", "lossy"])
def test_each_row_of_the_table(syntax: str, decompress: str) -> None:
    assert proposed(syntax, options(decompress)) == TABLE[syntax][decompress]


@pytest.mark.parametrize(
    ("syntax", "decompress", "expected"),
    [
        (RLE, "never", ()),
        (DEFLATED, "never", ()),
        (J2K, "lossless", ()),
        (RLE, "lossless", (RLE, *UNCOMPRESSED)),
        (JPEG, "lossless", (JPEG,)),
        (LITTLE, "never", UNCOMPRESSED),
    ],
)
def test_without_illegal_proposals_a_lossless_compression_is_not_proposed_alone(
    syntax: str, decompress: str, expected: tuple[str, ...]
) -> None:
    assert proposed(syntax, options(decompress, illegal_proposals=False)) == expected


def test_a_missing_library_is_named(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        proposed(J2K, options())
    assert "  (needs a library)" in caplog.text


def test_files_of_a_class_share_a_context_where_all_are_uncompressed_or_alike() -> None:
    plan = ContextPlan(options())
    ids = [
        plan.place(Kind(*kind))
        for kind in (
            (CT, IMPLICIT), (CT, RLE), (CT, LITTLE), (MR, BIG), (CT, RLE), (MR, IMPLICIT),
            (CT, JPEG),
        )
    ]  # fmt: skip
    assert ids == [1, 3, 1, 5, 3, 5, 7]
    assert [context.context_id for context in plan.contexts] == [1, 3, 5, 7]


def test_128_contexts_are_all() -> None:
    plan = ContextPlan(options())
    for number in range(128):
        assert not plan.is_full
        assert plan.place(Kind(f"1.2.3.{number}", LITTLE)) == 2 * number + 1
    assert plan.is_full


def test_kinds_are_known_only_once_they_were_placed() -> None:
    plan = ContextPlan(options("never", illegal_proposals=False))
    assert plan.id_of(Kind(CT, RLE)) is None
    plan.place(Kind(CT, RLE))
    assert plan.id_of(Kind(CT, RLE)) == 0


def test_lossless_syntaxes_are_those_whose_decoders_are() -> None:
    for decoder in list_decoders():
        assert (decoder.transfer_syntax_uid in LOSSLESS) == bool(decoder.is_lossless)


def test_every_transfer_syntax_has_words() -> None:
    without = [uid for uid in uids.TRANSFER_SYNTAXES if syntax_words(uid).startswith("Unknown")]
    assert without == []
    assert syntax_words("1.2.3") == "Unknown Transfer Syntax"


def test_words_are_those_of_the_decoders() -> None:
    for decoder in list_decoders():
        assert syntax_words(decoder.transfer_syntax_uid) == decoder.name

"""Why presentation contexts were not accepted: facts to words."""

from __future__ import annotations

import pytest

from isocenter import uids
from isocenter.cli import options_echoscu, options_storescp, options_storescu
from isocenter.cli.explain import as_text
from isocenter.cli.explain_contexts import (
    Answer,
    answers,
    loses_a_class,
    no_context_for_file,
    none_acceptable,
    refused_by_us,
    too_many,
)
from isocenter.ul.pdu import (
    AAssociateAC,
    AAssociateRQ,
    PresentationContext,
    PresentationContextResult,
    UserInformation,
)

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
LITTLE, BIG = uids.EXPLICIT_VR_LITTLE_ENDIAN, uids.EXPLICIT_VR_BIG_ENDIAN
IMPLICIT = uids.IMPLICIT_VR_LITTLE_ENDIAN
J2K, HTJ2K = uids.JPEG_2000_LOSSLESS, uids.HTJ2K_LOSSLESS
SCU, SCP = options_storescu.TOOL, options_storescp.TOOL


def context(number: int, abstract: str, *syntaxes: str) -> PresentationContext:
    return PresentationContext(
        context_id=number, abstract_syntax=abstract, transfer_syntaxes=syntaxes
    )


def answer(number: int, result: int, syntax: str = "") -> PresentationContextResult:
    return PresentationContextResult(context_id=number, result=result, transfer_syntax=syntax)


def test_each_proposed_context_gets_its_answer() -> None:
    information = UserInformation(maximum_length=0)
    request = AAssociateRQ(
        called_ae_title="A",
        calling_ae_title="B",
        presentation_contexts=(
            context(1, CT, LITTLE),
            context(3, CT, BIG, IMPLICIT),
            context(5, MR, LITTLE),
        ),
        user_information=information,
    )
    accept = AAssociateAC(
        called_ae_title="A",
        calling_ae_title="B",
        presentation_contexts=(answer(3, 0, IMPLICIT), answer(1, 4, LITTLE)),
        user_information=information,
    )
    assert answers(request, accept) == (
        Answer(CT, (LITTLE,), 4, ""),
        Answer(CT, (BIG, IMPLICIT), 0, IMPLICIT),
        Answer(MR, (LITTLE,), -1, ""),
    )


@pytest.mark.parametrize(
    ("contexts", "words"),
    [
        (
            [Answer(CT, (LITTLE,), 3, ""), Answer(MR, (LITTLE,), 3, "")],
            ["none of the 2", "not supported: CTImageStorage, MRImageStorage.", "registered"],
        ),
        (
            [Answer(CT, (J2K,), 4, "")],
            ["Transfer syntaxes not supported: CTImageStorage, proposed in JPEG2000", "--auto-con"],
        ),
        ([Answer(CT, (LITTLE,), 1, "")], ["Refused by its application: CTImageStorage"]),
        ([Answer(CT, (LITTLE,), 2, "")], ["Refused without a reason: CTImageStorage"]),
        ([Answer(CT, (LITTLE,), -1, "")], ["Not answered at all: CTImageStorage"]),
        ([Answer(CT, (LITTLE,), 77, "")], ["Result 77, which the standard does not know"]),
        ([Answer(CT, (LITTLE,), 0, BIG)], ["not what was proposed"]),
        (
            [Answer(uid, (LITTLE,), 3, "") for uid in uids.SHORT_PROPOSAL],
            ["and 61 more"],
        ),
    ],
)
def test_association_without_contexts_is_told_by_result(
    contexts: list[Answer], words: list[str]
) -> None:
    lines = none_acceptable(contexts, peer="ARCHIVE ", tool=SCU)
    text = as_text(lines)
    assert "'ARCHIVE'" in text
    for word in words:
        assert word in text
    assert len(lines) <= 6


def test_what_the_files_need_is_not_advised_where_just_that_was_refused() -> None:
    contexts = [Answer(CT, (J2K,), 4, "")]
    text = as_text(none_acceptable(contexts, peer="A", tool=SCU, from_files=True))
    assert "but not the one presentation context proposed." in text
    assert "--auto-contexts" not in text
    assert "the peer has to be set up for them (+xa, --accept-all, of a storescp)" in text
    assert "or the files be converted first" in text


def test_refused_verification_is_about_the_ae_title() -> None:
    contexts = [Answer(uids.VERIFICATION, (IMPLICIT,), 3, "")]
    text = as_text(none_acceptable(contexts, peer="A", tool=options_echoscu.TOOL))
    assert "A peer that refuses Verification" in text


@pytest.mark.parametrize(
    ("syntax", "contexts", "words"),
    [
        (
            J2K,
            [Answer(CT, (LITTLE,), 0, LITTLE), Answer(CT, (BIG, IMPLICIT), 0, IMPLICIT)],
            [
                "a.dcm is CTImageStorage (1.2.840.10008.5.1.4.1.1.2) in JPEG2000LosslessOnly",
                "accepted: LittleEndianExplicit, LittleEndianImplicit.",
                "was not proposed",
                "--propose-j2k-lossless (-xv) or --auto-contexts propose it.",
            ],
        ),
        (
            HTJ2K,
            [Answer(CT, (LITTLE,), 0, LITTLE)],
            ["was not proposed", "--auto-contexts proposes it."],
        ),
        (
            J2K,
            [Answer(CT, (J2K,), 4, ""), Answer(CT, (LITTLE,), 0, LITTLE)],
            ["was offered the file's own and refused it", "It would take LittleEndianExplicit"],
        ),
        (
            J2K,
            [Answer(CT, (J2K, LITTLE), 0, LITTLE)],
            ["chose another transfer syntax of the same context", "--combine (+C)"],
        ),
        (
            LITTLE,
            [Answer(CT, (LITTLE,), 3, ""), Answer(CT, (IMPLICIT,), 3, "")],
            ["does not take this SOP class in any transfer syntax"],
        ),
        (
            J2K,
            [Answer(CT, (LITTLE,), 4, "")],
            ["the peer took none (transfer syntaxes not supported)", "(-xv)"],
        ),
        (
            LITTLE,
            [Answer(CT, (LITTLE,), 4, "")],
            ["The file's own was among them"],
        ),
        (
            LITTLE,
            [Answer(MR, (LITTLE,), 0, LITTLE)],
            ["was not proposed at all; another was.", "--required (-R) or --auto-contexts"],
        ),
    ],
)
def test_file_without_context_is_told_what_it_is_and_what_would_help(
    syntax: str, contexts: list[Answer], words: list[str]
) -> None:
    lines = no_context_for_file("a.dcm", CT, syntax, contexts, tool=SCU)
    text = as_text(lines)
    for word in words:
        assert word in text
    assert len(lines) <= 6


def test_private_class_is_not_helped_by_an_option_that_knows_its_classes() -> None:
    text = as_text(
        no_context_for_file("a", "1.2.3", LITTLE, [Answer(CT, (LITTLE,), 0, "")], tool=SCU)
    )
    assert "--required" not in text
    assert "--auto-contexts" in text
    assert "1.2.3 (private or newer than this version)" in text


def test_proposal_that_is_too_long_is_told_how_to_get_shorter() -> None:
    text = as_text(too_many(tool=SCU))
    assert "128 presentation contexts" in text
    assert "--combine (+C) or --auto-contexts" in text


TAKEN = {CT: (LITTLE, IMPLICIT), MR: (LITTLE, IMPLICIT)}


@pytest.mark.parametrize(
    ("contexts", "words"),
    [
        (
            [Answer("1.2.3.4", (LITTLE,), 3, "")],
            ["not known here: 1.2.3.4", "--promiscuous (-pm) accepts such classes"],
        ),
        (
            [Answer("1.2.840.10008.5.1.4.1.2.2.1", (LITTLE,), 3, "")],
            ["this tool only stores: FINDStudyRoot"],
        ),
        ([Answer(CT, (LITTLE,), 3, "")], ["not on this receiver's list: CTImageStorage"]),
        (
            [Answer(CT, (J2K,), 4, "")],
            [
                "JPEG2000LosslessOnly, for CTImageStorage",
                "Accepted here: LittleEndianExplicit, LittleEndianImplicit",
                "--accept-all (+xa) or --prefer-j2k-lossless (+xv) would accept it.",
                "nothing of CTImageStorage can be received",
            ],
        ),
        (
            [Answer(CT, (J2K,), 4, ""), Answer(CT, (LITTLE,), 0, LITTLE)],
            ["1 of 2", "were accepted in other transfer syntaxes as well"],
        ),
        ([Answer(CT, (LITTLE,), 2, "")], ["An ID was even, zero or used twice"]),
        ([Answer(CT, (LITTLE,), 1, "")], ["roles that this receiver does not grant"]),
        ([Answer("new\nline", (LITTLE,), 3, "")], ["'new\\nline', which is no UID"]),
    ],
)
def test_acceptor_says_what_it_refused_and_which_option_would_accept_it(
    contexts: list[Answer], words: list[str]
) -> None:
    lines = refused_by_us(contexts, peer="P", tool=SCP, taken=TAKEN, promiscuous=False)
    text = as_text(lines)
    for word in words:
        assert word in text
    assert len(lines) <= 6


def test_acceptor_says_nothing_where_it_accepted_all() -> None:
    contexts = [Answer(CT, (LITTLE,), 0, LITTLE)]
    assert refused_by_us(contexts, peer="P", tool=SCP, taken=TAKEN, promiscuous=False) == ()


def test_acceptor_that_is_promiscuous_already_is_not_told_to_be() -> None:
    contexts = [Answer("1.2.3.4", (LITTLE,), 3, "")]
    lines = refused_by_us(contexts, peer="P", tool=SCP, taken=TAKEN, promiscuous=True)
    assert "--promiscuous" not in as_text(lines)


@pytest.mark.parametrize(
    ("syntaxes", "words"),
    [
        ((J2K, uids.JPEG_LOSSLESS_SV1), "--accept-all (+xa) would accept them."),
        ((HTJ2K,), "--accept-all (+xa) would accept it."),
        (("1.2.3.4.5",), "No option accepts a transfer syntax that is not known here."),
    ],
)
def test_option_is_named_for_what_it_accepts_alone(syntaxes: tuple[str, ...], words: str) -> None:
    contexts = [Answer(CT, syntaxes, 4, "")]
    lines = refused_by_us(contexts, peer="P", tool=SCP, taken=TAKEN, promiscuous=False)
    assert words in as_text(lines)


def test_profile_is_named_in_place_of_options_that_do_not_go_with_it() -> None:
    contexts = [Answer("1.2.3.4", (LITTLE,), 3, ""), Answer(CT, (J2K,), 4, "")]
    refused = as_text(
        refused_by_us(
            contexts, peer="P", tool=SCP, taken=TAKEN, promiscuous=False, from_profile=True
        )
    )
    assert "not in the profile of --config-file: 1.2.3.4" in refused
    assert "The profile of --config-file says so." in refused
    assert "--promiscuous" not in refused
    assert "--accept-all" not in refused
    for proposed in (
        [Answer(MR, (LITTLE,), 0, LITTLE)],
        [Answer(CT, (LITTLE,), 0, LITTLE)],
        [Answer(CT, (LITTLE,), 4, "")],
    ):
        lines = no_context_for_file("a", CT, J2K, proposed, tool=SCU, from_profile=True)
        assert "in place of --config-file (-xf)" in as_text(lines)
        assert "--required" not in as_text(lines)
    assert "--combine" not in as_text(too_many(tool=SCU, from_profile=True))
    both = [Answer(CT, (LITTLE, J2K), 0, LITTLE)]
    text = as_text(no_context_for_file("a", CT, J2K, both, tool=SCU, from_profile=True))
    assert "a context of its own in the profile may take both" in text
    text = as_text(
        none_acceptable([Answer(CT, (J2K,), 4, "")], peer="A", tool=SCU, from_profile=True)
    )
    assert "in place of --config-file (-xf)" in text
    assert "see --auto-contexts" not in text


@pytest.mark.parametrize(
    ("from_profile", "words"), [(True, "the roles of the profile"), (False, "the peer's")]
)
def test_context_accepted_without_the_role_is_about_the_role(
    from_profile: bool, words: str
) -> None:
    accepted = [Answer(CT, (LITTLE,), 0, LITTLE)]
    text = as_text(
        no_context_for_file("a", CT, LITTLE, accepted, tool=SCU, from_profile=from_profile)
    )
    assert "(role selection)" in text
    assert words in text
    text = as_text(none_acceptable(accepted, peer="A", tool=SCU, from_profile=from_profile))
    assert ("than the profile asks for" in text) is from_profile


def test_everything_at_once_is_still_short() -> None:
    contexts = [
        Answer("1.2.3.4", (LITTLE,), 3, ""),
        Answer("1.2.840.10008.5.1.4.1.2.2.1", (LITTLE,), 3, ""),
        Answer(CT, (LITTLE,), 3, ""),
        Answer(CT, (J2K,), 4, ""),
        Answer(CT, (LITTLE,), 2, ""),
        Answer(CT, (LITTLE,), 1, ""),
    ]
    lines = refused_by_us(contexts, peer="P", tool=SCP, taken=TAKEN, promiscuous=False)
    assert len(lines) <= 9


def test_class_is_lost_only_where_nothing_of_it_was_accepted() -> None:
    refused, taken = Answer(CT, (J2K,), 4, ""), Answer(CT, (LITTLE,), 0, LITTLE)
    assert not loses_a_class([])
    assert not loses_a_class([taken])
    assert not loses_a_class([refused, taken])
    assert loses_a_class([refused])
    assert loses_a_class([refused, taken, Answer(MR, (LITTLE,), 3, "")])

"""What is proposed: DCMTK's rules as a table (PS3.8 7.1.1.13)."""

from __future__ import annotations

import pytest

from isocenter import uids
from isocenter.errors import NegotiationError
from isocenter.sender.proposal import SELECTORS, ContextChooser, propose
from isocenter.ul.negotiation import AcceptedContext

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
LITTLE = "1.2.840.10008.1.2.1"
BIG = "1.2.840.10008.1.2.2"
IMPLICIT = "1.2.840.10008.1.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG = "1.2.840.10008.1.2.4.70"
UNCOMPRESSED = (LITTLE, BIG, IMPLICIT)

# Selector, first context, second context.
TABLE = [
    ("uncompr", (LITTLE,), (BIG, IMPLICIT)),
    ("little", (LITTLE,), (BIG, IMPLICIT)),
    ("big", (BIG,), (LITTLE, IMPLICIT)),
    ("implicit", (IMPLICIT,), ()),
    ("lossless", ("1.2.840.10008.1.2.4.70",), UNCOMPRESSED),
    ("jpeg8", ("1.2.840.10008.1.2.4.50",), UNCOMPRESSED),
    ("jpeg12", ("1.2.840.10008.1.2.4.51",), UNCOMPRESSED),
    ("j2k-lossless", ("1.2.840.10008.1.2.4.90",), UNCOMPRESSED),
    ("j2k-lossy", ("1.2.840.10008.1.2.4.91",), UNCOMPRESSED),
    ("jls-lossless", ("1.2.840.10008.1.2.4.80",), UNCOMPRESSED),
    ("jls-lossy", ("1.2.840.10008.1.2.4.81",), UNCOMPRESSED),
    ("mpeg2", ("1.2.840.10008.1.2.4.100",), ()),
    ("mpeg2-high", ("1.2.840.10008.1.2.4.101",), ()),
    ("mpeg4", ("1.2.840.10008.1.2.4.102",), ()),
    ("mpeg4-bd", ("1.2.840.10008.1.2.4.103",), ()),
    ("mpeg4-2-2d", ("1.2.840.10008.1.2.4.104",), ()),
    ("mpeg4-2-3d", ("1.2.840.10008.1.2.4.105",), ()),
    ("mpeg4-2-st", ("1.2.840.10008.1.2.4.106",), ()),
    ("hevc", ("1.2.840.10008.1.2.4.107",), ()),
    ("hevc10", ("1.2.840.10008.1.2.4.108",), ()),
    ("rle", ("1.2.840.10008.1.2.5",), UNCOMPRESSED),
    ("deflated", ("1.2.840.10008.1.2.1.99",), UNCOMPRESSED),
]

# What DCMTK 3.6.7 proposes without --required, in its order.
DEFAULT_CLASSES = [
    "AmbulatoryECGWaveformStorage",
    "BasicTextSRStorage",
    "BasicVoiceAudioWaveformStorage",
    "BlendingSoftcopyPresentationStateStorage",
    "CardiacElectrophysiologyWaveformStorage",
    "ChestCADSRStorage",
    "ColonCADSRStorage",
    "ColorSoftcopyPresentationStateStorage",
    "ComprehensiveSRStorage",
    "ComputedRadiographyImageStorage",
    "CTImageStorage",
    "DigitalIntraOralXRayImageStorageForPresentation",
    "DigitalIntraOralXRayImageStorageForProcessing",
    "DigitalMammographyXRayImageStorageForPresentation",
    "DigitalMammographyXRayImageStorageForProcessing",
    "DigitalXRayImageStorageForPresentation",
    "DigitalXRayImageStorageForProcessing",
    "EncapsulatedPDFStorage",
    "EnhancedCTImageStorage",
    "EnhancedMRImageStorage",
    "EnhancedSRStorage",
    "EnhancedXAImageStorage",
    "EnhancedXRFImageStorage",
    "GeneralECGWaveformStorage",
    "GrayscaleSoftcopyPresentationStateStorage",
    "HemodynamicWaveformStorage",
    "KeyObjectSelectionDocumentStorage",
    "MammographyCADSRStorage",
    "MRImageStorage",
    "MRSpectroscopyStorage",
    "MultiframeGrayscaleByteSecondaryCaptureImageStorage",
    "MultiframeGrayscaleWordSecondaryCaptureImageStorage",
    "MultiframeSingleBitSecondaryCaptureImageStorage",
    "MultiframeTrueColorSecondaryCaptureImageStorage",
    "NuclearMedicineImageStorage",
    "OphthalmicPhotography16BitImageStorage",
    "OphthalmicPhotography8BitImageStorage",
    "OphthalmicTomographyImageStorage",
    "PositronEmissionTomographyImageStorage",
    "ProcedureLogStorage",
    "PseudoColorSoftcopyPresentationStateStorage",
    "RawDataStorage",
    "RealWorldValueMappingStorage",
    "RTBeamsTreatmentRecordStorage",
    "RTBrachyTreatmentRecordStorage",
    "RTDoseStorage",
    "RTImageStorage",
    "RTPlanStorage",
    "RTStructureSetStorage",
    "RTTreatmentSummaryRecordStorage",
    "SecondaryCaptureImageStorage",
    "SpatialFiducialsStorage",
    "SpatialRegistrationStorage",
    "StereometricRelationshipStorage",
    "TwelveLeadECGWaveformStorage",
    "UltrasoundImageStorage",
    "UltrasoundMultiframeImageStorage",
    "VLEndoscopicImageStorage",
    "VLMicroscopicImageStorage",
    "VLPhotographicImageStorage",
    "VLSlideCoordinatesMicroscopicImageStorage",
    "XRayAngiographicImageStorage",
    "XRayRadiationDoseSRStorage",
    "XRayRadiofluoroscopicImageStorage",
]


def test_table_names_every_selector() -> None:
    assert [name for name, _, _ in TABLE] == list(SELECTORS)


@pytest.mark.parametrize(("selector", "first", "second"), TABLE)
def test_separate_contexts_per_class(
    selector: str, first: tuple[str, ...], second: tuple[str, ...]
) -> None:
    lists = [first, second] if second else [first]
    proposed = propose([CT, MR], selector=selector)
    assert [(c.abstract_syntax, c.transfer_syntaxes) for c in proposed] == [
        (uid, syntaxes) for uid in (CT, MR) for syntaxes in lists
    ]
    assert [c.context_id for c in proposed] == list(range(1, 4 * len(lists), 2))


@pytest.mark.parametrize(("selector", "first", "second"), TABLE)
def test_combined_context_per_class(
    selector: str, first: tuple[str, ...], second: tuple[str, ...]
) -> None:
    proposed = propose([CT, MR], selector=selector, combine=True)
    assert [(c.context_id, c.abstract_syntax, c.transfer_syntaxes) for c in proposed] == [
        (1, CT, first + second),
        (3, MR, first + second),
    ]


def test_default_proposal_uses_every_context_id() -> None:
    proposed = propose()
    assert [c.context_id for c in proposed] == list(range(1, 256, 2))
    names = [uids.name_of(c.abstract_syntax) for c in proposed[::2]]
    assert names == DEFAULT_CLASSES
    assert [c.abstract_syntax for c in proposed[::2]] == [c.abstract_syntax for c in proposed[1::2]]


def test_default_proposal_combined_has_64_contexts() -> None:
    assert [c.context_id for c in propose(combine=True)] == list(range(1, 128, 2))


@pytest.mark.parametrize(
    ("selector", "combine", "limit"),
    [("uncompr", False, 64), ("uncompr", True, 128), ("implicit", False, 128)],
)
def test_as_many_contexts_as_there_are_ids(selector: str, combine: bool, limit: int) -> None:
    classes = [f"1.2.3.{number}" for number in range(limit + 1)]
    assert propose(classes[:limit], selector=selector, combine=combine)[-1].context_id == 255
    with pytest.raises(NegotiationError, match=r"^Too many presentation contexts$"):
        propose(classes, selector=selector, combine=combine)


def chooser(
    *accepted: tuple[int, str, str], as_scu: bool = True, prefer_deflated: bool = False
) -> ContextChooser:
    return ContextChooser(
        {
            number: AcceptedContext(
                context_id=number,
                abstract_syntax=abstract,
                transfer_syntax=transfer,
                as_scu=as_scu,
                as_scp=False,
            )
            for number, abstract, transfer in accepted
        },
        prefer_deflated=prefer_deflated,
    )


def test_context_with_the_files_own_transfer_syntax_is_chosen() -> None:
    contexts = chooser((1, CT, LITTLE), (3, CT, IMPLICIT), (5, MR, IMPLICIT))
    assert contexts.choose(CT, IMPLICIT) == 3
    assert contexts.choose(MR, IMPLICIT) == 5
    assert contexts.choose("1.2.840.10008.5.1.4.1.1.7", LITTLE) is None


def test_lowest_id_of_equal_contexts_is_chosen() -> None:
    assert chooser((7, CT, LITTLE), (3, CT, LITTLE)).choose(CT, LITTLE) == 3


def test_context_in_which_this_side_is_no_scu_is_not_chosen() -> None:
    contexts = chooser((1, CT, LITTLE), as_scu=False)
    assert contexts.choose(CT, LITTLE) is None
    assert contexts.convertible_to(CT) is None


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ((IMPLICIT, BIG, LITTLE), BIG),
        ((LITTLE, BIG), LITTLE),
        ((IMPLICIT, BIG), BIG),
        (("1.2.840.10008.1.2.4.70", DEFLATED), DEFLATED),
        ((DEFLATED, IMPLICIT), IMPLICIT),
        (("1.2.840.10008.1.2.4.70", IMPLICIT), IMPLICIT),
        (("1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90"), "1.2.840.10008.1.2.4.70"),
        ((), None),
    ],
)
def test_conversion_goes_to_explicit_then_implicit_then_anything(
    accepted: tuple[str, ...], expected: str | None
) -> None:
    contexts = chooser(*((2 * n + 1, CT, uid) for n, uid in enumerate(accepted)), (99, MR, LITTLE))
    assert contexts.convertible_to(CT) == expected


@pytest.mark.parametrize(
    ("own", "accepted", "expected"),
    [
        (LITTLE, (IMPLICIT, LITTLE), 3),
        (DEFLATED, (LITTLE, DEFLATED), 3),
        (JPEG, (LITTLE, JPEG), 3),
        (JPEG, (LITTLE,), None),
        (LITTLE, (JPEG,), None),
        ("1.2.3.4", (LITTLE,), None),
        (LITTLE, (JPEG, DEFLATED), 3),
    ],
)
def test_own_transfer_syntax_comes_first_and_what_is_compressed_stays_so(
    own: str, accepted: tuple[str, ...], expected: int | None
) -> None:
    contexts = chooser(*((2 * n + 1, CT, uid) for n, uid in enumerate(accepted)))
    assert contexts.choose(CT, own) == expected


@pytest.mark.parametrize("own", [LITTLE, BIG, IMPLICIT])
def test_deflated_is_preferred_for_what_is_uncompressed_where_asked_for(own: str) -> None:
    contexts = chooser((1, CT, own), (3, CT, DEFLATED), (5, CT, JPEG), prefer_deflated=True)
    assert contexts.choose(CT, own) == 3
    assert contexts.choose(CT, JPEG) == 5
    assert chooser((1, CT, own), prefer_deflated=True).choose(CT, own) == 1

"""What DCMTK's DcmSCP answers where our negotiation answers otherwise, and its words."""

from __future__ import annotations

import pytest

from isocenter.cli.scp_lines import revised
from isocenter.testing.datasets import CT_IMAGE_STORAGE, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from isocenter.ul.negotiation import AcceptorPolicy, negotiate, rejection
from isocenter.ul.pdu import (
    APPLICATION_CONTEXT_NAME,
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    PresentationContext,
    RejectReason,
    RejectResult,
    RejectSource,
    UserInformation,
)

POLICY = AcceptorPolicy(
    abstract_syntaxes={CT_IMAGE_STORAGE: (EXPLICIT_LITTLE,)}, implementation_class_uid="2.25.1"
)


def asked(*contexts: tuple[str, str], application_context: str | None = None) -> AAssociateRQ:
    proposed = tuple(
        PresentationContext(
            context_id=2 * number + 1, abstract_syntax=uid, transfer_syntaxes=(syntax,)
        )
        for number, (uid, syntax) in enumerate(contexts)
    )
    return AAssociateRQ(
        called_ae_title="ANY",
        calling_ae_title="ME",
        presentation_contexts=proposed,
        user_information=UserInformation(implementation_class_uid="2.25.2"),
        application_context_name=application_context or APPLICATION_CONTEXT_NAME,
    )


def answer(request: AAssociateRQ) -> AAssociateAC | AAssociateRJ:
    return revised(request, negotiate(request, POLICY))


USED, UNUSED = (CT_IMAGE_STORAGE, EXPLICIT_LITTLE), (CT_IMAGE_STORAGE, IMPLICIT_LITTLE)


@pytest.mark.parametrize("contexts", [(USED,), (USED, UNUSED), (UNUSED, USED)])
def test_one_use_is_enough(contexts: tuple[tuple[str, str], ...]) -> None:
    assert isinstance(answer(asked(*contexts)), AAssociateAC)


@pytest.mark.parametrize("contexts", [(), (UNUSED,), (("1.2.3", EXPLICIT_LITTLE), UNUSED)])
def test_an_association_without_use_is_rejected(contexts: tuple[tuple[str, str], ...]) -> None:
    found = answer(asked(*contexts))
    assert isinstance(found, AAssociateRJ)
    assert (found.result, found.source, found.reason) == (1, 1, 1)


def test_another_application_context_is_rejected_for_now() -> None:
    found = answer(asked(USED, application_context="1.2.3"))
    assert isinstance(found, AAssociateRJ)
    assert found.result is RejectResult.REJECTED_TRANSIENT
    assert (found.source, found.reason) == (1, 2)


@pytest.mark.parametrize(
    "reject",
    [
        rejection(RejectReason.USER_CALLING_AE_TITLE_NOT_RECOGNIZED),
        rejection(RejectReason.USER_NO_REASON, transient=True),
        AAssociateRJ(
            result=RejectResult.REJECTED_PERMANENT,
            source=RejectSource.SERVICE_PROVIDER_ACSE,
            reason=RejectReason.ACSE_PROTOCOL_VERSION_NOT_SUPPORTED,
        ),
    ],
)
def test_other_rejections_stay(reject: AAssociateRJ) -> None:
    assert revised(asked(USED), reject) is reject

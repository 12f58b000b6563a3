"""Strict on what is sent: values that have no place in a PDU are refused (PS3.8 9.3)."""

from __future__ import annotations

import dataclasses

import pytest

from isocenter.ul import codec, pdu
from tests.ul import samples

_INFO = pdu.UserInformation()
_CONTEXT = pdu.PresentationContext(context_id=1, abstract_syntax="1.2", transfer_syntaxes=("1.3",))
_REQUEST = pdu.AAssociateRQ(
    called_ae_title="CALLED",
    calling_ae_title="CALLING",
    presentation_contexts=(_CONTEXT,),
    user_information=_INFO,
)


def _decoded(data: bytes) -> pdu.Pdu:
    return codec.decode(data[0], data[codec.PDU_HEADER_LENGTH :], codec.Limits())


def _with_information(**changes: object) -> pdu.AAssociateRQ:
    return dataclasses.replace(
        _REQUEST,
        user_information=dataclasses.replace(_INFO, **changes),  # type: ignore[arg-type]  # any field
    )


@pytest.mark.parametrize(
    "value",
    [
        pdu.AAbort(source=256, reason=0),
        pdu.AAssociateRJ(result=-1, source=1, reason=1),
        dataclasses.replace(_REQUEST, protocol_version=65536),
        dataclasses.replace(_REQUEST, called_ae_title="\u20ac"),
        dataclasses.replace(_REQUEST, application_context_name=""),
        dataclasses.replace(_REQUEST, application_context_name="1.2 "),
        dataclasses.replace(_REQUEST, application_context_name="1" * 65),
        dataclasses.replace(
            _REQUEST, presentation_contexts=(dataclasses.replace(_CONTEXT, context_id=256),)
        ),
        dataclasses.replace(
            _REQUEST,
            presentation_contexts=(
                dataclasses.replace(_CONTEXT, transfer_syntaxes=("1" * 64,) * 1000),
            ),
        ),
        _with_information(maximum_length=1 << 32),
        _with_information(implementation_version_name="SEVENTEEN LETTERS"),
        _with_information(implementation_version_name="\xe4"),
        _with_information(user_identity_response=bytes(65536)),
        _with_information(user_identity_response=bytes(65535)),
        _with_information(
            asynchronous_operations_window=pdu.AsynchronousOperationsWindow(
                maximum_number_operations_invoked=65536, maximum_number_operations_performed=1
            )
        ),
    ],
)
def test_values_without_a_place_are_not_sent(value: pdu.Pdu) -> None:
    with pytest.raises(ValueError):
        codec.encode(value)


def test_accepted_context_is_not_sent_without_transfer_syntax_but_a_refused_one_is() -> None:
    def answer(result: int) -> pdu.AAssociateAC:
        context = pdu.PresentationContextResult(context_id=1, result=result, transfer_syntax="")
        return pdu.AAssociateAC(
            called_ae_title="A",
            calling_ae_title="B",
            presentation_contexts=(context,),
            user_information=_INFO,
        )

    with pytest.raises(ValueError, match="not a UID"):
        codec.encode(answer(0))
    assert _decoded(codec.encode(answer(1))) == answer(1)


def test_user_identity_is_not_shown_by_repr() -> None:
    assert "joe" not in repr(_decoded(samples.EVERY_SUB_ITEM_REQUEST))

"""Whoever may not be SCU of a SOP class is not served on its contexts (PS3.7 D.3.3.4)."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from isocenter.dimse.commands import CEchoRSP, CStoreRSP
from isocenter.services.acceptor import Acceptor
from isocenter.services.exchange import exchange
from isocenter.ul.negotiation import AcceptorPolicy, Role
from isocenter.ul.request import ProposedContext, build_request
from tests.net.support import (
    CT,
    IMPLICIT,
    VERIFICATION,
    Thread,
    driver,
    echo_request,
    registry,
    store_request,
)

if TYPE_CHECKING:
    from isocenter.services.providers import StoreRequest

BOTH = Role.SCU | Role.SCP
DATA = bytes(100_000)


class _Provider:
    """Counts the bytes of each object."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def store(self, request: StoreRequest) -> int:
        self.lengths.append(len(request.read()))
        return 0


@pytest.mark.parametrize(
    ("proposed", "granted", "status"),
    [
        pytest.param(Role.SCP, Role.SCP, 0x0122, id="SCP alone"),
        pytest.param(BOTH, Role.SCP, 0x0122, id="SCP of both"),
        pytest.param(BOTH, BOTH, 0, id="both"),
        pytest.param(BOTH, Role.SCU, 0, id="SCU of both"),
        pytest.param(Role.SCP, None, 0, id="not answered"),
        pytest.param(None, BOTH, 0, id="not proposed"),
    ],
)
def test_requestor_is_served_where_it_may_be_scu(
    proposed: Role | None, granted: Role | None, status: int
) -> None:
    policy = AcceptorPolicy(
        abstract_syntaxes={CT: (IMPLICIT,), VERIFICATION: (IMPLICIT,)},
        implementation_class_uid="1.2.3",
        accept_roles=lambda _: granted,
    )
    role = Role.SCU if proposed is None else proposed
    request = build_request(
        [
            ProposedContext(abstract_syntax=uid, transfer_syntaxes=(IMPLICIT,), role=role)
            for uid in (CT, VERIFICATION)
        ],
        called_ae_title="ACCEPTOR",
        calling_ae_title="REQUESTOR",
        implementation_class_uid="1.2.3",
    )
    provider = _Provider()
    left, right = socket.socketpair()
    acceptor = Acceptor(policy, registry(provider))
    serving = Thread(lambda: acceptor.serve(driver(right, requestor=False)))
    association = driver(left, requestor=True, request=request)
    association.await_answer(request)
    stored = exchange(association, 1, store_request(1), CStoreRSP, [DATA])
    echoed = exchange(association, 3, echo_request(2), CEchoRSP)
    association.release()
    serving.finish()
    assert stored.status == echoed.status == status
    comment = "the role of SCU was not agreed on" if status else None
    assert stored.error_comment == echoed.error_comment == comment
    assert provider.lengths == ([] if status else [len(DATA)])

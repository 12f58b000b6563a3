"""Receivers that many faults are thrown at, and an association that has to survive them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from isocenter.testing import ScriptedRequestor
from isocenter.testing.datasets import CT_IMAGE_STORAGE, EXPLICIT_LITTLE, VERIFICATION
from isocenter.testing.raw import Context
from tests.support.tools import UNDER_TEST, Receiver

if TYPE_CHECKING:
    from collections.abc import Iterator

ECHO_CONTEXT = 1
STORE_CONTEXT = 3
CONTEXTS = (
    Context(ECHO_CONTEXT, VERIFICATION, (EXPLICIT_LITTLE,)),
    Context(STORE_CONTEXT, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE,)),
)


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    """One receiver for all tests of a module: a fault must leave it fit for the next."""
    # DCMTK's tool serves one association at a time unless it forks.
    options = ("+B", "-v") if UNDER_TEST.is_ours else ("+B", "-v", "--fork")
    with Receiver(UNDER_TEST, tmp_path_factory.mktemp("received"), *options) as running:
        yield running
        assert running.process.running, running.log


@pytest.fixture
def bystander(receiver: Receiver) -> Iterator[ScriptedRequestor]:
    """Another association that is open all the time and has to work before and after."""
    with ScriptedRequestor(receiver.port) as other:
        other.associate(CONTEXTS)
        assert other.echo(ECHO_CONTEXT) == 0
        yield other
        assert other.echo(ECHO_CONTEXT) == 0
        other.release()


@pytest.fixture
def requestor(
    receiver: Receiver,
    bystander: ScriptedRequestor,
) -> Iterator[ScriptedRequestor]:
    """A connection to the receiver, not associated, beside a well-behaved association."""
    with ScriptedRequestor(receiver.port) as connection:
        yield connection


@pytest.fixture
def associated(requestor: ScriptedRequestor) -> ScriptedRequestor:
    """The same, associated with `CONTEXTS`."""
    requestor.associate(CONTEXTS)
    return requestor

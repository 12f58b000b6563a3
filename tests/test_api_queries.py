"""Queries as a Python developer asks and answers them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

import isocenter
from isocenter import uids
from isocenter.errors import AssociationAborted, DataSetError, DimseFailure, NegotiationError
from isocenter.ul.request import ProposedContext

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isocenter import FindMatch, FindRequest

pytestmark = pytest.mark.slow

WAIT = 20.0
STUDIES = {"QueryRetrieveLevel": "STUDY", "PatientName": "", "StudyInstanceUID": ""}


class Studies:
    """Answers with the same studies whatever is asked."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.asked: list[FindRequest] = []
        self.closed = threading.Event()

    def find(self, request: FindRequest) -> Iterator[FindMatch | None]:
        from pydicom.dataset import Dataset

        self.asked.append(request)
        try:
            for number, name in enumerate(self.names):
                found = Dataset()
                found.SpecificCharacterSet = "ISO_IR 192"
                found.PatientName = name
                yield request.match(found, is_partial=number == 1)
        finally:
            self.closed.set()


class Refusing:
    def find(self, request: FindRequest) -> Iterator[FindMatch | None]:
        yield None
        raise DimseFailure(0xA900, "no level", (0x00080052,))


def test_matches_are_data_sets_in_the_order_in_which_they_come() -> None:
    provider = Studies("Doe^J", "Müller^Ä", "山田^太郎")
    with (
        isocenter.serve(find_provider=provider) as server,
        isocenter.connect("127.0.0.1", server.port) as peer,
    ):
        found = list(peer.find(STUDIES))
    assert [str(match.dataset().PatientName) for match in found] == [*provider.names]
    assert [match.is_partial for match in found] == [False, True, False]
    assert {match.transfer_syntax_uid for match in found} == {uids.EXPLICIT_VR_LITTLE_ENDIAN}


def test_keys_are_asked_as_they_were_given() -> None:
    from pydicom.dataset import Dataset

    keys = Dataset()
    keys.QueryRetrieveLevel = "PATIENT"
    keys.PatientID = "4711"
    provider = Studies()
    with (
        isocenter.serve(find_provider=provider) as server,
        isocenter.connect("127.0.0.1", server.port) as peer,
    ):
        assert list(peer.find({**STUDIES, "PatientName": "Müller*"})) == []
        assert list(peer.find(keys, model=uids.PATIENT_ROOT_FIND, priority=1)) == []
    first, second = provider.asked
    assert first.sop_class_uid == uids.STUDY_ROOT_FIND
    assert str(first.dataset().PatientName) == "Müller*"
    assert second.sop_class_uid == uids.PATIENT_ROOT_FIND
    assert second.command.priority == 1
    assert second.dataset() == keys


def test_loop_that_is_left_cancels_and_the_association_goes_on() -> None:
    provider = Studies(*["Doe^J"] * 10_000)
    with (
        isocenter.serve(find_provider=provider) as server,
        isocenter.connect("127.0.0.1", server.port) as peer,
    ):
        matches = peer.find(STUDIES)
        assert str(next(matches).dataset().PatientName) == "Doe^J"
        matches.close()
        assert provider.closed.wait(WAIT)
        peer.echo()
        assert len(list(peer.find(STUDIES))) == 10_000


def test_failure_is_raised_with_what_the_peer_says() -> None:
    with (
        isocenter.serve(find_provider=Refusing()) as server,
        isocenter.connect("127.0.0.1", server.port) as peer,
    ):
        with pytest.raises(DimseFailure, match="no level") as caught:
            list(peer.find(STUDIES))
        peer.echo()
    assert caught.value.status == 0xA900
    assert caught.value.offending_elements == (0x00080052,)


def test_model_that_was_not_accepted_is_told_before_anything_is_asked() -> None:
    provider = Studies("Doe^J")
    with isocenter.serve(
        find_provider=provider, find_models=[uids.MODALITY_WORKLIST_FIND]
    ) as server:
        with (
            isocenter.connect("127.0.0.1", server.port) as peer,
            pytest.raises(NegotiationError, match="FINDStudyRoot"),
        ):
            peer.find(STUDIES)
        only = ProposedContext(
            abstract_syntax=uids.MODALITY_WORKLIST_FIND,
            transfer_syntaxes=(uids.IMPLICIT_VR_LITTLE_ENDIAN,),
        )
        with isocenter.connect("127.0.0.1", server.port, contexts=[only]) as peer:
            found = list(peer.find({"PatientName": ""}, model=uids.MODALITY_WORKLIST_FIND))
    assert [match.transfer_syntax_uid for match in found] == [uids.IMPLICIT_VR_LITTLE_ENDIAN]


def test_keyword_that_is_none_is_refused() -> None:
    with (
        isocenter.serve(find_provider=Studies()) as server,
        isocenter.connect("127.0.0.1", server.port) as peer,
        pytest.raises(ValueError, match="'PatientNom' is no keyword"),
    ):
        peer.find({"PatientNom": ""})


def test_match_that_is_too_long_is_refused() -> None:
    limits = isocenter.Limits(maximum_match_length=20)
    with (
        isocenter.serve(find_provider=Studies("Doe^John")) as server,
        isocenter.connect("127.0.0.1", server.port, limits=limits) as peer,
    ):
        with pytest.raises(DataSetError, match="longer than 20 bytes"):
            list(peer.find(STUDIES))
        peer.echo()


def test_keys_that_are_too_long_are_refused() -> None:
    limits = isocenter.Limits(maximum_identifier_length=100)
    with (
        isocenter.serve(find_provider=Studies(), limits=limits) as server,
        isocenter.connect("127.0.0.1", server.port) as peer,
    ):
        with pytest.raises(DimseFailure, match="longer than 100 bytes") as caught:
            list(peer.find({"PatientComments": "x" * 200}))
        assert list(peer.find(STUDIES)) == []
    assert caught.value.status == 0xA700


def test_abort_from_another_thread_ends_a_query_that_hangs() -> None:
    class Hanging:
        def find(self, request: FindRequest) -> Iterator[FindMatch | None]:
            while True:
                yield None

    with isocenter.serve(find_provider=Hanging()) as server:
        peer = isocenter.connect("127.0.0.1", server.port)
        threading.Timer(0.2, peer.abort).start()
        with pytest.raises(AssociationAborted):
            list(peer.find(STUDIES))


def test_what_cannot_answer_is_no_provider() -> None:
    with pytest.raises(TypeError, match="find_provider"):
        isocenter.serve(find_provider=object())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="find_models"):
        isocenter.serve(find_models=[uids.STUDY_ROOT_FIND])

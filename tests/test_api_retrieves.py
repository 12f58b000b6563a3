"""Retrieves as a Python developer asks for them and answers them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

import isocenter
from isocenter import uids
from isocenter.testing import ct_image

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter import RetrievePlan, RetrieveRequest, StoreRequest

pytestmark = pytest.mark.slow

STUDY = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "2.25.1001"}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "in"
    folder.mkdir()
    images = [ct_image(sop_instance_uid=f"2.25.{n}", rows=4, columns=4) for n in range(1, 4)]
    return [image.write(folder / f"{n}.dcm") for n, image in enumerate(images)]


class Archive:
    """Plans the same files whatever is asked."""

    def __init__(self, files: list[Path], port: int = 0) -> None:
        self.files = files
        self.port = port
        self.asked: list[RetrieveRequest] = []

    def plan(self, request: RetrieveRequest) -> RetrievePlan:
        self.asked.append(request)
        if request.dataset().get("StudyInstanceUID") != "2.25.1001":
            raise isocenter.DimseFailure(0xA900, "no such key", (0x0020000D,))
        if request.destination is None:
            return isocenter.plan_of_files(*self.files)
        if request.destination != "THERE":
            raise isocenter.DimseFailure(0xA801, f"unknown: {request.destination}")
        destination = isocenter.MoveDestination(
            host="127.0.0.1", port=self.port, ae_title="THERE", calling_ae_title="ARCHIVE"
        )
        return isocenter.plan_of_files(*self.files, destination=destination)


class Store:
    """Keeps the instance UIDs."""

    def __init__(self, *, refuses: str = "") -> None:
        self.uids: list[str] = []
        self.refuses = refuses
        self.hold: threading.Event | None = None

    def store(self, request: StoreRequest) -> int:
        if self.hold is not None:
            self.hold.wait(20)
        if request.sop_instance_uid == self.refuses:
            return 0xA700
        self.uids.append(request.sop_instance_uid)
        return 0


def test_get_writes_files_and_tells_how_far_it_is(files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    archive = Archive(files)
    with (
        isocenter.serve(retrieve_provider=archive) as server,
        isocenter.connect("127.0.0.1", server.port, contexts=isocenter.contexts_for_get()) as peer,
    ):
        progress = list(peer.get(STUDY, directory=out))
    assert [each.completed for each in progress] == [1, 2, 3, 3]
    assert [each.is_final for each in progress] == [False, False, False, True]
    assert sorted(path.name for path in out.iterdir()) == ["CT.2.25.1", "CT.2.25.2", "CT.2.25.3"]
    (request,) = archive.asked
    assert request.sop_class_uid == uids.STUDY_ROOT_GET


def test_get_tells_what_was_not_stored(files: list[Path]) -> None:
    store = Store(refuses="2.25.2")
    with (
        isocenter.serve(retrieve_provider=Archive(files)) as server,
        isocenter.connect("127.0.0.1", server.port, contexts=isocenter.contexts_for_get()) as peer,
    ):
        *_, last = peer.get(STUDY, storage_provider=store)
    assert (last.status, last.completed, last.failed) == (0xB000, 2, 1)
    assert last.failed_instances == ("2.25.2",)
    assert last.comment == "C-STORE failed, status A700H"
    assert store.uids == ["2.25.1", "2.25.3"]


def test_get_that_is_left_is_cancelled_and_the_association_goes_on(files: list[Path]) -> None:
    store = Store()
    with (
        isocenter.serve(retrieve_provider=Archive(files)) as server,
        isocenter.connect("127.0.0.1", server.port, contexts=isocenter.contexts_for_get()) as peer,
    ):
        steps = peer.get(STUDY, storage_provider=store)
        assert next(steps).completed == 1
        steps.close()
        assert len(store.uids) < 3
        peer.echo()


def test_get_needs_a_place_for_what_comes(tmp_path: Path) -> None:
    with (
        isocenter.serve(retrieve_provider=Archive([])) as server,
        isocenter.connect("127.0.0.1", server.port, contexts=isocenter.contexts_for_get()) as peer,
    ):
        with pytest.raises(ValueError, match="either a directory or a storage_provider"):
            peer.get(STUDY)
        with pytest.raises(ValueError, match="either a directory or a storage_provider"):
            peer.get(STUDY, directory=tmp_path, storage_provider=Store())
        with pytest.raises(isocenter.StorageError):
            peer.get(STUDY, directory=tmp_path / "absent")


def test_retrieve_without_a_context_for_it_is_said_before_it_is_sent() -> None:
    with (
        isocenter.serve() as server,
        isocenter.connect("127.0.0.1", server.port) as peer,
        pytest.raises(isocenter.NegotiationError, match="no accepted context"),
    ):
        peer.move(STUDY, "THERE")


def test_move_sends_to_somebody_else(files: list[Path]) -> None:
    store = Store()
    with (
        isocenter.serve(storage_provider=store) as receiver,
        isocenter.serve(retrieve_provider=Archive(files, receiver.port)) as server,
        isocenter.connect("127.0.0.1", server.port) as peer,
    ):
        *_, last = peer.move(STUDY, "THERE")
    assert (last.status, last.completed) == (0, 3)
    assert store.uids == ["2.25.1", "2.25.2", "2.25.3"]


def test_failure_of_a_retrieve_is_an_error_behind_its_last_response(files: list[Path]) -> None:
    with (
        isocenter.serve(retrieve_provider=Archive(files)) as server,
        isocenter.connect("127.0.0.1", server.port) as peer,
    ):
        steps = peer.move(STUDY, "NOWHERE")
        assert next(steps).status == 0xA801
        with pytest.raises(isocenter.DimseFailure, match="unknown: NOWHERE"):
            next(steps)
        steps = peer.move({"QueryRetrieveLevel": "STUDY"}, "THERE")
        assert next(steps).comment == "no such key"
        with pytest.raises(isocenter.DimseFailure) as failure:
            next(steps)
        assert failure.value.offending_elements == (0x0020000D,)


def test_abort_from_another_thread_ends_a_retrieve(files: list[Path]) -> None:
    store = Store()
    store.hold = threading.Event()
    with (
        isocenter.serve(storage_provider=store) as receiver,
        isocenter.serve(retrieve_provider=Archive(files, receiver.port)) as server,
    ):
        peer = isocenter.connect("127.0.0.1", server.port)
        timer = threading.Timer(0.3, peer.abort)
        timer.start()
        with pytest.raises(isocenter.AssociationAborted):
            list(peer.move(STUDY, "THERE"))
        timer.join(20)
        store.hold.set()


def test_server_that_only_sends_takes_nothing(files: list[Path]) -> None:
    with (
        isocenter.serve(retrieve_provider=Archive(files)) as server,
        isocenter.connect(
            "127.0.0.1", server.port, contexts=isocenter.contexts_for(files[0])
        ) as peer,
        pytest.raises(isocenter.NegotiationError),
    ):
        peer.store(files[0])


def test_provider_without_a_plan_is_none() -> None:
    with pytest.raises(TypeError, match="plan"):
        isocenter.serve(retrieve_provider=Store())  # type: ignore[arg-type]  # the mistake

"""C-GET and C-MOVE on both sides, over real connections (PS3.4 C.4.2, C.4.3)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

import isocenter
from isocenter import uids
from isocenter.dimse.status import CANCEL, PENDING
from isocenter.errors import AssociationAborted, ConnectionLost, IsocenterError
from isocenter.net.client import ConnectOptions, connect
from isocenter.node.retrieval import FileSender
from isocenter.services import retrieve
from isocenter.testing.datasets import ct_image
from isocenter.ul.negotiation import Role
from isocenter.ul.request import ProposedContext, build_request
from tests.support import part10
from tests.support.retrieves import retrieving

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from isocenter.net.association import Association
    from isocenter.services.plans import RetrieveInstance
    from isocenter.services.providers import StoreRequest
    from isocenter.services.retrieve import RetrieveResponse

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = uids.EXPLICIT_VR_LITTLE_ENDIAN
IMPLICIT = uids.IMPLICIT_VR_LITTLE_ENDIAN
KEYS = b"\x08\x00\x52\x00CS\x06\x00STUDY "


class Storage:
    """Keeps what it gets, and answers what a test says."""

    def __init__(self, status: int = 0) -> None:
        self.status = status
        self.objects: dict[str, bytes] = {}
        self.syntaxes: list[str] = []
        self.originators: list[tuple[str | None, int | None]] = []
        self.hold: threading.Event | None = None
        self.arriving = threading.Event()
        self.lose = 0

    def store(self, request: StoreRequest) -> int:
        self.arriving.set()
        if self.hold is not None:
            self.hold.wait(30)
        data = request.read()
        if self.lose:
            self.lose -= 1
            raise isocenter.AbortAssociation
        self.objects[request.sop_instance_uid] = data
        self.syntaxes.append(request.transfer_syntax_uid)
        command = request.command
        self.originators.append(
            (
                command.move_originator_application_entity_title,
                command.move_originator_message_id,
            )
        )
        return self.status


def associate(port: int, *syntaxes: str, sop_class: str = CT) -> Association:
    contexts = [
        ProposedContext(abstract_syntax=uid, transfer_syntaxes=(EXPLICIT,))
        for uid in (uids.STUDY_ROOT_GET, uids.STUDY_ROOT_MOVE)
    ]
    contexts += [
        ProposedContext(abstract_syntax=sop_class, transfer_syntaxes=(uid,), role=Role.SCP)
        for uid in syntaxes
    ]
    request = build_request(
        contexts,
        called_ae_title="NODE",
        calling_ae_title="ASKER",
        implementation_class_uid="1.2.3",
    )
    options = ConnectOptions(host="127.0.0.1", port=port, dimse_timeout=30.0)
    return connect(options, request)


def get(port: int, storage: Storage, *syntaxes: str, sop_class: str = CT) -> list[RetrieveResponse]:
    association = associate(port, *(syntaxes or (EXPLICIT,)), sop_class=sop_class)
    responses = list(retrieve.get(association, 1, KEYS, storage))
    association.release()
    return responses


def move(port: int, destination: str) -> list[RetrieveResponse]:
    association = associate(port)
    responses = list(retrieve.move(association, 3, KEYS, destination))
    association.release()
    return responses


def counts(response: RetrieveResponse) -> tuple[int | None, ...]:
    return response.remaining, response.completed, response.failed, response.warning


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [
        ct_image(sop_instance_uid=f"1.2.3.{number}", seed=number).write(tmp_path / f"{number}.dcm")
        for number in range(4)
    ]


@pytest.fixture
def destination() -> Iterator[tuple[Storage, int]]:
    storage = Storage()
    with isocenter.serve(storage_provider=storage) as server:
        yield storage, server.port


def data_of(files: Sequence[Path]) -> dict[str, bytes]:
    return {part10.read(path).text(0x00020003): part10.read(path).data_set for path in files}


# --- C-GET ----------------------------------------------------------------------------------


def test_get_brings_every_object_byte_for_byte_and_counts_it(files: list[Path]) -> None:
    storage = Storage()
    with retrieving(files) as node:
        responses = get(node.port, storage)
    assert storage.objects == data_of(files)
    assert [response.status for response in responses] == [PENDING] * 4 + [0]
    assert [counts(response) for response in responses[:4]] == [
        (3, 1, 0, 0),
        (2, 2, 0, 0),
        (1, 3, 0, 0),
        (0, 4, 0, 0),
    ]
    assert counts(responses[-1]) == (None, 4, 0, 0)
    assert storage.originators == [(None, None)] * 4


def test_request_of_a_retrieve_tells_the_provider_who_asks_for_what(files: list[Path]) -> None:
    with retrieving(files) as node:
        get(node.port, Storage())
        (request,) = node.script.requests
    assert request.identifier == KEYS
    assert request.destination is None
    assert request.sop_class_uid == uids.STUDY_ROOT_GET
    assert (request.calling_ae_title, request.called_ae_title) == ("ASKER", "NODE")
    assert request.dataset().QueryRetrieveLevel == "STUDY"


def test_get_converts_only_where_the_own_syntax_was_not_agreed_on(files: list[Path]) -> None:
    storage = Storage()
    with retrieving(files) as node:
        assert get(node.port, storage, IMPLICIT)[-1].status == 0
        assert set(storage.syntaxes) == {IMPLICIT}
        storage.syntaxes.clear()
        assert get(node.port, storage, IMPLICIT, EXPLICIT)[-1].status == 0
    assert set(storage.syntaxes) == {EXPLICIT}


def test_get_lists_objects_without_a_context_as_failed_and_says_why(
    files: list[Path], tmp_path: Path
) -> None:
    other = ct_image(sop_instance_uid="9.9", sop_class_uid="1.2.840.10008.5.1.4.1.1.4")
    with retrieving([*files, other.write(tmp_path / "mr.dcm")]) as node:
        responses = get(node.port, Storage())
    final = responses[-1]
    assert final.status == 0xB000
    assert counts(final) == (None, 4, 1, 0)
    assert final.identifier == b"\x08\x00\x58\x00UI\x04\x009.9\0"
    assert final.comment.startswith("not accepted: MRImageStorage")


def test_get_without_the_role_of_scp_sends_nothing(files: list[Path]) -> None:
    storage = Storage()
    with retrieving(files, roles=False) as node:
        final = get(node.port, storage)[-1]
    assert final.status == 0xA702
    assert counts(final) == (None, 0, 4, 0)
    assert storage.objects == {}


def test_get_counts_warnings_and_refusals_of_the_requestor(files: list[Path]) -> None:
    with retrieving(files) as node:
        warned = get(node.port, Storage(0xB007))[-1]
        refused = get(node.port, Storage(0xA700))[-1]
    assert (warned.status, counts(warned)) == (0xB000, (None, 0, 0, 4))
    assert warned.identifier is None
    assert (refused.status, counts(refused)) == (0xA702, (None, 0, 4, 0))
    assert refused.comment == "C-STORE failed, status A700H"


def test_get_goes_on_behind_a_file_that_cannot_be_read(files: list[Path]) -> None:
    storage = Storage()
    with retrieving(files) as node:
        plan = list(node.script.files)
        before = data_of(plan)
        node.script.instances = planned(plan)
        plan[1].unlink()
        plan[2].write_bytes(plan[2].read_bytes()[:-10])
        final = get(node.port, storage)[-1]
    assert final.status == 0xB000
    assert counts(final) == (None, 2, 2, 0)
    assert storage.objects == {uid: before[uid] for uid in ("1.2.3.0", "1.2.3.3")}
    assert final.identifier is not None
    assert final.identifier.endswith(b"1.2.3.1\\1.2.3.2\0")
    assert final.comment == "an object cannot be read: No such file or directory"


def planned(files: Sequence[Path]) -> list[RetrieveInstance]:
    sender = FileSender()
    parts = [(path, part10.read(path)) for path in files]
    return [
        sender.instance(
            str(path), part.text(0x00020002), part.text(0x00020003), part.transfer_syntax
        )
        for path, part in parts
    ]


def test_get_of_a_file_that_holds_another_object_now_fails_for_it(files: list[Path]) -> None:
    storage = Storage()
    with retrieving(files) as node:
        node.script.instances = planned(files)
        ct_image(sop_instance_uid="6.6.6").write(files[0])
        final = get(node.port, storage)[-1]
    assert counts(final) == (None, 3, 1, 0)
    assert "6.6.6" not in storage.objects


def test_cancel_of_a_get_ends_it_behind_the_object_on_its_way(files: list[Path]) -> None:
    storage = Storage()
    with retrieving(files) as node:
        association = associate(node.port, EXPLICIT)
        responses = []
        for response in retrieve.get(association, 1, KEYS, storage):
            responses.append(response)
            if len(responses) == 1:
                retrieve.cancel(association, 1, response.message.message_id_being_responded_to)
        association.release()
        assert node.watcher.cancels == 1
    final = responses[-1]
    assert final.status == CANCEL
    remaining = final.remaining or 0
    assert remaining > 0
    assert final.completed == 4 - remaining == len(storage.objects)


def test_nothing_found_is_a_success_without_sub_operations() -> None:
    with retrieving([]) as node:
        (final,) = get(node.port, Storage())
    assert (final.status, counts(final)) == (0, (None, 0, 0, 0))


def test_provider_fails_a_retrieve_with_status_and_comment() -> None:
    with retrieving([]) as node:
        node.script.failure = isocenter.DimseFailure(0xA900, "no level", (0x00080052,))
        (final,) = get(node.port, Storage())
        assert (final.status, final.comment) == (0xA900, "no level")
        assert final.message.offending_element == (0x00080052,)
        node.script.failure = ZeroDivisionError("secret")
        (final,) = get(node.port, Storage())
        assert (final.status, final.comment) == (0xC000, "")
        node.script.failure = isocenter.DimseFailure(0, "a success")
        (final,) = get(node.port, Storage())
        assert final.status == 0xC000


def test_requestor_that_aborts_ends_a_get_and_its_plan(files: list[Path]) -> None:
    with retrieving(files) as node:
        association = associate(node.port, EXPLICIT)
        steps = retrieve.get(association, 1, KEYS, Storage())
        next(steps)
        association.abort()
        assert node.script.ended.acquire(timeout=20)


# --- C-MOVE ---------------------------------------------------------------------------------


def test_move_sends_every_object_to_the_destination(
    files: list[Path], destination: tuple[Storage, int]
) -> None:
    storage, port = destination
    with retrieving(files, {"THERE": port}) as node:
        responses = move(node.port, "THERE")
        assert node.script.ended.acquire(timeout=20)
    assert storage.objects == data_of(files)
    assert storage.originators == [("ASKER", 1)] * 4
    assert counts(responses[-1]) == (None, 4, 0, 0)
    assert responses[-1].status == 0
    assert all(response.status == PENDING for response in responses[:-1])


def test_move_to_an_unknown_destination_is_a801_and_names_it(files: list[Path]) -> None:
    with retrieving(files) as node:
        (final,) = move(node.port, "NOWHERE")
    assert (final.status, final.comment) == (0xA801, "unknown destination NOWHERE")


def test_move_to_a_port_that_nobody_listens_on_fails_and_says_so(files: list[Path]) -> None:
    import socket

    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        with retrieving(files, {"THERE": reserved.getsockname()[1]}) as node:
            final = move(node.port, "THERE")[-1]
    assert (final.status, counts(final)) == (0xA702, (None, 0, 4, 0))
    assert final.comment == "THERE: Connection refused"
    assert final.identifier is not None
    assert b"1.2.3.0\\1.2.3.1\\1.2.3.2\\1.2.3.3" in final.identifier


def test_move_to_a_destination_that_rejects_says_why(files: list[Path]) -> None:
    with (
        isocenter.serve(called_ae_titles=["OTHER"], storage_provider=Storage()) as server,
        retrieving(files, {"THERE": server.port}) as node,
    ):
        final = move(node.port, "THERE")[-1]
    assert final.status == 0xA702
    assert final.comment == "THERE rejects: Called AE Title Not Recognized"


def test_move_to_a_destination_that_takes_no_such_objects_says_which(files: list[Path]) -> None:
    with (
        isocenter.serve(
            storage_provider=Storage(), sop_classes=["1.2.840.10008.5.1.4.1.1.4"]
        ) as server,
        retrieving(files, {"THERE": server.port}) as node,
    ):
        final = move(node.port, "THERE")[-1]
    assert final.status == 0xA702
    assert final.comment.startswith("not accepted: CTImageStorage")


def test_lost_sub_association_is_opened_again_once(
    files: list[Path], destination: tuple[Storage, int]
) -> None:
    storage, port = destination
    storage.lose = 1
    with retrieving(files, {"THERE": port}) as node:
        final = move(node.port, "THERE")[-1]
        assert (final.status, counts(final)) == (0, (None, 4, 0, 0))
        assert storage.objects == data_of(files)
        storage.lose = 2
        final = move(node.port, "THERE")[-1]
    assert (final.status, counts(final)) == (0xA702, (None, 0, 4, 0))
    assert final.comment == "THERE aborted the association"


def test_cancel_of_a_move_cuts_the_object_on_its_way_short(
    files: list[Path], destination: tuple[Storage, int]
) -> None:
    storage, port = destination
    storage.hold = threading.Event()
    with retrieving(files, {"THERE": port}) as node:
        association = associate(node.port)
        steps = retrieve.move(association, 3, KEYS, "THERE")
        found: list[RetrieveResponse] = []
        thread = threading.Thread(target=lambda: found.extend(steps))
        thread.start()
        assert storage.arriving.wait(20)
        retrieve.cancel(association, 3, 1)  # nothing else is being sent
        thread.join(30)
        assert not thread.is_alive()
        storage.hold.set()
        association.release()
        assert node.script.ended.acquire(timeout=20)
    assert found[-1].status == CANCEL
    assert counts(found[-1]) == (4, 0, 0, 0)


def test_requestor_that_vanishes_ends_the_sub_association(
    files: list[Path], destination: tuple[Storage, int]
) -> None:
    storage, port = destination
    storage.hold = threading.Event()
    with retrieving(files, {"THERE": port}) as node:
        association = associate(node.port)
        steps = retrieve.move(association, 3, KEYS, "THERE")

        def run() -> None:
            with pytest.raises(IsocenterError):
                list(steps)

        thread = threading.Thread(target=run)
        thread.start()
        assert storage.arriving.wait(20)
        association.request_abort()
        thread.join(30)
        assert node.script.ended.acquire(timeout=20)
        storage.hold.set()
    assert len(storage.objects) <= 1


def test_pending_responses_come_while_an_object_takes_long(
    files: list[Path], destination: tuple[Storage, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isocenter.services.retrieve_scp.PENDING_INTERVAL", 0.1)
    storage, port = destination
    storage.hold = threading.Event()
    with retrieving(files, {"THERE": port}) as node:
        association = associate(node.port)
        responses = []
        for response in retrieve.move(association, 3, KEYS, "THERE"):
            responses.append(response)
            if len(responses) == 3:
                storage.hold.set()
        association.release()
    assert [counts(response) for response in responses[:3]] == [(4, 0, 0, 0)] * 3
    assert responses[-1].status == 0


def test_pending_responses_come_while_the_requestor_of_a_get_stores_for_long(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isocenter.services.retrieve_scp.PENDING_INTERVAL", 0.1)
    storage = Storage()
    with retrieving(files[:1]) as node:

        class Slow(Storage):
            def store(self, request: StoreRequest) -> int:
                status = super().store(request)
                for _ in range(3):
                    node.watcher.answering.clear()
                    assert node.watcher.answering.wait(20)
                return status

        storage = Slow()
        responses = get(node.port, storage)
    assert len(responses) >= 5
    assert [counts(response) for response in responses[:3]] == [(1, 0, 0, 0)] * 3


def test_destination_that_hangs_is_given_up_and_named(
    files: list[Path], destination: tuple[Storage, int]
) -> None:
    storage, port = destination
    storage.hold = threading.Event()
    with retrieving(files, {"THERE": port}) as node:
        node.script.dimse_timeout = 0.3
        final = move(node.port, "THERE")[-1]
        storage.hold.set()
    assert final.status == 0xA702
    assert final.comment.startswith("THERE does not answer")


def test_requestor_of_a_move_is_not_idle_while_it_waits_for_the_end(
    files: list[Path], destination: tuple[Storage, int]
) -> None:
    storage, port = destination
    storage.hold = threading.Event()
    with retrieving(files, {"THERE": port}, idle_timeout=0.4) as node:
        threading.Timer(1.5, storage.hold.set).start()
        final = move(node.port, "THERE")[-1]
    assert final.status == 0


def test_requestor_of_a_get_that_does_not_answer_is_idle(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isocenter.services.retrieve_scp.PENDING_INTERVAL", 0.1)
    storage = Storage()
    storage.hold = threading.Event()
    with retrieving(files, idle_timeout=0.6, dimse_timeout=None) as node:
        threading.Timer(2.0, storage.hold.set).start()
        with pytest.raises((AssociationAborted, ConnectionLost)):
            get(node.port, storage)


def test_stopped_server_ends_a_move_and_its_sub_association(
    files: list[Path], destination: tuple[Storage, int]
) -> None:
    storage, port = destination
    storage.hold = threading.Event()
    with retrieving(files, {"THERE": port}) as node:
        association = associate(node.port)
        steps = retrieve.move(association, 3, KEYS, "THERE")
        problems: list[BaseException] = []

        def run() -> None:
            try:
                list(steps)
            except IsocenterError as problem:
                problems.append(problem)

        thread = threading.Thread(target=run)
        thread.start()
        assert storage.arriving.wait(20)
        node.server.stop(timeout=20)
        thread.join(30)
        assert node.script.ended.acquire(timeout=20)
        storage.hold.set()
    assert isinstance(problems[0], (AssociationAborted, ConnectionLost))


def test_compressed_objects_go_as_they_are_or_decoded_where_nobody_takes_them(
    tmp_path: Path,
) -> None:
    from pydicom import dcmread

    from tests.support.samples import sample_files

    rle = next(sample for sample in sample_files() if sample.name == "MR_small_RLE.dcm")
    storage = Storage()
    for accepted in ((uids.RLE_LOSSLESS, IMPLICIT), (IMPLICIT,)):
        with (
            isocenter.serve(storage_provider=storage, transfer_syntaxes=accepted) as server,
            retrieving([rle.path], {"THERE": server.port}) as node,
        ):
            assert move(node.port, "THERE")[-1].status == 0
    assert storage.syntaxes == [uids.RLE_LOSSLESS, IMPLICIT]
    from isocenter.dataset.bridge import decode_dataset

    (data,) = storage.objects.values()
    found = decode_dataset(data, IMPLICIT)
    wanted = dcmread(rle.path)
    wanted.decompress()
    assert found.PixelData == wanted.PixelData


def test_syntax_that_nobody_can_decode_fails_where_it_is_not_taken(tmp_path: Path) -> None:
    video = ct_image(transfer_syntax=uids.MPEG2_MAIN_LEVEL, sop_instance_uid="5.5")
    with (
        isocenter.serve(storage_provider=Storage(), transfer_syntaxes=[EXPLICIT]) as server,
        retrieving([video.write(tmp_path / "v.dcm")], {"THERE": server.port}) as node,
    ):
        final = move(node.port, "THERE")[-1]
    assert counts(final) == (None, 0, 1, 0)

"""What a Python developer calls, as the documentation shows it."""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import isocenter
from isocenter import uids
from isocenter.errors import (
    AssociationAborted,
    AssociationRejected,
    ConfigurationError,
    ConnectError,
    DataSetError,
    DimseFailure,
    NegotiationError,
    TimeoutExpired,
)
from isocenter.testing import ct_image
from isocenter.ul.request import ProposedContext
from tests.support.processes import Process, run, wait_until

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from isocenter.services.providers import EchoRequest, StoreRequest

pytestmark = pytest.mark.slow

WAIT = 20.0
CONVERTED = (
    uids.IMPLICIT_VR_LITTLE_ENDIAN,
    uids.EXPLICIT_VR_BIG_ENDIAN,
    uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
)


class Collector:
    """Keeps what it is sent as pydicom data sets."""

    def __init__(self) -> None:
        self.received: list[Dataset] = []

    def store(self, request: StoreRequest) -> int:
        self.received.append(request.dataset())
        return 0


class Busy:
    """Answers nothing with success."""

    def echo(self, request: EchoRequest) -> int:
        raise DimseFailure(0x0112)

    def store(self, request: StoreRequest) -> int:
        raise DimseFailure(0xA700, "Out of resources")


class Hanging:
    """Takes an object and does not answer until told."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def store(self, request: StoreRequest) -> int:
        request.drain()
        self.go_on.wait(WAIT)
        return 0


def sample() -> Dataset:
    from pydicom.dataset import Dataset

    data = Dataset()
    data.SOPClassUID = uids.SHORT_PROPOSAL[0]
    data.SOPInstanceUID = "1.2.3.4"
    data.PatientName = "Round^Trip"
    data.Rows = 512
    return data


def test_echo_and_a_data_set_there_and_back() -> None:
    collector = Collector()
    with (
        isocenter.serve(storage_provider=collector) as server,
        isocenter.connect("127.0.0.1", server.port) as peer,
    ):
        peer.echo()
        result = peer.store(sample())
        assert (result.status, result.confirmed, result.comment) == (0, True, "")
        assert result.sop_instance_uid == "1.2.3.4"
    (received,) = collector.received
    assert received == sample()
    assert received.file_meta.TransferSyntaxUID == uids.EXPLICIT_VR_LITTLE_ENDIAN


def test_file_goes_into_a_directory_bit_for_bit(tmp_path: Path) -> None:
    from pydicom.data import get_testdata_file

    path = get_testdata_file("CT_small.dcm")
    assert isinstance(path, str)
    folder = tmp_path / "received"
    folder.mkdir()
    with (
        isocenter.serve(directory=folder) as server,
        isocenter.connect("localhost", server.port, contexts=isocenter.contexts_for(path)) as peer,
    ):
        assert peer.store(path).confirmed
        assert peer.store(Path(path)).confirmed
    (kept,) = folder.iterdir()
    # Preamble and File Meta Information are the receiver's own; the data set is the sender's.
    original = Path(path).read_bytes()
    data_set = original[original.index(b"\x08\x00\x05\x00") :]
    assert kept.read_bytes().endswith(data_set)


def test_directory_takes_the_options_of_storage(tmp_path: Path) -> None:
    image = ct_image(rows=8, columns=8)
    path = image.write(tmp_path / "a.dcm")
    folder = tmp_path / "received"
    folder.mkdir()
    options = isocenter.StorageOptions(
        rewrite=isocenter.RewriteOptions(transfer_syntax_uid=uids.IMPLICIT_VR_LITTLE_ENDIAN),
        duplicates="keep-both",
        extension=".dcm",
    )
    with (
        isocenter.serve(directory=folder, storage_options=options, durable=True) as server,
        isocenter.connect("localhost", server.port, contexts=isocenter.contexts_for(path)) as peer,
    ):
        assert peer.store(path).confirmed
        assert peer.store(path).confirmed
    (kept,) = folder.iterdir()
    assert kept.name == f"CT.{image.sop_instance_uid}.dcm"
    assert uids.IMPLICIT_VR_LITTLE_ENDIAN.encode() + b"\0" in kept.read_bytes()[:500]


@pytest.mark.parametrize("size", [64, 800], ids=["in memory", "streamed"])
@pytest.mark.parametrize("target", CONVERTED)
def test_file_is_converted_where_the_peer_accepted_another_transfer_syntax(
    tmp_path: Path, target: str, size: int
) -> None:
    image = ct_image(rows=size, columns=size)
    path = image.write(tmp_path / "a.dcm")
    collector = Collector()
    context = ProposedContext(abstract_syntax=image.sop_class_uid, transfer_syntaxes=(target,))
    with (
        isocenter.serve(storage_provider=collector) as server,
        isocenter.connect("127.0.0.1", server.port, contexts=[context]) as peer,
    ):
        assert peer.store(path).confirmed
        assert peer.store(path).confirmed
    for received in collector.received:
        assert received.file_meta.TransferSyntaxUID == target
        assert received.SOPInstanceUID == image.sop_instance_uid
        assert received.Rows == size
        assert len(received.PixelData) == 2 * size * size


def test_compressed_file_is_not_converted(tmp_path: Path) -> None:
    image = ct_image(transfer_syntax="1.2.840.10008.1.2.4.70")
    path = image.write(tmp_path / "a.dcm")
    with (
        isocenter.serve(storage_provider=Collector()) as server,
        isocenter.connect("127.0.0.1", server.port) as peer,
    ):
        with pytest.raises(NegotiationError) as caught:
            peer.store(path)
        assert caught.value.transfer_syntax == "1.2.840.10008.1.2.4.70"
        peer.echo()


def test_several_files_need_one_context_for_each_class_and_syntax() -> None:
    from pydicom.data import get_testdata_file

    paths = [get_testdata_file(name) for name in ("CT_small.dcm", "MR_small.dcm", "CT_small.dcm")]
    contexts = isocenter.contexts_for(*(str(path) for path in paths))
    assert [type(context) for context in contexts] == [ProposedContext] * 2


def test_failures_of_the_peer() -> None:
    with (
        isocenter.serve(storage_provider=Busy(), verification_provider=Busy()) as server,
        isocenter.connect("127.0.0.1", server.port) as peer,
    ):
        with pytest.raises(DimseFailure) as caught:
            peer.echo()
        assert caught.value.status == 0x0112
        result = peer.store(sample())
        assert (result.status, result.confirmed) == (0xA700, False)
        assert result.comment == "Out of resources"


def test_titles_may_be_demanded() -> None:
    with isocenter.serve(called_ae_titles=["ARCHIVE"], calling_ae_titles=["ME"]) as server:
        for called, calling, reason in (("OTHER", "ME", 7), ("ARCHIVE", "YOU", 3)):
            with pytest.raises(AssociationRejected) as caught:
                isocenter.connect(
                    "127.0.0.1", server.port, called_ae_title=called, calling_ae_title=calling
                )
            assert caught.value.reason == reason
        with isocenter.connect(
            "127.0.0.1", server.port, called_ae_title="ARCHIVE", calling_ae_title="ME"
        ) as peer:
            peer.echo()


def test_server_without_storage_accepts_no_objects() -> None:
    with (
        isocenter.serve() as server,
        isocenter.connect("127.0.0.1", server.port) as peer,
        pytest.raises(NegotiationError, match="no accepted context for"),
    ):
        peer.store(sample())


def test_source_that_is_no_object_is_named_and_nothing_is_sent(tmp_path: Path) -> None:
    from pydicom.dataset import Dataset

    with (
        isocenter.serve(storage_provider=Collector()) as server,
        isocenter.connect("127.0.0.1", server.port) as peer,
    ):
        with pytest.raises(DataSetError, match="no SOPClassUID"):
            peer.store(Dataset())
        with pytest.raises(OSError, match="No such file"):
            peer.store(tmp_path / "missing.dcm")
        text = tmp_path / "text.txt"
        text.write_text("not DICOM" * 100)
        with pytest.raises(DataSetError):
            peer.store(text)
        peer.echo()


def test_arguments_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        isocenter.serve(storage_provider=Collector(), directory=".")
    with pytest.raises(ValueError, match="belong to a directory"):
        isocenter.serve(durable=True)
    with pytest.raises(ValueError, match="blank"):
        isocenter.connect("127.0.0.1", 1, called_ae_title=" ")
    with (
        isocenter.serve() as server,
        pytest.raises(ConfigurationError, match="in use"),
    ):
        isocenter.serve(server.port)


def test_nobody_there(free_port: int) -> None:
    with pytest.raises(ConnectError, match="Connection refused"):
        isocenter.connect("127.0.0.1", free_port)


def test_answer_that_does_not_come() -> None:
    hanging = Hanging()
    with isocenter.serve(storage_provider=hanging) as server:
        peer = isocenter.connect("127.0.0.1", server.port, dimse_timeout=0.05)
        with pytest.raises(TimeoutExpired, match="dimse") as caught:
            peer.store(sample())
        assert caught.value.seconds == 0.05
        hanging.go_on.set()
        peer.release()


def test_block_left_by_an_exception_aborts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    with isocenter.serve() as server:
        peer = isocenter.connect("127.0.0.1", server.port)
        with pytest.raises(ZeroDivisionError), peer:
            raise ZeroDivisionError
        peer.abort()
        peer.release()


def test_stopped_server_aborts_idle_peers_and_serves_nobody_else() -> None:
    server = isocenter.serve()
    peer = isocenter.connect("127.0.0.1", server.port)
    assert server.stop(timeout=WAIT)
    assert server.stop()
    server.wait()
    with pytest.raises(AssociationAborted):
        peer.echo()
    with pytest.raises(ConnectError):
        isocenter.connect("127.0.0.1", server.port)


def test_unlimited_and_tiny_maximum_lengths() -> None:
    collector = Collector()
    for ours, theirs in ((0, 0), (4096, 0), (0, 14), (16, 16)):
        with (
            isocenter.serve(storage_provider=collector, maximum_length=theirs) as server,
            isocenter.connect("127.0.0.1", server.port, maximum_length=ours) as peer,
        ):
            assert peer.store(sample()).confirmed
    assert collector.received == [sample()] * 4


def test_examples_of_the_read_me_work_together(tmp_path: Path, free_port: int) -> None:
    from pydicom.data import get_testdata_file

    text = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    examples = [block.partition("```")[0] for block in text.split("```python\n")[1:]]
    examples = [example.replace("11112", str(free_port)) for example in examples]
    (serving,) = [example for example in examples if "isocenter.serve(" in example]
    (sending,) = [example for example in examples if "peer.store(" in example]
    (tmp_path / "image.dcm").symlink_to(str(get_testdata_file("CT_small.dcm")))
    (tmp_path / "received").mkdir()
    with Process([sys.executable, "-c", serving], cwd=tmp_path) as server:
        wait_until(lambda: _answers(free_port), timeout=WAIT, what="the server")
        done = run([sys.executable, "-c", sending], cwd=tmp_path, timeout=WAIT)
        assert (done.code, done.stdout, done.stderr) == (0, "True\n", "")
        assert len(list((tmp_path / "received").iterdir())) == 1
        assert server.running


def _answers(port: int) -> bool:
    try:
        isocenter.connect("127.0.0.1", port).release()
    except ConnectError:
        return False
    return True

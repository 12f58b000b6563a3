"""What the Python API refuses, what it gives back, and who may abort."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, cast

import pytest

import isocenter
from isocenter.errors import AssociationAborted, ConfigurationError
from isocenter.net.dispatch import ThreadDispatcher
from isocenter.testing import ct_image

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.services.providers import StorageProvider, StoreRequest

pytestmark = pytest.mark.slow

WAIT = 20.0


class Hanging:
    """Keeps an object waiting for its answer until told."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.go_on = threading.Event()

    def store(self, request: StoreRequest) -> int:
        request.drain()
        self.arrived.set()
        self.go_on.wait(WAIT)
        return 0


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_server_that_ended_holds_no_descriptor(tmp_path: Path) -> None:
    path = ct_image().write(tmp_path / "ct")
    (tmp_path / "received").mkdir()

    def serve_once() -> None:
        with (
            isocenter.serve(directory=tmp_path / "received") as server,
            isocenter.connect("127.0.0.1", server.port) as peer,
        ):
            assert peer.store(path).confirmed

    serve_once()
    before = _descriptors()
    for _ in range(3):
        serve_once()
    assert _descriptors() == before


@pytest.mark.parametrize("port", [0, -1, 65536, 111721])
def test_port_that_is_none_is_refused_by_connect(port: int) -> None:
    with pytest.raises(ValueError, match=f"port {port} "):
        isocenter.connect("127.0.0.1", port)


@pytest.mark.parametrize("title", ["X" * 17, "a\\b", "\u00e9", "a\nb"])
def test_title_that_is_none_is_refused_rather_than_cut(title: str) -> None:
    with pytest.raises(ValueError, match="AE title"):
        isocenter.connect("127.0.0.1", 104, called_ae_title=title)
    with pytest.raises(ValueError, match="AE title"):
        isocenter.connect("127.0.0.1", 104, calling_ae_title=title)


def test_family_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="ipv9"):
        isocenter.connect("127.0.0.1", 104, family="ipv9")


def test_provider_without_store_is_refused_at_once() -> None:
    def function(request: StoreRequest) -> int:
        return 0

    with pytest.raises(TypeError, match="store"):
        isocenter.serve(storage_provider=cast("StorageProvider", function))


def test_port_in_use_is_named() -> None:
    with (
        isocenter.serve() as server,
        pytest.raises(ConfigurationError, match=f"127.0.0.1:{server.port}: Address already"),
    ):
        isocenter.serve(server.port)


def test_ports_in_use_cost_no_descriptors() -> None:
    with isocenter.serve() as server:
        before = _descriptors()
        for _ in range(3):
            with pytest.raises(ConfigurationError):
                isocenter.serve(server.port)
        assert _descriptors() == before


def test_server_that_cannot_begin_says_so_and_holds_no_descriptor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(ThreadDispatcher, "start", refuse)
    before = _descriptors()
    with pytest.raises(ConfigurationError, match="cannot start serving: Cannot allocate memory"):
        isocenter.serve()
    assert _descriptors() == before


def test_server_on_all_interfaces_answers_both_families() -> None:
    with isocenter.serve(host="") as server:
        for host in ("127.0.0.1", "::1"):
            with isocenter.connect(host, server.port) as peer:
                peer.echo()


def test_abort_from_another_thread_ends_a_store(tmp_path: Path) -> None:
    path = ct_image().write(tmp_path / "ct")
    provider = Hanging()
    with isocenter.serve(storage_provider=provider) as server:
        peer = isocenter.connect("127.0.0.1", server.port)

        def abort_once_arrived() -> None:
            provider.arrived.wait(WAIT)
            peer.abort()

        timer = threading.Thread(target=abort_once_arrived)
        timer.start()
        with pytest.raises(AssociationAborted):
            peer.store(path)
        timer.join(WAIT)
        provider.go_on.set()

"""What some systems lack must not be needed: poll, eventfd, sendmsg, preadv, descriptor passing."""

from __future__ import annotations

import select
import socket
import subprocess
import sys

import pytest

from isocenter.net.readiness import READ, WRITE, SelectPoller

_WITHOUT = """
import os, select, selectors, socket, sys, tempfile
for module, names in {
    select: ("poll", "epoll", "POLLIN", "POLLOUT"),
    os: ("eventfd", "EFD_NONBLOCK", "EFD_CLOEXEC", "preadv", "fork"),
    socket: ("send_fds", "recv_fds", "TCP_QUICKACK"),
}.items():
    for name in names:
        if name in vars(module):
            delattr(module, name)
selectors.DefaultSelector = selectors.SelectSelector
sys.modules["fcntl"] = None
sys.modules["resource"] = None
from isocenter.net import client, dispatch, listener, transport, wakeup, workers
from isocenter.services import storage
from isocenter.services.verification import echo
from isocenter.wire import FileRegion
assert not workers.available()
listener.raise_descriptor_limit()
from tests.net.support import CT, SOCKETS, listening, proposal
from tests.net.test_association import Keeper
keeper = Keeper()
with listening(provider=keeper) as (_, port), tempfile.TemporaryFile() as file:
    file.write(bytes(500_000))
    file.flush()
    association = client.connect(
        client.ConnectOptions(host="127.0.0.1", port=port, sockets=SOCKETS, connect_timeout=20.0),
        proposal(),
    )
    assert echo(association) == 0
    region = FileRegion(file.fileno(), 0, 500_000)
    answer = storage.store(
        association, 1, sop_class_uid=CT, sop_instance_uid="1.2", data=[region, b"more"]
    )
    association.release()
print(answer.status, keeper.lengths)
"""


@pytest.mark.slow
def test_everything_works_without_what_other_systems_lack() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.stdout, done.returncode) == ("0 [500004]\n", 0), done.stderr


def test_select_stands_in_for_poll() -> None:
    left, right = socket.socketpair()
    poller = SelectPoller()
    poller.register(left.fileno(), READ | WRITE)
    poller.register(right.fileno(), READ)
    assert poller.poll(0) == [(left.fileno(), WRITE)]
    left.send(b"x")
    poller.modify(left.fileno(), READ)
    assert poller.poll(None) == [(right.fileno(), READ)]
    right.close()
    left.close()


@pytest.mark.skipif(not hasattr(select, "poll"), reason="nothing to compare with")
def test_bits_are_those_of_poll() -> None:
    assert (READ, WRITE) == (select.POLLIN, select.POLLOUT)

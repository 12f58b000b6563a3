"""storescp with every door at once: TLS, accept list, titles of certificates, users."""

from __future__ import annotations

import shutil
import signal
from typing import TYPE_CHECKING

import pytest

import isocenter
from isocenter.errors import AssociationRejected, IsocenterError
from isocenter.net.tls_options import TlsOptions
from isocenter.testing.certificates import Authority
from isocenter.ul.pdu import UserIdentityRQ
from tests.support.processes import wait_until
from tests.support.tools import OURS, UNDER_TEST, Receiver
from tests.support.users import write_users

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing.certificates import Identity

pytestmark = [
    pytest.mark.skipif(not UNDER_TEST.is_ours, reason="these options are ours"),
    pytest.mark.slow,
]

WAIT = 30.0
SERVED = "served"
CLOSED = "closed"


class Doors:
    """A receiver's files, in a folder of their own, and peers that call it."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority("Hospital", key="ec-p256")
        self.ct = self.authority.issue("ct1", key="ec-p256")
        self.mr = self.authority.issue("mr1", key="ec-p256")
        self.key, self.certificate = folder / "key.pem", folder / "cert.pem"
        self.renew()
        self.access = folder / "access"
        self.access.write_text("deny calling=OLD\nallow from=127.0.0.0/8\n")
        self.titles = folder / "titles"
        self.titles.write_text("cn=ct1 calling=CT1 calling=OLD\n")
        self.users = write_users(folder / "users", joe="good")

    def renew(self) -> Identity:
        """Give the receiver a new key and certificate."""
        made = self.authority.issue("archive", addresses=["127.0.0.1"], key="ec-p256")
        shutil.copy(made.private_key, self.key)
        shutil.copy(made.certificate, self.certificate)
        return made

    @property
    def options(self) -> list[str | Path]:
        """The options of the receiver."""
        return [
            *("+tls", self.key, self.certificate, "+cf", self.authority.path),
            *("--access-list", self.access, "--cert-ae", self.titles),
            *("--users", self.users, "--require-identity"),
        ]

    def answer(
        self,
        receiver: Receiver,
        *,
        calling: str = "CT1",
        identity: Identity | None = None,
        password: str = "good",
    ) -> str:
        """Return what a requestor gets: served, a rejection's numbers, or nothing."""
        mine = identity or self.ct
        tls = TlsOptions(
            certificate=mine.certificate,
            private_key=mine.private_key,
            ca_files=(self.authority.path,),
        )
        user = UserIdentityRQ(
            user_identity_type=2,
            positive_response_requested=True,
            primary_field=b"joe",
            secondary_field=password.encode(),
        )
        try:
            with isocenter.connect(
                "127.0.0.1",
                receiver.port,
                calling_ae_title=calling,
                tls=tls,
                user_identity=user,
                connect_timeout=WAIT,
            ) as peer:
                assert peer.user_identity_response is not None
                peer.echo()
        except AssociationRejected as problem:
            return f"{int(problem.result)}.{int(problem.source)}.{problem.reason}"
        except IsocenterError:
            return CLOSED
        return SERVED


@pytest.fixture
def doors(tmp_path: Path) -> Doors:
    return Doors(tmp_path)


@pytest.mark.parametrize("mode", [(), ("--fork",), ("--workers", "2")])
def test_every_door_has_to_open(doors: Doors, mode: tuple[str, ...], tmp_path: Path) -> None:
    with Receiver(OURS, tmp_path / "out", *doors.options, *mode) as receiver:
        assert doors.answer(receiver) == SERVED
        assert doors.answer(receiver, calling="OLD") == "1.1.3"
        assert doors.answer(receiver, identity=doors.mr) == "1.1.3"
        assert doors.answer(receiver, password="bad") == "1.1.1"
        assert doors.answer(receiver) == SERVED


def test_nobody_is_asked_behind_a_door_that_stays_shut(doors: Doors, tmp_path: Path) -> None:
    """Or whoever may not call at all could try passwords, and make the receiver compute."""
    with Receiver(OURS, tmp_path / "out", *doors.options) as receiver:
        doors.answer(receiver, calling="OLD", identity=doors.mr, password="bad")
        doors.answer(receiver, identity=doors.mr, password="bad")
        assert doors.answer(receiver) == SERVED
        refusals = [line for line in receiver.log.splitlines() if "refused" in line]
        assert len(refusals) == 2
        assert f"{doors.access}, line 1: deny calling=OLD" in refusals[0]
        assert f"no line of {doors.titles} is about its certificate" in refusals[1]
        assert "joe" not in receiver.log


@pytest.mark.parametrize("mode", [(), ("--fork",), ("--workers", "2")])
def test_what_is_broken_keeps_no_other_from_being_read_anew(
    doors: Doors, mode: tuple[str, ...], tmp_path: Path
) -> None:
    with Receiver(OURS, tmp_path / "out", "-v", *doors.options, *mode) as receiver:
        assert doors.answer(receiver) == SERVED
        doors.access.write_text("allow calling=CT2\n")
        doors.titles.write_text("cn=ct1 calling=CT2\ncn=\n")
        doors.users.write_text("joe\n")
        doors.renew()
        receiver.process.signal(signal.SIGHUP)
        for line in (
            "I: access list read anew: ",
            "E: titles of certificates not read anew, kept as it was: ",
            "E: users file not read anew, kept as it was: ",
            "I: TLS read anew: ",
        ):
            receiver.process.wait_for_line(line)
        wait_until(
            lambda: all(doors.answer(receiver) == "1.1.3" for _ in range(4)),
            timeout=WAIT,
            what="the new list to hold",
        )
        doors.titles.write_text("cn=ct1 calling=CT2\n")
        receiver.process.signal(signal.SIGHUP)
        receiver.process.wait_for_line("I: titles of certificates read anew: ")
        wait_until(
            lambda: all(doors.answer(receiver, calling="CT2") == SERVED for _ in range(4)),
            timeout=WAIT,
            what="the new titles to hold, with the old users",
        )
        assert doors.answer(receiver, calling="CT2", password="bad") == "1.1.1"

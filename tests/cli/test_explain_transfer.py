"""Why an object was not stored, an echo failed, an association broke: facts to words."""

from __future__ import annotations

import errno
import os

import pytest

from isocenter.cli import options_storescp, options_storescu
from isocenter.cli.explain import as_text, size_words
from isocenter.cli.explain_transfer import (
    Progress,
    broken,
    echo_failed,
    not_served,
    not_stored,
    reception_broken,
    store_failed,
)
from isocenter.errors import (
    AssociationAborted,
    AssociationReleased,
    ConnectionLost,
    DataSetError,
    DimseDecodeError,
    DuplicateObject,
    ObjectMismatch,
    PeerProtocolError,
    StorageError,
    StorageFull,
    StorageRefused,
    TimeoutExpired,
)

CT = "1.2.840.10008.5.1.4.1.1.2"
LITTLE = "1.2.840.10008.1.2.1"
SCU, SCP = options_storescu.TOOL, options_storescp.TOOL


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0xA700, "out of resources"),
        (0xA7FF, "out of resources"),
        (0xA900, "not what its SOP class asks for"),
        (0xC123, "cannot make sense of the data set"),
        (0x0105, "attribute"),
        (0x0110, "something went wrong inside it"),
        (0x0111, "has an object of this SOP Instance UID already"),
        (0x0112, "knows no object"),
        (0x0115, "value that it does not allow"),
        (0x0117, "breaks the rules for UIDs"),
        (0x0118, "does not know the SOP class"),
        (0x0119, "with another SOP class"),
        (0x0120, "attribute that it needs is missing"),
        (0x0121, "attribute that it needs is empty"),
        (0x0122, "does not store this SOP class"),
        (0x0124, "not allowed"),
        (0x0210, "message ID"),
        (0x0211, "does not know this kind of request"),
        (0x0212, "field of the wrong kind"),
        (0x0213, "limit of its own"),
        (0x1234, "1234H is its own"),
    ],
)
def test_failure_status_has_words(status: int, words: str) -> None:
    lines = store_failed("a.dcm", status, kind=(CT, LITTLE), size=1000)
    text = as_text(lines)
    assert words in text
    assert f"{status:04X}H" in text
    assert "a.dcm" in text
    assert "CTImageStorage" in text
    assert len(lines) <= 6
    assert words in as_text(echo_failed(status))


def test_what_the_peer_says_of_its_reasons_is_passed_on() -> None:
    lines = store_failed("a", 0xA900, comment="no\nroom", offending=(0x00080016, 0x00100020))
    text = as_text(lines)
    assert "It comments: 'no\\nroom'." in text
    assert "(0008,0016) SOPClassUID, (0010,0020) PatientID" in text


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (None, "Free or enlarge its storage"),
        (1000, "The file has 1000 bytes. If smaller ones are taken"),
        ((4 << 30) - 1, "(4 GiB). If smaller"),
        (4 << 30, "more than 4 GiB, which many receivers cannot keep"),
    ],
)
def test_object_too_big_for_many_receivers_is_told_from_a_full_disk(
    size: int | None, words: str
) -> None:
    assert words in as_text(store_failed("a", 0xA700, size=size))


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1024 bytes (1 KiB)"),
        (525312, "525312 bytes (513 KiB)"),
        (3 << 29, "1610612736 bytes (1.5 GiB)"),
    ],
)
def test_sizes_are_told_in_bytes_and_in_units(size: int, words: str) -> None:
    assert size_words(size) == words


SENDING = Progress(
    noun="object",
    confirmed=2,
    unanswered=1,
    sending=True,
    sent_as=CT,
    size=525312,
    longest_pdu=16384,
)
WAITING = Progress(noun="object", confirmed=1, unanswered=2)
FIRST_ECHO = Progress(noun="echo", confirmed=0, unanswered=1)
LATER_ECHOES = Progress(noun="echo", confirmed=3, releasing=True)


@pytest.mark.parametrize(
    ("problem", "progress", "words"),
    [
        (
            AssociationAborted(0, 0, by_peer=True),
            SENDING,
            [
                "after 2 objects were confirmed, while object 3 was being sent",
                "525312 bytes (513 KiB)",
                "the peer aborted the association: the program itself (service user)",
                "PDUs of 16384 bytes",
                "--max-send-pdu",
                "send it again",
            ],
        ),
        (
            AssociationAborted(2, 2, by_peer=True),
            WAITING,
            ["after 1 object was confirmed", "answer to 2 objects", "did not expect at this point"],
        ),
        (AssociationAborted(2, 99, by_peer=True), WAITING, ["reason 99"]),
        (AssociationAborted(1, 0, by_peer=True), WAITING, ["source 1"]),
        (AssociationAborted(0, 0, by_peer=False), WAITING, ["this side aborted"]),
        (ConnectionLost("Connection reset"), SENDING, ["Connection reset", "firewall"]),
        (TimeoutExpired("dimse", 5.0), WAITING, ["for 5 s; --dimse-timeout (-td)", "is alive"]),
        (TimeoutExpired("socket", 60.0), SENDING, ["not a byte", "60 s; --socket-timeout (-ts)"]),
        (TimeoutExpired("slow-pdu", 60.0), SENDING, ["1 KiB/s", "no option"]),
        (TimeoutExpired("acse", 30.0), LATER_ECHOES, ["after 3 echoes", "released", "(-ta)"]),
        (AssociationReleased("asked"), FIRST_ECHO, ["before any echo was confirmed", "release"]),
        (
            DimseDecodeError("C-ECHO-RSP", "Status", offset=None, expected="it", found="none"),
            FIRST_ECHO,
            ["could not be understood", "C-ECHO-RSP"],
        ),
        (PeerProtocolError("twice"), WAITING, ["broke the protocol: twice"]),
        (DataSetError("cut short"), WAITING, ["could not be read on (cut short)"]),
    ],
)
def test_requestor_says_how_and_where_an_association_broke(
    problem: Exception, progress: Progress, words: list[str]
) -> None:
    lines = broken(problem, progress, tool=SCU)
    text = as_text(lines)
    for word in words:
        assert word in text
    assert len(lines) <= 6


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (StorageFull("/in", "3 MiB are free"), ["no room", "3 MiB are free", "--min-free"]),
        (StorageError("/in/a", os.strerror(errno.ENOSPC)), ["The disk is full."]),
        (StorageError("/in/a", os.strerror(errno.EDQUOT)), ["quota"]),
        (StorageError("/in/a", os.strerror(errno.EACCES)), ["may not write"]),
        (StorageError("/in/a", os.strerror(errno.EROFS)), ["read-only"]),
        (OSError(errno.EIO, os.strerror(errno.EIO)), ["failing"]),
        (StorageError("/in/a", "no idea"), ["no idea", "That is what this system says"]),
        (DuplicateObject("/in/a", "another"), ["--on-duplicate"]),
        (ObjectMismatch("SOP class UID differs"), ["SOP class UID differs", "must name the same"]),
        (StorageRefused("no StudyInstanceUID"), ["no StudyInstanceUID", "no name or folder"]),
        (DataSetError("cut short"), ["cannot be read, cut short"]),
        (ValueError("odd"), ["odd"]),
    ],
)
def test_acceptor_says_why_an_object_was_refused(problem: Exception, words: list[str]) -> None:
    lines = not_stored(0xA700, problem, peer="PEER", sop_instance="1.2.3")
    text = as_text(lines)
    assert "object 1.2.3 was refused with A700H (PEER)" in text
    for word in words:
        assert word in text
    assert len(lines) <= 6


def test_path_of_this_machine_is_not_told_twice() -> None:
    problem = StorageError("/secret/a", os.strerror(errno.ENOSPC))
    assert "/secret" not in as_text(not_stored(0xA700, problem, peer="P", sop_instance="1.2"))


def test_folder_that_a_patient_gave_its_name_is_not_told() -> None:
    words = "could not create subdirectory for study"
    problem = StorageRefused(f"{words}: /in/DOE_JANE", path="/in/DOE_JANE", comment=words)
    text = as_text(not_stored(0xC000, problem, peer="P", sop_instance="1.2"))
    assert words in text
    assert "DOE" not in text


def test_acceptor_says_which_class_it_does_not_store() -> None:
    assert "does not store" in as_text(not_stored(0x0122, None, peer="P", sop_instance="1.2"))
    assert "no reason is known" in as_text(not_stored(0x0110, None, peer="P", sop_instance="1.2"))


@pytest.mark.parametrize(
    ("field", "words"), [(0x0020, "a query (C-FIND)"), (0x0010, "C-GET"), (0x0140, "0140H")]
)
def test_acceptor_says_what_it_does_not_serve(field: int, words: str) -> None:
    assert words in as_text(not_served(field, peer="P"))


@pytest.mark.parametrize(
    ("problem", "stored", "receiving", "received", "words"),
    [
        (
            AssociationAborted(0, 0, by_peer=True),
            2,
            "1.2.3",
            4096,
            ["PEER: after 2 objects were stored, while object 1.2.3 arrived, 4096 bytes (4 KiB) of",
             "Nothing is kept of that object"],
        ),
        (ConnectionLost("closed by peer"), 0, "", None, ["before any object was stored, the conn"]),
        (TimeoutExpired("socket", 60.0), 1, "", None, ["(-ts)", "does not use, or it is gone"]),
        (TimeoutExpired("dimse", 9.0), 1, "1.2.3", 10, ["(-td)", "Nothing is kept"]),
        (PeerProtocolError("twice"), 1, "", None, ["broke the protocol: twice"]),
    ],
)  # fmt: skip
def test_acceptor_says_how_far_it_had_come(
    problem: Exception, stored: int, receiving: str, received: int | None, words: list[str]
) -> None:
    lines = reception_broken(
        problem, peer="PEER", tool=SCP, stored=stored, receiving=receiving, received=received
    )
    text = as_text(lines)
    for word in words:
        assert word in text
    assert len(lines) <= 6


def test_uid_that_is_none_is_quoted() -> None:
    lines = reception_broken(
        ConnectionLost("x"), peer="P", tool=SCP, stored=0, receiving="1.2\nW: forged"
    )
    assert "'1.2\\nW: forged'" in as_text(lines)

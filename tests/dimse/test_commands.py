"""The message classes and their field tables (PS3.7 9.3, 10.3, annex E)."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from isocenter.dimse import commands
from isocenter.dimse.codec import message_class
from isocenter.dimse.commands import CEchoRQ, CStoreRQ
from tests.dimse.strategies import MESSAGE_CLASSES

# PS3.7 E.1-1, Command Field.
COMMAND_FIELDS = {
    0x0001: "C-STORE-RQ",
    0x8001: "C-STORE-RSP",
    0x0010: "C-GET-RQ",
    0x8010: "C-GET-RSP",
    0x0020: "C-FIND-RQ",
    0x8020: "C-FIND-RSP",
    0x0021: "C-MOVE-RQ",
    0x8021: "C-MOVE-RSP",
    0x0030: "C-ECHO-RQ",
    0x8030: "C-ECHO-RSP",
    0x0100: "N-EVENT-REPORT-RQ",
    0x8100: "N-EVENT-REPORT-RSP",
    0x0110: "N-GET-RQ",
    0x8110: "N-GET-RSP",
    0x0120: "N-SET-RQ",
    0x8120: "N-SET-RSP",
    0x0130: "N-ACTION-RQ",
    0x8130: "N-ACTION-RSP",
    0x0140: "N-CREATE-RQ",
    0x8140: "N-CREATE-RSP",
    0x0150: "N-DELETE-RQ",
    0x8150: "N-DELETE-RSP",
    0x0FFF: "C-CANCEL-RQ",
}

# Tags that PS3.7 tables 9.3-1 to 9.3-14 and 10.3-1 to 10.3-12 list, command group length left
# out; and for responses what annex C lets a status carry.
REQUEST_TAGS = {
    "C-STORE-RQ": {0x0002, 0x0100, 0x0110, 0x0700, 0x0800, 0x1000, 0x1030, 0x1031},
    "C-FIND-RQ": {0x0002, 0x0100, 0x0110, 0x0700, 0x0800},
    "C-GET-RQ": {0x0002, 0x0100, 0x0110, 0x0700, 0x0800},
    "C-MOVE-RQ": {0x0002, 0x0100, 0x0110, 0x0600, 0x0700, 0x0800},
    "C-ECHO-RQ": {0x0002, 0x0100, 0x0110, 0x0800},
    "C-CANCEL-RQ": {0x0100, 0x0120, 0x0800},
    "N-EVENT-REPORT-RQ": {0x0002, 0x0100, 0x0110, 0x0800, 0x1000, 0x1002},
    "N-GET-RQ": {0x0003, 0x0100, 0x0110, 0x0800, 0x1001, 0x1005},
    "N-SET-RQ": {0x0003, 0x0100, 0x0110, 0x0800, 0x1001},
    "N-ACTION-RQ": {0x0003, 0x0100, 0x0110, 0x0800, 0x1001, 0x1008},
    "N-CREATE-RQ": {0x0002, 0x0100, 0x0110, 0x0800, 0x1000},
    "N-DELETE-RQ": {0x0003, 0x0100, 0x0110, 0x0800, 0x1001},
}
RESPONSE_TAGS = {
    "C-STORE-RSP": {0x1000},
    "C-FIND-RSP": set(),
    "C-GET-RSP": {0x1020, 0x1021, 0x1022, 0x1023},
    "C-MOVE-RSP": {0x1020, 0x1021, 0x1022, 0x1023},
    "C-ECHO-RSP": set(),
    "N-EVENT-REPORT-RSP": {0x1000, 0x1002},
    "N-GET-RSP": {0x1000, 0x1005},
    "N-SET-RSP": {0x1000, 0x1005},
    "N-ACTION-RSP": {0x1000, 0x1008},
    "N-CREATE-RSP": {0x1000, 0x1005},
    "N-DELETE-RSP": {0x1000},
}
EVERY_RESPONSE = {0x0002, 0x0100, 0x0120, 0x0800, 0x0900, 0x0901, 0x0902, 0x0903}


def test_every_command_field_of_the_standard_has_its_class() -> None:
    found = {number: message_class(number) for number in range(0x10000)}
    named = {n: kind.message_name for n, kind in found.items() if kind is not None}
    assert named == COMMAND_FIELDS
    assert all(kind.command_field == n for n, kind in found.items() if kind is not None)


@pytest.mark.parametrize("kind", MESSAGE_CLASSES)
def test_table_lists_the_elements_of_the_standard(kind: type[commands.Message]) -> None:
    expected = REQUEST_TAGS.get(kind.message_name)
    if expected is None:
        expected = EVERY_RESPONSE | RESPONSE_TAGS[kind.message_name]
    assert {entry.tag for entry in kind.field_table.fields} == expected


@pytest.mark.parametrize("kind", MESSAGE_CLASSES)
def test_table_and_constructor_name_the_same_fields(kind: type[commands.Message]) -> None:
    # As a plain object: the protocol does not say that its classes are dataclasses.
    plain: object = kind
    assert dataclasses.is_dataclass(plain)
    declared = {entry.name: entry for entry in dataclasses.fields(plain)}
    table = {entry.name: entry for entry in kind.field_table.fields}
    assert declared.keys() - {"extra", "deviations"} == table.keys() - {"command_field"}
    for name, entry in declared.items():
        required = entry.default is dataclasses.MISSING
        if required:
            assert table[name].usage == "M"
        elif name in table and table[name].usage == "M":
            assert name in {"priority", "has_data_set"}
    assert all(entry.kw_only for entry in declared.values())
    assert "__slots__" in vars(kind)


def test_tables_ascend_by_tag() -> None:
    for kind in MESSAGE_CLASSES:
        tags = [entry.tag for entry in kind.field_table.fields]
        assert tags == sorted(tags)


def test_deviations_do_not_make_messages_differ() -> None:
    plain = CEchoRQ(message_id=1, affected_sop_class_uid="1.2")
    tolerated = CEchoRQ(message_id=1, affected_sop_class_uid="1.2", deviations=("no group length",))
    assert plain == tolerated


def test_messages_take_no_unknown_attribute() -> None:
    message = CStoreRQ(message_id=1, affected_sop_class_uid="1", affected_sop_instance_uid="2")
    with pytest.raises(AttributeError):
        setattr(message, "statos", 0)  # noqa: B010 - a checker would refuse the plain form


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="CStoreXX"):
        getattr(commands, "CStoreXX")  # noqa: B009 - as above


@pytest.mark.slow
def test_storage_needs_neither_query_nor_n_messages() -> None:
    code = (
        "import sys, isocenter.dimse.codec, isocenter.dimse.messages, isocenter.dimse.session\n"
        "print(*sorted(m for m in sys.modules if m.startswith('isocenter.dimse.commands')))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=30
    )
    assert run.stdout.split() == ["isocenter.dimse.commands"]

"""The DIMSE-N messages.

Owns one class per DIMSE-N message. As `commands` otherwise, and apart from it because
most associations carry none: the codec loads this module when it meets the first one.
PS3.7 10.3, annex C for what a response may carry beside its status.
"""

from __future__ import annotations

from isocenter.dimse.commands import FieldTable
from isocenter.record import Record

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import ClassVar

    from isocenter.dimse.commands import Extra, Message

__all__ = [
    "MESSAGES",
    "NActionRQ",
    "NActionRSP",
    "NCreateRQ",
    "NCreateRSP",
    "NDeleteRQ",
    "NDeleteRSP",
    "NEventReportRQ",
    "NEventReportRSP",
    "NGetRQ",
    "NGetRSP",
    "NSetRQ",
    "NSetRSP",
]


class NEventReportRQ(Record, frozen=False, uncompared=("deviations",)):
    """N-EVENT-REPORT-RQ (PS3.7 10.3.1.1); its data set, where present, is the event information."""

    command_field: ClassVar[int] = 0x0100
    message_name: ClassVar[str] = "N-EVENT-REPORT-RQ"
    field_table: ClassVar[FieldTable] = FieldTable(
        message_id="M",
        affected_sop_class_uid="M",
        affected_sop_instance_uid="M",
        event_type_id="M",
    )
    message_id: int
    affected_sop_class_uid: str
    affected_sop_instance_uid: str
    event_type_id: int
    has_data_set: bool = False
    extra: Extra = ()
    deviations: tuple[str, ...] = ()


class NEventReportRSP(Record, frozen=False, uncompared=("deviations",)):
    """N-EVENT-REPORT-RSP (PS3.7 10.3.1.2); its data set, where present, is the event reply."""

    command_field: ClassVar[int] = 0x8100
    message_name: ClassVar[str] = "N-EVENT-REPORT-RSP"
    field_table: ClassVar[FieldTable] = FieldTable(
        message_id_being_responded_to="M",
        status="M",
        affected_sop_class_uid="U",
        affected_sop_instance_uid="U",
        event_type_id="C",
        offending_element="C",
        error_comment="C",
        error_id="C",
    )
    message_id_being_responded_to: int
    status: int
    affected_sop_class_uid: str | None = None
    affected_sop_instance_uid: str | None = None
    event_type_id: int | None = None
    offending_element: tuple[int, ...] = ()
    error_comment: str | None = None
    error_id: int | None = None
    has_data_set: bool = False
    extra: Extra = ()
    deviations: tuple[str, ...] = ()


class NGetRQ(Record, frozen=False, uncompared=("deviations",)):
    """N-GET-RQ (PS3.7 10.3.2.1); an empty `attribute_identifier_list` asks for every attribute."""

    command_field: ClassVar[int] = 0x0110
    message_name: ClassVar[str] = "N-GET-RQ"
    field_table: ClassVar[FieldTable] = FieldTable(
        message_id="M",
        requested_sop_class_uid="M",
        requested_sop_instance_uid="M",
        attribute_identifier_list="U",
    )
    message_id: int
    requested_sop_class_uid: str
    requested_sop_instance_uid: str
    attribute_identifier_list: tuple[int, ...] = ()
    has_data_set: bool = False
    extra: Extra = ()
    deviations: tuple[str, ...] = ()


class NGetRSP(Record, frozen=False, uncompared=("deviations",)):
    """N-GET-RSP (PS3.7 10.3.2.2); its data set is the attribute list."""

    command_field: ClassVar[int] = 0x8110
    message_name: ClassVar[str] = "N-GET-RSP"
    field_table: ClassVar[FieldTable] = FieldTable(
        message_id_being_responded_to="M",
        status="M",
        affected_sop_class_uid="U",
        affected_sop_instance_uid="U",
        attribute_identifier_list="C",
        offending_element="C",
        error_comment="C",
        error_id="C",
    )
    message_id_being_responded_to: int
    status: int
    affected_sop_class_uid: str | None = None
    affected_sop_instance_uid: str | None = None
    attribute_identifier_list: tuple[int, ...] = ()
    offending_element: tuple[int, ...] = ()
    error_comment: str | None = None
    error_id: int | None = None
    has_data_set: bool = False
    extra: Extra = ()
    deviations: tuple[str, ...] = ()


class NSetRQ(Record, frozen=False, uncompared=("deviations",)):
    """N-SET-RQ (PS3.7 10.3.3.1); its data set is the modification list."""

    command_field: ClassVar[int] = 0x0120
    message_name: ClassVar[str] = "N-SET-RQ"
    field_table: ClassVar[FieldTable] = FieldTable(
        message_id="M",
        requested_sop_class_uid="M",
        requested_sop_instance_uid="M",
    )
    message_id: int
    requested_sop_class_uid: str
    requested_sop_instance_uid: str
    has_data_set: bool = True
    extra: Extra = ()
    deviations: tuple[str, ...] = ()


class NSetRSP(Record, frozen=False, uncompared=("deviations",)):
    """N-SET-RSP (PS3.7 10.3.3.2); its data set, where present, is the attribute list."""

    command_field: ClassVar[int] = 0x8120
    message_name: ClassVar[str] = "N-SET-RSP"
    field_table: ClassVar[FieldTable] = FieldTable(
        message_id_being_responded_to="M",
        status="M",
        affected_sop_class_uid="U",
        affected_sop_instance_uid="U",
        attribute_identifier_list="C",
        offending_element="C",
        error_comment="C",
        error_id="C",
    )
    message_id_being_responded_to: int
    status: int
    affected_sop_class_uid: str | None = None
    affected_sop_instance_uid: str | None = None
    attribute_identifier_list: tuple[int, ...] = ()
    offending_element: tuple[int, ...] = ()
    error_comment: str | None = None
    error_id: int | None = None
    has_data_set: bool = False
    extra: Extra = ()
    deviations: tuple[str, ...] = ()


class NActionRQ(Record, frozen=False, uncompared=("deviations",)):
    """N-ACTION-RQ (PS3.7 10.3.4.1); its data set, where present, is the action information."""

    command_field: ClassVar[int] = 0x0130
    message_name: ClassVar[str] = "N-ACTION-RQ"
    field_table: ClassVar[FieldTable] = FieldTable(
        message_id="M",
        requested_sop_class_uid="M",
        requested_sop_instance_uid="M",
        action_type_id="M",
    )
    message_id: int
    requested_sop_class_uid: str
    requested_sop_instance_uid: str
    action_type_id: int
    has_data_set: bool = False
    extra: Extra = ()
    deviations: tuple[str, ...] = ()


class NActionRSP(Record, frozen=False, uncompared=("deviations",)):
    """N-ACTION-RSP (PS3.7 10.3.4.2); its data set, where present, is the action reply."""

    command_field: ClassVar[int] = 0x8130
    message_name: ClassVar[str] = "N-ACTION-RSP"
    field_table: ClassVar[FieldTable] = FieldTable(
        message_id_being_responded_to="M",
        status="M",
        affected_sop_class_uid="U",
        affected_sop_instance_uid="U",
        action_type_id="C",
        offending_element="C",
        error_comment="C",
        error_id="C",
    )
    message_id_being_responded_to: int
    status: int
    affected_sop_class_uid: str | None = None
    affected_sop_instance_uid: str | None = None
    action_type_id: int | None = None
    offending_element: tuple[int, ...] = ()
    error_comment: str | None = None
    error_id: int | None = None
    has_data_set: bool = False
    extra: Extra = ()
    deviations: tuple[str, ...] = ()


class NCreateRQ(Record, frozen=False, uncompared=("deviations",)):
    """N-CREATE-RQ (PS3.7 10.3.5.1); its data set, where present, is the attribute list."""

    command_field: ClassVar[int] = 0x0140
    message_name: ClassVar[str] = "N-CREATE-RQ"
    field_table: ClassVar[FieldTable] = FieldTable(
        message_id="M",
        affected_sop_class_uid="M",
        affected_sop_instance_uid="U",
    )
    message_id: int
    affected_sop_class_uid: str
    affected_sop_instance_uid: str | None = None
    has_data_set: bool = False
    extra: Extra = ()
    deviations: tuple[str, ...] = ()


class NCreateRSP(Record, frozen=False, uncompared=("deviations",)):
    """N-CREATE-RSP (PS3.7 10.3.5.2); its data set, where present, is the attribute list."""

    command_field: ClassVar[int] = 0x8140
    message_name: ClassVar[str] = "N-CREATE-RSP"
    field_table: ClassVar[FieldTable] = FieldTable(
        message_id_being_responded_to="M",
        status="M",
        affected_sop_class_uid="U",
        affected_sop_instance_uid="U",
        attribute_identifier_list="C",
        offending_element="C",
        error_comment="C",
        error_id="C",
    )
    message_id_being_responded_to: int
    status: int
    affected_sop_class_uid: str | None = None
    affected_sop_instance_uid: str | None = None
    attribute_identifier_list: tuple[int, ...] = ()
    offending_element: tuple[int, ...] = ()
    error_comment: str | None = None
    error_id: int | None = None
    has_data_set: bool = False
    extra: Extra = ()
    deviations: tuple[str, ...] = ()


class NDeleteRQ(Record, frozen=False, uncompared=("deviations",)):
    """N-DELETE-RQ (PS3.7 10.3.6.1)."""

    command_field: ClassVar[int] = 0x0150
    message_name: ClassVar[str] = "N-DELETE-RQ"
    field_table: ClassVar[FieldTable] = FieldTable(
        message_id="M",
        requested_sop_class_uid="M",
        requested_sop_instance_uid="M",
    )
    message_id: int
    requested_sop_class_uid: str
    requested_sop_instance_uid: str
    has_data_set: bool = False
    extra: Extra = ()
    deviations: tuple[str, ...] = ()


class NDeleteRSP(Record, frozen=False, uncompared=("deviations",)):
    """N-DELETE-RSP (PS3.7 10.3.6.2)."""

    command_field: ClassVar[int] = 0x8150
    message_name: ClassVar[str] = "N-DELETE-RSP"
    field_table: ClassVar[FieldTable] = FieldTable(
        message_id_being_responded_to="M",
        status="M",
        affected_sop_class_uid="U",
        affected_sop_instance_uid="U",
        offending_element="C",
        error_comment="C",
        error_id="C",
    )
    message_id_being_responded_to: int
    status: int
    affected_sop_class_uid: str | None = None
    affected_sop_instance_uid: str | None = None
    offending_element: tuple[int, ...] = ()
    error_comment: str | None = None
    error_id: int | None = None
    has_data_set: bool = False
    extra: Extra = ()
    deviations: tuple[str, ...] = ()


MESSAGES: Mapping[int, type[Message]] = {
    0x0100: NEventReportRQ,
    0x8100: NEventReportRSP,
    0x0110: NGetRQ,
    0x8110: NGetRSP,
    0x0120: NSetRQ,
    0x8120: NSetRSP,
    0x0130: NActionRQ,
    0x8130: NActionRSP,
    0x0140: NCreateRQ,
    0x8140: NCreateRSP,
    0x0150: NDeleteRQ,
    0x8150: NDeleteRSP,
}
"""Command field to class, DIMSE-N (PS3.7 E.1)."""

"""The messages of C-FIND, C-GET, C-MOVE and C-CANCEL.

Owns one class per message; `isocenter.dimse.commands` re-exports them lazily and says
what their fields have in common. PS3.7 9.3.2 to 9.3.4.
"""

from __future__ import annotations

from isocenter.dimse.commands import CEchoRSP, FieldTable
from isocenter.record import Record

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import ClassVar

    from isocenter.dimse.commands import Extra, Message

__all__ = [
    "MESSAGES",
    "CCancelRQ",
    "CFindRQ",
    "CFindRSP",
    "CGetRQ",
    "CGetRSP",
    "CMoveRQ",
    "CMoveRSP",
]


class CFindRQ(Record, frozen=False, uncompared=("deviations",)):
    """C-FIND-RQ (PS3.7 9.3.2.1); its data set is the identifier."""

    command_field: ClassVar[int] = 0x0020
    message_name: ClassVar[str] = "C-FIND-RQ"
    field_table: ClassVar[FieldTable] = FieldTable(
        affected_sop_class_uid="M", message_id="M", priority="M"
    )
    message_id: int
    affected_sop_class_uid: str
    priority: int = 0
    has_data_set: bool = True
    extra: Extra = ()
    deviations: tuple[str, ...] = ()


class CFindRSP(Record, frozen=False, uncompared=("deviations",)):
    """C-FIND-RSP (PS3.7 9.3.2.2); pending ones carry a data set, the match."""

    command_field: ClassVar[int] = 0x8020
    message_name: ClassVar[str] = "C-FIND-RSP"
    field_table: ClassVar[FieldTable] = CEchoRSP.field_table
    message_id_being_responded_to: int
    status: int
    affected_sop_class_uid: str | None = None
    offending_element: tuple[int, ...] = ()
    error_comment: str | None = None
    error_id: int | None = None
    has_data_set: bool = False
    extra: Extra = ()
    deviations: tuple[str, ...] = ()


class CGetRQ(Record, frozen=False, uncompared=("deviations",)):
    """C-GET-RQ (PS3.7 9.3.3.1); its data set is the identifier."""

    command_field: ClassVar[int] = 0x0010
    message_name: ClassVar[str] = "C-GET-RQ"
    field_table: ClassVar[FieldTable] = FieldTable(
        affected_sop_class_uid="M", message_id="M", priority="M"
    )
    message_id: int
    affected_sop_class_uid: str
    priority: int = 0
    has_data_set: bool = True
    extra: Extra = ()
    deviations: tuple[str, ...] = ()


class CGetRSP(Record, frozen=False, uncompared=("deviations",)):
    """C-GET-RSP (PS3.7 9.3.3.2); the counts are of sub-operations."""

    command_field: ClassVar[int] = 0x8010
    message_name: ClassVar[str] = "C-GET-RSP"
    field_table: ClassVar[FieldTable] = FieldTable(
        affected_sop_class_uid="U",
        message_id_being_responded_to="M",
        status="M",
        offending_element="C",
        error_comment="C",
        error_id="C",
        number_of_remaining_sub_operations="C",
        number_of_completed_sub_operations="C",
        number_of_failed_sub_operations="C",
        number_of_warning_sub_operations="C",
    )
    message_id_being_responded_to: int
    status: int
    affected_sop_class_uid: str | None = None
    offending_element: tuple[int, ...] = ()
    error_comment: str | None = None
    error_id: int | None = None
    number_of_remaining_sub_operations: int | None = None
    number_of_completed_sub_operations: int | None = None
    number_of_failed_sub_operations: int | None = None
    number_of_warning_sub_operations: int | None = None
    has_data_set: bool = False
    extra: Extra = ()
    deviations: tuple[str, ...] = ()


class CMoveRQ(Record, frozen=False, uncompared=("deviations",)):
    """C-MOVE-RQ (PS3.7 9.3.4.1); `move_destination` is an AE title."""

    command_field: ClassVar[int] = 0x0021
    message_name: ClassVar[str] = "C-MOVE-RQ"
    field_table: ClassVar[FieldTable] = FieldTable(
        affected_sop_class_uid="M", message_id="M", priority="M", move_destination="M"
    )
    message_id: int
    affected_sop_class_uid: str
    move_destination: str
    priority: int = 0
    has_data_set: bool = True
    extra: Extra = ()
    deviations: tuple[str, ...] = ()


class CMoveRSP(Record, frozen=False, uncompared=("deviations",)):
    """C-MOVE-RSP (PS3.7 9.3.4.2); the counts are of sub-operations."""

    command_field: ClassVar[int] = 0x8021
    message_name: ClassVar[str] = "C-MOVE-RSP"
    field_table: ClassVar[FieldTable] = CGetRSP.field_table
    message_id_being_responded_to: int
    status: int
    affected_sop_class_uid: str | None = None
    offending_element: tuple[int, ...] = ()
    error_comment: str | None = None
    error_id: int | None = None
    number_of_remaining_sub_operations: int | None = None
    number_of_completed_sub_operations: int | None = None
    number_of_failed_sub_operations: int | None = None
    number_of_warning_sub_operations: int | None = None
    has_data_set: bool = False
    extra: Extra = ()
    deviations: tuple[str, ...] = ()


class CCancelRQ(Record, frozen=False, uncompared=("deviations",)):
    """C-CANCEL-RQ of C-FIND, C-GET or C-MOVE (PS3.7 9.3.2.3, 9.3.3.3, 9.3.4.3).

    It has no message id of its own and no response.
    """

    command_field: ClassVar[int] = 0x0FFF
    message_name: ClassVar[str] = "C-CANCEL-RQ"
    field_table: ClassVar[FieldTable] = FieldTable(message_id_being_responded_to="M")
    message_id_being_responded_to: int
    has_data_set: bool = False
    extra: Extra = ()
    deviations: tuple[str, ...] = ()


MESSAGES: Mapping[int, type[Message]] = {
    0x0010: CGetRQ,
    0x8010: CGetRSP,
    0x0020: CFindRQ,
    0x8020: CFindRSP,
    0x0021: CMoveRQ,
    0x8021: CMoveRSP,
    0x0FFF: CCancelRQ,
}
"""Command field to class (PS3.7 E.1)."""

"""The DIMSE-C messages and the field tables that describe their command sets.

Owns one class per DIMSE-C message, the elements of group 0000 and the `Message`,
`Request` and `Response` protocols. Knows nothing of bytes (`codec`), order (`messages`)
or outstanding operations (`session`). PS3.7 9.3, annex E.

C-ECHO and C-STORE are defined here. C-FIND, C-GET, C-MOVE and C-CANCEL live in
`commands_query` and are loaded when first named here (PEP 562), because the tools that
send and receive need none of them. The DIMSE-N messages are in `commands_n`, loaded when
the codec meets one.

A field is named as the standard's element in snake_case. UIDs and AE titles are text
without padding. None, and the empty tuple, mean that an optional element is absent.
Every message has besides:

    has_data_set: a data set follows (Command Data Set Type (0000,0800) is not 0101H).
    extra: (tag, value) of elements of group 0000 that the message's table does not name,
        in ascending order of tag; encoded again as they are.
    deviations: what was tolerated while decoding, in words, for one line in a log.

The two C-STORE messages have their constructors written out, because one of each is made
for every object.
"""

from __future__ import annotations

from enum import IntEnum

from isocenter.record import NamedTuple, Record

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import ClassVar, Protocol, TypeAlias

    from isocenter.dimse.commands_query import (
        CCancelRQ,
        CFindRQ,
        CFindRSP,
        CGetRQ,
        CGetRSP,
        CMoveRQ,
        CMoveRSP,
    )
else:
    Protocol = object

__all__ = [
    "ELEMENTS",
    "MESSAGES",
    "CCancelRQ",
    "CEchoRQ",
    "CEchoRSP",
    "CFindRQ",
    "CFindRSP",
    "CGetRQ",
    "CGetRSP",
    "CMoveRQ",
    "CMoveRSP",
    "CStoreRQ",
    "CStoreRSP",
    "Field",
    "FieldTable",
    "Message",
    "Priority",
    "Request",
    "Response",
]

Extra: TypeAlias = tuple[tuple[int, bytes], ...]


class Priority(IntEnum):
    """Priority (0000,0700) (PS3.7 9.3.1.1); another number from a peer stays a plain int."""

    MEDIUM = 0
    HIGH = 1
    LOW = 2


class Field(NamedTuple):
    """One element of a message's command set (PS3.7 9.3, 10.3).

    Fields: `name` attribute of the message class; `tag` 0000eeee; `vr` one of AE, AT, LO, UI,
    US; `keyword` as in PS3.6; `usage` M mandatory, U at the user's choice, C conditional.
    """

    name: str
    tag: int
    vr: str
    keyword: str
    usage: str


ELEMENTS: Mapping[str, tuple[int, str, str]] = {
    "affected_sop_class_uid": (0x0002, "UI", "AffectedSOPClassUID"),
    "requested_sop_class_uid": (0x0003, "UI", "RequestedSOPClassUID"),
    "command_field": (0x0100, "US", "CommandField"),
    "message_id": (0x0110, "US", "MessageID"),
    "message_id_being_responded_to": (0x0120, "US", "MessageIDBeingRespondedTo"),
    "move_destination": (0x0600, "AE", "MoveDestination"),
    "priority": (0x0700, "US", "Priority"),
    "has_data_set": (0x0800, "US", "CommandDataSetType"),
    "status": (0x0900, "US", "Status"),
    "offending_element": (0x0901, "AT", "OffendingElement"),
    "error_comment": (0x0902, "LO", "ErrorComment"),
    "error_id": (0x0903, "US", "ErrorID"),
    "affected_sop_instance_uid": (0x1000, "UI", "AffectedSOPInstanceUID"),
    "requested_sop_instance_uid": (0x1001, "UI", "RequestedSOPInstanceUID"),
    "event_type_id": (0x1002, "US", "EventTypeID"),
    "attribute_identifier_list": (0x1005, "AT", "AttributeIdentifierList"),
    "action_type_id": (0x1008, "US", "ActionTypeID"),
    "number_of_remaining_sub_operations": (0x1020, "US", "NumberOfRemainingSuboperations"),
    "number_of_completed_sub_operations": (0x1021, "US", "NumberOfCompletedSuboperations"),
    "number_of_failed_sub_operations": (0x1022, "US", "NumberOfFailedSuboperations"),
    "number_of_warning_sub_operations": (0x1023, "US", "NumberOfWarningSuboperations"),
    "move_originator_application_entity_title": (
        0x1030,
        "AE",
        "MoveOriginatorApplicationEntityTitle",
    ),
    "move_originator_message_id": (0x1031, "US", "MoveOriginatorMessageID"),
}
"""Field name to (element number in group 0000, VR, keyword) (PS3.7 E.1).

Command Group Length (0000,0000) is not here: it is computed, never a field."""


class FieldTable:
    """The command set of one message, in the order of encoding.

    Args:
        usages: field name to M, U or C. Command Field and Command Data Set Type are in every
            command set and added here.

    Attributes:
        fields: ascending by tag.
        by_tag: the same by tag.
        mandatory: names of the fields that must be there, without `command_field`.
    """

    __slots__ = ("by_tag", "fields", "mandatory")

    def __init__(self, **usages: str) -> None:
        """Look the elements up and sort them."""
        usages["command_field"] = usages["has_data_set"] = "M"
        self.fields: tuple[Field, ...] = tuple(
            sorted(
                (Field(name, *ELEMENTS[name], usage) for name, usage in usages.items()),
                key=_tag_of,
            )
        )
        self.by_tag: Mapping[int, Field] = {entry.tag: entry for entry in self.fields}
        self.mandatory = frozenset(
            entry.name
            for entry in self.fields
            if entry.usage == "M" and entry.name != "command_field"
        )


def _tag_of(entry: Field) -> int:
    return entry.tag


class Message(Protocol):
    """What every DIMSE message has (PS3.7 6.3.1).

    Attributes:
        command_field: value of Command Field (0000,0100) of this class.
        message_name: the standard's name, such as ``C-STORE-RQ``.
        field_table: the elements of its command set.
        has_data_set, extra, deviations: see the module.
    """

    command_field: ClassVar[int]
    message_name: ClassVar[str]
    field_table: ClassVar[FieldTable]
    has_data_set: bool
    extra: Extra
    deviations: tuple[str, ...]


class Request(Message, Protocol):
    """A message that asks for an operation or notifies; `message_id` is 0..65535."""

    message_id: int


class Response(Message, Protocol):
    """A message that answers; `status` is 0..0xFFFF (PS3.7 annex C)."""

    message_id_being_responded_to: int
    status: int
    offending_element: tuple[int, ...]
    error_comment: str | None


class CEchoRQ(Record, frozen=False, uncompared=("deviations",)):
    """C-ECHO-RQ (PS3.7 9.3.5.1)."""

    command_field: ClassVar[int] = 0x0030
    message_name: ClassVar[str] = "C-ECHO-RQ"
    field_table: ClassVar[FieldTable] = FieldTable(affected_sop_class_uid="M", message_id="M")
    message_id: int
    affected_sop_class_uid: str
    has_data_set: bool = False
    extra: Extra = ()
    deviations: tuple[str, ...] = ()


class CEchoRSP(Record, frozen=False, uncompared=("deviations",)):
    """C-ECHO-RSP (PS3.7 9.3.5.2)."""

    command_field: ClassVar[int] = 0x8030
    message_name: ClassVar[str] = "C-ECHO-RSP"
    field_table: ClassVar[FieldTable] = FieldTable(
        affected_sop_class_uid="U",
        message_id_being_responded_to="M",
        status="M",
        offending_element="C",
        error_comment="C",
        error_id="C",
    )
    message_id_being_responded_to: int
    status: int
    affected_sop_class_uid: str | None = None
    offending_element: tuple[int, ...] = ()
    error_comment: str | None = None
    error_id: int | None = None
    has_data_set: bool = False
    extra: Extra = ()
    deviations: tuple[str, ...] = ()


class CStoreRQ(Record, frozen=False, uncompared=("deviations",)):
    """C-STORE-RQ (PS3.7 9.3.1.1). The move originator is that of the C-MOVE behind it."""

    command_field: ClassVar[int] = 0x0001
    message_name: ClassVar[str] = "C-STORE-RQ"
    field_table: ClassVar[FieldTable] = FieldTable(
        affected_sop_class_uid="M",
        message_id="M",
        priority="M",
        affected_sop_instance_uid="M",
        move_originator_application_entity_title="U",
        move_originator_message_id="U",
    )
    message_id: int
    affected_sop_class_uid: str
    affected_sop_instance_uid: str
    priority: int = 0
    move_originator_application_entity_title: str | None = None
    move_originator_message_id: int | None = None
    has_data_set: bool = True
    extra: Extra = ()
    deviations: tuple[str, ...] = ()

    def __init__(
        self,
        *,
        message_id: int,
        affected_sop_class_uid: str,
        affected_sop_instance_uid: str,
        priority: int = 0,
        move_originator_application_entity_title: str | None = None,
        move_originator_message_id: int | None = None,
        has_data_set: bool = True,
        extra: Extra = (),
        deviations: tuple[str, ...] = (),
    ) -> None:
        """Set the fields."""
        self.message_id = message_id
        self.affected_sop_class_uid = affected_sop_class_uid
        self.affected_sop_instance_uid = affected_sop_instance_uid
        self.priority = priority
        self.move_originator_application_entity_title = move_originator_application_entity_title
        self.move_originator_message_id = move_originator_message_id
        self.has_data_set = has_data_set
        self.extra = extra
        self.deviations = deviations


class CStoreRSP(Record, frozen=False, uncompared=("deviations",)):
    """C-STORE-RSP (PS3.7 9.3.1.2, annex C)."""

    command_field: ClassVar[int] = 0x8001
    message_name: ClassVar[str] = "C-STORE-RSP"
    field_table: ClassVar[FieldTable] = FieldTable(
        affected_sop_class_uid="U",
        message_id_being_responded_to="M",
        status="M",
        offending_element="C",
        error_comment="C",
        error_id="C",
        affected_sop_instance_uid="U",
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

    def __init__(
        self,
        *,
        message_id_being_responded_to: int,
        status: int,
        affected_sop_class_uid: str | None = None,
        affected_sop_instance_uid: str | None = None,
        offending_element: tuple[int, ...] = (),
        error_comment: str | None = None,
        error_id: int | None = None,
        has_data_set: bool = False,
        extra: Extra = (),
        deviations: tuple[str, ...] = (),
    ) -> None:
        """Set the fields."""
        self.message_id_being_responded_to = message_id_being_responded_to
        self.status = status
        self.affected_sop_class_uid = affected_sop_class_uid
        self.affected_sop_instance_uid = affected_sop_instance_uid
        self.offending_element = offending_element
        self.error_comment = error_comment
        self.error_id = error_id
        self.has_data_set = has_data_set
        self.extra = extra
        self.deviations = deviations


MESSAGES: Mapping[int, type[Message]] = {
    0x0001: CStoreRQ,
    0x8001: CStoreRSP,
    0x0030: CEchoRQ,
    0x8030: CEchoRSP,
}
"""Command field to class, of those defined here; `codec.message_class` knows all (PS3.7 E.1)."""


if not TYPE_CHECKING:  # a type checker takes the names from the import above

    def __getattr__(name: str) -> object:
        """Load a message of `commands_query` (PEP 562).

        Raises:
            AttributeError: there is no such message.
        """
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from isocenter.dimse import commands_query

        value: object = getattr(commands_query, name)
        globals()[name] = value
        return value

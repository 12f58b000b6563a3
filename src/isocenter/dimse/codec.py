"""Command sets to bytes and back: Implicit VR Little Endian, flat (PS3.7 6.3.1).

Owns the byte layout of group 0000, its limits, and the list of what is tolerated from a
peer. Which elements a message has is in `commands`; this module must not know sessions,
contexts or PDUs.

Sent strictly: group length first, tags ascending, UIDs padded with NUL and text with a
space to even length, absent elements omitted. Tolerated on receipt, and listed in the
message's `deviations`: a missing or wrong group length, elements out of order, values of
odd length. Tolerated silently: any padding, elements of group 0000 that the message does
not define (kept in `extra`), an optional element without a value (taken as absent).
Everything else is a `DimseDecodeError`.
"""

from __future__ import annotations

import struct

from isocenter import aetitle
from isocenter.dimse import commands
from isocenter.dimse.commands import CStoreRQ, CStoreRSP
from isocenter.errors import DimseDecodeError
from isocenter.limits import DEFAULTS
from isocenter.record import Record

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final, Protocol, cast

    from isocenter.dimse.commands import Field, Message
    from isocenter.limits import Limits
    from isocenter.wire import Buffer

    class _Constructor(Protocol):  # noqa: PYI046 - used by name, in the `cast`
        def __call__(self, **arguments: object) -> Message: ...

else:

    def cast(_kind: str, value: object) -> object:
        """Return the value: what `typing.cast` says is for type checkers."""
        return value


__all__ = [
    "DEFAULT_LIMITS",
    "NO_DATA_SET",
    "CommandLimits",
    "decode_command",
    "encode_command",
    "message_class",
]

NO_DATA_SET: Final = 0x0101
"""Command Data Set Type (0000,0800) of a message without a data set; any other has one."""

_DATA_SET: Final = 0x0001
"""What we send where a data set follows, as DCMTK and pynetdicom do."""

_ERROR_COMMENT_LENGTH: Final = 64
"""Characters in an LO value (PS3.5 6.2)."""

_COMMAND_FIELD: Final = 0x0100
_DATA_SET_TYPE: Final = 0x0800
_GROUP_LENGTH_SIZE: Final = 12


class CommandLimits(Record):
    """Bounds on what a peer's command set may cost, inclusive; see `isocenter.limits`.

    Fields:
        maximum_command_set_length: bytes.
        maximum_elements: elements.
    """

    maximum_command_set_length: int = DEFAULTS.maximum_command_set_length
    maximum_elements: int = DEFAULTS.maximum_command_elements

    @classmethod
    def of(cls, limits: Limits) -> CommandLimits:
        """Return those of a command set."""
        return cls(
            maximum_command_set_length=limits.maximum_command_set_length,
            maximum_elements=limits.maximum_command_elements,
        )


DEFAULT_LIMITS: Final = CommandLimits()
"""The limits of `decode_command` and `MessageAssembler` unless told otherwise."""


def message_class(command_field: int) -> type[Message] | None:
    """Return the class of a Command Field (0000,0100), None for one PS3.7 E.1 does not list."""
    found = commands.MESSAGES.get(command_field)
    if found is None:
        if command_field & 0x7F00 == 0x0100:
            from isocenter.dimse import commands_n

            return commands_n.MESSAGES.get(command_field)
        from isocenter.dimse import commands_query

        return commands_query.MESSAGES.get(command_field)
    return found


# --- encoding -------------------------------------------------------------------------------

_HEADER = struct.Struct("<II")
_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")
_AT = struct.Struct("<HH")


def _even(value: bytes, padding: bytes) -> bytes:
    return value + padding if len(value) & 1 else value


def _uid(value: str) -> bytes:
    return _even(value.encode("ascii"), b"\0")


def _unsigned(value: int) -> bytes:
    return value.to_bytes(2, "little")


def _tags(value: tuple[int, ...]) -> bytes:
    return b"".join(_AT.pack(tag >> 16, tag & 0xFFFF) for tag in value)


def _title(value: str) -> bytes:
    text = aetitle.normalise(value).encode("latin-1")[: aetitle.AE_TITLE_LENGTH]
    return _even(text, b" ")


def _comment(value: str) -> bytes:
    # LO has no control characters and no backslash, and a command set only the default
    # character repertoire (PS3.5 6.2, PS3.7 6.3.1): better a poor text than an invalid one.
    printable = "".join(c if c.isprintable() and c != "\\" else " " for c in value)
    text = printable.strip().encode("ascii", "replace")[:_ERROR_COMMENT_LENGTH].rstrip()
    return _even(text, b" ")


def _encode_value(field: Field, value: object) -> bytes:
    if isinstance(value, int):
        if field.name == "has_data_set":
            return _unsigned(_DATA_SET if value else NO_DATA_SET)
        if field.vr == "US":
            return _unsigned(value)
    elif isinstance(value, str):
        if field.vr == "UI":
            return _uid(value)
        if field.vr == "AE":
            return _title(value)
        if field.vr == "LO":
            return _comment(value)
    elif isinstance(value, tuple) and field.vr == "AT":
        return _tags(value)
    raise TypeError(f"{field.keyword}: {type(value).__name__} is no {field.vr}")


def _encode_extra(message: Message) -> list[tuple[int, bytes]]:
    known = message.field_table.by_tag
    for tag, _ in message.extra:
        if not 0 < tag <= 0xFFFF or tag in known:
            raise ValueError(f"extra element {tag:08X} is not an unknown one of group 0000")
    return [(tag, _even(value, b"\0")) for tag, value in message.extra]


def _encode_any(message: Message) -> bytes:
    """Encode from the field table."""
    elements = _encode_extra(message) if message.extra else []
    for field in message.field_table.fields:
        value: object = getattr(message, field.name)
        encoded = b""
        if value is not None:
            try:
                encoded = _encode_value(field, value)
            except (OverflowError, struct.error, UnicodeEncodeError) as problem:
                raise ValueError(f"{message.message_name}: {field.keyword}: {problem}") from problem
        if encoded:
            elements.append((field.tag, encoded))
        elif field.usage == "M":
            raise ValueError(f"{message.message_name}: {field.keyword} is mandatory")
    if message.extra:
        elements.sort()
    pack = _HEADER.pack
    body = b"".join([pack(tag << 16, len(value)) + value for tag, value in elements])
    return pack(0, 4) + _U32.pack(len(body)) + body


# The two messages of a storage run have their layouts spelled out: what is constant between
# two values packs as one. bench/micro/dimse_codec.py shows the gain over `_encode_any`.


def _element(tag: int, length: int) -> bytes:
    return _HEADER.pack(tag << 16, length)


_HEAD = struct.Struct("<8sI4sI")  # group length, header of Affected SOP Class UID
_RQ_MIDDLE = struct.Struct("<18sH8sH8sH4sI")  # field, id, priority, type, header of the UID
_RSP_MIDDLE = struct.Struct("<18sH18sH4sI")  # field, id, type, status, header of the UID
_FIXED_LENGTH = 56  # bytes after the group length that are no UID: two headers, four US
_GROUP_LENGTH = _element(0x0000, 4)
_CLASS_TAG = _element(0x0002, 0)[:4]
_INSTANCE_TAG = _element(0x1000, 0)[:4]
_RQ_TO_ID = _element(0x0100, 2) + _U16.pack(0x0001) + _element(0x0110, 2)
_RSP_TO_ID = _element(0x0100, 2) + _U16.pack(0x8001) + _element(0x0120, 2)
_TO_PRIORITY = _element(0x0700, 2)
_TO_TYPE = _element(0x0800, 2)
_TO_STATUS = _TO_TYPE + _U16.pack(NO_DATA_SET) + _element(0x0900, 2)


def _encode_store_rq(message: CStoreRQ) -> bytes:
    """Encode a C-STORE-RQ that has neither move originator nor extra elements."""
    sop_class = message.affected_sop_class_uid.encode("ascii")
    if len(sop_class) & 1:
        sop_class += b"\0"
    instance = message.affected_sop_instance_uid.encode("ascii")
    if len(instance) & 1:
        instance += b"\0"
    class_length = len(sop_class)
    instance_length = len(instance)
    return (
        _HEAD.pack(
            _GROUP_LENGTH, _FIXED_LENGTH + class_length + instance_length, _CLASS_TAG, class_length
        )
        + sop_class
        + _RQ_MIDDLE.pack(
            _RQ_TO_ID,
            message.message_id,
            _TO_PRIORITY,
            message.priority,
            _TO_TYPE,
            _DATA_SET if message.has_data_set else NO_DATA_SET,
            _INSTANCE_TAG,
            instance_length,
        )
        + instance
    )


def _encode_store_rsp(message: CStoreRSP, class_uid: str, instance_uid: str) -> bytes:
    """Encode a C-STORE-RSP that has both UIDs and nothing beside its status."""
    sop_class = class_uid.encode("ascii")
    if len(sop_class) & 1:
        sop_class += b"\0"
    instance = instance_uid.encode("ascii")
    if len(instance) & 1:
        instance += b"\0"
    class_length = len(sop_class)
    instance_length = len(instance)
    return (
        _HEAD.pack(
            _GROUP_LENGTH, _FIXED_LENGTH + class_length + instance_length, _CLASS_TAG, class_length
        )
        + sop_class
        + _RSP_MIDDLE.pack(
            _RSP_TO_ID,
            message.message_id_being_responded_to,
            _TO_STATUS,
            message.status,
            _INSTANCE_TAG,
            instance_length,
        )
        + instance
    )


def encode_command(message: Message) -> bytes:
    """Return the command set of `message`.

    The Command Group Length is computed, Error Comment is cut to 64 characters and an AE title
    to 16, and characters that a command set cannot carry are replaced in the comment.

    Raises:
        ValueError: a mandatory field is empty, a number is not 0..65535, a UID or AE title has
            characters outside its repertoire, or `extra` names a tag it may not.
        TypeError: a field has a value of the wrong type.

    PS3.7 6.3.1, 9.3, 10.3.
    """
    try:
        if type(message) is CStoreRQ:
            if (
                message.affected_sop_class_uid
                and message.affected_sop_instance_uid
                and message.move_originator_application_entity_title is None
                and message.move_originator_message_id is None
                and not message.extra
            ):
                return _encode_store_rq(message)
        elif type(message) is CStoreRSP and (
            message.affected_sop_class_uid
            and message.affected_sop_instance_uid
            and message.error_comment is None
            and not message.offending_element
            and message.error_id is None
            and not message.has_data_set
            and not message.extra
        ):
            return _encode_store_rsp(
                message, message.affected_sop_class_uid, message.affected_sop_instance_uid
            )
    except (struct.error, UnicodeEncodeError, AttributeError):
        pass  # the general way below names the field at fault
    return _encode_any(message)


# --- decoding -------------------------------------------------------------------------------


def _utf8_or_latin1(value: bytes) -> str:
    # Only the default repertoire is allowed, and peers send comments in their own language.
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _decode_uid(value: bytes) -> str:
    return value.rstrip(b"\0 ").decode("ascii").lstrip(" ")


def _decode_unsigned(value: bytes) -> int:
    if len(value) != 2:
        raise ValueError(f"{len(value)} bytes")
    return value[0] | value[1] << 8


def _decode_tags(value: bytes) -> tuple[int, ...]:
    if len(value) & 3:
        raise ValueError(f"{len(value)} bytes")
    return tuple(group << 16 | element for group, element in _AT.iter_unpack(value))


def _decode_title(value: bytes) -> str:
    return aetitle.normalise(value.decode("latin-1"))


def _decode_text(value: bytes) -> str:
    return _utf8_or_latin1(value).strip(" \0")


_DECODERS: Mapping[str, Callable[[bytes], str | int | tuple[int, ...]]] = {
    "AE": _decode_title,
    "AT": _decode_tags,
    "LO": _decode_text,
    "UI": _decode_uid,
    "US": _decode_unsigned,
}
_EXPECTED: Mapping[str, str] = {
    "AT": "a multiple of 4 bytes",
    "UI": "a UID in ASCII",
    "US": "2 bytes",
}


def decode_command(data: Buffer, limits: CommandLimits = DEFAULT_LIMITS) -> Message:
    """Return the message whose command set is `data`.

    Args:
        data: the whole command set, from all its fragments; copied, not kept.
        limits: bounds on its length and number of elements.

    Raises:
        DimseDecodeError: with the offset of the element at fault: not a command set, an
            unknown message, a mandatory element missing, a value that is none, a limit passed.

    PS3.7 6.3.1, 9.3, 10.3.
    """
    size = len(data)
    if size > limits.maximum_command_set_length:
        raise _error(
            "command set length", 0, f"at most {limits.maximum_command_set_length} bytes", str(size)
        )
    raw = bytes(data)
    if limits.maximum_elements >= _STORE_ELEMENTS:
        message = _decode_store(raw)
        if message is not None:
            return message
    values, deviations = _split(raw, limits.maximum_elements)
    value = values.pop(_COMMAND_FIELD, None)
    if value is None:
        raise _error("CommandField", None, "a mandatory element", "none")
    if len(value) != 2:
        raise _error(
            "CommandField", _offset_of(raw, _COMMAND_FIELD), "2 bytes", f"{len(value)} bytes"
        )
    command_field = value[0] | value[1] << 8
    kind = message_class(command_field)
    if kind is None:
        raise _error(
            "CommandField",
            _offset_of(raw, _COMMAND_FIELD),
            "a message of PS3.7 E.1",
            f"{command_field:04X}H",
        )
    return _build(kind, raw, values, deviations)


# The same two layouts read back; bench/micro/dimse_codec.py shows the gain over `_split`.
_STORE_ELEMENTS: Final = 7


def _decode_store(raw: bytes) -> CStoreRQ | CStoreRSP | None:
    """Return the message if `raw` is laid out as `_encode_store_rq` or `_rsp` would, else None."""
    size = len(raw)
    if size < _GROUP_LENGTH_SIZE + _FIXED_LENGTH:
        return None
    group, group_length, class_tag, class_length = _HEAD.unpack_from(raw)
    middle = _HEAD.size + class_length
    instance = middle + _RQ_MIDDLE.size
    if (
        group != _GROUP_LENGTH
        or group_length != size - _GROUP_LENGTH_SIZE
        or class_tag != _CLASS_TAG
        or instance > size
        or (class_length | size) & 1
    ):
        return None
    try:
        sop_class = raw[_HEAD.size : middle].rstrip(b"\0 ").decode("ascii")
        sop_instance = raw[instance:].rstrip(b"\0 ").decode("ascii")
    except UnicodeDecodeError:
        return None
    if not (sop_class and sop_instance) or sop_class[0] == " " or sop_instance[0] == " ":
        return None
    start = raw[middle : middle + 18]
    if start == _RQ_TO_ID:
        _, number, to_priority, priority, to_type, data_set_type, tag, length = (
            _RQ_MIDDLE.unpack_from(raw, middle)
        )
        if (
            to_priority == _TO_PRIORITY
            and to_type == _TO_TYPE
            and tag == _INSTANCE_TAG
            and length == size - instance
        ):
            return CStoreRQ(
                message_id=number,
                affected_sop_class_uid=sop_class,
                affected_sop_instance_uid=sop_instance,
                priority=priority,
                has_data_set=data_set_type != NO_DATA_SET,
            )
    elif start == _RSP_TO_ID:
        _, number, to_status, status, tag, length = _RSP_MIDDLE.unpack_from(raw, middle)
        if to_status == _TO_STATUS and tag == _INSTANCE_TAG and length == size - instance:
            return CStoreRSP(
                message_id_being_responded_to=number,
                status=status,
                affected_sop_class_uid=sop_class,
                affected_sop_instance_uid=sop_instance,
            )
    return None


def _split(raw: bytes, maximum_elements: int) -> tuple[dict[int, bytes], tuple[str, ...]]:
    """Return values by tag, without the group length, and what was tolerated."""
    values: dict[int, bytes] = {}
    size = len(raw)
    offset = previous = odd = 0
    ordered = True
    unpack = _HEADER.unpack_from
    while offset < size:
        if size - offset < 8:
            raise _error("element header", offset, "8 bytes", f"{size - offset} left")
        tag, length = unpack(raw, offset)
        if tag & 0xFFFF:
            raise _error("tag", offset, "group 0000", f"({tag & 0xFFFF:04X},{tag >> 16:04X})")
        tag >>= 16
        offset += 8
        if length > size - offset:
            raise _error(
                _keyword(tag), offset - 8, f"a length of at most {size - offset}", str(length)
            )
        if tag <= previous and offset != 8:
            if tag in values:
                raise _error(_keyword(tag), offset - 8, "one element of a kind", "a second")
            ordered = False
        previous = tag
        values[tag] = raw[offset : offset + length]
        if len(values) > maximum_elements:
            raise _error(
                "command set", offset - 8, f"at most {maximum_elements} elements", "one more"
            )
        odd |= length
        offset += length
    group_length = values.pop(0, None)
    if ordered and not odd & 1 and group_length == _group_length(size):
        return values, ()
    return values, _deviations(values, group_length, size, ordered=ordered)


def _group_length(size: int) -> bytes:
    """Return the value of Command Group Length in a command set of `size` bytes."""
    return _U32.pack(max(size - _GROUP_LENGTH_SIZE, 0))


def _build(
    kind: type[Message], raw: bytes, values: dict[int, bytes], deviations: tuple[str, ...]
) -> Message:
    """Return the message of the class, its fields from `values`."""
    table = kind.field_table
    by_tag = table.by_tag
    arguments: dict[str, object] = {}
    extra: list[tuple[int, bytes]] = []
    for tag, value in values.items():
        field = by_tag.get(tag)
        if field is None:
            extra.append((tag, value))
            continue
        if not value:
            continue  # no value; if it is mandatory, that shows below
        try:
            decoded = _DECODERS[field.vr](value)
        except ValueError as problem:
            raise DimseDecodeError(
                kind.message_name,
                field.keyword,
                offset=_offset_of(raw, tag),
                expected=_EXPECTED[field.vr],
                found=f"{len(value)} bytes" if field.vr != "UI" else repr(value[:64]),
            ) from problem
        if tag == _DATA_SET_TYPE:
            arguments["has_data_set"] = decoded != NO_DATA_SET
        elif decoded not in _EMPTY:
            arguments[field.name] = decoded
    if not table.mandatory <= arguments.keys():
        raise _missing(kind, raw, arguments)
    if extra:
        arguments["extra"] = tuple(sorted(extra))
    if deviations:
        arguments["deviations"] = deviations
    # The table and the constructor name the same fields (tests/dimse compare them).
    return cast("_Constructor", kind)(**arguments)


_EMPTY: Final = ("", ())


def _error(field: str, offset: int | None, expected: str, found: str) -> DimseDecodeError:
    return DimseDecodeError("command set", field, offset=offset, expected=expected, found=found)


def _missing(kind: type[Message], raw: bytes, arguments: Mapping[str, object]) -> DimseDecodeError:
    for field in kind.field_table.fields:
        if field.name in kind.field_table.mandatory and field.name not in arguments:
            break
    offset = _offset_of(raw, field.tag)
    return DimseDecodeError(
        kind.message_name,
        field.keyword,
        offset=offset,
        expected="a mandatory element",
        found="none" if offset is None else "no value",
    )


def _keyword(tag: int) -> str:
    for number, _, keyword in commands.ELEMENTS.values():
        if number == tag:
            return keyword
    return "CommandGroupLength" if tag == 0 else f"(0000,{tag:04X})"


def _offset_of(raw: bytes, wanted: int) -> int | None:
    """Return where an element of a command set that could be split starts, None if nowhere."""
    offset = 0
    while offset < len(raw):
        tag, length = _HEADER.unpack_from(raw, offset)
        if tag >> 16 == wanted:
            return offset
        offset += 8 + length
    return None


def _deviations(
    values: Mapping[int, bytes], group_length: bytes | None, size: int, *, ordered: bool
) -> tuple[str, ...]:
    """Say what the command set does that the standard does not allow (PS3.7 6.3.1)."""
    found = []
    if group_length is None:
        found.append("no group length")
    elif group_length != _group_length(size):
        number = int.from_bytes(group_length[:8], "little")
        found.append(f"group length {number}, counted {size - _GROUP_LENGTH_SIZE}")
    if not ordered:
        found.append("elements out of order")
    found.extend(
        f"odd length of {_keyword(tag)}" for tag, value in sorted(values.items()) if len(value) & 1
    )
    return tuple(found)

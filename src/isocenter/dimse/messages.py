"""Messages out of P-DATA: which fragments are a command, which its data set.

Owns the order of a message's parts on an association and their events. Knows nothing
of PDUs, nor which operations are outstanding (`session`). Data set fragments pass
through untouched; only a command that came in several fragments is gathered, within
`CommandLimits.maximum_command_set_length`. PS3.7 6.3, PS3.8 annex E, F.
"""

from __future__ import annotations

from isocenter.dimse.codec import DEFAULT_LIMITS, decode_command
from isocenter.errors import DimseDecodeError
from isocenter.record import Record

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from typing import TypeAlias

    from isocenter.dimse.codec import CommandLimits
    from isocenter.dimse.commands import Message
    from isocenter.ul.events import PDataIndication

__all__ = ["CommandReceived", "DataReceived", "MessageAssembler", "MessageEvent"]


class CommandReceived(Record, frozen=False, kw_only=False):
    """A command set arrived whole (PS3.7 6.3.1).

    Fields:
        context_id: presentation context ID, as received.
        message: the message; where `message.has_data_set`, `DataReceived` events follow.
    """

    context_id: int
    message: Message

    def __init__(self, context_id: int, message: Message) -> None:
        """Set the fields."""
        self.context_id = context_id
        self.message = message


class DataReceived(Record, frozen=False, kw_only=False):
    """A part of the data set of the message before (PS3.7 6.3.2).

    Fields:
        context_id: the message's presentation context ID.
        fragments: the event's views, in order, with their lifetime: until the engine's next
            `receive_window()`. Copy what must live longer.
        length: bytes in `fragments`, 0 or more.
        is_last: True where the data set, and so the message, ends here.
    """

    context_id: int
    fragments: list[memoryview]
    length: int
    is_last: bool

    def __init__(
        self,
        context_id: int,
        fragments: list[memoryview],
        length: int,
        is_last: bool,  # noqa: FBT001 - the field
    ) -> None:
        """Set the fields."""
        self.context_id = context_id
        self.fragments = fragments
        self.length = length
        self.is_last = is_last


MessageEvent: TypeAlias = CommandReceived | DataReceived
"""What `MessageAssembler.pdata` returns."""


class MessageAssembler:
    """Turns P-DATA indications into messages.

    Args:
        limits: bounds on command sets.

    After an error the association is to be aborted and the assembler dropped.
    """

    __slots__ = ("_command", "_context_id", "_data_set_due", "_limits", "_message_name")

    def __init__(self, limits: CommandLimits = DEFAULT_LIMITS) -> None:
        """Start between messages."""
        self._limits = limits
        self._command: bytearray | None = None
        self._context_id = 0
        self._data_set_due = False
        self._message_name = ""

    @property
    def between_messages(self) -> bool:
        """True where no message has begun, or the last one is complete."""
        return self._command is None and not self._data_set_due

    def waive_data_set(self) -> None:
        """Expect no data set behind the command before, although it announced one."""
        self._data_set_due = False

    def pdata(self, event: PDataIndication) -> MessageEvent | None:
        """Take one indication and return what it completes, None while a command is incomplete.

        Raises:
            DimseDecodeError: the command set is unusable or too long, or the fragments are out
                of order: a data set that no command announced, a command while a data set is
                due, another presentation context in the middle of a message.

        PS3.7 6.3, 9.3, 10.3.
        """
        if event.is_command:
            return self._command_part(event)
        if not self._data_set_due:
            raise self._out_of_order(
                "fragment",
                "a command that announces a data set",
                "a data set" if self._command is None else "a data set within a command set",
            )
        if event.context_id != self._context_id:
            raise self._other_context(event)
        if event.is_last:
            self._data_set_due = False
        return DataReceived(event.context_id, event.fragments, event.length, event.is_last)

    def _command_part(self, event: PDataIndication) -> CommandReceived | None:
        if self._data_set_due:
            raise self._out_of_order("fragment", "its data set", "a command")
        gathered = self._command
        if gathered is None:
            self._context_id = event.context_id
            if event.is_last and len(event.fragments) == 1 and event.length:
                return self._complete(decode_command(event.fragments[0], self._limits))
            self._command = gathered = bytearray()
            self._message_name = "command set"
        elif event.context_id != self._context_id:
            raise self._other_context(event)
        maximum = self._limits.maximum_command_set_length
        if len(gathered) + event.length > maximum:
            raise self._out_of_order(
                "command set length",
                f"at most {maximum} bytes",
                f"{len(gathered) + event.length} or more",
            )
        for fragment in event.fragments:
            gathered += fragment
        if not event.is_last:
            return None
        self._command = None
        if not gathered:
            raise self._out_of_order("command set length", "a command", "an empty last fragment")
        return self._complete(decode_command(gathered, self._limits))

    def _complete(self, message: Message) -> CommandReceived:
        self._data_set_due = message.has_data_set
        self._message_name = message.message_name
        return CommandReceived(self._context_id, message)

    def _other_context(self, event: PDataIndication) -> DimseDecodeError:
        return self._out_of_order(
            "presentation context", str(self._context_id), str(event.context_id)
        )

    def _out_of_order(self, rule: str, expected: str, found: str) -> DimseDecodeError:
        return DimseDecodeError(
            self._message_name or "command set", rule, offset=None, expected=expected, found=found
        )

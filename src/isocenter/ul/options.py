"""What one Upper Layer connection may be asked to bear, and for how long.

Owns the options of the engine and their defaults. Must not know what becomes of them
(`isocenter.ul.connection`).

PS3.8 9.1.5 (ARTIM), 9.3.
"""

from __future__ import annotations

from isocenter.record import Record

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from isocenter.ul.codec import Limits

__all__ = ["EngineOptions"]


class EngineOptions(Record):
    """What an engine may be asked to bear and for how long.

    Fields:
        limits: bounds on association PDUs.
        maximum_length: what this side announced for P-DATA, in bytes, 0 unlimited.
        artim_timeout: seconds a peer may take for its A-ASSOCIATE-RQ, and for closing after an
            abort or a rejection (PS3.8 9.1.5).
        acse_timeout: seconds to wait for A-ASSOCIATE-AC and A-RELEASE-RP.
        idle_timeout: seconds an association may stay without a byte in either direction; None
            for no bound. 60 is what DCMTK's tools bear by default.
        slow_pdu_seconds, slow_pdu_rate: a PDU once begun must have brought `slow_pdu_rate`
            bytes a second on average whenever that many seconds have passed; there is no
            switch for "never", or a peer could hold an association with a byte a minute.
    """

    limits: Limits
    maximum_length: int = 16384
    artim_timeout: float = 30.0
    acse_timeout: float = 30.0
    idle_timeout: float | None = 60.0
    slow_pdu_seconds: float = 60.0
    slow_pdu_rate: int = 1024

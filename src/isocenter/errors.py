"""The exception tree: one home for every error isocenter raises.

Facts are attributes, the message is built from them, and the reaction that the
protocol asks for (abort source and reason, DIMSE status) is part of the class.

    IsocenterError
    +-- LocalProtocolError         the caller asked for what the state forbids
    +-- PeerProtocolError          the peer broke a rule; carries the abort to send
    |   +-- PduDecodeError         a PDU or item could not be decoded (PS3.8 9.3)
    |   +-- DimseDecodeError       a command set could not be decoded (PS3.7 6.3, 9.3)
    +-- AssociationError
    |   +-- AssociationRejected    A-ASSOCIATE-RJ received (PS3.8 9.3.4)
    |   +-- AssociationAborted     A-ABORT received or sent (PS3.8 9.3.8)
    |   +-- AssociationReleased    the peer released while work was outstanding
    |   +-- NegotiationError       no accepted context serves the request
    +-- ConnectError               no transport connection could be made
    +-- ConnectionLost             the transport connection ended without A-ABORT
    +-- TlsError                   TLS could not be agreed on, or broke (RFC 8446, RFC 5246)
    +-- TimeoutExpired             a named time budget ran out
    +-- DimseFailure               a DIMSE operation ended with a failure status
    +-- DataSetError               a data set or File Meta Information is unusable
    +-- StorageError               a received object could not be kept
    |   +-- StorageFull            no room left; answered A700
    |   +-- StorageRefused         what it holds gives it no place; answered C000
    |   |   +-- ObjectMismatch     UIDs of data set and request differ; answered A900
    |   +-- DuplicateObject        another object of that name is kept; answered 0111
    +-- ArchiveError               an archive's index or folder cannot be used
    +-- ConfigurationError         an option, file or environment value is unusable
        +-- TlsConfigurationError  a key, certificate, suite or profile is unusable

This module must not know any other module of the package.
"""

from __future__ import annotations

__all__ = [
    "ArchiveError",
    "AssociationAborted",
    "AssociationError",
    "AssociationRejected",
    "AssociationReleased",
    "ConfigurationError",
    "ConnectError",
    "ConnectionLost",
    "DataSetError",
    "DimseDecodeError",
    "DimseFailure",
    "DuplicateObject",
    "IsocenterError",
    "LocalProtocolError",
    "NegotiationError",
    "ObjectMismatch",
    "PduDecodeError",
    "PeerProtocolError",
    "StorageError",
    "StorageFull",
    "StorageRefused",
    "TimeoutExpired",
    "TlsConfigurationError",
    "TlsError",
]


class IsocenterError(Exception):
    """Base of every error that isocenter raises on purpose."""


class LocalProtocolError(IsocenterError):
    """The caller asked for something that the present state forbids.

    Nothing was sent; the association is as it was.
    """


class PeerProtocolError(IsocenterError):
    """The peer broke a rule of PS3.7 or PS3.8.

    Attributes:
        abort_reason: the reason field of the A-ABORT to answer with, where its
            source is "service-provider", which it is unless a command set was
            wrong (PS3.8 9.3.8): 0 not specified, 1 unrecognized
            PDU, 2 unexpected PDU, 4 unrecognized parameter, 5 unexpected
            parameter, 6 invalid parameter value.
        received: the first bytes, `MOST_RECEIVED` at most, of the PDU at fault, as far as they were
            there; b"" where the fault is not in a PDU. Of an established association they
            may be a data set's, and are not to be shown.
    """

    MOST_RECEIVED = 32
    """First bytes kept of what a peer sent: they tell one protocol from another."""

    abort_reason: int = 0
    received: bytes = b""

    def __init__(self, message: str, *, abort_reason: int | None = None) -> None:
        """Keep the message and, where it differs from the class's, the abort reason."""
        super().__init__(message)
        if abort_reason is not None:
            self.abort_reason = abort_reason


class PduDecodeError(PeerProtocolError):
    """A PDU could not be decoded.

    Attributes:
        pdu: name of the PDU or item, for instance ``A-ASSOCIATE-RQ``.
        field: name of the field at fault.
        offset: absolute offset in bytes from the first byte of the PDU.
        expected: what the standard asks for, in words.
        found: what was there, in words.

    PS3.8 9.3.
    """

    abort_reason = 6

    def __init__(
        self,
        pdu: str,
        field: str,
        *,
        offset: int,
        expected: str,
        found: str,
        abort_reason: int | None = None,
    ) -> None:
        """Build the one-line message from the facts."""
        super().__init__(
            f"{pdu}: {field} at offset {offset}: expected {expected}, found {found}",
            abort_reason=abort_reason,
        )
        self.pdu = pdu
        self.field = field
        self.offset = offset
        self.expected = expected
        self.found = found


class DimseDecodeError(PeerProtocolError):
    """A command set or the order of a message's fragments is wrong.

    Attributes:
        message: name of the DIMSE message where known, else ``command set``.
        field: keyword of the element at fault, or the rule that was broken.
        offset: offset in bytes from the start of the command set, None where
            the rule is not about a place.
        expected: what the standard asks for, in words.
        found: what was there, in words.

    PS3.7 6.3, 9.3, 10.3.
    """

    def __init__(
        self, message: str, field: str, *, offset: int | None, expected: str, found: str
    ) -> None:
        """Build the one-line message from the facts."""
        place = "" if offset is None else f" at offset {offset}"
        super().__init__(f"{message}: {field}{place}: expected {expected}, found {found}")
        self.message = message
        self.field = field
        self.offset = offset
        self.expected = expected
        self.found = found


class AssociationError(IsocenterError):
    """An association was refused, ended or cannot serve a request."""


_REJECT_RESULT = {1: "Rejected Permanent", 2: "Rejected Transient"}
_REJECT_SOURCE = {
    1: "Service User",
    2: "Service Provider (ACSE Related)",
    3: "Service Provider (Presentation Related)",
}
_REJECT_REASON = {
    (1, 1): "No Reason",
    (1, 2): "App Context Name Not Supported",
    (1, 3): "Calling AE Title Not Recognized",
    (1, 7): "Called AE Title Not Recognized",
    (2, 1): "No Reason",
    (2, 2): "Protocol Version Not Supported",
    (3, 1): "Temporary Congestion",
    (3, 2): "Local Limit Exceeded",
}


class AssociationRejected(AssociationError):
    """The peer answered with A-ASSOCIATE-RJ.

    Attributes:
        result: 1 permanent, 2 transient.
        source: 1 service-user, 2 service-provider (ACSE), 3 service-provider
            (presentation).
        reason: the reason, whose meaning depends on the source.
        result_text, source_text, reason_text: the same in the words that
            DCMTK's tools print.

    PS3.8 9.3.4.
    """

    def __init__(self, result: int, source: int, reason: int) -> None:
        """Keep the triple and its words."""
        self.result = int(result)
        self.source = int(source)
        self.reason = int(reason)
        self.result_text = _REJECT_RESULT.get(self.result, f"Unknown Result {self.result}")
        self.source_text = _REJECT_SOURCE.get(self.source, f"Unknown Source {self.source}")
        self.reason_text = _REJECT_REASON.get(
            (self.source, self.reason), f"Unknown Reason {self.reason}"
        )
        super().__init__(
            f"association rejected: {self.result_text}, {self.source_text}, {self.reason_text}"
        )


class AssociationAborted(AssociationError):
    """The association ended with A-ABORT.

    Attributes:
        source: 0 service-user, 2 service-provider.
        reason: reason of a provider's abort, 0 otherwise.
        by_peer: True where the peer sent it, False where this side did.

    PS3.8 9.3.8.
    """

    def __init__(self, source: int, reason: int, *, by_peer: bool) -> None:
        """Keep the pair and who sent it."""
        self.source = int(source)
        self.reason = int(reason)
        self.by_peer = by_peer
        who = "peer" if by_peer else "this side"
        kind = "service user" if self.source == 0 else "service provider"
        super().__init__(f"association aborted by {who} ({kind}, reason {self.reason})")


class AssociationReleased(AssociationError):
    """The peer asked for release while this side still had work on the association."""


class NegotiationError(AssociationError):
    """What was negotiated does not serve the request.

    No presentation context was accepted for it, or a user identity was not confirmed.

    Attributes:
        abstract_syntax: UID of the SOP class asked for, or "".
        transfer_syntax: UID of the transfer syntax asked for, or "".
    """

    def __init__(
        self, message: str, *, abstract_syntax: str = "", transfer_syntax: str = ""
    ) -> None:
        """Keep the UIDs that found no context."""
        super().__init__(message)
        self.abstract_syntax = abstract_syntax
        self.transfer_syntax = transfer_syntax


class ConnectError(IsocenterError):
    """No transport connection could be made.

    Attributes:
        host: host name or address as given.
        port: TCP port.
        reason: the operating system's words, for instance ``Connection refused``.
        unknown_host: True where the name could not be resolved.
        timed_out: True where the connection timeout expired.
    """

    def __init__(
        self,
        host: str,
        port: int,
        reason: str,
        *,
        unknown_host: bool = False,
        timed_out: bool = False,
    ) -> None:
        """Keep the address and the reason."""
        super().__init__(f"cannot connect to {host}:{port}: {reason}")
        self.host = host
        self.port = port
        self.reason = reason
        self.unknown_host = unknown_host
        self.timed_out = timed_out


class ConnectionLost(IsocenterError):
    """The transport connection ended without A-ABORT or A-RELEASE.

    Attributes:
        reason: what the operating system said, or ``closed by peer``.
    """

    def __init__(self, reason: str) -> None:
        """Keep the reason."""
        super().__init__(f"connection lost: {reason}")
        self.reason = reason


class TlsError(IsocenterError):
    """TLS could not be agreed on with the peer, or broke later.

    Attributes:
        reason: the TLS library's words, or ours, in lower case ("wrong version number",
            "certificate verify failed: certificate has expired").
        code: the TLS library's number for it, 0 where it has none.
        verify_code: the number of the rule that the peer's certificate broke, 0 for none
            (X509_V_ERR of OpenSSL).
        received: the first bytes that the peer sent, `PeerProtocolError.MOST_RECEIVED` at most.

    RFC 8446 6.2, RFC 5246 7.2.2.
    """

    def __init__(
        self, reason: str, *, code: int = 0, verify_code: int = 0, received: bytes = b""
    ) -> None:
        """Keep the facts; the message is ``TLS error: REASON``."""
        super().__init__(f"TLS error: {reason}")
        self.reason = reason
        self.code = code
        self.verify_code = verify_code
        self.received = received


class TimeoutExpired(IsocenterError):
    """A named time budget ran out.

    Attributes:
        which: ``acse``, ``dimse``, ``socket`` (nothing moved for that long),
            ``slow-pdu`` (a PDU once begun moved too slowly) or ``answer of the
            parent process`` (of a server with workers). A connection that takes
            too long is a `ConnectError`.
        seconds: the budget in seconds.
    """

    def __init__(self, which: str, seconds: float) -> None:
        """Keep which budget it was and how long."""
        super().__init__(f"{which} timeout after {seconds:g} s")
        self.which = which
        self.seconds = seconds


class DimseFailure(IsocenterError):
    """A DIMSE operation ends with a failure status.

    A provider raises it to answer with that status; a requestor's call raises it
    where the peer answered so and the caller asked for exceptions.

    Attributes:
        status: DIMSE status, 0..0xFFFF (PS3.7 annex C).
        comment: Error Comment (0000,0902), cut to 64 characters when sent.
        offending_elements: tags for Offending Element (0000,0901).
    """

    def __init__(
        self, status: int, comment: str = "", offending_elements: tuple[int, ...] = ()
    ) -> None:
        """Keep what the response will carry."""
        super().__init__(f"status 0x{status:04x}" + (f": {comment}" if comment else ""))
        self.status = status
        self.comment = comment
        self.offending_elements = offending_elements


class DataSetError(IsocenterError):
    """A data set or its File Meta Information cannot be used.

    Attributes:
        reason: what is wrong, without the place.
        path: the file, where there is one.
        offset: offset in bytes from the start of the file or data set, where known.
    """

    def __init__(self, reason: str, *, path: str | None = None, offset: int | None = None) -> None:
        """Build the one-line message from the facts."""
        place = "" if offset is None else f" at offset {offset}"
        where = "" if path is None else f"{path}: "
        super().__init__(f"{where}{reason}{place}")
        self.reason = reason
        self.path = path
        self.offset = offset


class StorageError(IsocenterError):
    """A received object could not be kept; nothing stands under its final name.

    Attributes:
        path: the file that was to be written.
        reason: the operating system's words.
        comment: what the peer is told: the reason without any path of this machine.
        status: the DIMSE status to answer with (PS3.4 B.2.3).
        doing: what could not be done, as the log begins; whoever passes it on may change it.
    """

    status = 0xA700
    doing = "cannot write DICOM file"

    def __init__(self, path: str, reason: str, *, message: str = "") -> None:
        """Keep the path and the reason; the message says both unless it is given."""
        super().__init__(message or f"cannot write {path}: {reason}")
        self.path = path
        self.reason = self.comment = reason


class StorageFull(StorageError):
    """There is no room, or no quota, left; answered A700 (PS3.4 B.2.3)."""


class DuplicateObject(StorageError):
    """Another object with this name is there and is kept; what came is gone.

    The status is Duplicate SOP Instance (PS3.7 annex C).
    """

    status = 0x0111


class StorageRefused(StorageError):
    """What a received object holds gives it no place; answered C000 (PS3.4 B.2.3).

    Attributes:
        path: the folder that was to take it, "" where it has no name.
        reason: the whole message, in the words of DCMTK's tools.
    """

    status = 0xC000

    def __init__(self, reason: str, *, path: str = "", comment: str | None = None) -> None:
        """Keep the reason, which is the message, and the comment where it differs."""
        IsocenterError.__init__(self, reason)
        self.path = path
        self.reason = reason
        self.comment = reason if comment is None else comment


class ObjectMismatch(StorageRefused):
    """The data set is of another SOP class or instance than its request; answered A900.

    PS3.4 B.2.3.
    """

    status = 0xA900


class ArchiveError(IsocenterError):
    """The index or the folder of an archive cannot be used.

    Attributes:
        path: the file or folder at fault, or the URL of a database without its password.
        reason: what is wrong with it.
    """

    def __init__(self, path: str, reason: str) -> None:
        """Keep the path and the reason."""
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class ConfigurationError(IsocenterError):
    """An option, a configuration file or an environment value cannot be used."""


class TlsConfigurationError(ConfigurationError):
    """What TLS was to use cannot be used.

    Attributes:
        subject: which part it is: ``key``, ``certificate``, ``match`` (of both), ``password``,
            ``ca``, ``crl``, ``cipher``, ``dhparam``, ``profile`` or ``platform`` (what this
            system's TLS library or Python cannot do).
        path: the file at fault, "" where it is none.
        reason: what is wrong, without the path.
    """

    def __init__(self, subject: str, reason: str, *, path: str = "") -> None:
        """Build the one-line message from the facts."""
        super().__init__(f"{path}: {reason}" if path else reason)
        self.subject = subject
        self.path = path
        self.reason = reason

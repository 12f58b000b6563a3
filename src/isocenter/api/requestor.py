"""`connect`: an association as requestor, for C-ECHO, C-STORE, C-FIND, C-GET and C-MOVE.

Composition only: negotiation, driver and services do the work. Must not know servers.

PS3.7 9.1, PS3.8 7.1.
"""

from __future__ import annotations

import os
import threading

from isocenter import aetitle, uids
from isocenter.api.arguments import MAXIMUM_LENGTH, UNCOMPRESSED, check_port
from isocenter.errors import DimseFailure, NegotiationError
from isocenter.limits import DEFAULTS
from isocenter.logs import get_logger
from isocenter.net.client import ADDRESS_FAMILIES, ConnectOptions
from isocenter.net.client import connect as _connect
from isocenter.record import Record, replace
from isocenter.services import storage, verification
from isocenter.ul.identity import lacks_response
from isocenter.ul.request import ProposedContext, build_request

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping
    from types import TracebackType
    from typing import Self

    from pydicom.dataset import Dataset

    from isocenter.api.queries import FindResult
    from isocenter.api.retrieves import RetrieveProgress
    from isocenter.limits import Limits
    from isocenter.net.association import Association
    from isocenter.net.tls import ClientTls, TlsFacts
    from isocenter.net.tls_options import TlsOptions
    from isocenter.sender.proposal import ContextChooser
    from isocenter.services.providers import StorageProvider
    from isocenter.services.query import Finding, FindResponse
    from isocenter.services.retrieve import RetrieveResponse
    from isocenter.storage.options import StorageOptions
    from isocenter.ul.negotiation import AcceptedContext
    from isocenter.ul.pdu import UserIdentityRQ
    from isocenter.wire import Segment

__all__ = ["Peer", "StoreResult", "connect", "contexts_for"]

_LOGGER = get_logger(__name__)

_QUERIES = (
    uids.PATIENT_ROOT_FIND,
    uids.STUDY_ROOT_FIND,
    uids.MODALITY_WORKLIST_FIND,
    uids.PATIENT_ROOT_MOVE,
    uids.STUDY_ROOT_MOVE,
)
"""Information models that are proposed where nothing else is asked for."""


class StoreResult(Record):
    """The peer's answer to one object.

    Fields:
        status: DIMSE status of the response (PS3.4 B.2.3).
        comment: Error Comment of the response, "" where there was none.
        sop_instance_uid: of the object.
    """

    status: int
    comment: str
    sop_instance_uid: str

    @property
    def confirmed(self) -> bool:
        """True where the peer has taken the object over: success, or a warning."""
        return storage.is_confirmed(self.status)


class Peer:
    """An established association as requestor; made by `connect`.

    Use it as a context manager: it is released at the end, aborted where an exception leaves
    the block. Not thread-safe: one thread at a time.

    Attributes:
        contexts: the accepted presentation contexts by id.
        user_identity_response: the peer's answer to a user identity (PS3.7 D.3.3.7.2), or None.
        tls: what was agreed on, and the peer's certificate, where TLS is spoken; else None.
    """

    def __init__(self, association: Association, limits: Limits = DEFAULTS) -> None:
        """Take the association over; `limits` are those of files to send."""
        self._limits = limits
        answer = association.accept
        self.user_identity_response = (
            None if answer is None else answer.user_information.user_identity_response
        )
        self.tls: TlsFacts | None = association.tls
        self._association = association
        self._user: int | None = None
        self._chooser: ContextChooser | None = None
        self.contexts: Mapping[int, AcceptedContext] = association.contexts

    def __enter__(self) -> Self:
        """Return the peer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release, or abort where the block failed."""
        if kind is None:
            self.release()
        else:
            self.abort()

    def echo(self) -> None:
        """Verify the connection with C-ECHO (PS3.7 9.1.5).

        Raises:
            NegotiationError: the peer did not accept Verification.
            DimseFailure: the peer answered with another status than success; with its comment.
            AssociationAborted, ConnectionLost, TimeoutExpired, PeerProtocolError: no answer.
        """
        self._user = threading.get_ident()
        try:
            response = verification.verify(self._association)
        finally:
            self._user = None
        if response.status:
            comment = response.error_comment or "C-ECHO failed"
            raise DimseFailure(response.status, comment, response.offending_element)

    def store(self, source: str | os.PathLike[str] | Dataset, *, priority: int = 0) -> StoreResult:
        """Send one object with C-STORE and return the peer's answer (PS3.7 9.1.1).

        A file is sent as it is where its transfer syntax was accepted, without being held in
        memory; otherwise it is converted while it is sent, if it is uncompressed or deflated. A
        pydicom data set is encoded in the transfer syntax of the accepted context. What is
        compressed needs a context with its own transfer syntax.

        Args:
            source: path of a DICOM file, or a data set.
            priority: 0 medium, 1 high, 2 low.

        Raises:
            DataSetError: the source is no usable object; nothing was sent.
            OSError: the file cannot be read.
            NegotiationError: no accepted context fits its SOP class and transfer syntax.
            ValueError: a UID of the data set has characters beyond ASCII; nothing was sent.
            AssociationAborted, AssociationReleased, ConnectionLost, TimeoutExpired,
                PeerProtocolError: no answer came; whether the object arrived is unknown.
        """
        if isinstance(source, (str, os.PathLike)):
            return self._store_file(os.fspath(source), priority)
        from isocenter.dataset.bridge import encode_dataset, identify

        sop_class_uid, sop_instance_uid, own_syntax = identify(source)
        context = self._choose(sop_class_uid, own_syntax)
        data = encode_dataset(source, context.transfer_syntax)
        return self._send(context, sop_class_uid, sop_instance_uid, (data,), priority)

    def find(
        self,
        keys: Dataset | Mapping[str, object],
        *,
        model: str = uids.STUDY_ROOT_FIND,
        priority: int = 0,
    ) -> Generator[FindResult]:
        """Query with C-FIND and yield the matches as they come (PS3.4 C.4.1, PS3.7 9.1.2).

        Leaving the loop early ends the query: the generator's `close`, or its being dropped, sends
        a C-CANCEL and drops what still comes. Until then nothing else can be asked.

            for match in peer.find({"QueryRetrieveLevel": "STUDY", "PatientName": "DOE*"}):
                print(match.dataset().StudyInstanceUID)

        Args:
            keys: a data set; or keywords with their values, "" for what is only to be returned.
                Nothing is added, but the character set where values are not ASCII.
            model: SOP class of the information model: Study Root, or for instance
                `isocenter.uids.PATIENT_ROOT_FIND`, `MODALITY_WORKLIST_FIND`.
            priority: 0 medium, 1 high, 2 low.

        Raises:
            NegotiationError: the peer did not accept the information model.
            ValueError: a keyword is none, or a value cannot be encoded.
            DimseFailure: while iterating, as all below: the peer ended the query with another
                status than success; with its comment.
            DataSetError: a match is longer than the limits allow.
            AssociationAborted, AssociationReleased, ConnectionLost, TimeoutExpired,
                PeerProtocolError: no answer came.
        """
        from isocenter.api import queries

        context = queries.query_context(self._association, model)
        return queries.results(
            self._association,
            context,
            queries.identifier_of(keys, context.transfer_syntax),
            priority=priority,
            limits=self._limits,
            step=self._step,
        )

    def get(
        self,
        keys: Dataset | Mapping[str, object],
        *,
        directory: str | os.PathLike[str] | None = None,
        storage_provider: StorageProvider | None = None,
        storage_options: StorageOptions | None = None,
        model: str = uids.STUDY_ROOT_GET,
        priority: int = 0,
    ) -> Generator[RetrieveProgress]:
        """Retrieve with C-GET and yield how far it is; the objects come on this association.

        It needs contexts in which this side may receive: `contexts_for_get`. Leaving the loop early
        cancels, as with `find`.

            with isocenter.connect(host, 104, contexts=isocenter.contexts_for_get()) as peer:
                for progress in peer.get({...}, directory="received"):
                    print(progress.remaining)

        Args:
            keys: as for `find`; QueryRetrieveLevel and unique keys.
            directory: where objects are written, one file each, published whole or not at all.
            storage_provider: an object whose `store(request)` is called for each of them instead.
            storage_options: what becomes of objects in `directory`; None keeps data sets byte for
                byte under DCMTK's names.
            model: SOP class of the information model.
            priority: 0 medium, 1 high, 2 low.

        Raises:
            NegotiationError: the peer did not accept the information model.
            StorageError: the directory cannot be used.
            ValueError: there is neither directory nor provider, or both; or as for `find`.
            DimseFailure: while iterating, as all below: behind the last response, where that is
                neither success nor warning.
            AssociationAborted, AssociationReleased, ConnectionLost, TimeoutExpired,
                PeerProtocolError: no answer came.

        PS3.4 C.4.3, PS3.7 9.1.3.
        """
        from isocenter.api import queries, retrieves

        context = queries.query_context(self._association, model)
        identifier = queries.identifier_of(keys, context.transfer_syntax)
        if (directory is None) == (storage_provider is None):
            raise ValueError("either a directory or a storage_provider")
        close = None
        if storage_provider is None and directory is not None:
            from isocenter.api.acceptor import file_storage

            storage_provider = files = file_storage(
                directory, storage_options, self._limits, durable=False
            )
            close = files.close
        return retrieves.progress_of_get(
            self._association,
            context,
            identifier,
            storage_provider,  # type: ignore[arg-type]  # one of both is there
            priority=priority,
            step=self._take,
            close=close,
        )

    def move(
        self,
        keys: Dataset | Mapping[str, object],
        destination: str,
        *,
        model: str = uids.STUDY_ROOT_MOVE,
        priority: int = 0,
    ) -> Generator[RetrieveProgress]:
        """Have the peer send objects with C-MOVE and yield how far it is.

        Leaving the loop early cancels, as with `find`.

        Args:
            keys: as for `find`; QueryRetrieveLevel and unique keys.
            destination: AE title to send to, which the peer has to know.
            model: SOP class of the information model.
            priority: 0 medium, 1 high, 2 low.

        Raises:
            As `get`, which has a directory besides.

        PS3.4 C.4.2, PS3.7 9.1.4.
        """
        from isocenter.api import queries, retrieves

        aetitle.check("destination", destination)
        context = queries.query_context(self._association, model)
        return retrieves.progress_of_move(
            self._association,
            context,
            queries.identifier_of(keys, context.transfer_syntax),
            destination,
            priority=priority,
            step=self._take,
        )

    def _take(self, responses: Iterator[RetrieveResponse]) -> RetrieveResponse:
        """Take one response, so that `abort` knows who is waiting."""
        self._user = threading.get_ident()
        try:
            return next(responses)
        finally:
            self._user = None

    def _step(self, finding: Finding) -> FindResponse:
        """Take one response, so that `abort` knows who is waiting."""
        self._user = threading.get_ident()
        try:
            return next(finding)
        finally:
            self._user = None

    def _store_file(self, path: str, priority: int) -> StoreResult:
        from isocenter.dataset.identity import IdentityLimits
        from isocenter.sender.encoding import EncodingOptions, encode
        from isocenter.sender.prepare import prepare

        if self._chooser is None:
            from isocenter.sender.proposal import ContextChooser

            self._chooser = ContextChooser(self.contexts)
        prepared = prepare(path, limits=IdentityLimits.of(self._limits))
        try:
            sop_class, syntax = prepared.sop_class_uid, prepared.transfer_syntax_uid
            context_id = self._chooser.choose(sop_class, syntax)
            if context_id is None:
                raise _no_context(sop_class, syntax)
            context = self.contexts[context_id]
            data = encode(
                prepared, context.transfer_syntax, options=EncodingOptions(limits=self._limits)
            ).data
            return self._send(context, sop_class, prepared.sop_instance_uid, data, priority)
        finally:
            prepared.close()

    def _choose(self, sop_class_uid: str, transfer_syntax_uid: str | None) -> AcceptedContext:
        """Return an accepted context; any uncompressed one where the syntax is None.

        Raises:
            NegotiationError: there is none.
        """
        for context in self.contexts.values():
            if context.abstract_syntax == sop_class_uid and context.as_scu:
                syntax = context.transfer_syntax
                if syntax == transfer_syntax_uid or (
                    transfer_syntax_uid is None and syntax in UNCOMPRESSED
                ):
                    return context
        raise _no_context(sop_class_uid, transfer_syntax_uid)

    def _send(
        self,
        context: AcceptedContext,
        sop_class_uid: str,
        sop_instance_uid: str,
        data: Iterable[Segment],
        priority: int,
    ) -> StoreResult:
        self._user = threading.get_ident()
        try:
            response = storage.store(
                self._association,
                context.context_id,
                sop_class_uid=sop_class_uid,
                sop_instance_uid=sop_instance_uid,
                data=data,
                priority=priority,
            )
        finally:
            self._user = None
        return StoreResult(
            status=response.status,
            comment=response.error_comment or "",
            sop_instance_uid=sop_instance_uid,
        )

    def release(self) -> None:
        """Release the association in order and close; harmless when it has ended.

        Raises:
            AssociationAborted, ConnectionLost, TimeoutExpired: it ended otherwise.
        """
        self._association.release()

    def abort(self) -> None:
        """Abort the association and close; harmless when it has ended.

        From another thread, while one is in `store`, `echo` or a step of `find`: that ends with
        `AssociationAborted` at once.
        """
        user = self._user
        if user is not None and user != threading.get_ident():
            self._association.request_abort()
        else:
            self._association.abort()


def _no_context(sop_class_uid: str, transfer_syntax_uid: str | None) -> NegotiationError:
    return NegotiationError(
        f"no accepted context for {uids.name_of(sop_class_uid)} in "
        f"{uids.name_of(transfer_syntax_uid or UNCOMPRESSED[0])}",
        abstract_syntax=sop_class_uid,
        transfer_syntax=transfer_syntax_uid or "",
    )


def contexts_for(*paths: str | os.PathLike[str]) -> list[ProposedContext]:
    """Return the contexts that sending these files as they are needs, without repetition.

    Reads the beginning of each file.

    Raises:
        DataSetError: a file is no usable object.
        OSError: a file cannot be read.

    PS3.8 7.1.1.13.
    """
    from isocenter.sender.prepare import prepare

    needed: dict[tuple[str, str], None] = {}
    for path in paths:
        prepared = prepare(os.fspath(path))
        needed[prepared.sop_class_uid, prepared.transfer_syntax_uid] = None
        prepared.close()
    return [
        ProposedContext(abstract_syntax=sop_class, transfer_syntaxes=(syntax,))
        for sop_class, syntax in needed
    ]


def connect(  # noqa: PLR0913 - what a request may say, all by keyword
    host: str,
    port: int,
    *,
    called_ae_title: str = "ANY-SCP",
    calling_ae_title: str = "ISOCENTER",
    contexts: Iterable[ProposedContext] | None = None,
    connect_timeout: float | None = 10.0,
    acse_timeout: float = 30.0,
    dimse_timeout: float | None = 60.0,
    maximum_length: int = MAXIMUM_LENGTH,
    family: str = "auto",
    user_identity: UserIdentityRQ | None = None,
    tls: TlsOptions | None = None,
    limits: Limits | None = None,
) -> Peer:
    """Open an association and return it, to be used in a ``with`` block.

    Args:
        host: name or address of the peer.
        port: its TCP port.
        called_ae_title: title of the peer, at most 16 characters.
        calling_ae_title: own title, at most 16 characters.
        contexts: presentation contexts to propose besides Verification, at most 127; see
            `contexts_for`. None proposes 64 common storage classes, uncompressed, and queries of
            Patient Root, Study Root and Modality Worklist.
        connect_timeout: seconds for the TCP connection, None for the system's own bound.
        acse_timeout: seconds to wait for the answer to the association and release request, and
            for all of a TLS handshake.
        dimse_timeout: seconds to wait for each response, None for no bound. A peer that takes no
            more bytes of an object is given 5 s more.
        maximum_length: bytes of P-DATA that this side bears in a PDU, 0 for unlimited.
        family: ``auto``, ``ipv4`` or ``ipv6``.
        user_identity: who asks, None not to say: a user name (UTF-8), with a passcode or without,
            a Kerberos ticket, SAML assertion or JSON Web Token. Without `tls` all of it can be read
            on the wire.
            Where names and passcodes request a positive response, its absence is an error.
        tls: keys, trust and rules for TLS, None to speak plain DICOM. As long as it does not say
            otherwise the peer's certificate has to be trusted, and of `host`.
        limits: bounds on what the peer, and files to send, may ask for; None for the defaults.

    Raises:
        ConnectError: no connection.
        TlsError: TLS could not be agreed on, for instance because the peer is not trusted.
        TlsConfigurationError: a file of `tls` cannot be used.
        NegotiationError: the peer did not confirm the user name; it was aborted.
        AssociationRejected: the peer said no; the exception says why.
        AssociationAborted, ConnectionLost, TimeoutExpired, PeerProtocolError: no usable answer.
        ValueError: a title, a UID, the port or the family is none; too many contexts; the
            identity has no room in the request.

    PS3.8 7.1, PS3.7 D.3.3.7.
    """
    check_port(port, lowest=1)
    aetitle.check("called", called_ae_title)
    aetitle.check("calling", calling_ae_title)
    if family not in ADDRESS_FAMILIES:
        raise ValueError(f"family {family!r}: one of {', '.join(ADDRESS_FAMILIES)}")
    if contexts is None:
        contexts = [
            ProposedContext(abstract_syntax=uid, transfer_syntaxes=UNCOMPRESSED)
            for uid in (*uids.SHORT_PROPOSAL, *_QUERIES)
        ]
    proposals = [
        ProposedContext(
            abstract_syntax=uids.VERIFICATION, transfer_syntaxes=(uids.IMPLICIT_VR_LITTLE_ENDIAN,)
        ),
        *contexts,
    ]
    request = build_request(
        proposals,
        called_ae_title=called_ae_title,
        calling_ae_title=calling_ae_title,
        implementation_class_uid=uids.IMPLEMENTATION_CLASS_UID,
        implementation_version_name=uids.IMPLEMENTATION_VERSION_NAME,
        maximum_length=maximum_length,
        user_identity=user_identity,
    )
    options = ConnectOptions(
        host=host,
        port=port,
        family=family,
        connect_timeout=connect_timeout,
        acse_timeout=acse_timeout,
        dimse_timeout=dimse_timeout,
        # Later than the other, so that a missing response is named as such; it bounds sending.
        socket_timeout=None if dimse_timeout is None else dimse_timeout + 5.0,
        limits=limits or DEFAULTS,
    )
    if tls is not None:
        options = replace(options, tls=_client_tls(tls))
    association = _connect(options, request)
    if association.accept is not None and lacks_response(request, association.accept):
        association.abort()
        raise NegotiationError("the peer did not confirm the user identity")
    return Peer(association, limits or DEFAULTS)


def _client_tls(options: TlsOptions) -> ClientTls:
    """Return what the driver needs to speak TLS.

    Raises:
        TlsConfigurationError: something of the options cannot be used.
        ValueError: they contradict each other.
    """
    from isocenter.net.tls import ClientTls
    from isocenter.net.tls_context import client_context

    return ClientTls(
        client_context(options, warn=_LOGGER.warning, strict=True),
        options.server_name,
        options.verify_host,
    )

"""DICOM networking in pure Python.

The public names are re-exported here and loaded when first used (PEP 562), so that
importing one module of the package, as every tool does when it starts, does not pay
for the others. `tests/test_public_api.py` pins the list.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs a start 10 ms
if TYPE_CHECKING:
    from isocenter.api import (
        FindResult,
        Peer,
        RetrieveProgress,
        Server,
        StoreResult,
        connect,
        contexts_for,
        contexts_for_get,
        plan_of_files,
        serve,
    )
    from isocenter.dataset.profile import RewriteOptions
    from isocenter.errors import (
        ArchiveError,
        AssociationAborted,
        AssociationError,
        AssociationRejected,
        AssociationReleased,
        ConfigurationError,
        ConnectError,
        ConnectionLost,
        DataSetError,
        DimseDecodeError,
        DimseFailure,
        DuplicateObject,
        IsocenterError,
        LocalProtocolError,
        NegotiationError,
        ObjectMismatch,
        PduDecodeError,
        PeerProtocolError,
        StorageError,
        StorageFull,
        StorageRefused,
        TimeoutExpired,
        TlsConfigurationError,
        TlsError,
    )
    from isocenter.limits import Limits
    from isocenter.net.tls import TlsFacts
    from isocenter.net.tls_options import TlsOptions
    from isocenter.security.identity import (
        IdentifiedUser,
        IdentityClaim,
        IdentityProvider,
        IdentityRefused,
    )
    from isocenter.security.tokens import TokenVerifier
    from isocenter.security.users import UserFile
    from isocenter.services.acceptor import Observer
    from isocenter.services.plans import (
        MoveDestination,
        RetrieveInstance,
        RetrievePlan,
        RetrieveProvider,
        RetrieveRequest,
    )
    from isocenter.services.providers import (
        AbortAssociation,
        EchoRequest,
        FindMatch,
        FindProvider,
        FindRequest,
        StorageProvider,
        StoreRequest,
        VerificationProvider,
    )
    from isocenter.storage.options import StorageOptions
    from isocenter.ul.admission import RequestFacts
    from isocenter.ul.pdu import UserIdentityRQ, UserIdentityType
    from isocenter.ul.request import ProposedContext

__all__ = [
    "AbortAssociation",
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
    "EchoRequest",
    "FindMatch",
    "FindProvider",
    "FindRequest",
    "FindResult",
    "IdentifiedUser",
    "IdentityClaim",
    "IdentityProvider",
    "IdentityRefused",
    "IsocenterError",
    "Limits",
    "LocalProtocolError",
    "MoveDestination",
    "NegotiationError",
    "ObjectMismatch",
    "Observer",
    "PduDecodeError",
    "Peer",
    "PeerProtocolError",
    "ProposedContext",
    "RequestFacts",
    "RetrieveInstance",
    "RetrievePlan",
    "RetrieveProgress",
    "RetrieveProvider",
    "RetrieveRequest",
    "RewriteOptions",
    "Server",
    "StorageError",
    "StorageFull",
    "StorageOptions",
    "StorageProvider",
    "StorageRefused",
    "StoreRequest",
    "StoreResult",
    "TimeoutExpired",
    "TlsConfigurationError",
    "TlsError",
    "TlsFacts",
    "TlsOptions",
    "TokenVerifier",
    "UserFile",
    "UserIdentityRQ",
    "UserIdentityType",
    "VerificationProvider",
    "__version__",
    "connect",
    "contexts_for",
    "contexts_for_get",
    "plan_of_files",
    "serve",
]

__version__ = "0.1.0"

_HOME = {
    "AbortAssociation": "services.providers",
    "EchoRequest": "services.providers",
    "FindMatch": "services.providers",
    "FindProvider": "services.providers",
    "FindRequest": "services.providers",
    "FindResult": "api",
    "IdentifiedUser": "security.identity",
    "IdentityClaim": "security.identity",
    "IdentityProvider": "security.identity",
    "IdentityRefused": "security.identity",
    "Limits": "limits",
    "MoveDestination": "services.plans",
    "Observer": "services.acceptor",
    "Peer": "api",
    "ProposedContext": "ul.request",
    "RequestFacts": "ul.admission",
    "RetrieveInstance": "services.plans",
    "RetrievePlan": "services.plans",
    "RetrieveProgress": "api",
    "RetrieveProvider": "services.plans",
    "RetrieveRequest": "services.plans",
    "RewriteOptions": "dataset.profile",
    "Server": "api",
    "StorageOptions": "storage.options",
    "StorageProvider": "services.providers",
    "StoreRequest": "services.providers",
    "StoreResult": "api",
    "TlsFacts": "net.tls",
    "TlsOptions": "net.tls_options",
    "TokenVerifier": "security.tokens",
    "UserFile": "security.users",
    "UserIdentityRQ": "ul.pdu",
    "UserIdentityType": "ul.pdu",
    "VerificationProvider": "services.providers",
    "connect": "api",
    "contexts_for": "api",
    "contexts_for_get": "api",
    "plan_of_files": "api",
    "serve": "api",
}
"""Public name to the module that defines it; the others are in `isocenter.errors`."""


def __getattr__(name: str) -> object:
    """Load a public name from its home module (PEP 562).

    Raises:
        AttributeError: the name is not public.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f"{__name__}.{_HOME.get(name, 'errors')}")
    value: object = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, loaded or not."""
    return sorted(__all__)

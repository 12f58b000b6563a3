"""Which provider serves which SOP class (PS3.4; the idea of a registry with a wildcard)."""

from __future__ import annotations

from isocenter.limits import DEFAULTS

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable

    from isocenter.limits import Limits
    from isocenter.services.plans import RetrieveProvider
    from isocenter.services.providers import (
        FindProvider,
        StorageProvider,
        VerificationProvider,
    )

__all__ = ["Registry"]


class Registry:
    """Providers by SOP class.

    Storage is looked up by the exact SOP class, then under ``*``; so are queries and retrieves.
    Verification has one provider.
    Filled before serving, only read afterwards, so threads share it without a lock.
    """

    __slots__ = ("_queries", "_retrieves", "_storage", "limits", "verification")

    def __init__(
        self, *, verification: VerificationProvider | None = None, limits: Limits = DEFAULTS
    ) -> None:
        """Start with nobody to store; `limits` bound what is read for queries."""
        self.verification = verification
        self.limits = limits
        self._storage: dict[str, StorageProvider] = {}
        self._queries: dict[str, FindProvider] = {}
        self._retrieves: dict[str, RetrieveProvider] = {}

    def add_storage(
        self, provider: StorageProvider, sop_class_uids: Iterable[str] = ("*",)
    ) -> None:
        """Let `provider` store these SOP classes; ``*`` stands for all without one of their own."""
        for uid in sop_class_uids:
            self._storage[uid] = provider

    def storage(self, sop_class_uid: str) -> StorageProvider | None:
        """Return the provider for a SOP class, None where nobody serves it."""
        return self._storage.get(sop_class_uid) or self._storage.get("*")

    def add_query(self, provider: FindProvider, sop_class_uids: Iterable[str] = ("*",)) -> None:
        """Let `provider` answer C-FIND of these SOP classes; ``*`` as for storage."""
        for uid in sop_class_uids:
            self._queries[uid] = provider

    def query(self, sop_class_uid: str) -> FindProvider | None:
        """Return the provider for C-FIND of a SOP class, None where nobody serves it."""
        return self._queries.get(sop_class_uid) or self._queries.get("*")

    def add_retrieve(
        self, provider: RetrieveProvider, sop_class_uids: Iterable[str] = ("*",)
    ) -> None:
        """Let `provider` plan C-GET and C-MOVE of these SOP classes; ``*`` as for storage."""
        for uid in sop_class_uids:
            self._retrieves[uid] = provider

    def retrieve(self, sop_class_uid: str) -> RetrieveProvider | None:
        """Return the provider for C-GET or C-MOVE of a SOP class, None where nobody serves it."""
        return self._retrieves.get(sop_class_uid) or self._retrieves.get("*")

    @property
    def answers_queries(self) -> bool:
        """True where somebody answers queries, so that C-FIND is expected here."""
        return bool(self._queries)

    @property
    def performs_retrieves(self) -> bool:
        """True where somebody plans retrieves, so that C-GET and C-MOVE are expected here."""
        return bool(self._retrieves)

"""Which provider serves which SOP class (PS3.4; the idea of a registry with a wildcard)."""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable

    from isocenter.services.providers import StorageProvider, VerificationProvider

__all__ = ["Registry"]


class Registry:
    """Providers by SOP class.

    Storage is looked up by the exact SOP class, then under ``*``; verification has one provider.
    Filled before serving, only read afterwards, so threads share it without a lock.
    """

    __slots__ = ("_storage", "verification")

    def __init__(self, *, verification: VerificationProvider | None = None) -> None:
        """Start with nobody to store."""
        self.verification = verification
        self._storage: dict[str, StorageProvider] = {}

    def add_storage(
        self, provider: StorageProvider, sop_class_uids: Iterable[str] = ("*",)
    ) -> None:
        """Let `provider` store these SOP classes; ``*`` stands for all without one of their own."""
        for uid in sop_class_uids:
            self._storage[uid] = provider

    def storage(self, sop_class_uid: str) -> StorageProvider | None:
        """Return the provider for a SOP class, None where nobody serves it."""
        return self._storage.get(sop_class_uid) or self._storage.get("*")

"""The data dictionary that the environment asks for (DCMDICTPATH)."""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping

    from isocenter.dataset.dictionary import Dictionary

__all__ = ["dictionary_of"]


def dictionary_of(env: Mapping[str, str]) -> Dictionary | None:
    """Return the dictionary with the files of DCMDICTPATH on top, None where none is named.

    Raises:
        ConfigurationError: a file cannot be read or understood.
    """
    paths = env.get("DCMDICTPATH")
    if not paths:
        return None
    from isocenter.dataset.dictionary import load_dictionary

    return load_dictionary(paths)

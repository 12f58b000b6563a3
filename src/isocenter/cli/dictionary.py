"""The data dictionary that the environment asks for (DCMDICTPATH)."""

from __future__ import annotations

import os

from isocenter.logs import DEBUG, get_logger

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping

    from isocenter.dataset.dictionary import Dictionary

__all__ = ["dictionary_of"]

# In whose name this is told: with DCMTK it is a message of dcmdata, and not of the tool.
_LOGGER = get_logger("isocenter.dataset.dictionary")


def dictionary_of(env: Mapping[str, str]) -> Dictionary | None:
    """Return the dictionary with the files of DCMDICTPATH on top, None where none is named.

    Raises:
        ConfigurationError: a file cannot be read or understood.
    """
    paths = env.get("DCMDICTPATH")
    if not paths:
        return None
    from isocenter.dataset.dictionary import load_dictionary

    if _LOGGER.isEnabledFor(DEBUG):
        for path in paths.split(os.pathsep):
            if path:
                _LOGGER.debug("DcmDataDictionary: Loading file: %s", path)
    return load_dictionary(paths)

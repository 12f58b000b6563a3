"""Patterns of AE titles, as files of rules have them.

Owns what a pattern is and which titles fit it. Must not know what a rule says about a title.

``*`` stands for any letters, ``?`` for any letter; upper and lower case are different, blanks
around a title do not count (PS3.5 6.2).
"""

from __future__ import annotations

from isocenter.aetitle import AE_TITLE_LENGTH, normalise
from isocenter.errors import ConfigurationError
from isocenter.logs import get_logger
from isocenter.security.hosts_patterns import fits
from isocenter.security.rule_lines import shown

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["is_title_among", "title_pattern", "warn_of_comma"]

_LOGGER = get_logger(__name__)


def is_title_among(title: str, patterns: Sequence[str]) -> bool:
    """Tell whether a title fits one of some patterns."""
    title = normalise(title)
    return any(fits(pattern, title) for pattern in patterns)


def title_pattern(value: str) -> str:
    """Return a pattern of titles.

    Raises:
        ConfigurationError: no title can fit it.
    """
    pattern = normalise(value)
    if len(pattern.replace("*", "")) > AE_TITLE_LENGTH:
        raise ConfigurationError(
            f"AE title {shown(pattern)!r} is longer than {AE_TITLE_LENGTH} letters"
        )
    if "\\" in pattern or any(ord(letter) < 0x20 for letter in pattern):
        raise ConfigurationError(f"{shown(pattern)!r} is no AE title")
    return pattern


def warn_of_comma(pattern: str, *, where: str, key: str) -> None:
    """Warn where somebody probably meant several titles: a comma is a letter of one.

    Args:
        pattern: of titles.
        where: it stands, for the log.
        key: what is given once more for another title.
    """
    if "," in pattern:
        _LOGGER.warning("%s: %r is one title; for several, give %s twice", where, pattern, key)

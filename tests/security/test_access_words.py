"""Words behind ``from=`` that are no name of a host, though they look like one."""

from __future__ import annotations

import pytest

from isocenter.errors import ConfigurationError
from isocenter.security.access_list import parse_access_list


@pytest.mark.parametrize("word", ["ALL", "all", "any", "None", "LOCAL", "KNOWN", "unknown"])
def test_word_of_other_languages_is_not_taken_for_a_host(word: str) -> None:
    """A list that denies a host called "all" would let in everybody."""
    with pytest.raises(ConfigurationError, match=r"^f, line 1, column 6: .*leave from= out"):
        parse_access_list(f"deny from={word}", "f")


@pytest.mark.parametrize("word", ["0x7f.1", "10.0.0.l.7", "*.168.1", "host.1?"])
def test_name_with_numbers_at_its_end_is_nobodys(word: str) -> None:
    with pytest.raises(ConfigurationError, match="is no address"):
        parse_access_list(f"deny from={word}", "f")


@pytest.mark.parametrize("word", ["all.example", "ct1", "*.example", "all-1", "7tesla"])
def test_name_of_a_host_is_still_one(word: str) -> None:
    (rule,) = parse_access_list(f"deny from={word}", "f").rules
    assert rule.names == (word,)

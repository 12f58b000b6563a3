"""A file of users with a colon too many: the error has nothing of a hash in it."""

from __future__ import annotations

import pytest

from isocenter.errors import ConfigurationError
from isocenter.security.users import parse_users
from tests.support.users import quick_hash


@pytest.mark.parametrize("line", ["joe::{}", "joe:x:{}", "joe:x:CT1,{}"])
def test_hash_in_the_place_of_titles_is_not_repeated(line: str) -> None:
    kept = quick_hash("secret")
    _, _, salt, digest = kept.removeprefix("$").split("$")
    with pytest.raises(ConfigurationError, match="users, line 1: ") as caught:
        parse_users(line.format(kept).encode(), "users")
    assert salt not in str(caught.value)
    assert digest not in str(caught.value)


def test_title_that_is_none_is_told_by_its_place() -> None:
    line = f"joe:{quick_hash('secret')}:CT1,MUCH_TOO_LONG_FOR_A_TITLE"
    with pytest.raises(
        ConfigurationError, match="line 1: AE title 2 behind the second colon: 1 to"
    ):
        parse_users(line.encode(), "users")

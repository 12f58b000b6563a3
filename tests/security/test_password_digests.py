"""All of a digest counts, and all of a salt."""

from __future__ import annotations

import pytest

from isocenter.record import replace
from isocenter.security.passwords import is_password, parse_hash
from tests.support.users import quick_hash


@pytest.mark.parametrize("algorithm", ["argon2id", "scrypt"])
@pytest.mark.parametrize("field", ["digest", "salt"])
def test_hash_that_differs_in_one_bit_is_that_of_another_password(
    algorithm: str, field: str
) -> None:
    kept = parse_hash(quick_hash("secret", algorithm=algorithm))
    assert is_password(kept, b"secret")
    value: bytes = getattr(kept, field)
    for place in (0, len(value) // 2, len(value) - 1):
        other = value[:place] + bytes([value[place] ^ 1]) + value[place + 1 :]
        assert not is_password(replace(kept, **{field: other}), b"secret"), place

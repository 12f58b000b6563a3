"""What somebody has to say who makes a user identity."""

from __future__ import annotations

import isocenter


def test_identity_asks_for_no_answer_where_nothing_is_said_about_it() -> None:
    identity = isocenter.UserIdentityRQ(
        user_identity_type=isocenter.UserIdentityType.USERNAME_AND_PASSCODE,
        primary_field=b"joe",
        secondary_field=b"secret",
    )
    assert identity.positive_response_requested is False
    assert (identity.primary_field, identity.secondary_field) == (b"joe", b"secret")


def test_help_of_an_identity_names_its_fields() -> None:
    text = isocenter.UserIdentityRQ.__doc__ or ""
    for name in ("user_identity_type", "positive_response", "primary_field", "secondary_field"):
        assert name in text

"""Options of TLS as data."""

from __future__ import annotations

from isocenter.net.tls_options import TlsOptions


def test_password_of_a_key_is_not_shown() -> None:
    options = TlsOptions(password="secret of the key")
    assert "secret" not in repr(options)
    assert "secret" not in f"{options}"
    assert options.password == "secret of the key"

"""A command line that fails far from its mistake says where that probably is."""

from __future__ import annotations

import pytest

from isocenter.cli.echoscu import main


@pytest.mark.parametrize("option", ["+tls", "--enable-tls"])
@pytest.mark.parametrize(
    ("more", "error"),
    [(["localhost"], "Invalid parameter value localhost"), (["h", "104"], "Too many parameters")],
)
def test_who_gave_one_file_to_enable_tls_is_told_that_it_takes_two(
    capsys: pytest.CaptureFixture[str], option: str, more: list[str], error: str
) -> None:
    assert main([option, "key.pem", "+cf", "ca.pem", *more], {}) == 1
    hint = f"({option} takes two files, the private key and the certificate)"
    assert capsys.readouterr().err.splitlines()[-1] == f"error: {error} {hint}"


@pytest.mark.parametrize(
    "words", [["+tls", "k", "c", "h"], ["+tls", "k"], ["+tls"], ["+bogus", "h", "-x"]]
)
def test_other_errors_have_no_hint(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert main(words, {}) == 1
    assert "takes two files" not in capsys.readouterr().err

"""movescu: what its receiver shares with storescp, by storescp's own tests.

Each test runs here with movescu's port: files, transfer syntaxes, TLS. tests/options.toml names
them once more; each runs again without its option and has to fail then.
"""

from __future__ import annotations

import pytest

from isocenter.cli import movescu
from isocenter.cli.exitcodes import ExitCode
from tests.cli.effects import moving, test_storescp, test_storescp_files, test_tls_acceptor
from tests.cli.effects.test_storescp import (
    folder,
    test_accept_all_accepts_each_known_syntax,
    test_implicit_accepts_nothing_else,
    test_max_pdu_is_announced,
    test_of_all_that_is_proposed_the_preferred_is_accepted,
    test_where_it_is_reached,
)
from tests.cli.effects.test_storescp_files import (
    test_bit_preserving_keeps_the_data_set_as_it_came,
    test_compression_level_0_makes_nothing_smaller,
    test_disable_new_vr_writes_bytes,
    test_durable_outlasts_a_power_cut_behind_the_answer,
    test_enable_new_vr_takes_disable_back,
    test_files_are_in_the_syntax_asked_for,
    test_group_lengths,
    test_length_explicit_takes_undefined_back,
    test_length_undefined_delimits_sequences,
    test_normal_takes_bit_preserving_back,
    test_output_directory_is_where_they_go,
    test_padding_create_fills_files_up,
    test_padding_off_takes_padding_back,
    test_uid_padding_corrects_blanks_without_a_warning,
    test_write_dataset_leaves_file_meta_out,
    test_write_file_takes_write_dataset_back,
    test_write_xfer_same_takes_a_conversion_back,
)
from tests.cli.effects.test_tls_acceptor import (
    test_add_cert_dir_trusts_what_is_in_it,
    test_add_cert_file_trusts_its_authority,
    test_add_crl_file_refuses_whom_it_names,
    test_cipher_is_used_beside_those_of_the_profile,
    test_dhparam_takes_the_place_of_the_built_in_group,
    test_disable_tls_takes_tls_back,
    test_enable_tls_serves_tls_with_the_certificate,
    test_expect_sni_refuses_other_names_and_none,
    test_ignore_peer_cert_takes_anybody,
    test_profile_aes_has_its_suite,
    test_require_peer_cert_takes_ignore_peer_cert_back,
    test_verify_peer_cert_takes_those_without_and_verifies_those_with,
)

__all__ = [
    "folder",
    "test_accept_all_accepts_each_known_syntax",
    "test_add_cert_dir_trusts_what_is_in_it",
    "test_add_cert_file_trusts_its_authority",
    "test_add_crl_file_refuses_whom_it_names",
    "test_bit_preserving_keeps_the_data_set_as_it_came",
    "test_cipher_is_used_beside_those_of_the_profile",
    "test_compression_level_0_makes_nothing_smaller",
    "test_dhparam_takes_the_place_of_the_built_in_group",
    "test_disable_new_vr_writes_bytes",
    "test_disable_tls_takes_tls_back",
    "test_durable_outlasts_a_power_cut_behind_the_answer",
    "test_enable_new_vr_takes_disable_back",
    "test_enable_tls_serves_tls_with_the_certificate",
    "test_expect_sni_refuses_other_names_and_none",
    "test_files_are_in_the_syntax_asked_for",
    "test_group_lengths",
    "test_ignore_peer_cert_takes_anybody",
    "test_implicit_accepts_nothing_else",
    "test_length_explicit_takes_undefined_back",
    "test_length_undefined_delimits_sequences",
    "test_max_pdu_is_announced",
    "test_normal_takes_bit_preserving_back",
    "test_of_all_that_is_proposed_the_preferred_is_accepted",
    "test_output_directory_is_where_they_go",
    "test_padding_create_fills_files_up",
    "test_padding_off_takes_padding_back",
    "test_profile_aes_has_its_suite",
    "test_require_peer_cert_takes_ignore_peer_cert_back",
    "test_uid_padding_corrects_blanks_without_a_warning",
    "test_verify_peer_cert_takes_those_without_and_verifies_those_with",
    "test_where_it_is_reached",
    "test_write_dataset_leaves_file_meta_out",
    "test_write_file_takes_write_dataset_back",
    "test_write_xfer_same_takes_a_conversion_back",
]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]


@pytest.fixture(autouse=True)
def tool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have movescu run in storescp's place; nobody is at the terminal."""
    for module in (test_storescp, test_storescp_files, test_tls_acceptor):
        monkeypatch.setattr(module, "serve", moving.serve)
    monkeypatch.setattr(test_tls_acceptor, "main", movescu.main)
    monkeypatch.setattr(test_tls_acceptor, "CANNOT_BEGIN", ExitCode.CANNOT_CREATE_TLS_LAYER)
    monkeypatch.setattr("isocenter.cli.tls._has_terminal", lambda: False)

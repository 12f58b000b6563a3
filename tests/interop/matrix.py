"""Which differential run shows that an option of ours does what DCMTK's does: a row each.

Test names are given as ``module::test``; modules are files of this folder, or of
tests/conformance with ``conformance/`` before them. test_matrix.py checks that every option of
the tools has a row, that each test is there, and that it gives the option to a tool.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["NOT_IN_THE_ORACLE", "OPTIONS", "REQUIREMENTS", "RULES", "Rule"]

LINES = "test_command_lines::test_the_oracle_answers_each_command_line_as_the_table_says"
_SENDER = "test_differential_sender::test_storescu_does_what_the_oracle_does"
_SENT = "test_differential_wire::test_storescu_sends_the_bytes_of_the_oracle"
_PROPOSED = "test_differential_wire::test_storescu_proposes_the_bytes_of_the_oracle"
_ECHO = "test_differential_wire::test_echoscu_sends_the_bytes_of_the_oracle"
_ECHO_LINES = "test_differential_receiver::test_echoscu_prints_what_the_oracle_prints"
_STORE_FAILS = "test_differential_failures::test_storescu_fails_as_the_oracle_does"
_ECHO_FAILS = "test_differential_failures::test_echoscu_fails_as_the_oracle_does"
_TITLES = "test_differential_titles::test_titles_lengths_and_waits_arrive_as_those_of_the_oracle"
_LOG = "test_log_config_oracle::test_options_of_the_log_do_the_same"
_LIFE = "test_differential_receiver_life::test_the_life_of_a_receiver_reads_as_that_of_the_oracle"
_NAMES = "test_differential_receiver_names::test_files_have_the_names_that_the_oracle_gives"
_FOLDERS = "test_differential_receiver_names::test_folders_have_the_names_that_the_oracle_gives"
_TESTING = (
    "test_differential_receiver_names::"
    "test_a_receiver_with_an_option_for_testing_behaves_as_the_oracle"
)
_RECEIVER = "test_differential_receiver::test_storescp_does_what_the_oracle_does"
_ANSWERS = "test_differential_wire::test_storescp_answers_with_the_bytes_of_the_oracle"
_TAKEN = "test_differential_wire::test_storescp_takes_of_every_syntax_what_the_oracle_takes"
_NORMAL = "test_normal_mode_oracle::test_both_receivers_make_the_same_of_everything"
_STUDIES = "test_studies_oracle::test_receivers_sort_and_tell_alike"
_RECEIVING = (
    "test_differential_defaults::test_defaults_that_are_given_last_are_in_force_for_both_receivers"
)
_SENDING = (
    "test_differential_defaults::test_defaults_that_are_given_last_are_in_force_for_both_senders"
)
_FIND = "test_differential_findscu::test_findscu_does_and_says_what_the_original_does"
_FIND_TLS = "test_differential_findscu::test_findscu_with_an_option_of_tls_fares_as_the_original"
_ALTERED = "test_differential_sender_alterations::"

_IDENTITY = "test_user_identity::test_storescu_identifies_with_the_bytes_of_the_oracle"

_SYNTAXES = [
    "lossless",
    "jpeg8",
    "jpeg12",
    "j2k-lossless",
    "j2k-lossy",
    "jls-lossless",
    "jls-lossy",
    "mpeg2",
    "mpeg2-high",
    "mpeg4",
    "mpeg4-bd",
    "mpeg4-2-2d",
    "mpeg4-2-3d",
    "mpeg4-2-st",
    "hevc",
    "hevc10",
    "rle",
    "deflated",
]

_TLS_OPTIONS = (
    "--disable-tls",
    "--enable-tls",
    "--std-passwd",
    "--use-passwd",
    "--null-passwd",
    "--pem-keys",
    "--der-keys",
    "--add-cert-file",
    "--add-cert-dir",
    "--add-crl-file",
    "--enable-crl-vfy",
    "--enable-crl-all",
    "--profile-bcp195-nd",
    "--profile-bcp195",
    "--profile-bcp195-ex",
    "--profile-aes",
    "--profile-null",
    "--cipher",
    "--seed",
    "--write-seed",
    "--write-seed-file",
    "--require-peer-cert",
    "--ignore-peer-cert",
)
_SUITES = {"--list-ciphers": "test_differential_tls::test_suites_of_the_oracle_are_listed"}
_TLS_CALLING = {
    **dict.fromkeys(
        _TLS_OPTIONS, "test_differential_tls::test_requestors_with_an_option_fare_alike"
    ),
    **_SUITES,
    "--anonymous-tls": "test_differential_tls::test_requestors_without_a_certificate_fare_alike",
}
_TLS_CALLED = {
    **dict.fromkeys(
        _TLS_OPTIONS, "test_differential_tls::test_acceptors_with_an_option_fare_alike"
    ),
    **_SUITES,
    "--null-passwd": "test_differential_tls::test_tools_that_cannot_begin_say_the_same",
    "--verify-peer-cert": (
        "test_differential_tls::test_acceptors_take_the_same_callers_without_a_certificate"
    ),
    "--dhparam": (
        "test_differential_tls::test_acceptors_warn_alike_of_parameters_that_cannot_be_read"
    ),
}
_ANY_TLS = (
    "--disable-tls",
    "--enable-tls",
    "--std-passwd",
    "--use-passwd",
    "--null-passwd",
    "--pem-keys",
    "--der-keys",
    "--add-cert-file",
    "--add-cert-dir",
    "--add-crl-file",
    "--enable-crl-vfy",
    "--enable-crl-all",
    "--list-profiles",
    "--profile-8996",
    "--profile-8996-mod",
    "--profile-bcp195-nd",
    "--profile-bcp195",
    "--profile-bcp195-ex",
    "--profile-basic",
    "--profile-aes",
    "--profile-null",
    "--list-ciphers",
    "--cipher",
    "--no-sni",
    "--seed",
    "--write-seed",
    "--write-seed-file",
    "--require-peer-cert",
    "--ignore-peer-cert",
)
"""Options for TLS of requestors and acceptors alike."""

_RETRIEVE = "test_differential_retrieve::"
_GETS = _RETRIEVE + "test_getscu_says_and_writes_what_the_original_does"
_MOVES = _RETRIEVE + "test_movescu_says_and_writes_what_the_original_does"
_GET_WIRE = "test_differential_retrieve_wire::test_getscu_sends_what_the_original_sends"
_MOVE_WIRE = "test_differential_retrieve_wire::test_movescu_sends_what_the_original_sends"
_UNCOMPRESSED = ("--prefer-uncompr", "--prefer-little", "--prefer-big")
_ASKING = (
    "--key",
    "--patient",
    "--study",
    "--psonly",
    "--aetitle",
    "--call",
    "--propose-uncompr",
    "--propose-little",
    "--propose-big",
    "--propose-deflated",
    "--timeout",
    "--acse-timeout",
    "--dimse-timeout",
    "--max-pdu",
    "--repeat",
    "--abort",
)
"""Options of both retrieving tools that show in what they send."""

_TLS_SINCE = {
    "--list-profiles",
    "--profile-8996",
    "--profile-8996-mod",
    "--profile-basic",  # Debian's OpenSSL has no 3DES
    "--no-sni",
}

_TLS_DCMRECV = {
    **dict.fromkeys(
        _TLS_OPTIONS,
        "test_differential_dcmrecv_tls::test_dcmrecv_with_an_option_fares_as_the_oracle",
    ),
    "--list-ciphers": "test_differential_dcmrecv_tls::test_suites_of_the_oracle_are_listed",
    "--null-passwd": (
        "test_differential_dcmrecv_tls::test_dcmrecv_that_cannot_begin_says_the_same"
    ),
    "--verify-peer-cert": (
        "test_differential_dcmrecv_tls::test_callers_without_a_certificate_fare_alike"
    ),
    "--dhparam": (
        "test_differential_dcmrecv_tls::test_parameters_that_cannot_be_read_are_warned_of_alike"
    ),
}
_DCMSEND = "test_differential_dcmsend::"
_DCMRECV = "test_differential_dcmrecv::"
_LIVES = _DCMRECV + "test_dcmrecv_does_what_the_oracle_does"
_CALLED = _DCMRECV + "test_files_have_the_names_that_the_oracle_gives"
_BEGINS = _DCMRECV + "test_what_cannot_begin_ends_as_the_oracle_does"

_EVERYWHERE = {
    "--help": LINES,
    "--version": LINES,
    "--arguments": "test_cli_grammar_oracle::test_expanded_command_line_is_shown_as_by_dcmtk",
    "--log-level": LINES,
    "--log-config": _LOG,
}

OPTIONS: dict[str, dict[str, str]] = {
    "dcmsend": {
        **_EVERYWHERE,
        "--arguments": _DCMSEND + "test_the_command_line_is_shown_as_by_the_oracle",
        "--log-config": _DCMSEND + "test_the_log_goes_where_the_file_says",
        "--list-decoders": _DCMSEND + "test_decoders_of_the_oracle_are_listed",
        **dict.fromkeys(
            ("--quiet", "--verbose", "--debug", "--verbose-pc"),
            _DCMSEND + "test_dumps_read_as_those_of_the_oracle",
        ),
        **dict.fromkeys(
            (
                "--read-file",
                "--read-file-only",
                "--read-dataset",
                "--read-from-dicomdir",
                "--scan-directories",
                "--scan-pattern",
                "--no-recurse",
                "--recurse",
                "--decompress-never",
                "--decompress-lossless",
                "--decompress-lossy",
                "--compression-level",
                "--no-halt",
                "--no-illegal-proposal",
                "--no-uid-checks",
                "--multi-associations",
                "--single-association",
                "--create-report-file",
            ),
            _DCMSEND + "test_both_send_the_same_and_say_so",
        ),
        **dict.fromkeys(
            ("--aetitle", "--call", "--max-pdu", "--max-send-pdu"),
            _DCMSEND + "test_titles_and_lengths_arrive_as_those_of_the_oracle",
        ),
        "--timeout": _DCMSEND + "test_a_connection_that_is_not_answered_is_given_up_alike",
        "--acse-timeout": _DCMSEND + "test_both_fail_alike",
        "--dimse-timeout": _DCMSEND + "test_both_fail_alike",
    },
    "dcmrecv": {
        **_EVERYWHERE,
        **_TLS_DCMRECV,
        "--arguments": _DCMRECV + "test_the_command_line_is_shown_as_by_the_oracle",
        "--log-config": _DCMRECV + "test_the_log_goes_where_the_file_says",
        "--quiet": _LIVES,
        "--verbose": _LIVES,
        "--debug": _LIVES,
        "--verbose-pc": _LIVES,
        "--config-file": _BEGINS,
        "--use-called-aetitle": _LIVES,
        "--acse-timeout": _LIVES,
        "--dimse-timeout": _LIVES,
        "--max-pdu": _LIVES,
        "--disable-host-lookup": _LIVES,
        "--output-directory": _BEGINS,
        "--no-subdir": _DCMRECV + "test_directories_that_were_removed_are_made_again",
        "--series-date-subdir": _DCMRECV + "test_folders_are_those_of_the_oracle",
        "--default-filenames": _CALLED,
        "--unique-filenames": _CALLED,
        "--short-unique-names": _CALLED,
        "--system-time-names": _CALLED,
        "--filename-extension": _CALLED,
        "--normal": "test_differential_dcmrecv_files::"
        "test_file_meta_has_the_elements_of_the_oracle",
        "--bit-preserving": _LIVES,
        "--ignore": _LIVES,
    },
    "storescu": {
        **_EVERYWHERE,
        **_TLS_CALLING,
        "--quiet": _SENDER,
        "--verbose": _SENDER,
        "--debug": "test_differential_failures::test_dumps_of_a_failure_are_those_of_the_oracle",
        "--verbose-pc": LINES,
        "--read-file": _ALTERED + "test_storescu_takes_data_sets_alone_as_the_oracle_does",
        "--read-file-only": _SENDER,
        "--read-dataset": _ALTERED + "test_storescu_takes_data_sets_alone_as_the_oracle_does",
        "--scan-directories": _SENDER,
        "--scan-pattern": _SENDER,
        "--no-recurse": _SENDING,
        "--recurse": _SENDER,
        "--no-rename": _ALTERED + "test_storescu_renames_as_the_oracle_does",
        "--rename": _ALTERED + "test_storescu_renames_as_the_oracle_does",
        "--aetitle": _TITLES,
        "--call": _TITLES,
        "--config-file": "test_profiles::test_storescu_proposes_what_the_oracle_proposes",
        "--propose-uncompr": _PROPOSED,
        "--propose-little": _PROPOSED,
        "--propose-big": _PROPOSED,
        "--propose-implicit": _PROPOSED,
        **{f"--propose-{name}": _PROPOSED for name in _SYNTAXES},
        "--required": _PROPOSED,
        "--combine": _PROPOSED,
        "--enable-new-vr": _ALTERED + "test_storescu_writes_new_vrs_as_the_oracle_does",
        "--disable-new-vr": _ALTERED + "test_storescu_writes_new_vrs_as_the_oracle_does",
        "--compression-level": "test_profiles::"
        "test_compression_level_holds_for_a_deflated_context_of_a_profile",
        "--user": _IDENTITY,
        "--password": _IDENTITY,
        "--empty-password": _IDENTITY,
        "--kerberos": _IDENTITY,
        "--saml": _IDENTITY,
        "--jwt": _IDENTITY,
        "--pos-response": _IDENTITY,
        "--timeout": _TITLES,
        "--socket-timeout": _STORE_FAILS,
        "--acse-timeout": _STORE_FAILS,
        "--dimse-timeout": _STORE_FAILS,
        "--max-pdu": _TITLES,
        "--max-send-pdu": _SENT,
        "--repeat": _SENT,
        "--abort": _SENT,
        "--no-halt": _SENT,
        "--uid-padding": _ALTERED
        + "test_storescu_leaves_the_blanks_of_uids_out_as_the_oracle_does",
        "--invent-instance": _ALTERED + "test_storescu_makes_up_identities_as_the_oracle_does",
        "--invent-series": _ALTERED + "test_storescu_makes_up_identities_as_the_oracle_does",
        "--invent-study": _ALTERED + "test_storescu_makes_up_identities_as_the_oracle_does",
        "--invent-patient": _ALTERED + "test_storescu_makes_up_identities_as_the_oracle_does",
    },
    "getscu": {
        **_EVERYWHERE,
        "--arguments": _RETRIEVE + "test_command_line_and_contexts_are_shown_as_by_the_original",
        "--verbose-pc": _RETRIEVE + "test_command_line_and_contexts_are_shown_as_by_the_original",
        "--log-config": _RETRIEVE
        + "test_log_goes_where_the_file_says_under_the_names_of_the_original",
        "--quiet": _RETRIEVE + "test_levels_of_the_log_are_those_of_the_original",
        "--verbose": _RETRIEVE + "test_levels_of_the_log_are_those_of_the_original",
        "--debug": _RETRIEVE + "test_getscu_dumps_messages_as_the_original_does",
        **dict.fromkeys(
            ("--output-directory", "--implicit", "--propose-implicit", "--normal"), LINES
        ),
        **dict.fromkeys(("--bit-preserving", "--ignore"), _GETS),
        **dict.fromkeys(_ASKING, _GET_WIRE),
        **dict.fromkeys(_UNCOMPRESSED, _GET_WIRE),
        **{f"--prefer-{name}": _GET_WIRE for name in _SYNTAXES},
    },
    "movescu": {
        **_EVERYWHERE,
        "--arguments": _RETRIEVE + "test_command_line_and_contexts_are_shown_as_by_the_original",
        "--log-config": _RETRIEVE
        + "test_log_goes_where_the_file_says_under_the_names_of_the_original",
        "--quiet": _RETRIEVE + "test_levels_of_the_log_are_those_of_the_original",
        "--verbose": _RETRIEVE + "test_levels_of_the_log_are_those_of_the_original",
        "--cancel": _RETRIEVE + "test_movescu_cancels_as_the_original_does",
        **dict.fromkeys(
            (
                "--debug",
                "--output-directory",
                "--disable-host-lookup",
                "--uid-padding",
                "--normal",
                "--write-file",
                "--write-xfer-same",
                "--write-xfer-little",
                "--enable-new-vr",
                "--group-length-recalc",
                "--length-explicit",
                "--padding-off",
                "--padding-create",
                "--prefer-uncompr",
                "--prefer-little",
                *(f"--prefer-{name}" for name in _SYNTAXES if name != "deflated"),
            ),
            LINES,
        ),
        **dict.fromkeys(
            (
                "--port",
                "--ignore",
                "--bit-preserving",
                "--write-dataset",
                "--write-xfer-big",
                "--write-xfer-implicit",
                "--write-xfer-deflated",
                "--disable-new-vr",
                "--group-length-create",
                "--group-length-remove",
                "--length-undefined",
                "--compression-level",
                "--prefer-big",
                "--prefer-deflated",
                "--implicit",
                "--accept-all",
            ),
            _MOVES,
        ),
        **dict.fromkeys(
            (*_ASKING, "--move", "--no-port", "--pending-ignore", "--pending-read"), _MOVE_WIRE
        ),
        "--propose-implicit": _MOVE_WIRE,
    },
    "findscu": {
        **_EVERYWHERE,
        **dict.fromkeys(_TLS_OPTIONS, _FIND_TLS),
        **_SUITES,
        "--quiet": _FIND,
        "--verbose": _FIND,
        "--debug": _FIND,
        "--key": _FIND,
        "--worklist": _FIND,
        "--patient": _FIND,
        "--study": _FIND,
        "--psonly": _FIND,
        "--aetitle": _FIND,
        "--call": _FIND,
        "--enable-new-vr": LINES,
        "--disable-new-vr": LINES,
        "--propose-uncompr": LINES,
        "--propose-little": _FIND,
        "--propose-big": _FIND,
        "--propose-deflated": _FIND,
        "--propose-implicit": _FIND,
        "--compression-level": _FIND,
        "--timeout": _FIND,
        "--socket-timeout": _FIND,
        "--acse-timeout": LINES,
        "--dimse-timeout": _FIND,
        "--max-pdu": _FIND,
        "--repeat": _FIND,
        "--abort": _FIND,
        "--cancel": _FIND,
        "--anonymous-tls": LINES,
        "--output-directory": _FIND,
        "--enable-correction": _FIND,
        "--disable-correction": _FIND,
        "--show-responses": _FIND,
        "--hide-responses": _FIND,
        "--extract": _FIND,
        "--extract-xml": _FIND,
        "--extract-xml-single": _FIND,
        "--limit-output": _FIND,
    },
    "echoscu": {
        **_EVERYWHERE,
        **_TLS_CALLING,
        "--quiet": LINES,
        "--verbose": _ECHO_LINES,
        "--debug": "test_differential_failures::test_dumps_of_a_failure_are_those_of_the_oracle",
        "--aetitle": _TITLES,
        "--call": _TITLES,
        "--propose-ts": _ECHO,
        "--propose-pc": _ECHO,
        "--timeout": _TITLES,
        "--socket-timeout": _ECHO_FAILS,
        "--acse-timeout": _ECHO_FAILS,
        "--dimse-timeout": _ECHO_FAILS,
        "--max-pdu": _ECHO,
        "--repeat": _ECHO,
        "--abort": _ECHO,
    },
    "storescp": {
        **_EVERYWHERE,
        **_TLS_CALLED,
        "--quiet": _RECEIVER,
        "--verbose": _LIFE,
        "--debug": _LIFE,
        "--verbose-pc": _LIFE,
        "--single-process": _RECEIVING,
        "--fork": _NAMES,
        "--config-file": "test_profiles::test_storescp_accepts_what_the_oracle_accepts",
        "--prefer-uncompr": _TAKEN,
        "--prefer-little": _TAKEN,
        "--prefer-big": _TAKEN,
        "--implicit": _TAKEN,
        **{f"--prefer-{name}": _TAKEN for name in _SYNTAXES},
        "--accept-all": "test_differential_wire::"
        "test_storescp_prefers_with_accept_all_what_the_oracle_prefers",
        "--access-full": "test_differential_access::test_both_let_in_the_same_hosts",
        "--access-control": "test_differential_access::test_both_let_in_the_same_hosts",
        "--inetd": "test_differential_inetd::test_both_do_the_same",
        "--socket-timeout": "test_differential_receiver_life::"
        "test_an_idle_association_ends_after_the_socket_timeout_as_with_the_oracle",
        "--acse-timeout": "test_differential_receiver_life::"
        "test_a_peer_that_sends_nothing_is_let_go_after_the_acse_timeout",
        "--dimse-timeout": "test_differential_receiver_life::"
        "test_an_idle_association_ends_after_the_socket_timeout_as_with_the_oracle",
        "--aetitle": _RECEIVER,
        "--max-pdu": _ANSWERS,
        "--disable-host-lookup": _STUDIES,
        "--refuse": _ANSWERS,
        "--reject": _ANSWERS,
        "--ignore": _NAMES,
        "--sleep-after": "test_differential_receiver::"
        "test_storescp_sleeps_after_each_object_as_the_oracle_does",
        "--sleep-during": "test_differential_receiver::"
        "test_storescp_sleeps_during_an_object_as_the_oracle_does",
        "--abort-after": _TESTING,
        "--abort-during": _TESTING,
        "--promiscuous": "test_differential_wire::"
        "test_storescp_takes_the_classes_that_the_oracle_takes",
        "--uid-padding": _NORMAL,
        "--output-directory": "test_differential_receiver::"
        "test_storescp_that_cannot_start_says_so_as_the_oracle_does",
        "--normal": _RECEIVING,
        "--bit-preserving": _NAMES,
        "--write-file": _RECEIVING,
        "--write-dataset": _NAMES,
        "--write-xfer-same": _RECEIVING,
        "--write-xfer-little": _NORMAL,
        "--write-xfer-big": _NORMAL,
        "--write-xfer-implicit": _NORMAL,
        "--write-xfer-deflated": _NORMAL,
        "--enable-new-vr": _RECEIVING,
        "--disable-new-vr": _NORMAL,
        "--group-length-recalc": _RECEIVING,
        "--group-length-create": _NORMAL,
        "--group-length-remove": _NORMAL,
        "--length-explicit": _RECEIVING,
        "--length-undefined": _NORMAL,
        "--padding-off": _RECEIVING,
        "--padding-create": _NORMAL,
        "--retain-un": _RECEIVING,
        "--convert-un": _NORMAL,
        "--compression-level": _NORMAL,
        "--sort-conc-studies": _FOLDERS,
        "--sort-on-study-uid": _FOLDERS,
        "--sort-on-patientname": _FOLDERS,
        "--default-filenames": _NAMES,
        "--unique-filenames": _NAMES,
        "--timenames": _NAMES,
        "--filename-extension": _NAMES,
        "--exec-on-reception": _STUDIES,
        "--exec-on-eostudy": _STUDIES,
        "--rename-on-eostudy": _STUDIES,
        "--eostudy-timeout": _STUDIES,
        "--exec-sync": _STUDIES,
    },
}
"""Tool and long option to the test that gives it to both tools."""

NOT_IN_THE_ORACLE = {
    "dcmsend": {"--ipv4", "--ipv6", "--ip-auto"},
    "dcmrecv": {
        "--ipv4",
        "--ipv6",
        "--ip-auto",
        "--aetitle",  # of 3.6.7 it checks nothing
        "--expect-sni",
        *_TLS_SINCE,
    },
    "storescu": {"--ipv4", "--ipv6", "--ip-auto", "--request-sni", *_TLS_SINCE},
    # Of release 3.6.7 neither speaks TLS.
    "getscu": {"--ipv4", "--ipv6", "--ip-auto", *_ANY_TLS, "--anonymous-tls", "--request-sni"},
    "movescu": {
        "--ipv4",
        "--ipv6",
        "--ip-auto",
        *_ANY_TLS,
        "--request-sni",
        "--expect-sni",
        "--dhparam",
        "--verify-peer-cert",
    },
    "findscu": {"--ipv4", "--ipv6", "--ip-auto", "--request-sni", *_TLS_SINCE},
    "echoscu": {
        "--ipv4",
        "--ipv6",
        "--ip-auto",
        "--request-sni",
        "--verify-cert",
        "--is-root-cert",
        *_TLS_SINCE,
    },
    "storescp": {
        "--ipv4",
        "--ipv6",
        "--ip-auto",
        "--max-associations",
        "--expect-sni",
        *_TLS_SINCE,
    },
}
"""Options of 3.6.8, 3.6.9 and 3.7.0: no run of 3.6.7 can show them; tests/options.toml has ours."""


class Rule(NamedTuple):
    """Something that DCMTK's tools do: where it is written down, and the run that shows it."""

    what: str
    source: str
    test: str


_SORTING = "--sort-conc-studies, --sort-on-study-uid"
_ENDING = "--exec-on-eostudy or --rename-on-eostudy"

_STACK = "--enable-tls or --anonymous-tls"
_DEPENDENT = tuple(
    name
    for name in (*_TLS_OPTIONS, "--profile-8996", "--profile-8996-mod", "--profile-basic")
    if name not in {"--disable-tls", "--enable-tls", "--write-seed", "--write-seed-file"}
    and not name.endswith("-passwd")
)


def _tls_rules(stack: str, name: str, *more: str) -> tuple[str, ...]:
    """Return what an option for TLS needs, with `name` for the one about a server's name."""
    return (
        *(
            f"{option} only allowed with {stack}"
            for option in (*_DEPENDENT, "--write-seed", "--write-seed-file", name, "--no-sni")
        ),
        *(f"{option} only allowed with {stack}" for option in more),
        *(f"--{option}-passwd only allowed with --enable-tls" for option in ("std", "use", "null")),
        "--write-seed only allowed with --seed",
        "--write-seed-file only allowed with --seed",
        "--cipher not allowed with --profile-bcp195-ex",
        f"--no-sni not allowed with {name}",
    )


REQUIREMENTS: dict[str, tuple[str, ...]] = {
    "dcmsend": (
        "--verbose-pc only allowed with verbose mode",
        "--scan-pattern only allowed with --scan-directories",
        "--recurse only allowed with --scan-directories",
        "--log-level not allowed with --verbose, --debug or --quiet",
        "--log-config not allowed with --verbose, --debug or --quiet",
        "--log-config not allowed with --log-level",
    ),
    "dcmrecv": (
        "--verbose-pc only allowed with verbose mode",
        "--log-level not allowed with --verbose, --debug or --quiet",
        "--bit-preserving not allowed with --series-date-subdir",
        *_tls_rules("--enable-tls", "--expect-sni", "--dhparam", "--verify-peer-cert"),
    ),
    "storescu": (
        "--verbose-pc only allowed with verbose mode",
        "--scan-pattern only allowed with --scan-directories",
        "--recurse only allowed with --scan-directories",
        "--compression-level only allowed with --propose-deflated or --config-file",
        "--log-level not allowed with --verbose, --debug or --quiet",
        "--log-config not allowed with --verbose, --debug or --quiet",
        "--log-config not allowed with --log-level",
        "--password only allowed with --user",
        "--empty-password only allowed with --user",
        "--pos-response only allowed with --user, --kerberos, --saml or --jwt",
        "--config-file not allowed with --required",
        "--config-file not allowed with --combine",
        "--config-file not allowed with --propose-little",
        "--config-file not allowed with --propose-big",
        "--config-file not allowed with --propose-implicit",
        *(f"--config-file not allowed with --propose-{name}" for name in _SYNTAXES),
        *_tls_rules(_STACK, "--request-sni"),
    ),
    "findscu": (
        "--log-level not allowed with --verbose, --debug or --quiet",
        "--log-config not allowed with --verbose, --debug or --quiet",
        "--compression-level only allowed with --propose-deflated",
        ("--limit-output only allowed with --extract, --extract-xml or --extract-xml-single"),
        *_tls_rules(_STACK, "--request-sni"),
    ),
    "getscu": (
        "--verbose-pc only allowed with verbose mode",
        "--output-directory not allowed with --ignore",
        "--bit-preserving not allowed with --ignore",
        "--normal not allowed with --ignore",
        "--log-level not allowed with --verbose, --debug or --quiet",
        "--log-config not allowed with --verbose, --debug or --quiet",
        *_tls_rules(_STACK, "--request-sni"),
    ),
    "movescu": (
        "--output-directory only allowed with --port",
        "--log-level not allowed with --verbose, --debug or --quiet",
        "--log-config not allowed with --verbose, --debug or --quiet",
        *(
            f"--write-xfer-{written} not allowed with --{other}"
            for written in ("little", "big", "implicit", "deflated")
            for other in (
                "accept-all",
                "bit-preserving",
                *(f"prefer-{name}" for name in _SYNTAXES if name != "deflated"),
            )
        ),
        *(
            f"--{option} not allowed with --bit-preserving"
            for option in (
                "enable-new-vr",
                "disable-new-vr",
                "group-length-recalc",
                "group-length-create",
                "group-length-remove",
                "length-explicit",
                "length-undefined",
                "padding-create",
            )
        ),
        "--padding-create not allowed with --write-dataset",
        (
            "--compression-level only allowed with --propose-deflated, --write-xfer-deflated or "
            "--write-xfer-same"
        ),
        *_tls_rules("--enable-tls", "--request-sni", "--dhparam", "--verify-peer-cert"),
        "--expect-sni only allowed with --enable-tls",
        "--no-sni not allowed with --expect-sni",
    ),
    "echoscu": (
        "--log-level not allowed with --verbose, --debug or --quiet",
        "--log-config not allowed with --verbose, --debug or --quiet",
        *_tls_rules(_STACK, "--request-sni"),
    ),
    "storescp": (
        "--verbose-pc only allowed with verbose mode",
        "--max-associations only allowed with --fork",
        "--log-level not allowed with --verbose, --debug or --quiet",
        *(f"--config-file not allowed with --prefer-{name}" for name in _SYNTAXES),
        "--config-file not allowed with --prefer-little",
        "--config-file not allowed with --prefer-big",
        "--config-file not allowed with --implicit",
        "--config-file not allowed with --accept-all",
        "--config-file not allowed with --promiscuous",
        *(
            f"--write-xfer-{written} not allowed with --{other}"
            for written in ("little", "big", "implicit", "deflated")
            for other in (
                "accept-all",
                "bit-preserving",
                *(f"prefer-{name}" for name in _SYNTAXES if name != "deflated"),
            )
        ),
        *(
            f"--{option} not allowed with --bit-preserving"
            for option in (
                "enable-new-vr",
                "disable-new-vr",
                "group-length-recalc",
                "group-length-create",
                "group-length-remove",
                "length-explicit",
                "length-undefined",
                "padding-create",
                "sort-conc-studies",
                "sort-on-study-uid",
                "sort-on-patientname",
            )
        ),
        "--padding-create not allowed with --write-dataset",
        "--timenames not allowed with --unique-filenames",
        "--exec-on-eostudy not allowed with --fork",
        "--rename-on-eostudy not allowed with --fork",
        f"--exec-on-eostudy only allowed with {_SORTING} or --sort-on-patientname",
        f"--rename-on-eostudy only allowed with {_SORTING} or --sort-on-patientname",
        f"--eostudy-timeout only allowed with {_SORTING}, --sort-on-patientname, {_ENDING}",
        "--compression-level only allowed with --write-xfer-deflated or --write-xfer-same",
        *_tls_rules("--enable-tls", "--expect-sni", "--dhparam", "--verify-peer-cert"),
    ),
}
"""Every documented conflict and requirement; each has a line in the table of command lines."""

_L = "test_differential_receiver_life::"
RULES = (
    Rule("grammar of command lines and command files", "1.1, 1.2", LINES),
    Rule(
        "progress dots of storescu",
        "1.4",
        "test_differential_sender::test_storescu_shows_its_progress_as_the_oracle_does",
    ),
    Rule(
        "progress dots of storescp",
        "1.4",
        _L + "test_progress_is_a_dot_for_each_pdv_where_the_oracle_shows_one",
    ),
    Rule("dumps of associations and messages", "1.5, 1.6", _LIFE),
    Rule("status texts", "1.6", _STORE_FAILS),
    Rule(
        "environment",
        "1.7",
        "test_differential_environment::test_both_tools_convert_private_attributes_by_a_dictionary",
    ),
    Rule("titles cut to 16 bytes, even PDU lengths", "1.8", _TITLES),
    Rule("refused contexts carry implicit VR, titles are echoed", "1.8", _ANSWERS),
    Rule(
        "directory and port that cannot be used",
        "3.1",
        "test_differential_receiver::test_storescp_that_cannot_start_says_so_as_the_oracle_does",
    ),
    Rule(
        "privileged port",
        "3.1",
        _L + "test_a_port_for_the_privileged_is_refused_to_others_as_by_the_oracle",
    ),
    Rule("lines of an association", "3.2", _LIFE),
    Rule("rejections, byte for byte", "3.3", _ANSWERS),
    Rule(
        "blank titles, no context",
        "3.3",
        _L + "test_a_blank_title_and_no_context_are_answered_by_ours_alone",
    ),
    Rule(
        "classes that are accepted: storage, retired, draft, private, others",
        "3.4, 3.7",
        "test_differential_wire::test_storescp_takes_the_classes_that_the_oracle_takes",
    ),
    Rule("order of transfer syntaxes", "3.4", _TAKEN),
    Rule(
        "objects that are not what their request says",
        "3.5",
        _L + "test_what_is_refused_is_kept_by_the_oracle_and_not_by_ours",
    ),
    Rule(
        "a name that cannot be written",
        "3.5",
        _L + "test_a_name_that_cannot_be_written_is_answered_as_by_the_oracle",
    ),
    Rule("file names", "3.6", _NAMES),
    Rule(
        "prefixes of modalities",
        "3.7",
        "test_differential_receiver::test_storescp_names_files_with_the_prefixes_of_the_oracle",
    ),
    Rule("contents of files", "3.8", _NORMAL),
    Rule("folders of studies", "3.9", _FOLDERS),
    Rule("end of study, commands", "3.10, 3.11", _STUDIES),
    Rule(
        "idle and silent peers",
        "3.12",
        _L + "test_a_peer_that_sends_nothing_is_let_go_after_the_acse_timeout",
    ),
    Rule("failures of storescu and their exit codes", "5.1, 5.4, 2.8", _STORE_FAILS),
    Rule(
        "order of input files",
        "5.2",
        "test_differential_inputs::test_the_same_files_are_sent_in_the_same_order",
    ),
    Rule("proposal", "5.3", _PROPOSED),
    Rule(
        "choice of a context, conversion",
        "5.3",
        _ALTERED + "test_storescu_converts_to_what_the_oracle_converts_to",
    ),
    Rule("renaming", "5.5", _ALTERED + "test_storescu_renames_as_the_oracle_does"),
    Rule("repetition, abort, invented identities", "5.6", _SENT),
    Rule("user identity: what is sent", "5.7", _IDENTITY),
    Rule(
        "user identity: answers and files that are missing",
        "5.7",
        "test_user_identity::test_storescu_fails_over_an_identity_as_the_oracle_does",
    ),
    Rule("timeouts of storescu", "5.8", _STORE_FAILS),
    Rule(
        "TLS: keys, certificates and suites that cannot be used",
        "10.1, 3.1",
        "test_differential_tls::test_tools_that_cannot_begin_say_the_same",
    ),
    Rule(
        "TLS: versions and suites of the profiles",
        "10.2",
        "test_tls_dcmtk::test_objects_arrive_and_the_profile_decides_version_and_suite",
    ),
    Rule(
        "TLS: each version of each profile, as OpenSSL's program sees it",
        "10.2",
        "test_tls_openssl::test_an_acceptor_takes_the_versions_of_its_profile_and_the_best_suite",
    ),
    Rule(
        "TLS: who has to show a certificate",
        "10.1",
        "test_tls_dcmtk::test_the_acceptor_decides_who_has_to_show_a_certificate",
    ),
    Rule(
        "TLS: handshakes that are refused",
        "10.1",
        "test_tls_refusals::test_a_handshake_is_refused_by_the_same_side_in_the_same_words",
    ),
    Rule("echoscu: what is sent", "companion 2.1", _ECHO),
    Rule("echoscu: lines", "companion 2.2", _ECHO_LINES),
    Rule("echoscu: failures and exit codes", "companion 1.2, 2.4", _ECHO_FAILS),
)
"""What dcmtk-facts and companion-facts say besides options, and the run that shows it."""

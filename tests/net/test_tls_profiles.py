"""Security profiles: suites in order, versions, what may be added (PS3.15 annex B, RFC 9325)."""

from __future__ import annotations

import shutil
import ssl
import subprocess

import pytest

from isocenter.errors import TlsConfigurationError
from isocenter.net.tls_options import DEFAULT_PROFILE
from isocenter.net.tls_profiles import (
    CIPHER_SUITES,
    PROFILES,
    TLS13_DEFAULT_SUITES,
    TLS13_SUITES,
    added_suites,
    available_suites,
    profile_named,
)
from tests.net.tls_pairs import Warnings, no_warning

WITHOUT_DOWNGRADE = [
    "ECDHE-RSA-AES256-GCM-SHA384",
    "DHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "DHE-RSA-AES128-GCM-SHA256",
]

# Name, title, versions, OpenSSL's names of the suites in order.
EXPECTED = [
    (
        "bcp195-rfc8996",
        "BCP 195 RFC 8996 TLS Profile (default)",
        ("1.2", "1.3"),
        [
            "ECDHE-ECDSA-AES256-GCM-SHA384",
            "ECDHE-RSA-AES256-GCM-SHA384",
            "ECDHE-ECDSA-AES128-GCM-SHA256",
            "ECDHE-RSA-AES128-GCM-SHA256",
        ],
    ),
    (
        "bcp195-rfc8996-modified",
        "Modified BCP 195 RFC 8996 TLS Profile",
        ("1.2", "1.3"),
        [
            "ECDHE-ECDSA-AES256-GCM-SHA384",
            "ECDHE-RSA-AES256-GCM-SHA384",
            "ECDHE-ECDSA-AES256-CCM",
            "ECDHE-ECDSA-AES256-CCM8",
            "ECDHE-ECDSA-CHACHA20-POLY1305",
            "ECDHE-RSA-CHACHA20-POLY1305",
            "ECDHE-ECDSA-CAMELLIA256-GCM-SHA384",
            "ECDHE-RSA-CAMELLIA256-GCM-SHA384",
            "ECDHE-ECDSA-AES128-GCM-SHA256",
            "ECDHE-RSA-AES128-GCM-SHA256",
            "ECDHE-ECDSA-AES128-CCM",
            "ECDHE-ECDSA-AES128-CCM8",
            "ECDHE-ECDSA-CAMELLIA128-GCM-SHA256",
            "ECDHE-RSA-CAMELLIA128-GCM-SHA256",
        ],
    ),
    (
        "bcp195-nd",
        "Non-downgrading BCP 195 TLS Profile (retired)",
        ("1.2", "1.3"),
        WITHOUT_DOWNGRADE,
    ),
    (
        "bcp195",
        "BCP 195 TLS Profile (retired)",
        ("1.0", "1.3"),
        [*WITHOUT_DOWNGRADE, "AES128-SHA", "DES-CBC3-SHA"],
    ),
    (
        "bcp195-extended",
        "Extended BCP 195 TLS Profile (retired)",
        ("1.2", "1.2"),
        [
            "ECDHE-ECDSA-AES256-GCM-SHA384",
            "ECDHE-RSA-AES256-GCM-SHA384",
            "DHE-RSA-AES256-GCM-SHA384",
            "ECDHE-ECDSA-AES128-GCM-SHA256",
            "ECDHE-RSA-AES128-GCM-SHA256",
            "DHE-RSA-AES128-GCM-SHA256",
        ],
    ),
    (
        "basic",
        "Basic TLS Secure Transport Connection Profile (retired)",
        ("1.0", "1.2"),
        ["DES-CBC3-SHA"],
    ),
    (
        "aes",
        "AES TLS Secure Transport Connection Profile (retired)",
        ("1.0", "1.2"),
        ["AES128-SHA", "DES-CBC3-SHA"],
    ),
    ("null", "Authenticated unencrypted communication (retired)", ("1.0", "1.2"), ["NULL-SHA"]),
]

# The suites of --list-ciphers with OpenSSL 3.0, in order, and those that 3.7.0 knows besides.
PLAIN_LIST = [
    "TLS_RSA_WITH_NULL_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_DHE_DSS_WITH_AES_128_CBC_SHA",
    "TLS_DHE_DSS_WITH_CAMELLIA_128_CBC_SHA",
    "TLS_DHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_DHE_RSA_WITH_CAMELLIA_128_CBC_SHA",
    "TLS_DHE_DSS_WITH_AES_128_CBC_SHA256",
    "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_DHE_DSS_WITH_AES_128_GCM_SHA256",
    "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CCM",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_DHE_DSS_WITH_AES_256_CBC_SHA",
    "TLS_DHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_DHE_DSS_WITH_CAMELLIA_256_CBC_SHA",
    "TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA",
    "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_DHE_DSS_WITH_AES_256_CBC_SHA256",
    "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256",
    "TLS_DHE_DSS_WITH_AES_256_GCM_SHA384",
    "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CCM",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
]

PG = PROFILES["bcp195-rfc8996"]
PX = PROFILES["bcp195"]


@pytest.mark.parametrize(("name", "title", "versions", "suites"), EXPECTED)
def test_profile_has_its_versions_and_suites_in_order(
    name: str, title: str, versions: tuple[str, str], suites: list[str]
) -> None:
    profile = PROFILES[name]
    assert profile.title == title
    assert profile.name == title.removesuffix(" (default)").removesuffix(" (retired)")
    assert (profile.minimum, profile.maximum) == versions
    assert [CIPHER_SUITES[suite] for suite in profile.suites] == suites
    assert bool(profile.tls13_suites) == (versions[1] == "1.3")


def test_profiles_stand_in_the_order_of_the_options() -> None:
    assert list(PROFILES) == [name for name, *_ in EXPECTED]
    assert next(iter(PROFILES)) == DEFAULT_PROFILE


def test_only_the_profiles_of_rfc_8996_have_rules_for_keys() -> None:
    ruled = {name for name, profile in PROFILES.items() if profile.minimum_rsa}
    assert ruled == {"bcp195-rfc8996", "bcp195-rfc8996-modified"}
    assert {name for name, one in PROFILES.items() if one.refuses_dsa} == ruled
    assert {name for name, one in PROFILES.items() if one.security_level == 2} == ruled
    assert [name for name, one in PROFILES.items() if one.strict_keys] == [
        "bcp195-rfc8996-modified"
    ]
    assert PROFILES["bcp195-rfc8996-modified"].tls13_suites == TLS13_SUITES
    assert PG.tls13_suites == TLS13_DEFAULT_SUITES


def test_unknown_profile_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(TlsConfigurationError, match=r"no TLS profile 'best'.*bcp195-nd") as caught:
        profile_named("best")
    assert caught.value.subject == "profile"


@pytest.mark.skipif(not ssl.OPENSSL_VERSION.startswith("OpenSSL 3.0"), reason="another OpenSSL")
def test_suites_of_openssl_3_are_the_ones_dcmtk_lists() -> None:
    available = available_suites()
    assert [name for name in CIPHER_SUITES if name in available] == PLAIN_LIST


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
def test_names_of_openssl_are_those_of_the_registry() -> None:
    result = subprocess.run(
        ["openssl", "ciphers", "-stdname", "-s", "ALL:eNULL:@SECLEVEL=0"],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    registry = {line.split()[0]: line.split()[2] for line in result.stdout.splitlines()}
    known = {name: openssl for name, openssl in CIPHER_SUITES.items() if name in registry}
    assert len(known) > 30
    assert known == {name: registry[name] for name in known}


def add(name: str, *suites: str, warn: Warnings | None = None) -> tuple[str, ...]:
    return added_suites(PROFILES[name], suites, warn=no_warning if warn is None else warn)[0]


def refusal(name: str, *suites: str) -> TlsConfigurationError:
    with pytest.raises(TlsConfigurationError) as caught:
        add(name, *suites, warn=Warnings())
    return caught.value


def test_nothing_added_leaves_a_profile_as_it_is() -> None:
    for profile in PROFILES.values():
        assert added_suites(profile, (), warn=no_warning) == (profile.suites, profile.tls13_suites)


def test_added_suite_stands_where_its_strength_puts_it_and_only_once() -> None:
    suites = add(
        "bcp195-rfc8996",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    )
    assert suites == (*PG.suites[:2], "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", *PG.suites[2:])


@pytest.mark.parametrize("name", ["bcp195-nd", "bcp195", "aes"])
def test_static_rsa_is_warned_of_in_profiles_before_rfc_8996(name: str) -> None:
    warned = Warnings()
    suites = add(name, "TLS_RSA_WITH_AES_256_GCM_SHA384", warn=warned)
    assert set(suites) == {*PROFILES[name].suites, "TLS_RSA_WITH_AES_256_GCM_SHA384"}
    assert warned == [
        (
            "Ciphersuite 'TLS_RSA_WITH_AES_256_GCM_SHA384' uses RSA key transport. RFC 7525 "
            "recommends that such cipher suites should not be used."
        )
    ]
    add(name, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA")


def test_weak_suites_are_warned_of_in_the_profile_of_rfc_8996() -> None:
    warned = Warnings()
    add("bcp195-rfc8996", "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256", warn=warned)
    assert warned == [
        (
            "Ciphersuite 'TLS_DHE_RSA_WITH_AES_256_CBC_SHA256' uses ephemeral finite-field "
            "Diffie-Hellman key agreement. RFC 9325 recommends that such cipher suites should not "
            "be used."
        ),
        (
            "Ciphersuite 'TLS_DHE_RSA_WITH_AES_256_CBC_SHA256' uses CBC mode of operation. RFC "
            "9325 recommends that such cipher suites should not be used, unless both sides "
            "support the encrypt_then_mac extension (we do)."
        ),
    ]
    warned.clear()
    add("bcp195-rfc8996", "TLS_RSA_WITH_AES_128_GCM_SHA256", warn=warned)
    assert warned == [
        (
            "Ciphersuite 'TLS_RSA_WITH_AES_128_GCM_SHA256' uses RSA key transport. RFC 9325 "
            "recommends that such cipher suites should not be used."
        )
    ]


def test_sha1_is_refused_in_the_profile_of_rfc_8996() -> None:
    problem = refusal("bcp195-rfc8996", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA")
    assert problem.subject == "cipher"
    assert problem.reason == (
        "Ciphersuite 'TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA' using SHA-1 MAC not permitted with "
        "security profile 'BCP 195 RFC 8996 TLS Profile'"
    )
    add("bcp195-nd", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA")


@pytest.mark.parametrize("name", ["bcp195-rfc8996", "bcp195-nd", "bcp195", "basic", "aes"])
def test_suite_without_encryption_is_refused_in_profiles_with(name: str) -> None:
    problem = refusal(name, "TLS_RSA_WITH_NULL_SHA")
    assert problem.subject == "cipher"
    assert problem.reason == (
        "Unencrypted ciphersuite 'TLS_RSA_WITH_NULL_SHA' not permitted with security profile "
        f"'{PROFILES[name].name}'"
    )


def test_suite_with_encryption_is_refused_in_the_profile_without() -> None:
    problem = refusal("null", "TLS_RSA_WITH_AES_128_CBC_SHA")
    assert problem.subject == "cipher"
    assert "cannot be mixed with the unencrypted ones" in problem.reason
    assert add("null", "TLS_RSA_WITH_NULL_SHA") == ("TLS_RSA_WITH_NULL_SHA",)


@pytest.mark.parametrize("name", ["bcp195-extended", "bcp195-rfc8996-modified"])
@pytest.mark.parametrize(
    "suite", ["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_AES_128_CCM_SHA256"]
)
def test_closed_profiles_take_no_suite_more(name: str, suite: str) -> None:
    problem = refusal(name, suite)
    assert problem.subject == "cipher"
    assert problem.reason == (
        f"Additional ciphersuites not permitted with security profile '{PROFILES[name].name}'"
    )


@pytest.mark.parametrize("suite", ["TLS_RSA_WITH_RC4_128_SHA", "AES128-SHA", "", "tls_aes_128"])
def test_suite_that_nobody_knows_is_refused(suite: str) -> None:
    problem = refusal("bcp195-nd", "TLS_RSA_WITH_AES_128_CBC_SHA", suite)
    assert problem.subject == "cipher"
    assert problem.reason == f"Unknown or invalid ciphersuite: {suite}"


def test_suite_that_this_openssl_lacks_is_refused_with_the_reason() -> None:
    lacking = next(iter(set(CIPHER_SUITES) - available_suites() - {"TLS_RSA_WITH_NULL_SHA"}))
    problem = refusal("bcp195-nd", lacking)
    assert problem.subject == "platform"
    assert lacking in problem.reason
    assert problem.reason.startswith(ssl.OPENSSL_VERSION)


@pytest.mark.skipif(
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA" in available_suites(), reason="this OpenSSL has 3DES"
)
def test_triple_des_is_refused_with_the_reason() -> None:
    problem = refusal("aes", "TLS_RSA_WITH_3DES_EDE_CBC_SHA")
    assert problem.subject == "platform"
    assert problem.reason == (
        f"{ssl.OPENSSL_VERSION} of this system was built without 3DES, which "
        "'TLS_RSA_WITH_3DES_EDE_CBC_SHA' needs"
    )


def test_suite_of_tls_1_3_needs_a_profile_with_it() -> None:
    problem = refusal("aes", "TLS_AES_256_GCM_SHA384")
    assert problem.subject == "cipher"
    assert "is of TLS 1.3" in problem.reason
    _, tls13 = added_suites(PX, ("TLS_AES_128_CCM_SHA256",), warn=no_warning)
    assert tls13 == (*TLS13_DEFAULT_SUITES, "TLS_AES_128_CCM_SHA256")
    assert added_suites(PX, ("TLS_AES_256_GCM_SHA384",), warn=no_warning)[1] == PX.tls13_suites

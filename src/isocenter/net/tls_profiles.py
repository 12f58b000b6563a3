"""Security profiles and cipher suites, as data.

Owns what each profile of the TLS options allows, the names of cipher suites, and what may be
added to a profile. Must not know files, keys or contexts (`tls_context`).

A profile's suites stand strongest first: forward secrecy before none, then the size of the key,
then the mode; ECDSA before RSA. So they are offered, and so an acceptor chooses (RFC 9325 3.1.2).

PS3.15 B.1 (Basic), B.2 (AES), B.9 to B.13 (BCP 195 and its successors), RFC 9325 (BCP 195).
The names of profiles and suites are those of DCMTK.
"""

from __future__ import annotations

from isocenter.errors import TlsConfigurationError
from isocenter.record import NamedTuple

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "CIPHER_SUITES",
    "PROFILES",
    "TLS13_DEFAULT_SUITES",
    "TLS13_SUITES",
    "TlsProfile",
    "added_suites",
    "available_suites",
    "profile_named",
]

CIPHER_SUITES: Mapping[str, str] = {
    "TLS_RSA_WITH_NULL_SHA": "NULL-SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA": "DES-CBC3-SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA": "CAMELLIA128-SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256": "AES128-SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA": "ECDH-ECDSA-AES128-SHA",
    "TLS_ECDH_RSA_WITH_AES_128_CBC_SHA": "ECDH-RSA-AES128-SHA",
    "TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA256": "ECDH-ECDSA-AES128-SHA256",
    "TLS_ECDH_RSA_WITH_AES_128_CBC_SHA256": "ECDH-RSA-AES128-SHA256",
    "TLS_ECDH_ECDSA_WITH_AES_128_GCM_SHA256": "ECDH-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256": "ECDH-RSA-AES128-GCM-SHA256",
    "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA": "CAMELLIA256-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA256": "AES256-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA": "ECDH-ECDSA-AES256-SHA",
    "TLS_ECDH_RSA_WITH_AES_256_CBC_SHA": "ECDH-RSA-AES256-SHA",
    "TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA384": "ECDH-ECDSA-AES256-SHA384",
    "TLS_ECDH_RSA_WITH_AES_256_CBC_SHA384": "ECDH-RSA-AES256-SHA384",
    "TLS_ECDH_ECDSA_WITH_AES_256_GCM_SHA384": "ECDH-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDH_RSA_WITH_AES_256_GCM_SHA384": "ECDH-RSA-AES256-GCM-SHA384",
    "TLS_DHE_DSS_WITH_AES_128_CBC_SHA": "DHE-DSS-AES128-SHA",
    "TLS_DHE_DSS_WITH_CAMELLIA_128_CBC_SHA": "DHE-DSS-CAMELLIA128-SHA",
    "TLS_DHE_RSA_WITH_AES_128_CBC_SHA": "DHE-RSA-AES128-SHA",
    "TLS_DHE_RSA_WITH_CAMELLIA_128_CBC_SHA": "DHE-RSA-CAMELLIA128-SHA",
    "TLS_DHE_DSS_WITH_AES_128_CBC_SHA256": "DHE-DSS-AES128-SHA256",
    "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256": "DHE-RSA-AES128-SHA256",
    "TLS_DHE_DSS_WITH_AES_128_GCM_SHA256": "DHE-DSS-AES128-GCM-SHA256",
    "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256": "DHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256": "ECDHE-ECDSA-AES128-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256": "ECDHE-RSA-AES128-SHA256",
    "TLS_ECDHE_ECDSA_WITH_CAMELLIA_128_GCM_SHA256": "ECDHE-ECDSA-CAMELLIA128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_CAMELLIA_128_GCM_SHA256": "ECDHE-RSA-CAMELLIA128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CCM": "ECDHE-ECDSA-AES128-CCM",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8": "ECDHE-ECDSA-AES128-CCM8",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_DHE_DSS_WITH_AES_256_CBC_SHA": "DHE-DSS-AES256-SHA",
    "TLS_DHE_RSA_WITH_AES_256_CBC_SHA": "DHE-RSA-AES256-SHA",
    "TLS_DHE_DSS_WITH_CAMELLIA_256_CBC_SHA": "DHE-DSS-CAMELLIA256-SHA",
    "TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA": "DHE-RSA-CAMELLIA256-SHA",
    "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "DHE-RSA-CHACHA20-POLY1305",
    "TLS_DHE_DSS_WITH_AES_256_CBC_SHA256": "DHE-DSS-AES256-SHA256",
    "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256": "DHE-RSA-AES256-SHA256",
    "TLS_DHE_DSS_WITH_AES_256_GCM_SHA384": "DHE-DSS-AES256-GCM-SHA384",
    "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384": "DHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384": "ECDHE-ECDSA-AES256-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384": "ECDHE-RSA-AES256-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CAMELLIA_256_GCM_SHA384": "ECDHE-ECDSA-CAMELLIA256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CAMELLIA_256_GCM_SHA384": "ECDHE-RSA-CAMELLIA256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CCM": "ECDHE-ECDSA-AES256-CCM",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8": "ECDHE-ECDSA-AES256-CCM8",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
}
"""Suites up to TLS 1.2, RFC name to OpenSSL's, weakest first as ``--list-ciphers`` prints them.

No OpenSSL of today has all of them (`available_suites`).
"""

TLS13_SUITES = (
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_128_CCM_SHA256",
    "TLS_AES_128_CCM_8_SHA256",
)
"""All suites of TLS 1.3, strongest first (RFC 8446 B.4); OpenSSL has the same names."""

TLS13_DEFAULT_SUITES = TLS13_SUITES[:3]
"""What OpenSSL offers where nobody chooses."""

_STRENGTH = {name: place for place, name in enumerate(CIPHER_SUITES)}

_BCP195_ND = (
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256",
)


class TlsProfile(NamedTuple):
    """What one security profile allows.

    Fields:
        title: as ``--list-profiles`` prints it.
        suites: RFC names of its suites up to TLS 1.2, strongest first, those included that this
            OpenSSL may lack.
        minimum: the lowest version, ``1.0`` or ``1.2``.
        maximum: the highest version, ``1.2`` or ``1.3``.
        tls13_suites: RFC names of its suites of TLS 1.3, strongest first.
        security_level: OpenSSL's; from 2 on it refuses a peer's keys of RSA below 2048 bits and
            certificates signed with SHA-1.
        minimum_rsa: bits that a key of RSA must have, of an acceptor or (`strict_keys`) of both
            sides; 0 for no rule.
        strict_keys: keys of both sides: RSA from `minimum_rsa` on, ECDSA from 256 bits on,
            certificates signed with SHA-256 or better.
        refuses_dsa: a certificate with DSA is refused, for TLS 1.3 has no such.
        additions: what suites may be added: ``warned`` (refused without encryption), ``bcp195``
            (as RFC 9325 has it: refused without encryption and with SHA-1), ``unencrypted``
            (only such) or ``none``.
    """

    title: str
    suites: tuple[str, ...]
    minimum: str = "1.0"
    maximum: str = "1.2"
    tls13_suites: tuple[str, ...] = ()
    security_level: int = 0
    minimum_rsa: int = 0
    strict_keys: bool = False
    refuses_dsa: bool = False
    additions: str = "warned"

    @property
    def name(self) -> str:
        """The title without what follows in parentheses, as messages name the profile."""
        return self.title.partition(" (")[0]


PROFILES: Mapping[str, TlsProfile] = {
    "bcp195-rfc8996": TlsProfile(
        "BCP 195 RFC 8996 TLS Profile (default)",
        (
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        ),
        minimum="1.2",
        maximum="1.3",
        tls13_suites=TLS13_DEFAULT_SUITES,
        security_level=2,
        minimum_rsa=2048,
        refuses_dsa=True,
        additions="bcp195",
    ),
    "bcp195-rfc8996-modified": TlsProfile(
        "Modified BCP 195 RFC 8996 TLS Profile",
        (
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_ECDSA_WITH_AES_256_CCM",
            "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_ECDSA_WITH_CAMELLIA_256_GCM_SHA384",
            "TLS_ECDHE_RSA_WITH_CAMELLIA_256_GCM_SHA384",
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_128_CCM",
            "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
            "TLS_ECDHE_ECDSA_WITH_CAMELLIA_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_CAMELLIA_128_GCM_SHA256",
        ),
        minimum="1.2",
        maximum="1.3",
        tls13_suites=TLS13_SUITES,
        security_level=2,
        minimum_rsa=2048,
        strict_keys=True,
        refuses_dsa=True,
        additions="none",
    ),
    "bcp195-nd": TlsProfile(
        "Non-downgrading BCP 195 TLS Profile (retired)",
        _BCP195_ND,
        minimum="1.2",
        maximum="1.3",
        tls13_suites=TLS13_DEFAULT_SUITES,
    ),
    "bcp195": TlsProfile(
        "BCP 195 TLS Profile (retired)",
        (*_BCP195_ND, "TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
        maximum="1.3",
        tls13_suites=TLS13_DEFAULT_SUITES,
    ),
    "bcp195-extended": TlsProfile(
        "Extended BCP 195 TLS Profile (retired)",
        (
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256",
        ),
        minimum="1.2",
        additions="none",
    ),
    "basic": TlsProfile(
        "Basic TLS Secure Transport Connection Profile (retired)",
        ("TLS_RSA_WITH_3DES_EDE_CBC_SHA",),
    ),
    "aes": TlsProfile(
        "AES TLS Secure Transport Connection Profile (retired)",
        ("TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
    ),
    "null": TlsProfile(
        "Authenticated unencrypted communication (retired)",
        ("TLS_RSA_WITH_NULL_SHA",),
        additions="unencrypted",
    ),
}
"""The profiles by our names, in the order in which ``--list-profiles`` prints them."""


def profile_named(name: str) -> TlsProfile:
    """Return a profile by its name in `PROFILES`.

    Raises:
        TlsConfigurationError: there is none.
    """
    profile = PROFILES.get(name)
    if profile is None:
        names = ", ".join(PROFILES)
        raise TlsConfigurationError("profile", f"no TLS profile '{name}'; there are {names}")
    return profile


def available_suites() -> frozenset[str]:
    """Return the RFC names of the suites of `CIPHER_SUITES` that this OpenSSL has."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:eNULL:@SECLEVEL=0")
    there = {suite["name"] for suite in context.get_ciphers()}
    return frozenset(name for name, openssl in CIPHER_SUITES.items() if openssl in there)


def added_suites(
    profile: TlsProfile, names: tuple[str, ...], *, warn: Callable[[str], None]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return all suites of a profile that something is added to.

    Args:
        profile: the profile.
        names: RFC names of suites to add, of any version.
        warn: told of each weak choice, in DCMTK's words.

    Returns:
        The suites up to TLS 1.2, strongest first, and those of TLS 1.3; each but once. Those that
        this OpenSSL may lack are among them, where they are the profile's own.

    Raises:
        TlsConfigurationError: a suite is unknown or not allowed here (``cipher``), or this OpenSSL
            has no such (``platform``).

    RFC 9325 4.1, 4.2.
    """
    available = available_suites() if names else frozenset()
    tls13 = list(profile.tls13_suites)
    suites = list(profile.suites)
    for name in names:
        if name in TLS13_SUITES:
            _check_tls13(profile, name)
            tls13.append(name)
            continue
        _check(profile, name, available)
        _warn_of(profile, name, warn)
        suites.append(name)
    if names:
        suites = sorted(set(suites), key=_by_strength)
    return tuple(suites), tuple(name for name in TLS13_SUITES if name in tls13)


def _by_strength(name: str) -> tuple[int, bool]:
    """Return the place of a suite, strongest first; of a pair that differs in it, ECDSA first."""
    twin = name.replace("_ECDSA_", "_RSA_")
    return -_STRENGTH.get(twin, _STRENGTH[name]), "_ECDSA_" not in name


def _check_tls13(profile: TlsProfile, name: str) -> None:
    if profile.additions == "none":
        raise _not_permitted(profile)
    if not profile.tls13_suites:
        reason = f"Ciphersuite '{name}' is of TLS 1.3, which '{profile.name}' does not use"
        raise TlsConfigurationError("cipher", reason)


def _not_permitted(profile: TlsProfile) -> TlsConfigurationError:
    reason = f"Additional ciphersuites not permitted with security profile '{profile.name}'"
    return TlsConfigurationError("cipher", reason)


def _check(profile: TlsProfile, name: str, available: frozenset[str]) -> None:
    """Refuse a suite that is not known, not there, or not to be added to a profile."""
    if name not in CIPHER_SUITES:
        raise TlsConfigurationError("cipher", f"Unknown or invalid ciphersuite: {name}")
    if profile.additions == "none":
        raise _not_permitted(profile)
    unencrypted = "_NULL_" in name
    if unencrypted and profile.additions != "unencrypted":
        reason = (
            f"Unencrypted ciphersuite '{name}' not permitted with security profile '{profile.name}'"
        )
        raise TlsConfigurationError("cipher", reason)
    if not unencrypted and profile.additions == "unencrypted":
        reason = (
            f"Ciphersuite '{name}' encrypts and cannot be mixed with the unencrypted ones of "
            f"security profile '{profile.name}'"
        )
        raise TlsConfigurationError("cipher", reason)
    if profile.additions == "bcp195" and name.endswith("_SHA"):
        reason = (
            f"Ciphersuite '{name}' using SHA-1 MAC not permitted with security profile "
            f"'{profile.name}'"
        )
        raise TlsConfigurationError("cipher", reason)
    if name not in available:
        raise TlsConfigurationError("platform", _lacking(name))


def _lacking(name: str) -> str:
    import ssl

    what = "3DES" if "_3DES_" in name else f"the ciphersuite '{name}'"
    end = f", which '{name}' needs" if "_3DES_" in name else ""
    return f"{ssl.OPENSSL_VERSION} of this system was built without {what}{end}"


def _warn_of(profile: TlsProfile, name: str, warn: Callable[[str], None]) -> None:
    """Warn of what RFC 9325 4.1 and 4.2 advise against."""
    transport = name.startswith("TLS_RSA_")
    should_not = "recommends that such cipher suites should not be used"
    if profile.additions == "warned" and transport:
        warn(f"Ciphersuite '{name}' uses RSA key transport. RFC 7525 {should_not}.")
    if profile.additions != "bcp195":
        return
    if transport:
        warn(f"Ciphersuite '{name}' uses RSA key transport. RFC 9325 {should_not}.")
    if name.startswith("TLS_DHE_"):
        warn(
            f"Ciphersuite '{name}' uses ephemeral finite-field Diffie-Hellman key agreement. "
            f"RFC 9325 {should_not}."
        )
    if "_CBC_" in name:
        warn(
            f"Ciphersuite '{name}' uses CBC mode of operation. RFC 9325 {should_not}, unless both "
            "sides support the encrypt_then_mac extension (we do)."
        )

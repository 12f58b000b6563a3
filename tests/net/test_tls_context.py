"""Contexts of requestors and acceptors: what two of them agree on, and what they refuse."""

from __future__ import annotations

import logging
import ssl
import warnings
from typing import TYPE_CHECKING

import pytest

from isocenter.errors import TlsConfigurationError
from isocenter.net.tls_context import client_context, server_context
from isocenter.net.tls_options import TlsOptions
from isocenter.net.tls_profiles import PROFILES, available_suites
from isocenter.testing.certificates import Authority
from tests.net.tls_pairs import (
    Refused,
    Warnings,
    agree,
    client_of,
    options_of,
    server_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class MakeContext(Protocol):
        """`client_of` or `server_of`."""

        def __call__(
            self, authority: Authority, identity: Identity | None, **others: object
        ) -> ssl.SSLContext: ...

    from isocenter.testing.certificates import Identity
    from tests.net.tls_pairs import (
        Agreed,
    )

STRONGEST = "TLS_AES_256_GCM_SHA384"
USABLE = [name for name in PROFILES if name != "basic"]
RSA_SUITE = "ECDHE-RSA-AES256-GCM-SHA384"

OLD_VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("Root")


@pytest.fixture(scope="module")
def scu(root: Authority) -> Identity:
    return root.issue("scu")


@pytest.fixture(scope="module")
def scp(root: Authority) -> Identity:
    return root.issue("scp", names=["pacs.example", "*.ct.example"], addresses=["192.0.2.7"])


@pytest.fixture(scope="module")
def elliptic() -> tuple[Authority, Identity, Identity]:
    root = Authority("Elliptic root", key="ec-p256")
    return root, root.issue("scu", key="ec-p256"), root.issue("scp", key="ec-p256")


def foreign(
    authority: Authority,
    identity: Identity | None,
    *,
    server_side: bool,
    version: str | None = None,
    suites: str = "ALL:eNULL",
    level: int = 0,
) -> ssl.SSLContext:
    """A context of somebody who is not careful at all."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.path)
    context.set_ciphers(f"{suites}:@SECLEVEL={level}")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    if identity is not None:
        context.load_cert_chain(identity.chain, identity.private_key)
    if version is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = OLD_VERSIONS[version]
    return context


def weak_identity(root: Authority, what: str) -> Identity:
    if what == "digest":
        return root.issue("weakly signed", digest="sha1")
    return root.issue("weak key", key="rsa-1024")


def refusal(attempt: Callable[[], Agreed]) -> Refused:
    with pytest.raises(Refused) as caught:
        attempt()
    return caught.value


def configuration_error(make: Callable[[], ssl.SSLContext]) -> TlsConfigurationError:
    with pytest.raises(TlsConfigurationError) as caught:
        make()
    assert "\n" not in str(caught.value)
    return caught.value


# --- profiles ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "version", "suite"),
    [
        ("bcp195-rfc8996", "TLSv1.3", STRONGEST),
        ("bcp195-rfc8996-modified", "TLSv1.3", STRONGEST),
        ("bcp195-nd", "TLSv1.3", STRONGEST),
        ("bcp195", "TLSv1.3", STRONGEST),
        ("bcp195-extended", "TLSv1.2", RSA_SUITE),
        ("aes", "TLSv1.2", "AES128-SHA"),
        ("null", "TLSv1.2", "NULL-SHA"),
    ],
)
def test_two_sides_of_a_profile_agree_on_its_best(
    root: Authority, scu: Identity, scp: Identity, profile: str, version: str, suite: str
) -> None:
    warned = Warnings()
    client = client_context(options_of(root, scu, profile=profile), warn=warned)
    server = server_context(options_of(root, scp, profile=profile), warn=warned)
    agreed = agree(client, server)
    assert (agreed.version, agreed.suite, agreed.alpn) == (version, suite, "dicom")
    assert agreed.peer_of_server is not None
    assert agreed.peer_of_client is not None
    python_chooses = hasattr(ssl.SSLContext, "set_ciphersuites")
    expected = 0 if profile != "bcp195-rfc8996-modified" or python_chooses else 2
    assert len(warned) == expected, warned


@pytest.mark.parametrize("profile", USABLE)
@pytest.mark.parametrize("version", OLD_VERSIONS)
@pytest.mark.parametrize("server_side", [False, True], ids=["requestor", "acceptor"])
def test_profile_speaks_its_versions_only(
    root: Authority, scu: Identity, scp: Identity, profile: str, version: str, server_side: bool
) -> None:
    facts = PROFILES[profile]
    other = foreign(root, scu if server_side else scp, server_side=not server_side, version=version)
    warned = Warnings()
    if server_side:
        ours = server_context(options_of(root, scp, profile=profile), warn=warned)
    else:
        ours = client_context(options_of(root, scu, profile=profile), warn=warned)
    client, server = (other, ours) if server_side else (ours, other)
    if facts.minimum <= version <= facts.maximum:
        named = f"TLSv{version}" if version != "1.0" else "TLSv1"
        assert agree(client, server).version == named
    else:
        refusal(lambda: agree(client, server))


@pytest.mark.parametrize("profile", USABLE)
def test_profile_has_only_its_suites_in_their_order(
    root: Authority, scu: Identity, scp: Identity, profile: str
) -> None:
    from isocenter.net.tls_profiles import CIPHER_SUITES

    warned = Warnings()
    there = available_suites()
    expected = [CIPHER_SUITES[name] for name in PROFILES[profile].suites if name in there]
    for context in (
        client_context(options_of(root, scu, profile=profile), warn=warned),
        server_context(options_of(root, scp, profile=profile), warn=warned),
    ):
        names = [suite["name"] for suite in context.get_ciphers()]
        assert [name for name in names if not name.startswith("TLS_")] == expected
        assert context.security_level == PROFILES[profile].security_level


@pytest.mark.skipif(
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA" in available_suites(), reason="this OpenSSL has 3DES"
)
@pytest.mark.parametrize("make", [client_of, server_of])
def test_basic_profile_is_refused_with_the_reason(
    root: Authority, scp: Identity, make: MakeContext
) -> None:
    problem = configuration_error(lambda: make(root, scp, profile="basic"))
    assert problem.subject == "platform"
    assert problem.reason == (
        "security profile 'Basic TLS Secure Transport Connection Profile' cannot be used: "
        f"{ssl.OPENSSL_VERSION} of this system was built without 3DES"
    )


def test_unknown_profile_is_refused(root: Authority, scu: Identity) -> None:
    problem = configuration_error(lambda: client_of(root, scu, profile="best"))
    assert problem.subject == "profile"


def test_acceptor_chooses_by_strength_whatever_the_requestor_prefers(
    root: Authority, scu: Identity, scp: Identity
) -> None:
    weak_first = "AES128-SHA:DHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384"
    client = foreign(root, scu, server_side=False, version="1.2", suites=weak_first)
    assert agree(client, server_of(root, scp, profile="bcp195")).suite == RSA_SUITE


def test_elliptic_curves_serve_as_well(elliptic: tuple[Authority, Identity, Identity]) -> None:
    root, scu, scp = elliptic
    assert agree(client_of(root, scu), server_of(root, scp)).version == "TLSv1.3"
    client = foreign(root, scu, server_side=False, version="1.2")
    assert agree(client, server_of(root, scp)).suite == "ECDHE-ECDSA-AES256-GCM-SHA384"
    pz = "bcp195-extended"
    agreed = agree(client_of(root, scu, profile=pz), server_of(root, scp, profile=pz))
    assert agreed.suite == "ECDHE-ECDSA-AES256-GCM-SHA384"


# --- suites added -----------------------------------------------------------------------------


def test_added_suite_is_agreed_on_where_the_peer_has_no_other(
    root: Authority, scu: Identity, scp: Identity
) -> None:
    client = foreign(root, scu, server_side=False, version="1.2", suites="AES256-SHA")
    refusal(lambda: agree(client, server_of(root, scp, profile="bcp195-nd")))
    warned = Warnings()
    options = options_of(root, scp, profile="bcp195-nd", ciphers=("TLS_RSA_WITH_AES_256_CBC_SHA",))
    assert agree(client, server_context(options, warn=warned)).suite == "AES256-SHA"
    assert len(warned) == 1


def test_refused_suite_makes_no_context(root: Authority, scu: Identity) -> None:
    for name, subject in (
        ("TLS_RSA_WITH_NULL_SHA", "cipher"),
        ("TLS_RSA_WITH_NOTHING", "cipher"),
        ("TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256", "platform"),
    ):
        with pytest.raises(TlsConfigurationError) as caught:
            client_of(root, scu, ciphers=(name,))
        assert caught.value.subject == subject


@pytest.mark.skipif(
    hasattr(ssl.SSLContext, "set_ciphersuites"), reason="this Python chooses suites of TLS 1.3"
)
def test_choice_of_tls_1_3_suites_is_refused_where_python_has_no_call(
    root: Authority, scu: Identity
) -> None:
    problem = configuration_error(
        lambda: client_of(root, scu, ciphers=("TLS_AES_128_CCM_8_SHA256",))
    )
    assert problem.subject == "platform"
    assert problem.reason == (
        "Ciphersuite 'TLS_AES_128_CCM_8_SHA256' is of TLS 1.3, and this Python has no call to "
        "choose such (3.15 is the first that has); TLS_AES_256_GCM_SHA384, "
        "TLS_CHACHA20_POLY1305_SHA256, TLS_AES_128_GCM_SHA256 are always used"
    )
    client_of(root, scu, ciphers=("TLS_AES_128_GCM_SHA256",))
    warned = Warnings()
    client_context(options_of(root, scu, profile="bcp195-rfc8996-modified"), warn=warned)
    assert warned == [
        (
            "TLS 1.3 ciphersuites TLS_AES_128_CCM_SHA256 and TLS_AES_128_CCM_8_SHA256 of the "
            "security profile are not used: this Python has no call to choose such (3.15 is the "
            "first that has)"
        )
    ]


def test_suites_of_tls_1_3_are_chosen_where_python_has_a_call(
    root: Authority, scu: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[str] = []
    monkeypatch.setattr(
        ssl.SSLContext, "set_ciphersuites", lambda self, names: chosen.append(names), raising=False
    )
    client_of(root, scu)
    assert chosen == []  # the defaults are OpenSSL's own
    client_of(root, scu, profile="bcp195-rfc8996-modified")
    client_of(root, scu, ciphers=("TLS_AES_128_CCM_SHA256",))
    first = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"
    assert chosen == [
        f"{first}:TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256",
        f"{first}:TLS_AES_128_CCM_SHA256",
    ]


def test_suite_of_tls_1_3_that_this_openssl_lacks_is_refused(
    root: Authority, scu: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(self: ssl.SSLContext, names: str) -> None:
        raise ssl.SSLError(0, "no cipher match")

    monkeypatch.setattr(ssl.SSLContext, "set_ciphersuites", lacking, raising=False)
    problem = configuration_error(
        lambda: client_of(root, scu, ciphers=("TLS_AES_128_CCM_8_SHA256",))
    )
    assert problem.subject == "platform"
    assert ssl.OPENSSL_VERSION in problem.reason
    assert "TLS_AES_128_CCM_8_SHA256" in problem.reason


# --- who is let in ----------------------------------------------------------------------------


def test_anonymous_requestor_is_let_in_only_where_no_certificate_is_required(
    root: Authority, scp: Identity
) -> None:
    client = client_of(root, None)
    assert refusal(lambda: agree(client, server_of(root, scp))).side == "server"
    for mode in ("verify", "ignore"):
        agreed = agree(client, server_of(root, scp, peer_certificate=mode))
        assert agreed.peer_of_server is None


def test_certificate_that_is_sent_is_verified_unless_it_is_ignored(
    root: Authority, scp: Identity
) -> None:
    stranger = Authority("Root")
    client = client_of(root, stranger.issue("stranger"))
    for mode in ("require", "verify"):
        with pytest.raises(Refused) as caught:
            agree(client, server_of(root, scp, peer_certificate=mode))
        assert caught.value.reason == "CERTIFICATE_VERIFY_FAILED"
    agree(client, server_of(root, scp, peer_certificate="ignore"))


def test_requestor_refuses_an_acceptor_of_another_authority_unless_told_to_ignore(
    root: Authority, scu: Identity, scp: Identity
) -> None:
    stranger = Authority("Root")
    problem = refusal(lambda: agree(client_of(stranger, scu), server_of(root, scp)))
    assert (problem.side, problem.reason) == ("client", "CERTIFICATE_VERIFY_FAILED")
    agree(client_of(stranger, scu, peer_certificate="ignore"), server_of(root, scp))
    refusal(
        lambda: agree(client_of(stranger, scu, peer_certificate="verify"), server_of(root, scp))
    )


@pytest.mark.parametrize(
    ("wrong", "code"),
    [({"expired": True}, 10), ({"not_yet_valid": True}, 9), ({"purpose": "neither"}, 26)],
    ids=["expired", "not yet valid", "wrong purpose"],
)
@pytest.mark.parametrize("profile", ["bcp195-rfc8996", "bcp195"])
def test_unfit_certificate_is_refused_by_both_sides(
    root: Authority,
    scu: Identity,
    scp: Identity,
    wrong: dict[str, bool | str],
    code: int,
    profile: str,
) -> None:
    of_client, of_server = dict(wrong), dict(wrong)
    if "purpose" in wrong:
        of_client["purpose"], of_server["purpose"] = "server", "client"
    bad_client = root.issue("scu", **of_client)  # type: ignore[arg-type]  # of either kind
    bad_server = root.issue("scp", **of_server)  # type: ignore[arg-type]  # of either kind
    problem = refusal(
        lambda: agree(
            client_of(root, bad_client, profile=profile), server_of(root, scp, profile=profile)
        )
    )
    assert (problem.side, problem.verify_code) == ("server", code)
    options = options_of(root, bad_server, profile=profile)
    server = server_context(options, warn=Warnings())  # it knows of its own dates
    problem = refusal(lambda: agree(client_of(root, scu, profile=profile), server))
    assert (problem.side, problem.verify_code) == ("client", code)


@pytest.mark.parametrize(("weak", "code"), [("key", 66), ("digest", 68)])
@pytest.mark.parametrize("profile", ["bcp195-rfc8996", "bcp195-rfc8996-modified"])
def test_weak_certificate_of_a_peer_is_refused_by_both_sides(
    root: Authority,
    scu: Identity,
    scp: Identity,
    weak: str,
    code: int,
    profile: str,
) -> None:
    identity = weak_identity(root, weak)
    warned = Warnings()
    client = client_context(options_of(root, scu, profile=profile), warn=warned)
    server = server_context(options_of(root, scp, profile=profile), warn=warned)
    problem = refusal(lambda: agree(foreign(root, identity, server_side=False), server))
    assert problem.side == "server"
    assert problem.verify_code == code or "TOO_SMALL" in (problem.reason or "")
    problem = refusal(lambda: agree(client, foreign(root, identity, server_side=True)))
    assert problem.side == "client"
    agree(foreign(root, scu, server_side=False), server)
    agree(client, foreign(root, scp, server_side=True))


def test_weak_authority_of_a_peer_is_refused(scu: Identity) -> None:
    weak = Authority("Weak root", key="rsa-1024")
    identity = weak.issue("scp")
    client = client_of(weak, None)
    problem = refusal(lambda: agree(client, foreign(weak, identity, server_side=True)))
    assert problem.side == "client"


def test_weak_certificate_of_a_peer_passes_in_the_profiles_of_the_past(
    root: Authority, scu: Identity, scp: Identity
) -> None:
    for weak in ("key", "digest"):
        identity = weak_identity(root, weak)
        for profile in ("bcp195-nd", "bcp195", "bcp195-extended", "aes", "null"):
            agree(foreign(root, identity, server_side=False), server_of(root, scp, profile=profile))
            agree(client_of(root, scu, profile=profile), foreign(root, identity, server_side=True))


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_peer_with_a_curve_below_256_bits_is_refused(
    elliptic: tuple[Authority, Identity, Identity], version: str
) -> None:
    root, scu, scp = elliptic
    short = root.issue("short", key="ec-p224")
    refusal(
        lambda: agree(
            foreign(root, short, server_side=False, version=version), server_of(root, scp)
        )
    )
    refusal(
        lambda: agree(client_of(root, scu), foreign(root, short, server_side=True, version=version))
    )


# --- names ------------------------------------------------------------------------------------


def test_protocol_name_is_offered_and_confirmed(
    root: Authority, scu: Identity, scp: Identity
) -> None:
    server = foreign(root, scp, server_side=True)
    server.set_alpn_protocols(["h2", "dicom"])
    assert agree(client_of(root, scu), server).alpn == "dicom"
    client = foreign(root, scu, server_side=False)
    assert agree(client, server_of(root, scp)).alpn is None


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("name", ["other.example", "pacs.example.evil", None])
def test_acceptor_with_an_expected_name_refuses_others_and_none(
    root: Authority,
    scu: Identity,
    scp: Identity,
    version: str,
    name: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = server_of(root, scp, expected_server_name="PACS.example")
    client = foreign(root, scu, server_side=False, version=version)
    assert agree(client, server, server_name="pacs.Example").version == f"TLSv{version}"
    assert not caplog.records
    with caplog.at_level(logging.ERROR):
        problem = refusal(lambda: agree(client, server, server_name=name))
    assert problem.side == "server" or problem.reason == "TLSV1_UNRECOGNIZED_NAME"
    asked = "no server name" if name is None else f"server '{name}'"
    assert caplog.messages == [f"SNI failure: client requested {asked}, my name is 'PACS.example'."]


def test_acceptor_without_an_expected_name_takes_any(
    root: Authority, scu: Identity, scp: Identity
) -> None:
    agree(client_of(root, scu), server_of(root, scp), server_name="whatever.example")


@pytest.mark.parametrize(
    ("host", "good"),
    [
        ("pacs.example", True),
        ("PACS.EXAMPLE", True),
        ("one.ct.example", True),
        ("two.one.ct.example", False),
        ("other.example", False),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("2001:db8::7", False),
    ],
)
def test_host_is_verified_by_name_or_address_where_that_is_asked_for(
    root: Authority, scu: Identity, scp: Identity, host: str, good: bool
) -> None:
    server = server_of(root, scp)
    agree(client_of(root, scu), server, server_name=host)
    verifying = client_of(root, scu, verify_host=True)
    if good:
        agree(verifying, server, server_name=host)
    else:
        problem = refusal(lambda: agree(verifying, server, server_name=host))
        assert problem.side == "client"
        assert problem.verify_code in {62, 64}


def test_host_is_not_compared_where_the_certificate_is_ignored(
    root: Authority, scu: Identity, scp: Identity
) -> None:
    client = client_of(root, scu, verify_host=True, peer_certificate="ignore")
    agree(client, server_of(root, scp), server_name="other.example")


# --- what there is not ------------------------------------------------------------------------


def test_nothing_is_compressed_renegotiated_or_kept_in_tickets(
    root: Authority, scu: Identity, scp: Identity
) -> None:
    for context in (client_of(root, scu), server_of(root, scp)):
        for option in (ssl.OP_NO_COMPRESSION, ssl.OP_NO_RENEGOTIATION, ssl.OP_NO_TICKET):
            assert context.options & option
    assert server_of(root, scp).num_tickets == 0
    assert server_of(root, scp).options & ssl.OP_CIPHER_SERVER_PREFERENCE


@pytest.mark.parametrize(
    "make",
    [
        lambda root, scp: client_of(root, None, certificate=scp.certificate),
        lambda root, scp: client_of(root, None, private_key=scp.private_key),
        lambda root, scp: server_of(root, None),
        lambda root, scp: server_of(root, scp, peer_certificate="required"),
        lambda root, scp: client_of(root, scp, peer_certificate=""),
        lambda root, scp: client_of(root, scp, crl_check="all"),
        lambda root, scp: client_of(root, scp, file_format="PEM"),
    ],
)
def test_options_that_contradict_each_other_are_the_callers_fault(
    root: Authority, scp: Identity, make: Callable[[Authority, Identity], ssl.SSLContext]
) -> None:
    with pytest.raises(ValueError):
        make(root, scp)


def test_options_have_careful_defaults() -> None:
    options = TlsOptions()
    assert options.profile == "bcp195-rfc8996"
    assert options.peer_certificate == "require"
    assert options.crl_check == "none"
    assert options.verify_host
    assert not options.system_ca

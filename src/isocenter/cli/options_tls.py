"""The options for TLS that several tools share, as data.

Owns their names, wording and order of evaluation, for tools that request associations and for
those that accept them. Must not know what is done with them (`cli.tls`) nor `ssl`: every start
of a tool builds this table.

DCMTK's `dcmtls/libsrc/tlsopt.cc` has the names and rules.
"""

from __future__ import annotations

from isocenter.cli.spec import Group, Option, Value, string

__all__ = [
    "ACCEPTOR_EVALUATION",
    "ACCEPTOR_GROUP",
    "BOTH_EVALUATION",
    "BOTH_GROUP",
    "OFFLINE_EVALUATION",
    "OWN_ACCEPTOR",
    "OWN_ACCEPTOR_EVALUATION",
    "OWN_BOTH",
    "OWN_REQUESTOR",
    "OWN_REQUESTOR_EVALUATION",
    "PASSWORDS",
    "PROFILES",
    "REQUESTOR_EVALUATION",
    "REQUESTOR_GROUP",
    "TITLE",
    "requestor_group_with",
    "verify_certificates",
]

TITLE = "transport layer security (TLS) options"

_AUTHENTICATED = ("--enable-tls",)
_REQUESTOR = ("--enable-tls", "--anonymous-tls")
_ACCEPTOR = ("--enable-tls",)

PASSWORDS = ("--std-passwd", "--use-passwd", "--null-passwd")
"""The block of alternatives for the password of the private key."""

PROFILES = (
    ("--profile-8996", "+pg", "BCP 195 RFC 8996 TLS Profile (default)"),
    ("--profile-8996-mod", "+pm", "Modified BCP 195 RFC 8996 TLS Profile"),
    ("--profile-bcp195-nd", "+py", "Non-downgrading BCP 195 TLS Profile (retired)"),
    ("--profile-bcp195", "+px", "BCP 195 TLS Profile (retired)"),
    ("--profile-bcp195-ex", "+pz", "Extended BCP 195 TLS Profile (retired)"),
    (
        "--profile-basic",
        "+pb",
        "Basic TLS Secure Transport Connection Profile\n(retired; refused where there is no 3DES)",
    ),
    ("--profile-aes", "+pa", "AES TLS Secure Transport Connection Profile\n(retired)"),
    (
        "--profile-null",
        "+pn",
        "authenticated communication that is not\nencrypted (retired, was used in IHE ATNA)",
    ),
)
"""Long and short name of each option for a security profile, and what it is called."""


def _stack(*, anonymous: bool) -> Group:
    options: tuple[Option, ...] = (
        Option("--disable-tls", "-tls", "plain TCP/IP, no TLS (default)", is_default=True),
        Option(
            "--enable-tls",
            "+tls",
            "TLS, with this private key and certificate",
            (
                Value("private key file", "string", shown="string"),
                Value("certificate file", "string", shown="string"),
            ),
        ),
    )
    if anonymous:
        options += (Option("--anonymous-tls", "+tla", "TLS without a certificate of one's own"),)
    return Group("transport protocol stack", options)


def _password() -> Group:
    return Group(
        "private key password",
        (
            Option(
                "--std-passwd",
                "+ps",
                "ask for it on the terminal where the key is\nencrypted (default)",
                is_default=True,
                requires=_AUTHENTICATED,
            ),
            Option(
                "--use-passwd",
                "+pw",
                "use this one; others may see it in the list\nof processes, unless it comes in "
                "an @file",
                string("password", secret=True),
                requires=_AUTHENTICATED,
            ),
            Option("--null-passwd", "-pw", "use an empty one", requires=_AUTHENTICATED),
        ),
        note="only with --enable-tls",
    )


def _format(tls: tuple[str, ...]) -> Group:
    return Group(
        "key and certificate file format",
        (
            Option(
                "--pem-keys",
                "-pem",
                "keys, certificates and CRLs are PEM files\n(default)",
                is_default=True,
                requires=tls,
            ),
            Option("--der-keys", "-der", "they are DER files", requires=tls),
        ),
        implied=tls,
    )


def _authority(tls: tuple[str, ...]) -> Group:
    return Group(
        "certification authority",
        (
            Option(
                "--add-cert-file",
                "+cf",
                "trust the certificates in this file (may be\ngiven several times)",
                string("filename"),
                requires=tls,
            ),
            Option(
                "--add-cert-dir",
                "+cd",
                "trust those in this directory, under the names\nthat 'openssl rehash' gives "
                "(several times)",
                string("directory"),
                requires=tls,
            ),
            Option(
                "--add-crl-file",
                "+crl",
                "heed this certificate revocation list, and\nturn --enable-crl-vfy on (several "
                "times)",
                string("filename"),
                requires=tls,
            ),
            Option(
                "--enable-crl-vfy",
                "+crv",
                "demand a CRL for the peer's own certificate",
                requires=tls,
            ),
            Option(
                "--enable-crl-all",
                "+cra",
                "demand CRLs for all certificates of its chain",
                requires=tls,
            ),
        ),
        implied=tls,
    )


def _profile(tls: tuple[str, ...]) -> Group:
    profiles = tuple(
        Option(long, short, text, is_default=short == "+pg", requires=tls)
        for long, short, text in PROFILES
    )
    return Group(
        "security profile",
        (
            Option("--list-profiles", "+ph", "list the profiles and exit", exclusive=True),
            *profiles,
        ),
        implied=tls,
    )


def _ciphersuite(tls: tuple[str, ...], *, acceptor: bool) -> Group:
    options: tuple[Option, ...] = (
        Option("--list-ciphers", "+cc", "list the cipher suites and exit", exclusive=True),
        Option(
            "--cipher",
            "+cs",
            "use this cipher suite as well (may be given\nseveral times)",
            string("ciphersuite name"),
            conflicts=("--profile-bcp195-ex",),
            requires=tls,
        ),
    )
    if acceptor:
        options += (
            Option(
                "--dhparam",
                "+dp",
                "parameters for Diffie-Hellman, in place of\nthose of RFC 7919",
                string("filename"),
                requires=tls,
            ),
        )
    return Group("ciphersuite", options, implied=tls)


def _names(tls: tuple[str, ...], option: Option) -> Group:
    return Group(
        "server name indication",
        (
            Option(
                "--no-sni",
                "",
                "use no server name (default)",
                is_default=True,
                conflicts=(option.long,),
                requires=tls,
            ),
            option,
        ),
        implied=tls,
    )


def _random(tls: tuple[str, ...]) -> Group:
    return Group(
        "pseudo random generator",
        (
            Option(
                "--seed",
                "+rs",
                "accepted, without effect: the system seeds it",
                string("filename"),
                requires=tls,
            ),
            Option(
                "--write-seed",
                "+ws",
                "accepted, without effect: no file is written",
                requires=("--seed",),
            ),
            Option(
                "--write-seed-file",
                "+wf",
                "accepted, without effect: no file is written",
                string("filename"),
                requires=("--seed",),
            ),
        ),
        implied=tls,
    )


def _peer(tls: tuple[str, ...], *, acceptor: bool) -> Group:
    options: tuple[Option, ...] = (
        Option(
            "--require-peer-cert",
            "-rc",
            "demand a certificate, and verify it (default)",
            is_default=True,
            requires=tls,
        ),
    )
    if acceptor:
        options += (
            Option("--verify-peer-cert", "-vc", "verify one where it is sent", requires=tls),
        )
    options += (
        Option(
            "--ignore-peer-cert",
            "-ic",
            "verify nothing: nobody knows who the peer is",
            requires=tls,
        ),
    )
    return Group("peer authentication", options, implied=tls)


def _groups(tls: tuple[str, ...], name: Option, *, acceptor: bool) -> tuple[Group, ...]:
    return (
        _stack(anonymous=not acceptor),
        _password(),
        _format(tls),
        _authority(tls),
        _profile(tls),
        _ciphersuite(tls, acceptor=acceptor),
        _names(tls, name),
        _random(tls),
        _peer(tls, acceptor=acceptor),
    )


_REQUEST_SNI = Option(
    "--request-sni",
    "",
    "ask for the server of this name",
    string("server name"),
    requires=_REQUESTOR,
)
_EXPECT_SNI = Option(
    "--expect-sni",
    "",
    "refuse a peer that asks for another name",
    string("server name"),
    requires=_ACCEPTOR,
)

_REQUESTOR_GROUPS = _groups(_REQUESTOR, _REQUEST_SNI, acceptor=False)

REQUESTOR_GROUP = Group(TITLE, subgroups=_REQUESTOR_GROUPS)
"""Of a tool that requests associations."""

ACCEPTOR_GROUP = Group(TITLE, subgroups=_groups(_ACCEPTOR, _EXPECT_SNI, acceptor=True))
"""Of a tool that accepts them."""


BOTH_GROUP = Group(
    TITLE,
    subgroups=(
        *_groups(_ACCEPTOR, _REQUEST_SNI, acceptor=True)[:-3],
        Group(
            "server name indication",
            (
                Option(
                    "--no-sni",
                    "",
                    "use no server name (default)",
                    is_default=True,
                    conflicts=(_REQUEST_SNI.long, _EXPECT_SNI.long),
                    requires=_ACCEPTOR,
                ),
                Option(
                    _REQUEST_SNI.long,
                    "",
                    _REQUEST_SNI.help_text,
                    _REQUEST_SNI.values,
                    requires=_ACCEPTOR,
                ),
                _EXPECT_SNI,
            ),
            implied=_ACCEPTOR,
        ),
        _random(_ACCEPTOR),
        _peer(_ACCEPTOR, acceptor=True),
    ),
)
"""Of a tool that requests associations and accepts others meanwhile."""


def requestor_group_with(*more: Group) -> Group:
    """Return the group of a requestor with subgroups of its own behind the shared ones."""
    return Group(TITLE, subgroups=(*_REQUESTOR_GROUPS, *more))


def verify_certificates() -> Group:
    """Return the options that look at a certificate and call nobody."""
    return Group(
        "offline certificate verification",
        (
            Option(
                "--verify-cert",
                "+vc",
                "say whether this certificate would be trusted,\nand exit (peer and port are not "
                "needed)",
                string("filename"),
                stands_alone=True,
            ),
            Option(
                "--is-root-cert",
                "+rc",
                "say whether this is the certificate of a root\nauthority, and exit (likewise)",
                string("filename"),
                stands_alone=True,
            ),
        ),
    )


OFFLINE_EVALUATION = ("--verify-cert", "--is-root-cert")
"""The order in which they are looked at."""

_SYSTEM_CA = "trust the authorities that this system trusts,\ntoo"

OWN_REQUESTOR = (
    Option(
        "--verify-host",
        "",
        "demand that the peer's certificate is of the\nhost that is called (of the name that\n"
        "--request-sni asks for, where it is given)",
        conflicts=("--ignore-peer-cert",),
        requires=_REQUESTOR,
    ),
    Option("--system-ca", "", _SYSTEM_CA, requires=_REQUESTOR),
)
"""What isocenter adds for requestors."""

OWN_ACCEPTOR = (Option("--system-ca", "", _SYSTEM_CA, requires=_ACCEPTOR),)
"""What isocenter adds for acceptors."""

_BLOCK_OF_PROFILES = (
    "--profile-8996",
    "--profile-8996-mod",
    "--profile-bcp195",
    "--profile-bcp195-nd",
    "--profile-bcp195-ex",
    "--profile-basic",
    "--profile-aes",
    "--profile-null",
)

_AUTHORITY_EVALUATION = ("--add-cert-file", "--add-cert-dir", "--add-crl-file", "--cipher")

REQUESTOR_EVALUATION: tuple[str | tuple[str, ...], ...] = (
    ("--disable-tls", "--enable-tls", "--anonymous-tls"),
    PASSWORDS,
    ("--pem-keys", "--der-keys"),
    ("--enable-crl-vfy", "--enable-crl-all"),
    "--request-sni",
    ("--no-sni",),
    "--seed",
    ("--write-seed", "--write-seed-file"),
    ("--require-peer-cert", "--ignore-peer-cert"),
    _BLOCK_OF_PROFILES,
    *_AUTHORITY_EVALUATION,
)
"""`Tool.evaluation` of a requestor's options."""

ACCEPTOR_EVALUATION: tuple[str | tuple[str, ...], ...] = (
    ("--disable-tls", "--enable-tls"),
    PASSWORDS,
    ("--pem-keys", "--der-keys"),
    ("--enable-crl-vfy", "--enable-crl-all"),
    "--dhparam",
    "--expect-sni",
    ("--no-sni",),
    "--seed",
    ("--write-seed", "--write-seed-file"),
    ("--require-peer-cert", "--ignore-peer-cert", "--verify-peer-cert"),
    _BLOCK_OF_PROFILES,
    *_AUTHORITY_EVALUATION,
)
"""`Tool.evaluation` of an acceptor's options."""

BOTH_EVALUATION: tuple[str | tuple[str, ...], ...] = tuple(
    step
    for known in ACCEPTOR_EVALUATION
    for step in (("--request-sni", known) if known == "--expect-sni" else (known,))
)
"""`Tool.evaluation` of the options of `BOTH_GROUP`."""

OWN_BOTH = (
    Option(
        OWN_REQUESTOR[0].long,
        "",
        OWN_REQUESTOR[0].help_text,
        conflicts=OWN_REQUESTOR[0].conflicts,
        requires=_ACCEPTOR,
    ),
    *OWN_ACCEPTOR,
)
"""What isocenter adds for tools that do both."""

OWN_REQUESTOR_EVALUATION = ("--verify-host", "--system-ca")
"""`Tool.evaluation` of what isocenter adds for requestors."""

OWN_ACCEPTOR_EVALUATION = ("--system-ca",)
"""`Tool.evaluation` of what isocenter adds for acceptors."""

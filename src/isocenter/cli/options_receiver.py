"""Options of our own that the receiving tools share, as data.

Owns their names and wording: how objects are kept, who is let in, how many are served at a time.
Must not know any one tool; what a tool's other options forbid is an argument.
"""

from __future__ import annotations

from isocenter.cli.spec import Group, Option, choice, integer, string

__all__ = [
    "ACCESS",
    "ADMISSION",
    "ADMISSION_EVALUATION",
    "ADMITTING",
    "HOST_ACCESS",
    "KEEPING",
    "KEEPING_EVALUATION",
    "SERVING_EVALUATION",
    "serving",
]

VERIFYING = ("--users", "--jwt-key", "--jwt-keys")
"""Options by which users are verified."""

ADMITTING = (
    "--cert-ae",
    *VERIFYING,
    "--access-list",
    "--allow-calling",
    "--allow-called",
    "--allow-from",
)
"""Options that keep somebody out."""


def serving(
    *, not_forked: tuple[str, ...] = (), by_itself: tuple[str, ...] = ()
) -> tuple[Option, ...]:
    """Return the options for many peers at a time.

    Args:
        not_forked: options with which this process serves no two associations.
        by_itself: those with which it does not listen.
    """
    return (
        Option(
            "--workers",
            "",
            "serve from that many processes side by side",
            integer("number", 1),
            default="1",
            conflicts=not_forked,
        ),
        Option(
            "--max-per-peer",
            "",
            "serve at most that many of one address at once,\nof IPv6 of one net of 64 bits "
            "(with --workers:\nin each of them)",
            integer("max", 1),
            default="unlimited",
            conflicts=by_itself,
        ),
    )


SERVING_EVALUATION = ("--workers", "--max-per-peer")
"""`Tool.evaluation` of the options of `serving`."""

KEEPING = (
    Option(
        "--durable",
        "",
        "answer success once object and folder are on\ndisk",
        conflicts=("--ignore",),
    ),
    Option(
        "--on-duplicate",
        "",
        "what to do where another object has the name;\nthe same object again is always a success",
        choice("policy", "overwrite", "keep-both", "ignore", "reject"),
        default="overwrite",
        conflicts=("--ignore",),
    ),
    Option(
        "--min-free",
        "",
        "refuse objects (A700) while less would be free\non the disk",
        integer("mebibytes", 0),
        default="0",
        conflicts=("--ignore",),
    ),
)
"""How objects are kept."""

KEEPING_EVALUATION = ("--durable", "--on-duplicate", "--min-free")
"""`Tool.evaluation` of `KEEPING`."""

ADMISSION = (
    Option(
        "--access-list",
        "",
        "let in whom the rules in this file let in, by\ntitles and hosts; read anew at SIGHUP",
        string("filename"),
        conflicts=("--allow-calling", "--allow-called", "--allow-from"),
    ),
    Option(
        "--allow-calling",
        "",
        "let in only peers of this AE title (* and ?\nstand for letters; several times)",
        string("aetitle"),
    ),
    Option(
        "--allow-called",
        "",
        "let in only those that call this AE title (may\nbe given several times)",
        string("aetitle"),
    ),
    Option(
        "--allow-from",
        "",
        "let in only this address, net (192.0.2.0/24)\nor host name (several times)",
        string("net"),
    ),
    Option(
        "--cert-ae",
        "",
        "let a certificate use the calling AE titles\nthat this file has for it, and no "
        "others; read\nanew at SIGHUP",
        string("filename"),
        conflicts=("--ignore-peer-cert",),
        requires=("--enable-tls",),
    ),
    Option(
        "--users",
        "",
        "verify names and passwords of users by this\nfile (isocenter passwd); read anew at SIGHUP",
        string("filename"),
    ),
    Option(
        "--jwt-key",
        "",
        "verify JSON Web Tokens of users by this public\nkey (PEM); read anew at SIGHUP",
        string("filename"),
    ),
    Option(
        "--jwt-keys",
        "",
        "verify them by this set of keys (JWKS); read\nanew at SIGHUP",
        string("filename"),
    ),
    Option(
        "--jwt-issuer",
        "",
        "take tokens of this issuer (iss) only",
        string("name"),
        requires=("--jwt-key", "--jwt-keys"),
    ),
    Option(
        "--jwt-audience",
        "",
        "take tokens for this audience (aud) only; else\nthose that name no audience",
        string("name"),
        requires=("--jwt-key", "--jwt-keys"),
    ),
    Option(
        "--require-identity",
        "",
        "keep out whoever gives no user identity, too",
        requires=VERIFYING,
    ),
)
"""Who is let in."""

HOST_ACCESS = Group(
    "network host access control",
    (
        Option(
            "--access-full",
            "-ac",
            "let every host connect (default)",
            is_default=True,
        ),
        Option(
            "--access-control",
            "+ac",
            "let hosts connect as /etc/hosts.allow and\n/etc/hosts.deny say",
        ),
    ),
)
"""DCMTK's options for the rules of the TCP wrappers."""

ACCESS = Group("access options", ADMISSION)
"""`ADMISSION` under a heading of its own."""

ADMISSION_EVALUATION = (
    "--access-list",
    "--allow-calling",
    "--allow-called",
    "--allow-from",
    "--cert-ae",
    *VERIFYING,
    "--jwt-issuer",
    "--jwt-audience",
    "--require-identity",
)
"""`Tool.evaluation` of `ADMISSION`."""

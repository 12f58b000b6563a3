"""What will keep an acceptor from letting anybody in, said before the first one calls.

Owns the look at trust and dates of a context that could be made, and the words for it. Must not
know how one is made (`tls_context`). What is said changes with the time of day.

RFC 5280 4.1.2.5 (validity), 5.1.2.5 (next update).
"""

from __future__ import annotations

import base64
import os
import re
import stat
import time

from isocenter.net.tls_certificate import elements, next_update, validity

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from isocenter.net.tls_options import TlsOptions
    from isocenter.net.tls_snapshot import Snapshot

__all__ = ["outlook"]

_SEQUENCE = 0x30
_BLOCK = re.compile(
    rb"-----BEGIN (?:X509 |TRUSTED )?(?:CERTIFICATE|CRL)-----(.*?)-----END ", re.DOTALL
)


def outlook(context: ssl.SSLContext, options: TlsOptions, files: Snapshot) -> Iterator[str]:
    """Yield a line for each thing that will have peers refused, and for a key that is no secret.

    Args:
        context: an acceptor's, ready.
        options: what it was made of.
        files: through which they were read.
    """
    yield from _about_trust(context, options)
    now = time.strftime("%Y%m%d%H%M%SZ", time.gmtime())
    yield from _about_own(options, files, now)
    for path in options.crl_files:
        for der in _contents(path, options, files):
            due = _due(der)
            if due is not None and due < now:
                yield (
                    f"the revocation list in '{path}' is out of date (the next one was due "
                    f"{_shown(due)}): certificates of its authority are refused"
                )


def _about_trust(context: ssl.SSLContext, options: TlsOptions) -> Iterator[str]:
    if options.system_ca or options.peer_certificate == "ignore":
        return
    if any(map(os.path.isdir, options.ca_directories)):
        return  # what is in there is looked for when it is needed
    stored = context.cert_store_stats()
    if not stored["x509"]:
        who = "every peer is" if options.peer_certificate == "require" else "certificates are"
        yield f"no certificate authority is trusted (--add-cert-file, ca_files): {who} refused"
    elif options.crl_check != "none" and not stored["crl"]:
        yield (
            "revocation is to be checked, and there is no revocation list (--add-crl-file, "
            "crl_files): certificates are refused"
        )


def _about_own(options: TlsOptions, files: Snapshot, now: str) -> Iterator[str]:
    path, key = options.certificate, options.private_key
    if path is None or key is None:
        return
    for der in _contents(path, options, files)[:1]:
        try:
            first, last = validity(der)
        except ValueError:
            continue
        if last < now:
            yield f"the own certificate '{path}' has expired: it was valid until {_shown(last)}"
        elif now < first:
            yield f"the own certificate '{path}' is not valid yet: it will be from {_shown(first)}"
    if os.name == "posix" and not _is_encrypted(key, options, files):
        try:
            mode = os.stat(key).st_mode
        except OSError:
            return
        if mode & stat.S_IROTH:
            yield f"the private key '{key}' can be read by all users of this machine"


def _is_encrypted(key: str, options: TlsOptions, files: Snapshot) -> bool:
    try:
        data = files.read(key)
        if options.file_format != "der":
            return b"ENCRYPTED" in data
        # RFC 5958 3: an algorithm stands first, where a key has its version.
        (_, content), *_ = elements(data, most=1)
        return elements(content, most=1)[0][0] == _SEQUENCE
    except (OSError, ValueError):
        return False


def _contents(path: str, options: TlsOptions, files: Snapshot) -> list[bytes]:
    """Return what is in a file, in DER."""
    try:
        data = files.read(path)
        if options.file_format == "der":
            return [data]
        return [base64.b64decode(block) for block in _BLOCK.findall(data)]
    except (OSError, ValueError):
        return []


def _due(der: bytes) -> str | None:
    try:
        return next_update(der)
    except ValueError:
        return None


def _shown(moment: str) -> str:
    """Return ``2026-12-31 23:59:59 UTC`` of ``20261231235959Z``."""
    day = f"{moment[:4]}-{moment[4:6]}-{moment[6:8]}"
    return f"{day} {moment[8:10]}:{moment[10:12]}:{moment[12:14]} UTC"

"""Certificates and the calling AE titles that their owners may use.

Owns the rules of such a file, and what a certificate is known by. Must not know how a certificate
was verified, nor by whom: the chain is checked before, here only the name counts. Certificates
are read with `cryptography`, loaded where there is one to read.

A rule is a line: names of a certificate and ``calling=`` with an AE title, in which ``*`` and
``?`` stand for any letters and any letter. Names are ``cn=`` and ``subject=`` (RFC 4514) of the
subject, ``dns=``, ``uri=`` and ``email=`` of the alternative names (RFC 5280 4.2.1.6) and
``sha256=``, the hash of the whole certificate. A name may be given several times, then one of
them is enough; of different names all are needed. Text beyond ASCII is UTF-8, titles are bytes.

Names are compared as they are, without wildcards: ``dns=*.example`` is a certificate for just
that. Whose certificate no line has, or none with the title that it calls itself by, is rejected.

PS3.8 9.3.4; PS3.15 B.1.
"""

from __future__ import annotations

import hashlib

from isocenter.aetitle import normalise
from isocenter.errors import ConfigurationError
from isocenter.logs import get_logger
from isocenter.record import Record
from isocenter.security.rule_lines import fail, lines_of, read_text, shown
from isocenter.security.title_patterns import is_title_among, title_pattern, warn_of_comma
from isocenter.ul.negotiation import rejection
from isocenter.ul.pdu import RejectReason

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cryptography import x509

    from isocenter.security.rule_lines import RuleLine
    from isocenter.ul.admission import RequestFacts
    from isocenter.ul.pdu import AAssociateRJ, AAssociateRQ

__all__ = ["CertificateRule", "CertificateTitles", "names_of", "parse_certificate_titles"]

_LOGGER = get_logger(__name__)

_KEYS = ("cn", "subject", "dns", "uri", "email", "sha256")
_FINGERPRINT = 64
"""Digits of a SHA-256."""
_ATTRIBUTES = {
    "E": "1.2.840.113549.1.9.1",
    "emailAddress": "1.2.840.113549.1.9.1",
    "SN": "2.5.4.4",
    "serialNumber": "2.5.4.5",
    "title": "2.5.4.12",
    "GN": "2.5.4.42",
}
"""Names of attributes that OpenSSL writes and RFC 4514 does not list (RFC 4519, PKCS #9)."""


class CertificateRule(Record):
    """One rule.

    Fields:
        line: its number in the file.
        names: kind of name to the values of which one is needed, in their comparable form.
        calling: patterns of calling titles, one or more.
    """

    line: int
    names: Mapping[str, frozenset[object]]
    calling: tuple[str, ...]

    def is_about(self, names: Mapping[str, frozenset[object]]) -> bool:
        """Tell whether a certificate has the names."""
        return all(values & names.get(kind, frozenset()) for kind, values in self.names.items())


class CertificateTitles:
    """Lets in who calls itself as its certificate may (`services.admission`); for any thread.

    Args:
        path: of the file of rules.

    Raises:
        ConfigurationError: the file cannot be used; the message names it, line and column.
    """

    __slots__ = ("_path", "_rules")

    def __init__(self, path: str) -> None:
        """Read the file."""
        self._path = path
        self._rules = parse_certificate_titles(read_text(path), path)

    def reload(self) -> str:
        """Read the file again, and say what is in force now.

        Raises:
            ConfigurationError: it cannot be used; the rules stay as they are.
        """
        self._rules = rules = parse_certificate_titles(read_text(self._path), self._path)
        return f"{self._path}, {len(rules)} {'line' if len(rules) == 1 else 'lines'}"

    def judge(self, facts: RequestFacts, request: AAssociateRQ) -> AAssociateRJ | None:
        """As `services.admission.Admission`."""
        title = normalise(request.calling_ae_title)
        problem = self._problem(facts.peer_certificate, title)
        if not problem:
            return None
        _LOGGER.warning(
            "refused association of %a at %s with %a: %s",
            title,
            facts.host or "unknown address",
            normalise(request.called_ae_title),
            problem,
        )
        return rejection(RejectReason.USER_CALLING_AE_TITLE_NOT_RECOGNIZED)

    def _problem(self, certificate: bytes | None, title: str) -> str:
        """Return why the owner of a certificate may not use a title, "" where they may."""
        if certificate is None:
            return "it has shown no certificate"
        names, subject = names_of(certificate)
        about = [rule for rule in self._rules if rule.is_about(names)]
        if any(is_title_among(title, rule.calling) for rule in about):
            return ""
        (fingerprint,) = names["sha256"]
        who = f"its certificate ({subject}, sha256={fingerprint})"
        if not about:
            return f"no line of {self._path} is about {who}"
        lines = ", ".join(str(rule.line) for rule in about[:5])
        return f"{self._path}, line{'s' if len(about) > 1 else ''} {lines}: other titles for {who}"


def names_of(certificate: bytes) -> tuple[dict[str, frozenset[object]], str]:
    """Return the names of a certificate in DER by kind, and its subject for the log.

    A certificate that cannot be read has its hash for a name and nothing else.

    RFC 5280 4.1.2.6, 4.2.1.6.
    """
    names: dict[str, frozenset[object]] = {
        "sha256": frozenset({hashlib.sha256(certificate).hexdigest()})
    }
    from cryptography import x509

    try:
        read = x509.load_der_x509_certificate(certificate)
        common = read.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        subject = shown(read.subject.rfc4514_string())
        own: dict[str, frozenset[object]] = {
            "cn": frozenset(attribute.value for attribute in common),
            "subject": frozenset({_subject(read.subject)}),
        }
        own |= _alternative_names(read)
    except Exception:  # noqa: BLE001 - the library has no error of its own for all that may be
        return names, "one that cannot be read"
    return names | own, subject


def _alternative_names(certificate: x509.Certificate) -> dict[str, frozenset[object]]:
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return {}
    return {
        "dns": frozenset(map(_host, found.get_values_for_type(x509.DNSName))),
        "uri": frozenset(found.get_values_for_type(x509.UniformResourceIdentifier)),
        "email": frozenset(map(_mailbox, found.get_values_for_type(x509.RFC822Name))),
    }


def _subject(name: x509.Name) -> tuple[frozenset[tuple[str, object]], ...]:
    """Return the parts of a name so that they compare whatever string type they are written in."""
    return tuple(
        frozenset((attribute.oid.dotted_string, attribute.value) for attribute in part)
        for part in name.rdns
    )


def _host(name: str) -> str:
    return name.lower().removesuffix(".")


def _mailbox(address: str) -> str:
    """Return an address with its domain in lower case; the rest is the domain's affair."""
    local, at, domain = address.rpartition("@")
    return f"{local}{at}{domain.lower()}"


# --- the file --------------------------------------------------------------------------------


def parse_certificate_titles(text: str, path: str) -> tuple[CertificateRule, ...]:
    """Return the rules in a file.

    Raises:
        ConfigurationError: a line is no rule, or there is no rule at all; the message names file,
            line and column.
    """
    rules = tuple(_rule(line, path) for line in lines_of(text, path))
    if not rules:
        raise ConfigurationError(f"{path}: there is no rule in it")
    return rules


def _rule(line: RuleLine, path: str) -> CertificateRule:
    """Return the rule of a line.

    Raises:
        ConfigurationError: it is none.
    """
    names: dict[str, list[object]] = {}
    calling: list[str] = []
    for word in line.words:
        try:
            if word.key == "calling":
                pattern = title_pattern(word.value)
                where = f"{path}, line {line.number}, column {word.column}"
                warn_of_comma(pattern, where=where, key="calling=")
                calling.append(pattern)
            elif word.key in _KEYS:
                names.setdefault(word.key, []).append(_comparable(word.key, word.value))
            else:
                raise ConfigurationError(  # noqa: TRY301 - its place follows
                    f"{shown(word.key or word.value)!r} is none of {_list_of((*_KEYS, 'calling'))}"
                )
        except ConfigurationError as problem:
            fail(path, line.number, word.column, str(problem))
    column = line.words[0].column
    if not names:
        fail(path, line.number, column, f"no name of a certificate: {_list_of(_KEYS)}")
    if not calling:
        fail(path, line.number, column, "no AE title: calling=")
    return CertificateRule(
        line=line.number,
        names={kind: frozenset(values) for kind, values in names.items()},
        calling=tuple(calling),
    )


def _list_of(keys: Iterable[str]) -> str:
    return ", ".join(f"{key}=" for key in keys)


def _comparable(kind: str, value: str) -> object:
    """Return a name as `names_of` has it.

    Raises:
        ConfigurationError: no certificate can have it.
    """
    if kind == "sha256":
        digits = value.replace(":", "").lower()
        if len(digits) != _FINGERPRINT or digits.strip("0123456789abcdef"):
            raise ConfigurationError("no SHA-256 hash: 64 hexadecimal digits, colons or none")
        return digits
    try:
        text = value.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError as problem:
        raise ConfigurationError(f"{shown(value)!r} is not UTF-8") from problem
    if not text.strip():
        raise ConfigurationError("a name is missing")
    if kind == "subject":
        return _parsed_subject(text)
    return {"dns": _host, "email": _mailbox}.get(kind, str)(text)


def _parsed_subject(text: str) -> object:
    """Return a subject written as RFC 4514 has it.

    Raises:
        ConfigurationError: it is none.
    """
    from cryptography import x509

    attributes = {name: x509.ObjectIdentifier(oid) for name, oid in _ATTRIBUTES.items()}
    try:
        return _subject(x509.Name.from_rfc4514_string(text, attributes))
    except ValueError as problem:
        raise ConfigurationError(
            f"{shown(text)!r} is no subject as "
            "'openssl x509 -noout -subject -nameopt RFC2253' writes it"
        ) from problem

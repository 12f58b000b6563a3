r"""Association profiles: the file of ``--config-file``, checked, as records.

Owns what the sections of such a file mean, which mistakes are told in which order and in which
words. Must not know a tool, nor what is sent (`isocenter.cli.profiles`), nor how the text is
cut into sections (`isocenter.cli.sections`).

    [[TransferSyntaxes]]      [list]     TransferSyntax1 = UID or name
    [[PresentationContexts]]  [list]     PresentationContext1 = abstract syntax\transfer syntaxes
    [[SCPSCURoleSelection]]   [list]     Role1 = abstract syntax\SCU, SCP or BOTH
    [[ExtendedNegotiation]]   [list]     ExtendedNegotiation1 = abstract syntax\HEXADECIMAL
    [[Profiles]]              [profile]  PresentationContexts, SCPSCURoleSelection,
                                         ExtendedNegotiation = list

Numbered keys begin with 1; at the first gap a list ends, and what stands behind is ignored with
a warning. Of super sections and keys of one name the first counts; sections of one name are one
list, except that a profile may not be there twice.

An error begins with DCMTK's text, so that scripts find it; behind it stand, in brackets, the
file, the line and the section. Codes are those of its module 0006. What it can also say at
association time (1037, 1040, 1063 to 1066, 1068, 1070 to 1073: a list that is undefined or
empty) cannot happen with a file that was read: a list exists once it has an entry.

Source: runs of DCMTK's tools; `docs/asconfig.txt` of its dcmnet.
"""

from __future__ import annotations

import os

from isocenter.cli.sections import TooManyEntries, mangled, read_sections
from isocenter.cli.uidnames import UidNames
from isocenter.errors import ConfigurationError
from isocenter.logs import get_logger
from isocenter.record import NamedTuple, Record
from isocenter.ul.items import is_uid
from isocenter.ul.negotiation import MAXIMUM_CONTEXTS, Role

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from isocenter.cli.sections import Entry, Section, SuperSection

__all__ = [
    "MAXIMUM_EXTENDED_LENGTH",
    "MAXIMUM_FILE_LENGTH",
    "Profile",
    "ProfileContext",
    "ProfileError",
    "parse_profiles",
    "read_profiles",
    "too_many_contexts",
]

_LOGGER = get_logger(__name__)

MAXIMUM_FILE_LENGTH = 1 << 20
"""Bytes of a profile file. The longest that DCMTK brings has 48 KB."""

MAXIMUM_EXTENDED_LENGTH = 1024
"""Bytes of service class application information for one SOP class."""

_MAXIMUM_NOTES = 10  # warnings about one file; more help nobody

_TRANSFER_SYNTAXES = "TRANSFERSYNTAXES"
_PRESENTATION_CONTEXTS = "PRESENTATIONCONTEXTS"
_ROLES = "SCPSCUROLESELECTION"
_EXTENDED = "EXTENDEDNEGOTIATION"
_PROFILES = "PROFILES"
_KNOWN = (_TRANSFER_SYNTAXES, _PRESENTATION_CONTEXTS, _ROLES, _EXTENDED, _PROFILES)

_ROLE_NAMES = {"SCU": Role.SCU, "SCP": Role.SCP, "BOTH": Role.SCU | Role.SCP}
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")


class ProfileError(ConfigurationError):
    """A profile file cannot be used, or has no such profile.

    Attributes:
        code: DCMTK's number in its module 0006; 0 where it has none.
        text: DCMTK's words, or ours where it has none.
        where: file, line and section, as they stand in brackets.
    """

    def __init__(self, code: int, text: str, where: str) -> None:
        """Keep the facts."""
        super().__init__(f"{text} ({where})")
        self.code = code
        self.text = text
        self.where = where

    @property
    def condition(self) -> str:
        """The error as DCMTK's conditions are printed, with the code in hexadecimal."""
        return f"0006:{self.code:04x} {self}" if self.code else str(self)


class ProfileContext(NamedTuple):
    """A presentation context: an abstract syntax with transfer syntaxes, all UIDs, in order."""

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


class Profile(Record):
    """How one side negotiates.

    Attributes:
        name: as it is compared, in capitals.
        contexts: in order; at least one.
        roles: abstract syntax UID to the roles of the association requestor, in order.
        extended_negotiations: abstract syntax UID to service class application information, in
            order.
        contexts_name: the name of the list of contexts, for messages.
    """

    name: str
    contexts: tuple[ProfileContext, ...]
    roles: Mapping[str, Role]
    extended_negotiations: Mapping[str, bytes]
    contexts_name: str


def read_profiles(path: str, *, requestor: bool) -> Mapping[str, Profile]:
    """Read a file.

    Args:
        path: its name.
        requestor: the profiles are to propose, so that no list of contexts may have more
            entries than there are context ids.

    Returns:
        The profiles by name, in the order of the file.

    Raises:
        ProfileError: the file cannot be read, or is wrong anywhere.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAXIMUM_FILE_LENGTH + 1)
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else None
        text = f"unable to open configuration file: {path}"
        raise ProfileError(1042, text, reason or str(problem)) from problem
    if len(data) > MAXIMUM_FILE_LENGTH:
        raise ProfileError(0, f"configuration file longer than {MAXIMUM_FILE_LENGTH} bytes", path)
    # What is no UTF-8 can only stand in comments or in what is wrong anyway.
    return parse_profiles(data.decode("utf-8-sig", "replace"), path, requestor=requestor)


def parse_profiles(text: str, path: str, *, requestor: bool) -> Mapping[str, Profile]:
    """Read the text of a file; `path` is for messages. See `read_profiles`.

    Raises:
        ProfileError: something is wrong.
    """
    return _Reader(text, path, requestor=requestor).read()


def too_many_contexts(name: str, where: str) -> ProfileError:
    """Return the error of a list of contexts that is too long to be proposed."""
    text = f"presentation context list too long (> {MAXIMUM_CONTEXTS} entries): {name}"
    return ProfileError(1032, text, where)


class _Reader:
    """One file on its way from text to profiles."""

    def __init__(self, text: str, path: str, *, requestor: bool) -> None:
        self._path = os.fsencode(path).decode("utf-8", "replace")
        self._requestor = requestor
        self._names = UidNames()
        try:
            supers, notes = read_sections(text)
        except TooManyEntries as problem:
            raise ProfileError(0, str(problem), self._path) from problem
        self._warnings = [f"{note.text} ({self._path}, line {note.line})" for note in notes]
        self._supers: dict[str, SuperSection] = {}
        for found in supers:
            if found.name in self._supers or found.name not in _KNOWN:
                reason = "is there twice" if found.name in self._supers else "has no meaning here"
                where = f"{self._path}, line {found.line}"
                self._warnings.append(f"ignoring [[{found.name}]]: it {reason} ({where})")
            else:
                self._supers[found.name] = found
        self._syntaxes: dict[str, tuple[str, ...]] = {}
        self._contexts: dict[str, list[ProfileContext]] = {}
        self._roles: dict[str, dict[str, Role]] = {}
        self._extended: dict[str, dict[str, bytes]] = {}

    def read(self) -> Mapping[str, Profile]:
        """Check everything in DCMTK's order; log the warnings where nothing is wrong."""
        self._read_transfer_syntaxes()
        self._read_contexts()
        self._read_roles()
        self._read_extended()
        profiles = self._read_profiles()
        for text in self._warnings[:_MAXIMUM_NOTES]:
            _LOGGER.warning("%s", text)
        if len(self._warnings) > _MAXIMUM_NOTES:
            more = len(self._warnings) - _MAXIMUM_NOTES
            _LOGGER.warning("%d more notes about %s", more, self._path)
        return profiles

    def _read_transfer_syntaxes(self) -> None:
        lists: dict[str, list[str]] = {}
        for section in self._mandatory(_TRANSFER_SYNTAXES, 1050):
            for entry in self._numbered(section, "TRANSFERSYNTAX"):
                uid = self._uid(entry, section, entry.value, 1024, "transfer")
                lists.setdefault(section.name, []).append(uid)
        self._syntaxes = {name: tuple(listed) for name, listed in lists.items()}

    def _read_contexts(self) -> None:
        for section in self._mandatory(_PRESENTATION_CONTEXTS, 1051):
            for entry in self._numbered(section, "PRESENTATIONCONTEXT"):
                word, rest = self._halves(entry, section, 1052)
                key = mangled(rest)
                syntaxes = self._syntaxes.get(key)
                if syntaxes is None:
                    text = f"transfer syntax key undefined: {key}"
                    raise self._error(1031, text, entry.line, section)
                uid = self._uid(entry, section, word, 1025)
                listed = self._contexts.setdefault(section.name, [])
                if self._requestor and len(listed) >= MAXIMUM_CONTEXTS:
                    raise too_many_contexts(section.name, self._where(entry.line, section))
                listed.append(ProfileContext(uid, syntaxes))

    def _read_roles(self) -> None:
        for section in self._optional(_ROLES):
            for entry in self._numbered(section, "ROLE"):
                word, rest = self._halves(entry, section, 1054)
                role = _ROLE_NAMES.get(rest.upper() if rest.isascii() else rest)
                if role is None:
                    text = f"syntax error: unknown role key in entry {entry.key} in config file"
                    raise self._error(1055, text, entry.line, section)
                uid = self._uid(entry, section, word, 1026)
                listed = self._roles.setdefault(section.name, {})
                if uid in listed:
                    text = f"role selection defined twice for abstract syntax UID: {word}"
                    raise self._error(1027, text, entry.line, section)
                listed[uid] = role

    def _read_extended(self) -> None:
        for section in self._optional(_EXTENDED):
            for entry in self._numbered(section, "EXTENDEDNEGOTIATION"):
                word, rest = self._halves(entry, section, 1057)
                data = self._information(entry, section, rest)
                uid = self._uid(entry, section, word, 1028)
                listed = self._extended.setdefault(section.name, {})
                if uid in listed:
                    text = f"extended negotiation defined twice for abstract syntax UID: {word}"
                    raise self._error(1029, text, entry.line, section)
                listed[uid] = data

    def _information(self, entry: Entry, section: Section, digits: str) -> bytes:
        """Return what pairs of hexadecimal digits say."""
        if len(digits) > 2 * MAXIMUM_EXTENDED_LENGTH:
            text = (
                "extended negotiation data too long, cannot handle > "
                f"{MAXIMUM_EXTENDED_LENGTH} bytes in entry {entry.key} in config file"
            )
            raise self._error(1058, text, entry.line, section)
        if len(digits) % 2 or not digits or not _HEXADECIMAL.issuperset(digits):
            text = f"parse error in extended negotiation data in entry {entry.key} in config file"
            raise self._error(1059, text, entry.line, section)
        return bytes.fromhex(digits)

    def _read_profiles(self) -> dict[str, Profile]:
        profiles: dict[str, Profile] = {}
        for section in self._mandatory(_PROFILES, 1060):
            values: dict[str, Entry] = {}
            for entry in section.entries:
                if entry.key in (_PRESENTATION_CONTEXTS, _ROLES, _EXTENDED):
                    if entry.key not in values:
                        values[entry.key] = entry
                        continue
                    reason = "it was there before"
                else:
                    reason = "a profile has no such key"
                self._ignore(entry, section, reason)
            profile = self._profile(section, values)
            if section.name in profiles:
                # The text names the list of contexts, as DCMTK's does; the brackets the profile.
                text = f"two profiles defined for key: {profile.contexts_name}"
                raise self._error(1030, text, section.line, section)
            profiles[section.name] = profile
        return profiles

    def _profile(self, section: Section, values: Mapping[str, Entry]) -> Profile:
        chosen = values.get(_PRESENTATION_CONTEXTS)
        if chosen is None:
            text = f"no {_PRESENTATION_CONTEXTS}  entry in section {section.name} in config file"
            raise self._error(1061, text, section.line, section)
        key = mangled(chosen.value)
        contexts = self._contexts.get(key)
        if contexts is None:
            text = f"presentation context key undefined: {key}"
            raise self._error(1033, text, chosen.line, section)
        proposed = {context.abstract_syntax for context in contexts}
        roles: Mapping[str, Role] = {}
        extended: Mapping[str, bytes] = {}
        entry = values.get(_ROLES)
        if entry is not None:
            name = mangled(entry.value)
            if name not in self._roles:
                text = f"role selection key undefined: {name}"
                raise self._error(1036, text, entry.line, section)
            roles = self._roles[name]
            self._check_listed(1038, (name, roles), (key, proposed), entry, section)
        entry = values.get(_EXTENDED)
        if entry is not None:
            name = mangled(entry.value)
            if name not in self._extended:
                text = f"extended negotiation key undefined: {name}"
                raise self._error(1039, text, entry.line, section)
            extended = self._extended[name]
            self._check_listed(1041, (name, extended), (key, proposed), entry, section)
        return Profile(
            name=section.name,
            contexts=tuple(contexts),
            roles=roles,
            extended_negotiations=extended,
            contexts_name=key,
        )

    def _check_listed(
        self,
        code: int,
        listed: tuple[str, Mapping[str, object]],
        contexts: tuple[str, set[str]],
        entry: Entry,
        section: Section,
    ) -> None:
        """Demand that a list names only abstract syntaxes that the list of contexts has."""
        for uid in listed[1]:
            if uid not in contexts[1]:
                # DCMTK says "role selection" of either list.
                text = (
                    f"abstract syntax defined in role selection list '{listed[0]}' but not in "
                    f"presentation context list '{contexts[0]}': {uid}"
                )
                raise self._error(code, text, entry.line, section)

    # --- what the five have in common ---

    def _mandatory(self, name: str, code: int) -> list[Section]:
        found = self._supers.get(name)
        if found is None:
            raise ProfileError(code, f"cannot find section [[{name}]] in config file", self._path)
        return found.sections

    def _optional(self, name: str) -> list[Section]:
        found = self._supers.get(name)
        return [] if found is None else found.sections

    def _numbered(self, section: Section, stem: str) -> Iterator[Entry]:
        """Yield STEM1, STEM2 and so on up to the first gap; warn of what is left."""
        first: dict[str, Entry] = {}
        for entry in section.entries:
            first.setdefault(entry.key, entry)
        number = 1
        while f"{stem}{number}" in first:
            yield first[f"{stem}{number}"]
            number += 1
        used = {id(first[f"{stem}{place}"]) for place in range(1, number)}
        left = [entry for entry in section.entries if id(entry) not in used]
        if left:
            twice = left[0].key in first and id(first[left[0].key]) in used
            reason = "it was there before" if twice else f"there is no {stem}{number}"
            more = f" and {len(left) - 1} more" if len(left) > 1 else ""
            self._ignore(left[0], section, reason, more)

    def _halves(self, entry: Entry, section: Section, code: int) -> tuple[str, str]:
        """Return what stands before and behind the first backslash."""
        word, backslash, rest = entry.value.partition("\\")
        if not backslash:
            text = f"syntax error: missing '\\' in entry {entry.key} in config file"
            raise self._error(code, text, entry.line, section)
        return word, rest

    def _uid(
        self, entry: Entry, section: Section, word: str, code: int, kind: str = "abstract"
    ) -> str:
        uid = self._names.uid_of(word)
        if not is_uid(uid):
            shown = word if word.isprintable() else repr(word)
            text = f"not a valid {kind} syntax UID: {shown}"
            raise self._error(code, text, entry.line, section)
        return uid

    def _where(self, line: int, section: Section) -> str:
        return f"{self._path}, line {line}, section [{section.name}]"

    def _error(self, code: int, text: str, line: int, section: Section) -> ProfileError:
        return ProfileError(code, text, self._where(line, section))

    def _ignore(self, entry: Entry, section: Section, reason: str, more: str = "") -> None:
        where = self._where(entry.line, section)
        self._warnings.append(f"ignoring {entry.key}{more}: {reason} ({where})")

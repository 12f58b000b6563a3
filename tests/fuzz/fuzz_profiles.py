"""Fuzz target: files of association profiles, for both sides.

Reading may raise `ProfileError` and nothing else, and using a profile too. The first byte of the
input chooses the side. What a profile proposes can be encoded and is read back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isocenter.cli.asconfig import ProfileError, parse_profiles
from isocenter.cli.profiles import ProfileSource, acceptor_profile, apply_to_policy, plan_profile
from isocenter.cli.sections import TooManyEntries, mangled, read_sections
from isocenter.ul import codec
from isocenter.ul.negotiation import AcceptorPolicy, negotiate
from isocenter.ul.pdu import AAssociateRQ, UserInformation
from tests.cli.test_asconfig import FULL
from tests.fuzz.oracle import raises_only

if TYPE_CHECKING:
    from isocenter.cli.asconfig import Profile

_POLICY = AcceptorPolicy(abstract_syntaxes={}, implementation_class_uid="1.2.3")


def seeds() -> list[bytes]:
    """Return a file with everything, its parts, and files that are wrong."""
    parts = [part for part in FULL.split("[[") if part]
    wrong = ("[[Profiles]]\n[A]\nPresentationContexts = none\n", "[[[[A]\n]]=\n=", "a = \n b\n c")
    texts = (FULL, *(f"[[{part}" for part in parts), *wrong)
    return [bytes([side]) + text.encode() for side in (0, 1) for text in texts]


def test_one_input(data: bytes) -> None:
    """Read one file and check what follows from it."""
    if not data:
        return
    requestor = bool(data[0] & 1)
    text = data[1:].decode("utf-8-sig", "replace")
    _check_sections(text)
    profiles = {}
    with raises_only(ProfileError):
        profiles = dict(parse_profiles(text, "profiles.cfg", requestor=requestor))
    for name, profile in profiles.items():
        if name != mangled(name) or not profile.contexts:
            raise AssertionError(f"{profile} is called {name}")
        with raises_only(ProfileError):
            if requestor:
                _check_request(profile)
            else:
                source = ProfileSource(path="profiles.cfg", profiles=profiles)
                policy = apply_to_policy(acceptor_profile(source, name), _POLICY)
                request = _request(profile)
                if request is not None:
                    codec.encode(negotiate(request, policy))


def _check_sections(text: str) -> None:
    lines = text.count("\n") + text.count("\r") + 1
    try:
        supers, notes = read_sections(text)
    except TooManyEntries:
        return
    places = [note.line for note in notes]
    for group in supers:
        places.append(group.line)
        for section in group.sections:
            places += [section.line, *(entry.line for entry in section.entries)]
    if not all(1 <= place <= lines for place in places):
        raise AssertionError(f"lines {places} of {lines}")


def _check_request(profile: Profile) -> None:
    planned = plan_profile(profile, ())
    request = AAssociateRQ(
        called_ae_title="A",
        calling_ae_title="B",
        presentation_contexts=planned.contexts,
        user_information=UserInformation(
            maximum_length=16384,
            implementation_class_uid="1.2.3",
            role_selections=planned.role_selections,
            extended_negotiations=planned.extended_negotiations,
        ),
    )
    encoded = codec.encode(request)
    if codec.decode(encoded[0], encoded[codec.PDU_HEADER_LENGTH :], codec.Limits()) != request:
        raise AssertionError("what is proposed is read as something else")


def _request(profile: Profile) -> AAssociateRQ | None:
    """Return a request for what an acceptor's profile offers, None where that is too much."""
    try:
        planned = plan_profile(profile, ())
    except ProfileError:
        return None
    if len(planned.contexts) > 128:
        return None
    return AAssociateRQ(
        called_ae_title="A",
        calling_ae_title="B",
        presentation_contexts=planned.contexts,
        user_information=UserInformation(
            maximum_length=16384,
            implementation_class_uid="1.2.3",
            role_selections=planned.role_selections,
            extended_negotiations=planned.extended_negotiations,
        ),
    )

"""Association profiles on the command line: where they come from and what they make of it."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from isocenter import uids
from isocenter.cli.asconfig import Profile, ProfileContext, ProfileError, read_profiles
from isocenter.cli.builtin_profiles import NAMES, builtin_profiles
from isocenter.cli.profiles import (
    ProfileSource,
    acceptor_profile,
    apply_to_policy,
    load_profiles,
    plan_profile,
    requestor_profile,
)
from isocenter.cli.uidnames import LOCAL_ENDIAN, OPPOSITE_ENDIAN
from isocenter.ul.negotiation import AcceptorPolicy, Role
from isocenter.ul.pdu import RoleSelection, SopClassExtendedNegotiation

if TYPE_CHECKING:
    from collections.abc import Mapping

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
US = "1.2.840.10008.5.1.4.1.1.6.1"
SR = "1.2.840.10008.5.1.4.1.1.88.11"
PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"
IMPLICIT = uids.IMPLICIT_VR_LITTLE_ENDIAN
UNCOMPRESSED = (LOCAL_ENDIAN, OPPOSITE_ENDIAN, IMPLICIT)

TEXT = (
    "[[TransferSyntaxes]]\n[T]\nTransferSyntax1 = LittleEndianImplicit\n"
    "[[PresentationContexts]]\n[P]\nPresentationContext1 = CTImageStorage\\T\n"
    "[[Profiles]]\n[My Own]\nPresentationContexts = P\n"
)


def profile(
    *classes: str,
    roles: Mapping[str, Role] | None = None,
    extended: Mapping[str, bytes] | None = None,
    syntaxes: tuple[str, ...] = (IMPLICIT,),
) -> Profile:
    return Profile(
        name="MINE",
        contexts=tuple(ProfileContext(uid, syntaxes) for uid in classes or (CT,)),
        roles=roles or {},
        extended_negotiations=extended or {},
        contexts_name="LIST",
    )


def source(*profiles: Profile) -> ProfileSource:
    return ProfileSource(path="p.cfg", profiles={one.name: one for one in profiles})


# --- where profiles come from ---


def test_file_is_read_wherever_it_is(tmp_path: Path) -> None:
    path = tmp_path / "p.cfg"
    path.write_text(TEXT)
    assert list(load_profiles(str(path), requestor=True).profiles) == ["MYOWN"]


def test_file_comes_before_the_built_in_profiles_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "storescp.cfg").write_text(TEXT)
    assert list(load_profiles("storescp.cfg", requestor=False).profiles) == ["MYOWN"]


@pytest.mark.parametrize("requestor", [True, False])
@pytest.mark.parametrize(
    ("name", "profiles"),
    [
        ("storescp.cfg", ["DEFAULT", "ALLDICOM"]),
        ("storescu.cfg", ["DEFAULT"]),
        ("dcmqrprf.cfg", ["INCOMINGDEFAULT", "OUTGOINGDEFAULT"]),
    ],
)
def test_bare_name_without_a_file_is_built_in(
    name: str,
    profiles: list[str],
    requestor: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.INFO, "isocenter"):
        found = load_profiles(name, requestor=requestor)
    assert list(found.profiles) == profiles
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert record.getMessage() == f"no file {name} here, using the built-in profiles of that name"


@pytest.mark.parametrize("name", ["Storescp.cfg", "storescp", "none.cfg", "./storescp.cfg", ""])
def test_other_names_are_files_and_the_error_says_what_is_built_in(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ProfileError) as caught:
        load_profiles(name, requestor=False)
    assert caught.value.code == 1042
    assert str(caught.value) == (
        f"unable to open configuration file: {name} (No such file or directory; "
        "built-in are dcmqrprf.cfg, storescp.cfg, storescu.cfg)"
    )


def test_unusable_file_of_a_built_in_name_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "storescp.cfg").mkdir()
    with pytest.raises(ProfileError, match="Is a directory"):
        load_profiles("storescp.cfg", requestor=False)


# --- choosing one ---


@pytest.mark.parametrize("name", ["MINE", "mine", " m I n\te\n"])
def test_case_and_white_space_of_a_name_do_not_count(name: str) -> None:
    mine = profile()
    assert requestor_profile(source(mine), name) is mine
    assert acceptor_profile(source(mine), name) is mine


@pytest.mark.parametrize("name", ["other", "mine!", "", "min\u00e9"])
def test_unknown_name_is_told_with_those_there_are(name: str) -> None:
    shown = name.replace("\u00e9", "#").upper().replace("#", "\u00e9")
    with pytest.raises(ProfileError) as caught:
        requestor_profile(source(profile()), name)
    assert caught.value.code == 1062
    assert str(caught.value) == f"profile key undefined: {shown} (p.cfg has MINE)"
    with pytest.raises(ProfileError) as caught:
        acceptor_profile(source(profile()), name)
    assert str(caught.value) == f"unknown configuration profile name: {shown} (p.cfg has MINE)"


def test_requestor_may_have_a_class_twice_and_an_acceptor_may_not() -> None:
    twice = profile(CT, MR, CT)
    assert requestor_profile(source(twice), "mine") is twice
    with pytest.raises(ProfileError) as caught:
        acceptor_profile(source(twice), "Mine")
    assert str(caught.value) == (
        "profile 'MINE' is not valid for SCP use, duplicate abstract syntaxes found "
        "(p.cfg, section [LIST]: CTImageStorage)"
    )


def test_built_in_profile_with_more_contexts_than_ids_is_not_proposed() -> None:
    found = ProfileSource(path="storescp.cfg", profiles=builtin_profiles("storescp.cfg") or {})
    with pytest.raises(ProfileError) as caught:
        requestor_profile(found, "default")
    assert caught.value.code == 1032
    assert str(caught.value) == (
        "presentation context list too long (> 128 entries): GENERICSTORAGESCP (storescp.cfg)"
    )


def test_answers_that_fit_no_acceptance_are_refused_at_the_start() -> None:
    def with_classes(count: int) -> Profile:
        classes = [f"1.2.3.{number:02}" for number in range(count)]
        return profile(*classes, extended=dict.fromkeys(classes, bytes(986)))

    assert len(acceptor_profile(source(with_classes(60)), "mine").contexts) == 60
    with pytest.raises(ProfileError, match="profile 'MINE' too long"):
        acceptor_profile(source(with_classes(61)), "mine")


# --- what it makes of a proposal ---


def test_proposal_has_the_contexts_as_they_are_with_odd_ids() -> None:
    planned = plan_profile(profile(CT, MR, CT, syntaxes=(IMPLICIT, "1.2.3")), ["a"])
    assert [(one.context_id, one.abstract_syntax) for one in planned.contexts] == [
        (1, CT),
        (3, MR),
        (5, CT),
    ]
    assert {one.transfer_syntaxes for one in planned.contexts} == {(IMPLICIT, "1.2.3")}
    assert list(planned.files) == ["a"]
    assert planned.role_selections == planned.extended_negotiations == ()


def test_role_is_proposed_once_for_each_class_that_has_one_the_default_too() -> None:
    roles = {MR: Role.SCU, CT: Role.SCU | Role.SCP}
    planned = plan_profile(profile(CT, US, MR, CT, roles=roles), [])
    assert planned.role_selections == (
        RoleSelection(sop_class_uid=CT, scu_role=True, scp_role=True),
        RoleSelection(sop_class_uid=MR, scu_role=True, scp_role=False),
    )


def test_extended_negotiation_is_proposed_as_it_is() -> None:
    planned = plan_profile(profile(CT, MR, extended={MR: b"\1", CT: b"\2\0"}), [])
    assert planned.extended_negotiations == (
        SopClassExtendedNegotiation(sop_class_uid=MR, service_class_application_information=b"\1"),
        SopClassExtendedNegotiation(
            sop_class_uid=CT, service_class_application_information=b"\2\0"
        ),
    )


@pytest.mark.parametrize(
    "large",
    [
        profile(syntaxes=("1.2.840.10008.1.2",) * 4000),
        profile(
            *(f"1.2.{n}" for n in range(64)),
            extended={f"1.2.{n}": bytes(1024) for n in range(64)},
        ),
    ],
    ids=["transfer syntaxes", "extended negotiation"],
)
def test_profile_that_fits_no_request_is_refused_before_anybody_connects(large: Profile) -> None:
    with pytest.raises(ProfileError, match="profile 'MINE' does not fit into an association"):
        plan_profile(large, [])


# --- what it makes of a policy ---


def test_policy_takes_everything_from_the_profile() -> None:
    policy = AcceptorPolicy(
        abstract_syntaxes={MR: (IMPLICIT,)},
        implementation_class_uid="1.2.3",
        fallback=lambda _: (IMPLICIT,),
        maximum_length=4711,
    )
    chosen = profile(CT, US, roles={CT: Role.SCP}, extended={US: b"\1"})
    applied = apply_to_policy(chosen, policy)
    assert applied.abstract_syntaxes == {CT: (IMPLICIT,), US: (IMPLICIT,)}
    assert applied.fallback is None
    assert applied.accept_roles is not None
    assert (applied.accept_roles(CT), applied.accept_roles(US)) == (Role.SCP, None)
    assert applied.extended_answers == {US: b"\1"}
    assert (applied.implementation_class_uid, applied.maximum_length) == ("1.2.3", 4711)


# --- the built-in profiles ---


def built_in(name: str) -> Mapping[str, Profile]:
    found = builtin_profiles(name)
    assert found is not None
    return found


def test_built_in_acceptors_take_212_and_180_classes_each_once() -> None:
    for name, key, count in (
        ("storescp.cfg", "DEFAULT", 212),
        ("storescp.cfg", "ALLDICOM", 180),
        ("dcmqrprf.cfg", "INCOMINGDEFAULT", 212),
    ):
        uses = Counter(context.abstract_syntax for context in built_in(name)[key].contexts)
        assert len(uses) == count
        assert set(uses.values()) == {1}


def test_built_in_acceptor_takes_images_compressed_others_deflated_and_echo_plain() -> None:
    contexts = dict(built_in("storescp.cfg")["DEFAULT"].contexts)
    assert len(contexts[CT]) == len(set(contexts[CT])) == 53
    assert contexts[CT][:2] == (uids.JPEG_BASELINE_8BIT, uids.JPEG_EXTENDED_12BIT)
    assert contexts[CT][17:22] == (
        uids.JPEG_LOSSLESS_SV1,
        uids.JPEG_LS_LOSSLESS,
        uids.JPEG_LS_NEAR_LOSSLESS,
        uids.RLE_LOSSLESS,
        uids.JPEG_2000_LOSSLESS,
    )
    assert contexts[CT][-6:] == (
        uids.DEFLATED_IMAGE_FRAME_COMPRESSION,
        uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        uids.ENCAPSULATED_UNCOMPRESSED_EXPLICIT_VR_LITTLE_ENDIAN,
        *UNCOMPRESSED,
    )
    assert set(contexts[CT]) == set(uids.ECHO_TRANSFER_SYNTAXES)
    assert contexts[SR] == (uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, *UNCOMPRESSED)
    assert contexts[uids.VERIFICATION] == UNCOMPRESSED


def test_built_in_archive_takes_both_roles_of_everything_but_verification() -> None:
    incoming = built_in("dcmqrprf.cfg")["INCOMINGDEFAULT"]
    assert set(incoming.roles) == set(uids.SOP_CLASSES)
    assert set(incoming.roles.values()) == {Role.SCU | Role.SCP}


def test_built_in_proposal_is_128_contexts_images_compressed_and_not() -> None:
    contexts = built_in("storescu.cfg")["DEFAULT"].contexts
    assert len(contexts) == 128
    assert [syntaxes[0] for uid, syntaxes in contexts if uid == US] == [
        uids.JPEG_BASELINE_8BIT,
        uids.JPEG_LOSSLESS_SV1,
        uids.RLE_LOSSLESS,
        uids.EXPLICIT_VR_LITTLE_ENDIAN,
    ]
    assert [len(syntaxes) for uid, syntaxes in contexts if uid == CT] == [1, 1, 3]
    assert [len(syntaxes) for uid, syntaxes in contexts if uid == SR] == [3]
    assert contexts[-1].transfer_syntaxes == (uids.MPEG2_MAIN_LEVEL,)
    assert built_in("dcmqrprf.cfg")["OUTGOINGDEFAULT"].contexts == contexts


def test_names_of_built_in_profiles_are_listed() -> None:
    assert all(builtin_profiles(name) for name in NAMES)
    assert builtin_profiles("other.cfg") is None


@pytest.mark.peer("dcmtk")
@pytest.mark.parametrize("name", ["storescp.cfg", "storescu.cfg"])
def test_built_in_profiles_have_what_an_older_dcmtk_ships(name: str) -> None:
    path = Path("/etc/dcmtk") / name
    if not path.exists():
        pytest.skip(f"{path} is not installed")
    theirs = read_profiles(str(path), requestor=False)
    ours = built_in(name)
    for key, shipped in theirs.items():
        if name == "storescu.cfg":
            assert ours[key] == shipped
            continue
        contexts = dict(ours[key].contexts)
        for uid, syntaxes in shipped.contexts:
            # 3.6.7 has fewer of both, images in another order, and one map among the images.
            if uid == PARAMETRIC_MAP:
                continue
            assert set(syntaxes) <= set(contexts[uid])
            assert len(contexts[uid]) == {3: 3, 4: 4, 21: 53}[len(syntaxes)]
            assert contexts[uid][-3:] == syntaxes[-3:]

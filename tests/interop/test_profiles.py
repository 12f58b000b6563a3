"""Association profiles: the same file given to DCMTK's tools and to ours.

Compared are the requests and the answers, what is said about bad files and names, and on which
context a file is sent. What differs on purpose has a test of its own at the end of its part.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

import pytest

from isocenter.testing import ScriptedAcceptor, ScriptedRequestor, ct_image, raw
from isocenter.testing.datasets import (
    CT_IMAGE_STORAGE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    SECONDARY_CAPTURE_IMAGE_STORAGE,
    VERIFICATION,
)
from isocenter.testing.peer import accept, serve_storage
from isocenter.testing.raw import Context
from isocenter.testing.reading import parse_associate
from tests.cli.test_asconfig import CASES, changed
from tests.support.tools import DCMTK, OURS, UNDER_TEST, Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from isocenter.testing import AssociationFacts, RawConnection, RawMessage
    from tests.support.tools import Suite

pytestmark = [pytest.mark.slow, pytest.mark.peer("dcmtk")]

MR = "1.2.840.10008.5.1.4.1.1.4"
JPEG = "1.2.840.10008.1.2.4.50"
DEFLATED = "1.2.840.10008.1.2.1.99"
PRIVATE = "1.2.3.4.5.6.7"

ROLE, EXTENDED = 0x54, 0x56

FILE = r"""
[[TransferSyntaxes]]
[Local]
TransferSyntax1 = LocalEndianExplicit
TransferSyntax2 = OppositeEndianExplicit
TransferSyntax3 = LittleEndianImplicit
[Implicit]
TransferSyntax1 = =LittleEndianImplicit
[BigFirst]
TransferSyntax1 = 1.2.840.10008.1.2.2
TransferSyntax2 = 1.2.840.10008.1.2.1
[J PEG]
TransferSyntax1 = JPEGBaseline
[Deflated]
TransferSyntax1 =
  DeflatedLittleEndianExplicit
[[PresentationContexts]]
[Several]
PresentationContext1 = CTImageStorage\jpeg
PresentationContext2 = CTImageStorage\BigFirst
PresentationContext3 = CTImageStorage\Implicit
PresentationContext4 = 1.2.3.4.5.6.7\local
PresentationContext5 = MRImageStorage\Local
PresentationContext6 = CTImageStorage\Local
[Once]
PresentationContext1 = CTImageStorage\BigFirst
PresentationContext2 = MRImageStorage\Local
PresentationContext3 = 1.2.3.4.5.6.7\Implicit
PresentationContext4 = SecondaryCaptureImageStorage\Deflated
PresentationContext5 = FINDStudyRootQueryRetrieveInformationModel\Local
[Echo]
PresentationContext1 = VerificationSOPClass\Implicit
[OnlyDeflated]
PresentationContext1 = CTImageStorage\Deflated
[ShutOut]
PresentationContext1 = CTImageStorage\Implicit
PresentationContext3 = MRImageStorage\Implicit
[[SCPSCURoleSelection]]
[Mixed]
Role1 = CTImageStorage\BOTH
Role2 = MRImageStorage\scp
Role3 = 1.2.3.4.5.6.7\SCU
[[ExtendedNegotiation]]
[Some]
ExtendedNegotiation1 = MRImageStorage\020003000000
ExtendedNegotiation2 = CTImageStorage\aAfF
[[Profiles]]
[Several]
PresentationContexts = Several
[SeveralMore]
PresentationContexts = Several
SCPSCURoleSelection = Mixed
ExtendedNegotiation = Some
[Once]
PresentationContexts = Once
[Roles]
PresentationContexts = Once
SCPSCURoleSelection = Mixed
[Extended]
PresentationContexts = Once
ExtendedNegotiation = Some
[Echo]
PresentationContexts = Echo
[Only Deflated]
PresentationContexts = OnlyDeflated
[Gap]
PresentationContexts = ShutOut
"""


@pytest.fixture(scope="module")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("profiles") / "profiles.cfg"
    path.write_text(FILE)
    return path


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ct_image(rows=4, columns=4).write(tmp_path_factory.mktemp("image") / "ct.dcm")


# --- what is proposed ---


class Proposal(NamedTuple):
    """What of a request or an answer a profile decides."""

    contexts: list[tuple[int, int, str, tuple[str, ...]]]
    roles: set[tuple[str, int, int]]
    extended: list[tuple[str, bytes]]


def negotiated(facts: AssociationFacts) -> Proposal:
    roles, extended = set(), []
    for kind, value in facts.user_items:
        if kind in (ROLE, EXTENDED):
            (length,) = struct.unpack_from(">H", value)
            uid, rest = value[2 : 2 + length].decode(), value[2 + length :]
            if kind == ROLE:
                # The oracle repeats it for each context of the class.
                roles.add((uid, rest[0], rest[1]))
            else:
                extended.append((uid, rest))
    return Proposal(
        [
            (
                one.context_id,
                one.result,
                one.abstract_syntax,
                # Not significant where refused (PS3.8 9.3.3.2).
                one.transfer_syntaxes if not one.result else (),
            )
            for one in facts.contexts
        ],
        roles,
        extended,
    )


def proposed(suite: Suite, *options: str | Path, image: Path) -> Proposal:
    requests: list[AssociationFacts] = []

    def script(connection: RawConnection) -> None:
        requests.append(parse_associate(connection.receive().body))
        connection.send(raw.associate_rj(1, 1, 1))
        connection.receive_until_closed()

    with ScriptedAcceptor(script) as acceptor:
        done = suite.run("storescu", *options, "127.0.0.1", str(acceptor.port), image)
    assert done.code == 1
    (request,) = requests
    return negotiated(request)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("Several", 6),
        ("several MORE", 6),
        ("Once", 5),
        ("Roles", 5),
        ("Extended", 5),
        ("echo", 1),
        ("Gap", 1),
    ],
)
def test_storescu_proposes_what_the_oracle_proposes(
    profiles: Path, image: Path, name: str, count: int
) -> None:
    expected = proposed(DCMTK, "-xf", profiles, name, image=image)
    found = proposed(UNDER_TEST, "-xf", profiles, name, image=image)
    assert len(found.contexts) == count
    assert found == expected


def test_storescu_proposes_what_the_oracle_proposes_with_its_own_file(image: Path) -> None:
    path = "/etc/dcmtk/storescu.cfg"
    expected = proposed(DCMTK, "-xf", path, "Default", image=image)
    assert len(expected.contexts) == 128
    assert proposed(OURS, "-xf", path, "Default", image=image) == expected
    # The same is built in.
    assert proposed(OURS, "-xf", "storescu.cfg", "Default", image=image) == expected


# --- what is accepted ---


def answered(receiver: Receiver, contexts: list[Context], *user: bytes) -> Proposal:
    with ScriptedRequestor(receiver.port) as requestor:
        facts = requestor.associate(contexts, user=raw.user_information(*user))
        requestor.release()
    return negotiated(facts)


def extended(uid: str, data: bytes) -> bytes:
    return raw.item(EXTENDED, struct.pack(">H", len(uid)) + uid.encode() + data)


EVERY = (IMPLICIT_LITTLE, DEFLATED, JPEG, EXPLICIT_LITTLE, EXPLICIT_BIG)
CLASSES = [
    CT_IMAGE_STORAGE,
    MR,
    PRIVATE,
    SECONDARY_CAPTURE_IMAGE_STORAGE,
    VERIFICATION,
    "1.2.840.10008.5.1.4.1.2.2.1",
    "1.2.840.10008.5.1.4.1.1.1",
]
PROPOSALS = {
    "everything": [Context(2 * n + 1, uid, EVERY) for n, uid in enumerate(CLASSES)],
    "implicit": [Context(2 * n + 1, uid, (IMPLICIT_LITTLE,)) for n, uid in enumerate(CLASSES)],
    "several": [
        Context(2 * n + 1, CT_IMAGE_STORAGE, syntaxes)
        for n, syntaxes in enumerate([(EXPLICIT_LITTLE,), EVERY, (JPEG,), (EXPLICIT_BIG, JPEG)])
    ],
}
ROLES = {
    "none": (),
    "requestor": tuple(raw.role_selection(uid, scu=1, scp=0) for uid in CLASSES),
    "acceptor": tuple(raw.role_selection(uid, scu=0, scp=1) for uid in CLASSES),
    "both": tuple(raw.role_selection(uid, scu=1, scp=1) for uid in CLASSES),
}
WITHOUT_COMMON_ROLE = {("requestor", MR), ("acceptor", PRIVATE)}
"""Accepted by the oracle with neither role, refused by ours."""


@pytest.mark.parametrize("name", ["Once", "Roles", "Extended", "Echo", "Gap", "only deflated"])
def test_storescp_accepts_what_the_oracle_accepts(
    tmp_path: Path, profiles: Path, name: str
) -> None:
    asked = tuple(extended(uid, b"\1\2") for uid in (CT_IMAGE_STORAGE, VERIFICATION))
    with (
        Receiver(DCMTK, tmp_path / "oracle", "-xf", profiles, name) as oracle,
        Receiver(UNDER_TEST, tmp_path / "ours", "-xf", profiles, name) as ours,
    ):
        for key, contexts in PROPOSALS.items():
            for kind, roles in ROLES.items():
                sent = [
                    one
                    for one in contexts
                    if name != "Roles" or (kind, one.abstract_syntax) not in WITHOUT_COMMON_ROLE
                ]
                expected = answered(oracle, sent, *roles, *asked)
                found = answered(ours, sent, *roles, *asked)
                # "no reason" of the provider there, refused by the user here.
                assert _plain(found) == _plain(expected), (key, kind)
                assert answered(ours, sent, *roles).extended == found.extended


def _plain(answer: Proposal) -> Proposal:
    """Return an answer in which a role is refused in one way."""
    contexts = [
        (number, 1 if result == 2 else result, uid, syntaxes)
        for number, result, uid, syntaxes in answer.contexts
    ]
    return answer._replace(contexts=contexts)


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="differs on purpose")
@pytest.mark.parametrize(("kind", "uid"), sorted(WITHOUT_COMMON_ROLE))
def test_storescp_refuses_what_the_oracle_accepts_without_a_role(
    tmp_path: Path, profiles: Path, kind: str, uid: str
) -> None:
    contexts = [Context(1, uid, EVERY)]
    with (
        Receiver(DCMTK, tmp_path / "oracle", "-xf", profiles, "Roles") as oracle,
        Receiver(OURS, tmp_path / "ours", "-xf", profiles, "Roles") as ours,
    ):
        theirs = answered(oracle, contexts, *ROLES[kind])
        assert theirs.contexts[0][1] == 0
        assert theirs.roles == {(uid, 0, 0)}
        refused = answered(ours, contexts, *ROLES[kind])
        assert refused.contexts[0][1] == 1
        assert refused.roles == set()


def test_storescp_accepts_what_the_oracle_accepts_with_its_own_file(tmp_path: Path) -> None:
    path = "/etc/dcmtk/storescp.cfg"
    with (
        Receiver(DCMTK, tmp_path / "oracle", "-xf", path, "Default") as oracle,
        Receiver(OURS, tmp_path / "ours", "-xf", path, "default") as ours,
    ):
        for contexts in PROPOSALS.values():
            expected = answered(oracle, contexts)
            assert any(result == 0 for _, result, _, _ in expected.contexts)
            assert answered(ours, contexts) == expected


def test_built_in_profile_of_storescp_takes_a_file(tmp_path: Path, image: Path) -> None:
    with Receiver(OURS, tmp_path, "-xf", "storescp.cfg", "AllDICOM") as receiver:
        done = DCMTK.run("storescu", "127.0.0.1", str(receiver.port), image)
        assert (done.code, done.stderr) == (0, "")
        assert len(receiver.names) == 1
        answer = answered(receiver, PROPOSALS["everything"])
        assert [result for _, result, _, _ in answer.contexts] == [0, 0, 3, 0, 0, 3, 0]


# --- which context a file is sent on ---


def sent_on(suite: Suite, path: Path, *options: str | Path) -> tuple[int, list[tuple[int, bytes]]]:
    """Return the exit code, and context and data set of each object, everything being accepted."""
    received: list[RawMessage] = []

    def script(connection: RawConnection) -> None:
        accept(connection)
        for _ in serve_storage(connection, received=received):
            pass

    with ScriptedAcceptor(script) as acceptor:
        done = suite.run("storescu", *options, "127.0.0.1", str(acceptor.port), path)
    return done.code, [(message.context_id, message.data_set) for message in received]


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, EXPLICIT_BIG, IMPLICIT_LITTLE])
@pytest.mark.parametrize("name", ["Several", "Once", "OnlyDeflated"])
def test_file_is_sent_on_the_context_on_which_the_oracle_sends_it(
    tmp_path: Path, profiles: Path, name: str, syntax: str
) -> None:
    path = ct_image(rows=4, columns=4, transfer_syntax=syntax).write(tmp_path / "ct.dcm")
    expected = sent_on(DCMTK, path, "-xf", profiles, name)
    found = sent_on(UNDER_TEST, path, "-xf", profiles, name)
    assert found[0] == expected[0] == 0
    assert [context for context, _ in found[1]] == [context for context, _ in expected[1]]


def test_private_class_is_sent_where_the_profile_has_it(tmp_path: Path, profiles: Path) -> None:
    path = ct_image(rows=4, columns=4, sop_class_uid=PRIVATE).write(tmp_path / "p.dcm")
    for suite in (DCMTK, UNDER_TEST):
        code, objects = sent_on(suite, path, "-xf", profiles, "Several")
        assert (code, [context for context, _ in objects]) == (0, [7])
    for suite in (DCMTK, UNDER_TEST):
        assert sent_on(suite, path, "-xf", profiles, "Only Deflated") == (1, [])


@pytest.mark.parametrize("sender", ["dcmtk", "ours"])
def test_objects_arrive_by_profiles_of_both_sides(
    tmp_path: Path, profiles: Path, sender: str
) -> None:
    """The private class by its only context; the other deflated, which the receiver keeps."""
    suites = {"dcmtk": DCMTK, "ours": UNDER_TEST}
    receiving = suites["ours" if sender == "dcmtk" else "dcmtk"]
    secondary = SECONDARY_CAPTURE_IMAGE_STORAGE
    sent = [
        ct_image(rows=4, columns=4, sop_class_uid=uid, transfer_syntax=IMPLICIT_LITTLE)
        for uid in (PRIVATE, secondary)
    ]
    paths = [one.write(tmp_path / f"{number}.dcm") for number, one in enumerate(sent)]
    with Receiver(receiving, tmp_path / "received", "-xf", profiles, "Once") as receiver:
        options = ("-xf", profiles, "Once")
        done = suites[sender].run("storescu", *options, "127.0.0.1", str(receiver.port), *paths)
        assert (done.code, receiver.log.count("E:")) == (0, 0)
        files = {name.split(".")[0]: receiver.directory / name for name in receiver.names}
    assert set(files) == {"UNKNOWN", "SC"}
    assert files["UNKNOWN"].read_bytes().endswith(sent[0].data_set)
    deflated = files["SC"].read_bytes()
    assert DEFLATED.encode() in deflated
    start = deflated.index(b"\x02\0\0\0UL\4\0") + 8
    begin = start + 4 + int.from_bytes(deflated[start : start + 4], "little")
    assert sent[1].sop_instance_uid.encode() in zlib.decompress(deflated[begin:], wbits=-15)


def test_class_that_the_profile_lacks_is_not_sent(tmp_path: Path, profiles: Path) -> None:
    path = ct_image(rows=4, columns=4, sop_class_uid=SECONDARY_CAPTURE_IMAGE_STORAGE).write(
        tmp_path / "sc.dcm"
    )
    for suite in (DCMTK, UNDER_TEST):
        assert sent_on(suite, path, "-xf", profiles, "Several") == (1, [])


def test_compression_level_holds_for_a_deflated_context_of_a_profile(
    tmp_path: Path, profiles: Path
) -> None:
    path = ct_image(rows=256, columns=256).write(tmp_path / "ct.dcm")
    for suite in (DCMTK, UNDER_TEST):
        lengths = {}
        for level in ("0", "9"):
            code, ((context, data),) = sent_on(
                suite, path, "-xf", profiles, "onlydeflated", "+cl", level
            )
            assert (code, context) == (0, 1)
            lengths[level] = len(data)
        assert lengths["9"] < lengths["0"]
        assert lengths["0"] > 2 * 256 * 256


@pytest.mark.skipif(not UNDER_TEST.is_ours, reason="differs on purpose")
def test_no_object_is_sent_where_only_the_other_role_was_granted(
    tmp_path: Path, profiles: Path
) -> None:
    path = ct_image(rows=4, columns=4, sop_class_uid=MR).write(tmp_path / "mr.dcm")
    codes = {}
    for suite in (DCMTK, OURS):
        received: list[RawMessage] = []

        def script(connection: RawConnection, received: list[RawMessage] = received) -> None:
            granted = raw.role_selection(MR, scu=0, scp=1)
            accept(connection, user=raw.user_information(granted))
            for _ in serve_storage(connection, received=received):
                pass

        with ScriptedAcceptor(script) as acceptor:
            done = suite.run(
                *("storescu", "-xf", profiles, "SeveralMore"),
                *("127.0.0.1", str(acceptor.port), path),
            )
        codes[suite.name] = done.code, len(received)
    assert codes == {"dcmtk": (0, 1), "ours": (1, 0)}


# --- what is said about bad files and names ---

NOWHERE = ("127.0.0.1", "1")


def without_place(line: str) -> str:
    """Return one of our lines without the brackets at its end."""
    return line.rpartition(" (")[0] if line.endswith(")") else line


def without_warning(lines: list[str]) -> list[str]:
    """Return our lines about FILE as the oracle prints them: it is silent about the gap."""
    warning = "W: ignoring PRESENTATIONCONTEXT3: there is no PRESENTATIONCONTEXT2"
    bare = [without_place(line) for line in lines]
    if UNDER_TEST.is_ours:
        assert bare[0] == warning
        del bare[0]
    return bare


OURS_ALONE = {
    # 65 characters: the oracle proposes them.
    "not a valid transfer syntax UID: 1." + "2" * 63,
}


@pytest.mark.parametrize(
    ("old", "new"),
    [(case[1], case[2]) for case in CASES if case[3] not in OURS_ALONE],
    ids=[str(case[0]) for case in CASES if case[3] not in OURS_ALONE],
)
def test_storescu_says_of_a_bad_file_what_the_oracle_says(
    tmp_path: Path, image: Path, old: str, new: str
) -> None:
    path = tmp_path / "bad.cfg"
    path.write_text(changed((old, new)))
    expected = DCMTK.run("storescu", "-xf", path, "Whole", *NOWHERE, image)
    found = UNDER_TEST.run("storescu", "-xf", path, "Whole", *NOWHERE, image)
    assert found.code == expected.code == 1
    assert expected.lines[0].startswith("E: reading config file: ")
    assert [without_place(line) for line in found.lines] == [
        without_place(line) for line in expected.lines
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[[TransferSyntaxes]]", "[[Syntaxes]]"),
        ("[[PresentationContexts]]", "[[Contexts]]"),
        ("[[Profiles]]", "[[Profile]]"),
        ("squee zed", "Missing"),
        ("1.2.3.4\\Scp", "1.2.3.4\\Scu "),
        ("PresentationContexts = so me", "Contexts = some"),
    ],
)
def test_storescp_says_of_a_bad_file_what_the_oracle_says(
    tmp_path: Path, old: str, new: str
) -> None:
    path = tmp_path / "bad.cfg"
    path.write_text(changed((old, new)))
    expected = DCMTK.run("storescp", "-xf", path, "Bare", "11112")
    found = UNDER_TEST.run("storescp", "-xf", path, "Bare", "11112")
    assert found.code == expected.code == 1
    assert expected.lines[0].startswith("F: cannot read config file: ")
    assert [without_place(line) for line in found.lines] == expected.lines


@pytest.mark.parametrize("name", ["Nothing", "once!", "", "sev eral\tmore 2"])
def test_unknown_profile_is_told_as_the_oracle_tells_it(
    profiles: Path, image: Path, name: str
) -> None:
    for arguments in (
        ("storescu", "-xf", profiles, name, *NOWHERE, image),
        ("storescp", "-xf", profiles, name, "11112"),
    ):
        expected = DCMTK.run(*map(str, arguments))
        found = UNDER_TEST.run(*map(str, arguments))
        assert found.code == expected.code == 1
        assert without_warning(found.lines) == expected.lines


def test_profile_with_a_class_twice_is_not_for_an_acceptor(profiles: Path) -> None:
    expected = DCMTK.run("storescp", "-xf", profiles, "Several", "11112")
    found = UNDER_TEST.run("storescp", "-xf", profiles, "Several", "11112")
    assert found.code == expected.code == 1
    assert without_warning(found.lines) == expected.lines


def test_missing_file_is_told_as_the_oracle_tells_it(tmp_path: Path, image: Path) -> None:
    path = tmp_path / "none.cfg"
    for arguments in (
        ("storescu", "-xf", path, "Default", *NOWHERE, image),
        ("storescp", "-xf", path, "Default", "11112"),
    ):
        expected = DCMTK.run(*map(str, arguments))
        found = UNDER_TEST.run(*map(str, arguments))
        assert found.code == expected.code == 1
        assert [without_place(line) for line in found.lines] == expected.lines


FORBIDDEN = [
    *(
        ("storescu", ("-xf", "f", "p", option))
        for option in ("-xe", "-xi", "-xs", "-xd", "-R", "+C")
    ),
    *(("storescp", ("-xf", "f", "p", option)) for option in ("+xe", "+xi", "+xa", "+xd", "-pm")),
    ("storescu", ("-xe", "-xf", "f", "p", "-R")),
    ("storescu", ("-xf", "f", "p", "-xs", "-xe")),
    ("storescu", ("+cl", "3")),
    ("storescu", ("-xf", "f", "p", "+cl", "10")),
]


@pytest.mark.parametrize(
    ("tool", "options"),
    FORBIDDEN,
    ids=[f"{tool} {' '.join(options)}" for tool, options in FORBIDDEN],
)
def test_what_a_profile_forbids_is_told_as_the_oracle_tells_it(
    tmp_path: Path, image: Path, tool: str, options: tuple[str, ...]
) -> None:
    parameters = (*NOWHERE, image) if tool == "storescu" else ("11112",)
    (tmp_path / "f").write_text(changed())
    expected = DCMTK.run(tool, *options, *parameters, cwd=tmp_path)
    found = UNDER_TEST.run(tool, *options, *parameters, cwd=tmp_path)
    assert found.code == expected.code == 1
    assert found.lines[-1].startswith("error: ")
    assert found.lines[-1] == expected.lines[-1]


@pytest.mark.parametrize("option", ["-x=", "+u"])
def test_what_a_profile_leaves_room_for_is_allowed(
    profiles: Path, image: Path, option: str
) -> None:
    for suite in (DCMTK, UNDER_TEST):
        assert len(proposed(suite, option, "-xf", profiles, "Echo", image=image).contexts) == 1

"""The association profiles that are there without a file, under the names of DCMTK's files.

Owns which classes with which transfer syntaxes they have, derived from the tables of
`isocenter.uids`. Must not know how a profile is used.

    storescp.cfg  Default           Verification and every storage class
                  AllDICOM          the same without what DICOM retired or never published
    storescu.cfg  Default           128 contexts: images compressed and not, in contexts apart
    dcmqrprf.cfg  IncomingDefault   as storescp.cfg's Default, both roles for storage
                  OutgoingDefault   as storescu.cfg's Default

An acceptor takes images in every transfer syntax that is known, compressed ones first, other
storage classes uncompressed or deflated, Verification uncompressed.
"""

from __future__ import annotations

from isocenter import uids
from isocenter.cli.asconfig import Profile, ProfileContext
from isocenter.cli.uidnames import LOCAL_ENDIAN, OPPOSITE_ENDIAN
from isocenter.ul.negotiation import Role

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NAMES", "builtin_profiles"]

NAMES = ("dcmqrprf.cfg", "storescp.cfg", "storescu.cfg")
"""The files that need not exist."""

_UNCOMPRESSED = (LOCAL_ENDIAN, OPPOSITE_ENDIAN, uids.IMPLICIT_VR_LITTLE_ENDIAN)
_LITTLE_FIRST = (
    uids.EXPLICIT_VR_LITTLE_ENDIAN,
    uids.EXPLICIT_VR_BIG_ENDIAN,
    uids.IMPLICIT_VR_LITTLE_ENDIAN,
)
_DEFLATED = uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN

_NOT_OF_DICOM = ("RETIRED_", "DRAFT_", "DICOS_", "DICONDE_")

_IMAGES_BY_OTHER_NAMES = frozenset(
    {
        "CornealTopographyMapStorage",
        "DICOS_2DAITStorage",
        "DICOS_3DAITStorage",
        "EnhancedUSVolumeStorage",
        "OphthalmicThicknessMapStorage",
    }
)
"""Classes that have pixel data, whose names do not say "image"."""

_LEFT_OUT = frozenset(
    {
        "BlendingSoftcopyPresentationStateStorage",
        "OphthalmicTomographyImageStorage",
        "RealWorldValueMappingStorage",
    }
)
"""Classes of storescu's short proposal that give way to video: there are 128 context ids."""

_FAMILIES = (
    ("JPEGBaseline", "JPEGExtended", "JPEGSpectral", "JPEGFull", "JPEGLossless:"),
    ("JPEGLS",),
    ("RLE",),
    ("JPEG2000",),
    ("MPEG",),
    ("FragmentableMPEG",),
    ("HEVC",),
    ("HighThroughputJPEG2000",),
    ("JPEGXL",),
)
"""How names of compressed transfer syntaxes begin, families in order of preference."""

_VIDEO = (
    "VideoEndoscopicImageStorage",
    "VideoMicroscopicImageStorage",
    "VideoPhotographicImageStorage",
)


def builtin_profiles(name: str) -> Mapping[str, Profile] | None:
    """Return the profiles of a file that need not exist, None where the name is none of `NAMES`."""
    if name == "storescp.cfg":
        every = _accepted(tuple(uids.SOP_CLASSES))
        published = tuple(
            uid
            for uid, known in uids.SOP_CLASSES.items()
            if not known.keyword.startswith(_NOT_OF_DICOM)
        )
        found: tuple[Profile, ...] = (
            _profile("DEFAULT", "GENERICSTORAGESCP", every),
            _profile("ALLDICOM", "ALLDICOMSTORAGESCP", _accepted(published)),
        )
    elif name == "storescu.cfg":
        found = (_profile("DEFAULT", "STORAGECOMPRESSEDANDUNCOMPRESSED", _proposed()),)
    elif name == "dcmqrprf.cfg":
        both = dict.fromkeys(uids.SOP_CLASSES, Role.SCU | Role.SCP)
        every = _accepted(tuple(uids.SOP_CLASSES))
        outgoing = "STORAGESCUCOMPRESSEDANDUNCOMPRESSED"
        found = (
            _profile("INCOMINGDEFAULT", "GENERICSTORAGESCP", every, both),
            _profile("OUTGOINGDEFAULT", outgoing, _proposed()),
        )
    else:
        return None
    return {profile.name: profile for profile in found}


def _profile(
    name: str,
    contexts_name: str,
    contexts: tuple[ProfileContext, ...],
    roles: Mapping[str, Role] | None = None,
) -> Profile:
    return Profile(
        name=name,
        contexts=contexts,
        roles=roles or {},
        extended_negotiations={},
        contexts_name=contexts_name,
    )


def _is_image(uid: str) -> bool:
    keyword = uids.SOP_CLASSES[uid].keyword
    return "ImageStorage" in keyword or keyword in _IMAGES_BY_OTHER_NAMES


def _accepted(classes: tuple[str, ...]) -> tuple[ProfileContext, ...]:
    """Return what an acceptor takes: each class once."""
    for_images = _any_syntax()
    for_others = (_DEFLATED, *_UNCOMPRESSED)
    return (
        ProfileContext(uids.VERIFICATION, _UNCOMPRESSED),
        *(ProfileContext(uid, for_images if _is_image(uid) else for_others) for uid in classes),
    )


def _any_syntax() -> tuple[str, ...]:
    """Return the 53 transfer syntaxes in order of preference, uncompressed ones last."""
    known = [(uid, uids.TRANSFER_SYNTAXES[uid].name) for uid in uids.ECHO_TRANSFER_SYNTAXES]
    return (
        *(uid for family in _FAMILIES for uid, name in known if name.startswith(family)),
        uids.DEFLATED_IMAGE_FRAME_COMPRESSION,
        _DEFLATED,
        uids.ENCAPSULATED_UNCOMPRESSED_EXPLICIT_VR_LITTLE_ENDIAN,
        *_UNCOMPRESSED,
    )


def _proposed() -> tuple[ProfileContext, ...]:
    """Return what a requestor proposes: images compressed and not, other objects, video."""
    images: list[ProfileContext] = []
    others: list[ProfileContext] = []
    for uid in uids.SHORT_PROPOSAL:
        keyword = uids.SOP_CLASSES[uid].keyword
        if keyword in _LEFT_OUT:
            continue
        if not _is_image(uid):
            others.append(ProfileContext(uid, _LITTLE_FIRST))
            continue
        compressed = [uids.JPEG_BASELINE_8BIT, uids.JPEG_LOSSLESS_SV1]
        if keyword.startswith("Ultrasound"):
            compressed.append(uids.RLE_LOSSLESS)
        images += (ProfileContext(uid, (syntax,)) for syntax in compressed)
        images.append(ProfileContext(uid, _LITTLE_FIRST))
    by_keyword = {known.keyword: uid for uid, known in uids.SOP_CLASSES.items()}
    video = (ProfileContext(by_keyword[name], (uids.MPEG2_MAIN_LEVEL,)) for name in _VIDEO)
    return (*images, *others, *video)

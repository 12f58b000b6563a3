"""The options that choose transfer syntaxes, for what is taken and for what is proposed, as data.

Owns their names, order and wording, which several tools share. Must not know which transfer
syntaxes an option stands for (`cli.preferences`, `sender.proposal`).
"""

from __future__ import annotations

from isocenter.cli.spec import Option

__all__ = ["PREFERENCE_OPTIONS", "PROPOSAL_OPTIONS"]

PREFERENCE_OPTIONS = (
    Option(
        "--prefer-uncompr",
        "+x=",
        "explicit VR in the byte order of this machine\n(default)",
        is_default=True,
    ),
    Option("--prefer-little", "+xe", "explicit VR little endian"),
    Option("--prefer-big", "+xb", "explicit VR big endian"),
    Option("--prefer-lossless", "+xs", "JPEG lossless"),
    Option("--prefer-jpeg8", "+xy", "JPEG baseline (lossy, 8 bit)"),
    Option("--prefer-jpeg12", "+xx", "JPEG extended (lossy, 12 bit)"),
    Option("--prefer-j2k-lossless", "+xv", "JPEG 2000 lossless"),
    Option("--prefer-j2k-lossy", "+xw", "JPEG 2000"),
    Option("--prefer-jls-lossless", "+xt", "JPEG-LS lossless"),
    Option("--prefer-jls-lossy", "+xu", "JPEG-LS near-lossless"),
    Option("--prefer-mpeg2", "+xm", "MPEG2 Main Profile @ Main Level"),
    Option("--prefer-mpeg2-high", "+xh", "MPEG2 Main Profile @ High Level"),
    Option("--prefer-mpeg4", "+xn", "MPEG-4 High Profile / Level 4.1"),
    Option("--prefer-mpeg4-bd", "+xl", "MPEG-4 BD-compatible High Profile"),
    Option("--prefer-mpeg4-2-2d", "+x2", "MPEG-4 High Profile / Level 4.2 for 2D"),
    Option("--prefer-mpeg4-2-3d", "+x3", "MPEG-4 High Profile / Level 4.2 for 3D"),
    Option("--prefer-mpeg4-2-st", "+xo", "MPEG-4 Stereo High Profile / Level 4.2"),
    Option("--prefer-hevc", "+x4", "HEVC Main Profile / Level 5.1"),
    Option("--prefer-hevc10", "+x5", "HEVC Main 10 Profile / Level 5.1"),
    Option("--prefer-rle", "+xr", "RLE lossless"),
    Option("--prefer-deflated", "+xd", "deflated explicit VR little endian"),
    Option("--implicit", "+xi", "accept implicit VR little endian alone"),
    Option("--accept-all", "+xa", "accept every transfer syntax that is known"),
)
"""Which of the proposed transfer syntaxes wins; storescp alone has the last one."""

_AND_UNCOMPRESSED = "\nand every uncompressed one"

PROPOSAL_OPTIONS = (
    Option(
        "--propose-uncompr",
        "-x=",
        "every uncompressed transfer syntax, explicit\nVR in the own byte order first (default)",
        is_default=True,
    ),
    Option("--propose-little", "-xe", "every uncompressed one, explicit VR little\nendian first"),
    Option("--propose-big", "-xb", "every uncompressed one, explicit VR big\nendian first"),
    Option("--propose-implicit", "-xi", "implicit VR little endian and nothing else"),
    Option("--propose-lossless", "-xs", "JPEG lossless" + _AND_UNCOMPRESSED),
    Option("--propose-jpeg8", "-xy", "JPEG baseline (lossy, 8 bit)" + _AND_UNCOMPRESSED),
    Option("--propose-jpeg12", "-xx", "JPEG extended (lossy, 12 bit)" + _AND_UNCOMPRESSED),
    Option("--propose-j2k-lossless", "-xv", "JPEG 2000 lossless" + _AND_UNCOMPRESSED),
    Option("--propose-j2k-lossy", "-xw", "JPEG 2000" + _AND_UNCOMPRESSED),
    Option("--propose-jls-lossless", "-xt", "JPEG-LS lossless" + _AND_UNCOMPRESSED),
    Option("--propose-jls-lossy", "-xu", "JPEG-LS near-lossless" + _AND_UNCOMPRESSED),
    Option("--propose-mpeg2", "-xm", "MPEG2 Main Profile @ Main Level alone"),
    Option("--propose-mpeg2-high", "-xh", "MPEG2 Main Profile @ High Level alone"),
    Option("--propose-mpeg4", "-xn", "MPEG-4 High Profile / Level 4.1 alone"),
    Option("--propose-mpeg4-bd", "-xl", "MPEG-4 BD-compatible High Profile alone"),
    Option("--propose-mpeg4-2-2d", "-x2", "MPEG-4 High Profile / Level 4.2 for 2D alone"),
    Option("--propose-mpeg4-2-3d", "-x3", "MPEG-4 High Profile / Level 4.2 for 3D alone"),
    Option("--propose-mpeg4-2-st", "-xo", "MPEG-4 Stereo High Profile / Level 4.2 alone"),
    Option("--propose-hevc", "-x4", "HEVC Main Profile / Level 5.1 alone"),
    Option("--propose-hevc10", "-x5", "HEVC Main 10 Profile / Level 5.1 alone"),
    Option("--propose-rle", "-xr", "RLE lossless" + _AND_UNCOMPRESSED),
    Option("--propose-deflated", "-xd", "deflated explicit VR little endian" + _AND_UNCOMPRESSED),
)
"""What is proposed for each SOP class."""

"""Exit codes of the tools, with DCMTK's numbers.

Owns the numbers and what they stand for. Must not know how a tool decides which
one applies, except for the one rule that a number follows from a DIMSE status.

Sources: `ofstd/ofexit.h` of DCMTK for the shared numbers; `storescu` answers a
failed C-STORE with the upper byte of its status (PS3.7 annex C).
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["MEANINGS", "ExitCode", "exit_code_for_store_status"]


class ExitCode(IntEnum):
    """Process exit codes of echoscu, storescu and storescp."""

    SUCCESS = 0
    """Everything asked for was done; also after `--help` and `--version`."""

    FAILURE = 1
    """Command line, input files, connection, rejection or timeout."""

    INSUFFICIENT_PRIVILEGES = 2
    """movescu: its port is one of those that are the system's."""

    NO_ASSOCIATION = 2
    """findscu: there is no association, or it ended before the last response."""

    INVALID_CONFIG = 10
    """dcmqrscp: configuration file, storage areas, port or TLS cannot be used."""

    NO_INPUT_FILES = 21
    """dcmsend: there is no file to be sent."""

    INVALID_INPUT_FILE = 22
    """echoscu --verify-cert, --is-root-cert: the certificate is none to be trusted; dcmsend: a
    file cannot be sent, and that is the end."""

    NO_VALID_INPUT_FILES = 23
    """dcmsend: none of the files can be sent."""

    CANNOT_WRITE_OUTPUT = 40
    """movescu: the output directory cannot be written to."""

    CANNOT_WRITE_REPORT_FILE = 43
    """dcmsend: the report cannot be written."""

    INVALID_OUTPUT_DIRECTORY = 45
    """dcmrecv: the output directory does not exist, or cannot be written to."""

    CANNOT_LISTEN = 64
    """dcmrecv: the port cannot be listened on."""

    INVALID_ASSOCIATION_CONFIG = 66
    """dcmrecv: the association negotiation profile cannot be used."""

    NO_PRESENTATION_CONTEXT = 66
    """movescu: the peer accepts none of the presentation contexts, or not that of C-MOVE."""

    CANNOT_CLOSE_ASSOCIATION = 67
    """movescu: all went well, and the association could not be released."""

    NO_TRANSPORT_LAYER = 71
    """dcmrecv: keys, certificates or cipher suites of TLS cannot be used."""

    CANNOT_INITIALIZE_NETWORK = 60
    """dcmsend: keys, certificates or cipher suites of TLS cannot be used."""

    CANNOT_NEGOTIATE_ASSOCIATION = 61
    """dcmsend: there is no connection, or the association is rejected."""

    CANNOT_SEND_REQUEST = 62
    """dcmsend: something was not sent, or not confirmed."""

    CANNOT_ADD_PRESENTATION_CONTEXT = 65
    """dcmsend: no context may be proposed for a file, or none was accepted for the only
    association."""

    RETRIEVE_WARNING = 68
    """getscu, movescu: a retrieve ended with a warning: not everything came, or not as it was."""

    RETRIEVE_FAILED = 69
    """getscu, movescu: a retrieve failed, or something of it could not be stored."""

    QUERY_FAILED = 69
    """findscu: a query ended with a failure, or was cancelled although nobody asked for it."""

    ECHO_FAILED = 70
    """echoscu: DIMSE timeout, protocol error, or the peer asked for release."""

    CANNOT_CREATE_TLS_LAYER = 70
    """movescu: keys, certificates or cipher suites of TLS cannot be used."""

    INHERITED_DESCRIPTOR = 99
    """storescp --inetd: descriptor 0 is no connected socket."""


def exit_code_for_store_status(status: int) -> int:
    """Return what storescu exits with after a C-STORE ended with a failure status.

    Args:
        status: DIMSE status, 0..0xFFFF.

    Returns:
        The upper byte of the status: 167 for A7xx, 169 for A9xx, 192..207 for
        Cxxx, 1 for 01xx. These are plain numbers, as 16 of them have no name.
    """
    return (status >> 8) & 0xFF


_COMMAND_LINE = "the command line cannot be used"

MEANINGS = {
    "dcmqrscp": (
        (
            "0",
            (
                "stopped by SIGTERM or SIGINT, or by a peer that may, after finishing what was "
                "being received; also after --help and --version"
            ),
        ),
        ("1", _COMMAND_LINE),
        (
            "10",
            (
                "the configuration file, a storage area, the port, the user to become, a profile, "
                "a file of rules or users, or TLS cannot be used"
            ),
        ),
    ),
    "dcmrecv": (
        (
            "0",
            (
                "stopped by SIGTERM or SIGINT after finishing what was being received; also after "
                "--help and --version"
            ),
        ),
        ("1", f"{_COMMAND_LINE}, or a file of rules, titles or users cannot"),
        ("45", "the output directory does not exist, or cannot be written to"),
        ("64", "the port cannot be listened on"),
        ("66", "the profile of --config-file cannot be used"),
        ("71", "keys, certificates or cipher suites of TLS cannot be used"),
    ),
    "dcmsend": (
        ("0", "every SOP instance was confirmed with success or a warning; also after --help"),
        ("1", f"{_COMMAND_LINE}, or the file of a user identity cannot"),
        ("21", "there is no file to be sent"),
        ("22", "a file cannot be sent, and without --no-halt that is the end"),
        ("23", "none of the files can be sent"),
        (
            "43",
            ("the report cannot be written: said before anything is sent, where that shows before"),
        ),
        ("60", "keys, certificates or cipher suites of TLS cannot be used"),
        ("61", "there is no connection, or the peer rejects the association"),
        (
            "62",
            (
                "something was not sent, was refused, or was left without an answer; with "
                "--no-halt also where a file was left out because it is invalid"
            ),
        ),
        (
            "65",
            (
                "no presentation context may be proposed for a file, or the peer accepted none on "
                "the only association of --single-association"
            ),
        ),
    ),
    "echoscu": (
        ("0", "every echo was answered with success; also after --help and --version"),
        (
            "1",
            (
                f"{_COMMAND_LINE}, there is no connection or no association, the peer aborts, or "
                "it answers with anything but success"
            ),
        ),
        ("22", "the certificate of --verify-cert or --is-root-cert is none to be trusted"),
        (
            "70",
            (
                "no answer within --dimse-timeout, an answer that breaks the protocol, or the peer "
                "wants to release the association instead of answering"
            ),
        ),
    ),
    "storescu": (
        (
            "0",
            "every object was confirmed with success or a warning; also after --help and --version",
        ),
        (
            "1",
            (
                f"{_COMMAND_LINE}, a file cannot be sent, there is no connection or no "
                "association, the peer aborts or does not answer in time; or the first object that "
                "was refused had a status of 01xx"
            ),
        ),
        (
            "2, 167, 169, 192 to 207",
            (
                "the first object that was refused had a status of 02xx, A7xx (out of resources), "
                "A9xx (data set does not match SOP class) or Cxxx (cannot understand): the upper "
                "byte of the status"
            ),
        ),
    ),
    "findscu": (
        ("0", "every query ended with success, or cancelled as asked; also after --help"),
        (
            "1",
            (
                f"{_COMMAND_LINE}, a key, a query file or the output directory cannot, or a "
                "response could not be read or written"
            ),
        ),
        ("2", "there is no association, or it ended before the last response"),
        ("69", "the peer ended a query with a failure, or cancelled it of its own accord"),
    ),
    "getscu": (
        (
            "0",
            (
                "every C-GET ended with success and every object that came was stored; also after "
                "--help and --version"
            ),
        ),
        (
            "1",
            (
                f"{_COMMAND_LINE}, a key, a query file or the output directory cannot, there is no "
                "association, or it ended before the last response"
            ),
        ),
        ("68", "the last response of a C-GET is a warning: not everything came"),
        (
            "69",
            "the last response of a C-GET is a failure, or an object came and was not stored",
        ),
    ),
    "movescu": (
        (
            "0",
            (
                "every C-MOVE ended with success, or as --cancel asked for, and what came to "
                "--port was stored; also after --help and --version"
            ),
        ),
        ("1", f"{_COMMAND_LINE}, or a key, a query file or a dictionary cannot"),
        ("2", "--port is below 1024, and that is not allowed"),
        ("40", "the output directory cannot be written to"),
        ("45", "the output directory does not exist"),
        ("60", "--port cannot be listened on"),
        ("61", "there is no connection, or the peer rejects the association"),
        ("66", "the peer accepts no presentation context, or not that of C-MOVE"),
        ("67", "the association could not be released, all else went well"),
        ("68", "the last response of a C-MOVE is a warning: not everything was sent"),
        (
            "69",
            (
                "the last response of a C-MOVE is a failure or did not come, or an object came to "
                "--port and was not stored"
            ),
        ),
        ("70", "keys, certificates or cipher suites of TLS cannot be used"),
    ),
    "storescp": (
        (
            "0",
            (
                "stopped by SIGTERM or SIGINT after finishing what was being received; also after "
                "--help and --version"
            ),
        ),
        (
            "1",
            (
                f"{_COMMAND_LINE}, the output directory cannot be used, or the port cannot be "
                "listened on"
            ),
        ),
        ("99", "with --inetd, standard input is no connection"),
    ),
}
"""The codes of each tool and what they stand for, as man pages and reference show them."""

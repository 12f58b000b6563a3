"""A connection that a super-server accepted and handed over as descriptor 0.

Owns what has to happen to descriptors 0 to 2, and what is wrong with them. Must not know what
is done with the connection.

inetd (``nowait``) and systemd (``Accept=yes``, ``StandardInput=socket``) start a program for each
connection. inetd makes it standard output and error, too, so a single word written there would
go to the peer, between the PDUs. DCMTK's option -id.
"""

from __future__ import annotations

import os
import socket

from isocenter.errors import ConfigurationError

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs 8 ms
if TYPE_CHECKING:
    from typing import TypeAlias

__all__ = [
    "InheritedConnection",
    "available",
    "shield_connection",
    "silence_output",
    "take_connection",
]

InheritedConnection: TypeAlias = socket.socket
"""What `take_connection` returns, for those who pass it on and must know no sockets."""

_STANDARD = (0, 1, 2)
_OUTPUT = (1, 2)


def available() -> bool:
    """Tell whether this system hands connections over as descriptors."""
    try:
        import fcntl
    except ImportError:
        return False
    return hasattr(fcntl, "F_DUPFD_CLOEXEC") and os.name == "posix"


def shield_connection() -> None:
    """Point descriptors 1 and 2 at the null device where they are the socket of descriptor 0.

    So that what is said before `take_connection`, of a command line that cannot be used for
    instance, does not reach the peer.
    """
    import stat

    try:
        connection = os.fstat(0)
    except OSError:
        return
    if not stat.S_ISSOCK(connection.st_mode):
        return
    for number in _OUTPUT:
        try:
            same = os.path.samestat(os.fstat(number), connection)
        except OSError:
            continue
        if same:
            _point_at_null(number)


def silence_output() -> None:
    """Point descriptors 1 and 2 at the null device: from here on only a log tells anything.

    What a super-server reads there, if anybody does, is for what keeps a program from serving.
    """
    for number in _OUTPUT:
        _point_at_null(number)


def take_connection() -> InheritedConnection:
    """Return the connection on descriptor 0, and point that at the null device.

    Descriptors 1 and 2, too, where they are the connection, or are closed and would be those of
    the next files that are opened.

    Raises:
        ConfigurationError: descriptor 0 is not open, no socket, or no connected one; the
            descriptors are left alone.
    """
    import fcntl

    try:
        # Not 1 or 2, should they be closed; and for no command that is run.
        duplicate = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, _STANDARD[-1] + 1)
    except OSError as problem:
        raise ConfigurationError("descriptor 0 is not open") from problem
    try:
        connection = socket.socket(fileno=duplicate)
    except OSError as problem:
        os.close(duplicate)
        raise ConfigurationError("descriptor 0 is not a socket") from problem
    try:
        _check(connection)
        shield_connection()
        _point_at_null(0)
        for number in _OUTPUT:
            if not _is_open(number):
                _point_at_null(number)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: socket.socket) -> None:
    """Make sure that it is a connection.

    Raises:
        ConfigurationError: it is not.
    """
    if connection.type != socket.SOCK_STREAM:
        raise ConfigurationError("descriptor 0 is not a stream socket")
    if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise ConfigurationError(
            "descriptor 0 is a listening socket, not a connection: say nowait in inetd.conf, "
            "Accept=yes in a systemd unit"
        )
    try:
        connection.getpeername()
    except OSError as problem:
        raise ConfigurationError(
            f"the socket of descriptor 0 is not connected: {problem.strerror}"
        ) from problem


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _point_at_null(number: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null != number:
        os.dup2(null, number)
        os.close(null)
    os.set_inheritable(number, True)

"""Datagrams to one address: what a log sends to the system log of another host.

Owns the socket. Must not know what is sent, nor what becomes of what is lost. RFC 768.
"""

from __future__ import annotations

import socket

__all__ = ["DatagramSender"]


class DatagramSender:
    """Sends datagrams to the first address of a host.

    Args:
        host: name or address; looking it up may block for as long as the system's resolver does.
        port: UDP port, 1..65535.

    Raises:
        OSError: the host is unknown, or there is no way to it.
        UnicodeError: no host can have that name.
    """

    __slots__ = ("_socket",)

    def __init__(self, host: str, port: int) -> None:
        """Look the host up and take a socket; nothing is sent."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        family, kind, protocol, _, address = found[0]
        self._socket = socket.socket(family, kind, protocol)
        try:
            self._socket.connect(address)
        except OSError:
            self._socket.close()
            raise

    def send(self, message: bytes) -> None:
        """Send one datagram.

        Raises:
            ConnectionRefusedError: an earlier one met nobody; this one was not sent.
            OSError: it cannot be sent, for instance because it is too long.
        """
        self._socket.send(message)

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

"""What TLS costs for each MiB, by how much is encrypted at a time: `python bench/micro/tls.py`.

`net.tls` takes 112 KiB: less is more calls, and more keeps the peer waiting. No socket is involved.
"""

from __future__ import annotations

import os
import ssl
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(__file__), os.pardir, os.pardir))

from bench.secure import make_credentials
from isocenter.net.tls import TlsSession

MIB = 1 << 20
_ROUNDS = 30


def sessions(folder: Path) -> tuple[TlsSession, TlsSession]:
    """Return both sides of a connection that has been agreed on."""
    credentials = make_credentials(folder)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(credentials.certificate, credentials.key)
    sender = TlsSession(credentials.context(), server_side=False)
    receiver = TlsSession(server, server_side=True)
    for _ in range(4):
        for one, other in ((sender, receiver), (receiver, sender)):
            if one.facts is None:
                one.handshake()
            if one.has_outgoing:
                other.feed(one.outgoing())
    return sender, receiver


def main() -> None:
    """Measure and print."""
    data = memoryview(os.urandom(MIB))
    window = memoryview(bytearray(MIB))
    with tempfile.TemporaryDirectory() as folder:
        sender, receiver = sessions(Path(folder))
    print(sender.facts[:2] if sender.facts else "no session")
    for kib in (16, 64, 112, 256, 512):
        chunk = kib * 1024
        encrypting, decrypting = [], []
        for _ in range(_ROUNDS):
            pieces = []
            begin = time.perf_counter()
            for at in range(0, MIB, chunk):
                sender.write(data[at : at + chunk])
                pieces.append(sender.outgoing())
            middle = time.perf_counter()
            done = 0
            for piece in pieces:
                receiver.feed(piece)
                done += receiver.read_into(window[done:])
            encrypting.append(middle - begin)
            decrypting.append(time.perf_counter() - middle)
        print(
            f"{kib:4d} KiB: encrypt {min(encrypting) * 1e6:6.0f}"
            f"  decrypt {min(decrypting) * 1e6:6.0f} microseconds for a MiB"
        )


if __name__ == "__main__":
    main()

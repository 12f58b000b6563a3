"""What ISOCENTER_PEER_TLS says (PeerTls as JSON) as contexts of ssl."""

from __future__ import annotations

import json
import os
import ssl

__all__ = ["context"]


def context(*, server: bool) -> ssl.SSLContext | None:
    """Return the context of one side, None where no TLS is asked for."""
    given = os.environ.get("ISOCENTER_PEER_TLS")
    if given is None:
        return None
    words = json.loads(given)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    demanded = words["peer_certificate"] == "require"
    made.verify_mode = ssl.CERT_REQUIRED if demanded else ssl.CERT_NONE
    made.load_verify_locations(words["authority"])
    if words["certificate"]:
        made.load_cert_chain(words["certificate"], words["private_key"])
    return made

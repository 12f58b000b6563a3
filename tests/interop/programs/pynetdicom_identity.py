"""A requestor made of pynetdicom that says who asks, and echoes.

Arguments: port, type of identity, primary field and secondary field as hexadecimal digits, 1 to
request a positive response. Prints the server response as hexadecimal digits, or "none", or
"rejected" and result, source and reason. Run by the interpreter that has pynetdicom.
"""

from __future__ import annotations

import sys
from importlib import import_module

pynetdicom = import_module("pynetdicom")
primitives = import_module("pynetdicom.pdu_primitives")


def main() -> int:
    """Return 0 where an echo was answered."""
    port, kind, primary, secondary, asked = sys.argv[1:]
    identity = primitives.UserIdentityNegotiation()
    identity.user_identity_type = int(kind)
    identity.positive_response_requested = asked == "1"
    identity.primary_field = bytes.fromhex(primary)
    if secondary:
        identity.secondary_field = bytes.fromhex(secondary)
    entity = pynetdicom.AE(ae_title="PYNETDICOM")
    entity.add_requested_context("1.2.840.10008.1.1")
    association = entity.associate("127.0.0.1", int(port), ext_neg=[identity])
    if association.is_rejected:
        answer = association.acceptor.primitive
        reason = f"{answer.result} {answer.result_source} {answer.diagnostic}"
        sys.stdout.write(f"rejected {reason}\n")
        return 1
    if not association.is_established:
        sys.stdout.write("no association\n")
        return 1
    response = association.acceptor.user_identity
    said = "none" if response is None else f"answered {response.server_response.hex()}"
    sys.stdout.write(f"{said}\n")
    status = association.send_c_echo()
    association.release()
    return 0 if status and status.Status == 0 else 1


sys.exit(main())

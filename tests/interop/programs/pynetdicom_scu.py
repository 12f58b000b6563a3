"""A sender made of pynetdicom: an echo, then a store of each file, bytes unchanged.

Arguments: port, files. Exit code 0 if every status was Success. Run by the interpreter
that has pynetdicom (see pynetdicom_scp.py). Speaks TLS where ISOCENTER_PEER_TLS says so.
"""

from __future__ import annotations

import sys
from importlib import import_module

pynetdicom = import_module("pynetdicom")
pydicom = import_module("pydicom")
config = import_module("pynetdicom._config")
peer_tls = import_module("peer_tls")


def main() -> int:
    """Return 0 if all went well."""
    port, paths = int(sys.argv[1]), sys.argv[2:]
    # Send the file's bytes instead of decoding and encoding them.
    vars(config)["STORE_SEND_CHUNKED_DATASET"] = True
    entity = pynetdicom.AE(ae_title="PYNETDICOM")
    entity.add_requested_context("1.2.840.10008.1.1")
    wanted = set()
    for path in paths:
        meta = pydicom.dcmread(path, stop_before_pixels=True).file_meta
        wanted.add((str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)))
    for sop_class, syntax in sorted(wanted):
        entity.add_requested_context(sop_class, syntax)
    secure = peer_tls.context(server=False)
    # The second is the name for SNI.
    tls = None if secure is None else (secure, "localhost")
    association = entity.associate("127.0.0.1", port, tls_args=tls)
    if not association.is_established:
        sys.stderr.write("no association\n")
        return 1
    answers = [association.send_c_echo()]
    answers.extend(association.send_c_store(path) for path in paths)
    association.release()
    statuses = [answer.get("Status") and answer.Status for answer in answers]
    sys.stderr.write(f"{statuses}\n")
    return 0 if all(status == 0 for status in statuses) else 1


sys.exit(main())

"""Fuzz target: dcmqrscp's configuration files.

Reading may raise `ConfigurationError` and nothing else, and every mistake is told in a line. What
is read can be asked, and admits nobody whom no table names.
"""

from __future__ import annotations

from isocenter.cli.qrconfig import NodeConfigError, read_config
from isocenter.errors import ConfigurationError
from tests.fuzz.files import named
from tests.fuzz.oracle import Limits

LIMITS = Limits(memory=20 * 1024 * 1024)
"""Room is made at once for the longest file that is read."""

_TABLES = """\
# a comment
NetworkTCPPort  = 11112
MaxPDUSize      = 32768
MaxAssociations = 20
Display         = "no"

HostTable BEGIN
acme1 = (ACME1, acmehost1, 5678)
acme  = acme1, (ACME2, acmehost2, 5679)
HostTable END
VendorTable BEGIN
"Acme CT Company" = acme
VendorTable END
AETable BEGIN
STORE    /var/store        RW (9, 1024mb)    acme
READ     "/var/a store"    R  (200, 1gb)     ANY
MINE     'x'               W  (1, 1b)        (SOME, host, 104), acme1
AETable END
"""


def seeds() -> list[bytes]:
    """Return whole files, and the tables one by one."""
    parts = _TABLES.split("\n\n")
    row = "AETable BEGIN\nA = b RW (9, 10kb) {}\nAETable END\n"
    texts = [
        _TABLES,
        *parts,
        row.format("ANY"),
        row.format("(X, y, 1"),
        "HostTable END",
        "\xe9 = 1",
    ]
    return [text.encode("latin-1") for text in texts]


def test_one_input(data: bytes) -> None:
    """Read one file and check what follows from it."""
    told: list[str] = []
    config = None
    with named(data) as path:
        try:
            config = read_config(path, warn=told.append)
        except NodeConfigError as problem:
            told += problem.mistakes
            if not problem.mistakes:
                raise AssertionError("nothing is told of a file that is refused") from problem
        except ConfigurationError as problem:
            told.append(str(problem))
    for line in told:
        if not line or "\n" in line:
            raise AssertionError(f"{line!r} is no line")
    if config is None:
        return
    for entity in config.entities:
        if config.entity(entity.ae_title) is None:
            raise AssertionError(f"{entity.ae_title} is not found")
        if not 1 <= len(entity.ae_title) <= 16:
            raise AssertionError(f"{entity.ae_title!r} is no AE title")
        entity.admits("STRANGER", lambda _: False)
        config.destination(entity.ae_title)

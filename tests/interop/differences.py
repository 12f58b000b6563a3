"""Where our tools differ from the oracle, Debian's DCMTK 3.6.7, and why: a row each.

The baseline is DCMTK 3.7.0 (dcmtk-facts). What differs because the oracle is older stands
here, and what we do otherwise on purpose. A test that compares the two looks here and
nowhere else.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "DELIBERATE",
    "NEWER_ABSTRACT_SYNTAXES",
    "NEWER_TRANSFER_SYNTAXES",
    "ORACLE_NOISE",
    "OUR_LINES",
    "RELEASE_LINES",
    "Difference",
]


class Difference(NamedTuple):
    """One difference: what it is about, the oracle's, ours, and the reason."""

    topic: str
    oracle: str
    ours: str
    reason: str


NEWER_ABSTRACT_SYNTAXES = (
    "1.2.840.10008.5.1.4.1.1.6.3",
    "1.2.840.10008.5.1.4.1.1.9.1.4",
    "1.2.840.10008.5.1.4.1.1.9.100.1",
    "1.2.840.10008.5.1.4.1.1.9.100.2",
    "1.2.840.10008.5.1.4.1.1.11.12",
    "1.2.840.10008.5.1.4.1.1.66.7",
    "1.2.840.10008.5.1.4.1.1.66.8",
    "1.2.840.10008.5.1.4.1.1.77.1.8",
    "1.2.840.10008.5.1.4.1.1.77.1.9",
    "1.2.840.10008.5.1.4.1.1.88.77",
    "1.2.840.10008.5.1.4.1.1.481.23",
    "1.2.840.10008.5.1.4.1.1.481.24",
    "1.2.840.10008.5.1.4.1.1.481.25",
    "1.2.840.10008.5.1.4.1.1.601.3",
    "1.2.840.10008.5.1.4.1.1.601.4",
    "1.2.840.10008.5.1.4.1.1.601.5",
)
"""Storage classes accepted since 3.6.8 to 3.7.0 (flag `+` of dcmtk-facts 3.7)."""

NEWER_TRANSFER_SYNTAXES = (
    "1.2.840.10008.1.2.1.98",
    "1.2.840.10008.1.2.4.100.1",
    "1.2.840.10008.1.2.4.101.1",
    "1.2.840.10008.1.2.4.102.1",
    "1.2.840.10008.1.2.4.103.1",
    "1.2.840.10008.1.2.4.104.1",
    "1.2.840.10008.1.2.4.105.1",
    "1.2.840.10008.1.2.4.106.1",
    "1.2.840.10008.1.2.4.110",
    "1.2.840.10008.1.2.4.111",
    "1.2.840.10008.1.2.4.112",
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.4.202",
    "1.2.840.10008.1.2.4.203",
    "1.2.840.10008.1.2.8.1",
)
"""Transfer syntaxes of `+xa` that 3.6.7 does not know (dcmtk-facts 3.4)."""

RELEASE_LINES = (
    Difference(
        "storescu -v",
        r"I: Converting transfer syntax: (.+) -> \1",
        "no line",
        "3.6.7 prints it always, 3.7.0 only where the two differ (dcmtk-facts 11.7)",
    ),
    Difference(
        "storescp --fork -v",
        r"I: Association Received in child process \(pid: \d+\)",
        "I: Association Received in child process (pid: N)",
        "the number is that of the moment",
    ),
)
"""Log lines that changed between 3.6.7 and 3.7.0; `oracle` is a regular expression."""

ORACLE_NOISE = (
    (
        r"[WE]: Dcm(Item|Element|MetaInfo|FileFormat): .*",
        "the oracle's parser describes how it failed, element by element",
    ),
    (
        r"E: Store SCP Failed: .*",
        "the oracle names each layer that an error went through; ours the reason and the peer",
    ),
    (
        r"E: 0006:0(303|308|30[0-9a-f]) DUL .*",
        "as above: its protocol machine, also after it aborted by itself",
    ),
    (r"E: 0000:0000 Normal", "as above: it had aborted itself, so nothing was wrong"),
    (r"E: DIMSE failure \(aborting association\): .*", "as above; the code differs by layer"),
)
"""Lines of one side that say how its own code failed: (regular expression, reason)."""

OUR_LINES = (
    (
        r"E: Store Failed, file: .*:\nE: status 0x[0-9a-f]{4} \(.*\)\n",
        "",
        "a refused object is named at the default level too",
    ),
    (
        r"([FW]: missing SOP class \(or instance\) in file: [^:\n]+): [^,\n]+",
        r"\1",
        "a file that cannot be sent is named in one line with the reason",
    ),
    (
        r"(E: 0006:0317 Peer aborted Association \(or never connected\)) \(.*\)",
        r"\1",
        "what ended the association is said behind the oracle's condition",
    ),
    (
        r"(E: 0006:0319 DUL Peer Requested Release|E: 0006:0207 [^(\n]*\([^)\n]*\)) \(.*\)",
        r"\1",
        "as above",
    ),
    (
        r"(I: Association Accepted) \(Max Send PDV: 4084\)",
        r"\1 (Max Send PDV: 16372)",
        "with --max-send-pdu 4096 ours shows the limit that holds, the oracle the peer's",
    ),
    (
        r"W: command of --exec-[a-z-]+ (ended with exit status|was ended by signal) \d+\n",
        "",
        "a command that failed is told; DCMTK's tool says nothing",
    ),
    (
        r"(E: (?:Receiving Association|Could not receive association) .*) \(from \S+:\d+\)",
        r"\1",
        "a connection that never became an association is told with the peer's address",
    ),
    (
        r"W: hint: .*\n",
        "",
        "what a user may try",
    ),
    (
        r"W: (no certificate authority|revocation|the (revocation|own|private) ).*\n",
        "",
        "a receiver says before the first peer what will keep peers out",
    ),
    (
        r"(E: Unable to open Kerberos, SAML or JWT file: .*) \(.*\)\n",
        r"\1\n",
        "with the file",
    ),
    (
        r"(F: specified output directory .*|E: cannot create network: .*) \(.*\)\n",
        r"\1\n",
        "with the directory or the port",
    ),
    (
        r"(W: unable to load certificate\S* .*, ignoring) \(.*\)",
        r"\1",
        "with the reason",
    ),
    (
        r"I: Called AE Title is .* and not .*\n",
        "",
        "-aet of storescp has an effect; DCMTK's is never looked at",
    ),
    (
        r"[IW]: \d+ of \d+ objects? (was|were) confirmed.*\n",
        "",
        "ours adds up what became of several objects",
    ),
)
"""What ours prints more: (regular expression over the whole log, what is left, reason)."""

DELIBERATE = (
    Difference(
        "storescu -nh, a store was refused",
        "exit code 0",
        "the first failure's status >> 8, 1 where that is 0",
        "an exit code that hides a loss is none",
    ),
    Difference(
        "storescu -nh, a file could not be sent",
        "exit code 0",
        "exit code 1",
        "as above",
    ),
    Difference(
        "storescu, peer aborts or falls silent",
        "undefined exit code",
        "exit code 1",
        "the oracle's comes from memory it never wrote (dcmtk-facts 2.8)",
    ),
    Difference(
        "storescp, PDV of odd length",
        "abort",
        "accepted, logged once",
        "real peers send them, and the bytes are all there",
    ),
    Difference(
        "storescp, blank called AE title or no context",
        "no answer",
        "blank title: accepted; no context: rejected (1/1/1)",
        "the oracle leaves its peer waiting (dcmtk-facts 3.3)",
    ),
    Difference(
        "storescp, blank inside a SOP Instance UID",
        "taken out of the file name",
        "kept in the file name",
        "two UIDs that differ in it would overwrite each other",
    ),
    Difference(
        "storescp, W: Sanitized unusual characters",
        "before I: Received Store Request",
        "after it",
        "the request is what the name comes from",
    ),
    Difference(
        "storescp, SIGTERM",
        "ends at once",
        "finishes what is being received; a second one aborts",
        "nothing confirmed is lost, nothing partial stays",
    ),
    Difference(
        "storescp, several associations",
        "one after another without --fork",
        "side by side",
        "a silent peer must not keep the others out (dcmtk-facts 0.7)",
    ),
)
"""What ours does otherwise on purpose; the tests named after the topic show both."""

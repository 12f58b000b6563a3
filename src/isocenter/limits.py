"""What a peer, or a file, may make this side bear: every bound that may be chosen, in one place.

A leaf module: it owns the bounds, their defaults and the reasons for them, and nothing that obeys
them. Each layer takes what is its own, some by a small record of theirs made from this one
(``CommandLimits.of`` and the like). `docs/limits.md` is made from the texts below
(`tools/generate_limits.py`).

Bounds in time are options of their own (`ul.options`, `net.options`, ``-ta``, ``-ts``, ``-td``).
"""

from __future__ import annotations

from isocenter.record import Record

__all__ = ["DEFAULTS", "Limits"]


class Limits(Record):
    """Bounds on what peers and files may ask for; all inclusive.

    For `isocenter.serve` and `isocenter.connect`; the tools use the defaults. Each text says the
    unit, what happens beyond the bound, and why the default is what it is.
    """

    # --- associations: A-ASSOCIATE-RQ and A-ASSOCIATE-AC ---

    maximum_association_pdu_length: int = 1 << 20
    """Bytes of an A-ASSOCIATE-RQ or -AC, and so what one connection may send before it has
    associated; a longer one is aborted. DCMTK refuses there; 128 contexts with 45 transfer syntaxes
    take 200 KiB."""

    maximum_presentation_contexts: int = 128
    """Contexts in one PDU; with more it is aborted. There are 128 odd ids, so more cannot be told
    apart (PS3.8 9.3.2.2)."""

    maximum_transfer_syntaxes: int = 256
    """Transfer syntaxes in one context; with more the PDU is aborted. The standard names fewer than
    70, retired ones included; the rest is room for private ones."""

    maximum_user_items: int = 1024
    """Sub-items of the user information; with more the PDU is aborted. Requestors send a role
    selection and an extended negotiation for each of some 200 SOP classes."""

    maximum_items: int = 16384
    """Items, sub-items and listed UIDs in one PDU at all levels; with more it is aborted. The
    largest proposal of real tools has 128 x 47; this is twice as much and more."""

    maximum_uid_length: int = 128
    """Characters of a UID without padding in an association PDU; a longer one is aborted. The
    standard allows 64; peers that build private UIDs exceed it by a few."""

    maximum_user_identity_length: int = 65535
    """Bytes of one user identity field; a longer one is aborted. Kerberos tickets with group lists
    reach tens of KiB; 65535 is what the length field can say."""

    # --- messages ---

    maximum_command_set_length: int = 65536
    """Bytes of a command set; a longer one ends its association. Those of the standard that list
    no tags are below 1 KiB; this leaves room for an N-GET of 16 000 tags."""

    maximum_command_elements: int = 128
    """Elements of a command set; more end its association. PS3.7 annex E defines fewer than 90,
    retired ones included."""

    maximum_identifier_length: int = 1 << 20
    """Bytes of the keys of a query or retrieve; with more it is refused (A700). A list of 16 000
    UIDs takes as much; each association may hold it in memory."""

    maximum_match_length: int = 1 << 24
    """Bytes of a match that a query is answered with; a longer one is left out and is an error of
    the query. Matches take 1 KiB; archives that return private elements reach some hundred."""

    # --- data sets ---

    maximum_depth: int = 64
    """Nested sequences. A received data set that goes deeper is kept as it came instead of
    rewritten; in a file to send that has to be converted it is an error. Standard objects reach
    about 10."""

    maximum_changes_length: int = 32 * 1024 * 1024
    """Bytes that the list of changes to one received data set may take: about a million of them.
    With more it is kept as it came."""

    maximum_inflation_ratio: int = 256
    """Inflated bytes for each deflated one, beyond `free_inflated_length`; what grows more is kept
    as it came, and is an error in a file to send that has to be converted. Images rarely reach 10;
    deflate itself ends at 1032."""

    free_inflated_length: int = 64 * 1024 * 1024
    """Inflated bytes of a data set that are never too many. An empty image of 4096 x 4096 x 16 bit
    is half of that."""

    maximum_file_meta_length: int = 128 * 1024
    """Bytes of group 0002 of a file to send; with more it is an error. Real ones take 150 to 400
    bytes; Private Information (0002,0102) is the only element that may be long."""

    maximum_file_meta_elements: int = 256
    """Elements of group 0002 of a file to send; more are an error. PS3.10 defines 19; the rest is
    private use."""

    # --- servers ---

    maximum_associations: int = 4096
    """Associations at a time, with ``--workers`` for each of them; more are rejected as a transient
    condition, "local limit exceeded". Each costs a thread and some 30 KiB while it is idle;
    `isocenter.serve`, which shares its process with other things, takes 256 unless told."""

    maximum_associations_per_peer: int | None = None
    """Associations at a time from one address, of IPv6 from one net of 64 bits, with ``--workers``
    for each of them; more are rejected likewise. None for as many as there may be at all: behind a
    gateway or a load balancer every sender has the same address. ``--max-per-peer`` sets it for
    storescp and dcmrecv."""

    maximum_pending: int = 50_000
    """Connections without an association; beyond it the oldest is closed. Each costs a descriptor
    and some 2 KiB; silent ones must not keep others out, so there are many."""

    maximum_pending_bytes: int = 64 * 1024 * 1024
    """Bytes held for all connections without an association together; beyond it the one that holds
    most is closed. As much as 64 requests of the longest kind."""

    maximum_handshakes: int = 500
    """Connections that have begun with TLS and sent no request yet; beyond it the oldest of the
    peer (of IPv6 a net of 64 bits) that has most of them is closed. Each takes some 100 KiB."""


DEFAULTS = Limits()
"""What holds where nothing else was asked for."""

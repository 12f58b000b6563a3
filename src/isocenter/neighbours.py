"""Which addresses count as one peer, wherever something is counted or rationed by peer.

Whoever has an address of IPv6 has, as a rule, the 64 bits behind its net to himself (RFC 4291
2.5.1, RFC 6177), and could come from another address each time. So of IPv6 the net of 64 bits
counts, and everybody in it together; of IPv4 the address. Who may come in is decided by whole
addresses, elsewhere.
"""

from __future__ import annotations

__all__ = ["place_of"]


def place_of(host: str) -> str:
    """Return what an address is counted as.

    Args:
        host: address of IPv4 or IPv6, this also in brackets or with a zone, or any other text,
            which stands for itself.

    Returns:
        The same for addresses that count as one peer: of IPv6 its net, ``2001:db8:0:1::/64``; an
        address of IPv4 that IPv6 carries (``::ffff:192.0.2.1``) is one of IPv4.
    """
    if ":" not in host:
        return host
    import ipaddress  # 5 ms, and most networks have none of these addresses

    try:
        address = ipaddress.IPv6Address(host.strip("[]").partition("%")[0])
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))

"""Where IBEX's webhooks may come from, if that is configured: addresses and networks, which IBEX may change.

Source: IBEX documentation, as copied in 2026: sandbox 35.243.242.121, 34.74.236.191; production 34.148.92.171,
35.196.168.24.
"""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from providers.rotation import Malformed

Source = IPv4Network | IPv6Network


def load_sources(entries: Sequence[str]) -> tuple[Source, ...]:
    """Addresses ("35.243.242.121") and networks ("35.243.242.0/24"). Raises: Malformed: one is neither."""
    try:
        return tuple(ip_network(entry) for entry in entries)
    except ValueError:
        raise Malformed("an entry is no address and no network, or has bits behind its mask") from None


def is_allowed(peer: str | None, sources: Sequence[Source]) -> bool:
    """Whether a request's own peer, as our proxy gives it, may be IBEX. Without sources anybody may."""
    if not sources:
        return True
    try:
        address = ip_address(peer or "")
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in source for source in sources)

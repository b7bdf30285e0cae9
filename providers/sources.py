"""Where a request may come from: addresses and networks, as configured, and the one that it does come from.

As light as `receiving`.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from providers.rotation import Malformed

Source = IPv4Network | IPv6Network


def load_sources(entries: Sequence[str]) -> tuple[Source, ...]:
    """Addresses ("35.243.242.121") and networks ("35.243.242.0/24"). Raises: Malformed: one is neither."""
    try:
        return tuple(ip_network(entry) for entry in entries)
    except ValueError:
        raise Malformed("an entry is no address and no network, or has bits behind its mask") from None


def is_allowed(peer: str | None, sources: Sequence[Source]) -> bool:
    """Whether a request's own peer may send it. Without sources anybody may."""
    return not sources or _is_one_of(peer, sources)


def peer_of(remote: str | None, forwarded: str | None, proxies: Sequence[Source]) -> str | None:
    """Whose request it is: `remote`, which opened the connection; behind proxies of ours, whom the outermost names.

    Each proxy adds its own peer at the right of `forwarded` (X-Forwarded-For): from there leftwards it is the first
    that is none of them. What stands further left was said by the sender. It may be no address at all.
    """
    peer, named = remote, forwarded.split(",") if forwarded else []
    while named and _is_one_of(peer, proxies):
        peer = named.pop().strip()
    return peer


def _is_one_of(peer: str | None, sources: Sequence[Source]) -> bool:
    address = _address(peer)
    return address is not None and any(address in source for source in sources)


def _address(text: str | None) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text or "")
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address

"""Where a configured URL may lead: public addresses only, unless private ones are allowed outright."""

import socket
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

# Written out, because what Python itself calls private or global changes from release to release.
# Source: IANA special-purpose address registries (RFC 6890 and updates), read 2026-11.
_V4_REFUSED: Final = tuple(
    (ip_network(network), reason)
    for network, reason in {
        "0.0.0.0/8": "unspecified",
        "10.0.0.0/8": "private",
        "100.64.0.0/10": "carrier-grade NAT",
        "127.0.0.0/8": "loopback",
        "168.63.129.16/32": "a cloud's own service behind a public number (Azure)",
        "169.254.0.0/16": "link-local",
        "172.16.0.0/12": "private",
        "192.0.0.0/24": "reserved",
        "192.0.2.0/24": "documentation",
        "192.88.99.0/24": "6to4 relay",
        "192.168.0.0/16": "private",
        "198.18.0.0/15": "benchmarking",
        "198.51.100.0/24": "documentation",
        "203.0.113.0/24": "documentation",
        "224.0.0.0/4": "multicast",
        "240.0.0.0/4": "reserved",
    }.items()
)
# Of IPv6 only global unicast (2000::/3) is public; inside it these are not, or carry an IPv4 address of any kind.
_V6_PUBLIC: Final = ip_network("2000::/3")
_V6_REFUSED: Final = tuple(
    (ip_network(network), reason)
    for network, reason in {
        "2001::/23": "reserved (Teredo and others)",
        "2001:db8::/32": "documentation",
        "2002::/16": "6to4",
        "3fff::/20": "documentation",
    }.items()
)
_V6_NAMED: Final = tuple(
    (ip_network(network), reason)
    for network, reason in {
        "::/128": "unspecified",
        "::1/128": "loopback",
        "::ffff:0:0/96": "an IPv4 address in IPv6 form",
        "64:ff9b::/96": "NAT64",
        "64:ff9b:1::/48": "NAT64",
        "fc00::/7": "unique local",
        "fe80::/10": "link-local",
        "ff00::/8": "multicast",
    }.items()
)


class Refused(Exception):
    """We will not send there. The message says why and holds neither the URL nor an address."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart and found fit. `host` is in the form of DNS and TLS, `path` holds the query too."""

    tls: bool
    host: str
    port: int
    path: str


def read_url(url: str, *, allow_private: bool) -> Target:
    """Take a URL apart. Allowing private targets also allows plain http, other ports and bare addresses.

    Raises: Refused.
    """
    if not url.isascii() or not url.isprintable() or any(letter in url for letter in " \\"):
        raise Refused("the URL holds characters that must be percent-encoded")
    try:
        parts = urlsplit(url)
        host, given_port = parts.hostname, parts.port
    except ValueError:
        raise Refused("the URL cannot be read") from None
    if parts.scheme not in ({"https", "http"} if allow_private else {"https"}):
        raise Refused("the URL must begin with https://")
    host = (host or "").rstrip(".")
    if not host or len(host) > 253:  # noqa: PLR2004 (the longest name DNS knows)
        raise Refused("the URL names no host")
    if "@" in parts.netloc:
        raise Refused("the URL holds a user or password")
    tls = parts.scheme == "https"
    port = given_port if given_port is not None else (443 if tls else 80)
    if not allow_private and port != 443:  # noqa: PLR2004 (HTTPS)
        raise Refused("the port must be 443")
    if not allow_private and is_literal(host):
        raise Refused("the URL names an address instead of a host")
    path = parts.path or "/"
    return Target(tls=tls, host=host, port=port, path=f"{path}?{parts.query}" if parts.query else path)


def is_literal(host: str) -> bool:
    """Whether a host is a bare address, in any spelling that a resolver takes for one (`127.1`, `0x7f000001`)."""
    with suppress(ValueError):
        ip_address(host)
        return True
    with suppress(OSError):
        socket.inet_aton(host)
        return True
    return False


def why_refused(address: str) -> str | None:
    """Why we do not connect to an address; None: it is public."""
    ip = ip_address(address.partition("%")[0])
    match ip:
        case IPv4Address():
            return next((reason for network, reason in _V4_REFUSED if ip in network), None)
        case IPv6Address():
            if ip not in _V6_PUBLIC:
                return next((reason for network, reason in _V6_NAMED if ip in network), "reserved")
            return next((reason for network, reason in _V6_REFUSED if ip in network), None)

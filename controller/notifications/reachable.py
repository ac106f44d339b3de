"""Which addresses may be sent to: those of the internet at large. Pure."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

_EMBEDDING: Final = tuple(ip_network(each) for each in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))
"""Each address in them stands for an IPv4 address, which a gateway on the way would be asked for."""


def is_public(address: str) -> bool:
    """Whether it is an IP address that belongs to nobody's inside: not private, loopback, link-local or reserved."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return _is_public(found.ipv4_mapped)
        if any(found in each for each in _EMBEDDING) or found.is_site_local:
            return False
    return _is_public(found)


def _is_public(found: IPv4Address | IPv6Address) -> bool:
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)

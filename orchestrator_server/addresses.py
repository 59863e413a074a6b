"""Addresses of clients: how they are parsed, and which of them count as one client."""

from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST = 45  # characters of an IPv6 address with an IPv4 part
SITE_BITS = 64  # of IPv6: one customer, who may take any address in it
MAPPED_BITS = 96


def parse(text: str) -> Address | None:
    """The address, or None. IPv4-mapped IPv6 becomes IPv4; a zone (`%eth0`) is not accepted."""
    if len(text) > LONGEST or "%" in text:
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.version == 6 and address.ipv4_mapped) or address


def parse_network(text: str) -> Network:
    """The network in CIDR notation; one address is a network, too. Raises ValueError."""
    network = ip_network(text)
    if network.version == 6 and network.prefixlen >= MAPPED_BITS:
        first = network.network_address.ipv4_mapped
        if first is not None:
            return IPv4Network((first, network.prefixlen - MAPPED_BITS))
    return network


def is_loopback(text: str) -> bool:
    address = parse(text)
    return text == "localhost" or (address is not None and address.is_loopback)


@lru_cache(maxsize=4096)
def client_of(text: str) -> str:
    """What limits count as one client: an IPv4 address, or the /64 of an IPv6 address."""
    address = parse(text.partition("%")[0])
    if address is None:
        return text
    if address.version == 4:
        return str(address)
    return str(IPv6Network((address, SITE_BITS), strict=False))

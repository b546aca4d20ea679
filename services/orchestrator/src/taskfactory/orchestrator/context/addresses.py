"""Which addresses may be connected to: public ones, and those that the operator has named.

An IPv6 address that carries an IPv4 one (mapped, compatible, 6to4, Teredo, NAT64) leads there, so both are looked at.
"""

from collections.abc import Collection, Iterator
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NEVER_PUBLIC: Final = tuple(
    ip_network(text)
    for text in (
        "168.63.129.16/32",  # Azure's host, which answers with credentials; a public address by number only
        "100.64.0.0/10",  # carrier-grade NAT, and the metadata address of Alibaba Cloud in it
        "192.0.0.0/24",  # IETF protocol assignments, Oracle's metadata address in them
        "192.88.99.0/24",  # 6to4 relays
        "fec0::/10",  # site-local, from before unique local addresses
        "64:ff9b:1::/48",  # NAT64 with a prefix of one's own
    )
)
_NAT64: Final = IPv6Network("64:ff9b::/96")
_COMPATIBLE: Final = IPv6Network("::/96")


def parse_network(text: str) -> Network:
    """A network as `10.0.0.0/8`, or one address.

    Raises:
        ValueError: it is neither.
    """
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError(f"found {text!r}; allowed is a network such as 10.1.0.0/16, or an address") from error


def parse_address(text: str) -> Address:
    """An address as a resolver gives it, a zone (`%eth0`) left out.

    Raises:
        ValueError: it is none.
    """
    return ip_address(text.partition("%")[0])


def may_connect(address: Address, named: Collection[Network]) -> bool:
    """Whether the address is public, or in a network that the operator has named.

    An address that carries another is judged by both; naming the outer one does not allow the inner one.
    """
    return all(_is_public(each) or any(_within(each, network) for network in named) for each in _carried(address))


def _carried(address: Address) -> Iterator[Address]:
    """The address, and those that packets to it may end at; of a mapped one, the mapped address alone."""
    if isinstance(address, IPv4Address):
        yield address
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
        return
    yield address
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if address in _NAT64 or address in _COMPATIBLE:
        yield IPv4Address(int(address) & 0xFFFF_FFFF)


def _within(address: Address, network: Network) -> bool:
    return address.version == network.version and address in network


def _is_public(address: Address) -> bool:
    if any(_within(address, network) for network in _NEVER_PUBLIC):
        return False
    special = (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
    )
    return not special or (isinstance(address, IPv6Address) and address in _NAT64 and not address.is_private)

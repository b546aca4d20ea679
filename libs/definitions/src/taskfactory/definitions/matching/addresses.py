"""IP addresses and networks as whole numbers.

What is an address is what Python's `ipaddress` says: no leading zeros, IPv6 in any spelling. An IPv4 address never lies
in an IPv6 network, mapped or not.
"""

from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Final, NamedTuple


class Address(NamedTuple):
    """One address."""

    version: int
    """4 or 6."""
    number: int


class Network(NamedTuple):
    """All addresses of one version that agree in their first bits."""

    version: int
    """4 or 6."""
    shift: int
    """Bits at the end that may differ."""
    start: int
    """The bits before those."""

    def holds(self, address: Address) -> bool:
        """Whether the address lies in the network."""
        return address.version == self.version and address.number >> self.shift == self.start


def network(text: str) -> Network:
    """Read a network such as `10.0.0.0/8`; bits behind the length may be set.

    Raises:
        ValueError: It is none.
    """
    read = ip_network(text, strict=False)
    shift = read.max_prefixlen - read.prefixlen
    return Network(read.version, shift, int(read.network_address) >> shift)


@lru_cache(maxsize=256)  # an address that the index found is looked at again by what it found
def address(text: str) -> Address | None:
    """Read an address; None where the text is none."""
    try:
        first, second, third, fourth = text.split(".")
        number = _OCTETS[first] << 24 | _OCTETS[second] << 16 | _OCTETS[third] << 8 | _OCTETS[fourth]
    except (ValueError, KeyError):
        return _any_address(text)
    return Address(4, number)


def _any_address(text: str) -> Address | None:
    try:
        read = ip_address(text)
    except ValueError:
        return None
    return Address(read.version, int(read))


_OCTETS: Final = {str(octet): octet for octet in range(256)}

"""Which addresses may be connected to."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskfactory.orchestrator.context.addresses import may_connect, parse_address, parse_network


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",  # metadata of most clouds
        "100.100.100.200",  # Alibaba's, within carrier-grade NAT
        "168.63.129.16",  # Azure's host
        "192.0.0.192",  # Oracle's
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",  # Amazon's over IPv6
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:7f00:1",
        "::127.0.0.1",
        "2002:7f00:1::1",  # 6to4 of 127.0.0.1
        "2002:a00:1::",  # 6to4 of 10.0.0.1
        "64:ff9b::127.0.0.1",
        "64:ff9b::a9fe:a9fe",  # NAT64 of 169.254.169.254
        "64:ff9b:1::808:808",
        "2001:0:7f00:1::",  # Teredo
    ],
)
def test_an_address_that_leads_inside_is_refused(address: str) -> None:
    assert not may_connect(parse_address(address), [])


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "2002:808:808::1", "64:ff9b::808:808"]
)
def test_a_public_address_is_not(address: str) -> None:
    assert may_connect(parse_address(address), [])


def test_naming_a_network_allows_it_and_what_maps_to_it_and_nothing_else() -> None:
    named = [parse_network("10.1.0.0/16"), parse_network("127.0.0.1")]
    for address in ("10.1.2.3", "127.0.0.1", "::ffff:10.1.2.3"):
        assert may_connect(parse_address(address), named)
    for address in ("10.2.0.1", "127.0.0.2", "::1", "169.254.169.254"):
        assert not may_connect(parse_address(address), named)


def test_naming_an_outer_network_does_not_allow_what_it_carries() -> None:
    assert not may_connect(parse_address("64:ff9b::a00:1"), [parse_network("64:ff9b::/96")])
    assert not may_connect(parse_address("2002:a00:1::1"), [parse_network("2002::/16")])


@given(st.ip_addresses(v=4))
def test_a_private_address_stays_refused_in_every_disguise(address: ipaddress.IPv4Address) -> None:
    if may_connect(address, []):
        return
    number = int(address)
    disguises = [
        ipaddress.IPv6Address(0xFFFF_0000_0000 | number),
        ipaddress.IPv6Address(number),
        ipaddress.IPv6Address((0x2002 << 112) | (number << 80) | 1),
        ipaddress.IPv6Address((0x64FF9B << 96) | number),
    ]
    assert [may_connect(each, []) for each in disguises] == [False] * 4

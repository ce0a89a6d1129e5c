"""Where a caller comes from: only our own proxies are believed about it, and only about the last step."""

from __future__ import annotations

import pytest

from roony.core.address import MAX_STEPS, caller_address, is_within, parse_network, parse_networks, place_of

PROXIES = parse_networks(["10.0.0.0/8", "fd00::/8"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", None, "203.0.113.9"),
        # Nobody but a proxy of ours may say who it speaks for.
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("fd00::1", "2001:db8::7", "2001:db8::7"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        # What stands further in front was written by the caller.
        ("10.0.0.1", "192.0.2.1, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "192.0.2.1, 198.51.100.1, 10.0.0.7", "198.51.100.1"),
        ("10.0.0.1", None, None),
        ("10.0.0.1", "", None),
        ("10.0.0.1", "10.0.0.2", None),
        ("10.0.0.1", "198.51.100.1, unknown", None),
        ("10.0.0.1", "198.51.100.1,", None),
        (None, "198.51.100.1", None),
    ],
)
def test_the_address_of_a_caller(peer: str | None, forwarded: str | None, address: str | None) -> None:
    assert caller_address(peer, forwarded, PROXIES) == address


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("203.0.113.5", True), ("203.0.114.5", False), ("::ffff:203.0.113.5", True), ("2001:db8::1", True),
        ("2001:db9::1", False), (None, False), ("", False), ("203.0.113.5:80", False),
    ],
)  # fmt: skip
def test_an_address_lies_in_a_network_or_not(address: str | None, inside: bool) -> None:
    assert is_within(address, parse_networks(["203.0.113.0/24", "2001:db8::/32"])) is inside


def test_only_the_last_steps_are_looked_at() -> None:
    """A caller may put thousands of our own addresses in front: each would be read, in the thread of all requests."""
    proxies = ["10.0.0.1"] * (MAX_STEPS - 1)
    assert caller_address("10.0.0.1", ",".join(["198.51.100.1", *proxies]), PROXIES) == "198.51.100.1"
    assert caller_address("10.0.0.1", ",".join(["198.51.100.1", *proxies, *proxies]), PROXIES) is None


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"), ("::ffff:203.0.113.5", "203.0.113.5/32"), ("::/0", "::/0"),
        (" 10.0.0.0/8 ", "10.0.0.0/8"),
    ],
)  # fmt: skip
def test_a_network_of_ipv4_is_one_however_it_is_written(text: str, network: str) -> None:
    assert str(parse_network(text)) == network


@pytest.mark.parametrize(
    "text",
    ["", "203.0.113.0/33", "203.0.113.5/24", "example.com", "10/8", "::/129", "fe80::1%eth0", "::%a 0.0.0.0/0"],
)
def test_what_is_no_network(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not appear|has host bits"):
        parse_networks([text])


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, "unknown"),
        ("nonsense", "unknown"),
    ],
)
def test_where_calls_are_counted(address: str | None, place: str) -> None:
    assert place_of(address) == place

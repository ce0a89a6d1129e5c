"""Where a caller comes from: only our own proxies are believed about it, and only about the last step."""

from __future__ import annotations

import pytest

from roony.core.address import caller_address, is_within, parse_networks

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


@pytest.mark.parametrize("text", ["", "203.0.113.0/33", "203.0.113.5/24", "example.com", "10/8", "::/129"])
def test_what_is_no_network(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not appear|has host bits"):
        parse_networks([text])

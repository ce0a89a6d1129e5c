"""At which addresses passkeys are good, and when a device is taken for a copy."""

from __future__ import annotations

import pytest

from roony.core.passkey import Site, is_copy, site_of


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://roony.example.com", Site("roony.example.com", "https://roony.example.com")),
        ("https://Roony.Example.com:443", Site("roony.example.com", "https://roony.example.com")),
        ("https://roony.example.com:8443", Site("roony.example.com", "https://roony.example.com:8443")),
        ("http://localhost:7666", Site("localhost", "http://localhost:7666")),
        ("http://localhost:80", Site("localhost", "http://localhost")),
        ("http://roony.localhost:7666", Site("roony.localhost", "http://roony.localhost:7666")),
        ("http://roony.example.com", None),
        ("https://192.0.2.7", None),
        ("https://[2001:db8::1]:8443", None),
        ("", None),
    ],
)
def test_a_site_is_a_name_that_browsers_trust(url: str, site: Site | None) -> None:
    assert site_of(url) == site


@pytest.mark.parametrize(
    ("before", "now", "copy"),
    [(0, 0, False), (0, 1, False), (1, 2, False), (2, 2, True), (2, 1, True), (2, 0, True)],
)
def test_a_device_counts_on_or_not_at_all(before: int, now: int, copy: bool) -> None:
    assert is_copy(before, now) is copy

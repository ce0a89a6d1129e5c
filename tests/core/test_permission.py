"""What Roony needs at Stripe: each of our names stands for something with each kind of connection."""

from __future__ import annotations

import pytest

from roony.core.connection import KINDS
from roony.core.permission import NAMES, PERMISSIONS, app_manifest, permissions_of

# Stripe's names, word for word (facts 6.3); `_write` of some exists too.
AT_STRIPE = {
    *(f"issuing_{what}_{how}" for what in ("card", "cardholder", "authorization") for how in ("read", "write")),
    "issuing_transaction_read", "issuing_dispute_read", "balance_read", "charge_read", "event_read",
    "connected_account_read", "webhook_read", "webhook_write",
}  # fmt: skip


def test_every_kind_has_them() -> None:
    assert set(PERMISSIONS) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_each_of_our_names_stands_for_something(kind: str) -> None:
    shown = permissions_of(kind)
    assert [one["name"] for one in shown] == list(NAMES) == ["issuing:read", "issuing:write", "charges:read"]
    for one in shown:
        assert one["stripe"]
        assert all(permission["purpose"] for permission in one["stripe"])
    listed = [permission["permission"] for one in shown for permission in one["stripe"]]
    assert len(listed) == len(PERMISSIONS[kind])
    assert set(listed) <= ({"read_write"} if kind == "connect" else AT_STRIPE)


def test_reading_is_not_writing() -> None:
    for kind in ("stripe_app", "direct"):
        for one in PERMISSIONS[kind]:
            assert one.name.endswith("_write") == (one.part_of == "issuing:write"), one


def test_the_manifest_asks_for_each_once_with_its_purpose() -> None:
    manifest = app_manifest("https://roony.example.com/connect/stripe/callback")
    names = [one["permission"] for one in manifest["permissions"]]
    assert len(names) == len(set(names)) == len(PERMISSIONS["stripe_app"])
    assert manifest["allowed_redirect_uris"] == ["https://roony.example.com/connect/stripe/callback"]
    assert (manifest["stripe_api_access_type"], manifest["distribution_type"]) == ("oauth", "public")

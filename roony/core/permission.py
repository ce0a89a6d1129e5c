"""What Roony is allowed at Stripe, under both names: ours, and what Stripe has for each kind (facts 6.3 and 11).

The names `issuing:read`, `issuing:write` and `charges:read` exist at Stripe nowhere. Connect knows one scope that reads
and one that also writes; an app and a restricted key are given single permissions by their own names.
"""

from __future__ import annotations

from typing import Any, NamedTuple

NAMES = ("issuing:read", "issuing:write", "charges:read")


class Permission(NamedTuple):
    """One permission by Stripe's name, what of ours it is part of, and what Roony does with it."""

    name: str
    part_of: str
    purpose: str


# What an app's manifest asks for, word for word (facts 6.3); the purpose is shown to whoever installs it.
APP_PERMISSIONS = (
    Permission("issuing_card_read", "issuing:read", "See the cards Roony made, and whether others are active."),
    Permission("issuing_cardholder_read", "issuing:read", "See what Stripe requires of the cardholder."),
    Permission("issuing_authorization_read", "issuing:read", "Book payments that were asked for on Roony's cards."),
    Permission("issuing_transaction_read", "issuing:read", "Book captures and refunds on Roony's cards."),
    Permission("issuing_dispute_read", "issuing:read", "Show disputes with the purchase they are about."),
    Permission("balance_read", "issuing:read", "Warn before the Issuing balance is too low for a purchase."),
    Permission("event_read", "issuing:read", "Fetch events that were not delivered."),
    Permission("connected_account_read", "issuing:read", "See the account's country and its Issuing capability."),
    Permission("webhook_read", "issuing:read", "See whether the account's events reach Roony."),
    Permission("issuing_card_write", "issuing:write", "Make, freeze and cancel one card for each purchase."),
    Permission("issuing_cardholder_write", "issuing:write", "Make the cardholder whose name is on the cards."),
    Permission("issuing_authorization_write", "issuing:write", "Decide payments on Roony's cards."),
    Permission("webhook_write", "issuing:write", "Make the endpoint that brings events to Roony."),
    Permission("charge_read", "charges:read", "Read the account's own sales, which are no agent's spending."),
)
CONNECT_PERMISSIONS = tuple(
    Permission("read_write", name, purpose)
    for name, purpose in (
        ("issuing:read", "Connect's scope to read and to write; there is no smaller one that makes cards."),
        ("issuing:write", "Connect's scope to read and to write; there is no smaller one that makes cards."),
        ("charges:read", "Part of the same scope; Connect does not grant it apart."),
    )
)
# A restricted key (rk_…) is given the same permissions one by one; a secret key (sk_…) has them all. Events of the
# account come to its own endpoint, and the account behind a key is always readable.
KEY_PERMISSIONS = tuple(one for one in APP_PERMISSIONS if one.name != "connected_account_read")
PERMISSIONS = {"connect": CONNECT_PERMISSIONS, "stripe_app": APP_PERMISSIONS, "direct": KEY_PERMISSIONS}


def permissions_of(kind: str) -> list[dict[str, Any]]:
    """Our names with Stripe's for a kind of connection: `[{"name", "stripe": [{"permission", "purpose"}]}]`."""
    return [
        {
            "name": name,
            "stripe": [
                {"permission": one.name, "purpose": one.purpose} for one in PERMISSIONS[kind] if one.part_of == name
            ],
        }
        for name in NAMES
    ]


def app_manifest(redirect_uri: str) -> dict[str, Any]:
    """What of `stripe-app.json` concerns Roony: how it gets its tokens, where to, and what it may do (facts 6.3)."""
    return {
        "stripe_api_access_type": "oauth",
        "distribution_type": "public",
        "allowed_redirect_uris": [redirect_uri],
        "permissions": [{"permission": one.name, "purpose": one.purpose} for one in APP_PERMISSIONS],
    }

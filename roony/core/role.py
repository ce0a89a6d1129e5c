"""Roles: what an organization's people may do. Scopes: what an agent's key may do."""

from __future__ import annotations

# Each may do all that the ones before it may.
ROLES = ("viewer", "approver", "admin", "owner")
# What a request does, and the first role that may do it. A key that belongs to no user is a program of the owner's.
NEEDED = {
    "read": "viewer",  # look at everything of the organization, never at a card number or a key
    "approve": "approver",  # decide what waits for a person
    "reveal": "approver",  # open a link to card details
    "change": "admin",  # controls, budgets, agents and their keys, cards, discrepancies, freezes
    "own": "owner",  # Stripe accounts, people, settings of the organization, keys that encrypt
}
OWNER = "owner"
OWNER_ONLY = "own"
# What an agent's key may be made for: look, ask and change purchases, see card details. A key with none has them all.
SCOPES = ("read", "purchase", "card")


def may(role: str, permission: str) -> bool:
    """True if this role may do what needs this permission, one of `NEEDED`."""
    return ROLES.index(role) >= ROLES.index(NEEDED[permission])

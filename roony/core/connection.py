"""A connection: a Stripe account that Roony may act for, and its life cycle."""

from __future__ import annotations

from typing import NamedTuple


class Connection(NamedTuple):
    """Stripe account and how we may use it. `cardholder` is JSON: the parameters its one cardholder is made with.

    While `catching_up_since` is set, what happened from then on is being fetched and nothing new is approved.
    """

    organization_id: str
    id: str
    kind: str
    status: str
    stripe_account: str | None
    livemode: int
    scope: str | None
    currency: str
    cardholder: str
    stripe_cardholder_id: str | None
    status_reason: str | None
    created_at: int
    updated_at: int
    catching_up_since: int | None = None

    @property
    def approves(self) -> bool:
        """True while new money may be spent through it."""
        return self.status == "active" and self.catching_up_since is None


KINDS = ("connect", "stripe_app", "direct")
# pending → active ⇄ restricted → expired | revoked (design section 5)
STATUSES = ("pending", "active", "restricted", "expired", "revoked")

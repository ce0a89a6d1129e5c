"""A card: its life cycle, and purchase plus controls compiled into Stripe's own spending controls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from roony.core.authorization import Authorization
from roony.core.control import Controls
from roony.core.errors import BrokenCaller
from roony.core.merchant import stripe_categories
from roony.core.purchase import RECURRING, Purchase


class Card(NamedTuple):
    """One virtual card for one purchase. Never holds a number or CVC. Amounts in minor units, times in microseconds.

    `seen_at` is when a reconciliation last saw it at Stripe; 0 before the first. `frozen_at` is set while its owner has
    it frozen, whatever the scopes above say; `fraud_warning` is the type of Stripe's first warning about it.
    `limit_at_stripe` is the limit Stripe still has while a raised `hard_limit` is on its way there.
    """

    organization_id: str
    id: str
    purchase_id: str
    connection_id: str
    stripe_card_id: str | None
    status: str
    stripe_status: str | None
    currency: str
    hard_limit: int
    last4: str | None
    exp_month: int | None
    exp_year: int | None
    expires_at: int
    deliveries: int
    created_at: int
    updated_at: int
    seen_at: int = 0
    frozen_at: int | None = None
    fraud_warning: str | None = None
    limit_at_stripe: int | None = None

    @property
    def usable_limit(self) -> int:
        """What a merchant can take at most: Stripe goes by its own limit until it has confirmed a new one."""
        return self.hard_limit if self.limit_at_stripe is None else self.limit_at_stripe


STATUSES = ("creating", "active", "used", "expired", "canceled", "frozen")
# With these a card exists and is not over here.
OPEN_STATUSES = ("active", "used", "frozen")
# And with these it is over, and is to be canceled at Stripe.
OVER_STATUSES = ("expired", "canceled")
DEFAULT_LIFETIME_SECONDS = 60 * 60
_LISTS = ("categories", "merchant_countries", "card_presences")
# A card's details are handed out at most this often (section 11).
MAX_DELIVERIES = 5


def derive_card_status(
    card: Card, authorizations: Iterable[Authorization], ended: bool = False, frozen_above: bool = False
) -> str:
    """The card's state as a function of what is known (section 5); `ended`: no new authorization is wanted on it.

    Used from its first authorization that counts as approved, also when it was frozen meanwhile; when none counts any
    more active again, or frozen where its owner or a scope above it is, or canceled where it has ended. A card check
    uses the card only when it was captured. Stripe's own cancel of a single-use card says nothing by itself: its
    authorization may still be on its way here, and if none comes, its time to live ends it.
    """
    if card.status not in OPEN_STATUSES:
        return card.status
    if any(a.approved and not (a.is_check and a.captured == 0) for a in authorizations):
        return "used"
    return _back_from_used(card, ended, frozen_above)


def _back_from_used(card: Card, ended: bool, frozen_above: bool) -> str:
    if card.status != "used":
        return card.status
    if ended:
        return "canceled"
    return "frozen" if frozen_above or card.frozen_at is not None else "active"


def derive_mandate_card_status(card: Card, purchase: Purchase, frozen_above: bool = False) -> str:
    """The state of a mandate's card: used while its last payment is made, else there for the next one (section 5)."""
    if card.status not in OPEN_STATUSES:
        return card.status
    if purchase.payments_made >= purchase.payments:
        return "used"
    return _back_from_used(card, purchase.ended_at is not None, frozen_above)


def wanted_at_stripe(card: Card) -> str | None:
    """The status a card should have at Stripe now; None while that is not for us to say."""
    if card.status == "used" and card.fraud_warning is not None:
        return "canceled"
    if card.status == "used" and card.frozen_at is not None:
        return "inactive"
    return {"active": "active", "frozen": "inactive", "canceled": "canceled", "expired": "canceled"}.get(card.status)


def is_weaker(wanted: dict[str, Any], found: dict[str, Any]) -> str | None:
    """Names the first thing of `wanted` that Stripe's card `found` does not hold as strictly, or None.

    `wanted` are the parameters it was made with, `found` is Stripe's card object (facts 1.2 to 1.5). What Stripe adds
    by itself may only be stricter. A card that is not switched on is no card to hand out either.
    """
    for name in ("status", "currency", "type"):
        if found.get(name) != wanted[name]:
            return name
    asked, controls = wanted["spending_controls"], found.get("spending_controls") or {}
    for kind in _LISTS:
        allowed, blocked = f"allowed_{kind}", f"blocked_{kind}"
        given = set(controls.get(allowed) or ())
        if asked.get(allowed) and not (given and given <= set(asked[allowed])):
            return allowed
        if not set(asked.get(blocked) or ()) <= set(controls.get(blocked) or ()):
            return blocked
    if controls.get("spending_limits_currency") not in (None, wanted["currency"]):
        return "spending_limits_currency"
    limits = controls.get("spending_limits") or ()
    if not all(any(_holds(limit, other) for other in limits) for limit in asked["spending_limits"]):
        return "spending_limits"
    if "lifecycle_controls" in wanted:
        count = ((found.get("lifecycle_controls") or {}).get("cancel_after") or {}).get("payment_count")
        if count is None or count > wanted["lifecycle_controls"]["cancel_after"]["payment_count"]:
            return "lifecycle_controls"
    return None


def _holds(wanted: dict[str, Any], found: dict[str, Any]) -> bool:
    """True if a limit of Stripe's holds what was asked for; one with categories limits these alone (facts 1.4)."""
    if found["interval"] != wanted["interval"] or found["amount"] > wanted["amount"]:
        return False
    restricted = set(found.get("categories") or ())
    return not restricted or (bool(wanted.get("categories")) and set(wanted["categories"]) <= restricted)


def raised_controls(wanted: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The whole controls to send for a card whose limit is raised; both are Stripe card objects (facts trap 17).

    The lists are those of now, unless one that the card has would have to be cleared: whether Stripe clears a list is
    not documented, so the card then keeps its own. Roony's live check goes by the rules of now in any case.
    """
    names = [f"{way}_{kind}" for kind in _LISTS for way in ("allowed", "blocked")]
    lists = {name: wanted["spending_controls"][name] for name in names if wanted["spending_controls"].get(name)}
    there = {name: found["spending_controls"][name] for name in names if found["spending_controls"].get(name)}
    kept = lists if there.keys() <= lists.keys() else there
    return {**kept, "spending_limits": wanted["spending_controls"]["spending_limits"]}


def is_raised(sent: dict[str, Any], found: dict[str, Any]) -> bool:
    """True when Stripe's card has the limits that were sent, no lower ones, and is no weaker otherwise.

    Whether it is switched on is another promise's matter: a freeze may come in between.
    """
    return _limits(sent) <= _limits(found) and is_weaker({**sent, "status": found.get("status")}, found) is None


def _limits(card: dict[str, Any]) -> set[tuple[str, int]]:
    limits = (card.get("spending_controls") or {}).get("spending_limits") or ()
    return {(limit["interval"], limit["amount"]) for limit in limits}


def spending_limits(purchase: Purchase, in_all: int | None = None) -> list[dict[str, Any]]:
    """Stripe's own limits of a purchase's card: the hold in all, or of a mandate for each payment and all of them.

    `in_all` is that of all payments, where they do not have the same price.
    """
    hold = purchase.hold_amount
    if purchase.kind != RECURRING:
        return [{"amount": hold, "interval": "all_time"}]
    return [
        {"amount": hold, "interval": "per_authorization"},
        {"amount": in_all or hold * purchase.payments, "interval": "all_time"},
    ]


def compile_card(purchase: Purchase, card_id: str, controls: Controls, single_use: bool = True) -> dict[str, Any]:
    """Stripe's parameters for the card of a purchase, all but the cardholder (facts 1.2, 1.4, 1.5).

    Stripe then holds the line when Roony is down. Allow and block lists exclude each other there, so an allow list is
    sent less what is blocked. An empty list is never sent: the SDK would drop it and the card would be open (facts
    section 10, trap 16). Raises `BrokenCaller` for controls that allow nothing: `decide()` declines such an ask.
    """
    spending: dict[str, Any] = {
        "spending_limits": spending_limits(purchase),
        "allowed_card_presences": ["not_present"],
    }
    blocked = controls.blocked_categories or frozenset()
    if controls.allowed_categories is not None:
        spending["allowed_categories"] = stripe_categories(controls.allowed_categories - blocked)
    elif blocked:
        spending["blocked_categories"] = stripe_categories(blocked)
    blocked = controls.blocked_countries or frozenset()
    if controls.allowed_countries is not None:
        spending["allowed_merchant_countries"] = sorted(controls.allowed_countries - blocked)
    elif blocked:
        spending["blocked_merchant_countries"] = sorted(blocked)
    for name, value in spending.items():
        if not value:
            raise BrokenCaller(f"{name} of the card would be empty: the controls allow nothing")
    params: dict[str, Any] = {
        "type": "virtual",
        "status": "active",
        "currency": purchase.currency,
        "spending_controls": spending,
        "metadata": {
            "roony_purchase": purchase.id,
            "roony_card": card_id,
            "roony_organization": purchase.organization_id,
            "roony_agent": purchase.agent_id,
        },
    }
    if single_use:
        params["lifecycle_controls"] = {"cancel_after": {"payment_count": 1}}
    return params

"""Spending controls: what Stripe itself refuses before anyone is asked (facts 1.4)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from roony.simulator.records import Record
from roony.simulator.world import World

CAP_PER_AUTHORIZATION = 1_000_000  # minor units: 10,000.00, whatever the controls say
HIDDEN_DAILY_LIMIT = 50_000  # minor units: 500.00 a day when a card has no limits of its own


def allows(world: World, card: Record, authorization: dict[str, Any], ask: int) -> bool:
    """Whether the cap and the controls of card and cardholder, the strictest of them, allow `ask` more minor units."""
    if authorization["amount"] + ask > CAP_PER_AUTHORIZATION:
        return False
    cardholder = world.cardholders[card["cardholder"]]
    of_card, of_holder = card["body"]["spending_controls"], cardholder["body"]["spending_controls"] or {}
    # A card without limits of its own has the hidden one.
    limits = of_card["spending_limits"] or [{"amount": HIDDEN_DAILY_LIMIT, "interval": "daily", "categories": None}]
    return (
        _lists_allow(of_card, authorization)
        and _lists_allow(of_holder, authorization)
        and _limits_allow(world, card["spending_scope"], limits, authorization, ask)
        and _limits_allow(world, cardholder["id"], of_holder.get("spending_limits") or [], authorization, ask)
    )


def _lists_allow(controls: dict[str, Any], authorization: dict[str, Any]) -> bool:
    merchant = authorization["merchant_data"]
    checks = (
        ("categories", merchant["category"]),
        ("merchant_countries", merchant["country"]),
        ("card_presences", authorization["card_presence"]),
    )
    for field, value in checks:
        allowed, blocked = controls.get(f"allowed_{field}"), controls.get(f"blocked_{field}")
        if (allowed and value not in allowed) or (blocked and value in blocked):
            return False
    return True


def _limits_allow(
    world: World, scope: str, limits: list[dict[str, Any]], authorization: dict[str, Any], ask: int
) -> bool:
    category, today = authorization["merchant_data"]["category"], _day(world.clock.now())
    for limit in limits:
        categories = limit["categories"]
        if categories and category not in categories:
            continue  # a limit restricts its own categories only
        if limit["interval"] == "per_authorization":
            spent = authorization["amount"]
        else:
            spent = _spent(world, scope, _since(limit["interval"], today), categories)
        if spent + ask > limit["amount"]:
            return False
    return True


def count(world: World, authorization: Record, target: int) -> None:
    """Make an authorization weigh `target` minor units in the spending of its card and cardholder."""
    change = target - authorization["counted"]
    authorization["counted"] = target
    world.authorizations.touch(authorization)
    merchant = authorization["body"]["merchant_data"]
    add(world, world.cards[authorization["card"]], merchant["category"], change, authorization["body"]["created"])


def add(world: World, card: Record, category: str, amount: int, when: int) -> None:
    """Add an amount to the spending of a card (and those it replaces) and of its cardholder."""
    if amount == 0:
        return
    day = _day(when).isoformat()
    for scope in (card["spending_scope"], card["cardholder"]):
        record = world.spending.get(scope) or world.spending.add({"id": scope, "days": {}})
        by_category = record["days"].setdefault(day, {})
        by_category[category] = by_category.get(category, 0) + amount
        world.spending.touch(record)


def _spent(world: World, scope: str, since: date | None, categories: list[str] | None) -> int:
    record = world.spending.get(scope)
    if record is None:
        return 0
    first = since.isoformat() if since else ""
    return sum(
        amount
        for day, by_category in record["days"].items()
        if day >= first
        for category, amount in by_category.items()
        if not categories or category in categories
    )


def _day(when: int) -> date:
    return datetime.fromtimestamp(when, UTC).date()


def _since(interval: str, today: date) -> date | None:
    """Return the first day of the running interval; they roll at 00:00 UTC (facts 1.4), weeks on Sunday."""
    if interval == "daily":
        return today
    if interval == "weekly":
        return today - timedelta(days=today.isoweekday() % 7)
    if interval == "monthly":
        return today.replace(day=1)
    if interval == "yearly":
        return today.replace(month=1, day=1)
    return None

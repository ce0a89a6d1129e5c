"""Spending controls by the clock and by category, on card and cardholder, along replacements (facts 1.4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe

from tests.support.simulator import REQUEST, Receiver, SimulatorProcess, authorize, new_card, new_cardholder


def limits(*entries: tuple[Any, ...]) -> dict[str, Any]:
    """Return controls with limits of (amount, interval) or (amount, interval, categories)."""
    names = ("amount", "interval", "categories")
    return {"spending_limits": [dict(zip(names, entry, strict=False)) for entry in entries]}


def buy(client: stripe.StripeClient, card: str, amount: int, **extra: Any) -> bool:
    """Buy and capture, so that no expiry gives the limit back; return whether it was approved."""
    made = authorize(client, card, amount, **extra)
    if made.approved:
        client.v1.test_helpers.issuing.authorizations.capture(made.id)
    else:
        assert made.request_history[0].reason == "spending_controls"
    return bool(made.approved)


def next_start(interval: str, now: datetime) -> datetime:
    """Return when the next interval begins: 00:00 UTC, weeks on Sunday."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if interval == "daily":
        return midnight + timedelta(days=1)
    if interval == "weekly":
        return midnight + timedelta(days=7 - now.isoweekday() % 7)
    if interval == "monthly":
        return (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
    return midnight.replace(year=now.year + 1, month=1, day=1)


def go_before(simulator: SimulatorProcess, interval: str) -> None:
    """Move the clock to a minute before the next interval."""
    now = datetime.fromtimestamp(simulator.control("clock")["now"], UTC)
    if now > next_start(interval, now) - timedelta(minutes=2):
        simulator.control("clock", {"advance": 300})
        now += timedelta(minutes=5)
    seconds = int((next_start(interval, now) - now).total_seconds()) - 60
    simulator.control("clock", {"advance": seconds})


@pytest.mark.parametrize("interval", ["daily", "weekly", "monthly", "yearly"])
def test_a_limit_begins_anew_at_midnight_utc(
    simulator: SimulatorProcess, client: stripe.StripeClient, interval: str
) -> None:
    go_before(simulator, interval)
    card = new_card(client, spending_controls=limits((1000, interval))).id
    assert buy(client, card, 1000)
    assert not buy(client, card, 1)
    simulator.control("clock", {"advance": 61})
    assert buy(client, card, 1000)
    assert not buy(client, card, 1)
    go_before(simulator, interval)  # the whole interval later it still counts
    assert not buy(client, card, 1)
    simulator.control("clock", {"advance": 61})
    assert buy(client, card, 1)


def test_a_limit_for_all_time_never_begins_anew(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    card = new_card(client, spending_controls=limits((1000, "all_time"))).id
    assert buy(client, card, 999)
    simulator.control("clock", {"advance": 2 * 366 * 86400})
    assert not buy(client, card, 2)
    assert buy(client, card, 1)


def test_a_limit_per_authorization_counts_increments_in(client: stripe.StripeClient) -> None:
    card = new_card(client, spending_controls=limits((1000, "per_authorization"))).id
    assert not buy(client, card, 1001)
    first = authorize(client, card, 800)
    increment = client.v1.test_helpers.issuing.authorizations.increment
    assert increment(first.id, {"increment_amount": 200}).amount == 1000
    over = increment(first.id, {"increment_amount": 1})
    assert (over.amount, over.approved, over.request_history[-1].reason) == (1000, True, "spending_controls")
    assert buy(client, card, 1000)


def test_a_limit_for_categories_leaves_others_alone(client: stripe.StripeClient) -> None:
    controls = limits((500, "daily", ["bakeries", "caterers"]), (2000, "daily"))
    card = new_card(client, spending_controls=controls).id
    bakery, caterer = {"category": "bakeries"}, {"category": "caterers"}
    assert buy(client, card, 300, merchant_data=bakery)
    assert not buy(client, card, 201, merchant_data=caterer)
    assert buy(client, card, 200, merchant_data=caterer)
    assert buy(client, card, 1500)
    assert not buy(client, card, 1)


def test_the_strictest_of_card_and_cardholder_wins(client: stripe.StripeClient) -> None:
    holder = new_cardholder(client, spending_controls=limits((900, "monthly"))).id
    loose = new_card(client, holder, spending_controls=limits((5000, "monthly"))).id
    tight = new_card(client, holder, spending_controls=limits((100, "monthly"))).id
    assert not buy(client, tight, 101)
    assert buy(client, tight, 100)
    assert not buy(client, loose, 801)  # the cardholder's limit spans both
    assert buy(client, loose, 800)


def test_lists_of_card_and_cardholder_both_hold(client: stripe.StripeClient) -> None:
    blocks: Any = {"blocked_merchant_countries": ["GB"], "allowed_card_presences": ["not_present"]}
    holder = new_cardholder(client, spending_controls=blocks).id
    card = new_card(client, holder, spending_controls={"allowed_categories": ["bakeries"]}).id
    good = {"category": "bakeries", "country": "US"}
    assert buy(client, card, 100, merchant_data=good)
    assert not buy(client, card, 100, merchant_data={**good, "country": "GB"})
    assert not buy(client, card, 100, merchant_data={**good, "category": "caterers"})
    assert not buy(client, card, 100, merchant_data=good, authorization_method="chip")


def test_a_card_without_limits_has_500_a_day(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    go_before(simulator, "daily")
    card = new_card(client).id
    assert not buy(client, card, 50_001)
    assert buy(client, card, 50_000)
    assert not buy(client, card, 1)
    simulator.control("clock", {"advance": 61})
    assert buy(client, card, 1)


def test_no_authorization_passes_10_000(client: stripe.StripeClient, receiver: Receiver) -> None:
    card = new_card(client, spending_controls=limits((9_000_000, "daily"))).id
    assert not buy(client, card, 1_000_001)
    first = authorize(client, card, 1_000_000)
    assert first.approved
    same = client.v1.test_helpers.issuing.authorizations.increment(first.id, {"increment_amount": 1})
    assert (same.amount, same.request_history[-1].reason) == (1_000_000, "spending_controls")
    assert len(receiver.of(REQUEST)) == 1


def test_limits_go_along_a_chain_of_replacements(client: stripe.StripeClient) -> None:
    controls = limits((1000, "all_time"))
    first = new_card(client, spending_controls=controls)
    assert buy(client, first.id, 400)
    chain = [first]
    for amount in (300, 200):
        more: Any = {"replacement_for": chain[-1].id, "replacement_reason": "damaged"}
        chain.append(new_card(client, first.cardholder.id, spending_controls=controls, **more))
        assert buy(client, chain[-1].id, amount)
    assert not buy(client, chain[-1].id, 101)
    assert buy(client, first.id, 100)  # the old one draws on the same limit


def test_foreign_money_is_converted_before_it_is_compared(client: stripe.StripeClient) -> None:
    card = new_card(client, spending_controls=limits((3350, "per_authorization"))).id
    assert buy(client, card, 5000, currency="jpy")
    assert not buy(client, card, 5002, currency="jpy")


def test_what_comes_back_or_expires_is_free_again(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    card = new_card(client, spending_controls=limits((1000, "all_time"))).id
    helpers = client.v1.test_helpers.issuing.authorizations
    first = authorize(client, card, 1000)
    helpers.reverse(first.id, {"reverse_amount": 400})
    second = authorize(client, card, 400)
    assert second.approved
    helpers.reverse(first.id)
    helpers.expire(second.id)
    assert authorize(client, card, 1000).approved
    simulator.control("clock", {"advance": 8 * 86400})
    assert authorize(client, card, 1000).approved


def test_over_captures_and_forced_ones_count_but_are_not_stopped(client: stripe.StripeClient) -> None:
    card = new_card(client, spending_controls=limits((1000, "all_time"))).id
    helpers = client.v1.test_helpers.issuing
    helpers.authorizations.capture(authorize(client, card, 100).id, {"capture_amount": 600})
    helpers.transactions.create_force_capture({"card": card, "amount": 300})
    assert not buy(client, card, 101)
    assert buy(client, card, 100)
    helpers.transactions.create_force_capture({"card": card, "amount": 300})
    assert not buy(client, card, 1)

"""The card's own controls at Stripe beside the live check, on a grid: which of the two stops what.

Stripe's side is the simulator's own reading of a card (facts 1.4, 1.5), made from what `compile_card` sends; ours is
`judge`. Where the two differ is said here and nowhere else:

* Roony alone declines: a foreign merchant currency, another merchant, a card past its time to live; a category that
  Stripe has no name for, where a control only blocks categories; a second use after one of at most 1.00, which Stripe
  counts when it is captured. The limit holds there as well.
* Stripe alone declines: payments in person; a category that it has no name for, where a control allows some only; a
  card check on a card that was used, since Stripe has canceled it.

Of a mandate Roony alone declines also a second payment in an interval, one of a card whose payments were all made
while some of their sum is left, and what the rules or budgets of now no longer allow. Stripe holds each payment to the
hold and all of them to hold times payments: alone it may let the sum through early, never more than the sum.

Everything else the two answer alike.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any, NamedTuple

import pytest

from roony.core.authorization import Authorization, AuthorizationFacts, AuthorizationRequest, MandateFacts, judge
from roony.core.budget import Budget
from roony.core.card import Card, compile_card, derive_card_status, derive_mandate_card_status
from roony.core.categories import NAMES
from roony.core.control import Controls, parse_controls, strictest
from roony.core.mandate import Payment, part_of
from roony.core.merchant import Merchant
from roony.core.purchase import RECURRING, Purchase
from roony.simulator import own_checks, spending
from roony.simulator.clock import Clock
from roony.simulator.lifecycle import SMALL_PAYMENT, count_payment
from roony.simulator.records import Record
from roony.simulator.stripe_api import cardholders, cards
from roony.simulator.stripe_api.operations import Call
from roony.simulator.world import World
from tests.core.rows import AGENT, CONNECTION, ORGANIZATION, PROJECT, row

NOW = 1_795_392_000_000_000
# Codes of merchants: allowed or blocked below, of a group, of an airline alone (no name at Stripe), of nobody's.
CODES = ("5734", "7372", "7995", "4511", "3001", "5462")
CATEGORIES: dict[str, list[dict[str, Any]]] = {
    "no rule": [{}],
    "allow one": [{"allowed_categories": ["5734"]}],
    "allow a group": [{"allowed_categories": ["software"]}],
    "allow a trade": [{"allowed_categories": ["airlines_air_carriers", "5734"]}],
    "block one": [{"blocked_categories": ["5734"]}],
    "block a trade": [{"blocked_categories": ["4511"]}],
    "block a group": [{"blocked_categories": ["never"]}],
    "allow a group, block one of it": [{"allowed_categories": ["software"], "blocked_categories": ["7372"]}],
    "two scopes": [{"allowed_categories": ["software", "travel"]}, {"blocked_categories": ["travel"]}],
    "two scopes allow": [{"allowed_categories": ["software"]}, {"allowed_categories": ["7372", "4511"]}],
}
COUNTRIES: list[dict[str, Any]] = [
    {},
    {"allowed_countries": ["US"]},
    {"blocked_countries": ["US"]},
    {"allowed_countries": ["US", "FR"], "blocked_countries": ["FR"]},
]
CURRENCIES: list[dict[str, Any]] = [{}, {"foreign_currency": "allow"}]
# Amount and hold of the purchase, and what was approved on its card before, each in minor units.
PURCHASES = [(10_000, 10_500), (90, 180)]
FIRST_USES: dict[int, tuple[int, ...]] = {10_000: (0, 100, 5_000, 10_500), 90: (0, 40, 90)}
# Payments of a mandate, and how far it has come: payments made, and whether one of them in this interval.
PAYMENTS = 3
PAID: dict[str, tuple[int, bool]] = {
    "nothing yet": (0, False),
    "before": (1, False),
    "in this interval": (1, True),
    "almost all of the sum": (2, False),
    "every payment": (PAYMENTS, True),
}


class Ask(NamedTuple):
    """One request of a merchant."""

    code: str
    country: str | None
    amount: int
    presence: str
    currency: str
    shop: str


class Case(NamedTuple):
    """A card with what was paid on it, at Stripe and here."""

    scoped: tuple[Controls, ...]
    world: World
    at_stripe: Record
    purchase: Purchase
    card: Card
    used: int
    mandate: MandateFacts | None = None


def call(world: World, params: dict[str, Any]) -> Call:
    """A call of Stripe's API."""
    return Call(world, None, world.platform, world.keys[world.secret_key], {}, params)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def world() -> World:
    """A Stripe account with a cardholder."""
    made = World(Clock(), "sk_test_grid")
    address = {"line1": "1 Main Street", "city": "Springfield", "postal_code": "62701", "country": "US"}
    cardholders.create(call(made, {"name": "Acme", "type": "company", "billing": {"address": address}}))
    return made


def case(world: World, scoped: tuple[Controls, ...], amount: int, hold: int, used: int) -> Case:
    """The card of a purchase, made from what Stripe is sent, after a first use."""
    purchase = row(
        Purchase, id="pur_1", organization_id="org_1", agent_id="agt_1", amount=amount, hold_amount=hold, held=hold,
        merchant_lock="strict", currency="usd",
    )  # fmt: skip
    [holder] = list(world.cardholders)
    made = cards.create(call(world, {**compile_card(purchase, "crd_1", strictest(scoped)), "cardholder": holder["id"]}))
    at_stripe = world.cards[made["id"]]
    here = row(Card, id="crd_1", status="active", stripe_status="active", currency="usd", expires_at=NOW + 1)
    if used:
        spending.add(world, at_stripe, NAMES["5734"], used, world.clock.now())
        if used > SMALL_PAYMENT:
            count_payment(world, at_stripe)
        check = used <= SMALL_PAYMENT and used < amount
        before = row(Authorization, id="iauth_0", approved=1, status="pending", amount=used, card_check=int(check))
        here = here._replace(status=derive_card_status(here, [before]))
    return Case(scoped, world, at_stripe, purchase, here, used)


def mandate_case(world: World, scoped: tuple[Controls, ...], amount: int, hold: int, paid: str) -> Case:
    """The card of a mandate after some of its payments."""
    made, now = PAID[paid]
    used = PAYMENTS * hold - amount // 2 if paid == "almost all of the sum" else made * amount
    purchase = row(
        Purchase, id="pur_1", organization_id="org_1", agent_id="agt_1", amount=amount, hold_amount=hold,
        merchant_lock="strict", currency="usd", interval="month", payments=PAYMENTS, payments_made=made,
        next_payment_from=NOW + now if made else None,
    )._replace(kind=RECURRING)  # fmt: skip
    [holder] = list(world.cardholders)
    params = compile_card(purchase, "crd_1", strictest(scoped), single_use=False)
    at_stripe = world.cards[cards.create(call(world, {**params, "cardholder": holder["id"]}))["id"]]
    if used:
        spending.add(world, at_stripe, NAMES["5734"], used, world.clock.now())
    here = row(
        Card, id="crd_1", status="active", stripe_status="active", currency="usd", expires_at=NOW + 1,
        hard_limit=PAYMENTS * hold,
    )  # fmt: skip
    first = None if made else row(Payment, sequence=1, hold_amount=hold, held=hold)
    budgets = ((row(Budget, scope="agent", currency="usd", period="month", limit_amount=hold), 0, 0),)
    part = part_of(purchase, first, []) if first is not None else purchase
    mandate = MandateFacts(first, part, budgets, used, 0, False)
    here = here._replace(status=derive_mandate_card_status(here, purchase))
    return Case(scoped, world, at_stripe, purchase, here, used, mandate)


def stripe_says(case: Case, ask: Ask) -> bool:
    """Whether Stripe lets it through by itself."""
    merchant = {"category": NAMES.get(ask.code, f"company_{ask.code}"), "country": ask.country}
    body = {"amount": 0, "merchant_data": merchant, "card_presence": ask.presence, "currency": "usd"}
    if own_checks.card_refusal(case.world, case.at_stripe) is not None:
        return False
    return spending.allows(case.world, case.at_stripe, body, ask.amount)


def roony_says(case: Case, ask: Ask, now: int = NOW) -> str | None:
    """The code of our decline; None for a yes."""
    facts = AuthorizationFacts(
        ORGANIZATION, PROJECT, AGENT, CONNECTION, case.scoped, case.card, case.purchase, None,
        0 if case.mandate else case.used, Merchant("Figma"), (), frozenset(), case.mandate,
    )  # fmt: skip
    merchant = Merchant(ask.shop, None, ask.code, ask.country, "net_1")
    request = AuthorizationRequest(
        "iauth_1", "ic_1", 0, ask.amount, 0, "usd", ask.amount, ask.currency, merchant, None, None, None, False, 0,
        now // 1_000_000,
    )  # fmt: skip
    return judge(request, facts, now).code


def why_roony_alone(case: Case, ask: Ask, code: str) -> str | None:
    """Why Stripe lets through what Roony declines."""
    if code in ("CURRENCY_MISMATCH", "MERCHANT_MISMATCH"):
        return code
    allows = any(controls.allowed_categories is not None for controls in case.scoped)
    if code == "CATEGORY_MISMATCH" and ask.code not in NAMES and not allows:
        return "category without a name, only blocked"
    if case.mandate is not None:
        return code if code in ("RENEWAL_TOO_EARLY", "CARD_USED") and case.purchase.payments_made else None
    if code == "CARD_USED" and case.used <= SMALL_PAYMENT and case.used + ask.amount <= case.purchase.hold_amount:
        return "second use after one of at most 1.00"
    return None


def why_stripe_alone(case: Case, ask: Ask) -> str | None:
    """Why Stripe stops what Roony would approve."""
    if ask.presence == "present":
        return "in person"
    if ask.code not in NAMES and any(controls.allowed_categories is not None for controls in case.scoped):
        return "category without a name, not allowed"
    if case.mandate is None and case.used > SMALL_PAYMENT and ask.amount <= SMALL_PAYMENT:
        return "card check on a used card"
    return None


def asks(case: Case) -> list[Ask]:
    """Requests around what is left, and around 1.00."""
    hold = case.purchase.hold_amount
    left = hold * PAYMENTS - case.used if case.mandate else hold - case.used
    edges = (1, SMALL_PAYMENT, SMALL_PAYMENT + 1, hold, hold + 1, left, left + 1)
    amounts = sorted({amount for amount in edges if amount > 0})
    grid = itertools.product(CODES, ("US", "FR", None), amounts, ("not_present", "present"), ("usd", "eur"), ("FIGMA",))
    return [*(Ask(*point) for point in grid), Ask("5734", "US", left, "not_present", "usd", "EVIL SHOP")]


def cases(world: World, rules: list[dict[str, Any]]) -> list[Case]:
    """Every card with these rules about categories."""
    found = []
    for countries, currencies, (amount, hold) in itertools.product(COUNTRIES, CURRENCIES, PURCHASES):
        scoped = tuple(parse_controls({**rule, **(countries | currencies if not at else {})}) for at, rule in
                       enumerate(rules))  # fmt: skip
        found += [case(world, scoped, amount, hold, used) for used in FIRST_USES[amount]]
    return found


def mandate_cases(world: World, rules: list[dict[str, Any]]) -> list[Case]:
    """Every card of a mandate with these rules about categories."""
    scoped = tuple(parse_controls(rule) for rule in rules)
    return [mandate_case(world, scoped, *purchase, paid) for purchase in PURCHASES for paid in PAID]


def compared(made: list[Case]) -> Counter[str]:
    """How often the two answered alike, and how often otherwise for each known reason."""
    seen: Counter[str] = Counter()
    for card in made:
        for ask in asks(card):
            at_stripe, code = stripe_says(card, ask), roony_says(card, ask)
            assert not (at_stripe and ask.presence == "present"), ask
            why: str | None = "alike"
            if at_stripe and code is not None:
                why = why_roony_alone(card, ask, code)
            elif not at_stripe and code is None:
                why = why_stripe_alone(card, ask)
            assert why is not None, (card.scoped, card.purchase.amount, card.used, card.card.status, ask, code)
            seen[why] += 1
    return seen


@pytest.mark.parametrize("name", CATEGORIES)
def test_both_answer_alike_but_for_what_is_known(name: str, world: World) -> None:
    """Stripe alone never lets through what our checks of category, country, amount and use decline, and the rest."""
    seen = compared(cases(world, CATEGORIES[name]))
    assert seen.total() > 5_000
    assert seen["alike"] > seen.total() // 3


def test_every_known_difference_is_one(world: World) -> None:
    """So that the list above is no longer than it has to be."""
    made = cases(world, CATEGORIES["allow a trade"]) + cases(world, CATEGORIES["block a trade"])
    assert set(compared(made)) == {
        "alike", "CURRENCY_MISMATCH", "MERCHANT_MISMATCH", "category without a name, only blocked",
        "second use after one of at most 1.00", "in person", "category without a name, not allowed",
        "card check on a used card",
    }  # fmt: skip


def test_a_mandate_is_held_to_each_payment_and_to_their_sum(world: World) -> None:
    """How often it is paid is Roony's alone to count; every known difference is one."""
    made = [each for name in CATEGORIES for each in mandate_cases(world, CATEGORIES[name])]
    seen = compared(made)
    assert seen["alike"] > seen.total() // 3
    assert set(seen) == {
        "alike", "CURRENCY_MISMATCH", "MERCHANT_MISMATCH", "RENEWAL_TOO_EARLY", "CARD_USED",
        "category without a name, only blocked", "in person", "category without a name, not allowed",
    }  # fmt: skip
    for card in made:
        left = PAYMENTS * card.purchase.hold_amount - card.used
        most = Ask("5734", "US", min(left, card.purchase.hold_amount) + 1, "not_present", "usd", "FIGMA")
        assert not stripe_says(card, most)


@pytest.mark.parametrize(
    ("limit", "rules", "code"),
    [
        pytest.param(10_500, {}, None, id="room-for-it"),
        pytest.param(10_499, {}, "OVER_BUDGET", id="budget"),
        pytest.param(10_500, {"purchase_limit": 9_999}, "RULES_CHANGED", id="purchase-limit"),
    ],
)
def test_rules_and_budgets_of_a_renewal_are_ours_alone(
    world: World, limit: int, rules: dict[str, Any], code: str | None
) -> None:
    """The card at Stripe was made before they changed."""
    card = mandate_case(world, (parse_controls({}),), *PURCHASES[0], "before")
    assert card.mandate is not None
    budgets = tuple((budget._replace(limit_amount=limit), held, spent) for budget, held, spent in card.mandate.budgets)
    card = card._replace(scoped=(parse_controls(rules),), mandate=card.mandate._replace(budgets=budgets))
    ask = Ask("5734", "US", 10_500, "not_present", "usd", "FIGMA")
    assert (stripe_says(card, ask), roony_says(card, ask)) == (True, code)


def test_time_to_live_is_ours_alone(world: World) -> None:
    """Stripe knows the month on the card only."""
    card = case(world, (parse_controls({}),), 10_000, 10_500, 0)
    ask = Ask("5734", "US", 10_000, "not_present", "usd", "FIGMA")
    assert (stripe_says(card, ask), roony_says(card, ask), roony_says(card, ask, NOW + 1)) == (
        True,
        None,
        "CARD_EXPIRED",
    )

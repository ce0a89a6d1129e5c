"""Every control at every level: the strictest wins, wherever it stands, and is kept where it is to be kept.

A control without a line here fails the first test. Those of the ask and of the card are fixed when they are used;
those that look at a payment count as they are when the network asks.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from roony.core.approval import Approval
from roony.core.audit import AuditRecord
from roony.core.budget import PERIODS
from roony.core.control import FIELDS
from roony.core.errors import Refusal
from roony.core.purchase import Purchase
from roony.flows.approval import Approve, ApproveIds, Approver
from roony.flows.delivery import RecordDelivery
from roony.flows.limits import SetBudget, SetControls
from tests.support.books import ORG, user
from tests.support.levels import LEVELS, STRICT_AND_LOOSE
from tests.support.memory import MemoryBooks

PRICE = 10_000
YES = ["approved"]
PAID = "APPROVED"


def ask(books: MemoryBooks) -> list[str]:
    """The verdict, and each reason with the level it comes from."""
    asked = books.ask(PRICE, task="trip")
    decision = json.loads(asked.purchase.decision)
    return [decision["verdict"], *(f"{r['code']} {r.get('scope')}" for r in decision["reasons"])]


def approve_once(books: MemoryBooks) -> str:
    """What one yes makes of a purchase that waits for people."""
    books.put(user("usr_anna"), user("usr_bert"))
    purchase = books.ask(PRICE, task="trip").purchase
    approval = books.row(Approval, purchase_id=purchase.id)
    ids = ApproveIds("hold_9", "crd_9", "out_9")
    books.run(Approve(ORG, approval.id, purchase, Approver("usr_anna", "usr_anna"), "", ids, None))
    return str(books.row(Purchase, id=purchase.id).status)


def answer_in_time(books: MemoryBooks) -> bool:
    """Whether a yes after five minutes still counts."""
    books.put(user("usr_anna"))
    purchase = books.ask(PRICE, task="trip").purchase
    approval = books.row(Approval, purchase_id=purchase.id)
    books.clock.advance(300)
    ids = ApproveIds("hold_9", "crd_9", "out_9")
    return not isinstance(
        books.run(Approve(ORG, approval.id, purchase, Approver("usr_anna", "usr_anna"), "", ids, None)), Refusal
    )


def pay(amount: int = PRICE, name: str = "FIGMA", wait: int = 0, **more: Any) -> Callable[[MemoryBooks], str | None]:
    """The code of the answer to the network."""

    def see(books: MemoryBooks) -> str | None:
        purchase = books.ready(PRICE, task="trip")
        books.clock.advance(wait)
        return books.authorize(purchase, amount, name, **more).code

    return see


def hand_out(books: MemoryBooks) -> str:
    """How the card's details come to the agent when it asks for them in clear."""
    purchase = books.ready(PRICE, task="trip")
    answer = books.run(RecordDelivery(ORG, purchase.id, "agt_1", "raw", "", "hash"))
    return answer.code if isinstance(answer, Refusal) else answer.delivery


def ask_again(books: MemoryBooks) -> str:
    """What the same wish is answered two minutes later."""
    assert ask(books) == YES
    books.clock.advance(120)
    asked = books.ask(PRICE, task="trip")
    return asked.code if isinstance(asked, Refusal) else str(asked.purchase.status)


class Effect(NamedTuple):
    """What is seen where one level is strict, and where none is. `{level}` is the scope that is strict."""

    see: Callable[[MemoryBooks], Any]
    strict: Any
    loose: Any
    # What else is set, at every level.
    beside: dict[str, Any] = {}  # noqa: RUF012


def declined(code: str) -> Effect:
    return Effect(ask, ["declined", f"{code} {{level}}"], YES)


def asks_people(code: str) -> Effect:
    return Effect(ask, ["needs_approval", f"{code} {{level}}"], YES)


PEOPLE = {"approval_threshold": 1}
EFFECTS: dict[str, Effect] = {
    "purchase_limit": declined("OVER_PURCHASE_LIMIT"),
    "approval_threshold": asks_people("APPROVAL_OVER_THRESHOLD"),
    "second_approval_threshold": Effect(approve_once, "awaiting_approval", "issuing", PEOPLE),
    "approval_expiry_seconds": Effect(answer_in_time, False, True, PEOPLE),
    "approve_new_merchants": asks_people("APPROVAL_NEW_MERCHANT"),
    "approve_categories": asks_people("APPROVAL_CATEGORY"),
    "allowed_merchants": declined("MERCHANT_NOT_ALLOWED"),
    "blocked_merchants": declined("MERCHANT_BLOCKED"),
    "allowed_categories": declined("CATEGORY_BLOCKED"),
    "blocked_categories": declined("CATEGORY_BLOCKED"),
    "allowed_countries": declined("COUNTRY_BLOCKED"),
    "blocked_countries": declined("COUNTRY_BLOCKED"),
    "velocity_count": declined("VELOCITY_EXCEEDED"),
    "velocity_amount": declined("VELOCITY_EXCEEDED"),
    "active_hours": declined("OUTSIDE_ACTIVE_HOURS"),
    "card_ttl_seconds": Effect(pay(wait=300), "CARD_EXPIRED", PAID),
    "tolerance_amount": Effect(pay(PRICE + 150), "OVER_HOLD", PAID),
    "tolerance_percent": Effect(pay(PRICE + 150), "OVER_HOLD", PAID),
    "merchant_lock": Effect(pay(name="EVIL"), "MERCHANT_MISMATCH", PAID),
    "foreign_currency": Effect(pay(merchant_currency="eur"), "CURRENCY_MISMATCH", PAID),
    "delivery": Effect(hand_out, "delivery_not_allowed", "raw"),
    "duplicate_window_seconds": Effect(ask_again, "possible_duplicate", "issuing"),
}


def test_every_control_has_a_line() -> None:
    assert set(STRICT_AND_LOOSE) == set(EFFECTS) == set(FIELDS)


def set_everywhere(books: MemoryBooks, name: str, strict_at: str | None, beside: dict[str, Any]) -> None:
    """The strict value at one level, the loose one at all others."""
    strict, loose = STRICT_AND_LOOSE[name]
    for scope_id, scope in LEVELS:
        value = strict if scope_id == strict_at else loose
        books.run(SetControls(ORG, scope, scope_id, {**beside, name: value}, "owner"))


@pytest.mark.parametrize("name", FIELDS)
def test_every_control_binds_from_every_level(name: str) -> None:
    effect = EFFECTS[name]
    for scope_id, scope in LEVELS:
        books = MemoryBooks()
        set_everywhere(books, name, scope_id, effect.beside)
        strict = effect.strict
        if isinstance(strict, list):
            strict = [text.format(level=scope) for text in strict]
        assert effect.see(books) == strict, scope_id
        # The decision keeps the versions and the values it followed.
        inputs = json.loads(books.rows(Purchase)[0].decision)["inputs"]
        assert inputs["control_versions"] == dict.fromkeys((id for id, _ in LEVELS), 1)
        assert [level["scope"] for level in inputs["controls"]] == [scope for _, scope in LEVELS]
        values = [level["controls"][name] for level in inputs["controls"]]
        assert values.count(values[[id for id, _ in LEVELS].index(scope_id)]) == 1
    books = MemoryBooks()
    set_everywhere(books, name, None, effect.beside)
    assert effect.see(books) == effect.loose


@pytest.mark.parametrize("period", PERIODS)
def test_a_budget_of_any_period_binds_from_every_level(period: str) -> None:
    for scope_id, scope in LEVELS:
        books = MemoryBooks()
        books.run(SetBudget(ORG, scope, scope_id, "usd", period, PRICE - 1, "owner"))
        assert ask(books) == ["declined", f"BUDGET_EXCEEDED {scope}"], scope_id
        books.run(SetBudget(ORG, scope, scope_id, "usd", period, PRICE, "owner"))
        assert ask(books) == YES
        body = json.loads(books.rows(AuditRecord, action="budget.set")[-1].body)
        assert (body["scope"], body["scope_id"], body["before"], body["after"]) == (scope, scope_id, PRICE - 1, PRICE)
        assert json.loads(books.rows(Purchase)[-1].decision)["inputs"]["budgets"]


# What is set after the card was made, and the answer to the network then; what is paid was fixed at the ask.
AFTERWARDS: dict[str, str] = {
    "allowed_categories": "CATEGORY_MISMATCH",
    "blocked_categories": "CATEGORY_MISMATCH",
    "allowed_countries": "COUNTRY_MISMATCH",
    "blocked_countries": "COUNTRY_MISMATCH",
    "blocked_merchants": "MERCHANT_MISMATCH",
    "foreign_currency": "CURRENCY_MISMATCH",
    "merchant_lock": "MERCHANT_MISMATCH",
    "card_ttl_seconds": PAID,
    "tolerance_amount": PAID,
    "tolerance_percent": PAID,
    "purchase_limit": PAID,
    "allowed_merchants": PAID,
    "active_hours": PAID,
    "velocity_count": PAID,
}
PAYMENTS = {
    "foreign_currency": {"merchant_currency": "eur"}, "merchant_lock": {"name": "EVIL"},
    "tolerance_amount": {"amount": PRICE + 150}, "tolerance_percent": {"amount": PRICE + 150},
}  # fmt: skip


@pytest.mark.parametrize("name", AFTERWARDS)
def test_what_is_set_after_the_ask_counts_for_the_payment_or_was_fixed(name: str) -> None:
    for scope_id, scope in LEVELS:
        books = MemoryBooks()
        set_everywhere(books, name, None, {})
        purchase = books.ready(PRICE, task="trip")
        books.run(SetControls(ORG, scope, scope_id, {name: STRICT_AND_LOOSE[name][0]}, "owner"))
        books.clock.advance(300)
        payment: dict[str, Any] = {"amount": PRICE, **PAYMENTS.get(name, {})}
        assert books.authorize(purchase, **payment).code == AFTERWARDS[name], scope_id

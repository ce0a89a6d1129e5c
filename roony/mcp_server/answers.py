"""What the tools answer: the REST API's answers with every amount as a decimal text, and the next step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field

from roony.core.money import decimal_text
from roony.mcp_server.next_step import PREVIEWED, next_step

Json = Mapping[str, Any]


class Answer(BaseModel):
    """An answer or a part of one. Amounts are decimal texts in major units of the `currency` beside them."""


class Reason(Answer):
    """One reason for a verdict; the first one is official."""

    code: str
    message: str
    scope: str | None = None


class Decision(Answer):
    """What was decided and why."""

    verdict: Literal["approved", "declined", "needs_approval"]
    reasons: list[Reason]


class Card(Answer):
    """The card of a purchase; `hard_limit` is the most it can pay."""

    id: str
    last4: str
    exp_month: int
    exp_year: int
    status: str
    hard_limit: str
    expires_at: str


class Credentials(Answer):
    """The card's details, delivered as the owner allows it.

    raw: number, cvc and the rest · sealed: `jwe`, opened with the agent's private key · reveal: `url` for a person.
    """

    delivery: Literal["raw", "sealed", "reveal"]
    number: str | None = None
    cvc: str | None = None
    exp_month: int | None = None
    exp_year: int | None = None
    billing_zip: str | None = None
    jwe: str | None = None
    url: str | None = None


class Approval(Answer):
    """What a person decides about; `note` is what they wrote to you."""

    id: str
    status: Literal["pending", "approved", "denied", "expired"]
    note: str
    expires_at: str


class ActionRequired(Answer):
    """Why it does not go on, and what to do: the newest payment was refused, or there was no yes from a person."""

    code: str
    message: str
    next: str


class Mandate(Answer):
    """How far a recurring purchase is."""

    interval: str
    payments: int
    payments_made: int
    next_payment_from: str | None
    ends_at: str | None
    status: str


class Purchase(Answer):
    """A purchase as it is now. `next_step` says how to go on."""

    id: str
    status: Literal[
        "declined", "awaiting_approval", "issuing", "ready", "authorized", "settled", "canceled", "expired", "failed"
    ]
    next_step: str
    amount: str
    currency: str
    merchant: dict[str, str]
    description: str
    project_id: str
    task_id: str | None
    decision: Decision
    card: Card | None
    credentials: Credentials | None
    approval: Approval | None
    mandate: Mandate | None
    failure: dict[str, Any] | None
    action_required: ActionRequired | None
    hold_amount: str
    captured_amount: str
    refunded_amount: str
    ended_reason: str | None
    created_at: str
    updated_at: str


class RequestedPurchase(Purchase):
    """A purchase that was asked for. `replayed`: it was there already and nothing was bought again."""

    replayed: bool
    request_id: str | None = Field(
        description="What to send again to repeat exactly this request; null where an earlier request made it."
    )


class Preview(Answer):
    """What would be decided now; `duplicate_of` is the purchase this would repeat."""

    next_step: str
    amount: str
    currency: str
    hold_amount: str
    decision: Decision
    duplicate_of: str | None


class Budget(Answer):
    """A budget in its current period; `limit` and `available` are null when it is tracked, not limited."""

    scope: str
    scope_id: str
    currency: str
    period: str
    period_start: str
    limit: str | None
    held: str
    spent: str
    available: str | None


class Budgets(Answer):
    """Every budget a purchase draws on: all of them must have room."""

    budgets: list[Budget]


class Level(Answer):
    """The rules of one level in plain sentences."""

    scope: str
    scope_id: str
    version: int
    rules: list[str]


class SetBy(Answer):
    """A level that a rule comes from."""

    scope: str
    scope_id: str


class Rule(Answer):
    """A rule that applies in the end, and who set it."""

    control: str
    rule: str
    set_by: list[SetBy]


class SpendingControls(Answer):
    """The rules that apply to you, the strictest of all levels; then what each level says by itself."""

    in_force: list[Rule]
    levels: list[Level]


class Transaction(Answer):
    """A capture or refund as Stripe booked it; `type` says which way the money went."""

    id: str
    type: str
    amount: str
    currency: str
    merchant_amount: str
    merchant_currency: str
    merchant: dict[str, str]
    purchase_id: str | None
    created_at: str


class Transactions(Answer):
    """A page of transactions, newest first; `next_cursor` asks for the next one."""

    transactions: list[Transaction]
    next_cursor: str | None


Made = TypeVar("Made", bound=Answer)


def _picked(kind: type[Made], source: Json, **changed: Any) -> Made:
    """The fields of an answer out of the REST API's, which may have more."""
    fields = {name: source[name] for name in kind.model_fields if name in source and name not in changed}
    return kind.model_validate({**fields, **changed})


def _money(source: Json, *names: str, currency: str = "currency") -> dict[str, str | None]:
    """These amounts as decimal texts; null stays null."""
    unit = source[currency]
    return {name: None if source[name] is None else decimal_text(source[name], unit) for name in names}


def _parts(row: Json) -> dict[str, Any]:
    """The parts of a purchase, each in its own shape."""
    card = row["card"]
    mandate = row.get("mandate")
    shown = _picked(Card, card, hard_limit=decimal_text(card["hard_limit"], row["currency"])) if card else None
    return {
        "decision": _decision(row["decision"]), "card": shown, "credentials": None,
        "approval": _picked(Approval, row["approval"]) if row["approval"] else None,
        "mandate": _picked(Mandate, mandate) if mandate else None,
        "action_required": _picked(ActionRequired, row["action_required"]) if row["action_required"] else None,
        **_money(row, "amount", "hold_amount", "captured_amount", "refunded_amount"),
    }  # fmt: skip


def _decision(decision: Json) -> Decision:
    reasons = [_picked(Reason, reason) for reason in decision["reasons"]]
    return Decision(verdict=decision["verdict"], reasons=reasons)


def purchase(row: Json, details: Json | None = None) -> Purchase:
    """A purchase, with its card's details if they were asked for."""
    given = credentials(details)
    return _picked(Purchase, row, **{**_parts(row), "credentials": given, "next_step": _next_step(row, given)})


def requested(row: Json, replayed: bool, request_id: str | None) -> RequestedPurchase:
    """A purchase that was asked for; with the numbers where the REST API sent them in its answer."""
    card = row["card"] or {}
    given = credentials({**card, "delivery": "raw"}) if card.get("number") else None
    changed = {**_parts(row), "credentials": given, "next_step": _next_step(row, given)}
    return _picked(RequestedPurchase, row, **{**changed, "replayed": replayed, "request_id": request_id})


def _next_step(row: Json, given: Credentials | None) -> str:
    return next_step(row, given.delivery if given is not None else None)


def credentials(details: Json | None) -> Credentials | None:
    """A card's details in whatever way they were delivered."""
    return _picked(Credentials, details) if details is not None else None


def preview(row: Json) -> Preview:
    """What would be decided."""
    step = PREVIEWED[row["decision"]["verdict"]]
    amounts = _money(row, "amount", "hold_amount")
    return _picked(Preview, row, **{**amounts, "decision": _decision(row["decision"]), "next_step": step})


def budgets(page: Json) -> Budgets:
    """Budgets with what is left of each."""
    return Budgets(
        budgets=[_picked(Budget, row, **_money(row, "limit", "held", "spent", "available")) for row in page["data"]]
    )


def spending_controls(page: Json) -> SpendingControls:
    """Rules as sentences: the fields behind them are in minor units and for programs."""
    return SpendingControls(
        in_force=[_picked(Rule, row, rule=row["sentence"]) for row in page["merged"]],
        levels=[_picked(Level, row, rules=row["sentences"]) for row in page["data"]],
    )


def transactions(page: Json) -> Transactions:
    """A page of transactions."""
    rows = [
        _picked(
            Transaction, row,
            **{**_money(row, "amount"), **_money(row, "merchant_amount", currency="merchant_currency")},
        )
        for row in page["data"]
    ]  # fmt: skip
    return Transactions(transactions=rows, next_cursor=page["next_cursor"])

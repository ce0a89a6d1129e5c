"""What answers look like, for the OpenAPI document; tests hold the answers against these models."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, RootModel

from roony.core.action_required import ACTIONS


class Shape(BaseModel):
    """An answer or a part of one."""

    model_config = ConfigDict(extra="forbid")


class ReasonShape(Shape):
    """One reason for a verdict; the first one is official."""

    code: str
    message: str
    scope: str | None = None


class ErrorBody(Shape):
    """What went wrong. `code` is stable, `field` names the first wrong field, `id` what stands in the way.

    `reasons` are those of a decision that refused it.
    """

    code: str
    message: str
    field: str | None = None
    id: str | None = None
    reasons: list[ReasonShape] | None = None
    request_id: str


class ErrorAnswer(Shape):
    """Every error has this shape."""

    error: ErrorBody


class DecisionShape(Shape):
    """What was decided and why."""

    verdict: Literal["approved", "declined", "needs_approval"]
    reasons: list[ReasonShape]


class PurchaseCard(Shape):
    """The card of a purchase. The numbers are in the create answer only, and only where delivery is `raw`.

    `hard_limit` is what Stripe lets it pay: after a raise the old limit until Stripe has confirmed the new one.
    """

    id: str
    last4: str
    exp_month: int
    exp_year: int
    status: str
    hard_limit: int
    expires_at: str
    number: str | None = None
    cvc: str | None = None
    billing_zip: str | None = None


class PurchaseApproval(Shape):
    """The approval a purchase waits for or had."""

    id: str
    expires_at: str


class ActionRequiredShape(Shape):
    """Why the newest payment with the card was refused, and what to do: from a closed table, in Roony's own words."""

    code: Literal[tuple(ACTIONS)]  # type: ignore[valid-type] # the codes of the table
    message: str
    next: str


class MandateShape(Shape):
    """How a recurring purchase is paid, and how far it is."""

    interval: Literal["day", "week", "month", "year"]
    payments: int
    payments_made: int
    next_payment_from: str | None
    ends_at: str | None
    status: Literal["pending", "active", "completed", "canceled", "expired", "failed", "declined"]


class PurchaseAnswer(Shape):
    """A purchase. Amounts in minor units of `currency`; of a recurring one those of each payment, and `mandate`."""

    id: str
    kind: Literal["one_time", "recurring"]
    status: str
    amount: int
    currency: str
    merchant: dict[str, str]
    description: str
    agent_id: str
    project_id: str
    task_id: str | None
    merchant_lock: str
    metadata: dict[str, str]
    decision: DecisionShape
    card: PurchaseCard | None
    approval: PurchaseApproval | None
    failure: dict[str, Any] | None
    action_required: ActionRequiredShape | None
    hold_amount: int
    held_amount: int
    captured_amount: int
    refunded_amount: int
    ended_reason: str | None
    created_at: str
    updated_at: str
    mandate: MandateShape | None = None


class PreviewAnswer(Shape):
    """What would be decided now."""

    amount: int
    currency: str
    hold_amount: int
    decision: DecisionShape
    duplicate_of: str | None


class RawCard(Shape):
    """A card's credentials, in clear."""

    delivery: Literal["raw"]
    number: str
    cvc: str
    exp_month: int
    exp_year: int
    billing_zip: str | None


class SealedCard(Shape):
    """A card's credentials as a JWE (compact) to the agent's public key; `roony agent-key open` opens it.

    Inside: what `raw` has, and `purchase_id`, `card_id`, `issued_at`.
    """

    delivery: Literal["sealed"]
    jwe: str


class RevealedCard(Shape):
    """A link for a person, good once and for 10 minutes."""

    delivery: Literal["reveal"]
    url: str


class CardAnswer(RootModel[RawCard | SealedCard | RevealedCard]):
    """A card's credentials, in the way they are delivered."""


class BudgetAnswer(Shape):
    """A budget in its current period; `limit` and `available` are null when it is tracked, not limited."""

    id: str
    scope: str
    scope_id: str
    currency: str
    period: str
    period_start: str
    limit: int | None
    held: int
    spent: int
    available: int | None


class RuleAnswer(Shape):
    """The controls of one level, as fields and as sentences."""

    id: str
    scope: str
    scope_id: str
    version: int
    controls: dict[str, Any]
    sentences: list[str]
    updated_at: str


class LevelShape(Shape):
    """One scope of a chain."""

    scope: str
    scope_id: str


class MergedRule(Shape):
    """One control as it applies in the end; `set_by` are the levels that say so, none where it is a default."""

    control: str
    value: Any
    set_by: list[LevelShape]
    sentence: str


class BudgetLeft(BudgetAnswer):
    """A limited budget, also as a sentence."""

    sentence: str


class TransactionAnswer(Shape):
    """A capture or refund as Stripe booked it; `amount` is never negative, `type` says which way."""

    id: str
    type: str
    amount: int
    currency: str
    merchant_amount: int
    merchant_currency: str
    merchant: dict[str, str]
    purchase_id: str | None
    authorization_id: str | None
    stripe_card_id: str
    matched_by: str | None
    created_at: str
    booked_at: str


class ReceiptAnswer(Shape):
    """A receipt without its content; `size` in bytes."""

    id: str
    purchase_id: str
    agent_id: str
    media_type: str
    size: int
    sha256: str
    created_at: str


class PurchaseList(Shape):
    """A page of purchases."""

    data: list[PurchaseAnswer]
    next_cursor: str | None


class BudgetList(Shape):
    """A page of budgets."""

    data: list[BudgetAnswer]
    next_cursor: str | None


class RuleList(Shape):
    """The rules of every level, what applies in the end, and what is left."""

    data: list[RuleAnswer]
    next_cursor: str | None
    merged: list[MergedRule]
    budgets: list[BudgetLeft]


class TransactionList(Shape):
    """A page of transactions."""

    data: list[TransactionAnswer]
    next_cursor: str | None


ERRORS: dict[int | str, dict[str, Any]] = {
    401: {"model": ErrorAnswer, "description": "No key, or one that is not valid"},
    403: {"model": ErrorAnswer, "description": "A key of another kind, role, scope or address"},
    404: {"model": ErrorAnswer, "description": "No such thing, or not yours"},
    409: {"model": ErrorAnswer, "description": "It cannot be done now"},
    413: {"model": ErrorAnswer, "description": "The body is larger than is taken here: 256 KiB, of a receipt 5 MiB"},
    415: {"model": ErrorAnswer, "description": "The body is not JSON, or no file that is taken"},
    422: {"model": ErrorAnswer, "description": "A field is wrong; nothing was written"},
    429: {"model": ErrorAnswer, "description": "The key called too often; `Retry-After` says when to go on"},
    503: {"model": ErrorAnswer, "description": "Too busy or not reachable; nothing was changed unless it says so"},
}

IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key and body give the same purchase; the same key with another body is 409",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}

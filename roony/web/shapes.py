"""What agents are answered, for the OpenAPI document; tests hold the answers against these models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import RootModel

from roony.core.action_required import ACTIONS
from roony.web.shape import (
    AgentId,
    ApprovalId,
    AuthorizationId,
    CardId,
    Count,
    Currency,
    Listed,
    MerchantShape,
    Money,
    OrganizationId,
    ProjectId,
    PurchaseId,
    ReasonShape,
    Shape,
    StripeCardId,
    Time,
    TransactionId,
    like,
)

PurchaseStatus = Literal[
    "declined", "awaiting_approval", "issuing", "ready", "authorized", "settled", "canceled", "expired", "failed"
]
LimitedScope = Literal["organization", "project", "agent", "task"]
ControlFields = Annotated[dict[str, Any], like({"purchase_limit": 20_000, "allowed_countries": ["US"]})]


CARD = {
    "id": "crd_83f5a1d07c2e4b96", "last4": "4242", "exp_month": 12, "exp_year": 2026, "status": "active",
    "hard_limit": 12_999, "expires_at": "2026-11-28T15:02:11.520000Z",
}  # fmt: skip


class DecisionShape(Shape):
    """What was decided and why."""

    verdict: Literal["approved", "declined", "needs_approval"]
    reasons: Annotated[list[ReasonShape], like([])]


class PurchaseCard(Shape):
    """The card of a purchase. The numbers are in the create answer only, and only where delivery is `raw`.

    `hard_limit` is what Stripe lets it pay: after a raise the old limit until Stripe has confirmed the new one.
    """

    id: CardId
    last4: Annotated[str, like("4242")]
    exp_month: Annotated[int, like(12)]
    exp_year: Annotated[int, like(2026)]
    status: Annotated[str, like("active")]
    hard_limit: Money
    expires_at: Time
    number: str | None = None
    cvc: str | None = None
    billing_zip: str | None = None


class PurchaseApproval(Shape):
    """The approval a purchase waits for or had; the newest one, which may be about a higher price."""

    id: ApprovalId
    status: Annotated[Literal["pending", "approved", "denied", "expired"], like("pending")]
    note: Annotated[str, like("")]
    expires_at: Time


class ActionRequiredShape(Shape):
    """Why it does not go on, and what to do: from a closed table, in Roony's own words."""

    code: Literal[tuple(ACTIONS)]  # type: ignore[valid-type] # the codes of the table
    message: Annotated[str, like("The merchant wants proof that the buyer is the cardholder.")]
    next: Annotated[str, like("Ask a person to pay, or choose another merchant.")]


class MandateShape(Shape):
    """How a recurring purchase is paid, and how far it is."""

    interval: Literal["day", "week", "month", "year"]
    payments: Annotated[int, like(12)]
    payments_made: Count
    next_payment_from: Time | None
    ends_at: Time | None
    status: Literal["pending", "active", "completed", "canceled", "expired", "failed", "declined"]


class PurchaseAnswer(Shape):
    """A purchase. Amounts in minor units of `currency`; of a recurring one those of each payment, and `mandate`."""

    id: PurchaseId
    kind: Literal["one_time", "recurring"]
    status: Annotated[PurchaseStatus, like("ready")]
    amount: Money
    currency: Currency
    merchant: MerchantShape
    description: Annotated[str, like("Figma, one seat for a month")]
    agent_id: AgentId
    project_id: ProjectId
    task_id: str | None
    merchant_lock: Literal["strict", "monitor"]
    metadata: Annotated[dict[str, str], like({"order": "1187"})]
    decision: DecisionShape
    card: Annotated[PurchaseCard | None, like(CARD)]
    approval: PurchaseApproval | None
    failure: dict[str, Any] | None
    action_required: ActionRequiredShape | None
    hold_amount: Money
    held_amount: Money
    captured_amount: Annotated[int, like(0)]
    refunded_amount: Annotated[int, like(0)]
    ended_reason: str | None
    created_at: Time
    updated_at: Time
    mandate: MandateShape | None = None


class PreviewAnswer(Shape):
    """What would be decided now."""

    amount: Money
    currency: Currency
    hold_amount: Money
    decision: DecisionShape
    duplicate_of: PurchaseId | None


class RawCard(Shape):
    """A card's credentials, in clear."""

    delivery: Literal["raw"]
    number: Annotated[str, like("4000009990000018")]
    cvc: Annotated[str, like("123")]
    exp_month: Annotated[int, like(12)]
    exp_year: Annotated[int, like(2026)]
    billing_zip: Annotated[str | None, like("94103")]


class SealedCard(Shape):
    """A card's credentials as a JWE (compact) to the agent's public key; `roony agent-key open` opens it.

    Inside: what `raw` has, and `purchase_id`, `card_id`, `issued_at`.
    """

    delivery: Literal["sealed"]
    jwe: Annotated[str, like("eyJhbGciOiJFQ0RILUVTK0EyNTZLVyJ9.bGluZQ.aXY.dGV4dA.dGFn")]


class RevealedCard(Shape):
    """A link for a person, good once and for 10 minutes."""

    delivery: Literal["reveal"]
    url: Annotated[str, like("https://roony.example.com/reveal#Zm9yIG9uZSBwZXJzb24")]


class CardAnswer(RootModel[RawCard | SealedCard | RevealedCard]):
    """A card's credentials, in the way they are delivered."""


class BudgetAnswer(Shape):
    """A budget in its current period; `limit` and `available` are null when it is tracked, not limited."""

    id: Annotated[str, like("bud_6e80c3f5a1d24b97")]
    scope: LimitedScope
    scope_id: OrganizationId
    currency: Currency
    period: Literal["day", "week", "month", "lifetime"]
    period_start: Annotated[Time, like("2026-11-01T00:00:00.000000Z")]
    limit: Annotated[int | None, like(500_000)]
    held: Money
    spent: Annotated[int, like(40_000)]
    available: Annotated[int | None, like(447_001)]


class RuleAnswer(Shape):
    """The controls of one level, as fields and as sentences."""

    id: Annotated[str, like("ctl_d93b10f7c5e84a26")]
    scope: LimitedScope
    scope_id: OrganizationId
    version: Count
    controls: ControlFields
    sentences: Annotated[list[str], like(["A purchase may cost 200.00 USD at most."])]
    updated_at: Time


class LevelShape(Shape):
    """One scope of a chain."""

    scope: LimitedScope
    scope_id: OrganizationId


class MergedRule(Shape):
    """One control as it applies in the end; `set_by` are the levels that say so, none where it is a default."""

    control: Annotated[str, like("purchase_limit")]
    value: Annotated[Any, like(20_000)]
    set_by: list[LevelShape]
    sentence: Annotated[str, like("A purchase may cost 200.00 USD at most.")]


class BudgetLeft(BudgetAnswer):
    """A limited budget, also as a sentence."""

    sentence: Annotated[str, like("4,470.01 USD are left this month.")]


class TransactionAnswer(Shape):
    """A capture or refund as Stripe booked it; `amount` is never negative, `type` says which way."""

    id: TransactionId
    type: Literal["capture", "refund"]
    amount: Money
    currency: Currency
    merchant_amount: Money
    merchant_currency: Currency
    merchant: MerchantShape
    purchase_id: Annotated[str | None, like("pur_4f9e2c81a7b04d35")]
    authorization_id: AuthorizationId | None
    stripe_card_id: StripeCardId
    matched_by: Annotated[str | None, like("card")]
    created_at: Time
    booked_at: Time


class ReceiptAnswer(Shape):
    """A receipt without its content; `size` in bytes. `content_removed_at` is when retention removed the content."""

    id: Annotated[str, like("rcp_70d5b9e1c24f4a38")]
    purchase_id: PurchaseId
    agent_id: AgentId
    media_type: Annotated[str, like("application/pdf")]
    size: Annotated[int, like(48_213)]
    sha256: Annotated[str, like("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    created_at: Time
    content_removed_at: Time | None


class PurchaseList(Listed[PurchaseAnswer]):
    """A page of purchases."""


class BudgetList(Listed[BudgetAnswer]):
    """A page of budgets."""


class RuleList(Listed[RuleAnswer]):
    """The rules of every level, what applies in the end, and what is left."""

    merged: list[MergedRule]
    budgets: list[BudgetLeft]


class TransactionList(Listed[TransactionAnswer]):
    """A page of transactions."""


IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key and body give the same purchase; the same key with another body is 409",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    "example": "order-1187",
}

"""Roony's answers as types. They are the JSON as it came: a newer Roony may send more fields than are named here.

Amounts are integers in minor units of the `currency` beside them; times are RFC 3339 UTC. Annotations are evaluated
here: a type whose annotations are text does not know which of its keys may be missing.
"""

from typing import Any, Generic, Literal, NotRequired, TypedDict, TypeVar

Item = TypeVar("Item")

PurchaseStatus = Literal[
    "declined", "awaiting_approval", "issuing", "ready", "authorized", "settled", "canceled", "expired", "failed"
]


class Reason(TypedDict):
    """One reason for a verdict; the first one is official."""

    code: str
    message: str
    scope: NotRequired[str]


class Decision(TypedDict):
    """What was decided and why."""

    verdict: Literal["approved", "declined", "needs_approval"]
    reasons: list[Reason]


class Merchant(TypedDict):
    """Who is paid."""

    name: str
    url: NotRequired[str]
    category: NotRequired[str]
    country: NotRequired[str]
    network_id: NotRequired[str]


class Recurring(TypedDict):
    """A purchase that is paid again: once in every interval, `payments` times in all."""

    interval: Literal["day", "week", "month", "year"]
    payments: int


class Mandate(Recurring):
    """How far a recurring purchase is."""

    payments_made: int
    next_payment_from: str | None
    ends_at: str | None
    status: Literal["pending", "active", "completed", "canceled", "expired", "failed", "declined"]


class PurchaseCard(TypedDict):
    """The card of a purchase. `number`, `cvc` and `billing_zip` come once, where numbers are delivered in clear."""

    id: str
    last4: str
    exp_month: int
    exp_year: int
    status: str
    hard_limit: int
    expires_at: str
    number: NotRequired[str]
    cvc: NotRequired[str]
    billing_zip: NotRequired[str | None]


class PurchaseApproval(TypedDict):
    """The approval a purchase waits for or had; the newest one, which may be about a higher price."""

    id: str
    status: Literal["pending", "approved", "denied", "expired"]
    note: str
    expires_at: str


class ActionRequired(TypedDict):
    """Why it does not go on, and what to do: the newest payment was refused, or there was no yes from a person."""

    code: str
    message: str
    next: str


class Purchase(TypedDict):
    """A purchase; of a recurring one the amounts are those of each payment, and `mandate` is there."""

    id: str
    kind: Literal["one_time", "recurring"]
    status: PurchaseStatus
    amount: int
    currency: str
    merchant: Merchant
    description: str
    agent_id: str
    project_id: str
    task_id: str | None
    merchant_lock: str
    metadata: dict[str, str]
    decision: Decision
    card: PurchaseCard | None
    approval: PurchaseApproval | None
    failure: dict[str, Any] | None
    action_required: ActionRequired | None
    hold_amount: int
    held_amount: int
    captured_amount: int
    refunded_amount: int
    ended_reason: str | None
    created_at: str
    updated_at: str
    mandate: NotRequired[Mandate]


class Receipt(TypedDict):
    """A receipt that was handed in; `size` in bytes. `content_removed_at`: when retention removed the file, or None."""

    id: str
    purchase_id: str
    agent_id: str
    media_type: str
    size: int
    sha256: str
    created_at: str
    content_removed_at: str | None


class RequestedPurchase(Purchase):
    """A purchase as it was asked for. `replayed`: an earlier call with this idempotency key had made it."""

    replayed: bool


class Preview(TypedDict):
    """What would be decided now."""

    amount: int
    currency: str
    hold_amount: int
    decision: Decision
    duplicate_of: str | None


class RawCard(TypedDict):
    """A card's credentials, in clear."""

    delivery: Literal["raw"]
    number: str
    cvc: str
    exp_month: int
    exp_year: int
    billing_zip: str | None


class SealedCard(TypedDict):
    """A card's credentials, sealed to the agent's public key: `roony.client.sealed.open_sealed` opens them."""

    delivery: Literal["sealed"]
    jwe: str


class OpenedCard(TypedDict):
    """Sealed credentials that were opened here with the agent's private key."""

    delivery: Literal["opened"]
    number: str
    cvc: str
    exp_month: int
    exp_year: int
    billing_zip: str | None
    purchase_id: str
    card_id: str
    issued_at: str


class RevealedCard(TypedDict):
    """A link for a person, good once and for 10 minutes."""

    delivery: Literal["reveal"]
    url: str


CardDetails = RawCard | SealedCard | OpenedCard | RevealedCard


class Budget(TypedDict):
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


class Rule(TypedDict):
    """The controls of one level, as fields and as sentences."""

    id: str
    scope: str
    scope_id: str
    version: int
    controls: dict[str, Any]
    sentences: list[str]
    updated_at: str


class Level(TypedDict):
    """One scope of the agent's chain."""

    scope: str
    scope_id: str


class MergedRule(TypedDict):
    """One control as it applies in the end; `set_by` are the levels that say so, none where it is a default."""

    control: str
    value: Any
    set_by: list[Level]
    sentence: str


class BudgetLeft(Budget):
    """A limited budget, also as a sentence."""

    sentence: str


class SpendingControls(TypedDict):
    """The rules level by level (`data`), what applies of them in the end (`merged`), and what is left to spend."""

    data: list[Rule]
    next_cursor: str | None
    merged: list[MergedRule]
    budgets: list[BudgetLeft]


class Transaction(TypedDict):
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


class Notice(TypedDict):
    """Something that happened, as the stream tells it. `id` is where to go on behind it, for `last_event_id`.

    Several notices may come of one change; those but the last have the `id` from before it, so that none is missed.
    """

    id: str
    type: str
    sequence: int
    created_at: str
    subject: str
    purchase_id: str | None
    agent_id: str | None
    data: dict[str, Any]


class Page(TypedDict, Generic[Item]):
    """One page of a list; `next_cursor` asks for the next one and is null on the last."""

    data: list[Item]
    next_cursor: str | None

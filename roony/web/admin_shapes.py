"""What the owner's people are answered about their own side: organization, agents, keys, users, rules, approvals."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from roony.web.pattern_shapes import PatternsShape
from roony.web.shape import (
    Actor,
    AgentId,
    ApprovalId,
    Count,
    Currency,
    KeyId,
    Listed,
    MerchantShape,
    Money,
    OrganizationId,
    ProjectId,
    PurchaseId,
    ReasonShape,
    Shape,
    Time,
    UserId,
    like,
)
from roony.web.shapes import ControlFields, DecisionShape, LimitedScope, PurchaseAnswer, ReceiptAnswer

Hash = Annotated[str, like("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
ADDRESS = {"line1": "1 Main St", "city": "Oakland", "postal_code": "94601", "country": "US"}
Cardholder = Annotated[dict[str, Any], like({"name": "Jane Doe", "billing": {"address": ADDRESS}})]


# The organization, its projects and agents


class AuditHead(Shape):
    """The newest record of the audit chain."""

    sequence: Annotated[int, like(1_204)]
    hash: Hash


class OrganizationAnswer(Shape):
    """The company's settings."""

    id: OrganizationId
    name: Annotated[str, like("Example Ltd")]
    currency: Currency
    time_zone: Annotated[str, like("Europe/Prague")]
    connection_id: Annotated[str | None, like("con_c6b09d2f81e74a35")]
    frozen_at: Time | None
    unknown_cards: Annotated[Literal["decline", "approve", "approve_while_unfrozen", "undecided"], like("decline")]
    delivery: Literal["sealed", "reveal", "raw"]
    unbudgeted: Annotated[bool, like(False)]
    cardholder: Annotated[dict[str, Any] | None, like({"name": "Jane Doe", "billing": {"address": ADDRESS}})]
    low_balance_amount: Money
    patterns: PatternsShape
    two_people: Annotated[bool, like(False)]
    audit_head: AuditHead
    created_at: Time


class ProjectAnswer(Shape):
    """A project."""

    id: ProjectId
    name: Annotated[str, like("Research")]
    frozen_at: Time | None
    created_at: Time


class ProjectList(Listed[ProjectAnswer]):
    """A page of projects."""


class AgentAnswer(Shape):
    """An agent; `project_ids` are those it may name beside its own."""

    id: AgentId
    name: Annotated[str, like("Buyer")]
    description: Annotated[str, like("Buys what the research team asks for")]
    project_id: ProjectId
    project_ids: Annotated[list[str], like([])]
    frozen_at: Time | None
    created_at: Time


class AgentMade(AgentAnswer):
    """A new agent with its key, which is shown this once."""

    key_id: KeyId
    key: Annotated[str, like("roony_agent_EXAMPLE")]


class AgentList(Listed[AgentAnswer]):
    """A page of agents."""


class PublicKeyAnswer(Shape):
    """The key an agent's card details are sealed to, with its RFC 7638 thumbprint; null when there is none."""

    agent_id: AgentId
    public_key: Annotated[
        dict[str, str] | None, like({"kty": "OKP", "crv": "X25519", "x": "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"})
    ]
    thumbprint: Annotated[str | None, like("tqZ8tQfQ4v1QWzYzC3lQ2mG8n0cYV5nqg8mYwT5kP3E")]


class AccessKeyAnswer(Shape):
    """A key: its beginning only. Of an agent, a user, or a program of the owner's."""

    id: KeyId
    kind: Literal["agent", "admin", "session"]
    agent_id: Annotated[str | None, like("agt_7c1d90ab34ef4c52")]
    user_id: str | None
    name: Annotated[str, like("laptop")]
    prefix: Annotated[str, like("roony_agent_EXAMP")]
    scopes: Annotated[list[Literal["read", "purchase", "card"]], like(["purchase", "read"])]
    allowed_addresses: Annotated[list[str], like(["203.0.113.0/24"])]
    requests_per_minute: Annotated[int | None, like(120)]
    created_at: Time
    expires_at: Time | None
    last_used_at: Time | None
    revoked_at: Time | None
    replaced_by: str | None


class AccessKeyMade(AccessKeyAnswer):
    """A new key, whole: this answer is the only one that has all of it."""

    key: Annotated[str, like("roony_agent_EXAMPLE")]


class AccessKeyRotated(AccessKeyMade):
    """A key in place of another. `replaces_caller`: that other one made this very call, and ends after the overlap."""

    replaces_caller: bool


class AccessKeyList(Listed[AccessKeyAnswer]):
    """A page of keys."""


class UserAnswer(Shape):
    """A person of the organization."""

    id: UserId
    name: Annotated[str, like("Ann")]
    email: Annotated[str, like("ann@example.com")]
    role: Annotated[Literal["viewer", "approver", "admin", "owner"], like("approver")]
    created_at: Time
    disabled_at: Time | None


class UserList(Listed[UserAnswer]):
    """A page of users."""


# Rules


class ControlAnswer(Shape):
    """The controls of one scope."""

    id: Annotated[str, like("ctl_d93b10f7c5e84a26")]
    scope: LimitedScope
    scope_id: OrganizationId
    version: Count
    controls: ControlFields
    updated_at: Time


class ControlList(Listed[ControlAnswer]):
    """A page of controls."""


class ControlVersionAnswer(Shape):
    """The controls of one scope as they were set once."""

    scope: LimitedScope
    scope_id: OrganizationId
    version: Count
    controls: ControlFields
    actor: Actor
    set_at: Time


class ControlVersionList(Listed[ControlVersionAnswer]):
    """A page of versions."""


class FreezeAnswer(Shape):
    """A scope after it was frozen or let go; `changed` is false where it was so before."""

    scope: Literal["organization", "project", "agent"]
    scope_id: OrganizationId
    frozen_at: Annotated[Time | None, like("2026-11-28T14:02:11.520000Z")]
    changed: bool


# Approvals


class HistoryShape(Shape):
    """What the organization bought from this merchant before."""

    new: bool
    purchases: Count
    first_at: Time | None
    last_at: Time | None
    last_amount: int | None
    last_currency: str | None


class BudgetAfter(Shape):
    """What a yes leaves of a budget; below 0 when it no longer fits."""

    scope: LimitedScope
    scope_id: OrganizationId
    period: Literal["day", "week", "month", "lifetime"]
    limit: Annotated[int, like(500_000)]
    available_after: Annotated[int, like(447_001)]


class UntrustedShape(Shape):
    """The agent's own words, which nobody has checked."""

    description: Annotated[str, like("Figma, one seat for a month")]
    metadata: Annotated[dict[str, str], like({"order": "1187"})]


class SnapshotShape(Shape):
    """What the approver is shown, as it was when a person was asked. Fields that a release did not have are missing."""

    amount: Money
    previous_amount: int | None = None
    currency: Currency
    hold_amount: Money
    kind: Literal["one_time", "recurring"] = "one_time"
    interval: str | None = None
    payments: int | None = None
    agent: Annotated[str | None, like("Buyer")]
    agent_id: AgentId
    project: Annotated[str | None, like("Research")]
    project_id: ProjectId
    task_id: str | None
    merchant: MerchantShape
    history: HistoryShape | None = None
    reasons: list[ReasonShape]
    budgets: list[BudgetAfter]
    second_approval_threshold: int | None = None
    untrusted: UntrustedShape


class ApprovalDecision(DecisionShape):
    """What the rules said to a yes: when, and by which version of the controls of each scope."""

    at: Time
    control_versions: Annotated[dict[str, int], like({"agt_7c1d90ab34ef4c52": 3})]


class ApprovalAnswer(Shape):
    """What waits for a person or was decided. `amount` is the price it is about, where that is not the purchase's.

    `decision` is what the rules said to the last yes; null before any.
    """

    id: ApprovalId
    purchase_id: PurchaseId
    kind: Literal["purchase", "raise", "renewal"]
    amount: int | None
    status: Literal["pending", "partly_approved", "approved", "denied", "expired"]
    snapshot: SnapshotShape
    expires_at: Time
    first_approved_by: str | None
    first_approved_at: Time | None
    approved_amount: int | None
    decided_by: str | None
    decided_at: Time | None
    note: str | None
    decision: ApprovalDecision | None
    created_at: Time


class ApprovalList(Listed[ApprovalAnswer]):
    """A page of approvals."""


class OutcomeShape(Shape):
    """What a yes or no did, also in words."""

    approval_id: ApprovalId
    status: Annotated[Literal["pending", "partly_approved", "approved", "denied", "expired"], like("approved")]
    approved_amount: Annotated[int | None, like(12_999)]
    message: Annotated[str, like("Approved: the card is being made.")]


class DecidedPurchase(PurchaseAnswer):
    """The purchase after a decision, and what the decision did."""

    outcome: OutcomeShape


# Merchants, receipts, history


class KnownMerchantAnswer(Shape):
    """A merchant that cards were made for, with every name and network id it is accepted by."""

    key: Annotated[str, like("figma")]
    name: Annotated[str, like("Figma")]
    aliases: Annotated[list[str], like(["FIGMA MONTHLY RENEWAL"])]
    network_ids: Annotated[list[str], like(["403930000042"])]
    purchases: Count
    first_at: Annotated[Time | None, like("2026-11-28T14:02:11.520000Z")]


class KnownMerchantList(Listed[KnownMerchantAnswer]):
    """A page of merchants."""


class ReceiptList(Listed[ReceiptAnswer]):
    """A page of receipts."""


class MissingReceipt(Shape):
    """A settled purchase without any receipt; `amount` is what was captured."""

    purchase_id: PurchaseId
    agent_id: AgentId
    project_id: ProjectId
    amount: Money
    currency: Currency
    description: Annotated[str, like("Figma, one seat for a month")]
    created_at: Time


class MissingReceiptList(Listed[MissingReceipt]):
    """A page of purchases without a receipt."""


class AuditRecordAnswer(Shape):
    """A record of the audit chain."""

    id: Annotated[str, like("aud_3c8f20d6b1e74a95")]
    sequence: Annotated[int, like(1_204)]
    at: Time
    actor: Actor
    action: Annotated[str, like("control.set")]
    subject: Annotated[str, like("agt_7c1d90ab34ef4c52")]
    body: Annotated[Any, like({"before": {}, "after": {"purchase_limit": 20_000}})]
    hash: Hash


class AuditList(Listed[AuditRecordAnswer]):
    """A page of audit records."""


class CheckedChain(Shape):
    """How a verification of the audit chain went so far; `records` counts those of this call."""

    records: Annotated[int, like(812)]
    problem: Annotated[str | None, like(None, "was changed: its hash does not fit its content")]
    message: Annotated[str, like("The chain is whole: 812 records, each holds the hash of the one before it.")]
    head: AuditHead
    next_cursor: str | None


class AlertAnswer(Shape):
    """Something a person has to know and see to; `times` says how often it was opened."""

    id: Annotated[str, like("alt_e51a94c07bd24f38")]
    kind: Annotated[str, like("connection_restricted")]
    subject: Annotated[str, like("con_c6b09d2f81e74a35")]
    status: Literal["open", "closed"]
    message: Annotated[str, like("Stripe restricted the account: no card can pay. Look at it in the Dashboard.")]
    times: Count
    closed_by: str | None
    created_at: Time
    updated_at: Time
    closed_at: Time | None


class AlertList(Listed[AlertAnswer]):
    """A page of alerts."""


class RotatedKeys(Shape):
    """What one call did to stored tokens. `unreadable` counts by the id of the missing key, `damaged` the changed."""

    key_id: Annotated[str, like("5f2a91c0")]
    resealed: Annotated[int, like(200)]
    already_current: Annotated[int, like(12)]
    unreadable: Annotated[dict[str, int], like({})]
    damaged: Annotated[int, like(0)]
    next_cursor: str | None

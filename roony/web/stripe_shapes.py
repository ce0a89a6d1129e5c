"""What the owner's people are answered about Stripe's side: connections, cards, what happened on them, what differs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from roony.core.settlement import DISCREPANCY_KINDS
from roony.web.admin_shapes import Cardholder
from roony.web.shape import (
    Actor,
    AuthorizationId,
    CardId,
    ConnectionId,
    Count,
    Currency,
    Listed,
    MerchantShape,
    Money,
    OrganizationId,
    PurchaseId,
    Shape,
    StripeCardId,
    Time,
    TransactionId,
    like,
)

StripeCardholderId = Annotated[str, like("ich_1SYmHa2eZvKYlo2C")]
Account = Annotated[str, like("acct_1SYmGQ2eZvKYlo2C")]


# Connections


class RestrictionShape(Shape):
    """Why no card can be made now, since when, and what to do."""

    code: Annotated[str, like("card_issuing_inactive")]
    message: Annotated[str, like("Stripe has not activated card issuing on this account.")]
    since: Time
    next: Annotated[str | None, like("Finish the setup in the Stripe Dashboard.")]


class CardholderAnswer(Shape):
    """A cardholder on one connection: what Stripe still wants of it, and what to do about each."""

    connection_id: ConnectionId
    stripe_cardholder_id: StripeCardholderId | None
    status: Annotated[str, like("active")]
    refused: str | None
    past_due: Annotated[list[str], like([])]
    disabled_reason: str | None
    next: Annotated[list[str], like([])]
    created_at: Time
    updated_at: Time


class ConfirmationShape(Shape):
    """What was confirmed, by whom and when; or what contradicted it."""

    value: Annotated[str | None, like("true")]
    confirmed_by: Annotated[str | None, like("usr_2d60f1a9b3c84e77")]
    confirmed_at: Annotated[Time | None, like("2026-11-28T14:02:11.520000Z")]
    contradicted_at: Time | None
    evidence: str | None


class ConfirmationsShape(Shape):
    """What no API of Stripe's shows, as its owner confirmed it."""

    realtime_url: ConfirmationShape | None
    timeout_declines: ConfirmationShape | None
    other_cards: ConfirmationShape | None


class CheckShape(Shape):
    """One check, with what to do where something is missing."""

    id: Annotated[str, like("issuing_balance")]
    status: Literal["ok", "warning", "missing", "unknown"]
    message: Annotated[str, like("The Issuing balance is 1,204.50 USD.")]
    next: str | None


class CheckList(Shape):
    """Checks of the installation."""

    checks: list[CheckShape]


class PreflightAnswer(Shape):
    """The checks of an account, and all of them in one sentence."""

    checks: list[CheckShape]
    summary: Annotated[str, like("Everything Roony needs of the account is there.")]
    checked_by: Actor
    checked_at: Time


class StripePermission(Shape):
    """A permission of Stripe's, and what for."""

    permission: Annotated[str, like("issuing_card_write")]
    purpose: Annotated[str, like("Make one card for each purchase")]


class PermissionShape(Shape):
    """What Roony may do on the account, with Stripe's names for it."""

    name: Annotated[str, like("cards")]
    stripe: list[StripePermission]


class WebhookEndpointShape(Shape):
    """An endpoint at Stripe; an older secret counts until `secret_until`."""

    id: Annotated[str, like("we_1SYmJd2eZvKYlo2C")]
    secret_until: Time | None


class ConnectionAnswer(Shape):
    """A connected Stripe account; `restricted_reason` is the official one of `restrictions`."""

    id: ConnectionId
    kind: Literal["connect", "stripe_app", "direct"]
    status: Annotated[Literal["pending", "active", "restricted", "expired", "revoked"], like("active")]
    stripe_account: Annotated[str | None, like("acct_1SYmGQ2eZvKYlo2C")]
    livemode: Annotated[bool, like(False)]
    scope: Annotated[str | None, like("read_write")]
    currency: Annotated[str | None, like("usd")]
    stripe_cardholder_id: StripeCardholderId | None
    cardholder: CardholderAnswer | None
    status_reason: str | None
    restricted_reason: RestrictionShape | None
    restrictions: Annotated[list[RestrictionShape], like([])]
    card_issuing: Annotated[str | None, like("active")]
    catching_up_since: Time | None
    confirmations: ConfirmationsShape
    webhook_endpoints: list[WebhookEndpointShape]
    preflight: PreflightAnswer | None
    probe: PreflightAnswer | None
    permissions: list[PermissionShape]
    activated_at: Annotated[Time | None, like("2026-11-28T14:02:11.520000Z")]
    created_at: Time
    updated_at: Time


class ConnectionStarted(ConnectionAnswer):
    """A connection that begins; `url` is good once, and null when there is nothing to open."""

    url: Annotated[str | None, like("https://roony.example.com/connect/stripe/start?ticket=b25jZQ")]


class ConnectionList(Listed[ConnectionAnswer]):
    """A page of connections."""


class ScopeCardholder(Shape):
    """In whose name cards of a scope are made, and the same at Stripe; null where the name above it counts."""

    scope: Literal["organization", "project", "agent"]
    scope_id: OrganizationId
    cardholder: Annotated[Cardholder | None, like({"name": "Jane Doe"})]
    at_stripe: list[CardholderAnswer]


class ScopeCardholderList(Listed[ScopeCardholder]):
    """A page of cardholders."""


# Cards, and what happened on them


class CardRowAnswer(Shape):
    """A card as its owner sees it; never its number."""

    id: CardId
    purchase_id: PurchaseId
    connection_id: ConnectionId
    stripe_card_id: StripeCardId | None
    status: Annotated[Literal["creating", "active", "used", "expired", "canceled", "frozen"], like("active")]
    stripe_status: Annotated[str | None, like("active")]
    currency: Currency
    hard_limit: Money
    last4: Annotated[str | None, like("4242")]
    exp_month: Annotated[int | None, like(12)]
    exp_year: Annotated[int | None, like(2026)]
    deliveries: Count
    frozen_at: Time | None
    fraud_warning: str | None
    expires_at: Time | None
    created_at: Time
    updated_at: Time


class CardFreezeAnswer(CardRowAnswer):
    """A card after it was frozen or let go; `changed` is false where it was so before."""

    changed: bool


class CardList(Listed[CardRowAnswer]):
    """A page of cards."""


class AuthorizationDecisionShape(Shape):
    """One answer of Roony's; `code` says why it declined.

    `decided_in_us` is how long it took from the request's arrival until it was decided, in microseconds.
    """

    id: Annotated[str, like("adec_7f30c2e9b5d14a68")]
    ordinal: Annotated[int, like(0)]
    amount: Money
    approved: bool
    approved_amount: Money
    code: str | None
    answered: Literal["approved", "declined"]
    at: Time
    decided_in_us: Annotated[int | None, like(3_100)]


class AuthorizationAnswer(Shape):
    """An authorization and every answer Roony gave to it."""

    id: AuthorizationId
    connection_id: ConnectionId
    purchase_id: Annotated[str | None, like("pur_4f9e2c81a7b04d35")]
    card_id: Annotated[str | None, like("crd_83f5a1d07c2e4b96")]
    stripe_card_id: StripeCardId
    status: Annotated[str, like("pending")]
    approved: bool
    card_check: Annotated[bool, like(False)]
    amount: Money
    captured_amount: Annotated[int, like(0)]
    currency: Currency
    merchant_amount: Money
    merchant_currency: Currency
    merchant: MerchantShape
    decisions: list[AuthorizationDecisionShape]
    created_at: Time
    updated_at: Time


class AuthorizationList(Listed[AuthorizationAnswer]):
    """A page of authorizations."""


class DisputeAnswer(Shape):
    """A dispute of a capture, as Stripe tells it."""

    id: Annotated[str, like("idp_1SYmNx2eZvKYlo2C")]
    status: Annotated[str, like("submitted")]
    reason: Annotated[str, like("not_received")]
    amount: Money
    currency: Currency
    funds: Literal["none", "reinstated", "rescinded"]
    stripe_transaction_id: TransactionId
    purchase_id: Annotated[str | None, like("pur_4f9e2c81a7b04d35")]
    connection_id: ConnectionId
    created_at: Time
    updated_at: Time


class DisputeList(Listed[DisputeAnswer]):
    """A page of disputes."""


class DiscrepancyAnswer(Shape):
    """Something that does not fit what was approved; `expected` and `found` are JSON or words."""

    id: Annotated[str, like("dis_18b4e6d0c97f4a25")]
    kind: Literal[DISCREPANCY_KINDS]  # type: ignore[valid-type] # the kinds of the core
    status: Literal["open", "resolved"]
    purchase_id: Annotated[str | None, like("pur_4f9e2c81a7b04d35")]
    card_id: Annotated[str | None, like("crd_83f5a1d07c2e4b96")]
    subject: AuthorizationId
    expected: Annotated[str, like('{"name":"Figma"}')]
    found: Annotated[str, like('{"name":"FIGMA DESIGN"}')]
    note: str | None
    resolved_by: str | None
    created_at: Time
    resolved_at: Time | None


class DiscrepancyList(Listed[DiscrepancyAnswer]):
    """A page of discrepancies."""


# Events and reconciliation


class EventAnswer(Shape):
    """A Stripe event and how far its handling is; never its body, which retention removed at `payload_removed_at`."""

    id: Annotated[str, like("evt_1SYmPq2eZvKYlo2C")]
    type: Annotated[str, like("issuing_authorization.created")]
    account: Account | None
    livemode: Annotated[bool, like(False)]
    object_id: Annotated[str | None, like("iauth_1SYmLf2eZvKYlo2C")]
    status: Annotated[Literal["received", "applied", "ignored", "failed", "dead"], like("applied")]
    reason: str | None
    failures: Annotated[int, like(0)]
    due_at: Time | None
    created_at: Time
    received_at: Time
    finished_at: Time | None
    payload_removed_at: Time | None


class EventList(Listed[EventAnswer]):
    """A page of events."""


class ReplayedEvents(Shape):
    """How many events are handled again; while there is a `next_cursor`, there are more."""

    replayed: Annotated[int, like(3)]
    next_cursor: str | None


class ReconciliationAnswer(Shape):
    """A run: how far it is, what it looked at, and what it found."""

    id: Annotated[str, like("rec_40c9e7b2d15f4a83")]
    connection_id: ConnectionId
    kind: Literal["events", "lists", "full"]
    cause: Annotated[Literal["timed", "person", "gap"], like("person")]
    status: Annotated[Literal["running", "finished", "failed"], like("running")]
    phase: Annotated[str | None, like("authorizations")]
    since: Time
    until: Time
    reads: Annotated[int, like(7)]
    events: Annotated[int, like(41)]
    authorizations: Annotated[int, like(12)]
    transactions: Annotated[int, like(9)]
    cards: Annotated[int, like(12)]
    booked: Annotated[int, like(1)]
    differences: Annotated[int, like(0)]
    detail: Annotated[dict[str, Any], like({})]
    error: str | None
    requested_by: Actor
    created_at: Time
    finished_at: Time | None


class ReconciliationList(Listed[ReconciliationAnswer]):
    """A page of runs."""


class ReconciliationsStarted(Shape):
    """The runs that were begun, one for each connection."""

    data: list[ReconciliationAnswer]

"""The rows that only the store knows; what the core knows has its type there."""

from __future__ import annotations

from typing import Any, NamedTuple


class KnownMerchant(NamedTuple):
    """A merchant an organization has bought from; `network_ids` and `aliases` are JSON lists learned from purchases.

    `purchases` counts those that may be paid or were: with 0 the merchant is new again. The `last_*` columns say when
    the newest of them was approved, and at what price; None if that is not known.
    """

    organization_id: str
    merchant_key: str
    name: str
    aliases: str
    network_ids: str
    purchases: int
    first_at: int
    last_at: int | None = None
    last_amount: int | None = None
    last_currency: str | None = None


class InboxEvent(NamedTuple):
    """One Stripe event, kept once by its id, with how far its handling is. `payload` is the raw body as it came.

    It is empty once retention has removed it, at `payload_removed_at`; what its SHA-256 was stays, in hex.
    """

    id: str
    account: str | None
    livemode: int
    type: str
    organization_id: str | None
    object_id: str | None
    status: str
    reason: str | None
    failures: int
    due_at: int
    lease_until: int
    generation: int
    created: int
    received_at: int
    finished_at: int | None
    payload: bytes
    payload_sha256: str | None = None
    payload_removed_at: int | None = None


class EventOutcome(NamedTuple):
    """How the handling of an inbox row ended, written in the same commit as its effects."""

    status: str
    reason: str | None
    organization_id: str | None
    failed: int
    due_at: int
    finished_at: int | None
    id: str
    generation: int


class OutboxPromise(NamedTuple):
    """Work promised in a commit and done after it. `params` is JSON; `key` the idempotency key Stripe sees."""

    organization_id: str
    id: str
    kind: str
    subject: str
    params: str
    key: str
    attempt: int
    status: str
    tries: int
    due_at: int
    lease_until: int
    generation: int
    last_error: str | None
    created_at: int
    finished_at: int | None


class PromiseOutcome(NamedTuple):
    """How the doing of an outbox row ended, or when it is due again."""

    status: str
    key: str
    attempt: int
    tries: int
    due_at: int
    last_error: str | None
    finished_at: int | None
    organization_id: str
    id: str
    generation: int

    @classmethod
    def of(cls, promise: OutboxPromise, **changed: Any) -> PromiseOutcome:
        """Of a promise that stays as it is but for what changed."""
        row = promise._replace(**changed)
        return cls._make(getattr(row, name) for name in cls._fields)


class AccessKey(NamedTuple):
    """A key, stored as a hash only; `kind` is agent, admin or session. Read without a lock (design section 13).

    An admin key or a session has the role of its user; a key without one is a program of the owner's. `scopes` and
    `allowed_addresses` are words between spaces, none of them meaning no limit; `replaced_by` is the key it was
    rotated to.
    """

    hash: str
    id: str
    organization_id: str
    kind: str
    agent_id: str | None
    user_id: str | None
    name: str
    prefix: str
    created_at: int
    revoked_at: int | None
    scopes: str
    allowed_addresses: str
    requests_per_minute: int | None
    expires_at: int | None
    last_used_at: int | None
    replaced_by: str | None


class AccountRoute(NamedTuple):
    """(stripe account, livemode) → connection: at most one organization for each (design section 9)."""

    stripe_account: str
    livemode: int
    organization_id: str
    connection_id: str


class SigningKey(NamedTuple):
    """A key that audit checkpoints are signed with: the public one, and the private one sealed by the vault.

    The newest one signs. They are the installation's, in whose organization's name the rows lie.
    """

    organization_id: str
    id: str
    public_key: str
    sealed: str
    created_at: int


class ConnectionSecret(NamedTuple):
    """A token of a connection, sealed by the vault and bound to this row."""

    organization_id: str
    connection_id: str
    name: str
    sealed: str
    updated_at: int


class StartTicket(NamedTuple):
    """A one-time start link for connecting an account, kept as a hash; used up when it is opened."""

    hash: str
    organization_id: str
    connection_id: str
    expires_at: int
    used_at: int | None


class OAuthState(NamedTuple):
    """The state of one OAuth round trip, kept as a hash and bound to a browser cookie; consumed before the exchange."""

    hash: str
    cookie_hash: str
    organization_id: str
    connection_id: str
    expires_at: int
    consumed_at: int | None

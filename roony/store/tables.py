"""Every table, constraint and index, once, for both databases.

Money tables have the organization first in their primary key, so that the schema spreads over a distributed
PostgreSQL (design section 13). A table with a row type has exactly the columns of that type, in that order.
"""

from __future__ import annotations

from sqlalchemy import Index, Table

from roony.core.agent import Agent, Organization, Project
from roony.core.alert import Alert
from roony.core.app_token import AppTokens
from roony.core.approval import Approval
from roony.core.audit import AuditRecord
from roony.core.authorization import Authorization, AuthorizationDecision
from roony.core.budget import Budget, BudgetPeriod
from roony.core.card import Card
from roony.core.cardholder import Cardholder, CardholderChoice
from roony.core.checkpoint import Checkpoint
from roony.core.confirmation import Confirmation
from roony.core.connection import Connection
from roony.core.control import Control, ControlVersion
from roony.core.delivery import RevealLink
from roony.core.dispute import Dispute
from roony.core.lease import Lease
from roony.core.ledger import Entry, Hold
from roony.core.loosening import ProposedChange
from roony.core.mandate import Payment
from roony.core.notification import MessageRecipient, NoticeCursor, NoticeDelivery, WebhookEndpoint
from roony.core.passkey import Passkey
from roony.core.preflight import Preflight
from roony.core.purchase import KeptKey, Purchase, RecentPurchase, Velocity
from roony.core.receipt import Receipt, ReceiptContent
from roony.core.reconciliation import Reconciliation
from roony.core.settlement import Discrepancy, StripeTransaction
from roony.core.sign_in import OneTimeLink, Password, Tries
from roony.core.user import User
from roony.store import schema
from roony.store.rows import (
    AccessKey,
    AccountRoute,
    ConnectionSecret,
    InboxEvent,
    KnownMerchant,
    OAuthState,
    OutboxPromise,
    SigningKey,
    StartTicket,
)
from roony.store.schema import some as _some
from roony.store.schema import table as _table

metadata = schema.metadata

# Money may still come of it. A query that says it in these words is answered from an index of the few there are.
OPEN_AUTHORIZATION = "status = 'pending' OR (status = 'closed' AND captured = 0)"
# Few of all, found by indexes of their own in just these words: for SQLite a list of bound values is another.
UNFINISHED_EVENT = "status <> 'applied'"
# What retention has not emptied yet.
WITH_PAYLOAD = "payload_removed_at IS NULL"
WITH_CONTENT = "content_removed_at IS NULL"
EVENT_TO_HANDLE = "status IN ('received', 'failed')"
CARD_TO_EXPIRE = "status IN ('active', 'frozen')"


# Most budgets of tasks have the limit that their agent's have for every task.
LIMITED_TASK = "scope = 'task' AND limit_amount IS NOT NULL"
organizations = _table("organizations", Organization, "id")
projects = _table("projects", Project, "organization_id id")
agents = _table("agents", Agent, "organization_id id")
connections = _table("connections", Connection, "organization_id id")
cardholders = _table("cardholders", Cardholder, "organization_id connection_id scope_id")
cardholder_choices = _table("cardholder_choices", CardholderChoice, "organization_id scope_id")
controls = _table("controls", Control, "organization_id scope_id")
control_versions = _table("control_versions", ControlVersion, "organization_id scope_id version")
budgets = _table(
    "budgets",
    Budget,
    "organization_id id",
    Index("budgets_by_scope", "organization_id", "scope_id", "currency", "period", unique=True),
    _some("budgets_of_tasks", LIMITED_TASK, "organization_id", "scope_id"),
)
budget_periods = _table("budget_periods", BudgetPeriod, "organization_id budget_id period_start")
known_merchants = _table("known_merchants", KnownMerchant, "organization_id merchant_key")
velocities = _table("velocities", Velocity, "organization_id agent_id hour", Index("velocities_by_hour", "hour"))
kept_keys = _table("kept_keys", KeptKey, "organization_id agent_id key")
recent_purchases = _table("recent_purchases", RecentPurchase, "organization_id agent_id fingerprint")

purchases = _table(
    "purchases",
    Purchase,
    "organization_id id",
    # With the status, so that of many only those in a status that few are in are read.
    Index("purchases_by_agent", "organization_id", "agent_id", "created_at", "status"),
    Index("purchases_by_time", "organization_id", "created_at"),
    # What the owner's list is filtered by.
    Index("purchases_by_project", "organization_id", "project_id", "created_at", "status"),
    Index("purchases_by_status", "organization_id", "status", "created_at"),
    Index("purchases_by_merchant", "organization_id", "merchant_key", "created_at", "status"),
)
holds = _table("holds", Hold, "organization_id id", Index("holds_by_purchase", "organization_id", "purchase_id"))
payments = _table("payments", Payment, "organization_id purchase_id sequence")
entries = _table("entries", Entry, "organization_id purchase_id sequence")
approvals = _table(
    "approvals",
    Approval,
    "organization_id id",
    _some("approvals_pending", "status = 'pending'", "expires_at"),
    Index("approvals_by_purchase", "organization_id", "purchase_id"),
    Index("approvals_by_time", "organization_id", "created_at"),
    Index("approvals_by_status", "organization_id", "status", "created_at"),
    _some("approvals_waiting", "status = 'pending'", "organization_id", "expires_at"),
)
cards = _table(
    "cards",
    Card,
    "organization_id id",
    Index("cards_by_stripe_id", "organization_id", "connection_id", "stripe_card_id", unique=True),
    Index("cards_by_purchase", "organization_id", "purchase_id"),
    Index("cards_by_time", "organization_id", "created_at"),
    Index("cards_by_status", "organization_id", "status", "created_at"),
    _some("cards_to_expire", CARD_TO_EXPIRE, "expires_at"),
)
authorizations = _table(
    "authorizations",
    Authorization,
    "organization_id id",
    Index("authorizations_by_purchase", "organization_id", "purchase_id"),
    Index("authorizations_by_time", "organization_id", "created_at"),
    _some("authorizations_open", OPEN_AUTHORIZATION, "organization_id", "connection_id", "id"),
)
authorization_decisions = _table(
    "authorization_decisions", AuthorizationDecision, "organization_id authorization_id ordinal amount"
)
stripe_transactions = _table(
    "stripe_transactions",
    StripeTransaction,
    "organization_id id",
    Index("stripe_transactions_by_purchase", "organization_id", "purchase_id"),
    # With all that a report sums: the rows themselves lie scattered.
    Index(
        "stripe_transactions_by_time",
        *"organization_id created_at id purchase_id currency type amount".split(),
        *"agent_id project_id merchant_key category".split(),
    ),
    Index("stripe_transactions_by_agent", "organization_id", "agent_id", "created_at"),
    # Few of all.
    _some("stripe_transactions_refunds", "type = 'refund'", "organization_id", "created_at"),
    _some("stripe_transactions_unmatched", "purchase_id IS NULL", "organization_id", "created_at"),
    Index("stripe_transactions_by_card", "organization_id", "stripe_card_id"),
    Index("stripe_transactions_by_network_id", "organization_id", "network_transaction_id"),
)
disputes = _table(
    "disputes",
    Dispute,
    "organization_id id",
    Index("disputes_by_time", "organization_id", "created_at"),
    Index("disputes_by_transaction", "organization_id", "stripe_transaction_id"),
)
discrepancies = _table(
    "discrepancies",
    Discrepancy,
    "organization_id id",
    Index("discrepancies_by_time", "organization_id", "created_at"),
    Index("discrepancies_by_purchase", "organization_id", "purchase_id"),
    Index("discrepancies_by_status", "organization_id", "status", "created_at"),
)
reconciliations = _table(
    "reconciliations",
    Reconciliation,
    "organization_id id",
    Index("reconciliations_by_connection", "organization_id", "connection_id", "created_at"),
    Index("reconciliations_by_time", "organization_id", "created_at"),
)
alerts = _table(
    "alerts",
    Alert,
    "organization_id id",
    Index("alerts_by_time", "organization_id", "created_at"),
    Index("alerts_by_status", "organization_id", "status", "created_at"),
)
confirmations = _table("confirmations", Confirmation, "organization_id subject name")
preflights = _table("preflights", Preflight, "organization_id connection_id kind")
audit_records = _table(
    "audit_records",
    AuditRecord,
    "organization_id sequence",
    Index("audit_records_by_subject", "organization_id", "subject", "sequence"),
    Index("audit_records_by_action", "organization_id", "action", "sequence"),
    Index("audit_records_by_actor", "organization_id", "actor", "sequence"),
)
audit_checkpoints = _table(
    "audit_checkpoints",
    Checkpoint,
    "organization_id number",
    Index("audit_checkpoints_by_record", "organization_id", "sequence"),
)
signing_keys = _table("signing_keys", SigningKey, "organization_id id")
webhook_endpoints = _table("webhook_endpoints", WebhookEndpoint, "organization_id id")
message_recipients = _table("message_recipients", MessageRecipient, "organization_id id")
notice_cursors = _table("notice_cursors", NoticeCursor, "organization_id")
notice_deliveries = _table(
    "notice_deliveries",
    NoticeDelivery,
    "organization_id id",
    Index("notice_deliveries_by_target", "organization_id", "target_id", "created_at"),
    Index("notice_deliveries_by_time", "organization_id", "created_at"),
    _some("notice_deliveries_due", "status = 'pending'", "organization_id", "target_id", "due_at", "sequence", "place"),
    _some("notice_deliveries_ended", "finished_at IS NOT NULL", "status", "finished_at"),
)

proposed_changes = _table(
    "proposed_changes",
    ProposedChange,
    "organization_id id",
    Index("proposed_changes_by_time", "organization_id", "created_at"),
    Index("proposed_changes_by_status", "organization_id", "status", "created_at"),
)
inbox = _table(
    "inbox",
    InboxEvent,
    "id",
    _some("inbox_due", EVENT_TO_HANDLE, "due_at"),
    Index("inbox_by_time", "organization_id", "received_at"),
    _some("inbox_unfinished", UNFINISHED_EVENT, "organization_id", "status", "received_at"),
    _some("inbox_with_payload", WITH_PAYLOAD, "received_at", "id"),
)
outbox = _table(
    "outbox",
    OutboxPromise,
    "organization_id id",
    _some("outbox_due", "status = 'promised'", "due_at"),
    _some("outbox_ended", "finished_at IS NOT NULL", "finished_at"),
)
access_keys = _table(
    "access_keys",
    AccessKey,
    "hash",
    Index("access_keys_by_id", "organization_id", "id"),
    # Read under the lock: an organization keeps all keys there ever were, one holder has few.
    Index("access_keys_by_user", "organization_id", "user_id"),
    _some("sessions_by_time", "kind = 'session'", "created_at"),
    Index("access_keys_by_agent", "organization_id", "agent_id"),
)
receipts = _table(
    "receipts",
    Receipt,
    "organization_id id",
    Index("receipts_by_purchase", "organization_id", "purchase_id"),
    Index("receipts_by_time", "organization_id", "created_at"),
    _some("receipts_with_content", WITH_CONTENT, "created_at", "id"),
)
receipt_contents = _table("receipt_contents", ReceiptContent, "organization_id id")
users = _table("users", User, "organization_id id", Index("users_by_email", "organization_id", "email", unique=True))
account_routes = _table("account_routes", AccountRoute, "stripe_account livemode")
connection_secrets = _table("connection_secrets", ConnectionSecret, "organization_id connection_id name")
app_tokens = _table("app_tokens", AppTokens, "organization_id connection_id")
start_tickets = _table("start_tickets", StartTicket, "hash", Index("start_tickets_by_end", "expires_at"))
oauth_states = _table("oauth_states", OAuthState, "hash", Index("oauth_states_by_end", "expires_at"))
reveal_links = _table("reveal_links", RevealLink, "hash", Index("reveal_links_by_end", "expires_at"))
leases = _table("leases", Lease, "name")
passwords = _table("passwords", Password, "organization_id user_id", Index("passwords_by_email", "email"))
sign_in_tries = _table("sign_in_tries", Tries, "key", Index("sign_in_tries_by_time", "last_at"))
one_time_links = _table(
    "one_time_links",
    OneTimeLink,
    "hash",
    Index("one_time_links_by_user", "organization_id", "user_id"),
    Index("one_time_links_by_end", "expires_at"),
    _some("challenges_by_end", "kind = 'passkey'", "expires_at"),
)
passkeys = _table(
    "passkeys",
    Passkey,
    "credential_id",
    Index("passkeys_by_user", "organization_id", "user_id"),
    _some("passkeys_removed", "removed_at IS NOT NULL", "removed_at"),
)

# What `roony archive` took out of the tables that everyday work goes through, in their shape.
entries_archive = _table("entries_archive", Entry, "organization_id purchase_id sequence")
inbox_archive = _table(
    "inbox_archive",
    InboxEvent,
    "id",
    Index("inbox_archive_by_time", "organization_id", "received_at"),
    _some("inbox_archive_unfinished", UNFINISHED_EVENT, "organization_id", "status", "received_at"),
    _some("inbox_archive_with_payload", WITH_PAYLOAD, "received_at", "id"),
)
ARCHIVES = frozenset({entries_archive, inbox_archive})

# Everything decide() or an authorization reads that is not a money row: a change of it renews `config_version`.
CONFIG_TABLES = frozenset({projects, agents, connections, controls, budgets, cardholder_choices})


def row_type(table: Table) -> type[tuple[object, ...]]:
    """The NamedTuple whose fields are the table's columns in order."""
    row: type[tuple[object, ...]] = table.info["row"]
    return row


# Where a row of a type is written and first looked for: never the archive.
TABLE_OF: dict[type, Table] = {table.info["row"]: table for table in metadata.tables.values() if table not in ARCHIVES}

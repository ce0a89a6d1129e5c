"""What every route asks of the key that calls it: one line for each, and nowhere else.

An admin route needs a permission (`core.role.NEEDED`), an agent's route a scope (`core.role.SCOPES`). A route that is
not listed is for owners, or for agents' keys with all scopes; a test says which lines are missing.
"""

from __future__ import annotations

from roony.core.role import OWNER_ONLY

_AGENTS = """
read     GET  /budgets
read     GET  /controls
read     GET  /purchase_intents
purchase POST /purchase_intents
read     POST /purchase_intents/preview
read     GET  /purchase_intents/{id}
purchase POST /purchase_intents/{id}/cancel
card     POST /purchase_intents/{id}/card
purchase POST /purchase_intents/{id}/raise
purchase POST /purchase_intents/{id}/receipt
read     GET  /stream
read     GET  /transactions
"""
_ADMIN = """
own     GET    /access_keys
own     POST   /access_keys
own     DELETE /access_keys/{id}
own     POST   /access_keys/{id}/rotate
read    GET    /agents
change  POST   /agents
read    GET    /agents/{id}
change  PATCH  /agents/{id}
read    GET    /agents/{id}/keys
change  POST   /agents/{id}/keys
change  DELETE /agents/{id}/keys/{key_id}
change  POST   /agents/{id}/keys/{key_id}/rotate
read    GET    /agents/{id}/public_key
change  PUT    /agents/{id}/public_key
change  DELETE /agents/{id}/public_key
change  POST   /agents/{id}/test_purchase
read    GET    /alerts
read    GET    /alerts/{id}
change  POST   /alerts/{id}/close
read    GET    /approvals
read    GET    /approvals/{id}
approve POST   /approvals/{id}/approve
approve POST   /approvals/{id}/deny
read    GET    /audit
read    GET    /audit/checkpoints
change  POST   /audit/checkpoints
read    GET    /audit/export
read    GET    /audit/keys
own     POST   /audit/keys
read    POST   /audit/verify
read    GET    /authorizations
read    GET    /budgets
change  POST   /budgets
change  PUT    /budgets
read    GET    /cardholders
own     PUT    /cardholders
own     DELETE /cardholders/{scope_id}
read    GET    /cards
read    GET    /cards/{id}
change  POST   /cards/{id}/cancel
change  POST   /cards/{id}/freeze
change  POST   /cards/{id}/unfreeze
read    GET    /changes
read    GET    /changes/{id}
change  POST   /changes/{id}/confirm
change  POST   /changes/{id}/withdraw
read    GET    /connections
own     POST   /connections
read    GET    /connections/{id}
own     POST   /connections/{id}/confirm
own     POST   /connections/{id}/disconnect
change  GET    /connections/{id}/preflight
own     POST   /connections/{id}/probe
own     POST   /connections/{id}/setup_webhooks
read    GET    /controls
read    GET    /controls/{scope_id}/versions
change  PUT    /controls
read    GET    /discrepancies
read    GET    /discrepancies/{id}
change  POST   /discrepancies/{id}/resolve
read    GET    /disputes
read    GET    /disputes/{id}
read    GET    /doctor
read    GET    /events
change  POST   /events/replay
read    GET    /events/{id}
change  POST   /events/{id}/replay
own     POST   /export
own     GET    /export/rows
change  POST   /freeze
own     POST   /first_runs
own     POST   /keys/rotate
read    GET    /me
read    PUT    /me/password
read    GET    /me/passkeys
read    POST   /me/passkeys
read    POST   /me/passkeys/challenge
read    DELETE /me/passkeys/{id}
read    GET    /patterns
read    GET    /me/sessions
read    DELETE /me/sessions/{id}
read    GET    /merchants
change  POST   /merchants/aliases
change  POST   /merchants/forget
read    GET    /message_recipients
change  POST   /message_recipients
read    GET    /message_recipients/{id}
change  PATCH  /message_recipients/{id}
change  DELETE /message_recipients/{id}
read    GET    /message_recipients/{id}/deliveries
change  POST   /message_recipients/{id}/test
read    GET    /organization
own     PATCH  /organization
read    GET    /projects
change  POST   /projects
read    GET    /projects/{id}
change  PATCH  /projects/{id}
read    GET    /purchases
read    GET    /purchases/{id}
change  POST   /purchases/{id}/cancel
read    GET    /purchases/{id}/evidence
change  POST   /purchases/{id}/test_payment
read    GET    /receipts
read    GET    /receipts/missing
read    GET    /receipts/{id}
read    GET    /receipts/{id}/content
read    GET    /reconciliations
change  POST   /reconciliations
read    GET    /reconciliations/{id}
read    POST   /replay
read    GET    /reports/journal
read    GET    /reports/spend
read    GET    /rules
change  PUT    /rules
read    GET    /stream
read    GET    /stripe_transactions
change  POST   /unfreeze
read    GET    /users
own     POST   /users
read    GET    /users/{id}
own     PATCH  /users/{id}
own     POST   /users/{id}/erase
own     POST   /users/{id}/invitation
read    GET    /users/{id}/keys
own     POST   /users/{id}/keys
own     DELETE /users/{id}/keys/{key_id}
own     POST   /users/{id}/keys/{key_id}/rotate
read    GET    /webhook_deliveries
read    GET    /webhook_deliveries/{id}
change  POST   /webhook_deliveries/{id}/replay
read    GET    /webhook_endpoints
change  POST   /webhook_endpoints
read    GET    /webhook_endpoints/{id}
change  PATCH  /webhook_endpoints/{id}
change  DELETE /webhook_endpoints/{id}
change  POST   /webhook_endpoints/{id}/replay
change  POST   /webhook_endpoints/{id}/rotate_secret
change  POST   /webhook_endpoints/{id}/test
"""


def _table(text: str, prefix: str) -> dict[tuple[str, str], str]:
    lines = [line.split() for line in text.strip().splitlines()]
    return {(method, prefix + path): permission for permission, method, path in lines}


PERMISSIONS = _table(_AGENTS, "/api/v1") | _table(_ADMIN, "/api/v1/admin")


def permission_of(method: str, path: str) -> str:
    """The permission or the scope a call of this route needs."""
    return PERMISSIONS.get((method, path), OWNER_ONLY)

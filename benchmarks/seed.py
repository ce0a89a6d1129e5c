"""A database full of purchases whose cards wait for their one authorization, and the signed requests that use them."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import uuid
from pathlib import Path
from typing import Any

from roony.core.agent import Agent, Organization, Project
from roony.core.audit import GENESIS
from roony.core.budget import PERIODS, Budget, BudgetPeriod, period_start
from roony.core.card import Card
from roony.core.connection import Connection
from roony.core.control import Control
from roony.core.ledger import Entry, Hold
from roony.core.purchase import Purchase
from roony.store.database import Database
from roony.store.tables import TABLE_OF, AccountRoute
from roony.store.writer import Writer

AMOUNT = 12_999
CHUNK = 2_000


def seed(database: Database, purchases: int, organizations: int = 1) -> list[str]:
    """Writes the rows past the till, in chunks; returns the Stripe card ids, one for each purchase."""
    now = time.time_ns() // 1000
    writer = database.open_writer()
    cards: list[str] = []
    try:
        for number in range(organizations):
            _write(writer, _organization(number, now))
        for start in range(0, purchases, CHUNK):
            rows: list[Any] = []
            for number in range(start, min(start + CHUNK, purchases)):
                rows += _purchase(number, number % organizations, now)
                cards.append(f"ic_bench{number}")
            _write(writer, rows)
    finally:
        writer.close()
    return cards


def _write(writer: Writer, rows: list[Any]) -> None:
    kinds: dict[type, list[Any]] = {}
    for row in rows:
        kinds.setdefault(type(row), []).append(row)
    writer.begin([])
    for kind, items in kinds.items():
        writer.write_rows(TABLE_OF[kind], items)
    writer.commit()


def _organization(number: int, now: int) -> list[Any]:
    org, project, agent, connection = f"org_b{number}", f"prj_b{number}", f"agt_b{number}", f"con_b{number}"
    fields = json.dumps({"allowed_categories": ["software"], "allowed_countries": ["US"]})
    rows: list[Any] = [
        Organization(
            id=org, name="Bench", currency="usd", time_zone="UTC", connection_id=connection, frozen_at=None,
            unknown_cards="decline", delivery="raw", unbudgeted=0, settings="{}", config_version=uuid.uuid4().hex,
            audit_sequence=0, audit_hash=GENESIS, clock=now, created_at=now,
        ),
        Project(organization_id=org, id=project, name="Bench", frozen_at=None, created_at=now),
        Agent(
            organization_id=org, id=agent, project_id=project, project_ids="[]", name="Bench", description="",
            frozen_at=None, public_key=None, created_at=now,
        ),
        Connection(
            organization_id=org, id=connection, kind="connect", status="active", stripe_account=f"acct_b{number}",
            livemode=0, scope="read_write", currency="usd", status_reason=None, created_at=now, updated_at=now,
            activated_at=now,
        ),
        AccountRoute(stripe_account=f"acct_b{number}", livemode=0, organization_id=org, connection_id=connection),
        Control(
            organization_id=org, id=f"ctl_b{number}", scope="agent", scope_id=agent, version=1, fields=fields,
            updated_at=now,
        ),
    ]  # fmt: skip
    for scope, scope_id in (("organization", org), ("project", project), ("agent", agent)):
        for period in PERIODS:
            budget = Budget(org, f"bud_{scope}_{period}_{number}", scope, scope_id, "usd", period, "UTC", 10**11, now)
            rows += [budget, BudgetPeriod(org, budget.id, period_start(period, "UTC", now), 0, 0)]
    return rows


def _purchase(number: int, organization: int, now: int) -> list[Any]:
    org, id, hold, card = f"org_b{organization}", f"pur_b{number}", f"hold_b{number}", f"crd_b{number}"
    merchant = json.dumps({"name": f"Merchant {number % 500}", "category": "5734", "country": "US"})
    scopes = ("agent", "project", "organization")
    periods = [
        [f"bud_{scope}_{period}_{organization}", period_start(period, "UTC", now)]
        for scope in scopes
        for period in PERIODS
    ]
    return [
        Purchase(
            organization_id=org, id=id, agent_id=f"agt_b{organization}", project_id=f"prj_b{organization}",
            task_id=None, connection_id=f"con_b{organization}", status="ready", amount=AMOUNT, currency="usd",
            hold_id=hold, hold_amount=AMOUNT, held=AMOUNT, spent=0, captured=0, loose_captured=0, refunded=0,
            entry_count=1, card_id=card, approval_id=None, merchant_key=f"merchant {number % 500}",
            merchant_lock="strict", merchant=merchant, description="", metadata="{}",
            decision='{"verdict":"approved","reasons":[]}', failure=None, fingerprint=f"fp{number}", ended_at=None,
            ended_reason=None, created_at=now, updated_at=now,
        ),
        Hold(
            organization_id=org, id=hold, purchase_id=id, amount=AMOUNT, currency="usd", periods=json.dumps(periods),
            created_at=now,
        ),
        Entry(
            organization_id=org, purchase_id=id, sequence=1, hold_id=hold, kind="hold", held=AMOUNT, spent=0, at=now
        ),
        Card(
            organization_id=org, id=card, purchase_id=id, connection_id=f"con_b{organization}",
            stripe_card_id=f"ic_bench{number}", status="active", stripe_status="active", currency="usd",
            hard_limit=AMOUNT, last4="4242", exp_month=12, exp_year=2030, expires_at=now + 3_600_000_000, deliveries=0,
            created_at=now, updated_at=now,
        ),
    ]  # fmt: skip


def signed_requests(cards: list[str], secret: str, organizations: int = 1) -> list[bytes]:
    """Whole HTTP requests, each a unique real-time authorization request of about 4 KB signed now."""
    stamp = int(time.time())
    run = uuid.uuid4().hex[:8]
    numbers = [int(card.removeprefix("ic_bench")) for card in cards]
    return [
        _request(number, card, secret, stamp, number % organizations, run)
        for number, card in zip(numbers, cards, strict=True)
    ]


def write_requests(requests: list[bytes], path: Path) -> None:
    """Length-prefixed, for the load client."""
    path.write_bytes(b"".join(len(request).to_bytes(4, "big") + request for request in requests))


def _request(number: int, card: str, secret: str, stamp: int, organization: int, run: str) -> bytes:
    body = json.dumps(benchmark_event(number, card, stamp, organization, run)).encode()
    signature = hmac.new(secret.encode(), b"%d.%s" % (stamp, body), hashlib.sha256).hexdigest()
    head = (
        "POST /api/webhooks/stripe HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Stripe-Signature: t={stamp},v1={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def benchmark_event(number: int, card: str, stamp: int, organization: int, run: str) -> dict[str, Any]:
    """One real-time request about a card of `seed`; `stamp` is in seconds, `run` makes its ids unlike others."""
    # The shape of facts section 2.3, with the parts of the card object that make a real one about this long.
    holder = {
        "id": "ich_b",
        "object": "issuing.cardholder",
        "billing": {
            "address": {
                "city": "San Francisco",
                "country": "US",
                "line1": "510 Townsend Street",
                "line2": None,
                "postal_code": "94103",
                "state": "CA",
            }
        },
        "company": None,
        "created": stamp,
        "email": None,
        "individual": None,
        "livemode": False,
        "metadata": {},
        "name": "Bench Company",
        "phone_number": None,
        "preferred_locales": None,
        "requirements": {"disabled_reason": None, "past_due": []},
        "spending_controls": {
            "allowed_categories": [],
            "blocked_categories": [],
            "spending_limits": [],
            "spending_limits_currency": None,
        },
        "status": "active",
        "type": "company",
    }
    card_object = {
        "id": card,
        "object": "issuing.card",
        "brand": "Visa",
        "cancellation_reason": None,
        "cardholder": holder,
        "created": stamp,
        "currency": "usd",
        "exp_month": 12,
        "exp_year": 2030,
        "financial_account": None,
        "last4": "4242",
        "latest_fraud_warning": None,
        "lifecycle_controls": {"cancel_after": {"payment_count": 1}},
        "livemode": False,
        "metadata": {"roony_purchase": f"pur_b{number}", "roony_card": f"crd_b{number}"},
        "personalization_design": None,
        "replaced_by": None,
        "replacement_for": None,
        "replacement_reason": None,
        "second_line": None,
        "shipping": None,
        "spending_controls": {
            "allowed_card_presences": ["not_present"],
            "allowed_categories": ["computer_software_stores"],
            "allowed_merchant_countries": ["US"],
            "blocked_card_presences": [],
            "blocked_categories": [],
            "blocked_merchant_countries": [],
            "spending_limits": [{"amount": AMOUNT, "categories": [], "interval": "all_time"}],
            "spending_limits_currency": "usd",
        },
        "status": "active",
        "type": "virtual",
        "wallets": {
            "apple_pay": {"eligible": True, "ineligible_reason": None},
            "google_pay": {"eligible": True, "ineligible_reason": None},
            "primary_account_identifier": None,
        },
    }
    item = {
        "id": f"iauth_{run}{number}",
        "object": "issuing.authorization",
        "amount": 0,
        "amount_details": None,
        "approved": False,
        "authorization_method": "online",
        "balance_transactions": [],
        "card": card_object,
        "card_presence": "not_present",
        "cardholder": "ich_b",
        "created": stamp,
        "currency": "usd",
        "fleet": None,
        "fraud_challenges": None,
        "fuel": None,
        "livemode": False,
        "merchant_amount": 0,
        "merchant_currency": "usd",
        "merchant_data": {
            "category": "computer_software_stores",
            "category_code": "5734",
            "city": "San Francisco",
            "country": "US",
            "name": f"MERCHANT {number % 500}",
            "network_id": f"{number % 500:010d}",
            "postal_code": "94107",
            "state": "CA",
            "tax_id": None,
            "terminal_id": None,
            "url": None,
        },
        "metadata": {},
        "network_data": {
            "acquiring_institution_id": None,
            "system_trace_audit_number": None,
            "transaction_id": f"nt{number}",
        },
        "pending_request": {
            "amount": AMOUNT,
            "amount_details": None,
            "currency": "usd",
            "is_amount_controllable": False,
            "merchant_amount": AMOUNT,
            "merchant_currency": "usd",
            "network_risk_score": None,
        },
        "request_history": [],
        "status": "pending",
        "token": None,
        "transactions": [],
        "treasury": None,
        "verification_data": {
            "address_line1_check": "not_provided",
            "address_postal_code_check": "match",
            "authentication_exemption": None,
            "cvc_check": "match",
            "expiry_check": "match",
            "postal_code": "94111",
            "three_d_secure": None,
        },
        "verified_by_fraud_challenge": None,
        "wallet": None,
    }
    return {
        "id": f"evt_{run}{number}",
        "object": "event",
        "account": f"acct_b{organization}",
        "api_version": "2026-10-28.endive",
        "created": stamp,
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": "issuing_authorization.request",
        "data": {"object": item},
    }

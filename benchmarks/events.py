"""What Stripe sends about the purchases of `seed`: real-time requests, and what it says of them afterwards, signed."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import uuid
from pathlib import Path
from typing import Any

from benchmarks.seed import AMOUNT, Numbered


class Stripe:
    """One run's events: ids unlike those of any other run, each event signed when it is made."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._run = uuid.uuid4().hex[:8]

    def requests(self, purchases: list[Numbered]) -> list[bytes]:
        """Whole HTTP requests, each a unique real-time authorization request of about 4 KB."""
        stamp = int(time.time())
        return [self._signed(benchmark_event(*each, stamp, self._run), stamp) for each in purchases]

    def statements(self, purchases: list[Numbered]) -> list[dict[str, Any]]:
        """Of each purchase whose request was approved: the authorization as made, and its capture."""
        stamp = int(time.time())
        return [event for each in purchases for event in self._said(each, stamp)]

    def signed(self, events: list[dict[str, Any]]) -> list[bytes]:
        """Whole HTTP requests of events."""
        stamp = int(time.time())
        return [self._signed(event, stamp) for event in events]

    def _said(self, purchase: Numbered, stamp: int) -> list[dict[str, Any]]:
        asked = benchmark_event(*purchase, stamp, self._run)
        authorization = asked["data"]["object"]
        entry = {
            "amount": AMOUNT, "approved": True, "created": stamp, "currency": "usd", "merchant_amount": AMOUNT,
            "merchant_currency": "usd", "reason": "webhook_approved", "reason_message": None,
        }  # fmt: skip
        made = {
            **authorization, "amount": AMOUNT, "merchant_amount": AMOUNT, "approved": True, "pending_request": None,
            "request_history": [entry],
        }  # fmt: skip
        capture = {
            "id": f"ipi_{self._run}{purchase.number}", "object": "issuing.transaction", "amount": -AMOUNT,
            "authorization": authorization["id"], "card": purchase.card, "cardholder": "ich_b", "created": stamp,
            "currency": "usd", "merchant_amount": -AMOUNT, "merchant_currency": "usd", "type": "capture",
            "merchant_data": authorization["merchant_data"], "network_data": None, "livemode": False, "metadata": {},
        }  # fmt: skip
        kinds = (("issuing_authorization.created", made), ("issuing_transaction.created", capture))
        return [
            {**asked, "id": f"evt_{uuid.uuid4().hex}", "type": kind, "data": {"object": thing}} for kind, thing in kinds
        ]

    def _signed(self, event: dict[str, Any], stamp: int) -> bytes:
        body = json.dumps(event).encode()
        signature = hmac.new(self._secret, b"%d.%s" % (stamp, body), hashlib.sha256).hexdigest()
        head = (
            "POST /api/webhooks/stripe HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Stripe-Signature: t={stamp},v1={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def write_requests(requests: list[bytes], path: Path) -> None:
    """Length-prefixed, for the load client."""
    path.write_bytes(b"".join(len(request).to_bytes(4, "big") + request for request in requests))


def benchmark_event(number: int, organization: int, stamp: int, run: str) -> dict[str, Any]:
    """One real-time request about a card of `seed`; `stamp` is in seconds, `run` makes its ids unlike others."""
    card = f"ic_bench{number}"
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

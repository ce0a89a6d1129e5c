"""Purchase asks: with the simulated Stripe making each card, and deciding and holding alone (a person must agree)."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from benchmarks.door import BUSY, Step
from benchmarks.events import Stripe
from benchmarks.seed import Numbered
from benchmarks.serving import SECRET, load, noop
from tests.support.served import BUDGETS, SOFTWARE, Installation

CARDS = 400
CARD_CONNECTIONS = 16
HOLDS = 3_000
NOOP_REQUESTS = 16_000
ASK = "/api/v1/purchase_intents"
_LETTERS = str.maketrans("0123456789", "ghijklmnop")


class _Unlimited(Installation):
    """Keys may call as often as they like."""

    def environment(self) -> dict[str, str]:
        """What `roony serve` is told."""
        return {**super().environment(), "ROONY_REQUESTS_PER_MINUTE": "0"}


def measure(folder: Path, step: Step) -> dict[str, Any]:
    """Asks a second of both kinds, the second as a ratio to the no-op of the same run."""
    with _Unlimited(folder) as installation, noop() as bare:
        owner_key = installation.make()
        installation.start_simulator()
        installation.start_roony()
        owner = installation.caller(owner_key)
        owner.send("POST", "/api/v1/admin/connections", {"kind": "direct"}, 201)
        budgets = [{**budget, "limit": 10**11} for budget in BUDGETS]
        buyer = owner.send("POST", "/api/v1/admin/agents", {"name": "buyer", "budgets": budgets}, 201)
        waiter = owner.send(
            "POST", "/api/v1/admin/agents",
            {"name": "waiter", "budgets": budgets, "controls": {"approval_threshold": 1}}, 201,
        )  # fmt: skip
        step("asks with cards")
        cards = load(folder, installation.port, CARD_CONNECTIONS, _asks(buyer["key"], CARDS), '"verdict":"approved"')
        step("asks that decide and hold")
        filler = Stripe(SECRET).requests([Numbered(number, 0) for number in range(NOOP_REQUESTS)])
        idle = load(folder, bare.port, BUSY, filler, '"approved":true')
        holds = load(folder, installation.port, BUSY, _asks(waiter["key"], HOLDS), '"status":"awaiting_approval"')
    return {
        "cards_per_second": cards["per_second"], "cards_p50_ms": cards["p50_ms"], "cards_p99_ms": cards["p99_ms"],
        "holds_per_second": holds["per_second"], "holds_p99_ms": holds["p99_ms"],
        "noop_per_second": idle["per_second"], "holds_ratio": round(holds["per_second"] / idle["per_second"], 4),
    }  # fmt: skip


def _asks(key: str, count: int) -> list[bytes]:
    return [_ask(key) for _ in range(count)]


def _ask(key: str) -> bytes:
    # Of letters only: a number behind a name is a store's and makes no other merchant.
    shop = f"Shop {uuid.uuid4().hex.translate(_LETTERS)}"
    wish = {"amount": 500, "currency": "usd", "description": "1 month", "merchant": {"name": shop, **SOFTWARE}}
    body = json.dumps(wish).encode()
    head = (
        f"POST {ASK} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer {key}\r\n"
        f"Idempotency-Key: {uuid.uuid4().hex}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body

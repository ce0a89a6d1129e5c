"""A company over several lives of its server, and `roony reconcile` as its owner runs it."""

from __future__ import annotations

import subprocess
import uuid
from typing import Any

import httpx2

from tests.support.commands import run_roony
from tests.support.served import BUDGETS, SOFTWARE, Installation

RUNS = "/api/v1/admin/reconciliations"
PRICE = 5_000


def shop_name() -> str:
    """A merchant nobody has bought from, in letters only: digits behind a name are the number of a store."""
    return "Shop " + "".join(chr(ord("a") + int(digit, 16)) for digit in uuid.uuid4().hex[:8])


def reconcile(url: str, key: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`roony reconcile`, as a person runs it."""
    return run_roony("reconcile", *arguments, ROONY_URL=url, ROONY_ADMIN_KEY=key)


class Company:
    """An installation with a connected account and a buyer, over several lives of its server."""

    def __init__(self, installation: Installation, stop_at: str = "", arguments: tuple[str, ...] = ()) -> None:
        self.installation = installation
        self.key = installation.make()
        installation.start_simulator()
        installation.start_roony(*arguments, stop_at=stop_at)
        self.owner = installation.caller(self.key)
        self.connection = self.owner.send("POST", "/api/v1/admin/connections", {"kind": "direct"}, 201)
        made = self.owner.send("POST", "/api/v1/admin/agents", {"name": "buyer", "budgets": BUDGETS}, 201)
        self.agent = installation.caller(made["key"])
        self.stripe = installation.stripe()

    def buy(self) -> tuple[str, str]:
        """A purchase and its card at Stripe."""
        wish = {
            "amount": PRICE,
            "currency": "usd",
            "description": "x",
            "merchant": {"name": shop_name(), **SOFTWARE},
        }
        bought = self.agent.send(
            "POST", "/api/v1/purchase_intents", wish, 201, headers={"Idempotency-Key": uuid.uuid4().hex}
        )
        assert bought["status"] == "ready", bought
        [card] = self.owner.get("/api/v1/admin/cards", params={"purchase_id": bought["id"]})["data"]
        return bought["id"], card["stripe_card_id"]

    def pay(self, purchase: str, card: str) -> Any:
        """Authorized and captured at Stripe."""
        helper = self.stripe.v1.test_helpers.issuing.authorizations
        merchant = self.owner.get(f"/api/v1/admin/purchases/{purchase}")["merchant"]["name"].upper()
        paid = helper.create({"card": card, "amount": PRICE, "merchant_data": {"name": merchant, **SOFTWARE}})  # type: ignore[typeddict-item]
        assert paid.approved, paid.request_history
        return helper.capture(paid.id)

    def status(self, purchase: str) -> str:
        """Of a purchase."""
        return str(self.owner.get(f"/api/v1/admin/purchases/{purchase}")["status"])

    def lose(self, share: float) -> None:
        """How many of the events are lost from now on."""
        assert self.installation.simulator is not None
        answer = httpx2.post(
            f"{self.installation.simulator.ready['url']}/_simulator/delivery", json={"lose": share}, trust_env=False,
            verify=False, timeout=60,
        )  # fmt: skip
        assert answer.status_code == 200

    def run(self, id: str) -> dict[str, Any]:
        """A run as it is now."""
        return dict(self.owner.get(f"{RUNS}/{id}"))

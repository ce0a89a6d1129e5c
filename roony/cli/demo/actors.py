"""Who plays in the demo: the owner and the agent before Roony's HTTP API, the merchant before the simulated network."""

from __future__ import annotations

from typing import Any

import httpx2

from roony.cli.demo.checks import NotAsExpected
from roony.client.callers import IDLE_SECONDS

TIMEOUT_SECONDS = 30.0
# A connection that the other side is about to close is not used again: it would lose the call.
_LIMITS = httpx2.Limits(keepalive_expiry=IDLE_SECONDS)
CARDS_PAGE = 100


class _Api:
    """JSON over HTTP with a key; any other status than the expected one fails the demo."""

    def __init__(self, url: str, key: str) -> None:
        self.http = httpx2.Client(
            base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=TIMEOUT_SECONDS, trust_env=False,
            limits=_LIMITS,
        )  # fmt: skip

    def get(self, path: str, **params: Any) -> Any:
        """A reading call."""
        return _answer(self.http.get(path, params=params or None), 200)

    def post(self, path: str, body: dict[str, Any] | None = None, status: int = 200) -> Any:
        """A changing call."""
        return _answer(self.http.post(path, json=body or {}), status)


class OwnerSide(_Api):
    """The owner's program."""

    def budget(self, scope_id: str, period: str) -> dict[str, Any]:
        """One scope's budget over one period, in usd."""
        rows = self.get("/api/v1/admin/budgets", scope_id=scope_id)["data"]
        found = [row for row in rows if (row["period"], row["currency"]) == (period, "usd")]
        if len(found) != 1:
            raise NotAsExpected(f"one {period} budget of {scope_id}: expected, found {len(found)}")
        return dict(found[0])

    def card_of(self, purchase_id: str) -> dict[str, Any]:
        """The card of a purchase as Roony knows it."""
        found = [row for row in self.get("/api/v1/admin/cards")["data"] if row["purchase_id"] == purchase_id]
        if len(found) != 1:
            raise NotAsExpected(f"one card of {purchase_id}: expected, found {len(found)}")
        return dict(found[0])


class AgentSide(_Api):
    """The agent's program."""

    def ask(self, amount: int, merchant: dict[str, Any], description: str, key: str) -> httpx2.Response:
        """Asks for a purchase in usd, with an Idempotency-Key."""
        return self.http.post(
            "/api/v1/purchase_intents",
            json={"amount": amount, "currency": "usd", "description": description, "merchant": merchant},
            headers={"Idempotency-Key": key},
        )

    def purchase(self, id: str, wait: int = 0) -> dict[str, Any]:
        """The purchase as it is now."""
        return dict(self.get(f"/api/v1/purchase_intents/{id}", wait=wait))


class MerchantSide:
    """The merchant's terminal and what Stripe shows of the cards: Stripe's own HTTP, on the connected account."""

    def __init__(self, url: str, key: str, account: str) -> None:
        """`key` is the platform's; `account` the connected account it acts for."""
        headers = {"Authorization": f"Bearer {key}", "Stripe-Account": account}
        self.http = httpx2.Client(
            base_url=url, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False, limits=_LIMITS
        )

    def charge(self, stripe_card: str, amount: int, merchant: dict[str, str]) -> dict[str, Any]:
        """Lets a merchant ask for money on a card; answers after the network's decision."""
        form = {"card": stripe_card, "amount": str(amount)}
        form |= {f"merchant_data[{name}]": value for name, value in merchant.items()}
        return dict(_answer(self.http.post("/v1/test_helpers/issuing/authorizations", data=form), 200))

    def capture(self, authorization: str) -> dict[str, Any]:
        """Lets the merchant take the money."""
        path = f"/v1/test_helpers/issuing/authorizations/{authorization}/capture"
        return dict(_answer(self.http.post(path), 200))

    def card(self, stripe_card: str) -> dict[str, Any]:
        """The card as Stripe has it."""
        return dict(_answer(self.http.get(f"/v1/issuing/cards/{stripe_card}"), 200))

    def cards_of(self, purchase_id: str) -> list[dict[str, Any]]:
        """Every card at Stripe that was made for a purchase."""
        cards = _answer(self.http.get("/v1/issuing/cards", params={"limit": CARDS_PAGE}), 200)["data"]
        return [card for card in cards if card["metadata"].get("roony_purchase") == purchase_id]

    def advance_clock(self, seconds: int) -> dict[str, Any]:
        """Moves the clock of Stripe and of Roony; answers after Roony's worker has looked at the new time."""
        return dict(_answer(self.http.post("/_simulator/clock", json={"advance": seconds}), 200))


def _answer(response: httpx2.Response, status: int) -> Any:
    if response.status_code != status:
        call = f"{response.request.method} {response.request.url.path}"
        raise NotAsExpected(f"{call}: expected {status}, found {response.status_code}: {response.text[:400]}")
    return response.json()

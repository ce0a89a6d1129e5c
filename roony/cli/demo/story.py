"""The story of the demo, one function for each step; every printed fact is checked."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from roony.cli.demo.actors import AgentSide, MerchantSide, OwnerSide
from roony.cli.demo.checks import NotAsExpected, Teller
from roony.cli.demo.child import ServedRoony
from roony.cli.output import money

_SOFTWARE = {"category": "computer_software_stores", "country": "US"}
FIGMA = {"name": "Figma", "url": "https://figma.com", **_SOFTWARE}
NOTION = {"name": "Notion", **_SOFTWARE}
LINEAR = {"name": "Linear", **_SOFTWARE}
GITHUB = {"name": "GitHub", **_SOFTWARE}
# The same shops as the card network names them, and one that is none of them.
AT_FIGMA = {"name": "FIGMA MONTHLY RENEWAL", "network_id": "figma0001", **_SOFTWARE}
AT_GITHUB = {"name": "GITHUB, INC.", "network_id": "github0001", **_SOFTWARE}
AT_STRANGER = {"name": "QUICK GIFT CARDS", "network_id": "stranger01", **_SOFTWARE}

MONTH_LIMIT = 50_000
APPROVAL_THRESHOLD = 20_000
CARD_SECONDS = 3_600


class Story:
    """Who plays, and the ids that later steps need."""

    def __init__(self, roony: ServedRoony, teller: Teller, folder: Path) -> None:
        """Steps are called in order by `play`."""
        self.roony = roony
        self.tell = teller
        self.folder = folder
        self.url: str = roony.ready["url"]
        self.owner = OwnerSide(self.url, roony.owner.admin_key)
        self.organization_id = roony.owner.organization_id
        self.project_id = ""
        self.agent_id = ""
        self.agent: AgentSide
        self.merchant: MerchantSide
        self._clients = [self.owner.http]

    def close(self) -> None:
        """Lets every connection go, so that the server need not wait for them."""
        for client in self._clients:
            client.close()

    def connect(self) -> None:
        """The owner's browser goes through Stripe's OAuth."""
        from roony.cli.oauth_walk import WalkFailed, connect_account

        self.tell.step("The owner connects a Stripe account by OAuth")
        started = self.owner.post("/api/v1/admin/connections", {"kind": "connect"}, status=201)
        self.tell.note(f"one-time start link made for {started['id']}; the browser opens it and approves at Stripe")
        try:
            asyncio.run(connect_account(started["url"], "Acme Inc."))
        except WalkFailed as error:
            raise NotAsExpected(str(error)) from None
        connections = self.owner.get("/api/v1/admin/connections")["data"]
        connection = next(row for row in connections if row["id"] == started["id"])
        self.tell.check(f"connection {connection['id']}", connection["status"], "active")
        account = connection["stripe_account"]
        self.tell.check("Stripe account", account[:5], "acct_", account)
        self.tell.check("granted", connection["scope"], "read_write")
        self.merchant = MerchantSide(self.roony.ready["simulator_url"], self.roony.ready["stripe_secret_key"], account)
        self._clients.append(self.merchant.http)

    def create_agent(self) -> None:
        """An agent with budgets over every period and controls."""
        self.tell.step("The owner creates an agent with budgets and controls")
        limits = {"day": 40_000, "week": 45_000, "month": MONTH_LIMIT, "lifetime": 1_000_000}
        made = self.owner.post(
            "/api/v1/admin/agents",
            {
                "name": "design buyer",
                "budgets": [{"period": p, "limit": limit, "currency": "usd"} for p, limit in limits.items()],
                "controls": {
                    "purchase_limit": 100_000,
                    "approval_threshold": APPROVAL_THRESHOLD,
                    "allowed_categories": ["software"],
                    "allowed_countries": ["US"],
                    "card_ttl_seconds": CARD_SECONDS,
                },
            },
            status=201,
        )
        self.agent_id, self.project_id = made["id"], made["project_id"]
        self.agent = AgentSide(self.url, made["key"])
        self._clients.append(self.agent.http)
        self.tell.check(f"agent {self.agent_id} has a key, shown this once", made["key"][:12], "roony_agent_", "yes")
        for period, limit in limits.items():
            row = self.owner.budget(self.agent_id, period)
            self.tell.check_money(f"{period} limit", row["limit"], limit)

    def buy(self) -> None:
        """Ask, pay, settle; the same card a second time."""
        self.tell.step("The agent asks for 129.99 at Figma and gets a card")
        answer = self.agent.ask(12_999, FIGMA, "1 month Figma", "figma-1")
        self.tell.check("answer", answer.status_code, 201)
        purchase = answer.json()
        self.tell.check(f"purchase {purchase['id']}", purchase["status"], "ready")
        card = purchase["card"]
        stripe_card = self.owner.card_of(purchase["id"])["stripe_card_id"]
        at_stripe = self.merchant.card(stripe_card)
        self.tell.check(
            f"card {card['id']} ({stripe_card})", card["number"][-4:], at_stripe["last4"], f"•••• {card['last4']}"
        )
        handed_over = bool(card["cvc"] and card["billing_zip"])
        self.tell.check("number, CVC and ZIP were handed over once", handed_over, True, "yes, and kept nowhere")
        limits = at_stripe["spending_controls"]["spending_limits"]
        self.tell.check_money("hard limit at Stripe", limits[0]["amount"], 12_999)
        count = at_stripe["lifecycle_controls"]["cancel_after"]["payment_count"]
        self.tell.check("payments before Stripe cancels it", count, 1)
        self._standing(12_999, 0)
        self._ask_again(purchase["id"])
        self._pay(purchase["id"], stripe_card)

    def _ask_again(self, purchase_id: str) -> None:
        again = self.agent.ask(12_999, FIGMA, "1 month Figma", "figma-1")
        self.tell.check("the same ask with the same key", again.headers.get("Idempotent-Replayed"), "true", "replayed")
        replayed = again.json()
        self.tell.check("the same purchase, without a number", (replayed["id"], "number" in replayed["card"]),
                        (purchase_id, False), purchase_id)  # fmt: skip
        self.tell.check("cards at Stripe for it", len(self.merchant.cards_of(purchase_id)), 1)

    def _pay(self, purchase_id: str, stripe_card: str) -> None:
        self.tell.step("The agent pays at Figma; Stripe asks Roony in real time")
        authorization = self.merchant.charge(stripe_card, 12_999, AT_FIGMA)
        request = authorization["request_history"][0]
        self.tell.check(f"authorization {authorization['id']}", authorization["approved"], True, "approved")
        self.tell.check("reason at Stripe", request["reason"], "webhook_approved")
        self.tell.until("purchase", lambda: self.agent.purchase(purchase_id)["status"], "authorized")
        self.tell.step("The merchant captures; the books follow")
        self.merchant.capture(authorization["id"])
        self.tell.until("purchase", lambda: self.agent.purchase(purchase_id)["status"], "settled")
        self.tell.check_money("captured", self.agent.purchase(purchase_id)["captured_amount"], 12_999)
        self._standing(0, 12_999)
        self.tell.step("The card is single-use: a second payment is declined")
        second = self.merchant.charge(stripe_card, 100, AT_FIGMA)
        self.tell.check("second authorization", second["approved"], False, "declined")
        self.tell.check("reason at Stripe", second["request_history"][0]["reason"], "card_canceled")

    def refuse(self) -> None:
        """Over budget: no hold, no card."""
        self.tell.step("A purchase over what is left of the budgets is refused")
        answer = self.agent.ask(40_000, LINEAR, "Linear, 1 year", "linear-1")
        purchase = answer.json()
        self.tell.check(f"purchase {purchase['id']} of {money(40_000, 'usd')}", purchase["status"], "declined")
        reason = purchase["decision"]["reasons"][0]
        self.tell.check("first reason", reason["code"], "BUDGET_EXCEEDED")
        self.tell.note(reason["message"])
        self.tell.check("card", purchase["card"], None, "none")
        self._standing(0, 12_999)

    def wrong_merchant(self) -> None:
        """A good card at the wrong shop: Stripe's own controls would let it pass."""
        self.tell.step("A card for Notion is tried at another merchant: declined live")
        purchase = self._buy(4_800, NOTION, "Notion, 1 month", "notion-1")
        stripe_card = self.owner.card_of(purchase["id"])["stripe_card_id"]
        authorization = self.merchant.charge(stripe_card, 4_800, AT_STRANGER)
        request = authorization["request_history"][0]
        self.tell.check(f"authorization {authorization['id']}", authorization["approved"], False, "declined")
        self.tell.check("reason at Stripe", request["reason"], "webhook_declined")
        codes = [value for value in authorization["metadata"].values() if value == "MERCHANT_MISMATCH"]
        self.tell.check("Roony's code", codes, ["MERCHANT_MISMATCH"], "MERCHANT_MISMATCH")
        canceled = self.agent.post(f"/api/v1/purchase_intents/{purchase['id']}/cancel")
        self.tell.check("the agent cancels the purchase", canceled["status"], "canceled")
        self.tell.until("card at Stripe", lambda: self.merchant.card(stripe_card)["status"], "canceled")
        self._standing(0, 12_999)

    def approve(self) -> None:
        """A person decides."""
        self.tell.step(f"Over {money(APPROVAL_THRESHOLD, 'usd')} a person decides")
        answer = self.agent.ask(21_000, GITHUB, "GitHub, 10 seats", "github-1")
        purchase = answer.json()
        self.tell.check(f"purchase {purchase['id']}", purchase["status"], "awaiting_approval")
        self.tell.check("reason", purchase["decision"]["reasons"][0]["code"], "APPROVAL_OVER_THRESHOLD")
        self._standing(21_000, 12_999)
        approval = purchase["approval"]["id"]
        self.owner.post(f"/api/v1/admin/approvals/{approval}/approve", {"note": "agreed"})
        ready = self.agent.purchase(purchase["id"], wait=10)
        self.tell.check(f"approval {approval} given, purchase", ready["status"], "ready")
        details = self.agent.post(f"/api/v1/purchase_intents/{purchase['id']}/card", {"delivery": "raw"})
        self.tell.check(
            "card handed over", details["number"][-4:], ready["card"]["last4"], f"•••• {ready['card']['last4']}"
        )
        self._freeze(purchase["id"])

    def _freeze(self, purchase_id: str) -> None:
        self.tell.step("The owner freezes the agent: nothing goes out; unfrozen, the card lives again")
        scope = {"scope": "agent", "scope_id": self.agent_id}
        self.owner.post("/api/v1/admin/freeze", scope)
        refused = self.agent.ask(1_000, LINEAR, "Linear, 1 seat", "linear-2").json()
        self.tell.check("a new ask", refused["decision"]["reasons"][0]["code"], "AGENT_SUSPENDED")
        stripe_card = self.owner.card_of(purchase_id)["stripe_card_id"]
        self.tell.until("card at Stripe", lambda: self.merchant.card(stripe_card)["status"], "inactive")
        declined = self.merchant.charge(stripe_card, 21_000, AT_GITHUB)
        self.tell.check("payment while frozen", declined["approved"], False, "declined")
        self.owner.post("/api/v1/admin/unfreeze", scope)
        self.tell.until("unfrozen, card at Stripe", lambda: self.merchant.card(stripe_card)["status"], "active")
        approved = self.merchant.charge(stripe_card, 21_000, AT_GITHUB)
        self.tell.check("payment after that", approved["approved"], True, "approved")
        self.merchant.capture(approved["id"])
        self.tell.until("purchase", lambda: self.agent.purchase(purchase_id)["status"], "settled")
        self._standing(0, 33_999)

    def expire(self) -> None:
        """The clock of Stripe and Roony goes on by more than a card lives."""
        self.tell.step("An unused card expires: canceled at Stripe, its hold released")
        purchase = self._buy(5_000, LINEAR, "Linear, 1 month", "linear-3")
        stripe_card = self.owner.card_of(purchase["id"])["stripe_card_id"]
        self._standing(5_000, 33_999)
        moved = self.merchant.advance_clock(CARD_SECONDS + 1)
        self.tell.check("an hour later; Roony's worker has seen it", moved["acknowledged"], True, "yes")
        self.tell.until("purchase", lambda: self.agent.purchase(purchase["id"])["status"], "expired")
        self.tell.until("card at Stripe", lambda: self.merchant.card(stripe_card)["status"], "canceled")
        self._standing(0, 33_999)

    def audit(self) -> None:
        """The chain, exported and verified without the database; a changed copy is caught."""
        from roony.cli.audit import export_lines, verify_file

        self.tell.step("Every step is in the audit chain, which verifies offline")
        file = self.folder / "audit.jsonl"
        file.write_bytes(b"".join(export_lines(self.owner.http)))
        verdict = verify_file(file)
        self.tell.check(f"{verdict.records} records, chain", verdict.problem, None, "verified")
        forged = self.folder / "forged.jsonl"
        forged.write_text(file.read_text(encoding="utf-8").replace("12999", "12998"), encoding="utf-8")
        self.tell.check(
            "a copy with one amount changed is caught", verify_file(forged).problem is not None, True, "yes"
        )
        open_ones = self.owner.get("/api/v1/admin/discrepancies")["data"]
        self.tell.check("discrepancies", [row["kind"] for row in open_ones], [], "none")

    def _buy(self, amount: int, merchant: dict[str, Any], description: str, key: str) -> dict[str, Any]:
        purchase = dict(self.agent.ask(amount, merchant, description, key).json())
        self.tell.check(f"purchase {purchase.get('id')} of {money(amount, 'usd')}", purchase.get("status"), "ready")
        return purchase

    def _standing(self, held: int, spent: int) -> None:
        """Held and spent at every level. Lifetime budgets: the clock of the demo may pass midnight."""
        scopes = {"agent": self.agent_id, "project": self.project_id, "organization": self.organization_id}
        for scope, scope_id in scopes.items():
            row = self.owner.budget(scope_id, "lifetime")
            self.tell.check(
                f"{scope}: held, spent", (row["held"], row["spent"]), (held, spent),
                f"{money(row['held'], 'usd')}, {money(row['spent'], 'usd')}",
            )  # fmt: skip


def play(roony: ServedRoony, teller: Teller, folder: Path) -> None:
    """All steps in order. Raises NotAsExpected at the first fact that is not so."""
    teller.note(f"Roony {roony.ready['url']} · simulated Stripe {roony.ready['simulator_url']} · no real money moves")
    story = Story(roony, teller, folder)
    steps = (
        *(story.connect, story.create_agent, story.buy, story.refuse),
        *(story.wrong_merchant, story.approve, story.expire, story.audit),
    )
    try:
        for step in steps:
            step()
    finally:
        story.close()

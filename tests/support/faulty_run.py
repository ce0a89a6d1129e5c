"""Many purchases of several agents at the same time while Stripe's Issuing API fails in every way it knows."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import func, select

from roony.simulator.faults import KINDS
from roony.store.database import Database
from roony.store.tables import outbox
from tests.support.served import Bought, Buyer, Simulation, unique

# Kinds that say something of the connection: it is restricted, and asks are declined until Stripe was looked at again.
RESTRICTING = tuple(kind for kind in KINDS if kind in ("unauthorized", "forbidden"))
PASSING = tuple(kind for kind in KINDS if kind not in RESTRICTING)
# Of all calls to Stripe's Issuing API so many meet a fault, every passing kind alike; of the others a few in a run.
SHARE = 0.1
RESTRICTING_TIMES, RESTRICTING_SHARE = 2, 0.01
AGENTS, AT_ONCE = 4, 8
AMOUNTS = (300, 900)
# Long enough that no card's time is over before Stripe was asked often enough.
LIFETIME = 7 * 86_400
# How far the clock is moved at once, and how often: beyond the longest wait before another try.
STEP_SECONDS, STEPS = 310, 60
# Words of Stripe's, of the simulator's faults, and of exceptions. None may reach an agent.
RAW = (
    "asked of the simulator", "unknown error occurred", "rate limit exceeded", "Traceback", "Exception", "Error(",
    "HTTPConnection", "Stripe did", "StripeUn", "StripeRe", "stripe.", "errno", "sk_test", "api_error",
)  # fmt: skip


class FaultyRun:
    """One run. `counts` says what became of its purchases and how often Stripe failed."""

    def __init__(self, roony: Simulation, seed: int, number: int) -> None:
        self.roony = roony
        self.dice = random.Random(seed)
        self.number = number
        self.counts: Counter[str] = Counter()
        self.spent = 0
        self.heard: list[str] = []
        self._lock = threading.Lock()
        controls = {"card_ttl_seconds": LIFETIME, "purchase_limit": 100_000}
        self.buyers = [roony.buyer(controls=controls) for _ in range(AGENTS)]
        self.faults = [
            {"endpoint": "/v1/issuing/*", "kind": kind, "probability": _share(place), "seed": seed * 100 + place}
            | ({"seconds": 0.1} if kind == "slow" else {})
            for place, kind in enumerate(PASSING)
        ]
        self.restricting = [
            {"endpoint": "/v1/issuing/*", "kind": kind, "probability": RESTRICTING_SHARE,
             "seed": seed * 100 + 50 + place, "count": RESTRICTING_TIMES}
            for place, kind in enumerate(RESTRICTING)
        ]  # fmt: skip

    def play(self, tell: Callable[[str], None] = lambda _: None) -> None:
        """1 all ask · 2 all cards are made · 3 raised, paid, canceled or left · 4 time passes · 5 all is looked at."""
        asked = self._ask_all()
        tell(f"{len(asked):,} asks are approved")
        self.roony.control("faults", self.faults)
        self._let_time_pass()
        bought = [row for row in self._at_once(self._look, asked) if row is not None]
        self._every_card_is_there_once(bought)
        tell(f"{len(bought):,} cards are there")
        self._at_once(self._use, [(row, self.dice.random()) for row in bought])
        tell("raised, paid, canceled or left")
        self._let_time_pass()
        self._advance(LIFETIME + 60)
        self._let_time_pass()
        self._nothing_is_left(bought)
        self._agents_heard_words_of_ours()

    def _ask_all(self) -> list[tuple[Buyer, dict[str, Any]]]:
        """Until every wish is approved: one that was declined because Stripe refused our key is asked again later."""
        self.roony.control("faults", [*self.restricting, *self.faults])
        wishes, approved = [self._wish(place) for place in range(self.number)], []
        for _ in range(STEPS):
            asked = self._at_once(self._ask, wishes)
            approved += [row for row in asked if row[1]["status"] != "declined"]
            wishes = [wish for wish, (_, row) in zip(wishes, asked, strict=True) if row["status"] == "declined"]
            if not wishes:
                return approved
            wishes = [(*wish[:3], f"{wish[3]} again") for wish in wishes]
            self._advance(STEP_SECONDS)
        raise AssertionError(f"{len(wishes)} asks are declined for ever")

    def _wish(self, place: int) -> tuple[Buyer, int, str, str]:
        buyer = self.buyers[place % AGENTS]
        return buyer, self.dice.randint(*AMOUNTS), unique("Shop"), f"key {place}"

    def _at_once(self, work: Any, things: list[Any]) -> list[Any]:
        with ThreadPoolExecutor(AT_ONCE) as threads:
            return list(threads.map(work, things))

    def _hear(self, buyer: Buyer, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, dict[str, Any]]:
        """One call of an agent; what it was told is kept."""
        answer = buyer.api.call(method, f"/api/v1/purchase_intents{path}", body, **more)
        with self._lock:
            self.heard.append(answer.text)
        return answer.status_code, answer.json()

    def _ask(self, wish: tuple[Buyer, int, str, str]) -> tuple[Buyer, dict[str, Any]]:
        """Asks, every fifth time once more with the same key."""
        buyer, amount, merchant, key = wish
        headers = {"Idempotency-Key": key}
        for _ in range(2 if amount % 5 == 0 else 1):
            status, purchase = self._hear(buyer, "POST", "", buyer.wish(amount, merchant), headers=headers)
            assert status in (200, 201), purchase
        if purchase["status"] == "declined":
            assert [reason["code"] for reason in purchase["decision"]["reasons"]] == ["CONNECTION_INACTIVE"], purchase
        with self._lock:
            self.counts[f"answered {purchase['status']}"] += 1
        return buyer, purchase

    def _look(self, asked: tuple[Buyer, dict[str, Any]]) -> tuple[Buyer, Bought] | None:
        buyer, purchase = asked
        _, now = self._hear(buyer, "GET", f"/{purchase['id']}")
        assert now["status"] == "ready", now
        assert now["failure"] is None
        return buyer, Bought(now["id"], self.roony.card_of(now["id"])["stripe_card_id"], now)

    def _use(self, chosen: tuple[tuple[Buyer, Bought], float]) -> None:
        """Raised (a fifth), then paid (half of all), canceled (a quarter), or left until its time is over."""
        (buyer, bought), chance = chosen
        amount = bought.answer["amount"]
        if chance * 1_000 % 5 < 1:
            status, raised = self._hear(buyer, "POST", f"/{bought.id}/raise", {"amount": amount + 50})
            assert status == 200, raised
            amount = raised["card"]["hard_limit"]
            self._count("raised" if amount == raised["hold_amount"] else "raised, not confirmed at once")
        if chance < 0.5:
            paid = self.roony.charge(bought.stripe_card, amount, bought.answer["merchant"]["name"])
            assert paid.approved, paid
            self.roony.stripe.v1.test_helpers.issuing.authorizations.capture(paid.id)
            self._count("paid", amount)
        elif chance < 0.75:
            assert self._hear(buyer, "POST", f"/{bought.id}/cancel")[0] == 200
            self._count("canceled")
        else:
            self._count("left to expire")

    def _count(self, word: str, spent: int = 0) -> None:
        with self._lock:
            self.counts[word] += 1
            self.spent += spent

    def _let_time_pass(self) -> None:
        """Until every promise about cards is kept and every event told and handled; Stripe goes on failing."""
        for _ in range(STEPS):
            self._advance(STEP_SECONDS)
            if not self._open_promises() and not self.roony.control("state")["undelivered"]:
                return
        raise AssertionError(f"promises are not kept: {self._open_promises()}")

    def _advance(self, seconds: int) -> None:
        """Moves the clock. The worker's round may take longer than that call waits: the next look tells."""
        self.roony.control("clock", {"advance": seconds})

    def _open_promises(self) -> list[Any]:
        kinds = ("make_card", "set_card_status", "cancel_card", "raise_card")
        where = (outbox.c.status == "promised", outbox.c.kind.in_(kinds))
        query = select(outbox.c.kind, outbox.c.last_error, func.count()).where(*where)
        database = Database(self.roony.database_url)
        try:
            return [tuple(row) for row in database.read(query.group_by(outbox.c.kind, outbox.c.last_error))]
        finally:
            database.close()

    def _cards_at_stripe(self) -> list[dict[str, Any]]:
        return [card for card in self.roony.control("state")["cards"] if card["metadata"].get("roony_purchase")]

    def _every_card_is_there_once(self, bought: list[tuple[Buyer, Bought]]) -> None:
        """P2: exactly one card at Stripe for each approved purchase, and none besides."""
        found = Counter(card["metadata"]["roony_purchase"] for card in self._cards_at_stripe())
        ours = {row.id for _, row in bought}
        assert len(ours) == self.number
        assert {id: found[id] for id in ours} == dict.fromkeys(ours, 1)
        assert set(found.values()) == {1}

    def _nothing_is_left(self, bought: list[tuple[Buyer, Bought]]) -> None:
        """No orphan: every card is over, at Stripe as here. P8: nothing is held, spent is what was captured."""
        self._every_card_is_there_once(bought)
        ours = {row.id: row.stripe_card for _, row in bought}
        for card in self._cards_at_stripe():
            purchase_id = card["metadata"]["roony_purchase"]
            if purchase_id in ours:
                assert card["id"] == ours[purchase_id]
                assert card["status"] == "canceled", card
        standings = [buyer.standings()[0] for buyer in self.buyers]
        assert [held for held, _ in standings] == [0] * AGENTS
        assert sum(spent for _, spent in standings) == self.spent
        assert self.roony.owner.get("/api/v1/admin/discrepancies")["data"] == []
        ended = Counter(row["status"] for buyer in self.buyers for row in self._purchases(buyer))
        ended.pop("declined", None)
        assert set(ended) <= {"settled", "canceled", "expired"}, ended
        assert ended["settled"] == self.counts["paid"]
        assert sum(ended.values()) == self.number

    def _purchases(self, buyer: Buyer) -> list[dict[str, Any]]:
        """All of one agent's, page by page."""
        rows: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = buyer.api.get(
                "/api/v1/purchase_intents", params={"limit": 100, **({"cursor": cursor} if cursor else {})}
            )
            rows += page["data"]
            cursor = page["next_cursor"]
            if cursor is None:
                return rows

    def _agents_heard_words_of_ours(self) -> None:
        """No raw text of an exception or of Stripe's in anything an agent was answered."""
        for word in RAW:
            assert not [text for text in self.heard if word in text], word


def _share(place: int) -> float:
    """The chance of one rule, given that none before it met the request, so that all kinds come equally often."""
    each = SHARE / len(KINDS)
    return each / (1 - place * each)
